/* Turns Kafka topics into objects: takes records in, decides when a file is due, goes on where it was held
 * up. Never reads on while a file that must take the next record cannot be stored. Rules: docs/sink.md. */
#include "pipeline/sink_state.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "io/clock.h"
#include "kafka/config.h"

#define GROUP_DEFAULT "pinpipe-sink"
#define FLUSH_RECORDS_DEFAULT 10000
#define FLUSH_BYTES_DEFAULT ((int64_t)8 << 20)
#define IDLE_DEFAULT_MS 10000
#define BUFFERED_DEFAULT_BYTES ((int64_t)64 << 20)
#define STORE_TIMEOUT_DEFAULT_MS 30000
#define PARTITIONS_MAX 100000
#define HELD_STEP_MS 50

static const char *const counter_names[] = {
#define COUNTER_NAME(name, text, meaning) #text,
    PINPIPE_SINK_COUNTER_MAP(COUNTER_NAME)
#undef COUNTER_NAME
};

static const char *const counter_texts[] = {
#define COUNTER_TEXT(name, text, meaning) meaning,
    PINPIPE_SINK_COUNTER_MAP(COUNTER_TEXT)
#undef COUNTER_TEXT
};

const char *pinpipe_sink_counter_name(int32_t counter) {
    return counter >= 0 && counter < PINPIPE_SINK_COUNTER_COUNT ? counter_names[counter] : NULL;
}

const char *pinpipe_sink_counter_text(int32_t counter) {
    return counter >= 0 && counter < PINPIPE_SINK_COUNTER_COUNT ? counter_texts[counter] : NULL;
}

int64_t pinpipe_sink_count(const pinpipe_sink *sink, int32_t counter) {
    return counter >= 0 && counter < PINPIPE_SINK_COUNTER_COUNT ? sink->counts[counter] : 0;
}

int64_t pinpipe_sink_position_count(const pinpipe_sink *sink) {
    return sink->file_count;
}

pinpipe_sink_position pinpipe_sink_position_at(const pinpipe_sink *sink, int64_t index) {
    assert(index >= 0 && index < sink->file_count);
    const pp_sink_file *file = &sink->files[index];
    return (pinpipe_sink_position){pp_str(file->topic), file->partition,        0,
                                   file->stored_offset, file->committed_offset, file->read_offset};
}

/* ---- open and free ---- */

static pinpipe_status options_check(const pinpipe_sink_options *options, pinpipe_error *err) {
    if (!options || options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "sink options lack their struct_size");
    }
    if (options->topics.len == 0 || options->target.len == 0) {
        return pp_fail(err, PINPIPE_EINVAL, "a sink needs topics and a target");
    }
    const int64_t limits[] = {options->flush_records, options->flush_bytes, options->idle_ms,
                              options->max_buffered_bytes, options->store_timeout_ms};
    static const char *const names[] = {"flush_records", "flush_bytes", "idle_ms", "max_buffered_bytes",
                                        "store_timeout_ms"};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (limits[i] < 0) {
            return pp_fail(err, PINPIPE_EINVAL, "%s %lld is negative", names[i], (long long)limits[i]);
        }
    }
    const char *automatic = pp_kafka_config_value(options->config, "enable.auto.commit");
    if (automatic && strcmp(automatic, "false") != 0) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "setting 'enable.auto.commit': the sink commits only what is stored");
    }
    return PINPIPE_OK;
}

static pinpipe_status consumer_open(pinpipe_sink *sink, const pinpipe_sink_options *options,
                                    pinpipe_error *err) {
    pinpipe_buf topics = PINPIPE_BUF_INIT;
    pinpipe_kafka_consumer_options reader = PINPIPE_KAFKA_CONSUMER_OPTIONS_INIT;
    /* librdkafka looks for a match anywhere in a name; a sink's expression stands for whole names, as
     * Connect's. */
    pinpipe_status status = pp_buf_append_text(&topics, "^(", err);
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&topics, options->topics.ptr, options->topics.len, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_buf_append_text(&topics, ")$", err);
    }
    if (status == PINPIPE_OK) {
        reader.brokers = options->brokers;
        reader.group = options->group.len ? options->group : pp_str(GROUP_DEFAULT);
        reader.topics = pp_buf_view(&topics);
        status = pinpipe_kafka_consumer_new(&sink->consumer, &reader, options->config, err);
    }
    pinpipe_buf_reset(&topics);
    return status;
}

/* s3://bucket/topics and s3://bucket name the same place: the folder of topics is not made in itself. */
static pinpipe_str target_base(pinpipe_str target) {
    static const char root[] = "/" PP_SINK_TOPICS_ROOT;
    size_t len = target.len;
    while (len > 0 && target.ptr[len - 1] == '/') {
        len--;
    }
    size_t root_len = sizeof root - 1;
    if (len > root_len && memcmp(target.ptr + len - root_len, root, root_len) == 0 &&
        target.ptr[len - root_len - 1] != '/') {
        return (pinpipe_str){target.ptr, len - root_len};
    }
    return target;
}

static int64_t or_default(int64_t value, int64_t fallback) {
    return value ? value : fallback;
}

pinpipe_status pinpipe_sink_open(pinpipe_sink **out, const pinpipe_sink_options *options,
                                 pinpipe_error *err) {
    *out = NULL;
    pinpipe_status status = options_check(options, err);
    if (status < 0) {
        return status;
    }
    pinpipe_sink *sink = pp_alloc_zero(sizeof *sink);
    if (!sink) {
        return pp_fail_memory(err, "a sink", sizeof *sink);
    }
    sink->owner_pid = getpid();
    sink->flush_records = or_default(options->flush_records, FLUSH_RECORDS_DEFAULT);
    sink->flush_bytes = or_default(options->flush_bytes, FLUSH_BYTES_DEFAULT);
    sink->idle_ms = or_default(options->idle_ms, IDLE_DEFAULT_MS);
    sink->max_buffered_bytes = or_default(options->max_buffered_bytes, BUFFERED_DEFAULT_BYTES);
    sink->store_timeout_ms = or_default(options->store_timeout_ms, STORE_TIMEOUT_DEFAULT_MS);
    sink->batch = (pinpipe_kafka_batch)PINPIPE_KAFKA_BATCH_INIT;
    status = pp_object_store_open(&sink->store, target_base(options->target), options->s3, err);
    if (status == PINPIPE_OK) {
        status = consumer_open(sink, options, err);
    }
    if (status < 0) {
        pinpipe_sink_free(sink);
        return status;
    }
    *out = sink;
    return PINPIPE_OK;
}

void pinpipe_sink_free(pinpipe_sink *sink) {
    if (!sink || sink->owner_pid != getpid()) {
        return;
    }
    pinpipe_kafka_consumer_free(sink->consumer);
    pp_object_store_free(sink->store);
    for (int64_t i = 0; i < sink->file_count; i++) {
        pp_sink_file_reset(&sink->files[i]);
    }
    pp_free(sink->files);
    pp_free(sink->offsets);
    pp_free(sink);
}

static pinpipe_status owner_check(const pinpipe_sink *sink, pinpipe_error *err) {
    if (sink->owner_pid == getpid()) {
        return PINPIPE_OK;
    }
    return pp_fail(err, PINPIPE_EFORK, "the sink was opened by process %ld and cannot be used in its child",
                   (long)sink->owner_pid);
}

/* ---- files ---- */

static pp_sink_file *file_find(pinpipe_sink *sink, pinpipe_str topic, int32_t partition) {
    for (int64_t i = 0; i < sink->file_count; i++) {
        pp_sink_file *file = &sink->files[i];
        if (file->partition == partition && pp_str_is(topic, file->topic)) {
            return file;
        }
    }
    return NULL;
}

static pinpipe_status files_grow(pinpipe_sink *sink, pinpipe_error *err) {
    if (sink->file_count < sink->file_cap) {
        return PINPIPE_OK;
    }
    if (sink->file_count == PARTITIONS_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "one sink reads at most %d partitions", PARTITIONS_MAX);
    }
    int64_t cap = sink->file_cap ? 2 * sink->file_cap : 16;
    pp_sink_file *files = pp_realloc(sink->files, (size_t)cap * sizeof *files);
    if (!files) {
        return pp_fail_memory(err, "the sink's files", (size_t)cap * sizeof *files);
    }
    sink->files = files;
    pinpipe_kafka_offset *offsets = pp_realloc(sink->offsets, (size_t)cap * sizeof *offsets);
    if (!offsets) {
        return pp_fail_memory(err, "the sink's offsets", (size_t)cap * sizeof *offsets);
    }
    sink->offsets = offsets;
    sink->file_cap = cap;
    return PINPIPE_OK;
}

static pinpipe_status file_open(pp_sink_file **out, pinpipe_sink *sink, const pinpipe_kafka_message *message,
                                pinpipe_error *err) {
    *out = file_find(sink, message->topic, message->partition);
    if (*out) {
        return PINPIPE_OK;
    }
    pinpipe_status status = files_grow(sink, err);
    if (status == PINPIPE_OK) {
        pp_sink_file *file = &sink->files[sink->file_count];
        status = pp_sink_file_init(file, message->topic, message->partition, message->offset, err);
        *out = file;
    }
    sink->file_count += status == PINPIPE_OK;
    return status;
}

static void revoked_drop(pinpipe_sink *sink) {
    for (int64_t i = 0; i < sink->batch.revoked_count; i++) {
        pp_sink_file *file = file_find(sink, sink->batch.revoked[i].topic, sink->batch.revoked[i].partition);
        if (!file) {
            continue;
        }
        sink->counts[PINPIPE_SINK_RECORDS_DROPPED] +=
            file->line_count + file->reject_count + file->null_count;
        pp_sink_bytes_add(sink, -pp_sink_file_bytes(file));
        pp_sink_file_reset(file);
        *file = sink->files[--sink->file_count];
    }
}

static pp_sink_file *file_largest(pinpipe_sink *sink) {
    pp_sink_file *largest = NULL;
    for (int64_t i = 0; i < sink->file_count; i++) {
        pp_sink_file *file = &sink->files[i];
        if (pp_sink_file_bytes(file) > (largest ? pp_sink_file_bytes(largest) : 0)) {
            largest = file;
        }
    }
    return largest;
}

/* ---- taking records in ---- */

/* Stores the file now unless it is waiting for its next attempt. */
static pinpipe_status file_rotate(pinpipe_sink *sink, pp_sink_file *file, int32_t reason,
                                  pinpipe_error *err) {
    file->due = file->due == PP_SINK_NOT_DUE ? reason : file->due;
    return pp_clock_monotonic_ms() < file->retry_ms ? PINPIPE_AGAIN : pp_sink_store_file(sink, file, err);
}

/* AGAIN: no room, because the store does not take what is in the way. */
static pinpipe_status room_make(pinpipe_sink *sink, pp_sink_file *file, const pinpipe_kafka_message *message,
                                pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    if (file->due != PP_SINK_NOT_DUE) {
        status = file_rotate(sink, file, file->due, err);
    }
    if (status == PINPIPE_OK && message->offset < file->read_offset) {
        /* The topic was made anew or cut: what follows is another history under the same name. */
        status = pp_sink_file_open(file) ? file_rotate(sink, file, PINPIPE_SINK_ROTATIONS_REWIND, err)
                                         : PINPIPE_OK;
        file->read_offset = status == PINPIPE_OK ? message->offset : file->read_offset;
    }
    pp_sink_file *largest = file_largest(sink);
    while (status == PINPIPE_OK && largest &&
           sink->counts[PINPIPE_SINK_BYTES_BUFFERED] + pp_sink_file_growth(file, message) >
               sink->max_buffered_bytes) {
        status = file_rotate(sink, largest, PINPIPE_SINK_ROTATIONS_MEMORY, err);
        largest = file_largest(sink);
    }
    return status;
}

static pinpipe_status message_take(pinpipe_sink *sink, const pinpipe_kafka_message *message,
                                   pinpipe_error *err) {
    pp_sink_file *file = NULL;
    pinpipe_status status = file_open(&file, sink, message, err);
    if (status == PINPIPE_OK) {
        status = room_make(sink, file, message, err);
    }
    if (status != PINPIPE_OK) {
        return status;
    }
    int64_t skipped = message->offset - file->read_offset;
    int64_t before = pp_sink_file_bytes(file);
    status = pp_sink_file_append(file, message, err);
    if (status < 0) {
        return status;
    }
    pp_sink_bytes_add(sink, pp_sink_file_bytes(file) - before);
    sink->counts[PINPIPE_SINK_RECORDS_READ]++;
    sink->counts[PINPIPE_SINK_OFFSETS_SKIPPED] += skipped;
    file->record_ms = pp_clock_monotonic_ms();
    if (file->line_count + file->reject_count >= sink->flush_records) {
        file->due = PINPIPE_SINK_ROTATIONS_COUNT;
    } else if ((int64_t)(file->lines.len + file->rejects.len) >= sink->flush_bytes) {
        file->due = PINPIPE_SINK_ROTATIONS_BYTES;
    }
    return PINPIPE_OK;
}

/* Takes in what is left of the batch. AGAIN: held up by the store, the rest waits. */
static pinpipe_status batch_take(pinpipe_sink *sink, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    while (status == PINPIPE_OK && sink->batch_at < sink->batch.message_count) {
        status = message_take(sink, &sink->batch.messages[sink->batch_at], err);
        sink->batch_at += status == PINPIPE_OK;
    }
    if (status == PINPIPE_OK) {
        revoked_drop(sink);
        sink->batch = (pinpipe_kafka_batch)PINPIPE_KAFKA_BATCH_INIT;
        sink->batch_at = 0;
    }
    return status;
}

static void idle_mark(pinpipe_sink *sink) {
    int64_t now_ms = pp_clock_monotonic_ms();
    for (int64_t i = 0; i < sink->file_count; i++) {
        pp_sink_file *file = &sink->files[i];
        if (file->due == PP_SINK_NOT_DUE && pp_sink_file_open(file) &&
            now_ms - file->record_ms >= sink->idle_ms) {
            file->due = PINPIPE_SINK_ROTATIONS_IDLE;
        }
    }
}

/* Until the deadline, the first file's idle time or the next repeated attempt. */
static int64_t wait_next_ms(const pinpipe_sink *sink, int64_t deadline_ms) {
    int64_t now_ms = pp_clock_monotonic_ms();
    int64_t until_ms = deadline_ms;
    for (int64_t i = 0; i < sink->file_count; i++) {
        const pp_sink_file *file = &sink->files[i];
        bool counting = file->due == PP_SINK_NOT_DUE && pp_sink_file_open(file);
        if (counting && file->record_ms + sink->idle_ms < until_ms) {
            until_ms = file->record_ms + sink->idle_ms;
        }
    }
    return pp_sink_retry_wait_ms(sink, until_ms > now_ms ? until_ms - now_ms : 0);
}

/* AGAIN: nothing came. */
static pinpipe_status records_take(pinpipe_sink *sink, int64_t deadline_ms, pinpipe_error *err) {
    pinpipe_status status = batch_take(sink, err);
    if (status == PINPIPE_AGAIN) {
        int64_t left_ms = deadline_ms - pp_clock_monotonic_ms();
        pp_clock_sleep_ms(pp_sink_retry_wait_ms(sink, left_ms < HELD_STEP_MS ? left_ms : HELD_STEP_MS));
    }
    if (status != PINPIPE_OK) {
        return status;
    }
    status = pinpipe_kafka_consumer_poll(&sink->batch, sink->consumer, wait_next_ms(sink, deadline_ms), err);
    if (status == PINPIPE_OK) {
        status = batch_take(sink, err);
        status = status == PINPIPE_AGAIN ? PINPIPE_OK : status;
    }
    return status;
}

static int64_t deadline_of(int64_t timeout_ms) {
    int64_t now_ms = pp_clock_monotonic_ms();
    int64_t wait_ms = timeout_ms < 0 ? 0 : timeout_ms;
    return wait_ms > INT64_MAX - now_ms ? INT64_MAX : now_ms + wait_ms;
}

pinpipe_status pinpipe_sink_poll(pinpipe_sink *sink, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = owner_check(sink, err);
    if (status < 0) {
        return status;
    }
    int64_t stored = sink->counts[PINPIPE_SINK_OBJECTS_STORED];
    status = pp_sink_store_due(sink, err);
    if (status < 0) {
        return status;
    }
    pinpipe_status taken = records_take(sink, deadline_of(timeout_ms), err);
    idle_mark(sink);
    /* The first error of a call is the one that is told; what is due stays due. */
    status = pp_sink_store_due(sink, taken < 0 ? NULL : err);
    pinpipe_status committed = pp_sink_commit(sink, taken < 0 || status < 0 ? NULL : err);
    if (taken < 0) {
        return taken;
    }
    if (status < 0 || committed < 0) {
        return status < 0 ? status : committed;
    }
    return taken == PINPIPE_OK || sink->counts[PINPIPE_SINK_OBJECTS_STORED] > stored ? PINPIPE_OK
                                                                                     : PINPIPE_AGAIN;
}

/* ---- flush ---- */

static pinpipe_status flush_step(pinpipe_sink *sink, pinpipe_error *err) {
    pinpipe_status status = batch_take(sink, err);
    for (int64_t i = 0; i < sink->file_count; i++) {
        pp_sink_file *file = &sink->files[i];
        if (file->due == PP_SINK_NOT_DUE && pp_sink_file_open(file)) {
            file->due = PINPIPE_SINK_ROTATIONS_FLUSH;
        }
    }
    if (status >= 0) {
        pinpipe_status stored = pp_sink_store_due(sink, err);
        status = stored == PINPIPE_OK ? status : stored;
    }
    if (status >= 0) {
        pinpipe_status committed = pp_sink_commit(sink, err);
        status = committed == PINPIPE_OK ? status : committed;
    }
    return status;
}

pinpipe_status pinpipe_sink_flush(pinpipe_sink *sink, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = owner_check(sink, err);
    if (status < 0) {
        return status;
    }
    int64_t deadline_ms = deadline_of(timeout_ms);
    status = flush_step(sink, err);
    while (status == PINPIPE_AGAIN && pp_clock_monotonic_ms() < deadline_ms) {
        int64_t left_ms = deadline_ms - pp_clock_monotonic_ms();
        pp_clock_sleep_ms(pp_sink_retry_wait_ms(sink, left_ms < HELD_STEP_MS ? left_ms : HELD_STEP_MS));
        status = flush_step(sink, err);
    }
    if (status != PINPIPE_AGAIN) {
        return status;
    }
    if (sink->trouble.status >= 0) {
        return pp_fail(err, PINPIPE_ETIMEOUT,
                       "the deadline passed before everything read was stored and committed");
    }
    if (err && err->struct_size >= sizeof *err) {
        *err = sink->trouble;
    }
    return sink->trouble.status;
}
