/* Turns C's conventions into Python's: errors into exceptions, out-parameters into results, buffers into views.
 * Never releases a buffer before the C call is over, and never leaks a result when a call fails.
 * Rules: docs/architecture.md, "The Python border". */

%{
/* Raises what pinpipe.errors makes of the error. Called with the GIL held. */
static void raise_error(const pinpipe_error *err) {
    PyObject *module = PyImport_ImportModule("pinpipe.errors");
    PyObject *made = module ? PyObject_CallMethod(module, "from_status", "issiLLL", (int)err->status, err->message,
                                                  err->service, (int)err->native_code, (long long)err->record_index,
                                                  (long long)err->byte_offset, (long long)err->retry_after_ms)
                            : NULL;
    if (made) {
        PyErr_SetObject((PyObject *)Py_TYPE(made), made);
    }
    Py_XDECREF(made);
    Py_XDECREF(module);
}

/* Borrows the bytes of a str (as UTF-8), bytes or any contiguous buffer; 0 = a Python exception is set. */
static int borrow_bytes(PyObject *object, pinpipe_str *out, Py_buffer *view) {
    if (Py_IS_TYPE(object, &PyBytes_Type) || PyBytes_Check(object)) { /* the first is no call */
        char *ptr = NULL;
        Py_ssize_t size = 0;
        if (PyBytes_AsStringAndSize(object, &ptr, &size) != 0) {
            return 0;
        }
        *out = (pinpipe_str){ptr, (size_t)size};
        return 1;
    }
    if (PyUnicode_Check(object)) {
        Py_ssize_t len = 0;
        out->ptr = PyUnicode_AsUTF8AndSize(object, &len);
        out->len = (size_t)len;
        return out->ptr != NULL;
    }
    if (object == Py_None) {
        *out = (pinpipe_str){NULL, 0};
        return 1;
    }
    if (PyObject_GetBuffer(object, view, PyBUF_SIMPLE) != 0) {
        return 0;
    }
    *out = (pinpipe_str){(const char *)view->buf, (size_t)view->len};
    return 1;
}

static PyObject *bytes_of(const pinpipe_str text) {
    return PyBytes_FromStringAndSize(text.ptr ? text.ptr : "", (Py_ssize_t)text.len);
}

/* A status of OK gives way to the first output; further outputs make a tuple. Takes both references. */
static PyObject *append_output(PyObject *result, PyObject *output) {
    if (!result || result == Py_None) {
        Py_XDECREF(result);
        return output;
    }
    Py_ssize_t count = PyTuple_Check(result) ? PyTuple_Size(result) : 1;
    PyObject *all = PyTuple_New(count + 1);
    for (Py_ssize_t i = 0; all && i < count; i++) {
        PyObject *item = PyTuple_Check(result) ? PyTuple_GetItem(result, i) : result;
        Py_INCREF(item);
        PyTuple_SetItem(all, i, item);
    }
    if (all) {
        PyTuple_SetItem(all, count, output);
    }
    Py_DECREF(result);
    return all;
}

/* UTF-8 to str; what is not UTF-8 keeps its bytes as surrogates. */
static PyObject *text_of(const pinpipe_str text) {
    return PyUnicode_DecodeUTF8(text.ptr ? text.ptr : "", (Py_ssize_t)text.len, "surrogateescape");
}
%}

%typemap(in, numinputs=0) pinpipe_error *err (pinpipe_error local = PINPIPE_ERROR_INIT) {
    $1 = &local;
}
%typemap(argout) pinpipe_error *err {
    if (result < 0) {
        Py_XDECREF($result);
        raise_error($1);
        SWIG_fail;
    }
}
/* Statuses that are not errors come back as ints, OK as None. */
%typemap(out) pinpipe_status {
    $result = $1 > 0 ? PyLong_FromLong($1) : SWIG_Py_Void();
}

/* A parameter that borrows bytes for the time of the call. */
%typemap(in) pinpipe_str (Py_buffer view) {
    view.obj = NULL;
    if (!borrow_bytes($input, &$1, &view)) {
        SWIG_fail;
    }
}
%typemap(arginit) pinpipe_str {
    view$argnum.obj = NULL;
}
%typemap(freearg) pinpipe_str {
    if (view$argnum.obj) {
        PyBuffer_Release(&view$argnum);
    }
}
%typemap(typecheck, precedence=SWIG_TYPECHECK_STRING) pinpipe_str {
    $1 = PyUnicode_Check($input) || PyObject_CheckBuffer($input);
}
/* Views that a function returns are copied: to str where the name says text, to bytes else. */
%typemap(out) pinpipe_str {
    $result = text_of($1);
}

/* Bytes that a function writes become its result. */
%typemap(in, numinputs=0) pinpipe_buf *out (pinpipe_buf local = PINPIPE_BUF_INIT) {
    $1 = &local;
}
%typemap(argout) pinpipe_buf *out {
    $result = append_output($result, bytes_of((pinpipe_str){$1->ptr, $1->len}));
}
%typemap(freearg) pinpipe_buf *out {
    pinpipe_buf_reset($1);
}

%typemap(in, numinputs=0) int64_t *OUTPUT (int64_t local = 0) {
    $1 = &local;
}
%typemap(argout) int64_t *OUTPUT {
    $result = append_output($result, PyLong_FromLongLong((long long)*$1));
}

/* An opaque handle: made by an out-parameter, freed by the Python object's end, never by hand. */
%define PINPIPE_HANDLE(TYPE)
%nodefaultctor TYPE;
%nodefaultdtor TYPE;
%ignore TYPE ## _free;
struct TYPE {};
%extend TYPE {
    ~TYPE() {
        TYPE ## _free($self);
    }
}
%typemap(in, numinputs=0) TYPE **out (TYPE *local = NULL) {
    $1 = &local;
}
%typemap(argout) TYPE **out {
    $result = append_output($result, SWIG_NewPointerObj(*$1, $descriptor(TYPE *), SWIG_POINTER_OWN));
}
%enddef
