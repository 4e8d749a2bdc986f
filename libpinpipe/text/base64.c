/* Turns bytes into base64 text, and back.
 * Never allocates.
 * Rules: RFC 4648 §4. */
#include "text/base64.h"

#include <stdint.h>

void pp_base64_write(char *out, const char *bytes, size_t len) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *at = (const unsigned char *)bytes;
    for (; len >= 3; len -= 3, at += 3) {
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
    *out_len = 0;
    if (len % 4 != 0) {
        return false;
    }
    for (size_t i = 0; i < len; i += 4, at += 4) {
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
