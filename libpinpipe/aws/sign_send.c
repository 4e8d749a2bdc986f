/* Turns what was signed into what is sent: headers, or the presigned URL.
 * Never sends it, and changes nothing that the caller gave.
 * Rules: AWS "Add the signature to the HTTP request"; docs/signing.md. */
#include <assert.h>

#include "aws/signer.h"
#include "base/buffer.h"

static bool is_in_header(const pp_sign_job *job) {
    return job->options->form == PINPIPE_SIGN_HEADER;
}

pinpipe_status pp_sign_credential_write(pinpipe_buf *out, const pinpipe_signer *signer,
                                        const pp_sign_job *job, pinpipe_error *err) {
    pinpipe_str key_id = pinpipe_credentials_key_id(job->credentials);
    pinpipe_status status = pp_buf_renew_secret(out, key_id.len + 1 + signer->scope.len, err);
    if (status == PINPIPE_OK) {
        pp_put(out, key_id);
        pp_put(out, pp_str("/"));
        pp_put(out, pp_buf_view(&signer->scope));
    }
    return status;
}

/* Builds the Authorization header behind the others' bytes; `room` was reserved for it. */
static void authorization_add(pinpipe_signer *signer) {
    pp_pairs *sent = &signer->signature->headers;
    const pinpipe_str signature = {signer->signature->text, PP_SHA256_HEX_BYTES};
    const pinpipe_header start = {pp_str("authorization"), pp_str(PP_SIGN_ALGORITHM " Credential=")};
    pp_headers_add_plain(sent, start);
    pinpipe_str *value = &sent->items[sent->count - 1].value;
    pp_put(&sent->bytes, pp_buf_view(&signer->credential));
    pp_put(&sent->bytes, pp_str(", SignedHeaders="));
    pp_put(&sent->bytes, pp_buf_view(&signer->names));
    pp_put(&sent->bytes, pp_str(", Signature="));
    signer->last.sent_signature = sent->bytes.ptr + sent->bytes.len;
    pp_put(&sent->bytes, signature);
    value->len = (size_t)(sent->bytes.ptr + sent->bytes.len - value->ptr);
}

static pinpipe_status headers_send(pinpipe_signer *signer, const pp_sign_job *job, pinpipe_error *err) {
    const pinpipe_sign_request *request = job->request;
    pp_pairs *sent = &signer->signature->headers;
    pinpipe_status status =
        pp_sign_headers_reserve(sent, job, signer->credential.len + signer->names.len + 256, err);
    if (status < 0) {
        return status;
    }
    for (int64_t i = 0; i < request->header_count; i++) {
        pp_headers_add_plain(sent, request->headers[i]);
    }
    for (size_t i = 0; i < job->added_count; i++) {
        pp_headers_add_plain(sent, job->added[i]);
        if (job->added[i].value.ptr == job->payload.ptr) {
            signer->last.told_hash = sent->bytes.ptr + sent->bytes.len - job->payload.len;
        }
    }
    if (is_in_header(job)) {
        authorization_add(signer);
    }
    return PINPIPE_OK;
}

static pinpipe_status url_presign(pinpipe_signer *signer, const pp_sign_job *job, pinpipe_error *err) {
    static const char token_name[] = "&X-Amz-Security-Token=", signature_name[] = "&X-Amz-Signature=";
    const pp_url *url = &job->url;
    pinpipe_str token = pinpipe_credentials_token(job->credentials);
    pinpipe_buf *out = &signer->signature->url;
    size_t bytes =
        job->request->url.len + pp_pairs_text_max(&signer->query) + 3 * token.len + sizeof token_name + 128;
    pinpipe_status status = pp_buf_renew_secret(out, bytes, err);
    if (status == PINPIPE_OK) {
        pp_put(out, url->scheme);
        pp_put(out, pp_str("://"));
        pp_put(out, url->authority);
        pp_put(out, url->path.len ? url->path : pp_str("/"));
        pp_put(out, pp_str("?"));
        pp_query_write(out, &signer->query);
        if (token.len && !job->is_token_signed) {
            pp_put(out, pp_str(token_name));
            status = pp_uri_encode(out, token, PP_SLASH_ENCODED, err);
        }
        pp_put(out, pp_str(signature_name));
        signer->last.sent_signature = out->ptr + out->len;
        pp_put(out, (pinpipe_str){signer->signature->text, PP_SHA256_HEX_BYTES});
        out->ptr[out->len] = '\0';
    }
    return status;
}

pinpipe_status pp_sign_send_write(pinpipe_signer *signer, const pp_sign_job *job, pinpipe_error *err) {
    signer->last.told_hash = NULL;
    pinpipe_status status = headers_send(signer, job, err);
    if (status < 0) {
        return status;
    }
    if (!is_in_header(job)) {
        return url_presign(signer, job, err);
    }
    pinpipe_buf *url = &signer->signature->url;
    status = pp_buf_renew_secret(url, job->request->url.len, err);
    if (status == PINPIPE_OK) {
        pp_put(url, job->request->url);
        url->ptr[url->len] = '\0';
    }
    return status;
}
