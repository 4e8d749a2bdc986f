/* Turns a consumer's next messages into a batch with limits of the caller's.
 * Never outside kafka/: the limits of the public poll are the consumer's own.
 * Rules: docs/kafka.md, "Consumer", "Batches". */
#ifndef PP_KAFKA_CONSUMER_H
#define PP_KAFKA_CONSUMER_H

#include "kafka/client.h"
#include "pinpipe/kafka.h"

/** At which a batch ends, where the consumer's own limits do not end it before. */
typedef struct pp_kafka_limits {
    int64_t records;
    int64_t bytes;
} pp_kafka_limits;

/** As pinpipe_kafka_consumer_poll. */
pinpipe_status pp_kafka_consumer_take(pinpipe_kafka_batch *out, pinpipe_kafka_consumer *consumer,
                                      pp_kafka_limits limits, int64_t timeout_ms, pinpipe_error *err);

/** Gives the last batch's messages back before the next one is taken. */
void pp_kafka_consumer_release(pinpipe_kafka_consumer *consumer);

/** Lets the next take fail by `cause`. */
void pp_kafka_consumer_hold(pinpipe_kafka_consumer *consumer, const pinpipe_error *cause);

#endif
