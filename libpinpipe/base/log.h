/* Turns events worth a line into calls of the configured log function.
 * Never writes to stdout or stderr; never carries a secret.
 * Rules: docs/architecture.md, "Hygiene". */
#ifndef PP_BASE_LOG_H
#define PP_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define PP_LOG_ERROR 3
#define PP_LOG_WARNING 4
#define PP_LOG_INFO 6
#define PP_LOG_DEBUG 7
#define PP_LOG_TRACE 8

/** True where a line of that level would reach anybody. */
bool pp_log_wants(int32_t level);

/** Makes and hands on the line only when the configured level asks for it. */
void pp_log(int32_t level, const char *area, const char *format, ...) PP_PRINTF(3, 4);

#endif
