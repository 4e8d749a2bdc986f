/* Records of a stream into rows: what a consumer read into the columns of a batch.
 * Never makes an object a record, and never touches the service itself.
 * Rules: docs/kinesis.md, "Clean batches"; CONTRACT §4. */
#ifndef PINPIPE_KINESIS_ROWS_H
#define PINPIPE_KINESIS_ROWS_H

#include "batch.h"
#include "decode.h"
#include "kinesis_consumer.h"

PINPIPE_BEGIN_DECLS

/** Reads the data of `records` from record `first` on, one JSON record each, into `batch`, until it is full:
 * `taken_count` says how many. In `report`, a reject's record_index counts the records that this decoder has
 * read, and its source is "kinesis://stream/shard/sequence number", with "/number" for a record of an
 * aggregate. Errors: as pinpipe_decoder_feed_record. */
PINPIPE_API pinpipe_status pinpipe_kinesis_records_decode(int64_t *taken_count, pinpipe_decoder *decoder,
                                                          pinpipe_batch *batch,
                                                          const pinpipe_kinesis_records *records,
                                                          int64_t first, pinpipe_report *report,
                                                          pinpipe_error *err) PINPIPE_MUST_CHECK;

PINPIPE_END_DECLS

#endif
