/* Turns a folder into the names in it, and compare and replace into one step.
 * Never holds the lock while it waits for anything but the disk.
 * Rules: POSIX opendir(3); fcntl(2), "Open file description locks". */
#include "io/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "io/clock.h"
#include "io/file.h"

#define LOCK_NAME "/.lock"
#define LOCK_MODE 0666
#define LOCK_STEP_MS 5

pinpipe_status pp_folder_walk(const char *path, pp_folder_take take, void *user, pinpipe_error *err) {
    DIR *folder = opendir(path);
    struct dirent *entry = NULL;
    pinpipe_status status = PINPIPE_OK;
    if (!folder) {
        return errno == ENOENT ? PINPIPE_OK : pp_fail_file(err, "list", path);
    }
    errno = 0;
    while (status == PINPIPE_OK && (entry = readdir(folder))) {
        if (entry->d_name[0] != '.') {
            status = take(user, pp_str(entry->d_name), err);
        }
        errno = 0;
    }
    if (status == PINPIPE_OK && errno != 0) {
        status = pp_fail_file(err, "list", path);
    }
    closedir(folder);
    return status;
}

/* A lock of the open file, not of the process: two handles of one process exclude each other as well. */
static pinpipe_status lock_take(int *out, const char *path, int64_t timeout_ms, pinpipe_error *err) {
    char lock[PP_FILE_PATH_BYTES + sizeof LOCK_NAME] = "";
    const char *slash = strrchr(path, '/');
    int64_t deadline_ms = pp_clock_monotonic_ms() + timeout_ms;
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    snprintf(lock, sizeof lock, "%.*s" LOCK_NAME, slash ? (int)(slash - path) : 0, path);
    *out = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, LOCK_MODE);
    if (*out < 0) {
        return pp_fail_file(err, "lock", lock);
    }
    while (fcntl(*out, F_OFD_SETLK, &whole) != 0) {
        bool is_taken = errno == EAGAIN || errno == EACCES;
        if (!is_taken && errno != EINTR) {
            return pp_fail_file(err, "lock", lock);
        }
        if (pp_clock_monotonic_ms() >= deadline_ms) {
            return pp_fail(err, PINPIPE_ETIMEOUT, "'%.200s' has been locked by another process for %lld ms",
                           lock, (long long)timeout_ms);
        }
        pp_clock_sleep_ms(LOCK_STEP_MS);
    }
    return PINPIPE_OK;
}

pinpipe_status pp_file_swap(pp_file_swap_outcome *outcome, const char *path, pinpipe_str expected,
                            pinpipe_str bytes, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_buf found = PINPIPE_BUF_INIT;
    pinpipe_error refusal = PINPIPE_ERROR_INIT;
    int lock = -1;
    *outcome = PP_FILE_DIFFERS;
    pinpipe_status status = lock_take(&lock, path, timeout_ms, err);
    if (status < 0) {
        goto out;
    }
    status = pp_file_read(&found, path, expected.len + 1, NULL, &refusal);
    if (status == PINPIPE_OK && pp_str_equal(pp_buf_view(&found), expected)) {
        status = pp_file_replace(path, bytes, err);
        *outcome = status == PINPIPE_OK ? PP_FILE_SWAPPED : PP_FILE_DIFFERS;
    } else if (status == PINPIPE_ENOTFOUND || status == PINPIPE_ELIMIT) {
        status = PINPIPE_OK; /* gone, or longer */
    } else if (status < 0 && err && err->struct_size >= sizeof *err) {
        *err = refusal;
    }
out:
    if (lock >= 0) {
        close(lock);
    }
    pinpipe_buf_reset(&found);
    return status;
}
