/* Turns options and environment into a client of one endpoint.
 * Never opens a connection before the first call.
 * Rules: docs/s3.md, "Endpoint and region"; AWS SDK reference, "Service-specific endpoints". */
#include "s3/client.h"

#if PINPIPE_WITH_S3

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "aws/endpoint.h"
#include "aws/uri.h"
#include "base/buffer.h"
#include "base/checksum.h"
#include "base/memory.h"
#include "io/env.h"
#include "text/base64.h"
#include "text/number.h"

#define CONNECT_TIMEOUT_MS 3100
#define CALL_TIMEOUT_MS 60000
#define ATTEMPTS_MAX 20
#define IN_FLIGHT 4
#define IN_FLIGHT_MAX 64

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

pinpipe_status pp_s3_endpoint_compute(pinpipe_buf *out, const pinpipe_s3 *s3, const char *region,
                                      pinpipe_error *err) {
    pp_endpoint_query query = {pp_str(PP_S3_SERVICE), pp_str(region),
                               pp_settings_variants(pp_provider_settings(s3->provider))};
    return pp_endpoint_compute(out, &query, err);
}

static pinpipe_status place_set(pinpipe_s3 *s3, const pinpipe_s3_options *options, pinpipe_error *err) {
    pinpipe_str endpoint = options->endpoint;
    if (!endpoint.len) {
        endpoint = pp_settings_endpoint(pp_provider_settings(s3->provider), pp_str(PP_S3_SERVICE));
    }
    s3->at_amazon = endpoint.len == 0;
    pinpipe_status status = region_set(s3, options->region, err);
    if (status == PINPIPE_OK) {
        status = s3->at_amazon ? pp_s3_endpoint_compute(&s3->endpoint, s3, s3->region.ptr, err)
                               : pp_url_endpoint(&s3->endpoint, NULL, endpoint, err);
    }
    s3->is_https = status == PINPIPE_OK && strncmp(s3->endpoint.ptr, "https:", 6) == 0;
    return status;
}

static pinpipe_status http_set(pinpipe_s3 *s3, const pinpipe_s3_options *options, pinpipe_error *err) {
    const pp_settings *settings = pp_provider_settings(s3->provider);
    pinpipe_str bundle = options->ca_file;
    bundle = bundle.len ? bundle : pp_environment_get(&settings->environment, PP_ENV_CA_BUNDLE);
    pinpipe_status status = pp_buf_append(&s3->ca_file, bundle.ptr, bundle.len, err);
    s3->connect_timeout_ms = options->connect_timeout_ms ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    pp_http_options http = {.ca_file = s3->ca_file.ptr, .connect_timeout_ms = s3->connect_timeout_ms};
    return status == PINPIPE_OK ? pp_flight_new(&s3->flight, &http, err) : status;
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

/* What is sent with requests as it was given; the signer refuses what no header can be. */
static pinpipe_status wishes_set(pinpipe_s3 *s3, const pinpipe_s3_options *options, pinpipe_error *err) {
    const struct {
        pinpipe_buf *to;
        pinpipe_str from;
    } copies[] = {{&s3->owner, options->expected_owner},
                  {&s3->payer, options->request_payer},
                  {&s3->sse, options->encryption},
                  {&s3->sse_key, options->encryption_key},
                  {&s3->sse_context, options->encryption_context}};
    pinpipe_status status = PINPIPE_OK;
    for (size_t i = 0; status == PINPIPE_OK && i < sizeof copies / sizeof copies[0]; i++) {
        status = pp_buf_append(copies[i].to, copies[i].from.ptr, copies[i].from.len, err);
    }
    return status;
}

static bool text_is_ignoring_case(pinpipe_str text, const char *other) {
    return text.len == strlen(other) && strncasecmp(text.ptr, other, text.len) == 0;
}

/* What the environment says of checksums: "when_required" turns them off. */
static pinpipe_status is_left_out(bool *out, const char *name, pinpipe_error *err) {
    pinpipe_buf told = PINPIPE_BUF_INIT;
    pinpipe_status status = pp_env_read(&told, name, err);
    *out = text_is_ignoring_case(pp_buf_view(&told), "when_required");
    pinpipe_buf_reset(&told);
    return status;
}

static pinpipe_status checksums_set(pinpipe_s3 *s3, const pinpipe_s3_options *options, pinpipe_error *err) {
    static const pinpipe_checksum rows[] = {PINPIPE_CHECKSUM_CRC64NVME, PINPIPE_CHECKSUM_NONE,
                                            PINPIPE_CHECKSUM_CRC32C, PINPIPE_CHECKSUM_CRC64NVME};
    bool is_unsent = false, is_unread = false;
    pinpipe_status status = is_left_out(&is_unsent, "AWS_REQUEST_CHECKSUM_CALCULATION", err);
    if (status == PINPIPE_OK) {
        status = is_left_out(&is_unread, "AWS_RESPONSE_CHECKSUM_VALIDATION", err);
    }
    bool is_off = options->checksum == PINPIPE_S3_CHECKSUM_AUTO && (!s3->at_amazon || is_unsent);
    s3->checksum = is_off ? PINPIPE_CHECKSUM_NONE : rows[options->checksum];
    s3->is_validating = options->validation == PINPIPE_S3_VALIDATION_AUTO && !is_unread;
    return status;
}

uint64_t pp_s3_checksum_add(pinpipe_checksum checksum, uint64_t crc, pinpipe_str bytes) {
    switch (checksum) {
    case PINPIPE_CHECKSUM_CRC32:
        return pp_crc32((uint32_t)crc, bytes.ptr, bytes.len);
    case PINPIPE_CHECKSUM_CRC32C:
        return pp_crc32c((uint32_t)crc, bytes.ptr, bytes.len);
    case PINPIPE_CHECKSUM_CRC64NVME:
        return pp_crc64nvme(crc, bytes.ptr, bytes.len);
    default:
        return 0;
    }
}

void pp_s3_checksum_text(char out[PP_S3_CHECKSUM_BYTES], pinpipe_checksum checksum, uint64_t crc) {
    char digest[8];
    size_t size = checksum == PINPIPE_CHECKSUM_CRC64NVME ? 8 : 4;
    for (size_t i = 0; i < size; i++) {
        digest[i] = (char)(unsigned char)(crc >> (8 * (size - 1 - i)));
    }
    pp_base64_write(out, digest, size);
    out[PP_BASE64_LEN(size)] = '\0';
}

void pp_s3_checksum_write(char out[PP_S3_CHECKSUM_BYTES], const pinpipe_s3 *s3, pinpipe_str bytes) {
    out[0] = '\0';
    if (s3->checksum != PINPIPE_CHECKSUM_NONE) {
        pp_s3_checksum_text(out, s3->checksum, pp_s3_checksum_add(s3->checksum, 0, bytes));
    }
}

static pinpipe_status numbers_check(const pinpipe_s3_options *options, pinpipe_error *err) {
    if (options->in_flight < 0 || options->in_flight > IN_FLIGHT_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "in_flight: %d, not 1 to %d", options->in_flight, IN_FLIGHT_MAX);
    }
    if (options->part_bytes &&
        (options->part_bytes < PP_S3_PART_MIN || options->part_bytes > PP_S3_PART_MAX)) {
        return pp_fail(err, PINPIPE_EINVAL, "part_bytes: %lld, not 5 MiB to 5 GiB",
                       (long long)options->part_bytes);
    }
    if (options->payload < PINPIPE_S3_PAYLOAD_AUTO || options->payload > PINPIPE_S3_PAYLOAD_SIGNED) {
        return pp_fail(err, PINPIPE_EINVAL, "payload: %d is none", options->payload);
    }
    if (options->checksum < PINPIPE_S3_CHECKSUM_AUTO || options->checksum > PINPIPE_S3_CHECKSUM_CRC64NVME) {
        return pp_fail(err, PINPIPE_EINVAL, "checksum: %d is none", options->checksum);
    }
    if (options->validation < PINPIPE_S3_VALIDATION_AUTO ||
        options->validation > PINPIPE_S3_VALIDATION_NONE) {
        return pp_fail(err, PINPIPE_EINVAL, "validation: %d is none", options->validation);
    }
    return PINPIPE_OK;
}

static pinpipe_status options_check(const pinpipe_s3_options *options, pinpipe_error *err) {
    if (options->struct_size < sizeof *options) {
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
    return numbers_check(options, err);
}

pinpipe_status pinpipe_s3_new(pinpipe_s3 **out, const pinpipe_s3_options *options, pinpipe_error *err) {
    assert(out);
    const pinpipe_s3_options defaults = PINPIPE_S3_OPTIONS_INIT;
    *out = NULL;
    options = options ? options : &defaults;
    pinpipe_status status = options_check(options, err);
    if (status < 0) {
        return status;
    }
    pinpipe_s3 *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "an S3 client", sizeof *made);
    }
    made->owners = 1;
    made->addressing = options->addressing;
    made->timeout_ms = options->timeout_ms ? options->timeout_ms : CALL_TIMEOUT_MS;
    made->in_flight = options->in_flight ? options->in_flight : IN_FLIGHT;
    made->part_bytes = options->part_bytes ? options->part_bytes : PP_S3_PART_DEFAULT;
    made->payload = options->payload;
    status = provider_set(made, options, err);
    if (status == PINPIPE_OK) {
        status = attempts_set(made, options, err);
    }
    if (status == PINPIPE_OK) {
        status = place_set(made, options, err);
    }
    if (status == PINPIPE_OK) {
        status = wishes_set(made, options, err);
    }
    if (status == PINPIPE_OK) {
        status = checksums_set(made, options, err);
    }
    if (status == PINPIPE_OK) {
        status = pinpipe_signer_new(&made->signer, err);
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

pinpipe_status pp_s3_copy(pinpipe_s3 **out, const pinpipe_s3 *s3, pinpipe_error *err) {
    static const int32_t checksums[] = {[PINPIPE_CHECKSUM_NONE] = PINPIPE_S3_CHECKSUM_NONE,
                                        [PINPIPE_CHECKSUM_CRC32C] = PINPIPE_S3_CHECKSUM_CRC32C,
                                        [PINPIPE_CHECKSUM_CRC64NVME] = PINPIPE_S3_CHECKSUM_CRC64NVME};
    pinpipe_s3_options options = PINPIPE_S3_OPTIONS_INIT;
    options.addressing = s3->addressing;
    options.provider = s3->provider;
    options.endpoint = s3->at_amazon ? options.endpoint : pp_buf_view(&s3->endpoint);
    options.region = pp_buf_view(&s3->region);
    options.ca_file = pp_buf_view(&s3->ca_file);
    options.connect_timeout_ms = s3->connect_timeout_ms;
    options.timeout_ms = s3->timeout_ms;
    options.attempts_max = s3->retry.attempts_max;
    options.retry =
        s3->retry.mode == PP_RETRY_STANDARD ? PINPIPE_RETRY_STANDARD : PINPIPE_RETRY_STANDARD_FORMER;
    options.in_flight = s3->in_flight;
    options.part_bytes = s3->part_bytes;
    options.payload = s3->payload;
    options.checksum = checksums[s3->checksum];
    options.expected_owner = pp_buf_view(&s3->owner);
    options.request_payer = pp_buf_view(&s3->payer);
    options.encryption = pp_buf_view(&s3->sse);
    options.encryption_key = pp_buf_view(&s3->sse_key);
    options.encryption_context = pp_buf_view(&s3->sse_context);
    return pinpipe_s3_new(out, &options, err);
}

pinpipe_s3 *pp_s3_retain(pinpipe_s3 *s3) {
    s3->owners++;
    return s3;
}

void pinpipe_s3_free(pinpipe_s3 *s3) {
    if (s3 && --s3->owners == 0) {
        pp_s3_job_reset(&s3->job, s3);
        pp_flight_free(s3->flight);
        pinpipe_signer_free(s3->signer);
        pinpipe_provider_free(s3->provider);
        pp_s3_places_reset(s3);
        for (int32_t i = 0; i < s3->spare_count; i++) {
            pinpipe_buf_reset(&s3->spares[i]);
        }
        pinpipe_buf *const held[] = {&s3->endpoint, &s3->region,      &s3->owner, &s3->payer,  &s3->sse,
                                     &s3->sse_key,  &s3->sse_context, &s3->xml,   &s3->ca_file};
        for (size_t i = 0; i < sizeof held / sizeof held[0]; i++) {
            pinpipe_buf_reset(held[i]);
        }
        pp_free(s3);
    }
}

/* ---- names and addresses ---- */

pinpipe_status pp_s3_key_check(pinpipe_str key, pinpipe_error *err) {
    if (key.len >= 1 && key.len <= PP_S3_KEY_MAX) {
        return PINPIPE_OK;
    }
    return pp_fail(err, PINPIPE_EINVAL, "key: %zu bytes, not 1 to %d", key.len, PP_S3_KEY_MAX);
}

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
    const pp_s3_place *place = pp_s3_place_find(s3, bucket);
    const char *base = place && place->endpoint.len ? place->endpoint.ptr : s3->endpoint.ptr;
    const char *host = strstr(base, "://") + 3;
    pinpipe_status status = PINPIPE_OK;
    if (in_host && !bucket_is_label(bucket)) {
        return pp_fail(err, PINPIPE_EINVAL, "bucket '%.*s': it cannot stand in a host name",
                       pp_quote_len(bucket.len), bucket.ptr);
    }
    if (in_host) {
        status = pp_buf_printf(out, err, "%.*s%.*s.%s/", (int)(host - base), base, (int)bucket.len,
                               bucket.ptr, host);
    } else {
        status = pp_buf_printf(out, err, "%s/%.*s%s", base, (int)bucket.len, bucket.ptr,
                               call->name.key.len ? "/" : "");
    }
    if (status == PINPIPE_OK) {
        status = pp_uri_encode(out, call->name.key, PP_SLASH_KEPT, err);
    }
    return status == PINPIPE_OK && call->query[0] ? pp_buf_printf(out, err, "?%s", call->query) : status;
}

#endif
