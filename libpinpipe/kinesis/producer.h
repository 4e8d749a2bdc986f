/* What the parts of the producer share: records that wait, lanes of shards, requests under way.
 * Never more memory than the option says, and what the requests under way hold.
 * Rules: docs/kinesis.md, "Producer". */
#ifndef PP_KINESIS_PRODUCER_H
#define PP_KINESIS_PRODUCER_H

#include "kinesis/aggregate.h"
#include "kinesis/client.h"
#include "kinesis/lane.h"
#include "kinesis/loop.h"

#define PP_REQUEST_RECORDS_MAX 500
#define PP_REQUEST_BYTES_MAX ((int64_t)10 << 20)
#define PP_IN_FLIGHT_MAX 64
/** A shard's id and a sequence number. */
#define PP_REPORT_BYTES 256
/** Four times what a request holds. */
#define PP_KEY_SLOTS 2048

/** Error codes that are told apart; the last stands for the rest. */
#define PP_CODES_MAX 32

/** How often an error code came. */
typedef struct pp_code {
    char text[PP_KINESIS_CODE_BYTES];
    int64_t count;
} pp_code;

/** One record of the service's in a request: a record, or an aggregate of several. */
typedef struct pp_unit {
    pp_entry *first; /* its records, chained */
    int64_t count;
    int32_t lane;
    bool is_aggregate;
} pp_unit;

typedef struct pp_request {
    pp_kinesis_call call;
    pp_unit units[PP_REQUEST_RECORDS_MAX];
    int64_t unit_count, bytes, begun_ms;
    bool is_used;
} pp_request;

struct pinpipe_kinesis_producer {
    pp_loop loop;             /* its lock is over all that follows but what never changes */
    pinpipe_kinesis *kinesis; /* its own */
    pinpipe_buf stream;
    uint32_t fork_generation;
    int32_t ordering; /* pinpipe_kinesis_ordering */
    int32_t reports;
    int32_t in_flight;
    bool is_single; /* a request has one record */
    int64_t memory_max, linger_ms, request_records, request_bytes, delivery_timeout_ms;
    int64_t aggregate_bytes, record_max_bytes;
    pp_lanes lanes;
    pp_request *requests; /* `in_flight` of them */
    int64_t waiting;      /* records in lanes */
    int64_t waiting_bytes;
    int64_t oldest_ms; /* about when the oldest of them came */
    int64_t now_ms;    /* of the round that is under way */
    int64_t map_due_ms, map_pause_ms;
    bool is_map_wanted, is_flushing;
    pp_entry *done, *done_last; /* reports to be taken */
    pp_entry *reported;         /* what the last report points into */
    pp_entry *spare;            /* ended ones, to be filled again */
    int64_t spare_count;
    pp_aggregate aggregate;
    pinpipe_buf packed;
    int64_t *keys; /* slots of the keys in the request that is being made */
    int64_t counters[PINPIPE_KINESIS_COUNTERS];
    pp_code codes[PP_CODES_MAX];
    int64_t failed_told; /* by an earlier flush */
    int64_t ended_told;  /* by an earlier poll */
    pinpipe_error failure;
};

/** Bytes that an entry counts as. */
int64_t pp_entry_bytes(const pp_entry *entry);

/** One round without waiting: answers in, requests out. */
void pp_producer_step(pinpipe_kinesis_producer *producer);

/** When something is to be done though no answer comes; INT64_MAX = never. */
int64_t pp_producer_due_ms(const pinpipe_kinesis_producer *producer, int64_t now_ms);

/** Whether a request is. */
bool pp_producer_is_under_way(const pinpipe_kinesis_producer *producer);

/** An entry of at least `cap` bytes that has ended; NULL = there is none. */
pp_entry *pp_entry_again(pinpipe_kinesis_producer *producer, size_t cap);

/** The end of a record: counted, and reported where reports are wanted. */
void pp_producer_end(pinpipe_kinesis_producer *producer, pp_entry *entry, pinpipe_status status,
                     pinpipe_kinesis_place place);

/** Keeps the first error since the last flush. */
void pp_producer_note(pinpipe_kinesis_producer *producer, const pinpipe_error *cause);

/** Begins as many requests as are due. */
void pp_requests_start(pinpipe_kinesis_producer *producer, int64_t now_ms);

/** Takes the answers that have come; how many. */
int64_t pp_requests_take(pinpipe_kinesis_producer *producer);

/** Counts records that were refused, in their lane and under their code; without one under their status. */
void pp_producer_refused(pinpipe_kinesis_producer *producer, pp_lane *lane, pinpipe_str code,
                         pinpipe_status status);

/** Asks for the stream's shards. `wait_ms` is the most that it takes. */
pinpipe_status pp_producer_map(pinpipe_kinesis_producer *producer, int64_t wait_ms, pinpipe_error *err);

/** Takes the answer to a request: what of each unit became of it. */
void pp_answer_take(pinpipe_kinesis_producer *producer, pp_request *request, int64_t now_ms);

#endif
