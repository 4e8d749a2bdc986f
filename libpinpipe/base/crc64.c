/* Turns bytes into CRC-64/NVME: 64 bytes a step by carry-less products, 8 bytes a step by tables elsewhere.
 * Never reads beyond the bytes, and has no table that is filled at run time.
 * Rules: NVM Express NVM Command Set 1.0 §5.2.1.3.4 (polynomial, check value ae8b14860a799888); V. Gopal et
 * al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ" (2009). */
#include "base/checksum.h"

#include <string.h>

#include "base/crc_tables.h"

/* Rows of table k for single bits, bit 0 first. Each constant is the one to its right, multiplied by x; the
 * last of a table follows the first of the table before. */
#define BASIS_0                                                                                              \
    0x7f6ef0c830358979U, 0xfedde190606b12f2U, 0xc962e5739841b68fU, 0xa61cecb46814fe75U, 0x78e0ff3b88be6f81U, \
        0xf1c1fe77117cdf02U, 0xd75adabd7a6e2d6fU, 0x9a6c9329ac4bc9b5U
#define BASIS_1                                                                                              \
    0x8776a97d73bddf69U, 0x3a3474a9bfec2db9U, 0x7468e9537fd85b72U, 0xe8d1d2a6ffb0b6e4U, 0xe57a831ea7f6fea3U, \
        0xfe2c206e177a6e2dU, 0xc881668f76634f31U, 0xa5dbeb4db4510d09U
#define BASIS_2                                                                                              \
    0xff6e4e1f4e4038beU, 0xca05ba6dc417e217U, 0xa0d25288d0b85745U, 0x757d8342f9e73de1U, 0xeafb0685f3ce7bc2U, \
        0xe12f2b58bf0b64efU, 0xf68770e226815ab5U, 0xd9d7c79715952601U
#define BASIS_3                                                                                              \
    0x8211147cbaf96306U, 0x30fb0eaa2d655567U, 0x61f61d545acaaaceU, 0xc3ec3aa8b595559cU, 0xb301530233bd3853U, \
        0x52db80573fede3cdU, 0xa5b700ae7fdbc79aU, 0x7fb7270fa7201c5fU
#define BASIS_4                                                                                              \
    0x373d15f784905d1eU, 0x6e7a2bef0920ba3cU, 0xdcf457de12417478U, 0x8d3189ef7c157b9bU, 0x2eba358da0bd645dU, \
        0x5d746b1b417ac8baU, 0xbae8d63682f59174U, 0x41088a3e5d7cb183U
#define BASIS_5                                                                                              \
    0xe9742a79ef04a5d4U, 0xe63172a0869ed8c3U, 0xf8bbc31255aa22edU, 0xc5aea077f3c3d6b1U, 0xbf8466bcbf103e09U, \
        0x4bd1eb2a26b7ef79U, 0x97a3d6544d6fdef2U, 0x1b9e8afbc2482e8fU
#define BASIS_6                                                                                              \
    0xfc5d27f6bf353971U, 0xcc6369be26fde189U, 0xac1ff52f156c5079U, 0x6ce6cc0d724f3399U, 0xd9cd981ae49e6732U, \
        0x8742166691ab5d0fU, 0x3a5d0a9e7bc12975U, 0x74ba153cf78252eaU
#define BASIS_7                                                                                              \
    0x21e9761e252621acU, 0x43d2ec3c4a4c4358U, 0x87a5d878949886b0U, 0x3b9296a271a69e0bU, 0x77252d44e34d3c16U, \
        0xee4a5a89c69a782cU, 0xe84d9340d5a36333U, 0xe44200d2f3d1550dU

static const uint64_t tables[8][256] = {PP_CRC_TABLE(BASIS_0), PP_CRC_TABLE(BASIS_1), PP_CRC_TABLE(BASIS_2),
                                        PP_CRC_TABLE(BASIS_3), PP_CRC_TABLE(BASIS_4), PP_CRC_TABLE(BASIS_5),
                                        PP_CRC_TABLE(BASIS_6), PP_CRC_TABLE(BASIS_7)};

uint64_t pp_crc64nvme_tables(uint64_t before, const void *bytes, size_t len) {
    return ~pp_crc_tables_run(tables, ~before, bytes, len);
}

#if defined(__x86_64__) && defined(__GNUC__) && !defined(PINPIPE_PLAIN_C)
#include <immintrin.h>

#define LANES ((size_t)4)
#define LANE_BYTES ((size_t)16)
#define STEP_BYTES (LANES * LANE_BYTES)
#define FOLD_MIN_BYTES 256 /* below, the tables are as fast */

/* x^(distance + 63) and x^(distance - 1) modulo the polynomial, bits reversed: what the first and the second
 * half of a lane are multiplied by to stand `distance` bits further on. */
#define FOLD_512_FIRST 0x0c32cdb31e18a84aU
#define FOLD_512_SECOND 0x62242240ace5045aU
#define FOLD_128_FIRST 0xeadc41fd2ba3d420U
#define FOLD_128_SECOND 0x21e9761e252621acU

__attribute__((target("pclmul"))) static inline __m128i fold(__m128i lane, __m128i factors, __m128i bytes) {
    __m128i first = _mm_clmulepi64_si128(lane, factors, 0x00);
    __m128i second = _mm_clmulepi64_si128(lane, factors, 0x11);
    return _mm_xor_si128(_mm_xor_si128(first, second), bytes);
}

static __m128i lane_load(const uint8_t *bytes) {
    return _mm_loadu_si128((const __m128i *)(const void *)bytes);
}

/* `len` is FOLD_MIN_BYTES or more. What is left after folding is congruent to all that came before, so the
 * tables finish it like a message of 16 bytes and the tail. */
__attribute__((target("pclmul"))) static uint64_t fold_run(uint64_t crc, const uint8_t *bytes, size_t len) {
    const __m128i far = _mm_set_epi64x((long long)FOLD_512_SECOND, (long long)FOLD_512_FIRST);
    const __m128i near = _mm_set_epi64x((long long)FOLD_128_SECOND, (long long)FOLD_128_FIRST);
    __m128i lanes[LANES];
    for (size_t i = 0; i < LANES; i++) {
        lanes[i] = lane_load(bytes + LANE_BYTES * i);
    }
    lanes[0] = _mm_xor_si128(lanes[0], _mm_set_epi64x(0, (long long)crc));
    for (bytes += STEP_BYTES, len -= STEP_BYTES; len >= STEP_BYTES; bytes += STEP_BYTES, len -= STEP_BYTES) {
        for (size_t i = 0; i < LANES; i++) {
            lanes[i] = fold(lanes[i], far, lane_load(bytes + LANE_BYTES * i));
        }
    }
    __m128i whole = lanes[0];
    for (size_t i = 1; i < LANES; i++) {
        whole = fold(whole, near, lanes[i]);
    }
    for (; len >= LANE_BYTES; bytes += LANE_BYTES, len -= LANE_BYTES) {
        whole = fold(whole, near, lane_load(bytes));
    }
    uint8_t rest[LANE_BYTES];
    memcpy(rest, &whole, sizeof rest);
    crc = pp_crc_tables_run(tables, 0, rest, sizeof rest);
    return pp_crc_tables_run(tables, crc, bytes, len);
}

uint64_t pp_crc64nvme(uint64_t before, const void *bytes, size_t len) {
    if (len >= FOLD_MIN_BYTES && __builtin_cpu_supports("pclmul")) {
        return ~fold_run(~before, bytes, len);
    }
    return pp_crc64nvme_tables(before, bytes, len);
}
#else
uint64_t pp_crc64nvme(uint64_t before, const void *bytes, size_t len) {
    return pp_crc64nvme_tables(before, bytes, len);
}
#endif
