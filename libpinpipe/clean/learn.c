/* Turns one record that the cell road accepted into a template for the fast road.
 * Never learns what the fast road could not read right: nulls, other kinds of values, keys that are missing
 * or unknown. Rules: decoder.md §2, §6. */
#include <string.h>

#include "clean/fast.h"
#include "text/json_string.h"
#include "text/number.h"

/* Where a raw field goes. */
typedef struct use {
    pp_op op;
    size_t argument_len;
    int32_t step; /* -1: no column takes it */
    int32_t part;
} use;

typedef struct learner {
    const char *at;
    const char *end;
    const char *glue; /* where the bytes before the next value begin */
    use use[PP_RAW_MAX];
    bool is_met[PP_RAW_MAX];
    pp_fast_template template;
} learner;

void pp_fast_init(pp_fast *fast) {
    memset(fast, 0, sizeof *fast);
    fast->run = pp_fast_run_best();
    fast->next_miss = 1;
}

static void uses_find(learner *l, const pp_plan *plan) {
    for (int32_t i = 0; i < PP_RAW_MAX; i++) {
        l->use[i].step = -1;
    }
    for (int32_t i = 0; i < plan->step_count; i++) {
        const pp_plan_step *step = &plan->step[i];
        l->use[step->part[1].field] = (use){step->op, step->argument_len, i, 1};
        l->use[step->part[0].field] = (use){step->op, step->argument_len, i, 0};
    }
}

/* What the fast road does with a value of this kind for this op; false where it cannot. */
static bool action_find(uint8_t *action, const use *used, bool is_text) {
    if (used->step < 0) {
        *action = is_text ? PP_FAST_SKIP_TEXT : PP_FAST_SKIP_NUMBER;
        return true;
    }
    switch (used->op) {
    case PP_OP_KEY:
    case PP_OP_INTEGER:
        *action = PP_FAST_I64;
        return !is_text;
    case PP_OP_NUMBER:
        *action = PP_FAST_F64;
        return !is_text;
    case PP_OP_PAIR:
        *action = PP_FAST_PAIR;
        return !is_text;
    case PP_OP_KEEP:
    case PP_OP_KEEP_NUMERIC:
        *action = PP_FAST_KEEP;
        return is_text;
    case PP_OP_TEXT:
        *action = PP_FAST_TEXT;
        return is_text;
    case PP_OP_MAGNITUDE:
        *action = PP_FAST_MAGNITUDE;
        return is_text;
    case PP_OP_PATH:
        *action = PP_FAST_PATH;
        return is_text && used->argument_len < PP_FAST_GLUE_MAX;
    case PP_OP_TIMESTAMP:
        *action = PP_FAST_TIMESTAMP;
        return is_text;
    case PP_OP_JOIN:
        *action = PP_FAST_HOLD;
        return is_text;
    }
    return false;
}

static void blanks_skip(learner *l) {
    while (l->at < l->end && (*l->at == ' ' || *l->at == '\t' || *l->at == '\r' || *l->at == '\n')) {
        l->at++;
    }
}

static bool byte_take(learner *l, char byte) {
    blanks_skip(l);
    bool is_there = l->at < l->end && *l->at == byte;
    l->at += is_there;
    return is_there;
}

/* The bytes from the last value's end to here. */
static bool glue_take(learner *l, pp_fast_field *field) {
    size_t len = (size_t)(l->at - l->glue);
    if (len == 0 || len > PP_FAST_GLUE_MAX) {
        return false;
    }
    memcpy(field->glue, l->glue, len);
    field->glue_len = (uint8_t)len;
    field->glue_mask = len == 32 ? UINT32_MAX : (1u << len) - 1;
    return true;
}

/* One member: its key's field, the glue before its value, and what is done with the value. */
static bool member_take(learner *l, pp_fields *fields, int32_t position) {
    uint32_t flags = 0;
    if (position == PP_RAW_MAX || !byte_take(l, '"')) {
        return false;
    }
    size_t key_len = pp_json_string_span(l->at, &flags);
    int32_t raw = flags & PP_JSON_HAS_ESCAPE ? -1 : pp_fields_find(fields, position, l->at, key_len);
    l->at += key_len + 1;
    if (raw < 0 || l->is_met[raw] || !byte_take(l, ':')) {
        return false;
    }
    blanks_skip(l);
    bool is_text = *l->at == '"';
    l->at += is_text;
    pp_fast_field *field = &l->template.field[position];
    field->field = (uint8_t)raw;
    field->step = (uint8_t)(l->use[raw].step < 0 ? 0 : l->use[raw].step);
    field->part = (uint8_t)l->use[raw].part;
    l->is_met[raw] = true;
    if (!action_find(&field->action, &l->use[raw], is_text) || !glue_take(l, field)) {
        return false;
    }
    bool is_integer = false;
    size_t len = is_text ? pp_json_string_span(l->at, &flags) : pp_number_scan(l->at, l->end, &is_integer);
    l->glue = l->at + len;
    l->at = l->glue + is_text;
    return is_text || len > 0;
}

static bool template_learn(learner *l, pp_fields *fields) {
    if (!byte_take(l, '{')) {
        return false;
    }
    for (int32_t position = 0;; position++) {
        if (!member_take(l, fields, position)) {
            return false;
        }
        l->template.count = position + 1;
        if (byte_take(l, '}')) {
            break;
        }
        if (!byte_take(l, ',')) {
            return false;
        }
    }
    for (int32_t raw = 0; raw < PP_RAW_MAX; raw++) {
        if (l->use[raw].step >= 0 && !l->is_met[raw]) {
            return false;
        }
    }
    l->at = l->end;
    return glue_take(l, &l->template.tail);
}

/* A free place, or that of the template that reads least. */
static int32_t place_find(pp_fast *fast) {
    if (fast->count < PP_FAST_TEMPLATES) {
        return fast->count++;
    }
    int32_t least = 0;
    for (int32_t i = 0; i < PP_FAST_TEMPLATES; i++) {
        least = fast->template[i].rows < fast->template[least].rows ? i : least;
    }
    for (int32_t i = 0; i < PP_FAST_TEMPLATES; i++) {
        fast->template[i].rows /= 2;
    }
    return least;
}

void pp_fast_learn(pp_fast *fast, const pp_plan *plan, pp_fields *fields, const char *text, size_t len) {
    if (++fast->misses < fast->next_miss) {
        return;
    }
    /* The first misses are worth a look each; later ones ever more seldom, so that random orders cost little.
     */
    fast->next_miss = fast->misses + (fast->misses / 4 < PP_FAST_TEMPLATES ? 1 : fast->misses);
    learner l = {.at = text, .end = text + len, .glue = text};
    uses_find(&l, plan);
    if (!template_learn(&l, fields)) {
        return;
    }
    fast->current = place_find(fast);
    fast->template[fast->current] = l.template;
}
