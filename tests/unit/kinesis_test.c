/* Turns messages of Kinesis in JSON and CBOR into checks of every byte, and each failed allocation into
 * ENOMEM. Never opens a connection. Rules: docs/kinesis.md; RFC 8949 appendix A, RFC 4648 §10 for the
 * vectors. */
#include "counting_memory.h"

#include "base/buffer.h"
#include "base/digest.h"
#include "base/memory.h"
#include "kinesis/aggregate.h"
#include "kinesis/lane.h"
#include "kinesis/records.h"
#include "pinpipe/kinesis.h"
#include "text/base64.h"
#include "text/cbor.h"

static pinpipe_error err = PINPIPE_ERROR_INIT;

static void test_base64(void) {
    static const struct {
        const char *plain, *text;
    } rows[] = {{"", ""},
                {"f", "Zg=="},
                {"fo", "Zm8="},
                {"foo", "Zm9v"},
                {"foob", "Zm9vYg=="},
                {"fooba", "Zm9vYmE="},
                {"foobar", "Zm9vYmFy"}};
    char text[1024], plain[1024], bytes[512];
    size_t len = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pp_base64_write(text, rows[i].plain, strlen(rows[i].plain));
        CHECK_TEXT(text, PP_BASE64_LEN(strlen(rows[i].plain)), rows[i].text);
        CHECK(pp_base64_read(plain, &len, rows[i].text, strlen(rows[i].text)));
        CHECK_TEXT(plain, len, rows[i].plain);
    }
    for (size_t size = 0; size < sizeof bytes; size++) { /* blocks, and what is left behind them */
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (char)(unsigned char)(i * 131 + size * 7);
        }
        size_t text_len = PP_BASE64_LEN(size);
        pp_base64_write(text, bytes, size);
        for (size_t at = 0; at < text_len; at += 3) { /* group by group is the reference */
            char group[8] = {0};
            pp_base64_write(group, bytes + at / 4 * 3, size - at / 4 * 3 < 3 ? size - at / 4 * 3 : 3);
            CHECK(group[at % 4] == text[at]);
        }
        CHECK(pp_base64_read(text, &len, text, text_len)); /* in place */
        CHECK(len == size && memcmp(text, bytes, size) == 0);
    }
    for (size_t at = 0; at < 128; at++) { /* a byte that is no digit is seen wherever it stands */
        for (int byte = 0; byte < 256; byte++) {
            memset(text, 'A', 128);
            text[at] = (char)(unsigned char)byte;
            bool is_digit = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
                            (byte >= '0' && byte <= '9') || byte == '+' || byte == '/';
            is_digit = is_digit || (byte == '=' && at == 127);
            CHECK(pp_base64_read(plain, &len, text, 128) == is_digit);
        }
    }
}

static void test_cbor_heads(void) {
    static const struct {
        uint64_t value;
        size_t len;
        unsigned char bytes[9];
    } rows[] = {{0, 1, {0x00}},
                {23, 1, {0x17}},
                {24, 2, {0x18, 0x18}},
                {255, 2, {0x18, 0xff}},
                {256, 3, {0x19, 0x01, 0x00}},
                {1000000, 5, {0x1a, 0x00, 0x0f, 0x42, 0x40}},
                {1000000000000, 9, {0x1b, 0x00, 0x00, 0x00, 0xe8, 0xd4, 0xa5, 0x10, 0x00}},
                {UINT64_MAX, 9, {0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[PP_CBOR_HEAD_MAX];
        pp_cbor_head head = {0};
        size_t len = pp_cbor_head_write(out, PP_CBOR_UINT, rows[i].value);
        CHECK(len == rows[i].len && memcmp(out, rows[i].bytes, len) == 0);
        pp_cbor_walk walk = {out, out + len, NULL};
        CHECK(pp_cbor_head_read(&walk, &head) && head.value == rows[i].value);
        CHECK(walk.at == walk.end);
        walk = (pp_cbor_walk){out, out + len - 1, NULL};
        CHECK(!pp_cbor_head_read(&walk, &head) && walk.fault);
    }
}

static void test_cbor_numbers(void) {
    static const struct {
        const char *bytes;
        size_t len;
        double value;
    } rows[] = {{"\xf9\x3c\x00", 3, 1.0},
                {"\xf9\x7b\xff", 3, 65504.0},
                {"\xf9\x00\x01", 3, 5.960464477539063e-8},
                {"\xf9\xc4\x00", 3, -4.0},
                {"\xfa\x47\xc3\x50\x00", 5, 100000.0},
                {"\xfb\x3f\xf1\x99\x99\x99\x99\x99\x9a", 9, 1.1},
                {"\x20", 1, -1.0},
                {"\xc1\x1a\x51\x4b\x67\xb0", 6, 1363896240.0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pp_cbor_walk walk = {rows[i].bytes, rows[i].bytes + rows[i].len, NULL};
        pp_cbor_head head = {0};
        double value = 0;
        CHECK(pp_cbor_head_read(&walk, &head) && pp_cbor_number(&value, &head));
        CHECK(value == rows[i].value);
    }
}

static void test_cbor_refused(void) {
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {{"", 0},
                {"\x1c", 1},
                {"\x1f", 1},
                {"\x5f\x41x\xff", 4},
                {"\x62\xff\xff", 3},
                {"\x42x", 2},
                {"\x82\x01", 2},
                {"\xa1\x01", 2},
                {"\x9f\x01", 2},
                {"\x5b\xff\xff\xff\xff\xff\xff\xff\xff", 9}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pp_cbor_walk walk = {rows[i].bytes, rows[i].bytes + rows[i].len, NULL};
        CHECK(!pp_cbor_item_pass(&walk, 0) && walk.fault);
    }
    char deep[PP_CBOR_DEPTH_MAX + 2];
    memset(deep, 0x81, sizeof deep);
    pp_cbor_walk walk = {deep, deep + sizeof deep, NULL};
    CHECK(!pp_cbor_item_pass(&walk, 0) && strstr(walk.fault, "deep"));
}

#if PINPIPE_WITH_KINESIS
static void test_hashes(void) {
    static const char *const good[] = {"0", "1", "170141183460469231731687303715884105728",
                                       "340282366920938463463374607431768211455"};
    static const char *const bad[] = {"",
                                      "00",
                                      "01",
                                      "-1",
                                      "+1",
                                      "1 ",
                                      "1e3",
                                      "340282366920938463463374607431768211456",
                                      "3402823669209384634633746074317682114550"};
    char text[PP_KINESIS_HASH_DIGITS];
    pp_kinesis_hash hash = 0;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        CHECK(pp_kinesis_hash_read(&hash, pp_str(good[i])));
        CHECK_TEXT(text, pp_kinesis_hash_write(text, hash), good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK(!pp_kinesis_hash_read(&hash, pp_str(bad[i])));
    }
    CHECK_INT(pp_kinesis_hash_of(&hash, pp_str("abc"), &err), PINPIPE_OK); /* RFC 1321's own vector */
    CHECK_TEXT(text, pp_kinesis_hash_write(text, hash), "191415658344158766168031473277922803570");
}

static pinpipe_status record_write(pinpipe_buf *out, pinpipe_kinesis_wire wire) {
    pp_kinesis_writer writer;
    pinpipe_kinesis_record record = PINPIPE_KINESIS_RECORD_INIT;
    record.data = pp_str("foob");
    record.partition_key = pp_str("k\"\n");
    record.hash_key = pp_str("7");
    pp_kinesis_write_begin(&writer, out, wire, 2, &err);
    pp_kinesis_write_key(&writer, "Records");
    pp_kinesis_write_list(&writer, 2);
    for (int i = 0; i < 2; i++) {
        pp_kinesis_write_map(&writer, 3);
        pp_kinesis_write_record(&writer, &record);
        pp_kinesis_write_map_end(&writer);
    }
    pp_kinesis_write_list_end(&writer);
    pp_kinesis_write_key(&writer, "Timestamp");
    pp_kinesis_write_time(&writer, 1604156472003);
    pp_kinesis_write_map_end(&writer);
    return writer.status;
}

static void test_messages(void) {
    static const char record[] =
        "{\"Data\":\"Zm9vYg==\",\"PartitionKey\":\"k\\\"\\n\",\"ExplicitHashKey\":\"7\"}";
    pinpipe_buf out = PINPIPE_BUF_INIT;
    char expected[512];
    CHECK_INT(record_write(&out, PINPIPE_KINESIS_JSON), PINPIPE_OK);
    snprintf(expected, sizeof expected, "{\"Records\":[%s,%s],\"Timestamp\":1604156472.003}", record, record);
    CHECK_TEXT(out.ptr, out.len, expected);
    CHECK_INT(record_write(&out, PINPIPE_KINESIS_CBOR), PINPIPE_OK);
    snprintf(expected, sizeof expected, "%s",
             "\xa3\x64"
             "Data\x44"
             "foob\x6cPartitionKey\x63k\"\n\x6f"
             "ExplicitHashKey\x61"
             "7");
    CHECK(out.len > 10 && memcmp(out.ptr, "\xa2\x67Records\x82", 10) == 0);
    CHECK(memcmp(out.ptr + 10, expected, strlen(expected)) == 0);
    CHECK(memcmp(out.ptr + out.len - 10, "\xc1\x1b\x00\x00\x01\x75\x7f\x2d\x3a\xc3", 10) == 0);
    pinpipe_buf_reset(&out);
}

static const char json_answer[] =
    " {\"Records\": [ {\"ApproximateArrivalTimestamp\":1.604156472123E9,\"Data\":\"Zm9v\\u0059g==\","
    "\"PartitionKey\":\"\\ud83d\\ude00\",\"SequenceNumber\":\"49\",\"EncryptionType\":\"NONE\"},"
    "{\"Data\":\"\",\"PartitionKey\":\"k\",\"SequenceNumber\":\"50\",\"ApproximateArrivalTimestamp\":7}],"
    "\"MillisBehindLatest\":12,\"ChildShards\":null,\"NextShardIterator\":\"next\"} ";
static const char cbor_answer[] = "\xbf\x67Records\x9f\xbf\x64"
                                  "Data\x44"
                                  "foob\x6cPartitionKey\x64\xf0\x9f\x98\x80\x6eSequenceNumber\x62"
                                  "49"
                                  "\x78\x1b"
                                  "ApproximateArrivalTimestamp\xc1\x1b\x00\x00\x01\x75\x7f\x2d\x3b\x3b\xff"
                                  "\xa3\x64"
                                  "Data\x40\x6cPartitionKey\x61k\x6eSequenceNumber\x62"
                                  "50\xff"
                                  "\x72MillisBehindLatest\x0c\x71NextShardIterator\x64next\xff";

static void answer_check(pinpipe_str answer, pinpipe_kinesis_wire wire) {
    pinpipe_kinesis_batch *batch = NULL;
    CHECK_INT(pinpipe_kinesis_batch_new(&batch, &err), PINPIPE_OK);
    for (int round = 0; round < 2; round++) { /* the second time into what the first left */
        pp_buf_clear(&batch->answer);
        CHECK_INT(pp_buf_append(&batch->answer, answer.ptr, answer.len, &err), PINPIPE_OK);
        CHECK_INT(pp_kinesis_batch_read(batch, wire, &err), PINPIPE_OK);
        CHECK_INT(pinpipe_kinesis_batch_count(batch), 2);
        pinpipe_kinesis_item item = pinpipe_kinesis_batch_at(batch, 0);
        CHECK_TEXT(item.data.ptr, item.data.len, "foob");
        CHECK_TEXT(item.partition_key.ptr, item.partition_key.len, "😀");
        CHECK_TEXT(item.sequence_number.ptr, item.sequence_number.len, "49");
        CHECK_INT(item.arrival_us, 1604156472123000);
        CHECK_INT(pinpipe_kinesis_batch_at(batch, 1).data.len, 0);
        CHECK_INT(pinpipe_kinesis_batch_behind_ms(batch), 12);
        pinpipe_str next = pinpipe_kinesis_batch_iterator(batch);
        CHECK_TEXT(next.ptr, next.len, "next");
    }
    for (size_t len = 0; len < answer.len - 1; len++) { /* cut anywhere: an error, and no record */
        pp_buf_clear(&batch->answer);
        CHECK_INT(pp_buf_append(&batch->answer, answer.ptr, len, &err), PINPIPE_OK);
        CHECK_INT(pp_kinesis_batch_read(batch, wire, &err), PINPIPE_EDATA);
        CHECK(strstr(err.message, "GetRecords") != NULL);
        CHECK_INT(pinpipe_kinesis_batch_count(batch), 0);
    }
    pinpipe_kinesis_batch_free(batch);
}

static void shards_read(pinpipe_status *status, pp_kinesis_shards *shards, pinpipe_buf *next) {
    static const char answer[] =
        "{\"NextToken\":\"more\",\"Shards\":[{\"ShardId\":\"shardId-000000000000\",\"HashKeyRange\":"
        "{\"StartingHashKey\":\"0\",\"EndingHashKey\":\"170141183460469231731687303715884105727\"},"
        "\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"1\",\"EndingSequenceNumber\":\"9\"}},"
        "{\"ShardId\":\"shardId-000000000001\",\"ParentShardId\":\"shardId-000000000000\",\"HashKeyRange\":"
        "{\"StartingHashKey\":\"170141183460469231731687303715884105728\",\"EndingHashKey\":"
        "\"340282366920938463463374607431768211455\"},\"SequenceNumberRange\":{\"StartingSequenceNumber\":"
        "\"2\"}}]}";
    pinpipe_buf text = PINPIPE_BUF_INIT;
    pp_kinesis_reader reader;
    *status = pp_buf_append_text(&text, answer, &err);
    if (*status == PINPIPE_OK) {
        *status = pp_kinesis_read_begin(&reader, &text, PINPIPE_KINESIS_JSON, &err);
    }
    if (*status == PINPIPE_OK) {
        *status = pp_kinesis_shards_read(shards, next, &reader, &err);
    }
    pinpipe_buf_reset(&text);
}

static void test_shards(void) {
    pp_kinesis_shards shards = {0};
    pinpipe_buf next = PINPIPE_BUF_INIT;
    pinpipe_status status = PINPIPE_OK;
    shards_read(&status, &shards, &next);
    CHECK_INT(status, PINPIPE_OK);
    CHECK_INT(shards.count, 2);
    CHECK_TEXT(next.ptr, next.len, "more");
    CHECK(shards.rows[0].last + 1 == shards.rows[1].first);
    CHECK(shards.rows[1].last == ~(pp_kinesis_hash)0);
    CHECK_INT(pp_kinesis_shards_find(&shards, pp_str("shardId-000000000001")), 1);
    CHECK_INT(pp_kinesis_shards_find(&shards, pp_str("shardId-000000000002")), -1);
    CHECK_INT(pp_kinesis_shard_text(&shards, 0, PP_KINESIS_SHARD_LAST_SEQUENCE).len, 1);
    CHECK_INT(pp_kinesis_shard_text(&shards, 1, PP_KINESIS_SHARD_LAST_SEQUENCE).len, 0);
    pp_kinesis_shards_reset(&shards);
    pinpipe_buf_reset(&next);
}

/* Made by aws_kinesis_agg 1.2.3 (awslabs/kinesis-aggregation), RecordAggregator.add_user_record. */
static const char aggregate_0[] =
    "f3899ac20a016b1a0708001a036f6e651a0708001a0374776f4b3cbd0c236eeab538ceb004bc801de0";
static const char aggregate_1[] =
    "f3899ac20a01610a01620a02c3a912273137303134313138333436303436393233313733313638373330333731353838"
    "343130353732381201371a0708001a037878781a0408011a001a08080010001a0279791a07080210011a017a233d89b9"
    "3943c4ae1e4c4b7d11f81c0a";
static const char aggregate_2[] =
    "f3899ac20a056b65792d300a056b65792d310a056b65792d321a2c08001a283030303030303030303030303030303030"
    "30303030303030303030303030303030303030303030301a2c08011a2831313131313131313131313131313131313131"
    "3131313131313131313131313131313131313131311a2c08021a28323232323232323232323232323232323232323232"
    "323232323232323232323232323232323232321a2c08001a283333333333333333333333333333333333333333333333"
    "33333333333333333333333333333333331a2c08011a2834343434343434343434343434343434343434343434343434"
    "343434343434343434343434343434ed5835ce5bed6a39e639a8923ef3d349";

/* What is in them: key, hash key, data. */
static const char *const aggregated[][5][3] = {
    {{"k", "", "one"}, {"k", "", "two"}},
    {{"a", "", "xxx"},
     {"b", "", ""},
     {"a", "170141183460469231731687303715884105728", "yy"},
     {"\xc3\xa9", "7", "z"}},
    {{"key-0", "", "0000000000000000000000000000000000000000"},
     {"key-1", "", "1111111111111111111111111111111111111111"},
     {"key-2", "", "2222222222222222222222222222222222222222"},
     {"key-0", "", "3333333333333333333333333333333333333333"},
     {"key-1", "", "4444444444444444444444444444444444444444"}},
};

static const struct {
    const char *hex;
    size_t count;
} aggregates[] = {{aggregate_0, 2}, {aggregate_1, 4}, {aggregate_2, 5}};

static pp_aggregate_record aggregated_at(size_t row, size_t index) {
    const char *const *texts = aggregated[row][index];
    return (pp_aggregate_record){pp_str(texts[0]), pp_str(texts[1]), pp_str(texts[2])};
}

typedef struct seen {
    size_t row, count;
} seen;

static pinpipe_status record_see(void *user, const pp_aggregate_record *record, pinpipe_error *error) {
    seen *so_far = user;
    pp_aggregate_record expected = aggregated_at(so_far->row, so_far->count++);
    (void)error;
    CHECK(pp_str_equal(record->partition_key, expected.partition_key));
    CHECK(pp_str_equal(record->hash_key, expected.hash_key));
    CHECK(pp_str_equal(record->data, expected.data));
    return PINPIPE_OK;
}

static void aggregate_check(size_t row, pp_aggregate *aggregate, pinpipe_buf *out) {
    char hex[2048];
    seen so_far = {row, 0};
    pp_aggregate_clear(aggregate);
    for (size_t i = 0; i < aggregates[row].count; i++) {
        pp_aggregate_record record = aggregated_at(row, i);
        CHECK_INT(pp_aggregate_add(aggregate, &record, 4096, &err), PINPIPE_OK);
    }
    CHECK_INT(pp_aggregate_encode(out, aggregate, &err), PINPIPE_OK);
    pp_hex(hex, (const uint8_t *)out->ptr, out->len);
    CHECK_TEXT(hex, strlen(hex), aggregates[row].hex);
    CHECK_INT(pp_aggregate_decode(pp_buf_view(out), record_see, &so_far, &err), PINPIPE_OK);
    CHECK_INT(so_far.count, aggregates[row].count);
    for (size_t i = 0; i < out->len; i++) { /* one bit wrong anywhere: it is none */
        out->ptr[i] = (char)(out->ptr[i] ^ 1);
        CHECK_INT(pp_aggregate_decode(pp_buf_view(out), record_see, NULL, &err), PINPIPE_DONE);
        out->ptr[i] = (char)(out->ptr[i] ^ 1);
        CHECK_INT(pp_aggregate_decode((pinpipe_str){out->ptr, i}, record_see, NULL, &err), PINPIPE_DONE);
    }
}

static void test_aggregates(void) {
    pp_aggregate aggregate = {0};
    pinpipe_buf out = PINPIPE_BUF_INIT;
    for (size_t row = 0; row < sizeof aggregates / sizeof aggregates[0]; row++) {
        aggregate_check(row, &aggregate, &out);
    }
    pp_aggregate_clear(&aggregate);
    char key[16];
    pinpipe_status status = PINPIPE_OK;
    for (int i = 0; status == PINPIPE_OK; i++) { /* different keys, up to the last byte that fits */
        snprintf(key, sizeof key, "key-%d", i);
        pp_aggregate_record record = {pp_str(key), {NULL, 0}, pp_str("data")};
        status = pp_aggregate_add(&aggregate, &record, 20000, &err);
        CHECK(status == PINPIPE_OK ? aggregate.count == i + 1 : aggregate.count == i);
    }
    CHECK_INT(status, PINPIPE_DONE);
    CHECK_INT(pp_aggregate_encode(&out, &aggregate, &err), PINPIPE_OK);
    CHECK(out.len <= 20000 && out.len > 19950);
    pp_aggregate_reset(&aggregate);
    pinpipe_buf_reset(&out);
}

static pp_entry *entry_of(pp_kinesis_hash hash, int64_t tag) {
    pp_entry *entry = pp_alloc_zero(sizeof *entry);
    if (entry) {
        entry->hash = hash;
        entry->tag = tag;
    }
    return entry;
}

/* Pace by arithmetic: the times are the test's own. */
static void test_lanes(void) {
    pp_lanes lanes = {0};
    pp_kinesis_shards shards = {0};
    pinpipe_buf next = PINPIPE_BUF_INIT;
    pinpipe_status status = PINPIPE_OK;
    CHECK_INT(pp_lanes_open_one(&lanes, &err), PINPIPE_OK);
    for (int64_t tag = 0; tag < 4; tag++) {
        pp_lane_put(&lanes.rows[0], entry_of(tag % 2 ? ~(pp_kinesis_hash)0 : 0, tag));
    }
    shards_read(&status, &shards, &next);
    CHECK_INT(pp_lanes_set(&lanes, &shards, 1000, &err), PINPIPE_EDATA); /* one shard of two is closed */
    CHECK_INT(lanes.count, 1);
    shards.rows[0].texts[PP_KINESIS_SHARD_LAST_SEQUENCE].len = 0;
    CHECK_INT(pp_lanes_set(&lanes, &shards, 1000, &err), PINPIPE_OK);
    CHECK_INT(lanes.count, 2);
    for (int32_t i = 0; i < 2; i++) { /* each record in its shard's lane, in its order */
        CHECK_INT(lanes.rows[i].first->tag, i);
        CHECK_INT(lanes.rows[i].first->next->tag, i + 2);
        CHECK(lanes.rows[i].last == lanes.rows[i].first->next);
        CHECK_INT(pp_lanes_find(&lanes, lanes.rows[i].from), i);
        CHECK_INT(pp_lanes_find(&lanes, lanes.rows[i].to), i);
    }
    pp_lane *lane = &lanes.rows[0];
    int64_t sent = 0;
    for (int64_t now_ms = 1000; now_ms <= 61000; now_ms++) { /* a minute, as fast as it may */
        pp_lane_fill(lane, now_ms);
        for (; pp_lane_is_ready(&lanes, lane, now_ms); sent++) {
            pp_lane_spend(lane, 100);
        }
        CHECK(pp_lane_due_ms(&lanes, lane, now_ms) > now_ms);
    }
    CHECK(sent >= 59900 && sent <= 60200);
    pp_lane_cut(lane, 61000);
    pp_lane_cut(lane, 61010); /* the same congestion */
    CHECK(lane->factor > 0.69 && lane->factor < 0.71);
    pp_lane_fill(lane, 63000);
    CHECK(lane->factor > 0.79 && lane->factor < 0.81); /* 5 % of the full rate a second */
    for (int64_t at_ms = 70000; at_ms < 170000; at_ms += 1000) {
        pp_lane_cut(lane, at_ms);
    }
    CHECK(lane->factor > 0 && pp_lane_due_ms(&lanes, lane, 170000) < 170000 + 60000);
    for (int32_t round = 0; round < 40; round++) {
        pp_lane_pause(lane, 0, 0.999);
        CHECK(lane->resume_ms >= 0 && lane->resume_ms <= 5000);
    }
    pp_entry *failed = entry_of(0, 9);
    pp_lane_put_back(lane, failed);
    CHECK(lane->first == failed && failed->next->tag == 0);
    pp_lanes_reset(&lanes);
    pp_kinesis_shards_reset(&shards);
    pinpipe_buf_reset(&next);
}

static pinpipe_status aggregate_pack(pp_aggregate *aggregate, pinpipe_buf *out) {
    pinpipe_status status = PINPIPE_OK;
    seen so_far = {1, 0};
    for (size_t i = 0; status == PINPIPE_OK && i < aggregates[1].count; i++) {
        pp_aggregate_record record = aggregated_at(1, i);
        status = pp_aggregate_add(aggregate, &record, 4096, &err);
    }
    if (status == PINPIPE_OK) {
        status = pp_aggregate_encode(out, aggregate, &err);
    }
    return status == PINPIPE_OK ? pp_aggregate_decode(pp_buf_view(out), record_see, &so_far, &err) : status;
}

/* Every request for memory fails once: ENOMEM, and nothing is left behind. */
static void test_memory(void) {
    int64_t before = memory.held;
    for (int64_t fail = 1, failed = 1; failed; fail++) {
        pinpipe_buf out = PINPIPE_BUF_INIT, next = PINPIPE_BUF_INIT, packed = PINPIPE_BUF_INIT;
        pp_kinesis_shards shards = {0};
        pp_aggregate aggregate = {0};
        pinpipe_kinesis_batch *batch = NULL;
        memory.fail_at = memory.requests + fail;
        int64_t failures = memory.failed;
        pinpipe_status status = record_write(&out, PINPIPE_KINESIS_JSON);
        if (status == PINPIPE_OK) {
            shards_read(&status, &shards, &next);
        }
        if (status == PINPIPE_OK) {
            status = pinpipe_kinesis_batch_new(&batch, &err);
        }
        if (status == PINPIPE_OK) {
            status = pp_buf_append_text(&batch->answer, json_answer, &err);
        }
        if (status == PINPIPE_OK) {
            status = pp_kinesis_batch_read(batch, PINPIPE_KINESIS_JSON, &err);
        }
        if (status == PINPIPE_OK) {
            status = aggregate_pack(&aggregate, &packed);
        }
        failed = memory.failed - failures;
        memory.fail_at = 0;
        CHECK_INT(status, failed ? PINPIPE_ENOMEM : PINPIPE_OK);
        pinpipe_kinesis_batch_free(batch);
        pp_kinesis_shards_reset(&shards);
        pp_aggregate_reset(&aggregate);
        pinpipe_buf_reset(&packed);
        pinpipe_buf_reset(&next);
        pinpipe_buf_reset(&out);
        CHECK_INT(memory.held, before);
    }
}

#endif

int main(void) {
    memory_watch();
    test_base64();
    test_cbor_heads();
    test_cbor_numbers();
    test_cbor_refused();
#if PINPIPE_WITH_KINESIS
    test_hashes();
    test_messages();
    answer_check(pp_str(json_answer), PINPIPE_KINESIS_JSON);
    answer_check((pinpipe_str){cbor_answer, sizeof cbor_answer - 1}, PINPIPE_KINESIS_CBOR);
    test_shards();
    test_aggregates();
    test_lanes();
    test_memory();
#else
    pinpipe_kinesis *kinesis = NULL;
    CHECK_INT(pinpipe_kinesis_new(&kinesis, NULL, &err), PINPIPE_ENOTSUP);
    CHECK(strstr(err.message, "PINPIPE_WITH_KINESIS") != NULL);
#endif
    return check_report();
}
