/* Turns the public calls on streams and shards into operations, and waits for what they set going.
 * Never waits beyond the call's deadline.
 * Rules: docs/kinesis.md, "Streams"; Amazon Kinesis API Reference. */
#include "kinesis/client.h"

#if PINPIPE_WITH_KINESIS

#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "io/clock.h"

#define STREAMS_MAX 100000
#define NAMES_MAX_BYTES ((size_t)16 << 20)
#define SHARD_COUNT_MAX 1000000
#define RECORD_MAX_BYTES_OLD ((int64_t)1 << 20) /* what every stream takes */
#define PAUSE_FIRST_MS 50
#define PAUSE_MAX_MS 2000

/* ---- describing ---- */

typedef struct description {
    pinpipe_str name, arn, state, mode;
    int64_t open_shard_count, retention_h, record_max_kib;
} description;

static bool mode_read(pinpipe_str *mode, pp_kinesis_reader *reader) {
    pp_kinesis_level map;
    if (!pp_kinesis_read_map(reader, &map)) {
        return false;
    }
    for (pinpipe_str key; pp_kinesis_read_key(reader, &map, &key);) {
        if (!(pp_str_is(key, "StreamMode") ? pp_kinesis_read_text(reader, mode)
                                           : pp_kinesis_read_pass(reader))) {
            return false;
        }
    }
    return !pp_kinesis_is_faulty(reader);
}

static bool summary_member(description *out, pp_kinesis_reader *reader, pinpipe_str key) {
    const struct {
        const char *key;
        pinpipe_str *text;
        int64_t *number;
    } rows[] = {{"StreamName", &out->name, NULL},
                {"StreamARN", &out->arn, NULL},
                {"StreamStatus", &out->state, NULL},
                {"OpenShardCount", NULL, &out->open_shard_count},
                {"RetentionPeriodHours", NULL, &out->retention_h},
                {"MaxRecordSizeInKiB", NULL, &out->record_max_kib}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (pp_str_is(key, rows[i].key)) {
            return rows[i].text ? pp_kinesis_read_text(reader, rows[i].text)
                                : pp_kinesis_read_int(reader, rows[i].number);
        }
    }
    return pp_str_is(key, "StreamModeDetails") ? mode_read(&out->mode, reader) : pp_kinesis_read_pass(reader);
}

static bool summary_read(description *out, pp_kinesis_reader *reader) {
    pp_kinesis_level outer, inner;
    bool is_there = false;
    if (!pp_kinesis_read_map(reader, &outer)) {
        return false;
    }
    for (pinpipe_str key; pp_kinesis_read_key(reader, &outer, &key);) {
        if (!pp_str_is(key, "StreamDescriptionSummary")) {
            pp_kinesis_read_pass(reader);
        } else if (pp_kinesis_read_map(reader, &inner)) {
            for (is_there = true; pp_kinesis_read_key(reader, &inner, &key);) {
                if (!summary_member(out, reader, key)) {
                    return false;
                }
            }
        }
    }
    return is_there && !pp_kinesis_is_faulty(reader);
}

static pinpipe_status describe(description *out, pinpipe_kinesis *kinesis, pinpipe_str stream,
                               int64_t deadline_ms, pinpipe_error *err) {
    pp_kinesis_writer writer;
    pp_kinesis_reader reader;
    *out = (description){.open_shard_count = -1, .retention_h = -1, .record_max_kib = -1};
    pp_kinesis_call_write(&writer, kinesis, stream, 1, err);
    pp_kinesis_write_map_end(&writer);
    pinpipe_status status =
        pp_kinesis_send(&reader, kinesis, &writer, "DescribeStreamSummary", deadline_ms, err);
    if (status == PINPIPE_OK && !summary_read(out, &reader)) {
        status = pp_kinesis_read_fail(&reader, "DescribeStreamSummary", err);
    }
    return status;
}

pinpipe_status pinpipe_kinesis_stream_get(pinpipe_kinesis_stream *out, pinpipe_kinesis *kinesis,
                                          pinpipe_str stream, int64_t timeout_ms, pinpipe_error *err) {
    int64_t deadline_ms = 0;
    description seen = {0};
    *out = (pinpipe_kinesis_stream){0};
    pinpipe_status status = pp_kinesis_deadline(&deadline_ms, kinesis, timeout_ms, err);
    if (status == PINPIPE_OK) {
        status = describe(&seen, kinesis, stream, deadline_ms, err);
    }
    if (status == PINPIPE_OK) {
        *out = (pinpipe_kinesis_stream){
            .name = seen.name,
            .arn = seen.arn,
            .state = seen.state,
            .mode = seen.mode,
            .open_shard_count = seen.open_shard_count,
            .retention_h = seen.retention_h,
            .record_max_bytes = seen.record_max_kib > 0 ? seen.record_max_kib << 10 : RECORD_MAX_BYTES_OLD};
    }
    return status;
}

/* Pauses before the next look, twice as long each time; ETIMEOUT where the deadline comes first. */
static pinpipe_status look_again(int64_t *pause_ms, pinpipe_str stream, const char *waiting_for,
                                 int64_t deadline_ms, pinpipe_error *err) {
    int64_t left_ms = deadline_ms - pp_clock_monotonic_ms();
    if (left_ms <= *pause_ms) {
        return pp_fail_service(err, PINPIPE_ETIMEOUT, PP_KINESIS_SERVICE, 0,
                               "stream '%.*s': waiting until it is %s", pp_quote_len(stream.len), stream.ptr,
                               waiting_for);
    }
    pp_clock_sleep_ms(*pause_ms);
    *pause_ms = *pause_ms * 2 < PAUSE_MAX_MS ? *pause_ms * 2 : PAUSE_MAX_MS;
    return PINPIPE_OK;
}

pinpipe_status pp_kinesis_stream_wait(pinpipe_kinesis *kinesis, pinpipe_str stream, int64_t deadline_ms,
                                      pinpipe_error *err) {
    int64_t pause_ms = PAUSE_FIRST_MS;
    for (;;) {
        description seen;
        pinpipe_status status = describe(&seen, kinesis, stream, deadline_ms, err);
        if (status < 0 || pp_str_is(seen.state, "ACTIVE")) {
            return status;
        }
        status = look_again(&pause_ms, stream, "active", deadline_ms, err);
        if (status < 0) {
            return status;
        }
    }
}

/* ---- changing ---- */

static pinpipe_status count_check(int64_t shard_count, int64_t least, pinpipe_error *err) {
    if (shard_count < least || shard_count > SHARD_COUNT_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "shards: %lld, not %lld to %d", (long long)shard_count,
                       (long long)least, SHARD_COUNT_MAX);
    }
    return PINPIPE_OK;
}

/* Sends what was written, and waits until the stream can be used again. */
static pinpipe_status change(pinpipe_kinesis *kinesis, const pp_kinesis_writer *writer, const char *operation,
                             int64_t deadline_ms, pinpipe_error *err) {
    pinpipe_str stream = kinesis->call.about;
    pinpipe_status status = pp_kinesis_tell(kinesis, writer, operation, deadline_ms, err);
    return status == PINPIPE_OK ? pp_kinesis_stream_wait(kinesis, stream, deadline_ms, err) : status;
}

pinpipe_status pinpipe_kinesis_stream_put(pinpipe_kinesis *kinesis, pinpipe_str stream, int64_t shard_count,
                                          int64_t timeout_ms, pinpipe_error *err) {
    pp_kinesis_writer writer;
    int64_t deadline_ms = 0;
    pinpipe_status status = count_check(shard_count, 0, err);
    if (status == PINPIPE_OK) {
        status = pp_kinesis_deadline(&deadline_ms, kinesis, timeout_ms, err);
    }
    if (status < 0) {
        return status;
    }
    pp_kinesis_call_write(&writer, kinesis, stream, 2, err);
    if (shard_count > 0) {
        pp_kinesis_write_key(&writer, "ShardCount");
        pp_kinesis_write_int(&writer, shard_count);
    } else {
        pp_kinesis_write_key(&writer, "StreamModeDetails");
        pp_kinesis_write_map(&writer, 1);
        pp_kinesis_write_key(&writer, "StreamMode");
        pp_kinesis_write_text(&writer, pp_str("ON_DEMAND"));
        pp_kinesis_write_map_end(&writer);
    }
    pp_kinesis_write_map_end(&writer);
    return change(kinesis, &writer, "CreateStream", deadline_ms, err);
}

pinpipe_status pinpipe_kinesis_stream_delete(pinpipe_kinesis *kinesis, pinpipe_str stream, int64_t timeout_ms,
                                             pinpipe_error *err) {
    pp_kinesis_writer writer;
    int64_t deadline_ms = 0, pause_ms = PAUSE_FIRST_MS;
    pinpipe_status status = pp_kinesis_deadline(&deadline_ms, kinesis, timeout_ms, err);
    if (status < 0) {
        return status;
    }
    pp_kinesis_call_write(&writer, kinesis, stream, 1, err);
    pp_kinesis_write_map_end(&writer);
    status = pp_kinesis_tell(kinesis, &writer, "DeleteStream", deadline_ms, err);
    while (status == PINPIPE_OK) {
        description seen;
        pinpipe_error cause = PINPIPE_ERROR_INIT;
        status = describe(&seen, kinesis, stream, deadline_ms, &cause);
        if (status == PINPIPE_ENOTFOUND) {
            return PINPIPE_OK;
        }
        if (status < 0) {
            return pp_fail_service(err, status, cause.service, cause.native_code, "%s", cause.message);
        }
        status = look_again(&pause_ms, stream, "gone", deadline_ms, err);
    }
    return status;
}

/* What a change of one or two shards says beside the stream's name. */
typedef struct shard_change {
    const char *operation;
    const char *names[2];
    pinpipe_str texts[2];
} shard_change;

static pinpipe_status shards_change(pinpipe_kinesis *kinesis, pinpipe_str stream, const shard_change *wish,
                                    int64_t timeout_ms, pinpipe_error *err) {
    pp_kinesis_writer writer;
    int64_t deadline_ms = 0;
    pinpipe_status status = pp_kinesis_deadline(&deadline_ms, kinesis, timeout_ms, err);
    if (status < 0) {
        return status;
    }
    pp_kinesis_call_write(&writer, kinesis, stream, 3, err);
    for (int i = 0; i < 2; i++) {
        pp_kinesis_write_key(&writer, wish->names[i]);
        pp_kinesis_write_text(&writer, wish->texts[i]);
    }
    pp_kinesis_write_map_end(&writer);
    return change(kinesis, &writer, wish->operation, deadline_ms, err);
}

pinpipe_status pinpipe_kinesis_shard_split(pinpipe_kinesis *kinesis, pinpipe_str stream,
                                           pinpipe_kinesis_split split, int64_t timeout_ms,
                                           pinpipe_error *err) {
    shard_change wish = {.operation = "SplitShard",
                         .names = {"ShardToSplit", "NewStartingHashKey"},
                         .texts = {split.shard_id, split.hash_key}};
    return shards_change(kinesis, stream, &wish, timeout_ms, err);
}

pinpipe_status pinpipe_kinesis_shards_merge(pinpipe_kinesis *kinesis, pinpipe_str stream,
                                            pinpipe_kinesis_merge merge, int64_t timeout_ms,
                                            pinpipe_error *err) {
    shard_change wish = {.operation = "MergeShards",
                         .names = {"ShardToMerge", "AdjacentShardToMerge"},
                         .texts = {merge.shard_id, merge.adjacent_id}};
    return shards_change(kinesis, stream, &wish, timeout_ms, err);
}

pinpipe_status pinpipe_kinesis_shards_set(pinpipe_kinesis *kinesis, pinpipe_str stream, int64_t shard_count,
                                          int64_t timeout_ms, pinpipe_error *err) {
    pp_kinesis_writer writer;
    int64_t deadline_ms = 0;
    pinpipe_status status = count_check(shard_count, 1, err);
    if (status == PINPIPE_OK) {
        status = pp_kinesis_deadline(&deadline_ms, kinesis, timeout_ms, err);
    }
    if (status < 0) {
        return status;
    }
    pp_kinesis_call_write(&writer, kinesis, stream, 3, err);
    pp_kinesis_write_key(&writer, "TargetShardCount");
    pp_kinesis_write_int(&writer, shard_count);
    pp_kinesis_write_key(&writer, "ScalingType");
    pp_kinesis_write_text(&writer, pp_str("UNIFORM_SCALING"));
    pp_kinesis_write_map_end(&writer);
    return change(kinesis, &writer, "UpdateShardCount", deadline_ms, err);
}

/* ---- listing ---- */

static pinpipe_status name_add(pinpipe_kinesis *kinesis, pinpipe_str name, pinpipe_error *err) {
    if (kinesis->name_count == STREAMS_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "there are more than %d streams", STREAMS_MAX);
    }
    if ((kinesis->name_count & (kinesis->name_count - 1)) == 0) { /* full at every power of two */
        size_t cap = kinesis->name_count ? (size_t)kinesis->name_count * 2 : 1;
        int64_t *grown = pp_realloc(kinesis->name_at, cap * sizeof *grown);
        if (!grown) {
            return pp_fail_memory(err, "streams", cap * sizeof *grown);
        }
        kinesis->name_at = grown;
    }
    int64_t at = (int64_t)kinesis->names.len;
    pinpipe_status status = pp_buf_reserve(&kinesis->names, name.len + 1, NAMES_MAX_BYTES, err);
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&kinesis->names, name.ptr, name.len, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&kinesis->names, "", 1, err);
    }
    if (status == PINPIPE_OK) {
        kinesis->name_at[kinesis->name_count++] = at;
    }
    return status;
}

static pinpipe_status names_read(bool *has_more, pinpipe_kinesis *kinesis, pp_kinesis_reader *reader,
                                 pinpipe_error *err) {
    pp_kinesis_level map, list;
    pinpipe_status status = PINPIPE_OK;
    *has_more = false;
    if (pp_kinesis_read_map(reader, &map)) {
        for (pinpipe_str key; status == PINPIPE_OK && pp_kinesis_read_key(reader, &map, &key);) {
            if (pp_str_is(key, "HasMoreStreams")) {
                pp_kinesis_read_flag(reader, has_more);
            } else if (!pp_str_is(key, "StreamNames")) {
                pp_kinesis_read_pass(reader);
            } else if (pp_kinesis_read_list(reader, &list)) {
                while (status == PINPIPE_OK && pp_kinesis_read_item(reader, &list)) {
                    pinpipe_str name;
                    if (pp_kinesis_read_text(reader, &name)) {
                        status = name_add(kinesis, name, err);
                    }
                }
            }
        }
    }
    return status == PINPIPE_OK && pp_kinesis_is_faulty(reader)
               ? pp_kinesis_read_fail(reader, "ListStreams", err)
               : status;
}

pinpipe_status pinpipe_kinesis_streams_list(pinpipe_kinesis *kinesis, int64_t timeout_ms,
                                            pinpipe_error *err) {
    int64_t deadline_ms = 0;
    bool has_more = true;
    pinpipe_status status = pp_kinesis_deadline(&deadline_ms, kinesis, timeout_ms, err);
    kinesis->name_count = 0;
    pp_buf_clear(&kinesis->names);
    while (status == PINPIPE_OK && has_more) {
        pp_kinesis_writer writer;
        pp_kinesis_reader reader;
        int64_t before = kinesis->name_count;
        kinesis->call.about = (pinpipe_str){"", 0};
        pp_kinesis_write_begin(&writer, &kinesis->call.body, kinesis->wire, before > 0, err);
        if (before > 0) {
            pp_kinesis_write_key(&writer, "ExclusiveStartStreamName");
            pp_kinesis_write_text(&writer, pinpipe_kinesis_stream_name_at(kinesis, before - 1));
        }
        pp_kinesis_write_map_end(&writer);
        status = pp_kinesis_send(&reader, kinesis, &writer, "ListStreams", deadline_ms, err);
        if (status == PINPIPE_OK) {
            status = names_read(&has_more, kinesis, &reader, err);
        }
        has_more = has_more && kinesis->name_count > before; /* a page without names would come for ever */
    }
    return status;
}

int64_t pinpipe_kinesis_stream_count(const pinpipe_kinesis *kinesis) {
    return kinesis->name_count;
}

pinpipe_str pinpipe_kinesis_stream_name_at(const pinpipe_kinesis *kinesis, int64_t index) {
    return pp_str(kinesis->names.ptr + kinesis->name_at[index]);
}

void pp_kinesis_write_page(pp_kinesis_writer *writer, pinpipe_str stream, pinpipe_str token) {
    if (token.len) { /* it names the stream, and nothing else may */
        pp_kinesis_write_key(writer, "NextToken");
        pp_kinesis_write_text(writer, token);
    } else {
        pp_kinesis_write_stream(writer, stream);
    }
    pp_kinesis_write_map_end(writer);
}

pinpipe_status pinpipe_kinesis_shards_list(pinpipe_kinesis *kinesis, pinpipe_str stream, int64_t timeout_ms,
                                           pinpipe_error *err) {
    int64_t deadline_ms = 0;
    pinpipe_buf next = PINPIPE_BUF_INIT;
    pinpipe_status status = pp_kinesis_deadline(&deadline_ms, kinesis, timeout_ms, err);
    pp_kinesis_shards_clear(&kinesis->shards);
    if (status == PINPIPE_OK) {
        status = pp_kinesis_stream_check(stream, err);
    }
    for (bool is_first = true; status == PINPIPE_OK && (is_first || next.len); is_first = false) {
        pp_kinesis_writer writer;
        pp_kinesis_reader reader;
        kinesis->call.about = stream;
        pp_kinesis_write_begin(&writer, &kinesis->call.body, kinesis->wire, 1, err);
        pp_kinesis_write_page(&writer, stream, pp_buf_view(&next));
        status = pp_kinesis_send(&reader, kinesis, &writer, "ListShards", deadline_ms, err);
        if (status == PINPIPE_OK) {
            status = pp_kinesis_shards_read(&kinesis->shards, &next, &reader, err);
        }
    }
    pinpipe_buf_reset(&next);
    return status;
}

int64_t pinpipe_kinesis_shard_count(const pinpipe_kinesis *kinesis) {
    return kinesis->shards.count;
}

pinpipe_kinesis_shard pinpipe_kinesis_shard_at(const pinpipe_kinesis *kinesis, int64_t index) {
    return pp_kinesis_shards_at(&kinesis->shards, index);
}

#endif
