/* Turns looks at a store into leases that are renewed, taken and asked for, a round at a time.
 * Never takes a lease whose counter moved within the time of a lease on this machine's own clock, and never
 * more than its share while others live. Rules: docs/stream.md, "Groups"; the Kinesis Client Library, "Lease
 * lifecycle". */
#include <string.h>

#include "base/buffer.h"
#include "pipeline/lease_member.h"

/* Whether it may be read: one whose parents have ended, or are not known any more. */
static bool is_ready(const pinpipe_leases *leases, const pp_lease *one) {
    bool ready = one->is_known && one->text.len > 0 && !pp_lease_has_ended(one);
    for (size_t i = 0; ready && i < 2; i++) {
        size_t parent =
            one->parents[i][0] ? pp_lease_find(leases, pp_str(one->parents[i])) : PP_LEASE_NOT_FOUND;
        ready = parent == PP_LEASE_NOT_FOUND || pp_lease_has_ended(&leases->all[parent]);
    }
    return ready;
}

static bool has_run_out(const pinpipe_leases *leases, const pp_lease *one, int64_t now_ms) {
    return now_ms - one->seen_ms > leases->lease_ms;
}

/* Puts down one more change, and makes them all where there is room for no other. */
static pinpipe_status wish_take(size_t *won, pinpipe_leases *leases, size_t index, const char *owner,
                                int64_t timeout_ms, pinpipe_error *err) {
    size_t some = 0;
    pp_lease_facts *facts = pp_lease_wish_add(leases, index);
    facts->counter++;
    if (owner) {
        memset(facts->owner, 0, sizeof facts->owner);
        memcpy(facts->owner, owner, strlen(owner));
        facts->wanted[0] = '\0';
    }
    pinpipe_status status = leases->wish_count == PP_LEASE_CHANGES_MAX
                                ? pp_lease_wishes_write(&some, leases, timeout_ms, err)
                                : PINPIPE_OK;
    *won += some;
    return status;
}

/* The counter stays, or the owner would seem alive by it. */
static pinpipe_status lease_ask(pinpipe_leases *leases, size_t index, int64_t timeout_ms,
                                pinpipe_error *err) {
    size_t won = 0;
    pp_lease_facts *facts = pp_lease_wish_add(leases, index);
    memcpy(facts->wanted, leases->owner, sizeof facts->wanted);
    pinpipe_status status = pp_lease_wishes_write(&won, leases, timeout_ms, err);
    if (won > 0) {
        leases->all[index].asked_ms = leases->now_ms();
    }
    return status;
}

static pinpipe_status round_look(pinpipe_leases *leases, int64_t timeout_ms, pinpipe_error *err) {
    size_t made = 0;
    for (size_t i = 0; i < leases->count; i++) {
        leases->all[i].was_seen = false;
    }
    pinpipe_status status = pp_lease_store_load(leases->store, pp_lease_see, leases, timeout_ms, err);
    for (size_t i = 0; status == PINPIPE_OK && i < leases->count; i++) {
        pp_lease *one = &leases->all[i];
        if (!one->was_seen && pp_lease_has_ended(one)) {
            pp_buf_clear(&one->text); /* removed, as it was done with */
        } else if (!one->was_seen) {  /* of a shard that has just become known, or somebody has removed it */
            pp_buf_clear(&one->text);
            one->is_ours = false;
            one->facts.owner[0] = '\0';
            status = wish_take(&made, leases, i, NULL, timeout_ms, err);
        }
    }
    return status == PINPIPE_OK ? pp_lease_wishes_write(&made, leases, timeout_ms, err) : status;
}

static pinpipe_status round_renew(pinpipe_leases *leases, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    size_t renewed = 0;
    for (size_t i = 0; status == PINPIPE_OK && i < leases->count; i++) {
        const pp_lease *one = &leases->all[i];
        if (one->is_ours && leases->now_ms() - one->renewed_ms >= leases->lease_ms / PP_LEASE_ROUNDS) {
            status = wish_take(&renewed, leases, i, NULL, timeout_ms, err);
        }
    }
    return status == PINPIPE_OK ? pp_lease_wishes_write(&renewed, leases, timeout_ms, err) : status;
}

/* How many leases of `owner` can be read. */
static size_t held_by(const pinpipe_leases *leases, const char *owner) {
    size_t held = 0;
    for (size_t i = 0; i < leases->count; i++) {
        const pp_lease *one = &leases->all[i];
        held += is_ready(leases, one) && strcmp(one->facts.owner, owner) == 0;
    }
    return held;
}

/* Who lives, ourselves too, and what each may have at most. */
static size_t share_of(const pinpipe_leases *leases, int64_t now_ms) {
    size_t ready = 0, owners = 1;
    for (size_t i = 0; i < leases->count; i++) {
        const pp_lease *one = &leases->all[i];
        bool is_first = true;
        ready += is_ready(leases, one);
        if (!one->facts.owner[0] || strcmp(one->facts.owner, leases->owner) == 0 ||
            has_run_out(leases, one, now_ms)) {
            continue;
        }
        for (size_t k = 0; is_first && k < i; k++) {
            is_first = strcmp(leases->all[k].facts.owner, one->facts.owner) != 0 ||
                       has_run_out(leases, &leases->all[k], now_ms);
        }
        owners += is_first;
    }
    return (ready + owners - 1) / owners;
}

/* Others' names begin elsewhere: two that take at once seldom want the same. */
static size_t offset_of(const pinpipe_leases *leases) {
    uint32_t hash = 2166136261u;
    for (const char *at = leases->owner; *at; at++) {
        hash = (hash ^ (uint8_t)*at) * 16777619u;
    }
    return leases->count ? hash % leases->count : 0;
}

static pinpipe_status round_take(size_t *held, pinpipe_leases *leases, size_t share, int64_t timeout_ms,
                                 pinpipe_error *err) {
    size_t offset = offset_of(leases), wanted = *held;
    pinpipe_status status = PINPIPE_OK;
    for (size_t i = 0; status == PINPIPE_OK && i < leases->count && wanted < share; i++) {
        size_t index = (i + offset) % leases->count;
        const pp_lease *one = &leases->all[index];
        int64_t now_ms = leases->now_ms();
        bool is_late = one->asked_ms && now_ms - one->asked_ms > leases->hand_over_ms;
        bool is_free = !one->facts.owner[0] || has_run_out(leases, one, now_ms) || is_late;
        if (is_ready(leases, one) && !one->is_ours && is_free) {
            status = wish_take(held, leases, index, leases->owner, timeout_ms, err);
            wanted++;
        }
    }
    size_t won = 0;
    status = status == PINPIPE_OK ? pp_lease_wishes_write(&won, leases, timeout_ms, err) : status;
    *held += won;
    return status;
}

/* One lease a round, of whoever has most. */
static pinpipe_status round_ask(size_t held, pinpipe_leases *leases, int64_t timeout_ms, pinpipe_error *err) {
    size_t best = PP_LEASE_NOT_FOUND, most = held + 1;
    for (size_t i = 0; i < leases->count; i++) {
        const pp_lease *one = &leases->all[i];
        if (one->asked_ms) {
            return PINPIPE_OK; /* one at a time */
        }
        size_t theirs = is_ready(leases, one) && !one->is_ours && one->facts.owner[0] && !one->facts.wanted[0]
                            ? held_by(leases, one->facts.owner)
                            : 0;
        if (theirs > most) {
            most = theirs;
            best = i;
        }
    }
    return best != PP_LEASE_NOT_FOUND ? lease_ask(leases, best, timeout_ms, err) : PINPIPE_OK;
}

pinpipe_status pinpipe_leases_poll(pinpipe_leases *leases, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = pp_leases_check(leases, err);
    int64_t now_ms = leases->now_ms();
    if (status < 0 || now_ms < leases->next_round_ms) {
        return status < 0 ? status : PINPIPE_AGAIN;
    }
    leases->next_round_ms = now_ms + leases->lease_ms / PP_LEASE_ROUNDS;
    leases->wish_count = 0; /* what a round that failed has put down */
    status = round_look(leases, timeout_ms, err);
    if (status == PINPIPE_OK) {
        status = round_renew(leases, timeout_ms, err);
    }
    size_t held = held_by(leases, leases->owner);
    size_t share = share_of(leases, now_ms);
    if (status == PINPIPE_OK) {
        status = round_take(&held, leases, share, timeout_ms, err);
    }
    if (status == PINPIPE_OK && held < share) {
        status = round_ask(held, leases, timeout_ms, err);
    }
    return status;
}
