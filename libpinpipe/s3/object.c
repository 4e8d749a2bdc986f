/* Turns the public calls on buckets and single objects into operations.
 * Never sends an empty key, which would name the bucket.
 * Rules: Amazon S3 API Reference: CreateBucket, DeleteBucket, Put-, Get-, Head- and DeleteObject. */
#include "s3/client.h"

#if PINPIPE_WITH_S3

#include <assert.h>
#include <string.h>

#include "base/buffer.h"

#define PUT_MAX_BYTES ((uint64_t)5 << 30)
#define DEFAULT_CONTENT_TYPE "application/octet-stream"

static pinpipe_status key_check(pinpipe_str key, pinpipe_error *err) {
    return key.len ? PINPIPE_OK : pp_fail(err, PINPIPE_EINVAL, "key: it is empty");
}

pinpipe_status pinpipe_s3_bucket_put(pinpipe_s3 *s3, pinpipe_str bucket, int64_t timeout_ms,
                                     pinpipe_error *err) {
    assert(s3);
    pinpipe_buf body = PINPIPE_BUF_INIT;
    pp_s3_call call = {.method = "PUT", .doing = "create", .name = {bucket, {NULL, 0}}, .query = ""};
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
    pp_s3_call call = {.method = "DELETE", .doing = "delete", .name = {bucket, {NULL, 0}}, .query = ""};
    return pp_s3_send(s3, &call, timeout_ms, err);
}

static pinpipe_status put_check(const pinpipe_s3_put_options *options, pinpipe_str body, pinpipe_error *err) {
    if (options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "put options lack their struct_size");
    }
    if (options->flags & ~PINPIPE_S3_PUT_NEW) {
        return pp_fail(err, PINPIPE_EINVAL, "put flags: 0x%x are unknown", (unsigned int)options->flags);
    }
    if (body.len > PUT_MAX_BYTES) {
        return pp_fail(err, PINPIPE_ELIMIT, "body: %zu bytes are more than the 5 GiB of one put", body.len);
    }
    return PINPIPE_OK;
}

pinpipe_status pinpipe_s3_object_put(pinpipe_s3 *s3, pinpipe_s3_name name, pinpipe_str body,
                                     const pinpipe_s3_put_options *options, int64_t timeout_ms,
                                     pinpipe_error *err) {
    assert(s3);
    const pinpipe_s3_put_options plain = PINPIPE_S3_PUT_OPTIONS_INIT;
    options = options ? options : &plain;
    pinpipe_status status = key_check(name.key, err);
    if (status == PINPIPE_OK) {
        status = put_check(options, body, err);
    }
    if (status < 0) {
        return status;
    }
    const pinpipe_header headers[] = {
        {pp_str("content-type"),
         options->content_type.len ? options->content_type : pp_str(DEFAULT_CONTENT_TYPE)},
        {pp_str("if-none-match"), pp_str("*")},
    };
    pp_s3_call call = {.method = "PUT",
                       .doing = "put",
                       .name = name,
                       .query = "",
                       .headers = headers,
                       .header_count = options->flags & PINPIPE_S3_PUT_NEW ? 2 : 1,
                       .body = body};
    return pp_s3_send(s3, &call, timeout_ms, err);
}

pinpipe_status pinpipe_s3_object_get(pinpipe_buf *out, pinpipe_s3 *s3, pinpipe_s3_name name,
                                     int64_t max_bytes, int64_t timeout_ms, pinpipe_error *err) {
    assert(out && s3);
    pp_buf_clear(out);
    if (max_bytes < 0) {
        return pp_fail(err, PINPIPE_EINVAL, "max_bytes: %lld", (long long)max_bytes);
    }
    pinpipe_status status = key_check(name.key, err);
    if (status < 0) {
        return status;
    }
    bool smaller = max_bytes && (uint64_t)max_bytes < PP_BUF_MAX;
    pp_s3_call call = {.method = "GET",
                       .doing = "get",
                       .name = name,
                       .query = "",
                       .out = out,
                       .out_max = smaller ? (size_t)max_bytes : PP_BUF_MAX};
    status = pp_s3_send(s3, &call, timeout_ms, err);
    /* An empty object has no body to take, and a caller may rely on the final NUL. */
    return status == PINPIPE_OK ? pp_buf_append(out, "", 0, err) : status;
}

static int64_t size_read(const pp_http_answer *answer) {
    pinpipe_str text = pp_http_header(answer, "Content-Length");
    int64_t size = 0;
    for (size_t i = 0; i < text.len && i < 18; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return -1;
        }
        size = size * 10 + (text.ptr[i] - '0');
    }
    return text.len && text.len <= 18 ? size : -1;
}

pinpipe_status pinpipe_s3_object_head(pinpipe_s3_object *out, pinpipe_s3 *s3, pinpipe_s3_name name,
                                      int64_t timeout_ms, pinpipe_error *err) {
    assert(out && s3);
    *out = (pinpipe_s3_object){.modified_us = -1};
    pinpipe_status status = key_check(name.key, err);
    if (status < 0) {
        return status;
    }
    pp_s3_call call = {.method = "HEAD", .doing = "head", .name = name, .query = ""};
    status = pp_s3_send(s3, &call, timeout_ms, err);
    if (status < 0) {
        return status;
    }
    out->key = name.key;
    out->etag = pp_http_header(&s3->answer, "ETag");
    out->content_type = pp_http_header(&s3->answer, "Content-Type");
    out->modified_us = pp_http_date_us(pp_http_header(&s3->answer, "Last-Modified"));
    out->size_bytes = size_read(&s3->answer);
    if (out->size_bytes < 0) {
        return pp_fail_service(err, PINPIPE_EDATA, PP_S3_SERVICE, s3->answer.status,
                               "head s3://%.*s/%.*s: the answer tells no Content-Length",
                               pp_quote_len(name.bucket.len), name.bucket.ptr, pp_quote_len(name.key.len),
                               name.key.ptr);
    }
    return PINPIPE_OK;
}

pinpipe_status pinpipe_s3_object_delete(pinpipe_s3 *s3, pinpipe_s3_name name, int64_t timeout_ms,
                                        pinpipe_error *err) {
    assert(s3);
    pinpipe_status status = key_check(name.key, err);
    pp_s3_call call = {.method = "DELETE", .doing = "delete", .name = name, .query = ""};
    return status == PINPIPE_OK ? pp_s3_send(s3, &call, timeout_ms, err) : status;
}

#endif
