/* Turns the .def rows into arrays and looks columns up in them.
 * Never knows a column's name itself.
 * Rules: records.def, types.def. */
#include "schema/schema.h"

#include <assert.h>

#include "base/buffer.h"

static const pp_raw_row raw_rows[] = {
#define RAW(record, symbol, name, type, op, source)                                                          \
    {PINPIPE_##record, PINPIPE_TYPE_##type, PP_OP_##op, name, source},
#include "schema/records.def"
};

static const pp_clean_row clean_rows[] = {
#define CLEAN(record, symbol, name, type, op, first, second, argument, source)                               \
    {PINPIPE_##record,                                                                                       \
     PINPIPE_TYPE_##type,                                                                                    \
     PP_OP_##op,                                                                                             \
     PP_RAW_##record##_##first,                                                                              \
     PP_RAW_##record##_##second,                                                                             \
     name,                                                                                                   \
     argument,                                                                                               \
     source},
#include "schema/records.def"
};

static const pp_alias_row alias_rows[] = {
#define ALIAS(record, symbol, name) {PINPIPE_##record, PP_RAW_##record##_##symbol, name},
#include "schema/records.def"
};

static const struct {
    const char *name;
    const char *table;
} record_rows[] = {
#define RECORD(symbol, name, table) [PINPIPE_##symbol] = {name, table},
#include "schema/records.def"
};

static const pp_type_row type_rows[] = {
#define TYPE(symbol, arrow, spark, sqlite, mysql, postgresql, duckdb)                                        \
    [PINPIPE_TYPE_##symbol] = {#symbol, arrow, {spark, sqlite, mysql, postgresql, duckdb}},
#include "schema/types.def"
};

#define COUNT_OF(array) ((int32_t)(sizeof(array) / sizeof(array)[0]))
_Static_assert(sizeof record_rows / sizeof record_rows[0] == PP_RECORD_COUNT, "a row a record type");
#define RECORD(symbol, name, table) _Static_assert((int)PINPIPE_##symbol == (int)PP_RECORD_##symbol, name);
#include "schema/records.def"

const pp_type_row *pp_type(pinpipe_type type) {
    assert((int32_t)type >= 0 && (int32_t)type < COUNT_OF(type_rows));
    return &type_rows[type];
}

int32_t pinpipe_record_count(void) {
    return PP_RECORD_COUNT;
}

bool pp_schema_known(int32_t record, int32_t shape) {
    return record >= 0 && record < PP_RECORD_COUNT && (shape == PINPIPE_RAW || shape == PINPIPE_CLEAN);
}

const char *pinpipe_record_name(int32_t record) {
    return pp_schema_known(record, PINPIPE_RAW) ? record_rows[record].name : "";
}

const char *pinpipe_record_table(int32_t record) {
    return pp_schema_known(record, PINPIPE_RAW) ? record_rows[record].table : "";
}

int32_t pinpipe_record_find(pinpipe_str name) {
    for (int32_t record = 0; record < PP_RECORD_COUNT; record++) {
        if (pp_str_is(name, record_rows[record].name)) {
            return record;
        }
    }
    return -1;
}

const pp_raw_row *pp_raw_rows(int32_t record, int32_t *count) {
    int32_t first = 0;
    while (first < COUNT_OF(raw_rows) && (int32_t)raw_rows[first].record != record) {
        first++;
    }
    int32_t end = first;
    while (end < COUNT_OF(raw_rows) && (int32_t)raw_rows[end].record == record) {
        end++;
    }
    *count = end - first;
    assert(*count <= PP_RAW_MAX);
    return &raw_rows[first < COUNT_OF(raw_rows) ? first : 0];
}

int32_t pp_raw_field(pp_raw_symbol symbol) {
    int32_t count = 0;
    const pp_raw_row *first = pp_raw_rows((int32_t)raw_rows[symbol].record, &count);
    return (int32_t)(&raw_rows[symbol] - first);
}

int32_t pp_clean_column(pp_clean_symbol symbol) {
    int32_t column = 0;
    for (int32_t i = (int32_t)symbol - 1; i >= 0 && clean_rows[i].record == clean_rows[symbol].record; i--) {
        column++;
    }
    return column;
}

const pp_alias_row *pp_alias_rows(int32_t *count) {
    *count = COUNT_OF(alias_rows);
    return alias_rows;
}

static int32_t raw_steps(pp_step *out, int32_t record) {
    int32_t count = 0;
    const pp_raw_row *rows = pp_raw_rows(record, &count);
    for (int32_t i = 0; i < count; i++) {
        out[i] = (pp_step){rows[i].op, rows[i].type, i, i, rows[i].name, "", rows[i].source};
    }
    return count;
}

int32_t pp_steps(pp_step out[PP_CLEAN_MAX], int32_t record, int32_t shape) {
    if (shape == PINPIPE_RAW) {
        return raw_steps(out, record);
    }
    int32_t count = 0;
    for (int32_t i = 0; i < COUNT_OF(clean_rows); i++) {
        const pp_clean_row *row = &clean_rows[i];
        if ((int32_t)row->record == record) {
            assert(count < PP_CLEAN_MAX);
            out[count++] = (pp_step){
                row->op,       row->type,  pp_raw_field(row->first), pp_raw_field(row->second), row->name,
                row->argument, row->source};
        }
    }
    return count;
}

int32_t pinpipe_schema_count(int32_t record, int32_t shape) {
    pp_step steps[PP_CLEAN_MAX];
    return pp_schema_known(record, shape) ? pp_steps(steps, record, shape) : 0;
}

pinpipe_status pinpipe_schema_at(pinpipe_column_info *out, int32_t record, int32_t shape, int32_t index,
                                 pinpipe_error *err) {
    if (!out || out->struct_size < sizeof *out) {
        return pp_fail(err, PINPIPE_EINVAL, "column info lacks its struct_size");
    }
    if (index < 0 || index >= pinpipe_schema_count(record, shape)) {
        return pp_fail(err, PINPIPE_EINVAL, "no column %d in record %d, shape %d", index, record, shape);
    }
    pp_step steps[PP_CLEAN_MAX];
    pp_steps(steps, record, shape);
    out->type = (int32_t)steps[index].type;
    out->nullable = steps[index].op != PP_OP_KEY;
    out->name = steps[index].name;
    out->source = steps[index].source;
    return PINPIPE_OK;
}
