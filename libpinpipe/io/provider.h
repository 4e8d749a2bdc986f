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

/** The key in the file that the IAM console offers. Errors: ENOTFOUND, EIO, EDATA, ELIMIT name the file;
 * ENOMEM. */
pinpipe_status pp_credentials_csv_read(pinpipe_credentials **out, pinpipe_str path, pinpipe_error *err);

/** Shares the provider: both owners free it. */
pinpipe_provider *pp_provider_retain(const pinpipe_provider *provider);

/** Whether only callers of pinpipe_provider_get renew the key: what makes it runs on no other thread. */
bool pp_provider_is_by_caller(const pinpipe_provider *provider);

/** The newest key that has not expired, without a fetch; the caller frees it. NULL where there is none. */
pinpipe_credentials *pp_provider_peek(pinpipe_provider *provider);

/** Who is told of new keys: the caller's own, in one place until it is removed. */
typedef struct pp_provider_watch {
    void (*changed)(void *user);
    void *user;
    struct pp_provider_watch *next; /* the provider's */
} pp_provider_watch;

/** From now on `changed` is called behind every new key, by the thread that fetched it and by one at a time.
 * It must not wait, and of the provider's calls it may use peek and time only. A forked child begins without
 * watches. */
void pp_provider_watch_add(pinpipe_provider *provider, pp_provider_watch *watch);

/** Once it returns no call is under way and none will come. A watch that is not there is no matter. */
void pp_provider_watch_remove(pinpipe_provider *provider, pp_provider_watch *watch);

/** A service says that `used` has expired: where it is still the newest key, the next get fetches one. */
void pp_provider_expire(pinpipe_provider *provider, const pinpipe_credentials *used);

/** The provider's clock correction: every client of it learns for all. */
pp_skew *pp_provider_skew(pinpipe_provider *provider);

/** What environment and files said. */
const pp_settings *pp_provider_settings(const pinpipe_provider *provider);

#endif
