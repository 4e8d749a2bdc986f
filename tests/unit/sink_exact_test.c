/* Turns two sinks on one target, objects in the way and commits of every kind into one count of every offset.
 * Never asks the sink what it stored: sink_count.h does.
 * Rules: docs/sink.md, "Exactly once". */
#include "sink_count.h"

/* Another group on the same target believes to own what the first one stores: a zombie with other rotations.
 */
static void test_two_owners(int32_t compression) {
    setup(4);
    put_numbers(0, RECORDS);
    pinpipe_sink_options options = envelope_options(NULL, "first");
    options.compression = compression;
    options.flush_records = 37;
    pinpipe_sink *first = sink_open(&options);
    options.group = pp_str("second");
    options.flush_records = 23;
    pinpipe_sink *second = sink_open(&options);
    int64_t deadline_ms = pp_clock_monotonic_ms() + 30000;
    int64_t ends[2] = {0, 0};
    while ((ends[0] < RECORDS || ends[1] < RECORDS) && pp_clock_monotonic_ms() < deadline_ms) {
        pinpipe_sink *const both[] = {first, second};
        for (int i = 0; i < 2; i++) {
            pinpipe_error err = PINPIPE_ERROR_INIT;
            CHECK(pinpipe_sink_poll(both[i], 20, &err) >= 0);
            ends[i] = 0;
            for (int64_t k = 0; k < pinpipe_sink_position_count(both[i]); k++) {
                ends[i] += pinpipe_sink_position_at(both[i], k).committed_offset;
            }
        }
    }
    CHECK_INT(ends[0], RECORDS);
    CHECK_INT(ends[1], RECORDS);
    count_all(RECORDS);
    CHECK_INT(pinpipe_sink_count(first, PINPIPE_SINK_RECORDS_STORED) +
                  pinpipe_sink_count(second, PINPIPE_SINK_RECORDS_STORED),
              RECORDS);
    for (int i = 0; i < 2; i++) {
        const pinpipe_sink *sink = i ? second : first;
        CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_READ),
                  pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_STORED) +
                      pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_KNOWN) +
                      pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_DROPPED));
    }
    pinpipe_sink_free(first);
    pinpipe_sink_free(second);
    teardown();
}

/* The first dies between its objects and its commit; the next ends its files elsewhere. */
static void test_uncommitted(void) {
    setup(1);
    put_numbers(0, 100);
    pinpipe_sink_options options = envelope_options(NULL, "first");
    options.flush_records = 40;
    options.idle_ms = 600000;
    pinpipe_sink *sink = sink_open(&options);
    run_until(sink, PINPIPE_SINK_RECORDS_STORED, 80);
    pinpipe_sink_free(sink);
    options.group = pp_str("next"); /* it knows of no commit */
    options.flush_records = 50;
    sink = sink_open(&options);
    run_until(sink, PINPIPE_SINK_RECORDS_KNOWN, 80);
    CHECK_INT(pinpipe_sink_flush(sink, 5000, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_OBJECTS_FOUND), 2);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_STORED), 20);
    CHECK_INT(pinpipe_sink_position_at(sink, 0).committed_offset, 100);
    pinpipe_sink_free(sink);
    count_all(100);
    teardown();
}

/* An object that holds something else is never replaced and never passed over. */
static void test_foreign_object(void) {
    setup(1);
    put_numbers(0, 30);
    char path[256] = "", folders[][32] = {"topics", "topics/" TOPIC, "topics/" TOPIC "/partition=0"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, folders[i]);
        CHECK_INT(mkdir(path, 0777), 0);
    }
    snprintf(path, sizeof path, "%s/topics/%s/partition=0/%s+0+0000000000.json", folder, TOPIC, TOPIC);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    if (!file) {
        return;
    }
    fputs("{\"another\":\"history\"}\n", file);
    fclose(file);
    pinpipe_sink_options options = options_of(NULL);
    options.flush_records = 10;
    pinpipe_sink *sink = sink_open(&options);
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_status status = PINPIPE_OK;
    int64_t deadline_ms = pp_clock_monotonic_ms() + 20000;
    while (status >= 0 && pp_clock_monotonic_ms() < deadline_ms) {
        status = pinpipe_sink_poll(sink, 100, &err);
    }
    CHECK_INT(status, PINPIPE_ECONFLICT);
    CHECK(strstr(err.message, "offset 0 in partition=0") != NULL);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_STORED), 0);
    CHECK_INT(remove(path), 0);
    run_until(sink, PINPIPE_SINK_RECORDS_STORED, 30);
    pinpipe_sink_free(sink);
    teardown();
}

/* Files of many folders end at their own times; a sink that is gone leaves a commit that says what lies
 * beyond. */
static void test_folders_and_restart(void) {
    setup(2);
    pinpipe_kafka_config *config = config_new();
    pinpipe_kafka_producer *producer = producer_open();
    for (int i = 0; i < 400; i++) {
        char value[64] = "";
        snprintf(value, sizeof value, "{\"n\":%d,\"kind\":\"k%d\"}", i, i % 10 ? i % 3 : 9);
        put(producer, NULL, pp_str(value));
    }
    CHECK_INT(pinpipe_kafka_producer_flush(producer, 10000, NULL), PINPIPE_OK);
    pinpipe_kafka_producer_free(producer);
    pinpipe_sink_options options = envelope_options(config, "folders");
    options.partitioner = PINPIPE_SINK_PARTITIONER_FIELD;
    options.partition_fields = pp_str("kind");
    options.flush_records = 30;
    options.idle_ms = 600000;
    pinpipe_sink *sink = sink_open(&options);
    run_until(sink, PINPIPE_SINK_RECORDS_READ, 400);
    int64_t deadline_ms = pp_clock_monotonic_ms() + 3000;
    while (pinpipe_sink_count(sink, PINPIPE_SINK_ROTATIONS_COUNT) < 6 &&
           pp_clock_monotonic_ms() < deadline_ms) {
        CHECK(pinpipe_sink_poll(sink, 50, NULL) >= 0);
    }
    pinpipe_sink_free(sink);
    count_all(-1);
    int64_t stored = lines_total;
    CHECK(stored > 100 && stored < 400);
    sink = sink_open(&options);
    deadline_ms = pp_clock_monotonic_ms() + 20000;
    while (pinpipe_sink_position_count(sink) < 2 && pp_clock_monotonic_ms() < deadline_ms) {
        CHECK(pinpipe_sink_poll(sink, 50, NULL) >= 0);
    }
    int64_t ends = 0;
    while (ends < 400 && pp_clock_monotonic_ms() < deadline_ms) {
        CHECK(pinpipe_sink_poll(sink, 50, NULL) >= 0);
        ends = 0;
        for (int64_t i = 0; i < pinpipe_sink_position_count(sink); i++) {
            ends += pinpipe_sink_position_at(sink, i).read_offset;
        }
    }
    CHECK_INT(pinpipe_sink_flush(sink, 5000, NULL), PINPIPE_OK);
    CHECK(pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_KNOWN) > 0);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_STORED), 400 - stored);
    CHECK_INT(files_in("topics/s.pin"), 4);
    pinpipe_sink_free(sink);
    pinpipe_kafka_config_free(config);
    count_all(400);
    teardown();
}

/* More folders than a commit can tell of: all are stored, and the commit comes. */
static void test_too_many_folders(void) {
    enum { FOLDERS = 300, ALL = 2 + 2 * FOLDERS + 1 };
    setup(1);
    pinpipe_kafka_producer *producer = producer_open();
    for (int i = 0; i < ALL; i++) {
        char value[64] = "";
        /* Two folders stay open while all others fill up; then the first fills up, too, and the commit moves.
         */
        int kind = i == 0 || i == ALL - 1 ? -1 : i == 1 ? -2 : i / 2;
        snprintf(value, sizeof value, "{\"n\":%d,\"kind\":%d}", i, kind);
        put(producer, NULL, pp_str(value));
    }
    CHECK_INT(pinpipe_kafka_producer_flush(producer, 10000, NULL), PINPIPE_OK);
    pinpipe_kafka_producer_free(producer);
    pinpipe_sink_options options = options_of(NULL);
    options.partitioner = PINPIPE_SINK_PARTITIONER_FIELD;
    options.partition_fields = pp_str("kind");
    options.flush_records = 2;
    options.idle_ms = 600000;
    pinpipe_sink *sink = sink_open(&options);
    int64_t deadline_ms = pp_clock_monotonic_ms() + 20000;
    while (pinpipe_sink_count(sink, PINPIPE_SINK_ROTATIONS_FOLDERS) == 0 &&
           pp_clock_monotonic_ms() < deadline_ms) {
        CHECK(pinpipe_sink_poll(sink, 50, NULL) >= 0);
    }
    CHECK(pinpipe_sink_count(sink, PINPIPE_SINK_ROTATIONS_FOLDERS) > 0);
    CHECK_INT(pinpipe_sink_flush(sink, 10000, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_sink_position_at(sink, 0).committed_offset, ALL);
    pinpipe_sink_free(sink);
    teardown();
}

static void test_policies(void) {
    setup(1);
    pinpipe_kafka_producer *producer = producer_open();
    put(producer, "a", pp_str("{\"k\":1}"));
    put(producer, "b", (pinpipe_str){NULL, 0});
    put(producer, "c", pp_str(""));
    put(producer, "\xff", pp_str("{\"k\":2}"));
    put_headed(producer, pp_str("\xff\n\xfe"));
    CHECK_INT(pinpipe_kafka_producer_flush(producer, 5000, NULL), PINPIPE_OK);
    pinpipe_kafka_producer_free(producer);
    pinpipe_sink_options options = envelope_options(NULL, "policies");
    options.unreadable_values = PINPIPE_SINK_POLICY_SKIP;
    pinpipe_sink *sink = sink_open(&options);
    run_until(sink, PINPIPE_SINK_RECORDS_STORED, 4);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_SKIPPED), 1);
    pinpipe_sink_free(sink);
    pinpipe_buf lines = file_read("topics/s.pin/partition=0/s.pin+0+0000000000.json");
    CHECK_TEXT(
        lines.ptr, lines.len,
        "{\"topic\":\"s.pin\",\"partition\":0,\"offset\":0,\"timestamp_ms\":1600000000000,\"key\":\"a\","
        "\"headers\":[],\"value\":{\"k\":1}}\n"
        "{\"topic\":\"s.pin\",\"partition\":0,\"offset\":1,\"timestamp_ms\":1600000000000,\"key\":\"b\","
        "\"headers\":[],\"value\":null}\n"
        "{\"topic\":\"s.pin\",\"partition\":0,\"offset\":3,\"timestamp_ms\":1600000000000,"
        "\"key_b64\":\"/w==\",\"headers\":[],\"value\":{\"k\":2}}\n"
        "{\"topic\":\"s.pin\",\"partition\":0,\"offset\":4,\"timestamp_ms\":1600000000000,\"key\":null,"
        "\"headers\":[{\"name\":\"a\",\"value\":\"1\"},{\"name\":\"a\",\"value\":null},"
        "{\"name\":\"b\",\"value_b64\":\"/w==\"}],\"value_b64\":\"/wr+\"}\n");
    pinpipe_buf_reset(&lines);

    options = options_of(NULL);
    options.group = pp_str("failing");
    options.topics_dir = pp_str("other");
    options.null_values = PINPIPE_SINK_POLICY_FAIL;
    sink = sink_open(&options);
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_status status = PINPIPE_OK;
    int64_t deadline_ms = pp_clock_monotonic_ms() + 20000;
    while (status >= 0 && pp_clock_monotonic_ms() < deadline_ms) {
        status = pinpipe_sink_poll(sink, 100, &err);
    }
    CHECK_INT(status, PINPIPE_EDATA);
    CHECK(strstr(err.message, "s.pin [0] offset 1: null value") != NULL);
    CHECK_INT(pinpipe_sink_flush(sink, 5000, &err), PINPIPE_EDATA);
    pinpipe_sink_free(sink);
    teardown();
}

int main(void) {
    if (!PINPIPE_WITH_KAFKA) {
        return check_report();
    }
    test_two_owners(PINPIPE_SINK_COMPRESSION_GZIP);
    test_two_owners(PINPIPE_SINK_COMPRESSION_ZSTD);
    test_uncommitted();
    test_foreign_object();
    test_folders_and_restart();
    test_too_many_folders();
    test_policies();
    return check_report();
}
