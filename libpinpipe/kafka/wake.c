/* Turns a producer into one that a server can wait for together with its sockets.
 * Never waits itself.
 * Rules: librdkafka rdkafka.h (rd_kafka_queue_io_event_enable). */
#include "kafka/wake.h"

#if PINPIPE_WITH_KAFKA

#include "kafka/producer.h"

void pp_kafka_producer_wake_renew(pinpipe_kafka_producer *producer) {
    const uint64_t one = 1;
    if (producer->wakes) {
        rd_kafka_queue_t *queue = rd_kafka_queue_get_main(producer->client.handle);
        rd_kafka_queue_io_event_enable(queue, producer->wake, &one, sizeof one);
        rd_kafka_queue_destroy(queue);
    }
}

void pp_kafka_producer_wake_set(pinpipe_kafka_producer *producer, int wake) {
    producer->wake = wake;
    producer->wakes = true;
    pp_kafka_producer_wake_renew(producer);
}

void pp_kafka_producer_reports_take(pinpipe_kafka_producer *producer) {
    while (rd_kafka_poll(producer->client.handle, 0) > 0) {
    }
}

#endif
