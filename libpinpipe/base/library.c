/* Turns the caller's wishes into the process-wide allocator and log function.
 * Never starts anything; without a call everything has its default.
 * Rules: docs/architecture.md, "Hygiene". */
#include "pinpipe/library.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "pinpipe/version.h"

static struct {
    _Atomic int32_t level;
    pinpipe_log_fn log;
    void *user;
} logger;

const char *pinpipe_version(void) {
    return PINPIPE_VERSION;
}

pinpipe_status pinpipe_library_configure(const pinpipe_library_options *options, pinpipe_error *err) {
    if (!options || options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "library options lack their struct_size");
    }
    if (!options->realloc_bytes != !options->free_bytes) {
        return pp_fail(err, PINPIPE_EINVAL, "realloc_bytes and free_bytes are set together");
    }
    pp_memory_configure(options->realloc_bytes, options->free_bytes, options->allocator_user);
    pinpipe_library_log_level_set(options->log_level ? options->log_level : PP_LOG_WARNING);
    logger.log = options->log;
    logger.user = options->log_user;
    return PINPIPE_OK;
}

void pinpipe_library_log_level_set(int32_t level) {
    atomic_store_explicit(&logger.level, level, memory_order_relaxed);
}

bool pp_log_wants(int32_t level) {
    return logger.log && level <= atomic_load_explicit(&logger.level, memory_order_relaxed);
}

void pp_log(int32_t level, const char *area, const char *format, ...) {
    if (!pp_log_wants(level)) {
        return;
    }
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    logger.log(level, area, line, logger.user);
}
