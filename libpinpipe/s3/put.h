/* What every way of storing an object has in common: conditions, and the question whose object is in place.
 * Never sends a condition that contradicts itself.
 * Rules: S3 User Guide, "Conditional writes"; docs/s3.md. */
#ifndef PP_S3_PUT_H
#define PP_S3_PUT_H

#include "base/md5.h"
#include "s3/client.h"

/** Two quotes, 32 digits, for a multipart object '-' and up to five more, NUL. */
#define PP_S3_MD5_ETAG_BYTES 48

typedef struct pp_s3_condition {
    int32_t flags; /* pinpipe_s3_put_flag */
    pinpipe_str if_match;
} pp_s3_condition;

/** What an object is that this client made. */
typedef struct pp_s3_content {
    int64_t size_bytes;
    char etag[PP_S3_MD5_ETAG_BYTES];
} pp_s3_content;

pinpipe_status pp_s3_condition_check(const pp_s3_condition *condition, pinpipe_error *err);
bool pp_s3_condition_is_set(const pp_s3_condition *condition);

/** Writes at most two headers. */
size_t pp_s3_condition_headers(pinpipe_header *out, const pp_s3_condition *condition);

/** The digest as an ETag, with its quotes. */
void pp_s3_md5_etag(char out[PP_S3_MD5_ETAG_BYTES], const uint8_t digest[PP_MD5_BYTES]);

/** Asks whether the object in place has this content; one that is not there has not. */
pinpipe_status pp_s3_own_find(bool *is_own, pinpipe_s3 *s3, pinpipe_s3_name name,
                              const pp_s3_content *content, int64_t timeout_ms, pinpipe_error *err);

/** A metadata list that can be sent. Errors: EINVAL too many entries, a name without the prefix. */
pinpipe_status pp_s3_metadata_check(const pinpipe_header *metadata, int64_t count, pinpipe_error *err);

/** `given`, or what is said where nothing was. */
pinpipe_str pp_s3_content_type(pinpipe_str given);

#endif
