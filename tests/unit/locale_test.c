/* Turns the same bytes into rows and back under the C locale and under one with a decimal comma.
 * Never trusts that a locale is installed: one is made from a source of its own.
 * Rules: text/number.h: numbers never look at the locale. */
#include "check.h"

#include <locale.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "pinpipe/pinpipe.h"

/* The short road of coordinates, the C library's conversions, magnitudes with both marks, and wrong commas.
 */
static const char geos[] =
    "{\"ind\":1,\"latitude\":-89.9787,\"longitude\":0.1234567890123456789}\n"
    "{\"ind\":2,\"latitude\":\"1,5\",\"longitude\":1.7976931348623157e308}\n"
    "{\"ind\":3,\"latitude\":5e-324,\"longitude\":2.2250738585072011e-308}\n"
    "{\"ind\":4,\"latitude\":\"12345.678901234567\",\"longitude\":\"-3.14159265358979323846e-10\"}\n"
    "{\"ind\":5,\"latitude\":\"1.234,5\",\"longitude\":9007199254740993.5}\n"
    "{\"ind\":6,\"timestamp\":\"2020-08-28T03:52:47.5\",\"latitude\":123456789012345678901234567890}\n";
static const char pins[] =
    "{\"index\":1,\"follower_count\":\"1.5k\"}\n{\"index\":2,\"follower_count\":\"1,5k\"}\n"
    "{\"index\":3,\"follower_count\":\"1,234,567\"}\n"
    "{\"index\":4,\"follower_count\":\"1.234.567\",\"title\":1.5e-9}\n";

static void decode_append(pinpipe_buf *out, int32_t record, int32_t shape, pinpipe_str text) {
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    options.record = record;
    options.shape = shape;
    pinpipe_decoder *decoder = NULL;
    pinpipe_batch *batch = NULL;
    pinpipe_report *report = NULL;
    int64_t taken = 0;
    CHECK_INT(pinpipe_decoder_new(&decoder, &options, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_batch_new(&batch, record, shape, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_report_new(&report, record, shape, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_decoder_feed(&taken, decoder, batch, text, report, NULL), PINPIPE_OK);
    CHECK_INT(taken, text.len);
    CHECK_INT(pinpipe_decoder_finish(decoder, batch, report, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_batch_encode(out, batch, PINPIPE_FORMAT_NDJSON, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_batch_encode(out, batch, PINPIPE_FORMAT_CSV, NULL), PINPIPE_OK);
    for (int32_t i = 0; i < pinpipe_rule_count(record, shape); i++) {
        CHECK(pp_buf_printf(out, NULL, "%lld ", (long long)pinpipe_report_hits(report, i)) == PINPIPE_OK);
    }
    pinpipe_report_free(report);
    pinpipe_batch_free(batch);
    pinpipe_decoder_free(decoder);
}

static pinpipe_buf all_decode(void) {
    pinpipe_buf out = PINPIPE_BUF_INIT;
    static const int32_t shapes[] = {PINPIPE_RAW, PINPIPE_CLEAN};
    for (size_t i = 0; i < 2; i++) {
        decode_append(&out, PINPIPE_GEO, shapes[i], pp_str(geos));
        decode_append(&out, PINPIPE_PIN, shapes[i], pp_str(pins));
    }
    return out;
}

static FILE *file_open(const char *folder, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    return file ? file : stderr;
}

/* Makes the locale "comma" in `folder` with localedef, which is a part of the C library's own package; the
 * character map is made too, for the maps are not. True when the process then uses it. */
static bool comma_use(char *folder) {
    char command[1024];
    CHECK(mkdtemp(folder) != NULL);
    FILE *map = file_open(folder, "map");
    fputs("<code_set_name> ASCII\n<mb_cur_min> 1\n<mb_cur_max> 1\n<escape_char> /\nCHARMAP\n", map);
    for (uint32_t i = 0; i < 128; i++) {
        fprintf(map, "<U%04X> /x%02x\n", i, i);
    }
    fputs("END CHARMAP\n", map);
    fclose(map);
    FILE *source = file_open(folder, "source");
    fputs("LC_NUMERIC\ndecimal_point \"<U002C>\"\nthousands_sep \"<U002E>\"\ngrouping 3;3\nEND LC_NUMERIC\n",
          source);
    fclose(source);
    /* localedef warns that the other categories are not there, which is meant, and ends with 1 */
    snprintf(command, sizeof command,
             "localedef -c --no-archive -f '%s/map' -i '%s/source' '%s/comma' >'%s/log' 2>&1", folder, folder,
             folder, folder);
    CHECK(system(command) >= 0);
    CHECK(setenv("LOCPATH", folder, 1) == 0);
    return setlocale(LC_NUMERIC, "comma") != NULL;
}

static void folder_remove(const char *folder) {
    char command[512];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    CHECK_INT(system(command), 0);
}

int main(void) {
    char folder[] = "/tmp/pinpipe-locale-XXXXXX";
    pinpipe_buf plain = all_decode();
    CHECK(plain.len > 500);
    CHECK(strstr(plain.ptr, "1.7976931348623157e+308") != NULL);
    CHECK(strstr(plain.ptr, "-3.1415926535897934e-10") != NULL);
    CHECK(comma_use(folder));
    char shown[16];
    snprintf(shown, sizeof shown, "%.1f", 1.5);
    CHECK_TEXT(shown, strlen(shown), "1,5");
    pinpipe_buf comma = all_decode();
    CHECK(comma.len == plain.len && memcmp(comma.ptr, plain.ptr, plain.len) == 0);
    snprintf(shown, sizeof shown, "%.1f", 1.5);
    CHECK_TEXT(shown, strlen(shown), "1,5");
    folder_remove(folder);
    pinpipe_buf_reset(&plain);
    pinpipe_buf_reset(&comma);
    return check_report();
}
