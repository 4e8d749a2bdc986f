/* Turns shards that may be read into requests, and answers into what waits to be handed out.
 * Never asks a shard more often than it takes, and never lets a shard's failure keep another one waiting.
 * Rules: docs/kinesis.md, "Fetching"; Amazon Kinesis quotas: 5 GetRecords and 2 MiB a second and shard. */
#include "kinesis/consumer.h"

#if PINPIPE_WITH_KINESIS

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "io/clock.h"
#include "io/retry.h"

#define CALL_EVERY_MS 200
#define BYTES_S 2097152.0
#define ANSWERS_AHEAD 2 /* that wait to be handed out, of one shard */
#define EXPECTED_FIRST ((int64_t)2 << 20)
#define EXPECTED_LEAST ((int64_t)128 << 10)
#define FACTOR_CUT 0.7
#define FACTOR_MIN 0.05
#define FACTOR_GAIN_S 0.05
#define SUBSCRIBE_EVERY_MS 1000
#define LISTEN_EVERY_MS 20
#define ROUNDS_OF_ITERATOR 2 /* failures behind which an iterator is not trusted any more */

/* ---- answers ---- */

void pp_fetched_release(pp_fetched *answer) {
    if (answer && atomic_fetch_sub(&answer->holders, 1) == 1) {
        pp_kinesis_batch_reset(&answer->batch);
        pp_free(answer);
    }
}

pp_fetched *pp_fetched_new(const pp_shard *shard) {
    pp_fetched *made = pp_alloc_zero(sizeof *made);
    if (made) {
        atomic_init(&made->holders, 1);
        made->sub_done = -1;
        snprintf(made->shard_id, sizeof made->shard_id, "%.*s", (int)shard->info.id.len, shard->info.id.ptr);
    }
    return made;
}

static int64_t answer_bytes(const pp_fetched *answer) {
    return (int64_t)answer->batch.answer.cap + answer->batch.cap * (int64_t)sizeof(pinpipe_kinesis_item);
}

/* ---- pace ---- */

static void pace_grow(pp_shard *shard, int64_t now_ms) {
    double gained = shard->factor + FACTOR_GAIN_S * (double)(now_ms - shard->paced_ms) / 1000;
    shard->factor = gained < 1 ? gained : 1;
    shard->paced_ms = now_ms;
}

/* The next call is due once the shard has room for it: calls and bytes, 10 MiB take five seconds. */
static void pace_set(pp_shard *shard, const pp_shard_request *fetch, int64_t bytes, int64_t idle_ms) {
    double pause_ms = CALL_EVERY_MS / shard->factor;
    double bytes_ms = (double)bytes / BYTES_S * 1000 / shard->factor;
    pause_ms = pause_ms > bytes_ms ? pause_ms : bytes_ms;
    pause_ms = pause_ms > (double)idle_ms ? pause_ms : (double)idle_ms;
    shard->due_ms = fetch->begun_ms + (int64_t)pause_ms;
}

/* ---- ends of requests ---- */

void pp_shard_fail(pinpipe_kinesis_consumer *consumer, pp_shard *shard, pinpipe_status status,
                   const pinpipe_error *cause, int64_t now_ms) {
    consumer->counters[PINPIPE_KINESIS_CONSUMER_FAILED]++;
    shard->round = shard->round < 30 ? shard->round + 1 : shard->round;
    shard->status = status;
    shard->due_ms = now_ms + CALL_EVERY_MS + pp_retry_partial_ms(shard->round, pp_retry_random());
    pp_buf_clear(&shard->error);
    pp_buf_append_text(&shard->error, cause->message, NULL);
    if (shard->round >= ROUNDS_OF_ITERATOR) {
        pp_buf_clear(&shard->iterator);
    }
    if (status == PINPIPE_ENOTFOUND) {
        shard->is_missing = true;
        pp_look_want(consumer);
    }
    pp_log(PP_LOG_INFO, PP_KINESIS_SERVICE, "shard '%.*s': %s", (int)shard->info.id.len, shard->info.id.ptr,
           cause->message);
}

void pp_shard_throttle(pinpipe_kinesis_consumer *consumer, pp_shard *shard, int64_t now_ms) {
    consumer->counters[PINPIPE_KINESIS_CONSUMER_THROTTLED]++;
    shard->factor = shard->factor * FACTOR_CUT > FACTOR_MIN ? shard->factor * FACTOR_CUT : FACTOR_MIN;
    shard->paced_ms = now_ms;
    shard->round = shard->round < 30 ? shard->round + 1 : shard->round;
    shard->status = PINPIPE_ETHROTTLED;
    double pause_ms = CALL_EVERY_MS / shard->factor * (0.5 + pp_retry_random());
    shard->due_ms = now_ms + (int64_t)pause_ms + pp_retry_partial_ms(shard->round, pp_retry_random());
}

static void request_fail(pinpipe_kinesis_consumer *consumer, pp_shard_request *fetch, int64_t now_ms) {
    pp_shard *shard = fetch->shard;
    const pp_kinesis_call *call = &fetch->call;
    if (call->status == PINPIPE_ETHROTTLED) {
        pp_shard_throttle(consumer, shard, now_ms);
    } else if (strcmp(call->code, "ExpiredIteratorException") == 0) {
        consumer->counters[PINPIPE_KINESIS_CONSUMER_EXPIRED]++;
        pp_buf_clear(&shard->iterator);
        shard->due_ms = now_ms;
    } else if (fetch->kind == PP_FETCH_SUBSCRIPTION && strcmp(call->code, "ResourceInUseException") == 0) {
        /* Whoever subscribed before holds the shard for five seconds more. */
        consumer->counters[PINPIPE_KINESIS_CONSUMER_FAILED]++;
        shard->due_ms = now_ms + SUBSCRIBE_EVERY_MS;
    } else if (call->status == PINPIPE_ELIMIT && fetch->kind != PP_FETCH_ITERATOR &&
               fetch->reserved_bytes < (int64_t)PP_KINESIS_ANSWER_MAX) {
        /* An answer was larger than the room it got; of a subscription, more came than was taken. */
        bool is_answer = fetch->kind == PP_FETCH_RECORDS;
        shard->expected_bytes = is_answer ? (int64_t)PP_KINESIS_ANSWER_MAX : fetch->reserved_bytes;
        shard->due_ms = now_ms + (is_answer ? CALL_EVERY_MS : SUBSCRIBE_EVERY_MS);
    } else {
        pp_shard_fail(consumer, shard, call->status, &call->error, now_ms);
    }
}

static pinpipe_status iterator_take(pp_shard_request *fetch, pinpipe_error *err) {
    pp_kinesis_reader reader;
    pp_shard *shard = fetch->shard;
    pinpipe_str iterator = {"", 0};
    pinpipe_status status = pp_kinesis_read_begin(&reader, &fetch->call.answer, fetch->call.wire, err);
    if (status == PINPIPE_OK && !pp_kinesis_iterator_read(&iterator, &reader)) {
        status = pp_kinesis_read_fail(&reader, "GetShardIterator", err);
    }
    pp_buf_clear(&shard->iterator);
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&shard->iterator, iterator.ptr, iterator.len, err);
    }
    if (status == PINPIPE_OK && shard->fetched.start == PINPIPE_KINESIS_LATEST) {
        /* Where the tip was is remembered: this iterator may expire before a record comes. */
        int64_t gone_ms = pp_clock_monotonic_ms() - fetch->begun_ms;
        shard->fetched.start = PINPIPE_KINESIS_AT_TIMESTAMP;
        shard->fetched.time_ms = pp_clock_wall_ms() + fetch->call.attempt.applied_ms - gone_ms;
        shard->read = shard->answers ? shard->read : shard->fetched;
    }
    return status;
}

static pinpipe_status children_know(pinpipe_kinesis_consumer *consumer, const pp_kinesis_shards *children,
                                    pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    for (int64_t i = 0; status == PINPIPE_OK && i < children->count; i++) {
        pinpipe_kinesis_shard info = pp_kinesis_shards_at(children, i);
        pp_shard *child = NULL;
        status = pp_consumer_know(&child, consumer, &info, err);
    }
    return status;
}

void pp_fetched_queue(pinpipe_kinesis_consumer *consumer, pp_shard *shard, pp_fetched *answer) {
    const pinpipe_kinesis_item *last = &answer->batch.items[answer->batch.count - 1];
    if (shard->fetched.start == PINPIPE_KINESIS_AFTER_SEQUENCE &&
        pp_str_is(answer->batch.items[0].sequence_number, shard->fetched.sequence)) {
        answer->sub_done = shard->fetched.sub_sequence; /* asked for again, to go on inside of it */
    }
    shard->fetched = (pp_place){.start = PINPIPE_KINESIS_AFTER_SEQUENCE, .sub_sequence = -1};
    snprintf(shard->fetched.sequence, sizeof shard->fetched.sequence, "%.*s", (int)last->sequence_number.len,
             last->sequence_number.ptr);
    answer->held_bytes = answer_bytes(answer);
    consumer->counters[PINPIPE_KINESIS_CONSUMER_HELD_BYTES] += answer->held_bytes;
    if (shard->answers_last) {
        shard->answers_last->next = answer;
    } else {
        shard->answers = answer;
    }
    shard->answers_last = answer;
}

/* A record without a number would be read for ever: there is no place behind it. */
static pinpipe_status sequences_check(const pp_fetched *answer, pinpipe_error *err) {
    for (int64_t i = 0; i < answer->batch.count; i++) {
        size_t len = answer->batch.items[i].sequence_number.len;
        if (len == 0 || len > PP_KINESIS_SEQUENCE_MAX) {
            return pp_fail_service(err, PINPIPE_EDATA, PP_KINESIS_SERVICE, 0,
                                   "record %lld has a sequence number of %zu digits, not 1 to %d",
                                   (long long)i, len, PP_KINESIS_SEQUENCE_MAX);
        }
    }
    return PINPIPE_OK;
}

pinpipe_status pp_fetched_take(pinpipe_kinesis_consumer *consumer, const pp_shard_request *request,
                               pp_fetched *answer, pinpipe_error *err) {
    pp_shard *shard = request->shard;
    int64_t size = (int64_t)answer->batch.answer.len;
    pinpipe_buf kept = PINPIPE_BUF_INIT;
    pinpipe_status status = pp_kinesis_batch_read(&answer->batch, request->call.wire, err);
    if (status == PINPIPE_OK) {
        status = sequences_check(answer, err);
    }
    if (status == PINPIPE_OK) {
        status = children_know(consumer, &answer->batch.children, err);
    }
    pinpipe_str next = answer->batch.iterator;
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&kept, next.ptr, next.len, err);
    }
    if (status < 0) {
        pinpipe_buf_reset(&kept);
        pp_fetched_release(answer);
        return status;
    }
    pinpipe_buf_reset(&shard->iterator);
    shard->iterator = kept;
    shard->is_over = next.len == 0;
    shard->behind_ms = answer->batch.behind_ms;
    shard->expected_bytes = size > shard->expected_bytes * 3 / 4 ? size : shard->expected_bytes * 3 / 4;
    if (shard->is_over && answer->batch.children.count == 0) {
        pp_look_want(consumer);
    }
    if (answer->batch.count) {
        pp_fetched_queue(consumer, shard, answer);
    } else {
        pp_fetched_release(answer);
    }
    return PINPIPE_OK;
}

static pinpipe_status records_take(pinpipe_kinesis_consumer *consumer, pp_shard_request *fetch,
                                   int64_t now_ms, pinpipe_error *err) {
    pp_shard *shard = fetch->shard;
    const pp_fetched *last = shard->answers_last;
    pp_fetched *answer = pp_fetched_new(shard);
    if (!answer) {
        return pp_fail_memory(err, "an answer", sizeof *answer);
    }
    answer->batch.answer = fetch->call.answer; /* taken, not copied */
    fetch->call.answer = (pinpipe_buf)PINPIPE_BUF_INIT;
    int64_t size = (int64_t)answer->batch.answer.len;
    pinpipe_status status = pp_fetched_take(consumer, fetch, answer, err);
    if (status == PINPIPE_OK) {
        bool is_tip = shard->answers_last == last && shard->behind_ms <= 0;
        pace_grow(shard, now_ms);
        pace_set(shard, fetch, size * 3 / 4, is_tip ? consumer->idle_ms : 0);
    }
    return status;
}

static void fetch_end(pinpipe_kinesis_consumer *consumer, pp_shard_request *fetch, int64_t now_ms) {
    pp_shard *shard = fetch->shard;
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    consumer->counters[PINPIPE_KINESIS_CONSUMER_REQUESTS]++;
    shard->fetch = NULL;
    if (fetch->kind == PP_FETCH_SUBSCRIPTION && fetch->call.status >= 0) {
        shard->due_ms = fetch->begun_ms + SUBSCRIBE_EVERY_MS; /* its five minutes are over */
        shard->wait_ms = now_ms;
    } else if (fetch->call.status < 0) {
        request_fail(consumer, fetch, now_ms);
    } else {
        pinpipe_status status = fetch->kind == PP_FETCH_ITERATOR
                                    ? iterator_take(fetch, &cause)
                                    : records_take(consumer, fetch, now_ms, &cause);
        if (status < 0) {
            pp_shard_fail(consumer, shard, status, &cause, now_ms);
        } else {
            shard->status = PINPIPE_OK;
            shard->round = 0;
            pp_buf_clear(&shard->error);
            shard->wait_ms = fetch->kind == PP_FETCH_RECORDS ? 0 : shard->wait_ms;
            shard->is_stuck = shard->is_stuck && fetch->kind == PP_FETCH_ITERATOR;
        }
    }
    consumer->counters[PINPIPE_KINESIS_CONSUMER_HELD_BYTES] -= fetch->reserved_bytes;
    fetch->reserved_bytes = 0;
    fetch->shard = NULL;
}

void pp_shard_request_stop(pinpipe_kinesis_consumer *consumer, pp_shard_request *fetch) {
    pp_kinesis_call_reset(&fetch->call, consumer->kinesis);
    consumer->counters[PINPIPE_KINESIS_CONSUMER_HELD_BYTES] -= fetch->reserved_bytes;
    fetch->reserved_bytes = 0;
    fetch->shard->fetch = NULL;
    fetch->shard = NULL;
}

/* ---- beginnings of requests ---- */

static bool shard_wants(const pinpipe_kinesis_consumer *consumer, const pp_shard *shard) {
    int32_t ahead = 0;
    for (const pp_fetched *answer = shard->answers; answer; answer = answer->next) {
        ahead++;
    }
    return !shard->is_over && !shard->fetch && ahead < ANSWERS_AHEAD && pp_shard_is_open(consumer, shard);
}

/* The memory that an answer may take: what the last ones took, twice, and its records' views. */
static int64_t room_of(const pp_shard *shard) {
    int64_t expected = shard->expected_bytes ? shard->expected_bytes : EXPECTED_FIRST;
    expected = expected < EXPECTED_LEAST ? EXPECTED_LEAST : expected;
    int64_t room = 2 * expected;
    return room < (int64_t)PP_KINESIS_ANSWER_MAX ? room : (int64_t)PP_KINESIS_ANSWER_MAX;
}

static void body_write(pp_kinesis_writer *writer, const pinpipe_kinesis_consumer *consumer,
                       pp_shard_request *fetch) {
    const pp_place *from = &fetch->shard->fetched;
    if (fetch->kind == PP_FETCH_RECORDS) {
        pp_kinesis_write_begin(writer, &fetch->call.body, consumer->kinesis->wire, 2, &fetch->call.error);
        pp_kinesis_write_fetch(writer, pp_buf_view(&fetch->shard->iterator), consumer->fetch_records);
        return;
    }
    pinpipe_kinesis_position position = PINPIPE_KINESIS_POSITION_INIT;
    bool is_inside = from->start == PINPIPE_KINESIS_AFTER_SEQUENCE && from->sub_sequence >= 0;
    position.start = is_inside ? PINPIPE_KINESIS_AT_SEQUENCE : from->start; /* its aggregate comes again */
    position.shard_id = fetch->shard->info.id;
    position.sequence_number = pp_str(from->sequence);
    position.time_ms = from->time_ms;
    pp_kinesis_write_begin(writer, &fetch->call.body, consumer->kinesis->wire,
                           position.start > PINPIPE_KINESIS_LATEST ? 4 : 3, &fetch->call.error);
    pp_kinesis_write_stream(writer, pp_buf_view(&consumer->stream));
    pp_kinesis_write_position(writer, &position);
}

static void fetch_start(pinpipe_kinesis_consumer *consumer, pp_shard_request *fetch, pp_shard *shard,
                        int64_t now_ms) {
    pp_kinesis_writer writer;
    pp_kinesis_call *call = &fetch->call;
    fetch->shard = shard;
    shard->fetch = fetch;
    fetch->kind = consumer->fan_out.len ? PP_FETCH_SUBSCRIPTION
                  : shard->iterator.len ? PP_FETCH_RECORDS
                                        : PP_FETCH_ITERATOR;
    fetch->begun_ms = now_ms;
    shard->wait_ms = shard->wait_ms ? shard->wait_ms : now_ms;
    call->answer_max = 0;
    if (fetch->kind != PP_FETCH_ITERATOR) {
        call->answer_max = (size_t)room_of(shard);
        fetch->reserved_bytes = room_of(shard) + PP_FETCHED_AROUND;
        consumer->counters[PINPIPE_KINESIS_CONSUMER_HELD_BYTES] += fetch->reserved_bytes;
    }
    call->again = PP_KINESIS_AGAIN_CALLER;
    call->about = pp_buf_view(&consumer->stream);
    if (fetch->kind == PP_FETCH_SUBSCRIPTION) {
        pp_subscription_start(consumer, fetch);
        return;
    }
    body_write(&writer, consumer, fetch);
    if (writer.status < 0) {
        call->state = PP_KINESIS_CALL_ENDED;
        call->status = writer.status;
        call->code[0] = '\0';
        return;
    }
    pp_kinesis_call_start(call, consumer->kinesis,
                          fetch->kind == PP_FETCH_RECORDS ? "GetRecords" : "GetShardIterator",
                          now_ms + consumer->kinesis->timeout_ms);
}

static pp_shard_request *fetch_unused(pinpipe_kinesis_consumer *consumer) {
    for (int32_t i = 0; i < consumer->in_flight; i++) {
        if (!consumer->fetches[i].shard) {
            return &consumer->fetches[i];
        }
    }
    return NULL;
}

static bool has_room(const pinpipe_kinesis_consumer *consumer, const pp_shard *shard) {
    int64_t held = consumer->counters[PINPIPE_KINESIS_CONSUMER_HELD_BYTES];
    int64_t wanted = shard->iterator.len || consumer->fan_out.len ? room_of(shard) + PP_FETCHED_AROUND : 0;
    return held == 0 || held + wanted <= consumer->memory_max;
}

/* A shard from which no answer comes though it is asked. Who does not call leaves no shard stuck. */
static void shard_watch(pinpipe_kinesis_consumer *consumer, pp_shard *shard, int64_t now_ms,
                        int64_t asleep_ms) {
    if (!shard->wait_ms) {
        return;
    }
    shard->wait_ms += asleep_ms;
    if (!shard->is_stuck && now_ms - shard->wait_ms >= consumer->stuck_ms) {
        shard->is_stuck = true;
        consumer->counters[PINPIPE_KINESIS_CONSUMER_STUCK]++;
        pp_log(PP_LOG_WARNING, PP_KINESIS_SERVICE, "shard '%.*s' is stuck: no answer for %lld ms%s%s",
               (int)shard->info.id.len, shard->info.id.ptr, (long long)(now_ms - shard->wait_ms),
               shard->error.len ? ": " : "", shard->error.len ? shard->error.ptr : "");
    }
}

static void fetches_start(pinpipe_kinesis_consumer *consumer, int64_t now_ms) {
    pp_shard_request *fetch = fetch_unused(consumer);
    for (int64_t i = 0; fetch && i < consumer->count; i++) {
        pp_shard *shard = consumer->shards[(consumer->turn + i) % consumer->count];
        if (now_ms >= shard->due_ms && shard_wants(consumer, shard) && has_room(consumer, shard)) {
            fetch_start(consumer, fetch, shard, now_ms);
            fetch = fetch_unused(consumer);
        }
    }
}

void pp_fetches_move(pinpipe_kinesis_consumer *consumer, int64_t now_ms) {
    int64_t asleep_ms =
        consumer->moved_ms && now_ms - consumer->moved_ms > 2000 ? now_ms - consumer->moved_ms : 0;
    consumer->moved_ms = now_ms;
    for (int32_t i = 0; i < consumer->in_flight; i++) {
        pp_shard_request *fetch = &consumer->fetches[i];
        if (fetch->shard &&
            (fetch->kind == PP_FETCH_SUBSCRIPTION ? pp_subscription_move(consumer, fetch, now_ms)
                                                  : pp_kinesis_call_move(&fetch->call, consumer->kinesis))) {
            fetch_end(consumer, fetch, now_ms);
        }
    }
    for (int64_t i = 0; i < consumer->count; i++) {
        shard_watch(consumer, consumer->shards[i], now_ms, asleep_ms);
    }
    fetches_start(consumer, now_ms);
}

int64_t pp_fetches_due_ms(const pinpipe_kinesis_consumer *consumer, int64_t now_ms) {
    int64_t due_ms = INT64_MAX;
    bool is_free = false;
    for (int32_t i = 0; i < consumer->in_flight; i++) {
        const pp_shard_request *fetch = &consumer->fetches[i];
        int64_t at_ms = fetch->shard ? pp_kinesis_call_due_ms(&fetch->call) : INT64_MAX;
        if (fetch->shard && fetch->kind == PP_FETCH_SUBSCRIPTION) {
            at_ms = now_ms + LISTEN_EVERY_MS; /* events come within a request that goes on */
        }
        is_free = is_free || !fetch->shard;
        due_ms = at_ms < due_ms ? at_ms : due_ms;
    }
    for (int64_t i = 0; is_free && i < consumer->count; i++) {
        const pp_shard *shard = consumer->shards[i];
        if (shard->due_ms < due_ms && shard_wants(consumer, shard) && has_room(consumer, shard)) {
            due_ms = shard->due_ms;
        }
    }
    return due_ms > now_ms ? due_ms : now_ms;
}

#endif
