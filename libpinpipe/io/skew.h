/* Turns the dates of answers into the offset between the machine's clock and the service's.
 * Never believes a slow answer over a quick one, and never a day's difference without TLS.
 * Rules: docs/credentials.md, "Clock". Any number of threads. */
#ifndef PP_IO_SKEW_H
#define PP_IO_SKEW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/** An offset up to this is left alone: services allow 5 minutes, and Date is a second coarse. */
#define PP_SKEW_KEPT_MS 60000
/** Largest offset that is learnt without TLS. */
#define PP_SKEW_PLAIN_MAX_MS 86400000
/** A refusal of a signature means a wrong clock beyond this. */
#define PP_SKEW_REFUSED_MS 240000

/** Starts zeroed: no offset. */
typedef struct pp_skew {
    _Atomic int64_t offset_ms; /* service minus machine, as measured */
    _Atomic int64_t rtt_ms;    /* of the answer that told it */
    _Atomic int64_t told_ms;   /* monotonic time of that answer; 0 = none yet */
    atomic_bool forced;        /* a service refused the machine's time: apply any offset */
} pp_skew;

/** One answer with a Date. */
typedef struct pp_skew_sample {
    int64_t date_s;       /* what the service said, seconds since 1970 */
    int64_t wall_ms;      /* the machine's time when it came */
    int64_t monotonic_ms; /* the same by the clock that is never set */
    int64_t rtt_ms;       /* since the request was begun */
    bool trusted;         /* by TLS */
} pp_skew_sample;

void pp_skew_learn(pp_skew *skew, const pp_skew_sample *sample);

/** Milliseconds to add to the machine's time; 0 up to PP_SKEW_KEPT_MS unless a service refused it. */
int64_t pp_skew_offset_ms(pp_skew *skew);

/** A service refused a time: true where the offset explains it and was not applied yet, so that one more
 * attempt is worth it. `applied_ms` is what the refused request was signed with. */
bool pp_skew_explains(pp_skew *skew, int64_t applied_ms);

#endif
