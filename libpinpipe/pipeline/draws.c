/* Turns a seed into the course emulator's sequence of draws.
 * Never sleeps and never looks at a table.
 * Rules: docs/emulator.md: first the pause (2 values), then the row, both from one generator. */
#include "pinpipe/emulator.h"

#include <assert.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/mt19937.h"

#define PAUSE_VALUES 2

struct pinpipe_draws {
    pp_mt19937 generator;
    int64_t row_count;
};

pinpipe_status pinpipe_draws_new(pinpipe_draws **out, int64_t seed, const pinpipe_draws_options *options,
                                 pinpipe_error *err) {
    *out = NULL;
    int64_t row_count = PINPIPE_DRAWS_ROW_COUNT;
    if (options && options->struct_size >= sizeof *options && options->row_count) {
        row_count = options->row_count;
    }
    if (row_count < 1) {
        return pp_fail(err, PINPIPE_EINVAL, "row_count %lld: rows are drawn from at least 1",
                       (long long)row_count);
    }
    pinpipe_draws *draws = pp_alloc_zero(sizeof *draws);
    if (!draws) {
        return pp_fail_memory(err, "a sequence of draws", sizeof *draws);
    }
    pp_mt19937_init(&draws->generator, seed);
    draws->row_count = row_count;
    *out = draws;
    return PINPIPE_OK;
}

void pinpipe_draws_free(pinpipe_draws *draws) {
    pp_free(draws);
}

pinpipe_draw pinpipe_draws_next(pinpipe_draws *draws) {
    assert(draws);
    pinpipe_draw draw = {0};
    draw.pause_s = pp_mt19937_below(&draws->generator, PAUSE_VALUES);
    draw.row = pp_mt19937_below(&draws->generator, draws->row_count);
    return draw;
}

void pinpipe_draws_skip(pinpipe_draws *draws, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        pinpipe_draws_next(draws);
    }
}
