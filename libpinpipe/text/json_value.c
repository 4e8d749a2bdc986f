/* Turns the text of a JSON value into a walk over its parts, or into its end, and into its compact form.
 * Never changes what a value is: names, their order and the digits of numbers stay.
 * Rules: RFC 8259; escapes as Kafka's REST proxy writes them: only where JSON demands them. */
#include "text/json_value.h"

#include <string.h>

#include "base/buffer.h"
#include "text/number.h"
#include "text/utf8.h"

static bool fail(pp_json_walk *walk, const char *fault) {
    walk->fault = fault;
    return false;
}

static inline void blanks_pass(pp_json_walk *walk) {
    while (walk->at < walk->end &&
           (*walk->at == ' ' || *walk->at == '\t' || *walk->at == '\n' || *walk->at == '\r')) {
        walk->at++;
    }
}

static inline void copy(pp_json_walk *walk, const char *bytes, size_t len) {
    if (walk->out) {
        memcpy(walk->out, bytes, len);
        walk->out += len;
    }
}

bool pp_json_byte_pass(pp_json_walk *walk, char byte) {
    blanks_pass(walk);
    bool is_there = walk->at < walk->end && *walk->at == byte;
    walk->at += is_there;
    if (is_there && walk->out) {
        *walk->out++ = byte;
    }
    return is_there;
}

/* Text with escapes in it: each is checked, and written as what it stands for. */
static bool escapes_pass(pp_json_walk *walk, pinpipe_str inside) {
    const char *at = inside.ptr, *end = inside.ptr + inside.len;
    for (const char *escape = memchr(at, '\\', inside.len); escape;
         escape = memchr(at, '\\', (size_t)(end - at))) {
        char plain[4];
        size_t plain_len = 0, taken = 0;
        pp_json_string_verdict verdict = pp_json_escape_take(plain, &plain_len, escape, end, &taken);
        if (verdict != PP_JSON_STRING_OK) {
            walk->at = escape;
            walk->is_utf8 = verdict == PP_JSON_STRING_BAD_UTF8;
            return fail(walk, walk->is_utf8 ? "an unpaired surrogate" : "an unknown escape");
        }
        copy(walk, at, (size_t)(escape - at));
        if (walk->out) {
            walk->out += pp_json_escape(walk->out, plain, plain_len);
        }
        at = escape + taken;
    }
    copy(walk, at, (size_t)(end - at));
    return true;
}

bool pp_json_string_pass(pp_json_walk *walk, pinpipe_str *inside) {
    blanks_pass(walk);
    if (walk->at >= walk->end || *walk->at != '"') {
        return fail(walk, "a string is expected");
    }
    walk->at++;
    return pp_json_string_rest_pass(walk, inside);
}

bool pp_json_string_rest_pass(pp_json_walk *walk, pinpipe_str *inside) {
    uint32_t flags = 0;
    const char *text = walk->at;
    size_t len = pp_json_string_span(text, &flags);
    if (text + len >= walk->end || text[len] != '"') {
        walk->at = text + len < walk->end ? text + len : walk->end;
        return fail(walk,
                    walk->at < walk->end ? "a control byte stands in a string" : "a string is not closed");
    }
    *inside = (pinpipe_str){text, len};
    if (flags & PP_JSON_HAS_NON_ASCII) {
        size_t valid = pp_utf8_span(text, len);
        if (valid < len) {
            walk->at = text + valid;
            walk->is_utf8 = true;
            return fail(walk, "a byte that is not UTF-8");
        }
    }
    copy(walk, "\"", 1);
    if (!(flags & PP_JSON_HAS_ESCAPE)) {
        copy(walk, text, len);
    } else if (!escapes_pass(walk, *inside)) {
        return false;
    }
    copy(walk, "\"", 1);
    walk->at = text + len + 1;
    return true;
}

bool pp_json_member_next(pp_json_walk *walk, pinpipe_str *key, int64_t index) {
    walk->fault = NULL;
    if (pp_json_byte_pass(walk, '}')) {
        return false;
    }
    if (index > 0 && !pp_json_byte_pass(walk, ',')) {
        return fail(walk, "',' or '}' is expected");
    }
    blanks_pass(walk);
    if (walk->at >= walk->end || *walk->at != '"') {
        return fail(walk, "a key is expected");
    }
    if (!pp_json_string_pass(walk, key)) {
        return false;
    }
    return pp_json_byte_pass(walk, ':') || fail(walk, "':' is expected");
}

bool pp_json_element_next(pp_json_walk *walk, int64_t index) {
    walk->fault = NULL;
    if (pp_json_byte_pass(walk, ']')) {
        return false;
    }
    return index == 0 || pp_json_byte_pass(walk, ',') || fail(walk, "',' or ']' is expected");
}

bool pp_json_members_take(pp_json_member *members, int count, pinpipe_str *other, pp_json_walk *walk,
                          int32_t depth) {
    pinpipe_str key;
    for (int64_t i = 0; pp_json_member_next(walk, &key, i); i++) {
        bool is_wanted = false;
        if (pp_json_walk_ended(walk)) { /* it passes blanks */
            return false;
        }
        const char *from = walk->at;
        if (!pp_json_value_pass(walk, depth)) {
            return false;
        }
        for (int j = 0; j < count; j++) {
            if (pp_str_is(key, members[j].name)) {
                members[j].text = (pinpipe_str){from, (size_t)(walk->at - from)};
                is_wanted = true;
            }
        }
        if (other && !is_wanted && !other->ptr) {
            *other = key;
        }
    }
    return !walk->fault;
}

static bool word_pass(pp_json_walk *walk, const char *word, size_t len) {
    if ((size_t)(walk->end - walk->at) < len || memcmp(walk->at, word, len) != 0) {
        return fail(walk, "a value is expected");
    }
    copy(walk, word, len);
    walk->at += len;
    return true;
}

/* An object or array, from its opening bracket on. */
static bool nested_pass(pp_json_walk *walk, int32_t depth) {
    bool is_object = *walk->at == '{';
    pinpipe_str key;
    if (depth > PP_JSON_DEPTH_MAX) {
        return fail(walk, "nested deeper than 128");
    }
    copy(walk, walk->at, 1);
    walk->at++;
    for (int64_t i = 0; is_object ? pp_json_member_next(walk, &key, i) : pp_json_element_next(walk, i); i++) {
        if (!pp_json_value_pass(walk, depth)) {
            return false;
        }
    }
    return !walk->fault;
}

static bool number_pass(pp_json_walk *walk) {
    bool is_integer = false;
    size_t len = pp_number_scan(walk->at, walk->end, &is_integer);
    copy(walk, walk->at, len);
    walk->at += len;
    return len > 0 || fail(walk, "a value is expected");
}

bool pp_json_value_pass(pp_json_walk *walk, int32_t depth) {
    pinpipe_str inside;
    blanks_pass(walk);
    if (walk->at >= walk->end) {
        return fail(walk, "the value ends early");
    }
    switch (*walk->at) {
    case '"':
        return pp_json_string_pass(walk, &inside);
    case '{':
    case '[':
        return nested_pass(walk, depth + 1);
    case 't':
        return word_pass(walk, "true", 4);
    case 'f':
        return word_pass(walk, "false", 5);
    case 'n':
        return word_pass(walk, "null", 4);
    default:
        return number_pass(walk);
    }
}

size_t pp_json_compact(char *out, pinpipe_str value) {
    pp_json_walk walk = {.at = value.ptr, .end = value.ptr + value.len, .out = out};
    pp_json_value_pass(&walk, 0);
    return (size_t)(walk.out - out);
}

bool pp_json_walk_ended(pp_json_walk *walk) {
    blanks_pass(walk);
    return walk->at == walk->end;
}

pinpipe_status pp_json_value_check(pinpipe_str text, const char *what, pinpipe_error *err) {
    pp_json_walk walk = {text.ptr, text.ptr + text.len, NULL, false};
    if (pp_json_value_pass(&walk, 0) && pp_json_walk_ended(&walk)) {
        return PINPIPE_OK;
    }
    int64_t offset = walk.at - text.ptr;
    pinpipe_status status = pp_fail(err, PINPIPE_EDATA, "the record's %s is not JSON: byte %lld: %s", what,
                                    (long long)offset, walk.fault ? walk.fault : "more follows the value");
    if (err && err->struct_size >= sizeof *err) {
        err->byte_offset = offset;
    }
    return status;
}

pinpipe_status pp_json_pad(pinpipe_buf *text, pinpipe_error *err) {
    pinpipe_status status = pp_buf_reserve(text, PP_JSON_PADDING, PP_BUF_MAX, err);
    if (status == PINPIPE_OK) {
        memset(text->ptr + text->len, 0, PP_JSON_PADDING + 1);
    }
    return status;
}
