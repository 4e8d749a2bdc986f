/* Turns event streams, and answers to subscriptions, into checks of what the Kinesis consumer makes of them.
 * Never waits for the silence that it is about: the clock's last event is set back. Rules: docs/kinesis.md,
 * "Enhanced fan-out"; Smithy, "Amazon Event Stream", whose empty message is a vector. */
#include "counting_memory.h"

#include "aws/event_stream.h"
#include "base/buffer.h"
#include "base/checksum.h"

static pinpipe_error err = PINPIPE_ERROR_INIT;

#define EVENT_BYTES 1024

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
static size_t event_write(char out[EVENT_BYTES], const char *kind, const char *name, const char *payload) {
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
    char text[EVENT_BYTES];
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

#define RECORD(number, data)                                                                                 \
    "{\"SequenceNumber\":\"" number "\",\"Data\":\"" data                                                    \
    "\",\"PartitionKey\":\"k\",\"ApproximateArrivalTimestamp\":1.5}"
#define GOES_ON(number, records)                                                                             \
    "{\"MillisBehindLatest\":0,\"ContinuationSequenceNumber\":\"" number "\",\"Records\":[" records "]}"
#define ENDS(children) "{\"MillisBehindLatest\":0,\"ChildShards\":[" children "],\"Records\":[]}"
#define CHILD(id, parents, first, last)                                                                      \
    "{\"ShardId\":\"" id "\",\"ParentShards\":[" parents "],\"HashKeyRange\":{\"StartingHashKey\":\"" first  \
    "\",\"EndingHashKey\":\"" last "\"}}"
#define MERGED CHILD("s-3", "\"s-1\",\"s-2\"", "0", "340282366920938463463374607431768211455")

/* A subscription's whole stream: two events. */
typedef struct stream_text {
    char text[2 * EVENT_BYTES];
    size_t len;
} stream_text;

static loopback_answer stream_answer(stream_text *out, const char *first, const char *second) {
    out->len = event_write(out->text, "event", "SubscribeToShardEvent", first);
    out->len += event_write(out->text + out->len, "event", "SubscribeToShardEvent", second);
    return (loopback_answer){.line = "POST", .status = 200, .body = out->text, .body_len = out->len};
}

/* A shard is split, and its children are merged, while each of them is subscribed to: none is left before its
 * end, none is begun before those of all its parents, and each record comes once. */
static void test_reshards_are_followed(void) {
    static stream_text streams[4];
    loopback_answer answers[] = {
        {LIST, .status = 200, .body = SHARDS_ONE},
        stream_answer(&streams[0], GOES_ON("11", RECORD("10", "YQ==") "," RECORD("11", "Yg==")),
                      ENDS(CHILD("s-1", "\"s-0\"", "0", "170141183460469231731687303715884105727") "," CHILD(
                          "s-2", "\"s-0\"", "170141183460469231731687303715884105728",
                          "340282366920938463463374607431768211455"))),
        stream_answer(&streams[1], GOES_ON("20", RECORD("20", "Yw==")), ENDS(MERGED)),
        stream_answer(&streams[2], GOES_ON("30", RECORD("30", "ZA==")), ENDS(MERGED)),
        stream_answer(&streams[3], GOES_ON("40", RECORD("40", "ZQ==")), ENDS("")),
        {LIST, .status = 200, .body = "{\"Shards\":[]}"},
    };
    static const char *const shards[] = {"\"s-0\"", "\"s-1\"", "\"s-2\"", "\"s-3\""};
    pinpipe_kinesis_records *records = NULL;
    char joined[64] = "";
    size_t len = 0;
    for (int i = 0; i < 4; i++) {
        answers[1 + i].has[0] = "Kinesis_20131202.SubscribeToShard";
        answers[1 + i].has[1] = shards[i];
        answers[1 + i].has[2] = "TRIM_HORIZON";
    }
    pinpipe_kinesis_consumer *consumer = consumer_begin(answers, 6, ARN);
    CHECK_INT(pinpipe_kinesis_records_new(&records, &err), PINPIPE_OK);
    for (int i = 0; i < 200 && (len < 10 || atomic_load(&server.requests) < 6); i++) {
        pinpipe_status status = pinpipe_kinesis_consumer_read(records, consumer, NULL, 50, &err);
        CHECK(status == PINPIPE_OK || status == PINPIPE_AGAIN);
        for (int64_t k = 0; status == PINPIPE_OK && k < pinpipe_kinesis_records_count(records); k++) {
            pinpipe_str data = pinpipe_kinesis_records_at(records, k).data;
            len += (size_t)snprintf(joined + len, sizeof joined - len, "%.*s ", (int)data.len, data.ptr);
        }
    }
    CHECK_TEXT(joined, len, "a b c d e ");
    CHECK_INT(pinpipe_kinesis_consumer_count(consumer, PINPIPE_KINESIS_CONSUMER_FAILED), 0);
    CHECK_INT(pinpipe_kinesis_consumer_count(consumer, PINPIPE_KINESIS_CONSUMER_VANISHED), 0);
    pinpipe_kinesis_records_free(records);
    consumer_end(consumer, 6);
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
    test_reshards_are_followed();
    CHECK_INT(memory.held, held);
#endif
    return check_report();
}
