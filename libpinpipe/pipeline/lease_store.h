/* Turns keys and short texts into a store in which of any number of writers one succeeds.
 * Never compares clocks of hosts, and never takes a lost answer for a lost race.
 * Rules: docs/stream.md, "Groups"; Amazon S3 User Guide, "Conditional requests". */
#ifndef PP_PIPELINE_LEASE_STORE_H
#define PP_PIPELINE_LEASE_STORE_H

#include <stdbool.h>

#include "base/error.h"
#include "pinpipe/s3.h"
#include "pinpipe/value.h"

/** Longest text. */
#define PP_LEASE_TEXT_MAX 4096

typedef struct pp_lease_store pp_lease_store;

/** Takes one entry; its text has no ptr where it is what this store has told or written last. A negative
 * status ends the walk. */
typedef pinpipe_status (*pp_lease_take)(void *user, pinpipe_str key, pinpipe_str text, pinpipe_error *err);

typedef enum pp_lease_outcome {
    PP_LEASE_LOST = 0, /* the entry is another one: nothing was written, or it is not known */
    PP_LEASE_WON = 1,
} pp_lease_outcome;

/** A text that is to be in place of another. No text is written twice in an entry's life, so that a writer
 * whose answer was lost knows its own. */
typedef struct pp_lease_change {
    pinpipe_str key;
    pinpipe_str expected; /* empty: there must be no entry */
    pinpipe_str text;
    pp_lease_outcome outcome;
} pp_lease_change;

typedef struct pp_lease_store_ops {
    pinpipe_status (*load)(pp_lease_store *store, pp_lease_take take, void *user, int64_t timeout_ms,
                           pinpipe_error *err);
    pinpipe_status (*write)(pp_lease_change *changes, size_t count, pp_lease_store *store, int64_t timeout_ms,
                            pinpipe_error *err);
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

/** The two kinds; `path` is what follows "file://" and "s3://". */
pinpipe_status pp_lease_folder_open(pp_lease_store **out, pinpipe_str path, pinpipe_error *err);
pinpipe_status pp_lease_bucket_open(pp_lease_store **out, pinpipe_str path, const pinpipe_s3 *s3,
                                    pinpipe_error *err);

/** Tells every entry, in no order; one that comes or goes meanwhile may be missing. */
pinpipe_status pp_lease_store_load(pp_lease_store *store, pp_lease_take take, void *user, int64_t timeout_ms,
                                   pinpipe_error *err);

/** Makes and changes entries, as many at once as the store takes, each with an outcome of its own.
 * Errors: those of the first that failed; the others were tried nevertheless. */
pinpipe_status pp_lease_store_write(pp_lease_change *changes, size_t count, pp_lease_store *store,
                                    int64_t timeout_ms, pinpipe_error *err);

/** An entry that is not there is no error. */
pinpipe_status pp_lease_store_remove(pp_lease_store *store, pinpipe_str key, int64_t timeout_ms,
                                     pinpipe_error *err);

/** NULL is allowed. */
void pp_lease_store_free(pp_lease_store *store);

/** The names of entries: `root`, the key, ".json". Errors: EINVAL a key that cannot name one. */
pinpipe_status pp_lease_name_write(pinpipe_buf *out, pinpipe_str root, pinpipe_str key, pinpipe_error *err);
/** The key in a name behind its root; false where it is none. */
bool pp_lease_name_read(pinpipe_str *key, pinpipe_str name);

#endif
