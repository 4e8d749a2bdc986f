/* Turns recorded answers of a loopback server into checks of the REST proxy's client: bodies, answers,
 * attempts. Never accepts a leak, or a record without its result, whichever allocation fails. Rules:
 * docs/kafka-rest.md; tests/vectors/kafka-rest has the transcripts, tests/python/test_rest.py replays them.
 */
#include "counting_memory.h"

#include "base/buffer.h"
#include "pinpipe/kafka_rest.h"

static pinpipe_error err = PINPIPE_ERROR_INIT;

#if PINPIPE_WITH_S3

#include "io/answer.h"
#include "io/retry.h"
#include "loopback.h"
#include "rest/answer.h"
#include "rest/body.h"
#include "text/json_string.h"

#define TOPIC "a.pin"
#define ALLOCATIONS_MAX 400

/* ---- answers ---- */

static void answer_read(pp_rest_answer *out, pp_rest_entry *entries, int64_t room, const char *text) {
    char padded[1024] = "";
    snprintf(padded, sizeof padded - PP_JSON_PADDING, "%s", text);
    pp_rest_answer_read(out, entries, room, pp_str(padded));
    out->text = (pinpipe_str){NULL, 0}; /* it lay in this frame */
}

static void test_answers_are_read(void) {
    static const struct {
        const char *text;
        int64_t count, offset;
        int32_t partition, entry_code, code;
        bool is_object, has_offsets;
    } cases[] = {
        {"{\"offsets\":[{\"partition\":3,\"offset\":9,\"error_code\":null,\"error\":null}]}", 1, 9, 3, 0, 0,
         true, true},
        {" { \"key_schema_id\" : null , \"offsets\" : [ { \"offset\" : 9 , \"partition\" : 3 } ] } ", 1, 9, 3,
         0, 0, true, true},
        {"{\"offsets\":[{\"error_code\":50003,\"error\":\"\\u0041\"}]}", 1, -1, -1, 50003, 0, true, true},
        {"{\"offsets\":[{\"error_code\":404,\"message\":\"x\"}]}", 1, -1, -1, 404, 0, true, true},
        {"{\"offsets\":[{\"partition\":0,\"offset\":1},{\"partition\":0,\"offset\":2}]}", 2, 1, 0, 0, 0, true,
         true},
        {"{\"offsets\":[]}", 0, 0, 0, 0, 0, true, true},
        {"{\"offsets\":[{\"partition\":0,\"offset\":-1}]}", 1, -1, 0, 0, 0, true, true},
        {"{\"offsets\":[{\"partition\":0,\"offset\":9223372036854775807}]}", 1, INT64_MAX, 0, 0, 0, true,
         true},
        {"{\"offsets\":[{\"partition\":0,\"offset\":9223372036854775808}]}", 0, 0, 0, 0, 0, true, false},
        {"{\"offsets\":[{\"partition\":2147483648,\"offset\":1}]}", 0, 0, 0, 0, 0, true, false},
        {"{\"offsets\":[{\"partition\":0,\"offset\":\"1\"}]}", 0, 0, 0, 0, 0, true, false},
        {"{\"offsets\":[{\"partition\":0,\"offset\":1.5}]}", 0, 0, 0, 0, 0, true, false},
        {"{\"offsets\":[{}]}", 0, 0, 0, 0, 0, true, false},
        {"{\"offsets\":[7]}", 0, 0, 0, 0, 0, true, false},
        {"{\"offsets\":{}}", 0, 0, 0, 0, 0, true, false},
        {"{\"offsets\":[{\"partition\":0,\"offset\":1}]", 0, 0, 0, 0, 0, false, false},
        {"{\"offsets\":[{\"partition\":0,\"offset\":1}]} x", 0, 0, 0, 0, 0, false, false},
        {"{\"error_code\":40401,\"message\":\"Topic not found.\"}", 0, 0, 0, 0, 40401, true, false},
        {"{\"error_code\":\"40401\",\"message\":5}", 0, 0, 0, 0, 0, true, false},
        {"{\"error_code\":-1}", 0, 0, 0, 0, 0, true, false},
        {"[]", 0, 0, 0, 0, 0, false, false},
        {"", 0, 0, 0, 0, 0, false, false},
        {"{\"a\":\"\xff\"}", 0, 0, 0, 0, 0, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pp_rest_entry entry = {0, 0, 0, {NULL, 0}};
        pp_rest_answer answer;
        answer_read(&answer, &entry, 1, cases[i].text);
        CHECK_INT(answer.is_object, cases[i].is_object);
        CHECK_INT(answer.has_offsets, cases[i].has_offsets);
        CHECK_INT(answer.code, cases[i].code);
        if (answer.has_offsets && cases[i].count) {
            CHECK_INT(answer.count, cases[i].count);
            CHECK_INT(entry.offset, cases[i].offset);
            CHECK_INT(entry.partition, cases[i].partition);
            CHECK_INT(entry.code, cases[i].entry_code);
        }
    }
}

static void test_shapes_and_rows(void) {
    CHECK_INT(pp_answer_shape_of(pp_str(" \r\n")), PP_ANSWER_EMPTY);
    CHECK_INT(pp_answer_shape_of(pp_str(" [1]")), PP_ANSWER_JSON);
    CHECK_INT(pp_answer_shape_of(pp_str("\n<html>")), PP_ANSWER_PAGE);
    CHECK_INT(pp_answer_shape_of(pp_str("ok")), PP_ANSWER_TEXT);
    CHECK(pp_answer_has(pp_str("abc"), pp_str("")) && pp_answer_has(pp_str("abc"), pp_str("bc")));
    CHECK(!pp_answer_has(pp_str("ab"), pp_str("abc")) && pp_answer_has(pp_str(""), pp_str("")));
    pp_answer_query query = {504, 0, pp_str("{\"message\": \"Network error communicating with endpoint\"}")};
    const pp_answer_row *row = pp_gateway_find(&query);
    CHECK(row && row->kind == PP_RETRY_TRANSIENT && strstr(row->says, "does not reach its backend"));
    query = (pp_answer_query){418, 0, pp_str("")};
    CHECK(pp_gateway_find(&query) == NULL);
}

/* ---- bodies ---- */

static pinpipe_kafka_rest_record record_of(const char *value) {
    pinpipe_kafka_rest_record record = PINPIPE_KAFKA_REST_RECORD_INIT;
    record.topic = pp_str(TOPIC);
    record.value = pp_str(value);
    record.keep = PINPIPE_KAFKA_REST_KEEP_RESULT;
    return record;
}

static void test_bodies(void) {
    pp_rest_body body = {.parts = NULL};
    pinpipe_kafka_rest_record record = record_of("{\"a\":1}");
    for (int round = 0; round < 2; round++) {
        CHECK_INT(pp_rest_body_add(&body, &record, 1024, &err), PINPIPE_OK);
        record = record_of("[\"\\ud83d\\ude00\"]");
        record.partition = INT32_MAX;
        record.key = pp_str("7");
        CHECK_INT(pp_rest_body_add(&body, &record, 1024, &err), PINPIPE_OK);
        record = record_of("\"\\ud83d\"");
        CHECK_INT(pp_rest_body_add(&body, &record, 1024, &err), PINPIPE_EDATA);
        CHECK(strstr(err.message, "byte 1: an unpaired surrogate") != NULL);
        CHECK_INT(err.byte_offset, 1);
        record = record_of("3");
        CHECK_INT(pp_rest_body_add(&body, &record, 1024, &err), PINPIPE_OK);
        pp_rest_body_end(&body);
        CHECK_TEXT(body.text.ptr, body.text.len,
                   "{\"records\":[{\"value\":{\"a\":1}},{\"key\":7,\"partition\":2147483646,"
                   "\"value\":[\"\\ud83d\\ude00\"]},{\"value\":3}]}");
        body.parts[0].is_again = body.parts[2].is_again = true;
        pp_rest_body_again(&body);
        CHECK_TEXT(body.text.ptr, body.text.len, "{\"records\":[{\"value\":{\"a\":1}},{\"value\":3}]}");
        body.parts[1].is_again = true;
        pp_rest_body_again(&body);
        CHECK_TEXT(body.text.ptr, body.text.len, "{\"records\":[{\"value\":3}]}");
        pp_rest_body_clear(&body);
        record = record_of("{\"a\":1}");
    }
    for (int i = 0; i < 900; i++) { /* to the last byte of a request's room */
        record = record_of("1234567890");
        int64_t former = (int64_t)body.text.len;
        pinpipe_status status = pp_rest_body_add(&body, &record, 1100, &err);
        CHECK(status == PINPIPE_OK || (status == PINPIPE_AGAIN && (int64_t)body.text.len == former));
    }
    pp_rest_body_end(&body);
    CHECK(body.text.len <= 1100 && body.text.len > 1000);
    pp_rest_body_reset(&body);
}

/* ---- attempts ---- */

static loopback server;
static char base[64];

static void server_begin(const loopback_answer *answers, int count) {
    server = (loopback){.answers = answers, .count = count};
    CHECK(loopback_begin(&server));
    snprintf(base, sizeof base, "http://127.0.0.1:%d/test", server.port);
}

static void server_end(int requests) {
    loopback_end(&server);
    CHECK_INT(atomic_load(&server.wrong), 0);
    CHECK_INT(atomic_load(&server.requests), requests);
    if (atomic_load(&server.wrong)) {
        fprintf(stderr, "%s\n", server.note);
    }
}

static pinpipe_credentials *key_new(const char *token) {
    pinpipe_credentials *key = NULL;
    pinpipe_credentials_options parts = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    parts.access_key_id = pp_str("AKID");
    parts.secret_access_key = pp_str("secret");
    parts.session_token = pp_str(token);
    CHECK_INT(pinpipe_credentials_new(&key, &parts, &err), PINPIPE_OK);
    return key;
}

static pinpipe_kafka_rest *client_new(int32_t auth) {
    pinpipe_kafka_rest *rest = NULL;
    pinpipe_provider *provider = NULL;
    pinpipe_kafka_rest_options options = PINPIPE_KAFKA_REST_OPTIONS_INIT;
    options.endpoint = pp_str(base);
    options.api_key = pp_str("gateway-key");
    if (auth == PINPIPE_KAFKA_REST_AUTH_IAM) {
        pinpipe_provider_options from = PINPIPE_PROVIDER_OPTIONS_INIT;
        pinpipe_credentials *key = key_new("session");
        from.credentials = key;
        CHECK_INT(pinpipe_provider_new(&provider, &from, &err), PINPIPE_OK);
        pinpipe_credentials_free(key);
    }
    options.auth = auth;
    options.provider = provider;
    options.region = auth ? pp_str("eu-west-1") : options.region;
    CHECK_INT(pinpipe_kafka_rest_new(&rest, &options, &err), PINPIPE_OK);
    pinpipe_provider_free(provider);
    return rest;
}

static void record_write(pinpipe_kafka_rest *rest, const char *value) {
    pinpipe_kafka_rest_record record = record_of(value);
    CHECK_INT(pinpipe_kafka_rest_write(rest, &record, 1000, &err), PINPIPE_OK);
}

static void result_is(pinpipe_kafka_rest *rest, int64_t number, int64_t offset, pinpipe_status status) {
    pinpipe_kafka_rest_result result = PINPIPE_KAFKA_REST_RESULT_INIT;
    CHECK_INT(pinpipe_kafka_rest_next(&result, rest), PINPIPE_OK);
    CHECK_INT(result.number, number);
    CHECK_INT(result.offset, offset);
    CHECK_INT(result.status, status);
    CHECK((status == PINPIPE_OK) == (result.text.len == 0));
}

#define DONE_1 "{\"offsets\":[{\"partition\":0,\"offset\":5,\"error_code\":null,\"error\":null}]}"

static void test_signed_requests(void) {
    static const loopback_answer answers[] = {
        {.line = "POST /test/topics/" TOPIC " HTTP/1.1",
         .has = {"\r\nx-api-key: gateway-key\r\n", "/eu-west-1/execute-api/aws4_request",
                 ";x-api-key, Signature=", "\r\nx-amz-security-token: session\r\n",
                 "\r\nContent-Type: application/vnd.kafka.json.v2+json\r\n",
                 "\r\nAccept: application/vnd.kafka.v2+json\r\n", "\r\n\r\n{\"records\":[{\"value\":1}]}"},
         .status = 200,
         .body = DONE_1},
    };
    server_begin(answers, 1);
    pinpipe_kafka_rest *rest = client_new(PINPIPE_KAFKA_REST_AUTH_IAM);
    record_write(rest, "1");
    CHECK_INT(pinpipe_kafka_rest_flush(rest, 5000, &err), PINPIPE_OK);
    result_is(rest, 0, 5, PINPIPE_OK);
    pinpipe_kafka_rest_free(rest);
    server_end(1);
}

/* The gateway's clock is two hours ahead: the second attempt is signed for its time. */
static void test_clock_is_corrected(void) {
    char date[64], stamp[32];
    time_t later = time(NULL) + 7200;
    struct tm parts;
    gmtime_r(&later, &parts);
    strftime(date, sizeof date, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
    strftime(stamp, sizeof stamp, "x-amz-date: %Y%m%dT%H", &parts);
    const loopback_answer answers[] = {
        {.line = "POST",
         .lacks = stamp,
         .headers = date,
         .status = 403,
         .body =
             "{\"message\":\"Signature expired: 20260101T000000Z is now earlier than 20260101T020000Z\"}"},
        {.line = "POST", .has = {stamp}, .headers = date, .status = 200, .body = DONE_1},
    };
    if (parts.tm_min < 59) { /* else the hour may change in between */
        server_begin(answers, 2);
        pinpipe_kafka_rest *rest = client_new(PINPIPE_KAFKA_REST_AUTH_IAM);
        record_write(rest, "1");
        CHECK_INT(pinpipe_kafka_rest_flush(rest, 5000, &err), PINPIPE_OK);
        CHECK_INT(pinpipe_kafka_rest_count(rest, PINPIPE_KAFKA_REST_RETRIES), 1);
        CHECK_INT(pinpipe_kafka_rest_count(rest, PINPIPE_KAFKA_REST_MAY_REPEAT), 0);
        pinpipe_kafka_rest_free(rest);
        server_end(2);
    }
}

static void test_an_expired_key_is_renewed_once(void) {
    static const char refusal[] = "{\"message\":\"The security token included in the request is expired\"}";
    static const loopback_answer answers[] = {{.line = "POST", .status = 403, .body = refusal},
                                              {.line = "POST", .status = 403, .body = refusal}};
    server_begin(answers, 2);
    pinpipe_kafka_rest *rest = client_new(PINPIPE_KAFKA_REST_AUTH_IAM);
    record_write(rest, "1");
    CHECK_INT(pinpipe_kafka_rest_flush(rest, 5000, &err), PINPIPE_EAUTH);
    CHECK(strstr(err.message, "the key has expired: log in again") != NULL);
    CHECK(strstr(err.message, "session") == NULL);
    result_is(rest, 0, -1, PINPIPE_EAUTH);
    pinpipe_kafka_rest_free(rest);
    server_end(2);
}

static void test_retry_after_is_kept_to(void) {
    static const loopback_answer answers[] = {
        {.line = "POST", .headers = "Retry-After: 1\r\n", .status = 503, .body = ""},
        {.line = "POST", .lacks = "Authorization", .status = 200, .body = DONE_1}};
    server_begin(answers, 2);
    pinpipe_kafka_rest *rest = client_new(PINPIPE_KAFKA_REST_AUTH_NONE);
    record_write(rest, "1");
    CHECK_INT(pinpipe_kafka_rest_flush(rest, 700, &err), PINPIPE_ETIMEOUT);
    CHECK(strstr(err.message, "1 records wait to be delivered; last: topic 'a.pin': HTTP 503") != NULL);
    CHECK_INT(pinpipe_kafka_rest_flush(rest, 5000, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_rest_count(rest, PINPIPE_KAFKA_REST_MAY_REPEAT), 1);
    result_is(rest, 0, 5, PINPIPE_OK);
    pinpipe_kafka_rest_free(rest);
    server_end(2);
}

static void test_freed_while_under_way(void) {
    static const loopback_answer answers[] = {{.line = "POST", .delay_ms = -1}};
    server_begin(answers, 1);
    pinpipe_kafka_rest *rest = client_new(PINPIPE_KAFKA_REST_AUTH_NONE);
    record_write(rest, "1");
    CHECK_INT(pinpipe_kafka_rest_flush(rest, 100, &err), PINPIPE_ETIMEOUT);
    record_write(rest, "2");
    pinpipe_kafka_rest_free(rest);
    server_end(1);
    pinpipe_kafka_rest_free(NULL);
}

/* ---- without memory ---- */

static bool job_run(pinpipe_status *status) {
    pinpipe_kafka_rest *rest = NULL;
    pinpipe_kafka_rest_options options = PINPIPE_KAFKA_REST_OPTIONS_INIT;
    pinpipe_kafka_rest_result result = PINPIPE_KAFKA_REST_RESULT_INIT;
    int64_t taken = 0, results = 0;
    options.endpoint = pp_str(base);
    options.api_key = pp_str("gateway-key");
    *status = pinpipe_kafka_rest_new(&rest, &options, &err);
    for (int i = 0; *status == PINPIPE_OK && i < 3; i++) {
        pinpipe_kafka_rest_record record = record_of("[\"x\"]");
        record.topic = pp_str(i % 2 ? "a.geo" : "a.pin");
        *status = pinpipe_kafka_rest_write(rest, &record, 100, &err);
        taken += *status == PINPIPE_OK;
        if (*status == PINPIPE_OK) {
            *status = pinpipe_kafka_rest_flush(rest, 5000, &err);
        }
    }
    bool is_whole = true;
    if (rest) {
        int64_t done = pinpipe_kafka_rest_count(rest, PINPIPE_KAFKA_REST_DELIVERED) +
                       pinpipe_kafka_rest_count(rest, PINPIPE_KAFKA_REST_FAILED);
        while (pinpipe_kafka_rest_next(&result, rest) == PINPIPE_OK) {
            is_whole = is_whole && (result.status == PINPIPE_OK || result.text.len > 0);
            results++;
        }
        is_whole = is_whole && pinpipe_kafka_rest_count(rest, PINPIPE_KAFKA_REST_WRITTEN) == taken &&
                   results == done;
    }
    pinpipe_kafka_rest_free(rest);
    return is_whole;
}

static void test_every_allocation_may_fail(void) {
    static const loopback_answer answers[] = {{.line = "POST", .status = 200, .body = DONE_1}};
    int64_t failed = 0;
    server = (loopback){.answers = answers, .count = 1, .endless = true};
    CHECK(loopback_begin(&server));
    snprintf(base, sizeof base, "http://127.0.0.1:%d/test", server.port);
    for (int keeps = 0; keeps < 2; keeps++) {
        for (int64_t at = 1; at <= ALLOCATIONS_MAX; at++) {
            pinpipe_status status = PINPIPE_OK;
            int64_t held = memory.held;
            memory.requests = memory.failed = 0;
            memory.fail_at = at;
            memory.keeps_failing = keeps;
            bool is_whole = job_run(&status);
            memory.fail_at = 0;
            CHECK(is_whole);
            CHECK_INT(memory.held, held);
            if (!memory.failed) {
                CHECK_INT(status, PINPIPE_OK);
                CHECK(at < ALLOCATIONS_MAX);
                break;
            }
            CHECK(status == PINPIPE_ENOMEM || status == PINPIPE_OK);
            failed++;
        }
    }
    loopback_end(&server);
    CHECK_INT(atomic_load(&server.wrong), 0);
    printf("%lld requests for memory failed\n", (long long)failed);
    CHECK(failed > 20);
}

/* Once its buffers have their size, writing allocates nothing: only requests do, in libcurl. */
static void test_writing_allocates_nothing_a_record(void) {
    pinpipe_kafka_rest *rest = NULL;
    pinpipe_kafka_rest_options options = PINPIPE_KAFKA_REST_OPTIONS_INIT;
    options.endpoint = pp_str("http://127.0.0.1:9/test");
    options.batch_records = 10000;
    options.linger_ms = 60000;
    CHECK_INT(pinpipe_kafka_rest_new(&rest, &options, &err), PINPIPE_OK);
    pinpipe_kafka_rest_record record = record_of("{\"index\":7528,\"title\":\"No Title Data Available\"}");
    record.keep = PINPIPE_KAFKA_REST_KEEP_NONE;
    int64_t before = memory.requests;
    for (int i = 0; i < 9000; i++) {
        CHECK_INT(pinpipe_kafka_rest_write(rest, &record, 0, &err), PINPIPE_OK);
    }
    CHECK(memory.requests - before < 60); /* a buffer that grew */
    pinpipe_kafka_rest_free(rest);
}

#else

static void test_absent(void) {
    pinpipe_kafka_rest *rest = NULL;
    int64_t taken = 1;
    pinpipe_kafka_rest_options options = PINPIPE_KAFKA_REST_OPTIONS_INIT;
    CHECK_INT(pinpipe_kafka_rest_new(&rest, &options, &err), PINPIPE_ENOTSUP);
    CHECK(strstr(err.message, "PINPIPE_WITH_S3") != NULL && rest == NULL);
    CHECK_INT(pinpipe_kafka_rest_lines_write(&taken, rest, NULL, 0, &err), PINPIPE_ENOTSUP);
    CHECK_INT(taken, 0);
    CHECK_INT(pinpipe_kafka_rest_flush(rest, 0, &err), PINPIPE_ENOTSUP);
    CHECK_INT(pinpipe_kafka_rest_poll(rest, &err), PINPIPE_ENOTSUP);
    CHECK_INT(pinpipe_kafka_rest_next(NULL, rest), PINPIPE_DONE);
    pinpipe_kafka_rest_free(rest);
}

#endif

static void test_counters_have_names(void) {
    CHECK_TEXT(pinpipe_kafka_rest_counter_name(0), 7, "written");
    CHECK(pinpipe_kafka_rest_counter_name(PINPIPE_KAFKA_REST_COUNTER_COUNT) == NULL);
    CHECK(pinpipe_kafka_rest_counter_name(-1) == NULL);
    CHECK(strstr(pinpipe_kafka_rest_counter_text(PINPIPE_KAFKA_REST_FAILED), "for good") != NULL);
    CHECK(pinpipe_kafka_rest_counter_text(PINPIPE_KAFKA_REST_COUNTER_COUNT) == NULL);
}

int main(void) {
    memory_watch();
    test_counters_have_names();
#if PINPIPE_WITH_S3
    test_answers_are_read();
    test_shapes_and_rows();
    test_bodies();
    test_signed_requests();
    test_clock_is_corrected();
    test_an_expired_key_is_renewed_once();
    test_retry_after_is_kept_to();
    test_freed_while_under_way();
    test_every_allocation_may_fail();
    test_writing_allocates_nothing_a_record();
#else
    test_absent();
#endif
    return check_report();
}
