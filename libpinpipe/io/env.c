/* Turns environment variables into bytes of our own.
 * Never sets one.
 * Rules: docs/credentials.md lists the variables that are read. */
#include "io/env.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

pinpipe_status pp_env_read(pinpipe_buf *out, const char *name, pinpipe_error *err) {
    pp_buf_clear(out);
    const char *value = getenv(name);
    size_t len = value ? strlen(value) : 0;
    if (len > PP_ENV_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "environment variable %s: %zu bytes are more than %d", name, len,
                       PP_ENV_MAX);
    }
    return pp_buf_append(out, value, len, err);
}

pinpipe_status pp_env_take(pp_environment *out, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    for (int id = 0; status == PINPIPE_OK && id < PP_ENV_COUNT; id++) {
        status = pp_env_read(&out->values[id], pp_environment_name((pp_environment_id)id), err);
    }
    return status;
}
