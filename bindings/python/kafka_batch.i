/* Turns Python's columns (Arrow capsules, buffers, lists of bytes) into Kafka batches, and their results into bytes.
 * Never copies a column that cannot change, and never touches Python for a single record's report.
 * Rules: docs/kafka.md, "Batches"; the Arrow PyCapsule interface. */
%{
#include "pinpipe/kafka_batch.h"

enum { COLUMN_VIEWS = 3 };

/* A column and what keeps its memory: capsules, buffers or a block of its own. */
typedef struct kafka_column {
    pinpipe_kafka_column column;
    int64_t count;
    int stable; /* nobody can change the bytes */
    PyObject *capsules[2];
    Py_buffer views[COLUMN_VIEWS];
    char *block;
} kafka_column;

/* A handle's end runs without the GIL. */
static void kafka_column_free(kafka_column *column) {
    PyGILState_STATE state = PyGILState_Ensure();
    for (int i = 0; i < COLUMN_VIEWS; i++) {
        if (column->views[i].obj) {
            PyBuffer_Release(&column->views[i]);
        }
    }
    Py_XDECREF(column->capsules[0]);
    Py_XDECREF(column->capsules[1]);
    PyGILState_Release(state);
    free(column->block);
    free(column);
}

/* Bytes of the offsets of an Arrow format: 4, 8, or 0 where it has none. */
static int32_t offset_bytes_of(const char *format) {
    static const char *const narrow[] = {"z", "u", "+l", "+m", NULL};
    static const char *const wide[] = {"Z", "U", "+L", NULL};
    for (int i = 0; narrow[i]; i++) {
        if (strcmp(format, narrow[i]) == 0) {
            return 4;
        }
    }
    for (int i = 0; wide[i]; i++) {
        if (strcmp(format, wide[i]) == 0) {
            return 8;
        }
    }
    return 0;
}

static int64_t end_offset(const pinpipe_kafka_column *column, int64_t count) {
    return column->offset_bytes == 4 ? ((const int32_t *)column->offsets)[column->first + count]
                                     : ((const int64_t *)column->offsets)[column->first + count];
}

/* Views an array of binary, text or lists. */
static void view_array(pinpipe_kafka_column *out, const struct ArrowArray *array, int32_t offset_bytes) {
    out->validity = array->null_count ? array->buffers[0] : NULL;
    out->first = array->offset;
    out->offset_bytes = offset_bytes;
    out->offsets = array->length ? array->buffers[1] : NULL;
    out->data_bytes = out->offsets ? end_offset(out, array->length) : 0;
    out->data = array->n_buffers > 2 ? array->buffers[2] : NULL;
}

static void array_capsule_free(PyObject *capsule) {
    struct ArrowArray *array = PyCapsule_GetPointer(capsule, "arrow_array");
    if (array->release) {
        array->release(array);
    }
    free(array);
}

/* The next array of a stream with its schema; NULL without an exception: it has ended. */
static PyObject *stream_pair(struct ArrowArrayStream *stream) {
    struct ArrowSchema *schema = calloc(1, sizeof *schema);
    struct ArrowArray *array = calloc(1, sizeof *array);
    PyObject *pair = NULL;
    if (!schema || !array) {
        PyErr_NoMemory();
    } else if (stream->get_schema(stream, schema) != 0 || stream->get_next(stream, array) != 0) {
        const char *text = stream->get_last_error(stream);
        PyErr_SetString(PyExc_ValueError, text ? text : "the Arrow stream broke off");
    } else if (array->release) {
        pair = Py_BuildValue("(NN)", PyCapsule_New(schema, "arrow_schema", schema_capsule_free),
                             PyCapsule_New(array, "arrow_array", array_capsule_free));
        return pair;
    }
    if (schema && schema->release) {
        schema->release(schema);
    }
    free(schema);
    free(array);
    return pair;
}

static kafka_column *column_fail(kafka_column *column, const char *format, const char *detail) {
    if (column) {
        kafka_column_free(column);
    }
    if (!PyErr_Occurred()) {
        PyErr_Format(PyExc_ValueError, format, detail);
    }
    return NULL;
}

static kafka_column *column_new(void) {
    kafka_column *column = calloc(1, sizeof *column);
    if (!column) {
        PyErr_NoMemory();
    }
    return column;
}

/* Once the last report has come, on the thread that called the producer. */
static void columns_let_go(void *context) {
    PyGILState_STATE state = PyGILState_Ensure();
    Py_DECREF((PyObject *)context);
    PyGILState_Release(state);
}
%}

PINPIPE_HANDLE(kafka_column)
PINPIPE_HANDLE(pinpipe_kafka_delivery)

%nothread kafka_column_arrow;
%nothread kafka_column_buffers;
%nothread kafka_column_list;
%nothread kafka_column_child;
%nothread kafka_column_slice;
%nothread kafka_stream_arrays;
%nothread kafka_delivery_outcomes;
%nothread kafka_delivery_partitions;
%nothread kafka_delivery_offsets;
%nothread kafka_delivery_errors;
/* What returns NULL has raised. */
%typemap(out) kafka_column * {
    if (!$1) {
        SWIG_fail;
    }
    $result = SWIG_NewPointerObj($1, $descriptor(kafka_column *), SWIG_POINTER_OWN);
}
%newobject kafka_column_arrow;
%newobject kafka_column_buffers;
%newobject kafka_column_list;
%newobject kafka_column_child;
%newobject kafka_column_slice;

pinpipe_status pinpipe_kafka_producer_write_batch(pinpipe_kafka_producer *producer, pinpipe_kafka_delivery *delivery,
                                                  int64_t timeout_ms, pinpipe_error *err);
pinpipe_status pinpipe_kafka_producer_wait_batch(pinpipe_kafka_producer *producer, pinpipe_kafka_delivery *delivery,
                                                 int64_t timeout_ms, pinpipe_error *err);
pinpipe_status pinpipe_kafka_producer_clear(int64_t *OUTPUT, pinpipe_kafka_producer *producer, pinpipe_error *err);
int64_t pinpipe_kafka_producer_recovery_count(const pinpipe_kafka_producer *producer);
int64_t pinpipe_kafka_delivery_count(const pinpipe_kafka_delivery *delivery);
int64_t pinpipe_kafka_delivery_queued_count(const pinpipe_kafka_delivery *delivery);
int64_t pinpipe_kafka_delivery_delivered_count(const pinpipe_kafka_delivery *delivery);
int64_t pinpipe_kafka_delivery_failed_count(const pinpipe_kafka_delivery *delivery);
pinpipe_status pinpipe_kafka_delivery_at(const pinpipe_kafka_delivery *delivery, int64_t index, pinpipe_error *err);

%constant int OUTCOME_WAITING = PINPIPE_KAFKA_WAITING;
%constant int OUTCOME_DELIVERED = PINPIPE_KAFKA_DELIVERED;
%constant int OUTCOME_FAILED = PINPIPE_KAFKA_FAILED;
%constant int OUTCOME_UNCERTAIN = PINPIPE_KAFKA_UNCERTAIN;

%inline %{
/* A column of an array's two capsules. Numbers of int32 where `numbers` is "i", of int64 where it is "q", else bytes. */
kafka_column *kafka_column_arrow(PyObject *schema_capsule, PyObject *array_capsule, const char *numbers) {
    kafka_column *column = column_new();
    struct ArrowSchema *schema = column ? PyCapsule_GetPointer(schema_capsule, "arrow_schema") : NULL;
    struct ArrowArray *array = schema ? PyCapsule_GetPointer(array_capsule, "arrow_array") : NULL;
    if (!array || !array->release) {
        return column_fail(column, "the Arrow array was used before%s", "");
    }
    bool is_wide = numbers[0] == 'q';
    int32_t offset_bytes = numbers[0] ? 0 : offset_bytes_of(schema->format);
    bool is_number = is_wide ? strcmp(schema->format, "l") == 0 || strncmp(schema->format, "tsm:", 4) == 0
                             : strcmp(schema->format, "i") == 0;
    if (schema->dictionary || (numbers[0] ? !is_number : !offset_bytes)) {
        return column_fail(column, "Arrow data of format '%s' is not taken here",
                           schema->dictionary ? "dictionary" : schema->format);
    }
    if (numbers[0] && array->null_count) {
        return column_fail(column, "Arrow numbers of format '%s' have nulls", schema->format);
    }
    if (numbers[0]) {
        int64_t size = is_wide ? 8 : 4;
        column->column.data = array->length ? (const char *)array->buffers[1] + array->offset * size : "";
    } else {
        view_array(&column->column, array, offset_bytes);
    }
    column->count = array->length;
    column->stable = 1;
    Py_INCREF(schema_capsule);
    Py_INCREF(array_capsule);
    column->capsules[0] = schema_capsule;
    column->capsules[1] = array_capsule;
    return column;
}

/* Child `index` of the entries of a list of structs that kafka_column_arrow viewed. */
kafka_column *kafka_column_child(const kafka_column *list, int index) {
    kafka_column *column = column_new();
    struct ArrowSchema *schema = column ? PyCapsule_GetPointer(list->capsules[0], "arrow_schema") : NULL;
    struct ArrowArray *array = schema ? PyCapsule_GetPointer(list->capsules[1], "arrow_array") : NULL;
    if (!array || array->n_children != 1 || array->children[0]->n_children != 2) {
        return column_fail(column, "headers are lists of (name, value)%s", "");
    }
    const struct ArrowArray *entries = array->children[0];
    const char *format = schema->children[0]->children[index]->format;
    int32_t offset_bytes = offset_bytes_of(format);
    if (!offset_bytes || format[0] == '+' || schema->children[0]->children[index]->dictionary) {
        return column_fail(column, "Arrow data of format '%s' is neither text nor binary", format);
    }
    view_array(&column->column, entries->children[index], offset_bytes);
    column->column.first += entries->offset;
    column->count = entries->length;
    column->stable = 1;
    for (int i = 0; i < 2; i++) {
        Py_INCREF(list->capsules[i]);
        column->capsules[i] = list->capsules[i];
    }
    return column;
}

/* The capsules (schema, array) of each array of a stream. */
PyObject *kafka_stream_arrays(PyObject *capsule) {
    struct ArrowArrayStream *stream = PyCapsule_GetPointer(capsule, "arrow_array_stream");
    PyObject *list = stream && stream->release ? PyList_New(0) : NULL;
    PyObject *pair = list ? stream_pair(stream) : NULL;
    if (!list && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "the Arrow stream was used before");
    }
    while (pair) {
        int failed = PyList_Append(list, pair);
        Py_DECREF(pair);
        pair = failed ? NULL : stream_pair(stream);
    }
    if (PyErr_Occurred()) {
        Py_CLEAR(list);
    }
    return list;
}

/* Entries of a column that outlives the slice; `width` is of plain numbers, 0 where entries have offsets. */
kafka_column *kafka_column_slice(const kafka_column *whole, int64_t first, int64_t count, int width) {
    kafka_column *column = column_new();
    if (column) {
        column->column = whole->column;
        column->column.first += width ? 0 : first;
        column->column.data += width * first;
        column->count = count;
        column->stable = whole->stable;
    }
    return column;
}

/* A column of buffers: data, and offsets of 4 or 8 bytes and a bitmap; offsets of None: `data` is plain numbers. */
kafka_column *kafka_column_buffers(PyObject *data, PyObject *offsets, PyObject *validity, int offset_bytes) {
    kafka_column *column = column_new();
    PyObject *objects[COLUMN_VIEWS] = {data, offsets, validity};
    for (int i = 0; column && i < COLUMN_VIEWS; i++) {
        if (objects[i] != Py_None && PyObject_GetBuffer(objects[i], &column->views[i], PyBUF_SIMPLE) != 0) {
            return column_fail(column, "%s", "");
        }
    }
    if (!column) {
        return NULL;
    }
    Py_ssize_t entries = (offsets == Py_None ? column->views[0].len : column->views[1].len) / offset_bytes;
    column->count = offsets == Py_None ? entries : entries - 1;
    if (column->count < 0) {
        return column_fail(column, "offsets have no entry%s", "");
    }
    if (validity != Py_None && column->views[2].len < (column->count + 7) / 8) {
        return column_fail(column, "the bitmap of valid entries is too short%s", "");
    }
    column->column.data = column->views[0].buf;
    column->column.offsets = column->views[1].buf;
    column->column.validity = column->views[2].buf;
    column->column.data_bytes = column->views[0].len;
    column->column.offset_bytes = offset_bytes;
    column->stable = 1;
    for (int i = 0; i < COLUMN_VIEWS; i++) {
        column->stable = column->stable && (!column->views[i].obj || column->views[i].readonly);
    }
    return column;
}

/* A column of a list of bytes, text, buffers and None, copied into one block. */
kafka_column *kafka_column_list(PyObject *list) {
    kafka_column *column = column_new();
    Py_ssize_t count = column ? PyList_Size(list) : -1;
    size_t total = 0;
    if (count < 0) {
        return column_fail(column, "%s", "");
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_buffer view = {0};
        pinpipe_str bytes = {NULL, 0};
        if (!borrow_bytes(PyList_GetItem(list, i), &bytes, &view)) {
            return column_fail(column, "%s", "");
        }
        total += bytes.len;
        if (view.obj) {
            PyBuffer_Release(&view);
        }
    }
    size_t offsets_bytes = ((size_t)count + 1) * sizeof(int64_t), bitmap_bytes = (size_t)count / 8 + 1;
    column->block = malloc(offsets_bytes + bitmap_bytes + total);
    if (!column->block) {
        PyErr_NoMemory();
        return column_fail(column, "%s", "");
    }
    int64_t *offsets = (int64_t *)(void *)column->block;
    uint8_t *bitmap = (uint8_t *)column->block + offsets_bytes;
    char *data = column->block + offsets_bytes + bitmap_bytes;
    memset(bitmap, 0, bitmap_bytes);
    offsets[0] = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_buffer view = {0};
        pinpipe_str bytes = {NULL, 0};
        /* A list may have changed only if another thread ran, which the GIL forbids here. */
        if (!borrow_bytes(PyList_GetItem(list, i), &bytes, &view)) {
            return column_fail(column, "%s", "");
        }
        if (bytes.ptr) {
            memcpy(data + offsets[i], bytes.ptr, bytes.len);
            bitmap[i >> 3] |= (uint8_t)(1 << (i & 7));
        }
        offsets[i + 1] = offsets[i] + (int64_t)bytes.len;
        if (view.obj) {
            PyBuffer_Release(&view);
        }
    }
    column->column = (pinpipe_kafka_column){data, offsets, bitmap, 0, (int64_t)total, sizeof(int64_t), 0};
    column->count = (int64_t)count;
    column->stable = 1;
    return column;
}

int64_t kafka_column_count(const kafka_column *column) {
    return column->count;
}

/* `held` keeps the columns: the batch holds it until the last report where nobody can change their bytes. */
pinpipe_status kafka_delivery_new(pinpipe_kafka_delivery **out, pinpipe_str topic, const kafka_column *values,
                                  const kafka_column *keys, const kafka_column *timestamps,
                                  const kafka_column *partitions, const kafka_column *header_lists,
                                  const kafka_column *header_names, const kafka_column *header_values,
                                  PyObject *held, pinpipe_error *err) {
    pinpipe_kafka_columns columns = PINPIPE_KAFKA_COLUMNS_INIT;
    columns.topic = topic;
    columns.count = values->count;
    columns.values = values->column;
    if (keys) {
        columns.keys = keys->column;
    }
    if (timestamps) {
        columns.timestamps_ms = (const int64_t *)(const void *)timestamps->column.data;
    }
    if (partitions) {
        columns.partitions = (const int32_t *)(const void *)partitions->column.data;
    }
    if (header_lists) {
        columns.header_lists = header_lists->column;
        columns.header_names = header_names->column;
        columns.header_values = header_values->column;
    }
    columns.release = values->stable ? columns_let_go : NULL;
    columns.release_context = held;
    pinpipe_status status = pinpipe_kafka_delivery_new(out, &columns, err);
    if (status >= 0 && columns.release) {
        PyGILState_STATE state = PyGILState_Ensure();
        Py_INCREF(held);
        PyGILState_Release(state);
    }
    return status;
}

PyObject *kafka_delivery_outcomes(const pinpipe_kafka_delivery *delivery) {
    return PyBytes_FromStringAndSize((const char *)pinpipe_kafka_delivery_outcomes(delivery),
                                     (Py_ssize_t)pinpipe_kafka_delivery_count(delivery));
}

PyObject *kafka_delivery_partitions(const pinpipe_kafka_delivery *delivery) {
    return PyBytes_FromStringAndSize((const char *)pinpipe_kafka_delivery_partitions(delivery),
                                     (Py_ssize_t)(pinpipe_kafka_delivery_count(delivery) * (int64_t)sizeof(int32_t)));
}

PyObject *kafka_delivery_offsets(const pinpipe_kafka_delivery *delivery) {
    return PyBytes_FromStringAndSize((const char *)pinpipe_kafka_delivery_offsets(delivery),
                                     (Py_ssize_t)(pinpipe_kafka_delivery_count(delivery) * (int64_t)sizeof(int64_t)));
}

PyObject *kafka_delivery_errors(const pinpipe_kafka_delivery *delivery) {
    return PyBytes_FromStringAndSize((const char *)pinpipe_kafka_delivery_errors(delivery),
                                     (Py_ssize_t)(pinpipe_kafka_delivery_count(delivery) * (int64_t)sizeof(int16_t)));
}
%}

PINPIPE_HANDLE(pinpipe_kafka_records)

pinpipe_status pinpipe_kafka_records_new(pinpipe_kafka_records **out, pinpipe_error *err);

%nothread kafka_records_capsules;
%nothread kafka_records_list;
%nothread kafka_records_numbers;
%nothread kafka_records_topics;
%nothread kafka_records_revoked;
%nothread kafka_records_next;

%{
/* A handle keeps its view: the pointers live as long as nothing is read into it. */
static pinpipe_kafka_records_view view_of(const pinpipe_kafka_records *records) {
    pinpipe_kafka_records_view view = PINPIPE_KAFKA_RECORDS_VIEW_INIT;
    if (pinpipe_kafka_records_get(&view, records, NULL) < 0) {
        view.count = 0;
    }
    return view;
}

static pinpipe_str column_entry(const pinpipe_kafka_column *column, int64_t row) {
    const int64_t *offsets = column->offsets;
    if (column->validity && !(column->validity[row >> 3] >> (row & 7) & 1)) {
        return (pinpipe_str){NULL, 0};
    }
    return (pinpipe_str){column->data + offsets[row], (size_t)(offsets[row + 1] - offsets[row])};
}
%}

%inline %{
/* The rows of a batch as JSON values of a topic; key column -1 = no key. */
pinpipe_status kafka_delivery_encode(pinpipe_kafka_delivery **out, pinpipe_str topic, const pinpipe_batch *batch,
                                     int32_t key_column, pinpipe_error *err) {
    pinpipe_kafka_columns columns = PINPIPE_KAFKA_COLUMNS_INIT;
    pinpipe_status status = pinpipe_kafka_columns_encode(&columns, batch, key_column, err);
    if (status >= 0) {
        columns.topic = topic;
        status = pinpipe_kafka_delivery_new(out, &columns, err);
        if (status < 0) {
            columns.release(columns.release_context);
        }
    }
    return status;
}

pinpipe_status kafka_consumer_read(pinpipe_kafka_records *records, pinpipe_kafka_consumer *consumer,
                                   int64_t max_records, int64_t max_bytes, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_kafka_read_options options = PINPIPE_KAFKA_READ_OPTIONS_INIT;
    options.max_records = max_records;
    options.max_bytes = max_bytes;
    return pinpipe_kafka_consumer_read(records, consumer, &options, timeout_ms, err);
}

int64_t kafka_records_count(const pinpipe_kafka_records *records) {
    return view_of(records).count;
}

/* Values (0) or keys (1) from record `first` on, at most `count`, as a list of bytes and None. */
PyObject *kafka_records_list(const pinpipe_kafka_records *records, int keys, int64_t first, int64_t count) {
    pinpipe_kafka_records_view view = view_of(records);
    int64_t left = view.count - first;
    PyObject *list = PyList_New((Py_ssize_t)(left < count ? left : count));
    for (int64_t row = 0; list && row < left && row < count; row++) {
        PyObject *entry = bytes_or_none(column_entry(keys ? &view.keys : &view.values, first + row));
        if (!entry) {
            Py_DECREF(list);
            return NULL;
        }
        PyList_SetItem(list, (Py_ssize_t)row, entry);
    }
    return list;
}

/* A copy of an array of numbers: topics (0), partitions (1), offsets (2), timestamps (3). */
PyObject *kafka_records_numbers(const pinpipe_kafka_records *records, int which) {
    pinpipe_kafka_records_view view = view_of(records);
    const void *const arrays[] = {view.topics, view.partitions, view.offsets, view.timestamps_ms};
    size_t size = which < 2 ? sizeof(int32_t) : sizeof(int64_t);
    return PyBytes_FromStringAndSize(view.count ? arrays[which] : "", (Py_ssize_t)((size_t)view.count * size));
}

PyObject *kafka_records_topics(const pinpipe_kafka_records *records) {
    pinpipe_kafka_records_view view = view_of(records);
    PyObject *list = PyList_New((Py_ssize_t)view.topic_count);
    for (int32_t i = 0; list && i < view.topic_count; i++) {
        PyList_SetItem(list, i, text_of(view.topic_names[i]));
    }
    return list;
}

/* A list of (topic, partition) that are no longer the consumer's. */
PyObject *kafka_records_revoked(const pinpipe_kafka_records *records) {
    pinpipe_kafka_records_view view = view_of(records);
    PyObject *list = PyList_New((Py_ssize_t)view.revoked_count);
    for (int64_t i = 0; list && i < view.revoked_count; i++) {
        PyList_SetItem(list, (Py_ssize_t)i,
                       Py_BuildValue("(Nl)", text_of(view.revoked[i].topic), (long)view.revoked[i].partition));
    }
    return list;
}

/* {(topic, partition): the next offset to read} */
PyObject *kafka_records_next(const pinpipe_kafka_records *records) {
    pinpipe_kafka_records_view view = view_of(records);
    PyObject *next = PyDict_New();
    for (int64_t i = 0; next && i < view.next_count; i++) {
        PyObject *place = Py_BuildValue("(Nl)", text_of(view.next[i].topic), (long)view.next[i].partition);
        PyObject *offset = PyLong_FromLongLong((long long)view.next[i].offset);
        if (!place || !offset || PyDict_SetItem(next, place, offset) != 0) {
            Py_CLEAR(next);
        }
        Py_XDECREF(place);
        Py_XDECREF(offset);
    }
    return next;
}

/* (schema, array) capsules; the records are left empty. */
PyObject *kafka_records_capsules(pinpipe_kafka_records *records) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    struct ArrowSchema *schema = calloc(1, sizeof *schema);
    struct ArrowArray *array = calloc(1, sizeof *array);
    if (!schema || !array) {
        free(schema);
        free(array);
        return PyErr_NoMemory();
    }
    if (pinpipe_kafka_records_export(array, schema, records, &err) < 0) {
        free(schema);
        free(array);
        raise_error(&err);
        return NULL;
    }
    return Py_BuildValue("(NN)", PyCapsule_New(schema, "arrow_schema", schema_capsule_free),
                         PyCapsule_New(array, "arrow_array", array_capsule_free));
}

/* How many values were read, from `first` on, until the batch was full. */
pinpipe_status kafka_records_decode(int64_t *OUTPUT, pinpipe_decoder *decoder, pinpipe_batch *batch,
                                    const pinpipe_kafka_records *records, int64_t first, pinpipe_report *report,
                                    pinpipe_error *err) {
    pinpipe_status status = pinpipe_kafka_records_decode(OUTPUT, decoder, batch, records, first, report, err);
    return status < 0 ? status : PINPIPE_OK;
}
%}
