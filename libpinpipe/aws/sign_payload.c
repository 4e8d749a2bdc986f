/* Turns the payload mode into the payload line and the headers that the signer adds.
 * Never hashes a body that goes unsigned.
 * Rules: sign.def; S3 API Reference, "Signature calculations"; docs/signing.md, "The canonical request". */
#include <assert.h>
#include <string.h>

#include "aws/chunks.h"
#include "aws/signer.h"
#include "base/buffer.h"
#include "text/number.h"

static const char unsigned_payload[] = "UNSIGNED-PAYLOAD";

static void header_added(pp_sign_job *job, const char *name, pinpipe_str value) {
    assert(job->added_count < sizeof job->added / sizeof job->added[0]);
    job->added[job->added_count++] = (pinpipe_header){pp_str(name), value};
}

/* What the caller may not or must say of a streamed body. `*is_encoding_given` tells of content-encoding. */
static pinpipe_status streaming_headers_check(bool *is_encoding_given, const pp_sign_job *job,
                                              pinpipe_error *err) {
    static const char *const refused[] = {
#define PP_REFUSED_STREAMING_HEADER(name) name,
#include "aws/sign.def"
#undef PP_REFUSED_STREAMING_HEADER
    };
    static const char chunked[] = "aws-chunked";
    for (int64_t i = 0; i < job->request->header_count; i++) {
        pinpipe_str name = job->request->headers[i].name, value = job->request->headers[i].value;
        for (size_t k = 0; k < sizeof refused / sizeof refused[0]; k++) {
            if (pp_str_alike(name, pp_str(refused[k]))) {
                return pp_fail(err, PINPIPE_EINVAL,
                               "header %s: only the signer writes it where a body is streamed", refused[k]);
            }
        }
        if (pp_str_alike(name, pp_str("content-encoding")) && !*is_encoding_given) {
            *is_encoding_given = true;
            if (value.len < sizeof chunked - 1 || memcmp(value.ptr, chunked, sizeof chunked - 1) != 0) {
                return pp_fail(err, PINPIPE_EINVAL,
                               "header content-encoding: '%.*s' does not begin with aws-chunked",
                               pp_quote_len(value.len), value.len ? value.ptr : "");
            }
        }
    }
    return PINPIPE_OK;
}

static pinpipe_status streaming_decide(pp_sign_job *job, pinpipe_error *err) {
    const pinpipe_sign_options *options = job->options;
    const pp_streaming *mode = pp_streaming_find(options->payload);
    assert(mode);
    if (!job->is_plain_service) {
        return pp_fail(err, PINPIPE_EINVAL, "payload: a streamed body is for S3, not for service '%.*s'",
                       pp_quote_len(options->service.len), options->service.ptr);
    }
    if (!mode->is_signed && !pp_url_is_https(&job->url)) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "payload: it goes unsigned over https only, the url begins with http:");
    }
    bool is_encoding_given = false;
    pinpipe_status status = streaming_headers_check(&is_encoding_given, job, err);
    if (status < 0) {
        return status;
    }
    if (!is_encoding_given) {
        header_added(job, "content-encoding", pp_str("aws-chunked"));
    }
    size_t len = pp_number_write_i64(job->decoded_bytes, options->decoded_bytes);
    header_added(job, "x-amz-decoded-content-length", (pinpipe_str){job->decoded_bytes, len});
    if (mode->has_trailer) {
        header_added(job, "x-amz-trailer", pp_str(pp_checksum_name(options->checksum)));
    }
    job->payload = pp_str(mode->payload);
    return PINPIPE_OK;
}

static pinpipe_status body_decide(pp_sign_job *job, pinpipe_signer *signer, pinpipe_error *err) {
    bool is_presigned = job->options->form == PINPIPE_SIGN_QUERY;
    int32_t mode = job->options->payload;
    if (mode == PINPIPE_PAYLOAD_SERVICE) {
        mode = job->is_plain_service && is_presigned ? PINPIPE_PAYLOAD_UNSIGNED : PINPIPE_PAYLOAD_SIGNED;
    }
    bool is_unsigned = mode == PINPIPE_PAYLOAD_UNSIGNED;
    if (is_presigned && job->is_plain_service && !is_unsigned) {
        return pp_fail(err, PINPIPE_EINVAL, "payload: a presigned URL of S3 says nothing of the body");
    }
    if (is_unsigned && !is_presigned && !pp_url_is_https(&job->url)) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "payload: it goes unsigned over https only, the url begins with http:");
    }
    job->is_hash_told = !is_presigned && (job->is_plain_service || mode != PINPIPE_PAYLOAD_SIGNED);
    signer->last.is_body_hashed = !is_unsigned;
    job->payload =
        is_unsigned ? pp_str(unsigned_payload) : (pinpipe_str){signer->body_hash, PP_SHA256_HEX_BYTES};
    return PINPIPE_OK;
}

pinpipe_status pp_sign_payload_decide(pp_sign_job *job, pinpipe_signer *signer, pinpipe_error *err) {
    pinpipe_str token = pinpipe_credentials_token(job->credentials);
    bool is_streamed = pp_streaming_find(job->options->payload) != NULL;
    signer->last.is_body_hashed = false;
    job->is_hash_told = true;
    pinpipe_status status = is_streamed ? streaming_decide(job, err) : body_decide(job, signer, err);
    if (status < 0) {
        return status;
    }
    if (job->is_hash_told) {
        header_added(job, "x-amz-content-sha256", job->payload);
    }
    if (job->options->form == PINPIPE_SIGN_HEADER) {
        header_added(job, "x-amz-date", (pinpipe_str){job->time, PP_TIME_BYTES});
        if (token.len) {
            header_added(job, "x-amz-security-token", token);
        }
    }
    return PINPIPE_OK;
}
