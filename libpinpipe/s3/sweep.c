/* Turns uploads that nobody finished, and lists of keys, into nothing: a sweep and a delete of many.
 * Never aborts an upload that is younger than it was told, and never stops at the first that fails.
 * Rules: Amazon S3 API Reference: ListMultipartUploads, DeleteObjects; XML 1.0 §2.2 (characters). */
#include "s3/upload.h"

#if PINPIPE_WITH_S3

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "aws/uri.h"
#include "aws/xml.h"
#include "base/buffer.h"
#include "io/clock.h"
#include "s3/error.h"
#include "text/base64.h"
#include "text/time_text.h"

#define DELETE_MAX 1000
#define UPLOADS "ListMultipartUploadsResult/Upload"

/* ---- sweep ---- */

/* One page: "key NUL id NUL" of each old upload. */
typedef struct uploads_page {
    int64_t before_us;
    pinpipe_buf old, key, id, key_marker, id_marker;
    int64_t begun_us;
    bool is_truncated;
} uploads_page;

static pinpipe_status text_set(pinpipe_buf *out, pinpipe_str text, pinpipe_error *err) {
    pp_buf_clear(out);
    return pp_buf_append(out, text.ptr, text.len, err);
}

static pinpipe_status key_set(pinpipe_buf *out, pinpipe_str text, pinpipe_error *err) {
    pp_buf_clear(out);
    pinpipe_status status = pp_uri_decode(out, text, PP_PLUS_IS_BLANK, err);
    return status == PINPIPE_OK ? pp_buf_append(out, "", 0, err) : status;
}

static pinpipe_status upload_keep(uploads_page *page, pinpipe_error *err) {
    if (page->begun_us < 0 || page->begun_us > page->before_us) {
        return PINPIPE_OK;
    }
    pinpipe_status status = pp_buf_append(&page->old, page->key.ptr, page->key.len + 1, err);
    return status == PINPIPE_OK ? pp_buf_append(&page->old, page->id.ptr, page->id.len + 1, err) : status;
}

static pinpipe_status upload_element(pinpipe_str path, pinpipe_str text, void *user, pinpipe_error *err) {
    uploads_page *page = user;
    if (pp_str_is(path, UPLOADS "/Key")) {
        return key_set(&page->key, text, err);
    }
    if (pp_str_is(path, UPLOADS "/UploadId")) {
        return text_set(&page->id, text, err);
    }
    if (pp_str_is(path, "ListMultipartUploadsResult/NextKeyMarker")) {
        return key_set(&page->key_marker, text, err);
    }
    if (pp_str_is(path, "ListMultipartUploadsResult/NextUploadIdMarker")) {
        return text_set(&page->id_marker, text, err);
    }
    if (pp_str_is(path, UPLOADS)) {
        return upload_keep(page, err);
    }
    if (pp_str_is(path, UPLOADS "/Initiated")) {
        page->begun_us = pp_time_parse(&page->begun_us, text) ? page->begun_us : -1;
    } else if (pp_str_is(path, "ListMultipartUploadsResult/IsTruncated")) {
        page->is_truncated = pp_str_is(text, "true");
    }
    return PINPIPE_OK;
}

static pinpipe_status uploads_query(pinpipe_buf *out, const uploads_page *page, pinpipe_str prefix,
                                    pinpipe_error *err) {
    const struct {
        const char *name;
        pinpipe_str value;
    } parts[] = {{"prefix", prefix},
                 {"key-marker", pp_buf_view(&page->key_marker)},
                 {"upload-id-marker", pp_buf_view(&page->id_marker)}};
    pp_buf_clear(out);
    pinpipe_status status = pp_buf_append_text(out, "uploads=&encoding-type=url&max-uploads=1000", err);
    for (size_t i = 0; status == PINPIPE_OK && i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].value.len) {
            status = pp_buf_printf(out, err, "&%s=", parts[i].name);
            status =
                status == PINPIPE_OK ? pp_uri_encode(out, parts[i].value, PP_SLASH_ENCODED, err) : status;
        }
    }
    return status;
}

static pinpipe_status page_abort(int64_t *count, pinpipe_s3 *s3, const uploads_page *page, pinpipe_str bucket,
                                 int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    for (size_t at = 0; status == PINPIPE_OK && at < page->old.len;) {
        pinpipe_str key = pp_str(page->old.ptr + at), id = pp_str(page->old.ptr + at + key.len + 1);
        status = pp_s3_upload_abort(s3, (pinpipe_s3_name){bucket, key}, id, timeout_ms, err);
        *count += status == PINPIPE_OK;
        at += key.len + id.len + 2;
    }
    return status;
}

pinpipe_status pinpipe_s3_uploads_clear(int64_t *count, pinpipe_s3 *s3, pinpipe_s3_name prefix, int64_t age_s,
                                        int64_t timeout_ms, pinpipe_error *err) {
    assert(count && s3);
    *count = 0;
    if (age_s < 0) {
        return pp_fail(err, PINPIPE_EINVAL, "age_s: %lld", (long long)age_s);
    }
    uploads_page page = {.before_us = (pp_clock_wall_s() - age_s) * 1000000, .is_truncated = true};
    pinpipe_buf query = PINPIPE_BUF_INIT;
    pinpipe_status status = PINPIPE_OK;
    while (status == PINPIPE_OK && page.is_truncated) {
        page.is_truncated = false;
        pp_buf_clear(&page.old);
        status = uploads_query(&query, &page, prefix.key, err);
        pp_s3_call call = {.method = "GET",
                           .doing = "list uploads of",
                           .name = {prefix.bucket, {NULL, 0}},
                           .query = query.ptr,
                           .out = &s3->xml,
                           .out_max = PP_S3_XML_MAX};
        status = status == PINPIPE_OK ? pp_s3_send(s3, &call, timeout_ms, err) : status;
        if (status == PINPIPE_OK) {
            status = pp_xml_walk(pp_buf_view(&s3->xml), upload_element, &page, err);
        }
        page.is_truncated = page.is_truncated && page.key_marker.len;
        if (status == PINPIPE_OK) {
            status = page_abort(count, s3, &page, prefix.bucket, timeout_ms, err);
        }
    }
    pinpipe_buf *const held[] = {&query, &page.old, &page.key, &page.id, &page.key_marker, &page.id_marker};
    for (size_t i = 0; i < sizeof held / sizeof held[0]; i++) {
        pinpipe_buf_reset(held[i]);
    }
    return status;
}

/* ---- delete of many ---- */

static pinpipe_status key_write(pinpipe_buf *out, pinpipe_str key, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    for (size_t i = 0; status == PINPIPE_OK && i < key.len; i++) {
        unsigned char byte = (unsigned char)key.ptr[i];
        bool is_plain = byte >= 0x20 && byte != '&' && byte != '<' && byte != '>';
        status = is_plain ? pp_buf_append(out, key.ptr + i, 1, err)
                          : pp_buf_printf(out, err, "&#%u;", (unsigned int)byte);
    }
    return status;
}

/* XML 1.0 has no way to write other control characters. */
static bool key_is_writable(pinpipe_str key) {
    for (size_t i = 0; i < key.len; i++) {
        unsigned char byte = (unsigned char)key.ptr[i];
        if (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') {
            return false;
        }
    }
    return true;
}

typedef struct delete_answer {
    char key[PP_S3_KEY_MAX + 1], code[PP_S3_CODE_BYTES], message[PP_S3_TEXT_BYTES];
    bool is_refused; /* the first that was is kept */
} delete_answer;

static pinpipe_status delete_element(pinpipe_str path, pinpipe_str text, void *user, pinpipe_error *err) {
    delete_answer *answer = user;
    (void)err;
    const struct {
        const char *path;
        char *out;
        size_t size;
    } parts[] = {{"DeleteResult/Error/Key", answer->key, sizeof answer->key},
                 {"DeleteResult/Error/Code", answer->code, sizeof answer->code},
                 {"DeleteResult/Error/Message", answer->message, sizeof answer->message}};
    for (size_t i = 0; !answer->is_refused && i < sizeof parts / sizeof parts[0]; i++) {
        if (pp_str_is(path, parts[i].path)) {
            snprintf(parts[i].out, parts[i].size, "%.*s", (int)text.len, text.len ? text.ptr : "");
        }
    }
    answer->is_refused = answer->is_refused || pp_str_is(path, "DeleteResult/Error");
    return PINPIPE_OK;
}

static pinpipe_status some_send(pinpipe_s3 *s3, pinpipe_str bucket, pinpipe_str body, int64_t timeout_ms,
                                pinpipe_error *err) {
    uint8_t digest[PP_MD5_BYTES] = {0};
    char md5[PP_BASE64_LEN(PP_MD5_BYTES)];
    pinpipe_status status = pp_md5(digest, body, err);
    pp_base64_write(md5, (const char *)digest, sizeof digest);
    const pinpipe_header headers[] = {{pp_str("content-type"), pp_str("application/xml")},
                                      {pp_str("content-md5"), {md5, sizeof md5}}};
    pp_s3_call call = {.method = "POST",
                       .doing = "delete from",
                       .name = {bucket, {NULL, 0}},
                       .query = "delete=",
                       .headers = headers,
                       .header_count = 2,
                       .body = body,
                       .out = &s3->xml,
                       .out_max = PP_S3_XML_MAX};
    status = status == PINPIPE_OK ? pp_s3_send(s3, &call, timeout_ms, err) : status;
    delete_answer answer = {.is_refused = false};
    if (status == PINPIPE_OK) {
        status = pp_xml_walk(pp_buf_view(&s3->xml), delete_element, &answer, err);
    }
    if (status == PINPIPE_OK && answer.is_refused) {
        status = pp_fail_service(err, pp_s3_status(answer.code, s3->job.wire.answer.status), PP_S3_SERVICE,
                                 s3->job.wire.answer.status, "delete s3://%.*s/%.*s: %s: %s",
                                 pp_quote_len(bucket.len), bucket.ptr, pp_quote_len(strlen(answer.key)),
                                 answer.key, answer.code, answer.message);
    }
    return status;
}

/* As many keys as one request takes, from `*at` on. */
static pinpipe_status some_write(pinpipe_buf *out, int64_t *at, const pinpipe_str *keys, int64_t count,
                                 pinpipe_error *err) {
    pp_buf_clear(out);
    pinpipe_status status = pp_buf_append_text(
        out, "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>", err);
    for (int64_t n = 0; status == PINPIPE_OK && *at < count && n < DELETE_MAX && key_is_writable(keys[*at]);
         n++, ++*at) {
        status = pp_s3_key_check(keys[*at], err);
        status = status == PINPIPE_OK ? pp_buf_append_text(out, "<Object><Key>", err) : status;
        status = status == PINPIPE_OK ? key_write(out, keys[*at], err) : status;
        status = status == PINPIPE_OK ? pp_buf_append_text(out, "</Key></Object>", err) : status;
    }
    return status == PINPIPE_OK ? pp_buf_append_text(out, "</Delete>", err) : status;
}

pinpipe_status pinpipe_s3_objects_delete(pinpipe_s3 *s3, pinpipe_str bucket, const pinpipe_str *keys,
                                         int64_t count, int64_t timeout_ms, pinpipe_error *err) {
    assert(s3 && (keys || count == 0));
    pinpipe_buf body = PINPIPE_BUF_INIT;
    pinpipe_status status = PINPIPE_OK;
    for (int64_t at = 0; status == PINPIPE_OK && at < count;) {
        if (!key_is_writable(keys[at])) {
            status = pinpipe_s3_object_delete(s3, (pinpipe_s3_name){bucket, keys[at++]}, timeout_ms, err);
            continue;
        }
        status = some_write(&body, &at, keys, count, err);
        status = status == PINPIPE_OK ? some_send(s3, bucket, pp_buf_view(&body), timeout_ms, err) : status;
    }
    pinpipe_buf_reset(&body);
    return status;
}

#endif
