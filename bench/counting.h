/* Turns the library's requests for memory into a count.
 * Never adds what several threads ask for: an atomic counter would be a cost that a peer does not have.
 * Rules: docs/performance.md: allocations are counted, not timed. */
#ifndef PINPIPE_BENCH_COUNTING_H
#define PINPIPE_BENCH_COUNTING_H

#include <stdint.h>
#include <stdlib.h>

static _Thread_local int64_t allocations;

static void *counted_realloc(void *ptr, size_t size, void *user) {
    (void)user;
    allocations++;
    return realloc(ptr, size);
}

static void counted_free(void *ptr, void *user) {
    (void)user;
    free(ptr);
}

#endif
