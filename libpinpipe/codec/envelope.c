/* Turns the keys of an object into the envelope that they are of.
 * Never parses values: the record readers do.
 * Rules: envelopes.def. */
#include "codec/envelope.h"

#include <string.h>

#include "pinpipe/decode.h"
#include "text/json_string.h"

#define IN(symbol) (1u << PP_MEMBER_##symbol)
#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static const struct {
    const char *name;
    size_t len;
} members[] = {
#define MEMBER(symbol, name) {name, sizeof(name) - 1},
#include "codec/envelopes.def"
};

static const pp_envelope envelopes[] = {
#define ENVELOPE(format, payloads, has_base64, signature, source)                                            \
    {PINPIPE_FORMAT_##format, payloads, has_base64, signature},
#include "codec/envelopes.def"
};

static const pp_envelope wrappers = {
#define WRAPPERS(payloads, source) 0, payloads, false, 0,
#include "codec/envelopes.def"
};

int32_t pp_member_find(const char *name, size_t len) {
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        if (members[i].len == len && memcmp(members[i].name, name, len) == 0) {
            return (int32_t)i;
        }
    }
    return -1;
}

int32_t pp_members_payload(const pp_members *met, uint32_t payloads) {
    uint32_t found = met->met & payloads;
    if (found == 0 || (found & (found - 1)) != 0 || (found & met->repeated) != 0) {
        return -1;
    }
    int32_t member = 0;
    while (found >>= 1) {
        member++;
    }
    return member;
}

const pp_envelope *pp_envelope_of(int32_t format) {
    for (size_t i = 0; i < COUNT_OF(envelopes); i++) {
        if (envelopes[i].format == format) {
            return &envelopes[i];
        }
    }
    return NULL;
}

const pp_envelope *pp_envelope_wrappers(void) {
    return &wrappers;
}

int32_t pp_envelope_recognise(uint32_t met) {
    if (met & (IN(RECORDS) | IN(RECORDS_OF_API))) {
        return PINPIPE_FORMAT_RECORDS;
    }
    for (size_t i = 0; i < COUNT_OF(envelopes); i++) {
        uint32_t signature = envelopes[i].signature;
        if (signature && (met & signature) == signature) {
            return envelopes[i].format;
        }
    }
    return PINPIPE_FORMAT_AUTO;
}

/* Behind the string whose opening quote is at `at`; `end` where it is not closed. */
static const char *string_pass(const char *at, const char *end) {
    for (at++; at < end; at += 2) { /* over an escape */
        at += pp_json_plain_span(at, (size_t)(end - at));
        if (at < end && *at == '"') {
            return at + 1;
        }
    }
    return end;
}

static const char *blanks_pass(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) {
        at++;
    }
    return at;
}

/* The bit of the key between `start` and `end`, both quotes within, and of what follows it. */
static uint32_t key_bit(const char *start, const char *end, const char *input_end) {
    const char *colon = blanks_pass(end, input_end);
    if (end - start < 2 || colon == input_end || *colon != ':') {
        return 0;
    }
    int32_t member = pp_member_find(start + 1, (size_t)(end - start) - 2);
    const char *value = blanks_pass(colon + 1, input_end);
    bool is_list = member == PP_MEMBER_RECORDS || member == PP_MEMBER_RECORDS_OF_API;
    if (member < 0 || (is_list && (value == input_end || *value != '['))) {
        return 0;
    }
    return 1u << member;
}

uint32_t pp_envelope_scan(const char *text, size_t len) {
    const char *end = text + len;
    uint32_t met = 0;
    int64_t depth = 0;
    for (const char *at = text; at < end;) {
        if (*at == '"') {
            const char *start = at;
            at = string_pass(at, end);
            met |= depth == 1 ? key_bit(start, at, end) : 0;
            continue;
        }
        depth += *at == '{' || *at == '[';
        depth -= *at == '}' || *at == ']';
        at++;
        if (depth == 0) {
            break;
        }
    }
    return met;
}
