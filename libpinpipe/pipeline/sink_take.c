/* Turns batches of records into lines of open files, and decides when a file is full.
 * Never reads on while there is no room for the next record.
 * Rules: docs/sink.md, "Rotation". */
#include "pipeline/sink_state.h"

#include <assert.h>

#include "base/buffer.h"
#include "base/checksum.h"
#include "io/clock.h"
#include "pipeline/sink_line.h"

/* ---- rotation ---- */

void pp_sink_file_rotate(pinpipe_sink *sink, pp_sink_file *file, int32_t reason) {
    pp_sink_file_seal(file);
    file->due = reason;
    file->stream->open = NULL;
    sink->due_count++;
    sink->timer_ms = 0;
}

void pp_sink_files_rotate(pinpipe_sink *sink, const pp_sink_partition *partition, int32_t reason) {
    for (int64_t i = 0; i < sink->partition_count; i++) {
        if (partition && sink->partitions[i] != partition) {
            continue;
        }
        for (pp_sink_stream *stream = sink->partitions[i]->streams; stream; stream = stream->after) {
            if (stream->open) {
                pp_sink_file_rotate(sink, stream->open, reason);
            }
        }
    }
}

static pp_sink_file *open_largest(pinpipe_sink *sink) {
    pp_sink_file *largest = NULL;
    for (int64_t i = 0; i < sink->partition_count; i++) {
        for (pp_sink_stream *stream = sink->partitions[i]->streams; stream; stream = stream->after) {
            pp_sink_file *file = stream->open;
            if (file && (!largest || file->held_bytes > largest->held_bytes)) {
                largest = file;
            }
        }
    }
    return largest;
}

/* AGAIN: what is in the way has not been stored yet. */
static pinpipe_status room_make(pinpipe_sink *sink, int64_t growth) {
    int64_t held = sink->counts[PINPIPE_SINK_BYTES_BUFFERED];
    if (growth == 0 || held + growth <= sink->settings.max_buffered_bytes || held == 0) {
        return PINPIPE_OK;
    }
    if (sink->due_count == 0) {
        pp_sink_file *largest = open_largest(sink);
        if (largest) {
            pp_sink_file_rotate(sink, largest, PINPIPE_SINK_ROTATIONS_MEMORY);
        }
    }
    return PINPIPE_AGAIN;
}

/* ---- one record ---- */

/* Where a record goes. */
typedef struct route {
    pp_sink_root root;
    pp_sink_line_kind kind;
    int32_t policy; /* SKIP, FAIL or KEEP: it becomes a line */
    bool is_null;
    const char *reason;
    pp_sink_place place;
} route;

static void policy_apply(route *out, const pinpipe_sink *sink, int32_t policy, const char *reason) {
    int32_t fallback = PINPIPE_SINK_POLICY_REJECT;
    if (out->is_null) {
        fallback = sink->settings.format == PINPIPE_SINK_FORMAT_ENVELOPE ? PINPIPE_SINK_POLICY_KEEP
                                                                         : PINPIPE_SINK_POLICY_SKIP;
    }
    policy = policy == PINPIPE_SINK_POLICY_DEFAULT ? fallback : policy;
    out->reason = reason;
    out->policy = policy;
    if (policy == PINPIPE_SINK_POLICY_REJECT) {
        out->root = PP_SINK_REJECTS;
        out->kind = sink->letters ? PP_SINK_LINE_LETTER : PP_SINK_LINE_REJECT;
        out->policy = PINPIPE_SINK_POLICY_KEEP;
    }
}

static route route_find(pinpipe_sink *sink, const pinpipe_kafka_message *message) {
    const pp_sink_settings *settings = &sink->settings;
    route found = {.policy = PINPIPE_SINK_POLICY_KEEP, .is_null = !message->value.ptr};
    found.kind =
        settings->format == PINPIPE_SINK_FORMAT_ENVELOPE ? PP_SINK_LINE_ENVELOPE : PP_SINK_LINE_VALUE;
    const char *reason = found.is_null ? NULL : pp_sink_line_fault(found.kind, message->value);
    if (found.is_null) {
        policy_apply(&found, sink, settings->null_values, "null value");
    } else if (reason) {
        policy_apply(&found, sink, settings->unreadable_values, reason);
    }
    if (found.root == PP_SINK_TOPICS && found.policy == PINPIPE_SINK_POLICY_KEEP) {
        found.place = pp_sink_partitioner_place(sink->partitioner, message, sink->wall_ms);
        if (found.place.reason) {
            policy_apply(&found, sink, settings->unreadable_values, found.place.reason);
        }
    }
    return found;
}

static pinpipe_status stream_find(pp_sink_stream **out, pinpipe_sink *sink, pp_sink_partition *partition,
                                  const pinpipe_kafka_message *message, const route *to, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    pp_buf_clear(&sink->folder);
    if (to->root == PP_SINK_REJECTS) {
        if (!partition->rejects) {
            status = pp_buf_printf(&sink->folder, err, "partition=%ld", (long)partition->number);
            status = status == PINPIPE_OK ? pp_sink_stream_open(&partition->rejects, sink, partition,
                                                                to->root, pp_buf_view(&sink->folder), err)
                                          : status;
        }
        *out = partition->rejects;
        return status;
    }
    if (partition->last_stream && to->place.bucket >= 0 && to->place.bucket == partition->last_bucket) {
        *out = partition->last_stream;
        return PINPIPE_OK;
    }
    status = pp_sink_partitioner_folder(&sink->folder, sink->partitioner, message, &to->place, err);
    if (status == PINPIPE_OK) {
        status = pp_sink_stream_open(out, sink, partition, to->root, pp_buf_view(&sink->folder), err);
    }
    if (status == PINPIPE_OK) {
        partition->last_stream = *out;
        partition->last_bucket = to->place.bucket;
    }
    return status;
}

/* Read again only to be compared with an object that holds it. */
static pinpipe_status check_take(pinpipe_sink *sink, pp_sink_stream *stream,
                                 const pinpipe_kafka_message *message, const route *to, pinpipe_error *err) {
    pp_buf_clear(&sink->line);
    pinpipe_status status =
        pp_buf_reserve(&sink->line, pp_sink_line_room(to->kind, message, to->reason), PP_BUF_MAX, err);
    if (status < 0) {
        return status;
    }
    size_t len = pp_sink_line_write(sink->line.ptr, to->kind, message, to->reason);
    stream->seen.crc = pp_crc32(stream->seen.crc, sink->line.ptr, len);
    stream->seen.count++;
    stream->seen.last = message->offset;
    stream->taken_last = message->offset;
    sink->counts[PINPIPE_SINK_RECORDS_KNOWN]++;
    return PINPIPE_OK;
}

/* A file whose records are this much older than the record ends before it. */
static void time_rotate(pinpipe_sink *sink, pp_sink_stream *stream, const route *to) {
    int64_t interval_ms = sink->settings.rotate_interval_ms;
    if (interval_ms && stream->open && to->root == PP_SINK_TOPICS && to->place.time_ms >= 0 &&
        to->place.time_ms - stream->open->time_ms >= interval_ms) {
        pp_sink_file_rotate(sink, stream->open, PINPIPE_SINK_ROTATIONS_TIME);
    }
}

static pinpipe_status file_begin(pp_sink_file **out, pinpipe_sink *sink, pp_sink_stream *stream,
                                 const route *to, pinpipe_error *err) {
    int64_t interval_ms = sink->settings.rotate_schedule_ms;
    pinpipe_status status = pp_sink_file_new(out, stream, err);
    if (status < 0) {
        return status;
    }
    (*out)->time_ms = to->place.time_ms;
    (*out)->has_letters = to->kind == PP_SINK_LINE_LETTER;
    if ((*out)->has_letters) {
        (*out)->due_ms = sink->now_ms + PP_SINK_LETTERS_MS;
    } else if (interval_ms) {
        (*out)->due_ms = sink->now_ms - sink->wall_ms +
                         pp_sink_partitioner_schedule(sink->partitioner, sink->wall_ms, interval_ms);
    }
    return PINPIPE_OK;
}

static void file_link(pinpipe_sink *sink, pp_sink_stream *stream, pp_sink_file *file) {
    pp_sink_file **link = &stream->oldest;
    while (*link) {
        link = &(*link)->after;
    }
    *link = file;
    stream->open = file;
    int64_t due_ms = sink->now_ms + sink->settings.idle_ms;
    due_ms = file->due_ms < due_ms ? file->due_ms : due_ms;
    sink->timer_ms = due_ms < sink->timer_ms ? due_ms : sink->timer_ms;
}

static void line_added(pinpipe_sink *sink, pp_sink_file *file, pp_sink_piece *full) {
    int64_t most_bytes = sink->settings.flush_bytes;
    if (file->has_letters) {
        most_bytes = most_bytes < PP_SINK_LETTERS_BYTES ? most_bytes : PP_SINK_LETTERS_BYTES;
    } else if (full && sink->settings.compression != PINPIPE_SINK_COMPRESSION_NONE) {
        pp_sink_piece_pack(sink, full);
    }
    if (file->line_count >= sink->settings.flush_records) {
        pp_sink_file_rotate(sink, file, PINPIPE_SINK_ROTATIONS_COUNT);
    } else if (file->plain_bytes >= most_bytes) {
        pp_sink_file_rotate(sink, file, PINPIPE_SINK_ROTATIONS_BYTES);
    }
}

/* A file is the stream's once it has a line, never before: its first offset is what it is committed by. */
static pinpipe_status line_append(pinpipe_sink *sink, pp_sink_stream *stream,
                                  const pinpipe_kafka_message *message, const route *to, pinpipe_error *err) {
    size_t room = pp_sink_line_room(to->kind, message, to->reason);
    char *at = NULL;
    pp_sink_piece *full = NULL;
    time_rotate(sink, stream, to);
    pp_sink_file *file = stream->open;
    pinpipe_status status = room_make(sink, pp_sink_file_growth(file, room));
    if (status == PINPIPE_OK && !file) {
        status = file_begin(&file, sink, stream, to, err);
    }
    if (status != PINPIPE_OK) {
        return status;
    }
    int64_t before = file->held_bytes;
    status = pp_sink_file_room(&at, &full, file, room, &sink->spares, err);
    if (status < 0) {
        if (!stream->open) {
            pp_sink_file_free(file, &sink->spares);
        }
        return status;
    }
    pp_sink_bytes_add(sink, file->held_bytes - before);
    if (!stream->open) {
        file_link(sink, stream, file);
    }
    pp_sink_file_add(file, message->offset, pp_sink_line_write(at, to->kind, message, to->reason));
    file->record_ms = sink->now_ms;
    stream->taken_last = message->offset;
    line_added(sink, file, full);
    return PINPIPE_OK;
}

/* What is not yet in its folder; OK once it is, or was before. */
static pinpipe_status record_keep(pinpipe_sink *sink, pp_sink_partition *partition,
                                  const pinpipe_kafka_message *message, const route *to, pinpipe_error *err) {
    pp_sink_stream *stream = NULL;
    pinpipe_status status = stream_find(&stream, sink, partition, message, to, err);
    if (status < 0) {
        return status;
    }
    assert(stream);
    if (stream->is_checking && message->offset > stream->taken_last) {
        return check_take(sink, stream, message, to, err);
    }
    if (message->offset <= stream->taken_last) {
        sink->counts[PINPIPE_SINK_RECORDS_KNOWN]++;
        return PINPIPE_OK;
    }
    return line_append(sink, stream, message, to, err);
}

static pinpipe_status record_refuse(const pinpipe_kafka_message *message, const char *reason,
                                    pinpipe_error *err) {
    return pp_fail(err, PINPIPE_EDATA, "%.*s [%ld] offset %lld: %s", (int)message->topic.len,
                   message->topic.ptr, (long)message->partition, (long long)message->offset, reason);
}

static pinpipe_status record_take(pinpipe_sink *sink, pp_sink_partition *partition,
                                  const pinpipe_kafka_message *message, pinpipe_error *err) {
    int64_t *counts = sink->counts;
    pinpipe_status status = PINPIPE_OK;
    if (message->offset < partition->read_offset || partition->history != PP_SINK_HISTORY_SAME) {
        status = pp_sink_history_judge(sink, partition, message);
        if (status != PINPIPE_OK) {
            return status == PINPIPE_DONE ? PINPIPE_OK : status;
        }
    }
    route to = route_find(sink, message);
    if (to.policy == PINPIPE_SINK_POLICY_FAIL) {
        return record_refuse(message, to.reason, err);
    }
    if (to.policy == PINPIPE_SINK_POLICY_SKIP) {
        counts[to.is_null ? PINPIPE_SINK_RECORDS_NULL : PINPIPE_SINK_RECORDS_SKIPPED]++;
    } else {
        status = record_keep(sink, partition, message, &to, err);
    }
    if (status != PINPIPE_OK) {
        return status;
    }
    counts[PINPIPE_SINK_RECORDS_READ]++;
    counts[PINPIPE_SINK_OFFSETS_SKIPPED] += message->offset - partition->read_offset;
    partition->read_offset = message->offset + 1;
    if (partition->checking_count) {
        pp_sink_checks_end(sink, partition);
    }
    return PINPIPE_OK;
}

/* One record of a run of a partition's; the last of a run is what the partition is known by. */
typedef struct run {
    pp_sink_partition *partition;
    const pinpipe_kafka_message *last; /* NULL = none was taken in */
} run;

static void run_end(run *at) {
    if (at->last) {
        pp_sink_history_note(at->partition, at->last);
    }
    at->last = NULL;
}

static pinpipe_status run_take(run *at, pinpipe_sink *sink, pp_sink_partition *partition,
                               const pinpipe_kafka_message *message, pinpipe_error *err) {
    if (at->partition != partition || message->offset < partition->read_offset) {
        run_end(at);
    }
    pinpipe_status status = record_take(sink, partition, message, err);
    if (status == PINPIPE_OK && partition->read_offset == message->offset + 1) {
        *at = (run){partition, message};
    }
    return status;
}

pinpipe_status pp_sink_batch_take(pinpipe_sink *sink, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    run at = {0};
    sink->now_ms = pp_clock_monotonic_ms();
    sink->wall_ms = pp_clock_wall_ms();
    while (status == PINPIPE_OK && sink->batch_at < sink->batch.message_count) {
        const pinpipe_kafka_message *message = &sink->batch.messages[sink->batch_at];
        pp_sink_partition *partition = pp_sink_partition_find(sink, message->topic, message->partition);
        if (partition && !partition->is_sought) {
            status = run_take(&at, sink, partition, message, err);
        }
        sink->batch_at += status == PINPIPE_OK;
    }
    run_end(&at);
    return status;
}
