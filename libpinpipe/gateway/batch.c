/* Turns records of many requests into one batch of the producer's, and its reports into answers.
 * Never writes a record again.
 * Rules: docs/gateway.md, "Delivery"; pinpipe/kafka_batch.h. */
#include "gateway/batch.h"

#if PINPIPE_WITH_GATEWAY

#include <string.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "gateway/answer.h"
#include "kafka/wake.h"

/* The producer's first write to a topic asks a broker for it, which takes a round trip; everything else waits
 * meanwhile, at most so long and once a second. */
#define FIRST_WRITE_MS 50
#define BLOCK_PAUSE_MS 1000
#define WRITE_PAUSE_MS 100
/* librdkafka has one request a partition under way, and its thread turns without a pause for records that
 * wait behind it: measured, 80 polls a request of 100 records. Behind so many records the next ones wait
 * here, at most so long: another partition may be free. */
#define HELD_BEHIND_RECORDS 512
#define HELD_MS 20
/* A batch that keeps more memory than that gives it back. */
#define KEPT_BYTES ((size_t)1 << 20)
#define KEPT_RECORDS 4096
#define FIRST_RECORDS 64

/* ---- memory ---- */

static void column_reset(pp_gateway_column *column) {
    pinpipe_buf_reset(&column->data);
    pp_free(column->offsets);
    pp_free(column->validity);
    *column = (pp_gateway_column){0};
}

static void memory_reset(pp_gateway_batch *batch) {
    column_reset(&batch->values);
    column_reset(&batch->keys);
    pp_free(batch->partitions);
    batch->partitions = NULL;
    batch->cap = 0;
}

static void batch_destroy(pp_gateway_batch *batch) {
    pinpipe_kafka_delivery_free(batch->delivery);
    memory_reset(batch);
    pp_free(batch);
}

static void batch_spare(pinpipe_gateway *gateway, pp_gateway_batch *batch) {
    pinpipe_kafka_delivery_free(batch->delivery);
    if (batch->values.data.cap + batch->keys.data.cap > KEPT_BYTES || batch->cap > KEPT_RECORDS) {
        memory_reset(batch);
    }
    pp_buf_clear(&batch->values.data);
    pp_buf_clear(&batch->keys.data);
    batch->values.has_entry = batch->keys.has_entry = false;
    batch->topic = NULL;
    batch->delivery = NULL;
    batch->first = batch->last = NULL;
    batch->count = batch->settled = batch->write_after_ms = 0;
    batch->is_released = false;
    batch->after = gateway->spare;
    gateway->spare = batch;
}

static bool column_grow(pp_gateway_column *column, int64_t cap) {
    int64_t *offsets = pp_realloc(column->offsets, ((size_t)cap + 1) * sizeof *offsets);
    column->offsets = offsets ? offsets : column->offsets;
    uint8_t *validity = pp_realloc(column->validity, (size_t)cap / 8 + 1);
    column->validity = validity ? validity : column->validity;
    return offsets && validity;
}

static pinpipe_status records_grow(pp_gateway_batch *batch, pinpipe_error *err) {
    if (batch->count < batch->cap) {
        return PINPIPE_OK;
    }
    int64_t cap = batch->cap ? 2 * batch->cap : FIRST_RECORDS;
    int32_t *partitions = pp_realloc(batch->partitions, (size_t)cap * sizeof *partitions);
    batch->partitions = partitions ? partitions : batch->partitions;
    if (!partitions || !column_grow(&batch->values, cap) || !column_grow(&batch->keys, cap)) {
        return pp_fail_memory(err, "a batch's records", (size_t)cap * sizeof *partitions);
    }
    batch->cap = cap;
    batch->values.offsets[0] = batch->keys.offsets[0] = 0;
    return PINPIPE_OK;
}

/* ---- gathering ---- */

pinpipe_status pp_gateway_batch_of(pp_gateway_batch **out, pinpipe_gateway *gateway, pp_gateway_topic *topic,
                                   pinpipe_error *err) {
    pp_gateway_batch *batch = topic->gathering ? topic->gathering : gateway->spare;
    *out = batch;
    if (topic->gathering) {
        return PINPIPE_OK;
    }
    if (batch) {
        gateway->spare = batch->after;
    } else {
        batch = pp_alloc_zero(sizeof *batch);
    }
    if (!batch) {
        return pp_fail_memory(err, "a batch", sizeof *batch);
    }
    batch->topic = topic;
    batch->after = gateway->gathering;
    gateway->gathering = topic->gathering = batch;
    *out = batch;
    return PINPIPE_OK;
}

pp_gateway_mark pp_gateway_batch_mark(const pp_gateway_batch *batch) {
    return (pp_gateway_mark){batch->count, batch->values.data.len, batch->keys.data.len};
}

void pp_gateway_batch_cut(pp_gateway_batch *batch, const pp_gateway_mark *mark) {
    batch->count = mark->count;
    batch->values.data.len = mark->value_bytes;
    batch->keys.data.len = mark->key_bytes;
}

pinpipe_status pp_gateway_batch_reserve(pp_gateway_batch *batch, size_t bytes, pinpipe_error *err) {
    pinpipe_status status = records_grow(batch, err);
    if (status == PINPIPE_OK) {
        status = pp_buf_reserve(&batch->values.data, bytes, PP_BUF_MAX, err);
    }
    return status == PINPIPE_OK ? pp_buf_reserve(&batch->keys.data, bytes, PP_BUF_MAX, err) : status;
}

static void entry_add(pp_gateway_column *column, int64_t row, int64_t len) {
    uint8_t bit = (uint8_t)(1u << (row & 7));
    uint8_t *at = &column->validity[row >> 3];
    *at = (uint8_t)(len < 0 ? *at & ~bit : *at | bit);
    column->data.len += len < 0 ? 0 : (size_t)len;
    column->offsets[row + 1] = (int64_t)column->data.len;
    column->has_entry = column->has_entry || len >= 0;
}

void pp_gateway_batch_add(pp_gateway_batch *batch, int64_t key_len, int64_t value_len, int32_t partition) {
    entry_add(&batch->keys, batch->count, key_len);
    entry_add(&batch->values, batch->count, value_len);
    batch->partitions[batch->count++] = partition;
}

void pp_gateway_batch_join(pp_gateway_batch *batch, pp_gateway_connection *connection, int64_t first) {
    connection->request.batch = batch;
    connection->request.first = first;
    connection->request.count = batch->count - first;
    connection->batched_after = NULL;
    if (batch->last) {
        batch->last->batched_after = connection;
    } else {
        batch->first = connection;
    }
    batch->last = connection;
}

static void request_detach(pp_gateway_batch *batch, pp_gateway_connection *before,
                           pp_gateway_connection *connection) {
    if (before) {
        before->batched_after = connection->batched_after;
    } else {
        batch->first = connection->batched_after;
    }
    batch->last = batch->last == connection ? before : batch->last;
    connection->request.batch = NULL;
}

bool pp_gateway_batch_leave(pinpipe_gateway *gateway, pp_gateway_connection *connection) {
    pp_gateway_batch *batch = connection->request.batch;
    pp_gateway_connection *before = NULL;
    for (pp_gateway_connection *at = batch->first; at != connection; at = at->batched_after) {
        before = at;
    }
    int64_t queued = batch->delivery ? pinpipe_kafka_delivery_queued_count(batch->delivery) : 0;
    bool is_kept = queued <= connection->request.first;
    request_detach(batch, before, connection);
    gateway->counters[PINPIPE_GATEWAY_LOST] += connection->request.count;
    if (!batch->first && batch->delivery) {
        pp_kafka_delivery_give_up(gateway->producer, batch->delivery);
        return is_kept;
    }
    return false;
}

/* ---- writing ---- */

static void batch_release(void *context) {
    ((pp_gateway_batch *)context)->is_released = true;
}

static pinpipe_kafka_column column_view(const pp_gateway_column *column) {
    return (pinpipe_kafka_column){
        .data = column->data.ptr ? column->data.ptr : "",
        .data_bytes = (int64_t)column->data.len,
        .offsets = column->has_entry ? column->offsets : NULL,
        .validity = column->validity,
        .offset_bytes = 8,
    };
}

static pinpipe_status delivery_make(pp_gateway_batch *batch, pinpipe_error *err) {
    pinpipe_kafka_columns columns = PINPIPE_KAFKA_COLUMNS_INIT;
    columns.topic = pp_buf_view(&batch->topic->name);
    columns.count = batch->count;
    columns.values = column_view(&batch->values);
    columns.keys = column_view(&batch->keys);
    columns.partitions = batch->partitions;
    columns.release = batch_release;
    columns.release_context = batch;
    return pinpipe_kafka_delivery_new(&batch->delivery, &columns, err);
}

static void request_end(pp_gateway_batch *batch, pp_gateway_connection *before,
                        pp_gateway_connection *connection) {
    request_detach(batch, before, connection);
    pp_gateway_connection_resume(connection);
}

static void requests_refuse(pinpipe_gateway *gateway, pp_gateway_batch *batch, pp_gateway_error error,
                            const char *says) {
    while (batch->first) {
        gateway->counters[PINPIPE_GATEWAY_LOST] += batch->first->request.count;
        pp_gateway_refuse(&batch->first->request, error, says);
        request_end(batch, NULL, batch->first);
    }
}

/* What the producer refuses for good is in no partition. */
static void batch_fail(pinpipe_gateway *gateway, pp_gateway_batch *batch, const pinpipe_error *cause) {
    pp_log(PP_LOG_WARNING, "gateway", "%lld records refused: %s", (long long)batch->count, cause->message);
    batch->topic->is_doubtful = true;
    if (pinpipe_kafka_delivery_queued_count(batch->delivery) == 0) {
        requests_refuse(gateway, batch, pp_gateway_error_of(cause), cause->message);
    }
    pp_kafka_delivery_give_up(gateway->producer, batch->delivery);
}

static bool is_unwritten(const pp_gateway_batch *batch) {
    return pinpipe_kafka_delivery_queued_count(batch->delivery) < batch->count;
}

static void batch_write(pinpipe_gateway *gateway, pp_gateway_batch *batch) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    bool may_block = !batch->topic->is_written && gateway->now_ms >= gateway->block_after_ms;
    pinpipe_status status = pinpipe_kafka_producer_write_batch(gateway->producer, batch->delivery,
                                                               may_block ? FIRST_WRITE_MS : 0, &cause);
    batch->topic->is_written = status == PINPIPE_OK;
    if (may_block && status < 0) {
        gateway->block_after_ms = gateway->now_ms + BLOCK_PAUSE_MS;
    }
    batch->write_after_ms = gateway->now_ms + WRITE_PAUSE_MS;
    if (pinpipe_status_fatal(status)) {
        gateway->ended = cause;
    }
    if (status < 0 && !pinpipe_status_retriable(status)) {
        batch_fail(gateway, batch, &cause);
    }
}

static void gathered_write(pinpipe_gateway *gateway, pp_gateway_batch *batch) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    batch->topic->gathering = NULL;
    if (!batch->first) {
        batch_spare(gateway, batch);
        return;
    }
    if (delivery_make(batch, &cause) < 0) {
        requests_refuse(gateway, batch, PP_GATEWAY_ERROR_KAFKA, cause.message);
        batch_spare(gateway, batch);
        return;
    }
    batch->after = gateway->under_way;
    gateway->under_way = batch;
    batch->topic->under_way += batch->count;
    batch->topic->held_until_ms = gateway->now_ms + HELD_MS;
    batch_write(gateway, batch);
}

static bool is_held(const pinpipe_gateway *gateway, const pp_gateway_batch *batch) {
    return batch->topic->under_way >= HELD_BEHIND_RECORDS && gateway->now_ms < batch->topic->held_until_ms;
}

void pp_gateway_batches_write(pinpipe_gateway *gateway) {
    for (pp_gateway_batch **place = &gateway->gathering; *place;) {
        pp_gateway_batch *batch = *place;
        if (is_held(gateway, batch)) {
            place = &batch->after;
        } else {
            *place = batch->after;
            gathered_write(gateway, batch);
        }
    }
    for (pp_gateway_batch *batch = gateway->under_way; batch; batch = batch->after) {
        if (batch->write_after_ms <= gateway->now_ms && is_unwritten(batch)) {
            batch_write(gateway, batch);
        }
    }
}

int64_t pp_gateway_batches_due(const pinpipe_gateway *gateway) {
    int64_t due_ms = INT64_MAX;
    for (const pp_gateway_batch *batch = gateway->gathering; batch; batch = batch->after) {
        due_ms = batch->topic->held_until_ms < due_ms ? batch->topic->held_until_ms : due_ms;
    }
    for (const pp_gateway_batch *batch = gateway->under_way; batch; batch = batch->after) {
        if (batch->write_after_ms < due_ms && is_unwritten(batch)) {
            due_ms = batch->write_after_ms;
        }
    }
    return due_ms;
}

/* ---- reports ---- */

static bool request_is_settled(const pp_gateway_request *request, const uint8_t *outcomes) {
    bool is_settled = true;
    for (int64_t i = 0; i < request->count && is_settled; i++) {
        is_settled = outcomes[request->first + i] != PINPIPE_KAFKA_WAITING;
    }
    return is_settled;
}

static void requests_settle(pinpipe_gateway *gateway, pp_gateway_batch *batch, bool are_all) {
    const uint8_t *outcomes = pinpipe_kafka_delivery_outcomes(batch->delivery);
    pp_gateway_connection *before = NULL, *connection = batch->first;
    while (connection) {
        pp_gateway_connection *after = connection->batched_after;
        if (are_all || request_is_settled(&connection->request, outcomes)) {
            pp_gateway_records_answer(gateway, &connection->request, batch->delivery);
            request_end(batch, before, connection);
        } else {
            before = connection;
        }
        connection = after;
    }
}

void pp_gateway_batches_settle(pinpipe_gateway *gateway) {
    for (pp_gateway_batch **place = &gateway->under_way; *place;) {
        pp_gateway_batch *batch = *place;
        int64_t failed = pinpipe_kafka_delivery_failed_count(batch->delivery);
        int64_t settled = pinpipe_kafka_delivery_delivered_count(batch->delivery) + failed;
        if (settled != batch->settled) {
            batch->settled = settled;
            batch->topic->is_doubtful = batch->topic->is_doubtful || failed > 0;
            requests_settle(gateway, batch, settled == batch->count);
        }
        if (settled == batch->count && batch->is_released) {
            *place = batch->after;
            batch->topic->under_way -= batch->count;
            batch_spare(gateway, batch);
        } else {
            place = &batch->after;
        }
    }
}

void pp_gateway_batches_free(pinpipe_gateway *gateway) {
    pp_gateway_batch *lists[] = {gateway->gathering, gateway->under_way, gateway->spare};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        for (pp_gateway_batch *batch = lists[i], *after = NULL; batch; batch = after) {
            after = batch->after;
            batch_destroy(batch);
        }
    }
    gateway->gathering = gateway->under_way = gateway->spare = NULL;
}

#endif
