/* The two ways in which bytes cross the border: borrowed (pinpipe_str) and owned (pinpipe_buf).
 * Never copies on its own; a borrowed view dies with what it points into.
 * Rules: docs/architecture.md, "Grammar of the C API". */
#ifndef PINPIPE_VALUE_H
#define PINPIPE_VALUE_H

#include <stddef.h>
#include <stdint.h>

#include "export.h"

PINPIPE_BEGIN_DECLS

/** Borrowed bytes; may lack a final NUL. {NULL, 0} is the empty value. */
typedef struct pinpipe_str {
    const char *ptr; /* the first byte */
    size_t len;      /* their number */
} pinpipe_str;

/** A C string as borrowed bytes, without its NUL; NULL is the empty value. */
PINPIPE_API pinpipe_str pinpipe_str_of(const char *text);

/** Owned bytes: starts as PINPIPE_BUF_INIT, is reused from call to call, ends with pinpipe_buf_reset.
 * After a successful call `ptr[len]` is NUL. */
typedef struct pinpipe_buf {
    char *ptr;  /* the first byte; NULL = no memory yet */
    size_t len; /* bytes in use */
    size_t cap; /* bytes of memory */
} pinpipe_buf;

#define PINPIPE_BUF_INIT                                                                                     \
    { NULL, 0, 0 }

/** Frees the bytes of `buf` and leaves it empty; NULL is allowed. */
PINPIPE_API void pinpipe_buf_reset(pinpipe_buf *buf);

PINPIPE_END_DECLS

#endif
