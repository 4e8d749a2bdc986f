/* Turns calls on buckets and objects into signed HTTP requests to S3 or a store that speaks its protocol.
 * Never follows a redirect, never keeps an object in memory beyond the buffer it was given.
 * Rules: docs/s3.md; Amazon S3 API Reference 2006-03-01. In a build without S3 every call answers ENOTSUP. */
#ifndef PINPIPE_S3_H
#define PINPIPE_S3_H

#include "credentials.h"
#include "provider.h"
#include "status.h"
#include "value.h"

PINPIPE_BEGIN_DECLS

/** A client of one endpoint with its kept-alive connections. One thread at a time; EFORK in a forked child.
 */
typedef struct pinpipe_s3 pinpipe_s3;

/** How the bucket stands in the URL. */
typedef enum pinpipe_s3_addressing {
    PINPIPE_S3_ADDRESSING_AUTO =
        0, /* path at an endpoint of the caller's own, host at Amazon's where it can be */
    PINPIPE_S3_ADDRESSING_PATH = 1, /* https://endpoint/bucket/key */
    PINPIPE_S3_ADDRESSING_HOST = 2  /* https://bucket.endpoint/key */
} pinpipe_s3_addressing;

/** Which figures the retries follow. */
typedef enum pinpipe_retry {
    PINPIPE_RETRY_STANDARD = 0,       /* AWS SDK "standard" as revised in 2026 (v2.1) */
    PINPIPE_RETRY_STANDARD_FORMER = 1 /* as before (v2.0) */
} pinpipe_retry;

/** Everything is copied. Empty or zero: the default that the comment names. */
typedef struct pinpipe_s3_options {
    uint32_t struct_size;
    int32_t addressing;                     /* pinpipe_s3_addressing */
    const pinpipe_credentials *credentials; /* a key that is not renewed; NULL: `provider` */
    const pinpipe_provider *provider;       /* shared with the client; NULL: the default chain of its own */
    pinpipe_str endpoint;                   /* "http://127.0.0.1:9000"; else pinpipe_provider_endpoint */
    pinpipe_str region;  /* else pinpipe_provider_region; "us-east-1" at an endpoint that is not Amazon's */
    pinpipe_str ca_file; /* PEM file of trusted certificates; else AWS_CA_BUNDLE, the system's */
    int64_t connect_timeout_ms; /* per attempt, name to TLS; 3100 */
    int64_t timeout_ms;         /* of a call whose own is 0; 60000 */
    int32_t attempts_max;       /* else AWS_MAX_ATTEMPTS, the profile's, 3; 1 = never again */
    int32_t retry;              /* pinpipe_retry */
} pinpipe_s3_options;

#define PINPIPE_S3_OPTIONS_INIT                                                                              \
    { (uint32_t)sizeof(pinpipe_s3_options), 0, NULL, NULL, {NULL, 0}, {NULL, 0}, {NULL, 0}, 0, 0, 0, 0 }

/** One object's name. The key is any UTF-8 of 1 to 1024 bytes. */
typedef struct pinpipe_s3_name {
    pinpipe_str bucket;
    pinpipe_str key;
} pinpipe_s3_name;

/** What a store says of an object. The views are borrowed until the next call on the same handle. */
typedef struct pinpipe_s3_object {
    pinpipe_str key;
    pinpipe_str etag;         /* with its quotes, as it came */
    pinpipe_str content_type; /* empty in a list */
    int64_t size_bytes;
    int64_t modified_us; /* UTC, since 1970; -1 = not told */
} pinpipe_s3_object;

/** Makes a client; opens no connection.
 * Errors: EINVAL an endpoint that is no http(s) URL, a bad region or none; EAUTH as pinpipe_provider_new;
 * ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_s3_new(pinpipe_s3 **out, const pinpipe_s3_options *options,
                                          pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Closes the connections; NULL is allowed. */
PINPIPE_API void pinpipe_s3_free(pinpipe_s3 *s3);

/* Every call below: `timeout_ms` is the whole of it, retries and pauses included; 0 = the client's default.
 * Failures that may pass (a lost connection, 500, 502, 503, 504, 429, RequestTimeout) are tried again, with
 * exponential pauses of full jitter, as often as the options say, the time and the client's quota allow; an
 * expired key and a wrong clock once more, with a new key and a corrected time.
 * Errors of every call: EINVAL a name that cannot be one; ENET, ETIMEOUT; EAUTH refused credentials or
 * rights; ENOTFOUND bucket or object; ECONFLICT; ETHROTTLED, ESERVICE; EREFUSED what else the store refuses;
 * EDATA an answer that is not S3's; EFORK; ENOMEM. The message carries the service's code and text,
 * native_code is the HTTP status; where no answer came, `service` is "http" and native_code libcurl's code.
 */

/** Creates a bucket in the client's region. Errors: ECONFLICT it exists, whoever owns it. */
PINPIPE_API pinpipe_status pinpipe_s3_bucket_put(pinpipe_s3 *s3, pinpipe_str bucket, int64_t timeout_ms,
                                                 pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Deletes an empty bucket. Errors: ECONFLICT it is not empty. */
PINPIPE_API pinpipe_status pinpipe_s3_bucket_delete(pinpipe_s3 *s3, pinpipe_str bucket, int64_t timeout_ms,
                                                    pinpipe_error *err) PINPIPE_MUST_CHECK;

typedef enum pinpipe_s3_put_flag {
    PINPIPE_S3_PUT_REPLACE = 0, /* whatever is there */
    PINPIPE_S3_PUT_NEW = 1      /* If-None-Match: *, so that an existing object is kept */
} pinpipe_s3_put_flag;

typedef struct pinpipe_s3_put_options {
    uint32_t struct_size;
    int32_t flags;            /* pinpipe_s3_put_flag */
    pinpipe_str content_type; /* empty: "application/octet-stream" */
} pinpipe_s3_put_options;

#define PINPIPE_S3_PUT_OPTIONS_INIT                                                                          \
    {                                                                                                        \
        (uint32_t)sizeof(pinpipe_s3_put_options), 0, {                                                       \
            NULL, 0                                                                                          \
        }                                                                                                    \
    }

/** Stores `body` (at most 5 GiB) as one object; `options` NULL = defaults.
 * Errors: ECONFLICT with PINPIPE_S3_PUT_NEW the object exists. Where the answer to an attempt was lost, that
 * object may be the call's own: compare before giving up. */
PINPIPE_API pinpipe_status pinpipe_s3_object_put(pinpipe_s3 *s3, pinpipe_s3_name name, pinpipe_str body,
                                                 const pinpipe_s3_put_options *options, int64_t timeout_ms,
                                                 pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Reads a whole object into `out`, whose former content goes.
 * Errors: ELIMIT the object is larger than `max_bytes` (0 = 1 GiB); `out` is empty after any error. */
PINPIPE_API pinpipe_status pinpipe_s3_object_get(pinpipe_buf *out, pinpipe_s3 *s3, pinpipe_s3_name name,
                                                 int64_t max_bytes, int64_t timeout_ms,
                                                 pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Tells size, time, type and ETag of an object; `out->key` is that of `name`. */
PINPIPE_API pinpipe_status pinpipe_s3_object_head(pinpipe_s3_object *out, pinpipe_s3 *s3,
                                                  pinpipe_s3_name name, int64_t timeout_ms,
                                                  pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Deletes an object; one that does not exist is no error, as S3 has it. */
PINPIPE_API pinpipe_status pinpipe_s3_object_delete(pinpipe_s3 *s3, pinpipe_s3_name name, int64_t timeout_ms,
                                                    pinpipe_error *err) PINPIPE_MUST_CHECK;

/** The objects of a bucket, page by page, in the order of their keys' bytes. */
typedef struct pinpipe_s3_list pinpipe_s3_list;

typedef struct pinpipe_s3_list_options {
    uint32_t struct_size;
    int32_t page_max; /* objects a page, 1 to 1000; 0 = 1000 */
    pinpipe_str bucket;
    pinpipe_str prefix;      /* only keys that begin so; empty: all */
    pinpipe_str start_after; /* only keys behind this one; empty: all */
} pinpipe_s3_list_options;

#define PINPIPE_S3_LIST_OPTIONS_INIT                                                                         \
    {                                                                                                        \
        (uint32_t)sizeof(pinpipe_s3_list_options), 0, {NULL, 0}, {NULL, 0}, {                                \
            NULL, 0                                                                                          \
        }                                                                                                    \
    }

/** Begins a list; asks nothing yet. `s3` must outlive it; `options` is copied. */
PINPIPE_API pinpipe_status pinpipe_s3_list_new(pinpipe_s3_list **out, pinpipe_s3 *s3,
                                               const pinpipe_s3_list_options *options,
                                               pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Frees the list; NULL is allowed. */
PINPIPE_API void pinpipe_s3_list_free(pinpipe_s3_list *list);

/** Fetches the next page, which may be empty; DONE = there is none. */
PINPIPE_API pinpipe_status pinpipe_s3_list_next(pinpipe_s3_list *list, int64_t timeout_ms,
                                                pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Objects in the page. */
PINPIPE_API int64_t pinpipe_s3_list_count(const pinpipe_s3_list *list);

/** One object of the page, `index` from 0 and below the count; borrowed until the next call on the list. */
PINPIPE_API pinpipe_s3_object pinpipe_s3_list_at(const pinpipe_s3_list *list, int64_t index);

PINPIPE_END_DECLS

#endif
