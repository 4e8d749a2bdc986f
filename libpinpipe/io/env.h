/* Turns environment variables into bytes of our own.
 * Never sets one, and keeps no pointer into the environment, which the host program may change.
 * Rules: docs/credentials.md lists the variables that are read. */
#ifndef PP_IO_ENV_H
#define PP_IO_ENV_H

#include "aws/environment.h"
#include "base/error.h"
#include "pinpipe/value.h"

/** Longest value in bytes. */
#define PP_ENV_MAX 65536

/** Replaces the content of `out` with the variable's value; empty when it is not set or empty.
 * Errors: EINVAL a value beyond PP_ENV_MAX; ENOMEM. */
pinpipe_status pp_env_read(pinpipe_buf *out, const char *name, pinpipe_error *err);

/** Reads every row of aws/environment.def. Errors: as above. */
pinpipe_status pp_env_take(pp_environment *out, pinpipe_error *err);

#endif
