/* Turns the rows of a record and shape into the plan that the ops follow.
 * Never runs per record.
 * Rules: schema/records.def, schema/rules.def. */
#include "clean/plan.h"

#include <assert.h>
#include <string.h>

static void part_init(pp_part *part, int32_t field) {
    part->field = field;
    for (int32_t i = 0; i < PP_OUTCOME_COUNT; i++) {
        part->rule[i] = -1;
    }
}

static void part_add(pp_part *part, const pp_rule *rule, int16_t index) {
    if (rule->outcome != PP_OUTCOME_COUNT) {
        part->rule[rule->outcome] = index;
        return;
    }
    size_t len = strlen(rule->text);
    assert(len < 64);
    part->marker_first = part->marker_count ? part->marker_first : index;
    part->marker_count++;
    part->marker_lengths |= (uint64_t)1 << len;
}

static void rule_place(pp_plan *plan, int16_t index) {
    const pp_rule *rule = &plan->rule[index];
    if (rule->step < 0) {
        plan->record_rule[rule->outcome] = index;
        return;
    }
    pp_plan_step *step = &plan->step[rule->step];
    if (rule->field < 0) {
        step->incomplete_rule = index;
        return;
    }
    part_add(&step->part[rule->field == step->part[0].field ? 0 : 1], rule, index);
}

void pp_plan_init(pp_plan *plan, int32_t record, int32_t shape) {
    memset(plan, 0, sizeof *plan);
    pp_step steps[PP_CLEAN_MAX];
    plan->record = record;
    plan->shape = shape;
    plan->step_count = pp_steps(steps, record, shape);
    plan->rule_count = pp_rules(plan->rule, record, shape);
    for (int32_t i = 0; i < PP_OUTCOME_COUNT; i++) {
        plan->record_rule[i] = -1;
    }
    for (int32_t i = 0; i < plan->step_count; i++) {
        plan->step[i].op = steps[i].op;
        plan->step[i].argument = steps[i].argument;
        plan->step[i].argument_len = strlen(steps[i].argument);
        plan->step[i].incomplete_rule = -1;
        part_init(&plan->step[i].part[0], steps[i].first);
        part_init(&plan->step[i].part[1], steps[i].second);
        plan->key_step = steps[i].op == PP_OP_KEY ? i : plan->key_step;
    }
    for (int32_t i = 0; i < plan->rule_count; i++) {
        rule_place(plan, (int16_t)i);
    }
}

const pp_rule *pp_plan_record_rule(const pp_plan *plan, pp_outcome outcome) {
    static const pp_rule unnamed = {-1, -1, PP_OUTCOME_MALFORMED, NULL, "", "rejected", "", ""};
    int16_t index = plan->record_rule[outcome];
    return index >= 0 ? &plan->rule[index] : &unnamed;
}
