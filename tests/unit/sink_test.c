/* Turns records of the embedded cluster into files, and checks every line, every rotation and every commit.
 * Never needs a server beside the process; real brokers and stores are tests/integration's.
 * Rules: docs/sink.md. */
#include "sinking.h"

static void test_rotation_and_restart(void) {
    setup(1);
    pinpipe_kafka_config *config = config_new();
    pinpipe_sink_options options = options_of(config);
    options.flush_records = 40;
    put_numbers(0, 100);
    pinpipe_sink *sink = sink_open(&options);
    run_until(sink, PINPIPE_SINK_RECORDS_STORED, 100);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_OBJECTS_STORED), 3);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_ROTATIONS_COUNT), 2);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_ROTATIONS_IDLE), 1);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_BYTES_BUFFERED), 0);
    CHECK_INT(pinpipe_sink_position_count(sink), 1);
    pinpipe_sink_position position = pinpipe_sink_position_at(sink, 0);
    CHECK_TEXT(position.topic.ptr, position.topic.len, TOPIC);
    CHECK_INT(position.stored_offset, 100);
    CHECK_INT(position.committed_offset, 100);

    pinpipe_buf expected = PINPIPE_BUF_INIT;
    for (int i = 40; i < 80; i++) {
        CHECK_INT(pp_buf_printf(&expected, NULL, "{\"n\": %d, \"text\":\"caf\xc3\xa9\"}\n", i), PINPIPE_OK);
    }
    pinpipe_buf content = file_read("topics/s.pin/partition=0/s.pin+0+0000000040.json");
    CHECK(pp_str_equal(pp_buf_view(&content), pp_buf_view(&expected)));
    pinpipe_buf_reset(&content);
    pinpipe_buf_reset(&expected);

    /* Read but not stored: another sink of the group must get them again. */
    put_numbers(100, 5);
    run_until(sink, PINPIPE_SINK_RECORDS_READ, 105);
    pinpipe_sink_free(sink);
    sink = sink_open(&options);
    run_until(sink, PINPIPE_SINK_RECORDS_READ, 5);
    CHECK_INT(pinpipe_sink_flush(sink, 5000, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_STORED), 5);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_ROTATIONS_FLUSH), 1);
    CHECK_INT(files_in("topics/s.pin/partition=0"), 4);
    CHECK_INT(pinpipe_sink_flush(sink, 0, NULL), PINPIPE_OK);
    pinpipe_sink_free(sink);
    pinpipe_kafka_config_free(config);
    teardown();
}

static void test_rejects_and_nulls(void) {
    setup(1);
    pinpipe_sink_options options = options_of(NULL);
    pinpipe_kafka_producer *producer = producer_open();
    put(producer, "a", pp_str("{\"a\":1}"));
    put(producer, "b", (pinpipe_str){NULL, 0});
    put(producer, "c", pp_str("{\n\"a\": 2}"));
    put(producer, NULL, pp_str(""));
    put(producer, "d", pp_str("{\"a\":3}"));
    put(producer, "e", (pinpipe_str){NULL, 0});
    CHECK_INT(pinpipe_kafka_producer_flush(producer, 5000, NULL), PINPIPE_OK);
    pinpipe_kafka_producer_free(producer);

    pinpipe_sink *sink = sink_open(&options);
    run_until(sink, PINPIPE_SINK_OBJECTS_STORED, 2);
    CHECK_INT(pinpipe_sink_flush(sink, 5000, NULL), PINPIPE_OK); /* what is stored is committed too */
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_STORED), 2);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_READ), 6);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_NULL), 2);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_REJECTED), 2);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_OBJECTS_STORED), 2);
    CHECK_INT(pinpipe_sink_position_at(sink, 0).committed_offset, 6);
    pinpipe_buf lines = file_read("topics/s.pin/partition=0/s.pin+0+0000000000.json");
    CHECK_TEXT(lines.ptr, lines.len, "{\"a\":1}\n{\"a\":3}\n");
    pinpipe_buf rejects = file_read("rejects/s.pin/partition=0/s.pin+0+0000000002.json");
    CHECK_TEXT(
        rejects.ptr, rejects.len,
        "{\"offset\":2,\"timestamp_ms\":1600000000000,\"reason\":\"newline in value\",\"key_b64\":\"Yw==\","
        "\"data_b64\":\"ewoiYSI6IDJ9\"}\n"
        "{\"offset\":3,\"timestamp_ms\":1600000000000,\"reason\":\"empty value\",\"key_b64\":null,"
        "\"data_b64\":\"\"}\n");
    pinpipe_buf_reset(&lines);
    pinpipe_buf_reset(&rejects);
    pinpipe_sink_free(sink);
    teardown();
}

static void test_memory_bound(void) {
    setup(16);
    pinpipe_sink_options options = options_of(NULL);
    options.idle_ms = 600000;
    options.max_buffered_bytes = 1 << 16;
    put_numbers(0, 8000); /* about 250 KB */
    pinpipe_sink *sink = sink_open(&options);
    run_until(sink, PINPIPE_SINK_RECORDS_READ, 8000);
    CHECK(pinpipe_sink_count(sink, PINPIPE_SINK_BYTES_BUFFERED_MAX) <= 1 << 16);
    CHECK(pinpipe_sink_count(sink, PINPIPE_SINK_ROTATIONS_MEMORY) >= 4);
    CHECK_INT(pinpipe_sink_flush(sink, 5000, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_STORED), 8000);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_OFFSETS_SKIPPED), 0);
    pinpipe_sink_free(sink);
    teardown();
}

static void test_bytes_and_topics_folder(void) {
    setup(1);
    pinpipe_sink_options options = options_of(NULL);
    char named[160] = "";
    snprintf(named, sizeof named, "%s/topics/", target);
    options.target = pp_str(named);
    options.flush_bytes = 1000;
    put_numbers(0, 200);
    pinpipe_sink *sink = sink_open(&options);
    run_until(sink, PINPIPE_SINK_RECORDS_STORED, 200);
    CHECK(pinpipe_sink_count(sink, PINPIPE_SINK_ROTATIONS_BYTES) >= 5);
    CHECK_INT(files_in("topics/s.pin/partition=0"), pinpipe_sink_count(sink, PINPIPE_SINK_OBJECTS_STORED));
    pinpipe_sink_free(sink);
    teardown();
}

/* A store that refuses for good is told at once, one that may come back after the patience; nothing is
 * committed, and when the store is whole again everything arrives. */
static void test_failing_store(void) {
    setup(1);
    pinpipe_sink_options options = options_of(NULL);
    pinpipe_error err = PINPIPE_ERROR_INIT;
    options.flush_records = 10;
    char blocker[128] = "";
    snprintf(blocker, sizeof blocker, "%s/topics", folder);
    FILE *file = fopen(blocker, "w");
    CHECK(file != NULL && fclose(file) == 0);
    put_numbers(0, 35);
    pinpipe_sink *sink = sink_open(&options);
    pinpipe_status status = PINPIPE_OK;
    int64_t deadline_ms = pp_clock_monotonic_ms() + 20000;
    while (status >= 0 && pp_clock_monotonic_ms() < deadline_ms) {
        status = pinpipe_sink_poll(sink, 100, &err);
    }
    CHECK_INT(status, PINPIPE_EIO);
    CHECK(strstr(err.message, "topics") != NULL);
    CHECK(pinpipe_sink_flush(sink, 100, &err) < 0);
    CHECK_INT(pinpipe_sink_position_at(sink, 0).committed_offset, -1);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_STORED), 0);
    CHECK_INT(remove(blocker), 0);
    run_until(sink, PINPIPE_SINK_RECORDS_STORED, 35);
    CHECK_INT(pinpipe_sink_position_at(sink, 0).committed_offset, 35);
    CHECK_INT(files_in("topics/s.pin/partition=0"), 4);
    pinpipe_sink_free(sink);
    teardown();
}

static void test_store_retries(void) {
    if (!PINPIPE_WITH_S3) {
        return;
    }
    setup(1);
    pinpipe_sink_options options = options_of(NULL);
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_credentials *credentials = NULL;
    pinpipe_s3 *s3 = NULL;
    pinpipe_credentials_options keys = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    keys.access_key_id = pp_str("AKIDEXAMPLE");
    keys.secret_access_key = pp_str("secret");
    CHECK_INT(pinpipe_credentials_new(&credentials, &keys, &err), PINPIPE_OK);
    pinpipe_s3_options store = PINPIPE_S3_OPTIONS_INIT;
    store.credentials = credentials;
    store.endpoint = pp_str("http://127.0.0.1:1");
    store.attempts_max = 1;
    CHECK_INT(pinpipe_s3_new(&s3, &store, &err), PINPIPE_OK);
    options.s3 = s3;
    options.target = pp_str("s3://bucket/topics");
    options.store_timeout_ms = 600;
    put_numbers(0, 5);
    pinpipe_sink *sink = sink_open(&options);
    pinpipe_status status = PINPIPE_OK;
    int64_t deadline_ms = pp_clock_monotonic_ms() + 20000;
    while (status >= 0 && pp_clock_monotonic_ms() < deadline_ms) {
        status = pinpipe_sink_poll(sink, 100, &err);
    }
    CHECK_INT(status, PINPIPE_ENET);
    CHECK(pinpipe_sink_count(sink, PINPIPE_SINK_STORE_RETRIES) >= 2);
    CHECK_INT(pinpipe_sink_flush(sink, 200, &err), PINPIPE_ENET);
    CHECK_INT(pinpipe_sink_position_at(sink, 0).committed_offset, -1);
    pinpipe_sink_free(sink);
    pinpipe_s3_free(s3);
    pinpipe_credentials_free(credentials);
    teardown();
}

/* Records that the cluster has thrown away before they were read are counted, not passed over in silence. */
static void test_skipped_offsets(void) {
    enum { LATE = 9000, VALUE_BYTES = 1024 };
    setup(1);
    pinpipe_kafka_config *config = config_new();
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str("queued.max.messages.kbytes"), pp_str("64"), NULL),
              PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str("fetch.message.max.bytes"), pp_str("65536"), NULL),
              PINPIPE_OK);
    pinpipe_sink_options options = options_of(config);
    put_numbers(0, 10);
    pinpipe_sink *sink = sink_open(&options);
    run_until(sink, PINPIPE_SINK_RECORDS_STORED, 10);
    char value[VALUE_BYTES];
    memset(value, '7', sizeof value);
    pinpipe_kafka_producer *producer = producer_open();
    for (int i = 0; i < LATE; i++) {
        put(producer, NULL, (pinpipe_str){value, sizeof value});
    }
    CHECK_INT(pinpipe_kafka_producer_flush(producer, 10000, NULL), PINPIPE_OK);
    pinpipe_kafka_producer_free(producer);
    int64_t deadline_ms = pp_clock_monotonic_ms() + 20000;
    while (pinpipe_sink_position_at(sink, 0).read_offset < LATE + 10 &&
           pp_clock_monotonic_ms() < deadline_ms) {
        CHECK(pinpipe_sink_poll(sink, 100, NULL) >= 0);
    }
    int64_t skipped = pinpipe_sink_count(sink, PINPIPE_SINK_OFFSETS_SKIPPED);
    CHECK(skipped > 1000);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_READ) + skipped, LATE + 10);
    pinpipe_sink_free(sink);
    pinpipe_kafka_config_free(config);
    teardown();
}

static void test_options(void) {
    setup(1);
    pinpipe_sink_options options = options_of(NULL);
    options.flush_records = -1;
    refuse(&options, "flush_records -1");
    options = options_of(NULL);
    options.target = pp_str("ftp://x/y");
    refuse(&options, "ftp://x/y");
    options.target = pp_str("file://relative");
    refuse(&options, "relative");
    options.target = pp_str("s3:///x");
    refuse(&options, "bucket");
    options.target = (pinpipe_str){NULL, 0};
    refuse(&options, "target");
    options = options_of(NULL);
    options.brokers = pp_str("");
    refuse(&options, "brokers");
    options = options_of(NULL);
    options.topics = pp_str("s(");
    refuse(&options, "s(");
    pinpipe_kafka_config *config = config_new();
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str("enable.auto.commit"), pp_str("true"), NULL),
              PINPIPE_OK);
    options = options_of(config);
    refuse(&options, "enable.auto.commit");
    pinpipe_kafka_config_free(config);
    CHECK(strcmp(pinpipe_sink_counter_name(PINPIPE_SINK_RECORDS_STORED), "records_stored") == 0);
    CHECK(pinpipe_sink_counter_name(-1) == NULL &&
          pinpipe_sink_counter_text(PINPIPE_SINK_COUNTER_COUNT) == NULL);
    teardown();
}

static void test_fork(void) {
    setup(1);
    pinpipe_sink_options options = options_of(NULL);
    pinpipe_sink *sink = sink_open(&options);
    pid_t child = fork();
    if (child == 0) {
        bool forked = pinpipe_sink_poll(sink, 10, NULL) == PINPIPE_EFORK &&
                      pinpipe_sink_flush(sink, 10, NULL) == PINPIPE_EFORK;
        pinpipe_sink_free(sink);
        _exit(forked ? 0 : 1);
    }
    int outcome = -1;
    CHECK_INT(waitpid(child, &outcome, 0), child);
    CHECK_INT(outcome, 0);
    pinpipe_sink_free(sink);
    teardown();
}

static void test_absent(void) {
    pinpipe_sink_options options = PINPIPE_SINK_OPTIONS_INIT;
    pinpipe_sink *sink = NULL;
    options.brokers = pp_str("h:1");
    options.topics = pp_str("t");
    options.target = pp_str("file:///tmp/x");
    CHECK_INT(pinpipe_sink_open(&sink, &options, NULL), PINPIPE_ENOTSUP);
    CHECK(sink == NULL);
}

int main(void) {
    if (!PINPIPE_WITH_KAFKA) {
        test_absent();
        return check_report();
    }
    test_options();
    test_rotation_and_restart();
    test_rejects_and_nulls();
    test_memory_bound();
    test_bytes_and_topics_folder();
    test_failing_store();
    test_store_retries();
    test_skipped_offsets();
    test_fork();
    return check_report();
}
