/* The inside of an upload, shared by its parts, its journal and its end.
 * Never outlives the client.
 * Rules: docs/s3.md, "Uploads". */
#ifndef PP_S3_UPLOAD_H
#define PP_S3_UPLOAD_H

#include "s3/put.h"

/** A part that the store has. */
typedef struct pp_s3_part {
    int64_t size_bytes;          /* -1 = none */
    char etag[PP_S3_ETAG_BYTES]; /* with its quotes */
    char checksum[PP_S3_CHECKSUM_BYTES];
} pp_s3_part;

typedef struct pp_s3_parts {
    pp_s3_part *items; /* part 1 is the first */
    int32_t count, cap;
} pp_s3_parts;

/** One part on its way. */
typedef struct pp_s3_lane {
    pp_s3_job job;
    pinpipe_buf query, body; /* the body is empty where the caller's own bytes are sent */
    int32_t number;          /* of the part; 0 = the lane is free */
} pp_s3_lane;

struct pinpipe_s3_upload {
    pinpipe_s3 *s3;
    pinpipe_buf bucket, key, content_type, if_match;
    pinpipe_buf metadata_text;                        /* names and values, one behind the other */
    pinpipe_header metadata[PINPIPE_S3_METADATA_MAX]; /* into `metadata_text` */
    int64_t metadata_count;
    int32_t flags;
    int64_t part_bytes;
    pinpipe_buf journal; /* path; empty = none */
    pinpipe_buf id;      /* of the multipart upload; empty: not begun */
    pp_s3_parts parts;   /* as they were sent or found */
    pp_s3_parts known;   /* what the store had when an upload went on */
    pp_s3_lane *lanes;
    int32_t part_count;
    int64_t total_bytes;
    pinpipe_buf tail; /* not yet a part */
    bool is_resumed, is_failed, is_ended;
};

pinpipe_s3_name pp_s3_upload_name(const pinpipe_s3_upload *upload);

/** Appends "uploadId=…" with what goes before it. */
pinpipe_status pp_s3_upload_query(pinpipe_buf *out, const pinpipe_s3_upload *upload, const char *before,
                                  pinpipe_error *err);

/** Makes `number` one of `parts`; those in between are none. */
pinpipe_status pp_s3_parts_set(pp_s3_parts *parts, int32_t number, int64_t size_bytes, pinpipe_str etag,
                               pinpipe_error *err);

/** Goes on with the upload that the journal tells of, or begins one. */
pinpipe_status pp_s3_upload_begin(pinpipe_s3_upload *upload, int64_t timeout_ms, pinpipe_error *err);

/** Makes the object of the parts. */
pinpipe_status pp_s3_upload_complete(pinpipe_s3_upload *upload, int64_t timeout_ms, pinpipe_error *err);

/** Aborts a multipart upload; one that is not there is no error. */
pinpipe_status pp_s3_upload_abort(pinpipe_s3 *s3, pinpipe_s3_name name, pinpipe_str id, int64_t timeout_ms,
                                  pinpipe_error *err);

#endif
