/* Turns the process's surroundings into credentials.
 * Never falls through to another place when one is half filled: that is an error of its own.
 * Rules: docs/credentials.md; the names are those of every AWS SDK. */
#include <assert.h>

#include "aws/credentials.h"
#include "base/buffer.h"
#include "base/error.h"
#include "io/env.h"

#define KEY_VARIABLE "AWS_ACCESS_KEY_ID"
#define SECRET_VARIABLE "AWS_SECRET_ACCESS_KEY"
#define TOKEN_VARIABLE "AWS_SESSION_TOKEN"

static pinpipe_status parts_use(pinpipe_credentials **out, const pinpipe_credentials_options *parts,
                                pinpipe_error *err) {
    bool key = parts->access_key_id.len > 0, secret = parts->secret_access_key.len > 0;
    if (!key && !secret) {
        return pp_fail(err, PINPIPE_EAUTH,
                       "no credentials: none were given, and " KEY_VARIABLE " and " SECRET_VARIABLE
                       " are not in the environment");
    }
    if (!key || !secret) {
        return pp_fail(err, PINPIPE_EAUTH, "half a key: %s is in the environment, %s is not",
                       key ? KEY_VARIABLE : SECRET_VARIABLE, key ? SECRET_VARIABLE : KEY_VARIABLE);
    }
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pinpipe_status status = pp_credentials_new(out, parts, (pp_credentials_source){"environment", {NULL, 0}}, &cause);
    if (status == PINPIPE_EINVAL) {
        return pp_fail(err, PINPIPE_EAUTH, "credentials of the environment: %s", cause.message);
    }
    return status < 0 ? pp_fail(err, status, "%s", cause.message) : status;
}

pinpipe_status pinpipe_credentials_default(pinpipe_credentials **out, pinpipe_error *err) {
    assert(out);
    *out = NULL;
    pinpipe_buf key = PINPIPE_BUF_INIT, secret = PINPIPE_BUF_INIT, token = PINPIPE_BUF_INIT;
    pinpipe_status status = pp_env_read(&key, KEY_VARIABLE, err);
    if (status == PINPIPE_OK) {
        status = pp_env_read(&secret, SECRET_VARIABLE, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_env_read(&token, TOKEN_VARIABLE, err);
    }
    if (status == PINPIPE_OK) {
        pinpipe_credentials_options parts = PINPIPE_CREDENTIALS_OPTIONS_INIT;
        parts.access_key_id = pp_buf_view(&key);
        parts.secret_access_key = pp_buf_view(&secret);
        parts.session_token = pp_buf_view(&token);
        status = parts_use(out, &parts, err);
    }
    pp_buf_reset_secret(&token);
    pp_buf_reset_secret(&secret);
    pinpipe_buf_reset(&key);
    return status;
}
