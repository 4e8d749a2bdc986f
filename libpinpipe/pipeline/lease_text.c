/* Turns a lease into a line of JSON and back, and two positions into which is before the other.
 * Never takes a text for a lease that lacks a field.
 * Rules: docs/stream.md, "Groups"; Kinesis' sequence numbers are decimal and grow within a shard. */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "pipeline/lease.h"
#include "text/json_field.h"
#include "text/number.h"

#define SHARD_END "SHARD_END"

bool pp_lease_is_plain(pinpipe_str text, size_t bytes) {
    static const char marks[] = "._-:";
    bool plain = text.len < bytes;
    for (size_t i = 0; plain && i < text.len; i++) {
        char c = text.ptr[i];
        plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                (c != '\0' && strchr(marks, c));
    }
    return plain;
}

static bool text_get(char *out, size_t bytes, pinpipe_str text, const char *name) {
    pp_json_field field = pp_json_field_find(text, pp_str(name));
    if (field.kind != PP_JSON_FIELD_TEXT || !pp_lease_is_plain(field.raw, bytes)) {
        return false;
    }
    memcpy(out, field.raw.ptr, field.raw.len);
    out[field.raw.len] = '\0';
    return true;
}

static bool number_get(int64_t *out, pinpipe_str text, const char *name) {
    pp_json_field field = pp_json_field_find(text, pp_str(name));
    return field.kind == PP_JSON_FIELD_LITERAL && pp_number_i64(out, field.raw) == PP_NUMBER_OK;
}

pinpipe_status pp_lease_decode(pp_lease_facts *out, pinpipe_str text, pinpipe_error *err) {
    *out = (pp_lease_facts){0};
    if (!text_get(out->owner, sizeof out->owner, text, "owner") ||
        !text_get(out->wanted, sizeof out->wanted, text, "wanted") ||
        !text_get(out->sequence, sizeof out->sequence, text, "sequence") ||
        !number_get(&out->sub_sequence, text, "subSequence") || !number_get(&out->counter, text, "counter")) {
        return pp_fail(err, PINPIPE_EDATA, "lease '%.*s' is none of this library's", pp_quote_len(text.len),
                       text.len ? text.ptr : "");
    }
    return PINPIPE_OK;
}

pinpipe_status pp_lease_encode(pinpipe_buf *out, const pp_lease_facts *facts, const char *writer,
                               pinpipe_error *err) {
    pp_buf_clear(out);
    return pp_buf_printf(out, err,
                         "{\"owner\":\"%s\",\"counter\":%lld,\"wanted\":\"%s\",\"sequence\":\"%s\","
                         "\"subSequence\":%lld,\"writer\":\"%s\"}\n",
                         facts->owner, (long long)facts->counter, facts->wanted, facts->sequence,
                         (long long)facts->sub_sequence, writer);
}

/* 0: a word; 1: a number; 2: the end. */
static int rank(pinpipe_str sequence) {
    bool is_number = sequence.len > 0;
    for (size_t i = 0; is_number && i < sequence.len; i++) {
        is_number = sequence.ptr[i] >= '0' && sequence.ptr[i] <= '9';
    }
    return is_number ? 1 : pp_str_is(sequence, SHARD_END) ? 2 : 0;
}

static pinpipe_str without_zeros(pinpipe_str digits) {
    while (digits.len > 1 && digits.ptr[0] == '0') {
        digits = (pinpipe_str){digits.ptr + 1, digits.len - 1};
    }
    return digits;
}

int pp_lease_compare(const pp_lease_facts *facts, pinpipe_str sequence, int64_t sub_sequence) {
    pinpipe_str kept = pp_str(facts->sequence);
    int order = rank(kept) - rank(sequence);
    if (order != 0 || rank(kept) != 1) {
        return order;
    }
    kept = without_zeros(kept);
    sequence = without_zeros(sequence);
    if (kept.len != sequence.len) {
        return kept.len < sequence.len ? -1 : 1;
    }
    order = memcmp(kept.ptr, sequence.ptr, kept.len);
    /* -1 is the whole record, which is behind each of its parts. */
    uint64_t kept_sub = (uint64_t)facts->sub_sequence, sub = (uint64_t)sub_sequence;
    return order != 0 ? order : kept_sub < sub ? -1 : kept_sub > sub;
}
