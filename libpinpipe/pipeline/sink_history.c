/* Turns records that Kafka tells twice into nothing, and a topic that was made anew into another beginning.
 * Never begins an object where no object begins, as long as the last record is still what it was.
 * Rules: docs/sink.md, "Exactly once". librdkafka goes where a late answer to a question for an offset says
 * (docs/kafka.md, "Consumer"); a topic that was made anew begins at 0. */
#include "pipeline/sink_state.h"

#include "base/checksum.h"
#include "base/log.h"

/* A late answer may come again; a topic that was made anew gives its first record every time. */
#define ASKED_MAX 3

static uint32_t crc_of(const pinpipe_kafka_message *message) {
    uint32_t crc = pp_crc32(0, &message->timestamp_ms, sizeof message->timestamp_ms);
    crc = pp_crc32(crc, message->key.ptr, message->key.len);
    return pp_crc32(crc, message->value.ptr, message->value.len);
}

void pp_sink_history_note(pp_sink_partition *partition, const pinpipe_kafka_message *message) {
    partition->last_offset = message->offset;
    partition->last_crc = crc_of(message);
}

static void ask(pp_sink_partition *partition, int64_t offset) {
    partition->history = PP_SINK_HISTORY_ASKED;
    partition->asked_count++;
    pp_sink_partition_seek(partition, offset);
}

void pp_sink_history_ask(pp_sink_partition *partition, int64_t committed_offset) {
    partition->back_offset = partition->read_offset;
    partition->last_offset = -1;
    partition->asked_count = 0;
    ask(partition, committed_offset);
}

/* The answer: the last record as it was, or what follows the commit. */
static bool is_same(const pp_sink_partition *partition, const pinpipe_kafka_message *message) {
    return partition->last_offset < 0
               ? message->offset >= partition->read_offset
               : message->offset == partition->last_offset && crc_of(message) == partition->last_crc;
}

/* Objects that were in the way say nothing of another history. */
static void history_end(pinpipe_sink *sink, pp_sink_partition *partition) {
    partition->history = PP_SINK_HISTORY_ENDING;
    partition->checking_count = 0;
    for (pp_sink_stream *stream = partition->streams; stream; stream = stream->after) {
        stream->is_checking = false;
    }
    pp_sink_files_rotate(sink, partition, PINPIPE_SINK_ROTATIONS_REWIND);
}

static pinpipe_status history_begin(pp_sink_partition *partition, int64_t offset) {
    if (pp_sink_partition_is_open(partition)) {
        return PINPIPE_AGAIN;
    }
    partition->history = PP_SINK_HISTORY_SAME;
    partition->known_count = 0;
    partition->last_stream = NULL;
    partition->rejects = NULL;
    pp_sink_streams_sweep(partition, INT64_MAX);
    partition->base_offset = offset;
    partition->read_offset = offset;
    partition->last_offset = -1;
    partition->committed_offset = -1;
    return PINPIPE_OK;
}

/* A record came that is not the answer. */
static pinpipe_status other_take(pinpipe_sink *sink, pp_sink_partition *partition, int64_t offset) {
    int64_t asked = partition->last_offset < 0 ? partition->read_offset : partition->last_offset;
    if (offset < asked && partition->asked_count < ASKED_MAX) {
        ask(partition, asked);
        return PINPIPE_DONE;
    }
    history_end(sink, partition);
    if (offset > partition->back_offset) {
        pp_sink_partition_seek(partition, partition->back_offset);
        return PINPIPE_DONE;
    }
    return PINPIPE_OK;
}

static pinpipe_status back_take(pinpipe_sink *sink, pp_sink_partition *partition, int64_t offset) {
    pp_log(PP_LOG_WARNING, "sink", "%s [%ld]: Kafka went back from offset %lld to %lld by itself",
           partition->topic, (long)partition->number, (long long)partition->read_offset, (long long)offset);
    partition->back_offset = offset;
    partition->asked_count = 0;
    if (partition->last_offset >= 0) {
        ask(partition, partition->last_offset);
        return PINPIPE_DONE;
    }
    history_end(sink, partition);
    return PINPIPE_OK;
}

pinpipe_status pp_sink_history_judge(pinpipe_sink *sink, pp_sink_partition *partition,
                                     const pinpipe_kafka_message *message) {
    pinpipe_status status = PINPIPE_OK;
    if (partition->history == PP_SINK_HISTORY_ASKED && is_same(partition, message)) {
        partition->history = PP_SINK_HISTORY_SAME;
        return message->offset < partition->read_offset ? PINPIPE_DONE : PINPIPE_OK;
    }
    if (partition->history == PP_SINK_HISTORY_ASKED) {
        status = other_take(sink, partition, message->offset);
    } else if (partition->history == PP_SINK_HISTORY_SAME) {
        status = back_take(sink, partition, message->offset);
    }
    return status == PINPIPE_OK ? history_begin(partition, message->offset) : status;
}
