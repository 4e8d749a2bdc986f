/* Turns a group's share of topics into batches of borrowed messages, and offsets into commits.
 * Never mixes messages of two assignments: what follows a move of partitions waits for the next poll.
 * Rules: docs/kafka.md, "Consumer"; librdkafka INTRODUCTION.md ("Rebalancing"). */
#include "pinpipe/kafka.h"

#if PINPIPE_WITH_KAFKA

#include "kafka/consumer.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "io/clock.h"

#define POLL_RECORDS_DEFAULT 1000
#define POLL_RECORDS_MAX 100000
/* Messages of a batch pin librdkafka's fetch buffers, so a batch ends here whatever its count. */
#define POLL_BYTES_MAX (1 << 22)
#define TOPICS_BYTES_MAX (1 << 16)
#define CLOSE_MS 4000
#define CLOSE_STEP_MS 100
#define CUT_MS 300
#define DOWN_MS 30000
#define PROBE_MS 100
#define QUEUE_DEFAULT_BYTES ((int64_t)64 << 20)
#define QUEUE_MIN_BYTES ((int64_t)1 << 20)
#define QUEUE_MAX_BYTES ((int64_t)2 << 30)
#define FETCH_MIN_BYTES ((int64_t)1 << 20) /* of librdkafka: not below message.max.bytes */

static const pp_kafka_default consumer_defaults[] = {
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"auto.offset.reset", "earliest"},
    {"queued.min.messages", "1000000"},
    {"max.partition.fetch.bytes", "4194304"},
    {"topic.metadata.refresh.interval.ms", "2000"},
    {NULL, NULL},
};

static void error_log(rd_kafka_error_t *error, const char *what) {
    if (error) {
        pp_log(PP_LOG_WARNING, "kafka", "%s: %s", what, rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
    }
}

static void revoked_note(pinpipe_kafka_consumer *consumer,
                         const rd_kafka_topic_partition_list_t *partitions) {
    for (int i = 0; i < partitions->cnt; i++) {
        rd_kafka_topic_partition_list_add(consumer->revoked, partitions->elems[i].topic,
                                          partitions->elems[i].partition);
    }
}

static bool is_cooperative(rd_kafka_t *handle) {
    const char *protocol = rd_kafka_rebalance_protocol(handle);
    return protocol && strcmp(protocol, "COOPERATIVE") == 0;
}

static void partitions_release(rd_kafka_t *handle, const rd_kafka_topic_partition_list_t *partitions) {
    if (is_cooperative(handle)) {
        error_log(rd_kafka_incremental_unassign(handle, partitions), "revocation");
    } else {
        rd_kafka_assign(handle, NULL);
    }
}

static void rebalance(rd_kafka_t *handle, rd_kafka_resp_err_t code,
                      rd_kafka_topic_partition_list_t *partitions, void *opaque) {
    pinpipe_kafka_consumer *consumer = opaque;
    pp_kafka_consumer_moved(consumer);
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        consumer->assignments++;
        consumer->is_assigned = true;
        pp_kafka_client_answered(&consumer->client);
        if (is_cooperative(handle)) {
            error_log(rd_kafka_incremental_assign(handle, partitions), "assignment");
        } else {
            rd_kafka_assign(handle, partitions);
        }
        return;
    }
    consumer->is_assigned = false;
    revoked_note(consumer, partitions);
    /* What was lost is another's already, and a consumer that closes has nobody to wait for. */
    if (consumer->revocation == PINPIPE_KAFKA_REVOCATION_HELD && !consumer->held &&
        !rd_kafka_assignment_lost(handle)) {
        consumer->held = rd_kafka_topic_partition_list_copy(partitions);
    } else {
        partitions_release(handle, partitions);
    }
}

/* Gives away what was held, once the news of it have been told. */
static void held_release(pinpipe_kafka_consumer *consumer) {
    if (!consumer->held || consumer->moved) {
        return;
    }
    partitions_release(consumer->client.handle, consumer->held);
    rd_kafka_topic_partition_list_destroy(consumer->held);
    consumer->held = NULL;
}

static int socket_open(int domain, int type, int protocol, void *opaque) {
    const pinpipe_kafka_consumer *consumer = opaque;
    return pp_sockets_open(consumer->sockets, domain, type, protocol);
}

static int socket_close(int number, void *opaque) {
    const pinpipe_kafka_consumer *consumer = opaque;
    return pp_sockets_close(consumer->sockets, number);
}

/* A regular expression may hold commas, so it stands alone. */
static pinpipe_status subscribe(pinpipe_kafka_consumer *consumer, pinpipe_str topics, pinpipe_error *err) {
    if (topics.len > TOPICS_BYTES_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "the list of topics has %zu bytes, the limit is %d", topics.len,
                       TOPICS_BYTES_MAX);
    }
    char *text = pp_strndup(topics.ptr, topics.len);
    if (!text) {
        return pp_fail_memory(err, "the list of topics", topics.len);
    }
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    char *rest = text;
    while (rest) {
        char *name = text[0] == '^' ? rest : strsep(&rest, ",");
        rest = text[0] == '^' ? NULL : rest;
        if (name[0]) {
            rd_kafka_topic_partition_list_add(list, name, RD_KAFKA_PARTITION_UA);
        }
    }
    rd_kafka_resp_err_t code =
        list->cnt ? rd_kafka_subscribe(consumer->client.handle, list) : RD_KAFKA_RESP_ERR__INVALID_ARG;
    pinpipe_status status = PINPIPE_OK;
    if (code) {
        status = pp_fail_service(err, pp_kafka_status(code), "kafka", (int32_t)code,
                                 "topics '%.*s' cannot be subscribed to: %s", pp_quote_len(topics.len), text,
                                 rd_kafka_err2str(code));
    }
    rd_kafka_topic_partition_list_destroy(list);
    pp_free(text);
    return status;
}

/* Below the caller's settings, as all defaults; an answer may be as large as a fetch beside the queue. */
static pinpipe_status queue_set(rd_kafka_conf_t *conf, int64_t queue_bytes,
                                const pinpipe_kafka_config *config, pinpipe_error *err) {
    int64_t fetch_bytes = queue_bytes / 4 > FETCH_MIN_BYTES ? queue_bytes / 4 : FETCH_MIN_BYTES;
    const struct {
        const char *name;
        int64_t value;
    } rows[] = {{"queued.max.messages.kbytes", queue_bytes / 1024}, {"fetch.max.bytes", fetch_bytes}};
    pinpipe_status status = PINPIPE_OK;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && status == PINPIPE_OK; i++) {
        char text[24] = "";
        snprintf(text, sizeof text, "%lld", (long long)rows[i].value);
        if (!pp_kafka_config_value(config, rows[i].name)) {
            status = pp_kafka_conf_set(conf, rows[i].name, text, err);
        }
    }
    return status;
}

static pinpipe_status group_set(rd_kafka_conf_t *conf, pinpipe_str group, pinpipe_error *err) {
    char *text = pp_strndup(group.ptr, group.len);
    if (!text) {
        return pp_fail_memory(err, "a group's name", group.len);
    }
    pinpipe_status status = pp_kafka_conf_set(conf, "group.id", text, err);
    pp_free(text);
    return status;
}

static pinpipe_status options_check(const pinpipe_kafka_consumer_options *options, pinpipe_error *err) {
    if (!options || options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "consumer options lack their struct_size");
    }
    if (options->group.len == 0 || !options->topics.len == !options->partition_count) {
        return pp_fail(err, PINPIPE_EINVAL, "a consumer needs a group, and either topics or partitions");
    }
    if (options->revocation < PINPIPE_KAFKA_REVOCATION_AT_ONCE ||
        options->revocation > PINPIPE_KAFKA_REVOCATION_HELD) {
        return pp_fail(err, PINPIPE_EINVAL, "revocation %ld is none", (long)options->revocation);
    }
    if (options->queue_bytes &&
        (options->queue_bytes < QUEUE_MIN_BYTES || options->queue_bytes > QUEUE_MAX_BYTES)) {
        return pp_fail(err, PINPIPE_EINVAL, "queue_bytes %lld is not between 1 MiB and 2 GiB",
                       (long long)options->queue_bytes);
    }
    if (options->poll_records < 0 || options->poll_records > POLL_RECORDS_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "poll_records %lld is not between 1 and %d",
                       (long long)options->poll_records, POLL_RECORDS_MAX);
    }
    return PINPIPE_OK;
}

static void memory_free(pinpipe_kafka_consumer *consumer) {
    if (consumer->revoked) {
        rd_kafka_topic_partition_list_destroy(consumer->revoked);
    }
    if (consumer->held) {
        rd_kafka_topic_partition_list_destroy(consumer->held);
    }
    if (consumer->committed) {
        rd_kafka_topic_partition_list_destroy(consumer->committed);
    }
    pp_sockets_free(consumer->sockets);
    pp_kafka_places_reset(&consumer->reported);
    pp_free(consumer->kept);
    pp_free(consumer->views);
    pp_free(consumer);
}

static pinpipe_status consumer_start(pinpipe_kafka_consumer *consumer,
                                     const pinpipe_kafka_consumer_options *options,
                                     const pinpipe_kafka_config *config, pinpipe_error *err) {
    consumer->revocation = options->revocation;
    int64_t cap = options->poll_records ? options->poll_records : POLL_RECORDS_DEFAULT;
    consumer->view_cap = cap;
    consumer->kept = pp_alloc_zero((size_t)cap * sizeof *consumer->kept);
    consumer->views = pp_alloc_zero((size_t)cap * sizeof *consumer->views);
    if (!consumer->kept || !consumer->views) {
        return pp_fail_memory(err, "a batch of messages", (size_t)cap * sizeof *consumer->views);
    }
    consumer->revoked = rd_kafka_topic_partition_list_new(8);
    rd_kafka_conf_t *conf = NULL;
    pinpipe_status status = pp_sockets_new(&consumer->sockets, err);
    if (status == PINPIPE_OK) {
        status =
            pp_kafka_conf_new(&conf, &consumer->client, options->brokers, consumer_defaults, config, err);
    }
    if (status < 0) {
        return status;
    }
    status = group_set(conf, options->group, err);
    if (status == PINPIPE_OK) {
        int64_t queue_bytes = options->queue_bytes ? options->queue_bytes : QUEUE_DEFAULT_BYTES;
        status = queue_set(conf, queue_bytes, config, err);
    }
    if (status < 0) {
        rd_kafka_conf_destroy(conf);
        return status;
    }
    rd_kafka_conf_set_rebalance_cb(conf, rebalance);
    rd_kafka_conf_set_socket_cb(conf, socket_open);
    rd_kafka_conf_set_closesocket_cb(conf, socket_close);
    status = pp_kafka_client_open(&consumer->client, RD_KAFKA_CONSUMER, conf, err);
    if (status == PINPIPE_OK) {
        rd_kafka_poll_set_consumer(consumer->client.handle);
        consumer->queue = rd_kafka_queue_get_consumer(consumer->client.handle);
        status = options->topics.len
                     ? subscribe(consumer, options->topics, err)
                     : pp_kafka_consumer_assign(consumer, options->partitions, options->partition_count, err);
    }
    return status;
}

pinpipe_status pinpipe_kafka_consumer_new(pinpipe_kafka_consumer **out,
                                          const pinpipe_kafka_consumer_options *options,
                                          const pinpipe_kafka_config *config, pinpipe_error *err) {
    *out = NULL;
    pinpipe_status status = options_check(options, err);
    if (status < 0) {
        return status;
    }
    pinpipe_kafka_consumer *consumer = pp_alloc_zero(sizeof *consumer);
    if (!consumer) {
        return pp_fail_memory(err, "a Kafka consumer", sizeof *consumer);
    }
    status = consumer_start(consumer, options, config, err);
    if (status < 0) {
        if (consumer->queue) {
            rd_kafka_queue_destroy(consumer->queue);
        }
        pp_kafka_client_close(&consumer->client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        memory_free(consumer);
        return status;
    }
    *out = consumer;
    return PINPIPE_OK;
}

static void messages_release(pinpipe_kafka_consumer *consumer) {
    for (int64_t i = 0; i < consumer->view_count; i++) {
        rd_kafka_message_destroy(consumer->kept[i]);
    }
    consumer->view_count = 0;
}

/* True once the consumer has left. */
static bool closed_wait(rd_kafka_t *handle, rd_kafka_queue_t *queue, int64_t timeout_ms) {
    int64_t deadline_ms = pp_kafka_deadline_ms(timeout_ms);
    while (!rd_kafka_consumer_closed(handle) && pp_kafka_wait_ms(deadline_ms, 1) > 0) {
        /* Messages that nobody will read may still come: serving callbacks alone would end the process. */
        rd_kafka_message_t *message =
            rd_kafka_consume_queue(queue, pp_kafka_wait_ms(deadline_ms, CLOSE_STEP_MS));
        if (message) {
            rd_kafka_message_destroy(message);
        }
    }
    return rd_kafka_consumer_closed(handle) != 0;
}

/* librdkafka 2.0.2 may wait for ever in its own close when a partition was lost (#4187), so the close is
 * polled. Its end waits for every commit and for the leave, which a silent broker or an unanswered JoinGroup
 * request holds up for a minute (socket.timeout.ms). By then they are given up, so the connections are cut. A
 * request whose connection ends is put aside for the next one, and dies with the handle; one whose connection
 * ends after the handle has begun to end waits for a coordinator (session.timeout.ms) instead: hence the
 * second wait. */
static bool group_leave(pinpipe_kafka_consumer *consumer) {
    rd_kafka_t *handle = consumer->client.handle;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(handle);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(handle, queue);
    bool closed = !error && closed_wait(handle, queue, CLOSE_MS);
    error_log(error, "leaving the group");
    if (!closed) {
        pp_sockets_cut(consumer->sockets);
        closed = closed_wait(handle, queue, CUT_MS);
    }
    rd_kafka_queue_destroy(queue);
    return closed;
}

static void *destroy_run(void *opaque) {
    pinpipe_kafka_consumer *consumer = opaque;
    pp_kafka_client_close(&consumer->client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    memory_free(consumer);
    return NULL;
}

/* What is left takes about a second, in a thread that keeps it from the caller. It frees the consumer too,
 * because tokens are renewed as long as the handle lives. */
static bool destroy_behind(pinpipe_kafka_consumer *consumer) {
    pthread_t thread;
    pp_kafka_iam_detach(consumer->client.iam);
    if (!pp_thread_start(&thread, "pinpipe-leave", destroy_run, consumer)) {
        return false;
    }
    pthread_detach(thread);
    return true;
}

void pinpipe_kafka_consumer_free(pinpipe_kafka_consumer *consumer) {
    if (!consumer || !pp_kafka_client_owned(&consumer->client)) {
        return;
    }
    messages_release(consumer);
    pp_kafka_ready_drop(consumer, NULL);
    pp_kafka_places_reset(&consumer->assigned); /* librdkafka's end waits for it */
    consumer->moved = false;
    held_release(consumer);
    consumer->revocation = PINPIPE_KAFKA_REVOCATION_AT_ONCE;
    rd_kafka_queue_destroy(consumer->queue);
    bool closed = group_leave(consumer);
    if (!closed && destroy_behind(consumer)) {
        return;
    }
    pp_kafka_client_close(&consumer->client, closed ? 0 : RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    memory_free(consumer);
}

static pinpipe_status revoked_publish(pinpipe_kafka_batch *out, pinpipe_kafka_consumer *consumer,
                                      pinpipe_error *err) {
    pinpipe_status status = pp_kafka_places_show(&consumer->reported, consumer->revoked, err);
    if (status == PINPIPE_OK) {
        consumer->revoked = rd_kafka_topic_partition_list_new(8);
        out->revoked = consumer->reported.views;
        out->revoked_count = consumer->reported.list->cnt;
        consumer->moved = false;
    }
    return status;
}

/* librdkafka says when all brokers went away, not when one came back: only a question tells. */
static pinpipe_status silence_judge(pinpipe_kafka_consumer *consumer, pinpipe_error *err) {
    pp_kafka_client *client = &consumer->client;
    if (pp_kafka_client_refused(client)) {
        return pp_kafka_client_fail(client, "reading", err);
    }
    bool overdue = client->down_since_ms && pp_clock_monotonic_ms() - client->down_since_ms >= DOWN_MS;
    if (!client->trouble || (consumer->assignments && !overdue)) {
        return PINPIPE_AGAIN;
    }
    const rd_kafka_metadata_t *metadata = NULL;
    if (rd_kafka_metadata(client->handle, 0, NULL, &metadata, PROBE_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_metadata_destroy(metadata);
        pp_kafka_client_answered(client);
        return PINPIPE_AGAIN;
    }
    return pp_kafka_client_fail(client, "reading", err);
}

pinpipe_status pinpipe_kafka_consumer_poll(pinpipe_kafka_batch *out, pinpipe_kafka_consumer *consumer,
                                           int64_t timeout_ms, pinpipe_error *err) {
    return pp_kafka_consumer_take(out, consumer, (pp_kafka_limits){INT64_MAX, INT64_MAX}, timeout_ms, err);
}

void pp_kafka_consumer_release(pinpipe_kafka_consumer *consumer) {
    messages_release(consumer);
}

void pp_kafka_consumer_hold(pinpipe_kafka_consumer *consumer, const pinpipe_error *cause) {
    consumer->late_error = *cause;
}

static pinpipe_status late_fail(pinpipe_kafka_consumer *consumer, pinpipe_error *err) {
    pinpipe_error late = consumer->late_error;
    consumer->late_error = (pinpipe_error)PINPIPE_ERROR_INIT;
    return pp_fail_service(err, late.status, late.service, late.native_code, "%s", late.message);
}

pinpipe_status pp_kafka_consumer_take(pinpipe_kafka_batch *out, pinpipe_kafka_consumer *consumer,
                                      pp_kafka_limits limits, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = pp_kafka_client_check(&consumer->client, err);
    if (status < 0) {
        return status;
    }
    if (!out || out->struct_size < sizeof *out) {
        return pp_fail(err, PINPIPE_EINVAL, "a Kafka batch lacks its struct_size");
    }
    *out = (pinpipe_kafka_batch)PINPIPE_KAFKA_BATCH_INIT;
    messages_release(consumer);
    held_release(consumer);
    if (consumer->late_error.status) {
        return late_fail(consumer, err);
    }
    consumer->take_records = limits.records < consumer->view_cap ? limits.records : consumer->view_cap;
    consumer->take_bytes = limits.bytes < POLL_BYTES_MAX ? limits.bytes : POLL_BYTES_MAX;
    status = pp_kafka_messages_take(consumer, pp_kafka_deadline_ms(timeout_ms), err);
    if (status == PINPIPE_OK && pp_kafka_consumer_has_news(consumer)) {
        status = revoked_publish(out, consumer, err);
    }
    if (status < 0) {
        return status;
    }
    out->messages = consumer->views;
    out->message_count = consumer->view_count;
    if (out->message_count > 0) {
        pp_kafka_client_answered(&consumer->client);
    }
    return out->message_count || out->revoked_count ? PINPIPE_OK : silence_judge(consumer, err);
}

int64_t pinpipe_kafka_consumer_generation(const pinpipe_kafka_consumer *consumer) {
    return consumer->is_assigned ? consumer->assignments : 0;
}

pinpipe_status pinpipe_kafka_consumer_statistics(pinpipe_kafka_statistics *out,
                                                 const pinpipe_kafka_consumer *consumer, pinpipe_error *err) {
    return pp_kafka_statistics_get(out, &consumer->client, err);
}

#endif
