/* Turns records into one aggregate of the Kinesis Producer Library, and aggregates back into records.
 * Never trusts an aggregate: what does not fit its checksum or its form is a record of its own.
 * Rules: amazon-kinesis-producer, aggregation-format.md; AggregatorUtil of the Kinesis Client Library. */
#ifndef PP_KINESIS_AGGREGATE_H
#define PP_KINESIS_AGGREGATE_H

#include "kinesis/shards.h"

/** Magic and MD5 around the message. */
#define PP_AGGREGATE_AROUND 20

/** One record of an aggregate. */
typedef struct pp_aggregate_record {
    pinpipe_str partition_key;
    pinpipe_str hash_key; /* decimal; empty = none */
    pinpipe_str data;
} pp_aggregate_record;

/** A table of different texts, in the order in which they came. Starts zeroed. */
typedef struct pp_aggregate_table {
    pinpipe_buf message; /* as it stands in the message */
    size_t *at;          /* of each text in it */
    size_t *len;
    uint32_t count, cap;
    uint32_t *slots; /* index + 1 by hash */
    uint32_t slot_count;
} pp_aggregate_table;

/** An aggregate that is being made. Starts zeroed, is reused. */
typedef struct pp_aggregate {
    pp_aggregate_table keys, hashes;
    pinpipe_buf records;
    int64_t count;
} pp_aggregate;

void pp_aggregate_clear(pp_aggregate *aggregate);
void pp_aggregate_reset(pp_aggregate *aggregate);

/** Adds a record. DONE: it would grow beyond `max` bytes in all, and stays as it was. Errors: ENOMEM. */
pinpipe_status pp_aggregate_add(pp_aggregate *aggregate, const pp_aggregate_record *record, size_t max,
                                pinpipe_error *err);

/** Writes the aggregate into an emptied `out`. Errors: ENOMEM; EFATAL no MD5. */
pinpipe_status pp_aggregate_encode(pinpipe_buf *out, const pp_aggregate *aggregate, pinpipe_error *err);

/** Takes one record of an aggregate. A negative status ends the walk. */
typedef pinpipe_status (*pp_aggregate_take)(void *user, const pp_aggregate_record *record,
                                            pinpipe_error *err);

/** Walks over the records of an aggregate. DONE: the bytes are none, nothing was taken.
 * Errors: ENOMEM; EFATAL no MD5; of `take`. */
pinpipe_status pp_aggregate_decode(pinpipe_str bytes, pp_aggregate_take take, void *user, pinpipe_error *err);

/** The hash key of a record of an aggregate. False: its explicit one is none. */
bool pp_aggregate_hash(pp_kinesis_hash *out, const pp_aggregate_record *record);

#endif
