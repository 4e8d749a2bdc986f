/* Turns what a gateway answered into what it means for the request's records, and what its user may change.
 * Never quotes a secret: a text that holds the API key or a session token is left out.
 * Rules: kinesis/gateway.def, aws/gateway.def; responses.default of the proxies is HTTP 200, whatever Kinesis
 * says. */
#include "kinesis/gateway.h"

#if PINPIPE_WITH_KINESIS

#include <stdio.h>

#include "base/buffer.h"
#include "io/answer.h"
#include "kinesis/client.h"
#include "kinesis/producer.h"

enum { RESOURCE_ANY = -1, RESOURCE_RECORDS = 0, RESOURCE_RECORD = 1 };

static const struct {
    int32_t resource;
    pp_answer_row row;
} refusal_rows[] = {
#define PP_KINESIS_REFUSAL(http_status, resource, text, status, kind, seen, says)                            \
    {RESOURCE_##resource, {http_status, 0, text, PINPIPE_##status, PP_RETRY_##kind, PP_ANSWER_##seen, says}},
#include "kinesis/gateway.def"
#undef PP_KINESIS_REFUSAL
};

static const struct {
    pp_answer_shape shape;
    const char *text, *says;
} other_rows[] = {
#define PP_KINESIS_OTHER(shape, text, says) {PP_ANSWER_##shape, text, says},
#include "kinesis/gateway.def"
#undef PP_KINESIS_OTHER
};

/* What the first level of an answer says. */
typedef struct reading {
    pinpipe_str type, words;
    bool is_placed;  /* it has a sequence number */
    int64_t entries; /* -1 = no list */
} reading;

static int64_t entries_count(pp_json_walk *walk) {
    int64_t count = 0;
    if (!pp_json_byte_pass(walk, '[')) {
        return -1;
    }
    while (pp_json_element_next(walk, count) && pp_json_value_pass(walk, 2)) {
        count++;
    }
    return walk->fault ? -1 : count;
}

/* A member whose value is of another kind than expected is passed over. */
static bool member_take(reading *out, pp_json_walk *walk, pinpipe_str key) {
    pp_json_walk before = *walk;
    pinpipe_str text = {"", 0};
    bool is_type = pp_str_is(key, "__type"), is_place = pp_str_is(key, "SequenceNumber");
    if (pp_str_is(key, "Records")) {
        out->entries = entries_count(walk);
        if (out->entries >= 0) {
            return true;
        }
    } else if ((is_type || is_place || pp_str_is(key, "message") || pp_str_is(key, "Message")) &&
               pp_json_string_pass(walk, &text)) {
        out->is_placed = out->is_placed || (is_place && text.len > 0);
        *(is_type ? &out->type : &out->words) = is_place ? out->words : text;
        return true;
    }
    *walk = before;
    return pp_json_value_pass(walk, 1);
}

static void body_read(reading *out, pinpipe_str body) {
    pp_json_walk walk = {body.ptr, body.ptr + body.len, NULL, false};
    pinpipe_str key;
    *out = (reading){.entries = -1};
    if (!body.len || !pp_json_byte_pass(&walk, '{')) {
        return;
    }
    for (int64_t i = 0; pp_json_member_next(&walk, &key, i) && member_take(out, &walk, key); i++) {
    }
    if (walk.fault || !pp_json_walk_ended(&walk)) {
        out->is_placed = false; /* it was cut, or is none */
        out->entries = -1;
    }
}

static const pp_answer_row *row_find(const pp_answer_query *query, int32_t resource) {
    for (size_t i = 0; i < sizeof refusal_rows / sizeof refusal_rows[0]; i++) {
        if ((refusal_rows[i].resource == RESOURCE_ANY || refusal_rows[i].resource == resource) &&
            pp_answer_find(&refusal_rows[i].row, 1, query)) {
            return &refusal_rows[i].row;
        }
    }
    return NULL;
}

static void refuse(pp_kinesis_call *call, const pinpipe_kinesis *kinesis, const pp_answer_row *row,
                   pinpipe_str inside) {
    const pp_http_answer *http = &call->attempt.wire.answer;
    const char *missing = call->code[0] ? NULL : pp_api_missing(kinesis->api, http->status);
    char words[PP_API_WORDS];
    pp_api_words(words, kinesis->api, &call->attempt, inside);
    call->kind = row->kind;
    call->status = pp_fail_service(&call->error, row->status, PP_KINESIS_SERVICE, http->status,
                                   "stream '%.*s': HTTP %d: %s%s%s%s", pp_quote_len(call->about.len),
                                   call->about.ptr, http->status, call->code, call->code[0] ? ": " : "",
                                   words, missing ? missing : row->says);
    call->error.retry_after_ms = pp_retry_after_read(pp_http_header(http, "Retry-After"));
}

/* A refusal, whatever its HTTP status: Kinesis' own, or the gateway's. */
static bool is_refusal(pp_kinesis_call *call, const pinpipe_kinesis *kinesis, const reading *said,
                       pinpipe_str body) {
    int32_t http_status = call->attempt.wire.answer.status;
    pp_answer_query query = {http_status, 0, body};
    pinpipe_str code = pp_kinesis_code_of(said->type);
    bool is_masked = http_status / 100 == 2;
    bool is_told = code.len < sizeof call->code && !pp_api_is_secret(kinesis->api, &call->attempt, code);
    snprintf(call->code, sizeof call->code, "%.*s", is_told ? (int)code.len : 0, code.len ? code.ptr : "");
    const pp_answer_row *row = row_find(&query, kinesis->gateway.is_single);
    if (!row && !call->code[0] && is_masked) {
        return false;
    }
    pp_answer_row own = {.status = pp_kinesis_status(pp_str(call->code), is_masked ? 400 : http_status),
                         .kind = pp_retry_kind_of(pp_str(call->code), http_status),
                         .says = "Kinesis, or the gateway before it, refuses the request"};
    row = row || call->code[0] ? row : pp_gateway_find(&query);
    refuse(call, kinesis, row ? row : &own, said->words);
    return true;
}

/* A success that is none. Nothing says whether anything was written. */
static void other_judge(pp_kinesis_call *call, const reading *said, int64_t sent) {
    pinpipe_str body = pp_buf_view(&call->answer);
    int32_t http_status = call->attempt.wire.answer.status;
    pp_answer_shape shape = pp_answer_shape_of(body);
    const char *says = "";
    for (size_t i = 0; i < sizeof other_rows / sizeof other_rows[0] && !says[0]; i++) {
        if (other_rows[i].shape == shape && pp_answer_has(body, pp_str(other_rows[i].text))) {
            says = other_rows[i].says;
        }
    }
    call->kind = PP_RETRY_NEVER;
    if (said->entries >= 0 && sent > 0) {
        call->status =
            pp_fail_service(&call->error, PINPIPE_EDATA, PP_KINESIS_SERVICE, http_status,
                            "stream '%.*s': HTTP %d: it answers for %lld records, and %lld were sent",
                            pp_quote_len(call->about.len), call->about.ptr, http_status,
                            (long long)said->entries, (long long)sent);
        return;
    }
    call->status = pp_fail_service(&call->error, PINPIPE_EDATA, PP_KINESIS_SERVICE, http_status,
                                   "stream '%.*s': HTTP %d: %s", pp_quote_len(call->about.len),
                                   call->about.ptr, http_status, says);
}

void pp_gateway_judge(pp_kinesis_call *call, const pinpipe_kinesis *kinesis) {
    reading said;
    pp_http_answer *http = &call->attempt.wire.answer;
    bool is_success = http->status / 100 == 2, is_single = kinesis->gateway.is_single;
    pinpipe_buf *body = is_success ? &call->answer : &http->refusal;
    call->kind = PP_RETRY_NEVER;
    call->status = pp_json_pad(body, &call->error);
    if (call->status < 0) {
        return;
    }
    body_read(&said, pp_buf_view(body));
    bool is_right = is_single ? said.is_placed : said.entries == call->sent;
    if (is_success && is_right && !said.type.len) {
        return;
    }
    if (!is_refusal(call, kinesis, &said, pp_buf_view(body))) {
        other_judge(call, &said, is_single ? 0 : call->sent);
    }
}

#endif
