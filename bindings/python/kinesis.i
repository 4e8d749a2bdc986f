/* Turns the Kinesis client into pinpipe.native, its options structs spread out as arguments.
 * Never holds the GIL while a request is under way; a batch becomes Python objects in a call of its own.
 * Rules: docs/architecture.md, "The Python border". */
%{
#include "pinpipe/kinesis.h"

static PyObject *text_or_none(pinpipe_str text) {
    return text.len ? text_of(text) : Py_BuildValue("");
}

/* A tuple of objects, all of which it takes; NULL where one of them could not be made. */
static PyObject *tuple_of(PyObject **parts, Py_ssize_t count) {
    PyObject *tuple = PyTuple_New(count);
    for (Py_ssize_t i = 0; i < count; i++) {
        if (tuple && parts[i]) {
            PyTuple_SetItem(tuple, i, parts[i]);
        } else {
            Py_XDECREF(parts[i]);
            Py_CLEAR(tuple);
        }
    }
    return tuple;
}

static PyObject *number_or_none(int64_t number) {
    return number < 0 ? Py_BuildValue("") : PyLong_FromLongLong((long long)number);
}

/* (name, ARN, state, mode, open shards, hours of retention, bytes of a record) */
static PyObject *stream_tuple(const pinpipe_kinesis_stream *stream) {
    PyObject *parts[] = {text_of(stream->name),          text_of(stream->arn),
                         text_of(stream->state),         text_or_none(stream->mode),
                         number_or_none(stream->open_shard_count), number_or_none(stream->retention_h),
                         number_or_none(stream->record_max_bytes)};
    return tuple_of(parts, 7);
}

/* (shard, sequence number) */
static PyObject *place_tuple(const pinpipe_kinesis_place *place) {
    PyObject *parts[] = {text_of(place->shard_id), text_of(place->sequence_number)};
    return tuple_of(parts, 2);
}

/* Makes a list of `count` objects, each made by `make`. */
static PyObject *list_of(int64_t count, PyObject *(*make)(const void *from, int64_t index), const void *from) {
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (int64_t i = 0; list && i < count; i++) {
        PyObject *made = make(from, i);
        if (!made) {
            Py_CLEAR(list);
        } else {
            PyList_SetItem(list, (Py_ssize_t)i, made);
        }
    }
    return list;
}

static PyObject *name_object(const void *kinesis, int64_t index) {
    return text_of(pinpipe_kinesis_stream_name_at(kinesis, index));
}

static PyObject *shard_object(const void *kinesis, int64_t index) {
    pinpipe_kinesis_shard shard = pinpipe_kinesis_shard_at(kinesis, index);
    PyObject *parts[] = {text_of(shard.id),
                         text_or_none(shard.parent_id),
                         text_or_none(shard.adjacent_id),
                         text_of(shard.first_hash),
                         text_of(shard.last_hash),
                         text_of(shard.first_sequence),
                         text_or_none(shard.last_sequence)};
    return tuple_of(parts, 7);
}

static PyObject *item_object(const void *batch, int64_t index) {
    pinpipe_kinesis_item item = pinpipe_kinesis_batch_at(batch, index);
    PyObject *parts[] = {text_of(item.partition_key), bytes_of(item.data), text_of(item.sequence_number),
                         number_or_none(item.arrival_us)};
    return tuple_of(parts, 4);
}

/* (tag, status, attempts, ms, shard, sequence number) */
static PyObject *report_tuple(const pinpipe_kinesis_report *report) {
    PyObject *parts[] = {PyLong_FromLongLong((long long)report->tag),        PyLong_FromLong(report->status),
                         PyLong_FromLong(report->attempts),                  PyLong_FromLongLong((long long)report->latency_ms),
                         text_or_none(report->shard_id), text_or_none(report->sequence_number)};
    return tuple_of(parts, 6);
}
%}

%typemap(in, numinputs=0) pinpipe_kinesis_stream *out (pinpipe_kinesis_stream local = {{0}}) {
    $1 = &local;
}
%typemap(argout) pinpipe_kinesis_stream *out {
    if (result >= 0) {
        $result = append_output($result, stream_tuple($1));
    }
}
%typemap(in, numinputs=0) pinpipe_kinesis_place *out (pinpipe_kinesis_place local = {{0}}) {
    $1 = &local;
}
%typemap(argout) pinpipe_kinesis_place *out {
    if (result >= 0) {
        $result = append_output($result, place_tuple($1));
    }
}

PINPIPE_HANDLE(pinpipe_kinesis)
PINPIPE_HANDLE(pinpipe_kinesis_batch)
PINPIPE_HANDLE(pinpipe_kinesis_producer)

pinpipe_status pinpipe_kinesis_stream_put(pinpipe_kinesis *kinesis, pinpipe_str stream, int64_t shard_count,
                                          int64_t timeout_ms, pinpipe_error *err);
pinpipe_status pinpipe_kinesis_stream_delete(pinpipe_kinesis *kinesis, pinpipe_str stream, int64_t timeout_ms,
                                             pinpipe_error *err);
pinpipe_status pinpipe_kinesis_stream_get(pinpipe_kinesis_stream *out, pinpipe_kinesis *kinesis, pinpipe_str stream,
                                          int64_t timeout_ms, pinpipe_error *err);
pinpipe_status pinpipe_kinesis_streams_list(pinpipe_kinesis *kinesis, int64_t timeout_ms, pinpipe_error *err);
pinpipe_status pinpipe_kinesis_shards_list(pinpipe_kinesis *kinesis, pinpipe_str stream, int64_t timeout_ms,
                                           pinpipe_error *err);
pinpipe_status pinpipe_kinesis_shards_set(pinpipe_kinesis *kinesis, pinpipe_str stream, int64_t shard_count,
                                          int64_t timeout_ms, pinpipe_error *err);
pinpipe_status pinpipe_kinesis_fan_out_put(pinpipe_buf *out, pinpipe_kinesis *kinesis, pinpipe_str stream_arn,
                                           pinpipe_str name, int64_t timeout_ms, pinpipe_error *err);
pinpipe_status pinpipe_kinesis_fan_out_delete(pinpipe_kinesis *kinesis, pinpipe_str fan_out_arn, int64_t timeout_ms,
                                              pinpipe_error *err);
pinpipe_status pinpipe_kinesis_batch_new(pinpipe_kinesis_batch **out, pinpipe_error *err);
pinpipe_status pinpipe_kinesis_records_get(pinpipe_kinesis_batch *batch, pinpipe_kinesis *kinesis,
                                           pinpipe_str iterator, int64_t record_max, int64_t timeout_ms,
                                           pinpipe_error *err);
pinpipe_str pinpipe_kinesis_batch_iterator(const pinpipe_kinesis_batch *batch);
int64_t pinpipe_kinesis_batch_behind_ms(const pinpipe_kinesis_batch *batch);

pinpipe_status pinpipe_kinesis_producer_flush(pinpipe_kinesis_producer *producer, int64_t timeout_ms,
                                              pinpipe_error *err);
pinpipe_status pinpipe_kinesis_producer_poll(pinpipe_kinesis_producer *producer, int64_t timeout_ms,
                                             pinpipe_error *err);
const char *pinpipe_kinesis_gateway_form_name(int32_t form);
const char *pinpipe_kinesis_gateway_fault_text(pinpipe_str sent, pinpipe_str stored);
int64_t pinpipe_kinesis_producer_count(const pinpipe_kinesis_producer *producer, int32_t counter);
const char *pinpipe_kinesis_counter_name(int32_t counter);

%constant int KINESIS_JSON = PINPIPE_KINESIS_JSON;
%constant int KINESIS_CBOR = PINPIPE_KINESIS_CBOR;
%constant int KINESIS_TRIM_HORIZON = PINPIPE_KINESIS_TRIM_HORIZON;
%constant int KINESIS_LATEST = PINPIPE_KINESIS_LATEST;
%constant int KINESIS_AT_SEQUENCE = PINPIPE_KINESIS_AT_SEQUENCE;
%constant int KINESIS_AFTER_SEQUENCE = PINPIPE_KINESIS_AFTER_SEQUENCE;
%constant int KINESIS_AT_TIMESTAMP = PINPIPE_KINESIS_AT_TIMESTAMP;
%constant int KINESIS_ORDER_NONE = PINPIPE_KINESIS_ORDER_NONE;
%constant int KINESIS_ORDER_KEY = PINPIPE_KINESIS_ORDER_KEY;
%constant int KINESIS_ORDER_STRICT = PINPIPE_KINESIS_ORDER_STRICT;
%constant int KINESIS_REPORTS_NONE = PINPIPE_KINESIS_REPORTS_NONE;
%constant int KINESIS_REPORTS_ALL = PINPIPE_KINESIS_REPORTS_ALL;
%constant int KINESIS_GATEWAY_RECORDS = PINPIPE_KINESIS_GATEWAY_RECORDS;
%constant int KINESIS_GATEWAY_RECORD = PINPIPE_KINESIS_GATEWAY_RECORD;
%constant int KINESIS_GATEWAY_AUTH_NONE = PINPIPE_KINESIS_GATEWAY_AUTH_NONE;
%constant int KINESIS_GATEWAY_AUTH_IAM = PINPIPE_KINESIS_GATEWAY_AUTH_IAM;
%constant int KINESIS_WRITTEN = PINPIPE_KINESIS_WRITTEN;
%constant int KINESIS_DELIVERED = PINPIPE_KINESIS_DELIVERED;
%constant int KINESIS_FAILED = PINPIPE_KINESIS_FAILED;

/* These build Python objects. */
%nothread kinesis_stream_names;
%nothread kinesis_shards;
%nothread kinesis_batch_items;
%nothread kinesis_producer_reports;
%nothread kinesis_producer_shards;
%nothread kinesis_producer_codes;

%inline %{
static pinpipe_status kinesis_new(pinpipe_kinesis **out, const pinpipe_provider *provider, pinpipe_str endpoint,
                                  pinpipe_str region, pinpipe_str ca_file, int32_t wire, int64_t connect_timeout_ms,
                                  int64_t timeout_ms, int32_t attempts_max, pinpipe_error *err) {
    pinpipe_kinesis_options options = PINPIPE_KINESIS_OPTIONS_INIT;
    options.provider = provider;
    options.endpoint = endpoint;
    options.region = region;
    options.ca_file = ca_file;
    options.wire = wire;
    options.connect_timeout_ms = connect_timeout_ms;
    options.timeout_ms = timeout_ms;
    options.attempts_max = attempts_max;
    return pinpipe_kinesis_new(out, &options, err);
}

static pinpipe_status kinesis_shard_split(pinpipe_kinesis *kinesis, pinpipe_str stream, pinpipe_str shard_id,
                                          pinpipe_str hash_key, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_kinesis_split split = {shard_id, hash_key};
    return pinpipe_kinesis_shard_split(kinesis, stream, split, timeout_ms, err);
}

static pinpipe_status kinesis_shards_merge(pinpipe_kinesis *kinesis, pinpipe_str stream, pinpipe_str shard_id,
                                           pinpipe_str adjacent_id, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_kinesis_merge merge = {shard_id, adjacent_id};
    return pinpipe_kinesis_shards_merge(kinesis, stream, merge, timeout_ms, err);
}

static pinpipe_status kinesis_record_put(pinpipe_kinesis_place *out, pinpipe_kinesis *kinesis, pinpipe_str stream,
                                         pinpipe_str data, pinpipe_str partition_key, pinpipe_str hash_key,
                                         int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_kinesis_record record = PINPIPE_KINESIS_RECORD_INIT;
    record.data = data;
    record.partition_key = partition_key;
    record.hash_key = hash_key;
    return pinpipe_kinesis_record_put(out, kinesis, stream, &record, timeout_ms, err);
}

static pinpipe_status kinesis_iterator_get(pinpipe_buf *out, pinpipe_kinesis *kinesis, pinpipe_str stream,
                                           pinpipe_str shard_id, int32_t start, pinpipe_str sequence_number,
                                           int64_t time_ms, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_kinesis_position position = PINPIPE_KINESIS_POSITION_INIT;
    position.stream = stream;
    position.shard_id = shard_id;
    position.start = start;
    position.sequence_number = sequence_number;
    position.time_ms = time_ms;
    return pinpipe_kinesis_iterator_get(out, kinesis, &position, timeout_ms, err);
}

static PyObject *kinesis_stream_names(const pinpipe_kinesis *kinesis) {
    return list_of(pinpipe_kinesis_stream_count(kinesis), name_object, kinesis);
}

static PyObject *kinesis_shards(const pinpipe_kinesis *kinesis) {
    return list_of(pinpipe_kinesis_shard_count(kinesis), shard_object, kinesis);
}

static PyObject *kinesis_batch_items(const pinpipe_kinesis_batch *batch) {
    return list_of(pinpipe_kinesis_batch_count(batch), item_object, batch);
}

static pinpipe_status kinesis_producer_new(pinpipe_kinesis_producer **out, pinpipe_str stream,
                                           const pinpipe_provider *provider, pinpipe_str endpoint,
                                           pinpipe_str region, pinpipe_str ca_file, int32_t wire, int64_t timeout_ms,
                                           int32_t ordering, int32_t reports, int64_t memory_max_bytes,
                                           int64_t linger_ms, int64_t request_records, int64_t request_bytes,
                                           int64_t delivery_timeout_ms, int64_t aggregate_bytes, int32_t in_flight,
                                           pinpipe_str gateway_endpoint, int32_t form, int32_t resource,
                                           pinpipe_str api_key, int32_t auth, pinpipe_error *err) {
    pinpipe_kinesis_gateway gateway = PINPIPE_KINESIS_GATEWAY_INIT;
    pinpipe_kinesis_options client = PINPIPE_KINESIS_OPTIONS_INIT;
    pinpipe_kinesis_producer_options options = PINPIPE_KINESIS_PRODUCER_OPTIONS_INIT;
    client.provider = provider;
    client.endpoint = endpoint;
    client.region = region;
    client.ca_file = ca_file;
    client.wire = wire;
    client.timeout_ms = timeout_ms;
    options.client = &client;
    options.stream = stream;
    options.ordering = ordering;
    options.reports = reports;
    options.memory_max_bytes = memory_max_bytes;
    options.linger_ms = linger_ms;
    options.request_records = request_records;
    options.request_bytes = request_bytes;
    options.delivery_timeout_ms = delivery_timeout_ms;
    options.aggregate_bytes = aggregate_bytes;
    options.in_flight = in_flight;
    gateway.endpoint = gateway_endpoint;
    gateway.form = form;
    gateway.resource = resource;
    gateway.api_key = api_key;
    gateway.auth = auth;
    options.gateway = gateway_endpoint.ptr ? &gateway : NULL;
    return pinpipe_kinesis_producer_new(out, &options, err);
}

static pinpipe_status kinesis_producer_write(pinpipe_kinesis_producer *producer, pinpipe_str data,
                                             pinpipe_str partition_key, pinpipe_str hash_key, int64_t tag,
                                             int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_kinesis_record record = PINPIPE_KINESIS_RECORD_INIT;
    record.data = data;
    record.partition_key = partition_key;
    record.hash_key = hash_key;
    return pinpipe_kinesis_producer_write(producer, &record, tag, timeout_ms, err);
}

/* Appends what `made` is to a list, which goes where it could not be made. */
static PyObject *list_with(PyObject *list, PyObject *made) {
    if (!made || PyList_Append(list, made) != 0) {
        Py_CLEAR(list);
    }
    Py_XDECREF(made);
    return list;
}

/* (shard, delivered, refused, throttled, pace in percent, ms until it may send) of every shard. */
static PyObject *kinesis_producer_shards(pinpipe_kinesis_producer *producer) {
    pinpipe_kinesis_shard_metrics shard = PINPIPE_KINESIS_SHARD_METRICS_INIT;
    PyObject *list = PyList_New(0);
    for (int64_t i = 0; list && pinpipe_kinesis_producer_shard_at(&shard, producer, i, NULL) == PINPIPE_OK; i++) {
        list = list_with(list, Py_BuildValue("(sLLLiL)", shard.shard_id, (long long)shard.delivered,
                                             (long long)shard.refused, (long long)shard.throttled, shard.pace_percent,
                                             (long long)shard.waiting_ms));
    }
    return list;
}

/* (code, count) of every error code. */
static PyObject *kinesis_producer_codes(pinpipe_kinesis_producer *producer) {
    pinpipe_kinesis_code_metrics code = PINPIPE_KINESIS_CODE_METRICS_INIT;
    PyObject *list = PyList_New(0);
    for (int64_t i = 0; list && pinpipe_kinesis_producer_code_at(&code, producer, i, NULL) == PINPIPE_OK; i++) {
        list = list_with(list, Py_BuildValue("(sL)", code.code, (long long)code.count));
    }
    return list;
}

/* All reports that wait, as tuples. */
static PyObject *kinesis_producer_reports(pinpipe_kinesis_producer *producer) {
    pinpipe_kinesis_report report;
    PyObject *list = PyList_New(0);
    while (list && pinpipe_kinesis_producer_report_next(&report, producer, NULL) == PINPIPE_OK) {
        list = list_with(list, report_tuple(&report));
    }
    return list;
}
%}
