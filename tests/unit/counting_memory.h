/* Turns the library's requests for memory into counts, and chosen ones of them into failures.
 * Never loses count between threads; only one thread arms it.
 * Rules: pinpipe_library_configure; docs/architecture.md, "Hygiene". */
#ifndef PP_TESTS_COUNTING_MEMORY_H
#define PP_TESTS_COUNTING_MEMORY_H

#include "check.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "pinpipe/library.h"

/** Blocks that are out, requests, and those that failed: number `fail_at`, with all later ones where it
 * `keeps_failing`. */
static struct {
    _Atomic int64_t held, requests, failed;
    int64_t fail_at; /* 0 = never */
    bool keeps_failing;
} memory;

static void *memory_realloc(void *ptr, size_t size, void *user) {
    (void)user;
    int64_t request = atomic_fetch_add(&memory.requests, 1) + 1;
    if (memory.fail_at && (request == memory.fail_at || (memory.keeps_failing && request > memory.fail_at))) {
        atomic_fetch_add(&memory.failed, 1);
        return NULL;
    }
    void *block = realloc(ptr, size);
    atomic_fetch_add(&memory.held, block && !ptr ? 1 : 0);
    return block;
}

static void memory_free(void *ptr, void *user) {
    (void)user;
    atomic_fetch_sub(&memory.held, 1);
    free(ptr);
}

/** To be called before anything else of the library. */
static void memory_watch(void) {
    pinpipe_library_options library = {.struct_size = (uint32_t)sizeof library};
    library.realloc_bytes = memory_realloc;
    library.free_bytes = memory_free;
    CHECK_INT(pinpipe_library_configure(&library, NULL), PINPIPE_OK);
}

#endif
