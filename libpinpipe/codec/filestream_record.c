/* Turns the text of a Java map, {ind=1, country=Albania}, into cells.
 * Never guesses: a field name that could split at two places refuses the record.
 * Rules: domain.md §3.5, FileStreamSink; java.util.AbstractMap.toString. */
#include "codec/filestream_record.h"

#include <string.h>

#include "codec/splitter.h"
#include "text/utf8.h"

#define NAME_MAX_BYTES ((size_t)64)

/* The field whose `name=` stands at `at`, with the bytes of both in `taken`; -1 for none. */
static int32_t name_at(size_t *taken, pp_fields *fields, const char *at, const char *end) {
    size_t room = (size_t)(end - at);
    const char *equals = memchr(at, '=', room < NAME_MAX_BYTES ? room : NAME_MAX_BYTES);
    if (!equals) {
        return -1;
    }
    *taken = (size_t)(equals - at) + 1;
    return pp_fields_find(fields, 0, at, *taken - 1);
}

/* The next `, name=` from `at` on: where it stands, its field, and its bytes; `end` for none. */
static const char *separator_find(int32_t *field, size_t *taken, pp_fields *fields, const char *at,
                                  const char *end) {
    for (;;) {
        at = memchr(at, ',', (size_t)(end - at));
        if (!at) {
            return end;
        }
        if (end - at > 2 && at[1] == ' ') {
            *field = name_at(taken, fields, at + 2, end);
            if (*field >= 0) {
                *taken += 2;
                return at;
            }
        }
        at++;
    }
}

static bool fail(pp_fault *fault, pp_outcome outcome, const char *detail, size_t offset) {
    *fault = (pp_fault){outcome, detail, offset};
    return false;
}

static pp_cell cell_of(const char *text, size_t len) {
    bool is_null = len == 4 && memcmp(text, "null", 4) == 0;
    return (pp_cell){.kind = is_null ? PP_CELL_NULL : PP_CELL_TEXT, .ptr = text, .len = len};
}

bool pp_filestream_begins(pp_fields *fields, const char *text, size_t len) {
    size_t taken = 0;
    return len > 1 && text[0] == '{' && name_at(&taken, fields, text + 1, text + len) >= 0;
}

bool pp_filestream_record(pp_record_cells *out, pp_fields *fields, const char *text, size_t len,
                          pp_fault *fault) {
    const char *start = text;
    pp_cells_clear(out, fields);
    size_t valid = pp_utf8_span(text, len);
    if (valid < len) {
        return fail(fault, PP_OUTCOME_INVALID_UTF8, "a byte that is not UTF-8", valid);
    }
    if (len < 2 || text[0] != '{' || text[len - 1] != '}') {
        return fail(fault, PP_OUTCOME_MALFORMED, "the line is no {name=value, …}", 0);
    }
    const char *end = text + len - 1;
    size_t taken = 0;
    int32_t field = name_at(&taken, fields, ++text, end);
    if (field < 0) {
        return fail(fault, PP_OUTCOME_MALFORMED, "the record's first field name is expected", 1);
    }
    while (field >= 0) {
        int32_t next = -1;
        text += taken;
        const char *value_end = separator_find(&next, &taken, fields, text, end);
        if (out->cell[field].kind != PP_CELL_MISSING) {
            return fail(fault, PP_OUTCOME_MALFORMED,
                        "a field name that stands twice: the fields are ambiguous", (size_t)(text - start));
        }
        out->cell[field] = cell_of(text, (size_t)(value_end - text));
        text = value_end;
        field = value_end < end ? next : -1;
    }
    return true;
}

/* A record ends at a line end behind '}' where '{' or nothing follows; other line ends are its texts'. */
pp_split pp_filestream_next(pp_splitter *splitter, const char *bytes, size_t len) {
    enum { WITHIN, CLOSED, ENDED }; /* behind '}', behind '}' and a line end */
    for (size_t at = 0; at < len; at++) {
        char byte = bytes[at];
        if (splitter->depth == ENDED && byte == '{') {
            splitter->depth = WITHIN;
            return (pp_split){0, at, 0, true};
        }
        if (byte == '}') {
            splitter->depth = CLOSED;
        } else if (byte == '\n' && splitter->depth != WITHIN) {
            splitter->depth = ENDED;
        } else if (byte != '\r' || splitter->depth == WITHIN) {
            splitter->depth = WITHIN;
        }
    }
    return (pp_split){0, len, 0, false};
}
