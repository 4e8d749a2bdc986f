/* Turns statistics and expectations into pinpipe.native.
 * Never touches a socket; functions that make Python objects keep the GIL, those that count give it up.
 * Rules: docs/architecture.md, "The Python border". */

PINPIPE_HANDLE(pinpipe_statistics)
PINPIPE_HANDLE(pinpipe_expectations)

/* Readers by struct become whole lists below. */
%ignore pinpipe_column_statistics;
%ignore pinpipe_expectation;
%ignore pinpipe_statistics_at;
%ignore pinpipe_expectations_at;

%include "pinpipe/statistics.h"
%include "pinpipe/expectations.h"

%nothread statistics_columns;
%nothread expectations_results;

%{
/* A bound as a Python value; times are microseconds. Takes no reference. */
static PyObject *bound_of(const pinpipe_column_statistics *column, int64_t integer, const double *doubles,
                          pinpipe_str text) {
    if (column->nulls == column->rows) {
        Py_RETURN_NONE;
    }
    switch (column->type) {
    case PINPIPE_TYPE_TEXT:
        return text_of(text);
    case PINPIPE_TYPE_F64:
        return PyFloat_FromDouble(doubles[0]);
    case PINPIPE_TYPE_F64_LIST:
        return Py_BuildValue("[dd]", doubles[0], doubles[1]);
    default:
        return PyLong_FromLongLong((long long)integer);
    }
}
%}

%inline %{
/* [(rows, nulls, min, max, is_min_cut, is_max_cut, min_bytes, max_bytes, total_bytes)], a tuple a column. */
PyObject *statistics_columns(const pinpipe_statistics *statistics, int32_t count) {
    PyObject *list = PyList_New(count);
    for (int32_t i = 0; list && i < count; i++) {
        pinpipe_column_statistics c = PINPIPE_COLUMN_STATISTICS_INIT;
        pinpipe_error err = PINPIPE_ERROR_INIT;
        if (pinpipe_statistics_at(&c, statistics, i, &err) < 0) {
            raise_error(&err);
            Py_DECREF(list);
            return NULL;
        }
        PyList_SetItem(list, i,
                       Py_BuildValue("(LLNNiiLLL)", (long long)c.rows, (long long)c.nulls,
                                     bound_of(&c, c.min_i64, c.min_f64, c.min_text),
                                     bound_of(&c, c.max_i64, c.max_f64, c.max_text), (int)c.is_min_cut,
                                     (int)c.is_max_cut, (long long)c.min_bytes, (long long)c.max_bytes,
                                     (long long)c.total_bytes));
    }
    return list;
}

/* [(record, id, passed, fatal, rows, failures, expected, observed, has_row, key, value, source)]; expected and
 * observed are JSON. */
PyObject *expectations_results(const pinpipe_expectations *expectations) {
    int32_t count = pinpipe_expectations_count(expectations);
    PyObject *list = PyList_New(count);
    for (int32_t i = 0; list && i < count; i++) {
        pinpipe_expectation e = PINPIPE_EXPECTATION_INIT;
        pinpipe_error err = PINPIPE_ERROR_INIT;
        if (pinpipe_expectations_at(&e, expectations, i, &err) < 0) {
            raise_error(&err);
            Py_DECREF(list);
            return NULL;
        }
        PyList_SetItem(list, i,
                       Py_BuildValue("(isiiLLNsiLNs)", (int)e.record, e.id, (int)e.has_passed, (int)e.is_fatal,
                                     (long long)e.rows, (long long)e.failures, text_of(e.expected), e.observed,
                                     (int)e.has_failing_row, (long long)e.failing_key, text_of(e.failing_value),
                                     e.source));
    }
    return list;
}
%}
