/* Turns keys and short texts into files of a folder, or objects of a bucket, that are replaced by condition.
 * Never trusts an ETag that it did not see or reckon: where a store names objects otherwise, it is asked.
 * Rules: docs/stream.md, "Groups"; Amazon S3 User Guide, "Conditional requests" (409: try again; 404 of an
 * If-Match: the object is gone). */
#include "pipeline/lease_store.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/md5.h"
#include "base/memory.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/folder.h"
#include "io/retry.h"
#include "s3/copy.h"
#include "s3/error.h"

#define FILE_SCHEME "file://"
#define S3_SCHEME "s3://"
#define SUFFIX ".json"
#define ETAG_BYTES 40
#define CONFLICTS_MAX 8

typedef struct lease_store {
    pp_lease_store base;
    pinpipe_s3 *client; /* NULL: a folder */
    pinpipe_buf bucket;
    pinpipe_buf root; /* the folder, or the prefix with its slash */
    pinpipe_buf name; /* of the entry that is under way */
} lease_store;

static pinpipe_status name_write(lease_store *store, pinpipe_str key, pinpipe_error *err) {
    pp_buf_clear(&store->name);
    if (key.len == 0 || key.ptr[0] == '.' || memchr(key.ptr, '/', key.len)) {
        return pp_fail(err, PINPIPE_EINVAL, "key '%.*s' cannot name a lease", pp_quote_len(key.len), key.ptr);
    }
    return pp_buf_printf(&store->name, err, "%.*s%.*s" SUFFIX, (int)store->root.len, store->root.ptr,
                         (int)key.len, key.ptr);
}

/* ---- a folder ---- */

typedef struct folder_walk {
    lease_store *store;
    pp_lease_take take;
    void *user;
} folder_walk;

static bool key_of(pinpipe_str *key, pinpipe_str name) {
    size_t suffix = strlen(SUFFIX);
    *key = (pinpipe_str){name.ptr, name.len > suffix ? name.len - suffix : 0};
    return key->len > 0 && memcmp(name.ptr + key->len, SUFFIX, suffix) == 0;
}

static pinpipe_status file_take(void *user, pinpipe_str name, pinpipe_error *err) {
    folder_walk *walk = user;
    pinpipe_buf text = PINPIPE_BUF_INIT;
    pinpipe_str key = {0};
    if (!key_of(&key, name)) {
        return PINPIPE_OK;
    }
    pinpipe_status status = name_write(walk->store, key, err);
    if (status == PINPIPE_OK) {
        status = pp_file_read(&text, walk->store->name.ptr, PP_LEASE_TEXT_MAX, NULL, err);
        if (status == PINPIPE_ENOTFOUND) {
            return PINPIPE_OK; /* removed meanwhile */
        }
    }
    if (status == PINPIPE_OK) {
        status = walk->take(walk->user, key, pp_buf_view(&text), err);
    }
    pinpipe_buf_reset(&text);
    return status;
}

static pinpipe_status folder_load(pp_lease_store *base, pp_lease_take take, void *user, int64_t timeout_ms,
                                  pinpipe_error *err) {
    folder_walk walk = {(lease_store *)base, take, user};
    (void)timeout_ms; /* a local read has no deadline to give to the system */
    return pp_folder_walk(walk.store->root.ptr, file_take, &walk, err);
}

static pinpipe_status folder_create(pp_lease_outcome *outcome, pp_lease_store *base, pinpipe_str key,
                                    pinpipe_str text, int64_t timeout_ms, pinpipe_error *err) {
    lease_store *store = (lease_store *)base;
    pp_file_outcome made = PP_FILE_EXISTS;
    (void)timeout_ms;
    pinpipe_status status = name_write(store, key, err);
    if (status == PINPIPE_OK) {
        status = pp_file_create(&made, store->name.ptr, &text, 1, err);
    }
    *outcome = made == PP_FILE_CREATED ? PP_LEASE_WON : PP_LEASE_LOST;
    return status;
}

static pinpipe_status folder_swap(pp_lease_outcome *outcome, pp_lease_store *base, pinpipe_str key,
                                  pinpipe_str expected, pinpipe_str text, int64_t timeout_ms,
                                  pinpipe_error *err) {
    lease_store *store = (lease_store *)base;
    pp_file_swap_outcome swapped = PP_FILE_DIFFERS;
    pinpipe_status status = name_write(store, key, err);
    if (status == PINPIPE_OK) {
        status = pp_file_swap(&swapped, store->name.ptr, expected, text, timeout_ms, err);
    }
    *outcome = swapped == PP_FILE_SWAPPED ? PP_LEASE_WON : PP_LEASE_LOST;
    return status;
}

static pinpipe_status folder_remove(pp_lease_store *base, pinpipe_str key, int64_t timeout_ms,
                                    pinpipe_error *err) {
    lease_store *store = (lease_store *)base;
    (void)timeout_ms;
    pinpipe_status status = name_write(store, key, err);
    return status == PINPIPE_OK ? pp_file_remove(store->name.ptr, err) : status;
}

static void store_free(pp_lease_store *base) {
    lease_store *store = (lease_store *)base;
    pinpipe_s3_free(store->client);
    pinpipe_buf_reset(&store->bucket);
    pinpipe_buf_reset(&store->root);
    pinpipe_buf_reset(&store->name);
    pp_free(store);
}

static const pp_lease_store_ops folder_ops = {folder_load, folder_create, folder_swap, folder_remove,
                                              store_free};

/* ---- a bucket ---- */

/* One by one: S3's reader of many refuses an object that is replaced between its list and its read. One that
 * is replaced while it is read is read again. */
static pinpipe_status object_take(lease_store *store, pinpipe_str name, pp_lease_take take, void *user,
                                  int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_buf text = PINPIPE_BUF_INIT;
    pinpipe_error refusal = PINPIPE_ERROR_INIT;
    pinpipe_str key = {0};
    pinpipe_str file = {name.ptr + store->root.len, name.len - store->root.len};
    if (!key_of(&key, file) || memchr(key.ptr, '/', key.len)) {
        return PINPIPE_OK;
    }
    pinpipe_s3_name object = {pp_buf_view(&store->bucket), name};
    pinpipe_status status = PINPIPE_ECONFLICT;
    for (int attempt = 0; status == PINPIPE_ECONFLICT && attempt < CONFLICTS_MAX; attempt++) {
        status = pinpipe_s3_object_get(&text, store->client, object, PP_LEASE_TEXT_MAX, timeout_ms, &refusal);
    }
    if (status == PINPIPE_OK) {
        status = take(user, key, pp_buf_view(&text), err);
    } else if (status == PINPIPE_ENOTFOUND) {
        status = PINPIPE_OK; /* removed meanwhile */
    } else if (err && err->struct_size >= sizeof *err) {
        *err = refusal;
    }
    pinpipe_buf_reset(&text);
    return status;
}

static pinpipe_status bucket_load(pp_lease_store *base, pp_lease_take take, void *user, int64_t timeout_ms,
                                  pinpipe_error *err) {
    lease_store *store = (lease_store *)base;
    pinpipe_s3_list_options options = PINPIPE_S3_LIST_OPTIONS_INIT;
    pinpipe_s3_list *list = NULL;
    options.bucket = pp_buf_view(&store->bucket);
    options.prefix = pp_buf_view(&store->root);
    pinpipe_status status = pinpipe_s3_list_new(&list, store->client, &options, err);
    while (status == PINPIPE_OK && (status = pinpipe_s3_list_next(list, timeout_ms, err)) == PINPIPE_OK) {
        for (int64_t i = 0; status == PINPIPE_OK && i < pinpipe_s3_list_count(list); i++) {
            status = object_take(store, pinpipe_s3_list_at(list, i).key, take, user, timeout_ms, err);
        }
    }
    pinpipe_s3_list_free(list);
    return status == PINPIPE_DONE ? PINPIPE_OK : status;
}

/* One conditional put, again where S3 says that another one was under way. */
static pinpipe_status bucket_put(pp_lease_outcome *outcome, lease_store *store, pinpipe_str text,
                                 const pinpipe_s3_put_options *options, int64_t timeout_ms,
                                 pinpipe_error *err) {
    pinpipe_s3_name name = {pp_buf_view(&store->bucket), pp_buf_view(&store->name)};
    int64_t deadline_ms = pp_clock_monotonic_ms() + timeout_ms;
    pinpipe_status status = PINPIPE_OK;
    *outcome = PP_LEASE_LOST;
    for (int32_t attempt = 1; attempt <= CONFLICTS_MAX; attempt++) {
        pinpipe_error refusal = PINPIPE_ERROR_INIT;
        int64_t left_ms = deadline_ms - pp_clock_monotonic_ms();
        status =
            pinpipe_s3_object_put(store->client, name, text, options, left_ms > 1 ? left_ms : 1, &refusal);
        if (status == PINPIPE_OK) {
            *outcome = PP_LEASE_WON;
            return status;
        }
        bool is_gone = status == PINPIPE_ENOTFOUND && options->if_match.len > 0;
        if (is_gone || (status == PINPIPE_ECONFLICT && refusal.native_code == PP_S3_PRECONDITION_FAILED)) {
            return PINPIPE_OK;
        }
        if (err && err->struct_size >= sizeof *err) {
            *err = refusal;
        }
        if (refusal.native_code != PP_S3_CONFLICT || pp_clock_monotonic_ms() >= deadline_ms) {
            return status;
        }
        pp_clock_sleep_ms(pp_retry_pause_ms(attempt, PINPIPE_ETIMEOUT, pp_retry_random()));
    }
    return status;
}

static pinpipe_status bucket_create(pp_lease_outcome *outcome, pp_lease_store *base, pinpipe_str key,
                                    pinpipe_str text, int64_t timeout_ms, pinpipe_error *err) {
    lease_store *store = (lease_store *)base;
    pinpipe_s3_put_options options = PINPIPE_S3_PUT_OPTIONS_INIT;
    options.flags = PINPIPE_S3_PUT_NEW;
    options.content_type = pp_str("application/json");
    *outcome = PP_LEASE_LOST;
    pinpipe_status status = name_write(store, key, err);
    return status == PINPIPE_OK ? bucket_put(outcome, store, text, &options, timeout_ms, err) : status;
}

static pinpipe_status etag_reckon(char out[ETAG_BYTES], pinpipe_str text, pinpipe_error *err) {
    uint8_t digest[PP_MD5_BYTES];
    pinpipe_status status = pp_md5(digest, text, err);
    size_t len = 0;
    out[len++] = '"';
    for (size_t i = 0; status == PINPIPE_OK && i < sizeof digest; i++) {
        snprintf(out + len, 3, "%02x", digest[i]);
        len += 2;
    }
    out[len++] = '"';
    out[len] = '\0';
    return status;
}

/* What the object is now: `text`, whose answer was lost, or `expected` with an ETag that is no MD5, or
 * another. The body comes after the ETag, and no text comes twice: a body that is expected proves the ETag.
 */
static pinpipe_status object_look(pp_lease_outcome *outcome, pinpipe_buf *etag, lease_store *store,
                                  pinpipe_str expected, pinpipe_str text, int64_t timeout_ms,
                                  pinpipe_error *err) {
    pinpipe_s3_name name = {pp_buf_view(&store->bucket), pp_buf_view(&store->name)};
    pinpipe_s3_object object = {0};
    pinpipe_buf body = PINPIPE_BUF_INIT;
    pinpipe_status status = pinpipe_s3_object_head(&object, store->client, name, timeout_ms, err);
    if (status == PINPIPE_OK) {
        status = pp_buf_append(etag, object.etag.ptr, object.etag.len, err);
    }
    if (status == PINPIPE_OK) {
        status = pinpipe_s3_object_get(&body, store->client, name, PP_LEASE_TEXT_MAX, timeout_ms, err);
    }
    if (status < 0 || !pp_str_equal(pp_buf_view(&body), expected)) {
        pp_buf_clear(etag);
    }
    if (status == PINPIPE_OK && pp_str_equal(pp_buf_view(&body), text)) {
        *outcome = PP_LEASE_WON;
    }
    pinpipe_buf_reset(&body);
    return status == PINPIPE_ENOTFOUND ? PINPIPE_OK : status;
}

static pinpipe_status bucket_swap(pp_lease_outcome *outcome, pp_lease_store *base, pinpipe_str key,
                                  pinpipe_str expected, pinpipe_str text, int64_t timeout_ms,
                                  pinpipe_error *err) {
    lease_store *store = (lease_store *)base;
    pinpipe_s3_put_options options = PINPIPE_S3_PUT_OPTIONS_INIT;
    pinpipe_buf found = PINPIPE_BUF_INIT;
    char etag[ETAG_BYTES] = "";
    *outcome = PP_LEASE_LOST;
    options.content_type = pp_str("application/json");
    pinpipe_status status = name_write(store, key, err);
    if (status == PINPIPE_OK) {
        status = etag_reckon(etag, expected, err);
    }
    if (status == PINPIPE_OK) {
        options.if_match = pp_str(etag);
        status = bucket_put(outcome, store, text, &options, timeout_ms, err);
    }
    if (status != PINPIPE_OK || *outcome == PP_LEASE_WON) {
        return status;
    }
    /* Another's, or a store whose ETags are no MD5 (KMS). */
    status = object_look(outcome, &found, store, expected, text, timeout_ms, err);
    if (status == PINPIPE_OK && found.len > 0 && !pp_str_is(pp_buf_view(&found), etag)) {
        options.if_match = pp_buf_view(&found);
        status = bucket_put(outcome, store, text, &options, timeout_ms, err);
    }
    pinpipe_buf_reset(&found);
    return status;
}

static pinpipe_status bucket_remove(pp_lease_store *base, pinpipe_str key, int64_t timeout_ms,
                                    pinpipe_error *err) {
    lease_store *store = (lease_store *)base;
    pinpipe_status status = name_write(store, key, err);
    pinpipe_s3_name name = {pp_buf_view(&store->bucket), pp_buf_view(&store->name)};
    return status == PINPIPE_OK ? pinpipe_s3_object_delete(store->client, name, timeout_ms, err) : status;
}

static const pp_lease_store_ops bucket_ops = {bucket_load, bucket_create, bucket_swap, bucket_remove,
                                              store_free};

/* ---- either ---- */

static bool begins_with(pinpipe_str text, const char *prefix, pinpipe_str *rest) {
    size_t len = strlen(prefix);
    if (text.len < len || memcmp(text.ptr, prefix, len) != 0) {
        return false;
    }
    *rest = (pinpipe_str){text.ptr + len, text.len - len};
    while (rest->len > 1 && rest->ptr[rest->len - 1] == '/') {
        rest->len--;
    }
    return rest->len > 0;
}

static pinpipe_status place_set(lease_store *store, pinpipe_str url, const pinpipe_s3 *s3,
                                pinpipe_error *err) {
    pinpipe_str path = {0};
    if (begins_with(url, FILE_SCHEME, &path) && path.ptr[0] == '/' && path.len < PP_FILE_PATH_BYTES / 2) {
        store->base.ops = &folder_ops;
        return pp_buf_printf(&store->root, err, "%.*s/", (int)path.len, path.ptr);
    }
    if (!begins_with(url, S3_SCHEME, &path)) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "leases '%.*s' are neither in file:///folder nor s3://bucket/prefix",
                       pp_quote_len(url.len), url.len ? url.ptr : "");
    }
    const char *slash = memchr(path.ptr, '/', path.len);
    size_t bucket_len = slash ? (size_t)(slash - path.ptr) : path.len;
    pinpipe_s3_options options = PINPIPE_S3_OPTIONS_INIT;
    store->base.ops = &bucket_ops;
    pinpipe_status status = pp_buf_append(&store->bucket, path.ptr, bucket_len, err);
    if (status == PINPIPE_OK && slash) {
        status = pp_buf_printf(&store->root, err, "%.*s/", (int)(path.len - bucket_len - 1), slash + 1);
    }
    if (status < 0) {
        return status;
    }
    return s3 ? pp_s3_copy(&store->client, s3, err) : pinpipe_s3_new(&store->client, &options, err);
}

pinpipe_status pp_lease_store_open(pp_lease_store **out, pinpipe_str url, const pinpipe_s3 *s3,
                                   pinpipe_error *err) {
    lease_store *store = pp_alloc_zero(sizeof *store);
    *out = NULL;
    if (!store) {
        return pp_fail_memory(err, "a lease store", sizeof *store);
    }
    pinpipe_status status = place_set(store, url, s3, err);
    if (status < 0) {
        store_free(&store->base);
        return status;
    }
    *out = &store->base;
    return PINPIPE_OK;
}

pinpipe_status pp_lease_store_load(pp_lease_store *store, pp_lease_take take, void *user, int64_t timeout_ms,
                                   pinpipe_error *err) {
    return store->ops->load(store, take, user, timeout_ms, err);
}

pinpipe_status pp_lease_store_create(pp_lease_outcome *outcome, pp_lease_store *store, pinpipe_str key,
                                     pinpipe_str text, int64_t timeout_ms, pinpipe_error *err) {
    return store->ops->create(outcome, store, key, text, timeout_ms, err);
}

pinpipe_status pp_lease_store_swap(pp_lease_outcome *outcome, pp_lease_store *store, pinpipe_str key,
                                   pinpipe_str expected, pinpipe_str text, int64_t timeout_ms,
                                   pinpipe_error *err) {
    return store->ops->swap(outcome, store, key, expected, text, timeout_ms, err);
}

pinpipe_status pp_lease_store_remove(pp_lease_store *store, pinpipe_str key, int64_t timeout_ms,
                                     pinpipe_error *err) {
    return store->ops->remove(store, key, timeout_ms, err);
}

void pp_lease_store_free(pp_lease_store *store) {
    if (store) {
        store->ops->free(store);
    }
}
