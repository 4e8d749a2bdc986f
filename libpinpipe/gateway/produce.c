/* Turns the body of a produce request into records of a batch.
 * Never takes a part of a request: all of its records, or none.
 * Rules: Confluent REST Proxy API Reference, "API v2"; reference/kafka.md §3.1; of a key that comes twice the
 * last counts. */
#include "gateway/produce.h"

#if PINPIPE_WITH_GATEWAY

#include <string.h>

#include "base/buffer.h"
#include "gateway/answer.h"
#include "gateway/batch.h"
#include "text/base64.h"
#include "text/json_string.h"
#include "text/json_value.h"
#include "text/number.h"

/* Members of an envelope stand that deep. */
#define BODY_DEPTH 1
#define RECORD_DEPTH 3
#define FIELD_QUOTE_BYTES 80

/* One request on its way into a batch. */
typedef struct reading {
    pinpipe_gateway *gateway;
    pp_gateway_request *request;
    const pp_gateway_topic *topic;
    pp_gateway_batch *batch;
    pp_json_walk walk;
    pp_gateway_mark mark; /* where its records begin */
    bool has_records;
} reading;

/* A key or a value. */
typedef struct part {
    pinpipe_str text; /* as it lies in the body; ptr NULL = null */
    pp_gateway_format format;
    int64_t written; /* bytes that the walk has left behind the column's; -1 = it has not */
} part;

typedef struct record_parts {
    part key, value;
    int64_t partition; /* -1 = none */
} record_parts;

static bool refuse(reading *in, pp_gateway_error error, const char *says) {
    pp_gateway_refuse(in->request, error, says);
    return false;
}

static bool refuse_syntax(reading *in, const char *fault) {
    pp_gateway_refuse_for(in->request, PP_GATEWAY_ERROR_BAD_BODY, "the body is not JSON: byte %lld: %s",
                          (long long)(in->walk.at - in->request->body.ptr),
                          fault            ? fault
                          : in->walk.fault ? in->walk.fault
                                           : "it ends early");
    return false;
}

static bool refuse_field(reading *in, pinpipe_str key) {
    int len = key.len < FIELD_QUOTE_BYTES ? (int)key.len : FIELD_QUOTE_BYTES;
    pp_gateway_refuse_for(in->request, PP_GATEWAY_ERROR_BAD_FIELD, "Unrecognized field: %.*s", len, key.ptr);
    return false;
}

/* The extent of the value that follows. */
static bool extent_take(pinpipe_str *out, reading *in, int32_t depth) {
    if (pp_json_walk_ended(&in->walk)) { /* it passes blanks */
        return refuse_syntax(in, NULL);
    }
    const char *from = in->walk.at;
    if (!pp_json_value_pass(&in->walk, depth)) {
        return refuse_syntax(in, NULL);
    }
    *out = (pinpipe_str){from, (size_t)(in->walk.at - from)};
    if (pp_str_is(*out, "null")) {
        *out = (pinpipe_str){NULL, 0};
    }
    return true;
}

/* A key or value that is JSON is written on the way. */
static bool part_take(part *out, reading *in, const pp_gateway_column *column, int32_t depth) {
    char *to = column->data.ptr + column->data.len;
    in->walk.out = out->format == PP_GATEWAY_JSON ? to : NULL;
    bool is_taken = extent_take(&out->text, in, depth);
    out->written = in->walk.out ? in->walk.out - to : -1;
    in->walk.out = NULL;
    return is_taken;
}

static part part_of(pp_gateway_format format) {
    return (part){{NULL, 0}, format, -1};
}

/* Room for one more record, and for all that is left of the body in either column. */
static bool room_make(reading *in) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    const char *end = in->request->body.ptr + in->request->body.len;
    return pp_gateway_batch_reserve(in->batch, (size_t)(end - in->walk.at), &cause) == PINPIPE_OK ||
           refuse(in, PP_GATEWAY_ERROR_BUSY, cause.message);
}

static bool partition_take(int64_t *out, reading *in) {
    pinpipe_str text = {NULL, 0};
    if (!extent_take(&text, in, RECORD_DEPTH)) {
        return false;
    }
    *out = -1;
    if (text.ptr && (pp_number_i64(out, text) != PP_NUMBER_OK || *text.ptr == '"' || *out < 0)) {
        return refuse(in, PP_GATEWAY_ERROR_NO_RECORDS, "partition must be greater than or equal to 0");
    }
    return *out < in->topic->partition_count || refuse(in, PP_GATEWAY_ERROR_NO_PARTITION, NULL);
}

static bool parts_take(record_parts *out, reading *in) {
    pinpipe_str key;
    pp_gateway_format format = in->request->route.format;
    *out = (record_parts){part_of(format), part_of(format), in->request->route.partition};
    if (!pp_json_byte_pass(&in->walk, '{')) {
        return refuse(in, PP_GATEWAY_ERROR_BAD_BODY,
                      "a record is an object with \"value\" and, if any, \"key\"");
    }
    for (int64_t i = 0; pp_json_member_next(&in->walk, &key, i); i++) {
        bool is_taken = false;
        if (pp_str_is(key, "value")) {
            is_taken = part_take(&out->value, in, &in->batch->values, RECORD_DEPTH);
        } else if (pp_str_is(key, "key")) {
            is_taken = part_take(&out->key, in, &in->batch->keys, RECORD_DEPTH);
        } else if (pp_str_is(key, "partition") && in->request->route.partition < 0) {
            is_taken = partition_take(&out->partition, in);
        } else {
            return refuse_field(in, key);
        }
        if (!is_taken) {
            return false;
        }
    }
    return !in->walk.fault || refuse_syntax(in, NULL);
}

/* Writes one part behind a column's bytes; its length, -1 for null, -2 where it is refused. */
static int64_t part_put(reading *in, pp_gateway_column *column, const part *from) {
    if (!from->text.ptr) {
        return -1;
    }
    if (from->written >= 0) {
        return from->written;
    }
    pinpipe_str text = from->text;
    char *to = column->data.ptr + column->data.len;
    size_t len = 0;
    if (from->format == PP_GATEWAY_TEXT && *text.ptr == '"' &&
        pp_json_unescape(to, &len, text.ptr + 1, text.len - 2) == PP_JSON_STRING_OK) {
        return (int64_t)len;
    }
    if (from->format == PP_GATEWAY_TEXT) {
        refuse(in, PP_GATEWAY_ERROR_BAD_BODY, "the data of a STRING is no string");
        return -2;
    }
    len = pp_json_compact(to, text); /* base64 may have its '/' escaped */
    if (from->format != PP_GATEWAY_BINARY) {
        return (int64_t)len;
    }
    bool is_text = len >= 2 && to[0] == '"';
    if (!is_text || !pp_base64_read(to, &len, to + 1, len - 2)) {
        refuse(in, PP_GATEWAY_ERROR_BAD_BODY, "a key or value is not base64 in a string");
        return -2;
    }
    return (int64_t)len;
}

static bool record_put(reading *in, const record_parts *parts) {
    int64_t key_len = part_put(in, &in->batch->keys, &parts->key);
    int64_t value_len = key_len > -2 ? part_put(in, &in->batch->values, &parts->value) : -2;
    if (value_len < -1) {
        return false;
    }
    pp_gateway_batch_add(in->batch, key_len, value_len, (int32_t)parts->partition);
    return true;
}

static bool records_take(reading *in) {
    pp_gateway_batch_cut(in->batch, &in->mark);
    in->has_records = true;
    if (!pp_json_byte_pass(&in->walk, '[')) {
        pinpipe_str other;
        return extent_take(&other, in, BODY_DEPTH) &&
               (!other.ptr || refuse(in, PP_GATEWAY_ERROR_BAD_BODY, "\"records\" is a list"));
    }
    for (int64_t i = 0; pp_json_element_next(&in->walk, i); i++) {
        record_parts parts;
        if (!room_make(in) || !parts_take(&parts, in) || !record_put(in, &parts)) {
            return false;
        }
    }
    return !in->walk.fault || refuse_syntax(in, NULL);
}

/* Schemas go with formats that are refused; with these they say nothing. */
static bool is_schema(pinpipe_str key) {
    return pp_str_is(key, "key_schema") || pp_str_is(key, "value_schema") ||
           pp_str_is(key, "key_schema_id") || pp_str_is(key, "value_schema_id");
}

static bool body_take(reading *in) {
    pinpipe_str key, ignored;
    if (!pp_json_byte_pass(&in->walk, '{')) {
        return extent_take(&ignored, in, 0) &&
               refuse(in, PP_GATEWAY_ERROR_BAD_BODY, "the body is no object with \"records\"");
    }
    for (int64_t i = 0; pp_json_member_next(&in->walk, &key, i); i++) {
        bool is_taken = false;
        if (pp_str_is(key, "records")) {
            is_taken = records_take(in);
        } else if (is_schema(key)) {
            is_taken = extent_take(&ignored, in, BODY_DEPTH);
        } else {
            return refuse_field(in, key);
        }
        if (!is_taken) {
            return false;
        }
    }
    if (in->walk.fault || !pp_json_walk_ended(&in->walk)) {
        return refuse_syntax(in, in->walk.fault ? NULL : "more follows the object");
    }
    return in->batch->count > in->mark.count || refuse(in, PP_GATEWAY_ERROR_NO_RECORDS, NULL);
}

/* A value a line; empty lines are passed over. */
static bool lines_take(reading *in) {
    const char *end = in->walk.end;
    for (const char *line = in->walk.at; line < end; line = in->walk.end + 1) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        record_parts parts = {part_of(PP_GATEWAY_JSON), part_of(PP_GATEWAY_JSON),
                              in->request->route.partition};
        in->walk.at = line;
        in->walk.end = newline ? newline : end;
        if (pp_json_walk_ended(&in->walk)) {
            continue;
        }
        if (!room_make(in) || !part_take(&parts.value, in, &in->batch->values, 0)) {
            return false;
        }
        if (!pp_json_walk_ended(&in->walk)) {
            return refuse_syntax(in, "more follows the line's value");
        }
        if (!record_put(in, &parts)) {
            return false;
        }
    }
    return in->batch->count > in->mark.count || refuse(in, PP_GATEWAY_ERROR_NO_RECORDS, NULL);
}

/* ---- API v3 ---- */

/* {"type":…,"data":…} of a key or a value. */
static bool data_take(part *out, reading *in) {
    pinpipe_str key = {NULL, 0}, text = {NULL, 0}, kind = {NULL, 0};
    if (pp_json_walk_ended(&in->walk) || *in->walk.at != '{') {
        return extent_take(&out->text, in, BODY_DEPTH) &&
               (!out->text.ptr ||
                refuse(in, PP_GATEWAY_ERROR_BAD_BODY, "a key or value is an object with type and data"));
    }
    pp_json_byte_pass(&in->walk, '{');
    for (int64_t i = 0; pp_json_member_next(&in->walk, &key, i); i++) {
        bool is_data = pp_str_is(key, "data"), is_kind = pp_str_is(key, "type");
        if (!is_data && !is_kind) {
            return refuse_field(in, key);
        }
        if (!extent_take(&text, in, BODY_DEPTH + 1)) {
            return false;
        }
        out->text = is_data ? text : out->text;
        kind = is_kind ? text : kind;
    }
    out->format = pp_str_is(kind, "\"JSON\"")     ? PP_GATEWAY_JSON
                  : pp_str_is(kind, "\"BINARY\"") ? PP_GATEWAY_BINARY
                  : pp_str_is(kind, "\"STRING\"") ? PP_GATEWAY_TEXT
                                                  : PP_GATEWAY_OTHER_FORMAT;
    if (in->walk.fault) {
        return refuse_syntax(in, NULL);
    }
    return out->format != PP_GATEWAY_OTHER_FORMAT ||
           refuse(in, PP_GATEWAY_ERROR_BAD_FIELD,
                  "type is JSON, BINARY or STRING: there is no schema registry");
}

static bool stream_record_take(record_parts *out, reading *in) {
    pinpipe_str key = {NULL, 0}, text = {NULL, 0};
    *out = (record_parts){part_of(PP_GATEWAY_JSON), part_of(PP_GATEWAY_JSON), -1};
    if (!pp_json_byte_pass(&in->walk, '{')) {
        return refuse(in, PP_GATEWAY_ERROR_BAD_BODY,
                      "the body is records one behind the other, each an object");
    }
    for (int64_t i = 0; pp_json_member_next(&in->walk, &key, i); i++) {
        bool is_taken = false;
        if (pp_str_is(key, "value")) {
            is_taken = data_take(&out->value, in);
        } else if (pp_str_is(key, "key")) {
            is_taken = data_take(&out->key, in);
        } else if (pp_str_is(key, "partition_id")) {
            is_taken = partition_take(&out->partition, in);
        } else if (pp_str_is(key, "headers") || pp_str_is(key, "timestamp")) {
            is_taken = extent_take(&text, in, BODY_DEPTH) &&
                       (!text.ptr || pp_str_is(text, "[]") ||
                        refuse(in, PP_GATEWAY_ERROR_BAD_FIELD, "headers and timestamps are not taken"));
        } else {
            return refuse_field(in, key);
        }
        if (!is_taken) {
            return false;
        }
    }
    return !in->walk.fault || refuse_syntax(in, NULL);
}

static bool stream_take(reading *in) {
    pinpipe_buf *kinds = &in->request->kinds;
    while (!pp_json_walk_ended(&in->walk)) {
        record_parts parts;
        if (!room_make(in) || !stream_record_take(&parts, in) || !record_put(in, &parts)) {
            return false;
        }
        const char both[] = {(char)parts.key.format, (char)parts.value.format};
        if (pp_buf_append(kinds, both, sizeof both, NULL) < 0) {
            return refuse(in, PP_GATEWAY_ERROR_BUSY, "there is no memory for the records");
        }
    }
    return in->batch->count > in->mark.count || refuse(in, PP_GATEWAY_ERROR_NO_RECORDS, NULL);
}

static bool is_room(reading *in) {
    const int64_t *counters = in->gateway->counters;
    int64_t waiting =
        counters[PINPIPE_GATEWAY_RECORDS] - counters[PINPIPE_GATEWAY_STORED] - counters[PINPIPE_GATEWAY_LOST];
    int64_t count = in->batch->count - in->mark.count;
    if (waiting + count <= in->gateway->options.records_max) {
        return true;
    }
    pp_gateway_refuse_for(in->request, PP_GATEWAY_ERROR_BUSY,
                          "%lld records wait for Kafka, with these %lld they would be more than %lld",
                          (long long)waiting, (long long)count, (long long)in->gateway->options.records_max);
    return false;
}

void pp_gateway_produce(pinpipe_gateway *gateway, pp_gateway_connection *connection,
                        pp_gateway_topic *topic) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pp_gateway_request *request = &connection->request;
    reading in = {.gateway = gateway, .request = request, .topic = topic};
    if (request->route.partition >= topic->partition_count) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_NO_PARTITION, NULL);
        return;
    }
    if (pp_json_pad(&request->body, &cause) < 0 ||
        pp_gateway_batch_of(&in.batch, gateway, topic, &cause) < 0) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_BUSY, cause.message);
        return;
    }
    in.mark = pp_gateway_batch_mark(in.batch);
    in.walk = (pp_json_walk){.at = request->body.ptr, .end = request->body.ptr + request->body.len};
    bool is_taken = request->route.format == PP_GATEWAY_LINES    ? lines_take(&in)
                    : request->route.format == PP_GATEWAY_STREAM ? stream_take(&in)
                                                                 : body_take(&in);
    if (!is_taken || !is_room(&in)) {
        pp_gateway_batch_cut(in.batch, &in.mark);
        return;
    }
    pp_gateway_batch_join(in.batch, connection, in.mark.count);
    gateway->counters[PINPIPE_GATEWAY_RECORDS] += request->count;
}

#endif
