/* Turns any bytes into runs of the decoder: every record type, both shapes, every format, cut at any byte.
 * Never accepts a lost record: rows and rejects add up, and a cut input gives the rows of the whole one.
 * Rules: CONTRACT §4; the first two bytes of an input choose record, shape, format and the length of a cut.
 */
#include "fuzz.h"

#include <string.h>

#include <pinpipe/pinpipe.h>

/* Small, so that a few records fill a batch and rejects of size show up in short inputs. */
#define BATCH_ROWS 3
#define RECORD_BYTES 4096

typedef struct decoding {
    pinpipe_decoder_options options;
    int64_t piece_bytes;
    pinpipe_status status; /* of the call that ended the run */
    int64_t rows;
    int64_t records;
    int64_t rejected;
    pinpipe_buf text; /* all rows as NDJSON */
} decoding;

static void take_rows(decoding *run, pinpipe_batch *batch) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    run->rows += pinpipe_batch_rows(batch);
    REQUIRE(pinpipe_batch_rows(batch) <= BATCH_ROWS);
    REQUIRE(pinpipe_batch_encode(&run->text, batch, PINPIPE_FORMAT_NDJSON, &err) >= 0);
    if (run->piece_bytes % 2 == 0) {
        pinpipe_batch_clear(batch);
        return;
    }
    struct ArrowArray array;
    memset(&array, 0, sizeof array);
    int64_t rows = pinpipe_batch_rows(batch);
    REQUIRE(pinpipe_batch_export(&array, batch, &err) == PINPIPE_OK);
    REQUIRE(array.length == rows);
    REQUIRE(pinpipe_batch_rows(batch) == 0);
    array.release(&array);
}

static pinpipe_status feed_all(decoding *run, pinpipe_decoder *decoder, pinpipe_batch *batch,
                               pinpipe_report *report, pinpipe_str bytes) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    size_t at = 0;
    while (at < bytes.len) {
        size_t len = bytes.len - at;
        if (run->piece_bytes > 0 && (size_t)run->piece_bytes < len) {
            len = (size_t)run->piece_bytes;
        }
        int64_t taken = 0;
        pinpipe_str piece = {bytes.ptr + at, len};
        pinpipe_status status = pinpipe_decoder_feed(&taken, decoder, batch, piece, report, &err);
        if (status < 0) {
            return status;
        }
        REQUIRE(taken >= 0 && (size_t)taken <= len);
        REQUIRE((size_t)taken == len || pinpipe_batch_rows(batch) > 0);
        if ((size_t)taken < len) {
            take_rows(run, batch);
        }
        at += (size_t)taken;
    }
    for (;;) {
        pinpipe_status status = pinpipe_decoder_finish(decoder, batch, report, &err);
        REQUIRE(status != PINPIPE_AGAIN || pinpipe_batch_rows(batch) > 0);
        if (status != PINPIPE_AGAIN) {
            return status;
        }
        take_rows(run, batch);
    }
}

static void decode(decoding *run, pinpipe_str bytes) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_decoder *decoder = NULL;
    pinpipe_batch *batch = NULL;
    pinpipe_report *report = NULL;
    int32_t record = run->options.record, shape = run->options.shape;
    REQUIRE(pinpipe_decoder_new(&decoder, &run->options, &err) == PINPIPE_OK);
    REQUIRE(pinpipe_batch_new(&batch, record, shape, &err) == PINPIPE_OK);
    REQUIRE(pinpipe_report_new(&report, record, shape, &err) == PINPIPE_OK);
    run->status = feed_all(run, decoder, batch, report, bytes);
    if (run->status >= 0) {
        take_rows(run, batch);
    }
    run->records = pinpipe_report_records(report);
    run->rejected = pinpipe_report_rejected(report);
    pinpipe_buf rejects = PINPIPE_BUF_INIT;
    REQUIRE(pinpipe_report_encode_rejects(&rejects, report, &err) >= 0);
    pinpipe_buf_reset(&rejects);
    pinpipe_report_free(report);
    pinpipe_batch_free(batch);
    pinpipe_decoder_free(decoder);
}

static void require_same(const decoding *whole, const decoding *cut) {
    REQUIRE((whole->status < 0) == (cut->status < 0));
    if (whole->status < 0) {
        return;
    }
    REQUIRE(whole->records == cut->records);
    REQUIRE(whole->rejected == cut->rejected);
    REQUIRE(whole->rows == cut->rows);
    REQUIRE(whole->text.len == cut->text.len);
    REQUIRE(whole->text.len == 0 || memcmp(whole->text.ptr, cut->text.ptr, whole->text.len) == 0);
}

/* Raw rows written out and read again are the same rows. */
static void require_identity(const decoding *first) {
    decoding again = {first->options, 0, PINPIPE_OK, 0, 0, 0, PINPIPE_BUF_INIT};
    again.options.format = PINPIPE_FORMAT_NDJSON;
    again.options.max_record_bytes = 0; /* escapes and spelled-out nulls may make a line longer */
    pinpipe_str text = {first->text.ptr, first->text.len};
    decode(&again, text);
    REQUIRE(again.rejected == 0);
    REQUIRE(again.rows == first->rows);
    REQUIRE(again.text.len == first->text.len);
    REQUIRE(again.text.len == 0 || memcmp(again.text.ptr, first->text.ptr, again.text.len) == 0);
    pinpipe_buf_reset(&again.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) {
        return 0;
    }
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    options.record = data[0] % 3;
    options.shape = data[0] / 3 % 2 ? PINPIPE_RAW : PINPIPE_CLEAN;
    options.format = data[0] / 6 % 9;
    options.batch_rows = BATCH_ROWS;
    options.max_record_bytes = RECORD_BYTES;
    pinpipe_str bytes = {(const char *)data + 2, size - 2};
    decoding whole = {options, 0, PINPIPE_OK, 0, 0, 0, PINPIPE_BUF_INIT};
    decoding cut = {options, data[1] + 1, PINPIPE_OK, 0, 0, 0, PINPIPE_BUF_INIT};
    decode(&whole, bytes);
    decode(&cut, bytes);
    REQUIRE(whole.status >= 0 || whole.status == PINPIPE_EDATA);
    if (whole.status >= 0) {
        REQUIRE(whole.records == whole.rows + whole.rejected);
    }
    require_same(&whole, &cut);
    if (whole.status >= 0 && options.shape == PINPIPE_RAW) {
        require_identity(&whole);
    }
    pinpipe_buf_reset(&whole.text);
    pinpipe_buf_reset(&cut.text);
    return 0;
}
