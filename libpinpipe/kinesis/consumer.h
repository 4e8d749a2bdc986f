/* What the parts of the consumer share: shards with what was fetched of them, and requests under way.
 * Never more memory than the option says; what was handed out is its holder's.
 * Rules: docs/kinesis.md, "Consumer". */
#ifndef PP_KINESIS_CONSUMER_H
#define PP_KINESIS_CONSUMER_H

#include <stdatomic.h>

#include "kinesis/client.h"
#include "kinesis/records.h"
#include "pinpipe/kinesis_consumer.h"

#define PP_SHARD_ID_MAX 128
#define PP_FETCHES_MAX 64
#define PP_SUBSCRIPTIONS_MAX 1000
/** Counted for an answer beside its bytes: its records' views. */
#define PP_FETCHED_AROUND ((int64_t)PP_KINESIS_FETCH_MAX * (int64_t)sizeof(pinpipe_kinesis_item))

/** A place in a shard. */
typedef struct pp_place {
    int32_t start;                              /* pinpipe_kinesis_start */
    char sequence[PP_KINESIS_SEQUENCE_MAX + 1]; /* of AT_SEQUENCE and AFTER_SEQUENCE */
    int64_t sub_sequence;                       /* as pinpipe_kinesis_position has it */
    int64_t time_ms;
} pp_place;

/** One GetRecords answer, held by its shard and by the records that were handed out of it. */
typedef struct pp_fetched {
    struct pp_fetched *next;
    atomic_int holders;
    pinpipe_kinesis_batch batch;
    int64_t at;       /* the first of its records that was not handed out … */
    int64_t sub_done; /* … and the last record of that aggregate that was; -1 = none */
    int64_t held_bytes;
    char shard_id[PP_SHARD_ID_MAX + 1];
} pp_fetched;

typedef struct pp_shard {
    pinpipe_buf text; /* of `info` */
    pinpipe_kinesis_shard info;
    pp_kinesis_hash first, last; /* hash keys */
    bool has_range;
    bool is_taken;
    bool is_listed, was_listed; /* at the last look, and at the one before */
    bool is_over;               /* nothing is left to fetch … */
    bool is_told;               /* … and nothing to hand out: its end was */
    bool is_missing;            /* the service did not know it */
    bool is_stuck;
    pp_place read;        /* behind the last record handed out */
    pp_place fetched;     /* behind the last one fetched: where an iterator is asked for */
    pinpipe_buf iterator; /* empty = to be asked for */
    struct pp_shard_request *fetch;
    pp_fetched *answers, *answers_last; /* not handed out yet */
    int64_t due_ms;                     /* of the next request */
    int64_t wait_ms;                    /* since when an answer is awaited; 0 = it is not */
    double factor;                      /* of the pace, 0 to 1 */
    int64_t paced_ms;
    int32_t round; /* requests that failed since one did not */
    int64_t expected_bytes;
    int64_t behind_ms, records;
    pinpipe_status status; /* of the last request */
    pinpipe_buf error;     /* its message */
} pp_shard;

typedef enum pp_shard_request_kind {
    PP_FETCH_ITERATOR = 0,
    PP_FETCH_RECORDS = 1,
    PP_FETCH_SUBSCRIPTION = 2
} pp_shard_request_kind;

/** A request under way. */
typedef struct pp_shard_request {
    pp_kinesis_call call;
    pp_shard *shard; /* NULL = not used */
    pp_shard_request_kind kind;
    int64_t reserved_bytes, begun_ms;
    int64_t heard_ms; /* of a subscription: when its last event came */
    int64_t events;
} pp_shard_request;

/** A look at the stream's shards, page by page. */
typedef struct pp_look {
    pp_kinesis_call call;
    pp_kinesis_shards shards;
    pinpipe_buf next;
    bool is_under_way, is_wanted;
    int64_t due_ms, deadline_ms;
    int64_t count; /* looks that were taken */
    int32_t round; /* that failed since one did not */
    int32_t holes; /* looks in a row that found one */
    pinpipe_error error;
} pp_look;

struct pinpipe_kinesis_consumer {
    pinpipe_kinesis *kinesis; /* its own */
    pinpipe_buf stream;
    pinpipe_buf fan_out; /* the registered consumer's ARN; empty = GetRecords */
    uint32_t fork_generation;
    int32_t reading, strays, in_flight;
    pp_place start;
    int64_t memory_max, fetch_records, idle_ms, stuck_ms, audit_ms;
    pp_shard **shards; /* sorted by id; a shard stays where it is */
    int64_t count, cap;
    int64_t turn; /* whose records come next, and whose request */
    pp_shard_request *fetches;
    pp_look look;
    int64_t moved_ms;
    int64_t counters[PINPIPE_KINESIS_CONSUMER_COUNTERS];
};

struct pinpipe_kinesis_records {
    pinpipe_kinesis_item *items;
    int64_t count, cap;
    pp_fetched **answers; /* what the items point into */
    int64_t answer_count, answer_cap;
    struct pp_records_place {
        char shard_id[PP_SHARD_ID_MAX + 1];
        pp_place place;
    } * places;
    int64_t place_count, place_cap;
    pinpipe_buf stream;
};

/* ---- consumer_shards.c ---- */

/** The shard of an id; NULL = it is not known. */
pp_shard *pp_consumer_find(const pinpipe_kinesis_consumer *consumer, pinpipe_str id);

/** Knows a shard from now on, or more of it. Errors: EINVAL its id; ELIMIT too many; ENOMEM. */
pinpipe_status pp_consumer_know(pp_shard **out, pinpipe_kinesis_consumer *consumer,
                                const pinpipe_kinesis_shard *info, pinpipe_error *err);

/** Begins, moves and takes a look at the stream's shards where one is due; true where one was just taken. */
bool pp_look_move(pinpipe_kinesis_consumer *consumer, int64_t now_ms);
/** Wants a look as soon as the last one is old enough. */
void pp_look_want(pinpipe_kinesis_consumer *consumer);
void pp_look_reset(pinpipe_kinesis_consumer *consumer);

/** Whether a shard may be read: it was taken, and so were its parents to their ends. */
bool pp_shard_is_open(const pinpipe_kinesis_consumer *consumer, const pp_shard *shard);

/** Gives up what is under way and what was fetched. */
void pp_shard_clear(pinpipe_kinesis_consumer *consumer, pp_shard *shard);
void pp_shard_free(pinpipe_kinesis_consumer *consumer, pp_shard *shard);
/** Frees all shards. */
void pp_consumer_shards_reset(pinpipe_kinesis_consumer *consumer);

/* ---- consumer_fetch.c ---- */

/** Takes the answers that have come and begins the requests that are due. */
void pp_fetches_move(pinpipe_kinesis_consumer *consumer, int64_t now_ms);

/** When something is to be done though no answer comes; INT64_MAX = never. */
int64_t pp_fetches_due_ms(const pinpipe_kinesis_consumer *consumer, int64_t now_ms);

/** Gives up a request. */
void pp_shard_request_stop(pinpipe_kinesis_consumer *consumer, pp_shard_request *fetch);

/** An empty answer with one holder; NULL = no memory. */
pp_fetched *pp_fetched_new(const pp_shard *shard);
/** One holder fewer; NULL is allowed. */
void pp_fetched_release(pp_fetched *answer);

/** Puts an answer with records behind those that wait of its shard, which becomes its holder. */
void pp_fetched_queue(pinpipe_kinesis_consumer *consumer, pp_shard *shard, pp_fetched *answer);

/** The end of a request that did not bring what it was for. */
void pp_shard_fail(pinpipe_kinesis_consumer *consumer, pp_shard *shard, pinpipe_status status,
                   const pinpipe_error *cause, int64_t now_ms);
void pp_shard_throttle(pinpipe_kinesis_consumer *consumer, pp_shard *shard, int64_t now_ms);

/** Takes what an answer to a request said: its records behind those that wait, its children, whether its
 * shard is over. It holds the answer's bytes, and is given up. Errors: EDATA; ENOMEM. */
pinpipe_status pp_fetched_take(pinpipe_kinesis_consumer *consumer, const pp_shard_request *request,
                               pp_fetched *answer, pinpipe_error *err);

/* ---- consumer_subscribe.c ---- */

/** Begins a subscription to what follows a shard's place. */
void pp_subscription_start(pinpipe_kinesis_consumer *consumer, pp_shard_request *request);

/** Takes the events that have come; true where the subscription has ended, by itself or because it was given
 * up. */
bool pp_subscription_move(pinpipe_kinesis_consumer *consumer, pp_shard_request *request, int64_t now_ms);

/* ---- consumer_records.c ---- */

/** Empties records for what will be read of `stream`. Errors: ENOMEM. */
pinpipe_status pp_records_begin(pinpipe_kinesis_records *records, pinpipe_str stream, pinpipe_error *err);

/** A place as programs see it; borrowed from all three. */
pinpipe_kinesis_position pp_place_position(const pp_place *place, pinpipe_str stream, pinpipe_str shard_id);

/* ---- consumer_take.c ---- */

/** Moves what was fetched to `records`, until `max_records` or `max_bytes` are reached. */
pinpipe_status pp_consumer_take(pinpipe_kinesis_records *records, pinpipe_kinesis_consumer *consumer,
                                int64_t max_records, int64_t max_bytes, pinpipe_error *err);

#endif
