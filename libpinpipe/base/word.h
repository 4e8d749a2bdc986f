/* Turns eight bytes of memory into one word, the first byte lowest, on every machine.
 * Never needs an aligned address.
 * Rules: C11 §6.5: bytes are copied, not looked at through another type. */
#ifndef PP_BASE_WORD_H
#define PP_BASE_WORD_H

#include <stdint.h>
#include <string.h>

static inline uint64_t pp_word_load(const void *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

#endif
