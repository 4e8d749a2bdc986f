/* Turns heads of CBOR items into bytes, and bytes into a walk over the items.
 * Never trusts a length: what it announces must be there.
 * Rules: RFC 8949 §3, §4.2.1, appendix D for half floats. */
#include "text/cbor.h"

#include <math.h>
#include <string.h>

#include "text/utf8.h"

#define BREAK 0xff

static bool fail(pp_cbor_walk *walk, const char *fault) {
    walk->fault = fault;
    return false;
}

size_t pp_cbor_head_write(char *out, pp_cbor_major major, uint64_t value) {
    unsigned first = (unsigned)major << 5;
    if (value < 24) {
        out[0] = (char)(first | (unsigned)value);
        return 1;
    }
    unsigned power = value <= 0xff ? 0 : value <= 0xffff ? 1 : value <= 0xffffffffu ? 2 : 3;
    size_t size = (size_t)1 << power;
    out[0] = (char)(first | (24 + power));
    for (size_t i = 0; i < size; i++) {
        out[1 + i] = (char)(unsigned char)(value >> (8 * (size - 1 - i)));
    }
    return 1 + size;
}

bool pp_cbor_head_read(pp_cbor_walk *walk, pp_cbor_head *head) {
    do {
        if (walk->at >= walk->end) {
            return fail(walk, "the item ends early");
        }
        unsigned first = (unsigned char)*walk->at;
        unsigned rest = first & 31;
        *head = (pp_cbor_head){.major = (pp_cbor_major)(first >> 5), .value = rest};
        head->is_indefinite = rest == 31 && (head->major == PP_CBOR_ARRAY || head->major == PP_CBOR_MAP);
        head->size = rest >= 24 && rest <= 27 ? 1u << (rest - 24) : 0;
        if (rest > 27 && !head->is_indefinite) {
            return fail(walk, "a length that is not told");
        }
        if ((size_t)(walk->end - walk->at) <= head->size) {
            return fail(walk, "the item ends early");
        }
        walk->at++;
        head->value = head->size ? 0 : head->value;
        for (uint32_t i = 0; i < head->size; i++) {
            head->value = head->value << 8 | (unsigned char)*walk->at++;
        }
    } while (head->major == PP_CBOR_TAG);
    return true;
}

bool pp_cbor_content_read(pp_cbor_walk *walk, const pp_cbor_head *head, pinpipe_str *content) {
    if (head->major != PP_CBOR_BYTES && head->major != PP_CBOR_TEXT) {
        return fail(walk, "bytes or a text are expected");
    }
    if (head->value > (uint64_t)(walk->end - walk->at)) {
        return fail(walk, "the item ends early");
    }
    *content = (pinpipe_str){walk->at, (size_t)head->value};
    if (head->major == PP_CBOR_TEXT && pp_utf8_span(content->ptr, content->len) < content->len) {
        return fail(walk, "a byte that is not UTF-8");
    }
    walk->at += content->len;
    return true;
}

static double half_float(uint64_t bits) {
    int exponent = (int)(bits >> 10 & 31);
    double fraction = (double)(bits & 1023);
    double value = exponent == 0    ? ldexp(fraction, -24)
                   : exponent == 31 ? (bits & 1023 ? (double)NAN : (double)INFINITY)
                                    : ldexp(fraction + 1024, exponent - 25);
    return bits & 0x8000 ? -value : value;
}

bool pp_cbor_number(double *out, const pp_cbor_head *head) {
    if (head->major == PP_CBOR_UINT) {
        *out = (double)head->value;
        return true;
    }
    if (head->major == PP_CBOR_NEGATIVE) {
        *out = -1.0 - (double)head->value;
        return true;
    }
    if (head->major != PP_CBOR_SIMPLE || head->size < 2) {
        return false;
    }
    if (head->size == 8) {
        memcpy(out, &head->value, sizeof *out);
    } else if (head->size == 4) {
        uint32_t bits = (uint32_t)head->value;
        float value = 0;
        memcpy(&value, &bits, sizeof value);
        *out = (double)value;
    } else {
        *out = half_float(head->value);
    }
    return true;
}

bool pp_cbor_break_pass(pp_cbor_walk *walk) {
    bool is_there = walk->at < walk->end && (unsigned char)*walk->at == BREAK;
    walk->at += is_there;
    return is_there;
}

bool pp_cbor_item_pass(pp_cbor_walk *walk, int32_t depth) {
    pp_cbor_head head;
    pinpipe_str content;
    if (!pp_cbor_head_read(walk, &head)) {
        return false;
    }
    if (head.major == PP_CBOR_BYTES || head.major == PP_CBOR_TEXT) {
        return pp_cbor_content_read(walk, &head, &content);
    }
    if (head.major != PP_CBOR_ARRAY && head.major != PP_CBOR_MAP) {
        return true;
    }
    if (depth >= PP_CBOR_DEPTH_MAX) {
        return fail(walk, "nested deeper than 128");
    }
    for (uint64_t i = 0; head.is_indefinite ? !pp_cbor_break_pass(walk) : i < head.value; i++) {
        bool is_pair = head.major == PP_CBOR_MAP;
        if (!pp_cbor_item_pass(walk, depth + 1) || (is_pair && !pp_cbor_item_pass(walk, depth + 1))) {
            return false;
        }
    }
    return true;
}
