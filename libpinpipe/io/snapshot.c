/* Turns the newest key into what any number of threads take without waiting for one another.
 * Never frees a key between a reader's look at the slot and its own share of it.
 * Rules: docs/credentials.md, "Renewal"; split reference counts: the word counts who came, the slot who left.
 */
#include "io/snapshot.h"

#include <sched.h>
#include <stddef.h>

#include "aws/credentials.h"

#define SLOT_SHIFT 56
#define COUNT_MASK ((UINT64_C(1) << SLOT_SHIFT) - 1)

pinpipe_credentials *pp_snapshot_get(pp_snapshot *snapshot) {
    uint64_t word = atomic_fetch_add_explicit(&snapshot->word, 1, memory_order_acq_rel);
    pp_snapshot_slot *slot = &snapshot->slots[word >> SLOT_SHIFT];
    pinpipe_credentials *shared = pp_credentials_retain(slot->credentials);
    atomic_fetch_add_explicit(&slot->released, 1, memory_order_release);
    return shared;
}

static void retired_free(pp_snapshot *snapshot) {
    for (size_t i = 1; i < PP_SNAPSHOT_SLOTS; i++) {
        pp_snapshot_slot *slot = &snapshot->slots[i];
        if (slot->retired && atomic_load_explicit(&slot->released, memory_order_acquire) == slot->taken) {
            pinpipe_credentials_free(slot->credentials);
            slot->credentials = NULL;
            slot->used = slot->retired = false;
        }
    }
}

/* All slots are held only while six readers stand between two instructions. */
static size_t slot_find(pp_snapshot *snapshot) {
    for (;;) {
        retired_free(snapshot);
        for (size_t i = 1; i < PP_SNAPSHOT_SLOTS; i++) {
            if (!snapshot->slots[i].used) {
                return i;
            }
        }
        sched_yield();
    }
}

void pp_snapshot_set(pp_snapshot *snapshot, pinpipe_credentials *credentials) {
    size_t index = slot_find(snapshot);
    pp_snapshot_slot *slot = &snapshot->slots[index];
    slot->credentials = credentials;
    slot->used = true;
    slot->taken = 0;
    atomic_store_explicit(&slot->released, 0, memory_order_relaxed);
    uint64_t former =
        atomic_exchange_explicit(&snapshot->word, (uint64_t)index << SLOT_SHIFT, memory_order_acq_rel);
    pp_snapshot_slot *old = &snapshot->slots[former >> SLOT_SHIFT];
    old->taken = former & COUNT_MASK;
    old->retired = true;
    retired_free(snapshot);
}

void pp_snapshot_fork(pp_snapshot *snapshot) {
    uint64_t word = atomic_load(&snapshot->word);
    for (size_t i = 1; i < PP_SNAPSHOT_SLOTS; i++) {
        pp_snapshot_slot *slot = &snapshot->slots[i];
        if (i != word >> SLOT_SHIFT && slot->used) {
            slot->taken = atomic_load(&slot->released);
            slot->retired = true;
        }
    }
    pp_snapshot_slot *current = &snapshot->slots[word >> SLOT_SHIFT];
    atomic_store(&current->released, word & COUNT_MASK);
}

void pp_snapshot_reset(pp_snapshot *snapshot) {
    for (size_t i = 1; i < PP_SNAPSHOT_SLOTS; i++) {
        if (snapshot->slots[i].used) {
            pinpipe_credentials_free(snapshot->slots[i].credentials);
        }
    }
    *snapshot = (pp_snapshot){0};
}
