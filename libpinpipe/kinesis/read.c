/* Turns the bytes of a Kinesis message in JSON 1.1 or CBOR 1.1 into a walk over its parts.
 * Never copies a text or bytes: escapes and base64 are taken out where they stand.
 * Rules: RFC 8259, RFC 8949; base64 of RFC 4648 §4 in JSON. */
#include "kinesis/wire.h"

#if PINPIPE_WITH_KINESIS

#include <math.h>
#include <string.h>

#include "base/buffer.h"
#include "text/base64.h"
#include "text/number.h"

#define CBOR_NULL (PP_CBOR_SIMPLE << 5 | PP_CBOR_SIMPLE_NULL)
#define TIME_MAX_S 253402300800.0 /* the year 10000 */

pinpipe_status pp_kinesis_read_begin(pp_kinesis_reader *reader, pinpipe_buf *in, pinpipe_kinesis_wire wire,
                                     pinpipe_error *err) {
    pinpipe_status status = pp_json_pad(in, err);
    if (status == PINPIPE_OK) {
        *reader = (pp_kinesis_reader){.wire = wire, .text = in->ptr};
        reader->json.at = reader->cbor.at = in->ptr;
        reader->json.end = reader->cbor.end = in->ptr + in->len;
    }
    return status;
}

static bool is_cbor(const pp_kinesis_reader *reader) {
    return reader->wire == PINPIPE_KINESIS_CBOR;
}

static bool fail(pp_kinesis_reader *reader, const char *fault) {
    reader->json.fault = reader->cbor.fault = fault;
    return false;
}

bool pp_kinesis_is_faulty(const pp_kinesis_reader *reader) {
    return is_cbor(reader) ? reader->cbor.fault != NULL : reader->json.fault != NULL;
}

pinpipe_status pp_kinesis_read_fail(const pp_kinesis_reader *reader, const char *operation,
                                    pinpipe_error *err) {
    const char *at = is_cbor(reader) ? reader->cbor.at : reader->json.at;
    const char *fault = is_cbor(reader) ? reader->cbor.fault : reader->json.fault;
    return pp_fail_service(err, PINPIPE_EDATA, "kinesis", 0,
                           "the answer to %s is not Kinesis': byte %lld: %s", operation,
                           (long long)(at - reader->text), fault ? fault : "it goes on");
}

/* Passes a null, which some services write in place of what they have nothing to say of. */
static bool null_pass(pp_kinesis_reader *reader) {
    if (is_cbor(reader)) {
        bool is_there = reader->cbor.at < reader->cbor.end && (unsigned char)*reader->cbor.at == CBOR_NULL;
        reader->cbor.at += is_there;
        return is_there;
    }
    if (!pp_json_byte_pass(&reader->json, 'n')) {
        return false;
    }
    reader->json.at--;
    return pp_json_value_pass(&reader->json, 0);
}

static bool level_open(pp_kinesis_reader *reader, pp_kinesis_level *level, pp_cbor_major major,
                       char bracket) {
    pp_cbor_head head = {0};
    *level = (pp_kinesis_level){0};
    if (null_pass(reader)) {
        level->is_null = true;
        return true;
    }
    if (!is_cbor(reader)) {
        return pp_json_byte_pass(&reader->json, bracket) || fail(reader, "a map or a list is expected");
    }
    if (!pp_cbor_head_read(&reader->cbor, &head)) {
        return false;
    }
    level->left = head.value;
    level->is_indefinite = head.is_indefinite;
    return head.major == major || fail(reader, "a map or a list is expected");
}

bool pp_kinesis_read_map(pp_kinesis_reader *reader, pp_kinesis_level *map) {
    return level_open(reader, map, PP_CBOR_MAP, '{');
}

bool pp_kinesis_read_list(pp_kinesis_reader *reader, pp_kinesis_level *list) {
    return level_open(reader, list, PP_CBOR_ARRAY, '[');
}

static bool cbor_next(pp_kinesis_reader *reader, pp_kinesis_level *level) {
    if (level->is_indefinite) {
        return !pp_cbor_break_pass(&reader->cbor);
    }
    return level->left > 0 && level->left-- > 0;
}

bool pp_kinesis_read_key(pp_kinesis_reader *reader, pp_kinesis_level *map, pinpipe_str *key) {
    pp_cbor_head head = {0};
    if (pp_kinesis_is_faulty(reader) || map->is_null) {
        return false;
    }
    if (!is_cbor(reader)) {
        return pp_json_member_next(&reader->json, key, map->index++);
    }
    return cbor_next(reader, map) && pp_cbor_head_read(&reader->cbor, &head) &&
           pp_cbor_content_read(&reader->cbor, &head, key);
}

bool pp_kinesis_read_item(pp_kinesis_reader *reader, pp_kinesis_level *list) {
    if (pp_kinesis_is_faulty(reader) || list->is_null) {
        return false;
    }
    return is_cbor(reader) ? cbor_next(reader, list) : pp_json_element_next(&reader->json, list->index++);
}

/* The reader's text is the caller's own, so that it may be changed behind the walk's view of it. */
static char *own(pp_kinesis_reader *reader, const char *at) {
    return reader->text + (at - reader->text);
}

bool pp_kinesis_read_text(pp_kinesis_reader *reader, pinpipe_str *text) {
    pp_cbor_head head = {0};
    *text = (pinpipe_str){"", 0};
    if (null_pass(reader)) {
        return true;
    }
    if (is_cbor(reader)) {
        return pp_cbor_head_read(&reader->cbor, &head) && pp_cbor_content_read(&reader->cbor, &head, text);
    }
    if (!pp_json_string_pass(&reader->json, text)) {
        return false;
    }
    if (text->len && memchr(text->ptr, '\\', text->len)) {
        pp_json_unescape(own(reader, text->ptr), &text->len, text->ptr, text->len); /* checked by the walk */
    }
    return true;
}

/* A string of base64 in one pass: blocks of digits become bytes before its end was looked for. */
static bool json_bytes_read(pp_kinesis_reader *reader, pinpipe_str *bytes) {
    pp_json_walk *walk = &reader->json;
    pinpipe_str rest = {"", 0};
    if (!pp_json_byte_pass(walk, '"')) {
        return fail(reader, "a string is expected");
    }
    char *text = own(reader, walk->at);
    size_t digits = pp_base64_blocks_read(text, text, (size_t)(walk->end - walk->at));
    walk->at += digits;
    if (!pp_json_string_rest_pass(walk, &rest)) {
        return false;
    }
    char *rest_text = own(reader, rest.ptr);
    if (rest.len && memchr(rest.ptr, '\\', rest.len)) {
        pp_json_unescape(rest_text, &rest.len, rest.ptr, rest.len); /* checked by the walk */
    }
    *bytes = (pinpipe_str){text, digits / 4 * 3};
    if (rest.len && !pp_base64_read(text + bytes->len, &rest.len, rest_text, rest.len)) {
        return fail(reader, "data that is not base64");
    }
    bytes->len += rest.len;
    return true;
}

bool pp_kinesis_read_bytes(pp_kinesis_reader *reader, pinpipe_str *bytes) {
    const char *at = reader->cbor.at;
    *bytes = (pinpipe_str){"", 0};
    if (!is_cbor(reader)) {
        return null_pass(reader) || json_bytes_read(reader, bytes);
    }
    if (!pp_kinesis_read_text(reader, bytes)) {
        return false;
    }
    /* A text is base64 here, too: kinesis-local writes what it keeps as JSON. */
    bool is_plain = bytes->len == 0 || (unsigned char)*at >> 5 != PP_CBOR_TEXT;
    return is_plain || pp_base64_read(own(reader, bytes->ptr), &bytes->len, bytes->ptr, bytes->len) ||
           fail(reader, "data that is not base64");
}

/* The text of the JSON number that follows. */
static bool number_pass(pp_kinesis_reader *reader, pinpipe_str *text) {
    pp_json_walk *walk = &reader->json;
    while (walk->at < walk->end &&
           (*walk->at == ' ' || *walk->at == '\t' || *walk->at == '\n' || *walk->at == '\r')) {
        walk->at++;
    }
    bool is_integer = false;
    *text = (pinpipe_str){walk->at, pp_number_scan(walk->at, walk->end, &is_integer)};
    walk->at += text->len;
    return text->len > 0 || fail(reader, "a number is expected");
}

bool pp_kinesis_read_int(pp_kinesis_reader *reader, int64_t *value) {
    pp_cbor_head head = {0};
    pinpipe_str text;
    if (null_pass(reader)) {
        return true;
    }
    if (!is_cbor(reader)) {
        return number_pass(reader, &text) &&
               (pp_number_i64(value, text) == PP_NUMBER_OK || fail(reader, "a whole number is expected"));
    }
    if (!pp_cbor_head_read(&reader->cbor, &head)) {
        return false;
    }
    if (head.major > PP_CBOR_NEGATIVE || head.value > INT64_MAX) {
        return fail(reader, "a whole number is expected");
    }
    *value = head.major == PP_CBOR_UINT ? (int64_t)head.value : -1 - (int64_t)head.value;
    return true;
}

bool pp_kinesis_read_flag(pp_kinesis_reader *reader, bool *value) {
    pp_cbor_head head = {0};
    if (!is_cbor(reader)) {
        *value = pp_json_byte_pass(&reader->json, 't') && (reader->json.at--, true);
        return pp_json_value_pass(&reader->json, 0);
    }
    if (!pp_cbor_head_read(&reader->cbor, &head)) {
        return false;
    }
    *value = head.value == PP_CBOR_SIMPLE_TRUE;
    return head.major == PP_CBOR_SIMPLE || fail(reader, "true or false is expected");
}

/* "1604156472.123", as nearly every time stands in JSON; -1 = another form. */
static int64_t plain_time_us(pinpipe_str text) {
    int64_t us = 0;
    size_t at = 0, digits = 0;
    for (; at < text.len && at < 11 && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++) {
        us = us * 10 + (text.ptr[at] - '0');
    }
    at += at < text.len && text.ptr[at] == '.';
    for (; at < text.len && digits < 6 && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++, digits++) {
        us = us * 10 + (text.ptr[at] - '0');
    }
    for (; digits < 6; digits++) {
        us *= 10;
    }
    return at == text.len ? us : -1;
}

bool pp_kinesis_read_time(pp_kinesis_reader *reader, int64_t *time_us) {
    pp_cbor_head head = {0};
    pinpipe_str text = {"", 0};
    double seconds = 0;
    *time_us = -1;
    if (null_pass(reader)) {
        return true;
    }
    if (is_cbor(reader)) {
        if (!pp_cbor_head_read(&reader->cbor, &head)) {
            return false;
        }
        if (!pp_cbor_number(&seconds, &head)) {
            return fail(reader, "a time is expected");
        }
        seconds /= 1000;
    } else if (!number_pass(reader, &text)) {
        return false;
    } else if ((*time_us = plain_time_us(text)) >= 0) {
        return true;
    } else if (pp_number_f64(&seconds, text) != PP_NUMBER_OK) {
        return fail(reader, "a time is expected");
    }
    if (!(seconds >= 0 && seconds < TIME_MAX_S)) {
        return fail(reader, "a time beyond the year 9999 or before 1970");
    }
    *time_us = (int64_t)llround(seconds * 1000) * 1000; /* the service counts milliseconds */
    return true;
}

bool pp_kinesis_read_pass(pp_kinesis_reader *reader) {
    return is_cbor(reader) ? pp_cbor_item_pass(&reader->cbor, 0) : pp_json_value_pass(&reader->json, 0);
}

#endif
