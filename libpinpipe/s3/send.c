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

/* Whole seconds of Retry-After; -1 when there are none. */
static int64_t retry_after_read(const pp_http_answer *answer) {
    pinpipe_str text = pp_http_header(answer, "Retry-After");
    if (!text.len || text.len > 6) {
        return -1;
    }
    int64_t seconds = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return -1;
        }
        seconds = seconds * 10 + (text.ptr[i] - '0');
    }
    return seconds * 1000;
}

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
        err->retry_after_ms = retry_after_read(answer);
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

static pinpipe_status attempt_sign(pinpipe_signature **out, pinpipe_s3 *s3, const pp_s3_call *call,
                                   pinpipe_error *err) {
    pinpipe_sign_request request = PINPIPE_SIGN_REQUEST_INIT;
    pinpipe_sign_options options = PINPIPE_SIGN_OPTIONS_INIT;
    request.method = pp_str(call->method);
    request.url = pp_buf_view(&s3->url);
    request.body = call->body;
    request.headers = call->headers;
    request.header_count = (int64_t)call->header_count;
    options.service = pp_str(PP_S3_SERVICE);
    options.region = pp_buf_view(&s3->region);
    options.time_s = pp_clock_wall_s();
    return pinpipe_request_sign(out, &request, s3->credentials, &options, err);
}

static pinpipe_status attempt(pinpipe_s3 *s3, const pp_s3_call *call, int64_t timeout_ms,
                              pinpipe_error *err) {
    pinpipe_signature *signature = NULL;
    pinpipe_header headers[16]; /* ours are at most two, the signer's four */
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pinpipe_status status = attempt_sign(&signature, s3, call, err);
    if (status < 0) {
        return status;
    }
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
    for (int32_t number = 1;; number++) {
        status = attempt(s3, call, deadline_ms - pp_clock_monotonic_ms(), &cause);
        if (status >= 0 || !pinpipe_status_retriable(status) || number == s3->attempts_max) {
            break;
        }
        int64_t pause_ms = pp_retry_pause_ms(number, status, pp_retry_random());
        pause_ms = pause_ms < cause.retry_after_ms ? cause.retry_after_ms : pause_ms;
        if (pp_clock_monotonic_ms() + pause_ms >= deadline_ms) {
            break;
        }
        pp_log(PP_LOG_INFO, PP_S3_SERVICE, "attempt %d failed, next in %lld ms: %s", number,
               (long long)pause_ms, cause.message);
        pp_clock_sleep_ms(pause_ms);
    }
    if (status < 0 && call->out) {
        pp_buf_clear(call->out);
    }
    if (status < 0 && err && err->struct_size >= sizeof cause) {
        *err = cause;
    }
    return status;
}

#endif
