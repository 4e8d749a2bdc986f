/* Turns bytes into files that are there whole or not at all.
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

#endif
