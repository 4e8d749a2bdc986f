/* Turns any bytes into edits of plain records, and the records into rows by the fast road and by the cell
 * road. Never compares less than all: rows, rejects and the census of every rule. Rules: DESIGN §2: two
 * roads, one set of rules; the first byte chooses record and shape, then every four bytes choose a line, a
 * place in it, an edit and a byte. */
#include "fuzz.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <pinpipe/pinpipe.h>

#include "clean/decoder.h"

#define LINES_MAX 64
#define LINE_MAX 1024
#define WARM_LINES 3 /* unchanged lines before the edited ones, from which guesses are taken */
#define BEHIND 2     /* and behind them, so that the edited ones are read where they stand */
#define EDIT_BYTES 4

static const char *const plain[3][3] = {
    {"{\"index\": 7528, \"unique_id\": \"fbe53c66\", \"title\": \"No Title Data Available\", "
     "\"description\": "
     "\"A text of more than one block of thirty-two bytes, to the end\", \"poster_name\": \"P\", "
     "\"follower_count\": \"136k\", \"tag_list\": \"a,b\", \"is_image_or_video\": \"image\", \"image_src\": "
     "\"Image src error.\", \"downloaded\": 1, \"save_location\": \"Local save in /data/art\", \"category\": "
     "\"art\"}",
     "{\"index\":5,\"unique_id\":\"u\",\"title\":\"caf\\u00e9 \\ud83d\\ude00\",\"description\":\"\",\"poster_"
     "name\":\"P\",\"follower_count\":\"2M\",\"tag_list\":\"\xc3\xa9\xe2\x80\xa6\xf0\x9f\x98\x80\",\"is_"
     "image_"
     "or_video\":\"video\",\"image_src\":\"s\",\"downloaded\":0,\"save_location\":\"/data/"
     "a\",\"category\":\"a\"}",
     "{\"is_image_or_video\":\"image\",\"unique_id\":\"u\",\"save_location\":\"Local save in /data/a\","
     "\"poster_name\":\"User Info "
     "Error\",\"tag_list\":\"a\",\"index\":9,\"description\":\"d\",\"title\":\"t\","
     "\"category\":\"a\",\"follower_count\":\"972\",\"image_src\":\"s\",\"downloaded\":1}"},
    {"{\"ind\": 7528, \"timestamp\": \"2020-08-28T03:52:47\", \"latitude\": -89.9787, \"longitude\": "
     "-173.293, \"country\": \"Albania\"}",
     "{\"ind\":1,\"timestamp\":\"2020-08-28 "
     "03:52:47\",\"latitude\":0.5,\"longitude\":17,\"country\":\"C\xc3\xb4"
     "te\"}",
     "{\"country\":\"Lao\",\"latitude\":-0.013535,\"ind\":3,\"timestamp\":\"2020-02-29T23:59:59\","
     "\"longitude\":179.935}"},
    {"{\"ind\": 7528, \"first_name\": \"Abigail\", \"last_name\": \"Ali\", \"age\": 20, \"date_joined\": "
     "\"2015-10-24T11:23:51\"}",
     "{\"ind\":1,\"first_name\":\"A\",\"last_name\":\"\xc3\x91\",\"age\":60,\"date_joined\":\"2015-10-24 "
     "11:23:51\"}",
     "{\"last_name\":\"Ali\",\"date_joined\":\"2015-10-24T11:23:51\",\"first_name\":\"A\",\"ind\":2,"
     "\"age\":33}"},
};

typedef struct line {
    char text[LINE_MAX];
    size_t len;
} line;

typedef struct road {
    pinpipe_decoder *decoder;
    pinpipe_batch *batch;
    pinpipe_report *report;
    pinpipe_buf rows;
} road;

/* Puts in, takes out, replaces or doubles; never a line end, which would make two lines of one. */
static void line_edit(line *l, uint8_t place, uint8_t edit, char byte) {
    size_t at = ((size_t)place | (size_t)(edit >> 2) << 8) % (l->len + 1);
    byte = byte == '\n' ? ' ' : byte;
    switch (edit & 3) {
    case 0:
        if (at < l->len) {
            l->text[at] = byte;
        }
        break;
    case 1:
        if (at < l->len) {
            memmove(l->text + at, l->text + at + 1, l->len - at - 1);
            l->len--;
        }
        break;
    case 2:
        if (l->len < LINE_MAX) {
            memmove(l->text + at + 1, l->text + at, l->len - at);
            l->text[at] = byte;
            l->len++;
        }
        break;
    default: { /* the eight bytes there once more, as often as the byte's low bits say */
        size_t unit = l->len - at < 8 ? l->len - at : 8;
        for (int32_t i = 0; i < (byte & 7) && l->len + unit <= LINE_MAX; i++) {
            memmove(l->text + at + unit, l->text + at, l->len - at);
            l->len += unit;
        }
    }
    }
}

static size_t lines_make(line *lines, int32_t record, const uint8_t *data, size_t size) {
    size_t edits = size / EDIT_BYTES;
    size_t count = 0;
    for (size_t i = 0; i <= edits && count < LINES_MAX; i++) {
        const uint8_t *command = data + i * EDIT_BYTES;
        bool is_edit = i < edits;
        /* the choice's high bit says that the edit is one more of the line before */
        if (!is_edit || !(command[0] & 0x80) || count == 0) {
            const char *text = plain[record][is_edit ? command[0] % 3 : 0];
            lines[count].len = strlen(text);
            memcpy(lines[count].text, text, lines[count].len);
            count++;
        }
        if (is_edit) {
            line_edit(&lines[count - 1], command[1], command[2], (char)command[3]);
        }
    }
    return count;
}

static void road_open(road *r, int32_t record, int32_t shape) {
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    options.record = record;
    options.shape = shape;
    options.format = PINPIPE_FORMAT_NDJSON;
    options.batch_rows = 3 * LINES_MAX;
    *r = (road){.rows = PINPIPE_BUF_INIT};
    REQUIRE(pinpipe_decoder_new(&r->decoder, &options, NULL) == PINPIPE_OK);
    REQUIRE(pinpipe_batch_new(&r->batch, record, shape, NULL) == PINPIPE_OK);
    REQUIRE(pinpipe_report_new(&r->report, record, shape, NULL) == PINPIPE_OK);
}

static void road_free(road *r) {
    pinpipe_decoder_free(r->decoder);
    pinpipe_batch_free(r->batch);
    pinpipe_report_free(r->report);
    pinpipe_buf_reset(&r->rows);
}

static bool is_blank(pinpipe_str text) {
    for (size_t i = 0; i < text.len; i++) {
        if (!memchr(" \t\r", text.ptr[i], 3)) {
            return false;
        }
    }
    return true;
}

/* Every line alone; blank lines are no records of a file. */
static void lines_feed(road *r, pinpipe_str text) {
    for (size_t at = 0; at < text.len;) {
        const char *newline = memchr(text.ptr + at, '\n', text.len - at);
        pinpipe_str one = {text.ptr + at, (size_t)(newline - text.ptr) - at};
        at += one.len + 1;
        if (!is_blank(one)) {
            REQUIRE(pinpipe_decoder_feed_record(r->decoder, r->batch, one, r->report, NULL) >= 0);
        }
    }
}

static void whole_feed(road *r, pinpipe_str text) {
    int64_t taken = 0;
    REQUIRE(pinpipe_decoder_feed(&taken, r->decoder, r->batch, text, r->report, NULL) >= 0);
    REQUIRE((size_t)taken == text.len);
    REQUIRE(pinpipe_decoder_finish(r->decoder, r->batch, r->report, NULL) >= 0);
}

static void require_same(road *fast, road *cells, int32_t record, int32_t shape) {
    REQUIRE(pinpipe_batch_encode(&fast->rows, fast->batch, PINPIPE_FORMAT_NDJSON, NULL) == PINPIPE_OK);
    REQUIRE(pinpipe_batch_encode(&cells->rows, cells->batch, PINPIPE_FORMAT_NDJSON, NULL) == PINPIPE_OK);
    REQUIRE(fast->rows.len == cells->rows.len);
    REQUIRE(memcmp(fast->rows.ptr, cells->rows.ptr, fast->rows.len) == 0);
    REQUIRE(pinpipe_report_rejected(fast->report) == pinpipe_report_rejected(cells->report));
    for (int32_t i = 0; i < pinpipe_rule_count(record, shape); i++) {
        REQUIRE(pinpipe_report_hits(fast->report, i) == pinpipe_report_hits(cells->report, i));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static line lines[LINES_MAX];
    static char text[(3 * WARM_LINES + LINES_MAX + BEHIND) * (LINE_MAX + 1)];
    if (size < 1 + EDIT_BYTES) {
        return 0;
    }
    int32_t record = data[0] % 3;
    int32_t shape = data[0] / 3 % 2 ? PINPIPE_RAW : PINPIPE_CLEAN;
    size_t count = lines_make(lines, record, data + 1, size - 1);
    size_t len = 0;
    for (size_t i = 0; i < 3 * WARM_LINES + count + BEHIND; i++) {
        bool is_edited = i >= 3 * WARM_LINES && i < 3 * WARM_LINES + count;
        const line *edited = is_edited ? &lines[i - 3 * WARM_LINES] : NULL;
        const char *from = edited ? edited->text : plain[record][i % 3];
        size_t from_len = edited ? edited->len : strlen(from);
        memcpy(text + len, from, from_len);
        len += from_len;
        text[len++] = '\n';
    }
    /* a copy without a byte to spare, so that the sanitizer sees a read beyond the input */
    char *exact = malloc(len ? len : 1);
    REQUIRE(exact);
    memcpy(exact, text, len);
    road fast, cells;
    road_open(&fast, record, shape);
    road_open(&cells, record, shape);
    cells.decoder->fast.count = 0; /* without a style, and without learning one, it stays on the cell road */
    cells.decoder->fast.next_miss = INT64_MAX;
    whole_feed(&fast, (pinpipe_str){exact, len});
    lines_feed(&cells, (pinpipe_str){exact, len});
    require_same(&fast, &cells, record, shape);
    road_free(&fast);
    road_free(&cells);
    free(exact);
    return 0;
}
