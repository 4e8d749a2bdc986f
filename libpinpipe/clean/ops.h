/* What makes a column's value out of cells: one inline function per op, for every road.
 * Never fails and never allocates: what cannot be read is null and counted under its rule.
 * Rules: CONTRACT §4; each outcome's row is in schema/rules.def, its effect in the plan's profile. */
#ifndef PP_CLEAN_OPS_H
#define PP_CLEAN_OPS_H

#include <math.h>
#include <string.h>

#include "clean/plan.h"
#include "codec/cells.h"
#include "record/columns.h"
#include "record/report.h"
#include "text/number.h"
#include "text/time_text.h"

/** Where an op writes: a column at a row, and the report. */
typedef struct pp_op_target {
    pp_column *column;
    int64_t row;
    const pp_plan *plan;
    const pp_plan_step *step;
    pinpipe_report *report;
    bool is_dropped; /* a rule leaves the row out */
} pp_op_target;

static inline void pp_op_hit(const pp_op_target *to, int32_t rule) {
    if (rule >= 0) {
        to->report->hits[rule]++;
    }
}

/* Writes what a rule of a profile puts in a null's place. */
static inline void pp_op_fill(const pp_op_target *to, const pp_fill *fill) {
    switch (to->column->type) {
    case PINPIPE_TYPE_TEXT:
        pp_column_put_text(to->column, to->row, fill->text, fill->len);
        return;
    case PINPIPE_TYPE_F64:
        pp_column_put_f64(to->column, to->row, fill->f64);
        return;
    default:
        pp_column_put_i64(to->column, to->row, fill->i64);
    }
}

/* The value is null: for the reason of a rule, which may put something else in its place, or (-1) because the
 * record says so; then what the column's own rule says of nulls. */
static inline void pp_op_null(pp_op_target *to, int32_t rule) {
    pp_op_hit(to, rule);
    bool is_settled = rule >= 0 && to->plan->rule[rule].effect >= PP_EFFECT_FILLED;
    int32_t last = is_settled ? rule : to->step->null_rule;
    if (last < 0) {
        pp_column_put_null(to->column, to->row);
        return;
    }
    if (!is_settled) {
        pp_op_hit(to, last);
    }
    if (to->plan->rule[last].effect == PP_EFFECT_FILLED) {
        pp_op_fill(to, &to->plan->rule[last].fill);
    } else {
        pp_column_put_null(to->column, to->row);
        to->is_dropped = true;
    }
}

/** Counts what the cell holds among the values that a rule met; in notes.c, for it is seldom needed. */
void pp_op_note(const pp_op_target *to, int32_t rule, const pp_cell *cell);

/* A value that cannot be taken: counted, noted, null. */
static inline void pp_op_bad(pp_op_target *to, int32_t rule, const pp_cell *cell) {
    pp_op_note(to, rule, cell);
    pp_op_null(to, rule);
}

/* The rule of a cell that holds no value of the wanted kind: MISSING, none for null, WRONG_TYPE. */
static inline int32_t pp_op_absent_rule(const pp_op_target *to, const pp_part *part, const pp_cell *cell) {
    switch (cell->kind) {
    case PP_CELL_MISSING:
        return part->rule[PP_OUTCOME_MISSING];
    case PP_CELL_NULL:
        return -1;
    default:
        pp_op_note(to, part->rule[PP_OUTCOME_WRONG_TYPE], cell);
        return part->rule[PP_OUTCOME_WRONG_TYPE];
    }
}

static inline bool pp_op_is_marker(const pp_rule *rule, const char *text, size_t len) {
    size_t marker = strlen(rule->text);
    bool is_long_enough = rule->match == PP_MATCH_PREFIX ? len >= marker : len == marker;
    return rule->effect != PP_EFFECT_OFF && is_long_enough && memcmp(rule->text, text, marker) == 0;
}

/* A text's rule when it stands for "no value": "" or a marker; -1 when it is a value. */
static inline int32_t pp_op_empty_rule(const pp_op_target *to, const pp_part *part, const pp_cell *cell) {
    if (!(part->no_value_lengths & pp_length_bit(cell->len))) {
        return -1;
    }
    if (cell->len == 0) {
        return part->rule[PP_OUTCOME_EMPTY];
    }
    for (int32_t i = part->marker_first; i < part->marker_first + part->marker_count; i++) {
        if (pp_op_is_marker(&to->plan->rule[i], cell->ptr, cell->len)) {
            return i;
        }
    }
    return -1;
}

/* The rule that takes a text's value away, or -1; one that keeps it is counted. */
static inline int32_t pp_op_no_value(const pp_op_target *to, const pp_part *part, const pp_cell *cell) {
    int32_t rule = pp_op_empty_rule(to, part, cell);
    if (rule >= 0 && to->plan->rule[rule].effect == PP_EFFECT_KEPT) {
        pp_op_hit(to, rule);
        return -1;
    }
    return rule;
}

/** An int64 from any cell that can hold one. */
static inline pp_number_verdict pp_op_i64(int64_t *out, const pp_cell *cell) {
    switch (cell->kind) {
    case PP_CELL_I64:
        *out = cell->value.i64;
        return PP_NUMBER_OK;
    case PP_CELL_F64:
        if (!(fabs(cell->value.f64) < 9223372036854775808.0)) {
            return isfinite(cell->value.f64) ? PP_NUMBER_OUT_OF_RANGE : PP_NUMBER_BAD;
        }
        *out = (int64_t)cell->value.f64;
        return (double)*out == cell->value.f64 ? PP_NUMBER_OK : PP_NUMBER_NOT_INTEGER;
    case PP_CELL_TEXT:
    case PP_CELL_NUMBER:
        return pp_number_i64(out, (pinpipe_str){cell->ptr, cell->len});
    default:
        return PP_NUMBER_BAD;
    }
}

static inline pp_number_verdict pp_op_f64(double *out, const pp_cell *cell) {
    switch (cell->kind) {
    case PP_CELL_I64:
        *out = (double)cell->value.i64;
        return PP_NUMBER_OK;
    case PP_CELL_F64:
        *out = cell->value.f64;
        return isfinite(*out) ? PP_NUMBER_OK : PP_NUMBER_OUT_OF_RANGE;
    case PP_CELL_TEXT:
    case PP_CELL_NUMBER:
        return pp_number_f64(out, (pinpipe_str){cell->ptr, cell->len});
    default:
        return PP_NUMBER_BAD;
    }
}

/* The rule of a number that could not be taken. */
static inline int32_t pp_op_verdict_rule(const pp_part *part, pp_number_verdict verdict, pp_outcome bad) {
    switch (verdict) {
    case PP_NUMBER_NOT_INTEGER:
        return part->rule[PP_OUTCOME_NOT_AN_INTEGER];
    case PP_NUMBER_OUT_OF_RANGE:
        return part->rule[PP_OUTCOME_OUT_OF_RANGE];
    default:
        return part->rule[bad];
    }
}

static inline bool pp_op_is_absent(const pp_cell *cell) {
    return cell->kind == PP_CELL_MISSING || cell->kind == PP_CELL_NULL || cell->kind == PP_CELL_OTHER;
}

static inline void pp_op_integer(pp_op_target *to, const pp_part *part, const pp_cell *cell) {
    int64_t value = 0;
    if (pp_op_is_absent(cell)) {
        pp_op_null(to, pp_op_absent_rule(to, part, cell));
        return;
    }
    pp_number_verdict verdict = pp_op_i64(&value, cell);
    if (verdict != PP_NUMBER_OK) {
        pp_op_bad(to, pp_op_verdict_rule(part, verdict, PP_OUTCOME_WRONG_TYPE), cell);
        return;
    }
    pp_column_put_i64(to->column, to->row, value);
}

/* One double of a part; false when it is none, and then counted. */
static inline bool pp_op_double(double *out, const pp_op_target *to, const pp_part *part,
                                const pp_cell *cell) {
    if (pp_op_is_absent(cell)) {
        pp_op_hit(to, pp_op_absent_rule(to, part, cell));
        return false;
    }
    pp_number_verdict verdict = pp_op_f64(out, cell);
    if (verdict != PP_NUMBER_OK) {
        int32_t rule = pp_op_verdict_rule(part, verdict, PP_OUTCOME_WRONG_TYPE);
        pp_op_note(to, rule, cell);
        pp_op_hit(to, rule);
    }
    return verdict == PP_NUMBER_OK;
}

static inline void pp_op_number(pp_op_target *to, const pp_part *part, const pp_cell *cell) {
    double value = 0;
    if (pp_op_double(&value, to, part, cell)) {
        pp_column_put_f64(to->column, to->row, value);
    } else {
        pp_column_put_null(to->column, to->row);
    }
}

/* A text as the wire has it; a database's timestamp is written as isoformat does, without a zone. */
static inline void pp_op_keep(pp_op_target *to, const pp_part *part, const pp_cell *cell) {
    if (cell->kind == PP_CELL_TEXT) {
        pp_column_put_text(to->column, to->row, cell->ptr, cell->len);
    } else if (cell->kind == PP_CELL_TIME_US && pp_time_has_text(cell->value.i64)) {
        char text[PP_TIME_TEXT_MAX];
        size_t len = pp_time_write(text, cell->value.i64);
        pp_column_put_text(to->column, to->row, text, len - 1);
    } else {
        pp_op_null(to, pp_op_absent_rule(to, part, cell));
    }
}

static inline void pp_op_keep_numeric(pp_op_target *to, const pp_part *part, const pp_cell *cell) {
    char text[PP_F64_TEXT_MAX];
    if (cell->kind == PP_CELL_NUMBER) {
        pp_column_put_text(to->column, to->row, cell->ptr, cell->len);
    } else if (cell->kind == PP_CELL_I64) {
        pp_column_put_text(to->column, to->row, text, pp_number_write_i64(text, cell->value.i64));
    } else if (cell->kind == PP_CELL_F64 && isfinite(cell->value.f64)) {
        pp_column_put_text(to->column, to->row, text, pp_number_write_f64(text, cell->value.f64));
    } else {
        pp_op_keep(to, part, cell);
    }
}

static inline void pp_op_text(pp_op_target *to, const pp_part *part, const pp_cell *cell) {
    if (cell->kind != PP_CELL_TEXT) {
        pp_op_null(to, pp_op_absent_rule(to, part, cell));
        return;
    }
    int32_t rule = pp_op_no_value(to, part, cell);
    if (rule >= 0) {
        pp_op_null(to, rule);
        return;
    }
    pp_column_put_text(to->column, to->row, cell->ptr, cell->len);
}

static inline void pp_op_magnitude(pp_op_target *to, const pp_part *part, const pp_cell *cell) {
    int64_t value = 0;
    if (pp_op_is_absent(cell) || cell->kind == PP_CELL_TIME_US) {
        pp_op_null(to, pp_op_absent_rule(to, part, cell));
        return;
    }
    bool is_text = cell->kind == PP_CELL_TEXT;
    int32_t rule = is_text ? pp_op_no_value(to, part, cell) : -1;
    if (rule >= 0) {
        pp_op_null(to, rule);
        return;
    }
    pp_number_verdict verdict =
        is_text ? pp_number_magnitude(&value, (pinpipe_str){cell->ptr, cell->len}) : pp_op_i64(&value, cell);
    if (verdict != PP_NUMBER_OK) {
        pp_op_bad(to, pp_op_verdict_rule(part, verdict, PP_OUTCOME_BAD_VALUE), cell);
        return;
    }
    pp_column_put_i64(to->column, to->row, value);
}

/* What a path without its prefix becomes, by the effect of its rule. */
static inline void pp_op_path_without_prefix(pp_op_target *to, const pp_part *part, const pp_cell *cell) {
    int32_t rule = part->rule[PP_OUTCOME_BAD_VALUE];
    if (rule >= 0 && to->plan->rule[rule].effect != PP_EFFECT_KEPT) {
        pp_op_bad(to, rule, cell);
        return;
    }
    pp_op_note(to, rule, cell);
    pp_op_hit(to, rule);
    pp_op_text(to, part, cell);
}

static inline void pp_op_path(pp_op_target *to, const pp_plan_step *step, const pp_cell *cell) {
    const pp_part *part = &step->part[0];
    pp_cell rest = *cell;
    if (cell->kind == PP_CELL_TEXT && cell->len >= step->argument_len &&
        memcmp(cell->ptr, step->argument, step->argument_len) == 0) {
        rest.ptr += step->argument_len;
        rest.len -= step->argument_len;
    } else if (cell->kind == PP_CELL_TEXT && pp_op_empty_rule(to, part, cell) < 0) {
        pp_op_path_without_prefix(to, part, cell);
        return;
    }
    pp_op_text(to, part, &rest);
}

static inline void pp_op_timestamp(pp_op_target *to, const pp_part *part, const pp_cell *cell) {
    int64_t value = 0;
    if (cell->kind == PP_CELL_TIME_US) {
        if (pp_time_has_text(cell->value.i64)) {
            pp_column_put_i64(to->column, to->row, cell->value.i64);
        } else {
            pp_op_bad(to, part->rule[PP_OUTCOME_BAD_VALUE], cell);
        }
        return;
    }
    if (cell->kind != PP_CELL_TEXT) {
        pp_op_null(to, pp_op_absent_rule(to, part, cell));
        return;
    }
    int32_t rule = pp_op_no_value(to, part, cell);
    if (rule >= 0) {
        pp_op_null(to, rule);
    } else if (pp_time_parse(&value, (pinpipe_str){cell->ptr, cell->len})) {
        pp_column_put_i64(to->column, to->row, value);
    } else {
        pp_op_bad(to, part->rule[PP_OUTCOME_BAD_VALUE], cell);
    }
}

static inline void pp_op_pair(pp_op_target *to, const pp_plan_step *step, const pp_cell *first,
                              const pp_cell *second) {
    double values[2] = {0, 0};
    bool has_first = pp_op_double(&values[0], to, &step->part[0], first);
    bool has_second = pp_op_double(&values[1], to, &step->part[1], second);
    if (has_first && has_second) {
        pp_column_put_pair(to->column, to->row, values[0], values[1]);
        return;
    }
    pp_op_null(to, has_first != has_second ? step->incomplete_rule : -1);
}

/* True for a text that is a value; anything else is counted. */
static inline bool pp_op_has_text(const pp_op_target *to, const pp_part *part, const pp_cell *cell) {
    if (cell->kind != PP_CELL_TEXT) {
        pp_op_hit(to, pp_op_absent_rule(to, part, cell));
        return false;
    }
    int32_t rule = pp_op_no_value(to, part, cell);
    pp_op_hit(to, rule);
    return rule < 0;
}

static inline void pp_op_join(pp_op_target *to, const pp_plan_step *step, const pp_cell *first,
                              const pp_cell *second) {
    bool has_first = pp_op_has_text(to, &step->part[0], first);
    bool has_second = pp_op_has_text(to, &step->part[1], second);
    if (!has_first || !has_second) {
        pp_op_null(to, has_first != has_second ? step->incomplete_rule : -1);
        return;
    }
    pp_column *column = to->column;
    int32_t start = column->offsets[to->row];
    char *out = column->text + start;
    memcpy(out, first->ptr, first->len);
    memcpy(out + first->len, step->argument, step->argument_len);
    memcpy(out + first->len + step->argument_len, second->ptr, second->len);
    column->offsets[to->row + 1] = start + (int32_t)(first->len + step->argument_len + second->len);
}

/** Runs step `index` on its column of `columns`; the key's value was checked before. `to` names plan, report
 * and row. */
static inline void pp_op_run(pp_op_target *to, pp_columns *columns, int32_t index, const pp_cell *cells) {
    const pp_plan_step *step = &to->plan->step[index];
    const pp_cell *first = &cells[step->part[0].field];
    const pp_cell *second = &cells[step->part[1].field];
    to->column = &columns->column[index];
    to->step = step;
    switch (step->op) {
    case PP_OP_KEY:
    case PP_OP_INTEGER:
        pp_op_integer(to, &step->part[0], first);
        return;
    case PP_OP_NUMBER:
        pp_op_number(to, &step->part[0], first);
        return;
    case PP_OP_KEEP:
        pp_op_keep(to, &step->part[0], first);
        return;
    case PP_OP_KEEP_NUMERIC:
        pp_op_keep_numeric(to, &step->part[0], first);
        return;
    case PP_OP_TEXT:
        pp_op_text(to, &step->part[0], first);
        return;
    case PP_OP_MAGNITUDE:
        pp_op_magnitude(to, &step->part[0], first);
        return;
    case PP_OP_PATH:
        pp_op_path(to, step, first);
        return;
    case PP_OP_TIMESTAMP:
        pp_op_timestamp(to, &step->part[0], first);
        return;
    case PP_OP_PAIR:
        pp_op_pair(to, step, first, second);
        return;
    case PP_OP_JOIN:
        pp_op_join(to, step, first, second);
        return;
    }
}

#endif
