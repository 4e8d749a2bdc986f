/* Turns any text into numbers by the library and by slow references, and any double into a text and back.
 * Never shares a step with the library: integers by digit strings, doubles by the C library.
 * Rules: RFC 8259 §6; CONTRACT §4: numeric text, magnitudes, shortest doubles. */
#include "fuzz.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "text/number.h"

#define TEXT_MAX 1000
#define EXPONENT_SHOWN 3000 /* beyond it a digit string of this target could not be written out */

/* A number's text taken apart; the digits stand without point and separators. */
typedef struct spelling {
    bool is_number;
    bool is_negative;
    char digits[TEXT_MAX + 1];
    int64_t exponent; /* of ten, for the digits as an integer */
} spelling;

static size_t digits_span(const char *text) {
    return strspn(text, "0123456789");
}

/* sign? digits (',' digits{3})* ('.' digits)? (e sign? digits | one of kKmMbB)?; commas and letters only for
 * counts. */
static spelling spell(const char *text, bool is_count) {
    spelling out = {0};
    size_t count = 0;
    out.is_negative = *text == '-';
    text += *text == '-' || *text == '+';
    size_t span = digits_span(text);
    bool is_grouped = is_count && text[span] == ',';
    if (span == 0 || (is_grouped && span > 3)) {
        return out;
    }
    memcpy(out.digits, text, count = span);
    for (text += span; is_grouped && *text == ','; text += 4) {
        if (digits_span(text + 1) != 3) {
            return out;
        }
        memcpy(out.digits + count, text + 1, 3);
        count += 3;
    }
    if (*text == '.') {
        span = digits_span(++text);
        if (span == 0) {
            return out;
        }
        memcpy(out.digits + count, text, span);
        text += span;
        out.exponent -= (int64_t)span;
    }
    static const char letters[] = "kKmMbB";
    const char *letter = is_count && *text ? strchr(letters, *text) : NULL;
    if (letter) {
        out.exponent += 3 * ((letter - letters) / 2 + 1);
        text++;
    } else if (*text == 'e' || *text == 'E') {
        bool is_minus = *++text == '-';
        text += *text == '-' || *text == '+';
        span = digits_span(text);
        text += strspn(text, "0") < span ? strspn(text, "0") : span;
        size_t left = digits_span(text);
        int64_t exponent = left > 7 ? 9999999 : strtol(text, NULL, 10);
        exponent = left ? exponent : 0;
        out.exponent += is_minus ? -exponent : exponent;
        text += left;
        out.is_number = span > 0 && !*text;
        return out;
    }
    out.is_number = !*text;
    return out;
}

/* The integer's digits without leading zeros, written out to the last place; "" is zero. */
static pp_number_verdict reference_i64(int64_t *out, const spelling *s) {
    static char whole[TEXT_MAX + EXPONENT_SHOWN + 2];
    const char *digits = s->digits + strspn(s->digits, "0");
    size_t len = strlen(digits);
    int64_t exponent = s->exponent;
    while (len && digits[len - 1] == '0') {
        len--;
        exponent++;
    }
    *out = 0;
    if (len == 0) {
        return PP_NUMBER_OK;
    }
    if (exponent < 0) {
        return PP_NUMBER_NOT_INTEGER;
    }
    if (exponent > EXPONENT_SHOWN) {
        return PP_NUMBER_OUT_OF_RANGE;
    }
    memcpy(whole, digits, len);
    memset(whole + len, '0', (size_t)exponent);
    whole[len += (size_t)exponent] = '\0';
    const char *limit = s->is_negative ? "9223372036854775808" : "9223372036854775807";
    if (len > 19 || (len == 19 && strcmp(whole, limit) > 0)) {
        return PP_NUMBER_OUT_OF_RANGE;
    }
    *out = (int64_t)(s->is_negative ? 0 - strtoull(whole, NULL, 10) : strtoull(whole, NULL, 10));
    return PP_NUMBER_OK;
}

static void require_i64(const char *text, pinpipe_str given, bool is_count) {
    spelling s = spell(text, is_count);
    int64_t expected = 0;
    int64_t value = 0;
    pp_number_verdict verdict = s.is_number ? reference_i64(&expected, &s) : PP_NUMBER_BAD;
    pp_number_verdict got = is_count ? pp_number_magnitude(&value, given) : pp_number_i64(&value, given);
    REQUIRE(got == verdict);
    REQUIRE(got != PP_NUMBER_OK || value == expected);
}

static void require_f64(const char *text, pinpipe_str given) {
    spelling s = spell(text, false);
    double value = 0;
    pp_number_verdict got = pp_number_f64(&value, given);
    REQUIRE((got != PP_NUMBER_BAD) == s.is_number);
    if (s.is_number) {
        double expected = strtod(text, NULL);
        REQUIRE(got == (isfinite(expected) ? PP_NUMBER_OK : PP_NUMBER_OUT_OF_RANGE));
        REQUIRE(got != PP_NUMBER_OK || memcmp(&value, &expected, sizeof value) == 0);
    }
}

/* RFC 8259 §6 asks more of a number's beginning than `spell`; the longest prefix that is a number is taken,
 * but where a point or an exponent begins it must be whole. */
static void require_scan(const char *text, size_t len) {
    size_t at = text[0] == '-' ? 1 : 0;
    size_t span = text[at] == '0' ? 1 : digits_span(text + at);
    bool is_integer = true;
    bool is_number = span > 0;
    at += span;
    if (is_number && text[at] == '.') {
        span = digits_span(text + at + 1);
        at += span + 1;
        is_number = span > 0;
        is_integer = false;
    }
    if (is_number && (text[at] == 'e' || text[at] == 'E')) {
        at += text[at + 1] == '-' || text[at + 1] == '+' ? 2 : 1;
        span = digits_span(text + at);
        at += span;
        is_number = span > 0;
        is_integer = false;
    }
    bool got_integer = false;
    size_t got = pp_number_scan(text, text + len, &got_integer);
    REQUIRE(got == (is_number ? at : 0));
    REQUIRE(!is_number || got_integer == is_integer);
}

/* A double's text is one that JSON takes, reads back the same, and has no more digits than needed. */
static void require_written(double value) {
    char text[PP_F64_TEXT_MAX + 1];
    size_t len = pp_number_write_f64(text, value);
    REQUIRE(len <= PP_F64_TEXT_MAX);
    text[len] = '\0';
    bool is_integer = true;
    REQUIRE(pp_number_scan(text, text + len, &is_integer) == len && !is_integer);
    double again = strtod(text, NULL);
    REQUIRE(memcmp(&again, &value, sizeof value) == 0);
    int precision = 0;
    char shortest[40];
    do {
        snprintf(shortest, sizeof shortest, "%.*e", precision++, value);
    } while (strtod(shortest, NULL) != value);
    spelling s = spell(text, false);
    const char *digits = s.digits + strspn(s.digits, "0");
    size_t count = strlen(digits);
    while (count > 1 && digits[count - 1] == '0') {
        count--;
    }
    REQUIRE(count <= (size_t)precision);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char text[TEXT_MAX + 1];
    if (size >= sizeof(double)) {
        double value = 0;
        int64_t i64 = 0;
        char digits[PP_I64_TEXT_MAX];
        memcpy(&value, data, sizeof value);
        memcpy(&i64, data, sizeof i64);
        if (isfinite(value)) {
            require_written(value);
        }
        require_written((double)(i64 % 180000000) / 1e6);
        int64_t again = 0;
        pinpipe_str written = {digits, pp_number_write_i64(digits, i64)};
        REQUIRE(pp_number_i64(&again, written) == PP_NUMBER_OK && again == i64);
    }
    if (size > TEXT_MAX || memchr(data, '\0', size)) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    pinpipe_str given = {text, size};
    require_scan(text, size);
    char trimmed[TEXT_MAX + 1];
    const char *first = text + strspn(text, " \t\n\r\v\f");
    size_t len = strlen(first);
    while (len && strchr(" \t\n\r\v\f", first[len - 1])) {
        len--;
    }
    memcpy(trimmed, first, len);
    trimmed[len] = '\0';
    require_i64(trimmed, given, false);
    require_i64(trimmed, given, true);
    require_f64(trimmed, given);
    return 0;
}
