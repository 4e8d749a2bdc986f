/* Turns the caller's wishes into the process-wide allocator and log function.
 * Never starts anything; without a call everything has its default.
 * Rules: docs/architecture.md, "Hygiene". */
#include "pinpipe/library.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "pinpipe/version.h"

static struct {
    int32_t level;
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
    logger.level = options->log_level ? options->log_level : PP_LOG_WARNING;
    logger.log = options->log;
    logger.user = options->log_user;
    return PINPIPE_OK;
}

void pp_log(int32_t level, const char *area, const char *format, ...) {
    if (!logger.log || level > logger.level) {
        return;
    }
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    logger.log(level, area, line, logger.user);
}
