/* Turns files whose lines have ended into objects or dead letters, by workers, and objects that were in the
 * way into what is known of them. Never gives up a file and never replaces an object. Rules: docs/sink.md,
 * "Storing and committing", "Exactly once". */
#include "pipeline/sink_state.h"

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "io/clock.h"
#include "io/retry.h"

/* How often the clocks of all open files are looked at. */
#define TIMER_STEP_MS 20
#define TIMER_NONE_MS 60000

void pp_sink_bytes_add(pinpipe_sink *sink, int64_t bytes) {
    int64_t *now = &sink->counts[PINPIPE_SINK_BYTES_BUFFERED];
    int64_t *most = &sink->counts[PINPIPE_SINK_BYTES_BUFFERED_MAX];
    *now += bytes;
    *most = *now > *most ? *now : *most;
    if (sink->spares.count) {
        pp_sink_spares_trim(&sink->spares, sink->settings.max_buffered_bytes - *now);
    }
}

/* ---- in a worker's thread ---- */

static void piece_run(pp_work *work, void *opaque) {
    pp_sink_piece *piece = (pp_sink_piece *)work;
    pp_sink_worker *worker = opaque;
    pp_buf_clear(&worker->scratch);
    piece->status =
        pp_compressor_encode(&worker->scratch, worker->compressor, pp_buf_view(&piece->bytes), &piece->error);
    if (piece->status == PINPIPE_OK) {
        piece->status =
            pp_buf_append(&piece->packed, worker->scratch.ptr, worker->scratch.len, &piece->error);
    }
    piece->is_packed = piece->status == PINPIPE_OK;
}

/* The pieces as they are sent; what no worker has packed is packed now. */
static pinpipe_status views_write(pp_sink_worker *worker, pp_sink_file *file, pinpipe_error *err) {
    int64_t count = 0;
    if (file->piece_count > worker->view_cap) {
        size_t size = (size_t)file->piece_count * sizeof *worker->views;
        pinpipe_str *views = pp_realloc(worker->views, size);
        if (!views) {
            return pp_fail_memory(err, "an object's pieces", size);
        }
        worker->views = views;
        worker->view_cap = file->piece_count;
    }
    for (pp_sink_piece *piece = file->pieces; piece; piece = piece->after) {
        if (!piece->is_packed && worker->compressor) {
            piece_run(&piece->work, worker);
            if (piece->status < 0) {
                *err = piece->error;
                return piece->status;
            }
        }
        worker->views[count++] = pp_buf_view(piece->is_packed ? &piece->packed : &piece->bytes);
    }
    return PINPIPE_OK;
}

static void file_run(pp_work *work, void *opaque) {
    pp_sink_file *file = (pp_sink_file *)work;
    pp_sink_worker *worker = opaque;
    const pp_sink_settings *settings = &worker->sink->settings;
    file->error = (pinpipe_error)PINPIPE_ERROR_INIT;
    file->status = views_write(worker, file, &file->error);
    if (file->status < 0) {
        return;
    }
    pp_object object = {.key = pp_buf_view(&file->key),
                        .codec = (pp_codec)settings->compression,
                        .pieces = worker->views,
                        .piece_count = (size_t)file->piece_count,
                        .facts = {file->last, file->line_count, file->crc, true}};
    file->status = pp_object_store_create(&file->outcome, worker->store, &object, settings->store_timeout_ms,
                                          &file->error);
    if (file->status == PINPIPE_OK && file->outcome == PP_OBJECT_EXISTS) {
        file->status = pp_object_store_find(&file->facts, worker->store, object.key, object.codec,
                                            settings->store_timeout_ms, &file->error);
    }
}

static void letters_run(pp_work *work, void *opaque) {
    pp_sink_file *file = (pp_sink_file *)work;
    const pp_sink_worker *worker = opaque;
    file->error = (pinpipe_error)PINPIPE_ERROR_INIT;
    file->outcome = PP_OBJECT_CREATED;
    file->status = pp_sink_letters_send(worker->sink->letters, file, worker->sink->settings.store_timeout_ms,
                                        &file->error);
}

/* ---- beginning ---- */

void pp_sink_piece_pack(pinpipe_sink *sink, pp_sink_piece *piece) {
    piece->work.run = piece_run;
    piece->error = (pinpipe_error)PINPIPE_ERROR_INIT;
    piece->file->packing++;
    sink->working_count++;
    pp_work_pool_put(sink->pool, &piece->work);
}

static void file_store(pinpipe_sink *sink, pp_sink_file *file) {
    pinpipe_status status = pp_sink_key_write(&file->key, sink, file, &file->error);
    if (status < 0) {
        file->retry_ms = sink->now_ms + TIMER_STEP_MS;
        return;
    }
    file->work.run = file->has_letters ? letters_run : file_run;
    file->is_storing = true;
    sink->working_count++;
    pp_work_pool_put(sink->pool, &file->work);
}

/* Only the oldest file of a stream is stored: where it ends decides where the next one begins. */
static void stream_begin(pinpipe_sink *sink, const pp_sink_stream *stream) {
    pp_sink_file *file = stream->oldest;
    if (file && file->due != PP_SINK_NOT_DUE && !file->is_storing && !file->packing &&
        sink->now_ms >= file->retry_ms) {
        file_store(sink, file);
    }
}

/* ---- ending ---- */

void pp_sink_judge(pinpipe_sink *sink, int64_t *failing_ms, pinpipe_status status, bool patient) {
    int64_t now_ms = pp_clock_monotonic_ms();
    *failing_ms = *failing_ms ? *failing_ms : now_ms;
    if (patient && now_ms - *failing_ms < sink->settings.store_timeout_ms) {
        return;
    }
    *failing_ms = 0;
    if (sink->told >= 0) {
        sink->told = status;
        sink->told_error = sink->trouble;
    }
}

pinpipe_status pp_sink_told(pinpipe_sink *sink, pinpipe_error *err) {
    pinpipe_status status = sink->told;
    if (status < 0 && err && err->struct_size >= sizeof *err) {
        *err = sink->told_error;
    }
    if (status < 0 && !pinpipe_status_retriable(status)) {
        sink->trouble =
            (pinpipe_error)PINPIPE_ERROR_INIT; /* the next attempt tells it anew, where it stays */
    }
    sink->told = PINPIPE_OK;
    return status;
}

static void file_failed(pinpipe_sink *sink, pp_sink_file *file) {
    const pp_sink_partition *partition = file->stream->partition;
    sink->trouble = file->error;
    file->attempts++;
    sink->counts[PINPIPE_SINK_STORE_RETRIES]++;
    file->retry_ms =
        pp_clock_monotonic_ms() + pp_retry_pause_ms(file->attempts, file->status, pp_retry_random());
    pp_log(PP_LOG_WARNING, "sink", "%s [%ld]: %s", partition->topic, (long)partition->number,
           sink->trouble.message);
    /* What was in the way may have gone in between. */
    bool patient = pinpipe_status_retriable(file->status) || file->outcome == PP_OBJECT_EXISTS;
    pp_sink_judge(sink, &file->failing_ms, file->status, patient);
}

static void file_stored(pinpipe_sink *sink, pp_sink_file *file) {
    pp_sink_stream *stream = file->stream;
    int64_t *counts = sink->counts;
    if (file->outcome == PP_OBJECT_EXISTS) {
        counts[PINPIPE_SINK_RECORDS_KNOWN] += file->line_count;
    } else {
        bool is_line = stream->root == PP_SINK_TOPICS;
        counts[is_line ? PINPIPE_SINK_RECORDS_STORED : PINPIPE_SINK_RECORDS_REJECTED] += file->line_count;
    }
    if (file->outcome == PP_OBJECT_CREATED && !file->has_letters) {
        counts[PINPIPE_SINK_BYTES_STORED] += file->plain_bytes;
        counts[PINPIPE_SINK_OBJECTS_STORED]++;
        counts[file->due]++;
    }
    sink->due_count--;
    sink->trouble = (pinpipe_error)PINPIPE_ERROR_INIT;
    stream->partition->has_sent = stream->partition->has_sent || file->has_letters;
    stream->stored_last = file->last;
    stream->oldest = file->after;
    int64_t held_bytes = file->held_bytes;
    pp_sink_file_free(file, &sink->spares);
    pp_sink_bytes_add(sink, -held_bytes);
}

/* Another sink, or this one before it died, has stored from here on, and ended elsewhere. What it holds is
 * read again and compared; what lies behind it is this sink's. */
static void file_conflict(pinpipe_sink *sink, pp_sink_file *file) {
    pp_sink_stream *stream = file->stream;
    pp_sink_partition *partition = stream->partition;
    stream->check = file->facts;
    stream->check_first = file->first;
    if (stream->check.last < 0 && !stream->check.has_crc) {
        stream->check.last = file->first + file->facts.count - 1; /* it has every offset: connectors do */
    }
    stream->seen = (pp_object_facts){.last = -1};
    stream->is_checking = true;
    stream->taken_last = file->first - 1;
    partition->checking_count++;
    partition->read_offset = file->first < partition->read_offset ? file->first : partition->read_offset;
    partition->history = PP_SINK_HISTORY_SAME; /* all that follows is compared */
    partition->last_offset = -1;
    pp_sink_partition_seek(partition, partition->read_offset);
    pp_log(PP_LOG_INFO, "sink", "%s is there already: what it holds is read again", file->key.ptr);
    pp_sink_stream_drop(sink, stream);
}

static void file_ended(pinpipe_sink *sink, pp_sink_file *file) {
    file->is_storing = false;
    if (file->is_dropped) {
        pp_sink_file_free(file, &sink->spares);
        return;
    }
    int64_t before = file->held_bytes;
    for (pp_sink_piece *piece = file->pieces; piece; piece = piece->after) {
        if (piece->is_packed && piece->bytes.cap) {
            pp_sink_piece_settle(piece, &sink->spares);
        }
    }
    pp_sink_bytes_add(sink, file->held_bytes - before);
    if (file->status < 0) {
        file_failed(sink, file);
        return;
    }
    const pp_object_facts *facts = &file->facts;
    if (file->outcome == PP_OBJECT_EXISTS) {
        sink->counts[PINPIPE_SINK_OBJECTS_FOUND]++;
    }
    bool is_same = facts->has_crc && facts->count == file->line_count && facts->crc == file->crc &&
                   (facts->last < 0 || facts->last == file->last);
    if (file->outcome == PP_OBJECT_CREATED || is_same) {
        file_stored(sink, file);
    } else {
        file_conflict(sink, file);
    }
}

static void piece_ended(pinpipe_sink *sink, pp_sink_piece *piece) {
    pp_sink_file *file = piece->file;
    int64_t before = file->held_bytes;
    file->packing--;
    if (file->is_dropped) {
        if (!file->packing && !file->is_storing) {
            pp_sink_file_free(file, &sink->spares);
        }
        return;
    }
    if (piece->is_packed) {
        pp_sink_piece_settle(piece, &sink->spares);
    } /* else the worker that stores the file tries again */
    pp_sink_bytes_add(sink, file->held_bytes - before);
}

static void works_take(pinpipe_sink *sink) {
    pp_work *work = pp_work_pool_take(sink->pool);
    while (work) {
        pp_work *after = work->next;
        sink->working_count--;
        if (work->run == piece_run) {
            piece_ended(sink, (pp_sink_piece *)work);
        } else {
            file_ended(sink, (pp_sink_file *)work);
        }
        work = after;
    }
}

void pp_sink_work_discard(pinpipe_sink *sink) {
    pp_work *work = pp_work_pool_take(sink->pool);
    while (work) {
        pp_work *after = work->next;
        bool is_piece = work->run == piece_run;
        pp_sink_file *file = is_piece ? ((pp_sink_piece *)work)->file : (pp_sink_file *)work;
        file->packing -= is_piece;
        file->is_storing = file->is_storing && is_piece;
        if (file->is_dropped && !file->packing && !file->is_storing) {
            pp_sink_file_free(file, &sink->spares);
        }
        work = after;
    }
}

/* ---- what was in the way ---- */

static void check_end(pinpipe_sink *sink, pp_sink_stream *stream) {
    pp_sink_partition *partition = stream->partition;
    const pp_object_facts *check = &stream->check;
    const pp_object_facts *seen = &stream->seen;
    /* Fewer than it holds: Kafka has compacted some away since. */
    bool is_other = check->has_crc &&
                    (seen->count > check->count || (seen->count == check->count && seen->crc != check->crc));
    stream->is_checking = false;
    partition->checking_count--;
    if (!is_other) {
        stream->stored_last = check->last >= 0 ? check->last : seen->last;
        stream->taken_last = stream->stored_last;
        return;
    }
    sink->trouble = (pinpipe_error)PINPIPE_ERROR_INIT;
    pinpipe_status status = pp_fail(&sink->trouble, PINPIPE_ECONFLICT,
                                    "%s [%ld]: the object of offset %lld in %s holds other records than "
                                    "Kafka: the topic was made anew, or "
                                    "another program wrote it; move it away, or choose another target",
                                    partition->topic, (long)partition->number, (long long)stream->check_first,
                                    stream->folder.ptr);
    int64_t failing_ms = 0;
    stream->taken_last = stream->check_first - 1;
    partition->read_offset = stream->check_first;
    partition->last_offset = -1;
    pp_sink_partition_seek(partition, stream->check_first);
    pp_sink_judge(sink, &failing_ms, status, false);
}

void pp_sink_checks_end(pinpipe_sink *sink, pp_sink_partition *partition) {
    for (pp_sink_stream *stream = partition->streams; stream; stream = stream->after) {
        const pp_object_facts *check = &stream->check;
        bool is_end =
            check->last >= 0 ? partition->read_offset > check->last : stream->seen.count >= check->count;
        if (stream->is_checking && is_end) {
            check_end(sink, stream);
        }
    }
}

/* ---- clocks ---- */

static int64_t earlier(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* When the open file is due by a clock; rotates it where it is. */
static int64_t file_time(pinpipe_sink *sink, pp_sink_file *file) {
    int64_t idle_ms = file->record_ms + sink->settings.idle_ms;
    if (sink->now_ms >= file->due_ms) {
        pp_sink_file_rotate(sink, file, PINPIPE_SINK_ROTATIONS_SCHEDULE);
    } else if (sink->now_ms >= idle_ms) {
        pp_sink_file_rotate(sink, file, PINPIPE_SINK_ROTATIONS_IDLE);
    }
    return earlier(idle_ms, file->due_ms);
}

void pp_sink_work(pinpipe_sink *sink) {
    sink->now_ms = pp_clock_monotonic_ms();
    works_take(sink);
    if (sink->now_ms < sink->timer_ms && !sink->due_count) {
        return;
    }
    int64_t next_ms = sink->now_ms + TIMER_NONE_MS;
    for (int64_t i = 0; i < sink->partition_count; i++) {
        for (pp_sink_stream *stream = sink->partitions[i]->streams; stream; stream = stream->after) {
            if (stream->open) {
                next_ms = earlier(next_ms, file_time(sink, stream->open));
            }
            stream_begin(sink, stream);
            const pp_sink_file *oldest = stream->oldest;
            if (oldest && oldest->due != PP_SINK_NOT_DUE && oldest->retry_ms > sink->now_ms) {
                next_ms = earlier(next_ms, oldest->retry_ms);
            }
        }
    }
    sink->timer_ms = next_ms < sink->now_ms + TIMER_STEP_MS ? sink->now_ms + TIMER_STEP_MS : next_ms;
}

int64_t pp_sink_wait_ms(const pinpipe_sink *sink, int64_t most_ms) {
    int64_t now_ms = pp_clock_monotonic_ms();
    int64_t until_ms = earlier(sink->timer_ms, now_ms + most_ms);
    if (sink->commit_retry_ms) {
        until_ms = earlier(until_ms, sink->commit_retry_ms);
    }
    return until_ms > now_ms ? until_ms - now_ms : 0;
}
