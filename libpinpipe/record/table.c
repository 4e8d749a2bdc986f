/* Turns batches into one immutable table.
 * Never keeps more memory than the rows need: they are copied once, into one allocation a batch.
 * Rules: pinpipe/batch.h. */
#include "record/table.h"

#include <assert.h>

#include "base/memory.h"

pinpipe_status pinpipe_table_new(pinpipe_table **out, int32_t record, int32_t shape, pinpipe_error *err) {
    *out = NULL;
    if (!pp_schema_known(record, shape)) {
        return pp_fail(err, PINPIPE_EINVAL, "no record %d with shape %d", record, shape);
    }
    pinpipe_table *table = pp_alloc_zero(sizeof *table);
    if (!table) {
        return pp_fail_memory(err, "a table", sizeof *table);
    }
    table->record = record;
    table->shape = shape;
    *out = table;
    return PINPIPE_OK;
}

void pinpipe_table_free(pinpipe_table *table) {
    if (!table) {
        return;
    }
    for (int64_t i = 0; i < table->count; i++) {
        pp_columns_release(table->batches[i]);
    }
    pp_free(table->batches);
    pp_free(table);
}

int64_t pinpipe_table_rows(const pinpipe_table *table) {
    return table->rows;
}

int64_t pinpipe_table_batches(const pinpipe_table *table) {
    return table->count;
}

/* Makes room for `more` batches. */
static pinpipe_status table_grow(pinpipe_table *table, int64_t more, pinpipe_error *err) {
    if (table->count + more <= table->cap) {
        return PINPIPE_OK;
    }
    int64_t cap = table->cap * 2 > table->count + more ? table->cap * 2 : table->count + more + 8;
    pp_columns **grown = pp_realloc(table->batches, (size_t)cap * sizeof *grown);
    if (!grown) {
        return pp_fail_memory(err, "a table", (size_t)cap * sizeof *grown);
    }
    table->batches = grown;
    table->cap = cap;
    return PINPIPE_OK;
}

pinpipe_status pp_table_join(pinpipe_table *table, pinpipe_table *other, pinpipe_error *err) {
    pinpipe_status status = table_grow(table, other->count, err);
    if (status == PINPIPE_OK) {
        for (int64_t i = 0; i < other->count; i++) {
            table->batches[table->count++] = other->batches[i];
        }
        table->rows += other->rows;
        other->count = 0;
        other->rows = 0;
    }
    return status;
}

pinpipe_status pinpipe_table_append(pinpipe_table *table, pinpipe_batch *batch, pinpipe_error *err) {
    if (batch->record != table->record || batch->shape != table->shape) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "a batch of record %d, shape %d does not fit a table of record %d, shape %d",
                       batch->record, batch->shape, table->record, table->shape);
    }
    if (pinpipe_batch_rows(batch) == 0) {
        return PINPIPE_OK;
    }
    pp_columns *kept = NULL;
    pinpipe_status status = table_grow(table, 1, err);
    if (status == PINPIPE_OK) {
        status = pp_columns_compact(&kept, batch->columns, err);
    }
    if (status < 0) {
        return status;
    }
    assert(kept);
    table->rows += kept->rows;
    table->batches[table->count++] = kept;
    pinpipe_batch_clear(batch);
    return PINPIPE_OK;
}

pinpipe_status pinpipe_table_at(pinpipe_batch **out, const pinpipe_table *table, int64_t index,
                                pinpipe_error *err) {
    *out = NULL;
    if (index < 0 || index >= table->count) {
        return pp_fail(err, PINPIPE_EINVAL, "no batch %lld in a table of %lld", (long long)index,
                       (long long)table->count);
    }
    pinpipe_status status = pinpipe_batch_new(out, table->record, table->shape, err);
    if (status == PINPIPE_OK) {
        (*out)->columns = pp_columns_hold(table->batches[index]);
    }
    return status;
}
