/* Turns records into queues, one a shard, each with the rate that its shard takes.
 * Never reads a clock: the producer has the time.
 * Rules: docs/kinesis.md, "Pacing": additive increase, multiplicative decrease. */
#include "kinesis/lane.h"

#if PINPIPE_WITH_KINESIS

#include <stdlib.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "io/retry.h"

#define RECORDS_S 1000.0
#define BYTES_S 1048576.0
/* A fifth of a second's share at once: the service's own window is not told. */
#define BURST_S 0.2
/* What is saved up, once all is spent, before the lane sends again. */
#define SAVED_S 0.05
#define FACTOR_MIN 0.01
#define FACTOR_CUT 0.7
#define FACTOR_GAIN_S 0.05
#define CUT_EVERY_MS 250

static pinpipe_status rows_new(pp_lane **out, size_t count, pinpipe_error *err) {
    *out = pp_alloc_zero(count * sizeof **out);
    return *out ? PINPIPE_OK : pp_fail_memory(err, "lanes", count * sizeof **out);
}

static void lane_begin(pp_lane *lane, int64_t now_ms) {
    lane->factor = 1;
    lane->record_tokens = RECORDS_S * BURST_S;
    lane->byte_tokens = BYTES_S * BURST_S;
    lane->filled_ms = now_ms;
}

pinpipe_status pp_lanes_open_one(pp_lanes *lanes, pinpipe_error *err) {
    pinpipe_status status = rows_new(&lanes->rows, 1, err);
    if (status == PINPIPE_OK) {
        lanes->count = 1;
        lanes->rows[0].to = ~(pp_kinesis_hash)0;
        lane_begin(&lanes->rows[0], 0);
    }
    return status;
}

static void rows_free(pp_lane *rows, int32_t count) {
    for (int32_t i = 0; i < count; i++) {
        for (pp_entry *entry = rows[i].first, *next = NULL; entry; entry = next) {
            next = entry->next;
            pp_free(entry);
        }
        pinpipe_buf_reset(&rows[i].shard_id);
    }
    pp_free(rows);
}

void pp_lanes_reset(pp_lanes *lanes) {
    rows_free(lanes->rows, lanes->count);
    *lanes = (pp_lanes){0};
}

static int by_hash(const void *a, const void *b) {
    const pp_lane *left = a, *right = b;
    return left->from < right->from ? -1 : left->from > right->from;
}

/* Every hash key has one open shard, but for the moment in which a stream is being changed. */
static bool covers_all(const pp_lane *rows, int32_t count) {
    pp_kinesis_hash next = 0;
    for (int32_t i = 0; i < count; i++) {
        if (rows[i].from != next || rows[i].to < rows[i].from) {
            return false;
        }
        next = rows[i].to + 1;
    }
    return count > 0 && next == 0;
}

static pinpipe_status rows_fill(pp_lane *rows, int32_t *count, const pp_kinesis_shards *shards,
                                int64_t now_ms, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    for (int64_t i = 0; status == PINPIPE_OK && i < shards->count; i++) {
        if (shards->rows[i].texts[PP_KINESIS_SHARD_LAST_SEQUENCE].len) {
            continue; /* closed */
        }
        pinpipe_str id = pp_kinesis_shard_text(shards, i, PP_KINESIS_SHARD_ID);
        pp_lane *lane = &rows[(*count)++];
        lane->from = shards->rows[i].first;
        lane->to = shards->rows[i].last;
        lane_begin(lane, now_ms);
        status = pp_buf_append(&lane->shard_id, id.ptr, id.len, err);
    }
    return status;
}

pinpipe_status pp_lanes_set(pp_lanes *lanes, const pp_kinesis_shards *shards, int64_t now_ms,
                            pinpipe_error *err) {
    pp_lanes made = {.is_paced = true};
    pinpipe_status status = rows_new(&made.rows, (size_t)shards->count + 1, err);
    if (status == PINPIPE_OK) {
        status = rows_fill(made.rows, &made.count, shards, now_ms, err);
    }
    if (status < 0) {
        pp_lanes_reset(&made);
        return status;
    }
    qsort(made.rows, (size_t)made.count, sizeof *made.rows, by_hash);
    if (!covers_all(made.rows, made.count)) {
        pp_lanes_reset(&made);
        return pp_fail_service(err, PINPIPE_EDATA, "kinesis", 0,
                               "the stream's open shards leave hash keys out, or have them twice");
    }
    for (int32_t i = 0; i < lanes->count; i++) {
        pp_lane *former = &lanes->rows[i];
        int32_t same = pp_lanes_find(&made, former->from);
        if (pp_str_equal(pp_buf_view(&made.rows[same].shard_id), pp_buf_view(&former->shard_id))) {
            made.rows[same].factor = former->factor; /* what its shard taught stays known */
            made.rows[same].record_tokens = former->record_tokens;
            made.rows[same].byte_tokens = former->byte_tokens;
            made.rows[same].filled_ms = former->filled_ms;
            made.rows[same].is_spent = former->is_spent;
            made.rows[same].delivered = former->delivered;
            made.rows[same].refused = former->refused;
            made.rows[same].throttled = former->throttled;
        }
        for (pp_entry *entry = former->first, *next = NULL; entry; entry = next) {
            next = entry->next;
            pp_lane_put(&made.rows[pp_lanes_find(&made, entry->hash)], entry);
        }
        former->first = former->last = NULL;
    }
    pp_lanes_reset(lanes);
    *lanes = made;
    return PINPIPE_OK;
}

int32_t pp_lanes_find(const pp_lanes *lanes, pp_kinesis_hash hash) {
    int32_t low = 0, high = lanes->count - 1;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (lanes->rows[middle].to < hash) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void pp_lane_put(pp_lane *lane, pp_entry *entry) {
    entry->next = NULL;
    if (lane->last) {
        lane->last->next = entry;
    } else {
        lane->first = entry;
    }
    lane->last = entry;
}

void pp_lane_put_back(pp_lane *lane, pp_entry *first) {
    pp_entry *last = first;
    while (last->next) {
        last = last->next;
    }
    last->next = lane->first;
    lane->first = first;
    lane->last = lane->last ? lane->last : last;
}

/* Seconds until a spent lane has saved enough. */
static double saving_s(const pp_lane *lane) {
    double records_s = SAVED_S - lane->record_tokens / (RECORDS_S * lane->factor);
    double bytes_s = SAVED_S - lane->byte_tokens / (BYTES_S * lane->factor);
    return records_s > bytes_s ? records_s : bytes_s;
}

void pp_lane_fill(pp_lane *lane, int64_t now_ms) {
    double seconds = now_ms > lane->filled_ms ? (double)(now_ms - lane->filled_ms) / 1000 : 0;
    double records = lane->record_tokens + RECORDS_S * lane->factor * seconds;
    double bytes = lane->byte_tokens + BYTES_S * lane->factor * seconds;
    lane->record_tokens = records < RECORDS_S * BURST_S ? records : RECORDS_S * BURST_S;
    lane->byte_tokens = bytes < BYTES_S * BURST_S ? bytes : BYTES_S * BURST_S;
    lane->factor = lane->factor + FACTOR_GAIN_S * seconds < 1 ? lane->factor + FACTOR_GAIN_S * seconds : 1;
    lane->filled_ms = now_ms > lane->filled_ms ? now_ms : lane->filled_ms;
    lane->is_spent = lane->is_spent && saving_s(lane) > 0;
}

bool pp_lane_is_ready(const pp_lanes *lanes, const pp_lane *lane, int64_t now_ms) {
    return lane->first && now_ms >= lane->resume_ms && !(lanes->is_paced && lane->is_spent);
}

int64_t pp_lane_due_ms(const pp_lanes *lanes, const pp_lane *lane, int64_t now_ms) {
    int64_t due_ms = lane->resume_ms > now_ms ? lane->resume_ms : now_ms;
    if (!lane->first) {
        return INT64_MAX;
    }
    if (lanes->is_paced && lane->is_spent) {
        int64_t saved_ms = lane->filled_ms + (int64_t)(saving_s(lane) * 1000) + 1;
        due_ms = saved_ms > due_ms ? saved_ms : due_ms;
    }
    return due_ms;
}

/* Tokens may fall below nothing, so that a record larger than a burst is sent, and waited for afterwards. */
void pp_lane_spend(pp_lane *lane, int64_t bytes) {
    lane->record_tokens -= 1;
    lane->byte_tokens -= (double)bytes;
    lane->is_spent = lane->is_spent || lane->record_tokens < 1 || lane->byte_tokens <= 0;
}

void pp_lane_cut(pp_lane *lane, int64_t now_ms) {
    if (now_ms - lane->cut_ms >= CUT_EVERY_MS || lane->cut_ms == 0) {
        lane->factor = lane->factor * FACTOR_CUT > FACTOR_MIN ? lane->factor * FACTOR_CUT : FACTOR_MIN;
        lane->cut_ms = now_ms;
    }
    lane->is_spent = true;
    lane->record_tokens = lane->record_tokens < 0 ? lane->record_tokens : 0;
    lane->byte_tokens = lane->byte_tokens < 0 ? lane->byte_tokens : 0;
}

void pp_lane_pause(pp_lane *lane, int64_t now_ms, double random) {
    lane->round = lane->round < 30 ? lane->round + 1 : lane->round;
    lane->resume_ms = now_ms + pp_retry_partial_ms(lane->round, random);
}

#endif
