/* Turns up to eight decimal digits, loaded as one word, into their number.
 * Never branches on the digits; reads eight bytes wherever the digits end.
 * Rules: decoder.md §5.3: leading zeros, points and further digits are the caller's to refuse. */
#ifndef PP_TEXT_DIGITS_H
#define PP_TEXT_DIGITS_H

#include <stdint.h>

#include "base/word.h"

#define PP_DIGITS_MAX 8

/** Eight bytes, of which the digits become their values. */
static inline uint64_t pp_digits_load(const char *text) {
    return pp_word_load(text) ^ 0x3030303030303030u;
}

/** How many of the loaded bytes, from the first on, are digits. */
static inline uint32_t pp_digits_count(uint64_t digits) {
    uint64_t others = (digits | (digits + 0x7676767676767676u)) & 0x8080808080808080u;
    return others ? (uint32_t)__builtin_ctzll(others) >> 3 : PP_DIGITS_MAX;
}

/** The number that the first `count` digits write, 1 to 8 of them. */
static inline uint32_t pp_digits_value(uint64_t digits, uint32_t count) {
    digits <<= 8 * (PP_DIGITS_MAX - count); /* leading zeros */
    digits = digits * 10 + (digits >> 8);   /* pairs in every other byte */
    uint64_t high = (digits & 0x000000ff000000ffu) * (100 + ((uint64_t)1000000 << 32));
    uint64_t low = (digits >> 16 & 0x000000ff000000ffu) * (1 + ((uint64_t)10000 << 32));
    return (uint32_t)((high + low) >> 32);
}

#endif
