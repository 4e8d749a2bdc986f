/* Turns the numbers of a column into their least and greatest; shared by the statistics and the expectations.
 * Never looks at the value of a null.
 * Rules: docs/census.md, "Statistics". */
#ifndef PP_RECORD_STATISTICS_H
#define PP_RECORD_STATISTICS_H

#include "pinpipe/statistics.h"
#include "record/columns.h"

/** Bounds of numbers: of I64 and TIME_US in `i64`, of F64 and of a pair's two components in `f64`. */
typedef struct pp_range {
    int64_t count; /* values that are not null; with none the bounds have no meaning */
    int64_t min_i64;
    int64_t max_i64;
    double min_f64[2];
    double max_f64[2];
} pp_range;

/** The range of no value. */
void pp_range_init(pp_range *range);

/** Adds the first `rows` values of a column of numbers; text is left out. */
void pp_range_add(pp_range *range, const pp_column *column, int64_t rows);

/** Length of a text cut to at most `max` bytes at the end of a character. */
size_t pp_text_cut(const char *text, size_t len, size_t max);

#endif
