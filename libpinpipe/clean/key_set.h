/* Turns values into a set that says whether it had one before.
 * Never keeps a value: 128 bits of its hash stand for it; never grows beyond the caller's limit.
 * Rules: docs/census.md, "Expectations"; hash: XXH3, 128 bits. */
#ifndef PP_CLEAN_KEY_SET_H
#define PP_CLEAN_KEY_SET_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/** The hash of a value; {0, 0} is a free place. */
typedef struct pp_key {
    uint64_t low;
    uint64_t high;
} pp_key;

/** Empty when zeroed. */
typedef struct pp_key_set {
    int64_t count;
    int64_t cap; /* a power of two; at most three quarters are used */
    pp_key *keys;
} pp_key_set;

void pp_key_set_reset(pp_key_set *set);

/** Makes room for `more` values. Errors: ELIMIT they would be more than `max` in all, ENOMEM; as before then.
 */
pinpipe_status pp_key_set_reserve(pp_key_set *set, int64_t more, int64_t max, pinpipe_error *err);

pp_key pp_key_of(const void *bytes, size_t len);

/** Puts a value for which room was made; false when it was there. */
bool pp_key_set_put(pp_key_set *set, pp_key key);

bool pp_key_set_has(const pp_key_set *set, pp_key key);

/** Fetches the place of a value from memory ahead of its turn. */
void pp_key_set_prefetch(const pp_key_set *set, pp_key key);

#endif
