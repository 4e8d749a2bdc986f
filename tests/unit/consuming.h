/* Turns recorded answers of a loopback server into a Kinesis consumer of one stream, for tests that read it.
 * Never asks anything but the loopback address.
 * Rules: tests/README.md. */
#ifndef PP_TESTS_CONSUMING_H
#define PP_TESTS_CONSUMING_H

#include "base/buffer.h"
#include "check.h"
#include "kinesis/consumer.h"
#include "loopback.h"

#define LIST .line = "POST", .has = {"Kinesis_20131202.ListShards"}
#define SHARDS_ONE                                                                                           \
    "{\"Shards\":[{\"ShardId\":\"s-0\",\"HashKeyRange\":{\"StartingHashKey\":\"0\",\"EndingHashKey\":"       \
    "\"340282366920938463463374607431768211455\"},\"SequenceNumberRange\":{\"StartingSequenceNumber\":"      \
    "\"1\"}}]}"

static loopback server;

/* By enhanced fan-out where a consumer's ARN is given. */
static inline pinpipe_kinesis_consumer *consumer_begin(const loopback_answer *answers, int count,
                                                       const char *fan_out) {
    char endpoint[64];
    pinpipe_kinesis_options client = PINPIPE_KINESIS_OPTIONS_INIT;
    pinpipe_kinesis_consumer_options options = PINPIPE_KINESIS_CONSUMER_OPTIONS_INIT;
    pinpipe_kinesis_consumer *consumer = NULL;
    server = (loopback){.answers = answers, .count = count};
    CHECK(loopback_begin(&server));
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d", server.port);
    client.endpoint = pp_str(endpoint);
    client.timeout_ms = 1500;
    options.client = &client;
    options.stream = pp_str("stream");
    options.fan_out = pp_str(fan_out ? fan_out : "");
    options.in_flight = 1;
    options.stuck_ms = 400;
    options.idle_ms = 100;
    CHECK_INT(pinpipe_kinesis_consumer_new(&consumer, &options, NULL), PINPIPE_OK);
    return consumer;
}

static inline void consumer_end(pinpipe_kinesis_consumer *consumer, int requests) {
    pinpipe_kinesis_consumer_free(consumer);
    loopback_end(&server);
    CHECK_INT(atomic_load(&server.wrong), 0);
    CHECK_INT(atomic_load(&server.requests), requests);
    if (atomic_load(&server.wrong)) {
        fprintf(stderr, "%s\n", server.note);
    }
}

#endif
