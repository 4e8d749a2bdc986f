/* Turns columns into NDJSON and CSV text.
 * Never knows a column: loops over the shape's types.
 * Rules: CONTRACT §4, "Written out"; RFC 8259, RFC 4180 (line end "\n"). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "pinpipe/decode.h"
#include "record/columns.h"
#include "text/json_string.h"
#include "text/number.h"
#include "text/time_text.h"

/* Room that one value needs at most, without its text. */
#define VALUE_MAX 96

/* Longest `,"name":`. */
#define KEY_MAX 48

typedef struct encoder {
    const pp_columns *columns;
    char *to;
    size_t fixed_max; /* most bytes of a row without its texts and lists */
    struct {
        char text[KEY_MAX]; /* ,"name": */
        size_t len;
    } key[PP_CLEAN_MAX];
} encoder;

static void encoder_open(encoder *e, const pinpipe_batch *batch) {
    pp_step steps[PP_CLEAN_MAX];
    int32_t count = pp_steps(steps, batch->record, batch->shape);
    e->columns = batch->columns;
    e->to = NULL;
    e->fixed_max = 8;
    for (int32_t i = 0; i < count; i++) {
        e->key[i].len = (size_t)snprintf(e->key[i].text, KEY_MAX, "%c\"%s\":", i ? ',' : '{', steps[i].name);
        e->fixed_max += e->key[i].len + VALUE_MAX;
    }
}

static void put(encoder *e, const char *bytes, size_t len) {
    memcpy(e->to, bytes, len);
    e->to += len;
}

/* A double that JSON can carry; Arrow input may hold others. */
static void put_f64(encoder *e, double value) {
    if (isfinite(value)) {
        e->to += pp_number_write_f64(e->to, value);
    } else {
        put(e, "null", 4);
    }
}

static void put_list(encoder *e, const pp_column *column, int64_t row) {
    int64_t end = pp_column_start(column, row + 1);
    *e->to++ = '[';
    for (int64_t i = pp_column_start(column, row); i < end; i++) {
        put_f64(e, column->f64[i]);
        *e->to++ = ',';
    }
    e->to -= end > pp_column_start(column, row);
    *e->to++ = ']';
}

static pinpipe_str text_at(const pp_column *column, int64_t row) {
    int64_t start = pp_column_start(column, row);
    return (pinpipe_str){column->text + start, (size_t)(pp_column_start(column, row + 1) - start)};
}

static void json_value(encoder *e, const pp_column *column, int64_t row) {
    if (pp_column_is_null(column, row)) {
        put(e, "null", 4);
        return;
    }
    switch (column->type) {
    case PINPIPE_TYPE_I64:
        e->to += pp_number_write_i64(e->to, column->i64[row]);
        return;
    case PINPIPE_TYPE_F64:
        put_f64(e, column->f64[row]);
        return;
    case PINPIPE_TYPE_TEXT: {
        pinpipe_str text = text_at(column, row);
        *e->to++ = '"';
        e->to += pp_json_escape(e->to, text.ptr, text.len);
        *e->to++ = '"';
        return;
    }
    case PINPIPE_TYPE_TIME_US: {
        *e->to++ = '"';
        e->to += pp_time_write(e->to, column->i64[row]);
        *e->to++ = '"';
        return;
    }
    case PINPIPE_TYPE_F64_LIST:
        put_list(e, column, row);
        return;
    }
}

static void json_row(encoder *e, int64_t row) {
    for (int32_t i = 0; i < e->columns->count; i++) {
        memcpy(e->to, e->key[i].text,
               KEY_MAX); /* a fixed size is one store; what is too much is overwritten */
        e->to += e->key[i].len;
        json_value(e, &e->columns->column[i], row);
    }
    *e->to++ = '}';
    *e->to++ = '\n';
}

static void csv_text(encoder *e, pinpipe_str text) {
    if (text.len && !memchr(text.ptr, ',', text.len) && !memchr(text.ptr, '"', text.len) &&
        !memchr(text.ptr, '\n', text.len) && !memchr(text.ptr, '\r', text.len)) {
        put(e, text.ptr, text.len);
        return;
    }
    *e->to++ = '"';
    const char *end = text.ptr + text.len;
    for (const char *at = text.ptr; at < end;) {
        const char *quote = memchr(at, '"', (size_t)(end - at));
        const char *stop = quote ? quote + 1 : end;
        put(e, at, (size_t)(stop - at));
        if (quote) {
            *e->to++ = '"';
        }
        at = stop;
    }
    *e->to++ = '"';
}

static void csv_value(encoder *e, const pp_column *column, int64_t row) {
    if (pp_column_is_null(column, row)) {
        return;
    }
    switch (column->type) {
    case PINPIPE_TYPE_TEXT:
        csv_text(e, text_at(column, row));
        return;
    case PINPIPE_TYPE_TIME_US:
        e->to += pp_time_write(e->to, column->i64[row]);
        return;
    case PINPIPE_TYPE_F64_LIST:
        *e->to++ = '"';
        put_list(e, column, row);
        *e->to++ = '"';
        return;
    default:
        json_value(e, column, row);
    }
}

static void csv_row(encoder *e, int64_t row) {
    for (int32_t i = 0; i < e->columns->count; i++) {
        csv_value(e, &e->columns->column[i], row);
        *e->to++ = ',';
    }
    e->to[-1] = '\n';
}

/* Most bytes that one row can need: every byte of text an escape. */
static size_t row_max(const encoder *e, int64_t row) {
    size_t total = e->fixed_max;
    for (int32_t i = 0; i < e->columns->count; i++) {
        const pp_column *column = &e->columns->column[i];
        if (column->type == PINPIPE_TYPE_TEXT) {
            total += PP_JSON_ESCAPED_MAX(text_at(column, row).len);
        } else if (column->type == PINPIPE_TYPE_F64_LIST) {
            total += (size_t)(pp_column_start(column, row + 1) - pp_column_start(column, row)) *
                     (PP_F64_TEXT_MAX + 1);
        }
    }
    return total;
}

pinpipe_status pinpipe_batch_encode(pinpipe_buf *out, const pinpipe_batch *batch, int32_t format,
                                    pinpipe_error *err) {
    if (format != PINPIPE_FORMAT_NDJSON && format != PINPIPE_FORMAT_CSV) {
        return pp_fail(err, PINPIPE_EINVAL, "format %d is not one of NDJSON and CSV", format);
    }
    if (pinpipe_batch_rows(batch) == 0) {
        return pp_buf_reserve(out, 0, PP_BUF_MAX, err);
    }
    encoder e = {0};
    encoder_open(&e, batch);
    pinpipe_status status = PINPIPE_OK;
    for (int64_t row = 0; row < batch->columns->rows; row++) {
        status = pp_buf_reserve(out, row_max(&e, row), PP_BUF_MAX, err);
        if (status < 0) {
            return status;
        }
        e.to = out->ptr + out->len;
        if (format == PINPIPE_FORMAT_NDJSON) {
            json_row(&e, row);
        } else {
            csv_row(&e, row);
        }
        out->len = (size_t)(e.to - out->ptr);
    }
    out->ptr[out->len] = '\0';
    return status;
}
