/* Turns a block of consumed records into an Arrow struct array that shares it, and the schema of that.
 * Never copies a column: every child holds the block until it is released.
 * Rules: docs/kafka.md, "Batches"; Arrow C data interface (children may be moved out). */
#include "pinpipe/kafka_batch.h"

#if PINPIPE_WITH_KAFKA

#include "kafka/records.h"

#include "base/memory.h"

#define COLUMNS 6

static const struct {
    const char *name, *format;
    int64_t flags;
} column_rows[COLUMNS] = {
    {"topic", "i", 0},
    {"partition", "i", 0},
    {"offset", "l", 0},
    {"timestamp", "tsm:UTC", 0},
    {"key", "Z", ARROW_FLAG_NULLABLE},
    {"value", "Z", ARROW_FLAG_NULLABLE},
};

/* ---- schema ---- */

typedef struct schema_children {
    struct ArrowSchema *children[COLUMNS];
    struct ArrowSchema child[COLUMNS];
} schema_children;

static void schema_leaf_release(struct ArrowSchema *schema) {
    schema->release = NULL;
}

static void schema_topic_release(struct ArrowSchema *schema) {
    if (schema->dictionary->release) {
        schema->dictionary->release(schema->dictionary);
    }
    pp_free(schema->dictionary);
    schema->release = NULL;
}

static void schema_release(struct ArrowSchema *schema) {
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (schema->children[i]->release) {
            schema->children[i]->release(schema->children[i]);
        }
    }
    pp_free(schema->private_data);
    schema->release = NULL;
}

static pinpipe_status schema_make(struct ArrowSchema *out, pinpipe_error *err) {
    schema_children *held = pp_alloc_zero(sizeof *held);
    struct ArrowSchema *dictionary = pp_alloc_zero(sizeof *dictionary);
    if (!held || !dictionary) {
        pp_free(held);
        pp_free(dictionary);
        return pp_fail_memory(err, "an Arrow schema", sizeof *held);
    }
    for (int i = 0; i < COLUMNS; i++) {
        held->children[i] = &held->child[i];
        held->child[i] = (struct ArrowSchema){.format = column_rows[i].format,
                                              .name = column_rows[i].name,
                                              .flags = column_rows[i].flags,
                                              .release = schema_leaf_release};
    }
    *dictionary = (struct ArrowSchema){.format = "u", .name = "", .release = schema_leaf_release};
    held->child[0].dictionary = dictionary;
    held->child[0].release = schema_topic_release;
    *out = (struct ArrowSchema){.format = "+s",
                                .name = "",
                                .n_children = COLUMNS,
                                .children = held->children,
                                .release = schema_release,
                                .private_data = held};
    return PINPIPE_OK;
}

/* ---- array ---- */

typedef struct array_leaf {
    pp_kafka_block *block;
    const void *buffers[3];
    struct ArrowArray dictionary;
} array_leaf;

typedef struct array_children {
    struct ArrowArray *children[COLUMNS];
    struct ArrowArray child[COLUMNS];
    const void *buffers[1];
} array_children;

static void array_leaf_release(struct ArrowArray *array) {
    array_leaf *leaf = array->private_data;
    if (array->dictionary && array->dictionary->release) {
        array->dictionary->release(array->dictionary);
    }
    pp_kafka_block_release(leaf->block);
    pp_free(leaf);
    array->release = NULL;
}

static void array_release(struct ArrowArray *array) {
    for (int64_t i = 0; i < array->n_children; i++) {
        if (array->children[i]->release) {
            array->children[i]->release(array->children[i]);
        }
    }
    pp_free(array->private_data);
    array->release = NULL;
}

/* A child with its buffers: validity, then numbers, or offsets and data. */
static array_leaf *leaf_make(struct ArrowArray *out, pp_kafka_block *block, const void *first,
                             const void *second) {
    array_leaf *leaf = pp_alloc_zero(sizeof *leaf);
    if (!leaf) {
        return NULL;
    }
    atomic_fetch_add(&block->holders, 1);
    leaf->block = block;
    leaf->buffers[1] = first;
    leaf->buffers[2] = second;
    *out = (struct ArrowArray){.length = block->count,
                               .n_buffers = second ? 3 : 2,
                               .buffers = leaf->buffers,
                               .release = array_leaf_release,
                               .private_data = leaf};
    return leaf;
}

static bool bytes_make(struct ArrowArray *out, pp_kafka_block *block, const pp_kafka_bytes *bytes) {
    array_leaf *leaf = leaf_make(out, block, bytes->offsets, bytes->data.ptr ? bytes->data.ptr : "");
    if (leaf) {
        out->null_count = bytes->null_count;
        leaf->buffers[0] = bytes->null_count ? bytes->validity : NULL;
    }
    return leaf != NULL;
}

static bool topic_make(struct ArrowArray *out, pp_kafka_block *block) {
    array_leaf *leaf = leaf_make(out, block, block->topics, NULL);
    if (!leaf || !leaf_make(&leaf->dictionary, block, block->topic_offsets, block->topic_text.ptr)) {
        return false;
    }
    leaf->dictionary.length = block->topic_count;
    out->dictionary = &leaf->dictionary;
    return true;
}

static pinpipe_status array_make(struct ArrowArray *out, pp_kafka_block *block, pinpipe_error *err) {
    array_children *held = pp_alloc_zero(sizeof *held);
    if (!held) {
        return pp_fail_memory(err, "an Arrow array", sizeof *held);
    }
    for (int i = 0; i < COLUMNS; i++) {
        held->children[i] = &held->child[i];
    }
    *out = (struct ArrowArray){.length = block->count,
                               .n_buffers = 1,
                               .n_children = COLUMNS,
                               .buffers = held->buffers,
                               .children = held->children,
                               .release = array_release,
                               .private_data = held};
    bool made = topic_make(&held->child[0], block) &&
                leaf_make(&held->child[1], block, block->partitions, NULL) &&
                leaf_make(&held->child[2], block, block->offsets, NULL) &&
                leaf_make(&held->child[3], block, block->timestamps_ms, NULL) &&
                bytes_make(&held->child[4], block, &block->keys) &&
                bytes_make(&held->child[5], block, &block->values);
    if (!made) {
        array_release(out);
        return pp_fail_memory(err, "an Arrow array", sizeof(array_leaf));
    }
    return PINPIPE_OK;
}

pinpipe_status pinpipe_kafka_records_export(struct ArrowArray *out, struct ArrowSchema *schema,
                                            pinpipe_kafka_records *records, pinpipe_error *err) {
    *out = (struct ArrowArray){0};
    *schema = (struct ArrowSchema){0};
    pinpipe_status status = schema_make(schema, err);
    if (status == PINPIPE_OK) {
        status = pp_kafka_records_prepare(records, err);
    }
    if (status == PINPIPE_OK) {
        status = array_make(out, records->block, err);
    }
    if (status < 0 && schema->release) {
        schema->release(schema);
    }
    return status;
}

#endif
