/* Turns one table into text and Arrow arrays by several threads at once, while others decode for themselves.
 * Never locks: what the library promises to be safe is all the protection there is; the preset `tsan`
 * watches. Rules: docs/architecture.md, "Hygiene": tables are immutable and read from any thread, a handle
 * has one. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "pinpipe/pinpipe.h"

#define READERS 2
#define DECODERS 2
#define ROUNDS 20
#define LINES 600
#define BATCH_ROWS 64

static pinpipe_buf input;
static pinpipe_buf expected; /* all rows as NDJSON */
static pinpipe_table *table;
static atomic_int_least64_t wrong;

/* Counted apart: CHECK's counters belong to the main thread. */
static void require(bool condition) {
    atomic_fetch_add(&wrong, !condition);
}

static void input_make(void) {
    for (int32_t i = 0; i < LINES; i++) {
        const char *line =
            i % 7 == 3
                ? "{\"ind\":%d,\"latitude\":\"x\",\"country\":\"caf\\u00e9\"}\n"
                : "{\"ind\":%d,\"timestamp\":\"2020-08-28T03:52:47\",\"latitude\":-8.5e-7,\"longitude\":1.25,"
                  "\"country\":\"Albania\"}\n";
        char text[200];
        int len = snprintf(text, sizeof text, line, i);
        CHECK(pp_buf_append(&input, text, (size_t)len, NULL) == PINPIPE_OK);
    }
}

/* Decodes the input with handles of its own; rows go to `out` or, where there is one, to `to`. */
static bool decode(pinpipe_buf *out, pinpipe_table *to) {
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    options.record = PINPIPE_GEO;
    options.batch_rows = BATCH_ROWS;
    pinpipe_decoder *decoder = NULL;
    pinpipe_batch *batch = NULL;
    pinpipe_report *report = NULL;
    bool done = pinpipe_decoder_new(&decoder, &options, NULL) == PINPIPE_OK &&
                pinpipe_batch_new(&batch, PINPIPE_GEO, PINPIPE_CLEAN, NULL) == PINPIPE_OK &&
                pinpipe_report_new(&report, PINPIPE_GEO, PINPIPE_CLEAN, NULL) == PINPIPE_OK;
    pinpipe_status status = PINPIPE_AGAIN;
    for (size_t at = 0; done && status == PINPIPE_AGAIN;) {
        int64_t taken = 0;
        pinpipe_str rest = {input.ptr + at, input.len - at};
        if (rest.len > 0) {
            done = pinpipe_decoder_feed(&taken, decoder, batch, rest, report, NULL) == PINPIPE_OK;
        } else {
            status = pinpipe_decoder_finish(decoder, batch, report, NULL);
            done = status >= 0;
        }
        at += (size_t)taken;
        done = done && pinpipe_batch_encode(out, batch, PINPIPE_FORMAT_NDJSON, NULL) == PINPIPE_OK;
        if (to) {
            done = done && pinpipe_table_append(to, batch, NULL) == PINPIPE_OK;
        } else {
            pinpipe_batch_clear(batch);
        }
    }
    pinpipe_report_free(report);
    pinpipe_batch_free(batch);
    pinpipe_decoder_free(decoder);
    return done;
}

static bool is_expected(const pinpipe_buf *text) {
    return text->len == expected.len && memcmp(text->ptr, expected.ptr, text->len) == 0;
}

static void table_encode(void) {
    pinpipe_buf text = PINPIPE_BUF_INIT;
    for (int64_t i = 0; i < pinpipe_table_batches(table); i++) {
        pinpipe_batch *view = NULL;
        require(pinpipe_table_at(&view, table, i, NULL) == PINPIPE_OK);
        require(pinpipe_batch_encode(&text, view, PINPIPE_FORMAT_NDJSON, NULL) == PINPIPE_OK);
        int64_t rows = pinpipe_batch_rows(view);
        for (int64_t row = 0; row < rows; row++) {
            int64_t count = 0;
            const double *pair = pinpipe_batch_list(&count, view, row, 2);
            require(pinpipe_batch_is_null(view, row, 2) == (count == 0));
            require(count == 0 || (count == 2 && pair[1] == 1.25));
        }
        pinpipe_batch_free(view);
    }
    require(is_expected(&text));
    pinpipe_buf_reset(&text);
}

/* The arrays outlive their stream; each is released while other threads read the same columns. */
static void table_stream(void) {
    struct ArrowArrayStream stream = {0};
    struct ArrowSchema schema = {0};
    struct ArrowArray array = {0};
    int64_t sum = 0;
    require(pinpipe_table_stream(&stream, table, NULL) == PINPIPE_OK);
    require(stream.get_schema(&stream, &schema) == 0);
    for (;;) {
        require(stream.get_next(&stream, &array) == 0);
        if (!array.release) {
            break;
        }
        const int64_t *keys = array.children[0]->buffers[1];
        for (int64_t row = 0; row < array.length; row++) {
            sum += keys[row];
        }
        array.release(&array);
    }
    stream.release(&stream);
    schema.release(&schema);
    require(sum == (int64_t)LINES * (LINES - 1) / 2);
}

static void *reader_run(void *unused) {
    for (int32_t i = 0; i < ROUNDS; i++) {
        table_encode();
        table_stream();
    }
    return unused;
}

static void *decoder_run(void *unused) {
    for (int32_t i = 0; i < ROUNDS; i++) {
        pinpipe_buf text = PINPIPE_BUF_INIT;
        require(decode(&text, NULL));
        require(is_expected(&text));
        pinpipe_buf_reset(&text);
    }
    return unused;
}

int main(void) {
    pthread_t threads[READERS + DECODERS];
    input_make();
    CHECK_INT(pinpipe_table_new(&table, PINPIPE_GEO, PINPIPE_CLEAN, NULL), PINPIPE_OK);
    CHECK(decode(&expected, table));
    CHECK(expected.len > 1000);
    CHECK_INT(pinpipe_table_rows(table), LINES);
    /* A stream that is opened before the table is freed goes on living in its arrays. */
    struct ArrowArrayStream stream = {0};
    CHECK_INT(pinpipe_table_stream(&stream, table, NULL), PINPIPE_OK);
    for (int32_t i = 0; i < READERS + DECODERS; i++) {
        CHECK_INT(pthread_create(&threads[i], NULL, i < READERS ? reader_run : decoder_run, NULL), 0);
    }
    for (int32_t i = 0; i < READERS + DECODERS; i++) {
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    }
    CHECK_INT(atomic_load(&wrong), 0);
    pinpipe_table_free(table);
    struct ArrowArray array = {0};
    CHECK_INT(stream.get_next(&stream, &array), 0);
    stream.release(&stream);
    CHECK_INT(array.length, BATCH_ROWS);
    array.release(&array);
    pinpipe_buf_reset(&expected);
    pinpipe_buf_reset(&input);
    return check_report();
}
