/* Turns any bytes into a record of Connect's FileStreamSink by the library and by a slow reference.
 * Never shares a step: the reference looks for every name at every byte.
 * Rules: pp_filestream_record; domain.md §3.5. The first byte chooses the record type, the rest is the text.
 */
#include "fuzz.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "codec/filestream_record.h"
#include "text/utf8.h"

#define NAMES_MAX 32

/* What the reference finds: the value of each field, or nothing. */
typedef struct reading {
    bool is_record;
    const char *value[PP_RAW_MAX];
    size_t len[PP_RAW_MAX];
} reading;

typedef struct name {
    const char *text;
    int32_t field;
} name;

static int32_t names_list(name out[NAMES_MAX], int32_t record) {
    int32_t count = 0;
    int32_t raw_count = 0;
    int32_t alias_count = 0;
    const pp_raw_row *raw = pp_raw_rows(record, &raw_count);
    const pp_alias_row *alias = pp_alias_rows(&alias_count);
    for (int32_t i = 0; i < raw_count; i++) {
        out[count++] = (name){raw[i].name, i};
    }
    for (int32_t i = 0; i < alias_count; i++) {
        if ((int32_t)alias[i].record == record) {
            out[count++] = (name){alias[i].name, pp_raw_field(alias[i].symbol)};
        }
    }
    return count;
}

/* The name that stands at `at` with its '=' behind it; NULL for none. */
static const name *name_at(const name *names, int32_t count, const char *at, const char *end) {
    for (int32_t i = 0; i < count; i++) {
        size_t len = strlen(names[i].text);
        if ((size_t)(end - at) > len && memcmp(at, names[i].text, len) == 0 && at[len] == '=') {
            return &names[i];
        }
    }
    return NULL;
}

static reading reference_read(int32_t record, const char *text, size_t len) {
    name names[NAMES_MAX];
    int32_t count = names_list(names, record);
    reading out = {0};
    if (len < 2 || text[0] != '{' || text[len - 1] != '}' || pp_utf8_span(text, len) < len) {
        return out;
    }
    const char *end = text + len - 1;
    const name *found = name_at(names, count, text + 1, end);
    out.is_record = found != NULL;
    const char *at = text + 1;
    while (found) {
        const name *next = NULL;
        at += strlen(found->text) + 1;
        const char *stop = at;
        while (stop < end && !next) {
            next = end - stop > 2 && stop[0] == ',' && stop[1] == ' ' ? name_at(names, count, stop + 2, end)
                                                                      : NULL;
            stop += !next;
        }
        out.is_record = out.is_record && !out.value[found->field];
        out.value[found->field] = at;
        out.len[found->field] = (size_t)(stop - at);
        found = next;
        at = stop + 2;
    }
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) {
        return 0;
    }
    int32_t record = data[0] % pinpipe_record_count();
    pp_fields fields;
    pp_record_cells cells;
    pp_fault fault = {0};
    pp_fields_init(&fields, record);
    char *text = malloc(size); /* of its own size, so that a read beyond it is seen */
    REQUIRE(text);
    memcpy(text, data + 1, size - 1);
    reading expected = reference_read(record, text, size - 1);
    bool is_record = pp_filestream_record(&cells, &fields, text, size - 1, &fault);
    REQUIRE(is_record == expected.is_record);
    REQUIRE(is_record || fault.detail);
    for (int32_t i = 0; is_record && i < fields.count; i++) {
        const pp_cell *cell = &cells.cell[i];
        bool is_null = expected.len[i] == 4 && memcmp(expected.value[i], "null", 4) == 0;
        pp_cell_kind kind = !expected.value[i] ? PP_CELL_MISSING : is_null ? PP_CELL_NULL : PP_CELL_TEXT;
        REQUIRE(cell->kind == kind);
        REQUIRE(kind != PP_CELL_TEXT || (cell->ptr == expected.value[i] && cell->len == expected.len[i]));
    }
    free(text);
    return 0;
}
