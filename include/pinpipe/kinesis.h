/* Turns calls on Kinesis streams into signed requests in JSON 1.1 or CBOR 1.1, and their answers into
 * records. Never follows a redirect; every call has a deadline, retries included. Rules: docs/kinesis.md;
 * Amazon Kinesis API Reference 2013-12-02. In a build without Kinesis every call answers ENOTSUP. */
#ifndef PINPIPE_KINESIS_H
#define PINPIPE_KINESIS_H

#include "credentials.h"
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
    pinpipe_str name;
    pinpipe_str arn;
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
PINPIPE_API int64_t pinpipe_kinesis_stream_count(const pinpipe_kinesis *kinesis);
/** `index` is from 0 and below the count; sorted as the service sorts them. */
PINPIPE_API pinpipe_str pinpipe_kinesis_stream_name_at(const pinpipe_kinesis *kinesis, int64_t index);

/** A shard: what hash keys it takes, and what it came from. The views are borrowed until the next list. */
typedef struct pinpipe_kinesis_shard {
    pinpipe_str id;
    pinpipe_str parent_id;   /* empty = none */
    pinpipe_str adjacent_id; /* the other parent of a merge; empty = none */
    pinpipe_str first_hash;  /* decimal, 0 to 2^128 - 1 */
    pinpipe_str last_hash;
    pinpipe_str first_sequence;
    pinpipe_str last_sequence; /* empty = the shard is open */
} pinpipe_kinesis_shard;

/** Asks for all shards of a stream, closed ones too, at most 65,536. */
PINPIPE_API pinpipe_status pinpipe_kinesis_shards_list(pinpipe_kinesis *kinesis, pinpipe_str stream,
                                                       int64_t timeout_ms,
                                                       pinpipe_error *err) PINPIPE_MUST_CHECK;
PINPIPE_API int64_t pinpipe_kinesis_shard_count(const pinpipe_kinesis *kinesis);
/** `index` is from 0 and below the count. */
PINPIPE_API pinpipe_kinesis_shard pinpipe_kinesis_shard_at(const pinpipe_kinesis *kinesis, int64_t index);

/** What is changed of a stream's shards; both wait until the stream can be used again. */
typedef struct pinpipe_kinesis_split {
    pinpipe_str shard_id;
    pinpipe_str hash_key; /* decimal: the second child's first */
} pinpipe_kinesis_split;
typedef struct pinpipe_kinesis_merge {
    pinpipe_str shard_id;
    pinpipe_str adjacent_id;
} pinpipe_kinesis_merge;

PINPIPE_API pinpipe_status pinpipe_kinesis_shard_split(pinpipe_kinesis *kinesis, pinpipe_str stream,
                                                       pinpipe_kinesis_split split, int64_t timeout_ms,
                                                       pinpipe_error *err) PINPIPE_MUST_CHECK;
PINPIPE_API pinpipe_status pinpipe_kinesis_shards_merge(pinpipe_kinesis *kinesis, pinpipe_str stream,
                                                        pinpipe_kinesis_merge merge, int64_t timeout_ms,
                                                        pinpipe_error *err) PINPIPE_MUST_CHECK;
/** Changes how many open shards a stream has, of one hash range each. */
PINPIPE_API pinpipe_status pinpipe_kinesis_shards_set(pinpipe_kinesis *kinesis, pinpipe_str stream,
                                                      int64_t shard_count, int64_t timeout_ms,
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
    pinpipe_str shard_id;
    pinpipe_str sequence_number;
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
    PINPIPE_KINESIS_AT_TIMESTAMP = 4
} pinpipe_kinesis_start;

typedef struct pinpipe_kinesis_position {
    uint32_t struct_size;
    int32_t start; /* pinpipe_kinesis_start */
    pinpipe_str stream;
    pinpipe_str shard_id;
    pinpipe_str sequence_number; /* of AT_SEQUENCE and AFTER_SEQUENCE */
    int64_t time_ms;             /* of AT_TIMESTAMP, since 1970 */
} pinpipe_kinesis_position;

#define PINPIPE_KINESIS_POSITION_INIT                                                                        \
    { (uint32_t)sizeof(pinpipe_kinesis_position), 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, 0 }

/** Appends an iterator, which the service takes for five minutes, to an emptied `out`. */
PINPIPE_API pinpipe_status pinpipe_kinesis_iterator_get(pinpipe_buf *out, pinpipe_kinesis *kinesis,
                                                        const pinpipe_kinesis_position *position,
                                                        int64_t timeout_ms,
                                                        pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Records that were read, in the order of the shard. */
typedef struct pinpipe_kinesis_batch pinpipe_kinesis_batch;

/** What a record carries. The views are borrowed until the batch is filled again or freed. */
typedef struct pinpipe_kinesis_item {
    pinpipe_str partition_key;
    pinpipe_str data;
    pinpipe_str sequence_number;
    pinpipe_str hash_key; /* decimal, where an aggregate told one; else empty */
    int64_t arrival_us;   /* about when the service took it, since 1970; -1 = not told */
    int64_t sub_sequence; /* its number in an aggregate; -1 = it came alone */
} pinpipe_kinesis_item;

PINPIPE_API pinpipe_status pinpipe_kinesis_batch_new(pinpipe_kinesis_batch **out,
                                                     pinpipe_error *err) PINPIPE_MUST_CHECK;
PINPIPE_API void pinpipe_kinesis_batch_free(pinpipe_kinesis_batch *batch);
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

PINPIPE_END_DECLS

#endif
