/* Turns the machine's clocks into numbers.
 * Never formats a time.
 * Rules: POSIX clock_gettime, clock_nanosleep. */
#include "io/clock.h"

#include <errno.h>
#include <time.h>

int64_t pp_clock_wall_s(void) {
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec;
}

int64_t pp_clock_wall_ms(void) {
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t pp_clock_monotonic_ms(void) {
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void pp_clock_sleep_ms(int64_t pause_ms) {
    if (pause_ms <= 0) {
        return;
    }
    int64_t end_ms = pp_clock_monotonic_ms() + pause_ms;
    struct timespec end = {(time_t)(end_ms / 1000), (long)(end_ms % 1000 * 1000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR) {
    }
}
