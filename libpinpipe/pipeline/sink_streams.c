/* Turns names of topics and folders into what the sink knows of them.
 * Never keeps a folder that has no file and no record beyond the commit.
 * Rules: docs/sink.md, "Exactly once". */
#include "pipeline/sink_state.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/buffer.h"
#include "base/memory.h"

#define PARTITIONS_MAX 100000

/* ---- partitions ---- */

static uint64_t partition_hash(pinpipe_str topic, int32_t number) {
    return XXH3_64bits_withSeed(topic.ptr, topic.len, (uint64_t)(uint32_t)number);
}

static int64_t partition_slot(const pinpipe_sink *sink, pinpipe_str topic, int32_t number) {
    int64_t mask = sink->table_cap - 1;
    int64_t at = (int64_t)(partition_hash(topic, number) & (uint64_t)mask);
    while (sink->table[at] &&
           !(sink->table[at]->number == number && pp_str_is(topic, sink->table[at]->topic))) {
        at = (at + 1) & mask;
    }
    return at;
}

pp_sink_partition *pp_sink_partition_find(pinpipe_sink *sink, pinpipe_str topic, int32_t number) {
    pp_sink_partition *last = sink->last_partition;
    if (last && last->number == number && last->topic_ptr == topic.ptr && pp_str_is(topic, last->topic)) {
        return last;
    }
    pp_sink_partition *found = sink->table_cap ? sink->table[partition_slot(sink, topic, number)] : NULL;
    if (found) {
        found->topic_ptr = topic.ptr;
        sink->last_partition = found;
    }
    return found;
}

static void table_fill(pinpipe_sink *sink) {
    memset(sink->table, 0, (size_t)sink->table_cap * sizeof *sink->table);
    for (int64_t i = 0; i < sink->partition_count; i++) {
        pp_sink_partition *partition = sink->partitions[i];
        sink->table[partition_slot(sink, pp_str(partition->topic), partition->number)] = partition;
    }
}

static pinpipe_status partitions_grow(pinpipe_sink *sink, pinpipe_error *err) {
    if (sink->partition_count < sink->partition_cap) {
        return PINPIPE_OK;
    }
    if (sink->partition_count == PARTITIONS_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "one sink reads at most %d partitions", PARTITIONS_MAX);
    }
    int64_t cap = sink->partition_cap ? 2 * sink->partition_cap : 16;
    size_t size = (size_t)cap * sizeof(void *);
    pp_sink_partition **partitions = pp_realloc(sink->partitions, size);
    sink->partitions = partitions ? partitions : sink->partitions;
    pinpipe_kafka_offset *offsets = pp_realloc(sink->offsets, (size_t)cap * sizeof *offsets);
    sink->offsets = offsets ? offsets : sink->offsets;
    pp_sink_partition **table = pp_realloc(sink->table, 2 * size);
    sink->table = table ? table : sink->table;
    if (!partitions || !offsets || !table) {
        return pp_fail_memory(err, "the sink's partitions", 2 * size);
    }
    sink->partition_cap = cap;
    sink->table_cap = 2 * cap;
    table_fill(sink);
    return PINPIPE_OK;
}

pinpipe_status pp_sink_partition_add(pp_sink_partition **out, pinpipe_sink *sink,
                                     const pinpipe_kafka_message *message, pinpipe_error *err) {
    *out = NULL;
    pinpipe_status status = partitions_grow(sink, err);
    if (status < 0) {
        return status;
    }
    pp_sink_partition *made = pp_alloc_zero(sizeof *made);
    char *topic = made ? pp_strndup(message->topic.ptr, message->topic.len) : NULL;
    if (!topic) {
        pp_free(made);
        return pp_fail_memory(err, "a partition's state", sizeof *made);
    }
    made->topic = topic;
    made->topic_ptr = message->topic.ptr;
    made->number = message->partition;
    made->base_offset = message->offset;
    made->read_offset = message->offset;
    made->committed_offset = -1;
    made->last_bucket = -1;
    made->last_offset = -1;
    sink->table[partition_slot(sink, message->topic, message->partition)] = made;
    sink->partitions[sink->partition_count++] = made;
    sink->fresh_count++;
    *out = made;
    return PINPIPE_OK;
}

static void partition_free(pinpipe_sink *sink, pp_sink_partition *partition) {
    while (partition->streams) {
        pp_sink_stream *stream = partition->streams;
        partition->streams = stream->after;
        pp_sink_stream_drop(sink, stream);
        pinpipe_buf_reset(&stream->folder);
        pp_free(stream);
    }
    pp_free(partition->table);
    pp_free(partition->known);
    pp_free(partition->topic);
    pp_free(partition);
}

void pp_sink_partition_drop(pinpipe_sink *sink, pp_sink_partition *partition) {
    for (int64_t i = 0; i < sink->partition_count; i++) {
        if (sink->partitions[i] == partition) {
            sink->partitions[i] = sink->partitions[--sink->partition_count];
            break;
        }
    }
    sink->fresh_count -= !partition->is_looked_up;
    sink->last_partition = NULL;
    table_fill(sink);
    partition_free(sink, partition);
}

void pp_sink_reset(pinpipe_sink *sink) {
    while (sink->partition_count) {
        partition_free(sink, sink->partitions[--sink->partition_count]);
    }
    pp_sink_spares_trim(&sink->spares, 0);
    pp_free(sink->partitions);
    pp_free(sink->table);
    pp_free(sink->offsets);
    pinpipe_buf_reset(&sink->metadata);
    pinpipe_buf_reset(&sink->folder);
    pinpipe_buf_reset(&sink->line);
}

/* ---- folders ---- */

static int64_t stream_slot(const pp_sink_partition *partition, uint64_t hash) {
    int64_t mask = partition->table_cap - 1;
    int64_t at = (int64_t)(hash & (uint64_t)mask);
    while (partition->table[at] && partition->table[at]->hash != hash) {
        at = (at + 1) & mask;
    }
    return at;
}

static void streams_fill(pp_sink_partition *partition) {
    memset(partition->table, 0, (size_t)partition->table_cap * sizeof(pp_sink_stream *));
    for (pp_sink_stream *stream = partition->streams; stream; stream = stream->after) {
        partition->table[stream_slot(partition, stream->hash)] = stream;
    }
}

static pinpipe_status streams_grow(pp_sink_partition *partition, pinpipe_error *err) {
    if (2 * (partition->stream_count + 1) <= partition->table_cap) {
        return PINPIPE_OK;
    }
    int64_t cap = partition->table_cap ? 2 * partition->table_cap : 4;
    pp_sink_stream **table = pp_realloc(partition->table, (size_t)cap * sizeof(pp_sink_stream *));
    if (!table) {
        return pp_fail_memory(err, "a partition's folders", (size_t)cap * sizeof(pp_sink_stream *));
    }
    partition->table = table;
    partition->table_cap = cap;
    streams_fill(partition);
    return PINPIPE_OK;
}

/* What was stored beyond the commit that the partition began with. */
static int64_t known_last(const pp_sink_partition *partition, uint64_t hash) {
    for (int64_t i = 0; i < partition->known_count; i++) {
        if (partition->known[i].hash == hash) {
            return partition->known[i].last;
        }
    }
    return -1;
}

pinpipe_status pp_sink_stream_open(pp_sink_stream **out, pinpipe_sink *sink, pp_sink_partition *partition,
                                   pp_sink_root root, pinpipe_str folder, pinpipe_error *err) {
    uint64_t hash = XXH3_64bits_withSeed(folder.ptr, folder.len, sink->settings.target_hash + (uint64_t)root);
    pinpipe_status status = streams_grow(partition, err);
    *out = NULL;
    if (status < 0) {
        return status;
    }
    int64_t slot = stream_slot(partition, hash);
    if (partition->table[slot]) {
        *out = partition->table[slot];
        return PINPIPE_OK;
    }
    pp_sink_stream *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "a folder's state", sizeof *made);
    }
    status = pp_buf_append(&made->folder, folder.ptr, folder.len, err);
    if (status < 0) {
        pp_free(made);
        return status;
    }
    made->partition = partition;
    made->root = root;
    made->hash = hash;
    made->stored_last = known_last(partition, hash);
    made->taken_last = made->stored_last;
    made->after = partition->streams;
    partition->streams = made;
    partition->stream_count++;
    partition->table[slot] = made;
    *out = made;
    return PINPIPE_OK;
}

void pp_sink_stream_drop(pinpipe_sink *sink, pp_sink_stream *stream) {
    pp_sink_file *file = stream->oldest;
    while (file) {
        pp_sink_file *after = file->after;
        sink->counts[PINPIPE_SINK_RECORDS_DROPPED] += file->line_count;
        pp_sink_bytes_add(sink, -file->held_bytes);
        sink->due_count -= file->due != PP_SINK_NOT_DUE;
        file->stream = NULL;
        file->is_dropped = true;
        if (!file->is_storing && !file->packing) {
            pp_sink_file_free(file, &sink->spares);
        }
        file = after;
    }
    stream->oldest = NULL;
    stream->open = NULL;
}

void pp_sink_streams_sweep(pp_sink_partition *partition, int64_t low) {
    pp_sink_stream **link = &partition->streams;
    while (*link) {
        pp_sink_stream *stream = *link;
        bool is_needed = stream->oldest || stream->is_checking || stream->taken_last >= low ||
                         stream == partition->rejects || stream == partition->last_stream;
        if (is_needed) {
            link = &stream->after;
            continue;
        }
        *link = stream->after;
        partition->stream_count--;
        pinpipe_buf_reset(&stream->folder);
        pp_free(stream);
    }
    streams_fill(partition);
}

void pp_sink_partition_seek(pp_sink_partition *partition, int64_t offset) {
    partition->is_sought = true;
    partition->is_seeking = true;
    partition->seek_offset = offset;
}

int64_t pp_sink_partition_low(const pp_sink_partition *partition) {
    int64_t low = partition->read_offset;
    for (const pp_sink_stream *stream = partition->streams; stream; stream = stream->after) {
        if (stream->oldest && stream->oldest->first < low) {
            low = stream->oldest->first;
        }
        if (stream->is_checking && stream->check_first < low) {
            low = stream->check_first;
        }
    }
    return low;
}

bool pp_sink_partition_is_open(const pp_sink_partition *partition) {
    return pp_sink_partition_low(partition) < partition->read_offset;
}

/* ---- names ---- */

pinpipe_status pp_sink_key_write(pinpipe_buf *out, const pinpipe_sink *sink, const pp_sink_file *file,
                                 pinpipe_error *err) {
    const pp_sink_settings *settings = &sink->settings;
    const pp_sink_stream *stream = file->stream;
    const char *topic = stream->partition->topic;
    const char *root = stream->root == PP_SINK_TOPICS ? settings->topics_dir.ptr : settings->rejects_dir.ptr;
    const char *delim = settings->file_delim.ptr;
    pp_buf_clear(out);
    return pp_buf_printf(out, err, "%s/%s/%s/%s%s%ld%s%0*lld%s", root, topic, stream->folder.ptr, topic,
                         delim, (long)stream->partition->number, delim, (int)settings->offset_width,
                         (long long)file->first, settings->extension.ptr);
}
