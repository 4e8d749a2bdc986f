/* The inside of a decoder, shared by its roads: bytes, payloads, rows, Arrow.
 * Never holds a batch or a report between calls.
 * Rules: DESIGN §2, "The way of the data". */
#ifndef PP_CLEAN_DECODER_H
#define PP_CLEAN_DECODER_H

#include "base/buffer.h"
#include "clean/fast.h"
#include "clean/plan.h"
#include "clean/profile.h"
#include "codec/cells.h"
#include "codec/csv_record.h"
#include "codec/splitter.h"
#include "record/columns.h"
#include "record/report.h"

#define PP_MAX_RECORD_BYTES_DEFAULT ((int64_t)16 << 20)
#define PP_MAX_RECORD_BYTES_LIMIT ((int64_t)256 << 20)
#define PP_BATCH_ROWS_DEFAULT ((int64_t)16384)
/** Input after which a batch is full where its rows are not asked for: its columns then stay in a core's
 * second cache while they are filled and read. */
#define PP_BATCH_INPUT_BYTES_DEFAULT ((int64_t)2 << 20)
#define PP_BATCH_ROWS_LIMIT ((int64_t)1 << 24)
/** Input after which a batch is full whatever its rows: keeps text offsets far below 2^31. */
#define PP_BATCH_INPUT_BYTES_MAX ((int64_t)512 << 20)

/** A record's bytes in the input. `len` may be less than `total`: then the record is too large. */
typedef struct pp_record_text {
    const char *text;
    size_t len;
    int64_t total;
    int64_t byte_offset;
} pp_record_text;

struct pinpipe_decoder {
    pinpipe_profile *profile; /* held; the plan borrows its texts. NULL = the default */
    pp_plan plan;
    pp_fields fields;
    int32_t format;              /* as asked for */
    const pp_envelope *envelope; /* in which every record of this input lies; NULL = none */
    int64_t max_record_bytes;
    int64_t batch_rows;
    int64_t batch_input_bytes;

    /* one input, from its first byte to finish */
    pp_splitter splitter;
    bool is_decided;     /* the splitter's format is known, and a byte order mark passed over */
    bool has_header;     /* CSV */
    bool is_partial;     /* a record has begun and not ended */
    bool is_aside;       /* the partial record is a part of a body that is no record */
    const char *fault;   /* why the partial record cannot stand where it does */
    int64_t byte_offset; /* of the next byte */
    int64_t record_offset;
    int64_t record_total; /* bytes of the partial record, kept or not */
    int64_t record_index;
    pinpipe_buf carry;   /* the partial record */
    pinpipe_buf pending; /* input that waits for the format's decision, then for the batch */
    size_t pending_at;

    pp_fast fast;
    pp_csv_header header;
    pp_record_cells cells;
    pinpipe_buf scratch;
    pinpipe_buf decoded[2]; /* texts out of base64 or JSON strings: one is read, the other is written */
};

bool pp_decoder_is_full(const pinpipe_decoder *decoder, const pp_columns *columns);

/** Bytes that the ops may add to the text of `rows` records in one column. */
static inline int64_t pp_decoder_growth(const pinpipe_decoder *decoder, int64_t rows) {
    return rows * decoder->plan.growth_bytes;
}

/** Checks that batch and report fit the decoder and opens the batch's columns. */
pinpipe_status pp_decoder_open(pp_columns **out, const pinpipe_decoder *decoder, pinpipe_batch *batch,
                               const pinpipe_report *report, pinpipe_error *err);

/** Reads one line of NDJSON by the fast road; false where it is not for it. PP_FAST_PADDING readable bytes
 * follow the line end, and the columns have room. */
bool pp_decoder_take_line(pinpipe_decoder *decoder, pp_columns *columns, pinpipe_str line,
                          pinpipe_report *report);

/** Reads a record's text into decoder->cells, out of whatever it is wrapped in. `text[len]` is a control byte
 * or the record's strings are closed; the scratch has room for `len` bytes. Errors: ENOMEM. Where `is_read`
 * is false, `fault` says why. */
pinpipe_status pp_decoder_read(bool *is_read, pp_fault *fault, pinpipe_decoder *decoder, pinpipe_str text,
                               pinpipe_error *err);

/** Runs the ops over decoder->cells; a record without a key goes to the rejects with `source` as its bytes.
 * The columns have room. */
pinpipe_status pp_decoder_accept(pinpipe_decoder *decoder, pp_columns *columns, const pp_record_text *source,
                                 pinpipe_report *report, pinpipe_error *err);

pinpipe_status pp_decoder_reject(pinpipe_decoder *decoder, const pp_fault *fault,
                                 const pp_record_text *source, pinpipe_report *report, pinpipe_error *err);

#endif
