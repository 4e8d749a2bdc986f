/* Turns the rows of a record and shape into the plan that the ops follow.
 * Never runs per record.
 * Rules: schema/records.def, schema/rules.def. */
#include "clean/plan.h"

#include <string.h>

static void part_init(pp_part *part, int32_t field) {
    part->field = field;
    for (int32_t i = 0; i < PP_OUTCOME_COUNT; i++) {
        part->rule[i] = -1;
    }
}

static void part_add(pp_part *part, const pp_rule *rule, int16_t index) {
    bool is_on = rule->effect != PP_EFFECT_OFF;
    if (rule->outcome != PP_OUTCOME_COUNT) {
        part->rule[rule->outcome] = (int16_t)(is_on ? index : -1);
        part->no_value_lengths |= is_on && rule->outcome == PP_OUTCOME_EMPTY ? pp_length_bit(0) : 0;
        return;
    }
    part->marker_first = part->marker_count ? part->marker_first : index;
    part->marker_count++;
    if (is_on) {
        uint64_t bit = pp_length_bit(strlen(rule->text));
        part->no_value_lengths |= rule->match == PP_MATCH_PREFIX ? ~(bit - 1) : bit;
    }
}

static void rule_place(pp_plan *plan, int16_t index) {
    const pp_rule *rule = &plan->rule[index];
    if (rule->step < 0) {
        plan->record_rule[rule->outcome] = index;
        return;
    }
    pp_plan_step *step = &plan->step[rule->step];
    if (rule->field < 0) {
        int16_t on = (int16_t)(rule->effect != PP_EFFECT_OFF ? index : -1);
        *(rule->outcome == PP_OUTCOME_NULL ? &step->null_rule : &step->incomplete_rule) = on;
        return;
    }
    part_add(&step->part[rule->field == step->part[0].field ? 0 : 1], rule, index);
}

static void step_init(pp_plan_step *out, const pp_step *step) {
    out->op = step->op;
    out->argument = step->argument;
    out->argument_len = strlen(step->argument);
    out->incomplete_rule = -1;
    out->null_rule = -1;
    part_init(&out->part[0], step->first);
    part_init(&out->part[1], step->second);
}

static int32_t most(int32_t a, size_t b) {
    return a > (int32_t)b ? a : (int32_t)b;
}

void pp_plan_init(pp_plan *plan, int32_t record, int32_t shape, const pinpipe_profile *profile) {
    pp_profile_record built_in;
    const pp_profile_record *from = &built_in;
    if (profile && shape == PINPIPE_CLEAN) {
        from = &profile->record[record];
    } else {
        pp_profile_record_init(&built_in, record, shape, PP_PROFILE_COURSE);
    }
    memset(plan, 0, sizeof *plan);
    plan->record = record;
    plan->shape = shape;
    plan->step_count = from->step_count;
    plan->rule_count = from->rule_count;
    memcpy(plan->rule, from->rule, sizeof plan->rule);
    for (int32_t i = 0; i < PP_OUTCOME_COUNT; i++) {
        plan->record_rule[i] = -1;
    }
    for (int32_t i = 0; i < plan->step_count; i++) {
        step_init(&plan->step[i], &from->step[i]);
        plan->key_step = from->step[i].op == PP_OP_KEY ? i : plan->key_step;
        bool is_joined = from->step[i].op == PP_OP_JOIN;
        plan->growth_bytes = most(plan->growth_bytes, is_joined ? plan->step[i].argument_len : 0);
    }
    for (int32_t i = 0; i < plan->rule_count; i++) {
        rule_place(plan, (int16_t)i);
        plan->growth_bytes = most(plan->growth_bytes, plan->rule[i].fill.len);
    }
}

const pp_rule *pp_plan_record_rule(const pp_plan *plan, pp_outcome outcome) {
    static const pp_rule unnamed = {
        .field = -1, .step = -1, .effect = PP_EFFECT_REJECTED, .suffix = "", .text = "", .source = ""};
    int16_t index = plan->record_rule[outcome];
    return index >= 0 ? &plan->rule[index] : &unnamed;
}
