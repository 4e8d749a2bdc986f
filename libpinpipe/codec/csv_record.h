/* Turns one CSV record into cells, by the header that was read before.
 * Never guesses a delimiter: comma and double quote only.
 * Rules: RFC 4180; CONTRACT §4: nothing is null, "" is the empty text. */
#ifndef PP_CODEC_CSV_RECORD_H
#define PP_CODEC_CSV_RECORD_H

#include "codec/cells.h"

#define PP_CSV_COLUMNS_MAX 256

/** What stands in which column; -1 = a column that no field takes. */
typedef struct pp_csv_header {
    int32_t count;
    int32_t known;
    int32_t payload;  /* the column named data, -1 = none */
    uint32_t members; /* of an envelope, as bits */
    int32_t field[PP_CSV_COLUMNS_MAX];
} pp_csv_header;

/** Reads a header line. False: more than PP_CSV_COLUMNS_MAX columns, or a broken quote. */
bool pp_csv_header_read(pp_csv_header *out, pp_fields *fields, char *scratch, const char *text, size_t len,
                        pp_fault *fault);

/** Reads one record without its line end; `scratch` has room for `len` bytes. */
bool pp_csv_record(pp_record_cells *out, const pp_csv_header *header, const pp_fields *fields, char *scratch,
                   const char *text, size_t len, pp_fault *fault);

#endif
