/* Turns a target's URL into the store behind it.
 * Never guesses: a URL of another kind is an error that lists the two.
 * Rules: docs/sink.md, "Targets". */
#include "pipeline/object_store.h"

#include <string.h>

#include "base/buffer.h"
#include "base/checksum.h"

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

pinpipe_status pp_object_store_open(pp_object_store **out, pinpipe_str url, const pinpipe_s3 *s3,
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

pinpipe_status pp_object_store_create(pp_object_outcome *outcome, pp_object_store *store,
                                      const pp_object *object, int64_t timeout_ms, pinpipe_error *err) {
    return store->ops->create(outcome, store, object, timeout_ms, err);
}

pinpipe_status pp_object_store_find(pp_object_facts *out, pp_object_store *store, pinpipe_str key,
                                    pp_codec codec, int64_t timeout_ms, pinpipe_error *err) {
    return store->ops->find(out, store, key, codec, timeout_ms, err);
}

pinpipe_status pp_object_store_copy(pp_object_store **out, const pp_object_store *store, pinpipe_error *err) {
    return store->ops->copy(out, store, err);
}

void pp_object_store_free(pp_object_store *store) {
    if (store) {
        store->ops->free(store);
    }
}

/* ---- lines of an object that is there ---- */

pinpipe_status pp_line_count_init(pp_line_count *count, pp_codec codec, pinpipe_error *err) {
    *count = (pp_line_count){.facts = {.last = -1, .has_crc = true}};
    return pp_expander_new(&count->expander, codec, err);
}

static pinpipe_status lines_take(void *user, pinpipe_str bytes, pinpipe_error *err) {
    pp_object_facts *facts = user;
    const char *at = bytes.ptr;
    const char *end = bytes.ptr + bytes.len;
    (void)err;
    facts->crc = pp_crc32(facts->crc, bytes.ptr, bytes.len);
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
        facts->count++;
        at++;
    }
    return PINPIPE_OK;
}

pinpipe_status pp_line_count_feed(void *count, pinpipe_str bytes, pinpipe_error *err) {
    pp_line_count *lines = count;
    return pp_expander_feed(lines->expander, bytes, lines_take, &lines->facts, err);
}

pinpipe_status pp_line_count_end(pp_line_count *count, pinpipe_error *err) {
    pinpipe_status status = pp_expander_end(count->expander, err);
    pp_expander_free(count->expander);
    count->expander = NULL;
    return status;
}
