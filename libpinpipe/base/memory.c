/* Turns requests for memory into calls of the configured allocator.
 * Never aborts and never keeps count: a test's own allocator does that.
 * Rules: docs/architecture.md, "Hygiene". */
#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <openssl/crypto.h>

static struct {
    void *(*realloc_bytes)(void *, size_t, void *);
    void (*free_bytes)(void *, void *);
    void *user;
} allocator;

void pp_memory_configure(void *(*realloc_bytes)(void *, size_t, void *), void (*free_bytes)(void *, void *),
                         void *user) {
    assert(!realloc_bytes == !free_bytes);
    allocator.realloc_bytes = realloc_bytes;
    allocator.free_bytes = free_bytes;
    allocator.user = user;
}

void *pp_realloc(void *ptr, size_t size) {
    assert(size > 0);
    return allocator.realloc_bytes ? allocator.realloc_bytes(ptr, size, allocator.user) : realloc(ptr, size);
}

void *pp_alloc(size_t size) {
    return pp_realloc(NULL, size ? size : 1);
}

void *pp_alloc_zero(size_t size) {
    void *ptr = pp_alloc(size);
    if (ptr) {
        memset(ptr, 0, size);
    }
    return ptr;
}

void pp_free(void *ptr) {
    if (!ptr) {
        return;
    }
    if (allocator.free_bytes) {
        allocator.free_bytes(ptr, allocator.user);
    } else {
        free(ptr);
    }
}

char *pp_strndup(const char *text, size_t len) {
    char *copy = pp_alloc(len + 1);
    if (copy) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

char *pp_strdup(const char *text) {
    return pp_strndup(text, strlen(text));
}

void pp_wipe(void *ptr, size_t size) {
    if (ptr && size) {
        OPENSSL_cleanse(ptr, size);
    }
}

#define LARGE_PAGE ((uintptr_t)2 << 20)

void pp_memory_expect(void *ptr, size_t size) {
    uintptr_t begin = ((uintptr_t)ptr + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);
    uintptr_t end = ((uintptr_t)ptr + size) & ~(LARGE_PAGE - 1);
#ifdef MADV_HUGEPAGE
    if (end > begin) {
        (void)madvise((void *)begin, end - begin, MADV_HUGEPAGE); /* a wish: without it all is only slower */
    }
#endif
}
