/* Turns columns into topics of the embedded cluster, what is read of them into commits, and fatal errors,
 * full queues and bad columns into results. Never needs a server beside the process; faults of a whole
 * cluster are tests/integration's. Rules: docs/kafka.md, "Batches", "Fatal errors". */
#include "check.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "c11_threads.h"
#include "io/clock.h"
#include "kafka/client.h"
#include "pinpipe/kafka_batch.h"

#include <librdkafka/rdkafka_mock.h> /* after librdkafka's own header */

#define RECORDS 500
#define VALUE_BYTES 8

#ifdef __SANITIZE_THREAD__
/* librdkafka is not built for the sanitizer, and orders the end of its topics by counts that the sanitizer
 * does not see. What it calls by itself (free, memcmp, its read-write locks) is left out; its threads and
 * mutexes come through c11_threads.h and are watched, and so is all that this library does in its callbacks.
 */
SEEN const char *__tsan_default_suppressions(void);
SEEN const char *__tsan_default_suppressions(void) {
    return "called_from_lib:librdkafka.so\n";
}
#endif

static int released;

static void release(void *context) {
    (void)context;
    released++;
}

/* Values 0 … RECORDS - 1 as text of one length, for partition 0. */
typedef struct numbers {
    char data[RECORDS * VALUE_BYTES + 1];
    int32_t offsets[RECORDS + 1];
    int32_t partitions[RECORDS];
} numbers;

static void numbers_fill(numbers *out, int first) {
    for (int i = 0; i < RECORDS; i++) {
        snprintf(out->data + i * VALUE_BYTES, VALUE_BYTES + 1, "%08d", first + i);
        out->offsets[i + 1] = (i + 1) * VALUE_BYTES;
    }
}

static pinpipe_kafka_columns columns_of(const numbers *from) {
    pinpipe_kafka_columns columns = PINPIPE_KAFKA_COLUMNS_INIT;
    columns.topic = pp_str("t");
    columns.count = RECORDS;
    columns.values = (pinpipe_kafka_column){from->data, from->offsets, NULL, 0, RECORDS * VALUE_BYTES, 4, 0};
    columns.partitions = from->partitions;
    return columns;
}

static pinpipe_kafka_producer *producer_open(const char *brokers, const char *name, const char *value) {
    pinpipe_kafka_producer *producer = NULL;
    pinpipe_kafka_config *config = NULL;
    CHECK_INT(pinpipe_kafka_config_new(&config, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str("linger.ms"), pp_str("1000"), NULL), PINPIPE_OK);
    if (name) {
        CHECK_INT(pinpipe_kafka_config_set(config, pp_str(name), pp_str(value), NULL), PINPIPE_OK);
    }
    CHECK_INT(pinpipe_kafka_producer_new(&producer, pp_str(brokers), config, NULL), PINPIPE_OK);
    pinpipe_kafka_config_free(config);
    return producer;
}

static pinpipe_kafka_mock *mock_open(int32_t partitions) {
    pinpipe_kafka_mock *mock = NULL;
    pinpipe_kafka_topic_options topic = PINPIPE_KAFKA_TOPIC_OPTIONS_INIT;
    CHECK_INT(pinpipe_kafka_mock_new(&mock, 1, NULL), PINPIPE_OK);
    topic.name = pp_str("t");
    topic.partition_count = partitions;
    CHECK_INT(pinpipe_kafka_mock_topic_create(mock, &topic, NULL), PINPIPE_OK);
    return mock;
}

static rd_kafka_t *handle_of(pinpipe_kafka_producer *producer) {
    return ((pp_kafka_client *)(void *)producer)->handle;
}

static void test_results(const char *brokers) {
    enum { LINGER_MS = 20000 };
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_kafka_producer *producer = producer_open(brokers, "linger.ms", "20000");
    pinpipe_kafka_delivery *delivery = NULL;
    static const char names[] = "ab";
    static const int32_t value_offsets[] = {9, 0, 1, 1, 1, 2}, list_offsets[] = {0, 0, 1, 2, 2};
    static const int64_t header_offsets[] = {0, 1, 2};
    static const uint8_t validity = 0x1b; /* entries 0, 1, 3 and 4, of which the first is skipped */
    static const int32_t partitions[] = {0, 1, -1, 9};
    static const int64_t times[] = {0, 1700000000000, 0, 0};
    pinpipe_kafka_columns columns = PINPIPE_KAFKA_COLUMNS_INIT;
    columns.topic = pp_str("t");
    columns.count = 4;
    columns.values = (pinpipe_kafka_column){"xy", value_offsets, &validity, 1, 2, 4, 0};
    columns.keys = (pinpipe_kafka_column){"xy", value_offsets, NULL, 1, 2, 4, 0};
    columns.partitions = partitions;
    columns.timestamps_ms = times;
    columns.header_lists = (pinpipe_kafka_column){NULL, list_offsets, NULL, 0, 2, 4, 0};
    columns.header_names = (pinpipe_kafka_column){names, header_offsets, NULL, 0, 2, 8, 0};
    CHECK_INT(pinpipe_kafka_delivery_new(&delivery, &columns, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_delivery_at(delivery, 0, &err), PINPIPE_AGAIN);
    CHECK_INT(pinpipe_kafka_producer_write_batch(producer, delivery, 5000, &err), PINPIPE_OK);
    int64_t began_ms = pp_clock_monotonic_ms();
    CHECK_INT(pinpipe_kafka_producer_wait_batch(producer, delivery, 2 * LINGER_MS, &err), PINPIPE_PARTIAL);
    CHECK(pp_clock_monotonic_ms() - began_ms < LINGER_MS / 2); /* who waits does not wait for that, too */
    CHECK_INT(pinpipe_kafka_delivery_delivered_count(delivery), 3);
    CHECK_INT(pinpipe_kafka_delivery_failed_count(delivery), 1);
    CHECK_INT(pinpipe_kafka_delivery_partitions(delivery)[1], 1);
    CHECK(pinpipe_kafka_delivery_offsets(delivery)[0] >= 0);
    CHECK_INT(pinpipe_kafka_delivery_offsets(delivery)[3], -1);
    CHECK_INT(pinpipe_kafka_delivery_errors(delivery)[3], RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION);
    CHECK_INT(pinpipe_kafka_delivery_outcomes(delivery)[3], PINPIPE_KAFKA_FAILED);
    CHECK_INT(pinpipe_kafka_delivery_at(delivery, 3, &err), PINPIPE_ENOTFOUND);
    CHECK(strstr(err.message, "record 3 for topic 't'") != NULL);
    CHECK_INT(pinpipe_kafka_delivery_at(delivery, 4, &err), PINPIPE_EINVAL);
    /* Told by the wait, so not by the flush again. */
    CHECK_INT(pinpipe_kafka_producer_flush(producer, 5000, &err), PINPIPE_OK);
    pinpipe_kafka_producer *other = producer_open(brokers, NULL, NULL);
    CHECK_INT(pinpipe_kafka_producer_write_batch(other, delivery, 0, &err), PINPIPE_EINVAL);
    pinpipe_kafka_producer_free(other);
    pinpipe_kafka_producer_free(producer);
    pinpipe_kafka_delivery_free(delivery);
}

static void test_bad_columns(void) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_kafka_delivery *delivery = NULL;
    static const int32_t falling[] = {0, 2, 1}, beyond[] = {0, 1, 3}, lists[] = {0, 1, 1};
    static const int64_t name_offsets[] = {0, 0};
    pinpipe_kafka_columns columns = PINPIPE_KAFKA_COLUMNS_INIT;
    columns.topic = pp_str("t");
    columns.count = 2;
    columns.values = (pinpipe_kafka_column){"xy", falling, NULL, 0, 2, 4, 0};
    CHECK_INT(pinpipe_kafka_delivery_new(&delivery, &columns, &err), PINPIPE_EINVAL);
    CHECK(strstr(err.message, "values: entry 1") != NULL);
    columns.values.offsets = beyond;
    CHECK_INT(pinpipe_kafka_delivery_new(&delivery, &columns, &err), PINPIPE_EINVAL);
    columns.values.offset_bytes = 2;
    CHECK_INT(pinpipe_kafka_delivery_new(&delivery, &columns, &err), PINPIPE_EINVAL);
    columns.values.offsets = NULL;
    columns.header_lists = (pinpipe_kafka_column){NULL, lists, NULL, 0, 1, 4, 0};
    columns.header_names = (pinpipe_kafka_column){"", name_offsets, NULL, 0, 0, 8, 0};
    CHECK_INT(pinpipe_kafka_delivery_new(&delivery, &columns, &err), PINPIPE_EINVAL);
    CHECK(strstr(err.message, "record 0 has a header without a name") != NULL);
    columns.count = -1;
    CHECK_INT(pinpipe_kafka_delivery_new(&delivery, &columns, &err), PINPIPE_EINVAL);
    columns.count = INT64_MAX;
    CHECK_INT(pinpipe_kafka_delivery_new(&delivery, &columns, &err), PINPIPE_ELIMIT);
    columns.struct_size = 4;
    CHECK_INT(pinpipe_kafka_delivery_new(&delivery, &columns, &err), PINPIPE_EINVAL);
    CHECK(delivery == NULL);
    pinpipe_kafka_delivery_free(NULL);
}

static void test_full_queue(const char *brokers) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_kafka_producer *producer = producer_open(brokers, "queue.buffering.max.messages", "100");
    numbers *values = calloc(1, sizeof *values);
    numbers_fill(values, 0);
    pinpipe_kafka_columns columns = columns_of(values);
    columns.release = release;
    pinpipe_kafka_delivery *delivery = NULL, *dropped = NULL;
    pinpipe_kafka_record record = PINPIPE_KAFKA_RECORD_INIT;
    record.topic = pp_str("t");
    CHECK_INT(pinpipe_kafka_producer_write(producer, &record, 5000, &err), PINPIPE_OK);
    released = 0;
    CHECK_INT(pinpipe_kafka_delivery_new(&delivery, &columns, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_producer_write_batch(producer, delivery, 0, &err), PINPIPE_ETIMEOUT);
    CHECK_INT(err.native_code, RD_KAFKA_RESP_ERR__QUEUE_FULL);
    CHECK_INT(pinpipe_kafka_delivery_queued_count(delivery), 99);
    CHECK_INT(pinpipe_kafka_producer_write_batch(producer, delivery, 20000, &err), PINPIPE_OK);
    CHECK_INT(released, 0);
    CHECK_INT(pinpipe_kafka_producer_wait_batch(producer, delivery, 10000, &err), PINPIPE_OK);
    CHECK_INT(released, 1);
    CHECK_INT(pinpipe_kafka_delivery_delivered_count(delivery), RECORDS);

    int64_t count = 0;
    CHECK_INT(pinpipe_kafka_delivery_new(&dropped, &columns, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_producer_write_batch(producer, dropped, 0, &err), PINPIPE_ETIMEOUT);
    CHECK_INT(pinpipe_kafka_producer_clear(&count, producer, &err), PINPIPE_OK);
    CHECK_INT(count, 100);
    CHECK_INT(pinpipe_kafka_delivery_failed_count(dropped), 100);
    CHECK_INT(pinpipe_kafka_producer_written_count(producer),
              pinpipe_kafka_producer_delivered_count(producer) +
                  pinpipe_kafka_producer_failed_count(producer));
    CHECK_INT(released, 1);
    pinpipe_kafka_producer_free(producer);
    CHECK_INT(released, 2);
    CHECK_INT(pinpipe_kafka_delivery_failed_count(dropped), RECORDS);
    pinpipe_kafka_delivery_free(delivery);
    pinpipe_kafka_delivery_free(dropped);
    CHECK_INT(released, 2);
    free(values);
}

/* Reads partition 0 and counts the records that are not the next number. */
static int disorder(const char *brokers, int64_t count) {
    pinpipe_kafka_consumer_options options = PINPIPE_KAFKA_CONSUMER_OPTIONS_INIT;
    pinpipe_kafka_consumer *consumer = NULL;
    options.brokers = pp_str(brokers);
    options.group = pp_str("order");
    options.topics = pp_str("t");
    CHECK_INT(pinpipe_kafka_consumer_new(&consumer, &options, NULL, NULL), PINPIPE_OK);
    int64_t read = 0;
    int wrong = 0;
    int64_t deadline_ms = pp_clock_monotonic_ms() + 60000;
    while (read < count && pp_clock_monotonic_ms() < deadline_ms) {
        pinpipe_kafka_batch batch = PINPIPE_KAFKA_BATCH_INIT;
        CHECK(pinpipe_kafka_consumer_poll(&batch, consumer, 200, NULL) >= 0);
        for (int64_t i = 0; i < batch.message_count; i++, read++) {
            char wanted[VALUE_BYTES + 1];
            snprintf(wanted, sizeof wanted, "%08d", (int)read);
            wrong += !pp_str_is(batch.messages[i].value, wanted);
        }
    }
    CHECK_INT(read, count);
    pinpipe_kafka_consumer_free(consumer);
    return wrong;
}

static void test_fatal_error(const char *brokers) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_kafka_producer *producer = producer_open(brokers, NULL, NULL);
    numbers *first = calloc(1, sizeof *first), *second = calloc(1, sizeof *second);
    numbers_fill(first, 0);
    numbers_fill(second, RECORDS + 1);
    pinpipe_kafka_columns held = columns_of(first), copied = columns_of(second);
    held.release = release;
    released = 0;
    pinpipe_kafka_delivery *one = NULL, *two = NULL;
    CHECK_INT(pinpipe_kafka_delivery_new(&one, &held, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_delivery_new(&two, &copied, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_producer_write_batch(producer, one, 5000, &err), PINPIPE_OK);
    CHECK_INT(rd_kafka_test_fatal_error(handle_of(producer), RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                        "as the test says"),
              RD_KAFKA_RESP_ERR_NO_ERROR);
    pinpipe_kafka_record record = PINPIPE_KAFKA_RECORD_INIT;
    char text[VALUE_BYTES + 1];
    snprintf(text, sizeof text, "%08d", RECORDS);
    record.topic = pp_str("t");
    record.value = pp_str(text);
    CHECK_INT(pinpipe_kafka_producer_write(producer, &record, 5000, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_producer_recovery_count(producer), 1);
    CHECK_INT(pinpipe_kafka_producer_write_batch(producer, two, 5000, &err), PINPIPE_OK);
    /* The second error finds records of the first handle, of a write and of a copied batch. */
    CHECK_INT(rd_kafka_test_fatal_error(handle_of(producer), RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, "again"),
              RD_KAFKA_RESP_ERR_NO_ERROR);
    CHECK_INT(pinpipe_kafka_producer_flush(producer, 20000, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_producer_recovery_count(producer), 2);
    CHECK_INT(pinpipe_kafka_producer_delivered_count(producer), 2 * RECORDS + 1);
    CHECK_INT(pinpipe_kafka_delivery_delivered_count(one), RECORDS);
    CHECK_INT(pinpipe_kafka_delivery_delivered_count(two), RECORDS);
    CHECK_INT(released, 1);
    CHECK_INT(disorder(brokers, 2 * RECORDS + 1), 0);
    pinpipe_kafka_producer_free(producer);
    pinpipe_kafka_delivery_free(one);
    pinpipe_kafka_delivery_free(two);
    free(first);
    free(second);
}

/* Errors that come again and again, and one that a new handle does not mend, end the producer with every
 * record reported. */
static void test_fatal_for_good(const char *brokers) {
    static const rd_kafka_resp_err_t codes[2][4] = {
        {RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
         RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER},
        {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED}};
    for (int turn = 0; turn < 2; turn++) {
        pinpipe_error err = PINPIPE_ERROR_INIT;
        pinpipe_kafka_producer *producer = producer_open(brokers, NULL, NULL);
        pinpipe_kafka_delivery *delivery = NULL;
        numbers *values = calloc(1, sizeof *values);
        numbers_fill(values, 0);
        pinpipe_kafka_columns columns = columns_of(values);
        CHECK_INT(pinpipe_kafka_delivery_new(&delivery, &columns, &err), PINPIPE_OK);
        pinpipe_status status = pinpipe_kafka_producer_write_batch(producer, delivery, 5000, &err);
        for (int i = 0; i < 4 && codes[turn][i] && status == PINPIPE_OK; i++) {
            rd_kafka_test_fatal_error(handle_of(producer), codes[turn][i], "as the test says");
            status = pinpipe_kafka_producer_write_batch(producer, delivery, 5000, &err);
            status = status ? status : pinpipe_kafka_producer_wait_batch(producer, delivery, 0, &err);
            status = status == PINPIPE_ETIMEOUT ? PINPIPE_OK : status;
        }
        CHECK_INT(status, PINPIPE_EFATAL);
        CHECK(strstr(err.message, "as the test says") != NULL);
        CHECK_INT(pinpipe_kafka_delivery_failed_count(delivery), RECORDS);
        CHECK_INT(pinpipe_kafka_delivery_outcomes(delivery)[0], PINPIPE_KAFKA_FAILED);
        CHECK_INT(pinpipe_kafka_producer_failed_count(producer), RECORDS);
        CHECK_INT(pinpipe_kafka_producer_flush(producer, 1000, &err), PINPIPE_EFATAL);
        pinpipe_kafka_producer_free(producer);
        pinpipe_kafka_delivery_free(delivery);
        free(values);
    }
}

static void test_fork(const char *brokers) {
    pinpipe_kafka_producer *producer = producer_open(brokers, NULL, NULL);
    pinpipe_kafka_delivery *delivery = NULL;
    pinpipe_kafka_columns columns = PINPIPE_KAFKA_COLUMNS_INIT;
    CHECK_INT(pinpipe_kafka_delivery_new(&delivery, &columns, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_producer_write_batch(producer, delivery, 0, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_producer_wait_batch(producer, delivery, 0, NULL), PINPIPE_OK);
    pid_t child = fork();
    if (child == 0) {
        int64_t dropped = 0;
        bool right = pinpipe_kafka_producer_write_batch(producer, delivery, 0, NULL) == PINPIPE_EFORK &&
                     pinpipe_kafka_producer_wait_batch(producer, delivery, 0, NULL) == PINPIPE_EFORK &&
                     pinpipe_kafka_producer_clear(&dropped, producer, NULL) == PINPIPE_EFORK;
        _exit(right ? 0 : 1);
    }
    int status = 1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_INT(status, 0);
    pinpipe_kafka_delivery_free(delivery);
    pinpipe_kafka_producer_free(producer);
}

/* ---- commits of what was read ---- */

static pinpipe_kafka_consumer *member_open(const char *brokers, const char *group) {
    pinpipe_kafka_consumer_options options = PINPIPE_KAFKA_CONSUMER_OPTIONS_INIT;
    pinpipe_kafka_consumer *consumer = NULL;
    pinpipe_kafka_config *config = NULL;
    CHECK_INT(pinpipe_kafka_config_new(&config, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str("heartbeat.interval.ms"), pp_str("200"), NULL),
              PINPIPE_OK);
    options.brokers = pp_str(brokers);
    options.group = pp_str(group);
    options.topics = pp_str("t,u");
    options.revocation = PINPIPE_KAFKA_REVOCATION_HELD;
    CHECK_INT(pinpipe_kafka_consumer_new(&consumer, &options, config, NULL), PINPIPE_OK);
    pinpipe_kafka_config_free(config);
    return consumer;
}

static void numbers_write(pinpipe_kafka_producer *producer, const char *topic, int64_t count,
                          int32_t partitions) {
    numbers *values = calloc(1, sizeof *values);
    pinpipe_kafka_delivery *delivery = NULL;
    numbers_fill(values, 0);
    for (int i = 0; i < RECORDS; i++) {
        values->partitions[i] = i % partitions;
    }
    pinpipe_kafka_columns columns = columns_of(values);
    columns.topic = pp_str(topic);
    columns.count = count;
    CHECK_INT(pinpipe_kafka_delivery_new(&delivery, &columns, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_producer_write_batch(producer, delivery, 10000, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_producer_wait_batch(producer, delivery, 10000, NULL), PINPIPE_OK);
    pinpipe_kafka_delivery_free(delivery);
    free(values);
}

/* How many entries of `next` are not what is behind the last record of a partition, or are missing. */
static int64_t next_wrong(const pinpipe_kafka_records_view *view) {
    int64_t behind[2][2] = {{-1, -1}, {-1, -1}}, wrong = 0, seen = 0;
    for (int64_t row = 0; row < view->count; row++) {
        int topic = view->topic_names[view->topics[row]].ptr[0] == 'u';
        seen += behind[topic][view->partitions[row]] < 0;
        behind[topic][view->partitions[row]] = view->offsets[row] + 1;
    }
    for (int64_t i = 0; i < view->next_count; i++) {
        wrong += view->next[i].offset != behind[view->next[i].topic.ptr[0] == 'u'][view->next[i].partition];
    }
    return wrong + (view->next_count != seen);
}

/* Reads until `count` records have come, or for 0 until partitions are taken away. */
static void read_on(pinpipe_kafka_records *records, pinpipe_kafka_consumer *consumer, int64_t count) {
    pinpipe_kafka_records_view view = PINPIPE_KAFKA_RECORDS_VIEW_INIT;
    int64_t read = 0;
    int64_t deadline_ms = pp_clock_monotonic_ms() + 60000;
    while ((count ? read < count : !view.revoked_count) && pp_clock_monotonic_ms() < deadline_ms) {
        CHECK(pinpipe_kafka_consumer_read(records, consumer, NULL, 200, NULL) >= 0);
        CHECK_INT(pinpipe_kafka_records_get(&view, records, NULL), PINPIPE_OK);
        CHECK_INT(next_wrong(&view), 0);
        if (count) {
            CHECK_INT(pinpipe_kafka_consumer_commit_records(consumer, records, 10000, NULL), PINPIPE_OK);
        }
        read += view.count;
    }
    CHECK_INT(read, count);
}

static void commit_refuse(rd_kafka_mock_cluster_t *cluster, rd_kafka_resp_err_t code) {
    rd_kafka_mock_push_request_errors(cluster, 8 /* OffsetCommit */, 1, code);
}

static void committed_check(pinpipe_kafka_consumer *consumer, int64_t t0, int64_t t1, int64_t u0) {
    pinpipe_kafka_offset places[] = {{.topic = pp_str("t"), .partition = 0},
                                     {.topic = pp_str("t"), .partition = 1},
                                     {.topic = pp_str("u"), .partition = 0}};
    CHECK_INT(pinpipe_kafka_consumer_committed(places, 3, consumer, 10000, NULL), PINPIPE_OK);
    CHECK_INT(places[0].offset, t0);
    CHECK_INT(places[1].offset, t1);
    CHECK_INT(places[2].offset, u0);
}

static void test_commits(void) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_kafka_producer *producer = producer_open("ignored:1", "test.mock.num.brokers", "1");
    rd_kafka_mock_cluster_t *cluster = rd_kafka_handle_mock_cluster(handle_of(producer));
    const char *brokers = rd_kafka_mock_cluster_bootstraps(cluster);
    pinpipe_kafka_records *records = NULL, *news = NULL;
    numbers_write(producer, "t", RECORDS, 2); /* once topics are there, the group does not move */
    numbers_write(producer, "u", RECORDS, 1);
    pinpipe_kafka_consumer *consumer = member_open(brokers, "g"), *stranger = member_open(brokers, "other");
    CHECK_INT(pinpipe_kafka_records_new(&records, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_records_new(&news, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_consumer_commit_records(consumer, records, 0, &err), PINPIPE_OK);
    read_on(records, consumer, 2 * RECORDS);
    committed_check(consumer, RECORDS / 2, RECORDS / 2, RECORDS);

    /* Behind the commit; nothing but the answer differs. */
    numbers_write(producer, "t", 10, 1);
    pinpipe_status status = PINPIPE_AGAIN;
    for (int i = 0; i < 100 && status == PINPIPE_AGAIN; i++) {
        status = pinpipe_kafka_consumer_read(records, consumer, NULL, 200, &err);
    }
    CHECK_INT(status, PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_consumer_commit_records(stranger, records, 10000, &err), PINPIPE_PARTIAL);
    commit_refuse(cluster, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS);
    CHECK_INT(pinpipe_kafka_consumer_commit_records(consumer, records, 10000, &err), PINPIPE_PARTIAL);
    CHECK_INT(err.status, PINPIPE_OK);
    commit_refuse(cluster, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    CHECK_INT(pinpipe_kafka_consumer_commit_records(consumer, records, 10000, &err), PINPIPE_EAUTH);
    CHECK_INT(err.native_code, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    CHECK(strcmp(err.service, "kafka") == 0 && strstr(err.message, "committing offsets"));
    committed_check(consumer, RECORDS / 2, RECORDS / 2, RECORDS);

    /* What goes to a second member is not left out before the next read. */
    pinpipe_kafka_consumer *second = member_open(brokers, "g");
    read_on(news, consumer, 0);
    commit_refuse(cluster, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    CHECK_INT(pinpipe_kafka_consumer_commit_records(consumer, records, 10000, &err), PINPIPE_EAUTH);
    pinpipe_kafka_records_free(records);
    pinpipe_kafka_records_free(news);
    pinpipe_kafka_consumer_free(consumer);
    pinpipe_kafka_consumer_free(second);
    pinpipe_kafka_consumer_free(stranger);
    pinpipe_kafka_producer_free(producer);
}

int main(void) {
    test_commits();
    pinpipe_kafka_mock *mock = mock_open(1);
    test_bad_columns();
    test_fatal_error(pinpipe_kafka_mock_brokers(mock).ptr);
    test_fatal_for_good(pinpipe_kafka_mock_brokers(mock).ptr);
    test_full_queue(pinpipe_kafka_mock_brokers(mock).ptr);
    test_fork(pinpipe_kafka_mock_brokers(mock).ptr);
    pinpipe_kafka_mock_free(mock);
    mock = mock_open(4);
    test_results(pinpipe_kafka_mock_brokers(mock).ptr);
    pinpipe_kafka_mock_free(mock);
    return check_report();
}
