/* Turns the first bytes of an input into its format.
 * Never guesses a record type: it is given.
 * Rules: docs/records.md, "Formats"; a byte order mark is passed over. */
#ifndef PP_CLEAN_FORMAT_H
#define PP_CLEAN_FORMAT_H

#include "codec/cells.h"

/** Bytes that are looked at before the format is decided whatever they are. */
#define PP_FORMAT_PROBE_BYTES ((size_t)1 << 20)

typedef enum pp_input_end {
    PP_INPUT_GOES_ON,
    PP_INPUT_ENDS,
} pp_input_end;

/** What the first bytes of an input decide. */
typedef struct pp_format {
    int32_t framing;             /* how records are told apart: NDJSON, JSON, CSV, RECORDS or FILESTREAM */
    const pp_envelope *envelope; /* what every record lies in; NULL = nothing */
    size_t skip;                 /* bytes of a byte order mark */
} pp_format;

/** Finds out about an input whose format was asked for as `format`. False: more input is needed. */
bool pp_format_find(pp_format *out, int32_t format, pp_fields *fields, pinpipe_str head, pp_input_end end);

/** Decides `format` where it is AUTO, and how many bytes of a byte order mark to pass over. False: more input
 * is needed. */
bool pp_format_decide(int32_t *format, size_t *skip, pp_fields *fields, pinpipe_str head, pp_input_end end);

#endif
