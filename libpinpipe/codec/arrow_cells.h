/* Turns rows of an Arrow struct array into cells.
 * Never copies text: cells point into the array's buffers.
 * Rules: Arrow columnar format and C data interface. */
#ifndef PP_CODEC_ARROW_CELLS_H
#define PP_CODEC_ARROW_CELLS_H

#include "codec/cells.h"
#include "pinpipe/arrow.h"

/** How one raw column is read. */
typedef struct pp_arrow_column {
    const struct ArrowArray *array; /* NULL: the input has no such column */
    const struct ArrowSchema *schema;
    bool is_duplicate; /* a second column of the same field follows it */
} pp_arrow_column;

typedef struct pp_arrow_columns {
    pp_arrow_column column[PP_RAW_MAX];
    int64_t unknown; /* columns that no field takes */
    const struct ArrowArray *rows;
} pp_arrow_columns;

/** Finds the raw columns by name. Errors: EDATA the array is no struct, or a column's type is one that no
 * rule reads. */
pinpipe_status pp_arrow_open(pp_arrow_columns *out, pp_fields *fields, const struct ArrowSchema *schema,
                             const struct ArrowArray *array, pinpipe_error *err);

/** Reads one row; the text of its cells is at most `text_bytes` long in all. */
void pp_arrow_cells(pp_record_cells *out, int64_t *text_bytes, const pp_fields *fields,
                    const pp_arrow_columns *columns, int64_t row);

#endif
