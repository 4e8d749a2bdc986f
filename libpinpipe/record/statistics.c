/* Turns batches into counts a column: nulls, least and greatest value, lengths of text.
 * Never keeps a row, never allocates after the handle is made.
 * Rules: docs/census.md, "Statistics"; texts compare by their bytes, which is the order of code points. */
#include "record/statistics.h"

#include <assert.h>
#include <math.h>

#include "base/memory.h"

#define TEXT_BYTES PINPIPE_STATISTICS_TEXT_BYTES

/* The least or greatest text. A cut keeps the order of texts, so what is cut off decides between equal heads
 * only by being there. */
typedef struct text_bound {
    uint64_t head; /* the first 8 bytes, most significant first, zeros behind the end */
    size_t len;    /* of the cut text */
    bool is_cut;
    char text[TEXT_BYTES + 1]; /* with the first byte that is cut off: it tells where a character ends */
} text_bound;

typedef struct column_counts {
    pinpipe_type type;
    int64_t nulls;
    pp_range range;
    int64_t texts;
    int64_t total_bytes;
    int32_t min_bytes;
    int32_t max_bytes;
    text_bound min_text;
    text_bound max_text;
} column_counts;

struct pinpipe_statistics {
    int32_t record;
    int32_t shape;
    int32_t count;
    int64_t rows;
    column_counts columns[PP_CLEAN_MAX];
};

void pp_range_init(pp_range *range) {
    *range = (pp_range){.min_i64 = INT64_MAX,
                        .max_i64 = INT64_MIN,
                        .min_f64 = {INFINITY, INFINITY},
                        .max_f64 = {-INFINITY, -INFINITY}};
}

static void integers_add(pp_range *range, const pp_column *column, int64_t rows) {
    int64_t least = range->min_i64;
    int64_t greatest = range->max_i64;
    if (column->null_count == 0) {
        for (int64_t row = 0; row < rows; row++) {
            int64_t value = column->i64[row];
            least = value < least ? value : least;
            greatest = value > greatest ? value : greatest;
        }
    } else {
        for (int64_t row = 0; row < rows; row++) {
            int64_t value = column->i64[row];
            bool is_there = !pp_column_is_null(column, row);
            least = is_there && value < least ? value : least;
            greatest = is_there && value > greatest ? value : greatest;
        }
    }
    range->min_i64 = least;
    range->max_i64 = greatest;
}

static void double_add(pp_range *range, int32_t component, double value) {
    range->min_f64[component] = value < range->min_f64[component] ? value : range->min_f64[component];
    range->max_f64[component] = value > range->max_f64[component] ? value : range->max_f64[component];
}

static void doubles_add(pp_range *range, const pp_column *column, int64_t rows) {
    for (int64_t row = 0; row < rows; row++) {
        if (!pp_column_is_null(column, row)) {
            double_add(range, 0, column->f64[row]);
        }
    }
}

/* Pairs lie one behind the other: a null has no items. */
static void pairs_add(pp_range *range, const pp_column *column, int64_t rows) {
    int64_t end = pp_column_start(column, rows);
    assert(end % 2 == 0);
    for (int64_t at = 0; at < end; at += 2) {
        double_add(range, 0, column->f64[at]);
        double_add(range, 1, column->f64[at + 1]);
    }
}

void pp_range_add(pp_range *range, const pp_column *column, int64_t rows) {
    if (rows == 0) {
        return;
    }
    switch (column->type) {
    case PINPIPE_TYPE_TEXT:
        return;
    case PINPIPE_TYPE_F64:
        doubles_add(range, column, rows);
        break;
    case PINPIPE_TYPE_F64_LIST:
        pairs_add(range, column, rows);
        break;
    default:
        integers_add(range, column, rows);
    }
    range->count += rows - column->null_count;
}

size_t pp_text_cut(const char *text, size_t len, size_t max) {
    if (len <= max) {
        return len;
    }
    while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80) {
        max--;
    }
    return max;
}

/* The first 8 bytes as a number that orders as the texts do; `is_readable`: 8 bytes may be read. */
static uint64_t head_of(const char *text, size_t len, bool is_readable) {
    unsigned char bytes[8] = {0};
    memcpy(bytes, text, is_readable ? sizeof bytes : len < sizeof bytes ? len : sizeof bytes);
    uint64_t head = (uint64_t)bytes[0] << 56 | (uint64_t)bytes[1] << 48 | (uint64_t)bytes[2] << 40 |
                    (uint64_t)bytes[3] << 32 | (uint64_t)bytes[4] << 24 | (uint64_t)bytes[5] << 16 |
                    (uint64_t)bytes[6] << 8 | bytes[7];
    return len >= 8 ? head : len == 0 ? 0 : head & ~(UINT64_MAX >> (8 * len));
}

/* Below 0 where the text stands before the bound. */
static int bound_order(const text_bound *bound, const char *text, size_t len) {
    size_t cut = len < TEXT_BYTES ? len : TEXT_BYTES;
    int order = memcmp(text, bound->text, cut < bound->len ? cut : bound->len);
    if (order == 0) {
        order = (cut > bound->len) - (cut < bound->len);
    }
    return order ? order : (len > TEXT_BYTES) - bound->is_cut;
}

static void bound_set(text_bound *bound, uint64_t head, const char *text, size_t len) {
    bound->head = head;
    bound->is_cut = len > TEXT_BYTES;
    bound->len = bound->is_cut ? TEXT_BYTES : len;
    memcpy(bound->text, text, bound->len + bound->is_cut);
}

/* Most texts differ from both bounds in their first bytes: two comparisons of numbers settle them. */
static void texts_add(column_counts *counts, const pp_column *column, int64_t rows) {
    int32_t end = column->offsets[rows];
    bool has_nulls = column->null_count > 0;
    int32_t shortest = counts->texts ? counts->min_bytes : INT32_MAX;
    int32_t longest = counts->max_bytes;
    for (int64_t row = 0; row < rows; row++) {
        int32_t start = column->offsets[row];
        int32_t bytes = column->offsets[row + 1] - start;
        if (has_nulls && pp_column_is_null(column, row)) {
            continue;
        }
        shortest = bytes < shortest ? bytes : shortest;
        longest = bytes > longest ? bytes : longest;
        const char *text = column->text ? column->text + start : "";
        size_t len = (size_t)bytes;
        uint64_t head = head_of(text, len, end - start >= 8);
        bool is_first = counts->texts++ == 0;
        if (is_first || (head <= counts->min_text.head && bound_order(&counts->min_text, text, len) < 0)) {
            bound_set(&counts->min_text, head, text, len);
        }
        if (is_first || (head >= counts->max_text.head && bound_order(&counts->max_text, text, len) > 0)) {
            bound_set(&counts->max_text, head, text, len);
        }
    }
    counts->min_bytes = shortest;
    counts->max_bytes = longest;
    counts->total_bytes += end;
}

pinpipe_status pinpipe_statistics_new(pinpipe_statistics **out, int32_t record, int32_t shape,
                                      pinpipe_error *err) {
    *out = NULL;
    if (!pp_schema_known(record, shape)) {
        return pp_fail(err, PINPIPE_EINVAL, "no record %d with shape %d", record, shape);
    }
    pinpipe_statistics *statistics = pp_alloc_zero(sizeof *statistics);
    if (!statistics) {
        return pp_fail_memory(err, "statistics", sizeof *statistics);
    }
    pp_step steps[PP_CLEAN_MAX];
    statistics->record = record;
    statistics->shape = shape;
    statistics->count = pp_steps(steps, record, shape);
    for (int32_t i = 0; i < statistics->count; i++) {
        statistics->columns[i].type = steps[i].type;
        pp_range_init(&statistics->columns[i].range);
    }
    *out = statistics;
    return PINPIPE_OK;
}

void pinpipe_statistics_free(pinpipe_statistics *statistics) {
    pp_free(statistics);
}

int64_t pinpipe_statistics_rows(const pinpipe_statistics *statistics) {
    return statistics->rows;
}

pinpipe_status pinpipe_statistics_add(pinpipe_statistics *statistics, const pinpipe_batch *batch,
                                      pinpipe_error *err) {
    if (batch->record != statistics->record || batch->shape != statistics->shape) {
        return pp_fail(err, PINPIPE_EINVAL, "a batch of record %d, shape %d for statistics of %d, %d",
                       batch->record, batch->shape, statistics->record, statistics->shape);
    }
    int64_t rows = pinpipe_batch_rows(batch);
    for (int32_t i = 0; rows > 0 && i < statistics->count; i++) {
        const pp_column *column = &batch->columns->column[i];
        column_counts *counts = &statistics->columns[i];
        counts->nulls += column->null_count;
        if (column->type == PINPIPE_TYPE_TEXT) {
            texts_add(counts, column, rows);
        } else {
            pp_range_add(&counts->range, column, rows);
        }
    }
    statistics->rows += rows;
    return PINPIPE_OK;
}

static pinpipe_str bound_view(const text_bound *bound) {
    size_t len = bound->is_cut ? pp_text_cut(bound->text, sizeof bound->text, TEXT_BYTES) : bound->len;
    return (pinpipe_str){bound->text, len};
}

pinpipe_status pinpipe_statistics_at(pinpipe_column_statistics *out, const pinpipe_statistics *statistics,
                                     int32_t index, pinpipe_error *err) {
    if (!out || out->struct_size < sizeof *out) {
        return pp_fail(err, PINPIPE_EINVAL, "column statistics lack their struct_size");
    }
    if (index < 0 || index >= statistics->count) {
        return pp_fail(err, PINPIPE_EINVAL, "no column %d in record %d, shape %d", index, statistics->record,
                       statistics->shape);
    }
    const column_counts *counts = &statistics->columns[index];
    *out = (pinpipe_column_statistics){.struct_size = out->struct_size,
                                       .type = (int32_t)counts->type,
                                       .rows = statistics->rows,
                                       .nulls = counts->nulls};
    if (counts->range.count) {
        out->min_i64 = counts->range.min_i64;
        out->max_i64 = counts->range.max_i64;
        memcpy(out->min_f64, counts->range.min_f64, sizeof out->min_f64);
        memcpy(out->max_f64, counts->range.max_f64, sizeof out->max_f64);
    }
    if (counts->texts) {
        out->min_text = bound_view(&counts->min_text);
        out->max_text = bound_view(&counts->max_text);
        out->is_min_cut = counts->min_text.is_cut;
        out->is_max_cut = counts->max_text.is_cut;
        out->min_bytes = counts->min_bytes;
        out->max_bytes = counts->max_bytes;
        out->total_bytes = counts->total_bytes;
    }
    return PINPIPE_OK;
}
