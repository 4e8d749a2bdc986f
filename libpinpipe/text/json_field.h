/* Turns the text of a JSON object and a path of names into the extent of one value.
 * Never builds a tree and never checks what it passes over beyond what it needs to pass.
 * Rules: RFC 8259; of equal names the last counts, as everywhere in the library. */
#ifndef PP_TEXT_JSON_FIELD_H
#define PP_TEXT_JSON_FIELD_H

#include "pinpipe/value.h"

typedef enum pp_json_field_kind {
    PP_JSON_FIELD_MISSING = 0,
    PP_JSON_FIELD_NULL,
    PP_JSON_FIELD_TEXT,    /* what stands between the quotes, escapes included */
    PP_JSON_FIELD_LITERAL, /* a number, true, false */
    PP_JSON_FIELD_NESTED,  /* an object or a list */
    PP_JSON_FIELD_BROKEN,  /* the text is no object */
} pp_json_field_kind;

typedef struct pp_json_field {
    pp_json_field_kind kind;
    pinpipe_str raw;
} pp_json_field;

/** Finds `path`, names parted by dots, in `object`. */
pp_json_field pp_json_field_find(pinpipe_str object, pinpipe_str path);

#endif
