/* Turns forks into a number that differs between parent and child.
 * Never does more in a child than count: it may have been forked from any state.
 * Rules: POSIX pthread_atfork. */
#include "io/fork.h"

#include <pthread.h>
#include <stdatomic.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic uint32_t generation;

static void child_count(void) {
    atomic_fetch_add(&generation, 1);
}

static void handler_set(void) {
    if (pthread_atfork(NULL, NULL, child_count) != 0) {
        atomic_store(&generation, 0); /* without memory for it a child goes on as its parent did */
    }
}

uint32_t pp_fork_generation(void) {
    pthread_once(&once, handler_set);
    return atomic_load(&generation);
}
