/* Turns the CSV text that the IAM console offers for a new access key into credentials.
 * Never opens the file, and never quotes a value of it in an error.
 * Rules: docs/credentials.md, "The console's file"; quoting as in RFC 4180. */
#include <assert.h>
#include <string.h>

#include "aws/credentials.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"

/* The place up to which the text has been read. */
typedef struct csv_reader {
    const char *next;
    const char *end;
    bool line_over; /* the cell just read was the last of its line */
} csv_reader;

static pinpipe_str blanks_trim(pinpipe_str text) {
    while (text.len && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text.ptr++;
        text.len--;
    }
    while (text.len && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

/* Reads one cell and its separator. A doubled quote inside quotes stays doubled: no key holds a quote, and
 * the check of the key refuses it by name. */
static pinpipe_str cell_next(csv_reader *reader) {
    const char *start = reader->next;
    bool quoted = start < reader->end && *start == '"';
    const char *cursor = start + (quoted ? 1 : 0);
    while (quoted && cursor < reader->end && *cursor != '"') {
        cursor++;
    }
    pinpipe_str cell = {start + (quoted ? 1 : 0), (size_t)(cursor - start - (quoted ? 1 : 0))};
    while (cursor < reader->end && *cursor != ',' && *cursor != '\n' && *cursor != '\r') {
        cursor++;
    }
    if (!quoted) {
        cell.len = (size_t)(cursor - start);
    }
    reader->line_over = cursor >= reader->end || *cursor != ',';
    if (cursor < reader->end) {
        bool pair = *cursor == '\r' && cursor + 1 < reader->end && cursor[1] == '\n';
        cursor += pair ? 2 : 1;
    }
    reader->next = cursor;
    return blanks_trim(cell);
}

static pinpipe_status columns_find(int64_t *key_column, int64_t *secret_column, csv_reader *reader,
                                   pinpipe_error *err) {
    *key_column = *secret_column = -1;
    int64_t column = 0;
    do {
        pinpipe_str cell = cell_next(reader);
        if (pp_str_alike(cell, pp_str("Access key ID"))) {
            *key_column = column;
        } else if (pp_str_alike(cell, pp_str("Secret access key"))) {
            *secret_column = column;
        }
        column++;
    } while (!reader->line_over);
    if (*key_column < 0 || *secret_column < 0) {
        return pp_fail(err, PINPIPE_EDATA, "credentials CSV: its first line has no column '%s'",
                       *key_column < 0 ? "Access key ID" : "Secret access key");
    }
    return PINPIPE_OK;
}

pinpipe_status pinpipe_credentials_decode(pinpipe_credentials **out, pinpipe_str csv, pinpipe_error *err) {
    assert(out && (csv.ptr || csv.len == 0));
    *out = NULL;
    if (csv.len > PP_CREDENTIALS_CSV_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "credentials CSV: %zu bytes are more than %d", csv.len,
                       PP_CREDENTIALS_CSV_MAX);
    }
    csv_reader reader = {csv.ptr, csv.ptr ? csv.ptr + csv.len : NULL, false};
    if (csv.len >= 3 && memcmp(csv.ptr, "\xef\xbb\xbf", 3) == 0) {
        reader.next += 3;
    }
    int64_t key_column = -1, secret_column = -1;
    pinpipe_status status = columns_find(&key_column, &secret_column, &reader, err);
    if (status < 0) {
        return status;
    }
    pinpipe_credentials_options parts = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    for (int64_t column = 0; reader.next < reader.end; column++) {
        pinpipe_str cell = cell_next(&reader);
        if (column == key_column) {
            parts.access_key_id = cell;
        } else if (column == secret_column) {
            parts.secret_access_key = cell;
        }
        if (reader.line_over) {
            break;
        }
    }
    if (!parts.access_key_id.len || !parts.secret_access_key.len) {
        return pp_fail(err, PINPIPE_EDATA, "credentials CSV: its second line has no %s",
                       parts.access_key_id.len ? "secret access key" : "access key id");
    }
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    status = pp_credentials_new(out, &parts, (pp_credentials_source){"csv", {NULL, 0}}, &cause);
    if (status == PINPIPE_EINVAL) {
        return pp_fail(err, PINPIPE_EDATA, "credentials CSV: %s", cause.message);
    }
    return status < 0 ? pp_fail(err, status, "%s", cause.message) : status;
}
