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

/* Values become lines of topics/<topic>/<folder>/<topic>+<n>+<start offset, 10 digits>.json, where the folder
 * is the partitioner's. Every offset is in one object, whatever ends the sink or moves its partitions:
 * objects are made by conditional requests only, and what an object in the way holds is not stored again
 * (docs/sink.md, "Exactly once"). Values that are no line (null, empty, with a raw newline) and those that
 * have no folder are skipped, refused or stored whole in rejects/<topic>/partition=<n>/…, one line of
 * {"offset","timestamp_ms","reason","key_b64","data_b64"} each, or written to a dead-letter topic. */

/** Which folder a record's object lies in; names as the Confluent S3 sink has them. */
typedef enum pinpipe_sink_partitioner {
    PINPIPE_SINK_PARTITIONER_DEFAULT = 0, /* partition=<n> */
    PINPIPE_SINK_PARTITIONER_FIELD = 1,   /* <field>=<value>/… of `partition_fields` */
    PINPIPE_SINK_PARTITIONER_TIME = 2,    /* `path_format`, the time cut to `partition_duration_ms` */
    PINPIPE_SINK_PARTITIONER_DAILY = 3,   /* year=YYYY/month=MM/day=dd */
    PINPIPE_SINK_PARTITIONER_HOURLY = 4   /* year=YYYY/month=MM/day=dd/hour=HH */
} pinpipe_sink_partitioner;

/** Whose time a record has. */
typedef enum pinpipe_sink_timestamp {
    PINPIPE_SINK_TIMESTAMP_WALLCLOCK = 0,   /* of its arrival here */
    PINPIPE_SINK_TIMESTAMP_RECORD = 1,      /* Kafka's */
    PINPIPE_SINK_TIMESTAMP_RECORD_FIELD = 2 /* `timestamp_field` of its value: milliseconds or ISO 8601 */
} pinpipe_sink_timestamp;

/** How a record stands in its line. */
typedef enum pinpipe_sink_format {
    PINPIPE_SINK_FORMAT_JSON = 0,    /* the value, byte for byte */
    PINPIPE_SINK_FORMAT_ENVELOPE = 1 /* {"topic","partition","offset","timestamp_ms","key","headers":[{"name",
                                        "value"}],"value"}; what is not UTF-8 is "key_b64", "value_b64" */
} pinpipe_sink_format;

/** How objects are packed. */
typedef enum pinpipe_sink_compression {
    PINPIPE_SINK_COMPRESSION_NONE = 0,
    PINPIPE_SINK_COMPRESSION_GZIP = 1, /* .json.gz, members of 256 KiB */
    PINPIPE_SINK_COMPRESSION_ZSTD = 2  /* .json.zst, frames of 256 KiB */
} pinpipe_sink_compression;

/** What becomes of values that are no line. */
typedef enum pinpipe_sink_policy {
    PINPIPE_SINK_POLICY_DEFAULT = 0, /* null: skip, or keep in envelopes; unreadable: reject */
    PINPIPE_SINK_POLICY_SKIP = 1,    /* passed over and counted */
    PINPIPE_SINK_POLICY_FAIL = 2,    /* poll ends with EDATA before it */
    PINPIPE_SINK_POLICY_REJECT = 3,  /* stored whole in rejects, or a dead letter */
    PINPIPE_SINK_POLICY_KEEP = 4     /* null values only: the line null, or an envelope with it */
} pinpipe_sink_policy;

/** Zero or empty in a field means: the default that its comment names. */
typedef struct pinpipe_sink_options {
    uint32_t struct_size;
    int32_t workers;     /* threads that compress and store, 1 to 64; 4 */
    pinpipe_str brokers; /* needed */
    pinpipe_str topics;  /* needed: a regular expression that matches whole topic names */
    pinpipe_str target;  /* needed: file:///folder or s3://bucket/prefix; a last segment that is `topics_dir`
                            is  the folder of topics itself, else that is made in it */
    pinpipe_str group;   /* "pinpipe-sink" */
    const pinpipe_kafka_config *config; /* copied; NULL = none; enable.auto.commit cannot be among it */
    const pinpipe_s3 *s3;               /* copied; NULL = a client made from the environment */
    int64_t flush_records;              /* a file is stored at this many lines; 10,000 */
    int64_t flush_bytes;                /* or when it has this many bytes, uncompressed; 8 MiB */
    int64_t idle_ms;                    /* or when no record has come for so long; 10,000 */
    int64_t rotate_interval_ms;    /* or before a record so much later than its first, by the records' time;
                                      never */
    int64_t rotate_schedule_ms;    /* or when the wall clock passes a multiple of it since midnight; never */
    int64_t max_buffered_bytes;    /* of all files together, beyond which the largest is stored; 64 MiB */
    int64_t store_timeout_ms;      /* of one attempt to store, and how long attempts are repeated; 30,000 */
    pinpipe_str topics_dir;        /* "topics" */
    pinpipe_str file_delim;        /* between topic, partition and offset; "+" */
    int32_t offset_width;          /* digits of the start offset, 1 to 20; 10 */
    int32_t format;                /* pinpipe_sink_format */
    int32_t compression;           /* pinpipe_sink_compression */
    int32_t compression_level;     /* gzip 1 to 9, zstd 1 to 19; 1 */
    int32_t null_values;           /* pinpipe_sink_policy */
    int32_t unreadable_values;     /* pinpipe_sink_policy */
    int32_t partitioner;           /* pinpipe_sink_partitioner */
    int32_t timestamp;             /* pinpipe_sink_timestamp */
    pinpipe_str partition_fields;  /* names parted by commas; a dot leads into an object; for FIELD */
    pinpipe_str timestamp_field;   /* such a name; "timestamp" */
    pinpipe_str path_format;       /* letters of Joda: 'year'=YYYY/'month'=MM; for TIME */
    pinpipe_str timezone;          /* "Europe/Berlin"; "UTC" */
    int64_t partition_duration_ms; /* for TIME; one hour */
    pinpipe_str dead_letter_topic; /* takes rejects in place of objects; none of `topics` */
} pinpipe_sink_options;

#define PINPIPE_SINK_OPTIONS_INIT                                                                            \
    {                                                                                                        \
        (uint32_t)sizeof(pinpipe_sink_options), 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, NULL, NULL,   \
            0, 0, 0, 0, 0, 0, 0, {NULL, 0}, {NULL, 0}, 0, 0, 0, 0, 0, 0, 0, 0, {NULL, 0}, {NULL, 0},         \
            {NULL, 0}, {NULL, 0}, 0, {                                                                       \
            NULL, 0                                                                                          \
        }                                                                                                    \
    }

/** What a sink counts. Always: records_read = records_stored + records_rejected + records_null +
 * records_skipped + records_known + records_dropped + what is buffered. */
#define PINPIPE_SINK_COUNTER_MAP(X)                                                                          \
    X(RECORDS_READ, records_read, "records taken from Kafka")                                                \
    X(RECORDS_STORED, records_stored, "records that are lines of stored objects")                            \
    X(RECORDS_REJECTED, records_rejected, "records in rejects objects, or in the dead-letter topic")         \
    X(RECORDS_NULL, records_null, "null values passed over")                                                 \
    X(RECORDS_SKIPPED, records_skipped, "unreadable values passed over")                                     \
    X(RECORDS_KNOWN, records_known, "records read again that were stored before")                            \
    X(RECORDS_DROPPED, records_dropped,                                                                      \
      "buffered records left to the partition's next owner, or read again")                                  \
    X(BYTES_STORED, bytes_stored, "bytes of the lines of stored objects, rejects included, uncompressed")    \
    X(OBJECTS_STORED, objects_stored, "objects stored, rejects included")                                    \
    X(OBJECTS_FOUND, objects_found,                                                                          \
      "objects that were in the way: another sink, or an earlier one, made them")                            \
    X(STORE_RETRIES, store_retries, "attempts to store that failed and were repeated")                       \
    X(OFFSETS_SKIPPED, offsets_skipped, "offsets that Kafka did not deliver: compacted, aborted or expired") \
    X(ROTATIONS_COUNT, rotations_count, "files stored because of flush_records")                             \
    X(ROTATIONS_BYTES, rotations_bytes, "files stored because of flush_bytes")                               \
    X(ROTATIONS_TIME, rotations_time, "files stored because of rotate_interval_ms")                          \
    X(ROTATIONS_SCHEDULE, rotations_schedule, "files stored because of rotate_schedule_ms")                  \
    X(ROTATIONS_IDLE, rotations_idle, "files stored because of idle_ms")                                     \
    X(ROTATIONS_MEMORY, rotations_memory, "files stored because of max_buffered_bytes")                      \
    X(ROTATIONS_FOLDERS, rotations_folders, "files stored because a commit takes only so many folders")      \
    X(ROTATIONS_REVOKE, rotations_revoke, "files stored because the group took their partition away")        \
    X(ROTATIONS_FLUSH, rotations_flush, "files stored because flush was called")                             \
    X(ROTATIONS_REWIND, rotations_rewind, "files stored because Kafka went back to an earlier offset")       \
    X(BYTES_BUFFERED, bytes_buffered, "bytes in memory now")                                                 \
    X(BYTES_BUFFERED_MAX, bytes_buffered_max, "most bytes in memory so far")

/** Numbers of those counters. */
typedef enum pinpipe_sink_counter {
#define PINPIPE_SINK_COUNTER_ENUM(name, text, meaning) PINPIPE_SINK_##name,
    PINPIPE_SINK_COUNTER_MAP(PINPIPE_SINK_COUNTER_ENUM)
#undef PINPIPE_SINK_COUNTER_ENUM
        PINPIPE_SINK_COUNTER_COUNT
} pinpipe_sink_counter;

/** Where the sink stands in one partition. */
typedef struct pinpipe_sink_position {
    pinpipe_str topic;        /* borrowed until the next call with the sink */
    int32_t partition;        /* of the topic */
    int32_t reserved;         /* 0 */
    int64_t stored_offset;    /* every record below it is stored; -1 = none yet */
    int64_t committed_offset; /* the last one that Kafka has confirmed; -1 = none by this sink */
    int64_t read_offset;      /* the next one to read */
} pinpipe_sink_position;

/** Opens a sink; waits for nothing. Errors: EINVAL a missing option, a bad expression, target or setting;
 * EAUTH no credentials for an s3 target; ENOTSUP a part that this build lacks; ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_sink_open(pinpipe_sink **out, const pinpipe_sink_options *options,
                                             pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Leaves the group within 5 s, after attempts to store that have begun, and drops what is not stored: its
 * offsets are not committed, so the next owner reads it again. NULL is allowed. */
PINPIPE_API void pinpipe_sink_free(pinpipe_sink *sink);

/** One step: waits for records up to `timeout_ms`, takes them, gives the files that are due to the workers,
 * and commits what they have stored. Never waits for a worker while there is room for records. Attempts that
 * fail in a way that may pass are repeated for store_timeout_ms; then poll tells the error, and they begin
 * anew. Partitions that the group takes away are stored and committed first, for at most 10 s. Returns OK;
 * AGAIN when nothing came and nothing was stored. Errors: of pinpipe_kafka_consumer_poll and _commit; the
 * store's; EDATA a value that a policy refuses; ECONFLICT an object in the way holds other records than
 * Kafka. After an error nothing is lost or committed too early, and the call may be repeated. */
PINPIPE_API pinpipe_status pinpipe_sink_poll(pinpipe_sink *sink, int64_t timeout_ms,
                                             pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Stores everything that has been read, and commits; reads nothing more. Errors: as poll; ETIMEOUT. */
PINPIPE_API pinpipe_status pinpipe_sink_flush(pinpipe_sink *sink, int64_t timeout_ms,
                                              pinpipe_error *err) PINPIPE_MUST_CHECK;

/** As pinpipe_kafka_consumer_generation. */
PINPIPE_API int64_t pinpipe_sink_generation(const pinpipe_sink *sink);

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

/* ---- the connector's configuration ---- */

/** Settings of a Confluent S3 sink connector, by its names. */
typedef struct pinpipe_sink_config pinpipe_sink_config;

/** Makes an empty set. Errors: ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_sink_config_new(pinpipe_sink_config **out,
                                                   pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Frees the set; NULL is allowed. */
PINPIPE_API void pinpipe_sink_config_free(pinpipe_sink_config *config);

/** Sets one name, such as "flush.size"; a later value wins. Errors: as pinpipe_kafka_config_set. */
PINPIPE_API pinpipe_status pinpipe_sink_config_set(pinpipe_sink_config *config, pinpipe_str name,
                                                   pinpipe_str value, pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Sets what a connector.properties says. Errors: as pinpipe_kafka_config_decode. */
PINPIPE_API pinpipe_status pinpipe_sink_config_decode(pinpipe_sink_config *config, pinpipe_str text,
                                                      pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Writes the settings into options of the caller, over what is there: of the sink, and of the S3 client that
 * it is to be given. They borrow from `config`, which stays until the sink is open. Errors: ENOTSUP a setting
 * that is not supported, with what to do instead; EINVAL a name or value that the connector does not have;
 * ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_sink_config_export(pinpipe_sink_options *out, pinpipe_s3_options *s3,
                                                      pinpipe_sink_config *config,
                                                      pinpipe_error *err) PINPIPE_MUST_CHECK;

/** One of the connector's names. */
typedef struct pinpipe_sink_setting {
    pinpipe_str name;    /* the connector's */
    pinpipe_str support; /* "supported", "accepted" (it has no meaning here), "refused" */
    pinpipe_str text;    /* meaning, or what to do instead */
} pinpipe_sink_setting;

/** Names that the table has. */
PINPIPE_API int64_t pinpipe_sink_setting_count(void);
/** The row at `index`, from 0 to the count - 1; its texts live for ever. */
PINPIPE_API pinpipe_sink_setting pinpipe_sink_setting_at(int64_t index);

PINPIPE_END_DECLS

#endif
