/* Turns written records into waiting ones, and rounds of answers and requests into their ends.
 * Never loses one: written = delivered + failed + waiting at every moment.
 * Rules: docs/kinesis.md, "Producer". */
#include "kinesis/producer.h"

#if PINPIPE_WITH_KINESIS

#include <assert.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "io/clock.h"
#include "io/fork.h"
#include "io/provider.h"
#include "kinesis/records.h"

#define MEMORY_MAX ((int64_t)64 << 20)
#define MEMORY_LEAST ((int64_t)1 << 20)
#define LINGER_MS 100
#define REQUEST_BYTES ((int64_t)5 << 20)
#define DELIVERY_TIMEOUT_MS 120000
#define AGGREGATE_LEAST 64
#define IN_FLIGHT 4
#define CAP_STEP 64
#define MOVE_EVERY 64 /* records, while requests are under way */
#define MAP_FIRST_MS 1000
#define MAP_PAUSE_MAX_MS 30000
#define MAP_WAIT_MS 5000
#define STEP_MS 1000

/* ---- opening ---- */

static pinpipe_status range_check(const char *name, int64_t value, int64_t least, int64_t most,
                                  pinpipe_error *err) {
    if (value == 0 || (value >= least && value <= most)) {
        return PINPIPE_OK;
    }
    return pp_fail(err, PINPIPE_EINVAL, "%s: %lld, not %lld to %lld", name, (long long)value,
                   (long long)least, (long long)most);
}

static pinpipe_status options_check(const pinpipe_kinesis_producer_options *options, pinpipe_error *err) {
    if (!options || options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "producer options lack their struct_size");
    }
    const struct {
        const char *name;
        int64_t value, least, most;
    } rows[] = {
        {"ordering", options->ordering, 0, PINPIPE_KINESIS_ORDER_STRICT},
        {"reports", options->reports, 0, PINPIPE_KINESIS_REPORTS_ALL},
        {"memory_max_bytes", options->memory_max_bytes, MEMORY_LEAST, INT64_MAX},
        {"linger_ms", options->linger_ms, -1, 3600000},
        {"request_records", options->request_records, 1, PP_REQUEST_RECORDS_MAX},
        {"request_bytes", options->request_bytes, 1, PP_REQUEST_BYTES_MAX},
        {"delivery_timeout_ms", options->delivery_timeout_ms, 1, INT64_MAX},
        {"aggregate_bytes", options->aggregate_bytes, AGGREGATE_LEAST, PP_REQUEST_BYTES_MAX},
        {"in_flight", options->in_flight, 1, PP_IN_FLIGHT_MAX},
    };
    bool is_plain = !options->aggregate_bytes && options->ordering != PINPIPE_KINESIS_ORDER_STRICT;
    pinpipe_status status = pp_kinesis_stream_check(options->stream, err);
    for (size_t i = 0; status == PINPIPE_OK && i < sizeof rows / sizeof rows[0]; i++) {
        status = range_check(rows[i].name, rows[i].value, rows[i].least, rows[i].most, err);
    }
    if (status == PINPIPE_OK && options->aggregate_bytes &&
        options->ordering == PINPIPE_KINESIS_ORDER_STRICT) {
        return pp_fail(err, PINPIPE_EINVAL, "aggregate_bytes: strict order is of single records");
    }
    if (status == PINPIPE_OK && options->gateway && !is_plain) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "a gateway's mapping templates have neither aggregates nor strict order");
    }
    return status;
}

static void options_take(pinpipe_kinesis_producer *producer,
                         const pinpipe_kinesis_producer_options *options) {
    producer->ordering = options->ordering;
    producer->reports = options->reports;
    producer->in_flight = options->in_flight ? options->in_flight : IN_FLIGHT;
    producer->memory_max = options->memory_max_bytes ? options->memory_max_bytes : MEMORY_MAX;
    producer->linger_ms = options->linger_ms < 0 ? 0 : options->linger_ms ? options->linger_ms : LINGER_MS;
    producer->request_records = options->request_records ? options->request_records : PP_REQUEST_RECORDS_MAX;
    producer->request_bytes = options->request_bytes ? options->request_bytes : REQUEST_BYTES;
    producer->delivery_timeout_ms =
        options->delivery_timeout_ms ? options->delivery_timeout_ms : DELIVERY_TIMEOUT_MS;
    producer->aggregate_bytes = options->aggregate_bytes;
    producer->map_pause_ms = MAP_FIRST_MS;
    producer->record_max_bytes = (int64_t)1 << 20;
    producer->is_single = options->ordering == PINPIPE_KINESIS_ORDER_STRICT;
    if (options->gateway) { /* what a stream takes is not told there */
        producer->is_single = options->gateway->resource == PINPIPE_KINESIS_GATEWAY_RECORD;
        producer->request_bytes =
            producer->request_bytes < PP_GATEWAY_BYTES_MAX ? producer->request_bytes : PP_GATEWAY_BYTES_MAX;
        producer->record_max_bytes = producer->request_bytes;
    }
}

pinpipe_status pp_producer_map(pinpipe_kinesis_producer *producer, int64_t wait_ms, pinpipe_error *err) {
    return pinpipe_kinesis_shards_list(producer->kinesis, pp_buf_view(&producer->stream), wait_ms, err);
}

/* What may be asked is asked; a key that may only write writes without it. */
static pinpipe_status limits_ask(pinpipe_kinesis_producer *producer, pinpipe_error *err) {
    pinpipe_kinesis_stream stream;
    if (producer->kinesis->gateway.form) {
        return pp_lanes_open_one(&producer->lanes, err);
    }
    pinpipe_status status =
        pinpipe_kinesis_stream_get(&stream, producer->kinesis, pp_buf_view(&producer->stream), 0, err);
    if (status == PINPIPE_OK) {
        producer->record_max_bytes = stream.record_max_bytes;
        status = pp_producer_map(producer, 0, err);
    }
    bool is_denied =
        status == PINPIPE_EAUTH && strcmp(producer->kinesis->call.code, "AccessDeniedException") == 0;
    if (status == PINPIPE_OK) {
        status = pp_lanes_set(&producer->lanes, &producer->kinesis->shards, pp_clock_monotonic_ms(), err);
        producer->is_map_wanted = status == PINPIPE_EDATA; /* the stream is being changed */
    }
    if (is_denied || status == PINPIPE_EDATA) {
        producer->aggregate_bytes = is_denied ? 0 : producer->aggregate_bytes;
        status = pp_lanes_open_one(&producer->lanes, err);
    }
    return status;
}

pinpipe_status pinpipe_kinesis_producer_new(pinpipe_kinesis_producer **out,
                                            const pinpipe_kinesis_producer_options *options,
                                            pinpipe_error *err) {
    static const pinpipe_kinesis_options defaults = PINPIPE_KINESIS_OPTIONS_INIT;
    assert(out);
    *out = NULL;
    pinpipe_status status = options_check(options, err);
    if (status < 0) {
        return status;
    }
    pinpipe_kinesis_producer *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "a Kinesis producer", sizeof *made);
    }
    options_take(made, options);
    made->fork_generation = pp_fork_generation();
    status = pp_loop_open(&made->loop, err);
    made->requests = pp_alloc_zero((size_t)made->in_flight * sizeof *made->requests);
    made->keys = pp_alloc_zero(PP_KEY_SLOTS * sizeof *made->keys);
    if (status == PINPIPE_OK) {
        status = made->requests && made->keys
                     ? pp_buf_append(&made->stream, options->stream.ptr, options->stream.len, err)
                     : pp_fail_memory(err, "requests", (size_t)made->in_flight * sizeof *made->requests);
    }
    if (status == PINPIPE_OK) {
        pp_kinesis_place_options place = {options->client ? options->client : &defaults, options->gateway,
                                          options->stream};
        status = pp_kinesis_open(&made->kinesis, &place, err);
    }
    if (status == PINPIPE_OK) {
        status = limits_ask(made, err);
    }
    if (status == PINPIPE_OK) {
        made->loop.is_alone = made->kinesis->provider && pp_provider_is_by_caller(made->kinesis->provider);
        *out = made;
        made = NULL;
    }
    pinpipe_kinesis_producer_free(made);
    return status;
}

static void chain_free(pp_entry *entry) {
    for (pp_entry *next = NULL; entry; entry = next) {
        next = entry->next;
        pp_free(entry);
    }
}

void pinpipe_kinesis_producer_free(pinpipe_kinesis_producer *producer) {
    if (!producer || !pp_loop_close(producer)) {
        return;
    }
    for (int32_t i = 0; producer->requests && i < producer->in_flight; i++) {
        pp_request *request = &producer->requests[i];
        for (int64_t unit = 0; request->is_used && unit < request->unit_count; unit++) {
            chain_free(request->units[unit].first);
        }
        if (producer->kinesis) {
            pp_kinesis_call_reset(&request->call, producer->kinesis);
        }
    }
    pp_lanes_reset(&producer->lanes);
    chain_free(producer->done);
    chain_free(producer->spare);
    pp_free(producer->reported);
    pp_aggregate_reset(&producer->aggregate);
    pinpipe_buf_reset(&producer->packed);
    pinpipe_buf_reset(&producer->stream);
    pinpipe_kinesis_free(producer->kinesis);
    pp_free(producer->requests);
    pp_free(producer->keys);
    pp_free(producer);
}

/* ---- moving ---- */

static int64_t used_count(const pinpipe_kinesis_producer *producer) {
    int64_t used = 0;
    for (int32_t i = 0; i < producer->in_flight; i++) {
        used += producer->requests[i].is_used;
    }
    return used;
}

/* Records whose time is over stand first in their lanes, but for those that failed beside them. */
static void lanes_expire(pinpipe_kinesis_producer *producer, int64_t now_ms) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    for (int32_t i = 0; i < producer->lanes.count; i++) {
        pp_lane *lane = &producer->lanes.rows[i];
        while (lane->first && now_ms - lane->first->queued_ms >= producer->delivery_timeout_ms) {
            pp_entry *entry = lane->first;
            lane->first = entry->next;
            lane->last = lane->first ? lane->last : NULL;
            producer->waiting--;
            producer->waiting_bytes -= pp_entry_bytes(entry);
            producer->counters[PINPIPE_KINESIS_EXPIRED]++;
            pp_fail_service(&cause, PINPIPE_ETIMEOUT, PP_KINESIS_SERVICE, 0,
                            "a record was not delivered within %lld ms, after %d attempts",
                            (long long)producer->delivery_timeout_ms, entry->attempts);
            pp_producer_note(producer, &cause);
            pp_producer_end(producer, entry, PINPIPE_ETIMEOUT, (pinpipe_kinesis_place){0});
        }
    }
}

/* New shards are taken while nothing is under way, so that no key is in two lanes. */
static void map_renew(pinpipe_kinesis_producer *producer, int64_t now_ms) {
    if (!producer->is_map_wanted || now_ms < producer->map_due_ms || used_count(producer) > 0) {
        return;
    }
    pinpipe_status status = pp_producer_map(producer, MAP_WAIT_MS, NULL);
    if (status == PINPIPE_OK) {
        status = pp_lanes_set(&producer->lanes, &producer->kinesis->shards, now_ms, NULL);
    }
    producer->is_map_wanted = status < 0;
    producer->map_due_ms = now_ms + producer->map_pause_ms;
    producer->map_pause_ms = status == PINPIPE_OK ? MAP_FIRST_MS
                             : producer->map_pause_ms * 3 / 2 < MAP_PAUSE_MAX_MS
                                 ? producer->map_pause_ms * 3 / 2
                                 : MAP_PAUSE_MAX_MS;
}

bool pp_producer_is_under_way(const pinpipe_kinesis_producer *producer) {
    return used_count(producer) > 0;
}

int64_t pp_producer_due_ms(const pinpipe_kinesis_producer *producer, int64_t now_ms) {
    int64_t due = INT64_MAX;
    bool is_map_due =
        producer->is_map_wanted && now_ms >= producer->map_due_ms; /* nothing starts before it */
    bool has_room = used_count(producer) < producer->in_flight && !is_map_due;
    for (int32_t i = 0; i < producer->in_flight; i++) {
        if (producer->requests[i].is_used) {
            int64_t at_ms = pp_kinesis_call_due_ms(&producer->requests[i].call);
            due = at_ms < due ? at_ms : due;
        }
    }
    for (int32_t i = 0; i < producer->lanes.count; i++) {
        const pp_lane *lane = &producer->lanes.rows[i];
        bool is_held = producer->ordering != PINPIPE_KINESIS_ORDER_NONE && lane->in_flight > 0;
        int64_t at_ms = has_room && !is_held ? pp_lane_due_ms(&producer->lanes, lane, now_ms) : INT64_MAX;
        int64_t end_ms = lane->first ? lane->first->queued_ms + producer->delivery_timeout_ms : INT64_MAX;
        if (at_ms != INT64_MAX && !producer->is_flushing) {
            int64_t linger_ms = producer->oldest_ms + producer->linger_ms;
            at_ms = at_ms > linger_ms ? at_ms : linger_ms;
        }
        due = at_ms < due ? at_ms : due;
        due = end_ms < due ? end_ms : due;
    }
    return due;
}

static int64_t ended_count(const pinpipe_kinesis_producer *producer) {
    return producer->counters[PINPIPE_KINESIS_DELIVERED] + producer->counters[PINPIPE_KINESIS_FAILED];
}

/* One round: answers in, requests out. */
static void producer_move(pinpipe_kinesis_producer *producer) {
    int64_t now_ms = producer->now_ms = pp_clock_monotonic_ms();
    pp_requests_take(producer);
    lanes_expire(producer, now_ms);
    map_renew(producer, now_ms);
    pp_requests_start(producer, now_ms);
    producer->counters[PINPIPE_KINESIS_OLDEST_MS] =
        producer->waiting && now_ms > producer->oldest_ms ? now_ms - producer->oldest_ms : 0;
}

/* Waits for an answer, or until something is due, no longer than `deadline_ms`. */
static pinpipe_status producer_wait(pinpipe_kinesis_producer *producer, int64_t deadline_ms,
                                    pinpipe_error *err) {
    int64_t now_ms = pp_clock_monotonic_ms();
    int64_t until_ms = pp_producer_due_ms(producer, now_ms);
    until_ms = until_ms < deadline_ms ? until_ms : deadline_ms;
    until_ms = until_ms < now_ms + STEP_MS ? until_ms : now_ms + STEP_MS;
    pinpipe_status status =
        pp_api_wait(producer->kinesis->api, until_ms > now_ms ? until_ms - now_ms : 0, err);
    return status < 0 ? status : PINPIPE_OK;
}

void pp_producer_step(pinpipe_kinesis_producer *producer) {
    producer_move(producer);
    pp_api_wait(producer->kinesis->api, 0, NULL); /* the owner's next call that waits tells what fails */
}

pinpipe_status pinpipe_kinesis_producer_poll(pinpipe_kinesis_producer *producer, int64_t timeout_ms,
                                             pinpipe_error *err) {
    pinpipe_status status = pp_loop_enter(producer, timeout_ms, err);
    if (status < 0) {
        return status;
    }
    int64_t deadline_ms = pp_clock_monotonic_ms() + timeout_ms;
    int64_t before = ended_count(producer);
    while (status == PINPIPE_OK) {
        producer_move(producer);
        if (ended_count(producer) > before || ended_count(producer) > producer->ended_told) {
            break;
        }
        status =
            pp_clock_monotonic_ms() < deadline_ms ? producer_wait(producer, deadline_ms, err) : PINPIPE_AGAIN;
    }
    producer->ended_told = ended_count(producer);
    pp_loop_leave(producer);
    return status;
}

static pinpipe_status all_flush(pinpipe_kinesis_producer *producer, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    int64_t deadline_ms = pp_clock_monotonic_ms() + timeout_ms;
    const int64_t *counters = producer->counters;
    int64_t left = 0;
    producer->is_flushing = true;
    while (status == PINPIPE_OK) {
        producer_move(producer);
        left = counters[PINPIPE_KINESIS_WRITTEN] - ended_count(producer);
        if (left == 0 || pp_clock_monotonic_ms() >= deadline_ms) {
            break;
        }
        status = producer_wait(producer, deadline_ms, err);
    }
    producer->is_flushing = false;
    if (status == PINPIPE_OK && left > 0) {
        return pp_fail_service(err, PINPIPE_ETIMEOUT, PP_KINESIS_SERVICE, 0,
                               "%lld records wait to be delivered", (long long)left);
    }
    int64_t failed = counters[PINPIPE_KINESIS_FAILED] - producer->failed_told;
    if (status == PINPIPE_OK && failed > 0) {
        const pinpipe_error *first = &producer->failure;
        producer->failed_told = counters[PINPIPE_KINESIS_FAILED];
        return pp_fail_service(err, first->status, first->service, first->native_code,
                               "%lld records were not delivered; the first: %s", (long long)failed,
                               first->message);
    }
    return status;
}

pinpipe_status pinpipe_kinesis_producer_flush(pinpipe_kinesis_producer *producer, int64_t timeout_ms,
                                              pinpipe_error *err) {
    pinpipe_status status = pp_loop_enter(producer, timeout_ms, err);
    if (status == PINPIPE_OK) {
        status = all_flush(producer, timeout_ms, err);
        pp_loop_leave(producer);
    }
    return status;
}

/* ---- writing ---- */

static pinpipe_status entry_new(pp_entry **out, pinpipe_kinesis_producer *producer,
                                const pinpipe_kinesis_record *record, pinpipe_error *err) {
    size_t cap = record->partition_key.len + record->data.len;
    cap = producer->reports && cap < PP_REPORT_BYTES ? PP_REPORT_BYTES : cap;
    cap = (cap + CAP_STEP - 1) / CAP_STEP * CAP_STEP;
    pp_entry *made = pp_entry_again(producer, cap);
    cap = made ? made->cap : cap;
    made = made ? made : pp_alloc(sizeof *made + cap);
    if (!made) {
        return pp_fail_memory(err, "a record", sizeof *made + cap);
    }
    *made = (pp_entry){.cap = cap,
                       .key_len = record->partition_key.len,
                       .data_len = record->data.len,
                       .has_hash = record->hash_key.len > 0};
    pinpipe_status status = PINPIPE_OK;
    if (made->has_hash) {
        pp_kinesis_hash_read(&made->hash, record->hash_key); /* checked before */
    } else {
        status = pp_kinesis_hash_of(&made->hash, record->partition_key, err);
    }
    if (status < 0) {
        pp_free(made);
        return status;
    }
    pp_str_copy(made->bytes, record->partition_key);
    pp_str_copy(made->bytes + made->key_len, record->data);
    *out = made;
    return PINPIPE_OK;
}

static pinpipe_status room_wait(pinpipe_kinesis_producer *producer, int64_t needed, int64_t timeout_ms,
                                pinpipe_error *err) {
    const int64_t *held = &producer->counters[PINPIPE_KINESIS_HELD_BYTES];
    pinpipe_status status = PINPIPE_OK;
    if (*held + needed <= producer->memory_max) {
        return status;
    }
    int64_t deadline_ms = pp_clock_monotonic_ms() + timeout_ms;
    for (;;) {
        producer_move(producer);
        if (*held + needed <= producer->memory_max) {
            return PINPIPE_OK;
        }
        if (pp_clock_monotonic_ms() >= deadline_ms) {
            return pp_fail_service(err, PINPIPE_ETIMEOUT, PP_KINESIS_SERVICE, 0,
                                   "waiting for room: %lld of %lld bytes are held%s", (long long)*held,
                                   (long long)producer->memory_max,
                                   producer->done ? ", part of them by reports that nobody took" : "");
        }
        status = producer_wait(producer, deadline_ms, err);
        if (status < 0) {
            return status;
        }
    }
}

static pinpipe_status size_check(const pinpipe_kinesis_producer *producer, int64_t size, pinpipe_error *err) {
    const struct {
        const char *whose;
        int64_t max;
    } rows[] = {
        {"the stream", producer->record_max_bytes},
        {"a request", producer->request_bytes},
        {"the producer's memory", producer->memory_max - PP_REPORT_BYTES - CAP_STEP - PP_ENTRY_AROUND}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (size > rows[i].max) {
            return pp_fail(err, PINPIPE_ELIMIT,
                           "record: %lld bytes of data and key are more than %s takes, %lld", (long long)size,
                           rows[i].whose, (long long)rows[i].max);
        }
    }
    return PINPIPE_OK;
}

static pinpipe_status record_queue(pinpipe_kinesis_producer *producer, const pinpipe_kinesis_record *record,
                                   int64_t tag, int64_t timeout_ms, pinpipe_error *err) {
    pp_entry *entry = NULL;
    int64_t *counters = producer->counters;
    pinpipe_status status = PINPIPE_OK;
    pinpipe_kinesis_record wire = *record;
    if (producer->kinesis->gateway.form) {
        status = pp_gateway_record_write(&producer->packed, &wire, &producer->kinesis->gateway, err);
    }
    if (status < 0) {
        return status;
    }
    int64_t size = (int64_t)(wire.data.len + wire.partition_key.len);
    status = size_check(producer, size, err);
    if (status < 0) {
        return status;
    }
    status = room_wait(producer, size + PP_REPORT_BYTES + CAP_STEP + PP_ENTRY_AROUND, timeout_ms, err);
    if (status == PINPIPE_OK) {
        status = entry_new(&entry, producer, &wire, err);
    }
    if (status < 0 || !entry) {
        return status;
    }
    entry->tag = tag;
    entry->queued_ms = pp_clock_monotonic_ms();
    producer->oldest_ms = producer->waiting ? producer->oldest_ms : entry->queued_ms;
    pp_lane_put(&producer->lanes.rows[pp_lanes_find(&producer->lanes, entry->hash)], entry);
    producer->waiting++;
    producer->waiting_bytes += pp_entry_bytes(entry);
    counters[PINPIPE_KINESIS_HELD_BYTES] += pp_entry_bytes(entry);
    if (++counters[PINPIPE_KINESIS_WRITTEN] % MOVE_EVERY == 0 || producer->waiting == 1 ||
        entry->queued_ms - producer->oldest_ms >= producer->linger_ms) {
        pp_producer_step(producer);
    }
    return PINPIPE_OK;
}

pinpipe_status pinpipe_kinesis_producer_write(pinpipe_kinesis_producer *producer,
                                              const pinpipe_kinesis_record *record, int64_t tag,
                                              int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = pp_kinesis_record_check(record, err);
    if (status == PINPIPE_OK) {
        status = pp_loop_enter(producer, timeout_ms, err);
    }
    if (status == PINPIPE_OK) {
        status = record_queue(producer, record, tag, timeout_ms, err);
        pp_loop_leave(producer);
    }
    return status;
}

#endif
