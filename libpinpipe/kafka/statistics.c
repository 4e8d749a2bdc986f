/* Turns librdkafka's statistics, a JSON document a period, into one struct.
 * Never reads a document before somebody asks for it, and never keeps more than the last.
 * Rules: docs/kafka.md, "Statistics"; librdkafka STATISTICS.md. */
#include "pinpipe/kafka.h"

#if PINPIPE_WITH_KAFKA

#include "kafka/client.h"

#include <string.h>

#include <jansson.h>

#include "base/buffer.h"

static int64_t number_of(const json_t *object, const char *name) {
    return (int64_t)json_integer_value(json_object_get(object, name));
}

static int64_t window_of(const json_t *object, const char *window, const char *name) {
    return number_of(json_object_get(object, window), name);
}

static int64_t greater(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* What a broker adds: counts are summed, of latencies the worst broker's counts. */
static void broker_add(pinpipe_kafka_statistics *out, const json_t *broker) {
    const char *state = json_string_value(json_object_get(broker, "state"));
    out->brokers_up += state && strcmp(state, "UP") == 0;
    out->request_errors += number_of(broker, "txerrs") + number_of(broker, "rxerrs");
    out->request_retries += number_of(broker, "txretries");
    out->request_timeouts += number_of(broker, "req_timeouts");
    out->queue_latency_p50_us = greater(out->queue_latency_p50_us, window_of(broker, "int_latency", "p50"));
    out->queue_latency_p99_us = greater(out->queue_latency_p99_us, window_of(broker, "int_latency", "p99"));
    out->output_latency_p99_us =
        greater(out->output_latency_p99_us, window_of(broker, "outbuf_latency", "p99"));
    out->round_trip_p50_us = greater(out->round_trip_p50_us, window_of(broker, "rtt", "p50"));
    out->round_trip_p99_us = greater(out->round_trip_p99_us, window_of(broker, "rtt", "p99"));
    out->throttle_max_ms = greater(out->throttle_max_ms, window_of(broker, "throttle", "max"));
}

static void topic_add(pinpipe_kafka_statistics *out, const json_t *topic) {
    const char *name = NULL;
    json_t *partition = NULL;
    out->batch_records_avg = greater(out->batch_records_avg, window_of(topic, "batchcnt", "avg"));
    out->batch_bytes_avg = greater(out->batch_bytes_avg, window_of(topic, "batchsize", "avg"));
    json_object_foreach(json_object_get(topic, "partitions"), name, partition) {
        int64_t lag = number_of(partition, "consumer_lag");
        out->fetched_queue_records += number_of(partition, "fetchq_cnt");
        out->fetched_queue_bytes += number_of(partition, "fetchq_size");
        if (strcmp(name, "-1") != 0 && lag > 0) {
            out->lag_records += lag;
            out->lag_max_records = greater(out->lag_max_records, lag);
        }
    }
}

static void document_read(pinpipe_kafka_statistics *out, const json_t *document) {
    const char *name = NULL;
    json_t *one = NULL;
    out->time_ms = number_of(document, "time") * 1000;
    out->queued_records = number_of(document, "msg_cnt");
    out->queued_bytes = number_of(document, "msg_size");
    out->sent_requests = number_of(document, "tx");
    out->sent_bytes = number_of(document, "tx_bytes");
    out->received_responses = number_of(document, "rx");
    out->received_bytes = number_of(document, "rx_bytes");
    out->sent_records = number_of(document, "txmsgs");
    out->sent_record_bytes = number_of(document, "txmsg_bytes");
    out->received_records = number_of(document, "rxmsgs");
    out->received_record_bytes = number_of(document, "rxmsg_bytes");
    json_object_foreach(json_object_get(document, "brokers"), name, one) {
        broker_add(out, one);
    }
    json_object_foreach(json_object_get(document, "topics"), name, one) {
        topic_add(out, one);
    }
    out->rebalances = window_of(document, "cgrp", "rebalance_cnt");
}

pinpipe_status pp_kafka_statistics_get(pinpipe_kafka_statistics *out, const pp_kafka_client *client,
                                       pinpipe_error *err) {
    pinpipe_status status = pp_kafka_client_check(client, err);
    if (status < 0) {
        return status;
    }
    if (!out || out->struct_size < sizeof *out) {
        return pp_fail(err, PINPIPE_EINVAL, "Kafka statistics lack their struct_size");
    }
    *out = (pinpipe_kafka_statistics)PINPIPE_KAFKA_STATISTICS_INIT;
    if (!client->statistics) {
        return PINPIPE_AGAIN;
    }
    json_error_t where;
    json_t *document = json_loads(client->statistics, 0, &where);
    if (!document) {
        return pp_fail_service(err, PINPIPE_EDATA, "kafka", 0, "librdkafka's statistics, line %d: %s",
                               where.line, where.text);
    }
    document_read(out, document);
    out->json = pp_str(client->statistics);
    json_decref(document);
    return PINPIPE_OK;
}

#endif
