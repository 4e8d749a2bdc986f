/* Turns the data of records that a consumer read into rows, and what is none into rejects that name its
 * place. Never touches the service: reading is kinesis/'s. Rules: docs/kinesis.md, "Clean batches"; CONTRACT
 * §4, "Rejected". */
#include "pinpipe/kinesis_rows.h"

#include <stdio.h>

#include "base/buffer.h"
#include "record/report.h"

/* Stream's ARN, shard's id and two numbers have their own limits; this is more than all of them. */
#define SOURCE_MAX 2600

static pinpipe_status source_tell(pinpipe_report *report, const pinpipe_kinesis_records *records,
                                  int64_t index, int64_t first_reject, pinpipe_error *err) {
    char source[SOURCE_MAX];
    pinpipe_kinesis_item item = pinpipe_kinesis_records_at(records, index);
    pinpipe_str stream = pinpipe_kinesis_records_stream(records);
    int len = snprintf(source, sizeof source, "kinesis://%.*s/%.*s/%.*s", (int)stream.len, stream.ptr,
                       (int)item.shard_id.len, item.shard_id.ptr, (int)item.sequence_number.len,
                       item.sequence_number.ptr);
    if (item.sub_sequence >= 0 && len > 0 && (size_t)len < sizeof source) {
        len += snprintf(source + len, sizeof source - (size_t)len, "/%lld", (long long)item.sub_sequence);
    }
    return pp_report_source(report, first_reject, pp_str(source), err);
}

pinpipe_status pinpipe_kinesis_records_decode(int64_t *taken_count, pinpipe_decoder *decoder,
                                              pinpipe_batch *batch, const pinpipe_kinesis_records *records,
                                              int64_t first, pinpipe_report *report, pinpipe_error *err) {
    int64_t count = pinpipe_kinesis_records_count(records), row = first;
    pinpipe_status status = PINPIPE_OK;
    bool partial = false;
    *taken_count = 0;
    for (; row < count && status >= 0; row++) {
        pinpipe_kinesis_item item = pinpipe_kinesis_records_at(records, row);
        int64_t rejects = pinpipe_report_reject_count(report);
        status = pinpipe_decoder_feed_record(decoder, batch, item.data, report, err);
        if (status == PINPIPE_AGAIN) {
            break;
        }
        if (status == PINPIPE_PARTIAL) {
            partial = true;
            status = source_tell(report, records, row, rejects, err);
        }
    }
    *taken_count = row - first;
    return status < 0 ? status : partial ? PINPIPE_PARTIAL : PINPIPE_OK;
}
