/* Turns an integer seed into the random numbers that CPython's `random` module draws from it.
 * Never reads a clock or the system's randomness: the same seed gives the same numbers everywhere.
 * Rules: Matsumoto and Nishimura, MT19937 (2002); CPython Lib/random.py (_randbelow),
 * Modules/_randommodule.c. */
#ifndef PP_BASE_MT19937_H
#define PP_BASE_MT19937_H

#include <stdint.h>

#define PP_MT19937_WORDS 624

typedef struct pp_mt19937 {
    uint32_t words[PP_MT19937_WORDS];
    int32_t position;
} pp_mt19937;

/** Seeds as `random.seed(seed)` does for an int: the magnitude's 32-bit words are the key. */
void pp_mt19937_init(pp_mt19937 *generator, int64_t seed);

/** The next 32 random bits. */
uint32_t pp_mt19937_next(pp_mt19937 *generator);

/** An integer from 0 to bound - 1, drawn as `random.randrange(bound)` draws it; `bound` is at least 1. */
int64_t pp_mt19937_below(pp_mt19937 *generator, int64_t bound);

#endif
