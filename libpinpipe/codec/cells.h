/* A record as cells: one borrowed view of a raw value for each raw column, whatever the format was.
 * Never owns bytes: a cell dies with the input or the scratch that it points into.
 * Rules: DESIGN §2, "The way of the data". */
#ifndef PP_CODEC_CELLS_H
#define PP_CODEC_CELLS_H

#include "codec/envelope.h"
#include "pinpipe/decode.h"
#include "schema/schema.h"

typedef enum pp_cell_kind {
    PP_CELL_MISSING,
    PP_CELL_NULL,
    PP_CELL_TEXT,   /* plain text, valid UTF-8, without escapes */
    PP_CELL_NUMBER, /* a JSON number's text */
    PP_CELL_OTHER,  /* true, false, object, array */
    PP_CELL_I64,    /* from a database or Arrow, as are the following */
    PP_CELL_F64,
    PP_CELL_TIME_US,
} pp_cell_kind;

typedef struct pp_cell {
    pp_cell_kind kind;
    const char *ptr; /* TEXT, NUMBER; OTHER: its JSON, NULL where there is none */
    size_t len;
    union {
        int64_t i64; /* I64, TIME_US */
        double f64;  /* F64 */
    } value;
} pp_cell;

typedef struct pp_record_cells {
    pp_cell cell[PP_RAW_MAX];
    int64_t unknown_keys;
    int64_t duplicate_keys;
    bool is_wrapped; /* the record lay deeper than its format says */
    pp_members members;
} pp_record_cells;

/** Why a record cannot be read: the rule, what was seen, and where in the record. */
typedef struct pp_fault {
    pp_outcome outcome;
    const char *detail;
    size_t offset;
    bool is_decoded; /* the offset counts in the text that was decoded out of the record */
} pp_fault;

#define PP_FIELD_NAMES_MAX (PP_RAW_MAX + 8)
#define PP_LEARNED_MAX 32

/** The names of a record's raw columns, and the order in which keys were last met. */
typedef struct pp_fields {
    int32_t count;      /* raw columns */
    int32_t name_count; /* names and aliases */
    int32_t key;        /* the raw column that is the record's key */
    struct {
        const char *name;
        size_t len;
        int32_t field;
    } names[PP_FIELD_NAMES_MAX];
    int32_t learned[PP_LEARNED_MAX]; /* key position -> index into names */
} pp_fields;

void pp_fields_init(pp_fields *fields, int32_t record);

/** The raw field of a key at a position of the record, or -1; learns where keys stand. */
int32_t pp_fields_find(pp_fields *fields, int32_t position, const char *name, size_t len);

/** Sets every cell to MISSING. */
void pp_cells_clear(pp_record_cells *cells, const pp_fields *fields);

/** Puts a value into its cell; a second one for the same field wins and is counted. */
static inline void pp_cells_put(pp_record_cells *cells, int32_t field, const pp_cell *cell) {
    cells->duplicate_keys += cells->cell[field].kind != PP_CELL_MISSING;
    cells->cell[field] = *cell;
}

#endif
