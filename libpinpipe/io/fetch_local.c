/* Turns the services beside this machine (the container's, the instance's) into a key.
 * Never follows a redirect, never asks by a proxy, and never opens a socket to an address that is not theirs.
 * Rules: docs/credentials.md, "Link-local safety"; AWS SDKs and Tools Reference Guide, "Container credential
 * provider" and "IMDS credential provider". */
#include "io/fetch.h"

#if PINPIPE_WITH_S3

#include <string.h>

#include "aws/key_answer.h"
#include "aws/uri.h"
#include "base/buffer.h"
#include "io/clock.h"
#include "io/file.h"

#define CONTAINER_BASE "http://169.254.170.2"
#define CONTAINER_ATTEMPTS 3
#define CONTAINER_PAUSE_MS 1000
#define IMDS_BASE "http://169.254.169.254"
#define IMDS_BASE_V6 "http://[fd00:ec2::254]"
#define IMDS_ROLES "/latest/meta-data/iam/security-credentials/"
#define IMDS_TOKEN_S "21600"
#define IMDS_TOKEN_KEPT_MS (INT64_C(21595) * 1000)
#define ROLE_NAME_MAX 128

pinpipe_status pp_fetch_send(pp_fetch *fetch, pp_http **client, const pp_http_options *options,
                             const pp_http_request *request, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    if (pp_fetch_is_stopped(fetch)) {
        return pp_fail(err, PINPIPE_EAUTH, "the provider is being freed");
    }
    if (!*client) {
        pp_http_options own = *options;
        own.stop = fetch->stop;
        status = pp_http_new(client, &own, err);
    }
    if (status == PINPIPE_OK) {
        /* At its full size, so that it never moves: a key will be in it. */
        status = pp_buf_reserve(&fetch->body, PP_FETCH_BODY_MAX - fetch->body.len, PP_FETCH_BODY_MAX, err);
    }
    int64_t begun_ms = pp_clock_monotonic_ms();
    if (status == PINPIPE_OK) {
        status = pp_http_send(&fetch->answer, *client, request, timeout_ms, err);
    }
    if (status == PINPIPE_OK) {
        int64_t date_us = pp_http_date_us(pp_http_header(&fetch->answer, "Date"));
        pp_skew_sample sample = {.date_s = date_us / 1000000,
                                 .wall_ms = pp_fetch_wall_ms(fetch),
                                 .monotonic_ms = pp_clock_monotonic_ms(),
                                 .rtt_ms = pp_clock_monotonic_ms() - begun_ms,
                                 .trusted = strncmp(request->url, "https:", 6) == 0};
        pp_skew_learn(fetch->skew, &sample);
    }
    return status;
}

static int64_t time_left(int64_t deadline_ms, int64_t most_ms) {
    int64_t left_ms = deadline_ms - pp_clock_monotonic_ms();
    return left_ms < most_ms ? left_ms : most_ms;
}

/* What goes into a header line has no control character: a line break would begin another header. */
static pinpipe_status header_check(const char *what, pinpipe_str value, pinpipe_error *err) {
    for (size_t i = 0; i < value.len; i++) {
        unsigned char byte = (unsigned char)value.ptr[i];
        if (byte < 0x20 || byte == 0x7f) {
            return pp_fail(err, PINPIPE_EAUTH, "%s: byte %zu is 0x%02x, a control character", what, i, byte);
        }
    }
    return PINPIPE_OK;
}

static pinpipe_status answer_fail(const pp_fetch *fetch, const char *what, pinpipe_error *err) {
    char words[PP_ANSWER_WORDS_BYTES] = "";
    int32_t code = fetch->answer.status;
    pinpipe_status status = code >= 500 ? PINPIPE_ESERVICE : code == 429 ? PINPIPE_ETHROTTLED : PINPIPE_EAUTH;
    pp_key_answer_words(words, pp_buf_view(&fetch->answer.refusal));
    return pp_fail_service(err, status, "http", code, "%s answers HTTP %d%s%s", what, code,
                           words[0] ? ": " : "", words);
}

/* ---- container ---- */

typedef struct container_call {
    pinpipe_buf url, token;
    pp_guard guard;
} container_call;

static pinpipe_str variable(const pp_fetch *fetch, pp_environment_id id) {
    return pp_environment_get(&fetch->settings->environment, id);
}

static pinpipe_status container_url(container_call *call, const pp_fetch *fetch, pinpipe_error *err) {
    pinpipe_str relative = variable(fetch, PP_ENV_CONTAINER_RELATIVE_URI);
    pinpipe_str full = variable(fetch, PP_ENV_CONTAINER_FULL_URI);
    const char *base = fetch->tuning.container_base ? fetch->tuning.container_base : CONTAINER_BASE;
    if (!relative.len) {
        pinpipe_status status = pp_container_url_check(&call->guard, full, err);
        return status == PINPIPE_OK ? pp_buf_append(&call->url, full.ptr, full.len, err) : status;
    }
    call->guard = PP_GUARD_CONTAINER;
    if (relative.ptr[0] != '/') {
        return pp_fail(err, PINPIPE_EAUTH, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with '/'");
    }
    return pp_buf_printf(&call->url, err, "%s%.*s", base, (int)relative.len, relative.ptr);
}

static pinpipe_status container_token(container_call *call, const pp_fetch *fetch, pinpipe_error *err) {
    pinpipe_str path = variable(fetch, PP_ENV_CONTAINER_TOKEN_FILE);
    pinpipe_str token = variable(fetch, PP_ENV_CONTAINER_TOKEN);
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    if (!path.len) {
        pinpipe_status status = pp_buf_append(&call->token, token.ptr, token.len, err);
        return status == PINPIPE_OK ? header_check("AWS_CONTAINER_AUTHORIZATION_TOKEN", token, err) : status;
    }
    if (pp_file_read(&call->token, path.ptr, PP_FETCH_TOKEN_FILE_MAX, NULL, &cause) < 0) {
        return pp_fail(err, PINPIPE_EAUTH, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: %s", cause.message);
    }
    return header_check("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", pp_buf_view(&call->token), err);
}

static pinpipe_status container_ask(pp_fetch *fetch, const container_call *call, int64_t deadline_ms,
                                    pinpipe_error *err) {
    pinpipe_header headers[] = {{{"Accept", 6}, {"application/json", 16}},
                                {{"Authorization", 13}, pp_buf_view(&call->token)}};
    pp_http_options options = {.connect_timeout_ms = PP_FETCH_CONTAINER_MS, .guard = call->guard};
    pp_http_request request = {.method = "GET",
                               .url = call->url.ptr,
                               .headers = headers,
                               .header_count = call->token.len ? 2 : 1,
                               .out = &fetch->body,
                               .out_max = PP_FETCH_CONTAINER_MAX};
    pinpipe_status status = pp_fetch_send(fetch, &fetch->local, &options, &request,
                                          time_left(deadline_ms, PP_FETCH_CONTAINER_MS), err);
    if (status == PINPIPE_OK && fetch->answer.status != 200) {
        status = answer_fail(fetch, "the container's service", err);
    }
    return status;
}

pinpipe_status pp_fetch_container(pinpipe_credentials **out, pp_fetch *fetch, int64_t deadline_ms,
                                  pinpipe_error *err) {
    container_call call = {0};
    pinpipe_status status = container_url(&call, fetch, err);
    for (int attempt = 1; status == PINPIPE_OK; attempt++) {
        pp_buf_reset_secret(&call.token);
        status = container_token(&call, fetch, err); /* again: it may have been replaced */
        if (status < 0) {
            break;
        }
        status = container_ask(fetch, &call, deadline_ms, err);
        bool again = status < 0 && pinpipe_status_retriable(status) && attempt < CONTAINER_ATTEMPTS &&
                     !pp_fetch_is_stopped(fetch) &&
                     pp_clock_monotonic_ms() + CONTAINER_PAUSE_MS < deadline_ms;
        if (!again) {
            break;
        }
        pp_clock_sleep_ms(CONTAINER_PAUSE_MS);
        status = PINPIPE_OK;
    }
    if (status == PINPIPE_OK) {
        pp_credentials_source source = {pp_plan_name(&fetch->plan, 0), {NULL, 0}};
        status = pp_key_answer_decode(out, pp_buf_view(&fetch->body), PP_ANSWER_CONTAINER, source, err);
    }
    pp_buf_reset_secret(&fetch->body);
    pp_buf_reset_secret(&call.token);
    pp_buf_reset_secret(&call.url);
    return status;
}

/* ---- instance ---- */

typedef struct imds_call {
    pinpipe_buf base, url;
    char literal[PP_GUARD_LITERAL_BYTES];
    bool v1_allowed, v1; /* the instance has no token to give, and may be asked without */
} imds_call;

static pinpipe_str setting(const pp_fetch *fetch, pp_environment_id id, const char *key) {
    pinpipe_str value = variable(fetch, id);
    return value.len ? value : pp_settings_profile_get(fetch->settings, key);
}

static pinpipe_status imds_begin(imds_call *call, const pp_fetch *fetch, pinpipe_error *err) {
    pinpipe_str endpoint = setting(fetch, PP_ENV_IMDS_ENDPOINT, "ec2_metadata_service_endpoint");
    pinpipe_str mode = setting(fetch, PP_ENV_IMDS_ENDPOINT_MODE, "ec2_metadata_service_endpoint_mode");
    bool v6 = mode.len == 4 && (mode.ptr[0] == 'I' || mode.ptr[0] == 'i') && mode.ptr[3] == '6';
    bool v4 = mode.len == 4 && (mode.ptr[0] == 'I' || mode.ptr[0] == 'i') && mode.ptr[3] == '4';
    call->v1_allowed =
        !pp_settings_bool(setting(fetch, PP_ENV_IMDS_V1_DISABLED, "ec2_metadata_v1_disabled"), true);
    if (mode.len && !v6 && !v4) {
        return pp_fail(err, PINPIPE_EAUTH,
                       "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE '%.*s': it is IPv4 or IPv6",
                       pp_quote_len(mode.len), mode.ptr);
    }
    if (!endpoint.len) {
        return pp_buf_append_text(&call->base, v6 ? IMDS_BASE_V6 : IMDS_BASE, err);
    }
    pinpipe_status status = pp_imds_url_check(call->literal, endpoint, err);
    while (endpoint.len && endpoint.ptr[endpoint.len - 1] == '/') {
        endpoint.len--;
    }
    return status == PINPIPE_OK ? pp_buf_append(&call->base, endpoint.ptr, endpoint.len, err) : status;
}

static pinpipe_status imds_send(pp_fetch *fetch, imds_call *call, const char *path, pp_http_request *request,
                                int64_t deadline_ms, pinpipe_error *err) {
    pp_http_options options = {
        .connect_timeout_ms = PP_FETCH_IMDS_MS, .guard = PP_GUARD_IMDS, .literal = call->literal};
    pp_buf_clear(&call->url);
    pinpipe_status status = pp_buf_printf(&call->url, err, "%s%s", call->base.ptr, path);
    request->url = call->url.ptr;
    request->out = &fetch->body;
    request->out_max = PP_FETCH_BODY_MAX;
    return status == PINPIPE_OK ? pp_fetch_send(fetch, &fetch->local, &options, request,
                                                time_left(deadline_ms, PP_FETCH_IMDS_MS), err)
                                : status;
}

static pinpipe_status imds_token(pp_fetch *fetch, imds_call *call, int64_t deadline_ms, pinpipe_error *err) {
    static const pinpipe_header headers[] = {
        {{"x-aws-ec2-metadata-token-ttl-seconds", 36}, {IMDS_TOKEN_S, sizeof IMDS_TOKEN_S - 1}}};
    pp_http_request request = {.method = "PUT", .headers = headers, .header_count = 1};
    int64_t now_ms = pp_clock_monotonic_ms();
    if (call->v1 || (fetch->imds_token.len && now_ms < fetch->imds_token_until_ms)) {
        return PINPIPE_OK;
    }
    pp_buf_reset_secret(&fetch->imds_token);
    pinpipe_status status = imds_send(fetch, call, "/latest/api/token", &request, deadline_ms, err);
    int32_t code = status == PINPIPE_OK ? fetch->answer.status : 0;
    bool old = status == PINPIPE_ETIMEOUT || code == 403 || code == 404 || code == 405;
    if (old && call->v1_allowed) {
        call->v1 = true;
        return PINPIPE_OK;
    }
    if (status == PINPIPE_OK && code != 200) {
        return answer_fail(fetch, "the instance's service, asked for a token,", err);
    }
    if (status == PINPIPE_OK) {
        status = header_check("the instance's token", pp_buf_view(&fetch->body), err);
    }
    if (status == PINPIPE_OK && !fetch->body.len) {
        status = pp_fail(err, PINPIPE_EDATA, "the instance's token is empty");
    }
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&fetch->imds_token, fetch->body.ptr, fetch->body.len, err);
        fetch->imds_token_until_ms = now_ms + IMDS_TOKEN_KEPT_MS;
    }
    return status;
}

/* One GET; a token that is not taken any more is fetched again once. */
static pinpipe_status imds_get(pp_fetch *fetch, imds_call *call, const char *path, int64_t deadline_ms,
                               pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    for (int attempt = 0; attempt < 2; attempt++) {
        status = imds_token(fetch, call, deadline_ms, err);
        if (status < 0) {
            return status;
        }
        pinpipe_header header = {{"x-aws-ec2-metadata-token", 24}, pp_buf_view(&fetch->imds_token)};
        pp_http_request request = {
            .method = "GET", .headers = &header, .header_count = header.value.len ? 1 : 0};
        status = imds_send(fetch, call, path, &request, deadline_ms, err);
        if (status < 0 || fetch->answer.status != 401) {
            break;
        }
        pp_buf_reset_secret(&fetch->imds_token);
    }
    if (status == PINPIPE_OK && fetch->answer.status == 404) {
        return pp_fail_service(err, PINPIPE_EAUTH, "http", 404, "the instance has no role");
    }
    return status == PINPIPE_OK && fetch->answer.status != 200
               ? answer_fail(fetch, "the instance's service", err)
               : status;
}

/* The first line of the list; it goes into a URL. */
static pinpipe_status role_name_take(pinpipe_buf *path, const pinpipe_buf *body, pinpipe_error *err) {
    size_t len = strcspn(body->len ? body->ptr : "", "\r\n");
    bool valid = len > 0 && len <= ROLE_NAME_MAX;
    for (size_t i = 0; valid && i < len; i++) {
        char byte = body->ptr[i];
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        valid = letter || (byte >= '0' && byte <= '9') || strchr("+=,.@_-", byte);
    }
    if (!valid) {
        return pp_fail(err, PINPIPE_EDATA, "the instance's list of roles does not begin with a role's name");
    }
    return pp_buf_printf(path, err, IMDS_ROLES "%.*s", (int)len, body->ptr);
}

pinpipe_status pp_fetch_imds(pinpipe_credentials **out, pp_fetch *fetch, int64_t deadline_ms,
                             pinpipe_error *err) {
    imds_call call = {0};
    pinpipe_buf path = PINPIPE_BUF_INIT;
    pinpipe_status status = imds_begin(&call, fetch, err);
    if (status == PINPIPE_OK) {
        status = imds_get(fetch, &call, IMDS_ROLES, deadline_ms, err);
    }
    if (status == PINPIPE_OK) {
        status = role_name_take(&path, &fetch->body, err);
    }
    if (status == PINPIPE_OK) {
        status = imds_get(fetch, &call, path.ptr, deadline_ms, err);
    }
    if (status == PINPIPE_OK) {
        pp_credentials_source source = {pp_plan_name(&fetch->plan, 0), pp_str("instance (IMDS)")};
        status = pp_key_answer_decode(out, pp_buf_view(&fetch->body), PP_ANSWER_IMDS, source, err);
    }
    pp_buf_reset_secret(&fetch->body);
    pinpipe_buf_reset(&path);
    pinpipe_buf_reset(&call.base);
    pinpipe_buf_reset(&call.url);
    return status;
}

#endif
