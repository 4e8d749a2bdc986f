/* Turns the text of a JSON value into its compact form.
 * Never checks what a walk has passed.
 * Rules: RFC 8259 §7. */
#include "text/json_compact.h"

#include <string.h>

#include "text/json_string.h"

/* From behind the opening quote to behind the closing one. */
static const char *string_compact(char **out, const char *at, const char *end) {
    char *to = *out;
    for (;;) {
        size_t plain = pp_json_plain_span(at, (size_t)(end - at));
        memcpy(to, at, plain);
        to += plain;
        at += plain;
        if (at >= end || *at == '"') {
            break;
        }
        char text[4];
        size_t len = 0, taken = 0;
        if (pp_json_escape_take(text, &len, at, end, &taken) != PP_JSON_STRING_OK) {
            break; /* a walk has refused it */
        }
        to += pp_json_escape(to, text, len);
        at += taken;
    }
    if (at < end) {
        *to++ = *at++;
    }
    *out = to;
    return at;
}

size_t pp_json_compact(char *out, pinpipe_str value) {
    const char *at = value.ptr, *end = value.ptr + value.len;
    char *to = out;
    while (at < end) {
        char byte = *at++;
        if (byte == '"') {
            *to++ = byte;
            at = string_compact(&to, at, end);
        } else if (byte != ' ' && byte != '\t' && byte != '\n' && byte != '\r') {
            *to++ = byte;
        }
    }
    return (size_t)(to - out);
}
