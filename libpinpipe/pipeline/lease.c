/* Turns what a store says of leases, and what their holder wants of them, into changes that win or lose.
 * Never lets a position go back, and never gives away what it does not hold.
 * Rules: docs/stream.md, "Groups"; the Kinesis Client Library, "Lease lifecycle". */
#include "pipeline/lease_member.h"

#include <assert.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "io/clock.h"
#include "io/fork.h"

#define LEASE_MS 10000
#define LEASE_MIN_MS 100
#define HAND_OVER_MS 30000
#define SHARDS_MAX 10000
#define SHARDS_GROWTH 64

pinpipe_status pp_leases_check(const pinpipe_leases *leases, pinpipe_error *err) {
    return leases->generation == pp_fork_generation()
               ? PINPIPE_OK
               : pp_fail(err, PINPIPE_EFORK, "the leases belong to the process before a fork");
}

size_t pp_lease_find(const pinpipe_leases *leases, pinpipe_str shard) {
    for (size_t i = 0; i < leases->count; i++) {
        if (pp_str_is(shard, leases->all[i].shard)) {
            return i;
        }
    }
    return PP_LEASE_NOT_FOUND;
}

bool pp_lease_has_ended(const pp_lease *one) {
    return strcmp(one->facts.sequence, PP_LEASE_SHARD_END) == 0;
}

static bool is_held(const pinpipe_leases *leases, const pp_lease *one, int64_t now_ms) {
    return one->is_ours && now_ms - one->renewed_ms < leases->lease_ms;
}

/* ---- what the store says ---- */

static pinpipe_status lease_add(pp_lease **out, pinpipe_leases *leases, pinpipe_str shard,
                                pinpipe_error *err) {
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
        pp_lease *grown = pp_realloc(leases->all, cap * sizeof *grown);
        if (!grown) {
            return pp_fail_memory(err, "leases", cap * sizeof *grown);
        }
        leases->all = grown;
        leases->cap = cap;
    }
    assert(leases->all);
    *out = &leases->all[leases->count++];
    **out = (pp_lease){0};
    memcpy((*out)->shard, shard.ptr, shard.len);
    return PINPIPE_OK;
}

static pinpipe_status lease_keep(pp_lease *one, pp_lease_facts facts, pinpipe_str text, pinpipe_error *err) {
    one->facts = facts;
    pp_buf_clear(&one->text);
    return pp_buf_append(&one->text, text.ptr, text.len, err);
}

pinpipe_status pp_lease_see(void *user, pinpipe_str shard, pinpipe_str text, pinpipe_error *err) {
    pinpipe_leases *leases = user;
    pp_lease_facts facts = {0};
    size_t index = pp_lease_find(leases, shard);
    pp_lease *one = index == PP_LEASE_NOT_FOUND ? NULL : &leases->all[index];
    if (!text.ptr) {
        if (one) { /* whose text was told or written before */
            one->was_seen = true;
        }
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
pp_lease_facts *pp_lease_wish_add(pinpipe_leases *leases, size_t index) {
    assert(leases->wish_count < PP_LEASE_CHANGES_MAX);
    pp_lease_wish *wish = &leases->wishes[leases->wish_count++];
    wish->index = index;
    wish->facts = leases->all[index].facts;
    return &wish->facts;
}

/* Writes all that is put down in place of what is known, and keeps what has won. A lease that is another by
 * now is looked at in the next round. */
pinpipe_status pp_lease_wishes_write(size_t *won, pinpipe_leases *leases, int64_t timeout_ms,
                                     pinpipe_error *err) {
    pp_lease_change changes[PP_LEASE_CHANGES_MAX];
    size_t count = leases->wish_count;
    pinpipe_status status = PINPIPE_OK;
    *won = leases->wish_count = 0;
    for (size_t i = 0; status == PINPIPE_OK && i < count; i++) {
        pp_lease_wish *wish = &leases->wishes[i];
        const pp_lease *one = &leases->all[wish->index];
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
        const pp_lease_wish *wish = &leases->wishes[i];
        pp_lease *one = &leases->all[wish->index];
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

/* ---- the caller's side ---- */

pinpipe_status pinpipe_leases_put(pinpipe_leases *leases, pinpipe_str shard, pinpipe_str parent,
                                  pinpipe_str adjacent, pinpipe_error *err) {
    size_t index = pp_lease_find(leases, shard);
    pp_lease *one = index == PP_LEASE_NOT_FOUND ? NULL : &leases->all[index];
    const pinpipe_str parents[] = {parent, adjacent};
    pinpipe_status status = pp_leases_check(leases, err);
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
    const pp_lease *one = &leases->all[index];
    int64_t now_ms = leases->now_ms();
    int32_t state = PINPIPE_LEASE_NOBODYS;
    if (pp_lease_has_ended(one)) {
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
        pp_lease *one = &leases->all[index];
        if (attempt > 0) {
            status = pp_lease_store_load(leases->store, pp_lease_see, leases, timeout_ms, err);
            one = &leases->all[index]; /* more leases may have been seen */
        }
        if (status == PINPIPE_OK && is_held(leases, one, leases->now_ms())) {
            pp_lease_facts *facts = pp_lease_wish_add(leases, index);
            *facts = *wish;
            facts->counter = one->facts.counter + 1;
            memcpy(facts->wanted, one->facts.wanted, sizeof facts->wanted);
            if (!wish->owner[0]) { /* given away: to who waits */
                memcpy(facts->owner, one->facts.wanted, sizeof facts->owner);
                facts->wanted[0] = '\0';
            }
            status = pp_lease_wishes_write(&won, leases, timeout_ms, err);
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
    size_t index = pp_lease_find(leases, shard);
    pinpipe_status status = pp_leases_check(leases, err);
    if (status < 0) {
        return status;
    }
    if (index == PP_LEASE_NOT_FOUND || sequence.len == 0 ||
        !pp_lease_is_plain(sequence, PP_LEASE_SEQUENCE_BYTES)) {
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
    size_t index = pp_lease_find(leases, shard);
    pinpipe_status status = pp_leases_check(leases, err);
    if (status < 0 || index == PP_LEASE_NOT_FOUND || !leases->all[index].is_ours) {
        return status;
    }
    pp_lease_facts facts = leases->all[index].facts;
    facts.owner[0] = '\0';
    status = change_ours(leases, index, &facts, timeout_ms, err);
    return status == PINPIPE_ECONFLICT ? PINPIPE_OK : status;
}

/* Whether a child may still have to be begun behind it. */
static bool is_awaited(const pinpipe_leases *leases, const pp_lease *parent) {
    bool awaited = false;
    for (size_t i = 0; !awaited && i < leases->count; i++) {
        const pp_lease *one = &leases->all[i];
        bool is_child =
            strcmp(one->parents[0], parent->shard) == 0 || strcmp(one->parents[1], parent->shard) == 0;
        awaited = is_child && !one->facts.sequence[0];
    }
    return awaited;
}

pinpipe_status pinpipe_leases_clear(pinpipe_leases *leases, pinpipe_str shard, int64_t timeout_ms,
                                    pinpipe_error *err) {
    size_t index = pp_lease_find(leases, shard);
    pinpipe_status status = pp_leases_check(leases, err);
    if (status < 0 || index == PP_LEASE_NOT_FOUND) {
        return status;
    }
    pp_lease *one = &leases->all[index];
    if (!pp_lease_has_ended(one) || is_awaited(leases, one)) {
        return PINPIPE_AGAIN;
    }
    if (one->text.len > 0) { /* else another member was faster */
        status = pp_lease_store_remove(leases->store, shard, timeout_ms, err);
    }
    if (status == PINPIPE_OK) {
        pinpipe_buf_reset(&one->text);
        memmove(one, one + 1, (--leases->count - index) * sizeof *one);
    }
    return status;
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
    for (size_t i = 0; i < PP_LEASE_CHANGES_MAX; i++) {
        pinpipe_buf_reset(&leases->wishes[i].text);
    }
    pp_lease_store_free(leases->store);
    pp_free(leases->all);
    pp_free(leases);
}
