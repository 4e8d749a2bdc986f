/* Turns a producer into one that a server can wait for together with its sockets.
 * Never shows librdkafka.
 * Rules: librdkafka rdkafka.h (rd_kafka_queue_io_event_enable). */
#ifndef PP_KAFKA_WAKE_H
#define PP_KAFKA_WAKE_H

#include "pinpipe/kafka_batch.h"

/** Delivery reports make `wake` (io/ready.h) ready from now on, in handles after a fatal error too. */
void pp_kafka_producer_wake_set(pinpipe_kafka_producer *producer, int wake);

/** Takes in every report that has come. */
void pp_kafka_producer_reports_take(pinpipe_kafka_producer *producer);

/** Fails the records of a batch that are not queued: they are in no partition and will not be. */
void pp_kafka_delivery_give_up(pinpipe_kafka_producer *producer, pinpipe_kafka_delivery *delivery);

#endif
