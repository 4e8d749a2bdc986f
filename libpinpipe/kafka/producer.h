/* Turns the parts of a producer into one struct that its files share: topics, batches under way, what a fatal
 * error left behind.
 * Never outside kafka/'s producer files.
 * Rules: docs/kafka.md, "Producer". */
#ifndef PP_KAFKA_PRODUCER_H
#define PP_KAFKA_PRODUCER_H

#include "kafka/client.h"
#include "pinpipe/kafka_batch.h"

#define PP_KAFKA_STEP_MS 100

/** A topic that was written to. */
typedef struct pp_kafka_topic_entry {
    char *name;
    size_t name_len;
    rd_kafka_topic_t *topic;
    int64_t unknown_since_ms;
    bool known;
} pp_kafka_topic_entry;

/** A record on its way into librdkafka's queue. */
typedef struct pp_kafka_message {
    rd_kafka_topic_t *topic;
    pinpipe_str value;
    pinpipe_str key;
    rd_kafka_headers_t *headers; /* NULL = none */
    int64_t timestamp_ms;        /* 0 = now */
    void *opaque;
    int32_t partition;
    int flags; /* RD_KAFKA_MSG_F_COPY or 0 */
} pp_kafka_message;

/** A message that a fatal error kept from being sent, on its way into the next handle. */
typedef struct pp_kafka_rescued {
    char *copy; /* of value and key; NULL where a batch holds them */
    pinpipe_str value;
    pinpipe_str key;
    rd_kafka_headers_t *headers;
    void *opaque;
    int64_t sequence;
    int64_t timestamp_ms;
    int64_t topic; /* index */
    int32_t partition;
} pp_kafka_rescued;

struct pinpipe_kafka_producer {
    pp_kafka_client client;
    rd_kafka_conf_t *conf; /* for the handle after a fatal error */
    pp_kafka_topic_entry *topics;
    int64_t topic_count;
    int64_t topic_cap;
    int64_t topic_last;
    int64_t sequence; /* of the next record */
    int64_t written;
    int64_t delivered;
    int64_t failed;
    int64_t failed_reported;
    rd_kafka_resp_err_t failure;
    char failure_text[PP_KAFKA_TEXT_BYTES];
    int64_t broker_count;               /* of the cluster, as last seen */
    int64_t batch_bytes;                /* of queued batches' records without a report */
    rd_kafka_message_t *chunk;          /* of the batch that is being queued */
    pinpipe_kafka_delivery *deliveries; /* batches that wait for reports */
    pinpipe_kafka_delivery *delivery_last;
    const pinpipe_kafka_delivery *awaited; /* by the call at hand */
    pp_kafka_rescued *rescued;
    int64_t rescued_count;
    int64_t rescued_cap;
    int64_t rescued_next; /* those before are in the new handle */
    int64_t recoveries;
    int64_t recoveries_in_vain; /* since a record was delivered */
    int wake;                   /* that reports make ready, where `wakes` */
    bool wakes;
};

/* ---- producer.c ---- */

/** The opaque of a message without a batch: its sequence, as an odd number. */
void *pp_kafka_opaque_of(int64_t sequence);
/** The sequence of any message, and the place of one that is a batch's; else NULL. */
int64_t pp_kafka_opaque_sequence(const void *opaque);
int64_t *pp_kafka_opaque_place(void *opaque);

/** Records without a report. */
int64_t pp_kafka_producer_waiting(const pinpipe_kafka_producer *producer);

/** Counts a record that will not be delivered; the first since the last flush is remembered. */
void pp_kafka_producer_failed_note(pinpipe_kafka_producer *producer, const char *topic,
                                   rd_kafka_resp_err_t code);

/** Queues a message; its headers become librdkafka's where it is queued. */
rd_kafka_resp_err_t pp_kafka_message_queue(rd_kafka_t *handle, const pp_kafka_message *message);

/** True for what says "not now": the queue is full, or the handle has to be mended. */
bool pp_kafka_queue_shut(rd_kafka_resp_err_t code);

/** The index of a topic that can be written to now, in a handle that works. Errors: as pp_kafka_topic_get and
 * pp_kafka_producer_mend. */
pinpipe_status pp_kafka_topic_wait(int64_t *topic, pinpipe_kafka_producer *producer, pinpipe_str name,
                                   int64_t deadline_ms, pinpipe_error *err);

/** Waits one step for room in the queue. Errors: ETIMEOUT, ENET, EAUTH: there will be none by the deadline.
 */
pinpipe_status pp_kafka_room_wait(pinpipe_kafka_producer *producer, int64_t deadline_ms, pinpipe_error *err);

/* ---- wake.c ---- */

/** Does in a new handle what pp_kafka_producer_wake_set did in the one before. */
void pp_kafka_producer_wake_renew(pinpipe_kafka_producer *producer);

/* ---- producer_topics.c ---- */

/** The index of a topic that can be written to: found, or added and known to a broker by the deadline.
 * Errors: as pinpipe_kafka_producer_write. */
pinpipe_status pp_kafka_topic_get(int64_t *out, pinpipe_kafka_producer *producer, pinpipe_str name,
                                  int64_t deadline_ms, pinpipe_error *err);

/** The same for a topic that was written to before. */
pinpipe_status pp_kafka_topic_ready(pinpipe_kafka_producer *producer, int64_t index, int64_t deadline_ms,
                                    pinpipe_error *err);

/** Gives up librdkafka's topics, which a handle's end waits for; each is made again when it is needed. */
void pp_kafka_topics_close(pinpipe_kafka_producer *producer);

void pp_kafka_topics_free(pinpipe_kafka_producer *producer);

/* ---- producer_batch.c ---- */

/** Takes a report in for a batch's record; `place` is the opaque of its message, `code` what is told of it.
 */
void pp_kafka_delivery_note(pinpipe_kafka_producer *producer, const int64_t *place,
                            const rd_kafka_message_t *message, rd_kafka_resp_err_t code);

/** True where the record's bytes are held by its batch. */
bool pp_kafka_delivery_holds(pinpipe_kafka_producer *producer, const int64_t *place);

/** Gives up a record that was rescued: it is in no partition. */
void pp_kafka_delivery_drop(pinpipe_kafka_producer *producer, const int64_t *place, rd_kafka_resp_err_t code);

/** Writes the outcome of a record that was rescued, so that pp_kafka_deliveries_settle leaves it alone. */
void pp_kafka_delivery_mark(pinpipe_kafka_producer *producer, const int64_t *place, uint8_t outcome);

/** Once a handle is gone: queued records without a report have an uncertain outcome. */
void pp_kafka_deliveries_settle(pinpipe_kafka_producer *producer, rd_kafka_resp_err_t code);

/** Ends every batch: records that were not queued are failed. */
void pp_kafka_deliveries_close(pinpipe_kafka_producer *producer);

/* ---- producer_rescue.c ---- */

/** True where the report of a message is put off, because the message goes into the next handle. */
bool pp_kafka_rescue(pinpipe_kafka_producer *producer, const rd_kafka_message_t *message);

/** What every call begins with and every wait repeats: after a fatal error, a new handle and in it, in order,
 * what the old one had not sent. Errors: EFATAL the error cannot be mended or comes again and again; as
 * pp_kafka_client_open; ETIMEOUT, ENET: to be repeated. */
pinpipe_status pp_kafka_producer_mend(pinpipe_kafka_producer *producer, int64_t deadline_ms,
                                      pinpipe_error *err);

/** Takes everything that waits out of the handle and polls until it is reported, at most `timeout_ms`. */
void pp_kafka_producer_drain(pinpipe_kafka_producer *producer, int64_t timeout_ms);

/** Gives up what was rescued and is in no handle; each record gets its report. */
void pp_kafka_rescued_drop(pinpipe_kafka_producer *producer);

#endif
