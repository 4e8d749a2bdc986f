/* Turns a record into the folder of its object: its partition, fields of its value, its time.
 * Never builds a tree of a value: a field is found by its extent.
 * Rules: docs/sink.md, "Folders"; Confluent S3 sink, "Partitioners". */
#include "pipeline/sink_partitioner.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "pipeline/time_zone.h"
#include "text/json_field.h"
#include "text/json_string.h"
#include "text/number.h"
#include "text/time_text.h"

#define FIELDS_MAX 16
#define VALUE_BYTES_MAX 256
#define REASON_BYTES 160
#define HOUR_MS ((int64_t)3600000)
#define DAY_MS (24 * HOUR_MS)
#define DAILY_FORMAT "'year'=YYYY/'month'=MM/'day'=dd"
#define HOURLY_FORMAT "'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH"

struct pp_sink_partitioner {
    int32_t kind, timestamp;
    int64_t duration_ms;
    pinpipe_buf fields, timestamp_field, format; /* format: checked */
    pinpipe_str field_names[FIELDS_MAX];
    int32_t field_count;
    pp_time_zone *zone;
    pinpipe_buf values; /* "f=v/g=w" of the record that was placed last */
    char reason[REASON_BYTES];
};

/* ---- Joda's letters ---- */

static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};
static const char *const weekdays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};

static bool is_letter(char byte) {
    return ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z');
}

/* The parts of a local time, from the fixed places of its text. */
static int64_t part_of(const char *text, size_t at, size_t len) {
    int64_t value = 0;
    for (size_t i = at; i < at + len; i++) {
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

static pinpipe_status letters_write(pinpipe_buf *out, char letter, size_t count, int64_t local_ms,
                                    pinpipe_error *err) {
    char text[PP_TIME_TEXT_MAX] = "";
    int width = (int)(count < 9 ? count : 9);
    pp_time_write(text, (local_ms - local_ms % 1000) * 1000);
    int64_t month = part_of(text, 5, 2);
    if (letter == 'M' && count > 2) {
        return pp_buf_printf(out, err, "%.*s", count == 3 ? 3 : 9, months[month - 1]);
    }
    if (letter == 'E') {
        return pp_buf_printf(out, err, "%.*s", count <= 3 ? 3 : 9, weekdays[(local_ms / DAY_MS + 4) % 7]);
    }
    if ((letter == 'Y' || letter == 'y') && count == 2) {
        return pp_buf_printf(out, err, "%.2s", text + 2);
    }
    if (letter == 'S') {
        return pp_buf_printf(out, err, "%03lld", (long long)(local_ms % 1000));
    }
    int64_t value = letter == 'Y' || letter == 'y' ? part_of(text, 0, 4)
                    : letter == 'M'                ? month
                    : letter == 'd'                ? part_of(text, 8, 2)
                    : letter == 'H'                ? part_of(text, 11, 2)
                    : letter == 'm'                ? part_of(text, 14, 2)
                                                   : part_of(text, 17, 2);
    return pp_buf_printf(out, err, "%0*lld", width, (long long)value);
}

/* Writes the format's text, or only checks its letters where `out` is NULL. */
static pinpipe_status format_walk(pinpipe_buf *out, pinpipe_str format, int64_t local_ms,
                                  pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    bool is_quoted = false;
    for (size_t at = 0; at < format.len && status == PINPIPE_OK;) {
        char byte = format.ptr[at];
        size_t count = 1;
        if (byte == '\'' && at + 1 < format.len && format.ptr[at + 1] == '\'') {
            status = out ? pp_buf_append(out, "'", 1, err) : PINPIPE_OK;
            count = 2;
        } else if (byte == '\'') {
            is_quoted = !is_quoted;
        } else if (is_quoted || !is_letter(byte)) {
            status = out ? pp_buf_append(out, &byte, 1, err) : PINPIPE_OK;
        } else {
            while (at + count < format.len && format.ptr[at + count] == byte) {
                count++;
            }
            if (!strchr("YyMdHmsSE", byte)) {
                return pp_fail(err, PINPIPE_EINVAL,
                               "path_format '%.*s': the letter %c is none of Y y M d H m s S E",
                               pp_quote_len(format.len), format.ptr, byte);
            }
            status = out ? letters_write(out, byte, count, local_ms, err) : PINPIPE_OK;
        }
        at += count;
    }
    if (status == PINPIPE_OK && is_quoted) {
        return pp_fail(err, PINPIPE_EINVAL, "path_format '%.*s': a quote is not closed",
                       pp_quote_len(format.len), format.ptr);
    }
    return status;
}

/* ---- making ---- */

static pinpipe_status fields_set(pp_sink_partitioner *made, pinpipe_str names, pinpipe_error *err) {
    pinpipe_status status = pp_buf_append(&made->fields, names.ptr, names.len, err);
    char *rest = status == PINPIPE_OK && names.len ? made->fields.ptr : NULL;
    while (rest) {
        char *name = strsep(&rest, ",");
        while (*name == ' ') {
            name++;
        }
        if (*name && made->field_count == FIELDS_MAX) {
            return pp_fail(err, PINPIPE_ELIMIT, "partition_fields '%.*s': more than %d names",
                           pp_quote_len(names.len), names.ptr, FIELDS_MAX);
        }
        if (*name) {
            made->field_names[made->field_count++] = pp_str(name);
        }
    }
    if (status == PINPIPE_OK && made->kind == PINPIPE_SINK_PARTITIONER_FIELD && !made->field_count) {
        return pp_fail(err, PINPIPE_EINVAL, "the field partitioner needs partition_fields");
    }
    return status;
}

static pinpipe_status time_set(pp_sink_partitioner *made, const pinpipe_sink_options *options,
                               pinpipe_error *err) {
    pinpipe_str format = options->path_format;
    pinpipe_str field = options->timestamp_field;
    made->duration_ms = options->partition_duration_ms ? options->partition_duration_ms : HOUR_MS;
    if (made->kind == PINPIPE_SINK_PARTITIONER_DAILY || made->kind == PINPIPE_SINK_PARTITIONER_HOURLY) {
        bool is_daily = made->kind == PINPIPE_SINK_PARTITIONER_DAILY;
        format = pp_str(is_daily ? DAILY_FORMAT : HOURLY_FORMAT);
        made->duration_ms = is_daily ? DAY_MS : HOUR_MS;
    }
    if (made->kind == PINPIPE_SINK_PARTITIONER_TIME && !format.len) {
        return pp_fail(err, PINPIPE_EINVAL, "the time partitioner needs a path_format");
    }
    pinpipe_status status = format_walk(NULL, format, 0, err);
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&made->format, format.ptr, format.len, err);
    }
    if (status == PINPIPE_OK) {
        field = field.len ? field : pp_str("timestamp");
        status = pp_buf_append(&made->timestamp_field, field.ptr, field.len, err);
    }
    return status == PINPIPE_OK ? pp_time_zone_open(&made->zone, options->timezone, err) : status;
}

pinpipe_status pp_sink_partitioner_new(pp_sink_partitioner **out, const pinpipe_sink_options *options,
                                       pinpipe_error *err) {
    *out = NULL;
    if (options->partitioner < PINPIPE_SINK_PARTITIONER_DEFAULT ||
        options->partitioner > PINPIPE_SINK_PARTITIONER_HOURLY ||
        options->timestamp < PINPIPE_SINK_TIMESTAMP_WALLCLOCK ||
        options->timestamp > PINPIPE_SINK_TIMESTAMP_RECORD_FIELD) {
        return pp_fail(err, PINPIPE_EINVAL, "partitioner %ld or timestamp %ld is none",
                       (long)options->partitioner, (long)options->timestamp);
    }
    pp_sink_partitioner *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "a partitioner", sizeof *made);
    }
    made->kind = options->partitioner;
    made->timestamp = options->timestamp;
    pinpipe_status status = fields_set(made, options->partition_fields, err);
    if (status == PINPIPE_OK) {
        status = time_set(made, options, err);
    }
    if (status < 0) {
        pp_sink_partitioner_free(made);
        return status;
    }
    *out = made;
    return PINPIPE_OK;
}

void pp_sink_partitioner_free(pp_sink_partitioner *partitioner) {
    if (partitioner) {
        pp_time_zone_free(partitioner->zone);
        pinpipe_buf_reset(&partitioner->fields);
        pinpipe_buf_reset(&partitioner->timestamp_field);
        pinpipe_buf_reset(&partitioner->format);
        pinpipe_buf_reset(&partitioner->values);
        pp_free(partitioner);
    }
}

/* ---- a record's time ---- */

static const char *reason_set(pp_sink_partitioner *partitioner, const char *format, pinpipe_str name) {
    /* It stands in a JSON string of a reject: names that would need escapes are left out. */
    bool is_plain = !name.len || pp_json_plain_span(name.ptr, name.len) == name.len;
    snprintf(partitioner->reason, REASON_BYTES, format, is_plain ? pp_quote_len(name.len) : 0,
             name.len ? name.ptr : "");
    return partitioner->reason;
}

static bool field_time(int64_t *out_ms, pp_json_field field) {
    int64_t time_us = 0;
    if (field.kind == PP_JSON_FIELD_LITERAL || field.kind == PP_JSON_FIELD_TEXT) {
        if (pp_number_i64(out_ms, field.raw) == PP_NUMBER_OK) {
            return true;
        }
        if (field.kind == PP_JSON_FIELD_TEXT && pp_time_parse(&time_us, field.raw)) {
            *out_ms = time_us / 1000;
            return true;
        }
    }
    return false;
}

static void time_find(pp_sink_place *out, pp_sink_partitioner *partitioner,
                      const pinpipe_kafka_message *message, int64_t wall_ms) {
    pinpipe_str name = pp_buf_view(&partitioner->timestamp_field);
    out->time_ms = wall_ms;
    if (partitioner->timestamp == PINPIPE_SINK_TIMESTAMP_RECORD) {
        out->time_ms = message->timestamp_ms;
    } else if (partitioner->timestamp == PINPIPE_SINK_TIMESTAMP_RECORD_FIELD &&
               !field_time(&out->time_ms, pp_json_field_find(message->value, name))) {
        out->reason = reason_set(partitioner, "no time in field '%.*s'", name);
    }
    if (!out->reason && (out->time_ms < 0 || !pp_time_has_text(out->time_ms * 1000 + DAY_MS * 1000))) {
        out->reason = "no time between 1970 and 9999";
    }
}

/* ---- a record's fields ---- */

/* What cannot stand in a folder's name, in Hive's escapes. */
static pinpipe_status value_write(pinpipe_buf *out, pinpipe_str text, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    for (size_t i = 0; i < text.len && status == PINPIPE_OK; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        bool is_special = byte < 0x20 || byte == 0x7f || strchr("\"#%'*/:=?\\{}[]^", byte);
        status = is_special ? pp_buf_printf(out, err, "%%%02X", byte) : pp_buf_append(out, &byte, 1, err);
    }
    return status;
}

static const char *field_write(pp_sink_partitioner *partitioner, pinpipe_str name, pp_json_field field) {
    char plain[VALUE_BYTES_MAX];
    size_t len = 0;
    pinpipe_str text = field.raw;
    bool is_whole = true;
    if (field.kind == PP_JSON_FIELD_NULL || field.kind == PP_JSON_FIELD_MISSING) {
        text = pp_str("null");
    } else if (field.kind == PP_JSON_FIELD_LITERAL) {
        int64_t ignored = 0;
        is_whole = text.ptr[0] == 't' || text.ptr[0] == 'f' || pp_number_i64(&ignored, text) == PP_NUMBER_OK;
    } else if (field.kind == PP_JSON_FIELD_TEXT) {
        is_whole = text.len <= sizeof plain &&
                   pp_json_unescape(plain, &len, text.ptr, text.len) == PP_JSON_STRING_OK;
        text = (pinpipe_str){plain, len};
    }
    if (field.kind == PP_JSON_FIELD_BROKEN) {
        return "value is no JSON object";
    }
    if (!is_whole || field.kind == PP_JSON_FIELD_NESTED) {
        return reason_set(partitioner, "field '%.*s' is no text below 256 bytes, integer or boolean", name);
    }
    pinpipe_buf *out = &partitioner->values;
    bool is_done = (out->len == 0 || pp_buf_append(out, "/", 1, NULL) == PINPIPE_OK) &&
                   pp_buf_append(out, name.ptr, name.len, NULL) == PINPIPE_OK &&
                   pp_buf_append(out, "=", 1, NULL) == PINPIPE_OK &&
                   value_write(out, text, NULL) == PINPIPE_OK;
    return is_done ? NULL : "no memory for its folder";
}

static const char *fields_find(pp_sink_partitioner *partitioner, const pinpipe_kafka_message *message) {
    const char *reason = NULL;
    pp_buf_clear(&partitioner->values);
    for (int32_t i = 0; i < partitioner->field_count && !reason; i++) {
        pinpipe_str name = partitioner->field_names[i];
        reason = field_write(partitioner, name, pp_json_field_find(message->value, name));
    }
    return reason;
}

static bool is_timed(const pp_sink_partitioner *partitioner) {
    return partitioner->kind >= PINPIPE_SINK_PARTITIONER_TIME;
}

pp_sink_place pp_sink_partitioner_place(pp_sink_partitioner *partitioner,
                                        const pinpipe_kafka_message *message, int64_t wall_ms) {
    pp_sink_place place = {0};
    time_find(&place, partitioner, message, wall_ms);
    if (!is_timed(partitioner)) {
        place.reason = NULL; /* only its rotation asks for a time */
    }
    if (!place.reason && partitioner->kind != PINPIPE_SINK_PARTITIONER_DEFAULT && partitioner->field_count) {
        place.bucket = -1;
        place.reason = fields_find(partitioner, message);
    } else if (!place.reason && is_timed(partitioner)) {
        int64_t local_ms = place.time_ms + pp_time_zone_offset_ms(partitioner->zone, place.time_ms);
        place.bucket = local_ms / partitioner->duration_ms;
    }
    return place;
}

pinpipe_status pp_sink_partitioner_folder(pinpipe_buf *out, pp_sink_partitioner *partitioner,
                                          const pinpipe_kafka_message *message, const pp_sink_place *place,
                                          pinpipe_error *err) {
    if (partitioner->kind == PINPIPE_SINK_PARTITIONER_DEFAULT) {
        return pp_buf_printf(out, err, "partition=%ld", (long)message->partition);
    }
    pinpipe_status status = pp_buf_append(out, partitioner->values.ptr, partitioner->values.len, err);
    if (status == PINPIPE_OK && is_timed(partitioner)) {
        int64_t local_ms = place->time_ms + pp_time_zone_offset_ms(partitioner->zone, place->time_ms);
        local_ms -= local_ms % partitioner->duration_ms;
        status = partitioner->values.len ? pp_buf_append(out, "/", 1, err) : PINPIPE_OK;
        status = status == PINPIPE_OK ? format_walk(out, pp_buf_view(&partitioner->format), local_ms, err)
                                      : status;
    }
    return status;
}

int64_t pp_sink_partitioner_schedule(const pp_sink_partitioner *partitioner, int64_t wall_ms,
                                     int64_t interval_ms) {
    int64_t ahead_ms = pp_time_zone_offset_ms(partitioner->zone, wall_ms);
    int64_t of_day_ms = (wall_ms + ahead_ms) % DAY_MS;
    int64_t next_ms = of_day_ms - of_day_ms % interval_ms + interval_ms;
    return wall_ms - of_day_ms + (next_ms < DAY_MS ? next_ms : DAY_MS);
}
