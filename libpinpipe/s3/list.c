/* Turns ListObjectsV2 answers into pages of objects.
 * Never asks for a page with the token it has just used: a store that repeats one would never end.
 * Rules: Amazon S3 API Reference, ListObjectsV2, with encoding-type=url always. */
#include "s3/list.h"

#if PINPIPE_WITH_S3

#include <assert.h>
#include <string.h>

#include "aws/uri.h"
#include "aws/xml.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "text/time_text.h"

#define PAGE_MAX 1000
#define CONTENTS "ListBucketResult/Contents"

/* Places in `bytes`, which may move while a page is read. */
typedef struct list_item {
    size_t key, key_len, etag, etag_len;
    int64_t size_bytes, modified_us;
} list_item;

struct pinpipe_s3_list {
    pinpipe_s3 *s3;
    pinpipe_buf bucket, prefix, start_after;
    int32_t page_max;
    bool ended;
    pinpipe_buf token; /* of the next page */
    pp_s3_job job;     /* asks for it */
    pinpipe_buf query, document;
    list_item *items;
    int64_t count;
    pinpipe_buf bytes; /* keys and ETags of the page */
};

/* One page while it is read; the pieces of an object come in any order, encoding-type after them all. */
typedef struct page_reader {
    pinpipe_s3_list *list;
    list_item item;
    pinpipe_buf token;
    bool truncated, encoded, error;
} page_reader;

pinpipe_status pinpipe_s3_list_new(pinpipe_s3_list **out, pinpipe_s3 *s3,
                                   const pinpipe_s3_list_options *options, pinpipe_error *err) {
    assert(out && s3);
    *out = NULL;
    if (!options || options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "list options lack their struct_size");
    }
    if (options->page_max < 0 || options->page_max > PAGE_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "page_max: %d, not 0 to %d", options->page_max, PAGE_MAX);
    }
    if (options->prefix.len > PP_S3_KEY_MAX || options->start_after.len > PP_S3_KEY_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "prefix or start_after: more than %d bytes", PP_S3_KEY_MAX);
    }
    pinpipe_status status = pp_s3_bucket_check(options->bucket, err);
    if (status < 0) {
        return status;
    }
    pinpipe_s3_list *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "a list", sizeof *made);
    }
    made->s3 = pp_s3_retain(s3);
    made->page_max = options->page_max ? options->page_max : PAGE_MAX;
    made->items = pp_alloc((size_t)made->page_max * sizeof *made->items);
    status = made->items ? PINPIPE_OK
                         : pp_fail_memory(err, "a page", (size_t)made->page_max * sizeof *made->items);
    const struct {
        pinpipe_buf *to;
        pinpipe_str from;
    } copies[] = {{&made->bucket, options->bucket},
                  {&made->prefix, options->prefix},
                  {&made->start_after, options->start_after}};
    for (size_t i = 0; status == PINPIPE_OK && i < sizeof copies / sizeof copies[0]; i++) {
        status = pp_buf_append(copies[i].to, copies[i].from.ptr, copies[i].from.len, err);
    }
    if (status == PINPIPE_OK) {
        *out = made;
        made = NULL;
    }
    pinpipe_s3_list_free(made);
    return status;
}

void pinpipe_s3_list_free(pinpipe_s3_list *list) {
    if (list) {
        pp_s3_job_reset(&list->job, list->s3);
        pinpipe_buf_reset(&list->query);
        pinpipe_buf_reset(&list->document);
        pinpipe_buf_reset(&list->bucket);
        pinpipe_buf_reset(&list->prefix);
        pinpipe_buf_reset(&list->start_after);
        pinpipe_buf_reset(&list->token);
        pinpipe_buf_reset(&list->bytes);
        pp_free(list->items);
        pinpipe_s3_free(list->s3);
        pp_free(list);
    }
}

/* ---- reading a page ---- */

static pinpipe_status bytes_keep(size_t *place, size_t *len, page_reader *page, pinpipe_str text,
                                 pinpipe_error *err) {
    *place = page->list->bytes.len;
    *len = text.len;
    return pp_buf_append(&page->list->bytes, text.ptr, text.len, err);
}

static bool integer_read(int64_t *out, pinpipe_str text) {
    int64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        value = value * 10 + (text.ptr[i] - '0');
    }
    *out = value;
    return text.len >= 1 && text.len <= 18;
}

static pinpipe_status item_finish(page_reader *page, pinpipe_error *err) {
    pinpipe_s3_list *list = page->list;
    if (list->count == list->page_max) {
        return pp_fail(err, PINPIPE_EDATA, "the page has more than the %d objects asked for", list->page_max);
    }
    if (!page->item.key_len || page->item.size_bytes < 0) {
        return pp_fail(err, PINPIPE_EDATA, "object %lld of the page lacks its key or its size",
                       (long long)list->count);
    }
    list->items[list->count++] = page->item;
    page->item = (list_item){.size_bytes = -1, .modified_us = -1};
    return PINPIPE_OK;
}

static pinpipe_status page_element(pinpipe_str path, pinpipe_str text, void *user, pinpipe_error *err) {
    page_reader *page = user;
    list_item *item = &page->item;
    if (pp_str_is(path, CONTENTS "/Key")) {
        return bytes_keep(&item->key, &item->key_len, page, text, err);
    }
    if (pp_str_is(path, CONTENTS "/ETag")) {
        return bytes_keep(&item->etag, &item->etag_len, page, text, err);
    }
    if (pp_str_is(path, CONTENTS "/Size")) {
        return integer_read(&item->size_bytes, text)
                   ? PINPIPE_OK
                   : pp_fail(err, PINPIPE_EDATA, "size '%.*s' of an object is no number",
                             pp_quote_len(text.len), text.ptr);
    }
    if (pp_str_is(path, CONTENTS "/LastModified")) {
        item->modified_us = pp_time_parse(&item->modified_us, text) ? item->modified_us : -1;
        return PINPIPE_OK;
    }
    if (pp_str_is(path, CONTENTS)) {
        return item_finish(page, err);
    }
    if (pp_str_is(path, "ListBucketResult/NextContinuationToken")) {
        return pp_buf_append(&page->token, text.ptr, text.len, err);
    }
    if (pp_str_is(path, "ListBucketResult/IsTruncated")) {
        page->truncated = pp_str_is(text, "true");
    } else if (pp_str_is(path, "ListBucketResult/EncodingType")) {
        page->encoded = pp_str_is(text, "url");
    } else if (pp_str_is(path, "Error")) {
        page->error = true;
    }
    return PINPIPE_OK;
}

/* Keys get shorter, so they are decoded where they stand. */
static pinpipe_status keys_decode(pinpipe_s3_list *list, pinpipe_error *err) {
    pinpipe_buf key = PINPIPE_BUF_INIT;
    pinpipe_status status = PINPIPE_OK;
    for (int64_t i = 0; status == PINPIPE_OK && i < list->count; i++) {
        list_item *item = &list->items[i];
        pp_buf_clear(&key);
        status = pp_uri_decode(&key, (pinpipe_str){list->bytes.ptr + item->key, item->key_len},
                               PP_PLUS_IS_BLANK, err);
        if (status == PINPIPE_OK) {
            pp_str_copy(list->bytes.ptr + item->key, pp_buf_view(&key));
            item->key_len = key.len;
        }
    }
    pinpipe_buf_reset(&key);
    return status;
}

static pinpipe_status page_end(page_reader *page, pinpipe_error *err) {
    pinpipe_s3_list *list = page->list;
    bool same = page->token.len && pp_str_equal(pp_buf_view(&page->token), pp_buf_view(&list->token));
    if (page->truncated && (!page->token.len || same)) {
        return pp_fail(err, PINPIPE_EDATA, "there is more, but the page %s",
                       same ? "repeats its continuation token" : "has no continuation token");
    }
    pinpipe_status status = page->encoded ? keys_decode(list, err) : PINPIPE_OK;
    if (status == PINPIPE_OK) {
        pp_buf_clear(&list->token);
        status = pp_buf_append(&list->token, page->token.ptr, page->token.len, err);
        list->ended = !page->truncated;
    }
    return status;
}

pinpipe_status pp_s3_list_read(pinpipe_s3_list *list, pinpipe_str document, pinpipe_error *err) {
    const pp_s3_call call = {.doing = "list", .name = {pp_buf_view(&list->bucket), {NULL, 0}}};
    page_reader page = {.list = list, .item = {.size_bytes = -1, .modified_us = -1}};
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    list->count = 0;
    pp_buf_clear(&list->bytes);
    pinpipe_status status = pp_xml_walk(document, page_element, &page, &cause);
    if (status == PINPIPE_OK && !page.error) {
        status = page_end(&page, &cause);
    }
    if (status < 0) {
        list->count = 0;
        pp_fail_service(err, status, PP_S3_SERVICE, list->job.wire.answer.status, "list s3://%.*s: %s",
                        pp_quote_len(list->bucket.len), list->bucket.ptr, cause.message);
    } else if (page.error) {
        list->count = 0;
        status = pp_s3_fail(err, &call, &list->job.wire.answer, document);
    }
    pinpipe_buf_reset(&page.token);
    return status;
}

/* ---- asking for a page ---- */

static pinpipe_status parameter_write(pinpipe_buf *query, const char *name, pinpipe_str value,
                                      pinpipe_error *err) {
    if (!value.len) {
        return PINPIPE_OK;
    }
    pinpipe_status status = pp_buf_printf(query, err, "&%s=", name);
    return status == PINPIPE_OK ? pp_uri_encode(query, value, PP_SLASH_ENCODED, err) : status;
}

static pinpipe_status query_write(pinpipe_buf *query, const pinpipe_s3_list *list, pinpipe_error *err) {
    pinpipe_status status =
        pp_buf_printf(query, err, "list-type=2&encoding-type=url&max-keys=%d", list->page_max);
    if (status == PINPIPE_OK) {
        status = parameter_write(query, "prefix", pp_buf_view(&list->prefix), err);
    }
    if (status == PINPIPE_OK && list->token.len) {
        return parameter_write(query, "continuation-token", pp_buf_view(&list->token), err);
    }
    return status == PINPIPE_OK ? parameter_write(query, "start-after", pp_buf_view(&list->start_after), err)
                                : status;
}

pinpipe_status pp_s3_list_start(pinpipe_s3_list *list, int64_t timeout_ms, pinpipe_error *err) {
    if (list->ended || list->job.state != PP_S3_JOB_IDLE) {
        return list->ended ? PINPIPE_DONE : PINPIPE_OK;
    }
    pp_buf_clear(&list->query);
    pinpipe_status status = query_write(&list->query, list, err);
    if (status == PINPIPE_OK) {
        pp_s3_call call = {.method = "GET",
                           .doing = "list",
                           .name = {pp_buf_view(&list->bucket), {NULL, 0}},
                           .query = list->query.ptr,
                           .out = &list->document,
                           .out_max = PP_S3_XML_MAX};
        pp_s3_job_start(&list->job, list->s3, &call, timeout_ms);
    }
    return status;
}

bool pp_s3_list_is_ready(const pinpipe_s3_list *list) {
    return list->job.state == PP_S3_JOB_ENDED;
}

pinpipe_status pinpipe_s3_list_next(pinpipe_s3_list *list, int64_t timeout_ms, pinpipe_error *err) {
    assert(list);
    list->count = 0;
    pinpipe_status status = pp_s3_list_start(list, timeout_ms, err);
    if (status == PINPIPE_OK) {
        status = pp_s3_job_wait(&list->job, list->s3, err);
        list->job.state = PP_S3_JOB_IDLE;
        if (status == PINPIPE_OK) {
            status = pp_s3_list_read(list, pp_buf_view(&list->document), err);
        }
    }
    return status;
}

int64_t pinpipe_s3_list_count(const pinpipe_s3_list *list) {
    return list->count;
}

pinpipe_s3_object pinpipe_s3_list_at(const pinpipe_s3_list *list, int64_t index) {
    assert(index >= 0 && index < list->count);
    const list_item *item = &list->items[index];
    return (pinpipe_s3_object){.key = {list->bytes.ptr + item->key, item->key_len},
                               .etag = {list->bytes.ptr + item->etag, item->etag_len},
                               .size_bytes = item->size_bytes,
                               .modified_us = item->modified_us};
}

#endif
