/* Turns records into queued messages and their delivery reports into counts.
 * Never loses a report: written = delivered + failed + waiting, at every moment.
 * Rules: docs/kafka.md, "Producer"; librdkafka INTRODUCTION.md ("Producer message delivery"). */
#include "pinpipe/kafka.h"

#if PINPIPE_WITH_KAFKA

#include "kafka/producer.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

#define CLOSE_MS 1000

static const pp_kafka_default producer_defaults[] = {
    {"enable.idempotence", "true"},
    {"partitioner", "murmur2_random"},
    {"linger.ms", "5"},
    {"queue.buffering.max.messages", "100000"},
    {"queue.buffering.max.kbytes", "65536"},
    {NULL, NULL},
};

void pp_kafka_producer_failed_note(pinpipe_kafka_producer *producer, const char *topic,
                                   rd_kafka_resp_err_t code) {
    if (producer->failed == producer->failed_reported) {
        producer->failure = code;
        snprintf(producer->failure_text, sizeof producer->failure_text, "topic '%s': %s", topic,
                 rd_kafka_err2str(code));
    }
    producer->failed++;
}

void *pp_kafka_opaque_of(int64_t sequence) {
    return (void *)((uintptr_t)sequence << 1 |
                    1); /* NOLINT(performance-no-int-to-ptr): librdkafka's only field */
}

int64_t *pp_kafka_opaque_place(void *opaque) {
    return (uintptr_t)opaque & 1 ? NULL : opaque;
}

int64_t pp_kafka_opaque_sequence(const void *opaque) {
    return (uintptr_t)opaque & 1 ? (int64_t)((uintptr_t)opaque >> 1) : -2 - *(const int64_t *)opaque;
}

/* librdkafka takes a later record's acknowledgement for that of an earlier one of the partition, whose offset
 * nobody knows then. But a broker takes any first sequence of a producer that is new to it: where the earlier
 * request had failed, its records may be nowhere. */
static rd_kafka_resp_err_t report_code(const rd_kafka_message_t *message) {
    bool is_vouched_for = !message->err && message->offset < 0 &&
                          rd_kafka_message_status(message) == RD_KAFKA_MSG_STATUS_PERSISTED;
    return is_vouched_for ? RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER : message->err;
}

static void delivery_report(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque) {
    pinpipe_kafka_producer *producer = opaque;
    (void)handle;
    if (message->err && pp_kafka_rescue(producer, message)) {
        return;
    }
    rd_kafka_resp_err_t code = report_code(message);
    if (code) {
        pp_kafka_producer_failed_note(producer, rd_kafka_topic_name(message->rkt), code);
    } else {
        producer->delivered++;
        producer->recoveries_in_vain = 0;
        pp_kafka_client_answered(&producer->client);
    }
    const int64_t *place = pp_kafka_opaque_place(message->_private);
    if (place) {
        pp_kafka_delivery_note(producer, place, message, code);
    }
}

static void memory_free(pinpipe_kafka_producer *producer) {
    if (producer->conf) {
        rd_kafka_conf_destroy(producer->conf);
    }
    pp_kafka_topics_free(producer);
    pp_free(producer->rescued);
    pp_free(producer->chunk);
    pp_free(producer);
}

pinpipe_status pinpipe_kafka_producer_new(pinpipe_kafka_producer **out, pinpipe_str brokers,
                                          const pinpipe_kafka_config *config, pinpipe_error *err) {
    *out = NULL;
    rd_kafka_conf_t *conf = NULL;
    pinpipe_kafka_producer *producer = pp_alloc_zero(sizeof *producer);
    if (!producer) {
        return pp_fail_memory(err, "a Kafka producer", sizeof *producer);
    }
    pinpipe_status status =
        pp_kafka_conf_new(&conf, &producer->client, brokers, producer_defaults, config, err);
    if (status == PINPIPE_OK) {
        rd_kafka_conf_set_dr_msg_cb(conf, delivery_report);
        producer->conf = rd_kafka_conf_dup(conf);
        status = pp_kafka_client_open(&producer->client, RD_KAFKA_PRODUCER, conf, err);
    }
    if (status < 0) {
        pp_kafka_client_close(&producer->client, 0);
        memory_free(producer);
        return status;
    }
    *out = producer;
    return PINPIPE_OK;
}

void pinpipe_kafka_producer_free(pinpipe_kafka_producer *producer) {
    if (!producer || !pp_kafka_client_owned(&producer->client)) {
        return;
    }
    pp_kafka_producer_drain(producer, CLOSE_MS);
    pp_kafka_rescued_drop(producer);
    pp_kafka_topics_close(producer);
    pp_kafka_client_close(&producer->client, 0);
    pp_kafka_deliveries_settle(producer, RD_KAFKA_RESP_ERR__PURGE_INFLIGHT);
    pp_kafka_deliveries_close(producer);
    memory_free(producer);
}

pinpipe_status pinpipe_kafka_producer_clear(int64_t *dropped_count, pinpipe_kafka_producer *producer,
                                            pinpipe_error *err) {
    *dropped_count = 0;
    pinpipe_status status = pp_kafka_client_check(&producer->client, err);
    if (status < 0) {
        return status;
    }
    int64_t failed = producer->failed;
    pp_kafka_producer_drain(producer, CLOSE_MS);
    pp_kafka_rescued_drop(producer);
    *dropped_count = producer->failed - failed + pp_kafka_producer_waiting(producer);
    return PINPIPE_OK;
}

rd_kafka_resp_err_t pp_kafka_message_queue(rd_kafka_t *handle, const pp_kafka_message *message) {
    rd_kafka_vu_t parts[8] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = message->topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = message->partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = message->flags},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)message->value.ptr, message->value.len}},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)message->key.ptr, message->key.len}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = message->timestamp_ms},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = message->opaque},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = message->headers},
    };
    size_t count = sizeof parts / sizeof parts[0] - (message->headers == NULL);
    rd_kafka_error_t *error = rd_kafka_produceva(handle, parts, count);
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    return code;
}

bool pp_kafka_queue_shut(rd_kafka_resp_err_t code) {
    return code == RD_KAFKA_RESP_ERR__QUEUE_FULL || code == RD_KAFKA_RESP_ERR__FATAL;
}

pinpipe_status pp_kafka_topic_wait(int64_t *topic, pinpipe_kafka_producer *producer, pinpipe_str name,
                                   int64_t deadline_ms, pinpipe_error *err) {
    pinpipe_status status = pp_kafka_producer_mend(producer, deadline_ms, err);
    return status < 0 ? status : pp_kafka_topic_get(topic, producer, name, deadline_ms, err);
}

pinpipe_status pp_kafka_room_wait(pinpipe_kafka_producer *producer, int64_t deadline_ms, pinpipe_error *err) {
    static const char waiting_for[] = "waiting for room in the producer's queue";
    pp_kafka_client *client = &producer->client;
    int wait_ms = pp_kafka_wait_ms(deadline_ms, PP_KAFKA_STEP_MS);
    rd_kafka_poll(client->handle, wait_ms);
    if (wait_ms > 0 && !pp_kafka_client_refused(client)) {
        return PINPIPE_OK;
    }
    if (client->trouble) {
        return pp_kafka_client_fail(client, waiting_for, err);
    }
    return pp_kafka_fail(err, RD_KAFKA_RESP_ERR__QUEUE_FULL, waiting_for, "the deadline passed");
}

/* One try; a topic may have moved to another handle since the last one. */
static pinpipe_status record_queue(rd_kafka_resp_err_t *code, pinpipe_kafka_producer *producer,
                                   const pinpipe_kafka_record *record, int64_t deadline_ms,
                                   pinpipe_error *err) {
    int64_t topic = 0;
    pinpipe_status status = pp_kafka_topic_wait(&topic, producer, record->topic, deadline_ms, err);
    if (status < 0) {
        return status;
    }
    pp_kafka_message message = {
        .topic = producer->topics[topic].topic,
        .value = record->value,
        .key = record->key,
        .timestamp_ms = record->timestamp_ms,
        .opaque = pp_kafka_opaque_of(producer->sequence),
        .partition = RD_KAFKA_PARTITION_UA,
        .flags = RD_KAFKA_MSG_F_COPY,
    };
    *code = pp_kafka_message_queue(producer->client.handle, &message);
    return *code && !pp_kafka_queue_shut(*code)
               ? pp_kafka_fail(err, *code, producer->topics[topic].name, NULL)
               : PINPIPE_OK;
}

pinpipe_status pinpipe_kafka_producer_write(pinpipe_kafka_producer *producer,
                                            const pinpipe_kafka_record *record, int64_t timeout_ms,
                                            pinpipe_error *err) {
    pinpipe_status status = pp_kafka_client_check(&producer->client, err);
    if (status < 0) {
        return status;
    }
    if (!record || record->struct_size < sizeof *record) {
        return pp_fail(err, PINPIPE_EINVAL, "a Kafka record lacks its struct_size");
    }
    int64_t deadline_ms = pp_kafka_deadline_ms(timeout_ms);
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    status = record_queue(&code, producer, record, deadline_ms, err);
    while (status == PINPIPE_OK && code) {
        status = pp_kafka_room_wait(producer, deadline_ms, err);
        if (status == PINPIPE_OK) {
            status = record_queue(&code, producer, record, deadline_ms, err);
        }
    }
    if (status == PINPIPE_OK) {
        producer->written++;
        producer->sequence++;
        rd_kafka_poll(producer->client.handle, 0);
    }
    return status;
}

pinpipe_status pinpipe_kafka_producer_flush(pinpipe_kafka_producer *producer, int64_t timeout_ms,
                                            pinpipe_error *err) {
    pinpipe_status status = pp_kafka_client_check(&producer->client, err);
    int64_t deadline_ms = pp_kafka_deadline_ms(timeout_ms);
    bool expired = false;
    if (status == PINPIPE_OK) {
        status = pp_kafka_producer_mend(producer, deadline_ms, err);
    }
    while (status == PINPIPE_OK && pp_kafka_producer_waiting(producer) > 0 && !expired &&
           !pp_kafka_client_refused(&producer->client)) {
        expired = pp_kafka_wait_ms(deadline_ms, 1) == 0;
        rd_kafka_flush(producer->client.handle, pp_kafka_wait_ms(deadline_ms, PP_KAFKA_STEP_MS));
        rd_kafka_poll(producer->client.handle, 0);
        status = pp_kafka_producer_mend(producer, deadline_ms, err);
    }
    if (status < 0) {
        return status;
    }
    if (pp_kafka_producer_waiting(producer) > 0) {
        char waiting_for[PP_KAFKA_TEXT_BYTES];
        snprintf(waiting_for, sizeof waiting_for, "waiting for %lld records to be delivered",
                 (long long)pp_kafka_producer_waiting(producer));
        return pp_kafka_client_fail(&producer->client, waiting_for, err);
    }
    int64_t failed = producer->failed - producer->failed_reported;
    producer->failed_reported = producer->failed;
    if (failed > 0) {
        return pp_fail_service(err, pp_kafka_status(producer->failure), "kafka", (int32_t)producer->failure,
                               "%lld records were not delivered; the first: %s", (long long)failed,
                               producer->failure_text);
    }
    return PINPIPE_OK;
}

pinpipe_status pinpipe_kafka_producer_poll(pinpipe_kafka_producer *producer, pinpipe_error *err) {
    pinpipe_status status = pp_kafka_client_check(&producer->client, err);
    if (status == PINPIPE_OK) {
        rd_kafka_poll(producer->client.handle, 0);
    }
    return status;
}

int64_t pp_kafka_producer_waiting(const pinpipe_kafka_producer *producer) {
    return producer->written - producer->delivered - producer->failed;
}

int64_t pinpipe_kafka_producer_written_count(const pinpipe_kafka_producer *producer) {
    return producer->written;
}

int64_t pinpipe_kafka_producer_delivered_count(const pinpipe_kafka_producer *producer) {
    return producer->delivered;
}

int64_t pinpipe_kafka_producer_failed_count(const pinpipe_kafka_producer *producer) {
    return producer->failed;
}

int64_t pinpipe_kafka_producer_recovery_count(const pinpipe_kafka_producer *producer) {
    return producer->recoveries;
}

pinpipe_status pinpipe_kafka_producer_statistics(pinpipe_kafka_statistics *out,
                                                 const pinpipe_kafka_producer *producer, pinpipe_error *err) {
    return pp_kafka_statistics_get(out, &producer->client, err);
}

#endif
