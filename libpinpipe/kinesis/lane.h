/* Turns records into queues, one a shard, each with the rate that its shard takes.
 * Never sends: a lane says what may be sent, and when.
 * Rules: docs/kinesis.md, "Pacing"; Amazon Kinesis quotas: 1,000 records and 1 MiB a second and shard. */
#ifndef PP_KINESIS_LANE_H
#define PP_KINESIS_LANE_H

#include "kinesis/shards.h"

#define PP_LANE_SEQUENCE_BYTES 129
/** Counted for each record beside its bytes. */
#define PP_ENTRY_AROUND 128

/** A record that waits, is under way, or whose report waits. */
typedef struct pp_entry {
    struct pp_entry *next;
    pp_kinesis_hash hash;
    int64_t tag;
    int64_t queued_ms;
    pinpipe_status status; /* of its end */
    int32_t attempts;
    size_t cap; /* of bytes */
    size_t key_len, data_len;
    bool has_hash; /* an explicit one */
    char bytes[];  /* key, data; of a report shard and sequence number */
} pp_entry;

typedef struct pp_lane {
    pp_entry *first, *last;
    pp_kinesis_hash from, to; /* hash keys */
    pinpipe_buf shard_id;     /* empty = not known */
    int64_t in_flight;        /* requests that have records of it */
    double record_tokens, byte_tokens, factor;
    bool is_spent; /* tokens are saved up again, so that requests do not become small */
    int64_t filled_ms, cut_ms, resume_ms;
    int64_t delivered, refused, throttled; /* the service's records, since the producer was opened */
    int32_t round;                         /* of pauses since something was taken */
    char sequence[PP_LANE_SEQUENCE_BYTES]; /* of its last record: strict order */
} pp_lane;

/** Starts zeroed. */
typedef struct pp_lanes {
    pp_lane *rows; /* by hash key */
    int32_t count;
    int32_t next; /* whose turn it is */
    bool is_paced;
} pp_lanes;

/** One lane for all, without pace: no shard is known. */
pinpipe_status pp_lanes_open_one(pp_lanes *lanes, pinpipe_error *err);

/** A lane for each open shard; what waits moves to its new lane, in its order. Nothing is under way.
 * Errors: EDATA open shards leave hash keys out; ENOMEM; then all is as it was. */
pinpipe_status pp_lanes_set(pp_lanes *lanes, const pp_kinesis_shards *shards, int64_t now_ms,
                            pinpipe_error *err);

/** Frees lanes and what waits in them. */
void pp_lanes_reset(pp_lanes *lanes);

/** The lane of a hash key. */
int32_t pp_lanes_find(const pp_lanes *lanes, pp_kinesis_hash hash);

void pp_lane_put(pp_lane *lane, pp_entry *entry);
/** Puts a chain that failed before all that wait. */
void pp_lane_put_back(pp_lane *lane, pp_entry *first);

/** Fills the tokens up to now. */
void pp_lane_fill(pp_lane *lane, int64_t now_ms);
/** Whether it may send now by pace and pause. */
bool pp_lane_is_ready(const pp_lanes *lanes, const pp_lane *lane, int64_t now_ms);
/** When it may send again; INT64_MAX = nothing waits in it. */
int64_t pp_lane_due_ms(const pp_lanes *lanes, const pp_lane *lane, int64_t now_ms);
/** Counts what is sent. */
void pp_lane_spend(pp_lane *lane, int64_t bytes);
/** The shard had no room: its rate falls, once a round trip. */
void pp_lane_cut(pp_lane *lane, int64_t now_ms);
/** Something failed that may pass: a pause, longer each time. `random` is in [0, 1). */
void pp_lane_pause(pp_lane *lane, int64_t now_ms, double random);

#endif
