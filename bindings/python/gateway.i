/* Turns the gateway before Kafka and Kinesis into pinpipe.native, its options spread out as arguments.
 * Never holds the GIL while it serves.
 * Rules: docs/architecture.md, "The Python border". */
%{
#include "pinpipe/gateway.h"
%}

PINPIPE_HANDLE(pinpipe_gateway)

pinpipe_status pinpipe_gateway_poll(pinpipe_gateway *gateway, int64_t timeout_ms, pinpipe_error *err);
void pinpipe_gateway_stop(pinpipe_gateway *gateway);
pinpipe_status pinpipe_gateway_drain(pinpipe_gateway *gateway, int64_t timeout_ms, pinpipe_error *err);
pinpipe_status pinpipe_gateway_certificate_set(pinpipe_gateway *gateway, pinpipe_str certificate, pinpipe_str key,
                                               pinpipe_error *err);
pinpipe_str pinpipe_gateway_address(const pinpipe_gateway *gateway);

%constant int GATEWAY_FAILURE_TOLD = PINPIPE_GATEWAY_FAILURE_TOLD;
%constant int GATEWAY_FAILURE_MASKED = PINPIPE_GATEWAY_FAILURE_MASKED;

/* These build Python objects. */
%nothread gateway_counters;
%nothread gateway_operations;

%inline %{
static pinpipe_status gateway_open(pinpipe_gateway **out, pinpipe_str listen, pinpipe_str brokers,
                                   pinpipe_kafka_config *settings, pinpipe_str stages, int32_t failure,
                                   int64_t body_max_bytes, int64_t records_max, int64_t connections_max,
                                   int64_t answer_timeout_ms, pinpipe_str api_key, pinpipe_str allow_origin,
                                   bool has_kinesis, const pinpipe_provider *provider, pinpipe_str endpoint,
                                   pinpipe_str region, pinpipe_str streams, int64_t consumers_max,
                                   int64_t consumer_timeout_ms, pinpipe_str iam_keys, pinpipe_str iam_region,
                                   pinpipe_str tls_certificate, pinpipe_str tls_key, pinpipe_error *err) {
    pinpipe_kinesis_options kinesis = PINPIPE_KINESIS_OPTIONS_INIT;
    pinpipe_gateway_options options = PINPIPE_GATEWAY_OPTIONS_INIT;
    options.listen = listen;
    options.brokers = brokers;
    options.settings = settings;
    options.stages = stages;
    options.failure = failure;
    options.body_max_bytes = body_max_bytes;
    options.records_max = records_max;
    options.connections_max = connections_max;
    options.answer_timeout_ms = answer_timeout_ms;
    options.api_key = api_key;
    options.allow_origin = allow_origin;
    kinesis.provider = provider;
    kinesis.endpoint = endpoint;
    kinesis.region = region;
    options.kinesis = has_kinesis ? &kinesis : NULL;
    options.streams = streams;
    options.consumers_max = consumers_max;
    options.consumer_timeout_ms = consumer_timeout_ms;
    options.iam_keys = iam_keys;
    options.iam_region = iam_region;
    options.tls_certificate = tls_certificate;
    options.tls_key = tls_key;
    return pinpipe_gateway_open(out, &options, err);
}

/* A dict of a number a counter. */
static PyObject *gateway_counters(const pinpipe_gateway *gateway) {
    PyObject *counters = PyDict_New();
    for (int32_t i = 0; counters && i < PINPIPE_GATEWAY_COUNTER_COUNT; i++) {
        PyObject *number = PyLong_FromLongLong((long long)pinpipe_gateway_count(gateway, i));
        if (!number || PyDict_SetItemString(counters, pinpipe_gateway_counter_name(i), number) != 0) {
            Py_CLEAR(counters);
        }
        Py_XDECREF(number);
    }
    return counters;
}

/* A list of (method, path, action, text, its three templates). */
static PyObject *gateway_operations(void) {
    PyObject *operations = PyList_New(0);
    pinpipe_gateway_operation at = pinpipe_gateway_operation_at(0);
    for (int32_t i = 1; operations && at.method; i++) {
        PyObject *row = Py_BuildValue("(sssssss)", at.method, at.path, at.action, at.text, at.mapping_template,
                                      at.answer_template, at.refusal_template);
        if (!row || PyList_Append(operations, row) != 0) {
            Py_CLEAR(operations);
        }
        Py_XDECREF(row);
        at = pinpipe_gateway_operation_at(i);
    }
    return operations;
}
%}
