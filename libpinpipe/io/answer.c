/* Turns the answer of an HTTP API, or what came in place of one, into the row that says what it means.
 * Never parses: texts are looked for as bytes.
 * Rules: aws/gateway.def. */
#include "io/answer.h"

#include <string.h>

#include "base/buffer.h"

static const pp_answer_row gateway_rows[] = {
#define PP_GATEWAY(http_status, text, status, kind, seen, says)                                              \
    {http_status, 0, text, PINPIPE_##status, PP_RETRY_##kind, PP_ANSWER_##seen, says},
#include "aws/gateway.def"
#undef PP_GATEWAY
};

bool pp_answer_has(pinpipe_str text, pinpipe_str part) {
    for (size_t at = 0; text.len >= part.len && at <= text.len - part.len; at++) {
        if (!part.len || memcmp(text.ptr + at, part.ptr, part.len) == 0) {
            return true;
        }
    }
    return false;
}

const pp_answer_row *pp_answer_find(const pp_answer_row *rows, size_t count, const pp_answer_query *query) {
    for (size_t i = 0; i < count; i++) {
        const pp_answer_row *row = &rows[i];
        if ((!row->http_status || row->http_status == query->http_status) &&
            (!row->code || row->code == query->code) && pp_answer_has(query->body, pp_str(row->text))) {
            return row;
        }
    }
    return NULL;
}

const pp_answer_row *pp_gateway_find(const pp_answer_query *query) {
    return pp_answer_find(gateway_rows, sizeof gateway_rows / sizeof gateway_rows[0], query);
}

const char *pp_answer_lacking(const pinpipe_error *cause) {
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"HTTP/0.9", "this port speaks TLS: begin the URL with https"},
        {"wrong version number", "this port does not speak TLS: begin the URL with http"},
        {"packet length too long", "this port does not speak TLS: begin the URL with http"},
        {"record layer failure", "this port does not speak TLS: begin the URL with http"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (pp_answer_has(pp_str(cause->message), pp_str(rows[i].text))) {
            return rows[i].says;
        }
    }
    return NULL;
}

pp_answer_shape pp_answer_shape_of(pinpipe_str body) {
    size_t at = 0;
    while (at < body.len && strchr(" \t\r\n", body.ptr[at])) {
        at++;
    }
    if (at == body.len) {
        return PP_ANSWER_EMPTY;
    }
    char first = body.ptr[at];
    return first == '{' || first == '[' ? PP_ANSWER_JSON : first == '<' ? PP_ANSWER_PAGE : PP_ANSWER_TEXT;
}
