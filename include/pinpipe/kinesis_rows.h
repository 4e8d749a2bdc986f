/* Records of a stream into rows: what a consumer read into the columns of a batch.
 * Never makes an object a record, and never touches the service itself.
 * Rules: docs/kinesis.md, "Clean batches"; CONTRACT §4. */
#ifndef PINPIPE_KINESIS_ROWS_H
#define PINPIPE_KINESIS_ROWS_H

#include "batch.h"
#include "decode.h"
#include "kinesis_consumer.h"

PINPIPE_BEGIN_DECLS

/** Which records of a batch are a decoder's. */
typedef enum pinpipe_kinesis_routing {
    PINPIPE_KINESIS_ROUTE_ALL = 0,
    PINPIPE_KINESIS_ROUTE_KEY =
        1 /* those whose partition key names its type: "<id>-pin", "<id>-geo", "<id>-user" */
} pinpipe_kinesis_routing;

/** The record type that a partition key names behind its last '-'; -1 = none. */
PINPIPE_API int32_t pinpipe_kinesis_key_record(pinpipe_str partition_key);

/** Reads the data of `records` from record `first` on, one JSON record each, into `batch`, until it is full:
 * `taken_count` says how many were read or passed. In `report`, a reject's record_index counts the records
 * that this decoder has read, its source is "kinesis://stream/shard/sequence number", with "/number" for a
 * record of an aggregate, and its reason says what a gateway's mapping template may have made of the data.
 * Errors: as pinpipe_decoder_feed_record. */
PINPIPE_API pinpipe_status pinpipe_kinesis_records_decode(int64_t *taken_count, pinpipe_decoder *decoder,
                                                          pinpipe_batch *batch,
                                                          const pinpipe_kinesis_records *records,
                                                          int64_t first, int32_t routing,
                                                          pinpipe_report *report,
                                                          pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Appends where record `index` was read, as the source of a reject has it. Errors: ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_kinesis_records_source(pinpipe_buf *out,
                                                          const pinpipe_kinesis_records *records,
                                                          int64_t index,
                                                          pinpipe_error *err) PINPIPE_MUST_CHECK;

PINPIPE_END_DECLS

#endif
