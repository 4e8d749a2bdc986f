/* Turns a target's URL into the store behind it.
 * Never guesses: a URL of another kind is an error that lists the two.
 * Rules: docs/sink.md, "Targets". */
#include "pipeline/object_store.h"

#include <string.h>

#include "base/buffer.h"

#define FILE_SCHEME "file://"
#define S3_SCHEME "s3://"

static bool begins_with(pinpipe_str text, const char *prefix, pinpipe_str *rest) {
    size_t len = strlen(prefix);
    if (text.len < len || memcmp(text.ptr, prefix, len) != 0) {
        return false;
    }
    *rest = (pinpipe_str){text.ptr + len, text.len - len};
    return true;
}

pinpipe_status pp_object_store_open(pp_object_store **out, pinpipe_str url, pinpipe_s3 *s3,
                                    pinpipe_error *err) {
    pinpipe_str path = {0};
    *out = NULL;
    if (begins_with(url, FILE_SCHEME, &path)) {
        return pp_file_store_open(out, path, err);
    }
    if (begins_with(url, S3_SCHEME, &path)) {
        return pp_s3_store_open(out, path, s3, err);
    }
    return pp_fail(err, PINPIPE_EINVAL, "target '%.*s' is neither file:///folder nor s3://bucket/prefix",
                   pp_quote_len(url.len), url.len ? url.ptr : "");
}

pinpipe_status pp_object_store_put(pp_object_store *store, pinpipe_str key, pinpipe_str bytes,
                                   int64_t timeout_ms, pinpipe_error *err) {
    return store->ops->put(store, key, bytes, timeout_ms, err);
}

void pp_object_store_free(pp_object_store *store) {
    if (store) {
        store->ops->free(store);
    }
}
