/* Turns keys and bytes into new objects, wherever the target's URL points.
 * Never replaces an object and never retries: the caller knows what waits behind it.
 * Rules: docs/sink.md, "Targets" and "Exactly once". */
#ifndef PP_PIPELINE_OBJECT_STORE_H
#define PP_PIPELINE_OBJECT_STORE_H

#include <stdbool.h>

#include "base/compress.h"
#include "base/error.h"
#include "pinpipe/s3.h"
#include "pinpipe/value.h"

typedef struct pp_object_store pp_object_store;

/** What is known of an object's lines. */
typedef struct pp_object_facts {
    int64_t last;  /* offset of its last record; -1 = the store does not say */
    int64_t count; /* lines */
    uint32_t crc;  /* CRC-32 of all lines */
    bool has_crc;  /* false for an object that another program wrote */
} pp_object_facts;

/** An object to be. */
typedef struct pp_object {
    pinpipe_str key;
    pp_codec codec;
    const pinpipe_str *pieces;
    size_t piece_count;
    pp_object_facts facts;
} pp_object;

typedef enum pp_object_outcome {
    PP_OBJECT_CREATED = 0,
    PP_OBJECT_EXISTS = 1, /* there was one already, which stays */
} pp_object_outcome;

typedef struct pp_object_store_ops {
    pinpipe_status (*create)(pp_object_outcome *outcome, pp_object_store *store, const pp_object *object,
                             int64_t timeout_ms, pinpipe_error *err);
    pinpipe_status (*find)(pp_object_facts *out, pp_object_store *store, pinpipe_str key, pp_codec codec,
                           int64_t timeout_ms, pinpipe_error *err);
    pinpipe_status (*copy)(pp_object_store **out, const pp_object_store *store, pinpipe_error *err);
    void (*free)(pp_object_store *store);
} pp_object_store_ops;

/** What every store begins with. One thread at a time. */
struct pp_object_store {
    const pp_object_store_ops *ops;
};

/** Opens the store of `url` (file:///folder or s3://bucket/prefix) for keys below it. `s3` is copied; NULL
 * = a client from the environment. Errors: EINVAL a URL of neither kind; the S3 client's. */
pinpipe_status pp_object_store_open(pp_object_store **out, pinpipe_str url, const pinpipe_s3 *s3,
                                    pinpipe_error *err);

/** Makes the object, whole or not at all, unless its key is taken. */
pinpipe_status pp_object_store_create(pp_object_outcome *outcome, pp_object_store *store,
                                      const pp_object *object, int64_t timeout_ms, pinpipe_error *err);

/** Tells what the object at `key` holds. Errors: ENOTFOUND it has gone. */
pinpipe_status pp_object_store_find(pp_object_facts *out, pp_object_store *store, pinpipe_str key,
                                    pp_codec codec, int64_t timeout_ms, pinpipe_error *err);

/** The same place for another thread. */
pinpipe_status pp_object_store_copy(pp_object_store **out, const pp_object_store *store, pinpipe_error *err);

/** NULL is allowed. */
void pp_object_store_free(pp_object_store *store);

/** The two kinds; `path` is what follows "file://" and "s3://". */
pinpipe_status pp_file_store_open(pp_object_store **out, pinpipe_str path, pinpipe_error *err);
pinpipe_status pp_s3_store_open(pp_object_store **out, pinpipe_str path, const pinpipe_s3 *s3,
                                pinpipe_error *err);

/** Counts the lines of an object that is read, and their checksum. */
typedef struct pp_line_count {
    pp_object_facts facts;
    pp_expander *expander;
} pp_line_count;

pinpipe_status pp_line_count_init(pp_line_count *count, pp_codec codec, pinpipe_error *err);
/** Has the type of pp_file_take. */
pinpipe_status pp_line_count_feed(void *count, pinpipe_str bytes, pinpipe_error *err);
/** Ends the count, after a failure too. Errors: EDATA the object ends too early. */
pinpipe_status pp_line_count_end(pp_line_count *count, pinpipe_error *err);

#endif
