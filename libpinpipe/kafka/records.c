/* Turns a consumer's messages into columns: one buffer of values, arrays of offsets, partitions and times.
 * Never waits for more once something is there, and never keeps one of librdkafka's messages.
 * Rules: docs/kafka.md, "Batches". */
#include "pinpipe/kafka_batch.h"

#if PINPIPE_WITH_KAFKA

#include "kafka/records.h"

#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "kafka/consumer.h"

#define RECORDS_DEFAULT 100000
#define RECORDS_MAX 10000000
/* What stays in a core's second cache from the copy to whoever reads it. */
#define BYTES_DEFAULT ((int64_t)2 << 20)
#define BYTES_MAX ((int64_t)1 << 30)
#define FIRST_CAP 4096

/* ---- the block ---- */

pp_kafka_block *pp_kafka_block_new(void) {
    pp_kafka_block *block = pp_alloc_zero(sizeof *block);
    if (block) {
        atomic_init(&block->holders, 1);
    }
    return block;
}

static void bytes_reset(pp_kafka_bytes *bytes) {
    pinpipe_buf_reset(&bytes->data);
    pp_free(bytes->offsets);
    pp_free(bytes->validity);
}

void pp_kafka_block_release(pp_kafka_block *block) {
    if (!block || atomic_fetch_sub(&block->holders, 1) != 1) {
        return;
    }
    bytes_reset(&block->values);
    bytes_reset(&block->keys);
    pp_free(block->topics);
    pp_free(block->partitions);
    pp_free(block->offsets);
    pp_free(block->timestamps_ms);
    pinpipe_buf_reset(&block->topic_text);
    pp_free(block->topic_offsets);
    pp_free(block);
}

static void bytes_clear(pp_kafka_bytes *bytes) {
    pp_buf_clear(&bytes->data);
    bytes->null_count = 0;
}

static void block_clear(pp_kafka_block *block) {
    block->count = 0;
    bytes_clear(&block->values);
    bytes_clear(&block->keys);
    pp_buf_clear(&block->topic_text);
    block->topic_count = 0;
}

static bool array_grow(void *array, int64_t count, size_t item_size) {
    void **at = array;
    void *grown = pp_realloc(*at, (size_t)count * item_size);
    if (grown) {
        *at = grown;
    }
    return grown != NULL;
}

static bool bytes_grow(pp_kafka_bytes *bytes, int64_t cap, bool is_first) {
    bool grown = array_grow(&bytes->offsets, cap + 1, sizeof *bytes->offsets) &&
                 array_grow(&bytes->validity, cap / 8 + 1, sizeof *bytes->validity);
    if (grown && is_first) {
        bytes->offsets[0] = 0;
    }
    return grown;
}

static pinpipe_status block_reserve(pp_kafka_block *block, int64_t extra, pinpipe_error *err) {
    int64_t cap = block->cap ? block->cap : FIRST_CAP;
    while (cap < block->count + extra) {
        cap *= 2;
    }
    if (cap == block->cap) {
        return PINPIPE_OK;
    }
    bool grown = bytes_grow(&block->values, cap, block->cap == 0) &&
                 bytes_grow(&block->keys, cap, block->cap == 0) &&
                 array_grow(&block->topics, cap, sizeof *block->topics) &&
                 array_grow(&block->partitions, cap, sizeof *block->partitions) &&
                 array_grow(&block->offsets, cap, sizeof *block->offsets) &&
                 array_grow(&block->timestamps_ms, cap, sizeof *block->timestamps_ms);
    if (!grown) {
        return pp_fail_memory(err, "the columns of Kafka records", (size_t)cap * sizeof *block->offsets);
    }
    block->cap = cap;
    return PINPIPE_OK;
}

/* ---- topics ---- */

static pinpipe_str topic_at(const pp_kafka_block *block, int32_t index) {
    int32_t start = block->topic_offsets[index];
    return (pinpipe_str){block->topic_text.ptr + start, (size_t)(block->topic_offsets[index + 1] - start)};
}

static pinpipe_status topic_add(pp_kafka_block *block, pinpipe_str name, pinpipe_error *err) {
    if (block->topic_count == block->topic_cap) {
        int32_t cap = block->topic_cap ? 2 * block->topic_cap : 8;
        if (!array_grow(&block->topic_offsets, cap + 1, sizeof *block->topic_offsets)) {
            return pp_fail_memory(err, "the topics of Kafka records", (size_t)cap * sizeof cap);
        }
        block->topic_cap = cap;
    }
    pinpipe_status status = pp_buf_append(&block->topic_text, name.ptr, name.len, err);
    if (status == PINPIPE_OK) {
        block->topic_offsets[0] = 0;
        block->topic_offsets[++block->topic_count] = (int32_t)block->topic_text.len;
    }
    return status;
}

/* Records come in runs of one topic, so the last one is asked first. */
static pinpipe_status topic_index(int32_t *out, pp_kafka_block *block, pinpipe_str name, pinpipe_error *err) {
    for (int32_t i = block->topic_count - 1; i >= 0; i--) {
        if (pp_str_equal(topic_at(block, i), name)) {
            *out = i;
            return PINPIPE_OK;
        }
    }
    *out = block->topic_count;
    return topic_add(block, name, err);
}

/* ---- messages ---- */

/* Room was made for all of the batch. */
static void bytes_append(pp_kafka_bytes *bytes, int64_t row, pinpipe_str value) {
    if ((row & 7) == 0) {
        bytes->validity[row >> 3] = 0;
    }
    if (value.ptr) {
        memcpy(bytes->data.ptr + bytes->data.len, value.ptr, value.len);
        bytes->data.len += value.len;
        bytes->validity[row >> 3] |= (uint8_t)(1 << (row & 7));
    } else {
        bytes->null_count++;
    }
    bytes->offsets[row + 1] = (int64_t)bytes->data.len;
}

static pinpipe_status messages_reserve(pp_kafka_block *block, const pinpipe_kafka_batch *batch,
                                       pinpipe_error *err) {
    size_t values = 0, keys = 0;
    for (int64_t i = 0; i < batch->message_count; i++) {
        values += batch->messages[i].value.len;
        keys += batch->messages[i].key.len;
    }
    pinpipe_status status = block_reserve(block, batch->message_count, err);
    if (status == PINPIPE_OK) {
        status = pp_buf_reserve(&block->values.data, values, PP_BUF_MAX, err);
    }
    return status < 0 ? status : pp_buf_reserve(&block->keys.data, keys, PP_BUF_MAX, err);
}

static pinpipe_status messages_append(pp_kafka_block *block, const pinpipe_kafka_batch *batch,
                                      pinpipe_error *err) {
    const char *name = NULL; /* whose index is known */
    int32_t topic = 0;
    pinpipe_status status = messages_reserve(block, batch, err);
    for (int64_t i = 0; i < batch->message_count && status == PINPIPE_OK; i++) {
        const pinpipe_kafka_message *message = &batch->messages[i];
        int64_t row = block->count;
        if (message->topic.ptr != name) {
            status = topic_index(&topic, block, message->topic, err);
            name = message->topic.ptr;
        }
        bytes_append(&block->values, row, message->value);
        bytes_append(&block->keys, row, message->key);
        block->topics[row] = topic;
        block->partitions[row] = message->partition;
        block->offsets[row] = message->offset;
        block->timestamps_ms[row] = message->timestamp_ms;
        block->count++;
    }
    return status;
}

/* The batch's list dies with the consumer's next poll. */
static pinpipe_status revoked_take(pinpipe_kafka_records *records, const pinpipe_kafka_batch *batch,
                                   pinpipe_error *err) {
    size_t bytes = 0, size = (size_t)batch->revoked_count * sizeof *records->revoked;
    for (int64_t i = 0; i < batch->revoked_count; i++) {
        bytes += batch->revoked[i].topic.len;
    }
    pp_buf_clear(&records->revoked_text);
    pinpipe_status status = pp_buf_reserve(&records->revoked_text, bytes, PP_BUF_MAX, err);
    pinpipe_kafka_offset *revoked = status == PINPIPE_OK ? pp_realloc(records->revoked, size) : NULL;
    if (!revoked) {
        return status < 0 ? status : pp_fail_memory(err, "the revoked partitions", size);
    }
    records->revoked = revoked;
    for (int64_t i = 0; i < batch->revoked_count; i++) {
        revoked[i] = batch->revoked[i];
        revoked[i].topic.ptr = records->revoked_text.ptr + records->revoked_text.len;
        pp_str_copy(records->revoked_text.ptr + records->revoked_text.len, batch->revoked[i].topic);
        records->revoked_text.len += batch->revoked[i].topic.len;
    }
    records->revoked_count = batch->revoked_count;
    return PINPIPE_OK;
}

/* ---- the calls ---- */

pinpipe_status pinpipe_kafka_records_new(pinpipe_kafka_records **out, pinpipe_error *err) {
    *out = pp_alloc_zero(sizeof **out);
    return *out ? PINPIPE_OK : pp_fail_memory(err, "Kafka records", sizeof **out);
}

void pinpipe_kafka_records_free(pinpipe_kafka_records *records) {
    if (records) {
        pp_kafka_block_release(records->block);
        pinpipe_buf_reset(&records->revoked_text);
        pp_free(records->revoked);
        pp_free(records->next);
        pp_free(records->names);
        pp_free(records);
    }
}

static pinpipe_status options_check(pp_kafka_limits *out, const pinpipe_kafka_read_options *options,
                                    pinpipe_error *err) {
    *out = (pp_kafka_limits){RECORDS_DEFAULT, BYTES_DEFAULT};
    if (!options) {
        return PINPIPE_OK;
    }
    if (options->struct_size < sizeof *options || options->max_records < 0 || options->max_bytes < 0 ||
        options->max_records > RECORDS_MAX || options->max_bytes > BYTES_MAX) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "a batch of %lld records and %lld bytes: it ends at 1 to %d records, 1 to %lld bytes",
                       (long long)options->max_records, (long long)options->max_bytes, RECORDS_MAX,
                       (long long)BYTES_MAX);
    }
    out->records = options->max_records ? options->max_records : RECORDS_DEFAULT;
    out->bytes = options->max_bytes ? options->max_bytes : BYTES_DEFAULT;
    return PINPIPE_OK;
}

static pinpipe_status records_clear(pinpipe_kafka_records *records, pinpipe_error *err) {
    records->revoked_count = records->next_count = 0;
    if (records->block && atomic_load(&records->block->holders) > 1) {
        pp_kafka_block_release(records->block);
        records->block = NULL;
    }
    if (records->block) {
        block_clear(records->block);
    } else {
        records->block = pp_kafka_block_new();
    }
    return records->block ? PINPIPE_OK : pp_fail_memory(err, "Kafka records", sizeof *records->block);
}

pinpipe_status pp_kafka_records_prepare(pinpipe_kafka_records *records, pinpipe_error *err) {
    pinpipe_status status = records->block ? PINPIPE_OK : records_clear(records, err);
    if (status == PINPIPE_OK) {
        status = block_reserve(records->block, 1, err);
    }
    if (status == PINPIPE_OK && !records->block->topic_cap) {
        status = topic_add(records->block, (pinpipe_str){"", 0}, err);
        records->block->topic_count = 0;
    }
    return status < 0 ? status : pp_buf_reserve(&records->block->topic_text, 0, PP_BUF_MAX, err);
}

/* One poll into the columns; `left` is what may still come. */
static pinpipe_status poll_append(pinpipe_kafka_records *records, pinpipe_kafka_consumer *consumer,
                                  pp_kafka_limits *left, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_kafka_batch batch = PINPIPE_KAFKA_BATCH_INIT;
    size_t before = records->block->values.data.len + records->block->keys.data.len;
    pinpipe_status status = pp_kafka_consumer_take(&batch, consumer, *left, timeout_ms, err);
    if (status == PINPIPE_OK) {
        status = messages_append(records->block, &batch, err);
        left->records -= batch.message_count;
        left->bytes -= (int64_t)(records->block->values.data.len + records->block->keys.data.len - before);
    }
    if (status == PINPIPE_OK && batch.revoked_count > 0) {
        status = revoked_take(records, &batch, err);
    }
    pp_kafka_consumer_release(consumer);
    return status;
}

static pinpipe_status names_publish(pinpipe_kafka_records *records, pinpipe_error *err) {
    size_t size = (size_t)records->block->topic_count * sizeof *records->names;
    pinpipe_str *names = pp_realloc(records->names, size ? size : 1);
    if (!names) {
        return pp_fail_memory(err, "the topics of Kafka records", size);
    }
    records->names = names;
    for (int32_t i = 0; i < records->block->topic_count; i++) {
        names[i] = topic_at(records->block, i);
    }
    return PINPIPE_OK;
}

/* Where the partition's entry is, `next_count` where it has none. Partitions take turns, so it is looked for
 * from the place behind the last one. */
static int64_t next_find(const pinpipe_kafka_records *records, int64_t from, pinpipe_kafka_offset place) {
    for (int64_t i = 0; i < records->next_count; i++) {
        int64_t at = (from + i) % records->next_count;
        const pinpipe_kafka_offset *known = &records->next[at];
        if (known->partition == place.partition && known->topic.ptr == place.topic.ptr) {
            return at;
        }
    }
    return records->next_count;
}

static pinpipe_status next_publish(pinpipe_kafka_records *records, pinpipe_error *err) {
    const pp_kafka_block *block = records->block;
    int64_t at = -1;
    for (int64_t row = 0; row < block->count; row++) {
        bool is_followed = row + 1 < block->count && block->topics[row + 1] == block->topics[row] &&
                           block->partitions[row + 1] == block->partitions[row];
        if (is_followed) {
            continue;
        }
        pinpipe_kafka_offset place = {.topic = records->names[block->topics[row]],
                                      .partition = block->partitions[row],
                                      .offset = block->offsets[row] + 1};
        at = next_find(records, at + 1, place);
        if (at == records->next_cap) {
            int64_t cap = records->next_cap ? 2 * records->next_cap : 8;
            if (!array_grow(&records->next, cap, sizeof *records->next)) {
                return pp_fail_memory(err, "the next offsets", (size_t)cap * sizeof *records->next);
            }
            records->next_cap = cap;
        }
        records->next_count += at == records->next_count;
        records->next[at] = place;
    }
    return PINPIPE_OK;
}

pinpipe_status pinpipe_kafka_consumer_read(pinpipe_kafka_records *records, pinpipe_kafka_consumer *consumer,
                                           const pinpipe_kafka_read_options *options, int64_t timeout_ms,
                                           pinpipe_error *err) {
    pp_kafka_limits left = {0, 0};
    pinpipe_status status = options_check(&left, options, err);
    if (status == PINPIPE_OK) {
        status = records_clear(records, err);
    }
    if (status == PINPIPE_OK) {
        int64_t room = left.bytes < BYTES_DEFAULT ? left.bytes : BYTES_DEFAULT;
        status = pp_buf_reserve(&records->block->values.data, (size_t)room, PP_BUF_MAX, err);
    }
    if (status == PINPIPE_OK) {
        status = poll_append(records, consumer, &left, timeout_ms, err);
    }
    while (status == PINPIPE_OK && !records->revoked_count && left.records > 0 && left.bytes > 0) {
        pinpipe_error cause = PINPIPE_ERROR_INIT;
        pinpipe_status next = poll_append(records, consumer, &left, 0, &cause);
        if (next < 0) {
            pp_kafka_consumer_hold(consumer, &cause);
        }
        if (next != PINPIPE_OK) {
            break;
        }
    }
    if (status == PINPIPE_OK) {
        status = names_publish(records, err);
    }
    return status == PINPIPE_OK ? next_publish(records, err) : status;
}

static pinpipe_kafka_column column_of(const pp_kafka_bytes *bytes) {
    return (pinpipe_kafka_column){bytes->data.ptr,
                                  bytes->offsets,
                                  bytes->null_count ? bytes->validity : NULL,
                                  0,
                                  (int64_t)bytes->data.len,
                                  sizeof *bytes->offsets,
                                  0};
}

pinpipe_status pinpipe_kafka_records_get(pinpipe_kafka_records_view *out,
                                         const pinpipe_kafka_records *records, pinpipe_error *err) {
    if (!out || out->struct_size < sizeof *out) {
        return pp_fail(err, PINPIPE_EINVAL, "a view of Kafka records lacks its struct_size");
    }
    *out = (pinpipe_kafka_records_view)PINPIPE_KAFKA_RECORDS_VIEW_INIT;
    out->revoked = records->revoked;
    out->revoked_count = records->revoked_count;
    out->next = records->next;
    out->next_count = records->next_count;
    const pp_kafka_block *block = records->block;
    if (block) {
        out->count = block->count;
        out->values = column_of(&block->values);
        out->keys = column_of(&block->keys);
        out->topics = block->topics;
        out->partitions = block->partitions;
        out->offsets = block->offsets;
        out->timestamps_ms = block->timestamps_ms;
        out->topic_names = records->names;
        out->topic_count = block->topic_count;
    }
    return PINPIPE_OK;
}

#endif
