/* Turns rows of an Arrow struct array into cells.
 * Never trusts an offset of a null row.
 * Rules: Arrow columnar format; format strings of the C data interface. */
#include "codec/arrow_cells.h"

#include <string.h>

#include "base/error.h"

static bool bit_is_set(const void *bits, int64_t at) {
    return !bits || (((const uint8_t *)bits)[at >> 3] >> (at & 7) & 1);
}

static bool is_one_of(const char *format, const char *letters) {
    return format[0] && !format[1] && strchr(letters, format[0]);
}

static bool is_timestamp(const char *format) {
    return strncmp(format, "ts", 2) == 0 && format[2] && format[3] == ':';
}

static bool is_read(const struct ArrowSchema *schema) {
    const char *format = schema->dictionary ? schema->dictionary->format : schema->format;
    return is_one_of(format, "nbcCsSiIlLfguU") || is_timestamp(format) || strcmp(format, "vu") == 0;
}

pinpipe_status pp_arrow_open(pp_arrow_columns *out, pp_fields *fields, const struct ArrowSchema *schema,
                             const struct ArrowArray *array, pinpipe_error *err) {
    memset(out, 0, sizeof *out);
    out->rows = array;
    if (strcmp(schema->format, "+s") != 0 || schema->n_children != array->n_children) {
        return pp_fail(err, PINPIPE_EDATA, "the Arrow input is '%.16s', not a struct of columns",
                       schema->format);
    }
    for (int64_t i = 0; i < schema->n_children; i++) {
        const struct ArrowSchema *child = schema->children[i];
        const char *name = child->name ? child->name : "";
        int32_t field = pp_fields_find(fields, (int32_t)(i % PP_LEARNED_MAX), name, strlen(name));
        if (field < 0) {
            out->unknown++;
            continue;
        }
        if (!is_read(child)) {
            return pp_fail(err, PINPIPE_EDATA, "Arrow column '%.64s' has type '%.16s', which no rule reads",
                           name, child->format);
        }
        out->column[field].is_duplicate = out->column[field].array != NULL;
        out->column[field].array = array->children[i];
        out->column[field].schema = child;
    }
    return PINPIPE_OK;
}

#define INTEGER_AT(type, at) ((int64_t)((const type *)array->buffers[1])[at])

static int64_t integer_at(const struct ArrowArray *array, char format, int64_t at) {
    switch (format) {
    case 'c':
        return INTEGER_AT(int8_t, at);
    case 'C':
        return INTEGER_AT(uint8_t, at);
    case 's':
        return INTEGER_AT(int16_t, at);
    case 'S':
        return INTEGER_AT(uint16_t, at);
    case 'i':
        return INTEGER_AT(int32_t, at);
    case 'I':
        return INTEGER_AT(uint32_t, at);
    default:
        return INTEGER_AT(int64_t, at);
    }
}

static void text_cell(pp_cell *out, const struct ArrowArray *array, char format, int64_t at) {
    int64_t start;
    int64_t end;
    if (format == 'u') {
        start = ((const int32_t *)array->buffers[1])[at];
        end = ((const int32_t *)array->buffers[1])[at + 1];
    } else {
        start = ((const int64_t *)array->buffers[1])[at];
        end = ((const int64_t *)array->buffers[1])[at + 1];
    }
    out->kind = PP_CELL_TEXT;
    out->ptr = end > start ? (const char *)array->buffers[2] + start : "";
    out->len = (size_t)(end - start);
}

/* string_view: 16 bytes a row, the text inside when it has at most 12 bytes, else buffer index and offset. */
static void view_cell(pp_cell *out, const struct ArrowArray *array, int64_t at) {
    const char *view = (const char *)array->buffers[1] + 16 * at;
    int32_t part[4];
    memcpy(part, view, sizeof part);
    out->kind = PP_CELL_TEXT;
    out->len = (size_t)part[0];
    out->ptr = part[0] <= 12 ? view + 4 : (const char *)array->buffers[2 + part[2]] + part[3];
}

static void time_cell(pp_cell *out, const struct ArrowArray *array, char unit, int64_t at) {
    int64_t value = ((const int64_t *)array->buffers[1])[at];
    int64_t factor = unit == 's' ? 1000000 : unit == 'm' ? 1000 : 1;
    out->kind = PP_CELL_TIME_US;
    if (unit == 'n') {
        out->value.i64 = value / 1000 - (value % 1000 < 0);
    } else if (__builtin_mul_overflow(value, factor, &out->value.i64)) {
        out->value.i64 = INT64_MAX; /* beyond any year that has a text: the rule for bad timestamps */
    }
}

static void value_cell(pp_cell *out, const struct ArrowSchema *schema, const struct ArrowArray *array,
                       int64_t row) {
    const char *format = schema->format;
    int64_t at = row + array->offset;
    out->kind = PP_CELL_NULL;
    if (format[0] == 'n' || (array->null_count != 0 && !bit_is_set(array->buffers[0], at))) {
        return;
    }
    if (schema->dictionary) {
        value_cell(out, schema->dictionary, array->dictionary, integer_at(array, format[0], at));
        return;
    }
    switch (format[0]) {
    case 'u':
    case 'U':
        text_cell(out, array, format[0], at);
        return;
    case 'v':
        view_cell(out, array, at);
        return;
    case 't':
        time_cell(out, array, format[2], at);
        return;
    case 'f':
        out->kind = PP_CELL_F64;
        out->value.f64 = (double)((const float *)array->buffers[1])[at];
        return;
    case 'g':
        out->kind = PP_CELL_F64;
        out->value.f64 = ((const double *)array->buffers[1])[at];
        return;
    case 'b':
        out->kind = PP_CELL_OTHER;
        return;
    case 'L':
        if (((const uint64_t *)array->buffers[1])[at] > INT64_MAX) {
            out->kind = PP_CELL_F64;
            out->value.f64 = (double)((const uint64_t *)array->buffers[1])[at];
            return;
        }
        break;
    default:
        break;
    }
    out->kind = PP_CELL_I64;
    out->value.i64 = integer_at(array, format[0], at);
}

void pp_arrow_cells(pp_record_cells *out, int64_t *text_bytes, const pp_fields *fields,
                    const pp_arrow_columns *columns, int64_t row) {
    *text_bytes = 0;
    pp_cells_clear(out, fields);
    out->unknown_keys = columns->unknown;
    int64_t at = row + columns->rows->offset;
    for (int32_t i = 0; i < fields->count; i++) {
        const pp_arrow_column *column = &columns->column[i];
        if (!column->array) {
            continue;
        }
        pp_cell *cell = &out->cell[i];
        value_cell(cell, column->schema, column->array, at);
        out->duplicate_keys += column->is_duplicate;
        *text_bytes += cell->kind == PP_CELL_TEXT ? (int64_t)cell->len : 0;
    }
}
