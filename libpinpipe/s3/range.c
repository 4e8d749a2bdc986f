/* Turns answers to ranged GETs into an object's bytes in order, each once, whatever was cut in between.
 * Never takes a byte of another version of the object: the ETag that came first pins the rest.
 * Rules: RFC 9110 §14 (range requests), §13.1.1 (If-Match); Amazon S3 API Reference, GetObject. */
#include "s3/client.h"

#if PINPIPE_WITH_S3

#include <stdio.h>
#include <string.h>

#include "aws/chunks.h"
#include "base/buffer.h"
#include "text/base64.h"

size_t pp_s3_range_headers(pinpipe_header *out, pp_s3_job *job) {
    const pp_s3_range *range = job->call.range;
    size_t count = 0;
    if (!range) {
        return 0;
    }
    int len = 0;
    if (range->last >= 0) {
        len = snprintf(job->range_text, sizeof job->range_text, "bytes=%lld-%lld", (long long)range->next,
                       (long long)range->last);
    } else if (range->next > 0) {
        len = snprintf(job->range_text, sizeof job->range_text, "bytes=%lld-", (long long)range->next);
    }
    if (len > 0) {
        out[count++] = (pinpipe_header){pp_str("range"), {job->range_text, (size_t)len}};
    }
    if (range->etag[0]) {
        out[count++] = (pinpipe_header){pp_str("if-match"), pp_str(range->etag)};
    }
    return count;
}

int64_t pp_s3_number_read(pinpipe_str text) {
    int64_t value = 0;
    for (size_t i = 0; i < text.len && i < 19; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return -1;
        }
        value = value * 10 + (text.ptr[i] - '0');
    }
    return text.len && text.len <= 18 ? value : -1;
}

/* "bytes FIRST-LAST/TOTAL"; false where it is not so. */
static bool content_range_read(int64_t *first, int64_t *total, pinpipe_str text) {
    const char *unit = "bytes ";
    size_t unit_len = strlen(unit);
    if (text.len <= unit_len || memcmp(text.ptr, unit, unit_len) != 0) {
        return false;
    }
    const char *start = text.ptr + unit_len, *end = text.ptr + text.len;
    const char *dash = memchr(start, '-', (size_t)(end - start));
    const char *slash = dash ? memchr(dash, '/', (size_t)(end - dash)) : NULL;
    if (!slash) {
        return false;
    }
    *first = pp_s3_number_read((pinpipe_str){start, (size_t)(dash - start)});
    *total = pp_s3_number_read((pinpipe_str){slash + 1, (size_t)(end - slash - 1)});
    return *first >= 0 && *total >= 0;
}

static pinpipe_status etag_pin(pp_s3_range *range, pinpipe_str etag, pinpipe_error *err) {
    if (!etag.len || etag.len >= sizeof range->etag) {
        return PINPIPE_OK; /* a store without: then only the size is held */
    }
    if (range->etag[0] && !pp_str_is(etag, range->etag)) {
        return pp_fail(err, PINPIPE_ECONFLICT, "the object changed while it was read: ETag %.*s is not %s",
                       pp_quote_len(etag.len), etag.ptr, range->etag);
    }
    pp_str_copy(range->etag, etag);
    range->etag[etag.len] = '\0';
    return PINPIPE_OK;
}

/* What the store keeps of the whole object, if that is what comes, and a CRC. A checksum of the parts'
 * checksums has their number behind a '-', or more digits. */
static void checksum_note(pp_s3_job *job, bool is_whole) {
    static const pinpipe_checksum known[] = {PINPIPE_CHECKSUM_CRC64NVME, PINPIPE_CHECKSUM_CRC32C,
                                             PINPIPE_CHECKSUM_CRC32};
    const pp_http_answer *answer = &job->wire.answer;
    bool is_composite = pp_str_is(pp_http_header(answer, "x-amz-checksum-type"), "COMPOSITE");
    job->crc = 0;
    job->told_of = PINPIPE_CHECKSUM_NONE;
    for (size_t i = 0; is_whole && !is_composite && i < sizeof known / sizeof known[0]; i++) {
        pinpipe_str text = pp_http_header(answer, pp_checksum_name(known[i]));
        size_t digest = known[i] == PINPIPE_CHECKSUM_CRC64NVME ? 8 : 4;
        if (text.len == PP_BASE64_LEN(digest) && !memchr(text.ptr, '-', text.len)) {
            pp_str_copy(job->told, text);
            job->told[text.len] = '\0';
            job->told_of = known[i];
            return;
        }
    }
}

/* What the head says of the bytes that follow it. */
static pinpipe_status head_read(pp_s3_job *job, pinpipe_error *err) {
    pp_s3_range *range = job->call.range;
    const pp_http_answer *answer = &job->wire.answer;
    int64_t first = 0, total = -1;
    pinpipe_str told = pp_http_header(answer, "Content-Range");
    if (answer->status == 206) {
        if (!content_range_read(&first, &total, told) || first != range->next) {
            return pp_fail(err, PINPIPE_EDATA, "Content-Range '%.*s' does not begin at byte %lld",
                           pp_quote_len(told.len), told.ptr, (long long)range->next);
        }
    } else {
        total = pp_s3_number_read(pp_http_header(answer, "Content-Length")); /* the range was not heeded */
    }
    if (answer->status != 206 && range->first == 0) {
        range->last = -1; /* it is the whole object that comes */
    }
    if (range->total >= 0 && total >= 0 && total != range->total) {
        return pp_fail(err, PINPIPE_ECONFLICT, "the object changed while it was read: %lld bytes, not %lld",
                       (long long)total, (long long)range->total);
    }
    range->total = total >= 0 ? total : range->total;
    if (job->is_asking) {
        bool is_whole = answer->status != 206 || (total >= 0 && range->last >= total - 1);
        checksum_note(job, is_whole);
    }
    job->at = first;
    job->is_head_read = true;
    return etag_pin(range, pp_http_header(answer, "ETag"), err);
}

pinpipe_status pp_s3_range_take(void *user, pinpipe_str bytes, pinpipe_error *err) {
    pp_s3_job *job = user;
    pp_s3_range *range = job->call.range;
    pinpipe_status status = job->is_head_read ? PINPIPE_OK : head_read(job, err);
    if (status < 0) {
        return status;
    }
    int64_t begin = job->at, end = begin + (int64_t)bytes.len;
    job->at = end;
    int64_t stop = range->last >= 0 && range->last + 1 < end ? range->last + 1 : end;
    if (stop <= range->next) {
        return PINPIPE_OK; /* taken before, or beyond what is wanted */
    }
    pinpipe_str fresh = {bytes.ptr + (range->next - begin), (size_t)(stop - range->next)};
    job->crc = pp_s3_checksum_add(job->told_of, job->crc, fresh);
    status = range->take(range->user, range->next, fresh, err);
    range->next = status == PINPIPE_OK ? stop : range->next;
    return status;
}

static pinpipe_status torn_fail(pinpipe_error *err, const pp_s3_job *job, const char *text) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pp_fail_service(&cause, PINPIPE_ENET, PP_S3_SERVICE, job->wire.answer.status, "%s", text);
    return pp_s3_fail_call(err, &job->call, &cause);
}

pinpipe_status pp_s3_range_end(pp_s3_job *job, pinpipe_error *err) {
    pp_s3_range *range = job->call.range;
    pinpipe_status status = job->is_head_read ? PINPIPE_OK : head_read(job, err); /* a body without a byte */
    if (status < 0) {
        return status;
    }
    int64_t end = range->last >= 0 ? range->last + 1 : range->total;
    end = range->total >= 0 && range->total < end ? range->total : end;
    if (end >= 0 && range->next < end) {
        return torn_fail(err, job, "the answer ended before the object did");
    }
    char seen[PP_S3_CHECKSUM_BYTES], text[160];
    pp_s3_checksum_text(seen, job->told_of, job->crc);
    if (job->told_of == PINPIPE_CHECKSUM_NONE || strcmp(seen, job->told) == 0) {
        return PINPIPE_OK;
    }
    range->next = range->first;
    snprintf(text, sizeof text, "the bytes are not those that were stored: %s of them is %s, not %s",
             pp_checksum_name(job->told_of), seen, job->told);
    return torn_fail(err, job, text);
}

#endif
