/* Turns keys into objects of one bucket below one prefix.
 * Never creates a bucket and never retries by itself: the sink spreads attempts over its calls.
 * Rules: docs/sink.md, "Targets". */
#include "pipeline/object_store.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "s3/copy.h"
#include "s3/error.h"
#include "text/number.h"

#define FACT_BYTES 24

static const char *const fact_names[] = {"x-amz-meta-pp-last", "x-amz-meta-pp-count", "x-amz-meta-pp-crc"};

typedef struct s3_store {
    pp_object_store base;
    pinpipe_s3 *client;
    pinpipe_buf bucket;
    pinpipe_buf prefix; /* "" or ends with '/' */
    pinpipe_buf key;
} s3_store;

static pinpipe_status name_write(pinpipe_s3_name *out, s3_store *objects, pinpipe_str key,
                                 pinpipe_error *err) {
    pp_buf_clear(&objects->key);
    pinpipe_status status = pp_buf_append(&objects->key, objects->prefix.ptr, objects->prefix.len, err);
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&objects->key, key.ptr, key.len, err);
    }
    *out = (pinpipe_s3_name){pp_buf_view(&objects->bucket), pp_buf_view(&objects->key)};
    return status;
}

/* What a conflict is solved by, without reading the object. */
static size_t facts_write(pinpipe_header out[3], char texts[3][FACT_BYTES], const pp_object_facts *facts) {
    const long long values[] = {facts->last, facts->count, facts->crc};
    for (size_t i = 0; i < 3; i++) {
        snprintf(texts[i], FACT_BYTES, "%lld", values[i]);
        out[i] = (pinpipe_header){pp_str(fact_names[i]), pp_str(texts[i])};
    }
    return 3;
}

static pinpipe_str content_type(pp_codec codec) {
    static const char *const names[] = {"application/json", "application/gzip", "application/zstd"};
    return pp_str(names[codec]);
}

static pinpipe_status s3_create(pp_object_outcome *outcome, pp_object_store *store, const pp_object *object,
                                int64_t timeout_ms, pinpipe_error *err) {
    s3_store *objects = (s3_store *)store;
    pinpipe_s3_name name = {0};
    pinpipe_header metadata[3];
    char texts[3][FACT_BYTES];
    pinpipe_s3_upload *upload = NULL;
    pinpipe_error refusal = PINPIPE_ERROR_INIT;
    *outcome = PP_OBJECT_CREATED;
    pinpipe_status status = name_write(&name, objects, object->key, &refusal);
    pinpipe_s3_upload_options options = PINPIPE_S3_UPLOAD_OPTIONS_INIT;
    options.flags = PINPIPE_S3_PUT_NEW;
    options.content_type = content_type(object->codec);
    options.metadata = metadata;
    options.metadata_count = (int64_t)facts_write(metadata, texts, &object->facts);
    if (status == PINPIPE_OK) {
        status = pinpipe_s3_upload_open(&upload, objects->client, name, &options, &refusal);
    }
    for (size_t i = 0; status == PINPIPE_OK && i < object->piece_count; i++) {
        status = pinpipe_s3_upload_write(upload, object->pieces[i], timeout_ms, &refusal);
    }
    if (status == PINPIPE_OK) {
        status = pinpipe_s3_upload_commit(upload, timeout_ms, &refusal);
    }
    if (status == PINPIPE_ECONFLICT && refusal.native_code == PP_S3_PRECONDITION_FAILED) {
        *outcome = PP_OBJECT_EXISTS;
        status = PINPIPE_OK;
    }
    pinpipe_s3_upload_free(upload);
    if (status < 0 && err && err->struct_size >= sizeof *err) {
        *err = refusal;
    }
    return status;
}

/* The object is another program's, or was copied without its metadata: its lines are counted. */
static pinpipe_status lines_find(pp_object_facts *out, s3_store *objects, pinpipe_s3_name name,
                                 pp_codec codec, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_s3_reader_options options = PINPIPE_S3_READER_OPTIONS_INIT;
    pinpipe_s3_reader *reader = NULL;
    pinpipe_s3_piece piece = {0};
    pp_line_count lines = {0};
    options.bucket = name.bucket;
    options.key = name.key;
    pinpipe_status status = pp_line_count_init(&lines, codec, err);
    if (status < 0) {
        return status;
    }
    status = pinpipe_s3_reader_new(&reader, objects->client, &options, err);
    while (status == PINPIPE_OK &&
           (status = pinpipe_s3_reader_next(&piece, reader, timeout_ms, err)) == PINPIPE_OK) {
        status = pp_line_count_feed(&lines, piece.bytes, err);
    }
    pinpipe_s3_reader_free(reader);
    status = status == PINPIPE_DONE ? PINPIPE_OK : status;
    pinpipe_status ended = pp_line_count_end(&lines, status < 0 ? NULL : err);
    *out = lines.facts;
    out->has_crc = false; /* of the same records it may have other bytes */
    return status < 0 ? status : ended;
}

static pinpipe_status s3_find(pp_object_facts *out, pp_object_store *store, pinpipe_str key, pp_codec codec,
                              int64_t timeout_ms, pinpipe_error *err) {
    s3_store *objects = (s3_store *)store;
    pinpipe_s3_name name = {0};
    pinpipe_s3_object found;
    int64_t values[3] = {-1, -1, -1};
    pinpipe_status status = name_write(&name, objects, key, err);
    if (status == PINPIPE_OK) {
        status = pinpipe_s3_object_head(&found, objects->client, name, timeout_ms, err);
    }
    if (status < 0) {
        return status;
    }
    bool is_ours = true;
    for (size_t i = 0; i < 3; i++) {
        pinpipe_str text = pinpipe_s3_metadata_text(objects->client, pp_str(fact_names[i]));
        is_ours = is_ours && pp_number_i64(&values[i], text) == PP_NUMBER_OK;
    }
    *out = (pp_object_facts){values[0], values[1], (uint32_t)values[2], true};
    return is_ours ? PINPIPE_OK : lines_find(out, objects, name, codec, timeout_ms, err);
}

static void s3_free(pp_object_store *store) {
    s3_store *objects = (s3_store *)store;
    pinpipe_s3_free(objects->client);
    pinpipe_buf_reset(&objects->bucket);
    pinpipe_buf_reset(&objects->prefix);
    pinpipe_buf_reset(&objects->key);
    pp_free(objects);
}

static pinpipe_status s3_copy(pp_object_store **out, const pp_object_store *store, pinpipe_error *err) {
    const s3_store *from = (const s3_store *)store;
    s3_store *copy = pp_alloc_zero(sizeof *copy);
    *out = NULL;
    if (!copy) {
        return pp_fail_memory(err, "an S3 store", sizeof *copy);
    }
    copy->base.ops = from->base.ops;
    pinpipe_status status = pp_buf_append(&copy->bucket, from->bucket.ptr, from->bucket.len, err);
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&copy->prefix, from->prefix.ptr, from->prefix.len, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_s3_copy(&copy->client, from->client, err);
    }
    if (status < 0) {
        s3_free(&copy->base);
        return status;
    }
    *out = &copy->base;
    return PINPIPE_OK;
}

static const pp_object_store_ops s3_ops = {s3_create, s3_find, s3_copy, s3_free};

static pinpipe_status names_set(s3_store *store, pinpipe_str path, pinpipe_error *err) {
    const char *slash = path.len ? memchr(path.ptr, '/', path.len) : NULL;
    size_t bucket_len = slash ? (size_t)(slash - path.ptr) : path.len;
    if (bucket_len == 0) {
        return pp_fail(err, PINPIPE_EINVAL, "target 's3://%.*s' names no bucket", pp_quote_len(path.len),
                       path.len ? path.ptr : "");
    }
    size_t start = slash ? bucket_len + 1 : path.len;
    size_t end = path.len;
    while (end > start && path.ptr[end - 1] == '/') {
        end--;
    }
    pinpipe_status status = pp_buf_append(&store->bucket, path.ptr, bucket_len, err);
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&store->prefix, path.ptr + start, end - start, err);
    }
    if (status == PINPIPE_OK && end > start) {
        status = pp_buf_append_text(&store->prefix, "/", err);
    }
    return status;
}

pinpipe_status pp_s3_store_open(pp_object_store **out, pinpipe_str path, const pinpipe_s3 *s3,
                                pinpipe_error *err) {
    *out = NULL;
    s3_store *store = pp_alloc_zero(sizeof *store);
    if (!store) {
        return pp_fail_memory(err, "an S3 store", sizeof *store);
    }
    store->base.ops = &s3_ops;
    pinpipe_status status = names_set(store, path, err);
    if (status == PINPIPE_OK && s3) {
        status = pp_s3_copy(&store->client, s3, err);
    } else if (status == PINPIPE_OK) {
        pinpipe_s3_options options = PINPIPE_S3_OPTIONS_INIT;
        options.attempts_max = 1;
        status = pinpipe_s3_new(&store->client, &options, err);
    }
    if (status < 0) {
        s3_free(&store->base);
        return status;
    }
    *out = &store->base;
    return PINPIPE_OK;
}
