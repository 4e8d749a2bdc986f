/* Turns a request whose body has come into an answer, or into what it waits for.
 * Never waits itself.
 * Rules: docs/gateway.md, "Paths"; Confluent REST Proxy API Reference, "API v2". */
#include "gateway/server.h"

#if PINPIPE_WITH_GATEWAY

#include "base/buffer.h"
#include "gateway/answer.h"
#include "gateway/consumers.h"
#include "gateway/page.h"
#include "gateway/produce.h"
#include "gateway/streams.h"

static void listing_await(pinpipe_gateway *gateway, pp_gateway_request *request) {
    const pp_gateway_route *route = &request->route;
    pinpipe_str topic = {route->topic, (size_t)route->topic_len};
    if (route->resource == PP_GATEWAY_OFFSETS && route->partition > INT32_MAX) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_NO_PARTITION, NULL);
        return;
    }
    request->listing = route->resource == PP_GATEWAY_OFFSETS
                           ? pp_gateway_lookout_ends_ask(gateway->lookout, topic, (int32_t)route->partition)
                           : pp_gateway_lookout_ask(gateway->lookout);
    if (!request->listing) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_BUSY, "too many partitions are asked for");
        return;
    }
    gateway->listing_waits++;
}

static void records_work(pinpipe_gateway *gateway, pp_gateway_connection *connection) {
    pp_gateway_request *request = &connection->request;
    pinpipe_str name = {request->route.topic, (size_t)request->route.topic_len};
    pp_gateway_topic *topic = pp_gateway_topic_find(gateway, name);
    if (topic) {
        pp_gateway_produce(gateway, connection, topic);
    } else {
        listing_await(gateway, request);
    }
}

/* Prometheus' text format. */
static void metrics_work(const pinpipe_gateway *gateway, pp_gateway_request *request) {
    pinpipe_status status = PINPIPE_OK;
    pp_buf_clear(&request->answer);
    for (int32_t i = 0; i < PINPIPE_GATEWAY_COUNTER_COUNT && status == PINPIPE_OK; i++) {
        const char *name = pinpipe_gateway_counter_name(i);
        status =
            pp_buf_printf(&request->answer, NULL,
                          "# HELP pinpipe_gateway_%s_total %s\n# TYPE pinpipe_gateway_%s_total counter\n"
                          "pinpipe_gateway_%s_total %lld\n",
                          name, pinpipe_gateway_counter_text(i), name, name, (long long)gateway->counters[i]);
    }
    pp_gateway_answer(request, PP_GATEWAY_TYPE_TEXT);
}

static void health_work(const pinpipe_gateway *gateway, pp_gateway_request *request) {
    pp_buf_clear(&request->answer);
    if (gateway->is_draining) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_BUSY, "the gateway is ending");
        return;
    }
    pinpipe_status status = pp_buf_append_text(&request->answer, "{\"status\":\"ok\"}", NULL);
    (void)status; /* an answer without a body says the same */
    pp_gateway_answer(request, PP_GATEWAY_TYPE_JSON);
}

static void page_work(pp_gateway_request *request) {
    pp_buf_clear(&request->answer);
    if (pp_buf_append_text(&request->answer, pp_gateway_page, NULL) < 0) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_BUSY, "there is no memory for the page");
    } else {
        pp_gateway_answer(request, PP_GATEWAY_TYPE_HTML);
    }
}

void pp_gateway_request_work(pinpipe_gateway *gateway, pp_gateway_connection *connection) {
    pp_gateway_request *request = &connection->request;
    bool names_topic =
        request->route.resource >= PP_GATEWAY_TOPIC && request->route.resource <= PP_GATEWAY_RECORDS;
    if (names_topic && !request->route.topic_len) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_NO_TOPIC, NULL);
        return;
    }
    switch (request->route.resource) {
    case PP_GATEWAY_METRICS:
        metrics_work(gateway, request);
        break;
    case PP_GATEWAY_HEALTH:
        health_work(gateway, request);
        break;
    case PP_GATEWAY_PAGE:
        page_work(request);
        break;
    case PP_GATEWAY_STREAMS:
        pp_gateway_stream_work(gateway, connection);
        break;
    case PP_GATEWAY_CONSUMERS:
        pp_gateway_consumer_work(gateway, connection);
        break;
    default:
        if (request->route.method == PP_GATEWAY_POST) {
            records_work(gateway, connection);
        } else {
            listing_await(gateway, request);
        }
        break;
    }
}

#endif
