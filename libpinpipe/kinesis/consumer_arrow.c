/* Turns records that were read into an Arrow struct array and its schema: the columns of the Databricks
 * source. Never keeps a view of the records: the columns are a copy, in one block that the arrays share.
 * Rules: docs/kinesis.md, "Batches"; Arrow C data interface (children may be moved out). */
#include "kinesis/consumer.h"

#if PINPIPE_WITH_KINESIS

#include <stdint.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"

enum { KEY, DATA, STREAM, SHARD, SEQUENCE, ARRIVAL, HASH, SUB_SEQUENCE, STRAY, COLUMNS };
#define COLUMNS_SOURCE (ARRIVAL + 1)

static const struct {
    const char *name, *format;
    int64_t flags;
} column_rows[COLUMNS] = {
    {"partitionKey", "u", 0},
    {"data", "z", 0},
    {"stream", "u", 0},
    {"shardId", "u", 0},
    {"sequenceNumber", "u", 0},
    {"approximateArrivalTimestamp", "tsu:UTC", ARROW_FLAG_NULLABLE},
    {"explicitHashKey", "u", ARROW_FLAG_NULLABLE},
    {"subSequenceNumber", "l", ARROW_FLAG_NULLABLE},
    {"stray", "b", 0},
};

/* ---- schema ---- */

typedef struct schema_block {
    struct ArrowSchema *children[COLUMNS];
    struct ArrowSchema child[COLUMNS];
} schema_block;

static void schema_leaf_release(struct ArrowSchema *schema) {
    schema->release = NULL; /* its name and format are static */
}

static void schema_release(struct ArrowSchema *schema) {
    pp_free(schema->private_data);
    schema->release = NULL;
}

static pinpipe_status schema_make(struct ArrowSchema *out, int columns, pinpipe_error *err) {
    schema_block *block = pp_alloc_zero(sizeof *block);
    if (!block) {
        return pp_fail_memory(err, "an Arrow schema", sizeof *block);
    }
    for (int i = 0; i < columns; i++) {
        block->children[i] = &block->child[i];
        block->child[i] = (struct ArrowSchema){.format = column_rows[i].format,
                                               .name = column_rows[i].name,
                                               .flags = column_rows[i].flags,
                                               .release = schema_leaf_release};
    }
    *out = (struct ArrowSchema){.format = "+s",
                                .name = "",
                                .n_children = columns,
                                .children = block->children,
                                .release = schema_release,
                                .private_data = block};
    return PINPIPE_OK;
}

/* ---- columns ---- */

/* The arrays' structs, and their bytes behind them. */
typedef struct array_block {
    atomic_int holders; /* the struct array and each child, which may be moved out and outlive it */
    const void *none[1];
    const void *buffers[COLUMNS][3];
    struct ArrowArray *children[COLUMNS];
    struct ArrowArray child[COLUMNS];
} array_block;

/* Of one column that is being filled. */
typedef struct column {
    uint8_t *validity;
    int32_t *offsets; /* of text */
    int64_t *numbers; /* of all else */
    char *text;
} column;

static void block_release(array_block *block) {
    if (atomic_fetch_sub(&block->holders, 1) == 1) {
        pp_free(block);
    }
}

static void leaf_release(struct ArrowArray *array) {
    array_block *block = array->private_data;
    array->release = NULL;
    block_release(block);
}

static void array_release(struct ArrowArray *array) {
    array_block *block = array->private_data;
    for (int64_t i = 0; i < array->n_children; i++) {
        if (array->children[i]->release) {
            array->children[i]->release(array->children[i]);
        }
    }
    array->release = NULL;
    block_release(block);
}

static bool is_text(int index) {
    return index <= SEQUENCE || index == HASH;
}

static pinpipe_str text_at(const pinpipe_kinesis_records *records, int64_t row, int index) {
    const pinpipe_kinesis_item *item = &records->items[row];
    const pinpipe_str texts[COLUMNS] = {[KEY] = item->partition_key,
                                        [DATA] = item->data,
                                        [STREAM] = {records->stream.ptr, records->stream.len},
                                        [SHARD] = item->shard_id,
                                        [SEQUENCE] = item->sequence_number,
                                        [HASH] = item->hash_key};
    return texts[index];
}

static void bit_set(uint8_t *bits, int64_t row) {
    bits[row >> 3] |= (uint8_t)(1u << (row & 7));
}

static int64_t text_fill(const column *to, const pinpipe_kinesis_records *records, int index) {
    int32_t end = 0;
    int64_t null_count = 0;
    to->offsets[0] = 0;
    for (int64_t row = 0; row < records->count; row++) {
        pinpipe_str text = text_at(records, row, index);
        bool is_null = index == HASH && text.len == 0;
        pp_str_copy(to->text + end, text);
        end += (int32_t)text.len;
        to->offsets[row + 1] = end;
        null_count += is_null;
        if (!is_null) {
            bit_set(to->validity, row);
        }
    }
    return null_count;
}

static int64_t number_fill(const column *to, const pinpipe_kinesis_records *records, int index) {
    int64_t null_count = 0;
    for (int64_t row = 0; row < records->count; row++) {
        const pinpipe_kinesis_item *item = &records->items[row];
        int64_t number = index == ARRIVAL ? item->arrival_us : item->sub_sequence;
        if (index == STRAY) {
            if (item->flags & PINPIPE_KINESIS_IS_STRAY) {
                bit_set((uint8_t *)to->numbers, row);
            }
        } else if (number >= 0) {
            to->numbers[row] = number;
            bit_set(to->validity, row);
        } else {
            null_count++;
        }
    }
    return null_count;
}

/* ---- the block ---- */

static size_t rounded(size_t size) {
    return (size + 63) / 64 * 64;
}

/* Where a column lies in a block, behind what `at` says; adds its size. */
static column column_lay(size_t *at, char *base, int64_t rows, int64_t text_bytes, int index) {
    column laid = {0};
    size_t number_size = is_text(index) ? sizeof(int32_t) : sizeof(int64_t);
    size_t validity_size = rounded((size_t)rows / 8 + 1);
    size_t numbers_size = rounded(((size_t)rows + 1) * number_size);
    if (base) {
        laid.validity = (uint8_t *)base + *at;
        laid.offsets = (int32_t *)(void *)(base + *at + validity_size);
        laid.numbers = (int64_t *)(void *)(base + *at + validity_size);
        laid.text = base + *at + validity_size + numbers_size;
    }
    *at += validity_size + numbers_size + rounded((size_t)text_bytes);
    return laid;
}

static pinpipe_status texts_measure(int64_t text_bytes[COLUMNS], const pinpipe_kinesis_records *records,
                                    int columns, pinpipe_error *err) {
    for (int i = 0; i < columns; i++) {
        text_bytes[i] = 0;
        for (int64_t row = 0; is_text(i) && row < records->count; row++) {
            text_bytes[i] += (int64_t)text_at(records, row, i).len;
        }
        if (text_bytes[i] > INT32_MAX) {
            return pp_fail(err, PINPIPE_ELIMIT, "column %s: %lld bytes are more than %d", column_rows[i].name,
                           (long long)text_bytes[i], INT32_MAX);
        }
    }
    return PINPIPE_OK;
}

static void child_make(array_block *block, const pinpipe_kinesis_records *records, const column *filled,
                       int index) {
    int64_t null_count =
        is_text(index) ? text_fill(filled, records, index) : number_fill(filled, records, index);
    block->buffers[index][0] = null_count ? filled->validity : NULL;
    block->buffers[index][1] = filled->offsets; /* or its numbers */
    block->buffers[index][2] = filled->text;
    block->children[index] = &block->child[index];
    block->child[index] = (struct ArrowArray){.length = records->count,
                                              .null_count = null_count,
                                              .n_buffers = is_text(index) ? 3 : 2,
                                              .buffers = block->buffers[index],
                                              .release = leaf_release,
                                              .private_data = block};
}

static pinpipe_status array_make(struct ArrowArray *out, const pinpipe_kinesis_records *records, int columns,
                                 pinpipe_error *err) {
    int64_t text_bytes[COLUMNS] = {0};
    pinpipe_status status = texts_measure(text_bytes, records, columns, err);
    if (status < 0) {
        return status;
    }
    size_t size = rounded(sizeof(array_block));
    for (int i = 0; i < columns; i++) {
        column_lay(&size, NULL, records->count, text_bytes[i], i);
    }
    char *base = pp_alloc_zero(size);
    if (!base) {
        return pp_fail_memory(err, "the columns of Kinesis records", size);
    }
    array_block *block = (array_block *)(void *)base;
    atomic_init(&block->holders, columns + 1);
    size = rounded(sizeof(array_block));
    for (int i = 0; i < columns; i++) {
        column filled = column_lay(&size, base, records->count, text_bytes[i], i);
        child_make(block, records, &filled, i);
    }
    *out = (struct ArrowArray){.length = records->count,
                               .n_buffers = 1,
                               .n_children = columns,
                               .buffers = block->none,
                               .children = block->children,
                               .release = array_release,
                               .private_data = block};
    return PINPIPE_OK;
}

pinpipe_status pinpipe_kinesis_records_export(struct ArrowArray *out, struct ArrowSchema *schema,
                                              const pinpipe_kinesis_records *records, int32_t columns,
                                              pinpipe_error *err) {
    *out = (struct ArrowArray){0};
    *schema = (struct ArrowSchema){0};
    if (columns < PINPIPE_KINESIS_COLUMNS_SOURCE || columns > PINPIPE_KINESIS_COLUMNS_ALL) {
        return pp_fail(err, PINPIPE_EINVAL, "columns: %d is no choice of them", columns);
    }
    int count = columns == PINPIPE_KINESIS_COLUMNS_ALL ? COLUMNS : COLUMNS_SOURCE;
    pinpipe_status status = schema_make(schema, count, err);
    if (status == PINPIPE_OK) {
        status = array_make(out, records, count, err);
    }
    if (status < 0 && schema->release) {
        schema->release(schema);
    }
    return status;
}

#endif
