/* Turns one operation into signed attempts within one deadline.
 * Never keeps anything of a failed attempt for the next one.
 * Rules: docs/s3.md, "Retries"; Amazon S3 API Reference, "Error responses". */
#include "s3/client.h"

#if PINPIPE_WITH_S3

#include <assert.h>
#include <string.h>

#include "base/buffer.h"
#include "base/log.h"
#include "io/clock.h"
#include "io/retry.h"
#include "s3/error.h"

pinpipe_status pp_s3_fail(pinpipe_error *err, const pp_s3_call *call, const pp_http_answer *answer,
                          pinpipe_str document) {
    pp_s3_refusal refusal;
    bool told = pp_s3_refusal_read(&refusal, document);
    pinpipe_status status = pp_s3_status(told ? refusal.code : "", answer->status);
    pinpipe_str key = call->name.key, bucket = call->name.bucket;
    pinpipe_str region =
        refusal.region[0] ? pp_str(refusal.region) : pp_http_header(answer, "x-amz-bucket-region");
    bool elsewhere = answer->status / 100 == 3 || strcmp(refusal.code, "AuthorizationHeaderMalformed") == 0;
    pp_fail_service(err, status, PP_S3_SERVICE, answer->status, "%s s3://%.*s%s%.*s: %s%s%s (HTTP %d)%s%.*s",
                    call->doing, pp_quote_len(bucket.len), bucket.ptr, key.len ? "/" : "",
                    pp_quote_len(key.len), key.len ? key.ptr : "", told ? refusal.code : "refused",
                    told && refusal.message[0] ? ": " : "", told ? refusal.message : "", answer->status,
                    elsewhere && region.len ? "; its region is " : "",
                    elsewhere ? pp_quote_len(region.len) : 0, region.ptr);
    if (err && err->struct_size >= sizeof *err) {
        err->retry_after_ms = pp_retry_after_read(pp_http_header(answer, "Retry-After"));
    }
    return status;
}

/* A failure below S3, with the operation before its text. */
static pinpipe_status transport_fail(pinpipe_error *err, const pp_s3_call *call, const pinpipe_error *cause) {
    pinpipe_str key = call->name.key, bucket = call->name.bucket;
    return pp_fail_service(err, cause->status, cause->service, cause->native_code, "%s s3://%.*s%s%.*s: %s",
                           call->doing, pp_quote_len(bucket.len), bucket.ptr, key.len ? "/" : "",
                           pp_quote_len(key.len), key.len ? key.ptr : "", cause->message);
}

/* What one call has gone through, and what its last attempt was signed with. */
typedef struct attempts {
    pp_retry_call tries;
    pinpipe_credentials *key;
    int64_t applied_ms; /* correction of the clock */
    bool renewed, corrected;
} attempts;

static pinpipe_status attempt_sign(pinpipe_signature **out, pinpipe_s3 *s3, const pp_s3_call *call,
                                   const attempts *state, pinpipe_error *err) {
    pinpipe_sign_request request = PINPIPE_SIGN_REQUEST_INIT;
    pinpipe_sign_options options = PINPIPE_SIGN_OPTIONS_INIT;
    request.method = pp_str(call->method);
    request.url = pp_buf_view(&s3->url);
    request.body = call->body;
    request.headers = call->headers;
    request.header_count = (int64_t)call->header_count;
    options.service = pp_str(PP_S3_SERVICE);
    options.region = pp_buf_view(&s3->region);
    options.time_s = (pp_clock_wall_ms() + state->applied_ms) / 1000;
    return pinpipe_request_sign(out, &request, state->key, &options, err);
}

/* Every answer tells what time it is there. */
static void clock_learn(pinpipe_s3 *s3, int64_t begun_ms) {
    int64_t now_ms = pp_clock_monotonic_ms();
    int64_t date_us = pp_http_date_us(pp_http_header(&s3->answer, "Date"));
    pp_skew_sample sample = {.date_s = date_us / 1000000,
                             .wall_ms = pp_clock_wall_ms(),
                             .monotonic_ms = now_ms,
                             .rtt_ms = now_ms - begun_ms,
                             .trusted = strncmp(s3->url.ptr, "https:", 6) == 0};
    pp_skew_learn(pp_provider_skew(s3->provider), &sample);
}

static pinpipe_status attempt(pinpipe_s3 *s3, const pp_s3_call *call, attempts *state, int64_t timeout_ms,
                              pinpipe_error *err) {
    int64_t begun_ms = pp_clock_monotonic_ms();
    pinpipe_signature *signature = NULL;
    pinpipe_header headers[16]; /* ours are at most two, the signer's four */
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pinpipe_credentials_free(state->key);
    state->key = NULL;
    if (timeout_ms <= 0) {
        return pp_fail(err, PINPIPE_ETIMEOUT, "no time is left for an attempt");
    }
    pinpipe_status status = pinpipe_provider_get(&state->key, s3->provider, timeout_ms, err);
    state->applied_ms = pp_skew_offset_ms(pp_provider_skew(s3->provider));
    if (status == PINPIPE_OK) {
        status = attempt_sign(&signature, s3, call, state, err);
    }
    if (status < 0) {
        return status;
    }
    timeout_ms -= pp_clock_monotonic_ms() - begun_ms;
    begun_ms = pp_clock_monotonic_ms();
    size_t count = (size_t)pinpipe_signature_header_count(signature);
    assert(count <= sizeof headers / sizeof headers[0]);
    for (size_t i = 0; i < count; i++) {
        headers[i] = pinpipe_signature_header_at(signature, (int64_t)i);
    }
    pp_http_request request = {.method = call->method,
                               .url = s3->url.ptr,
                               .headers = headers,
                               .header_count = count,
                               .body = call->body,
                               .out = call->out,
                               .out_max = call->out_max};
    status = pp_http_send(&s3->answer, s3->http, &request, timeout_ms, &cause);
    pinpipe_signature_free(signature);
    if (status == PINPIPE_OK) {
        clock_learn(s3, begun_ms);
    }
    if (status < 0) {
        status = transport_fail(err, call, &cause);
    } else if (s3->answer.status / 100 != 2) {
        status = pp_s3_fail(err, call, &s3->answer, pp_buf_view(&s3->answer.refusal));
    }
    return status;
}

static pinpipe_status call_begin(pinpipe_s3 *s3, const pp_s3_call *call, pinpipe_error *err) {
    if (call->name.key.len > PP_S3_KEY_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "key: %zu bytes are more than %d", call->name.key.len,
                       PP_S3_KEY_MAX);
    }
    pinpipe_status status = pp_s3_bucket_check(call->name.bucket, err);
    if (status == PINPIPE_OK) {
        pp_buf_clear(&s3->url);
        status = pp_s3_url_write(&s3->url, s3, call, err);
    }
    return status;
}

static pp_retry_failure failure_of(const pinpipe_s3 *s3, pinpipe_status status) {
    pp_retry_failure failure = {pp_retry_kind_of_status(status), -1, -1};
    pp_s3_refusal refusal = {{0}, {0}, {0}};
    if (failure.kind == PP_RETRY_NEVER && s3->answer.status) {
        bool told = pp_s3_refusal_read(&refusal, pp_buf_view(&s3->answer.refusal));
        failure.kind = pp_retry_kind_of(pp_str(told ? refusal.code : ""), s3->answer.status);
        failure.hint_ms = pp_retry_hint_read(pp_http_header(&s3->answer, "x-amz-retry-after"));
        failure.retry_after_ms = pp_retry_after_read(pp_http_header(&s3->answer, "Retry-After"));
    }
    return failure;
}

/* Another attempt at once: a new key or a corrected clock answers what was refused. Each once a call. */
static bool attempt_anew(pinpipe_s3 *s3, attempts *state, pp_retry_kind kind) {
    bool skewed = kind == PP_RETRY_SKEWED || kind == PP_RETRY_SIGNATURE;
    if (kind == PP_RETRY_EXPIRED && !state->renewed) {
        state->renewed = true;
        pp_provider_expire(s3->provider, state->key);
        return true;
    }
    if (skewed && !state->corrected && pp_skew_explains(pp_provider_skew(s3->provider), state->applied_ms)) {
        state->corrected = true;
        return true;
    }
    return false;
}

static pinpipe_status call_send(pinpipe_s3 *s3, const pp_s3_call *call, int64_t deadline_ms,
                                pinpipe_error *cause) {
    attempts state = {0};
    pinpipe_status status = PINPIPE_OK;
    for (;;) {
        int64_t pause_ms = 0;
        s3->answer.status = 0;
        status = attempt(s3, call, &state, deadline_ms - pp_clock_monotonic_ms(), cause);
        if (status >= 0) {
            pp_retry_done(&s3->retry, &state.tries);
            break;
        }
        pp_retry_failure failure = failure_of(s3, status);
        if (!state.key) {
            break; /* without a key nothing was asked */
        }
        if (attempt_anew(s3, &state, failure.kind)) {
            continue;
        }
        if (!pp_retry_next(&pause_ms, &s3->retry, &state.tries, &failure, pp_retry_random()) ||
            pp_clock_monotonic_ms() + pause_ms >= deadline_ms) {
            break;
        }
        pp_log(PP_LOG_INFO, PP_S3_SERVICE, "attempt %d failed, next in %lld ms: %s", state.tries.failed,
               (long long)pause_ms, cause->message);
        pp_clock_sleep_ms(pause_ms);
    }
    pinpipe_credentials_free(state.key);
    return status;
}

pinpipe_status pp_s3_send(pinpipe_s3 *s3, const pp_s3_call *call, int64_t timeout_ms, pinpipe_error *err) {
    if (timeout_ms < 0) {
        return pp_fail(err, PINPIPE_EINVAL, "timeout: %lld ms", (long long)timeout_ms);
    }
    pinpipe_status status = call_begin(s3, call, err);
    if (status < 0) {
        return status;
    }
    int64_t deadline_ms = pp_clock_monotonic_ms() + (timeout_ms ? timeout_ms : s3->timeout_ms);
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    status = call_send(s3, call, deadline_ms, &cause);
    if (status < 0 && call->out) {
        pp_buf_clear(call->out);
    }
    if (status < 0 && err && err->struct_size >= sizeof cause) {
        *err = cause;
    }
    return status;
}

#endif
