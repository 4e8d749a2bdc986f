/* Turns a URL into a store of short texts, a folder's or a bucket's.
 * Never takes a key for a name that it cannot be.
 * Rules: docs/stream.md, "Groups". */
#include "pipeline/lease_store.h"

#include <string.h>

#include "base/buffer.h"
#include "io/file.h"

#define FILE_SCHEME "file://"
#define S3_SCHEME "s3://"
#define SUFFIX ".json"

pinpipe_status pp_lease_name_write(pinpipe_buf *out, pinpipe_str root, pinpipe_str key, pinpipe_error *err) {
    pp_buf_clear(out);
    if (key.len == 0 || key.ptr[0] == '.' || memchr(key.ptr, '/', key.len)) {
        return pp_fail(err, PINPIPE_EINVAL, "key '%.*s' cannot name a lease", pp_quote_len(key.len), key.ptr);
    }
    return pp_buf_printf(out, err, "%.*s%.*s" SUFFIX, (int)root.len, root.ptr, (int)key.len, key.ptr);
}

bool pp_lease_name_read(pinpipe_str *key, pinpipe_str name) {
    size_t suffix = strlen(SUFFIX);
    *key = (pinpipe_str){name.ptr, name.len > suffix ? name.len - suffix : 0};
    return key->len > 0 && memcmp(name.ptr + key->len, SUFFIX, suffix) == 0 &&
           !memchr(key->ptr, '/', key->len);
}

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

pinpipe_status pp_lease_store_open(pp_lease_store **out, pinpipe_str url, const pinpipe_s3 *s3,
                                   pinpipe_error *err) {
    pinpipe_str path = {0};
    *out = NULL;
    if (begins_with(url, FILE_SCHEME, &path) && path.ptr[0] == '/' && path.len < PP_FILE_PATH_BYTES / 2) {
        return pp_lease_folder_open(out, path, err);
    }
    if (begins_with(url, S3_SCHEME, &path)) {
        return pp_lease_bucket_open(out, path, s3, err);
    }
    return pp_fail(err, PINPIPE_EINVAL, "leases '%.*s' are neither in file:///folder nor s3://bucket/prefix",
                   pp_quote_len(url.len), url.len ? url.ptr : "");
}

pinpipe_status pp_lease_store_load(pp_lease_store *store, pp_lease_take take, void *user, int64_t timeout_ms,
                                   pinpipe_error *err) {
    return store->ops->load(store, take, user, timeout_ms, err);
}

pinpipe_status pp_lease_store_write(pp_lease_change *changes, size_t count, pp_lease_store *store,
                                    int64_t timeout_ms, pinpipe_error *err) {
    for (size_t i = 0; i < count; i++) {
        changes[i].outcome = PP_LEASE_LOST;
    }
    return store->ops->write(changes, count, store, timeout_ms, err);
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
