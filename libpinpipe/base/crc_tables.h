/* Turns the rows of a CRC's eight single bits into its tables, and bytes into the CRC by them, eight at a
 * time. Never fills a table at run time. Rules: M. Kounavis and F. Berry, "A Systematic Approach to Building
 * High Performance Software-based CRC Generators" (2005): slicing by 8. */
#ifndef PP_BASE_CRC_TABLES_H
#define PP_BASE_CRC_TABLES_H

#include <stddef.h>
#include <stdint.h>

#include "base/word.h"

/* A CRC is linear, so a table's row for a byte is the sum of the rows of its bits. The eight arguments of
 * PP_CRC_TABLE are those rows, bit 0 first. Table k is for a byte that k more bytes follow. */
#define PP_CRC_BIT(n, i, row) (((n) >> (i)&1U) ? (row) : 0)
#define PP_CRC_SUM(n, b0, b1, b2, b3, b4, b5, b6, b7)                                                        \
    (PP_CRC_BIT(n, 0, b0) ^ PP_CRC_BIT(n, 1, b1) ^ PP_CRC_BIT(n, 2, b2) ^ PP_CRC_BIT(n, 3, b3) ^             \
     PP_CRC_BIT(n, 4, b4) ^ PP_CRC_BIT(n, 5, b5) ^ PP_CRC_BIT(n, 6, b6) ^ PP_CRC_BIT(n, 7, b7))
#define PP_CRC_ROWS_1(n, ...) PP_CRC_SUM(n, __VA_ARGS__)
#define PP_CRC_ROWS_4(n, ...)                                                                                \
    PP_CRC_ROWS_1(n, __VA_ARGS__), PP_CRC_ROWS_1((n) + 1U, __VA_ARGS__),                                     \
        PP_CRC_ROWS_1((n) + 2U, __VA_ARGS__), PP_CRC_ROWS_1((n) + 3U, __VA_ARGS__)
#define PP_CRC_ROWS_16(n, ...)                                                                               \
    PP_CRC_ROWS_4(n, __VA_ARGS__), PP_CRC_ROWS_4((n) + 4U, __VA_ARGS__),                                     \
        PP_CRC_ROWS_4((n) + 8U, __VA_ARGS__), PP_CRC_ROWS_4((n) + 12U, __VA_ARGS__)
#define PP_CRC_ROWS_64(n, ...)                                                                               \
    PP_CRC_ROWS_16(n, __VA_ARGS__), PP_CRC_ROWS_16((n) + 16U, __VA_ARGS__),                                  \
        PP_CRC_ROWS_16((n) + 32U, __VA_ARGS__), PP_CRC_ROWS_16((n) + 48U, __VA_ARGS__)
#define PP_CRC_TABLE(...)                                                                                    \
    {                                                                                                        \
        PP_CRC_ROWS_64(0U, __VA_ARGS__), PP_CRC_ROWS_64(64U, __VA_ARGS__),                                   \
            PP_CRC_ROWS_64(128U, __VA_ARGS__), PP_CRC_ROWS_64(192U, __VA_ARGS__)                             \
    }

/* A reflected CRC of up to 64 bits, without the inversions at both ends. */
static inline uint64_t pp_crc_tables_run(const uint64_t tables[8][256], uint64_t crc, const uint8_t *bytes,
                                         size_t len) {
    for (; len >= 8; bytes += 8, len -= 8) {
        crc ^= pp_word_load(bytes);
        uint64_t sum = 0;
        for (size_t i = 0; i < 8; i++) {
            sum ^= tables[7 - i][crc >> (8 * i) & 255];
        }
        crc = sum;
    }
    for (; len; bytes++, len--) {
        crc = tables[0][(crc ^ *bytes) & 255] ^ crc >> 8;
    }
    return crc;
}

#endif
