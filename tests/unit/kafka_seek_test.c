/* Turns a slow cluster and places that are asked for one behind the other into what a reader gets.
 * Never lets a reader begin before the second place is asked for.
 * Rules: docs/kafka.md, "Consumer"; librdkafka's rd_kafka_toppar_handle_Offset: an answer that comes too late
 * is asked for again, and the reader goes where it says. */
#include "check.h"

#if PINPIPE_WITH_KAFKA

#include "base/buffer.h"
#include "io/clock.h"
#include "kafka/producer.h"
#include "pinpipe/kafka.h"

#include <librdkafka/rdkafka_mock.h> /* after librdkafka's own header */

enum { READERS = 4, RECORDS = 20, ANSWER_MS = 20, LATE_MS = 1500 };

static pinpipe_kafka_producer *producer;
static pinpipe_str brokers;

static void cluster_open(void) {
    pinpipe_kafka_config *config = NULL;
    CHECK_INT(pinpipe_kafka_config_new(&config, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str("test.mock.num.brokers"), pp_str("1"), NULL),
              PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_producer_new(&producer, pp_str("ignored:1"), config, NULL), PINPIPE_OK);
    pinpipe_kafka_config_free(config);
    rd_kafka_mock_cluster_t *cluster = rd_kafka_handle_mock_cluster(producer->client.handle);
    brokers = pp_str(rd_kafka_mock_cluster_bootstraps(cluster));
    CHECK_INT(rd_kafka_mock_topic_create(cluster, "seek.pin", 1, 1), 0);
    for (int i = 0; i < RECORDS; i++) {
        pinpipe_kafka_record record = PINPIPE_KAFKA_RECORD_INIT;
        record.topic = pp_str("seek.pin");
        record.value = pp_str("{}");
        CHECK_INT(pinpipe_kafka_producer_write(producer, &record, 5000, NULL), PINPIPE_OK);
    }
    CHECK_INT(pinpipe_kafka_producer_flush(producer, 10000, NULL), PINPIPE_OK);
    CHECK_INT(rd_kafka_mock_broker_set_rtt(cluster, 1, ANSWER_MS), 0);
}

static pinpipe_kafka_consumer *reader_open(void) {
    pinpipe_kafka_offset place = {.topic = pp_str("seek.pin"), .offset = PINPIPE_KAFKA_OFFSET_COMMITTED};
    pinpipe_kafka_consumer_options options = PINPIPE_KAFKA_CONSUMER_OPTIONS_INIT;
    pinpipe_kafka_consumer *consumer = NULL;
    options.brokers = brokers;
    options.group = pp_str("seeking"); /* has no commit: the reader asks for its beginning */
    options.partitions = &place;
    options.partition_count = 1;
    CHECK_INT(pinpipe_kafka_consumer_new(&consumer, &options, NULL, NULL), PINPIPE_OK);
    return consumer;
}

static void go(pinpipe_kafka_consumer *consumer, int64_t offset) {
    pinpipe_kafka_offset place = {.topic = pp_str("seek.pin"), .offset = offset};
    CHECK_INT(pinpipe_kafka_consumer_seek(consumer, &place, 1, 10000, NULL), PINPIPE_OK);
}

/* Each reader goes on from `following`; those that do not, or that end elsewhere. */
static int64_t readers_read(pinpipe_kafka_consumer *readers[READERS], int64_t following[READERS]) {
    int64_t wrong = 0, deadline_ms = pp_clock_monotonic_ms() + LATE_MS;
    while (pp_clock_monotonic_ms() < deadline_ms) {
        for (int64_t i = 0; i < READERS; i++) {
            pinpipe_kafka_batch batch = PINPIPE_KAFKA_BATCH_INIT;
            CHECK(pinpipe_kafka_consumer_poll(&batch, readers[i], 10, NULL) >= 0);
            for (int64_t k = 0; k < batch.message_count; k++) {
                wrong += batch.messages[k].offset != following[i];
                following[i] = batch.messages[k].offset + 1;
            }
        }
    }
    for (int64_t i = 0; i < READERS; i++) {
        wrong += following[i] != RECORDS;
    }
    return wrong;
}

/* The last place counts, whatever the cluster still answers of the one before, or of the beginning. */
static void test_the_last_place_counts(int64_t before) {
    pinpipe_kafka_consumer *readers[READERS];
    int64_t following[READERS];
    for (int64_t i = 0; i < READERS; i++) {
        readers[i] = reader_open();
        go(readers[i], before);
        following[i] = 1 + i;
        go(readers[i], following[i]);
    }
    CHECK_INT(readers_read(readers, following), 0);
    for (int64_t i = 0; i < READERS; i++) {
        pinpipe_kafka_consumer_free(readers[i]);
    }
}

int main(void) {
    cluster_open();
    test_the_last_place_counts(PINPIPE_KAFKA_OFFSET_END);
    test_the_last_place_counts(PINPIPE_KAFKA_OFFSET_BEGINNING);
    test_the_last_place_counts(7);
    pinpipe_kafka_producer_free(producer);
    return check_report();
}

#else

int main(void) {
    return check_report();
}

#endif
