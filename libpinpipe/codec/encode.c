/* Turns columns into NDJSON and CSV text.
 * Never knows a column: loops over the shape's types.
 * Rules: CONTRACT §4, "Written out"; RFC 8259, RFC 4180 (line end "\n"). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "pinpipe/decode.h"
#include "record/columns.h"
#include "text/block_csv.h"
#include "text/json_string.h"
#include "text/number.h"
#include "text/time_text.h"

/* Room that one value needs at most, without its text; a block that is copied whole lies within it. */
#define VALUE_MAX 96

/* Longest `,"name":`; most are no longer than the short size, which is one store. */
#define KEY_MAX 48
#define KEY_SHORT 16

/* Room is made for several rows at once as long as they need no more than this. */
#define ROOM_ROWS 64
#define ROOM_BYTES ((size_t)1 << 20)

typedef struct field {
    const pp_column *column;
    int64_t text_end; /* bytes of text in the column: all that may be read */
    size_t key_len;
    char key[KEY_MAX]; /* ,"name": */
} field;

typedef struct encoder {
    int32_t count;
    size_t fixed_max; /* most bytes of a row without its texts and lists */
    field fields[PP_CLEAN_MAX];
} encoder;

static void encoder_open(encoder *e, const pinpipe_batch *batch) {
    pp_step steps[PP_CLEAN_MAX];
    e->count = pp_steps(steps, batch->record, batch->shape);
    e->fixed_max = PP_BLOCK;
    for (int32_t i = 0; i < e->count; i++) {
        field *f = &e->fields[i];
        f->column = &batch->columns->column[i];
        f->text_end = f->column->offsets ? pp_column_start(f->column, batch->columns->rows) : 0;
        f->key_len = (size_t)snprintf(f->key, KEY_MAX, "%c\"%s\":", i ? ',' : '{', steps[i].name);
        e->fixed_max += f->key_len + VALUE_MAX;
    }
}

static inline char *put_null(char *to) {
    memcpy(to, "null", 4);
    return to + 4;
}

/* A double that JSON can carry; Arrow input may hold others. */
static inline char *put_f64(char *to, double value) {
    return isfinite(value) ? to + pp_number_write_f64(to, value) : put_null(to);
}

static char *put_list(char *to, const pp_column *column, int64_t row) {
    int64_t start = pp_column_start(column, row);
    int64_t end = pp_column_start(column, row + 1);
    *to++ = '[';
    for (int64_t i = start; i < end; i++) {
        to = put_f64(to, column->f64[i]);
        *to++ = ',';
    }
    to -= end > start;
    *to++ = ']';
    return to;
}

static inline bool is_null(const pp_column *column, int64_t row) {
    return column->null_count && pp_column_is_null(column, row);
}

static inline size_t text_len(const pp_column *column, int64_t row) {
    return (size_t)(pp_column_start(column, row + 1) - pp_column_start(column, row));
}

/* True where whole blocks of the row's text may be read, also beyond its end. */
static inline bool has_blocks(const field *f, int64_t row) {
    return pp_column_start(f->column, row + 1) + PP_BLOCK <= f->text_end;
}

static inline char *json_text(char *to, const field *f, int64_t row) {
    const char *text = f->column->text + pp_column_start(f->column, row);
    size_t len = text_len(f->column, row);
    size_t at = 0;
    while (has_blocks(f, row)) {
        pp_block_scan scan = pp_block_copy(to + at, text + at);
        if (scan.stop && pp_block_first(scan.stop) < len - at) {
            at += pp_block_first(scan.stop);
            break;
        }
        if (len - at <= PP_BLOCK) {
            return to + len;
        }
        at += PP_BLOCK;
    }
    return to + at + pp_json_escape(to + at, text + at, len - at);
}

static char *json_value(char *to, const field *f, int64_t row) {
    const pp_column *column = f->column;
    if (is_null(column, row)) {
        return put_null(to);
    }
    switch (column->type) {
    case PINPIPE_TYPE_I64:
        return to + pp_number_write_i64(to, column->i64[row]);
    case PINPIPE_TYPE_F64:
        return put_f64(to, column->f64[row]);
    case PINPIPE_TYPE_TEXT:
        *to = '"';
        to = json_text(to + 1, f, row);
        *to = '"';
        return to + 1;
    case PINPIPE_TYPE_TIME_US:
        *to = '"';
        to += 1 + pp_time_write(to + 1, column->i64[row]);
        *to = '"';
        return to + 1;
    case PINPIPE_TYPE_F64_LIST:
        return put_list(to, column, row);
    }
    return to;
}

static char *json_row(char *to, const encoder *e, int64_t row) {
    for (const field *f = e->fields; f < e->fields + e->count; f++) {
        /* A fixed size is a store or three; what is too much is overwritten. */
        memcpy(to, f->key, KEY_SHORT);
        if (f->key_len > KEY_SHORT) {
            memcpy(to, f->key, KEY_MAX);
        }
        to = json_value(to + f->key_len, f, row);
    }
    *to = '}';
    return to + 1;
}

static char *csv_quoted(char *to, const char *text, size_t len) {
    const char *end = text + len;
    *to++ = '"';
    while (text < end) {
        const char *quote = memchr(text, '"', (size_t)(end - text));
        size_t taken = (size_t)((quote ? quote + 1 : end) - text);
        memcpy(to, text, taken);
        to += taken;
        text += taken;
        if (quote) {
            *to++ = '"';
        }
    }
    *to++ = '"';
    return to;
}

static bool csv_is_plain(const char *text, size_t len) {
    return len && !memchr(text, ',', len) && !memchr(text, '"', len) && !memchr(text, '\n', len) &&
           !memchr(text, '\r', len);
}

static inline char *csv_text(char *to, const field *f, int64_t row) {
    const char *text = f->column->text + pp_column_start(f->column, row);
    size_t len = text_len(f->column, row);
    if (!has_blocks(f, row) || len == 0) {
        if (!csv_is_plain(text, len)) {
            return csv_quoted(to, text, len);
        }
        memcpy(to, text, len);
        return to + len;
    }
    for (size_t at = 0; at < len; at += PP_BLOCK) {
        pp_block_mask marks = pp_block_copy_csv(to + at, text + at);
        if (marks && pp_block_first(marks) < len - at) {
            return csv_quoted(to, text, len);
        }
    }
    return to + len;
}

static char *csv_value(char *to, const field *f, int64_t row) {
    const pp_column *column = f->column;
    if (is_null(column, row)) {
        return to;
    }
    switch (column->type) {
    case PINPIPE_TYPE_TEXT:
        return csv_text(to, f, row);
    case PINPIPE_TYPE_TIME_US:
        return to + pp_time_write(to, column->i64[row]);
    case PINPIPE_TYPE_F64_LIST:
        *to = '"';
        to = put_list(to + 1, column, row);
        *to = '"';
        return to + 1;
    case PINPIPE_TYPE_I64:
        return to + pp_number_write_i64(to, column->i64[row]);
    case PINPIPE_TYPE_F64:
        return put_f64(to, column->f64[row]);
    }
    return to;
}

static char *csv_row(char *to, const encoder *e, int64_t row) {
    for (const field *f = e->fields; f < e->fields + e->count; f++) {
        to = csv_value(to, f, row);
        *to++ = ',';
    }
    return to - 1;
}

/* Most bytes that rows can need: every byte of text an escape. */
static size_t rows_max(const encoder *e, int64_t row, int64_t count) {
    size_t total = e->fixed_max * (size_t)count;
    for (const field *f = e->fields; f < e->fields + e->count; f++) {
        const pp_column *column = f->column;
        if (column->offsets) {
            size_t items = (size_t)(pp_column_start(column, row + count) - pp_column_start(column, row));
            total += column->type == PINPIPE_TYPE_TEXT ? PP_JSON_ESCAPED_MAX(items)
                                                       : items * (PP_F64_TEXT_MAX + 1);
        }
    }
    return total;
}

/* Makes room for the next rows: as many as it says, at least one. */
static pinpipe_status rows_reserve(int64_t *count, pinpipe_buf *out, const encoder *e, int64_t row,
                                   int64_t rows, pinpipe_error *err) {
    *count = rows - row < ROOM_ROWS ? rows - row : ROOM_ROWS;
    size_t needed = rows_max(e, row, *count);
    while (needed > ROOM_BYTES && *count > 1) {
        *count /= 2;
        needed = rows_max(e, row, *count);
    }
    return pp_buf_reserve(out, needed, PP_BUF_MAX, err);
}

pinpipe_status pinpipe_batch_encode(pinpipe_buf *out, const pinpipe_batch *batch, int32_t format,
                                    pinpipe_error *err) {
    if (format != PINPIPE_FORMAT_NDJSON && format != PINPIPE_FORMAT_CSV) {
        return pp_fail(err, PINPIPE_EINVAL, "format %d is not one of NDJSON and CSV", format);
    }
    if (pinpipe_batch_rows(batch) == 0) {
        return pp_buf_reserve(out, 0, PP_BUF_MAX, err);
    }
    encoder e;
    encoder_open(&e, batch);
    int64_t rows = batch->columns->rows;
    for (int64_t row = 0; row < rows;) {
        int64_t count = 0;
        pinpipe_status status = rows_reserve(&count, out, &e, row, rows, err);
        if (status < 0) {
            return status;
        }
        char *to = out->ptr + out->len;
        for (int64_t end = row + count; row < end; row++) {
            to = format == PINPIPE_FORMAT_NDJSON ? json_row(to, &e, row) : csv_row(to, &e, row);
            *to++ = '\n';
        }
        out->len = (size_t)(to - out->ptr);
    }
    out->ptr[out->len] = '\0';
    return PINPIPE_OK;
}

pinpipe_status pinpipe_batch_encode_values(pinpipe_buf *out, int64_t *offsets, const pinpipe_batch *batch,
                                           pinpipe_error *err) {
    int64_t rows = pinpipe_batch_rows(batch);
    pinpipe_status status = pp_buf_reserve(out, 0, PP_BUF_MAX, err);
    offsets[0] = (int64_t)out->len;
    if (status < 0 || rows == 0) {
        return status;
    }
    encoder e;
    encoder_open(&e, batch);
    for (int64_t row = 0; row < rows;) {
        int64_t count = 0;
        status = rows_reserve(&count, out, &e, row, rows, err);
        if (status < 0) {
            return status;
        }
        char *to = out->ptr + out->len;
        for (int64_t end = row + count; row < end; row++) {
            to = json_row(to, &e, row);
            offsets[row + 1] = to - out->ptr;
        }
        out->len = (size_t)(to - out->ptr);
    }
    out->ptr[out->len] = '\0';
    return PINPIPE_OK;
}
