/* Turns a topic's name into a topic of its cluster, into what the cluster knows of it, or into nothing.
 * Never creates a topic by asking for it.
 * Rules: docs/kafka.md, "Topics"; Kafka protocol, CreateTopics, Metadata, DescribeConfigs, DeleteTopics. */
#include "pinpipe/kafka.h"

#if PINPIPE_WITH_KAFKA

#include "kafka/admin.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "io/clock.h"

#define TOLD_WAIT_MS 5000
#define TOLD_STEP_MS 10
#define TOLD_STEP_MAX_MS 200

void pp_kafka_description_clear(pinpipe_kafka_admin *admin) {
    pp_free(admin->partitions);
    rd_kafka_event_destroy(admin->described);
    admin->partitions = NULL;
    admin->partition_count = 0;
    admin->described = NULL;
    admin->configs = NULL;
    admin->config_count = 0;
}

/* NULL where the cluster does not tell of it. */
static const rd_kafka_metadata_topic_t *topic_find(const rd_kafka_metadata_t *metadata, const char *name) {
    for (int i = 0; i < metadata->topic_cnt; i++) {
        if (strcmp(metadata->topics[i].topic, name) == 0) {
            return &metadata->topics[i];
        }
    }
    return NULL;
}

typedef bool told_judge(const rd_kafka_metadata_t *metadata, const char *name);

static bool is_led(const rd_kafka_metadata_t *metadata, const char *name) {
    const rd_kafka_metadata_topic_t *topic = topic_find(metadata, name);
    bool led = topic && !topic->err && topic->partition_cnt > 0;
    for (int i = 0; led && i < topic->partition_cnt; i++) {
        led = topic->partitions[i].leader >= 0;
    }
    return led;
}

static bool is_gone(const rd_kafka_metadata_t *metadata, const char *name) {
    const rd_kafka_metadata_topic_t *topic = topic_find(metadata, name);
    return !topic || topic->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

/* The controller answers before the other brokers have heard of a change. Who may not see the topic waits no
 * longer than TOLD_WAIT_MS: the change is made all the same. */
static void told_wait(pinpipe_kafka_admin *admin, const char *name, told_judge *is_told,
                      int64_t deadline_ms) {
    int64_t told_ms = pp_kafka_deadline_ms(TOLD_WAIT_MS), step_ms = TOLD_STEP_MS;
    deadline_ms = told_ms < deadline_ms ? told_ms : deadline_ms;
    const rd_kafka_metadata_t *metadata = NULL;
    while (pp_kafka_wait_ms(deadline_ms, 1) > 0 &&
           pp_kafka_admin_metadata(&metadata, admin, name, deadline_ms, NULL) == PINPIPE_OK) {
        bool told = is_told(metadata, name);
        rd_kafka_metadata_destroy(metadata);
        if (told) {
            return;
        }
        pp_clock_sleep_ms(pp_kafka_wait_ms(deadline_ms, step_ms));
        step_ms = step_ms * 2 < TOLD_STEP_MAX_MS ? step_ms * 2 : TOLD_STEP_MAX_MS;
    }
}

/* What a change of one topic is made by, and seen by. */
typedef struct topic_change {
    rd_kafka_admin_op_t kind;
    void (*send)(rd_kafka_t *handle, void *topic, const rd_kafka_AdminOptions_t *options,
                 rd_kafka_queue_t *queue);
    const rd_kafka_topic_result_t **(*results)(rd_kafka_event_t *event, size_t *count);
    told_judge *is_told;
} topic_change;

static void create_send(rd_kafka_t *handle, void *topic, const rd_kafka_AdminOptions_t *options,
                        rd_kafka_queue_t *queue) {
    rd_kafka_NewTopic_t *one = topic;
    rd_kafka_CreateTopics(handle, &one, 1, options, queue);
}

static const rd_kafka_topic_result_t **create_results(rd_kafka_event_t *event, size_t *count) {
    return rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), count);
}

static void delete_send(rd_kafka_t *handle, void *topic, const rd_kafka_AdminOptions_t *options,
                        rd_kafka_queue_t *queue) {
    rd_kafka_DeleteTopic_t *one = topic;
    rd_kafka_DeleteTopics(handle, &one, 1, options, queue);
}

static const rd_kafka_topic_result_t **delete_results(rd_kafka_event_t *event, size_t *count) {
    return rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), count);
}

static const topic_change creation = {RD_KAFKA_ADMIN_OP_CREATETOPICS, create_send, create_results, is_led};
static const topic_change deletion = {RD_KAFKA_ADMIN_OP_DELETETOPICS, delete_send, delete_results, is_gone};

/* Asks for a change, waits for the answer, and until it can be seen. */
static pinpipe_status change_make(pinpipe_kafka_admin *admin, const topic_change *change, void *topic,
                                  const char *name, int64_t timeout_ms, pinpipe_error *err) {
    int64_t deadline_ms = pp_kafka_deadline_ms(timeout_ms);
    rd_kafka_AdminOptions_t *request = pp_kafka_admin_request(admin, change->kind, deadline_ms);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(admin->client.handle);
    rd_kafka_event_t *event = NULL;
    size_t count = 0;
    change->send(admin->client.handle, topic, request, queue);
    pinpipe_status status = pp_kafka_admin_wait(&event, admin, queue, name, deadline_ms, err);
    const rd_kafka_topic_result_t **topics = event ? change->results(event, &count) : NULL;
    for (size_t i = 0; i < count && status == PINPIPE_OK; i++) {
        rd_kafka_resp_err_t code = rd_kafka_topic_result_error(topics[i]);
        status =
            code ? pp_kafka_fail(err, code, name, rd_kafka_topic_result_error_string(topics[i])) : status;
    }
    rd_kafka_event_destroy(event);
    if (status == PINPIPE_OK) {
        told_wait(admin, name, change->is_told, deadline_ms);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(request);
    return status;
}

static pinpipe_status name_take(char *out, const pinpipe_kafka_admin *admin, pinpipe_str name,
                                pinpipe_error *err) {
    pinpipe_status status = pp_kafka_client_check(&admin->client, err);
    if (status == PINPIPE_OK && (name.len == 0 || name.len > PP_KAFKA_TOPIC_BYTES_MAX)) {
        return pp_fail_service(err, PINPIPE_EINVAL, "kafka", 0, "topic '%.*s': a name has 1 to %d bytes",
                               pp_quote_len(name.len), name.len ? name.ptr : "", PP_KAFKA_TOPIC_BYTES_MAX);
    }
    if (status == PINPIPE_OK) {
        memcpy(out, name.ptr, name.len);
        out[name.len] = '\0';
    }
    return status;
}

pinpipe_status pinpipe_kafka_admin_topic_create(pinpipe_kafka_admin *admin,
                                                const pinpipe_kafka_topic_options *topic, int64_t timeout_ms,
                                                pinpipe_error *err) {
    if (!topic || topic->struct_size < sizeof *topic) {
        return pp_fail(err, PINPIPE_EINVAL, "a topic's options lack their struct_size");
    }
    char name[PP_KAFKA_TOPIC_BYTES_MAX + 1], reason[PP_KAFKA_TEXT_BYTES] = "";
    pinpipe_status status = name_take(name, admin, topic->name, err);
    if (status < 0) {
        return status;
    }
    int32_t partitions = topic->partition_count ? topic->partition_count : 1;
    int32_t replicas = topic->replication_count ? topic->replication_count : 1;
    rd_kafka_NewTopic_t *made = rd_kafka_NewTopic_new(name, partitions, replicas, reason, sizeof reason);
    if (!made) {
        return pp_fail_service(err, PINPIPE_EINVAL, "kafka", 0, "topic '%s': %s", name, reason);
    }
    status = change_make(admin, &creation, made, name, timeout_ms, err);
    rd_kafka_NewTopic_destroy(made);
    return status;
}

pinpipe_status pinpipe_kafka_admin_topic_delete(pinpipe_kafka_admin *admin, pinpipe_str name,
                                                int64_t timeout_ms, pinpipe_error *err) {
    char text[PP_KAFKA_TOPIC_BYTES_MAX + 1];
    pinpipe_status status = name_take(text, admin, name, err);
    if (status < 0) {
        return status;
    }
    rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(text);
    status = change_make(admin, &deletion, topic, text, timeout_ms, err);
    rd_kafka_DeleteTopic_destroy(topic);
    return status;
}

static pinpipe_status partitions_take(pinpipe_kafka_admin *admin, const rd_kafka_metadata_topic_t *topic,
                                      pinpipe_error *err) {
    size_t size = (size_t)topic->partition_cnt * sizeof *admin->partitions;
    admin->partitions = pp_alloc_zero(size ? size : 1);
    if (!admin->partitions) {
        return pp_fail_memory(err, "a topic's partitions", size);
    }
    for (int i = 0; i < topic->partition_cnt; i++) {
        const rd_kafka_metadata_partition_t *from = &topic->partitions[i];
        admin->partitions[i] =
            (pinpipe_kafka_partition){from->id, from->leader, from->replica_cnt, from->isr_cnt};
    }
    admin->partition_count = topic->partition_cnt;
    return PINPIPE_OK;
}

static pinpipe_status partitions_ask(pinpipe_kafka_admin *admin, const char *name, int64_t deadline_ms,
                                     pinpipe_error *err) {
    const rd_kafka_metadata_t *metadata = NULL;
    pinpipe_status status = pp_kafka_admin_metadata(&metadata, admin, name, deadline_ms, err);
    if (status < 0) {
        return status;
    }
    const rd_kafka_metadata_topic_t *topic = topic_find(metadata, name);
    rd_kafka_resp_err_t code = topic ? topic->err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    status = code ? pp_kafka_fail(err, code, name, NULL) : partitions_take(admin, topic, err);
    rd_kafka_metadata_destroy(metadata);
    return status;
}

static pinpipe_status configs_take(pinpipe_kafka_admin *admin, const char *name, pinpipe_error *err) {
    size_t count = 0, entries = 0;
    const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(
        rd_kafka_event_DescribeConfigs_result(admin->described), &count);
    rd_kafka_resp_err_t code =
        count ? rd_kafka_ConfigResource_error(resources[0]) : RD_KAFKA_RESP_ERR__BAD_MSG;
    if (code) {
        return pp_kafka_fail(err, code, name,
                             count ? rd_kafka_ConfigResource_error_string(resources[0]) : NULL);
    }
    admin->configs = rd_kafka_ConfigResource_configs(resources[0], &entries);
    admin->config_count = (int64_t)entries;
    return PINPIPE_OK;
}

static pinpipe_status configs_ask(pinpipe_kafka_admin *admin, const char *name, int64_t deadline_ms,
                                  pinpipe_error *err) {
    rd_kafka_AdminOptions_t *request =
        pp_kafka_admin_request(admin, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, deadline_ms);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(admin->client.handle);
    rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name);
    rd_kafka_DescribeConfigs(admin->client.handle, &resource, 1, request, queue);
    pinpipe_status status = pp_kafka_admin_wait(&admin->described, admin, queue, name, deadline_ms, err);
    if (status == PINPIPE_OK) {
        status = configs_take(admin, name, err);
    }
    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(request);
    return status;
}

pinpipe_status pinpipe_kafka_admin_topic_describe(pinpipe_kafka_admin *admin, pinpipe_str name,
                                                  int64_t timeout_ms, pinpipe_error *err) {
    char text[PP_KAFKA_TOPIC_BYTES_MAX + 1];
    pinpipe_status status = name_take(text, admin, name, err);
    if (status < 0) {
        return status;
    }
    int64_t deadline_ms = pp_kafka_deadline_ms(timeout_ms);
    pp_kafka_description_clear(admin);
    status = partitions_ask(admin, text, deadline_ms, err);
    if (status == PINPIPE_OK) {
        status = configs_ask(admin, text, deadline_ms, err);
    }
    if (status < 0) {
        pp_kafka_description_clear(admin);
    }
    return status;
}

int64_t pinpipe_kafka_admin_partition_count(const pinpipe_kafka_admin *admin) {
    return admin->partition_count;
}

pinpipe_kafka_partition pinpipe_kafka_admin_partition_at(const pinpipe_kafka_admin *admin, int64_t index) {
    assert(index >= 0 && index < admin->partition_count);
    return admin->partitions[index];
}

int64_t pinpipe_kafka_admin_config_count(const pinpipe_kafka_admin *admin) {
    return admin->config_count;
}

pinpipe_kafka_topic_config pinpipe_kafka_admin_config_at(const pinpipe_kafka_admin *admin, int64_t index) {
    assert(index >= 0 && index < admin->config_count);
    const rd_kafka_ConfigEntry_t *entry = admin->configs[index];
    const char *name = rd_kafka_ConfigEntry_name(entry), *value = rd_kafka_ConfigEntry_value(entry);
    return (pinpipe_kafka_topic_config){{name, strlen(name)},
                                        {value, value ? strlen(value) : 0},
                                        rd_kafka_ConfigEntry_is_default(entry) == 1,
                                        0};
}

#endif
