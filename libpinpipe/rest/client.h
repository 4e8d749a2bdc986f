/* What the parts of the REST client share: its topics, its requests in their line, results that wait.
 * Never shown outside of rest/.
 * Rules: docs/kafka-rest.md. */
#ifndef PP_REST_CLIENT_H
#define PP_REST_CLIENT_H

#include "io/answer.h"
#include "io/api.h"
#include "pinpipe/kafka_rest.h"
#include "rest/answer.h"
#include "rest/body.h"

#define PP_REST_SERVICE "kafka-rest"
#define PP_REST_TOPICS_MAX 4096
#define PP_REST_TOPIC_BYTES_MAX 249
/** Largest answer in bytes for each record of a request, and beside them. */
#define PP_REST_ANSWER_RECORD_MAX 2048
#define PP_REST_ANSWER_MAX 65536

typedef enum pp_rest_state {
    PP_REST_FILLING = 0, /* it takes records */
    PP_REST_READY,       /* it is whole and waits for its turn */
    PP_REST_UNDER_WAY,
    PP_REST_PAUSING /* before another attempt */
} pp_rest_state;

struct pp_rest_topic;

/** One request with its records, from the first of them to the last result. */
typedef struct pp_rest_batch {
    struct pp_rest_batch *after; /* in the client's line, or among its spare ones */
    struct pp_rest_topic *topic;
    pp_rest_body body;
    pinpipe_buf answer;
    pp_api_attempt attempt;
    pp_rest_state state;
    int32_t rounds;       /* of sending again what was refused in part */
    bool is_repeat;       /* the next attempt is not the first */
    int64_t queued_bytes; /* of the client's, that are its own */
    int64_t due_ms;       /* FILLING: it waits for more until then; PAUSING: it goes on then */
    int64_t deadline_ms;  /* of its last attempt's end */
} pp_rest_batch;

typedef struct pp_rest_topic {
    pinpipe_buf name;
    pinpipe_buf path; /* "/topics/…" */
    pp_rest_batch *filling;
    int64_t walk; /* number of the walk that has met an unfinished request of the topic */
} pp_rest_topic;

/** A result that waits; `text` is its own. */
typedef struct pp_rest_result {
    pinpipe_kafka_rest_result result;
    char *text;
} pp_rest_result;

struct pinpipe_kafka_rest {
    pp_api *api;
    uint32_t generation; /* of the process */
    pinpipe_kafka_rest_options options;
    pp_rest_topic **topics;
    int64_t topic_count, topic_cap, topic_last;
    pp_rest_batch *line; /* in the order of their first records */
    pp_rest_batch **line_end;
    pp_rest_batch *spare;
    int64_t queued_bytes, under_way, walk;
    int64_t moved_ms;        /* when requests were looked at last */
    bool is_flushing;        /* nothing waits for more records */
    pp_rest_entry *entries;  /* room for a request's answer */
    pp_rest_result *results; /* a ring */
    int64_t result_cap, result_first, result_count;
    int64_t result_due; /* of records that have none yet */
    char *taken_text;
    int64_t counters[PINPIPE_KAFKA_REST_COUNTER_COUNT];
    int64_t failed_told;   /* failures that a flush has told */
    pinpipe_error failure; /* the first since */
    pinpipe_error trouble; /* of the last attempt, where it is tried again */
};

/** What the end of an attempt means for its request as a whole. */
typedef struct pp_rest_verdict {
    bool has_entries; /* each record has an own answer */
    pp_retry_kind kind;
    pp_answer_seen seen;
    pinpipe_error error; /* where it failed */
} pp_rest_verdict;

/** Judges an attempt that has ended; the client's entries are those of the answer. */
void pp_rest_judge(pp_rest_verdict *out, const pinpipe_kafka_rest *rest, pp_rest_batch *batch);

/** Judges one record's entry: NULL where it was written. */
const pp_answer_row *pp_rest_entry_judge(const pp_rest_entry *entry);

/** The error of a record that its entry refuses. */
pinpipe_status pp_rest_entry_fail(pinpipe_error *err, const pinpipe_kafka_rest *rest,
                                  const pp_rest_batch *batch, const pp_rest_entry *entry,
                                  const pp_answer_row *row);

/** Moves the line: judges what has ended, begins what is due, then waits up to `wait_ms` for the next event.
 * Errors: EFORK, ENOMEM, EFATAL; nothing is lost then. */
pinpipe_status pp_rest_move(pinpipe_kafka_rest *rest, int64_t wait_ms, pinpipe_error *err);

/** Takes a new request for `topic` to the line's end. Errors: ENOMEM. */
pinpipe_status pp_rest_batch_begin(pinpipe_kafka_rest *rest, pp_rest_topic *topic, pinpipe_error *err);

/** Ends the filling of a topic's request. */
void pp_rest_batch_end(pp_rest_topic *topic);

/** Notes what became of a record; `error` NULL = it was written. */
void pp_rest_note(pinpipe_kafka_rest *rest, const pp_rest_part *part, const pp_rest_entry *entry,
                  const pinpipe_error *error);

void pp_rest_batch_reset(pinpipe_kafka_rest *rest, pp_rest_batch *batch);

#endif
