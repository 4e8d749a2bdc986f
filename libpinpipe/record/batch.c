/* Turns columns into the batch handle that programs read.
 * Never copies a value.
 * Rules: pinpipe/batch.h. */
#include <assert.h>

#include "base/memory.h"
#include "record/columns.h"

pinpipe_status pinpipe_batch_new(pinpipe_batch **out, int32_t record, int32_t shape, pinpipe_error *err) {
    *out = NULL;
    if (!pp_schema_known(record, shape)) {
        return pp_fail(err, PINPIPE_EINVAL, "no record %d with shape %d", record, shape);
    }
    pinpipe_batch *batch = pp_alloc_zero(sizeof *batch);
    if (!batch) {
        return pp_fail_memory(err, "a batch", sizeof *batch);
    }
    batch->record = record;
    batch->shape = shape;
    *out = batch;
    return PINPIPE_OK;
}

void pinpipe_batch_free(pinpipe_batch *batch) {
    if (batch) {
        pp_columns_release(batch->columns);
        pp_free(batch);
    }
}

void pinpipe_batch_clear(pinpipe_batch *batch) {
    if (!batch->columns) {
        return;
    }
    if (atomic_load(&batch->columns->holders) == 1) {
        pp_columns_clear(batch->columns);
    } else {
        pp_columns_release(batch->columns);
        batch->columns = NULL;
    }
}

pinpipe_status pp_batch_columns(pp_columns **out, pinpipe_batch *batch, pinpipe_error *err) {
    *out = NULL;
    if (batch->columns && atomic_load(&batch->columns->holders) > 1) {
        return pp_fail(err, PINPIPE_EINVAL, "a batch that a table holds cannot be filled");
    }
    pinpipe_status status =
        batch->columns ? PINPIPE_OK : pp_columns_new(&batch->columns, batch->record, batch->shape, err);
    *out = batch->columns;
    return status;
}

int64_t pinpipe_batch_rows(const pinpipe_batch *batch) {
    return batch->columns ? batch->columns->rows : 0;
}

int32_t pinpipe_batch_record(const pinpipe_batch *batch) {
    return batch->record;
}

int32_t pinpipe_batch_shape(const pinpipe_batch *batch) {
    return batch->shape;
}

static const pp_column *column_at(const pinpipe_batch *batch, int64_t row, int32_t column) {
    assert(row >= 0 && row < pinpipe_batch_rows(batch));
    assert(column >= 0 && column < batch->columns->count);
    (void)row;
    return &batch->columns->column[column];
}

bool pinpipe_batch_is_null(const pinpipe_batch *batch, int64_t row, int32_t column) {
    return pp_column_is_null(column_at(batch, row, column), row);
}

int64_t pinpipe_batch_i64(const pinpipe_batch *batch, int64_t row, int32_t column) {
    const pp_column *values = column_at(batch, row, column);
    assert(values->type == PINPIPE_TYPE_I64 || values->type == PINPIPE_TYPE_TIME_US);
    return values->i64[row];
}

double pinpipe_batch_f64(const pinpipe_batch *batch, int64_t row, int32_t column) {
    const pp_column *values = column_at(batch, row, column);
    assert(values->type == PINPIPE_TYPE_F64);
    return values->f64[row];
}

pinpipe_str pinpipe_batch_str(const pinpipe_batch *batch, int64_t row, int32_t column) {
    const pp_column *values = column_at(batch, row, column);
    assert(values->type == PINPIPE_TYPE_TEXT);
    int64_t start = pp_column_start(values, row);
    return (pinpipe_str){values->text ? values->text + start : "",
                         (size_t)(pp_column_start(values, row + 1) - start)};
}

const double *pinpipe_batch_list(int64_t *count, const pinpipe_batch *batch, int64_t row, int32_t column) {
    const pp_column *values = column_at(batch, row, column);
    assert(values->type == PINPIPE_TYPE_F64_LIST);
    int64_t start = pp_column_start(values, row);
    *count = pp_column_start(values, row + 1) - start;
    return values->f64 + start;
}
