/* Turns options and environment into a client of one endpoint.
 * Never opens a connection before the first call.
 * Rules: docs/s3.md, "Endpoint and region"; AWS SDK reference, "Service-specific endpoints". */
#include "s3/client.h"

#if PINPIPE_WITH_S3

#include <assert.h>
#include <string.h>

#include "aws/endpoint.h"
#include "aws/uri.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "text/number.h"

#define CONNECT_TIMEOUT_MS 3100
#define CALL_TIMEOUT_MS 60000
#define ATTEMPTS_MAX 20

static pinpipe_status region_set(pinpipe_s3 *s3, pinpipe_str given, pinpipe_error *err) {
    pinpipe_str region = given.len ? given : pinpipe_provider_region(s3->provider);
    if (!region.len) {
        if (s3->at_amazon) {
            return pp_fail(
                err, PINPIPE_EINVAL,
                "no region: none was given, AWS_REGION and AWS_DEFAULT_REGION are not set, and the "
                "profile has none");
        }
        region = pp_str("us-east-1");
    }
    pinpipe_status status = pp_region_check(region, err);
    return status == PINPIPE_OK ? pp_buf_append(&s3->region, region.ptr, region.len, err) : status;
}

static pinpipe_status endpoint_compute(pinpipe_s3 *s3, pinpipe_error *err) {
    pp_endpoint_query query = {pp_str(PP_S3_SERVICE), pp_buf_view(&s3->region),
                               pp_settings_variants(pp_provider_settings(s3->provider))};
    return pp_endpoint_compute(&s3->endpoint, &query, err);
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
    pinpipe_str endpoint = options->endpoint;
    if (!endpoint.len) {
        endpoint = pp_settings_endpoint(pp_provider_settings(s3->provider), pp_str(PP_S3_SERVICE));
    }
    s3->at_amazon = endpoint.len == 0;
    pinpipe_status status = region_set(s3, options->region, err);
    if (status == PINPIPE_OK) {
        status = s3->at_amazon ? endpoint_compute(s3, err) : endpoint_take(s3, endpoint, err);
    }
    return status;
}

static pinpipe_status http_set(pinpipe_s3 *s3, const pinpipe_s3_options *options, pinpipe_error *err) {
    const pp_settings *settings = pp_provider_settings(s3->provider);
    pinpipe_str bundle = options->ca_file;
    pinpipe_buf ca_file = PINPIPE_BUF_INIT;
    bundle = bundle.len ? bundle : pp_environment_get(&settings->environment, PP_ENV_CA_BUNDLE);
    pinpipe_status status = pp_buf_append(&ca_file, bundle.ptr, bundle.len, err);
    pp_http_options http = {.ca_file = ca_file.ptr,
                            .connect_timeout_ms = options->connect_timeout_ms ? options->connect_timeout_ms
                                                                              : CONNECT_TIMEOUT_MS};
    if (status == PINPIPE_OK) {
        status = pp_http_new(&s3->http, &http, err);
    }
    pinpipe_buf_reset(&ca_file);
    return status;
}

static pinpipe_status provider_set(pinpipe_s3 *s3, const pinpipe_s3_options *options, pinpipe_error *err) {
    pinpipe_provider_options own = PINPIPE_PROVIDER_OPTIONS_INIT;
    own.credentials = options->credentials;
    own.region = options->region;
    s3->provider = pp_provider_retain(options->credentials ? NULL : options->provider);
    return s3->provider ? PINPIPE_OK : pinpipe_provider_new(&s3->provider, &own, err);
}

/* Given, AWS_MAX_ATTEMPTS, the profile's max_attempts. */
static pinpipe_status attempts_set(pinpipe_s3 *s3, const pinpipe_s3_options *options, pinpipe_error *err) {
    const pp_settings *settings = pp_provider_settings(s3->provider);
    pinpipe_str text = pp_environment_get(&settings->environment, PP_ENV_MAX_ATTEMPTS);
    int64_t attempts = options->attempts_max;
    text = text.len ? text : pp_settings_profile_get(settings, "max_attempts");
    if (!attempts && text.len &&
        (pp_number_i64(&attempts, text) != PP_NUMBER_OK || attempts < 1 || attempts > ATTEMPTS_MAX)) {
        return pp_fail(err, PINPIPE_EINVAL, "attempts: '%.*s' is not 1 to %d", pp_quote_len(text.len),
                       text.ptr, ATTEMPTS_MAX);
    }
    pp_retry_init(&s3->retry,
                  options->retry == PINPIPE_RETRY_STANDARD ? PP_RETRY_STANDARD : PP_RETRY_STANDARD_FORMER,
                  attempts ? (int32_t)attempts : PP_RETRY_ATTEMPTS);
    return PINPIPE_OK;
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
    if (options->retry < PINPIPE_RETRY_STANDARD || options->retry > PINPIPE_RETRY_STANDARD_FORMER) {
        return pp_fail(err, PINPIPE_EINVAL, "retry: %d is none", options->retry);
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
    status = provider_set(made, options, err);
    if (status == PINPIPE_OK) {
        status = attempts_set(made, options, err);
    }
    if (status == PINPIPE_OK) {
        status = place_set(made, options, err);
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
        pinpipe_provider_free(s3->provider);
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
