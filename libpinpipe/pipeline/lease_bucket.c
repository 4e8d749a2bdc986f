/* Turns keys and short texts into objects of a bucket that are replaced by condition, many at once.
 * Never reads an object whose ETag it knows, and never takes a lost answer for a lost race: who has lost
 * looks whose text is in place. Rules: docs/stream.md, "Groups"; Amazon S3 User Guide, "Conditional requests"
 * (409: try again; 404 of an If-Match: the object is gone). */
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "io/clock.h"
#include "io/retry.h"
#include "pipeline/lease_store.h"
#include "s3/copy.h"
#include "s3/error.h"
#include "s3/many.h"

#define WAVE 64
#define WAVES_MAX 8
#define SEEN_GROWTH 64

/* What an object was when it was read or written last. */
typedef struct seen_entry {
    char etag[PP_S3_ETAG_BYTES];
    pinpipe_buf name;
} seen_entry;

/* An entry of a wave: what is asked next. */
typedef enum bucket_step { BUCKET_PUT, BUCKET_LOOK, BUCKET_DONE } bucket_step;

typedef struct bucket_work {
    pp_lease_change *change;
    pinpipe_buf name;
    bucket_step step;
    bool is_judged; /* a look followed a put that lost */
} bucket_work;

typedef struct lease_bucket {
    pp_lease_store base;
    pinpipe_s3 *client;
    pinpipe_buf bucket;
    pinpipe_buf root; /* the prefix with its slash */
    seen_entry *seen; /* by name */
    size_t seen_count, seen_cap;
    bucket_work works[WAVE];
    pp_s3_one ones[WAVE];
    pinpipe_error busy; /* the last 409 */
} lease_bucket;

/* ---- what was seen ---- */

static int order_of(pinpipe_str a, pinpipe_str b) {
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Its place, or where it would be. */
static bool seen_find(size_t *at, const lease_bucket *bucket, pinpipe_str name) {
    size_t from = 0, to = bucket->seen_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = order_of(pp_buf_view(&bucket->seen[middle].name), name);
        if (order == 0) {
            *at = middle;
            return true;
        }
        from = order < 0 ? middle + 1 : from;
        to = order < 0 ? to : middle;
    }
    *at = from;
    return false;
}

static const char *seen_etag(const lease_bucket *bucket, pinpipe_str name) {
    size_t at = 0;
    return seen_find(&at, bucket, name) ? bucket->seen[at].etag : "";
}

static void seen_forget(lease_bucket *bucket, pinpipe_str name) {
    size_t at = 0;
    if (seen_find(&at, bucket, name)) {
        pinpipe_buf_reset(&bucket->seen[at].name);
        memmove(bucket->seen + at, bucket->seen + at + 1, (--bucket->seen_count - at) * sizeof *bucket->seen);
    }
}

static pinpipe_status seen_keep(lease_bucket *bucket, pinpipe_str name, const char *etag,
                                pinpipe_error *err) {
    size_t at = 0;
    if (!seen_find(&at, bucket, name)) {
        pinpipe_buf kept = PINPIPE_BUF_INIT;
        if (bucket->seen_count == bucket->seen_cap) {
            size_t cap = bucket->seen_cap + SEEN_GROWTH;
            seen_entry *grown = pp_realloc(bucket->seen, cap * sizeof *grown);
            if (!grown) {
                return pp_fail_memory(err, "leases", cap * sizeof *grown);
            }
            bucket->seen = grown;
            bucket->seen_cap = cap;
        }
        pinpipe_status status = pp_buf_append(&kept, name.ptr, name.len, err);
        if (status < 0) {
            return status;
        }
        memmove(bucket->seen + at + 1, bucket->seen + at, (bucket->seen_count++ - at) * sizeof *bucket->seen);
        bucket->seen[at].name = kept;
    }
    memcpy(bucket->seen[at].etag, etag, strlen(etag) + 1);
    return PINPIPE_OK;
}

/* ---- reading ---- */

static pinpipe_status ones_run(lease_bucket *bucket, size_t count, int64_t timeout_ms, pinpipe_error *err) {
    return pp_s3_many_run(bucket->ones, count, bucket->client, pp_buf_view(&bucket->bucket),
                          PP_LEASE_TEXT_MAX, timeout_ms, err);
}

static pinpipe_str key_of(const lease_bucket *bucket, pinpipe_str name) {
    pinpipe_str key = {0};
    pinpipe_str file = {name.ptr + bucket->root.len, name.len - bucket->root.len};
    return pp_lease_name_read(&key, file) ? key : (pinpipe_str){NULL, 0};
}

/* Reads what of a page has changed; `wanted` of its objects are in `ones`. */
static pinpipe_status changed_take(lease_bucket *bucket, size_t wanted, pp_lease_take take, void *user,
                                   int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = ones_run(bucket, wanted, timeout_ms, err);
    for (size_t i = 0; status == PINPIPE_OK && i < wanted; i++) {
        pp_s3_one *one = &bucket->ones[i];
        if (one->status == PINPIPE_ENOTFOUND) {
            continue; /* removed meanwhile */
        }
        status = one->status;
        if (status < 0 && err && err->struct_size >= sizeof *err) {
            *err = one->error;
        }
        if (status == PINPIPE_OK) {
            status = take(user, key_of(bucket, one->key), pp_buf_view(&one->text), err);
        }
        if (status == PINPIPE_OK) {
            status = seen_keep(bucket, one->key, one->etag, err);
        }
    }
    return status;
}

static pinpipe_status page_take(lease_bucket *bucket, const pinpipe_s3_list *page, pp_lease_take take,
                                void *user, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    size_t wanted = 0;
    for (int64_t i = 0; status == PINPIPE_OK && i < pinpipe_s3_list_count(page); i++) {
        pinpipe_s3_object object = pinpipe_s3_list_at(page, i);
        pinpipe_str key = key_of(bucket, object.key);
        if (key.len == 0) {
            continue;
        }
        if (object.etag.len > 0 && pp_str_is(object.etag, seen_etag(bucket, object.key))) {
            status = take(user, key, (pinpipe_str){NULL, 0}, err);
            continue;
        }
        bucket->ones[wanted].key = object.key;
        bucket->ones[wanted++].body = (pinpipe_str){NULL, 0};
        if (wanted == WAVE) {
            status = changed_take(bucket, wanted, take, user, timeout_ms, err);
            wanted = 0;
        }
    }
    return status == PINPIPE_OK ? changed_take(bucket, wanted, take, user, timeout_ms, err) : status;
}

static pinpipe_status bucket_load(pp_lease_store *store, pp_lease_take take, void *user, int64_t timeout_ms,
                                  pinpipe_error *err) {
    lease_bucket *bucket = (lease_bucket *)store;
    pinpipe_s3_list_options options = PINPIPE_S3_LIST_OPTIONS_INIT;
    pinpipe_s3_list *list = NULL;
    options.bucket = pp_buf_view(&bucket->bucket);
    options.prefix = pp_buf_view(&bucket->root);
    pinpipe_status status = pinpipe_s3_list_new(&list, bucket->client, &options, err);
    while (status == PINPIPE_OK && (status = pinpipe_s3_list_next(list, timeout_ms, err)) == PINPIPE_OK) {
        status = page_take(bucket, list, take, user, timeout_ms, err);
    }
    pinpipe_s3_list_free(list);
    return status == PINPIPE_DONE ? PINPIPE_OK : status;
}

/* ---- writing ---- */

static pinpipe_status work_begin(bucket_work *work, pp_lease_change *change, const lease_bucket *bucket,
                                 pinpipe_error *err) {
    work->change = change;
    work->is_judged = false;
    pinpipe_status status = pp_lease_name_write(&work->name, pp_buf_view(&bucket->root), change->key, err);
    bool is_known = change->expected.len == 0 || seen_etag(bucket, pp_buf_view(&work->name))[0];
    work->step = status < 0 ? BUCKET_DONE : is_known ? BUCKET_PUT : BUCKET_LOOK;
    return status;
}

/* The request of the next step. */
static void work_ask(pp_s3_one *one, const bucket_work *work, const lease_bucket *bucket) {
    pinpipe_str name = pp_buf_view(&work->name);
    one->key = name;
    one->body = work->step == BUCKET_PUT ? work->change->text : (pinpipe_str){NULL, 0};
    one->if_match = work->change->expected.len > 0 ? seen_etag(bucket, name) : NULL;
}

/* What the text in place says: ours, whose answer was lost; what was expected, under another ETag; another's.
 */
static pinpipe_status look_judge(bucket_work *work, const pp_s3_one *one, lease_bucket *bucket,
                                 pinpipe_error *err) {
    pinpipe_str found = pp_buf_view(&one->text);
    bool is_own = pp_str_equal(found, work->change->text);
    bool is_expected = pp_str_equal(found, work->change->expected);
    if (!is_own && !is_expected) {
        seen_forget(bucket, one->key); /* the next load tells it */
        return PINPIPE_OK;
    }
    work->change->outcome = is_own ? PP_LEASE_WON : PP_LEASE_LOST;
    work->step = is_own ? BUCKET_DONE : BUCKET_PUT;
    return seen_keep(bucket, one->key, one->etag, err);
}

/* Sets the next step. */
static pinpipe_status work_judge(bucket_work *work, const pp_s3_one *one, lease_bucket *bucket,
                                 pinpipe_error *err) {
    bool is_put = work->step == BUCKET_PUT;
    bool is_conflict = one->status == PINPIPE_ECONFLICT;
    work->step = BUCKET_DONE;
    if (one->status == PINPIPE_OK && is_put) {
        work->change->outcome = PP_LEASE_WON;
        return seen_keep(bucket, one->key, one->etag, err);
    }
    if (one->status == PINPIPE_OK) {
        return look_judge(work, one, bucket, err);
    }
    if (is_put && is_conflict && one->error.native_code == PP_S3_PRECONDITION_FAILED && !work->is_judged) {
        work->is_judged = true;
        work->step = BUCKET_LOOK;
        return PINPIPE_OK;
    }
    if (one->error.native_code == PP_S3_CONFLICT) {
        work->step = BUCKET_PUT; /* another put was under way */
        bucket->busy = one->error;
        return PINPIPE_AGAIN;
    }
    if (one->status == PINPIPE_ENOTFOUND || is_conflict) {
        seen_forget(bucket, one->key);
        return PINPIPE_OK;
    }
    if (err && err->struct_size >= sizeof *err) {
        *err = one->error;
    }
    return one->status;
}

/* One request of each work that is not done; whether one should pause before its next. */
static pinpipe_status wave_run(bool *is_busy, lease_bucket *bucket, size_t count, int64_t timeout_ms,
                               pinpipe_error *err) {
    bucket_work *asked[WAVE];
    size_t asked_count = 0;
    pinpipe_status first = PINPIPE_OK;
    *is_busy = false;
    for (size_t i = 0; i < count; i++) {
        if (bucket->works[i].step != BUCKET_DONE) {
            work_ask(&bucket->ones[asked_count], &bucket->works[i], bucket);
            asked[asked_count++] = &bucket->works[i];
        }
    }
    pinpipe_status status = asked_count > 0 ? ones_run(bucket, asked_count, timeout_ms, err) : PINPIPE_DONE;
    for (size_t i = 0; status == PINPIPE_OK && i < asked_count; i++) {
        pinpipe_status judged = work_judge(asked[i], &bucket->ones[i], bucket, first < 0 ? NULL : err);
        *is_busy = *is_busy || judged == PINPIPE_AGAIN;
        first = first < 0 || judged >= 0 ? first : judged;
    }
    return first < 0 ? first : status;
}

static pinpipe_status wave_write(pp_lease_change *changes, size_t count, lease_bucket *bucket,
                                 int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status first = PINPIPE_OK, status = PINPIPE_OK;
    bool is_busy = false;
    for (size_t i = 0; i < count; i++) {
        status = work_begin(&bucket->works[i], &changes[i], bucket, first < 0 ? NULL : err);
        first = first < 0 ? first : status;
    }
    for (int32_t wave = 1; wave <= WAVES_MAX && status != PINPIPE_DONE; wave++) {
        if (is_busy) {
            pp_clock_sleep_ms(pp_retry_pause_ms(wave, PINPIPE_ETIMEOUT, pp_retry_random()));
        }
        status = wave_run(&is_busy, bucket, count, timeout_ms, first < 0 ? NULL : err);
        first = first < 0 || status >= 0 ? first : status;
    }
    if (first == PINPIPE_OK && is_busy) {
        first = bucket->busy.status;
        if (err && err->struct_size >= sizeof *err) {
            *err = bucket->busy;
        }
    }
    return first;
}

static pinpipe_status bucket_write(pp_lease_change *changes, size_t count, pp_lease_store *store,
                                   int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status first = PINPIPE_OK;
    for (size_t at = 0; at < count; at += WAVE) {
        size_t some = count - at < WAVE ? count - at : WAVE;
        pinpipe_status status =
            wave_write(changes + at, some, (lease_bucket *)store, timeout_ms, first < 0 ? NULL : err);
        first = first < 0 ? first : status;
    }
    return first;
}

static pinpipe_status bucket_remove(pp_lease_store *store, pinpipe_str key, int64_t timeout_ms,
                                    pinpipe_error *err) {
    lease_bucket *bucket = (lease_bucket *)store;
    pinpipe_buf *name = &bucket->works[0].name;
    pinpipe_status status = pp_lease_name_write(name, pp_buf_view(&bucket->root), key, err);
    if (status < 0) {
        return status;
    }
    pinpipe_s3_name object = {pp_buf_view(&bucket->bucket), pp_buf_view(name)};
    seen_forget(bucket, object.key);
    return pinpipe_s3_object_delete(bucket->client, object, timeout_ms, err);
}

static void bucket_free(pp_lease_store *store) {
    lease_bucket *bucket = (lease_bucket *)store;
    pinpipe_s3_free(bucket->client);
    for (size_t i = 0; i < bucket->seen_count; i++) {
        pinpipe_buf_reset(&bucket->seen[i].name);
    }
    for (size_t i = 0; i < WAVE; i++) {
        pinpipe_buf_reset(&bucket->works[i].name);
        pinpipe_buf_reset(&bucket->ones[i].text);
    }
    pinpipe_buf_reset(&bucket->bucket);
    pinpipe_buf_reset(&bucket->root);
    pp_free(bucket->seen);
    pp_free(bucket);
}

static const pp_lease_store_ops bucket_ops = {bucket_load, bucket_write, bucket_remove, bucket_free};

pinpipe_status pp_lease_bucket_open(pp_lease_store **out, pinpipe_str path, const pinpipe_s3 *s3,
                                    pinpipe_error *err) {
    const char *slash = memchr(path.ptr, '/', path.len);
    size_t bucket_len = slash ? (size_t)(slash - path.ptr) : path.len;
    pinpipe_s3_options options = PINPIPE_S3_OPTIONS_INIT;
    lease_bucket *bucket = pp_alloc_zero(sizeof *bucket);
    *out = NULL;
    if (!bucket) {
        return pp_fail_memory(err, "a lease store", sizeof *bucket);
    }
    bucket->base.ops = &bucket_ops;
    pinpipe_status status = pp_buf_append(&bucket->bucket, path.ptr, bucket_len, err);
    if (status == PINPIPE_OK && slash) {
        status = pp_buf_printf(&bucket->root, err, "%.*s/", (int)(path.len - bucket_len - 1), slash + 1);
    }
    if (status == PINPIPE_OK) {
        status = s3 ? pp_s3_copy(&bucket->client, s3, err) : pinpipe_s3_new(&bucket->client, &options, err);
    }
    if (status < 0) {
        bucket_free(&bucket->base);
        return status;
    }
    *out = &bucket->base;
    return PINPIPE_OK;
}
