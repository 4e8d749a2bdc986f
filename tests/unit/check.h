/* Turns the checks of one C test program into a count and an exit status.
 * Never stops at the first failure: every failed check prints its place.
 * Rules: tests/README.md. */
#ifndef PP_TESTS_CHECK_H
#define PP_TESTS_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int64_t check_passed;
static int64_t check_failed;

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (condition) {                                                                                     \
            check_passed++;                                                                                  \
        } else {                                                                                             \
            check_failed++;                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
        }                                                                                                    \
    } while (0)

#define CHECK_INT(actual, expected)                                                                          \
    do {                                                                                                     \
        long long check_a = (long long)(actual), check_e = (long long)(expected);                            \
        if (check_a == check_e) {                                                                            \
            check_passed++;                                                                                  \
        } else {                                                                                             \
            check_failed++;                                                                                  \
            fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #actual, check_a, check_e); \
        }                                                                                                    \
    } while (0)

/** Compares `len` bytes at `actual` with the C string `expected`. */
#define CHECK_TEXT(actual, actual_len, expected)                                                             \
    do {                                                                                                     \
        const char *check_a = (actual), *check_e = (expected);                                               \
        size_t check_n = (actual_len);                                                                       \
        if (check_n == strlen(check_e) && (check_n == 0 || memcmp(check_a, check_e, check_n) == 0)) {        \
            check_passed++;                                                                                  \
        } else {                                                                                             \
            check_failed++;                                                                                  \
            fprintf(stderr, "%s:%d: %s is '%.*s', not '%s'\n", __FILE__, __LINE__, #actual, (int)check_n,    \
                    check_a ? check_a : "", check_e);                                                        \
        }                                                                                                    \
    } while (0)

/** Last statement of main. */
static inline int check_report(void) {
    printf("%lld passed, %lld failed\n", (long long)check_passed, (long long)check_failed);
    return check_failed ? 1 : 0;
}

#endif
