/* Turns calls on Kinesis streams into signed requests in JSON 1.1 or CBOR 1.1, and their answers into
 * records. Never follows a redirect; every call has a deadline, retries included. Rules: docs/kinesis.md;
 * Amazon Kinesis API Reference 2013-12-02. In a build without Kinesis every call answers ENOTSUP. */
#ifndef PINPIPE_KINESIS_H
#define PINPIPE_KINESIS_H

#include "credentials.h"
#include "kinesis_gateway.h"
#include "provider.h"
#include "status.h"
#include "value.h"

PINPIPE_BEGIN_DECLS

/** A client of one region with its kept-alive connections. One thread at a time; EFORK in a forked child. */
typedef struct pinpipe_kinesis pinpipe_kinesis;

/** How messages are written. */
typedef enum pinpipe_kinesis_wire {
    PINPIPE_KINESIS_JSON = 0, /* application/x-amz-json-1.1, data as base64 */
    PINPIPE_KINESIS_CBOR = 1 /* application/x-amz-cbor-1.1, data as it is: a quarter less to hash and to send;
                                Amazon's own SDKs for Java use it, Amazon does not document it */
} pinpipe_kinesis_wire;

/** Everything is copied. Empty or zero: the default that the comment names. */
typedef struct pinpipe_kinesis_options {
    uint32_t struct_size;
    int32_t wire;                     /* pinpipe_kinesis_wire */
    const pinpipe_provider *provider; /* shared with the client; NULL: the default chain of its own */
    pinpipe_str endpoint;       /* "http://127.0.0.1:4567"; else pinpipe_provider_endpoint, Amazon's own */
    pinpipe_str region;         /* else pinpipe_provider_region; "us-east-1" at another endpoint */
    pinpipe_str ca_file;        /* PEM file of trusted certificates; else AWS_CA_BUNDLE, the system's */
    int64_t connect_timeout_ms; /* per attempt, name to TLS; 3100 */
    int64_t timeout_ms;         /* of a call whose own is 0; 60000 */
    int32_t attempts_max;       /* 3; 1 = never again */
    int32_t reserved;           /* 0 */
} pinpipe_kinesis_options;

#define PINPIPE_KINESIS_OPTIONS_INIT                                                                         \
    { (uint32_t)sizeof(pinpipe_kinesis_options), 0, NULL, {NULL, 0}, {NULL, 0}, {NULL, 0}, 0, 0, 0, 0 }

/** Makes a client; waits for nothing but the first key of the provider.
 * Errors: EINVAL an endpoint that is no http(s) URL, a bad region or none; EAUTH no key; ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_kinesis_new(pinpipe_kinesis **out, const pinpipe_kinesis_options *options,
                                               pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Closes the connections, once what was made of the client is freed too; NULL is allowed. */
PINPIPE_API void pinpipe_kinesis_free(pinpipe_kinesis *kinesis);

/* Every call below: `timeout_ms` is the whole of it, retries and pauses included; 0 = the client's default.
 * Failures that may pass are tried again as S3's are. A stream is named by its name or its ARN.
 * Errors of every call: EINVAL a name that cannot be one; ENET, ETIMEOUT; EAUTH refused credentials or
 * rights; ENOTFOUND the stream or the shard; ECONFLICT it exists, or is being changed; ETHROTTLED, ESERVICE;
 * EREFUSED what else Kinesis refuses; EDATA an answer that is not Kinesis'; EFORK; ENOMEM. The message
 * carries the service's code and text, native_code is the HTTP status. */

/** Creates a stream and waits until it can be used. `shard_count` 0: a stream on demand.
 * Errors: ECONFLICT it exists; ETIMEOUT it is still being created. */
PINPIPE_API pinpipe_status pinpipe_kinesis_stream_put(pinpipe_kinesis *kinesis, pinpipe_str stream,
                                                      int64_t shard_count, int64_t timeout_ms,
                                                      pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Deletes a stream and waits until it is gone. */
PINPIPE_API pinpipe_status pinpipe_kinesis_stream_delete(pinpipe_kinesis *kinesis, pinpipe_str stream,
                                                         int64_t timeout_ms,
                                                         pinpipe_error *err) PINPIPE_MUST_CHECK;

/** What the service says of a stream. The views are borrowed until the client's next call. */
typedef struct pinpipe_kinesis_stream {
    pinpipe_str name;         /* in its account and region */
    pinpipe_str arn;          /* its name everywhere */
    pinpipe_str state;        /* "ACTIVE", "CREATING", "UPDATING", "DELETING" */
    pinpipe_str mode;         /* "PROVISIONED", "ON_DEMAND"; empty = not told */
    int64_t open_shard_count; /* -1 = not told */
    int64_t retention_h;      /* -1 = not told */
    int64_t record_max_bytes; /* of data and key; 1 MiB where it is not told */
} pinpipe_kinesis_stream;

/** Describes a stream. */
PINPIPE_API pinpipe_status pinpipe_kinesis_stream_get(pinpipe_kinesis_stream *out, pinpipe_kinesis *kinesis,
                                                      pinpipe_str stream, int64_t timeout_ms,
                                                      pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Asks for the names of all streams, at most 100,000; the calls below have them until the next one. */
PINPIPE_API pinpipe_status pinpipe_kinesis_streams_list(pinpipe_kinesis *kinesis, int64_t timeout_ms,
                                                        pinpipe_error *err) PINPIPE_MUST_CHECK;
/** Streams of the last list. */
PINPIPE_API int64_t pinpipe_kinesis_stream_count(const pinpipe_kinesis *kinesis);
/** `index` is from 0 and below the count; sorted as the service sorts them. */
PINPIPE_API pinpipe_str pinpipe_kinesis_stream_name_at(const pinpipe_kinesis *kinesis, int64_t index);

/** A shard: what hash keys it takes, and what it came from. The views are borrowed until the next list. */
typedef struct pinpipe_kinesis_shard {
    pinpipe_str id;             /* "shardId-000000000000" */
    pinpipe_str parent_id;      /* empty = none */
    pinpipe_str adjacent_id;    /* the other parent of a merge; empty = none */
    pinpipe_str first_hash;     /* decimal, 0 to 2^128 - 1 */
    pinpipe_str last_hash;      /* the last of them */
    pinpipe_str first_sequence; /* of its first record */
    pinpipe_str last_sequence;  /* empty = the shard is open */
} pinpipe_kinesis_shard;

/** Asks for all shards of a stream, closed ones too, at most 65,536. */
PINPIPE_API pinpipe_status pinpipe_kinesis_shards_list(pinpipe_kinesis *kinesis, pinpipe_str stream,
                                                       int64_t timeout_ms,
                                                       pinpipe_error *err) PINPIPE_MUST_CHECK;
/** Shards of the last list. */
PINPIPE_API int64_t pinpipe_kinesis_shard_count(const pinpipe_kinesis *kinesis);
/** `index` is from 0 and below the count. */
PINPIPE_API pinpipe_kinesis_shard pinpipe_kinesis_shard_at(const pinpipe_kinesis *kinesis, int64_t index);

/** Which shard becomes two, and where. */
typedef struct pinpipe_kinesis_split {
    pinpipe_str shard_id; /* to be split */
    pinpipe_str hash_key; /* decimal: the second child's first */
} pinpipe_kinesis_split;
/** Which two shards become one. */
typedef struct pinpipe_kinesis_merge {
    pinpipe_str shard_id;    /* goes on in the new shard */
    pinpipe_str adjacent_id; /* its neighbour by hash keys, which goes on in it too */
} pinpipe_kinesis_merge;

/** Splits a shard in two and waits until the stream can be used again. */
PINPIPE_API pinpipe_status pinpipe_kinesis_shard_split(pinpipe_kinesis *kinesis, pinpipe_str stream,
                                                       pinpipe_kinesis_split split, int64_t timeout_ms,
                                                       pinpipe_error *err) PINPIPE_MUST_CHECK;
/** Makes one of two shards and waits until the stream can be used again. */
PINPIPE_API pinpipe_status pinpipe_kinesis_shards_merge(pinpipe_kinesis *kinesis, pinpipe_str stream,
                                                        pinpipe_kinesis_merge merge, int64_t timeout_ms,
                                                        pinpipe_error *err) PINPIPE_MUST_CHECK;
/** Changes how many open shards a stream has, of one hash range each. */
PINPIPE_API pinpipe_status pinpipe_kinesis_shards_set(pinpipe_kinesis *kinesis, pinpipe_str stream,
                                                      int64_t shard_count, int64_t timeout_ms,
                                                      pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Registers a consumer with enhanced fan-out and waits until it can be used; `stream_arn` is the stream's
 * ARN. Its own ARN is appended to an emptied `out`. Where it is registered already, that one's. */
PINPIPE_API pinpipe_status pinpipe_kinesis_fan_out_put(pinpipe_buf *out, pinpipe_kinesis *kinesis,
                                                       pinpipe_str stream_arn, pinpipe_str name,
                                                       int64_t timeout_ms,
                                                       pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Takes a registered consumer away and waits until it is gone: what it costs ends with it. */
PINPIPE_API pinpipe_status pinpipe_kinesis_fan_out_delete(pinpipe_kinesis *kinesis, pinpipe_str fan_out_arn,
                                                          int64_t timeout_ms,
                                                          pinpipe_error *err) PINPIPE_MUST_CHECK;

/** A record to write. Everything is borrowed for the time of the call. */
typedef struct pinpipe_kinesis_record {
    uint32_t struct_size;
    uint32_t reserved;         /* 0 */
    pinpipe_str data;          /* any bytes; with the key at most the stream's record_max_bytes */
    pinpipe_str partition_key; /* UTF-8, 1 to 256 characters; its MD5 chooses the shard */
    pinpipe_str hash_key;      /* decimal, 0 to 2^128 - 1, in place of the MD5; empty = none */
} pinpipe_kinesis_record;

#define PINPIPE_KINESIS_RECORD_INIT                                                                          \
    {                                                                                                        \
        (uint32_t)sizeof(pinpipe_kinesis_record), 0, {NULL, 0}, {NULL, 0}, {                                 \
            NULL, 0                                                                                          \
        }                                                                                                    \
    }

/** Where a record was written. The views are borrowed until the client's next call. */
typedef struct pinpipe_kinesis_place {
    pinpipe_str shard_id;        /* where it is stored */
    pinpipe_str sequence_number; /* what it is called there */
} pinpipe_kinesis_place;

/** Writes one record. A retry after a lost answer may write it twice: Kinesis cannot tell.
 * Errors: EINVAL an empty or too long key, a hash key that is none; ELIMIT more than 10 MiB. */
PINPIPE_API pinpipe_status pinpipe_kinesis_record_put(pinpipe_kinesis_place *out, pinpipe_kinesis *kinesis,
                                                      pinpipe_str stream,
                                                      const pinpipe_kinesis_record *record,
                                                      int64_t timeout_ms,
                                                      pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Where reading a shard begins. */
typedef enum pinpipe_kinesis_start {
    PINPIPE_KINESIS_TRIM_HORIZON = 0, /* its oldest record */
    PINPIPE_KINESIS_LATEST = 1,       /* what is written from now on */
    PINPIPE_KINESIS_AT_SEQUENCE = 2,
    PINPIPE_KINESIS_AFTER_SEQUENCE = 3,
    PINPIPE_KINESIS_AT_TIMESTAMP = 4,
    PINPIPE_KINESIS_SHARD_END = 5 /* of consumers: nothing is left to read */
} pinpipe_kinesis_start;

/** A place in a shard from which reading goes on. */
typedef struct pinpipe_kinesis_position {
    uint32_t struct_size;
    int32_t start;               /* pinpipe_kinesis_start */
    pinpipe_str stream;          /* its name */
    pinpipe_str shard_id;        /* of the stream */
    pinpipe_str sequence_number; /* of AT_SEQUENCE and AFTER_SEQUENCE */
    int64_t time_ms;             /* of AT_TIMESTAMP, since 1970 */
    int64_t sub_sequence; /* of AFTER_SEQUENCE: the last record of an aggregate that is behind; -1 = all of
                             it. For consumers: an iterator knows records of the service's only */
} pinpipe_kinesis_position;

#define PINPIPE_KINESIS_POSITION_INIT                                                                        \
    { (uint32_t)sizeof(pinpipe_kinesis_position), 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, 0, -1 }

/** Appends an iterator, which the service takes for five minutes, to an emptied `out`. */
PINPIPE_API pinpipe_status pinpipe_kinesis_iterator_get(pinpipe_buf *out, pinpipe_kinesis *kinesis,
                                                        const pinpipe_kinesis_position *position,
                                                        int64_t timeout_ms,
                                                        pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Records that were read, in the order of the shard. */
typedef struct pinpipe_kinesis_batch pinpipe_kinesis_batch;

/** What a record carries. The views are borrowed until the batch is filled again or freed. */
typedef struct pinpipe_kinesis_item {
    pinpipe_str partition_key;   /* the record's */
    pinpipe_str data;            /* any bytes */
    pinpipe_str sequence_number; /* of the stored record */
    pinpipe_str hash_key;        /* decimal, where an aggregate told one; else empty */
    int64_t arrival_us;          /* about when the service took it, since 1970; -1 = not told */
    int64_t sub_sequence;        /* its number in an aggregate; -1 = it came alone */
    pinpipe_str shard_id;        /* where a consumer read it; else empty */
    int32_t flags;               /* PINPIPE_KINESIS_IS_STRAY */
    int32_t reserved;            /* 0 */
} pinpipe_kinesis_item;

/** Makes an empty batch. Owns: the caller frees it. Errors: ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_kinesis_batch_new(pinpipe_kinesis_batch **out,
                                                     pinpipe_error *err) PINPIPE_MUST_CHECK;
/** Frees the batch; NULL is allowed. */
PINPIPE_API void pinpipe_kinesis_batch_free(pinpipe_kinesis_batch *batch);
/** Records in the batch. */
PINPIPE_API int64_t pinpipe_kinesis_batch_count(const pinpipe_kinesis_batch *batch);
/** `index` is from 0 and below the count. */
PINPIPE_API pinpipe_kinesis_item pinpipe_kinesis_batch_at(const pinpipe_kinesis_batch *batch, int64_t index);
/** The iterator of the next call; empty = the shard is closed and read to its end. */
PINPIPE_API pinpipe_str pinpipe_kinesis_batch_iterator(const pinpipe_kinesis_batch *batch);
/** Milliseconds from the last record to the shard's tip; -1 = not told. */
PINPIPE_API int64_t pinpipe_kinesis_batch_behind_ms(const pinpipe_kinesis_batch *batch);

/** Fills the batch with what follows an iterator, at most `record_max` records (0: the service's 10,000). An
 * empty batch is normal: the iterator goes on. What a program wrote as aggregates comes as Kinesis has it.
 * Errors: ECONFLICT the iterator has expired. */
PINPIPE_API pinpipe_status pinpipe_kinesis_records_get(pinpipe_kinesis_batch *batch, pinpipe_kinesis *kinesis,
                                                       pinpipe_str iterator, int64_t record_max,
                                                       int64_t timeout_ms,
                                                       pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Writes records of one stream: many in a request, those that failed again, within the limits of its shards.
 * It moves on its owner's thread while he is in one of the calls below, and on one of its own, which the
 * first write begins, while he is not; that one never runs code of the caller's. Where the key comes from a
 * function of the caller's (PINPIPE_REFRESH_CALLER) there is none: a program that writes seldom calls poll
 * then. One thread at a time; in a forked child every call answers EFORK, and free leaves what the thread was
 * at work on. */
typedef struct pinpipe_kinesis_producer pinpipe_kinesis_producer;

/** What is promised of the order in which records of one key, and so of one shard, arrive. */
typedef enum pinpipe_kinesis_ordering {
    PINPIPE_KINESIS_ORDER_NONE = 0,  /* what failed arrives later */
    PINPIPE_KINESIS_ORDER_KEY = 1,   /* the order of writing for every key: a request has one record, or one
                                        aggregate, of a key, and the next waits for its answer */
    PINPIPE_KINESIS_ORDER_STRICT = 2 /* the same by the service's own rule: PutRecord after PutRecord, each
                                        with the sequence number of the one before */
} pinpipe_kinesis_ordering;

/** Whether each record's fate is kept until it is asked for. */
typedef enum pinpipe_kinesis_reports {
    PINPIPE_KINESIS_REPORTS_NONE = 0,
    PINPIPE_KINESIS_REPORTS_ALL = 1 /* they count as memory until pinpipe_kinesis_producer_report_next */
} pinpipe_kinesis_reports;

/** Everything is copied. Empty or zero: the default that the comment names. */
typedef struct pinpipe_kinesis_producer_options {
    uint32_t struct_size;
    int32_t ordering;                      /* pinpipe_kinesis_ordering */
    pinpipe_str stream;                    /* name or ARN; required */
    const pinpipe_kinesis_options *client; /* of the producer's own client; NULL: its defaults */
    int64_t memory_max_bytes;              /* of records and reports, with 128 bytes each; 64 MiB */
    int64_t linger_ms;                     /* a record waits so long for others; -1 = not at all; 100 */
    int64_t request_records;               /* most in a request, 1 to 500; 500 */
    int64_t request_bytes;                 /* most of data and keys in a request, to 10 MiB; 5 MiB */
    int64_t delivery_timeout_ms;           /* from write to failure; 120000 */
    int64_t aggregate_bytes; /* most in an aggregate, 64 and more; 0 = records are not aggregated */
    int32_t in_flight;       /* requests under way at once, 1 to 64; 4 */
    int32_t reports;         /* pinpipe_kinesis_reports */
    const pinpipe_kinesis_gateway *gateway; /* that takes the records; NULL: Kinesis itself does */
} pinpipe_kinesis_producer_options;

#define PINPIPE_KINESIS_PRODUCER_OPTIONS_INIT                                                                \
    { (uint32_t)sizeof(pinpipe_kinesis_producer_options), 0, {NULL, 0}, NULL, 0, 0, 0, 0, 0, 0, 0, 0, NULL }

/** Opens a producer: asks for the stream's limits and shards, within the client's timeout. Where the key may
 * not ask, records are at most 1 MiB, and neither paced nor aggregated. Errors: EINVAL an option; those of
 * pinpipe_kinesis_new and of every call. */
PINPIPE_API pinpipe_status pinpipe_kinesis_producer_new(pinpipe_kinesis_producer **out,
                                                        const pinpipe_kinesis_producer_options *options,
                                                        pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Gives up what was not delivered; NULL is allowed. */
PINPIPE_API void pinpipe_kinesis_producer_free(pinpipe_kinesis_producer *producer);

/** Queues a record, whose bytes are copied; waits up to `timeout_ms` for room (0: not at all). `tag` is the
 * caller's own and comes back in the report.
 * Errors: ETIMEOUT there was no room; EINVAL, ELIMIT the record, which is not queued; EFORK; ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_kinesis_producer_write(pinpipe_kinesis_producer *producer,
                                                          const pinpipe_kinesis_record *record, int64_t tag,
                                                          int64_t timeout_ms,
                                                          pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Waits until every record is delivered or has failed. Errors: ETIMEOUT some wait still; else the error of
 * the first record that failed since the last flush, with their number; EFORK. */
PINPIPE_API pinpipe_status pinpipe_kinesis_producer_flush(pinpipe_kinesis_producer *producer,
                                                          int64_t timeout_ms,
                                                          pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Moves what is under way, for at most `timeout_ms` and until something has ended. AGAIN: nothing has. */
PINPIPE_API pinpipe_status pinpipe_kinesis_producer_poll(pinpipe_kinesis_producer *producer,
                                                         int64_t timeout_ms,
                                                         pinpipe_error *err) PINPIPE_MUST_CHECK;

/** What became of a record. The views are borrowed until the next report. */
typedef struct pinpipe_kinesis_report {
    int64_t tag;                 /* the write's */
    pinpipe_status status;       /* OK: it was delivered */
    int32_t attempts;            /* requests that the record was in */
    int64_t latency_ms;          /* from the write to its end */
    pinpipe_str shard_id;        /* where it was delivered */
    pinpipe_str sequence_number; /* shared by the records of an aggregate */
} pinpipe_kinesis_report;

/** Takes the next report, each record's once, in the order in which they ended. AGAIN: there is none. */
PINPIPE_API pinpipe_status pinpipe_kinesis_producer_report_next(pinpipe_kinesis_report *out,
                                                                pinpipe_kinesis_producer *producer,
                                                                pinpipe_error *err) PINPIPE_MUST_CHECK;

/** What a producer counts. */
#define PINPIPE_KINESIS_COUNTER_MAP(X)                                                                       \
    X(WRITTEN, "written", "records taken")                                                                   \
    X(DELIVERED, "delivered", "records that the service has")                                                \
    X(FAILED, "failed", "records that were given up")                                                        \
    X(EXPIRED, "expired", "of these, records whose time was over")                                           \
    X(RETRIED, "retried", "records sent again")                                                              \
    X(THROTTLED, "throttled", "records of the service's that a shard had no room for")                       \
    X(STRAYED, "strayed", "records sent again because their aggregate met a reshard")                        \
    X(REQUESTS, "requests", "requests answered or lost")                                                     \
    X(SENT, "sent", "records of the service's in them: aggregates count once")                               \
    X(SENT_BYTES, "sent_bytes", "data and keys in them")                                                     \
    X(HELD_BYTES, "held_bytes", "memory of records and reports now")                                         \
    X(LATENCY_MS, "latency_ms", "from write to delivery, all records together")                              \
    X(DELIVERED_BYTES, "delivered_bytes", "data and keys of delivered records")                              \
    X(ERRORS, "errors", "records of the service's that were refused, or whose request failed")               \
    X(BUFFER_MS, "buffer_ms", "from write to the first request, all records together")                       \
    X(REQUEST_MS, "request_ms", "from request to answer, all requests together")                             \
    X(OLDEST_MS, "oldest_ms", "how long the oldest record that waits had waited when the producer moved last")

/** Numbers of those counters. */
typedef enum pinpipe_kinesis_counter {
#define PINPIPE_KINESIS_COUNTER_ENUM(name, text, meaning) PINPIPE_KINESIS_##name,
    PINPIPE_KINESIS_COUNTER_MAP(PINPIPE_KINESIS_COUNTER_ENUM)
#undef PINPIPE_KINESIS_COUNTER_ENUM
        PINPIPE_KINESIS_COUNTERS
} pinpipe_kinesis_counter;

/** A counter's value; written = delivered + failed + waiting at every moment. */
PINPIPE_API int64_t pinpipe_kinesis_producer_count(const pinpipe_kinesis_producer *producer, int32_t counter);
/** A counter's name; NULL where there is no such counter. */
PINPIPE_API const char *pinpipe_kinesis_counter_name(int32_t counter);

/** What a producer has met in one of its shards. */
typedef struct pinpipe_kinesis_shard_metrics {
    uint32_t struct_size;
    int32_t pace_percent; /* of what a shard takes: less after it had no room */
    char shard_id[129];   /* empty: the shards are not known */
    int64_t delivered;    /* records of the service's: aggregates count once */
    int64_t refused;      /* the same, or their request failed; … */
    int64_t throttled;    /* … of these, because the shard had no room */
    int64_t waiting_ms;   /* until it may send again; 0 = now */
} pinpipe_kinesis_shard_metrics;

#define PINPIPE_KINESIS_SHARD_METRICS_INIT                                                                   \
    { (uint32_t)sizeof(pinpipe_kinesis_shard_metrics), 0, "", 0, 0, 0, 0 }

/** The shard with this index, from 0, in the order of hash keys; DONE = there are no more. A shard that was
 * closed goes with its counts. Errors: EINVAL no struct_size, a negative index; EFORK. */
PINPIPE_API pinpipe_status pinpipe_kinesis_producer_shard_at(pinpipe_kinesis_shard_metrics *out,
                                                             pinpipe_kinesis_producer *producer,
                                                             int64_t index,
                                                             pinpipe_error *err) PINPIPE_MUST_CHECK;

/** How often one error code came. */
typedef struct pinpipe_kinesis_code_metrics {
    uint32_t struct_size;
    int32_t reserved;
    char code[64]; /* of the service's; where it gave none, or no answer came, the name of a status, such as
                      ENET */
    int64_t count; /* records of the service's that were refused with it, or whose request was */
} pinpipe_kinesis_code_metrics;

#define PINPIPE_KINESIS_CODE_METRICS_INIT                                                                    \
    { (uint32_t)sizeof(pinpipe_kinesis_code_metrics), 0, "", 0 }

/** The code with this index, from 0, in the order in which they came first; DONE = there are no more. Beyond
 * 32 codes the last counts for all others, as "other". All counts together are the counter "errors". Errors:
 * EINVAL no struct_size, a negative index; EFORK. */
PINPIPE_API pinpipe_status pinpipe_kinesis_producer_code_at(pinpipe_kinesis_code_metrics *out,
                                                            pinpipe_kinesis_producer *producer, int64_t index,
                                                            pinpipe_error *err) PINPIPE_MUST_CHECK;

PINPIPE_END_DECLS

#endif
