/* Turns questions for the cluster's topics into listings, by a thread of its own.
 * Never holds its lock while a broker is asked.
 * Rules: docs/gateway.md, "Topics"; Kafka protocol, Metadata. */
#include "gateway/lookout.h"

#if PINPIPE_WITH_GATEWAY

#include <pthread.h>

#include "base/memory.h"
#include "base/thread.h"
#include "io/clock.h"
#include "io/ready.h"

/* A cluster that answers at all does so in milliseconds. */
#define LISTING_MS 400
#define LISTING_TRIES 5

struct pp_gateway_lookout {
    pinpipe_kafka_admin *admin; /* of the thread while a listing is under way, of the server's else */
    int wake;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t asked, begun, done;
    bool has_come; /* and is looked at */
    bool is_closing;
    pinpipe_status status;
    pinpipe_error error;
};

static bool is_closing(pp_gateway_lookout *lookout) {
    pthread_mutex_lock(&lookout->lock);
    bool is_so = lookout->is_closing;
    pthread_mutex_unlock(&lookout->lock);
    return is_so;
}

/* In several waits, so that the end need not wait for all of them. */
static pinpipe_status listing_ask(pp_gateway_lookout *lookout, pinpipe_error *err) {
    pinpipe_status status = pinpipe_kafka_admin_list(lookout->admin, LISTING_MS, err);
    for (int tries = 1; tries < LISTING_TRIES && pinpipe_status_retriable(status) && !is_closing(lookout);
         tries++) {
        status = pinpipe_kafka_admin_list(lookout->admin, LISTING_MS, err);
    }
    return status;
}

static void *thread_run(void *opaque) {
    pp_gateway_lookout *lookout = opaque;
    pthread_mutex_lock(&lookout->lock);
    while (!lookout->is_closing) {
        if (lookout->has_come || lookout->asked == lookout->done) {
            pp_clock_condition_wait(&lookout->changed, &lookout->lock, INT64_MAX);
            continue;
        }
        int64_t number = lookout->asked;
        pinpipe_error error = PINPIPE_ERROR_INIT;
        lookout->begun = number;
        pthread_mutex_unlock(&lookout->lock);
        pinpipe_status status = listing_ask(lookout, &error);
        pthread_mutex_lock(&lookout->lock);
        lookout->status = status;
        lookout->error = error;
        lookout->done = number;
        lookout->has_come = true;
        pp_wake_put(lookout->wake);
    }
    pthread_mutex_unlock(&lookout->lock);
    return NULL;
}

pinpipe_status pp_gateway_lookout_new(pp_gateway_lookout **out, pinpipe_str brokers,
                                      const pinpipe_kafka_config *settings, int wake, pinpipe_error *err) {
    pp_gateway_lookout *lookout = pp_alloc_zero(sizeof *lookout);
    *out = NULL;
    if (!lookout) {
        return pp_fail_memory(err, "the look-out for topics", sizeof *lookout);
    }
    lookout->wake = wake;
    pinpipe_status status = pinpipe_kafka_admin_new(&lookout->admin, brokers, settings, err);
    if (status < 0) {
        pp_free(lookout);
        return status;
    }
    pthread_mutex_init(&lookout->lock, NULL);
    bool is_open = pp_clock_condition_open(&lookout->changed);
    if (!is_open || !pp_thread_start(&lookout->thread, "pinpipe-topics", thread_run, lookout)) {
        pinpipe_kafka_admin_free(lookout->admin);
        pp_free(lookout);
        return pp_fail(err, PINPIPE_ENOMEM, "the look-out for topics: the system gives no thread");
    }
    *out = lookout;
    return PINPIPE_OK;
}

void pp_gateway_lookout_free(pp_gateway_lookout *lookout) {
    if (!lookout) {
        return;
    }
    pthread_mutex_lock(&lookout->lock);
    lookout->is_closing = true;
    pthread_cond_signal(&lookout->changed);
    pthread_mutex_unlock(&lookout->lock);
    pthread_join(lookout->thread, NULL);
    pthread_cond_destroy(&lookout->changed);
    pthread_mutex_destroy(&lookout->lock);
    pinpipe_kafka_admin_free(lookout->admin);
    pp_free(lookout);
}

int64_t pp_gateway_lookout_ask(pp_gateway_lookout *lookout) {
    pthread_mutex_lock(&lookout->lock);
    /* One that has begun may have missed what exists by now. */
    if (lookout->asked == lookout->begun) {
        lookout->asked++;
        pthread_cond_signal(&lookout->changed);
    }
    int64_t number = lookout->asked;
    pthread_mutex_unlock(&lookout->lock);
    return number;
}

bool pp_gateway_lookout_look(pp_gateway_listing *out, pp_gateway_lookout *lookout) {
    pthread_mutex_lock(&lookout->lock);
    bool has_come = lookout->has_come;
    if (has_come) {
        *out = (pp_gateway_listing){lookout->done, lookout->status, &lookout->error, lookout->admin};
    }
    pthread_mutex_unlock(&lookout->lock);
    return has_come;
}

void pp_gateway_lookout_go_on(pp_gateway_lookout *lookout) {
    pthread_mutex_lock(&lookout->lock);
    lookout->has_come = false;
    pthread_cond_signal(&lookout->changed);
    pthread_mutex_unlock(&lookout->lock);
}

#endif
