/* Bytes, rows and Arrow arrays in; cleaned or raw columns out; columns back to text.
 * Never touches a file, a socket or a clock; never drops, reorders or de-duplicates a readable record unless
 * asked. Rules: CONTRACT §4; every rule is a row of pinpipe_rule_at. */
#ifndef PINPIPE_DECODE_H
#define PINPIPE_DECODE_H

#include "batch.h"
#include "profile.h"

PINPIPE_BEGIN_DECLS

/** How records stand in the input, or are written to the output. */
typedef enum pinpipe_format {
    PINPIPE_FORMAT_AUTO = 0,   /* decoders only: decided by the first bytes */
    PINPIPE_FORMAT_NDJSON = 1, /* an object a line */
    PINPIPE_FORMAT_JSON = 2,   /* an array of objects, or objects one after the other, over any lines */
    PINPIPE_FORMAT_CSV = 3,    /* RFC 4180 with a header line; nothing = null, "" = empty text */
    PINPIPE_FORMAT_KAFKA_REST =
        4, /* decoders only, as are the following: consumer records; the record is `value` */
    PINPIPE_FORMAT_KINESIS = 5,    /* source rows, JSON or CSV; the record is `data`, base64 or JSON */
    PINPIPE_FORMAT_CONNECT = 6,    /* Connect's envelope; the record is `payload` */
    PINPIPE_FORMAT_RECORDS = 7,    /* bodies with a list `records`; the record is `value` or `data` of each */
    PINPIPE_FORMAT_FILESTREAM = 8, /* {ind=1, country=Albania}, as Connect's FileStreamSink writes maps */
} pinpipe_format;

/** Whether later records of one key are kept. */
typedef enum pinpipe_dedupe {
    PINPIPE_DEDUPE_NONE = 0,
    PINPIPE_DEDUPE_IND =
        1, /* the first record of each key stays; later ones with other content are conflicts */
    PINPIPE_DEDUPE_ROW = 2, /* the first of equal rows stays */
} pinpipe_dedupe;

/** Zero in a field means its default. */
typedef struct pinpipe_decoder_options {
    uint32_t struct_size;
    int32_t record;           /* a pinpipe_record */
    int32_t shape;            /* a pinpipe_shape */
    int32_t format;           /* a pinpipe_format */
    int64_t max_record_bytes; /* 0 = 16 MiB, at most 256 MiB; larger records are rejected */
    int64_t batch_rows;       /* rows at which a batch is full; 0 = 16384, or 2 MiB of input */
    pinpipe_profile *profile; /* of a clean shape; NULL = "course". The decoder holds it */
} pinpipe_decoder_options;

#define PINPIPE_DECODER_OPTIONS_INIT                                                                         \
    { (uint32_t)sizeof(pinpipe_decoder_options), PINPIPE_PIN, PINPIPE_CLEAN, PINPIPE_FORMAT_AUTO, 0, 0, NULL }

/** Turns bytes into rows: one input after the other, one thread at a time. */
typedef struct pinpipe_decoder pinpipe_decoder;

/** Makes a decoder; `options` NULL = defaults: pins, clean. Owns: the caller frees it. Errors: EINVAL an
 * option is unknown or beyond its limit, ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_decoder_new(pinpipe_decoder **out, const pinpipe_decoder_options *options,
                                               pinpipe_error *err) PINPIPE_MUST_CHECK;
/** Frees the decoder; NULL is allowed. */
PINPIPE_API void pinpipe_decoder_free(pinpipe_decoder *decoder);

/** Reads a piece of the input, cut anywhere, and appends its records to `batch`. Takes all of `bytes` unless
 * the batch gets full: then `taken_bytes` says how many, and the caller comes back with the rest and an
 * emptied batch. Returns PARTIAL when the report got rejects. Errors: ENOMEM; ELIMIT the report holds 1 GiB
 * of rejects; EDATA the format cannot be told, or a CSV header names none of the record's columns. */
PINPIPE_API pinpipe_status pinpipe_decoder_feed(int64_t *taken_bytes, pinpipe_decoder *decoder,
                                                pinpipe_batch *batch, pinpipe_str bytes,
                                                pinpipe_report *report,
                                                pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Ends the input: reads a last record without line end. AGAIN: the batch is full, come back with it emptied.
 * The decoder is then ready for another input. */
PINPIPE_API pinpipe_status pinpipe_decoder_finish(pinpipe_decoder *decoder, pinpipe_batch *batch,
                                                  pinpipe_report *report,
                                                  pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Reads a whole input to the end of `table`; `options` NULL = defaults. NDJSON is shared by `threads`
 * threads (1 to 64, the caller's own is one of them); rows and rejects stay in the order of the input;
 * another format is read by one. Returns PARTIAL when the report got rejects. Errors: EINVAL, ENOMEM, as
 * feed; the table is then as before. */
PINPIPE_API pinpipe_status pinpipe_table_decode(pinpipe_table *table, const pinpipe_decoder_options *options,
                                                pinpipe_str bytes, int32_t threads, pinpipe_report *report,
                                                pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Reads one payload that is one JSON record, such as the value of a Kafka message. */
PINPIPE_API pinpipe_status pinpipe_decoder_feed_record(pinpipe_decoder *decoder, pinpipe_batch *batch,
                                                       pinpipe_str payload, pinpipe_report *report,
                                                       pinpipe_error *err) PINPIPE_MUST_CHECK;

/** What a cell holds. */
typedef enum pinpipe_cell_kind {
    PINPIPE_CELL_NULL = 0,
    PINPIPE_CELL_TEXT = 1,
    PINPIPE_CELL_I64 = 2,
    PINPIPE_CELL_F64 = 3,
    PINPIPE_CELL_TIME_US = 4, /* microseconds UTC */
    PINPIPE_CELL_MISSING = 5, /* the row has no such column */
    PINPIPE_CELL_OTHER = 6,   /* a value that no column takes */
} pinpipe_cell_kind;

/** One value of a row that comes from a database or a program. */
typedef struct pinpipe_cell {
    int32_t kind; /* a pinpipe_cell_kind */
    int32_t reserved;
    int64_t i64;     /* of I64 and TIME_US */
    double f64;      /* of F64 */
    pinpipe_str str; /* of TEXT; borrowed for the time of the call */
} pinpipe_cell;

/** Appends one row; `cells` has a cell for each raw column, in the raw shape's order. Errors: EINVAL another
 * number of cells. */
PINPIPE_API pinpipe_status pinpipe_decoder_feed_row(pinpipe_decoder *decoder, pinpipe_batch *batch,
                                                    const pinpipe_cell *cells, int64_t count,
                                                    pinpipe_report *report,
                                                    pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Appends the rows of an Arrow struct array from `first_row` on; columns are found by name. Stops when the
 * batch is full: `taken_rows` says how many rows were read. Text may be string, large_string or dictionary of
 * them; numbers any integer or float; timestamps any unit or text. The array stays the caller's. Errors:
 * EDATA a column has a type that no rule reads. */
PINPIPE_API pinpipe_status pinpipe_decoder_feed_arrow(int64_t *taken_rows, pinpipe_decoder *decoder,
                                                      pinpipe_batch *batch, const struct ArrowSchema *schema,
                                                      const struct ArrowArray *array, int64_t first_row,
                                                      pinpipe_report *report,
                                                      pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Appends the batch's rows to `out` as NDJSON or CSV (without header: see pinpipe_schema_render). */
PINPIPE_API pinpipe_status pinpipe_batch_encode(pinpipe_buf *out, const pinpipe_batch *batch, int32_t format,
                                                pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Appends each row to `out` as one JSON object, with nothing between them. `offsets` has room for one more
 * than the rows: where in `out` each begins, and where the last ends. */
PINPIPE_API pinpipe_status pinpipe_batch_encode_values(pinpipe_buf *out, int64_t *offsets,
                                                       const pinpipe_batch *batch,
                                                       pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Remembers keys or rows over all batches of a run. Memory: about 40 bytes a distinct key or row. */
typedef struct pinpipe_dedup pinpipe_dedup;

/** Makes one that remembers nothing yet; `mode` is a pinpipe_dedupe. Owns: the caller frees it. Errors:
 * EINVAL another mode, ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_dedup_new(pinpipe_dedup **out, int32_t mode,
                                             pinpipe_error *err) PINPIPE_MUST_CHECK;
/** Frees what it remembers; NULL is allowed. */
PINPIPE_API void pinpipe_dedup_free(pinpipe_dedup *dedup);

/** Takes out of `batch` what an earlier row stands for; order stays. Errors: ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_dedup_clean(pinpipe_dedup *dedup, pinpipe_batch *batch,
                                               pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Rows taken out. */
PINPIPE_API int64_t pinpipe_dedup_duplicates(const pinpipe_dedup *dedup);
/** Of the rows taken out, those that had other content than the row that stayed. */
PINPIPE_API int64_t pinpipe_dedup_conflicts(const pinpipe_dedup *dedup);

PINPIPE_END_DECLS

#endif
