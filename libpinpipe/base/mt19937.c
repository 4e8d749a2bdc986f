/* Turns an integer seed into the random numbers that CPython's `random` module draws from it.
 * Never keeps state outside the caller's struct.
 * Rules: Matsumoto and Nishimura, MT19937 (2002); CPython Lib/random.py (_randbelow),
 * Modules/_randommodule.c. */
#include "base/mt19937.h"

#include <assert.h>

#define SHIFT_WORDS 397
#define UPPER_BIT UINT32_C(0x80000000)
#define LOWER_BITS UINT32_C(0x7fffffff)
#define TWIST UINT32_C(0x9908b0df)

static void seed_by_word(pp_mt19937 *generator, uint32_t seed) {
    uint32_t *words = generator->words;
    words[0] = seed;
    for (uint32_t i = 1; i < PP_MT19937_WORDS; i++) {
        words[i] = UINT32_C(1812433253) * (words[i - 1] ^ (words[i - 1] >> 30)) + i;
    }
    generator->position = PP_MT19937_WORDS;
}

static void seed_by_array(pp_mt19937 *generator, const uint32_t *key, uint32_t key_len) {
    uint32_t *words = generator->words;
    uint32_t at = 1;
    uint32_t from = 0;
    seed_by_word(generator, UINT32_C(19650218));
    for (uint32_t i = 0; i < PP_MT19937_WORDS; i++) {
        words[at] =
            (words[at] ^ ((words[at - 1] ^ (words[at - 1] >> 30)) * UINT32_C(1664525))) + key[from] + from;
        from = from + 1 < key_len ? from + 1 : 0;
        if (++at == PP_MT19937_WORDS) {
            words[0] = words[PP_MT19937_WORDS - 1];
            at = 1;
        }
    }
    for (uint32_t i = 1; i < PP_MT19937_WORDS; i++) {
        words[at] = (words[at] ^ ((words[at - 1] ^ (words[at - 1] >> 30)) * UINT32_C(1566083941))) - at;
        if (++at == PP_MT19937_WORDS) {
            words[0] = words[PP_MT19937_WORDS - 1];
            at = 1;
        }
    }
    words[0] = UPPER_BIT;
}

void pp_mt19937_init(pp_mt19937 *generator, int64_t seed) {
    uint64_t magnitude = seed < 0 ? UINT64_C(0) - (uint64_t)seed : (uint64_t)seed;
    uint32_t key[2] = {(uint32_t)magnitude, (uint32_t)(magnitude >> 32)};
    seed_by_array(generator, key, key[1] ? 2 : 1);
}

static uint32_t mix(uint32_t upper, uint32_t lower) {
    uint32_t word = (upper & UPPER_BIT) | (lower & LOWER_BITS);
    return (word >> 1) ^ ((word & 1) ? TWIST : 0);
}

static void words_renew(pp_mt19937 *generator) {
    uint32_t *words = generator->words;
    for (uint32_t i = 0; i < PP_MT19937_WORDS; i++) {
        uint32_t next = words[(i + 1) % PP_MT19937_WORDS];
        words[i] = words[(i + SHIFT_WORDS) % PP_MT19937_WORDS] ^ mix(words[i], next);
    }
    generator->position = 0;
}

uint32_t pp_mt19937_next(pp_mt19937 *generator) {
    if (generator->position == PP_MT19937_WORDS) {
        words_renew(generator);
    }
    uint32_t word = generator->words[generator->position++];
    word ^= word >> 11;
    word ^= (word << 7) & UINT32_C(0x9d2c5680);
    word ^= (word << 15) & UINT32_C(0xefc60000);
    return word ^ (word >> 18);
}

/* CPython fills the least significant word first and cuts only the last one. */
static uint64_t random_bits(pp_mt19937 *generator, int bits) {
    if (bits <= 32) {
        return pp_mt19937_next(generator) >> (32 - bits);
    }
    uint64_t low = pp_mt19937_next(generator);
    uint64_t high = pp_mt19937_next(generator) >> (64 - bits);
    return high << 32 | low;
}

int64_t pp_mt19937_below(pp_mt19937 *generator, int64_t bound) {
    assert(bound >= 1);
    int bits = 0;
    for (uint64_t rest = (uint64_t)bound; rest; rest >>= 1) {
        bits++;
    }
    uint64_t drawn = random_bits(generator, bits);
    while (drawn >= (uint64_t)bound) {
        drawn = random_bits(generator, bits);
    }
    return (int64_t)drawn;
}
