/* Turns raw NDJSON into columns, those into NDJSON or CSV, and prints what the second step cost as a line of
 * JSON. Never counts the decoding: the columns of one pass are held, and written several times into one
 * reused buffer. Rules: DESIGN §5 ("Speed"); the first round grows the buffer and is told apart. */
#include "measure.h"

#define ROUNDS 5

static pinpipe_table *table_of(int32_t record, int32_t shape, pinpipe_str bytes) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    pinpipe_decoder *decoder = NULL;
    pinpipe_batch *batch = NULL;
    pinpipe_report *report = NULL;
    pinpipe_table *table = NULL;
    options.record = record;
    options.shape = shape;
    options.format = PINPIPE_FORMAT_NDJSON;
    require(pinpipe_decoder_new(&decoder, &options, &err), &err);
    require(pinpipe_batch_new(&batch, record, shape, &err), &err);
    require(pinpipe_report_new(&report, record, shape, &err), &err);
    require(pinpipe_table_new(&table, record, shape, &err), &err);
    for (size_t at = 0; at < bytes.len;) {
        int64_t taken = 0;
        pinpipe_str rest = {bytes.ptr + at, bytes.len - at};
        require(pinpipe_decoder_feed(&taken, decoder, batch, rest, report, &err), &err);
        at += (size_t)taken;
        require(pinpipe_table_append(table, batch, &err), &err);
    }
    pinpipe_status status = PINPIPE_AGAIN;
    while (status == PINPIPE_AGAIN) {
        status = pinpipe_decoder_finish(decoder, batch, report, &err);
        require(status, &err);
        require(pinpipe_table_append(table, batch, &err), &err);
    }
    pinpipe_report_free(report);
    pinpipe_batch_free(batch);
    pinpipe_decoder_free(decoder);
    return table;
}

/* CPU seconds of writing the whole table once. */
static double round_of(int64_t *written, pinpipe_buf *out, const pinpipe_table *table, int32_t format) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    double before = measure().cpu_s;
    *written = 0;
    for (int64_t i = 0; i < pinpipe_table_batches(table); i++) {
        pinpipe_batch *view = NULL;
        require(pinpipe_table_at(&view, table, i, &err), &err);
        out->len = 0;
        require(pinpipe_batch_encode(out, view, format, &err), &err);
        *written += (int64_t)out->len;
        pinpipe_batch_free(view);
    }
    return measure().cpu_s - before;
}

int main(int count, char **arguments) {
    if (count != 5) {
        fprintf(stderr, "usage: encode pin|geo|user FILE clean|raw ndjson|csv\n");
        return 2;
    }
    int32_t shape = strcmp(arguments[3], "raw") == 0 ? PINPIPE_RAW : PINPIPE_CLEAN;
    int32_t format = strcmp(arguments[4], "csv") == 0 ? PINPIPE_FORMAT_CSV : PINPIPE_FORMAT_NDJSON;
    pinpipe_str bytes = file_bytes(arguments[2]);
    pinpipe_table *table = table_of(record_of(arguments[1]), shape, bytes);
    pinpipe_buf out = PINPIPE_BUF_INIT;
    int64_t written = 0;
    printf("{\"rows\": %lld, \"rounds_s\": [", (long long)pinpipe_table_rows(table));
    for (int i = 0; i < ROUNDS; i++) {
        printf("%s%.6f", i ? ", " : "", round_of(&written, &out, table, format));
    }
    printf("], \"bytes\": %lld}\n", (long long)written);
    pinpipe_buf_reset(&out);
    pinpipe_table_free(table);
    free((void *)(uintptr_t)bytes.ptr);
    return 0;
}
