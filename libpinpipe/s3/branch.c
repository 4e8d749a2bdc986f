/* Turns requests for pages below one prefix into a ring of pages.
 * Never asks for a page with the token it has just used: a store that repeats one would never end.
 * Rules: docs/s3.md, "Lists"; Amazon S3 API Reference, ListObjectsV2. */
#include "s3/branch.h"

#if PINPIPE_WITH_S3

#include <assert.h>
#include <string.h>

#include "aws/uri.h"
#include "base/buffer.h"

static pinpipe_status parameter_write(pinpipe_buf *query, const char *name, pinpipe_str value,
                                      pinpipe_error *err) {
    if (!value.len) {
        return PINPIPE_OK;
    }
    pinpipe_status status = pp_buf_printf(query, err, "&%s=", name);
    return status == PINPIPE_OK ? pp_uri_encode(query, value, PP_SLASH_ENCODED, err) : status;
}

static pinpipe_status query_write(pp_s3_branch *branch, const pp_s3_listing *listing, pinpipe_error *err) {
    pinpipe_buf *query = &branch->query;
    pp_buf_clear(query);
    pinpipe_status status = pp_buf_printf(query, err, "list-type=2&encoding-type=url&max-keys=%d%s",
                                          listing->page_max, branch->is_delimited ? "&delimiter=%2F" : "");
    if (status == PINPIPE_OK) {
        status = parameter_write(query, "prefix", pp_buf_view(&branch->prefix), err);
    }
    if (status == PINPIPE_OK && branch->token.len) {
        return parameter_write(query, "continuation-token", pp_buf_view(&branch->token), err);
    }
    return status == PINPIPE_OK
               ? parameter_write(query, "start-after", pp_buf_view(&branch->start_after), err)
               : status;
}

static pp_s3_call list_call(const pp_s3_listing *listing) {
    return (pp_s3_call){
        .method = "GET", .doing = "list", .name = {pp_buf_view(&listing->bucket), {NULL, 0}}, .query = ""};
}

static pinpipe_status page_ask(pp_s3_branch *branch, pp_s3_listing *listing, pinpipe_error *err) {
    pinpipe_status status = query_write(branch, listing, err);
    if (status == PINPIPE_OK) {
        pp_s3_call call = list_call(listing);
        call.query = branch->query.ptr;
        call.out = &branch->document;
        call.out_max = PP_S3_XML_MAX;
        pp_s3_job_start(&branch->job, listing->s3, &call, listing->timeout_ms);
    }
    return status;
}

pinpipe_status pp_s3_branch_read(pp_s3_branch *branch, const pp_s3_listing *listing, pinpipe_str document,
                                 pinpipe_error *err) {
    assert(branch->count < PP_S3_AHEAD_MAX);
    pp_s3_page *page = &branch->ahead[(branch->first + branch->count) % PP_S3_AHEAD_MAX];
    pp_s3_call call = list_call(listing);
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pinpipe_status status = pp_s3_page_read(page, document, listing->page_max, &cause);
    if (status == PINPIPE_OK && page->is_refusal) {
        return pp_s3_fail(err, &call, &branch->job.wire.answer, document);
    }
    if (status == PINPIPE_OK && page->is_truncated &&
        pp_str_equal(pp_buf_view(&page->token), pp_buf_view(&branch->token))) {
        status = pp_fail(&cause, PINPIPE_EDATA, "there is more, but the page repeats its continuation token");
    }
    if (status == PINPIPE_OK) {
        pp_buf_clear(&branch->token);
        status = pp_buf_append(&branch->token, page->token.ptr, page->token.len, &cause);
    }
    if (status < 0) {
        return pp_fail_service(err, status, PP_S3_SERVICE, branch->job.wire.answer.status,
                               "list s3://%.*s: %s", pp_quote_len(listing->bucket.len), listing->bucket.ptr,
                               cause.message);
    }
    branch->is_ended = !page->is_truncated;
    branch->count++;
    return PINPIPE_OK;
}

/* Takes the answer of a request that has ended. */
static pinpipe_status answer_take(pp_s3_branch *branch, pp_s3_listing *listing, pinpipe_error *err) {
    pinpipe_status status = pp_s3_job_wait(&branch->job, listing->s3, err);
    branch->job.state = PP_S3_JOB_IDLE;
    if (status == PINPIPE_OK) {
        status = pp_s3_branch_read(branch, listing, pp_buf_view(&branch->document), err);
    }
    branch->is_failed = status < 0;
    return status;
}

pinpipe_status pp_s3_branch_move(pp_s3_branch *branch, pp_s3_listing *listing, int32_t pages_max,
                                 pp_s3_branch_use use, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK, failed = PINPIPE_OK;
    bool is_wanted = use == PP_S3_BRANCH_WANTED;
    if (branch->job.state == PP_S3_JOB_ENDED) {
        failed = answer_take(branch, listing, is_wanted ? err : NULL);
    }
    bool may_ask = !branch->is_ended && branch->job.state == PP_S3_JOB_IDLE && branch->count < pages_max;
    if (failed == PINPIPE_OK && may_ask && (is_wanted || !branch->is_failed)) {
        status = page_ask(branch, listing, err);
    }
    if (branch->job.state == PP_S3_JOB_ENDED) { /* it could not begin: nobody will tell of it */
        failed = answer_take(branch, listing, is_wanted ? err : NULL);
    }
    return failed < 0 && is_wanted ? failed : status;
}

void pp_s3_branch_take(pp_s3_page *out, pp_s3_branch *branch) {
    assert(branch->count > 0);
    pp_s3_page spare = *out;
    *out = branch->ahead[branch->first];
    branch->ahead[branch->first] = spare;
    branch->first = (branch->first + 1) % PP_S3_AHEAD_MAX;
    branch->count--;
}

void pp_s3_branch_reset(pp_s3_branch *branch, pinpipe_s3 *s3) {
    pp_s3_job_reset(&branch->job, s3);
    pinpipe_buf *const held[] = {&branch->prefix, &branch->start_after, &branch->token, &branch->query,
                                 &branch->document};
    for (size_t i = 0; i < sizeof held / sizeof held[0]; i++) {
        pinpipe_buf_reset(held[i]);
    }
    for (size_t i = 0; i < PP_S3_AHEAD_MAX; i++) {
        pp_s3_page_reset(&branch->ahead[i]);
    }
}

#endif
