/* Turns options and environment into a client of one region's Kinesis.
 * Never sends a request before the first call.
 * Rules: docs/kinesis.md, "Endpoint"; AWS SDK reference, "Service-specific endpoints". */
#include "kinesis/client.h"

#if PINPIPE_WITH_KINESIS

#include <assert.h>
#include <string.h>

#include "aws/endpoint.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "io/clock.h"

#define CONNECT_TIMEOUT_MS 3100
#define CALL_TIMEOUT_MS 60000
#define ATTEMPTS_MAX 20

static pinpipe_status options_check(const pinpipe_kinesis_options *options, pinpipe_error *err) {
    if (!options || options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "Kinesis options lack their struct_size");
    }
    if (options->wire < PINPIPE_KINESIS_JSON || options->wire > PINPIPE_KINESIS_CBOR) {
        return pp_fail(err, PINPIPE_EINVAL, "wire: %d is none", options->wire);
    }
    if (options->connect_timeout_ms < 0 || options->timeout_ms < 0) {
        return pp_fail(err, PINPIPE_EINVAL, "timeouts: a negative one");
    }
    if (options->attempts_max < 0 || options->attempts_max > ATTEMPTS_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "attempts: %d, not 0 to %d", options->attempts_max, ATTEMPTS_MAX);
    }
    return PINPIPE_OK;
}

/* The endpoint that was given, that the surroundings have, or Amazon's own of the region. */
static pinpipe_status endpoint_choose(pinpipe_buf *out, pinpipe_str *region, const pinpipe_kinesis *kinesis,
                                      const pinpipe_kinesis_options *options, pinpipe_error *err) {
    const pp_settings *settings = pp_provider_settings(kinesis->provider);
    pinpipe_str given = options->endpoint;
    *region = options->region.len ? options->region : pinpipe_provider_region(kinesis->provider);
    given = given.len ? given : pp_settings_endpoint(settings, pp_str(PP_KINESIS_SERVICE));
    if (given.len) {
        *region = region->len ? *region : pp_str("us-east-1");
        return pp_buf_append(out, given.ptr, given.len, err);
    }
    if (!region->len) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "no region: none was given, AWS_REGION and AWS_DEFAULT_REGION are not set, and the "
                       "profile has none");
    }
    pp_endpoint_query query = {pp_str(PP_KINESIS_SERVICE), *region, pp_settings_variants(settings)};
    return pp_endpoint_compute(out, &query, err);
}

/* A gateway's requests are signed where it wants IAM, and by nobody else. */
static pinpipe_status gateway_open(pinpipe_kinesis *kinesis, pp_api_options *api,
                                   const pp_kinesis_place_options *options, pinpipe_error *err) {
    const pinpipe_kinesis_gateway *gateway = options->gateway;
    if (options->client->endpoint.len || options->client->wire != PINPIPE_KINESIS_JSON) {
        return pp_fail(err, PINPIPE_EINVAL, "a gateway has its own endpoint, and its wire is JSON");
    }
    pinpipe_status status = pp_gateway_set(&kinesis->gateway, gateway, options->stream, err);
    if (status < 0) {
        return status;
    }
    bool is_signed = gateway->auth == PINPIPE_KINESIS_GATEWAY_AUTH_IAM;
    api->endpoint = gateway->endpoint;
    api->api_key = gateway->api_key;
    api->service = is_signed ? "execute-api" : NULL;
    api->provider = is_signed ? kinesis->provider : NULL;
    api->region = options->client->region;
    status = pp_api_new(&kinesis->api, api, err);
    return status == PINPIPE_OK ? pp_api_endpoint_check(kinesis->api, "/streams/<stream>/records", err)
                                : status;
}

static pinpipe_status api_open(pinpipe_kinesis *kinesis, const pp_kinesis_place_options *place,
                               pinpipe_error *err) {
    const pinpipe_kinesis_options *options = place->client;
    pinpipe_buf endpoint = PINPIPE_BUF_INIT;
    pp_api_options api = {.service = PP_KINESIS_SERVICE,
                          .provider = kinesis->provider,
                          .ca_file = options->ca_file,
                          .connect_timeout_ms =
                              options->connect_timeout_ms ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS,
                          .attempts_max = options->attempts_max ? options->attempts_max : PP_RETRY_ATTEMPTS};
    if (place->gateway) {
        return gateway_open(kinesis, &api, place, err);
    }
    pinpipe_status status = endpoint_choose(&endpoint, &api.region, kinesis, options, err);
    if (status == PINPIPE_OK) {
        api.endpoint = pp_buf_view(&endpoint);
        status = pp_api_new(&kinesis->api, &api, err);
    }
    pinpipe_buf_reset(&endpoint);
    return status;
}

pinpipe_status pinpipe_kinesis_new(pinpipe_kinesis **out, const pinpipe_kinesis_options *options,
                                   pinpipe_error *err) {
    pp_kinesis_place_options place = {options, NULL, {NULL, 0}};
    return pp_kinesis_open(out, &place, err);
}

pinpipe_status pp_kinesis_open(pinpipe_kinesis **out, const pp_kinesis_place_options *place,
                               pinpipe_error *err) {
    const pinpipe_kinesis_options *options = place->client;
    assert(out);
    *out = NULL;
    pinpipe_status status = options_check(options, err);
    if (status < 0) {
        return status;
    }
    pinpipe_kinesis *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "a Kinesis client", sizeof *made);
    }
    pinpipe_provider_options own = PINPIPE_PROVIDER_OPTIONS_INIT;
    own.region = options->region;
    made->owners = 1;
    made->wire = (pinpipe_kinesis_wire)options->wire;
    made->timeout_ms = options->timeout_ms ? options->timeout_ms : CALL_TIMEOUT_MS;
    made->provider = pp_provider_retain(options->provider);
    bool is_keyless = place->gateway && place->gateway->auth == PINPIPE_KINESIS_GATEWAY_AUTH_NONE;
    status = made->provider || is_keyless ? PINPIPE_OK : pinpipe_provider_new(&made->provider, &own, err);
    if (status == PINPIPE_OK) {
        status = api_open(made, place, err);
    }
    if (status == PINPIPE_OK) {
        *out = made;
        made = NULL;
    }
    pinpipe_kinesis_free(made);
    return status;
}

pinpipe_kinesis *pp_kinesis_retain(pinpipe_kinesis *kinesis) {
    kinesis->owners++;
    return kinesis;
}

void pinpipe_kinesis_free(pinpipe_kinesis *kinesis) {
    if (kinesis && --kinesis->owners == 0) {
        if (kinesis->api) {
            pp_kinesis_call_reset(&kinesis->call, kinesis);
        }
        pp_api_free(kinesis->api);
        pinpipe_provider_free(kinesis->provider);
        pp_gateway_reset(&kinesis->gateway);
        pinpipe_buf_reset(&kinesis->names);
        pp_free(kinesis->name_at);
        pp_kinesis_shards_reset(&kinesis->shards);
        pp_free(kinesis);
    }
}

pinpipe_status pp_kinesis_deadline(int64_t *deadline_ms, const pinpipe_kinesis *kinesis, int64_t timeout_ms,
                                   pinpipe_error *err) {
    if (timeout_ms < 0) {
        return pp_fail(err, PINPIPE_EINVAL, "timeout: %lld ms", (long long)timeout_ms);
    }
    *deadline_ms = pp_clock_monotonic_ms() + (timeout_ms ? timeout_ms : kinesis->timeout_ms);
    return PINPIPE_OK;
}

pinpipe_status pp_kinesis_stream_check(pinpipe_str stream, pinpipe_error *err) {
    if (stream.len >= 1 && stream.len <= PP_KINESIS_STREAM_MAX) {
        return PINPIPE_OK;
    }
    return pp_fail(err, PINPIPE_EINVAL, "stream: a name of %zu bytes, not 1 to %d", stream.len,
                   PP_KINESIS_STREAM_MAX);
}

void pp_kinesis_write_stream(pp_kinesis_writer *writer, pinpipe_str stream) {
    bool is_arn = stream.len > 4 && memcmp(stream.ptr, "arn:", 4) == 0;
    pp_kinesis_write_key(writer, is_arn ? "StreamARN" : "StreamName");
    pp_kinesis_write_text(writer, stream);
}

#endif
