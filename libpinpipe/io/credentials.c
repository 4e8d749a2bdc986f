/* Turns the process's surroundings into the key that is there now.
 * Never renews it: that is what a provider is for.
 * Rules: docs/credentials.md, "The chain". */
#include <assert.h>

#include "pinpipe/provider.h"

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
