/* Turns the shards of a stream into batches of records, parents before their children, and into places from
 * which another consumer goes on. Never keeps such a place itself: whoever reads does. Rules:
 * docs/kinesis.md, "Consumer"; Amazon Kinesis API Reference, "GetRecords"; the Kinesis Client Library. */
#ifndef PINPIPE_KINESIS_CONSUMER_H
#define PINPIPE_KINESIS_CONSUMER_H

#include "arrow.h"
#include "kinesis.h"

PINPIPE_BEGIN_DECLS

/** Reads shards of one stream, many at once. It moves while its owner is in one of the calls below, on the
 * owner's thread. One thread at a time; EFORK in a forked child. */
typedef struct pinpipe_kinesis_consumer pinpipe_kinesis_consumer;

/** Which shards are read. */
typedef enum pinpipe_kinesis_reading {
    PINPIPE_KINESIS_READ_ALL = 0,  /* all, those to come too */
    PINPIPE_KINESIS_READ_TAKEN = 1 /* those that pinpipe_kinesis_consumer_shard_take names */
} pinpipe_kinesis_reading;

/** What becomes of an aggregate of the Kinesis Producer Library of which a record's hash key is not among its
 * shard's. */
typedef enum pinpipe_kinesis_strays {
    PINPIPE_KINESIS_STRAYS_DROP =
        0,                          /* all of it is dropped and counted, as the Kinesis Client Library does */
    PINPIPE_KINESIS_STRAYS_KEEP = 1 /* its records come, those that stray with PINPIPE_KINESIS_IS_STRAY */
} pinpipe_kinesis_strays;

/** Everything is copied. Empty or zero: the default that the comment names. */
typedef struct pinpipe_kinesis_consumer_options {
    uint32_t struct_size;
    int32_t reading;                       /* pinpipe_kinesis_reading */
    pinpipe_str stream;                    /* name or ARN; required */
    const pinpipe_kinesis_options *client; /* of the consumer's own client; NULL: its defaults */
    int32_t start;                         /* TRIM_HORIZON, LATEST, AT_TIMESTAMP: shards without a place of
                                              their own; shards that come later are read from their beginning */
    int32_t strays;                        /* pinpipe_kinesis_strays */
    int64_t start_ms;                      /* of AT_TIMESTAMP, since 1970 */
    int64_t memory_max_bytes; /* of answers that wait or are under way; 26 MiB and more; 64 MiB */
    int64_t fetch_records;    /* most in an answer, to 10,000; 10,000 */
    int64_t idle_ms;          /* from an answer at the shard's tip to the next call; 1000 */
    int64_t stuck_ms;         /* a shard without an answer for so long is stuck; 60000 */
    int64_t audit_ms;         /* from a look at the stream's shards to the next; 60000 */
    int32_t in_flight;        /* requests under way at once, 1 to 64; 8. With fan_out shards, to 1000; 100 */
    int32_t reserved;         /* 0 */
    pinpipe_str fan_out; /* ARN of a registered consumer: shards are subscribed to, each with 2 MiB a second
                            of its own; empty = GetRecords */
} pinpipe_kinesis_consumer_options;

#define PINPIPE_KINESIS_CONSUMER_OPTIONS_INIT                                                                \
    {                                                                                                        \
        (uint32_t)sizeof(pinpipe_kinesis_consumer_options), 0, {NULL, 0}, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0,   \
            0, {                                                                                             \
            NULL, 0                                                                                          \
        }                                                                                                    \
    }

/** Opens a consumer: asks for the stream's shards, within the client's timeout, and reads none of them yet.
 * Errors: EINVAL an option; those of pinpipe_kinesis_new and of every call. */
PINPIPE_API pinpipe_status pinpipe_kinesis_consumer_new(pinpipe_kinesis_consumer **out,
                                                        const pinpipe_kinesis_consumer_options *options,
                                                        pinpipe_error *err) PINPIPE_MUST_CHECK;

/** What was handed out stays; NULL is allowed. */
PINPIPE_API void pinpipe_kinesis_consumer_free(pinpipe_kinesis_consumer *consumer);

/* ---- shards ---- */

/** What a consumer does with a shard. */
typedef enum pinpipe_kinesis_shard_state {
    PINPIPE_KINESIS_SHARD_FREE = 0,    /* not read: nobody has taken it */
    PINPIPE_KINESIS_SHARD_WAITING = 1, /* for the end of its parents */
    PINPIPE_KINESIS_SHARD_READING = 2,
    PINPIPE_KINESIS_SHARD_STUCK = 3, /* being read, without an answer for stuck_ms */
    PINPIPE_KINESIS_SHARD_ENDED = 4  /* closed, and all of it handed out */
} pinpipe_kinesis_shard_state;

/** A shard that the consumer knows. The views are borrowed until the consumer's next call. */
typedef struct pinpipe_kinesis_consumer_shard {
    uint32_t struct_size;
    int32_t state;                     /* pinpipe_kinesis_shard_state */
    pinpipe_kinesis_shard shard;       /* as the stream describes it */
    pinpipe_kinesis_position position; /* behind the last record handed out */
    int64_t behind_ms;                 /* of the last answer to the shard's tip; -1 = not told yet */
    int64_t records;                   /* handed out */
    pinpipe_str error;                 /* what the last request failed with; empty = it did not */
} pinpipe_kinesis_consumer_shard;

#define PINPIPE_KINESIS_CONSUMER_SHARD_INIT                                                                  \
    {                                                                                                        \
        (uint32_t)sizeof(pinpipe_kinesis_consumer_shard), 0,                                                 \
            {{NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}},                   \
            {0, 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, 0, 0}, 0, 0, {                                           \
            NULL, 0                                                                                          \
        }                                                                                                    \
    }

/** The shards that are known, sorted by their ids. Errors: EINVAL no struct_size, an unknown index. */
PINPIPE_API int64_t pinpipe_kinesis_consumer_shard_count(const pinpipe_kinesis_consumer *consumer);
/** Fills `out` with shard `index`. Errors: EINVAL no struct_size, an unknown index. */
PINPIPE_API pinpipe_status pinpipe_kinesis_consumer_shard_at(pinpipe_kinesis_consumer_shard *out,
                                                             const pinpipe_kinesis_consumer *consumer,
                                                             int64_t index,
                                                             pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Looks at the stream's shards now. Errors: those of every call. */
PINPIPE_API pinpipe_status pinpipe_kinesis_consumer_shards_list(pinpipe_kinesis_consumer *consumer,
                                                                int64_t timeout_ms,
                                                                pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Reads a shard from a place on: the stream in it is not looked at. AFTER_SEQUENCE with a sub_sequence goes
 * on inside of an aggregate; SHARD_END: nothing is left to read. A shard that the consumer did not know is
 * known from now on. Errors: EINVAL no place; ELIMIT too many shards; ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_kinesis_consumer_shard_take(pinpipe_kinesis_consumer *consumer,
                                                               const pinpipe_kinesis_position *position,
                                                               pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Stops reading a shard, and forgets what was fetched of it and not handed out. Errors: ENOTFOUND. */
PINPIPE_API pinpipe_status pinpipe_kinesis_consumer_shard_release(pinpipe_kinesis_consumer *consumer,
                                                                  pinpipe_str shard_id,
                                                                  pinpipe_error *err) PINPIPE_MUST_CHECK;

/* ---- records ---- */

/** Records that were read, views into answers; reused from call to call. */
typedef struct pinpipe_kinesis_records pinpipe_kinesis_records;

/** Makes room for records. Owns: the caller frees it. Errors: ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_kinesis_records_new(pinpipe_kinesis_records **out,
                                                       pinpipe_error *err) PINPIPE_MUST_CHECK;
/** NULL is allowed; the consumer may be gone. */
PINPIPE_API void pinpipe_kinesis_records_free(pinpipe_kinesis_records *records);

/** Zero in a field means its default. */
typedef struct pinpipe_kinesis_read_options {
    uint32_t struct_size;
    int32_t reserved;    /* 0 */
    int64_t max_records; /* 0 = 10,000; at most 1,000,000 */
    int64_t max_bytes;   /* of data, at which a batch ends; 0 = 8 MiB, at most 1 GiB */
} pinpipe_kinesis_read_options;

#define PINPIPE_KINESIS_READ_OPTIONS_INIT                                                                    \
    { (uint32_t)sizeof(pinpipe_kinesis_read_options), 0, 0, 0 }

/** Reads in place of what `records` held: waits for the first record, or the end of a shard, up to
 * `timeout_ms`, then takes what has come without waiting for more. Records of a shard come in its order, and
 * behind those of its parents. `options` NULL = defaults. Returns OK; AGAIN: nothing came. Errors: of the
 * shards' requests where none of them succeeds; EINVAL; EFORK; ENOMEM. After an error of a request the call
 * may be repeated. */
PINPIPE_API pinpipe_status pinpipe_kinesis_consumer_read(pinpipe_kinesis_records *records,
                                                         pinpipe_kinesis_consumer *consumer,
                                                         const pinpipe_kinesis_read_options *options,
                                                         int64_t timeout_ms,
                                                         pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Of an item: its hash key is not among its shard's. */
#define PINPIPE_KINESIS_IS_STRAY 1

/** The records. The views are borrowed until the next read into them. `index` is from 0 and below the count.
 */
PINPIPE_API int64_t pinpipe_kinesis_records_count(const pinpipe_kinesis_records *records);
/** Record `index` of them. */
PINPIPE_API pinpipe_kinesis_item pinpipe_kinesis_records_at(const pinpipe_kinesis_records *records,
                                                            int64_t index);

/** The stream that they are of, as it was named. */
PINPIPE_API pinpipe_str pinpipe_kinesis_records_stream(const pinpipe_kinesis_records *records);

/** Where each shard of these records is to be gone on with, one row a shard; SHARD_END where its end was
 * found. Borrowed as the records are. */
PINPIPE_API int64_t pinpipe_kinesis_records_position_count(const pinpipe_kinesis_records *records);
/** Position `index` of them. */
PINPIPE_API pinpipe_kinesis_position
pinpipe_kinesis_records_position_at(const pinpipe_kinesis_records *records, int64_t index);

/** Columns beyond the six of the Databricks source. */
typedef enum pinpipe_kinesis_columns {
    PINPIPE_KINESIS_COLUMNS_SOURCE = 0, /* partitionKey, data, stream, shardId, sequenceNumber,
                                           approximateArrivalTimestamp */
    PINPIPE_KINESIS_COLUMNS_ALL = 1     /* and explicitHashKey, subSequenceNumber, stray */
} pinpipe_kinesis_columns;

/** Copies the records to an Arrow struct array with its schema. Owns: the caller releases both, at any time
 * and in any thread. Errors: ELIMIT more than 2 GiB in a column; ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_kinesis_records_export(struct ArrowArray *out, struct ArrowSchema *schema,
                                                          const pinpipe_kinesis_records *records,
                                                          int32_t columns,
                                                          pinpipe_error *err) PINPIPE_MUST_CHECK;

/* ---- counters ---- */

/** What a consumer counts. */
#define PINPIPE_KINESIS_CONSUMER_COUNTER_MAP(X)                                                              \
    X(RECORDS, "records", "records handed out, those of aggregates one by one")                              \
    X(BYTES, "bytes", "their data")                                                                          \
    X(AGGREGATES, "aggregates", "aggregates that were taken apart")                                          \
    X(DROPPED, "dropped", "records of aggregates that were dropped: one of them strayed")                    \
    X(STRAYED, "strayed", "records handed out whose hash key is not among their shard's")                    \
    X(REQUESTS, "requests", "requests answered or lost")                                                     \
    X(THROTTLED, "throttled", "requests that a shard had no room for")                                       \
    X(EXPIRED, "expired", "iterators that had expired")                                                      \
    X(FAILED, "failed", "requests that failed for another reason")                                           \
    X(VANISHED, "vanished", "shards that went away before their end was read")                               \
    X(HOLES, "holes", "looks at the shards that found hash keys without one")                                \
    X(STUCK, "stuck", "times that a shard was without an answer for too long")                               \
    X(HELD_BYTES, "held_bytes", "memory of answers now")

/** Numbers of those counters. */
typedef enum pinpipe_kinesis_consumer_counter {
#define PINPIPE_KINESIS_CONSUMER_COUNTER_ENUM(name, text, meaning) PINPIPE_KINESIS_CONSUMER_##name,
    PINPIPE_KINESIS_CONSUMER_COUNTER_MAP(PINPIPE_KINESIS_CONSUMER_COUNTER_ENUM)
#undef PINPIPE_KINESIS_CONSUMER_COUNTER_ENUM
        PINPIPE_KINESIS_CONSUMER_COUNTERS
} pinpipe_kinesis_consumer_counter;

/** The value of a pinpipe_kinesis_consumer_counter; 0 where there is no such counter. */
PINPIPE_API int64_t pinpipe_kinesis_consumer_count(const pinpipe_kinesis_consumer *consumer, int32_t counter);
/** A counter's name; NULL where there is no such counter. */
PINPIPE_API const char *pinpipe_kinesis_consumer_counter_name(int32_t counter);

PINPIPE_END_DECLS

#endif
