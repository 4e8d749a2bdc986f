/* Turns one HTTP request, a key and a time into a SigV4 signature in headers or in the URL.
 * Never reads a clock, and leaves no derived key in memory.
 * Rules: docs/signing.md; AWS "Signature Version 4 signing process", S3 API "Authenticating Requests". */
#include "pinpipe/sign.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "aws/canonical.h"
#include "aws/uri.h"
#include "base/buffer.h"
#include "base/digest.h"
#include "base/memory.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define UNSIGNED_PAYLOAD "UNSIGNED-PAYLOAD"
#define EXPIRES_MAX_S 604800
#define SCOPE_PART_MAX 64
#define TIME_MAX_S INT64_C(253402300799) /* the last second of year 9999 */
#define TIME_BYTES 16                    /* YYYYMMDDTHHMMSSZ */
#define DATE_BYTES 8
#define SIGNER_HEADERS_MAX 5 /* host, x-amz-date, -security-token, -content-sha256; authorization */

struct pinpipe_signature {
    pinpipe_buf url, canonical_request, string_to_sign;
    pp_pairs headers; /* to send */
    char text[PP_SHA256_HEX_BYTES + 1];
};

/* What is known while one request is signed. */
typedef struct sign_job {
    const pinpipe_sign_request *request;
    const pinpipe_credentials *credentials;
    const pinpipe_sign_options *options;
    bool plain_service; /* S3 and its kin */
    bool hash_told;     /* in x-amz-content-sha256 */
    bool token_signed;
    pp_url url;
    char time[TIME_BYTES + 1];
    char payload[PP_SHA256_HEX_BYTES + 1]; /* last line of the canonical request */
    pinpipe_buf host, scope, names;
    pp_pairs headers, query; /* to sign */
} sign_job;

static void job_reset(sign_job *job) {
    pinpipe_buf_reset(&job->host);
    pinpipe_buf_reset(&job->scope);
    pinpipe_buf_reset(&job->names);
    pp_pairs_reset(&job->headers);
    pp_pairs_reset(&job->query);
}

/* ---- what is asked for ---- */

static pinpipe_status scope_part_check(const char *name, pinpipe_str part, pinpipe_error *err) {
    if (!part.len || part.len > SCOPE_PART_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "%s: %zu bytes, not 1 to %d", name, part.len, SCOPE_PART_MAX);
    }
    for (size_t i = 0; i < part.len; i++) {
        char byte = part.ptr[i];
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        if (!letter && !(byte >= '0' && byte <= '9') && byte != '-') {
            return pp_fail(err, PINPIPE_EINVAL, "%s '%.*s': only letters, digits and '-' are allowed", name,
                           pp_quote_len(part.len), part.ptr);
        }
    }
    return PINPIPE_OK;
}

static pinpipe_status method_check(pinpipe_str method, pinpipe_error *err) {
    if (!method.len || method.len > SCOPE_PART_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "method: %zu bytes, not 1 to %d", method.len, SCOPE_PART_MAX);
    }
    for (size_t i = 0; i < method.len; i++) {
        if (method.ptr[i] < 'A' || method.ptr[i] > 'Z') {
            return pp_fail(err, PINPIPE_EINVAL, "method '%.*s': only the letters A to Z are allowed",
                           pp_quote_len(method.len), method.ptr);
        }
    }
    return PINPIPE_OK;
}

static bool switch_known(int32_t value) {
    return value >= PINPIPE_SWITCH_SERVICE && value <= PINPIPE_SWITCH_OFF;
}

static pinpipe_status options_check(const pinpipe_sign_options *options, pinpipe_error *err) {
    if (!options || options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "sign options lack their struct_size");
    }
    if (options->form != PINPIPE_SIGN_HEADER && options->form != PINPIPE_SIGN_QUERY) {
        return pp_fail(err, PINPIPE_EINVAL, "form: %d is no place for a signature", options->form);
    }
    if (options->payload < PINPIPE_PAYLOAD_SERVICE || options->payload > PINPIPE_PAYLOAD_UNSIGNED) {
        return pp_fail(err, PINPIPE_EINVAL, "payload: %d is no payload mode", options->payload);
    }
    if (!switch_known(options->double_encode) || !switch_known(options->normalize) ||
        !switch_known(options->sign_token)) {
        return pp_fail(err, PINPIPE_EINVAL, "double_encode, normalize and sign_token are 0, 1 or 2");
    }
    if (options->time_s < 1 || options->time_s > TIME_MAX_S) {
        return pp_fail(err, PINPIPE_EINVAL, "time: %lld s is not within the years 1970 to 9999",
                       (long long)options->time_s);
    }
    bool expiry_valid = options->expires_s >= 1 && options->expires_s <= EXPIRES_MAX_S;
    if (options->form == PINPIPE_SIGN_QUERY ? !expiry_valid : options->expires_s != 0) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "expiry: %lld s; a presigned URL lives 1 to %d s, a header has none",
                       (long long)options->expires_s, EXPIRES_MAX_S);
    }
    pinpipe_status status = scope_part_check("service", options->service, err);
    return status == PINPIPE_OK ? scope_part_check("region", options->region, err) : status;
}

static pinpipe_status request_check(const pinpipe_sign_request *request, pinpipe_error *err) {
    if (!request || request->struct_size < sizeof *request) {
        return pp_fail(err, PINPIPE_EINVAL, "the request lacks its struct_size");
    }
    if (request->header_count < 0 || request->header_count > PP_SIGN_HEADERS_MAX) {
        return pp_fail(err, request->header_count < 0 ? PINPIPE_EINVAL : PINPIPE_ELIMIT,
                       "headers: %lld of them, not 0 to %d", (long long)request->header_count,
                       PP_SIGN_HEADERS_MAX);
    }
    pinpipe_status status = method_check(request->method, err);
    for (int64_t i = 0; status == PINPIPE_OK && i < request->header_count; i++) {
        status = pp_header_check(request->headers[i], err);
    }
    return status;
}

static bool service_is_plain(pinpipe_str service) {
    static const char *const plain[] = {
#define PP_PLAIN_PATH_SERVICE(name) name,
#include "aws/sign.def"
#undef PP_PLAIN_PATH_SERVICE
    };
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        if (pp_str_is(service, plain[i])) {
            return true;
        }
    }
    return false;
}

static bool switch_value(int32_t value, bool rule) {
    return value == PINPIPE_SWITCH_SERVICE ? rule : value == PINPIPE_SWITCH_ON;
}

/* Civil date from days since 1970 by the era method of H. Hinnant's "chrono-compatible low-level date
 * algorithms": gmtime would look at the zone files. */
static void time_write(char out[TIME_BYTES + 1], int64_t time_s) {
    int64_t days = time_s / 86400 + 719468, second = time_s % 86400;
    int64_t era = days / 146097, day_of_era = days % 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    int month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    int year = (int)(year_of_era + era * 400 + (month <= 2 ? 1 : 0));
    char text[64];
    snprintf(text, sizeof text, "%04d%02d%02dT%02d%02d%02dZ", year, month, day, (int)(second / 3600),
             (int)(second / 60 % 60), (int)(second % 60));
    memcpy(out, text, TIME_BYTES);
    out[TIME_BYTES] = '\0';
}

static pinpipe_status payload_decide(sign_job *job, pinpipe_error *err) {
    bool presigned = job->options->form == PINPIPE_SIGN_QUERY;
    int32_t mode = job->options->payload;
    if (mode == PINPIPE_PAYLOAD_SERVICE) {
        mode = job->plain_service && presigned ? PINPIPE_PAYLOAD_UNSIGNED : PINPIPE_PAYLOAD_SIGNED;
    }
    bool is_unsigned = mode == PINPIPE_PAYLOAD_UNSIGNED;
    if (presigned && job->plain_service && !is_unsigned) {
        return pp_fail(err, PINPIPE_EINVAL, "payload: a presigned URL of S3 says nothing of the body");
    }
    job->hash_told = !presigned && (job->plain_service || mode != PINPIPE_PAYLOAD_SIGNED);
    if (!is_unsigned) {
        return pp_sha256_hex(job->payload, job->request->body, err);
    }
    if (!presigned && !pp_url_is_https(&job->url)) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "payload: it goes unsigned over https only, the url begins with http:");
    }
    memcpy(job->payload, UNSIGNED_PAYLOAD, sizeof UNSIGNED_PAYLOAD);
    return PINPIPE_OK;
}

static pinpipe_status job_begin(sign_job *job, pinpipe_error *err) {
    const pinpipe_sign_options *options = job->options;
    job->plain_service = service_is_plain(options->service);
    job->token_signed = switch_value(options->sign_token, true);
    time_write(job->time, options->time_s);
    pinpipe_status status = pp_url_split(&job->url, job->request->url, err);
    if (status == PINPIPE_OK) {
        status = pp_url_host(&job->host, &job->url, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_buf_printf(&job->scope, err, "%.*s/%.*s/%.*s/aws4_request", DATE_BYTES, job->time,
                               (int)options->region.len, options->region.ptr, (int)options->service.len,
                               options->service.ptr);
    }
    return status == PINPIPE_OK ? payload_decide(job, err) : status;
}

/* ---- what is signed ---- */

static pinpipe_header header_of(const char *name, pinpipe_str value) {
    return (pinpipe_header){pp_str(name), value};
}

static pinpipe_status headers_collect(sign_job *job, pinpipe_error *err) {
    const pinpipe_sign_request *request = job->request;
    pinpipe_str token = pinpipe_credentials_token(job->credentials);
    size_t bytes = job->host.len + token.len + 256;
    for (int64_t i = 0; i < request->header_count; i++) {
        bytes += request->headers[i].name.len + request->headers[i].value.len;
    }
    size_t cap = (size_t)request->header_count + SIGNER_HEADERS_MAX;
    pinpipe_status status = pp_pairs_reserve(&job->headers, cap, bytes, err);
    if (status < 0) {
        return status;
    }
    bool host_given = false;
    for (int64_t i = 0; i < request->header_count; i++) {
        pinpipe_header header = request->headers[i];
        if (!pp_header_never_signed(header.name)) {
            pp_headers_add(&job->headers, header);
            host_given |= pp_str_is(job->headers.items[job->headers.count - 1].name, "host");
        }
    }
    if (!host_given) {
        pp_headers_add(&job->headers, header_of("host", pp_buf_view(&job->host)));
    }
    if (job->hash_told) {
        pp_headers_add(&job->headers, header_of("x-amz-content-sha256", pp_str(job->payload)));
    }
    if (job->options->form == PINPIPE_SIGN_HEADER) {
        pp_headers_add(&job->headers, header_of("x-amz-date", pp_str(job->time)));
        if (token.len && job->token_signed) {
            pp_headers_add(&job->headers, header_of("x-amz-security-token", token));
        }
    }
    pp_headers_sort(&job->headers);
    return pp_headers_write_names(&job->names, &job->headers, err);
}

static pinpipe_status presign_parameters_add(sign_job *job, pinpipe_str credential, pinpipe_error *err) {
    char expires[24];
    snprintf(expires, sizeof expires, "%lld", (long long)job->options->expires_s);
    pinpipe_str token = pinpipe_credentials_token(job->credentials);
    const pinpipe_header parameters[] = {
        header_of("X-Amz-Algorithm", pp_str(ALGORITHM)),
        header_of("X-Amz-Credential", credential),
        header_of("X-Amz-Date", pp_str(job->time)),
        header_of("X-Amz-Expires", pp_str(expires)),
        header_of("X-Amz-SignedHeaders", pp_buf_view(&job->names)),
        header_of("X-Amz-Security-Token", token),
    };
    size_t count = sizeof parameters / sizeof parameters[0] - (token.len && job->token_signed ? 0 : 1);
    pinpipe_status status = PINPIPE_OK;
    for (size_t i = 0; status == PINPIPE_OK && i < count; i++) {
        status = pp_query_add(&job->query, parameters[i], err);
    }
    return status;
}

static pinpipe_status query_collect(sign_job *job, pinpipe_error *err) {
    pinpipe_str key_id = pinpipe_credentials_key_id(job->credentials);
    size_t parameters = 8, bytes = job->url.query.len + job->names.len + key_id.len + job->scope.len + 512 +
                                   pinpipe_credentials_token(job->credentials).len;
    for (size_t i = 0; i < job->url.query.len; i++) {
        parameters += job->url.query.ptr[i] == '&' ? 1 : 0;
    }
    pinpipe_buf credential = PINPIPE_BUF_INIT;
    pinpipe_status status = pp_pairs_reserve(&job->query, parameters + 1, 3 * bytes, err);
    if (status == PINPIPE_OK) {
        status = pp_query_parse(&job->query, job->url.query, err);
    }
    if (status == PINPIPE_OK && job->options->form == PINPIPE_SIGN_QUERY) {
        status = pp_buf_printf(&credential, err, "%.*s/%s", (int)key_id.len, key_id.ptr, job->scope.ptr);
        if (status == PINPIPE_OK) {
            status = presign_parameters_add(job, pp_buf_view(&credential), err);
        }
    }
    pp_query_sort(&job->query);
    pinpipe_buf_reset(&credential);
    return status;
}

static pinpipe_status canonical_write(pinpipe_buf *out, sign_job *job, pinpipe_error *err) {
    const pinpipe_sign_options *options = job->options;
    int rules =
        switch_value(options->double_encode, !job->plain_service) ? PP_PATH_ENCODE_AGAIN : PP_PATH_PLAIN;
    rules |= switch_value(options->normalize, !job->plain_service) ? PP_PATH_NORMALIZE : PP_PATH_PLAIN;
    /* Reserved in one step: growth would leave copies of the token behind. */
    size_t bytes = 3 * job->url.path.len + job->query.bytes.len + 2 * job->query.count +
                   job->headers.bytes.len + 2 * job->headers.count + job->names.len + 256;
    pinpipe_status status = pp_buf_reserve(out, bytes, PP_BUF_MAX, err);
    if (status == PINPIPE_OK) {
        status = pp_buf_printf(out, err, "%.*s\n", (int)job->request->method.len, job->request->method.ptr);
    }
    if (status == PINPIPE_OK) {
        status = pp_canonical_path(out, job->url.path, rules, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_buf_append_text(out, "\n", err);
    }
    if (status == PINPIPE_OK) {
        status = pp_query_write(out, &job->query, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_buf_append_text(out, "\n", err);
    }
    if (status == PINPIPE_OK) {
        status = pp_headers_write(out, &job->headers, err);
    }
    return status == PINPIPE_OK ? pp_buf_printf(out, err, "\n%s\n%s", job->names.ptr, job->payload) : status;
}

static pinpipe_status signature_write(pinpipe_signature *out, sign_job *job, pinpipe_error *err) {
    uint8_t key[PP_SHA256_BYTES], mac[PP_SHA256_BYTES];
    char canonical_hash[PP_SHA256_HEX_BYTES + 1];
    pinpipe_str secret = pinpipe_credentials_secret(job->credentials);
    pinpipe_buf first_key = PINPIPE_BUF_INIT;
    const pinpipe_str steps[] = {{job->time, DATE_BYTES},
                                 job->options->region,
                                 job->options->service,
                                 {"aws4_request", strlen("aws4_request")}};
    pinpipe_status status = pp_sha256_hex(canonical_hash, pp_buf_view(&out->canonical_request), err);
    if (status == PINPIPE_OK) {
        status = pp_buf_printf(&out->string_to_sign, err, "%s\n%s\n%s\n%s", ALGORITHM, job->time,
                               job->scope.ptr, canonical_hash);
    }
    /* Reserved in one step: growth would leave copies of the secret behind. */
    if (status == PINPIPE_OK) {
        status = pp_buf_reserve(&first_key, secret.len + strlen("AWS4"), PP_BUF_MAX, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_buf_printf(&first_key, err, "AWS4%.*s", (int)secret.len, secret.ptr);
    }
    pinpipe_str step_key = pp_buf_view(&first_key);
    for (size_t i = 0; status == PINPIPE_OK && i < sizeof steps / sizeof steps[0]; i++) {
        status = pp_hmac_sha256(mac, step_key, steps[i], err);
        memcpy(key, mac, sizeof key);
        step_key = (pinpipe_str){(const char *)key, sizeof key};
    }
    if (status == PINPIPE_OK) {
        status = pp_hmac_sha256(mac, step_key, pp_buf_view(&out->string_to_sign), err);
    }
    if (status == PINPIPE_OK) {
        pp_hex(out->text, mac, sizeof mac);
    }
    pp_buf_reset_secret(&first_key);
    pp_wipe(key, sizeof key);
    pp_wipe(mac, sizeof mac);
    return status;
}

/* ---- what is sent ---- */

static void sent_add(pp_pairs *sent, pinpipe_header header) {
    assert(sent->bytes.ptr && header.name.ptr);
    char *name = sent->bytes.ptr + sent->bytes.len, *value = name + header.name.len;
    memcpy(name, header.name.ptr, header.name.len);
    if (header.value.len) {
        memcpy(value, header.value.ptr, header.value.len);
    }
    sent->bytes.len += header.name.len + header.value.len;
    sent->items[sent->count++] = (pinpipe_header){{name, header.name.len}, {value, header.value.len}};
}

static pinpipe_status headers_send(pinpipe_signature *out, sign_job *job, pinpipe_error *err) {
    pinpipe_buf authorization = PINPIPE_BUF_INIT;
    pinpipe_str key_id = pinpipe_credentials_key_id(job->credentials);
    pinpipe_str token = pinpipe_credentials_token(job->credentials);
    bool in_header = job->options->form == PINPIPE_SIGN_HEADER;
    pinpipe_status status =
        pp_buf_printf(&authorization, err, "%s Credential=%.*s/%s, SignedHeaders=%s, Signature=%s", ALGORITHM,
                      (int)key_id.len, key_id.ptr, job->scope.ptr, job->names.ptr, out->text);
    size_t bytes = authorization.len + token.len + 256;
    for (int64_t i = 0; i < job->request->header_count; i++) {
        bytes += job->request->headers[i].name.len + job->request->headers[i].value.len;
    }
    if (status == PINPIPE_OK) {
        size_t cap = (size_t)job->request->header_count + SIGNER_HEADERS_MAX;
        status = pp_pairs_reserve(&out->headers, cap, bytes, err);
    }
    if (status == PINPIPE_OK) {
        for (int64_t i = 0; i < job->request->header_count; i++) {
            sent_add(&out->headers, job->request->headers[i]);
        }
        if (job->hash_told) {
            sent_add(&out->headers, header_of("x-amz-content-sha256", pp_str(job->payload)));
        }
        if (in_header) {
            sent_add(&out->headers, header_of("x-amz-date", pp_str(job->time)));
        }
        if (in_header && token.len) {
            sent_add(&out->headers, header_of("x-amz-security-token", token));
        }
        if (in_header) {
            sent_add(&out->headers, header_of("authorization", pp_buf_view(&authorization)));
        }
    }
    pinpipe_buf_reset(&authorization);
    return status;
}

static pinpipe_status url_send(pinpipe_signature *out, sign_job *job, pinpipe_error *err) {
    if (job->options->form == PINPIPE_SIGN_HEADER) {
        return pp_buf_append(&out->url, job->request->url.ptr, job->request->url.len, err);
    }
    const pp_url *url = &job->url;
    pinpipe_str token = pinpipe_credentials_token(job->credentials);
    pinpipe_str path = url->path.len ? url->path : pp_str("/");
    pinpipe_status status =
        pp_buf_printf(&out->url, err, "%.*s://%.*s%.*s?", (int)url->scheme.len, url->scheme.ptr,
                      (int)url->authority.len, url->authority.ptr, (int)path.len, path.ptr);
    if (status == PINPIPE_OK) {
        status = pp_query_write(&out->url, &job->query, err);
    }
    if (status == PINPIPE_OK && token.len && !job->token_signed) {
        status = pp_buf_append_text(&out->url, "&X-Amz-Security-Token=", err);
        if (status == PINPIPE_OK) {
            status = pp_uri_encode(&out->url, token, PP_SLASH_ENCODED, err);
        }
    }
    return status == PINPIPE_OK ? pp_buf_printf(&out->url, err, "&X-Amz-Signature=%s", out->text) : status;
}

pinpipe_status pinpipe_request_sign(pinpipe_signature **out, const pinpipe_sign_request *request,
                                    const pinpipe_credentials *credentials,
                                    const pinpipe_sign_options *options, pinpipe_error *err) {
    assert(out);
    assert(credentials);
    *out = NULL;
    sign_job job = {.request = request, .credentials = credentials, .options = options};
    pinpipe_signature *made = NULL;
    pinpipe_status status = options_check(options, err);
    if (status == PINPIPE_OK) {
        status = request_check(request, err);
    }
    if (status == PINPIPE_OK) {
        made = pp_alloc_zero(sizeof *made);
        status = made ? job_begin(&job, err) : pp_fail_memory(err, "a signature", sizeof *made);
        assert(made || status < 0);
    }
    pinpipe_status (*const collect[])(sign_job *, pinpipe_error *) = {headers_collect, query_collect};
    for (size_t i = 0; status == PINPIPE_OK && i < sizeof collect / sizeof collect[0]; i++) {
        status = collect[i](&job, err);
    }
    if (status == PINPIPE_OK) {
        status = canonical_write(&made->canonical_request, &job, err);
    }
    pinpipe_status (*const finish[])(pinpipe_signature *, sign_job *,
                                     pinpipe_error *) = {signature_write, headers_send, url_send};
    for (size_t i = 0; status == PINPIPE_OK && i < sizeof finish / sizeof finish[0]; i++) {
        status = finish[i](made, &job, err);
    }
    job_reset(&job);
    if (status == PINPIPE_OK) {
        *out = made;
        made = NULL;
    }
    pinpipe_signature_free(made);
    return status;
}

void pinpipe_signature_free(pinpipe_signature *signature) {
    if (signature) {
        /* The token may be in each of them. */
        pp_buf_reset_secret(&signature->url);
        pp_buf_reset_secret(&signature->canonical_request);
        pinpipe_buf_reset(&signature->string_to_sign);
        pp_pairs_reset(&signature->headers);
        pp_free(signature);
    }
}

pinpipe_str pinpipe_signature_url(const pinpipe_signature *signature) {
    return pp_buf_view(&signature->url);
}

int64_t pinpipe_signature_header_count(const pinpipe_signature *signature) {
    return (int64_t)signature->headers.count;
}

pinpipe_header pinpipe_signature_header_at(const pinpipe_signature *signature, int64_t index) {
    assert(index >= 0 && (size_t)index < signature->headers.count);
    return signature->headers.items[index];
}

pinpipe_str pinpipe_signature_canonical_request(const pinpipe_signature *signature) {
    return pp_buf_view(&signature->canonical_request);
}

pinpipe_str pinpipe_signature_string_to_sign(const pinpipe_signature *signature) {
    return pp_buf_view(&signature->string_to_sign);
}

pinpipe_str pinpipe_signature_text(const pinpipe_signature *signature) {
    return (pinpipe_str){signature->text, PP_SHA256_HEX_BYTES};
}
