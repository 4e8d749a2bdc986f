/* Turns the rows of a batch into counts of what speaks against an expectation, and its first row.
 * Never allocates: room is made before a batch is counted.
 * Rules: docs/census.md, "Expectations". */
#include "clean/expectations.h"
#include "text/number.h"
#include "text/time_text.h"

/* Rows whose places in a set of keys are fetched together. */
#define BLOCK_ROWS 16

/* The value as text, at most PP_QUOTE_MAX bytes. */
static size_t value_write(char out[PP_QUOTE_MAX], const pp_column *column, int64_t row) {
    char text[2 * PP_F64_TEXT_MAX + 4];
    size_t len = 0;
    if (pp_column_is_null(column, row)) {
        return 0;
    }
    switch (column->type) {
    case PINPIPE_TYPE_TEXT: {
        int64_t start = pp_column_start(column, row);
        len = (size_t)(pp_column_start(column, row + 1) - start);
        if (len > 0) {
            len = pp_text_cut(column->text + start, len, PP_QUOTE_MAX);
            memcpy(out, column->text + start, len);
        }
        return len;
    }
    case PINPIPE_TYPE_TIME_US:
        len = pp_time_write(text, column->i64[row]);
        break;
    case PINPIPE_TYPE_F64:
        len = pp_number_write_f64(text, column->f64[row]);
        break;
    case PINPIPE_TYPE_F64_LIST: {
        const double *pair = column->f64 + pp_column_start(column, row);
        text[len++] = '[';
        len += pp_number_write_f64(text + len, pair[0]);
        text[len++] = ',';
        len += pp_number_write_f64(text + len, pair[1]);
        text[len++] = ']';
        break;
    }
    default:
        len = pp_number_write_i64(text, column->i64[row]);
    }
    len = len < PP_QUOTE_MAX ? len : PP_QUOTE_MAX;
    memcpy(out, text, len);
    return len;
}

static void row_fails(pp_expectation *expectation, const pp_column *column, const pp_column *keys,
                      int64_t row) {
    expectation->failures++;
    if (!expectation->has_failing_row) {
        expectation->has_failing_row = true;
        expectation->failing_key = keys->i64[row];
        expectation->failing_len = value_write(expectation->failing, column, row);
    }
}

/* The bytes that stand for a value in a set of keys. */
static pp_key key_at(const pp_column *column, int64_t row) {
    if (column->type == PINPIPE_TYPE_TEXT) {
        int64_t start = pp_column_start(column, row);
        const char *text = column->text ? column->text + start : "";
        return pp_key_of(text, (size_t)(pp_column_start(column, row + 1) - start));
    }
    return pp_key_of(&column->i64[row], sizeof column->i64[row]);
}

static void unique_check(pp_expectation *expectation, const pp_column *column, const pp_column *keys,
                         int64_t rows) {
    pp_key block[BLOCK_ROWS];
    for (int64_t first = 0; first < rows; first += BLOCK_ROWS) {
        int64_t end = first + BLOCK_ROWS < rows ? first + BLOCK_ROWS : rows;
        for (int64_t row = first; row < end; row++) {
            if (!pp_column_is_null(column, row)) {
                block[row - first] = key_at(column, row);
                pp_key_set_prefetch(&expectation->keys, block[row - first]);
            }
        }
        for (int64_t row = first; row < end; row++) {
            if (!pp_column_is_null(column, row) && !pp_key_set_put(&expectation->keys, block[row - first])) {
                row_fails(expectation, column, keys, row);
            }
        }
    }
}

static void in_check(pp_expectation *expectation, const pp_column *column, const pp_column *keys,
                     int64_t rows) {
    for (int64_t row = 0; row < rows; row++) {
        if (!pp_column_is_null(column, row) && !pp_key_set_has(&expectation->keys, key_at(column, row))) {
            row_fails(expectation, column, keys, row);
        }
    }
}

static bool is_beyond(const pp_expectation *expectation, const double *value, int32_t count) {
    bool is_out = false;
    for (int32_t i = 0; i < count; i++) {
        double bound = expectation->bound_f64[i];
        is_out |= expectation->check == PINPIPE_CHECK_MIN ? value[i] < bound : value[i] > bound;
    }
    return is_out;
}

static bool range_fails(const pp_expectation *expectation, const pp_range *range) {
    bool is_min = expectation->check == PINPIPE_CHECK_MIN;
    switch (expectation->type) {
    case PINPIPE_TYPE_F64:
        return is_beyond(expectation, is_min ? range->min_f64 : range->max_f64, 1);
    case PINPIPE_TYPE_F64_LIST:
        return is_beyond(expectation, is_min ? range->min_f64 : range->max_f64, 2);
    default:
        return is_min ? range->min_i64 < expectation->bound_i64 : range->max_i64 > expectation->bound_i64;
    }
}

static bool value_fails(const pp_expectation *expectation, const pp_column *column, int64_t row) {
    if (pp_column_is_null(column, row)) {
        return false;
    }
    switch (expectation->type) {
    case PINPIPE_TYPE_F64:
        return is_beyond(expectation, &column->f64[row], 1);
    case PINPIPE_TYPE_F64_LIST:
        return is_beyond(expectation, column->f64 + pp_column_start(column, row), 2);
    default:
        return expectation->check == PINPIPE_CHECK_MIN ? column->i64[row] < expectation->bound_i64
                                                       : column->i64[row] > expectation->bound_i64;
    }
}

static void range_join(pp_range *range, const pp_range *other) {
    range->count += other->count;
    range->min_i64 = other->min_i64 < range->min_i64 ? other->min_i64 : range->min_i64;
    range->max_i64 = other->max_i64 > range->max_i64 ? other->max_i64 : range->max_i64;
    for (int32_t i = 0; i < 2; i++) {
        range->min_f64[i] = other->min_f64[i] < range->min_f64[i] ? other->min_f64[i] : range->min_f64[i];
        range->max_f64[i] = other->max_f64[i] > range->max_f64[i] ? other->max_f64[i] : range->max_f64[i];
    }
}

/* The batch's range settles nearly every batch: only one that is beyond the bound is looked through. */
static void range_check(pp_expectation *expectation, const pp_column *column, const pp_column *keys,
                        int64_t rows) {
    pp_range range;
    pp_range_init(&range);
    pp_range_add(&range, column, rows);
    range_join(&expectation->range, &range);
    if (range.count == 0 || !range_fails(expectation, &range)) {
        return;
    }
    for (int64_t row = 0; row < rows; row++) {
        if (value_fails(expectation, column, row)) {
            row_fails(expectation, column, keys, row);
        }
    }
}

static void nulls_check(pp_expectation *expectation, const pp_column *column, const pp_column *keys,
                        int64_t rows) {
    expectation->nulls += column->null_count;
    for (int64_t row = 0; column->null_count && !expectation->has_failing_row && row < rows; row++) {
        if (pp_column_is_null(column, row)) {
            expectation->has_failing_row = true;
            expectation->failing_key = keys->i64[row];
        }
    }
}

pinpipe_status pp_expectation_reserve(pp_expectation *expectation, int64_t rows, pinpipe_error *err) {
    if (expectation->check != PINPIPE_CHECK_UNIQUE) {
        return PINPIPE_OK;
    }
    return pp_key_set_reserve(&expectation->keys, rows, PINPIPE_EXPECTATION_KEYS_MAX, err);
}

void pp_expectation_check(pp_expectation *expectation, const pp_columns *columns, const pp_column *keys) {
    const pp_column *column = expectation->column < 0 ? keys : &columns->column[expectation->column];
    expectation->rows += columns->rows;
    switch (expectation->check) {
    case PINPIPE_CHECK_UNIQUE:
        unique_check(expectation, column, keys, columns->rows);
        break;
    case PINPIPE_CHECK_MIN:
    case PINPIPE_CHECK_MAX:
        range_check(expectation, column, keys, columns->rows);
        break;
    case PINPIPE_CHECK_IN:
        in_check(expectation, column, keys, columns->rows);
        break;
    case PINPIPE_CHECK_NULL_SHARE_MAX:
        nulls_check(expectation, column, keys, columns->rows);
        break;
    case PINPIPE_CHECK_ROWS_MIN:
    case PINPIPE_CHECK_ROWS_MAX:
        break;
    }
}
