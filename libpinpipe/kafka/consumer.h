/* The inside of a consumer, shared by its membership, its offsets and its batches.
 * Never outside kafka/: the limits of the public poll are the consumer's own.
 * Rules: docs/kafka.md, "Consumer", "Batches". */
#ifndef PP_KAFKA_CONSUMER_H
#define PP_KAFKA_CONSUMER_H

#include "io/sockets.h"
#include "kafka/client.h"
#include "pinpipe/kafka.h"

/** Messages that are taken out of librdkafka's queue at once. */
#define PP_KAFKA_READY_MAX 256

/** Partitions as a caller sees them. */
typedef struct pp_kafka_places {
    rd_kafka_topic_partition_list_t *list; /* behind `views` */
    pinpipe_kafka_offset *views;
    int64_t view_cap;
} pp_kafka_places;

struct pinpipe_kafka_consumer {
    pp_kafka_client client;
    rd_kafka_message_t **kept; /* the messages behind `views` */
    pinpipe_kafka_message *views;
    int64_t view_count;
    int64_t view_cap;
    int64_t take_records; /* where the batch that is being taken ends; at most view_cap */
    int64_t take_bytes;
    rd_kafka_queue_t *queue;                       /* librdkafka's */
    rd_kafka_message_t *ready[PP_KAFKA_READY_MAX]; /* taken out of it at once */
    int64_t ready_at, ready_count;                 /* from here on they are no batch's yet */
    int64_t moved_at;                              /* before this one partitions moved */
    rd_kafka_topic_partition_list_t *revoked;      /* since the last batch */
    pp_kafka_places reported;                      /* with the last batch */
    pp_kafka_places assigned;                      /* at the last question */
    rd_kafka_topic_partition_list_t *held;         /* revoked, and still ours until the next poll */
    rd_kafka_topic_partition_list_t *committed;    /* behind the metadata of the last answer */
    int32_t revocation;                            /* pinpipe_kafka_revocation */
    pp_sockets *sockets;                           /* librdkafka's */
    bool moved;
    int64_t assignments;      /* answers of the group so far, each of them this member's partitions */
    bool is_assigned;         /* by the last of them; false while the group moves */
    pinpipe_error late_error; /* behind what the last read brought; status 0 = none */
};

/** At which a batch ends, where the consumer's own limits do not end it before. */
typedef struct pp_kafka_limits {
    int64_t records;
    int64_t bytes;
} pp_kafka_limits;

/** True when the message is of one of the partitions. */
bool pp_kafka_list_has(const rd_kafka_topic_partition_list_t *list, const rd_kafka_message_t *message);

/* ---- consumer_offsets.c ---- */

/** Shows the partitions of a list, which is the places' own from now on. Errors: ENOMEM; then it is not. */
pinpipe_status pp_kafka_places_show(pp_kafka_places *places, rd_kafka_topic_partition_list_t *list,
                                    pinpipe_error *err);

void pp_kafka_places_reset(pp_kafka_places *places);

/** Reads partitions from their offsets on. Errors: EINVAL there are none, or more than 100,000; ENOMEM. */
pinpipe_status pp_kafka_consumer_assign(pinpipe_kafka_consumer *consumer, const pinpipe_kafka_offset *offsets,
                                        int64_t count, pinpipe_error *err);

/* ---- consumer_messages.c ---- */

/** Partitions move: what has been taken before is told first, the news next. */
void pp_kafka_consumer_moved(pinpipe_kafka_consumer *consumer);

/** True when it is the turn of the news. */
bool pp_kafka_consumer_has_news(const pinpipe_kafka_consumer *consumer);

/** Fills the batch until it is full, nothing is there, it is the turn of the news, or an error turns up
 * behind messages. */
pinpipe_status pp_kafka_messages_take(pinpipe_kafka_consumer *consumer, int64_t deadline_ms,
                                      pinpipe_error *err);

/** Destroys what is ready of these partitions, and of all of them for NULL. */
void pp_kafka_ready_drop(pinpipe_kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *list);

/* ---- consumer.c ---- */

/** As pinpipe_kafka_consumer_poll. */
pinpipe_status pp_kafka_consumer_take(pinpipe_kafka_batch *out, pinpipe_kafka_consumer *consumer,
                                      pp_kafka_limits limits, int64_t timeout_ms, pinpipe_error *err);

/** Gives the last batch's messages back before the next one is taken. */
void pp_kafka_consumer_release(pinpipe_kafka_consumer *consumer);

/** Lets the next take fail by `cause`. */
void pp_kafka_consumer_hold(pinpipe_kafka_consumer *consumer, const pinpipe_error *cause);

#endif
