/* Turns records into requests to a REST proxy that wait in line, and their ends into counts and results.
 * Never lets a record go without its result: written = delivered + failed + waiting, at every moment.
 * Rules: docs/kafka-rest.md; pinpipe/kafka_rest.h. */
#include "rest/client.h"

#if PINPIPE_WITH_S3

#include <assert.h>
#include <string.h>

#include "aws/uri.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "io/clock.h"
#include "io/fork.h"

#define IN_FLIGHT 4
#define IN_FLIGHT_MAX 64
#define BATCH_RECORDS 100
#define BATCH_RECORDS_MAX 10000
#define BATCH_BYTES 1000000
#define BATCH_BYTES_MIN 1024
#define BATCH_BYTES_MAX 10000000 /* API Gateway takes 10 MB; its headers count too */
#define LINGER_MS 5
#define LINGER_MAX_MS 60000
#define QUEUE_BYTES (INT64_C(32) << 20)
#define QUEUE_BYTES_MAX (INT64_C(1) << 40)
#define QUEUE_RESULTS 100000
#define QUEUE_RESULTS_MAX 100000000
#define CONNECT_TIMEOUT_MS 3100
#define REQUEST_TIMEOUT_MS 30000
#define DELIVERY_TIMEOUT_MS 120000
#define TIMEOUT_MAX_MS 86400000
#define ATTEMPTS_MAX 20
/* Requests under way are looked at this often while records are written. */
#define LOOK_EVERY_MS 1

/* ---- options ---- */

static pinpipe_status number_set(int64_t *value, const char *name, int64_t otherwise, int64_t least,
                                 int64_t most, pinpipe_error *err) {
    *value = *value ? *value : otherwise;
    return *value >= least && *value <= most
               ? PINPIPE_OK
               : pp_fail(err, PINPIPE_EINVAL, "%s: %lld, not %lld to %lld", name, (long long)*value,
                         (long long)least, (long long)most);
}

static pinpipe_status numbers_set(pinpipe_kafka_rest_options *options, pinpipe_error *err) {
    int64_t in_flight = options->in_flight;
    const struct {
        int64_t *value;
        const char *name;
        int64_t otherwise, least, most;
    } rows[] = {
        {&in_flight, "in_flight", IN_FLIGHT, 1, IN_FLIGHT_MAX},
        {&options->batch_records, "batch_records", BATCH_RECORDS, 1, BATCH_RECORDS_MAX},
        {&options->batch_bytes, "batch_bytes", BATCH_BYTES, BATCH_BYTES_MIN, BATCH_BYTES_MAX},
        {&options->linger_ms, "linger_ms", LINGER_MS, -1, LINGER_MAX_MS},
        {&options->queue_bytes, "queue_bytes", QUEUE_BYTES, 1, QUEUE_BYTES_MAX},
        {&options->queue_results, "queue_results", QUEUE_RESULTS, 1, QUEUE_RESULTS_MAX},
        {&options->connect_timeout_ms, "connect_timeout_ms", CONNECT_TIMEOUT_MS, 1, TIMEOUT_MAX_MS},
        {&options->request_timeout_ms, "request_timeout_ms", REQUEST_TIMEOUT_MS, 1, TIMEOUT_MAX_MS},
        {&options->delivery_timeout_ms, "delivery_timeout_ms", DELIVERY_TIMEOUT_MS, 1, TIMEOUT_MAX_MS},
        {&options->attempts_max, "attempts_max", PP_RETRY_ATTEMPTS, 1, ATTEMPTS_MAX},
    };
    pinpipe_status status = PINPIPE_OK;
    for (size_t i = 0; status == PINPIPE_OK && i < sizeof rows / sizeof rows[0]; i++) {
        status = number_set(rows[i].value, rows[i].name, rows[i].otherwise, rows[i].least, rows[i].most, err);
    }
    options->in_flight = (int32_t)in_flight;
    return status;
}

static pinpipe_status options_check(const pinpipe_kafka_rest_options *options, pinpipe_error *err) {
    if (!options || options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "REST proxy options lack their struct_size");
    }
    if (options->order < PINPIPE_KAFKA_REST_ORDER_TOPIC || options->order > PINPIPE_KAFKA_REST_ORDER_NONE) {
        return pp_fail(err, PINPIPE_EINVAL, "order: %d is none", options->order);
    }
    if (options->auth < PINPIPE_KAFKA_REST_AUTH_NONE || options->auth > PINPIPE_KAFKA_REST_AUTH_IAM) {
        return pp_fail(err, PINPIPE_EINVAL, "auth: %d is none", options->auth);
    }
    return PINPIPE_OK;
}

pinpipe_status pinpipe_kafka_rest_new(pinpipe_kafka_rest **out, const pinpipe_kafka_rest_options *options,
                                      pinpipe_error *err) {
    assert(out);
    *out = NULL;
    pinpipe_status status = options_check(options, err);
    if (status < 0) {
        return status;
    }
    pinpipe_kafka_rest *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "a REST proxy's client", sizeof *made);
    }
    made->options = *options;
    made->generation = pp_fork_generation();
    made->line_end = &made->line;
    made->failure = made->trouble = (pinpipe_error)PINPIPE_ERROR_INIT;
    status = numbers_set(&made->options, err);
    pp_api_options api = {
        .endpoint = options->endpoint,
        .api_key = options->api_key,
        .service = options->auth == PINPIPE_KAFKA_REST_AUTH_IAM ? "execute-api" : NULL,
        .region = options->region,
        .provider = options->provider,
        .ca_file = options->ca_file,
        .connect_timeout_ms = made->options.connect_timeout_ms,
        .attempts_max = (int32_t)made->options.attempts_max,
    };
    if (status == PINPIPE_OK) {
        status = pp_api_new(&made->api, &api, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_api_endpoint_check(made->api, "/topics/<topic>", err);
    }
    size_t room = (size_t)made->options.batch_records * sizeof *made->entries;
    made->entries = status == PINPIPE_OK ? pp_alloc(room) : NULL;
    if (status == PINPIPE_OK && !made->entries) {
        status = pp_fail_memory(err, "a request's results", room);
    }
    if (status == PINPIPE_OK) {
        *out = made;
        made = NULL;
    }
    pinpipe_kafka_rest_free(made);
    return status;
}

/* The place of the result at `index`, from the oldest; there is one for it. */
static pp_rest_result *result_place(const pinpipe_kafka_rest *rest, int64_t index) {
    int64_t at = rest->result_first + index;
    return &rest->results[at < rest->result_cap ? at : at - rest->result_cap];
}

static void batches_free(pinpipe_kafka_rest *rest, pp_rest_batch *batch) {
    while (batch) {
        pp_rest_batch *after = batch->after;
        pp_rest_batch_reset(rest, batch);
        batch = after;
    }
}

void pinpipe_kafka_rest_free(pinpipe_kafka_rest *rest) {
    if (!rest) {
        return;
    }
    batches_free(rest, rest->line);
    batches_free(rest, rest->spare);
    pp_api_free(rest->api);
    for (int64_t i = 0; i < rest->topic_count; i++) {
        pinpipe_buf_reset(&rest->topics[i]->name);
        pinpipe_buf_reset(&rest->topics[i]->path);
        pp_free(rest->topics[i]);
    }
    for (int64_t i = 0; i < rest->result_count; i++) {
        pp_free(result_place(rest, i)->text);
    }
    pp_free(rest->taken_text);
    pp_free(rest->results);
    pp_free(rest->entries);
    pp_free(rest->topics);
    pp_free(rest);
}

/* ---- topics ---- */

static pinpipe_status topic_name_check(pinpipe_str name, pinpipe_error *err) {
    bool is_right = name.len >= 1 && name.len <= PP_REST_TOPIC_BYTES_MAX && !pp_str_is(name, ".") &&
                    !pp_str_is(name, "..");
    for (size_t i = 0; is_right && i < name.len; i++) {
        char byte = name.ptr[i];
        bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        is_right = is_letter || (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-';
    }
    return is_right
               ? PINPIPE_OK
               : pp_fail_service(err, PINPIPE_EINVAL, PP_REST_SERVICE, 0,
                                 "topic '%.*s': a name has 1 to %d letters, digits, '.', '_' and '-'",
                                 pp_quote_len(name.len), name.len ? name.ptr : "", PP_REST_TOPIC_BYTES_MAX);
}

static pinpipe_status topics_grow(pinpipe_kafka_rest *rest, pinpipe_error *err) {
    if (rest->topic_count < rest->topic_cap) {
        return PINPIPE_OK;
    }
    if (rest->topic_count == PP_REST_TOPICS_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "one client writes to at most %d topics", PP_REST_TOPICS_MAX);
    }
    int64_t cap = rest->topic_cap ? 2 * rest->topic_cap : 8;
    pp_rest_topic **topics = pp_realloc(rest->topics, (size_t)cap * sizeof *topics);
    if (!topics) {
        return pp_fail_memory(err, "the client's topics", (size_t)cap * sizeof *topics);
    }
    rest->topics = topics;
    rest->topic_cap = cap;
    return PINPIPE_OK;
}

static pinpipe_status topic_add(pp_rest_topic **out, pinpipe_kafka_rest *rest, pinpipe_str name,
                                pinpipe_error *err) {
    pp_rest_topic *topic = NULL;
    pinpipe_status status = topic_name_check(name, err);
    if (status == PINPIPE_OK) {
        status = topics_grow(rest, err);
    }
    if (status < 0) {
        return status;
    }
    topic = pp_alloc_zero(sizeof *topic);
    status = topic ? pp_buf_append(&topic->name, name.ptr, name.len, err)
                   : pp_fail_memory(err, "a topic", sizeof *topic);
    if (status == PINPIPE_OK) {
        status = pp_buf_append_text(&topic->path, "/topics/", err);
    }
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&topic->path, name.ptr, name.len, err);
    }
    if (status == PINPIPE_OK) {
        rest->topics[rest->topic_count++] = *out = topic;
        topic = NULL;
    }
    if (topic) {
        pinpipe_buf_reset(&topic->name);
        pinpipe_buf_reset(&topic->path);
    }
    pp_free(topic);
    return status;
}

static pinpipe_status topic_find(pp_rest_topic **out, pinpipe_kafka_rest *rest, pinpipe_str name,
                                 pinpipe_error *err) {
    for (int64_t i = 0; i < rest->topic_count; i++) {
        int64_t at = (rest->topic_last + i) % rest->topic_count;
        if (pp_str_equal(pp_buf_view(&rest->topics[at]->name), name)) {
            rest->topic_last = at;
            *out = rest->topics[at];
            return PINPIPE_OK;
        }
    }
    return topic_add(out, rest, name, err);
}

/* ---- results ---- */

static pinpipe_status results_grow(pinpipe_kafka_rest *rest, pinpipe_error *err) {
    int64_t needed = rest->result_count + rest->result_due + 1;
    if (needed <= rest->result_cap) {
        return PINPIPE_OK;
    }
    if (needed > rest->options.queue_results) {
        return pp_fail(err, PINPIPE_ELIMIT, "%lld results wait to be taken", (long long)(needed - 1));
    }
    int64_t cap = rest->result_cap ? 2 * rest->result_cap : 64;
    pp_rest_result *ring = pp_alloc((size_t)cap * sizeof *ring);
    if (!ring) {
        return pp_fail_memory(err, "results", (size_t)cap * sizeof *ring);
    }
    for (int64_t i = 0; i < rest->result_count; i++) {
        ring[i] = *result_place(rest, i);
    }
    pp_free(rest->results);
    rest->results = ring;
    rest->result_first = 0;
    rest->result_cap = cap;
    return PINPIPE_OK;
}

void pp_rest_note(pinpipe_kafka_rest *rest, const pp_rest_part *part, const pp_rest_entry *entry,
                  const pinpipe_error *error) {
    rest->counters[error ? PINPIPE_KAFKA_REST_FAILED : PINPIPE_KAFKA_REST_DELIVERED]++;
    rest->counters[PINPIPE_KAFKA_REST_MAY_REPEAT] += !error && part->may_repeat;
    if (error && rest->counters[PINPIPE_KAFKA_REST_FAILED] == rest->failed_told + 1) {
        rest->failure = *error;
    }
    if (!part->is_kept) {
        return;
    }
    assert(rest->result_due > 0 && rest->result_count < rest->result_cap);
    pp_rest_result *kept = result_place(rest, rest->result_count);
    kept->result = (pinpipe_kafka_rest_result)PINPIPE_KAFKA_REST_RESULT_INIT;
    kept->result.number = part->number;
    kept->result.may_repeat = part->may_repeat;
    if (error) {
        kept->result.status = error->status;
        kept->result.error_code = error->native_code;
    } else {
        kept->result.partition = entry->partition;
        kept->result.offset = entry->offset;
    }
    kept->text = error ? pp_strdup(error->message) : NULL; /* without memory the status has a text, too */
    rest->result_due--;
    rest->result_count++;
}

pinpipe_status pinpipe_kafka_rest_next(pinpipe_kafka_rest_result *out, pinpipe_kafka_rest *rest) {
    assert(out && out->struct_size >= sizeof *out);
    pp_free(rest->taken_text);
    rest->taken_text = NULL;
    if (!rest->result_count) {
        return PINPIPE_DONE;
    }
    pp_rest_result *oldest = result_place(rest, 0);
    *out = oldest->result;
    rest->taken_text = oldest->text;
    rest->result_first = rest->result_first + 1 < rest->result_cap ? rest->result_first + 1 : 0;
    rest->result_count--;
    const char *text = out->status < 0 ? pinpipe_status_text(out->status) : "";
    out->text = pp_str(rest->taken_text ? rest->taken_text : text);
    return PINPIPE_OK;
}

/* ---- records ---- */

static pinpipe_status call_check(const pinpipe_kafka_rest *rest, int64_t timeout_ms, pinpipe_error *err) {
    if (rest->generation != pp_fork_generation()) {
        return pp_fail(err, PINPIPE_EFORK, "this client was made before a fork; make one in the child");
    }
    return timeout_ms >= 0 ? PINPIPE_OK
                           : pp_fail(err, PINPIPE_EINVAL, "timeout: %lld ms", (long long)timeout_ms);
}

static pinpipe_status waiting_fail(const pinpipe_kafka_rest *rest, const char *waiting_for,
                                   pinpipe_error *err) {
    const pinpipe_error *trouble = &rest->trouble;
    return pp_fail_service(err, PINPIPE_ETIMEOUT, PP_REST_SERVICE, trouble->native_code, "%s%s%s",
                           waiting_for, trouble->message[0] ? "; last: " : "", trouble->message);
}

/* One record is always let in. */
static bool is_full(const pinpipe_kafka_rest *rest, int64_t bytes) {
    return rest->queued_bytes && rest->queued_bytes + bytes > rest->options.queue_bytes;
}

static pinpipe_status room_wait(pinpipe_kafka_rest *rest, int64_t bytes, int64_t timeout_ms,
                                pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    int64_t end_ms = is_full(rest, bytes) ? pp_clock_monotonic_ms() + timeout_ms : 0;
    bool is_late = false;
    while (status == PINPIPE_OK && is_full(rest, bytes)) {
        if (is_late) {
            return waiting_fail(rest, "the queue is full", err);
        }
        int64_t left_ms = end_ms - pp_clock_monotonic_ms();
        is_late = left_ms <= 0;
        rest->is_flushing = true;
        status = pp_rest_move(rest, is_late ? 0 : left_ms, err);
        rest->is_flushing = false;
    }
    return status;
}

static pinpipe_status record_put(pinpipe_kafka_rest *rest, pp_rest_topic *topic,
                                 const pinpipe_kafka_rest_record *record, pinpipe_error *err) {
    pinpipe_status status = topic->filling ? PINPIPE_OK : pp_rest_batch_begin(rest, topic, err);
    if (status < 0) {
        return status;
    }
    size_t former = topic->filling->body.text.len;
    status = pp_rest_body_add(&topic->filling->body, record, rest->options.batch_bytes, err);
    if (status == PINPIPE_AGAIN) {
        pp_rest_batch_end(topic);
        status = pp_rest_batch_begin(rest, topic, err);
        former = 0;
        if (status == PINPIPE_OK) {
            status = pp_rest_body_add(&topic->filling->body, record, rest->options.batch_bytes, err);
        }
    }
    if (status < 0) {
        return status;
    }
    pp_rest_batch *batch = topic->filling;
    int64_t more = (int64_t)(batch->body.text.len - former);
    pp_rest_part *part = &batch->body.parts[batch->body.count - 1];
    part->number = rest->counters[PINPIPE_KAFKA_REST_WRITTEN]++;
    rest->result_due += part->is_kept;
    rest->queued_bytes += more;
    batch->queued_bytes += more;
    if (batch->body.count == 1) {
        int64_t now_ms = pp_clock_monotonic_ms();
        batch->due_ms = now_ms + rest->options.linger_ms;
        batch->deadline_ms = now_ms + rest->options.delivery_timeout_ms;
    }
    if (batch->body.count == rest->options.batch_records) {
        pp_rest_batch_end(topic);
    }
    return PINPIPE_OK;
}

/* A request moves when one is whole or due, and now and then while others are under way. A failure to move is
 * told by the next call that waits: the record was taken. */
static void move_on(pinpipe_kafka_rest *rest, const pp_rest_topic *topic) {
    int64_t now_ms = pp_clock_monotonic_ms();
    bool is_due = !topic->filling || now_ms >= topic->filling->due_ms;
    if (is_due || (rest->under_way && now_ms - rest->moved_ms >= LOOK_EVERY_MS)) {
        pinpipe_status ignored = pp_rest_move(rest, 0, NULL);
        (void)ignored;
    }
}

pinpipe_status pinpipe_kafka_rest_write(pinpipe_kafka_rest *rest, const pinpipe_kafka_rest_record *record,
                                        int64_t timeout_ms, pinpipe_error *err) {
    pp_rest_topic *topic = NULL;
    if (!record || record->struct_size < sizeof *record || record->partition < 0) {
        return pp_fail(err, PINPIPE_EINVAL, "a record lacks its struct_size, or its partition is below 0");
    }
    pinpipe_status status = call_check(rest, timeout_ms, err);
    if (status == PINPIPE_OK) {
        status = topic_find(&topic, rest, record->topic, err);
    }
    if (status == PINPIPE_OK && record->keep == PINPIPE_KAFKA_REST_KEEP_RESULT) {
        status = results_grow(rest, err);
    }
    if (status == PINPIPE_OK) {
        status = room_wait(rest, (int64_t)(record->value.len + record->key.len), timeout_ms, err);
    }
    if (status == PINPIPE_OK) {
        status = record_put(rest, topic, record, err);
    }
    if (status == PINPIPE_OK) {
        move_on(rest, topic);
    }
    return status;
}

pinpipe_status pinpipe_kafka_rest_lines_write(int64_t *taken_bytes, pinpipe_kafka_rest *rest,
                                              const pinpipe_kafka_rest_record *lines, int64_t timeout_ms,
                                              pinpipe_error *err) {
    *taken_bytes = 0;
    if (!lines || lines->struct_size < sizeof *lines) {
        return pp_fail(err, PINPIPE_EINVAL, "lines lack their struct_size");
    }
    pinpipe_status status = call_check(rest, timeout_ms, err);
    pinpipe_kafka_rest_record record = *lines;
    pinpipe_str text = lines->value;
    int64_t end_ms = pp_clock_monotonic_ms() + timeout_ms, index = 0;
    record.key = (pinpipe_str){NULL, 0};
    for (size_t at = 0; status == PINPIPE_OK && at < text.len; index++) {
        const char *from = text.ptr + at, *feed = memchr(from, '\n', text.len - at);
        size_t len = feed ? (size_t)(feed - from) : text.len - at;
        record.value = (pinpipe_str){from, len && from[len - 1] == '\r' ? len - 1 : len};
        if (record.value.len) {
            int64_t left_ms = end_ms - pp_clock_monotonic_ms();
            status = pinpipe_kafka_rest_write(rest, &record, left_ms > 0 ? left_ms : 0, err);
        }
        at += feed ? len + 1 : len;
        *taken_bytes = status == PINPIPE_OK ? (int64_t)at : *taken_bytes;
    }
    if (status < 0 && err && err->struct_size >= sizeof *err) {
        err->record_index = index - 1;
    }
    return status;
}

static int64_t waiting_count(const pinpipe_kafka_rest *rest) {
    return rest->counters[PINPIPE_KAFKA_REST_WRITTEN] - rest->counters[PINPIPE_KAFKA_REST_DELIVERED] -
           rest->counters[PINPIPE_KAFKA_REST_FAILED];
}

pinpipe_status pinpipe_kafka_rest_flush(pinpipe_kafka_rest *rest, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = call_check(rest, timeout_ms, err);
    int64_t end_ms = pp_clock_monotonic_ms() + timeout_ms;
    bool is_late = false;
    while (status == PINPIPE_OK && waiting_count(rest) && !is_late) {
        int64_t left_ms = end_ms - pp_clock_monotonic_ms();
        is_late = left_ms <= 0;
        rest->is_flushing = true;
        status = pp_rest_move(rest, is_late ? 0 : left_ms, err);
        rest->is_flushing = false;
    }
    if (status < 0) {
        return status;
    }
    if (waiting_count(rest)) {
        pinpipe_buf text = PINPIPE_BUF_INIT;
        status =
            pp_buf_printf(&text, err, "%lld records wait to be delivered", (long long)waiting_count(rest));
        status = status == PINPIPE_OK ? waiting_fail(rest, text.ptr, err) : status;
        pinpipe_buf_reset(&text);
        return status;
    }
    int64_t failed = rest->counters[PINPIPE_KAFKA_REST_FAILED] - rest->failed_told;
    rest->failed_told += failed;
    rest->trouble = (pinpipe_error)PINPIPE_ERROR_INIT;
    return failed ? pp_fail_service(err, rest->failure.status, PP_REST_SERVICE, rest->failure.native_code,
                                    "%lld records were not delivered; the first: %s", (long long)failed,
                                    rest->failure.message)
                  : PINPIPE_OK;
}

pinpipe_status pinpipe_kafka_rest_poll(pinpipe_kafka_rest *rest, pinpipe_error *err) {
    pinpipe_status status = call_check(rest, 0, err);
    return status == PINPIPE_OK ? pp_rest_move(rest, 0, err) : status;
}

int64_t pinpipe_kafka_rest_count(const pinpipe_kafka_rest *rest, int32_t counter) {
    bool is_one = counter >= 0 && counter < PINPIPE_KAFKA_REST_COUNTER_COUNT;
    return is_one ? rest->counters[counter] : 0;
}

#endif
