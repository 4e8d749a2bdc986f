/* Turns an embedded cluster and a folder into the two ends of a sink that a test looks at.
 * Never leaves the folder behind.
 * Rules: docs/sink.md. */
#ifndef PP_TESTS_SINKING_H
#define PP_TESTS_SINKING_H

#include "check.h"

#include <dirent.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "io/clock.h"
#include "pinpipe/kafka_batch.h"
#include "pinpipe/sink.h"

#define TOPIC "s.pin"

static char folder[64];
static char target[128];
static pinpipe_kafka_mock *mock;

static inline int entry_remove(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

static inline void setup(int32_t partitions) {
    pinpipe_kafka_topic_options topic = PINPIPE_KAFKA_TOPIC_OPTIONS_INIT;
    snprintf(folder, sizeof folder, "/tmp/pinpipe-sink-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    snprintf(target, sizeof target, "file://%s", folder);
    CHECK_INT(pinpipe_kafka_mock_new(&mock, 1, NULL), PINPIPE_OK);
    topic.name = pp_str(TOPIC);
    topic.partition_count = partitions;
    CHECK_INT(pinpipe_kafka_mock_topic_create(mock, &topic, NULL), PINPIPE_OK);
}

static inline void teardown(void) {
    pinpipe_kafka_mock_free(mock);
    nftw(folder, entry_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static inline pinpipe_kafka_producer *producer_open(void) {
    pinpipe_kafka_producer *producer = NULL;
    CHECK_INT(pinpipe_kafka_producer_new(&producer, pinpipe_kafka_mock_brokers(mock), NULL, NULL),
              PINPIPE_OK);
    return producer;
}

static inline void put(pinpipe_kafka_producer *producer, const char *key, pinpipe_str value) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_kafka_record record = PINPIPE_KAFKA_RECORD_INIT;
    record.topic = pp_str(TOPIC);
    record.key = pp_str(key);
    record.value = value;
    record.timestamp_ms = 1600000000000;
    CHECK_INT(pinpipe_kafka_producer_write(producer, &record, 5000, &err), PINPIPE_OK);
}

/* A record with the headers a = "1", a = null and b = the byte 0xff. */
static inline void put_headed(pinpipe_kafka_producer *producer, pinpipe_str value) {
    static const int64_t lists[] = {0, 3}, name_ends[] = {0, 1, 2, 3}, value_ends[] = {0, 1, 1, 2};
    static const uint8_t validity = 5;
    const int64_t ends[] = {0, (int64_t)value.len};
    const int64_t time_ms = 1600000000000;
    pinpipe_kafka_delivery *delivery = NULL;
    pinpipe_kafka_columns columns = PINPIPE_KAFKA_COLUMNS_INIT;
    columns.topic = pp_str(TOPIC);
    columns.count = 1;
    columns.timestamps_ms = &time_ms;
    columns.values = (pinpipe_kafka_column){value.ptr, ends, NULL, 0, ends[1], 8, 0};
    columns.header_lists = (pinpipe_kafka_column){NULL, lists, NULL, 0, 3, 8, 0};
    columns.header_names = (pinpipe_kafka_column){"aab", name_ends, NULL, 0, 3, 8, 0};
    columns.header_values = (pinpipe_kafka_column){"1\xff", value_ends, &validity, 0, 2, 8, 0};
    CHECK_INT(pinpipe_kafka_delivery_new(&delivery, &columns, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_producer_write_batch(producer, delivery, 5000, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_producer_wait_batch(producer, delivery, 5000, NULL), PINPIPE_OK);
    pinpipe_kafka_delivery_free(delivery);
}

static inline void put_numbers(int first, int count) {
    pinpipe_kafka_producer *producer = producer_open();
    for (int i = first; i < first + count; i++) {
        char value[64] = "";
        char key[16] = "";
        snprintf(value, sizeof value, "{\"n\": %d, \"text\":\"caf\xc3\xa9\"}", i);
        snprintf(key, sizeof key, "%d", i);
        put(producer, key, pp_str(value));
    }
    CHECK_INT(pinpipe_kafka_producer_flush(producer, 10000, NULL), PINPIPE_OK);
    pinpipe_kafka_producer_free(producer);
}

static inline pinpipe_sink_options options_of(pinpipe_kafka_config *config) {
    pinpipe_sink_options options = PINPIPE_SINK_OPTIONS_INIT;
    options.brokers = pinpipe_kafka_mock_brokers(mock);
    options.topics = pp_str("s\\..*");
    options.target = pp_str(target);
    options.config = config;
    options.idle_ms = 300;
    return options;
}

/* The mock cluster lets a group's next member wait for the session of the one that left. */
static inline pinpipe_kafka_config *config_new(void) {
    pinpipe_kafka_config *config = NULL;
    CHECK_INT(pinpipe_kafka_config_new(&config, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str("session.timeout.ms"), pp_str("4000"), NULL),
              PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str("heartbeat.interval.ms"), pp_str("500"), NULL),
              PINPIPE_OK);
    return config;
}

static inline pinpipe_sink *sink_open(const pinpipe_sink_options *options) {
    pinpipe_sink *sink = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    CHECK_INT(pinpipe_sink_open(&sink, options, &err), PINPIPE_OK);
    return sink;
}

/* Options that are none: the error names what is wrong. */
static inline void refuse(const pinpipe_sink_options *options, const char *named) {
    pinpipe_sink *sink = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    CHECK_INT(pinpipe_sink_open(&sink, options, &err), PINPIPE_EINVAL);
    CHECK(sink == NULL && strstr(err.message, named) != NULL);
}

/* Polls until a counter has its value. */
static inline void run_until(pinpipe_sink *sink, int32_t counter, int64_t value) {
    int64_t deadline_ms = pp_clock_monotonic_ms() + 20000;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_status status = PINPIPE_OK;
    while (status >= 0 && pinpipe_sink_count(sink, counter) < value &&
           pp_clock_monotonic_ms() < deadline_ms) {
        status = pinpipe_sink_poll(sink, 100, &err);
    }
    CHECK(status >= 0);
    CHECK_INT(pinpipe_sink_count(sink, counter), value);
}

static inline pinpipe_buf file_read(const char *name) {
    char path[512] = "";
    pinpipe_buf content = PINPIPE_BUF_INIT;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    char block[4096];
    size_t count = 0;
    while (file && (count = fread(block, 1, sizeof block, file)) > 0) {
        CHECK_INT(pp_buf_append(&content, block, count, NULL), PINPIPE_OK);
    }
    if (file) {
        fclose(file);
    }
    return content;
}

static inline int files_in(const char *name) {
    char path[512] = "";
    snprintf(path, sizeof path, "%s/%s", folder, name);
    DIR *entries = opendir(path);
    int count = 0;
    for (struct dirent *entry = entries ? readdir(entries) : NULL; entry; entry = readdir(entries)) {
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    if (entries) {
        closedir(entries);
    }
    return count;
}

#endif
