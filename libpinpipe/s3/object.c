/* Turns the public calls on buckets and single objects into operations.
 * Never sends an empty key, which would name the bucket.
 * Rules: Amazon S3 API Reference: CreateBucket, DeleteBucket, HeadObject, DeleteObject. */
#include "s3/client.h"

#if PINPIPE_WITH_S3

#include <assert.h>
#include <string.h>

#include "base/buffer.h"

#define METADATA_NAME_BYTES 256

pinpipe_status pinpipe_s3_bucket_put(pinpipe_s3 *s3, pinpipe_str bucket, int64_t timeout_ms,
                                     pinpipe_error *err) {
    assert(s3);
    pinpipe_buf body = PINPIPE_BUF_INIT;
    pp_s3_call call = {.method = "PUT",
                       .doing = "create",
                       .name = {bucket, {NULL, 0}},
                       .query = "",
                       .out = &s3->xml,
                       .out_max = PP_S3_XML_MAX};
    pinpipe_status status = PINPIPE_OK;
    /* us-east-1 is the one region that a constraint must not name. */
    if (!pp_str_is(pp_buf_view(&s3->region), "us-east-1")) {
        status = pp_buf_printf(&body, err,
                               "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                               "<LocationConstraint>%s</LocationConstraint></CreateBucketConfiguration>",
                               s3->region.ptr);
    }
    if (status == PINPIPE_OK) {
        call.body = pp_buf_view(&body);
        status = pp_s3_send(s3, &call, timeout_ms, err);
    }
    pinpipe_buf_reset(&body);
    return status;
}

pinpipe_status pinpipe_s3_bucket_delete(pinpipe_s3 *s3, pinpipe_str bucket, int64_t timeout_ms,
                                        pinpipe_error *err) {
    assert(s3);
    pp_s3_call call = {.method = "DELETE",
                       .doing = "delete",
                       .name = {bucket, {NULL, 0}},
                       .query = "",
                       .out = &s3->xml,
                       .out_max = PP_S3_XML_MAX};
    return pp_s3_send(s3, &call, timeout_ms, err);
}

pinpipe_status pinpipe_s3_object_head(pinpipe_s3_object *out, pinpipe_s3 *s3, pinpipe_s3_name name,
                                      int64_t timeout_ms, pinpipe_error *err) {
    assert(out && s3);
    *out = (pinpipe_s3_object){.modified_us = -1};
    pinpipe_status status = pp_s3_key_check(name.key, err);
    if (status < 0) {
        return status;
    }
    pp_s3_call call = {.method = "HEAD", .doing = "head", .name = name, .query = ""};
    status = pp_s3_send(s3, &call, timeout_ms, err);
    if (status < 0) {
        return status;
    }
    const pp_http_answer *answer = &s3->job.wire.answer;
    out->key = name.key;
    out->etag = pp_http_header(answer, "ETag");
    out->content_type = pp_http_header(answer, "Content-Type");
    out->modified_us = pp_http_date_us(pp_http_header(answer, "Last-Modified"));
    out->size_bytes = pp_s3_number_read(pp_http_header(answer, "Content-Length"));
    if (out->size_bytes < 0) {
        return pp_fail_service(err, PINPIPE_EDATA, PP_S3_SERVICE, answer->status,
                               "head s3://%.*s/%.*s: the answer tells no Content-Length",
                               pp_quote_len(name.bucket.len), name.bucket.ptr, pp_quote_len(name.key.len),
                               name.key.ptr);
    }
    return PINPIPE_OK;
}

pinpipe_str pinpipe_s3_metadata_text(const pinpipe_s3 *s3, pinpipe_str name) {
    char text[METADATA_NAME_BYTES] = "";
    if (name.len >= sizeof text) {
        return (pinpipe_str){NULL, 0};
    }
    memcpy(text, name.ptr, name.len);
    return pp_http_header(&s3->job.wire.answer, text);
}

pinpipe_status pinpipe_s3_object_delete(pinpipe_s3 *s3, pinpipe_s3_name name, int64_t timeout_ms,
                                        pinpipe_error *err) {
    assert(s3);
    pinpipe_status status = pp_s3_key_check(name.key, err);
    pp_s3_call call = {.method = "DELETE",
                       .doing = "delete",
                       .name = name,
                       .query = "",
                       .out = &s3->xml,
                       .out_max = PP_S3_XML_MAX};
    return status == PINPIPE_OK ? pp_s3_send(s3, &call, timeout_ms, err) : status;
}

#endif
