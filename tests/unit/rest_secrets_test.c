/* Turns answers that repeat what they were sent into a search for it in errors, log lines and freed memory.
 * Never looks at memory that is still in use.
 * Rules: docs/kafka-rest.md; docs/credentials.md: secrets are wiped before their memory is freed, and in no
 * text. */
#include "check.h"

#if PINPIPE_WITH_S3

#include "base/buffer.h"
#include "loopback.h"
#include "pinpipe/kafka_rest.h"
#include "secret_search.h"

#define API_KEY "gatewayKey/0123456789abcdefghij"
#define SECRET "secretKey/ofTheCaller0123456789"
#define TOKEN "sessionToken/ofTheCaller0123456789=="

static pinpipe_error err = PINPIPE_ERROR_INIT;
static loopback server;

static pinpipe_provider *provider_new(void) {
    pinpipe_provider *provider = NULL;
    pinpipe_credentials *key = NULL;
    pinpipe_credentials_options parts = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    pinpipe_provider_options options = PINPIPE_PROVIDER_OPTIONS_INIT;
    parts.access_key_id = pp_str("AKID");
    parts.secret_access_key = pp_str(SECRET);
    parts.session_token = pp_str(TOKEN);
    CHECK_INT(pinpipe_credentials_new(&key, &parts, &err), PINPIPE_OK);
    options.credentials = key;
    CHECK_INT(pinpipe_provider_new(&provider, &options, &err), PINPIPE_OK);
    pinpipe_credentials_free(key);
    return provider;
}

static void record_send(const char *endpoint, const pinpipe_provider *provider) {
    pinpipe_kafka_rest *rest = NULL;
    pinpipe_kafka_rest_options options = PINPIPE_KAFKA_REST_OPTIONS_INIT;
    pinpipe_kafka_rest_record record = PINPIPE_KAFKA_REST_RECORD_INIT;
    pinpipe_kafka_rest_result result = PINPIPE_KAFKA_REST_RESULT_INIT;
    options.endpoint = pp_str(endpoint);
    options.api_key = pp_str(API_KEY);
    options.auth = PINPIPE_KAFKA_REST_AUTH_IAM;
    options.region = pp_str("eu-west-1");
    options.provider = provider;
    record.topic = pp_str("a.pin");
    record.value = pp_str("1");
    record.keep = PINPIPE_KAFKA_REST_KEEP_RESULT;
    CHECK_INT(pinpipe_kafka_rest_new(&rest, &options, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_rest_write(rest, &record, 1000, &err), PINPIPE_OK);
    pinpipe_status status = pinpipe_kafka_rest_flush(rest, 5000, &err);
    CHECK(status <= PINPIPE_OK);
    secret_line(status < 0 ? err.message : "");
    CHECK_INT(pinpipe_kafka_rest_next(&result, rest), PINPIPE_OK);
    char text[PINPIPE_ERROR_MESSAGE_BYTES] = "";
    snprintf(text, sizeof text, "%.*s", (int)result.text.len, result.text.ptr);
    secret_line(text);
    pinpipe_kafka_rest_free(rest);
}

int main(void) {
    static const loopback_answer answers[] = {
        {.line = "POST",
         .has = {API_KEY, TOKEN},
         .status = 403,
         .body = "{\"message\":\"" API_KEY " is none\"}"},
        {.line = "POST", .status = 403, .body = "{\"message\":\"not 'x-amz-security-token:" TOKEN "'\"}"},
        {.line = "POST", .status = 500, .body = "{\"error_code\":50002,\"message\":\"" TOKEN "\"}"},
        {.line = "POST",
         .status = 200,
         .body = "{\"offsets\":[{\"error_code\":50002,\"error\":\"x-api-key: " API_KEY "\"}]}"},
        {.line = "POST", .status = 200, .body = "<html>" API_KEY "</html>"},
        {.line = "POST", .status = 503, .body = API_KEY},
        {.line = "POST", .status = 200, .body = "{\"offsets\":[{\"partition\":0,\"offset\":1}]}"},
    };
    char endpoint[64];
    secret_search_begin();
    secret_add(API_KEY);
    secret_add(SECRET);
    secret_add(TOKEN);
    server = (loopback){.answers = answers, .count = sizeof answers / sizeof answers[0]};
    CHECK(loopback_begin(&server));
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d/test", server.port);
    pinpipe_provider *provider = provider_new();
    for (int i = 0; i < server.count - 1; i++) { /* the last but one is asked for twice */
        record_send(endpoint, provider);
    }
    record_send("http://127.0.0.1:9", provider);
    pinpipe_provider_free(provider);
    loopback_end(&server);
    CHECK_INT(atomic_load(&server.wrong), 0);
    CHECK_INT(atomic_load(&server.requests), server.count);
    secret_search_end();
    CHECK_INT(secret_blocks, 0);
    CHECK(secret_lines > 16 && secret_bytes_searched > 10000);
    return check_report();
}

#else

int main(void) {
    return check_report();
}

#endif
