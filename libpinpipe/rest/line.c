/* Turns requests that wait into attempts, and their ends into results or further attempts.
 * Never sends a record again that was confirmed, nor one that was refused for good.
 * Rules: docs/kafka-rest.md, "Delivery"; docs/credentials.md, "Retries". */
#include "rest/client.h"

#if PINPIPE_WITH_S3

#include <assert.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "io/clock.h"

#define CONTENT_TYPE "application/vnd.kafka.json.v2+json"
#define ACCEPT "application/vnd.kafka.v2+json"

/* ---- a request's life ---- */

static pp_rest_batch *spare_take(pinpipe_kafka_rest *rest) {
    pp_rest_batch *batch = rest->spare;
    if (batch) {
        rest->spare = batch->after;
        return batch;
    }
    return pp_alloc_zero(sizeof *batch);
}

pinpipe_status pp_rest_batch_begin(pinpipe_kafka_rest *rest, pp_rest_topic *topic, pinpipe_error *err) {
    pp_rest_batch *batch = spare_take(rest);
    if (!batch) {
        return pp_fail_memory(err, "a request", sizeof *batch);
    }
    batch->after = NULL;
    batch->topic = topic;
    batch->state = PP_REST_FILLING;
    batch->rounds = 0;
    batch->queued_bytes = 0;
    batch->is_repeat = false;
    pp_rest_body_clear(&batch->body);
    pp_api_attempt_clear(&batch->attempt);
    *rest->line_end = batch;
    rest->line_end = &batch->after;
    topic->filling = batch;
    return PINPIPE_OK;
}

void pp_rest_batch_end(pp_rest_topic *topic) {
    pp_rest_body_end(&topic->filling->body);
    topic->filling->state = PP_REST_READY;
    topic->filling = NULL;
}

void pp_rest_batch_reset(pinpipe_kafka_rest *rest, pp_rest_batch *batch) {
    pp_api_attempt_reset(rest->api, &batch->attempt);
    pp_rest_body_reset(&batch->body);
    pp_buf_reset_secret(&batch->answer); /* it may repeat what was sent */
    pp_free(batch);
}

/* ---- results ---- */

static void parts_fail(pinpipe_kafka_rest *rest, pp_rest_batch *batch, const pinpipe_error *error,
                       pp_answer_seen seen) {
    for (int64_t i = 0; i < batch->body.count; i++) {
        batch->body.parts[i].may_repeat |= seen == PP_ANSWER_MAYBE;
        pp_rest_note(rest, &batch->body.parts[i], NULL, error);
    }
    batch->body.count = 0;
}

/* True where there is time for another attempt, which `pause_ms` of waiting come before. */
static bool pause_begin(pinpipe_kafka_rest *rest, pp_rest_batch *batch, int64_t pause_ms,
                        const pinpipe_error *error) {
    batch->due_ms = pp_clock_monotonic_ms() + pause_ms;
    if (batch->due_ms >= batch->deadline_ms) {
        return false;
    }
    batch->state = PP_REST_PAUSING;
    batch->is_repeat = true;
    rest->trouble = *error;
    pp_log(PP_LOG_INFO, PP_REST_SERVICE, "%lld records again in %lld ms: %s", (long long)batch->body.count,
           (long long)pause_ms, error->message);
    return true;
}

/* The request failed as a whole. */
static void whole_fail(pinpipe_kafka_rest *rest, pp_rest_batch *batch, const pp_rest_verdict *verdict) {
    int64_t pause_ms = 0;
    if (pp_api_again(&pause_ms, rest->api, &batch->attempt, verdict->kind) &&
        pause_begin(rest, batch, pause_ms, &verdict->error)) {
        for (int64_t i = 0; i < batch->body.count; i++) {
            batch->body.parts[i].may_repeat |= verdict->seen == PP_ANSWER_MAYBE;
        }
        return;
    }
    parts_fail(rest, batch, &verdict->error, verdict->seen);
}

/* Every record has its own answer; those that may succeed later stay in the body. `seen` is of an attempt
 * before the one that was answered. */
static void entries_take(pinpipe_kafka_rest *rest, pp_rest_batch *batch, pp_answer_seen seen) {
    int64_t again = 0, pause_ms = -1;
    pinpipe_error first = PINPIPE_ERROR_INIT;
    for (int64_t i = 0; i < batch->body.count; i++) {
        pp_rest_part *part = &batch->body.parts[i];
        const pp_rest_entry *entry = &rest->entries[i];
        const pp_answer_row *row = pp_rest_entry_judge(entry);
        part->may_repeat |= seen == PP_ANSWER_MAYBE;
        if (!row) {
            pp_rest_note(rest, part, entry, NULL);
            continue;
        }
        pinpipe_error error = PINPIPE_ERROR_INIT;
        pp_rest_entry_fail(&error, rest, batch, entry, row);
        pause_ms = pause_ms < 0 ? pp_retry_partial_ms(batch->rounds + 1, pp_retry_random()) : pause_ms;
        part->may_repeat |= row->seen == PP_ANSWER_MAYBE;
        part->is_again =
            row->kind != PP_RETRY_NEVER && pp_clock_monotonic_ms() + pause_ms < batch->deadline_ms;
        if (!part->is_again) {
            pp_rest_note(rest, part, entry, &error);
        } else if (again++ == 0) {
            first = error;
        }
    }
    if (!again) {
        batch->body.count = 0;
        return;
    }
    pp_rest_body_again(&batch->body);
    batch->rounds++;
    if (!pause_begin(rest, batch, pause_ms, &first)) {
        parts_fail(rest, batch, &first, PP_ANSWER_MAYBE);
    }
}

static void attempt_judge(pinpipe_kafka_rest *rest, pp_rest_batch *batch) {
    pp_rest_verdict verdict;
    rest->under_way--;
    pp_rest_judge(&verdict, rest, batch);
    if (!verdict.has_entries) {
        whole_fail(rest, batch, &verdict);
        return;
    }
    pp_api_done(rest->api, &batch->attempt);
    pp_api_attempt_clear(&batch->attempt);
    entries_take(rest, batch, verdict.seen);
}

static void batch_expire(pinpipe_kafka_rest *rest, pp_rest_batch *batch) {
    pinpipe_error error = PINPIPE_ERROR_INIT;
    const pinpipe_buf *name = &batch->topic->name;
    pp_fail_service(&error, PINPIPE_ETIMEOUT, PP_REST_SERVICE, rest->trouble.native_code,
                    "topic '%.*s': not delivered within %lld ms%s%s", pp_quote_len(name->len), name->ptr,
                    (long long)rest->options.delivery_timeout_ms, rest->trouble.message[0] ? ": " : "",
                    rest->trouble.message);
    parts_fail(rest, batch, &error, PP_ANSWER_NOT);
}

/* ---- the line ---- */

/* Memory and forks are the caller's to know; anything else ends the request. */
static pinpipe_status attempt_start(pinpipe_kafka_rest *rest, pp_rest_batch *batch, int64_t now_ms,
                                    pinpipe_error *err) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    int64_t left_ms = batch->deadline_ms - now_ms;
    pp_api_request request = {
        .method = "POST",
        .path = pp_buf_view(&batch->topic->path),
        .content_type = CONTENT_TYPE,
        .accept = ACCEPT,
        .body = pp_buf_view(&batch->body.text),
        .out = &batch->answer,
        .out_max = (size_t)batch->body.count * PP_REST_ANSWER_RECORD_MAX + PP_REST_ANSWER_MAX,
        .timeout_ms =
            left_ms < rest->options.request_timeout_ms ? left_ms : rest->options.request_timeout_ms};
    pinpipe_status status = pp_api_start(&batch->attempt, rest->api, &request, &cause);
    if (status == PINPIPE_OK) {
        batch->state = PP_REST_UNDER_WAY;
        rest->under_way++;
        rest->counters[PINPIPE_KAFKA_REST_REQUESTS]++;
        rest->counters[PINPIPE_KAFKA_REST_RETRIES] += batch->is_repeat;
        rest->counters[PINPIPE_KAFKA_REST_BYTES] += (int64_t)batch->body.text.len;
        return PINPIPE_OK;
    }
    if (status == PINPIPE_ENOMEM || pinpipe_status_fatal(status)) {
        return pp_fail_service(err, status, cause.service, cause.native_code, "%s", cause.message);
    }
    parts_fail(rest, batch, &cause, PP_ANSWER_NOT);
    return PINPIPE_OK;
}

static bool is_startable(const pinpipe_kafka_rest *rest, const pp_rest_batch *batch, int64_t now_ms) {
    bool is_turn = rest->under_way < rest->options.in_flight &&
                   (rest->options.order == PINPIPE_KAFKA_REST_ORDER_NONE || batch->topic->walk != rest->walk);
    switch (batch->state) {
    case PP_REST_FILLING:
        return is_turn && batch->body.count && (rest->is_flushing || now_ms >= batch->due_ms);
    case PP_REST_PAUSING:
        return is_turn && now_ms >= batch->due_ms;
    default:
        return is_turn && batch->state == PP_REST_READY;
    }
}

static pinpipe_status batch_move(pinpipe_kafka_rest *rest, pp_rest_batch *batch, int64_t now_ms,
                                 pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    if (batch->state == PP_REST_UNDER_WAY && !batch->attempt.wire.under_way) {
        attempt_judge(rest, batch);
    }
    bool is_late = batch->state != PP_REST_UNDER_WAY && batch->state != PP_REST_FILLING &&
                   batch->body.count && now_ms >= batch->deadline_ms;
    if (is_late) {
        batch_expire(rest, batch);
    } else if (batch->body.count && is_startable(rest, batch, now_ms)) {
        if (batch->state == PP_REST_FILLING) {
            pp_rest_batch_end(batch->topic);
        }
        status = attempt_start(rest, batch, now_ms, err);
    }
    batch->topic->walk = rest->walk; /* what comes behind it waits for it, where order is kept */
    return status;
}

/* One look at every request; those that are done with leave. */
static pinpipe_status line_walk(pinpipe_kafka_rest *rest, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    int64_t now_ms = pp_clock_monotonic_ms();
    rest->walk++;
    rest->moved_ms = now_ms;
    for (pp_rest_batch **place = &rest->line; *place && status == PINPIPE_OK;) {
        pp_rest_batch *batch = *place;
        int64_t met = batch->topic->walk;
        status = batch_move(rest, batch, now_ms, err);
        if (batch->body.count || batch->state == PP_REST_FILLING) {
            place = &batch->after;
            continue;
        }
        *place = batch->after;
        rest->line_end = batch->after ? rest->line_end : place;
        rest->queued_bytes -= batch->queued_bytes;
        batch->after = rest->spare;
        rest->spare = batch;
        batch->topic->walk = met;
    }
    return status;
}

/* When the line has to be looked at again, whatever comes from the network. What is due already, and not its
 * turn, waits for the end of another request. */
static int64_t due_find(const pinpipe_kafka_rest *rest) {
    int64_t due_ms = INT64_MAX;
    for (const pp_rest_batch *batch = rest->line; batch; batch = batch->after) {
        bool is_timed = batch->state == PP_REST_PAUSING || batch->state == PP_REST_FILLING;
        int64_t at_ms = is_timed && batch->due_ms > rest->moved_ms ? batch->due_ms
                        : batch->state == PP_REST_FILLING          ? INT64_MAX
                                                                   : batch->deadline_ms + 1;
        due_ms = at_ms < due_ms ? at_ms : due_ms;
    }
    return due_ms;
}

pinpipe_status pp_rest_move(pinpipe_kafka_rest *rest, int64_t wait_ms, pinpipe_error *err) {
    pinpipe_status status = line_walk(rest, err);
    int64_t done = rest->counters[PINPIPE_KAFKA_REST_DELIVERED] + rest->counters[PINPIPE_KAFKA_REST_FAILED];
    if (status < 0 || !rest->line || done == rest->counters[PINPIPE_KAFKA_REST_WRITTEN]) {
        return status;
    }
    int64_t left_ms = due_find(rest) - rest->moved_ms;
    left_ms = left_ms > wait_ms ? wait_ms : left_ms;
    status = pp_api_wait(rest->api, left_ms > 0 ? left_ms : 0, err);
    return status == PINPIPE_OK ? line_walk(rest, err) : status < 0 ? status : PINPIPE_OK;
}

#endif
