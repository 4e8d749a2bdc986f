/* Turns many small gets and puts into their outcomes, some of them under way at once.
 * Never starts a thread, and never lets one request's failure stop another's.
 * Rules: docs/s3.md, "Connections"; Amazon S3 API Reference, GetObject and PutObject. */
#ifndef PP_S3_MANY_H
#define PP_S3_MANY_H

#include "pinpipe/s3.h"
#include "s3/job.h"

#define PP_S3_MANY_IN_FLIGHT 16

/** One request and what became of it. */
typedef struct pp_s3_one {
    pinpipe_str key;
    pinpipe_str body;            /* of a put; no ptr: a get */
    const char *if_match;        /* of a put: ETag that the object in place must have; NULL = there is none */
    pinpipe_buf text;            /* what was read, or the store's answer; the caller frees it */
    char etag[PP_S3_ETAG_BYTES]; /* of the object that was read or made; "" = not told */
    pinpipe_status status;
    pinpipe_error error;
} pp_s3_one;

/** Sends them all, each with `timeout_ms`, retries included, and waits for each of them. Bodies are JSON of
 * at most `text_max` bytes; so is what is read. OK, though each of them has a status of its own. Errors:
 * ENOMEM; EFORK; then no outcome is known. */
pinpipe_status pp_s3_many_run(pp_s3_one *all, size_t count, pinpipe_s3 *s3, pinpipe_str bucket,
                              int64_t text_max, int64_t timeout_ms, pinpipe_error *err);

#endif
