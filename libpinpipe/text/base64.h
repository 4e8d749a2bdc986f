/* Turns bytes into base64 text.
 * Never breaks lines.
 * Rules: RFC 4648 §4, with padding. */
#ifndef PP_TEXT_BASE64_H
#define PP_TEXT_BASE64_H

#include <stddef.h>

#define PP_BASE64_LEN(len) (((len) + 2) / 3 * 4)

/** Writes PP_BASE64_LEN(len) bytes, no NUL. */
void pp_base64_write(char *out, const char *bytes, size_t len);

#endif
