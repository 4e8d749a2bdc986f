/* Turns any bytes behind a header into CSV rows by the decoder, cut anywhere, and by a reference of one state
 * a byte. Never trusts the splitter: the reference sees the whole input at once and knows no records before
 * it met them. Rules: RFC 4180; CONTRACT §4: nothing is null, "" is the empty text. */
#include "fuzz.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <pinpipe/pinpipe.h>

#include "text/number.h"

#define COLUMNS 5
#define BYTES_MAX (1 << 20)

static const char header[] = "ind,first_name,last_name,age,date_joined\n";

typedef struct reading {
    pinpipe_batch *batch;
    int64_t row; /* the next one of the batch */
    int64_t rejected;
    const char *record; /* its bytes as they stand in the input */
    size_t record_len;
    char *text; /* the record's fields, one after the other */
    size_t len;
    size_t start[COLUMNS + 1];
    bool is_quoted[COLUMNS];
    int64_t fields; /* whole ones */
    bool is_broken; /* something follows a quoted field */
    bool is_blank;  /* nothing but blanks so far */
} reading;

static bool is_utf8(const char *text, size_t len) {
    for (size_t at = 0; at < len;) {
        uint8_t first = (uint8_t)text[at];
        size_t more = first < 0x80 ? 0 : first < 0xc0 ? 9 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
        if (more == 9 || first > 0xf4 || at + more >= len) {
            return false;
        }
        uint32_t code = more ? first & (0x3fu >> more) : first;
        for (size_t i = 1; i <= more; i++) {
            if (((uint8_t)text[at + i] & 0xc0) != 0x80) {
                return false;
            }
            code = code << 6 | ((uint8_t)text[at + i] & 0x3f);
        }
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
            return false;
        }
        at += more + 1;
    }
    return true;
}

static void require_text(const reading *r, int32_t column) {
    size_t len = r->start[column + 1] - r->start[column];
    bool is_null = len == 0 && !r->is_quoted[column];
    REQUIRE(pinpipe_batch_is_null(r->batch, r->row, column) == is_null);
    if (!is_null) {
        pinpipe_str value = pinpipe_batch_str(r->batch, r->row, column);
        REQUIRE(value.len == len && memcmp(value.ptr, r->text + r->start[column], len) == 0);
    }
}

/* The record is whole: the decoder must have made a row or a reject of it. */
static void record_end(reading *r, bool is_open) {
    int64_t key = 0;
    if (!r->is_blank) {
        pinpipe_str first = {r->text, r->fields ? r->start[1] : 0};
        bool is_row = !is_open && !r->is_broken && r->fields == COLUMNS &&
                      is_utf8(r->record, r->record_len) && pp_number_i64(&key, first) == PP_NUMBER_OK;
        r->rejected += !is_row;
        if (is_row) {
            REQUIRE(r->row < pinpipe_batch_rows(r->batch));
            REQUIRE(pinpipe_batch_i64(r->batch, r->row, 0) == key);
            require_text(r, 1);
            require_text(r, 2);
            r->row++;
        }
    }
    r->len = 0;
    r->fields = 0;
    r->is_broken = false;
    r->is_blank = true;
}

static void field_end(reading *r, bool is_quoted) {
    if (r->fields < COLUMNS) {
        r->is_quoted[r->fields] = is_quoted;
        r->start[r->fields + 1] = r->len;
    }
    r->fields++;
}

typedef enum state { START, PLAIN, QUOTED, CLOSED } state;

static void reference(reading *r, const char *bytes, size_t size) {
    state now = START;
    bool was_quoted = false; /* the field began with a quote */
    r->is_blank = true;
    r->record = bytes;
    for (size_t at = 0; at <= size; at++) {
        bool is_end = at == size;
        char byte = is_end ? '\n' : bytes[at];
        bool is_line_end = byte == '\n' && (now != QUOTED || is_end);
        /* the CR of a line end is no part of the record; within quotes it is content until the input ends */
        bool is_cr = byte == '\r' && (at + 1 == size || (bytes[at + 1] == '\n' && now != QUOTED));
        if (is_cr) {
            continue;
        }
        if (is_line_end) {
            field_end(r, was_quoted);
            r->record_len = (size_t)(bytes + at - r->record);
            record_end(r, now == QUOTED);
            r->record = bytes + at + 1;
            now = START;
            was_quoted = false;
            continue;
        }
        r->is_blank = r->is_blank && (byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n');
        if (now == QUOTED) {
            now = byte == '"' ? CLOSED : QUOTED;
        } else if (byte == ',') {
            field_end(r, was_quoted);
            now = START;
            was_quoted = false;
            continue;
        } else if (byte == '"' && now == START) {
            now = QUOTED;
            was_quoted = true;
            continue;
        } else if (byte == '"' && now == CLOSED) {
            now = QUOTED; /* a doubled quote, or junk that opens again */
            r->text[r->len++] = byte;
            continue;
        } else {
            r->is_broken = r->is_broken || was_quoted;
            now = was_quoted ? CLOSED : PLAIN;
        }
        if (now != CLOSED || byte != '"') {
            r->text[r->len++] = byte;
        }
    }
}

static void feed(pinpipe_decoder *decoder, pinpipe_batch *batch, pinpipe_report *report, pinpipe_str bytes,
                 size_t piece) {
    for (size_t at = 0; at < bytes.len;) {
        int64_t taken = 0;
        pinpipe_str part = {bytes.ptr + at, bytes.len - at < piece ? bytes.len - at : piece};
        REQUIRE(pinpipe_decoder_feed(&taken, decoder, batch, part, report, NULL) >= 0);
        REQUIRE((size_t)taken == part.len);
        at += part.len;
    }
    REQUIRE(pinpipe_decoder_finish(decoder, batch, report, NULL) >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || size > BYTES_MAX) {
        return 0;
    }
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    options.record = PINPIPE_USER;
    options.shape = PINPIPE_RAW;
    options.format = PINPIPE_FORMAT_CSV;
    options.batch_rows = BYTES_MAX;
    pinpipe_decoder *decoder = NULL;
    pinpipe_report *report = NULL;
    reading r = {0};
    size_t len = sizeof header - 1 + size - 1;
    char *bytes = malloc(len);
    r.text = malloc(size);
    REQUIRE(bytes && r.text);
    memcpy(bytes, header, sizeof header - 1);
    memcpy(bytes + sizeof header - 1, data + 1, size - 1);
    REQUIRE(pinpipe_decoder_new(&decoder, &options, NULL) == PINPIPE_OK);
    REQUIRE(pinpipe_batch_new(&r.batch, PINPIPE_USER, PINPIPE_RAW, NULL) == PINPIPE_OK);
    REQUIRE(pinpipe_report_new(&report, PINPIPE_USER, PINPIPE_RAW, NULL) == PINPIPE_OK);
    feed(decoder, r.batch, report, (pinpipe_str){bytes, len}, data[0] ? data[0] : len);
    reference(&r, bytes + sizeof header - 1, size - 1);
    REQUIRE(r.row == pinpipe_batch_rows(r.batch));
    REQUIRE(r.rejected == pinpipe_report_rejected(report));
    pinpipe_report_free(report);
    pinpipe_batch_free(r.batch);
    pinpipe_decoder_free(decoder);
    free(r.text);
    free(bytes);
    return 0;
}
