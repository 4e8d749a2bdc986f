/* Turns the objects below a URL into batches of decoded records, in the order of their keys.
 * Never holds more than the S3 reader's buffer, and never reads past a full batch.
 * Rules: docs/s3.md, "Many objects"; CONTRACT §2 (URLs). In a build without S3 every call answers ENOTSUP. */
#ifndef PINPIPE_OBJECTS_H
#define PINPIPE_OBJECTS_H

#include "decode.h"
#include "s3.h"
#include "statistics.h"

PINPIPE_BEGIN_DECLS

/** Objects of one bucket on their way into a decoder. One thread at a time. */
typedef struct pinpipe_objects pinpipe_objects;

/** Zero in a field means its default. */
typedef struct pinpipe_objects_options {
    uint32_t struct_size;
    int32_t in_flight;    /* requests at once, 1 to 256; 0 = 32 */
    int64_t buffer_bytes; /* most that is held at once; 0 = 32 MiB */
} pinpipe_objects_options;

#define PINPIPE_OBJECTS_OPTIONS_INIT                                                                         \
    { (uint32_t)sizeof(pinpipe_objects_options), 0, 0 }

/** Opens s3://bucket/prefix/ (all objects below it) or s3://bucket/key (that object, or all below key/); asks
 * nothing yet. `s3` is borrowed until the source is freed; NULL = a client from the environment. `options`
 * NULL = defaults. Errors: EINVAL another URL; those of the client; ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_objects_open(pinpipe_objects **out, pinpipe_str url, pinpipe_s3 *s3,
                                                const pinpipe_objects_options *options,
                                                pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Gives up what is under way; NULL is allowed. */
PINPIPE_API void pinpipe_objects_free(pinpipe_objects *source);

/** Lets `statistics` count the records as they came: every byte also goes through `decoder` into `batch`,
 * which is counted and emptied at once, and the rejects of `report` are let go. What could not be read is the
 * other decoder's to tell. All four are borrowed until the source is freed; called before the first decode.
 * Errors: EINVAL objects have been read. */
PINPIPE_API pinpipe_status pinpipe_objects_watch(pinpipe_objects *source, pinpipe_decoder *decoder,
                                                 pinpipe_batch *batch, pinpipe_report *report,
                                                 pinpipe_statistics *statistics,
                                                 pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Reads objects through `decoder`, each as an input of its own, until `batch` is full (OK: come back with it
 * emptied) or all are read (DONE: its last rows are in the batch). `timeout_ms` is that of each request.
 * Rejects name their object, and the place within it.
 * Errors: those of reader and decoder, with bucket and key; ENOTFOUND there is no object at all. */
PINPIPE_API pinpipe_status pinpipe_objects_decode(pinpipe_objects *source, pinpipe_decoder *decoder,
                                                  pinpipe_batch *batch, pinpipe_report *report,
                                                  int64_t timeout_ms, pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Objects that were read so far. */
PINPIPE_API int64_t pinpipe_objects_count(const pinpipe_objects *source);
/** Bytes of those objects that were read so far. */
PINPIPE_API int64_t pinpipe_objects_bytes_count(const pinpipe_objects *source);

PINPIPE_END_DECLS

#endif
