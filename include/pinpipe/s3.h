/* Turns calls on buckets and objects into signed HTTP requests to S3 or a store that speaks its protocol.
 * Never follows a redirect, never keeps an object in memory beyond the buffer it was given.
 * Rules: docs/s3.md; Amazon S3 API Reference 2006-03-01. In a build without S3 every call answers ENOTSUP. */
#ifndef PINPIPE_S3_H
#define PINPIPE_S3_H

#include "credentials.h"
#include "provider.h"
#include "sign.h"
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

/** What a signature says of an object's bytes. */
typedef enum pinpipe_s3_payload {
    PINPIPE_S3_PAYLOAD_AUTO = 0,  /* their SHA-256; over https nothing where they are 256 KiB or more */
    PINPIPE_S3_PAYLOAD_SIGNED = 1 /* always their SHA-256 */
} pinpipe_s3_payload;

/** Which checksum of an object's bytes goes with them, for the store to compare and to keep. */
typedef enum pinpipe_s3_checksum {
    PINPIPE_S3_CHECKSUM_AUTO = 0, /* CRC-64/NVME at Amazon unless AWS_REQUEST_CHECKSUM_CALCULATION says
                                     "when_required"; none elsewhere, where stores may refuse it */
    PINPIPE_S3_CHECKSUM_NONE = 1,
    PINPIPE_S3_CHECKSUM_CRC32C = 2,
    PINPIPE_S3_CHECKSUM_CRC64NVME = 3
} pinpipe_s3_checksum;

/** Whether an object's bytes are compared with the checksum that the store keeps of them: those of a whole
 * object that one answer brings, and CRCs only. A checksum of checksums ("…-3") is left alone. */
typedef enum pinpipe_s3_validation {
    PINPIPE_S3_VALIDATION_AUTO = 0, /* yes, unless AWS_RESPONSE_CHECKSUM_VALIDATION says "when_required" */
    PINPIPE_S3_VALIDATION_NONE = 1
} pinpipe_s3_validation;

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
    int32_t in_flight;          /* ranges or parts of one object under way at once, 1 to 64; 4 */
    int32_t validation;         /* pinpipe_s3_validation */
    int64_t part_bytes;         /* of a range or a part, 5 MiB to 5 GiB; 8 MiB */
    int32_t payload;            /* pinpipe_s3_payload */
    int32_t checksum;           /* pinpipe_s3_checksum */
    pinpipe_str expected_owner; /* account id: a bucket of somebody else is refused; none */
    pinpipe_str request_payer;  /* "requester" where the bucket asks for it; none */
    pinpipe_str encryption;     /* of what is stored: "AES256", "aws:kms", "aws:kms:dsse"; the bucket's own */
    pinpipe_str encryption_key; /* id of the KMS key; the account's own */
    pinpipe_str encryption_context; /* base64 of a JSON object; none */
} pinpipe_s3_options;

#define PINPIPE_S3_OPTIONS_INIT                                                                              \
    {                                                                                                        \
        (uint32_t)sizeof(pinpipe_s3_options), 0, NULL, NULL, {NULL, 0}, {NULL, 0}, {NULL, 0}, 0, 0, 0, 0, 0, \
            0, 0, 0, 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {                                        \
            NULL, 0                                                                                          \
        }                                                                                                    \
    }

/** One object's name. The key is any UTF-8 of 1 to 1024 bytes. */
typedef struct pinpipe_s3_name {
    pinpipe_str bucket; /* without a path */
    pinpipe_str key;    /* as it is, not encoded */
} pinpipe_s3_name;

/** What a store says of an object. The views are borrowed until the next call on the same handle. */
typedef struct pinpipe_s3_object {
    pinpipe_str key;          /* as it is, not encoded */
    pinpipe_str etag;         /* with its quotes, as it came */
    pinpipe_str content_type; /* empty in a list */
    int64_t size_bytes;       /* of the whole object */
    int64_t modified_us;      /* UTC, since 1970; -1 = not told */
} pinpipe_s3_object;

/** Makes a client; opens no connection. `options` NULL = defaults, all of it from the environment.
 * Errors: EINVAL an endpoint that is no http(s) URL, a bad region or none; EAUTH as pinpipe_provider_new;
 * ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_s3_new(pinpipe_s3 **out, const pinpipe_s3_options *options,
                                          pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Closes the connections, once what was made of the client is freed too; NULL is allowed. */
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

/** What becomes of an object that is there already. */
typedef enum pinpipe_s3_put_flag {
    PINPIPE_S3_PUT_REPLACE = 0, /* whatever is there */
    PINPIPE_S3_PUT_NEW = 1      /* If-None-Match: *, so that an existing object is kept */
} pinpipe_s3_put_flag;

/** Most entries of an object's metadata that one call takes. */
#define PINPIPE_S3_METADATA_MAX 8

/** How an object is stored. Zero or empty in a field means its default. */
typedef struct pinpipe_s3_put_options {
    uint32_t struct_size;
    int32_t flags;                  /* pinpipe_s3_put_flag */
    pinpipe_str content_type;       /* empty: "application/octet-stream" */
    pinpipe_str if_match;           /* ETag that the object in place must have, with its quotes; empty: any */
    const pinpipe_header *metadata; /* names begin with "x-amz-meta-"; kept with the object */
    int64_t metadata_count;         /* at most PINPIPE_S3_METADATA_MAX */
} pinpipe_s3_put_options;

#define PINPIPE_S3_PUT_OPTIONS_INIT                                                                          \
    { (uint32_t)sizeof(pinpipe_s3_put_options), 0, {NULL, 0}, {NULL, 0}, NULL, 0 }

/** Stores `body` (at most 5 GiB) as one object by one request; `options` NULL = defaults. Of a condition
 * whose answer was lost, the object in place decides: with the ETag of `body` (MD5; not so under KMS) it is
 * ours. Errors: ECONFLICT the condition failed: the object exists, or has another ETag. */
PINPIPE_API pinpipe_status pinpipe_s3_object_put(pinpipe_s3 *s3, pinpipe_s3_name name, pinpipe_str body,
                                                 const pinpipe_s3_put_options *options, int64_t timeout_ms,
                                                 pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Reads a whole object into `out`, whose former content goes: the first part tells the size, the rest comes
 * by ranges at once. All are of one version of the object.
 * Errors: ECONFLICT it was replaced meanwhile; ELIMIT the object is larger than `max_bytes` (0 = 1 GiB);
 * `out` is empty after any error. */
PINPIPE_API pinpipe_status pinpipe_s3_object_get(pinpipe_buf *out, pinpipe_s3 *s3, pinpipe_s3_name name,
                                                 int64_t max_bytes, int64_t timeout_ms,
                                                 pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Gives room for an object of `size_bytes` bytes, which may be 0; NULL = there is none. Called once a get.
 */
typedef char *(*pinpipe_s3_room_fn)(void *user, int64_t size_bytes);

/** The same into room that the caller gives once the size is known; after an error it holds nothing of use.
 */
PINPIPE_API pinpipe_status pinpipe_s3_object_get_into(int64_t *size_bytes, pinpipe_s3 *s3,
                                                      pinpipe_s3_name name, pinpipe_s3_room_fn room,
                                                      void *user, int64_t max_bytes, int64_t timeout_ms,
                                                      pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Tells size, time, type and ETag of an object; `out->key` is that of `name`. */
PINPIPE_API pinpipe_status pinpipe_s3_object_head(pinpipe_s3_object *out, pinpipe_s3 *s3,
                                                  pinpipe_s3_name name, int64_t timeout_ms,
                                                  pinpipe_error *err) PINPIPE_MUST_CHECK;

/** A piece of metadata ("x-amz-meta-…") of the object that the last pinpipe_s3_object_head asked for; empty
 * where it has none. Borrowed until the next call with the client. */
PINPIPE_API pinpipe_str pinpipe_s3_metadata_text(const pinpipe_s3 *s3, pinpipe_str name);

/** Deletes an object; one that does not exist is no error, as S3 has it. */
PINPIPE_API pinpipe_status pinpipe_s3_object_delete(pinpipe_s3 *s3, pinpipe_s3_name name, int64_t timeout_ms,
                                                    pinpipe_error *err) PINPIPE_MUST_CHECK;

/** What a link allows. Zero or empty in a field means its default. */
typedef struct pinpipe_s3_sign_options {
    uint32_t struct_size;
    int32_t reserved;   /* 0 */
    pinpipe_str method; /* "PUT", "HEAD", "DELETE"; empty: "GET" */
    int64_t expires_s;  /* 1 to 604800; 0 = 3600. A temporary key's end comes first */
} pinpipe_s3_sign_options;

#define PINPIPE_S3_SIGN_OPTIONS_INIT                                                                         \
    { (uint32_t)sizeof(pinpipe_s3_sign_options), 0, {NULL, 0}, 0 }

/** Makes a presigned URL: whoever has it may do this to the object, without a key, until it ends. The store
 * is not asked, so that the object need not exist. `url` is emptied first; it is the client's endpoint,
 * region, key and corrected time, with `expected_owner` and `request_payer` in the query, and no header has
 * to be sent with it. `options` NULL = defaults. Waits for nothing but a key, where the provider has none at
 * hand. Errors: EINVAL a name that cannot be one, a method, an expiry; those of pinpipe_provider_get; EFORK;
 * ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_s3_object_sign(pinpipe_buf *url, pinpipe_s3 *s3, pinpipe_s3_name name,
                                                  const pinpipe_s3_sign_options *options, int64_t timeout_ms,
                                                  pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Deletes any number of objects, 1000 a request. Errors: those of the first that could not be deleted, which
 * the text names; the others of its request are deleted nevertheless. */
PINPIPE_API pinpipe_status pinpipe_s3_objects_delete(pinpipe_s3 *s3, pinpipe_str bucket,
                                                     const pinpipe_str *keys, int64_t count,
                                                     int64_t timeout_ms,
                                                     pinpipe_error *err) PINPIPE_MUST_CHECK;

/** The objects of a bucket, page by page, in the order of their keys' bytes. A list of more than a page whose
 * first page lies below few common prefixes is fetched from several of them at once. */
typedef struct pinpipe_s3_list pinpipe_s3_list;

/** Which objects are listed. Zero or empty in a field means its default. */
typedef struct pinpipe_s3_list_options {
    uint32_t struct_size;
    int32_t page_max;        /* objects a page, 1 to 1000; 0 = 1000 */
    pinpipe_str bucket;      /* to list */
    pinpipe_str prefix;      /* only keys that begin so; empty: all */
    pinpipe_str start_after; /* only keys behind this one; empty: all */
    int32_t in_flight;       /* requests at once, 1 to 16; 0 = 8; 1: page after page */
    int32_t reserved;        /* 0 */
} pinpipe_s3_list_options;

#define PINPIPE_S3_LIST_OPTIONS_INIT                                                                         \
    { (uint32_t)sizeof(pinpipe_s3_list_options), 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, 0, 0 }

/** Begins a list; asks nothing yet. `s3` is kept until both are freed; `options` is copied. */
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

/** Objects and their bytes, in the order of their keys' bytes: many are fetched at once, few are held. */
typedef struct pinpipe_s3_reader pinpipe_s3_reader;

/** Which objects are read. Zero or empty in a field means its default. */
typedef struct pinpipe_s3_reader_options {
    uint32_t struct_size;
    int32_t in_flight;       /* requests at once, 1 to 256; 0 = 32 */
    pinpipe_str bucket;      /* to read from */
    pinpipe_str key;         /* of the one object to read; empty: all with the prefix */
    pinpipe_str prefix;      /* only keys that begin so; empty: all */
    pinpipe_str start_after; /* only keys behind this one; empty: all */
    int64_t buffer_bytes;    /* most that is held at once, 8 MiB or more; 0 = 32 MiB */
} pinpipe_s3_reader_options;

#define PINPIPE_S3_READER_OPTIONS_INIT                                                                       \
    { (uint32_t)sizeof(pinpipe_s3_reader_options), 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, 0 }

/** A piece of an object; the last one ends at the object's size. An empty object is one empty piece. */
typedef struct pinpipe_s3_piece {
    pinpipe_s3_object object; /* its content type is empty where it was found by a list */
    int64_t offset_bytes;     /* of the piece in its object */
    pinpipe_str bytes;        /* the piece */
} pinpipe_s3_piece;

/** Begins to read; asks nothing yet. `s3` may be used meanwhile, and is kept until both are
 * freed; `options` is copied. */
PINPIPE_API pinpipe_status pinpipe_s3_reader_new(pinpipe_s3_reader **out, pinpipe_s3 *s3,
                                                 const pinpipe_s3_reader_options *options,
                                                 pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Gives up what is under way; NULL is allowed. */
PINPIPE_API void pinpipe_s3_reader_free(pinpipe_s3_reader *reader);

/** The next piece, borrowed until the next call on the reader; DONE = there is none. `timeout_ms` is that of
 * each request. After an error that may pass the same piece is asked for again.
 * Errors: those of list and get, of the piece in turn; ECONFLICT a large object was replaced meanwhile. */
PINPIPE_API pinpipe_status pinpipe_s3_reader_next(pinpipe_s3_piece *out, pinpipe_s3_reader *reader,
                                                  int64_t timeout_ms, pinpipe_error *err) PINPIPE_MUST_CHECK;

/** One object that is written piece by piece: one put where it fits into a part, else a multipart upload. */
typedef struct pinpipe_s3_upload pinpipe_s3_upload;

/** How an upload is stored. Zero or empty in a field means its default. */
typedef struct pinpipe_s3_upload_options {
    uint32_t struct_size;
    int32_t flags;            /* pinpipe_s3_put_flag */
    pinpipe_str content_type; /* empty: "application/octet-stream" */
    pinpipe_str if_match;     /* as for a put */
    int64_t size_bytes;       /* of the whole, where it is known: makes parts large enough; 0 = not known */
    pinpipe_str journal; /* file that outlives a crash: the same bytes then are not sent again; empty: none */
    const pinpipe_header *metadata; /* as for a put */
    int64_t metadata_count;         /* of `metadata` */
} pinpipe_s3_upload_options;

#define PINPIPE_S3_UPLOAD_OPTIONS_INIT                                                                       \
    { (uint32_t)sizeof(pinpipe_s3_upload_options), 0, {NULL, 0}, {NULL, 0}, 0, {NULL, 0}, NULL, 0 }

/** Begins an upload; asks nothing yet. With a journal of an upload of the same name, that one goes on: a part
 * is sent only where the store has none with the same size and MD5. `options` NULL = defaults.
 * Errors: EIO the journal; ELIMIT a size beyond 10,000 parts of 5 GiB. */
PINPIPE_API pinpipe_status pinpipe_s3_upload_open(pinpipe_s3_upload **out, pinpipe_s3 *s3,
                                                  pinpipe_s3_name name,
                                                  const pinpipe_s3_upload_options *options,
                                                  pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Appends bytes. What fills parts is sent from where it lies and has arrived when the call returns; the rest
 * is copied. Errors: those of a put; then the upload can only be cleared or freed. */
PINPIPE_API pinpipe_status pinpipe_s3_upload_write(pinpipe_s3_upload *upload, pinpipe_str bytes,
                                                   int64_t timeout_ms, pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Makes the object: it is there whole or not at all. Errors: as for a put. */
PINPIPE_API pinpipe_status pinpipe_s3_upload_commit(pinpipe_s3_upload *upload, int64_t timeout_ms,
                                                    pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Gives the upload up: its parts and its journal go. */
PINPIPE_API pinpipe_status pinpipe_s3_upload_clear(pinpipe_s3_upload *upload, int64_t timeout_ms,
                                                   pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Frees the upload; one that was neither committed nor cleared is cleared, unless its journal can go on with
 * it. NULL is allowed. */
PINPIPE_API void pinpipe_s3_upload_free(pinpipe_s3_upload *upload);

/** Aborts the multipart uploads below `prefix` that were begun more than `age_s` seconds ago; `count` is how
 * many. */
PINPIPE_API pinpipe_status pinpipe_s3_uploads_clear(int64_t *count, pinpipe_s3 *s3, pinpipe_s3_name prefix,
                                                    int64_t age_s, int64_t timeout_ms,
                                                    pinpipe_error *err) PINPIPE_MUST_CHECK;

PINPIPE_END_DECLS

#endif
