/* Turns requests for memory into calls of the configured allocator.
 * Never aborts: a caller gets NULL and reports ENOMEM.
 * Rules: docs/architecture.md, "Hygiene"; secrets are wiped with pp_wipe before they are freed. */
#ifndef PP_BASE_MEMORY_H
#define PP_BASE_MEMORY_H

#include <stddef.h>

#include "pinpipe/status.h"
#include "pinpipe/value.h"

void *pp_alloc(size_t size);
void *pp_alloc_zero(size_t size);
void *pp_realloc(void *ptr, size_t size);
void pp_free(void *ptr);

/** Copies `text` to a NUL-terminated string of its own; NULL when memory could not be had. */
char *pp_strdup(const char *text);
char *pp_strndup(const char *text, size_t len);

/** Tells the system that so much new memory will be written to soon: large pages then save most of the cost
 * of a first touch. Little memory is left as it is. */
void pp_memory_expect(void *ptr, size_t size);

/** Overwrites bytes in a way that the compiler keeps. */
void pp_wipe(void *ptr, size_t size);

/** Sets the allocator; both or neither. Called by pinpipe_library_configure only. */
void pp_memory_configure(void *(*realloc_bytes)(void *, size_t, void *), void (*free_bytes)(void *, void *),
                         void *user);

#endif
