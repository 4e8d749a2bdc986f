/* Turns bytes into a verdict: well-formed UTF-8 or not.
 * Never looks beyond `len`.
 * Rules: RFC 3629, table of well-formed byte sequences. */
#include "text/utf8.h"

#include <assert.h>
#include <string.h>

#include "text/digits.h"

/* Bytes of the sequence that starts at `at`, or 0 when it is not well formed. */
static size_t sequence_len(const unsigned char *at, size_t left) {
    unsigned char lead = at[0];
    size_t len = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (len == 0 || left < len) {
        return 0;
    }
    unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

size_t pp_utf8_span(const char *bytes, size_t len) {
    size_t at = 0;
    while (at < len) {
        if (len - at >= sizeof(uint64_t)) {
            uint64_t high = pp_word_load(bytes + at) & 0x8080808080808080u;
            at += high ? (size_t)__builtin_ctzll(high) >> 3 : sizeof high;
            if (!high) {
                continue;
            }
        }
        if ((unsigned char)bytes[at] < 0x80) {
            at++;
        }
        while (at < len && (unsigned char)bytes[at] >= 0x80) { /* they stand together more often than not */
            size_t sequence = sequence_len((const unsigned char *)bytes + at, len - at);
            if (sequence == 0) {
                return at;
            }
            at += sequence;
        }
    }
    return len;
}

size_t pp_utf8_put(char *out, uint32_t code_point) {
    assert(code_point <= 0x10ffff);
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (char)(0xc0 | code_point >> 6);
        out[1] = (char)(0x80 | (code_point & 0x3f));
        return 2;
    }
    if (code_point < 0x10000) {
        out[0] = (char)(0xe0 | code_point >> 12);
        out[1] = (char)(0x80 | (code_point >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code_point & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code_point >> 18);
    out[1] = (char)(0x80 | (code_point >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code_point >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code_point & 0x3f));
    return 4;
}
