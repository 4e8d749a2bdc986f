/* What a batch of read records holds: one GetRecords answer, and views into it.
 * Never copies a record: data is decoded where the answer came.
 * Rules: docs/kinesis.md, "Reading". */
#ifndef PP_KINESIS_RECORDS_H
#define PP_KINESIS_RECORDS_H

#include "kinesis/client.h"

struct pinpipe_kinesis_batch {
    pinpipe_buf answer; /* what the views point into */
    pinpipe_kinesis_item *items;
    int64_t count, cap;
    pinpipe_str iterator; /* of a subscription's event: the sequence number to go on behind */
    int64_t behind_ms;
    pp_kinesis_shards children; /* of a shard that has ended, where the answer names them */
};

/** Most records of an answer. */
#define PP_KINESIS_FETCH_MAX 10000

/** Reads one GetRecords answer into a batch whose `answer` holds it. Errors: EDATA; ENOMEM. */
pinpipe_status pp_kinesis_batch_read(pinpipe_kinesis_batch *batch, pinpipe_kinesis_wire wire,
                                     pinpipe_error *err);

void pp_kinesis_batch_reset(pinpipe_kinesis_batch *batch);

/** Errors: EINVAL no start of an iterator, a sequence number or a time that cannot be one. */
pinpipe_status pp_kinesis_position_check(const pinpipe_kinesis_position *position, pinpipe_error *err);

/** Writes the members of a GetShardIterator request behind its stream, three where `start` is more than
 * LATEST, and its end. */
void pp_kinesis_write_position(pp_kinesis_writer *writer, const pinpipe_kinesis_position *position);
/** False: the answer has no iterator. */
bool pp_kinesis_iterator_read(pinpipe_str *out, pp_kinesis_reader *reader);

/** Writes the members of a GetRecords request, two with a `record_max` that is not 0, and its end. */
void pp_kinesis_write_fetch(pp_kinesis_writer *writer, pinpipe_str iterator, int64_t record_max);

/** Errors: EINVAL an empty or too long key, bytes that are not UTF-8, a hash key that is none; ELIMIT beyond
 * PP_KINESIS_RECORD_MAX. */
pinpipe_status pp_kinesis_record_check(const pinpipe_kinesis_record *record, pinpipe_error *err);

/** Writes the members of a record: data, key, hash key where it has one. */
void pp_kinesis_write_record(pp_kinesis_writer *writer, const pinpipe_kinesis_record *record);

#endif
