/* Turns values into Arrow-layout columns that many holders may share once they are full.
 * Never checks capacity per value: a writer reserves for a whole chunk first.
 * Rules: Arrow columnar format; decoder.md §4 (reserve per chunk, 64-bit starts, validity preset to ones). */
#ifndef PP_RECORD_COLUMNS_H
#define PP_RECORD_COLUMNS_H

#include <stdatomic.h>
#include <string.h>

#include "base/error.h"
#include "pinpipe/batch.h"
#include "schema/schema.h"

/** Greatest bytes of text in one column of one batch; offsets are int32. */
#define PP_COLUMN_TEXT_MAX ((int64_t)2000000000)

typedef struct pp_column {
    pinpipe_type type;
    uint8_t *validity; /* a bit a row, 1 = there; preset to ones */
    int64_t null_count;
    int32_t *offsets; /* TEXT, F64_LIST: rows + 1 */
    char *text;       /* TEXT */
    int64_t *i64;     /* I64, TIME_US */
    double *f64;      /* F64, F64_LIST */
    int64_t text_cap; /* bytes of text, or doubles of f64 in a list */
    int64_t text_max; /* the most of them that a batch had before it was cleared */
} pp_column;

typedef struct pp_columns {
    atomic_int holders;
    int32_t record;
    int32_t shape;
    int32_t count;
    int64_t rows;
    int64_t rows_cap;
    int64_t input_bytes;    /* what was read to fill it; bounds the text columns */
    int64_t reserved_rows;  /* rows up to which pp_columns_reserve made room */
    int64_t reserved_bytes; /* and the input_bytes up to which it did */
    int64_t most_bytes;     /* of text that it made room for at once */
    void *block; /* compact columns: the one allocation that holds every buffer; they cannot grow */
    pp_column column[PP_CLEAN_MAX];
} pp_columns;

pinpipe_status pp_columns_new(pp_columns **out, int32_t record, int32_t shape, pinpipe_error *err);
pp_columns *pp_columns_hold(pp_columns *columns);
void pp_columns_release(pp_columns *columns);

/** Takes the rows out; only for a sole holder. */
void pp_columns_clear(pp_columns *columns);

/** Makes room for `rows` more rows and `text_bytes` more bytes in every text column. */
pinpipe_status pp_columns_reserve(pp_columns *columns, int64_t rows, int64_t text_bytes, pinpipe_error *err);

/** Makes a row that was written, behind the rows, as if it had not been: its nulls are taken back. */
void pp_columns_undo(pp_columns *columns, int64_t row);

/** True where one more record of `input_bytes` needs no other reservation. Text that a record's ops add to
 * its own bytes was reserved with the rows. */
static inline bool pp_columns_has_room(const pp_columns *columns, int64_t input_bytes) {
    return columns->rows < columns->reserved_rows &&
           columns->input_bytes + input_bytes <= columns->reserved_bytes;
}

/** Copies the rows into columns of exactly their size, in one allocation: what a table keeps. The source
 * stays as warm in memory as it was, for the next rows. */
pinpipe_status pp_columns_compact(pp_columns **out, const pp_columns *columns, pinpipe_error *err);

/** Bytes of text, or items of a list, that a row begins at. */
static inline int64_t pp_column_start(const pp_column *column, int64_t row) {
    return column->offsets[row];
}

static inline bool pp_column_is_null(const pp_column *column, int64_t row) {
    return !(column->validity[row >> 3] >> (row & 7) & 1);
}

static inline void pp_column_put_i64(pp_column *column, int64_t row, int64_t value) {
    column->i64[row] = value;
}

static inline void pp_column_put_f64(pp_column *column, int64_t row, double value) {
    column->f64[row] = value;
}

static inline void pp_column_put_text(pp_column *column, int64_t row, const char *text, size_t len) {
    int32_t start = column->offsets[row];
    if (len && text != column->text + start) { /* it may stand there already */
        memcpy(column->text + start, text, len);
    }
    column->offsets[row + 1] = start + (int32_t)len;
}

static inline void pp_column_put_pair(pp_column *column, int64_t row, double first, double second) {
    int32_t start = column->offsets[row];
    column->f64[start] = first;
    column->f64[start + 1] = second;
    column->offsets[row + 1] = start + 2;
}

static inline void pp_column_put_null(pp_column *column, int64_t row) {
    column->validity[row >> 3] &= (uint8_t) ~(1u << (row & 7));
    column->null_count++;
    switch (column->type) {
    case PINPIPE_TYPE_TEXT:
    case PINPIPE_TYPE_F64_LIST:
        column->offsets[row + 1] = column->offsets[row];
        break;
    case PINPIPE_TYPE_F64:
        column->f64[row] = 0;
        break;
    default:
        column->i64[row] = 0;
    }
}

struct pinpipe_batch {
    pp_columns *columns; /* NULL after an export, until it is filled again */
    int32_t record;
    int32_t shape;
};

/** The batch's columns to write to: new ones after an export. */
pinpipe_status pp_batch_columns(pp_columns **out, pinpipe_batch *batch, pinpipe_error *err);

/** Describes shared columns as an Arrow struct array that holds them. */
pinpipe_status pp_columns_export(struct ArrowArray *out, pp_columns *columns, pinpipe_error *err);

#endif
