/* Turns mutated records into rows by the fast road and by the cell road, and compares byte for byte.
 * Never trusts the fast road: whole input goes through feed, every line of it alone through feed_record.
 * Rules: DESIGN §2: two roads, one set of rules; decoder.md §5.8: no false accept. */
#include "check.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "clean/decoder.h"

#define LINES 30000

static uint64_t state = 0x9e3779b97f4a7c15u;

static uint32_t below(uint32_t limit) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % limit;
}

/* Plain records of each type: both separators, the sink's key order, escapes, raw UTF-8, markers. */
static const char *const plain[][10] = {
    {
        "{\"index\": 7528, \"unique_id\": \"fbe53c66-3442\", \"title\": \"No Title Data Available\", "
        "\"description\": \"No "
        "description available Story format\", \"poster_name\": \"User Info Error\", \"follower_count\": "
        "\"User Info "
        "Error\", \"tag_list\": \"N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e\", \"is_image_or_video\": "
        "\"multi-video(story page "
        "format)\", \"image_src\": \"Image src error.\", \"downloaded\": 0, \"save_location\": \"Local save "
        "in "
        "/data/mens-fashion\", \"category\": \"mens-fashion\"}",
        "{\"index\": 2863, \"unique_id\": \"9bf39437\", \"title\": \"Quotes \\u00e9\\ud83d\\ude00 "
        "\\\"x\\\"\", "
        "\"description\": \"A longer text that needs more than one block of sixteen\\n bytes\", "
        "\"poster_name\": \"P\", "
        "\"follower_count\": \"136k\", \"tag_list\": \"a,b,c\", \"is_image_or_video\": \"image\", "
        "\"image_src\": "
        "\"https://i.pinimg.com/originals/0d/29.jpg\", \"downloaded\": 1, \"save_location\": \"Local save in "
        "/data/quotes\", \"category\": \"quotes\"}",
        "{\"index\":5,\"unique_id\":\"u\",\"title\":\"caf\xc3\xa9 \xf0\x9f\x98\x80 and so on, to the end "
        "\xe2\x80\xa6\xc2\xa0\",\"description\":\"\",\"poster_name\":\"P\",\"follower_count\":\"2M\",\"tag_"
        "list\":\"a\","
        "\"is_image_or_video\":\"video\",\"image_src\":\"s\",\"downloaded\":1,\"save_location\":\"/data/"
        "art\",\"category\":"
        "\"art\"}",
        "{\"is_image_or_video\":\"image\",\"unique_id\":\"u\",\"save_location\":\"Local save in "
        "/data/"
        "art\",\"poster_name\":\"P\",\"tag_list\":\"a\",\"index\":9,\"description\":\"d\",\"title\":\"t\","
        "\"category\":"
        "\"art\",\"follower_count\":\"972\",\"image_src\":\"s\",\"downloaded\":1}",
    },
    {
        "{\"ind\": 7528, \"timestamp\": \"2020-08-28T03:52:47\", \"latitude\": -89.9787, \"longitude\": "
        "-173.293, "
        "\"country\": \"Albania\"}",
        "{\"ind\":1,\"timestamp\":\"2020-08-28 "
        "03:52:47\",\"latitude\":0.5,\"longitude\":17,\"country\":\"C\xc3\xb4te "
        "d'Ivoire\"}",
        "{\"country\":\"Lao People's Democratic "
        "Republic\",\"latitude\":-0.013535,\"ind\":3,\"timestamp\":\"2020-02-29"
        "T23:59:59\",\"longitude\":179.935}",
    },
    {
        "{\"ind\": 7528, \"first_name\": \"Abigail\", \"last_name\": \"Ali\", \"age\": 20, \"date_joined\": "
        "\"2015-10-24T11:23:51\"}",
        "{\"ind\":1,\"first_name\":\"A\",\"last_name\":\"\xc3\x91\",\"age\":60,\"date_joined\":\"2015-10-24 "
        "11:23:51\"}",
        "{\"last_name\":\"Ali\",\"date_joined\":\"2015-10-24T11:23:51\",\"first_name\":\"Abigail\",\"ind\":2,"
        "\"age\":33}",
    },
};

/* Bytes that are likely to matter where they land. */
static const char odd[] = "\"\\,:{}[]0123456789.-+eEkMBtTzZ nul/ \t\r\x01\x1f\x7f\x80\xc3\xff";

static void line_append(pinpipe_buf *out, int32_t record) {
    uint32_t count = 0;
    while (count < 10 && plain[record][count]) {
        count++;
    }
    size_t start = out->len;
    CHECK(pp_buf_append_text(out, plain[record][below(count)], NULL) == PINPIPE_OK);
    uint32_t mutations = below(10) < 8 ? 1 + below(3) : 0;
    for (uint32_t i = 0; i < mutations; i++) {
        size_t len = out->len - start;
        char *at = out->ptr + start + below((uint32_t)len);
        size_t behind = (size_t)(out->ptr + out->len - at);
        switch (below(3)) {
        case 0:
            *at = odd[below(sizeof odd - 1)];
            break;
        case 1: /* take out */
            memmove(at, at + 1, behind - 1);
            out->len--;
            break;
        default: /* put in */
            CHECK(pp_buf_reserve(out, 1, PP_BUF_MAX, NULL) == PINPIPE_OK);
            at = out->ptr + out->len - behind;
            memmove(at + 1, at, behind);
            *at = odd[below(sizeof odd - 1)];
            out->len++;
        }
    }
    CHECK(pp_buf_append(out, "\n", 1, NULL) == PINPIPE_OK);
}

typedef struct road {
    pinpipe_decoder *decoder;
    pinpipe_batch *batch;
    pinpipe_report *report;
    pinpipe_buf rows;
} road;

static road road_open(int32_t record, int32_t shape, pinpipe_profile *profile) {
    road r = {NULL, NULL, NULL, PINPIPE_BUF_INIT};
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    options.record = record;
    options.shape = shape;
    options.format = PINPIPE_FORMAT_NDJSON;
    options.profile = profile;
    CHECK_INT(pinpipe_decoder_new(&r.decoder, &options, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_batch_new(&r.batch, record, shape, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_report_new(&r.report, record, shape, NULL), PINPIPE_OK);
    return r;
}

static void road_take(road *r) {
    CHECK_INT(pinpipe_batch_encode(&r->rows, r->batch, PINPIPE_FORMAT_NDJSON, NULL), PINPIPE_OK);
    pinpipe_batch_clear(r->batch);
}

static void road_free(road *r) {
    pinpipe_decoder_free(r->decoder);
    pinpipe_batch_free(r->batch);
    pinpipe_report_free(r->report);
    pinpipe_buf_reset(&r->rows);
}

static void feed_whole(road *r, const pinpipe_buf *input) {
    for (size_t at = 0; at < input->len;) {
        int64_t taken = 0;
        pinpipe_str rest = {input->ptr + at, input->len - at};
        CHECK(pinpipe_decoder_feed(&taken, r->decoder, r->batch, rest, r->report, NULL) >= 0);
        at += (size_t)taken;
        road_take(r);
    }
    CHECK(pinpipe_decoder_finish(r->decoder, r->batch, r->report, NULL) >= 0);
    road_take(r);
}

static void feed_lines(road *r, const pinpipe_buf *input) {
    const char *end = input->ptr + input->len;
    for (const char *at = input->ptr; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        pinpipe_str line = {at, (size_t)(newline - at)};
        if (line.len) {
            CHECK(pinpipe_decoder_feed_record(r->decoder, r->batch, line, r->report, NULL) >= 0);
            if (pinpipe_batch_rows(r->batch) == 1000) {
                road_take(r);
            }
        }
        at = newline + 1;
    }
    road_take(r);
}

/* The first line that differs is shown. */
static void rows_compare(const road *fast, const road *cells) {
    bool is_equal =
        fast->rows.len == cells->rows.len && memcmp(fast->rows.ptr, cells->rows.ptr, fast->rows.len) == 0;
    CHECK(is_equal);
    size_t at = 0;
    while (!is_equal && at < fast->rows.len && at < cells->rows.len &&
           fast->rows.ptr[at] == cells->rows.ptr[at]) {
        at++;
    }
    while (!is_equal && at > 0 && fast->rows.ptr[at - 1] != '\n') {
        at--;
    }
    if (!is_equal) {
        fprintf(stderr, "fast: %.700s\ncells: %.700s\n", fast->rows.ptr + at, cells->rows.ptr + at);
    }
}

/* The most frequent values that rules met. */
static void values_compare(const road *fast, const road *cells) {
    CHECK_INT(pinpipe_report_value_count(fast->report), pinpipe_report_value_count(cells->report));
    for (int64_t i = 0; i < pinpipe_report_value_count(fast->report); i++) {
        pinpipe_dirty_value a = PINPIPE_DIRTY_VALUE_INIT;
        pinpipe_dirty_value b = PINPIPE_DIRTY_VALUE_INIT;
        CHECK_INT(pinpipe_report_value_at(&a, fast->report, i, NULL), PINPIPE_OK);
        CHECK_INT(pinpipe_report_value_at(&b, cells->report, i, NULL), PINPIPE_OK);
        CHECK(a.rule == b.rule && a.count == b.count && pp_str_equal(a.value, b.value));
    }
}

static void test_roads(int32_t record, int32_t shape, pinpipe_profile *profile, pp_fast_run_fn level) {
    pinpipe_buf input = PINPIPE_BUF_INIT;
    road fast = road_open(record, shape, profile);
    road cells = road_open(record, shape, profile);
    fast.decoder->fast.run = level;
    cells.decoder->fast.count = 0; /* without a style, and without learning one, it stays on the cell road */
    cells.decoder->fast.next_miss = INT64_MAX;
    for (int32_t i = 0; i < LINES; i++) {
        line_append(&input, record);
    }
    feed_whole(&fast, &input);
    feed_lines(&cells, &input);
    rows_compare(&fast, &cells);
    CHECK_INT(pinpipe_report_records(fast.report), pinpipe_report_records(cells.report));
    CHECK_INT(pinpipe_report_rejected(fast.report), pinpipe_report_rejected(cells.report));
    CHECK_INT(pinpipe_report_dropped(fast.report), pinpipe_report_dropped(cells.report));
    values_compare(&fast, &cells);
    for (int32_t i = 0; i < PP_RULES_MAX; i++) {
        CHECK_INT(pinpipe_report_hits(fast.report, i), pinpipe_report_hits(cells.report, i));
    }
    int64_t records = pinpipe_report_records(fast.report);
    int64_t rejected = pinpipe_report_rejected(fast.report);
    printf("%s, shape %d, %s: %lld records, %lld accepted, %lld of them by the fast road\n",
           pinpipe_record_name(record), shape, profile ? pinpipe_profile_name(profile) : "default",
           (long long)records, (long long)(records - rejected), (long long)fast.decoder->fast.rows);
    CHECK(fast.decoder->fast.rows > LINES / 10);
    CHECK_INT(cells.decoder->fast.rows, 0);
    road_free(&fast);
    road_free(&cells);
    pinpipe_buf_reset(&input);
}

/* Rule files that change what the fast road does itself: nothing that is null, texts put in, rows left out.
 */
static const char *const rule_files[] = {
    "{\"name\":\"keep\",\"base\":\"keep\"}",
    "{\"name\":\"dropped\",\"rules\":{\"*.*.null\":\"dropped\",\"pin.title.begins\":{\"text\":\"Q\","
    "\"match\":"
    "\"prefix\",\"effect\":\"kept\"},\"geo.country.lao\":{\"text\":\"Lao\",\"match\":\"prefix\"}}}",
    "{\"name\":\"filled\",\"rules\":{\"pin.follower_count.null\":{\"effect\":\"filled\",\"value\":0},"
    "\"pin.title.null\":{\"effect\":\"filled\",\"value\":\"a title that is longer than the one that was "
    "there\"},\"pin.save_location.no_prefix\":\"nulled\",\"user.date_joined.bad_timestamp\":"
    "{\"effect\":\"filled\",\"value\":\"2000-01-01\"}},\"columns\":{\"user.user_name\":{\"separator\":"
    "\" between first and last name \",\"order\":[\"last_name\",\"first_name\"]},\"geo.coordinates\":"
    "{\"order\":[\"longitude\",\"latitude\"]}}}",
};

static void test_profiles(int32_t record, pp_fast_run_fn level) {
    for (size_t i = 0; i < sizeof rule_files / sizeof rule_files[0]; i++) {
        pinpipe_profile *profile = NULL;
        CHECK_INT(pinpipe_profile_decode(&profile, pp_str(rule_files[i]), NULL), PINPIPE_OK);
        test_roads(record, PINPIPE_CLEAN, profile, level);
        pinpipe_profile_free(profile);
    }
}

/* On clean input no record leaves the fast road, the first one included, wherever the input is cut. */
static void test_clean_input(int32_t record, int32_t shape) {
    pinpipe_buf input = PINPIPE_BUF_INIT;
    road fast = road_open(record, shape, NULL);
    for (int32_t i = 0; i < 4000; i++) {
        for (int32_t way = 0; way < 10 && plain[record][way]; way++) {
            CHECK(pp_buf_append_text(&input, plain[record][way], NULL) == PINPIPE_OK);
            CHECK(pp_buf_append(&input, "\n", 1, NULL) == PINPIPE_OK);
        }
    }
    feed_whole(&fast, &input);
    int64_t slow = pinpipe_report_records(fast.report) - fast.decoder->fast.rows;
    printf("%s, shape %d: %lld of %lld records by the cell road\n", pinpipe_record_name(record), shape,
           (long long)slow, (long long)pinpipe_report_records(fast.report));
    CHECK_INT(slow, 0);
    road_free(&fast);
    pinpipe_buf_reset(&input);
}

/* A payload is one record: a second line in it is no second record, also when the first is written as
 * expected. */
static void test_payloads(void) {
    static const char line[] =
        "{\"ind\":1,\"first_name\":\"A\",\"last_name\":\"B\",\"age\":2,\"date_joined\":\"\"}";
    static const char two[] =
        "{\"ind\":1,\"first_name\":\"A\",\"last_name\":\"B\",\"age\":2,\"date_joined\":\"\"}\n"
        "{\"ind\":1,\"first_name\":\"A\",\"last_name\":\"B\",\"age\":2,\"date_joined\":\"\"}";
    road r = road_open(PINPIPE_USER, PINPIPE_CLEAN, NULL);
    for (int32_t i = 0; i < 100; i++) {
        pinpipe_str payload = {line, sizeof line - 1};
        CHECK_INT(pinpipe_decoder_feed_record(r.decoder, r.batch, payload, r.report, NULL), PINPIPE_OK);
    }
    CHECK_INT(r.decoder->fast.rows, 100);
    pinpipe_str both = {two, sizeof two - 1};
    CHECK_INT(pinpipe_decoder_feed_record(r.decoder, r.batch, both, r.report, NULL), PINPIPE_PARTIAL);
    CHECK_INT(pinpipe_batch_rows(r.batch), 100);
    CHECK_INT(pinpipe_report_records(r.report), 101);
    road_free(&r);
}

/* A record that is too large is rejected though it is written as expected. */
static void test_too_large(void) {
    static const char line[] =
        "{\"ind\":%d,\"first_name\":\"%.*s\",\"last_name\":\"B\",\"age\":2,\"date_joined\":\"\"}\n";
    static const char name[] =
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    enum { PLAIN_BYTES = 78, RECORDS = 1000 }; /* a record's bytes with a name of ten letters */
    pinpipe_buf input = PINPIPE_BUF_INIT;
    road r = road_open(PINPIPE_USER, PINPIPE_CLEAN, NULL);
    r.decoder->max_record_bytes = PLAIN_BYTES;
    for (int32_t i = 0; i < RECORDS; i++) {
        CHECK(pp_buf_printf(&input, NULL, line, 100 + i % 800, i % 10 == 9 ? 80 : 10, name) == PINPIPE_OK);
    }
    CHECK_INT(strcspn(input.ptr, "\n"), PLAIN_BYTES);
    feed_whole(&r, &input);
    CHECK_INT(pinpipe_report_records(r.report), RECORDS);
    CHECK_INT(pinpipe_report_rejected(r.report), RECORDS / 10);
    CHECK(r.decoder->fast.rows > RECORDS / 2);
    road_free(&r);
    pinpipe_buf_reset(&input);
}

int main(int argc, char **argv) {
    /* the base instructions, and the best that this machine has */
    const pp_fast_run_fn levels[] = {pp_fast_run, pp_fast_run_best()};
    state += argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    test_payloads();
    test_too_large();
    for (int32_t record = 0; record < pinpipe_record_count(); record++) {
        for (size_t level = 0; level < sizeof levels / sizeof levels[0]; level++) {
            test_roads(record, PINPIPE_CLEAN, NULL, levels[level]);
            test_roads(record, PINPIPE_RAW, NULL, levels[level]);
            test_profiles(record, levels[level]);
        }
        test_clean_input(record, PINPIPE_CLEAN);
        test_clean_input(record, PINPIPE_RAW);
    }
    return check_report();
}
