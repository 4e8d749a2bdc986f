/* Turns the rows of rules.def into the list of rules of one record, shape and built-in profile.
 * Never decides what a rule does: clean/ops.h does.
 * Rules: rules.def. */
#include <assert.h>
#include <stdio.h>

#include "schema/schema.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static const char *const effect_names[PP_EFFECT_COUNT] = {
    [PP_EFFECT_OFF] = "off",         [PP_EFFECT_NULLED] = "nulled",     [PP_EFFECT_KEPT] = "kept",
    [PP_EFFECT_IGNORED] = "ignored", [PP_EFFECT_REJECTED] = "rejected", [PP_EFFECT_FILLED] = "filled",
    [PP_EFFECT_DROPPED] = "dropped",
};

static const char *const match_names[PP_MATCH_COUNT] = {
    [PP_MATCH_EXACT] = "exact",
    [PP_MATCH_PREFIX] = "prefix",
};

static const char *const profile_names[PP_PROFILE_COUNT] = {
#define PROFILE(symbol, name) [PP_PROFILE_##symbol] = (name),
#include "schema/rules.def"
};

static const struct {
    pinpipe_record record;
    pp_raw_symbol symbol;
    const char *suffix;
    const char *text;
    pp_match match;
    pp_effect effect[PP_PROFILE_COUNT];
    const char *source;
} marker_rows[] = {
#define MARKER(record, symbol, suffix, text, match, course, keep, source)                                    \
    {PINPIPE_##record,                                                                                       \
     PP_RAW_##record##_##symbol,                                                                             \
     suffix,                                                                                                 \
     text,                                                                                                   \
     PP_MATCH_##match,                                                                                       \
     {PP_EFFECT_##course, PP_EFFECT_##keep},                                                                 \
     source},
#include "schema/rules.def"
};

static const struct {
    pp_op op;
    pp_outcome outcome;
    const char *suffix;
    pp_effect effect[PP_PROFILE_COUNT];
    const char *source;
} outcome_rows[] = {
#define OUTCOME(op, outcome, suffix, course, keep, source)                                                   \
    {PP_OP_##op, PP_OUTCOME_##outcome, suffix, {PP_EFFECT_##course, PP_EFFECT_##keep}, source},
#include "schema/rules.def"
};

static const struct {
    pp_outcome outcome;
    pp_effect effect;
    const char *suffix;
    const char *source;
} record_rule_rows[] = {
#define RECORD_RULE(outcome, suffix, effect, source)                                                         \
    {PP_OUTCOME_##outcome, PP_EFFECT_##effect, suffix, source},
#include "schema/rules.def"
};

static const struct {
    const char *text;
    pp_profile profile;
    int32_t record;
    pp_clean_symbol symbol;
} argument_rows[] = {
#define ARGUMENT(profile, record, symbol, text, source)                                                      \
    {text, PP_PROFILE_##profile, PINPIPE_##record, PP_CLEAN_##record##_##symbol},
#include "schema/rules.def"
};

const char *pp_effect_name(pp_effect effect) {
    return effect_names[effect];
}

const char *pp_match_name(pp_match match) {
    return match_names[match];
}

const char *pp_profile_name(pp_profile profile) {
    return profile_names[profile];
}

void pp_steps_profile(pp_step *steps, int32_t count, int32_t record, pp_profile profile) {
    for (size_t i = 0; i < COUNT_OF(argument_rows); i++) {
        int32_t index = pp_clean_column(argument_rows[i].symbol);
        if (argument_rows[i].profile == profile && argument_rows[i].record == record && index < count) {
            steps[index].argument = argument_rows[i].text;
        }
    }
}

/* What is being listed. */
typedef struct rule_list {
    pp_rule *rules;
    int32_t count;
    int32_t record;
    pp_profile profile;
} rule_list;

static void rule_add(rule_list *list, pp_rule rule) {
    assert(list->count < PP_RULES_MAX);
    rule.text = rule.text ? rule.text : "";
    rule.fill.text = "";
    list->rules[list->count++] = rule;
}

bool pp_op_has_markers(pp_op op) {
    return op == PP_OP_TEXT || op == PP_OP_MAGNITUDE || op == PP_OP_PATH || op == PP_OP_TIMESTAMP ||
           op == PP_OP_JOIN;
}

/* True for an outcome of the column, not of one of the raw values that it is made of. */
static bool is_of_column(pp_outcome outcome) {
    return outcome == PP_OUTCOME_INCOMPLETE || outcome == PP_OUTCOME_NULL;
}

static void outcome_add(rule_list *list, size_t row, int32_t step_index, int32_t field, const char *column) {
    rule_add(list, (pp_rule){.field = field,
                             .step = step_index,
                             .outcome = outcome_rows[row].outcome,
                             .effect = outcome_rows[row].effect[list->profile],
                             .column = column,
                             .suffix = outcome_rows[row].suffix,
                             .source = outcome_rows[row].source});
}

/* The rules of one raw field as a step reads it. */
static void rules_of_field(rule_list *list, const pp_step *step, int32_t step_index, int32_t field,
                           const char *column) {
    for (size_t i = 0; i < COUNT_OF(outcome_rows); i++) {
        if (outcome_rows[i].op == step->op && !is_of_column(outcome_rows[i].outcome)) {
            outcome_add(list, i, step_index, field, column);
        }
    }
    for (size_t i = 0; pp_op_has_markers(step->op) && i < COUNT_OF(marker_rows); i++) {
        if ((int32_t)marker_rows[i].record == list->record && pp_raw_field(marker_rows[i].symbol) == field) {
            rule_add(list, (pp_rule){.field = field,
                                     .step = step_index,
                                     .outcome = PP_OUTCOME_COUNT,
                                     .effect = marker_rows[i].effect[list->profile],
                                     .match = marker_rows[i].match,
                                     .column = column,
                                     .suffix = marker_rows[i].suffix,
                                     .text = marker_rows[i].text,
                                     .source = marker_rows[i].source});
        }
    }
}

static void rules_of_step(rule_list *list, int32_t shape, const pp_step *step, int32_t step_index) {
    int32_t raw_count = 0;
    const pp_raw_row *raw = pp_raw_rows(list->record, &raw_count);
    if (step->first == step->second) {
        const char *column = step->op == PP_OP_KEY ? "ind" : step->name;
        rules_of_field(list, step, step_index, step->first, column);
    } else {
        rules_of_field(list, step, step_index, step->first, raw[step->first].name);
        rules_of_field(list, step, step_index, step->second, raw[step->second].name);
    }
    for (size_t i = 0; shape == PINPIPE_CLEAN && i < COUNT_OF(outcome_rows); i++) {
        if (outcome_rows[i].op == step->op && is_of_column(outcome_rows[i].outcome)) {
            outcome_add(list, i, step_index, -1, step->name);
        }
    }
}

int32_t pp_rules(pp_rule out[PP_RULES_MAX], int32_t record, int32_t shape, pp_profile profile) {
    rule_list list = {out, 0, record, profile};
    pp_step steps[PP_CLEAN_MAX];
    int32_t step_count = pp_steps(steps, record, shape);
    for (int32_t i = 0; i < step_count; i++) {
        rules_of_step(&list, shape, &steps[i], i);
    }
    for (size_t i = 0; i < COUNT_OF(record_rule_rows); i++) {
        rule_add(&list, (pp_rule){.field = -1,
                                  .step = -1,
                                  .outcome = record_rule_rows[i].outcome,
                                  .effect = record_rule_rows[i].effect,
                                  .suffix = record_rule_rows[i].suffix,
                                  .source = record_rule_rows[i].source});
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

pinpipe_status pp_rule_info(pinpipe_rule_info *out, int32_t record, const pp_rule *rule, pinpipe_error *err) {
    if (!out || out->struct_size < sizeof *out) {
        return pp_fail(err, PINPIPE_EINVAL, "rule info lacks its struct_size");
    }
    pp_rule_id(out->id, sizeof out->id, record, rule);
    out->effect = pp_effect_name(rule->effect);
    out->text = rule->text;
    out->match = rule->outcome == PP_OUTCOME_COUNT ? pp_match_name(rule->match) : "";
    out->value = rule->fill.text;
    out->source = rule->source;
    return PINPIPE_OK;
}

int32_t pinpipe_rule_count(int32_t record, int32_t shape) {
    pp_rule rules[PP_RULES_MAX];
    return pp_schema_known(record, shape) ? pp_rules(rules, record, shape, PP_PROFILE_COURSE) : 0;
}

pinpipe_status pinpipe_rule_at(pinpipe_rule_info *out, int32_t record, int32_t shape, int32_t index,
                               pinpipe_error *err) {
    pp_rule rules[PP_RULES_MAX];
    int32_t count = pp_schema_known(record, shape) ? pp_rules(rules, record, shape, PP_PROFILE_COURSE) : 0;
    if (index < 0 || index >= count) {
        return pp_fail(err, PINPIPE_EINVAL, "no rule %d in record %d, shape %d", index, record, shape);
    }
    return pp_rule_info(out, record, &rules[index], err);
}
