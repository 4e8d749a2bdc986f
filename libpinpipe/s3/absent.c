/* Turns every call of pinpipe/s3.h into ENOTSUP where S3 was left out of the build.
 * Never compiled together with the client.
 * Rules: docs/architecture.md, "Parts that can be switched off". */
#include "s3/copy.h"

#if !PINPIPE_WITH_S3

#include "base/error.h"
#include "s3/many.h"

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

pinpipe_status pinpipe_s3_object_get_into(int64_t *size_bytes, pinpipe_s3 *s3, pinpipe_s3_name name,
                                          pinpipe_s3_room_fn room, void *user, int64_t max_bytes,
                                          int64_t timeout_ms, pinpipe_error *err) {
    (void)s3, (void)name, (void)room, (void)user, (void)max_bytes, (void)timeout_ms;
    *size_bytes = 0;
    return part_missing(err);
}

pinpipe_status pinpipe_s3_object_head(pinpipe_s3_object *out, pinpipe_s3 *s3, pinpipe_s3_name name,
                                      int64_t timeout_ms, pinpipe_error *err) {
    (void)out, (void)s3, (void)name, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_str pinpipe_s3_metadata_text(const pinpipe_s3 *s3, pinpipe_str name) {
    (void)s3, (void)name;
    return (pinpipe_str){NULL, 0};
}

pinpipe_status pp_s3_copy(pinpipe_s3 **out, const pinpipe_s3 *s3, pinpipe_error *err) {
    (void)s3;
    *out = NULL;
    return part_missing(err);
}

pinpipe_status pinpipe_s3_object_delete(pinpipe_s3 *s3, pinpipe_s3_name name, int64_t timeout_ms,
                                        pinpipe_error *err) {
    (void)s3, (void)name, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_s3_object_sign(pinpipe_buf *url, pinpipe_s3 *s3, pinpipe_s3_name name,
                                      const pinpipe_s3_sign_options *options, int64_t timeout_ms,
                                      pinpipe_error *err) {
    (void)url, (void)s3, (void)name, (void)options, (void)timeout_ms;
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

pinpipe_status pinpipe_s3_objects_delete(pinpipe_s3 *s3, pinpipe_str bucket, const pinpipe_str *keys,
                                         int64_t count, int64_t timeout_ms, pinpipe_error *err) {
    (void)s3, (void)bucket, (void)keys, (void)count, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_s3_reader_new(pinpipe_s3_reader **out, pinpipe_s3 *s3,
                                     const pinpipe_s3_reader_options *options, pinpipe_error *err) {
    (void)s3, (void)options;
    *out = NULL;
    return part_missing(err);
}

void pinpipe_s3_reader_free(pinpipe_s3_reader *reader) {
    (void)reader;
}

pinpipe_status pinpipe_s3_reader_next(pinpipe_s3_piece *out, pinpipe_s3_reader *reader, int64_t timeout_ms,
                                      pinpipe_error *err) {
    (void)out, (void)reader, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_s3_upload_open(pinpipe_s3_upload **out, pinpipe_s3 *s3, pinpipe_s3_name name,
                                      const pinpipe_s3_upload_options *options, pinpipe_error *err) {
    (void)s3, (void)name, (void)options;
    *out = NULL;
    return part_missing(err);
}

pinpipe_status pinpipe_s3_upload_write(pinpipe_s3_upload *upload, pinpipe_str bytes, int64_t timeout_ms,
                                       pinpipe_error *err) {
    (void)upload, (void)bytes, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_s3_upload_commit(pinpipe_s3_upload *upload, int64_t timeout_ms, pinpipe_error *err) {
    (void)upload, (void)timeout_ms;
    return part_missing(err);
}

pinpipe_status pinpipe_s3_upload_clear(pinpipe_s3_upload *upload, int64_t timeout_ms, pinpipe_error *err) {
    (void)upload, (void)timeout_ms;
    return part_missing(err);
}

void pinpipe_s3_upload_free(pinpipe_s3_upload *upload) {
    (void)upload;
}

pinpipe_status pinpipe_s3_uploads_clear(int64_t *count, pinpipe_s3 *s3, pinpipe_s3_name prefix, int64_t age_s,
                                        int64_t timeout_ms, pinpipe_error *err) {
    (void)s3, (void)prefix, (void)age_s, (void)timeout_ms;
    *count = 0;
    return part_missing(err);
}

pinpipe_status pp_s3_many_run(pp_s3_one *all, size_t count, pinpipe_s3 *s3, pinpipe_str bucket,
                              int64_t text_max, int64_t timeout_ms, pinpipe_error *err) {
    (void)all, (void)count, (void)s3, (void)bucket, (void)text_max, (void)timeout_ms;
    return part_missing(err);
}

#endif
