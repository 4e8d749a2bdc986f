/* Turns every call on a REST proxy into ENOTSUP where the HTTP client was left out of the build.
 * Never compiled together with the client.
 * Rules: docs/architecture.md, "Parts that can be switched off". */
#include "pinpipe/kafka_rest.h"

#if !PINPIPE_WITH_S3

#include "base/error.h"

static pinpipe_status part_missing(pinpipe_error *err) {
    return pp_fail(err, PINPIPE_ENOTSUP, "this build has no HTTP client (PINPIPE_WITH_S3=OFF)");
}

pinpipe_status pinpipe_kafka_rest_new(pinpipe_kafka_rest **out, const pinpipe_kafka_rest_options *options,
                                      pinpipe_error *err) {
    *out = NULL;
    (void)options;
    return part_missing(err);
}

void pinpipe_kafka_rest_free(pinpipe_kafka_rest *rest) {
    (void)rest;
}

pinpipe_status pinpipe_kafka_rest_write(pinpipe_kafka_rest *rest, const pinpipe_kafka_rest_record *record,
                                        int64_t timeout_ms, pinpipe_error *err) {
    (void)rest;
    (void)record;
    (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_kafka_rest_lines_write(int64_t *taken_bytes, pinpipe_kafka_rest *rest,
                                              const pinpipe_kafka_rest_record *lines, int64_t timeout_ms,
                                              pinpipe_error *err) {
    *taken_bytes = 0;
    return pinpipe_kafka_rest_write(rest, lines, timeout_ms, err);
}

pinpipe_status pinpipe_kafka_rest_flush(pinpipe_kafka_rest *rest, int64_t timeout_ms, pinpipe_error *err) {
    (void)rest;
    (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_kafka_rest_poll(pinpipe_kafka_rest *rest, pinpipe_error *err) {
    (void)rest;
    return part_missing(err);
}

pinpipe_status pinpipe_kafka_rest_next(pinpipe_kafka_rest_result *out, pinpipe_kafka_rest *rest) {
    (void)out;
    (void)rest;
    return PINPIPE_DONE;
}

int64_t pinpipe_kafka_rest_count(const pinpipe_kafka_rest *rest, int32_t counter) {
    (void)rest;
    (void)counter;
    return 0;
}

#endif
