/* Turns key names into raw fields.
 * Never hashes: the key that stood at this place last time is tried first.
 * Rules: schema/records.def (names and aliases). */
#include "codec/cells.h"

#include <assert.h>
#include <string.h>

static void name_add(pp_fields *fields, const char *name, int32_t field) {
    assert(fields->name_count < PP_FIELD_NAMES_MAX);
    fields->names[fields->name_count].name = name;
    fields->names[fields->name_count].len = strlen(name);
    fields->names[fields->name_count++].field = field;
}

void pp_fields_init(pp_fields *fields, int32_t record) {
    memset(fields, 0, sizeof *fields);
    const pp_raw_row *raw = pp_raw_rows(record, &fields->count);
    for (int32_t i = 0; i < fields->count; i++) {
        name_add(fields, raw[i].name, i);
        fields->key = raw[i].op == PP_OP_KEY ? i : fields->key;
    }
    int32_t alias_count = 0;
    const pp_alias_row *aliases = pp_alias_rows(&alias_count);
    for (int32_t i = 0; i < alias_count; i++) {
        if ((int32_t)aliases[i].record == record) {
            name_add(fields, aliases[i].name, pp_raw_field(aliases[i].symbol));
        }
    }
    for (int32_t i = 0; i < PP_LEARNED_MAX; i++) {
        fields->learned[i] = i % fields->name_count;
    }
}

static bool name_is(const pp_fields *fields, int32_t index, const char *name, size_t len) {
    return fields->names[index].len == len && memcmp(fields->names[index].name, name, len) == 0;
}

int32_t pp_fields_find(pp_fields *fields, int32_t position, const char *name, size_t len) {
    int32_t slot = position % PP_LEARNED_MAX;
    if (name_is(fields, fields->learned[slot], name, len)) {
        return fields->names[fields->learned[slot]].field;
    }
    for (int32_t i = 0; i < fields->name_count; i++) {
        if (name_is(fields, i, name, len)) {
            fields->learned[slot] = i;
            return fields->names[i].field;
        }
    }
    return -1;
}

void pp_cells_clear(pp_record_cells *cells, const pp_fields *fields) {
    for (int32_t i = 0; i < fields->count; i++) {
        cells->cell[i].kind = PP_CELL_MISSING;
    }
    cells->unknown_keys = 0;
    cells->duplicate_keys = 0;
    cells->is_wrapped = false;
    cells->members.met = 0;
    cells->members.repeated = 0;
}
