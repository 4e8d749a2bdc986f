/* Turns the text of one JSON object into cells.
 * Never builds a tree, never allocates, never accepts what RFC 8259 refuses.
 * Rules: RFC 8259; nesting of values that no column takes is bounded. */
#ifndef PP_CODEC_JSON_RECORD_H
#define PP_CODEC_JSON_RECORD_H

#include "codec/cells.h"

/** Reads one object that fills `text` but for blanks. `scratch` has room for `len` bytes and takes the texts
 * that had escapes. Behind `text` stands a control byte, or every string in it is known to be closed;
 * PP_JSON_PADDING bytes beyond are readable. False: `fault` says why. */
bool pp_json_record(pp_record_cells *out, pp_fields *fields, char *scratch, const char *text, size_t len,
                    pp_fault *fault);

/** Reads one string that fills `text` but for blanks, under the same conditions; `out` is its plain text, in
 * `text` or in `scratch`. */
bool pp_json_text(pp_cell *out, char *scratch, const char *text, size_t len, pp_fault *fault);

/** Checks one value that fills `text` but for blanks, under the same conditions. */
bool pp_json_value(const char *text, size_t len, pp_fault *fault);

#endif
