/* Turns one consumer of the REST interface into a struct that the server and its own thread share.
 * Never outside gateway/consumer*.c: what is whose stands at the fields.
 * Rules: docs/gateway.md, "Consumers". */
#ifndef PP_GATEWAY_CONSUMER_H
#define PP_GATEWAY_CONSUMER_H

#include <pthread.h>

#include "gateway/answer.h"
#include "gateway/consumer_paths.h"
#include "gateway/consumers.h"

/** Longest name of a group or an instance. */
#define PP_GATEWAY_NAME_BYTES_MAX 255
/** Bodies of orders are small. */
#define PP_GATEWAY_ORDER_BYTES_MAX ((size_t)64 << 10)

/** What one request wants of an instance; the thread's from its putting on until it is done. */
struct pp_gateway_order {
    pp_gateway_order *after;
    pp_gateway_connection *connection; /* of the server; NULL = nobody waits for it any more */
    atomic_bool is_given_up;
    pp_gateway_consumer_action action;
    pinpipe_buf body;
    int64_t until_ms;         /* by which it has to be done */
    int64_t wait_ms;          /* for records */
    int64_t bytes_max;        /* of an answer's keys and values */
    pp_gateway_request reply; /* what it comes to: status and answer */
};

/** How far a partition was given out. */
typedef struct pp_gateway_place_read {
    char topic[PP_GATEWAY_TOPIC_BYTES_MAX + 1];
    int32_t partition;
    bool is_uncommitted;
    int64_t next;
    int64_t sought_at; /* the batch that was current when it was sought: what is left of it is stale */
} pp_gateway_place_read;

struct pp_gateway_instance {
    pp_gateway_instance *after;
    pinpipe_buf group, name;
    pp_gateway_format format;
    bool commits_itself;
    int64_t bytes_min, wait_ms;
    pp_gateway_consumers *consumers;
    int wake;
    int64_t used_ms; /* the server's */
    bool is_leaving; /* the server's: it takes no order any more */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under the lock. */
    pp_gateway_order *first, *last, *done;
    int64_t order_count;
    bool is_closing, has_ended;
    /* The thread's. */
    pinpipe_kafka_config *settings;
    pinpipe_buf topics; /* as the consumer takes them; empty = not subscribed */
    pinpipe_kafka_consumer *consumer;
    pinpipe_kafka_batch batch;
    int64_t batch_number, batch_at;
    pp_gateway_place_read *places;
    int64_t place_count, place_cap;
    int64_t committed_ms;
    pinpipe_buf scratch;
};

struct pp_gateway_consumers {
    pinpipe_buf brokers;
    pinpipe_kafka_config *settings;
    pp_gateway_instance *first;
    int64_t count, made;
    int64_t look_ms;
    atomic_llong done_count; /* orders that are done, and threads that have ended */
};

/** Takes what a request says of a new instance; false = the request is refused. */
bool pp_gateway_instance_configure(pp_gateway_instance *instance, pinpipe_buf *wanted_name,
                                   pp_gateway_request *request);

/** Does what an order says; on the instance's thread. */
void pp_gateway_order_do(pp_gateway_instance *instance, pp_gateway_order *order);

/** Commits what is to be, and leaves the group. */
void pp_gateway_instance_leave(pp_gateway_instance *instance);

#endif
