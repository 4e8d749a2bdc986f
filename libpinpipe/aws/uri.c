/* Turns bytes into percent-encoded text and back, and a URL into its parts.
 * Never resolves a name and never changes the case of a path.
 * Rules: RFC 3986 §2 and §3; SigV4's set of unreserved characters. */
#include "aws/uri.h"

#include <string.h>
#include <strings.h>

#include "base/buffer.h"

/* Bit `byte % 64` of word `byte / 64`: A-Z a-z 0-9 - . _ ~. */
static const uint64_t unreserved[4] = {UINT64_C(0x03ff600000000000), UINT64_C(0x47fffffe87fffffe), 0, 0};

static bool byte_unreserved(unsigned char byte) {
    return unreserved[byte / 64] >> (byte % 64) & 1;
}

static int hex_value(char digit) {
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'A' && digit <= 'F') {
        return digit - 'A' + 10;
    }
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static char *byte_encode(char *tail, unsigned char byte, pp_uri_slash slash) {
    static const char digits[] = "0123456789ABCDEF";
    if (byte_unreserved(byte) || (byte == '/' && slash == PP_SLASH_KEPT)) {
        *tail++ = (char)byte;
    } else {
        *tail++ = '%';
        *tail++ = digits[byte >> 4];
        *tail++ = digits[byte & 15];
    }
    return tail;
}

/* The byte that stands at `*at`, which moves on to its last character. */
static unsigned char byte_decode(pinpipe_str text, size_t *at, pp_uri_plus plus) {
    char byte = text.ptr[*at];
    int high = byte == '%' && *at + 2 < text.len ? hex_value(text.ptr[*at + 1]) : -1;
    int low = high >= 0 ? hex_value(text.ptr[*at + 2]) : -1;
    if (low >= 0) {
        *at += 2;
        return (unsigned char)(high * 16 + low);
    }
    return byte == '+' && plus == PP_PLUS_IS_BLANK ? ' ' : (unsigned char)byte;
}

pinpipe_status pp_uri_encode(pinpipe_buf *out, pinpipe_str bytes, pp_uri_slash slash, pinpipe_error *err) {
    pinpipe_status status = pp_buf_reserve(out, 3 * bytes.len, PP_BUF_MAX, err);
    if (status < 0) {
        return status;
    }
    char *tail = out->ptr + out->len;
    for (size_t i = 0; i < bytes.len; i++) {
        tail = byte_encode(tail, (unsigned char)bytes.ptr[i], slash);
    }
    *tail = '\0';
    out->len = (size_t)(tail - out->ptr);
    return PINPIPE_OK;
}

pinpipe_status pp_uri_decode(pinpipe_buf *out, pinpipe_str text, pp_uri_plus plus, pinpipe_error *err) {
    pinpipe_status status = pp_buf_reserve(out, text.len, PP_BUF_MAX, err);
    if (status < 0) {
        return status;
    }
    char *tail = out->ptr + out->len;
    for (size_t i = 0; i < text.len; i++) {
        *tail++ = (char)byte_decode(text, &i, plus);
    }
    *tail = '\0';
    out->len = (size_t)(tail - out->ptr);
    return PINPIPE_OK;
}

pinpipe_status pp_uri_encode_again(pinpipe_buf *out, pinpipe_str text, pp_uri_slash slash, pp_uri_plus plus,
                                   pinpipe_error *err) {
    pinpipe_status status = pp_buf_reserve(out, 3 * text.len, PP_BUF_MAX, err);
    if (status < 0) {
        return status;
    }
    char *tail = out->ptr + out->len;
    for (size_t i = 0; i < text.len; i++) {
        tail = byte_encode(tail, byte_decode(text, &i, plus), slash);
    }
    *tail = '\0';
    out->len = (size_t)(tail - out->ptr);
    return PINPIPE_OK;
}

static pinpipe_status authority_check(pinpipe_str authority, pinpipe_error *err) {
    if (!authority.len || authority.ptr[0] == ':') {
        return pp_fail(err, PINPIPE_EINVAL, "url: it names no host");
    }
    for (size_t i = 0; i < authority.len; i++) {
        unsigned char byte = (unsigned char)authority.ptr[i];
        if (byte == '@') {
            return pp_fail(err, PINPIPE_EINVAL, "url: user information before the host is not allowed");
        }
        bool is_mark = byte == ':' || byte == '[' || byte == ']';
        if (!is_mark && (!byte_unreserved(byte) || byte == '~')) {
            return pp_fail(err, PINPIPE_EINVAL, "url: byte 0x%02x is not allowed in the host '%.*s'", byte,
                           pp_quote_len(authority.len), authority.ptr);
        }
    }
    return PINPIPE_OK;
}

static pinpipe_status url_bytes_check(pinpipe_str url, pinpipe_error *err) {
    if (url.len > PP_URL_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "url: %zu bytes are more than %d", url.len, PP_URL_MAX);
    }
    for (size_t i = 0; i < url.len; i++) {
        unsigned char byte = (unsigned char)url.ptr[i];
        if (byte < 0x20 || byte == 0x7f) {
            return pp_fail(err, PINPIPE_EINVAL, "url: byte %zu is the control character 0x%02x", i, byte);
        }
        if (byte == '#') {
            return pp_fail(err, PINPIPE_EINVAL, "url: byte %zu begins a fragment; a '#' in a name is %%23",
                           i);
        }
    }
    return PINPIPE_OK;
}

pinpipe_status pp_url_split(pp_url *out, pinpipe_str url, pinpipe_error *err) {
    memset(out, 0, sizeof *out);
    pinpipe_status status = url_bytes_check(url, err);
    if (status < 0) {
        return status;
    }
    size_t scheme_len = url.len >= 7 && strncasecmp(url.ptr, "http://", 7) == 0    ? 4
                        : url.len >= 8 && strncasecmp(url.ptr, "https://", 8) == 0 ? 5
                                                                                   : 0;
    if (!scheme_len) {
        return pp_fail(err, PINPIPE_EINVAL, "url '%.*s': it begins neither with http:// nor with https://",
                       pp_quote_len(url.len), url.ptr ? url.ptr : "");
    }
    out->scheme = (pinpipe_str){url.ptr, scheme_len};
    const char *start = url.ptr + scheme_len + 3, *end = url.ptr + url.len, *cursor = start;
    while (cursor < end && *cursor != '/' && *cursor != '?') {
        cursor++;
    }
    out->authority = (pinpipe_str){start, (size_t)(cursor - start)};
    const char *mark = memchr(cursor, '?', (size_t)(end - cursor));
    const char *path_end = mark ? mark : end;
    out->path = (pinpipe_str){cursor, (size_t)(path_end - cursor)};
    if (mark) {
        out->query = (pinpipe_str){mark + 1, (size_t)(end - mark - 1)};
    }
    return authority_check(out->authority, err);
}

bool pp_url_is_https(const pp_url *url) {
    return url->scheme.len == 5;
}

pinpipe_status pp_url_host(pinpipe_buf *out, const pp_url *url, pinpipe_error *err) {
    const char *port = pp_url_is_https(url) ? ":443" : ":80";
    pinpipe_str host = url->authority;
    size_t port_len = strlen(port);
    if (host.len > port_len && memcmp(host.ptr + host.len - port_len, port, port_len) == 0) {
        host.len -= port_len;
    }
    size_t start = out->len;
    pinpipe_status status = pp_buf_append(out, host.ptr, host.len, err);
    for (size_t i = start; status == PINPIPE_OK && i < out->len; i++) {
        if (out->ptr[i] >= 'A' && out->ptr[i] <= 'Z') {
            out->ptr[i] = (char)(out->ptr[i] + ('a' - 'A'));
        }
    }
    return status;
}

pinpipe_status pp_url_endpoint(pinpipe_buf *out, size_t *host_len, pinpipe_str text, pinpipe_error *err) {
    pp_url url;
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pinpipe_status status = pp_url_split(&url, text, &cause);
    if (status < 0) {
        return pp_fail(err, status, "endpoint: %s", cause.message);
    }
    if (url.query.len) {
        return pp_fail(err, PINPIPE_EINVAL, "endpoint: it has a query '%.*s'", pp_quote_len(url.query.len),
                       url.query.ptr);
    }
    while (url.path.len && url.path.ptr[url.path.len - 1] == '/') {
        url.path.len--;
    }
    size_t start = out->len;
    status = pp_buf_append_text(out, pp_url_is_https(&url) ? "https://" : "http://", err);
    if (status == PINPIPE_OK) {
        status = pp_url_host(out, &url, err);
    }
    if (host_len) {
        *host_len = out->len - start;
    }
    return status == PINPIPE_OK ? pp_buf_append(out, url.path.ptr, url.path.len, err) : status;
}
