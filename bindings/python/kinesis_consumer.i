/* Turns the Kinesis consumer into pinpipe.native, its options structs spread out as arguments.
 * Never holds the GIL while a request is under way, and makes no object a record but where one is asked for.
 * Rules: docs/kinesis.md, "Consumer"; docs/architecture.md, "The Python border". */
%{
#include "pinpipe/kinesis_rows.h"

/* (shard, start, sequence number, number in the aggregate, milliseconds) */
static PyObject *position_tuple(const pinpipe_kinesis_position *position) {
    PyObject *parts[] = {text_of(position->shard_id), PyLong_FromLong(position->start), text_of(position->sequence_number),
                         PyLong_FromLongLong((long long)position->sub_sequence),
                         PyLong_FromLongLong((long long)position->time_ms)};
    return tuple_of(parts, 5);
}

/* (key, data, shard, sequence number, microseconds, hash key, number in the aggregate, stray) */
static PyObject *received_object(const void *records, int64_t index) {
    pinpipe_kinesis_item item = pinpipe_kinesis_records_at(records, index);
    PyObject *parts[] = {text_of(item.partition_key),   bytes_of(item.data),
                         text_of(item.shard_id),        text_of(item.sequence_number),
                         number_or_none(item.arrival_us), text_or_none(item.hash_key),
                         number_or_none(item.sub_sequence), PyBool_FromLong(item.flags & PINPIPE_KINESIS_IS_STRAY)};
    return tuple_of(parts, 8);
}

static PyObject *place_object(const void *records, int64_t index) {
    pinpipe_kinesis_position position = pinpipe_kinesis_records_position_at(records, index);
    return position_tuple(&position);
}

/* (id, parent, other parent, first and last hash key, state, position, ms behind, records, error) */
static PyObject *consumer_shard_object(const void *consumer, int64_t index) {
    pinpipe_kinesis_consumer_shard shard = PINPIPE_KINESIS_CONSUMER_SHARD_INIT;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    if (pinpipe_kinesis_consumer_shard_at(&shard, consumer, index, &err) < 0) {
        raise_error(&err);
        return NULL;
    }
    PyObject *parts[] = {text_of(shard.shard.id),
                         text_or_none(shard.shard.parent_id),
                         text_or_none(shard.shard.adjacent_id),
                         text_of(shard.shard.first_hash),
                         text_of(shard.shard.last_hash),
                         PyLong_FromLong(shard.state),
                         position_tuple(&shard.position),
                         number_or_none(shard.behind_ms),
                         PyLong_FromLongLong((long long)shard.records),
                         text_or_none(shard.error)};
    return tuple_of(parts, 10);
}
%}

PINPIPE_HANDLE(pinpipe_kinesis_consumer)
PINPIPE_HANDLE(pinpipe_kinesis_records)

pinpipe_status pinpipe_kinesis_consumer_shards_list(pinpipe_kinesis_consumer *consumer, int64_t timeout_ms,
                                                    pinpipe_error *err);
pinpipe_status pinpipe_kinesis_consumer_shard_release(pinpipe_kinesis_consumer *consumer, pinpipe_str shard_id,
                                                      pinpipe_error *err);
pinpipe_status pinpipe_kinesis_records_new(pinpipe_kinesis_records **out, pinpipe_error *err);
int64_t pinpipe_kinesis_records_count(const pinpipe_kinesis_records *records);
pinpipe_str pinpipe_kinesis_records_stream(const pinpipe_kinesis_records *records);
int64_t pinpipe_kinesis_consumer_count(const pinpipe_kinesis_consumer *consumer, int32_t counter);
const char *pinpipe_kinesis_consumer_counter_name(int32_t counter);

%constant int KINESIS_ROUTE_ALL = PINPIPE_KINESIS_ROUTE_ALL;
%constant int KINESIS_ROUTE_KEY = PINPIPE_KINESIS_ROUTE_KEY;
%constant int KINESIS_SHARD_END = PINPIPE_KINESIS_SHARD_END;
%constant int KINESIS_READ_ALL = PINPIPE_KINESIS_READ_ALL;
%constant int KINESIS_READ_TAKEN = PINPIPE_KINESIS_READ_TAKEN;
%constant int KINESIS_STRAYS_DROP = PINPIPE_KINESIS_STRAYS_DROP;
%constant int KINESIS_STRAYS_KEEP = PINPIPE_KINESIS_STRAYS_KEEP;
%constant int KINESIS_COLUMNS_SOURCE = PINPIPE_KINESIS_COLUMNS_SOURCE;
%constant int KINESIS_COLUMNS_ALL = PINPIPE_KINESIS_COLUMNS_ALL;

/* These build Python objects. */
%nothread kinesis_consumer_shards;
%nothread kinesis_records_items;
%nothread kinesis_records_positions;
%nothread kinesis_records_capsules;
%nothread kinesis_records_unrouted;

%inline %{
static pinpipe_status kinesis_consumer_new(pinpipe_kinesis_consumer **out, pinpipe_str stream,
                                           const pinpipe_provider *provider, pinpipe_str endpoint,
                                           pinpipe_str region, pinpipe_str ca_file, int32_t wire, int64_t timeout_ms,
                                           int32_t reading, int32_t start, int64_t start_ms, int32_t strays,
                                           int64_t memory_max_bytes, int64_t fetch_records, int64_t idle_ms,
                                           int64_t stuck_ms, int64_t audit_ms, int32_t in_flight,
                                           pinpipe_str fan_out,
                                           pinpipe_error *err) {
    pinpipe_kinesis_options client = PINPIPE_KINESIS_OPTIONS_INIT;
    pinpipe_kinesis_consumer_options options = PINPIPE_KINESIS_CONSUMER_OPTIONS_INIT;
    client.provider = provider;
    client.endpoint = endpoint;
    client.region = region;
    client.ca_file = ca_file;
    client.wire = wire;
    client.timeout_ms = timeout_ms;
    options.client = &client;
    options.stream = stream;
    options.reading = reading;
    options.start = start;
    options.start_ms = start_ms;
    options.strays = strays;
    options.memory_max_bytes = memory_max_bytes;
    options.fetch_records = fetch_records;
    options.idle_ms = idle_ms;
    options.stuck_ms = stuck_ms;
    options.audit_ms = audit_ms;
    options.in_flight = in_flight;
    options.fan_out = fan_out;
    return pinpipe_kinesis_consumer_new(out, &options, err);
}

static pinpipe_status kinesis_consumer_shard_take(pinpipe_kinesis_consumer *consumer, pinpipe_str shard_id,
                                                  int32_t start, pinpipe_str sequence_number, int64_t sub_sequence,
                                                  int64_t time_ms, pinpipe_error *err) {
    pinpipe_kinesis_position position = PINPIPE_KINESIS_POSITION_INIT;
    position.shard_id = shard_id;
    position.start = start;
    position.sequence_number = sequence_number;
    position.sub_sequence = sub_sequence;
    position.time_ms = time_ms;
    return pinpipe_kinesis_consumer_shard_take(consumer, &position, err);
}

static pinpipe_status kinesis_consumer_read(pinpipe_kinesis_records *records, pinpipe_kinesis_consumer *consumer,
                                            int64_t max_records, int64_t max_bytes, int64_t timeout_ms,
                                            pinpipe_error *err) {
    pinpipe_kinesis_read_options options = PINPIPE_KINESIS_READ_OPTIONS_INIT;
    options.max_records = max_records;
    options.max_bytes = max_bytes;
    return pinpipe_kinesis_consumer_read(records, consumer, &options, timeout_ms, err);
}

static PyObject *kinesis_consumer_shards(const pinpipe_kinesis_consumer *consumer) {
    return list_of(pinpipe_kinesis_consumer_shard_count(consumer), consumer_shard_object, consumer);
}

static PyObject *kinesis_records_items(const pinpipe_kinesis_records *records) {
    return list_of(pinpipe_kinesis_records_count(records), received_object, records);
}

static PyObject *kinesis_records_positions(const pinpipe_kinesis_records *records) {
    return list_of(pinpipe_kinesis_records_position_count(records), place_object, records);
}

/* (schema, array) capsules. */
static PyObject *kinesis_records_capsules(const pinpipe_kinesis_records *records, int32_t columns) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    struct ArrowSchema *schema = calloc(1, sizeof *schema);
    struct ArrowArray *array = calloc(1, sizeof *array);
    if (!schema || !array) {
        free(schema);
        free(array);
        return PyErr_NoMemory();
    }
    if (pinpipe_kinesis_records_export(array, schema, records, columns, &err) < 0) {
        free(schema);
        free(array);
        raise_error(&err);
        return NULL;
    }
    return Py_BuildValue("(NN)", PyCapsule_New(schema, "arrow_schema", schema_capsule_free),
                         PyCapsule_New(array, "arrow_array", array_capsule_free));
}

/* How many records were read or passed, from `first` on, until the batch was full. */
static pinpipe_status kinesis_records_decode(int64_t *OUTPUT, pinpipe_decoder *decoder, pinpipe_batch *batch,
                                             const pinpipe_kinesis_records *records, int64_t first, int32_t routing,
                                             pinpipe_report *report, pinpipe_error *err) {
    pinpipe_status status =
        pinpipe_kinesis_records_decode(OUTPUT, decoder, batch, records, first, routing, report, err);
    return status < 0 ? status : PINPIPE_OK;
}

/* (index, key, data, source) of the records whose key names no record type */
static PyObject *kinesis_records_unrouted(const pinpipe_kinesis_records *records) {
    PyObject *list = PyList_New(0);
    for (int64_t i = 0; list && i < pinpipe_kinesis_records_count(records); i++) {
        pinpipe_kinesis_item item = pinpipe_kinesis_records_at(records, i);
        pinpipe_buf source = PINPIPE_BUF_INIT;
        if (pinpipe_kinesis_key_record(item.partition_key) >= 0) {
            continue;
        }
        bool is_told = pinpipe_kinesis_records_source(&source, records, i, NULL) == PINPIPE_OK;
        PyObject *parts[] = {PyLong_FromLongLong((long long)i), text_of(item.partition_key), bytes_of(item.data),
                             is_told ? text_of((pinpipe_str){source.ptr, source.len}) : PyErr_NoMemory()};
        PyObject *tuple = tuple_of(parts, 4);
        if (!tuple || PyList_Append(list, tuple) != 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(tuple);
        pinpipe_buf_reset(&source);
    }
    return list;
}
%}
