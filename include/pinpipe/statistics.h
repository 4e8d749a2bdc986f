/* Counts over columns: rows, nulls, least and greatest value, lengths of text; of raw and of clean batches.
 * Never keeps a row; never allocates once it is made.
 * Rules: docs/census.md, "Statistics". */
#ifndef PINPIPE_STATISTICS_H
#define PINPIPE_STATISTICS_H

#include "batch.h"

PINPIPE_BEGIN_DECLS

/** Bytes of a text that the statistics keep; a longer text is cut at the end of a character. */
#define PINPIPE_STATISTICS_TEXT_BYTES 64

/** The statistics of all batches that were added; about 4 KiB, whatever the number of rows. */
typedef struct pinpipe_statistics pinpipe_statistics;

/** One column's statistics; which members have a meaning depends on `type`. Where every value is null, none
 * of the bounds has one. */
typedef struct pinpipe_column_statistics {
    uint32_t struct_size;
    int32_t type;      /* a pinpipe_type */
    int64_t rows;      /* nulls are counted too */
    int64_t nulls;     /* the bounds below are those of the other rows - nulls values */
    int64_t min_i64;   /* I64, TIME_US */
    int64_t max_i64;   /* I64, TIME_US */
    double min_f64[2]; /* F64: [0]; F64_LIST: a component each */
    double max_f64[2]; /* likewise */
    pinpipe_str
        min_text; /* TEXT, in the order of the bytes; lives as long as the statistics are not changed */
    pinpipe_str max_text; /* likewise */
    int32_t is_min_cut;   /* 1: the text goes on behind PINPIPE_STATISTICS_TEXT_BYTES */
    int32_t is_max_cut;   /* likewise */
    int64_t min_bytes;    /* TEXT: length of the shortest */
    int64_t max_bytes;    /* TEXT: length of the longest */
    int64_t total_bytes;  /* TEXT: of all together */
} pinpipe_column_statistics;

#define PINPIPE_COLUMN_STATISTICS_INIT                                                                       \
    {                                                                                                        \
        (uint32_t)sizeof(pinpipe_column_statistics), 0, 0, 0, 0, 0, {0}, {0}, {NULL, 0}, {NULL, 0}, 0, 0, 0, \
            0, 0                                                                                             \
    }

/** Makes empty statistics. Owns: the caller frees it. Errors: EINVAL unknown record or shape, ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_statistics_new(pinpipe_statistics **out, int32_t record, int32_t shape,
                                                  pinpipe_error *err) PINPIPE_MUST_CHECK;
/** Frees the statistics; NULL is allowed. */
PINPIPE_API void pinpipe_statistics_free(pinpipe_statistics *statistics);

/** Adds the rows of a batch, which stays as it is. Errors: EINVAL another record or shape. */
PINPIPE_API pinpipe_status pinpipe_statistics_add(pinpipe_statistics *statistics, const pinpipe_batch *batch,
                                                  pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Rows added so far. */
PINPIPE_API int64_t pinpipe_statistics_rows(const pinpipe_statistics *statistics);

/** Fills `out` with column `index`, in the order of pinpipe_schema_at. Errors: EINVAL unknown index. */
PINPIPE_API pinpipe_status pinpipe_statistics_at(pinpipe_column_statistics *out,
                                                 const pinpipe_statistics *statistics, int32_t index,
                                                 pinpipe_error *err) PINPIPE_MUST_CHECK;

PINPIPE_END_DECLS

#endif
