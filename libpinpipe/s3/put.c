/* Turns bytes into one object, on conditions if asked, even where the answer was lost.
 * Never reports a conflict with an object that is the call's own.
 * Rules: Amazon S3 API Reference, PutObject; S3 User Guide, "Conditional writes"; docs/s3.md. */
#include "s3/put.h"

#if PINPIPE_WITH_S3

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/md5.h"
#include "s3/error.h"

#define METADATA_PREFIX "x-amz-meta-"

pinpipe_status pp_s3_condition_check(const pp_s3_condition *condition, pinpipe_error *err) {
    if (condition->flags & ~PINPIPE_S3_PUT_NEW) {
        return pp_fail(err, PINPIPE_EINVAL, "put flags: 0x%x are unknown", (unsigned int)condition->flags);
    }
    if (condition->flags && condition->if_match.len) {
        return pp_fail(err, PINPIPE_EINVAL, "if_match: a new object has no ETag to match");
    }
    return PINPIPE_OK;
}

pinpipe_status pp_s3_metadata_check(const pinpipe_header *metadata, int64_t count, pinpipe_error *err) {
    size_t prefix = sizeof METADATA_PREFIX - 1;
    if (count < 0 || count > PINPIPE_S3_METADATA_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "metadata: %lld entries, not 0 to %d", (long long)count,
                       PINPIPE_S3_METADATA_MAX);
    }
    for (int64_t i = 0; i < count; i++) {
        pinpipe_str name = metadata[i].name;
        if (name.len <= prefix || memcmp(name.ptr, METADATA_PREFIX, prefix) != 0) {
            return pp_fail(err, PINPIPE_EINVAL, "metadata '%.*s' does not begin with " METADATA_PREFIX,
                           pp_quote_len(name.len), name.len ? name.ptr : "");
        }
    }
    return PINPIPE_OK;
}

bool pp_s3_condition_is_set(const pp_s3_condition *condition) {
    return condition->flags || condition->if_match.len;
}

size_t pp_s3_condition_headers(pinpipe_header *out, const pp_s3_condition *condition) {
    size_t count = 0;
    if (condition->flags & PINPIPE_S3_PUT_NEW) {
        out[count++] = (pinpipe_header){pp_str("if-none-match"), pp_str("*")};
    }
    if (condition->if_match.len) {
        out[count++] = (pinpipe_header){pp_str("if-match"), condition->if_match};
    }
    return count;
}

void pp_s3_md5_etag(char out[PP_S3_MD5_ETAG_BYTES], const uint8_t digest[PP_MD5_BYTES]) {
    char *at = out;
    *at++ = '"';
    for (size_t i = 0; i < PP_MD5_BYTES; i++, at += 2) {
        snprintf(at, 3, "%02x", digest[i]);
    }
    *at++ = '"';
    *at = '\0';
}

pinpipe_status pp_s3_own_find(bool *is_own, pinpipe_s3 *s3, pinpipe_s3_name name,
                              const pp_s3_content *content, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_s3_object found;
    *is_own = false;
    pinpipe_status status = pinpipe_s3_object_head(&found, s3, name, timeout_ms, err);
    if (status == PINPIPE_ENOTFOUND) {
        return PINPIPE_OK;
    }
    if (status == PINPIPE_OK) {
        *is_own = found.size_bytes == content->size_bytes && pp_str_is(found.etag, content->etag);
    }
    return status;
}

/* After a lost answer the condition may have failed on the object that the lost request had made. */
static pinpipe_status conflict_judge(pinpipe_s3 *s3, pinpipe_s3_name name, pinpipe_str body,
                                     int64_t timeout_ms, pinpipe_error *err) {
    uint8_t digest[PP_MD5_BYTES];
    pp_s3_content content = {.size_bytes = (int64_t)body.len};
    pinpipe_error conflict = s3->job.error;
    bool is_own = false;
    pinpipe_status status = pp_md5(digest, body, err);
    if (status == PINPIPE_OK) {
        pp_s3_md5_etag(content.etag, digest);
        status = pp_s3_own_find(&is_own, s3, name, &content, timeout_ms, err);
    }
    if (status < 0 || is_own) {
        return status;
    }
    if (err && err->struct_size >= sizeof conflict) {
        *err = conflict;
    }
    return conflict.status;
}

pinpipe_status pinpipe_s3_object_put(pinpipe_s3 *s3, pinpipe_s3_name name, pinpipe_str body,
                                     const pinpipe_s3_put_options *options, int64_t timeout_ms,
                                     pinpipe_error *err) {
    assert(s3);
    const pinpipe_s3_put_options plain = PINPIPE_S3_PUT_OPTIONS_INIT;
    options = options ? options : &plain;
    if (options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "put options lack their struct_size");
    }
    if (body.len > (uint64_t)PP_S3_PUT_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "body: %zu bytes are more than the 5 GiB of one put", body.len);
    }
    pp_s3_condition condition = {options->flags, options->if_match};
    pinpipe_status status = pp_s3_key_check(name.key, err);
    if (status == PINPIPE_OK) {
        status = pp_s3_condition_check(&condition, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_s3_metadata_check(options->metadata, options->metadata_count, err);
    }
    if (status < 0) {
        return status;
    }
    pinpipe_header headers[3 + PINPIPE_S3_METADATA_MAX] = {
        {pp_str("content-type"), pp_s3_content_type(options->content_type)}};
    size_t header_count = 1 + pp_s3_condition_headers(headers + 1, &condition);
    for (int64_t i = 0; i < options->metadata_count; i++) {
        headers[header_count++] = options->metadata[i];
    }
    pp_s3_call call = {.method = "PUT",
                       .doing = "put",
                       .name = name,
                       .query = "",
                       .headers = headers,
                       .header_count = header_count,
                       .body = body,
                       .out = &s3->xml,
                       .out_max = PP_S3_XML_MAX,
                       .sse = PP_S3_SSE_WRITE,
                       .is_object = true,
                       .is_conditional = pp_s3_condition_is_set(&condition)};
    status = pp_s3_send(s3, &call, timeout_ms, err);
    bool is_doubtful = call.is_conditional && s3->job.is_unanswered && status == PINPIPE_ECONFLICT &&
                       s3->job.error.native_code == PP_S3_PRECONDITION_FAILED;
    return is_doubtful ? conflict_judge(s3, name, body, timeout_ms, err) : status;
}

pinpipe_str pp_s3_content_type(pinpipe_str given) {
    return given.len ? given : pp_str("application/octet-stream");
}

#endif
