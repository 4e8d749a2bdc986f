/* Turns a command line into what the program wrote to its standard output.
 * Never asks a shell, never hands it a descriptor of ours, and never waits beyond the deadline.
 * Rules: docs/credentials.md, "credential_process"; words as POSIX quotes them. */
#ifndef PP_IO_PROCESS_H
#define PP_IO_PROCESS_H

#include <stdatomic.h>

#include "base/error.h"
#include "pinpipe/value.h"

/** Most words of a command line, and most bytes of it. */
#define PP_PROCESS_WORDS_MAX 64
#define PP_PROCESS_COMMAND_MAX 8192

typedef struct pp_process_options {
    size_t out_max;          /* bytes of output */
    int64_t timeout_ms;      /* then it is killed with its group */
    const atomic_bool *stop; /* set by another thread: the same; NULL = never */
} pp_process_options;

/** Runs the program to its end. `out` is grown once; standard error is dropped.
 * Errors: EAUTH no such program, an exit status that is not 0, a quote without its end; ELIMIT more output;
 * ETIMEOUT; EIO; ENOMEM. */
pinpipe_status pp_process_run(pinpipe_buf *out, pinpipe_str command, const pp_process_options *options,
                              pinpipe_error *err);

#endif
