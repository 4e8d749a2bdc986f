/* The fact tables as const arrays: record types, columns of both shapes, aliases, rules.
 * Never holds state; every array is an expansion of a .def row.
 * Rules: records.def, rules.def, types.def. */
#ifndef PP_SCHEMA_SCHEMA_H
#define PP_SCHEMA_SCHEMA_H

#include "base/error.h"
#include "pinpipe/schema.h"

/** What makes a column out of raw values; the functions are in clean/ops.h. */
typedef enum pp_op {
    PP_OP_KEY,          /* int64, or the record is rejected */
    PP_OP_INTEGER,      /* int64 */
    PP_OP_NUMBER,       /* double */
    PP_OP_KEEP,         /* text as it is */
    PP_OP_KEEP_NUMERIC, /* text as it is; a number keeps its spelling */
    PP_OP_TEXT,         /* text; markers and "" are null */
    PP_OP_MAGNITUDE,    /* int64 from 12, 1,234, 136k, 2M, 1.5B */
    PP_OP_PATH,         /* text without the prefix that is the argument */
    PP_OP_TIMESTAMP,    /* microseconds UTC from ISO text */
    PP_OP_PAIR,         /* two doubles as a list */
    PP_OP_JOIN,         /* two texts with the argument between */
} pp_op;

/** What an op or a record can meet; OUTCOME rows give it an id. */
typedef enum pp_outcome {
    PP_OUTCOME_MISSING,
    PP_OUTCOME_EMPTY,
    PP_OUTCOME_WRONG_TYPE,
    PP_OUTCOME_NOT_AN_INTEGER,
    PP_OUTCOME_OUT_OF_RANGE,
    PP_OUTCOME_BAD_VALUE,
    PP_OUTCOME_INCOMPLETE,
    PP_OUTCOME_NULL, /* the column is null after all other rules */
    PP_OUTCOME_MALFORMED,
    PP_OUTCOME_INVALID_UTF8,
    PP_OUTCOME_NOT_A_RECORD,
    PP_OUTCOME_TOO_LARGE,
    PP_OUTCOME_DUPLICATE_KEY,
    PP_OUTCOME_UNKNOWN_KEY,
    PP_OUTCOME_WRAPPED,
    PP_OUTCOME_COUNT,
} pp_outcome;

/** What a rule does; rules.def says what each means. */
typedef enum pp_effect {
    PP_EFFECT_OFF,
    PP_EFFECT_NULLED,
    PP_EFFECT_KEPT,
    PP_EFFECT_IGNORED,
    PP_EFFECT_REJECTED,
    PP_EFFECT_FILLED,
    PP_EFFECT_DROPPED,
    PP_EFFECT_COUNT,
} pp_effect;

/** How a marker's text is compared with a value. */
typedef enum pp_match {
    PP_MATCH_EXACT,
    PP_MATCH_PREFIX,
    PP_MATCH_COUNT,
} pp_match;

/** The built-in profiles. */
typedef enum pp_profile {
#define PROFILE(symbol, name) PP_PROFILE_##symbol,
#include "schema/rules.def"
    PP_PROFILE_COUNT
} pp_profile;

/** All raw columns of all records, in the order of the rows. */
typedef enum pp_raw_symbol {
#define RAW(record, symbol, name, type, op, source) PP_RAW_##record##_##symbol,
#include "schema/records.def"
} pp_raw_symbol;

/** All clean columns of all records, in the order of the rows. */
typedef enum pp_clean_symbol {
#define CLEAN(record, symbol, ...) PP_CLEAN_##record##_##symbol,
#include "schema/records.def"
} pp_clean_symbol;

enum {
#define RECORD(symbol, name, table) PP_RECORD_##symbol,
#include "schema/records.def"
    PP_RECORD_COUNT
};

#define PP_RAW_MAX 16    /* raw columns of a record */
#define PP_CLEAN_MAX 16  /* clean columns of a record */
#define PP_RULES_MAX 256 /* rules of a record in one shape */

typedef struct pp_raw_row {
    pinpipe_record record;
    pinpipe_type type;
    pp_op op;
    const char *name;
    const char *source;
} pp_raw_row;

typedef struct pp_clean_row {
    pinpipe_record record;
    pinpipe_type type;
    pp_op op;
    pp_raw_symbol first;
    pp_raw_symbol second;
    const char *name;
    const char *argument;
    const char *source;
} pp_clean_row;

typedef struct pp_alias_row {
    pinpipe_record record;
    pp_raw_symbol symbol;
    const char *name;
} pp_alias_row;

/** One step from raw fields to one column, the same for both shapes. `first` and `second` number the record's
 * raw columns from 0. */
typedef struct pp_step {
    pp_op op;
    pinpipe_type type;
    int32_t first;
    int32_t second;
    const char *name;
    const char *argument;
    const char *source;
} pp_step;

/** What FILLED writes, by the column's type. */
typedef struct pp_fill {
    int64_t i64; /* I64, TIME_US */
    double f64;
    const char *text; /* TEXT; of every type the value as it was given, "" for a rule that does not fill */
    size_t len;
} pp_fill;

/** One rule of one record and shape. field: the raw field, -1 for the whole record or column; step: the
 * column, -1 for the whole record. */
typedef struct pp_rule {
    int32_t field;
    int32_t step;
    pp_outcome outcome; /* PP_OUTCOME_COUNT for a marker */
    pp_effect effect;
    pp_match match;
    const char *column; /* the id's middle part, NULL for the whole record */
    const char *suffix;
    const char *text; /* a marker's text, else "" */
    const char *source;
    pp_fill fill;
} pp_rule;

/** "nulled", and so on. Static text. */
const char *pp_effect_name(pp_effect effect);
/** "exact" or "prefix". Static text. */
const char *pp_match_name(pp_match match);
/** "course" or "keep". Static text. */
const char *pp_profile_name(pp_profile profile);

/** The most bytes of a rule's id, with its NUL. */
#define PP_RULE_ID_MAX 80

typedef struct pp_type_row {
    const char *name;
    const char *arrow;
    const char *sql[5]; /* by pinpipe_dialect, SPARK to DUCKDB */
} pp_type_row;

const pp_type_row *pp_type(pinpipe_type type);

bool pp_schema_known(int32_t record, int32_t shape);

/** The raw columns of a record; `count` is written. */
const pp_raw_row *pp_raw_rows(int32_t record, int32_t *count);

/** A raw column's position among its record's raw columns. */
int32_t pp_raw_field(pp_raw_symbol symbol);

/** A clean column's position among its record's clean columns. */
int32_t pp_clean_column(pp_clean_symbol symbol);

/** True for an op that compares texts with markers. */
bool pp_op_has_markers(pp_op op);

/** All aliases of all records; `count` is written. */
const pp_alias_row *pp_alias_rows(int32_t *count);

/** Writes the steps that make a shape; returns their number (at most PP_CLEAN_MAX). */
int32_t pp_steps(pp_step out[PP_CLEAN_MAX], int32_t record, int32_t shape);

/** Gives the steps of a clean record the arguments of a built-in profile. */
void pp_steps_profile(pp_step *steps, int32_t count, int32_t record, pp_profile profile);

/** Writes the rules of a record and shape in column order, with the effects of a built-in profile, those that
 * are off too; returns their number (at most PP_RULES_MAX). */
int32_t pp_rules(pp_rule out[PP_RULES_MAX], int32_t record, int32_t shape, pp_profile profile);

/** Fills what the public list of rules says of one. Errors: EINVAL `out` lacks its struct_size. */
pinpipe_status pp_rule_info(pinpipe_rule_info *out, int32_t record, const pp_rule *rule, pinpipe_error *err);

/** Writes "pin.title.empty". */
void pp_rule_id(char *out, size_t size, int32_t record, const pp_rule *rule);

#endif
