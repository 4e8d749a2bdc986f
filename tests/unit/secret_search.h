/* Turns every block that the library frees, and every line that it says, into a search for given secrets.
 * Never looks at memory that is still in use.
 * Rules: docs/credentials.md: secrets are wiped before their memory is freed, and are in no text. */
#ifndef PP_TESTS_SECRET_SEARCH_H
#define PP_TESTS_SECRET_SEARCH_H

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "pinpipe/library.h"
#include "text/base64.h"

#define SECRET_WINDOW 8
#define SECRET_WINDOWS_MAX 65536

static uint64_t secret_windows[SECRET_WINDOWS_MAX];
static size_t secret_window_count;
static unsigned char secret_hashes[65536];
static int64_t secret_bytes_searched, secret_hits, secret_blocks, secret_lines;
static pthread_mutex_t secret_lock = PTHREAD_MUTEX_INITIALIZER;

static inline uint64_t secret_window(const char *bytes) {
    uint64_t window = 0;
    memcpy(&window, bytes, sizeof window);
    return window;
}

static inline unsigned secret_hash(uint64_t window) {
    return (unsigned)((window * UINT64_C(0x9e3779b97f4a7c15)) >> 48);
}

static inline void secret_form_add(const char *text, size_t len) {
    for (size_t i = 0; i + SECRET_WINDOW <= len && secret_window_count < SECRET_WINDOWS_MAX; i++) {
        secret_windows[secret_window_count] = secret_window(text + i);
        secret_hashes[secret_hash(secret_windows[secret_window_count++])] = 1;
    }
}

/** To be found as it is, in base64 at each of the three offsets, and percent-encoded. */
static inline void secret_add(const char *text) {
    static const char digits[] = "0123456789ABCDEF";
    char form[4096];
    size_t len = strlen(text), out = 0;
    secret_form_add(text, len);
    for (size_t offset = 0; offset < 3 && len > offset + 9; offset++) {
        size_t whole = (len - offset) / 3 * 3;
        pp_base64_write(form, text + offset, whole);
        secret_form_add(form, whole / 3 * 4);
    }
    for (size_t i = 0; i < len && out + 4 < sizeof form; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", byte)) {
            form[out++] = (char)byte;
        } else {
            form[out++] = '%';
            form[out++] = digits[byte >> 4];
            form[out++] = digits[byte & 15];
        }
    }
    secret_form_add(form, out);
}

/** Counts the windows of secrets in the bytes. */
static inline int64_t secret_count(const char *bytes, size_t size) {
    int64_t hits = 0;
    for (size_t i = 0; i + SECRET_WINDOW <= size; i++) {
        uint64_t window = secret_window(bytes + i);
        for (size_t k = 0; secret_hashes[secret_hash(window)] && k < secret_window_count; k++) {
            if (secret_windows[k] == window) {
                hits++;
                break;
            }
        }
    }
    return hits;
}

/** Looks through a line that the library or an error said. */
static inline void secret_line(const char *line) {
    pthread_mutex_lock(&secret_lock);
    int64_t hits = secret_count(line, strlen(line));
    if (hits) {
        fprintf(stderr, "a secret is told: %s\n", line);
    }
    secret_hits += hits;
    secret_lines++;
    pthread_mutex_unlock(&secret_lock);
}

/* Its size goes before each block; 16 bytes keep the alignment. */
typedef union secret_head {
    size_t size;
    char padding[16];
} secret_head;

static inline void secret_free(void *ptr, void *user) {
    secret_head *head = (secret_head *)ptr - 1;
    (void)user;
    pthread_mutex_lock(&secret_lock);
    int64_t hits = secret_count(ptr, head->size);
    if (hits && !secret_hits) {
        fprintf(stderr, "a freed block of %zu bytes has %lld windows of secrets: %.200s\n", head->size,
                (long long)hits, (char *)ptr);
    }
    secret_hits += hits;
    secret_bytes_searched += (int64_t)head->size;
    secret_blocks--;
    pthread_mutex_unlock(&secret_lock);
    free(head);
}

static inline void *secret_realloc(void *ptr, size_t size, void *user) {
    secret_head *head = malloc(sizeof *head + size);
    if (!head) {
        return NULL;
    }
    memset(head, 0, sizeof *head + size); /* what others left there is not ours */
    head->size = size;
    pthread_mutex_lock(&secret_lock);
    secret_blocks++;
    pthread_mutex_unlock(&secret_lock);
    if (ptr) {
        size_t former = ((secret_head *)ptr - 1)->size;
        memcpy(head + 1, ptr, former < size ? former : size);
        secret_free(ptr, user);
    }
    return head + 1;
}

static inline void secret_log(int32_t level, const char *area, const char *message, void *user) {
    (void)level, (void)area, (void)user;
    secret_line(message);
}

/** Before any other call of the library. */
static inline void secret_search_begin(void) {
    pinpipe_library_options library = PINPIPE_LIBRARY_OPTIONS_INIT;
    library.realloc_bytes = secret_realloc;
    library.free_bytes = secret_free;
    library.log = secret_log;
    library.log_level = 8;
    CHECK_INT(pinpipe_library_configure(&library, NULL), PINPIPE_OK);
}

/** Before check_report: no secret was found, and one that is planted is. */
static inline void secret_search_end(void) {
    char form[SECRET_WINDOW] = "";
    printf("secrets: %lld windows found in %lld freed bytes and %lld lines, looked for by %zu\n",
           (long long)secret_hits, (long long)secret_bytes_searched, (long long)secret_lines,
           secret_window_count);
    CHECK_INT(secret_hits, 0);
    CHECK(secret_bytes_searched > 0 && secret_window_count > 0);
    memcpy(form, &secret_windows[0], SECRET_WINDOW);
    CHECK_INT(secret_count(form, SECRET_WINDOW), 1);
    CHECK_INT(secret_count("nothing of the kind is in here", 30), 0);
}

#endif
