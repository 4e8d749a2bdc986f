/* The steps and rules of one record and shape, resolved once: what each op has to look up while it runs.
 * Never changes after it is made.
 * Rules: schema/records.def, schema/rules.def. */
#ifndef PP_CLEAN_PLAN_H
#define PP_CLEAN_PLAN_H

#include "clean/profile.h"

/** One raw input of a step. */
typedef struct pp_part {
    int32_t field;
    int16_t rule[PP_OUTCOME_COUNT]; /* outcome -> index of the rule, -1 = none */
    int16_t marker_first;           /* index of the first marker's rule; markers stand together */
    int16_t marker_count;
    uint64_t no_value_lengths; /* bit n: a text of n bytes may stand for "no value"; bit 63: of 63 and more */
} pp_part;

typedef struct pp_plan_step {
    pp_op op;
    const char *argument;
    size_t argument_len;
    int16_t incomplete_rule;
    int16_t null_rule; /* of a column that is null after all; -1 = off */
    pp_part part[2];
} pp_plan_step;

typedef struct pp_plan {
    int32_t record;
    int32_t shape;
    int32_t step_count;
    int32_t key_step;
    int32_t rule_count;
    int32_t growth_bytes; /* the most that a column's text may be longer than the record's */
    int16_t record_rule[PP_OUTCOME_COUNT];
    pp_plan_step step[PP_CLEAN_MAX];
    pp_rule rule[PP_RULES_MAX];
} pp_plan;

/** The plan of a record and shape; a clean one follows `profile`, NULL for the default. The profile outlives
 * the plan. */
void pp_plan_init(pp_plan *plan, int32_t record, int32_t shape, const pinpipe_profile *profile);

/** The bit of a text's length in pp_part.no_value_lengths. */
static inline uint64_t pp_length_bit(size_t len) {
    return (uint64_t)1 << (len < 63 ? len : 63);
}

/** The rule of an outcome of the whole record; a stand-in without a suffix where the table has no such row.
 */
const pp_rule *pp_plan_record_rule(const pp_plan *plan, pp_outcome outcome);

#endif
