/* Turns a ListObjectsV2 document into a page.
 * Never looks at an entry before it is whole, nor at a key before it is known how it is written.
 * Rules: Amazon S3 API Reference, ListObjectsV2, with encoding-type=url always. */
#include "s3/page.h"

#if PINPIPE_WITH_S3

#include <assert.h>
#include <string.h>

#include "aws/uri.h"
#include "aws/xml.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "text/time_text.h"

#define CONTENTS "ListBucketResult/Contents"
#define PREFIXES "ListBucketResult/CommonPrefixes"
#define ENTRIES_FIRST 16

/* A page while it is read; the pieces of an entry come in any order, encoding-type after them all. */
typedef struct page_reader {
    pp_s3_page *page;
    int64_t max;
    pp_s3_entry entry;
    bool is_encoded;
} page_reader;

static pinpipe_status bytes_keep(size_t *place, size_t *len, pp_s3_page *page, pinpipe_str text,
                                 pinpipe_error *err) {
    *place = page->bytes.len;
    *len = text.len;
    return pp_buf_append(&page->bytes, text.ptr, text.len, err);
}

static pinpipe_status entry_append(pp_s3_page *page, const pp_s3_entry *entry, pinpipe_error *err) {
    if (page->count == page->cap) {
        int64_t cap = page->cap ? 2 * page->cap : ENTRIES_FIRST;
        pp_s3_entry *grown = pp_realloc(page->entries, (size_t)cap * sizeof *grown);
        if (!grown) {
            return pp_fail_memory(err, "a page", (size_t)cap * sizeof *grown);
        }
        page->entries = grown;
        page->cap = cap;
    }
    page->entries[page->count++] = *entry;
    return PINPIPE_OK;
}

pinpipe_status pp_s3_page_add(pp_s3_page *page, const pinpipe_s3_object *object, pinpipe_error *err) {
    pp_s3_entry entry = {.size_bytes = object->size_bytes, .modified_us = object->modified_us};
    pinpipe_status status = bytes_keep(&entry.key, &entry.key_len, page, object->key, err);
    if (status == PINPIPE_OK) {
        status = bytes_keep(&entry.etag, &entry.etag_len, page, object->etag, err);
    }
    return status == PINPIPE_OK ? entry_append(page, &entry, err) : status;
}

static pp_s3_entry entry_new(void) {
    return (pp_s3_entry){.size_bytes = -1, .modified_us = -1};
}

static pinpipe_status entry_finish(page_reader *reader, bool is_prefix, pinpipe_error *err) {
    pp_s3_page *page = reader->page;
    if (page->count == reader->max) {
        return pp_fail(err, PINPIPE_EDATA, "the page has more than the %lld objects asked for",
                       (long long)reader->max);
    }
    if (!reader->entry.key_len || (!is_prefix && reader->entry.size_bytes < 0)) {
        return pp_fail(err, PINPIPE_EDATA, "object %lld of the page lacks its key or its size",
                       (long long)page->count);
    }
    reader->entry.is_prefix = is_prefix;
    pinpipe_status status = entry_append(page, &reader->entry, err);
    reader->entry = entry_new();
    return status;
}

static pinpipe_status size_take(page_reader *reader, pinpipe_str text, pinpipe_error *err) {
    reader->entry.size_bytes = pp_s3_number_read(text);
    return reader->entry.size_bytes >= 0
               ? PINPIPE_OK
               : pp_fail(err, PINPIPE_EDATA, "size '%.*s' of an object is no number", pp_quote_len(text.len),
                         text.ptr);
}

static pinpipe_status page_element(pinpipe_str path, pinpipe_str text, void *user, pinpipe_error *err) {
    page_reader *reader = user;
    pp_s3_entry *entry = &reader->entry;
    if (pp_str_is(path, CONTENTS "/Key") || pp_str_is(path, PREFIXES "/Prefix")) {
        return bytes_keep(&entry->key, &entry->key_len, reader->page, text, err);
    }
    if (pp_str_is(path, CONTENTS "/ETag")) {
        return bytes_keep(&entry->etag, &entry->etag_len, reader->page, text, err);
    }
    if (pp_str_is(path, CONTENTS "/Size")) {
        return size_take(reader, text, err);
    }
    if (pp_str_is(path, CONTENTS "/LastModified")) {
        entry->modified_us = pp_time_parse(&entry->modified_us, text) ? entry->modified_us : -1;
        return PINPIPE_OK;
    }
    if (pp_str_is(path, CONTENTS) || pp_str_is(path, PREFIXES)) {
        return entry_finish(reader, pp_str_is(path, PREFIXES), err);
    }
    if (pp_str_is(path, "ListBucketResult/NextContinuationToken")) {
        return pp_buf_append(&reader->page->token, text.ptr, text.len, err);
    }
    if (pp_str_is(path, "ListBucketResult/IsTruncated")) {
        reader->page->is_truncated = pp_str_is(text, "true");
    } else if (pp_str_is(path, "ListBucketResult/EncodingType")) {
        reader->is_encoded = pp_str_is(text, "url");
    } else if (pp_str_is(path, "Error")) {
        reader->page->is_refusal = true;
    }
    return PINPIPE_OK;
}

/* Keys get shorter, so they are decoded where they stand. */
static pinpipe_status keys_decode(pp_s3_page *page, pinpipe_error *err) {
    pinpipe_buf key = PINPIPE_BUF_INIT;
    pinpipe_status status = PINPIPE_OK;
    for (int64_t i = 0; status == PINPIPE_OK && i < page->count; i++) {
        pp_s3_entry *entry = &page->entries[i];
        pp_buf_clear(&key);
        status = pp_uri_decode(&key, (pinpipe_str){page->bytes.ptr + entry->key, entry->key_len},
                               PP_PLUS_IS_BLANK, err);
        if (status == PINPIPE_OK) {
            pp_str_copy(page->bytes.ptr + entry->key, pp_buf_view(&key));
            entry->key_len = key.len;
        }
    }
    pinpipe_buf_reset(&key);
    return status;
}

static bool is_before(const pp_s3_page *page, const pp_s3_entry *one, const pp_s3_entry *other) {
    size_t len = one->key_len < other->key_len ? one->key_len : other->key_len;
    int order = memcmp(page->bytes.ptr + one->key, page->bytes.ptr + other->key, len);
    return order < 0 || (order == 0 && one->key_len < other->key_len);
}

/* Objects come in order, and so do prefixes, which the document has behind them. */
static pinpipe_status prefixes_merge(pp_s3_page *page, pinpipe_error *err) {
    int64_t objects = 0, next = 0, at = 0;
    while (objects < page->count && !page->entries[objects].is_prefix) {
        objects++;
    }
    if (objects == 0 || objects == page->count) {
        return PINPIPE_OK;
    }
    pp_s3_entry *merged = pp_alloc((size_t)page->count * sizeof *merged);
    if (!merged) {
        return pp_fail_memory(err, "a page", (size_t)page->count * sizeof *merged);
    }
    for (int64_t prefix = objects; next < objects || prefix < page->count;) {
        bool is_object = prefix == page->count ||
                         (next < objects && is_before(page, &page->entries[next], &page->entries[prefix]));
        merged[at++] = page->entries[is_object ? next++ : prefix++];
    }
    pp_free(page->entries);
    page->entries = merged;
    page->cap = page->count;
    return PINPIPE_OK;
}

pinpipe_status pp_s3_page_read(pp_s3_page *page, pinpipe_str document, int64_t max, pinpipe_error *err) {
    page_reader reader = {.page = page, .max = max, .entry = entry_new()};
    page->count = 0;
    page->is_truncated = page->is_refusal = false;
    pp_buf_clear(&page->bytes);
    pp_buf_clear(&page->token);
    pinpipe_status status = pp_xml_walk(document, page_element, &reader, err);
    if (status == PINPIPE_OK && page->is_truncated && !page->token.len) {
        status = pp_fail(err, PINPIPE_EDATA, "there is more, but the page has no continuation token");
    }
    if (status == PINPIPE_OK && reader.is_encoded) {
        status = keys_decode(page, err);
    }
    if (status == PINPIPE_OK) {
        status = prefixes_merge(page, err);
    }
    page->count = status == PINPIPE_OK && !page->is_refusal ? page->count : 0;
    return status;
}

pinpipe_s3_object pp_s3_page_at(const pp_s3_page *page, int64_t index) {
    assert(index >= 0 && index < page->count);
    const pp_s3_entry *entry = &page->entries[index];
    return (pinpipe_s3_object){.key = {page->bytes.ptr + entry->key, entry->key_len},
                               .etag = {page->bytes.ptr + entry->etag, entry->etag_len},
                               .size_bytes = entry->size_bytes,
                               .modified_us = entry->modified_us};
}

void pp_s3_page_reset(pp_s3_page *page) {
    pp_free(page->entries);
    pinpipe_buf_reset(&page->bytes);
    pinpipe_buf_reset(&page->token);
    *page = (pp_s3_page){.entries = NULL};
}

#endif
