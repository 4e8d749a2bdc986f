/* Turns Kafka topics into objects: options into a sink, and calls into steps of it.
 * Never waits for a worker while there is something to read and room for it.
 * Rules: docs/sink.md. */
#include "pipeline/sink_state.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/counters.h"
#include "base/memory.h"
#include "io/clock.h"

#define HELD_STEP_MS 50
#define WORKING_STEP_MS 5
#define REVOKE_MS 10000

PP_COUNTERS_TELL(pinpipe_sink_counter, PINPIPE_SINK_COUNTER_MAP, PINPIPE_SINK_COUNTER_COUNT)

int64_t pinpipe_sink_count(const pinpipe_sink *sink, int32_t counter) {
    return counter >= 0 && counter < PINPIPE_SINK_COUNTER_COUNT ? sink->counts[counter] : 0;
}

int64_t pinpipe_sink_generation(const pinpipe_sink *sink) {
    return pinpipe_kafka_consumer_generation(sink->consumer);
}

int64_t pinpipe_sink_position_count(const pinpipe_sink *sink) {
    return sink->partition_count;
}

pinpipe_sink_position pinpipe_sink_position_at(const pinpipe_sink *sink, int64_t index) {
    assert(index >= 0 && index < sink->partition_count);
    const pp_sink_partition *partition = sink->partitions[index];
    int64_t low = pp_sink_partition_low(partition);
    return (pinpipe_sink_position){
        pp_str(partition->topic),    partition->number,     0, low > partition->base_offset ? low : -1,
        partition->committed_offset, partition->read_offset};
}

/* ---- free ---- */

/* Works that the pool gave back unbegun belong to nobody else now. */
static void works_discard(pinpipe_sink *sink) {
    pp_work_pool_stop(sink->pool);
    pp_sink_work_discard(sink);
    pp_work_pool_free(sink->pool);
}

void pinpipe_sink_free(pinpipe_sink *sink) {
    if (!sink || sink->owner_pid != getpid()) {
        return;
    }
    pinpipe_kafka_consumer_free(sink->consumer);
    if (sink->pool) {
        works_discard(sink);
    }
    pp_sink_reset(sink);
    pp_sink_letters_free(sink->letters);
    for (int32_t i = 0; i < sink->settings.worker_count; i++) {
        pp_sink_worker *worker = &sink->workers[i];
        pp_object_store_free(worker->store);
        pp_compressor_free(worker->compressor);
        pinpipe_buf_reset(&worker->scratch);
        pp_free(worker->views);
    }
    pp_sink_partitioner_free(sink->partitioner);
    pp_sink_settings_reset(&sink->settings);
    pp_free(sink);
}

static pinpipe_status owner_check(const pinpipe_sink *sink, pinpipe_error *err) {
    if (sink->owner_pid == getpid()) {
        return PINPIPE_OK;
    }
    return pp_fail(err, PINPIPE_EFORK, "the sink was opened by process %ld and cannot be used in its child",
                   (long)sink->owner_pid);
}

/* ---- the batch at hand ---- */

static bool batch_is_pending(const pinpipe_sink *sink) {
    return sink->batch_at < sink->batch.message_count || sink->batch.revoked_count;
}

static void revoke_begin(pinpipe_sink *sink) {
    int64_t most_ms = sink->settings.store_timeout_ms;
    sink->is_revoking = true;
    sink->revoke_until_ms = pp_clock_monotonic_ms() + (most_ms < REVOKE_MS ? most_ms : REVOKE_MS);
    for (int64_t i = 0; i < sink->batch.revoked_count; i++) {
        const pinpipe_kafka_offset *place = &sink->batch.revoked[i];
        pp_sink_partition *partition = pp_sink_partition_find(sink, place->topic, place->partition);
        if (partition) {
            partition->is_revoked = true;
            pp_sink_files_rotate(sink, partition, PINPIPE_SINK_ROTATIONS_REVOKE);
        }
    }
}

static bool revoke_is_done(pinpipe_sink *sink) {
    bool is_open = false;
    for (int64_t i = 0; i < sink->partition_count; i++) {
        const pp_sink_partition *partition = sink->partitions[i];
        is_open = is_open || (partition->is_revoked && pp_sink_partition_is_open(partition));
    }
    if (is_open) {
        return false;
    }
    /* A conflict says that the group has moved on: the next owner finds out by the objects. */
    return pp_sink_commit(sink, PP_SINK_NOW) == PINPIPE_OK || sink->commit_status == PINPIPE_ECONFLICT;
}

/* Partitions that go are stored and committed while they are still ours; what cannot be is their next
 * owner's. */
static pinpipe_status revoke_go(pinpipe_sink *sink) {
    if (!sink->is_revoking) {
        revoke_begin(sink);
    }
    pp_sink_work(sink);
    if (!revoke_is_done(sink) && pp_clock_monotonic_ms() < sink->revoke_until_ms) {
        return PINPIPE_AGAIN;
    }
    for (int64_t i = 0; i < sink->partition_count;) {
        pp_sink_partition *partition = sink->partitions[i];
        if (partition->is_revoked) {
            pp_sink_partition_drop(sink, partition);
        } else {
            i++;
        }
    }
    sink->is_revoking = false;
    return PINPIPE_OK;
}

/* New partitions get their state; what was stale of others is gone with the batch before. */
static pinpipe_status batch_begin(pinpipe_sink *sink, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    const pinpipe_kafka_message *before = NULL;
    for (int64_t i = 0; i < sink->partition_count; i++) {
        sink->partitions[i]->is_sought = sink->partitions[i]->is_seeking;
    }
    for (int64_t i = 0; i < sink->batch.message_count && status == PINPIPE_OK; i++) {
        const pinpipe_kafka_message *message = &sink->batch.messages[i];
        bool is_same =
            before && before->topic.ptr == message->topic.ptr && before->partition == message->partition;
        if (!is_same && !pp_sink_partition_find(sink, message->topic, message->partition)) {
            pp_sink_partition *made = NULL;
            status = pp_sink_partition_add(&made, sink, message, err);
        }
        before = message;
    }
    return status;
}

/* Takes in what is left of the batch. AGAIN: held up, the rest waits. */
static pinpipe_status batch_go(pinpipe_sink *sink, pinpipe_error *err) {
    pinpipe_status status = pp_sink_fresh_look_up(sink, err);
    if (status == PINPIPE_OK && batch_is_pending(sink)) {
        status = pp_sink_batch_take(sink, err);
        if (status == PINPIPE_OK && sink->batch.revoked_count) {
            status = revoke_go(sink);
        }
        if (status == PINPIPE_OK) {
            sink->batch = (pinpipe_kafka_batch)PINPIPE_KAFKA_BATCH_INIT;
            sink->batch_at = 0;
        }
    }
    return status == PINPIPE_OK ? pp_sink_seek(sink, err) : status;
}

/* ---- poll ---- */

static int64_t deadline_of(int64_t timeout_ms) {
    int64_t now_ms = pp_clock_monotonic_ms();
    int64_t wait_ms = timeout_ms < 0 ? 0 : timeout_ms;
    return wait_ms > INT64_MAX - now_ms ? INT64_MAX : now_ms + wait_ms;
}

static int64_t left_ms(int64_t deadline_ms, int64_t most_ms) {
    int64_t left = deadline_ms - pp_clock_monotonic_ms();
    left = left > 0 ? left : 0;
    return left < most_ms ? left : most_ms;
}

/* AGAIN: nothing came, or what came is held up. */
static pinpipe_status records_take(pinpipe_sink *sink, int64_t deadline_ms, pinpipe_error *err) {
    pinpipe_status status = batch_go(sink, err);
    if (status == PINPIPE_AGAIN) {
        pp_work_pool_wait(sink->pool, pp_sink_wait_ms(sink, left_ms(deadline_ms, HELD_STEP_MS)));
    }
    if (status != PINPIPE_OK) {
        return status;
    }
    /* What workers end is to be seen soon, and Kafka's wait does not see it. */
    int64_t most_ms = sink->working_count ? WORKING_STEP_MS : INT32_MAX;
    int64_t wait_ms = pp_sink_wait_ms(sink, left_ms(deadline_ms, most_ms));
    status = pinpipe_kafka_consumer_poll(&sink->batch, sink->consumer, wait_ms, err);
    if (status == PINPIPE_OK) {
        sink->batch_at = 0;
        status = batch_begin(sink, err);
        status = status == PINPIPE_OK ? batch_go(sink, err) : status;
        status = status == PINPIPE_AGAIN ? PINPIPE_OK : status;
    }
    return status;
}

/* Dead letters are in no object. */
static int64_t stored_count(const pinpipe_sink *sink) {
    return sink->counts[PINPIPE_SINK_OBJECTS_STORED] + sink->counts[PINPIPE_SINK_RECORDS_REJECTED];
}

pinpipe_status pinpipe_sink_poll(pinpipe_sink *sink, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = owner_check(sink, err);
    if (status < 0) {
        return status;
    }
    int64_t deadline_ms = deadline_of(timeout_ms);
    int64_t stored = stored_count(sink);
    pinpipe_status told = PINPIPE_OK;
    bool is_idle = true;
    do {
        pp_sink_work(sink);
        status = records_take(sink, deadline_ms, err);
        pp_sink_work(sink);
        pinpipe_status committed = pp_sink_commit(sink, PP_SINK_WHEN_DUE);
        (void)committed; /* what is to be told is told below */
        told = pp_sink_told(sink, status < 0 ? NULL : err);
        is_idle = status == PINPIPE_AGAIN && stored_count(sink) == stored;
    } while (told == PINPIPE_OK && is_idle && pp_clock_monotonic_ms() < deadline_ms);
    if (status < 0 || told < 0) {
        return status < 0 ? status : told;
    }
    return is_idle ? PINPIPE_AGAIN : PINPIPE_OK;
}

/* ---- flush ---- */

static pinpipe_status flush_step(pinpipe_sink *sink, pinpipe_error *err) {
    pinpipe_status status = batch_go(sink, err);
    pp_sink_files_rotate(sink, NULL, PINPIPE_SINK_ROTATIONS_FLUSH);
    pp_sink_work(sink);
    for (int64_t i = 0; i < sink->partition_count && status == PINPIPE_OK; i++) {
        status = pp_sink_partition_is_open(sink->partitions[i]) ? PINPIPE_AGAIN : PINPIPE_OK;
    }
    pinpipe_status committed = pp_sink_commit(sink, PP_SINK_NOW);
    pinpipe_status told = pp_sink_told(sink, status < 0 ? NULL : err);
    if (status < 0 || told < 0) {
        return status < 0 ? status : told;
    }
    return status == PINPIPE_OK ? committed : status;
}

pinpipe_status pinpipe_sink_flush(pinpipe_sink *sink, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = owner_check(sink, err);
    if (status < 0) {
        return status;
    }
    int64_t deadline_ms = deadline_of(timeout_ms);
    status = flush_step(sink, err);
    while (status == PINPIPE_AGAIN && pp_clock_monotonic_ms() < deadline_ms) {
        pp_work_pool_wait(sink->pool, pp_sink_wait_ms(sink, left_ms(deadline_ms, HELD_STEP_MS)));
        status = flush_step(sink, err);
    }
    if (status != PINPIPE_AGAIN) {
        return status;
    }
    if (sink->trouble.status >= 0) {
        return pp_fail(err, PINPIPE_ETIMEOUT,
                       "the deadline passed before everything read was stored and committed");
    }
    if (err && err->struct_size >= sizeof *err) {
        *err = sink->trouble;
    }
    return sink->trouble.status;
}
