/* Turns C11's threads, which librdkafka is made of, into POSIX's, which the thread sanitizer knows.
 * Never in another build: glibc's own are as good without the sanitizer, and with it their threads crash.
 * Rules: ISO C11 7.26; gcc 12's sanitizer watches pthread_create, and glibc's thrd_create does not go through
 * it. */
#ifndef PP_TESTS_C11_THREADS_H
#define PP_TESTS_C11_THREADS_H

#ifdef __SANITIZE_THREAD__

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

#define SEEN __attribute__((visibility("default")))

_Static_assert(sizeof(mtx_t) >= sizeof(pthread_mutex_t) && sizeof(cnd_t) >= sizeof(pthread_cond_t),
               "POSIX's locks fit into C11's");

typedef struct c11_start {
    thrd_start_t run;
    void *user;
} c11_start;

static void *c11_main(void *user) {
    c11_start start = *(c11_start *)user;
    free(user);
    return (void *)(intptr_t)start.run(start.user);
}

static int c11_result(int error) {
    return error == 0 ? thrd_success : error == ETIMEDOUT ? thrd_timedout : thrd_error;
}

SEEN int thrd_create(thrd_t *thread, thrd_start_t run, void *user) {
    c11_start *start = malloc(sizeof *start);
    if (!start) {
        return thrd_nomem;
    }
    *start = (c11_start){run, user};
    int error = pthread_create(thread, NULL, c11_main, start);
    if (error) {
        free(start);
    }
    return c11_result(error);
}

SEEN int thrd_join(thrd_t thread, int *result) {
    void *value = NULL;
    int error = pthread_join(thread, &value);
    if (result) {
        *result = (int)(intptr_t)value;
    }
    return c11_result(error);
}

SEEN int mtx_init(mtx_t *lock, int kind) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes,
                              kind & mtx_recursive ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_NORMAL);
    int error = pthread_mutex_init((pthread_mutex_t *)lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return c11_result(error);
}

SEEN int mtx_lock(mtx_t *lock) {
    return c11_result(pthread_mutex_lock((pthread_mutex_t *)lock));
}

SEEN int mtx_unlock(mtx_t *lock) {
    return c11_result(pthread_mutex_unlock((pthread_mutex_t *)lock));
}

SEEN void mtx_destroy(mtx_t *lock) {
    pthread_mutex_destroy((pthread_mutex_t *)lock);
}

SEEN int cnd_init(cnd_t *condition) {
    return c11_result(pthread_cond_init((pthread_cond_t *)condition, NULL));
}

SEEN int cnd_signal(cnd_t *condition) {
    return c11_result(pthread_cond_signal((pthread_cond_t *)condition));
}

SEEN int cnd_broadcast(cnd_t *condition) {
    return c11_result(pthread_cond_broadcast((pthread_cond_t *)condition));
}

SEEN int cnd_wait(cnd_t *condition, mtx_t *lock) {
    return c11_result(pthread_cond_wait((pthread_cond_t *)condition, (pthread_mutex_t *)lock));
}

SEEN int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict lock,
                       const struct timespec *restrict until) {
    return c11_result(pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)lock, until));
}

SEEN void cnd_destroy(cnd_t *condition) {
    pthread_cond_destroy((pthread_cond_t *)condition);
}

#endif

#endif
