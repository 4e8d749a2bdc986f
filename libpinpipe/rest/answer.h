/* Turns the body of a REST proxy's answer into what it says of each record and of the whole request.
 * Never trusts it: what is missing, cut or of another kind is a fault, and counts are compared.
 * Rules: Confluent REST Proxy API Reference, "API v2"; Strimzi's bridge words errors as "message". */
#ifndef PP_REST_ANSWER_H
#define PP_REST_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "pinpipe/value.h"

/** What the answer says of one record. */
typedef struct pp_rest_entry {
    int32_t partition; /* -1 = none */
    int32_t code;      /* 0 = none: it was written */
    int64_t offset;    /* -1 = none */
    pinpipe_str text;  /* of the error, with its escapes; borrowed from the body */
} pp_rest_entry;

typedef struct pp_rest_answer {
    bool is_object;   /* the body is one JSON object, whole */
    bool has_offsets; /* with a list of entries, each of which can be one */
    int64_t count;    /* of entries; those beyond the room are counted only */
    int32_t code;     /* of the whole request; 0 = none */
    pinpipe_str text; /* its words, with their escapes; borrowed from the body */
} pp_rest_answer;

/** Reads a body; at its end stands a NUL, with PP_JSON_PADDING readable bytes behind it. `entries` has room
 * for `room` of them. */
void pp_rest_answer_read(pp_rest_answer *out, pp_rest_entry *entries, int64_t room, pinpipe_str body);

#endif
