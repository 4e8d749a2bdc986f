/* Turns every call of pinpipe/s3.h into ENOTSUP where S3 was left out of the build.
 * Never compiled together with the client.
 * Rules: docs/architecture.md, "Parts that can be switched off". */
#include "pinpipe/s3.h"

#if !PINPIPE_WITH_S3

#include "base/error.h"

static pinpipe_status part_missing(pinpipe_error *err) {
    return pp_fail(err, PINPIPE_ENOTSUP, "this build has no S3 client (PINPIPE_WITH_S3=OFF)");
}

pinpipe_status pinpipe_s3_new(pinpipe_s3 **out, const pinpipe_s3_options *options, pinpipe_error *err) {
    (void)options;
    *out = NULL;
    return part_missing(err);
}

void pinpipe_s3_free(pinpipe_s3 *s3) {
    (void)s3;
}

pinpipe_status pinpipe_s3_bucket_put(pinpipe_s3 *s3, pinpipe_str bucket, int64_t timeout_ms,
                                     pinpipe_error *err) {
    (void)s3, (void)bucket, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_s3_bucket_delete(pinpipe_s3 *s3, pinpipe_str bucket, int64_t timeout_ms,
                                        pinpipe_error *err) {
    (void)s3, (void)bucket, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_s3_object_put(pinpipe_s3 *s3, pinpipe_s3_name name, pinpipe_str body,
                                     const pinpipe_s3_put_options *options, int64_t timeout_ms,
                                     pinpipe_error *err) {
    (void)s3, (void)name, (void)body, (void)options, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_s3_object_get(pinpipe_buf *out, pinpipe_s3 *s3, pinpipe_s3_name name,
                                     int64_t max_bytes, int64_t timeout_ms, pinpipe_error *err) {
    (void)out, (void)s3, (void)name, (void)max_bytes, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_s3_object_head(pinpipe_s3_object *out, pinpipe_s3 *s3, pinpipe_s3_name name,
                                      int64_t timeout_ms, pinpipe_error *err) {
    (void)out, (void)s3, (void)name, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_s3_object_delete(pinpipe_s3 *s3, pinpipe_s3_name name, int64_t timeout_ms,
                                        pinpipe_error *err) {
    (void)s3, (void)name, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_s3_list_new(pinpipe_s3_list **out, pinpipe_s3 *s3,
                                   const pinpipe_s3_list_options *options, pinpipe_error *err) {
    (void)s3, (void)options;
    *out = NULL;
    return part_missing(err);
}

void pinpipe_s3_list_free(pinpipe_s3_list *list) {
    (void)list;
}

pinpipe_status pinpipe_s3_list_next(pinpipe_s3_list *list, int64_t timeout_ms, pinpipe_error *err) {
    (void)list, (void)timeout_ms;
    return part_missing(err);
}

int64_t pinpipe_s3_list_count(const pinpipe_s3_list *list) {
    (void)list;
    return 0;
}

pinpipe_s3_object pinpipe_s3_list_at(const pinpipe_s3_list *list, int64_t index) {
    (void)list, (void)index;
    return (pinpipe_s3_object){.modified_us = -1};
}

#endif
