/* Turns listings of the cluster's topics into topics that requests may name.
 * Never believes in a topic whose last record failed.
 * Rules: docs/gateway.md, "Topics". */
#include "gateway/server.h"

#if PINPIPE_WITH_GATEWAY

#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/answer.h"
#include "gateway/reads.h"
#include "kafka/listing.h"

#define BUCKETS 1024
/* As many as one producer writes to. */
#define TOPICS_MAX 4096

/* FNV-1a */
static size_t bucket_of(pinpipe_str name) {
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < name.len; i++) {
        hash = (hash ^ (unsigned char)name.ptr[i]) * 1099511628211u;
    }
    return (size_t)(hash % BUCKETS);
}

static pp_gateway_topic *topic_of(const pinpipe_gateway *gateway, pinpipe_str name) {
    pp_gateway_topic *topic = gateway->topics ? gateway->topics[bucket_of(name)] : NULL;
    while (topic && !pp_str_equal(pp_buf_view(&topic->name), name)) {
        topic = topic->after;
    }
    return topic;
}

pp_gateway_topic *pp_gateway_topic_find(const pinpipe_gateway *gateway, pinpipe_str name) {
    pp_gateway_topic *topic = topic_of(gateway, name);
    return topic && !topic->is_doubtful ? topic : NULL;
}

static pinpipe_status topic_add(pinpipe_gateway *gateway, pinpipe_str name, pinpipe_error *err) {
    if (gateway->topic_count == TOPICS_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "one gateway writes to at most %d topics", TOPICS_MAX);
    }
    if (!gateway->topics) {
        gateway->topics = pp_alloc_zero(BUCKETS * sizeof(pp_gateway_topic *));
    }
    pp_gateway_topic *topic = gateway->topics ? pp_alloc_zero(sizeof *topic) : NULL;
    if (!topic || pp_buf_append(&topic->name, name.ptr, name.len, err) < 0) {
        pp_free(topic);
        return pp_fail_memory(err, "a topic", sizeof *topic + name.len);
    }
    pp_gateway_topic **bucket = &gateway->topics[bucket_of(name)];
    topic->after = *bucket;
    *bucket = topic;
    gateway->topic_count++;
    return PINPIPE_OK;
}

/* What a listing says of the topic that a request names, or of all. */
static void request_learn(pinpipe_gateway *gateway, pp_gateway_request *request,
                          const pp_gateway_listing *listing) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pinpipe_str name = {request->route.topic, (size_t)request->route.topic_len};
    if (listing->status < 0) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_NO_BROKER, listing->error->message);
        return;
    }
    int64_t at = name.len ? pp_kafka_listed_find(listing->topics, name) : -1;
    if (name.len && at < 0) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_NO_TOPIC, NULL);
        return;
    }
    if (request->route.method != PP_GATEWAY_POST) {
        pp_gateway_read_answer(gateway, request, listing->topics, at);
        return;
    }
    pp_gateway_topic *topic = topic_of(gateway, name);
    if (!topic && topic_add(gateway, name, &cause) < 0) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_BUSY, cause.message);
        return;
    }
    topic = topic ? topic : topic_of(gateway, name);
    topic->is_doubtful = false;
    topic->partition_count = pinpipe_kafka_admin_topic_at(listing->topics, at).partition_count;
}

void pp_gateway_listing_take(pinpipe_gateway *gateway) {
    pp_gateway_listing listing = {0};
    if (!gateway->listing_waits || !pp_gateway_lookout_look(&listing, gateway->lookout)) {
        return;
    }
    pp_gateway_connection *after = NULL;
    for (pp_gateway_connection *at = gateway->places[PP_GATEWAY_WORK].first; at; at = after) {
        pp_gateway_request *request = &at->request;
        after = at->after;
        if (!request->listing || request->listing > listing.number) {
            continue;
        }
        request->listing = 0;
        gateway->listing_waits--;
        request_learn(gateway, request, &listing);
        if (!request->status) {
            pp_gateway_request_work(gateway, at);
        }
        if (request->status) {
            pp_gateway_connection_resume(at);
        }
    }
    pp_gateway_lookout_go_on(gateway->lookout);
}

void pp_gateway_topics_free(pinpipe_gateway *gateway) {
    for (size_t i = 0; gateway->topics && i < BUCKETS; i++) {
        for (pp_gateway_topic *topic = gateway->topics[i], *after = NULL; topic; topic = after) {
            after = topic->after;
            pinpipe_buf_reset(&topic->name);
            pp_free(topic);
        }
    }
    pp_free(gateway->topics);
    gateway->topics = NULL;
}

#endif
