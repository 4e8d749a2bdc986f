/* Turns rows of every text length, mark and number into NDJSON and CSV and compares with a writer of one byte
 * a step. Never takes a text from a real row. Rules: CONTRACT §4, "Written out"; RFC 8259 §7, RFC 4180 §2. */
#include "check.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "pinpipe/pinpipe.h"
#include "text/number.h"
#include "text/time_text.h"

#define LEN_MAX 70

static void append(pinpipe_buf *to, const char *bytes, size_t len) {
    CHECK(pp_buf_append(to, bytes, len, NULL) == PINPIPE_OK);
}

static void json_append(pinpipe_buf *to, const char *text, size_t len) {
    append(to, "\"", 1);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"' || text[i] == '\\') {
            append(to, "\\", 1);
        }
        append(to,
               text[i] == '\n'   ? "\\n"
               : text[i] == '\r' ? "\\r"
                                 : &text[i],
               text[i] == '\n' || text[i] == '\r' ? 2 : 1);
    }
    append(to, "\"", 1);
}

static void csv_append(pinpipe_buf *to, const char *text, size_t len) {
    bool is_quoted = len == 0;
    for (size_t i = 0; i < len; i++) {
        is_quoted = is_quoted || text[i] == ',' || text[i] == '"' || text[i] == '\n' || text[i] == '\r';
    }
    append(to, "\"", is_quoted);
    for (size_t i = 0; i < len; i++) {
        append(to, "\"", text[i] == '"');
        append(to, &text[i], 1);
    }
    append(to, "\"", is_quoted);
}

/* A user whose first name is the text; the other values tell a wrong end from a right one. */
static void row_append(pinpipe_buf *json, pinpipe_buf *csv, const char *text, size_t len, int32_t ind) {
    CHECK(pp_buf_printf(json, NULL, "{\"ind\":%d,\"first_name\":", ind) == PINPIPE_OK);
    json_append(json, text, len);
    CHECK(pp_buf_append_text(json, ",\"last_name\":\"z\",\"age\":null,\"date_joined\":\"\"}\n", NULL) == 0);
    CHECK(pp_buf_printf(csv, NULL, "%d,", ind) == PINPIPE_OK);
    csv_append(csv, text, len);
    CHECK(pp_buf_append_text(csv, ",z,,\"\"\n", NULL) == PINPIPE_OK);
}

static void rows_compare(const pinpipe_buf *json, const pinpipe_buf *csv) {
    pinpipe_decoder *decoder = NULL;
    pinpipe_batch *batch = NULL;
    pinpipe_report *report = NULL;
    pinpipe_table *table = NULL;
    pinpipe_batch *view = NULL;
    int64_t taken = 0;
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    options.record = PINPIPE_USER;
    options.shape = PINPIPE_RAW;
    options.format = PINPIPE_FORMAT_NDJSON;
    CHECK_INT(pinpipe_decoder_new(&decoder, &options, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_batch_new(&batch, PINPIPE_USER, PINPIPE_RAW, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_report_new(&report, PINPIPE_USER, PINPIPE_RAW, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_table_new(&table, PINPIPE_USER, PINPIPE_RAW, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_decoder_feed(&taken, decoder, batch, pp_buf_view(json), report, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_decoder_finish(decoder, batch, report, NULL), PINPIPE_OK);
    CHECK_INT(taken, json->len);
    CHECK_INT(pinpipe_table_append(table, batch, NULL), PINPIPE_OK);
    /* The table's columns are of exactly their size: a sanitizer sees a byte that is read beyond them. */
    CHECK_INT(pinpipe_table_at(&view, table, 0, NULL), PINPIPE_OK);
    for (int32_t i = 0; i < 2; i++) {
        pinpipe_buf out = PINPIPE_BUF_INIT;
        const pinpipe_buf *wanted = i ? csv : json;
        int32_t format = i ? PINPIPE_FORMAT_CSV : PINPIPE_FORMAT_NDJSON;
        CHECK_INT(pinpipe_batch_encode(&out, view, format, NULL), PINPIPE_OK);
        CHECK(pp_str_equal(pp_buf_view(&out), pp_buf_view(wanted)));
        pinpipe_buf_reset(&out);
    }
    pinpipe_batch_free(view);
    pinpipe_table_free(table);
    pinpipe_report_free(report);
    pinpipe_batch_free(batch);
    pinpipe_decoder_free(decoder);
}

/* Every length with every mark at every place, and with none. */
static void test_texts(void) {
    static const char marks[] = ",\"\n\r\\'{\x7f\xc3";
    pinpipe_buf json = PINPIPE_BUF_INIT;
    pinpipe_buf csv = PINPIPE_BUF_INIT;
    char text[LEN_MAX];
    for (size_t len = 0; len <= LEN_MAX; len++) {
        int32_t ind = 0;
        pp_buf_clear(&json);
        pp_buf_clear(&csv);
        for (size_t at = 0; at <= len; at++) {
            for (const char *mark = marks; *mark; mark++) {
                memset(text, 'a', sizeof text);
                if (at < len) {
                    text[at] = *mark;
                }
                if (at + 1 < len && *mark == '\xc3') {
                    text[at + 1] = '\xa9';
                } else if (at < len && *mark == '\xc3') {
                    text[at] = 'b';
                }
                row_append(&json, &csv, text, len, ++ind);
            }
        }
        rows_compare(&json, &csv);
    }
    pinpipe_buf_reset(&json);
    pinpipe_buf_reset(&csv);
}

/* The last rows of a column have no block behind them, whatever their length. */
static void test_last_rows(void) {
    char text[LEN_MAX];
    memset(text, 'a', sizeof text);
    text[LEN_MAX - 1] = ',';
    for (size_t len = 0; len <= LEN_MAX; len++) {
        pinpipe_buf json = PINPIPE_BUF_INIT;
        pinpipe_buf csv = PINPIPE_BUF_INIT;
        row_append(&json, &csv, text, len, 1);
        row_append(&json, &csv, text + LEN_MAX - len, len, 2);
        rows_compare(&json, &csv);
        pinpipe_buf_reset(&json);
        pinpipe_buf_reset(&csv);
    }
}

static void integer_check(int64_t value) {
    char text[PP_I64_TEXT_MAX];
    char wanted[32];
    snprintf(wanted, sizeof wanted, "%lld", (long long)value);
    CHECK_TEXT(text, pp_number_write_i64(text, value), wanted);
}

static void test_integers(void) {
    int64_t power = 1;
    for (int32_t digits = 1; digits <= 18; digits++, power *= 10) {
        for (int64_t step = -12; step <= 12; step++) {
            integer_check(power + step);
            integer_check(-power * 7 + step);
            integer_check(power * 3 + power / 10 + step);
        }
    }
    for (int64_t value = 0; value < 1100000; value += value < 100000 ? 1 : 37) {
        integer_check(value);
    }
    integer_check(INT64_MAX);
    integer_check(INT64_MIN);
}

/* The digits of value / 10^decimals, written by hand, without the zeros at the end but for the first. */
static void decimal_check(int64_t value, int32_t decimals) {
    char text[PP_F64_TEXT_MAX];
    char wanted[64];
    double power = 1;
    for (int32_t i = 0; i < decimals; i++) {
        power *= 10;
    }
    size_t len = (size_t)snprintf(wanted, sizeof wanted, "%s%lld.%0*lld", value < 0 ? "-" : "",
                                  (long long)(llabs(value) / (int64_t)power), decimals,
                                  (long long)(llabs(value) % (int64_t)power));
    while (wanted[len - 1] == '0' && wanted[len - 2] != '.') {
        wanted[--len] = '\0';
    }
    CHECK_TEXT(text, pp_number_write_f64(text, (double)value / power), wanted);
}

static void test_decimals(void) {
    uint64_t state = 1;
    for (int32_t decimals = 1; decimals <= 7; decimals++) {
        for (int32_t i = 0; i < 20000; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            decimal_check((int64_t)(state >> 33) % 180000000 + 1000, decimals);
            decimal_check(-(int64_t)(state >> 30) % 12345678901 - 1000, decimals);
        }
        for (int64_t whole = 0; whole < 2000; whole++) {
            decimal_check(whole * 10000 + 1000 + whole % 3, 4);
        }
    }
    char text[PP_F64_TEXT_MAX];
    CHECK_TEXT(text, pp_number_write_f64(text, 0.0), "0.0");
    CHECK_TEXT(text, pp_number_write_f64(text, -0.0), "-0.0");
    CHECK_TEXT(text, pp_number_write_f64(text, 1e-4), "0.0001");
    CHECK_TEXT(text, pp_number_write_f64(text, 0.000099), "9.9e-05");
    CHECK_TEXT(text, pp_number_write_f64(text, 999.9999995), "999.9999995");
    CHECK_TEXT(text, pp_number_write_f64(text, 999999999.5), "999999999.5");
}

/* Every day of the calendar, at a time of day that moves on. */
static void test_days(void) {
    static const int64_t day_us = INT64_C(86400000000);
    int64_t wrong = 0;
    int64_t days = 0;
    for (int64_t day = -719162; day < 2932897; day++, days++) {
        char text[PP_TIME_TEXT_MAX];
        int64_t again = 0;
        int64_t time_us = day * day_us + (day + 719162) * 7919 % 86400 * 1000000;
        pinpipe_str written = {text, pp_time_write(text, time_us)};
        wrong += written.len != 20 || !pp_time_parse(&again, written) || again != time_us;
    }
    CHECK_INT(days, 3652059);
    CHECK_INT(wrong, 0);
    char text[PP_TIME_TEXT_MAX];
    CHECK_TEXT(text, pp_time_write(text, -1), "1969-12-31T23:59:59.999999Z");
    CHECK_TEXT(text, pp_time_write(text, 951782400000000), "2000-02-29T00:00:00Z");
    CHECK_INT(pp_time_write(text, -719163 * day_us), 0);
    CHECK_INT(pp_time_write(text, 2932897 * day_us), 0);
}

int main(void) {
    test_texts();
    test_last_rows();
    test_integers();
    test_decimals();
    test_days();
    return check_report();
}
