/* Turns a producer that nobody calls into checks of what its thread does: sends in time, ends in time, stays
 * out of a forked child. Never lets the test's own calls move it where the thread is looked at. Rules:
 * docs/kinesis.md, "The producer's thread"; run under the thread sanitizer too. */
#include "check.h"

#if PINPIPE_WITH_KINESIS

#include <sys/wait.h>

#include "base/buffer.h"
#include "io/clock.h"
#include "loopback.h"
#include "pinpipe/kinesis.h"

#define PATIENCE_MS 20000
#define PLACED "{\"SequenceNumber\":\"49\",\"ShardId\":\"shardId-000000000000\"}"

static pinpipe_error err = PINPIPE_ERROR_INIT;
static loopback server;

static const loopback_answer placed = {.line = "PUT /test/streams/s/record", .body = PLACED, .status = 200};
static const loopback_answer throttled = {.line = "PUT /test/streams/s/record",
                                          .body = "{\"__type\":\"ProvisionedThroughputExceededException\"}",
                                          .status = 200};
static const loopback_answer silent = {.line = "PUT /test/streams/s/record", .body = "", .delay_ms = -1};

static void serve(const loopback_answer *answers, int count) {
    server = (loopback){.answers = answers, .count = count, .endless = true};
    CHECK(loopback_begin(&server));
}

static pinpipe_kinesis_producer *producer_new(int64_t linger_ms, int32_t resource) {
    char endpoint[64];
    pinpipe_kinesis_gateway gateway = PINPIPE_KINESIS_GATEWAY_INIT;
    pinpipe_kinesis_producer_options options = PINPIPE_KINESIS_PRODUCER_OPTIONS_INIT;
    pinpipe_kinesis_producer *producer = NULL;
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d/test", server.port);
    gateway.endpoint = pp_str(endpoint);
    gateway.resource = resource;
    options.stream = pp_str("s");
    options.gateway = &gateway;
    options.linger_ms = linger_ms;
    options.in_flight = 1;
    options.reports = PINPIPE_KINESIS_REPORTS_ALL;
    CHECK_INT(pinpipe_kinesis_producer_new(&producer, &options, &err), PINPIPE_OK);
    return producer;
}

static void put(pinpipe_kinesis_producer *producer, int64_t tag) {
    pinpipe_kinesis_record record = PINPIPE_KINESIS_RECORD_INIT;
    record.data = pp_str("1");
    record.partition_key = pp_str("k");
    CHECK_INT(pinpipe_kinesis_producer_write(producer, &record, tag, PATIENCE_MS, &err), PINPIPE_OK);
}

/* Reading a counter moves nothing. */
static void wait_for(const pinpipe_kinesis_producer *producer, int32_t counter, int64_t value) {
    int64_t end_ms = pp_clock_monotonic_ms() + PATIENCE_MS;
    while (pinpipe_kinesis_producer_count(producer, counter) < value && pp_clock_monotonic_ms() < end_ms) {
        loopback_pause(5);
    }
    CHECK_INT(pinpipe_kinesis_producer_count(producer, counter), value);
}

static void test_linger_holds_while_nobody_calls(void) {
    static const loopback_answer answers[] = {
        {.line = "PUT /test/streams/s/records",
         .has = {"partition-key\":\"k\"},{"},
         .body = "{\"FailedRecordCount\":0,\"Records\":[" PLACED "," PLACED "]}",
         .status = 200}};
    serve(answers, 1);
    pinpipe_kinesis_producer *producer = producer_new(200, PINPIPE_KINESIS_GATEWAY_RECORDS);
    int64_t begun_ms = pp_clock_monotonic_ms();
    put(producer, 1);
    put(producer, 2);
    CHECK_INT(pinpipe_kinesis_producer_count(producer, PINPIPE_KINESIS_REQUESTS), 0);
    wait_for(producer, PINPIPE_KINESIS_DELIVERED, 2);
    CHECK(pp_clock_monotonic_ms() - begun_ms >= 200);
    CHECK_INT(atomic_load(&server.requests), 1);
    pinpipe_kinesis_producer_free(producer);
    loopback_end(&server);
    CHECK_INT(atomic_load(&server.wrong), 0);
}

static void test_what_failed_goes_again_while_nobody_calls(void) {
    const loopback_answer answers[] = {throttled, throttled, placed};
    serve(answers, 3);
    pinpipe_kinesis_producer *producer = producer_new(-1, PINPIPE_KINESIS_GATEWAY_RECORD);
    put(producer, 7);
    wait_for(producer, PINPIPE_KINESIS_DELIVERED, 1);
    pinpipe_kinesis_report report;
    CHECK_INT(pinpipe_kinesis_producer_report_next(&report, producer, &err), PINPIPE_OK);
    CHECK_INT(report.tag, 7);
    CHECK_INT(report.attempts, 3);
    put(producer, 8); /* the thread was idle */
    wait_for(producer, PINPIPE_KINESIS_DELIVERED, 2);
    pinpipe_kinesis_producer_free(producer);
    loopback_end(&server);
}

static void test_owner_and_thread_take_turns(void) {
    enum { RECORDS = 60 };
    serve(&placed, 1);
    pinpipe_kinesis_producer *producer = producer_new(-1, PINPIPE_KINESIS_GATEWAY_RECORD);
    pinpipe_kinesis_report report;
    int64_t seen = 0;
    for (int64_t i = 0; i < RECORDS; i++) {
        put(producer, i);
        loopback_pause(i % 3 ? 0 : 30);
        while (i % 5 == 0 && pinpipe_kinesis_producer_report_next(&report, producer, &err) == PINPIPE_OK) {
            CHECK_INT(report.tag, seen++);
        }
    }
    CHECK_INT(pinpipe_kinesis_producer_flush(producer, PATIENCE_MS, &err), PINPIPE_OK);
    while (pinpipe_kinesis_producer_report_next(&report, producer, &err) == PINPIPE_OK) {
        CHECK_INT(report.tag, seen++);
    }
    CHECK_INT(seen, RECORDS);
    CHECK_INT(pinpipe_kinesis_producer_count(producer, PINPIPE_KINESIS_HELD_BYTES), 0);
    pinpipe_kinesis_producer_free(producer);
    loopback_end(&server);
}

static void test_closing_does_not_wait_for_answers(void) {
    serve(&silent, 1);
    pinpipe_kinesis_producer *producer = producer_new(-1, PINPIPE_KINESIS_GATEWAY_RECORD);
    put(producer, 0);
    put(producer, 1);
    wait_for(producer, PINPIPE_KINESIS_REQUESTS, 1);
    int64_t begun_ms = pp_clock_monotonic_ms();
    pinpipe_kinesis_producer_free(producer);
    CHECK(pp_clock_monotonic_ms() - begun_ms < 2000);
    loopback_end(&server);
}

static bool child_is_refused(pinpipe_kinesis_producer *producer) {
    pinpipe_kinesis_record record = PINPIPE_KINESIS_RECORD_INIT;
    pinpipe_kinesis_report report;
    record.data = record.partition_key = pp_str("1");
    bool is_refused = pinpipe_kinesis_producer_write(producer, &record, 0, 100, NULL) == PINPIPE_EFORK &&
                      pinpipe_kinesis_producer_poll(producer, 100, NULL) == PINPIPE_EFORK &&
                      pinpipe_kinesis_producer_flush(producer, 100, NULL) == PINPIPE_EFORK &&
                      pinpipe_kinesis_producer_report_next(&report, producer, NULL) == PINPIPE_EFORK &&
                      pinpipe_kinesis_producer_count(producer, PINPIPE_KINESIS_WRITTEN) > 0;
    pinpipe_kinesis_producer_free(producer);
    return is_refused;
}

static void test_forks_while_the_thread_works(void) {
    enum { FORKS = 20 };
    serve(&placed, 1);
    pinpipe_kinesis_producer *producer = producer_new(-1, PINPIPE_KINESIS_GATEWAY_RECORD);
    for (int64_t i = 0; i < FORKS; i++) {
        int outcome = -1;
        put(producer, i);
        pid_t child = fork();
        if (child == 0) {
            _exit(child_is_refused(producer) ? 0 : 1);
        }
        CHECK_INT(waitpid(child, &outcome, 0), child);
        CHECK_INT(outcome, 0);
    }
    CHECK_INT(pinpipe_kinesis_producer_flush(producer, PATIENCE_MS, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kinesis_producer_count(producer, PINPIPE_KINESIS_DELIVERED), FORKS);
    pinpipe_kinesis_producer_free(producer);
    loopback_end(&server);
}

int main(void) {
    test_linger_holds_while_nobody_calls();
    test_what_failed_goes_again_while_nobody_calls();
    test_owner_and_thread_take_turns();
    test_closing_does_not_wait_for_answers();
    test_forks_while_the_thread_works();
    return check_report();
}

#else

int main(void) {
    return check_report();
}

#endif
