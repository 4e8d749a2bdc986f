/* Process-wide settings that are optional and precede the first other call: allocator and log.
 * Never starts a thread, never writes to stdout or stderr.
 * Rules: docs/architecture.md, "Hygiene". */
#ifndef PINPIPE_LIBRARY_H
#define PINPIPE_LIBRARY_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"
#include "value.h"

PINPIPE_BEGIN_DECLS

/** Makes `ptr` a block of `size` bytes, as realloc does. */
typedef void *(*pinpipe_realloc_fn)(void *ptr, size_t size, void *user);
/** Gives such a block back. */
typedef void (*pinpipe_free_fn)(void *ptr, void *user);
/** Takes one line of the log. `level`: 3 error, 4 warning, 6 info, 7 debug, 8 trace (syslog's numbers).
 * `area`: "s3", "kafka", … */
typedef void (*pinpipe_log_fn)(int32_t level, const char *area, const char *message, void *user);

/** Zero in a field means: keep the default. The two allocator functions are set together. */
typedef struct pinpipe_library_options {
    uint32_t struct_size;
    int32_t log_level;                /* messages above it are not made; 0 = 4, warnings */
    pinpipe_realloc_fn realloc_bytes; /* realloc(NULL, n) allocates; may return NULL */
    pinpipe_free_fn free_bytes;       /* gives it back */
    void *allocator_user;             /* what both are called with */
    pinpipe_log_fn log;               /* NULL = nothing is told */
    void *log_user;                   /* what `log` is called with */
} pinpipe_library_options;

#define PINPIPE_LIBRARY_OPTIONS_INIT                                                                         \
    { (uint32_t)sizeof(pinpipe_library_options), 0, NULL, NULL, NULL, NULL, NULL }

/** Sets allocator and log. Legal only before any handle exists; not thread-safe.
 * Errors: EINVAL one of the two allocator functions is missing. */
PINPIPE_API pinpipe_status pinpipe_library_configure(const pinpipe_library_options *options,
                                                     pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Changes the log's level alone, at any time and from any thread; 0 = no line at all. */
PINPIPE_API void pinpipe_library_log_level_set(int32_t level);

/** Writes "name version" lines of this library and of every library linked in, one a line. */
PINPIPE_API pinpipe_status pinpipe_library_versions(pinpipe_buf *out, pinpipe_error *err) PINPIPE_MUST_CHECK;

PINPIPE_END_DECLS

#endif
