/* Turns a file of raw pin records (NDJSON, JSON or CSV) into clean NDJSON on stdout.
 * Never holds more than a piece of the file and a batch of rows; never hides a rejected record.
 * Rules: CONTRACT §4. Build: cc clean_file.c $(pkg-config --cflags --libs pinpipe) */
#include <stdio.h>

#include <pinpipe/pinpipe.h>

static pinpipe_status print_rows(pinpipe_batch *batch, pinpipe_error *err) {
    pinpipe_buf text = PINPIPE_BUF_INIT;
    pinpipe_status status = pinpipe_batch_encode(&text, batch, PINPIPE_FORMAT_NDJSON, err);
    fwrite(text.ptr, 1, text.len, stdout);
    pinpipe_buf_reset(&text);
    pinpipe_batch_clear(batch);
    return status;
}

int main(int count, char **arguments) {
    static char bytes[1 << 16];
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    pinpipe_decoder *decoder = NULL;
    pinpipe_batch *batch = NULL;
    pinpipe_report *report = NULL;
    pinpipe_status status = PINPIPE_EIO;
    FILE *file = count == 2 ? fopen(arguments[1], "rb") : NULL;
    if (!file || (status = pinpipe_decoder_new(&decoder, &options, &err)) < 0 ||
        (status = pinpipe_batch_new(&batch, PINPIPE_PIN, PINPIPE_CLEAN, &err)) < 0 ||
        (status = pinpipe_report_new(&report, PINPIPE_PIN, PINPIPE_CLEAN, &err)) < 0)
        goto out;
    for (size_t len; status >= 0 && (len = fread(bytes, 1, sizeof bytes, file)) > 0;)
        for (int64_t at = 0, taken = 0; status >= 0 && at < (int64_t)len; at += taken) {
            pinpipe_str rest = {bytes + at, len - (size_t)at};
            if ((status = pinpipe_decoder_feed(&taken, decoder, batch, rest, report, &err)) >= 0)
                status = print_rows(batch, &err);
        }
    for (bool again = true; again && status >= 0;) {
        again = (status = pinpipe_decoder_finish(decoder, batch, report, &err)) == PINPIPE_AGAIN;
        status = status >= 0 ? print_rows(batch, &err) : status;
    }
    fprintf(stderr, "%lld records, %lld rejected\n", (long long)pinpipe_report_records(report),
            (long long)pinpipe_report_rejected(report));
out:
    if (status < 0)
        fprintf(stderr, "%s: %s\n", pinpipe_status_text(status), err.message);
    if (file)
        fclose(file);
    pinpipe_report_free(report);
    pinpipe_batch_free(batch);
    pinpipe_decoder_free(decoder);
    return status < 0;
}
