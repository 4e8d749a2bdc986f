/* Turns what surrounds a call (retries, clock, endpoints) into checks by tables, with a simulated clock and
 * fixed random numbers. Never sleeps and never opens a socket. Rules: reference/signing.md §3.4, §3.5, §4.1;
 * tests/vectors/endpoints.json was resolved by botocore 1.44.5. */
#include "check.h"

#include <jansson.h>
#include <stdlib.h>

#include "aws/endpoint.h"
#include "base/buffer.h"
#include "io/retry.h"
#include "io/skew.h"

static pinpipe_error err = PINPIPE_ERROR_INIT;

/* ---- retries ---- */

/* One answer of a service: what it was, and what has to come of it. */
typedef struct answer {
    int32_t http_status; /* 0 = none came: `status` */
    const char *code;
    pinpipe_status status;
    int64_t hint_ms;
    bool again;
    int64_t pause_ms, quota;
} answer;

typedef struct trace {
    const char *name;
    pp_retry_mode mode;
    int32_t attempts_max;
    int64_t quota; /* at the beginning */
    answer answers[8];
} trace;

#define OK                                                                                                   \
    { 200, "", 0, -1, false, 0, 0 }

/* Random is 1 throughout: each pause is the longest of its kind. */
static const trace traces[] = {
    {"v2.1: transient twice, then well",
     PP_RETRY_STANDARD,
     3,
     500,
     {{500, "", 0, -1, true, 50, 486}, {500, "", 0, -1, true, 100, 472}, {200, "", 0, -1, false, 0, 486}}},
    {"v2.1: all attempts fail",
     PP_RETRY_STANDARD,
     3,
     500,
     {{502, "", 0, -1, true, 50, 486}, {502, "", 0, -1, true, 100, 472}, {502, "", 0, -1, false, 0, 472}}},
    {"v2.1: throttled",
     PP_RETRY_STANDARD,
     3,
     500,
     {{400, "Throttling", 0, -1, true, 1000, 495},
      {400, "Throttling", 0, -1, true, 2000, 490},
      {200, "", 0, -1, false, 0, 495}}},
    {"v2.1: throttled by status",
     PP_RETRY_STANDARD,
     3,
     500,
     {{429, "", 0, -1, true, 1000, 495},
      {503, "SlowDown", 0, -1, true, 2000, 490},
      {503, "", 0, -1, false, 0, 490}}},
    {"v2.1: the quota ends",
     PP_RETRY_STANDARD,
     5,
     14,
     {{500, "", 0, -1, true, 50, 0}, {500, "", 0, -1, false, 0, 0}}},
    {"v2.1: no quota", PP_RETRY_STANDARD, 3, 0, {{500, "", 0, -1, false, 0, 0}}},
    {"v2.1: quota too small for one", PP_RETRY_STANDARD, 3, 13, {{504, "", 0, -1, false, 0, 13}}},
    {"v2.1: longest pause",
     PP_RETRY_STANDARD,
     8,
     500,
     {{429, "", 0, -1, true, 1000, 495},
      {429, "", 0, -1, true, 2000, 490},
      {429, "", 0, -1, true, 4000, 485},
      {429, "", 0, -1, true, 8000, 480},
      {429, "", 0, -1, true, 16000, 475},
      {429, "", 0, -1, true, 20000, 470},
      {429, "", 0, -1, true, 20000, 465},
      {429, "", 0, -1, false, 0, 465}}},
    {"v2.1: success at once gives 1", PP_RETRY_STANDARD, 3, 400, {{200, "", 0, -1, false, 0, 401}}},
    {"v2.1: never above 500", PP_RETRY_STANDARD, 3, 500, {{200, "", 0, -1, false, 0, 500}}},
    {"v2.1: a hint below the pause", PP_RETRY_STANDARD, 3, 500, {{500, "", 0, 10, true, 50, 486}, OK}},
    {"v2.1: a hint within 5 s", PP_RETRY_STANDARD, 3, 500, {{500, "", 0, 1500, true, 1500, 486}, OK}},
    {"v2.1: a hint beyond 5 s", PP_RETRY_STANDARD, 3, 500, {{500, "", 0, 10000, true, 5050, 486}, OK}},
    {"v2.1: not to be retried", PP_RETRY_STANDARD, 3, 500, {{403, "AccessDenied", 0, -1, false, 0, 500}}},
    {"v2.1: no connection",
     PP_RETRY_STANDARD,
     3,
     500,
     {{0, "", PINPIPE_ENET, -1, true, 50, 486},
      {0, "", PINPIPE_ETIMEOUT, -1, true, 100, 472},
      {200, "", 0, -1, false, 0, 486}}},
    {"v2.0: transient twice, then well",
     PP_RETRY_STANDARD_FORMER,
     3,
     500,
     {{500, "", 0, -1, true, 1000, 495}, {500, "", 0, -1, true, 2000, 490}, {200, "", 0, -1, false, 0, 495}}},
    {"v2.0: timeouts cost 10",
     PP_RETRY_STANDARD_FORMER,
     3,
     500,
     {{0, "", PINPIPE_ETIMEOUT, -1, true, 1000, 490}, {200, "", 0, -1, false, 0, 500}}},
    {"v2.0: the quota ends",
     PP_RETRY_STANDARD_FORMER,
     5,
     5,
     {{500, "", 0, -1, true, 1000, 0}, {502, "", 0, -1, false, 0, 0}}},
    {"v2.0: throttled",
     PP_RETRY_STANDARD_FORMER,
     3,
     500,
     {{400, "ThrottlingException", 0, -1, true, 1000, 495},
      {400, "RequestLimitExceeded", 0, -1, true, 2000, 490},
      {400, "TooManyRequestsException", 0, -1, false, 0, 490}}},
    {"v2.0: longest pause",
     PP_RETRY_STANDARD_FORMER,
     8,
     500,
     {{500, "", 0, -1, true, 1000, 495},
      {500, "", 0, -1, true, 2000, 490},
      {500, "", 0, -1, true, 4000, 485},
      {500, "", 0, -1, true, 8000, 480},
      {500, "", 0, -1, true, 16000, 475},
      {500, "", 0, -1, true, 20000, 470},
      {500, "", 0, -1, true, 20000, 465},
      {500, "", 0, -1, false, 0, 465}}},
    {"v2.0: a hint is not looked at",
     PP_RETRY_STANDARD_FORMER,
     3,
     500,
     {{500, "", 0, 5000, true, 1000, 495}, OK}},
};

static void trace_run(const trace *one) {
    pp_retry retry;
    pp_retry_call call = {0};
    pp_retry_init(&retry, one->mode, one->attempts_max);
    atomic_store(&retry.quota, one->quota);
    for (size_t i = 0; i < 8 && (one->answers[i].http_status || one->answers[i].status); i++) {
        const answer *next = &one->answers[i];
        int64_t pause_ms = 0;
        if (next->http_status == 200) {
            pp_retry_done(&retry, &call);
            CHECK(next->quota == 0 || retry.quota == next->quota);
            break;
        }
        pp_retry_failure failure = {next->http_status
                                        ? pp_retry_kind_of(pp_str(next->code), next->http_status)
                                        : pp_retry_kind_of_status(next->status),
                                    next->hint_ms, -1};
        bool again = pp_retry_next(&pause_ms, &retry, &call, &failure, 1.0);
        if (again != next->again || pause_ms != next->pause_ms || retry.quota != next->quota) {
            fprintf(stderr, "%s: answer %zu: again %d, pause %lld, quota %lld\n", one->name, i, again,
                    (long long)pause_ms, (long long)retry.quota);
        }
        CHECK(again == next->again);
        CHECK_INT(pause_ms, next->pause_ms);
        CHECK_INT(retry.quota, next->quota);
    }
}

/* A service that is down for good: what 10,000 calls send beyond their first attempts. */
static void test_brown_out(void) {
    for (int mode = PP_RETRY_STANDARD; mode <= PP_RETRY_STANDARD_FORMER; mode++) {
        pp_retry retry;
        int64_t sent = 0;
        pp_retry_init(&retry, (pp_retry_mode)mode, 3);
        for (int i = 0; i < 10000; i++) {
            pp_retry_call call = {0};
            pp_retry_failure failure = {PP_RETRY_TRANSIENT, -1, -1};
            int64_t pause_ms = 0;
            do {
                sent++;
            } while (pp_retry_next(&pause_ms, &retry, &call, &failure, 0.5));
        }
        printf("brown-out, %s: %lld attempts of 10000 calls\n", mode ? "v2.0" : "v2.1", (long long)sent);
        CHECK(sent <= 11000);
    }
}

static void test_retry_texts(void) {
    CHECK_INT(pp_retry_after_read(pp_str("3")), 3000);
    CHECK_INT(pp_retry_after_read(pp_str("")), -1);
    CHECK_INT(pp_retry_after_read(pp_str("Wed, 21 Oct 2015 07:28:00 GMT")), -1);
    CHECK_INT(pp_retry_after_read(pp_str("99999999999999999999")), -1);
    CHECK_INT(pp_retry_hint_read(pp_str("1500")), 1500);
    CHECK_INT(pp_retry_hint_read(pp_str("-1")), -1);
    CHECK_INT(pp_retry_hint_read(pp_str("1.5")), -1);
    CHECK_INT(pp_retry_hint_read(pp_str("18446744073709551617")), -1);
    pp_retry retry;
    pp_retry_call call = {0};
    pp_retry_failure failure = {PP_RETRY_TRANSIENT, -1, 7000};
    int64_t pause_ms = 0;
    pp_retry_init(&retry, PP_RETRY_STANDARD, 3);
    CHECK(pp_retry_next(&pause_ms, &retry, &call, &failure, 0.0));
    CHECK_INT(pause_ms, 7000); /* Retry-After is the least */
    static const int64_t partial[] = {50, 100, 200, 400, 800, 1600, 3200, 5000, 5000};
    for (int32_t round = 1; round <= 9; round++) {
        CHECK_INT(pp_retry_partial_ms(round, 1.0), partial[round - 1]);
        CHECK_INT(pp_retry_partial_ms(round, 0.0), 0);
    }
}

/* ---- clock ---- */

#define T0 INT64_C(1767225600)

/* An answer whose service is `ahead_ms` ahead of a machine at T0 + at_ms. */
static void learn(pp_skew *skew, int64_t at_ms, int64_t ahead_ms, int64_t rtt_ms, bool trusted) {
    int64_t wall_ms = T0 * 1000 + at_ms;
    pp_skew_sample sample = {.date_s = (wall_ms - rtt_ms / 2 + ahead_ms) / 1000,
                             .wall_ms = wall_ms,
                             .monotonic_ms = 1000000 + at_ms,
                             .rtt_ms = rtt_ms,
                             .trusted = trusted};
    pp_skew_learn(skew, &sample);
}

static bool near(int64_t value, int64_t wanted, int64_t by) {
    return value >= wanted - by && value <= wanted + by;
}

static void test_skew(void) {
    static const int64_t hours[] = {-3, 3, -2, 2, 20, -20};
    for (size_t i = 0; i < sizeof hours / sizeof hours[0]; i++) {
        pp_skew skew = {0};
        learn(&skew, 0, hours[i] * 3600000, 80, true);
        CHECK(near(pp_skew_offset_ms(&skew), hours[i] * 3600000, 600));
    }
    pp_skew skew = {0};
    CHECK_INT(pp_skew_offset_ms(&skew), 0);
    CHECK(!pp_skew_explains(&skew, 0));
    learn(&skew, 0, 30000, 80, true);
    CHECK_INT(pp_skew_offset_ms(&skew), 0); /* half a minute is let be … */
    CHECK(pp_skew_explains(&skew, 0));      /* … unless a service refuses it … */
    CHECK(near(pp_skew_offset_ms(&skew), 30000, 600));
    CHECK(!pp_skew_explains(&skew, pp_skew_offset_ms(&skew))); /* … once */
    /* A slow answer does not move what a quick one told, a minute later neither. */
    skew = (pp_skew){0};
    learn(&skew, 0, 7200000, 20, true);
    int64_t told_ms = pp_skew_offset_ms(&skew);
    learn(&skew, 60000, 7200400, 4000, true);
    CHECK_INT(pp_skew_offset_ms(&skew), told_ms);
    /* A clock that was set does. */
    learn(&skew, 120000, 0, 300, true);
    CHECK_INT(pp_skew_offset_ms(&skew), 0);
    /* Without TLS nobody moves the clock by more than a day. */
    skew = (pp_skew){0};
    learn(&skew, 0, INT64_C(25) * 3600000, 10, false);
    CHECK_INT(pp_skew_offset_ms(&skew), 0);
    learn(&skew, 0, INT64_C(25) * 3600000, 10, true);
    CHECK(near(pp_skew_offset_ms(&skew), INT64_C(25) * 3600000, 600));
    pp_skew_sample none = {.date_s = -1, .rtt_ms = 1};
    skew = (pp_skew){0};
    pp_skew_learn(&skew, &none);
    CHECK_INT(pp_skew_offset_ms(&skew), 0);
}

/* ---- endpoints ---- */

static void test_endpoint_vectors(void) {
    json_error_t error;
    json_t *rows = json_load_file(PINPIPE_SOURCE_DIR "/tests/vectors/endpoints.json", 0, &error);
    CHECK(rows != NULL);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const char *service = json_string_value(json_array_get(row, 0));
        const char *region = json_string_value(json_array_get(row, 1));
        const char *url = json_string_value(json_array_get(row, 4));
        pp_endpoint_query query = {pp_str(service), pp_str(region), 0};
        pinpipe_buf out = PINPIPE_BUF_INIT;
        query.variants |= json_is_true(json_array_get(row, 2)) ? PP_ENDPOINT_FIPS_HOST : 0;
        query.variants |= json_is_true(json_array_get(row, 3)) ? PP_ENDPOINT_DUALSTACK : 0;
        pinpipe_status status = pp_endpoint_compute(&out, &query, &err);
        CHECK_INT(status, url ? PINPIPE_OK : PINPIPE_EINVAL);
        if (url && status == PINPIPE_OK) {
            CHECK_TEXT(out.ptr, out.len, url);
        }
        pinpipe_buf_reset(&out);
    }
    printf("endpoints: %zu rows\n", json_array_size(rows));
    json_decref(rows);
}

static void variable_set(pp_settings *settings, pp_environment_id id, const char *value) {
    pinpipe_buf_reset(&settings->environment.values[id]);
    CHECK_INT(pp_buf_append_text(&settings->environment.values[id], value, &err), PINPIPE_OK);
}

static bool endpoint_is(const pp_settings *settings, const char *service, const char *url) {
    return pp_str_is(pp_settings_endpoint(settings, pp_str(service)), url);
}

/* Every source of an endpoint, from the weakest to the strongest. */
static void test_endpoint_order(void) {
    pp_settings settings = {0};
    pinpipe_buf text = PINPIPE_BUF_INIT;
    CHECK_INT(pp_buf_append_text(&settings.profile, "p", &err), PINPIPE_OK);
    CHECK_INT(
        pp_buf_append_text(&text,
                           "[profile p]\nendpoint_url = http://profile\nservices = s\nregion = "
                           "eu-north-1\nuse_fips_endpoint = true\n[services s]\nkinesis =\n  endpoint_url = "
                           "http://section\n  other = 1\nS3 =\n  endpoint_url = http://section-s3\n",
                           &err),
        PINPIPE_OK);
    CHECK_INT(pp_profiles_add(&settings.profiles, &text, PP_PROFILES_CONFIG, "config", &err), PINPIPE_OK);
    CHECK(endpoint_is(&settings, "sts", "http://profile"));
    CHECK(endpoint_is(&settings, "kinesis", "http://section"));
    CHECK(endpoint_is(&settings, "s3", "http://section-s3"));
    variable_set(&settings, PP_ENV_ENDPOINT, "http://global");
    CHECK(endpoint_is(&settings, "kinesis", "http://global"));
    variable_set(&settings, PP_ENV_ENDPOINT_KINESIS, "http://own");
    CHECK(endpoint_is(&settings, "kinesis", "http://own"));
    CHECK(endpoint_is(&settings, "s3", "http://global"));
    variable_set(&settings, PP_ENV_ENDPOINTS_IGNORED, "true");
    CHECK(endpoint_is(&settings, "kinesis", ""));
    CHECK(pp_str_is(pp_settings_region(&settings), "eu-north-1"));
    variable_set(&settings, PP_ENV_REGION_DEFAULT, "eu-west-2");
    CHECK(pp_str_is(pp_settings_region(&settings), "eu-west-2"));
    variable_set(&settings, PP_ENV_REGION, "eu-west-1");
    CHECK(pp_str_is(pp_settings_region(&settings), "eu-west-1"));
    CHECK_INT(pp_buf_append_text(&settings.region, "us-east-1", &err), PINPIPE_OK);
    CHECK(pp_str_is(pp_settings_region(&settings), "us-east-1"));
    CHECK_INT(pp_settings_variants(&settings), PP_ENDPOINT_FIPS_HOST);
    variable_set(&settings, PP_ENV_USE_FIPS, "false");
    variable_set(&settings, PP_ENV_USE_DUALSTACK, "TRUE");
    CHECK_INT(pp_settings_variants(&settings), PP_ENDPOINT_DUALSTACK);
    pp_settings_reset(&settings);
}

static void test_regions(void) {
    static const char *const bad[] = {
        "",    "eu_west_1", "EU", "a.b",
        "x/y", "eu west",   "é",  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_INT(pp_region_check(pp_str(bad[i]), &err), PINPIPE_EINVAL);
    }
    CHECK(strcmp(pp_region_partition(pp_str("us-gov-west-1")), "aws-us-gov") == 0);
    CHECK(strcmp(pp_region_partition(pp_str("us-iso-east-1")), "aws-iso") == 0);
    CHECK(strcmp(pp_region_partition(pp_str("eu-west-1")), "aws") == 0);
    CHECK(strcmp(pp_region_partition(pp_str("moon-1")), "aws") == 0);
}

int main(void) {
    for (size_t i = 0; i < sizeof traces / sizeof traces[0]; i++) {
        trace_run(&traces[i]);
    }
    printf("retries: %zu traces\n", sizeof traces / sizeof traces[0]);
    test_brown_out();
    test_retry_texts();
    test_skew();
    test_endpoint_vectors();
    test_endpoint_order();
    test_regions();
    return check_report();
}
