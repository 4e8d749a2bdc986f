/* Turns one input into a table by one, two and three threads, and compares rows, rejects and counts.
 * Never accepts another order; the preset `tsan` watches the threads.
 * Rules: pinpipe_table_decode; DESIGN §3: the decoder's threads where the caller asks. */
#include "check.h"

#include "base/buffer.h"
#include "pinpipe/pinpipe.h"

/* Four pieces. Threads change nothing: the same rows, rejects and counts in the same order as one decoder
 * gives. */
static void test_threads(pinpipe_profile *profile) {
    pinpipe_buf input = PINPIPE_BUF_INIT;
    pinpipe_buf expected[2] = {PINPIPE_BUF_INIT, PINPIPE_BUF_INIT};
    for (int32_t i = 0; input.len < ((size_t)13 << 20); i++) {
        const char *form = i % 1000 == 7 ? "{\"index\":%d,\"title\":\"cut\n"
                           : i % 5       ? "{\"index\":%d,\"title\":\"t\",\"category\":\"\"}\n"
                                         : "{\"index\":%d,\"title\":null,\"category\":\"art\"}\n";
        CHECK_INT(pp_buf_printf(&input, NULL, form, i), PINPIPE_OK);
    }
    for (int32_t threads = 1; threads <= 3; threads++) {
        pinpipe_table *table = NULL;
        pinpipe_report *report = NULL;
        pinpipe_buf got[2] = {PINPIPE_BUF_INIT, PINPIPE_BUF_INIT};
        pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
        options.profile = profile;
        CHECK_INT(pinpipe_table_new(&table, PINPIPE_PIN, PINPIPE_CLEAN, NULL), PINPIPE_OK);
        CHECK_INT(pinpipe_report_new(&report, PINPIPE_PIN, PINPIPE_CLEAN, NULL), PINPIPE_OK);
        pinpipe_str bytes = {input.ptr, input.len};
        CHECK_INT(pinpipe_table_decode(table, &options, bytes, threads, report, NULL), PINPIPE_PARTIAL);
        for (int64_t i = 0; i < pinpipe_table_batches(table); i++) {
            pinpipe_batch *batch = NULL;
            CHECK_INT(pinpipe_table_at(&batch, table, i, NULL), PINPIPE_OK);
            CHECK_INT(pinpipe_batch_encode(&got[0], batch, PINPIPE_FORMAT_CSV, NULL), PINPIPE_OK);
            pinpipe_batch_free(batch);
        }
        CHECK_INT(pinpipe_report_encode_rejects(&got[1], report, NULL), PINPIPE_OK);
        CHECK_INT(pinpipe_report_records(report), pinpipe_table_rows(table) +
                                                      pinpipe_report_rejected(report) +
                                                      pinpipe_report_dropped(report));
        CHECK((pinpipe_report_dropped(report) > 0) == (profile != NULL));
        for (int32_t i = 0; i < 2; i++) {
            CHECK(threads == 1 || pp_str_equal(pp_buf_view(&got[i]), pp_buf_view(&expected[i])));
            if (threads == 1) {
                expected[i] = got[i];
            } else {
                pinpipe_buf_reset(&got[i]);
            }
        }
        pinpipe_table_free(table);
        pinpipe_report_free(report);
    }
    pinpipe_buf_reset(&expected[0]);
    pinpipe_buf_reset(&expected[1]);
    pinpipe_buf_reset(&input);
}

int main(void) {
    static const char rules[] = "{\"rules\":{\"pin.title.null\":\"dropped\",\"pin.category.null\":"
                                "{\"effect\":\"filled\",\"value\":\"none\"}}}";
    pinpipe_profile *profile = NULL;
    CHECK_INT(pinpipe_profile_decode(&profile, pp_str(rules), NULL), PINPIPE_OK);
    test_threads(NULL);
    test_threads(profile);
    pinpipe_profile_free(profile);
    return check_report();
}
