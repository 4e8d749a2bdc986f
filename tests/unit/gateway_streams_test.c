/* Turns requests on streams into checks of the gateway before a recorded Kinesis: answers, refusals, silence.
 * Never waits for a fixed time before a check that must hold.
 * Rules: docs/gateway.md, "Streams". */
#include "pinpipe/gateway.h"

#include "check.h"

#if PINPIPE_WITH_GATEWAY && PINPIPE_WITH_KINESIS

#include "base/buffer.h"
#include "gateway/operations.h"
#include "io/http.h"
#include "loopback.h"

#define PATIENCE_MS 60000
#define ONE "{\"Data\":{\"n\": 1},\"PartitionKey\":\"k\"}"
#define PLACE "{\"SequenceNumber\":\"1\",\"ShardId\":\"shardId-000000000000\"}"
#define THROTTLED "{\"__type\":\"ProvisionedThroughputExceededException\",\"message\":\"later\"}"

typedef struct server {
    loopback kinesis;
    pinpipe_gateway *gateway;
    pthread_t thread;
    atomic_bool is_ending;
    pp_http *client;
} server;

static void *serve(void *opaque) {
    server *at = opaque;
    while (!atomic_load(&at->is_ending)) {
        CHECK_INT(pinpipe_gateway_poll(at->gateway, 1000, NULL), PINPIPE_OK);
    }
    return NULL;
}

static void server_begin(server *at, const loopback_answer *answers, int count, int64_t answer_timeout_ms) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_gateway_options options = PINPIPE_GATEWAY_OPTIONS_INIT;
    pinpipe_kinesis_options kinesis = PINPIPE_KINESIS_OPTIONS_INIT;
    pinpipe_provider_options keys = PINPIPE_PROVIDER_OPTIONS_INIT;
    pinpipe_credentials_options key = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    pinpipe_credentials *credentials = NULL;
    pinpipe_provider *provider = NULL;
    pp_http_options http = {.connect_timeout_ms = PATIENCE_MS};
    char endpoint[64];
    *at = (server){.kinesis = {.answers = answers, .count = count}};
    CHECK(loopback_begin(&at->kinesis));
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d", at->kinesis.port);
    key.access_key_id = pp_str("AKID");
    key.secret_access_key = pp_str("secret");
    CHECK_INT(pinpipe_credentials_new(&credentials, &key, &err), PINPIPE_OK);
    keys.credentials = credentials;
    CHECK_INT(pinpipe_provider_new(&provider, &keys, &err), PINPIPE_OK);
    kinesis.provider = provider;
    kinesis.endpoint = pp_str(endpoint);
    options.kinesis = &kinesis;
    options.listen = pp_str("127.0.0.1:0");
    options.answer_timeout_ms = answer_timeout_ms;
    CHECK_INT(pinpipe_gateway_open(&at->gateway, &options, &err), PINPIPE_OK);
    pinpipe_provider_free(provider);
    pinpipe_credentials_free(credentials);
    CHECK_INT(pp_http_new(&at->client, &http, &err), PINPIPE_OK);
    pthread_create(&at->thread, NULL, serve, at);
}

static void serving_end(server *at) {
    atomic_store(&at->is_ending, true);
    pinpipe_gateway_stop(at->gateway);
    pthread_join(at->thread, NULL);
}

static void server_end(server *at) {
    CHECK_INT(pinpipe_gateway_count(at->gateway, PINPIPE_GATEWAY_RECORDS),
              pinpipe_gateway_count(at->gateway, PINPIPE_GATEWAY_STORED) +
                  pinpipe_gateway_count(at->gateway, PINPIPE_GATEWAY_LOST));
    pinpipe_gateway_free(at->gateway);
    pp_http_free(at->client);
    loopback_end(&at->kinesis);
    CHECK_INT(atomic_load(&at->kinesis.wrong), 0);
}

/* The status of an answer, whose body must hold `has`; 0 = there was none in time. */
static int32_t ask(const server *at, const char *target, const char *body, const char *has,
                   int64_t timeout_ms) {
    pp_http_answer answer = {0};
    pinpipe_buf url = PINPIPE_BUF_INIT, out = PINPIPE_BUF_INIT;
    pinpipe_str address = pinpipe_gateway_address(at->gateway);
    CHECK(pp_buf_printf(&url, NULL, "http://%.*s%s", (int)address.len, address.ptr, target) >= 0);
    pp_http_request request = {
        .method = "PUT", .url = url.ptr, .body = pp_str(body), .out = &out, .out_max = 65536};
    pinpipe_status status = pp_http_send(&answer, at->client, &request, timeout_ms, NULL);
    pinpipe_str said = pp_buf_view(answer.status == 200 ? &out : &answer.refusal);
    bool is_said = status < 0 || (said.len && memmem(said.ptr, said.len, has, strlen(has)));
    CHECK(is_said);
    int32_t seen = status < 0 ? 0 : answer.status;
    pp_http_answer_reset(&answer);
    pinpipe_buf_reset(&url);
    pinpipe_buf_reset(&out);
    return seen;
}

static void answers_check(void) {
    static const loopback_answer answers[] = {
        {.line = "POST / ",
         .has = {"Kinesis_20131202.PutRecord\r\n", "eyJuIjoxfQ=="},
         .body = PLACE,
         .status = 200},
        {.line = "POST / ", .has = {"PutRecord\r\n"}, .body = THROTTLED, .status = 400},
        {.line = "POST / ", .has = {"PutRecord\r\n"}, .body = "no JSON", .status = 500},
        {.line = "POST / ", .has = {"PutRecords\r\n"}, .body = PLACE, .status = 200},
    };
    server at;
    server_begin(&at, answers, 4, 0);
    CHECK_INT(ask(&at, "/test/streams/s/record", ONE, PLACE, PATIENCE_MS), 200);
    CHECK_INT(ask(&at, "/test/streams/s/record", ONE, THROTTLED, PATIENCE_MS), 429);
    CHECK_INT(ask(&at, "/test/streams/s/record", ONE, "HTTP 500", PATIENCE_MS), 500);
    CHECK_INT(ask(&at, "/streams/s/records", "{\"records\":[{\"data\":\"\",\"partition-key\":\"k\"}]}",
                  "does not say", PATIENCE_MS),
              500);
    CHECK_INT(ask(&at, "/streams/s/record", "{\"Data\":", "into json", PATIENCE_MS), 400);
    CHECK_INT(ask(&at, "/topics/t", "{}", "Not Found", PATIENCE_MS), 404);
    serving_end(&at);
    CHECK_INT(pinpipe_gateway_count(at.gateway, PINPIPE_GATEWAY_STORED), 1);
    CHECK_INT(pinpipe_gateway_count(at.gateway, PINPIPE_GATEWAY_LOST), 3);
    server_end(&at);
}

static void silence_check(void) {
    static const loopback_answer answers[] = {{.line = "POST / ", .body = "", .delay_ms = -1}};
    server at;
    server_begin(&at, answers, 1, 200);
    CHECK_INT(ask(&at, "/streams/s/record", ONE, "timed out", PATIENCE_MS), 504);
    serving_end(&at);
    server_end(&at);
}

/* Who asked hangs up, and the gateway ends while Kinesis is still at it. */
static void end_check(void) {
    static const loopback_answer answers[] = {{.line = "POST / ", .body = "", .delay_ms = -1}};
    server at;
    server_begin(&at, answers, 1, PATIENCE_MS);
    while (!atomic_load(&at.kinesis.connections)) {
        CHECK_INT(ask(&at, "/streams/s/record", ONE, "", 300), 0);
    }
    serving_end(&at);
    CHECK(pinpipe_gateway_drain(at.gateway, 10, NULL) == PINPIPE_ETIMEOUT);
    pinpipe_gateway_free(at.gateway);
    pp_http_free(at.client);
    loopback_end(&at.kinesis);
}

static void options_check(void) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_gateway *gateway = NULL;
    pinpipe_gateway_options options = PINPIPE_GATEWAY_OPTIONS_INIT;
    pinpipe_kinesis_options kinesis = PINPIPE_KINESIS_OPTIONS_INIT;
    options.listen = pp_str("127.0.0.1:0");
    options.kinesis = &kinesis;
    kinesis.wire = PINPIPE_KINESIS_CBOR;
    CHECK_INT(pinpipe_gateway_open(&gateway, &options, &err), PINPIPE_EINVAL);
    CHECK(!gateway && strstr(err.message, "JSON only"));
    kinesis.struct_size = 4;
    CHECK_INT(pinpipe_gateway_open(&gateway, &options, &err), PINPIPE_EINVAL);
}

int main(void) {
    pinpipe_gateway_operation none = pinpipe_gateway_operation_at(PP_GATEWAY_OPERATION_COUNT);
    CHECK(!none.method && !pinpipe_gateway_operation_at(-1).method);
    options_check();
    answers_check();
    silence_check();
    end_check();
    return check_report();
}

#else

int main(void) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_gateway *gateway = NULL;
    pinpipe_gateway_options options = PINPIPE_GATEWAY_OPTIONS_INIT;
    pinpipe_kinesis_options kinesis = PINPIPE_KINESIS_OPTIONS_INIT;
    options.listen = (pinpipe_str){"127.0.0.1:0", 11};
    options.kinesis = &kinesis;
    CHECK_INT(pinpipe_gateway_open(&gateway, &options, &err), PINPIPE_ENOTSUP);
    CHECK(!gateway && strstr(err.message, "OFF"));
    return check_report();
}

#endif
