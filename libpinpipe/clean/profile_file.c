/* Turns a rule file, a JSON document, into a profile.
 * Never guesses: a name that it does not know is an error, with the rule or the place in the text.
 * Rules: docs/profiles.md; jansson reads the JSON. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "clean/profile_rules.h"
#include "text/number.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)

static pinpipe_str text_of(const json_t *value) {
    return (pinpipe_str){json_string_value(value), json_string_length(value)};
}

static pinpipe_status wrong_type(pinpipe_error *err, const char *what, const char *key, const char *wanted) {
    return pp_fail(err, PINPIPE_EDATA, "%s '%.*s' is no %s", what, pp_quote_len(strlen(key)), key, wanted);
}

/* The texts of an object that are known by name; another name is an error. */
typedef struct member {
    const char *name;
    pinpipe_str *out;
} member;

static pinpipe_status members_read(const member *members, size_t count, const char *what, const char *key,
                                   json_t *object, pinpipe_error *err) {
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(object, name, value) {
        size_t i = 0;
        while (i < count && strcmp(members[i].name, name) != 0) {
            i++;
        }
        if (i == count) {
            return pp_fail(err, PINPIPE_EDATA, "%s '%.*s' has an unknown key '%.*s'", what,
                           pp_quote_len(strlen(key)), key, pp_quote_len(strlen(name)), name);
        }
        if (members[i].out && !json_is_string(value)) {
            return pp_fail(err, PINPIPE_EDATA, "%s '%.*s': '%s' is no text", what, pp_quote_len(strlen(key)),
                           key, name);
        }
        if (members[i].out) {
            *members[i].out = text_of(value);
        }
    }
    return PINPIPE_OK;
}

/* What FILLED writes; a number keeps its digits. */
static pinpipe_status value_read(pp_rule_change *change, char number[PP_F64_TEXT_MAX], const json_t *value,
                                 const char *key, pinpipe_error *err) {
    int len = 0;
    if (json_is_string(value)) {
        change->value = text_of(value);
        return PINPIPE_OK;
    }
    if (json_is_integer(value)) {
        len = snprintf(number, PP_F64_TEXT_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_real(value)) {
        len = (int)pp_number_write_f64(number, json_real_value(value));
    } else {
        return wrong_type(err, "the value of rule", key, "text and no number");
    }
    change->value = (pinpipe_str){number, (size_t)len};
    change->is_number = true;
    return PINPIPE_OK;
}

static pinpipe_status rule_read(pinpipe_profile *profile, const char *key, json_t *value,
                                pinpipe_error *err) {
    pp_rule_change change = {.id = pp_str(key), .effect = pp_str(pp_effect_name(PP_EFFECT_NULLED))};
    char number[PP_F64_TEXT_MAX];
    if (json_is_string(value)) {
        change.effect = text_of(value);
        return pp_profile_rule_change(profile, &change, err);
    }
    if (!json_is_object(value)) {
        return wrong_type(err, "rule", key, "effect and no object");
    }
    const member members[] = {{"effect", &change.effect},
                              {"text", &change.text},
                              {"match", &change.match},
                              {"source", &change.source},
                              {"value", NULL}};
    pinpipe_status status =
        members_read(members, sizeof members / sizeof members[0], "rule", key, value, err);
    const json_t *filled = json_object_get(value, "value");
    if (status == PINPIPE_OK && filled) {
        status = value_read(&change, number, filled, key, err);
    }
    if (status == PINPIPE_OK && !change.text.ptr && (change.match.ptr || change.source.ptr)) {
        status = pp_fail(err, PINPIPE_EDATA, "rule '%.*s': match and source need a text",
                         pp_quote_len(strlen(key)), key);
    }
    return status < 0 ? status : pp_profile_rule_change(profile, &change, err);
}

/* Patterns first, so that a rule's own line wins wherever it stands. */
static pinpipe_status rules_read(pinpipe_profile *profile, json_t *rules, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    for (int32_t pass = 0; pass < 2; pass++) {
        const char *key = NULL;
        json_t *value = NULL;
        json_object_foreach(rules, key, value) {
            if (pp_rule_is_pattern(pp_str(key)) == (pass == 0)) {
                status = rule_read(profile, key, value, err);
            }
            if (status < 0) {
                return status;
            }
        }
    }
    return status;
}

static pinpipe_status column_read(pinpipe_profile *profile, const char *key, json_t *value,
                                  pinpipe_error *err) {
    pp_column_change change = {.id = pp_str(key)};
    if (!json_is_object(value)) {
        return wrong_type(err, "column", key, "object");
    }
    const member members[] = {{"prefix", &change.prefix}, {"separator", &change.separator}, {"order", NULL}};
    pinpipe_status status =
        members_read(members, sizeof members / sizeof members[0], "column", key, value, err);
    const json_t *order = json_object_get(value, "order");
    if (status == PINPIPE_OK && order) {
        const json_t *first = json_array_get(order, 0);
        const json_t *second = json_array_get(order, 1);
        if (json_array_size(order) != 2 || !json_is_string(first) || !json_is_string(second)) {
            return wrong_type(err, "the order of column", key, "list of two raw columns");
        }
        change.order[0] = text_of(first);
        change.order[1] = text_of(second);
    }
    return status < 0 ? status : pp_profile_column_change(profile, &change, err);
}

static pinpipe_status columns_read(pinpipe_profile *profile, json_t *columns, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(columns, key, value) {
        status = column_read(profile, key, value, err);
        if (status < 0) {
            break;
        }
    }
    return status;
}

static pinpipe_status name_read(pinpipe_profile *profile, const char *name, pinpipe_error *err) {
    size_t len = strlen(name);
    if (len < 1 || len >= sizeof profile->name) {
        return pp_fail(err, PINPIPE_EDATA, "the profile's name '%.*s' has not 1 to %zu bytes",
                       pp_quote_len(len), name, sizeof profile->name - 1);
    }
    memcpy(profile->name, name, len + 1);
    return PINPIPE_OK;
}

/* Checks the document's own keys and their types. */
static pinpipe_status document_check(json_t *document, pinpipe_error *err) {
    static const struct {
        const char *key;
        json_type type;
        const char *wanted;
    } known[] = {{"name", JSON_STRING, "text"},
                 {"base", JSON_STRING, "text"},
                 {"rules", JSON_OBJECT, "object"},
                 {"columns", JSON_OBJECT, "object"},
                 {"expect", JSON_OBJECT, "object"}};
    const char *key = NULL;
    json_t *value = NULL;
    if (!json_is_object(document)) {
        return pp_fail(err, PINPIPE_EDATA, "a rule file is a JSON object");
    }
    json_object_foreach(document, key, value) {
        size_t i = 0;
        while (i < sizeof known / sizeof known[0] && strcmp(known[i].key, key) != 0) {
            i++;
        }
        if (i == sizeof known / sizeof known[0]) {
            return pp_fail(err, PINPIPE_EDATA,
                           "the rule file has an unknown key '%.*s'; known are name, base, rules, columns "
                           "and expect",
                           pp_quote_len(strlen(key)), key);
        }
        if (json_typeof(value) != known[i].type) {
            return wrong_type(err, "the rule file's", key, known[i].wanted);
        }
    }
    return PINPIPE_OK;
}

static pinpipe_status document_read(pinpipe_profile **out, json_t *document, pinpipe_error *err) {
    pinpipe_status status = document_check(document, err);
    if (status < 0) {
        return status;
    }
    const json_t *base = json_object_get(document, "base");
    int32_t found = base ? pp_profile_find(text_of(base)) : PP_PROFILE_COURSE;
    if (found < 0) {
        return pp_fail(err, PINPIPE_EDATA, "no base '%.*s'; built in are course and keep",
                       pp_quote_len(json_string_length(base)), json_string_value(base));
    }
    const json_t *name = json_object_get(document, "name");
    status = pp_profile_begin(out, (pp_profile)found, err);
    if (status == PINPIPE_OK) {
        status = name_read(*out, name ? json_string_value(name) : "own", err);
    }
    if (status == PINPIPE_OK) {
        status = columns_read(*out, json_object_get(document, "columns"), err);
    }
    return status < 0 ? status : rules_read(*out, json_object_get(document, "rules"), err);
}

pinpipe_status pinpipe_profile_decode(pinpipe_profile **out, pinpipe_str json, pinpipe_error *err) {
    *out = NULL;
    if (json.len > FILE_BYTES_MAX) {
        return pp_fail(err, PINPIPE_EDATA, "a rule file has at most %zu bytes, not %zu", FILE_BYTES_MAX,
                       json.len);
    }
    json_error_t fault = {0};
    json_t *document = json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, &fault);
    if (!document) {
        return json_error_code(&fault) == json_error_out_of_memory
                   ? pp_fail_memory(err, "a rule file", json.len)
                   : pp_fail(err, PINPIPE_EDATA, "rule file, line %d, column %d: %s", fault.line,
                             fault.column, fault.text);
    }
    pinpipe_profile *profile = NULL;
    pinpipe_status status = document_read(&profile, document, err);
    json_decref(document);
    if (status < 0) {
        pinpipe_profile_free(profile);
        return status;
    }
    *out = profile;
    return PINPIPE_OK;
}
