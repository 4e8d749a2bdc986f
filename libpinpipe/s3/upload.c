/* Turns bytes that come piece by piece into the parts of one object, several under way at once.
 * Never begins a multipart upload for what fits into one part.
 * Rules: S3 User Guide, "Multipart upload limits"; docs/s3.md, "Uploads". */
#include "s3/upload.h"

#if PINPIPE_WITH_S3

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "io/file.h"
#include "base/memory.h"

#define MIB ((int64_t)1 << 20)
#define CLEAR_TIMEOUT_MS 10000

pinpipe_s3_name pp_s3_upload_name(const pinpipe_s3_upload *upload) {
    return (pinpipe_s3_name){pp_buf_view(&upload->bucket), pp_buf_view(&upload->key)};
}

static pinpipe_status part_size_set(pinpipe_s3_upload *upload, int64_t size_bytes, pinpipe_error *err) {
    int64_t least = (size_bytes + PP_S3_PARTS_MAX - 1) / PP_S3_PARTS_MAX;
    int64_t rounded = (least + MIB - 1) / MIB * MIB;
    upload->part_bytes = upload->s3->part_bytes > rounded ? upload->s3->part_bytes : rounded;
    if (size_bytes < 0 || upload->part_bytes > PP_S3_PART_MAX) {
        return pp_fail(err, size_bytes < 0 ? PINPIPE_EINVAL : PINPIPE_ELIMIT,
                       "size_bytes: %lld, not up to 10,000 parts of 5 GiB", (long long)size_bytes);
    }
    return PINPIPE_OK;
}

static pinpipe_status metadata_set(pinpipe_s3_upload *upload, const pinpipe_s3_upload_options *options,
                                   pinpipe_error *err) {
    pinpipe_buf *text = &upload->metadata_text;
    pinpipe_status status = pp_s3_metadata_check(options->metadata, options->metadata_count, err);
    for (int64_t i = 0; status == PINPIPE_OK && i < options->metadata_count; i++) {
        status = pp_buf_append(text, options->metadata[i].name.ptr, options->metadata[i].name.len, err);
        if (status == PINPIPE_OK) {
            status = pp_buf_append(text, options->metadata[i].value.ptr, options->metadata[i].value.len, err);
        }
    }
    const char *at = text->ptr;
    for (int64_t i = 0; status == PINPIPE_OK && i < options->metadata_count; i++) {
        pinpipe_header *entry = &upload->metadata[upload->metadata_count++];
        entry->name = (pinpipe_str){at, options->metadata[i].name.len};
        entry->value = (pinpipe_str){at + entry->name.len, options->metadata[i].value.len};
        at = entry->value.ptr + entry->value.len;
    }
    return status;
}

static pinpipe_status upload_set(pinpipe_s3_upload *upload, pinpipe_s3_name name,
                                 const pinpipe_s3_upload_options *options, pinpipe_error *err) {
    const struct {
        pinpipe_buf *to;
        pinpipe_str from;
    } copies[] = {{&upload->bucket, name.bucket},
                  {&upload->key, name.key},
                  {&upload->content_type, pp_s3_content_type(options->content_type)},
                  {&upload->if_match, options->if_match}};
    pinpipe_status status = part_size_set(upload, options->size_bytes, err);
    for (size_t i = 0; status == PINPIPE_OK && i < sizeof copies / sizeof copies[0]; i++) {
        status = pp_buf_append(copies[i].to, copies[i].from.ptr, copies[i].from.len, err);
    }
    if (status == PINPIPE_OK) {
        status = metadata_set(upload, options, err);
    }
    if (status == PINPIPE_OK && options->journal.len) {
        bool is_bare = !memchr(options->journal.ptr, '/', options->journal.len);
        status = pp_buf_printf(&upload->journal, err, "%s%.*s", is_bare ? "./" : "",
                               (int)options->journal.len, options->journal.ptr);
    }
    size_t lanes_size = (size_t)upload->s3->in_flight * sizeof *upload->lanes;
    if (status == PINPIPE_OK) {
        upload->lanes = pp_alloc_zero(lanes_size);
        status = upload->lanes ? PINPIPE_OK : pp_fail_memory(err, "requests", lanes_size);
    }
    return status;
}

pinpipe_status pinpipe_s3_upload_open(pinpipe_s3_upload **out, pinpipe_s3 *s3, pinpipe_s3_name name,
                                      const pinpipe_s3_upload_options *options, pinpipe_error *err) {
    assert(out && s3);
    const pinpipe_s3_upload_options plain = PINPIPE_S3_UPLOAD_OPTIONS_INIT;
    options = options ? options : &plain;
    *out = NULL;
    if (options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "upload options lack their struct_size");
    }
    pp_s3_condition condition = {options->flags, options->if_match};
    pinpipe_status status = pp_s3_condition_check(&condition, err);
    if (status == PINPIPE_OK) {
        status = pp_s3_bucket_check(name.bucket, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_s3_key_check(name.key, err);
    }
    if (status < 0) {
        return status;
    }
    pinpipe_s3_upload *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "an upload", sizeof *made);
    }
    made->s3 = pp_s3_retain(s3);
    made->flags = options->flags;
    status = upload_set(made, name, options, err);
    if (status == PINPIPE_OK) {
        *out = made;
        made = NULL;
    }
    pinpipe_s3_upload_free(made);
    return status;
}

static void lanes_stop(pinpipe_s3_upload *upload) {
    for (int32_t i = 0; upload->lanes && i < upload->s3->in_flight; i++) {
        pp_s3_job_stop(&upload->lanes[i].job, upload->s3);
        upload->lanes[i].number = 0;
    }
}

void pinpipe_s3_upload_free(pinpipe_s3_upload *upload) {
    if (!upload) {
        return;
    }
    lanes_stop(upload);
    if (upload->id.len && !upload->is_ended && !upload->journal.len) {
        pinpipe_status status = pinpipe_s3_upload_clear(upload, CLEAR_TIMEOUT_MS, NULL);
        (void)status; /* a sweep finds what is left */
    }
    for (int32_t i = 0; upload->lanes && i < upload->s3->in_flight; i++) {
        pp_s3_job_reset(&upload->lanes[i].job, upload->s3);
        pinpipe_buf_reset(&upload->lanes[i].query);
        pinpipe_buf_reset(&upload->lanes[i].body);
    }
    pinpipe_buf *const held[] = {&upload->bucket,   &upload->key,          &upload->content_type,
                                 &upload->if_match, &upload->journal,      &upload->id,
                                 &upload->tail,     &upload->metadata_text};
    for (size_t i = 0; i < sizeof held / sizeof held[0]; i++) {
        pinpipe_buf_reset(held[i]);
    }
    pp_free(upload->parts.items);
    pp_free(upload->known.items);
    pp_free(upload->lanes);
    pinpipe_s3_free(upload->s3);
    pp_free(upload);
}

/* ---- parts ---- */

pinpipe_status pp_s3_parts_set(pp_s3_parts *parts, int32_t number, int64_t size_bytes, pinpipe_str etag,
                               pinpipe_error *err) {
    if (number < 1 || number > PP_S3_PARTS_MAX || etag.len >= PP_S3_ETAG_BYTES) {
        return pp_fail(err, PINPIPE_EDATA, "part %d with an ETag of %zu bytes cannot be", number, etag.len);
    }
    if (number > parts->cap) {
        int32_t cap = number > 2 * parts->cap ? number + 16 : 2 * parts->cap;
        pp_s3_part *grown = pp_realloc(parts->items, (size_t)cap * sizeof *grown);
        if (!grown) {
            return pp_fail_memory(err, "parts", (size_t)cap * sizeof *grown);
        }
        parts->items = grown;
        parts->cap = cap;
    }
    for (; parts->count < number; parts->count++) {
        parts->items[parts->count] = (pp_s3_part){.size_bytes = -1};
    }
    pp_s3_part *part = &parts->items[number - 1];
    part->size_bytes = size_bytes;
    pp_str_copy(part->etag, etag);
    part->etag[etag.len] = '\0';
    return PINPIPE_OK;
}

/* Takes what a lane's request has ended with. */
static pinpipe_status lane_take(pinpipe_s3_upload *upload, pp_s3_lane *lane, pinpipe_error *err) {
    pinpipe_status status = pp_s3_job_wait(&lane->job, upload->s3, err);
    pinpipe_str etag = pp_http_header(&lane->job.wire.answer, "ETag");
    if (status == PINPIPE_OK && !etag.len) {
        status = pp_fail_service(err, PINPIPE_EDATA, PP_S3_SERVICE, lane->job.wire.answer.status,
                                 "put part %d: the answer has no ETag", lane->number);
    }
    if (status == PINPIPE_OK) {
        status = pp_s3_parts_set(&upload->parts, lane->number, (int64_t)lane->job.call.body.len, etag, err);
    }
    if (status == PINPIPE_OK) {
        memcpy(upload->parts.items[lane->number - 1].checksum, lane->job.checksum, sizeof lane->job.checksum);
    }
    lane->number = 0;
    lane->job.state = PP_S3_JOB_IDLE;
    return status;
}

/* Waits until a lane is free, or until all are. */
static pinpipe_status lanes_wait(pp_s3_lane **out, pinpipe_s3_upload *upload, bool want_all,
                                 pinpipe_error *err) {
    for (;;) {
        int32_t busy = 0;
        for (int32_t i = 0; i < upload->s3->in_flight; i++) {
            pp_s3_lane *lane = &upload->lanes[i];
            if (lane->number && lane->job.state == PP_S3_JOB_ENDED) {
                pinpipe_status status = lane_take(upload, lane, err);
                if (status < 0) {
                    return status;
                }
            }
            busy += lane->number != 0;
            *out = lane->number ? *out : lane;
        }
        if (busy == 0 || (!want_all && busy < upload->s3->in_flight)) {
            return PINPIPE_OK;
        }
        pinpipe_status status = pp_s3_jobs_wait(upload->s3, err);
        if (status < 0) {
            return status;
        }
    }
}

/* What went over before a crash is not sent again: size and MD5 say that it is the same. */
static pinpipe_status part_is_known(bool *is_known, pinpipe_s3_upload *upload, pinpipe_str bytes,
                                    pinpipe_error *err) {
    char etag[PP_S3_MD5_ETAG_BYTES];
    uint8_t digest[PP_MD5_BYTES];
    int32_t number = upload->part_count;
    *is_known = false;
    if (number > upload->known.count || upload->known.items[number - 1].size_bytes != (int64_t)bytes.len) {
        return PINPIPE_OK;
    }
    pinpipe_status status = pp_md5(digest, bytes, err);
    if (status == PINPIPE_OK) {
        pp_s3_md5_etag(etag, digest);
        *is_known = strcmp(etag, upload->known.items[number - 1].etag) == 0;
    }
    if (*is_known) {
        status = pp_s3_parts_set(&upload->parts, number, (int64_t)bytes.len, pp_str(etag), err);
    }
    if (*is_known && status == PINPIPE_OK) {
        pp_s3_checksum_write(upload->parts.items[number - 1].checksum, upload->s3, bytes);
    }
    return status;
}

/* Sends one part; `owned` is where its bytes lie if they are not the caller's, and is swapped for an empty
 * one. */
static pinpipe_status part_send(pinpipe_s3_upload *upload, pinpipe_str bytes, pinpipe_buf *owned,
                                int64_t timeout_ms, pinpipe_error *err) {
    pp_s3_lane *lane = upload->lanes;
    bool is_known = false;
    pinpipe_status status = upload->id.len ? PINPIPE_OK : pp_s3_upload_begin(upload, timeout_ms, err);
    if (status == PINPIPE_OK && upload->part_count == PP_S3_PARTS_MAX) {
        status =
            pp_fail(err, PINPIPE_ELIMIT, "the object has more than 10,000 parts of %lld bytes: tell its size",
                    (long long)upload->part_bytes);
    }
    if (status < 0) {
        return status;
    }
    upload->part_count++;
    upload->total_bytes += (int64_t)bytes.len;
    status = part_is_known(&is_known, upload, bytes, err);
    if (status < 0 || is_known) {
        if (owned) {
            pp_buf_clear(owned);
        }
        return status;
    }
    status = lanes_wait(&lane, upload, false, err);
    char before[32];
    snprintf(before, sizeof before, "partNumber=%d&", upload->part_count);
    if (status == PINPIPE_OK) {
        pp_buf_clear(&lane->query);
        status = pp_s3_upload_query(&lane->query, upload, before, err);
    }
    if (status < 0) {
        return status;
    }
    if (owned) {
        pinpipe_buf spare = lane->body;
        lane->body = *owned;
        *owned = spare;
        pp_buf_clear(owned);
    }
    lane->number = upload->part_count;
    pp_s3_call call = {.method = "PUT",
                       .doing = "put part of",
                       .name = pp_s3_upload_name(upload),
                       .query = lane->query.ptr,
                       .body = bytes,
                       .is_object = true};
    pp_s3_job_start(&lane->job, upload->s3, &call, timeout_ms);
    return PINPIPE_OK;
}

static pinpipe_status state_check(const pinpipe_s3_upload *upload, pinpipe_error *err) {
    return !upload->is_failed && !upload->is_ended
               ? PINPIPE_OK
               : pp_fail(err, PINPIPE_EINVAL, "the upload %s", upload->is_ended ? "has ended" : "has failed");
}

static pinpipe_status bytes_cut(pinpipe_s3_upload *upload, pinpipe_str bytes, int64_t timeout_ms,
                                pinpipe_error *err) {
    size_t part = (size_t)upload->part_bytes;
    pinpipe_status status = PINPIPE_OK;
    bool is_borrowed = false;
    while (status == PINPIPE_OK && bytes.len) {
        if (upload->tail.len == part) {
            status = part_send(upload, pp_buf_view(&upload->tail), &upload->tail, timeout_ms, err);
        } else if (upload->tail.len == 0 && bytes.len > part) {
            status = part_send(upload, (pinpipe_str){bytes.ptr, part}, NULL, timeout_ms, err);
            bytes = (pinpipe_str){bytes.ptr + part, bytes.len - part};
            is_borrowed = true;
        } else {
            size_t room = part - upload->tail.len, len = bytes.len < room ? bytes.len : room;
            bool is_long = upload->tail.len + len > PP_S3_LARGE_FROM;
            status = pp_buf_reserve(&upload->tail, is_long ? room : len, part, err);
            status = status == PINPIPE_OK ? pp_buf_append(&upload->tail, bytes.ptr, len, err) : status;
            bytes = (pinpipe_str){bytes.ptr + len, bytes.len - len};
        }
    }
    pp_s3_lane *any = NULL;
    return status == PINPIPE_OK && is_borrowed ? lanes_wait(&any, upload, true, err) : status;
}

pinpipe_status pinpipe_s3_upload_write(pinpipe_s3_upload *upload, pinpipe_str bytes, int64_t timeout_ms,
                                       pinpipe_error *err) {
    assert(upload);
    pinpipe_status status = state_check(upload, err);
    if (status < 0) {
        return status;
    }
    status = bytes_cut(upload, bytes, timeout_ms, err);
    if (status < 0) {
        lanes_stop(upload); /* the caller's bytes may go */
        upload->is_failed = true;
    }
    return status;
}

pinpipe_status pinpipe_s3_upload_commit(pinpipe_s3_upload *upload, int64_t timeout_ms, pinpipe_error *err) {
    assert(upload);
    pinpipe_status status = state_check(upload, err);
    if (status < 0) {
        return status;
    }
    if (!upload->id.len) {
        pinpipe_s3_put_options options = PINPIPE_S3_PUT_OPTIONS_INIT;
        options.flags = upload->flags;
        options.content_type = pp_buf_view(&upload->content_type);
        options.if_match = pp_buf_view(&upload->if_match);
        options.metadata = upload->metadata;
        options.metadata_count = upload->metadata_count;
        status = pinpipe_s3_object_put(upload->s3, pp_s3_upload_name(upload), pp_buf_view(&upload->tail),
                                       &options, timeout_ms, err);
        upload->is_ended = status == PINPIPE_OK;
        return status;
    }
    pp_s3_lane *any = NULL;
    if (upload->tail.len) {
        status = part_send(upload, pp_buf_view(&upload->tail), &upload->tail, timeout_ms, err);
    }
    if (status == PINPIPE_OK) {
        status = lanes_wait(&any, upload, true, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_s3_upload_complete(upload, timeout_ms, err);
    }
    if (status == PINPIPE_OK && upload->journal.len) {
        status = pp_file_remove(upload->journal.ptr, err);
    }
    if (status < 0) {
        lanes_stop(upload);
    }
    upload->is_failed = status < 0;
    upload->is_ended = status == PINPIPE_OK;
    return status;
}

pinpipe_status pinpipe_s3_upload_clear(pinpipe_s3_upload *upload, int64_t timeout_ms, pinpipe_error *err) {
    assert(upload);
    pinpipe_status status = PINPIPE_OK;
    lanes_stop(upload);
    if (upload->id.len && !upload->is_ended) {
        status = pp_s3_upload_abort(upload->s3, pp_s3_upload_name(upload), pp_buf_view(&upload->id),
                                    timeout_ms, err);
    }
    if (status == PINPIPE_OK && upload->journal.len && !upload->is_ended) {
        status = pp_file_remove(upload->journal.ptr, err);
    }
    upload->is_ended = upload->is_ended || status == PINPIPE_OK;
    return status;
}

#endif
