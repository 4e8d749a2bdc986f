/* Turns the data of records that a consumer read into rows, and what is none into rejects that name its
 * place. Never touches the service: reading is kinesis/'s. Rules: docs/kinesis.md, "Clean batches", "One
 * stream for all"; CONTRACT §4, "Rejected". */
#include "pinpipe/kinesis_rows.h"

#include <string.h>

#include "base/buffer.h"
#include "pinpipe/kinesis_gateway.h"
#include "record/report.h"

pinpipe_status pinpipe_kinesis_records_source(pinpipe_buf *out, const pinpipe_kinesis_records *records,
                                              int64_t index, pinpipe_error *err) {
    pinpipe_kinesis_item item = pinpipe_kinesis_records_at(records, index);
    pinpipe_str stream = pinpipe_kinesis_records_stream(records);
    pinpipe_status status = pp_buf_printf(out, err, "kinesis://%.*s/%.*s/%.*s", (int)stream.len, stream.ptr,
                                          (int)item.shard_id.len, item.shard_id.ptr,
                                          (int)item.sequence_number.len, item.sequence_number.ptr);
    return status == PINPIPE_OK && item.sub_sequence >= 0
               ? pp_buf_printf(out, err, "/%lld", (long long)item.sub_sequence)
               : status;
}

int32_t pinpipe_kinesis_key_record(pinpipe_str partition_key) {
    for (int32_t record = 0; record < pinpipe_record_count(); record++) {
        pinpipe_str name = pp_str(pinpipe_record_name(record));
        size_t start = partition_key.len - name.len;
        if (partition_key.len > name.len && partition_key.ptr[start - 1] == '-' &&
            memcmp(partition_key.ptr + start, name.ptr, name.len) == 0) {
            return record;
        }
    }
    return -1;
}

/* What is known of a record that could not be read: an object was meant, as every producer sends one. */
static pinpipe_status reject_tell(pinpipe_report *report, const pinpipe_kinesis_records *records,
                                  int64_t index, int64_t first_reject, pinpipe_error *err) {
    pinpipe_buf source = PINPIPE_BUF_INIT;
    const char *fault =
        pinpipe_kinesis_gateway_fault_text(pp_str("{}"), pinpipe_kinesis_records_at(records, index).data);
    pinpipe_status status = fault ? pp_report_explain(report, fault, err) : PINPIPE_OK;
    if (status == PINPIPE_OK) {
        status = pinpipe_kinesis_records_source(&source, records, index, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_report_source(report, first_reject, pp_buf_view(&source), err);
    }
    pinpipe_buf_reset(&source);
    return status;
}

pinpipe_status pinpipe_kinesis_records_decode(int64_t *taken_count, pinpipe_decoder *decoder,
                                              pinpipe_batch *batch, const pinpipe_kinesis_records *records,
                                              int64_t first, int32_t routing, pinpipe_report *report,
                                              pinpipe_error *err) {
    int64_t count = pinpipe_kinesis_records_count(records), row = first;
    int32_t record = pinpipe_batch_record(batch);
    pinpipe_status status = PINPIPE_OK;
    bool partial = false;
    *taken_count = 0;
    for (; row < count && status >= 0; row++) {
        pinpipe_kinesis_item item = pinpipe_kinesis_records_at(records, row);
        int64_t rejects = pinpipe_report_reject_count(report);
        if (routing == PINPIPE_KINESIS_ROUTE_KEY &&
            pinpipe_kinesis_key_record(item.partition_key) != record) {
            continue;
        }
        status = pinpipe_decoder_feed_record(decoder, batch, item.data, report, err);
        if (status == PINPIPE_AGAIN) {
            break;
        }
        if (status == PINPIPE_PARTIAL) {
            partial = true;
            status = reject_tell(report, records, row, rejects, err);
        }
    }
    *taken_count = row - first;
    return status < 0 ? status : partial ? PINPIPE_PARTIAL : PINPIPE_OK;
}
