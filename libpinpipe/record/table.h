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

#endif
