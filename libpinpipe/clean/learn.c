/* Turns a record type's names, and the punctuation of a record that the cell road accepted, into a style of
 * the fast road. Never learns punctuation that differs within a record, or that holds a line end.
 * Rules: decoder.md §2, §3, §6. */
#include <assert.h>
#include <string.h>

#include "clean/fast.h"
#include "text/json_string.h"
#include "text/number.h"

/* Hashes that are tried until every name has a slot of its own. */
#define MULTIPLIERS_MAX 256

/* Those that JSON writers have; they stay. */
#define STANDARD_STYLES 2

/* What is done with a raw field. */
typedef struct use {
    pp_fast_action action;
    bool is_text;
    int32_t step; /* -1: no column takes it */
    int32_t part;
    uint32_t partner_bit;
    const pp_plan_step *plan_step;
} use;

/* What the fast road does with a field for this op; false where it cannot. */
static bool action_find(use *out, pp_op op, size_t argument_len) {
    out->is_text = true;
    switch (op) {
    case PP_OP_KEY:
    case PP_OP_INTEGER:
        out->action = PP_FAST_I64;
        out->is_text = false;
        return true;
    case PP_OP_NUMBER:
        out->action = PP_FAST_F64;
        out->is_text = false;
        return true;
    case PP_OP_PAIR:
        out->action = PP_FAST_PAIR;
        out->is_text = false;
        return true;
    case PP_OP_KEEP:
    case PP_OP_KEEP_NUMERIC:
        out->action = PP_FAST_KEEP;
        return true;
    case PP_OP_TEXT:
        out->action = PP_FAST_TEXT;
        return true;
    case PP_OP_MAGNITUDE:
        out->action = PP_FAST_MAGNITUDE;
        return true;
    case PP_OP_PATH:
        out->action = PP_FAST_PATH;
        return argument_len < PP_FAST_GLUE_MAX;
    case PP_OP_TIMESTAMP:
        out->action = PP_FAST_TIMESTAMP;
        return true;
    case PP_OP_JOIN:
        out->action = PP_FAST_JOIN;
        return argument_len < PP_FAST_GLUE_MAX;
    }
    return false;
}

/* Where each raw field goes; false where the plan has a step that the fast road cannot do. */
static bool uses_find(use uses[PP_RAW_MAX], const pp_plan *plan) {
    bool is_able = true;
    for (int32_t i = 0; i < PP_RAW_MAX; i++) {
        uses[i] = (use){.action = PP_FAST_SKIP, .step = -1};
    }
    for (int32_t i = 0; i < plan->step_count; i++) {
        const pp_plan_step *step = &plan->step[i];
        use found = {.step = i, .plan_step = step};
        is_able = action_find(&found, step->op, step->argument_len) && is_able;
        for (int32_t part = 1; part >= 0; part--) {
            found.part = part;
            found.partner_bit = 1u << step->part[!part].field;
            uses[step->part[part].field] = found;
        }
    }
    return is_able;
}

static void glue_add(pp_fast_key *key, const char *bytes, size_t len) {
    assert(key->glue_len + len <= PP_FAST_GLUE_MAX);
    memcpy(key->glue + key->glue_len, bytes, len);
    key->glue_len = (uint8_t)(key->glue_len + len);
    key->glue_mask = (uint32_t)(((uint64_t)1 << key->glue_len) - 1);
}

/* False where the bytes between two values are more than one comparison takes. */
static bool punctuation_fits(const pp_fast_punctuation *punctuation, const pp_fields *fields) {
    size_t longest = 0;
    for (int32_t i = 0; i < fields->name_count; i++) {
        longest = fields->names[i].len > longest ? fields->names[i].len : longest;
    }
    return punctuation->comma_len + longest + punctuation->colon_len + strlen("\"\"\"") <= PP_FAST_GLUE_MAX;
}

static void key_make(pp_fast_key *key, const pp_fast_punctuation *punctuation, const char *name,
                     const use *used) {
    *key = (pp_fast_key){.action = (uint8_t)used->action, .is_text = used->is_text};
    key->partner_bit = used->partner_bit;
    key->step = (uint8_t)(used->step < 0 ? 0 : used->step);
    key->part = (uint8_t)used->part;
    if (used->step >= 0) {
        const pp_plan_step *step = used->plan_step;
        key->no_value_lengths = step->part[0].no_value_lengths | step->part[1].no_value_lengths;
        key->argument_len = (uint32_t)step->argument_len; /* below PP_FAST_GLUE_MAX where it is of use */
        key->argument_mask = (1u << (key->argument_len & 31)) - 1;
    }
    glue_add(key, punctuation->comma, punctuation->comma_len);
    glue_add(key, "\"", 1);
    glue_add(key, name, strlen(name));
    glue_add(key, "\"", 1);
    glue_add(key, punctuation->colon, punctuation->colon_len);
    glue_add(key, "\"", used->is_text);
}

/* A style of that punctuation, whose keys are expected in the order of the wire. */
static void style_make(pp_fast *fast, int32_t place, const pp_fast_punctuation *punctuation,
                       const use uses[PP_RAW_MAX], const pp_fields *fields) {
    pp_fast_style *style = &fast->style[place];
    memset(style, 0, sizeof *style);
    style->punctuation = *punctuation;
    style->next = place;
    style->first = &style->key[0];
    style->ending.next = &style->ending;
    glue_add(&style->opening, punctuation->opening, punctuation->opening_len);
    glue_add(&style->ending, punctuation->ending, punctuation->ending_len);
    for (int32_t i = 0; i < fields->name_count; i++) {
        int32_t field = fields->names[i].field;
        key_make(&style->key[i], punctuation, fields->names[i].name, &uses[field]);
        style->key[i].argument = fast->argument[style->key[i].step];
        style->key[i].field = (uint8_t)field;
        style->key[i].field_bit = 1u << field;
        style->key[i].next = field + 1 < fields->count ? &style->key[field + 1] : &style->ending;
    }
}

/* Gives each name a slot; a name that shares one with an earlier name goes without. Returns how many have
 * one.
 */
static int32_t slots_fill(pp_fast *fast, const pp_fields *fields) {
    int32_t filled = 0;
    bool is_taken[PP_FAST_SLOTS] = {false};
    memset(fast->slot, 0, sizeof fast->slot);
    for (int32_t i = 0; i < fields->name_count; i++) {
        char head[sizeof(uint32_t)]; /* of a name of three bytes the closing quote is one of them */
        size_t len = fields->names[i].len < sizeof head ? fields->names[i].len : sizeof head;
        memset(head, '"', sizeof head);
        memcpy(head, fields->names[i].name, len);
        uint32_t slot = pp_fast_slot(fast->multiplier, head);
        if (!is_taken[slot]) {
            is_taken[slot] = true;
            fast->slot[slot] = (uint8_t)i;
            filled++;
        }
    }
    return filled;
}

static pp_fast_punctuation punctuation_of(const char *opening, const char *colon, const char *comma,
                                          const char *ending) {
    pp_fast_punctuation out = {.opening_len = (uint8_t)strlen(opening),
                               .colon_len = (uint8_t)strlen(colon),
                               .comma_len = (uint8_t)strlen(comma),
                               .ending_len = (uint8_t)strlen(ending)};
    memcpy(out.opening, opening, out.opening_len);
    memcpy(out.colon, colon, out.colon_len);
    memcpy(out.comma, comma, out.comma_len);
    memcpy(out.ending, ending, out.ending_len);
    return out;
}

void pp_fast_init(pp_fast *fast, const pp_plan *plan, const pp_fields *fields) {
    memset(fast, 0, sizeof *fast);
    fast->run = pp_fast_run_best();
    for (int32_t i = 0; i < plan->step_count; i++) {
        const pp_plan_step *step = &plan->step[i];
        fast->fields |= 1u << step->part[0].field | 1u << step->part[1].field;
        if (step->argument_len < PP_FAST_GLUE_MAX) {
            memcpy(fast->argument[i], step->argument, step->argument_len);
        }
    }
    fast->multiplier = 0x9e3779b1u;
    for (int32_t i = 0; i < MULTIPLIERS_MAX && slots_fill(fast, fields) < fields->name_count; i++) {
        fast->multiplier = fast->multiplier * 0x915f77f5u + 2;
    }
    const pp_fast_punctuation standard[STANDARD_STYLES] = {punctuation_of("{", ":", ",", "}\n"),
                                                           punctuation_of("{", ": ", ", ", "}\n")};
    use uses[PP_RAW_MAX];
    bool is_able = uses_find(uses, plan);
    fast->next_miss = is_able ? 1 : INT64_MAX;
    for (int32_t i = 0; i < STANDARD_STYLES && is_able && punctuation_fits(&standard[i], fields); i++) {
        style_make(fast, i, &standard[i], uses, fields);
        fast->count = i + 1;
    }
}

/* The bytes up to the first that is neither a blank nor `byte`; false where they are too many, or a line end
 * is among them. */
static bool part_take(char *out, uint8_t *out_len, const char **at, const char *end, char byte) {
    const char *start = *at;
    while (*at < end && (**at == ' ' || **at == '\t' || **at == '\r' || **at == byte)) {
        (*at)++;
    }
    size_t len = (size_t)(*at - start);
    if (len == 0 || len >= PP_FAST_MARK_MAX || *at == end) { /* a closing quote stands before some */
        return false;
    }
    memcpy(out, start, len);
    *out_len = (uint8_t)len;
    return true;
}

static bool string_pass(const char **at, const char *end) {
    uint32_t flags = 0;
    if (*at == end || **at != '"') {
        return false;
    }
    *at += 1;
    *at += pp_json_string_span(*at, &flags) + 1;
    return *at < end;
}

/* The punctuation of the record, as its first two members and its end show it. */
static bool punctuation_read(pp_fast_punctuation *out, const char *text, size_t len) {
    const char *end = text + len;
    const char *at = text;
    bool is_integer = false;
    if (!part_take(out->opening, &out->opening_len, &at, end, '{') || !string_pass(&at, end) ||
        !part_take(out->colon, &out->colon_len, &at, end, ':')) {
        return false;
    }
    size_t number = pp_number_scan(at, end, &is_integer);
    at += number;
    if ((number == 0 && !string_pass(&at, end)) || !part_take(out->comma, &out->comma_len, &at, end, ',')) {
        return false;
    }
    const char *ending = end;
    while (ending > at && ending[-1] != '}') {
        ending--;
    }
    while (ending > at && (ending[-1] == '}' || ending[-1] == ' ' || ending[-1] == '\t')) {
        ending--;
    }
    out->ending_len = (uint8_t)(end - ending < PP_FAST_MARK_MAX ? end - ending : 0);
    memcpy(out->ending, ending, out->ending_len);
    return out->ending_len > 0;
}

static bool is_known(const pp_fast *fast, const pp_fast_punctuation *punctuation) {
    for (int32_t i = 0; i < fast->count; i++) {
        if (memcmp(&fast->style[i].punctuation, punctuation, sizeof *punctuation) == 0) {
            return true;
        }
    }
    return false;
}

/* A free place, or that of the learned style that reads least. */
static int32_t place_find(pp_fast *fast) {
    if (fast->count < PP_FAST_STYLES) {
        return fast->count++;
    }
    int32_t least = STANDARD_STYLES;
    for (int32_t i = STANDARD_STYLES; i < PP_FAST_STYLES; i++) {
        least = fast->style[i].rows < fast->style[least].rows ? i : least;
    }
    for (int32_t i = 0; i < PP_FAST_STYLES; i++) {
        fast->style[i].rows /= 2;
    }
    return least;
}

void pp_fast_learn(pp_fast *fast, const pp_plan *plan, const pp_fields *fields, const char *text,
                   size_t len) {
    if (++fast->misses < fast->next_miss) {
        return;
    }
    /* The first misses are worth a look each, later ones ever more seldom: most are records with a null or
     * without a key, whose style is known. */
    fast->next_miss = fast->misses + (fast->misses / 4 < PP_FAST_STYLES ? 1 : fast->misses);
    pp_fast_punctuation punctuation = {.opening_len = 0};
    use uses[PP_RAW_MAX];
    if (punctuation_read(&punctuation, text, len) && !is_known(fast, &punctuation) &&
        punctuation_fits(&punctuation, fields) && uses_find(uses, plan)) {
        int32_t place = place_find(fast);
        style_make(fast, place, &punctuation, uses, fields);
        fast->style[fast->current].next = place;
    }
}
