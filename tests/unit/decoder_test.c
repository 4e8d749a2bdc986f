/* Turns one input, cut at every place and in every format, into rows, and compares with the uncut one.
 * Never touches a file.
 * Rules: pinpipe/decode.h: pieces may be cut anywhere; batches may fill at any row. */
#include "check.h"

#include "base/buffer.h"
#include "pinpipe/decode.h"

typedef struct run {
    pinpipe_buf rows;
    pinpipe_buf rejects;
    int64_t records;
} run;

static const char pins[] = "{\"index\":1,\"title\":\"\\u00e9\\ud83d\\ude00\",\"category\":\"art\"}\n"
                           "\r\n"
                           "{\"category\": \"a,\\\"b\", \"index\": \"2\", \"x\": {\"y\": [1, {}]}}\r\n"
                           "{\"index\":3\n"
                           "[]\n"
                           "{\"index\":4,\"title\":\"caf\xc3\xa9\"}\n"
                           "{\"index\":5,\"title\":\"\xff\"}\n"
                           "{\"title\":\"no key\"}\n"
                           "{\"index\":6}";

static const char array[] =
    " [ {\"ind\":1,\"country\":\"]}\\\"\"} ,{\"ind\":2,\"country\":\"x\"}, 17, {\"ind\" 3},\n"
    "{\"ind\":4} {\"ind\":5}, {\"ind\":6}]\n[{\"ind\":7}";

static const char csv[] = "\xef\xbb\xbf,ind,first_name,last_name,age,date_joined\r\n"
                          "0,1,Ada,\"Lo, \"\"x\"\"\",20,2015-10-24 11:23:51\r\n"
                          "1,2,\"A\nB\",C,,2015-10-24T11:23:51Z\n"
                          "\n"
                          "2,3,\"\",C,21,\n"
                          "3,4,too,few\n"
                          "4,x,Ada,Lo,1,2015-10-24\n"
                          "5,6,Ada,Lo,1,2015-10-24";

static void run_free(run *r) {
    pinpipe_buf_reset(&r->rows);
    pinpipe_buf_reset(&r->rejects);
}

static void batch_take(run *r, pinpipe_batch *batch) {
    CHECK_INT(pinpipe_batch_encode(&r->rows, batch, PINPIPE_FORMAT_NDJSON, NULL), PINPIPE_OK);
    pinpipe_batch_clear(batch);
}

/* Feeds `text` in pieces of `piece` bytes with batches of `batch_rows`. */
static run run_pieces(int32_t record, int32_t format, const char *text, size_t len, size_t piece,
                      int64_t batch_rows) {
    run r = {PINPIPE_BUF_INIT, PINPIPE_BUF_INIT, 0};
    pinpipe_decoder *decoder = NULL;
    pinpipe_batch *batch = NULL;
    pinpipe_report *report = NULL;
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    options.record = record;
    options.format = format;
    options.batch_rows = batch_rows;
    CHECK_INT(pinpipe_decoder_new(&decoder, &options, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_batch_new(&batch, record, PINPIPE_CLEAN, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_report_new(&report, record, PINPIPE_CLEAN, NULL), PINPIPE_OK);
    for (size_t at = 0; at < len;) {
        int64_t taken = 0;
        pinpipe_str bytes = {text + at, len - at < piece ? len - at : piece};
        CHECK(pinpipe_decoder_feed(&taken, decoder, batch, bytes, report, NULL) >= 0);
        at += (size_t)taken;
        if ((size_t)taken < bytes.len) {
            batch_take(&r, batch);
        }
    }
    while (pinpipe_decoder_finish(decoder, batch, report, NULL) == PINPIPE_AGAIN) {
        batch_take(&r, batch);
    }
    batch_take(&r, batch);
    CHECK_INT(pinpipe_report_encode_rejects(&r.rejects, report, NULL), PINPIPE_OK);
    r.records = pinpipe_report_records(report);
    pinpipe_decoder_free(decoder);
    pinpipe_batch_free(batch);
    pinpipe_report_free(report);
    return r;
}

static bool buf_equal(const pinpipe_buf *a, const pinpipe_buf *b) {
    return a->len == b->len && (a->len == 0 || memcmp(a->ptr, b->ptr, a->len) == 0);
}

/* A heap copy without a byte to spare, so that a sanitizer sees every read beyond the input. */
static void test_cuts(int32_t record, int32_t format, const char *text, size_t len, int64_t rows,
                      int64_t records) {
    pinpipe_buf copy = PINPIPE_BUF_INIT;
    CHECK_INT(pp_buf_append(&copy, text, len, NULL), PINPIPE_OK);
    run whole = run_pieces(record, format, copy.ptr, len, len, 0);
    int64_t lines = 0;
    for (size_t i = 0; i < whole.rows.len; i++) {
        lines += whole.rows.ptr[i] == '\n';
    }
    CHECK_INT(lines, rows);
    CHECK_INT(whole.records, records);
    for (size_t piece = 1; piece <= len; piece++) {
        run cut = run_pieces(record, format, copy.ptr, len, piece, 1 + (int64_t)(piece % 3));
        CHECK(buf_equal(&cut.rows, &whole.rows));
        CHECK(buf_equal(&cut.rejects, &whole.rejects));
        run_free(&cut);
    }
    run_free(&whole);
    pinpipe_buf_reset(&copy);
}

static void test_csv_values(void) {
    run r = run_pieces(PINPIPE_USER, PINPIPE_FORMAT_CSV, csv, sizeof csv - 1, 7, 0);
    const char *expected =
        "{\"ind\":1,\"user_name\":\"Ada Lo, "
        "\\\"x\\\"\",\"age\":20,\"date_joined\":\"2015-10-24T11:23:51Z\"}\n"
        "{\"ind\":2,\"user_name\":\"A\\nB C\",\"age\":null,\"date_joined\":\"2015-10-24T11:23:51Z\"}\n"
        "{\"ind\":3,\"user_name\":null,\"age\":21,\"date_joined\":null}\n"
        "{\"ind\":6,\"user_name\":\"Ada Lo\",\"age\":1,\"date_joined\":\"2015-10-24T00:00:00Z\"}\n";
    CHECK_TEXT(r.rows.ptr, r.rows.len, expected);
    run_free(&r);
}

/* Of "\r\r\n" one carriage return belongs to the line end, the other to the value. */
static void test_csv_carriage_returns(void) {
    static const char text[] = "ind,country\r\n1,a\r\r\n2,b\r\n3,c\r";
    run r = run_pieces(PINPIPE_GEO, PINPIPE_FORMAT_CSV, text, sizeof text - 1, 5, 0);
    CHECK(strstr(r.rows.ptr, "\"country\":\"a\\r\"") != NULL);
    CHECK(strstr(r.rows.ptr, "\"country\":\"b\"") != NULL);
    CHECK(strstr(r.rows.ptr, "\"country\":\"c\"") != NULL);
    run_free(&r);
}

static void test_refusals(void) {
    pinpipe_decoder *decoder = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    options.record = 99;
    CHECK_INT(pinpipe_decoder_new(&decoder, &options, &err), PINPIPE_EINVAL);
    options.record = PINPIPE_GEO;
    options.format = 99;
    CHECK_INT(pinpipe_decoder_new(&decoder, &options, &err), PINPIPE_EINVAL);
    CHECK(decoder == NULL);
    pinpipe_decoder_free(NULL);
    options.format = PINPIPE_FORMAT_CSV;
    CHECK_INT(pinpipe_decoder_new(&decoder, &options, &err), PINPIPE_OK);
    pinpipe_batch *batch = NULL;
    pinpipe_report *report = NULL;
    int64_t taken = 0;
    CHECK_INT(pinpipe_batch_new(&batch, PINPIPE_GEO, PINPIPE_CLEAN, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_report_new(&report, PINPIPE_GEO, PINPIPE_CLEAN, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_decoder_feed(&taken, decoder, batch, pp_str("a,b\n1,2\n"), report, &err),
              PINPIPE_EDATA);
    CHECK(strstr(err.message, "'a,b' has no column for the key") != NULL);
    pinpipe_decoder_free(decoder);
    pinpipe_batch_free(batch);
    pinpipe_report_free(report);
}

static void test_defaults(void) {
    static const char text[] = "{\"index\":1,\"follower_count\":\"2k\"}\n{}\n";
    pinpipe_decoder *decoder = NULL;
    pinpipe_batch *batch = NULL;
    pinpipe_report *report = NULL;
    pinpipe_table *table = NULL;
    int64_t taken = 0;
    CHECK_INT(pinpipe_decoder_new(&decoder, NULL, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_batch_new(&batch, PINPIPE_PIN, PINPIPE_CLEAN, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_report_new(&report, PINPIPE_PIN, PINPIPE_CLEAN, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_table_new(&table, PINPIPE_PIN, PINPIPE_CLEAN, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_decoder_feed(&taken, decoder, batch, pinpipe_str_of(text), report, NULL),
              PINPIPE_PARTIAL);
    CHECK_INT(pinpipe_batch_i64(batch, 0, 4), 2000);
    CHECK_INT(pinpipe_table_decode(table, NULL, pinpipe_str_of(text), 1, report, NULL), PINPIPE_PARTIAL);
    CHECK_INT(pinpipe_table_rows(table), 1);
    CHECK_INT(pinpipe_table_decode(table, NULL, pinpipe_str_of(NULL), 1, report, NULL), PINPIPE_OK);
    pinpipe_decoder_free(decoder);
    pinpipe_batch_free(batch);
    pinpipe_report_free(report);
    pinpipe_table_free(table);
}

static void test_dedup(void) {
    static const char text[] = "{\"ind\":1,\"country\":\"a\"}\n{\"ind\":1,\"country\":\"a\"}\n{\"ind\":2}\n"
                               "{\"ind\":1,\"country\":\"b\"}\n{\"ind\":3,\"country\":\"c\"}\n{\"ind\":3}\n";
    static const int64_t rows[] = {6, 3, 5}, duplicates[] = {0, 3, 1}, conflicts[] = {0, 2, 0};
    for (int32_t mode = PINPIPE_DEDUPE_NONE; mode <= PINPIPE_DEDUPE_ROW; mode++) {
        pinpipe_decoder *decoder = NULL;
        pinpipe_batch *batch = NULL;
        pinpipe_report *report = NULL;
        pinpipe_dedup *dedup = NULL;
        int64_t taken = 0;
        pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
        options.record = PINPIPE_GEO;
        CHECK_INT(pinpipe_decoder_new(&decoder, &options, NULL), PINPIPE_OK);
        CHECK_INT(pinpipe_batch_new(&batch, PINPIPE_GEO, PINPIPE_CLEAN, NULL), PINPIPE_OK);
        CHECK_INT(pinpipe_report_new(&report, PINPIPE_GEO, PINPIPE_CLEAN, NULL), PINPIPE_OK);
        CHECK_INT(pinpipe_dedup_new(&dedup, mode, NULL), PINPIPE_OK);
        CHECK_INT(pinpipe_decoder_feed(&taken, decoder, batch, pp_str(text), report, NULL), PINPIPE_OK);
        CHECK_INT(pinpipe_dedup_clean(dedup, batch, NULL), PINPIPE_OK);
        CHECK_INT(pinpipe_batch_rows(batch), rows[mode]);
        CHECK_INT(pinpipe_dedup_duplicates(dedup), duplicates[mode]);
        CHECK_INT(pinpipe_dedup_conflicts(dedup), conflicts[mode]);
        CHECK(mode != PINPIPE_DEDUPE_IND || pinpipe_batch_is_null(batch, 1, 1));
        CHECK(mode != PINPIPE_DEDUPE_IND || !pinpipe_batch_is_null(batch, 2, 1));
        pinpipe_decoder_free(decoder);
        pinpipe_batch_free(batch);
        pinpipe_report_free(report);
        pinpipe_dedup_free(dedup);
    }
}

/* Every envelope, with its faults, cut at every byte and recognised by its first bytes. */
static void test_envelopes(void) {
    static const struct {
        int32_t format;
        const char *text;
        int64_t rows;
        int64_t records;
    } inputs[] = {
        {PINPIPE_FORMAT_KAFKA_REST,
         "[{\"topic\":\"t\",\"key\":null,\"value\":{\"ind\":1,\"first_name\":\"\\u00e9}\"},\"partition\":0,"
         "\"offset\":1},"
         "{\"value\":\"{\\\"ind\\\":2}\"}]\n[{\"offset\":3},{\"value\":{\"ind\":1}]",
         2, 5},
        {PINPIPE_FORMAT_KINESIS,
         "partitionKey,data,sequenceNumber\np,eyJpbmQiOjF9,1\np,\"ZXlKcGJtUWlPakY5\",2\np,IiI=,3\np,,4\np,e,"
         "5\n",
         2, 5},
        {PINPIPE_FORMAT_KINESIS,
         "{\"data\":\"eyJpbmQiOjF9\",\"partitionKey\":\"p\",\"sequenceNumber\":\"1\"}\n{\"data\":\"IiI=\"}\n",
         1, 2},
        {PINPIPE_FORMAT_CONNECT, "{\"schema\":{\"a\":[1,{}]},\"payload\":{\"ind\":1}}\n{\"payload\":null}\n",
         1, 2},
        {PINPIPE_FORMAT_RECORDS,
         "{\"records\":[{\"value\":{\"ind\":1}} , {\"data\":\"eyJpbmQiOjF9\"}{\"x\":1}],\"n\":[1],\"m\":5}\n"
         "{\"n\":tru,\"Records\":[]}{\"record\":{}}",
         2, 5},
        {PINPIPE_FORMAT_FILESTREAM,
         "{ind=1, first_name=two\r\nlines}, last_name=A, age=null}\r\n{ind=2, ind=3}\n\n{age=}\n{ind=4}", 2,
         4},
    };
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        size_t len = strlen(inputs[i].text);
        test_cuts(PINPIPE_USER, inputs[i].format, inputs[i].text, len, inputs[i].rows, inputs[i].records);
        test_cuts(PINPIPE_USER, PINPIPE_FORMAT_AUTO, inputs[i].text, len, inputs[i].rows, inputs[i].records);
    }
}

int main(void) {
    test_envelopes();
    test_cuts(PINPIPE_PIN, PINPIPE_FORMAT_NDJSON, pins, sizeof pins - 1, 4, 8);
    test_cuts(PINPIPE_PIN, PINPIPE_FORMAT_AUTO, pins, sizeof pins - 1, 4, 8);
    test_cuts(PINPIPE_GEO, PINPIPE_FORMAT_JSON, array, sizeof array - 1, 5, 9);
    test_cuts(PINPIPE_GEO, PINPIPE_FORMAT_AUTO, array, sizeof array - 1, 5, 9);
    test_cuts(PINPIPE_USER, PINPIPE_FORMAT_CSV, csv, sizeof csv - 1, 4, 6);
    test_cuts(PINPIPE_USER, PINPIPE_FORMAT_AUTO, csv, sizeof csv - 1, 4, 6);
    test_csv_values();
    test_csv_carriage_returns();
    test_refusals();
    test_defaults();
    test_dedup();
    return check_report();
}
