/* Turns orders for one consumer into calls of it, and what it says into answers.
 * Never gives a record out twice, and never says that an offset is committed before the group's broker has.
 * Rules: docs/gateway.md, "Consumers"; Confluent REST Proxy API Reference, "API v2", "Consumers". */
#include "gateway/consumer.h"

#if PINPIPE_WITH_GATEWAY

#include <string.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "gateway/consumer_texts.h"
#include "io/clock.h"

/* Of a topic's records that were fetched and not read: an instance must not hold much. */
#define QUEUE_BYTES ((int64_t)4 << 20)
#define POLL_RECORDS 500
#define PLACES_MAX 10000
#define COMMIT_EVERY_MS 5000
#define COMMIT_MS 10000
#define OFFSETS_MAX 1000
/* Java's words. */
#define EXCLUSIVE "Illegal state: Subscription to topics, partitions and pattern are mutually exclusive"

static void refuse(pp_gateway_order *order, pp_gateway_error error, const char *says) {
    pp_gateway_refuse(&order->reply, error, says);
}

/* What a broker, or the consumer, says no with. */
static void refuse_cause(pp_gateway_order *order, const pinpipe_error *cause) {
    bool is_state = cause->status == PINPIPE_ECONFLICT || cause->status == PINPIPE_EINVAL;
    refuse(order, is_state ? PP_GATEWAY_ERROR_STATE : pp_gateway_error_of(cause), cause->message);
}

static void done(pp_gateway_order *order) {
    order->reply.status = 204;
    order->reply.content_type = PP_GATEWAY_TYPE_V2;
}

static void answered(pp_gateway_order *order, pinpipe_status status) {
    if (status < 0) {
        refuse(order, PP_GATEWAY_ERROR_BUSY, "there is no memory for the answer");
    } else {
        pp_gateway_answer(&order->reply, PP_GATEWAY_TYPE_V2);
    }
}

/* ---- places ---- */

/* NULL = nothing is known of it. */
static pp_gateway_place_read *place_find(const pp_gateway_instance *instance, pinpipe_str topic,
                                         int32_t partition) {
    for (int64_t i = 0; i < instance->place_count; i++) {
        pp_gateway_place_read *at = &instance->places[i];
        if (at->partition == partition && pp_str_is(topic, at->topic)) {
            return at;
        }
    }
    return NULL;
}

static pp_gateway_place_read *place_of(pp_gateway_instance *instance, pinpipe_str topic, int32_t partition,
                                       pinpipe_error *err) {
    pp_gateway_place_read *found = place_find(instance, topic, partition);
    if (found) {
        return found;
    }
    if (instance->place_count == PLACES_MAX || topic.len >= sizeof instance->places->topic) {
        pp_fail(err, PINPIPE_ELIMIT, "a consumer instance reads at most %d partitions", PLACES_MAX);
        return NULL;
    }
    if (instance->place_count == instance->place_cap) {
        int64_t cap = instance->place_cap ? 2 * instance->place_cap : 8;
        pp_gateway_place_read *places = pp_realloc(instance->places, (size_t)cap * sizeof *places);
        if (!places) {
            pp_fail_memory(err, "the partitions of an instance", (size_t)cap * sizeof *places);
            return NULL;
        }
        instance->places = places;
        instance->place_cap = cap;
    }
    pp_gateway_place_read *place = &instance->places[instance->place_count++];
    *place = (pp_gateway_place_read){
        .partition = partition, .next = PINPIPE_KAFKA_OFFSET_COMMITTED, .sought_at = -1};
    memcpy(place->topic, topic.ptr, topic.len);
    return place;
}

static int64_t offsets_gather(pinpipe_kafka_offset *out, const pp_gateway_instance *instance) {
    int64_t count = 0;
    for (int64_t i = 0; i < instance->place_count; i++) {
        const pp_gateway_place_read *at = &instance->places[i];
        if (at->is_uncommitted) {
            out[count++] = (pinpipe_kafka_offset){
                .topic = pp_str(at->topic), .partition = at->partition, .offset = at->next};
        }
    }
    return count;
}

/* What was given out. */
static pinpipe_status places_commit(pp_gateway_instance *instance, int64_t timeout_ms, pinpipe_error *err) {
    size_t size = (size_t)instance->place_count * sizeof(pinpipe_kafka_offset);
    instance->committed_ms = pp_clock_monotonic_ms();
    if (!size || !instance->consumer) {
        return PINPIPE_OK;
    }
    pinpipe_kafka_offset *offsets = pp_alloc(size);
    if (!offsets) {
        return pp_fail_memory(err, "offsets", size);
    }
    pinpipe_status status = PINPIPE_OK;
    int64_t count = offsets_gather(offsets, instance);
    if (count) {
        status = pinpipe_kafka_consumer_commit(instance->consumer, offsets, count, timeout_ms, err);
    }
    for (int64_t i = 0; i < instance->place_count && status == PINPIPE_OK; i++) {
        instance->places[i].is_uncommitted = false;
    }
    pp_free(offsets);
    return status;
}

static void places_forget(pp_gateway_instance *instance, const pinpipe_kafka_batch *batch) {
    for (int64_t i = 0; i < batch->revoked_count; i++) {
        for (int64_t at = 0; at < instance->place_count; at++) {
            pp_gateway_place_read *place = &instance->places[at];
            if (place->partition == batch->revoked[i].partition &&
                pp_str_is(batch->revoked[i].topic, place->topic)) {
                *place = instance->places[--instance->place_count];
                break;
            }
        }
    }
}

/* ---- subscription and assignment ---- */

static void consumer_close(pp_gateway_instance *instance) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    if (instance->commits_itself && places_commit(instance, COMMIT_MS, &cause) < 0) {
        pp_log(PP_LOG_WARNING, "gateway", "a consumer's last commit: %s", cause.message);
    }
    pinpipe_kafka_consumer_free(instance->consumer);
    instance->consumer = NULL;
    instance->batch = (pinpipe_kafka_batch)PINPIPE_KAFKA_BATCH_INIT;
    instance->batch_at = instance->place_count = 0;
    pp_buf_clear(&instance->topics);
}

void pp_gateway_instance_leave(pp_gateway_instance *instance) {
    if (instance->consumer) {
        consumer_close(instance);
    }
}

static bool is_pattern(const pinpipe_buf *topics) {
    return topics->len && topics->ptr[0] == '^';
}

/* Leaves what the instance had, and reads topics or partitions. */
static bool consumer_begin(pp_gateway_instance *instance, pp_gateway_order *order,
                           pinpipe_kafka_consumer_options *options) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pp_gateway_instance_leave(instance);
    options->brokers = pp_buf_view(&instance->consumers->brokers);
    options->group = pp_buf_view(&instance->group);
    options->poll_records = POLL_RECORDS;
    options->queue_bytes = QUEUE_BYTES;
    if (pinpipe_kafka_consumer_new(&instance->consumer, options, instance->settings, &cause) < 0) {
        refuse_cause(order, &cause);
        return false;
    }
    instance->committed_ms = pp_clock_monotonic_ms();
    done(order);
    return true;
}

static void subscribe(pp_gateway_instance *instance, pp_gateway_order *order) {
    pinpipe_kafka_consumer_options options = PINPIPE_KAFKA_CONSUMER_OPTIONS_INIT;
    pinpipe_buf topics = PINPIPE_BUF_INIT;
    bool is_told = pp_gateway_topics_read(&topics, order);
    options.topics = pp_buf_view(&topics);
    if (is_told && instance->consumer &&
        (!instance->topics.len || is_pattern(&instance->topics) != is_pattern(&topics))) {
        refuse(order, PP_GATEWAY_ERROR_STATE, EXCLUSIVE);
    } else if (is_told && consumer_begin(instance, order, &options)) {
        pinpipe_buf before = instance->topics;
        instance->topics = topics;
        topics = before;
    }
    pinpipe_buf_reset(&topics);
}

/* As in Java: partitions that it has already go on where they are, and none ends it. */
static void assign(pp_gateway_instance *instance, pp_gateway_order *order, pinpipe_kafka_offset *partitions,
                   int64_t count) {
    pinpipe_kafka_consumer_options options = PINPIPE_KAFKA_CONSUMER_OPTIONS_INIT;
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    if (instance->topics.len) {
        refuse(order, PP_GATEWAY_ERROR_STATE, EXCLUSIVE);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        const pp_gateway_place_read *had = place_find(instance, partitions[i].topic, partitions[i].partition);
        partitions[i].offset = had ? had->next : PINPIPE_KAFKA_OFFSET_COMMITTED;
    }
    options.partitions = partitions;
    options.partition_count = count;
    if (!count) {
        pp_gateway_instance_leave(instance);
        done(order);
        return;
    }
    bool is_begun = consumer_begin(instance, order, &options);
    for (int64_t i = 0; i < count && is_begun; i++) {
        pp_gateway_place_read *place =
            place_of(instance, partitions[i].topic, partitions[i].partition, &cause);
        if (place) {
            place->next = partitions[i].offset;
        }
    }
}

static void assignment_tell(const pp_gateway_instance *instance, pp_gateway_order *order) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    const pinpipe_kafka_offset *at = NULL;
    pinpipe_buf *out = &order->reply.answer;
    int64_t count = 0;
    if (instance->consumer && pinpipe_kafka_consumer_assigned(&at, &count, instance->consumer, &cause) < 0) {
        refuse_cause(order, &cause);
        return;
    }
    pinpipe_status status = pp_buf_append_text(out, "{\"partitions\":[", NULL);
    for (int64_t i = 0; i < count && status == PINPIPE_OK; i++) {
        status = pp_buf_printf(out, NULL, "%s{\"topic\":\"%.*s\",\"partition\":%ld}", i ? "," : "",
                               (int)at[i].topic.len, at[i].topic.ptr, (long)at[i].partition);
    }
    answered(order, status < 0 ? status : pp_buf_append_text(out, "]}", NULL));
}

static void subscription_tell(const pp_gateway_instance *instance, pp_gateway_order *order) {
    pinpipe_buf *out = &order->reply.answer;
    pinpipe_str topics = is_pattern(&instance->topics) ? pp_str("") : pp_buf_view(&instance->topics);
    pinpipe_status status = pp_buf_append_text(out, "{\"topics\":[", NULL);
    for (size_t i = 0; i < topics.len && status == PINPIPE_OK; i++) {
        const char *comma = memchr(topics.ptr + i, ',', topics.len - i);
        size_t end = comma ? (size_t)(comma - topics.ptr) : topics.len;
        status = pp_buf_printf(out, NULL, "%s\"%.*s\"", i ? "," : "", (int)(end - i), topics.ptr + i);
        i = end;
    }
    answered(order, status < 0 ? status : pp_buf_append_text(out, "]}", NULL));
}

/* ---- records ---- */

/* The next message that is to be given out; NULL = none came in time. Errors: the consumer's. */
static pinpipe_status message_next(const pinpipe_kafka_message **out, pp_gateway_instance *instance,
                                   int64_t until_ms, pinpipe_error *err) {
    *out = NULL;
    pinpipe_status status = PINPIPE_OK;
    if (instance->batch_at == instance->batch.message_count) {
        int64_t left_ms = until_ms - pp_clock_monotonic_ms();
        instance->batch_at = 0;
        instance->batch = (pinpipe_kafka_batch)PINPIPE_KAFKA_BATCH_INIT;
        instance->batch_number++;
        status =
            pinpipe_kafka_consumer_poll(&instance->batch, instance->consumer, left_ms > 0 ? left_ms : 0, err);
        if (status < 0) {
            instance->batch = (pinpipe_kafka_batch)PINPIPE_KAFKA_BATCH_INIT;
        }
    }
    if (instance->batch_at < instance->batch.message_count) {
        *out = &instance->batch.messages[instance->batch_at];
    }
    return status;
}

/* What a read has come to. */
typedef struct reading {
    int64_t records, bytes;
    bool is_full;
} reading;

static pinpipe_status message_give(reading *in, pp_gateway_instance *instance, pp_gateway_order *order,
                                   const pinpipe_kafka_message *message, pinpipe_error *err) {
    int64_t bytes = (int64_t)(message->key.len + message->value.len);
    pp_gateway_place_read *place = place_of(instance, message->topic, message->partition, err);
    if (!place) {
        return PINPIPE_ELIMIT;
    }
    if (place->sought_at == instance->batch_number) {
        instance->batch_at++;
        return PINPIPE_OK;
    }
    if (in->records && in->bytes + bytes > order->bytes_max) {
        in->is_full = true;
        return PINPIPE_OK;
    }
    size_t before = order->reply.answer.len;
    pinpipe_status status = pp_gateway_message_append(&order->reply.answer, &instance->scratch, message,
                                                      instance->format, in->records == 0, err);
    if (status < 0) {
        order->reply.answer.len = before;
        if (in->records) {
            in->is_full = true; /* these are told first */
            return PINPIPE_OK;
        }
    }
    if (status == PINPIPE_OK || status == PINPIPE_EDATA) {
        instance->batch_at++;
        place->next = message->offset + 1;
        place->is_uncommitted = true;
    }
    in->records += status == PINPIPE_OK;
    in->bytes += bytes;
    return status;
}

static pinpipe_status records_gather(reading *in, pp_gateway_instance *instance, pp_gateway_order *order,
                                     int64_t until_ms, pinpipe_error *err) {
    pinpipe_status status = pp_buf_append(&order->reply.answer, "[", 1, err);
    while (status == PINPIPE_OK && !in->is_full) {
        const pinpipe_kafka_message *message = NULL;
        bool is_between = instance->batch_at == instance->batch.message_count;
        if (is_between && in->records && in->bytes >= instance->bytes_min) {
            break;
        }
        status = message_next(&message, instance, until_ms, err);
        if (status >= 0 && is_between) {
            places_forget(instance, &instance->batch);
        }
        if (!message) {
            bool goes_on = status >= 0 && pp_clock_monotonic_ms() < until_ms;
            status = status > 0 ? PINPIPE_OK : status;
            if (goes_on) {
                continue;
            }
            break;
        }
        status = message_give(in, instance, order, message, err);
    }
    return status;
}

static void records_read(pp_gateway_instance *instance, pp_gateway_order *order) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    int64_t now_ms = pp_clock_monotonic_ms();
    int64_t until_ms = now_ms + order->wait_ms < order->until_ms ? now_ms + order->wait_ms : order->until_ms;
    reading in = {0};
    if (instance->commits_itself && now_ms - instance->committed_ms >= COMMIT_EVERY_MS &&
        places_commit(instance, COMMIT_MS, &cause) < 0) {
        pp_log(PP_LOG_WARNING, "gateway", "a consumer's commit: %s", cause.message);
    }
    pinpipe_status status = records_gather(&in, instance, order, until_ms, &cause);
    if (status < 0 && !in.records) {
        pp_gateway_error error =
            status == PINPIPE_EDATA ? PP_GATEWAY_ERROR_KAFKA : pp_gateway_error_of(&cause);
        refuse(order, error, cause.message);
        return;
    }
    if (status < 0) {
        pp_log(PP_LOG_WARNING, "gateway", "behind %lld records: %s", (long long)in.records, cause.message);
    }
    answered(order, pp_buf_append(&order->reply.answer, "]", 1, NULL));
    if (order->reply.status == 200) {
        order->reply.content_type =
            instance->format == PP_GATEWAY_JSON ? PP_GATEWAY_TYPE_V2_JSON : PP_GATEWAY_TYPE_V2_BINARY;
    }
}

/* ---- offsets ---- */

static void offsets_commit(pp_gateway_instance *instance, pp_gateway_order *order,
                           pinpipe_kafka_offset *offsets, int64_t count) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pinpipe_status status = PINPIPE_OK;
    for (int64_t i = 0; i < count; i++) {
        offsets[i].offset++; /* what is told is the last that was read */
    }
    if (count) {
        status = pinpipe_kafka_consumer_commit(instance->consumer, offsets, count, COMMIT_MS, &cause);
    } else {
        status = places_commit(instance, COMMIT_MS, &cause);
    }
    if (status < 0) {
        refuse_cause(order, &cause);
    } else {
        answered(order, pp_buf_append_text(&order->reply.answer, "[]", NULL));
    }
}

static void committed_tell(pp_gateway_instance *instance, pp_gateway_order *order,
                           pinpipe_kafka_offset *offsets, int64_t count) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    if (count &&
        pinpipe_kafka_consumer_committed(offsets, count, instance->consumer, COMMIT_MS, &cause) < 0) {
        refuse_cause(order, &cause);
    } else {
        answered(order, pp_gateway_offsets_append(&order->reply.answer, offsets, count));
    }
}

static void seek(pp_gateway_instance *instance, pp_gateway_order *order, pinpipe_kafka_offset *offsets,
                 int64_t count) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    for (int64_t i = 0; i < count; i++) {
        offsets[i].offset = order->action == PP_GATEWAY_CONSUMER_SEEK_BEGINNING
                                ? PINPIPE_KAFKA_OFFSET_BEGINNING
                            : order->action == PP_GATEWAY_CONSUMER_SEEK_END ? PINPIPE_KAFKA_OFFSET_END
                                                                            : offsets[i].offset;
    }
    if (count && pinpipe_kafka_consumer_seek(instance->consumer, offsets, count, COMMIT_MS, &cause) < 0) {
        refuse_cause(order, &cause);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        pp_gateway_place_read *place = place_of(instance, offsets[i].topic, offsets[i].partition, &cause);
        if (place) {
            place->next = offsets[i].offset;
            place->sought_at = instance->batch_number;
            place->is_uncommitted = false;
        }
    }
    done(order);
}

/* The actions that name partitions; `list` is the member that does. */
static void offsets_do(pp_gateway_instance *instance, pp_gateway_order *order) {
    bool has_offsets =
        order->action == PP_GATEWAY_CONSUMER_COMMIT || order->action == PP_GATEWAY_CONSUMER_SEEK;
    int64_t count = 0;
    pinpipe_kafka_offset *offsets = pp_alloc_zero(OFFSETS_MAX * sizeof *offsets);
    if (!offsets) {
        refuse(order, PP_GATEWAY_ERROR_BUSY, "there is no memory for offsets");
    } else if ((!order->body.len && order->action == PP_GATEWAY_CONSUMER_COMMIT) ||
               pp_gateway_offsets_read(offsets, &count, OFFSETS_MAX, order, has_offsets)) {
        switch (order->action) {
        case PP_GATEWAY_CONSUMER_COMMIT:
            offsets_commit(instance, order, offsets, count);
            break;
        case PP_GATEWAY_CONSUMER_COMMITTED:
            committed_tell(instance, order, offsets, count);
            break;
        case PP_GATEWAY_CONSUMER_ASSIGN:
            assign(instance, order, offsets, count);
            break;
        default:
            seek(instance, order, offsets, count);
            break;
        }
    }
    pp_free(offsets);
}

void pp_gateway_order_do(pp_gateway_instance *instance, pp_gateway_order *order) {
    if (atomic_load(&order->is_given_up) || pp_clock_monotonic_ms() > order->until_ms) {
        refuse(order, PP_GATEWAY_ERROR_KAFKA_AGAIN, "requests of this instance before it took too long");
        return;
    }
    switch (order->action) {
    case PP_GATEWAY_CONSUMER_SUBSCRIBE:
        subscribe(instance, order);
        return;
    case PP_GATEWAY_CONSUMER_SUBSCRIPTION:
        subscription_tell(instance, order);
        return;
    case PP_GATEWAY_CONSUMER_ASSIGN:
        offsets_do(instance, order);
        return;
    case PP_GATEWAY_CONSUMER_ASSIGNMENT:
        assignment_tell(instance, order);
        return;
    case PP_GATEWAY_CONSUMER_CLOSE:
    case PP_GATEWAY_CONSUMER_UNSUBSCRIBE:
        pp_gateway_instance_leave(instance);
        done(order);
        return;
    default:
        break;
    }
    if (!instance->consumer) {
        refuse(order, PP_GATEWAY_ERROR_STATE, "Illegal state: the consumer is not subscribed to any topic");
    } else if (order->action == PP_GATEWAY_CONSUMER_READ) {
        records_read(instance, order);
    } else {
        offsets_do(instance, order);
    }
}

#endif
