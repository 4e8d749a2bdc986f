/* Rows into records of a topic and back: tables as JSON values, consumed records into the columns of a batch.
 * Never makes an object a record, and never touches a broker itself.
 * Rules: docs/kafka.md, "Batches"; CONTRACT §4, "Written out". */
#ifndef PINPIPE_KAFKA_ROWS_H
#define PINPIPE_KAFKA_ROWS_H

#include "batch.h"
#include "decode.h"
#include "kafka_batch.h"

PINPIPE_BEGIN_DECLS

/** Writes the rows of `batch` as JSON objects, and column `key_column` (text or an integer; -1 = no key) as
 * their keys: `out` is what pinpipe_kafka_delivery_new takes, once its topic is set. It owns the text: who
 * does not make a delivery of it calls `out->release(out->release_context)`. Errors: EINVAL there is no such
 * column or it makes no key; ELIMIT beyond 1 GiB of text; ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_kafka_columns_encode(pinpipe_kafka_columns *out,
                                                        const pinpipe_batch *batch, int32_t key_column,
                                                        pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Reads the values of `records` from record `first` on, one JSON record each, into `batch`, until it is
 * full: `taken_count` says how many. In `report`, a reject's record_index counts the values that this decoder
 * has read. A value that is Kafka's null is a reject. Errors: as pinpipe_decoder_feed_record. */
PINPIPE_API pinpipe_status pinpipe_kafka_records_decode(int64_t *taken_count, pinpipe_decoder *decoder,
                                                        pinpipe_batch *batch,
                                                        const pinpipe_kafka_records *records, int64_t first,
                                                        pinpipe_report *report,
                                                        pinpipe_error *err) PINPIPE_MUST_CHECK;

PINPIPE_END_DECLS

#endif
