/* Turns bytes into base64 text, and back.
 * Never breaks lines, never passes over a byte that is no digit.
 * Rules: RFC 4648 §4, with padding. */
#ifndef PP_TEXT_BASE64_H
#define PP_TEXT_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#define PP_BASE64_LEN(len) (((len) + 2) / 3 * 4)

/** Writes PP_BASE64_LEN(len) bytes, no NUL. */
void pp_base64_write(char *out, const char *bytes, size_t len);

/** Takes the bytes out of `len` bytes of base64; `out` has room for len / 4 * 3 and may be `text`. False: it
 * is not base64 to its end. */
bool pp_base64_read(char *out, size_t *out_len, const char *text, size_t len);

/** Takes the bytes out of the whole blocks of digits that `text` begins with, three for each four digits, and
 * returns how many digits these were; 0 where the machine has no blocks. All of `len` bytes may be looked at,
 * what they are does not matter; `out` may be `text`: what was not taken stays as it was. */
size_t pp_base64_blocks_read(char *out, const char *text, size_t len);

#endif
