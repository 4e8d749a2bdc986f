/* Turns rounds of looking at a store into leases that are renewed, taken, asked for and handed over.
 * Never takes a lease whose counter moved within the time of a lease on this machine's own clock, and never
 * more than its share while others live. Rules: docs/stream.md, "Groups"; the Kinesis Client Library, "Lease
 * lifecycle". */
#include "pipeline/lease.h"

#include <assert.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "io/clock.h"
#include "io/fork.h"

#define LEASE_MS 10000
#define LEASE_MIN_MS 100
#define HAND_OVER_MS 30000
#define ROUNDS 4 /* in the time of a lease */
#define SHARDS_MAX 10000
#define SHARDS_GROWTH 64
#define SHARD_END "SHARD_END"
#define NOT_FOUND ((size_t)-1)
#define CHANGES_MAX 64 /* that are made at once */

typedef struct lease {
    char shard[PP_LEASE_SHARD_BYTES];
    char parents[2][PP_LEASE_SHARD_BYTES];
    pp_lease_facts facts;
    pinpipe_buf text;   /* as it is kept; empty: nothing is */
    bool is_known;      /* its parents have been told */
    bool is_ours;       /* taken, and not known to be lost */
    bool was_seen;      /* in the round that is under way */
    int64_t seen_ms;    /* when its counter was last another one */
    int64_t renewed_ms; /* before our last change that came through */
    int64_t asked_ms;   /* when we asked for it; 0 = we did not */
} lease;

/* A lease as it is to be. */
typedef struct lease_wish {
    size_t index;
    pp_lease_facts facts;
    pinpipe_buf text;
} lease_wish;

struct pinpipe_leases {
    uint32_t generation;
    pp_lease_store *store;
    int64_t (*now_ms)(void);
    int64_t lease_ms;
    int64_t hand_over_ms;
    int64_t next_round_ms;
    char owner[PP_LEASE_OWNER_BYTES];
    lease *all;
    size_t count;
    size_t cap;
    lease_wish wishes[CHANGES_MAX];
    size_t wish_count;
};

static pinpipe_status owner_check(const pinpipe_leases *leases, pinpipe_error *err) {
    return leases->generation == pp_fork_generation()
               ? PINPIPE_OK
               : pp_fail(err, PINPIPE_EFORK, "the leases belong to the process before a fork");
}

static size_t find(const pinpipe_leases *leases, pinpipe_str shard) {
    for (size_t i = 0; i < leases->count; i++) {
        if (pp_str_is(shard, leases->all[i].shard)) {
            return i;
        }
    }
    return NOT_FOUND;
}

static bool has_ended(const lease *one) {
    return strcmp(one->facts.sequence, SHARD_END) == 0;
}

/* Whether it may be read: one whose parents have ended, or are not known any more. */
static bool is_ready(const pinpipe_leases *leases, const lease *one) {
    bool ready = one->is_known && one->text.len > 0 && !has_ended(one);
    for (size_t i = 0; ready && i < 2; i++) {
        size_t parent = one->parents[i][0] ? find(leases, pp_str(one->parents[i])) : NOT_FOUND;
        ready = parent == NOT_FOUND || has_ended(&leases->all[parent]);
    }
    return ready;
}

static bool has_run_out(const pinpipe_leases *leases, const lease *one, int64_t now_ms) {
    return now_ms - one->seen_ms > leases->lease_ms;
}

static bool is_held(const pinpipe_leases *leases, const lease *one, int64_t now_ms) {
    return one->is_ours && now_ms - one->renewed_ms < leases->lease_ms;
}

/* ---- what the store says ---- */

static pinpipe_status lease_add(lease **out, pinpipe_leases *leases, pinpipe_str shard, pinpipe_error *err) {
    *out = NULL;
    if (shard.len == 0 || !pp_lease_is_plain(shard, PP_LEASE_SHARD_BYTES)) {
        return pp_fail(err, PINPIPE_EINVAL, "shard '%.*s' cannot name a lease", pp_quote_len(shard.len),
                       shard.len ? shard.ptr : "");
    }
    if (leases->count == leases->cap) {
        size_t cap = leases->cap + SHARDS_GROWTH;
        if (cap > SHARDS_MAX + SHARDS_GROWTH) {
            return pp_fail(err, PINPIPE_ELIMIT, "more than %d shards have leases", SHARDS_MAX);
        }
        lease *grown = pp_realloc(leases->all, cap * sizeof *grown);
        if (!grown) {
            return pp_fail_memory(err, "leases", cap * sizeof *grown);
        }
        leases->all = grown;
        leases->cap = cap;
    }
    assert(leases->all);
    *out = &leases->all[leases->count++];
    **out = (lease){0};
    memcpy((*out)->shard, shard.ptr, shard.len);
    return PINPIPE_OK;
}

static pinpipe_status lease_keep(lease *one, pp_lease_facts facts, pinpipe_str text, pinpipe_error *err) {
    one->facts = facts;
    pp_buf_clear(&one->text);
    return pp_buf_append(&one->text, text.ptr, text.len, err);
}

static pinpipe_status lease_see(void *user, pinpipe_str shard, pinpipe_str text, pinpipe_error *err) {
    pinpipe_leases *leases = user;
    pp_lease_facts facts = {0};
    size_t index = find(leases, shard);
    lease *one = index == NOT_FOUND ? NULL : &leases->all[index];
    if (!text.ptr) {
        assert(one); /* whose text was told or written before */
        one->was_seen = true;
        return PINPIPE_OK;
    }
    pinpipe_status status = pp_lease_decode(&facts, text, err);
    if (status == PINPIPE_OK && !one) {
        status = lease_add(&one, leases, shard, err);
    }
    if (status < 0) {
        return status;
    }
    assert(one);
    int64_t now_ms = leases->now_ms();
    bool is_new = one->text.len == 0 || facts.counter != one->facts.counter ||
                  strcmp(facts.owner, one->facts.owner) != 0;
    one->was_seen = true;
    if (is_new) {
        one->seen_ms = now_ms;
    }
    if (strcmp(facts.owner, leases->owner) != 0) {
        one->is_ours = false;
    } else if (!one->is_ours &&
               is_new) { /* handed over to us; one that we let run out is taken as any other */
        one->is_ours = true;
        one->renewed_ms = now_ms;
    }
    if (strcmp(facts.wanted, leases->owner) != 0) {
        one->asked_ms = 0;
    }
    return lease_keep(one, facts, text, err);
}

/* ---- changes ---- */

/* Puts a lease down to be changed; `wishes_write` does it. */
static pp_lease_facts *wish_add(pinpipe_leases *leases, size_t index) {
    assert(leases->wish_count < CHANGES_MAX);
    lease_wish *wish = &leases->wishes[leases->wish_count++];
    wish->index = index;
    wish->facts = leases->all[index].facts;
    return &wish->facts;
}

/* Writes all that is put down in place of what is known, and keeps what has won. A lease that is another by
 * now is looked at in the next round. */
static pinpipe_status wishes_write(size_t *won, pinpipe_leases *leases, int64_t timeout_ms,
                                   pinpipe_error *err) {
    pp_lease_change changes[CHANGES_MAX];
    size_t count = leases->wish_count;
    pinpipe_status status = PINPIPE_OK;
    *won = leases->wish_count = 0;
    for (size_t i = 0; status == PINPIPE_OK && i < count; i++) {
        lease_wish *wish = &leases->wishes[i];
        const lease *one = &leases->all[wish->index];
        status = pp_lease_encode(&wish->text, &wish->facts, leases->owner, err);
        changes[i] = (pp_lease_change){
            .key = pp_str(one->shard), .expected = pp_buf_view(&one->text), .text = pp_buf_view(&wish->text)};
    }
    if (status < 0 || count == 0) {
        return status;
    }
    int64_t began_ms = leases->now_ms();
    status = pp_lease_store_write(changes, count, leases->store, timeout_ms, err);
    for (size_t i = 0; i < count; i++) {
        const lease_wish *wish = &leases->wishes[i];
        lease *one = &leases->all[wish->index];
        bool has_moved = wish->facts.counter != one->facts.counter;
        if (changes[i].outcome == PP_LEASE_LOST) {
            leases->next_round_ms = has_moved ? 0 : leases->next_round_ms;
            continue;
        }
        pinpipe_status kept = lease_keep(one, wish->facts, changes[i].text, status < 0 ? NULL : err);
        status = status < 0 ? status : kept;
        ++*won;
        if (has_moved) {
            one->seen_ms = leases->now_ms();
            one->is_ours = strcmp(wish->facts.owner, leases->owner) == 0;
            one->renewed_ms = began_ms;
        }
    }
    return status;
}

/* Puts down one more change, and makes them all where there is room for no other. */
static pinpipe_status wish_take(size_t *won, pinpipe_leases *leases, size_t index, const char *owner,
                                int64_t timeout_ms, pinpipe_error *err) {
    size_t some = 0;
    pp_lease_facts *facts = wish_add(leases, index);
    facts->counter++;
    if (owner) {
        memset(facts->owner, 0, sizeof facts->owner);
        memcpy(facts->owner, owner, strlen(owner));
        facts->wanted[0] = '\0';
    }
    pinpipe_status status =
        leases->wish_count == CHANGES_MAX ? wishes_write(&some, leases, timeout_ms, err) : PINPIPE_OK;
    *won += some;
    return status;
}

/* The counter stays, or the owner would seem alive by it. */
static pinpipe_status lease_ask(pinpipe_leases *leases, size_t index, int64_t timeout_ms,
                                pinpipe_error *err) {
    size_t won = 0;
    pp_lease_facts *facts = wish_add(leases, index);
    memcpy(facts->wanted, leases->owner, sizeof facts->wanted);
    pinpipe_status status = wishes_write(&won, leases, timeout_ms, err);
    if (won > 0) {
        leases->all[index].asked_ms = leases->now_ms();
    }
    return status;
}

/* ---- a round ---- */

static pinpipe_status round_look(pinpipe_leases *leases, int64_t timeout_ms, pinpipe_error *err) {
    size_t made = 0;
    for (size_t i = 0; i < leases->count; i++) {
        leases->all[i].was_seen = false;
    }
    pinpipe_status status = pp_lease_store_load(leases->store, lease_see, leases, timeout_ms, err);
    for (size_t i = 0; status == PINPIPE_OK && i < leases->count; i++) {
        lease *one = &leases->all[i];
        if (!one->was_seen) { /* of a shard that has just become known, or somebody has removed it */
            pp_buf_clear(&one->text);
            one->is_ours = false;
            one->facts.owner[0] = '\0';
            status = wish_take(&made, leases, i, NULL, timeout_ms, err);
        }
    }
    return status == PINPIPE_OK ? wishes_write(&made, leases, timeout_ms, err) : status;
}

static pinpipe_status round_renew(pinpipe_leases *leases, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    size_t renewed = 0;
    for (size_t i = 0; status == PINPIPE_OK && i < leases->count; i++) {
        const lease *one = &leases->all[i];
        if (one->is_ours && leases->now_ms() - one->renewed_ms >= leases->lease_ms / ROUNDS) {
            status = wish_take(&renewed, leases, i, NULL, timeout_ms, err);
        }
    }
    return status == PINPIPE_OK ? wishes_write(&renewed, leases, timeout_ms, err) : status;
}

/* How many leases of `owner` can be read. */
static size_t held_by(const pinpipe_leases *leases, const char *owner) {
    size_t held = 0;
    for (size_t i = 0; i < leases->count; i++) {
        const lease *one = &leases->all[i];
        held += is_ready(leases, one) && strcmp(one->facts.owner, owner) == 0;
    }
    return held;
}

/* Who lives, ourselves too, and what each may have at most. */
static size_t share_of(const pinpipe_leases *leases, int64_t now_ms) {
    size_t ready = 0, owners = 1;
    for (size_t i = 0; i < leases->count; i++) {
        const lease *one = &leases->all[i];
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
        const lease *one = &leases->all[index];
        int64_t now_ms = leases->now_ms();
        bool is_late = one->asked_ms && now_ms - one->asked_ms > leases->hand_over_ms;
        bool is_free = !one->facts.owner[0] || has_run_out(leases, one, now_ms) || is_late;
        if (is_ready(leases, one) && !one->is_ours && is_free) {
            status = wish_take(held, leases, index, leases->owner, timeout_ms, err);
            wanted++;
        }
    }
    size_t won = 0;
    status = status == PINPIPE_OK ? wishes_write(&won, leases, timeout_ms, err) : status;
    *held += won;
    return status;
}

/* One lease a round, of whoever has most. */
static pinpipe_status round_ask(size_t held, pinpipe_leases *leases, int64_t timeout_ms, pinpipe_error *err) {
    size_t best = NOT_FOUND, most = held + 1;
    for (size_t i = 0; i < leases->count; i++) {
        const lease *one = &leases->all[i];
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
    return best != NOT_FOUND ? lease_ask(leases, best, timeout_ms, err) : PINPIPE_OK;
}

pinpipe_status pinpipe_leases_poll(pinpipe_leases *leases, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = owner_check(leases, err);
    int64_t now_ms = leases->now_ms();
    if (status < 0 || now_ms < leases->next_round_ms) {
        return status < 0 ? status : PINPIPE_AGAIN;
    }
    leases->next_round_ms = now_ms + leases->lease_ms / ROUNDS;
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

/* ---- the caller's side ---- */

pinpipe_status pinpipe_leases_put(pinpipe_leases *leases, pinpipe_str shard, pinpipe_str parent,
                                  pinpipe_str adjacent, pinpipe_error *err) {
    size_t index = find(leases, shard);
    lease *one = index == NOT_FOUND ? NULL : &leases->all[index];
    const pinpipe_str parents[] = {parent, adjacent};
    pinpipe_status status = owner_check(leases, err);
    if (status == PINPIPE_OK && !one) {
        status = lease_add(&one, leases, shard, err);
        leases->next_round_ms = 0;
    }
    assert(status < 0 || one);
    if (status == PINPIPE_OK) {
        one->is_known = true;
    }
    for (size_t i = 0; status == PINPIPE_OK && i < 2; i++) {
        if (!pp_lease_is_plain(parents[i], PP_LEASE_SHARD_BYTES)) {
            status = pp_fail(err, PINPIPE_EINVAL, "shard '%s': its parent '%.*s' cannot name a lease",
                             one->shard, pp_quote_len(parents[i].len), parents[i].ptr);
        } else if (parents[i].len > 0) {
            memcpy(one->parents[i], parents[i].ptr, parents[i].len);
            one->parents[i][parents[i].len] = '\0';
        }
    }
    return status;
}

int64_t pinpipe_leases_count(const pinpipe_leases *leases) {
    return (int64_t)leases->count;
}

pinpipe_status pinpipe_leases_at(pinpipe_lease *out, const pinpipe_leases *leases, int64_t index,
                                 pinpipe_error *err) {
    if (out->struct_size < sizeof *out || index < 0 || index >= (int64_t)leases->count) {
        return pp_fail(err, PINPIPE_EINVAL, "lease %lld: there are %zu", (long long)index, leases->count);
    }
    const lease *one = &leases->all[index];
    int64_t now_ms = leases->now_ms();
    int32_t state = PINPIPE_LEASE_NOBODYS;
    if (has_ended(one)) {
        state = PINPIPE_LEASE_ENDED;
    } else if (is_held(leases, one, now_ms)) {
        state = one->facts.wanted[0] ? PINPIPE_LEASE_ASKED : PINPIPE_LEASE_OURS;
    } else if (one->facts.owner[0] && strcmp(one->facts.owner, leases->owner) != 0) {
        state = PINPIPE_LEASE_OTHERS;
    }
    out->state = state;
    out->shard = pp_str(one->shard);
    out->owner = pp_str(one->facts.owner);
    out->sequence = pp_str(one->facts.sequence);
    out->sub_sequence = one->facts.sub_sequence;
    out->counter = one->facts.counter;
    return PINPIPE_OK;
}

/* Again where somebody asked for the lease meanwhile: it is still ours. */
static pinpipe_status change_ours(pinpipe_leases *leases, size_t index, const pp_lease_facts *wish,
                                  int64_t timeout_ms, pinpipe_error *err) {
    size_t won = 0;
    pinpipe_status status = PINPIPE_OK;
    leases->wish_count = 0;
    for (int attempt = 0; attempt < 2 && status == PINPIPE_OK && won == 0; attempt++) {
        lease *one = &leases->all[index];
        if (attempt > 0) {
            status = pp_lease_store_load(leases->store, lease_see, leases, timeout_ms, err);
            one = &leases->all[index]; /* more leases may have been seen */
        }
        if (status == PINPIPE_OK && is_held(leases, one, leases->now_ms())) {
            pp_lease_facts *facts = wish_add(leases, index);
            *facts = *wish;
            facts->counter = one->facts.counter + 1;
            memcpy(facts->wanted, one->facts.wanted, sizeof facts->wanted);
            if (!wish->owner[0]) { /* given away: to who waits */
                memcpy(facts->owner, one->facts.wanted, sizeof facts->owner);
                facts->wanted[0] = '\0';
            }
            status = wishes_write(&won, leases, timeout_ms, err);
        }
    }
    if (status == PINPIPE_OK && won == 0) {
        leases->all[index].is_ours = false;
        status = pp_fail(err, PINPIPE_ECONFLICT, "shard '%s': its lease is another member's",
                         leases->all[index].shard);
    }
    return status;
}

pinpipe_status pinpipe_leases_commit(pinpipe_leases *leases, pinpipe_str shard, pinpipe_str sequence,
                                     int64_t sub_sequence, int64_t timeout_ms, pinpipe_error *err) {
    size_t index = find(leases, shard);
    pinpipe_status status = owner_check(leases, err);
    if (status < 0) {
        return status;
    }
    if (index == NOT_FOUND || sequence.len == 0 || !pp_lease_is_plain(sequence, PP_LEASE_SEQUENCE_BYTES)) {
        return pp_fail(err, PINPIPE_EINVAL, "shard '%.*s': '%.*s' is no position of a lease",
                       pp_quote_len(shard.len), shard.len ? shard.ptr : "", pp_quote_len(sequence.len),
                       sequence.len ? sequence.ptr : "");
    }
    pp_lease_facts facts = leases->all[index].facts;
    if (pp_lease_compare(&facts, sequence, sub_sequence) > 0) {
        return pp_fail(err, PINPIPE_EINVAL, "shard '%.*s': position %.*s is before %s, which is kept",
                       pp_quote_len(shard.len), shard.ptr, pp_quote_len(sequence.len), sequence.ptr,
                       facts.sequence);
    }
    memcpy(facts.sequence, sequence.ptr, sequence.len);
    facts.sequence[sequence.len] = '\0';
    facts.sub_sequence = sub_sequence;
    return change_ours(leases, index, &facts, timeout_ms, err);
}

pinpipe_status pinpipe_leases_release(pinpipe_leases *leases, pinpipe_str shard, int64_t timeout_ms,
                                      pinpipe_error *err) {
    size_t index = find(leases, shard);
    pinpipe_status status = owner_check(leases, err);
    if (status < 0 || index == NOT_FOUND || !leases->all[index].is_ours) {
        return status;
    }
    pp_lease_facts facts = leases->all[index].facts;
    facts.owner[0] = '\0';
    status = change_ours(leases, index, &facts, timeout_ms, err);
    return status == PINPIPE_ECONFLICT ? PINPIPE_OK : status;
}

/* ---- a member ---- */

pinpipe_status pp_leases_new(pinpipe_leases **out, pp_lease_store *store,
                             const pinpipe_leases_options *options, int64_t (*now_ms)(void),
                             pinpipe_error *err) {
    *out = NULL;
    if (options->owner.len == 0 || !pp_lease_is_plain(options->owner, PP_LEASE_OWNER_BYTES)) {
        return pp_fail(err, PINPIPE_EINVAL, "owner '%.*s' is not 1 to %d of A-Z a-z 0-9 . _ -",
                       pp_quote_len(options->owner.len), options->owner.len ? options->owner.ptr : "",
                       PP_LEASE_OWNER_BYTES - 1);
    }
    if (options->hand_over_ms < 0 || options->lease_ms < 0 ||
        (options->lease_ms > 0 && options->lease_ms < LEASE_MIN_MS)) {
        return pp_fail(err, PINPIPE_EINVAL, "lease_ms %lld is below %d, or hand_over_ms %lld is below 0",
                       (long long)options->lease_ms, LEASE_MIN_MS, (long long)options->hand_over_ms);
    }
    pinpipe_leases *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "leases", sizeof *made);
    }
    made->generation = pp_fork_generation();
    made->store = store;
    made->now_ms = now_ms;
    made->lease_ms = options->lease_ms ? options->lease_ms : LEASE_MS;
    made->hand_over_ms = options->hand_over_ms ? options->hand_over_ms : HAND_OVER_MS;
    memcpy(made->owner, options->owner.ptr, options->owner.len);
    *out = made;
    return PINPIPE_OK;
}

pinpipe_status pinpipe_leases_open(pinpipe_leases **out, const pinpipe_leases_options *options,
                                   pinpipe_error *err) {
    pp_lease_store *store = NULL;
    *out = NULL;
    if (options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "options: struct_size %u is below %zu", options->struct_size,
                       sizeof *options);
    }
    pinpipe_status status = pp_lease_store_open(&store, options->url, options->s3, err);
    if (status == PINPIPE_OK) {
        status = pp_leases_new(out, store, options, pp_clock_monotonic_ms, err);
    }
    if (status < 0) {
        pp_lease_store_free(store);
    }
    return status;
}

void pinpipe_leases_free(pinpipe_leases *leases) {
    if (!leases) {
        return;
    }
    for (size_t i = 0; i < leases->count; i++) {
        pinpipe_buf_reset(&leases->all[i].text);
    }
    for (size_t i = 0; i < CHANGES_MAX; i++) {
        pinpipe_buf_reset(&leases->wishes[i].text);
    }
    pp_lease_store_free(leases->store);
    pp_free(leases->all);
    pp_free(leases);
}
