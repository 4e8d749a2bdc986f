/* Turns bytes into files that are there whole or not at all, and small files into bytes.
 * Never leaves a half-written file under its final name, not even after a crash of the machine.
 * Rules: POSIX rename(2), fsync(2). */
#ifndef PP_IO_FILE_H
#define PP_IO_FILE_H

#include "base/error.h"
#include "pinpipe/value.h"

/** Longest path, with its NUL. */
#define PP_FILE_PATH_BYTES 4096

/** Writes `bytes` to `path` in place of what is there: a hidden temporary file beside it, fsync, rename,
 * fsync of the folder. Missing folders are made. A killed process may leave a ".<name>.<pid>.part" behind.
 * Errors: EIO, ENOTFOUND, ECONFLICT as the system says; ELIMIT a path that is too long. */
pinpipe_status pp_file_replace(const char *path, pinpipe_str bytes, pinpipe_error *err);

/** What became of a file that may be there already. */
typedef enum pp_file_outcome {
    PP_FILE_CREATED = 0,
    PP_FILE_EXISTS = 1, /* what is there was left as it is */
} pp_file_outcome;

/** Writes the pieces, one behind the other, as a new file: as pp_file_replace, but by link(2), so that of any
 * number of writers one creates it. */
pinpipe_status pp_file_create(pp_file_outcome *outcome, const char *path, const pinpipe_str *pieces,
                              size_t piece_count, pinpipe_error *err);

/** Takes the next bytes of a file; a negative status ends the reading. */
typedef pinpipe_status (*pp_file_take)(void *user, pinpipe_str bytes, pinpipe_error *err);

/** Reads a file of any size from its beginning, block by block. Errors: as pp_file_read; those of `take`. */
pinpipe_status pp_file_walk(const char *path, pp_file_take take, void *user, pinpipe_error *err);

/** What pp_file_read found beside the bytes. */
typedef enum pp_file_mode {
    PP_FILE_PRIVATE = 0,
    PP_FILE_OPEN = 1, /* others may read it, or write to it */
} pp_file_mode;

/** Replaces the content of `out`, which should be empty and unallocated: with one allocation, so that no copy
 * of a secret stays behind. `mode` may be NULL. Links are followed.
 * Errors: ENOTFOUND, EIO as the system says, or what is no regular file; ELIMIT beyond `max` bytes; ENOMEM.
 */
pinpipe_status pp_file_read(pinpipe_buf *out, const char *path, size_t max, pp_file_mode *mode,
                            pinpipe_error *err);

/** A file that is not there is no error. */
pinpipe_status pp_file_remove(const char *path, pinpipe_error *err);

#endif
