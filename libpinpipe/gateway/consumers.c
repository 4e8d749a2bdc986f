/* Turns requests on consumers into orders for threads that have one consumer each, and what they say into
 * answers. Never waits for a broker, and never lets more instances or orders be than it was told.
 * Rules: docs/gateway.md, "Consumers"; Confluent REST Proxy API Reference, "API v2", "Consumers". */
#include "gateway/consumers.h"

#if PINPIPE_WITH_GATEWAY

#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/thread.h"
#include "gateway/consumer.h"
#include "io/clock.h"
#include "io/ready.h"
#include "kafka/config.h"
#include "text/json_string.h"
#include "text/number.h"

/* Of one instance that wait. */
#define ORDERS_MAX 4
#define LOOK_MS 1000

/* ---- beginning and end ---- */

pinpipe_status pp_gateway_consumers_open(pinpipe_gateway *gateway, pinpipe_error *err) {
    pinpipe_str brokers = gateway->options.brokers;
    pp_gateway_consumers *consumers = pp_alloc_zero(sizeof *consumers);
    if (!consumers) {
        return pp_fail_memory(err, "the consumers", sizeof *consumers);
    }
    consumers->look_ms = INT64_MAX;
    gateway->consumers = consumers;
    pinpipe_status status = pp_buf_append(&consumers->brokers, brokers.ptr, brokers.len, err);
    if (status == PINPIPE_OK) {
        status = pinpipe_kafka_config_new(&consumers->settings, err);
    }
    return status == PINPIPE_OK ? pp_kafka_config_copy(consumers->settings, gateway->options.settings, err)
                                : status;
}

static void order_free(pp_gateway_order *order) {
    pinpipe_buf_reset(&order->body);
    pinpipe_buf_reset(&order->reply.answer);
    pp_free(order);
}

static void orders_free(pp_gateway_order *first) {
    for (pp_gateway_order *order = first, *after = NULL; order; order = after) {
        after = order->after;
        order_free(order);
    }
}

/* Its thread has ended, or never began. */
static void instance_free(pp_gateway_instance *instance) {
    orders_free(instance->first);
    orders_free(instance->done);
    pinpipe_kafka_config_free(instance->settings);
    pinpipe_buf_reset(&instance->group);
    pinpipe_buf_reset(&instance->name);
    pinpipe_buf_reset(&instance->topics);
    pinpipe_buf_reset(&instance->scratch);
    pp_free(instance->places);
    pp_free(instance);
}

static void instance_close(pp_gateway_instance *instance) {
    instance->is_leaving = true;
    pthread_mutex_lock(&instance->lock);
    instance->is_closing = true;
    pthread_cond_signal(&instance->changed);
    pthread_mutex_unlock(&instance->lock);
}

static void instance_join(pp_gateway_instance *instance) {
    pthread_join(instance->thread, NULL);
    pthread_cond_destroy(&instance->changed);
    pthread_mutex_destroy(&instance->lock);
    instance_free(instance);
}

void pp_gateway_consumers_free(pp_gateway_consumers *consumers) {
    if (!consumers) {
        return;
    }
    for (pp_gateway_instance *at = consumers->first; at; at = at->after) {
        instance_close(at);
    }
    for (pp_gateway_instance *at = consumers->first, *after = NULL; at; at = after) {
        after = at->after;
        instance_join(at);
    }
    pinpipe_kafka_config_free(consumers->settings);
    pinpipe_buf_reset(&consumers->brokers);
    pp_free(consumers);
}

/* ---- an instance's thread ---- */

static void order_done(pp_gateway_instance *instance, pp_gateway_order *order) {
    pthread_mutex_lock(&instance->lock);
    order->after = instance->done;
    instance->done = order;
    instance->order_count--;
    pthread_mutex_unlock(&instance->lock);
    atomic_fetch_add(&instance->consumers->done_count, 1);
    pp_wake_put(instance->wake);
}

static pp_gateway_order *order_next(pp_gateway_instance *instance) {
    pthread_mutex_lock(&instance->lock);
    while (!instance->first && !instance->is_closing) {
        pp_clock_condition_wait(&instance->changed, &instance->lock, INT64_MAX);
    }
    pp_gateway_order *order = instance->first;
    if (order) {
        instance->first = order->after;
    }
    pthread_mutex_unlock(&instance->lock);
    return order;
}

static void *instance_run(void *opaque) {
    pp_gateway_instance *instance = opaque;
    for (pp_gateway_order *order = order_next(instance); order; order = order_next(instance)) {
        pp_gateway_order_do(instance, order);
        order_done(instance, order);
    }
    pp_gateway_instance_leave(instance);
    pthread_mutex_lock(&instance->lock);
    instance->has_ended = true;
    pthread_mutex_unlock(&instance->lock);
    atomic_fetch_add(&instance->consumers->done_count, 1);
    pp_wake_put(instance->wake);
    return NULL;
}

static bool thread_begin(pp_gateway_instance *instance) {
    pthread_mutex_init(&instance->lock, NULL);
    if (!pp_clock_condition_open(&instance->changed)) {
        pthread_mutex_destroy(&instance->lock);
        return false;
    }
    if (!pp_thread_start(&instance->thread, "pinpipe-group", instance_run, instance)) {
        pthread_cond_destroy(&instance->changed);
        pthread_mutex_destroy(&instance->lock);
        return false;
    }
    return true;
}

/* ---- orders ---- */

static pp_gateway_instance *instance_find(const pp_gateway_consumers *consumers, pinpipe_str group,
                                          pinpipe_str name) {
    pp_gateway_instance *at = consumers->first;
    while (at && (at->is_leaving || !pp_str_equal(pp_buf_view(&at->name), name) ||
                  !pp_str_equal(pp_buf_view(&at->group), group))) {
        at = at->after;
    }
    return at;
}

static int64_t query_number(struct MHD_Connection *handle, const char *name) {
    const char *text = MHD_lookup_connection_value(handle, MHD_GET_ARGUMENT_KIND, name);
    int64_t number = -1;
    return text && pp_number_i64(&number, pp_str(text)) == PP_NUMBER_OK ? number : -1;
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static void order_fill(pp_gateway_order *order, const pinpipe_gateway *gateway,
                       const pp_gateway_instance *instance, const pp_gateway_connection *connection) {
    int64_t asked_ms = query_number(connection->handle, "timeout");
    int64_t asked_bytes = query_number(connection->handle, "max_bytes");
    /* An answer that comes too late for its request would lose records. */
    order->until_ms = gateway->now_ms + gateway->options.answer_timeout_ms / 4 * 3;
    order->wait_ms = asked_ms > 0 ? least(asked_ms, instance->wait_ms) : instance->wait_ms;
    order->bytes_max = asked_bytes > 0 ? least(asked_bytes, gateway->options.body_max_bytes)
                                       : gateway->options.body_max_bytes;
}

static void order_put(const pinpipe_gateway *gateway, pp_gateway_instance *instance,
                      pp_gateway_connection *connection, pp_gateway_consumer_action action) {
    pp_gateway_request *request = &connection->request;
    pp_gateway_order *order = pp_alloc_zero(sizeof *order);
    if (!order) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_BUSY, "there is no memory for the request");
        return;
    }
    order->connection = connection;
    order->action = action;
    order_fill(order, gateway, instance, connection);
    pthread_mutex_lock(&instance->lock);
    bool is_room = instance->order_count < ORDERS_MAX;
    if (is_room) {
        order->body = request->body;
        request->body = (pinpipe_buf)PINPIPE_BUF_INIT;
        request->order = order;
        if (instance->first) {
            instance->last->after = order;
        } else {
            instance->first = order;
        }
        instance->last = order;
        instance->order_count++;
        pthread_cond_signal(&instance->changed);
    }
    pthread_mutex_unlock(&instance->lock);
    if (!is_room) {
        order_free(order);
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_BUSY, "requests of this consumer instance wait already");
    }
}

void pp_gateway_order_drop(pp_gateway_request *request) {
    if (request->order) {
        atomic_store(&request->order->is_given_up, true);
        request->order->connection = NULL;
        request->order = NULL;
    }
}

/* ---- new instances ---- */

static bool is_written(pp_gateway_request *request, pinpipe_status status) {
    if (status < 0) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_BUSY, "there is no memory for the answer");
    }
    return status == PINPIPE_OK;
}

/* The address by which the client came leads to this instance. */
static void created_answer(const pinpipe_gateway *gateway, pp_gateway_connection *connection,
                           const pp_gateway_instance *instance) {
    pp_gateway_request *request = &connection->request;
    const char *host = MHD_lookup_connection_value(connection->handle, MHD_HEADER_KIND, "Host");
    pinpipe_str group = request->route.group, stage = request->route.stage;
    pinpipe_buf text = PINPIPE_BUF_INIT;
    pinpipe_status status = pp_buf_printf(
        &text, NULL, "%s://%s%s%.*s/consumers/%.*s/instances/%s", gateway->tls_key.len ? "https" : "http",
        host ? host : gateway->address.ptr, stage.len ? "/" : "", (int)stage.len, stage.len ? stage.ptr : "",
        (int)group.len, group.ptr, instance->name.ptr);
    pp_buf_clear(&request->answer);
    if (status == PINPIPE_OK) {
        status = pp_buf_printf(&request->answer, NULL, "{\"instance_id\":\"%s\",\"base_uri\":\"",
                               instance->name.ptr);
    }
    if (status == PINPIPE_OK) {
        status = pp_gateway_text_append(&request->answer, text.ptr);
    }
    if (status == PINPIPE_OK) {
        status = pp_buf_append_text(&request->answer, "\"}", NULL);
    }
    if (is_written(request, status)) {
        pp_gateway_answer(request, PP_GATEWAY_TYPE_V2);
    }
    pinpipe_buf_reset(&text);
}

/* A name that nobody has: of this gateway, and in this process, never again. */
static pinpipe_status name_make(pinpipe_buf *out, const pinpipe_gateway *gateway, pinpipe_error *err) {
    const char *port = strrchr(gateway->address.ptr, ':');
    return pp_buf_printf(out, err, "rest-consumer-%s-%llx-%lld", port ? port + 1 : "",
                         (unsigned long long)gateway->now_ms, (long long)++gateway->consumers->made);
}

static bool instance_begin(pinpipe_gateway *gateway, pp_gateway_instance *instance,
                           pp_gateway_request *request) {
    pp_gateway_consumers *consumers = gateway->consumers;
    if (instance_find(consumers, pp_buf_view(&instance->group), pp_buf_view(&instance->name))) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_INSTANCE_EXISTS, NULL);
        return false;
    }
    instance->consumers = consumers;
    instance->wake = gateway->wake;
    instance->used_ms = gateway->now_ms;
    if (pp_kafka_config_copy(instance->settings, consumers->settings, NULL) < 0 || !thread_begin(instance)) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_BUSY, "the system gives no thread for an instance");
        return false;
    }
    instance->after = consumers->first;
    consumers->first = instance;
    consumers->count++;
    consumers->look_ms = least(consumers->look_ms, gateway->now_ms + LOOK_MS);
    return true;
}

static void instance_create(pinpipe_gateway *gateway, pp_gateway_connection *connection, pinpipe_str group) {
    pp_gateway_request *request = &connection->request;
    if (gateway->consumers->count >= gateway->options.consumers_max) {
        pp_gateway_refuse_for(request, PP_GATEWAY_ERROR_BUSY, "this gateway has %lld consumer instances",
                              (long long)gateway->consumers->count);
        return;
    }
    pp_gateway_instance *instance = pp_alloc_zero(sizeof *instance);
    bool is_made = instance && pinpipe_kafka_config_new(&instance->settings, NULL) == PINPIPE_OK &&
                   pp_buf_append(&instance->group, group.ptr, group.len, NULL) == PINPIPE_OK;
    if (!is_made) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_BUSY, "there is no memory for an instance");
    }
    bool is_begun = is_made && pp_gateway_instance_configure(instance, &instance->name, request) &&
                    (instance->name.len || is_written(request, name_make(&instance->name, gateway, NULL))) &&
                    instance_begin(gateway, instance, request);
    if (is_begun) {
        created_answer(gateway, connection, instance);
    } else if (instance) {
        instance_free(instance);
    }
}

/* ---- requests ---- */

/* What the body and the answer may be; true = the request is refused. */
static bool is_refused(pp_gateway_request *request, struct MHD_Connection *handle,
                       const pp_gateway_instance *instance, pp_gateway_consumer_action action) {
    const char *type = MHD_lookup_connection_value(handle, MHD_HEADER_KIND, "Content-Type");
    const char *accept = MHD_lookup_connection_value(handle, MHD_HEADER_KIND, "Accept");
    pp_gateway_format wanted = pp_gateway_accepted(pp_str(accept ? accept : ""));
    pp_gateway_format sent = pp_gateway_format_of(pp_str(type ? type : ""));
    bool is_foreign = sent == PP_GATEWAY_OTHER_FORMAT || sent == PP_GATEWAY_LINES;
    if (request->body.len && is_foreign) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_NO_FORMAT, NULL);
    } else if (request->body.len > PP_GATEWAY_ORDER_BYTES_MAX) {
        pp_gateway_refuse_for(request, PP_GATEWAY_ERROR_TOO_LARGE,
                              "a request on a consumer has at most %lld bytes",
                              (long long)PP_GATEWAY_ORDER_BYTES_MAX);
    } else if (wanted == PP_GATEWAY_OTHER_FORMAT) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_NOT_ACCEPTABLE, NULL);
    } else if (action == PP_GATEWAY_CONSUMER_READ && wanted != PP_GATEWAY_NO_FORMAT &&
               wanted != instance->format) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_OTHER_FORMAT, NULL);
    }
    return request->status != 0;
}

void pp_gateway_consumer_work(pinpipe_gateway *gateway, pp_gateway_connection *connection) {
    pp_gateway_request *request = &connection->request;
    char group[PP_GATEWAY_NAME_BYTES_MAX], name[PP_GATEWAY_NAME_BYTES_MAX];
    pp_gateway_consumer_action action = (pp_gateway_consumer_action)pp_gateway_route_row(&request->route);
    pinpipe_str in = {group, (size_t)pp_gateway_name_read(group, request->route.group, sizeof group)};
    pinpipe_str of = {name, (size_t)pp_gateway_name_read(name, request->route.instance, sizeof name)};
    if (action == PP_GATEWAY_CONSUMER_CREATE) {
        if (!in.len) {
            pp_gateway_refuse(request, PP_GATEWAY_ERROR_BAD_FIELD,
                              "a group's name has 1 to 255 letters, digits, '.', '_' and '-'");
        } else if (!is_refused(request, connection->handle, NULL, action)) {
            instance_create(gateway, connection, in);
        }
        return;
    }
    pp_gateway_instance *instance = instance_find(gateway->consumers, in, of);
    if (!instance) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_NO_INSTANCE, NULL);
        return;
    }
    instance->used_ms = gateway->now_ms;
    if (is_refused(request, connection->handle, instance, action)) {
        return;
    }
    order_put(gateway, instance, connection, action);
    if (request->order && action == PP_GATEWAY_CONSUMER_CLOSE) {
        instance_close(instance);
    }
}

/* ---- answers ---- */

static void order_answer(pp_gateway_order *order) {
    pp_gateway_connection *connection = order->connection;
    if (connection) {
        pp_gateway_request *request = &connection->request;
        pinpipe_buf answer = request->answer;
        request->answer = order->reply.answer;
        order->reply.answer = answer;
        request->status = order->reply.status;
        request->content_type = order->reply.content_type;
        request->retry_after_s = order->reply.retry_after_s;
        request->order = NULL;
        pp_gateway_connection_resume(connection);
    }
    order_free(order);
}

/* True where its thread has ended. */
static bool instance_look(const pinpipe_gateway *gateway, pp_gateway_instance *instance) {
    pthread_mutex_lock(&instance->lock);
    pp_gateway_order *order = instance->done;
    instance->done = NULL;
    bool has_ended = instance->has_ended;
    bool is_busy = instance->order_count > 0;
    pthread_mutex_unlock(&instance->lock);
    for (pp_gateway_order *after = NULL; order; order = after) {
        after = order->after;
        order_answer(order);
        instance->used_ms = gateway->now_ms;
    }
    bool is_old = gateway->now_ms - instance->used_ms >= gateway->options.consumer_timeout_ms;
    if (is_old && !is_busy && !instance->is_leaving) {
        instance_close(instance);
    }
    return has_ended;
}

void pp_gateway_consumers_move(pinpipe_gateway *gateway) {
    pp_gateway_consumers *consumers = gateway->consumers;
    if (!consumers ||
        (atomic_exchange(&consumers->done_count, 0) == 0 && consumers->look_ms > gateway->now_ms)) {
        return;
    }
    for (pp_gateway_instance **at = &consumers->first; *at;) {
        pp_gateway_instance *instance = *at;
        if (instance_look(gateway, instance)) {
            *at = instance->after;
            consumers->count--;
            instance_join(instance);
        } else {
            at = &instance->after;
        }
    }
    consumers->look_ms = consumers->first ? gateway->now_ms + LOOK_MS : INT64_MAX;
}

int64_t pp_gateway_consumers_due(const pinpipe_gateway *gateway) {
    return gateway->consumers ? gateway->consumers->look_ms : INT64_MAX;
}

#endif
