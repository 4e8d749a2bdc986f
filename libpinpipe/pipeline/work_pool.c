/* Turns work into finished work, by threads of its own.
 * Never holds its lock while a work runs.
 * Rules: POSIX threads. */
#include "pipeline/work_pool.h"

#include <pthread.h>

#include "base/memory.h"
#include "base/thread.h"
#include "io/clock.h"

typedef struct work_list {
    pp_work *first, *last;
} work_list;

typedef struct pool_thread {
    pp_work_pool *pool;
    void *worker;
    pthread_t id;
} pool_thread;

struct pp_work_pool {
    pthread_mutex_t lock;
    pthread_cond_t wanted, ended;
    work_list waiting, done;
    bool is_closing;
    int32_t thread_count;
    pool_thread threads[];
};

static void list_put(work_list *list, pp_work *work) {
    work->next = NULL;
    if (list->last) {
        list->last->next = work;
    } else {
        list->first = work;
    }
    list->last = work;
}

static pp_work *list_next(work_list *list) {
    pp_work *work = list->first;
    if (work) {
        list->first = work->next;
        list->last = list->first ? list->last : NULL;
    }
    return work;
}

static void *thread_run(void *opaque) {
    pool_thread *thread = opaque;
    pp_work_pool *pool = thread->pool;
    pthread_mutex_lock(&pool->lock);
    while (!pool->is_closing) {
        pp_work *work = list_next(&pool->waiting);
        if (!work) {
            pthread_cond_wait(&pool->wanted, &pool->lock);
            continue;
        }
        pthread_mutex_unlock(&pool->lock);
        work->run(work, thread->worker);
        pthread_mutex_lock(&pool->lock);
        list_put(&pool->done, work);
        pthread_cond_signal(&pool->ended);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static void conditions_init(pp_work_pool *pool) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->ended, &monotonic);
    pthread_cond_init(&pool->wanted, NULL);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_condattr_destroy(&monotonic);
}

pinpipe_status pp_work_pool_new(pp_work_pool **out, void *const *workers, int32_t worker_count,
                                pinpipe_error *err) {
    size_t size = sizeof(pp_work_pool) + (size_t)worker_count * sizeof(pool_thread);
    pp_work_pool *pool = pp_alloc_zero(size);
    *out = NULL;
    if (!pool) {
        return pp_fail_memory(err, "the upload workers", size);
    }
    conditions_init(pool);
    for (int32_t i = 0; i < worker_count; i++) {
        pool_thread *thread = &pool->threads[i];
        thread->pool = pool;
        thread->worker = workers[i];
        if (!pp_thread_start(&thread->id, "pinpipe-upload", thread_run, thread)) {
            pp_work_pool_free(pool);
            return pp_fail(err, PINPIPE_ENOMEM, "upload worker %ld of %ld: the system gives no thread",
                           (long)i + 1, (long)worker_count);
        }
        pool->thread_count++;
    }
    *out = pool;
    return PINPIPE_OK;
}

void pp_work_pool_stop(pp_work_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    pool->is_closing = true;
    pthread_cond_broadcast(&pool->wanted);
    pthread_mutex_unlock(&pool->lock);
    for (; pool->thread_count > 0; pool->thread_count--) {
        pthread_join(pool->threads[pool->thread_count - 1].id, NULL);
    }
    for (pp_work *work = list_next(&pool->waiting); work; work = list_next(&pool->waiting)) {
        list_put(&pool->done, work);
    }
}

void pp_work_pool_free(pp_work_pool *pool) {
    if (pool) {
        pp_work_pool_stop(pool);
        pthread_cond_destroy(&pool->ended);
        pthread_cond_destroy(&pool->wanted);
        pthread_mutex_destroy(&pool->lock);
        pp_free(pool);
    }
}

void pp_work_pool_put(pp_work_pool *pool, pp_work *work) {
    pthread_mutex_lock(&pool->lock);
    list_put(&pool->waiting, work);
    pthread_cond_signal(&pool->wanted);
    pthread_mutex_unlock(&pool->lock);
}

pp_work *pp_work_pool_take(pp_work_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    pp_work *ended = pool->done.first;
    pool->done = (work_list){NULL, NULL};
    pthread_mutex_unlock(&pool->lock);
    return ended;
}

void pp_work_pool_wait(pp_work_pool *pool, int64_t timeout_ms) {
    int64_t until_ms = pp_clock_monotonic_ms() + (timeout_ms > 0 ? timeout_ms : 0);
    struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
    pthread_mutex_lock(&pool->lock);
    while (!pool->done.first && pthread_cond_timedwait(&pool->ended, &pool->lock, &until) == 0) {
    }
    pthread_mutex_unlock(&pool->lock);
}
