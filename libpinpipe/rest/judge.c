/* Turns the end of an attempt into what it means for its records, and what its user may change.
 * Never quotes a secret: a text that holds the API key or a session token is left out.
 * Rules: rest/answers.def, aws/gateway.def. */
#include "rest/client.h"

#if PINPIPE_WITH_S3

#include "base/buffer.h"
#include "base/memory.h"
#include "text/json_value.h"

static const pp_answer_row answer_rows[] = {
#define PP_REST_ANSWER(http_status, code, text, status, kind, seen, says)                                    \
    {http_status, code, text, PINPIPE_##status, PP_RETRY_##kind, PP_ANSWER_##seen, says},
#include "rest/answers.def"
#undef PP_REST_ANSWER
};

static const pp_answer_row record_rows[] = {
#define PP_REST_RECORD(code, text, status, kind, seen, says)                                                 \
    {0, code, text, PINPIPE_##status, PP_RETRY_##kind, PP_ANSWER_##seen, says},
#include "rest/answers.def"
#undef PP_REST_RECORD
};

static const struct {
    pp_answer_shape shape;
    const char *text, *says;
} other_rows[] = {
#define PP_REST_OTHER(shape, text, says) {PP_ANSWER_##shape, text, says},
#include "rest/answers.def"
#undef PP_REST_OTHER
};

/* The row for an answer that is no success and has no entries. */
static pp_answer_row row_find(const pp_answer_query *query) {
    const pp_answer_row *row = pp_answer_find(answer_rows, sizeof answer_rows / sizeof answer_rows[0], query);
    row = row || query->code ? row : pp_gateway_find(query);
    if (row) {
        return *row;
    }
    bool is_server = query->http_status >= 500;
    return (pp_answer_row){.status = is_server ? PINPIPE_ESERVICE : PINPIPE_EREFUSED,
                           .kind = pp_retry_kind_of((pinpipe_str){"", 0}, query->http_status),
                           .seen = is_server ? PP_ANSWER_MAYBE : PP_ANSWER_NOT,
                           .says = is_server ? "the proxy, or what stands before it, failed"
                                             : "the proxy, or what stands before it, refuses the request"};
}

static void refusal_judge(pp_rest_verdict *out, const pinpipe_kafka_rest *rest, const pp_rest_batch *batch,
                          const pp_rest_answer *answer) {
    int32_t http_status = batch->attempt.wire.answer.status;
    char words[PP_API_WORDS];
    pp_answer_query query = {http_status, answer->code, pp_buf_view(&batch->attempt.wire.answer.refusal)};
    pp_answer_row row = row_find(&query);
    const pinpipe_buf *name = &batch->topic->name;
    const char *missing = answer->code ? NULL : pp_api_missing(rest->api, http_status);
    const char *says = missing ? missing : row.says;
    pp_api_words(words, rest->api, &batch->attempt, answer->text);
    out->kind = row.kind;
    out->seen = row.seen;
    pp_fail_service(&out->error, row.status, PP_REST_SERVICE, answer->code ? answer->code : http_status,
                    "topic '%.*s': HTTP %d: %s%s", pp_quote_len(name->len), name->ptr, http_status, words,
                    says);
    out->error.retry_after_ms =
        pp_retry_after_read(pp_http_header(&batch->attempt.wire.answer, "Retry-After"));
}

/* A success that is none. Nothing says whether anything was written. */
static void other_judge(pp_rest_verdict *out, const pp_rest_batch *batch, const pp_rest_answer *answer) {
    pinpipe_str body = pp_buf_view(&batch->answer);
    pp_answer_shape shape = pp_answer_shape_of(body);
    const pinpipe_buf *name = &batch->topic->name;
    const char *says = "";
    for (size_t i = 0; i < sizeof other_rows / sizeof other_rows[0] && !says[0]; i++) {
        if (other_rows[i].shape == shape && pp_answer_has(body, pp_str(other_rows[i].text))) {
            says = other_rows[i].says;
        }
    }
    int32_t http_status = batch->attempt.wire.answer.status;
    out->kind = PP_RETRY_NEVER;
    out->seen = PP_ANSWER_MAYBE;
    if (answer->has_offsets) {
        pp_fail_service(&out->error, PINPIPE_EDATA, PP_REST_SERVICE, http_status,
                        "topic '%.*s': HTTP %d: it answers for %lld records, and %lld were sent",
                        pp_quote_len(name->len), name->ptr, http_status, (long long)answer->count,
                        (long long)batch->body.count);
    } else {
        pp_fail_service(&out->error, PINPIPE_EDATA, PP_REST_SERVICE, http_status, "topic '%.*s': HTTP %d: %s",
                        pp_quote_len(name->len), name->ptr, http_status, says);
    }
}

static void silence_judge(pp_rest_verdict *out, const pp_rest_batch *batch) {
    const pinpipe_error *cause = &batch->attempt.wire.error;
    const char *says = pp_answer_lacking(cause);
    const pinpipe_buf *name = &batch->topic->name;
    out->kind = says ? PP_RETRY_NEVER : pp_retry_kind_of_status(batch->attempt.wire.status);
    out->seen = batch->attempt.wire.answer.sent > 0 && !says ? PP_ANSWER_MAYBE : PP_ANSWER_NOT;
    pp_fail_service(&out->error, says ? PINPIPE_EINVAL : cause->status, PP_REST_SERVICE, cause->native_code,
                    "topic '%.*s': %s%s%s", pp_quote_len(name->len), name->ptr, says ? says : cause->message,
                    says ? "; " : "", says ? cause->message : "");
}

void pp_rest_judge(pp_rest_verdict *out, const pinpipe_kafka_rest *rest, pp_rest_batch *batch) {
    pp_http_answer *http = &batch->attempt.wire.answer;
    pp_rest_answer answer = {.text = {"", 0}};
    *out = (pp_rest_verdict){.error = PINPIPE_ERROR_INIT};
    if (batch->attempt.wire.status < 0) {
        silence_judge(out, batch);
        return;
    }
    bool is_success = http->status / 100 == 2;
    pinpipe_buf *body = is_success ? &batch->answer : &http->refusal;
    if (pp_json_pad(body, NULL) < 0) {
        out->seen = PP_ANSWER_MAYBE;
        pp_fail_memory(&out->error, "an answer", body->len);
        return;
    }
    pp_rest_answer_read(&answer, rest->entries, batch->body.count, pp_buf_view(body));
    out->has_entries = answer.has_offsets && answer.count == batch->body.count;
    if (!out->has_entries && is_success) {
        other_judge(out, batch, &answer);
    } else if (!out->has_entries) {
        refusal_judge(out, rest, batch, &answer);
    }
    out->seen = http->sent > 1 ? PP_ANSWER_MAYBE : out->seen; /* libcurl repeated it on a new connection */
}

const pp_answer_row *pp_rest_entry_judge(const pp_rest_entry *entry) {
    pp_answer_query query = {0, entry->code, entry->text};
    return entry->code ? pp_answer_find(record_rows, sizeof record_rows / sizeof record_rows[0], &query)
                       : NULL;
}

pinpipe_status pp_rest_entry_fail(pinpipe_error *err, const pinpipe_kafka_rest *rest,
                                  const pp_rest_batch *batch, const pp_rest_entry *entry,
                                  const pp_answer_row *row) {
    char words[PP_API_WORDS];
    const pinpipe_buf *name = &batch->topic->name;
    pp_api_words(words, rest->api, &batch->attempt, entry->text);
    return pp_fail_service(err, row->status, PP_REST_SERVICE, entry->code,
                           "topic '%.*s': record refused: %s%s", pp_quote_len(name->len), name->ptr, words,
                           row->says);
}

#endif
