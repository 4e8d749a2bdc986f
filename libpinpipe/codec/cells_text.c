/* Turns cells back into the JSON of a record.
 * Never fails on odd bytes: they are kept.
 * Rules: CONTRACT §4, "Rejects". */
#include "codec/cells_text.h"

#include <math.h>

#include "text/json_string.h"
#include "text/number.h"
#include "text/time_text.h"

static pinpipe_status text_render(pinpipe_buf *out, const char *text, size_t len, pinpipe_error *err) {
    pinpipe_status status = pp_buf_reserve(out, PP_JSON_ESCAPED_MAX(len) + 2, PP_BUF_MAX, err);
    if (status == PINPIPE_OK) {
        out->ptr[out->len++] = '"';
        out->len += pp_json_escape(out->ptr + out->len, text, len);
        out->ptr[out->len++] = '"';
    }
    return status;
}

static pinpipe_status cell_render(pinpipe_buf *out, const pp_cell *cell, pinpipe_error *err) {
    char text[PP_F64_TEXT_MAX];
    switch (cell->kind) {
    case PP_CELL_TEXT:
        return text_render(out, cell->ptr, cell->len, err);
    case PP_CELL_NUMBER:
        return pp_buf_append(out, cell->ptr, cell->len, err);
    case PP_CELL_I64:
        return pp_buf_append(out, text, pp_number_write_i64(text, cell->value.i64), err);
    case PP_CELL_F64:
        if (!isfinite(cell->value.f64)) {
            return pp_buf_append_text(out, "null", err);
        }
        return pp_buf_append(out, text, pp_number_write_f64(text, cell->value.f64), err);
    case PP_CELL_TIME_US:
        return text_render(out, text, pp_time_write(text, cell->value.i64), err);
    default:
        return pp_buf_append_text(out, "null", err);
    }
}

pinpipe_status pp_cells_render(pinpipe_buf *out, int32_t record, const pp_cell *cells, pinpipe_error *err) {
    int32_t count = 0;
    const pp_raw_row *raw = pp_raw_rows(record, &count);
    pinpipe_status status = pp_buf_append_text(out, "{", err);
    const char *separator = "";
    for (int32_t i = 0; status == PINPIPE_OK && i < count; i++) {
        if (cells[i].kind == PP_CELL_MISSING) {
            continue;
        }
        status = pp_buf_printf(out, err, "%s\"%s\":", separator, raw[i].name);
        status = status < 0 ? status : cell_render(out, &cells[i], err);
        separator = ",";
    }
    return status < 0 ? status : pp_buf_append_text(out, "}", err);
}
