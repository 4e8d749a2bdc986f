/* Turns an access key, a day, a region and a service into the key that signs, kept for the next request.
 * Never keeps more than a few, and never one that was not wiped.
 * Rules: AWS "Create a signed AWS API request", step 4; reference/signing.md §6. */
#ifndef PP_AWS_SIGNING_KEY_H
#define PP_AWS_SIGNING_KEY_H

#include "aws/sign_check.h"
#include "base/digest.h"
#include "pinpipe/credentials.h"

#define PP_DATE_BYTES 8
/** Today's and yesterday's key of two places, so that a retry across midnight or a redirect drops none. */
#define PP_SIGNING_KEYS 4

/** What a key is for. Views into the caller's bytes. */
typedef struct pp_scope {
    pinpipe_str date; /* YYYYMMDD */
    pinpipe_str region;
    pinpipe_str service;
} pp_scope;

typedef struct pp_signing_key {
    pinpipe_credentials *credentials; /* NULL = no key here */
    char text[PP_DATE_BYTES + 2 * PP_SCOPE_PART_MAX];
    size_t region_len;
    size_t service_len;
    pp_hmac_key key;
} pp_signing_key;

typedef struct pp_signing_keys {
    pp_signing_key rows[PP_SIGNING_KEYS];
    pp_hmac_key step; /* of the derivation */
    size_t next;      /* row that gives way */
} pp_signing_keys;

pinpipe_status pp_signing_keys_open(pp_signing_keys *keys, pp_sha256_road road, pinpipe_error *err);
void pp_signing_keys_close(pp_signing_keys *keys);

/** Gives the key, derived where it is not there; valid until the next call. */
pinpipe_status pp_signing_keys_find(const pp_hmac_key **out, pp_signing_keys *keys,
                                    const pinpipe_credentials *credentials, const pp_scope *scope,
                                    pinpipe_error *err);

/** Whether two handles hold the same key, token included. */
bool pp_credentials_equal(const pinpipe_credentials *a, const pinpipe_credentials *b);

#endif
