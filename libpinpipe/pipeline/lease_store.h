/* Turns keys and short texts into a store in which of any number of writers one succeeds.
 * Never compares clocks of hosts, and never takes a lost answer for a lost race.
 * Rules: docs/stream.md, "Groups"; Amazon S3 User Guide, "Conditional requests". */
#ifndef PP_PIPELINE_LEASE_STORE_H
#define PP_PIPELINE_LEASE_STORE_H

#include "base/error.h"
#include "pinpipe/s3.h"
#include "pinpipe/value.h"

/** Longest text. */
#define PP_LEASE_TEXT_MAX 4096

typedef struct pp_lease_store pp_lease_store;

/** Takes one entry; a negative status ends the walk. */
typedef pinpipe_status (*pp_lease_take)(void *user, pinpipe_str key, pinpipe_str text, pinpipe_error *err);

typedef enum pp_lease_outcome {
    PP_LEASE_WON = 0,
    PP_LEASE_LOST = 1, /* the entry is another one: nothing was written */
} pp_lease_outcome;

typedef struct pp_lease_store_ops {
    pinpipe_status (*load)(pp_lease_store *store, pp_lease_take take, void *user, int64_t timeout_ms,
                           pinpipe_error *err);
    pinpipe_status (*create)(pp_lease_outcome *outcome, pp_lease_store *store, pinpipe_str key,
                             pinpipe_str text, int64_t timeout_ms, pinpipe_error *err);
    pinpipe_status (*swap)(pp_lease_outcome *outcome, pp_lease_store *store, pinpipe_str key,
                           pinpipe_str expected, pinpipe_str text, int64_t timeout_ms, pinpipe_error *err);
    pinpipe_status (*remove)(pp_lease_store *store, pinpipe_str key, int64_t timeout_ms, pinpipe_error *err);
    void (*free)(pp_lease_store *store);
} pp_lease_store_ops;

/** What every store begins with. One thread at a time. */
struct pp_lease_store {
    const pp_lease_store_ops *ops;
};

/** Opens file:///folder or s3://bucket/prefix; `s3` is copied, NULL = a client from the environment. Errors:
 * EINVAL a URL of neither kind; the S3 client's. */
pinpipe_status pp_lease_store_open(pp_lease_store **out, pinpipe_str url, const pinpipe_s3 *s3,
                                   pinpipe_error *err);

/** Tells every entry, in no order; one that comes or goes meanwhile may be missing. */
pinpipe_status pp_lease_store_load(pp_lease_store *store, pp_lease_take take, void *user, int64_t timeout_ms,
                                   pinpipe_error *err);

/** Makes an entry unless there is one. */
pinpipe_status pp_lease_store_create(pp_lease_outcome *outcome, pp_lease_store *store, pinpipe_str key,
                                     pinpipe_str text, int64_t timeout_ms, pinpipe_error *err);

/** Puts `text` in place of an entry that is `expected`. No text is written twice in an entry's life, so that
 * a writer whose answer was lost knows its own. */
pinpipe_status pp_lease_store_swap(pp_lease_outcome *outcome, pp_lease_store *store, pinpipe_str key,
                                   pinpipe_str expected, pinpipe_str text, int64_t timeout_ms,
                                   pinpipe_error *err);

/** An entry that is not there is no error. */
pinpipe_status pp_lease_store_remove(pp_lease_store *store, pinpipe_str key, int64_t timeout_ms,
                                     pinpipe_error *err);

/** NULL is allowed. */
void pp_lease_store_free(pp_lease_store *store);

#endif
