/* Turns work into finished work, by threads of its own.
 * Never runs two works of one thread at once; never knows what the work is.
 * Rules: docs/architecture.md, "Hygiene". */
#ifndef PP_PIPELINE_WORK_POOL_H
#define PP_PIPELINE_WORK_POOL_H

#include <stdbool.h>

#include "base/error.h"

/** The first member of what is to be done. The pool's from put until it is taken. */
typedef struct pp_work {
    struct pp_work *next;
    /** Runs in a thread of the pool; `worker` is that thread's own. */
    void (*run)(struct pp_work *work, void *worker);
} pp_work;

/** Put, take and wait: one thread at a time. */
typedef struct pp_work_pool pp_work_pool;

/** Starts a thread for each of `workers`, which are borrowed until free. Errors: ENOMEM. */
pinpipe_status pp_work_pool_new(pp_work_pool **out, void *const *workers, int32_t worker_count,
                                pinpipe_error *err);

/** Waits for works that run and ends the threads; all works are then to be taken, also those that were not
 * begun. */
void pp_work_pool_stop(pp_work_pool *pool);

/** Stops the pool and frees it; NULL is allowed. */
void pp_work_pool_free(pp_work_pool *pool);

void pp_work_pool_put(pp_work_pool *pool, pp_work *work);

/** The works that have ended since the last call, the earliest first; NULL = none. */
pp_work *pp_work_pool_take(pp_work_pool *pool);

/** Waits until a work has ended, at most so long. */
void pp_work_pool_wait(pp_work_pool *pool, int64_t timeout_ms);

#endif
