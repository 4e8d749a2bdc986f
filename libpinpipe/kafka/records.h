/* Turns consumed messages into a block of columns that a handle and Arrow arrays can share.
 * Never changed once it is shared.
 * Rules: docs/kafka.md, "Batches"; the Arrow columnar format. */
#ifndef PP_KAFKA_RECORDS_H
#define PP_KAFKA_RECORDS_H

#include <stdatomic.h>

#include "base/error.h"
#include "pinpipe/kafka_batch.h"

/** A column of bytes that grows. */
typedef struct pp_kafka_bytes {
    pinpipe_buf data;
    int64_t *offsets;
    uint8_t *validity;
    int64_t null_count;
} pp_kafka_bytes;

/** The columns of some records. */
typedef struct pp_kafka_block {
    atomic_int holders;
    int64_t count;
    int64_t cap;
    pp_kafka_bytes values;
    pp_kafka_bytes keys;
    int32_t *topics;
    int32_t *partitions;
    int64_t *offsets;
    int64_t *timestamps_ms;
    pinpipe_buf topic_text; /* the names, one after the other */
    int32_t *topic_offsets;
    int32_t topic_count;
    int32_t topic_cap;
} pp_kafka_block;

struct pinpipe_kafka_records {
    pp_kafka_block *block; /* NULL = empty, nothing made yet */
    pinpipe_str *names;    /* of the block's topics */
    pinpipe_kafka_offset *revoked;
    pinpipe_buf revoked_text; /* of their topics */
    int64_t revoked_count;
    pinpipe_kafka_offset *next; /* of each partition among the records, by their topics' `names` */
    int64_t next_count, next_cap;
};

/** Makes an empty block with one holder; NULL = no memory. */
pp_kafka_block *pp_kafka_block_new(void);
void pp_kafka_block_release(pp_kafka_block *block);

/** Gives records that were never read into a block with its arrays: Arrow wants one offset even of no
 * records. Errors: ENOMEM. */
pinpipe_status pp_kafka_records_prepare(pinpipe_kafka_records *records, pinpipe_error *err);

#endif
