/* Turns records that are written like earlier ones into rows, without cells for what is plain.
 * Never leaves half a row: columns are a function of the row number, and what could be null is done at the
 * record's end. Rules: decoder.md §2, §5, §6; the values' rules are those of clean/ops.h. */
#include "clean/fast.h"

#include "clean/ops.h"
#include "text/block.h"
#include "text/json_string.h"
#include "text/utf8.h"

#if defined(__GNUC__)
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define NEVER_INLINE static __attribute__((noinline))
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#else
#define ALWAYS_INLINE static inline
#define NEVER_INLINE static
#define UNLIKELY(condition) (condition)
#endif

/* Where one step's values go. Taken from the columns once a run: stores of text could alias them, for all
 * that the compiler knows, and would make it load them again for each value. */
typedef struct lane {
    int32_t *offsets;
    char *text;
    int64_t *i64;
    double *f64;
    uint64_t no_value_lengths;
    char prefix[PP_FAST_GLUE_MAX]; /* PATH: what is taken off, where it is short enough */
    uint32_t prefix_mask;
    uint32_t prefix_len;
} lane;

/* One record while it is read: where its values go, its cells, and the steps that wait for its end. */
typedef struct reading {
    const pp_plan *plan;
    pp_columns *columns;
    const char *end;
    int32_t waiting;
    uint8_t wait[PP_CLEAN_MAX];
    lane lane[PP_CLEAN_MAX];
    pp_cell cell[PP_RAW_MAX];
} reading;

typedef struct copied {
    const char
        *at; /* behind the closing quote's content: at the quote; NULL: the record goes to the cell road */
    size_t len;
} copied;

ALWAYS_INLINE bool glue_matches(const char *at, const pp_fast_field *field) {
    return pp_block_equal32(at, field->glue, field->glue_mask);
}

/* A text that has escapes, from the first on: `to` is where its plain bytes end so far. */
NEVER_INLINE copied escapes_copy(const char *at, char *start, char *to, pp_block_mask high, const char *end) {
    while (*at != '"') {
        if (*at == '\\') {
            size_t written = 0;
            size_t taken = 0;
            if (pp_json_escape_take(to, &written, at, end, &taken) != PP_JSON_STRING_OK) {
                return (copied){NULL, 0};
            }
            to += written;
            at += taken;
            continue;
        }
        if ((unsigned char)*at < 0x20) {
            return (copied){NULL, 0};
        }
        pp_block_scan scan = pp_block_copy(to, at);
        size_t len = scan.stop ? pp_block_first(scan.stop) : PP_BLOCK;
        high |= scan.stop ? pp_block_before(scan.non_ascii, scan.stop) : scan.non_ascii;
        at += len;
        to += len;
    }
    size_t len = (size_t)(to - start);
    if (high && pp_utf8_span(start, len) < len) {
        return (copied){NULL, 0};
    }
    return (copied){at, len};
}

NEVER_INLINE copied utf8_check(const char *at, const char *start, size_t len) {
    return pp_utf8_span(start, len) == len ? (copied){at, len} : (copied){NULL, 0};
}

/* Scans a text and stores it to `start` in one pass. */
ALWAYS_INLINE copied text_copy(char *start, const char *at, const char *end) {
    char *to = start;
    pp_block_mask high = 0;
    pp_block_scan scan = pp_block_copy(to, at);
    while (scan.stop == 0) {
        high |= scan.non_ascii;
        at += PP_BLOCK;
        to += PP_BLOCK;
        scan = pp_block_copy(to, at);
    }
    size_t len = pp_block_first(scan.stop);
    high |= pp_block_before(scan.non_ascii, scan.stop);
    at += len;
    to += len;
    if (UNLIKELY(*at != '"')) {
        return *at == '\\' ? escapes_copy(at, start, to, high, end) : (copied){NULL, 0};
    }
    if (UNLIKELY(high != 0)) {
        return utf8_check(at, start, (size_t)(to - start));
    }
    return (copied){at, (size_t)(to - start)};
}

/* Scans a text without escapes; one with escapes goes to the cell road. */
ALWAYS_INLINE copied text_span(const char *start) {
    const char *at = start;
    pp_block_mask high = 0;
    pp_block_scan scan = pp_block_read(at);
    while (scan.stop == 0) {
        high |= scan.non_ascii;
        at += PP_BLOCK;
        scan = pp_block_read(at);
    }
    high |= pp_block_before(scan.non_ascii, scan.stop);
    at += pp_block_first(scan.stop);
    if (UNLIKELY(*at != '"')) {
        return (copied){NULL, 0};
    }
    return high ? utf8_check(at, start, (size_t)(at - start)) : (copied){at, (size_t)(at - start)};
}

/* The op of a step runs at the record's end, when it is sure that the record is one. */
ALWAYS_INLINE void step_wait(reading *r, const pp_fast_field *field, const char *text, size_t len) {
    r->cell[field->field] = (pp_cell){.kind = PP_CELL_TEXT, .ptr = text, .len = len};
    r->wait[r->waiting] = field->step;
    r->waiting++;
}

/* True for a text that may stand for "no value". */
ALWAYS_INLINE bool may_be_no_value(const lane *to, size_t len) {
    return to->no_value_lengths & pp_length_bit(len);
}

ALWAYS_INLINE const char *text_take(reading *r, const pp_fast_field *field, int64_t row, const char *at) {
    const lane *to = &r->lane[field->step];
    int32_t start = to->offsets[row];
    copied text = text_copy(to->text + start, at, r->end);
    to->offsets[row + 1] = start + (int32_t)text.len;
    if (UNLIKELY(may_be_no_value(to, text.len))) {
        step_wait(r, field, to->text + start, text.len);
    }
    return text.at;
}

ALWAYS_INLINE const char *keep_take(reading *r, const pp_fast_field *field, int64_t row, const char *at) {
    const lane *to = &r->lane[field->step];
    int32_t start = to->offsets[row];
    copied text = text_copy(to->text + start, at, r->end);
    to->offsets[row + 1] = start + (int32_t)text.len;
    return text.at;
}

/* A text that the op reads from the input at the record's end. */
ALWAYS_INLINE const char *odd_take(reading *r, const pp_fast_field *field, const char *at) {
    copied span = text_span(at);
    step_wait(r, field, at, span.len);
    return span.at;
}

ALWAYS_INLINE const char *path_take(reading *r, const pp_fast_field *field, int64_t row, const char *at) {
    const lane *to = &r->lane[field->step];
    int32_t start = to->offsets[row];
    if (UNLIKELY(!pp_block_equal32(at, to->prefix, to->prefix_mask))) {
        return odd_take(r, field, at);
    }
    copied text = text_copy(to->text + start, at + to->prefix_len, r->end);
    to->offsets[row + 1] = start + (int32_t)text.len;
    return UNLIKELY(may_be_no_value(to, text.len)) ? odd_take(r, field, at) : text.at;
}

ALWAYS_INLINE const char *hold_take(reading *r, const pp_fast_field *field, const char *at) {
    copied span = text_span(at);
    r->cell[field->field] = (pp_cell){.kind = PP_CELL_TEXT, .ptr = at, .len = span.len};
    if (field->part == 1) {
        r->wait[r->waiting++] = field->step;
    }
    return span.at;
}

ALWAYS_INLINE uint32_t digit_at(const char *at) {
    return (uint32_t)(unsigned char)*at - '0';
}

ALWAYS_INLINE const char *magnitude_take(reading *r, const pp_fast_field *field, int64_t row,
                                         const char *at) {
    const char *start = at;
    int64_t value = 0;
    while (digit_at(at) < 10 && at - start < 12) {
        value = value * 10 + digit_at(at++);
    }
    if (*at == 'k') {
        value *= 1000;
        at++;
    } else if (*at == 'M') {
        value *= 1000000;
        at++;
    }
    if (UNLIKELY(*at != '"' || digit_at(start) >= 10)) {
        return odd_take(r, field, start);
    }
    r->lane[field->step].i64[row] = value;
    return at;
}

ALWAYS_INLINE const char *timestamp_take(reading *r, const pp_fast_field *field, int64_t row,
                                         const char *at) {
    int64_t value = 0;
    if (UNLIKELY(at[PP_TIME_FIXED_BYTES] != '"' || !pp_time_parse_fixed(&value, at))) {
        return odd_take(r, field, at);
    }
    r->lane[field->step].i64[row] = value;
    return at + PP_TIME_FIXED_BYTES;
}

/* An integer of at most 18 digits; what follows is checked by the next glue. */
ALWAYS_INLINE const char *i64_read(int64_t *out, const char *at) {
    bool is_negative = *at == '-';
    const char *start = at += is_negative;
    int64_t value = 0;
    while (digit_at(at) < 10) {
        if (UNLIKELY(at - start == 18)) { /* one more might not fit */
            return NULL;
        }
        value = value * 10 + digit_at(at++);
    }
    if (UNLIKELY(at == start || (*start == '0' && at - start > 1))) {
        return NULL;
    }
    *out = is_negative ? -value : value;
    return at;
}

/* A decimal of at most 15 digits: digits and power of ten are exact doubles, so one division rounds right. */
ALWAYS_INLINE const char *f64_read(double *out, const char *at) {
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    bool is_negative = *at == '-';
    const char *start = at += is_negative;
    int64_t digits = 0;
    while (digit_at(at) < 10 && at - start < 16) {
        digits = digits * 10 + digit_at(at++);
    }
    int64_t count = at - start;
    if (UNLIKELY(count == 0 || (*start == '0' && count > 1))) {
        return NULL;
    }
    int64_t decimals = 0;
    if (*at == '.') {
        const char *point = ++at;
        while (digit_at(at) < 10 && at - start < 17) {
            digits = digits * 10 + digit_at(at++);
        }
        decimals = at - point;
        if (UNLIKELY(decimals == 0)) {
            return NULL;
        }
    }
    if (UNLIKELY(count + decimals > 15 || digit_at(at) < 10)) {
        return NULL;
    }
    double value = (double)digits / powers[decimals];
    *out = is_negative ? -value : value;
    return at;
}

ALWAYS_INLINE const char *pair_take(reading *r, const pp_fast_field *field, int64_t row, const char *at) {
    const lane *to = &r->lane[field->step];
    int32_t start = to->offsets[row];
    to->offsets[row + 1] = start + 2;
    return f64_read(&to->f64[start + field->part], at);
}

ALWAYS_INLINE const char *value_take(reading *r, const pp_fast_field *field, int64_t row, const char *at) {
    double skipped;
    switch (field->action) {
    case PP_FAST_TEXT:
        return text_take(r, field, row, at);
    case PP_FAST_KEEP:
        return keep_take(r, field, row, at);
    case PP_FAST_PATH:
        return path_take(r, field, row, at);
    case PP_FAST_MAGNITUDE:
        return magnitude_take(r, field, row, at);
    case PP_FAST_TIMESTAMP:
        return timestamp_take(r, field, row, at);
    case PP_FAST_I64:
        return i64_read(&r->lane[field->step].i64[row], at);
    case PP_FAST_F64:
        return f64_read(&r->lane[field->step].f64[row], at);
    case PP_FAST_PAIR:
        return pair_take(r, field, row, at);
    case PP_FAST_HOLD:
        return hold_take(r, field, at);
    case PP_FAST_SKIP_TEXT:
        return text_span(at).at;
    default:
        return f64_read(&skipped, at);
    }
}

/* One record; behind its line end, or NULL where it does not match. */
ALWAYS_INLINE const char *record_take(reading *r, const pp_fast_template *template, int64_t row,
                                      const char *at) {
    const pp_fast_field *field = template->field;
    const pp_fast_field *last = field + template->count;
    for (; field < last; field++) {
        if (UNLIKELY(!glue_matches(at, field))) {
            return NULL;
        }
        at = value_take(r, field, row, at + field->glue_len);
        if (UNLIKELY(!at)) {
            return NULL;
        }
    }
    return glue_matches(at, &template->tail) ? at + template->tail.glue_len : NULL;
}

/* The steps that waited: markers, odd magnitudes, other timestamps, texts of two parts. False where a rule
 * leaves the row out. */
NEVER_INLINE bool steps_run(const reading *r, int64_t row, pinpipe_report *report) {
    pp_op_target to = {.row = row, .plan = r->plan, .report = report};
    for (int32_t i = 0; i < r->waiting; i++) {
        pp_op_run(&to, r->columns, r->wait[i], r->cell);
    }
    if (to.is_dropped) {
        pp_columns_undo(r->columns, row);
        report->dropped++;
    }
    return !to.is_dropped;
}

/* The record by any template but the one that did not match, which is the next time's first; NULL where none
 * does. */
NEVER_INLINE const char *others_take(pp_fast *fast, reading *r, int64_t row, const char *at) {
    for (int32_t i = 0; i < fast->count; i++) {
        if (i == fast->current || !glue_matches(at, &fast->template[i].field[0])) {
            continue;
        }
        r->waiting = 0;
        const char *next = record_take(r, &fast->template[i], row, at);
        if (next) {
            fast->current = i;
            return next;
        }
    }
    return NULL;
}

static void lanes_open(reading *r, const pp_plan *plan) {
    for (int32_t i = 0; i < plan->step_count; i++) {
        const pp_column *column = &r->columns->column[i];
        const pp_plan_step *step = &plan->step[i];
        lane *to = &r->lane[i];
        *to =
            (lane){.offsets = column->offsets, .text = column->text, .i64 = column->i64, .f64 = column->f64};
        to->no_value_lengths = step->part[0].no_value_lengths;
        if (step->argument_len < PP_FAST_GLUE_MAX) { /* a template with a longer one is not learned */
            to->prefix_len = (uint32_t)step->argument_len;
            to->prefix_mask = (1u << to->prefix_len) - 1;
            memcpy(to->prefix, step->argument, step->argument_len);
        }
    }
}

size_t pp_fast_run(pp_fast *fast, const pp_plan *plan, const pp_fast_target *target, const char *text,
                   const char *end) {
    reading r;
    r.plan = plan;
    r.columns = target->columns;
    r.end = end;
    lanes_open(&r, plan);
    const char *at = text;
    int64_t row = target->columns->rows;
    int64_t since = row; /* the current template's rows are not counted from here on */
    while (fast->count > 0 && at < end && row < target->rows_max) {
        r.waiting = 0;
        const char *next = record_take(&r, &fast->template[fast->current], row, at);
        if (UNLIKELY(!next)) {
            fast->template[fast->current].rows += row - since;
            since = row;
            next = others_take(fast, &r, row, at);
            if (!next) {
                break;
            }
        }
        if (UNLIKELY(target->is_payload && next != end)) {
            break;
        }
        if (!r.waiting || steps_run(&r, row, target->report)) {
            row++;
        }
        at = next;
    }
    fast->template[fast->current].rows += row - since;
    fast->rows += row - target->columns->rows;
    target->columns->rows = row;
    target->columns->input_bytes += at - text;
    return (size_t)(at - text);
}
