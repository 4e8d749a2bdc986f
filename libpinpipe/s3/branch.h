/* The keys below one prefix, page after page, some of them ahead of whoever takes them.
 * Never has more than one request under way, nor more pages than PP_S3_AHEAD_MAX.
 * Rules: docs/s3.md, "Lists"; Amazon S3 API Reference, ListObjectsV2. */
#ifndef PP_S3_BRANCH_H
#define PP_S3_BRANCH_H

#include "s3/page.h"

#define PP_S3_AHEAD_MAX 8

/** Starts zeroed, with its names set; stays where it is while a request is under way. */
typedef struct pp_s3_branch {
    pinpipe_buf prefix, start_after, token;
    pinpipe_buf query, document;
    pp_s3_job job;
    pp_s3_page ahead[PP_S3_AHEAD_MAX]; /* a ring */
    int32_t first, count;
    bool is_delimited; /* what is below the next '/' comes as one prefix */
    bool is_ended;     /* there is no page but those ahead */
    bool is_failed;    /* its last request: asked again once it is wanted */
} pp_s3_branch;

/** Whose pages are taken now, and whose are only gathered. */
typedef enum pp_s3_branch_use { PP_S3_BRANCH_AHEAD = 0, PP_S3_BRANCH_WANTED = 1 } pp_s3_branch_use;

/** What all branches of a list share. */
typedef struct pp_s3_listing {
    pinpipe_s3 *s3;
    pinpipe_buf bucket;
    int32_t page_max;
    int64_t timeout_ms;
} pp_s3_listing;

/** Takes what has come and asks for the next page, up to `pages_max` ahead. A failure is the branch's outcome
 * if it is wanted; else it waits until it is. */
pinpipe_status pp_s3_branch_move(pp_s3_branch *branch, pp_s3_listing *listing, int32_t pages_max,
                                 pp_s3_branch_use use, pinpipe_error *err);

/** Moves the oldest page ahead to `out`, whose own is taken in exchange. */
void pp_s3_branch_take(pp_s3_page *out, pp_s3_branch *branch);

/** Makes a document the next page ahead. Errors: EDATA no list; what an <Error> says. */
pinpipe_status pp_s3_branch_read(pp_s3_branch *branch, const pp_s3_listing *listing, pinpipe_str document,
                                 pinpipe_error *err);

/** Gives up what is under way. */
void pp_s3_branch_reset(pp_s3_branch *branch, pinpipe_s3 *s3);

#endif
