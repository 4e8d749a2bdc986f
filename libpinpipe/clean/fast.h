/* The fast road: records that have every field once, in any order, punctuated as records before.
 * Never decides a rule on its own: what is not plain is left to the ops, what is not expected to the cell
 * road. Rules: decoder.md §2 (predict, compare once, scan and copy in one pass), §3 (orders), §6. */
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
#define PP_FAST_MARK_MAX 8
#define PP_FAST_STYLES 4
#define PP_FAST_SLOTS 128

/** What is done with one value. */
typedef enum pp_fast_action {
    PP_FAST_END,       /* no value: the record is over */
    PP_FAST_SKIP,      /* a text or a number that no column takes */
    PP_FAST_TEXT,      /* to the column's tail; markers by the op */
    PP_FAST_KEEP,      /* to the column's tail as it is */
    PP_FAST_PATH,      /* the prefix is taken off */
    PP_FAST_JOIN,      /* one of two texts that are joined once both are there */
    PP_FAST_MAGNITUDE, /* digits and a letter; others by the op */
    PP_FAST_TIMESTAMP, /* the fixed form; others by the op */
    PP_FAST_I64,
    PP_FAST_F64,
    PP_FAST_PAIR,
} pp_fast_action;

/** One key in one style, and what its value is for; or the record's end. */
typedef struct pp_fast_key pp_fast_key;
struct pp_fast_key {
    char
        glue[2 * PP_FAST_GLUE_MAX]; /* `, "title": "`: from value to value, the opening quote of a text too */
    pp_fast_key *next;              /* what followed this key last time */
    uint64_t no_value_lengths;      /* of texts that the op has to look at */
    const char *argument;           /* PATH: what is taken off; JOIN: what stands between; a block and more */
    uint32_t argument_mask;         /* a bit a byte of it */
    uint32_t argument_len;
    uint32_t glue_mask;   /* a bit a byte of the glue */
    uint32_t field_bit;   /* of the raw field */
    uint32_t partner_bit; /* JOIN: of the other text's */
    uint8_t glue_len;
    uint8_t action;
    uint8_t field; /* raw field */
    uint8_t step;  /* column */
    uint8_t part;  /* 0 first, 1 second input of the step */
    bool is_text;
};

/** The bytes that records of one producer have around keys and values. */
typedef struct pp_fast_punctuation {
    char opening[PP_FAST_MARK_MAX]; /* to the first key: `{` */
    char colon[PP_FAST_MARK_MAX];   /* `: ` */
    char comma[PP_FAST_MARK_MAX];   /* `, ` */
    char ending[PP_FAST_MARK_MAX];  /* `}` and the line end */
    uint8_t opening_len;
    uint8_t colon_len;
    uint8_t comma_len;
    uint8_t ending_len;
} pp_fast_punctuation;

/** One way in which records are written, whatever the order of their keys. */
typedef struct pp_fast_style {
    pp_fast_punctuation punctuation;
    pp_fast_key *first;  /* the key that stood first last time */
    int64_t rows;        /* how many it read; halved at each replacement, so that old use fades */
    int32_t next;        /* the style that followed this one last time */
    pp_fast_key opening; /* without an action */
    pp_fast_key ending;
    pp_fast_key key[PP_FIELD_NAMES_MAX];
} pp_fast_style;

/** Where a run writes and counts. */
typedef struct pp_fast_target {
    pp_columns *columns;
    int64_t rows_max;         /* of the batch */
    int64_t record_bytes_max; /* a longer one is left to the cell road, which rejects it */
    pinpipe_report *report;   /* hits, and rows that a rule dropped */
    bool is_payload;          /* the text is one record, or is not read at all */
} pp_fast_target;

typedef struct pp_fast pp_fast;

/** Reads records from `text` on, each ended by a line end, as long as they match; `end` is behind a line end
 * and has PP_FAST_PADDING readable bytes behind it. Returns the bytes read; rows are counted in the columns.
 * Every text column has room for `end - text` + PP_FAST_ROOM bytes, every column for the rows. */
typedef size_t (*pp_fast_run_fn)(pp_fast *fast, const pp_plan *plan, const pp_fast_target *target,
                                 const char *text, const char *end);

struct pp_fast {
    pp_fast_run_fn run; /* for the instructions that this machine has */
    pp_fast_style style[PP_FAST_STYLES];
    int32_t count;               /* styles */
    int32_t current;             /* the one that the last record had */
    uint32_t fields;             /* a bit a raw field without which a record is not whole */
    uint32_t multiplier;         /* of the hash that makes a slot out of a key's first bytes */
    uint8_t slot[PP_FAST_SLOTS]; /* the key of a hash, 0 where there is none: its bytes are compared anyway */
    char argument[PP_CLEAN_MAX][PP_FAST_GLUE_MAX]; /* of the plan's steps */
    int64_t misses;                                /* records that no style matched */
    int64_t next_miss;                             /* the miss at which a style is learned */
    int64_t rows;                                  /* rows that came this way */
};

/** Makes the styles that JSON writers have: with a blank behind ':' and ',', and without. */
void pp_fast_init(pp_fast *fast, const pp_plan *plan, const pp_fields *fields);

/** A key's slot, by its bytes behind the opening quote; three of them and the closing quote suffice. */
static inline uint32_t pp_fast_slot(uint32_t multiplier, const char *key) {
    uint32_t head;
    memcpy(&head, key, sizeof head);
    return head * multiplier >> 25;
}

/** The runs of fast.c, compiled for the base instructions of the target and, on x86-64, for AVX2. */
size_t pp_fast_run(pp_fast *fast, const pp_plan *plan, const pp_fast_target *target, const char *text,
                   const char *end);
size_t pp_fast_run_avx2(pp_fast *fast, const pp_plan *plan, const pp_fast_target *target, const char *text,
                        const char *end);

/** The best one for this machine. */
pp_fast_run_fn pp_fast_run_best(void);

/** Learns the style of a record that the cell road accepted; `len` is its length with the line end. */
void pp_fast_learn(pp_fast *fast, const pp_plan *plan, const pp_fields *fields, const char *text, size_t len);

#endif
