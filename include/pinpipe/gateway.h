/* Turns HTTP requests, as Kafka's REST proxy and API Gateway's proxy of Kinesis take them, into records of
 * topics and streams. Never answers that a record is stored before a broker, or Kinesis, has acknowledged it.
 * Rules: docs/gateway.md; Confluent REST Proxy API Reference, "API v2"; API Gateway Developer Guide, "Create
 * a REST API as an Amazon Kinesis proxy". */
#ifndef PINPIPE_GATEWAY_H
#define PINPIPE_GATEWAY_H

#include "export.h"
#include "kafka.h"
#include "kinesis.h"
#include "status.h"
#include "value.h"

PINPIPE_BEGIN_DECLS

/** An HTTP server of one thread: whoever calls poll. More cores take more gateways on one address, a thread
 * each. A build without PINPIPE_WITH_GATEWAY answers ENOTSUP. */
typedef struct pinpipe_gateway pinpipe_gateway;

/** What a request is answered when none of its records is stored. */
typedef enum pinpipe_gateway_failure {
    PINPIPE_GATEWAY_FAILURE_TOLD = 0,  /* an HTTP status that says so */
    PINPIPE_GATEWAY_FAILURE_MASKED = 1 /* 200, and an error for each record, as kafka-rest does it; of streams
                                          what Kinesis refuses with, as API Gateway does it */
} pinpipe_gateway_failure;

/** `listen` and one of `brokers` and `kinesis` are needed; zero in another field means its default. Texts are
 * copied, the API key is wiped with the gateway. */
typedef struct pinpipe_gateway_options {
    uint32_t struct_size;
    int32_t failure;                /* pinpipe_gateway_failure */
    pinpipe_str listen;             /* "host:port"; port 0 = any that is free */
    pinpipe_str brokers;            /* "host:port,host:port" */
    pinpipe_kafka_config *settings; /* of the producer; gets linger.ms 1 and message.timeout.ms 20000 where it
                                       has none; NULL = these */
    pinpipe_str stages; /* first segments of paths that are taken off, parted by commas; empty = any one */
    int64_t body_max_bytes;   /* of a request; 0 = 10 MiB, as API Gateway's; at most 256 MiB */
    int64_t memory_max_bytes; /* of all requests under way; 0 = 256 MiB */
    int64_t records_max;      /* without an acknowledgement; 0 = 50,000 */
    int64_t connections_max;  /* 0 = 1,000 */
    int64_t head_timeout_ms;  /* from a connection's beginning or its last answer to a whole head; 0 = 60 s */
    int64_t body_timeout_ms;  /* from the head to the end of the body; 0 = 30 s */
    int64_t answer_timeout_ms; /* from there to the answer; 0 = 25 s, less than API Gateway's 29 */
    pinpipe_str api_key;       /* that requests must have as x-api-key, but for /healthz; empty = none */
    pinpipe_str allow_origin;  /* what browsers are told, such as "*"; empty = nothing: no CORS */
    const pinpipe_kinesis_options *kinesis; /* behind /streams; wire JSON, its timeouts and attempts do not
                                               count; NULL = no such path */
    pinpipe_str streams;                    /* that may be named, parted by commas; empty = any */
    int64_t consumers_max;                  /* instances behind /consumers; 0 = 50; below 0 = no such path */
    int64_t consumer_timeout_ms;            /* after which one that nobody uses leaves its group; 0 = 300 s */
    pinpipe_str iam_keys;        /* that requests must be signed with (SigV4, execute-api), wiped with the
                                    gateway: a line each, id,secret or id,secret,token; empty = none must */
    pinpipe_str iam_region;      /* that they are signed for; empty = any */
    pinpipe_str tls_certificate; /* PEM, with its chain; empty = no TLS */
    pinpipe_str tls_key;         /* PEM, wiped with the gateway */
} pinpipe_gateway_options;

#define PINPIPE_GATEWAY_OPTIONS_INIT                                                                         \
    {                                                                                                        \
        (uint32_t)sizeof(pinpipe_gateway_options), 0, {NULL, 0}, {NULL, 0}, NULL, {NULL, 0}, 0, 0, 0, 0, 0,  \
            0, 0, {NULL, 0}, {NULL, 0}, NULL, {NULL, 0}, 0, 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, {            \
            NULL, 0                                                                                          \
        }                                                                                                    \
    }

/** What a gateway counts, a row a counter: name, its text, meaning. */
#define PINPIPE_GATEWAY_COUNTER_MAP(X)                                                                       \
    X(CONNECTIONS, connections, "connections taken")                                                         \
    X(REQUESTS, requests, "requests answered")                                                               \
    X(REFUSED, refused, "requests answered 400 to 499")                                                      \
    X(FAILED, failed, "requests answered 500 to 599")                                                        \
    X(RECORDS, records, "records taken; always stored + lost + those that wait")                             \
    X(STORED, stored, "records that a broker has acknowledged")                                              \
    X(LOST, lost, "records whose request was told an error")                                                 \
    X(BYTES, bytes, "bytes of request bodies")                                                               \
    X(CUT, cut, "connections ended in a request because they were too slow")

/** Numbers of those counters. */
typedef enum pinpipe_gateway_counter {
#define PINPIPE_GATEWAY_COUNTER_ENUM(name, text, meaning) PINPIPE_GATEWAY_##name,
    PINPIPE_GATEWAY_COUNTER_MAP(PINPIPE_GATEWAY_COUNTER_ENUM)
#undef PINPIPE_GATEWAY_COUNTER_ENUM
        PINPIPE_GATEWAY_COUNTER_COUNT
} pinpipe_gateway_counter;

/** Listens, and makes the producer; does not wait for a broker, and for Kinesis but for the first key of the
 * provider. Errors: those of pinpipe_kinesis_new; EINVAL an option, an address that
 * cannot be one, a setting that librdkafka refuses; ECONFLICT another program listens there; EIO; ENOMEM;
 * ENOTSUP. */
PINPIPE_API pinpipe_status pinpipe_gateway_open(pinpipe_gateway **out, const pinpipe_gateway_options *options,
                                                pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Serves for `timeout_ms`; a signal, or pinpipe_gateway_stop, ends it early. Errors: EFORK; EFATAL the
 * producer has ended. */
PINPIPE_API pinpipe_status pinpipe_gateway_poll(pinpipe_gateway *gateway, int64_t timeout_ms,
                                                pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Ends the poll that is going on, or the next. Any thread; a signal handler, too. */
PINPIPE_API void pinpipe_gateway_stop(pinpipe_gateway *gateway);

/** Takes no connection any more and answers what is under way. Errors: ETIMEOUT requests are left: the call
 * may be repeated; as poll. */
PINPIPE_API pinpipe_status pinpipe_gateway_drain(pinpipe_gateway *gateway, int64_t timeout_ms,
                                                 pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Takes connections with another certificate and key from now on, both PEM, which are copied. Those that are
 * open keep the old one and are ended with their next answer. What fails changes nothing. Of the thread that
 * polls. Errors: EINVAL the gateway has no TLS, or they are not PEM, or not of each other; ELIMIT connections
 * of six older ones are left, or it drains; ENOMEM; EIO; EFORK. */
PINPIPE_API pinpipe_status pinpipe_gateway_certificate_set(pinpipe_gateway *gateway, pinpipe_str certificate,
                                                           pinpipe_str key,
                                                           pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Ends every connection, lets consumers leave their groups and frees the gateway, within about 5 s; NULL is
 * allowed. Records without an acknowledgement are dropped: drain comes first. */
PINPIPE_API void pinpipe_gateway_free(pinpipe_gateway *gateway);

/** "host:port" that it listens on; lives as long as the gateway. */
PINPIPE_API pinpipe_str pinpipe_gateway_address(const pinpipe_gateway *gateway);

/** The value of a pinpipe_gateway_counter; of the thread that polls. */
PINPIPE_API int64_t pinpipe_gateway_count(const pinpipe_gateway *gateway, int32_t counter);
/** Its name, such as "stored"; NULL beyond the last. */
PINPIPE_API const char *pinpipe_gateway_counter_name(int32_t counter);
/** What it counts, in words; NULL beyond the last. */
PINPIPE_API const char *pinpipe_gateway_counter_text(int32_t counter);

/** What a gateway does with streams by one method of one path. */
typedef struct pinpipe_gateway_operation {
    const char *method;           /* "PUT"; NULL = there is no such operation */
    const char *path;             /* "/streams/{stream-name}/record" */
    const char *action;           /* of Kinesis: "PutRecord" */
    const char *text;             /* what it does, in words */
    const char *mapping_template; /* Velocity, which has API Gateway send Kinesis the same; */
    const char *answer_template;  /* answer with the same status and body where Kinesis says 200, */
    const char *refusal_template; /* and where it says 400 to 499 */
} pinpipe_gateway_operation;

/** The operation with this index, from 0. Static texts. */
PINPIPE_API pinpipe_gateway_operation pinpipe_gateway_operation_at(int32_t index);

PINPIPE_END_DECLS

#endif
