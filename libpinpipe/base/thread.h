/* Turns a function into a thread of the library: named, and deaf to the signals of the program around it.
 * Never ends a thread: whoever starts one joins or detaches it.
 * Rules: POSIX "Signal Generation and Delivery"; pthread_setname_np(3), at most 15 bytes. */
#ifndef PP_BASE_THREAD_H
#define PP_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/** `name` is what debuggers and `top -H` show. False: the system gives no thread, and nothing has begun. */
bool pp_thread_start(pthread_t *out, const char *name, void *(*run)(void *), void *subject);

#endif
