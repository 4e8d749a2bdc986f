/* Turns an object's name into a URL that works without a key: a presigned one.
 * Never asks the store anything.
 * Rules: docs/s3.md, "Links"; S3 API Reference, "Authenticating Requests: Using Query Parameters". */
#include "s3/client.h"

#if PINPIPE_WITH_S3

#include <assert.h>

#include "aws/uri.h"
#include "base/buffer.h"

#define EXPIRES_S 3600 /* as of the AWS CLI's presign */

/* Whoever has the link sends no headers, so what the client sends with each request stands in the query,
 * where S3 knows these names in lower case only. */
static pinpipe_status query_write(pinpipe_buf *out, const pinpipe_s3 *s3, const pp_s3_call *call,
                                  pinpipe_error *err) {
    pinpipe_header sent[PP_S3_CLIENT_HEADERS];
    size_t count = pp_s3_client_headers(sent, s3, call);
    pinpipe_status status = pp_buf_append_text(out, "", err);
    for (size_t i = 0; i < count && status == PINPIPE_OK; i++) {
        status = pp_buf_printf(out, err, "%s%.*s=", i ? "&" : "", (int)sent[i].name.len, sent[i].name.ptr);
        if (status == PINPIPE_OK) {
            status = pp_uri_encode(out, sent[i].value, PP_SLASH_ENCODED, err);
        }
    }
    return status;
}

static pinpipe_status plain_write(pinpipe_buf *out, const pinpipe_s3 *s3, pp_s3_call *call,
                                  pinpipe_error *err) {
    pinpipe_buf query = PINPIPE_BUF_INIT;
    pinpipe_status status = query_write(&query, s3, call, err);
    if (status == PINPIPE_OK) {
        call->query = query.ptr;
        status = pp_s3_url_write(out, s3, call, err);
        call->query = "";
    }
    pinpipe_buf_reset(&query);
    return status;
}

/* By the client's signer, which has the derived key of its other requests. */
static pinpipe_status link_sign(pinpipe_buf *url, pinpipe_s3 *s3, const pinpipe_sign_request *request,
                                const pinpipe_sign_options *options, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_credentials *key = NULL;
    const pinpipe_signature *signature = NULL;
    pinpipe_status status =
        pinpipe_provider_get(&key, s3->provider, timeout_ms ? timeout_ms : s3->timeout_ms, err);
    if (status == PINPIPE_OK) {
        status = pinpipe_signer_sign(&signature, s3->signer, request, key, options, err);
    }
    if (status == PINPIPE_OK) {
        pinpipe_str text = pinpipe_signature_url(signature);
        status = pp_buf_append(url, text.ptr, text.len, err);
    }
    pinpipe_credentials_free(key);
    return status;
}

pinpipe_status pinpipe_s3_object_sign(pinpipe_buf *url, pinpipe_s3 *s3, pinpipe_s3_name name,
                                      const pinpipe_s3_sign_options *options, int64_t timeout_ms,
                                      pinpipe_error *err) {
    assert(url && s3);
    const pinpipe_s3_sign_options defaults = PINPIPE_S3_SIGN_OPTIONS_INIT;
    pp_s3_call call = {.name = name, .query = ""};
    pinpipe_sign_request request = PINPIPE_SIGN_REQUEST_INIT;
    pinpipe_sign_options signing;
    pinpipe_buf plain = PINPIPE_BUF_INIT;
    pp_buf_clear(url);
    options = options ? options : &defaults;
    if (options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "sign options lack their struct_size");
    }
    pinpipe_status status = pp_flight_check(s3->flight, err);
    if (status == PINPIPE_OK) {
        status = pp_s3_key_check(name.key, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_s3_call_check(&call, timeout_ms, err);
    }
    if (status == PINPIPE_OK) {
        status = plain_write(&plain, s3, &call, err);
    }
    if (status == PINPIPE_OK) {
        request.method = options->method.len ? options->method : pp_str("GET");
        request.url = pp_buf_view(&plain);
        pp_s3_sign_options(&signing, s3, name.bucket, pp_skew_offset_ms(pp_provider_skew(s3->provider)));
        signing.form = PINPIPE_SIGN_QUERY;
        signing.expires_s = options->expires_s ? options->expires_s : EXPIRES_S;
        status = link_sign(url, s3, &request, &signing, timeout_ms, err);
    }
    pinpipe_buf_reset(&plain);
    return status;
}

#endif
