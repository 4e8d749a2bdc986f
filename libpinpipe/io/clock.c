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

bool pp_clock_condition_open(pthread_cond_t *changed) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    bool is_open = pthread_cond_init(changed, &monotonic) == 0;
    pthread_condattr_destroy(&monotonic);
    return is_open;
}

void pp_clock_condition_wait(pthread_cond_t *changed, pthread_mutex_t *lock, int64_t until_ms) {
    struct timespec until = {(time_t)(until_ms / 1000), (long)(until_ms % 1000 * 1000000)};
    if (until_ms == INT64_MAX) {
        pthread_cond_wait(changed, lock);
    } else {
        pthread_cond_timedwait(changed, lock, &until);
    }
}
