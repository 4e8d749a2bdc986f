/* Turns a failure into a negative status plus its one line of text; the only constructor of errors.
 * Never includes a secret, the function's name or the status's name in the text.
 * Rules: docs/errors.md. */
#ifndef PP_BASE_ERROR_H
#define PP_BASE_ERROR_H

#include <stdarg.h>
#include <stddef.h>

#include "pinpipe/status.h"

#if defined(__GNUC__)
#define PP_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define PP_PRINTF(text, first)
#endif

/** Writes `err` (NULL is allowed) and returns `status`, which is negative. */
pinpipe_status pp_fail(pinpipe_error *err, pinpipe_status status, const char *format, ...) PP_PRINTF(3, 4);

/** The same for a failure that a service or a library below reported with its own code. */
pinpipe_status pp_fail_service(pinpipe_error *err, pinpipe_status status, const char *service,
                               int32_t native_code, const char *format, ...) PP_PRINTF(5, 6);

/** The one message for memory that could not be had: `what` names the thing, `size` its bytes. */
pinpipe_status pp_fail_memory(pinpipe_error *err, const char *what, size_t size);

/** The one message for a failed file operation: "cannot <verb> '<path>': <strerror>"; errno decides the
 * status. */
pinpipe_status pp_fail_file(pinpipe_error *err, const char *verb, const char *path);

/** Longest part of a value that an error quotes. */
#define PP_QUOTE_MAX 64

/** Length of `len` cut to PP_QUOTE_MAX, as the int that "%.*s" wants. */
int pp_quote_len(size_t len);

#endif
