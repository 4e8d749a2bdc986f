/* Turns a request that somebody signed, and the key that he says, into a verdict: SigV4, in headers.
 * Never reads a clock, and never says how far a wrong signature was right.
 * Rules: docs/signing.md; AWS "Create a signed AWS API request". */
#ifndef PP_AWS_VERIFY_H
#define PP_AWS_VERIFY_H

#include "aws/canonical.h"
#include "pinpipe/credentials.h"

/** What a header Authorization says; views into it. */
typedef struct pp_authorization {
    pinpipe_str key_id, date, region, service;
    pinpipe_str names; /* of the signed headers */
    pinpipe_str signature;
} pp_authorization;

/** False where it is no SigV4 with all of its parts. */
bool pp_authorization_read(pp_authorization *out, pinpipe_str header);

/** A request as it came. */
typedef struct pp_signed_request {
    pinpipe_str method, path, query, body;
    pinpipe_str time; /* of x-amz-date: YYYYMMDDTHHMMSSZ */
    const pinpipe_header *headers;
    size_t header_count;
} pp_signed_request;

/** Keeps the derived keys of the last few, and memory. One thread at a time. */
typedef struct pp_verifier pp_verifier;

/** Errors: ENOMEM; EFATAL no SHA-256. */
pinpipe_status pp_verifier_new(pp_verifier **out, pinpipe_error *err);
/** Wipes; NULL is allowed. */
void pp_verifier_free(pp_verifier *verifier);

/** Errors: EAUTH the signature is not the request's by this key, or host, the date or a token is not signed;
 * ELIMIT more headers or parameters than a signer takes; EINVAL; ENOMEM. */
pinpipe_status pp_request_verify(pp_verifier *verifier, const pp_signed_request *request,
                                 const pp_authorization *says, const pinpipe_credentials *credentials,
                                 pinpipe_error *err);

/** Reads YYYYMMDDTHHMMSSZ. */
bool pp_sign_time_read(int64_t *time_s, pinpipe_str text);

#endif
