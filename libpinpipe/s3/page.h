/* A page of ListObjectsV2: objects, and the common prefixes that stand for many, in the order of their bytes.
 * Never keeps a page that counts what it has not.
 * Rules: Amazon S3 API Reference, ListObjectsV2, with encoding-type=url always. */
#ifndef PP_S3_PAGE_H
#define PP_S3_PAGE_H

#include "s3/client.h"

/** An object, or a prefix of many keys. Its texts are places in the page's bytes. */
typedef struct pp_s3_entry {
    size_t key, key_len, etag, etag_len;
    int64_t size_bytes, modified_us;
    bool is_prefix;
} pp_s3_entry;

/** Starts zeroed. */
typedef struct pp_s3_page {
    pp_s3_entry *entries;
    int64_t count, cap;
    pinpipe_buf bytes;
    pinpipe_buf token; /* of the page behind it */
    bool is_truncated; /* there is one */
    bool is_refusal;   /* the document was an <Error> */
} pp_s3_page;

/** Replaces the page by that of a document with at most `max` entries. Errors: EDATA no list; ENOMEM. */
pinpipe_status pp_s3_page_read(pp_s3_page *page, pinpipe_str document, int64_t max, pinpipe_error *err);

/** Makes room for one more entry and appends it. Its texts are the caller's. */
pinpipe_status pp_s3_page_add(pp_s3_page *page, const pinpipe_s3_object *object, pinpipe_error *err);

/** `index` is from 0 and below the count; borrowed from the page. */
pinpipe_s3_object pp_s3_page_at(const pp_s3_page *page, int64_t index);

void pp_s3_page_reset(pp_s3_page *page);

#endif
