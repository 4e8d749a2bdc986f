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
    pinpipe_str iterator;
    int64_t behind_ms;
};

/** Reads one GetRecords answer into a batch whose `answer` holds it. Errors: EDATA; ENOMEM. */
pinpipe_status pp_kinesis_batch_read(pinpipe_kinesis_batch *batch, pinpipe_kinesis_wire wire,
                                     pinpipe_error *err);

/** Errors: EINVAL an empty or too long key, bytes that are not UTF-8, a hash key that is none; ELIMIT beyond
 * PP_KINESIS_RECORD_MAX. */
pinpipe_status pp_kinesis_record_check(const pinpipe_kinesis_record *record, pinpipe_error *err);

/** Writes the members of a record: data, key, hash key where it has one. */
void pp_kinesis_write_record(pp_kinesis_writer *writer, const pinpipe_kinesis_record *record);

#endif
