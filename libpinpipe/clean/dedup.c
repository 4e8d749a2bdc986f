/* Turns batches into batches without the rows that an earlier row stands for.
 * Never keeps a row's content: 128 bits of its hash stand for it.
 * Rules: CONTRACT §4, "What cleaning does with a record"; hash: XXH3, 64 bits a value, 128 bits a row. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <assert.h>

#include "base/memory.h"
#include "pinpipe/decode.h"
#include "record/columns.h"

typedef struct dedup_entry {
    int64_t key;
    XXH128_hash_t content;
    bool is_used;
} dedup_entry;

struct pinpipe_dedup {
    int32_t mode;
    int64_t count;
    int64_t cap; /* a power of two */
    int64_t duplicates;
    int64_t conflicts;
    dedup_entry *entries;
};

pinpipe_status pinpipe_dedup_new(pinpipe_dedup **out, int32_t mode, pinpipe_error *err) {
    *out = NULL;
    if (mode < PINPIPE_DEDUPE_NONE || mode > PINPIPE_DEDUPE_ROW) {
        return pp_fail(err, PINPIPE_EINVAL, "no de-duplication %d", mode);
    }
    pinpipe_dedup *dedup = pp_alloc_zero(sizeof *dedup);
    if (!dedup) {
        return pp_fail_memory(err, "de-duplication", sizeof *dedup);
    }
    dedup->mode = mode;
    *out = dedup;
    return PINPIPE_OK;
}

void pinpipe_dedup_free(pinpipe_dedup *dedup) {
    if (dedup) {
        pp_free(dedup->entries);
        pp_free(dedup);
    }
}

int64_t pinpipe_dedup_duplicates(const pinpipe_dedup *dedup) {
    return dedup->duplicates;
}

int64_t pinpipe_dedup_conflicts(const pinpipe_dedup *dedup) {
    return dedup->conflicts;
}

/* 64 bits of one value: two rows that differ in it are taken for equal once in 2^64 such pairs. */
static uint64_t value_hash(const pp_column *column, int64_t row) {
    if (pp_column_is_null(column, row)) {
        return 0;
    }
    switch (column->type) {
    case PINPIPE_TYPE_TEXT: {
        int64_t start = pp_column_start(column, row);
        return XXH3_64bits(column->text + start, (size_t)(pp_column_start(column, row + 1) - start));
    }
    case PINPIPE_TYPE_F64_LIST: {
        int64_t start = pp_column_start(column, row);
        size_t count = (size_t)(pp_column_start(column, row + 1) - start);
        return XXH3_64bits(column->f64 + start, count * sizeof *column->f64);
    }
    case PINPIPE_TYPE_F64:
        return XXH3_64bits(&column->f64[row], sizeof column->f64[row]);
    default:
        return XXH3_64bits(&column->i64[row], sizeof column->i64[row]);
    }
}

static XXH128_hash_t row_hash(const pp_columns *columns, int64_t row) {
    uint64_t values[PP_CLEAN_MAX] = {0};
    for (int32_t i = 0; i < columns->count; i++) {
        values[i] = value_hash(&columns->column[i], row);
    }
    return XXH3_128bits(values, (size_t)columns->count * sizeof values[0]);
}

/* Where the search for a key or row begins. */
static uint64_t entry_start(int32_t mode, int64_t key, XXH128_hash_t content) {
    return mode == PINPIPE_DEDUPE_IND ? XXH3_64bits(&key, sizeof key) : content.low64;
}

/* Rows whose entries are fetched from memory ahead of their turn: the table is larger than any cache. */
#define PREFETCH_ROWS 12

/* The entry of a key or row, or the free place where it belongs. */
static dedup_entry *entry_find(dedup_entry *entries, int64_t cap, int32_t mode, int64_t key,
                               XXH128_hash_t content) {
    uint64_t start = entry_start(mode, key, content);
    for (uint64_t at = start & ((uint64_t)cap - 1);; at = (at + 1) & ((uint64_t)cap - 1)) {
        dedup_entry *entry = &entries[at];
        bool is_same =
            mode == PINPIPE_DEDUPE_IND ? entry->key == key : XXH128_isEqual(entry->content, content);
        if (!entry->is_used || is_same) {
            return entry;
        }
    }
}

static void entry_prefetch(const pinpipe_dedup *dedup, int64_t key) {
#if defined(__GNUC__)
    uint64_t at = entry_start(PINPIPE_DEDUPE_IND, key, (XXH128_hash_t){0, 0}) & ((uint64_t)dedup->cap - 1);
    __builtin_prefetch(&dedup->entries[at], 1);
#else
    (void)dedup;
    (void)key;
#endif
}

/* Makes room for `more` entries at a load of at most three quarters. */
static pinpipe_status dedup_grow(pinpipe_dedup *dedup, int64_t more, pinpipe_error *err) {
    int64_t cap = dedup->cap ? dedup->cap : 1024;
    while ((dedup->count + more) * 4 > cap * 3) {
        cap *= 2;
    }
    if (cap == dedup->cap) {
        return PINPIPE_OK;
    }
    dedup_entry *entries = pp_alloc_zero((size_t)cap * sizeof *entries);
    if (!entries) {
        return pp_fail_memory(err, "de-duplication", (size_t)cap * sizeof *entries);
    }
    for (int64_t i = 0; i < dedup->cap; i++) {
        const dedup_entry *entry = &dedup->entries[i];
        if (entry->is_used) {
            *entry_find(entries, cap, dedup->mode, entry->key, entry->content) = *entry;
        }
    }
    pp_free(dedup->entries);
    dedup->entries = entries;
    dedup->cap = cap;
    return PINPIPE_OK;
}

/* Moves row `from` to row `to` <= `from` in every column. */
static void row_move(pp_columns *columns, int64_t to, int64_t from) {
    for (int32_t i = 0; i < columns->count; i++) {
        pp_column *column = &columns->column[i];
        bool is_null = pp_column_is_null(column, from);
        uint8_t bit = (uint8_t)(1u << (to & 7));
        column->validity[to >> 3] =
            (uint8_t)(is_null ? column->validity[to >> 3] & ~bit : column->validity[to >> 3] | bit);
        if (column->type == PINPIPE_TYPE_TEXT || column->type == PINPIPE_TYPE_F64_LIST) {
            int32_t start = column->offsets[from];
            int32_t len = column->offsets[from + 1] - start;
            int32_t at = column->offsets[to];
            if (len && column->type == PINPIPE_TYPE_TEXT) {
                memmove(column->text + at, column->text + start, (size_t)len);
            } else if (len) {
                memmove(column->f64 + at, column->f64 + start, (size_t)len * sizeof *column->f64);
            }
            column->offsets[to + 1] = at + len;
        } else if (column->type == PINPIPE_TYPE_F64) {
            column->f64[to] = column->f64[from];
        } else {
            column->i64[to] = column->i64[from];
        }
    }
}

/* Rows behind the new end: their validity is one again, and the null counts are of the rows that stay. */
static void rows_end(pp_columns *columns, int64_t rows) {
    for (int32_t i = 0; i < columns->count; i++) {
        pp_column *column = &columns->column[i];
        if (column->null_count == 0) {
            continue;
        }
        column->null_count = 0;
        for (int64_t row = 0; row < columns->rows; row++) {
            if (row < rows) {
                column->null_count += pp_column_is_null(column, row);
            } else {
                column->validity[row >> 3] |= (uint8_t)(1u << (row & 7));
            }
        }
    }
    columns->rows = rows;
}

static int32_t key_column(const pp_columns *columns) {
    pp_step steps[PP_CLEAN_MAX];
    int32_t count = pp_steps(steps, columns->record, columns->shape);
    for (int32_t i = 0; i < count; i++) {
        if (steps[i].op == PP_OP_KEY) {
            return i;
        }
    }
    assert(!"every record has a key");
    return 0;
}

pinpipe_status pinpipe_dedup_clean(pinpipe_dedup *dedup, pinpipe_batch *batch, pinpipe_error *err) {
    pp_columns *columns = NULL;
    pinpipe_status status = pp_batch_columns(&columns, batch, err);
    if (status < 0 || dedup->mode == PINPIPE_DEDUPE_NONE) {
        return status;
    }
    status = dedup_grow(dedup, columns->rows, err);
    if (status < 0) {
        return status;
    }
    const pp_column *keys = &columns->column[key_column(columns)];
    int64_t kept = 0;
    for (int64_t row = 0; row < columns->rows; row++) {
        if (dedup->mode == PINPIPE_DEDUPE_IND && row + PREFETCH_ROWS < columns->rows) {
            entry_prefetch(dedup, keys->i64[row + PREFETCH_ROWS]);
        }
        XXH128_hash_t content = row_hash(columns, row);
        dedup_entry *entry = entry_find(dedup->entries, dedup->cap, dedup->mode, keys->i64[row], content);
        if (entry->is_used) {
            dedup->duplicates++;
            dedup->conflicts += !XXH128_isEqual(entry->content, content);
            continue;
        }
        *entry = (dedup_entry){keys->i64[row], content, true};
        dedup->count++;
        if (kept != row) {
            row_move(columns, kept, row);
        }
        kept++;
    }
    rows_end(columns, kept);
    return PINPIPE_OK;
}
