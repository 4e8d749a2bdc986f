/* Turns the text of one JSON object into cells.
 * Never builds a tree: a value that no column takes is checked and left.
 * Rules: RFC 8259. */
#include "codec/json_record.h"

#include <string.h>

#include "text/json_value.h"
#include "text/number.h"
#include "text/utf8.h"

typedef struct parser {
    const char *at;
    const char *start;
    const char *end;
    char *scratch;
    pp_fault *fault;
} parser;

static bool fail(parser *p, pp_outcome outcome, const char *detail) {
    *p->fault = (pp_fault){outcome, detail, (size_t)(p->at - p->start)};
    return false;
}

static bool malformed(parser *p, const char *detail) {
    return fail(p, PP_OUTCOME_MALFORMED, detail);
}

static inline void blanks_skip(parser *p) {
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r')) {
        p->at++;
    }
}

static inline bool byte_is(const parser *p, char byte) {
    return p->at < p->end && *p->at == byte;
}

/* Takes the string whose opening quote is at `at`; its text is plain UTF-8 afterwards. */
static bool string_take(parser *p, pp_cell *out) {
    uint32_t flags = 0;
    const char *text = p->at + 1;
    size_t len = pp_json_string_span(text, &flags);
    if (text + len >= p->end || text[len] != '"') {
        p->at = text + len < p->end ? text + len : p->end;
        return malformed(p, p->at < p->end ? "a control byte stands in a string" : "a string is not closed");
    }
    if (flags & PP_JSON_HAS_NON_ASCII) {
        size_t valid = pp_utf8_span(text, len);
        if (valid < len) {
            p->at = text + valid;
            return fail(p, PP_OUTCOME_INVALID_UTF8, "a byte that is not UTF-8");
        }
    }
    out->kind = PP_CELL_TEXT;
    out->ptr = text;
    out->len = len;
    p->at = text + len + 1;
    if (!(flags & PP_JSON_HAS_ESCAPE)) {
        return true;
    }
    size_t plain = 0;
    pp_json_string_verdict verdict = pp_json_unescape(p->scratch, &plain, text, len);
    if (verdict != PP_JSON_STRING_OK) {
        p->at = text + plain;
        return verdict == PP_JSON_STRING_BAD_UTF8 ? fail(p, PP_OUTCOME_INVALID_UTF8, "an unpaired surrogate")
                                                  : malformed(p, "an unknown escape");
    }
    out->ptr = p->scratch;
    out->len = plain;
    p->scratch += plain;
    return true;
}

static bool literal_take(parser *p, const char *word, size_t len) {
    if ((size_t)(p->end - p->at) < len || memcmp(p->at, word, len) != 0) {
        return malformed(p, "a value is expected");
    }
    p->at += len;
    return true;
}

/* A value that is checked and left. */
static bool value_skip(parser *p) {
    pp_json_walk walk = {p->at, p->end, NULL, false};
    bool is_passed = pp_json_value_pass(&walk, 0);
    p->at = walk.at;
    return is_passed || fail(p, walk.is_utf8 ? PP_OUTCOME_INVALID_UTF8 : PP_OUTCOME_MALFORMED, walk.fault);
}

static bool number_take(parser *p, pp_cell *out) {
    bool is_integer = false;
    size_t len = pp_number_scan(p->at, p->end, &is_integer);
    if (len == 0) {
        return malformed(p, "a value is expected");
    }
    out->kind = PP_CELL_NUMBER;
    out->ptr = p->at;
    out->len = len;
    p->at += len;
    return true;
}

static bool value_take(parser *p, pp_cell *out) {
    blanks_skip(p);
    if (p->at >= p->end) {
        return malformed(p, "the record ends early");
    }
    switch (*p->at) {
    case '"':
        return string_take(p, out);
    case '{':
    case '[':
        out->kind = PP_CELL_OTHER;
        return value_skip(p);
    case 't':
        out->kind = PP_CELL_OTHER;
        return literal_take(p, "true", 4);
    case 'f':
        out->kind = PP_CELL_OTHER;
        return literal_take(p, "false", 5);
    case 'n':
        out->kind = PP_CELL_NULL;
        return literal_take(p, "null", 4);
    default:
        return number_take(p, out);
    }
}

static bool member_take(parser *p, pp_record_cells *out, pp_fields *fields, int32_t position) {
    pp_cell key;
    blanks_skip(p);
    if (!byte_is(p, '"')) {
        return malformed(p, p->at < p->end ? "a key is expected" : "the record ends early");
    }
    char *scratch = p->scratch;
    if (!string_take(p, &key)) {
        return false;
    }
    int32_t field = pp_fields_find(fields, position, key.ptr, key.len);
    int32_t member = field < 0 ? pp_member_find(key.ptr, key.len) : -1;
    p->scratch = scratch;
    blanks_skip(p);
    if (!byte_is(p, ':')) {
        return malformed(p, "':' is expected");
    }
    p->at++;
    blanks_skip(p);
    const char *text = p->at;
    pp_cell value = {.kind = PP_CELL_OTHER};
    if (!value_take(p, &value)) {
        return false;
    }
    pinpipe_str whole = {text, (size_t)(p->at - text)};
    if (value.kind == PP_CELL_OTHER) {
        value.ptr = whole.ptr;
        value.len = whole.len;
    }
    if (field >= 0) {
        if (field == fields->key && *text == '{') {
            pp_members_put(&out->members, PP_MEMBER_KEY, whole);
        }
        pp_cells_put(out, field, &value);
        return true;
    }
    if (member >= 0) {
        pp_members_put(&out->members, member, whole);
    }
    out->unknown_keys++;
    p->scratch = scratch;
    return true;
}

/* A text that is JSON, but no object, is no record; anything else is malformed. */
static bool not_an_object(parser *p) {
    const char *at = p->at;
    if (!value_skip(p)) {
        return false;
    }
    blanks_skip(p);
    if (p->at < p->end) {
        return malformed(p, "more follows the value");
    }
    p->at = at;
    return fail(p, PP_OUTCOME_NOT_A_RECORD, "the value is no object");
}

bool pp_json_text(pp_cell *out, char *scratch, const char *text, size_t len, pp_fault *fault) {
    parser p = {text, text, text + len, scratch, fault};
    blanks_skip(&p);
    if (!byte_is(&p, '"')) {
        return malformed(&p, "a string is expected");
    }
    if (!string_take(&p, out)) {
        return false;
    }
    blanks_skip(&p);
    return p.at == p.end || malformed(&p, "more follows the string");
}

bool pp_json_value(const char *text, size_t len, pp_fault *fault) {
    parser p = {text, text, text + len, NULL, fault};
    if (!value_skip(&p)) {
        return false;
    }
    blanks_skip(&p);
    return p.at == p.end || malformed(&p, "more follows the value");
}

bool pp_json_record(pp_record_cells *out, pp_fields *fields, char *scratch, const char *text, size_t len,
                    pp_fault *fault) {
    parser p = {text, text, text + len, scratch, fault};
    pp_cells_clear(out, fields);
    blanks_skip(&p);
    if (!byte_is(&p, '{')) {
        return not_an_object(&p);
    }
    p.at++;
    blanks_skip(&p);
    if (byte_is(&p, '}')) {
        p.at++;
    } else {
        for (int32_t position = 0;; position++) {
            if (!member_take(&p, out, fields, position)) {
                return false;
            }
            blanks_skip(&p);
            if (byte_is(&p, '}')) {
                p.at++;
                break;
            }
            if (!byte_is(&p, ',')) {
                return malformed(&p, p.at < p.end ? "',' or '}' is expected" : "the record ends early");
            }
            p.at++;
        }
    }
    blanks_skip(&p);
    return p.at == p.end || malformed(&p, "more follows the object");
}
