/* Turns questions for the cluster's topics into listings, by a thread of its own.
 * Never holds its lock while a broker is asked.
 * Rules: docs/gateway.md, "Topics"; Kafka protocol, Metadata. */
#include "gateway/lookout.h"

#if PINPIPE_WITH_GATEWAY

#include <pthread.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/thread.h"
#include "io/clock.h"
#include "io/ready.h"
#include "kafka/listing.h"

/* A cluster that answers at all does so in milliseconds. */
#define LISTING_MS 400
#define LISTING_TRIES 5
/* Partitions whose ends one listing looks at. */
#define ENDS_MAX 64
#define TOPIC_BYTES_MAX 249

typedef struct ends_row {
    char topic[TOPIC_BYTES_MAX + 1];
    int32_t partition;
    pp_gateway_ends found;
} ends_row;

struct pp_gateway_lookout {
    pinpipe_kafka_admin *admin; /* of the thread while a listing is under way, of the server's else */
    int wake;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t asked, begun, done;
    ends_row wanted[ENDS_MAX]; /* by the next listing */
    int64_t wanted_count;
    ends_row ends[ENDS_MAX]; /* of the listing; the thread's while it is under way */
    int64_t ends_count;
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

/* Of topics that exist: a question for another could create it. */
static void ends_look(pp_gateway_lookout *lookout) {
    for (int64_t i = 0; i < lookout->ends_count; i++) {
        ends_row *row = &lookout->ends[i];
        pp_gateway_ends *found = &row->found;
        int64_t at = pp_kafka_listed_find(lookout->admin, pp_str(row->topic));
        if (at < 0 || row->partition >= pinpipe_kafka_admin_topic_at(lookout->admin, at).partition_count) {
            found->status = pp_fail(&found->error, PINPIPE_ENOTFOUND, "there is no such partition");
        } else {
            found->status =
                pp_kafka_admin_ends(&found->begin, &found->end, lookout->admin, pp_str(row->topic),
                                    row->partition, LISTING_MS, &found->error);
        }
    }
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
        memcpy(lookout->ends, lookout->wanted, (size_t)lookout->wanted_count * sizeof *lookout->ends);
        lookout->ends_count = lookout->wanted_count;
        lookout->wanted_count = 0;
        pthread_mutex_unlock(&lookout->lock);
        pinpipe_status status = listing_ask(lookout, &error);
        if (status == PINPIPE_OK) {
            ends_look(lookout);
        }
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

/* Under the lock. One that has begun may have missed what exists by now. */
static int64_t next_ask(pp_gateway_lookout *lookout) {
    if (lookout->asked == lookout->begun) {
        lookout->asked++;
        pthread_cond_signal(&lookout->changed);
    }
    return lookout->asked;
}

int64_t pp_gateway_lookout_ask(pp_gateway_lookout *lookout) {
    pthread_mutex_lock(&lookout->lock);
    int64_t number = next_ask(lookout);
    pthread_mutex_unlock(&lookout->lock);
    return number;
}

static const ends_row *row_find(const ends_row *rows, int64_t count, pinpipe_str topic, int32_t partition) {
    const ends_row *found = NULL;
    for (int64_t i = 0; i < count && !found; i++) {
        found = rows[i].partition == partition && pp_str_is(topic, rows[i].topic) ? &rows[i] : NULL;
    }
    return found;
}

int64_t pp_gateway_lookout_ends_ask(pp_gateway_lookout *lookout, pinpipe_str topic, int32_t partition) {
    int64_t number = 0;
    pthread_mutex_lock(&lookout->lock);
    bool is_wanted = row_find(lookout->wanted, lookout->wanted_count, topic, partition) != NULL;
    if (!is_wanted && lookout->wanted_count < ENDS_MAX && topic.len <= TOPIC_BYTES_MAX) {
        ends_row *row = &lookout->wanted[lookout->wanted_count++];
        *row = (ends_row){.partition = partition, .found = {.error = PINPIPE_ERROR_INIT}};
        memcpy(row->topic, topic.ptr, topic.len);
        is_wanted = true;
    }
    if (is_wanted) {
        number = next_ask(lookout);
    }
    pthread_mutex_unlock(&lookout->lock);
    return number;
}

pp_gateway_ends pp_gateway_lookout_ends(const pp_gateway_lookout *lookout, pinpipe_str topic,
                                        int32_t partition) {
    const ends_row *row = row_find(lookout->ends, lookout->ends_count, topic, partition);
    return row ? row->found : (pp_gateway_ends){.status = PINPIPE_ENOTFOUND, .error = PINPIPE_ERROR_INIT};
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
