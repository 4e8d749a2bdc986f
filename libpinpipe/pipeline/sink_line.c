/* Turns records into lines: values as they are, envelopes around them, rejects with their reason, dead
 * letters. Never checks that a value is JSON: that is the writer's affair. Rules: docs/sink.md, "Objects". */
#include "pipeline/sink_line.h"

#include <stdio.h>
#include <string.h>

#include "pipeline/sink_letters.h"
#include "text/base64.h"
#include "text/json_string.h"
#include "text/utf8.h"

/** Names, numbers and punctuation of an envelope or a reject. */
#define FRAME_BYTES 256
#define FIELD_BYTES 32

static bool text_is_utf8(pinpipe_str text) {
    return pp_utf8_span(text.ptr, text.len) == text.len;
}

const char *pp_sink_line_fault(pp_sink_line_kind kind, pinpipe_str value) {
    if (value.len == 0) {
        return "empty value";
    }
    bool has_newline = memchr(value.ptr, '\n', value.len) != NULL;
    /* What an envelope holds as base64 is one line whatever its bytes are. */
    bool is_line = !has_newline || (kind == PP_SINK_LINE_ENVELOPE && !text_is_utf8(value));
    return is_line ? NULL : "newline in value";
}

/* What a text or its base64 takes at most, with its name and punctuation. */
static size_t field_room(pinpipe_str text) {
    return PP_JSON_ESCAPED_MAX(text.len) + FIELD_BYTES;
}

static size_t envelope_room(const pinpipe_kafka_message *message) {
    size_t room =
        PP_BASE64_LEN(message->value.len) + field_room(message->key) + message->topic.len + FRAME_BYTES;
    for (int64_t i = 0; i < pinpipe_kafka_message_header_count(message); i++) {
        pinpipe_kafka_header header = pinpipe_kafka_message_header_at(message, i);
        room += field_room(header.name) + field_room(header.value);
    }
    return room;
}

size_t pp_sink_line_room(pp_sink_line_kind kind, const pinpipe_kafka_message *message, const char *reason) {
    if (kind == PP_SINK_LINE_LETTER) {
        return pp_sink_letter_room(message, reason);
    }
    if (kind == PP_SINK_LINE_REJECT) {
        return PP_BASE64_LEN(message->value.len) + PP_BASE64_LEN(message->key.len) + FRAME_BYTES;
    }
    if (kind == PP_SINK_LINE_ENVELOPE) {
        return envelope_room(message);
    }
    return message->value.len + sizeof "null\n";
}

static char *text_put(char *at, const char *text) {
    size_t len = strlen(text);
    memcpy(at, text, len);
    return at + len;
}

static char *base64_put(char *at, pinpipe_str bytes) {
    *at++ = '"';
    pp_base64_write(at, bytes.ptr, bytes.len);
    at += PP_BASE64_LEN(bytes.len);
    *at++ = '"';
    return at;
}

static char *reject_put(char *at, const pinpipe_kafka_message *message, const char *reason) {
    at += snprintf(at, FRAME_BYTES, "{\"offset\":%lld,\"timestamp_ms\":%lld,\"reason\":\"%s\",\"key_b64\":",
                   (long long)message->offset, (long long)message->timestamp_ms, reason);
    at = message->key.ptr ? base64_put(at, message->key) : text_put(at, "null");
    at = text_put(at, ",\"data_b64\":");
    at = message->value.ptr ? base64_put(at, message->value) : text_put(at, "null");
    return text_put(at, "}");
}

/* "name":null, "name":"text" or, where that is no text, "name_b64":"…". */
static char *field_put(char *at, const char *name, pinpipe_str text) {
    *at++ = '"';
    at = text_put(at, name);
    if (!text.ptr) {
        return text_put(at, "\":null");
    }
    if (!text_is_utf8(text)) {
        return base64_put(text_put(at, "_b64\":"), text);
    }
    at = text_put(at, "\":\"");
    at += pp_json_escape(at, text.ptr, text.len);
    return text_put(at, "\"");
}

static char *headers_put(char *at, const pinpipe_kafka_message *message) {
    at = text_put(at, ",\"headers\":[");
    for (int64_t i = 0; i < pinpipe_kafka_message_header_count(message); i++) {
        pinpipe_kafka_header header = pinpipe_kafka_message_header_at(message, i);
        at = field_put(text_put(at, i ? ",{" : "{"), "name", header.name);
        at = text_put(field_put(text_put(at, ","), "value", header.value), "}");
    }
    return text_put(at, "]");
}

static char *value_put(char *at, pinpipe_str value) {
    if (value.ptr && !text_is_utf8(value)) {
        return base64_put(text_put(at, ",\"value_b64\":"), value);
    }
    at = text_put(at, ",\"value\":");
    if (!value.ptr) {
        return text_put(at, "null");
    }
    memcpy(at, value.ptr, value.len);
    return at + value.len;
}

static char *envelope_put(char *at, const pinpipe_kafka_message *message) {
    at = text_put(at, "{\"topic\":\"");
    memcpy(at, message->topic.ptr, message->topic.len); /* Kafka's names need no escapes */
    at += message->topic.len;
    at += snprintf(at, FRAME_BYTES, "\",\"partition\":%ld,\"offset\":%lld,\"timestamp_ms\":%lld,",
                   (long)message->partition, (long long)message->offset, (long long)message->timestamp_ms);
    at = headers_put(field_put(at, "key", message->key), message);
    return text_put(value_put(at, message->value), "}");
}

size_t pp_sink_line_write(char *out, pp_sink_line_kind kind, const pinpipe_kafka_message *message,
                          const char *reason) {
    char *at = out;
    if (kind == PP_SINK_LINE_LETTER) {
        return pp_sink_letter_write(out, message, reason);
    }
    if (kind == PP_SINK_LINE_REJECT) {
        at = reject_put(at, message, reason);
    } else if (kind == PP_SINK_LINE_ENVELOPE) {
        at = envelope_put(at, message);
    } else if (message->value.ptr) {
        memcpy(at, message->value.ptr, message->value.len);
        at += message->value.len;
    } else {
        at = text_put(at, "null");
    }
    *at++ = '\n';
    return (size_t)(at - out);
}
