/* Turns regions, hosts, keys and times into MSK tokens, and the tokens back: decoded and signed again, they
 * are equal. Never accepts a token whose parts are not those that it was asked for. Rules:
 * reference/signing.md §2.1. Input: time, expiry, then lines: region, host, user agent, key id, secret,
 * token. */
#include "fuzz.h"

#include <stdbool.h>
#include <string.h>

#include "aws/signer.h"
#include "aws/uri.h"
#include "base/buffer.h"
#include "text/base64.h"
#include "text/number.h"

#define HEAD_BYTES 7
#define LINES 6

static pinpipe_str lines[LINES];

static void lines_read(const uint8_t *data, size_t size) {
    const char *at = (const char *)data, *end = at + size;
    for (size_t i = 0; i < LINES; i++) {
        const char *mark = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        const char *stop = mark && i + 1 < LINES ? mark : end;
        lines[i] = (pinpipe_str){at, (size_t)(stop - at)};
        at = stop < end ? stop + 1 : end;
    }
}

static void token_decode(pinpipe_buf *out, const pinpipe_buf *token) {
    size_t padded = (token->len + 3) / 4 * 4, len = 0;
    REQUIRE(pp_buf_reserve(out, padded, PP_BUF_MAX, NULL) == PINPIPE_OK);
    for (size_t i = 0; i < padded; i++) {
        char digit = i < token->len ? token->ptr[i] : '=';
        REQUIRE(digit != '+' && digit != '/' && (i >= token->len || digit != '='));
        out->ptr[i] = digit == '-' ? '+' : digit == '_' ? '/' : digit;
    }
    REQUIRE(pp_base64_read(out->ptr, &len, out->ptr, padded));
    out->len = len;
    out->ptr[len] = '\0';
}

/* The value of a parameter, decoded. */
static void parameter_find(pinpipe_buf *out, const pinpipe_buf *url, const char *name) {
    char marked[64];
    int marked_len = snprintf(marked, sizeof marked, "&%s=", name);
    const char *at = memmem(url->ptr, url->len, marked, (size_t)marked_len), *end = url->ptr + url->len;
    REQUIRE(at != NULL);
    at += marked_len;
    const char *mark = memchr(at, '&', (size_t)(end - at));
    pp_buf_clear(out);
    REQUIRE(pp_uri_decode(out, (pinpipe_str){at, (size_t)((mark ? mark : end) - at)}, PP_PLUS_KEPT, NULL) ==
            PINPIPE_OK);
}

static void parameter_check(const pinpipe_buf *url, const char *name, pinpipe_str wanted) {
    pinpipe_buf value = PINPIPE_BUF_INIT;
    parameter_find(&value, url, name);
    REQUIRE(pp_str_equal(pp_buf_view(&value), wanted));
    pinpipe_buf_reset(&value);
}

static void token_check(const pinpipe_buf *token, int64_t lifetime_ms, const pinpipe_msk_options *options,
                        const pinpipe_credentials *key) {
    pinpipe_buf url = PINPIPE_BUF_INIT, plain = PINPIPE_BUF_INIT;
    pinpipe_signature *signature = NULL;
    pinpipe_sign_request request = PINPIPE_SIGN_REQUEST_INIT;
    pinpipe_sign_options sign = PINPIPE_SIGN_OPTIONS_INIT;
    char number[PP_I64_TEXT_MAX], time[PP_TIME_BYTES + 1];
    token_decode(&url, token);
    sign.form = PINPIPE_SIGN_QUERY;
    sign.service = pp_str("kafka-cluster");
    sign.region = options->region;
    sign.time_s = options->time_s;
    sign.expires_s = options->expires_s ? options->expires_s : 900;
    REQUIRE(lifetime_ms == (sign.time_s + sign.expires_s) * 1000);
    pp_sign_time_write(time, sign.time_s);
    parameter_check(&url, "X-Amz-Date", pp_str(time));
    parameter_check(&url, "X-Amz-Expires",
                    (pinpipe_str){number, pp_number_write_i64(number, sign.expires_s)});
    parameter_check(&url, "X-Amz-SignedHeaders", pp_str("host"));
    if (pinpipe_credentials_token(key).len) {
        parameter_check(&url, "X-Amz-Security-Token", pinpipe_credentials_token(key));
    }
    if (options->user_agent.len) {
        parameter_check(&url, "User-Agent", options->user_agent);
    }
    /* What is left of the URL without the signer's parameters gives the same signature. */
    const char *end = memmem(url.ptr, url.len, "&X-Amz-Algorithm=", 17);
    REQUIRE(end != NULL);
    request.method = pp_str("GET");
    request.url = (pinpipe_str){url.ptr, (size_t)(end - url.ptr)};
    REQUIRE(pinpipe_request_sign(&signature, &request, key, &sign, NULL) == PINPIPE_OK);
    parameter_check(&url, "X-Amz-Signature", pinpipe_signature_text(signature));
    pinpipe_str again = pinpipe_signature_url(signature);
    REQUIRE(url.len > again.len && memcmp(url.ptr, again.ptr, again.len) == 0);
    pinpipe_signature_free(signature);
    pinpipe_buf_reset(&url);
    pinpipe_buf_reset(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pinpipe_credentials *key = NULL;
    pinpipe_buf token = PINPIPE_BUF_INIT;
    int64_t lifetime_ms = -1;
    if (size < HEAD_BYTES || size > 8192) {
        return 0;
    }
    lines_read(data + HEAD_BYTES, size - HEAD_BYTES);
    pinpipe_credentials_options parts = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    pinpipe_msk_options options = PINPIPE_MSK_OPTIONS_INIT;
    for (size_t i = 0; i < 5; i++) {
        options.time_s = options.time_s << 8 | data[i];
    }
    options.expires_s = data[5] << 8 | data[6];
    options.region = lines[0];
    options.sign_host = lines[1];
    options.user_agent = lines[2];
    parts.access_key_id = lines[3];
    parts.secret_access_key = lines[4];
    parts.session_token = lines[5];
    if (pinpipe_credentials_new(&key, &parts, NULL) == PINPIPE_OK) {
        pinpipe_status status = pinpipe_msk_token_sign(&token, &lifetime_ms, key, &options, NULL);
        REQUIRE(status == PINPIPE_OK || status == PINPIPE_EINVAL);
        REQUIRE((status == PINPIPE_OK) == (lifetime_ms >= 0));
        if (status == PINPIPE_OK) {
            token_check(&token, lifetime_ms, &options, key);
        }
    }
    pinpipe_buf_reset(&token);
    pinpipe_credentials_free(key);
    return 0;
}
