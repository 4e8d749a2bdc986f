/* Turns the records of one partition into one open file: its lines, its rejects, its offsets.
 * Never changes a byte of a value.
 * Rules: docs/sink.md, "Objects". */
#include "pipeline/sink_file.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "text/base64.h"

#define REJECT_FRAME_BYTES 160
#define GROWTH_MIN_BYTES 256 /* base/buffer.c */

pinpipe_status pp_sink_file_init(pp_sink_file *file, pinpipe_str topic, int32_t partition, int64_t offset,
                                 pinpipe_error *err) {
    *file = (pp_sink_file){0};
    file->topic = pp_strndup(topic.ptr, topic.len);
    if (!file->topic) {
        return pp_fail_memory(err, "a topic's name", topic.len);
    }
    file->partition = partition;
    file->read_offset = offset;
    file->stored_offset = -1;
    file->committed_offset = -1;
    file->due = PP_SINK_NOT_DUE;
    return PINPIPE_OK;
}

void pp_sink_file_reset(pp_sink_file *file) {
    pp_free(file->topic);
    pinpipe_buf_reset(&file->lines);
    pinpipe_buf_reset(&file->rejects);
    *file = (pp_sink_file){0};
}

void pp_sink_file_stored(pp_sink_file *file) {
    /* Many quiet partitions would otherwise keep the memory of their busiest moment. */
    pinpipe_buf_reset(&file->lines);
    pinpipe_buf_reset(&file->rejects);
    file->line_count = 0;
    file->reject_count = 0;
    file->null_count = 0;
    file->stored_offset = file->read_offset;
    file->attempts = 0;
    file->retry_ms = 0;
    file->failing_ms = 0;
    file->due = PP_SINK_NOT_DUE;
}

static const char *reject_reason(pinpipe_str value) {
    if (value.len == 0) {
        return "empty value";
    }
    return memchr(value.ptr, '\n', value.len) ? "newline in value" : NULL;
}

/* Bytes that the message adds to lines or rejects, without the final NUL. */
static size_t message_bytes(const pinpipe_kafka_message *message) {
    if (!message->value.ptr) {
        return 0;
    }
    if (!reject_reason(message->value)) {
        return message->value.len + 1;
    }
    return PP_BASE64_LEN(message->value.len) + PP_BASE64_LEN(message->key.len) + REJECT_FRAME_BYTES;
}

int64_t pp_sink_file_growth(const pp_sink_file *file, const pinpipe_kafka_message *message) {
    bool rejected = message->value.ptr && reject_reason(message->value);
    const pinpipe_buf *buf = rejected ? &file->rejects : &file->lines;
    size_t needed = buf->len + message_bytes(message) + 1;
    size_t grown = buf->cap + buf->cap / 2;
    if (!message->value.ptr || needed <= buf->cap) {
        return 0;
    }
    grown = grown < GROWTH_MIN_BYTES ? GROWTH_MIN_BYTES : grown;
    return (int64_t)((grown < needed ? needed : grown) - buf->cap);
}

static pinpipe_status line_append(pp_sink_file *file, const pinpipe_kafka_message *message,
                                  pinpipe_error *err) {
    pinpipe_status status = pp_buf_reserve(&file->lines, message->value.len + 1, PP_BUF_MAX, err);
    if (status < 0) {
        return status;
    }
    char *end = file->lines.ptr + file->lines.len;
    memcpy(end, message->value.ptr, message->value.len);
    end[message->value.len] = '\n';
    end[message->value.len + 1] = '\0';
    file->lines.len += message->value.len + 1;
    if (file->line_count++ == 0) {
        file->lines_offset = message->offset;
    }
    return PINPIPE_OK;
}

/* Room has been made for the whole reject before. */
static void text_add(pinpipe_buf *buf, const char *text) {
    size_t len = strlen(text);
    memcpy(buf->ptr + buf->len, text, len + 1);
    buf->len += len;
}

static void base64_add(pinpipe_buf *buf, pinpipe_str bytes) {
    text_add(buf, "\"");
    pp_base64_write(buf->ptr + buf->len, bytes.ptr, bytes.len);
    buf->len += PP_BASE64_LEN(bytes.len);
    text_add(buf, "\"");
}

static pinpipe_status reject_append(pp_sink_file *file, const pinpipe_kafka_message *message,
                                    const char *reason, pinpipe_error *err) {
    char frame[REJECT_FRAME_BYTES] = "";
    pinpipe_buf *out = &file->rejects;
    pinpipe_status status = pp_buf_reserve(out, message_bytes(message), PP_BUF_MAX, err);
    if (status < 0) {
        return status;
    }
    snprintf(frame, sizeof frame, "{\"offset\":%lld,\"timestamp_ms\":%lld,\"reason\":\"%s\",\"key_b64\":",
             (long long)message->offset, (long long)message->timestamp_ms, reason);
    text_add(out, frame);
    if (message->key.ptr) {
        base64_add(out, message->key);
    } else {
        text_add(out, "null");
    }
    text_add(out, ",\"data_b64\":");
    base64_add(out, message->value);
    text_add(out, "}\n");
    if (file->reject_count++ == 0) {
        file->rejects_offset = message->offset;
    }
    return PINPIPE_OK;
}

pinpipe_status pp_sink_file_append(pp_sink_file *file, const pinpipe_kafka_message *message,
                                   pinpipe_error *err) {
    const char *reason = message->value.ptr ? reject_reason(message->value) : NULL;
    pinpipe_status status = PINPIPE_OK;
    if (!message->value.ptr) {
        file->null_count++;
    } else if (reason) {
        status = reject_append(file, message, reason, err);
    } else {
        status = line_append(file, message, err);
    }
    if (status == PINPIPE_OK) {
        file->read_offset = message->offset + 1;
    }
    return status;
}

int64_t pp_sink_file_bytes(const pp_sink_file *file) {
    return (int64_t)(file->lines.cap + file->rejects.cap);
}

bool pp_sink_file_open(const pp_sink_file *file) {
    return file->line_count + file->reject_count + file->null_count > 0;
}

pinpipe_str pp_sink_file_key(char out[PP_SINK_KEY_BYTES], const char *root, const pp_sink_file *file,
                             int64_t offset) {
    int len = snprintf(out, PP_SINK_KEY_BYTES, "%s/%s/partition=%ld/%s+%ld+%010lld.json", root, file->topic,
                       (long)file->partition, file->topic, (long)file->partition, (long long)offset);
    return (pinpipe_str){out, (size_t)len};
}
