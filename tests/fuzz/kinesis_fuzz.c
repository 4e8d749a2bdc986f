/* Turns any bytes into a GetRecords answer in JSON and in CBOR, into an aggregate, and into an aggregate's
 * records. Never accepts a record that does not lie in the answer, and never packs what does not unpack to
 * the same. Rules: docs/kinesis.md; the first byte chooses which. */
#include "fuzz.h"

#include <stdbool.h>
#include <string.h>

#include "base/buffer.h"
#include "kinesis/aggregate.h"
#include "kinesis/records.h"

#if PINPIPE_WITH_KINESIS

static bool lies_in(const pinpipe_buf *answer, pinpipe_str part) {
    return part.len == 0 || (part.ptr >= answer->ptr && part.ptr + part.len <= answer->ptr + answer->len);
}

static void answer_look(pinpipe_str bytes, pinpipe_kinesis_wire wire) {
    pinpipe_kinesis_batch *batch = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    REQUIRE(pinpipe_kinesis_batch_new(&batch, NULL) == PINPIPE_OK);
    REQUIRE(pp_buf_append(&batch->answer, bytes.ptr, bytes.len, NULL) == PINPIPE_OK);
    pinpipe_status status = pp_kinesis_batch_read(batch, wire, &err);
    REQUIRE(status == PINPIPE_OK ? err.message[0] == '\0' : status == PINPIPE_EDATA && err.message[0]);
    REQUIRE(status == PINPIPE_OK || pinpipe_kinesis_batch_count(batch) == 0);
    for (int64_t i = 0; i < pinpipe_kinesis_batch_count(batch); i++) {
        pinpipe_kinesis_item item = pinpipe_kinesis_batch_at(batch, i);
        REQUIRE(lies_in(&batch->answer, item.data) && lies_in(&batch->answer, item.partition_key));
        REQUIRE(lies_in(&batch->answer, item.sequence_number) && item.arrival_us >= -1);
    }
    pinpipe_kinesis_batch_free(batch);
}

static pinpipe_status record_drop(void *user, const pp_aggregate_record *record, pinpipe_error *err) {
    (void)user, (void)record, (void)err;
    return PINPIPE_OK;
}

typedef struct walk {
    pinpipe_str rest;
    int64_t count;
} walk;

/* The next record of the fuzzer's choice: two lengths, then key and data. */
static bool record_next(pp_aggregate_record *out, walk *from) {
    if (from->rest.len < 2) {
        return false;
    }
    size_t key_len = (unsigned char)from->rest.ptr[0] % 16, data_len = (unsigned char)from->rest.ptr[1];
    static const char key[16] = "0123456789abcdef";
    from->rest = (pinpipe_str){from->rest.ptr + 2, from->rest.len - 2};
    data_len = data_len < from->rest.len ? data_len : from->rest.len;
    *out =
        (pp_aggregate_record){{key, key_len + 1}, {key + key_len, key_len % 2}, {from->rest.ptr, data_len}};
    from->rest = (pinpipe_str){from->rest.ptr + data_len, from->rest.len - data_len};
    return true;
}

static pinpipe_status record_compare(void *user, const pp_aggregate_record *record, pinpipe_error *err) {
    pp_aggregate_record expected;
    walk *from = user;
    (void)err;
    REQUIRE(record_next(&expected, from));
    REQUIRE(pp_str_equal(record->partition_key, expected.partition_key));
    REQUIRE(pp_str_equal(record->hash_key, expected.hash_key));
    REQUIRE(pp_str_equal(record->data, expected.data));
    from->count++;
    return PINPIPE_OK;
}

static void packed_look(pinpipe_str bytes) {
    pp_aggregate aggregate = {0};
    pp_aggregate_record record;
    pinpipe_buf out = PINPIPE_BUF_INIT;
    walk from = {bytes, 0};
    while (record_next(&record, &from)) {
        REQUIRE(pp_aggregate_add(&aggregate, &record, PP_BUF_MAX, NULL) == PINPIPE_OK);
    }
    REQUIRE(pp_aggregate_encode(&out, &aggregate, NULL) == PINPIPE_OK);
    from = (walk){bytes, 0};
    REQUIRE(pp_aggregate_decode(pp_buf_view(&out), record_compare, &from, NULL) == PINPIPE_OK);
    REQUIRE(from.count == aggregate.count);
    pp_aggregate_reset(&aggregate);
    pinpipe_buf_reset(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    pinpipe_str bytes = {(const char *)data + 1, size - 1};
    switch (data[0] % 4) {
    case 0:
        answer_look(bytes, PINPIPE_KINESIS_JSON);
        break;
    case 1:
        answer_look(bytes, PINPIPE_KINESIS_CBOR);
        break;
    case 2:
        packed_look(bytes);
        break;
    default:
        REQUIRE(pp_aggregate_decode(bytes, record_drop, NULL, NULL) >= 0);
    }
    return 0;
}

#else

FUZZ_NOTHING

#endif
