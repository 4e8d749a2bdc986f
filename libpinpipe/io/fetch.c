/* Turns a plan into a key: reads what is static, runs what is a process, asks who has to be asked.
 * Never caches a key and never looks for another one when the planned place fails.
 * Rules: docs/credentials.md, "The chain"; aws/chain.h makes the plan. */
#include "io/fetch.h"

#include <string.h>
#include <unistd.h>

#include "aws/credentials.h"
#include "aws/key_answer.h"
#include "base/buffer.h"
#include "base/log.h"
#include "io/clock.h"
#include "io/process.h"
#include "text/time_text.h"

#define SESSION_NAME_MAX 64

int64_t pp_fetch_wall_ms(const pp_fetch *fetch) {
    return fetch->tuning.wall_ms ? fetch->tuning.wall_ms(fetch->tuning.wall_user) : pp_clock_wall_ms();
}

int64_t pp_fetch_now_s(const pp_fetch *fetch) {
    return (pp_fetch_wall_ms(fetch) + pp_skew_offset_ms(fetch->skew)) / 1000;
}

bool pp_fetch_is_stopped(const pp_fetch *fetch) {
    return fetch->stop && atomic_load(fetch->stop);
}

bool pp_fetch_is_stable(const pp_fetch *fetch) {
    return fetch->plan.start == PP_START_IMDS && fetch->plan.role_count == 0;
}

void pp_fetch_reset(pp_fetch *fetch) {
#if PINPIPE_WITH_S3
    pp_http_free(fetch->http);
    pp_http_free(fetch->local);
    pp_buf_reset_secret(&fetch->answer.refusal);
    pp_http_answer_reset(&fetch->answer);
#endif
    fetch->http = fetch->local = NULL;
    pp_buf_reset_secret(&fetch->body);
    pp_buf_reset_secret(&fetch->imds_token);
    pinpipe_buf_reset(&fetch->session_name);
}

/* "pinpipe-<host>", of the characters that STS takes. */
pinpipe_status pp_fetch_name(pp_fetch *fetch, pinpipe_error *err) {
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0) {
        host[0] = '\0';
    }
    pinpipe_status status = pp_buf_printf(&fetch->session_name, err, "pinpipe-%s", host[0] ? host : "host");
    if (status == PINPIPE_OK && fetch->session_name.len > SESSION_NAME_MAX) {
        fetch->session_name.len = SESSION_NAME_MAX;
        fetch->session_name.ptr[SESSION_NAME_MAX] = '\0';
    }
    for (size_t i = 0; status == PINPIPE_OK && i < fetch->session_name.len; i++) {
        char byte = fetch->session_name.ptr[i];
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        if (!letter && !(byte >= '0' && byte <= '9') && byte != '.' && byte != '-' && byte != '_') {
            fetch->session_name.ptr[i] = '-';
        }
    }
    return status;
}

static pinpipe_status static_key(pinpipe_credentials **out, const pp_fetch *fetch, pinpipe_str text,
                                 pinpipe_error *err) {
    const pp_plan *plan = &fetch->plan;
    pinpipe_credentials_options parts = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    int64_t time_us = 0;
    parts.access_key_id = plan->key;
    parts.secret_access_key = plan->secret;
    parts.session_token = plan->token;
    parts.account_id = plan->account_id;
    if (plan->expiration.len) {
        if (!pp_time_parse(&time_us, plan->expiration) || time_us <= 0) {
            return pp_fail(err, PINPIPE_EAUTH, "AWS_CREDENTIAL_EXPIRATION '%.*s' is no time",
                           pp_quote_len(plan->expiration.len), plan->expiration.ptr);
        }
        parts.expires_s = time_us / 1000000;
    }
    pp_credentials_source source = {pp_plan_name(plan, 0), text};
    return pp_credentials_take(out, &parts, source, PINPIPE_EAUTH, err);
}

static pinpipe_status process_key(pinpipe_credentials **out, pp_fetch *fetch, pinpipe_str text,
                                  int64_t deadline_ms, pinpipe_error *err) {
    int64_t left_ms = deadline_ms - pp_clock_monotonic_ms();
    pp_process_options options = {.out_max = PP_KEY_ANSWER_MAX, .stop = fetch->stop};
    options.timeout_ms = left_ms < PP_FETCH_PROCESS_MS ? left_ms : PP_FETCH_PROCESS_MS;
    pp_credentials_source source = {pp_plan_name(&fetch->plan, 0), text};
    pinpipe_status status = pp_process_run(&fetch->body, fetch->plan.command, &options, err);
    if (status == PINPIPE_OK) {
        status = pp_key_answer_decode(out, pp_buf_view(&fetch->body), PP_ANSWER_PROCESS, source, err);
    }
    pp_buf_reset_secret(&fetch->body);
    return status;
}

static pinpipe_status start_key(pinpipe_credentials **out, pp_fetch *fetch, int64_t deadline_ms,
                                pinpipe_error *err) {
    pinpipe_buf text = PINPIPE_BUF_INIT;
    pinpipe_status status = pp_plan_text(&text, &fetch->plan, 0, err);
    pinpipe_str view = pp_buf_view(&text);
    if (status < 0) {
        return status;
    }
    switch (fetch->plan.start) {
    case PP_START_ENVIRONMENT:
    case PP_START_PROFILE:
        status = static_key(out, fetch, view, err);
        break;
    case PP_START_PROCESS:
        status = process_key(out, fetch, view, deadline_ms, err);
        break;
    case PP_START_WEB_IDENTITY:
        status = pp_fetch_role(out, fetch, NULL, 0, deadline_ms, err);
        break;
    case PP_START_SSO:
        status = pp_fetch_sso(out, fetch, deadline_ms, err);
        break;
    case PP_START_CONTAINER:
        status = pp_fetch_container(out, fetch, deadline_ms, err);
        break;
    case PP_START_IMDS:
        status = pp_fetch_imds(out, fetch, deadline_ms, err);
        break;
    case PP_START_NONE:
        status = pp_fail(err, PINPIPE_EAUTH, "no credentials");
        break;
    }
    pinpipe_buf_reset(&text);
    return status;
}

/* The instance is asked when nothing else is configured: then its silence means that there is no key. */
static pinpipe_status fetch_fail(const pp_fetch *fetch, const pinpipe_error *cause, pinpipe_error *err) {
    pinpipe_buf text = PINPIPE_BUF_INIT;
    if (pp_fetch_is_stable(fetch)) {
        bool silent = cause->status == PINPIPE_ENET || cause->status == PINPIPE_ETIMEOUT ||
                      cause->status == PINPIPE_EREFUSED;
        pinpipe_str profile = pp_buf_view(&fetch->settings->profile);
        return pp_fail_service(
            err, silent ? PINPIPE_EAUTH : cause->status, cause->service, cause->native_code,
            "no credentials: AWS_ACCESS_KEY_ID, a web identity and a container are not in the "
            "environment, profile '%.*s' has none, and %s: %.120s",
            pp_quote_len(profile.len), profile.ptr, silent ? "this is no instance" : "the instance has none",
            cause->message);
    }
    if (pp_plan_text(&text, &fetch->plan, fetch->plan.role_count, NULL) < 0) {
        pinpipe_buf_reset(&text);
    }
    pp_fail_service(err, cause->status, cause->service, cause->native_code, "credentials of %.160s: %s",
                    text.ptr ? text.ptr : "the chain", cause->message);
    pinpipe_buf_reset(&text);
    return cause->status;
}

pinpipe_status pp_fetch_key(pinpipe_credentials **out, pp_fetch *fetch, int64_t deadline_ms,
                            pinpipe_error *err) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    *out = NULL;
    pinpipe_status status = start_key(out, fetch, deadline_ms, &cause);
    int32_t first = fetch->plan.start == PP_START_WEB_IDENTITY ? 1 : 0;
    for (int32_t i = first; status == PINPIPE_OK && i < fetch->plan.role_count; i++) {
        pinpipe_credentials *with = *out;
        *out = NULL;
        status = pp_fetch_role(out, fetch, with, i, deadline_ms, &cause);
        pinpipe_credentials_free(with);
    }
    if (status < 0) {
        status = fetch_fail(fetch, &cause, err);
        pp_log(PP_LOG_INFO, "credentials", "%s", cause.message);
    } else {
        pinpipe_str text = pinpipe_credentials_text(*out);
        pp_log(PP_LOG_DEBUG, "credentials", "a key of %.*s", (int)text.len, text.ptr);
    }
    return status;
}

#if !PINPIPE_WITH_S3

static pinpipe_status part_missing(pinpipe_error *err) {
    return pp_fail(err, PINPIPE_ENOTSUP, "this build has no HTTP client (PINPIPE_WITH_S3=OFF)");
}

pinpipe_status pp_fetch_container(pinpipe_credentials **out, pp_fetch *fetch, int64_t deadline_ms,
                                  pinpipe_error *err) {
    (void)out, (void)fetch, (void)deadline_ms;
    return part_missing(err);
}

pinpipe_status pp_fetch_imds(pinpipe_credentials **out, pp_fetch *fetch, int64_t deadline_ms,
                             pinpipe_error *err) {
    (void)out, (void)fetch, (void)deadline_ms;
    return part_missing(err);
}

pinpipe_status pp_fetch_sso(pinpipe_credentials **out, pp_fetch *fetch, int64_t deadline_ms,
                            pinpipe_error *err) {
    (void)out, (void)fetch, (void)deadline_ms;
    return part_missing(err);
}

pinpipe_status pp_fetch_role(pinpipe_credentials **out, pp_fetch *fetch, const pinpipe_credentials *with,
                             int32_t index, int64_t deadline_ms, pinpipe_error *err) {
    (void)out, (void)fetch, (void)with, (void)index, (void)deadline_ms;
    return part_missing(err);
}

#endif
