/* Turns bytes into a verdict: well-formed UTF-8 or not.
 * Never changes or copies a byte.
 * Rules: RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF. */
#ifndef PP_TEXT_UTF8_H
#define PP_TEXT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Offset of the first byte that is not part of well-formed UTF-8; `len` when all are. */
size_t pp_utf8_span(const char *bytes, size_t len);

/** Writes one code point as UTF-8; returns the bytes written (1 to 4). The code point is no surrogate. */
size_t pp_utf8_put(char *out, uint32_t code_point);

#endif
