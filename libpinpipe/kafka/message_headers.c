/* Turns a message that librdkafka holds into its headers.
 * Never reads the headers of a message that nobody asks for: that is work which most readers do not need.
 * Rules: docs/kafka.md, "Consumer"; librdkafka rdkafka.h (rd_kafka_message_headers). */
#include "pinpipe/kafka.h"

#if PINPIPE_WITH_KAFKA

#include <string.h>

#include "kafka/client.h"

static rd_kafka_headers_t *headers_of(const pinpipe_kafka_message *message) {
    rd_kafka_headers_t *headers = NULL;
    return message->origin &&
                   rd_kafka_message_headers(message->origin, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR
               ? headers
               : NULL;
}

int64_t pinpipe_kafka_message_header_count(const pinpipe_kafka_message *message) {
    const rd_kafka_headers_t *headers = headers_of(message);
    return headers ? (int64_t)rd_kafka_header_cnt(headers) : 0;
}

pinpipe_kafka_header pinpipe_kafka_message_header_at(const pinpipe_kafka_message *message, int64_t index) {
    const rd_kafka_headers_t *headers = headers_of(message);
    const char *name = NULL;
    const void *value = NULL;
    size_t len = 0;
    if (!headers || rd_kafka_header_get_all(headers, (size_t)index, &name, &value, &len)) {
        return (pinpipe_kafka_header){{NULL, 0}, {NULL, 0}};
    }
    return (pinpipe_kafka_header){{name, strlen(name)}, {value, len}};
}

#endif
