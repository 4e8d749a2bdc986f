/* Turns what a rule file says of a rule or a column into a profile's rules and steps.
 * Never lets a rule do what its column cannot take: a text into a number, a kept value of another type.
 * Rules: docs/profiles.md; schema/rules.def for what there is to change. */
#include "clean/profile_rules.h"

#include <string.h>

#include "base/buffer.h"
#include "text/number.h"
#include "text/time_text.h"
#include "text/utf8.h"

#define QUOTED(text) pp_quote_len((text).len), (text).ptr

/* The parts of an id between its dots. */
typedef struct id_parts {
    int32_t count;
    pinpipe_str part[3];
} id_parts;

static id_parts id_split(pinpipe_str id) {
    id_parts parts = {0};
    const char *end = id.ptr + id.len;
    for (const char *at = id.ptr; parts.count < 3;) {
        const char *dot = parts.count < 2 ? memchr(at, '.', (size_t)(end - at)) : NULL;
        const char *stop = dot ? dot : end;
        parts.part[parts.count++] = (pinpipe_str){at, (size_t)(stop - at)};
        if (!dot) {
            break;
        }
        at = dot + 1;
    }
    return parts;
}

static bool part_matches(pinpipe_str part, const char *name) {
    return pp_str_is(part, "*") || pp_str_is(part, name);
}

bool pp_rule_is_pattern(pinpipe_str id) {
    return id.len && memchr(id.ptr, '*', id.len) != NULL;
}

static bool rule_matches(const id_parts *parts, int32_t record, const pp_rule *rule) {
    return parts->count == 3 && rule->column && part_matches(parts->part[0], pinpipe_record_name(record)) &&
           part_matches(parts->part[1], rule->column) && part_matches(parts->part[2], rule->suffix);
}

static const pp_step *step_of(const pp_profile_record *in, const pp_rule *rule) {
    return &in->step[rule->step];
}

/* True for a rule whose value cannot go into the column as it is. */
static bool can_be_kept(const pp_step *step, const pp_rule *rule) {
    bool is_text = step->type == PINPIPE_TYPE_TEXT;
    bool is_value = rule->outcome == PP_OUTCOME_COUNT || rule->outcome == PP_OUTCOME_EMPTY ||
                    (rule->outcome == PP_OUTCOME_BAD_VALUE && step->op == PP_OP_PATH);
    return is_text && is_value;
}

/* Why a rule cannot have an effect; NULL where it can. */
static const char *effect_refusal(const pp_step *step, const pp_rule *rule, pp_effect effect) {
    bool is_marker = rule->outcome == PP_OUTCOME_COUNT;
    bool is_part = rule->field >= 0 && step->first != step->second;
    switch (effect) {
    case PP_EFFECT_NULLED:
        return rule->outcome == PP_OUTCOME_NULL ? "the value is null already" : NULL;
    case PP_EFFECT_OFF:
        return is_marker || rule->outcome == PP_OUTCOME_NULL || can_be_kept(step, rule)
                   ? NULL
                   : "the column cannot hold the value";
    case PP_EFFECT_KEPT:
        return can_be_kept(step, rule) ? NULL : "the column cannot hold the value";
    case PP_EFFECT_FILLED:
    case PP_EFFECT_DROPPED:
        if (is_part) {
            return "the value is a part of a column; use the column's rule null";
        }
        return effect == PP_EFFECT_FILLED && step->type == PINPIPE_TYPE_F64_LIST ? "a list is not filled"
                                                                                 : NULL;
    default:
        return "only off, nulled, kept, filled and dropped can be chosen";
    }
}

static int32_t effect_find(pinpipe_str name) {
    for (int32_t i = 0; i < PP_EFFECT_COUNT; i++) {
        if (pp_str_is(name, pp_effect_name((pp_effect)i))) {
            return i;
        }
    }
    return -1;
}

/* The value that a rule writes, as the column's type. */
static pinpipe_status fill_set(pp_fill *out, pinpipe_profile *profile, const pp_step *step,
                               const pp_rule_change *change, pinpipe_error *err) {
    pinpipe_str value = change->value;
    if (!value.ptr) {
        return pp_fail(err, PINPIPE_EDATA, "rule '%.*s': filled needs a value", QUOTED(change->id));
    }
    if (value.len > PP_FILL_TEXT_MAX || pp_utf8_span(value.ptr, value.len) < value.len) {
        return pp_fail(err, PINPIPE_EDATA, "rule '%.*s': the value is no UTF-8 text of at most %d bytes",
                       QUOTED(change->id), PP_FILL_TEXT_MAX);
    }
    bool is_right = true;
    switch (step->type) {
    case PINPIPE_TYPE_TEXT:
        is_right = !change->is_number;
        break;
    case PINPIPE_TYPE_TIME_US:
        is_right = !change->is_number && pp_time_parse(&out->i64, value);
        break;
    case PINPIPE_TYPE_F64:
        is_right = change->is_number && pp_number_f64(&out->f64, value) == PP_NUMBER_OK;
        break;
    default:
        is_right = change->is_number && pp_number_i64(&out->i64, value) == PP_NUMBER_OK;
    }
    if (!is_right) {
        return pp_fail(err, PINPIPE_EDATA, "rule '%.*s': the value '%.*s' is no %s", QUOTED(change->id),
                       QUOTED(value), pp_type(step->type)->sql[PINPIPE_DIALECT_DUCKDB]);
    }
    out->len = value.len;
    return pp_profile_text_add(&out->text, profile, value, err);
}

static pinpipe_status rule_set(pp_rule *rule, pinpipe_profile *profile, int32_t record,
                               const pp_rule_change *change, pinpipe_error *err) {
    int32_t effect = effect_find(change->effect);
    if (effect < 0) {
        return pp_fail(err, PINPIPE_EDATA, "rule '%.*s': no effect '%.*s'", QUOTED(change->id),
                       QUOTED(change->effect));
    }
    if (rule->step < 0 || rule->effect == PP_EFFECT_REJECTED) {
        return pp_fail(err, PINPIPE_EDATA, "rule '%.*s' is the same in every profile", QUOTED(change->id));
    }
    const pp_step *step = step_of(&profile->record[record], rule);
    const char *refusal = effect_refusal(step, rule, (pp_effect)effect);
    if (refusal) {
        return pp_fail(err, PINPIPE_EDATA, "rule '%.*s' (%s.%s.%s) cannot be %s: %s", QUOTED(change->id),
                       pinpipe_record_name(record), rule->column, rule->suffix,
                       pp_effect_name((pp_effect)effect), refusal);
    }
    rule->effect = (pp_effect)effect;
    rule->fill = (pp_fill){.text = ""};
    if (rule->effect == PP_EFFECT_FILLED) {
        return fill_set(&rule->fill, profile, step, change, err);
    }
    return change->value.ptr
               ? pp_fail(err, PINPIPE_EDATA, "rule '%.*s': only filled has a value", QUOTED(change->id))
               : PINPIPE_OK;
}

/* Changes every rule that the id names; `changed` counts them. A pattern passes over rules that are fixed. */
static pinpipe_status rules_set(int32_t *changed, pinpipe_profile *profile, const pp_rule_change *change,
                                pinpipe_error *err) {
    id_parts parts = id_split(change->id);
    bool is_pattern = pp_rule_is_pattern(change->id);
    *changed = 0;
    for (int32_t record = 0; record < PP_RECORD_COUNT; record++) {
        pp_profile_record *in = &profile->record[record];
        for (int32_t i = 0; i < in->rule_count; i++) {
            pp_rule *rule = &in->rule[i];
            bool is_fixed = rule->effect == PP_EFFECT_REJECTED;
            if (!rule_matches(&parts, record, rule) || (is_pattern && is_fixed)) {
                continue;
            }
            pinpipe_status status = rule_set(rule, profile, record, change, err);
            if (status < 0) {
                return status;
            }
            ++*changed;
        }
    }
    return PINPIPE_OK;
}

/* The place of a new marker: behind the last marker or outcome of its field. */
static int32_t marker_place(const pp_profile_record *in, pinpipe_str column) {
    int32_t place = -1;
    for (int32_t i = 0; i < in->rule_count; i++) {
        const pp_rule *rule = &in->rule[i];
        if (rule->field >= 0 && rule->column && pp_str_is(column, rule->column) &&
            pp_op_has_markers(step_of(in, rule)->op)) {
            place = i + 1;
        }
    }
    return place;
}

static bool is_suffix(pinpipe_str suffix) {
    bool is_right = suffix.len >= 1 && suffix.len <= 40;
    for (size_t i = 0; is_right && i < suffix.len; i++) {
        char byte = suffix.ptr[i];
        is_right = (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '_';
    }
    return is_right;
}

static pinpipe_status marker_check(const pp_rule_change *change, const id_parts *parts, int32_t record,
                                   int32_t place, pinpipe_error *err) {
    if (pp_rule_is_pattern(change->id) || parts->count != 3 || !is_suffix(parts->part[2])) {
        return pp_fail(err, PINPIPE_EDATA,
                       "rule '%.*s' has a text, so its id must be record.column.name in a-z, 0-9 and _",
                       QUOTED(change->id));
    }
    if (record < 0 || place < 0) {
        return pp_fail(err, PINPIPE_EDATA, "rule '%.*s': no column '%.*s' that compares texts",
                       QUOTED(change->id), QUOTED(parts->part[1]));
    }
    if (change->text.len < 1 || change->text.len > PP_RULE_TEXT_MAX ||
        memchr(change->text.ptr, '\0', change->text.len)) {
        return pp_fail(err, PINPIPE_EDATA, "rule '%.*s': the text has 1 to %d bytes, none of them NUL",
                       QUOTED(change->id), PP_RULE_TEXT_MAX);
    }
    bool is_match = !change->match.ptr || pp_str_is(change->match, pp_match_name(PP_MATCH_EXACT)) ||
                    pp_str_is(change->match, pp_match_name(PP_MATCH_PREFIX));
    return is_match ? PINPIPE_OK
                    : pp_fail(err, PINPIPE_EDATA, "rule '%.*s': match is exact or prefix, not '%.*s'",
                              QUOTED(change->id), QUOTED(change->match));
}

/* A marker of the user's own, with the rest of the rules moved up. */
static pinpipe_status marker_add(pinpipe_profile *profile, const pp_rule_change *change, pinpipe_error *err) {
    id_parts parts = id_split(change->id);
    int32_t record = pinpipe_record_find(parts.part[0]);
    pp_profile_record *in = record < 0 ? NULL : &profile->record[record];
    int32_t place = in ? marker_place(in, parts.part[1]) : -1;
    pinpipe_status status = marker_check(change, &parts, record, place, err);
    if (status < 0 || !in) { /* no record is refused by the check */
        return status;
    }
    if (in->rule_count >= PP_RULES_MAX) {
        return pp_fail(err, PINPIPE_EDATA, "rule '%.*s': a record has at most %d rules", QUOTED(change->id),
                       PP_RULES_MAX);
    }
    pp_rule rule = in->rule[place - 1];
    rule.outcome = PP_OUTCOME_COUNT;
    rule.effect = PP_EFFECT_NULLED;
    rule.match = change->match.ptr && pp_str_is(change->match, pp_match_name(PP_MATCH_PREFIX))
                     ? PP_MATCH_PREFIX
                     : PP_MATCH_EXACT;
    rule.source = "own rule file";
    status = pp_profile_text_add(&rule.suffix, profile, parts.part[2], err);
    status = status < 0 ? status : pp_profile_text_add(&rule.text, profile, change->text, err);
    if (status == PINPIPE_OK && change->source.ptr) {
        status = pp_profile_text_add(&rule.source, profile, change->source, err);
    }
    if (status == PINPIPE_OK) {
        status = rule_set(&rule, profile, record, change, err);
    }
    if (status == PINPIPE_OK) {
        memmove(&in->rule[place + 1], &in->rule[place], (size_t)(in->rule_count - place) * sizeof rule);
        in->rule[place] = rule;
        in->rule_count++;
    }
    return status;
}

pinpipe_status pp_profile_rule_change(pinpipe_profile *profile, const pp_rule_change *change,
                                      pinpipe_error *err) {
    if (change->text.ptr) {
        id_parts parts = id_split(change->id);
        for (int32_t record = 0; record < PP_RECORD_COUNT; record++) {
            for (int32_t i = 0; i < profile->record[record].rule_count; i++) {
                if (rule_matches(&parts, record, &profile->record[record].rule[i])) {
                    return pp_fail(err, PINPIPE_EDATA,
                                   "rule '%.*s' exists with a text of its own; choose another id",
                                   QUOTED(change->id));
                }
            }
        }
        return marker_add(profile, change, err);
    }
    int32_t changed = 0;
    pinpipe_status status = rules_set(&changed, profile, change, err);
    if (status == PINPIPE_OK && changed == 0) {
        id_parts parts = id_split(change->id);
        bool is_record_rule = parts.count == 2 && pinpipe_record_find(parts.part[0]) >= 0;
        return pp_fail(err, PINPIPE_EDATA,
                       is_record_rule ? "rule '%.*s' is of the whole record, or unknown; it cannot be changed"
                                      : "no rule '%.*s'; an own rule needs a text",
                       QUOTED(change->id));
    }
    return status;
}

static pinpipe_status argument_set(pinpipe_profile *profile, pp_step *step, pinpipe_str id, pinpipe_str text,
                                   pp_op op, pinpipe_error *err) {
    if (step->op != op) {
        return pp_fail(err, PINPIPE_EDATA, "column '%.*s' has no %s", QUOTED(id),
                       op == PP_OP_PATH ? "prefix" : "separator");
    }
    if (text.len > PP_FILL_TEXT_MAX || pp_utf8_span(text.ptr, text.len) < text.len ||
        memchr(text.ptr, '\0', text.len)) {
        return pp_fail(err, PINPIPE_EDATA, "column '%.*s': at most %d bytes of UTF-8, none of them NUL",
                       QUOTED(id), PP_FILL_TEXT_MAX);
    }
    return pp_profile_text_add(&step->argument, profile, text, err);
}

/* Two raw columns of a step in the order that is asked for. */
static pinpipe_status order_set(pp_step *step, int32_t record, const pp_column_change *change,
                                pinpipe_error *err) {
    int32_t raw_count = 0;
    const pp_raw_row *raw = pp_raw_rows(record, &raw_count);
    const char *first = raw[step->first].name;
    const char *second = raw[step->second].name;
    bool is_same = pp_str_is(change->order[0], first) && pp_str_is(change->order[1], second);
    bool is_other = pp_str_is(change->order[0], second) && pp_str_is(change->order[1], first);
    if (step->first == step->second || (!is_same && !is_other)) {
        return pp_fail(err, PINPIPE_EDATA,
                       step->first == step->second ? "column '%.*s' is made of one value: it has no order"
                                                   : "column '%.*s': order names its two raw columns once",
                       QUOTED(change->id));
    }
    if (is_other) {
        int32_t swapped = step->first;
        step->first = step->second;
        step->second = swapped;
    }
    return PINPIPE_OK;
}

pinpipe_status pp_profile_column_change(pinpipe_profile *profile, const pp_column_change *change,
                                        pinpipe_error *err) {
    id_parts parts = id_split(change->id);
    int32_t record = parts.count == 2 ? pinpipe_record_find(parts.part[0]) : -1;
    pp_step *step = NULL;
    for (int32_t i = 0; record >= 0 && i < profile->record[record].step_count; i++) {
        pp_step *candidate = &profile->record[record].step[i];
        step = pp_str_is(parts.part[1], candidate->name) ? candidate : step;
    }
    if (!step) {
        return pp_fail(err, PINPIPE_EDATA, "no clean column '%.*s'", QUOTED(change->id));
    }
    pinpipe_status status = PINPIPE_OK;
    if (change->prefix.ptr) {
        status = argument_set(profile, step, change->id, change->prefix, PP_OP_PATH, err);
    }
    if (status == PINPIPE_OK && change->separator.ptr) {
        status = argument_set(profile, step, change->id, change->separator, PP_OP_JOIN, err);
    }
    if (status == PINPIPE_OK && change->order[0].ptr) {
        status = order_set(step, record, change, err);
    }
    return status;
}
