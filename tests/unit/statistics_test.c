/* Turns small tables of which everything is known into statistics, and compares.
 * Never trusts one batch: the same rows cut into batches of every size give the same statistics.
 * Rules: pinpipe/statistics.h; docs/census.md. */
#include "check.h"

#include "base/buffer.h"
#include "pinpipe/pinpipe.h"

#define LONG_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 64 */
#define LONG_Z "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"  /* 63 */

static const char pins[] = "{\"index\":7,\"title\":\"" LONG_A "b\",\"follower_count\":\"1k\"}\n"
                           "{\"index\":-3,\"title\":\"" LONG_A "\",\"follower_count\":\"User Info Error\"}\n"
                           "{\"index\":9,\"title\":\"" LONG_Z "\xc3\xa9\",\"follower_count\":\"-5\"}\n"
                           "{\"index\":8,\"title\":\"m\",\"description\":\"only\",\"follower_count\":12}\n";

static const char geos[] =
    "{\"ind\":1,\"latitude\":-1.5,\"longitude\":170,\"timestamp\":\"2020-01-01T00:00:00\"}\n"
    "{\"ind\":2,\"latitude\":80,\"longitude\":-2.5,\"timestamp\":\"2019-01-01T00:00:00\"}\n"
    "{\"ind\":3,\"latitude\":3}\n";

/* The statistics of a text in batches of so many rows. */
static pinpipe_statistics *statistics_of(int32_t record, int32_t shape, const char *text,
                                         int64_t batch_rows) {
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    pinpipe_decoder *decoder = NULL;
    pinpipe_batch *batch = NULL;
    pinpipe_report *report = NULL;
    pinpipe_statistics *statistics = NULL;
    options.record = record;
    options.shape = shape;
    options.batch_rows = batch_rows;
    CHECK_INT(pinpipe_decoder_new(&decoder, &options, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_batch_new(&batch, record, shape, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_report_new(&report, record, shape, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_statistics_new(&statistics, record, shape, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_statistics_add(statistics, batch, NULL), PINPIPE_OK); /* an empty one */
    size_t len = strlen(text);
    for (size_t at = 0; at < len;) {
        int64_t taken = 0;
        pinpipe_str rest = {text + at, len - at};
        CHECK(pinpipe_decoder_feed(&taken, decoder, batch, rest, report, NULL) >= 0);
        at += (size_t)taken;
        CHECK_INT(pinpipe_statistics_add(statistics, batch, NULL), PINPIPE_OK);
        pinpipe_batch_clear(batch);
    }
    pinpipe_status status = PINPIPE_AGAIN;
    while (status == PINPIPE_AGAIN) {
        status = pinpipe_decoder_finish(decoder, batch, report, NULL);
        CHECK(status >= 0);
        CHECK_INT(pinpipe_statistics_add(statistics, batch, NULL), PINPIPE_OK);
        pinpipe_batch_clear(batch);
    }
    pinpipe_report_free(report);
    pinpipe_batch_free(batch);
    pinpipe_decoder_free(decoder);
    return statistics;
}

static pinpipe_column_statistics column_of(const pinpipe_statistics *statistics, int32_t record,
                                           int32_t shape, const char *name) {
    pinpipe_column_statistics out = PINPIPE_COLUMN_STATISTICS_INIT;
    for (int32_t i = 0; i < pinpipe_schema_count(record, shape); i++) {
        pinpipe_column_info info = PINPIPE_COLUMN_INFO_INIT;
        CHECK_INT(pinpipe_schema_at(&info, record, shape, i, NULL), PINPIPE_OK);
        if (strcmp(info.name, name) == 0) {
            CHECK_INT(pinpipe_statistics_at(&out, statistics, i, NULL), PINPIPE_OK);
            CHECK_INT(out.type, info.type);
            return out;
        }
    }
    CHECK(!"the column exists");
    return out;
}

static void test_pins(int64_t batch_rows) {
    pinpipe_statistics *s = statistics_of(PINPIPE_PIN, PINPIPE_CLEAN, pins, batch_rows);
    CHECK_INT(pinpipe_statistics_rows(s), 4);
    pinpipe_column_statistics ind = column_of(s, PINPIPE_PIN, PINPIPE_CLEAN, "ind");
    CHECK_INT(ind.rows, 4);
    CHECK_INT(ind.nulls, 0);
    CHECK_INT(ind.min_i64, -3);
    CHECK_INT(ind.max_i64, 9);
    pinpipe_column_statistics count = column_of(s, PINPIPE_PIN, PINPIPE_CLEAN, "follower_count");
    CHECK_INT(count.nulls, 1);
    CHECK_INT(count.min_i64, -5);
    CHECK_INT(count.max_i64, 1000);
    pinpipe_column_statistics title = column_of(s, PINPIPE_PIN, PINPIPE_CLEAN, "title");
    CHECK_TEXT(title.min_text.ptr, title.min_text.len, LONG_A); /* the whole one stands before the cut one */
    CHECK_INT(title.is_min_cut, 0);
    CHECK_TEXT(title.max_text.ptr, title.max_text.len, LONG_Z); /* no half character */
    CHECK_INT(title.is_max_cut, 1);
    CHECK_INT(title.min_bytes, 1);
    CHECK_INT(title.max_bytes, 65);
    CHECK_INT(title.total_bytes, 65 + 64 + 65 + 1);
    pinpipe_column_statistics description = column_of(s, PINPIPE_PIN, PINPIPE_CLEAN, "description");
    CHECK_INT(description.nulls, 3);
    CHECK_TEXT(description.min_text.ptr, description.min_text.len, "only");
    CHECK_TEXT(description.max_text.ptr, description.max_text.len, "only");
    CHECK_INT(description.min_bytes, 4);
    pinpipe_column_statistics tags = column_of(s, PINPIPE_PIN, PINPIPE_CLEAN, "tag_list");
    CHECK_INT(tags.nulls, 4);
    CHECK(tags.min_text.ptr == NULL);
    CHECK_INT(tags.max_bytes, 0);
    pinpipe_statistics_free(s);
}

static void test_geos(int64_t batch_rows) {
    pinpipe_statistics *s = statistics_of(PINPIPE_GEO, PINPIPE_CLEAN, geos, batch_rows);
    pinpipe_column_statistics place = column_of(s, PINPIPE_GEO, PINPIPE_CLEAN, "coordinates");
    CHECK_INT(place.nulls, 1);
    CHECK(place.min_f64[0] == -1.5 && place.max_f64[0] == 80);
    CHECK(place.min_f64[1] == -2.5 && place.max_f64[1] == 170);
    pinpipe_column_statistics time = column_of(s, PINPIPE_GEO, PINPIPE_CLEAN, "timestamp");
    CHECK_INT(time.nulls, 1);
    CHECK_INT(time.max_i64 - time.min_i64, 365LL * 86400 * 1000000);
    pinpipe_statistics_free(s);
    s = statistics_of(PINPIPE_GEO, PINPIPE_RAW, geos, batch_rows);
    pinpipe_column_statistics latitude = column_of(s, PINPIPE_GEO, PINPIPE_RAW, "latitude");
    CHECK(latitude.min_f64[0] == -1.5 && latitude.max_f64[0] == 80);
    CHECK_INT(latitude.nulls, 0);
    pinpipe_column_statistics longitude = column_of(s, PINPIPE_GEO, PINPIPE_RAW, "longitude");
    CHECK(longitude.min_f64[0] == -2.5 && longitude.max_f64[0] == 170);
    CHECK_INT(longitude.nulls, 1);
    pinpipe_column_statistics time_text = column_of(s, PINPIPE_GEO, PINPIPE_RAW, "timestamp");
    CHECK_TEXT(time_text.min_text.ptr, time_text.min_text.len, "2019-01-01T00:00:00");
    pinpipe_statistics_free(s);
}

static void test_bad_arguments(void) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_statistics *s = NULL;
    CHECK_INT(pinpipe_statistics_new(&s, 7, PINPIPE_RAW, &err), PINPIPE_EINVAL);
    CHECK(s == NULL);
    CHECK_INT(pinpipe_statistics_new(&s, PINPIPE_PIN, PINPIPE_RAW, &err), PINPIPE_OK);
    pinpipe_batch *batch = NULL;
    CHECK_INT(pinpipe_batch_new(&batch, PINPIPE_PIN, PINPIPE_CLEAN, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_statistics_add(s, batch, &err), PINPIPE_EINVAL);
    CHECK_TEXT(err.message, strlen(err.message), "a batch of record 0, shape 1 for statistics of 0, 0");
    pinpipe_column_statistics out = PINPIPE_COLUMN_STATISTICS_INIT;
    CHECK_INT(pinpipe_statistics_at(&out, s, 99, &err), PINPIPE_EINVAL);
    CHECK_INT(pinpipe_statistics_at(&out, s, -1, &err), PINPIPE_EINVAL);
    out.struct_size = 4;
    CHECK_INT(pinpipe_statistics_at(&out, s, 0, &err), PINPIPE_EINVAL);
    pinpipe_batch_free(batch);
    pinpipe_statistics_free(s);
    pinpipe_statistics_free(NULL);
}

int main(void) {
    for (int64_t batch_rows = 1; batch_rows < 6; batch_rows++) {
        test_pins(batch_rows);
        test_geos(batch_rows);
    }
    test_bad_arguments();
    return check_report();
}
