/* Turns one HTTP request, a key and a time into the request that AWS accepts: SigV4, in headers or in the
 * URL. Never reads a clock and never sends anything. Rules: docs/signing.md; AWS "Signature Version 4 signing
 * process" and the S3 API's "Authenticating Requests". */
#ifndef PINPIPE_SIGN_H
#define PINPIPE_SIGN_H

#include "credentials.h"
#include "status.h"
#include "value.h"

PINPIPE_BEGIN_DECLS

typedef struct pinpipe_header {
    pinpipe_str name;
    pinpipe_str value;
} pinpipe_header;

/** What is to be signed. Everything is borrowed for the time of the call. */
typedef struct pinpipe_sign_request {
    uint32_t struct_size;
    uint32_t reserved;             /* 0 */
    pinpipe_str method;            /* "GET" */
    pinpipe_str url;               /* absolute, exactly as it goes on the wire */
    pinpipe_str body;              /* hashed unless the payload is unsigned */
    const pinpipe_header *headers; /* what the caller sends; host is taken from the URL where it is missing */
    int64_t header_count;
} pinpipe_sign_request;

#define PINPIPE_SIGN_REQUEST_INIT                                                                            \
    { (uint32_t)sizeof(pinpipe_sign_request), 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, NULL, 0 }

/** Where the signature goes. */
typedef enum pinpipe_sign_form {
    PINPIPE_SIGN_HEADER = 0, /* an Authorization header */
    PINPIPE_SIGN_QUERY = 1   /* a presigned URL */
} pinpipe_sign_form;

/** What the signature says of the body. */
typedef enum pinpipe_sign_payload {
    PINPIPE_PAYLOAD_SERVICE =
        0, /* the service's rule: S3 signed with header, presigned S3 unsigned, else signed */
    PINPIPE_PAYLOAD_SIGNED = 1,        /* its SHA-256 */
    PINPIPE_PAYLOAD_SIGNED_HEADER = 2, /* its SHA-256, told in x-amz-content-sha256 too */
    PINPIPE_PAYLOAD_UNSIGNED = 3       /* UNSIGNED-PAYLOAD; over https only, unless presigned */
} pinpipe_sign_payload;

/** A rule that a service has and a caller may overrule. */
typedef enum pinpipe_switch {
    PINPIPE_SWITCH_SERVICE = 0, /* the service's rule */
    PINPIPE_SWITCH_ON = 1,
    PINPIPE_SWITCH_OFF = 2
} pinpipe_switch;

typedef struct pinpipe_sign_options {
    uint32_t struct_size;
    int32_t form;          /* pinpipe_sign_form */
    pinpipe_str service;   /* signing name: "s3", "kinesis", "execute-api", "sts", "kafka-cluster", … */
    pinpipe_str region;    /* "eu-west-1" */
    int64_t time_s;        /* seconds since 1970, UTC; required */
    int64_t expires_s;     /* of a presigned URL: 1 to 604800 */
    int32_t payload;       /* pinpipe_sign_payload */
    int32_t double_encode; /* pinpipe_switch: encode the path once more than on the wire; rule: all but S3 */
    int32_t normalize;     /* pinpipe_switch: collapse "//", "." and ".." of the path; rule: all but S3 */
    int32_t sign_token;    /* pinpipe_switch: the session token is part of what is signed; rule: on */
} pinpipe_sign_options;

#define PINPIPE_SIGN_OPTIONS_INIT                                                                            \
    { (uint32_t)sizeof(pinpipe_sign_options), 0, {NULL, 0}, {NULL, 0}, 0, 0, 0, 0, 0, 0 }

/** A signed request. Immutable. */
typedef struct pinpipe_signature pinpipe_signature;

/** Signs `request`.
 * Errors: EINVAL names the datum: a control character, a header or query parameter that is the signer's own
 * (x-amz-date, authorization, X-Amz-Signature, …), a bad region, an expiry outside 1 to 604800 s, a URL
 * without host, an unsigned payload over http, a signed one in a presigned URL of S3; ELIMIT more than 128
 * headers or 1,000 query parameters; ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_request_sign(pinpipe_signature **out, const pinpipe_sign_request *request,
                                                const pinpipe_credentials *credentials,
                                                const pinpipe_sign_options *options,
                                                pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Frees the result; NULL is allowed. */
PINPIPE_API void pinpipe_signature_free(pinpipe_signature *signature);

/** The URL to send: the request's own, or the presigned one. Borrowed, as all below, until the result is
 * freed. */
PINPIPE_API pinpipe_str pinpipe_signature_url(const pinpipe_signature *signature);

/** The headers to send: the caller's in their order, then the signer's. Host is not among them unless the
 * caller gave it. */
PINPIPE_API int64_t pinpipe_signature_header_count(const pinpipe_signature *signature);

/** `index` is from 0 and below the count. */
PINPIPE_API pinpipe_header pinpipe_signature_header_at(const pinpipe_signature *signature, int64_t index);

/** The intermediate texts, for comparing with what a service says that it expected. */
PINPIPE_API pinpipe_str pinpipe_signature_canonical_request(const pinpipe_signature *signature);
PINPIPE_API pinpipe_str pinpipe_signature_string_to_sign(const pinpipe_signature *signature);

/** The signature itself: 64 lower-case hex digits. */
PINPIPE_API pinpipe_str pinpipe_signature_text(const pinpipe_signature *signature);

PINPIPE_END_DECLS

#endif
