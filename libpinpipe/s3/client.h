/* What the parts of the S3 client share: its state, where a bucket is reached, what is said of a refusal.
 * Never shows a secret in an error.
 * Rules: docs/s3.md. */
#ifndef PP_S3_CLIENT_H
#define PP_S3_CLIENT_H

#include "io/flight.h"
#include "io/provider.h"
#include "io/retry.h"
#include "pinpipe/s3.h"
#include "s3/copy.h"
#include "s3/job.h"

#define PP_S3_SERVICE "s3"
#define PP_S3_KEY_MAX 1024
#define PP_S3_BUCKET_MAX 255
#define PP_S3_REGION_MAX 63
/** Buckets whose region is remembered; beyond it the oldest goes. */
#define PP_S3_PLACES_MAX 64
/** Largest XML answer in bytes: 1000 keys of 1 KiB, each byte of them escaped. */
#define PP_S3_XML_MAX ((size_t)16 << 20)
#define PP_S3_PART_MIN ((int64_t)5 << 20)
#define PP_S3_PART_MAX ((int64_t)5 << 30)
#define PP_S3_PART_DEFAULT ((int64_t)8 << 20)
#define PP_S3_PUT_MAX ((int64_t)5 << 30)
#define PP_S3_PARTS_MAX 10000
/** Between socket and memory where objects are large. */
#define PP_S3_LARGE_BUFFER (512 << 10)
#define PP_S3_LARGE_FROM (256 << 10)
/** Buffers that stay with the client, because memory's first touch costs as much as reading it from a socket.
 */
#define PP_S3_SPARES_MAX 4
#define PP_S3_SPARE_BYTES ((size_t)9 << 20)

/** A bucket that a refusal placed in another region than the client's. */
typedef struct pp_s3_place {
    char bucket[PP_S3_BUCKET_MAX + 1];
    char region[PP_S3_REGION_MAX + 1];
    pinpipe_buf endpoint; /* Amazon's own of that region; empty: the client's */
} pp_s3_place;

struct pinpipe_s3 {
    int32_t owners; /* the caller, and what was made of the client */
    pp_flight *flight;
    pp_s3_job *jobs; /* under way or pausing */
    pinpipe_provider *provider;
    pp_retry retry;
    pinpipe_buf endpoint; /* "https://host:port/prefix", no final slash */
    pinpipe_buf region;
    bool at_amazon; /* the endpoint is computed, not the caller's own */
    bool is_https;
    int32_t addressing;
    pinpipe_buf ca_file;
    int64_t connect_timeout_ms;
    int64_t timeout_ms;
    int32_t in_flight;
    int64_t part_bytes;
    int32_t payload;           /* pinpipe_s3_payload */
    pinpipe_checksum checksum; /* of what is stored */
    bool is_validating;        /* checksums of what is read are asked for, and compared */
    pinpipe_signer *signer;
    pinpipe_buf owner, payer, sse, sse_key, sse_context;
    pp_s3_place places[PP_S3_PLACES_MAX];
    int32_t place_count, place_next;
    pinpipe_buf spares[PP_S3_SPARES_MAX];
    int32_t spare_count;
    pp_s3_job job;   /* of the calls that send one request and wait for it */
    pinpipe_buf xml; /* what such a call takes or sends */
};

/** Shares the client: both owners free it. */
pinpipe_s3 *pp_s3_retain(pinpipe_s3 *s3);

/** Sends one call and waits for it. After OK, `s3->job.wire.answer` has the head. */
pinpipe_status pp_s3_send(pinpipe_s3 *s3, const pp_s3_call *call, int64_t timeout_ms, pinpipe_error *err);

/** Errors: EINVAL a bucket or a key that cannot be one, a negative time. An empty key is the bucket itself.
 */
pinpipe_status pp_s3_call_check(const pp_s3_call *call, int64_t timeout_ms, pinpipe_error *err);

/** Most headers that the client's options bring. */
#define PP_S3_CLIENT_HEADERS 5

/** What the client's options send with a call, in lower case: how many headers were written. */
size_t pp_s3_client_headers(pinpipe_header *out, const pinpipe_s3 *s3, const pp_s3_call *call);

/** Service, region of the bucket and the machine's time with `offset_ms` added; all else is its default. */
void pp_s3_sign_options(pinpipe_sign_options *out, const pinpipe_s3 *s3, pinpipe_str bucket,
                        int64_t offset_ms);

/** Errors: EINVAL empty, too long, or characters that no bucket has. */
pinpipe_status pp_s3_bucket_check(pinpipe_str bucket, pinpipe_error *err);

/** Errors: EINVAL empty, or beyond PP_S3_KEY_MAX. */
pinpipe_status pp_s3_key_check(pinpipe_str key, pinpipe_error *err);

/** Appends the URL of a call. */
pinpipe_status pp_s3_url_write(pinpipe_buf *out, const pinpipe_s3 *s3, const pp_s3_call *call,
                               pinpipe_error *err);

/** Appends Amazon's endpoint of a region. */
pinpipe_status pp_s3_endpoint_compute(pinpipe_buf *out, const pinpipe_s3 *s3, const char *region,
                                      pinpipe_error *err);

/** What is known of a bucket that does not live where the client does; NULL = nothing. */
const pp_s3_place *pp_s3_place_find(const pinpipe_s3 *s3, pinpipe_str bucket);

/** Remembers a bucket's region; false where it is no news, or no region. */
bool pp_s3_place_learn(pinpipe_s3 *s3, pinpipe_str bucket, pinpipe_str region);

void pp_s3_places_reset(pinpipe_s3 *s3);

/** The error of an answer that refused `call`: status, code and text of the service. */
pinpipe_status pp_s3_fail(pinpipe_error *err, const pp_s3_call *call, const pp_http_answer *answer,
                          pinpipe_str document);

/** An error that names the operation, the bucket and the key before its text. */
pinpipe_status pp_s3_fail_call(pinpipe_error *err, const pp_s3_call *call, const pinpipe_error *cause);

/** Writes the client's checksum of some bytes as base64 and a NUL; "" where it has none. */
void pp_s3_checksum_write(char out[PP_S3_CHECKSUM_BYTES], const pinpipe_s3 *s3, pinpipe_str bytes);

/** Continues a CRC; 0 for what is none. */
uint64_t pp_s3_checksum_add(pinpipe_checksum checksum, uint64_t crc, pinpipe_str bytes);

/** Writes a CRC as its bytes, the greatest first, in base64, and a NUL. */
void pp_s3_checksum_text(char out[PP_S3_CHECKSUM_BYTES], pinpipe_checksum checksum, uint64_t crc);

/** Reads a decimal number; -1 when it is none, or has more than 18 digits. */
int64_t pp_s3_number_read(pinpipe_str text);

#endif
