/* Turns librdkafka's queue into the messages of a batch, many at once, and moves of partitions into their
 * turn. Never tells a message of a partition behind the news that it was lost. Rules: docs/kafka.md,
 * "Consumer"; librdkafka rdkafka.h (rd_kafka_consume_queue), CHANGELOG.md 2.1.0 ("Consume Batch API"). */
#include "pinpipe/kafka.h"

#if PINPIPE_WITH_KAFKA

#include "kafka/consumer.h"

#include <string.h>

#include "base/log.h"

#define WAIT_STEP_MS 100
/* What is ready is beside what librdkafka counts as queued. */
#define READY_BYTES ((size_t)1 << 20)

static pinpipe_kafka_message message_view(const rd_kafka_message_t *message) {
    pinpipe_kafka_message view = {0};
    rd_kafka_timestamp_type_t kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    view.topic = (pinpipe_str){rd_kafka_topic_name(message->rkt), strlen(rd_kafka_topic_name(message->rkt))};
    view.partition = message->partition;
    view.offset = message->offset;
    view.key = (pinpipe_str){message->key, message->key_len};
    view.value = (pinpipe_str){message->payload, message->len};
    view.timestamp_ms = rd_kafka_message_timestamp(message, &kind);
    view.origin = message;
    return view;
}

/* What the consumer mends by itself is a log line; what only a person mends is an error. */
static pinpipe_status message_error(const rd_kafka_message_t *message, pinpipe_error *err) {
    const char *text = rd_kafka_message_errstr(message);
    pinpipe_status status = pp_kafka_status(message->err);
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        return PINPIPE_OK;
    }
    if (status == PINPIPE_ENOTFOUND || status == PINPIPE_EAUTH || status == PINPIPE_EFATAL ||
        message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
        return pp_kafka_fail(err, message->err, "consumer", text);
    }
    pp_log(PP_LOG_WARNING, "kafka", "consumer: %s", text);
    return PINPIPE_OK;
}

/* ---- what is ready ---- */

void pp_kafka_consumer_moved(pinpipe_kafka_consumer *consumer) {
    if (!consumer->moved) {
        consumer->moved = true;
        consumer->moved_at = consumer->ready_count;
    }
}

bool pp_kafka_consumer_has_news(const pinpipe_kafka_consumer *consumer) {
    return consumer->moved && consumer->ready_at >= consumer->moved_at;
}

static bool ready_matches(const rd_kafka_topic_partition_list_t *list, const rd_kafka_message_t *message) {
    return !list || (!message->err && pp_kafka_list_has(list, message));
}

static void ready_filter(pinpipe_kafka_consumer *consumer, int64_t from,
                         const rd_kafka_topic_partition_list_t *list) {
    int64_t kept = from;
    for (int64_t i = from; i < consumer->ready_count; i++) {
        rd_kafka_message_t *message = consumer->ready[i];
        consumer->ready[i] = NULL;
        if (ready_matches(list, message)) {
            consumer->moved_at -= i < consumer->moved_at;
            rd_kafka_message_destroy(message);
        } else {
            consumer->ready[kept++] = message;
        }
    }
    consumer->ready_count = kept;
}

void pp_kafka_ready_drop(pinpipe_kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *list) {
    ready_filter(consumer, consumer->ready_at, list);
}

/* Waits for the first message only; librdkafka waits on for one after it has told of a move. Messages are
 * taken one by one: rd_kafka_consume_batch_queue takes back what a move makes stale while it fills the array,
 * moves the others down, and leaves what it has freed behind them. */
static void ready_fill(pinpipe_kafka_consumer *consumer, int wait_ms) {
    consumer->ready_at = 0;
    consumer->ready_count = 0;
    size_t bytes = 0;
    rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer->client.handle, wait_ms);
    while (message) {
        consumer->ready[consumer->ready_count++] = message;
        bytes += message->len + message->key_len + 1;
        bool is_full = consumer->ready_count == PP_KAFKA_READY_MAX || bytes >= READY_BYTES;
        message =
            is_full || message->err || consumer->moved ? NULL : rd_kafka_consume_queue(consumer->queue, 0);
    }
    if (consumer->moved) {
        ready_filter(consumer, consumer->moved_at, consumer->revoked);
    }
}

pinpipe_status pp_kafka_messages_take(pinpipe_kafka_consumer *consumer, int64_t deadline_ms,
                                      pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    size_t bytes = 0;
    while (status == PINPIPE_OK && consumer->view_count < consumer->take_records &&
           bytes < (size_t)consumer->take_bytes && !pp_kafka_consumer_has_news(consumer)) {
        if (consumer->ready_at == consumer->ready_count) {
            bool is_last = consumer->view_count || pp_kafka_wait_ms(deadline_ms, 1) == 0;
            ready_fill(consumer, consumer->view_count ? 0 : pp_kafka_wait_ms(deadline_ms, WAIT_STEP_MS));
            if (consumer->ready_count == 0 && is_last) {
                break;
            }
            continue;
        }
        rd_kafka_message_t *message = consumer->ready[consumer->ready_at];
        if (message->err && consumer->view_count) {
            break;
        }
        consumer->ready[consumer->ready_at++] = NULL;
        if (message->err) {
            status = message_error(message, err);
            rd_kafka_message_destroy(message);
        } else {
            bytes += message->len + message->key_len;
            consumer->kept[consumer->view_count] = message;
            consumer->views[consumer->view_count++] = message_view(message);
        }
    }
    return status;
}

#endif
