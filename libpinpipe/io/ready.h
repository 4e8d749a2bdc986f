/* Turns descriptors into "which of them has something", and an address into a socket that listens.
 * Never reads a byte of a connection: the HTTP library does.
 * Rules: POSIX poll, listen, shutdown; Linux eventfd(2). */
#ifndef PP_IO_READY_H
#define PP_IO_READY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "pinpipe/value.h"

/** A descriptor that other threads, and a library, write to so that a wait ends. Errors: ENOMEM. */
pinpipe_status pp_wake_open(int *out, pinpipe_error *err);
/** Any thread, a signal handler too. */
void pp_wake_put(int wake);
void pp_wake_clear(int wake);

/** Another descriptor of the same; below 0 where the system has no room for it. */
int pp_descriptor_copy(int number);

/** Closes a descriptor; nothing below 0. */
void pp_descriptor_close(int number);

/** Waits until one of `count` descriptors, at most 8, can be read, or the time is over; bit i of `ready` says
 * that the i-th can. False: a signal came first. */
bool pp_ready_wait(uint32_t *ready, const int *descriptors, int count, int64_t timeout_ms);

/** Listens on "host:port", of which port 0 is any free one; several sockets may share an address. `address`
 * gets what it listens on. Errors: EINVAL no such address; ECONFLICT it is in use; EIO. */
pinpipe_status pp_listen_open(int *out, pinpipe_buf *address, pinpipe_str listen, pinpipe_error *err);

/** What can be learned of a connection without reading from it. */
typedef enum pp_connection_view {
    PP_CONNECTION_QUIET, /* there is nothing to read */
    PP_CONNECTION_READABLE,
    PP_CONNECTION_ENDED, /* its peer will send no more, and what it sent was read */
} pp_connection_view;

pp_connection_view pp_connection_look(int number);

/** Ends a connection both ways; who owns it closes it. */
void pp_connection_cut(int number);

#endif
