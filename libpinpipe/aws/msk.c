/* Turns a region, a key and a time into the token that MSK's IAM login takes.
 * Never reads a clock, and keeps no copy of the token.
 * Rules: reference/signing.md §2.1: what the official signers for Java, Python, Go and JavaScript agree on.
 */
#include <assert.h>
#include <string.h>

#include "aws/canonical.h"
#include "aws/sign_check.h"
#include "aws/uri.h"
#include "base/buffer.h"
#include "pinpipe/version.h"
#include "text/base64.h"

#define EXPIRES_DEFAULT_S 900
#define EXPIRES_MIN_S 60
#define EXPIRES_MAX_S 43200
#define USER_AGENT_MAX 256
#define HOST_MAX 255

static const char service[] = "kafka-cluster";
static const char action[] = "/?Action=kafka-cluster%3AConnect";

static pinpipe_status options_check(const pinpipe_msk_options *options, pinpipe_error *err) {
    if (!options || options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "msk options lack their struct_size");
    }
    if (options->expires_s && (options->expires_s < EXPIRES_MIN_S || options->expires_s > EXPIRES_MAX_S)) {
        return pp_fail(err, PINPIPE_EINVAL, "expiry: %lld s, not %d to %d", (long long)options->expires_s,
                       EXPIRES_MIN_S, EXPIRES_MAX_S);
    }
    if (options->user_agent.len > USER_AGENT_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "user agent: %zu bytes are more than %d", options->user_agent.len,
                       USER_AGENT_MAX);
    }
    for (size_t i = 0; i < options->sign_host.len; i++) {
        char byte = options->sign_host.ptr[i];
        if (options->sign_host.len > HOST_MAX || byte == '/' || byte == '?') {
            return pp_fail(err, PINPIPE_EINVAL, "sign host '%.*s': it is no host name",
                           pp_quote_len(options->sign_host.len), options->sign_host.ptr);
        }
    }
    return pp_scope_part_check("region", options->region, err);
}

static pinpipe_status url_write(pinpipe_buf *out, const pinpipe_msk_options *options, pinpipe_error *err) {
    pinpipe_str host = options->sign_host, region = options->region;
    if (host.len) {
        return pp_buf_printf(out, err, "https://%.*s%s", (int)host.len, host.ptr, action);
    }
    return pp_buf_printf(out, err, "https://kafka.%.*s.amazonaws.com%s", (int)region.len, region.ptr, action);
}

/* base64url without padding. */
static pinpipe_status token_write(pinpipe_buf *out, pinpipe_str url, pinpipe_error *err) {
    pinpipe_status status = pp_buf_renew_secret(out, PP_BASE64_LEN(url.len), err);
    if (status < 0) {
        return status;
    }
    pp_base64_write(out->ptr, url.ptr, url.len);
    size_t len = PP_BASE64_LEN(url.len);
    while (len > 0 && out->ptr[len - 1] == '=') {
        len--;
    }
    for (size_t i = 0; i < len; i++) {
        char digit = out->ptr[i];
        out->ptr[i] = digit == '+' ? '-' : digit == '/' ? '_' : digit;
    }
    out->ptr[len] = '\0';
    out->len = len;
    return PINPIPE_OK;
}

/* A token does not outlive its key. A key that is over is one that an instance hands out all the same. */
static int64_t life_s(const pinpipe_credentials *credentials, const pinpipe_msk_options *options) {
    int64_t life = options->expires_s ? options->expires_s : EXPIRES_DEFAULT_S;
    int64_t expires_s = pinpipe_credentials_expires_s(credentials);
    int64_t left_s = expires_s > options->time_s ? expires_s - options->time_s : life;
    return left_s < life ? left_s : life;
}

pinpipe_status pinpipe_msk_token_sign(pinpipe_buf *out, int64_t *lifetime_ms,
                                      const pinpipe_credentials *credentials,
                                      const pinpipe_msk_options *options, pinpipe_error *err) {
    assert(out);
    pinpipe_signature *signature = NULL;
    pinpipe_buf url = PINPIPE_BUF_INIT, whole = PINPIPE_BUF_INIT;
    pinpipe_sign_request request = PINPIPE_SIGN_REQUEST_INIT;
    pinpipe_sign_options sign = PINPIPE_SIGN_OPTIONS_INIT;
    pinpipe_status status = options_check(options, err);
    if (status == PINPIPE_OK) {
        status = url_write(&url, options, err);
    }
    if (status == PINPIPE_OK) {
        request.method = pp_str("GET");
        request.url = pp_buf_view(&url);
        sign.form = PINPIPE_SIGN_QUERY;
        sign.service = pp_str(service);
        sign.region = options->region;
        sign.time_s = options->time_s;
        sign.expires_s = life_s(credentials, options);
        status = pinpipe_request_sign(&signature, &request, credentials, &sign, err);
    }
    if (status == PINPIPE_OK) {
        pinpipe_str presigned = pinpipe_signature_url(signature), agent = options->user_agent;
        agent = agent.len ? agent : pp_str("libpinpipe/" PINPIPE_VERSION);
        status = pp_buf_renew_secret(&whole, presigned.len + 3 * agent.len + 16, err);
        if (status == PINPIPE_OK) {
            pp_put(&whole, presigned);
            pp_put(&whole, pp_str("&User-Agent="));
            status = pp_uri_encode(&whole, agent, PP_SLASH_ENCODED, err);
        }
    }
    if (status == PINPIPE_OK) {
        status = token_write(out, pp_buf_view(&whole), err);
    }
    if (status == PINPIPE_OK && lifetime_ms) {
        *lifetime_ms = (sign.time_s + sign.expires_s) * 1000;
    }
    pinpipe_signature_free(signature);
    pp_buf_reset_secret(&whole);
    pinpipe_buf_reset(&url);
    return status;
}
