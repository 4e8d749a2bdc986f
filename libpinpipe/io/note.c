/* Turns a small file that outlives a crash into bytes, and takes it away when it has done its service.
 * Never follows up a failure with a second one: the file is closed whatever happens.
 * Rules: POSIX open(2), read(2), unlink(2). */
#include "io/note.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buffer.h"

pinpipe_status pp_note_read(pinpipe_buf *out, const char *path, size_t max, pinpipe_error *err) {
    pp_buf_clear(out);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return errno == ENOENT ? pp_buf_append(out, "", 0, err) : pp_fail_file(err, "open", path);
    }
    pinpipe_status status = PINPIPE_OK;
    char piece[4096];
    ssize_t count = 1;
    while (status == PINPIPE_OK && count != 0) {
        count = read(file, piece, sizeof piece);
        if (count < 0 && errno != EINTR) {
            status = pp_fail_file(err, "read", path);
        } else if (count > 0 && (size_t)count > max - out->len) {
            status = pp_fail(err, PINPIPE_ELIMIT, "file '%.*s' is larger than %zu bytes", 64, path, max);
        } else if (count > 0) {
            status = pp_buf_append(out, piece, (size_t)count, err);
        }
    }
    close(file);
    return status;
}

pinpipe_status pp_note_remove(const char *path, pinpipe_error *err) {
    return unlink(path) == 0 || errno == ENOENT ? PINPIPE_OK : pp_fail_file(err, "remove", path);
}
