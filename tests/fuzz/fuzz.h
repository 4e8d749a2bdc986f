/* Turns a fuzz target's expectations into a trap that both libFuzzer and the plain driver report.
 * Never continues after a broken expectation: the input that broke it is the finding.
 * Rules: docs/testing.md, "Fuzz". */
#ifndef PP_TESTS_FUZZ_H
#define PP_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define REQUIRE(condition)                                                                                   \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            __builtin_trap();                                                                                \
        }                                                                                                    \
    } while (0)

/** What libFuzzer calls for each input; the plain driver calls it for each file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** The target of a build that lacks what it looks at. */
#define FUZZ_NOTHING                                                                                         \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {                                           \
        (void)data, (void)size;                                                                              \
        return 0;                                                                                            \
    }

#endif
