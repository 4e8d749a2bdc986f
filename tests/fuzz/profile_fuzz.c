/* Turns any bytes into a rule file, and cleans records by it on both roads where it is one; and into
 * expectations. Never accepts a half-read file, a refusal without a reason, or a row that nobody counted.
 * Rules: include/pinpipe/profile.h, expectations.h; the whole input is the rule file. */
#include "fuzz.h"

#include <string.h>

#include "base/buffer.h"
#include "clean/decoder.h"
#include "pinpipe/expectations.h"

/* Plain and dirty records of every type, each twice, so that the second may take the fast road. */
static const char *const lines[] = {
    ("{\"index\":1,\"unique_id\":\"u\",\"title\":\"Untitled\",\"description\":\"\",\"poster_name\":\"User "
     "Info "
     "Error\",\"follower_count\":\"User Info Error\",\"tag_list\":null,\"is_image_or_video\":\"image\","
     "\"image_src\":\"Image src error.\",\"downloaded\":1,\"save_location\":\"Local save in /data/art\","
     "\"category\":\"art\"}\n"),
    "{\"ind\":1,\"timestamp\":\"soon\",\"latitude\":1.5,\"longitude\":2.5,\"country\":\"Lao\"}\n",
    "{\"ind\":1,\"first_name\":\"A\",\"last_name\":\"B\",\"age\":20,\"date_joined\":\"2015-10-24T11:23:51\"}"
    "\n",
};

static void record_clean(pinpipe_profile *profile, int32_t record) {
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    pinpipe_decoder *decoder = NULL;
    pinpipe_batch *batch = NULL;
    pinpipe_report *report = NULL;
    pinpipe_buf input = PINPIPE_BUF_INIT;
    int64_t taken = 0;
    options.record = record;
    options.format = PINPIPE_FORMAT_NDJSON;
    options.profile = profile;
    for (int32_t i = 0; i < 8; i++) {
        REQUIRE(pp_buf_append_text(&input, lines[record], NULL) == PINPIPE_OK);
    }
    REQUIRE(pinpipe_decoder_new(&decoder, &options, NULL) == PINPIPE_OK);
    REQUIRE(pinpipe_batch_new(&batch, record, PINPIPE_CLEAN, NULL) == PINPIPE_OK);
    REQUIRE(pinpipe_report_new(&report, record, PINPIPE_CLEAN, NULL) == PINPIPE_OK);
    REQUIRE(pinpipe_decoder_feed(&taken, decoder, batch, pp_buf_view(&input), report, NULL) >= 0);
    REQUIRE(pinpipe_decoder_finish(decoder, batch, report, NULL) >= 0);
    REQUIRE(pinpipe_report_records(report) == 8);
    REQUIRE(pinpipe_batch_rows(batch) + pinpipe_report_dropped(report) == 8);
    pinpipe_buf_reset(&input);
    REQUIRE(pinpipe_batch_encode(&input, batch, PINPIPE_FORMAT_NDJSON, NULL) == PINPIPE_OK);
    pinpipe_buf_reset(&input);
    pinpipe_decoder_free(decoder);
    pinpipe_batch_free(batch);
    pinpipe_report_free(report);
}

/* Both rows of each record are the same: what failed failed on the first or on both. */
static void expectations_read(pinpipe_str text) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_expectations *expectations = NULL;
    pinpipe_status status = pinpipe_expectations_decode(&expectations, text, &err);
    REQUIRE(status == PINPIPE_OK ? expectations != NULL : !expectations && err.message[0]);
    for (int32_t record = 0; expectations && record < (int32_t)(sizeof lines / sizeof lines[0]); record++) {
        pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
        pinpipe_table *table = NULL;
        pinpipe_report *report = NULL;
        pinpipe_batch *batch = NULL;
        options.record = record;
        REQUIRE(pinpipe_table_new(&table, record, PINPIPE_CLEAN, NULL) == PINPIPE_OK);
        REQUIRE(pinpipe_report_new(&report, record, PINPIPE_CLEAN, NULL) == PINPIPE_OK);
        REQUIRE(pinpipe_table_decode(table, &options, pp_str(lines[record]), 1, report, NULL) >= 0);
        REQUIRE(pinpipe_table_at(&batch, table, 0, NULL) == PINPIPE_OK);
        REQUIRE(pinpipe_expectations_add(expectations, batch, NULL) == PINPIPE_OK);
        REQUIRE(pinpipe_expectations_add(expectations, batch, NULL) == PINPIPE_OK);
        pinpipe_batch_free(batch);
        pinpipe_report_free(report);
        pinpipe_table_free(table);
    }
    for (int32_t i = 0; expectations && i < pinpipe_expectations_count(expectations); i++) {
        pinpipe_expectation out = PINPIPE_EXPECTATION_INIT;
        REQUIRE(pinpipe_expectations_at(&out, expectations, i, NULL) == PINPIPE_OK);
        REQUIRE(out.rows == 2 && out.expected.len > 0 && out.id[0]);
        REQUIRE(out.has_passed == (out.failures == 0) && out.failing_value.len <= PP_QUOTE_MAX);
        REQUIRE(out.check != PINPIPE_CHECK_IN || out.failures % 2 == 0);
    }
    pinpipe_expectations_free(expectations);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_profile *profile = NULL;
    expectations_read((pinpipe_str){(const char *)data, size});
    pinpipe_status status = pinpipe_profile_decode(&profile, (pinpipe_str){(const char *)data, size}, &err);
    if (status < 0) {
        REQUIRE(!profile && err.message[0]);
        return 0;
    }
    for (int32_t record = 0; record < pinpipe_record_count(); record++) {
        for (int32_t i = 0; i < pinpipe_profile_count(profile, record); i++) {
            pinpipe_rule_info info = PINPIPE_RULE_INFO_INIT;
            REQUIRE(pinpipe_profile_at(&info, profile, record, i, NULL) == PINPIPE_OK);
        }
        record_clean(profile, record);
    }
    pinpipe_profile_free(profile);
    return 0;
}
