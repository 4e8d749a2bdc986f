/* Turns signed requests into those that may come in: SigV4 of execute-api, as API Gateway checks it.
 * Never quotes a key, and never says more of a wrong signature than API Gateway does.
 * Rules: docs/gateway.md, "Keys, IAM, TLS and browsers"; docs/signing.md; the words are API Gateway's. */
#include "gateway/iam.h"

#if PINPIPE_WITH_GATEWAY

#include <stdio.h>
#include <string.h>

#include "aws/verify.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/answer.h"
#include "io/clock.h"

#define SERVICE "execute-api"
#define SKEW_MAX_S 300
#define KEYS_MAX 1000
#define WORDS_BYTES 256

struct pp_gateway_iam {
    pp_verifier *verifier;
    pinpipe_credentials **keys;
    int64_t count;
    pinpipe_buf query, region;
};

/* ---- keys ---- */

static pinpipe_status key_add(pp_gateway_iam *iam, pinpipe_str line, int64_t number, pinpipe_error *err) {
    pinpipe_credentials_options options = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    options.access_key_id = pp_str_take(&line, ',');
    options.secret_access_key = pp_str_take(&line, ',');
    options.session_token = pp_str_take(&line, ',');
    if (iam->count == KEYS_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "the gateway's keys: more than %d", KEYS_MAX);
    }
    pinpipe_credentials **keys =
        pp_realloc(iam->keys, (size_t)(iam->count + 1) * sizeof(pinpipe_credentials *));
    if (!keys) {
        return pp_fail_memory(err, "the gateway's keys", (size_t)(iam->count + 1) * sizeof *keys);
    }
    iam->keys = keys;
    if (pinpipe_credentials_new(&iam->keys[iam->count], &options, NULL) < 0) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "the gateway's keys: line %lld is no key: id,secret or id,secret,token",
                       (long long)number);
    }
    iam->count++;
    return PINPIPE_OK;
}

static pinpipe_status keys_read(pp_gateway_iam *iam, pinpipe_str text, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    for (int64_t number = 1; text.len && status == PINPIPE_OK; number++) {
        pinpipe_str line = pp_str_take(&text, '\n');
        line.len -= line.len && line.ptr[line.len - 1] == '\r' ? 1 : 0;
        if (line.len && line.ptr[0] != '#') {
            status = key_add(iam, line, number, err);
        }
    }
    return status == PINPIPE_OK && !iam->count
               ? pp_fail(err, PINPIPE_EINVAL, "the gateway's keys: there is none")
               : status;
}

pinpipe_status pp_gateway_iam_open(pinpipe_gateway *gateway, pinpipe_error *err) {
    pinpipe_str region = gateway->options.iam_region;
    pp_gateway_iam *iam = pp_alloc_zero(sizeof *iam);
    if (!iam) {
        return pp_fail_memory(err, "the gateway's keys", sizeof *iam);
    }
    gateway->iam = iam;
    pinpipe_status status = pp_verifier_new(&iam->verifier, err);
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&iam->region, region.ptr, region.len, err);
    }
    return status == PINPIPE_OK ? keys_read(iam, gateway->options.iam_keys, err) : status;
}

void pp_gateway_iam_free(pp_gateway_iam *iam) {
    if (!iam) {
        return;
    }
    for (int64_t i = 0; i < iam->count; i++) {
        pinpipe_credentials_free(iam->keys[i]);
    }
    pp_free(iam->keys);
    pp_verifier_free(iam->verifier);
    pinpipe_buf_reset(&iam->query);
    pinpipe_buf_reset(&iam->region);
    pp_free(iam);
}

/* ---- the head ---- */

static const pinpipe_credentials *key_of(const pp_gateway_iam *iam, pinpipe_str id) {
    const pinpipe_credentials *found = NULL;
    for (int64_t i = 0; i < iam->count && !found; i++) {
        found = pp_str_equal(pinpipe_credentials_key_id(iam->keys[i]), id) ? iam->keys[i] : NULL;
    }
    return found;
}

static pinpipe_str header_of(struct MHD_Connection *handle, const char *name) {
    const char *text = MHD_lookup_connection_value(handle, MHD_HEADER_KIND, name);
    return pp_str(text ? text : "");
}

/* What the time is wrong by is told, as API Gateway does: it is the one thing that a client can put right. */
static void time_refuse(pp_gateway_request *request, pinpipe_str time, bool is_late) {
    char words[WORDS_BYTES];
    snprintf(words, sizeof words,
             is_late ? "Signature expired: %.*s is more than 5 min. ago"
                     : "Signature not yet current: %.*s is more than 5 min. from now",
             (int)time.len, time.ptr);
    pp_gateway_forbid(request, words);
}

/* False = the request is refused. */
static bool says_read(pp_authorization *out, const pinpipe_gateway *gateway, pp_gateway_request *request,
                      struct MHD_Connection *handle) {
    const pp_gateway_iam *iam = gateway->iam;
    pinpipe_str header = header_of(handle, "Authorization"), time = header_of(handle, "X-Amz-Date");
    int64_t time_s = 0, now_s = pp_clock_wall_s();
    if (!header.len) {
        pp_gateway_forbid(request, "Missing Authentication Token");
    } else if (!pp_authorization_read(out, header) || !pp_sign_time_read(&time_s, time) ||
               memcmp(time.ptr, out->date.ptr, out->date.len) != 0) {
        pp_gateway_forbid(request,
                          "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature', "
                          "and an 'X-Amz-Date' of the same day");
    } else if (!pp_str_is(out->service, SERVICE) ||
               (iam->region.len && !pp_str_equal(out->region, pp_buf_view(&iam->region)))) {
        pp_gateway_forbid(request,
                          "Credential should be scoped to the region of this API and to '" SERVICE "'.");
    } else if (!key_of(iam, out->key_id)) {
        pp_gateway_forbid(request, "The security token included in the request is invalid.");
    } else if (time_s < now_s - SKEW_MAX_S || time_s > now_s + SKEW_MAX_S) {
        time_refuse(request, time, time_s < now_s);
    }
    return request->status == 0;
}

void pp_gateway_iam_admit(const pinpipe_gateway *gateway, pp_gateway_request *request,
                          struct MHD_Connection *handle) {
    pp_authorization says = {0};
    request->is_signed = says_read(&says, gateway, request, handle);
}

/* ---- the whole request ---- */

typedef struct pairs_view {
    pinpipe_header items[PP_SIGN_HEADERS_MAX];
    size_t count;
    bool is_more;
} pairs_view;

static enum MHD_Result header_take(void *user, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                   const char *value, size_t value_len) {
    pairs_view *out = user;
    (void)kind;
    if (out->count == PP_SIGN_HEADERS_MAX) {
        out->is_more = true;
        return MHD_NO;
    }
    out->items[out->count++] =
        (pinpipe_header){{name, name_len}, {value ? value : "", value ? value_len : 0}};
    return MHD_YES;
}

/* The HTTP library has taken the query apart, and made blanks of its '+'. */
static enum MHD_Result parameter_take(void *user, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                      const char *value, size_t value_len) {
    pinpipe_buf *out = user;
    size_t at = out->len;
    (void)kind;
    pinpipe_status status = pp_buf_printf(out, NULL, "%s%.*s%s%.*s", out->len ? "&" : "", (int)name_len, name,
                                          value ? "=" : "", value ? (int)value_len : 0, value ? value : "");
    for (; at < out->len; at++) {
        out->ptr[at] = out->ptr[at] == ' ' ? '+' : out->ptr[at];
    }
    return status == PINPIPE_OK ? MHD_YES : MHD_NO;
}

void pp_gateway_iam_verify(pinpipe_gateway *gateway, pp_gateway_connection *connection, const char *method,
                           const char *path) {
    pp_gateway_request *request = &connection->request;
    pp_gateway_iam *iam = gateway->iam;
    pp_authorization says = {0};
    pairs_view headers = {.count = 0};
    if (!says_read(&says, gateway, request, connection->handle)) {
        return;
    }
    pp_buf_clear(&iam->query);
    MHD_get_connection_values_n(connection->handle, MHD_HEADER_KIND, header_take, &headers);
    MHD_get_connection_values_n(connection->handle, MHD_GET_ARGUMENT_KIND, parameter_take, &iam->query);
    const pp_signed_request sent = {
        .method = pp_str(method),
        .path = pp_str(path),
        .query = pp_buf_view(&iam->query),
        .body = pp_buf_view(&request->body),
        .time = header_of(connection->handle, "X-Amz-Date"),
        .headers = headers.items,
        .header_count = headers.count,
    };
    if (headers.is_more ||
        pp_request_verify(iam->verifier, &sent, &says, key_of(iam, says.key_id), NULL) < 0) {
        pp_gateway_forbid(request,
                          "The request signature we calculated does not match the signature you provided. "
                          "Check your AWS Secret Access Key and signing method. Consult the service "
                          "documentation for details.");
    }
}

#endif
