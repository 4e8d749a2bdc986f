/* What a signer keeps between requests, and what is known while it signs one.
 * Never outlives a change of the request that it describes.
 * Rules: reference/signing.md §6: key cache, template of a second. */
#ifndef PP_AWS_SIGNER_H
#define PP_AWS_SIGNER_H

#include "aws/canonical.h"
#include "aws/signing_key.h"
#include "aws/uri.h"

#define PP_SIGN_ALGORITHM "AWS4-HMAC-SHA256"
#define PP_TIME_BYTES 16 /* YYYYMMDDTHHMMSSZ */

struct pinpipe_signature {
    pinpipe_buf url, canonical_request, string_to_sign;
    pp_pairs headers; /* to send */
    int64_t body_bytes;
    char text[PP_SHA256_HEX_BYTES + 1];
};

/** The request that was signed last. A body hash, and with it a signature, can be written over the last ones.
 */
typedef struct pp_sign_template {
    bool is_set;
    pinpipe_sign_options options; /* its views point into the two arrays below */
    char service[PP_SCOPE_PART_MAX];
    char region[PP_SCOPE_PART_MAX];
    char method[PP_METHOD_MAX];
    size_t method_len;
    pinpipe_buf url;
    size_t header_count; /* the caller's: the first of the signature's */
    pinpipe_credentials *credentials;
    const pp_hmac_key *key; /* the row of `keys` that signed it */
    bool is_body_hashed;
    size_t hash_at;          /* first byte of the canonical request that depends on the body */
    char *told_hash;         /* in x-amz-content-sha256 as it is sent; NULL = it is not */
    char *sent_signature;    /* in the Authorization header or the URL */
    pp_sha256_run canonical; /* digest of what stands before hash_at */
} pp_sign_template;

/** What is known while one request is signed. */
typedef struct pp_sign_job {
    const pinpipe_sign_request *request;
    const pinpipe_credentials *credentials;
    const pinpipe_sign_options *options;
    bool is_plain_service; /* S3 and its kin */
    bool is_hash_told;     /* in x-amz-content-sha256 */
    bool is_token_signed;
    pp_url url;
    char time[PP_TIME_BYTES + 1];
    char decoded_bytes[24];
    pinpipe_str payload;     /* last line of the canonical request */
    pinpipe_header added[8]; /* what the signer adds for all to see, in the order of sending */
    size_t added_count;
    const char *signed_hash; /* value of x-amz-content-sha256 among the signed headers */
} pp_sign_job;

struct pinpipe_signer {
    pp_sha256_road road;
    pp_signing_keys keys;
    pp_sign_template last;
    pp_sha256_run run;
    pp_pairs headers, query; /* to sign */
    pinpipe_buf host, scope, names, credential, scratch;
    char body_hash[PP_SHA256_HEX_BYTES + 1];
    pinpipe_signature *signature;
};

/** pinpipe_signer_new on a road of the caller's. */
pinpipe_status pp_signer_new(pinpipe_signer **out, pp_sha256_road road, pinpipe_error *err);

/** Decides the payload line and the headers that the signer adds. Needs url, time, service and body hash. */
pinpipe_status pp_sign_payload_decide(pp_sign_job *job, pinpipe_signer *signer, pinpipe_error *err);

/** Makes room in `headers` for the caller's and the added ones, and `more_bytes` beside theirs. */
pinpipe_status pp_sign_headers_reserve(pp_pairs *headers, const pp_sign_job *job, size_t more_bytes,
                                       pinpipe_error *err);

/** Writes what is sent: the headers, the URL, and where in them the signature stands. */
pinpipe_status pp_sign_send_write(pinpipe_signer *signer, const pp_sign_job *job, pinpipe_error *err);

/** Appends "<key id>/<scope>" to an emptied `out`. */
pinpipe_status pp_sign_credential_write(pinpipe_buf *out, const pinpipe_signer *signer,
                                        const pp_sign_job *job, pinpipe_error *err);

/** Writes YYYYMMDDTHHMMSSZ and a NUL. */
void pp_sign_time_write(char out[PP_TIME_BYTES + 1], int64_t time_s);

#endif
