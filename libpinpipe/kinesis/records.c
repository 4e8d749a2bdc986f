/* Turns records into PutRecord requests, and GetRecords answers into batches of records.
 * Never copies a record that was read, and never opens what a program packed into it.
 * Rules: docs/kinesis.md, "Reading"; Amazon Kinesis API Reference, "PutRecord", "GetRecords". */
#include "kinesis/records.h"

#if PINPIPE_WITH_KINESIS

#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "text/utf8.h"

#define ITEMS_FIRST 256
#define ITEMS_MAX 1000000 /* an answer has at most 10,000 */

/* ---- writing ---- */

static size_t characters(pinpipe_str text) {
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    }
    return count;
}

pinpipe_status pp_kinesis_record_check(const pinpipe_kinesis_record *record, pinpipe_error *err) {
    if (!record || record->struct_size < sizeof *record) {
        return pp_fail(err, PINPIPE_EINVAL, "a Kinesis record lacks its struct_size");
    }
    pinpipe_str key = record->partition_key;
    pp_kinesis_hash hash;
    if (key.len == 0 || (key.len > PP_KINESIS_KEY_MAX && characters(key) > PP_KINESIS_KEY_MAX)) {
        return pp_fail(err, PINPIPE_EINVAL, "partition key: %zu characters, not 1 to %d", characters(key),
                       PP_KINESIS_KEY_MAX);
    }
    size_t valid = pp_utf8_span(key.ptr, key.len);
    if (valid < key.len) {
        return pp_fail(err, PINPIPE_EINVAL, "partition key: byte %zu is not UTF-8", valid);
    }
    if (record->hash_key.len && !pp_kinesis_hash_read(&hash, record->hash_key)) {
        return pp_fail(err, PINPIPE_EINVAL, "hash key '%.*s': not a number from 0 to 2^128 - 1",
                       pp_quote_len(record->hash_key.len), record->hash_key.ptr);
    }
    if (record->data.len > PP_KINESIS_RECORD_MAX - key.len) {
        return pp_fail(err, PINPIPE_ELIMIT, "record: %zu bytes of data and %zu of key are more than %zu",
                       record->data.len, key.len, PP_KINESIS_RECORD_MAX);
    }
    return PINPIPE_OK;
}

void pp_kinesis_write_record(pp_kinesis_writer *writer, const pinpipe_kinesis_record *record) {
    pp_kinesis_write_key(writer, "Data");
    pp_kinesis_write_bytes(writer, record->data);
    pp_kinesis_write_key(writer, "PartitionKey");
    pp_kinesis_write_text(writer, record->partition_key);
    if (record->hash_key.len) {
        pp_kinesis_write_key(writer, "ExplicitHashKey");
        pp_kinesis_write_text(writer, record->hash_key);
    }
}

static bool place_read(pinpipe_kinesis_place *out, pp_kinesis_reader *reader) {
    pp_kinesis_level map;
    if (!pp_kinesis_read_map(reader, &map)) {
        return false;
    }
    for (pinpipe_str key; pp_kinesis_read_key(reader, &map, &key);) {
        pinpipe_str *to = pp_str_is(key, "ShardId")          ? &out->shard_id
                          : pp_str_is(key, "SequenceNumber") ? &out->sequence_number
                                                             : NULL;
        if (!(to ? pp_kinesis_read_text(reader, to) : pp_kinesis_read_pass(reader))) {
            return false;
        }
    }
    return !pp_kinesis_is_faulty(reader);
}

pinpipe_status pinpipe_kinesis_record_put(pinpipe_kinesis_place *out, pinpipe_kinesis *kinesis,
                                          pinpipe_str stream, const pinpipe_kinesis_record *record,
                                          int64_t timeout_ms, pinpipe_error *err) {
    pp_kinesis_writer writer;
    pp_kinesis_reader reader;
    int64_t deadline_ms = 0;
    *out = (pinpipe_kinesis_place){0};
    pinpipe_status status = pp_kinesis_record_check(record, err);
    if (status == PINPIPE_OK) {
        status = pp_kinesis_deadline(&deadline_ms, kinesis, timeout_ms, err);
    }
    if (status < 0) {
        return status;
    }
    pp_kinesis_call_write(&writer, kinesis, stream, record->hash_key.len ? 4 : 3, err);
    pp_kinesis_write_record(&writer, record);
    pp_kinesis_write_map_end(&writer);
    status = pp_kinesis_send(&reader, kinesis, &writer, "PutRecord", deadline_ms, err);
    if (status == PINPIPE_OK && (!place_read(out, &reader) || !out->sequence_number.len)) {
        status = pp_kinesis_read_fail(&reader, "PutRecord", err);
    }
    return status;
}

/* ---- reading ---- */

static const char *const start_names[] = {"TRIM_HORIZON", "LATEST", "AT_SEQUENCE_NUMBER",
                                          "AFTER_SEQUENCE_NUMBER", "AT_TIMESTAMP"};

pinpipe_status pp_kinesis_position_check(const pinpipe_kinesis_position *position, pinpipe_error *err) {
    if (!position || position->struct_size < sizeof *position) {
        return pp_fail(err, PINPIPE_EINVAL, "a position lacks its struct_size");
    }
    if (position->start < PINPIPE_KINESIS_TRIM_HORIZON || position->start > PINPIPE_KINESIS_AT_TIMESTAMP) {
        return pp_fail(err, PINPIPE_EINVAL, "start: %d is none", position->start);
    }
    bool wants_sequence =
        position->start == PINPIPE_KINESIS_AT_SEQUENCE || position->start == PINPIPE_KINESIS_AFTER_SEQUENCE;
    if (wants_sequence &&
        (position->sequence_number.len == 0 || position->sequence_number.len > PP_KINESIS_SEQUENCE_MAX)) {
        return pp_fail(err, PINPIPE_EINVAL, "sequence number: %zu digits, not 1 to %d",
                       position->sequence_number.len, PP_KINESIS_SEQUENCE_MAX);
    }
    if (position->start == PINPIPE_KINESIS_AT_TIMESTAMP && position->time_ms < 0) {
        return pp_fail(err, PINPIPE_EINVAL, "start: %lld ms are before 1970", (long long)position->time_ms);
    }
    return PINPIPE_OK;
}

void pp_kinesis_write_position(pp_kinesis_writer *writer, const pinpipe_kinesis_position *position) {
    bool has_time = position->start == PINPIPE_KINESIS_AT_TIMESTAMP;
    bool has_sequence =
        position->start == PINPIPE_KINESIS_AT_SEQUENCE || position->start == PINPIPE_KINESIS_AFTER_SEQUENCE;
    pp_kinesis_write_key(writer, "ShardId");
    pp_kinesis_write_text(writer, position->shard_id);
    pp_kinesis_write_key(writer, "ShardIteratorType");
    pp_kinesis_write_text(writer, pp_str(start_names[position->start]));
    if (has_sequence) {
        pp_kinesis_write_key(writer, "StartingSequenceNumber");
        pp_kinesis_write_text(writer, position->sequence_number);
    }
    if (has_time) {
        pp_kinesis_write_key(writer, "Timestamp");
        pp_kinesis_write_time(writer, position->time_ms);
    }
    pp_kinesis_write_map_end(writer);
}

bool pp_kinesis_iterator_read(pinpipe_str *out, pp_kinesis_reader *reader) {
    pp_kinesis_level map;
    if (!pp_kinesis_read_map(reader, &map)) {
        return false;
    }
    for (pinpipe_str key; pp_kinesis_read_key(reader, &map, &key);) {
        if (!(pp_str_is(key, "ShardIterator") ? pp_kinesis_read_text(reader, out)
                                              : pp_kinesis_read_pass(reader))) {
            return false;
        }
    }
    return !pp_kinesis_is_faulty(reader) && out->len > 0;
}

pinpipe_status pinpipe_kinesis_iterator_get(pinpipe_buf *out, pinpipe_kinesis *kinesis,
                                            const pinpipe_kinesis_position *position, int64_t timeout_ms,
                                            pinpipe_error *err) {
    pp_kinesis_writer writer;
    pp_kinesis_reader reader;
    pinpipe_str iterator = {"", 0};
    int64_t deadline_ms = 0;
    pp_buf_clear(out);
    pinpipe_status status = pp_kinesis_position_check(position, err);
    if (status == PINPIPE_OK) {
        status = pp_kinesis_deadline(&deadline_ms, kinesis, timeout_ms, err);
    }
    if (status < 0) {
        return status;
    }
    pp_kinesis_call_write(&writer, kinesis, position->stream,
                          position->start > PINPIPE_KINESIS_LATEST ? 4 : 3, err);
    pp_kinesis_write_position(&writer, position);
    status = pp_kinesis_send(&reader, kinesis, &writer, "GetShardIterator", deadline_ms, err);
    if (status == PINPIPE_OK && !pp_kinesis_iterator_read(&iterator, &reader)) {
        status = pp_kinesis_read_fail(&reader, "GetShardIterator", err);
    }
    return status == PINPIPE_OK ? pp_buf_append(out, iterator.ptr, iterator.len, err) : status;
}

static bool item_read(pinpipe_kinesis_item *item, pp_kinesis_reader *reader) {
    pp_kinesis_level map;
    *item = (pinpipe_kinesis_item){.arrival_us = -1, .sub_sequence = -1};
    if (!pp_kinesis_read_map(reader, &map)) {
        return false;
    }
    for (pinpipe_str key; pp_kinesis_read_key(reader, &map, &key);) {
        bool is_read = true;
        if (pp_str_is(key, "Data")) {
            is_read = pp_kinesis_read_bytes(reader, &item->data);
        } else if (pp_str_is(key, "PartitionKey")) {
            is_read = pp_kinesis_read_text(reader, &item->partition_key);
        } else if (pp_str_is(key, "SequenceNumber")) {
            is_read = pp_kinesis_read_text(reader, &item->sequence_number);
        } else if (pp_str_is(key, "ApproximateArrivalTimestamp")) {
            is_read = pp_kinesis_read_time(reader, &item->arrival_us);
        } else {
            is_read = pp_kinesis_read_pass(reader);
        }
        if (!is_read) {
            return false;
        }
    }
    return !pp_kinesis_is_faulty(reader);
}

static pinpipe_status item_room(pinpipe_kinesis_batch *batch, pinpipe_error *err) {
    if (batch->count < batch->cap) {
        return PINPIPE_OK;
    }
    int64_t cap = batch->cap ? 2 * batch->cap : ITEMS_FIRST;
    if (cap > ITEMS_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "an answer has more than %d records", ITEMS_MAX / 2);
    }
    pinpipe_kinesis_item *items = pp_realloc(batch->items, (size_t)cap * sizeof *items);
    if (!items) {
        return pp_fail_memory(err, "records", (size_t)cap * sizeof *items);
    }
    batch->items = items;
    batch->cap = cap;
    return PINPIPE_OK;
}

static pinpipe_status items_read(pinpipe_kinesis_batch *batch, pp_kinesis_reader *reader,
                                 pinpipe_error *err) {
    pp_kinesis_level list;
    pinpipe_status status = PINPIPE_OK;
    if (!pp_kinesis_read_list(reader, &list)) {
        return PINPIPE_OK; /* the reader keeps the fault */
    }
    while (status == PINPIPE_OK && pp_kinesis_read_item(reader, &list)) {
        status = item_room(batch, err);
        if (status == PINPIPE_OK && item_read(&batch->items[batch->count], reader)) {
            batch->count++;
        }
    }
    return status;
}

pinpipe_status pp_kinesis_batch_read(pinpipe_kinesis_batch *batch, pinpipe_kinesis_wire wire,
                                     pinpipe_error *err) {
    pp_kinesis_reader reader;
    pp_kinesis_level map;
    batch->count = 0;
    batch->iterator = (pinpipe_str){"", 0};
    batch->behind_ms = -1;
    pp_kinesis_shards_clear(&batch->children);
    pinpipe_status status = pp_kinesis_read_begin(&reader, &batch->answer, wire, err);
    if (status == PINPIPE_OK && pp_kinesis_read_map(&reader, &map)) {
        for (pinpipe_str key; status == PINPIPE_OK && pp_kinesis_read_key(&reader, &map, &key);) {
            if (pp_str_is(key, "Records")) {
                status = items_read(batch, &reader, err);
            } else if (pp_str_is(key, "ChildShards")) {
                status = pp_kinesis_shards_read_list(&batch->children, &reader, err);
            } else if (pp_str_is(key, "NextShardIterator") || pp_str_is(key, "ContinuationSequenceNumber")) {
                pp_kinesis_read_text(&reader, &batch->iterator);
            } else if (pp_str_is(key, "MillisBehindLatest")) {
                pp_kinesis_read_int(&reader, &batch->behind_ms);
            } else {
                pp_kinesis_read_pass(&reader);
            }
        }
    }
    if (status == PINPIPE_OK && pp_kinesis_is_faulty(&reader)) {
        status = pp_kinesis_read_fail(&reader, "GetRecords", err);
    }
    batch->count = status < 0 ? 0 : batch->count;
    return status;
}

void pp_kinesis_write_fetch(pp_kinesis_writer *writer, pinpipe_str iterator, int64_t record_max) {
    pp_kinesis_write_key(writer, "ShardIterator");
    pp_kinesis_write_text(writer, iterator);
    if (record_max) {
        pp_kinesis_write_key(writer, "Limit");
        pp_kinesis_write_int(writer, record_max);
    }
    pp_kinesis_write_map_end(writer);
}

pinpipe_status pinpipe_kinesis_records_get(pinpipe_kinesis_batch *batch, pinpipe_kinesis *kinesis,
                                           pinpipe_str iterator, int64_t record_max, int64_t timeout_ms,
                                           pinpipe_error *err) {
    pp_kinesis_writer writer;
    int64_t deadline_ms = 0;
    batch->count = 0;
    if (record_max < 0 || record_max > PP_KINESIS_FETCH_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "records: %lld, not 0 to %d", (long long)record_max,
                       PP_KINESIS_FETCH_MAX);
    }
    pinpipe_status status = pp_kinesis_deadline(&deadline_ms, kinesis, timeout_ms, err);
    if (status < 0) {
        return status;
    }
    kinesis->call.about = (pinpipe_str){"", 0};
    pp_kinesis_write_begin(&writer, &kinesis->call.body, kinesis->wire, record_max ? 2 : 1, err);
    pp_kinesis_write_fetch(&writer, iterator, record_max);
    status = pp_kinesis_tell(kinesis, &writer, "GetRecords", deadline_ms, err);
    if (status < 0) {
        return status;
    }
    pinpipe_buf spare = batch->answer; /* the batch takes the answer, the call the batch's old room */
    batch->answer = kinesis->call.answer;
    kinesis->call.answer = spare;
    return pp_kinesis_batch_read(batch, kinesis->call.wire, err);
}

pinpipe_status pinpipe_kinesis_batch_new(pinpipe_kinesis_batch **out, pinpipe_error *err) {
    *out = pp_alloc_zero(sizeof **out);
    return *out ? PINPIPE_OK : pp_fail_memory(err, "a batch", sizeof **out);
}

void pp_kinesis_batch_reset(pinpipe_kinesis_batch *batch) {
    pinpipe_buf_reset(&batch->answer);
    pp_kinesis_shards_reset(&batch->children);
    pp_free(batch->items);
    batch->items = NULL;
    batch->count = batch->cap = 0;
}

void pinpipe_kinesis_batch_free(pinpipe_kinesis_batch *batch) {
    if (batch) {
        pp_kinesis_batch_reset(batch);
        pp_free(batch);
    }
}

int64_t pinpipe_kinesis_batch_count(const pinpipe_kinesis_batch *batch) {
    return batch->count;
}

pinpipe_kinesis_item pinpipe_kinesis_batch_at(const pinpipe_kinesis_batch *batch, int64_t index) {
    return batch->items[index];
}

pinpipe_str pinpipe_kinesis_batch_iterator(const pinpipe_kinesis_batch *batch) {
    return batch->iterator;
}

int64_t pinpipe_kinesis_batch_behind_ms(const pinpipe_kinesis_batch *batch) {
    return batch->behind_ms;
}

#endif
