/* Turns a stream of bytes, cut anywhere, into the extents of its records.
 * Never keeps bytes: only the state between two pieces.
 * Rules: NDJSON, RFC 4180, RFC 8259's brackets and strings. */
#include "codec/splitter.h"

#include <string.h>

#include "text/json_string.h"

void pp_splitter_init(pp_splitter *splitter, int32_t format) {
    *splitter = (pp_splitter){.format = format};
}

static pp_split line_next(const char *bytes, size_t len) {
    const char *newline = memchr(bytes, '\n', len);
    return newline ? (pp_split){0, (size_t)(newline - bytes), 1, true} : (pp_split){0, len, 0, false};
}

/* A quote opens only at a field's start; inside quotes a doubled quote closes and opens again at once. */
static pp_split csv_next(pp_splitter *splitter, const char *bytes, size_t len) {
    for (size_t at = 0; at < len; at++) {
        char byte = bytes[at];
        if (splitter->in_string) {
            splitter->in_string = byte != '"';
        } else if (byte == '"' && (!splitter->field_open || splitter->escaped)) {
            splitter->in_string = true;
            splitter->escaped = true;
            splitter->field_open = true;
        } else if (byte == '\n') {
            splitter->field_open = false;
            splitter->escaped = false;
            return (pp_split){0, at, 1, true};
        } else {
            splitter->field_open = byte != ',';
            splitter->escaped = splitter->escaped && byte != ',';
        }
    }
    return (pp_split){0, len, 0, false};
}

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* Passes blanks and the top-level array's own brackets and commas; stops at a value, or at what has no place
 * here (which then is taken as a record and rejected). */
static size_t json_skip(pp_splitter *splitter, const char *bytes, size_t len) {
    size_t at = 0;
    for (; at < len; at++) {
        char byte = bytes[at];
        if (is_blank(byte)) {
            continue;
        }
        if (byte == '[' && splitter->place == PP_JSON_OUTSIDE) {
            splitter->place = PP_JSON_FIRST;
        } else if (byte == ']' && (splitter->place == PP_JSON_FIRST || splitter->place == PP_JSON_BEHIND)) {
            splitter->place = PP_JSON_OUTSIDE;
        } else if (byte == ',' && splitter->place == PP_JSON_BEHIND) {
            splitter->place = PP_JSON_NEXT;
        } else {
            break;
        }
    }
    return at;
}

/* Steps over one byte of a value in brackets or quotes; true when the value ends with it. */
static bool json_step(pp_splitter *splitter, char byte) {
    if (splitter->in_string) {
        bool closes = byte == '"' && !splitter->escaped;
        splitter->escaped = byte == '\\' && !splitter->escaped;
        splitter->in_string = !closes;
        return closes && splitter->depth == 0;
    }
    if (byte == '"') {
        splitter->in_string = true;
    } else if (byte == '{' || byte == '[') {
        splitter->depth++;
    } else if (byte == '}' || byte == ']') {
        splitter->depth--;
        return splitter->depth == 0;
    }
    return false;
}

/* A word or number ends before a byte that cannot belong to it. */
static bool ends_bare(char byte) {
    return is_blank(byte) || byte == ',' || byte == ']' || byte == '[' || byte == '{' || byte == '"';
}

void pp_splitter_value_begin(pp_splitter *splitter, char byte) {
    splitter->in_record = true;
    splitter->is_bare = byte != '{' && byte != '[' && byte != '"';
    splitter->depth = 0;
    if (!splitter->is_bare) {
        json_step(splitter, byte);
    }
}

size_t pp_splitter_value_pass(bool *is_complete, pp_splitter *splitter, const char *bytes, size_t len) {
    size_t at = 0;
    *is_complete = false;
    while (at < len && !*is_complete) {
        if (splitter->is_bare) {
            *is_complete =
                ends_bare(bytes[at]) || (bytes[at] == '}' && splitter->format == PINPIPE_FORMAT_RECORDS);
            at += !*is_complete;
        } else if (splitter->in_string && !splitter->escaped && bytes[at] != '"' && bytes[at] != '\\') {
            at += pp_json_plain_span(bytes + at, len - at);
        } else {
            *is_complete = json_step(splitter, bytes[at++]);
        }
    }
    splitter->in_record = !*is_complete;
    return at;
}

static pp_split json_next(pp_splitter *splitter, const char *bytes, size_t len) {
    pp_split split = {0};
    size_t at = 0;
    if (!splitter->in_record) {
        at = split.skipped = json_skip(splitter, bytes, len);
        if (at == len) {
            return split;
        }
        split.fault = splitter->place == PP_JSON_BEHIND ? PP_SPLIT_NO_COMMA : NULL;
        pp_splitter_value_begin(splitter, bytes[at++]);
    }
    at += pp_splitter_value_pass(&split.complete, splitter, bytes + at, len - at);
    split.taken = at - split.skipped;
    if (split.complete) {
        splitter->place = splitter->place == PP_JSON_OUTSIDE ? PP_JSON_OUTSIDE : PP_JSON_BEHIND;
    }
    return split;
}

pp_split pp_splitter_next(pp_splitter *splitter, const char *bytes, size_t len) {
    switch (splitter->format) {
    case PINPIPE_FORMAT_CSV:
        return csv_next(splitter, bytes, len);
    case PINPIPE_FORMAT_JSON:
        return json_next(splitter, bytes, len);
    case PINPIPE_FORMAT_RECORDS:
        return pp_body_next(splitter, bytes, len);
    case PINPIPE_FORMAT_FILESTREAM:
        return pp_filestream_next(splitter, bytes, len);
    default:
        return line_next(bytes, len);
    }
}

const char *pp_splitter_open_part(const pp_splitter *splitter) {
    if (splitter->format == PINPIPE_FORMAT_JSON && splitter->place != PP_JSON_OUTSIDE) {
        return "the array is not closed";
    }
    if (splitter->format == PINPIPE_FORMAT_RECORDS && splitter->body != PP_BODY_OUTSIDE) {
        return "the body is not closed";
    }
    return NULL;
}
