/* What the parts of a group's member share: its leases, and changes of them that are put down and made at
 * once. Never holds a lease for another's without having seen the store say so. Rules: docs/stream.md,
 * "Groups". */
#ifndef PP_PIPELINE_LEASE_MEMBER_H
#define PP_PIPELINE_LEASE_MEMBER_H

#include "pipeline/lease.h"

#define PP_LEASE_ROUNDS 4 /* in the time of a lease */
#define PP_LEASE_SHARD_END "SHARD_END"
#define PP_LEASE_NOT_FOUND ((size_t)-1)
#define PP_LEASE_CHANGES_MAX 64 /* that are made at once */

typedef struct pp_lease {
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
} pp_lease;

/* A lease as it is to be. */
typedef struct pp_lease_wish {
    size_t index;
    pp_lease_facts facts;
    pinpipe_buf text;
} pp_lease_wish;

struct pinpipe_leases {
    uint32_t generation;
    pp_lease_store *store;
    int64_t (*now_ms)(void);
    int64_t lease_ms;
    int64_t hand_over_ms;
    int64_t next_round_ms;
    char owner[PP_LEASE_OWNER_BYTES];
    pp_lease *all;
    size_t count;
    size_t cap;
    pp_lease_wish wishes[PP_LEASE_CHANGES_MAX];
    size_t wish_count;
};

/** Errors: EFORK. */
pinpipe_status pp_leases_check(const pinpipe_leases *leases, pinpipe_error *err);

/** Its index; PP_LEASE_NOT_FOUND. */
size_t pp_lease_find(const pinpipe_leases *leases, pinpipe_str shard);

bool pp_lease_has_ended(const pp_lease *one);

/** Takes what the store says of a lease; `user` are the leases. Errors: EDATA a text that is no lease. */
pinpipe_status pp_lease_see(void *user, pinpipe_str shard, pinpipe_str text, pinpipe_error *err);

/** Puts a lease down to be changed; what it gives is changed by the caller. */
pp_lease_facts *pp_lease_wish_add(pinpipe_leases *leases, size_t index);

/** Writes all that is put down in place of what is known, and keeps what has won. A lease that is another by
 * now is looked at in the next round. Errors: of the first that failed; the others were tried. */
pinpipe_status pp_lease_wishes_write(size_t *won, pinpipe_leases *leases, int64_t timeout_ms,
                                     pinpipe_error *err);

#endif
