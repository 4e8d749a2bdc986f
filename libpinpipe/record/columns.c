/* Turns values into Arrow-layout columns that many holders may share once they are full.
 * Never changes columns that somebody else holds.
 * Rules: Arrow columnar format; decoder.md §4. */
#include "record/columns.h"

#include <assert.h>

#include "base/memory.h"

pinpipe_status pp_columns_new(pp_columns **out, int32_t record, int32_t shape, pinpipe_error *err) {
    *out = NULL;
    pp_columns *columns = pp_alloc_zero(sizeof *columns);
    if (!columns) {
        return pp_fail_memory(err, "columns", sizeof *columns);
    }
    pp_step steps[PP_CLEAN_MAX];
    atomic_init(&columns->holders, 1);
    columns->record = record;
    columns->shape = shape;
    columns->count = pp_steps(steps, record, shape);
    for (int32_t i = 0; i < columns->count; i++) {
        columns->column[i].type = steps[i].type;
    }
    *out = columns;
    return PINPIPE_OK;
}

pp_columns *pp_columns_hold(pp_columns *columns) {
    atomic_fetch_add(&columns->holders, 1);
    return columns;
}

static bool is_variable(pinpipe_type type) {
    return type == PINPIPE_TYPE_TEXT || type == PINPIPE_TYPE_F64_LIST;
}

static void column_free(pp_column *column) {
    pp_free(column->validity);
    pp_free(column->offsets);
    pp_free(column->text);
    pp_free(column->i64);
    pp_free(column->f64);
}

void pp_columns_release(pp_columns *columns) {
    if (!columns || atomic_fetch_sub(&columns->holders, 1) != 1) {
        return;
    }
    for (int32_t i = 0; !columns->block && i < columns->count; i++) {
        column_free(&columns->column[i]);
    }
    pp_free(columns->block);
    pp_free(columns);
}

void pp_columns_clear(pp_columns *columns) {
    assert(atomic_load(&columns->holders) == 1);
    for (int32_t i = 0; i < columns->count; i++) {
        pp_column *column = &columns->column[i];
        if (is_variable(column->type) && columns->rows > 0) {
            int64_t used = pp_column_start(column, columns->rows);
            column->text_max = used > column->text_max ? used : column->text_max;
        }
        if (column->null_count > 0) {
            memset(column->validity, 0xff, (size_t)(columns->rows_cap + 7) / 8);
            column->null_count = 0;
        }
    }
    columns->rows = 0;
    columns->input_bytes = 0;
    columns->reserved_rows = 0;
    columns->reserved_bytes = 0;
}

static pinpipe_status bytes_resize(void **bytes, int64_t count, size_t size, pinpipe_error *err) {
    size_t total = (size_t)count * size;
    void *grown = pp_realloc(*bytes, total ? total : 1);
    if (!grown) {
        return pp_fail_memory(err, "a column", total);
    }
    *bytes = grown;
    return PINPIPE_OK;
}

/* Row-sized parts of one column: validity, offsets or values. */
static pinpipe_status column_grow_rows(pp_column *column, int64_t old_cap, int64_t cap, pinpipe_error *err) {
    int64_t old_bytes = (old_cap + 7) / 8;
    int64_t bytes = (cap + 7) / 8;
    pinpipe_status status = bytes_resize((void **)&column->validity, bytes, 1, err);
    if (status < 0) {
        return status;
    }
    memset(column->validity + old_bytes, 0xff, (size_t)(bytes - old_bytes));
    switch (column->type) {
    case PINPIPE_TYPE_TEXT:
    case PINPIPE_TYPE_F64_LIST:
        status = bytes_resize((void **)&column->offsets, cap + 1, sizeof *column->offsets, err);
        if (status == PINPIPE_OK && old_cap == 0) {
            column->offsets[0] = 0;
        }
        return status;
    case PINPIPE_TYPE_F64:
        return bytes_resize((void **)&column->f64, cap, sizeof *column->f64, err);
    default:
        return bytes_resize((void **)&column->i64, cap, sizeof *column->i64, err);
    }
}

static pinpipe_status column_grow_content(pp_column *column, const pp_columns *columns, int64_t rows,
                                          int64_t text_bytes, pinpipe_error *err) {
    if (!is_variable(column->type)) {
        return PINPIPE_OK;
    }
    bool is_text = column->type == PINPIPE_TYPE_TEXT;
    int64_t more = is_text ? text_bytes : 2 * rows;
    int64_t most = is_text ? columns->most_bytes : more;
    int64_t needed = pp_column_start(column, columns->rows) + more;
    /* An empty column is made as large as the last batches were, and a good deal more, so that batches of
     * like content need no further memory. */
    bool is_close = columns->rows == 0 && column->text_max + column->text_max / 16 + most > column->text_cap;
    if (needed <= column->text_cap && !is_close) {
        return PINPIPE_OK;
    }
    if (needed > PP_COLUMN_TEXT_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "a text column would pass %lld bytes in one batch",
                       (long long)PP_COLUMN_TEXT_MAX);
    }
    needed = is_close ? column->text_max + column->text_max / 4 + most : needed;
    int64_t cap = column->text_cap + column->text_cap / 2;
    cap = cap < needed ? needed : cap;
    cap = cap > PP_COLUMN_TEXT_MAX ? PP_COLUMN_TEXT_MAX : cap;
    pinpipe_status status = is_text ? bytes_resize((void **)&column->text, cap, 1, err)
                                    : bytes_resize((void **)&column->f64, cap, sizeof *column->f64, err);
    if (status == PINPIPE_OK) {
        column->text_cap = cap;
    }
    return status;
}

pinpipe_status pp_columns_reserve(pp_columns *columns, int64_t rows, int64_t text_bytes, pinpipe_error *err) {
    assert(rows >= 0 && text_bytes >= 0);
    pinpipe_status status = PINPIPE_OK;
    int64_t needed = columns->rows + rows;
    if (needed > columns->rows_cap) {
        int64_t cap = columns->rows_cap + columns->rows_cap / 2;
        cap = ((cap < needed ? needed : cap) + 63) & ~(int64_t)63;
        for (int32_t i = 0; status == PINPIPE_OK && i < columns->count; i++) {
            status = column_grow_rows(&columns->column[i], columns->rows_cap, cap, err);
        }
        if (status < 0) {
            return status;
        }
        columns->rows_cap = cap;
    }
    columns->most_bytes = text_bytes > columns->most_bytes ? text_bytes : columns->most_bytes;
    for (int32_t i = 0; status == PINPIPE_OK && i < columns->count; i++) {
        status = column_grow_content(&columns->column[i], columns, rows, text_bytes, err);
    }
    if (status == PINPIPE_OK) {
        columns->reserved_rows = columns->rows + rows;
        columns->reserved_bytes = columns->input_bytes + text_bytes;
    }
    return status;
}

#define COMPACT_ALIGNMENT ((size_t)64)

/* A cursor over one allocation; with a NULL base it only counts. */
typedef struct block_cursor {
    char *base;
    size_t at;
} block_cursor;

static void *block_copy(block_cursor *block, const void *bytes, size_t len) {
    void *to = block->base ? block->base + block->at : NULL;
    if (to && len) {
        memcpy(to, bytes, len);
    }
    block->at += (len + COMPACT_ALIGNMENT - 1) & ~(COMPACT_ALIGNMENT - 1);
    return to;
}

static void column_compact(pp_column *out, const pp_column *column, int64_t rows, block_cursor *block) {
    *out = (pp_column){.type = column->type, .null_count = column->null_count};
    out->validity = block_copy(block, column->validity, (size_t)(rows + 7) / 8);
    if (!is_variable(column->type)) {
        if (column->type == PINPIPE_TYPE_F64) {
            out->f64 = block_copy(block, column->f64, (size_t)rows * sizeof *column->f64);
        } else {
            out->i64 = block_copy(block, column->i64, (size_t)rows * sizeof *column->i64);
        }
        return;
    }
    out->offsets = block_copy(block, column->offsets, (size_t)(rows + 1) * sizeof *column->offsets);
    out->text_cap = pp_column_start(column, rows);
    if (column->type == PINPIPE_TYPE_TEXT) {
        out->text = block_copy(block, column->text, (size_t)out->text_cap);
    } else {
        out->f64 = block_copy(block, column->f64, (size_t)out->text_cap * sizeof *column->f64);
    }
}

static size_t columns_pack(pp_columns *out, const pp_columns *columns, char *base) {
    block_cursor block = {base, 0};
    for (int32_t i = 0; i < columns->count; i++) {
        column_compact(&out->column[i], &columns->column[i], columns->rows, &block);
    }
    return block.at;
}

pinpipe_status pp_columns_compact(pp_columns **out, const pp_columns *columns, pinpipe_error *err) {
    pinpipe_status status = pp_columns_new(out, columns->record, columns->shape, err);
    if (status < 0) {
        return status;
    }
    assert(*out);
    size_t size = columns_pack(*out, columns, NULL) + COMPACT_ALIGNMENT;
    (*out)->block = pp_alloc(size);
    if (!(*out)->block) {
        pp_columns_release(*out);
        *out = NULL;
        return pp_fail_memory(err, "a table's batch", size);
    }
    uintptr_t start = (uintptr_t)(*out)->block;
    size_t skip = (COMPACT_ALIGNMENT - start % COMPACT_ALIGNMENT) % COMPACT_ALIGNMENT;
    columns_pack(*out, columns, (char *)(*out)->block + skip);
    (*out)->rows = columns->rows;
    (*out)->rows_cap = columns->rows;
    return PINPIPE_OK;
}

void pp_columns_undo(pp_columns *columns, int64_t row) {
    for (int32_t i = 0; i < columns->count; i++) {
        pp_column *column = &columns->column[i];
        if (pp_column_is_null(column, row)) {
            column->validity[row >> 3] |= (uint8_t)(1u << (row & 7));
            column->null_count--;
        }
    }
}
