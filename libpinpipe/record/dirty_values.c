/* Turns values that rules could not take into the most frequent ones with their counts.
 * Never grows; never keeps more than the first bytes of a value.
 * Rules: Space-Saving (Metwally, Agrawal, El Abbadi 2005). */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "record/dirty_values.h"

#include <string.h>

#include "text/utf8.h"

static bool slot_is(const pp_dirty_slot *slot, const pp_dirty_slot *value) {
    return slot->hash == value->hash && slot->rule == value->rule && slot->bytes == value->bytes;
}

/* The slot of a value, or a free one, or that which counts least. */
static pp_dirty_slot *slot_find(pp_dirty_column *column, const pp_dirty_slot *value) {
    pp_dirty_slot *least = &column->slot[0];
    for (int32_t i = 0; i < column->used; i++) {
        if (slot_is(&column->slot[i], value)) {
            return &column->slot[i];
        }
        least = column->slot[i].count < least->count ? &column->slot[i] : least;
    }
    return column->used < PP_DIRTY_SLOTS ? &column->slot[column->used++] : least;
}

static void value_add(pp_dirty_column *column, const pp_dirty_slot *value) {
    pp_dirty_slot *slot = slot_find(column, value);
    bool is_same = slot->count > 0 && slot_is(slot, value);
    int64_t taken_over = is_same ? 0 : slot->count; /* of the value that gives way; 0 in a free slot */
    int64_t count = slot->count + value->count;
    int64_t surplus = (is_same ? slot->surplus : taken_over) + value->surplus;
    if (!is_same) {
        *slot = *value;
    }
    slot->count = count;
    slot->surplus = surplus;
}

void pp_dirty_note(pp_dirty_column *column, int32_t rule, pinpipe_str text) {
    pp_dirty_slot value = {
        .hash = XXH3_64bits(text.ptr, text.len), .count = 1, .bytes = (int64_t)text.len, .rule = rule};
    size_t kept = text.len < PP_DIRTY_KEPT_MAX ? text.len : PP_DIRTY_KEPT_MAX;
    value.kept = (uint32_t)pp_utf8_span(text.ptr, kept);
    memcpy(value.text, text.ptr, value.kept);
    value_add(column, &value);
}

void pp_dirty_join(pp_dirty_values *values, const pp_dirty_values *other) {
    for (int32_t i = 0; i < PP_CLEAN_MAX; i++) {
        for (int32_t k = 0; k < other->column[i].used; k++) {
            value_add(&values->column[i], &other->column[i].slot[k]);
        }
    }
}

int64_t pp_dirty_count(const pp_dirty_values *values) {
    int64_t count = 0;
    for (int32_t i = 0; i < PP_CLEAN_MAX; i++) {
        count += values->column[i].used;
    }
    return count;
}

/* Entries of a column that stand before slot `index`: greater counts, and equal ones of earlier slots. */
static int32_t rank_of(const pp_dirty_column *column, int32_t index) {
    int32_t rank = 0;
    for (int32_t i = 0; i < column->used; i++) {
        bool is_greater = column->slot[i].count > column->slot[index].count;
        rank += is_greater || (column->slot[i].count == column->slot[index].count && i < index);
    }
    return rank;
}

const pp_dirty_slot *pp_dirty_at(const pp_dirty_values *values, int64_t index) {
    for (int32_t i = 0; index >= 0 && i < PP_CLEAN_MAX; i++) {
        const pp_dirty_column *column = &values->column[i];
        for (int32_t k = 0; index < column->used && k < column->used; k++) {
            if (rank_of(column, k) == index) {
                return &column->slot[k];
            }
        }
        index -= column->used;
    }
    return NULL;
}
