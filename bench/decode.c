/* Turns raw NDJSON into one line of JSON: CPU seconds, page faults, peak memory, rows and allocations of
 * cleaning. Never keeps more than the named mode does: `batches` reads the file by read() into one reused
 * buffer. Rules: DESIGN §5 ("Speed"): CPU per byte beside a peer in the same run, and counts. */
#include <fcntl.h>
#include <unistd.h>

#include "counting.h"
#include "measure.h"

#define CHUNK_BYTES (1 << 20)
#define WARM_BATCHES 4

typedef struct decoding {
    pinpipe_decoder *decoder;
    pinpipe_batch *batch;
    pinpipe_report *report;
    pinpipe_table *table; /* NULL: batches are emptied and reused */
    pinpipe_dedup *dedup; /* NULL: none */
    double dedup_s;
    int64_t rows;
    int64_t warm_allocations; /* when WARM_BATCHES were full */
    int64_t warm_rows;
    int64_t batches;
} decoding;

static void batch_done(decoding *job) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    if (job->dedup) {
        double before = measure().cpu_s;
        require(pinpipe_dedup_clean(job->dedup, job->batch, &err), &err);
        job->dedup_s += measure().cpu_s - before;
    }
    job->rows += pinpipe_batch_rows(job->batch);
    if (job->table) {
        require(pinpipe_table_append(job->table, job->batch, &err), &err);
    } else {
        pinpipe_batch_clear(job->batch);
    }
    if (++job->batches == WARM_BATCHES) {
        job->warm_allocations = allocations;
        job->warm_rows = job->rows;
    }
}

static void feed(decoding *job, const char *bytes, size_t len) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    for (size_t at = 0; at < len;) {
        int64_t taken = 0;
        pinpipe_str rest = {bytes + at, len - at};
        require(pinpipe_decoder_feed(&taken, job->decoder, job->batch, rest, job->report, &err), &err);
        at += (size_t)taken;
        if (at < len) {
            batch_done(job);
        }
    }
}

static void finish(decoding *job) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_status status = PINPIPE_AGAIN;
    while (status == PINPIPE_AGAIN) {
        status = pinpipe_decoder_finish(job->decoder, job->batch, job->report, &err);
        require(status, &err);
        batch_done(job);
    }
}

static void feed_file(decoding *job, const char *path) {
    static char chunk[CHUNK_BYTES];
    int file = open(path, O_RDONLY);
    ssize_t len = file < 0 ? -1 : 0;
    while (file >= 0 && (len = read(file, chunk, sizeof chunk)) > 0) {
        feed(job, chunk, (size_t)len);
    }
    if (len < 0) {
        perror(path);
        exit(1);
    }
    close(file);
}

static decoding decoding_open(int32_t record, const char *mode) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    decoding job;
    memset(&job, 0, sizeof job);
    options.record = record;
    options.format = PINPIPE_FORMAT_NDJSON;
    require(pinpipe_decoder_new(&job.decoder, &options, &err), &err);
    require(pinpipe_batch_new(&job.batch, record, options.shape, &err), &err);
    require(pinpipe_report_new(&job.report, record, options.shape, &err), &err);
    if (strcmp(mode, "table") == 0) {
        require(pinpipe_table_new(&job.table, record, options.shape, &err), &err);
    } else if (strcmp(mode, "dedupe-ind") == 0) {
        require(pinpipe_dedup_new(&job.dedup, PINPIPE_DEDUPE_IND, &err), &err);
    } else if (strcmp(mode, "dedupe-row") == 0) {
        require(pinpipe_dedup_new(&job.dedup, PINPIPE_DEDUPE_ROW, &err), &err);
    }
    return job;
}

static void decoding_free(decoding *job) {
    pinpipe_dedup_free(job->dedup);
    pinpipe_table_free(job->table);
    pinpipe_report_free(job->report);
    pinpipe_batch_free(job->batch);
    pinpipe_decoder_free(job->decoder);
}

int main(int count, char **arguments) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_library_options library = PINPIPE_LIBRARY_OPTIONS_INIT;
    library.realloc_bytes = counted_realloc;
    library.free_bytes = counted_free;
    require(pinpipe_library_configure(&library, &err), &err);
    if (count != 4) {
        fprintf(stderr, "usage: decode pin|geo|user FILE memory|batches|table|dedupe-ind|dedupe-row\n");
        return 2;
    }
    int32_t record = record_of(arguments[1]);
    pinpipe_str bytes = {NULL, 0};
    if (strcmp(arguments[3], "memory") == 0) {
        bytes = file_bytes(arguments[2]);
    }
    peak_reset();
    measurement before = measure();
    decoding job = decoding_open(record, arguments[3]);
    if (bytes.ptr) {
        feed(&job, bytes.ptr, bytes.len);
    } else {
        feed_file(&job, arguments[2]);
    }
    finish(&job);
    measurement after = measure();
    printf("{\"cpu_s\": %.6f, \"rows\": %lld, \"rejected\": %lld, \"faults\": %ld, \"peak_kib\": %ld, "
           "\"allocations\": %lld, \"warm_allocations\": %lld, \"warm_rows\": %lld, \"dedup_s\": %.6f}\n",
           after.cpu_s - before.cpu_s, (long long)job.rows, (long long)pinpipe_report_rejected(job.report),
           after.faults - before.faults, peak_kib(), (long long)allocations,
           (long long)(allocations - job.warm_allocations), (long long)(job.rows - job.warm_rows),
           job.dedup_s);
    decoding_free(&job);
    return 0;
}
