/* Turns the first bytes of an input into its format.
 * Never reads records: brackets, line ends and a header's names decide.
 * Rules: docs/records.md, "Formats". */
#include "clean/format.h"

#include <string.h>

#include "codec/csv_record.h"
#include "codec/splitter.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

static size_t blanks(const char *text, size_t len) {
    size_t at = 0;
    while (at < len && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r' || text[at] == '\n')) {
        at++;
    }
    return at;
}

/* True when the first line names a column of the record, as a CSV header does. */
static bool is_header(pp_fields *fields, const char *text, size_t len) {
    static const size_t header_max = 4096;
    char scratch[4096];
    pp_csv_header header;
    pp_fault fault;
    len -= len && text[len - 1] == '\r';
    return len <= header_max && pp_csv_header_read(&header, fields, scratch, text, len, &fault) &&
           header.known > 0;
}

/* A first line that opens an object: NDJSON, unless the object goes on in the second line. */
static int32_t object_format(const char *text, size_t line, size_t len) {
    pp_splitter splitter;
    pp_splitter_init(&splitter, PINPIPE_FORMAT_JSON);
    if (pp_splitter_next(&splitter, text, line).complete) {
        return PINPIPE_FORMAT_NDJSON;
    }
    size_t next = line + blanks(text + line, len - line);
    return next == len || text[next] == '{' ? PINPIPE_FORMAT_NDJSON : PINPIPE_FORMAT_JSON;
}

/* Decides from the text behind mark and blanks; AUTO where more is needed. */
static int32_t text_format(pp_fields *fields, const char *text, size_t len, bool is_all) {
    if (len == 0) {
        return is_all ? PINPIPE_FORMAT_NDJSON : PINPIPE_FORMAT_AUTO;
    }
    if (text[0] == '[') {
        return PINPIPE_FORMAT_JSON;
    }
    const char *newline = memchr(text, '\n', len);
    if (!newline && !is_all) {
        return PINPIPE_FORMAT_AUTO;
    }
    size_t line = newline ? (size_t)(newline - text) : len;
    if (text[0] == '{') {
        size_t next = line + blanks(text + line, len - line);
        return next == len && !is_all ? PINPIPE_FORMAT_AUTO : object_format(text, line, len);
    }
    return is_header(fields, text, line) ? PINPIPE_FORMAT_CSV : PINPIPE_FORMAT_NDJSON;
}

bool pp_format_decide(int32_t *format, size_t *skip, pp_fields *fields, pinpipe_str head, pp_input_end end) {
    size_t mark = strlen(BYTE_ORDER_MARK);
    size_t compared = head.len < mark ? head.len : mark;
    bool is_all = end == PP_INPUT_ENDS || head.len >= PP_FORMAT_PROBE_BYTES;
    *skip = 0;
    if (memcmp(head.ptr, BYTE_ORDER_MARK, compared) == 0) {
        if (compared < mark && !is_all) {
            return false;
        }
        *skip = compared == mark ? mark : 0;
    }
    if (*format == PINPIPE_FORMAT_AUTO) {
        size_t start = *skip + blanks(head.ptr + *skip, head.len - *skip);
        *format = text_format(fields, head.ptr + start, head.len - start, is_all);
    }
    return *format != PINPIPE_FORMAT_AUTO;
}
