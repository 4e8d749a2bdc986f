/* Turns an access key, however it was handed over, into one immutable handle that signing takes.
 * Never writes a secret anywhere: the bytes are wiped before they are freed.
 * Rules: docs/credentials.md; AWS General Reference, "AWS security credentials". */
#ifndef PINPIPE_CREDENTIALS_H
#define PINPIPE_CREDENTIALS_H

#include "status.h"
#include "value.h"

PINPIPE_BEGIN_DECLS

/** An access key. Immutable, so any number of threads may use one handle; each owner frees it. */
typedef struct pinpipe_credentials pinpipe_credentials;

/** The parts of a key. All are copied; the token is empty for a long-term key. */
typedef struct pinpipe_credentials_options {
    uint32_t struct_size;
    uint32_t reserved;             /* 0 */
    pinpipe_str access_key_id;     /* "AKIA…" or "ASIA…" */
    pinpipe_str secret_access_key; /* wiped with the handle */
    pinpipe_str session_token;     /* of a temporary key; empty = a long-term key */
    pinpipe_str account_id;        /* 12 digits; empty = not known */
    int64_t expires_s;             /* seconds since 1970, UTC; 0 = never */
} pinpipe_credentials_options;

#define PINPIPE_CREDENTIALS_OPTIONS_INIT                                                                     \
    { (uint32_t)sizeof(pinpipe_credentials_options), 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, 0 }

/** Makes a handle from the parts of a key.
 * Errors: EINVAL a part is missing, too long or holds a blank or a control character; ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_credentials_new(pinpipe_credentials **out,
                                                   const pinpipe_credentials_options *options,
                                                   pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Makes a handle from the text of the CSV file that the IAM console offers: one header line with
 * "Access key ID" and "Secret access key" among its columns, one line of values. A byte order mark is
 * skipped. Errors: EDATA a column or the line of values is missing, or a value is no key; ELIMIT beyond 64
 * KiB; ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_credentials_decode(pinpipe_credentials **out, pinpipe_str csv,
                                                      pinpipe_error *err) PINPIPE_MUST_CHECK;

/** The key that the default chain (pinpipe/provider.h) has now; it is not renewed: who works longer than a
 * key lives takes a provider. Waits at most 60 s. Errors: EAUTH nothing or only half a key was found, the
 * text names what was looked at, or what was configured failed; ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_credentials_default(pinpipe_credentials **out,
                                                       pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Frees the handle; its bytes are wiped once no client uses them. NULL is allowed. */
PINPIPE_API void pinpipe_credentials_free(pinpipe_credentials *credentials);

/** The parts, the key's id first, borrowed until the handle is freed; an absent token is empty. */
PINPIPE_API pinpipe_str pinpipe_credentials_key_id(const pinpipe_credentials *credentials);
/** The secret part: what signs. */
PINPIPE_API pinpipe_str pinpipe_credentials_secret(const pinpipe_credentials *credentials);
/** The session token; empty where there is none. */
PINPIPE_API pinpipe_str pinpipe_credentials_token(const pinpipe_credentials *credentials);

/** The account's 12 digits; empty where nothing told it. */
PINPIPE_API pinpipe_str pinpipe_credentials_account_id(const pinpipe_credentials *credentials);

/** When the key expires, in seconds since 1970, UTC; 0 = never. */
PINPIPE_API int64_t pinpipe_credentials_expires_s(const pinpipe_credentials *credentials);

/** Where the key came from: "static", "csv", "environment", "callback", "profile", "process", "web-identity",
 * "sso", "container", "imds" or "assume-role"; static text. */
PINPIPE_API const char *pinpipe_credentials_name(const pinpipe_credentials *credentials);

/** The same in one line with its particulars, such as the profile, the role or the file; no secret. */
PINPIPE_API pinpipe_str pinpipe_credentials_text(const pinpipe_credentials *credentials);

PINPIPE_END_DECLS

#endif
