/* Turns what a producer met into counts by shard and by error code.
 * Never keeps more codes than it has room for: the last stands for the rest.
 * Rules: docs/kinesis.md, "Counters". */
#include "kinesis/producer.h"

#if PINPIPE_WITH_KINESIS

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "io/clock.h"

#define REST "other"

static void code_count(pinpipe_kinesis_producer *producer, pinpipe_str code) {
    int32_t at = 0;
    while (at < PP_CODES_MAX - 1 && producer->codes[at].text[0] &&
           !pp_str_is(code, producer->codes[at].text)) {
        at++;
    }
    pp_code *row = &producer->codes[at];
    if (!row->text[0]) {
        pinpipe_str text = at < PP_CODES_MAX - 1 ? code : pp_str(REST);
        snprintf(row->text, sizeof row->text, "%.*s", (int)text.len, text.ptr);
    }
    row->count++;
}

void pp_producer_refused(pinpipe_kinesis_producer *producer, pp_lane *lane, pinpipe_str code,
                         pinpipe_status status) {
    bool is_throttled = status == PINPIPE_ETHROTTLED;
    bool is_named = code.len > 0 && code.len < PP_KINESIS_CODE_BYTES;
    producer->counters[PINPIPE_KINESIS_ERRORS]++;
    producer->counters[PINPIPE_KINESIS_THROTTLED] += is_throttled;
    lane->refused++;
    lane->throttled += is_throttled;
    code_count(producer, is_named ? code : pp_str(pinpipe_status_name(status)));
}

/* Behind OK the producer's loop is left by the caller. */
static pinpipe_status row_enter(pinpipe_kinesis_producer *producer, uint32_t struct_size, size_t least,
                                int64_t index, pinpipe_error *err) {
    if (struct_size < least || index < 0) {
        return pp_fail(err, PINPIPE_EINVAL, "metrics: struct_size %u is below %zu, or index %lld below 0",
                       struct_size, least, (long long)index);
    }
    return pp_loop_enter(producer, 0, err);
}

pinpipe_status pinpipe_kinesis_producer_shard_at(pinpipe_kinesis_shard_metrics *out,
                                                 pinpipe_kinesis_producer *producer, int64_t index,
                                                 pinpipe_error *err) {
    pinpipe_status status = row_enter(producer, out->struct_size, sizeof *out, index, err);
    if (status < 0) {
        return status;
    }
    if (index < producer->lanes.count) {
        const pp_lane *lane = &producer->lanes.rows[index];
        int64_t now_ms = pp_clock_monotonic_ms();
        pinpipe_str id = pp_buf_view(&lane->shard_id);
        *out = (pinpipe_kinesis_shard_metrics)PINPIPE_KINESIS_SHARD_METRICS_INIT;
        snprintf(out->shard_id, sizeof out->shard_id, "%.*s", (int)id.len, id.len ? id.ptr : "");
        out->pace_percent = (int32_t)(100 * lane->factor);
        out->delivered = lane->delivered;
        out->refused = lane->refused;
        out->throttled = lane->throttled;
        out->waiting_ms = lane->resume_ms > now_ms ? lane->resume_ms - now_ms : 0;
    } else {
        status = PINPIPE_DONE;
    }
    pp_loop_leave(producer);
    return status;
}

pinpipe_status pinpipe_kinesis_producer_code_at(pinpipe_kinesis_code_metrics *out,
                                                pinpipe_kinesis_producer *producer, int64_t index,
                                                pinpipe_error *err) {
    pinpipe_status status = row_enter(producer, out->struct_size, sizeof *out, index, err);
    if (status < 0) {
        return status;
    }
    if (index < PP_CODES_MAX && producer->codes[index].text[0]) {
        *out = (pinpipe_kinesis_code_metrics)PINPIPE_KINESIS_CODE_METRICS_INIT;
        memcpy(out->code, producer->codes[index].text, sizeof producer->codes[index].text);
        out->count = producer->codes[index].count;
    } else {
        status = PINPIPE_DONE;
    }
    pp_loop_leave(producer);
    return status;
}

#endif
