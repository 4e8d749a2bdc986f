/* Turns many small gets and puts into their outcomes, some of them under way at once.
 * Never puts without a condition: of two writers one must see that the other was faster.
 * Rules: S3 User Guide, "Conditional writes"; docs/s3.md. */
#include "s3/many.h"

#if PINPIPE_WITH_S3

#include <stdio.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "s3/client.h"

typedef struct many_lane {
    pp_s3_job job;
    pinpipe_header headers[2];
    pp_s3_one *one; /* NULL: free */
} many_lane;

static void lane_start(many_lane *lane, pp_s3_one *one, pinpipe_s3 *s3, pinpipe_str bucket, int64_t text_max,
                       int64_t timeout_ms) {
    pp_s3_call call = {.method = "GET",
                       .doing = "get",
                       .name = {bucket, one->key},
                       .query = "",
                       .out = &one->text,
                       .out_max = (size_t)text_max};
    if (one->body.ptr) {
        lane->headers[0] = (pinpipe_header){pp_str("content-type"), pp_str("application/json")};
        lane->headers[1] = one->if_match ? (pinpipe_header){pp_str("if-match"), pp_str(one->if_match)}
                                         : (pinpipe_header){pp_str("if-none-match"), pp_str("*")};
        call.method = "PUT";
        call.doing = "put";
        call.headers = lane->headers;
        call.header_count = 2;
        call.body = one->body;
        call.out_max = PP_S3_XML_MAX;
        call.sse = PP_S3_SSE_WRITE;
        call.is_object = true; /* not `is_conditional`: whoever loses looks whose object won */
    }
    pp_buf_clear(&one->text);
    one->etag[0] = '\0';
    lane->one = one;
    pp_s3_job_start(&lane->job, s3, &call, timeout_ms);
}

static void lane_end(many_lane *lane, pinpipe_s3 *s3) {
    pp_s3_one *one = lane->one;
    one->error = (pinpipe_error)PINPIPE_ERROR_INIT;
    one->status = pp_s3_job_wait(&lane->job, s3, &one->error);
    pinpipe_str etag = pp_http_header(&lane->job.wire.answer, "ETag");
    if (one->status == PINPIPE_OK && etag.len < sizeof one->etag) {
        pp_str_copy(one->etag, etag);
        one->etag[etag.len] = '\0';
    }
    lane->job.state = PP_S3_JOB_IDLE;
    lane->one = NULL;
}

pinpipe_status pp_s3_many_run(pp_s3_one *all, size_t count, pinpipe_s3 *s3, pinpipe_str bucket,
                              int64_t text_max, int64_t timeout_ms, pinpipe_error *err) {
    size_t lane_count = count < PP_S3_MANY_IN_FLIGHT ? count : PP_S3_MANY_IN_FLIGHT;
    size_t next = 0, busy = 0;
    many_lane *lanes = pp_alloc_zero((lane_count ? lane_count : 1) * sizeof *lanes);
    if (!lanes) {
        return pp_fail_memory(err, "requests", lane_count * sizeof *lanes);
    }
    pinpipe_status status = PINPIPE_OK;
    while (status == PINPIPE_OK && (next < count || busy > 0)) {
        bool is_ended = false;
        for (size_t i = 0; i < lane_count; i++) {
            if (lanes[i].one && lanes[i].job.state == PP_S3_JOB_ENDED) {
                lane_end(&lanes[i], s3);
                busy--;
                is_ended = true;
            }
            if (!lanes[i].one && next < count) {
                lane_start(&lanes[i], &all[next++], s3, bucket, text_max, timeout_ms);
                busy++;
                is_ended = is_ended || lanes[i].job.state == PP_S3_JOB_ENDED;
            }
        }
        if (busy > 0 && !is_ended) {
            status = pp_s3_jobs_wait(s3, err);
        }
    }
    for (size_t i = 0; i < lane_count; i++) {
        pp_s3_job_reset(&lanes[i].job, s3);
    }
    pp_free(lanes);
    return status;
}

#endif
