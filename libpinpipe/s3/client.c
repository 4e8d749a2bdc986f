/* Turns options and environment into a client of one endpoint.
 * Never opens a connection before the first call.
 * Rules: docs/s3.md, "Endpoint and region"; AWS SDK reference, "Service-specific endpoints". */
#include "s3/client.h"

#if PINPIPE_WITH_S3

#include <assert.h>
#include <string.h>

#include "aws/credentials.h"
#include "aws/uri.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "io/env.h"

#define CONNECT_TIMEOUT_MS 3100
#define CALL_TIMEOUT_MS 60000
#define ATTEMPTS 3
#define ATTEMPTS_MAX 20

/* Takes `given`, else the first variable that is set. */
static pinpipe_status setting_read(pinpipe_buf *out, pinpipe_str given, const char *const *variables,
                                   pinpipe_error *err) {
    pinpipe_status status = given.len ? pp_buf_append(out, given.ptr, given.len, err) : PINPIPE_OK;
    for (; status == PINPIPE_OK && out->len == 0 && *variables; variables++) {
        status = pp_env_read(out, *variables, err);
    }
    return status;
}

static pinpipe_status region_set(pinpipe_s3 *s3, pinpipe_str given, pinpipe_error *err) {
    static const char *const variables[] = {"AWS_REGION", "AWS_DEFAULT_REGION", NULL};
    pinpipe_status status = setting_read(&s3->region, given, variables, err);
    if (status == PINPIPE_OK && s3->region.len == 0) {
        status = s3->at_amazon
                     ? pp_fail(err, PINPIPE_EINVAL,
                               "no region: none was given, and AWS_REGION and AWS_DEFAULT_REGION are not set")
                     : pp_buf_append_text(&s3->region, "us-east-1", err);
    }
    for (size_t i = 0; status == PINPIPE_OK && i < s3->region.len; i++) {
        char byte = s3->region.ptr[i];
        if (!(byte >= 'a' && byte <= 'z') && !(byte >= '0' && byte <= '9') && byte != '-') {
            status = pp_fail(err, PINPIPE_EINVAL, "region '%.*s': only a to z, digits and '-' are allowed",
                             pp_quote_len(s3->region.len), s3->region.ptr);
        }
    }
    return status;
}

static pinpipe_status endpoint_compute(pinpipe_s3 *s3, pinpipe_error *err) {
    const char *suffix = "amazonaws.com";
    if (strncmp(s3->region.ptr, "cn-", 3) == 0) {
        suffix = "amazonaws.com.cn";
    } else if (strncmp(s3->region.ptr, "eusc-", 5) == 0) {
        suffix = "amazonaws.eu";
    }
    return pp_buf_printf(&s3->endpoint, err, "https://s3.%s.%s", s3->region.ptr, suffix);
}

/* The host as it will be signed, so that signature and Host header agree whatever the case it was written in.
 */
static pinpipe_status endpoint_take(pinpipe_s3 *s3, pinpipe_str text, pinpipe_error *err) {
    pp_url url;
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pinpipe_status status = pp_url_split(&url, text, &cause);
    if (status < 0) {
        return pp_fail(err, status, "endpoint: %s", cause.message);
    }
    if (url.query.len) {
        return pp_fail(err, PINPIPE_EINVAL, "endpoint: it has a query '%.*s'", pp_quote_len(url.query.len),
                       url.query.ptr);
    }
    while (url.path.len && url.path.ptr[url.path.len - 1] == '/') {
        url.path.len--;
    }
    status = pp_buf_append_text(&s3->endpoint, pp_url_is_https(&url) ? "https://" : "http://", err);
    if (status == PINPIPE_OK) {
        status = pp_url_host(&s3->endpoint, &url, err);
    }
    return status == PINPIPE_OK ? pp_buf_append(&s3->endpoint, url.path.ptr, url.path.len, err) : status;
}

static pinpipe_status place_set(pinpipe_s3 *s3, const pinpipe_s3_options *options, pinpipe_error *err) {
    static const char *const variables[] = {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", NULL};
    pinpipe_buf endpoint = PINPIPE_BUF_INIT;
    pinpipe_status status = setting_read(&endpoint, options->endpoint, variables, err);
    s3->at_amazon = endpoint.len == 0;
    if (status == PINPIPE_OK) {
        status = region_set(s3, options->region, err);
    }
    if (status == PINPIPE_OK) {
        status = s3->at_amazon ? endpoint_compute(s3, err) : endpoint_take(s3, pp_buf_view(&endpoint), err);
    }
    pinpipe_buf_reset(&endpoint);
    return status;
}

static pinpipe_status http_set(pinpipe_s3 *s3, const pinpipe_s3_options *options, pinpipe_error *err) {
    static const char *const variables[] = {"AWS_CA_BUNDLE", NULL};
    pinpipe_buf ca_file = PINPIPE_BUF_INIT;
    pinpipe_status status = setting_read(&ca_file, options->ca_file, variables, err);
    pp_http_options http = {ca_file.ptr,
                            options->connect_timeout_ms ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS};
    if (status == PINPIPE_OK) {
        status = pp_http_new(&s3->http, &http, err);
    }
    pinpipe_buf_reset(&ca_file);
    return status;
}

static pinpipe_status options_check(const pinpipe_s3_options *options, pinpipe_error *err) {
    if (!options || options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "S3 options lack their struct_size");
    }
    if (options->addressing < PINPIPE_S3_ADDRESSING_AUTO ||
        options->addressing > PINPIPE_S3_ADDRESSING_HOST) {
        return pp_fail(err, PINPIPE_EINVAL, "addressing: %d is none", options->addressing);
    }
    if (options->connect_timeout_ms < 0 || options->timeout_ms < 0) {
        return pp_fail(err, PINPIPE_EINVAL, "timeouts: a negative one");
    }
    if (options->attempts_max < 0 || options->attempts_max > ATTEMPTS_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "attempts: %d, not 0 to %d", options->attempts_max, ATTEMPTS_MAX);
    }
    return PINPIPE_OK;
}

pinpipe_status pinpipe_s3_new(pinpipe_s3 **out, const pinpipe_s3_options *options, pinpipe_error *err) {
    assert(out);
    *out = NULL;
    pinpipe_status status = options_check(options, err);
    if (status < 0) {
        return status;
    }
    pinpipe_s3 *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "an S3 client", sizeof *made);
    }
    made->addressing = options->addressing;
    made->timeout_ms = options->timeout_ms ? options->timeout_ms : CALL_TIMEOUT_MS;
    made->attempts_max = options->attempts_max ? options->attempts_max : ATTEMPTS;
    made->credentials = pp_credentials_retain(options->credentials);
    status = place_set(made, options, err);
    if (status == PINPIPE_OK && !made->credentials) {
        status = pinpipe_credentials_default(&made->credentials, err);
    }
    if (status == PINPIPE_OK) {
        status = http_set(made, options, err);
    }
    if (status == PINPIPE_OK) {
        *out = made;
        made = NULL;
    }
    pinpipe_s3_free(made);
    return status;
}

void pinpipe_s3_free(pinpipe_s3 *s3) {
    if (s3) {
        pp_http_free(s3->http);
        pinpipe_credentials_free(s3->credentials);
        pp_http_answer_reset(&s3->answer);
        pinpipe_buf_reset(&s3->endpoint);
        pinpipe_buf_reset(&s3->region);
        pinpipe_buf_reset(&s3->url);
        pinpipe_buf_reset(&s3->xml);
        pp_free(s3);
    }
}

/* ---- names and addresses ---- */

pinpipe_status pp_s3_bucket_check(pinpipe_str bucket, pinpipe_error *err) {
    if (bucket.len < 1 || bucket.len > PP_S3_BUCKET_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "bucket: a name of %zu bytes, not 1 to %d", bucket.len,
                       PP_S3_BUCKET_MAX);
    }
    for (size_t i = 0; i < bucket.len; i++) {
        char byte = bucket.ptr[i];
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        if (!letter && !(byte >= '0' && byte <= '9') && byte != '-' && byte != '.' && byte != '_') {
            return pp_fail(err, PINPIPE_EINVAL, "bucket '%.*s': byte %zu is 0x%02x", pp_quote_len(bucket.len),
                           bucket.ptr, i, (unsigned char)byte);
        }
    }
    if (bucket.ptr[0] == '.') {
        return pp_fail(err, PINPIPE_EINVAL, "bucket '%.*s': it begins with a dot", pp_quote_len(bucket.len),
                       bucket.ptr);
    }
    return PINPIPE_OK;
}

/* A host name takes lower-case letters, digits and '-'; a dot would miss the store's certificate. */
static bool bucket_is_label(pinpipe_str bucket) {
    for (size_t i = 0; i < bucket.len; i++) {
        char byte = bucket.ptr[i];
        if (!(byte >= 'a' && byte <= 'z') && !(byte >= '0' && byte <= '9') && byte != '-') {
            return false;
        }
    }
    return bucket.len >= 3 && bucket.len <= 63;
}

pinpipe_status pp_s3_url_write(pinpipe_buf *out, const pinpipe_s3 *s3, const pp_s3_call *call,
                               pinpipe_error *err) {
    pinpipe_str bucket = call->name.bucket;
    bool in_host = s3->addressing == PINPIPE_S3_ADDRESSING_HOST ||
                   (s3->addressing == PINPIPE_S3_ADDRESSING_AUTO && s3->at_amazon && bucket_is_label(bucket));
    const char *host = strstr(s3->endpoint.ptr, "://") + 3;
    pinpipe_status status = PINPIPE_OK;
    if (in_host && !bucket_is_label(bucket)) {
        return pp_fail(err, PINPIPE_EINVAL, "bucket '%.*s': it cannot stand in a host name",
                       pp_quote_len(bucket.len), bucket.ptr);
    }
    if (in_host) {
        status = pp_buf_printf(out, err, "%.*s%.*s.%s/", (int)(host - s3->endpoint.ptr), s3->endpoint.ptr,
                               (int)bucket.len, bucket.ptr, host);
    } else {
        status = pp_buf_printf(out, err, "%s/%.*s%s", s3->endpoint.ptr, (int)bucket.len, bucket.ptr,
                               call->name.key.len ? "/" : "");
    }
    if (status == PINPIPE_OK) {
        status = pp_uri_encode(out, call->name.key, PP_SLASH_KEPT, err);
    }
    return status == PINPIPE_OK && call->query[0] ? pp_buf_printf(out, err, "?%s", call->query) : status;
}

#endif
