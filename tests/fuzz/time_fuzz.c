/* Turns any text into a time by both parsers and by a slow reference, and any number into a text and back.
 * Never shares a formula with the library: the reference counts days one month after the other.
 * Rules: CONTRACT §4; pp_time_parse says which texts are timestamps. */
#include "fuzz.h"

#include <stdbool.h>
#include <string.h>

#include "text/time_text.h"

#define DAY_US ((int64_t)86400000000)
#define FIXED_READ_BYTES 24

static int64_t days_in_month(int64_t year, int64_t month) {
    static const int64_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && is_leap ? 29 : days[month - 1];
}

static int64_t days_since_1970(int64_t year, int64_t month, int64_t day) {
    int64_t days = 0;
    for (int64_t y = 1970; y < year; y++) {
        days += days_in_month(y, 2) + 337;
    }
    for (int64_t y = year; y < 1970; y++) {
        days -= days_in_month(y, 2) + 337;
    }
    for (int64_t m = 1; m < month; m++) {
        days += days_in_month(year, m);
    }
    return days + day - 1;
}

/* The number that stands where `form` has letters of one kind: 'Y', 'M', …; -1 where a byte is no digit. */
static int64_t part(const char *form, const char *text, char letter) {
    int64_t value = 0;
    for (size_t i = 0; form[i]; i++) {
        if (form[i] == letter) {
            if (text[i] < '0' || text[i] > '9') {
                return -1;
            }
            value = value * 10 + (text[i] - '0');
        }
    }
    return value;
}

/* Whether the text has the form's length and its punctuation; '_' stands for T, t or a blank, '+' for a sign.
 */
static bool has_form(const char *form, const char *text, size_t len) {
    if (strlen(form) != len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        bool is_letter = form[i] >= 'A' && form[i] <= 'Z' && form[i] != 'Z';
        const char *allowed = form[i] == '_' ? "Tt " : form[i] == '+' ? "+-" : form[i] == 'Z' ? "Zz" : NULL;
        if (allowed ? !text[i] || !strchr(allowed, text[i]) : !is_letter && text[i] != form[i]) {
            return false;
        }
    }
    return true;
}

/* Takes the fraction, which may be of any length, out of the text: its value in microseconds. */
static bool fraction_take(int64_t *out, char *text, size_t *len) {
    char *point = memchr(text, '.', *len);
    int64_t us = 0;
    *out = 0;
    if (!point || point - text != 19) {
        return false;
    }
    size_t digits = 0;
    while (point + 1 + digits < text + *len && point[1 + digits] >= '0' && point[1 + digits] <= '9') {
        us = digits < 6 ? us * 10 + (point[1 + digits] - '0') : us;
        digits++;
    }
    for (size_t i = digits; i < 6; i++) {
        us *= 10;
    }
    if (digits > 0) {
        memmove(point, point + 1 + digits, *len - 20 - digits);
        *len -= 1 + digits;
    }
    *out = us;
    return digits > 0;
}

/* The slow reference: every form spelled out. Letters: Y year, M month, D day, H hour, I minute, S second, A
 * and B the zone's hours and minutes. */
static bool reference(int64_t *out, const uint8_t *data, size_t size) {
    static const char *const clocks[] = {"", "_HH:II", "_HH:II:SS"};
    static const char *const zones[] = {"", "Z", "+AA", "+AABB", "+AA:BB"};
    char text[64];
    if (size > sizeof text - 1 && !memchr(data, '.', size < 20 ? size : 20)) {
        return false;
    }
    static char copy[1 << 20];
    size_t len = size < sizeof copy ? size : sizeof copy;
    memcpy(copy, data, len);
    int64_t fraction = 0;
    bool has_fraction = fraction_take(&fraction, copy, &len);
    if (len >= sizeof text) {
        return false;
    }
    memcpy(text, copy, len);
    text[len] = '\0';
    for (size_t i = 0; i < 15; i++) {
        char form[48];
        const char *clock = clocks[i / 5];
        snprintf(form, sizeof form, "YYYY-MM-DD%s%s", clock, *clock ? zones[i % 5] : "");
        if (!has_form(form, text, len) || (has_fraction && i < 10)) {
            continue;
        }
        int64_t year = part(form, text, 'Y'), month = part(form, text, 'M'), day = part(form, text, 'D');
        int64_t hour = part(form, text, 'H'), minute = part(form, text, 'I'), second = part(form, text, 'S');
        int64_t zone_hour = part(form, text, 'A'), zone_minute = part(form, text, 'B');
        if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour < 0 ||
            hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 || zone_hour < 0 ||
            zone_hour > 23 || zone_minute < 0 || zone_minute > 59) {
            return false;
        }
        int64_t offset = (zone_hour * 60 + zone_minute) * (memchr(text + 10, '-', len - 10) ? -60 : 60);
        int64_t seconds = hour * 3600 + minute * 60 + second - offset;
        *out = days_since_1970(year, month, day) * DAY_US + seconds * 1000000 + fraction;
        return *out >= days_since_1970(1, 1, 1) * DAY_US && *out < days_since_1970(10000, 1, 1) * DAY_US;
    }
    return false;
}

static void require_fixed(const uint8_t *data, size_t size, bool is_time, int64_t time_us) {
    char padded[FIXED_READ_BYTES];
    memset(padded, '7', sizeof padded);
    memcpy(padded, data, size < PP_TIME_FIXED_BYTES ? size : PP_TIME_FIXED_BYTES);
    int64_t fixed_us = 0;
    bool is_fixed = pp_time_parse_fixed(&fixed_us, padded);
    bool is_its_form = has_form("YYYY-MM-DD_HH:II:SS", (const char *)data, size) && data[10] != 't';
    if (size == PP_TIME_FIXED_BYTES) {
        REQUIRE(is_fixed == (is_time && is_its_form));
        REQUIRE(!is_fixed || fixed_us == time_us);
    }
}

static void require_round_trip(int64_t time_us) {
    char text[PP_TIME_TEXT_MAX];
    size_t len = pp_time_write(text, time_us);
    REQUIRE((len > 0) == pp_time_has_text(time_us));
    int64_t again = 0;
    if (len > 0) {
        REQUIRE(reference(&again, (const uint8_t *)text, len));
        REQUIRE(again == time_us);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t expected = 0;
    int64_t parsed = 0;
    bool is_expected = reference(&expected, data, size);
    bool is_parsed = pp_time_parse(&parsed, (pinpipe_str){(const char *)data, size});
    REQUIRE(is_parsed == is_expected);
    REQUIRE(!is_parsed || parsed == expected);
    require_fixed(data, size, is_parsed, parsed);
    if (is_parsed) {
        require_round_trip(parsed);
    }
    if (size >= sizeof parsed) {
        memcpy(&parsed, data, sizeof parsed);
        require_round_trip(parsed);
        require_round_trip(parsed % (DAY_US * 3000000));
    }
    return 0;
}
