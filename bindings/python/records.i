/* Turns the data wing (schema, batches, decoder) into pinpipe.native.
 * Never touches a socket; functions that make Python objects keep the GIL, those that decode give it up.
 * Rules: docs/architecture.md, "The Python border". */

PINPIPE_HANDLE(pinpipe_batch)
PINPIPE_HANDLE(pinpipe_table)
PINPIPE_HANDLE(pinpipe_report)
PINPIPE_HANDLE(pinpipe_decoder)
PINPIPE_HANDLE(pinpipe_dedup)
PINPIPE_HANDLE(pinpipe_profile)

/* Readers by pointer and struct become whole lists below. */
%ignore pinpipe_column_info;
%ignore pinpipe_rule_info;
%ignore pinpipe_reject;
%ignore pinpipe_dirty_value;
%ignore pinpipe_report_value_at;
%ignore pinpipe_report_value_count;
%ignore pinpipe_profile_at;
%ignore pinpipe_cell;
%ignore pinpipe_decoder_options;
%ignore pinpipe_schema_at;
%ignore pinpipe_rule_at;
%ignore pinpipe_schema_arrow;
%ignore pinpipe_batch_export;
%ignore pinpipe_batch_list;
%ignore pinpipe_table_stream;
%ignore pinpipe_report_reject_at;
%ignore pinpipe_decoder_new;
%ignore pinpipe_table_decode;
%ignore pinpipe_decoder_feed_row;
%ignore pinpipe_decoder_feed_arrow;
%ignore pinpipe_decoder_feed_record;

%apply int64_t *OUTPUT { int64_t *taken_bytes };
/* How much was taken is the result; that there were rejects is in the report. */
%typemap(out) pinpipe_status pinpipe_decoder_feed {
    $result = SWIG_Py_Void();
}

%include "pinpipe/schema.h"
%include "pinpipe/batch.h"
%include "pinpipe/profile.h"
%include "pinpipe/decode.h"

%nothread schema_columns;
%nothread schema_rules;
%nothread profile_rules;
%nothread report_values;
%nothread report_rejects;
%nothread batch_lists;
%nothread decoder_feed_list;
%nothread decoder_feed_tuple;
%nothread schema_capsule;
%nothread table_capsule;

%{
/* What a foreign stream hands over: its schema and the array that is being read. */
typedef struct arrow_input {
    PyObject *capsule;
    struct ArrowArrayStream *stream;
    struct ArrowSchema schema;
    struct ArrowArray array;
} arrow_input;

/* A handle's end runs without the GIL. */
static void arrow_input_free(arrow_input *input) {
    PyGILState_STATE state = PyGILState_Ensure();
    if (input->array.release) {
        input->array.release(&input->array);
    }
    if (input->schema.release) {
        input->schema.release(&input->schema);
    }
    Py_XDECREF(input->capsule);
    PyGILState_Release(state);
    free(input);
}

static void schema_capsule_free(PyObject *capsule) {
    struct ArrowSchema *schema = PyCapsule_GetPointer(capsule, "arrow_schema");
    if (schema->release) {
        schema->release(schema);
    }
    free(schema);
}

static void stream_capsule_free(PyObject *capsule) {
    struct ArrowArrayStream *stream = PyCapsule_GetPointer(capsule, "arrow_array_stream");
    if (stream->release) {
        stream->release(stream);
    }
    free(stream);
}

static PyObject *rule_tuple(const pinpipe_rule_info *info) {
    return Py_BuildValue("(ssssss)", info->id, info->effect, info->text, info->match, info->value, info->source);
}

static PyObject *value_of(const pinpipe_batch *batch, int32_t type, int64_t row, int32_t column) {
    if (pinpipe_batch_is_null(batch, row, column)) {
        Py_RETURN_NONE;
    }
    switch (type) {
    case PINPIPE_TYPE_TEXT:
        return text_of(pinpipe_batch_str(batch, row, column));
    case PINPIPE_TYPE_F64:
        return PyFloat_FromDouble(pinpipe_batch_f64(batch, row, column));
    case PINPIPE_TYPE_F64_LIST: {
        int64_t count = 0;
        const double *items = pinpipe_batch_list(&count, batch, row, column);
        PyObject *list = PyList_New((Py_ssize_t)count);
        for (int64_t i = 0; list && i < count; i++) {
            PyList_SetItem(list, (Py_ssize_t)i, PyFloat_FromDouble(items[i]));
        }
        return list;
    }
    default:
        return PyLong_FromLongLong((long long)pinpipe_batch_i64(batch, row, column));
    }
}

/* One Python value as a cell. What is not a basic type goes through `convert` first, which returns a basic value, or
 * a tuple of one int: microseconds. The cell borrows from `value` or from `*held`. */
static int cell_of(pinpipe_cell *out, PyObject *value, PyObject *convert, PyObject **held) {
    memset(out, 0, sizeof *out);
    *held = NULL;
    bool is_basic = value == Py_None || PyLong_Check(value) || PyFloat_Check(value) || PyUnicode_Check(value) ||
                    PyBytes_Check(value);
    if (!is_basic) {
        *held = PyObject_CallFunctionObjArgs(convert, value, NULL);
        if (!*held) {
            return 0;
        }
        value = *held;
    }
    if (value == Py_None) {
        out->kind = PINPIPE_CELL_NULL;
    } else if (PyBool_Check(value)) {
        out->kind = PINPIPE_CELL_OTHER;
    } else if (PyTuple_Check(value)) {
        out->kind = PINPIPE_CELL_TIME_US;
        out->i64 = PyLong_AsLongLong(PyTuple_GetItem(value, 0));
    } else if (PyLong_Check(value)) {
        int overflow = 0;
        out->kind = PINPIPE_CELL_I64;
        out->i64 = PyLong_AsLongLongAndOverflow(value, &overflow);
        if (overflow) {
            out->kind = PINPIPE_CELL_F64;
            out->f64 = PyLong_AsDouble(value);
        }
    } else if (PyFloat_Check(value)) {
        out->kind = PINPIPE_CELL_F64;
        out->f64 = PyFloat_AsDouble(value);
    } else {
        Py_buffer view = {0};
        out->kind = PINPIPE_CELL_TEXT;
        if (PyBytes_Check(value)) {
            out->str = (pinpipe_str){PyBytes_AsString(value), (size_t)PyBytes_Size(value)};
        } else if (!borrow_bytes(value, &out->str, &view)) {
            return 0;
        }
    }
    return !PyErr_Occurred();
}
%}

%{
/* A value of a text or binary column, with offsets of 32 bits (u, z) or 64; of a null nothing. */
static pinpipe_str column_value(const struct ArrowArray *values, char format, int64_t at) {
    const uint8_t *valid = values->buffers[0];
    int64_t start = 0;
    int64_t end = 0;
    if (values->null_count != 0 && valid && !(valid[at >> 3] >> (at & 7) & 1)) {
        return (pinpipe_str){"", 0};
    }
    if (format == 'u' || format == 'z') {
        start = ((const int32_t *)values->buffers[1])[at];
        end = ((const int32_t *)values->buffers[1])[at + 1];
    } else {
        start = ((const int64_t *)values->buffers[1])[at];
        end = ((const int64_t *)values->buffers[1])[at + 1];
    }
    return (pinpipe_str){end > start ? (const char *)values->buffers[2] + start : "", (size_t)(end - start)};
}
%}

PINPIPE_HANDLE(arrow_input)

%inline %{
/* [(name, type, nullable, source)] of a shape. */
PyObject *schema_columns(int32_t record, int32_t shape) {
    int32_t count = pinpipe_schema_count(record, shape);
    PyObject *list = PyList_New(count);
    for (int32_t i = 0; list && i < count; i++) {
        pinpipe_column_info info = PINPIPE_COLUMN_INFO_INIT;
        if (pinpipe_schema_at(&info, record, shape, i, NULL) == PINPIPE_OK) {
            PyList_SetItem(list, i, Py_BuildValue("(siis)", info.name, (int)info.type, (int)info.nullable, info.source));
        }
    }
    return list;
}

/* [(id, effect, text, match, value, source)] of the rules of a shape. */
PyObject *schema_rules(int32_t record, int32_t shape) {
    int32_t count = pinpipe_rule_count(record, shape);
    PyObject *list = PyList_New(count);
    for (int32_t i = 0; list && i < count; i++) {
        pinpipe_rule_info info = PINPIPE_RULE_INFO_INIT;
        if (pinpipe_rule_at(&info, record, shape, i, NULL) == PINPIPE_OK) {
            PyList_SetItem(list, i, rule_tuple(&info));
        }
    }
    return list;
}

/* The same of a record type's rules in a profile. */
PyObject *profile_rules(const pinpipe_profile *profile, int32_t record) {
    int32_t count = pinpipe_profile_count(profile, record);
    PyObject *list = PyList_New(count);
    for (int32_t i = 0; list && i < count; i++) {
        pinpipe_rule_info info = PINPIPE_RULE_INFO_INIT;
        if (pinpipe_profile_at(&info, profile, record, i, NULL) == PINPIPE_OK) {
            PyList_SetItem(list, i, rule_tuple(&info));
        }
    }
    return list;
}

/* [(rule index, value, count, surplus, value_bytes)] of the values that rules could not take. */
PyObject *report_values(const pinpipe_report *report) {
    int64_t count = pinpipe_report_value_count(report);
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (int64_t i = 0; list && i < count; i++) {
        pinpipe_dirty_value value = PINPIPE_DIRTY_VALUE_INIT;
        if (pinpipe_report_value_at(&value, report, i, NULL) == PINPIPE_OK) {
            PyList_SetItem(list, (Py_ssize_t)i,
                           Py_BuildValue("(iNLLL)", (int)value.rule, text_of(value.value), (long long)value.count,
                                         (long long)value.surplus, (long long)value.value_bytes));
        }
    }
    return list;
}

/* [(record_index, byte_offset, reason, data, data_bytes)] that the report holds. */
PyObject *report_rejects(pinpipe_report *report) {
    int64_t count = pinpipe_report_reject_count(report);
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (int64_t i = 0; list && i < count; i++) {
        pinpipe_reject reject = PINPIPE_REJECT_INIT;
        if (pinpipe_report_reject_at(&reject, report, i, NULL) == PINPIPE_OK) {
            PyList_SetItem(list, (Py_ssize_t)i,
                           Py_BuildValue("(LLNNLN)", (long long)reject.record_index, (long long)reject.byte_offset,
                                         text_of(reject.reason), bytes_of(reject.data), (long long)reject.data_bytes,
                                         text_of(reject.source)));
        }
    }
    return list;
}

/* A list of Python values for each column; timestamps are microseconds. */
PyObject *batch_lists(const pinpipe_batch *batch) {
    int32_t record = pinpipe_batch_record(batch);
    int32_t shape = pinpipe_batch_shape(batch);
    int32_t count = pinpipe_schema_count(record, shape);
    int64_t rows = pinpipe_batch_rows(batch);
    PyObject *columns = PyList_New(count);
    for (int32_t column = 0; columns && column < count; column++) {
        pinpipe_column_info info = PINPIPE_COLUMN_INFO_INIT;
        PyObject *values = PyList_New((Py_ssize_t)rows);
        if (!values || pinpipe_schema_at(&info, record, shape, column, NULL) != PINPIPE_OK) {
            Py_XDECREF(values);
            Py_DECREF(columns);
            return NULL;
        }
        for (int64_t row = 0; row < rows; row++) {
            PyList_SetItem(values, (Py_ssize_t)row, value_of(batch, info.type, row, column));
        }
        PyList_SetItem(columns, column, values);
    }
    return columns;
}

pinpipe_status decoder_new(pinpipe_decoder **out, int32_t record, int32_t shape, int32_t format,
                           int64_t max_record_bytes, int64_t batch_rows, pinpipe_profile *profile,
                           pinpipe_error *err) {
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    options.record = record;
    options.shape = shape;
    options.format = format;
    options.max_record_bytes = max_record_bytes;
    options.batch_rows = batch_rows;
    options.profile = profile;
    return pinpipe_decoder_new(out, &options, err);
}

/* Reads a whole input with several threads; that there were rejects is in the report. */
pinpipe_status table_decode(pinpipe_table *table, int32_t record, int32_t shape, int32_t format,
                            int64_t max_record_bytes, pinpipe_profile *profile, pinpipe_str bytes, int32_t threads,
                            pinpipe_report *report, pinpipe_error *err) {
    pinpipe_decoder_options options = PINPIPE_DECODER_OPTIONS_INIT;
    options.record = record;
    options.shape = shape;
    options.format = format;
    options.max_record_bytes = max_record_bytes;
    options.profile = profile;
    pinpipe_status status = pinpipe_table_decode(table, &options, bytes, threads, report, err);
    return status < 0 ? status : PINPIPE_OK;
}

/* Feeds the last piece of an input and ends it: -1, or -2 where the report has rejects. Else the batch is full: how many
 * bytes were taken. */
pinpipe_status decoder_feed_last(int64_t *OUTPUT, pinpipe_decoder *decoder, pinpipe_batch *batch, pinpipe_str bytes,
                                 pinpipe_report *report, pinpipe_error *err) {
    pinpipe_status status = pinpipe_decoder_feed(OUTPUT, decoder, batch, bytes, report, err);
    if (status >= 0 && (size_t)*OUTPUT == bytes.len) {
        status = pinpipe_decoder_finish(decoder, batch, report, err);
        if (status == PINPIPE_OK || status == PINPIPE_PARTIAL) {
            *OUTPUT = pinpipe_report_reject_count(report) ? -2 : -1;
        }
    }
    return status < 0 ? status : PINPIPE_OK;
}

/* Feeds payloads[first:] one record each until the batch is full; returns the index of the next one. */
PyObject *decoder_feed_list(pinpipe_decoder *decoder, pinpipe_batch *batch, PyObject *payloads, int64_t first,
                            pinpipe_report *report) {
    Py_ssize_t count = PyList_Size(payloads);
    Py_ssize_t at = (Py_ssize_t)first;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    for (; at < count; at++) {
        PyObject *payload = PyList_GetItem(payloads, at); /* borrowed */
        Py_buffer view = {0};
        pinpipe_str bytes = {NULL, 0};
        if (!payload || !borrow_bytes(payload, &bytes, &view)) {
            return NULL;
        }
        pinpipe_status status = pinpipe_decoder_feed_record(decoder, batch, bytes, report, &err);
        if (view.obj) {
            PyBuffer_Release(&view);
        }
        if (status < 0) {
            raise_error(&err);
            return NULL;
        }
        if (status == PINPIPE_AGAIN) {
            break;
        }
    }
    return PyLong_FromSsize_t(at);
}

/* Feeds one row of Python values; True when it was taken, False when the batch is full. */
PyObject *decoder_feed_tuple(pinpipe_decoder *decoder, pinpipe_batch *batch, PyObject *row, PyObject *convert,
                             pinpipe_report *report) {
    enum { CELLS_MAX = 64 };
    pinpipe_cell cells[CELLS_MAX];
    PyObject *values[CELLS_MAX] = {NULL};
    PyObject *held[CELLS_MAX] = {NULL};
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_status status = PINPIPE_OK;
    Py_ssize_t count = PySequence_Size(row);
    Py_ssize_t made = 0;
    bool is_made = count >= 0 && count <= CELLS_MAX;
    if (count > CELLS_MAX) {
        PyErr_SetString(PyExc_ValueError, "a row of more than 64 values");
    }
    for (; is_made && made < count; made++) {
        values[made] = PySequence_GetItem(row, made);
        is_made = values[made] && cell_of(&cells[made], values[made], convert, &held[made]);
    }
    if (is_made) {
        status = pinpipe_decoder_feed_row(decoder, batch, cells, (int64_t)count, report, &err);
        if (status < 0) {
            raise_error(&err);
        }
    }
    for (Py_ssize_t i = 0; i < CELLS_MAX; i++) {
        Py_XDECREF(values[i]);
        Py_XDECREF(held[i]);
    }
    return !is_made || status < 0 ? NULL : PyBool_FromLong(status != PINPIPE_AGAIN);
}

PyObject *schema_capsule(int32_t record, int32_t shape) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    struct ArrowSchema *schema = calloc(1, sizeof *schema);
    if (!schema) {
        return PyErr_NoMemory();
    }
    if (pinpipe_schema_arrow(schema, record, shape, &err) < 0) {
        free(schema);
        raise_error(&err);
        return NULL;
    }
    return PyCapsule_New(schema, "arrow_schema", schema_capsule_free);
}

PyObject *table_capsule(const pinpipe_table *table) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    struct ArrowArrayStream *stream = calloc(1, sizeof *stream);
    if (!stream) {
        return PyErr_NoMemory();
    }
    if (pinpipe_table_stream(stream, table, &err) < 0) {
        free(stream);
        raise_error(&err);
        return NULL;
    }
    return PyCapsule_New(stream, "arrow_array_stream", stream_capsule_free);
}
%}

%nothread arrow_input_open;
%nothread arrow_input_next;
%newobject arrow_input_open;
%inline %{
/* Takes the stream of a capsule named arrow_array_stream. */
arrow_input *arrow_input_open(PyObject *capsule) {
    struct ArrowArrayStream *stream = PyCapsule_GetPointer(capsule, "arrow_array_stream");
    arrow_input *input = stream ? calloc(1, sizeof *input) : NULL;
    if (!input) {
        return NULL;
    }
    if (!stream->release || stream->get_schema(stream, &input->schema) != 0) {
        const char *text = stream->release ? stream->get_last_error(stream) : "it was used before";
        PyErr_Format(PyExc_ValueError, "the Arrow stream has no schema: %s", text ? text : "no reason given");
        free(input);
        return NULL;
    }
    Py_INCREF(capsule);
    input->capsule = capsule;
    input->stream = stream;
    return input;
}

/* Fetches the next array; False at the end. */
PyObject *arrow_input_next(arrow_input *input) {
    if (input->array.release) {
        input->array.release(&input->array);
    }
    memset(&input->array, 0, sizeof input->array);
    if (input->stream->get_next(input->stream, &input->array) != 0) {
        const char *text = input->stream->get_last_error(input->stream);
        PyErr_Format(PyExc_ValueError, "the Arrow stream failed: %s", text ? text : "no reason given");
        return NULL;
    }
    return PyBool_FromLong(input->array.release != NULL);
}

int64_t arrow_input_rows(const arrow_input *input) {
    return input->array.release ? input->array.length : 0;
}

/* Rows taken from `first_row` on until the batch is full. */
pinpipe_status decoder_feed_arrow(int64_t *OUTPUT, pinpipe_decoder *decoder, pinpipe_batch *batch,
                                  const arrow_input *input, int64_t first_row, pinpipe_report *report,
                                  pinpipe_error *err) {
    pinpipe_status status =
        pinpipe_decoder_feed_arrow(OUTPUT, decoder, batch, &input->schema, &input->array, first_row, report, err);
    return status < 0 ? status : PINPIPE_OK;
}

/* The same of the first column, text or binary, whose values are one record each; a null is an empty record. */
pinpipe_status decoder_feed_column(int64_t *OUTPUT, pinpipe_decoder *decoder, pinpipe_batch *batch,
                                   const arrow_input *input, int64_t first_row, pinpipe_report *report,
                                   pinpipe_error *err) {
    const struct ArrowArray *rows = &input->array;
    const struct ArrowArray *values = rows->n_children > 0 ? rows->children[0] : NULL;
    const char *format = values ? input->schema.children[0]->format : "";
    pinpipe_status status = PINPIPE_OK;
    int64_t row = first_row;
    *OUTPUT = 0;
    if (!format[0] || format[1] || !strchr("uUzZ", format[0])) {
        err->status = PINPIPE_EDATA;
        snprintf(err->message, sizeof err->message, "an Arrow column of type '%.16s' holds no records", format);
        return PINPIPE_EDATA;
    }
    for (; row < rows->length; row++) {
        status = pinpipe_decoder_feed_record(decoder, batch,
                                             column_value(values, format[0], rows->offset + values->offset + row),
                                             report, err);
        if (status < 0 || status == PINPIPE_AGAIN) {
            break;
        }
    }
    *OUTPUT = row - first_row;
    return status < 0 ? status : PINPIPE_OK;
}
%}
