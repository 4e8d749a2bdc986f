/* Turns every call of pinpipe/kinesis.h and kinesis_consumer.h into ENOTSUP where Kinesis was left out of the
 * build. Never compiled together with the client. Rules: docs/architecture.md, "Parts that can be switched
 * off". */
#include "pinpipe/kinesis_consumer.h"

#if !PINPIPE_WITH_KINESIS

#include "base/error.h"

static pinpipe_status part_missing(pinpipe_error *err) {
    return pp_fail(err, PINPIPE_ENOTSUP, "this build has no Kinesis client (PINPIPE_WITH_KINESIS=OFF)");
}

pinpipe_status pinpipe_kinesis_new(pinpipe_kinesis **out, const pinpipe_kinesis_options *options,
                                   pinpipe_error *err) {
    *out = NULL;
    (void)options;
    return part_missing(err);
}

void pinpipe_kinesis_free(pinpipe_kinesis *kinesis) {
    (void)kinesis;
}

pinpipe_status pinpipe_kinesis_stream_put(pinpipe_kinesis *kinesis, pinpipe_str stream, int64_t shard_count,
                                          int64_t timeout_ms, pinpipe_error *err) {
    (void)kinesis, (void)stream, (void)shard_count, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_kinesis_stream_delete(pinpipe_kinesis *kinesis, pinpipe_str stream, int64_t timeout_ms,
                                             pinpipe_error *err) {
    (void)kinesis, (void)stream, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_kinesis_stream_get(pinpipe_kinesis_stream *out, pinpipe_kinesis *kinesis,
                                          pinpipe_str stream, int64_t timeout_ms, pinpipe_error *err) {
    *out = (pinpipe_kinesis_stream){0};
    (void)kinesis, (void)stream, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_kinesis_streams_list(pinpipe_kinesis *kinesis, int64_t timeout_ms,
                                            pinpipe_error *err) {
    (void)kinesis, (void)timeout_ms;
    return part_missing(err);
}

int64_t pinpipe_kinesis_stream_count(const pinpipe_kinesis *kinesis) {
    (void)kinesis;
    return 0;
}

pinpipe_str pinpipe_kinesis_stream_name_at(const pinpipe_kinesis *kinesis, int64_t index) {
    (void)kinesis, (void)index;
    return (pinpipe_str){"", 0};
}

pinpipe_status pinpipe_kinesis_shards_list(pinpipe_kinesis *kinesis, pinpipe_str stream, int64_t timeout_ms,
                                           pinpipe_error *err) {
    (void)kinesis, (void)stream, (void)timeout_ms;
    return part_missing(err);
}

int64_t pinpipe_kinesis_shard_count(const pinpipe_kinesis *kinesis) {
    (void)kinesis;
    return 0;
}

pinpipe_kinesis_shard pinpipe_kinesis_shard_at(const pinpipe_kinesis *kinesis, int64_t index) {
    (void)kinesis, (void)index;
    return (pinpipe_kinesis_shard){0};
}

pinpipe_status pinpipe_kinesis_shard_split(pinpipe_kinesis *kinesis, pinpipe_str stream,
                                           pinpipe_kinesis_split split, int64_t timeout_ms,
                                           pinpipe_error *err) {
    (void)kinesis, (void)stream, (void)split, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_kinesis_shards_merge(pinpipe_kinesis *kinesis, pinpipe_str stream,
                                            pinpipe_kinesis_merge merge, int64_t timeout_ms,
                                            pinpipe_error *err) {
    (void)kinesis, (void)stream, (void)merge, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_kinesis_shards_set(pinpipe_kinesis *kinesis, pinpipe_str stream, int64_t shard_count,
                                          int64_t timeout_ms, pinpipe_error *err) {
    (void)kinesis, (void)stream, (void)shard_count, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_kinesis_record_put(pinpipe_kinesis_place *out, pinpipe_kinesis *kinesis,
                                          pinpipe_str stream, const pinpipe_kinesis_record *record,
                                          int64_t timeout_ms, pinpipe_error *err) {
    *out = (pinpipe_kinesis_place){0};
    (void)kinesis, (void)stream, (void)record, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_kinesis_iterator_get(pinpipe_buf *out, pinpipe_kinesis *kinesis,
                                            const pinpipe_kinesis_position *position, int64_t timeout_ms,
                                            pinpipe_error *err) {
    (void)out;
    (void)kinesis, (void)position, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_kinesis_batch_new(pinpipe_kinesis_batch **out, pinpipe_error *err) {
    *out = NULL;
    return part_missing(err);
}

void pinpipe_kinesis_batch_free(pinpipe_kinesis_batch *batch) {
    (void)batch;
}

int64_t pinpipe_kinesis_batch_count(const pinpipe_kinesis_batch *batch) {
    (void)batch;
    return 0;
}

pinpipe_kinesis_item pinpipe_kinesis_batch_at(const pinpipe_kinesis_batch *batch, int64_t index) {
    (void)batch, (void)index;
    return (pinpipe_kinesis_item){0};
}

pinpipe_str pinpipe_kinesis_batch_iterator(const pinpipe_kinesis_batch *batch) {
    (void)batch;
    return (pinpipe_str){"", 0};
}

int64_t pinpipe_kinesis_batch_behind_ms(const pinpipe_kinesis_batch *batch) {
    (void)batch;
    return 0;
}

pinpipe_status pinpipe_kinesis_records_get(pinpipe_kinesis_batch *batch, pinpipe_kinesis *kinesis,
                                           pinpipe_str iterator, int64_t record_max, int64_t timeout_ms,
                                           pinpipe_error *err) {
    (void)batch, (void)kinesis, (void)iterator, (void)record_max, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_kinesis_producer_new(pinpipe_kinesis_producer **out,
                                            const pinpipe_kinesis_producer_options *options,
                                            pinpipe_error *err) {
    *out = NULL;
    (void)options;
    return part_missing(err);
}

void pinpipe_kinesis_producer_free(pinpipe_kinesis_producer *producer) {
    (void)producer;
}

pinpipe_status pinpipe_kinesis_producer_write(pinpipe_kinesis_producer *producer,
                                              const pinpipe_kinesis_record *record, int64_t tag,
                                              int64_t timeout_ms, pinpipe_error *err) {
    (void)producer, (void)record, (void)tag, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_kinesis_producer_flush(pinpipe_kinesis_producer *producer, int64_t timeout_ms,
                                              pinpipe_error *err) {
    (void)producer, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_kinesis_producer_poll(pinpipe_kinesis_producer *producer, int64_t timeout_ms,
                                             pinpipe_error *err) {
    (void)producer, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_kinesis_producer_report_next(pinpipe_kinesis_report *out,
                                                    pinpipe_kinesis_producer *producer, pinpipe_error *err) {
    *out = (pinpipe_kinesis_report){0};
    (void)producer;
    return part_missing(err);
}

int64_t pinpipe_kinesis_producer_count(const pinpipe_kinesis_producer *producer, int32_t counter) {
    (void)producer, (void)counter;
    return 0;
}

pinpipe_status pinpipe_kinesis_producer_shard_at(pinpipe_kinesis_shard_metrics *out,
                                                 pinpipe_kinesis_producer *producer, int64_t index,
                                                 pinpipe_error *err) {
    (void)out, (void)producer, (void)index;
    return part_missing(err);
}

pinpipe_status pinpipe_kinesis_producer_code_at(pinpipe_kinesis_code_metrics *out,
                                                pinpipe_kinesis_producer *producer, int64_t index,
                                                pinpipe_error *err) {
    (void)out, (void)producer, (void)index;
    return part_missing(err);
}

pinpipe_status pinpipe_kinesis_fan_out_put(pinpipe_buf *out, pinpipe_kinesis *kinesis, pinpipe_str stream_arn,
                                           pinpipe_str name, int64_t timeout_ms, pinpipe_error *err) {
    (void)out, (void)kinesis, (void)stream_arn, (void)name, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_kinesis_fan_out_delete(pinpipe_kinesis *kinesis, pinpipe_str fan_out_arn,
                                              int64_t timeout_ms, pinpipe_error *err) {
    (void)kinesis, (void)fan_out_arn, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_kinesis_consumer_new(pinpipe_kinesis_consumer **out,
                                            const pinpipe_kinesis_consumer_options *options,
                                            pinpipe_error *err) {
    *out = NULL;
    (void)options;
    return part_missing(err);
}

void pinpipe_kinesis_consumer_free(pinpipe_kinesis_consumer *consumer) {
    (void)consumer;
}

int64_t pinpipe_kinesis_consumer_shard_count(const pinpipe_kinesis_consumer *consumer) {
    (void)consumer;
    return 0;
}

pinpipe_status pinpipe_kinesis_consumer_shard_at(pinpipe_kinesis_consumer_shard *out,
                                                 const pinpipe_kinesis_consumer *consumer, int64_t index,
                                                 pinpipe_error *err) {
    (void)out, (void)consumer, (void)index;
    return part_missing(err);
}

pinpipe_status pinpipe_kinesis_consumer_shards_list(pinpipe_kinesis_consumer *consumer, int64_t timeout_ms,
                                                    pinpipe_error *err) {
    (void)consumer, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_kinesis_consumer_shard_take(pinpipe_kinesis_consumer *consumer,
                                                   const pinpipe_kinesis_position *position,
                                                   pinpipe_error *err) {
    (void)consumer, (void)position;
    return part_missing(err);
}

pinpipe_status pinpipe_kinesis_consumer_shard_release(pinpipe_kinesis_consumer *consumer,
                                                      pinpipe_str shard_id, pinpipe_error *err) {
    (void)consumer, (void)shard_id;
    return part_missing(err);
}

pinpipe_status pinpipe_kinesis_consumer_read(pinpipe_kinesis_records *records,
                                             pinpipe_kinesis_consumer *consumer,
                                             const pinpipe_kinesis_read_options *options, int64_t timeout_ms,
                                             pinpipe_error *err) {
    (void)records, (void)consumer, (void)options, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_kinesis_records_new(pinpipe_kinesis_records **out, pinpipe_error *err) {
    *out = NULL;
    return part_missing(err);
}

void pinpipe_kinesis_records_free(pinpipe_kinesis_records *records) {
    (void)records;
}

int64_t pinpipe_kinesis_records_count(const pinpipe_kinesis_records *records) {
    (void)records;
    return 0;
}

pinpipe_kinesis_item pinpipe_kinesis_records_at(const pinpipe_kinesis_records *records, int64_t index) {
    (void)records, (void)index;
    return (pinpipe_kinesis_item){0};
}

pinpipe_str pinpipe_kinesis_records_stream(const pinpipe_kinesis_records *records) {
    (void)records;
    return (pinpipe_str){"", 0};
}

int64_t pinpipe_kinesis_records_position_count(const pinpipe_kinesis_records *records) {
    (void)records;
    return 0;
}

pinpipe_kinesis_position pinpipe_kinesis_records_position_at(const pinpipe_kinesis_records *records,
                                                             int64_t index) {
    (void)records, (void)index;
    return (pinpipe_kinesis_position)PINPIPE_KINESIS_POSITION_INIT;
}

pinpipe_status pinpipe_kinesis_records_export(struct ArrowArray *out, struct ArrowSchema *schema,
                                              const pinpipe_kinesis_records *records, int32_t columns,
                                              pinpipe_error *err) {
    *out = (struct ArrowArray){0};
    *schema = (struct ArrowSchema){0};
    (void)records, (void)columns;
    return part_missing(err);
}

int64_t pinpipe_kinesis_consumer_count(const pinpipe_kinesis_consumer *consumer, int32_t counter) {
    (void)consumer, (void)counter;
    return 0;
}

const char *pinpipe_kinesis_gateway_form_name(int32_t form) {
    (void)form;
    return NULL;
}

const char *pinpipe_kinesis_gateway_fault_text(pinpipe_str sent, pinpipe_str stored) {
    (void)sent, (void)stored;
    return NULL;
}

#endif
