/* Turns columns into NDJSON and CSV text.
 * Never knows a column: loops over the shape's types.
 * Rules: CONTRACT §4, "Written out"; RFC 8259, RFC 4180 (line end "\n"). */
#include <math.h>
#include <string.h>

#include "base/buffer.h"
#include "pinpipe/decode.h"
#include "record/columns.h"
#include "text/json_string.h"
#include "text/number.h"
#include "text/time_text.h"

/* Room that one value needs at most, without its text. */
#define VALUE_MAX 96

typedef struct encoder {
    const pp_columns *columns;
    pp_step steps[PP_CLEAN_MAX];
    char *to;
} encoder;

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
    *e->to++ = '{';
    for (int32_t i = 0; i < e->columns->count; i++) {
        *e->to++ = '"';
        put(e, e->steps[i].name, strlen(e->steps[i].name));
        put(e, "\":", 2);
        json_value(e, &e->columns->column[i], row);
        *e->to++ = ',';
    }
    e->to[-1] = '}';
    *e->to++ = '\n';
}

static void csv_text(encoder *e, pinpipe_str text) {
    bool quoted = text.len == 0;
    for (size_t i = 0; !quoted && i < text.len; i++) {
        char byte = text.ptr[i];
        quoted = byte == '"' || byte == ',' || byte == '\n' || byte == '\r';
    }
    if (!quoted) {
        put(e, text.ptr, text.len);
        return;
    }
    *e->to++ = '"';
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"') {
            *e->to++ = '"';
        }
        *e->to++ = text.ptr[i];
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

/* Most bytes that one row's text can need: every byte an escape, plus names and values. */
static size_t row_max(const encoder *e, int64_t row) {
    size_t total = 4;
    for (int32_t i = 0; i < e->columns->count; i++) {
        const pp_column *column = &e->columns->column[i];
        total += strlen(e->steps[i].name) + VALUE_MAX;
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
    encoder e = {.columns = batch->columns};
    pp_steps(e.steps, batch->record, batch->shape);
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
