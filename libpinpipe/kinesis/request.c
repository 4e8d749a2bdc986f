/* Turns waiting records into requests: which of them, packed how, written to where they are sent from.
 * Never puts two records of a key into one request where their order is promised, but in one aggregate.
 * Rules: docs/kinesis.md, "Producer"; Amazon Kinesis API Reference, "PutRecords". */
#include "kinesis/producer.h"

#if PINPIPE_WITH_KINESIS

#include <assert.h>
#include <string.h>

#include "base/buffer.h"
#include "io/clock.h"
#include "kinesis/records.h"

#define REQUEST_TIMEOUT_MS 30000
#define SCAN_MAX 4096 /* records that are passed by because their key is in the request already */
/* What an aggregate needs around a record, its key and its hash key, at most. */
#define AROUND_RECORD 24
#define AROUND_KEY 6
#define AROUND_HASH 48

/* ---- which records ---- */

/* The slot of a key's hash, or the empty one where it would stand. Slots hold the number of a unit + 1. */
static int64_t *key_slot(pinpipe_kinesis_producer *producer, const pp_request *request,
                         pp_kinesis_hash hash) {
    uint32_t at = (uint32_t)(hash % PP_KEY_SLOTS);
    while (producer->keys[at] && request->units[producer->keys[at] - 1].first->hash != hash) {
        at = (at + 1) % PP_KEY_SLOTS;
    }
    return &producer->keys[at];
}

static bool key_is_taken(pinpipe_kinesis_producer *producer, const pp_request *request,
                         pp_kinesis_hash hash) {
    return *key_slot(producer, request, hash) != 0;
}

/* `hash` is of the unit that the request gets next. */
static void key_take(pinpipe_kinesis_producer *producer, const pp_request *request, pp_kinesis_hash hash) {
    *key_slot(producer, request, hash) = request->unit_count + 1;
}

static int64_t entry_size(const pp_entry *entry) {
    return (int64_t)(entry->key_len + entry->data_len);
}

static bool is_same_key(const pp_entry *a, const pp_entry *b) {
    return a->key_len == b->key_len && memcmp(a->bytes, b->bytes, a->key_len) == 0;
}

/* Takes the record behind `before` (NULL: the first) out of its lane. */
static pp_entry *entry_take(pinpipe_kinesis_producer *producer, pp_lane *lane, pp_entry *before) {
    pp_entry *entry = before ? before->next : lane->first;
    *(before ? &before->next : &lane->first) = entry->next;
    lane->last = lane->last == entry ? before : lane->last;
    entry->next = NULL;
    producer->waiting--;
    producer->waiting_bytes -= pp_entry_bytes(entry);
    return entry;
}

/* The next record that may go; records of keys that are in the request already are passed by. */
static bool single_take(pinpipe_kinesis_producer *producer, pp_request *request, pp_lane *lane, int64_t room,
                        pp_unit *unit) {
    bool is_ordered = producer->ordering != PINPIPE_KINESIS_ORDER_NONE;
    pp_entry *before = NULL, *entry = lane->first;
    int32_t passed = 0;
    while (entry && is_ordered && passed < SCAN_MAX && key_is_taken(producer, request, entry->hash)) {
        before = entry;
        entry = entry->next;
        passed++;
    }
    if (!entry || passed == SCAN_MAX || entry_size(entry) > room) {
        return false;
    }
    if (is_ordered) {
        key_take(producer, request, entry->hash);
    }
    unit->first = entry_take(producer, lane, before);
    unit->count = 1;
    request->bytes += entry_size(unit->first);
    pp_lane_spend(lane, entry_size(unit->first));
    return true;
}

/* As many records from the lane's beginning as an aggregate takes; one that stands alone is sent as it is. */
static bool aggregate_take(pinpipe_kinesis_producer *producer, pp_request *request, pp_lane *lane,
                           int64_t room, pp_unit *unit) {
    int64_t max = producer->aggregate_bytes < room ? producer->aggregate_bytes : room;
    int64_t bytes = PP_AGGREGATE_AROUND + 1 + PP_KINESIS_HASH_DIGITS;
    pp_entry *last = NULL;
    while (lane->first) {
        const pp_entry *entry = lane->first;
        int64_t more = (int64_t)entry->data_len + AROUND_RECORD + (entry->has_hash ? AROUND_HASH : 0);
        more += last && is_same_key(last, entry) ? 0 : (int64_t)entry->key_len + AROUND_KEY;
        if (last ? bytes + more > max : entry_size(entry) > room) {
            break;
        }
        pp_entry *taken = entry_take(producer, lane, NULL);
        if (last) {
            last->next = taken;
        } else {
            unit->first = taken;
        }
        last = taken;
        unit->count++;
        bytes += more;
    }
    unit->is_aggregate = unit->count > 1;
    bytes = unit->count == 1 ? entry_size(unit->first) : bytes;
    if (unit->count > 0) {
        request->bytes += bytes;
        pp_lane_spend(lane, bytes);
    }
    return unit->count > 0;
}

static void lane_take(pinpipe_kinesis_producer *producer, pp_request *request, int32_t index,
                      int64_t now_ms) {
    pp_lane *lane = &producer->lanes.rows[index];
    bool is_ordered = producer->ordering != PINPIPE_KINESIS_ORDER_NONE;
    int64_t units_max = producer->is_single ? 1 : producer->request_records;
    if (is_ordered && lane->in_flight > 0) {
        return;
    }
    pp_lane_fill(lane, now_ms);
    while (request->unit_count < units_max && pp_lane_is_ready(&producer->lanes, lane, now_ms)) {
        pp_unit *unit = &request->units[request->unit_count];
        int64_t room = producer->request_bytes - request->bytes;
        *unit = (pp_unit){.lane = index};
        bool is_taken = producer->aggregate_bytes ? aggregate_take(producer, request, lane, room, unit)
                                                  : single_take(producer, request, lane, room, unit);
        if (!is_taken) {
            break;
        }
        request->unit_count++;
        lane->in_flight++;
        if (is_ordered && producer->aggregate_bytes) {
            break; /* another aggregate could arrive without this one */
        }
    }
}

/* ---- written how ---- */

static void single_write(pp_kinesis_writer *writer, const pp_entry *entry) {
    char digits[PP_KINESIS_HASH_DIGITS];
    pinpipe_kinesis_record record = PINPIPE_KINESIS_RECORD_INIT;
    record.partition_key = (pinpipe_str){entry->bytes, entry->key_len};
    record.data = (pinpipe_str){entry->bytes + entry->key_len, entry->data_len};
    if (entry->has_hash) {
        record.hash_key = (pinpipe_str){digits, pp_kinesis_hash_write(digits, entry->hash)};
    }
    pp_kinesis_write_record(writer, &record);
}

/* The key of an aggregate says nothing; its hash key is its first record's, so that it arrives where that
 * would. */
static void aggregate_write(pinpipe_kinesis_producer *producer, pp_kinesis_writer *writer,
                            const pp_unit *unit) {
    char digits[PP_KINESIS_HASH_DIGITS];
    assert(unit->first);
    pp_aggregate_clear(&producer->aggregate);
    for (const pp_entry *entry = unit->first; entry && writer->status == PINPIPE_OK; entry = entry->next) {
        pp_aggregate_record record = {
            {entry->bytes, entry->key_len}, {NULL, 0}, {entry->bytes + entry->key_len, entry->data_len}};
        if (entry->has_hash) {
            record.hash_key = (pinpipe_str){digits, pp_kinesis_hash_write(digits, entry->hash)};
        }
        writer->status = pp_aggregate_add(&producer->aggregate, &record, PP_BUF_MAX, writer->err);
    }
    if (writer->status == PINPIPE_OK) {
        writer->status = pp_aggregate_encode(&producer->packed, &producer->aggregate, writer->err);
    }
    pinpipe_kinesis_record record = PINPIPE_KINESIS_RECORD_INIT;
    record.partition_key = pp_str("a");
    record.data = pp_buf_view(&producer->packed);
    record.hash_key = (pinpipe_str){digits, pp_kinesis_hash_write(digits, unit->first->hash)};
    pp_kinesis_write_record(writer, &record);
}

static void records_write(pinpipe_kinesis_producer *producer, const pp_request *request,
                          pp_kinesis_writer *writer) {
    pp_kinesis_write_key(writer, "Records");
    pp_kinesis_write_list(writer, request->unit_count);
    for (int64_t i = 0; i < request->unit_count; i++) {
        const pp_unit *unit = &request->units[i];
        pp_kinesis_write_map(writer, unit->is_aggregate || unit->first->has_hash ? 3 : 2);
        if (unit->is_aggregate) {
            aggregate_write(producer, writer, unit);
        } else {
            single_write(writer, unit->first);
        }
        pp_kinesis_write_map_end(writer);
    }
    pp_kinesis_write_list_end(writer);
}

static pinpipe_status request_write(pinpipe_kinesis_producer *producer, pp_request *request,
                                    pinpipe_error *err) {
    pp_kinesis_writer writer;
    const pp_unit *first = &request->units[0];
    const pp_lane *lane = &producer->lanes.rows[first->lane];
    if (producer->kinesis->gateway.form) {
        return pp_gateway_request_write(producer, request, err);
    }
    bool is_strict = producer->ordering == PINPIPE_KINESIS_ORDER_STRICT;
    bool has_former = is_strict && lane->sequence[0];
    int64_t members = is_strict ? 3 + first->first->has_hash + has_former : 2;
    pp_kinesis_write_begin(&writer, &request->call.body, producer->kinesis->wire, members, err);
    pp_kinesis_write_stream(&writer, pp_buf_view(&producer->stream));
    if (is_strict) {
        single_write(&writer, first->first);
    } else {
        records_write(producer, request, &writer);
    }
    if (has_former) {
        pp_kinesis_write_key(&writer, "SequenceNumberForOrdering");
        pp_kinesis_write_text(&writer, pp_str(lane->sequence));
    }
    pp_kinesis_write_map_end(&writer);
    return writer.status;
}

/* ---- when ---- */

static bool is_due(const pinpipe_kinesis_producer *producer, int64_t now_ms) {
    int64_t full = producer->request_bytes;
    if (producer->aggregate_bytes && producer->aggregate_bytes * producer->lanes.count < full) {
        full = producer->aggregate_bytes * producer->lanes.count;
    }
    bool is_full = producer->waiting_bytes >= full ||
                   (!producer->aggregate_bytes && producer->waiting >= producer->request_records);
    bool is_pressed = producer->counters[PINPIPE_KINESIS_HELD_BYTES] > producer->memory_max / 2;
    return producer->waiting > 0 && (is_full || producer->is_single || is_pressed || producer->is_flushing ||
                                     now_ms - producer->oldest_ms >= producer->linger_ms);
}

static void oldest_look(pinpipe_kinesis_producer *producer, int64_t now_ms) {
    producer->oldest_ms = now_ms;
    for (int32_t i = 0; i < producer->lanes.count; i++) {
        const pp_entry *first = producer->lanes.rows[i].first;
        if (first && first->queued_ms < producer->oldest_ms) {
            producer->oldest_ms = first->queued_ms;
        }
    }
}

static void request_send(pinpipe_kinesis_producer *producer, pp_request *request, int64_t now_ms) {
    pp_kinesis_call *call = &request->call;
    request->is_used = true;
    request->begun_ms = now_ms;
    for (int64_t i = 0; i < request->unit_count; i++) {
        for (pp_entry *entry = request->units[i].first; entry; entry = entry->next) {
            producer->counters[PINPIPE_KINESIS_BUFFER_MS] += entry->attempts ? 0 : now_ms - entry->queued_ms;
            producer->counters[PINPIPE_KINESIS_RETRIED] += entry->attempts++ > 0;
        }
    }
    producer->counters[PINPIPE_KINESIS_SENT] += request->unit_count;
    producer->counters[PINPIPE_KINESIS_SENT_BYTES] += request->bytes;
    producer->counters[PINPIPE_KINESIS_REQUESTS]++;
    call->again = PP_KINESIS_AGAIN_CALLER;
    call->about = pp_buf_view(&producer->stream);
    call->sent = request->unit_count;
    call->error = (pinpipe_error)PINPIPE_ERROR_INIT;
    pinpipe_status status = request_write(producer, request, &call->error);
    if (status == PINPIPE_OK) {
        pp_kinesis_call_start(call, producer->kinesis, producer->is_single ? "PutRecord" : "PutRecords",
                              now_ms + REQUEST_TIMEOUT_MS);
    } else {
        call->state = PP_KINESIS_CALL_ENDED;
        call->status = status;
    }
}

void pp_requests_start(pinpipe_kinesis_producer *producer, int64_t now_ms) {
    bool is_map_due = producer->is_map_wanted && now_ms >= producer->map_due_ms;
    for (int32_t i = 0; i < producer->in_flight && !is_map_due && is_due(producer, now_ms); i++) {
        pp_request *request = &producer->requests[i];
        if (request->is_used) {
            continue;
        }
        request->unit_count = request->bytes = 0;
        memset(producer->keys, 0, PP_KEY_SLOTS * sizeof *producer->keys);
        int32_t count = producer->lanes.count, first = producer->lanes.next;
        for (int32_t lane = 0; lane < count; lane++) {
            lane_take(producer, request, (first + lane) % count, now_ms);
        }
        producer->lanes.next = (first + 1) % count;
        if (request->unit_count == 0) {
            break; /* every lane waits for its pace, its pause or its answer */
        }
        oldest_look(producer, now_ms);
        request_send(producer, request, now_ms);
    }
}

int64_t pp_requests_take(pinpipe_kinesis_producer *producer) {
    int64_t taken = 0;
    for (int32_t i = 0; i < producer->in_flight; i++) {
        pp_request *request = &producer->requests[i];
        if (request->is_used && pp_kinesis_call_move(&request->call, producer->kinesis)) {
            request->is_used = false;
            pp_answer_take(producer, request, producer->now_ms);
            taken++;
        }
    }
    return taken;
}

#endif
