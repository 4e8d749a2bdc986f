/* The fast road: records whose bytes between the values are the same as in records before.
 * Never decides a rule on its own: what is not plain is left to the ops, what is not expected to the cell
 * road. Rules: decoder.md §2 (predict, compare once, scan and copy in one pass), §6. */
#ifndef PP_CLEAN_FAST_H
#define PP_CLEAN_FAST_H

#include "clean/plan.h"
#include "codec/cells.h"
#include "record/columns.h"
#include "record/report.h"

/** Readable bytes that must follow the records of pp_fast_run. */
#define PP_FAST_PADDING ((size_t)64)
/** Room that every text column needs beyond the input's bytes, for whole blocks. */
#define PP_FAST_ROOM 64

#define PP_FAST_GLUE_MAX 32
#define PP_FAST_TEMPLATES 4

/** What is done with one value of a template. */
typedef enum pp_fast_action {
    PP_FAST_SKIP_TEXT,
    PP_FAST_SKIP_NUMBER,
    PP_FAST_TEXT,      /* to the column's tail; markers by the op */
    PP_FAST_KEEP,      /* to the column's tail as it is */
    PP_FAST_PATH,      /* the prefix is taken off */
    PP_FAST_HOLD,      /* a text that the op reads at the record's end */
    PP_FAST_MAGNITUDE, /* digits and a letter; others by the op */
    PP_FAST_TIMESTAMP, /* the fixed form; others by the op */
    PP_FAST_I64,
    PP_FAST_F64,
    PP_FAST_PAIR,
} pp_fast_action;

typedef struct pp_fast_field {
    char glue[PP_FAST_GLUE_MAX]; /* the bytes before the value, its opening quote too */
    uint32_t glue_mask;          /* a bit a byte of the glue */
    uint8_t glue_len;
    uint8_t action;
    uint8_t field; /* raw field */
    uint8_t step;  /* column */
    uint8_t part;  /* 0 first, 1 second input of the step */
} pp_fast_field;

/** One way in which records are written: key order, blanks, line end. */
typedef struct pp_fast_template {
    int32_t count;
    pp_fast_field field[PP_RAW_MAX];
    pp_fast_field tail; /* glue behind the last value, the line end too */
    int64_t rows;       /* how many it read; halved at each replacement, so that old use fades */
} pp_fast_template;

/** Where a run writes and counts. */
typedef struct pp_fast_target {
    pp_columns *columns;
    int64_t rows_max;       /* of the batch */
    pinpipe_report *report; /* hits, and rows that a rule dropped */
    bool is_payload;        /* the text is one record, or is not read at all */
} pp_fast_target;

typedef struct pp_fast pp_fast;

/** Reads records from `text` on, each ended by a line end, as long as they match; `end` is behind a line end
 * and has PP_FAST_PADDING readable bytes behind it. Returns the bytes read; rows are counted in the columns.
 * Every text column has room for `end - text` + PP_FAST_ROOM bytes, every column for the rows. */
typedef size_t (*pp_fast_run_fn)(pp_fast *fast, const pp_plan *plan, const pp_fast_target *target,
                                 const char *text, const char *end);

struct pp_fast {
    pp_fast_run_fn run; /* for the instructions that this machine has */
    pp_fast_template template[PP_FAST_TEMPLATES];
    int32_t count;     /* templates learned */
    int32_t current;   /* the one that matched last */
    int64_t misses;    /* records that no template matched */
    int64_t next_miss; /* the miss at which a template is learned */
    int64_t rows;      /* rows that came this way */
};

void pp_fast_init(pp_fast *fast);

/** The runs of fast.c, compiled for the base instructions of the target and, on x86-64, for AVX2. */
size_t pp_fast_run(pp_fast *fast, const pp_plan *plan, const pp_fast_target *target, const char *text,
                   const char *end);
size_t pp_fast_run_avx2(pp_fast *fast, const pp_plan *plan, const pp_fast_target *target, const char *text,
                        const char *end);

/** The best one for this machine. */
pp_fast_run_fn pp_fast_run_best(void);

/** Learns how a record that the cell road accepted is written; `len` is its length with the line end. */
void pp_fast_learn(pp_fast *fast, const pp_plan *plan, pp_fields *fields, const char *text, size_t len);

#endif
