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

/* Each byte's value and one, so that 0 is none. */
static const uint8_t digit_values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64};

/* Above 63 for a byte that is none. */
static inline uint32_t digit_value(unsigned char byte) {
    return digit_values[byte] - 1u;
}

/* One or two bytes of a group with padding; 0 = it is none. */
static size_t last_read(char out[2], const unsigned char *at, size_t padding) {
    uint32_t a = digit_value(at[0]);
    uint32_t b = digit_value(at[1]);
    uint32_t c = padding > 1 ? 0 : digit_value(at[2]);
    if ((a | b | c) > 63 || (padding == 2 && (b & 15)) || (padding == 1 && (c & 3))) {
        return 0;
    }
    out[0] = (char)(unsigned char)(a << 2 | b >> 4);
    if (padding < 2) {
        out[1] = (char)(unsigned char)(b << 4 | c >> 2);
    }
    return 3 - padding;
}

size_t pp_base64_blocks_read(char *out, const char *text, size_t len) {
#if BLOCKS
    return len >= 48 && __builtin_cpu_supports("avx2") ? blocks_read(out, text, len) : 0;
#else
    (void)out, (void)text, (void)len;
    return 0;
#endif
}

bool pp_base64_read(char *out, size_t *out_len, const char *text, size_t len) {
    const unsigned char *at = (const unsigned char *)text;
    size_t padding =
        len >= 4 ? (size_t)(text[len - 1] == '=') + (text[len - 1] == '=' && text[len - 2] == '=') : 0;
    *out_len = 0;
    if (len % 4 != 0) {
        return false;
    }
    size_t done = pp_base64_blocks_read(out, text, len), whole = len - (padding ? 4 : 0);
    char *to = out + done / 4 * 3;
    for (at += done; done < whole; done += 4, at += 4) {
        uint32_t a = digit_value(at[0]), b = digit_value(at[1]), c = digit_value(at[2]),
                 d = digit_value(at[3]);
        if ((a | b | c | d) > 63) {
            return false;
        }
        *to++ = (char)(unsigned char)(a << 2 | b >> 4);
        *to++ = (char)(unsigned char)(b << 4 | c >> 2);
        *to++ = (char)(unsigned char)(c << 6 | d);
    }
    if (padding) {
        size_t taken = last_read(to, at, padding);
        if (taken == 0) {
            return false;
        }
        to += taken;
    }
    *out_len = (size_t)(to - out);
    return true;
}
