/* Turns bytes into base64 text, and back.
 * Never allocates; blocks by AVX2 where the machine has it, else group by group.
 * Rules: RFC 4648 §4; blocks as W. Muła and D. Lemire, "Faster Base64 Encoding and Decoding Using AVX2"
 * (2018). */
#include "text/base64.h"

#include <stdint.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(PINPIPE_PLAIN_C)
#define BLOCKS 1
#include <immintrin.h>
#else
#define BLOCKS 0
#endif

#if BLOCKS
#define AVX2 __attribute__((target("avx2")))

static inline AVX2 __m256i twice(__m128i half) {
    return _mm256_broadcastsi128_si256(half);
}

/* Six bits a byte into digits: the range of a value picks what is added to it. */
static inline AVX2 __m256i digits_of(__m256i values) {
    const __m256i shifts =
        twice(_mm_setr_epi8('a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
                            '0' - 52, '0' - 52, '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0));
    __m256i range = _mm256_subs_epu8(values, _mm256_set1_epi8(51));
    __m256i is_upper = _mm256_cmpgt_epi8(_mm256_set1_epi8(26), values);
    range = _mm256_or_si256(range, _mm256_and_si256(is_upper, _mm256_set1_epi8(13)));
    return _mm256_add_epi8(_mm256_shuffle_epi8(shifts, range), values);
}

/* Returns how many bytes it took, a multiple of 24; four bytes beyond each block are read. */
static AVX2 size_t blocks_write(char *out, const char *bytes, size_t len) {
    const __m256i spread = twice(_mm_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10));
    size_t at = 0;
    for (; len - at >= 28; at += 24, out += 32) {
        __m128i low = _mm_loadu_si128((const __m128i *)(const void *)(bytes + at));
        __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(bytes + at + 12));
        __m256i groups = _mm256_shuffle_epi8(_mm256_set_m128i(high, low), spread);
        __m256i odd = _mm256_and_si256(groups, _mm256_set1_epi32(0x0fc0fc00));
        __m256i even = _mm256_and_si256(groups, _mm256_set1_epi32(0x003f03f0));
        odd = _mm256_mulhi_epu16(odd, _mm256_set1_epi32(0x04000040));
        even = _mm256_mullo_epi16(even, _mm256_set1_epi32(0x01000010));
        _mm256_storeu_si256((__m256i *)(void *)out, digits_of(_mm256_or_si256(odd, even)));
    }
    return at;
}

/* Returns how many digits it took, a multiple of 32, up to the first byte that is none. What it stores beyond
 * a block's 24 bytes lies below the digits that are read next, and within the room of the rest. */
static AVX2 size_t blocks_read(char *out, const char *text, size_t len) {
    const __m256i low_bits = twice(_mm_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
                                                 0x13, 0x1a, 0x1b, 0x1b, 0x1b, 0x1a));
    const __m256i high_bits = twice(_mm_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10,
                                                  0x10, 0x10, 0x10, 0x10, 0x10, 0x10));
    const __m256i shifts = twice(_mm_setr_epi8(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0));
    const __m256i order = twice(_mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1));
    const __m256i slash = _mm256_set1_epi8('/'); /* 0x2f: a mask of what the tables ask, too */
    size_t at = 0;
    for (; len - at >= 48; at += 32, out += 24) {
        __m256i block = _mm256_loadu_si256((const __m256i *)(const void *)(text + at));
        __m256i high = _mm256_and_si256(_mm256_srli_epi32(block, 4), slash);
        __m256i low = _mm256_and_si256(block, slash);
        if (!_mm256_testz_si256(_mm256_shuffle_epi8(low_bits, low), _mm256_shuffle_epi8(high_bits, high))) {
            break;
        }
        __m256i shift = _mm256_shuffle_epi8(shifts, _mm256_add_epi8(_mm256_cmpeq_epi8(block, slash), high));
        __m256i values = _mm256_add_epi8(block, shift);
        values = _mm256_maddubs_epi16(values, _mm256_set1_epi32(0x01400140));
        values = _mm256_madd_epi16(values, _mm256_set1_epi32(0x00011000));
        values = _mm256_shuffle_epi8(values, order);
        values = _mm256_permutevar8x32_epi32(values, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7));
        _mm256_storeu_si256((__m256i *)(void *)out, values);
    }
    return at;
}
#endif

void pp_base64_write(char *out, const char *bytes, size_t len) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t done = 0;
#if BLOCKS
    done = len >= 28 && __builtin_cpu_supports("avx2") ? blocks_write(out, bytes, len) : 0;
#endif
    const unsigned char *at = (const unsigned char *)bytes + done;
    out += done / 3 * 4;
    for (len -= done; len >= 3; len -= 3, at += 3) {
        uint32_t group = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
        *out++ = digits[group >> 18];
        *out++ = digits[group >> 12 & 63];
        *out++ = digits[group >> 6 & 63];
        *out++ = digits[group & 63];
    }
    if (len > 0) {
        uint32_t group = (uint32_t)at[0] << 16 | (len > 1 ? (uint32_t)at[1] << 8 : 0);
        *out++ = digits[group >> 18];
        *out++ = digits[group >> 12 & 63];
        *out++ = len > 1 ? digits[group >> 6 & 63] : '=';
        *out++ = '=';
    }
}

/* The digit's value; 64 for a byte that is none. */
static uint32_t digit_value(unsigned char byte) {
    if (byte >= 'A' && byte <= 'Z') {
        return byte - 'A';
    }
    if (byte >= 'a' && byte <= 'z') {
        return byte - 'a' + 26u;
    }
    if (byte >= '0' && byte <= '9') {
        return byte - '0' + 52u;
    }
    return byte == '+' ? 62 : byte == '/' ? 63 : 64;
}

/* Three bytes, or as many as the padding of the last group leaves. */
static size_t group_read(char out[3], const unsigned char *at, size_t padding) {
    uint32_t a = digit_value(at[0]);
    uint32_t b = digit_value(at[1]);
    uint32_t c = padding > 1 ? 0 : digit_value(at[2]);
    uint32_t d = padding > 0 ? 0 : digit_value(at[3]);
    if ((a | b | c | d) > 63 || (padding == 2 && (b & 15)) || (padding == 1 && (c & 3))) {
        return 0;
    }
    uint32_t group = a << 18 | b << 12 | c << 6 | d;
    out[0] = (char)(group >> 16);
    if (padding < 2) {
        out[1] = (char)(group >> 8 & 255);
    }
    if (padding < 1) {
        out[2] = (char)(group & 255);
    }
    return 3 - padding;
}

bool pp_base64_read(char *out, size_t *out_len, const char *text, size_t len) {
    const unsigned char *at = (const unsigned char *)text;
    size_t padding =
        len >= 4 ? (size_t)(text[len - 1] == '=') + (text[len - 1] == '=' && text[len - 2] == '=') : 0;
    size_t done = 0;
    *out_len = 0;
    if (len % 4 != 0) {
        return false;
    }
#if BLOCKS
    done = len >= 48 && __builtin_cpu_supports("avx2") ? blocks_read(out, text, len) : 0;
    *out_len = done / 4 * 3;
#endif
    at += done;
    for (size_t i = done; i < len; i += 4, at += 4) {
        char group[3] = {0};
        size_t taken = group_read(group, at, i + 4 == len ? padding : 0);
        if (taken == 0) {
            return false;
        }
        for (size_t j = 0; j < taken; j++) {
            out[(*out_len)++] = group[j];
        }
    }
    return true;
}
