/* Turns the end of a record into counts, and into a report where reports are wanted.
 * Never ends a record twice, and keeps a few entries to be filled again.
 * Rules: docs/kinesis.md, "Producer". */
#include "kinesis/producer.h"

#if PINPIPE_WITH_KINESIS

#include "base/buffer.h"
#include "base/memory.h"

#define SPARE_MAX 1024
#define SPARE_BYTES_MAX 2048

int64_t pp_entry_bytes(const pp_entry *entry) {
    return (int64_t)entry->cap + PP_ENTRY_AROUND;
}

static size_t text_keep(pp_entry *entry, size_t at, pinpipe_str text) {
    size_t len = text.len < PP_REPORT_BYTES / 2 ? text.len : PP_REPORT_BYTES / 2;
    pp_str_copy(entry->bytes + at, (pinpipe_str){text.ptr, len});
    return len;
}

/* A few entries wait to be filled again: records of a stream are much alike. */
static void entry_spare(pinpipe_kinesis_producer *producer, pp_entry *entry) {
    if (producer->spare_count >= SPARE_MAX || entry->cap > SPARE_BYTES_MAX) {
        pp_free(entry);
        return;
    }
    entry->next = producer->spare;
    producer->spare = entry;
    producer->spare_count++;
}

pp_entry *pp_entry_again(pinpipe_kinesis_producer *producer, size_t cap) {
    pp_entry *entry = producer->spare;
    if (!entry || entry->cap < cap) {
        return NULL;
    }
    producer->spare = entry->next;
    producer->spare_count--;
    return entry;
}

void pp_producer_end(pinpipe_kinesis_producer *producer, pp_entry *entry, pinpipe_status status,
                     pinpipe_kinesis_place place) {
    int64_t *counters = producer->counters;
    int64_t latency_ms = producer->now_ms - entry->queued_ms;
    counters[status == PINPIPE_OK ? PINPIPE_KINESIS_DELIVERED : PINPIPE_KINESIS_FAILED]++;
    counters[PINPIPE_KINESIS_LATENCY_MS] += status == PINPIPE_OK ? latency_ms : 0;
    counters[PINPIPE_KINESIS_DELIVERED_BYTES] +=
        status == PINPIPE_OK ? (int64_t)(entry->key_len + entry->data_len) : 0;
    if (producer->reports == PINPIPE_KINESIS_REPORTS_NONE) {
        counters[PINPIPE_KINESIS_HELD_BYTES] -= pp_entry_bytes(entry);
        entry_spare(producer, entry);
        return;
    }
    entry->next = NULL;
    entry->status = status;
    entry->queued_ms = latency_ms;
    entry->key_len = text_keep(entry, 0, place.shard_id);
    entry->data_len = text_keep(entry, entry->key_len, place.sequence_number);
    if (producer->done_last) {
        producer->done_last->next = entry;
    } else {
        producer->done = entry;
    }
    producer->done_last = entry;
}

void pp_producer_note(pinpipe_kinesis_producer *producer, const pinpipe_error *cause) {
    if (producer->counters[PINPIPE_KINESIS_FAILED] == producer->failed_told) {
        producer->failure = *cause;
    }
}

pinpipe_status pinpipe_kinesis_producer_report_next(pinpipe_kinesis_report *out,
                                                    pinpipe_kinesis_producer *producer, pinpipe_error *err) {
    *out = (pinpipe_kinesis_report){0};
    pinpipe_status status = pp_loop_enter(producer, 0, err);
    if (status < 0) {
        return status;
    }
    pp_entry *entry = producer->done;
    if (producer->reported) {
        producer->counters[PINPIPE_KINESIS_HELD_BYTES] -= pp_entry_bytes(producer->reported);
        entry_spare(producer, producer->reported);
        producer->reported = NULL;
    }
    if (!entry) {
        pp_loop_leave(producer);
        return PINPIPE_AGAIN;
    }
    producer->done = entry->next;
    producer->done_last = entry->next ? producer->done_last : NULL;
    producer->reported = entry;
    *out = (pinpipe_kinesis_report){.tag = entry->tag,
                                    .status = entry->status,
                                    .attempts = entry->attempts,
                                    .latency_ms = entry->queued_ms,
                                    .shard_id = {entry->bytes, entry->key_len},
                                    .sequence_number = {entry->bytes + entry->key_len, entry->data_len}};
    pp_loop_leave(producer);
    return PINPIPE_OK;
}

int64_t pinpipe_kinesis_producer_count(const pinpipe_kinesis_producer *producer, int32_t counter) {
    bool is_one = counter >= 0 && counter < PINPIPE_KINESIS_COUNTERS;
    return is_one ? pp_loop_read(producer, &producer->counters[counter]) : 0;
}

#endif
