/* Turns steps that Kafka takes back by itself into a count of every offset.
 * Never asks the sink what it stored: sink_count.h does.
 * Rules: docs/sink.md, "Exactly once"; docs/kafka.md, "Consumer" (late answers). */
#include "sink_count.h"

#include "pipeline/sink_state.h"

static pinpipe_kafka_config *config;

/* One partition; files end at 97 lines, or where the test asks for it. */
static pinpipe_sink *history_open(int read_count) {
    setup(1);
    put_numbers(0, RECORDS);
    config = config_new();
    pinpipe_sink_options options = envelope_options(config, "history");
    options.flush_records = 97;
    options.idle_ms = 600000;
    pinpipe_sink *sink = sink_open(&options);
    int64_t deadline_ms = pp_clock_monotonic_ms() + 20000;
    while (pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_READ) < read_count &&
           pp_clock_monotonic_ms() < deadline_ms) {
        CHECK(pinpipe_sink_poll(sink, 100, NULL) >= 0);
    }
    CHECK(pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_READ) >= read_count);
    return sink;
}

/* As librdkafka does it: nobody has told the sink. */
static void go_back(pinpipe_sink *sink, int64_t offset) {
    pinpipe_kafka_offset place = {.topic = pp_str(TOPIC), .offset = offset};
    CHECK_INT(pinpipe_kafka_consumer_seek(sink->consumer, &place, 1, 5000, NULL), PINPIPE_OK);
}

static void poll_for(pinpipe_sink *sink, int64_t time_ms) {
    int64_t deadline_ms = pp_clock_monotonic_ms() + time_ms;
    while (pp_clock_monotonic_ms() < deadline_ms) {
        CHECK(pinpipe_sink_poll(sink, 100, NULL) >= 0);
    }
}

static void all_end(pinpipe_sink *sink, int lines) {
    CHECK_INT(pinpipe_sink_flush(sink, 10000, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_sink_position_at(sink, 0).committed_offset, lines);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_READ), lines);
    pinpipe_sink_free(sink);
    pinpipe_kafka_config_free(config);
    count_all(lines);
    teardown();
}

/* What was read is read again from `offset`, where no object begins, and from each `step` behind it. */
static void test_the_same_history(int64_t offset, int64_t step, int64_t wait_ms) {
    pinpipe_sink *sink = history_open(RECORDS);
    for (; offset < RECORDS; offset += step) {
        go_back(sink, offset);
        poll_for(sink, wait_ms);
    }
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_ROTATIONS_REWIND), 0);
    all_end(sink, RECORDS);
}

/* The last record is another one now: the topic was made anew, and what it holds is stored from there on. */
static void test_another_history(void) {
    pinpipe_sink *sink = history_open(RECORDS);
    sink->partitions[0]->last_crc ^= 1;
    go_back(sink, 480);
    run_until(sink, PINPIPE_SINK_ROTATIONS_REWIND, 1);
    int64_t deadline_ms = pp_clock_monotonic_ms() + 20000;
    while (pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_READ) < RECORDS + 20 &&
           pp_clock_monotonic_ms() < deadline_ms) {
        CHECK(pinpipe_sink_poll(sink, 100, NULL) >= 0);
    }
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_READ), RECORDS + 20);
    CHECK_INT(pinpipe_sink_flush(sink, 10000, NULL), PINPIPE_OK);
    pinpipe_sink_free(sink);
    pinpipe_kafka_config_free(config);
    CHECK_INT(files_in("topics/s.pin/partition=0"), 7); /* 0, 97, … 485, and 480 */
    teardown();
}

int main(void) {
    if (!PINPIPE_WITH_KAFKA) {
        return check_report();
    }
    test_the_same_history(1, RECORDS, 1000);
    test_the_same_history(400, RECORDS, 1000);
    test_the_same_history(1, 150, 300);
    test_another_history();
    return check_report();
}
