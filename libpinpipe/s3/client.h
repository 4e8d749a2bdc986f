/* Turns one operation on a store into signed attempts within one deadline.
 * Never shows a secret in an error.
 * Rules: docs/s3.md. */
#ifndef PP_S3_CLIENT_H
#define PP_S3_CLIENT_H

#include "io/http.h"
#include "io/provider.h"
#include "io/retry.h"
#include "pinpipe/s3.h"

#define PP_S3_SERVICE "s3"
#define PP_S3_KEY_MAX 1024
#define PP_S3_BUCKET_MAX 255
/** Largest XML answer in bytes: 1000 keys of 1 KiB, each byte of them escaped. */
#define PP_S3_XML_MAX ((size_t)16 << 20)

struct pinpipe_s3 {
    pp_http *http;
    pinpipe_provider *provider;
    pp_retry retry;
    pinpipe_buf endpoint; /* "https://host:port/prefix", no final slash */
    pinpipe_buf region;
    bool at_amazon; /* the endpoint is computed, not the caller's own */
    int32_t addressing;
    int64_t timeout_ms;
    pp_http_answer answer; /* of the last attempt */
    pinpipe_buf url, xml;
};

/** One operation. `query` is encoded; `headers` are beyond those of the signature. */
typedef struct pp_s3_call {
    const char *method;
    const char *doing;    /* for errors: "get", "put", … */
    pinpipe_s3_name name; /* empty key: the bucket itself */
    const char *query;    /* "" = none */
    const pinpipe_header *headers;
    size_t header_count;
    pinpipe_str body;
    pinpipe_buf *out; /* takes the body of a 2xx answer */
    size_t out_max;
} pp_s3_call;

/** Sends the call as often as the client's options and `timeout_ms` allow. After OK, `s3->answer` has the
 * head. */
pinpipe_status pp_s3_send(pinpipe_s3 *s3, const pp_s3_call *call, int64_t timeout_ms, pinpipe_error *err);

/** Errors: EINVAL empty, too long, or characters that no bucket has. */
pinpipe_status pp_s3_bucket_check(pinpipe_str bucket, pinpipe_error *err);

/** Appends the URL of a call. */
pinpipe_status pp_s3_url_write(pinpipe_buf *out, const pinpipe_s3 *s3, const pp_s3_call *call,
                               pinpipe_error *err);

/** The error of an answer that refused `call`: status, code and text of the service. */
pinpipe_status pp_s3_fail(pinpipe_error *err, const pp_s3_call *call, const pp_http_answer *answer,
                          pinpipe_str document);

#endif
