/* Turns batches into batches without the rows that an earlier row stands for.
 * Never keeps a row's content: 64 bits of its hash stand beside its key, or 128 bits for it.
 * Rules: CONTRACT §4, "What cleaning does with a record"; hash: XXH3, 64 bits a value. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <assert.h>

#include "base/memory.h"
#include "pinpipe/decode.h"
#include "record/columns.h"

/* What is remembered of a row. By key: its key, and a hash of its content. By row: two halves of one hash. */
typedef struct dedup_entry {
    uint64_t name;
    uint64_t content; /* never 0: that is a free place */
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

/* Rows that are hashed before the first of them is looked up, so that the places of all of them come from
 * memory at once: the table is larger than any cache. */
#define GROUP_ROWS 32

/* The values of one row: numbers as they are, 64 bits of hash for others, and a bit for each that is null.
 * Two values that differ are taken for equal once in 2^64 such pairs. */
#define ROW_WORDS (PP_CLEAN_MAX + 1)
static_assert(PP_CLEAN_MAX <= 64, "a row's nulls are the bits of one word");

typedef struct row_group {
    const int64_t *keys;
    int64_t first;
    int32_t count;
    uint64_t words[GROUP_ROWS][ROW_WORDS];
    dedup_entry entries[GROUP_ROWS];
} row_group;

static uint64_t span_hash(const void *bytes, int64_t start, int64_t end, size_t size) {
    return XXH3_64bits((const char *)bytes + (size_t)start * size, (size_t)(end - start) * size);
}

/* One column's word of every row of the group. */
static void group_read(row_group *group, const pp_column *column, int32_t at) {
    for (int32_t i = 0; i < group->count; i++) {
        int64_t row = group->first + i;
        uint64_t *word = &group->words[i][at];
        switch (column->type) {
        case PINPIPE_TYPE_TEXT:
            *word =
                span_hash(column->text, pp_column_start(column, row), pp_column_start(column, row + 1), 1);
            break;
        case PINPIPE_TYPE_F64_LIST:
            *word = span_hash(column->f64, pp_column_start(column, row), pp_column_start(column, row + 1),
                              sizeof *column->f64);
            break;
        case PINPIPE_TYPE_F64:
            memcpy(word, &column->f64[row], sizeof *word);
            break;
        default:
            *word = (uint64_t)column->i64[row];
        }
        if (column->null_count && pp_column_is_null(column, row)) {
            *word = 0;
            group->words[i][PP_CLEAN_MAX] |= (uint64_t)1 << at;
        }
    }
}

/* All columns' words, and the nulls' behind them, become what is remembered of each row. */
static void group_name(row_group *group, int32_t columns, int32_t mode) {
    size_t len = (size_t)(columns + 1) * sizeof group->words[0][0];
    for (int32_t i = 0; i < group->count; i++) {
        uint64_t *words = group->words[i];
        words[columns] = words[PP_CLEAN_MAX];
        dedup_entry entry;
        if (mode == PINPIPE_DEDUPE_IND) {
            entry = (dedup_entry){(uint64_t)group->keys[group->first + i], XXH3_64bits(words, len)};
        } else {
            XXH128_hash_t hash = XXH3_128bits(words, len);
            entry = (dedup_entry){hash.low64, hash.high64};
        }
        entry.content += entry.content == 0;
        group->entries[i] = entry;
    }
}

/* Where the search for a row begins; a row's name is a hash already. */
static uint64_t entry_start(const dedup_entry *entry, int32_t mode, int64_t cap) {
    uint64_t start = mode == PINPIPE_DEDUPE_IND ? XXH3_64bits(&entry->name, sizeof entry->name) : entry->name;
    return start & ((uint64_t)cap - 1);
}

/* The place of an equal key or row, or the free one where it belongs. */
static dedup_entry *entry_find(dedup_entry *entries, int64_t cap, int32_t mode, const dedup_entry *wanted) {
    for (uint64_t at = entry_start(wanted, mode, cap);; at = (at + 1) & ((uint64_t)cap - 1)) {
        dedup_entry *entry = &entries[at];
        bool is_same =
            entry->name == wanted->name && (mode == PINPIPE_DEDUPE_IND || entry->content == wanted->content);
        if (entry->content == 0 || is_same) {
            return entry;
        }
    }
}

static void group_prefetch(const row_group *group, const pinpipe_dedup *dedup) {
#if defined(__GNUC__)
    for (int32_t i = 0; i < group->count; i++) {
        __builtin_prefetch(&dedup->entries[entry_start(&group->entries[i], dedup->mode, dedup->cap)], 1);
    }
#else
    (void)group;
    (void)dedup;
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
        if (entry->content) {
            *entry_find(entries, cap, dedup->mode, entry) = *entry;
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

static void group_open(row_group *group, const pinpipe_dedup *dedup, const pp_columns *columns,
                       int64_t first) {
    int64_t left = columns->rows - first;
    group->first = first;
    group->count = (int32_t)(left < GROUP_ROWS ? left : GROUP_ROWS);
    for (int32_t i = 0; i < group->count; i++) {
        group->words[i][PP_CLEAN_MAX] = 0;
    }
    for (int32_t i = 0; i < columns->count; i++) {
        group_read(group, &columns->column[i], i);
    }
    group_name(group, columns->count, dedup->mode);
    group_prefetch(group, dedup);
}

/* True where no earlier row stands for this one, which is remembered from now on. */
static bool entry_add(pinpipe_dedup *dedup, const dedup_entry *wanted) {
    dedup_entry *entry = entry_find(dedup->entries, dedup->cap, dedup->mode, wanted);
    if (entry->content) {
        dedup->duplicates++;
        dedup->conflicts += entry->content != wanted->content;
        return false;
    }
    *entry = *wanted;
    dedup->count++;
    return true;
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
    row_group group;
    group.keys = columns->column[key_column(columns)].i64;
    int64_t kept = 0;
    for (int64_t first = 0; first < columns->rows; first += GROUP_ROWS) {
        group_open(&group, dedup, columns, first);
        for (int32_t i = 0; i < group.count; i++) {
            if (!entry_add(dedup, &group.entries[i])) {
                continue;
            }
            if (kept != first + i) {
                row_move(columns, kept, first + i);
            }
            kept++;
        }
    }
    rows_end(columns, kept);
    return PINPIPE_OK;
}
