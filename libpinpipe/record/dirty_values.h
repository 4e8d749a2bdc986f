/* The most frequent values that rules could not take, a fixed number a column, whatever the input.
 * Never grows; never keeps more than the first bytes of a value.
 * Rules: Space-Saving (Metwally, Agrawal, El Abbadi 2005): a count may be too high by its surplus, never too
 * low. */
#ifndef PP_RECORD_DIRTY_VALUES_H
#define PP_RECORD_DIRTY_VALUES_H

#include "pinpipe/value.h"
#include "schema/schema.h"

#define PP_DIRTY_SLOTS 16
#define PP_DIRTY_KEPT_MAX ((size_t)64)

typedef struct pp_dirty_slot {
    uint64_t hash; /* of the whole value */
    int64_t count;
    int64_t surplus;
    int64_t bytes; /* of the whole value */
    int32_t rule;
    uint32_t kept;
    char text[PP_DIRTY_KEPT_MAX];
} pp_dirty_slot;

typedef struct pp_dirty_column {
    int32_t used;
    pp_dirty_slot slot[PP_DIRTY_SLOTS];
} pp_dirty_column;

typedef struct pp_dirty_values {
    pp_dirty_column column[PP_CLEAN_MAX];
} pp_dirty_values;

/** Counts one value that `rule` met; `text` is UTF-8. */
void pp_dirty_note(pp_dirty_column *column, int32_t rule, pinpipe_str text);

/** Adds the counts of `other`. */
void pp_dirty_join(pp_dirty_values *values, const pp_dirty_values *other);

int64_t pp_dirty_count(const pp_dirty_values *values);

/** Entry `index` by column, then the most frequent first; NULL for an unknown one. */
const pp_dirty_slot *pp_dirty_at(const pp_dirty_values *values, int64_t index);

#endif
