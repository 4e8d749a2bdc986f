/* Turns the process's surroundings into the key that is valid now, and renews it before it expires.
 * Never makes a caller wait while it has a valid key, never shows a secret, and never falls back to another
 * identity when the configured one fails. Rules: docs/credentials.md; AWS SDKs and Tools Reference Guide,
 * "Standardized credential providers", in botocore's order. */
#ifndef PINPIPE_PROVIDER_H
#define PINPIPE_PROVIDER_H

#include "credentials.h"
#include "status.h"
#include "value.h"

PINPIPE_BEGIN_DECLS

/** A source of keys, with one region and one idea of what time it is. Any number of threads; in a forked
 * child it goes on with the key it has and fetches its own next one. */
typedef struct pinpipe_provider pinpipe_provider;

/** The places of the default chain, as bits, in the order in which they are looked at. */
typedef enum pinpipe_source {
    PINPIPE_SOURCE_ENVIRONMENT = 2,
    PINPIPE_SOURCE_PROFILE = 4, /* a key or a role in the config and credentials files */
    PINPIPE_SOURCE_PROCESS = 8,
    PINPIPE_SOURCE_WEB_IDENTITY = 16,
    PINPIPE_SOURCE_SSO = 32,
    PINPIPE_SOURCE_CONTAINER = 64,
    PINPIPE_SOURCE_IMDS = 128
} pinpipe_source;

/** Who fetches a new key. */
typedef enum pinpipe_refresh {
    PINPIPE_REFRESH_THREAD = 0, /* a thread of the provider's, begun with the first key that expires */
    PINPIPE_REFRESH_CALLER = 1  /* one of the callers of pinpipe_provider_get, while others go on */
} pinpipe_refresh;

/** Makes a key: sets `*out` (the provider takes it over) or returns a negative status with `err` set. */
typedef pinpipe_status (*pinpipe_credentials_fn)(pinpipe_credentials **out, void *user, pinpipe_error *err);

/** Everything is copied. Of `credentials`, `callback`, `csv_path` and `role_arn` at most one; with none of
 * the first three the default chain is used. */
typedef struct pinpipe_provider_options {
    uint32_t struct_size;
    uint32_t sources;                       /* pinpipe_source bits that the default chain may ask; 0 = all */
    const pinpipe_credentials *credentials; /* a key that is never renewed */
    pinpipe_credentials_fn callback;        /* makes each key */
    void (*callback_free)(void *user);      /* called once with `callback_user` at the end; NULL = not */
    void *callback_user;                    /* what it is called with */
    pinpipe_str csv_path;                   /* the file that the IAM console offers */
    pinpipe_str profile;  /* with one the environment's key is not looked at; else AWS_PROFILE, "default" */
    pinpipe_str region;   /* else AWS_REGION, AWS_DEFAULT_REGION, the profile's */
    int32_t refresh;      /* pinpipe_refresh */
    int32_t reserved;     /* 0 */
    pinpipe_str role_arn; /* assumed with the key that the default chain has, after the profile's own roles */
    pinpipe_str role_session_name; /* else "pinpipe-<host>" */
    pinpipe_str role_external_id;  /* what the role asks for; empty = none */
} pinpipe_provider_options;

#define PINPIPE_PROVIDER_OPTIONS_INIT                                                                        \
    {                                                                                                        \
        (uint32_t)sizeof(pinpipe_provider_options), 0, NULL, NULL, NULL, NULL, {NULL, 0}, {NULL, 0},         \
            {NULL, 0}, 0, 0, {NULL, 0}, {NULL, 0}, {                                                         \
            NULL, 0                                                                                          \
        }                                                                                                    \
    }

/** Makes a provider: reads environment and files, once, and plans where the key will come from; asks nobody
 * yet and starts no thread. `options` NULL = defaults. Errors: EAUTH a place is configured and wrong, or
 * there is none; EDATA, EIO, ELIMIT a file; EINVAL the region, options that exclude each other; ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_provider_new(pinpipe_provider **out,
                                                const pinpipe_provider_options *options,
                                                pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Stops the thread and frees the provider, once no client uses it; NULL is allowed. */
PINPIPE_API void pinpipe_provider_free(pinpipe_provider *provider);

/** The key that is valid now; the caller frees it. At once where the provider has one with more than 5
 * minutes to go, else after one fetch that all callers share. A failed fetch is remembered for 1 s, doubling
 * to 60 s; a key that has not expired is handed out even then. `timeout_ms` 0 = 60 s. Errors: EAUTH, EDATA,
 * EREFUSED, EIO, ENET as the place failed, which the text names; ETIMEOUT; ENOTSUP the place needs HTTP and
 * this build has none; ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_provider_get(pinpipe_credentials **out, pinpipe_provider *provider,
                                                int64_t timeout_ms, pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Seconds since 1970 as a signature should have them: the machine's clock, corrected by what answers of
 * services said where that is more than a minute off. */
PINPIPE_API int64_t pinpipe_provider_time_s(pinpipe_provider *provider);

/** The region that options, environment or profile have, borrowed; empty where there is none. */
PINPIPE_API pinpipe_str pinpipe_provider_region(const pinpipe_provider *provider);

/** Writes the endpoint of a service ("s3", "kinesis", "sts"): what AWS_ENDPOINT_URL_<SERVICE>,
 * AWS_ENDPOINT_URL or the profile have, else Amazon's own for the region, with AWS_USE_FIPS_ENDPOINT and
 * AWS_USE_DUALSTACK_ENDPOINT. Errors: EINVAL no region, or a bad one; ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_provider_endpoint(pinpipe_buf *out, const pinpipe_provider *provider,
                                                     pinpipe_str service,
                                                     pinpipe_error *err) PINPIPE_MUST_CHECK;

PINPIPE_END_DECLS

#endif
