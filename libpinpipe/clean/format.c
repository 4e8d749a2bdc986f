/* Turns the first bytes of an input into its format.
 * Never reads records: brackets, line ends and a header's names decide.
 * Rules: docs/records.md, "Formats". */
#include "clean/format.h"

#include <string.h>

#include "codec/csv_record.h"
#include "codec/filestream_record.h"
#include "codec/splitter.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

static size_t blanks(const char *text, size_t len) {
    size_t at = 0;
    while (at < len && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r' || text[at] == '\n')) {
        at++;
    }
    return at;
}

/* The format of a first line that is a CSV header; AUTO where it names nothing that is known. */
static int32_t header_format(pp_fields *fields, const char *text, size_t len) {
    static const size_t header_max = 4096;
    char scratch[4096];
    pp_csv_header header;
    pp_fault fault;
    len -= len && text[len - 1] == '\r';
    if (len > header_max || !pp_csv_header_read(&header, fields, scratch, text, len, &fault)) {
        return PINPIPE_FORMAT_AUTO;
    }
    if (header.known > 0) {
        return PINPIPE_FORMAT_CSV;
    }
    bool is_kinesis = pp_envelope_recognise(header.members) == PINPIPE_FORMAT_KINESIS;
    return is_kinesis ? PINPIPE_FORMAT_KINESIS : PINPIPE_FORMAT_AUTO;
}

/* A first line that opens an object: NDJSON, unless the object goes on in the second line. */
static int32_t object_framing(const char *text, size_t line, size_t len) {
    pp_splitter splitter;
    pp_splitter_init(&splitter, PINPIPE_FORMAT_JSON);
    if (pp_splitter_next(&splitter, text, line).complete) {
        return PINPIPE_FORMAT_NDJSON;
    }
    size_t next = line + blanks(text + line, len - line);
    return next == len || text[next] == '{' ? PINPIPE_FORMAT_NDJSON : PINPIPE_FORMAT_JSON;
}

/* Recognises the envelope of the first object at `text`. False: more input is needed. */
static bool object_recognise(int32_t *format, const char *text, size_t len, bool is_all) {
    pp_splitter splitter;
    pp_splitter_init(&splitter, PINPIPE_FORMAT_JSON);
    bool is_whole = is_all || pp_splitter_next(&splitter, text, len).complete;
    *format = pp_envelope_recognise(pp_envelope_scan(text, len));
    return is_whole || *format == PINPIPE_FORMAT_RECORDS;
}

/* Text that begins with a bracket or a brace. */
static bool json_decide(pp_format *out, int32_t format, pp_fields *fields, pinpipe_str text, bool is_all) {
    size_t start = text.ptr[0] == '[' ? 1 + blanks(text.ptr + 1, text.len - 1) : 0;
    if (start == text.len && !is_all) {
        return false;
    }
    const char *newline = memchr(text.ptr, '\n', text.len);
    size_t line = newline ? (size_t)(newline - text.ptr) : text.len;
    if (format == PINPIPE_FORMAT_AUTO && pp_filestream_begins(fields, text.ptr, line)) {
        out->framing = PINPIPE_FORMAT_FILESTREAM;
        return true;
    }
    if (format == PINPIPE_FORMAT_AUTO && start < text.len && text.ptr[start] == '{') {
        if (!object_recognise(&format, text.ptr + start, text.len - start, is_all)) {
            return false;
        }
        format = format == PINPIPE_FORMAT_RECORDS && start > 0 ? PINPIPE_FORMAT_AUTO : format;
    }
    out->envelope = pp_envelope_of(format);
    if (format == PINPIPE_FORMAT_RECORDS || start > 0) {
        out->framing = format == PINPIPE_FORMAT_RECORDS ? format : PINPIPE_FORMAT_JSON;
        return true;
    }
    size_t next = line + blanks(text.ptr + line, text.len - line);
    if (next == text.len && !is_all) {
        return false;
    }
    out->framing = object_framing(text.ptr, line, text.len);
    return true;
}

/* Decides from the text behind mark and blanks. */
static bool text_decide(pp_format *out, int32_t format, pp_fields *fields, pinpipe_str text, bool is_all) {
    if (text.len && (text.ptr[0] == '[' || text.ptr[0] == '{')) {
        return json_decide(out, format, fields, text, is_all);
    }
    const char *newline = text.len ? memchr(text.ptr, '\n', text.len) : NULL;
    if (!newline && !is_all) {
        return false;
    }
    if (format == PINPIPE_FORMAT_AUTO && text.len) {
        format = header_format(fields, text.ptr, newline ? (size_t)(newline - text.ptr) : text.len);
    }
    bool is_csv = format == PINPIPE_FORMAT_CSV || format == PINPIPE_FORMAT_KINESIS;
    out->framing = is_csv ? PINPIPE_FORMAT_CSV : PINPIPE_FORMAT_NDJSON;
    out->envelope = pp_envelope_of(format);
    return true;
}

bool pp_format_find(pp_format *out, int32_t format, pp_fields *fields, pinpipe_str head, pp_input_end end) {
    size_t mark = strlen(BYTE_ORDER_MARK);
    size_t compared = head.len < mark ? head.len : mark;
    bool is_all = end == PP_INPUT_ENDS || head.len >= PP_FORMAT_PROBE_BYTES;
    *out = (pp_format){format, pp_envelope_of(format), 0};
    if (memcmp(head.ptr, BYTE_ORDER_MARK, compared) == 0) {
        if (compared < mark && !is_all) {
            return false;
        }
        out->skip = compared == mark ? mark : 0;
    }
    if (format != PINPIPE_FORMAT_AUTO && (!out->envelope || format == PINPIPE_FORMAT_RECORDS)) {
        return true;
    }
    size_t start = out->skip + blanks(head.ptr + out->skip, head.len - out->skip);
    return text_decide(out, format, fields, (pinpipe_str){head.ptr + start, head.len - start}, is_all);
}

bool pp_format_decide(int32_t *format, size_t *skip, pp_fields *fields, pinpipe_str head, pp_input_end end) {
    pp_format found;
    bool is_found = pp_format_find(&found, *format, fields, head, end);
    if (is_found) {
        *format = found.envelope ? found.envelope->format : found.framing;
        *skip = found.skip;
    }
    return is_found;
}
