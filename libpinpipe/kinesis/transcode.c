/* Turns a request that was written in CBOR 1.1 into the same in JSON 1.1, for services that do not know CBOR.
 * Never reads what others wrote: a message is this library's own.
 * Rules: docs/kinesis.md, "Wire"; RFC 8949, RFC 8259. */
#include "kinesis/wire.h"

#if PINPIPE_WITH_KINESIS

#include <string.h>

#include "base/buffer.h"

#define KEY_BYTES 64
#define DEPTH_MAX 8

static bool value_write(pp_kinesis_writer *writer, pp_cbor_walk *walk, const pp_cbor_head *head,
                        int32_t depth);

/* Times are the only tagged values; their tag is passed with the head. */
static bool member_write(pp_kinesis_writer *writer, pp_cbor_walk *walk, int32_t depth) {
    char name[KEY_BYTES] = "";
    pp_cbor_head head = {0};
    pinpipe_str key = {"", 0};
    if (!pp_cbor_head_read(walk, &head) || !pp_cbor_content_read(walk, &head, &key) ||
        key.len >= sizeof name || !pp_cbor_head_read(walk, &head)) {
        return false;
    }
    pp_str_copy(name, key);
    pp_kinesis_write_key(writer, name);
    if (strcmp(name, "Timestamp") == 0 && head.major == PP_CBOR_UINT) {
        pp_kinesis_write_time(writer, (int64_t)head.value);
        return true;
    }
    return value_write(writer, walk, &head, depth);
}

static bool parts_write(pp_kinesis_writer *writer, pp_cbor_walk *walk, const pp_cbor_head *head,
                        int32_t depth) {
    bool is_right = depth < DEPTH_MAX && !head->is_indefinite;
    for (uint64_t i = 0; is_right && i < head->value; i++) {
        pp_cbor_head item = {0};
        is_right = head->major == PP_CBOR_MAP
                       ? member_write(writer, walk, depth + 1)
                       : pp_cbor_head_read(walk, &item) && value_write(writer, walk, &item, depth + 1);
    }
    return is_right;
}

static bool value_write(pp_kinesis_writer *writer, pp_cbor_walk *walk, const pp_cbor_head *head,
                        int32_t depth) {
    pinpipe_str content = {"", 0};
    bool is_right = true;
    switch (head->major) {
    case PP_CBOR_UINT:
        pp_kinesis_write_int(writer, (int64_t)head->value);
        return true;
    case PP_CBOR_NEGATIVE:
        pp_kinesis_write_int(writer, -1 - (int64_t)head->value);
        return true;
    case PP_CBOR_BYTES:
        is_right = pp_cbor_content_read(walk, head, &content);
        pp_kinesis_write_bytes(writer, content);
        return is_right;
    case PP_CBOR_TEXT:
        is_right = pp_cbor_content_read(walk, head, &content);
        pp_kinesis_write_text(writer, content);
        return is_right;
    case PP_CBOR_ARRAY:
        pp_kinesis_write_list(writer, 0);
        is_right = parts_write(writer, walk, head, depth);
        pp_kinesis_write_list_end(writer);
        return is_right;
    case PP_CBOR_MAP:
        pp_kinesis_write_map(writer, 0);
        is_right = parts_write(writer, walk, head, depth);
        pp_kinesis_write_map_end(writer);
        return is_right;
    default:
        return false; /* the writer has no other */
    }
}

pinpipe_status pp_kinesis_transcode(pinpipe_buf *message, pinpipe_error *err) {
    pinpipe_buf out = PINPIPE_BUF_INIT;
    pp_kinesis_writer writer;
    pp_cbor_walk walk = {message->ptr, message->ptr + message->len, NULL};
    pp_cbor_head head = {0};
    pp_kinesis_write_begin(&writer, &out, PINPIPE_KINESIS_JSON, 0, err);
    bool is_right = pp_cbor_head_read(&walk, &head) && head.major == PP_CBOR_MAP &&
                    parts_write(&writer, &walk, &head, 0) && walk.at == walk.end;
    pp_kinesis_write_map_end(&writer);
    pinpipe_status status = writer.status;
    if (status == PINPIPE_OK && !is_right) {
        status = pp_fail(err, PINPIPE_EDATA, "the message is not this library's: byte %lld",
                         (long long)(walk.at - message->ptr));
    }
    if (status == PINPIPE_OK) {
        pinpipe_buf former = *message;
        *message = out;
        out = former;
    }
    pinpipe_buf_reset(&out);
    return status;
}

#endif
