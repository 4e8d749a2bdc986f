/* Turns the failure of an attempt into the pause before the next one, or into the end of the call.
 * Never sleeps and never reads a clock: the caller has the deadline.
 * Rules: docs/credentials.md, "Retries": AWS SDK "standard" mode as revised in 2026 (v2.1), the former (v2.0)
 * on request; aws/refusals.def. */
#ifndef PP_IO_RETRY_H
#define PP_IO_RETRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "pinpipe/status.h"
#include "pinpipe/value.h"

/** Longest pause in milliseconds, and what x-amz-retry-after may add to a pause. */
#define PP_RETRY_PAUSE_MAX_MS 20000
#define PP_RETRY_HINT_MAX_MS 5000
/** What all calls of a client may spend on retries before one of them succeeds again. */
#define PP_RETRY_QUOTA 500
#define PP_RETRY_ATTEMPTS 3

typedef enum pp_retry_mode {
    PP_RETRY_STANDARD = 0,        /* v2.1: bases 1 s and 50 ms, costs 5 (throttled) and 14 */
    PP_RETRY_STANDARD_FORMER = 1, /* v2.0: base 1 s, costs 5 and 10 (timeout) */
} pp_retry_mode;

typedef enum pp_retry_kind {
    PP_RETRY_NEVER = 0,
    PP_RETRY_TRANSIENT,
    PP_RETRY_TIMEOUT, /* no answer in time */
    PP_RETRY_THROTTLED,
    PP_RETRY_EXPIRED,   /* once, with a new key */
    PP_RETRY_SKEWED,    /* once, with a corrected clock */
    PP_RETRY_SIGNATURE, /* the same where the clocks differ, else never */
} pp_retry_kind;

/** Of one client; any number of threads. */
typedef struct pp_retry {
    pp_retry_mode mode;
    int32_t attempts_max;
    _Atomic int64_t quota;
} pp_retry;

/** Of one call; starts zeroed. */
typedef struct pp_retry_call {
    int32_t failed; /* attempts so far */
    int64_t cost;   /* of the last retry */
} pp_retry_call;

typedef struct pp_retry_failure {
    pp_retry_kind kind;
    int64_t hint_ms;        /* x-amz-retry-after; -1 = none */
    int64_t retry_after_ms; /* Retry-After; -1 = none */
} pp_retry_failure;

void pp_retry_init(pp_retry *retry, pp_retry_mode mode, int32_t attempts_max);

/** The kind of a refusal by its code and HTTP status. */
pp_retry_kind pp_retry_kind_of(pinpipe_str code, int32_t http_status);

/** The kind of a failure without an answer. */
pp_retry_kind pp_retry_kind_of_status(pinpipe_status status);

/** Pause after failed attempt `attempt` (from 1): random · min(base · 2^(attempt - 1), 20 s), where the base
 * is 1 s after ETHROTTLED and 50 ms after anything else; for callers that keep their own count. */
int64_t pp_retry_pause_ms(int32_t attempt, pinpipe_status status, double random);

/** True: try again after `*pause_ms`. False: the attempts or the quota are used up, or it would be no use.
 * `random` is in [0, 1). */
bool pp_retry_next(int64_t *pause_ms, pp_retry *retry, pp_retry_call *call, const pp_retry_failure *failure,
                   double random);

/** The call succeeded: gives back what its last retry cost, or 1. */
void pp_retry_done(pp_retry *retry, const pp_retry_call *call);

/** Pause before round `round` (from 1) of sending again the refused records of a batch: full jitter over
 * 50 ms · 2^(round - 1), at most 5 s. */
int64_t pp_retry_partial_ms(int32_t round, double random);

/** A number in [0, 1) from the kernel's generator, so that forked processes do not pause in step. */
double pp_retry_random(void);

/** Whole seconds of Retry-After as milliseconds; -1 where it has none. */
int64_t pp_retry_after_read(pinpipe_str text);

/** x-amz-retry-after: milliseconds; -1 where it has none. */
int64_t pp_retry_hint_read(pinpipe_str text);

#endif
