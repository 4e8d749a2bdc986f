/* Turns looks at a stream's shards into shards to be read, each behind its parents.
 * Never forgets a shard before its end was handed out, and tells where the shards leave hash keys out.
 * Rules: docs/kinesis.md, "Shards"; Amazon Kinesis API Reference, "ListShards", "ChildShard". */
#include "kinesis/consumer.h"

#if PINPIPE_WITH_KINESIS

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "io/clock.h"
#include "io/retry.h"

#define EVENT_BYTES (256 << 10) /* of a subscription, until one has come */
#define LOOK_TIMEOUT_MS 30000
#define LOOK_EVERY_MS 1000 /* wanted or not */

/* Where an id stands, or would; ids of one stream have one length, so this is their age, too. */
static int64_t place_of(const pinpipe_kinesis_consumer *consumer, pinpipe_str id, bool *is_there) {
    int64_t low = 0, high = consumer->count;
    *is_there = false;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        pinpipe_str other = consumer->shards[middle]->info.id;
        size_t len = id.len < other.len ? id.len : other.len;
        int order = memcmp(other.ptr, id.ptr, len);
        order = order ? order : (other.len > id.len) - (other.len < id.len);
        if (order == 0) {
            *is_there = true;
            return middle;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return low;
}

pp_shard *pp_consumer_find(const pinpipe_kinesis_consumer *consumer, pinpipe_str id) {
    bool is_there = false;
    int64_t at = id.len ? place_of(consumer, id, &is_there) : 0;
    return is_there ? consumer->shards[at] : NULL;
}

/* Keeps what is told of a shard; an answer's ChildShards tell no sequence numbers. */
static pinpipe_status info_keep(pp_shard *shard, const pinpipe_kinesis_shard *info, pinpipe_error *err) {
    pinpipe_buf text = PINPIPE_BUF_INIT;
    pinpipe_kinesis_shard kept = *info;
    pinpipe_str *const parts[] = {&kept.id,        &kept.parent_id,      &kept.adjacent_id,  &kept.first_hash,
                                  &kept.last_hash, &kept.first_sequence, &kept.last_sequence};
    size_t total = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        total += parts[i]->len;
    }
    pinpipe_status status = pp_buf_reserve(&text, total, PP_BUF_MAX, err);
    for (size_t i = 0; status == PINPIPE_OK && i < sizeof parts / sizeof parts[0]; i++) {
        pinpipe_str from = *parts[i];
        *parts[i] = (pinpipe_str){text.ptr + text.len, from.len};
        status = pp_buf_append(&text, from.ptr, from.len, err);
    }
    if (status < 0) {
        pinpipe_buf_reset(&text);
        return status;
    }
    pinpipe_buf_reset(&shard->text);
    shard->text = text;
    shard->info = kept;
    shard->has_range = pp_kinesis_hash_read(&shard->first, kept.first_hash) &&
                       pp_kinesis_hash_read(&shard->last, kept.last_hash);
    return PINPIPE_OK;
}

static pinpipe_status room_make(pinpipe_kinesis_consumer *consumer, pinpipe_error *err) {
    if (consumer->count < consumer->cap) {
        return PINPIPE_OK;
    }
    if (consumer->count == PP_KINESIS_SHARDS_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "the stream has more than %d shards", PP_KINESIS_SHARDS_MAX);
    }
    int64_t cap = consumer->cap ? 2 * consumer->cap : 16;
    pp_shard **shards = pp_realloc(consumer->shards, (size_t)cap * sizeof(pp_shard *));
    if (!shards) {
        return pp_fail_memory(err, "shards", (size_t)cap * sizeof(pp_shard *));
    }
    consumer->shards = shards;
    consumer->cap = cap;
    return PINPIPE_OK;
}

/* A shard that was there at the first look begins where the options say; one that came later from its
 * beginning: nothing of it can have been read. */
static void shard_begin(const pinpipe_kinesis_consumer *consumer, pp_shard *shard) {
    bool is_first = consumer->look.count == 0;
    shard->read.sub_sequence = -1;
    shard->read.start = PINPIPE_KINESIS_TRIM_HORIZON;
    if (is_first) {
        shard->read = consumer->start;
    }
    shard->fetched = shard->read;
    shard->is_taken = consumer->reading == PINPIPE_KINESIS_READ_ALL;
    shard->is_over = shard->is_told =
        is_first && consumer->start.start == PINPIPE_KINESIS_LATEST && shard->info.last_sequence.len > 0;
    shard->read.start = shard->is_over ? PINPIPE_KINESIS_SHARD_END : shard->read.start;
    shard->factor = 1;
    shard->expected_bytes = consumer->fan_out.len ? EVENT_BYTES : 0;
    shard->behind_ms = -1;
}

pinpipe_status pp_consumer_know(pp_shard **out, pinpipe_kinesis_consumer *consumer,
                                const pinpipe_kinesis_shard *info, pinpipe_error *err) {
    bool is_there = false;
    *out = NULL;
    if (info->id.len == 0 || info->id.len > PP_SHARD_ID_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "shard: an id of %zu bytes, not 1 to %d", info->id.len,
                       PP_SHARD_ID_MAX);
    }
    int64_t at = place_of(consumer, info->id, &is_there);
    if (is_there) {
        *out = consumer->shards[at];
        bool is_more = info->first_hash.len > 0 && (info->first_sequence.len > 0 || !(*out)->has_range);
        return is_more ? info_keep(*out, info, err) : PINPIPE_OK;
    }
    pinpipe_status status = room_make(consumer, err);
    if (status < 0) {
        return status;
    }
    pp_shard *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "a shard", sizeof *made);
    }
    status = info_keep(made, info, err);
    if (status < 0) {
        pp_free(made);
        return status;
    }
    shard_begin(consumer, made);
    memmove(consumer->shards + at + 1, consumer->shards + at,
            (size_t)(consumer->count - at) * sizeof(pp_shard *));
    consumer->shards[at] = made;
    consumer->count++;
    *out = made;
    return PINPIPE_OK;
}

static bool parent_is_behind(const pinpipe_kinesis_consumer *consumer, pinpipe_str id) {
    const pp_shard *parent = pp_consumer_find(consumer, id);
    return !parent || !parent->is_taken || parent->is_told;
}

bool pp_shard_is_open(const pinpipe_kinesis_consumer *consumer, const pp_shard *shard) {
    return shard->is_taken && !shard->is_told && parent_is_behind(consumer, shard->info.parent_id) &&
           parent_is_behind(consumer, shard->info.adjacent_id);
}

void pp_shard_clear(pinpipe_kinesis_consumer *consumer, pp_shard *shard) {
    if (shard->fetch) {
        pp_shard_request_stop(consumer, shard->fetch);
    }
    for (pp_fetched *answer = shard->answers, *next = NULL; answer; answer = next) {
        next = answer->next;
        consumer->counters[PINPIPE_KINESIS_CONSUMER_HELD_BYTES] -= answer->held_bytes;
        pp_fetched_release(answer);
    }
    shard->answers = shard->answers_last = NULL;
    pp_buf_clear(&shard->iterator);
    shard->wait_ms = 0;
    shard->is_stuck = false;
    shard->round = 0;
    shard->status = PINPIPE_OK;
    pp_buf_clear(&shard->error);
}

void pp_shard_free(pinpipe_kinesis_consumer *consumer, pp_shard *shard) {
    pp_shard_clear(consumer, shard);
    pinpipe_buf_reset(&shard->text);
    pinpipe_buf_reset(&shard->iterator);
    pinpipe_buf_reset(&shard->error);
    pp_free(shard);
}

void pp_consumer_shards_reset(pinpipe_kinesis_consumer *consumer) {
    for (int64_t i = 0; i < consumer->count; i++) {
        pp_shard_free(consumer, consumer->shards[i]);
    }
    pp_free(consumer->shards);
    consumer->shards = NULL;
    consumer->count = consumer->cap = 0;
}

/* ---- looks ---- */

static int by_first_hash(const void *a, const void *b) {
    const pp_shard *left = *(const pp_shard *const *)a, *right = *(const pp_shard *const *)b;
    return left->first < right->first ? -1 : left->first > right->first;
}

/* The first hash key that belongs to no shard with something left to read; false where every one does. */
static bool hole_find(pp_kinesis_hash *out, const pinpipe_kinesis_consumer *consumer, pp_shard **spare) {
    size_t count = 0;
    *out = 0;
    for (int64_t i = 0; i < consumer->count; i++) {
        if (consumer->shards[i]->has_range && !consumer->shards[i]->is_told) {
            spare[count++] = consumer->shards[i];
        }
    }
    qsort(spare, count, sizeof *spare, by_first_hash);
    for (size_t i = 0; i < count && spare[i]->first <= *out; i++) {
        if (spare[i]->last == ~(pp_kinesis_hash)0) {
            return false;
        }
        *out = spare[i]->last + 1 > *out ? spare[i]->last + 1 : *out;
    }
    return true;
}

/* One look may come between a parent's end and its children's beginning. */
static void hole_tell(pinpipe_kinesis_consumer *consumer) {
    pp_kinesis_hash hole = 0;
    char digits[PP_KINESIS_HASH_DIGITS];
    pp_shard **spare = pp_alloc((size_t)(consumer->count + 1) * sizeof(pp_shard *));
    bool is_hole = spare && hole_find(&hole, consumer, spare);
    pp_free(spare);
    consumer->look.holes = is_hole ? consumer->look.holes + 1 : 0;
    if (is_hole && consumer->look.holes >= 2) {
        size_t len = pp_kinesis_hash_write(digits, hole);
        consumer->counters[PINPIPE_KINESIS_CONSUMER_HOLES]++;
        pp_log(PP_LOG_WARNING, PP_KINESIS_SERVICE, "no shard that is to be read has hash key %.*s", (int)len,
               digits);
    }
    consumer->look.is_wanted = is_hole;
}

/* What the service does not name any more is gone: its records with it. */
static void missing_end(pinpipe_kinesis_consumer *consumer) {
    int64_t kept = 0;
    for (int64_t i = 0; i < consumer->count; i++) {
        pp_shard *shard = consumer->shards[i];
        if (shard->is_missing && !shard->is_listed && !shard->is_over) {
            consumer->counters[PINPIPE_KINESIS_CONSUMER_VANISHED]++;
            pp_log(PP_LOG_WARNING, PP_KINESIS_SERVICE, "shard '%.*s' is gone before its end was read",
                   (int)shard->info.id.len, shard->info.id.ptr);
            shard->is_over = true;
        }
        shard->is_missing = false;
        /* Nobody reads it, as the service told of it once: whoever coordinates sees that it is gone. */
        bool is_forgotten = shard->was_listed && !shard->is_taken;
        if (!shard->is_listed && (shard->is_told || is_forgotten)) {
            pp_shard_free(consumer, shard);
        } else {
            consumer->shards[kept++] = shard;
        }
    }
    consumer->count = kept;
}

static pinpipe_status look_take(pinpipe_kinesis_consumer *consumer, pinpipe_error *err) {
    const pp_kinesis_shards *seen = &consumer->look.shards;
    pinpipe_status status = PINPIPE_OK;
    for (int64_t i = 0; i < consumer->count; i++) {
        consumer->shards[i]->was_listed = consumer->shards[i]->is_listed;
        consumer->shards[i]->is_listed = false;
    }
    for (int64_t i = 0; status == PINPIPE_OK && i < seen->count; i++) {
        pinpipe_kinesis_shard info = pp_kinesis_shards_at(seen, i);
        pp_shard *shard = NULL;
        status = pp_consumer_know(&shard, consumer, &info, err);
        if (shard) {
            shard->is_listed = true;
        }
    }
    if (status == PINPIPE_OK) {
        missing_end(consumer);
        consumer->look.count++;
        consumer->look.is_wanted = false;
        if (consumer->reading == PINPIPE_KINESIS_READ_ALL) {
            hole_tell(consumer);
        }
    }
    return status;
}

static void page_start(pinpipe_kinesis_consumer *consumer) {
    pp_look *look = &consumer->look;
    pp_kinesis_writer writer;
    pp_kinesis_write_begin(&writer, &look->call.body, consumer->kinesis->wire, 1, &look->error);
    pp_kinesis_write_page(&writer, pp_buf_view(&consumer->stream), pp_buf_view(&look->next));
    if (writer.status < 0) {
        look->call.state = PP_KINESIS_CALL_ENDED;
        look->call.status = writer.status;
        look->call.error = look->error;
        return;
    }
    look->call.about = pp_buf_view(&consumer->stream);
    pp_kinesis_call_start(&look->call, consumer->kinesis, "ListShards", look->deadline_ms);
}

static void look_start(pinpipe_kinesis_consumer *consumer, int64_t now_ms) {
    pp_look *look = &consumer->look;
    look->deadline_ms = now_ms + LOOK_TIMEOUT_MS;
    look->is_under_way = true;
    pp_kinesis_shards_clear(&look->shards);
    pp_buf_clear(&look->next);
    page_start(consumer);
}

static pinpipe_status page_take(pinpipe_kinesis_consumer *consumer, pinpipe_error *err) {
    pp_look *look = &consumer->look;
    pp_kinesis_reader reader;
    pinpipe_status status = look->call.status;
    if (status < 0) {
        *err = look->call.error;
        return status;
    }
    status = pp_kinesis_read_begin(&reader, &look->call.answer, look->call.wire, err);
    return status == PINPIPE_OK ? pp_kinesis_shards_read(&look->shards, &look->next, &reader, err) : status;
}

static void look_end(pinpipe_kinesis_consumer *consumer, pinpipe_status status, int64_t now_ms) {
    pp_look *look = &consumer->look;
    int64_t pause_ms = consumer->audit_ms;
    if (status < 0) {
        look->round = look->round < 30 ? look->round + 1 : look->round;
        pause_ms = LOOK_EVERY_MS + pp_retry_partial_ms(look->round, pp_retry_random());
        pp_log(PP_LOG_INFO, PP_KINESIS_SERVICE, "a look at the shards failed: %s", look->error.message);
    } else {
        look->round = 0;
        look->error = (pinpipe_error)PINPIPE_ERROR_INIT;
    }
    look->is_under_way = false;
    look->due_ms = now_ms + pause_ms;
    if (status == PINPIPE_OK && look->is_wanted) {
        pp_look_want(consumer);
    }
}

void pp_look_want(pinpipe_kinesis_consumer *consumer) {
    int64_t soon_ms = pp_clock_monotonic_ms() + LOOK_EVERY_MS;
    consumer->look.is_wanted = true;
    consumer->look.due_ms = consumer->look.due_ms < soon_ms ? consumer->look.due_ms : soon_ms;
}

bool pp_look_move(pinpipe_kinesis_consumer *consumer, int64_t now_ms) {
    pp_look *look = &consumer->look;
    if (!look->is_under_way && now_ms >= look->due_ms) {
        look_start(consumer, now_ms);
    }
    if (!look->is_under_way || !pp_kinesis_call_move(&look->call, consumer->kinesis)) {
        return false;
    }
    look->error = (pinpipe_error)PINPIPE_ERROR_INIT;
    pinpipe_status status = page_take(consumer, &look->error);
    if (status == PINPIPE_OK && look->next.len) {
        page_start(consumer);
        return false;
    }
    status = status == PINPIPE_OK ? look_take(consumer, &look->error) : status;
    look_end(consumer, status, now_ms);
    return status == PINPIPE_OK;
}

void pp_look_reset(pinpipe_kinesis_consumer *consumer) {
    pp_kinesis_call_reset(&consumer->look.call, consumer->kinesis);
    pp_kinesis_shards_reset(&consumer->look.shards);
    pinpipe_buf_reset(&consumer->look.next);
}

#endif
