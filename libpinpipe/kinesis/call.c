/* Turns one operation into attempts within one deadline, and refusals into errors that name operation and
 * stream. Never sends a body again that the owner has not left as it was. Rules: docs/kinesis.md, "Retries";
 * Amazon Kinesis API Reference, "Common Error Types". */
#include "kinesis/client.h"

#if PINPIPE_WITH_KINESIS

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/log.h"
#include "io/answer.h"
#include "io/clock.h"

#define LARGE_FROM (64 << 10)
#define LARGE_BUFFER (512 << 10)

typedef struct code_row {
    const char *code;
    pinpipe_status status;
} code_row;

static const code_row code_rows[] = {
#define PP_KINESIS_ERROR(code, status) {code, status},
#include "kinesis/error.def"
#undef PP_KINESIS_ERROR
};

pinpipe_status pp_kinesis_status(pinpipe_str code, int32_t http_status) {
    for (size_t i = 0; i < sizeof code_rows / sizeof code_rows[0]; i++) {
        if (pp_str_is(code, code_rows[i].code)) {
            return code_rows[i].status;
        }
    }
    if (http_status == 429) {
        return PINPIPE_ETHROTTLED;
    }
    if (http_status == 401 || http_status == 403) {
        return PINPIPE_EAUTH;
    }
    return http_status >= 500 ? PINPIPE_ESERVICE : PINPIPE_EREFUSED;
}

/* ---- an answer that refuses ---- */

pinpipe_str pp_kinesis_code_of(pinpipe_str name) {
    const char *hash = name.len ? memchr(name.ptr, '#', name.len) : NULL;
    if (hash) {
        name.len -= (size_t)(hash + 1 - name.ptr);
        name.ptr = hash + 1;
    }
    const char *colon = name.len ? memchr(name.ptr, ':', name.len) : NULL;
    name.len = colon ? (size_t)(colon - name.ptr) : name.len;
    return name;
}

typedef struct refusal {
    pinpipe_str code;
    pinpipe_str message;
} refusal;

/* What is not a message in the call's own form tells nothing. */
static void refusal_read(refusal *out, pp_kinesis_call *call) {
    pp_kinesis_reader reader;
    pp_kinesis_level map;
    pinpipe_buf *body = &call->attempt.wire.answer.refusal;
    pinpipe_str type = pp_http_header(&call->attempt.wire.answer, "Content-Type");
    bool is_cbor = type.len ? type.len >= 22 && memcmp(type.ptr, "application/x-amz-cbor", 22) == 0
                            : call->wire == PINPIPE_KINESIS_CBOR;
    *out = (refusal){pp_kinesis_code_of(pp_http_header(&call->attempt.wire.answer, "x-amzn-ErrorType")),
                     {"", 0}};
    if (pp_kinesis_read_begin(&reader, body, is_cbor ? PINPIPE_KINESIS_CBOR : PINPIPE_KINESIS_JSON, NULL) <
            0 ||
        !pp_kinesis_read_map(&reader, &map)) {
        return;
    }
    for (pinpipe_str key; pp_kinesis_read_key(&reader, &map, &key);) {
        pinpipe_str text = {"", 0};
        bool is_type = pp_str_is(key, "__type");
        if (!is_type && !pp_str_is(key, "message") && !pp_str_is(key, "Message")) {
            pp_kinesis_read_pass(&reader);
        } else if (pp_kinesis_read_text(&reader, &text)) {
            *(is_type ? &out->code : &out->message) = is_type ? pp_kinesis_code_of(text) : text;
        }
    }
}

static pinpipe_status refuse(pp_kinesis_call *call, const pinpipe_kinesis *kinesis, pinpipe_error *err) {
    refusal said;
    const pp_http_answer *answer = &call->attempt.wire.answer;
    refusal_read(&said, call);
    bool is_told = said.code.len > 0 && said.code.len < sizeof call->code;
    snprintf(call->code, sizeof call->code, "%.*s", is_told ? (int)said.code.len : 0,
             is_told ? said.code.ptr : "");
    bool is_secret = pp_api_is_secret(kinesis->api, &call->attempt, said.message);
    pinpipe_status status = pp_kinesis_status(pp_str(call->code), answer->status);
    pp_fail_service(err, status, PP_KINESIS_SERVICE, answer->status, "%s%s%.*s%s: %s%s%.*s (HTTP %d)",
                    call->operation, call->about.len ? " on '" : "", pp_quote_len(call->about.len),
                    call->about.len ? call->about.ptr : "", call->about.len ? "'" : "",
                    is_told ? call->code : "refused", said.message.len && !is_secret ? ": " : "",
                    is_secret ? 0 : (int)(said.message.len > 160 ? 160 : said.message.len), said.message.ptr,
                    answer->status);
    err->retry_after_ms = pp_retry_after_read(pp_http_header(answer, "Retry-After"));
    return status;
}

static pinpipe_status fail_below(const pp_kinesis_call *call, const pinpipe_error *cause,
                                 pinpipe_error *err) {
    const char *says = pp_answer_lacking(cause);
    return pp_fail_service(err, says ? PINPIPE_EINVAL : cause->status, cause->service, cause->native_code,
                           "%s%s%.*s%s: %s%s%s", call->operation, call->about.len ? " on '" : "",
                           pp_quote_len(call->about.len), call->about.len ? call->about.ptr : "",
                           call->about.len ? "'" : "", says ? says : "", says ? "; " : "", cause->message);
}

/* ---- one call ---- */

static void call_end(pp_kinesis_call *call, pinpipe_kinesis *kinesis, pinpipe_status status) {
    call->state = PP_KINESIS_CALL_ENDED;
    call->status = status;
    if (status >= 0) {
        pp_api_done(kinesis->api, &call->attempt);
    }
}

static void attempt_start(pp_kinesis_call *call, pinpipe_kinesis *kinesis) {
    bool is_cbor = call->wire == PINPIPE_KINESIS_CBOR;
    const char *type = is_cbor ? "application/x-amz-cbor-1.1" : "application/x-amz-json-1.1";
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pp_api_request request = {.method = "POST",
                              .path = pp_str("/"),
                              .content_type = type,
                              .accept = type,
                              .target = call->target,
                              .body = pp_buf_view(&call->body),
                              .out = &call->answer,
                              .out_max = call->answer_max ? call->answer_max : PP_KINESIS_ANSWER_MAX,
                              .buffer_bytes = call->body.len >= LARGE_FROM ? LARGE_BUFFER : 0,
                              .answering = call->answering,
                              .timeout_ms = call->deadline_ms - pp_clock_monotonic_ms()};
    if (kinesis->gateway.form) {
        request.method = kinesis->gateway.form->method;
        request.path = pp_buf_view(&kinesis->gateway.path);
        request.content_type = request.accept = "application/json";
        request.target = NULL;
    }
    pp_buf_clear(&call->answer);
    call->error = (pinpipe_error)PINPIPE_ERROR_INIT;
    call->code[0] = '\0';
    pinpipe_status status = request.timeout_ms > 0
                                ? pp_api_start(&call->attempt, kinesis->api, &request, &cause)
                                : pp_fail(&cause, PINPIPE_ETIMEOUT, "no time is left for an attempt");
    call->state = PP_KINESIS_CALL_UNDER_WAY;
    if (status < 0) {
        fail_below(call, &cause, &call->error);
        call_end(call, kinesis, status);
    }
}

void pp_kinesis_call_start(pp_kinesis_call *call, pinpipe_kinesis *kinesis, const char *operation,
                           int64_t deadline_ms) {
    assert(call->state == PP_KINESIS_CALL_IDLE || call->state == PP_KINESIS_CALL_ENDED);
    call->operation = operation;
    call->wire = kinesis->wire;
    call->deadline_ms = deadline_ms;
    snprintf(call->target, sizeof call->target, "Kinesis_20131202.%s", operation);
    pp_api_attempt_clear(&call->attempt);
    attempt_start(call, kinesis);
}

/* Begins the pause before the next attempt; false where this was the last. */
static bool call_again(pp_kinesis_call *call, pinpipe_kinesis *kinesis) {
    int64_t pause_ms = 0;
    pp_retry_kind kind = call->kind;
    bool is_mendable = kind == PP_RETRY_EXPIRED || kind == PP_RETRY_SKEWED || kind == PP_RETRY_SIGNATURE;
    if ((call->again == PP_KINESIS_AGAIN_CALLER && !is_mendable) ||
        !pp_api_again(&pause_ms, kinesis->api, &call->attempt, kind)) {
        return false;
    }
    call->resume_ms = pp_clock_monotonic_ms() + pause_ms;
    if (call->resume_ms >= call->deadline_ms) {
        return false;
    }
    pp_log(PP_LOG_INFO, PP_KINESIS_SERVICE, "an attempt failed, next in %lld ms: %s", (long long)pause_ms,
           call->error.message);
    call->state = PP_KINESIS_CALL_PAUSING;
    return true;
}

/* Doubles and relatives of Kinesis that do not know CBOR refuse the first message in it, each in its own way.
 */
static bool is_wire_refused(const pp_kinesis_call *call, const pinpipe_kinesis *kinesis) {
    int32_t http_status = call->attempt.wire.answer.status;
    bool is_said = !call->code[0] || strcmp(call->code, "UnknownOperationException") == 0 ||
                   strcmp(call->code, "SerializationException") == 0;
    return call->wire == PINPIPE_KINESIS_CBOR && !kinesis->is_wire_known && is_said &&
           (http_status == 400 || http_status == 404 || http_status == 415 ||
            (http_status == 500 && !call->code[0])) &&
           !pp_answer_has(pp_api_endpoint(kinesis->api), pp_str(".amazonaws."));
}

/* The same message once more, in JSON, and every further one; false where it cannot be. */
static bool wire_change(pp_kinesis_call *call, pinpipe_kinesis *kinesis) {
    if (!is_wire_refused(call, kinesis) || pp_kinesis_transcode(&call->body, NULL) < 0) {
        return false;
    }
    pp_log(PP_LOG_WARNING, PP_KINESIS_SERVICE, "the service does not know CBOR: JSON from now on");
    call->wire = kinesis->wire = PINPIPE_KINESIS_JSON;
    attempt_start(call, kinesis);
    return true;
}

static void call_judge(pp_kinesis_call *call, pinpipe_kinesis *kinesis) {
    const pp_flight_request *wire = &call->attempt.wire;
    if (wire->status < 0) {
        call->status = fail_below(call, &wire->error, &call->error);
        call->kind = pp_retry_kind_of_status(call->status);
    } else if (kinesis->gateway.form) {
        pp_gateway_judge(call, kinesis);
    } else if (wire->answer.status / 100 != 2) {
        call->status = refuse(call, kinesis, &call->error);
        call->kind = pp_retry_kind_of(pp_str(call->code), wire->answer.status);
        if (wire_change(call, kinesis)) {
            return;
        }
    } else {
        call->status = PINPIPE_OK;
        kinesis->is_wire_known = kinesis->is_wire_known || call->wire == kinesis->wire;
    }
    if (call->status >= 0 || !call_again(call, kinesis)) {
        call_end(call, kinesis, call->status);
    }
}

bool pp_kinesis_call_move(pp_kinesis_call *call, pinpipe_kinesis *kinesis) {
    if (call->state == PP_KINESIS_CALL_UNDER_WAY && !call->attempt.wire.under_way) {
        call_judge(call, kinesis);
    }
    if (call->state == PP_KINESIS_CALL_PAUSING && pp_clock_monotonic_ms() >= call->resume_ms) {
        attempt_start(call, kinesis);
    }
    return call->state == PP_KINESIS_CALL_ENDED;
}

int64_t pp_kinesis_call_due_ms(const pp_kinesis_call *call) {
    return call->state == PP_KINESIS_CALL_PAUSING ? call->resume_ms : INT64_MAX;
}

void pp_kinesis_call_reset(pp_kinesis_call *call, pinpipe_kinesis *kinesis) {
    pp_api_attempt_reset(kinesis->api, &call->attempt);
    pinpipe_buf_reset(&call->body);
    pp_buf_reset_secret(&call->answer); /* a gateway's may repeat what was sent */
    call->state = PP_KINESIS_CALL_IDLE;
}

/* ---- the client's own call ---- */

pinpipe_status pp_kinesis_call_write(pp_kinesis_writer *writer, pinpipe_kinesis *kinesis, pinpipe_str stream,
                                     int64_t count, pinpipe_error *err) {
    pinpipe_status status = pp_kinesis_stream_check(stream, err);
    pp_kinesis_write_begin(writer, &kinesis->call.body, kinesis->wire, count, err);
    if (status < 0) {
        writer->status = status;
        return status;
    }
    kinesis->call.about = stream;
    pp_kinesis_write_stream(writer, stream);
    return writer->status;
}

static pinpipe_status call_wait(pinpipe_kinesis *kinesis, pinpipe_error *err) {
    pp_kinesis_call *call = &kinesis->call;
    while (!pp_kinesis_call_move(call, kinesis)) {
        int64_t until_ms = pp_kinesis_call_due_ms(call);
        until_ms = until_ms < call->deadline_ms ? until_ms : call->deadline_ms + 1000;
        int64_t wait_ms = until_ms - pp_clock_monotonic_ms();
        pinpipe_status status = pp_api_wait(kinesis->api, wait_ms > 0 ? wait_ms : 0, err);
        if (status < 0) {
            pp_kinesis_call_reset(call, kinesis);
            return status;
        }
    }
    if (call->status < 0 && err && err->struct_size >= sizeof *err) {
        *err = call->error;
    }
    return call->status;
}

pinpipe_status pp_kinesis_tell(pinpipe_kinesis *kinesis, const pp_kinesis_writer *writer,
                               const char *operation, int64_t deadline_ms, pinpipe_error *err) {
    if (writer->status < 0) {
        return writer->status;
    }
    pp_kinesis_call_start(&kinesis->call, kinesis, operation, deadline_ms);
    return call_wait(kinesis, err);
}

pinpipe_status pp_kinesis_send(pp_kinesis_reader *reader, pinpipe_kinesis *kinesis,
                               const pp_kinesis_writer *writer, const char *operation, int64_t deadline_ms,
                               pinpipe_error *err) {
    pinpipe_status status = pp_kinesis_tell(kinesis, writer, operation, deadline_ms, err);
    return status == PINPIPE_OK
               ? pp_kinesis_read_begin(reader, &kinesis->call.answer, kinesis->call.wire, err)
               : status;
}

#endif
