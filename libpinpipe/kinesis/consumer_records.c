/* Turns records that were read into what programs look at: one by one, and the places behind them.
 * Never copies a record: answers are held as long as one of their records is looked at.
 * Rules: docs/kinesis.md, "Batches". */
#include "kinesis/consumer.h"

#if PINPIPE_WITH_KINESIS

#include "base/buffer.h"
#include "base/memory.h"

pinpipe_status pinpipe_kinesis_records_new(pinpipe_kinesis_records **out, pinpipe_error *err) {
    *out = pp_alloc_zero(sizeof **out);
    return *out ? PINPIPE_OK : pp_fail_memory(err, "Kinesis records", sizeof **out);
}

static void records_clear(pinpipe_kinesis_records *records) {
    for (int64_t i = 0; i < records->answer_count; i++) {
        pp_fetched_release(records->answers[i]);
    }
    records->count = records->answer_count = records->place_count = 0;
}

void pinpipe_kinesis_records_free(pinpipe_kinesis_records *records) {
    if (records) {
        records_clear(records);
        pp_free(records->items);
        pp_free(records->answers);
        pp_free(records->places);
        pinpipe_buf_reset(&records->stream);
        pp_free(records);
    }
}

pinpipe_status pp_records_begin(pinpipe_kinesis_records *records, pinpipe_str stream, pinpipe_error *err) {
    records_clear(records);
    pp_buf_clear(&records->stream);
    return pp_buf_append(&records->stream, stream.ptr, stream.len, err);
}

pinpipe_kinesis_position pp_place_position(const pp_place *place, pinpipe_str stream, pinpipe_str shard_id) {
    pinpipe_kinesis_position position = PINPIPE_KINESIS_POSITION_INIT;
    position.start = place->start;
    position.stream = stream;
    position.shard_id = shard_id;
    position.sequence_number = pp_str(place->sequence);
    position.sub_sequence = place->sub_sequence;
    position.time_ms = place->time_ms;
    return position;
}

int64_t pinpipe_kinesis_records_count(const pinpipe_kinesis_records *records) {
    return records->count;
}

pinpipe_kinesis_item pinpipe_kinesis_records_at(const pinpipe_kinesis_records *records, int64_t index) {
    return records->items[index];
}

pinpipe_str pinpipe_kinesis_records_stream(const pinpipe_kinesis_records *records) {
    return pp_buf_view(&records->stream);
}

int64_t pinpipe_kinesis_records_position_count(const pinpipe_kinesis_records *records) {
    return records->place_count;
}

pinpipe_kinesis_position pinpipe_kinesis_records_position_at(const pinpipe_kinesis_records *records,
                                                             int64_t index) {
    const struct pp_records_place *row = &records->places[index];
    return pp_place_position(&row->place, pp_buf_view(&records->stream), pp_str(row->shard_id));
}

#endif
