/* Turns what is stored into commits of the group, and its commits into where the sink goes on.
 * Never commits an offset whose record is not stored, nor one whose map of folders does not fit.
 * Rules: docs/sink.md, "Exactly once". */
#include "pipeline/sink_state.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "io/clock.h"
#include "io/retry.h"

/* Short, because a group that is moving answers late and the caller wants to be heard in between. */
#define COMMIT_WAIT_MS 1000
#define COMMIT_STEP_MS 100
#define LOOK_UP_WAIT_MS 1000
#define SEEK_WAIT_MS 5000

/* ---- the metadata of a commit: "pp1", then for each folder that is stored beyond the offset its hash and
 * how far beyond, both in digits of six bits ---- */

#define METADATA_HEAD "pp1"
#define HASH_DIGITS 11
#define ENTRY_BYTES 32

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static pinpipe_status entry_write(pinpipe_buf *out, uint64_t hash, int64_t beyond, pinpipe_error *err) {
    char text[ENTRY_BYTES] = ",";
    size_t len = 1;
    for (int i = 0; i < HASH_DIGITS; i++, hash >>= 6) {
        text[len++] = digits[hash & 63];
    }
    for (uint64_t rest = (uint64_t)beyond; len == 1 + HASH_DIGITS || rest; rest >>= 6) {
        text[len++] = digits[rest & 63];
    }
    return pp_buf_append(out, text, len, err);
}

/* False: these are no such digits. */
static bool number_read(uint64_t *out, const char *text, size_t len) {
    *out = 0;
    for (size_t i = 0; i < len; i++) {
        const char *digit = text[i] ? strchr(digits, text[i]) : NULL;
        if (!digit || i > HASH_DIGITS) {
            return false;
        }
        *out |= (uint64_t)(digit - digits) << (6 * i);
    }
    return len > 0;
}

/* Metadata of another program is none. */
static pinpipe_status known_read(pp_sink_partition *partition, pinpipe_str text, int64_t offset,
                                 pinpipe_error *err) {
    size_t head = sizeof METADATA_HEAD - 1;
    if (text.len < head || memcmp(text.ptr, METADATA_HEAD, head) != 0) {
        return PINPIPE_OK;
    }
    size_t cap = text.len / (HASH_DIGITS + 2) + 1;
    partition->known = pp_alloc(cap * sizeof *partition->known);
    if (!partition->known) {
        return pp_fail_memory(err, "a commit's folders", cap * sizeof *partition->known);
    }
    size_t at = head;
    while (at + HASH_DIGITS + 1 < text.len && text.ptr[at] == ',') {
        const char *entry = text.ptr + at + 1;
        const char *comma = memchr(entry, ',', text.len - at - 1);
        size_t len = comma ? (size_t)(comma - entry) : text.len - at - 1;
        uint64_t hash = 0, beyond = 0;
        if (len > HASH_DIGITS && number_read(&hash, entry, HASH_DIGITS) &&
            number_read(&beyond, entry + HASH_DIGITS, len - HASH_DIGITS)) {
            partition->known[partition->known_count++] = (pp_sink_known){hash, offset + (int64_t)beyond};
        }
        at += 1 + len;
    }
    return PINPIPE_OK;
}

/* Folders that are stored beyond `low`: those with a state, and those that the sink has only heard of. */
static pinpipe_status known_write(pinpipe_buf *out, const pp_sink_partition *partition, int64_t low,
                                  pinpipe_error *err) {
    size_t start = out->len;
    pinpipe_status status = PINPIPE_OK;
    for (const pp_sink_stream *stream = partition->streams; stream && status == PINPIPE_OK;
         stream = stream->after) {
        if (stream->stored_last >= low) {
            status = entry_write(out, stream->hash, stream->stored_last - low, err);
        }
    }
    for (int64_t i = 0; status == PINPIPE_OK && i < partition->known_count; i++) {
        const pp_sink_known *known = &partition->known[i];
        bool is_stream = false;
        for (const pp_sink_stream *stream = partition->streams; stream; stream = stream->after) {
            is_stream = is_stream || stream->hash == known->hash;
        }
        if (known->last >= low && !is_stream) {
            status = entry_write(out, known->hash, known->last - low, err);
        }
    }
    if (status == PINPIPE_OK && out->len > start) {
        status = pp_buf_reserve(out, sizeof METADATA_HEAD, PP_BUF_MAX, err);
    }
    if (status == PINPIPE_OK && out->len > start) {
        size_t head = sizeof METADATA_HEAD - 1;
        memmove(out->ptr + start + head, out->ptr + start, out->len - start);
        memcpy(out->ptr + start, METADATA_HEAD, head);
        out->len += head;
    }
    return status;
}

/* ---- partitions that are new ---- */

static pinpipe_status fresh_set(pp_sink_partition *partition, const pinpipe_kafka_offset *commit,
                                pinpipe_error *err) {
    if (commit->offset >= 0) {
        if (commit->offset > partition->read_offset) {
            pp_sink_history_ask(partition, commit->offset);
        }
        partition->base_offset = commit->offset;
        partition->read_offset = commit->offset;
        partition->committed_offset = -1;
        pinpipe_status status = known_read(partition, commit->metadata, commit->offset, err);
        if (status < 0) {
            return status;
        }
    }
    partition->is_looked_up = true;
    return PINPIPE_OK;
}

pinpipe_status pp_sink_fresh_look_up(pinpipe_sink *sink, pinpipe_error *err) {
    int64_t count = 0;
    if (sink->fresh_count == 0) {
        return PINPIPE_OK;
    }
    for (int64_t i = 0; i < sink->partition_count; i++) {
        const pp_sink_partition *partition = sink->partitions[i];
        if (!partition->is_looked_up) {
            sink->offsets[count++] =
                (pinpipe_kafka_offset){.topic = pp_str(partition->topic), .partition = partition->number};
        }
    }
    pinpipe_status status = pinpipe_kafka_consumer_committed(sink->offsets, count, sink->consumer,
                                                             LOOK_UP_WAIT_MS, &sink->trouble);
    if (status < 0 && pinpipe_status_retriable(status)) {
        return PINPIPE_AGAIN;
    }
    if (status < 0) {
        if (err && err->struct_size >= sizeof *err) {
            *err = sink->trouble;
        }
        return status;
    }
    count = 0;
    for (int64_t i = 0; status == PINPIPE_OK && i < sink->partition_count; i++) {
        pp_sink_partition *partition = sink->partitions[i];
        if (!partition->is_looked_up) {
            status = fresh_set(partition, &sink->offsets[count++], err);
        }
    }
    sink->fresh_count = status == PINPIPE_OK ? 0 : sink->fresh_count;
    return status;
}

/* ---- commits ---- */

/* Too many folders are stored beyond the oldest open file: all are stored, and then none is beyond. */
static void folders_rotate(pinpipe_sink *sink, const pp_sink_partition *partition) {
    pp_sink_files_rotate(sink, partition, PINPIPE_SINK_ROTATIONS_FOLDERS);
}

static pinpipe_status offset_add(int64_t *count, pinpipe_sink *sink, pp_sink_partition *partition,
                                 pinpipe_error *err) {
    int64_t low = pp_sink_partition_low(partition);
    bool is_news = low > partition->base_offset && low != partition->committed_offset;
    if (!partition->is_looked_up || !(is_news || partition->has_sent)) {
        return PINPIPE_OK;
    }
    size_t start = sink->metadata.len;
    pinpipe_status status = known_write(&sink->metadata, partition, low, err);
    if (status < 0) {
        return status;
    }
    if (sink->metadata.len - start > PP_SINK_METADATA_BYTES) {
        sink->metadata.len = start;
        folders_rotate(sink, partition);
        return PINPIPE_OK;
    }
    sink->offsets[(*count)++] =
        (pinpipe_kafka_offset){.topic = pp_str(partition->topic),
                               .partition = partition->number,
                               .offset = low,
                               .metadata = {(const char *)(uintptr_t)start, sink->metadata.len - start}};
    return PINPIPE_OK;
}

static pinpipe_status offsets_fill(int64_t *count, pinpipe_sink *sink, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    *count = 0;
    pp_buf_clear(&sink->metadata);
    for (int64_t i = 0; i < sink->partition_count && status == PINPIPE_OK; i++) {
        status = offset_add(count, sink, sink->partitions[i], err);
    }
    for (int64_t i = 0; i < *count; i++) { /* the buffer has stopped moving */
        pinpipe_str *text = &sink->offsets[i].metadata;
        text->ptr = text->len ? sink->metadata.ptr + (uintptr_t)text->ptr : NULL;
    }
    return status;
}

static void commit_done(pinpipe_sink *sink, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        const pinpipe_kafka_offset *offset = &sink->offsets[i];
        pp_sink_partition *partition = pp_sink_partition_find(sink, offset->topic, offset->partition);
        partition->committed_offset = offset->offset;
        partition->has_sent = false;
        pp_sink_streams_sweep(partition, offset->offset);
        for (int64_t k = 0; k < partition->known_count;) {
            bool is_past = partition->known[k].last < offset->offset;
            if (is_past) {
                partition->known[k] = partition->known[--partition->known_count];
            }
            k += !is_past;
        }
    }
    sink->commit_attempts = 0;
    sink->commit_retry_ms = 0;
    sink->commit_failing_ms = 0;
    sink->commit_status = PINPIPE_OK;
}

pinpipe_status pp_sink_commit(pinpipe_sink *sink, pp_sink_when when) {
    int64_t now_ms = pp_clock_monotonic_ms();
    int64_t count = 0;
    bool is_early = when == PP_SINK_WHEN_DUE && sink->due_count && now_ms - sink->commit_ms < COMMIT_STEP_MS;
    if (now_ms < sink->commit_retry_ms || is_early) {
        return PINPIPE_AGAIN;
    }
    pinpipe_error error = PINPIPE_ERROR_INIT;
    pinpipe_status status = offsets_fill(&count, sink, &error);
    if (status == PINPIPE_OK && count == 0) {
        commit_done(sink, 0);
        return PINPIPE_OK;
    }
    if (status == PINPIPE_OK) {
        status = pinpipe_kafka_consumer_commit(sink->consumer, sink->offsets, count, COMMIT_WAIT_MS, &error);
    }
    sink->commit_ms = pp_clock_monotonic_ms();
    if (status < 0) {
        sink->trouble = error;
        sink->commit_status = status;
        /* A conflict passes, too: the poll that follows tells which partitions are no longer ours. */
        bool patient = pinpipe_status_retriable(status) || status == PINPIPE_ECONFLICT;
        sink->commit_attempts++;
        sink->commit_retry_ms =
            sink->commit_ms + pp_retry_pause_ms(sink->commit_attempts, status, pp_retry_random());
        pp_log(PP_LOG_WARNING, "sink", "%s", sink->trouble.message);
        pp_sink_judge(sink, &sink->commit_failing_ms, status, patient);
        return PINPIPE_AGAIN;
    }
    commit_done(sink, count);
    return PINPIPE_OK;
}

/* ---- going elsewhere ---- */

pinpipe_status pp_sink_seek(pinpipe_sink *sink, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    for (int64_t i = 0; i < sink->partition_count && status == PINPIPE_OK; i++) {
        pp_sink_partition *partition = sink->partitions[i];
        if (!partition->is_seeking || partition->is_revoked) {
            continue;
        }
        pinpipe_kafka_offset place = {.topic = pp_str(partition->topic),
                                      .partition = partition->number,
                                      .offset = partition->seek_offset};
        status = pinpipe_kafka_consumer_seek(sink->consumer, &place, 1, SEEK_WAIT_MS, &sink->trouble);
        partition->is_seeking = status < 0;
        /* Where it is no longer ours the next poll says so; until then its messages are passed over. */
        status = status == PINPIPE_ECONFLICT ? PINPIPE_OK : status;
    }
    if (status < 0 && !pinpipe_status_retriable(status) && err && err->struct_size >= sizeof *err) {
        *err = sink->trouble;
    }
    return status < 0 && pinpipe_status_retriable(status) ? PINPIPE_AGAIN : status;
}
