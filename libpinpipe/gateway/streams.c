/* Turns requests on streams into calls of Kinesis, and what it says into their answers.
 * Never says 200 where Kinesis refused, or took none of the records, unless it was told to mask that.
 * Rules: docs/gateway.md, "Streams"; reference/kinesis-s3.md §4. */
#include "gateway/streams.h"

#if PINPIPE_WITH_GATEWAY

#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/answer.h"
#include "gateway/stream_message.h"
#include "io/ready.h"
#include "kinesis/client.h"
#include "text/json_value.h"
#include "text/number.h"

#if PINPIPE_WITH_KINESIS

/* Of all but records that are read: 500 places of records have 60 KB. */
#define ANSWER_MAX ((size_t)256 << 10)
/* A message or an answer of more bytes gives its memory back after the request. */
#define KEPT_BYTES ((size_t)64 << 10)
#define RETRY_AFTER_S 1

struct pp_gateway_stream_call {
    pp_gateway_stream_call *before, *after;
    pp_gateway_connection *connection;
    pp_gateway_operation operation;
    int64_t records;
    pp_kinesis_call call;
};

struct pp_gateway_streams {
    pinpipe_kinesis *kinesis;
    pp_gateway_stream_call *under_way, *spare;
};

/* ---- beginning and end ---- */

pinpipe_status pp_gateway_streams_open(pinpipe_gateway *gateway, pinpipe_error *err) {
    const pinpipe_gateway_options *options = &gateway->options;
    if (options->kinesis->struct_size >= sizeof *options->kinesis &&
        options->kinesis->wire != PINPIPE_KINESIS_JSON) {
        return pp_fail(err, PINPIPE_EINVAL, "the gateway speaks to Kinesis in JSON only");
    }
    pinpipe_status status =
        pp_buf_append(&gateway->stream_names, options->streams.ptr, options->streams.len, err);
    gateway->streams = status == PINPIPE_OK ? pp_alloc_zero(sizeof *gateway->streams) : NULL;
    if (status == PINPIPE_OK && !gateway->streams) {
        status = pp_fail_memory(err, "a gateway's streams", sizeof *gateway->streams);
    }
    if (status == PINPIPE_OK) {
        status = pinpipe_kinesis_new(&gateway->streams->kinesis, options->kinesis, err);
    }
    gateway->options.kinesis = NULL; /* it is the caller's */
    return status;
}

static void list_put(pp_gateway_stream_call **list, pp_gateway_stream_call *call) {
    call->before = NULL;
    call->after = *list;
    if (*list) {
        (*list)->before = call;
    }
    *list = call;
}

static void list_take(pp_gateway_stream_call **list, pp_gateway_stream_call *call) {
    *(call->before ? &call->before->after : list) = call->after;
    if (call->after) {
        call->after->before = call->before;
    }
}

void pp_gateway_streams_free(pinpipe_gateway *gateway) {
    pp_gateway_streams *streams = gateway->streams;
    if (!streams) {
        return;
    }
    pp_gateway_stream_call *lists[] = {streams->under_way, streams->spare};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        for (pp_gateway_stream_call *call = lists[i], *after = NULL; call; call = after) {
            after = call->after;
            pp_kinesis_call_reset(&call->call, streams->kinesis);
            pp_free(call);
        }
    }
    pinpipe_kinesis_free(streams->kinesis);
    pp_free(streams);
    gateway->streams = NULL;
}

static pp_gateway_stream_call *call_begin(pp_gateway_streams *streams, pp_gateway_connection *connection) {
    pp_gateway_stream_call *call = streams->spare;
    if (call) {
        list_take(&streams->spare, call);
    } else {
        call = pp_alloc_zero(sizeof *call);
    }
    if (call) {
        call->connection = connection;
        call->call.again = PP_KINESIS_AGAIN_CALLER;
        call->records = 0;
        connection->request.stream_call = call;
        list_put(&streams->under_way, call);
    }
    return call;
}

static void large_free(pinpipe_buf *buf) {
    if (buf->cap > KEPT_BYTES) {
        pinpipe_buf_reset(buf);
    }
}

static void call_end(pp_gateway_streams *streams, pp_gateway_stream_call *call) {
    large_free(&call->call.body);
    large_free(&call->call.answer);
    call->connection->request.stream_call = NULL;
    list_take(&streams->under_way, call);
    list_put(&streams->spare, call);
}

void pp_gateway_stream_drop(pinpipe_gateway *gateway, pp_gateway_request *request) {
    pp_gateway_stream_call *call = request->stream_call;
    if (call) {
        gateway->counters[PINPIPE_GATEWAY_LOST] += call->records;
        pp_kinesis_call_reset(&call->call, gateway->streams->kinesis);
        call_end(gateway->streams, call);
    }
}

void pp_gateway_stream_late(pinpipe_gateway *gateway, pp_gateway_request *request) {
    bool writes = request->stream_call->records > 0;
    pp_gateway_stream_drop(gateway, request);
    pp_gateway_refuse(request, PP_GATEWAY_ERROR_LATE,
                      writes ? "Endpoint request timed out: records may be written"
                             : "Endpoint request timed out");
}

/* ---- requests ---- */

static bool name_is_allowed(const pinpipe_gateway *gateway, pinpipe_str name) {
    pinpipe_str names = pp_buf_view(&gateway->stream_names);
    return !names.len || pp_gateway_is_listed(name, names);
}

static bool is_room(pinpipe_gateway *gateway, pp_gateway_request *request, int64_t records) {
    const int64_t *counters = gateway->counters;
    int64_t waiting =
        counters[PINPIPE_GATEWAY_RECORDS] - counters[PINPIPE_GATEWAY_STORED] - counters[PINPIPE_GATEWAY_LOST];
    if (records && waiting + records > gateway->options.records_max) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_BUSY, "too many records wait");
        return false;
    }
    return true;
}

static void call_answer(pinpipe_gateway *gateway, pp_gateway_stream_call *call);

static void call_send(pinpipe_gateway *gateway, pp_gateway_stream_call *call) {
    pp_gateway_connection *connection = call->connection;
    pp_gateway_request *request = &connection->request;
    bool reads = call->operation == PP_GATEWAY_OPERATION_GET_RECORDS;
    int64_t bytes = (int64_t)call->call.body.len + (reads ? (int64_t)PP_KINESIS_ANSWER_MAX : 0);
    if (!is_room(gateway, request, call->records) || !pp_gateway_memory_reserve(gateway, request, bytes)) {
        call->records = 0;
        pp_gateway_stream_drop(gateway, request);
        return;
    }
    large_free(&request->body); /* all of it is in the message */
    large_free(&request->answer);
    gateway->counters[PINPIPE_GATEWAY_RECORDS] += call->records;
    call->call.about = (pinpipe_str){request->route.topic, (size_t)request->route.topic_len};
    call->call.answer_max = reads ? PP_KINESIS_ANSWER_MAX : ANSWER_MAX;
    call->call.sent = call->records;
    pp_kinesis_call_start(&call->call, gateway->streams->kinesis,
                          pinpipe_gateway_operation_at((int32_t)call->operation).action, connection->due_ms);
    if (call->call.state == PP_KINESIS_CALL_ENDED) {
        call_answer(gateway, call);
    }
}

void pp_gateway_stream_work(pinpipe_gateway *gateway, pp_gateway_connection *connection) {
    pp_gateway_request *request = &connection->request;
    pp_gateway_operation operation = (pp_gateway_operation)pp_gateway_route_row(&request->route);
    pinpipe_str name = {request->route.topic, (size_t)request->route.topic_len};
    request->is_masked = gateway->options.failure == PINPIPE_GATEWAY_FAILURE_MASKED;
    if (operation != PP_GATEWAY_OPERATION_LIST && !name.len) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_INVALID, "no stream can have this name");
        return;
    }
    if (operation != PP_GATEWAY_OPERATION_LIST && !name_is_allowed(gateway, name)) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_NOT_ALLOWED, "the gateway is for other streams");
        return;
    }
    pp_gateway_stream_call *call = call_begin(gateway->streams, connection);
    if (!call) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_BUSY, "there is no memory for a request to Kinesis");
        return;
    }
    call->operation = operation;
    int64_t records = 0;
    if (pp_gateway_stream_message(&call->call.body, &records, connection, operation)) {
        call->records = records;
        call_send(gateway, call);
    } else {
        pp_gateway_stream_drop(gateway, request);
    }
}

/* ---- answers ---- */

/* FailedRecordCount of PutRecords' answer; -1 = it has none. */
static int64_t failed_count(pinpipe_buf *answer) {
    pp_json_member failed = {.name = "FailedRecordCount"};
    int64_t count = -1;
    if (pp_json_pad(answer, NULL) < 0) {
        return -1;
    }
    pp_json_walk walk = {answer->ptr, answer->ptr + answer->len, NULL, false};
    bool is_read =
        pp_json_byte_pass(&walk, '{') && pp_json_members_take(&failed, 1, NULL, &walk, 1) && failed.text.len;
    return is_read && pp_number_i64(&count, failed.text) == PP_NUMBER_OK ? count : -1;
}

/* What the status of a refusal is for whoever asked: his fault, later, Kinesis' fault. */
static int32_t status_told(const pinpipe_gateway *gateway, pinpipe_str code, int32_t http_status) {
    return gateway->options.failure == PINPIPE_GATEWAY_FAILURE_MASKED ? 200
           : pp_gateway_is_throttled(code) || http_status == 429      ? 429
           : http_status >= 500                                       ? 500
                                                                      : 400;
}

static void body_pass(pp_gateway_request *request, pinpipe_buf *body, int32_t status) {
    pinpipe_buf own = request->answer;
    request->answer = *body;
    *body = own;
    pp_buf_clear(body);
    pp_gateway_answer_with(request, status, request->answer.len ? PP_GATEWAY_TYPE_JSON : NULL);
    request->retry_after_s = status == 429 ? RETRY_AFTER_S : 0;
}

static void success_answer(pinpipe_gateway *gateway, pp_gateway_stream_call *call) {
    pp_gateway_request *request = &call->connection->request;
    pinpipe_buf *body = &call->call.answer;
    int32_t status = 200;
    int64_t failed = call->operation == PP_GATEWAY_OPERATION_PUT_RECORDS ? failed_count(body) : 0;
    if (failed < 0 || failed > call->records) {
        gateway->counters[PINPIPE_GATEWAY_LOST] += call->records;
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_KAFKA, "Kinesis does not say what became of the records");
        return;
    }
    gateway->counters[PINPIPE_GATEWAY_STORED] += call->records - failed;
    gateway->counters[PINPIPE_GATEWAY_LOST] += failed;
    if (failed > 0 && failed == call->records) {
        status = status_told(gateway, pp_buf_view(body), 500);
    }
    body_pass(request, body, status);
}

/* An answer that never came, or that is not Kinesis'. */
static void failure_answer(pp_gateway_request *request, const pp_kinesis_call *call) {
    const char *says = call->error.message;
    switch (call->status) {
    case PINPIPE_ETIMEOUT:
        pp_gateway_refuse_for(request, PP_GATEWAY_ERROR_LATE, "Endpoint request timed out: %s", says);
        break;
    case PINPIPE_ENET:
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_NO_BROKER, says);
        break;
    case PINPIPE_ELIMIT:
    case PINPIPE_ENOMEM:
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_BUSY, says);
        break;
    default:
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_KAFKA, says);
        break;
    }
}

static void call_answer(pinpipe_gateway *gateway, pp_gateway_stream_call *call) {
    pp_gateway_request *request = &call->connection->request;
    pp_http_answer *http = &call->call.attempt.wire.answer;
    bool is_refusal =
        call->call.status < 0 && call->call.attempt.wire.status == PINPIPE_OK && call->call.code[0] &&
        !pp_api_is_secret(gateway->streams->kinesis->api, &call->call.attempt, pp_buf_view(&http->refusal));
    if (call->call.status >= 0) {
        success_answer(gateway, call);
    } else {
        gateway->counters[PINPIPE_GATEWAY_LOST] += call->records;
        if (is_refusal) {
            body_pass(request, &http->refusal, status_told(gateway, pp_str(call->call.code), http->status));
        } else {
            failure_answer(request, &call->call);
        }
    }
    call_end(gateway->streams, call);
}

bool pp_gateway_streams_wait(uint32_t *ready, pinpipe_gateway *gateway, const int *descriptors, int count,
                             int64_t timeout_ms) {
    if (!gateway->streams || !gateway->streams->under_way) {
        return pp_ready_wait(ready, descriptors, count, timeout_ms);
    }
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pp_flight_others others = {.descriptors = descriptors, .count = count};
    pinpipe_status status =
        pp_api_wait_with(gateway->streams->kinesis->api, &others, timeout_ms > 0 ? timeout_ms : 0, &cause);
    if (pinpipe_status_fatal(status)) {
        gateway->ended = cause;
    }
    *ready = others.ready;
    return !others.is_signalled;
}

void pp_gateway_streams_move(pinpipe_gateway *gateway) {
    pp_gateway_stream_call *call = gateway->streams ? gateway->streams->under_way : NULL;
    for (pp_gateway_stream_call *after = NULL; call; call = after) {
        after = call->after;
        if (pp_kinesis_call_move(&call->call, gateway->streams->kinesis)) {
            pp_gateway_connection *connection = call->connection;
            call_answer(gateway, call);
            pp_gateway_connection_resume(connection);
        }
    }
}

int64_t pp_gateway_streams_due(const pinpipe_gateway *gateway) {
    int64_t due_ms = INT64_MAX;
    const pp_gateway_stream_call *call = gateway->streams ? gateway->streams->under_way : NULL;
    for (; call; call = call->after) {
        int64_t own_ms = pp_kinesis_call_due_ms(&call->call);
        due_ms = own_ms < due_ms ? own_ms : due_ms;
    }
    return due_ms;
}

#else

pinpipe_status pp_gateway_streams_open(pinpipe_gateway *gateway, pinpipe_error *err) {
    pinpipe_kinesis *none = NULL;
    return pinpipe_kinesis_new(&none, gateway->options.kinesis, err);
}

void pp_gateway_streams_free(pinpipe_gateway *gateway) {
    (void)gateway;
}

void pp_gateway_stream_work(pinpipe_gateway *gateway, pp_gateway_connection *connection) {
    (void)gateway;
    pp_gateway_refuse(&connection->request, PP_GATEWAY_ERROR_NO_PATH, NULL);
}

bool pp_gateway_streams_wait(uint32_t *ready, pinpipe_gateway *gateway, const int *descriptors, int count,
                             int64_t timeout_ms) {
    (void)gateway;
    return pp_ready_wait(ready, descriptors, count, timeout_ms);
}

void pp_gateway_streams_move(pinpipe_gateway *gateway) {
    (void)gateway;
}

int64_t pp_gateway_streams_due(const pinpipe_gateway *gateway) {
    (void)gateway;
    return INT64_MAX;
}

void pp_gateway_stream_drop(pinpipe_gateway *gateway, pp_gateway_request *request) {
    (void)gateway, (void)request;
}

void pp_gateway_stream_late(pinpipe_gateway *gateway, pp_gateway_request *request) {
    (void)gateway, (void)request;
}

#endif
#endif
