/* The inside of a table: shared columns in order.
 * Never changes columns once they are in.
 * Rules: pinpipe/batch.h. */
#ifndef PP_RECORD_TABLE_H
#define PP_RECORD_TABLE_H

#include "record/columns.h"

struct pinpipe_table {
    int32_t record;
    int32_t shape;
    int64_t rows;
    int64_t count;
    int64_t cap;
    pp_columns **batches;
};

/** Moves all batches of `other`, which has the same record and shape, to the table's end. Errors: ENOMEM, and
 * nothing was moved. */
pinpipe_status pp_table_join(pinpipe_table *table, pinpipe_table *other, pinpipe_error *err);

#endif
