/* Turns a file of raw NDJSON into one line of JSON: CPU seconds, rows and allocations of decode and clean.
 * Never keeps the input in memory: it is read by read() into one reused buffer, as an engine beside it does.
 * Rules: DESIGN §5 ("Speed"): CPU per byte beside a peer in the same run, and counts. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <pinpipe/pinpipe.h>

#define CHUNK_BYTES (1 << 20)
#define WARM_BATCHES 4

static int64_t allocations;

static void *counted_realloc(void *ptr, size_t size, void *user) {
    (void)user;
    allocations++;
    return realloc(ptr, size);
}

static void counted_free(void *ptr, void *user) {
    (void)user;
    free(ptr);
}

typedef struct decoding {
    pinpipe_decoder *decoder;
    pinpipe_batch *batch;
    pinpipe_report *report;
    pinpipe_table *table; /* NULL: batches are emptied and reused */
    int64_t rows;
    int64_t bytes;
    int64_t warm_allocations; /* when WARM_BATCHES were full */
    int64_t warm_rows;
    int64_t batches;
} decoding;

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void require(pinpipe_status status, const pinpipe_error *err) {
    if (status < 0) {
        fprintf(stderr, "%s\n", err->message);
        exit(1);
    }
}

static void batch_done(decoding *job) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
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
    job->bytes += (int64_t)len;
}

static void run(decoding *job, const char *path) {
    static char chunk[CHUNK_BYTES];
    pinpipe_error err = PINPIPE_ERROR_INIT;
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
    pinpipe_status status = PINPIPE_AGAIN;
    while (status == PINPIPE_AGAIN) {
        status = pinpipe_decoder_finish(job->decoder, job->batch, job->report, &err);
        require(status, &err);
        batch_done(job);
    }
}

int main(int count, char **arguments) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_library_options library = PINPIPE_LIBRARY_OPTIONS_INIT;
    library.realloc_bytes = counted_realloc;
    library.free_bytes = counted_free;
    require(pinpipe_library_configure(&library, &err), &err);
    if (count != 4) {
        fprintf(stderr, "usage: decode pin|geo|user FILE batches|table\n");
        return 2;
    }
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    while (strcmp(pinpipe_record_name(options.record), arguments[1]) != 0) {
        if (++options.record == pinpipe_record_count()) {
            return 2;
        }
    }
    options.format = PINPIPE_FORMAT_NDJSON;
    decoding job;
    memset(&job, 0, sizeof job);
    double before = cpu_seconds();
    require(pinpipe_decoder_new(&job.decoder, &options, &err), &err);
    require(pinpipe_batch_new(&job.batch, options.record, options.shape, &err), &err);
    require(pinpipe_report_new(&job.report, options.record, options.shape, &err), &err);
    if (strcmp(arguments[3], "table") == 0) {
        require(pinpipe_table_new(&job.table, options.record, options.shape, &err), &err);
    }
    run(&job, arguments[2]);
    double cpu = cpu_seconds() - before;
    printf("{\"cpu_s\": %.6f, \"rows\": %lld, \"bytes\": %lld, \"rejected\": %lld, \"allocations\": %lld, "
           "\"warm_allocations\": %lld, \"warm_rows\": %lld}\n",
           cpu, (long long)job.rows, (long long)job.bytes, (long long)pinpipe_report_rejected(job.report),
           (long long)allocations, (long long)(allocations - job.warm_allocations),
           (long long)(job.rows - job.warm_rows));
    pinpipe_table_free(job.table);
    pinpipe_report_free(job.report);
    pinpipe_batch_free(job.batch);
    pinpipe_decoder_free(job.decoder);
    return 0;
}
