/* Turns a block of bytes into "where must a CSV field be quoted", copying on the way.
 * Never branches on the content; reads and writes whole blocks, so both sides need a block of room.
 * Rules: RFC 4180 §2.6: a comma, a quote or a byte of a line's end is quoted. Levels: those of block.h. */
#ifndef PP_TEXT_BLOCK_CSV_H
#define PP_TEXT_BLOCK_CSV_H

#include "text/block.h"

/** Copies a block; a bit for each byte that needs quotes, the lowest one is exact. */
#if defined(PP_BLOCK_AVX2)

static inline pp_block_mask pp_block_copy_csv(char *to, const char *from) {
    __m256i block = _mm256_loadu_si256((const __m256i *)(const void *)from);
    _mm256_storeu_si256((__m256i *)(void *)to, block);
    __m256i mark = _mm256_or_si256(_mm256_cmpeq_epi8(block, _mm256_set1_epi8(',')),
                                   _mm256_cmpeq_epi8(block, _mm256_set1_epi8('"')));
    __m256i line = _mm256_or_si256(_mm256_cmpeq_epi8(block, _mm256_set1_epi8('\n')),
                                   _mm256_cmpeq_epi8(block, _mm256_set1_epi8('\r')));
    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(mark, line));
}

#elif defined(PP_BLOCK_SSE2)

static inline pp_block_mask pp_block_copy_csv(char *to, const char *from) {
    __m128i block = _mm_loadu_si128((const __m128i *)(const void *)from);
    _mm_storeu_si128((__m128i *)(void *)to, block);
    __m128i mark =
        _mm_or_si128(_mm_cmpeq_epi8(block, _mm_set1_epi8(',')), _mm_cmpeq_epi8(block, _mm_set1_epi8('"')));
    __m128i line =
        _mm_or_si128(_mm_cmpeq_epi8(block, _mm_set1_epi8('\n')), _mm_cmpeq_epi8(block, _mm_set1_epi8('\r')));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(mark, line));
}

#elif defined(PP_BLOCK_NEON)

static inline pp_block_mask pp_block_copy_csv(char *to, const char *from) {
    uint8x16_t block = vld1q_u8((const uint8_t *)from);
    vst1q_u8((uint8_t *)to, block);
    uint8x16_t mark = vorrq_u8(vceqq_u8(block, vdupq_n_u8(',')), vceqq_u8(block, vdupq_n_u8('"')));
    uint8x16_t line = vorrq_u8(vceqq_u8(block, vdupq_n_u8('\n')), vceqq_u8(block, vdupq_n_u8('\r')));
    return pp_block_narrow(vorrq_u8(mark, line));
}

#else

static inline pp_block_mask pp_block_copy_csv(char *to, const char *from) {
    memcpy(to, from, PP_BLOCK);
    uint64_t block = pp_word_load(from);
    return pp_word_zeros(block ^ PP_WORD_ONES * ',') | pp_word_zeros(block ^ PP_WORD_ONES * '"') |
           pp_word_zeros(block ^ PP_WORD_ONES * '\n') | pp_word_zeros(block ^ PP_WORD_ONES * '\r');
}

#endif

#endif
