/* Turns raw NDJSON into one line of JSON: how many records were read, and how many of them by the fast road.
 * Never measures time; it looks into the decoder, which an outside program cannot.
 * Rules: decoder.md §5.4: count the records that leave the fast road. */
#include "clean/decoder.h"

#include "measure.h"

int main(int count, char **arguments) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    pinpipe_decoder *decoder = NULL;
    pinpipe_batch *batch = NULL;
    pinpipe_report *report = NULL;
    if (count != 3) {
        fprintf(stderr, "usage: roads pin|geo|user FILE\n");
        return 2;
    }
    options.record = record_of(arguments[1]);
    options.format = PINPIPE_FORMAT_NDJSON;
    pinpipe_str bytes = file_bytes(arguments[2]);
    require(pinpipe_decoder_new(&decoder, &options, &err), &err);
    require(pinpipe_batch_new(&batch, options.record, options.shape, &err), &err);
    require(pinpipe_report_new(&report, options.record, options.shape, &err), &err);
    for (size_t at = 0; at < bytes.len;) {
        int64_t taken = 0;
        pinpipe_str rest = {bytes.ptr + at, bytes.len - at};
        require(pinpipe_decoder_feed(&taken, decoder, batch, rest, report, &err), &err);
        at += (size_t)taken;
        pinpipe_batch_clear(batch);
    }
    pinpipe_status status = PINPIPE_AGAIN;
    while (status == PINPIPE_AGAIN) {
        status = pinpipe_decoder_finish(decoder, batch, report, &err);
        require(status, &err);
        pinpipe_batch_clear(batch);
    }
    printf("{\"records\": %lld, \"fast\": %lld}\n", (long long)pinpipe_report_records(report),
           (long long)decoder->fast.rows);
    pinpipe_report_free(report);
    pinpipe_batch_free(batch);
    pinpipe_decoder_free(decoder);
    free((void *)(uintptr_t)bytes.ptr);
    return 0;
}
