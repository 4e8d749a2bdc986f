/* Turns the machine's clocks into numbers.
 * Never formats a time; what is pure takes these numbers as arguments.
 * Rules: POSIX clock_gettime. */
#ifndef PP_IO_CLOCK_H
#define PP_IO_CLOCK_H

#include <stdint.h>

/** Seconds since 1970, UTC. */
int64_t pp_clock_wall_s(void);

/** Milliseconds since 1970, UTC. */
int64_t pp_clock_wall_ms(void);

/** Milliseconds of a clock that is never set back; for deadlines only. */
int64_t pp_clock_monotonic_ms(void);

/** Sleeps that long, signals or not; at once when it is not positive. */
void pp_clock_sleep_ms(int64_t pause_ms);

#endif
