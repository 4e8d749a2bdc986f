/* Turns every call on a gateway into ENOTSUP where it was left out of the build, or Kafka was.
 * Never compiled together with the server.
 * Rules: docs/architecture.md, "Parts that can be switched off". */
#include "pinpipe/gateway.h"

#if !PINPIPE_WITH_GATEWAY

#include "base/error.h"

static pinpipe_status part_missing(pinpipe_error *err) {
    return pp_fail(err, PINPIPE_ENOTSUP, "this build has no gateway (PINPIPE_WITH_GATEWAY=OFF)");
}

pinpipe_status pinpipe_gateway_open(pinpipe_gateway **out, const pinpipe_gateway_options *options,
                                    pinpipe_error *err) {
    *out = NULL;
    (void)options;
    return part_missing(err);
}

pinpipe_status pinpipe_gateway_poll(pinpipe_gateway *gateway, int64_t timeout_ms, pinpipe_error *err) {
    (void)gateway, (void)timeout_ms;
    return part_missing(err);
}

void pinpipe_gateway_stop(pinpipe_gateway *gateway) {
    (void)gateway;
}

pinpipe_status pinpipe_gateway_drain(pinpipe_gateway *gateway, int64_t timeout_ms, pinpipe_error *err) {
    (void)gateway, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_gateway_certificate_set(pinpipe_gateway *gateway, pinpipe_str certificate,
                                               pinpipe_str key, pinpipe_error *err) {
    (void)gateway, (void)certificate, (void)key;
    return part_missing(err);
}

void pinpipe_gateway_free(pinpipe_gateway *gateway) {
    (void)gateway;
}

pinpipe_str pinpipe_gateway_address(const pinpipe_gateway *gateway) {
    (void)gateway;
    return (pinpipe_str){"", 0};
}

int64_t pinpipe_gateway_count(const pinpipe_gateway *gateway, int32_t counter) {
    (void)gateway, (void)counter;
    return 0;
}

#endif
