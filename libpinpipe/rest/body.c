/* Turns records into the body of one request: each is copied once and checked where it lies.
 * Never changes a value: blanks and escapes stay as they came.
 * Rules: Confluent REST Proxy API Reference, "API v2"; RFC 8259. */
#include "rest/body.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "text/json_value.h"

#define HEAD "{\"records\":["
#define TAIL "]}"
/* {"key":,"partition":2147483647,"value":} and a comma */
#define FRAME_BYTES 48

static char *put(char *to, const char *text, size_t len) {
    memcpy(to, text, len);
    return to + len;
}

/* Copies a value to the text's end and looks whether it is one. */
static pinpipe_status value_put(char **to, pinpipe_str value, const char *what, pinpipe_error *err) {
    static const pinpipe_str null = {"null", 4};
    value = value.ptr ? value : null;
    char *from = *to;
    *to = put(from, value.ptr, value.len);
    **to = '\0';
    return pp_json_value_check((pinpipe_str){from, value.len}, what, err);
}

static pinpipe_status parts_grow(pp_rest_body *body, pinpipe_error *err) {
    if (body->count < body->cap) {
        return PINPIPE_OK;
    }
    int64_t cap = body->cap ? 2 * body->cap : 16;
    pp_rest_part *parts = pp_realloc(body->parts, (size_t)cap * sizeof *parts);
    if (!parts) {
        return pp_fail_memory(err, "a request's records", (size_t)cap * sizeof *parts);
    }
    body->parts = parts;
    body->cap = cap;
    return PINPIPE_OK;
}

pinpipe_status pp_rest_body_add(pp_rest_body *body, const pinpipe_kafka_rest_record *record,
                                int64_t max_bytes, pinpipe_error *err) {
    size_t own = record->value.len + record->key.len, max = (size_t)max_bytes;
    size_t frame = sizeof HEAD - 1 + sizeof TAIL - 1 + FRAME_BYTES;
    assert(!body->is_whole);
    if (own > max || own + frame > max) {
        return pp_fail(err, PINPIPE_ELIMIT,
                       "the record has %zu bytes, and a request takes %zu with its frame", own, max);
    }
    if (body->text.len + own + FRAME_BYTES + sizeof TAIL > max && body->count) {
        return PINPIPE_AGAIN;
    }
    pinpipe_status status = parts_grow(body, err);
    if (status == PINPIPE_OK) {
        status = pp_buf_reserve(&body->text, own + frame + PP_JSON_PADDING, PP_BUF_MAX, err);
    }
    if (status < 0) {
        return status;
    }
    if (!body->count) {
        body->text.len = sizeof HEAD - 1;
        memcpy(body->text.ptr, HEAD, sizeof HEAD - 1);
    }
    char *to = body->text.ptr + body->text.len;
    if (body->count) {
        *to++ = ',';
    }
    char *from = to;
    *to++ = '{';
    if (record->key.ptr) {
        to = put(to, "\"key\":", 6);
        status = value_put(&to, record->key, "key", err);
        *to++ = ',';
    }
    if (status == PINPIPE_OK && record->partition > 0) {
        to += snprintf(to, FRAME_BYTES / 2, "\"partition\":%d,", record->partition - 1);
    }
    if (status == PINPIPE_OK) {
        to = put(to, "\"value\":", 8);
        status = value_put(&to, record->value, "value", err);
        *to++ = '}';
    }
    if (status == PINPIPE_OK) {
        body->parts[body->count++] =
            (pp_rest_part){.at = (uint32_t)(from - body->text.ptr),
                           .len = (uint32_t)(to - from),
                           .is_kept = record->keep == PINPIPE_KAFKA_REST_KEEP_RESULT};
        body->text.len = (size_t)(to - body->text.ptr);
    }
    return status;
}

void pp_rest_body_end(pp_rest_body *body) {
    assert(body->count && !body->is_whole);
    memcpy(body->text.ptr + body->text.len, TAIL, sizeof TAIL); /* there is room: PP_JSON_PADDING */
    body->text.len += sizeof TAIL - 1;
    body->is_whole = true;
}

void pp_rest_body_again(pp_rest_body *body) {
    int64_t kept = 0;
    char *to = body->text.ptr + sizeof HEAD - 1;
    for (int64_t i = 0; i < body->count; i++) {
        pp_rest_part part = body->parts[i];
        if (!part.is_again) {
            continue;
        }
        if (kept) {
            *to++ = ',';
        }
        memmove(to, body->text.ptr + part.at, part.len);
        part.at = (uint32_t)(to - body->text.ptr);
        part.is_again = false;
        to += part.len;
        body->parts[kept++] = part;
    }
    body->count = kept;
    body->text.len = (size_t)(to - body->text.ptr);
    body->is_whole = false;
    pp_rest_body_end(body);
}

void pp_rest_body_clear(pp_rest_body *body) {
    pp_buf_clear(&body->text);
    body->count = 0;
    body->is_whole = false;
}

void pp_rest_body_reset(pp_rest_body *body) {
    pinpipe_buf_reset(&body->text);
    pp_free(body->parts);
    *body = (pp_rest_body){.parts = NULL};
}
