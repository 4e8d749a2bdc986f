/* Turns records through producer and consumer on the embedded cluster, and brokers that are not there into
 * errors. Never needs a server beside the process; the real broker is tests/integration's. Rules:
 * docs/kafka.md. */
#include "check.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "io/clock.h"
#include "kafka/config.h"
#include "pinpipe/kafka.h"

#define REFUSED_BROKER "127.0.0.1:1"

static pinpipe_kafka_record record_of(const char *topic, const char *key, const char *value) {
    pinpipe_kafka_record record = PINPIPE_KAFKA_RECORD_INIT;
    record.topic = pp_str(topic);
    record.key = pp_str(key);
    record.value = pp_str(value);
    return record;
}

static void test_config(void) {
    pinpipe_kafka_config *config = NULL;
    pinpipe_kafka_producer *producer = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    CHECK_INT(pinpipe_kafka_config_new(&config, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str(""), pp_str("x"), &err), PINPIPE_EINVAL);
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str("linger.ms"), pp_str("1"), &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str("linger.ms"), pp_str("2"), &err), PINPIPE_OK);
    CHECK_INT(pp_kafka_config_count(config), 1);
    CHECK(strcmp(pp_kafka_config_value(config, "linger.ms"), "2") == 0);
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str("no.such.setting"), pp_str("1"), &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_producer_new(&producer, pp_str("h:1"), config, &err), PINPIPE_EINVAL);
    CHECK(producer == NULL && strstr(err.message, "no.such.setting") && strstr(err.message, "librdkafka"));
    pinpipe_kafka_config_free(config);

    CHECK_INT(pinpipe_kafka_config_new(&config, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str("ssl.key.password"), pp_str("hunter2"), &err),
              PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str("security.protocol"), pp_str("ssl"), &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str("ssl.key.pem"), pp_str("hunter2"), &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_producer_new(&producer, pp_str("h:1"), config, &err), PINPIPE_EINVAL);
    CHECK(!strstr(err.message, "hunter2"));
    CHECK_INT(pinpipe_kafka_producer_new(&producer, pp_str(""), NULL, &err), PINPIPE_EINVAL);
    pinpipe_kafka_config_free(config);
}

static void produce(const char *brokers, int count) {
    pinpipe_kafka_producer *producer = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    CHECK_INT(pinpipe_kafka_producer_new(&producer, pp_str(brokers), NULL, &err), PINPIPE_OK);
    for (int i = 0; i < count; i++) {
        char key[16] = "";
        char value[64] = "";
        snprintf(key, sizeof key, "k%d", i % 50);
        snprintf(value, sizeof value, "{\"n\":%d}", i);
        pinpipe_kafka_record record = record_of("t.pin", key, value);
        record.timestamp_ms = 1700000000000 + i;
        CHECK_INT(pinpipe_kafka_producer_write(producer, &record, 5000, &err), PINPIPE_OK);
    }
    CHECK_INT(pinpipe_kafka_producer_flush(producer, 10000, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_producer_written_count(producer), count);
    CHECK_INT(pinpipe_kafka_producer_delivered_count(producer), count);
    CHECK_INT(pinpipe_kafka_producer_failed_count(producer), 0);
    pinpipe_kafka_producer_free(producer);
}

static pinpipe_kafka_consumer *consumer_open(const char *brokers, const char *topics) {
    pinpipe_kafka_consumer_options options = PINPIPE_KAFKA_CONSUMER_OPTIONS_INIT;
    pinpipe_kafka_consumer *consumer = NULL;
    pinpipe_kafka_config *config = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    options.brokers = pp_str(brokers);
    options.group = pp_str("g");
    options.topics = pp_str(topics);
    /* The mock cluster lets a group's next member wait for the session of the one that left. */
    CHECK_INT(pinpipe_kafka_config_new(&config, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str("session.timeout.ms"), pp_str("4000"), &err),
              PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str("heartbeat.interval.ms"), pp_str("200"), &err),
              PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_consumer_new(&consumer, &options, config, &err), PINPIPE_OK);
    pinpipe_kafka_config_free(config);
    return consumer;
}

/* Partitions by hand: from a place, or from what the group has committed; no group is joined for it. */
static pinpipe_kafka_consumer *consumer_of(const char *brokers, const pinpipe_kafka_offset *partitions,
                                           int64_t count) {
    pinpipe_kafka_consumer_options options = PINPIPE_KAFKA_CONSUMER_OPTIONS_INIT;
    pinpipe_kafka_consumer *consumer = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    options.brokers = pp_str(brokers);
    options.group = pp_str("g");
    options.topics = pp_str("t.pin");
    options.partitions = partitions;
    options.partition_count = count;
    CHECK_INT(pinpipe_kafka_consumer_new(&consumer, &options, NULL, &err), PINPIPE_EINVAL);
    options.topics.len = 0;
    CHECK_INT(pinpipe_kafka_consumer_new(&consumer, &options, NULL, &err), PINPIPE_OK);
    return consumer;
}

/* Reads `count` records and checks that each partition's offsets follow each other from `first`. */
static int64_t consume(pinpipe_kafka_consumer *consumer, int64_t count, int64_t next[4]) {
    int64_t read = 0;
    int64_t gaps = 0;
    int64_t deadline_ms = pp_clock_monotonic_ms() + 30000;
    while (read < count && pp_clock_monotonic_ms() < deadline_ms) {
        pinpipe_kafka_batch batch = PINPIPE_KAFKA_BATCH_INIT;
        pinpipe_error err = PINPIPE_ERROR_INIT;
        pinpipe_status status = pinpipe_kafka_consumer_poll(&batch, consumer, 200, &err);
        CHECK(status >= 0);
        for (int64_t i = 0; i < batch.message_count; i++) {
            const pinpipe_kafka_message *message = &batch.messages[i];
            gaps += message->offset != next[message->partition]++;
            gaps +=
                message->value.len < 7 || message->timestamp_ms < 1700000000000 || message->key.ptr[0] != 'k';
        }
        read += batch.message_count;
    }
    CHECK_INT(gaps, 0);
    return read;
}

static void check_assigned(pinpipe_kafka_consumer *consumer, int64_t wanted) {
    const pinpipe_kafka_offset *assigned = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    int64_t count = -1;
    CHECK_INT(pinpipe_kafka_consumer_assigned(&assigned, &count, consumer, &err), PINPIPE_OK);
    CHECK_INT(count, wanted);
    for (int64_t i = 0; i < count; i++) {
        CHECK_TEXT(assigned[i].topic.ptr, assigned[i].topic.len, i < count - 3 ? "t.geo" : "t.pin");
        CHECK_INT(assigned[i].partition, i % 3);
        CHECK_INT(assigned[i].offset, -1);
    }
}

/* The group's member has left its commits; `next` holds the ends of the partitions. */
static void partitions_read(const char *brokers, const int64_t next[4]) {
    pinpipe_kafka_offset partitions[] = {
        {.topic = pp_str("t.pin"), .partition = 0, .offset = PINPIPE_KAFKA_OFFSET_COMMITTED},
        {.topic = pp_str("t.pin"), .partition = 1, .offset = PINPIPE_KAFKA_OFFSET_BEGINNING},
        {.topic = pp_str("t.pin"), .partition = 2, .offset = PINPIPE_KAFKA_OFFSET_END}};
    pinpipe_error err = PINPIPE_ERROR_INIT;
    int64_t start_ms = pp_clock_monotonic_ms();
    pinpipe_kafka_consumer *consumer = consumer_of(brokers, partitions, 3);
    check_assigned(consumer, 3);
    partitions[2].offset = next[2] - 3; /* before anything was read */
    CHECK_INT(pinpipe_kafka_consumer_seek(consumer, &partitions[2], 1, 10000, &err), PINPIPE_OK);
    int64_t from[4] = {next[0] / 2, 0, next[2] - 3};
    int64_t count = next[0] - next[0] / 2 + next[1] + 3;
    CHECK_INT(consume(consumer, count, from), count);
    CHECK_INT(pinpipe_kafka_consumer_generation(consumer), 0);
    partitions[0].partition = 7;
    CHECK_INT(pinpipe_kafka_consumer_seek(consumer, partitions, 1, 1000, &err), PINPIPE_ECONFLICT);
    pinpipe_kafka_consumer_free(consumer);
    CHECK(pp_clock_monotonic_ms() - start_ms < 20000);
}

static void test_round_trip(void) {
    pinpipe_kafka_mock *mock = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    CHECK_INT(pinpipe_kafka_mock_new(&mock, 0, &err), PINPIPE_EINVAL);
    CHECK_INT(pinpipe_kafka_mock_new(&mock, 2, &err), PINPIPE_OK);
    pinpipe_kafka_topic_options topic = PINPIPE_KAFKA_TOPIC_OPTIONS_INIT;
    topic.name = pp_str("t.pin");
    topic.partition_count = 3;
    CHECK_INT(pinpipe_kafka_mock_topic_create(mock, &topic, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_mock_topic_create(mock, &topic, &err), PINPIPE_ECONFLICT);
    topic.name = pp_str("t.geo"); /* newer clusters do not make a topic for whoever reads it */
    CHECK_INT(pinpipe_kafka_mock_topic_create(mock, &topic, &err), PINPIPE_OK);
    const char *brokers = pinpipe_kafka_mock_brokers(mock).ptr;
    produce(brokers, 2000);

    int64_t next[4] = {0};
    pinpipe_kafka_consumer *consumer = consumer_open(brokers, "^t\\.(pin|geo)$");
    CHECK_INT(consume(consumer, 2000, next), 2000);
    pinpipe_kafka_offset offsets[3];
    for (int32_t i = 0; i < 3; i++) {
        offsets[i] = (pinpipe_kafka_offset){pp_str("t.pin"), i, 0, next[i] / 2};
    }
    CHECK_INT(pinpipe_kafka_consumer_commit(consumer, offsets, 3, 5000, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_consumer_committed(offsets, 3, consumer, 5000, &err), PINPIPE_OK);
    CHECK_INT(offsets[1].offset, next[1] / 2);
    CHECK_INT(pinpipe_kafka_consumer_commit(consumer, offsets, 0, 5000, &err), PINPIPE_EINVAL);
    check_assigned(consumer, 6);
    pinpipe_kafka_consumer_free(consumer);
    partitions_read(brokers, next);

    int64_t rest = 0;
    for (int i = 0; i < 3; i++) {
        rest += next[i] - next[i] / 2;
        next[i] = next[i] / 2;
    }
    consumer = consumer_open(brokers, "t.geo,t.pin");
    CHECK_INT(consume(consumer, rest, next), rest);
    pinpipe_kafka_consumer_free(consumer);

    pinpipe_kafka_admin *admin = NULL;
    CHECK_INT(pinpipe_kafka_admin_new(&admin, pp_str(brokers), NULL, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_admin_list(admin, 5000, &err), PINPIPE_OK);
    int64_t last = pinpipe_kafka_admin_topic_count(admin) - 1;
    CHECK(last >= 0);
    CHECK_TEXT(pinpipe_kafka_admin_topic_at(admin, last).name.ptr,
               pinpipe_kafka_admin_topic_at(admin, last).name.len, "t.pin");
    CHECK_INT(pinpipe_kafka_admin_topic_at(admin, last).partition_count, 3);
    pinpipe_kafka_admin_free(admin);
    pinpipe_kafka_mock_free(mock);
}

static void test_refused(void) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_kafka_producer *producer = NULL;
    int64_t start_ms = pp_clock_monotonic_ms();
    CHECK_INT(pinpipe_kafka_producer_new(&producer, pp_str(REFUSED_BROKER), NULL, &err), PINPIPE_OK);
    pinpipe_kafka_record record = record_of("t", NULL, "1");
    CHECK_INT(pinpipe_kafka_producer_write(producer, &record, 500, &err), PINPIPE_ENET);
    CHECK(strstr(err.message, "refused") && strstr(err.message, REFUSED_BROKER));
    CHECK(strcmp(err.service, "kafka") == 0);
    CHECK_INT(pinpipe_kafka_producer_written_count(producer), 0);
    pinpipe_kafka_producer_free(producer);

    pinpipe_kafka_consumer *consumer = consumer_open(REFUSED_BROKER, "t");
    pinpipe_kafka_batch batch = PINPIPE_KAFKA_BATCH_INIT;
    CHECK_INT(pinpipe_kafka_consumer_poll(&batch, consumer, 500, &err), PINPIPE_ENET);
    CHECK(strstr(err.message, "refused") != NULL);
    pinpipe_kafka_offset offset = {pp_str("t"), 0, 0, 5};
    CHECK(pinpipe_kafka_consumer_commit(consumer, &offset, 1, 300, &err) < 0);
    CHECK(pinpipe_kafka_consumer_committed(&offset, 1, consumer, 300, &err) < 0);
    pinpipe_kafka_consumer_free(consumer);

    pinpipe_kafka_admin *admin = NULL;
    pinpipe_kafka_topic_options topic = PINPIPE_KAFKA_TOPIC_OPTIONS_INIT;
    topic.name = pp_str("t");
    CHECK_INT(pinpipe_kafka_admin_new(&admin, pp_str(REFUSED_BROKER), NULL, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_admin_list(admin, 500, &err), PINPIPE_ENET);
    CHECK_INT(pinpipe_kafka_admin_topic_create(admin, &topic, 500, &err), PINPIPE_ENET);
    pinpipe_kafka_admin_free(admin);
    CHECK(pp_clock_monotonic_ms() - start_ms < 9000);
}

/* A queue that nothing drains: room runs out, and the deadline ends the wait. */
static void test_full_queue(void) {
    pinpipe_kafka_mock *mock = NULL;
    pinpipe_kafka_config *config = NULL;
    pinpipe_kafka_producer *producer = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    CHECK_INT(pinpipe_kafka_mock_new(&mock, 1, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_new(&config, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str("queue.buffering.max.messages"), pp_str("10"), &err),
              PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str("linger.ms"), pp_str("60000"), &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str("message.timeout.ms"), pp_str("120000"), &err),
              PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_producer_new(&producer, pinpipe_kafka_mock_brokers(mock), config, &err),
              PINPIPE_OK);
    pinpipe_kafka_record record = record_of("full", NULL, "1");
    pinpipe_status status = PINPIPE_OK;
    for (int i = 0; i < 10 && status == PINPIPE_OK; i++) {
        status = pinpipe_kafka_producer_write(producer, &record, 3000, &err);
    }
    CHECK_INT(status, PINPIPE_OK);
    int64_t start_ms = pp_clock_monotonic_ms();
    CHECK_INT(pinpipe_kafka_producer_write(producer, &record, 300, &err), PINPIPE_ETIMEOUT);
    CHECK(pp_clock_monotonic_ms() - start_ms < 2000);
    CHECK(strstr(err.message, "queue") != NULL);
    CHECK_INT(pinpipe_kafka_producer_written_count(producer), 10);
    CHECK_INT(pinpipe_kafka_producer_flush(producer, 10000, &err), PINPIPE_OK);
    pinpipe_kafka_producer_free(producer);
    pinpipe_kafka_config_free(config);
    pinpipe_kafka_mock_free(mock);
}

/* Records that can no longer be delivered are counted once, and flush names the first cause. */
static void test_failed_delivery(void) {
    pinpipe_kafka_mock *mock = NULL;
    pinpipe_kafka_config *config = NULL;
    pinpipe_kafka_producer *producer = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    CHECK_INT(pinpipe_kafka_mock_new(&mock, 1, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_new(&config, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str("message.timeout.ms"), pp_str("500"), &err),
              PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str("enable.idempotence"), pp_str("false"), &err),
              PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_producer_new(&producer, pinpipe_kafka_mock_brokers(mock), config, &err),
              PINPIPE_OK);
    pinpipe_kafka_record record = record_of("gone", NULL, "1");
    CHECK_INT(pinpipe_kafka_producer_write(producer, &record, 5000, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_producer_flush(producer, 5000, &err), PINPIPE_OK);
    pinpipe_kafka_mock_free(mock);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(pinpipe_kafka_producer_write(producer, &record, 1000, &err), PINPIPE_OK);
    }
    CHECK_INT(pinpipe_kafka_producer_flush(producer, 10000, &err), PINPIPE_ETIMEOUT);
    CHECK(strstr(err.message, "3 records were not delivered") && strstr(err.message, "'gone'"));
    CHECK_INT(pinpipe_kafka_producer_delivered_count(producer), 1);
    CHECK_INT(pinpipe_kafka_producer_failed_count(producer), 3);
    CHECK_INT(pinpipe_kafka_producer_flush(producer, 1000, &err), PINPIPE_OK);
    pinpipe_kafka_producer_free(producer);
    pinpipe_kafka_config_free(config);
}

static void test_fork(void) {
    pinpipe_kafka_mock *mock = NULL;
    pinpipe_kafka_producer *producer = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    CHECK_INT(pinpipe_kafka_mock_new(&mock, 1, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_producer_new(&producer, pinpipe_kafka_mock_brokers(mock), NULL, &err),
              PINPIPE_OK);
    pid_t child = fork();
    if (child == 0) {
        pinpipe_kafka_record record = record_of("t", NULL, "1");
        bool forked = pinpipe_kafka_producer_write(producer, &record, 100, &err) == PINPIPE_EFORK &&
                      pinpipe_kafka_producer_flush(producer, 100, &err) == PINPIPE_EFORK;
        pinpipe_kafka_producer_free(producer);
        pinpipe_kafka_mock_free(mock);
        _exit(forked ? 0 : 1);
    }
    int outcome = -1;
    CHECK_INT(waitpid(child, &outcome, 0), child);
    CHECK_INT(outcome, 0);
    pinpipe_kafka_producer_free(producer);
    pinpipe_kafka_mock_free(mock);
}

static void test_absent(void) {
    pinpipe_kafka_mock *mock = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    CHECK_INT(pinpipe_kafka_mock_new(&mock, 1, &err), PINPIPE_ENOTSUP);
    CHECK(mock == NULL && strstr(err.message, "PINPIPE_WITH_KAFKA") != NULL);
}

int main(void) {
    if (!PINPIPE_WITH_KAFKA) {
        test_absent();
        return check_report();
    }
    test_config();
    test_round_trip();
    test_refused();
    test_full_queue();
    test_failed_delivery();
    test_fork();
    return check_report();
}
