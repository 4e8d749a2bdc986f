/* Turns the process's surroundings, or the console's file, into the key that is there now.
 * Never renews it: that is what a provider is for.
 * Rules: docs/credentials.md, "The chain". */
#include <assert.h>

#include "aws/credentials.h"
#include "base/buffer.h"
#include "io/file.h"
#include "io/provider.h"

pinpipe_status pinpipe_credentials_default(pinpipe_credentials **out, pinpipe_error *err) {
    pinpipe_provider_options options = PINPIPE_PROVIDER_OPTIONS_INIT;
    pinpipe_provider *provider = NULL;
    assert(out);
    *out = NULL;
    options.refresh = PINPIPE_REFRESH_CALLER;
    pinpipe_status status = pinpipe_provider_new(&provider, &options, err);
    if (status == PINPIPE_OK) {
        status = pinpipe_provider_get(out, provider, 0, err);
    }
    pinpipe_provider_free(provider);
    return status;
}

pinpipe_status pp_credentials_csv_read(pinpipe_credentials **out, pinpipe_str path, pinpipe_error *err) {
    pinpipe_buf text = PINPIPE_BUF_INIT, name = PINPIPE_BUF_INIT;
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pinpipe_status status = pp_buf_append(&name, path.ptr, path.len, err);
    if (status == PINPIPE_OK) {
        status = pp_file_read(&text, name.ptr, PP_CREDENTIALS_CSV_MAX, NULL, err);
    }
    if (status == PINPIPE_OK && pinpipe_credentials_decode(out, pp_buf_view(&text), &cause) < 0) {
        status = pp_fail(err, cause.status, "'%.200s': %s", name.ptr, cause.message);
    }
    pp_buf_reset_secret(&text);
    pinpipe_buf_reset(&name);
    return status;
}
