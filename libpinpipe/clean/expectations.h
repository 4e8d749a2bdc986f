/* Turns an expectation into what a check of a batch needs and what it saw so far.
 * Never holds a row: a failing value is kept as text, cut.
 * Rules: docs/census.md, "Expectations". */
#ifndef PP_CLEAN_EXPECTATIONS_H
#define PP_CLEAN_EXPECTATIONS_H

#include "base/buffer.h"
#include "clean/key_set.h"
#include "pinpipe/expectations.h"
#include "record/statistics.h"

typedef struct pp_expectation {
    int32_t record;
    int32_t column; /* -1: the rows */
    pinpipe_type type;
    pinpipe_check check;
    bool is_fatal;
    const char *name; /* of the column, "" for the rows */
    const char *check_name;
    const char *source;
    pinpipe_buf expected; /* the argument as JSON */
    int64_t bound_i64;    /* MIN, MAX of I64 and TIME_US; ROWS_MIN, ROWS_MAX */
    double bound_f64[2];  /* MIN, MAX of doubles and pairs; [0]: NULL_SHARE_MAX */
    pp_key_set keys;      /* IN: the allowed values; UNIQUE: those seen */
    /* what was seen */
    int64_t rows;
    int64_t nulls;
    int64_t failures;
    pp_range range;
    bool has_failing_row;
    int64_t failing_key;
    size_t failing_len;
    char failing[PP_QUOTE_MAX];
} pp_expectation;

struct pinpipe_expectations {
    int32_t count;
    int32_t cap;
    pp_expectation *list;
};

/** Makes room for what the rows of a batch may add. Errors: ELIMIT, ENOMEM; nothing was counted then. */
pinpipe_status pp_expectation_reserve(pp_expectation *expectation, int64_t rows, pinpipe_error *err);

/** Checks a batch's rows; `keys` is the key column. */
void pp_expectation_check(pp_expectation *expectation, const pp_columns *columns, const pp_column *keys);

#endif
