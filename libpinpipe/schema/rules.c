/* Turns the rows of rules.def into the list of rules of one record and shape.
 * Never decides what a rule does: clean/ops.h does.
 * Rules: rules.def. */
#include <assert.h>
#include <stdio.h>

#include "schema/schema.h"

#define EFFECT_NULLED "nulled"
#define EFFECT_KEPT "kept"
#define EFFECT_IGNORED "ignored"
#define EFFECT_REJECTED "rejected"

static const struct {
    pinpipe_record record;
    pp_raw_symbol symbol;
    const char *suffix;
    const char *text;
    const char *source;
} marker_rows[] = {
#define MARKER(record, symbol, suffix, text, source)                                                         \
    {PINPIPE_##record, PP_RAW_##record##_##symbol, suffix, text, source},
#include "schema/rules.def"
};

static const struct {
    pp_op op;
    pp_outcome outcome;
    const char *suffix;
    const char *effect;
    const char *source;
} outcome_rows[] = {
#define OUTCOME(op, outcome, suffix, effect, source)                                                         \
    {PP_OP_##op, PP_OUTCOME_##outcome, suffix, EFFECT_##effect, source},
#include "schema/rules.def"
};

static const struct {
    pp_outcome outcome;
    const char *suffix;
    const char *effect;
    const char *source;
} record_rule_rows[] = {
#define RECORD_RULE(outcome, suffix, effect, source) {PP_OUTCOME_##outcome, suffix, EFFECT_##effect, source},
#include "schema/rules.def"
};

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

typedef struct rule_list {
    pp_rule *rules;
    int32_t count;
} rule_list;

static void rule_add(rule_list *list, pp_rule rule) {
    assert(list->count < PP_RULES_MAX);
    list->rules[list->count++] = rule;
}

static bool op_has_markers(pp_op op) {
    return op == PP_OP_TEXT || op == PP_OP_MAGNITUDE || op == PP_OP_PATH || op == PP_OP_TIMESTAMP ||
           op == PP_OP_JOIN;
}

/* The rules of one raw field as a step reads it. */
static void rules_of_field(rule_list *list, int32_t record, const pp_step *step, int32_t step_index,
                           int32_t field, const char *column) {
    for (size_t i = 0; i < COUNT_OF(outcome_rows); i++) {
        if (outcome_rows[i].op == step->op && outcome_rows[i].outcome != PP_OUTCOME_INCOMPLETE) {
            rule_add(list,
                     (pp_rule){field, step_index, outcome_rows[i].outcome, column, outcome_rows[i].suffix,
                               outcome_rows[i].effect, "", outcome_rows[i].source});
        }
    }
    for (size_t i = 0; op_has_markers(step->op) && i < COUNT_OF(marker_rows); i++) {
        if ((int32_t)marker_rows[i].record == record && pp_raw_field(marker_rows[i].symbol) == field) {
            rule_add(list, (pp_rule){field, step_index, PP_OUTCOME_COUNT, column, marker_rows[i].suffix,
                                     EFFECT_NULLED, marker_rows[i].text, marker_rows[i].source});
        }
    }
}

static void rules_of_step(rule_list *list, int32_t record, const pp_step *step, int32_t step_index) {
    int32_t raw_count = 0;
    const pp_raw_row *raw = pp_raw_rows(record, &raw_count);
    if (step->first == step->second) {
        const char *column = step->op == PP_OP_KEY ? "ind" : step->name;
        rules_of_field(list, record, step, step_index, step->first, column);
        return;
    }
    rules_of_field(list, record, step, step_index, step->first, raw[step->first].name);
    rules_of_field(list, record, step, step_index, step->second, raw[step->second].name);
    for (size_t i = 0; i < COUNT_OF(outcome_rows); i++) {
        if (outcome_rows[i].op == step->op && outcome_rows[i].outcome == PP_OUTCOME_INCOMPLETE) {
            rule_add(list,
                     (pp_rule){-1, step_index, PP_OUTCOME_INCOMPLETE, step->name, outcome_rows[i].suffix,
                               outcome_rows[i].effect, "", outcome_rows[i].source});
        }
    }
}

int32_t pp_rules(pp_rule out[PP_RULES_MAX], int32_t record, int32_t shape) {
    rule_list list = {out, 0};
    pp_step steps[PP_CLEAN_MAX];
    int32_t step_count = pp_steps(steps, record, shape);
    for (int32_t i = 0; i < step_count; i++) {
        rules_of_step(&list, record, &steps[i], i);
    }
    for (size_t i = 0; i < COUNT_OF(record_rule_rows); i++) {
        rule_add(&list, (pp_rule){-1, -1, record_rule_rows[i].outcome, NULL, record_rule_rows[i].suffix,
                                  record_rule_rows[i].effect, "", record_rule_rows[i].source});
    }
    return list.count;
}

void pp_rule_id(char *out, size_t size, int32_t record, const pp_rule *rule) {
    const char *name = pinpipe_record_name(record);
    if (rule->column) {
        snprintf(out, size, "%s.%s.%s", name, rule->column, rule->suffix);
    } else {
        snprintf(out, size, "%s.%s", name, rule->suffix);
    }
}

int32_t pinpipe_rule_count(int32_t record, int32_t shape) {
    pp_rule rules[PP_RULES_MAX];
    return pp_schema_known(record, shape) ? pp_rules(rules, record, shape) : 0;
}

pinpipe_status pinpipe_rule_at(pinpipe_rule_info *out, int32_t record, int32_t shape, int32_t index,
                               pinpipe_error *err) {
    if (!out || out->struct_size < sizeof *out) {
        return pp_fail(err, PINPIPE_EINVAL, "rule info lacks its struct_size");
    }
    pp_rule rules[PP_RULES_MAX];
    int32_t count = pp_schema_known(record, shape) ? pp_rules(rules, record, shape) : 0;
    if (index < 0 || index >= count) {
        return pp_fail(err, PINPIPE_EINVAL, "no rule %d in record %d, shape %d", index, record, shape);
    }
    pp_rule_id(out->id, sizeof out->id, record, &rules[index]);
    out->effect = rules[index].effect;
    out->text = rules[index].text;
    out->source = rules[index].source;
    return PINPIPE_OK;
}
