/* Turns records that are written like earlier ones into rows, without cells for what is plain.
 * Never leaves half a row: columns are a function of the row number, and what could be null is done at the
 * record's end. Rules: decoder.md §2, §5, §6; the values' rules are those of clean/ops.h. */
#include "clean/fast.h"

#include "clean/ops.h"
#include "text/block.h"
#include "text/digits.h"
#include "text/json_string.h"
#include "text/utf8.h"

#if defined(__GNUC__)
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define NEVER_INLINE static __attribute__((noinline))
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define UNREACHABLE() __builtin_unreachable()
#else
#define ALWAYS_INLINE static inline
#define NEVER_INLINE static
#define UNLIKELY(condition) (condition)
#define UNREACHABLE() return NULL
#endif

/* Where one step's values go. Taken from the columns once a run: stores of text could alias them, for all
 * that the compiler knows, and would make it load them again for each value. */
typedef struct lane {
    int32_t *offsets;
    char *text;
    int64_t *i64;
    double *f64;
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

ALWAYS_INLINE bool glue_matches(const char *at, const pp_fast_key *key) {
    return pp_block_equal32(at, key->glue, key->glue_mask);
}

/* The same without the comma, for a record's first key. */
ALWAYS_INLINE bool bare_glue_matches(const char *at, const pp_fast_key *key, uint32_t comma_len) {
    return pp_block_equal32(at, key->glue + comma_len, key->glue_mask >> comma_len);
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

/* A text as the ops see it. */
ALWAYS_INLINE void cell_put(reading *r, const pp_fast_key *key, const char *text, size_t len) {
    pp_cell *cell = &r->cell[key->field];
    cell->kind = PP_CELL_TEXT;
    cell->ptr = text;
    cell->len = len;
}

/* The op of a step runs at the record's end, when it is sure that the record is one. */
ALWAYS_INLINE void step_wait(reading *r, const pp_fast_key *key, const char *text, size_t len) {
    cell_put(r, key, text, len);
    r->wait[r->waiting] = key->step;
    r->waiting++;
}

/* True for a text that may stand for "no value". */
ALWAYS_INLINE bool may_be_no_value(const pp_fast_key *key, size_t len) {
    return key->no_value_lengths & pp_length_bit(len);
}

ALWAYS_INLINE const char *text_take(reading *r, const pp_fast_key *key, int64_t row, const char *at) {
    const lane *to = &r->lane[key->step];
    int32_t start = to->offsets[row];
    copied text = text_copy(to->text + start, at, r->end);
    to->offsets[row + 1] = start + (int32_t)text.len;
    if (UNLIKELY(may_be_no_value(key, text.len))) {
        step_wait(r, key, to->text + start, text.len);
    }
    return text.at;
}

ALWAYS_INLINE const char *keep_take(reading *r, const pp_fast_key *key, int64_t row, const char *at) {
    const lane *to = &r->lane[key->step];
    int32_t start = to->offsets[row];
    copied text = text_copy(to->text + start, at, r->end);
    to->offsets[row + 1] = start + (int32_t)text.len;
    return text.at;
}

/* A text that the op reads from the input at the record's end. */
ALWAYS_INLINE const char *odd_take(reading *r, const pp_fast_key *key, const char *at) {
    copied span = text_span(at);
    step_wait(r, key, at, span.len);
    return span.at;
}

ALWAYS_INLINE const char *path_take(reading *r, const pp_fast_key *key, int64_t row, const char *at) {
    const lane *to = &r->lane[key->step];
    int32_t start = to->offsets[row];
    if (UNLIKELY(!pp_block_equal32(at, key->argument, key->argument_mask))) {
        return odd_take(r, key, at);
    }
    copied text = text_copy(to->text + start, at + key->argument_len, r->end);
    to->offsets[row + 1] = start + (int32_t)text.len;
    return UNLIKELY(may_be_no_value(key, text.len)) ? odd_take(r, key, at) : text.at;
}

/* Copies whole blocks, so that both sides need one of room; returns where the text ends. */
ALWAYS_INLINE char *blocks_copy(char *to, const char *from, size_t len) {
    size_t at = 0;
    do { /* most are short */
        memcpy(to + at, from + at, PP_BLOCK);
        at += PP_BLOCK;
    } while (UNLIKELY(at < len));
    return to + len;
}

/* Two texts with one between. */
ALWAYS_INLINE void join_write(const lane *to, int64_t row, const pp_fast_key *key, const pp_cell *first,
                              const pp_cell *second) {
    int32_t start = to->offsets[row];
    char *at = blocks_copy(to->text + start, first->ptr, first->len);
    at = blocks_copy(at, key->argument, key->argument_len);
    at = blocks_copy(at, second->ptr, second->len);
    to->offsets[row + 1] = (int32_t)(at - to->text);
}

ALWAYS_INLINE const char *join_take(reading *r, const pp_fast_key *key, int64_t row, const char *at,
                                    uint32_t met) {
    copied span = text_span(at);
    cell_put(r, key, at, span.len);
    if (!span.at || !(met & key->partner_bit)) {
        return span.at;
    }
    const pp_plan_step *step = &r->plan->step[key->step];
    const pp_cell *first = &r->cell[step->part[0].field];
    const pp_cell *second = &r->cell[step->part[1].field];
    if (UNLIKELY(may_be_no_value(key, first->len) || may_be_no_value(key, second->len))) {
        r->wait[r->waiting++] = key->step;
    } else {
        join_write(&r->lane[key->step], row, key, first, second);
    }
    return span.at;
}

ALWAYS_INLINE uint32_t digit_at(const char *at) {
    return (uint32_t)(unsigned char)*at - '0';
}

/* At most eight digits and a letter; what else is a count is odd here. */
ALWAYS_INLINE const char *magnitude_take(reading *r, const pp_fast_key *key, int64_t row, const char *at) {
    static const int32_t units[256] = {['"'] = 1, ['k'] = 1000, ['M'] = 1000000};
    uint64_t digits = pp_digits_load(at);
    uint32_t count = pp_digits_count(digits);
    uint32_t unit = (uint32_t)units[(unsigned char)at[count]];
    const char *end = at + count + (unit > 1);
    if (UNLIKELY(count == 0 || unit == 0 || *end != '"')) {
        return odd_take(r, key, at);
    }
    r->lane[key->step].i64[row] = (int64_t)pp_digits_value(digits, count) * unit;
    return end;
}

ALWAYS_INLINE const char *timestamp_take(reading *r, const pp_fast_key *key, int64_t row, const char *at) {
    int64_t value = 0;
    if (UNLIKELY(at[PP_TIME_FIXED_BYTES] != '"' || !pp_time_parse_fixed(&value, at))) {
        return odd_take(r, key, at);
    }
    r->lane[key->step].i64[row] = value;
    return at + PP_TIME_FIXED_BYTES;
}

/* An integer of 8 to 18 digits, of which `value` are the first 8; behind it, or NULL. */
NEVER_INLINE const char *i64_read_long(int64_t *value, const char *at) {
    for (int32_t count = PP_DIGITS_MAX; digit_at(at) < 10; count++) {
        if (count == 18) { /* one more might not fit */
            return NULL;
        }
        *value = *value * 10 + digit_at(at++);
    }
    return at;
}

/* An integer of at most 18 digits; what follows is checked with the next comma. */
ALWAYS_INLINE const char *i64_read(int64_t *out, const char *at) {
    bool is_negative = *at == '-';
    at += is_negative;
    uint64_t digits = pp_digits_load(at);
    uint32_t count = pp_digits_count(digits);
    if (UNLIKELY(count == 0 || ((digits & 0xff) == 0 && count > 1))) {
        return NULL;
    }
    int64_t value = pp_digits_value(digits, count);
    at += count;
    if (UNLIKELY(count == PP_DIGITS_MAX)) {
        at = i64_read_long(&value, at);
    }
    *out = is_negative ? -value : value;
    return at;
}

/* Digits and power of ten are exact doubles, so one division rounds right, and divides the sign in. */
static const double powers_of_ten[2][16] = {
    {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15},
    {-1e0, -1e1, -1e2, -1e3, -1e4, -1e5, -1e6, -1e7, -1e8, -1e9, -1e10, -1e11, -1e12, -1e13, -1e14, -1e15},
};

/* A decimal of at most 15 digits behind its sign, byte for byte. */
NEVER_INLINE const char *f64_read_long(double *out, const char *at, const double *powers) {
    const char *start = at;
    int64_t digits = 0;
    while (digit_at(at) < 10 && at - start < 16) {
        digits = digits * 10 + digit_at(at++);
    }
    int64_t count = at - start;
    int64_t decimals = 0;
    if (*at == '.') {
        const char *point = ++at;
        while (digit_at(at) < 10 && at - start < 17) {
            digits = digits * 10 + digit_at(at++);
        }
        decimals = at - point;
        if (decimals == 0) {
            return NULL;
        }
    }
    if (count == 0 || count + decimals > 15 || digit_at(at) < 10) {
        return NULL;
    }
    *out = (double)digits / powers[decimals];
    return at;
}

/* A decimal of at most 15 digits; most fill no more than one word with their point. */
ALWAYS_INLINE const char *f64_read(double *out, const char *at) {
    bool is_negative = *at == '-';
    const double *powers = powers_of_ten[is_negative];
    at += is_negative;
    uint64_t digits = pp_digits_load(at);
    uint32_t count = pp_digits_count(digits);
    if (UNLIKELY(count == 0 || ((digits & 0xff) == 0 && count > 1))) {
        return NULL;
    }
    if (UNLIKELY(count >= PP_DIGITS_MAX - 1)) {
        return f64_read_long(out, at, powers);
    }
    if (UNLIKELY(at[count] != '.')) {
        *out = pp_digits_value(digits, count) / powers[0];
        return at + count;
    }
    uint64_t fraction = ~(~digits >> 8 >> 8 * count); /* what is beyond the word is no digit */
    uint32_t decimals = pp_digits_count(fraction);
    uint32_t len = count + 1 + decimals;
    if (UNLIKELY(decimals == 0 || (len == PP_DIGITS_MAX && digit_at(at + len) < 10))) {
        return decimals ? f64_read_long(out, at, powers) : NULL;
    }
    uint64_t whole_mask = ((uint64_t)1 << 8 * count) - 1;
    digits = (digits & whole_mask) | (fraction << 8 * count);
    *out = pp_digits_value(digits, count + decimals) / powers[decimals];
    return at + len;
}

ALWAYS_INLINE const char *pair_take(reading *r, const pp_fast_key *key, int64_t row, const char *at) {
    const lane *to = &r->lane[key->step];
    int32_t start = to->offsets[row];
    to->offsets[row + 1] = start + 2;
    return f64_read(&to->f64[start + key->part], at);
}

/* Behind the closing quote, or NULL. */
ALWAYS_INLINE const char *quote_pass(const char *at) {
    return at ? at + 1 : NULL;
}

/* A text without escapes, or a number. */
ALWAYS_INLINE const char *skip_take(const char *at) {
    double skipped;
    return *at == '"' ? quote_pass(text_span(at + 1).at) : f64_read(&skipped, at);
}

ALWAYS_INLINE const char *value_take(reading *r, const pp_fast_key *key, int64_t row, const char *at,
                                     uint32_t met) {
    switch (key->action) {
    case PP_FAST_TEXT:
        return quote_pass(text_take(r, key, row, at));
    case PP_FAST_KEEP:
        return quote_pass(keep_take(r, key, row, at));
    case PP_FAST_PATH:
        return quote_pass(path_take(r, key, row, at));
    case PP_FAST_MAGNITUDE:
        return quote_pass(magnitude_take(r, key, row, at));
    case PP_FAST_TIMESTAMP:
        return quote_pass(timestamp_take(r, key, row, at));
    case PP_FAST_JOIN:
        return quote_pass(join_take(r, key, row, at, met));
    case PP_FAST_I64:
        return i64_read(&r->lane[key->step].i64[row], at);
    case PP_FAST_F64:
        return f64_read(&r->lane[key->step].f64[row], at);
    case PP_FAST_PAIR:
        return pair_take(r, key, row, at);
    case PP_FAST_SKIP:
        return skip_take(at);
    default:
        UNREACHABLE();
    }
}

/* The key whose name may begin at `at`, behind a quote. */
ALWAYS_INLINE pp_fast_key *key_guess(const pp_fast *fast, pp_fast_style *style, const char *at) {
    return &style->key[fast->slot[pp_fast_slot(fast->multiplier, at)]];
}

/* What follows a value, where it is not what followed last time: another key, or the record's end. */
ALWAYS_INLINE pp_fast_key *next_find(const pp_fast *fast, pp_fast_style *style, const char *at) {
    pp_fast_key *key = key_guess(fast, style, at + style->punctuation.comma_len + 1);
    return glue_matches(at, key) ? key : glue_matches(at, &style->ending) ? &style->ending : NULL;
}

/* One record, of which the style and the first key are known; behind its line end, or NULL where it is none
 * that this road can read. */
ALWAYS_INLINE const char *record_take(reading *r, const pp_fast *fast, pp_fast_style *style, int64_t row,
                                      const char *at) {
    uint32_t met = 0;
    pp_fast_key *key = style->first;
    at += style->punctuation.opening_len + key->glue_len - style->punctuation.comma_len;
    while (key->action != PP_FAST_END) {
        if (UNLIKELY(met & key->field_bit)) { /* the last one wins, and is counted: the cell road's work */
            return NULL;
        }
        met |= key->field_bit;
        at = value_take(r, key, row, at, met);
        if (UNLIKELY(!at)) {
            return NULL;
        }
        pp_fast_key *next = key->next;
        if (!glue_matches(at, next)) {
            next = next_find(fast, style, at);
            if (UNLIKELY(!next)) {
                return NULL;
            }
            key->next = next;
        }
        key = next;
        at += key->glue_len;
    }
    return (met & fast->fields) == fast->fields ? at : NULL;
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

/* The key that a record in this style begins with, or NULL. */
ALWAYS_INLINE pp_fast_key *first_find(const pp_fast *fast, pp_fast_style *style, const char *at) {
    uint32_t comma_len = style->punctuation.comma_len;
    if (!glue_matches(at, &style->opening)) {
        return NULL;
    }
    at += style->opening.glue_len;
    pp_fast_key *key = style->first;
    if (!bare_glue_matches(at, key, comma_len)) {
        key = key_guess(fast, style, at + 1);
        key = bare_glue_matches(at, key, comma_len) ? key : NULL;
    }
    /* Where a number follows, a style without blanks is the beginning of one with them. */
    return key && (key->is_text || at[key->glue_len - comma_len] > ' ') ? key : NULL;
}

/* One record in the style that followed the last one's the last time, or in another; behind its line end, or
 * NULL. */
ALWAYS_INLINE const char *styles_take(pp_fast *fast, reading *r, int64_t row, const char *at) {
    int32_t index = fast->style[fast->current].next;
    for (int32_t i = 0; i < fast->count; i++) {
        pp_fast_style *style = &fast->style[index];
        pp_fast_key *first = first_find(fast, style, at);
        if (first) {
            style->first = first;
            r->waiting = 0;
            const char *next = record_take(r, fast, style, row, at);
            if (next) {
                style->rows++;
                fast->style[fast->current].next = index;
                fast->current = index;
                return next;
            }
        }
        index = index + 1 < fast->count ? index + 1 : 0;
    }
    return NULL;
}

static void lanes_open(reading *r, const pp_columns *columns) {
    for (int32_t i = 0; i < columns->count; i++) {
        const pp_column *column = &columns->column[i];
        r->lane[i] = (lane){column->offsets, column->text, column->i64, column->f64};
    }
}

size_t pp_fast_run(pp_fast *fast, const pp_plan *plan, const pp_fast_target *target, const char *text,
                   const char *end) {
    if (fast->count == 0) {
        return 0;
    }
    reading r;
    r.plan = plan;
    r.columns = target->columns;
    r.end = end;
    lanes_open(&r, target->columns);
    const char *at = text;
    int64_t row = target->columns->rows;
    while (at < end && row < target->rows_max) {
        const char *next = styles_take(fast, &r, row, at);
        if (UNLIKELY(!next || next - at - 1 > target->record_bytes_max ||
                     (target->is_payload && next != end))) {
            break;
        }
        if (!r.waiting || steps_run(&r, row, target->report)) {
            row++;
        }
        at = next;
    }
    fast->rows += row - target->columns->rows;
    target->columns->rows = row;
    target->columns->input_bytes += at - text;
    return (size_t)(at - text);
}
