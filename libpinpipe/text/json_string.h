/* Turns the bytes of JSON strings into plain text, and text into JSON strings.
 * Never accepts what RFC 8259 refuses; never allocates.
 * Rules: RFC 8259 §7, RFC 3629; an unpaired surrogate is no text (decoder.md §5). */
#ifndef PP_TEXT_JSON_STRING_H
#define PP_TEXT_JSON_STRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pinpipe/value.h"

/** Readable bytes that must follow every input of pp_json_string_span, beyond a byte that stops it. */
#define PP_JSON_PADDING 32

#define PP_JSON_HAS_ESCAPE 1u
#define PP_JSON_HAS_NON_ASCII 2u

/** Scans from just behind an opening quote to the closing quote; returns the bytes between, with
 * PP_JSON_HAS_… in `flags`. What follows the span is '"', or the control byte at which the string is broken.
 * Every input ends in a control byte with PP_JSON_PADDING readable bytes behind it. */
size_t pp_json_string_span(const char *text, uint32_t *flags);

/** Bytes before the first quote or backslash, or all `len` of them. */
size_t pp_json_plain_span(const char *text, size_t len);

typedef enum pp_json_string_verdict {
    PP_JSON_STRING_OK,
    PP_JSON_STRING_BAD_ESCAPE,
    PP_JSON_STRING_BAD_UTF8, /* malformed bytes or an unpaired surrogate */
} pp_json_string_verdict;

/** Takes one escape, whose backslash is at `text`, to at most 4 bytes of UTF-8. */
pp_json_string_verdict pp_json_escape_take(char *out, size_t *out_len, const char *text, const char *end,
                                           size_t *taken);

/** Takes the escapes out of `len` bytes; `out` has room for as many. Writes the length of the text; on
 * failure the offset of the fault. */
pp_json_string_verdict pp_json_unescape(char *out, size_t *out_len, const char *text, size_t len);

/** Most bytes that pp_json_escape writes for `len` bytes of text, without quotes. */
#define PP_JSON_ESCAPED_MAX(len) ((len)*6)

/** Writes text as the inside of a JSON string: UTF-8 as it is, escapes only where JSON demands them; returns
 * the bytes written. `out` has room for PP_JSON_ESCAPED_MAX(len). */
size_t pp_json_escape(char *out, const char *text, size_t len);

#endif
