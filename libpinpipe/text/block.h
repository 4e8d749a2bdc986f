/* Turns a block of bytes into "where does a JSON string stop" and "is anything in it not ASCII", copying on
 * the way. Never branches on the content; reads and writes whole blocks, so both sides need a block of room.
 * Rules: RFC 8259 §7: a string stops at a quote, a backslash or a control byte. Levels: SSE2, NEON, plain C.
 */
#ifndef PP_TEXT_BLOCK_H
#define PP_TEXT_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/word.h"

#if defined(PINPIPE_PLAIN_C)
#define PP_BLOCK_PLAIN 1
#elif defined(__AVX2__)
#define PP_BLOCK_AVX2 1
#include <immintrin.h>
#elif defined(__SSE2__)
#define PP_BLOCK_SSE2 1
#include <emmintrin.h>
#elif defined(__aarch64__) && defined(__ARM_NEON)
#define PP_BLOCK_NEON 1
#include <arm_neon.h>
#else
#define PP_BLOCK_PLAIN 1
#endif

/* A mask has 1 << PP_BLOCK_SHIFT bits a byte. */
#if defined(PP_BLOCK_AVX2)
#define PP_BLOCK 32
#define PP_BLOCK_SHIFT 0
typedef uint32_t pp_block_mask;
#elif defined(PP_BLOCK_SSE2)
#define PP_BLOCK 16
#define PP_BLOCK_SHIFT 0
typedef uint32_t pp_block_mask;
#elif defined(PP_BLOCK_NEON)
#define PP_BLOCK 16
#define PP_BLOCK_SHIFT 2
typedef uint64_t pp_block_mask;
#else
#define PP_BLOCK 8
#define PP_BLOCK_SHIFT 3
typedef uint64_t pp_block_mask;
#endif

typedef struct pp_block_scan {
    pp_block_mask stop;      /* bytes that stop a string; the lowest one is exact */
    pp_block_mask non_ascii; /* bytes with the high bit */
} pp_block_scan;

/** Bytes before the first that is set; the mask is not zero. */
static inline size_t pp_block_first(pp_block_mask mask) {
    return (size_t)__builtin_ctzll(mask) >> PP_BLOCK_SHIFT;
}

/** Only what stands before the first stop. */
static inline pp_block_mask pp_block_before(pp_block_mask mask, pp_block_mask stop) {
    return mask & ((stop & (~stop + 1)) - 1);
}

#define PP_WORD_ONES 0x0101010101010101u
#define PP_WORD_HIGHS 0x8080808080808080u

/* High bits where a byte of `word` is zero; only the lowest one is exact. */
static inline uint64_t pp_word_zeros(uint64_t word) {
    return (word - PP_WORD_ONES) & ~word & PP_WORD_HIGHS;
}

/** High bits where a byte of `word` stops a string; the lowest one is exact, and zero means none. */
static inline uint64_t pp_word_stops(uint64_t word) {
    uint64_t quote = pp_word_zeros(word ^ PP_WORD_ONES * '"');
    uint64_t backslash = pp_word_zeros(word ^ PP_WORD_ONES * '\\');
    uint64_t control = (word - PP_WORD_ONES * 0x20) & ~word & PP_WORD_HIGHS;
    return quote | backslash | control;
}

#if defined(PP_BLOCK_AVX2)

static inline pp_block_scan pp_block_classify(__m256i block) {
    __m256i quote = _mm256_cmpeq_epi8(block, _mm256_set1_epi8('"'));
    __m256i backslash = _mm256_cmpeq_epi8(block, _mm256_set1_epi8('\\'));
    __m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(block, _mm256_set1_epi8(0x1f)), block);
    __m256i stop = _mm256_or_si256(_mm256_or_si256(quote, backslash), control);
    return (pp_block_scan){(uint32_t)_mm256_movemask_epi8(stop), (uint32_t)_mm256_movemask_epi8(block)};
}

static inline pp_block_scan pp_block_read(const char *from) {
    return pp_block_classify(_mm256_loadu_si256((const __m256i *)(const void *)from));
}

static inline pp_block_scan pp_block_copy(char *to, const char *from) {
    __m256i block = _mm256_loadu_si256((const __m256i *)(const void *)from);
    _mm256_storeu_si256((__m256i *)(void *)to, block);
    return pp_block_classify(block);
}

static inline bool pp_block_equal32(const char *a, const char *b, uint32_t mask) {
    __m256i equal = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(const void *)a),
                                      _mm256_loadu_si256((const __m256i *)(const void *)b));
    return (~(uint32_t)_mm256_movemask_epi8(equal) & mask) == 0;
}

#elif defined(PP_BLOCK_SSE2)

static inline pp_block_scan pp_block_classify(__m128i block) {
    __m128i quote = _mm_cmpeq_epi8(block, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'));
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
    __m128i stop = _mm_or_si128(_mm_or_si128(quote, backslash), control);
    return (pp_block_scan){(uint32_t)_mm_movemask_epi8(stop), (uint32_t)_mm_movemask_epi8(block)};
}

static inline pp_block_scan pp_block_read(const char *from) {
    return pp_block_classify(_mm_loadu_si128((const __m128i *)(const void *)from));
}

static inline pp_block_scan pp_block_copy(char *to, const char *from) {
    __m128i block = _mm_loadu_si128((const __m128i *)(const void *)from);
    _mm_storeu_si128((__m128i *)(void *)to, block);
    return pp_block_classify(block);
}

/** Compares the bytes that `mask` has a bit for, of 32. */
static inline bool pp_block_equal32(const char *a, const char *b, uint32_t mask) {
    __m128i low = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)a),
                                 _mm_loadu_si128((const __m128i *)(const void *)b));
    __m128i high = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)(a + 16)),
                                  _mm_loadu_si128((const __m128i *)(const void *)(b + 16)));
    uint32_t equal = (uint32_t)_mm_movemask_epi8(low) | (uint32_t)_mm_movemask_epi8(high) << 16;
    return (equal & mask) == mask;
}

#elif defined(PP_BLOCK_NEON)

static inline pp_block_mask pp_block_narrow(uint8x16_t bytes) {
    return vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(bytes), 4)), 0);
}

static inline pp_block_scan pp_block_classify(uint8x16_t block) {
    uint8x16_t quote = vceqq_u8(block, vdupq_n_u8('"'));
    uint8x16_t backslash = vceqq_u8(block, vdupq_n_u8('\\'));
    uint8x16_t control = vcltq_u8(block, vdupq_n_u8(0x20));
    uint8x16_t high = vcgeq_u8(block, vdupq_n_u8(0x80));
    return (pp_block_scan){pp_block_narrow(vorrq_u8(vorrq_u8(quote, backslash), control)),
                           pp_block_narrow(high)};
}

static inline pp_block_scan pp_block_read(const char *from) {
    return pp_block_classify(vld1q_u8((const uint8_t *)from));
}

static inline pp_block_scan pp_block_copy(char *to, const char *from) {
    uint8x16_t block = vld1q_u8((const uint8_t *)from);
    vst1q_u8((uint8_t *)to, block);
    return pp_block_classify(block);
}

static inline bool pp_block_equal32(const char *a, const char *b, uint32_t mask) {
    return memcmp(a, b, (size_t)__builtin_popcount(mask)) == 0;
}

#else

static inline pp_block_scan pp_block_classify(uint64_t block) {
    return (pp_block_scan){pp_word_stops(block), block & PP_WORD_HIGHS};
}

static inline pp_block_scan pp_block_read(const char *from) {
    return pp_block_classify(pp_word_load(from));
}

static inline pp_block_scan pp_block_copy(char *to, const char *from) {
    memcpy(to, from, PP_BLOCK);
    return pp_block_classify(pp_word_load(from));
}

static inline bool pp_block_equal32(const char *a, const char *b, uint32_t mask) {
    return memcmp(a, b, (size_t)__builtin_popcount(mask)) == 0;
}

#endif

#endif
