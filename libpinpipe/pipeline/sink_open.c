/* Turns a caller's options into a sink: settings, partitioner, consumer, workers with a store each.
 * Never asks a server: opening waits for nothing but the first key of a login.
 * Rules: docs/sink.md; include/pinpipe/sink.h. */
#include "pipeline/sink_state.h"

#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "kafka/config.h"

#define GROUP_DEFAULT "pinpipe-sink"
#define TOPICS_DIR_DEFAULT "topics"
#define REJECTS_DIR "rejects"
#define FLUSH_RECORDS_DEFAULT 10000
#define FLUSH_BYTES_DEFAULT ((int64_t)8 << 20)
#define IDLE_DEFAULT_MS 10000
#define BUFFERED_DEFAULT_BYTES ((int64_t)64 << 20)
#define STORE_TIMEOUT_DEFAULT_MS 30000
#define OFFSET_WIDTH_DEFAULT 10
#define OFFSET_WIDTH_MAX 20
#define WORKERS_DEFAULT 4
/* A batch is copied at once, so what is read ahead need only bridge a broker's answers: twice as much costs
 * 12 MiB of memory and saves no time (docs/performance.md, "The object sink"). */
#define QUEUE_BYTES ((int64_t)8 << 20)

static pinpipe_status number_check(const char *name, int64_t value, int64_t most, pinpipe_error *err) {
    if (value >= 0 && value <= most) {
        return PINPIPE_OK;
    }
    return value < 0 ? pp_fail(err, PINPIPE_EINVAL, "%s %lld is negative", name, (long long)value)
                     : pp_fail(err, PINPIPE_EINVAL, "%s %lld is more than %lld", name, (long long)value,
                               (long long)most);
}

static pinpipe_status numbers_check(const pinpipe_sink_options *options, pinpipe_error *err) {
    const struct {
        const char *name;
        int64_t value, most;
    } rows[] = {
        {"flush_records", options->flush_records, INT64_MAX},
        {"flush_bytes", options->flush_bytes, INT64_MAX},
        {"idle_ms", options->idle_ms, INT64_MAX / 2},
        {"rotate_interval_ms", options->rotate_interval_ms, INT64_MAX},
        {"rotate_schedule_ms", options->rotate_schedule_ms, 86400000},
        {"max_buffered_bytes", options->max_buffered_bytes, INT64_MAX / 2},
        {"store_timeout_ms", options->store_timeout_ms, INT32_MAX},
        {"partition_duration_ms", options->partition_duration_ms, INT64_MAX},
        {"workers", options->workers, PP_SINK_WORKERS_MAX},
        {"offset_width", options->offset_width, OFFSET_WIDTH_MAX},
        {"format", options->format, PINPIPE_SINK_FORMAT_ENVELOPE},
        {"compression", options->compression, PINPIPE_SINK_COMPRESSION_ZSTD},
        {"null_values", options->null_values, PINPIPE_SINK_POLICY_KEEP},
        {"unreadable_values", options->unreadable_values, PINPIPE_SINK_POLICY_REJECT},
    };
    pinpipe_status status = PINPIPE_OK;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && status == PINPIPE_OK; i++) {
        status = number_check(rows[i].name, rows[i].value, rows[i].most, err);
    }
    return status;
}

static pinpipe_status options_check(const pinpipe_sink_options *options, pinpipe_error *err) {
    if (!options || options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "sink options lack their struct_size");
    }
    if (options->topics.len == 0 || options->target.len == 0) {
        return pp_fail(err, PINPIPE_EINVAL, "a sink needs topics and a target");
    }
    const pinpipe_str dir = options->topics_dir;
    if (dir.len &&
        (dir.ptr[0] == '/' || dir.ptr[dir.len - 1] == '/' || pp_str_equal(dir, pp_str(REJECTS_DIR)))) {
        return pp_fail(err, PINPIPE_EINVAL, "topics_dir '%.*s' is no folder of topics", pp_quote_len(dir.len),
                       dir.ptr);
    }
    const char *automatic = pp_kafka_config_value(options->config, "enable.auto.commit");
    if (automatic && strcmp(automatic, "false") != 0) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "setting 'enable.auto.commit': the sink commits only what is stored");
    }
    return numbers_check(options, err);
}

/* ---- settings ---- */

static int64_t or_default(int64_t value, int64_t fallback) {
    return value ? value : fallback;
}

static pinpipe_status text_set(pinpipe_buf *out, pinpipe_str text, const char *fallback, pinpipe_error *err) {
    pinpipe_str chosen = text.len ? text : pp_str(fallback);
    return pp_buf_append(out, chosen.ptr, chosen.len, err);
}

/* The JSON converter's form: extension of the format, then that of the codec. */
static const char *extension_of(int32_t compression) {
    static const char *const extensions[] = {".json", ".json.gz", ".json.zst"};
    return extensions[compression];
}

static pinpipe_status settings_set(pp_sink_settings *out, const pinpipe_sink_options *options,
                                   pinpipe_error *err) {
    out->flush_records = or_default(options->flush_records, FLUSH_RECORDS_DEFAULT);
    out->flush_bytes = or_default(options->flush_bytes, FLUSH_BYTES_DEFAULT);
    out->idle_ms = or_default(options->idle_ms, IDLE_DEFAULT_MS);
    out->rotate_interval_ms = options->rotate_interval_ms;
    out->rotate_schedule_ms = options->rotate_schedule_ms;
    out->max_buffered_bytes = or_default(options->max_buffered_bytes, BUFFERED_DEFAULT_BYTES);
    out->store_timeout_ms = or_default(options->store_timeout_ms, STORE_TIMEOUT_DEFAULT_MS);
    out->offset_width = (int32_t)or_default(options->offset_width, OFFSET_WIDTH_DEFAULT);
    out->compression = options->compression;
    out->format = options->format;
    out->null_values = options->null_values;
    out->unreadable_values = options->unreadable_values;
    const struct {
        pinpipe_buf *to;
        pinpipe_str text;
        const char *fallback;
    } rows[] = {{&out->topics_dir, options->topics_dir, TOPICS_DIR_DEFAULT},
                {&out->rejects_dir, {NULL, 0}, REJECTS_DIR},
                {&out->file_delim, options->file_delim, "+"},
                {&out->extension, {NULL, 0}, extension_of(options->compression)}};
    pinpipe_status status = PINPIPE_OK;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && status == PINPIPE_OK; i++) {
        status = text_set(rows[i].to, rows[i].text, rows[i].fallback, err);
    }
    return status;
}

void pp_sink_settings_reset(pp_sink_settings *settings) {
    pinpipe_buf *const held[] = {&settings->topics_dir, &settings->rejects_dir, &settings->file_delim,
                                 &settings->extension};
    for (size_t i = 0; i < sizeof held / sizeof held[0]; i++) {
        pinpipe_buf_reset(held[i]);
    }
}

/* s3://bucket/topics and s3://bucket name the same place: the folder of topics is not made in itself. */
static pinpipe_str target_base(pinpipe_str target, pinpipe_str root) {
    size_t len = target.len;
    while (len > 0 && target.ptr[len - 1] == '/') {
        len--;
    }
    if (len > root.len + 1 && memcmp(target.ptr + len - root.len, root.ptr, root.len) == 0 &&
        target.ptr[len - root.len - 1] == '/' && target.ptr[len - root.len - 2] != '/') {
        return (pinpipe_str){target.ptr, len - root.len - 1};
    }
    return target;
}

/* ---- what it stands on ---- */

static pinpipe_status workers_open(pinpipe_sink *sink, const pinpipe_sink_options *options,
                                   pinpipe_error *err) {
    void *handles[PP_SINK_WORKERS_MAX];
    pinpipe_str base = target_base(options->target, pp_buf_view(&sink->settings.topics_dir));
    int32_t count = (int32_t)or_default(options->workers, WORKERS_DEFAULT);
    pinpipe_status status = PINPIPE_OK;
    sink->settings.target_hash = XXH3_64bits(base.ptr, base.len);
    for (int32_t i = 0; i < count && status == PINPIPE_OK; i++) {
        pp_sink_worker *worker = &sink->workers[i];
        worker->sink = sink;
        handles[i] = worker;
        sink->settings.worker_count++;
        status = i == 0 ? pp_object_store_open(&worker->store, base, options->s3, err)
                        : pp_object_store_copy(&worker->store, sink->workers[0].store, err);
        if (status == PINPIPE_OK && options->compression != PINPIPE_SINK_COMPRESSION_NONE) {
            status = pp_compressor_new(&worker->compressor, (pp_codec)options->compression,
                                       options->compression_level, err);
        }
    }
    return status == PINPIPE_OK ? pp_work_pool_new(&sink->pool, handles, count, err) : status;
}

static pinpipe_status consumer_open(pinpipe_sink *sink, const pinpipe_sink_options *options,
                                    pinpipe_error *err) {
    pinpipe_buf topics = PINPIPE_BUF_INIT;
    pinpipe_kafka_consumer_options reader = PINPIPE_KAFKA_CONSUMER_OPTIONS_INIT;
    /* librdkafka looks for a match anywhere in a name; a sink's expression stands for whole names, as
     * Connect's. */
    pinpipe_status status =
        pp_buf_printf(&topics, err, "^(%.*s)$", (int)options->topics.len, options->topics.ptr);
    if (status == PINPIPE_OK) {
        reader.brokers = options->brokers;
        reader.group = options->group.len ? options->group : pp_str(GROUP_DEFAULT);
        reader.topics = pp_buf_view(&topics);
        reader.queue_bytes = QUEUE_BYTES;
        reader.revocation = PINPIPE_KAFKA_REVOCATION_HELD;
        status = pinpipe_kafka_consumer_new(&sink->consumer, &reader, options->config, err);
    }
    pinpipe_buf_reset(&topics);
    return status;
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
    sink->batch = (pinpipe_kafka_batch)PINPIPE_KAFKA_BATCH_INIT;
    sink->trouble = (pinpipe_error)PINPIPE_ERROR_INIT;
    status = settings_set(&sink->settings, options, err);
    if (status == PINPIPE_OK) {
        status = pp_sink_partitioner_new(&sink->partitioner, options, err);
    }
    if (status == PINPIPE_OK) {
        status = workers_open(sink, options, err);
    }
    if (status == PINPIPE_OK) {
        status = consumer_open(sink, options, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_sink_letters_open(&sink->letters, options, err);
    }
    if (status < 0) {
        pinpipe_sink_free(sink);
        return status;
    }
    *out = sink;
    return PINPIPE_OK;
}
