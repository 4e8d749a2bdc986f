/* Turns time that passes while nobody is in one of a producer's calls into moves of that producer.
 * Never waits with the lock held but for what the owner's own calls wait for.
 * Rules: docs/kinesis.md, "The producer's thread". */
#include "kinesis/loop.h"

#if PINPIPE_WITH_KINESIS

#include "base/log.h"
#include "base/thread.h"
#include "io/clock.h"
#include "io/fork.h"
#include "kinesis/producer.h"

/* How long answers lie while the owner is away, and how soon his absence is noticed. */
#define AWAY_MS 2
#define NEAR_MS 20

pinpipe_status pp_loop_open(pp_loop *loop, pinpipe_error *err) {
    bool is_locked = pthread_mutex_init(&loop->lock, NULL) == 0;
    loop->is_open = is_locked && pp_clock_condition_open(&loop->wake);
    if (is_locked && !loop->is_open) {
        pthread_mutex_destroy(&loop->lock);
    }
    return loop->is_open ? PINPIPE_OK : pp_fail(err, PINPIPE_ENOMEM, "the system has no room for a lock");
}

static bool is_busy(const pinpipe_kinesis_producer *producer) {
    const int64_t *counters = producer->counters;
    return counters[PINPIPE_KINESIS_WRITTEN] >
           counters[PINPIPE_KINESIS_DELIVERED] + counters[PINPIPE_KINESIS_FAILED];
}

/* Who rests longer than a moment is woken by the owner's next call. */
static void rest(pp_loop *loop, int64_t now_ms, int64_t until_ms) {
    until_ms = until_ms > now_ms ? until_ms : now_ms + 1;
    loop->is_idle = until_ms > now_ms + NEAR_MS;
    pp_clock_condition_wait(&loop->wake, &loop->lock, until_ms);
    loop->is_idle = false;
}

/* While the owner calls, he moves everything himself, and the thread only looks for his absence. */
static void *loop_main(void *user) {
    pinpipe_kinesis_producer *producer = user;
    pp_loop *loop = &producer->loop;
    int64_t seen = 0;
    pthread_mutex_lock(&loop->lock);
    while (!loop->is_stopping) {
        bool is_away = seen == loop->calls;
        seen = loop->calls;
        if (is_away && is_busy(producer)) {
            pp_producer_step(producer);
        }
        int64_t now_ms = pp_clock_monotonic_ms(), until_ms = INT64_MAX;
        if (is_busy(producer)) {
            bool is_coming = !is_away || pp_producer_is_under_way(producer);
            int64_t due_ms = pp_producer_due_ms(producer, now_ms);
            until_ms = is_coming ? now_ms + (is_away ? AWAY_MS : NEAR_MS) : INT64_MAX;
            until_ms = due_ms < until_ms ? due_ms : until_ms;
        }
        rest(loop, now_ms, until_ms);
    }
    pthread_mutex_unlock(&loop->lock);
    return NULL;
}

/* A machine without threads to spare is moved by its owner. */
static void thread_begin(pinpipe_kinesis_producer *producer) {
    pp_loop *loop = &producer->loop;
    loop->is_started = pp_thread_start(&loop->thread, "pinpipe-kinesis", loop_main, producer);
    if (!loop->is_started) {
        loop->is_alone = true;
        pp_log(PP_LOG_WARNING, PP_KINESIS_SERVICE, "no thread for a producer; its calls will move it");
    }
}

static bool is_own_process(const pinpipe_kinesis_producer *producer) {
    return producer->fork_generation == pp_fork_generation();
}

bool pp_loop_close(pinpipe_kinesis_producer *producer) {
    pp_loop *loop = &producer->loop;
    if (!loop->is_open || !is_own_process(producer)) {
        return !loop->is_started; /* a child may find the lock held by a thread that it does not have */
    }
    pthread_mutex_lock(&loop->lock);
    loop->is_stopping = true;
    pthread_cond_signal(&loop->wake);
    pthread_mutex_unlock(&loop->lock);
    if (loop->is_started) {
        pthread_join(loop->thread, NULL);
    }
    pthread_cond_destroy(&loop->wake);
    pthread_mutex_destroy(&loop->lock);
    return true;
}

pinpipe_status pp_loop_enter(pinpipe_kinesis_producer *producer, int64_t timeout_ms, pinpipe_error *err) {
    if (!is_own_process(producer)) {
        return pp_fail(err, PINPIPE_EFORK, "this producer was made before a fork; make one in the child");
    }
    if (timeout_ms < 0) {
        return pp_fail(err, PINPIPE_EINVAL, "timeout: %lld ms", (long long)timeout_ms);
    }
    pthread_mutex_lock(&producer->loop.lock);
    producer->loop.calls++;
    return PINPIPE_OK;
}

int64_t pp_loop_read(const pinpipe_kinesis_producer *producer, const int64_t *number) {
    pthread_mutex_t *lock =
        (pthread_mutex_t *)(uintptr_t)&producer->loop.lock; /* it is no part of what is read */
    if (!is_own_process(producer)) {
        return *number;
    }
    pthread_mutex_lock(lock);
    int64_t value = *number;
    pthread_mutex_unlock(lock);
    return value;
}

void pp_loop_leave(pinpipe_kinesis_producer *producer) {
    pp_loop *loop = &producer->loop;
    if (!loop->is_alone && is_busy(producer)) {
        if (!loop->is_started) {
            thread_begin(producer);
        } else if (loop->is_idle) {
            pthread_cond_signal(&loop->wake);
        }
    }
    pthread_mutex_unlock(&loop->lock);
}

#endif
