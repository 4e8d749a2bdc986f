/* Turns keys and short texts into files of a folder that are replaced by comparison, under a lock.
 * Never leaves a part of a text.
 * Rules: docs/stream.md, "Groups". */
#include "base/buffer.h"
#include "base/memory.h"
#include "io/file.h"
#include "io/folder.h"
#include "pipeline/lease_store.h"

typedef struct lease_folder {
    pp_lease_store base;
    pinpipe_buf root; /* with its slash */
    pinpipe_buf name; /* of the entry that is under way */
} lease_folder;

typedef struct folder_walk {
    lease_folder *folder;
    pp_lease_take take;
    void *user;
} folder_walk;

static pinpipe_status name_write(lease_folder *folder, pinpipe_str key, pinpipe_error *err) {
    return pp_lease_name_write(&folder->name, pp_buf_view(&folder->root), key, err);
}

static pinpipe_status file_take(void *user, pinpipe_str name, pinpipe_error *err) {
    folder_walk *walk = user;
    pinpipe_buf text = PINPIPE_BUF_INIT;
    pinpipe_str key = {0};
    if (!pp_lease_name_read(&key, name)) {
        return PINPIPE_OK;
    }
    pinpipe_status status = name_write(walk->folder, key, err);
    if (status == PINPIPE_OK) {
        status = pp_file_read(&text, walk->folder->name.ptr, PP_LEASE_TEXT_MAX, NULL, err);
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

static pinpipe_status folder_load(pp_lease_store *store, pp_lease_take take, void *user, int64_t timeout_ms,
                                  pinpipe_error *err) {
    folder_walk walk = {(lease_folder *)store, take, user};
    (void)timeout_ms; /* a local read has no deadline to give to the system */
    return pp_folder_walk(walk.folder->root.ptr, file_take, &walk, err);
}

static pinpipe_status file_write(pp_lease_change *change, lease_folder *folder, int64_t timeout_ms,
                                 pinpipe_error *err) {
    pp_file_outcome made = PP_FILE_EXISTS;
    pp_file_swap_outcome swapped = PP_FILE_DIFFERS;
    pinpipe_status status = name_write(folder, change->key, err);
    if (status == PINPIPE_OK && change->expected.len == 0) {
        status = pp_file_create(&made, folder->name.ptr, &change->text, 1, err);
    } else if (status == PINPIPE_OK) {
        status = pp_file_swap(&swapped, folder->name.ptr, change->expected, change->text, timeout_ms, err);
    }
    bool has_won = status == PINPIPE_OK && (made == PP_FILE_CREATED || swapped == PP_FILE_SWAPPED);
    change->outcome = has_won ? PP_LEASE_WON : PP_LEASE_LOST;
    return status;
}

static pinpipe_status folder_write(pp_lease_change *changes, size_t count, pp_lease_store *store,
                                   int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status first = PINPIPE_OK;
    for (size_t i = 0; i < count; i++) {
        pinpipe_status status =
            file_write(&changes[i], (lease_folder *)store, timeout_ms, first < 0 ? NULL : err);
        first = first < 0 ? first : status;
    }
    return first;
}

static pinpipe_status folder_remove(pp_lease_store *store, pinpipe_str key, int64_t timeout_ms,
                                    pinpipe_error *err) {
    lease_folder *folder = (lease_folder *)store;
    (void)timeout_ms;
    pinpipe_status status = name_write(folder, key, err);
    return status == PINPIPE_OK ? pp_file_remove(folder->name.ptr, err) : status;
}

static void folder_free(pp_lease_store *store) {
    lease_folder *folder = (lease_folder *)store;
    pinpipe_buf_reset(&folder->root);
    pinpipe_buf_reset(&folder->name);
    pp_free(folder);
}

static const pp_lease_store_ops folder_ops = {folder_load, folder_write, folder_remove, folder_free};

pinpipe_status pp_lease_folder_open(pp_lease_store **out, pinpipe_str path, pinpipe_error *err) {
    lease_folder *folder = pp_alloc_zero(sizeof *folder);
    *out = NULL;
    if (!folder) {
        return pp_fail_memory(err, "a lease store", sizeof *folder);
    }
    folder->base.ops = &folder_ops;
    pinpipe_status status = pp_buf_printf(&folder->root, err, "%.*s/", (int)path.len, path.ptr);
    if (status < 0) {
        folder_free(&folder->base);
        return status;
    }
    *out = &folder->base;
    return PINPIPE_OK;
}
