/* Turns columns in Arrow's layout into queued messages, and their delivery reports into arrays of results.
 * Never allocates a record's worth, and never frees a column's bytes before the last report that needs them.
 * Rules: docs/kafka.md, "Batches"; librdkafka rdkafka.h (rd_kafka_produce_batch, rd_kafka_produceva). */
#include "pinpipe/kafka_batch.h"

#if PINPIPE_WITH_KAFKA

#include "kafka/producer.h"
#include "kafka/wake.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

#define RECORDS_MAX 100000000
#define CHUNK_RECORDS 512
#define HEADERS_MAX 1000
/* librdkafka has one request of up to 1 MB a partition under way, and its thread looks without a pause at
 * records behind it whose linger is over. Measured before kfake, ns CPU a record with linger.ms 5: 1313 with
 * 12 MB a broker, 1320 with 6, 916 with 3, as many records a second; with 2 a real broker takes a third less
 * of them. */
#define WINDOW_BYTES ((int64_t)3 << 20)

struct pinpipe_kafka_delivery {
    atomic_int holders; /* the caller, and the producer while reports are missing */
    pinpipe_kafka_columns columns;
    char *topic;
    const pinpipe_kafka_producer *producer; /* that it was written to first */
    pinpipe_kafka_delivery *next;           /* in the producer's list */
    int64_t queued;
    int64_t delivered;
    int64_t failed;
    int64_t failed_told;
    uint8_t *outcomes;
    int64_t
        *offsets; /* a record's place in it is the message's opaque; until its report, -2 - its sequence */
    int32_t *partitions;
    int16_t *errors;
};

/* ---- columns ---- */

static int64_t offset_at(const pinpipe_kafka_column *column, int64_t row) {
    int64_t at = column->first + row;
    return column->offset_bytes == 4 ? ((const int32_t *)column->offsets)[at]
                                     : ((const int64_t *)column->offsets)[at];
}

static bool entry_is_null(const pinpipe_kafka_column *column, int64_t row) {
    int64_t at = column->first + row;
    return !column->offsets || (column->validity && !(column->validity[at >> 3] >> (at & 7) & 1));
}

/* Kafka's null has no place; an empty entry must have one. */
static pinpipe_str entry_at(const pinpipe_kafka_column *column, int64_t row) {
    if (entry_is_null(column, row)) {
        return (pinpipe_str){NULL, 0};
    }
    int64_t start = offset_at(column, row);
    size_t len = (size_t)(offset_at(column, row + 1) - start);
    return (pinpipe_str){len ? column->data + start : "", len};
}

static int64_t record_bytes(const pinpipe_kafka_columns *columns, int64_t row) {
    return (int64_t)(entry_at(&columns->values, row).len + entry_at(&columns->keys, row).len);
}

static pinpipe_status column_check(const pinpipe_kafka_column *column, const char *name, int64_t count,
                                   pinpipe_error *err) {
    if (!column->offsets) {
        return PINPIPE_OK;
    }
    if ((column->offset_bytes != 4 && column->offset_bytes != 8) || column->first < 0 ||
        column->data_bytes < 0) {
        return pp_fail(err, PINPIPE_EINVAL, "%s: offsets of %d bytes from entry %lld over %lld bytes of data",
                       name, (int)column->offset_bytes, (long long)column->first,
                       (long long)column->data_bytes);
    }
    int64_t last = offset_at(column, 0);
    bool right = last >= 0;
    for (int64_t row = 0; row < count && right; row++) {
        int64_t end = offset_at(column, row + 1);
        right = end >= last && end <= column->data_bytes;
        last = end;
        if (!right) {
            return pp_fail(err, PINPIPE_EINVAL, "%s: entry %lld ends at %lld, which falls or is beyond %lld",
                           name, (long long)row, (long long)end, (long long)column->data_bytes);
        }
    }
    return right ? PINPIPE_OK
                 : pp_fail(err, PINPIPE_EINVAL, "%s: offsets begin at %lld", name, (long long)last);
}

static pinpipe_status headers_check(const pinpipe_kafka_columns *columns, pinpipe_error *err) {
    const pinpipe_kafka_column *lists = &columns->header_lists;
    if (!lists->offsets) {
        return PINPIPE_OK;
    }
    pinpipe_status status = column_check(lists, "headers", columns->count, err);
    if (status == PINPIPE_OK) {
        status = column_check(&columns->header_names, "header names", lists->data_bytes, err);
    }
    if (status == PINPIPE_OK) {
        status = column_check(&columns->header_values, "header values", lists->data_bytes, err);
    }
    for (int64_t row = 0; row < columns->count && status == PINPIPE_OK; row++) {
        int64_t start = offset_at(lists, row), end = offset_at(lists, row + 1);
        if (end - start > HEADERS_MAX) {
            status = pp_fail(err, PINPIPE_ELIMIT, "record %lld has %lld headers, the limit is %d",
                             (long long)row, (long long)(end - start), HEADERS_MAX);
        }
        for (int64_t i = start; i < end && status == PINPIPE_OK; i++) {
            if (entry_at(&columns->header_names, i).len == 0) {
                status =
                    pp_fail(err, PINPIPE_EINVAL, "record %lld has a header without a name", (long long)row);
            }
        }
    }
    return status;
}

static pinpipe_status columns_check(const pinpipe_kafka_columns *columns, pinpipe_error *err) {
    if (!columns || columns->struct_size < sizeof *columns) {
        return pp_fail(err, PINPIPE_EINVAL, "a batch's columns lack their struct_size");
    }
    if (columns->count < 0 || columns->count > RECORDS_MAX) {
        return pp_fail(err, columns->count < 0 ? PINPIPE_EINVAL : PINPIPE_ELIMIT,
                       "a batch of %lld records: it has 0 to %d", (long long)columns->count, RECORDS_MAX);
    }
    pinpipe_status status = column_check(&columns->values, "values", columns->count, err);
    if (status == PINPIPE_OK) {
        status = column_check(&columns->keys, "keys", columns->count, err);
    }
    return status < 0 ? status : headers_check(columns, err);
}

/* ---- the batch ---- */

static void delivery_destroy(pinpipe_kafka_delivery *delivery) {
    pp_free(delivery->outcomes);
    pp_free(delivery->offsets);
    pp_free(delivery->partitions);
    pp_free(delivery->errors);
    pp_free(delivery->topic);
    pp_free(delivery);
}

pinpipe_status pinpipe_kafka_delivery_new(pinpipe_kafka_delivery **out, const pinpipe_kafka_columns *columns,
                                          pinpipe_error *err) {
    *out = NULL;
    pinpipe_status status = columns_check(columns, err);
    if (status < 0) {
        return status;
    }
    pinpipe_kafka_delivery *delivery = pp_alloc_zero(sizeof *delivery);
    if (!delivery) {
        return pp_fail_memory(err, "a Kafka batch", sizeof *delivery);
    }
    size_t count = columns->count ? (size_t)columns->count : 1;
    atomic_init(&delivery->holders, 1);
    delivery->columns = *columns;
    delivery->topic = pp_strndup(columns->topic.len ? columns->topic.ptr : "", columns->topic.len);
    delivery->outcomes = pp_alloc_zero(count * sizeof *delivery->outcomes);
    delivery->errors = pp_alloc_zero(count * sizeof *delivery->errors);
    delivery->offsets = pp_alloc(count * sizeof *delivery->offsets);
    delivery->partitions = pp_alloc(count * sizeof *delivery->partitions);
    if (!delivery->topic || !delivery->outcomes || !delivery->errors || !delivery->offsets ||
        !delivery->partitions) {
        delivery_destroy(delivery);
        return pp_fail_memory(err, "the results of a Kafka batch", count * 15);
    }
    delivery->columns.topic.ptr = delivery->topic;
    memset(delivery->offsets, 0xff, count * sizeof *delivery->offsets);
    memset(delivery->partitions, 0xff, count * sizeof *delivery->partitions);
    *out = delivery;
    return PINPIPE_OK;
}

static void columns_release(pinpipe_kafka_delivery *delivery) {
    void (*release)(void *) = delivery->columns.release;
    delivery->columns.release = NULL;
    if (release) {
        release(delivery->columns.release_context);
    }
}

static void delivery_let_go(pinpipe_kafka_delivery *delivery) {
    if (atomic_fetch_sub(&delivery->holders, 1) == 1) {
        columns_release(delivery);
        delivery_destroy(delivery);
    }
}

void pinpipe_kafka_delivery_free(pinpipe_kafka_delivery *delivery) {
    if (delivery) {
        delivery_let_go(delivery);
    }
}

static bool delivery_is_done(const pinpipe_kafka_delivery *delivery) {
    return delivery->delivered + delivery->failed == delivery->columns.count;
}

/* The producer holds a batch from its first write until its last report. */
static void delivery_link(pinpipe_kafka_producer *producer, pinpipe_kafka_delivery *delivery) {
    atomic_fetch_add(&delivery->holders, 1);
    delivery->producer = producer;
    delivery->next = producer->deliveries;
    producer->deliveries = delivery;
}

static void delivery_unlink(pinpipe_kafka_producer *producer, pinpipe_kafka_delivery *delivery) {
    pinpipe_kafka_delivery **at = &producer->deliveries;
    while (*at != delivery) {
        at = &(*at)->next;
    }
    *at = delivery->next;
    if (producer->delivery_last == delivery) {
        producer->delivery_last = NULL;
    }
    columns_release(delivery);
    delivery_let_go(delivery);
}

/* ---- reports ---- */

static bool delivery_has(const pinpipe_kafka_delivery *delivery, const int64_t *place) {
    return place >= delivery->offsets && place < delivery->offsets + delivery->columns.count;
}

/* Reports come by partition, many of one batch after each other. */
static pinpipe_kafka_delivery *delivery_of(pinpipe_kafka_producer *producer, const int64_t *place) {
    if (producer->delivery_last && delivery_has(producer->delivery_last, place)) {
        return producer->delivery_last;
    }
    pinpipe_kafka_delivery *delivery = producer->deliveries;
    while (delivery && !delivery_has(delivery, place)) {
        delivery = delivery->next;
    }
    producer->delivery_last = delivery;
    return delivery;
}

static void outcome_set(pinpipe_kafka_delivery *delivery, int64_t row, pinpipe_kafka_outcome outcome,
                        rd_kafka_resp_err_t code) {
    delivery->outcomes[row] = (uint8_t)outcome;
    delivery->errors[row] = (int16_t)code;
    if (outcome != PINPIPE_KAFKA_DELIVERED) {
        delivery->offsets[row] = -1;
    }
    delivery->delivered += outcome == PINPIPE_KAFKA_DELIVERED;
    delivery->failed += outcome != PINPIPE_KAFKA_DELIVERED;
}

void pp_kafka_delivery_note(pinpipe_kafka_producer *producer, const int64_t *place,
                            const rd_kafka_message_t *message, rd_kafka_resp_err_t code) {
    pinpipe_kafka_delivery *delivery = delivery_of(producer, place);
    int64_t row = place - delivery->offsets;
    producer->batch_bytes -= (int64_t)(message->len + message->key_len);
    delivery->partitions[row] = message->partition;
    if (!code) {
        delivery->offsets[row] = message->offset;
        outcome_set(delivery, row, PINPIPE_KAFKA_DELIVERED, code);
    } else {
        bool sent = rd_kafka_message_status(message) != RD_KAFKA_MSG_STATUS_NOT_PERSISTED;
        outcome_set(delivery, row, sent ? PINPIPE_KAFKA_UNCERTAIN : PINPIPE_KAFKA_FAILED, code);
    }
    if (delivery == producer->awaited && delivery->delivered + delivery->failed == delivery->queued) {
        rd_kafka_yield(producer->client.handle); /* ends the flush that waits for it */
    }
    if (delivery_is_done(delivery)) {
        delivery_unlink(producer, delivery);
    }
}

void pp_kafka_delivery_drop(pinpipe_kafka_producer *producer, const int64_t *place,
                            rd_kafka_resp_err_t code) {
    pinpipe_kafka_delivery *delivery = delivery_of(producer, place);
    producer->batch_bytes -= record_bytes(&delivery->columns, place - delivery->offsets);
    outcome_set(delivery, place - delivery->offsets, PINPIPE_KAFKA_FAILED, code);
    if (delivery_is_done(delivery)) {
        delivery_unlink(producer, delivery);
    }
}

bool pp_kafka_delivery_holds(pinpipe_kafka_producer *producer, const int64_t *place) {
    return delivery_of(producer, place)->columns.release != NULL;
}

void pp_kafka_delivery_mark(pinpipe_kafka_producer *producer, const int64_t *place, uint8_t outcome) {
    pinpipe_kafka_delivery *delivery = delivery_of(producer, place);
    delivery->outcomes[place - delivery->offsets] = outcome;
}

void pp_kafka_deliveries_settle(pinpipe_kafka_producer *producer, rd_kafka_resp_err_t code) {
    for (pinpipe_kafka_delivery *delivery = producer->deliveries, *next = NULL; delivery; delivery = next) {
        next = delivery->next;
        for (int64_t row = 0; row < delivery->queued; row++) {
            if (delivery->outcomes[row] == PINPIPE_KAFKA_WAITING) {
                producer->batch_bytes -= record_bytes(&delivery->columns, row);
                outcome_set(delivery, row, PINPIPE_KAFKA_UNCERTAIN, code);
            }
        }
        if (delivery_is_done(delivery)) {
            delivery_unlink(producer, delivery);
        }
    }
}

static void unqueued_fail(pinpipe_kafka_delivery *delivery) {
    for (int64_t row = delivery->queued; row < delivery->columns.count; row++) {
        outcome_set(delivery, row, PINPIPE_KAFKA_FAILED, RD_KAFKA_RESP_ERR__PURGE_QUEUE);
    }
    delivery->queued = delivery->columns.count;
}

void pp_kafka_deliveries_close(pinpipe_kafka_producer *producer) {
    while (producer->deliveries) {
        unqueued_fail(producer->deliveries);
        delivery_unlink(producer, producer->deliveries);
    }
}

void pp_kafka_delivery_give_up(pinpipe_kafka_producer *producer, pinpipe_kafka_delivery *delivery) {
    bool is_linked = delivery->producer && !delivery_is_done(delivery);
    unqueued_fail(delivery);
    if (is_linked && delivery_is_done(delivery)) {
        delivery_unlink(producer, delivery);
    }
}

/* ---- queuing ---- */

static int message_flags(const pinpipe_kafka_delivery *delivery) {
    return (delivery->columns.release ? 0 : RD_KAFKA_MSG_F_COPY) |
           (delivery->columns.partitions ? RD_KAFKA_MSG_F_PARTITION : 0);
}

/* The common road: one call for many records. How many are queued or refused for good; the rest finds the
 * queue full or the handle broken. */
static int64_t chunk_queue(pinpipe_kafka_producer *producer, pinpipe_kafka_delivery *delivery,
                           rd_kafka_topic_t *topic) {
    const pinpipe_kafka_columns *columns = &delivery->columns;
    rd_kafka_message_t *chunk = producer->chunk;
    int64_t left = columns->count - delivery->queued;
    int64_t count = left < CHUNK_RECORDS ? left : CHUNK_RECORDS;
    for (int64_t i = 0; i < count; i++) {
        int64_t row = delivery->queued + i;
        pinpipe_str value = entry_at(&columns->values, row), key = entry_at(&columns->keys, row);
        chunk[i] = (rd_kafka_message_t){
            .payload = (void *)value.ptr,
            .len = value.len,
            .key = (void *)key.ptr,
            .key_len = key.len,
            .partition = columns->partitions ? columns->partitions[row] : RD_KAFKA_PARTITION_UA,
            ._private = &delivery->offsets[row],
        };
        delivery->offsets[row] = -2 - producer->sequence - i;
    }
    int taken =
        rd_kafka_produce_batch(topic, RD_KAFKA_PARTITION_UA, message_flags(delivery), chunk, (int)count);
    int64_t done = taken == count ? count : 0;
    while (done < count && !pp_kafka_queue_shut(chunk[done].err)) {
        done++;
    }
    return done;
}

static rd_kafka_headers_t *record_headers(const pinpipe_kafka_columns *columns, int64_t row) {
    if (entry_is_null(&columns->header_lists, row)) {
        return NULL;
    }
    int64_t start = offset_at(&columns->header_lists, row);
    int64_t end = offset_at(&columns->header_lists, row + 1);
    rd_kafka_headers_t *headers = end > start ? rd_kafka_headers_new((size_t)(end - start)) : NULL;
    for (int64_t i = start; i < end; i++) {
        pinpipe_str name = entry_at(&columns->header_names, i), value = entry_at(&columns->header_values, i);
        rd_kafka_header_add(headers, name.ptr, (ssize_t)name.len, value.ptr, (ssize_t)value.len);
    }
    return headers;
}

/* The road of records with headers or times, for which librdkafka has no call for many. */
static int64_t record_queue(pinpipe_kafka_producer *producer, pinpipe_kafka_delivery *delivery,
                            rd_kafka_topic_t *topic) {
    const pinpipe_kafka_columns *columns = &delivery->columns;
    int64_t row = delivery->queued;
    rd_kafka_message_t *result = producer->chunk;
    delivery->offsets[row] = -2 - producer->sequence;
    pp_kafka_message message = {
        .topic = topic,
        .value = entry_at(&columns->values, row),
        .key = entry_at(&columns->keys, row),
        .headers = record_headers(columns, row),
        .timestamp_ms = columns->timestamps_ms ? columns->timestamps_ms[row] : 0,
        .opaque = &delivery->offsets[row],
        .partition = columns->partitions ? columns->partitions[row] : RD_KAFKA_PARTITION_UA,
        .flags = message_flags(delivery) & RD_KAFKA_MSG_F_COPY,
    };
    result->err = pp_kafka_message_queue(producer->client.handle, &message);
    if (result->err && message.headers) {
        rd_kafka_headers_destroy(message.headers);
    }
    return !pp_kafka_queue_shut(result->err);
}

static pinpipe_status chunk_make(pinpipe_kafka_producer *producer, pinpipe_error *err) {
    if (!producer->chunk) {
        producer->chunk = pp_alloc_zero(CHUNK_RECORDS * sizeof *producer->chunk);
    }
    return producer->chunk
               ? PINPIPE_OK
               : pp_fail_memory(err, "a chunk of records", CHUNK_RECORDS * sizeof *producer->chunk);
}

/* What was refused for good has its outcome at once. */
static void chunk_note(pinpipe_kafka_producer *producer, pinpipe_kafka_delivery *delivery, int64_t done) {
    producer->written += done;
    producer->sequence += done;
    for (int64_t i = 0; i < done; i++) {
        rd_kafka_resp_err_t code = producer->chunk[i].err;
        int64_t row = delivery->queued + i;
        if (code) {
            pp_kafka_producer_failed_note(producer, delivery->topic, code);
            outcome_set(delivery, row, PINPIPE_KAFKA_FAILED, code);
        } else {
            producer->batch_bytes += record_bytes(&delivery->columns, row);
        }
    }
    delivery->queued += done;
    if (delivery_is_done(delivery)) {
        delivery_unlink(producer, delivery);
    }
}

/* Lets reports come in while more is queued than a broker can take at once. */
static void window_wait(pinpipe_kafka_producer *producer, int64_t deadline_ms) {
    int64_t brokers = producer->broker_count > 0 ? producer->broker_count : 1;
    int wait_ms = pp_kafka_wait_ms(deadline_ms, PP_KAFKA_STEP_MS);
    rd_kafka_poll(producer->client.handle, producer->batch_bytes > brokers * WINDOW_BYTES ? wait_ms : 0);
}

static pinpipe_status batch_check(const pinpipe_kafka_producer *producer,
                                  const pinpipe_kafka_delivery *delivery, pinpipe_error *err) {
    pinpipe_status status = pp_kafka_client_check(&producer->client, err);
    if (status == PINPIPE_OK && delivery->producer && delivery->producer != producer) {
        return pp_fail(err, PINPIPE_EINVAL, "the batch for topic '%s' is another producer's",
                       delivery->topic);
    }
    return status;
}

pinpipe_status pinpipe_kafka_producer_write_batch(pinpipe_kafka_producer *producer,
                                                  pinpipe_kafka_delivery *delivery, int64_t timeout_ms,
                                                  pinpipe_error *err) {
    const pinpipe_kafka_columns *columns = &delivery->columns;
    bool one_by_one = columns->header_lists.offsets || columns->timestamps_ms;
    int64_t deadline_ms = pp_kafka_deadline_ms(timeout_ms), topic = 0;
    pinpipe_status status = batch_check(producer, delivery, err);
    if (status == PINPIPE_OK) {
        status = chunk_make(producer, err);
    }
    if (status == PINPIPE_OK && !delivery->producer && columns->count) {
        delivery_link(producer, delivery);
    }
    while (status == PINPIPE_OK && delivery->queued < columns->count) {
        status = pp_kafka_topic_wait(&topic, producer, columns->topic, deadline_ms, err);
        if (status < 0) {
            break;
        }
        rd_kafka_topic_t *to = producer->topics[topic].topic;
        int64_t done =
            one_by_one ? record_queue(producer, delivery, to) : chunk_queue(producer, delivery, to);
        bool shut = done == 0;
        chunk_note(producer, delivery, done);
        if (shut) {
            status = pp_kafka_room_wait(producer, deadline_ms, err);
        } else if (!one_by_one || delivery->queued % CHUNK_RECORDS == 0) {
            window_wait(producer, deadline_ms);
        }
    }
    return status;
}

/* Who waits does not wait for linger.ms as well: nothing can join the last records any more. Who only looks
 * hastens nothing. */
static void reports_await(pinpipe_kafka_producer *producer, const pinpipe_kafka_delivery *delivery,
                          int wait_ms) {
    if (wait_ms == 0) {
        rd_kafka_poll(producer->client.handle, 0);
        return;
    }
    producer->awaited = delivery;
    rd_kafka_flush(producer->client.handle, wait_ms);
    producer->awaited = NULL;
}

pinpipe_status pinpipe_kafka_producer_wait_batch(pinpipe_kafka_producer *producer,
                                                 pinpipe_kafka_delivery *delivery, int64_t timeout_ms,
                                                 pinpipe_error *err) {
    int64_t deadline_ms = pp_kafka_deadline_ms(timeout_ms);
    bool expired = false;
    pinpipe_status status = batch_check(producer, delivery, err);
    if (status == PINPIPE_OK) {
        status = pp_kafka_producer_mend(producer, deadline_ms, err);
    }
    while (status == PINPIPE_OK && delivery->delivered + delivery->failed < delivery->queued && !expired &&
           !pp_kafka_client_refused(&producer->client)) {
        expired = pp_kafka_wait_ms(deadline_ms, 1) == 0;
        reports_await(producer, delivery, expired ? 0 : pp_kafka_wait_ms(deadline_ms, PP_KAFKA_STEP_MS));
        status = pp_kafka_producer_mend(producer, deadline_ms, err);
    }
    int64_t missing = delivery->queued - delivery->delivered - delivery->failed;
    if (status == PINPIPE_OK && missing > 0) {
        char waiting_for[PP_KAFKA_TEXT_BYTES];
        snprintf(waiting_for, sizeof waiting_for, "waiting for %lld records of a batch to be delivered",
                 (long long)missing);
        return pp_kafka_client_fail(&producer->client, waiting_for, err);
    }
    producer->failed_reported += delivery->failed - delivery->failed_told;
    delivery->failed_told = delivery->failed;
    return status < 0 ? status : delivery->failed ? PINPIPE_PARTIAL : PINPIPE_OK;
}

int64_t pinpipe_kafka_delivery_count(const pinpipe_kafka_delivery *delivery) {
    return delivery->columns.count;
}

int64_t pinpipe_kafka_delivery_queued_count(const pinpipe_kafka_delivery *delivery) {
    return delivery->queued;
}

int64_t pinpipe_kafka_delivery_delivered_count(const pinpipe_kafka_delivery *delivery) {
    return delivery->delivered;
}

int64_t pinpipe_kafka_delivery_failed_count(const pinpipe_kafka_delivery *delivery) {
    return delivery->failed;
}

pinpipe_status pinpipe_kafka_delivery_at(const pinpipe_kafka_delivery *delivery, int64_t index,
                                         pinpipe_error *err) {
    char subject[PP_KAFKA_TEXT_BYTES];
    uint8_t outcome = index >= 0 && index < delivery->columns.count ? delivery->outcomes[index] : UINT8_MAX;
    snprintf(subject, sizeof subject, "record %lld for topic '%.100s'%s", (long long)index, delivery->topic,
             outcome == PINPIPE_KAFKA_UNCERTAIN ? ", which may be stored all the same" : "");
    switch (outcome) {
    case PINPIPE_KAFKA_WAITING:
        return PINPIPE_AGAIN;
    case PINPIPE_KAFKA_DELIVERED:
        return PINPIPE_OK;
    case UINT8_MAX:
        return pp_fail(err, PINPIPE_EINVAL, "%s: the batch has %lld", subject,
                       (long long)delivery->columns.count);
    default:
        return pp_kafka_fail(err, (rd_kafka_resp_err_t)delivery->errors[index], subject, NULL);
    }
}

const uint8_t *pinpipe_kafka_delivery_outcomes(const pinpipe_kafka_delivery *delivery) {
    return delivery->outcomes;
}

const int32_t *pinpipe_kafka_delivery_partitions(const pinpipe_kafka_delivery *delivery) {
    return delivery->partitions;
}

const int64_t *pinpipe_kafka_delivery_offsets(const pinpipe_kafka_delivery *delivery) {
    return delivery->offsets;
}

const int16_t *pinpipe_kafka_delivery_errors(const pinpipe_kafka_delivery *delivery) {
    return delivery->errors;
}

#endif
