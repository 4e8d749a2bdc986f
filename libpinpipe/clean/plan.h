/* The steps and rules of one record and shape, resolved once: what each op has to look up while it runs.
 * Never changes after it is made.
 * Rules: schema/records.def, schema/rules.def. */
#ifndef PP_CLEAN_PLAN_H
#define PP_CLEAN_PLAN_H

#include "schema/schema.h"

/** One raw input of a step. */
typedef struct pp_part {
    int32_t field;
    int16_t rule[PP_OUTCOME_COUNT]; /* outcome -> index of the rule, -1 = none */
    int16_t marker_first;           /* index of the first marker's rule; markers stand together */
    int16_t marker_count;
    uint64_t marker_lengths; /* bit n: a marker of n bytes exists */
} pp_part;

typedef struct pp_plan_step {
    pp_op op;
    const char *argument;
    size_t argument_len;
    int16_t incomplete_rule;
    pp_part part[2];
} pp_plan_step;

typedef struct pp_plan {
    int32_t record;
    int32_t shape;
    int32_t step_count;
    int32_t key_step;
    int32_t rule_count;
    int16_t record_rule[PP_OUTCOME_COUNT];
    pp_plan_step step[PP_CLEAN_MAX];
    pp_rule rule[PP_RULES_MAX];
} pp_plan;

void pp_plan_init(pp_plan *plan, int32_t record, int32_t shape);

/** The rule of an outcome of the whole record; a stand-in without a suffix where the table has no such row.
 */
const pp_rule *pp_plan_record_rule(const pp_plan *plan, pp_outcome outcome);

#endif
