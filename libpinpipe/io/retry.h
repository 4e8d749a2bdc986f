/* Turns the number of a failed attempt into the pause before the next one.
 * Never sleeps and never decides whether there is a next one.
 * Rules: docs/s3.md, "Retries": AWS SDK "standard" mode as revised in 2026 (exponential, full jitter). */
#ifndef PP_IO_RETRY_H
#define PP_IO_RETRY_H

#include <stdint.h>

#include "pinpipe/status.h"

/** Longest pause in milliseconds. */
#define PP_RETRY_PAUSE_MAX_MS 20000

/** Pause after failed attempt `attempt` (from 1): random · min(base · 2^(attempt - 1), 20 s), where the base
 * is 1 s after ETHROTTLED and 50 ms after anything else. `random` is in [0, 1). */
int64_t pp_retry_pause_ms(int32_t attempt, pinpipe_status status, double random);

/** A number in [0, 1) from the kernel's generator, so that forked processes do not pause in step. */
double pp_retry_random(void);

#endif
