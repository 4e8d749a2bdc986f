/* Turns one operation into signed attempts within one deadline, any number of operations at once.
 * Never keeps anything of a failed attempt for the next one but the place in an object that is read.
 * Rules: docs/s3.md, "Retries"; Amazon S3 API Reference, "Error responses". */
#include "s3/client.h"

#if PINPIPE_WITH_S3

#include <assert.h>
#include <string.h>

#include "aws/chunks.h"
#include "base/buffer.h"
#include "base/log.h"
#include "io/clock.h"
#include "io/retry.h"
#include "s3/error.h"

/* What an attempt must bring of an object to count as a first one again. */
#define PROGRESS_BYTES 65536

/* ---- one attempt ---- */

size_t pp_s3_client_headers(pinpipe_header *out, const pinpipe_s3 *s3, const pp_s3_call *call) {
    const struct {
        const char *name;
        const pinpipe_buf *value;
        bool is_wanted;
    } rows[] = {
        {"x-amz-expected-bucket-owner", &s3->owner, true},
        {"x-amz-request-payer", &s3->payer, true},
        {"x-amz-server-side-encryption", &s3->sse, call->sse == PP_S3_SSE_WRITE},
        {"x-amz-server-side-encryption-aws-kms-key-id", &s3->sse_key, call->sse == PP_S3_SSE_WRITE},
        {"x-amz-server-side-encryption-context", &s3->sse_context, call->sse == PP_S3_SSE_WRITE},
    };
    size_t count = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].is_wanted && rows[i].value->len) {
            out[count++] = (pinpipe_header){pp_str(rows[i].name), pp_buf_view(rows[i].value)};
        }
    }
    return count;
}

void pp_s3_sign_options(pinpipe_sign_options *out, const pinpipe_s3 *s3, pinpipe_str bucket,
                        int64_t offset_ms) {
    const pp_s3_place *place = pp_s3_place_find(s3, bucket);
    *out = (pinpipe_sign_options)PINPIPE_SIGN_OPTIONS_INIT;
    out->service = pp_str(PP_S3_SERVICE);
    out->region = place ? pp_str(place->region) : pp_buf_view(&s3->region);
    out->time_s = (pp_clock_wall_ms() + offset_ms) / 1000;
}

/* Where TLS already guards the bytes, a digest of a large body would cost more than sending it. */
static int32_t payload_choose(const pinpipe_s3 *s3, const pp_s3_call *call) {
    bool is_cheap = call->body.len < PP_S3_LARGE_FROM || s3->payload == PINPIPE_S3_PAYLOAD_SIGNED;
    return !is_cheap && s3->is_https ? PINPIPE_PAYLOAD_UNSIGNED : PINPIPE_PAYLOAD_SERVICE;
}

static pinpipe_status attempt_sign(pp_s3_job *job, pinpipe_s3 *s3, pinpipe_error *err) {
    pinpipe_sign_request request = PINPIPE_SIGN_REQUEST_INIT;
    pinpipe_sign_options options;
    pinpipe_header own[PP_S3_JOB_HEADERS];
    const pp_s3_call *call = &job->call;
    size_t count = pp_s3_client_headers(own, s3, call);
    job->is_asking = s3->is_validating && call->range && call->range->first == 0 && call->range->next == 0;
    if (job->is_asking) {
        own[count++] = (pinpipe_header){pp_str("x-amz-checksum-mode"), pp_str("ENABLED")};
    }
    count += pp_s3_range_headers(own + count, job);
    if (job->checksum[0]) {
        own[count++] = (pinpipe_header){pp_str(pp_checksum_name(s3->checksum)), pp_str(job->checksum)};
    }
    assert(count + call->header_count < PP_S3_JOB_HEADERS - 6); /* the signer's */
    for (size_t i = 0; i < call->header_count; i++) {
        own[count + i] = call->headers[i];
    }
    request.method = pp_str(call->method);
    request.url = pp_buf_view(&job->url);
    request.body = call->body;
    request.headers = own;
    request.header_count = (int64_t)(count + call->header_count);
    pp_s3_sign_options(&options, s3, call->name.bucket, job->applied_ms);
    bool is_trailed = pp_s3_trailer_is_due(s3, call);
    if (is_trailed) {
        pp_s3_trailer_options(&options, s3, call);
    } else {
        options.payload = payload_choose(s3, call);
    }
    const pinpipe_signature *signature = NULL;
    pinpipe_status status = pinpipe_signer_sign(&signature, s3->signer, &request, job->key, &options, err);
    size_t sent = status == PINPIPE_OK ? (size_t)pinpipe_signature_header_count(signature) : 0;
    assert(sent <= PP_S3_JOB_HEADERS);
    for (size_t i = 0; i < sent; i++) {
        job->headers[i] = pinpipe_signature_header_at(signature, (int64_t)i); /* copied when it is sent */
    }
    job->wire.http.headers = job->headers;
    job->wire.http.header_count = sent;
    job->wire.http.source = (pp_http_source){.give = NULL};
    return status == PINPIPE_OK && is_trailed ? pp_s3_trailer_begin(job, s3, signature, err) : status;
}

/* A provider has the key at hand unless it is the first time, or the key has expired. */
static pinpipe_status key_take(pp_s3_job *job, pinpipe_s3 *s3, pinpipe_error *err) {
    int64_t left_ms = job->deadline_ms - pp_clock_monotonic_ms();
    pinpipe_credentials_free(job->key);
    job->key = NULL;
    job->applied_ms = pp_skew_offset_ms(pp_provider_skew(s3->provider));
    return left_ms > 0 ? pinpipe_provider_get(&job->key, s3->provider, left_ms, err)
                       : pp_fail(err, PINPIPE_ETIMEOUT, "no time is left for an attempt");
}

static pinpipe_status attempt_start(pp_s3_job *job, pinpipe_s3 *s3, pinpipe_error *err) {
    const pp_s3_call *call = &job->call;
    bool is_large = call->body.len >= PP_S3_LARGE_FROM ||
                    (call->range &&
                     (call->range->last < 0 || call->range->last - call->range->first >= PP_S3_LARGE_FROM));
    if (call->range && !call->range->etag[0] && call->range->next > call->range->first) {
        call->range->next = call->range->first; /* nothing says that the rest would be of the same version */
        call->range->total = call->range->first == 0 ? -1 : call->range->total;
    }
    job->number++;
    job->began = call->range ? call->range->next : 0;
    job->is_head_read = false;
    pp_buf_clear(&job->url);
    job->begun_ms = pp_clock_monotonic_ms();
    pinpipe_status key_status = key_take(job, s3, err);
    if (key_status < 0) {
        return key_status;
    }
    pinpipe_status status = pp_s3_url_write(&job->url, s3, call, err);
    if (status == PINPIPE_OK) {
        status = attempt_sign(job, s3, err);
    }
    if (status == PINPIPE_OK) {
        pp_http_request *http = &job->wire.http;
        http->method = call->method;
        http->url = job->url.ptr;
        http->body = call->body;
        http->out = call->out;
        http->out_max = call->out_max;
        http->take = call->range ? pp_s3_range_take : NULL;
        http->take_user = job;
        http->buffer_bytes = is_large ? PP_S3_LARGE_BUFFER : 0;
        http->connection = call->is_conditional ? PP_HTTP_CONNECTION_NEW : PP_HTTP_CONNECTION_ANY;
        status = pp_flight_start(s3->flight, &job->wire, job->deadline_ms - pp_clock_monotonic_ms(), err);
    }
    job->state = status == PINPIPE_OK ? PP_S3_JOB_UNDER_WAY : job->state;
    return status;
}

/* ---- the list of jobs ---- */

static void job_link(pp_s3_job *job, pinpipe_s3 *s3) {
    job->before = NULL;
    job->after = s3->jobs;
    if (s3->jobs) {
        s3->jobs->before = job;
    }
    s3->jobs = job;
}

static void job_unlink(pp_s3_job *job, pinpipe_s3 *s3) {
    if (job->before) {
        job->before->after = job->after;
    } else if (s3->jobs == job) {
        s3->jobs = job->after;
    }
    if (job->after) {
        job->after->before = job->before;
    }
    job->after = job->before = NULL;
}

static void job_end(pp_s3_job *job, pinpipe_s3 *s3, pinpipe_status status) {
    if (status >= 0) {
        pp_retry_done(&s3->retry, &job->tries);
    }
    job_unlink(job, s3);
    job->state = PP_S3_JOB_ENDED;
    job->status = status;
    pp_s3_trailer_end(job, s3);
    if (status < 0 && job->call.out) {
        pp_buf_clear(job->call.out);
    }
}

pinpipe_status pp_s3_call_check(const pp_s3_call *call, int64_t timeout_ms, pinpipe_error *err) {
    if (timeout_ms < 0) {
        return pp_fail(err, PINPIPE_EINVAL, "timeout: %lld ms", (long long)timeout_ms);
    }
    pinpipe_status status = call->name.key.len ? pp_s3_key_check(call->name.key, err) : PINPIPE_OK;
    return status == PINPIPE_OK ? pp_s3_bucket_check(call->name.bucket, err) : status;
}

void pp_s3_job_start(pp_s3_job *job, pinpipe_s3 *s3, const pp_s3_call *call, int64_t timeout_ms) {
    assert(job->state == PP_S3_JOB_IDLE || job->state == PP_S3_JOB_ENDED);
    job->call = *call;
    job->number = 0;
    job->tries = (pp_retry_call){0};
    job->is_renewed = job->is_corrected = false;
    job->is_redirected = job->is_unanswered = false;
    job->error = (pinpipe_error)PINPIPE_ERROR_INIT;
    job->deadline_ms = pp_clock_monotonic_ms() + (timeout_ms > 0 ? timeout_ms : s3->timeout_ms);
    job->checksum[0] = '\0';
    job->told_of = PINPIPE_CHECKSUM_NONE;
    if (call->is_object && !pp_s3_trailer_is_due(s3, call)) {
        pp_s3_checksum_write(job->checksum, s3, call->body);
    }
    job_link(job, s3);
    pinpipe_status status = pp_s3_call_check(call, timeout_ms, &job->error);
    if (status == PINPIPE_OK) {
        status = attempt_start(job, s3, &job->error);
    }
    if (status < 0) {
        job_end(job, s3, status);
    }
}

/* ---- judging what came ---- */

static pinpipe_str region_told(const pp_s3_job *job, const pp_s3_refusal *refusal) {
    pinpipe_str text = pp_http_header(&job->wire.answer, "x-amz-bucket-region");
    return text.len ? text : pp_str(refusal->region);
}

/* A bucket that lives elsewhere costs one more request, once in the client's life. */
static bool is_elsewhere(pp_s3_job *job, pinpipe_s3 *s3, const pp_s3_refusal *refusal) {
    int32_t http_status = job->wire.answer.status;
    pinpipe_str region = region_told(job, refusal);
    bool may_be = http_status / 100 == 3 || http_status == 400 || http_status == 403;
    if (job->is_redirected || !may_be || !region.len || !job->call.name.bucket.len) {
        return false;
    }
    job->is_redirected = true;
    return pp_s3_place_learn(s3, job->call.name.bucket, region);
}

/* Every answer tells what time it is there. */
static void clock_learn(const pp_s3_job *job, pinpipe_s3 *s3) {
    int64_t now_ms = pp_clock_monotonic_ms();
    int64_t date_us = pp_http_date_us(pp_http_header(&job->wire.answer, "Date"));
    pp_skew_sample sample = {.date_s = date_us / 1000000,
                             .wall_ms = pp_clock_wall_ms(),
                             .monotonic_ms = now_ms,
                             .rtt_ms = now_ms - job->begun_ms,
                             .trusted = s3->is_https};
    pp_skew_learn(pp_provider_skew(s3->provider), &sample);
}

static pp_retry_failure failure_of(const pp_s3_job *job, const char *code, pinpipe_status status) {
    const pp_http_answer *answer = &job->wire.answer;
    pp_retry_failure failure = {pp_retry_kind_of_status(status), -1, -1};
    if (job->wire.status < 0) {
        return failure;
    }
    bool is_nameless = answer->status == 400 && strcmp(job->call.method, "HEAD") == 0; /* it has no code */
    if (failure.kind == PP_RETRY_NEVER) {
        failure.kind = pp_retry_kind_of(pp_str(code), answer->status);
    }
    bool passes = answer->status == PP_S3_CONFLICT && status == PINPIPE_ESERVICE;
    if (failure.kind == PP_RETRY_NEVER && (is_nameless || passes)) {
        failure.kind = PP_RETRY_TRANSIENT;
    }
    failure.hint_ms = pp_retry_hint_read(pp_http_header(answer, "x-amz-retry-after"));
    failure.retry_after_ms = pp_retry_after_read(pp_http_header(answer, "Retry-After"));
    return failure;
}

/* Another attempt at once: a new key, a corrected clock or another region answers what was refused. Each once
 * a call. */
static bool attempt_anew(pp_s3_job *job, pinpipe_s3 *s3, const pp_s3_refusal *refusal, pp_retry_kind kind) {
    bool is_skewed = kind == PP_RETRY_SKEWED || kind == PP_RETRY_SIGNATURE;
    if (is_elsewhere(job, s3, refusal)) {
        return true;
    }
    if (kind == PP_RETRY_EXPIRED && !job->is_renewed) {
        job->is_renewed = true;
        pp_provider_expire(s3->provider, job->key);
        return true;
    }
    if (is_skewed && !job->is_corrected &&
        pp_skew_explains(pp_provider_skew(s3->provider), job->applied_ms)) {
        job->is_corrected = true;
        return true;
    }
    return false;
}

/* The outcome of an answer; `refusal` has the service's words where it refuses. */
static pinpipe_status answer_judge(pp_s3_job *job, pp_s3_refusal *refusal, pinpipe_error *err) {
    const pp_http_answer *answer = &job->wire.answer;
    const pp_s3_call *call = &job->call;
    bool is_success = answer->status / 100 == 2;
    pinpipe_str document = is_success && call->out ? pp_buf_view(call->out) : pp_buf_view(&answer->refusal);
    bool is_told = pp_s3_refusal_read(refusal, document);
    if (is_success && !is_told) {
        return call->range ? pp_s3_range_end(job, err) : PINPIPE_OK;
    }
    return pp_s3_fail(err, call, answer, document);
}

/* Begins the pause before the next attempt; false where this was the last. */
static bool job_again(pp_s3_job *job, pinpipe_s3 *s3, const pp_s3_refusal *refusal, pinpipe_status status) {
    int64_t pause_ms = 0;
    pp_retry_failure failure = failure_of(job, refusal->code, status);
    bool is_anew = job->wire.status == PINPIPE_OK && attempt_anew(job, s3, refusal, failure.kind);
    if (!is_anew && !pp_retry_next(&pause_ms, &s3->retry, &job->tries, &failure, pp_retry_random())) {
        return false;
    }
    job->resume_ms = pp_clock_monotonic_ms() + pause_ms;
    if (job->resume_ms >= job->deadline_ms) {
        return false;
    }
    pp_log(PP_LOG_INFO, PP_S3_SERVICE, "attempt %d failed, next in %lld ms: %s", job->number,
           (long long)pause_ms, job->error.message);
    job->state = PP_S3_JOB_PAUSING;
    return true;
}

static void job_judge(pp_s3_job *job, pinpipe_s3 *s3) {
    pinpipe_status status = job->wire.status;
    pp_s3_refusal refusal = {{0}, {0}, {0}};
    job->error = (pinpipe_error)PINPIPE_ERROR_INIT;
    if (status < 0) {
        job->is_unanswered = job->is_unanswered || pinpipe_status_retriable(status);
        pp_s3_fail_call(&job->error, &job->call, &job->wire.error);
    } else {
        clock_learn(job, s3);
        status = answer_judge(job, &refusal, &job->error);
    }
    if (job->call.range && job->call.range->next - job->began >= PROGRESS_BYTES) {
        job->tries.failed = 0; /* a long read may be cut more often than a short one */
    }
    if (status >= 0 || !job_again(job, s3, &refusal, status)) {
        job_end(job, s3, status);
    }
}

static bool jobs_move(pinpipe_s3 *s3) {
    bool any_ended = false;
    for (pp_s3_job *job = s3->jobs, *after = NULL; job; job = after) {
        after = job->after;
        if (job->state == PP_S3_JOB_UNDER_WAY && !job->wire.under_way) {
            job_judge(job, s3);
        }
        if (job->state == PP_S3_JOB_PAUSING && pp_clock_monotonic_ms() >= job->resume_ms) {
            pinpipe_status status = attempt_start(job, s3, &job->error);
            if (status < 0) {
                job_end(job, s3, status);
            }
        }
        any_ended = any_ended || job->state == PP_S3_JOB_ENDED;
    }
    return any_ended;
}

pinpipe_status pp_s3_jobs_wait(pinpipe_s3 *s3, pinpipe_error *err) {
    while (!jobs_move(s3)) {
        int64_t until_ms = INT64_MAX;
        for (const pp_s3_job *job = s3->jobs; job; job = job->after) {
            int64_t at_ms = job->state == PP_S3_JOB_PAUSING ? job->resume_ms : job->deadline_ms + 1000;
            until_ms = at_ms < until_ms ? at_ms : until_ms;
        }
        if (until_ms == INT64_MAX) {
            return pp_fail(err, PINPIPE_EFATAL, "nothing is under way"); /* a caller's mistake, not a wait */
        }
        int64_t wait_ms = until_ms - pp_clock_monotonic_ms();
        pinpipe_status status = pp_flight_wait(s3->flight, wait_ms > 0 ? wait_ms : 0, err);
        if (status < 0) {
            return status;
        }
    }
    return PINPIPE_OK;
}

pinpipe_status pp_s3_job_wait(pp_s3_job *job, pinpipe_s3 *s3, pinpipe_error *err) {
    while (job->state == PP_S3_JOB_UNDER_WAY || job->state == PP_S3_JOB_PAUSING) {
        pinpipe_status status = pp_s3_jobs_wait(s3, err);
        if (status < 0) {
            pp_s3_job_stop(job, s3);
            return status;
        }
    }
    if (job->status < 0 && err && err->struct_size >= sizeof job->error) {
        *err = job->error;
    }
    return job->status;
}

void pp_s3_job_stop(pp_s3_job *job, pinpipe_s3 *s3) {
    if (job->state == PP_S3_JOB_UNDER_WAY || job->state == PP_S3_JOB_PAUSING) {
        pp_flight_stop(s3->flight, &job->wire);
        job_unlink(job, s3);
        job->state = PP_S3_JOB_IDLE;
    }
}

void pp_s3_job_reset(pp_s3_job *job, pinpipe_s3 *s3) {
    pp_s3_job_stop(job, s3);
    pp_s3_trailer_end(job, s3);
    pinpipe_credentials_free(job->key);
    job->key = NULL;
    pinpipe_buf_reset(&job->url);
    pp_http_answer_reset(&job->wire.answer);
    job->state = PP_S3_JOB_IDLE;
}

pinpipe_status pp_s3_send(pinpipe_s3 *s3, const pp_s3_call *call, int64_t timeout_ms, pinpipe_error *err) {
    pp_s3_job_start(&s3->job, s3, call, timeout_ms);
    return pp_s3_job_wait(&s3->job, s3, err);
}

#endif
