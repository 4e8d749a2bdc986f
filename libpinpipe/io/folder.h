/* Turns a folder into the names in it, and the replacement of one file by another into one step among
 * processes. Never waits for a process that has died: its lock went with it.
 * Rules: POSIX opendir(3); fcntl(2), "Open file description locks". */
#ifndef PP_IO_FOLDER_H
#define PP_IO_FOLDER_H

#include "base/error.h"
#include "pinpipe/value.h"

/** Takes the name of a file; a negative status ends the walk. */
typedef pinpipe_status (*pp_folder_take)(void *user, pinpipe_str name, pinpipe_error *err);

/** Tells the names of the folder's files that do not begin with a dot, in no order. A folder that is not
 * there is empty. Errors: EIO as the system says; those of `take`. */
pinpipe_status pp_folder_walk(const char *path, pp_folder_take take, void *user, pinpipe_error *err);

typedef enum pp_file_swap_outcome {
    PP_FILE_SWAPPED = 0,
    PP_FILE_DIFFERS = 1, /* the file has other bytes, or there is none */
} pp_file_swap_outcome;

/** Puts `bytes` in place of a file that holds exactly `expected`; of any number of callers on this machine
 * who expect the same, one succeeds. The lock is the file ".lock" beside it. Waits at most `timeout_ms`.
 * Errors: ETIMEOUT another process kept the lock; as pp_file_replace. */
pinpipe_status pp_file_swap(pp_file_swap_outcome *outcome, const char *path, pinpipe_str expected,
                            pinpipe_str bytes, int64_t timeout_ms, pinpipe_error *err);

#endif
