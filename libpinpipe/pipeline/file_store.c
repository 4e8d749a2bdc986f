/* Turns keys into files below one folder.
 * Never writes outside the folder: a key with ".." in it is refused.
 * Rules: RFC 8089 (file URLs, percent-encoding); io/file.h for how a file is written. */
#include "pipeline/object_store.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "io/file.h"

typedef struct file_store {
    pp_object_store base;
    char folder[PP_FILE_PATH_BYTES];
} file_store;

static int hex_value(char digit) {
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    char lower = (char)(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static pinpipe_status folder_decode(char *out, pinpipe_str path, pinpipe_error *err) {
    size_t len = 0;
    for (size_t i = 0; i < path.len; i++) {
        int high = i + 2 < path.len && path.ptr[i] == '%' ? hex_value(path.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex_value(path.ptr[i + 2]) : -1;
        char byte = low >= 0 ? (char)(high * 16 + low) : path.ptr[i];
        i += low >= 0 ? 2 : 0;
        if (byte == '\0') {
            return pp_fail(err, PINPIPE_EINVAL, "target 'file://%.*s' has a NUL byte", pp_quote_len(path.len),
                           path.ptr);
        }
        out[len++] = byte;
    }
    while (len > 1 && out[len - 1] == '/') {
        len--;
    }
    out[len] = '\0';
    return PINPIPE_OK;
}

static pinpipe_status path_write(char path[2 * PP_FILE_PATH_BYTES], const file_store *files, pinpipe_str key,
                                 pinpipe_error *err) {
    if (key.len == 0 || key.len >= PP_FILE_PATH_BYTES || memmem(key.ptr, key.len, "..", 2) == key.ptr ||
        memmem(key.ptr, key.len, "/../", 4)) {
        return pp_fail(err, PINPIPE_EINVAL, "key '%.*s' cannot be a file's name", pp_quote_len(key.len),
                       key.ptr);
    }
    snprintf(path, 2 * (size_t)PP_FILE_PATH_BYTES, "%s/%.*s", files->folder[1] ? files->folder : "",
             (int)key.len, key.ptr);
    return PINPIPE_OK;
}

static pinpipe_status file_create(pp_object_outcome *outcome, pp_object_store *store, const pp_object *object,
                                  int64_t timeout_ms, pinpipe_error *err) {
    char path[2 * PP_FILE_PATH_BYTES] = "";
    pp_file_outcome made = PP_FILE_CREATED;
    (void)timeout_ms; /* a local write has no deadline to give to the system */
    pinpipe_status status = path_write(path, (const file_store *)store, object->key, err);
    if (status == PINPIPE_OK) {
        status = pp_file_create(&made, path, object->pieces, object->piece_count, err);
    }
    *outcome = made == PP_FILE_EXISTS ? PP_OBJECT_EXISTS : PP_OBJECT_CREATED;
    return status;
}

/* A file has no room for facts beside its lines, so they are counted. */
static pinpipe_status file_find(pp_object_facts *out, pp_object_store *store, pinpipe_str key, pp_codec codec,
                                int64_t timeout_ms, pinpipe_error *err) {
    char path[2 * PP_FILE_PATH_BYTES] = "";
    pp_line_count lines = {0};
    (void)timeout_ms;
    pinpipe_status status = path_write(path, (const file_store *)store, key, err);
    if (status == PINPIPE_OK) {
        status = pp_line_count_init(&lines, codec, err);
    }
    if (status < 0) {
        return status;
    }
    status = pp_file_walk(path, pp_line_count_feed, &lines, err);
    pinpipe_status ended = pp_line_count_end(&lines, status < 0 ? NULL : err);
    *out = lines.facts;
    return status < 0 ? status : ended;
}

static pinpipe_status file_copy(pp_object_store **out, const pp_object_store *store, pinpipe_error *err) {
    file_store *copy = pp_alloc(sizeof *copy);
    *out = NULL;
    if (!copy) {
        return pp_fail_memory(err, "a file store", sizeof *copy);
    }
    *copy = *(const file_store *)store;
    *out = &copy->base;
    return PINPIPE_OK;
}

static void file_free(pp_object_store *store) {
    pp_free(store);
}

static const pp_object_store_ops file_ops = {file_create, file_find, file_copy, file_free};

pinpipe_status pp_file_store_open(pp_object_store **out, pinpipe_str path, pinpipe_error *err) {
    *out = NULL;
    if (path.len == 0 || path.ptr[0] != '/' || path.len >= PP_FILE_PATH_BYTES) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "target 'file://%.*s' is not file:/// and an absolute path below %d bytes",
                       pp_quote_len(path.len), path.len ? path.ptr : "", PP_FILE_PATH_BYTES);
    }
    file_store *store = pp_alloc_zero(sizeof *store);
    if (!store) {
        return pp_fail_memory(err, "a file store", sizeof *store);
    }
    pinpipe_status status = folder_decode(store->folder, path, err);
    if (status < 0) {
        pp_free(store);
        return status;
    }
    store->base.ops = &file_ops;
    *out = &store->base;
    return PINPIPE_OK;
}
