/* Turns recorded answers of a loopback server into checks of the Kinesis consumer: what it asks for next,
 * what it hands out, what it counts. Never accepts a leak, whichever allocation fails. Rules:
 * docs/kinesis.md, "Consumer"; Amazon Kinesis API Reference. */
#include "counting_memory.h"

#include "base/buffer.h"
#include "pinpipe/kinesis_rows.h"

static pinpipe_error err = PINPIPE_ERROR_INIT;

#if PINPIPE_WITH_KINESIS

#include <sys/wait.h>

#include "consuming.h"
#include "io/clock.h"
#include "kinesis/aggregate.h"
#include "text/base64.h"

#define NO_SHARDS "{\"Shards\":[]}"
#define ITERATOR(name) "{\"ShardIterator\":\"" name "\"}"
#define RECORD(number, data)                                                                                 \
    "{\"SequenceNumber\":\"" number "\",\"Data\":\"" data                                                    \
    "\",\"PartitionKey\":\"k\",\"ApproximateArrivalTimestamp\":1.5}"
#define RECORDS(next, records)                                                                               \
    "{\"MillisBehindLatest\":9,\"NextShardIterator\":" next ",\"Records\":[" records "]}"
#define REFUSED(code) "{\"__type\":\"" code "\",\"message\":\"no\"}"
#define ASK(...) .line = "POST", .has = {"Kinesis_20131202.GetShardIterator", __VA_ARGS__}
#define GET(...) .line = "POST", .has = {"Kinesis_20131202.GetRecords", __VA_ARGS__}

static pinpipe_kinesis_records *records_new(void) {
    pinpipe_kinesis_records *records = NULL;
    CHECK_INT(pinpipe_kinesis_records_new(&records, &err), PINPIPE_OK);
    return records;
}

/* What is read, until `count` records came; all of it, joined. */
static void read_check(pinpipe_kinesis_consumer *consumer, pinpipe_kinesis_records *records, int64_t count,
                       const char *expected) {
    char joined[256] = "";
    size_t len = 0;
    for (int64_t until = pp_clock_monotonic_ms() + 8000; count > 0 && pp_clock_monotonic_ms() < until;) {
        pinpipe_status status = pinpipe_kinesis_consumer_read(records, consumer, NULL, 200, &err);
        CHECK(status == PINPIPE_OK || status == PINPIPE_AGAIN || pinpipe_status_retriable(status) ||
              status == PINPIPE_EDATA);
        for (int64_t i = 0; status == PINPIPE_OK && i < pinpipe_kinesis_records_count(records); i++) {
            pinpipe_str data = pinpipe_kinesis_records_at(records, i).data;
            len += (size_t)snprintf(joined + len, sizeof joined - len, "%.*s ", (int)data.len, data.ptr);
            count--;
        }
    }
    CHECK_TEXT(joined, len, expected);
}

static int64_t counted(const pinpipe_kinesis_consumer *consumer, int32_t counter) {
    return pinpipe_kinesis_consumer_count(consumer, counter);
}

/* ---- through the wire ---- */

static void test_what_fails_goes_on_where_it_was(void) {
    const loopback_answer answers[] = {
        {LIST, .status = 200, .body = SHARDS_ONE},
        {ASK("TRIM_HORIZON", "\"s-0\""), .status = 200, .body = ITERATOR("i-1")},
        {GET("i-1"), .status = 200,
         .body = RECORDS("\"i-2\"", RECORD("11", "YQ==") "," RECORD("12", "Yg=="))},
        {GET("i-2"), .status = 400, .body = REFUSED("ProvisionedThroughputExceededException")},
        {GET("i-2"), .status = 400, .body = REFUSED("ExpiredIteratorException")},
        {ASK("AFTER_SEQUENCE_NUMBER", "\"12\""), .status = 200, .body = ITERATOR("i-3")},
        {GET("i-3"), .status = 200, .body = "{\"Records\":[{\"SequenceNumber\":\"13\",\"Da"},
        {GET("i-3"), .status = 500, .body = REFUSED("InternalFailure")},
        {ASK("AFTER_SEQUENCE_NUMBER", "\"12\""), .status = 200, .body = ITERATOR("i-4")},
        {GET("i-4"), .status = 200, .body = RECORDS("\"i-5\"", RECORD("", "Yw=="))},
        {GET("i-4"), .status = 200, .body = RECORDS("null", RECORD("13", "Yw=="))},
        {LIST, .status = 200, .body = SHARDS_ONE},
    };
    pinpipe_kinesis_consumer *consumer = consumer_begin(answers, 12, NULL);
    pinpipe_kinesis_records *records = records_new();
    read_check(consumer, records, 2, "a b ");
    CHECK_INT(pinpipe_kinesis_records_position_count(records), 1);
    pinpipe_kinesis_position place = pinpipe_kinesis_records_position_at(records, 0);
    CHECK_TEXT(place.sequence_number.ptr, place.sequence_number.len, "12");
    CHECK_INT(place.start, PINPIPE_KINESIS_AFTER_SEQUENCE);
    CHECK_INT(place.sub_sequence, -1);
    read_check(consumer, records, 1, "c ");
    CHECK_INT(counted(consumer, PINPIPE_KINESIS_CONSUMER_THROTTLED), 1);
    CHECK_INT(counted(consumer, PINPIPE_KINESIS_CONSUMER_EXPIRED), 1);
    CHECK_INT(counted(consumer, PINPIPE_KINESIS_CONSUMER_FAILED), 3);
    CHECK_INT(counted(consumer, PINPIPE_KINESIS_CONSUMER_RECORDS), 3);
    CHECK_INT(pinpipe_kinesis_records_position_at(records, 0).start, PINPIPE_KINESIS_SHARD_END);
    pinpipe_kinesis_consumer_shard shard = PINPIPE_KINESIS_CONSUMER_SHARD_INIT;
    CHECK_INT(pinpipe_kinesis_consumer_shard_at(&shard, consumer, 0, &err), PINPIPE_OK);
    CHECK_INT(shard.state, PINPIPE_KINESIS_SHARD_ENDED);
    CHECK_INT(pinpipe_kinesis_consumer_shard_at(&shard, consumer, 1, &err), PINPIPE_EINVAL);
    /* Whoever has no children is looked for: the service may not have told them. */
    for (int i = 0; i < 12 && atomic_load(&server.requests) < 12; i++) {
        CHECK_INT(pinpipe_kinesis_consumer_read(records, consumer, NULL, 200, &err), PINPIPE_AGAIN);
    }
    CHECK_INT(counted(consumer, PINPIPE_KINESIS_CONSUMER_HELD_BYTES), 0);
    pinpipe_kinesis_records_free(records);
    consumer_end(consumer, 12);
}

static void test_children_come_behind_their_parents(void) {
    const char *const ended = "{\"Records\":[" RECORD(
        "12",
        "Yg==") "],\"NextShardIterator\":null,\"ChildShards\":[{\"ShardId\":\"s-1\","
                "\"ParentShards\":[\"s-0\"],\"HashKeyRange\":{\"StartingHashKey\":\"0\",\"EndingHashKey\":"
                "\"340282366920938463463374607431768211455\"}}]}";
    const loopback_answer answers[] = {
        {LIST, .status = 200, .body = SHARDS_ONE},
        {ASK("TRIM_HORIZON"), .status = 200, .body = ITERATOR("i-1")},
        {GET("i-1"), .status = 200, .body = ended},
        {ASK("TRIM_HORIZON", "\"s-1\""), .status = 200, .body = ITERATOR("i-2")},
        {GET("i-2"), .status = 200, .body = RECORDS("\"i-3\"", RECORD("13", "Yw=="))},
    };
    pinpipe_kinesis_consumer *consumer = consumer_begin(answers, 5, NULL);
    pinpipe_kinesis_records *records = records_new();
    read_check(consumer, records, 1, "b ");
    CHECK_INT(pinpipe_kinesis_consumer_shard_count(consumer), 2);
    read_check(consumer, records, 1, "c ");
    pinpipe_str shard_id = pinpipe_kinesis_records_at(records, 0).shard_id;
    CHECK_TEXT(shard_id.ptr, shard_id.len, "s-1");
    pinpipe_kinesis_consumer_shard shard = PINPIPE_KINESIS_CONSUMER_SHARD_INIT;
    CHECK_INT(pinpipe_kinesis_consumer_shard_at(&shard, consumer, 1, &err), PINPIPE_OK);
    CHECK_TEXT(shard.shard.parent_id.ptr, shard.shard.parent_id.len, "s-0");
    CHECK_INT(shard.behind_ms, 9);
    pinpipe_kinesis_records_free(records);
    consumer_end(consumer, 5);
}

static void test_a_shard_that_answers_nothing_is_stuck(void) {
    const loopback_answer answers[] = {
        {LIST, .status = 200, .body = SHARDS_ONE},
        {ASK("TRIM_HORIZON"), .status = 200, .body = ITERATOR("i-1")},
        {GET("i-1"), .delay_ms = -1},
        {GET("i-1"), .status = 200, .body = RECORDS("\"i-2\"", RECORD("13", "Yw=="))},
    };
    pinpipe_kinesis_consumer *consumer = consumer_begin(answers, 4, NULL);
    pinpipe_kinesis_records *records = records_new();
    int64_t begun = pp_clock_monotonic_ms();
    CHECK_INT(pinpipe_kinesis_consumer_read(records, consumer, NULL, 700, &err), PINPIPE_AGAIN);
    CHECK(pp_clock_monotonic_ms() - begun < 1200);
    CHECK_INT(counted(consumer, PINPIPE_KINESIS_CONSUMER_STUCK), 1);
    pinpipe_kinesis_consumer_shard shard = PINPIPE_KINESIS_CONSUMER_SHARD_INIT;
    CHECK_INT(pinpipe_kinesis_consumer_shard_at(&shard, consumer, 0, &err), PINPIPE_OK);
    CHECK_INT(shard.state, PINPIPE_KINESIS_SHARD_STUCK);
    read_check(consumer, records, 1, "c ");
    CHECK_INT(pinpipe_kinesis_consumer_shard_at(&shard, consumer, 0, &err), PINPIPE_OK);
    CHECK_INT(shard.state, PINPIPE_KINESIS_SHARD_READING);
    pinpipe_kinesis_records_free(records);
    consumer_end(consumer, 4);
}

static void test_a_shard_that_is_gone_is_told(void) {
    const loopback_answer answers[] = {
        {LIST, .status = 200, .body = SHARDS_ONE},
        {ASK("TRIM_HORIZON"), .status = 400, .body = REFUSED("ResourceNotFoundException")},
        {LIST, .status = 200, .body = NO_SHARDS},
    };
    pinpipe_kinesis_consumer *consumer = consumer_begin(answers, 3, NULL);
    consumer->look.due_ms = INT64_MAX; /* but for the one that is wanted */
    pinpipe_kinesis_records *records = records_new();
    pinpipe_status status = PINPIPE_AGAIN;
    for (int i = 0; i < 20 && status != PINPIPE_OK; i++) {
        status = pinpipe_kinesis_consumer_read(records, consumer, NULL, 100, &err);
        CHECK(status >= 0 || status == PINPIPE_ENOTFOUND);
        /* Its request is not made again meanwhile. */
        consumer->shards[0]->due_ms = INT64_MAX;
    }
    CHECK_INT(status, PINPIPE_OK);
    CHECK_INT(pinpipe_kinesis_records_position_at(records, 0).start, PINPIPE_KINESIS_SHARD_END);
    CHECK_INT(counted(consumer, PINPIPE_KINESIS_CONSUMER_VANISHED), 1);
    pinpipe_kinesis_records_free(records);
    consumer_end(consumer, 3);
}

static void test_a_child_process_has_no_consumer(void) {
    const loopback_answer answers[] = {{LIST, .status = 200, .body = SHARDS_ONE}};
    pinpipe_kinesis_consumer *consumer = consumer_begin(answers, 1, NULL);
    pinpipe_kinesis_records *records = records_new();
    pid_t child = fork();
    if (child == 0) {
        _exit(pinpipe_kinesis_consumer_read(records, consumer, NULL, 100, NULL) == PINPIPE_EFORK ? 0 : 1);
    }
    int told = 1;
    CHECK(waitpid(child, &told, 0) == child && told == 0);
    pinpipe_kinesis_records_free(records);
    consumer_end(consumer, 1);
}

static void test_options_are_checked(void) {
    pinpipe_kinesis_consumer *consumer = NULL;
    const pinpipe_kinesis_consumer_options good = {.struct_size = (uint32_t)sizeof good,
                                                   .stream = {"stream", 6}};
    pinpipe_kinesis_consumer_options bad[7] = {good, good, good, good, good, good, good};
    bad[0].struct_size = 8;
    bad[1].stream.len = 0;
    bad[2].start = PINPIPE_KINESIS_AT_SEQUENCE;
    bad[3].memory_max_bytes = 1 << 20;
    bad[4].fetch_records = PP_KINESIS_FETCH_MAX + 1;
    bad[5].in_flight = 65;
    bad[6].strays = 2;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_INT(pinpipe_kinesis_consumer_new(&consumer, &bad[i], &err), PINPIPE_EINVAL);
        CHECK(!consumer);
    }
}

/* One answer to every request: eight shards, an iterator, and ten records of 100 KB. */
static const char *everything(void) {
    static char text[1200000];
    static char data[100001];
    size_t len = (size_t)snprintf(text, sizeof text,
                                  "{\"ShardIterator\":\"i\",\"NextShardIterator\":\"i\",\"Shards\":[");
    for (int i = 0; i < 8; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len,
                                "%s{\"ShardId\":\"s-%d\",\"HashKeyRange\":{\"StartingHashKey\":\"0\","
                                "\"EndingHashKey\":\"340282366920938463463374607431768211455\"}}",
                                i ? "," : "", i);
    }
    len += (size_t)snprintf(text + len, sizeof text - len, "],\"Records\":[");
    memset(data, 'A', sizeof data - 1);
    for (int i = 0; i < 10; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "%s" RECORD("7", "%s"), i ? "," : "", data);
    }
    snprintf(text + len, sizeof text - len, "]}");
    return text;
}

/* Who reads slowly is waited for: no more is held than was allowed, and every shard gets its turn. */
static void test_memory_is_bounded(void) {
    const loopback_answer answers[] = {{.line = "POST", .status = 200, .body = everything()}};
    char endpoint[64], seen[8] = {0};
    pinpipe_kinesis_options client = PINPIPE_KINESIS_OPTIONS_INIT;
    pinpipe_kinesis_consumer_options options = PINPIPE_KINESIS_CONSUMER_OPTIONS_INIT;
    pinpipe_kinesis_read_options few = PINPIPE_KINESIS_READ_OPTIONS_INIT;
    pinpipe_kinesis_consumer *consumer = NULL;
    pinpipe_kinesis_records *records = records_new();
    int64_t most = 0, least = INT64_MAX;
    server = (loopback){.answers = answers, .count = 1, .endless = true};
    CHECK(loopback_begin(&server));
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d", server.port);
    client.endpoint = pp_str(endpoint);
    options.client = &client;
    options.stream = pp_str("stream");
    options.memory_max_bytes = (int64_t)26 << 20;
    few.max_records = 3;
    CHECK_INT(pinpipe_kinesis_consumer_new(&consumer, &options, &err), PINPIPE_OK);
    for (int i = 0; i < 150; i++) {
        pinpipe_status status = pinpipe_kinesis_consumer_read(records, consumer, &few, 500, &err);
        CHECK(status == PINPIPE_OK || status == PINPIPE_AGAIN);
        int64_t held = counted(consumer, PINPIPE_KINESIS_CONSUMER_HELD_BYTES);
        most = held > most ? held : most;
        least = held < least ? held : least;
        for (int64_t row = 0; status == PINPIPE_OK && row < pinpipe_kinesis_records_count(records); row++) {
            seen[pinpipe_kinesis_records_at(records, row).shard_id.ptr[2] - '0'] = 1;
        }
    }
    CHECK(most <= options.memory_max_bytes && most > (int64_t)10 << 20);
    CHECK(least >= 0);
    CHECK(memchr(seen, 0, sizeof seen) == NULL);
    pinpipe_kinesis_consumer_free(consumer);
    pinpipe_kinesis_records_free(records);
    loopback_end(&server);
    CHECK_INT(atomic_load(&server.wrong), 0);
}

/* Half of the hash keys have no shard: told at the second look, and looked for until one has. */
static void test_a_hole_is_told(void) {
    static const char half[] =
        "{\"Shards\":[{\"ShardId\":\"s-0\",\"HashKeyRange\":{\"StartingHashKey\":\"0\",\"EndingHashKey\":"
        "\"170141183460469231731687303715884105727\"}}]}";
    static const char other[] = "{\"Shards\":[{\"ShardId\":\"s-1\",\"HashKeyRange\":{\"StartingHashKey\":"
                                "\"170141183460469231731687303715884105728\",\"EndingHashKey\":"
                                "\"340282366920938463463374607431768211455\"}}]}";
    const loopback_answer answers[] = {{LIST, .status = 200, .body = half},
                                       {LIST, .status = 200, .body = half},
                                       {LIST, .status = 200, .body = other}};
    pinpipe_kinesis_consumer *consumer = consumer_begin(answers, 3, NULL);
    CHECK_INT(counted(consumer, PINPIPE_KINESIS_CONSUMER_HOLES), 0);
    CHECK(consumer->look.is_wanted);
    CHECK_INT(pinpipe_kinesis_consumer_shards_list(consumer, 1000, &err), PINPIPE_OK);
    CHECK_INT(counted(consumer, PINPIPE_KINESIS_CONSUMER_HOLES), 1);
    CHECK_INT(pinpipe_kinesis_consumer_shards_list(consumer, 1000, &err), PINPIPE_OK);
    CHECK_INT(counted(consumer, PINPIPE_KINESIS_CONSUMER_HOLES), 1);
    CHECK(!consumer->look.is_wanted);
    CHECK_INT(pinpipe_kinesis_consumer_shard_count(consumer), 2);
    consumer_end(consumer, 3);
}

/* A shard that nobody reads is gone with the list; one that is read stays until its end. */
static void test_what_is_not_listed_is_forgotten(void) {
    const loopback_answer answers[] = {{LIST, .status = 200, .body = SHARDS_ONE},
                                       {LIST, .status = 200, .body = NO_SHARDS},
                                       {LIST, .status = 200, .body = SHARDS_ONE},
                                       {LIST, .status = 200, .body = NO_SHARDS}};
    pinpipe_kinesis_consumer *consumer = consumer_begin(answers, 4, NULL);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(pinpipe_kinesis_consumer_shards_list(consumer, 1000, &err), PINPIPE_OK);
        CHECK_INT(pinpipe_kinesis_consumer_shard_count(consumer), 1);
    }
    CHECK_INT(pinpipe_kinesis_consumer_shard_release(consumer, pp_str("s-0"), &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kinesis_consumer_shards_list(consumer, 1000, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kinesis_consumer_shard_count(consumer), 0);
    consumer_end(consumer, 4);
}

/* ---- what was fetched ---- */

static const char *const keys[] = {"key-0", "key-1", "key-2", "key-3"};

/* A shard that got one answer: a record alone, an aggregate of four, a record alone. */
static pinpipe_status shard_make(pinpipe_kinesis_consumer *consumer, const char *last_hash) {
    static char text[1024];
    char packed[512];
    pp_aggregate aggregate = {0};
    pinpipe_buf bytes = PINPIPE_BUF_INIT;
    pp_shard *shard = NULL;
    pp_fetched *answer = NULL;
    pinpipe_kinesis_shard info = {.id = {"s-0", 3}, .first_hash = {"0", 1}, .last_hash = pp_str(last_hash)};
    pinpipe_status status = PINPIPE_OK;
    for (size_t i = 0; status == PINPIPE_OK && i < 4; i++) {
        pp_aggregate_record record = {pp_str(keys[i]), {NULL, 0}, pp_str(keys[i])};
        status = pp_aggregate_add(&aggregate, &record, 4096, &err);
    }
    status = status == PINPIPE_OK ? pp_aggregate_encode(&bytes, &aggregate, &err) : status;
    if (status == PINPIPE_OK) {
        pp_base64_write(packed, bytes.ptr, bytes.len);
        int len = (int)PP_BASE64_LEN(bytes.len);
        snprintf(text, sizeof text,
                 RECORDS("null", RECORD("1", "Zmlyc3Q=") "," RECORD("2", "%.*s") "," RECORD("3", "bGFzdA==")),
                 len, packed);
        status = pp_consumer_know(&shard, consumer, &info, &err);
    }
    pp_aggregate_reset(&aggregate);
    pinpipe_buf_reset(&bytes);
    if (status == PINPIPE_OK && !(answer = pp_fetched_new(shard))) {
        status = PINPIPE_ENOMEM;
    }
    status = status == PINPIPE_OK ? pp_buf_append_text(&answer->batch.answer, text, &err) : status;
    status =
        status == PINPIPE_OK ? pp_kinesis_batch_read(&answer->batch, PINPIPE_KINESIS_JSON, &err) : status;
    if (status < 0) {
        pp_fetched_release(answer);
        return status;
    }
    shard->is_taken = shard->is_over = true;
    pp_fetched_queue(consumer, shard, answer);
    return status;
}

static void test_aggregates(void) {
    static const struct {
        const char *last_hash;
        int32_t strays;
        int64_t max_records, count, dropped, strayed;
    } rows[] = {{"340282366920938463463374607431768211455", PINPIPE_KINESIS_STRAYS_DROP, 100, 6, 0, 0},
                {"340282366920938463463374607431768211455", PINPIPE_KINESIS_STRAYS_DROP, 1, 6, 0, 0},
                {"340282366920938463463374607431768211455", PINPIPE_KINESIS_STRAYS_DROP, 4, 6, 0, 0},
                {"1", PINPIPE_KINESIS_STRAYS_DROP, 100, 2, 4, 0},
                {"1", PINPIPE_KINESIS_STRAYS_DROP, 3, 2, 4, 0},
                {"1", PINPIPE_KINESIS_STRAYS_KEEP, 2, 6, 0, 4}};
    static const char *const expected[] = {"first", "key-0", "key-1", "key-2", "key-3", "last"};
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        pinpipe_kinesis_consumer consumer = {.strays = rows[row].strays};
        pinpipe_kinesis_records *records = records_new();
        int64_t seen = 0;
        CHECK_INT(shard_make(&consumer, rows[row].last_hash), PINPIPE_OK);
        while (consumer.shards && consumer.shards[0]->read.start != PINPIPE_KINESIS_SHARD_END && seen < 7) {
            CHECK_INT(pp_records_begin(records, pp_str("stream"), &err), PINPIPE_OK);
            CHECK_INT(pp_consumer_take(records, &consumer, rows[row].max_records, 1 << 20, &err), PINPIPE_OK);
            CHECK(records->count <= rows[row].max_records);
            for (int64_t i = 0; i < records->count; i++, seen++) {
                bool is_whole = rows[row].count == 6;
                const pinpipe_kinesis_item *item = &records->items[i];
                CHECK_TEXT(item->data.ptr, item->data.len, expected[is_whole ? seen : seen * 5]);
                CHECK_INT(item->sub_sequence, is_whole && seen >= 1 && seen <= 4 ? seen - 1 : -1);
            }
        }
        CHECK_INT(seen, rows[row].count);
        CHECK_INT(consumer.counters[PINPIPE_KINESIS_CONSUMER_DROPPED], rows[row].dropped);
        CHECK_INT(consumer.counters[PINPIPE_KINESIS_CONSUMER_STRAYED], rows[row].strayed);
        CHECK_INT(consumer.counters[PINPIPE_KINESIS_CONSUMER_AGGREGATES], 1);
        CHECK_INT(consumer.counters[PINPIPE_KINESIS_CONSUMER_HELD_BYTES], 0);
        pinpipe_kinesis_records_free(records);
        pp_consumer_shards_reset(&consumer);
    }
}

/* Columns outlive records, consumer and each other, whichever is released first. */
static void test_arrow(void) {
    pinpipe_kinesis_consumer consumer = {0};
    pinpipe_kinesis_records *records = records_new();
    struct ArrowArray array;
    struct ArrowSchema schema;
    CHECK_INT(shard_make(&consumer, "340282366920938463463374607431768211455"), PINPIPE_OK);
    CHECK_INT(pp_records_begin(records, pp_str("stream"), &err), PINPIPE_OK);
    CHECK_INT(pp_consumer_take(records, &consumer, 100, 1 << 20, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kinesis_records_export(&array, &schema, records, 7, &err), PINPIPE_EINVAL);
    for (int32_t columns = 0; columns <= 1; columns++) {
        CHECK_INT(pinpipe_kinesis_records_export(&array, &schema, records, columns, &err), PINPIPE_OK);
        CHECK_INT(array.n_children, columns ? 9 : 6);
        CHECK_INT(array.length, 6);
        struct ArrowArray moved = *array.children[1];
        array.children[1]->release = NULL;
        array.release(&array);
        const int32_t *offsets = moved.buffers[1];
        CHECK_INT(offsets[6], 5 + 4 * 5 + 4);
        CHECK_TEXT((const char *)moved.buffers[2] + offsets[5], 4, "last");
        moved.release(&moved);
        CHECK_TEXT(schema.children[4]->name, 14, "sequenceNumber");
        schema.release(&schema);
    }
    pinpipe_kinesis_records_free(records);
    pp_consumer_shards_reset(&consumer);
}

/* Every request for memory fails once, alone and with all that follow. */
static void test_memory(void) {
    int64_t failed = 0;
    for (int64_t fail = 1; fail < 400; fail++) {
        pinpipe_kinesis_consumer consumer = {0};
        pinpipe_kinesis_records *records = NULL;
        struct ArrowArray array = {0};
        struct ArrowSchema schema = {0};
        int64_t held = memory.held;
        memory.requests = memory.failed = 0;
        memory.fail_at = fail;
        memory.keeps_failing = fail % 2;
        pinpipe_status status = shard_make(&consumer, "340282366920938463463374607431768211455");
        status = status == PINPIPE_OK ? pinpipe_kinesis_records_new(&records, &err) : status;
        status = status == PINPIPE_OK ? pp_records_begin(records, pp_str("stream"), &err) : status;
        status = status == PINPIPE_OK ? pp_consumer_take(records, &consumer, 100, 1 << 20, &err) : status;
        status =
            status == PINPIPE_OK ? pinpipe_kinesis_records_export(&array, &schema, records, 1, &err) : status;
        memory.fail_at = 0;
        bool is_done = !memory.failed;
        CHECK(is_done ? status == PINPIPE_OK : status == PINPIPE_ENOMEM || records);
        if (array.release) {
            array.release(&array);
            schema.release(&schema);
        }
        pinpipe_kinesis_records_free(records);
        pp_consumer_shards_reset(&consumer);
        CHECK_INT(memory.held, held);
        failed += !is_done;
        if (is_done) {
            break;
        }
    }
    printf("%lld requests for memory failed\n", (long long)failed);
    CHECK(failed > 15 && failed < 399);
}

/* Base64 is read in blocks before its end is known: every length, escape and wrong byte. */
static void test_data(void) {
    char plain[200], digits[300], text[700];
    for (size_t size = 0; size < sizeof plain; size++) {
        size_t len = PP_BASE64_LEN(size), written = 0;
        for (size_t i = 0; i < size; i++) {
            plain[i] = (char)(unsigned char)(i * 151 + size * 7);
        }
        pp_base64_write(digits, plain, size);
        text[written++] = '"';
        for (size_t i = 0; i < len; i++) {
            if (digits[i] == '/' && i % 2) { /* some writers escape it */
                text[written++] = '\\';
            }
            text[written++] = digits[i];
        }
        text[written++] = '"';
        for (size_t wrong = 0; wrong <= len; wrong += wrong < 60 ? 1 : 17) {
            pinpipe_buf in = PINPIPE_BUF_INIT;
            pinpipe_str bytes;
            pp_kinesis_reader reader;
            CHECK_INT(pp_buf_append(&in, text, written, &err), PINPIPE_OK);
            if (wrong) {
                in.ptr[wrong] = wrong % 3 ? '-' : '\n';
            }
            CHECK_INT(pp_kinesis_read_begin(&reader, &in, PINPIPE_KINESIS_JSON, &err), PINPIPE_OK);
            bool is_read = pp_kinesis_read_bytes(&reader, &bytes);
            CHECK(is_read == !wrong);
            CHECK(!is_read || (bytes.len == size && memcmp(bytes.ptr, plain, size) == 0));
            pinpipe_buf_reset(&in);
        }
    }
}

#endif

int main(void) {
    memory_watch();
#if PINPIPE_WITH_KINESIS
    setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", 1);
    setenv("AWS_REGION", "eu-west-1", 1);
    test_data();
    test_aggregates();
    test_arrow();
    test_memory();
    test_options_are_checked();
    test_what_fails_goes_on_where_it_was();
    test_children_come_behind_their_parents();
    test_a_shard_that_answers_nothing_is_stuck();
    test_a_shard_that_is_gone_is_told();
    test_a_hole_is_told();
    test_what_is_not_listed_is_forgotten();
    test_memory_is_bounded();
    test_a_child_process_has_no_consumer();
#else
    pinpipe_kinesis_consumer *consumer = NULL;
    CHECK_INT(pinpipe_kinesis_consumer_new(&consumer, NULL, &err), PINPIPE_ENOTSUP);
#endif
    return check_report();
}
