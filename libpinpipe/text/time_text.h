/* Turns ISO 8601 timestamps into microseconds since 1970 UTC, and back.
 * Never reads a clock or a time zone database: a text without a zone is UTC.
 * Rules: CONTRACT §4; the forms met are listed in domain.md §3.2. */
#ifndef PP_TEXT_TIME_TEXT_H
#define PP_TEXT_TIME_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pinpipe/value.h"

#define PP_TIME_TEXT_MAX 32

/** Reads YYYY-MM-DD, then optionally T or a blank, HH:MM, :SS, a fraction, and Z, ±HH, ±HHMM or ±HH:MM. Years
 * 0001 to 9999; digits beyond microseconds are cut. False when the text is no such timestamp. */
bool pp_time_parse(int64_t *out_us, pinpipe_str text);

#define PP_TIME_FIXED_BYTES 19

/** Reads the form YYYY-MM-DDTHH:MM:SS (or a blank for the T) from 24 readable bytes. False for any other
 * text, also for ones that pp_time_parse takes. */
bool pp_time_parse_fixed(int64_t *out_us, const char *text);

/** True for times that have a text: years 0001 to 9999. */
bool pp_time_has_text(int64_t time_us);

/** Writes 2020-08-28T03:52:47Z, with a fraction only if it is not zero; returns the bytes written, 0 when the
 * year is outside 0001 to 9999. */
size_t pp_time_write(char out[PP_TIME_TEXT_MAX], int64_t time_us);

#endif
