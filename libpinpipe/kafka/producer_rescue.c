/* Turns a handle that a fatal error of idempotence has ended into a new one, with what the old had not sent.
 * Never sends a record again that a broker may have: such a record is reported as uncertain.
 * Rules: docs/kafka.md, "Fatal errors"; librdkafka INTRODUCTION.md ("Fatal producer errors", "Idempotent
 * Producer"). */
#include "pinpipe/kafka.h"

#if PINPIPE_WITH_KAFKA

#include "kafka/producer.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"

#define DRAIN_MS 2000
/* New handles in a row of which none delivered a record. */
#define RECOVERIES_MAX 3
/* Not an outcome that anybody sees: between the old handle and the new one. */
#define RESCUED 255

/* A new producer id mends these; every other fatal error would come again. */
static const rd_kafka_resp_err_t mendable_codes[] = {
    RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
    RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,       RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING,
    RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE,           RD_KAFKA_RESP_ERR__INCONSISTENT,
};

static bool is_mendable(const pinpipe_kafka_producer *producer, rd_kafka_resp_err_t fatal) {
    bool listed = false;
    for (size_t i = 0; i < sizeof mendable_codes / sizeof mendable_codes[0]; i++) {
        listed = listed || mendable_codes[i] == fatal;
    }
    return listed && producer->recoveries_in_vain < RECOVERIES_MAX;
}

static bool rescued_grow(pinpipe_kafka_producer *producer) {
    if (producer->rescued_count < producer->rescued_cap) {
        return true;
    }
    int64_t cap = producer->rescued_cap ? 2 * producer->rescued_cap : 256;
    pp_kafka_rescued *rescued = pp_realloc(producer->rescued, (size_t)cap * sizeof *rescued);
    if (rescued) {
        producer->rescued = rescued;
        producer->rescued_cap = cap;
    }
    return rescued != NULL;
}

/* Keys are librdkafka's copies; values too, where no batch holds them. */
static bool bytes_keep(pp_kafka_rescued *out, const rd_kafka_message_t *message, bool held) {
    size_t value_len = held ? 0 : message->len;
    out->value = (pinpipe_str){message->payload, message->len};
    out->key = (pinpipe_str){message->key, message->key_len};
    out->copy = pp_alloc(value_len + message->key_len + 1);
    if (!out->copy) {
        return false;
    }
    if (message->payload && !held) {
        memcpy(out->copy, message->payload, value_len);
        out->value.ptr = out->copy;
    }
    if (message->key) {
        memcpy(out->copy + value_len, message->key, message->key_len);
        out->key.ptr = out->copy + value_len;
    }
    return true;
}

static bool is_held(pinpipe_kafka_producer *producer, void *opaque) {
    const int64_t *place = pp_kafka_opaque_place(opaque);
    return place && pp_kafka_delivery_holds(producer, place);
}

static int64_t topic_index(const pinpipe_kafka_producer *producer, const rd_kafka_topic_t *topic) {
    int64_t index = 0;
    while (producer->topics[index].topic != topic) {
        index++;
    }
    return index;
}

bool pp_kafka_rescue(pinpipe_kafka_producer *producer, const rd_kafka_message_t *message) {
    rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(producer->client.handle, NULL, 0);
    rd_kafka_resp_err_t code = message->err;
    bool by_it = code == fatal || code == RD_KAFKA_RESP_ERR__FATAL ||
                 code == RD_KAFKA_RESP_ERR__PURGE_QUEUE || code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
    if (!fatal || !by_it || !is_mendable(producer, fatal) ||
        rd_kafka_message_status(message) != RD_KAFKA_MSG_STATUS_NOT_PERSISTED || !rescued_grow(producer)) {
        return false;
    }
    pp_kafka_rescued *out = &producer->rescued[producer->rescued_count];
    rd_kafka_headers_t *headers = NULL;
    rd_kafka_timestamp_type_t kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    *out = (pp_kafka_rescued){
        .opaque = message->_private,
        .sequence = pp_kafka_opaque_sequence(message->_private),
        .timestamp_ms = rd_kafka_message_timestamp(message, &kind),
        .topic = topic_index(producer, message->rkt),
        .partition = message->partition,
    };
    if (!bytes_keep(out, message, is_held(producer, out->opaque))) {
        return false;
    }
    if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        out->headers = rd_kafka_headers_copy(headers);
    }
    producer->rescued_count++;
    return true;
}

void pp_kafka_producer_drain(pinpipe_kafka_producer *producer, int64_t timeout_ms) {
    int64_t deadline_ms = pp_kafka_deadline_ms(timeout_ms);
    rd_kafka_t *handle = producer->client.handle;
    if (pp_kafka_producer_waiting(producer) > producer->rescued_count - producer->rescued_next) {
        rd_kafka_purge(handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    }
    while (pp_kafka_producer_waiting(producer) > producer->rescued_count - producer->rescued_next &&
           pp_kafka_wait_ms(deadline_ms, 1) > 0) {
        rd_kafka_poll(handle, pp_kafka_wait_ms(deadline_ms, PP_KAFKA_STEP_MS));
    }
}

static void rescued_release(pp_kafka_rescued *rescued) {
    pp_free(rescued->copy);
    if (rescued->headers) {
        rd_kafka_headers_destroy(rescued->headers);
    }
}

static void rescued_fail(pinpipe_kafka_producer *producer, rd_kafka_resp_err_t code) {
    pp_kafka_rescued *rescued = &producer->rescued[producer->rescued_next++];
    pp_kafka_producer_failed_note(producer, producer->topics[rescued->topic].name, code);
    const int64_t *place = pp_kafka_opaque_place(rescued->opaque);
    if (place) {
        pp_kafka_delivery_drop(producer, place, code);
    }
    rescued_release(rescued);
}

void pp_kafka_rescued_drop(pinpipe_kafka_producer *producer) {
    while (producer->rescued_next < producer->rescued_count) {
        rescued_fail(producer, RD_KAFKA_RESP_ERR__PURGE_QUEUE);
    }
    producer->rescued_count = producer->rescued_next = 0;
}

static int sequence_compare(const void *left, const void *right) {
    int64_t a = ((const pp_kafka_rescued *)left)->sequence, b = ((const pp_kafka_rescued *)right)->sequence;
    return (a > b) - (a < b);
}

/* Reports of one partition come from several of librdkafka's queues, in any order. */
static void rescued_order(pinpipe_kafka_producer *producer) {
    size_t count = (size_t)(producer->rescued_count - producer->rescued_next);
    if (count) {
        qsort(producer->rescued + producer->rescued_next, count, sizeof *producer->rescued, sequence_compare);
    }
}

static void rescued_mark(pinpipe_kafka_producer *producer, uint8_t outcome) {
    for (int64_t i = producer->rescued_next; i < producer->rescued_count; i++) {
        const int64_t *place = pp_kafka_opaque_place(producer->rescued[i].opaque);
        if (place) {
            pp_kafka_delivery_mark(producer, place, outcome);
        }
    }
}

static pinpipe_status handle_give_up(pinpipe_kafka_producer *producer, rd_kafka_resp_err_t fatal,
                                     const char *text, pinpipe_error *err) {
    pp_kafka_producer_drain(producer, DRAIN_MS);
    pp_kafka_rescued_drop(producer);
    return pp_fail_service(err, PINPIPE_EFATAL, "kafka", (int32_t)fatal, "the producer has ended: %s", text);
}

static pinpipe_status handle_renew(pinpipe_kafka_producer *producer, rd_kafka_resp_err_t fatal,
                                   const char *text, pinpipe_error *err) {
    pp_kafka_client *client = &producer->client;
    rd_kafka_t *ended = client->handle;
    pp_kafka_producer_drain(producer, DRAIN_MS);
    pinpipe_status status =
        pp_kafka_client_open(client, RD_KAFKA_PRODUCER, rd_kafka_conf_dup(producer->conf), err);
    if (status < 0) {
        if (client->handle) {
            rd_kafka_destroy(client->handle);
        }
        client->handle = ended;
        return status;
    }
    pp_kafka_producer_wake_renew(producer);
    pp_kafka_topics_close(producer);
    rd_kafka_destroy(ended);
    pp_kafka_client_answered(client);
    rescued_mark(producer, RESCUED);
    pp_kafka_deliveries_settle(producer, fatal);
    rescued_mark(producer, PINPIPE_KAFKA_WAITING);
    int64_t lost = pp_kafka_producer_waiting(producer) - (producer->rescued_count - producer->rescued_next);
    for (int64_t i = 0; i < lost; i++) {
        pp_kafka_producer_failed_note(producer, "of an ended producer", fatal);
    }
    rescued_order(producer);
    producer->recoveries++;
    producer->recoveries_in_vain++;
    pp_log(PP_LOG_WARNING, "kafka", "a new producer after: %s; %lld records go into it", text,
           (long long)(producer->rescued_count - producer->rescued_next));
    return PINPIPE_OK;
}

static pinpipe_status rescued_queue(pinpipe_kafka_producer *producer, int64_t deadline_ms,
                                    pinpipe_error *err) {
    pp_kafka_rescued *rescued = &producer->rescued[producer->rescued_next];
    pinpipe_status status = pp_kafka_topic_ready(producer, rescued->topic, deadline_ms, err);
    if (status < 0) {
        return status;
    }
    pp_kafka_message message = {
        .topic = producer->topics[rescued->topic].topic,
        .value = rescued->value,
        .key = rescued->key,
        .headers = rescued->headers,
        .timestamp_ms = rescued->timestamp_ms,
        .opaque = rescued->opaque,
        .partition = rescued->partition,
        .flags = is_held(producer, rescued->opaque) ? 0 : RD_KAFKA_MSG_F_COPY,
    };
    rd_kafka_resp_err_t code = pp_kafka_message_queue(producer->client.handle, &message);
    if (pp_kafka_queue_shut(code)) {
        return pp_kafka_room_wait(producer, deadline_ms, err);
    }
    if (code) {
        rescued_fail(producer, code);
        return PINPIPE_OK;
    }
    rescued->headers = NULL;
    rescued_release(rescued);
    producer->rescued_next++;
    return PINPIPE_OK;
}

pinpipe_status pp_kafka_producer_mend(pinpipe_kafka_producer *producer, int64_t deadline_ms,
                                      pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(producer->client.handle, NULL, 0);
    while (status == PINPIPE_OK && (fatal || producer->rescued_next < producer->rescued_count)) {
        char text[PP_KAFKA_TEXT_BYTES] = "";
        if (!fatal) {
            status = rescued_queue(producer, deadline_ms, err);
        } else {
            rd_kafka_fatal_error(producer->client.handle, text, sizeof text);
            status = is_mendable(producer, fatal) ? handle_renew(producer, fatal, text, err)
                                                  : handle_give_up(producer, fatal, text, err);
        }
        fatal = rd_kafka_fatal_error(producer->client.handle, NULL, 0);
    }
    if (producer->rescued_next == producer->rescued_count) {
        producer->rescued_next = producer->rescued_count = 0;
    }
    return status;
}

#endif
