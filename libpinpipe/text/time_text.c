/* Turns ISO 8601 timestamps into microseconds since 1970 UTC, and back.
 * Never reads a clock or a time zone database.
 * Rules: CONTRACT §4; proleptic Gregorian calendar, days counted from 1970-01-01. */
#include "text/time_text.h"

#include <string.h>

#include "text/digits.h"
#include "text/number.h"

#define US_PER_SECOND ((int64_t)1000000)
#define SECONDS_PER_DAY ((int64_t)86400)

typedef struct cursor {
    const char *at;
    const char *end;
} cursor;

/* Exactly `count` digits as a number, or -1. */
static int32_t digits_take(cursor *text, int32_t count) {
    int32_t value = 0;
    if (text->end - text->at < count) {
        return -1;
    }
    for (int32_t i = 0; i < count; i++, text->at++) {
        if (*text->at < '0' || *text->at > '9') {
            return -1;
        }
        value = value * 10 + (*text->at - '0');
    }
    return value;
}

static bool byte_take(cursor *text, char byte) {
    bool found = text->at < text->end && *text->at == byte;
    text->at += found;
    return found;
}

static bool is_leap(int32_t year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int32_t month_days(int32_t year, int32_t month) {
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days since 1970-01-01: years begin in March, so that the leap day is the last. */
static int64_t days_from_date(int32_t year, int32_t month, int32_t day) {
    int64_t shifted = month > 2 ? year : year - 1;
    int64_t era = shifted / 400;
    int64_t year_of_era = shifted - era * 400;
    int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static bool date_take(cursor *text, int64_t *days) {
    int32_t year = digits_take(text, 4);
    if (year < 1 || !byte_take(text, '-')) {
        return false;
    }
    int32_t month = digits_take(text, 2);
    if (month < 1 || month > 12 || !byte_take(text, '-')) {
        return false;
    }
    int32_t day = digits_take(text, 2);
    if (day < 1 || day > month_days(year, month)) {
        return false;
    }
    *days = days_from_date(year, month, day);
    return true;
}

/* The fraction's digits after the point, cut at microseconds. */
static bool fraction_take(cursor *text, int64_t *us) {
    int64_t unit = US_PER_SECOND / 10;
    const char *first = text->at;
    for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++) {
        *us += unit * (*text->at - '0');
        unit /= 10;
    }
    return text->at > first;
}

static bool clock_take(cursor *text, int64_t *us) {
    int32_t hour = digits_take(text, 2);
    if (hour < 0 || hour > 23 || !byte_take(text, ':')) {
        return false;
    }
    int32_t minute = digits_take(text, 2);
    if (minute < 0 || minute > 59) {
        return false;
    }
    int32_t seconds = hour * 3600 + minute * 60;
    *us = seconds * US_PER_SECOND;
    if (!byte_take(text, ':')) {
        return true;
    }
    int32_t second = digits_take(text, 2);
    if (second < 0 || second > 59) {
        return false;
    }
    *us += second * US_PER_SECOND;
    return !byte_take(text, '.') || fraction_take(text, us);
}

/* The zone's offset; no zone is UTC. */
static bool zone_take(cursor *text, int64_t *offset_us) {
    *offset_us = 0;
    if (text->at == text->end || byte_take(text, 'Z') || byte_take(text, 'z')) {
        return true;
    }
    int64_t sign = byte_take(text, '+') ? 1 : byte_take(text, '-') ? -1 : 0;
    int32_t hours = sign ? digits_take(text, 2) : -1;
    if (hours < 0 || hours > 23) {
        return false;
    }
    int32_t minutes = 0;
    if (byte_take(text, ':') || text->at < text->end) {
        minutes = digits_take(text, 2);
    }
    if (minutes < 0 || minutes > 59) {
        return false;
    }
    *offset_us = sign * (hours * 3600 + minutes * 60) * US_PER_SECOND;
    return true;
}

bool pp_time_parse(int64_t *out_us, pinpipe_str input) {
    cursor text = {input.ptr, input.ptr + input.len};
    int64_t days = 0;
    int64_t us = 0;
    int64_t offset_us = 0;
    if (!date_take(&text, &days)) {
        return false;
    }
    if (text.at < text.end) {
        if (!byte_take(&text, 'T') && !byte_take(&text, ' ') && !byte_take(&text, 't')) {
            return false;
        }
        if (!clock_take(&text, &us) || !zone_take(&text, &offset_us)) {
            return false;
        }
    }
    if (text.at != text.end) {
        return false;
    }
    *out_us = days * SECONDS_PER_DAY * US_PER_SECOND + us - offset_us;
    return pp_time_has_text(*out_us);
}

/* Bytes that must be zero once "0000-00-" and the like are taken off: separators become 0, digits their
 * values; added to a byte, 0x76 sets the high bit of 10 and more, 0x7f that of 1 and more. */
#define DATE_LIMITS 0x7f76767f76767676u  /* YYYY-MM- */
#define CLOCK_LIMITS 0x76767f76767f7676u /* HH:MM:SS */

/* Eight bytes as a word of values of digits and zeros; false where they are others. */
static inline bool form_load(uint64_t *out, const char *text, uint64_t form, uint64_t limits) {
    uint64_t values = pp_word_load(text) ^ form;
    *out = values * 10 + (values >> 8); /* each byte's digit and the next one's as one number */
    return ((values | (values + limits)) & 0x8080808080808080u) == 0;
}

bool pp_time_parse_fixed(int64_t *out_us, const char *text) {
    /* days of a year before each month and behind the last, without a leap day and with one */
    static const uint16_t before[2][14] = {
        {0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365},
        {0, 0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335, 366},
    };
    uint64_t date;
    uint64_t clock;
    bool is_right = form_load(&date, text, 0x2d30302d30303030u, DATE_LIMITS) &
                    form_load(&clock, text + 11, 0x30303a30303a3030u, CLOCK_LIMITS);
    int32_t day_tens = (unsigned char)text[8] - '0';
    int32_t day_ones = (unsigned char)text[9] - '0';
    int32_t year = (int32_t)((date & 0xff) * 100 + (date >> 16 & 0xff));
    int32_t month = (int32_t)(date >> 40 & 0xff);
    int32_t day = day_tens * 10 + day_ones;
    int32_t hour = (int32_t)(clock & 0xff);
    int32_t minute = (int32_t)(clock >> 24 & 0xff);
    int32_t second = (int32_t)(clock >> 48 & 0xff);
    /* negative where one of them is out of range */
    int32_t range = day_tens | (9 - day_tens) | day_ones | (9 - day_ones) | (year - 1) | (month - 1) |
                    (12 - month) | (23 - hour) | (59 - minute) | (59 - second);
    if (!is_right || range < 0 || (text[10] != 'T' && text[10] != ' ')) {
        return false;
    }
    const uint16_t *days = before[(year & (year % 25 ? 3 : 15)) == 0];
    if (day < 1 || day > days[month + 1] - days[month]) {
        return false;
    }
    uint32_t past = (uint32_t)year - 1; /* years that are over; 719162 days lie before 1970 */
    uint32_t past_days = past * 365 + past / 4 - past / 100 + past / 400;
    int64_t all_days = (int64_t)past_days + days[month] + day - 1 - 719162;
    int32_t seconds = hour * 3600 + minute * 60 + second;
    *out_us = (all_days * SECONDS_PER_DAY + seconds) * US_PER_SECOND;
    return true;
}

bool pp_time_has_text(int64_t time_us) {
    return time_us >= days_from_date(1, 1, 1) * SECONDS_PER_DAY * US_PER_SECOND &&
           time_us < days_from_date(10000, 1, 1) * SECONDS_PER_DAY * US_PER_SECOND;
}

size_t pp_time_write(char out[PP_TIME_TEXT_MAX], int64_t time_us) {
    if (!pp_time_has_text(time_us)) {
        return 0;
    }
    /* From here on nothing is negative, and all but the microseconds fits into 32 bits. */
    uint64_t us = (uint64_t)(time_us - days_from_date(1, 1, 1) * SECONDS_PER_DAY * US_PER_SECOND);
    uint64_t all_seconds = us / (uint64_t)US_PER_SECOND;
    uint32_t fraction = (uint32_t)(us % (uint64_t)US_PER_SECOND);
    uint32_t seconds = (uint32_t)(all_seconds % (uint64_t)SECONDS_PER_DAY);
    uint32_t shifted = (uint32_t)(all_seconds / (uint64_t)SECONDS_PER_DAY) + 306; /* days since 0000-03-01 */
    /* Quotients by multiplication: Neri and Schneider, "Euclidean affine functions and their application to
     * calendar algorithms" (2022); quarters of days, then days of a year that begins in March. */
    uint32_t century = (4 * shifted + 3) / 146097;
    uint64_t quarters = (uint64_t)2939745 * (((4 * shifted + 3) % 146097) | 3);
    uint32_t day_of_year = (uint32_t)quarters / 2939745 / 4;
    uint32_t month_and_day = 2141 * day_of_year + 197913;
    uint32_t is_next_year = day_of_year >= 306;
    uint32_t year = 100 * century + (uint32_t)(quarters >> 32) + is_next_year;
    uint32_t month = (month_and_day >> 16) - 12 * is_next_year;
    uint32_t day = (month_and_day & 0xffff) / 2141 + 1;
    uint32_t minutes = seconds / 60;
    uint32_t hour = seconds / 3600;
    memcpy(out, "0000-00-00T00:00:00Z", 20);
    pp_number_put2(out, year / 100);
    pp_number_put2(out + 2, year % 100);
    pp_number_put2(out + 5, month);
    pp_number_put2(out + 8, day);
    pp_number_put2(out + 11, hour);
    pp_number_put2(out + 14, minutes - 60 * hour);
    pp_number_put2(out + 17, seconds - 60 * minutes);
    if (fraction == 0) {
        return 20;
    }
    out[19] = '.';
    pp_number_put2(out + 20, fraction / 10000);
    pp_number_put2(out + 22, fraction / 100 % 100);
    pp_number_put2(out + 24, fraction % 100);
    size_t len = 26;
    while (out[len - 1] == '0') {
        len--;
    }
    out[len] = 'Z';
    return len + 1;
}
