/* The record types, their two shapes, and every rule of cleaning, as tables to read.
 * Never allocates for a look-up; the tables are static and may be read from any thread.
 * Rules: libpinpipe/schema/records.def and rules.def, which these functions print. */
#ifndef PINPIPE_SCHEMA_H
#define PINPIPE_SCHEMA_H

#include "status.h"
#include "value.h"

PINPIPE_BEGIN_DECLS

/** A record type. */
typedef enum pinpipe_record {
    PINPIPE_PIN = 0,
    PINPIPE_GEO = 1,
    PINPIPE_USER = 2,
} pinpipe_record;

/** RAW: as the emulator and the wire carry it. CLEAN: as the tables keep it. */
typedef enum pinpipe_shape {
    PINPIPE_RAW = 0,
    PINPIPE_CLEAN = 1,
} pinpipe_shape;

/** A column's type. */
typedef enum pinpipe_type {
    PINPIPE_TYPE_I64 = 0,
    PINPIPE_TYPE_F64 = 1,
    PINPIPE_TYPE_TEXT = 2,     /* UTF-8 */
    PINPIPE_TYPE_TIME_US = 3,  /* microseconds since 1970-01-01T00:00:00Z */
    PINPIPE_TYPE_F64_LIST = 4, /* list of doubles */
} pinpipe_type;

/** What pinpipe_schema_render writes. */
typedef enum pinpipe_dialect {
    PINPIPE_DIALECT_SPARK = 0,  /* "ind BIGINT NOT NULL, …": for from_json, schema() and CREATE TABLE */
    PINPIPE_DIALECT_SQLITE = 1, /* CREATE TABLE, and so on */
    PINPIPE_DIALECT_MYSQL = 2,
    PINPIPE_DIALECT_POSTGRESQL = 3,
    PINPIPE_DIALECT_DUCKDB = 4,
    PINPIPE_DIALECT_ARROW = 5, /* "name: format" lines with Arrow's format strings */
    PINPIPE_DIALECT_CSV = 6,   /* the header line of a CSV file */
} pinpipe_dialect;

/** One column. The texts are static. */
typedef struct pinpipe_column_info {
    uint32_t struct_size;
    int32_t type;     /* a pinpipe_type */
    int32_t nullable; /* 0 for the key, 1 else */
    int32_t reserved;
    const char *name;   /* as on the wire in the raw shape, as in the table in the clean one */
    const char *source; /* where the column's rule comes from */
} pinpipe_column_info;

/** One rule of cleaning. The texts are static, or the profile's. */
typedef struct pinpipe_rule_info {
    uint32_t struct_size;
    int32_t reserved;
    char id[80];        /* "pin.follower_count.user_info_error" */
    const char *effect; /* "nulled", "kept", "ignored", "rejected", "filled", "dropped" or "off" */
    const char *text;   /* the text that triggers it, or "" */
    const char *match;  /* how that text is compared: "exact", "prefix", or "" */
    const char *value;  /* what "filled" writes, or "" */
    const char *source; /* where it comes from */
} pinpipe_rule_info;

#define PINPIPE_COLUMN_INFO_INIT                                                                             \
    { (uint32_t)sizeof(pinpipe_column_info), 0, 0, 0, NULL, NULL }
#define PINPIPE_RULE_INFO_INIT                                                                               \
    { (uint32_t)sizeof(pinpipe_rule_info), 0, {0}, NULL, NULL, NULL, NULL, NULL }

/** Number of record types; valid records are 0 to this less one. */
PINPIPE_API int32_t pinpipe_record_count(void);

/** "pin", "geo", "user"; "" for an unknown record. Static text. */
PINPIPE_API const char *pinpipe_record_name(int32_t record);

/** The source table's name, "pinterest_data" and so on; "" for an unknown record. Static text. */
PINPIPE_API const char *pinpipe_record_table(int32_t record);

/** The record of that name, or -1. */
PINPIPE_API int32_t pinpipe_record_find(pinpipe_str name);

/** Number of columns of a shape; 0 for an unknown record or shape. */
PINPIPE_API int32_t pinpipe_schema_count(int32_t record, int32_t shape);

/** Fills `out` with column `index`. Errors: EINVAL unknown record, shape or index. */
PINPIPE_API pinpipe_status pinpipe_schema_at(pinpipe_column_info *out, int32_t record, int32_t shape,
                                             int32_t index, pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Writes the shape's columns in a dialect. Errors: EINVAL, ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_schema_render(pinpipe_buf *out, int32_t record, int32_t shape,
                                                 int32_t dialect, pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Number of rules that bringing a record into a shape may apply, those that are off by default too. */
PINPIPE_API int32_t pinpipe_rule_count(int32_t record, int32_t shape);

/** Fills `out` with rule `index`; effects are those of the default profile, "course". Errors: EINVAL unknown
 * record, shape or index. */
PINPIPE_API pinpipe_status pinpipe_rule_at(pinpipe_rule_info *out, int32_t record, int32_t shape,
                                           int32_t index, pinpipe_error *err) PINPIPE_MUST_CHECK;

PINPIPE_END_DECLS

#endif
