/* Turns a sink into what its two halves share: taking records in (sink.c), storing and committing
 * (sink_store.c). Never seen outside those two. Rules: docs/sink.md. */
#ifndef PP_PIPELINE_SINK_STATE_H
#define PP_PIPELINE_SINK_STATE_H

#include <sys/types.h>

#include "pipeline/object_store.h"
#include "pipeline/sink_file.h"

#define PP_SINK_TOPICS_ROOT "topics"
#define PP_SINK_REJECTS_ROOT "rejects"

struct pinpipe_sink {
    pinpipe_kafka_consumer *consumer;
    pp_object_store *store;
    pid_t owner_pid;
    pp_sink_file *files;
    pinpipe_kafka_offset *offsets; /* as long as `files` */
    int64_t file_count;
    int64_t file_cap;
    pinpipe_kafka_batch batch; /* of the last poll, */
    int64_t batch_at;          /* taken in up to here */
    int64_t flush_records;
    int64_t flush_bytes;
    int64_t idle_ms;
    int64_t max_buffered_bytes;
    int64_t store_timeout_ms;
    int32_t commit_attempts;   /* failed ones since the last success */
    int64_t commit_retry_ms;   /* no attempt to commit before */
    int64_t commit_failing_ms; /* since when commits fail; 0 = they do not */
    pinpipe_error trouble;     /* why the last attempt to store or commit failed */
    int64_t counts[PINPIPE_SINK_COUNTER_COUNT];
};

/** Tries to store the file. Returns OK; AGAIN when it failed and is to be tried later; else the error that
 * ends the patience, after which the next call starts anew. */
pinpipe_status pp_sink_store_file(pinpipe_sink *sink, pp_sink_file *file, pinpipe_error *err);

/** Tries every file that is due and whose pause is over. Returns OK, AGAIN when some are left, or the first
 * error. */
pinpipe_status pp_sink_store_due(pinpipe_sink *sink, pinpipe_error *err);

/** Commits what is stored and not committed. Returns as pp_sink_store_file. */
pinpipe_status pp_sink_commit(pinpipe_sink *sink, pinpipe_error *err);

/** Milliseconds until the next repeated attempt, at most `most_ms`. */
int64_t pp_sink_retry_wait_ms(const pinpipe_sink *sink, int64_t most_ms);

/** Adds a change of the memory in use to the counters. */
void pp_sink_bytes_add(pinpipe_sink *sink, int64_t bytes);

#endif
