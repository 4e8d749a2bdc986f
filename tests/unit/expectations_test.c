/* Turns rule documents, good and bad, and small tables into results, errors and nothing leaked.
 * Never accepts an error that does not name its datum, nor another status than ENOMEM where memory fails.
 * Rules: pinpipe/expectations.h; docs/census.md. */
#include "counting_memory.h"

#include "base/buffer.h"
#include "clean/key_set.h"
#include "pinpipe/pinpipe.h"

static const char pins[] =
    "{\"index\":1,\"title\":\"a\",\"follower_count\":\"1k\",\"category\":\"art\"}\n"
    "{\"index\":2,\"title\":\"b\",\"follower_count\":\"-7\",\"category\":\"\xc3\xa9t\xc3\xa9\"}\n"
    "{\"index\":1,\"follower_count\":\"User Info Error\",\"category\":\"art\"}\n"
    "{\"index\":4,\"title\":\"a\",\"follower_count\":\"-9\",\"category\":\"art\"}\n";

static const char geos[] =
    "{\"ind\":1,\"latitude\":-91,\"longitude\":0,\"timestamp\":\"2008-12-31T23:59:59\"}\n"
    "{\"ind\":2,\"latitude\":0,\"longitude\":181,\"timestamp\":\"2020-01-01T00:00:00\"}\n";

static const char rules[] = "{\"name\":\"mine\",\"rules\":{},\"expect\":{"
                            "\"pin.ind\":{\"unique\":true,\"fatal\":true},"
                            "\"pin.title\":{\"unique\":true,\"null_share_max\":0.25},"
                            "\"pin.follower_count\":{\"min\":0,\"max\":1000,\"null_share_max\":0.2},"
                            "\"pin.category\":{\"in\":[\"art\",\"travel\"]},"
                            "\"geo.coordinates\":{\"min\":[-90,-180],\"max\":[90,180]},"
                            "\"geo.timestamp\":{\"min\":\"2009-01-01T00:00:00Z\"},"
                            "\"user.age\":{\"in\":[20,21]},"
                            "\"pin\":{\"rows_min\":5},"
                            "\"user\":{\"rows_min\":1},"
                            "\"matches\":{\"pin.geo\":{\"share_min\":1}}}}";

/* Decodes a text and adds its batches of 3 rows. */
static pinpipe_status rows_add(pinpipe_expectations *expectations, int32_t record, const char *text,
                               pinpipe_error *err) {
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    pinpipe_decoder *decoder = NULL;
    pinpipe_batch *batch = NULL;
    pinpipe_report *report = NULL;
    options.record = record;
    options.batch_rows = 3;
    pinpipe_status status = pinpipe_decoder_new(&decoder, &options, err);
    if (status >= 0) {
        status = pinpipe_batch_new(&batch, record, PINPIPE_CLEAN, err);
    }
    if (status >= 0) {
        status = pinpipe_report_new(&report, record, PINPIPE_CLEAN, err);
    }
    size_t len = strlen(text);
    for (size_t at = 0; status >= 0 && at < len;) {
        int64_t taken = 0;
        pinpipe_str rest = {text + at, len - at};
        status = pinpipe_decoder_feed(&taken, decoder, batch, rest, report, err);
        at += (size_t)taken;
        if (status >= 0) {
            status = pinpipe_expectations_add(expectations, batch, err);
            pinpipe_batch_clear(batch);
        }
    }
    if (status >= 0) {
        status = pinpipe_decoder_finish(decoder, batch, report, err);
    }
    if (status >= 0) {
        status = pinpipe_expectations_add(expectations, batch, err);
    }
    pinpipe_report_free(report);
    pinpipe_batch_free(batch);
    pinpipe_decoder_free(decoder);
    return status;
}

static pinpipe_expectation result_of(const pinpipe_expectations *expectations, const char *id) {
    pinpipe_expectation out = PINPIPE_EXPECTATION_INIT;
    for (int32_t i = 0; i < pinpipe_expectations_count(expectations); i++) {
        CHECK_INT(pinpipe_expectations_at(&out, expectations, i, NULL), PINPIPE_OK);
        if (strcmp(out.id, id) == 0) {
            return out;
        }
    }
    fprintf(stderr, "no expectation %s\n", id);
    CHECK(!"the expectation exists");
    return out;
}

typedef struct wanted {
    const char *id;
    int64_t failures;
    int64_t failing_key; /* -1 = none */
    const char *failing_value;
    const char *observed;
} wanted;

static void test_results(void) {
    static const wanted all[] = {
        {"pin.ind.unique", 1, 1, "1", "3"},
        {"pin.title.unique", 1, 4, "a", "2"},
        {"pin.title.null_share_max", 0, -1, "", "0.25"},
        {"pin.follower_count.min", 2, 2, "-7", "-9"},
        {"pin.follower_count.max", 0, -1, "", "1000"},
        {"pin.follower_count.null_share_max", 1, 1, "", "0.25"},
        {"pin.category.in", 1, 2, "\xc3\xa9t\xc3\xa9", ""},
        {"geo.coordinates.min", 1, 1, "[-91.0,0.0]", "[-91.0,0.0]"},
        {"geo.coordinates.max", 1, 2, "[0.0,181.0]", "[0.0,181.0]"},
        {"geo.timestamp.min", 1, 1, "2008-12-31T23:59:59Z", "\"2008-12-31T23:59:59Z\""},
        {"user.age.in", 0, -1, "", ""},
        {"pin.rows_min", 1, -1, "", "4"},
        {"user.rows_min", 1, -1, "", "0"},
    };
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_expectations *e = NULL;
    CHECK_INT(pinpipe_expectations_decode(&e, pp_str(rules), &err), PINPIPE_OK);
    CHECK_INT(pinpipe_expectations_count(e), 13);
    CHECK_INT(rows_add(e, PINPIPE_PIN, pins, &err), PINPIPE_OK);
    CHECK_INT(rows_add(e, PINPIPE_GEO, geos, &err), PINPIPE_OK);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        pinpipe_expectation result = result_of(e, all[i].id);
        CHECK_INT(result.failures, all[i].failures);
        CHECK_INT(result.has_passed, all[i].failures == 0);
        CHECK_INT(result.is_fatal, strcmp(all[i].id, "pin.ind.unique") == 0);
        CHECK_INT(result.has_failing_row ? result.failing_key : -1, all[i].failing_key);
        CHECK_TEXT(result.failing_value.ptr, result.failing_value.len, all[i].failing_value);
        CHECK_TEXT(result.observed, strlen(result.observed), all[i].observed);
    }
    pinpipe_expectation values = result_of(e, "pin.category.in");
    CHECK_TEXT(values.expected.ptr, values.expected.len, "[\"art\",\"travel\"]");
    CHECK_INT(values.rows, 4);
    pinpipe_expectations_free(e);
}

static void test_rows_max(void) {
    pinpipe_expectations *e = NULL;
    static const char text[] = "{\"expect\":{\"pin\":{\"rows_max\":3},\"pin.ind\":{\"unique\":false}}}";
    CHECK_INT(pinpipe_expectations_decode(&e, pp_str(text), NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_expectations_count(e), 1);
    CHECK_INT(rows_add(e, PINPIPE_PIN, pins, NULL), PINPIPE_OK);
    CHECK_INT(result_of(e, "pin.rows_max").failures, 1);
    pinpipe_expectations_free(e);
}

static void test_bad_documents(void) {
    static const char *const bad[][2] = {
        {"", "the rules are not JSON"},
        {"{\"expect\":", "the rules are not JSON: line 1, column"},
        {"{\"expect\":{\"pin.ind\":{\"unique\":true},\"pin.ind\":{}}}", "duplicate"},
        {"[]", "the rules have no object 'expect'"},
        {"{}", "the rules have no object 'expect'"},
        {"{\"expect\":[]}", "the rules have no object 'expect'"},
        {"{\"expect\":{\"pins.ind\":{\"unique\":true}}}", "'pins.ind' begins with none of pin, geo, user"},
        {"{\"expect\":{\"\":{\"unique\":true}}}", "'' begins with none of"},
        {"{\"expect\":{\"geo.index\":{\"unique\":true}}}",
         "'geo.index' names no column; those of geo are ind, country, coordinates, timestamp"},
        {"{\"expect\":{\"geo.\":{\"unique\":true}}}", "'geo.' names no column"},
        {"{\"expect\":{\"pin.ind\":{\"uniqe\":true}}}",
         "expect.pin.ind: 'uniqe' is none of unique, min, max, in, null_share_max, fatal"},
        {"{\"expect\":{\"pin\":{\"unique\":true}}}",
         "expect.pin: 'unique' is none of rows_min, rows_max, fatal"},
        {"{\"expect\":{\"pin.title\":{\"min\":\"a\"}}}", "expect.pin.title: 'min' is none of unique, in"},
        {"{\"expect\":{\"pin.ind\":7}}", "expect.pin.ind: wants an object"},
        {"{\"expect\":{\"pin.ind\":{}}}", "expect.pin.ind: wants an object with at least one check"},
        {"{\"expect\":{\"pin.ind\":{\"fatal\":true}}}", "expect.pin.ind: wants an object with at least"},
        {"{\"expect\":{\"pin.ind\":{\"unique\":true,\"fatal\":1}}}",
         "expect.pin.ind.fatal: wants true or false"},
        {"{\"expect\":{\"pin.ind\":{\"unique\":1}}}", "expect.pin.ind.unique: wants true or false, not 1"},
        {"{\"expect\":{\"pin.ind\":{\"min\":\"1\"}}}", "expect.pin.ind.min: wants an integer, not \"1\""},
        {"{\"expect\":{\"pin.ind\":{\"min\":1.5}}}", "wants an integer, not 1.5"},
        {"{\"expect\":{\"user.age\":{\"min\":13,\"max\":12}}}",
         "expect.user.age: min 13 is more than max 12"},
        {"{\"expect\":{\"geo.timestamp\":{\"min\":\"soon\"}}}",
         "expect.geo.timestamp.min: wants a time such as"},
        {"{\"expect\":{\"geo.coordinates\":{\"min\":[1]}}}", "wants two numbers such as [-90,-180], not [1]"},
        {"{\"expect\":{\"geo.coordinates\":{\"min\":[1,2],\"max\":[2,1]}}}",
         "min [1,2] is more than max [2,1]"},
        {"{\"expect\":{\"pin.category\":{\"in\":[]}}}",
         "expect.pin.category.in: wants a list of values, not []"},
        {"{\"expect\":{\"pin.category\":{\"in\":\"art\"}}}", "wants a list of values, not \"art\""},
        {"{\"expect\":{\"pin.category\":{\"in\":[1]}}}", "wants texts only, not 1"},
        {"{\"expect\":{\"user.age\":{\"in\":[\"a\"]}}}", "wants integers only, not \"a\""},
        {"{\"expect\":{\"user.age\":{\"in\":[3,4,3]}}}", "wants each value once, not 3"},
        {"{\"expect\":{\"pin.title\":{\"null_share_max\":1.01}}}", "wants a share from 0 to 1, not 1.01"},
        {"{\"expect\":{\"pin.title\":{\"null_share_max\":\"x\"}}}", "wants a share from 0 to 1, not \"x\""},
        {"{\"expect\":{\"pin\":{\"rows_min\":-1}}}",
         "expect.pin.rows_min: wants an integer of at least 0, not -1"},
        {"{\"expect\":{\"pin\":{\"rows_min\":2,\"rows_max\":1}}}", "rows_min 2 is more than rows_max 1"},
        {"{\"expect\":{\"matches\":1}}", "expect.matches: wants an object"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pinpipe_error err = PINPIPE_ERROR_INIT;
        pinpipe_expectations *e = NULL;
        pinpipe_str text = {bad[i][0], strlen(bad[i][0])};
        CHECK_INT(pinpipe_expectations_decode(&e, text, &err), PINPIPE_EDATA);
        CHECK(e == NULL);
        if (!strstr(err.message, bad[i][1])) {
            CHECK_TEXT(err.message, strlen(err.message), bad[i][1]);
        }
    }
}

static void test_limits(void) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_expectations *e = NULL;
    pinpipe_buf text = PINPIPE_BUF_INIT;
    CHECK_INT(pp_buf_reserve(&text, (size_t)PINPIPE_EXPECTATIONS_BYTES_MAX + 1, PP_BUF_MAX, NULL),
              PINPIPE_OK);
    memset(text.ptr, ' ', (size_t)PINPIPE_EXPECTATIONS_BYTES_MAX + 1);
    text.len = (size_t)PINPIPE_EXPECTATIONS_BYTES_MAX + 1;
    CHECK_INT(pinpipe_expectations_decode(&e, pp_buf_view(&text), &err), PINPIPE_ELIMIT);
    CHECK_INT(pinpipe_expectations_new(&e, pp_str("cours"), &err), PINPIPE_EINVAL);
    CHECK(strstr(err.message, "'cours'; there are: course") != NULL);
    pp_key_set set = {0};
    CHECK_INT(pp_key_set_reserve(&set, 5, 4, &err), PINPIPE_ELIMIT);
    CHECK_INT(pp_key_set_reserve(&set, 4, 4, &err), PINPIPE_OK);
    for (int64_t i = 0; i < 4; i++) {
        CHECK(pp_key_set_put(&set, pp_key_of(&i, sizeof i)));
        CHECK(!pp_key_set_put(&set, pp_key_of(&i, sizeof i)));
    }
    CHECK_INT(pp_key_set_reserve(&set, 1, 4, &err), PINPIPE_ELIMIT);
    CHECK_INT(pp_key_set_reserve(&set, 100000, 200000, &err), PINPIPE_OK);
    for (int64_t i = 0; i < 100000; i++) {
        CHECK(pp_key_set_put(&set, pp_key_of(&i, sizeof i)) == (i > 3));
    }
    CHECK_INT(set.count, 100000);
    pp_key_set_reset(&set);
    pinpipe_buf_reset(&text);
}

static void test_bad_arguments(void) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_expectations *e = NULL;
    pinpipe_batch *batch = NULL;
    CHECK_INT(pinpipe_expectations_new(&e, pp_str("course"), &err), PINPIPE_OK);
    CHECK(pinpipe_expectations_count(e) > 20);
    CHECK_INT(pinpipe_batch_new(&batch, PINPIPE_PIN, PINPIPE_RAW, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_expectations_add(e, batch, &err), PINPIPE_EINVAL);
    pinpipe_expectation out = PINPIPE_EXPECTATION_INIT;
    CHECK_INT(pinpipe_expectations_at(&out, e, pinpipe_expectations_count(e), &err), PINPIPE_EINVAL);
    CHECK_INT(pinpipe_expectations_at(&out, e, -1, &err), PINPIPE_EINVAL);
    CHECK_INT(pinpipe_expectations_at(&out, e, 0, &err), PINPIPE_OK);
    CHECK(*out.source != '\0');
    out.struct_size = 8;
    CHECK_INT(pinpipe_expectations_at(&out, e, 0, &err), PINPIPE_EINVAL);
    pinpipe_batch_free(batch);
    pinpipe_expectations_free(e);
    pinpipe_expectations_free(NULL);
}

/* Decode, built-in set and rows; each request for memory fails once. */
static pinpipe_status everything(pinpipe_error *err) {
    static const char text[] = "{\"expect\":{\"pin.ind\":{\"unique\":true},\"pin.title\":{\"unique\":true},"
                               "\"pin.category\":{\"in\":[\"a\",\"b\"]},\"pin\":{\"rows_min\":2}}}";
    pinpipe_expectations *read = NULL;
    pinpipe_expectations *course = NULL;
    pinpipe_statistics *statistics = NULL;
    pinpipe_status status = pinpipe_expectations_decode(&read, pp_str(text), err);
    if (status >= 0) {
        status = pinpipe_expectations_new(&course, pp_str("course"), err);
    }
    if (status >= 0) {
        status = pinpipe_statistics_new(&statistics, PINPIPE_PIN, PINPIPE_CLEAN, err);
    }
    if (status >= 0) {
        status = rows_add(read, PINPIPE_PIN, pins, err);
    }
    if (status >= 0) {
        status = rows_add(course, PINPIPE_PIN, pins, err);
    }
    if (status >= 0) {
        CHECK_INT(result_of(read, "pin.ind.unique").failures, 1);
        CHECK_INT(result_of(course, "pin.category.in").failures, 1);
    }
    pinpipe_statistics_free(statistics);
    pinpipe_expectations_free(course);
    pinpipe_expectations_free(read);
    return status < 0 ? status : PINPIPE_OK;
}

static void test_no_memory(void) {
    int64_t held = memory.held;
    for (int64_t fail_at = 1; fail_at < 2000; fail_at++) {
        pinpipe_error err = PINPIPE_ERROR_INIT;
        memory.requests = 0;
        memory.fail_at = fail_at;
        pinpipe_status status = everything(&err);
        bool is_through = memory.requests < fail_at;
        memory.fail_at = 0;
        CHECK_INT(status, is_through ? PINPIPE_OK : PINPIPE_ENOMEM);
        CHECK(is_through || strstr(err.message, "memory") != NULL);
        CHECK_INT(memory.held, held);
        if (is_through) {
            printf("%lld requests failed, one by one\n", (long long)fail_at - 1);
            return;
        }
    }
    CHECK(!"the job ends");
}

int main(void) {
    memory_watch();
    test_results();
    test_rows_max();
    test_bad_documents();
    test_limits();
    test_bad_arguments();
    test_no_memory();
    CHECK_INT(memory.held, 0);
    return check_report();
}
