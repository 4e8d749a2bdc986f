/* Turns a GetRecords answer in memory into one line of JSON: CPU seconds of reading it and of cleaning its
 * records, and allocations. Never counts the copy that gives each round the answer as it came. Rules: DESIGN
 * §5
 * ("Speed"); issue on Kinesis: 2,000 records of 600 bytes. */
#include "base/buffer.h"
#include "counting.h"
#include "kinesis/records.h"
#include "measure.h"

typedef struct figures {
    double read_s, clean_s;
    int64_t records, rows, allocations;
} figures;

static void round_run(figures *to, pinpipe_kinesis_batch *answer, pinpipe_str body, pinpipe_decoder *decoder,
                      pinpipe_batch *batch, pinpipe_report *report) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    memcpy(answer->answer.ptr, body.ptr, body.len);
    answer->answer.len = body.len;
    int64_t allocations_before = allocations;
    double begun = measure().cpu_s;
    require(pp_kinesis_batch_read(answer, PINPIPE_KINESIS_JSON, &err), &err);
    double read = measure().cpu_s;
    for (int64_t i = 0; i < answer->count; i++) {
        require(pinpipe_decoder_feed_record(decoder, batch, answer->items[i].data, report, &err), &err);
    }
    double cleaned = measure().cpu_s;
    to->read_s += read - begun;
    to->clean_s += cleaned - read;
    to->records += answer->count;
    to->rows += pinpipe_batch_rows(batch);
    to->allocations += allocations - allocations_before;
    pinpipe_batch_clear(batch);
}

int main(int argc, char **argv) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_decoder *decoder = NULL;
    pinpipe_batch *batch = NULL;
    pinpipe_report *report = NULL;
    pinpipe_kinesis_batch *answer = NULL;
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    if (argc != 4) {
        fprintf(stderr, "usage: kinesis_read KIND ANSWER ROUNDS\n");
        return 2;
    }
    pinpipe_library_options library = PINPIPE_LIBRARY_OPTIONS_INIT;
    library.realloc_bytes = counted_realloc;
    library.free_bytes = counted_free;
    require(pinpipe_library_configure(&library, &err), &err);
    options.record = record_of(argv[1]);
    pinpipe_str body = file_bytes(argv[2]);
    long rounds = strtol(argv[3], NULL, 10);
    require(pinpipe_decoder_new(&decoder, &options, &err), &err);
    require(pinpipe_batch_new(&batch, options.record, PINPIPE_CLEAN, &err), &err);
    require(pinpipe_report_new(&report, options.record, PINPIPE_CLEAN, &err), &err);
    require(pinpipe_kinesis_batch_new(&answer, &err), &err);
    require(pp_buf_reserve(&answer->answer, body.len + 64, PP_BUF_MAX, &err), &err);
    figures total = {0};
    for (long i = 0; i < 3; i++) { /* what is allocated once */
        round_run(&total, answer, body, decoder, batch, report);
    }
    total = (figures){0};
    for (long i = 0; i < rounds; i++) {
        round_run(&total, answer, body, decoder, batch, report);
    }
    printf(
        "{\"read_s\": %.9f, \"clean_s\": %.9f, \"records\": %lld, \"rows\": %lld, \"allocations\": %lld}\n",
        total.read_s / (double)rounds, total.clean_s / (double)rounds, (long long)(total.records / rounds),
        (long long)(total.rows / rounds), (long long)total.allocations);
    pinpipe_kinesis_batch_free(answer);
    pinpipe_report_free(report);
    pinpipe_batch_free(batch);
    pinpipe_decoder_free(decoder);
    free((void *)(uintptr_t)body.ptr);
    return 0;
}
