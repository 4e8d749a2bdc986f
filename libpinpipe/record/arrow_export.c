/* Turns columns into Arrow C data structs: schemas, arrays and streams.
 * Never copies a value: an array holds the columns until it is released.
 * Rules: Arrow C data interface (children may be moved out, release sets itself to NULL), C stream interface.
 */
#include <assert.h>
#include <errno.h>

#include "base/memory.h"
#include "record/columns.h"
#include "record/table.h"

static void schema_release(struct ArrowSchema *schema) {
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (schema->children[i]->release) {
            schema->children[i]->release(schema->children[i]);
        }
    }
    pp_free(schema->private_data);
    schema->release = NULL;
}

/* A schema with its children's structs in one block; the children are zeroed. */
static bool schema_init(struct ArrowSchema *out, const char *format, const char *name, int64_t flags,
                        int64_t children) {
    size_t pointers = (size_t)children * sizeof(struct ArrowSchema *);
    char *block = pp_alloc_zero(pointers + (size_t)children * sizeof(struct ArrowSchema));
    if (!block) {
        return false;
    }
    *out = (struct ArrowSchema){.format = format, .name = name, .flags = flags, .n_children = children};
    out->children = (struct ArrowSchema **)(void *)block;
    for (int64_t i = 0; i < children; i++) {
        out->children[i] = (struct ArrowSchema *)(void *)(block + pointers) + i;
    }
    out->private_data = block;
    out->release = schema_release;
    return true;
}

static bool schema_column(struct ArrowSchema *out, const pp_step *step) {
    int64_t flags = step->op == PP_OP_KEY ? 0 : ARROW_FLAG_NULLABLE;
    bool is_list = step->type == PINPIPE_TYPE_F64_LIST;
    if (!schema_init(out, pp_type(step->type)->arrow, step->name, flags, is_list)) {
        return false;
    }
    return !is_list ||
           schema_init(out->children[0], pp_type(PINPIPE_TYPE_F64)->arrow, "item", ARROW_FLAG_NULLABLE, 0);
}

pinpipe_status pinpipe_schema_arrow(struct ArrowSchema *out, int32_t record, int32_t shape,
                                    pinpipe_error *err) {
    *out = (struct ArrowSchema){0};
    if (!pp_schema_known(record, shape)) {
        return pp_fail(err, PINPIPE_EINVAL, "no record %d with shape %d", record, shape);
    }
    pp_step steps[PP_CLEAN_MAX];
    int32_t count = pp_steps(steps, record, shape);
    bool done = schema_init(out, "+s", "", 0, count);
    for (int32_t i = 0; done && i < count; i++) {
        done = schema_column(out->children[i], &steps[i]);
    }
    if (!done) {
        if (out->release) {
            out->release(out);
        }
        return pp_fail_memory(err, "an Arrow schema", sizeof *out);
    }
    return PINPIPE_OK;
}

/* What one array owns: its buffers' pointers, its children's structs, and a hold on the columns. */
typedef struct array_private {
    pp_columns *columns;
    const void *buffers[3];
    struct ArrowArray *children[PP_CLEAN_MAX];
    struct ArrowArray child[];
} array_private;

static void array_release(struct ArrowArray *array) {
    array_private *private = array->private_data;
    for (int64_t i = 0; i < array->n_children; i++) {
        if (array->children[i]->release) {
            array->children[i]->release(array->children[i]);
        }
    }
    pp_columns_release(private->columns);
    pp_free(private);
    array->release = NULL;
}

static array_private *array_init(struct ArrowArray *out, pp_columns *columns, int64_t length,
                                 int64_t children) {
    array_private *private = pp_alloc_zero(sizeof *private + (size_t)children * sizeof(struct ArrowArray));
    if (!private) {
        return NULL;
    }
    *out = (struct ArrowArray){.length = length, .n_children = children};
    private->columns = pp_columns_hold(columns);
    for (int64_t i = 0; i < children; i++) {
        private->children[i] = &private->child[i];
    }
    out->buffers = private->buffers;
    out->children = private->children;
    out->private_data = private;
    out->release = array_release;
    return private;
}

static bool array_column(struct ArrowArray *out, pp_columns *columns, const pp_column *column) {
    static const int64_t no_bytes;
    bool is_list = column->type == PINPIPE_TYPE_F64_LIST;
    array_private *private = array_init(out, columns, columns->rows, is_list);
    if (!private) {
        return false;
    }
    out->null_count = column->null_count;
    private->buffers[0] = column->null_count ? column->validity : NULL;
    out->n_buffers = 2;
    switch (column->type) {
    case PINPIPE_TYPE_TEXT:
        private
        ->buffers[1] = column->offsets;
        private->buffers[2] = column->text ? (const void *)column->text : &no_bytes;
        out->n_buffers = 3;
        return true;
    case PINPIPE_TYPE_F64_LIST: {
        private->buffers[1] = column->offsets;
        array_private *items =
            array_init(out->children[0], columns, pp_column_start(column, columns->rows), 0);
        if (!items) {
            return false;
        }
        out->children[0]->n_buffers = 2;
        items->buffers[1] = column->f64 ? (const void *)column->f64 : &no_bytes;
        return true;
    }
    case PINPIPE_TYPE_F64:
        private
        ->buffers[1] = column->f64;
        return true;
    default:
        private
        ->buffers[1] = column->i64;
        return true;
    }
}

pinpipe_status pp_columns_export(struct ArrowArray *out, pp_columns *columns, pinpipe_error *err) {
    *out = (struct ArrowArray){0};
    /* Only columns that never held a row lack buffers; a table's are read by many threads and stay untouched.
     */
    pinpipe_status status = columns->rows_cap ? PINPIPE_OK : pp_columns_reserve(columns, 1, 0, err);
    if (status < 0) {
        return status;
    }
    bool done = array_init(out, columns, columns->rows, columns->count) != NULL;
    for (int32_t i = 0; done && i < columns->count; i++) {
        done = array_column(out->children[i], columns, &columns->column[i]);
    }
    if (!done) {
        if (out->release) {
            out->release(out);
        }
        return pp_fail_memory(err, "an Arrow array", sizeof *out);
    }
    out->n_buffers = 1;
    return PINPIPE_OK;
}

pinpipe_status pinpipe_batch_export(struct ArrowArray *out, pinpipe_batch *batch, pinpipe_error *err) {
    *out = (struct ArrowArray){0};
    pinpipe_status status =
        batch->columns ? PINPIPE_OK : pp_columns_new(&batch->columns, batch->record, batch->shape, err);
    if (status == PINPIPE_OK) {
        status = pp_columns_export(out, batch->columns, err);
    }
    if (status == PINPIPE_OK) {
        pp_columns_release(batch->columns);
        batch->columns = NULL;
    }
    return status;
}

/* A stream holds the columns of every batch, so that it may outlive the table. */
typedef struct stream_private {
    int32_t record;
    int32_t shape;
    int64_t next;
    int64_t count;
    pinpipe_error err;
    pp_columns *batches[];
} stream_private;

static int stream_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
    stream_private *private = stream->private_data;
    pinpipe_status status = pinpipe_schema_arrow(out, private->record, private->shape, &private->err);
    return status == PINPIPE_OK ? 0 : status == PINPIPE_ENOMEM ? ENOMEM : EINVAL;
}

static int stream_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
    stream_private *private = stream->private_data;
    *out = (struct ArrowArray){0};
    if (private->next == private->count) {
        return 0;
    }
    pinpipe_status status = pp_columns_export(out, private->batches[private->next], &private->err);
    private->next += status == PINPIPE_OK;
    return status == PINPIPE_OK ? 0 : ENOMEM;
}

static const char *stream_error(struct ArrowArrayStream *stream) {
    stream_private *private = stream->private_data;
    return private->err.message[0] ? private->err.message : NULL;
}

static void stream_release(struct ArrowArrayStream *stream) {
    stream_private *private = stream->private_data;
    for (int64_t i = 0; i < private->count; i++) {
        pp_columns_release(private->batches[i]);
    }
    pp_free(private);
    stream->release = NULL;
}

pinpipe_status pinpipe_table_stream(struct ArrowArrayStream *out, const pinpipe_table *table,
                                    pinpipe_error *err) {
    *out = (struct ArrowArrayStream){0};
    size_t size = sizeof(stream_private) + (size_t)table->count * sizeof(pp_columns *);
    stream_private *private = pp_alloc_zero(size);
    if (!private) {
        return pp_fail_memory(err, "an Arrow stream", size);
    }
    private->record = table->record;
    private->shape = table->shape;
    private->err = (pinpipe_error)PINPIPE_ERROR_INIT;
    private->count = table->count;
    for (int64_t i = 0; i < table->count; i++) {
        private->batches[i] = pp_columns_hold(table->batches[i]);
    }
    *out = (struct ArrowArrayStream){stream_schema, stream_next, stream_error, stream_release, private};
    return PINPIPE_OK;
}
