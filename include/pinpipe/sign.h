/* Turns one HTTP request, a key and a time into the request that AWS accepts: SigV4, in headers or in the
 * URL. Never reads a clock and never sends anything. Rules: docs/signing.md; AWS "Signature Version 4 signing
 * process" and the S3 API's "Authenticating Requests". */
#ifndef PINPIPE_SIGN_H
#define PINPIPE_SIGN_H

#include "credentials.h"
#include "status.h"
#include "value.h"

PINPIPE_BEGIN_DECLS

/** One header of a request; both parts are borrowed. */
typedef struct pinpipe_header {
    pinpipe_str name;  /* in any case */
    pinpipe_str value; /* without line ends */
} pinpipe_header;

/** What is to be signed. Everything is borrowed for the time of the call. */
typedef struct pinpipe_sign_request {
    uint32_t struct_size;
    uint32_t reserved;             /* 0 */
    pinpipe_str method;            /* "GET" */
    pinpipe_str url;               /* absolute, exactly as it goes on the wire */
    pinpipe_str body;              /* hashed unless the payload is unsigned */
    const pinpipe_header *headers; /* what the caller sends; host is taken from the URL where it is missing */
    int64_t header_count;          /* of `headers` */
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
    PINPIPE_PAYLOAD_UNSIGNED = 3,      /* UNSIGNED-PAYLOAD; over https only, unless presigned */
    /* The body goes in chunks that a pinpipe_chunk_writer frames; S3 only, in headers only. */
    PINPIPE_PAYLOAD_STREAMING_SIGNED = 4,          /* STREAMING-AWS4-HMAC-SHA256-PAYLOAD */
    PINPIPE_PAYLOAD_STREAMING_SIGNED_TRAILER = 5,  /* STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER */
    PINPIPE_PAYLOAD_STREAMING_UNSIGNED_TRAILER = 6 /* STREAMING-UNSIGNED-PAYLOAD-TRAILER; over https only */
} pinpipe_sign_payload;

/** The checksum in a streamed body's trailer. */
typedef enum pinpipe_checksum {
    PINPIPE_CHECKSUM_NONE = 0,
    PINPIPE_CHECKSUM_CRC32 = 1,
    PINPIPE_CHECKSUM_CRC32C = 2,
    PINPIPE_CHECKSUM_CRC64NVME = 3,
    PINPIPE_CHECKSUM_SHA256 = 4
} pinpipe_checksum;

/** A rule that a service has and a caller may overrule. */
typedef enum pinpipe_switch {
    PINPIPE_SWITCH_SERVICE = 0, /* the service's rule */
    PINPIPE_SWITCH_ON = 1,
    PINPIPE_SWITCH_OFF = 2
} pinpipe_switch;

/** How a request is signed. Zero or empty in a field means its default. */
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
    /* Of a streamed body; zero else. */
    int64_t decoded_bytes; /* its length before it is framed */
    int64_t chunk_bytes;   /* of every chunk but the last: 8 KiB to 16 MiB; 0 = 64 KiB */
    int32_t checksum;      /* pinpipe_checksum, where the payload has a trailer */
    int32_t reserved;      /* 0 */
} pinpipe_sign_options;

#define PINPIPE_SIGN_OPTIONS_INIT                                                                            \
    { (uint32_t)sizeof(pinpipe_sign_options), 0, {NULL, 0}, {NULL, 0}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/** A signed request. Immutable. */
typedef struct pinpipe_signature pinpipe_signature;

/** Signs one request and keeps nothing for the next one: pinpipe_signer_sign is for who signs many.
 * Errors: EINVAL names the datum: a control character, a header or query parameter that is the signer's own
 * (x-amz-date, authorization, X-Amz-Signature, …), a bad region, an expiry outside 1 to 604800 s, a URL
 * without host, an unsigned payload over http, a signed one in a presigned URL of S3, a streamed one of
 * another service; ELIMIT more than 128 headers or 1,000 query parameters; ENOMEM; EFATAL no SHA-256 in
 * OpenSSL. */
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
/** The text that the key signs. */
PINPIPE_API pinpipe_str pinpipe_signature_string_to_sign(const pinpipe_signature *signature);

/** The signature itself: 64 lower-case hex digits. */
PINPIPE_API pinpipe_str pinpipe_signature_text(const pinpipe_signature *signature);

/** Length of the body on the wire, for Content-Length: framed where it is streamed, else as it was given. */
PINPIPE_API int64_t pinpipe_signature_body_bytes(const pinpipe_signature *signature);

/** Signs many requests: it keeps the derived keys of the last four (key, day, region, service), and what a
 * request has in common with the one before. A request that differs from the last in its body only costs
 * little more than that body's digest. Once its buffers have their size, signing allocates nothing. One
 * thread at a time; any number of signers side by side share nothing. */
typedef struct pinpipe_signer pinpipe_signer;

/** Errors: ENOMEM; EFATAL no SHA-256 in OpenSSL. */
PINPIPE_API pinpipe_status pinpipe_signer_new(pinpipe_signer **out, pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Wipes and frees; NULL is allowed. */
PINPIPE_API void pinpipe_signer_free(pinpipe_signer *signer);

/** Signs `request` as pinpipe_request_sign does, with its errors. `*out` belongs to the signer and is valid
 * until the signer's next call. The credentials may be freed afterwards: the signer shares them. */
PINPIPE_API pinpipe_status pinpipe_signer_sign(const pinpipe_signature **out, pinpipe_signer *signer,
                                               const pinpipe_sign_request *request,
                                               const pinpipe_credentials *credentials,
                                               const pinpipe_sign_options *options,
                                               pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Frames the body of one streamed request (aws-chunked): bytes in, framed and signed bytes out. Copies of
 * the body are made only where a chunk arrives in pieces. One thread at a time. */
typedef struct pinpipe_chunk_writer pinpipe_chunk_writer;

/** What moves through a writer in one call. */
typedef struct pinpipe_chunk_step {
    uint32_t struct_size;
    uint32_t reserved; /* 0 */
    pinpipe_str in;    /* the body's next bytes; moves on past those that were taken */
    char *out;         /* the caller's room for framed bytes … */
    int64_t out_cap;   /* … its size … */
    int64_t out_len;   /* … and how much of it is full: moves on past what was written */
} pinpipe_chunk_step;

#define PINPIPE_CHUNK_STEP_INIT                                                                              \
    { (uint32_t)sizeof(pinpipe_chunk_step), 0, {NULL, 0}, NULL, 0, 0 }

/** Makes the writer of the streamed request that `signer` signed last; the signer may sign others meanwhile.
 * Errors: EINVAL the last request was not streamed, or there was none; ENOMEM; EFATAL no SHA-256 in OpenSSL.
 */
PINPIPE_API pinpipe_status pinpipe_chunk_writer_new(pinpipe_chunk_writer **out, const pinpipe_signer *signer,
                                                    pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Wipes and frees; NULL is allowed. */
PINPIPE_API void pinpipe_chunk_writer_free(pinpipe_chunk_writer *writer);

/** Takes bytes and writes frames until one side has no more. OK: `in` is used up, more of the body is wanted;
 * AGAIN: `out` is full; DONE: the last frame and the trailer are written too. Bytes that were not taken are
 * offered again, unchanged.
 * Errors: EINVAL more bytes than decoded_bytes; ENOMEM for a chunk; EFATAL no SHA-256 in OpenSSL. After one
 * of the last two the body cannot be finished. */
PINPIPE_API pinpipe_status pinpipe_chunk_writer_write(pinpipe_chunk_step *step, pinpipe_chunk_writer *writer,
                                                      pinpipe_error *err) PINPIPE_MUST_CHECK;

/** How a token for MSK's IAM login is made. Everything is borrowed for the time of the call. */
typedef struct pinpipe_msk_options {
    uint32_t struct_size;
    uint32_t reserved;      /* 0 */
    pinpipe_str region;     /* the cluster's, not the client's */
    pinpipe_str sign_host;  /* empty = kafka.<region>.amazonaws.com */
    pinpipe_str user_agent; /* told to the broker, unsigned; empty = libpinpipe/<version> */
    int64_t time_s;         /* seconds since 1970, UTC; required */
    int64_t expires_s;      /* 60 to 43200; 0 = 900 */
} pinpipe_msk_options;

#define PINPIPE_MSK_OPTIONS_INIT                                                                             \
    { (uint32_t)sizeof(pinpipe_msk_options), 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, 0, 0 }

/** Makes an OAUTHBEARER token for a cluster with IAM login: the presigned URL of kafka-cluster:Connect, as
 * base64url. `out` is emptied first; `lifetime_ms`, NULL is allowed, gets its end in ms since 1970. The token
 * is a secret until then. Rules: what the four official signers agree on (signing.md in docs). Errors: EINVAL
 * a bad region, host, expiry or user agent; ENOMEM; EFATAL no SHA-256 in OpenSSL. */
PINPIPE_API pinpipe_status pinpipe_msk_token_sign(pinpipe_buf *out, int64_t *lifetime_ms,
                                                  const pinpipe_credentials *credentials,
                                                  const pinpipe_msk_options *options,
                                                  pinpipe_error *err) PINPIPE_MUST_CHECK;

PINPIPE_END_DECLS

#endif
