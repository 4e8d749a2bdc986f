/* Turns appended bytes into one growing pinpipe_buf with a maximum.
 * Never leaves a half-grown buffer: a failed call changes nothing.
 * Rules: docs/architecture.md, "Hygiene". */
#include "base/buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"

void pinpipe_buf_reset(pinpipe_buf *buf) {
    if (buf) {
        pp_free(buf->ptr);
        *buf = (pinpipe_buf)PINPIPE_BUF_INIT;
    }
}

void pp_buf_reset_secret(pinpipe_buf *buf) {
    if (buf) {
        pp_wipe(buf->ptr, buf->cap);
        pinpipe_buf_reset(buf);
    }
}

pinpipe_status pp_buf_reserve(pinpipe_buf *buf, size_t extra, size_t max, pinpipe_error *err) {
    assert(buf);
    assert(buf->len <= buf->cap);
    if (extra > max || buf->len > max - extra) {
        return pp_fail(err, PINPIPE_ELIMIT, "a buffer would grow beyond its maximum of %zu bytes", max);
    }
    size_t needed = buf->len + extra + 1;
    if (needed <= buf->cap) {
        return PINPIPE_OK;
    }
    size_t cap = buf->cap + buf->cap / 2;
    cap = cap < needed ? needed : cap;
    cap = cap < 256 ? 256 : cap;
    char *ptr = pp_realloc(buf->ptr, cap);
    if (!ptr) {
        return pp_fail_memory(err, "a buffer", cap);
    }
    buf->ptr = ptr;
    buf->cap = cap;
    return PINPIPE_OK;
}

pinpipe_status pp_buf_renew_secret(pinpipe_buf *buf, size_t size, pinpipe_error *err) {
    if (size >= buf->cap) {
        pp_buf_reset_secret(buf);
    }
    pp_buf_clear(buf);
    return pp_buf_reserve(buf, size, PP_BUF_MAX, err);
}

pinpipe_status pp_buf_append(pinpipe_buf *buf, const void *bytes, size_t len, pinpipe_error *err) {
    pinpipe_status status = pp_buf_reserve(buf, len, PP_BUF_MAX, err);
    if (status < 0) {
        return status;
    }
    if (len) {
        memcpy(buf->ptr + buf->len, bytes, len);
    }
    buf->len += len;
    buf->ptr[buf->len] = '\0';
    return PINPIPE_OK;
}

pinpipe_status pp_buf_append_text(pinpipe_buf *buf, const char *text, pinpipe_error *err) {
    return pp_buf_append(buf, text, strlen(text), err);
}

pinpipe_status pp_buf_printf(pinpipe_buf *buf, pinpipe_error *err, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    assert(len >= 0);
    pinpipe_status status = pp_buf_reserve(buf, (size_t)len, PP_BUF_MAX, err);
    if (status < 0) {
        return status;
    }
    va_start(arguments, format);
    vsnprintf(buf->ptr + buf->len, (size_t)len + 1, format, arguments);
    va_end(arguments);
    buf->len += (size_t)len;
    return PINPIPE_OK;
}

void pp_buf_clear(pinpipe_buf *buf) {
    buf->len = 0;
    if (buf->ptr) {
        buf->ptr[0] = '\0';
    }
}

pinpipe_str pp_buf_view(const pinpipe_buf *buf) {
    return (pinpipe_str){buf->ptr, buf->len};
}

pinpipe_str pp_str(const char *text) {
    return (pinpipe_str){text, text ? strlen(text) : 0};
}

pinpipe_str pinpipe_str_of(const char *text) {
    return pp_str(text);
}

void pp_str_copy(char *to, pinpipe_str text) {
    if (text.len) {
        memcpy(to, text.ptr, text.len);
    }
}

bool pp_str_equal(pinpipe_str a, pinpipe_str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool pp_str_is(pinpipe_str a, const char *text) {
    return pp_str_equal(a, pp_str(text));
}

bool pp_str_alike(pinpipe_str a, pinpipe_str b) {
    return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

pinpipe_str pp_str_take(pinpipe_str *text, char end) {
    pinpipe_str part = *text;
    const char *at = part.len ? memchr(part.ptr, end, part.len) : NULL;
    *text = (pinpipe_str){"", 0};
    if (at) {
        size_t len = (size_t)(at - part.ptr);
        *text = (pinpipe_str){at + 1, part.len - len - 1};
        part.len = len;
    }
    return part;
}
