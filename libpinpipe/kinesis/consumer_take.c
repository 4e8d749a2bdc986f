/* Turns what was fetched into batches of records: aggregates are taken apart, places kept.
 * Never copies a record's data: a batch holds the answers that its records point into.
 * Rules: docs/kinesis.md, "Aggregates", "Places"; AggregatorUtil of the Kinesis Client Library. */
#include "kinesis/consumer.h"

#if PINPIPE_WITH_KINESIS

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "kinesis/aggregate.h"

#define ROWS_FIRST 1024

/* Room for one more row. Errors: ENOMEM. */
static pinpipe_status rows_grow(void *rows, int64_t *cap, int64_t count, size_t size, pinpipe_error *err) {
    void **at = rows;
    if (count < *cap) {
        return PINPIPE_OK;
    }
    int64_t grown_cap = *cap ? 2 * *cap : size >= 128 ? 8 : ROWS_FIRST;
    void *grown = pp_realloc(*at, (size_t)grown_cap * size);
    if (!grown) {
        return pp_fail_memory(err, "records", (size_t)grown_cap * size);
    }
    *at = grown;
    *cap = grown_cap;
    return PINPIPE_OK;
}

static pinpipe_status answer_hold(pinpipe_kinesis_records *records, pp_fetched *answer, pinpipe_error *err) {
    if (records->answer_count && records->answers[records->answer_count - 1] == answer) {
        return PINPIPE_OK;
    }
    pinpipe_status status =
        rows_grow(&records->answers, &records->answer_cap, records->answer_count, sizeof(pp_fetched *), err);
    if (status == PINPIPE_OK) {
        atomic_fetch_add(&answer->holders, 1);
        records->answers[records->answer_count++] = answer;
    }
    return status;
}

static pinpipe_status item_add(pinpipe_kinesis_records *records, const pinpipe_kinesis_item *item,
                               pinpipe_error *err) {
    pinpipe_status status =
        rows_grow(&records->items, &records->cap, records->count, sizeof *records->items, err);
    if (status == PINPIPE_OK) {
        records->items[records->count++] = *item;
    }
    return status;
}

/* Room was made before: what was handed out has its place. */
static void place_add(pinpipe_kinesis_records *records, const pp_shard *shard) {
    struct pp_records_place *row = &records->places[records->place_count++];
    row->place = shard->read;
    snprintf(row->shard_id, sizeof row->shard_id, "%.*s", (int)shard->info.id.len, shard->info.id.ptr);
}

/* ---- aggregates ---- */

typedef struct opened {
    pinpipe_kinesis_records *records;
    const pp_shard *shard;
    pinpipe_kinesis_item item; /* what the records of the aggregate share */
    int64_t max_records;
    int64_t index;   /* of the next record */
    int64_t skipped; /* the last one that was handed out before */
    int64_t strays;
    bool is_cut; /* no room for all */
} opened;

static pinpipe_status opened_take(void *user, const pp_aggregate_record *record, pinpipe_error *err) {
    opened *to = user;
    pp_kinesis_hash hash = 0;
    bool is_stray = to->shard->has_range &&
                    (!pp_aggregate_hash(&hash, record) || hash < to->shard->first || hash > to->shard->last);
    int64_t index = to->index++;
    to->strays += is_stray;
    if (index <= to->skipped || to->is_cut) {
        return PINPIPE_OK;
    }
    if (to->records->count >= to->max_records) {
        to->is_cut = true;
        return PINPIPE_OK;
    }
    to->item.partition_key = record->partition_key;
    to->item.hash_key = record->hash_key;
    to->item.data = record->data;
    to->item.sub_sequence = index;
    to->item.flags = is_stray ? PINPIPE_KINESIS_IS_STRAY : 0;
    return item_add(to->records, &to->item, err);
}

static void counters_add(pinpipe_kinesis_consumer *consumer, pp_shard *shard,
                         const pinpipe_kinesis_records *records, int64_t from) {
    int64_t *counters = consumer->counters;
    for (int64_t i = from; i < records->count; i++) {
        counters[PINPIPE_KINESIS_CONSUMER_BYTES] += (int64_t)records->items[i].data.len;
        counters[PINPIPE_KINESIS_CONSUMER_STRAYED] += records->items[i].flags & PINPIPE_KINESIS_IS_STRAY;
    }
    counters[PINPIPE_KINESIS_CONSUMER_RECORDS] += records->count - from;
    shard->records += records->count - from;
}

/* One record of the service's: itself, or what it was packed of. */
static pinpipe_status item_take(pinpipe_kinesis_records *records, pinpipe_kinesis_consumer *consumer,
                                pp_shard *shard, int64_t max_records, pinpipe_error *err) {
    pp_fetched *answer = shard->answers;
    pinpipe_kinesis_item item = answer->batch.items[answer->at];
    int64_t from = records->count, *counters = consumer->counters;
    item.shard_id = pp_str(answer->shard_id);
    opened to = {.records = records,
                 .shard = shard,
                 .item = item,
                 .max_records = max_records,
                 .skipped = answer->sub_done};
    pinpipe_status status = pp_aggregate_decode(item.data, opened_take, &to, err);
    if (status == PINPIPE_DONE) { /* it is none; where part of it is behind, all of it is */
        status = to.skipped >= 0 ? PINPIPE_OK : item_add(records, &item, err);
    } else if (status == PINPIPE_OK && to.strays && consumer->strays == PINPIPE_KINESIS_STRAYS_DROP) {
        records->count = from;
        counters[PINPIPE_KINESIS_CONSUMER_DROPPED] += to.index;
        counters[PINPIPE_KINESIS_CONSUMER_AGGREGATES]++;
        to.is_cut = false;
    } else if (status == PINPIPE_OK) {
        counters[PINPIPE_KINESIS_CONSUMER_AGGREGATES] += !to.is_cut;
    }
    if (status < 0) {
        records->count = from;
        return status;
    }
    counters_add(consumer, shard, records, from);
    shard->read = (pp_place){.start = PINPIPE_KINESIS_AFTER_SEQUENCE, .sub_sequence = -1};
    snprintf(shard->read.sequence, sizeof shard->read.sequence, "%.*s", (int)item.sequence_number.len,
             item.sequence_number.ptr);
    if (to.is_cut) {
        answer->sub_done = shard->read.sub_sequence = records->items[records->count - 1].sub_sequence;
    } else {
        answer->sub_done = -1;
        answer->at++;
    }
    return PINPIPE_OK;
}

/* ---- shards ---- */

static void answer_drop(pinpipe_kinesis_consumer *consumer, pp_shard *shard) {
    pp_fetched *answer = shard->answers;
    consumer->counters[PINPIPE_KINESIS_CONSUMER_HELD_BYTES] -= answer->held_bytes;
    shard->answers = answer->next;
    shard->answers_last = shard->answers ? shard->answers_last : NULL;
    pp_fetched_release(answer);
}

/* All that waits of a shard, as far as there is room. */
static pinpipe_status shard_take(pinpipe_kinesis_records *records, pinpipe_kinesis_consumer *consumer,
                                 pp_shard *shard, int64_t max_records, int64_t max_bytes,
                                 pinpipe_error *err) {
    const int64_t *bytes = &consumer->counters[PINPIPE_KINESIS_CONSUMER_BYTES];
    int64_t until = *bytes + max_bytes;
    pinpipe_status status =
        rows_grow(&records->places, &records->place_cap, records->place_count, sizeof *records->places, err);
    bool is_read = false;
    while (status == PINPIPE_OK && shard->answers && records->count < max_records && *bytes < until) {
        pp_fetched *answer = shard->answers;
        status = answer_hold(records, answer, err);
        while (status == PINPIPE_OK && answer->at < answer->batch.count && records->count < max_records &&
               *bytes < until) {
            status = item_take(records, consumer, shard, max_records, err);
            is_read = is_read || status == PINPIPE_OK;
        }
        if (status == PINPIPE_OK && answer->at == answer->batch.count) {
            answer_drop(consumer, shard);
        }
    }
    if (status == PINPIPE_OK && shard->is_over && !shard->answers && !shard->is_told) {
        shard->is_told = true;
        shard->read.start = PINPIPE_KINESIS_SHARD_END;
        shard->wait_ms = 0;
        is_read = true;
    }
    if (is_read) {
        place_add(records, shard);
    }
    return status;
}

pinpipe_status pp_consumer_take(pinpipe_kinesis_records *records, pinpipe_kinesis_consumer *consumer,
                                int64_t max_records, int64_t max_bytes, pinpipe_error *err) {
    int64_t before = consumer->counters[PINPIPE_KINESIS_CONSUMER_BYTES];
    pinpipe_status status = PINPIPE_OK;
    int64_t turn = consumer->turn;
    for (int64_t i = 0; status == PINPIPE_OK && i < consumer->count; i++) {
        int64_t at = (turn + i) % consumer->count;
        int64_t left = max_bytes - (consumer->counters[PINPIPE_KINESIS_CONSUMER_BYTES] - before);
        if (records->count >= max_records || left <= 0) {
            break;
        }
        pp_shard *shard = consumer->shards[at];
        if (shard->is_taken && !shard->is_told && (shard->answers || shard->is_over)) {
            status = shard_take(records, consumer, shard, max_records, left, err);
            consumer->turn = at + 1;
        }
    }
    return records->place_count ? PINPIPE_OK : status; /* a failure behind records comes again */
}

#endif
