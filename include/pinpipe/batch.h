/* The data at rest: batches of columns, tables of batches, and the report of what cleaning did to them.
 * Never shares a batch between threads on its own; a table's batches are immutable and may be read from any.
 * Rules: CONTRACT §4 for the columns, the Arrow C data interface for the export. */
#ifndef PINPIPE_BATCH_H
#define PINPIPE_BATCH_H

#include "arrow.h"
#include "schema.h"

PINPIPE_BEGIN_DECLS

/** The columns of some rows of one record type in one shape; filled by a decoder. */
typedef struct pinpipe_batch pinpipe_batch;

/** Makes an empty batch. Owns: the caller frees it. Errors: EINVAL unknown record or shape, ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_batch_new(pinpipe_batch **out, int32_t record, int32_t shape,
                                             pinpipe_error *err) PINPIPE_MUST_CHECK;
/** Frees the batch with its rows; NULL is allowed. */
PINPIPE_API void pinpipe_batch_free(pinpipe_batch *batch);

/** Takes the rows out and keeps the memory for the next ones. */
PINPIPE_API void pinpipe_batch_clear(pinpipe_batch *batch);
/** Rows in the batch. */
PINPIPE_API int64_t pinpipe_batch_rows(const pinpipe_batch *batch);
/** The pinpipe_record that it is of. */
PINPIPE_API int32_t pinpipe_batch_record(const pinpipe_batch *batch);
/** The pinpipe_shape that it is of. */
PINPIPE_API int32_t pinpipe_batch_shape(const pinpipe_batch *batch);

/** Whether a value is null. Of this and of the readers below: the row and the column exist, and the column
 * has the type that the name says; a null reads as 0 or "". Views live until the batch is cleared, filled,
 * exported or freed. */
PINPIPE_API bool pinpipe_batch_is_null(const pinpipe_batch *batch, int64_t row, int32_t column);
/** An integer, or a time in microseconds. */
PINPIPE_API int64_t pinpipe_batch_i64(const pinpipe_batch *batch, int64_t row, int32_t column);
/** A double. */
PINPIPE_API double pinpipe_batch_f64(const pinpipe_batch *batch, int64_t row, int32_t column);
/** A text. */
PINPIPE_API pinpipe_str pinpipe_batch_str(const pinpipe_batch *batch, int64_t row, int32_t column);
/** The doubles of a list value; `count` is written. */
PINPIPE_API const double *pinpipe_batch_list(int64_t *count, const pinpipe_batch *batch, int64_t row,
                                             int32_t column);

/** Describes a shape as an Arrow struct. Owns: the caller releases `out`. */
PINPIPE_API pinpipe_status pinpipe_schema_arrow(struct ArrowSchema *out, int32_t record, int32_t shape,
                                                pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Moves the rows out as an Arrow struct array without copying; the batch is left empty. Owns: the caller
 * releases `out`, at any time and in any thread. Errors: ENOMEM, and the batch is as before. */
PINPIPE_API pinpipe_status pinpipe_batch_export(struct ArrowArray *out, pinpipe_batch *batch,
                                                pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Immutable batches of one record type and shape, in order. */
typedef struct pinpipe_table pinpipe_table;

/** Makes an empty table. Owns: the caller frees it. Errors: EINVAL unknown record or shape, ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_table_new(pinpipe_table **out, int32_t record, int32_t shape,
                                             pinpipe_error *err) PINPIPE_MUST_CHECK;
/** Lets the table go; streams and views made of it keep the rows that they share. NULL is allowed. */
PINPIPE_API void pinpipe_table_free(pinpipe_table *table);
/** Rows in all batches. */
PINPIPE_API int64_t pinpipe_table_rows(const pinpipe_table *table);
/** Batches, each of the rows of one append. */
PINPIPE_API int64_t pinpipe_table_batches(const pinpipe_table *table);

/** Puts the batch's rows at the table's end; the batch is left empty and keeps its memory for the next rows.
 * Errors: EINVAL another record or shape, ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_table_append(pinpipe_table *table, pinpipe_batch *batch,
                                                pinpipe_error *err) PINPIPE_MUST_CHECK;

/** A view of batch `index` to read and encode. Owns: the caller frees it; the rows stay the table's. */
PINPIPE_API pinpipe_status pinpipe_table_at(pinpipe_batch **out, const pinpipe_table *table, int64_t index,
                                            pinpipe_error *err) PINPIPE_MUST_CHECK;

/** A fresh Arrow stream over all batches, any number of times. Owns: the caller releases `out`; it may
 * outlive the table. Errors: ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_table_stream(struct ArrowArrayStream *out, const pinpipe_table *table,
                                                pinpipe_error *err) PINPIPE_MUST_CHECK;

/** What a decoder did: the census of rules and the records that could not be read. */
typedef struct pinpipe_report pinpipe_report;

/** One record that could not be read. Views live until the report is cleared or freed. */
typedef struct pinpipe_reject {
    uint32_t struct_size;
    int32_t reserved;
    int64_t record_index; /* among all records of the input, from 0 */
    int64_t byte_offset;  /* of the record's first byte in the input, from 0 */
    int64_t data_bytes;   /* length of the whole record; `data` holds at most the first 64 KiB */
    pinpipe_str reason;   /* the rule's id, ": " and what was seen */
    pinpipe_str data;     /* the record's bytes */
    pinpipe_str source;   /* "s3://bucket/key" of the input, where it was an object; else empty */
} pinpipe_reject;

#define PINPIPE_REJECT_INIT                                                                                  \
    {                                                                                                        \
        (uint32_t)sizeof(pinpipe_reject), 0, 0, 0, 0, {NULL, 0}, {NULL, 0}, {                                \
            NULL, 0                                                                                          \
        }                                                                                                    \
    }

/** Makes an empty report. Owns: the caller frees it. Errors: EINVAL unknown record or shape, ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_report_new(pinpipe_report **out, int32_t record, int32_t shape,
                                              pinpipe_error *err) PINPIPE_MUST_CHECK;
/** Frees the report with its rejects; NULL is allowed. */
PINPIPE_API void pinpipe_report_free(pinpipe_report *report);

/** Records seen: accepted and rejected ones. */
PINPIPE_API int64_t pinpipe_report_records(const pinpipe_report *report);
/** Records that could not be read, held or let go. */
PINPIPE_API int64_t pinpipe_report_rejected(const pinpipe_report *report);

/** Rows that a rule of the profile left out. */
PINPIPE_API int64_t pinpipe_report_dropped(const pinpipe_report *report);

/** Hits of rule `index` of pinpipe_rule_at, or of pinpipe_profile_at where the decoder had a profile; 0 for
 * an unknown index. */
PINPIPE_API int64_t pinpipe_report_hits(const pinpipe_report *report, int32_t index);

/** One value that a rule met and could not take. `count` is exact as long as a column has shown at most 16
 * such values; beyond that it may be too high by up to `surplus` (Space-Saving: Metwally, Agrawal, El Abbadi
 * 2005). */
typedef struct pinpipe_dirty_value {
    uint32_t struct_size;
    int32_t rule;        /* index of the rule */
    int64_t count;       /* how often it came */
    int64_t surplus;     /* by how much that may be too high */
    int64_t value_bytes; /* of the whole value; `value` holds at most the first 64 */
    pinpipe_str value; /* a text as it was, or JSON of another kind; lives as long as the report is not fed */
} pinpipe_dirty_value;

#define PINPIPE_DIRTY_VALUE_INIT                                                                             \
    {                                                                                                        \
        (uint32_t)sizeof(pinpipe_dirty_value), 0, 0, 0, 0, {                                                 \
            NULL, 0                                                                                          \
        }                                                                                                    \
    }

/** How many values the report names: the most frequent that were of a wrong type, out of range or not to be
 * read, by column, the most frequent first; markers and empty texts are not among them, for their rules say
 * what they are. */
PINPIPE_API int64_t pinpipe_report_value_count(const pinpipe_report *report);
/** Fills `out` with value `index`, from 0 and below the count. Errors: EINVAL unknown index. */
PINPIPE_API pinpipe_status pinpipe_report_value_at(pinpipe_dirty_value *out, const pinpipe_report *report,
                                                   int64_t index, pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Rejects that are held. */
PINPIPE_API int64_t pinpipe_report_reject_count(const pinpipe_report *report);
/** Fills `out` with reject `index`, from 0 and below the count. Errors: EINVAL unknown index. */
PINPIPE_API pinpipe_status pinpipe_report_reject_at(pinpipe_reject *out, const pinpipe_report *report,
                                                    int64_t index, pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Appends the held rejects to `out` as NDJSON: index, byte_offset, data_bytes, source where there is one,
 * reason, data_b64. */
PINPIPE_API pinpipe_status pinpipe_report_encode_rejects(pinpipe_buf *out, const pinpipe_report *report,
                                                         pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Lets the held rejects go, to bound the memory of a long run; counts stay. */
PINPIPE_API void pinpipe_report_clear_rejects(pinpipe_report *report);

PINPIPE_END_DECLS

#endif
