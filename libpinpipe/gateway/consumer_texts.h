/* Turns bodies of requests on consumers into what is asked, and messages and offsets into JSON.
 * Never asks a broker.
 * Rules: Confluent REST Proxy API Reference, "API v2", "Consumers"; reference/kafka.md §3.1. */
#ifndef PP_GATEWAY_CONSUMER_TEXTS_H
#define PP_GATEWAY_CONSUMER_TEXTS_H

#include "gateway/consumer.h"

/** Appends topics, as a consumer takes them, that a body subscribes to; false = the order is refused. */
bool pp_gateway_topics_read(pinpipe_buf *out, pp_gateway_order *order);

/** Reads at most `max` partitions, and where `has_offsets` their offsets; texts are borrowed from the order.
 * False = it is refused. */
bool pp_gateway_offsets_read(pinpipe_kafka_offset *out, int64_t *count, int64_t max, pp_gateway_order *order,
                             bool has_offsets);

/** Appends one record of an answer. Errors: EDATA it is no JSON, and was to be; ENOMEM. */
pinpipe_status pp_gateway_message_append(pinpipe_buf *out, pinpipe_buf *scratch,
                                         const pinpipe_kafka_message *message, pp_gateway_format format,
                                         bool is_first, pinpipe_error *err);

/** Appends an answer of committed offsets; those that nobody committed are left out. */
pinpipe_status pp_gateway_offsets_append(pinpipe_buf *out, const pinpipe_kafka_offset *offsets,
                                         int64_t count);

#endif
