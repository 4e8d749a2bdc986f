/* Turns a seed into the course emulator's sequence of draws: a pause, then a row number.
 * Never sleeps, never reads a table: what a draw is used for is the caller's.
 * Rules: docs/emulator.md; the sequence is that of CPython's `random` after `random.seed(seed)`. */
#ifndef PINPIPE_EMULATOR_H
#define PINPIPE_EMULATOR_H

#include "export.h"
#include "status.h"

PINPIPE_BEGIN_DECLS

/** The seed that every emulator of the course sets. */
#define PINPIPE_DRAWS_SEED 100
/** The rows that the course draws from: 0 to 11000. */
#define PINPIPE_DRAWS_ROW_COUNT 11001

/** A sequence of draws; one thread at a time. */
typedef struct pinpipe_draws pinpipe_draws;

/** Zero in a field means: keep the default. */
typedef struct pinpipe_draws_options {
    uint32_t struct_size;
    int32_t reserved;  /* 0 */
    int64_t row_count; /* rows are drawn from 0 to row_count - 1; 0 = PINPIPE_DRAWS_ROW_COUNT */
} pinpipe_draws_options;

#define PINPIPE_DRAWS_OPTIONS_INIT                                                                           \
    { (uint32_t)sizeof(pinpipe_draws_options), 0, 0 }

/** One draw. */
typedef struct pinpipe_draw {
    int64_t pause_s; /* seconds to wait before the row is sent: random.randrange(0, 2) */
    int64_t row;     /* random.randint(0, row_count - 1) */
} pinpipe_draw;

/** Starts the sequence of `seed` at its first draw; a negative seed draws as its magnitude, as in CPython.
 * `options` may be NULL. The handle is the caller's until pinpipe_draws_free.
 * Errors: EINVAL a negative row_count; ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_draws_new(pinpipe_draws **out, int64_t seed,
                                             const pinpipe_draws_options *options,
                                             pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Frees the handle; NULL is allowed. */
PINPIPE_API void pinpipe_draws_free(pinpipe_draws *draws);

/** Returns the next draw; the sequence has no end. */
PINPIPE_API pinpipe_draw pinpipe_draws_next(pinpipe_draws *draws);

/** Passes over `count` draws, so that an emulator goes on where it stopped; about 30 ns a draw. */
PINPIPE_API void pinpipe_draws_skip(pinpipe_draws *draws, int64_t count);

PINPIPE_END_DECLS

#endif
