/* Turns a stream of bytes, cut anywhere, into the extents of its records.
 * Never looks inside a record further than to find its end.
 * Rules: NDJSON: a line; CSV: RFC 4180, a line end outside quotes; JSON: a value of the top-level array or
 * sequence. */
#ifndef PP_CODEC_SPLITTER_H
#define PP_CODEC_SPLITTER_H

#include "pinpipe/decode.h"

/** Where the next byte outside values stands. */
typedef enum pp_json_place {
    PP_JSON_OUTSIDE, /* of any top-level array */
    PP_JSON_FIRST,   /* behind '[' */
    PP_JSON_BEHIND,  /* behind a value of the array */
    PP_JSON_NEXT,    /* behind a comma of the array */
} pp_json_place;

typedef struct pp_splitter {
    int32_t format;      /* NDJSON, JSON or CSV */
    pp_json_place place; /* JSON */
    int32_t depth;       /* JSON: open brackets of the value */
    bool in_record;      /* JSON: a value has begun */
    bool is_bare;        /* JSON: the value is a word or a number */
    bool in_string;      /* JSON string or CSV quotes */
    bool escaped;        /* JSON: the next byte belongs to an escape; CSV: the field began with a quote */
    bool field_open;     /* CSV: a field has begun */
} pp_splitter;

typedef struct pp_split {
    size_t skipped; /* bytes before the record: blanks and the top-level array's own */
    size_t taken;   /* bytes of the record that follow, without what ends it */
    size_t after;   /* bytes behind it: the line end */
    bool complete;  /* the record ends here; else more input is needed */
    bool misplaced; /* JSON: no comma stands before it */
} pp_split;

void pp_splitter_init(pp_splitter *splitter, int32_t format);

/** Finds the end of the record that is being read, in the next piece of the input. */
pp_split pp_splitter_next(pp_splitter *splitter, const char *bytes, size_t len);

#endif
