/* What a clean table is expected to hold, as data; checked on the batches as they pass.
 * Never changes a row and never stops a run by itself: what a failure means is the caller's to decide.
 * Rules: docs/census.md, "Expectations"; the built-in set is libpinpipe/clean/expectations.def. */
#ifndef PINPIPE_EXPECTATIONS_H
#define PINPIPE_EXPECTATIONS_H

#include "batch.h"

PINPIPE_BEGIN_DECLS

/** What is checked. A null is no value: only NULL_SHARE_MAX sees it. */
typedef enum pinpipe_check {
    PINPIPE_CHECK_UNIQUE = 0,         /* no value stands in two rows */
    PINPIPE_CHECK_MIN = 1,            /* no value is less */
    PINPIPE_CHECK_MAX = 2,            /* no value is greater */
    PINPIPE_CHECK_IN = 3,             /* every value is one of a list */
    PINPIPE_CHECK_NULL_SHARE_MAX = 4, /* at most this share of the rows is null */
    PINPIPE_CHECK_ROWS_MIN = 5,       /* at least so many rows */
    PINPIPE_CHECK_ROWS_MAX = 6,       /* at most so many rows */
} pinpipe_check;

/** Limit of a document: its bytes. */
#define PINPIPE_EXPECTATIONS_BYTES_MAX ((int64_t)1 << 20)
/** Limit of a document: its expectations. */
#define PINPIPE_EXPECTATIONS_MAX 256
/** Limit of the distinct values that a `unique` remembers (16 bytes a value, at most 43 with the free places:
 * 1 GiB at the limit). */
#define PINPIPE_EXPECTATION_KEYS_MAX ((int64_t)1 << 25)

/** Expectations and what was seen of them so far. */
typedef struct pinpipe_expectations pinpipe_expectations;

/** One expectation and its result so far. Views live until the handle is added to or freed. */
typedef struct pinpipe_expectation {
    uint32_t struct_size;
    int32_t record;            /* a pinpipe_record */
    int32_t check;             /* a pinpipe_check */
    int32_t is_fatal;          /* 1: the author wants a failure to fail the run */
    int32_t has_passed;        /* 1: nothing speaks against it so far */
    int32_t has_failing_row;   /* 1: `failing_key` and `failing_value` are those of a row */
    int64_t rows;              /* rows of the record type that were checked */
    int64_t failures;          /* values, nulls or rows that speak against it; 0 where it has passed */
    int64_t failing_key;       /* `ind` of the first row that speaks against it */
    pinpipe_str failing_value; /* its value as text, cut to 64 bytes; "" for a null */
    pinpipe_str expected;      /* the expectation's argument as JSON */
    const char *column;        /* "" for the checks of rows; static */
    const char *source;        /* where a built-in one comes from, else ""; static */
    char id[80];               /* "pin.category.in" */
    char observed[96]; /* JSON: the least or greatest value, distinct values, share, rows; "" = nothing */
} pinpipe_expectation;

#define PINPIPE_EXPECTATION_INIT                                                                             \
    {                                                                                                        \
        (uint32_t)sizeof(pinpipe_expectation), 0, 0, 0, 0, 0, 0, 0, 0, {NULL, 0}, {NULL, 0}, NULL, NULL,     \
            {0}, {                                                                                           \
            0                                                                                                \
        }                                                                                                    \
    }

/** The built-in set of that name: "course". Owns: the caller frees it. Errors: EINVAL unknown name, ENOMEM.
 */
PINPIPE_API pinpipe_status pinpipe_expectations_new(pinpipe_expectations **out, pinpipe_str name,
                                                    pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Reads a rule document, a JSON object, and of it the object `expect` only; its member `matches` is for the
 * matches across tables and is passed over. Owns: the caller frees it. Errors: EDATA the document is not
 * JSON, names an unknown column or check, gives a value of another type, or a min above its max; the line
 * names the datum; ELIMIT a limit above; ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_expectations_decode(pinpipe_expectations **out, pinpipe_str json,
                                                       pinpipe_error *err) PINPIPE_MUST_CHECK;
/** Frees the expectations; NULL is allowed. */
PINPIPE_API void pinpipe_expectations_free(pinpipe_expectations *expectations);

/** Checks the rows of a clean batch, which stays as it is; batches of several record types may come in any
 * order. Errors: EINVAL a raw batch; ELIMIT a `unique` would remember too many values; ENOMEM; the results
 * are then as before. */
PINPIPE_API pinpipe_status pinpipe_expectations_add(pinpipe_expectations *expectations,
                                                    const pinpipe_batch *batch,
                                                    pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Number of expectations; the built-in ones stand in the order of their table, others in that of the
 * document. */
PINPIPE_API int32_t pinpipe_expectations_count(const pinpipe_expectations *expectations);

/** Fills `out` with expectation `index`. Errors: EINVAL unknown index. */
PINPIPE_API pinpipe_status pinpipe_expectations_at(pinpipe_expectation *out,
                                                   const pinpipe_expectations *expectations, int32_t index,
                                                   pinpipe_error *err) PINPIPE_MUST_CHECK;

PINPIPE_END_DECLS

#endif
