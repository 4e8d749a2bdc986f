/* Turns records into Kafka's topics and back: configuration, producer, consumer, topics, an embedded mock
 * cluster. Never writes to stdout or stderr; never waits beyond the deadline that a call names. Rules:
 * docs/kafka.md; settings are librdkafka's (CONFIGURATION.md), defaults below are this library's. */
#ifndef PINPIPE_KAFKA_H
#define PINPIPE_KAFKA_H

#include "export.h"
#include "provider.h"
#include "status.h"
#include "value.h"

PINPIPE_BEGIN_DECLS

/* Every handle: one thread at a time. In a forked child every call answers EFORK, and `_free` does nothing,
 * because librdkafka's threads exist in the parent only. A build without PINPIPE_WITH_KAFKA answers ENOTSUP.
 */

/** Settings for producers, consumers and admins. */
typedef struct pinpipe_kafka_config pinpipe_kafka_config;
/** Writes records. */
typedef struct pinpipe_kafka_producer pinpipe_kafka_producer;
/** Reads records as a member of a group. */
typedef struct pinpipe_kafka_consumer pinpipe_kafka_consumer;
/** Creates and lists topics. */
typedef struct pinpipe_kafka_admin pinpipe_kafka_admin;
/** librdkafka's mock cluster in this process: an embedded broker for demos and tests. It keeps about the last
 * 5 MiB of each partition and nothing on disk, and it has no admin protocol: topics are made by
 * pinpipe_kafka_mock_topic_create. */
typedef struct pinpipe_kafka_mock pinpipe_kafka_mock;

/* ---- configuration ---- */

/** Makes an empty set of settings. Errors: ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_kafka_config_new(pinpipe_kafka_config **out,
                                                    pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Sets one librdkafka property, such as "linger.ms"; a later value for the same name wins. Names and values
 * are checked when a handle is made from the settings, because that depends on the librdkafka that is linked.
 * Errors: EINVAL an empty name, a NUL byte; ELIMIT more than 256 settings, a name beyond 255 bytes or a value
 * beyond 64 KiB; ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_kafka_config_set(pinpipe_kafka_config *config, pinpipe_str name,
                                                    pinpipe_str value, pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Sets what a Java properties file says, such as the client.properties of Java's clients; a later value
 * wins. sasl.mechanism AWS_MSK_IAM and the classes of aws-msk-iam-auth stand for IAM login, awsRoleArn and
 * awsProfileName in sasl.jaas.config for whose key signs. Errors: EDATA a bad escape; EINVAL, ENOMEM; ELIMIT
 * as pinpipe_kafka_config_set, and beyond 64 KiB. What came before the error is set. */
PINPIPE_API pinpipe_status pinpipe_kafka_config_decode(pinpipe_kafka_config *config, pinpipe_str text,
                                                       pinpipe_error *err) PINPIPE_MUST_CHECK;

/** How clients prove who they are to a cluster with IAM login. Texts are copied, the provider is shared. */
typedef struct pinpipe_kafka_iam_options {
    uint32_t struct_size;
    uint32_t reserved;                /* 0 */
    const pinpipe_provider *provider; /* NULL = the default chain */
    pinpipe_str region;    /* the cluster's; empty = as its brokers' names say, else the provider's */
    pinpipe_str sign_host; /* empty = kafka.<region>.amazonaws.com */
    int64_t expires_s;     /* of a token: 60 to 43200; 0 = 900; less where the key expires before */
} pinpipe_kafka_iam_options;

#define PINPIPE_KAFKA_IAM_OPTIONS_INIT                                                                       \
    { (uint32_t)sizeof(pinpipe_kafka_iam_options), 0, NULL, {NULL, 0}, {NULL, 0}, 0 }

/** Makes clients log in by IAM (MSK): security.protocol becomes sasl_ssl, sasl.mechanisms OAUTHBEARER, and
 * tokens are made from the provider's key and renewed in the background before they or the key expire,
 * whether the client is used or not. Where only callers renew the provider's key (PINPIPE_REFRESH_CALLER),
 * calls of the client do. A client's making waits up to 10 s for the first key. `options` NULL = defaults.
 * Errors: EINVAL a text that is too long, a bad expiry; ENOMEM. A client's making then also fails with EINVAL
 * (no region, a setting that excludes IAM login) and with the provider's errors. */
PINPIPE_API pinpipe_status pinpipe_kafka_config_iam_set(pinpipe_kafka_config *config,
                                                        const pinpipe_kafka_iam_options *options,
                                                        pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Wipes and frees the settings; NULL is allowed. Handles made from them keep their own copy. */
PINPIPE_API void pinpipe_kafka_config_free(pinpipe_kafka_config *config);

/* ---- statistics ---- */

/** How a client does, as of librdkafka's last count; a client counts where its setting statistics.interval.ms
 * says how often. Counts run from the client's making; latencies are of the last period, the slowest
 * broker's. */
typedef struct pinpipe_kafka_statistics {
    uint32_t struct_size;
    int32_t reserved;              /* 0 */
    int64_t time_ms;               /* of the count, since 1970 in UTC, to the second */
    int64_t queued_records;        /* of a producer: not sent, or without a report */
    int64_t queued_bytes;          /* of those records */
    int64_t fetched_queue_records; /* of a consumer: fetched and not read */
    int64_t fetched_queue_bytes;   /* of those records */
    int64_t sent_requests;         /* to all brokers */
    int64_t sent_bytes;            /* on the wire */
    int64_t received_responses;    /* of all brokers */
    int64_t received_bytes;        /* on the wire */
    int64_t sent_records;          /* of a producer */
    int64_t sent_record_bytes;     /* of those records */
    int64_t received_records;      /* of a consumer */
    int64_t received_record_bytes; /* of those records */
    int64_t request_errors;        /* requests that could not be sent */
    int64_t request_retries;       /* requests that were sent again */
    int64_t request_timeouts;      /* requests without an answer in time */
    int64_t queue_latency_p50_us;  /* from the write to the request */
    int64_t queue_latency_p99_us;  /* the same */
    int64_t output_latency_p99_us; /* from the request to the socket */
    int64_t round_trip_p50_us;     /* from the request to its response */
    int64_t round_trip_p99_us;     /* the same */
    int64_t throttle_max_ms;       /* that a broker asked for */
    int64_t batch_records_avg;     /* of a produce request, in the topic with the greatest */
    int64_t batch_bytes_avg;       /* the same */
    int64_t lag_records;           /* committed to the end, over all partitions of this consumer */
    int64_t lag_max_records;       /* of one partition */
    int64_t rebalances;            /* of the group, as this consumer saw them */
    int64_t brokers_up;            /* connections */
    pinpipe_str json;              /* the whole document; borrowed until the client's next call */
} pinpipe_kafka_statistics;

#define PINPIPE_KAFKA_STATISTICS_INIT                                                                        \
    {                                                                                                        \
        (uint32_t)sizeof(pinpipe_kafka_statistics), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {                                                                  \
            NULL, 0                                                                                          \
        }                                                                                                    \
    }

/* ---- producer ---- */

/** One record to write. An empty `value` whose ptr is NULL is Kafka's null, a tombstone; so is it with `key`.
 */
typedef struct pinpipe_kafka_record {
    uint32_t struct_size;
    int32_t reserved;     /* 0 */
    pinpipe_str topic;    /* to write to */
    pinpipe_str key;      /* decides on the partition */
    pinpipe_str value;    /* any bytes */
    int64_t timestamp_ms; /* since 1970 in UTC; 0 = the time of the call */
} pinpipe_kafka_record;

#define PINPIPE_KAFKA_RECORD_INIT                                                                            \
    { (uint32_t)sizeof(pinpipe_kafka_record), 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, 0 }

/** Opens a producer on `brokers` ("host:port,host:port"). `config` may be NULL. Defaults under the caller's
 * settings: idempotent, partitioner murmur2_random (Java's), linger.ms 5, queue of 100,000 records and 64
 * MiB, no Nagle. Does not wait for a connection. Errors: EINVAL a setting that librdkafka refuses (the text
 * names it); ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_kafka_producer_new(pinpipe_kafka_producer **out, pinpipe_str brokers,
                                                      const pinpipe_kafka_config *config,
                                                      pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Drops what waits, within about a second: every record gets its report. `dropped_count` says how many were
 * given up; those that were on their way to a broker may be stored all the same. */
PINPIPE_API pinpipe_status pinpipe_kafka_producer_clear(int64_t *dropped_count,
                                                        pinpipe_kafka_producer *producer,
                                                        pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Frees the producer within about 2 s; records that were not flushed are dropped. NULL is allowed. */
PINPIPE_API void pinpipe_kafka_producer_free(pinpipe_kafka_producer *producer);

/** Queues a copy of the record; while the queue is full, waits for room up to `timeout_ms`. The first record
 * of a topic also waits until the topic is known. Errors: ETIMEOUT the queue stayed full; ENET no broker was
 * reached; EAUTH; ENOTFOUND the topic does not exist; ELIMIT the record is larger than message.max.bytes;
 * EINVAL a topic name that Kafka does not allow; EFATAL. */
PINPIPE_API pinpipe_status pinpipe_kafka_producer_write(pinpipe_kafka_producer *producer,
                                                        const pinpipe_kafka_record *record,
                                                        int64_t timeout_ms,
                                                        pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Waits until every queued record has its delivery report.
 * Errors: ETIMEOUT, or ENET and EAUTH where the connection is the reason, with records still queued: the call
 * may be repeated; else the status of the first failed delivery since the last flush, with the count in the
 * text. */
PINPIPE_API pinpipe_status pinpipe_kafka_producer_flush(pinpipe_kafka_producer *producer, int64_t timeout_ms,
                                                        pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Takes in the delivery reports that have arrived; never waits. */
PINPIPE_API pinpipe_status pinpipe_kafka_producer_poll(pinpipe_kafka_producer *producer,
                                                       pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Records accepted by write; always delivered + failed + those that wait for their report. */
PINPIPE_API int64_t pinpipe_kafka_producer_written_count(const pinpipe_kafka_producer *producer);
/** Records that the broker has acknowledged. */
PINPIPE_API int64_t pinpipe_kafka_producer_delivered_count(const pinpipe_kafka_producer *producer);
/** Records whose delivery failed for good. */
PINPIPE_API int64_t pinpipe_kafka_producer_failed_count(const pinpipe_kafka_producer *producer);

/** The last count, taken in by the calls that wait. Returns AGAIN where none came yet. Errors: EINVAL no
 * struct_size; EDATA. */
PINPIPE_API pinpipe_status pinpipe_kafka_producer_statistics(pinpipe_kafka_statistics *out,
                                                             const pinpipe_kafka_producer *producer,
                                                             pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Times that the producer went on in a new handle after a fatal error of idempotence. */
PINPIPE_API int64_t pinpipe_kafka_producer_recovery_count(const pinpipe_kafka_producer *producer);

/* ---- consumer ---- */

/** When partitions that the group moves leave the consumer. */
typedef enum pinpipe_kafka_revocation {
    PINPIPE_KAFKA_REVOCATION_AT_ONCE = 0, /* before poll returns */
    PINPIPE_KAFKA_REVOCATION_HELD = 1     /* with the next poll: until then the batch that names them can be
                                             worked off and its offsets committed */
} pinpipe_kafka_revocation;

/** A place in a partition. As an input to commit, `offset` is the next one to read; -1 = none. */
typedef struct pinpipe_kafka_offset {
    pinpipe_str topic;    /* of the partition */
    int32_t partition;    /* its number */
    int32_t reserved;     /* 0 */
    int64_t offset;       /* the next one to read; -1 = none */
    pinpipe_str metadata; /* text that is committed with the offset, without NUL; brokers take 4 KiB */
} pinpipe_kafka_offset;

/** Where a consumer is told from where to read: behind the last record. */
#define PINPIPE_KAFKA_OFFSET_END (-1)
/** The same: the first record that is left. */
#define PINPIPE_KAFKA_OFFSET_BEGINNING (-2)
/** The same: the group's commit; where it has none, what auto.offset.reset says. */
#define PINPIPE_KAFKA_OFFSET_COMMITTED (-1000)

/** `brokers`, `group`, and either `topics` or `partitions` are needed. */
typedef struct pinpipe_kafka_consumer_options {
    uint32_t struct_size;
    int32_t revocation;   /* pinpipe_kafka_revocation */
    pinpipe_str brokers;  /* "host:port,host:port" */
    pinpipe_str group;    /* whose members share the topics */
    pinpipe_str topics;   /* names parted by commas, or one regular expression that begins with ^ */
    int64_t poll_records; /* most records of one poll; 0 = 1000 */
    int64_t queue_bytes; /* fetched and not yet polled, 1 MiB or more; 0 = 64 MiB. A fetch brings a quarter */
    const pinpipe_kafka_offset *partitions; /* that are read from `offset` on, whoever else reads them: the
                                               consumer is no member of its group, and commits for it */
    int64_t partition_count;                /* of `partitions`, at most 100,000 */
} pinpipe_kafka_consumer_options;

#define PINPIPE_KAFKA_CONSUMER_OPTIONS_INIT                                                                  \
    { (uint32_t)sizeof(pinpipe_kafka_consumer_options), 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, 0, 0, NULL, 0 }

/** A borrowed record. A key or value whose ptr is NULL is Kafka's null. */
typedef struct pinpipe_kafka_message {
    pinpipe_str topic;    /* it was read from */
    int32_t partition;    /* of that topic */
    int32_t reserved;     /* 0 */
    int64_t offset;       /* of the message in its partition */
    pinpipe_str key;      /* any bytes */
    pinpipe_str value;    /* any bytes */
    int64_t timestamp_ms; /* -1 = none */
    const void *origin;   /* librdkafka's, for the headers below; NULL = none */
} pinpipe_kafka_message;

/** A borrowed header of a record; one name may come more than once. A value whose ptr is NULL is null. */
typedef struct pinpipe_kafka_header {
    pinpipe_str name;  /* as it was written */
    pinpipe_str value; /* any bytes */
} pinpipe_kafka_header;

/** Headers of a message of the last poll; they are read from it when the first of them is asked for. */
PINPIPE_API int64_t pinpipe_kafka_message_header_count(const pinpipe_kafka_message *message);
/** The header at `index`, from 0 to the count - 1, in the order in which they were written; as long as the
 * message. */
PINPIPE_API pinpipe_kafka_header pinpipe_kafka_message_header_at(const pinpipe_kafka_message *message,
                                                                 int64_t index);

/** What one poll brought, all of it borrowed until the next poll or free: first the messages, in each
 * partition's order; after them, where the group has moved partitions, those that no longer belong to this
 * consumer. */
typedef struct pinpipe_kafka_batch {
    uint32_t struct_size;
    int32_t reserved;                      /* 0 */
    const pinpipe_kafka_message *messages; /* message_count of them */
    int64_t message_count;                 /* at most poll_records */
    const pinpipe_kafka_offset *revoked;   /* their offset is -1 */
    int64_t revoked_count;                 /* of `revoked` */
} pinpipe_kafka_batch;

#define PINPIPE_KAFKA_BATCH_INIT                                                                             \
    { (uint32_t)sizeof(pinpipe_kafka_batch), 0, NULL, 0, NULL, 0 }

/** Opens a consumer, and subscribes it or gives it its partitions; joining goes on inside poll. `config` may
 * be NULL. Defaults under the caller's settings: earliest offset where none is committed, no automatic
 * commit, 64 MiB of fetched records, new topics of a regular expression found within 2 s, no Nagle. Errors:
 * EINVAL a missing option or a refused setting; ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_kafka_consumer_new(pinpipe_kafka_consumer **out,
                                                      const pinpipe_kafka_consumer_options *options,
                                                      const pinpipe_kafka_config *config,
                                                      pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Leaves the group and frees the consumer, within 5 s. NULL is allowed. */
PINPIPE_API void pinpipe_kafka_consumer_free(pinpipe_kafka_consumer *consumer);

/** Waits for records up to `timeout_ms` and returns as soon as there are some.
 * Returns OK; AGAIN when nothing came. Errors: ENET no broker could be reached (before the group was joined:
 * at the end of the call; later: once all have been away for 30 s); EAUTH; ENOTFOUND a named topic does not
 * exist; EFATAL. */
PINPIPE_API pinpipe_status pinpipe_kafka_consumer_poll(pinpipe_kafka_batch *out,
                                                       pinpipe_kafka_consumer *consumer, int64_t timeout_ms,
                                                       pinpipe_error *err) PINPIPE_MUST_CHECK;

/** How often the group has told this member its partitions, which may be none; 0 while it waits to be told:
 * before it has joined, while partitions move, and where its caller gave it partitions. Only then does
 * silence mean that there is nothing to read: a group answers behind the session of a member that died, at
 * the earliest. */
PINPIPE_API int64_t pinpipe_kafka_consumer_generation(const pinpipe_kafka_consumer *consumer);

/** Commits `count` offsets and waits for the answer. Errors: ECONFLICT the group has moved on, so that a
 * partition is another consumer's; ETIMEOUT the outcome is unknown; ENET; EAUTH. */
PINPIPE_API pinpipe_status pinpipe_kafka_consumer_commit(pinpipe_kafka_consumer *consumer,
                                                         const pinpipe_kafka_offset *offsets, int64_t count,
                                                         int64_t timeout_ms,
                                                         pinpipe_error *err) PINPIPE_MUST_CHECK;

/** As pinpipe_kafka_producer_statistics. */
PINPIPE_API pinpipe_status pinpipe_kafka_consumer_statistics(pinpipe_kafka_statistics *out,
                                                             const pinpipe_kafka_consumer *consumer,
                                                             pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Asks for the group's committed offsets: reads topic and partition of each entry, writes its `offset` and
 * its `metadata`, which is borrowed until the next call of this function or free. A broker answers a consumer
 * that is joining its group when it has joined. Errors: as commit. */
PINPIPE_API pinpipe_status pinpipe_kafka_consumer_committed(pinpipe_kafka_offset *offsets, int64_t count,
                                                            pinpipe_kafka_consumer *consumer,
                                                            int64_t timeout_ms,
                                                            pinpipe_error *err) PINPIPE_MUST_CHECK;

/** The partitions that are this consumer's by now: writes where `count` of them stand, with an offset of -1;
 * borrowed until the next call of this function or free. Errors: ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_kafka_consumer_assigned(const pinpipe_kafka_offset **out, int64_t *count,
                                                           pinpipe_kafka_consumer *consumer,
                                                           pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Goes on reading at other offsets, or at a place that PINPIPE_KAFKA_OFFSET_END or …_BEGINNING names;
 * partitions must be the consumer's own. Messages of the last batch that lie behind the new place are stale.
 * Errors: ECONFLICT a partition is not the consumer's; ETIMEOUT; ENET. */
PINPIPE_API pinpipe_status pinpipe_kafka_consumer_seek(pinpipe_kafka_consumer *consumer,
                                                       const pinpipe_kafka_offset *offsets, int64_t count,
                                                       int64_t timeout_ms,
                                                       pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Lets no more records of these partitions come until they are resumed or the group moves them: the consumer
 * stays their owner as long as it is polled. What had been fetched of them is fetched again then. Reads topic
 * and partition of each entry. Errors: ECONFLICT a partition is not the consumer's; ETIMEOUT; ENET. */
PINPIPE_API pinpipe_status pinpipe_kafka_consumer_pause(pinpipe_kafka_consumer *consumer,
                                                        const pinpipe_kafka_offset *offsets, int64_t count,
                                                        int64_t timeout_ms,
                                                        pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Goes on where the partitions were paused; no record is left out and none comes twice. Errors: ECONFLICT a
 * partition is not the consumer's. */
PINPIPE_API pinpipe_status pinpipe_kafka_consumer_resume(pinpipe_kafka_consumer *consumer,
                                                         const pinpipe_kafka_offset *offsets, int64_t count,
                                                         pinpipe_error *err) PINPIPE_MUST_CHECK;

/* ---- topics ---- */

/** A topic to create. */
typedef struct pinpipe_kafka_topic_options {
    uint32_t struct_size;
    int32_t partition_count;   /* 0 = 1 */
    int32_t replication_count; /* 0 = 1 */
    int32_t reserved;          /* 0 */
    pinpipe_str name;          /* of the new topic */
} pinpipe_kafka_topic_options;

#define PINPIPE_KAFKA_TOPIC_OPTIONS_INIT                                                                     \
    {                                                                                                        \
        (uint32_t)sizeof(pinpipe_kafka_topic_options), 0, 0, 0, {                                            \
            NULL, 0                                                                                          \
        }                                                                                                    \
    }

/** A topic of a listing; `name` is borrowed from the admin. */
typedef struct pinpipe_kafka_topic {
    pinpipe_str name;        /* as the cluster has it */
    int64_t partition_count; /* of the topic */
} pinpipe_kafka_topic;

/** Opens an admin on `brokers`; `config` may be NULL. Errors: EINVAL, ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_kafka_admin_new(pinpipe_kafka_admin **out, pinpipe_str brokers,
                                                   const pinpipe_kafka_config *config,
                                                   pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Frees the admin and its listing; NULL is allowed. */
PINPIPE_API void pinpipe_kafka_admin_free(pinpipe_kafka_admin *admin);

/** Creates one topic, and waits (within the timeout, up to 5 s) until the brokers tell of it and of each
 * partition's leader. Errors: ECONFLICT it exists; EREFUSED the broker's reason is in the text; ENET, EAUTH,
 * ETIMEOUT. */
PINPIPE_API pinpipe_status pinpipe_kafka_admin_topic_create(pinpipe_kafka_admin *admin,
                                                            const pinpipe_kafka_topic_options *topic,
                                                            int64_t timeout_ms,
                                                            pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Reads the cluster's topics into the admin, sorted by name, in place of its last listing.
 * Errors: ENET, EAUTH, ETIMEOUT, ENOMEM; the last listing is gone then. */
PINPIPE_API pinpipe_status pinpipe_kafka_admin_list(pinpipe_kafka_admin *admin, int64_t timeout_ms,
                                                    pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Topics of the last listing. */
PINPIPE_API int64_t pinpipe_kafka_admin_topic_count(const pinpipe_kafka_admin *admin);
/** The topic at `index`, from 0 to the count - 1; valid until the next listing. */
PINPIPE_API pinpipe_kafka_topic pinpipe_kafka_admin_topic_at(const pinpipe_kafka_admin *admin, int64_t index);

/** Deletes one topic with its records, and waits (within the timeout, up to 5 s) until the brokers tell of it
 * no more. Errors: ENOTFOUND; EREFUSED the broker's reason is in the text; ENET, EAUTH, ETIMEOUT. */
PINPIPE_API pinpipe_status pinpipe_kafka_admin_topic_delete(pinpipe_kafka_admin *admin, pinpipe_str name,
                                                            int64_t timeout_ms,
                                                            pinpipe_error *err) PINPIPE_MUST_CHECK;

/** A partition of a topic that was described. */
typedef struct pinpipe_kafka_partition {
    int32_t partition;     /* its number */
    int32_t leader;        /* a broker's id; -1 = none now */
    int32_t replica_count; /* brokers that keep it */
    int32_t in_sync_count; /* of the replicas */
} pinpipe_kafka_partition;

/** A setting of a topic that was described; borrowed from the admin. */
typedef struct pinpipe_kafka_topic_config {
    pinpipe_str name;   /* such as "retention.ms" */
    pinpipe_str value;  /* a NULL ptr = the broker does not tell it */
    int32_t is_default; /* 1 = the broker's own default, 0 = set for the topic */
    int32_t reserved;   /* 0 */
} pinpipe_kafka_topic_config;

/** Reads a topic's partitions and settings into the admin, in place of the last description's. Errors:
 * ENOTFOUND; ENET, EAUTH, ETIMEOUT, ENOMEM; the last description is gone then. */
PINPIPE_API pinpipe_status pinpipe_kafka_admin_topic_describe(pinpipe_kafka_admin *admin, pinpipe_str name,
                                                              int64_t timeout_ms,
                                                              pinpipe_error *err) PINPIPE_MUST_CHECK;

/** What the last description says; `index` from 0 to the count - 1. */
PINPIPE_API int64_t pinpipe_kafka_admin_partition_count(const pinpipe_kafka_admin *admin);
/** Partition `index` of the last description. */
PINPIPE_API pinpipe_kafka_partition pinpipe_kafka_admin_partition_at(const pinpipe_kafka_admin *admin,
                                                                     int64_t index);
/** Settings of the last description. */
PINPIPE_API int64_t pinpipe_kafka_admin_config_count(const pinpipe_kafka_admin *admin);
/** Setting `index` of the last description. */
PINPIPE_API pinpipe_kafka_topic_config pinpipe_kafka_admin_config_at(const pinpipe_kafka_admin *admin,
                                                                     int64_t index);

/* ---- mock cluster ---- */

/** Starts a cluster of `broker_count` (1 to 16) brokers on free loopback ports. Errors: EINVAL, ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_kafka_mock_new(pinpipe_kafka_mock **out, int64_t broker_count,
                                                  pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Stops the cluster; its records are gone. Free its clients first. NULL is allowed. */
PINPIPE_API void pinpipe_kafka_mock_free(pinpipe_kafka_mock *mock);

/** "host:port,…" of the brokers; valid until free. */
PINPIPE_API pinpipe_str pinpipe_kafka_mock_brokers(const pinpipe_kafka_mock *mock);

/** Creates a topic; a topic that is only written to gets 4 partitions. Errors: as
 * pinpipe_kafka_admin_topic_create. */
PINPIPE_API pinpipe_status pinpipe_kafka_mock_topic_create(pinpipe_kafka_mock *mock,
                                                           const pinpipe_kafka_topic_options *topic,
                                                           pinpipe_error *err) PINPIPE_MUST_CHECK;

PINPIPE_END_DECLS

#endif
