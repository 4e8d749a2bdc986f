/* Turns keys into objects of one bucket below one prefix.
 * Never creates a bucket and never retries by itself: the sink spreads attempts over its calls.
 * Rules: docs/sink.md, "Targets". */
#include "pipeline/object_store.h"

#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"

typedef struct s3_store {
    pp_object_store base;
    pinpipe_s3 *client;
    pinpipe_s3 *owned_client; /* the same, where it is ours to free */
    pinpipe_buf bucket;
    pinpipe_buf prefix; /* "" or ends with '/' */
    pinpipe_buf key;
} s3_store;

static pinpipe_status s3_put(pp_object_store *store, pinpipe_str key, pinpipe_str bytes, int64_t timeout_ms,
                             pinpipe_error *err) {
    s3_store *objects = (s3_store *)store;
    pp_buf_clear(&objects->key);
    pinpipe_status status = pp_buf_append(&objects->key, objects->prefix.ptr, objects->prefix.len, err);
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&objects->key, key.ptr, key.len, err);
    }
    if (status < 0) {
        return status;
    }
    pinpipe_s3_put_options options = PINPIPE_S3_PUT_OPTIONS_INIT;
    options.content_type = pp_str("application/json");
    pinpipe_s3_name name = {pp_buf_view(&objects->bucket), pp_buf_view(&objects->key)};
    return pinpipe_s3_object_put(objects->client, name, bytes, &options, timeout_ms, err);
}

static void s3_free(pp_object_store *store) {
    s3_store *objects = (s3_store *)store;
    pinpipe_s3_free(objects->owned_client);
    pinpipe_buf_reset(&objects->bucket);
    pinpipe_buf_reset(&objects->prefix);
    pinpipe_buf_reset(&objects->key);
    pp_free(objects);
}

static const pp_object_store_ops s3_ops = {s3_put, s3_free};

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

pinpipe_status pp_s3_store_open(pp_object_store **out, pinpipe_str path, pinpipe_s3 *s3, pinpipe_error *err) {
    *out = NULL;
    s3_store *store = pp_alloc_zero(sizeof *store);
    if (!store) {
        return pp_fail_memory(err, "an S3 store", sizeof *store);
    }
    store->base.ops = &s3_ops;
    store->client = s3;
    pinpipe_status status = names_set(store, path, err);
    if (status == PINPIPE_OK && !s3) {
        pinpipe_s3_options options = PINPIPE_S3_OPTIONS_INIT;
        options.attempts_max = 1;
        status = pinpipe_s3_new(&store->owned_client, &options, err);
        store->client = store->owned_client;
    }
    if (status < 0) {
        s3_free(&store->base);
        return status;
    }
    *out = &store->base;
    return PINPIPE_OK;
}
