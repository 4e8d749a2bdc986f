/* Turns what one member knows of each lease into the text that is kept of it, and back.
 * Never lets a text stand twice: its counter and who wrote it are in it.
 * Rules: docs/stream.md, "Groups". */
#ifndef PP_PIPELINE_LEASE_H
#define PP_PIPELINE_LEASE_H

#include <stdbool.h>

#include "base/error.h"
#include "pinpipe/lease.h"
#include "pipeline/lease_store.h"

#define PP_LEASE_SHARD_BYTES 129    /* of Kinesis' ids, with the NUL */
#define PP_LEASE_OWNER_BYTES 101    /* with the NUL */
#define PP_LEASE_SEQUENCE_BYTES 200 /* Kinesis' numbers have 129 at most; with the NUL */

/** What the text says. */
typedef struct pp_lease_facts {
    char owner[PP_LEASE_OWNER_BYTES];  /* empty: nobody */
    char wanted[PP_LEASE_OWNER_BYTES]; /* who waits for it */
    char sequence[PP_LEASE_SEQUENCE_BYTES];
    int64_t sub_sequence;
    int64_t counter; /* grows with every change of the owner's */
} pp_lease_facts;

/** Errors: EDATA the text is no lease. */
pinpipe_status pp_lease_decode(pp_lease_facts *out, pinpipe_str text, pinpipe_error *err);

/** `writer` is whose hand it is. */
pinpipe_status pp_lease_encode(pinpipe_buf *out, const pp_lease_facts *facts, const char *writer,
                               pinpipe_error *err);

/** Whether a name or a position can stand in the text as it is. */
bool pp_lease_is_plain(pinpipe_str text, size_t bytes);

/** Below 0, 0, above 0, as the one position is before the other; what is no number is before every number,
 * and SHARD_END is behind all. */
int pp_lease_compare(const pp_lease_facts *facts, pinpipe_str sequence, int64_t sub_sequence);

/** The same as pinpipe_leases_open with a store of the caller's, which the leases own then, and a clock, in
 * milliseconds that never go back; tests turn it. */
pinpipe_status pp_leases_new(pinpipe_leases **out, pp_lease_store *store,
                             const pinpipe_leases_options *options, int64_t (*now_ms)(void),
                             pinpipe_error *err);

#endif
