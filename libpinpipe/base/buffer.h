/* Turns appended bytes into one growing pinpipe_buf with a maximum.
 * Never grows beyond the maximum that the caller names; `ptr[len]` stays NUL.
 * Rules: docs/architecture.md, "Hygiene": every buffer has a maximum. */
#ifndef PP_BASE_BUFFER_H
#define PP_BASE_BUFFER_H

#include "base/error.h"
#include "pinpipe/value.h"

/** Greatest size of a buffer whose caller has no smaller one: 1 GiB. */
#define PP_BUF_MAX ((size_t)1 << 30)

/** Makes room for `extra` more bytes and the NUL. Errors: ENOMEM; ELIMIT beyond `max` bytes in all. */
pinpipe_status pp_buf_reserve(pinpipe_buf *buf, size_t extra, size_t max, pinpipe_error *err);

/** Appends within PP_BUF_MAX. */
pinpipe_status pp_buf_append(pinpipe_buf *buf, const void *bytes, size_t len, pinpipe_error *err);
pinpipe_status pp_buf_append_text(pinpipe_buf *buf, const char *text, pinpipe_error *err);
pinpipe_status pp_buf_printf(pinpipe_buf *buf, pinpipe_error *err, const char *format, ...) PP_PRINTF(3, 4);

/** Empties without giving the memory back. */
void pp_buf_clear(pinpipe_buf *buf);

/** Empties, and makes room for `size` bytes and the NUL. Where it must grow, what it held is wiped: for bytes
 * that held a secret. Errors: ENOMEM; ELIMIT beyond PP_BUF_MAX. */
pinpipe_status pp_buf_renew_secret(pinpipe_buf *buf, size_t size, pinpipe_error *err);

/** Wipes, then frees: for bytes that held a secret. */
void pp_buf_reset_secret(pinpipe_buf *buf);

/** The content as a borrowed view. */
pinpipe_str pp_buf_view(const pinpipe_buf *buf);

/** A C string as a borrowed view. */
pinpipe_str pp_str(const char *text);
/** Copies the bytes, without a NUL; an empty view may point nowhere. */
void pp_str_copy(char *to, pinpipe_str text);
bool pp_str_equal(pinpipe_str a, pinpipe_str b);
bool pp_str_is(pinpipe_str a, const char *text);
/** Equal but for the case of letters, as names of headers are. */
bool pp_str_alike(pinpipe_str a, pinpipe_str b);
/** Takes what stands before `end` off the text, and `end` with it; the whole text where it has none. */
pinpipe_str pp_str_take(pinpipe_str *text, char end);

#endif
