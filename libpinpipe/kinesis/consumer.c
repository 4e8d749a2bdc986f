/* Turns options into a consumer of a stream's shards, and its calls into steps of what is under way.
 * Never waits longer than a call names, and never starts a thread.
 * Rules: docs/kinesis.md, "Consumer". */
#include "kinesis/consumer.h"

#if PINPIPE_WITH_KINESIS

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "io/clock.h"
#include "io/fork.h"

#define MEMORY_MAX ((int64_t)64 << 20)
#define MEMORY_LEAST ((int64_t)26 << 20)
#define IDLE_MS 1000
#define STUCK_MS 60000
#define AUDIT_MS 60000
#define IN_FLIGHT 8
#define SUBSCRIPTIONS 100
#define RECORDS_DEFAULT 10000
#define RECORDS_MAX 1000000
#define BYTES_DEFAULT ((int64_t)8 << 20)
#define BYTES_MAX ((int64_t)1 << 30)
#define STEP_MS 1000

/* ---- opening ---- */

static pinpipe_status options_check(const pinpipe_kinesis_consumer_options *options, pinpipe_error *err) {
    if (!options || options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "consumer options lack their struct_size");
    }
    bool is_start = options->start == PINPIPE_KINESIS_TRIM_HORIZON ||
                    options->start == PINPIPE_KINESIS_LATEST ||
                    options->start == PINPIPE_KINESIS_AT_TIMESTAMP;
    if (!is_start) {
        return pp_fail(err, PINPIPE_EINVAL, "start: %d is none of a whole stream", options->start);
    }
    const struct {
        const char *name;
        int64_t value, least, most;
    } rows[] = {
        {"reading", options->reading, 0, PINPIPE_KINESIS_READ_TAKEN},
        {"strays", options->strays, 0, PINPIPE_KINESIS_STRAYS_KEEP},
        {"start_ms", options->start_ms, 0, INT64_MAX},
        {"memory_max_bytes", options->memory_max_bytes, MEMORY_LEAST, INT64_MAX},
        {"fetch_records", options->fetch_records, 1, PP_KINESIS_FETCH_MAX},
        {"idle_ms", options->idle_ms, 1, 3600000},
        {"stuck_ms", options->stuck_ms, 1, INT64_MAX},
        {"audit_ms", options->audit_ms, 1000, INT64_MAX},
        {"in_flight", options->in_flight, 1, options->fan_out.len ? PP_SUBSCRIPTIONS_MAX : PP_FETCHES_MAX},
    };
    pinpipe_status status = pp_kinesis_stream_check(options->stream, err);
    for (size_t i = 0; status == PINPIPE_OK && i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].value != 0 && (rows[i].value < rows[i].least || rows[i].value > rows[i].most)) {
            return pp_fail(err, PINPIPE_EINVAL, "%s: %lld, not %lld to %lld", rows[i].name,
                           (long long)rows[i].value, (long long)rows[i].least, (long long)rows[i].most);
        }
    }
    return status;
}

static void options_take(pinpipe_kinesis_consumer *consumer,
                         const pinpipe_kinesis_consumer_options *options) {
    consumer->reading = options->reading;
    consumer->strays = options->strays;
    consumer->start = (pp_place){.start = options->start, .sub_sequence = -1, .time_ms = options->start_ms};
    consumer->memory_max = options->memory_max_bytes ? options->memory_max_bytes : MEMORY_MAX;
    consumer->fetch_records = options->fetch_records ? options->fetch_records : PP_KINESIS_FETCH_MAX;
    consumer->idle_ms = options->idle_ms ? options->idle_ms : IDLE_MS;
    consumer->stuck_ms = options->stuck_ms ? options->stuck_ms : STUCK_MS;
    consumer->audit_ms = options->audit_ms ? options->audit_ms : AUDIT_MS;
    consumer->in_flight = options->in_flight     ? options->in_flight
                          : options->fan_out.len ? SUBSCRIPTIONS
                                                 : IN_FLIGHT;
    consumer->fork_generation = pp_fork_generation();
}

/* Waits until something comes or is due, no longer than `deadline_ms`. */
static pinpipe_status consumer_wait(pinpipe_kinesis_consumer *consumer, int64_t deadline_ms,
                                    pinpipe_error *err) {
    const pp_look *look = &consumer->look;
    int64_t now_ms = pp_clock_monotonic_ms();
    int64_t until_ms = pp_fetches_due_ms(consumer, now_ms);
    int64_t look_ms = look->is_under_way ? pp_kinesis_call_due_ms(&look->call) : look->due_ms;
    until_ms = until_ms < look_ms ? until_ms : look_ms;
    until_ms = until_ms < deadline_ms ? until_ms : deadline_ms;
    until_ms = until_ms < now_ms + STEP_MS ? until_ms : now_ms + STEP_MS;
    pinpipe_status status =
        pp_api_wait(consumer->kinesis->api, until_ms > now_ms ? until_ms - now_ms : 0, err);
    return status < 0 ? status : PINPIPE_OK;
}

/* Waits for a look at the shards that is begun now. */
static pinpipe_status look_wait(pinpipe_kinesis_consumer *consumer, int64_t deadline_ms, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    pp_look *look = &consumer->look;
    look->due_ms = 0;
    look->error.status = PINPIPE_OK;
    while (status == PINPIPE_OK && !pp_look_move(consumer, pp_clock_monotonic_ms())) {
        if (!look->is_under_way && look->error.status < 0) {
            return pp_fail_service(err, look->error.status, look->error.service, look->error.native_code,
                                   "%s", look->error.message);
        }
        if (pp_clock_monotonic_ms() >= deadline_ms) {
            return pp_fail_service(err, PINPIPE_ETIMEOUT, PP_KINESIS_SERVICE, 0,
                                   "stream '%.*s': waiting for its shards",
                                   pp_quote_len(consumer->stream.len), consumer->stream.ptr);
        }
        status = consumer_wait(consumer, deadline_ms, err);
    }
    return status;
}

pinpipe_status pinpipe_kinesis_consumer_new(pinpipe_kinesis_consumer **out,
                                            const pinpipe_kinesis_consumer_options *options,
                                            pinpipe_error *err) {
    static const pinpipe_kinesis_options defaults = PINPIPE_KINESIS_OPTIONS_INIT;
    assert(out);
    *out = NULL;
    pinpipe_status status = options_check(options, err);
    if (status < 0) {
        return status;
    }
    pinpipe_kinesis_consumer *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "a Kinesis consumer", sizeof *made);
    }
    options_take(made, options);
    made->look.error = (pinpipe_error)PINPIPE_ERROR_INIT;
    made->fetches = pp_alloc_zero((size_t)made->in_flight * sizeof *made->fetches);
    status = made->fetches ? pp_buf_append(&made->stream, options->stream.ptr, options->stream.len, err)
                           : pp_fail_memory(err, "requests", (size_t)made->in_flight * sizeof *made->fetches);
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&made->fan_out, options->fan_out.ptr, options->fan_out.len, err);
    }
    if (status == PINPIPE_OK) {
        status = pinpipe_kinesis_new(&made->kinesis, options->client ? options->client : &defaults, err);
    }
    if (status == PINPIPE_OK) {
        status = look_wait(made, pp_clock_monotonic_ms() + made->kinesis->timeout_ms, err);
    }
    if (status == PINPIPE_OK) {
        *out = made;
        made = NULL;
    }
    pinpipe_kinesis_consumer_free(made);
    return status;
}

void pinpipe_kinesis_consumer_free(pinpipe_kinesis_consumer *consumer) {
    if (!consumer) {
        return;
    }
    pp_consumer_shards_reset(consumer);
    for (int32_t i = 0; consumer->kinesis && consumer->fetches && i < consumer->in_flight; i++) {
        pp_kinesis_call_reset(&consumer->fetches[i].call, consumer->kinesis);
    }
    if (consumer->kinesis) {
        pp_look_reset(consumer);
    }
    pinpipe_kinesis_free(consumer->kinesis);
    pinpipe_buf_reset(&consumer->stream);
    pinpipe_buf_reset(&consumer->fan_out);
    pp_free(consumer->fetches);
    pp_free(consumer);
}

static pinpipe_status consumer_check(const pinpipe_kinesis_consumer *consumer, pinpipe_error *err) {
    return consumer->fork_generation == pp_fork_generation()
               ? PINPIPE_OK
               : pp_fail(err, PINPIPE_EFORK, "this consumer was made before a fork; make one in the child");
}

/* ---- shards ---- */

static int32_t state_of(const pinpipe_kinesis_consumer *consumer, const pp_shard *shard) {
    return shard->is_told                       ? PINPIPE_KINESIS_SHARD_ENDED
           : !shard->is_taken                   ? PINPIPE_KINESIS_SHARD_FREE
           : !pp_shard_is_open(consumer, shard) ? PINPIPE_KINESIS_SHARD_WAITING
           : shard->is_stuck                    ? PINPIPE_KINESIS_SHARD_STUCK
                                                : PINPIPE_KINESIS_SHARD_READING;
}

int64_t pinpipe_kinesis_consumer_shard_count(const pinpipe_kinesis_consumer *consumer) {
    return consumer->count;
}

pinpipe_status pinpipe_kinesis_consumer_shard_at(pinpipe_kinesis_consumer_shard *out,
                                                 const pinpipe_kinesis_consumer *consumer, int64_t index,
                                                 pinpipe_error *err) {
    if (!out || out->struct_size < sizeof *out) {
        return pp_fail(err, PINPIPE_EINVAL, "a shard lacks its struct_size");
    }
    if (index < 0 || index >= consumer->count) {
        return pp_fail(err, PINPIPE_EINVAL, "shard %lld: there are %lld", (long long)index,
                       (long long)consumer->count);
    }
    const pp_shard *shard = consumer->shards[index];
    *out = (pinpipe_kinesis_consumer_shard){
        .struct_size = (uint32_t)sizeof *out,
        .state = state_of(consumer, shard),
        .shard = shard->info,
        .position = pp_place_position(&shard->read, pp_buf_view(&consumer->stream), shard->info.id),
        .behind_ms = shard->behind_ms,
        .records = shard->records,
        .error = pp_buf_view(&shard->error)};
    return PINPIPE_OK;
}

pinpipe_status pinpipe_kinesis_consumer_shards_list(pinpipe_kinesis_consumer *consumer, int64_t timeout_ms,
                                                    pinpipe_error *err) {
    int64_t deadline_ms = 0;
    pinpipe_status status = consumer_check(consumer, err);
    if (status == PINPIPE_OK) {
        status = pp_kinesis_deadline(&deadline_ms, consumer->kinesis, timeout_ms, err);
    }
    return status == PINPIPE_OK ? look_wait(consumer, deadline_ms, err) : status;
}

static pinpipe_status place_check(pp_place *out, const pinpipe_kinesis_position *position,
                                  pinpipe_error *err) {
    bool is_end =
        position && position->struct_size >= sizeof *position && position->start == PINPIPE_KINESIS_SHARD_END;
    pinpipe_status status = is_end ? PINPIPE_OK : pp_kinesis_position_check(position, err);
    *out = (pp_place){.sub_sequence = -1};
    if (status == PINPIPE_OK) {
        assert(position);
        out->start = position->start;
        out->time_ms = position->time_ms;
        out->sub_sequence = position->start == PINPIPE_KINESIS_AFTER_SEQUENCE ? position->sub_sequence : -1;
        if (!is_end) {
            snprintf(out->sequence, sizeof out->sequence, "%.*s", (int)position->sequence_number.len,
                     position->sequence_number.len ? position->sequence_number.ptr : "");
        }
    }
    return status;
}

pinpipe_status pinpipe_kinesis_consumer_shard_take(pinpipe_kinesis_consumer *consumer,
                                                   const pinpipe_kinesis_position *position,
                                                   pinpipe_error *err) {
    pp_place place = {.sub_sequence = -1};
    pp_shard *shard = NULL;
    pinpipe_status status = consumer_check(consumer, err);
    if (status == PINPIPE_OK) {
        status = place_check(&place, position, err);
    }
    if (status < 0) {
        return status;
    }
    bool is_end = place.start == PINPIPE_KINESIS_SHARD_END;
    if (is_end && !pp_consumer_find(consumer, position->shard_id)) {
        return PINPIPE_OK; /* the service has forgotten it, and so may we */
    }
    pinpipe_kinesis_shard info = {.id = position->shard_id};
    status = pp_consumer_know(&shard, consumer, &info, err);
    if (status == PINPIPE_OK) {
        pp_shard_clear(consumer, shard);
        shard->is_taken = true;
        shard->is_over = shard->is_told = is_end;
        shard->read = shard->fetched = place;
        shard->due_ms = 0;
    }
    return status;
}

pinpipe_status pinpipe_kinesis_consumer_shard_release(pinpipe_kinesis_consumer *consumer,
                                                      pinpipe_str shard_id, pinpipe_error *err) {
    pinpipe_status status = consumer_check(consumer, err);
    pp_shard *shard = status == PINPIPE_OK ? pp_consumer_find(consumer, shard_id) : NULL;
    if (status == PINPIPE_OK && !shard) {
        return pp_fail(err, PINPIPE_ENOTFOUND, "shard '%.*s' is not known", pp_quote_len(shard_id.len),
                       shard_id.ptr);
    }
    if (shard) {
        pp_shard_clear(consumer, shard);
        shard->is_taken = false;
        shard->is_over = shard->is_told;
        shard->fetched = shard->read;
    }
    return status;
}

/* ---- reading ---- */

static pinpipe_status read_check(int64_t *max_records, int64_t *max_bytes,
                                 const pinpipe_kinesis_read_options *options, int64_t timeout_ms,
                                 pinpipe_error *err) {
    *max_records = RECORDS_DEFAULT;
    *max_bytes = BYTES_DEFAULT;
    if (timeout_ms < 0) {
        return pp_fail(err, PINPIPE_EINVAL, "timeout: %lld ms", (long long)timeout_ms);
    }
    if (!options) {
        return PINPIPE_OK;
    }
    if (options->struct_size < sizeof *options || options->max_records < 0 || options->max_bytes < 0 ||
        options->max_records > RECORDS_MAX || options->max_bytes > BYTES_MAX) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "a batch of %lld records and %lld bytes: it ends at 1 to %d records, 1 to %lld bytes",
                       (long long)options->max_records, (long long)options->max_bytes, RECORDS_MAX,
                       (long long)BYTES_MAX);
    }
    *max_records = options->max_records ? options->max_records : RECORDS_DEFAULT;
    *max_bytes = options->max_bytes ? options->max_bytes : BYTES_DEFAULT;
    return PINPIPE_OK;
}

/* The first failure where every shard that is being read fails, or the stream's own. */
static pinpipe_status failure_tell(const pinpipe_kinesis_consumer *consumer, pinpipe_error *err) {
    const pp_shard *failed = NULL;
    for (int64_t i = 0; i < consumer->count; i++) {
        const pp_shard *shard = consumer->shards[i];
        if (shard->is_over || !pp_shard_is_open(consumer, shard)) {
            continue;
        }
        if (shard->status >= 0 || shard->status == PINPIPE_ETHROTTLED) {
            return PINPIPE_AGAIN;
        }
        failed = failed ? failed : shard;
    }
    if (failed) {
        return pp_fail_service(err, failed->status, PP_KINESIS_SERVICE, 0, "shard '%.*s': %s",
                               (int)failed->info.id.len, failed->info.id.ptr,
                               failed->error.ptr ? failed->error.ptr : "");
    }
    return PINPIPE_AGAIN;
}

pinpipe_status pinpipe_kinesis_consumer_read(pinpipe_kinesis_records *records,
                                             pinpipe_kinesis_consumer *consumer,
                                             const pinpipe_kinesis_read_options *options, int64_t timeout_ms,
                                             pinpipe_error *err) {
    int64_t max_records = 0, max_bytes = 0;
    pinpipe_status status = consumer_check(consumer, err);
    if (status == PINPIPE_OK) {
        status = read_check(&max_records, &max_bytes, options, timeout_ms, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_records_begin(records, pp_buf_view(&consumer->stream), err);
    }
    int64_t deadline_ms = pp_clock_monotonic_ms() + timeout_ms;
    while (status == PINPIPE_OK) {
        int64_t now_ms = pp_clock_monotonic_ms();
        pp_look_move(consumer, now_ms);
        pp_fetches_move(consumer, now_ms);
        status = pp_consumer_take(records, consumer, max_records, max_bytes, err);
        if (status < 0 || records->place_count) {
            pp_fetches_move(consumer, now_ms); /* what was taken has left room for more */
            break;
        }
        if (now_ms >= deadline_ms) {
            return failure_tell(consumer, err);
        }
        status = consumer_wait(consumer, deadline_ms, err);
    }
    return status;
}

/* ---- counters ---- */

int64_t pinpipe_kinesis_consumer_count(const pinpipe_kinesis_consumer *consumer, int32_t counter) {
    return counter >= 0 && counter < PINPIPE_KINESIS_CONSUMER_COUNTERS ? consumer->counters[counter] : 0;
}

#endif
