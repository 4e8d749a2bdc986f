/* Turns bytes into files that are there whole or not at all, and small files into bytes.
 * Never follows up a failure with a second one: the temporary file goes before the error is reported.
 * Rules: POSIX rename(2), fsync(2). */
#include "io/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/memory.h"

#define FILE_MODE 0666
#define FOLDER_MODE 0777
#define FILE_GROWTH 4096
#define WALK_BYTES (256 << 10)

/* `path` is changed in between and whole again at the end. */
static pinpipe_status folders_make(char *path, pinpipe_error *err) {
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        pinpipe_status status = PINPIPE_OK;
        if (mkdir(path, FOLDER_MODE) != 0 && errno != EEXIST) {
            status = pp_fail_file(err, "make folder", path);
        }
        *slash = '/';
        if (status < 0) {
            return status;
        }
    }
    return PINPIPE_OK;
}

static pinpipe_status bytes_write(int file, const char *path, pinpipe_str bytes, pinpipe_error *err) {
    size_t done = 0;
    while (done < bytes.len) {
        ssize_t count = write(file, bytes.ptr + done, bytes.len - done);
        if (count < 0 && errno != EINTR) {
            return pp_fail_file(err, "write", path);
        }
        done += count > 0 ? (size_t)count : 0;
    }
    return PINPIPE_OK;
}

/* The new name itself must outlive a crash, and it is the folder that holds it. */
static pinpipe_status folder_flush(char *path, pinpipe_error *err) {
    char *slash = strrchr(path, '/');
    *slash = '\0';
    const char *name = path[0] ? path : "/";
    int folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    pinpipe_status status = PINPIPE_OK;
    if (folder < 0 || fsync(folder) != 0) {
        status = pp_fail_file(err, "flush folder", name);
    }
    if (folder >= 0) {
        close(folder);
    }
    *slash = '/';
    return status;
}

/* A hidden file beside `path`, with folders made where they are missing, that holds the pieces. `part` takes
 * its name, of which no two are alike. */
static pinpipe_status part_write(char part[PP_FILE_PATH_BYTES], const char *path, const pinpipe_str *pieces,
                                 size_t piece_count, pinpipe_error *err) {
    static atomic_ulong number;
    const char *slash = strrchr(path, '/');
    assert(slash);
    int len = snprintf(part, PP_FILE_PATH_BYTES, "%.*s/.%s.%ld.%lu.part", (int)(slash - path), path,
                       slash + 1, (long)getpid(), atomic_fetch_add(&number, 1));
    if (len >= PP_FILE_PATH_BYTES) {
        return pp_fail(err, PINPIPE_ELIMIT, "path '%.64s…' is longer than %d bytes", path,
                       PP_FILE_PATH_BYTES - 1);
    }
    int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
    int file = open(part, flags, FILE_MODE);
    if (file < 0 && errno == ENOENT) {
        pinpipe_status made = folders_make(part, err);
        if (made < 0) {
            return made;
        }
        file = open(part, flags, FILE_MODE);
    }
    if (file < 0) {
        return pp_fail_file(err, "create", part);
    }
    pinpipe_status status = PINPIPE_OK;
    for (size_t i = 0; status == PINPIPE_OK && i < piece_count; i++) {
        status = bytes_write(file, part, pieces[i], err);
    }
    if (status == PINPIPE_OK && fsync(file) != 0) {
        status = pp_fail_file(err, "flush", part);
    }
    if (close(file) != 0 && status == PINPIPE_OK) {
        status = pp_fail_file(err, "close", part);
    }
    if (status < 0) {
        unlink(part);
    }
    return status;
}

pinpipe_status pp_file_replace(const char *path, pinpipe_str bytes, pinpipe_error *err) {
    char part[PP_FILE_PATH_BYTES] = "";
    pinpipe_status status = part_write(part, path, &bytes, 1, err);
    if (status == PINPIPE_OK && rename(part, path) != 0) {
        status = pp_fail_file(err, "rename to", path);
        unlink(part);
    }
    return status == PINPIPE_OK ? folder_flush(part, err) : status;
}

pinpipe_status pp_file_create(pp_file_outcome *outcome, const char *path, const pinpipe_str *pieces,
                              size_t piece_count, pinpipe_error *err) {
    char part[PP_FILE_PATH_BYTES] = "";
    *outcome = PP_FILE_CREATED;
    pinpipe_status status = part_write(part, path, pieces, piece_count, err);
    if (status < 0) {
        return status;
    }
    if (link(part, path) != 0) {
        *outcome = PP_FILE_EXISTS;
        status = errno == EEXIST ? PINPIPE_OK : pp_fail_file(err, "link to", path);
    }
    unlink(part);
    return status == PINPIPE_OK ? folder_flush(part, err) : status;
}

pinpipe_status pp_file_walk(const char *path, pp_file_take take, void *user, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    ssize_t count = 0;
    char *block = pp_alloc(WALK_BYTES);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (!block) {
        status = pp_fail_memory(err, "a block of a file", WALK_BYTES);
    } else if (file < 0) {
        status = pp_fail_file(err, "read", path);
    }
    while (status == PINPIPE_OK && (count = read(file, block, WALK_BYTES)) != 0) {
        if (count > 0) {
            status = take(user, (pinpipe_str){block, (size_t)count}, err);
        } else if (errno != EINTR) {
            status = pp_fail_file(err, "read", path);
        }
    }
    if (file >= 0) {
        close(file);
    }
    pp_free(block);
    return status;
}

static pinpipe_status bytes_read(pinpipe_buf *out, int file, const char *path, size_t max,
                                 pinpipe_error *err) {
    pinpipe_status status = pp_buf_reserve(out, max + 1, max + 1, err);
    while (status == PINPIPE_OK) {
        ssize_t count = read(file, out->ptr + out->len, max + 1 - out->len);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            status = count < 0 ? pp_fail_file(err, "read", path) : PINPIPE_OK;
            break;
        }
        out->len += (size_t)count;
        if (out->len > max) {
            status = pp_fail(err, PINPIPE_ELIMIT, "'%.200s': more than %zu bytes", path, max);
        }
    }
    if (out->ptr) {
        out->ptr[out->len] = '\0';
    }
    return status;
}

pinpipe_status pp_file_read(pinpipe_buf *out, const char *path, size_t max, pp_file_mode *mode,
                            pinpipe_error *err) {
    struct stat found = {0};
    pinpipe_status status = PINPIPE_OK;
    pp_buf_clear(out);
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer would block */
    if (file < 0 || fstat(file, &found) != 0) {
        status = pp_fail_file(err, "read", path);
    } else if (!S_ISREG(found.st_mode)) {
        status = pp_fail(err, PINPIPE_EIO, "cannot read '%.200s': it is no regular file", path);
    } else {
        size_t room = (size_t)found.st_size + FILE_GROWTH; /* a token may be replaced while it is read */
        status = bytes_read(out, file, path, room < max ? room : max, err);
    }
    if (mode) {
        *mode = (found.st_mode & (S_IWGRP | S_IWOTH | S_IROTH)) ? PP_FILE_OPEN : PP_FILE_PRIVATE;
    }
    if (file >= 0) {
        close(file);
    }
    return status;
}

pinpipe_status pp_file_remove(const char *path, pinpipe_error *err) {
    return unlink(path) == 0 || errno == ENOENT ? PINPIPE_OK : pp_fail_file(err, "remove", path);
}
