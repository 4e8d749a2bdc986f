/* Turns a journal into an upload that goes on, and parts into one object.
 * Never trusts a part that it has not compared, and never reports a conflict with the upload's own object.
 * Rules: Amazon S3 API Reference: Create-, Complete- and AbortMultipartUpload, ListParts; docs/s3.md. */
#include "s3/upload.h"

#if PINPIPE_WITH_S3

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "aws/uri.h"
#include "aws/xml.h"
#include "base/buffer.h"
#include "io/file.h"
#include "s3/error.h"

#define JOURNAL_MAX 16384
#define JOURNAL_HEAD "pinpipe-upload 1"

pinpipe_status pp_s3_upload_query(pinpipe_buf *out, const pinpipe_s3_upload *upload, const char *before,
                                  pinpipe_error *err) {
    pinpipe_status status = pp_buf_printf(out, err, "%suploadId=", before);
    return status == PINPIPE_OK ? pp_uri_encode(out, pp_buf_view(&upload->id), PP_SLASH_ENCODED, err)
                                : status;
}

/* ---- the journal: one line that says which upload a file's bytes went to ---- */

static pinpipe_status journal_line(pinpipe_buf *out, const pinpipe_s3_upload *upload, pinpipe_error *err) {
    pp_buf_clear(out);
    pinpipe_status status = pp_buf_printf(out, err, JOURNAL_HEAD " %s ", upload->bucket.ptr);
    if (status == PINPIPE_OK) {
        status = pp_uri_encode(out, pp_buf_view(&upload->key), PP_SLASH_KEPT, err);
    }
    return status == PINPIPE_OK ? pp_buf_printf(out, err, " %lld ", (long long)upload->part_bytes) : status;
}

static pinpipe_status journal_write(const pinpipe_s3_upload *upload, pinpipe_error *err) {
    pinpipe_buf line = PINPIPE_BUF_INIT;
    pinpipe_status status = upload->journal.len ? journal_line(&line, upload, err) : PINPIPE_OK;
    if (status == PINPIPE_OK && upload->journal.len) {
        status = pp_uri_encode(&line, pp_buf_view(&upload->id), PP_SLASH_ENCODED, err);
        status = status == PINPIPE_OK ? pp_buf_append_text(&line, "\n", err) : status;
        status =
            status == PINPIPE_OK ? pp_file_replace(upload->journal.ptr, pp_buf_view(&line), err) : status;
    }
    pinpipe_buf_reset(&line);
    return status;
}

/* Sets the upload's id where the journal tells of the same object and parts of the same size. */
static pinpipe_status journal_read(pinpipe_s3_upload *upload, pinpipe_error *err) {
    pinpipe_buf told = PINPIPE_BUF_INIT, head = PINPIPE_BUF_INIT;
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pinpipe_status status = pp_file_read(&told, upload->journal.ptr, JOURNAL_MAX, NULL, &cause);
    if (status == PINPIPE_ENOTFOUND) {
        return PINPIPE_OK; /* nothing was begun */
    }
    if (status < 0 && err) {
        *err = cause;
    }
    if (status == PINPIPE_OK) {
        status = journal_line(&head, upload, err);
    }
    bool is_same = status == PINPIPE_OK && told.len > head.len + 1 && told.ptr[told.len - 1] == '\n' &&
                   memcmp(told.ptr, head.ptr, head.len) == 0;
    if (is_same) {
        pinpipe_str id = {told.ptr + head.len, told.len - head.len - 1};
        status = pp_uri_decode(&upload->id, id, PP_PLUS_KEPT, err);
    }
    pinpipe_buf_reset(&head);
    pinpipe_buf_reset(&told);
    return status;
}

/* ---- what the store has ---- */

typedef struct parts_page {
    pp_s3_parts *parts;
    int64_t number, size_bytes, marker;
    char etag[PP_S3_ETAG_BYTES];
    bool is_truncated;
} parts_page;

static pinpipe_status part_element(pinpipe_str path, pinpipe_str text, void *user, pinpipe_error *err) {
    parts_page *page = user;
    if (pp_str_is(path, "ListPartsResult/Part/PartNumber")) {
        page->number = pp_s3_number_read(text);
    } else if (pp_str_is(path, "ListPartsResult/Part/Size")) {
        page->size_bytes = pp_s3_number_read(text);
    } else if (pp_str_is(path, "ListPartsResult/Part/ETag")) {
        snprintf(page->etag, sizeof page->etag, "%.*s", (int)text.len, text.len ? text.ptr : "");
    } else if (pp_str_is(path, "ListPartsResult/IsTruncated")) {
        page->is_truncated = pp_str_is(text, "true");
    } else if (pp_str_is(path, "ListPartsResult/NextPartNumberMarker")) {
        page->marker = pp_s3_number_read(text);
    } else if (pp_str_is(path, "ListPartsResult/Part") && page->number > 0 &&
               page->number <= PP_S3_PARTS_MAX) {
        return pp_s3_parts_set(page->parts, (int32_t)page->number, page->size_bytes, pp_str(page->etag), err);
    }
    return PINPIPE_OK;
}

static pinpipe_status known_list(pinpipe_s3_upload *upload, int64_t timeout_ms, pinpipe_error *err) {
    parts_page page = {.parts = &upload->known, .is_truncated = true};
    pinpipe_buf query = PINPIPE_BUF_INIT;
    pinpipe_status status = PINPIPE_OK;
    while (status == PINPIPE_OK && page.is_truncated) {
        int64_t marker = page.marker;
        char before[64];
        page.is_truncated = false;
        snprintf(before, sizeof before, "max-parts=1000&part-number-marker=%lld&", (long long)marker);
        pp_buf_clear(&query);
        status = pp_s3_upload_query(&query, upload, before, err);
        pp_s3_call call = {.method = "GET",
                           .doing = "list parts of",
                           .name = pp_s3_upload_name(upload),
                           .query = query.ptr,
                           .out = &upload->s3->xml,
                           .out_max = PP_S3_XML_MAX};
        status = status == PINPIPE_OK ? pp_s3_send(upload->s3, &call, timeout_ms, err) : status;
        if (status == PINPIPE_OK) {
            status = pp_xml_walk(pp_buf_view(&upload->s3->xml), part_element, &page, err);
        }
        if (status == PINPIPE_OK && page.is_truncated && page.marker <= marker) {
            status =
                pp_fail(err, PINPIPE_EDATA, "list of parts: there is more, but its marker does not move");
        }
    }
    pinpipe_buf_reset(&query);
    return status;
}

/* ---- begin, complete, abort ---- */

static pinpipe_status id_element(pinpipe_str path, pinpipe_str text, void *user, pinpipe_error *err) {
    pinpipe_buf *id = user;
    return pp_str_is(path, "InitiateMultipartUploadResult/UploadId")
               ? pp_buf_append(id, text.ptr, text.len, err)
               : PINPIPE_OK;
}

static pinpipe_status id_get(pinpipe_s3_upload *upload, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_s3 *s3 = upload->s3;
    bool is_long = s3->checksum == PINPIPE_CHECKSUM_CRC64NVME;
    pinpipe_header headers[3 + PINPIPE_S3_METADATA_MAX] = {
        {pp_str("content-type"), pp_buf_view(&upload->content_type)}};
    size_t header_count = 1;
    for (int64_t i = 0; i < upload->metadata_count; i++) {
        headers[header_count++] = upload->metadata[i];
    }
    if (s3->checksum != PINPIPE_CHECKSUM_NONE) {
        headers[header_count++] =
            (pinpipe_header){pp_str("x-amz-checksum-algorithm"), pp_str(is_long ? "CRC64NVME" : "CRC32C")};
        headers[header_count++] =
            (pinpipe_header){pp_str("x-amz-checksum-type"), pp_str(is_long ? "FULL_OBJECT" : "COMPOSITE")};
    }
    pp_s3_call call = {.method = "POST",
                       .doing = "begin upload of",
                       .name = pp_s3_upload_name(upload),
                       .query = "uploads=",
                       .headers = headers,
                       .header_count = header_count,
                       .out = &s3->xml,
                       .out_max = PP_S3_XML_MAX,
                       .sse = PP_S3_SSE_WRITE};
    pinpipe_status status = pp_s3_send(s3, &call, timeout_ms, err);
    if (status == PINPIPE_OK) {
        status = pp_xml_walk(pp_buf_view(&s3->xml), id_element, &upload->id, err);
    }
    if (status == PINPIPE_OK && !upload->id.len) {
        status = pp_fail_service(err, PINPIPE_EDATA, PP_S3_SERVICE, s3->job.wire.answer.status,
                                 "begin upload of s3://%s/%s: the answer has no UploadId", upload->bucket.ptr,
                                 upload->key.ptr);
    }
    return status;
}

pinpipe_status pp_s3_upload_begin(pinpipe_s3_upload *upload, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = upload->journal.len ? journal_read(upload, err) : PINPIPE_OK;
    if (status == PINPIPE_OK && upload->id.len) {
        status = known_list(upload, timeout_ms, err);
        upload->is_resumed = status == PINPIPE_OK;
        if (status == PINPIPE_ENOTFOUND) {
            pp_buf_clear(&upload->id); /* it was completed, aborted or swept: begin anew */
            upload->is_resumed = true;
            status = PINPIPE_OK;
        }
    }
    if (status == PINPIPE_OK && !upload->id.len) {
        status = id_get(upload, timeout_ms, err);
        status = status == PINPIPE_OK ? journal_write(upload, err) : status;
    }
    return status;
}

static pinpipe_status complete_write(pinpipe_buf *out, const pinpipe_s3_upload *upload, pinpipe_error *err) {
    pinpipe_status status = pp_buf_append_text(
        out, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">", err);
    for (int32_t i = 0; status == PINPIPE_OK && i < upload->part_count; i++) {
        assert(i < upload->parts.count && upload->parts.items[i].size_bytes >= 0);
        status = pp_buf_printf(out, err, "<Part><PartNumber>%d</PartNumber><ETag>", i + 1);
        for (const char *at = upload->parts.items[i].etag; status == PINPIPE_OK && *at; at++) {
            status = *at == '"'   ? pp_buf_append_text(out, "&quot;", err)
                     : *at == '&' ? pp_buf_append_text(out, "&amp;", err)
                     : *at == '<' ? pp_buf_append_text(out, "&lt;", err)
                                  : pp_buf_append(out, at, 1, err);
        }
        status = status == PINPIPE_OK ? pp_buf_append_text(out, "</ETag>", err) : status;
        if (status == PINPIPE_OK && upload->parts.items[i].checksum[0]) {
            const char *name = upload->s3->checksum == PINPIPE_CHECKSUM_CRC32C ? "CRC32C" : "CRC64NVME";
            status = pp_buf_printf(out, err, "<Checksum%s>%s</Checksum%s>", name,
                                   upload->parts.items[i].checksum, name);
        }
        status = status == PINPIPE_OK ? pp_buf_append_text(out, "</Part>", err) : status;
    }
    return status == PINPIPE_OK ? pp_buf_append_text(out, "</CompleteMultipartUpload>", err) : status;
}

static int hex_digit(char digit) {
    const char *digits = "0123456789abcdef", *found = digit ? strchr(digits, digit) : NULL;
    return found ? (int)(found - digits) : -1;
}

/* The ETag that a store makes of these parts: MD5 of their MD5s, and how many. "" where theirs are none. */
static pinpipe_status own_etag(char out[PP_S3_MD5_ETAG_BYTES], const pinpipe_s3_upload *upload,
                               pinpipe_error *err) {
    pinpipe_buf digests = PINPIPE_BUF_INIT;
    uint8_t digest[PP_MD5_BYTES];
    bool are_md5 = true;
    pinpipe_status status = PINPIPE_OK;
    out[0] = '\0';
    for (int32_t i = 0; status == PINPIPE_OK && are_md5 && i < upload->part_count; i++) {
        const char *etag = upload->parts.items[i].etag;
        are_md5 = strlen(etag) == 2 + 2 * PP_MD5_BYTES;
        for (size_t at = 0; are_md5 && at < PP_MD5_BYTES; at++) {
            int high = hex_digit(etag[1 + 2 * at]), low = hex_digit(etag[2 + 2 * at]);
            are_md5 = high >= 0 && low >= 0;
            digest[at] = are_md5 ? (uint8_t)(high * 16 + low) : 0;
        }
        status = are_md5 ? pp_buf_append(&digests, digest, sizeof digest, err) : PINPIPE_OK;
    }
    if (status == PINPIPE_OK && are_md5) {
        status = pp_md5(digest, pp_buf_view(&digests), err);
        pp_s3_md5_etag(out, digest);
        snprintf(out + 1 + 2 * (size_t)PP_MD5_BYTES, PP_S3_MD5_ETAG_BYTES - 1 - 2 * (size_t)PP_MD5_BYTES,
                 "-%d\"", upload->part_count);
    }
    pinpipe_buf_reset(&digests);
    return status;
}

/* A lost answer, or a crash before the journal went, may have left the finished object behind. */
static pinpipe_status conflict_judge(pinpipe_s3_upload *upload, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_error conflict = upload->s3->job.error;
    pp_s3_content content = {.size_bytes = upload->total_bytes};
    bool is_own = false;
    pinpipe_status status = own_etag(content.etag, upload, err);
    if (status == PINPIPE_OK) {
        status = pp_s3_own_find(&is_own, upload->s3, pp_s3_upload_name(upload), &content, timeout_ms, err);
    }
    if (status < 0 || is_own) {
        return status;
    }
    if (err && err->struct_size >= sizeof conflict) {
        *err = conflict;
    }
    return conflict.status;
}

pinpipe_status pp_s3_upload_complete(pinpipe_s3_upload *upload, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_s3 *s3 = upload->s3;
    pinpipe_buf query = PINPIPE_BUF_INIT, body = PINPIPE_BUF_INIT;
    pp_s3_condition condition = {upload->flags, pp_buf_view(&upload->if_match)};
    pinpipe_header headers[3] = {{pp_str("content-type"), pp_str("application/xml")}};
    pinpipe_status status = pp_s3_upload_query(&query, upload, "", err);
    if (status == PINPIPE_OK) {
        status = complete_write(&body, upload, err);
    }
    if (status == PINPIPE_OK) {
        pp_s3_call call = {.method = "POST",
                           .doing = "complete upload of",
                           .name = pp_s3_upload_name(upload),
                           .query = query.ptr,
                           .headers = headers,
                           .header_count = 1 + pp_s3_condition_headers(headers + 1, &condition),
                           .body = pp_buf_view(&body),
                           .out = &s3->xml,
                           .out_max = PP_S3_XML_MAX,
                           .is_conditional = true};
        status = pp_s3_send(s3, &call, timeout_ms, err);
        bool is_taken =
            status == PINPIPE_ENOTFOUND ||
            (status == PINPIPE_ECONFLICT && s3->job.error.native_code == PP_S3_PRECONDITION_FAILED);
        if (is_taken && (s3->job.number > 1 || upload->is_resumed)) {
            status = conflict_judge(upload, timeout_ms, err);
        }
    }
    pinpipe_buf_reset(&body);
    pinpipe_buf_reset(&query);
    return status;
}

pinpipe_status pp_s3_upload_abort(pinpipe_s3 *s3, pinpipe_s3_name name, pinpipe_str id, int64_t timeout_ms,
                                  pinpipe_error *err) {
    pinpipe_buf query = PINPIPE_BUF_INIT;
    pinpipe_status status = pp_buf_append_text(&query, "uploadId=", err);
    if (status == PINPIPE_OK) {
        status = pp_uri_encode(&query, id, PP_SLASH_ENCODED, err);
    }
    if (status == PINPIPE_OK) {
        pp_s3_call call = {.method = "DELETE", .doing = "abort upload of", .name = name, .query = query.ptr};
        status = pp_s3_send(s3, &call, timeout_ms, err);
        status = status == PINPIPE_ENOTFOUND ? PINPIPE_OK : status;
    }
    pinpipe_buf_reset(&query);
    return status;
}

#endif
