/* Turns a failure into a negative status plus its one line of text.
 * Never allocates, so that the lack of memory can be reported too.
 * Rules: docs/errors.md; the statuses are the map of pinpipe/status.h. */
#include "base/error.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

typedef struct status_row {
    pinpipe_status value;
    char policy;
    const char *name;
    const char *text;
} status_row;

#define POLICY_NONE ' '
#define POLICY_RETRY 'r'
#define POLICY_FATAL 'f'

static const status_row status_rows[] = {
#define STATUS_ROW(name, value, policy, text) {value, POLICY_##policy, #name, text},
    PINPIPE_STATUS_MAP(STATUS_ROW)
#undef STATUS_ROW
};

static const status_row *status_find(pinpipe_status status) {
    static const status_row unknown = {0, POLICY_NONE, "UNKNOWN", "a status of a newer library"};
    for (size_t i = 0; i < sizeof status_rows / sizeof status_rows[0]; i++) {
        if (status_rows[i].value == status) {
            return &status_rows[i];
        }
    }
    return &unknown;
}

const char *pinpipe_status_name(pinpipe_status status) {
    return status_find(status)->name;
}

const char *pinpipe_status_text(pinpipe_status status) {
    return status_find(status)->text;
}

bool pinpipe_status_retriable(pinpipe_status status) {
    return status_find(status)->policy == POLICY_RETRY;
}

bool pinpipe_status_fatal(pinpipe_status status) {
    return status_find(status)->policy == POLICY_FATAL;
}

/* One line whatever the input was: control bytes of quoted values become '?'. */
static void line_clean(char *text) {
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            *text = '?';
        }
    }
}

static pinpipe_status error_write(pinpipe_error *err, pinpipe_status status, const char *service,
                                  int32_t native_code, const char *format, va_list arguments) {
    assert(status < 0);
    assert(format);
    if (!err || err->struct_size < sizeof *err) {
        return status;
    }
    pinpipe_error fresh = PINPIPE_ERROR_INIT;
    fresh.status = status;
    fresh.native_code = native_code;
    snprintf(fresh.service, sizeof fresh.service, "%s", service);
    vsnprintf(fresh.message, sizeof fresh.message, format, arguments);
    line_clean(fresh.message);
    *err = fresh;
    return status;
}

pinpipe_status pp_fail(pinpipe_error *err, pinpipe_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    error_write(err, status, "", 0, format, arguments);
    va_end(arguments);
    return status;
}

pinpipe_status pp_fail_service(pinpipe_error *err, pinpipe_status status, const char *service,
                               int32_t native_code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    error_write(err, status, service, native_code, format, arguments);
    va_end(arguments);
    return status;
}

pinpipe_status pp_fail_memory(pinpipe_error *err, const char *what, size_t size) {
    return pp_fail(err, PINPIPE_ENOMEM, "no memory for %s (%zu bytes)", what, size);
}

pinpipe_status pp_fail_file(pinpipe_error *err, const char *verb, const char *path) {
    int code = errno;
    char text[96] = "";
#if defined(__GLIBC__) && defined(_GNU_SOURCE)
    snprintf(text, sizeof text, "%s", strerror_r(code, text, sizeof text));
#else
    if (strerror_r(code, text, sizeof text) != 0) {
        snprintf(text, sizeof text, "errno %d", code);
    }
#endif
    pinpipe_status status = code == ENOENT   ? PINPIPE_ENOTFOUND
                            : code == EEXIST ? PINPIPE_ECONFLICT
                                             : PINPIPE_EIO;
    return pp_fail_service(err, status, "", code, "cannot %s '%.200s': %s", verb, path, text);
}

int pp_quote_len(size_t len) {
    return len > PP_QUOTE_MAX ? PP_QUOTE_MAX : (int)len;
}
