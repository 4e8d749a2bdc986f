/* Turns every text of tests/vectors/json into records, by each road, and compares the verdicts with RFC
 * 8259's. Never takes another reader's word: where the decoder or jansson differ from the RFC a row of
 * readers.tsv says so. Rules: RFC 8259; the folder of a text is the RFC's verdict; docs/json.md has the rows
 * of readers.tsv. */
#include "check.h"

#include <dirent.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/buffer.h"
#include "pinpipe/decode.h"

#define TEXT_BYTES_MAX ((size_t)1 << 20)
#define FOLDER PINPIPE_SOURCE_DIR "/tests/vectors/json/"

/* Whether a text is taken as JSON. */
typedef struct verdict {
    bool by_decoder;
    bool by_jansson;
} verdict;

static pinpipe_buf rows_of_readers;
static int64_t rows_met;

static pinpipe_buf file_read(const char *folder, const char *name) {
    pinpipe_buf text = PINPIPE_BUF_INIT;
    char path[512];
    snprintf(path, sizeof path, FOLDER "%s%s", folder, name);
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    if (file) {
        CHECK(pp_buf_reserve(&text, TEXT_BYTES_MAX, PP_BUF_MAX, NULL) == PINPIPE_OK);
        text.len = fread(text.ptr, 1, TEXT_BYTES_MAX, file);
        CHECK(text.len < TEXT_BYTES_MAX);
        fclose(file);
    }
    return text;
}

/* What is expected of a text: the folder's verdict, unless readers.tsv has a row for its name. */
static verdict verdict_expected(const char *name, bool is_valid) {
    verdict expected = {is_valid, is_valid};
    size_t len = strlen(name) - strlen(".json");
    for (const char *row = rows_of_readers.ptr; row && *row; row = strchr(row, '\n') + 1) {
        if (strncmp(row, name, len) == 0 && row[len] == '\t') {
            const char *decoder = row + len + 1;
            const char *jansson = strchr(decoder, '\t') + 1;
            expected = (verdict){strncmp(decoder, "yes\t", 4) == 0, strncmp(jansson, "yes\t", 4) == 0};
            rows_met++;
        }
    }
    return expected;
}

typedef struct outcome {
    int64_t rows;
    int64_t rejected;
    bool is_malformed; /* the last reject's reason says that the text is no JSON */
} outcome;

/* Decodes geo records that stand in `text`: as one payload, or as a file of `format`. */
static outcome decode(const pinpipe_buf *text, int32_t format, bool is_payload) {
    outcome out = {0};
    pinpipe_decoder *decoder = NULL;
    pinpipe_batch *batch = NULL;
    pinpipe_report *report = NULL;
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    options.record = PINPIPE_GEO;
    options.format = format;
    options.batch_rows = 100000;
    CHECK_INT(pinpipe_decoder_new(&decoder, &options, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_batch_new(&batch, PINPIPE_GEO, PINPIPE_CLEAN, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_report_new(&report, PINPIPE_GEO, PINPIPE_CLEAN, NULL), PINPIPE_OK);
    pinpipe_str bytes = pp_buf_view(text);
    if (is_payload) {
        CHECK(pinpipe_decoder_feed_record(decoder, batch, bytes, report, NULL) >= 0);
    } else {
        int64_t taken = 0;
        CHECK(pinpipe_decoder_feed(&taken, decoder, batch, bytes, report, NULL) >= 0);
        CHECK_INT(taken, bytes.len);
        CHECK(pinpipe_decoder_finish(decoder, batch, report, NULL) >= 0);
    }
    out.rows = pinpipe_batch_rows(batch);
    out.rejected = pinpipe_report_rejected(report);
    CHECK_INT(pinpipe_report_records(report), out.rows + out.rejected);
    pinpipe_reject reject = PINPIPE_REJECT_INIT;
    if (out.rejected) {
        CHECK_INT(pinpipe_report_reject_at(&reject, report, out.rejected - 1, NULL), PINPIPE_OK);
        out.is_malformed = !memmem(reject.reason.ptr, reject.reason.len, "no object", 9) &&
                           !memmem(reject.reason.ptr, reject.reason.len, "no key", 6);
    }
    pinpipe_report_free(report);
    pinpipe_batch_free(batch);
    pinpipe_decoder_free(decoder);
    return out;
}

static void append(pinpipe_buf *out, pinpipe_str part) {
    CHECK(pp_buf_append(out, part.ptr, part.len, NULL) == PINPIPE_OK);
}

static pinpipe_buf wrapped(const char *before, pinpipe_str text, const char *behind) {
    pinpipe_buf out = PINPIPE_BUF_INIT;
    append(&out, pp_str(before));
    append(&out, text);
    append(&out, pp_str(behind));
    return out;
}

/* The text as a value: of an unknown key, of a column of each type, within an array of records. */
static void test_values(pinpipe_str text, bool is_taken) {
    static const char *const keys[] = {"x", "country", "latitude", "timestamp"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char before[64];
        snprintf(before, sizeof before, "{\"ind\":1,\"%s\":", keys[i]);
        pinpipe_buf record = wrapped(before, text, "}");
        outcome payload = decode(&record, PINPIPE_FORMAT_NDJSON, true);
        CHECK_INT(payload.rows, is_taken);
        CHECK_INT(payload.rejected, !is_taken);
        pinpipe_buf array = wrapped("[", pp_buf_view(&record), "]");
        outcome element = decode(&array, PINPIPE_FORMAT_JSON, false);
        CHECK_INT(element.rejected == 0, is_taken);
        CHECK(!is_taken || element.rows == 1);
        pinpipe_buf_reset(&array);
        pinpipe_buf_reset(&record);
    }
}

/* The text as the text column of a line between plain lines, which the fast road reads. */
static void test_line(pinpipe_str text, bool is_taken) {
    if (memchr(text.ptr, '\n', text.len)) {
        return;
    }
    pinpipe_buf lines = PINPIPE_BUF_INIT;
    for (int32_t i = 0; i < 12; i++) {
        append(&lines, pp_str("{\"ind\":1,\"timestamp\":\"2020-08-28T03:52:47\",\"latitude\":1.5,"
                              "\"longitude\":2.5,\"country\":"));
        append(&lines, i == 8 ? text : pp_str("\"Albania\""));
        append(&lines, pp_str("}\n"));
    }
    outcome out = decode(&lines, PINPIPE_FORMAT_NDJSON, false);
    CHECK_INT(out.rows, 11 + is_taken);
    CHECK_INT(out.rejected, !is_taken);
    pinpipe_buf_reset(&lines);
}

static void test_text(const char *folder, const char *name, bool is_valid) {
    pinpipe_buf text = file_read(folder, name);
    verdict expected = verdict_expected(name, is_valid);
    int64_t failed = check_failed;
    outcome whole = decode(&text, PINPIPE_FORMAT_NDJSON, true);
    CHECK_INT(whole.rows, 0);
    CHECK_INT(whole.rejected, 1);
    CHECK_INT(!whole.is_malformed, expected.by_decoder);
    test_values(pp_buf_view(&text), expected.by_decoder);
    test_line(pp_buf_view(&text), expected.by_decoder);
    json_error_t why;
    json_t *tree = json_loadb(text.ptr, text.len, JSON_DECODE_ANY, &why);
    CHECK_INT(tree != NULL, expected.by_jansson);
    json_decref(tree);
    if (check_failed > failed) {
        fprintf(stderr, "  of %s%s\n", folder, name);
    }
    pinpipe_buf_reset(&text);
}

static int64_t folder_test(const char *folder, bool is_valid) {
    char path[512];
    snprintf(path, sizeof path, FOLDER "%s", folder);
    DIR *entries = opendir(path);
    int64_t count = 0;
    CHECK(entries != NULL);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        if (entry->d_name[0] != '.') {
            test_text(folder, entry->d_name, is_valid);
            count++;
        }
    }
    if (entries) {
        closedir(entries);
    }
    return count;
}

int main(void) {
    rows_of_readers = file_read("", "readers.tsv");
    append(&rows_of_readers, (pinpipe_str){"", 1});
    int64_t valid = folder_test("valid/", true);
    int64_t invalid = folder_test("invalid/", false);
    int64_t rows = 0;
    for (const char *at = rows_of_readers.ptr; at && *at; at = strchr(at, '\n') + 1) {
        rows += *at != '#';
    }
    CHECK_INT(rows_met, rows);
    CHECK(valid >= 30 && invalid >= 30);
    printf("%lld valid and %lld invalid texts, %lld rows on readers\n", (long long)valid, (long long)invalid,
           (long long)rows);
    pinpipe_buf_reset(&rows_of_readers);
    return check_report();
}
