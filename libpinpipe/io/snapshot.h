/* Turns the newest key into what any number of threads take without waiting for one another.
 * Never blocks a reader: taking is two atomic additions; writers take turns by a lock of their caller.
 * Rules: docs/credentials.md, "Renewal"; a slot is reused only when every taker of it is through. */
#ifndef PP_IO_SNAPSHOT_H
#define PP_IO_SNAPSHOT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "pinpipe/credentials.h"

#define PP_SNAPSHOT_SLOTS 8

typedef struct pp_snapshot_slot {
    pinpipe_credentials *credentials;
    _Atomic uint64_t released; /* takers that are through */
    uint64_t taken;            /* takers in all, known once it is retired */
    bool used, retired;
} pp_snapshot_slot;

/** Starts zeroed: no key. */
typedef struct pp_snapshot {
    _Atomic uint64_t word; /* slot in the top byte, takers below */
    pp_snapshot_slot slots[PP_SNAPSHOT_SLOTS];
} pp_snapshot;

/** The newest key, shared: the taker frees it. NULL where there is none. */
pinpipe_credentials *pp_snapshot_get(pp_snapshot *snapshot);

/** Takes over `credentials` as the newest. One caller at a time. */
void pp_snapshot_set(pp_snapshot *snapshot, pinpipe_credentials *credentials);

/** In a forked child: forgets takers that are threads of the parent. */
void pp_snapshot_fork(pp_snapshot *snapshot);

/** Frees what is left; no taker may be under way. */
void pp_snapshot_reset(pp_snapshot *snapshot);

#endif
