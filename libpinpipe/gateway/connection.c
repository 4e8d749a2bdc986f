/* Turns the HTTP library's calls into requests, and their answers into its responses.
 * Never lets a connection wait without a deadline; never takes two framings of one body.
 * Rules: docs/gateway.md, "Limits"; libmicrohttpd's manual; RFC 9112 §6.3 (framing), RFC 9110 §15 (statuses).
 */
#include "gateway/server.h"

#if PINPIPE_WITH_GATEWAY

#include <string.h>

#include "base/buffer.h"
#include "base/compress.h"
#include "base/memory.h"
#include "gateway/answer.h"
#include "gateway/batch.h"
#include "gateway/consumers.h"
#include "gateway/iam.h"
#include "gateway/paths.h"
#include "gateway/streams.h"
#include "io/ready.h"
#include "text/number.h"

/* A body or an answer of more bytes gives its memory back after the request. */
#define KEPT_BYTES ((size_t)64 << 10)
/* A peer's end that comes with its last bytes is no news of its own to the HTTP library, which would keep the
 * connection until its deadline: so each is looked at once it had the time to come. */
#define LOOK_MS 1000
/* Those that API Gateway's console allows. */
#define ALLOWED_HEADERS "Content-Type,X-Amz-Date,Authorization,X-Api-Key,X-Amz-Security-Token"

/* ---- places ---- */

static void list_take(pp_gateway_list *list, pp_gateway_connection *connection) {
    if (connection->before) {
        connection->before->after = connection->after;
    } else {
        list->first = connection->after;
    }
    if (connection->after) {
        connection->after->before = connection->before;
    } else {
        list->last = connection->before;
    }
}

static void list_put(pp_gateway_list *list, pp_gateway_connection *connection) {
    connection->before = list->last;
    connection->after = NULL;
    if (list->last) {
        list->last->after = connection;
    } else {
        list->first = connection;
    }
    list->last = connection;
}

static int64_t patience_ms(const pinpipe_gateway_options *options, pp_gateway_place place) {
    return place == PP_GATEWAY_HEAD   ? options->head_timeout_ms
           : place == PP_GATEWAY_BODY ? options->body_timeout_ms
                                      : options->answer_timeout_ms;
}

static void look_order(pinpipe_gateway *gateway, pp_gateway_connection *connection) {
    connection->is_looked_at = false;
    if (gateway->look_ms == INT64_MAX) {
        gateway->look_ms = gateway->now_ms + LOOK_MS;
    }
}

/* Deadlines of one place are equally long, so that a list is in their order. */
static void connection_move(pp_gateway_connection *connection, pp_gateway_place place) {
    pinpipe_gateway *gateway = connection->gateway;
    list_take(&gateway->places[connection->place], connection);
    connection->place = place;
    connection->due_ms = gateway->now_ms + patience_ms(&gateway->options, place);
    list_put(&gateway->places[place], connection);
    look_order(gateway, connection);
}

void pp_gateway_connection_note(void *user, struct MHD_Connection *handle, void **context,
                                enum MHD_ConnectionNotificationCode code) {
    pinpipe_gateway *gateway = user;
    pp_gateway_connection *connection = *context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        connection = pp_alloc_zero(sizeof *connection);
        *context = connection; /* NULL is seen with the first request */
        if (connection) {
            connection->gateway = gateway;
            connection->handle = handle;
            connection->socket =
                MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
            connection->due_ms = gateway->now_ms + gateway->options.head_timeout_ms;
            list_put(&gateway->places[PP_GATEWAY_HEAD], connection);
            look_order(gateway, connection);
            gateway->counters[PINPIPE_GATEWAY_CONNECTIONS]++;
        }
    } else if (connection) {
        list_take(&gateway->places[connection->place], connection);
        pinpipe_buf_reset(&connection->request.body);
        pinpipe_buf_reset(&connection->request.answer);
        pinpipe_buf_reset(&connection->request.kinds);
        pp_free(connection);
        *context = NULL;
    }
}

/* ---- the head ---- */

/* What of a request's headers counts. */
typedef struct head_view {
    pinpipe_str content_type, accept, encoding, api_key;
    int64_t length_bytes; /* -1 = not told */
    int32_t length_count, transfer_count;
    bool is_broken; /* a length that is no number, a transfer that is not chunked */
} head_view;

static enum MHD_Result header_view(void *user, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                   const char *value, size_t value_len) {
    head_view *head = user;
    pinpipe_str key = {name, name_len}, text = {value ? value : "", value ? value_len : 0};
    (void)kind;
    if (pp_str_alike(key, pp_str("Content-Type"))) {
        head->content_type = text;
    } else if (pp_str_alike(key, pp_str("Accept"))) {
        head->accept = text;
    } else if (pp_str_alike(key, pp_str("Content-Encoding"))) {
        head->encoding = text;
    } else if (pp_str_alike(key, pp_str("x-api-key"))) {
        head->api_key = text;
    } else if (pp_str_alike(key, pp_str("Content-Length"))) {
        bool is_number = text.len && text.ptr[0] >= '0' && text.ptr[0] <= '9' &&
                         pp_number_i64(&head->length_bytes, text) == PP_NUMBER_OK;
        head->is_broken = head->is_broken || !is_number || head->length_bytes < 0;
        head->length_count++;
    } else if (pp_str_alike(key, pp_str("Transfer-Encoding"))) {
        head->is_broken = head->is_broken || !pp_str_alike(text, pp_str("chunked"));
        head->transfer_count++;
    }
    return MHD_YES;
}

static bool is_framed(const head_view *head) {
    return !head->is_broken && head->length_count + head->transfer_count <= 1;
}

/* Kafka's paths want brokers, those of streams Kinesis. */
static bool is_served(const pinpipe_gateway *gateway, pp_gateway_resource resource) {
    bool is_own =
        resource == PP_GATEWAY_HEALTH || resource == PP_GATEWAY_METRICS || resource == PP_GATEWAY_PAGE;
    return is_own || (resource == PP_GATEWAY_STREAMS     ? gateway->streams != NULL
                      : resource == PP_GATEWAY_CONSUMERS ? gateway->consumers != NULL
                                                         : gateway->producer != NULL);
}

/* Which methods a resource has; NULL = there is no such resource. */
static const char *methods_of(const pinpipe_gateway *gateway, pp_gateway_request *request) {
    if (!is_served(gateway, request->route.resource)) {
        return NULL;
    }
    switch (request->route.resource) {
    case PP_GATEWAY_NOTHING:
        return NULL;
    case PP_GATEWAY_STREAMS:
    case PP_GATEWAY_CONSUMERS:
        pp_gateway_route_allow(request->methods, &request->route);
        return request->methods;
    case PP_GATEWAY_RECORDS:
        return "POST";
    case PP_GATEWAY_TOPIC:
    case PP_GATEWAY_PARTITION:
        return "GET, HEAD, POST";
    default:
        return "GET, HEAD";
    }
}

static bool method_is_one(const pp_gateway_route *route, const char *methods) {
    if (route->paths) {
        return pp_gateway_route_row(route) < route->paths->count;
    }
    bool reads = route->method == PP_GATEWAY_GET || route->method == PP_GATEWAY_HEAD_ONLY;
    return strstr(methods, reads ? "GET" : "POST") && (reads || route->method == PP_GATEWAY_POST);
}

static void encoding_check(pp_gateway_request *request, const head_view *head) {
    if (pp_str_alike(head->encoding, pp_str("gzip"))) {
        request->is_packed = true;
    } else if (head->encoding.len && !pp_str_alike(head->encoding, pp_str("identity"))) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_NO_FORMAT,
                          "the body's Content-Encoding is none but gzip");
    }
}

static void format_check(pp_gateway_request *request, const head_view *head) {
    request->route.format = pp_gateway_format_of(head->content_type);
    if (request->route.format == PP_GATEWAY_OTHER_FORMAT || request->route.format == PP_GATEWAY_PLAIN) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_NO_FORMAT, NULL);
    } else if (pp_gateway_accepted(head->accept) != PP_GATEWAY_NO_FORMAT) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_NOT_ACCEPTABLE, NULL);
    } else if (request->route.format == PP_GATEWAY_SCHEMA) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_NO_SCHEMA, NULL);
    } else {
        encoding_check(request, head);
    }
}

/* API v3 has JSON, and says what a record is in each of them. */
static void v3_check(pp_gateway_request *request, const head_view *head) {
    request->route.format = PP_GATEWAY_STREAM;
    if (!pp_gateway_is_json(head->content_type)) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_NO_FORMAT, NULL);
    } else {
        encoding_check(request, head);
    }
}

static void too_large(pp_gateway_request *request, const pinpipe_gateway *gateway) {
    pp_gateway_refuse_for(request, PP_GATEWAY_ERROR_TOO_LARGE, "a body has at most %lld bytes",
                          (long long)gateway->options.body_max_bytes);
}

bool pp_gateway_memory_reserve(pinpipe_gateway *gateway, pp_gateway_request *request, int64_t bytes) {
    if (gateway->memory_bytes + bytes > gateway->options.memory_max_bytes) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_BUSY, "the bodies of requests under way fill the memory");
        return false;
    }
    gateway->memory_bytes += bytes;
    request->reserved_bytes += bytes;
    return true;
}

/* How many bytes of a wrong key are right is not to be learned from the time that this takes. */
static bool key_is(const pinpipe_buf *wanted, pinpipe_str given) {
    unsigned differs = wanted->len != given.len;
    for (size_t i = 0; i < given.len; i++) {
        differs |= (unsigned char)(given.ptr[i] ^ wanted->ptr[i % wanted->len]);
    }
    return !differs;
}

static void request_admit(const pinpipe_gateway *gateway, pp_gateway_request *request,
                          struct MHD_Connection *handle, const head_view *head) {
    const char *methods = methods_of(gateway, request);
    bool is_preflight = gateway->allow_origin.len && request->route.method == PP_GATEWAY_OPTIONS && methods;
    bool is_open = is_preflight || request->route.resource == PP_GATEWAY_HEALTH ||
                   request->route.resource == PP_GATEWAY_PAGE;
    if (!is_open && gateway->iam) {
        pp_gateway_iam_admit(gateway, request, handle);
        if (request->status) {
            return;
        }
    }
    if (!is_open && gateway->api_key.len && !key_is(&gateway->api_key, head->api_key)) {
        pp_gateway_forbid(request, "Forbidden");
    } else if (is_preflight) {
        request->is_preflight = true;
        request->allow = methods;
        pp_gateway_answer(request, PP_GATEWAY_TYPE_JSON);
    } else if (!methods) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_NO_PATH, NULL);
    } else if (!method_is_one(&request->route, methods)) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_NO_METHOD, NULL);
        request->allow = methods;
    } else if (request->route.resource == PP_GATEWAY_STREAMS ||
               request->route.resource == PP_GATEWAY_CONSUMERS) {
        encoding_check(request, head);
    } else if (request->route.resource == PP_GATEWAY_RECORDS) {
        v3_check(request, head);
    } else if (request->route.method == PP_GATEWAY_POST) {
        format_check(request, head);
    }
}

/* True where the body must not even be read. */
static bool head_judge(pinpipe_gateway *gateway, pp_gateway_request *request, struct MHD_Connection *handle,
                       const char *target, const char *method) {
    head_view head = {.length_bytes = -1};
    MHD_get_connection_values_n(handle, MHD_HEADER_KIND, header_view, &head);
    pp_gateway_route_read(&request->route, pp_str(target), pp_buf_view(&gateway->stages));
    request->route.method = pp_gateway_method_of(method);
    if (!is_framed(&head)) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_BAD_HEAD, "the length of the body is told in two ways");
        return true;
    }
    if (head.length_bytes > gateway->options.body_max_bytes) {
        too_large(request, gateway);
        return true;
    }
    request_admit(gateway, request, handle, &head);
    if (!request->status && head.length_bytes > 0 &&
        pp_gateway_memory_reserve(gateway, request, head.length_bytes) &&
        pp_buf_reserve(&request->body, (size_t)head.length_bytes, PP_BUF_MAX, NULL) < 0) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_BUSY, "there is no memory for the body");
    }
    return false;
}

/* ---- the body ---- */

static void body_append(pinpipe_gateway *gateway, pp_gateway_request *request, const char *bytes,
                        size_t len) {
    if (request->status) {
        return; /* it is refused; what else comes is passed over */
    }
    int64_t size = (int64_t)(request->body.len + len);
    if (size > gateway->options.body_max_bytes) {
        too_large(request, gateway);
    } else if (size <= request->reserved_bytes ||
               pp_gateway_memory_reserve(gateway, request, size - request->reserved_bytes)) {
        if (pp_buf_append(&request->body, bytes, len, NULL) < 0) {
            pp_gateway_refuse(request, PP_GATEWAY_ERROR_BUSY, "there is no memory for the body");
        }
    }
}

static pinpipe_status plain_take(void *user, pinpipe_str bytes, pinpipe_error *err) {
    pp_gateway_connection *connection = user;
    body_append(connection->gateway, &connection->request, bytes.ptr, bytes.len);
    return connection->request.status ? pp_fail(err, PINPIPE_ELIMIT, "the body is too large") : PINPIPE_OK;
}

/* A body that was sent as gzip, in place of what was sent; the limits hold for both. */
static void body_expand(pp_gateway_connection *connection) {
    pp_gateway_request *request = &connection->request;
    pinpipe_buf packed = request->body;
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pp_expander *expander = NULL;
    request->body = (pinpipe_buf)PINPIPE_BUF_INIT;
    pinpipe_status status = pp_expander_new(&expander, PP_CODEC_GZIP, &cause);
    if (status == PINPIPE_OK) {
        status = pp_expander_feed(expander, pp_buf_view(&packed), plain_take, connection, &cause);
    }
    if (status == PINPIPE_OK) {
        status = pp_expander_end(expander, &cause);
    }
    if (status < 0 && !request->status) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_BAD_BODY, cause.message);
    }
    pp_expander_free(expander);
    pinpipe_buf_reset(&packed);
}

/* ---- the answer ---- */

static enum MHD_Result header_number(struct MHD_Response *response, const char *name, int64_t number) {
    char text[PP_I64_TEXT_MAX + 1];
    text[pp_number_write_i64(text, number)] = '\0';
    return MHD_add_response_header(response, name, text);
}

static enum MHD_Result answer_queue(pp_gateway_connection *connection) {
    pinpipe_gateway *gateway = connection->gateway;
    pp_gateway_request *request = &connection->request;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(request->answer.len, request->answer.ptr, MHD_RESPMEM_PERSISTENT);
    if (!response) {
        return MHD_NO;
    }
    enum MHD_Result done = MHD_YES;
    if (request->content_type) {
        done = MHD_add_response_header(response, "Content-Type", request->content_type);
    }
    if (done == MHD_YES && request->retry_after_s) {
        done = header_number(response, "Retry-After", request->retry_after_s);
    }
    if (done == MHD_YES && request->allow) {
        const char *name = request->is_preflight ? "Access-Control-Allow-Methods" : "Allow";
        done = MHD_add_response_header(response, name, request->allow);
    }
    if (done == MHD_YES && request->is_preflight) {
        done = MHD_add_response_header(response, "Access-Control-Allow-Headers", ALLOWED_HEADERS);
    }
    if (done == MHD_YES && gateway->allow_origin.len) {
        done = MHD_add_response_header(response, "Access-Control-Allow-Origin", gateway->allow_origin.ptr);
    }
    if (done == MHD_YES && (gateway->is_draining || pp_gateway_is_retired(connection))) {
        done = MHD_add_response_header(response, "Connection", "close");
    }
    done = done == MHD_YES ? MHD_queue_response(connection->handle, (unsigned)request->status, response)
                           : MHD_NO;
    MHD_destroy_response(response);
    gateway->counters[PINPIPE_GATEWAY_REQUESTS]++;
    gateway->counters[PINPIPE_GATEWAY_REFUSED] += request->status / 100 == 4;
    gateway->counters[PINPIPE_GATEWAY_FAILED] += request->status / 100 == 5;
    return done;
}

size_t pp_gateway_target_keep(void *user, struct MHD_Connection *handle, char *text) {
    (void)user, (void)handle;
    return strlen(text);
}

enum MHD_Result pp_gateway_handle(void *user, struct MHD_Connection *handle, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **context) {
    pinpipe_gateway *gateway = user;
    pp_gateway_connection *connection =
        MHD_get_connection_info(handle, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    (void)version;
    if (!connection) {
        return MHD_NO;
    }
    pp_gateway_request *request = &connection->request;
    if (!*context) {
        *context = connection;
        connection_move(connection, PP_GATEWAY_BODY);
        return head_judge(gateway, request, handle, url, method) ? answer_queue(connection) : MHD_YES;
    }
    if (*upload_size) {
        gateway->counters[PINPIPE_GATEWAY_BYTES] += (int64_t)*upload_size;
        body_append(gateway, request, upload, *upload_size);
        *upload_size = 0;
        return MHD_YES;
    }
    if (!request->is_whole) {
        request->is_whole = true;
        connection_move(connection, PP_GATEWAY_WORK);
        if (!request->status && request->is_signed) {
            pp_gateway_iam_verify(gateway, connection, method, url);
        }
        if (!request->status && request->is_packed) {
            body_expand(connection);
        }
        if (!request->status) {
            pp_gateway_request_work(gateway, connection);
        }
        if (!request->status) {
            MHD_suspend_connection(handle);
            return MHD_YES;
        }
    }
    return request->status ? answer_queue(connection) : MHD_YES;
}

void pp_gateway_connection_resume(pp_gateway_connection *connection) {
    MHD_resume_connection(connection->handle);
}

void pp_gateway_request_ended(void *user, struct MHD_Connection *handle, void **context,
                              enum MHD_RequestTerminationCode code) {
    pinpipe_gateway *gateway = user;
    pp_gateway_connection *connection = *context;
    (void)handle, (void)code;
    if (!connection) {
        return;
    }
    pp_gateway_request *request = &connection->request;
    pp_gateway_stream_drop(gateway, request);
    pp_gateway_order_drop(request);
    pinpipe_buf_reset(&request->kinds);
    pinpipe_buf body = request->body, answer = request->answer;
    gateway->memory_bytes -= request->reserved_bytes;
    if (body.cap > KEPT_BYTES) {
        pinpipe_buf_reset(&body);
    }
    if (answer.cap > KEPT_BYTES) {
        pinpipe_buf_reset(&answer);
    }
    pp_buf_clear(&body);
    pp_buf_clear(&answer);
    request->status = request->retry_after_s = 0;
    request->content_type = request->allow = NULL;
    request->is_whole = request->is_packed = request->is_preflight = request->is_signed = false;
    request->reserved_bytes = request->listing = request->count = 0;
    request->body = body;
    request->answer = answer;
    connection_move(connection, PP_GATEWAY_HEAD);
}

/* ---- deadlines ---- */

static void answer_late(pinpipe_gateway *gateway, pp_gateway_connection *connection) {
    pp_gateway_request *request = &connection->request;
    if (request->listing) {
        request->listing = 0;
        gateway->listing_waits--;
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_NO_BROKER, "Kafka did not answer in time");
    } else if (request->stream_call) {
        pp_gateway_stream_late(gateway, request);
    } else if (request->order) {
        pp_gateway_order_drop(request);
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_KAFKA_AGAIN, "the consumer did not answer in time");
    } else if (request->batch && pp_gateway_batch_leave(gateway, connection)) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_KAFKA_AGAIN,
                          "Kafka did not answer in time; no record was written");
    } else {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_KAFKA_AGAIN,
                          "Kafka did not confirm in time; records may be written");
    }
    pp_gateway_connection_resume(connection);
}

/* Ends what its peer has ended; an answer that is under way is let out first. */
static void ends_look(pinpipe_gateway *gateway) {
    gateway->look_ms = INT64_MAX;
    for (int place = PP_GATEWAY_HEAD; place < PP_GATEWAY_WORK; place++) {
        for (pp_gateway_connection *at = gateway->places[place].first; at; at = at->after) {
            if (at->is_looked_at) {
                continue;
            }
            pp_connection_view view = pp_connection_look(at->socket);
            if (view == PP_CONNECTION_ENDED) {
                pp_connection_cut(at->socket);
            }
            at->is_looked_at = view != PP_CONNECTION_READABLE;
            if (!at->is_looked_at) {
                gateway->look_ms = gateway->now_ms + LOOK_MS;
            }
        }
    }
}

void pp_gateway_deadlines_keep(pinpipe_gateway *gateway) {
    if (gateway->look_ms <= gateway->now_ms) {
        ends_look(gateway);
    }
    for (int place = PP_GATEWAY_HEAD; place < PP_GATEWAY_PLACE_COUNT; place++) {
        pp_gateway_connection *connection = gateway->places[place].first;
        while (connection && connection->due_ms <= gateway->now_ms) {
            pp_gateway_connection *after = connection->after;
            if (place == PP_GATEWAY_WORK && !connection->request.status) {
                answer_late(gateway, connection);
            } else {
                pp_connection_cut(connection->socket);
                gateway->counters[PINPIPE_GATEWAY_CUT] += place != PP_GATEWAY_HEAD;
            }
            connection_move(connection, (pp_gateway_place)place); /* it is left alone for a while */
            connection = after;
        }
    }
}

int64_t pp_gateway_deadline_next(const pinpipe_gateway *gateway) {
    int64_t due_ms = gateway->look_ms;
    for (int place = PP_GATEWAY_HEAD; place < PP_GATEWAY_PLACE_COUNT; place++) {
        const pp_gateway_connection *first = gateway->places[place].first;
        due_ms = first && first->due_ms < due_ms ? first->due_ms : due_ms;
    }
    return due_ms;
}

#endif
