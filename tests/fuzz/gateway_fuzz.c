/* Turns any bytes into a request's path and body, and those into records that wait to be written.
 * Never takes a part of a request, a path that is not what it names, or a value that is not JSON where it
 * should be. Rules: docs/gateway.md; the first byte chooses the format, the path ends with a newline. */
#include "fuzz.h"

#include "pinpipe/gateway.h"

#if PINPIPE_WITH_GATEWAY

#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/batch.h"
#include "gateway/produce.h"
#include "text/json_value.h"

#define PARTITIONS 8
#define RECORDS_MAX 64

static void route_check(pp_gateway_route *route, pinpipe_str path) {
    pp_gateway_route again, staged;
    pinpipe_buf longer = PINPIPE_BUF_INIT;
    pp_gateway_route_read(route, path, pp_str(""));
    REQUIRE(route->topic_len >= 0 && route->topic_len <= PP_GATEWAY_TOPIC_BYTES_MAX);
    REQUIRE(route->partition >= -1);
    REQUIRE((route->partition >= 0) ==
            (route->resource == PP_GATEWAY_PARTITION || route->resource == PP_GATEWAY_OFFSETS));
    for (int64_t i = 0; i < route->topic_len; i++) {
        REQUIRE(strchr("._-", route->topic[i]) || (route->topic[i] | 32) >= 'a' || route->topic[i] <= '9');
    }
    pp_gateway_route_read(&again, path, pp_str("none"));
    /* What has no stage is the same behind one. */
    if (again.resource != PP_GATEWAY_NOTHING && strncmp(path.ptr, "/none", 5) != 0) {
        REQUIRE(pp_buf_append_text(&longer, "/none", NULL) == PINPIPE_OK);
        REQUIRE(pp_buf_append(&longer, path.ptr, path.len, NULL) == PINPIPE_OK);
        pp_gateway_route_read(&staged, pp_buf_view(&longer), pp_str("some,none"));
        REQUIRE(staged.resource == again.resource && staged.partition == again.partition);
        REQUIRE(staged.topic_len == again.topic_len);
        REQUIRE(!memcmp(staged.topic, again.topic, (size_t)again.topic_len));
    }
    pinpipe_buf_reset(&longer);
}

static void column_check(const pp_gateway_column *column, int64_t count, pp_gateway_format format) {
    for (int64_t i = 0; i < count; i++) {
        int64_t from = column->offsets[i], to = column->offsets[i + 1];
        bool is_null = !(column->validity[i >> 3] & 1u << (i & 7));
        REQUIRE(0 <= from && from <= to && to <= (int64_t)column->data.len);
        if (is_null) {
            REQUIRE(from == to);
        } else if (format == PP_GATEWAY_JSON || format == PP_GATEWAY_LINES) {
            pinpipe_buf value = PINPIPE_BUF_INIT;
            REQUIRE(pp_buf_append(&value, column->data.ptr + from, (size_t)(to - from), NULL) == PINPIPE_OK);
            REQUIRE(pp_json_pad(&value, NULL) == PINPIPE_OK);
            REQUIRE(pp_json_value_check(pp_buf_view(&value), "a value", NULL) == PINPIPE_OK);
            pinpipe_buf_reset(&value);
        }
    }
}

static void body_check(const pp_gateway_route *route, pinpipe_str body) {
    pinpipe_gateway *gateway = pp_alloc_zero(sizeof *gateway);
    pp_gateway_topic topic = {.partition_count = PARTITIONS};
    pp_gateway_connection connection = {.gateway = gateway, .request.route = *route};
    pp_gateway_request *request = &connection.request;
    REQUIRE(gateway && pp_buf_append(&request->body, body.ptr, body.len, NULL) == PINPIPE_OK);
    gateway->options.records_max = RECORDS_MAX;
    pp_gateway_produce(gateway, &connection, &topic);
    pp_gateway_batch *batch = topic.gathering;
    if (request->status) {
        REQUIRE(request->status >= 400 && request->status < 500 && request->answer.len);
        REQUIRE(!batch || (!batch->first && batch->count == 0));
        REQUIRE(gateway->counters[PINPIPE_GATEWAY_RECORDS] == 0);
        REQUIRE(pp_json_pad(&request->answer, NULL) == PINPIPE_OK);
        REQUIRE(pp_json_value_check(pp_buf_view(&request->answer), "an answer", NULL) == PINPIPE_OK);
    } else {
        REQUIRE(batch && batch->first == &connection && request->batch == batch);
        REQUIRE(request->first == 0 && request->count == batch->count);
        REQUIRE(batch->count > 0 && batch->count <= RECORDS_MAX);
        REQUIRE(gateway->counters[PINPIPE_GATEWAY_RECORDS] == batch->count);
        column_check(&batch->values, batch->count, route->format);
        column_check(&batch->keys, batch->count, route->format);
        for (int64_t i = 0; i < batch->count; i++) {
            REQUIRE(batch->partitions[i] >= -1 && batch->partitions[i] < PARTITIONS);
        }
    }
    pp_gateway_batches_free(gateway);
    pinpipe_buf_reset(&request->body);
    REQUIRE(request->status || route->format != PP_GATEWAY_STREAM ||
            (int64_t)request->kinds.len == 2 * request->count);
    pinpipe_buf_reset(&request->answer);
    pinpipe_buf_reset(&request->kinds);
    pp_free(gateway);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const pp_gateway_format formats[] = {PP_GATEWAY_JSON, PP_GATEWAY_BINARY, PP_GATEWAY_LINES,
                                                PP_GATEWAY_STREAM};
    pp_gateway_route route = {0};
    if (size < 2) {
        return 0;
    }
    const char *path = (const char *)data + 1, *end = (const char *)data + size;
    const char *newline = memchr(path, '\n', size - 1);
    const char *path_end = newline ? newline : end, *body = newline ? newline + 1 : end;
    route_check(&route, (pinpipe_str){path, (size_t)(path_end - path)});
    route.format = formats[data[0] % (sizeof formats / sizeof formats[0])];
    body_check(&route, (pinpipe_str){body, (size_t)(end - body)});
    return 0;
}

#else

FUZZ_NOTHING

#endif
