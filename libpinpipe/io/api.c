/* Turns requests to one HTTP API into attempts over a flight, signed by a provider's key where it wants IAM.
 * Never shows the API key or a session token in an error, and wipes its copies.
 * Rules: API Gateway Developer Guide; docs/credentials.md, "Retries" and "Clock". */
#include "io/api.h"

#if PINPIPE_WITH_S3

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "aws/endpoint.h"
#include "aws/uri.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "io/answer.h"
#include "io/clock.h"
#include "io/env.h"
#include "text/json_string.h"

struct pp_api {
    pp_flight *flight;
    pp_retry retry;
    pinpipe_buf endpoint;
    size_t host_len; /* of the endpoint, up to the stage's '/' */
    pinpipe_buf api_key;
    const char *service;
    pinpipe_buf region;
    pinpipe_provider *provider; /* NULL = requests are not signed */
    pinpipe_signer *signer;
    bool is_https;
};

static pinpipe_status api_key_set(pp_api *api, pinpipe_str key, pinpipe_error *err) {
    if (key.len > PP_API_KEY_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "API key: %zu bytes are more than %d", key.len, PP_API_KEY_MAX);
    }
    for (size_t i = 0; i < key.len; i++) {
        if ((unsigned char)key.ptr[i] <= 0x20 || (unsigned char)key.ptr[i] >= 0x7f) {
            return pp_fail(err, PINPIPE_EINVAL, "API key: byte %zu is 0x%02x", i, (unsigned char)key.ptr[i]);
        }
    }
    return pp_buf_append(&api->api_key, key.ptr, key.len, err);
}

/* "<api>.execute-api.<region>.amazonaws.com" */
static pinpipe_str region_of_host(const pp_api *api) {
    static const char mark[] = ".execute-api.";
    const char *from = api->endpoint.ptr, *end = from + api->host_len;
    for (; from + sizeof mark - 1 < end; from++) {
        if (memcmp(from, mark, sizeof mark - 1) == 0) {
            const char *region = from + sizeof mark - 1;
            const char *dot = memchr(region, '.', (size_t)(end - region));
            return dot ? (pinpipe_str){region, (size_t)(dot - region)} : (pinpipe_str){"", 0};
        }
    }
    return (pinpipe_str){"", 0};
}

static pinpipe_status signing_set(pp_api *api, const pp_api_options *options, pinpipe_error *err) {
    pinpipe_provider_options own = PINPIPE_PROVIDER_OPTIONS_INIT;
    own.region = options->region;
    api->service = options->service;
    api->provider = pp_provider_retain(options->provider);
    pinpipe_status status = api->provider ? PINPIPE_OK : pinpipe_provider_new(&api->provider, &own, err);
    if (status == PINPIPE_OK) {
        status = pinpipe_signer_new(&api->signer, err);
    }
    if (status < 0) {
        return status;
    }
    pinpipe_str region = options->region.len ? options->region : region_of_host(api);
    region = region.len ? region : pinpipe_provider_region(api->provider);
    if (!region.len) {
        return pp_fail(
            err, PINPIPE_EINVAL,
            "no region to sign for: none was given, and neither host, environment nor profile has one");
    }
    status = pp_region_check(region, err);
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&api->region, region.ptr, region.len, err);
    }
    pinpipe_credentials *first = NULL;
    if (status == PINPIPE_OK) {
        status = pinpipe_provider_get(&first, api->provider, PP_API_KEY_WAIT_MS, err);
    }
    pinpipe_credentials_free(first);
    return status;
}

static pinpipe_status flight_set(pp_api *api, const pp_api_options *options, pinpipe_error *err) {
    pinpipe_buf ca_file = PINPIPE_BUF_INIT;
    pinpipe_status status = options->ca_file.len
                                ? pp_buf_append(&ca_file, options->ca_file.ptr, options->ca_file.len, err)
                                : pp_env_read(&ca_file, "AWS_CA_BUNDLE", err);
    pp_http_options http = {.ca_file = ca_file.ptr, .connect_timeout_ms = options->connect_timeout_ms};
    if (status == PINPIPE_OK) {
        status = pp_flight_new(&api->flight, &http, err);
    }
    pinpipe_buf_reset(&ca_file);
    return status;
}

pinpipe_status pp_api_new(pp_api **out, const pp_api_options *options, pinpipe_error *err) {
    *out = NULL;
    pp_api *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "an API's client", sizeof *made);
    }
    pp_retry_init(&made->retry, PP_RETRY_STANDARD, options->attempts_max);
    pinpipe_status status = pp_url_endpoint(&made->endpoint, &made->host_len, options->endpoint, err);
    made->is_https = status == PINPIPE_OK && strncmp(made->endpoint.ptr, "https:", 6) == 0;
    if (status == PINPIPE_OK) {
        status = api_key_set(made, options->api_key, err);
    }
    if (status == PINPIPE_OK && options->service) {
        status = signing_set(made, options, err);
    }
    if (status == PINPIPE_OK) {
        status = flight_set(made, options, err);
    }
    if (status == PINPIPE_OK) {
        *out = made;
        made = NULL;
    }
    pp_api_free(made);
    return status;
}

void pp_api_free(pp_api *api) {
    if (api) {
        pp_flight_free(api->flight);
        pinpipe_signer_free(api->signer);
        pinpipe_provider_free(api->provider);
        pp_buf_reset_secret(&api->api_key);
        pinpipe_buf_reset(&api->endpoint);
        pinpipe_buf_reset(&api->region);
        pp_free(api);
    }
}

pinpipe_str pp_api_endpoint(const pp_api *api) {
    return pp_buf_view(&api->endpoint);
}

pinpipe_str pp_api_stage(const pp_api *api) {
    return (pinpipe_str){api->endpoint.ptr + api->host_len, api->endpoint.len - api->host_len};
}

pinpipe_status pp_api_endpoint_check(const pp_api *api, const char *resource, pinpipe_error *err) {
    pinpipe_str endpoint = pp_api_endpoint(api), first = {resource, 1 + strcspn(resource + 1, "/")};
    if (pp_answer_has(pp_api_stage(api), first)) {
        return pp_fail(err, PINPIPE_EINVAL, "endpoint '%.*s': it ends with the stage; %s is added",
                       pp_quote_len(endpoint.len), endpoint.ptr, resource);
    }
    if (!api->is_https && pp_answer_has(endpoint, pp_str(".execute-api."))) {
        return pp_fail(err, PINPIPE_EINVAL, "endpoint '%.*s': API Gateway speaks https only",
                       pp_quote_len(endpoint.len), endpoint.ptr);
    }
    return PINPIPE_OK;
}

const char *pp_api_missing(const pp_api *api, int32_t http_status) {
    return http_status == 403 && pp_api_stage(api).len == 0
               ? "the URL has no stage: end it with the name of one, such as /test"
               : NULL;
}

/* ---- one attempt ---- */

static pinpipe_status key_take(pp_api_attempt *attempt, pp_api *api, pinpipe_error *err) {
    pinpipe_credentials_free(attempt->key);
    attempt->key = NULL;
    attempt->applied_ms = pp_skew_offset_ms(pp_provider_skew(api->provider));
    return pinpipe_provider_get(&attempt->key, api->provider, PP_API_KEY_WAIT_MS, err);
}

static pinpipe_status headers_sign(pp_api_attempt *attempt, pp_api *api, const pp_api_request *from,
                                   pinpipe_error *err) {
    pinpipe_sign_request request = PINPIPE_SIGN_REQUEST_INIT;
    pinpipe_sign_options options = PINPIPE_SIGN_OPTIONS_INIT;
    const pinpipe_signature *signature = NULL;
    request.method = pp_str(from->method);
    request.url = pp_buf_view(&attempt->url);
    request.body = from->body;
    request.headers = attempt->headers;
    request.header_count = (int64_t)attempt->wire.http.header_count;
    options.service = pp_str(api->service);
    options.region = pp_buf_view(&api->region);
    options.time_s = (pp_clock_wall_ms() + attempt->applied_ms) / 1000;
    pinpipe_status status =
        pinpipe_signer_sign(&signature, api->signer, &request, attempt->key, &options, err);
    size_t count = status == PINPIPE_OK ? (size_t)pinpipe_signature_header_count(signature) : 0;
    assert(count <= PP_API_HEADERS);
    for (size_t i = 0; i < count; i++) {
        attempt->headers[i] = pinpipe_signature_header_at(signature, (int64_t)i); /* copied when it is sent */
    }
    attempt->wire.http.header_count = count;
    return status;
}

static void headers_set(pp_api_attempt *attempt, const pp_api *api, const pp_api_request *request) {
    size_t count = 0;
    attempt->headers[count++] = (pinpipe_header){pp_str("Content-Type"), pp_str(request->content_type)};
    attempt->headers[count++] = (pinpipe_header){pp_str("Accept"), pp_str(request->accept)};
    if (request->target) {
        attempt->headers[count++] = (pinpipe_header){pp_str("X-Amz-Target"), pp_str(request->target)};
    }
    if (api->api_key.len) {
        attempt->headers[count++] = (pinpipe_header){pp_str("x-api-key"), pp_buf_view(&api->api_key)};
    }
    attempt->wire.http.headers = attempt->headers;
    attempt->wire.http.header_count = count;
}

pinpipe_status pp_api_start(pp_api_attempt *attempt, pp_api *api, const pp_api_request *request,
                            pinpipe_error *err) {
    pp_http_request *http = &attempt->wire.http;
    pinpipe_status status = api->provider ? key_take(attempt, api, err) : PINPIPE_OK;
    pp_buf_clear(&attempt->url);
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&attempt->url, api->endpoint.ptr, api->endpoint.len, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&attempt->url, request->path.ptr, request->path.len, err);
    }
    if (status < 0) {
        return status;
    }
    *http = (pp_http_request){.method = request->method,
                              .url = attempt->url.ptr,
                              .body = request->body,
                              .out = request->out,
                              .out_max = request->out_max,
                              .buffer_bytes = request->buffer_bytes,
                              .answering = request->answering};
    headers_set(attempt, api, request);
    status = api->provider ? headers_sign(attempt, api, request, err) : PINPIPE_OK;
    attempt->begun_ms = pp_clock_monotonic_ms();
    return status == PINPIPE_OK ? pp_flight_start(api->flight, &attempt->wire, request->timeout_ms, err)
                                : status;
}

pinpipe_status pp_api_wait(pp_api *api, int64_t wait_ms, pinpipe_error *err) {
    return pp_flight_wait(api->flight, wait_ms, err);
}

pinpipe_status pp_api_wait_with(pp_api *api, pp_flight_others *others, int64_t wait_ms, pinpipe_error *err) {
    return pp_flight_wait_with(api->flight, others, wait_ms, err);
}

/* ---- after it ---- */

/* Every answer tells what time it is there. */
static void clock_learn(const pp_api *api, const pp_api_attempt *attempt) {
    int64_t now_ms = pp_clock_monotonic_ms();
    pp_skew_sample sample = {.date_s =
                                 pp_http_date_us(pp_http_header(&attempt->wire.answer, "Date")) / 1000000,
                             .wall_ms = pp_clock_wall_ms(),
                             .monotonic_ms = now_ms,
                             .rtt_ms = now_ms - attempt->begun_ms,
                             .trusted = api->is_https};
    pp_skew_learn(pp_provider_skew(api->provider), &sample);
}

/* A refusal that a new key or the right time would mend: once each. */
static bool is_mended(pp_api *api, pp_api_attempt *attempt, pp_retry_kind kind) {
    if (!api->provider || attempt->wire.status < 0) {
        return false;
    }
    clock_learn(api, attempt);
    if (kind == PP_RETRY_EXPIRED && !attempt->is_renewed) {
        attempt->is_renewed = true;
        pp_provider_expire(api->provider, attempt->key);
        return true;
    }
    if ((kind == PP_RETRY_SKEWED || kind == PP_RETRY_SIGNATURE) && !attempt->is_corrected &&
        pp_skew_explains(pp_provider_skew(api->provider), attempt->applied_ms)) {
        attempt->is_corrected = true;
        return true;
    }
    return false;
}

bool pp_api_again(int64_t *pause_ms, pp_api *api, pp_api_attempt *attempt, pp_retry_kind kind) {
    const pp_http_answer *answer = &attempt->wire.answer;
    bool is_answered = attempt->wire.status == PINPIPE_OK;
    pp_retry_failure failure = {
        kind,
        is_answered ? pp_retry_hint_read(pp_http_header(answer, "x-amz-retry-after")) : -1,
        is_answered ? pp_retry_after_read(pp_http_header(answer, "Retry-After")) : -1,
    };
    *pause_ms = 0;
    return is_mended(api, attempt, kind) ||
           pp_retry_next(pause_ms, &api->retry, &attempt->tries, &failure, pp_retry_random());
}

void pp_api_done(pp_api *api, pp_api_attempt *attempt) {
    if (api->provider && attempt->wire.status == PINPIPE_OK) {
        clock_learn(api, attempt);
    }
    pp_retry_done(&api->retry, &attempt->tries);
}

void pp_api_attempt_clear(pp_api_attempt *attempt) {
    attempt->tries = (pp_retry_call){0};
    attempt->is_renewed = attempt->is_corrected = false;
}

bool pp_api_is_secret(const pp_api *api, const pp_api_attempt *attempt, pinpipe_str text) {
    pinpipe_str token = attempt->key ? pinpipe_credentials_token(attempt->key) : (pinpipe_str){"", 0};
    return (api->api_key.len && pp_answer_has(text, pp_buf_view(&api->api_key))) ||
           (token.len && pp_answer_has(text, token));
}

void pp_api_words(char out[PP_API_WORDS], const pp_api *api, const pp_api_attempt *attempt,
                  pinpipe_str inside) {
    char plain[8 * PP_QUOTE_MAX];
    size_t len = inside.len < sizeof plain ? inside.len : sizeof plain, plain_len = 0;
    out[0] = '\0';
    if (!inside.len || pp_api_is_secret(api, attempt, inside)) {
        return;
    }
    /* An escape that the cut went through ends the text before it. */
    pp_json_unescape(plain, &plain_len, inside.ptr, len);
    snprintf(out, PP_API_WORDS, "'%.*s': ", pp_quote_len(plain_len), plain);
}

void pp_api_stop(pp_api *api, pp_api_attempt *attempt) {
    pp_flight_stop(api->flight, &attempt->wire);
}

void pp_api_attempt_reset(pp_api *api, pp_api_attempt *attempt) {
    pp_api_stop(api, attempt);
    pinpipe_credentials_free(attempt->key);
    attempt->key = NULL;
    pinpipe_buf_reset(&attempt->url);
    pp_buf_reset_secret(&attempt->wire.answer.refusal); /* a refusal may repeat what was sent */
    pp_http_answer_reset(&attempt->wire.answer);
}

#endif
