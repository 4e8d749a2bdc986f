/* Turns the machine's clocks into numbers.
 * Never formats a time; what is pure takes these numbers as arguments.
 * Rules: POSIX clock_gettime. */
#ifndef PP_IO_CLOCK_H
#define PP_IO_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/** Seconds since 1970, UTC. */
int64_t pp_clock_wall_s(void);

/** Milliseconds since 1970, UTC. */
int64_t pp_clock_wall_ms(void);

/** Milliseconds of a clock that is never set back; for deadlines only. */
int64_t pp_clock_monotonic_ms(void);

/** Sleeps that long, signals or not; at once when it is not positive. */
void pp_clock_sleep_ms(int64_t pause_ms);

/** A condition whose waits follow the clock that is never set back; false = the system has no room for it. */
bool pp_clock_condition_open(pthread_cond_t *changed);

/** Waits for the condition, at most to `until_ms`; INT64_MAX = for ever. */
void pp_clock_condition_wait(pthread_cond_t *changed, pthread_mutex_t *lock, int64_t until_ms);

#endif
