/* Turns the bytes of JSON strings into plain text, and text into JSON strings.
 * Never looks at structure outside the quotes.
 * Rules: RFC 8259 §7, RFC 3629. */
#include "text/json_string.h"

#include <assert.h>
#include <string.h>

#include "text/block.h"
#include "text/digits.h"
#include "text/utf8.h"

size_t pp_json_string_span(const char *text, uint32_t *flags) {
    size_t at = 0;
    pp_block_mask high = 0;
    *flags = 0;
    for (;;) {
        pp_block_scan scan = pp_block_read(text + at);
        if (scan.stop == 0) {
            high |= scan.non_ascii;
            at += PP_BLOCK;
            continue;
        }
        high |= pp_block_before(scan.non_ascii, scan.stop);
        at += pp_block_first(scan.stop);
        if (text[at] != '\\') {
            break;
        }
        *flags |= PP_JSON_HAS_ESCAPE;
        if ((unsigned char)text[at + 1] < 0x20) {
            at++;
            break;
        }
        high |= (unsigned char)text[at + 1] & 0x80u;
        at += 2;
    }
    *flags |= high ? PP_JSON_HAS_NON_ASCII : 0;
    return at;
}

size_t pp_json_plain_span(const char *text, size_t len) {
    size_t at = 0;
    for (; len - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t word = pp_word_load(text + at);
        uint64_t found = pp_word_zeros(word ^ PP_WORD_ONES * '"') | pp_word_zeros(word ^ PP_WORD_ONES * '\\');
        if (found) {
            return at + ((size_t)__builtin_ctzll(found) >> 3);
        }
    }
    while (at < len && text[at] != '"' && text[at] != '\\') {
        at++;
    }
    return at;
}

/* Hex digits' values and one, so that 0 is none. */
static const uint8_t hex_digits[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

/* Four hex digits as a number, or -1. */
static int32_t hex_unit(const char *text, const char *end) {
    int32_t value = 0;
    bool is_right = end - text >= 4;
    for (int32_t i = 0; i < 4 && is_right; i++) {
        int32_t digit = hex_digits[(unsigned char)text[i]];
        value = value * 16 + digit - 1;
        is_right = digit > 0;
    }
    return is_right ? value : -1;
}

static char simple_escape(char byte) {
    switch (byte) {
    case '"':
    case '\\':
    case '/':
        return byte;
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return 0;
    }
}

/* Reads \uXXXX or a surrogate pair of them at `text`, which points at the u; returns the bytes taken. */
static size_t unicode_escape(uint32_t *out, const char *text, const char *end,
                             pp_json_string_verdict *verdict) {
    int32_t unit = hex_unit(text + 1, end);
    if (unit < 0) {
        *verdict = PP_JSON_STRING_BAD_ESCAPE;
        return 0;
    }
    *out = (uint32_t)unit;
    if (unit < 0xd800 || unit > 0xdfff) {
        return 5;
    }
    int32_t low =
        unit < 0xdc00 && end - text >= 11 && text[5] == '\\' && text[6] == 'u' ? hex_unit(text + 7, end) : -1;
    if (low < 0xdc00 || low > 0xdfff) {
        *verdict = PP_JSON_STRING_BAD_UTF8;
        return 0;
    }
    *out = 0x10000u + (((uint32_t)unit & 0x3ffu) << 10) + ((uint32_t)low & 0x3ffu);
    return 11;
}

pp_json_string_verdict pp_json_escape_take(char *out, size_t *out_len, const char *text, const char *end,
                                           size_t *taken) {
    pp_json_string_verdict verdict = PP_JSON_STRING_OK;
    char simple = end - text > 1 ? simple_escape(text[1]) : 0;
    if (simple) {
        *out = simple;
        *out_len = 1;
        *taken = 2;
        return verdict;
    }
    if (end - text <= 1 || text[1] != 'u') {
        return PP_JSON_STRING_BAD_ESCAPE;
    }
    uint32_t code_point = 0;
    *taken = 1 + unicode_escape(&code_point, text + 1, end, &verdict);
    if (verdict == PP_JSON_STRING_OK) {
        *out_len = pp_utf8_put(out, code_point);
    }
    return verdict;
}

pp_json_string_verdict pp_json_unescape(char *out, size_t *out_len, const char *text, size_t len) {
    const char *at = text;
    const char *end = text + len;
    char *to = out;
    pp_json_string_verdict verdict = PP_JSON_STRING_OK;
    while (at < end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((escape ? escape : end) - at);
        memmove(to, at, plain);
        to += plain;
        at += plain;
        if (!escape) {
            break;
        }
        size_t written = 0;
        size_t taken = 0;
        verdict = pp_json_escape_take(to, &written, at, end, &taken);
        if (verdict != PP_JSON_STRING_OK) {
            *out_len = (size_t)(at - text);
            return verdict;
        }
        to += written;
        at += taken;
    }
    *out_len = (size_t)(to - out);
    return PP_JSON_STRING_OK;
}

static size_t escape_byte(char *out, unsigned char byte) {
    static const char digits[] = "0123456789abcdef";
    static const char letters[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r',
    };
    out[0] = '\\';
    if (byte >= 0x20) {
        out[1] = (char)byte;
        return 2;
    }
    if (letters[byte]) {
        out[1] = letters[byte];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = digits[byte >> 4];
    out[5] = digits[byte & 15];
    return 6;
}

/* Copies what needs no escape; returns its length. Whole blocks as long as both sides have them. */
static inline size_t plain_copy(char *out, const char *text, size_t len) {
    size_t at = 0;
    while (len - at >= PP_BLOCK) {
        pp_block_scan scan = pp_block_copy(out + at, text + at);
        if (scan.stop) {
            return at + pp_block_first(scan.stop);
        }
        at += PP_BLOCK;
    }
    /* Short texts are the most: eight bytes at a time, and the rest one by one. */
    while (len - at >= sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, text + at, sizeof word);
        if (pp_word_stops(word)) {
            break;
        }
        memcpy(out + at, &word, sizeof word);
        at += sizeof word;
    }
    while (at < len && (unsigned char)text[at] >= 0x20 && text[at] != '"' && text[at] != '\\') {
        out[at] = text[at];
        at++;
    }
    return at;
}

size_t pp_json_escape(char *out, const char *text, size_t len) {
    char *to = out;
    size_t at = 0;
    while (at < len) {
        size_t plain = plain_copy(to, text + at, len - at);
        to += plain;
        at += plain;
        if (at < len) {
            to += escape_byte(to, (unsigned char)text[at++]);
        }
    }
    return (size_t)(to - out);
}
