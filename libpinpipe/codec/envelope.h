/* What records are wrapped in: the keys of envelopes, and which of them hold a record.
 * Never looks at a record's own keys.
 * Rules: envelopes.def. */
#ifndef PP_CODEC_ENVELOPE_H
#define PP_CODEC_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pinpipe/value.h"

typedef enum pp_member {
#define MEMBER(symbol, name) PP_MEMBER_##symbol,
#include "codec/envelopes.def"
    PP_MEMBER_KEY, /* the record's own key, where it holds an object */
    PP_MEMBER_COUNT,
} pp_member;

/** The members of an envelope that an object has, with their values' text. */
typedef struct pp_members {
    uint32_t met; /* as bits */
    uint32_t repeated;
    pinpipe_str text[PP_MEMBER_COUNT];
} pp_members;

typedef struct pp_envelope {
    int32_t format;     /* a pinpipe_format; 0 for wrappers that no format asks for */
    uint32_t payloads;  /* members that may hold the record */
    bool has_base64;    /* the record's usual form is base64 */
    uint32_t signature; /* members by which its first object is recognised; 0 = by none */
} pp_envelope;

/** The member of that name, -1 for none. */
int32_t pp_member_find(const char *name, size_t len);

static inline void pp_members_put(pp_members *members, int32_t member, pinpipe_str text) {
    members->repeated |= members->met & 1u << member;
    members->met |= 1u << member;
    members->text[member] = text;
}

/** The only member of `payloads` that is there, once; -1 for none or more. */
int32_t pp_members_payload(const pp_members *members, uint32_t payloads);

/** The envelope of a format; NULL where the format's records stand alone. */
const pp_envelope *pp_envelope_of(int32_t format);

/** The wrappers of records that have no key of their own. */
const pp_envelope *pp_envelope_wrappers(void);

/** The format whose signature is among `members`; 0 for none. */
int32_t pp_envelope_recognise(uint32_t members);

/** The members among the top-level keys of the object that begins at `text`, as far as it goes; a list of
 * records only where it is one. */
uint32_t pp_envelope_scan(const char *text, size_t len);

#endif
