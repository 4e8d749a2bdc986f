/* Turns event streams, and answers to subscriptions, into checks of what the Kinesis consumer makes of them.
 * Never waits for the silence that it is about: the clock's last event is set back. Rules: docs/kinesis.md,
 * "Enhanced fan-out"; Smithy, "Amazon Event Stream", whose empty message is a vector. */
#include "counting_memory.h"

#include "aws/event_stream.h"
#include "base/buffer.h"
#include "base/checksum.h"

static pinpipe_error err = PINPIPE_ERROR_INIT;

static void byte_put(char *out, size_t *len, int byte) {
    out[(*len)++] = (char)(unsigned char)byte;
}

static void u32_put(char *to, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        to[i] = (char)(unsigned char)(value >> (24 - 8 * i));
    }
}

static void header_put(char *out, size_t *len, const char *name, const char *value) {
    byte_put(out, len, (int)strlen(name));
    memcpy(out + *len, name, strlen(name));
    *len += strlen(name);
    byte_put(out, len, 7);
    byte_put(out, len, 0);
    byte_put(out, len, (int)strlen(value));
    memcpy(out + *len, value, strlen(value));
    *len += strlen(value);
}

/* A message with its checksums; its length. */
static size_t event_write(char out[512], const char *kind, const char *name, const char *payload) {
    size_t len = 12;
    header_put(out, &len, ":message-type", kind);
    byte_put(out, &len, 1); /* a header that nobody asks for: "x", a true */
    byte_put(out, &len, 'x');
    byte_put(out, &len, 0);
    header_put(out, &len, strcmp(kind, "event") == 0 ? ":event-type" : ":exception-type", name);
    u32_put(out + 4, (uint32_t)(len - 12));
    memcpy(out + len, payload, strlen(payload));
    len += strlen(payload);
    u32_put(out, (uint32_t)len + 4);
    u32_put(out + 8, pp_crc32(0, out, 8));
    u32_put(out + len, pp_crc32(0, out, len));
    return len + 4;
}

/* Cut anywhere, a message is waited for; with any byte changed it is none. */
static void test_events(void) {
    static const char empty[] = "\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2\x48\xeb\x7d\x98\xc8\xff";
    char text[512];
    pp_event event;
    size_t taken = 0, len = event_write(text, "event", "SubscribeToShardEvent", "{}");
    CHECK_INT(pp_event_read(&event, &taken, (pinpipe_str){empty, 16}, &err), PINPIPE_OK);
    CHECK(taken == 16 && event.payload.len == 0 && event.kind.len == 0);
    for (size_t cut = 0; cut < len; cut++) {
        CHECK_INT(pp_event_read(&event, &taken, (pinpipe_str){text, cut}, &err), PINPIPE_AGAIN);
    }
    CHECK_INT(pp_event_read(&event, &taken, (pinpipe_str){text, len}, &err), PINPIPE_OK);
    CHECK(taken == len);
    CHECK_TEXT(event.kind.ptr, event.kind.len, "event");
    CHECK_TEXT(event.name.ptr, event.name.len, "SubscribeToShardEvent");
    CHECK_TEXT(event.payload.ptr, event.payload.len, "{}");
    for (size_t at = 0; at < len; at++) {
        text[at] = (char)(text[at] ^ 0x10);
        CHECK_INT(pp_event_read(&event, &taken, (pinpipe_str){text, len}, &err), PINPIPE_EDATA);
        text[at] = (char)(text[at] ^ 0x10);
    }
}

#if PINPIPE_WITH_KINESIS

#include "consuming.h"

#define ARN "arn:aws:kinesis:eu-west-1:1:stream/stream/consumer/c:1"
#define SUBSCRIBE(...) .line = "POST", .has = {"Kinesis_20131202.SubscribeToShard", __VA_ARGS__}

/* Lets the consumer move until its shard's last error says so. */
static void error_wait(pinpipe_kinesis_consumer *consumer, pinpipe_kinesis_records *records,
                       const char *text) {
    bool is_said = false;
    for (int i = 0; i < 100 && !is_said; i++) {
        pinpipe_status status = pinpipe_kinesis_consumer_read(records, consumer, NULL, 50, &err);
        CHECK(status == PINPIPE_AGAIN || pinpipe_status_retriable(status) || status == PINPIPE_EDATA);
        const char *said = consumer->shards[0]->error.ptr;
        is_said = said && strstr(said, text);
    }
    CHECK(is_said);
}

static void test_subscriptions_end(void) {
    static const char busy[] = "{\"__type\":\"ResourceInUseException\",\"message\":\"no\"}";
    const loopback_answer answers[] = {
        {LIST, .status = 200, .body = SHARDS_ONE},
        {SUBSCRIBE("\"TRIM_HORIZON\"", "consumer/c:1"), .status = 400, .body = busy},
        {SUBSCRIBE("\"TRIM_HORIZON\""), .status = 200, .body = ""},
        {SUBSCRIBE("\"TRIM_HORIZON\""), .status = 200,
         .body = "no event, but more bytes than its lengths have"},
        {SUBSCRIBE("\"TRIM_HORIZON\""), .delay_ms = -1},
        {SUBSCRIBE("\"TRIM_HORIZON\""), .delay_ms = -1},
    };
    pinpipe_kinesis_consumer *consumer = consumer_begin(answers, 6, ARN);
    pinpipe_kinesis_records *records = NULL;
    CHECK_INT(pinpipe_kinesis_records_new(&records, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kinesis_consumer_read(records, consumer, NULL, 500, &err), PINPIPE_AGAIN);
    CHECK_INT(atomic_load(&server.requests), 2); /* who still holds the shard is waited for */
    error_wait(consumer, records, "ended without an event");
    error_wait(consumer, records, "checksum");
    for (int i = 0; i < 100 && !(atomic_load(&server.requests) == 5 && consumer->shards[0]->fetch); i++) {
        CHECK(pinpipe_kinesis_consumer_read(records, consumer, NULL, 50, &err) != PINPIPE_OK);
    }
    consumer->fetches[0].heard_ms -= 36000; /* silence */
    error_wait(consumer, records, "no event for 36");
    for (int i = 0; i < 100 && atomic_load(&server.requests) < 6; i++) {
        CHECK(pinpipe_kinesis_consumer_read(records, consumer, NULL, 50, &err) != PINPIPE_OK);
    }
    CHECK_INT(pinpipe_kinesis_consumer_count(consumer, PINPIPE_KINESIS_CONSUMER_FAILED), 4);
    consumer_end(consumer, 6); /* with one under way */
    pinpipe_kinesis_records_free(records);
}

#endif

int main(void) {
    memory_watch();
    test_events();
#if PINPIPE_WITH_KINESIS
    setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", 1);
    setenv("AWS_REGION", "eu-west-1", 1);
    int64_t held = memory.held;
    test_subscriptions_end();
    CHECK_INT(memory.held, held);
#endif
    return check_report();
}
