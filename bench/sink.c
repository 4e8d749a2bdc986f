/* Turns a topic into objects by the sink, or into nothing by its consumer, and says what the whole process
 * took. Never counts what comes before the group is joined or after the last record is stored. Rules:
 * docs/performance.md, "The object sink". */
#include "measure.h"

#include <pinpipe/sink.h>

#define POLL_MS 100
#define WAIT_S 600

typedef struct job {
    const char *brokers, *topic, *group, *target, *compression, *field;
    int64_t records, flush_records;
    int32_t workers;
} sink_job;

/* "name=value" of the command line. */
static const char *word(int argc, char **argv, const char *name, const char *fallback) {
    size_t len = strlen(name);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], name, len) == 0 && argv[i][len] == '=') {
            return argv[i] + len + 1;
        }
    }
    return fallback;
}

/* What reading alone takes. */
static int64_t drop(const sink_job *job) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_kafka_consumer *consumer = NULL;
    pinpipe_kafka_consumer_options options = PINPIPE_KAFKA_CONSUMER_OPTIONS_INIT;
    pinpipe_kafka_batch batch = PINPIPE_KAFKA_BATCH_INIT;
    int64_t count = 0;
    options.brokers = pinpipe_str_of(job->brokers);
    options.topics = pinpipe_str_of(job->topic);
    options.group = pinpipe_str_of(job->group);
    require(pinpipe_kafka_consumer_new(&consumer, &options, NULL, &err), &err);
    time_t begun = time(NULL);
    while (count < job->records && time(NULL) - begun < WAIT_S) {
        require(pinpipe_kafka_consumer_poll(&batch, consumer, POLL_MS, &err), &err);
        count += batch.message_count;
    }
    return count;
}

static int64_t store(const sink_job *job) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_sink *sink = NULL;
    pinpipe_sink_options options = PINPIPE_SINK_OPTIONS_INIT;
    options.brokers = pinpipe_str_of(job->brokers);
    options.topics = pinpipe_str_of(job->topic);
    options.group = pinpipe_str_of(job->group);
    options.target = pinpipe_str_of(job->target);
    options.flush_records = job->flush_records;
    options.workers = job->workers;
    if (job->field[0]) {
        options.partitioner = PINPIPE_SINK_PARTITIONER_FIELD;
        options.partition_fields = pinpipe_str_of(job->field);
    }
    options.compression = strcmp(job->compression, "gzip") == 0   ? PINPIPE_SINK_COMPRESSION_GZIP
                          : strcmp(job->compression, "zstd") == 0 ? PINPIPE_SINK_COMPRESSION_ZSTD
                                                                  : PINPIPE_SINK_COMPRESSION_NONE;
    require(pinpipe_sink_open(&sink, &options, &err), &err);
    time_t begun = time(NULL);
    while (pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_READ) < job->records &&
           time(NULL) - begun < WAIT_S) {
        require(pinpipe_sink_poll(sink, POLL_MS, &err), &err);
    }
    require(pinpipe_sink_flush(sink, 60000, &err), &err);
    return pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_STORED);
}

int main(int argc, char **argv) {
    sink_job wanted = {.brokers = word(argc, argv, "brokers", ""),
                       .topic = word(argc, argv, "topic", ""),
                       .group = word(argc, argv, "group", "bench"),
                       .target = word(argc, argv, "target", ""),
                       .compression = word(argc, argv, "compression", "none"),
                       .field = word(argc, argv, "field", ""),
                       .records = strtoll(word(argc, argv, "records", "0"), NULL, 10),
                       .flush_records = strtoll(word(argc, argv, "flush", "10000"), NULL, 10),
                       .workers = (int32_t)strtol(word(argc, argv, "workers", "0"), NULL, 10)};
    peak_reset();
    measurement before = measure();
    int64_t records = wanted.target[0] ? store(&wanted) : drop(&wanted);
    measurement after = measure();
    printf("{\"records\": %lld, \"cpu_s\": %.6f, \"peak_kib\": %ld, \"rows\": %lld}\n", (long long)records,
           after.cpu_s - before.cpu_s, peak_kib(), (long long)records);
    fflush(stdout);
    _Exit(records >= wanted.records ? 0 : 1); /* the group's farewell is not part of it */
}
