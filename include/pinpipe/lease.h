/* Turns a folder or a bucket into who reads which shard, and how far: groups of consumers without a database.
 * Never compares the clocks of two hosts: a lease has run out when its counter stood still for so long on the
 * observer's own clock. Rules: docs/stream.md, "Groups"; the Kinesis Client Library, "Lease lifecycle". */
#ifndef PINPIPE_LEASE_H
#define PINPIPE_LEASE_H

#include "s3.h"
#include "value.h"

PINPIPE_BEGIN_DECLS

/** One member of a group, which holds leases of shards. It moves while its owner is in one of the calls
 * below. One thread at a time; EFORK in a forked child. */
typedef struct pinpipe_leases pinpipe_leases;

/** Everything is copied. Empty or zero: the default that the comment names. */
typedef struct pinpipe_leases_options {
    uint32_t struct_size;
    int32_t reserved;  /* 0 */
    pinpipe_str url;   /* file:///folder (one host) or s3://bucket/prefix; of this group and stream alone */
    pinpipe_str owner; /* names the member, to 100 of A-Z a-z 0-9 . _ -; required, and never used again */
    const pinpipe_s3 *s3; /* copied; NULL = one from the environment */
    int64_t lease_ms;     /* a member that is silent for so long has lost its leases, 100 and more; 10000 */
    int64_t hand_over_ms; /* how long a member that is asked for a lease may take to finish; 30000 */
} pinpipe_leases_options;

#define PINPIPE_LEASES_OPTIONS_INIT                                                                          \
    { (uint32_t)sizeof(pinpipe_leases_options), 0, {NULL, 0}, {NULL, 0}, NULL, 0, 0 }

/** Opens a member; asks nothing yet. Errors: EINVAL an option; the S3 client's; ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_leases_open(pinpipe_leases **out, const pinpipe_leases_options *options,
                                               pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Forgets the leases: others take them when they have run out. NULL is allowed. */
PINPIPE_API void pinpipe_leases_free(pinpipe_leases *leases);

/** Tells of a shard that the stream has; `parent` and `adjacent` may be empty. Only shards that were told are
 * taken, once their parents have ended. Errors: EINVAL a name; ELIMIT more than 10,000 shards; ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_leases_put(pinpipe_leases *leases, pinpipe_str shard, pinpipe_str parent,
                                              pinpipe_str adjacent, pinpipe_error *err) PINPIPE_MUST_CHECK;

/** One round where it is due (four in the time of a lease): looks at all leases, renews what is ours, takes
 * what has run out or is nobody's up to our share, and asks whoever has more than their share for one. OK: a
 * round was made; AGAIN: none was due. `timeout_ms` is that of each request. After an error the call may be
 * repeated. */
PINPIPE_API pinpipe_status pinpipe_leases_poll(pinpipe_leases *leases, int64_t timeout_ms,
                                               pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Whose a lease is. */
typedef enum pinpipe_lease_state {
    PINPIPE_LEASE_NOBODYS = 0, /* not taken, run out, or waiting for its parents */
    PINPIPE_LEASE_OURS = 1,
    PINPIPE_LEASE_ASKED = 2, /* ours, and another member waits for it: finish, commit, release */
    PINPIPE_LEASE_OTHERS = 3,
    PINPIPE_LEASE_ENDED = 4 /* its shard is read to the end */
} pinpipe_lease_state;

/** A lease as far as it is known. The views are borrowed until the next call with the handle. */
typedef struct pinpipe_lease {
    uint32_t struct_size;
    int32_t state;        /* pinpipe_lease_state */
    pinpipe_str shard;    /* its id */
    pinpipe_str owner;    /* empty: nobody */
    pinpipe_str sequence; /* behind which record reading goes on, as it was committed; empty: none was */
    int64_t sub_sequence; /* of it */
    int64_t counter;      /* grows with every change */
} pinpipe_lease;

#define PINPIPE_LEASE_INIT                                                                                   \
    { (uint32_t)sizeof(pinpipe_lease), 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, 0, 0 }

/** The leases, in the order in which their shards became known. Ours is ours only until the time of a lease
 * has passed since it was last renewed. Errors: EINVAL no struct_size, an unknown index. */
PINPIPE_API int64_t pinpipe_leases_count(const pinpipe_leases *leases);
/** Fills `out` with lease `index`. Errors: EINVAL no struct_size, an unknown index. */
PINPIPE_API pinpipe_status pinpipe_leases_at(pinpipe_lease *out, const pinpipe_leases *leases, int64_t index,
                                             pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Keeps how far one of our shards was read: a sequence number in decimal, "SHARD_END", or another text of
 * letters, digits, `:` and `_` that says where it begins. A number never goes back. Errors: ECONFLICT the
 * lease is no longer ours; EINVAL a text, or a number below the one that is kept; those of the store. */
PINPIPE_API pinpipe_status pinpipe_leases_commit(pinpipe_leases *leases, pinpipe_str shard,
                                                 pinpipe_str sequence, int64_t sub_sequence,
                                                 int64_t timeout_ms, pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Tells that the stream has a shard no longer. Its entry is removed once it has ended and each of its
 * children that was told has a position. OK: it is gone; AGAIN: it stays for now. Errors: those of the store.
 */
PINPIPE_API pinpipe_status pinpipe_leases_clear(pinpipe_leases *leases, pinpipe_str shard, int64_t timeout_ms,
                                                pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Gives a lease to who has asked for it, else to nobody. One that is not ours is no error. */
PINPIPE_API pinpipe_status pinpipe_leases_release(pinpipe_leases *leases, pinpipe_str shard,
                                                  int64_t timeout_ms, pinpipe_error *err) PINPIPE_MUST_CHECK;

PINPIPE_END_DECLS

#endif
