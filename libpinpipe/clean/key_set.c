/* Turns values into a set that says whether it had one before.
 * Never keeps a value: two that differ are taken for one once in 2^128 pairs.
 * Rules: docs/census.md, "Expectations"; hash: XXH3, 128 bits. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/memory.h"
#include "clean/key_set.h"

#define CAP_MIN ((int64_t)64)

void pp_key_set_reset(pp_key_set *set) {
    pp_free(set->keys);
    *set = (pp_key_set){0};
}

pp_key pp_key_of(const void *bytes, size_t len) {
    XXH128_hash_t hash = XXH3_128bits(bytes, len);
    return (pp_key){hash.low64 | (hash.low64 == 0 && hash.high64 == 0), hash.high64};
}

/* The key's place, or the free place where it belongs. */
static pp_key *place_of(pp_key *keys, int64_t cap, pp_key key) {
    for (uint64_t at = key.low & ((uint64_t)cap - 1);; at = (at + 1) & ((uint64_t)cap - 1)) {
        pp_key *place = &keys[at];
        bool is_free = place->low == 0 && place->high == 0;
        if (is_free || (place->low == key.low && place->high == key.high)) {
            return place;
        }
    }
}

pinpipe_status pp_key_set_reserve(pp_key_set *set, int64_t more, int64_t max, pinpipe_error *err) {
    int64_t needed = set->count + more;
    int64_t cap = set->cap ? set->cap : CAP_MIN;
    if (needed > max) {
        return pp_fail(err, PINPIPE_ELIMIT, "more than %lld distinct values would be remembered",
                       (long long)max);
    }
    while (needed * 4 > cap * 3) {
        cap *= 2;
    }
    if (cap == set->cap) {
        return PINPIPE_OK;
    }
    pp_key *keys = pp_alloc_zero((size_t)cap * sizeof *keys);
    if (!keys) {
        return pp_fail_memory(err, "distinct values", (size_t)cap * sizeof *keys);
    }
    for (int64_t i = 0; i < set->cap; i++) {
        if (set->keys[i].low || set->keys[i].high) {
            *place_of(keys, cap, set->keys[i]) = set->keys[i];
        }
    }
    pp_free(set->keys);
    set->keys = keys;
    set->cap = cap;
    return PINPIPE_OK;
}

bool pp_key_set_put(pp_key_set *set, pp_key key) {
    pp_key *place = place_of(set->keys, set->cap, key);
    bool is_new = place->low == 0 && place->high == 0;
    *place = key;
    set->count += is_new;
    return is_new;
}

bool pp_key_set_has(const pp_key_set *set, pp_key key) {
    if (set->count == 0) {
        return false;
    }
    const pp_key *place = place_of(set->keys, set->cap, key);
    return place->low != 0 || place->high != 0;
}

void pp_key_set_prefetch(const pp_key_set *set, pp_key key) {
#if defined(__GNUC__)
    __builtin_prefetch(&set->keys[key.low & ((uint64_t)set->cap - 1)], 1);
#else
    (void)set;
    (void)key;
#endif
}
