/* Turns keys and bytes into objects, wherever the target's URL points.
 * Never retries: the caller knows what waits behind the object.
 * Rules: docs/sink.md, "Targets". */
#ifndef PP_PIPELINE_OBJECT_STORE_H
#define PP_PIPELINE_OBJECT_STORE_H

#include "base/error.h"
#include "pinpipe/s3.h"
#include "pinpipe/value.h"

typedef struct pp_object_store pp_object_store;

typedef struct pp_object_store_ops {
    pinpipe_status (*put)(pp_object_store *store, pinpipe_str key, pinpipe_str bytes, int64_t timeout_ms,
                          pinpipe_error *err);
    void (*free)(pp_object_store *store);
} pp_object_store_ops;

/** What every store begins with. */
struct pp_object_store {
    const pp_object_store_ops *ops;
};

/** Opens the store of `url` (file:///folder or s3://bucket/prefix) for keys below it. `s3` is borrowed; NULL
 * = a client from the environment. Errors: EINVAL a URL of neither kind; the S3 client's. */
pinpipe_status pp_object_store_open(pp_object_store **out, pinpipe_str url, pinpipe_s3 *s3,
                                    pinpipe_error *err);

/** Stores `bytes` under `key` in place of what is there: whole or not at all. */
pinpipe_status pp_object_store_put(pp_object_store *store, pinpipe_str key, pinpipe_str bytes,
                                   int64_t timeout_ms, pinpipe_error *err);

/** NULL is allowed. */
void pp_object_store_free(pp_object_store *store);

/** The two kinds; `path` is what follows "file://" and "s3://". */
pinpipe_status pp_file_store_open(pp_object_store **out, pinpipe_str path, pinpipe_error *err);
pinpipe_status pp_s3_store_open(pp_object_store **out, pinpipe_str path, pinpipe_s3 *s3, pinpipe_error *err);

#endif
