/* Turns any bytes into a URL's parts and back, and into percent-encoded text and back.
 * Never accepts a URL that is not the sum of its parts, or an encoding that loses a byte.
 * Rules: RFC 3986 §2 and §3; what the signer refuses besides is in docs/signing.md. */
#include "fuzz.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "aws/uri.h"
#include "base/buffer.h"

static bool is_equal(const pinpipe_buf *buf, const void *bytes, size_t len) {
    return buf->len == len && (!len || memcmp(buf->ptr, bytes, len) == 0);
}

static void encoding_check(pinpipe_str bytes, pp_uri_slash slash, pp_uri_plus plus) {
    pinpipe_buf encoded = PINPIPE_BUF_INIT, decoded = PINPIPE_BUF_INIT, again = PINPIPE_BUF_INIT;
    REQUIRE(pp_uri_encode(&encoded, bytes, slash, NULL) == PINPIPE_OK);
    for (size_t i = 0; i < encoded.len; i++) {
        REQUIRE(encoded.ptr[i] > ' ' && encoded.ptr[i] < 0x7f && encoded.ptr[i] != '+');
    }
    REQUIRE(pp_uri_decode(&decoded, pp_buf_view(&encoded), plus, NULL) == PINPIPE_OK);
    REQUIRE(is_equal(&decoded, bytes.ptr, bytes.len));
    pp_buf_clear(&decoded);
    pp_buf_clear(&encoded);
    REQUIRE(pp_uri_decode(&decoded, bytes, plus, NULL) == PINPIPE_OK);
    REQUIRE(decoded.len <= bytes.len);
    REQUIRE(pp_uri_encode(&encoded, pp_buf_view(&decoded), slash, NULL) == PINPIPE_OK);
    REQUIRE(pp_uri_encode_again(&again, bytes, slash, plus, NULL) == PINPIPE_OK);
    REQUIRE(is_equal(&again, encoded.ptr, encoded.len));
    pinpipe_buf_reset(&encoded);
    pinpipe_buf_reset(&decoded);
    pinpipe_buf_reset(&again);
}

/* Why a text is no URL that is signed; the parts are looked for from the front. */
static bool is_refused(pinpipe_str url) {
    size_t at = url.len >= 7 && strncasecmp(url.ptr, "http://", 7) == 0    ? 7
                : url.len >= 8 && strncasecmp(url.ptr, "https://", 8) == 0 ? 8
                                                                           : 0;
    if (!at || at == url.len || strchr("/?:", url.ptr[at])) {
        return true;
    }
    bool is_host = true;
    for (size_t i = 0; i < url.len; i++) {
        unsigned char byte = (unsigned char)url.ptr[i];
        is_host = is_host && (i < at || (byte != '/' && byte != '?'));
        bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        bool is_plain = is_letter || (byte >= '0' && byte <= '9') || (byte && strchr("-._:[]", byte));
        if (byte < 0x20 || byte == 0x7f || byte == '#' || (i >= at && is_host && !is_plain)) {
            return true;
        }
    }
    return false;
}

static void url_check(pinpipe_str url) {
    pp_url parts;
    pinpipe_buf whole = PINPIPE_BUF_INIT, host = PINPIPE_BUF_INIT;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_status status = pp_url_split(&parts, url, &err);
    REQUIRE(status == (is_refused(url) ? PINPIPE_EINVAL : PINPIPE_OK));
    REQUIRE(status == PINPIPE_OK || strncmp(err.message, "url", 3) == 0);
    if (status == PINPIPE_OK) {
        bool has_mark = memchr(url.ptr, '?', url.len) != NULL;
        REQUIRE(pp_buf_printf(&whole, NULL, "%.*s://%.*s%.*s%s%.*s", (int)parts.scheme.len, parts.scheme.ptr,
                              (int)parts.authority.len, parts.authority.ptr, (int)parts.path.len,
                              parts.path.ptr, has_mark ? "?" : "", (int)parts.query.len,
                              parts.query.len ? parts.query.ptr : "") == PINPIPE_OK);
        REQUIRE(is_equal(&whole, url.ptr, url.len));
        REQUIRE(!parts.path.len || parts.path.ptr[0] == '/');
        REQUIRE(pp_url_host(&host, &parts, NULL) == PINPIPE_OK);
        REQUIRE(host.len <= parts.authority.len && strncasecmp(host.ptr, parts.authority.ptr, host.len) == 0);
        pinpipe_str rest = {parts.authority.ptr + host.len, parts.authority.len - host.len};
        REQUIRE(!rest.len || pp_str_is(rest, pp_url_is_https(&parts) ? ":443" : ":80"));
    }
    pinpipe_buf_reset(&whole);
    pinpipe_buf_reset(&host);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pinpipe_str bytes = {(const char *)data, size};
    if (size > 8192) {
        return 0;
    }
    encoding_check(bytes, PP_SLASH_KEPT, PP_PLUS_KEPT);
    encoding_check(bytes, PP_SLASH_ENCODED, PP_PLUS_IS_BLANK);
    url_check(bytes);
    return 0;
}
