/* Turns whole lines of NDJSON into a table with several threads, each with a decoder of its own.
 * Never changes the order of rows or rejects; never leaves a thread behind.
 * Rules: DESIGN §3 (the decoder's threads where the caller asks); any other format is read by one thread. */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"
#include "base/thread.h"
#include "clean/decoder.h"
#include "clean/format.h"
#include "record/table.h"

/* Input of one piece: large enough to pay for a decoder's start, small enough to share the work evenly. */
#define PIECE_BYTES ((size_t)4 << 20)
#define THREADS_MAX 64

typedef struct piece {
    pinpipe_str bytes;
    pinpipe_table *table;
    pinpipe_report *report;
} piece;

typedef struct job {
    pinpipe_decoder_options options;
    piece *pieces;
    int64_t count;
    atomic_llong next;
    atomic_bool is_failed;
    pthread_mutex_t lock; /* of the two below */
    pinpipe_status status;
    pinpipe_error err;
} job;

static pinpipe_status piece_feed(pinpipe_decoder *decoder, pinpipe_batch *batch, piece *p,
                                 pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    for (size_t at = 0; status >= 0 && at < p->bytes.len;) {
        int64_t taken = 0;
        pinpipe_str rest = {p->bytes.ptr + at, p->bytes.len - at};
        status = pinpipe_decoder_feed(&taken, decoder, batch, rest, p->report, err);
        at += (size_t)taken;
        if (status >= 0 && at < p->bytes.len) {
            status = pinpipe_table_append(p->table, batch, err);
        }
    }
    while (status >= 0) {
        pinpipe_status ended = pinpipe_decoder_finish(decoder, batch, p->report, err);
        status = ended < 0 ? ended : pinpipe_table_append(p->table, batch, err);
        if (ended != PINPIPE_AGAIN) {
            break;
        }
    }
    return status;
}

static pinpipe_status piece_take(const job *j, pinpipe_decoder *decoder, pinpipe_batch *batch, piece *p,
                                 pinpipe_error *err) {
    pinpipe_status status = pinpipe_table_new(&p->table, j->options.record, j->options.shape, err);
    if (status == PINPIPE_OK) {
        status = pinpipe_report_new(&p->report, j->options.record, j->options.shape, err);
    }
    return status < 0 ? status : piece_feed(decoder, batch, p, err);
}

static void job_fail(job *j, pinpipe_status status, const pinpipe_error *err) {
    pthread_mutex_lock(&j->lock);
    if (!atomic_exchange(&j->is_failed, true)) {
        j->status = status;
        j->err = *err;
    }
    pthread_mutex_unlock(&j->lock);
}

/* One thread's work: the next piece, until there is none or something failed. */
static void *job_work(void *argument) {
    job *j = argument;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_decoder *decoder = NULL;
    pinpipe_batch *batch = NULL;
    pinpipe_status status = pinpipe_decoder_new(&decoder, &j->options, &err);
    if (status == PINPIPE_OK) {
        status = pinpipe_batch_new(&batch, j->options.record, j->options.shape, &err);
    }
    while (status >= 0 && !atomic_load(&j->is_failed)) {
        int64_t index = atomic_fetch_add(&j->next, 1);
        if (index >= j->count) {
            break;
        }
        status = piece_take(j, decoder, batch, &j->pieces[index], &err);
    }
    if (status < 0) {
        job_fail(j, status, &err);
    }
    pinpipe_batch_free(batch);
    pinpipe_decoder_free(decoder);
    return NULL;
}

/* Starts the threads but one, which is the caller's; those that cannot be started are done without. */
static void job_run(job *j, int32_t threads) {
    pthread_t thread[THREADS_MAX];
    int32_t started = 0;
    while (started < threads - 1 && pp_thread_start(&thread[started], "pinpipe-clean", job_work, j)) {
        started++;
    }
    job_work(j);
    for (int32_t i = 0; i < started; i++) {
        pthread_join(thread[i], NULL);
    }
}

/* Cuts the input behind line ends; one piece where it cannot be cut. */
static pinpipe_status pieces_cut(job *j, pinpipe_str bytes, pinpipe_error *err) {
    bool is_lines = j->options.format == PINPIPE_FORMAT_NDJSON;
    size_t most = is_lines ? bytes.len / PIECE_BYTES + 1 : 1;
    j->pieces = pp_alloc_zero(most * sizeof *j->pieces);
    if (!j->pieces) {
        return pp_fail_memory(err, "the pieces of an input", most * sizeof *j->pieces);
    }
    const char *end = bytes.ptr + bytes.len;
    for (const char *at = bytes.ptr; at < end;) {
        const char *stop = end;
        if (is_lines && (size_t)(end - at) > PIECE_BYTES) {
            const char *newline = memchr(at + PIECE_BYTES, '\n', (size_t)(end - at) - PIECE_BYTES);
            stop = newline ? newline + 1 : end;
        }
        assert((size_t)j->count < most);
        j->pieces[j->count++].bytes = (pinpipe_str){at, (size_t)(stop - at)};
        at = stop;
    }
    return PINPIPE_OK;
}

/* The pieces' rows and reports, in the order of the input. */
static pinpipe_status pieces_join(job *j, pinpipe_table *table, pinpipe_report *report, const char *start,
                                  pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    for (int64_t i = 0; status == PINPIPE_OK && i < j->count; i++) {
        status = pp_report_join(report, j->pieces[i].report, j->pieces[i].bytes.ptr - start, err);
        if (status == PINPIPE_OK) {
            status = pp_table_join(table, j->pieces[i].table, err);
        }
    }
    return status;
}

/* Decides the format where it is left open, so that every piece is read alike; passes over a byte order mark.
 */
static void format_settle(pinpipe_decoder_options *options, pinpipe_str *bytes) {
    pp_fields fields;
    size_t skip = 0;
    size_t head = bytes->len < PP_FORMAT_PROBE_BYTES ? bytes->len : PP_FORMAT_PROBE_BYTES;
    pp_fields_init(&fields, options->record);
    pp_format_decide(&options->format, &skip, &fields, (pinpipe_str){bytes->ptr, head}, PP_INPUT_ENDS);
    bytes->ptr += skip;
    bytes->len -= skip;
}

pinpipe_status pinpipe_table_decode(pinpipe_table *table, const pinpipe_decoder_options *options,
                                    pinpipe_str bytes, int32_t threads, pinpipe_report *report,
                                    pinpipe_error *err) {
    if (threads < 1 || threads > THREADS_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "threads %d is not between 1 and %d", threads, THREADS_MAX);
    }
    pinpipe_decoder *probe = NULL; /* checks the options before any thread starts */
    pinpipe_status status = pinpipe_decoder_new(&probe, options, err);
    pinpipe_decoder_free(probe);
    if (status < 0 || bytes.len == 0) {
        return status;
    }
    int64_t rejected = report->rejected;
    const char *start = bytes.ptr;
    job j = {.options = PINPIPE_DECODER_OPTIONS_INIT, .err = PINPIPE_ERROR_INIT};
    j.options = options ? *options : j.options;
    pthread_mutex_init(&j.lock, NULL);
    format_settle(&j.options, &bytes);
    status = pieces_cut(&j, bytes, err);
    if (status == PINPIPE_OK) {
        job_run(&j, threads);
        status = j.status;
        if (status < 0 && err) {
            *err = j.err;
        }
    }
    if (status >= 0) {
        status = pieces_join(&j, table, report, start, err);
    }
    for (int64_t i = 0; i < j.count; i++) {
        pinpipe_table_free(j.pieces[i].table);
        pinpipe_report_free(j.pieces[i].report);
    }
    pp_free(j.pieces);
    pthread_mutex_destroy(&j.lock);
    return status < 0 ? status : report->rejected > rejected ? PINPIPE_PARTIAL : PINPIPE_OK;
}
