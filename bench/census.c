/* Turns raw NDJSON into one line of JSON: nanoseconds a row of statistics, of the built-in expectations, and
 * of the decoding beside them. Never times anything but CPU, the least of several rounds over batches in
 * memory. Rules: DESIGN §5 ("Speed"); docs/census.md quotes a run. */
#include "measure.h"

#define ROUNDS 7

typedef struct costs {
    double decode_s;
    double statistics_s;
    double expectations_s;
    int64_t rows;
} costs;

static void batch_count(costs *out, pinpipe_statistics *statistics, pinpipe_expectations *expectations,
                        pinpipe_batch *batch, bool is_clean) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    double start = measure().cpu_s;
    require(pinpipe_statistics_add(statistics, batch, &err), &err);
    double middle = measure().cpu_s;
    if (is_clean) {
        require(pinpipe_expectations_add(expectations, batch, &err), &err);
    }
    out->statistics_s += middle - start;
    out->expectations_s += measure().cpu_s - middle;
    out->rows += pinpipe_batch_rows(batch);
    pinpipe_batch_clear(batch);
}

static costs round_run(int32_t record, int32_t shape, pinpipe_str bytes) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    pinpipe_decoder *decoder = NULL;
    pinpipe_batch *batch = NULL;
    pinpipe_report *report = NULL;
    pinpipe_statistics *statistics = NULL;
    pinpipe_expectations *expectations = NULL;
    costs out = {0, 0, 0, 0};
    options.record = record;
    options.shape = shape;
    options.format = PINPIPE_FORMAT_NDJSON;
    require(pinpipe_decoder_new(&decoder, &options, &err), &err);
    require(pinpipe_batch_new(&batch, record, shape, &err), &err);
    require(pinpipe_report_new(&report, record, shape, &err), &err);
    require(pinpipe_statistics_new(&statistics, record, shape, &err), &err);
    require(pinpipe_expectations_new(&expectations, (pinpipe_str){"course", 6}, &err), &err);
    bool is_clean = shape == PINPIPE_CLEAN;
    double start = measure().cpu_s;
    for (size_t at = 0; at < bytes.len;) {
        int64_t taken = 0;
        pinpipe_str rest = {bytes.ptr + at, bytes.len - at};
        require(pinpipe_decoder_feed(&taken, decoder, batch, rest, report, &err), &err);
        at += (size_t)taken;
        batch_count(&out, statistics, expectations, batch, is_clean);
    }
    while (pinpipe_decoder_finish(decoder, batch, report, &err) == PINPIPE_AGAIN) {
        batch_count(&out, statistics, expectations, batch, is_clean);
    }
    batch_count(&out, statistics, expectations, batch, is_clean);
    out.decode_s = measure().cpu_s - start - out.statistics_s - out.expectations_s;
    pinpipe_expectations_free(expectations);
    pinpipe_statistics_free(statistics);
    pinpipe_report_free(report);
    pinpipe_batch_free(batch);
    pinpipe_decoder_free(decoder);
    return out;
}

int main(int count, char **arguments) {
    if (count != 4 || (strcmp(arguments[2], "raw") != 0 && strcmp(arguments[2], "clean") != 0)) {
        fprintf(stderr, "usage: census pin|geo|user raw|clean FILE\n");
        return 2;
    }
    int32_t record = record_of(arguments[1]);
    int32_t shape = strcmp(arguments[2], "raw") == 0 ? PINPIPE_RAW : PINPIPE_CLEAN;
    pinpipe_str bytes = file_bytes(arguments[3]);
    costs best = round_run(record, shape, bytes);
    for (int32_t i = 1; i < ROUNDS; i++) {
        costs next = round_run(record, shape, bytes);
        best.decode_s = next.decode_s < best.decode_s ? next.decode_s : best.decode_s;
        best.statistics_s = next.statistics_s < best.statistics_s ? next.statistics_s : best.statistics_s;
        best.expectations_s =
            next.expectations_s < best.expectations_s ? next.expectations_s : best.expectations_s;
    }
    double ns = 1e9 / (double)(best.rows ? best.rows : 1);
    printf("{\"rows\": %lld, \"decode_ns\": %.1f, \"statistics_ns\": %.1f, \"expectations_ns\": %.1f}\n",
           (long long)best.rows, best.decode_s * ns, best.statistics_s * ns, best.expectations_s * ns);
    return 0;
}
