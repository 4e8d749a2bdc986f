/* Turns time that passes while nobody is in one of a producer's calls into moves of that producer.
 * Never calls into Python, and never moves what another thread moves: there is one lock.
 * Rules: docs/kinesis.md, "The producer's thread"; docs/architecture.md, "Hygiene". */
#ifndef PP_KINESIS_LOOP_H
#define PP_KINESIS_LOOP_H

#include <pthread.h>

#include "base/error.h"

struct pinpipe_kinesis_producer;

/** The lock of a producer, and the thread that moves it while its owner is away. */
typedef struct pp_loop {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    int64_t calls; /* of the owner's */
    bool is_open, is_started, is_idle, is_stopping;
    bool is_alone; /* the owner moves everything: its key comes from a function that wants his thread */
} pp_loop;

/** Errors: ENOMEM, of the system. */
pinpipe_status pp_loop_open(pp_loop *loop, pinpipe_error *err);

/** Ends the thread, which may be in a call of its own for as long as the producer's calls are. False in a
 * forked child whose parent has one: what that was at work on is left as it is. */
bool pp_loop_close(struct pinpipe_kinesis_producer *producer);

/** Begins a call of the owner's. Errors: EFORK; EINVAL a negative `timeout_ms`; then there is no end. */
pinpipe_status pp_loop_enter(struct pinpipe_kinesis_producer *producer, int64_t timeout_ms,
                             pinpipe_error *err);

/** One number that the lock is over. */
int64_t pp_loop_read(const struct pinpipe_kinesis_producer *producer, const int64_t *number);

/** Ends it: what is left to do is the thread's, until the owner comes again. */
void pp_loop_leave(struct pinpipe_kinesis_producer *producer);

#endif
