/* Turns one CSV record into cells, by the header that was read before.
 * Never looks for the record's end: the splitter did.
 * Rules: RFC 4180; CONTRACT §4. */
#include "codec/csv_record.h"

#include <string.h>

#include "text/utf8.h"

typedef struct csv_reader {
    const char *at; /* NULL behind the last field */
    const char *start;
    const char *end;
    char *scratch;
    pp_fault *fault;
} csv_reader;

static bool fail(csv_reader *reader, pp_outcome outcome, const char *detail, const char *at) {
    *reader->fault = (pp_fault){outcome, detail, (size_t)(at - reader->start)};
    return false;
}

/* A field in quotes: doubled quotes become one. */
static bool quoted_take(csv_reader *reader, pp_cell *out) {
    const char *at = reader->at + 1;
    char *to = reader->scratch;
    for (;;) {
        const char *quote = memchr(at, '"', (size_t)(reader->end - at));
        if (!quote) {
            return fail(reader, PP_OUTCOME_MALFORMED, "a quoted field is not closed", reader->at);
        }
        memcpy(to, at, (size_t)(quote - at));
        to += quote - at;
        at = quote + 1;
        if (at >= reader->end || *at != '"') {
            break;
        }
        *to++ = *at++;
    }
    if (at < reader->end && *at != ',') {
        return fail(reader, PP_OUTCOME_MALFORMED, "more follows a quoted field", at);
    }
    *out = (pp_cell){.kind = PP_CELL_TEXT, .ptr = reader->scratch, .len = (size_t)(to - reader->scratch)};
    reader->scratch = to;
    reader->at = at < reader->end ? at + 1 : NULL;
    return true;
}

static bool field_take(csv_reader *reader, pp_cell *out) {
    if (reader->at < reader->end && *reader->at == '"') {
        return quoted_take(reader, out);
    }
    const char *comma = memchr(reader->at, ',', (size_t)(reader->end - reader->at));
    const char *end = comma ? comma : reader->end;
    size_t len = (size_t)(end - reader->at);
    *out = (pp_cell){.kind = len ? PP_CELL_TEXT : PP_CELL_NULL, .ptr = reader->at, .len = len};
    reader->at = comma ? comma + 1 : NULL;
    return true;
}

bool pp_csv_header_read(pp_csv_header *out, pp_fields *fields, char *scratch, const char *text, size_t len,
                        pp_fault *fault) {
    csv_reader reader = {text, text, text + len, scratch, fault};
    out->count = 0;
    out->known = 0;
    out->payload = -1;
    out->members = 0;
    while (reader.at) {
        pp_cell name;
        if (!field_take(&reader, &name)) {
            return false;
        }
        if (out->count == PP_CSV_COLUMNS_MAX) {
            return fail(&reader, PP_OUTCOME_MALFORMED, "more than 256 columns", reader.start);
        }
        int32_t field = pp_fields_find(fields, out->count, name.len ? name.ptr : "", name.len);
        int32_t member = field < 0 ? pp_member_find(name.len ? name.ptr : "", name.len) : -1;
        out->members |= member >= 0 ? 1u << member : 0;
        out->payload = member == PP_MEMBER_DATA ? out->count : out->payload;
        out->known += field >= 0;
        out->field[out->count++] = field;
    }
    return true;
}

bool pp_csv_record(pp_record_cells *out, const pp_csv_header *header, const pp_fields *fields, char *scratch,
                   const char *text, size_t len, pp_fault *fault) {
    csv_reader reader = {text, text, text + len, scratch, fault};
    pp_cells_clear(out, fields);
    size_t valid = pp_utf8_span(text, len);
    if (valid < len) {
        return fail(&reader, PP_OUTCOME_INVALID_UTF8, "a byte that is not UTF-8", text + valid);
    }
    int32_t column = 0;
    for (; reader.at; column++) {
        pp_cell cell;
        if (!field_take(&reader, &cell)) {
            return false;
        }
        if (column == header->count) {
            return fail(&reader, PP_OUTCOME_MALFORMED, "more fields than the header names", text + len);
        }
        if (header->field[column] >= 0) {
            pp_cells_put(out, header->field[column], &cell);
        } else {
            out->unknown_keys++;
            if (column == header->payload && cell.kind == PP_CELL_TEXT) {
                pp_members_put(&out->members, PP_MEMBER_DATA, (pinpipe_str){cell.ptr, cell.len});
            }
        }
    }
    if (column < header->count) {
        return fail(&reader, PP_OUTCOME_MALFORMED, "fewer fields than the header names", text + len);
    }
    return true;
}
