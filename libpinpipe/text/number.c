/* Turns text into exact integers, decimals and doubles, and back.
 * Never looks at the process's locale: the C locale is named where the C library needs one.
 * Rules: RFC 8259 §6; CONTRACT §4. */
#include "text/number.h"

#include <assert.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A number as digits · 10^exponent; digits beyond uint64 are not kept, only that there were some. */
typedef struct decimal {
    uint64_t digits;
    int64_t exponent;
    bool negative;
    bool overflow;       /* more than 19 significant digits */
    int64_t dropped;     /* digits that were not kept */
    int64_t significant; /* those of them up to the last that is not 0 */
} decimal;

static const uint64_t powers_of_ten[] = {1u,
                                         10u,
                                         100u,
                                         1000u,
                                         10000u,
                                         100000u,
                                         1000000u,
                                         10000000u,
                                         100000000u,
                                         1000000000u,
                                         10000000000u,
                                         100000000000u,
                                         1000000000000u,
                                         10000000000000u,
                                         100000000000000u,
                                         1000000000000000u,
                                         10000000000000000u,
                                         100000000000000000u,
                                         1000000000000000000u,
                                         10000000000000000000u};

/* Keeps what is rare out of the short functions that call it. */
#define NEVER_INLINE __attribute__((noinline))

#define EXPONENT_LIMIT 100000 /* far beyond any double; keeps sums of exponents in range */

static bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r' || byte == '\v' || byte == '\f';
}

size_t pp_number_scan(const char *text, const char *end, bool *is_integer) {
    const char *at = text;
    *is_integer = true;
    at += at < end && *at == '-';
    if (at >= end || !is_digit(*at)) {
        return 0;
    }
    if (*at == '0') {
        at++;
    } else {
        while (at < end && is_digit(*at)) {
            at++;
        }
    }
    if (at < end && *at == '.') {
        const char *fraction = ++at;
        while (at < end && is_digit(*at)) {
            at++;
        }
        if (at == fraction) {
            return 0;
        }
        *is_integer = false;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        at += at < end && (*at == '+' || *at == '-');
        const char *exponent = at;
        while (at < end && is_digit(*at)) {
            at++;
        }
        if (at == exponent) {
            return 0;
        }
        *is_integer = false;
    }
    return (size_t)(at - text);
}

static pinpipe_str trim(pinpipe_str text) {
    while (text.len && is_blank(text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    while (text.len && is_blank(text.ptr[text.len - 1])) {
        text.len--;
    }
    return text;
}

static void decimal_digit(decimal *out, char digit, bool after_point) {
    if (out->digits > (UINT64_MAX - 9) / 10) {
        out->exponent += !after_point;
        out->dropped++;
        if (digit != '0') {
            out->overflow = true;
            out->significant = out->dropped;
        }
        return;
    }
    out->digits = out->digits * 10 + (uint64_t)(digit - '0');
    out->exponent -= after_point;
}

/* Reads sign, digits and fraction; returns where it stopped, NULL when there is no number. Commas are allowed
 * between groups of three digits where the caller says so. */
static const char *decimal_read(decimal *out, const char *at, const char *end, char group_separator) {
    *out = (decimal){0};
    if (at < end && (*at == '-' || *at == '+')) {
        out->negative = *at++ == '-';
    }
    const char *first = at;
    int64_t group = -1; /* digits since the last separator; -1 before the first */
    for (; at < end; at++) {
        if (is_digit(*at)) {
            decimal_digit(out, *at, false);
            group += group >= 0;
        } else if (group_separator && *at == group_separator &&
                   (group == 3 || (group < 0 && at - first <= 3))) {
            group = 0;
        } else {
            break;
        }
    }
    if (at == first || !is_digit(*first) || (group >= 0 && group != 3)) {
        return NULL;
    }
    if (at < end && *at == '.') {
        const char *fraction = ++at;
        for (; at < end && is_digit(*at); at++) {
            decimal_digit(out, *at, true);
        }
        if (at == fraction) {
            return NULL;
        }
    }
    return at;
}

/* Reads an exponent if there is one; NULL when it is broken. */
static const char *exponent_read(decimal *out, const char *at, const char *end) {
    if (at >= end || (*at != 'e' && *at != 'E')) {
        return at;
    }
    at++;
    bool negative = at < end && *at == '-';
    at += at < end && (*at == '+' || *at == '-');
    const char *first = at;
    int64_t exponent = 0;
    for (; at < end && is_digit(*at); at++) {
        exponent = exponent > EXPONENT_LIMIT ? exponent : exponent * 10 + (*at - '0');
    }
    out->exponent += negative ? -exponent : exponent;
    return at == first ? NULL : at;
}

static pp_number_verdict decimal_i64(int64_t *out, decimal value) {
    if (value.overflow && value.exponent < value.significant) {
        return PP_NUMBER_NOT_INTEGER;
    }
    while (value.exponent < 0 && value.digits != 0) {
        if (value.digits % 10 != 0) {
            return PP_NUMBER_NOT_INTEGER;
        }
        value.digits /= 10;
        value.exponent++;
    }
    if (value.overflow) {
        return PP_NUMBER_OUT_OF_RANGE;
    }
    for (; value.exponent > 0 && value.digits != 0; value.exponent--) {
        if (value.digits > UINT64_MAX / 10) {
            return PP_NUMBER_OUT_OF_RANGE;
        }
        value.digits *= 10;
    }
    uint64_t limit = (uint64_t)INT64_MAX + value.negative;
    if (value.digits > limit) {
        return PP_NUMBER_OUT_OF_RANGE;
    }
    *out = value.negative ? (int64_t)(0 - value.digits) : (int64_t)value.digits;
    return PP_NUMBER_OK;
}

pp_number_verdict pp_number_i64(int64_t *out, pinpipe_str text) {
    decimal value;
    text = trim(text);
    const char *end = text.ptr + text.len;
    const char *at = decimal_read(&value, text.ptr, end, '\0');
    at = at ? exponent_read(&value, at, end) : NULL;
    return at == end && at ? decimal_i64(out, value) : PP_NUMBER_BAD;
}

pp_number_verdict pp_number_magnitude(int64_t *out, pinpipe_str text) {
    decimal value;
    text = trim(text);
    const char *end = text.ptr + text.len;
    const char *at = decimal_read(&value, text.ptr, end, ',');
    if (!at) {
        return PP_NUMBER_BAD;
    }
    if (end - at == 1) {
        switch (*at) {
        case 'k':
        case 'K':
            value.exponent += 3;
            break;
        case 'm':
        case 'M':
            value.exponent += 6;
            break;
        case 'b':
        case 'B':
            value.exponent += 9;
            break;
        default:
            return PP_NUMBER_BAD;
        }
        return decimal_i64(out, value);
    }
    at = exponent_read(&value, at, end);
    return at == end && at ? decimal_i64(out, value) : PP_NUMBER_BAD;
}

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void c_locale_make(void) {
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static locale_t c_locale_get(void) {
    pthread_once(&c_locale_once, c_locale_make);
    return c_locale;
}

/* Digits that can decide how a double is rounded; one more stands for all that follow. */
#define F64_DIGITS_MAX 780

/* The C library's correctly rounded conversion, for what the exact short cut cannot do: "d…de<exponent>"
 * without the digits that cannot matter, so that the text has a bound whatever the input's length. */
static pp_number_verdict f64_slow(double *out, pinpipe_str text) {
    char copy[F64_DIGITS_MAX + 32];
    size_t count = 0;
    int64_t exponent = 0;
    bool after_point = false;
    bool sticky = false;
    size_t at = text.ptr[0] == '-' || text.ptr[0] == '+';
    copy[count++] = text.ptr[0] == '-' ? '-' : '+';
    for (; at < text.len && text.ptr[at] != 'e' && text.ptr[at] != 'E'; at++) {
        char byte = text.ptr[at];
        if (byte == '.') {
            after_point = true;
        } else if (count > F64_DIGITS_MAX) {
            sticky = sticky || byte != '0';
            exponent += !after_point;
        } else {
            exponent -= after_point;
            if (count > 1 || byte != '0') {
                copy[count++] = byte;
            }
        }
    }
    decimal written = {0};
    exponent_read(&written, text.ptr + at, text.ptr + text.len);
    if (sticky) {
        copy[count++] = '1';
        exponent--;
    }
    snprintf(copy + count, sizeof copy - count, "%se%lld", count == 1 ? "0" : "",
             (long long)exponent + written.exponent);
    *out = strtod_l(copy, NULL, c_locale_get());
    return isfinite(*out) ? PP_NUMBER_OK : PP_NUMBER_OUT_OF_RANGE;
}

pp_number_verdict pp_number_f64(double *out, pinpipe_str text) {
    decimal value;
    text = trim(text);
    const char *end = text.ptr + text.len;
    const char *at = decimal_read(&value, text.ptr, end, '\0');
    at = at ? exponent_read(&value, at, end) : NULL;
    if (at != end || !at) {
        return PP_NUMBER_BAD;
    }
    /* Exact when digits and power of ten are both exact doubles: one correctly rounded operation. */
    if (!value.overflow && value.digits < (uint64_t)1 << 53 && value.exponent >= -19 &&
        value.exponent <= 15) {
        double digits = (double)value.digits;
        double result = value.exponent < 0 ? digits / (double)powers_of_ten[-value.exponent]
                                           : digits * (double)powers_of_ten[value.exponent];
        *out = value.negative ? -result : result;
        return PP_NUMBER_OK;
    }
    return f64_slow(out, text);
}

/* The eight digits of a value below 10^8, a byte each, the first digit lowest: halves, then quarters, then
 * single digits are parted in all lanes of one word at once, each quotient by a multiplication that is exact
 * there. */
static inline uint64_t digits8(uint32_t value) {
    uint64_t halves = value / 10000 | (uint64_t)(value % 10000) << 32;
    uint64_t hundreds = (halves * 10486 >> 20) & 0x0000007f0000007fu;
    uint64_t pairs = hundreds | (halves - hundreds * 100) << 16;
    uint64_t tens = (pairs * 103 >> 10) & 0x000f000f000f000fu;
    return tens | (pairs - tens * 10) << 8;
}

/* Eight digits as text, those of the highest byte last. */
static inline void digits8_put(char *out, uint64_t digits) {
    digits |= 0x3030303030303030u;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    digits = __builtin_bswap64(digits);
#endif
    memcpy(out, &digits, sizeof digits);
}

#define DIGITS8_LIMIT 100000000u

/* A value below 10^8 without leading zeros; all eight bytes are written. No branch: the lengths of neighbours
 * differ. */
static inline size_t u32_write(char *out, uint32_t value) {
    uint64_t digits = digits8(value);
    int zeros = __builtin_ctzll(digits | (uint64_t)1 << 56) / 8;
    digits = (digits | 0x3030303030303030u) >> (8 * zeros);
    digits8_put(out, digits);
    return (size_t)(8 - zeros);
}

static NEVER_INLINE size_t u64_write_long(char *out, uint64_t value) {
    size_t len = 0;
    uint64_t high = value / DIGITS8_LIMIT;
    if (high < DIGITS8_LIMIT) {
        len = u32_write(out, (uint32_t)high);
    } else {
        len = u32_write(out, (uint32_t)(high / DIGITS8_LIMIT));
        digits8_put(out + len, digits8((uint32_t)(high % DIGITS8_LIMIT)));
        len += 8;
    }
    digits8_put(out + len, digits8((uint32_t)(value % DIGITS8_LIMIT)));
    return len + 8;
}

/* The numbers below 1000 as three digits, and how many of these are left without the zeros at the end. */
typedef struct three_digits {
    char text[3];
    uint8_t significant; /* at least 1 */
} three_digits;

#define THREE(a, b, c)                                                                                       \
    { {'0' + (a), '0' + (b), '0' + (c)}, (c) ? 3 : (b) ? 2 : 1 }
#define THREE_10(a, b)                                                                                       \
    THREE(a, b, 0), THREE(a, b, 1), THREE(a, b, 2), THREE(a, b, 3), THREE(a, b, 4), THREE(a, b, 5),          \
        THREE(a, b, 6), THREE(a, b, 7), THREE(a, b, 8), THREE(a, b, 9)
#define THREE_100(a)                                                                                         \
    THREE_10(a, 0), THREE_10(a, 1), THREE_10(a, 2), THREE_10(a, 3), THREE_10(a, 4), THREE_10(a, 5),          \
        THREE_10(a, 6), THREE_10(a, 7), THREE_10(a, 8), THREE_10(a, 9)

static const three_digits threes[1000] = {THREE_100(0), THREE_100(1), THREE_100(2), THREE_100(3),
                                          THREE_100(4), THREE_100(5), THREE_100(6), THREE_100(7),
                                          THREE_100(8), THREE_100(9)};

/* A value below 1000 without leading zeros; three bytes are written, those beyond its digits mean nothing. */
static inline size_t three_write(char *out, uint32_t value) {
    size_t zeros = (size_t)(value < 100) + (value < 10);
    memcpy(out, (const char *)&threes[value] + zeros, 3);
    return 3 - zeros;
}

/* The most are small; a column's values have the same few lengths. */
static inline size_t u64_write(char *out, uint64_t value) {
    if (value < 1000) {
        return three_write(out, (uint32_t)value);
    }
    if (value < 1000000) {
        size_t len = three_write(out, (uint32_t)value / 1000);
        memcpy(out + len, &threes[value % 1000], sizeof *threes);
        return len + 3;
    }
    return value < DIGITS8_LIMIT ? u32_write(out, (uint32_t)value) : u64_write_long(out, value);
}

size_t pp_number_write_i64(char *out, int64_t value) {
    *out = '-';
    size_t sign = value < 0;
    uint64_t magnitude = sign ? 0 - (uint64_t)value : (uint64_t)value;
    return sign + u64_write(out + sign, magnitude);
}

/* The point and six digits, as many as are needed; eight bytes are written. No branch, as above. */
static inline size_t fraction_write(char *out, uint32_t fraction) {
    uint32_t rest = fraction % 1000;
    const three_digits *high = &threes[fraction / 1000];
    const three_digits *low = &threes[rest];
    *out = '.';
    memcpy(out + 1, high, sizeof *high);
    memcpy(out + 4, low, sizeof *low);
    size_t with_low = (size_t)(rest != 0) * (3u + low->significant);
    return 1 + (with_low > high->significant ? with_low : high->significant);
}

/* The millionths of a value with at most six decimals and few digits, as all coordinates are; -1 for others.
 */
static inline int64_t f64_millionths(double magnitude) {
    if (!(magnitude < 1e9)) {
        return -1;
    }
    int64_t millionths = (int64_t)(magnitude * 1e6 + 0.5);
    bool is_same = (double)millionths / 1e6 == magnitude;
    return is_same && (millionths >= 100 || millionths == 0) ? millionths : -1;
}

/* "d.ddde±xx" to the plain form for exponents from -4 to 15, to the exponent form else. */
static size_t f64_layout(char *out, const char *scientific) {
    char digits[24] = {0};
    size_t count = 0;
    size_t len = 0;
    const char *at = scientific;
    if (*at == '-') {
        out[len++] = *at++;
    }
    for (; *at != 'e'; at++) {
        if (*at != '.') {
            digits[count++] = *at;
        }
    }
    int exponent = (int)strtol(at + 1, NULL, 10);
    while (count > 1 && digits[count - 1] == '0') {
        count--;
    }
    if (exponent < -4 || exponent > 15) {
        out[len++] = digits[0];
        if (count > 1) {
            out[len++] = '.';
            memcpy(out + len, digits + 1, count - 1);
            len += count - 1;
        }
        return len + (size_t)snprintf(out + len, 8, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
    }
    int point = exponent + 1; /* digits before the point */
    if (point <= 0) {
        out[len++] = '0';
        out[len++] = '.';
        for (int i = point; i < 0; i++) {
            out[len++] = '0';
        }
        memcpy(out + len, digits, count);
        return len + count;
    }
    for (int i = 0; i < point; i++) {
        out[len++] = (size_t)i < count ? digits[i] : '0';
    }
    out[len++] = '.';
    if (count <= (size_t)point) {
        out[len++] = '0';
        return len;
    }
    memcpy(out + len, digits + point, count - (size_t)point);
    return len + count - (size_t)point;
}

/* The fewest digits that read back the same, by trial. */
static NEVER_INLINE size_t f64_write_long(char *out, double value) {
    char scientific[40];
    locale_t before = uselocale(c_locale_get());
    /* Fifteen digits tell all normal doubles of fewer digits apart; subnormal ones may need less. */
    int first_precision = fabs(value) < DBL_MIN ? 0 : 14;
    for (int precision = first_precision; precision <= 16; precision++) {
        snprintf(scientific, sizeof scientific, "%.*e", precision, value);
        if (strtod(scientific, NULL) == value) {
            break;
        }
    }
    uselocale(before);
    return f64_layout(out, scientific);
}

static NEVER_INLINE size_t f64_write_any(char *out, double value) {
    int64_t millionths = f64_millionths(fabs(value));
    if (millionths < 0) {
        return f64_write_long(out, value);
    }
    size_t len = signbit(value) != 0;
    len += u64_write(out + len, (uint64_t)millionths / 1000000);
    return len + fraction_write(out + len, (uint32_t)((uint64_t)millionths % 1000000));
}

size_t pp_number_write_f64(char *out, double value) {
    assert(isfinite(value));
    int64_t millionths = f64_millionths(fabs(value));
    uint32_t whole = (uint32_t)((uint64_t)millionths / 1000000);
    *out = '-';
    if (millionths < 0 || whole >= 1000) {
        return f64_write_any(out, value);
    }
    size_t len = signbit(value) != 0;
    len += three_write(out + len, whole);
    return len + fraction_write(out + len, (uint32_t)((uint64_t)millionths % 1000000));
}
