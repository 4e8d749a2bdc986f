/* Turns records into lines: values as they are, envelopes around them, rejects with their reason.
 * Never checks that a value is JSON: that is the writer's affair.
 * Rules: docs/sink.md, "Objects". */
#include "pipeline/sink_line.h"

#include <stdio.h>
#include <string.h>

#include "text/base64.h"
#include "text/json_string.h"
#include "text/utf8.h"

/** Names, numbers and punctuation of an envelope or a reject. */
#define FRAME_BYTES 256

const char *pp_sink_line_fault(pinpipe_str value) {
    if (value.len == 0) {
        return "empty value";
    }
    return memchr(value.ptr, '\n', value.len) ? "newline in value" : NULL;
}

size_t pp_sink_line_room(pp_sink_line_kind kind, const pinpipe_kafka_message *message) {
    if (kind == PP_SINK_LINE_REJECT) {
        return PP_BASE64_LEN(message->value.len) + PP_BASE64_LEN(message->key.len) + FRAME_BYTES;
    }
    if (kind == PP_SINK_LINE_ENVELOPE) {
        return message->value.len + PP_JSON_ESCAPED_MAX(message->key.len) + message->topic.len + FRAME_BYTES;
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

static char *key_put(char *at, pinpipe_str key) {
    if (!key.ptr) {
        return text_put(at, "\"key\":null");
    }
    if (pp_utf8_span(key.ptr, key.len) != key.len) {
        return base64_put(text_put(at, "\"key_b64\":"), key);
    }
    at = text_put(at, "\"key\":\"");
    at += pp_json_escape(at, key.ptr, key.len);
    return text_put(at, "\"");
}

static char *envelope_put(char *at, const pinpipe_kafka_message *message) {
    at = text_put(at, "{\"topic\":\"");
    memcpy(at, message->topic.ptr, message->topic.len); /* Kafka's names need no escapes */
    at += message->topic.len;
    at += snprintf(at, FRAME_BYTES, "\",\"partition\":%ld,\"offset\":%lld,\"timestamp_ms\":%lld,",
                   (long)message->partition, (long long)message->offset, (long long)message->timestamp_ms);
    at = text_put(key_put(at, message->key), ",\"value\":");
    if (message->value.ptr) {
        memcpy(at, message->value.ptr, message->value.len);
        return text_put(at + message->value.len, "}");
    }
    return text_put(at, "null}");
}

size_t pp_sink_line_write(char *out, pp_sink_line_kind kind, const pinpipe_kafka_message *message,
                          const char *reason) {
    char *at = out;
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
