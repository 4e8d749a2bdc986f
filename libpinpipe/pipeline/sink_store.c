/* Turns open files into stored objects, and stored objects into committed offsets.
 * Never commits before the store has said yes; never gives up a file.
 * Rules: docs/sink.md, "Storing and committing". */
#include "pipeline/sink_state.h"

#include <assert.h>

#include "base/buffer.h"
#include "base/log.h"
#include "io/clock.h"
#include "io/retry.h"

/* Short, because a group that is moving answers late and the caller wants to be heard in between. */
#define COMMIT_WAIT_MS 1000

void pp_sink_bytes_add(pinpipe_sink *sink, int64_t bytes) {
    int64_t *now = &sink->counts[PINPIPE_SINK_BYTES_BUFFERED];
    int64_t *most = &sink->counts[PINPIPE_SINK_BYTES_BUFFERED_MAX];
    *now += bytes;
    *most = *now > *most ? *now : *most;
}

/* The error goes out when it will not mend by itself or has lasted too long; else it is kept for flush to
 * name. */
static pinpipe_status failure_judge(pinpipe_sink *sink, int64_t *failing_ms, pinpipe_status status,
                                    bool patient, pinpipe_error *err) {
    int64_t now_ms = pp_clock_monotonic_ms();
    *failing_ms = *failing_ms ? *failing_ms : now_ms;
    if (patient && now_ms - *failing_ms < sink->store_timeout_ms) {
        return PINPIPE_AGAIN;
    }
    *failing_ms = 0;
    if (err && err->struct_size >= sizeof *err) {
        *err = sink->trouble;
    }
    return status;
}

static pinpipe_status objects_put(pinpipe_sink *sink, const pp_sink_file *file, pinpipe_error *err) {
    char key[PP_SINK_KEY_BYTES] = "";
    pinpipe_status status = PINPIPE_OK;
    if (file->line_count) {
        pinpipe_str name = pp_sink_file_key(key, PP_SINK_TOPICS_ROOT, file, file->lines_offset);
        status =
            pp_object_store_put(sink->store, name, pp_buf_view(&file->lines), sink->store_timeout_ms, err);
    }
    if (status == PINPIPE_OK && file->reject_count) {
        pinpipe_str name = pp_sink_file_key(key, PP_SINK_REJECTS_ROOT, file, file->rejects_offset);
        status =
            pp_object_store_put(sink->store, name, pp_buf_view(&file->rejects), sink->store_timeout_ms, err);
    }
    return status;
}

pinpipe_status pp_sink_store_file(pinpipe_sink *sink, pp_sink_file *file, pinpipe_error *err) {
    assert(file->due != PP_SINK_NOT_DUE);
    sink->trouble = (pinpipe_error)PINPIPE_ERROR_INIT;
    pinpipe_status status = objects_put(sink, file, &sink->trouble);
    if (status < 0) {
        file->attempts++;
        sink->counts[PINPIPE_SINK_STORE_RETRIES]++;
        file->retry_ms =
            pp_clock_monotonic_ms() + pp_retry_pause_ms(file->attempts, status, pp_retry_random());
        pp_log(PP_LOG_WARNING, "sink", "%s/%ld: %s", file->topic, (long)file->partition,
               sink->trouble.message);
        return failure_judge(sink, &file->failing_ms, status, pinpipe_status_retriable(status), err);
    }
    int64_t *counts = sink->counts;
    counts[PINPIPE_SINK_RECORDS_STORED] += file->line_count;
    counts[PINPIPE_SINK_RECORDS_REJECTED] += file->reject_count;
    counts[PINPIPE_SINK_RECORDS_NULL] += file->null_count;
    counts[PINPIPE_SINK_BYTES_STORED] += (int64_t)(file->lines.len + file->rejects.len);
    counts[PINPIPE_SINK_OBJECTS_STORED] += (file->line_count > 0) + (file->reject_count > 0);
    counts[file->due]++;
    pp_sink_bytes_add(sink, -pp_sink_file_bytes(file));
    pp_sink_file_stored(file);
    return PINPIPE_OK;
}

pinpipe_status pp_sink_store_due(pinpipe_sink *sink, pinpipe_error *err) {
    pinpipe_status outcome = PINPIPE_OK;
    for (int64_t i = 0; i < sink->file_count; i++) {
        pp_sink_file *file = &sink->files[i];
        if (file->due == PP_SINK_NOT_DUE) {
            continue;
        }
        pinpipe_status status = PINPIPE_AGAIN;
        if (pp_clock_monotonic_ms() >= file->retry_ms) {
            status = pp_sink_store_file(sink, file, outcome < 0 ? NULL : err);
        }
        outcome = outcome < 0 || status == PINPIPE_OK ? outcome : status;
    }
    return outcome;
}

static int64_t offsets_fill(pinpipe_sink *sink) {
    int64_t count = 0;
    for (int64_t i = 0; i < sink->file_count; i++) {
        const pp_sink_file *file = &sink->files[i];
        if (file->stored_offset >= 0 && file->stored_offset != file->committed_offset) {
            sink->offsets[count++] =
                (pinpipe_kafka_offset){pp_str(file->topic), file->partition, 0, file->stored_offset};
        }
    }
    return count;
}

static void commit_reset(pinpipe_sink *sink) {
    sink->commit_attempts = 0;
    sink->commit_retry_ms = 0;
    sink->commit_failing_ms = 0;
}

pinpipe_status pp_sink_commit(pinpipe_sink *sink, pinpipe_error *err) {
    int64_t count = offsets_fill(sink);
    if (count == 0) {
        commit_reset(sink);
        return PINPIPE_OK;
    }
    if (pp_clock_monotonic_ms() < sink->commit_retry_ms) {
        return PINPIPE_AGAIN;
    }
    sink->trouble = (pinpipe_error)PINPIPE_ERROR_INIT;
    pinpipe_status status =
        pinpipe_kafka_consumer_commit(sink->consumer, sink->offsets, count, COMMIT_WAIT_MS, &sink->trouble);
    if (status < 0) {
        /* A conflict passes, too: the poll that follows tells which partitions are no longer ours. */
        bool patient = pinpipe_status_retriable(status) || status == PINPIPE_ECONFLICT;
        sink->commit_attempts++;
        sink->commit_retry_ms =
            pp_clock_monotonic_ms() + pp_retry_pause_ms(sink->commit_attempts, status, pp_retry_random());
        pp_log(PP_LOG_WARNING, "sink", "%s", sink->trouble.message);
        return failure_judge(sink, &sink->commit_failing_ms, status, patient, err);
    }
    for (int64_t i = 0; i < sink->file_count; i++) {
        sink->files[i].committed_offset = sink->files[i].stored_offset;
    }
    commit_reset(sink);
    return PINPIPE_OK;
}

static int64_t earlier_wait(int64_t wait_ms, int64_t at_ms, int64_t now_ms) {
    int64_t left_ms = at_ms > now_ms ? at_ms - now_ms : 0;
    return at_ms && left_ms < wait_ms ? left_ms : wait_ms;
}

int64_t pp_sink_retry_wait_ms(const pinpipe_sink *sink, int64_t most_ms) {
    int64_t now_ms = pp_clock_monotonic_ms();
    int64_t wait_ms = earlier_wait(most_ms, sink->commit_retry_ms, now_ms);
    for (int64_t i = 0; i < sink->file_count; i++) {
        if (sink->files[i].due != PP_SINK_NOT_DUE) {
            wait_ms = earlier_wait(wait_ms, sink->files[i].retry_ms, now_ms);
        }
    }
    return wait_ms;
}
