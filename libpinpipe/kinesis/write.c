/* Turns the parts of a Kinesis message into its bytes in JSON 1.1 or CBOR 1.1.
 * Never writes a part twice: base64 and text go where they are sent from.
 * Rules: RFC 8259, RFC 8949 (lengths told, shortest heads); base64 of RFC 4648 §4 in JSON. */
#include "kinesis/wire.h"

#if PINPIPE_WITH_KINESIS

#include <string.h>

#include "base/buffer.h"
#include "text/base64.h"
#include "text/number.h"

/* Room for `size` more bytes; NULL once the message has failed. */
static char *room(pp_kinesis_writer *writer, size_t size) {
    if (writer->status == PINPIPE_OK) {
        writer->status = pp_buf_reserve(writer->out, size, PP_KINESIS_MESSAGE_MAX, writer->err);
    }
    return writer->status == PINPIPE_OK ? writer->out->ptr + writer->out->len : NULL;
}

static void taken(pp_kinesis_writer *writer, size_t size) {
    writer->out->len += size;
}

static bool is_cbor(const pp_kinesis_writer *writer) {
    return writer->wire == PINPIPE_KINESIS_CBOR;
}

static void head(pp_kinesis_writer *writer, pp_cbor_major major, uint64_t value) {
    char *to = room(writer, PP_CBOR_HEAD_MAX);
    if (to) {
        taken(writer, pp_cbor_head_write(to, major, value));
    }
}

static void byte(pp_kinesis_writer *writer, char value) {
    char *to = room(writer, 1);
    if (to) {
        *to = value;
        taken(writer, 1);
    }
}

/* The comma before a value of a list or a key of a map. */
static void part_begin(pp_kinesis_writer *writer) {
    if (!is_cbor(writer) && !writer->is_first) {
        byte(writer, ',');
    }
    writer->is_first = false;
}

static void opened(pp_kinesis_writer *writer, pp_cbor_major major, char bracket, int64_t count) {
    part_begin(writer);
    if (is_cbor(writer)) {
        head(writer, major, (uint64_t)count);
    } else {
        byte(writer, bracket);
    }
    writer->is_first = true;
}

static void closed(pp_kinesis_writer *writer, char bracket) {
    if (!is_cbor(writer)) {
        byte(writer, bracket);
    }
    writer->is_first = false;
}

void pp_kinesis_write_begin(pp_kinesis_writer *writer, pinpipe_buf *out, pinpipe_kinesis_wire wire,
                            int64_t count, pinpipe_error *err) {
    *writer = (pp_kinesis_writer){.out = out, .wire = wire, .is_first = true, .err = err};
    pp_buf_clear(out);
    opened(writer, PP_CBOR_MAP, '{', count);
}

void pp_kinesis_write_map(pp_kinesis_writer *writer, int64_t count) {
    opened(writer, PP_CBOR_MAP, '{', count);
}

void pp_kinesis_write_map_end(pp_kinesis_writer *writer) {
    closed(writer, '}');
}

void pp_kinesis_write_list(pp_kinesis_writer *writer, int64_t count) {
    opened(writer, PP_CBOR_ARRAY, '[', count);
}

void pp_kinesis_write_list_end(pp_kinesis_writer *writer) {
    closed(writer, ']');
}

void pp_kinesis_write_key(pp_kinesis_writer *writer, const char *key) {
    size_t len = strlen(key);
    part_begin(writer);
    if (is_cbor(writer)) {
        head(writer, PP_CBOR_TEXT, len);
    }
    char *to = room(writer, len + 3);
    if (to && is_cbor(writer)) {
        memcpy(to, key, len);
        taken(writer, len);
    } else if (to) {
        to[0] = '"';
        memcpy(to + 1, key, len);
        to[len + 1] = '"';
        to[len + 2] = ':';
        taken(writer, len + 3);
    }
    writer->is_first = true; /* no comma before the value */
}

void pp_kinesis_write_text(pp_kinesis_writer *writer, pinpipe_str text) {
    part_begin(writer);
    if (is_cbor(writer)) {
        head(writer, PP_CBOR_TEXT, text.len);
        char *to = room(writer, text.len);
        if (to) {
            pp_str_copy(to, text);
            taken(writer, text.len);
        }
        return;
    }
    char *to = room(writer, PP_JSON_ESCAPED_MAX(text.len) + 2);
    if (to) {
        size_t len = pp_json_escape(to + 1, text.ptr, text.len);
        to[0] = to[len + 1] = '"';
        taken(writer, len + 2);
    }
}

void pp_kinesis_write_value(pp_kinesis_writer *writer, pinpipe_str json) {
    part_begin(writer);
    char *to = room(writer, json.len);
    if (to) {
        pp_str_copy(to, json);
        taken(writer, json.len);
    }
}

void pp_kinesis_write_bytes(pp_kinesis_writer *writer, pinpipe_str bytes) {
    part_begin(writer);
    if (is_cbor(writer)) {
        head(writer, PP_CBOR_BYTES, bytes.len);
        char *to = room(writer, bytes.len);
        if (to) {
            pp_str_copy(to, bytes);
            taken(writer, bytes.len);
        }
        return;
    }
    size_t len = PP_BASE64_LEN(bytes.len);
    char *to = room(writer, len + 2);
    if (to) {
        to[0] = to[len + 1] = '"';
        pp_base64_write(to + 1, bytes.ptr, bytes.len);
        taken(writer, len + 2);
    }
}

void pp_kinesis_write_int(pp_kinesis_writer *writer, int64_t value) {
    part_begin(writer);
    if (is_cbor(writer)) {
        head(writer, value < 0 ? PP_CBOR_NEGATIVE : PP_CBOR_UINT,
             value < 0 ? (uint64_t)(-1 - value) : (uint64_t)value);
        return;
    }
    char *to = room(writer, PP_I64_TEXT_MAX);
    if (to) {
        taken(writer, pp_number_write_i64(to, value));
    }
}

/* Seconds with their fraction in JSON, whole milliseconds under tag 1 in CBOR. */
void pp_kinesis_write_time(pp_kinesis_writer *writer, int64_t time_ms) {
    if (is_cbor(writer)) {
        head(writer, PP_CBOR_TAG, 1);
        pp_kinesis_write_int(writer, time_ms);
        return;
    }
    pp_kinesis_write_int(writer, time_ms / 1000);
    int64_t fraction = time_ms % 1000;
    char *to = room(writer, 4);
    if (to) {
        to[0] = '.';
        to[1] = (char)('0' + fraction / 100);
        pp_number_put2(to + 2, (uint32_t)(fraction % 100));
        taken(writer, 4);
    }
}

#endif
