/* Turns Kafka topics into objects of a store, one JSON value a line: the object sink.
 * Never commits an offset whose record is not stored; never changes a byte of a value.
 * Rules: docs/sink.md; the objects' names are those of the Confluent S3 sink (its documentation, "S3 object
 * names"). */
#ifndef PINPIPE_SINK_H
#define PINPIPE_SINK_H

#include "kafka.h"
#include "s3.h"

PINPIPE_BEGIN_DECLS

/** A sink: a group member, its open files, its store. One thread at a time; EFORK in a forked child. */
typedef struct pinpipe_sink pinpipe_sink;

/* Values become lines of topics/<topic>/partition=<n>/<topic>+<n>+<start offset, 10 digits>.json. A record is
 * left out of its object and counted in three cases: a null value (a tombstone) is passed over; a value with
 * a raw newline and an empty value would break "one value a line", so they go, whole, to
 * rejects/<topic>/partition=<n>/<topic>+<n>+<offset of the first, 10 digits>.json, one line of
 * {"offset","timestamp_ms","reason","key_b64","data_b64"} each, in the same rotation and before the same
 * commit. */

/** Zero or empty in a field means: the default that its comment names. */
typedef struct pinpipe_sink_options {
    uint32_t struct_size;
    int32_t reserved;    /* 0 */
    pinpipe_str brokers; /* needed */
    pinpipe_str topics;  /* needed: a regular expression that matches whole topic names */
    pinpipe_str target;  /* needed: file:///folder or s3://bucket/prefix; a last segment "topics" is
                            the folder of topics itself, else topics/ is made in it */
    pinpipe_str group;   /* "pinpipe-sink" */
    const pinpipe_kafka_config *config; /* copied; NULL = none; enable.auto.commit cannot be among it */
    pinpipe_s3 *s3;                     /* borrowed until free; NULL = a client made from the environment */
    int64_t flush_records;              /* a file is stored at this many lines; 10,000 */
    int64_t flush_bytes;                /* or when it has this many bytes; 8 MiB */
    int64_t idle_ms;                    /* or when no record has come for so long; 10,000 */
    int64_t max_buffered_bytes; /* of all files together, beyond which the largest is stored; 64 MiB */
    int64_t store_timeout_ms;   /* of one attempt to store, and how long attempts are repeated; 30,000 */
} pinpipe_sink_options;

#define PINPIPE_SINK_OPTIONS_INIT                                                                            \
    {                                                                                                        \
        (uint32_t)sizeof(pinpipe_sink_options), 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, NULL, NULL,   \
            0, 0, 0, 0, 0                                                                                    \
    }

/* Always: records_read = records_stored + records_rejected + records_null + records_dropped + what is
 * buffered. */
#define PINPIPE_SINK_COUNTER_MAP(X)                                                                          \
    X(RECORDS_READ, records_read, "records taken from Kafka")                                                \
    X(RECORDS_STORED, records_stored, "records that are lines of stored objects")                            \
    X(RECORDS_REJECTED, records_rejected, "records stored in rejects objects")                               \
    X(RECORDS_NULL, records_null, "null values passed over")                                                 \
    X(RECORDS_DROPPED, records_dropped, "records of revoked partitions, left to their next owner")           \
    X(BYTES_STORED, bytes_stored, "bytes of stored objects, rejects included")                               \
    X(OBJECTS_STORED, objects_stored, "objects stored, rejects included")                                    \
    X(STORE_RETRIES, store_retries, "attempts to store that failed and were repeated")                       \
    X(OFFSETS_SKIPPED, offsets_skipped, "offsets that Kafka did not deliver: compacted, aborted or expired") \
    X(ROTATIONS_COUNT, rotations_count, "files stored because of flush_records")                             \
    X(ROTATIONS_BYTES, rotations_bytes, "files stored because of flush_bytes")                               \
    X(ROTATIONS_IDLE, rotations_idle, "files stored because of idle_ms")                                     \
    X(ROTATIONS_MEMORY, rotations_memory, "files stored because of max_buffered_bytes")                      \
    X(ROTATIONS_FLUSH, rotations_flush, "files stored because flush was called")                             \
    X(ROTATIONS_REWIND, rotations_rewind, "files stored because Kafka went back to an earlier offset")       \
    X(BYTES_BUFFERED, bytes_buffered, "bytes in memory now")                                                 \
    X(BYTES_BUFFERED_MAX, bytes_buffered_max, "most bytes in memory so far")

typedef enum pinpipe_sink_counter {
#define PINPIPE_SINK_COUNTER_ENUM(name, text, meaning) PINPIPE_SINK_##name,
    PINPIPE_SINK_COUNTER_MAP(PINPIPE_SINK_COUNTER_ENUM)
#undef PINPIPE_SINK_COUNTER_ENUM
        PINPIPE_SINK_COUNTER_COUNT
} pinpipe_sink_counter;

/** Where the sink stands in one partition. */
typedef struct pinpipe_sink_position {
    pinpipe_str topic; /* borrowed until the next call with the sink */
    int32_t partition;
    int32_t reserved;         /* 0 */
    int64_t stored_offset;    /* every record below it is stored; -1 = none yet */
    int64_t committed_offset; /* the last one that Kafka has confirmed; -1 = none by this sink */
    int64_t read_offset;      /* the next one to read */
} pinpipe_sink_position;

/** Opens a sink; waits for nothing. Errors: EINVAL a missing option, a bad expression, target or setting;
 * EAUTH no credentials for an s3 target; ENOTSUP a part that this build lacks; ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_sink_open(pinpipe_sink **out, const pinpipe_sink_options *options,
                                             pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Leaves the group within 5 s and drops what is not stored: its offsets are not committed, so the next owner
 * reads it again. NULL is allowed. */
PINPIPE_API void pinpipe_sink_free(pinpipe_sink *sink);

/** One step: waits for records up to `timeout_ms`, takes them, stores the files that are due, commits. A
 * store attempt that has begun may outlast the deadline by store_timeout_ms; failed ones are repeated in
 * later calls until store_timeout_ms has passed, and nothing more is read meanwhile than the open files can
 * take. Returns OK; AGAIN when nothing came and nothing was due. Errors: of pinpipe_kafka_consumer_poll and
 * _commit; the store's. After an error nothing is lost or committed too early, and the call may be repeated.
 */
PINPIPE_API pinpipe_status pinpipe_sink_poll(pinpipe_sink *sink, int64_t timeout_ms,
                                             pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Stores everything that has been read, and commits; reads nothing more. The last attempt may outlast the
 * deadline as in poll. Errors: as poll; ETIMEOUT. */
PINPIPE_API pinpipe_status pinpipe_sink_flush(pinpipe_sink *sink, int64_t timeout_ms,
                                              pinpipe_error *err) PINPIPE_MUST_CHECK;

/** The value of a pinpipe_sink_counter. */
PINPIPE_API int64_t pinpipe_sink_count(const pinpipe_sink *sink, int32_t counter);
/** Its name, such as "records_stored"; NULL beyond the last. */
PINPIPE_API const char *pinpipe_sink_counter_name(int32_t counter);
/** What it counts, in words; NULL beyond the last. */
PINPIPE_API const char *pinpipe_sink_counter_text(int32_t counter);

/** Partitions that the sink has read from and still owns. */
PINPIPE_API int64_t pinpipe_sink_position_count(const pinpipe_sink *sink);
/** The position at `index`, from 0 to the count - 1, in no particular order. */
PINPIPE_API pinpipe_sink_position pinpipe_sink_position_at(const pinpipe_sink *sink, int64_t index);

PINPIPE_END_DECLS

#endif
