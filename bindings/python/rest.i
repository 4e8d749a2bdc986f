/* Turns the REST proxy's client into pinpipe.native, its options struct spread out as arguments.
 * Never holds the GIL while a request is under way.
 * Rules: docs/architecture.md, "The Python border". */
%{
#include "pinpipe/kafka_rest.h"
%}

PINPIPE_HANDLE(pinpipe_kafka_rest)

pinpipe_status pinpipe_kafka_rest_flush(pinpipe_kafka_rest *rest, int64_t timeout_ms, pinpipe_error *err);
pinpipe_status pinpipe_kafka_rest_poll(pinpipe_kafka_rest *rest, pinpipe_error *err);

%constant int KAFKA_REST_ORDER_TOPIC = PINPIPE_KAFKA_REST_ORDER_TOPIC;
%constant int KAFKA_REST_ORDER_NONE = PINPIPE_KAFKA_REST_ORDER_NONE;
%constant int KAFKA_REST_AUTH_NONE = PINPIPE_KAFKA_REST_AUTH_NONE;
%constant int KAFKA_REST_AUTH_IAM = PINPIPE_KAFKA_REST_AUTH_IAM;
%constant int KAFKA_REST_KEEP_NONE = PINPIPE_KAFKA_REST_KEEP_NONE;
%constant int KAFKA_REST_KEEP_RESULT = PINPIPE_KAFKA_REST_KEEP_RESULT;

/* These build Python objects. */
%nothread kafka_rest_results;
%nothread kafka_rest_counters;

%apply int64_t *OUTPUT { int64_t *taken_bytes, int64_t *number };

%inline %{
static pinpipe_status kafka_rest_new(pinpipe_kafka_rest **out, pinpipe_str endpoint, pinpipe_str api_key, int32_t auth,
                                     const pinpipe_provider *provider, pinpipe_str region, pinpipe_str ca_file,
                                     int32_t order, int32_t in_flight, int64_t batch_records, int64_t batch_bytes,
                                     int64_t linger_ms, int64_t queue_bytes, int64_t connect_timeout_ms,
                                     int64_t request_timeout_ms, int64_t delivery_timeout_ms, int64_t attempts_max,
                                     pinpipe_error *err) {
    pinpipe_kafka_rest_options options = PINPIPE_KAFKA_REST_OPTIONS_INIT;
    options.endpoint = endpoint;
    options.api_key = api_key;
    options.auth = auth;
    options.provider = provider;
    options.region = region;
    options.ca_file = ca_file;
    options.order = order;
    options.in_flight = in_flight;
    options.batch_records = batch_records;
    options.batch_bytes = batch_bytes;
    options.linger_ms = linger_ms;
    options.queue_bytes = queue_bytes;
    options.connect_timeout_ms = connect_timeout_ms;
    options.request_timeout_ms = request_timeout_ms;
    options.delivery_timeout_ms = delivery_timeout_ms;
    options.attempts_max = attempts_max;
    return pinpipe_kafka_rest_new(out, &options, err);
}

/* The record's number. */
static pinpipe_status kafka_rest_write(int64_t *number, pinpipe_kafka_rest *rest, pinpipe_str topic, pinpipe_str value,
                                       pinpipe_str key, int32_t partition, int32_t keep, int64_t timeout_ms,
                                       pinpipe_error *err) {
    pinpipe_kafka_rest_record record = PINPIPE_KAFKA_REST_RECORD_INIT;
    record.topic = topic;
    record.key = key;
    record.value = value;
    record.partition = partition;
    record.keep = keep;
    *number = pinpipe_kafka_rest_count(rest, PINPIPE_KAFKA_REST_WRITTEN);
    return pinpipe_kafka_rest_write(rest, &record, timeout_ms, err);
}

/* The number of the first record, and how much of the text was taken; AGAIN: not all, the queue stayed full. */
static pinpipe_status kafka_rest_lines_write(int64_t *number, int64_t *taken_bytes, pinpipe_kafka_rest *rest,
                                             pinpipe_str topic, pinpipe_str lines, int64_t from_bytes, int32_t keep,
                                             int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_kafka_rest_record record = PINPIPE_KAFKA_REST_RECORD_INIT;
    record.topic = topic;
    record.value.ptr = lines.ptr + from_bytes;
    record.value.len = lines.len - (size_t)from_bytes;
    record.keep = keep;
    *number = pinpipe_kafka_rest_count(rest, PINPIPE_KAFKA_REST_WRITTEN);
    pinpipe_status status = pinpipe_kafka_rest_lines_write(taken_bytes, rest, &record, timeout_ms, err);
    return status == PINPIPE_ETIMEOUT ? PINPIPE_AGAIN : status;
}

/* A list of (number, status, text, partition, offset, code, 1 where it may be written twice). */
static PyObject *kafka_rest_results(pinpipe_kafka_rest *rest) {
    PyObject *list = PyList_New(0);
    pinpipe_kafka_rest_result result = PINPIPE_KAFKA_REST_RESULT_INIT;
    while (list && pinpipe_kafka_rest_next(&result, rest) == PINPIPE_OK) {
        PyObject *tuple = Py_BuildValue("(LlNlLll)", (long long)result.number, (long)result.status,
                                        text_of(result.text), (long)result.partition, (long long)result.offset,
                                        (long)result.error_code, (long)result.may_repeat);
        if (!tuple || PyList_Append(list, tuple) != 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(tuple);
    }
    return list;
}

/* {name: value}, in the order of the counters. */
static PyObject *kafka_rest_counters(const pinpipe_kafka_rest *rest) {
    PyObject *counters = PyDict_New();
    for (int32_t i = 0; counters && i < PINPIPE_KAFKA_REST_COUNTER_COUNT; i++) {
        PyObject *value = PyLong_FromLongLong((long long)pinpipe_kafka_rest_count(rest, i));
        if (!value || PyDict_SetItemString(counters, pinpipe_kafka_rest_counter_name(i), value) != 0) {
            Py_CLEAR(counters);
        }
        Py_XDECREF(value);
    }
    return counters;
}
%}
