/* Turns records into queued messages and their delivery reports into counts.
 * Never loses a report: written = delivered + failed + waiting, at every moment.
 * Rules: docs/kafka.md, "Producer"; librdkafka INTRODUCTION.md ("Producer message delivery"). */
#include "pinpipe/kafka.h"

#if PINPIPE_WITH_KAFKA

#include "kafka/client.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "io/clock.h"

#define TOPICS_MAX 4096
#define TOPIC_NAME_BYTES_MAX 249
/* A broker that creates topics by itself needs a moment for it; one that does not says "unknown" at once. */
#define TOPIC_CREATION_MS 2000
#define TOPIC_RETRY_MS 50
#define STEP_MS 100
#define METADATA_STEP_MS 1000
#define CLOSE_MS 1000

typedef struct topic_entry {
    char *name;
    size_t name_len;
    rd_kafka_topic_t *topic;
    int64_t unknown_since_ms;
    bool known;
} topic_entry;

struct pinpipe_kafka_producer {
    pp_kafka_client client;
    topic_entry *topics;
    int64_t topic_count;
    int64_t topic_cap;
    int64_t topic_last;
    int64_t written;
    int64_t delivered;
    int64_t failed;
    int64_t failed_reported;
    rd_kafka_resp_err_t failure;
    char failure_text[PP_KAFKA_TEXT_BYTES];
};

static const pp_kafka_default producer_defaults[] = {
    {"enable.idempotence", "true"},
    {"partitioner", "murmur2_random"},
    {"linger.ms", "5"},
    {"queue.buffering.max.messages", "100000"},
    {"queue.buffering.max.kbytes", "65536"},
    {NULL, NULL},
};

static void delivery_report(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque) {
    pinpipe_kafka_producer *producer = opaque;
    (void)handle;
    if (!message->err) {
        producer->delivered++;
        pp_kafka_client_answered(&producer->client);
        return;
    }
    if (producer->failed == producer->failed_reported) {
        producer->failure = message->err;
        snprintf(producer->failure_text, sizeof producer->failure_text, "topic '%s': %s",
                 rd_kafka_topic_name(message->rkt), rd_kafka_err2str(message->err));
    }
    producer->failed++;
}

pinpipe_status pinpipe_kafka_producer_new(pinpipe_kafka_producer **out, pinpipe_str brokers,
                                          const pinpipe_kafka_config *config, pinpipe_error *err) {
    *out = NULL;
    rd_kafka_conf_t *conf = NULL;
    pinpipe_kafka_producer *producer = pp_alloc_zero(sizeof *producer);
    pinpipe_status status = producer ? PINPIPE_OK : pp_fail_memory(err, "a Kafka producer", sizeof *producer);
    if (status == PINPIPE_OK) {
        status = pp_kafka_conf_new(&conf, &producer->client, brokers, producer_defaults, config, err);
    }
    if (status == PINPIPE_OK) {
        rd_kafka_conf_set_dr_msg_cb(conf, delivery_report);
        status = pp_kafka_client_open(&producer->client, RD_KAFKA_PRODUCER, conf, err);
    }
    if (status < 0 && producer) {
        pp_kafka_client_close(&producer->client, 0);
    }
    if (status < 0) {
        pp_free(producer);
        return status;
    }
    *out = producer;
    return PINPIPE_OK;
}

static int64_t waiting_count(const pinpipe_kafka_producer *producer) {
    return producer->written - producer->delivered - producer->failed;
}

void pinpipe_kafka_producer_free(pinpipe_kafka_producer *producer) {
    if (!producer || !pp_kafka_client_owned(&producer->client)) {
        return;
    }
    rd_kafka_t *handle = producer->client.handle;
    int64_t deadline_ms = pp_kafka_deadline_ms(CLOSE_MS);
    rd_kafka_purge(handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    while (waiting_count(producer) > 0 && pp_kafka_wait_ms(deadline_ms, STEP_MS) > 0) {
        rd_kafka_poll(handle, pp_kafka_wait_ms(deadline_ms, STEP_MS));
    }
    for (int64_t i = 0; i < producer->topic_count; i++) {
        rd_kafka_topic_destroy(producer->topics[i].topic);
        pp_free(producer->topics[i].name);
    }
    pp_free(producer->topics);
    pp_kafka_client_close(&producer->client, 0);
    pp_free(producer);
}

static topic_entry *topic_find(pinpipe_kafka_producer *producer, pinpipe_str name) {
    for (int64_t i = 0; i < producer->topic_count; i++) {
        int64_t at = (producer->topic_last + i) % producer->topic_count;
        topic_entry *entry = &producer->topics[at];
        if (entry->name_len == name.len && memcmp(entry->name, name.ptr, name.len) == 0) {
            producer->topic_last = at;
            return entry;
        }
    }
    return NULL;
}

static pinpipe_status topic_name_check(pinpipe_str name, pinpipe_error *err) {
    if (name.len == 0 || name.len > TOPIC_NAME_BYTES_MAX || memchr(name.ptr, '\0', name.len)) {
        return pp_fail_service(err, PINPIPE_EINVAL, "kafka", 0,
                               "topic '%.*s': a name has 1 to %d bytes of letters, digits, '.', '_' and '-'",
                               pp_quote_len(name.len), name.len ? name.ptr : "", TOPIC_NAME_BYTES_MAX);
    }
    return PINPIPE_OK;
}

static pinpipe_status topics_grow(pinpipe_kafka_producer *producer, pinpipe_error *err) {
    if (producer->topic_count < producer->topic_cap) {
        return PINPIPE_OK;
    }
    if (producer->topic_count == TOPICS_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "one producer writes to at most %d topics", TOPICS_MAX);
    }
    int64_t cap = producer->topic_cap ? 2 * producer->topic_cap : 8;
    topic_entry *topics = pp_realloc(producer->topics, (size_t)cap * sizeof *topics);
    if (!topics) {
        return pp_fail_memory(err, "the producer's topics", (size_t)cap * sizeof *topics);
    }
    producer->topics = topics;
    producer->topic_cap = cap;
    return PINPIPE_OK;
}

static pinpipe_status topic_add(topic_entry **out, pinpipe_kafka_producer *producer, pinpipe_str name,
                                pinpipe_error *err) {
    pinpipe_status status = topic_name_check(name, err);
    if (status == PINPIPE_OK) {
        status = topics_grow(producer, err);
    }
    if (status < 0) {
        return status;
    }
    topic_entry entry = {pp_strndup(name.ptr, name.len), name.len, NULL, 0, false};
    if (!entry.name) {
        return pp_fail_memory(err, "a topic's name", name.len);
    }
    entry.topic = rd_kafka_topic_new(producer->client.handle, entry.name, NULL);
    if (!entry.topic) {
        rd_kafka_resp_err_t code = rd_kafka_last_error();
        status = pp_kafka_fail(err, code, entry.name, NULL);
        pp_free(entry.name);
        return status;
    }
    producer->topics[producer->topic_count] = entry;
    *out = &producer->topics[producer->topic_count++];
    return PINPIPE_OK;
}

/* One metadata round. AGAIN: ask once more. */
static pinpipe_status topic_ask(pinpipe_kafka_producer *producer, topic_entry *entry, int timeout_ms,
                                pinpipe_error *err) {
    const rd_kafka_metadata_t *metadata = NULL;
    rd_kafka_resp_err_t code =
        rd_kafka_metadata(producer->client.handle, 0, entry->topic, &metadata, timeout_ms);
    if (!code) {
        pp_kafka_client_answered(&producer->client);
        code = metadata->topic_cnt > 0 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        rd_kafka_metadata_destroy(metadata);
        entry->known = !code;
    }
    rd_kafka_poll(producer->client.handle, 0);
    if (pp_kafka_client_refused(&producer->client)) {
        return pp_kafka_client_fail(&producer->client, entry->name, err);
    }
    pinpipe_status status = code ? pp_kafka_status(code) : PINPIPE_OK;
    if (!code || status == PINPIPE_ENET || status == PINPIPE_ETIMEOUT || status == PINPIPE_ESERVICE) {
        return code ? PINPIPE_AGAIN : PINPIPE_OK;
    }
    if (status == PINPIPE_ENOTFOUND) {
        int64_t now_ms = pp_clock_monotonic_ms();
        entry->unknown_since_ms = entry->unknown_since_ms ? entry->unknown_since_ms : now_ms;
        if (now_ms - entry->unknown_since_ms < TOPIC_CREATION_MS) {
            return PINPIPE_AGAIN;
        }
        entry->unknown_since_ms = 0;
        return pp_fail_service(err, PINPIPE_ENOTFOUND, "kafka", (int32_t)code, "topic '%s' does not exist",
                               entry->name);
    }
    return pp_kafka_fail(err, code, entry->name, NULL);
}

/* Messages for a topic that librdkafka does not know yet would wait for its 1 s timer (2.0.2; fixed
 * in 2.10.1). */
static pinpipe_status topic_learn(pinpipe_kafka_producer *producer, topic_entry *entry, int64_t deadline_ms,
                                  pinpipe_error *err) {
    pinpipe_status status = PINPIPE_AGAIN;
    while (status == PINPIPE_AGAIN) {
        status = topic_ask(producer, entry, pp_kafka_wait_ms(deadline_ms, METADATA_STEP_MS), err);
        if (status == PINPIPE_AGAIN && pp_kafka_wait_ms(deadline_ms, 1) == 0) {
            char waiting_for[PP_KAFKA_TEXT_BYTES];
            snprintf(waiting_for, sizeof waiting_for, "waiting for topic '%s'", entry->name);
            return pp_kafka_client_fail(&producer->client, waiting_for, err);
        }
        if (status == PINPIPE_AGAIN) {
            rd_kafka_poll(producer->client.handle, pp_kafka_wait_ms(deadline_ms, TOPIC_RETRY_MS));
        }
    }
    return status;
}

static rd_kafka_resp_err_t message_queue(pinpipe_kafka_producer *producer, rd_kafka_topic_t *topic,
                                         const pinpipe_kafka_record *record) {
    rd_kafka_vu_t parts[6] = {0};
    parts[0].vtype = RD_KAFKA_VTYPE_RKT;
    parts[0].u.rkt = topic;
    parts[1].vtype = RD_KAFKA_VTYPE_PARTITION;
    parts[1].u.i32 = RD_KAFKA_PARTITION_UA;
    parts[2].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
    parts[2].u.i = RD_KAFKA_MSG_F_COPY;
    parts[3].vtype = RD_KAFKA_VTYPE_VALUE;
    parts[3].u.mem.ptr = (void *)record->value.ptr;
    parts[3].u.mem.size = record->value.len;
    parts[4].vtype = RD_KAFKA_VTYPE_KEY;
    parts[4].u.mem.ptr = (void *)record->key.ptr;
    parts[4].u.mem.size = record->key.len;
    parts[5].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
    parts[5].u.i64 = record->timestamp_ms;
    rd_kafka_error_t *error =
        rd_kafka_produceva(producer->client.handle, parts, sizeof parts / sizeof parts[0]);
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    return code;
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
    topic_entry *entry = topic_find(producer, record->topic);
    if (!entry) {
        status = topic_add(&entry, producer, record->topic, err);
    }
    if (status == PINPIPE_OK && !entry->known) {
        status = topic_learn(producer, entry, deadline_ms, err);
    }
    if (status < 0) {
        return status;
    }
    rd_kafka_resp_err_t code = message_queue(producer, entry->topic, record);
    while (code == RD_KAFKA_RESP_ERR__QUEUE_FULL && pp_kafka_wait_ms(deadline_ms, 1) > 0) {
        rd_kafka_poll(producer->client.handle, pp_kafka_wait_ms(deadline_ms, STEP_MS));
        if (pp_kafka_client_refused(&producer->client)) {
            break;
        }
        code = message_queue(producer, entry->topic, record);
    }
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        return pp_kafka_client_fail(&producer->client, "waiting for room in the producer's queue", err);
    }
    if (code) {
        return pp_kafka_fail(err, code, entry->name, NULL);
    }
    producer->written++;
    rd_kafka_poll(producer->client.handle, 0);
    return PINPIPE_OK;
}

pinpipe_status pinpipe_kafka_producer_flush(pinpipe_kafka_producer *producer, int64_t timeout_ms,
                                            pinpipe_error *err) {
    pinpipe_status status = pp_kafka_client_check(&producer->client, err);
    if (status < 0) {
        return status;
    }
    int64_t deadline_ms = pp_kafka_deadline_ms(timeout_ms);
    bool expired = false;
    while (waiting_count(producer) > 0 && !expired && !pp_kafka_client_refused(&producer->client)) {
        expired = pp_kafka_wait_ms(deadline_ms, 1) == 0;
        rd_kafka_flush(producer->client.handle, pp_kafka_wait_ms(deadline_ms, STEP_MS));
    }
    rd_kafka_poll(producer->client.handle, 0);
    if (waiting_count(producer) > 0) {
        char waiting_for[PP_KAFKA_TEXT_BYTES];
        snprintf(waiting_for, sizeof waiting_for, "waiting for %lld records to be delivered",
                 (long long)waiting_count(producer));
        return pp_kafka_client_fail(&producer->client, waiting_for, err);
    }
    int64_t failed = producer->failed - producer->failed_reported;
    if (failed > 0) {
        producer->failed_reported = producer->failed;
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

int64_t pinpipe_kafka_producer_written_count(const pinpipe_kafka_producer *producer) {
    return producer->written;
}

int64_t pinpipe_kafka_producer_delivered_count(const pinpipe_kafka_producer *producer) {
    return producer->delivered;
}

int64_t pinpipe_kafka_producer_failed_count(const pinpipe_kafka_producer *producer) {
    return producer->failed;
}

#endif
