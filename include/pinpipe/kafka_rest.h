/* Turns records into Kafka's topics by its REST proxy, straight or behind API Gateway: the road of clients
 * that cannot reach the brokers. Never starts a thread, never writes to stdout or stderr, never waits beyond
 * the deadline that a call names. Rules: docs/kafka-rest.md; Confluent REST Proxy API Reference, "API v2". */
#ifndef PINPIPE_KAFKA_REST_H
#define PINPIPE_KAFKA_REST_H

#include "export.h"
#include "provider.h"
#include "status.h"
#include "value.h"

PINPIPE_BEGIN_DECLS

/** Writes records as POST <endpoint>/topics/<topic>. One thread at a time; in a forked child every call
 * answers EFORK. A build without PINPIPE_WITH_S3, which brings the HTTP client, answers ENOTSUP. */
typedef struct pinpipe_kafka_rest pinpipe_kafka_rest;

/** Who may overtake whom. */
typedef enum pinpipe_kafka_rest_order {
    PINPIPE_KAFKA_REST_ORDER_TOPIC = 0, /* a topic's requests go one after the other, whatever fails */
    PINPIPE_KAFKA_REST_ORDER_NONE = 1   /* requests of one topic may be under way side by side */
} pinpipe_kafka_rest_order;

/** What is signed. */
typedef enum pinpipe_kafka_rest_auth {
    PINPIPE_KAFKA_REST_AUTH_NONE = 0, /* nothing, but for the API key */
    PINPIPE_KAFKA_REST_AUTH_IAM = 1   /* every request, for execute-api */
} pinpipe_kafka_rest_auth;

/** Everything is copied, the provider is shared. `endpoint` is needed. */
typedef struct pinpipe_kafka_rest_options {
    uint32_t struct_size;
    int32_t order;        /* pinpipe_kafka_rest_order */
    pinpipe_str endpoint; /* "https://<api>.execute-api.<region>.amazonaws.com/<stage>", "http://host:8082" */
    pinpipe_str api_key;  /* x-api-key; a secret; empty = none */
    int32_t auth;         /* pinpipe_kafka_rest_auth */
    int32_t in_flight;    /* most requests under way: 1 to 64; 0 = 4 */
    const pinpipe_provider *provider; /* whose key signs; NULL = the default chain, if IAM */
    pinpipe_str region;               /* of the API, if IAM; empty = as its host says, else the provider's */
    pinpipe_str ca_file;              /* PEM; empty = AWS_CA_BUNDLE, the system's */
    int64_t batch_records;            /* most records of a request: 1 to 10,000; 0 = 100 */
    int64_t batch_bytes;              /* most bytes of a request's body: 1,024 to 10,000,000; 0 = 1,000,000 */
    int64_t linger_ms;                /* how long a request waits for more records; 0 = 5; -1 = not at all */
    int64_t queue_bytes;              /* most bytes of bodies that wait or are under way; 0 = 32 MiB */
    int64_t queue_results;            /* most results that wait to be taken; 0 = 100,000 */
    int64_t connect_timeout_ms;       /* name, connection, TLS; 0 = 3100 */
    int64_t request_timeout_ms;       /* of one attempt; 0 = 30,000: a gateway answers within 29 s */
    int64_t
        delivery_timeout_ms; /* from a request's first record to the end of its last attempt; 0 = 120,000 */
    int64_t attempts_max;    /* of a request that fails as a whole: 1 to 20; 0 = 3 */
} pinpipe_kafka_rest_options;

#define PINPIPE_KAFKA_REST_OPTIONS_INIT                                                                      \
    {                                                                                                        \
        (uint32_t)sizeof(pinpipe_kafka_rest_options), 0, {NULL, 0}, {NULL, 0}, 0, 0, NULL, {NULL, 0},        \
            {NULL, 0}, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                             \
    }

/** Whether a record's result is kept until it is taken. */
typedef enum pinpipe_kafka_rest_keep {
    PINPIPE_KAFKA_REST_KEEP_NONE = 0, /* it is counted */
    PINPIPE_KAFKA_REST_KEEP_RESULT = 1
} pinpipe_kafka_rest_keep;

/** One record. Value and key are JSON; JSON's null, or a NULL ptr, is Kafka's null. The proxy stores a key as
 * JSON too: a text keeps its quotes. */
typedef struct pinpipe_kafka_rest_record {
    uint32_t struct_size;
    int32_t partition; /* 0 = the proxy's choice; else the partition plus 1 */
    pinpipe_str topic; /* to write to */
    pinpipe_str key;   /* JSON */
    pinpipe_str value; /* JSON */
    int32_t keep;      /* pinpipe_kafka_rest_keep */
    int32_t reserved;  /* 0 */
} pinpipe_kafka_rest_record;

#define PINPIPE_KAFKA_REST_RECORD_INIT                                                                       \
    { (uint32_t)sizeof(pinpipe_kafka_rest_record), 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, 0, 0 }

/** What became of one record. `text` is borrowed until the next call with the handle. */
typedef struct pinpipe_kafka_rest_result {
    uint32_t struct_size;
    pinpipe_status status; /* OK, or why it was not delivered */
    int64_t number;        /* of the record, from 0 in the order of writing */
    int64_t offset;        /* -1 = none */
    int32_t partition;     /* -1 = none */
    int32_t error_code;    /* the proxy's own, such as 50003; the HTTP status where it had none; 0 = none */
    int32_t may_repeat;    /* 1 = an earlier or unanswered attempt may have written it too */
    int32_t reserved;      /* 0 */
    pinpipe_str text;      /* one line on the failure; empty for OK */
} pinpipe_kafka_rest_result;

#define PINPIPE_KAFKA_REST_RESULT_INIT                                                                       \
    {                                                                                                        \
        (uint32_t)sizeof(pinpipe_kafka_rest_result), 0, 0, -1, -1, 0, 0, 0, {                                \
            NULL, 0                                                                                          \
        }                                                                                                    \
    }

/** What a client counts, a row a counter: name, its text, meaning. */
#define PINPIPE_KAFKA_REST_COUNTER_MAP(X)                                                                    \
    X(WRITTEN, written, "records taken; always delivered + failed + those that wait")                        \
    X(DELIVERED, delivered, "records that the proxy has confirmed")                                          \
    X(FAILED, failed, "records whose delivery failed for good")                                              \
    X(MAY_REPEAT, may_repeat, "delivered ones that an earlier attempt may have written too")                 \
    X(REQUESTS, requests, "requests sent, repeated ones too")                                                \
    X(RETRIES, retries, "requests that repeat records of one that failed, wholly or in part")                \
    X(BYTES, bytes, "bytes of bodies sent, repeated ones too")

/** Numbers of those counters. */
typedef enum pinpipe_kafka_rest_counter {
#define PINPIPE_KAFKA_REST_COUNTER_ENUM(name, text, meaning) PINPIPE_KAFKA_REST_##name,
    PINPIPE_KAFKA_REST_COUNTER_MAP(PINPIPE_KAFKA_REST_COUNTER_ENUM)
#undef PINPIPE_KAFKA_REST_COUNTER_ENUM
        PINPIPE_KAFKA_REST_COUNTER_COUNT
} pinpipe_kafka_rest_counter;

/** Makes a client; opens no connection. Errors: EINVAL an option, an endpoint that cannot be one (with
 * "/topics/…" behind the stage; http to API Gateway; no region to sign for); EAUTH there is no key to sign
 * with; those of pinpipe_provider_new; ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_kafka_rest_new(pinpipe_kafka_rest **out,
                                                  const pinpipe_kafka_rest_options *options,
                                                  pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Frees the client at once; records that were not flushed are dropped. NULL is allowed. */
PINPIPE_API void pinpipe_kafka_rest_free(pinpipe_kafka_rest *rest);

/** Takes a copy of the record; while the queue is full, moves requests up to `timeout_ms`. Requests move
 * within calls of this client only. Errors: ETIMEOUT the queue stayed full; EDATA value or key is not one
 * JSON value, the byte is told; ELIMIT the record is larger than a request may be, results wait to be taken,
 * or 4,096 topics; EINVAL a topic name that Kafka does not allow; EFORK; ENOMEM. The record was not taken
 * then. */
PINPIPE_API pinpipe_status pinpipe_kafka_rest_write(pinpipe_kafka_rest *rest,
                                                    const pinpipe_kafka_rest_record *record,
                                                    int64_t timeout_ms,
                                                    pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Takes every line of `lines->value` as a record without a key, such as a batch encoded as NDJSON; empty
 * lines are passed over. `*taken_bytes` is how much of the text was taken, whole lines, in every outcome:
 * behind it the call may be made again. Errors: as write; `record_index` is the line's. */
PINPIPE_API pinpipe_status pinpipe_kafka_rest_lines_write(int64_t *taken_bytes, pinpipe_kafka_rest *rest,
                                                          const pinpipe_kafka_rest_record *lines,
                                                          int64_t timeout_ms,
                                                          pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Sends what waits and stays until every record has its result.
 * Errors: ETIMEOUT with records still waiting: the call may be repeated; else the status of the first record
 * that failed since the last flush, with the count and what to change in the text. */
PINPIPE_API pinpipe_status pinpipe_kafka_rest_flush(pinpipe_kafka_rest *rest, int64_t timeout_ms,
                                                    pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Moves requests that are under way or due, without waiting. Errors: EFORK; ENOMEM; EFATAL. */
PINPIPE_API pinpipe_status pinpipe_kafka_rest_poll(pinpipe_kafka_rest *rest,
                                                   pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Takes the oldest result that was kept. DONE: there is none. */
PINPIPE_API pinpipe_status pinpipe_kafka_rest_next(pinpipe_kafka_rest_result *out,
                                                   pinpipe_kafka_rest *rest) PINPIPE_MUST_CHECK;

/** The value of a pinpipe_kafka_rest_counter. */
PINPIPE_API int64_t pinpipe_kafka_rest_count(const pinpipe_kafka_rest *rest, int32_t counter);
/** Its name, such as "delivered"; NULL beyond the last. */
PINPIPE_API const char *pinpipe_kafka_rest_counter_name(int32_t counter);
/** What it counts, in words; NULL beyond the last. */
PINPIPE_API const char *pinpipe_kafka_rest_counter_text(int32_t counter);

PINPIPE_END_DECLS

#endif
