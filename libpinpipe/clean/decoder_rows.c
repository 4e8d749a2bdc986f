/* Turns rows that have no bytes of their own (payloads, databases, Arrow) into columns by the same ops.
 * Never copies text but to the column.
 * Rules: CONTRACT §4; DESIGN §2, "The way of the data". */
#include <string.h>

#include "clean/decoder.h"
#include "codec/arrow_cells.h"
#include "codec/cells_text.h"
#include "text/json_string.h"
#include "text/utf8.h"

/* Room for what one cell may become besides its text: a number's or a timestamp's spelling. */
#define CELL_TEXT_BYTES 64

static pinpipe_status row_result(const pinpipe_report *report, int64_t rejected_before) {
    return report->rejected > rejected_before ? PINPIPE_PARTIAL : PINPIPE_OK;
}

/* Records for which room is made at once, and bytes beside their own. */
#define PAYLOAD_ROWS 64
#define PAYLOAD_BYTES ((int64_t)64 << 10)

/* Room in the columns, the scratch and the carry for one payload, with a line end and whole blocks behind it.
 */
static pinpipe_status payload_reserve(pinpipe_decoder *decoder, pp_columns *columns, size_t len,
                                      pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    if (!pp_columns_has_room(columns, (int64_t)len + PP_FAST_ROOM + 1)) {
        int64_t room = decoder->batch_rows - columns->rows;
        int64_t rows = room < PAYLOAD_ROWS ? room : PAYLOAD_ROWS;
        int64_t text_bytes = (int64_t)len + PAYLOAD_BYTES + INT64_C(2) * PP_FAST_ROOM;
        status = pp_columns_reserve(columns, rows, text_bytes + pp_decoder_growth(decoder, rows), err);
    }
    pp_buf_clear(&decoder->carry);
    pp_buf_clear(&decoder->scratch);
    if (status == PINPIPE_OK) {
        status = pp_buf_reserve(&decoder->scratch, len, PP_BUF_MAX, err);
    }
    size_t cap = decoder->carry.cap;
    if (status == PINPIPE_OK) {
        status = pp_buf_reserve(&decoder->carry, len + 1 + PP_FAST_PADDING, PP_BUF_MAX, err);
    }
    if (decoder->carry.cap > cap) { /* what is read behind a line need not be its own, but something */
        memset(decoder->carry.ptr, 0, decoder->carry.cap);
    }
    return status;
}

static pinpipe_status payload_take(pinpipe_decoder *decoder, pp_columns *columns,
                                   const pp_record_text *source, pinpipe_report *report, pinpipe_error *err) {
    pp_fault fault = {0};
    bool is_read = false;
    pinpipe_status status =
        pp_decoder_read(&is_read, &fault, decoder, (pinpipe_str){source->text, source->len}, err);
    if (status < 0) {
        return status;
    }
    if (!is_read) {
        return pp_decoder_reject(decoder, &fault, source, report, err);
    }
    int64_t rows = columns->rows;
    status = pp_decoder_accept(decoder, columns, source, report, err);
    if (status == PINPIPE_OK && columns->rows > rows) {
        pp_fast_learn(&decoder->fast, &decoder->plan, &decoder->fields, source->text, source->len + 1);
    }
    return status;
}

pinpipe_status pinpipe_decoder_feed_record(pinpipe_decoder *decoder, pinpipe_batch *batch,
                                           pinpipe_str payload, pinpipe_report *report, pinpipe_error *err) {
    pp_columns *columns = NULL;
    int64_t rejected = report->rejected;
    pinpipe_status status = pp_decoder_open(&columns, decoder, batch, report, err);
    if (status < 0 || pp_decoder_is_full(decoder, columns)) {
        return status < 0 ? status : PINPIPE_AGAIN;
    }
    pp_record_text source = {payload.ptr ? payload.ptr : "", payload.len, (int64_t)payload.len, 0};
    if ((int64_t)payload.len > decoder->max_record_bytes) {
        pp_fault fault = {PP_OUTCOME_TOO_LARGE, "larger than max_record_bytes",
                          (size_t)decoder->max_record_bytes};
        status = pp_decoder_reject(decoder, &fault, &source, report, err);
        return status < 0 ? status : row_result(report, rejected);
    }
    status = payload_reserve(decoder, columns, payload.len, err);
    if (status < 0) {
        return status;
    }
    memcpy(decoder->carry.ptr, source.text, payload.len);
    decoder->carry.ptr[payload.len] = '\n';
    source.text = decoder->carry.ptr;
    if (!pp_decoder_take_line(decoder, columns, (pinpipe_str){source.text, payload.len + 1}, report)) {
        status = payload_take(decoder, columns, &source, report, err);
    }
    pp_buf_clear(&decoder->carry);
    return status < 0 ? status : row_result(report, rejected);
}

/* A public cell as the ops see it. */
static pp_cell cell_convert(const pinpipe_cell *cell) {
    static const pp_cell_kind kinds[] = {
        [PINPIPE_CELL_NULL] = PP_CELL_NULL,       [PINPIPE_CELL_TEXT] = PP_CELL_TEXT,
        [PINPIPE_CELL_I64] = PP_CELL_I64,         [PINPIPE_CELL_F64] = PP_CELL_F64,
        [PINPIPE_CELL_TIME_US] = PP_CELL_TIME_US, [PINPIPE_CELL_MISSING] = PP_CELL_MISSING,
        [PINPIPE_CELL_OTHER] = PP_CELL_OTHER,
    };
    bool is_known = cell->kind >= 0 && cell->kind <= PINPIPE_CELL_OTHER;
    pp_cell out = {.kind = is_known ? kinds[cell->kind] : PP_CELL_OTHER};
    if (out.kind == PP_CELL_TEXT) {
        out.ptr = cell->str.ptr ? cell->str.ptr : "";
        out.len = cell->str.len;
    } else if (out.kind == PP_CELL_F64) {
        out.value.f64 = cell->f64;
    } else {
        out.value.i64 = cell->i64;
    }
    return out;
}

static bool cells_are_text(const pp_record_cells *cells, int32_t count) {
    for (int32_t i = 0; i < count; i++) {
        const pp_cell *cell = &cells->cell[i];
        if (cell->kind == PP_CELL_TEXT && pp_utf8_span(cell->ptr, cell->len) < cell->len) {
            return false;
        }
    }
    return true;
}

/* Accepts or rejects the row that is in decoder->cells. Its JSON is made only where a reject may have to keep
 * it. */
static pinpipe_status cells_take(pinpipe_decoder *decoder, pp_columns *columns, int64_t text_bytes,
                                 pinpipe_report *report, pinpipe_error *err) {
    const pp_cell *cells = decoder->cells.cell;
    int32_t count = decoder->fields.count;
    pp_record_text source = {"", 0, text_bytes, 0};
    pinpipe_status status = pp_columns_reserve(
        columns, 1, text_bytes + (int64_t)count * CELL_TEXT_BYTES + pp_decoder_growth(decoder, 1), err);
    bool is_text = cells_are_text(&decoder->cells, count);
    if (status == PINPIPE_OK &&
        (!is_text || cells[decoder->plan.step[decoder->plan.key_step].part[0].field].kind != PP_CELL_I64)) {
        pp_buf_clear(&decoder->scratch);
        status = pp_cells_render(&decoder->scratch, decoder->plan.record, cells, err);
        source =
            (pp_record_text){decoder->scratch.ptr, decoder->scratch.len, (int64_t)decoder->scratch.len, 0};
    }
    if (status < 0) {
        return status;
    }
    if (!is_text) {
        pp_fault fault = {PP_OUTCOME_INVALID_UTF8, "a text that is not UTF-8", 0};
        return pp_decoder_reject(decoder, &fault, &source, report, err);
    }
    return pp_decoder_accept(decoder, columns, &source, report, err);
}

pinpipe_status pinpipe_decoder_feed_row(pinpipe_decoder *decoder, pinpipe_batch *batch,
                                        const pinpipe_cell *cells, int64_t count, pinpipe_report *report,
                                        pinpipe_error *err) {
    pp_columns *columns = NULL;
    int64_t rejected = report->rejected;
    if (count != decoder->fields.count) {
        return pp_fail(err, PINPIPE_EINVAL, "a row of %lld cells where the raw shape has %d columns",
                       (long long)count, decoder->fields.count);
    }
    pinpipe_status status = pp_decoder_open(&columns, decoder, batch, report, err);
    if (status < 0 || pp_decoder_is_full(decoder, columns)) {
        return status < 0 ? status : PINPIPE_AGAIN;
    }
    int64_t text_bytes = 0;
    pp_cells_clear(&decoder->cells, &decoder->fields);
    for (int64_t i = 0; i < count; i++) {
        decoder->cells.cell[i] = cell_convert(&cells[i]);
        text_bytes += (int64_t)decoder->cells.cell[i].len;
    }
    status = cells_take(decoder, columns, text_bytes, report, err);
    return status < 0 ? status : row_result(report, rejected);
}

pinpipe_status pinpipe_decoder_feed_arrow(int64_t *taken_rows, pinpipe_decoder *decoder, pinpipe_batch *batch,
                                          const struct ArrowSchema *schema, const struct ArrowArray *array,
                                          int64_t first_row, pinpipe_report *report, pinpipe_error *err) {
    pp_columns *columns = NULL;
    pp_arrow_columns input;
    int64_t rejected = report->rejected;
    *taken_rows = 0;
    pinpipe_status status = pp_decoder_open(&columns, decoder, batch, report, err);
    if (status == PINPIPE_OK) {
        status = pp_arrow_open(&input, &decoder->fields, schema, array, err);
    }
    for (int64_t row = first_row; status >= 0 && row < array->length; row++) {
        if (pp_decoder_is_full(decoder, columns)) {
            break;
        }
        int64_t text_bytes = 0;
        pp_arrow_cells(&decoder->cells, &text_bytes, &decoder->fields, &input, row);
        status = cells_take(decoder, columns, text_bytes, report, err);
        *taken_rows += status >= 0;
    }
    return status < 0 ? status : row_result(report, rejected);
}
