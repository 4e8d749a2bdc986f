/* Turns offsets into commits, questions for commits, places to read at, and pauses; partitions into views.
 * Never waits beyond the deadline of its call.
 * Rules: docs/kafka.md, "Consumer"; librdkafka rdkafka.h. */
#include "pinpipe/kafka.h"

#if PINPIPE_WITH_KAFKA

#include "kafka/consumer.h"
#include "kafka/records.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "io/clock.h"

#define OFFSETS_MAX 100000
#define SEEK_STEP_MS 10

bool pp_kafka_list_has(const rd_kafka_topic_partition_list_t *list, const rd_kafka_message_t *message) {
    return rd_kafka_topic_partition_list_find((rd_kafka_topic_partition_list_t *)list,
                                              rd_kafka_topic_name(message->rkt), message->partition) != NULL;
}

/* librdkafka frees it with the list. */
static pinpipe_status metadata_set(rd_kafka_topic_partition_t *place, pinpipe_str metadata,
                                   pinpipe_error *err) {
    if (metadata.len == 0) {
        return PINPIPE_OK;
    }
    place->metadata = rd_kafka_mem_malloc(NULL, metadata.len);
    if (!place->metadata) {
        return pp_fail_memory(err, "metadata of an offset", metadata.len);
    }
    memcpy(place->metadata, metadata.ptr, metadata.len);
    place->metadata_size = metadata.len;
    return PINPIPE_OK;
}

/* librdkafka's list of `offsets`, for a consumer that may be asked. */
static pinpipe_status offsets_list(rd_kafka_topic_partition_list_t **out,
                                   const pinpipe_kafka_consumer *consumer,
                                   const pinpipe_kafka_offset *offsets, int64_t count, pinpipe_error *err) {
    *out = NULL;
    pinpipe_status status = pp_kafka_client_check(&consumer->client, err);
    if (status < 0) {
        return status;
    }
    if (count < 1 || count > OFFSETS_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "%lld offsets: one call takes 1 to %d", (long long)count,
                       OFFSETS_MAX);
    }
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (int64_t i = 0; i < count && status == PINPIPE_OK; i++) {
        char *topic = pp_strndup(offsets[i].topic.len ? offsets[i].topic.ptr : "", offsets[i].topic.len);
        if (topic) {
            rd_kafka_topic_partition_t *place =
                rd_kafka_topic_partition_list_add(list, topic, offsets[i].partition);
            place->offset = offsets[i].offset;
            status = metadata_set(place, offsets[i].metadata, err);
        } else {
            status = pp_fail_memory(err, "a topic's name", offsets[i].topic.len);
        }
        pp_free(topic);
    }
    if (status < 0) {
        rd_kafka_topic_partition_list_destroy(list);
        return status;
    }
    *out = list;
    return PINPIPE_OK;
}

typedef pinpipe_status list_work(pinpipe_kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list,
                                 int64_t timeout_ms, pinpipe_error *err);

static pinpipe_status list_do(pinpipe_kafka_consumer *consumer, const pinpipe_kafka_offset *offsets,
                              int64_t count, list_work *work, int64_t timeout_ms, pinpipe_error *err) {
    rd_kafka_topic_partition_list_t *list = NULL;
    pinpipe_status status = offsets_list(&list, consumer, offsets, count, err);
    if (status < 0) {
        return status;
    }
    assert(list);
    status = work(consumer, list, timeout_ms, err);
    rd_kafka_topic_partition_list_destroy(list);
    return status;
}

/* The first error of a list's entries, after `code`, the error of all. */
static rd_kafka_resp_err_t first_error(rd_kafka_resp_err_t code,
                                       const rd_kafka_topic_partition_list_t *list) {
    for (int i = 0; list && i < list->cnt && !code; i++) {
        code = list->elems[i].err;
    }
    return code;
}

static pinpipe_status commit_answer(const pinpipe_kafka_consumer *consumer, rd_kafka_event_t *event,
                                    pinpipe_error *err) {
    if (!event) {
        return pp_kafka_client_fail(&consumer->client, "waiting for a commit's answer", err);
    }
    rd_kafka_resp_err_t code =
        first_error(rd_kafka_event_error(event), rd_kafka_event_topic_partition_list(event));
    return code ? pp_kafka_fail(err, code, "committing offsets", NULL) : PINPIPE_OK;
}

static pinpipe_status list_commit(pinpipe_kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list,
                                  int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    /* The blocking form of commit has no deadline; its own queue lets a late answer die with the call. */
    int64_t deadline_ms = pp_kafka_deadline_ms(timeout_ms);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(consumer->client.handle);
    rd_kafka_resp_err_t code = rd_kafka_commit_queue(consumer->client.handle, list, queue, NULL, NULL);
    if (code) {
        status = pp_kafka_fail(err, code, "committing offsets", NULL);
    } else {
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, pp_kafka_wait_ms(deadline_ms, INT64_MAX));
        status = commit_answer(consumer, event, err);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    return status;
}

pinpipe_status pinpipe_kafka_consumer_commit(pinpipe_kafka_consumer *consumer,
                                             const pinpipe_kafka_offset *offsets, int64_t count,
                                             int64_t timeout_ms, pinpipe_error *err) {
    return list_do(consumer, offsets, count, list_commit, timeout_ms, err);
}

static pinpipe_status assignment_get(rd_kafka_topic_partition_list_t **out,
                                     const pinpipe_kafka_consumer *consumer, pinpipe_error *err) {
    rd_kafka_resp_err_t code = rd_kafka_assignment(consumer->client.handle, out);
    return code ? pp_kafka_fail(err, code, "asking for the assignment", NULL) : PINPIPE_OK;
}

pinpipe_status pinpipe_kafka_consumer_commit_records(pinpipe_kafka_consumer *consumer,
                                                     const pinpipe_kafka_records *records, int64_t timeout_ms,
                                                     pinpipe_error *err) {
    rd_kafka_topic_partition_list_t *list = NULL, *assigned = NULL;
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    if (records->next_count == 0) {
        return pp_kafka_client_check(&consumer->client, err);
    }
    pinpipe_status status = offsets_list(&list, consumer, records->next, records->next_count, err);
    if (status < 0) {
        return status;
    }
    status = assignment_get(&assigned, consumer, &cause);
    for (int i = list->cnt - 1; i >= 0 && status == PINPIPE_OK; i--) {
        const rd_kafka_topic_partition_t *place = &list->elems[i];
        if (!rd_kafka_topic_partition_list_find(assigned, place->topic, place->partition)) {
            rd_kafka_topic_partition_list_del_by_idx(list, i);
        }
    }
    if (status == PINPIPE_OK && list->cnt > 0) {
        status = list_commit(consumer, list, timeout_ms, &cause);
    }
    if (status == PINPIPE_ECONFLICT || (status == PINPIPE_OK && list->cnt < records->next_count)) {
        status = PINPIPE_PARTIAL;
    }
    if (status < 0) {
        pp_fail_service(err, status, cause.service, cause.native_code, "%s", cause.message);
    }
    if (assigned) {
        rd_kafka_topic_partition_list_destroy(assigned);
    }
    rd_kafka_topic_partition_list_destroy(list);
    return status;
}

pinpipe_status pinpipe_kafka_consumer_committed(pinpipe_kafka_offset *offsets, int64_t count,
                                                pinpipe_kafka_consumer *consumer, int64_t timeout_ms,
                                                pinpipe_error *err) {
    rd_kafka_topic_partition_list_t *list = NULL;
    pinpipe_status status = offsets_list(&list, consumer, offsets, count, err);
    if (status < 0) {
        return status;
    }
    int wait_ms = pp_kafka_wait_ms(pp_kafka_deadline_ms(timeout_ms), INT64_MAX);
    assert(list);
    rd_kafka_resp_err_t code = rd_kafka_committed(consumer->client.handle, list, wait_ms);
    for (int i = 0; i < list->cnt && !code; i++) {
        code = list->elems[i].err;
        const rd_kafka_topic_partition_t *place = &list->elems[i];
        offsets[i].offset = place->offset >= 0 ? place->offset : -1;
        offsets[i].metadata = (pinpipe_str){place->metadata, place->metadata_size};
    }
    if (code) {
        status = pp_kafka_fail(err, code, "asking for committed offsets", NULL);
    }
    if (consumer->committed) {
        rd_kafka_topic_partition_list_destroy(consumer->committed);
    }
    consumer->committed = list;
    return status;
}

static pinpipe_status foreign_fail(const rd_kafka_topic_partition_t *partition, pinpipe_error *err) {
    return pp_fail_service(err, PINPIPE_ECONFLICT, "kafka", (int32_t)partition->err,
                           "'%s' [%ld] is not this consumer's to read", partition->topic,
                           (long)partition->partition);
}

/* librdkafka would mark partitions of others, too. */
static pinpipe_status assigned_check(const pinpipe_kafka_consumer *consumer,
                                     const rd_kafka_topic_partition_list_t *list, pinpipe_error *err) {
    rd_kafka_topic_partition_list_t *assigned = NULL;
    pinpipe_status status = assignment_get(&assigned, consumer, err);
    for (int i = 0; i < list->cnt && status == PINPIPE_OK; i++) {
        const rd_kafka_topic_partition_t *place = &list->elems[i];
        if (!rd_kafka_topic_partition_list_find(assigned, place->topic, place->partition)) {
            status = foreign_fail(place, err);
        }
    }
    if (assigned) {
        rd_kafka_topic_partition_list_destroy(assigned);
    }
    return status;
}

/* Where it fails, `refused` is the partition that does. */
static rd_kafka_resp_err_t seek_once(const rd_kafka_topic_partition_t **refused, rd_kafka_t *handle,
                                     rd_kafka_topic_partition_list_t *list, int wait_ms) {
    rd_kafka_error_t *error = rd_kafka_seek_partitions(handle, list, wait_ms);
    rd_kafka_resp_err_t code = error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
    *refused = &list->elems[0];
    for (int i = 0; i < list->cnt && !code; i++) {
        *refused = &list->elems[i];
        code = (*refused)->err;
    }
    if (error) {
        rd_kafka_error_destroy(error);
    }
    return code;
}

/* A partition takes no seek before librdkafka has asked where it is to begin. */
static pinpipe_status started_seek(pinpipe_kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list,
                                   int64_t deadline_ms, pinpipe_error *err) {
    rd_kafka_t *handle = consumer->client.handle;
    const rd_kafka_topic_partition_t *refused = NULL;
    rd_kafka_resp_err_t code = seek_once(&refused, handle, list, pp_kafka_wait_ms(deadline_ms, INT64_MAX));
    while (code == RD_KAFKA_RESP_ERR__STATE && pp_kafka_wait_ms(deadline_ms, 1) > 0 &&
           assigned_check(consumer, list, NULL) == PINPIPE_OK) {
        pp_clock_sleep_ms(SEEK_STEP_MS);
        code = seek_once(&refused, handle, list, pp_kafka_wait_ms(deadline_ms, INT64_MAX));
    }
    if (code == RD_KAFKA_RESP_ERR__STATE || code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION) {
        return foreign_fail(refused, err);
    }
    return code ? pp_kafka_fail(err, code, "going to another offset", NULL) : PINPIPE_OK;
}

/* Offsets in place of the beginning and the end. Each leader answers in order, so that what librdkafka asked
 * it before is answered, too. */
static pinpipe_status ends_ask(pinpipe_kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list,
                               int64_t deadline_ms, pinpipe_error *err) {
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *place = &list->elems[i];
        int64_t low = 0, high = 0;
        rd_kafka_resp_err_t code =
            rd_kafka_query_watermark_offsets(consumer->client.handle, place->topic, place->partition, &low,
                                             &high, pp_kafka_wait_ms(deadline_ms, INT64_MAX));
        if (code) {
            return pp_kafka_fail(err, code, "asking for the ends of partitions", NULL);
        }
        place->offset = place->offset == RD_KAFKA_OFFSET_BEGINNING ? low
                        : place->offset == RD_KAFKA_OFFSET_END     ? high
                                                                   : place->offset;
    }
    return PINPIPE_OK;
}

/* librdkafka may have asked where a partition is to begin, or for an end that was sought before. Such an
 * answer comes too late after a seek, is asked for again half a second later, and overrides the seek. So it
 * is let come, and a second seek takes the question back. */
static pinpipe_status list_seek(pinpipe_kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list,
                                int64_t timeout_ms, pinpipe_error *err) {
    int64_t deadline_ms = pp_kafka_deadline_ms(timeout_ms);
    pp_kafka_ready_drop(consumer, list);
    pinpipe_status status = assigned_check(consumer, list, err);
    for (int turn = 0; turn < 2 && status == PINPIPE_OK; turn++) {
        status = ends_ask(consumer, list, deadline_ms, err);
        status = status == PINPIPE_OK ? started_seek(consumer, list, deadline_ms, err) : status;
    }
    return status;
}

pinpipe_status pinpipe_kafka_consumer_seek(pinpipe_kafka_consumer *consumer,
                                           const pinpipe_kafka_offset *offsets, int64_t count,
                                           int64_t timeout_ms, pinpipe_error *err) {
    return list_do(consumer, offsets, count, list_seek, timeout_ms, err);
}

/* ---- partitions ---- */

void pp_kafka_places_reset(pp_kafka_places *places) {
    if (places->list) {
        rd_kafka_topic_partition_list_destroy(places->list);
    }
    pp_free(places->views);
    *places = (pp_kafka_places){0};
}

pinpipe_status pp_kafka_places_show(pp_kafka_places *places, rd_kafka_topic_partition_list_t *list,
                                    pinpipe_error *err) {
    if (list->cnt > places->view_cap) {
        size_t size = (size_t)list->cnt * sizeof *places->views;
        pinpipe_kafka_offset *views = pp_realloc(places->views, size);
        if (!views) {
            return pp_fail_memory(err, "the partitions of a consumer", size);
        }
        places->views = views;
        places->view_cap = list->cnt;
    }
    if (places->list) {
        rd_kafka_topic_partition_list_destroy(places->list);
    }
    places->list = list;
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *at = &list->elems[i];
        places->views[i] = (pinpipe_kafka_offset){{at->topic, strlen(at->topic)}, at->partition, 0, -1};
    }
    return PINPIPE_OK;
}

static pinpipe_status list_assign(pinpipe_kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list,
                                  int64_t timeout_ms, pinpipe_error *err) {
    (void)timeout_ms; /* nobody is asked */
    rd_kafka_resp_err_t code = rd_kafka_assign(consumer->client.handle, list);
    return code ? pp_kafka_fail(err, code, "taking partitions", NULL) : PINPIPE_OK;
}

pinpipe_status pp_kafka_consumer_assign(pinpipe_kafka_consumer *consumer, const pinpipe_kafka_offset *offsets,
                                        int64_t count, pinpipe_error *err) {
    return list_do(consumer, offsets, count, list_assign, 0, err);
}

pinpipe_status pinpipe_kafka_consumer_assigned(const pinpipe_kafka_offset **out, int64_t *count,
                                               pinpipe_kafka_consumer *consumer, pinpipe_error *err) {
    rd_kafka_topic_partition_list_t *list = NULL;
    *out = NULL;
    *count = 0;
    pinpipe_status status = pp_kafka_client_check(&consumer->client, err);
    if (status < 0) {
        return status;
    }
    status = assignment_get(&list, consumer, err);
    if (status < 0) {
        return status;
    }
    status = pp_kafka_places_show(&consumer->assigned, list, err);
    if (status < 0) {
        rd_kafka_topic_partition_list_destroy(list);
        return status;
    }
    *out = consumer->assigned.views;
    *count = consumer->assigned.list->cnt;
    return PINPIPE_OK;
}

/* ---- pauses ---- */

/* Messages that are ready count as read where librdkafka stands: it goes back by them. */
static pinpipe_status ready_put_back(pinpipe_kafka_consumer *consumer,
                                     const rd_kafka_topic_partition_list_t *list, int64_t timeout_ms,
                                     pinpipe_error *err) {
    rd_kafka_topic_partition_list_t *back = rd_kafka_topic_partition_list_new(1);
    pinpipe_status status = PINPIPE_OK;
    for (int64_t i = consumer->ready_at; i < consumer->ready_count; i++) {
        const rd_kafka_message_t *message = consumer->ready[i];
        bool is_first =
            !message->err && pp_kafka_list_has(list, message) && !pp_kafka_list_has(back, message);
        if (is_first) {
            const char *topic = rd_kafka_topic_name(message->rkt);
            rd_kafka_topic_partition_list_add(back, topic, message->partition)->offset = message->offset;
        }
    }
    if (back->cnt > 0) {
        status = list_seek(consumer, back, timeout_ms, err);
    }
    rd_kafka_topic_partition_list_destroy(back);
    return status;
}

static pinpipe_status list_pause(pinpipe_kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list,
                                 int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = assigned_check(consumer, list, err);
    status = status == PINPIPE_OK ? ready_put_back(consumer, list, timeout_ms, err) : status;
    if (status < 0) {
        return status;
    }
    rd_kafka_resp_err_t code = rd_kafka_pause_partitions(consumer->client.handle, list);
    return code ? pp_kafka_fail(err, code, "pausing partitions", NULL) : PINPIPE_OK;
}

pinpipe_status pinpipe_kafka_consumer_pause(pinpipe_kafka_consumer *consumer,
                                            const pinpipe_kafka_offset *offsets, int64_t count,
                                            int64_t timeout_ms, pinpipe_error *err) {
    return list_do(consumer, offsets, count, list_pause, timeout_ms, err);
}

static pinpipe_status list_resume(pinpipe_kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list,
                                  int64_t timeout_ms, pinpipe_error *err) {
    (void)timeout_ms; /* nobody is asked */
    pinpipe_status status = assigned_check(consumer, list, err);
    if (status < 0) {
        return status;
    }
    rd_kafka_resp_err_t code = rd_kafka_resume_partitions(consumer->client.handle, list);
    return code ? pp_kafka_fail(err, code, "resuming partitions", NULL) : PINPIPE_OK;
}

pinpipe_status pinpipe_kafka_consumer_resume(pinpipe_kafka_consumer *consumer,
                                             const pinpipe_kafka_offset *offsets, int64_t count,
                                             pinpipe_error *err) {
    return list_do(consumer, offsets, count, list_resume, 0, err);
}

#endif
