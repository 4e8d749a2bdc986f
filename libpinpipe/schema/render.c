/* Turns a shape's columns into a dialect's text: Spark, SQL, Arrow, CSV.
 * Never knows a column; loops over the rows of the shape.
 * Rules: types.def; identifiers are quoted as each dialect wants it. */
#include <stdio.h>

#include "base/buffer.h"
#include "schema/schema.h"

typedef struct dialect_row {
    const char *open; /* before everything; a table's name follows when it is not empty */
    const char *between;
    const char *close;
    const char *quote; /* around a name */
} dialect_row;

static const dialect_row dialect_rows[] = {
    [PINPIPE_DIALECT_SPARK] = {"", ", ", "", ""},
    [PINPIPE_DIALECT_SQLITE] = {"CREATE TABLE ", ",\n  ", "\n);\n", "\""},
    [PINPIPE_DIALECT_MYSQL] = {"CREATE TABLE ", ",\n  ", "\n);\n", "`"},
    [PINPIPE_DIALECT_POSTGRESQL] = {"CREATE TABLE ", ",\n  ", "\n);\n", "\""},
    [PINPIPE_DIALECT_DUCKDB] = {"CREATE TABLE ", ",\n  ", "\n);\n", "\""},
    [PINPIPE_DIALECT_ARROW] = {"", "\n", "\n", ""},
    [PINPIPE_DIALECT_CSV] = {"", ",", "\n", ""},
};

static pinpipe_status render_column(pinpipe_buf *out, const pp_step *step, int32_t dialect,
                                    pinpipe_error *err) {
    const pp_type_row *type = pp_type(step->type);
    if (dialect == PINPIPE_DIALECT_CSV) {
        return pp_buf_append_text(out, step->name, err);
    }
    if (dialect == PINPIPE_DIALECT_ARROW) {
        return pp_buf_printf(out, err, "%s: %s%s", step->name, type->arrow,
                             step->op == PP_OP_KEY ? " not null" : "");
    }
    const char *quote = dialect_rows[dialect].quote;
    return pp_buf_printf(out, err, "%s%s%s %s%s", quote, step->name, quote, type->sql[dialect],
                         step->op == PP_OP_KEY ? " NOT NULL" : "");
}

static pinpipe_status render_open(pinpipe_buf *out, int32_t record, int32_t shape, int32_t dialect,
                                  pinpipe_error *err) {
    char table[64];
    if (shape == PINPIPE_RAW) {
        snprintf(table, sizeof table, "%s", pinpipe_record_table(record));
    } else {
        snprintf(table, sizeof table, "%s_table", pinpipe_record_name(record));
    }
    const char *open = dialect_rows[dialect].open;
    if (!*open) {
        return PINPIPE_OK;
    }
    const char *quote = dialect_rows[dialect].quote;
    return pp_buf_printf(out, err, "%s%s%s%s (\n  ", open, quote, table, quote);
}

pinpipe_status pinpipe_schema_render(pinpipe_buf *out, int32_t record, int32_t shape, int32_t dialect,
                                     pinpipe_error *err) {
    if (!pp_schema_known(record, shape)) {
        return pp_fail(err, PINPIPE_EINVAL, "no record %d with shape %d", record, shape);
    }
    if (dialect < 0 || dialect > PINPIPE_DIALECT_CSV) {
        return pp_fail(err, PINPIPE_EINVAL, "no schema dialect %d", dialect);
    }
    pp_buf_clear(out);
    pp_step steps[PP_CLEAN_MAX];
    int32_t count = pp_steps(steps, record, shape);
    pinpipe_status status = render_open(out, record, shape, dialect, err);
    for (int32_t i = 0; status == PINPIPE_OK && i < count; i++) {
        if (i > 0) {
            status = pp_buf_append_text(out, dialect_rows[dialect].between, err);
        }
        if (status == PINPIPE_OK) {
            status = render_column(out, &steps[i], dialect, err);
        }
    }
    return status == PINPIPE_OK ? pp_buf_append_text(out, dialect_rows[dialect].close, err) : status;
}
