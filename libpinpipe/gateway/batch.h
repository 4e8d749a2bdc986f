/* Turns records of many requests into one batch of the producer's, and its reports into answers.
 * Never holds a request longer than its own records need.
 * Rules: docs/gateway.md, "Delivery"; pinpipe/kafka_batch.h. */
#ifndef PP_GATEWAY_BATCH_H
#define PP_GATEWAY_BATCH_H

#include "gateway/server.h"

/** Keys or values, as they are being gathered. */
typedef struct pp_gateway_column {
    pinpipe_buf data;
    int64_t *offsets;  /* an entry more than records */
    uint8_t *validity; /* bits */
    bool has_entry;    /* one at least is not null */
} pp_gateway_column;

struct pp_gateway_batch {
    pp_gateway_batch *after;
    pp_gateway_topic *topic;
    pp_gateway_column values, keys;
    int32_t *partitions;
    int64_t count, cap;
    pp_gateway_connection *first, *last; /* whose requests have no answer yet */
    pinpipe_kafka_delivery *delivery;
    int64_t settled; /* records with a report, when it was last looked at */
    int64_t write_after_ms;
    bool is_released; /* the producer needs its memory no more */
};

/** What a batch is cut back to where the rest of a request is refused. */
typedef struct pp_gateway_mark {
    int64_t count;
    size_t value_bytes, key_bytes;
} pp_gateway_mark;

/** The batch that a topic's next records go into. Errors: ENOMEM. */
pinpipe_status pp_gateway_batch_of(pp_gateway_batch **out, pinpipe_gateway *gateway, pp_gateway_topic *topic,
                                   pinpipe_error *err);

pp_gateway_mark pp_gateway_batch_mark(const pp_gateway_batch *batch);
void pp_gateway_batch_cut(pp_gateway_batch *batch, const pp_gateway_mark *mark);

/** Room for one more record, and for `bytes` more of its key and value each. Errors: ENOMEM, ELIMIT. */
pinpipe_status pp_gateway_batch_reserve(pp_gateway_batch *batch, size_t bytes, pinpipe_error *err);

/** Adds the record whose key and value were written behind the marks' bytes; a length below 0 is null.
 * `partition` -1 = by the key. */
void pp_gateway_batch_add(pp_gateway_batch *batch, int64_t key_len, int64_t value_len, int32_t partition);

/** Makes a request wait for its records in a batch, from `first` to the batch's end. */
void pp_gateway_batch_join(pp_gateway_batch *batch, pp_gateway_connection *connection, int64_t first);

/** Takes a request out of its batch unanswered; true where its records are in no partition and will not be.
 */
bool pp_gateway_batch_leave(pinpipe_gateway *gateway, pp_gateway_connection *connection);

/** Writes what was gathered, unless it is held, and what could not be written before. */
void pp_gateway_batches_write(pinpipe_gateway *gateway);

/** Answers the requests whose records have their reports. */
void pp_gateway_batches_settle(pinpipe_gateway *gateway);

/** When a write is due, or to be tried again; INT64_MAX = there is none. */
int64_t pp_gateway_batches_due(const pinpipe_gateway *gateway);

/** Once the producer is freed. */
void pp_gateway_batches_free(pinpipe_gateway *gateway);

#endif
