/* Turns the dates of answers into the offset between the machine's clock and the service's.
 * Never reads a clock itself: the sample brings both times.
 * Rules: docs/credentials.md, "Clock"; RFC 9110 6.6.1 (a Date is whole seconds). */
#include "io/skew.h"

#define SAMPLE_KEPT_MS 300000 /* a quick answer of long ago gives way to a slower one of now */
#define HALF_SECOND_MS INT64_C(500)

static int64_t distance(int64_t a, int64_t b) {
    return a > b ? a - b : b - a;
}

void pp_skew_learn(pp_skew *skew, const pp_skew_sample *sample) {
    if (sample->date_s <= 0 || sample->rtt_ms < 0) {
        return;
    }
    /* Written somewhere between request and answer, and up to a second before the second was over. */
    int64_t offset_ms = sample->date_s * 1000 + HALF_SECOND_MS - (sample->wall_ms - sample->rtt_ms / 2);
    if (!sample->trusted && distance(offset_ms, 0) > PP_SKEW_PLAIN_MAX_MS) {
        return;
    }
    int64_t told_ms = atomic_load(&skew->told_ms);
    bool old = told_ms == 0 || sample->monotonic_ms - told_ms > SAMPLE_KEPT_MS;
    bool quicker = sample->rtt_ms <= atomic_load(&skew->rtt_ms);
    /* Beyond what both answers' ways explain: a clock was set. */
    int64_t doubt_ms = sample->rtt_ms + atomic_load(&skew->rtt_ms) + 2 * HALF_SECOND_MS;
    bool moved = distance(offset_ms, atomic_load(&skew->offset_ms)) > doubt_ms;
    if (old || quicker || moved) {
        atomic_store(&skew->offset_ms, offset_ms);
        atomic_store(&skew->rtt_ms, sample->rtt_ms);
        atomic_store(&skew->told_ms, sample->monotonic_ms > 0 ? sample->monotonic_ms : 1);
    }
}

int64_t pp_skew_offset_ms(pp_skew *skew) {
    int64_t offset_ms = atomic_load(&skew->offset_ms);
    return atomic_load(&skew->forced) || distance(offset_ms, 0) > PP_SKEW_KEPT_MS ? offset_ms : 0;
}

bool pp_skew_explains(pp_skew *skew, int64_t applied_ms) {
    int64_t offset_ms = atomic_load(&skew->offset_ms);
    if (atomic_load(&skew->told_ms) == 0 || distance(offset_ms, applied_ms) <= 2 * HALF_SECOND_MS) {
        return false;
    }
    atomic_store(&skew->forced, true);
    return true;
}
