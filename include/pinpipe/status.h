/* Turns every outcome into a status by value and, when it is an error, a line of text in the caller's struct.
 * Never keeps a last error anywhere; never holds a secret.
 * Rules: docs/errors.md; the map below is the only list of statuses. */
#ifndef PINPIPE_STATUS_H
#define PINPIPE_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "export.h"

PINPIPE_BEGIN_DECLS

/** All statuses, a row each: name, value, policy (NONE: the caller decides; RETRY: the same call may succeed
 * later; FATAL: only free is legal now), text. Zero and above are not errors. */
#define PINPIPE_STATUS_MAP(X)                                                                                \
    X(OK, 0, NONE, "done")                                                                                   \
    X(DONE, 1, NONE, "the source has ended")                                                                 \
    X(AGAIN, 2, NONE, "nothing within the time given")                                                       \
    X(PARTIAL, 3, NONE, "done, and some records were rejected")                                              \
    X(EINVAL, -1, NONE, "an argument or an option is not valid")                                             \
    X(ENOMEM, -2, NONE, "memory could not be had")                                                           \
    X(ELIMIT, -3, NONE, "a documented limit was reached")                                                    \
    X(EIO, -4, NONE, "a file could not be read or written")                                                  \
    X(ENET, -5, RETRY, "the peer could not be reached or hung up")                                           \
    X(ETIMEOUT, -6, RETRY, "the deadline passed")                                                            \
    X(EAUTH, -7, NONE, "credentials are missing or were refused")                                            \
    X(ENOTFOUND, -8, NONE, "the named thing does not exist")                                                 \
    X(ECONFLICT, -9, NONE, "the thing exists already or a condition failed")                                 \
    X(ETHROTTLED, -10, RETRY, "the service asked to slow down")                                              \
    X(ESERVICE, -11, RETRY, "the service failed")                                                            \
    X(EREFUSED, -12, NONE, "the service refused the request")                                                \
    X(EDATA, -13, NONE, "the input is not what it was said to be")                                           \
    X(EFORK, -14, FATAL, "the handle belongs to the parent process")                                         \
    X(ENOTSUP, -15, NONE, "this build has no such part")                                                     \
    X(EFATAL, -16, FATAL, "the handle cannot be used any more")

/** What a call returns. */
typedef enum pinpipe_status_code {
#define PINPIPE_STATUS_ENUM(name, value, policy, text) PINPIPE_##name = (value),
    PINPIPE_STATUS_MAP(PINPIPE_STATUS_ENUM)
#undef PINPIPE_STATUS_ENUM
} pinpipe_status_code;

/** One of pinpipe_status_code; a fixed width, so that bindings can rely on it. */
typedef int32_t pinpipe_status;

/** Room for an error's text, with its NUL. */
#define PINPIPE_ERROR_MESSAGE_BYTES 320
/** Room for a service's name, with its NUL. */
#define PINPIPE_ERROR_SERVICE_BYTES 16

/** What went wrong. Owned by the caller, written only when a call returns a negative status. */
typedef struct pinpipe_error {
    uint32_t struct_size;                      /* sizeof(pinpipe_error) of the caller */
    pinpipe_status status;                     /* what the call returned */
    int32_t native_code;                       /* HTTP status, librdkafka code, errno; 0 = none */
    int32_t reserved;                          /* 0 */
    int64_t record_index;                      /* record that caused it, from 0; -1 = none */
    int64_t byte_offset;                       /* byte that caused it, from 0; -1 = none */
    int64_t retry_after_ms;                    /* what the service asked for; -1 = nothing */
    char service[PINPIPE_ERROR_SERVICE_BYTES]; /* "s3", "kafka", …; "" = this library */
    char message[PINPIPE_ERROR_MESSAGE_BYTES]; /* one line, names the datum, no secret */
} pinpipe_error;

#define PINPIPE_ERROR_INIT                                                                                   \
    {                                                                                                        \
        (uint32_t)sizeof(pinpipe_error), 0, 0, 0, -1, -1, -1, {0}, {                                         \
            0                                                                                                \
        }                                                                                                    \
    }

/** Returns the name without prefix, such as "EINVAL"; static text for every int. */
PINPIPE_API const char *pinpipe_status_name(pinpipe_status status);

/** Returns one line on what the status means; static text for every int. */
PINPIPE_API const char *pinpipe_status_text(pinpipe_status status);

/** True where the same call may succeed later without a change. */
PINPIPE_API bool pinpipe_status_retriable(pinpipe_status status);

/** True where only freeing the handle is legal from now on. */
PINPIPE_API bool pinpipe_status_fatal(pinpipe_status status);

PINPIPE_END_DECLS

#endif
