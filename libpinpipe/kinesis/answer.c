/* Turns the answer to a request into the end of each of its records, or into its way back to its lane.
 * Never takes an answer for good that does not speak of every record.
 * Rules: docs/kinesis.md, "Producer"; Amazon Kinesis API Reference, "PutRecords". */
#include "kinesis/producer.h"

#if PINPIPE_WITH_KINESIS

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "io/retry.h"

#define STRAY_WAIT_MS 5000

/* What the service says of one of its records. */
typedef struct verdict {
    pinpipe_kinesis_place place; /* no sequence number: it failed */
    pinpipe_str code, message;
} verdict;

static bool verdict_read(verdict *out, pp_kinesis_reader *reader) {
    pp_kinesis_level map;
    *out = (verdict){0};
    if (!pp_kinesis_read_map(reader, &map)) {
        return false;
    }
    for (pinpipe_str key; pp_kinesis_read_key(reader, &map, &key);) {
        pinpipe_str *to = pp_str_is(key, "SequenceNumber") ? &out->place.sequence_number
                          : pp_str_is(key, "ShardId")      ? &out->place.shard_id
                          : pp_str_is(key, "ErrorCode")    ? &out->code
                          : pp_str_is(key, "ErrorMessage") ? &out->message
                                                           : NULL;
        if (!(to ? pp_kinesis_read_text(reader, to) : pp_kinesis_read_pass(reader))) {
            return false;
        }
    }
    return !pp_kinesis_is_faulty(reader);
}

static void unit_end(pinpipe_kinesis_producer *producer, pp_unit *unit, pinpipe_status status,
                     pinpipe_kinesis_place place) {
    for (pp_entry *entry = unit->first, *next = NULL; entry; entry = next) {
        next = entry->next;
        pp_producer_end(producer, entry, status, place);
    }
    unit->first = NULL;
}

/* Whether all records of an aggregate belong to the shard in which it is now: a reader drops it else. */
static bool is_at_home(pinpipe_kinesis_producer *producer, const pp_unit *unit, pinpipe_str shard_id) {
    const pp_kinesis_shards *shards = &producer->kinesis->shards;
    int64_t index = pp_kinesis_shards_find(shards, shard_id);
    if (index < 0 && pp_producer_map(producer, STRAY_WAIT_MS, NULL) == PINPIPE_OK) {
        index = pp_kinesis_shards_find(shards, shard_id);
    }
    for (const pp_entry *entry = unit->first; index >= 0 && entry; entry = entry->next) {
        if (entry->hash < shards->rows[index].first || entry->hash > shards->rows[index].last) {
            return false;
        }
    }
    return index >= 0;
}

static void unit_delivered(pinpipe_kinesis_producer *producer, pp_unit *unit, const verdict *said) {
    pp_lane *lane = &producer->lanes.rows[unit->lane];
    pinpipe_str expected = pp_buf_view(&lane->shard_id);
    bool is_elsewhere = expected.len && !pp_str_equal(expected, said->place.shard_id);
    lane->round = 0;
    lane->resume_ms = 0;
    lane->delivered++;
    if (producer->ordering == PINPIPE_KINESIS_ORDER_STRICT) {
        snprintf(lane->sequence, sizeof lane->sequence, "%.*s", (int)said->place.sequence_number.len,
                 said->place.sequence_number.ptr);
    }
    producer->is_map_wanted = producer->is_map_wanted || is_elsewhere;
    if (is_elsewhere && unit->is_aggregate && !is_at_home(producer, unit, said->place.shard_id)) {
        producer->counters[PINPIPE_KINESIS_STRAYED] += unit->count;
        return; /* it goes back, to be packed for the shards as they are now */
    }
    unit_end(producer, unit, PINPIPE_OK, said->place);
}

static void unit_refused(pinpipe_kinesis_producer *producer, pp_unit *unit, const verdict *said,
                         int64_t now_ms) {
    pp_lane *lane = &producer->lanes.rows[unit->lane];
    pinpipe_status status = pp_kinesis_status(said->code, 400);
    pp_producer_refused(producer, lane, said->code, status);
    if (status == PINPIPE_ETHROTTLED) {
        pp_lane_cut(lane, now_ms);
    } else if (!pinpipe_status_retriable(status)) {
        pinpipe_error cause = PINPIPE_ERROR_INIT;
        pp_fail_service(&cause, status, PP_KINESIS_SERVICE, 0, "%.*s: %.*s", pp_quote_len(said->code.len),
                        said->code.len ? said->code.ptr : "",
                        (int)(said->message.len > 160 ? 160 : said->message.len),
                        said->message.len ? said->message.ptr : "");
        pp_producer_note(producer, &cause);
        unit_end(producer, unit, status, (pinpipe_kinesis_place){0});
    }
}

static void verdict_take(pinpipe_kinesis_producer *producer, pp_unit *unit, const verdict *said,
                         int64_t now_ms) {
    if (said->place.sequence_number.len) {
        unit_delivered(producer, unit, said);
    } else if (said->code.len) {
        unit_refused(producer, unit, said, now_ms);
    } else if (producer->kinesis->gateway.form) {
        pinpipe_error cause = PINPIPE_ERROR_INIT;
        pp_fail_service(&cause, PINPIPE_EDATA, PP_KINESIS_SERVICE, 0,
                        "the answer has neither a sequence number nor an error for the record: a response "
                        "template of the gateway takes them away");
        pp_producer_note(producer, &cause);
        unit_end(producer, unit, PINPIPE_EDATA, (pinpipe_kinesis_place){0});
    }
}

/* Units that the answer does not speak of keep their records. */
static void answer_read(pinpipe_kinesis_producer *producer, pp_request *request, int64_t now_ms) {
    pp_kinesis_reader reader;
    pp_kinesis_level map, list;
    verdict said;
    if (pp_kinesis_read_begin(&reader, &request->call.answer, request->call.wire, NULL) < 0) {
        return;
    }
    if (producer->is_single) {
        if (verdict_read(&said, &reader)) {
            verdict_take(producer, &request->units[0], &said, now_ms);
        }
        return;
    }
    if (!pp_kinesis_read_map(&reader, &map)) {
        return;
    }
    for (pinpipe_str key; pp_kinesis_read_key(&reader, &map, &key);) {
        if (!pp_str_is(key, "Records")) {
            pp_kinesis_read_pass(&reader);
        } else if (pp_kinesis_read_list(&reader, &list)) {
            for (int64_t i = 0; i < request->unit_count && pp_kinesis_read_item(&reader, &list); i++) {
                if (verdict_read(&said, &reader)) {
                    verdict_take(producer, &request->units[i], &said, now_ms);
                }
            }
            return;
        }
    }
}

/* The whole request failed: its records too, where another attempt is no use. */
static void request_failed(pinpipe_kinesis_producer *producer, pp_request *request, int64_t now_ms) {
    const pp_kinesis_call *call = &request->call;
    bool is_told = producer->kinesis->gateway.form && call->attempt.wire.status == PINPIPE_OK;
    bool is_passing = pinpipe_status_retriable(call->status) || call->status == PINPIPE_ENOMEM;
    is_passing = is_passing && !(is_told && call->kind == PP_RETRY_NEVER);
    for (int64_t i = 0; i < request->unit_count; i++) {
        pp_unit *unit = &request->units[i];
        pp_producer_refused(producer, &producer->lanes.rows[unit->lane], pp_str(call->code), call->status);
        if (!is_passing) {
            pp_producer_note(producer, &call->error);
            unit_end(producer, unit, call->status, (pinpipe_kinesis_place){0});
        } else if (call->status == PINPIPE_ETHROTTLED) {
            pp_lane_cut(&producer->lanes.rows[unit->lane], now_ms);
        }
    }
}

void pp_answer_take(pinpipe_kinesis_producer *producer, pp_request *request, int64_t now_ms) {
    producer->counters[PINPIPE_KINESIS_REQUEST_MS] += now_ms - request->begun_ms;
    if (request->call.status < 0) {
        request_failed(producer, request, now_ms);
    } else {
        answer_read(producer, request, now_ms);
    }
    for (int64_t i = request->unit_count; i > 0; i--) { /* from the last, so that the first is first again */
        pp_unit *unit = &request->units[i - 1];
        pp_lane *lane = &producer->lanes.rows[unit->lane];
        lane->in_flight--;
        if (!unit->first) {
            continue;
        }
        for (const pp_entry *entry = unit->first; entry; entry = entry->next) {
            producer->waiting++;
            producer->waiting_bytes += pp_entry_bytes(entry);
            producer->oldest_ms =
                entry->queued_ms < producer->oldest_ms ? entry->queued_ms : producer->oldest_ms;
        }
        pp_lane_put_back(lane, unit->first);
        unit->first = NULL;
        if (lane->resume_ms <= now_ms) {
            pp_lane_pause(lane, now_ms, pp_retry_random());
        }
    }
    request->unit_count = 0;
}

#endif
