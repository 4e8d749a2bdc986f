/* Turns requests, keys and times into SigV4 signatures, and keeps what the next request has in common.
 * Never reads a clock, and leaves no derived key behind.
 * Rules: docs/signing.md; AWS "Create a signed AWS API request"; S3 API, "Authenticating Requests";
 * signing.md §6. */
#include "aws/signer.h"

#include <assert.h>
#include <string.h>

#include "aws/chunks.h"
#include "aws/credentials.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "text/number.h"
#include "text/time_text.h"

/* ---- one request ---- */

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

void pp_sign_time_write(char out[PP_TIME_BYTES + 1], int64_t time_s) {
    char text[PP_TIME_TEXT_MAX];
    size_t len = pp_time_write(text, time_s * 1000000);
    char *tail = out;
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '-' && text[i] != ':') {
            *tail++ = text[i];
        }
    }
    assert(tail == out + PP_TIME_BYTES);
    *tail = '\0';
}

static pinpipe_status scope_write(pinpipe_signer *signer, const pp_sign_job *job, pinpipe_error *err) {
    pinpipe_buf *scope = &signer->scope;
    pp_buf_clear(scope);
    pinpipe_status status = pp_buf_reserve(scope, (size_t)3 * PP_SCOPE_PART_MAX, PP_BUF_MAX, err);
    if (status == PINPIPE_OK) {
        pp_put(scope, (pinpipe_str){job->time, PP_DATE_BYTES});
        pp_put(scope, pp_str("/"));
        pp_put(scope, job->options->region);
        pp_put(scope, pp_str("/"));
        pp_put(scope, job->options->service);
        pp_put(scope, pp_str("/aws4_request"));
    }
    return status;
}

static pinpipe_status body_hash(pinpipe_signer *signer, pinpipe_str body, pinpipe_error *err) {
    uint8_t digest[PP_SHA256_BYTES];
    pp_sha256_start(&signer->run);
    pp_sha256_add(&signer->run, body.ptr, body.len);
    pinpipe_status status = pp_sha256_end(digest, &signer->run, err);
    if (status == PINPIPE_OK) {
        pp_hex(signer->body_hash, digest, sizeof digest);
    }
    return status;
}

static pinpipe_status job_begin(pp_sign_job *job, pinpipe_signer *signer, pinpipe_error *err) {
    const pinpipe_sign_options *options = job->options;
    assert(options && job->request);
    job->is_plain_service = service_is_plain(options->service);
    job->is_token_signed = switch_value(options->sign_token, true);
    pp_sign_time_write(job->time, options->time_s);
    pp_buf_clear(&signer->host);
    pinpipe_status status = pp_url_split(&job->url, job->request->url, err);
    if (status == PINPIPE_OK) {
        status = pp_url_host(&signer->host, &job->url, err);
    }
    if (status == PINPIPE_OK) {
        status = scope_write(signer, job, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_sign_credential_write(&signer->credential, signer, job, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_sign_payload_decide(job, signer, err);
    }
    if (status == PINPIPE_OK && signer->last.is_body_hashed) {
        status = body_hash(signer, job->request->body, err);
    }
    return status;
}

/* ---- what is signed ---- */

pinpipe_status pp_sign_headers_reserve(pp_pairs *headers, const pp_sign_job *job, size_t more_bytes,
                                       pinpipe_error *err) {
    const pinpipe_sign_request *request = job->request;
    size_t bytes = more_bytes;
    for (int64_t i = 0; i < request->header_count; i++) {
        bytes += request->headers[i].name.len + request->headers[i].value.len;
    }
    for (size_t i = 0; i < job->added_count; i++) {
        bytes += job->added[i].name.len + job->added[i].value.len;
    }
    return pp_pairs_reserve(headers, (size_t)request->header_count + job->added_count + 1, bytes, err);
}

static pinpipe_status headers_collect(pinpipe_signer *signer, pp_sign_job *job, pinpipe_error *err) {
    const pinpipe_sign_request *request = job->request;
    pp_pairs *headers = &signer->headers;
    pinpipe_status status = pp_sign_headers_reserve(headers, job, signer->host.len + 16, err);
    if (status < 0) {
        return status;
    }
    bool is_host_given = false;
    for (int64_t i = 0; i < request->header_count; i++) {
        if (!pp_header_never_signed(request->headers[i].name)) {
            pp_headers_add(headers, request->headers[i]);
            is_host_given |= pp_str_is(headers->items[headers->count - 1].name, "host");
        }
    }
    if (!is_host_given) {
        pp_headers_add_plain(headers, (pinpipe_header){pp_str("host"), pp_buf_view(&signer->host)});
    }
    const char *token = pinpipe_credentials_token(job->credentials).ptr;
    for (size_t i = 0; i < job->added_count; i++) {
        if (job->added[i].value.ptr == token && !job->is_token_signed) {
            continue;
        }
        pp_headers_add_plain(headers, job->added[i]);
        if (job->added[i].value.ptr == job->payload.ptr) {
            job->signed_hash = headers->items[headers->count - 1].value.ptr;
        }
    }
    pp_headers_sort(headers);
    pp_buf_clear(&signer->names);
    status = pp_buf_reserve(&signer->names, pp_pairs_text_max(headers), PP_BUF_MAX, err);
    if (status == PINPIPE_OK) {
        pp_headers_write_names(&signer->names, headers);
    }
    return status;
}

static pinpipe_status presign_parameters_add(pinpipe_signer *signer, const pp_sign_job *job,
                                             pinpipe_error *err) {
    char expires[PP_I64_TEXT_MAX];
    size_t expires_len = pp_number_write_i64(expires, job->options->expires_s);
    pinpipe_str token = pinpipe_credentials_token(job->credentials);
    const pinpipe_header parameters[] = {
        {pp_str("X-Amz-Algorithm"), pp_str(PP_SIGN_ALGORITHM)},
        {pp_str("X-Amz-Credential"), pp_buf_view(&signer->credential)},
        {pp_str("X-Amz-Date"), {job->time, PP_TIME_BYTES}},
        {pp_str("X-Amz-Expires"), {expires, expires_len}},
        {pp_str("X-Amz-SignedHeaders"), pp_buf_view(&signer->names)},
        {pp_str("X-Amz-Security-Token"), token},
    };
    size_t count = sizeof parameters / sizeof parameters[0] - (token.len && job->is_token_signed ? 0 : 1);
    pinpipe_status status = PINPIPE_OK;
    for (size_t i = 0; status == PINPIPE_OK && i < count; i++) {
        status = pp_query_add(&signer->query, parameters[i], err);
    }
    return status;
}

static pinpipe_status query_collect(pinpipe_signer *signer, pp_sign_job *job, pinpipe_error *err) {
    bool is_presigned = job->options->form == PINPIPE_SIGN_QUERY;
    pinpipe_str text = job->url.query;
    size_t parameters = 8, bytes = text.len + 16;
    for (size_t i = 0; i < text.len; i++) {
        parameters += text.ptr[i] == '&' ? 1 : 0;
    }
    if (is_presigned) {
        bytes += signer->names.len + signer->credential.len + 256;
        bytes += pinpipe_credentials_token(job->credentials).len;
    }
    pinpipe_status status = pp_pairs_reserve(&signer->query, parameters, 3 * bytes, err);
    if (status == PINPIPE_OK) {
        status = pp_query_parse(&signer->query, text, err);
    }
    if (status == PINPIPE_OK && is_presigned) {
        status = presign_parameters_add(signer, job, err);
    }
    pp_query_sort(&signer->query);
    return status;
}

/* Finds x-amz-content-sha256 among the lines of the canonical headers: what stands before it does not depend
 * on the body, so the digest up to there serves the next request. */
static void hash_place(pinpipe_signer *signer, const pp_sign_job *job, size_t line_at) {
    const pp_pairs *headers = &signer->headers;
    for (size_t i = 0; job->signed_hash && i < headers->count; i++) {
        const pinpipe_header *item = &headers->items[i];
        bool is_repeat = i > 0 && pp_str_equal(item->name, headers->items[i - 1].name);
        size_t name_len = is_repeat ? 0 : item->name.len + 1;
        if (item->value.ptr == job->signed_hash) {
            signer->last.hash_at = line_at + name_len;
            return;
        }
        line_at += name_len + item->value.len + 1;
    }
}

static pinpipe_status canonical_write(pinpipe_signer *signer, pp_sign_job *job, pinpipe_error *err) {
    const pinpipe_sign_options *options = job->options;
    pinpipe_buf *out = &signer->signature->canonical_request;
    bool is_twice = switch_value(options->double_encode, !job->is_plain_service);
    bool is_normal = switch_value(options->normalize, !job->is_plain_service);
    int rules =
        (is_twice ? PP_PATH_ENCODE_AGAIN : PP_PATH_PLAIN) | (is_normal ? PP_PATH_NORMALIZE : PP_PATH_PLAIN);
    size_t bytes = job->request->method.len + 3 * (job->url.path.len + 2) +
                   pp_pairs_text_max(&signer->query) + pp_pairs_text_max(&signer->headers) +
                   signer->names.len + job->payload.len + 16;
    pinpipe_status status = pp_buf_renew_secret(out, bytes, err);
    if (status == PINPIPE_OK) {
        pp_put(out, job->request->method);
        pp_put(out, pp_str("\n"));
        status = pp_canonical_path(out, &signer->scratch, job->url.path, rules, err);
    }
    if (status < 0) {
        return status;
    }
    pp_put(out, pp_str("\n"));
    pp_query_write(out, &signer->query);
    pp_put(out, pp_str("\n"));
    size_t headers_at = out->len;
    pp_headers_write(out, &signer->headers);
    pp_put(out, pp_str("\n"));
    pp_put(out, pp_buf_view(&signer->names));
    pp_put(out, pp_str("\n"));
    signer->last.hash_at = out->len;
    pp_put(out, job->payload);
    out->ptr[out->len] = '\0';
    hash_place(signer, job, headers_at);
    return PINPIPE_OK;
}

/* ---- the signature ---- */

/* The canonical request is there from hash_at on; its digest up to there is in last.canonical. */
static pinpipe_status signature_write(pinpipe_signer *signer, pinpipe_error *err) {
    pinpipe_signature *out = signer->signature;
    const pinpipe_buf *request = &out->canonical_request;
    size_t at = signer->last.hash_at;
    uint8_t digest[PP_SHA256_BYTES];
    pp_sha256_copy(&signer->run, &signer->last.canonical);
    pp_sha256_add(&signer->run, request->ptr + at, request->len - at);
    pinpipe_status status = pp_sha256_end(digest, &signer->run, err);
    if (status == PINPIPE_OK) {
        pp_hex(out->string_to_sign.ptr + out->string_to_sign.len - PP_SHA256_HEX_BYTES, digest,
               sizeof digest);
        status = pp_hmac_key_sign(digest, signer->last.key, pp_buf_view(&out->string_to_sign), err);
    }
    if (status == PINPIPE_OK) {
        pp_hex(out->text, digest, sizeof digest);
    }
    return status;
}

static pinpipe_status string_begin(pinpipe_signer *signer, const pp_sign_job *job, pinpipe_error *err) {
    pinpipe_buf *out = &signer->signature->string_to_sign;
    size_t bytes = sizeof PP_SIGN_ALGORITHM + PP_TIME_BYTES + signer->scope.len + 2 + PP_SHA256_HEX_BYTES;
    pp_buf_clear(out);
    pinpipe_status status = pp_buf_reserve(out, bytes, PP_BUF_MAX, err);
    if (status == PINPIPE_OK) {
        pp_put(out, pp_str(PP_SIGN_ALGORITHM "\n"));
        pp_put(out, (pinpipe_str){job->time, PP_TIME_BYTES});
        pp_put(out, pp_str("\n"));
        pp_put(out, pp_buf_view(&signer->scope));
        pp_put(out, pp_str("\n"));
        out->len += PP_SHA256_HEX_BYTES; /* signature_write fills them */
    }
    return status;
}

static pinpipe_status request_sign(pinpipe_signer *signer, pp_sign_job *job, pinpipe_error *err) {
    pinpipe_status (*const collect[])(pinpipe_signer *, pp_sign_job *,
                                      pinpipe_error *) = {headers_collect, query_collect, canonical_write};
    pinpipe_status status = job_begin(job, signer, err);
    for (size_t i = 0; status == PINPIPE_OK && i < sizeof collect / sizeof collect[0]; i++) {
        status = collect[i](signer, job, err);
    }
    if (status == PINPIPE_OK) {
        status = string_begin(signer, job, err);
    }
    if (status == PINPIPE_OK) {
        const pp_scope scope = {{job->time, PP_DATE_BYTES}, job->options->region, job->options->service};
        status = pp_signing_keys_find(&signer->last.key, &signer->keys, job->credentials, &scope, err);
    }
    if (status == PINPIPE_OK) {
        pp_sha256_start(&signer->last.canonical);
        pp_sha256_add(&signer->last.canonical, signer->signature->canonical_request.ptr,
                      signer->last.hash_at);
        status = signature_write(signer, err);
    }
    return status == PINPIPE_OK ? pp_sign_send_write(signer, job, err) : status;
}

/* ---- what the next request may have in common ---- */

static bool options_equal(const pinpipe_sign_options *a, const pinpipe_sign_options *b) {
    return a->time_s == b->time_s && a->form == b->form && a->expires_s == b->expires_s &&
           a->payload == b->payload && a->double_encode == b->double_encode && a->normalize == b->normalize &&
           a->sign_token == b->sign_token && a->decoded_bytes == b->decoded_bytes &&
           a->chunk_bytes == b->chunk_bytes && a->checksum == b->checksum &&
           pp_str_equal(a->region, b->region) && pp_str_equal(a->service, b->service);
}

static bool template_fits(const pinpipe_signer *signer, const pinpipe_sign_request *request,
                          const pinpipe_credentials *credentials, const pinpipe_sign_options *options) {
    const pp_sign_template *last = &signer->last;
    if (!last->is_set || !request || request->struct_size < sizeof *request || !options ||
        options->struct_size < sizeof *options || request->header_count != (int64_t)last->header_count) {
        return false;
    }
    const pinpipe_header *sent = signer->signature->headers.items;
    for (size_t i = 0; i < last->header_count; i++) {
        if (!pp_str_equal(request->headers[i].name, sent[i].name) ||
            !pp_str_equal(request->headers[i].value, sent[i].value)) {
            return false;
        }
    }
    return pp_str_equal(request->url, pp_buf_view(&last->url)) &&
           pp_str_equal(request->method, (pinpipe_str){last->method, last->method_len}) &&
           options_equal(options, &last->options) && pp_credentials_equal(credentials, last->credentials);
}

static pinpipe_status template_sign(pinpipe_signer *signer, pinpipe_str body, pinpipe_error *err) {
    pp_sign_template *last = &signer->last;
    pinpipe_signature *out = signer->signature;
    if (!last->is_body_hashed) {
        return PINPIPE_OK; /* nothing that was signed has changed */
    }
    last->is_set = false;
    pinpipe_status status = body_hash(signer, body, err);
    if (status == PINPIPE_OK) {
        pinpipe_buf *request = &out->canonical_request;
        memcpy(request->ptr + request->len - PP_SHA256_HEX_BYTES, signer->body_hash, PP_SHA256_HEX_BYTES);
        if (last->told_hash) {
            memcpy(request->ptr + last->hash_at, signer->body_hash, PP_SHA256_HEX_BYTES);
            memcpy(last->told_hash, signer->body_hash, PP_SHA256_HEX_BYTES);
        }
        status = signature_write(signer, err);
    }
    if (status == PINPIPE_OK) {
        memcpy(last->sent_signature, out->text, PP_SHA256_HEX_BYTES);
        last->is_set = true;
    }
    return status;
}

static pinpipe_status template_set(pinpipe_signer *signer, const pp_sign_job *job, pinpipe_error *err) {
    pp_sign_template *last = &signer->last;
    const pinpipe_sign_request *request = job->request;
    pinpipe_status status = pp_buf_renew_secret(&last->url, request->url.len, err);
    if (status < 0) {
        return status;
    }
    pp_put(&last->url, request->url);
    last->options = *job->options;
    memcpy(last->service, job->options->service.ptr, job->options->service.len);
    memcpy(last->region, job->options->region.ptr, job->options->region.len);
    memcpy(last->method, request->method.ptr, request->method.len);
    last->options.service.ptr = last->service;
    last->options.region.ptr = last->region;
    last->method_len = request->method.len;
    last->header_count = (size_t)request->header_count;
    if (last->credentials != job->credentials) {
        pinpipe_credentials_free(last->credentials);
        last->credentials = pp_credentials_retain(job->credentials);
    }
    last->is_set = true;
    return PINPIPE_OK;
}

/* ---- the handle ---- */

pinpipe_status pp_signer_new(pinpipe_signer **out, pp_sha256_road road, pinpipe_error *err) {
    *out = NULL;
    pinpipe_signer *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "a signer", sizeof *made);
    }
    made->road = road;
    pinpipe_status status = pp_signing_keys_open(&made->keys, road, err);
    if (status == PINPIPE_OK) {
        status = pp_sha256_open(&made->run, road, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_sha256_open(&made->last.canonical, road, err);
    }
    if (status == PINPIPE_OK) {
        made->signature = pp_alloc_zero(sizeof *made->signature);
        status = made->signature ? PINPIPE_OK : pp_fail_memory(err, "a signature", sizeof *made->signature);
    }
    if (status == PINPIPE_OK) {
        *out = made;
        made = NULL;
    }
    pinpipe_signer_free(made);
    return status;
}

pinpipe_status pinpipe_signer_new(pinpipe_signer **out, pinpipe_error *err) {
    assert(out);
    return pp_signer_new(out, pp_sha256_road_choose(), err);
}

void pinpipe_signer_free(pinpipe_signer *signer) {
    if (signer) {
        pp_signing_keys_close(&signer->keys);
        pp_sha256_close(&signer->run);
        pp_sha256_close(&signer->last.canonical);
        pinpipe_credentials_free(signer->last.credentials);
        pp_pairs_reset(&signer->headers);
        pp_pairs_reset(&signer->query);
        pinpipe_buf *const texts[] = {&signer->host,       &signer->scope,   &signer->names,
                                      &signer->credential, &signer->scratch, &signer->last.url};
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
            pp_buf_reset_secret(texts[i]);
        }
        pinpipe_signature_free(signer->signature);
        pp_wipe(signer, sizeof *signer);
        pp_free(signer);
    }
}

pinpipe_status pinpipe_signer_sign(const pinpipe_signature **out, pinpipe_signer *signer,
                                   const pinpipe_sign_request *request,
                                   const pinpipe_credentials *credentials,
                                   const pinpipe_sign_options *options, pinpipe_error *err) {
    assert(out);
    assert(signer);
    assert(credentials);
    *out = NULL;
    pinpipe_status status = PINPIPE_OK;
    if (template_fits(signer, request, credentials, options)) {
        status = template_sign(signer, request->body, err);
    } else {
        pp_sign_job job = {.request = request, .credentials = credentials, .options = options};
        signer->last.is_set = false;
        status = pp_sign_options_check(options, err);
        if (status == PINPIPE_OK) {
            status = pp_sign_request_check(request, err);
        }
        if (status == PINPIPE_OK) {
            status = request_sign(signer, &job, err);
        }
        if (status == PINPIPE_OK) {
            status = template_set(signer, &job, err);
        }
    }
    if (status == PINPIPE_OK) {
        signer->signature->body_bytes =
            pp_streaming_find(options->payload) ? pp_streaming_bytes(options) : (int64_t)request->body.len;
        *out = signer->signature;
    }
    return status;
}

pinpipe_status pinpipe_request_sign(pinpipe_signature **out, const pinpipe_sign_request *request,
                                    const pinpipe_credentials *credentials,
                                    const pinpipe_sign_options *options, pinpipe_error *err) {
    assert(out);
    *out = NULL;
    pinpipe_signer *signer = NULL;
    const pinpipe_signature *made = NULL;
    pinpipe_status status = pinpipe_signer_new(&signer, err);
    if (status == PINPIPE_OK) {
        status = pinpipe_signer_sign(&made, signer, request, credentials, options, err);
    }
    if (status == PINPIPE_OK) {
        *out = signer->signature;
        signer->signature = NULL;
    }
    pinpipe_signer_free(signer);
    return status;
}
