/* Turns a function into a thread of the library: named, and deaf to the signals of the program around it.
 * Never fails over a name: a system that has none for threads runs them all the same.
 * Rules: POSIX "Signal Generation and Delivery"; pthread_setname_np(3), at most 15 bytes. */
#include "base/thread.h"

#include <signal.h>

static void name_give(pthread_t thread, const char *name) {
#if defined(__linux__)
    (void)pthread_setname_np(thread, name);
#else
    (void)thread;
    (void)name;
#endif
}

bool pp_thread_start(pthread_t *out, const char *name, void *(*run)(void *), void *subject) {
    sigset_t all, former;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &former);
    bool is_started = pthread_create(out, NULL, run, subject) == 0;
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    if (is_started) {
        name_give(*out, name);
    }
    return is_started;
}
