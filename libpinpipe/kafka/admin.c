/* Turns a cluster into an admin that asks it, and its topics into a sorted list.
 * Never alters a topic: kafka/admin_topic.c does.
 * Rules: docs/kafka.md, "Topics"; Kafka protocol, Metadata. */
#include "pinpipe/kafka.h"

#if PINPIPE_WITH_KAFKA

#include "kafka/admin.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define STEP_MS 200

static const pp_kafka_default admin_defaults[] = {{NULL, NULL}};

static void listing_clear(pinpipe_kafka_admin *admin) {
    for (int64_t i = 0; i < admin->topic_count; i++) {
        pp_free(admin->topics[i].name);
    }
    pp_free(admin->topics);
    admin->topics = NULL;
    admin->topic_count = 0;
    if (admin->listed) {
        rd_kafka_metadata_destroy(admin->listed);
    }
    admin->listed = NULL;
}

pinpipe_status pinpipe_kafka_admin_new(pinpipe_kafka_admin **out, pinpipe_str brokers,
                                       const pinpipe_kafka_config *config, pinpipe_error *err) {
    *out = NULL;
    rd_kafka_conf_t *conf = NULL;
    pinpipe_kafka_admin *admin = pp_alloc_zero(sizeof *admin);
    pinpipe_status status = admin ? PINPIPE_OK : pp_fail_memory(err, "a Kafka admin", sizeof *admin);
    if (status == PINPIPE_OK) {
        status = pp_kafka_conf_new(&conf, &admin->client, brokers, admin_defaults, config, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_kafka_client_open(&admin->client, RD_KAFKA_PRODUCER, conf, err);
    }
    if (status < 0 && admin) {
        pp_kafka_client_close(&admin->client, 0);
    }
    if (status < 0) {
        pp_free(admin);
        return status;
    }
    *out = admin;
    return PINPIPE_OK;
}

void pinpipe_kafka_admin_free(pinpipe_kafka_admin *admin) {
    if (!admin || !pp_kafka_client_owned(&admin->client)) {
        return;
    }
    listing_clear(admin);
    pp_kafka_description_clear(admin);
    pp_kafka_client_close(&admin->client, 0);
    pp_free(admin);
}

/* Waits in steps, so that refused credentials end the wait at once. */
pinpipe_status pp_kafka_admin_wait(rd_kafka_event_t **out, pinpipe_kafka_admin *admin,
                                   rd_kafka_queue_t *queue, const char *name, int64_t deadline_ms,
                                   pinpipe_error *err) {
    rd_kafka_event_t *event = NULL;
    bool expired = false;
    *out = NULL;
    while (!event && !expired && !pp_kafka_client_refused(&admin->client)) {
        expired = pp_kafka_wait_ms(deadline_ms, 1) == 0;
        event = rd_kafka_queue_poll(queue, pp_kafka_wait_ms(deadline_ms, STEP_MS));
        rd_kafka_poll(admin->client.handle, 0);
    }
    rd_kafka_resp_err_t code = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    pinpipe_status status = PINPIPE_OK;
    if (!event || (code == RD_KAFKA_RESP_ERR__TIMED_OUT && admin->client.trouble)) {
        status = pp_kafka_client_fail(&admin->client, name, err);
    } else if (code) {
        status = pp_kafka_fail(err, code, name, rd_kafka_event_error_string(event));
    }
    if (status < 0 && event) {
        rd_kafka_event_destroy(event);
    } else {
        *out = event;
    }
    return status;
}

rd_kafka_AdminOptions_t *pp_kafka_admin_request(const pinpipe_kafka_admin *admin, rd_kafka_admin_op_t kind,
                                                int64_t deadline_ms) {
    rd_kafka_AdminOptions_t *request = rd_kafka_AdminOptions_new(admin->client.handle, kind);
    char reason[PP_KAFKA_TEXT_BYTES] = "";
    int wait_ms = pp_kafka_wait_ms(deadline_ms, 3600000);
    rd_kafka_AdminOptions_set_request_timeout(request, wait_ms > 0 ? wait_ms : 1, reason, sizeof reason);
    return request;
}

static int topic_compare(const void *left, const void *right) {
    return strcmp(((const pp_kafka_listed_topic *)left)->name, ((const pp_kafka_listed_topic *)right)->name);
}

static pinpipe_status listing_take(pinpipe_kafka_admin *admin, pinpipe_error *err) {
    const rd_kafka_metadata_t *metadata = admin->listed;
    size_t size = (size_t)metadata->topic_cnt * sizeof *admin->topics;
    admin->topics = pp_alloc_zero(size);
    if (!admin->topics) {
        return pp_fail_memory(err, "the list of topics", size);
    }
    for (int i = 0; i < metadata->topic_cnt; i++) {
        char *name = pp_strdup(metadata->topics[i].topic);
        if (!name) {
            listing_clear(admin);
            return pp_fail_memory(err, "a topic's name", strlen(metadata->topics[i].topic));
        }
        admin->topics[admin->topic_count++] = (pp_kafka_listed_topic){name, &metadata->topics[i]};
    }
    qsort(admin->topics, (size_t)admin->topic_count, sizeof *admin->topics, topic_compare);
    return PINPIPE_OK;
}

pinpipe_status pp_kafka_admin_metadata(const rd_kafka_metadata_t **out, pinpipe_kafka_admin *admin,
                                       const char *what_for, int64_t deadline_ms, pinpipe_error *err) {
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    do {
        code = rd_kafka_metadata(admin->client.handle, 1, NULL, out, pp_kafka_wait_ms(deadline_ms, STEP_MS));
        rd_kafka_poll(admin->client.handle, 0);
    } while (code && pp_kafka_wait_ms(deadline_ms, 1) > 0 && !pp_kafka_client_refused(&admin->client));
    if (code) {
        return pp_kafka_client_fail(&admin->client, what_for, err);
    }
    pp_kafka_client_answered(&admin->client);
    return PINPIPE_OK;
}

pinpipe_status pinpipe_kafka_admin_list(pinpipe_kafka_admin *admin, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = pp_kafka_client_check(&admin->client, err);
    if (status < 0) {
        return status;
    }
    listing_clear(admin);
    status = pp_kafka_admin_metadata(&admin->listed, admin, "listing topics",
                                     pp_kafka_deadline_ms(timeout_ms), err);
    return status < 0 ? status : listing_take(admin, err);
}

int64_t pinpipe_kafka_admin_topic_count(const pinpipe_kafka_admin *admin) {
    return admin->topic_count;
}

pinpipe_kafka_topic pinpipe_kafka_admin_topic_at(const pinpipe_kafka_admin *admin, int64_t index) {
    assert(index >= 0 && index < admin->topic_count);
    const pp_kafka_listed_topic *topic = &admin->topics[index];
    return (pinpipe_kafka_topic){{topic->name, strlen(topic->name)}, topic->told->partition_cnt};
}

#endif
