/* Turns a role and a key, or a role and a web identity, into a key by STS; an SSO session into one by its
 * portal. Never writes to the SSO cache, and never keeps a token beyond the request it was read for. Rules:
 * docs/credentials.md, "Roles" and "SSO"; AWS STS API Reference; AWS IAM Identity Center Portal API. */
#include "io/fetch.h"

#if PINPIPE_WITH_S3

#include <string.h>

#include <openssl/evp.h>

#include "aws/endpoint.h"
#include "aws/key_answer.h"
#include "aws/sts.h"
#include "aws/uri.h"
#include "base/buffer.h"
#include "base/digest.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/retry.h"
#include "io/settings.h"
#include "pinpipe/sign.h"

#define CONNECT_MS 3100
#define REQUEST_MS 10000
#define GLOBAL_REGION "us-east-1"
#define GLOBAL_STS "https://sts.amazonaws.com"
#define SHA1_BYTES 20
#define HEADERS_MAX 8

/* One call of STS. */
typedef struct sts_call {
    pinpipe_buf url, form, token, region;
    const pp_role *role;
    const pinpipe_credentials *with; /* NULL: web identity */
    int64_t applied_ms;              /* what the last request's time was corrected by */
    bool corrected;
} sts_call;

static pinpipe_status sts_place(sts_call *call, const pp_fetch *fetch, pinpipe_error *err) {
    pinpipe_str own = pp_settings_endpoint(fetch->settings, pp_str("sts"));
    pinpipe_str region = pp_settings_region(fetch->settings);
    pp_endpoint_query query = {pp_str("sts"), region, pp_settings_variants(fetch->settings)};
    pinpipe_status status = region.len ? pp_buf_append(&call->region, region.ptr, region.len, err)
                                       : pp_buf_append_text(&call->region, GLOBAL_REGION, err);
    if (status < 0) {
        return status;
    }
    if (!own.len && region.len) {
        status = pp_endpoint_compute(&call->url, &query, err);
        return status == PINPIPE_OK ? pp_buf_append_text(&call->url, "/", err) : status;
    }
    own = own.len ? own : pp_str(GLOBAL_STS);
    while (own.ptr[own.len - 1] == '/') {
        own.len--;
    }
    return pp_buf_printf(&call->url, err, "%.*s/", (int)own.len, own.ptr);
}

/* A pod's token is replaced under its name: it is read for each attempt. */
static pinpipe_status form_make(sts_call *call, const pp_fetch *fetch, pinpipe_error *err) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pp_buf_reset_secret(&call->token);
    pp_buf_reset_secret(&call->form);
    if (!call->with) {
        pinpipe_buf path = PINPIPE_BUF_INIT;
        pinpipe_str name = fetch->plan.token_file;
        pinpipe_status status = pp_buf_append(&path, name.ptr, name.len, err);
        if (status == PINPIPE_OK &&
            pp_file_read(&call->token, path.ptr, PP_FETCH_TOKEN_FILE_MAX, NULL, &cause) < 0) {
            status = pp_fail(err, PINPIPE_EAUTH, "the web identity's token: %s", cause.message);
        }
        pinpipe_buf_reset(&path);
        if (status < 0) {
            return status;
        }
        while (call->token.len && (unsigned char)call->token.ptr[call->token.len - 1] <= ' ') {
            call->token.len--;
        }
        if (!call->token.len) {
            return pp_fail(err, PINPIPE_EAUTH, "the web identity's token file '%.*s' is empty",
                           pp_quote_len(name.len), name.ptr);
        }
    }
    pinpipe_str session =
        call->role->session_name.len ? call->role->session_name : pp_buf_view(&fetch->session_name);
    return pp_sts_form(&call->form, call->role, session, pp_buf_view(&call->token), err);
}

static pp_http_options http_options(const pp_fetch *fetch) {
    pinpipe_str bundle = pp_environment_get(&fetch->settings->environment, PP_ENV_CA_BUNDLE);
    return (pp_http_options){.ca_file = bundle.ptr, .connect_timeout_ms = CONNECT_MS};
}

static int64_t time_left(int64_t deadline_ms) {
    int64_t left_ms = deadline_ms - pp_clock_monotonic_ms();
    return left_ms < REQUEST_MS ? left_ms : REQUEST_MS;
}

static pinpipe_status sts_send(pp_fetch *fetch, sts_call *call, const pinpipe_header *headers, size_t count,
                               int64_t deadline_ms, pinpipe_error *err) {
    pp_http_options options = http_options(fetch);
    pp_http_request request = {.method = "POST",
                               .url = call->url.ptr,
                               .headers = headers,
                               .header_count = count,
                               .body = pp_buf_view(&call->form),
                               .out = &fetch->body,
                               .out_max = PP_FETCH_BODY_MAX};
    return pp_fetch_send(fetch, &fetch->http, &options, &request, time_left(deadline_ms), err);
}

static pinpipe_status sts_ask(pp_fetch *fetch, sts_call *call, int64_t deadline_ms, pinpipe_error *err) {
    static const pinpipe_header type = {{"content-type", 12}, {"application/x-www-form-urlencoded", 33}};
    pinpipe_header headers[HEADERS_MAX] = {type};
    pinpipe_signature *signature = NULL;
    size_t count = 1;
    pinpipe_status status = form_make(call, fetch, err);
    call->applied_ms = pp_skew_offset_ms(fetch->skew);
    if (status == PINPIPE_OK && call->with) {
        pinpipe_sign_request request = PINPIPE_SIGN_REQUEST_INIT;
        pinpipe_sign_options options = PINPIPE_SIGN_OPTIONS_INIT;
        request.method = pp_str("POST");
        request.url = pp_buf_view(&call->url);
        request.body = pp_buf_view(&call->form);
        request.headers = &type;
        request.header_count = 1;
        options.service = pp_str("sts");
        options.region = pp_buf_view(&call->region);
        options.time_s = pp_fetch_now_s(fetch);
        status = pinpipe_request_sign(&signature, &request, call->with, &options, err);
        count = status == PINPIPE_OK ? (size_t)pinpipe_signature_header_count(signature) : 0;
        count = count < HEADERS_MAX ? count : HEADERS_MAX;
        for (size_t i = 0; i < count; i++) {
            headers[i] = pinpipe_signature_header_at(signature, (int64_t)i);
        }
    }
    if (status == PINPIPE_OK) {
        status = sts_send(fetch, call, headers, count, deadline_ms, err);
    }
    pinpipe_signature_free(signature);
    return status;
}

/* What became of an attempt: the failure as an error, and whether another one may help. */
static pinpipe_status sts_judge(pp_retry_failure *out, pp_fetch *fetch, sts_call *call, pinpipe_status status,
                                pinpipe_error *err) {
    *out = (pp_retry_failure){pp_retry_kind_of_status(status), -1, -1};
    if (status < 0 || fetch->answer.status / 100 == 2) {
        return status;
    }
    pp_sts_refusal refusal;
    pp_sts_refusal_read(&refusal, pp_buf_view(&fetch->answer.refusal));
    out->kind = pp_retry_kind_of(pp_str(refusal.code), fetch->answer.status);
    out->hint_ms = pp_retry_hint_read(pp_http_header(&fetch->answer, "x-amz-retry-after"));
    out->retry_after_ms = pp_retry_after_read(pp_http_header(&fetch->answer, "Retry-After"));
    bool fresh_token = out->kind == PP_RETRY_EXPIRED || strcmp(refusal.code, "InvalidIdentityToken") == 0;
    if (!call->with && fresh_token) {
        out->kind = PP_RETRY_TRANSIENT; /* the file may have a new one by now */
    }
    bool transient = out->kind == PP_RETRY_TRANSIENT && fetch->answer.status >= 500;
    pinpipe_status failed = out->kind == PP_RETRY_THROTTLED ? PINPIPE_ETHROTTLED
                            : transient                     ? PINPIPE_ESERVICE
                                                            : PINPIPE_EAUTH;
    return pp_fail_service(err, failed, "sts", fetch->answer.status, "STS refuses: %s%s%s (HTTP %d)",
                           refusal.code[0] ? refusal.code : "no reason given", refusal.message[0] ? ": " : "",
                           refusal.message, fetch->answer.status);
}

static pinpipe_status sts_call_send(pp_fetch *fetch, sts_call *call, int64_t deadline_ms,
                                    pinpipe_error *err) {
    pp_retry retry;
    pp_retry_call tries = {0};
    pp_retry_failure failure;
    int64_t pause_ms = 0;
    pp_retry_init(&retry, PP_RETRY_STANDARD, PP_RETRY_ATTEMPTS);
    for (;;) {
        pinpipe_status status = sts_ask(fetch, call, deadline_ms, err);
        status = sts_judge(&failure, fetch, call, status, err);
        if (status == PINPIPE_OK) {
            return status;
        }
        bool skewed = failure.kind == PP_RETRY_SKEWED || failure.kind == PP_RETRY_SIGNATURE;
        if (skewed && !call->corrected && pp_skew_explains(fetch->skew, call->applied_ms)) {
            call->corrected = true;
            continue;
        }
        if (!pp_retry_next(&pause_ms, &retry, &tries, &failure, pp_retry_random()) ||
            pp_clock_monotonic_ms() + pause_ms >= deadline_ms || pp_fetch_is_stopped(fetch)) {
            return status;
        }
        pp_clock_sleep_ms(pause_ms);
    }
}

pinpipe_status pp_fetch_role(pinpipe_credentials **out, pp_fetch *fetch, const pinpipe_credentials *with,
                             int32_t index, int64_t deadline_ms, pinpipe_error *err) {
    sts_call call = {.role = &fetch->plan.roles[index], .with = with};
    pinpipe_buf text = PINPIPE_BUF_INIT;
    pinpipe_status status = sts_place(&call, fetch, err);
    if (status == PINPIPE_OK) {
        status = pp_plan_text(&text, &fetch->plan, index + 1, err);
    }
    if (status == PINPIPE_OK) {
        status = sts_call_send(fetch, &call, deadline_ms, err);
    }
    if (status == PINPIPE_OK) {
        pp_credentials_source source = {pp_plan_name(&fetch->plan, index + 1), pp_buf_view(&text)};
        status = pp_sts_answer_decode(out, pp_buf_view(&fetch->body), source, err);
    }
    pp_buf_reset_secret(&fetch->body);
    pp_buf_reset_secret(&call.token);
    pp_buf_reset_secret(&call.form);
    pinpipe_buf_reset(&call.url);
    pinpipe_buf_reset(&call.region);
    pinpipe_buf_reset(&text);
    return status;
}

/* ---- SSO ---- */

/* <home>/.aws/sso/cache/<sha1 of the session's name, or of the start URL>.json */
static pinpipe_status cache_path(pinpipe_buf *out, const pp_fetch *fetch, pinpipe_error *err) {
    const pp_plan *plan = &fetch->plan;
    pinpipe_str key = plan->sso_session.len ? plan->sso_session : plan->sso_start_url;
    uint8_t digest[EVP_MAX_MD_SIZE] = {0};
    char hex[2 * SHA1_BYTES + 1] = "", name[80] = "sso/cache/";
    unsigned int len = 0;
    if (EVP_Digest(key.ptr, key.len, digest, &len, EVP_sha1(), NULL) != 1 || len != SHA1_BYTES) {
        return pp_fail(err, PINPIPE_EAUTH, "the SSO cache's name: no SHA-1");
    }
    pp_hex(hex, digest, SHA1_BYTES);
    size_t folder = strlen(name);
    memcpy(name + folder, hex, sizeof hex - 1);
    memcpy(name + folder + sizeof hex - 1, ".json", sizeof ".json");
    return pp_settings_home_path(out, fetch->settings, name, err);
}

static pinpipe_status cache_token(pp_sso_token *out, const pp_fetch *fetch, pinpipe_error *err) {
    pinpipe_buf path = PINPIPE_BUF_INIT, text = PINPIPE_BUF_INIT;
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pinpipe_status status = cache_path(&path, fetch, err);
    if (status == PINPIPE_OK && !path.len) {
        status = pp_fail(err, PINPIPE_EAUTH, "HOME is not set, and with it no SSO cache");
    }
    if (status == PINPIPE_OK && pp_file_read(&text, path.ptr, PP_KEY_ANSWER_MAX, NULL, &cause) < 0) {
        status = pp_fail(err, PINPIPE_EAUTH, "no SSO session (aws sso login makes one): %s", cause.message);
    }
    if (status == PINPIPE_OK) {
        status = pp_sso_token_decode(out, pp_buf_view(&text), err);
    }
    if (status == PINPIPE_OK && out->expires_s <= pp_fetch_now_s(fetch)) {
        status = pp_fail(err, PINPIPE_EAUTH, "the SSO session has expired: aws sso login");
    }
    pp_buf_reset_secret(&text);
    pinpipe_buf_reset(&path);
    return status;
}

static pinpipe_status portal_url(pinpipe_buf *out, const pp_fetch *fetch, pinpipe_error *err) {
    const pp_plan *plan = &fetch->plan;
    pinpipe_str own = pp_settings_endpoint(fetch->settings, pp_str("sso"));
    pp_endpoint_query query = {pp_str("sso"), plan->sso_region, pp_settings_variants(fetch->settings)};
    pinpipe_status status = pp_region_check(plan->sso_region, err);
    while (own.len && own.ptr[own.len - 1] == '/') {
        own.len--;
    }
    if (status == PINPIPE_OK) {
        status = own.len ? pp_buf_append(out, own.ptr, own.len, err) : pp_endpoint_compute(out, &query, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_buf_append_text(out, "/federation/credentials?role_name=", err);
    }
    if (status == PINPIPE_OK) {
        status = pp_uri_encode(out, plan->sso_role_name, PP_SLASH_ENCODED, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_buf_append_text(out, "&account_id=", err);
    }
    return status == PINPIPE_OK ? pp_uri_encode(out, plan->sso_account_id, PP_SLASH_ENCODED, err) : status;
}

static pinpipe_status portal_ask(pp_fetch *fetch, const pinpipe_buf *url, const pp_sso_token *token,
                                 int64_t deadline_ms, pinpipe_error *err) {
    char words[PP_ANSWER_WORDS_BYTES] = "";
    pinpipe_header header = {{"x-amz-sso_bearer_token", 22}, pp_buf_view(&token->access_token)};
    pp_http_options options = http_options(fetch);
    pp_http_request request = {.method = "GET",
                               .url = url->ptr,
                               .headers = &header,
                               .header_count = 1,
                               .out = &fetch->body,
                               .out_max = PP_FETCH_BODY_MAX};
    pinpipe_status status =
        pp_fetch_send(fetch, &fetch->http, &options, &request, time_left(deadline_ms), err);
    if (status == PINPIPE_OK && fetch->answer.status != 200) {
        int32_t code = fetch->answer.status;
        pp_key_answer_words(words, pp_buf_view(&fetch->answer.refusal));
        status = pp_fail_service(err, code >= 500 ? PINPIPE_ESERVICE : PINPIPE_EAUTH, "sso", code,
                                 "the SSO portal answers HTTP %d%s%s", code, words[0] ? ": " : "", words);
    }
    return status;
}

pinpipe_status pp_fetch_sso(pinpipe_credentials **out, pp_fetch *fetch, int64_t deadline_ms,
                            pinpipe_error *err) {
    pp_sso_token token = {PINPIPE_BUF_INIT, 0};
    pinpipe_buf url = PINPIPE_BUF_INIT, text = PINPIPE_BUF_INIT;
    pinpipe_status status = cache_token(&token, fetch, err);
    if (status == PINPIPE_OK) {
        status = portal_url(&url, fetch, err);
    }
    if (status == PINPIPE_OK) {
        status = portal_ask(fetch, &url, &token, deadline_ms, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_plan_text(&text, &fetch->plan, 0, err);
    }
    if (status == PINPIPE_OK) {
        pp_credentials_source source = {pp_plan_name(&fetch->plan, 0), pp_buf_view(&text)};
        status = pp_key_answer_decode(out, pp_buf_view(&fetch->body), PP_ANSWER_SSO, source, err);
    }
    pp_buf_reset_secret(&fetch->body);
    pp_buf_reset_secret(&token.access_token);
    pinpipe_buf_reset(&url);
    pinpipe_buf_reset(&text);
    return status;
}

#endif
