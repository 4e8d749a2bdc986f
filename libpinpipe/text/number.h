/* Turns text into exact integers, decimals and doubles, and back.
 * Never looks at the locale, never rounds an integer.
 * Rules: RFC 8259 §6 for the grammar; CONTRACT §4 for magnitudes and for the doubles' text. */
#ifndef PP_TEXT_NUMBER_H
#define PP_TEXT_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "pinpipe/value.h"

typedef enum pp_number_verdict {
    PP_NUMBER_OK,
    PP_NUMBER_BAD,          /* not a number at all */
    PP_NUMBER_NOT_INTEGER,  /* a number, but not a whole one */
    PP_NUMBER_OUT_OF_RANGE, /* a number beyond int64 or double */
} pp_number_verdict;

/** Bytes of the JSON number that starts at `text` (0 = none). `is_integer`: no fraction, no exponent. */
size_t pp_number_scan(const char *text, const char *end, bool *is_integer);

/** An integer from a number's text: JSON's grammar, and outer blanks, a leading plus and leading zeros
 * besides. 1e3 and 20.0 are integers, 1.5 is not. */
pp_number_verdict pp_number_i64(int64_t *out, pinpipe_str text);

/** A double from a number's text of the same grammar. */
pp_number_verdict pp_number_f64(double *out, pinpipe_str text);

/** A count such as 972, 1,234, 136k, 2M, 1.5B: outer blanks, commas between thousands, one of k M B in either
 * case; exact. A number's text of the grammar above counts too. */
pp_number_verdict pp_number_magnitude(int64_t *out, pinpipe_str text);

/** Writes `value`, which is below 100, as two digits. */
static inline void pp_number_put2(char *out, uint32_t value) {
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
        "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
        "8081828384858687888990919293949596979899";
    memcpy(out, pairs + (size_t)2 * value, 2);
}

#define PP_I64_TEXT_MAX 20
#define PP_F64_TEXT_MAX 32

/** Writes the decimal form, no NUL; returns the bytes written. */
size_t pp_number_write_i64(char *out, int64_t value);

/** Writes the shortest text that reads back as the same finite double, with at least one digit after the
 * point or an exponent; returns the bytes written. */
size_t pp_number_write_f64(char *out, double value);

#endif
