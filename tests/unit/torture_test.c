/* Turns every allocation of decode, clean, de-duplication, encode, export and stream into a failure, one by
 * one. Never accepts a leak, a crash, another status than ENOMEM, or other rows once memory is there again.
 * Rules: docs/architecture.md, "Hygiene"; pinpipe/batch.h and decode.h say what a failed call leaves behind.
 */
#include "counting_memory.h"

#include <errno.h>
#include "base/buffer.h"
#include "pinpipe/pinpipe.h"

/* Allocations that a job may make at most; a job that makes more has lost its bound. */
#define ALLOCATIONS_MAX 5000

/* What goes in, and the way it takes. */
typedef struct task {
    int32_t record;
    int32_t shape;
    int32_t format;
    int32_t dedupe;
    size_t piece_bytes;
    bool is_payloads; /* a payload a line by feed_record */
    bool is_patient;  /* a failed call that promises to leave all as it was is tried once more */
    const char *text;
} task;

/* All that a run holds. */
typedef struct job {
    const task *task;
    pinpipe_decoder *decoder;
    pinpipe_batch *batch;
    pinpipe_report *report;
    pinpipe_dedup *dedup;
    pinpipe_table *table;
    pinpipe_buf out; /* rows, rejects and rows of the way through Arrow */
    pinpipe_error err;
} job;

/* A call that leaves all as it was when it fails: a patient job makes it again. */
#define CALL(status, job, call)                                                                              \
    do {                                                                                                     \
        (status) = (call);                                                                                   \
        if ((status) == PINPIPE_ENOMEM && (job)->task->is_patient) {                                         \
            (status) = (call);                                                                               \
        }                                                                                                    \
    } while (0)

static pinpipe_status job_open(job *j) {
    const task *t = j->task;
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    options.record = t->record;
    options.shape = t->shape;
    options.format = t->format;
    options.batch_rows = 3;
    options.max_record_bytes = 600;
    pinpipe_status status = PINPIPE_OK;
    CALL(status, j, pinpipe_decoder_new(&j->decoder, &options, &j->err));
    if (status >= 0) {
        CALL(status, j, pinpipe_batch_new(&j->batch, t->record, t->shape, &j->err));
    }
    if (status >= 0) {
        CALL(status, j, pinpipe_report_new(&j->report, t->record, t->shape, &j->err));
    }
    if (status >= 0) {
        CALL(status, j, pinpipe_dedup_new(&j->dedup, t->dedupe, &j->err));
    }
    if (status >= 0) {
        CALL(status, j, pinpipe_table_new(&j->table, t->record, t->shape, &j->err));
    }
    return status;
}

static pinpipe_status batch_take(job *j) {
    pinpipe_status status = PINPIPE_OK;
    CALL(status, j, pinpipe_dedup_clean(j->dedup, j->batch, &j->err));
    if (status >= 0) {
        CALL(status, j, pinpipe_table_append(j->table, j->batch, &j->err));
    }
    return status;
}

static pinpipe_status feed_pieces(job *j) {
    pinpipe_status status = PINPIPE_OK;
    size_t len = strlen(j->task->text);
    for (size_t at = 0; status >= 0 && at < len;) {
        int64_t taken = 0;
        size_t piece = len - at < j->task->piece_bytes ? len - at : j->task->piece_bytes;
        pinpipe_str bytes = {j->task->text + at, piece};
        status = pinpipe_decoder_feed(&taken, j->decoder, j->batch, bytes, j->report, &j->err);
        at += (size_t)taken;
        if (status >= 0 && (size_t)taken < piece) {
            status = batch_take(j);
        }
    }
    while (status >= 0) {
        status = pinpipe_decoder_finish(j->decoder, j->batch, j->report, &j->err);
        if (status != PINPIPE_AGAIN) {
            break;
        }
        status = batch_take(j);
    }
    return status;
}

static pinpipe_status feed_payloads(job *j) {
    pinpipe_status status = PINPIPE_OK;
    for (const char *at = j->task->text; status >= 0 && *at;) {
        size_t len = strcspn(at, "\n");
        pinpipe_str payload = {at, len};
        status = pinpipe_decoder_feed_record(j->decoder, j->batch, payload, j->report, &j->err);
        if (status == PINPIPE_AGAIN) {
            status = batch_take(j);
        } else {
            at += len + (at[len] == '\n');
        }
    }
    return status;
}

/* Every batch of the table as text; a failed encode may leave a part, which is cut off. */
static pinpipe_status table_encode(job *j) {
    pinpipe_status status = PINPIPE_OK;
    for (int64_t i = 0; status >= 0 && i < pinpipe_table_batches(j->table); i++) {
        pinpipe_batch *view = NULL;
        CALL(status, j, pinpipe_table_at(&view, j->table, i, &j->err));
        for (int32_t k = 0; status >= 0 && k < 2; k++) {
            int32_t format = k ? PINPIPE_FORMAT_CSV : PINPIPE_FORMAT_NDJSON;
            size_t len = j->out.len;
            CALL(status, j, (j->out.len = len, pinpipe_batch_encode(&j->out, view, format, &j->err)));
        }
        pinpipe_batch_free(view);
    }
    return status;
}

/* The rows of one Arrow array as clean NDJSON, by way of the decoder and an export that is released at once.
 */
static pinpipe_status array_clean(job *j, const struct ArrowSchema *schema, const struct ArrowArray *array) {
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    options.record = j->task->record;
    pinpipe_decoder *decoder = NULL;
    pinpipe_batch *batch = NULL;
    pinpipe_report *report = NULL;
    struct ArrowArray exported = {0};
    int64_t taken = 0;
    pinpipe_status status = PINPIPE_OK;
    CALL(status, j, pinpipe_decoder_new(&decoder, &options, &j->err));
    if (status >= 0) {
        CALL(status, j, pinpipe_batch_new(&batch, options.record, PINPIPE_CLEAN, &j->err));
    }
    if (status >= 0) {
        CALL(status, j, pinpipe_report_new(&report, options.record, PINPIPE_CLEAN, &j->err));
    }
    if (status >= 0) {
        status = pinpipe_decoder_feed_arrow(&taken, decoder, batch, schema, array, 0, report, &j->err);
    }
    if (status >= 0) {
        size_t len = j->out.len;
        CALL(status, j,
             (j->out.len = len, pinpipe_batch_encode(&j->out, batch, PINPIPE_FORMAT_NDJSON, &j->err)));
    }
    if (status >= 0) {
        CALL(status, j, pinpipe_batch_export(&exported, batch, &j->err));
    }
    if (exported.release) {
        exported.release(&exported);
    }
    pinpipe_report_free(report);
    pinpipe_batch_free(batch);
    pinpipe_decoder_free(decoder);
    return status;
}

/* An errno of the stream interface as a status; its text is the run's. */
static pinpipe_status stream_status(job *j, struct ArrowArrayStream *stream, int code) {
    if (code != ENOMEM) {
        CHECK_INT(code, 0);
        return PINPIPE_OK;
    }
    const char *message = stream->get_last_error(stream);
    CHECK(message != NULL);
    snprintf(j->err.message, sizeof j->err.message, "%s", message ? message : "");
    return PINPIPE_ENOMEM;
}

static pinpipe_status table_stream(job *j) {
    struct ArrowArrayStream stream = {0};
    struct ArrowSchema schema = {0};
    struct ArrowArray array = {0};
    pinpipe_status status = PINPIPE_OK;
    CALL(status, j, pinpipe_table_stream(&stream, j->table, &j->err));
    if (status >= 0) {
        CALL(status, j, stream_status(j, &stream, stream.get_schema(&stream, &schema)));
    }
    while (status >= 0) {
        CALL(status, j, stream_status(j, &stream, stream.get_next(&stream, &array)));
        if (status < 0 || !array.release) {
            break;
        }
        if (j->task->shape == PINPIPE_RAW) {
            status = array_clean(j, &schema, &array);
        }
        array.release(&array);
    }
    if (schema.release) {
        schema.release(&schema);
    }
    if (stream.release) {
        stream.release(&stream);
    }
    return status;
}

/* The whole way; `expected` is what must come out (NULL: nothing is compared), `out` takes what came out. */
static pinpipe_status job_run(const task *t, const pinpipe_buf *expected, pinpipe_buf *out) {
    job j = {.task = t, .out = PINPIPE_BUF_INIT, .err = PINPIPE_ERROR_INIT};
    pinpipe_status status = job_open(&j);
    if (status >= 0) {
        status = t->is_payloads ? feed_payloads(&j) : feed_pieces(&j);
    }
    if (status >= 0) {
        status = batch_take(&j);
    }
    if (status >= 0) {
        status = table_encode(&j);
    }
    if (status >= 0) {
        status = table_stream(&j);
    }
    if (status >= 0) {
        size_t len = j.out.len;
        CALL(status, &j, (j.out.len = len, pinpipe_report_encode_rejects(&j.out, j.report, &j.err)));
    }
    if (status < 0) {
        CHECK_INT(status, PINPIPE_ENOMEM);
        CHECK(strstr(j.err.message, "memory") != NULL);
    } else if (expected) {
        CHECK(j.out.len == expected->len && memcmp(j.out.ptr, expected->ptr, expected->len) == 0);
    }
    pinpipe_table_free(j.table);
    pinpipe_dedup_free(j.dedup);
    pinpipe_report_free(j.report);
    pinpipe_batch_free(j.batch);
    pinpipe_decoder_free(j.decoder);
    if (out && status >= 0) {
        *out = j.out;
    } else {
        pinpipe_buf_reset(&j.out);
    }
    return status < 0 ? status : PINPIPE_OK;
}

static void memory_arm(int64_t fail_at, bool keeps_failing) {
    memory.requests = 0;
    memory.failed = 0;
    memory.fail_at = fail_at;
    memory.keeps_failing = keeps_failing;
}

/* Fails request 1, 2, 3 … until the job runs through without having met a failure. */
static void torture(const task *t, bool keeps_failing) {
    pinpipe_buf expected = PINPIPE_BUF_INIT;
    memory_arm(0, false);
    CHECK_INT(job_run(t, NULL, &expected), PINPIPE_OK);
    CHECK(expected.len > 100);
    int64_t held = memory.held;
    int64_t survived = 0;
    int64_t fail_at = 1;
    for (; fail_at < ALLOCATIONS_MAX; fail_at++) {
        memory_arm(fail_at, keeps_failing);
        pinpipe_status status = job_run(t, &expected, NULL);
        bool is_through = memory.requests < fail_at;
        CHECK(status == (memory.failed ? PINPIPE_ENOMEM : PINPIPE_OK) ||
              (t->is_patient && status == PINPIPE_OK));
        survived += status == PINPIPE_OK && !is_through;
        memory_arm(0, false);
        CHECK_INT(memory.held, held);
        CHECK_INT(job_run(t, &expected, NULL), PINPIPE_OK);
        CHECK_INT(memory.held, held);
        if (is_through) {
            break;
        }
    }
    CHECK(fail_at < ALLOCATIONS_MAX);
    printf("%s, shape %d, format %d%s%s: %lld requests failed, %lld of them without harm\n",
           pinpipe_record_name(t->record), t->shape, t->format, t->is_payloads ? ", payloads" : "",
           t->is_patient ? ", tried again" : "", (long long)fail_at - 1, (long long)survived);
    CHECK(!t->is_patient || survived > 0);
    pinpipe_buf_reset(&expected);
}

static const char pins[] =
    "{\"index\":1,\"title\":\"\\u00e9\\ud83d\\ude00\",\"follower_count\":\"1k\"}\n"
    "{\"index\":1,\"title\":\"another\",\"save_location\":\"Local save in /data/a\"}\n"
    "{\"index\":2,\"title\n{\"title\":\"no key\"}\n[]\n{\"index\":3,\"title\":\"\xff\"}\n"
    "{\"index\":4,\"downloaded\":1,\"category\":\"art\"}\n{\"index\":5}\n{\"index\":5}\n"
    "{\"index\":6,\"title\":\"a\\\"b,c\",\"x\":{\"y\":[1]}}\n{\"index\":7}";

static const char geos[] =
    "[{\"ind\":1,\"latitude\":1.5,\"longitude\":-2e-7,\"timestamp\":\"2020-01-01T00:00:00\"},\n"
    "{\"ind\":2,\"country\":\"x\"}, 17, {\"ind\":3,\"latitude\":5,\"longitude\":\"6\"},{\"ind\":1},"
    "{\"ind\":4,\"country\":\"\\n\"},{\"ind\":5,\"latitude\":1e999,\"longitude\":1}]";

static const char users[] =
    "ind,first_name,last_name,age,date_joined\r\n"
    "1,Ada,\"Lo, \"\"x\"\"\",20,2015-10-24 11:23:51\r\n2,\"A\nB\",C,,2015-10-24\n"
    "3,too,few\n1,Ada,Lo,1,2015-10-24\nx,,,,\n4,A,B,21,\n5,A,B,22,\n6,\"A\",B,23,never";

/* Base64 once, twice, around a wrapped row and around nothing. */
static const char streamed[] = "partitionKey,data,sequenceNumber\n"
                               "p,eyJpbmQiOjF9,1\np,ZXlKcGJtUWlPakY5,2\np,eyJ2YWx1ZSI6eyJpbmQiOjF9fQ==,3\n"
                               "p,IiI=,4\np,\"IntcImluZFwiOjR9Ig==\",5\np,!,6\n";

static const char bodies[] =
    "{\"n\":[1],\"records\":[{\"value\":{\"ind\":1}},{\"data\":\"eyJpbmQiOjJ9\"},"
    "{\"value\":\"{\\\"ind\\\":3,\\\"country\\\":\\\"a\\\\nb\\\"}\"},{\"x\":1}],\"m\":tru}\n"
    "{\"records\":[{\"value\":{\"ind\":4}}]}";

static const char rule_file[] =
    "{\"name\":\"n\",\"rules\":{\"pin.title.own\":{\"text\":\"x\",\"source\":\"s\"},\"pin.title.null\":"
    "{\"effect\":\"filled\",\"value\":\"none\"}},\"columns\":{\"user.user_name\":{\"separator\":\"-\"}}}";

/* A rule file is read whole or not at all. */
static void torture_profile(void) {
    int64_t held = memory.held;
    pinpipe_status status = PINPIPE_ENOMEM;
    int64_t fails = 0;
    for (; status == PINPIPE_ENOMEM && fails < ALLOCATIONS_MAX; fails++) {
        pinpipe_profile *profile = NULL;
        memory.fail_at = memory.requests + fails + 1;
        status = pinpipe_profile_decode(&profile, pp_str(rule_file), NULL);
        memory.fail_at = 0;
        CHECK((status == PINPIPE_OK) == (profile != NULL));
        pinpipe_profile_free(profile);
        CHECK_INT(memory.held, held);
    }
    CHECK_INT(status, PINPIPE_OK);
    CHECK(fails > 5);
}

int main(void) {
    memory_watch();
    static const task tasks[] = {
        {PINPIPE_PIN, 0, PINPIPE_FORMAT_NDJSON, PINPIPE_DEDUPE_IND, 7, false, false, pins},
        {PINPIPE_PIN, 0, PINPIPE_FORMAT_AUTO, PINPIPE_DEDUPE_ROW, SIZE_MAX, false, false, pins},
        {PINPIPE_PIN, 0, PINPIPE_FORMAT_NDJSON, PINPIPE_DEDUPE_NONE, 0, true, false, pins},
        {PINPIPE_GEO, 0, PINPIPE_FORMAT_JSON, PINPIPE_DEDUPE_IND, 11, false, false, geos},
        {PINPIPE_GEO, 0, PINPIPE_FORMAT_AUTO, PINPIPE_DEDUPE_NONE, SIZE_MAX, false, false, geos},
        {PINPIPE_USER, 0, PINPIPE_FORMAT_CSV, PINPIPE_DEDUPE_IND, 5, false, false, users},
        {PINPIPE_USER, 0, PINPIPE_FORMAT_CSV, PINPIPE_DEDUPE_ROW, SIZE_MAX, false, false, users},
        {PINPIPE_USER, 0, PINPIPE_FORMAT_KINESIS, PINPIPE_DEDUPE_NONE, 9, false, false, streamed},
        {PINPIPE_GEO, 0, PINPIPE_FORMAT_AUTO, PINPIPE_DEDUPE_IND, 9, false, false, bodies},
    };
    for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++) {
        task t = tasks[i];
        static const int32_t shapes[] = {PINPIPE_RAW, PINPIPE_CLEAN};
        for (size_t k = 0; k < 2; k++) {
            t.shape = shapes[k];
            t.is_patient = false;
            torture(&t, false);
            torture(&t, true);
            t.is_patient = true;
            torture(&t, false);
        }
    }
    torture_profile();
    CHECK_INT(memory.held, 0);
    return check_report();
}
