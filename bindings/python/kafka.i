/* Turns Kafka, the object sink and the emulator's draws into pinpipe.native, options structs spread out as arguments.
 * Never holds the GIL while it waits; a batch becomes Python objects in a call of its own.
 * Rules: docs/architecture.md, "The Python border". */
%{
#include <stddef.h>
#include <stdlib.h>

#include "pinpipe/emulator.h"
#include "pinpipe/kafka.h"
#include "pinpipe/sink.h"

/* What the last poll brought; borrowed from its consumer, which the Python object outlives it by. */
typedef struct kafka_batch {
    pinpipe_kafka_batch views;
} kafka_batch;

/* The numbers of a client's last count, and its document as long as the client is not called. */
typedef struct kafka_statistics {
    pinpipe_kafka_statistics numbers;
} kafka_statistics;

static void kafka_statistics_free(kafka_statistics *statistics) {
    free(statistics);
}

static void kafka_batch_free(kafka_batch *batch) {
    free(batch);
}

/* A sequence of (topic, partition, offset), which the caller keeps for the time of the call. */
static int borrow_offsets(PyObject *object, pinpipe_kafka_offset **out, int64_t *count) {
    Py_ssize_t len = PySequence_Size(object);
    *out = len > 0 ? PyMem_Calloc((size_t)len, sizeof **out) : NULL;
    if (len < 0 || (len > 0 && !*out)) {
        return 0;
    }
    *count = (int64_t)len;
    for (Py_ssize_t i = 0; i < len; i++) {
        PyObject *place = PySequence_GetItem(object, i);
        PyObject *topic = place ? PySequence_GetItem(place, 0) : NULL;
        PyObject *partition = place ? PySequence_GetItem(place, 1) : NULL;
        PyObject *offset = place ? PySequence_GetItem(place, 2) : NULL;
        Py_ssize_t size = 0;
        (*out)[i].topic.ptr = topic ? PyUnicode_AsUTF8AndSize(topic, &size) : NULL;
        (*out)[i].topic.len = (size_t)size;
        (*out)[i].partition = partition ? (int32_t)PyLong_AsLong(partition) : 0;
        (*out)[i].offset = offset ? (int64_t)PyLong_AsLongLong(offset) : 0;
        Py_XDECREF(topic);
        Py_XDECREF(partition);
        Py_XDECREF(offset);
        Py_XDECREF(place);
        if (PyErr_Occurred()) {
            return 0;
        }
    }
    return 1;
}

/* Bytes, or None for Kafka's null. */
static PyObject *bytes_or_none(pinpipe_str bytes) {
    return bytes.ptr ? bytes_of(bytes) : Py_BuildValue("");
}

/* A tuple of (name, value); None is a null value. */
static PyObject *message_headers(const pinpipe_kafka_message *message) {
    int64_t count = pinpipe_kafka_message_header_count(message);
    PyObject *headers = PyTuple_New((Py_ssize_t)count);
    for (int64_t i = 0; headers && i < count; i++) {
        pinpipe_kafka_header header = pinpipe_kafka_message_header_at(message, i);
        PyObject *pair = Py_BuildValue("(NN)", text_of(header.name), bytes_or_none(header.value));
        if (!pair || PyTuple_SetItem(headers, (Py_ssize_t)i, pair) != 0) {
            Py_CLEAR(headers);
        }
    }
    return headers;
}
%}

%typemap(in) (const pinpipe_kafka_offset *offsets, int64_t count) {
    if (!borrow_offsets($input, &$1, &$2)) {
        if (!PyErr_Occurred()) {
            PyErr_NoMemory();
        }
        SWIG_fail;
    }
}
%typemap(arginit) (const pinpipe_kafka_offset *offsets, int64_t count) {
    $1 = NULL;
}
%typemap(freearg) (const pinpipe_kafka_offset *offsets, int64_t count) {
    PyMem_Free((void *)$1);
}
%apply (const pinpipe_kafka_offset *offsets, int64_t count) { (pinpipe_kafka_offset *offsets, int64_t count) };
/* The offsets that were asked for, in the order of the question. */
%typemap(argout) (pinpipe_kafka_offset *offsets, int64_t count) {
    if (result >= 0) {
        PyObject *list = PyList_New(0);
        for (int64_t i = 0; list && i < $2; i++) {
            PyObject *offset = PyLong_FromLongLong((long long)$1[i].offset);
            if (!offset || PyList_Append(list, offset) != 0) {
                Py_CLEAR(list);
            }
            Py_XDECREF(offset);
        }
        $result = append_output($result, list);
    }
}
%typemap(argout) (const pinpipe_kafka_offset *offsets, int64_t count) "";

PINPIPE_HANDLE(pinpipe_kafka_config)
PINPIPE_HANDLE(pinpipe_kafka_producer)
PINPIPE_HANDLE(pinpipe_kafka_consumer)
PINPIPE_HANDLE(pinpipe_kafka_admin)
PINPIPE_HANDLE(pinpipe_kafka_mock)
PINPIPE_HANDLE(pinpipe_sink)
PINPIPE_HANDLE(pinpipe_sink_config)
PINPIPE_HANDLE(pinpipe_draws)
PINPIPE_HANDLE(kafka_batch)
PINPIPE_HANDLE(kafka_statistics)

pinpipe_status pinpipe_kafka_config_new(pinpipe_kafka_config **out, pinpipe_error *err);
pinpipe_status pinpipe_kafka_config_set(pinpipe_kafka_config *config, pinpipe_str name, pinpipe_str value,
                                        pinpipe_error *err);
pinpipe_status pinpipe_kafka_config_decode(pinpipe_kafka_config *config, pinpipe_str text, pinpipe_error *err);
pinpipe_status pinpipe_kafka_producer_new(pinpipe_kafka_producer **out, pinpipe_str brokers,
                                          const pinpipe_kafka_config *config, pinpipe_error *err);
pinpipe_status pinpipe_kafka_producer_flush(pinpipe_kafka_producer *producer, int64_t timeout_ms, pinpipe_error *err);
pinpipe_status pinpipe_kafka_producer_poll(pinpipe_kafka_producer *producer, pinpipe_error *err);
int64_t pinpipe_kafka_producer_written_count(const pinpipe_kafka_producer *producer);
int64_t pinpipe_kafka_producer_delivered_count(const pinpipe_kafka_producer *producer);
int64_t pinpipe_kafka_producer_failed_count(const pinpipe_kafka_producer *producer);
int64_t pinpipe_kafka_consumer_generation(const pinpipe_kafka_consumer *consumer);
pinpipe_status pinpipe_kafka_consumer_commit(pinpipe_kafka_consumer *consumer, const pinpipe_kafka_offset *offsets,
                                             int64_t count, int64_t timeout_ms, pinpipe_error *err);
pinpipe_status pinpipe_kafka_consumer_pause(pinpipe_kafka_consumer *consumer, const pinpipe_kafka_offset *offsets,
                                            int64_t count, int64_t timeout_ms, pinpipe_error *err);
pinpipe_status pinpipe_kafka_consumer_resume(pinpipe_kafka_consumer *consumer, const pinpipe_kafka_offset *offsets,
                                             int64_t count, pinpipe_error *err);
pinpipe_status pinpipe_kafka_consumer_committed(pinpipe_kafka_offset *offsets, int64_t count,
                                                pinpipe_kafka_consumer *consumer, int64_t timeout_ms,
                                                pinpipe_error *err);
pinpipe_status pinpipe_kafka_admin_new(pinpipe_kafka_admin **out, pinpipe_str brokers,
                                       const pinpipe_kafka_config *config, pinpipe_error *err);
pinpipe_status pinpipe_kafka_admin_list(pinpipe_kafka_admin *admin, int64_t timeout_ms, pinpipe_error *err);
pinpipe_status pinpipe_kafka_admin_topic_delete(pinpipe_kafka_admin *admin, pinpipe_str name, int64_t timeout_ms,
                                                pinpipe_error *err);
pinpipe_status pinpipe_kafka_admin_topic_describe(pinpipe_kafka_admin *admin, pinpipe_str name, int64_t timeout_ms,
                                                  pinpipe_error *err);
pinpipe_status pinpipe_kafka_mock_new(pinpipe_kafka_mock **out, int64_t broker_count, pinpipe_error *err);
pinpipe_str pinpipe_kafka_mock_brokers(const pinpipe_kafka_mock *mock);
pinpipe_status pinpipe_sink_poll(pinpipe_sink *sink, int64_t timeout_ms, pinpipe_error *err);
pinpipe_status pinpipe_sink_flush(pinpipe_sink *sink, int64_t timeout_ms, pinpipe_error *err);
int64_t pinpipe_sink_generation(const pinpipe_sink *sink);
pinpipe_status pinpipe_sink_config_new(pinpipe_sink_config **out, pinpipe_error *err);
pinpipe_status pinpipe_sink_config_set(pinpipe_sink_config *config, pinpipe_str name, pinpipe_str value,
                                       pinpipe_error *err);
pinpipe_status pinpipe_sink_config_decode(pinpipe_sink_config *config, pinpipe_str text, pinpipe_error *err);
const char *pinpipe_sink_counter_name(int32_t counter);
const char *pinpipe_sink_counter_text(int32_t counter);
void pinpipe_draws_skip(pinpipe_draws *draws, int64_t count);

%constant int STATUS_AGAIN = PINPIPE_AGAIN;

/* These build Python objects. */
%nothread kafka_batch_messages;
%nothread kafka_batch_revoked;
%nothread kafka_admin_topics;
%nothread kafka_admin_description;
%nothread kafka_statistics_values;
%nothread sink_counters;
%nothread sink_positions;
%nothread sink_settings;
%nothread draws_next;

%inline %{
static pinpipe_status kafka_config_iam_set(pinpipe_kafka_config *config, const pinpipe_provider *provider,
                                           pinpipe_str region, pinpipe_error *err) {
    pinpipe_kafka_iam_options options = PINPIPE_KAFKA_IAM_OPTIONS_INIT;
    options.provider = provider;
    options.region = region;
    return pinpipe_kafka_config_iam_set(config, &options, err);
}

static pinpipe_status kafka_producer_write(pinpipe_kafka_producer *producer, pinpipe_str topic, pinpipe_str value,
                                           pinpipe_str key, int64_t timestamp_ms, int64_t timeout_ms,
                                           pinpipe_error *err) {
    pinpipe_kafka_record record = PINPIPE_KAFKA_RECORD_INIT;
    record.topic = topic;
    record.key = key;
    record.value = value;
    record.timestamp_ms = timestamp_ms;
    return pinpipe_kafka_producer_write(producer, &record, timeout_ms, err);
}

static pinpipe_status kafka_consumer_new(pinpipe_kafka_consumer **out, pinpipe_str brokers, pinpipe_str group,
                                         pinpipe_str topics, int64_t poll_records,
                                         const pinpipe_kafka_config *config, pinpipe_error *err) {
    pinpipe_kafka_consumer_options options = PINPIPE_KAFKA_CONSUMER_OPTIONS_INIT;
    options.brokers = brokers;
    options.group = group;
    options.topics = topics;
    options.poll_records = poll_records;
    return pinpipe_kafka_consumer_new(out, &options, config, err);
}

static pinpipe_status kafka_batch_new(kafka_batch **out, pinpipe_error *err) {
    *out = calloc(1, sizeof **out);
    if (!*out && err) {
        err->status = PINPIPE_ENOMEM;
    }
    return *out ? PINPIPE_OK : PINPIPE_ENOMEM;
}

static pinpipe_status kafka_consumer_poll(kafka_batch *batch, pinpipe_kafka_consumer *consumer, int64_t timeout_ms,
                                          pinpipe_error *err) {
    batch->views = (pinpipe_kafka_batch)PINPIPE_KAFKA_BATCH_INIT;
    return pinpipe_kafka_consumer_poll(&batch->views, consumer, timeout_ms, err);
}

/* A list of (topic, partition, offset, key, value, milliseconds since 1970, headers). */
static PyObject *kafka_batch_messages(const kafka_batch *batch) {
    PyObject *list = PyList_New(0);
    for (int64_t i = 0; list && i < batch->views.message_count; i++) {
        const pinpipe_kafka_message *message = &batch->views.messages[i];
        PyObject *tuple = Py_BuildValue("(NlLNNLN)", text_of(message->topic), (long)message->partition,
                                        (long long)message->offset, bytes_or_none(message->key),
                                        bytes_or_none(message->value), (long long)message->timestamp_ms,
                                        message_headers(message));
        if (!tuple || PyList_Append(list, tuple) != 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(tuple);
    }
    return list;
}

/* A list of (topic, partition) that are no longer this consumer's. */
static PyObject *kafka_batch_revoked(const kafka_batch *batch) {
    PyObject *list = PyList_New(0);
    for (int64_t i = 0; list && i < batch->views.revoked_count; i++) {
        const pinpipe_kafka_offset *place = &batch->views.revoked[i];
        PyObject *tuple = Py_BuildValue("(Nl)", text_of(place->topic), (long)place->partition);
        if (!tuple || PyList_Append(list, tuple) != 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(tuple);
    }
    return list;
}

static pinpipe_status statistics_make(kafka_statistics **out, pinpipe_error *err) {
    *out = calloc(1, sizeof **out);
    if (!*out && err) {
        err->status = PINPIPE_ENOMEM;
    }
    if (*out) {
        (*out)->numbers = (pinpipe_kafka_statistics)PINPIPE_KAFKA_STATISTICS_INIT;
    }
    return *out ? PINPIPE_OK : PINPIPE_ENOMEM;
}

static pinpipe_status kafka_producer_statistics(kafka_statistics **out, const pinpipe_kafka_producer *producer,
                                                pinpipe_error *err) {
    pinpipe_status status = statistics_make(out, err);
    return status < 0 ? status : pinpipe_kafka_producer_statistics(&(*out)->numbers, producer, err);
}

static pinpipe_status kafka_consumer_statistics(kafka_statistics **out, const pinpipe_kafka_consumer *consumer,
                                                pinpipe_error *err) {
    pinpipe_status status = statistics_make(out, err);
    return status < 0 ? status : pinpipe_kafka_consumer_statistics(&(*out)->numbers, consumer, err);
}

/* The numbers in the order of the struct, then the document. */
static PyObject *kafka_statistics_values(const kafka_statistics *statistics) {
    const int64_t *numbers = &statistics->numbers.time_ms;
    size_t count = (offsetof(pinpipe_kafka_statistics, json) - offsetof(pinpipe_kafka_statistics, time_ms)) / sizeof *numbers;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i <= count; i++) {
        PyObject *item = i < count ? PyLong_FromLongLong((long long)numbers[i]) : text_of(statistics->numbers.json);
        if (!item || PyList_Append(list, item) != 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    return list;
}

static pinpipe_status kafka_admin_topic_create(pinpipe_kafka_admin *admin, pinpipe_str name, int32_t partition_count,
                                               int32_t replication_count, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_kafka_topic_options options = PINPIPE_KAFKA_TOPIC_OPTIONS_INIT;
    options.name = name;
    options.partition_count = partition_count;
    options.replication_count = replication_count;
    return pinpipe_kafka_admin_topic_create(admin, &options, timeout_ms, err);
}

/* A list of (name, partitions). */
static PyObject *kafka_admin_topics(const pinpipe_kafka_admin *admin) {
    PyObject *list = PyList_New(0);
    for (int64_t i = 0; list && i < pinpipe_kafka_admin_topic_count(admin); i++) {
        pinpipe_kafka_topic topic = pinpipe_kafka_admin_topic_at(admin, i);
        PyObject *tuple = Py_BuildValue("(NL)", text_of(topic.name), (long long)topic.partition_count);
        if (!tuple || PyList_Append(list, tuple) != 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(tuple);
    }
    return list;
}

/* [(partition, leader, replicas, in sync)], [(name, value, is default)] of the last description. */
static PyObject *kafka_admin_description(const pinpipe_kafka_admin *admin) {
    int64_t partition_count = pinpipe_kafka_admin_partition_count(admin);
    int64_t config_count = pinpipe_kafka_admin_config_count(admin);
    PyObject *partitions = PyList_New((Py_ssize_t)partition_count);
    PyObject *configs = PyList_New((Py_ssize_t)config_count);
    for (int64_t i = 0; partitions && i < partition_count; i++) {
        pinpipe_kafka_partition one = pinpipe_kafka_admin_partition_at(admin, i);
        PyList_SetItem(partitions, (Py_ssize_t)i,
                       Py_BuildValue("(iiii)", (int)one.partition, (int)one.leader, (int)one.replica_count,
                                     (int)one.in_sync_count));
    }
    for (int64_t i = 0; configs && i < config_count; i++) {
        pinpipe_kafka_topic_config one = pinpipe_kafka_admin_config_at(admin, i);
        PyObject *value = one.value.ptr ? text_of(one.value) : Py_BuildValue("");
        PyList_SetItem(configs, (Py_ssize_t)i, Py_BuildValue("(NNi)", text_of(one.name), value, (int)one.is_default));
    }
    return Py_BuildValue("(NN)", partitions, configs);
}

static pinpipe_status kafka_mock_topic_create(pinpipe_kafka_mock *mock, pinpipe_str name, int32_t partition_count,
                                              pinpipe_error *err) {
    pinpipe_kafka_topic_options options = PINPIPE_KAFKA_TOPIC_OPTIONS_INIT;
    options.name = name;
    options.partition_count = partition_count;
    return pinpipe_kafka_mock_topic_create(mock, &options, err);
}

/* What is said here wins over the connector's settings. */
static void sink_options_set(pinpipe_sink_options *options, pinpipe_str brokers, pinpipe_str topics,
                             pinpipe_str target, pinpipe_str group, const pinpipe_kafka_config *config) {
    options->brokers = brokers.len ? brokers : options->brokers;
    options->topics = topics.len ? topics : options->topics;
    options->target = target.len ? target : options->target;
    options->group = group.len ? group : options->group;
    options->config = config ? config : options->config;
}

/* `connector` may be NULL. Without `s3` one is made of what the connector's settings say of the store. */
static pinpipe_status sink_open(pinpipe_sink **out, pinpipe_str brokers, pinpipe_str topics, pinpipe_str target,
                                pinpipe_str group, const pinpipe_kafka_config *config, pinpipe_s3 *s3,
                                pinpipe_sink_config *connector, int64_t flush_records, int64_t flush_bytes,
                                int64_t idle_ms, int64_t max_buffered_bytes, int64_t store_timeout_ms,
                                int32_t workers, int32_t format, pinpipe_error *err) {
    pinpipe_sink_options options = PINPIPE_SINK_OPTIONS_INIT;
    pinpipe_s3_options store = PINPIPE_S3_OPTIONS_INIT;
    pinpipe_s3 *own = NULL;
    pinpipe_status status = PINPIPE_OK;
    if (connector) {
        status = pinpipe_sink_config_export(&options, &store, connector, err);
    }
    sink_options_set(&options, brokers, topics, target, group, config);
    options.flush_records = flush_records ? flush_records : options.flush_records;
    options.flush_bytes = flush_bytes ? flush_bytes : options.flush_bytes;
    options.idle_ms = idle_ms;
    options.max_buffered_bytes = max_buffered_bytes;
    options.store_timeout_ms = store_timeout_ms;
    options.workers = workers;
    options.format = format;
    if (status == PINPIPE_OK && connector && !s3 && options.target.len > 5 &&
        memcmp(options.target.ptr, "s3://", 5) == 0) {
        status = pinpipe_s3_new(&own, &store, err);
    }
    options.s3 = s3 ? s3 : own;
    if (status == PINPIPE_OK) {
        status = pinpipe_sink_open(out, &options, err);
    }
    pinpipe_s3_free(own);
    return status;
}

/* A list of (name, support, text). */
static PyObject *sink_settings(void) {
    PyObject *list = PyList_New(0);
    for (int64_t i = 0; list && i < pinpipe_sink_setting_count(); i++) {
        pinpipe_sink_setting row = pinpipe_sink_setting_at(i);
        PyObject *tuple = Py_BuildValue("(NNN)", text_of(row.name), text_of(row.support), text_of(row.text));
        if (!tuple || PyList_Append(list, tuple) != 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(tuple);
    }
    return list;
}

/* {name: value}, in the order of the counters. */
static PyObject *sink_counters(const pinpipe_sink *sink) {
    PyObject *counters = PyDict_New();
    for (int32_t i = 0; counters && i < PINPIPE_SINK_COUNTER_COUNT; i++) {
        PyObject *value = PyLong_FromLongLong((long long)pinpipe_sink_count(sink, i));
        if (!value || PyDict_SetItemString(counters, pinpipe_sink_counter_name(i), value) != 0) {
            Py_CLEAR(counters);
        }
        Py_XDECREF(value);
    }
    return counters;
}

/* A list of (topic, partition, stored, committed, read). */
static PyObject *sink_positions(const pinpipe_sink *sink) {
    PyObject *list = PyList_New(0);
    for (int64_t i = 0; list && i < pinpipe_sink_position_count(sink); i++) {
        pinpipe_sink_position place = pinpipe_sink_position_at(sink, i);
        PyObject *tuple = Py_BuildValue("(NlLLL)", text_of(place.topic), (long)place.partition,
                                        (long long)place.stored_offset, (long long)place.committed_offset,
                                        (long long)place.read_offset);
        if (!tuple || PyList_Append(list, tuple) != 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(tuple);
    }
    return list;
}

static pinpipe_status draws_new(pinpipe_draws **out, int64_t seed, int64_t row_count, pinpipe_error *err) {
    pinpipe_draws_options options = PINPIPE_DRAWS_OPTIONS_INIT;
    options.row_count = row_count;
    return pinpipe_draws_new(out, seed, &options, err);
}

/* (pause in seconds, row) */
static PyObject *draws_next(pinpipe_draws *draws) {
    pinpipe_draw draw = pinpipe_draws_next(draws);
    return Py_BuildValue("(LL)", (long long)draw.pause_s, (long long)draw.row);
}
%}
