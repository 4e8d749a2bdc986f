/* Turns a provider's inner state into what the clients of services use beside the public calls.
 * Never hands out the state itself.
 * Rules: docs/credentials.md, "Renewal" and "Clock". */
#ifndef PP_IO_PROVIDER_H
#define PP_IO_PROVIDER_H

#include "io/fetch.h"
#include "io/skew.h"
#include "pinpipe/provider.h"

/** pinpipe_provider_new with a machine of the test's own; `tuning` NULL = this one. */
pinpipe_status pp_provider_new(pinpipe_provider **out, const pinpipe_provider_options *options,
                               const pp_fetch_tuning *tuning, pinpipe_error *err);

/** Shares the provider: both owners free it. */
pinpipe_provider *pp_provider_retain(const pinpipe_provider *provider);

/** A service says that `used` has expired: where it is still the newest key, the next get fetches one. */
void pp_provider_expire(pinpipe_provider *provider, const pinpipe_credentials *used);

/** The provider's clock correction: every client of it learns for all. */
pp_skew *pp_provider_skew(pinpipe_provider *provider);

/** What environment and files said. */
const pp_settings *pp_provider_settings(const pinpipe_provider *provider);

#endif
