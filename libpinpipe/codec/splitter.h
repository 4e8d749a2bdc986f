/* Turns a stream of bytes, cut anywhere, into the extents of its records.
 * Never looks inside a record further than to find its end.
 * Rules: NDJSON: a line; CSV: RFC 4180, a line end outside quotes; JSON: a value of the top-level array or
 * sequence; a body: a value of its list of records; FileStreamSink: up to a line end between '}' and '{'. */
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

/** Where the next byte of a body stands that is outside values. */
typedef enum pp_body_place {
    PP_BODY_OUTSIDE,
    PP_BODY_FIRST, /* behind '{' */
    PP_BODY_KEY,   /* behind a comma */
    PP_BODY_COLON,
    PP_BODY_VALUE,
    PP_BODY_LIST,   /* within the list of records */
    PP_BODY_BEHIND, /* behind a member's value */
} pp_body_place;

typedef struct pp_splitter {
    int32_t format;      /* NDJSON, JSON, CSV, RECORDS or FILESTREAM */
    pp_json_place place; /* JSON; RECORDS: in the list */
    pp_body_place body;  /* RECORDS */
    int32_t key_at;      /* RECORDS: bytes of the key that are those of the list's name; -1 = others */
    bool is_list_key;    /* RECORDS: the last key is the list's name */
    bool has_list;       /* RECORDS: the body has had a list */
    bool is_aside;       /* RECORDS: the value is no record */
    int32_t depth;       /* JSON: open brackets of the value */
    bool in_record;      /* JSON: a value has begun */
    bool is_bare;        /* JSON: the value is a word or a number */
    bool in_string;      /* JSON string or CSV quotes */
    bool escaped;        /* JSON: the next byte belongs to an escape; CSV: the field began with a quote */
    bool field_open;     /* CSV: a field has begun */
} pp_splitter;

#define PP_SPLIT_NO_COMMA "',' or ']' is expected before the value"

typedef struct pp_split {
    size_t skipped;    /* bytes before the record: blanks and the top-level array's own */
    size_t taken;      /* bytes of the record that follow, without what ends it */
    size_t after;      /* bytes behind it: the line end */
    bool complete;     /* the record ends here; else more input is needed */
    bool is_aside;     /* a part of a body that is no record: it is checked and left */
    const char *fault; /* why this cannot stand here, NULL = it can */
} pp_split;

void pp_splitter_init(pp_splitter *splitter, int32_t format);

/** Finds the end of the record that is being read, in the next piece of the input. */
pp_split pp_splitter_next(pp_splitter *splitter, const char *bytes, size_t len);

/** What of the input is not closed where it ends, such as an array; NULL = nothing. */
const char *pp_splitter_open_part(const pp_splitter *splitter);

/** Begins a JSON value at its first byte. */
void pp_splitter_value_begin(pp_splitter *splitter, char byte);

/** Goes to the end of the JSON value that was begun; returns the bytes passed. */
size_t pp_splitter_value_pass(bool *is_complete, pp_splitter *splitter, const char *bytes, size_t len);

pp_split pp_body_next(pp_splitter *splitter, const char *bytes, size_t len);
pp_split pp_filestream_next(pp_splitter *splitter, const char *bytes, size_t len);

#endif
