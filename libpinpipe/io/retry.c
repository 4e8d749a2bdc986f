/* Turns the number of a failed attempt into the pause before the next one.
 * Never sleeps and never decides whether there is a next one.
 * Rules: docs/s3.md, "Retries". */
#include "io/retry.h"

#include <sys/random.h>

#define BASE_MS 50
#define BASE_THROTTLED_MS 1000

int64_t pp_retry_pause_ms(int32_t attempt, pinpipe_status status, double random) {
    int64_t pause_ms = status == PINPIPE_ETHROTTLED ? BASE_THROTTLED_MS : BASE_MS;
    for (int32_t i = 1; i < attempt && pause_ms < PP_RETRY_PAUSE_MAX_MS; i++) {
        pause_ms *= 2;
    }
    pause_ms = pause_ms > PP_RETRY_PAUSE_MAX_MS ? PP_RETRY_PAUSE_MAX_MS : pause_ms;
    return (int64_t)(random * (double)pause_ms);
}

double pp_retry_random(void) {
    uint32_t bits = 0;
    if (getrandom(&bits, sizeof bits, 0) != (ssize_t)sizeof bits) {
        return 0.5; /* cannot be for 4 bytes after boot; the middle is a pause too */
    }
    return (double)bits / 4294967296.0;
}
