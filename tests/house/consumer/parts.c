/* Turns each way into Kafka, S3 and Kinesis into one line: the call, its status, its error.
 * Never reaches a network: nothing listens where the calls point, and none of them waits for an answer.
 * Rules: docs/architecture.md, "Parts that can be switched off". */
#include <stdio.h>

#include <pinpipe/pinpipe.h>

static void print(const char *call, pinpipe_status status, const pinpipe_error *err) {
    printf("%s %s %s\n", call, pinpipe_status_name(status), status < 0 ? err->message : "");
}

static void kafka(void) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_kafka_producer *producer = NULL;
    pinpipe_kafka_consumer *consumer = NULL;
    pinpipe_kafka_admin *admin = NULL;
    pinpipe_kafka_mock *mock = NULL;
    pinpipe_sink *sink = NULL;
    pinpipe_str brokers = pinpipe_str_of("127.0.0.1:1");
    pinpipe_kafka_consumer_options reading = PINPIPE_KAFKA_CONSUMER_OPTIONS_INIT;
    reading.brokers = brokers;
    reading.group = reading.topics = pinpipe_str_of("parts");
    pinpipe_sink_options storing = PINPIPE_SINK_OPTIONS_INIT;
    storing.brokers = brokers;
    storing.group = storing.topics = pinpipe_str_of("parts");
    storing.target = pinpipe_str_of("file:///nowhere");
    print("producer", pinpipe_kafka_producer_new(&producer, brokers, NULL, &err), &err);
    print("consumer", pinpipe_kafka_consumer_new(&consumer, &reading, NULL, &err), &err);
    print("admin", pinpipe_kafka_admin_new(&admin, brokers, NULL, &err), &err);
    print("mock", pinpipe_kafka_mock_new(&mock, 1, &err), &err);
    print("sink", pinpipe_sink_open(&sink, &storing, &err), &err);
    pinpipe_sink_free(sink);
    pinpipe_kafka_mock_free(mock);
    pinpipe_kafka_admin_free(admin);
    pinpipe_kafka_consumer_free(consumer);
    pinpipe_kafka_producer_free(producer);
}

static void gateway(void) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_gateway *server = NULL;
    pinpipe_gateway_options options = PINPIPE_GATEWAY_OPTIONS_INIT;
    options.listen = pinpipe_str_of("127.0.0.1:0");
    options.brokers = pinpipe_str_of("127.0.0.1:1");
    print("gateway", pinpipe_gateway_open(&server, &options, &err), &err);
    pinpipe_gateway_free(server);
}

static void s3(void) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_s3 *client = NULL;
    pinpipe_credentials *credentials = NULL;
    pinpipe_s3_options options = PINPIPE_S3_OPTIONS_INIT;
    options.endpoint = pinpipe_str_of("http://127.0.0.1:1");
    options.region = pinpipe_str_of("eu-west-1");
    pinpipe_credentials_options keys = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    keys.access_key_id = keys.secret_access_key = pinpipe_str_of("AKIDEXAMPLE");
    print("keys", pinpipe_credentials_new(&credentials, &keys, &err), &err);
    options.credentials = credentials;
    print("s3", pinpipe_s3_new(&client, &options, &err), &err);
    pinpipe_s3_free(client);
    pinpipe_credentials_free(credentials);
}

static void rest(void) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_kafka_rest *client = NULL;
    pinpipe_kafka_rest_options options = PINPIPE_KAFKA_REST_OPTIONS_INIT;
    options.endpoint = pinpipe_str_of("http://127.0.0.1:1/test");
    print("kafka_rest", pinpipe_kafka_rest_new(&client, &options, &err), &err);
    pinpipe_kafka_rest_free(client);
}

static void kinesis(void) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_kinesis *client = NULL;
    pinpipe_kinesis_producer *producer = NULL;
    pinpipe_kinesis_options options = PINPIPE_KINESIS_OPTIONS_INIT;
    options.endpoint = pinpipe_str_of("http://127.0.0.1:1");
    options.region = pinpipe_str_of("no region");
    pinpipe_kinesis_producer_options writing = PINPIPE_KINESIS_PRODUCER_OPTIONS_INIT;
    writing.stream = pinpipe_str_of("parts");
    writing.client = &options;
    print("kinesis", pinpipe_kinesis_new(&client, &options, &err), &err);
    print("kinesis_producer", pinpipe_kinesis_producer_new(&producer, &writing, &err), &err);
    pinpipe_kinesis_producer_free(producer);
    pinpipe_kinesis_free(client);
}

int main(void) {
    kafka();
    gateway();
    s3();
    rest();
    kinesis();
    return 0;
}
