/* Turns the name of a time zone and a time into how far its clocks are ahead of UTC.
 * Never trusts a count in a file: every extent is checked against its length.
 * Rules: RFC 9636 §3; POSIX, "TZ". */
#include "pipeline/time_zone.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "io/file.h"

#define DATABASE "/usr/share/zoneinfo/"
#define FILE_BYTES_MAX (1 << 20)
#define NAME_BYTES_MAX 100
#define HEAD_BYTES 44
#define DAY_S 86400

/* Month, week (5 = the last), day of the week, seconds after midnight: "M3.5.0/2". */
typedef struct rule_day {
    int32_t month, week, day;
    int32_t time_s;
} rule_day;

struct pp_time_zone {
    pinpipe_buf file;
    const unsigned char *times, *kinds, *infos; /* of the file */
    int64_t count;
    int32_t before_s; /* offset before the first transition */
    int32_t standard_s, summer_s;
    rule_day summer_begin, summer_end;
    bool has_rule, has_summer;
};

/* ---- the rule behind the last transition ---- */

static const char *number_take(const char *at, int32_t *out) {
    *out = 0;
    while (*at >= '0' && *at <= '9' && *out < 100000) {
        *out = *out * 10 + (*at++ - '0');
    }
    return at;
}

static const char *name_skip(const char *at) {
    if (*at == '<') {
        const char *end = strchr(at, '>');
        return end ? end + 1 : at;
    }
    while ((*at | 0x20) >= 'a' && (*at | 0x20) <= 'z') {
        at++;
    }
    return at;
}

/* [+-]hh[:mm[:ss]] */
static const char *clock_take(const char *at, int32_t *out_s) {
    int32_t sign = *at == '-' ? -1 : 1;
    int32_t parts[3] = {0};
    at += *at == '-' || *at == '+';
    at = number_take(at, &parts[0]);
    for (int i = 1; i < 3 && *at == ':'; i++) {
        at = number_take(at + 1, &parts[i]);
    }
    *out_s = sign * (parts[0] * 3600 + parts[1] * 60 + parts[2]);
    return at;
}

static const char *day_take(const char *at, rule_day *out) {
    if (at[0] != ',' || at[1] != 'M') {
        return NULL;
    }
    at = number_take(at + 2, &out->month);
    at = *at == '.' ? number_take(at + 1, &out->week) : at;
    at = *at == '.' ? number_take(at + 1, &out->day) : at;
    out->time_s = 7200;
    return *at == '/' ? clock_take(at + 1, &out->time_s) : at;
}

/* The other forms of a rule's day are not in use; a zone with one keeps its last offset. */
static void rule_read(pp_time_zone *zone, const char *text) {
    int32_t behind_s = 0;
    const char *at = clock_take(name_skip(text), &behind_s);
    zone->has_rule = at != text;
    zone->standard_s = -behind_s;
    zone->summer_s = zone->standard_s + 3600;
    if (*at && *at != '\n') {
        at = name_skip(at);
        if (*at != ',') {
            at = clock_take(at, &behind_s);
            zone->summer_s = -behind_s;
        }
        at = day_take(at, &zone->summer_begin);
        zone->has_summer = at && day_take(at, &zone->summer_end);
    }
}

static int64_t days_of(int64_t year, int32_t month, int32_t day) {
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

/* Local seconds since 1970 at which the rule's day comes. */
static int64_t rule_time(const rule_day *rule, int64_t year) {
    int64_t first = days_of(year, rule->month, 1);
    int64_t next = rule->month == 12 ? days_of(year + 1, 1, 1) : days_of(year, rule->month + 1, 1);
    int64_t weekday = (first % 7 + 11) % 7; /* 1970-01-01 was a Thursday */
    int64_t day = first + (rule->day - weekday + 7) % 7 + 7 * (int64_t)(rule->week - 1);
    while (day >= next) {
        day -= 7;
    }
    return day * DAY_S + rule->time_s;
}

static int32_t rule_offset(const pp_time_zone *zone, int64_t utc_s) {
    if (!zone->has_summer) {
        return zone->standard_s;
    }
    int64_t year = 1970 + floor_div(utc_s + zone->standard_s, 31556952);
    for (int64_t guess = year - 1; guess <= year + 1; guess++) {
        int64_t begin = rule_time(&zone->summer_begin, guess) - zone->standard_s;
        int64_t end = rule_time(&zone->summer_end, guess) - zone->summer_s;
        if (end < begin) { /* southern: the summer ends in the next year */
            end = rule_time(&zone->summer_end, guess + 1) - zone->summer_s;
        }
        if (utc_s >= begin && utc_s < end) {
            return zone->summer_s;
        }
    }
    return zone->standard_s;
}

/* ---- the file ---- */

static int64_t big_endian(const unsigned char *bytes, int len) {
    uint64_t value = bytes[0] & 0x80 ? UINT64_MAX : 0;
    for (int i = 0; i < len; i++) {
        value = value << 8 | bytes[i];
    }
    return (int64_t)value;
}

/* Bytes of the block behind a header whose times have `width` bytes; -1 = it is no header. */
static int64_t block_bytes(const unsigned char *head, int64_t width) {
    if (memcmp(head, "TZif", 4) != 0) {
        return -1;
    }
    int64_t is_ut = big_endian(head + 20, 4), is_std = big_endian(head + 24, 4);
    int64_t leaps = big_endian(head + 28, 4), times = big_endian(head + 32, 4);
    int64_t infos = big_endian(head + 36, 4), names = big_endian(head + 40, 4);
    return times * (width + 1) + infos * 6 + names + leaps * (width + 4) + is_std + is_ut;
}

static pinpipe_status file_parse(pp_time_zone *zone, pinpipe_str name, pinpipe_error *err) {
    const unsigned char *bytes = (const unsigned char *)zone->file.ptr;
    int64_t len = (int64_t)zone->file.len;
    int64_t old = len >= HEAD_BYTES ? block_bytes(bytes, 4) : -1;
    int64_t second = HEAD_BYTES + old;
    int64_t size = old >= 0 && second + HEAD_BYTES <= len ? block_bytes(bytes + second, 8) : -1;
    int64_t end = second + HEAD_BYTES + size;
    if (size < 0 || end > len || big_endian(bytes + second + 36, 4) < 1) {
        return pp_fail(err, PINPIPE_EDATA, "timezone '%.*s': its file is damaged", pp_quote_len(name.len),
                       name.ptr);
    }
    zone->count = big_endian(bytes + second + 32, 4);
    zone->times = bytes + second + HEAD_BYTES;
    zone->kinds = zone->times + 8 * zone->count;
    zone->infos = zone->kinds + zone->count;
    zone->before_s = (int32_t)big_endian(zone->infos, 4);
    int64_t kinds = big_endian(bytes + second + 36, 4);
    for (int64_t i = 0; i < zone->count; i++) {
        if (zone->kinds[i] >= kinds) {
            return pp_fail(err, PINPIPE_EDATA, "timezone '%.*s': its file is damaged", pp_quote_len(name.len),
                           name.ptr);
        }
    }
    if (end + 1 < len && bytes[end] == '\n' && bytes[end + 1] != '\n') {
        rule_read(zone, (const char *)bytes + end + 1);
    }
    return PINPIPE_OK;
}

static bool name_is_safe(pinpipe_str name) {
    for (size_t i = 0; i < name.len; i++) {
        char byte = name.ptr[i], lower = (char)(byte | 0x20);
        if (!(lower >= 'a' && lower <= 'z') && !(byte >= '0' && byte <= '9') && byte != '/' && byte != '_' &&
            byte != '-' && byte != '+') {
            return false;
        }
    }
    return name.len > 0 && name.len <= NAME_BYTES_MAX && name.ptr[0] != '/';
}

static pinpipe_status zone_read(pp_time_zone *zone, pinpipe_str name, pinpipe_error *err) {
    char path[sizeof DATABASE + NAME_BYTES_MAX] = DATABASE;
    char text[NAME_BYTES_MAX + 1] = "";
    if (name.len > 1 && name.len <= 6 && (name.ptr[0] == '+' || name.ptr[0] == '-')) {
        memcpy(text, name.ptr, name.len);
        zone->has_rule = true;
        if (*clock_take(text, &zone->standard_s) == '\0') {
            return PINPIPE_OK;
        }
    }
    if (!name_is_safe(name)) {
        return pp_fail(err, PINPIPE_EINVAL, "timezone '%.*s' is no name of a time zone",
                       pp_quote_len(name.len), name.ptr);
    }
    memcpy(path + sizeof DATABASE - 1, name.ptr, name.len);
    if (pp_file_read(&zone->file, path, FILE_BYTES_MAX, NULL, NULL) < 0) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "timezone '%.*s' is not in the system's time zone database (package tzdata)",
                       pp_quote_len(name.len), name.ptr);
    }
    return file_parse(zone, name, err);
}

pinpipe_status pp_time_zone_open(pp_time_zone **out, pinpipe_str name, pinpipe_error *err) {
    *out = NULL;
    pp_time_zone *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "a time zone", sizeof *made);
    }
    made->has_rule = true;
    if (name.len && !pp_str_is(name, "UTC")) {
        made->has_rule = false;
        pinpipe_status status = zone_read(made, name, err);
        if (status < 0) {
            pp_time_zone_free(made);
            return status;
        }
    }
    *out = made;
    return PINPIPE_OK;
}

void pp_time_zone_free(pp_time_zone *zone) {
    if (zone) {
        pinpipe_buf_reset(&zone->file);
        pp_free(zone);
    }
}

int64_t pp_time_zone_offset_ms(const pp_time_zone *zone, int64_t utc_ms) {
    int64_t utc_s = floor_div(utc_ms, 1000);
    int64_t low = 0, high = zone->count;
    while (low < high) { /* the transitions that are past */
        int64_t middle = low + (high - low) / 2;
        if (big_endian(zone->times + 8 * middle, 8) <= utc_s) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == zone->count && zone->has_rule) {
        return (int64_t)rule_offset(zone, utc_s) * 1000;
    }
    return low == 0 ? (int64_t)zone->before_s * 1000
                    : big_endian(zone->infos + 6 * (ptrdiff_t)zone->kinds[low - 1], 4) * 1000;
}
