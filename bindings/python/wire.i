/* Turns the wire wing (credentials, signing, S3) into pinpipe.native, its options structs spread out as arguments.
 * Never holds the GIL while a request is under way.
 * Rules: docs/architecture.md, "The Python border". */
%{
#include "pinpipe/credentials.h"
#include "pinpipe/s3.h"
#include "pinpipe/sign.h"

/* A sequence of (name, value) pairs of str, which the caller keeps for the time of the call. */
static int borrow_headers(PyObject *object, pinpipe_header **out, int64_t *count) {
    Py_ssize_t len = PySequence_Size(object);
    *out = len > 0 ? PyMem_Calloc((size_t)len, sizeof **out) : NULL;
    if (len < 0 || (len > 0 && !*out)) {
        return 0;
    }
    *count = (int64_t)len;
    for (Py_ssize_t i = 0; i < len; i++) {
        PyObject *pair = PySequence_GetItem(object, i);
        pinpipe_str *parts[] = {&(*out)[i].name, &(*out)[i].value};
        for (Py_ssize_t part = 0; pair && part < 2; part++) {
            PyObject *text = PySequence_GetItem(pair, part);
            Py_ssize_t size = 0;
            parts[part]->ptr = text ? PyUnicode_AsUTF8AndSize(text, &size) : NULL;
            parts[part]->len = (size_t)size;
            Py_XDECREF(text);
        }
        Py_XDECREF(pair);
        if (!(*out)[i].name.ptr || !(*out)[i].value.ptr) {
            return 0;
        }
    }
    return 1;
}

/* (key, size in bytes, microseconds since 1970 or None, etag, content type) */
static PyObject *object_tuple(const pinpipe_s3_object *object) {
    PyObject *tuple = PyTuple_New(5);
    if (tuple) {
        PyTuple_SetItem(tuple, 0, text_of(object->key));
        PyTuple_SetItem(tuple, 1, PyLong_FromLongLong((long long)object->size_bytes));
        PyTuple_SetItem(tuple, 2, object->modified_us < 0 ? Py_BuildValue("")
                                                          : PyLong_FromLongLong((long long)object->modified_us));
        PyTuple_SetItem(tuple, 3, text_of(object->etag));
        PyTuple_SetItem(tuple, 4, text_of(object->content_type));
    }
    return tuple;
}
%}

%typemap(in) (const pinpipe_header *headers, int64_t header_count) {
    if (!borrow_headers($input, &$1, &$2)) {
        if (!PyErr_Occurred()) {
            PyErr_NoMemory();
        }
        SWIG_fail;
    }
}
%typemap(arginit) (const pinpipe_header *headers, int64_t header_count) {
    $1 = NULL;
}
%typemap(freearg) (const pinpipe_header *headers, int64_t header_count) {
    PyMem_Free((void *)$1);
}

%typemap(in, numinputs=0) pinpipe_s3_object *out (pinpipe_s3_object local = {{0}}) {
    $1 = &local;
}
%typemap(argout) pinpipe_s3_object *out {
    if (result >= 0) {
        $result = append_output($result, object_tuple($1));
    }
}

PINPIPE_HANDLE(pinpipe_credentials)
PINPIPE_HANDLE(pinpipe_signature)
PINPIPE_HANDLE(pinpipe_s3)
PINPIPE_HANDLE(pinpipe_s3_list)

pinpipe_status pinpipe_credentials_decode(pinpipe_credentials **out, pinpipe_str csv, pinpipe_error *err);
pinpipe_status pinpipe_credentials_default(pinpipe_credentials **out, pinpipe_error *err);
pinpipe_str pinpipe_credentials_key_id(const pinpipe_credentials *credentials);
pinpipe_str pinpipe_credentials_secret(const pinpipe_credentials *credentials);
pinpipe_str pinpipe_credentials_token(const pinpipe_credentials *credentials);
const char *pinpipe_credentials_name(const pinpipe_credentials *credentials);

pinpipe_str pinpipe_signature_url(const pinpipe_signature *signature);
pinpipe_str pinpipe_signature_canonical_request(const pinpipe_signature *signature);
pinpipe_str pinpipe_signature_string_to_sign(const pinpipe_signature *signature);
pinpipe_str pinpipe_signature_text(const pinpipe_signature *signature);

pinpipe_status pinpipe_s3_bucket_put(pinpipe_s3 *s3, pinpipe_str bucket, int64_t timeout_ms, pinpipe_error *err);
pinpipe_status pinpipe_s3_bucket_delete(pinpipe_s3 *s3, pinpipe_str bucket, int64_t timeout_ms, pinpipe_error *err);
pinpipe_status pinpipe_s3_list_next(pinpipe_s3_list *list, int64_t timeout_ms, pinpipe_error *err);

%constant int SIGN_HEADER = PINPIPE_SIGN_HEADER;
%constant int SIGN_QUERY = PINPIPE_SIGN_QUERY;
%constant int PAYLOAD_SERVICE = PINPIPE_PAYLOAD_SERVICE;
%constant int PAYLOAD_SIGNED = PINPIPE_PAYLOAD_SIGNED;
%constant int PAYLOAD_SIGNED_HEADER = PINPIPE_PAYLOAD_SIGNED_HEADER;
%constant int PAYLOAD_UNSIGNED = PINPIPE_PAYLOAD_UNSIGNED;
%constant int SWITCH_SERVICE = PINPIPE_SWITCH_SERVICE;
%constant int SWITCH_ON = PINPIPE_SWITCH_ON;
%constant int SWITCH_OFF = PINPIPE_SWITCH_OFF;
%constant int S3_ADDRESSING_AUTO = PINPIPE_S3_ADDRESSING_AUTO;
%constant int S3_ADDRESSING_PATH = PINPIPE_S3_ADDRESSING_PATH;
%constant int S3_ADDRESSING_HOST = PINPIPE_S3_ADDRESSING_HOST;
%constant int S3_PUT_REPLACE = PINPIPE_S3_PUT_REPLACE;
%constant int S3_PUT_NEW = PINPIPE_S3_PUT_NEW;

/* These build Python objects. */
%nothread signature_headers;
%nothread s3_list_page;

%inline %{
static pinpipe_status credentials_new(pinpipe_credentials **out, pinpipe_str key_id, pinpipe_str secret,
                                      pinpipe_str token, pinpipe_error *err) {
    pinpipe_credentials_options options = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    options.access_key_id = key_id;
    options.secret_access_key = secret;
    options.session_token = token;
    return pinpipe_credentials_new(out, &options, err);
}

static pinpipe_status request_sign(pinpipe_signature **out, pinpipe_str method, pinpipe_str url,
                                   const pinpipe_header *headers, int64_t header_count, pinpipe_str body,
                                   const pinpipe_credentials *credentials, pinpipe_str service,
                                   pinpipe_str region, int64_t time_s, int32_t form, int64_t expires_s,
                                   int32_t payload, int32_t double_encode, int32_t normalize,
                                   int32_t sign_token, pinpipe_error *err) {
    pinpipe_sign_request request = PINPIPE_SIGN_REQUEST_INIT;
    request.method = method;
    request.url = url;
    request.body = body;
    request.headers = headers;
    request.header_count = header_count;
    pinpipe_sign_options options = PINPIPE_SIGN_OPTIONS_INIT;
    options.form = form;
    options.service = service;
    options.region = region;
    options.time_s = time_s;
    options.expires_s = expires_s;
    options.payload = payload;
    options.double_encode = double_encode;
    options.normalize = normalize;
    options.sign_token = sign_token;
    return pinpipe_request_sign(out, &request, credentials, &options, err);
}

/* A list of (name, value). */
static PyObject *signature_headers(const pinpipe_signature *signature) {
    int64_t count = pinpipe_signature_header_count(signature);
    PyObject *list = PyList_New(0);
    for (int64_t i = 0; list && i < count; i++) {
        pinpipe_header header = pinpipe_signature_header_at(signature, i);
        PyObject *pair = Py_BuildValue("(NN)", text_of(header.name), text_of(header.value));
        if (!pair || PyList_Append(list, pair) != 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(pair);
    }
    return list;
}

static pinpipe_status s3_new(pinpipe_s3 **out, const pinpipe_credentials *credentials, pinpipe_str endpoint,
                             pinpipe_str region, pinpipe_str ca_file, int32_t addressing,
                             int64_t connect_timeout_ms, int64_t timeout_ms, int32_t attempts_max,
                             pinpipe_error *err) {
    pinpipe_s3_options options = PINPIPE_S3_OPTIONS_INIT;
    options.credentials = credentials;
    options.endpoint = endpoint;
    options.region = region;
    options.ca_file = ca_file;
    options.addressing = addressing;
    options.connect_timeout_ms = connect_timeout_ms;
    options.timeout_ms = timeout_ms;
    options.attempts_max = attempts_max;
    return pinpipe_s3_new(out, &options, err);
}

static pinpipe_status s3_object_put(pinpipe_s3 *s3, pinpipe_str bucket, pinpipe_str key, pinpipe_str body,
                                    pinpipe_str content_type, int32_t flags, int64_t timeout_ms,
                                    pinpipe_error *err) {
    pinpipe_s3_put_options options = PINPIPE_S3_PUT_OPTIONS_INIT;
    options.content_type = content_type;
    options.flags = flags;
    pinpipe_s3_name name = {bucket, key};
    return pinpipe_s3_object_put(s3, name, body, &options, timeout_ms, err);
}

static pinpipe_status s3_object_get(pinpipe_buf *out, pinpipe_s3 *s3, pinpipe_str bucket, pinpipe_str key,
                                    int64_t max_bytes, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_s3_name name = {bucket, key};
    return pinpipe_s3_object_get(out, s3, name, max_bytes, timeout_ms, err);
}

static pinpipe_status s3_object_head(pinpipe_s3_object *out, pinpipe_s3 *s3, pinpipe_str bucket, pinpipe_str key,
                                     int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_s3_name name = {bucket, key};
    return pinpipe_s3_object_head(out, s3, name, timeout_ms, err);
}

static pinpipe_status s3_object_delete(pinpipe_s3 *s3, pinpipe_str bucket, pinpipe_str key, int64_t timeout_ms,
                                       pinpipe_error *err) {
    pinpipe_s3_name name = {bucket, key};
    return pinpipe_s3_object_delete(s3, name, timeout_ms, err);
}

static pinpipe_status s3_list_new(pinpipe_s3_list **out, pinpipe_s3 *s3, pinpipe_str bucket, pinpipe_str prefix,
                                  pinpipe_str start_after, int32_t page_max, pinpipe_error *err) {
    pinpipe_s3_list_options options = PINPIPE_S3_LIST_OPTIONS_INIT;
    options.bucket = bucket;
    options.prefix = prefix;
    options.start_after = start_after;
    options.page_max = page_max;
    return pinpipe_s3_list_new(out, s3, &options, err);
}

/* The page's objects as tuples. */
static PyObject *s3_list_page(const pinpipe_s3_list *list) {
    int64_t count = pinpipe_s3_list_count(list);
    PyObject *page = PyList_New(0);
    for (int64_t i = 0; page && i < count; i++) {
        pinpipe_s3_object object = pinpipe_s3_list_at(list, i);
        PyObject *tuple = object_tuple(&object);
        if (!tuple || PyList_Append(page, tuple) != 0) {
            Py_CLEAR(page);
        }
        Py_XDECREF(tuple);
    }
    return page;
}
%}
