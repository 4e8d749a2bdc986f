/* Turns the text of a JSON object and a path of names into the extent of one value.
 * Never recurses: brackets are counted.
 * Rules: RFC 8259. */
#include "text/json_field.h"

#include <stdbool.h>
#include <string.h>

#include "text/json_string.h"

#define NAME_BYTES 256

typedef struct cursor {
    const char *at, *end;
} cursor;

static void blanks_skip(cursor *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r')) {
        c->at++;
    }
}

/* The inside of the string whose opening quote is at `at`. */
static bool string_take(cursor *c, pinpipe_str *out) {
    const char *start = ++c->at;
    while (c->at < c->end) {
        c->at += pp_json_plain_span(c->at, (size_t)(c->end - c->at));
        if (c->at < c->end && *c->at == '"') {
            *out = (pinpipe_str){start, (size_t)(c->at - start)};
            c->at++;
            return true;
        }
        c->at += c->end - c->at > 1 ? 2 : c->end - c->at; /* a backslash and what it escapes */
    }
    return false;
}

static bool nested_skip(cursor *c) {
    int64_t depth = 0;
    pinpipe_str ignored;
    while (c->at < c->end) {
        char byte = *c->at;
        if (byte == '"') {
            if (!string_take(c, &ignored)) {
                return false;
            }
            continue;
        }
        depth += byte == '{' || byte == '[';
        depth -= byte == '}' || byte == ']';
        c->at++;
        if (depth == 0) {
            return true;
        }
    }
    return false;
}

static bool literal_is_end(char byte) {
    return byte == ',' || byte == '}' || byte == ']' || byte == ' ' || byte == '\t' || byte == '\n' ||
           byte == '\r';
}

static bool value_take(cursor *c, pp_json_field *out) {
    blanks_skip(c);
    const char *start = c->at;
    if (c->at == c->end) {
        return false;
    }
    if (*c->at == '"') {
        out->kind = PP_JSON_FIELD_TEXT;
        return string_take(c, &out->raw);
    }
    if (*c->at == '{' || *c->at == '[') {
        bool is_closed = nested_skip(c);
        *out = (pp_json_field){PP_JSON_FIELD_NESTED, {start, (size_t)(c->at - start)}};
        return is_closed;
    }
    while (c->at < c->end && !literal_is_end(*c->at)) {
        c->at++;
    }
    out->raw = (pinpipe_str){start, (size_t)(c->at - start)};
    bool is_null = out->raw.len == 4 && memcmp(start, "null", 4) == 0;
    out->kind = is_null ? PP_JSON_FIELD_NULL : PP_JSON_FIELD_LITERAL;
    return out->raw.len > 0;
}

static bool name_is(pinpipe_str written, pinpipe_str name) {
    char plain[NAME_BYTES];
    size_t len = 0;
    if (!written.len || !memchr(written.ptr, '\\', written.len)) {
        return written.len == name.len && (name.len == 0 || memcmp(written.ptr, name.ptr, name.len) == 0);
    }
    return written.len <= sizeof plain &&
           pp_json_unescape(plain, &len, written.ptr, written.len) == PP_JSON_STRING_OK && len == name.len &&
           memcmp(plain, name.ptr, len) == 0;
}

static pp_json_field member_find(pinpipe_str object, pinpipe_str name) {
    const pp_json_field broken = {PP_JSON_FIELD_BROKEN, {NULL, 0}};
    cursor c = {object.ptr, object.ptr + object.len};
    pp_json_field found = {PP_JSON_FIELD_MISSING, {NULL, 0}};
    blanks_skip(&c);
    if (c.at == c.end || *c.at != '{') {
        return broken;
    }
    c.at++;
    blanks_skip(&c);
    if (c.at < c.end && *c.at == '}') {
        return found;
    }
    for (;;) {
        pinpipe_str written = {NULL, 0};
        pp_json_field value = {PP_JSON_FIELD_MISSING, {NULL, 0}};
        blanks_skip(&c);
        if (c.at == c.end || *c.at != '"' || !string_take(&c, &written)) {
            return broken;
        }
        blanks_skip(&c);
        if (c.at == c.end || *c.at++ != ':' || !value_take(&c, &value)) {
            return broken;
        }
        found = name_is(written, name) ? value : found;
        blanks_skip(&c);
        if (c.at == c.end || (*c.at != ',' && *c.at != '}')) {
            return broken;
        }
        if (*c.at++ == '}') {
            return found;
        }
    }
}

pp_json_field pp_json_field_find(pinpipe_str object, pinpipe_str path) {
    for (;;) {
        const char *dot = path.len ? memchr(path.ptr, '.', path.len) : NULL;
        pinpipe_str name = {path.ptr, dot ? (size_t)(dot - path.ptr) : path.len};
        pp_json_field found = member_find(object, name);
        if (!dot || found.kind != PP_JSON_FIELD_NESTED || found.raw.ptr[0] != '{') {
            /* A path that ends too early leads to nothing. */
            found.kind = dot && found.kind != PP_JSON_FIELD_BROKEN ? PP_JSON_FIELD_MISSING : found.kind;
            return found;
        }
        object = found.raw;
        path = (pinpipe_str){dot + 1, path.len - name.len - 1};
    }
}
