/* Turns topic names into topics that a producer can write to at once.
 * Never queues a record for a topic that no broker knows.
 * Rules: docs/kafka.md, "Producer"; librdkafka CHANGELOG.md, 2.10.1 (first record of a topic). */
#include "pinpipe/kafka.h"

#if PINPIPE_WITH_KAFKA

#include "kafka/producer.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "io/clock.h"

#define TOPICS_MAX 4096
#define TOPIC_NAME_BYTES_MAX 249
/* A broker that creates topics by itself needs a moment for it; one that does not says "unknown" at once. */
#define TOPIC_CREATION_MS 2000
#define TOPIC_RETRY_MS 50
#define METADATA_STEP_MS 1000

static int64_t topic_find(pinpipe_kafka_producer *producer, pinpipe_str name) {
    for (int64_t i = 0; i < producer->topic_count; i++) {
        int64_t at = (producer->topic_last + i) % producer->topic_count;
        const pp_kafka_topic_entry *entry = &producer->topics[at];
        if (entry->name_len == name.len && memcmp(entry->name, name.ptr, name.len) == 0) {
            producer->topic_last = at;
            return at;
        }
    }
    return -1;
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
    pp_kafka_topic_entry *topics = pp_realloc(producer->topics, (size_t)cap * sizeof *topics);
    if (!topics) {
        return pp_fail_memory(err, "the producer's topics", (size_t)cap * sizeof *topics);
    }
    producer->topics = topics;
    producer->topic_cap = cap;
    return PINPIPE_OK;
}

static pinpipe_status topic_add(int64_t *out, pinpipe_kafka_producer *producer, pinpipe_str name,
                                pinpipe_error *err) {
    pinpipe_status status = topic_name_check(name, err);
    if (status == PINPIPE_OK) {
        status = topics_grow(producer, err);
    }
    if (status < 0) {
        return status;
    }
    pp_kafka_topic_entry entry = {pp_strndup(name.ptr, name.len), name.len, NULL, 0, false};
    if (!entry.name) {
        return pp_fail_memory(err, "a topic's name", name.len);
    }
    entry.topic = rd_kafka_topic_new(producer->client.handle, entry.name, NULL);
    if (!entry.topic) {
        status = pp_kafka_fail(err, rd_kafka_last_error(), entry.name, NULL);
        pp_free(entry.name);
        return status;
    }
    *out = producer->topic_count;
    producer->topics[producer->topic_count++] = entry;
    return PINPIPE_OK;
}

/* One metadata round. AGAIN: ask once more. */
static pinpipe_status topic_ask(pinpipe_kafka_producer *producer, pp_kafka_topic_entry *entry, int timeout_ms,
                                pinpipe_error *err) {
    const rd_kafka_metadata_t *metadata = NULL;
    rd_kafka_resp_err_t code =
        rd_kafka_metadata(producer->client.handle, 0, entry->topic, &metadata, timeout_ms);
    if (!code) {
        pp_kafka_client_answered(&producer->client);
        code = metadata->topic_cnt > 0 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        producer->broker_count = metadata->broker_cnt;
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
static pinpipe_status topic_learn(pinpipe_kafka_producer *producer, pp_kafka_topic_entry *entry,
                                  int64_t deadline_ms, pinpipe_error *err) {
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

pinpipe_status pp_kafka_topic_ready(pinpipe_kafka_producer *producer, int64_t index, int64_t deadline_ms,
                                    pinpipe_error *err) {
    pp_kafka_topic_entry *entry = &producer->topics[index];
    if (!entry->topic) {
        entry->topic = rd_kafka_topic_new(producer->client.handle, entry->name, NULL);
    }
    if (!entry->topic) {
        return pp_kafka_fail(err, rd_kafka_last_error(), entry->name, NULL);
    }
    return entry->known ? PINPIPE_OK : topic_learn(producer, entry, deadline_ms, err);
}

pinpipe_status pp_kafka_topic_get(int64_t *out, pinpipe_kafka_producer *producer, pinpipe_str name,
                                  int64_t deadline_ms, pinpipe_error *err) {
    int64_t index = topic_find(producer, name);
    pinpipe_status status = index < 0 ? topic_add(&index, producer, name, err) : PINPIPE_OK;
    if (status == PINPIPE_OK) {
        status = pp_kafka_topic_ready(producer, index, deadline_ms, err);
    }
    *out = index;
    return status;
}

void pp_kafka_topics_close(pinpipe_kafka_producer *producer) {
    for (int64_t i = 0; i < producer->topic_count; i++) {
        if (producer->topics[i].topic) {
            rd_kafka_topic_destroy(producer->topics[i].topic);
        }
        producer->topics[i].topic = NULL;
        producer->topics[i].known = false;
    }
}

void pp_kafka_topics_free(pinpipe_kafka_producer *producer) {
    pp_kafka_topics_close(producer);
    for (int64_t i = 0; i < producer->topic_count; i++) {
        pp_free(producer->topics[i].name);
    }
    pp_free(producer->topics);
}

#endif
