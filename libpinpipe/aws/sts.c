/* Turns a role into the form that STS wants, and the answer of STS into credentials or its refusal.
 * Never sends and never signs; what was copied out of an answer is wiped.
 * Rules: AWS STS API Reference 2011-06-15, AssumeRole and AssumeRoleWithWebIdentity. */
#include "aws/sts.h"

#if PINPIPE_WITH_S3

#include <stdio.h>
#include <string.h>

#include "aws/key_answer.h"
#include "aws/uri.h"
#include "aws/xml.h"
#include "base/buffer.h"
#include "text/time_text.h"

static pinpipe_status field_add(pinpipe_buf *out, const char *name, pinpipe_str value, pinpipe_error *err) {
    pinpipe_status status = value.len ? pp_buf_printf(out, err, "&%s=", name) : PINPIPE_OK;
    return status == PINPIPE_OK && value.len ? pp_uri_encode(out, value, PP_SLASH_ENCODED, err) : status;
}

pinpipe_status pp_sts_form(pinpipe_buf *out, const pp_role *role, pinpipe_str session_name, pinpipe_str token,
                           pinpipe_error *err) {
    /* At once, so that no copy of the token is left behind by a buffer that grows. */
    size_t needed = 512 + 3 * (role->arn.len + session_name.len + role->external_id.len + token.len);
    pinpipe_status status = pp_buf_reserve(out, needed, PP_BUF_MAX, err);
    if (status == PINPIPE_OK) {
        status = pp_buf_printf(out, err, "Action=%s&Version=2011-06-15",
                               token.len ? "AssumeRoleWithWebIdentity" : "AssumeRole");
    }
    if (status == PINPIPE_OK) {
        status = field_add(out, "RoleArn", role->arn, err);
    }
    if (status == PINPIPE_OK) {
        status = field_add(out, "RoleSessionName", session_name, err);
    }
    if (status == PINPIPE_OK) {
        status = field_add(out, "ExternalId", role->external_id, err);
    }
    if (status == PINPIPE_OK && role->duration_s) {
        status = pp_buf_printf(out, err, "&DurationSeconds=%lld", (long long)role->duration_s);
    }
    return status == PINPIPE_OK ? field_add(out, "WebIdentityToken", token, err) : status;
}

/* What the walk collects. */
typedef struct answer {
    pinpipe_buf key, secret, token, expiration, account;
} answer;

static bool ends_with(pinpipe_str path, const char *tail) {
    size_t len = strlen(tail);
    return path.len >= len && memcmp(path.ptr + path.len - len, tail, len) == 0;
}

static pinpipe_status account_take(answer *into, pinpipe_str arn, pinpipe_error *err) {
    int colons = 0;
    size_t begin = 0;
    for (size_t i = 0; i < arn.len; i++) {
        if (arn.ptr[i] == ':') {
            colons++;
            if (colons == 4) {
                begin = i + 1;
            } else if (colons == 5) {
                pp_buf_clear(&into->account);
                return pp_buf_append(&into->account, arn.ptr + begin, i - begin, err);
            }
        }
    }
    return PINPIPE_OK;
}

static pinpipe_status answer_element(pinpipe_str path, pinpipe_str text, void *user, pinpipe_error *err) {
    answer *into = user;
    if (ends_with(path, "/AssumedRoleUser/Arn")) {
        return account_take(into, text, err);
    }
    pinpipe_buf *target = ends_with(path, "/Credentials/AccessKeyId")       ? &into->key
                          : ends_with(path, "/Credentials/SecretAccessKey") ? &into->secret
                          : ends_with(path, "/Credentials/SessionToken")    ? &into->token
                          : ends_with(path, "/Credentials/Expiration")      ? &into->expiration
                                                                            : NULL;
    if (!target || target->ptr) {
        return PINPIPE_OK;
    }
    return pp_buf_append(target, text.ptr, text.len, err);
}

static pinpipe_status answer_take(pinpipe_credentials **out, const answer *from, pp_credentials_source source,
                                  pinpipe_error *err) {
    pinpipe_credentials_options parts = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    int64_t time_us = 0;
    parts.access_key_id = pp_buf_view(&from->key);
    parts.secret_access_key = pp_buf_view(&from->secret);
    parts.session_token = pp_buf_view(&from->token);
    parts.account_id = pp_buf_view(&from->account);
    const char *missing = !parts.access_key_id.len       ? "AccessKeyId"
                          : !parts.secret_access_key.len ? "SecretAccessKey"
                          : !parts.session_token.len     ? "SessionToken"
                                                         : NULL;
    if (missing) {
        return pp_fail(err, PINPIPE_EDATA, "the answer of STS has no %s", missing);
    }
    bool timed = from->expiration.len && pp_time_parse(&time_us, pp_buf_view(&from->expiration));
    if (!timed || time_us <= 0) {
        return pp_fail(err, PINPIPE_EDATA, "the answer of STS: Expiration is no time");
    }
    parts.expires_s = time_us / 1000000;
    return pp_credentials_take(out, &parts, source, PINPIPE_EDATA, err);
}

pinpipe_status pp_sts_answer_decode(pinpipe_credentials **out, pinpipe_str document,
                                    pp_credentials_source source, pinpipe_error *err) {
    *out = NULL;
    if (document.len && document.ptr[0] == '{') {
        return pp_key_answer_decode(out, document, PP_ANSWER_STS, source, err);
    }
    answer found = {0};
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pinpipe_status status = pp_xml_walk(document, answer_element, &found, &cause);
    if (status < 0) {
        status = pp_fail(err, status, "the answer of STS: %s", cause.message);
    } else {
        status = answer_take(out, &found, source, err);
    }
    pp_buf_reset_secret(&found.secret);
    pp_buf_reset_secret(&found.token);
    pinpipe_buf_reset(&found.key);
    pinpipe_buf_reset(&found.expiration);
    pinpipe_buf_reset(&found.account);
    return status;
}

static pinpipe_status refusal_element(pinpipe_str path, pinpipe_str text, void *user, pinpipe_error *err) {
    pp_sts_refusal *out = user;
    (void)err;
    if (ends_with(path, "Error/Code")) {
        snprintf(out->code, sizeof out->code, "%.*s", (int)text.len, text.ptr);
    } else if (ends_with(path, "Error/Message")) {
        snprintf(out->message, sizeof out->message, "%.*s", (int)text.len, text.ptr);
    }
    return PINPIPE_OK;
}

void pp_sts_refusal_read(pp_sts_refusal *out, pinpipe_str document) {
    *out = (pp_sts_refusal){0};
    pinpipe_status status = pp_xml_walk(document, refusal_element, out, NULL);
    (void)status; /* what was read before an error is as good */
}

#endif
