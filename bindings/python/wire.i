/* Turns the wire wing (credentials, signing, S3) into pinpipe.native, its options structs spread out as arguments.
 * Never holds the GIL while a request is under way.
 * Rules: docs/architecture.md, "The Python border". */
%{
#include <string.h>

#include "pinpipe/credentials.h"
#include "pinpipe/provider.h"
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

/* (url, [(name, value)], canonical request, string to sign, signature, bytes of the body) */
static PyObject *signature_tuple(const pinpipe_signature *signature) {
    int64_t count = pinpipe_signature_header_count(signature);
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (int64_t i = 0; list && i < count; i++) {
        pinpipe_header header = pinpipe_signature_header_at(signature, i);
        PyObject *pair = PyTuple_New(2);
        PyObject *name = text_of(header.name), *value = text_of(header.value);
        if (!pair || !name || !value) {
            Py_XDECREF(pair);
            Py_XDECREF(name);
            Py_XDECREF(value);
            Py_CLEAR(list);
        } else {
            PyTuple_SetItem(pair, 0, name);
            PyTuple_SetItem(pair, 1, value);
            PyList_SetItem(list, (Py_ssize_t)i, pair);
        }
    }
    PyObject *parts[] = {text_of(pinpipe_signature_url(signature)),
                         list,
                         text_of(pinpipe_signature_canonical_request(signature)),
                         text_of(pinpipe_signature_string_to_sign(signature)),
                         text_of(pinpipe_signature_text(signature)),
                         PyLong_FromLongLong((long long)pinpipe_signature_body_bytes(signature))};
    PyObject *tuple = PyTuple_New(sizeof parts / sizeof parts[0]);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (tuple && parts[i]) {
            PyTuple_SetItem(tuple, (Py_ssize_t)i, parts[i]);
        } else {
            Py_XDECREF(parts[i]);
            Py_CLEAR(tuple);
        }
    }
    return tuple;
}

/* Room in a bytes object that is made where the size is known; the GIL is not held then. */
static char *bytes_room(void *user, int64_t size_bytes) {
    PyObject **made = user;
    PyGILState_STATE state = PyGILState_Ensure();
    Py_XDECREF(*made);
    *made = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size_bytes);
    char *room = *made ? PyBytes_AsString(*made) : NULL;
    if (!room) {
        PyErr_Clear();
    }
    PyGILState_Release(state);
    return room;
}

/* Room in a buffer of the caller's; NULL where it is too small, which the core tells. */
static char *buffer_room(void *user, int64_t size_bytes) {
    const Py_buffer *view = user;
    return (int64_t)view->len >= size_bytes ? view->buf : NULL;
}

static int borrow_keys(PyObject *object, pinpipe_str **out, int64_t *count) {
    Py_ssize_t len = PyList_Check(object) ? PyList_Size(object) : -1;
    if (len < 0) {
        PyErr_SetString(PyExc_TypeError, "keys are a list");
        return 0;
    }
    *out = PyMem_Calloc((size_t)len + 1, sizeof **out);
    *count = (int64_t)len;
    for (Py_ssize_t i = 0; *out && i < len; i++) {
        Py_buffer unused = {0};
        PyObject *key = PyList_GetItem(object, i);
        if (!PyUnicode_Check(key) && !PyBytes_Check(key)) {
            PyErr_SetString(PyExc_TypeError, "a key is a str");
            return 0;
        }
        if (!borrow_bytes(key, &(*out)[i], &unused)) {
            return 0;
        }
    }
    return *out != NULL;
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

/* The exception under way as an error; its text is the callback's own. */
static pinpipe_status callback_fail(pinpipe_error *err) {
    PyObject *type = NULL, *value = NULL, *trace = NULL;
    PyErr_Fetch(&type, &value, &trace);
    PyObject *name = type ? PyObject_GetAttrString(type, "__name__") : NULL;
    PyObject *said = value ? PyObject_Str(value) : NULL;
    PyObject *text = name && said ? PyUnicode_FromFormat("%U: %U", name, said) : NULL;
    const char *bytes = text ? PyUnicode_AsUTF8AndSize(text, NULL) : NULL;
    if (err && err->struct_size >= sizeof *err) {
        err->status = PINPIPE_EAUTH;
        PyOS_snprintf(err->message, sizeof err->message, "%s", bytes ? bytes : "it raised an exception");
    }
    PyErr_Clear();
    Py_XDECREF(text);
    Py_XDECREF(said);
    Py_XDECREF(name);
    Py_XDECREF(trace);
    Py_XDECREF(value);
    Py_XDECREF(type);
    return PINPIPE_EAUTH;
}

/* (key, secret, token, expiry in seconds, account) into a key; 0 = a Python exception is set. */
static int parts_take(pinpipe_credentials_options *parts, PyObject *tuple) {
    pinpipe_str *texts[] = {&parts->access_key_id, &parts->secret_access_key, &parts->session_token, NULL,
                            &parts->account_id};
    for (Py_ssize_t i = 0; i < 5; i++) {
        PyObject *item = PyTuple_GetItem(tuple, i);
        Py_ssize_t size = 0;
        if (item && texts[i]) {
            texts[i]->ptr = PyUnicode_AsUTF8AndSize(item, &size);
            texts[i]->len = (size_t)size;
        } else if (item) {
            parts->expires_s = (int64_t)PyLong_AsLongLong(item);
        }
        if (PyErr_Occurred()) {
            return 0;
        }
    }
    return 1;
}

/* Called on the thread of a caller, which has given up the GIL. */
static pinpipe_status callback_run(pinpipe_credentials **out, void *user, pinpipe_error *err) {
    PyGILState_STATE gil = PyGILState_Ensure();
    pinpipe_credentials_options parts = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    PyObject *made = PyObject_CallObject((PyObject *)user, NULL);
    pinpipe_status status = made && parts_take(&parts, made) ? pinpipe_credentials_new(out, &parts, err)
                                                             : callback_fail(err);
    Py_XDECREF(made);
    PyGILState_Release(gil);
    return status;
}

static void callback_drop(void *user) {
    PyGILState_STATE gil = PyGILState_Ensure();
    Py_DECREF((PyObject *)user);
    PyGILState_Release(gil);
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

%typemap(in, numinputs=0) const pinpipe_signature **out (pinpipe_signature *local = NULL) {
    $1 = &local;
}
%typemap(argout) const pinpipe_signature **out {
    if (result >= 0) {
        $result = append_output($result, signature_tuple(local$argnum));
        if (!$result) {
            SWIG_fail;
        }
    }
}

%typemap(in, numinputs=0) PyObject **made (PyObject *local = NULL) {
    $1 = &local;
}
%typemap(argout) PyObject **made {
    if (result < 0) {
        Py_CLEAR(*$1);
    } else {
        Py_XDECREF($result); /* DONE is no answer here */
        $result = *$1;
    }
}

%typemap(in, numinputs=0) pinpipe_s3_object *out (pinpipe_s3_object local = {{0}}) {
    $1 = &local;
}
%typemap(argout) pinpipe_s3_object *out {
    if (result >= 0) {
        $result = append_output($result, object_tuple($1));
    }
}

/* The same with where the piece begins and its bytes behind. */
%typemap(in, numinputs=0) pinpipe_s3_piece *out (pinpipe_s3_piece local = {{{0}}}) {
    $1 = &local;
}
%typemap(argout) pinpipe_s3_piece *out {
    if (result == PINPIPE_OK) {
        $result = append_output($result, Py_BuildValue("(NLN)", object_tuple(&$1->object),
                                                       (long long)$1->offset_bytes, bytes_of($1->bytes)));
    }
}

%typemap(in) Py_buffer *view (Py_buffer local) {
    local.obj = NULL;
    if (PyObject_GetBuffer($input, &local, PyBUF_SIMPLE | PyBUF_WRITABLE) != 0) {
        SWIG_fail;
    }
    $1 = &local;
}
%typemap(arginit) Py_buffer *view {
    $1 = NULL;
}
%typemap(freearg) Py_buffer *view {
    if ($1 && $1->obj) {
        PyBuffer_Release($1);
    }
}

%typemap(in, numinputs=0) PyObject **OUTPUT (PyObject *local = NULL) {
    $1 = &local;
}
%typemap(argout) PyObject **OUTPUT {
    if (result >= 0) {
        $result = append_output($result, *$1);
        *$1 = NULL;
    }
}
%typemap(freearg) PyObject **OUTPUT {
    Py_XDECREF(*$1);
}

/* A list of keys, str or bytes, which the caller keeps for the time of the call. */
%typemap(in) (const pinpipe_str *keys, int64_t count) {
    if (!borrow_keys($input, &$1, &$2)) {
        if (!PyErr_Occurred()) {
            PyErr_NoMemory();
        }
        SWIG_fail;
    }
}
%typemap(arginit) (const pinpipe_str *keys, int64_t count) {
    $1 = NULL;
}
%typemap(freearg) (const pinpipe_str *keys, int64_t count) {
    PyMem_Free((void *)$1);
}

PINPIPE_HANDLE(pinpipe_credentials)
PINPIPE_HANDLE(pinpipe_provider)
PINPIPE_HANDLE(pinpipe_signer)
PINPIPE_HANDLE(pinpipe_chunk_writer)
PINPIPE_HANDLE(pinpipe_s3)
PINPIPE_HANDLE(pinpipe_s3_list)
PINPIPE_HANDLE(pinpipe_s3_reader)
PINPIPE_HANDLE(pinpipe_s3_upload)
PINPIPE_HANDLE(pinpipe_objects)

pinpipe_status pinpipe_provider_get(pinpipe_credentials **out, pinpipe_provider *provider, int64_t timeout_ms,
                                    pinpipe_error *err);
int64_t pinpipe_provider_time_s(pinpipe_provider *provider);
pinpipe_str pinpipe_provider_region(const pinpipe_provider *provider);
pinpipe_status pinpipe_provider_endpoint(pinpipe_buf *out, const pinpipe_provider *provider, pinpipe_str service,
                                         pinpipe_error *err);
pinpipe_str pinpipe_credentials_key_id(const pinpipe_credentials *credentials);
pinpipe_str pinpipe_credentials_secret(const pinpipe_credentials *credentials);
pinpipe_str pinpipe_credentials_token(const pinpipe_credentials *credentials);
pinpipe_str pinpipe_credentials_account_id(const pinpipe_credentials *credentials);
int64_t pinpipe_credentials_expires_s(const pinpipe_credentials *credentials);
const char *pinpipe_credentials_name(const pinpipe_credentials *credentials);
pinpipe_str pinpipe_credentials_text(const pinpipe_credentials *credentials);

pinpipe_status pinpipe_signer_new(pinpipe_signer **out, pinpipe_error *err);
pinpipe_status pinpipe_chunk_writer_new(pinpipe_chunk_writer **out, const pinpipe_signer *signer, pinpipe_error *err);

pinpipe_status pinpipe_s3_bucket_put(pinpipe_s3 *s3, pinpipe_str bucket, int64_t timeout_ms, pinpipe_error *err);
pinpipe_status pinpipe_s3_bucket_delete(pinpipe_s3 *s3, pinpipe_str bucket, int64_t timeout_ms, pinpipe_error *err);
pinpipe_status pinpipe_s3_list_next(pinpipe_s3_list *list, int64_t timeout_ms, pinpipe_error *err);
pinpipe_status pinpipe_s3_objects_delete(pinpipe_s3 *s3, pinpipe_str bucket, const pinpipe_str *keys, int64_t count,
                                         int64_t timeout_ms, pinpipe_error *err);
pinpipe_status pinpipe_s3_reader_next(pinpipe_s3_piece *out, pinpipe_s3_reader *reader, int64_t timeout_ms,
                                      pinpipe_error *err);
pinpipe_status pinpipe_s3_upload_write(pinpipe_s3_upload *upload, pinpipe_str bytes, int64_t timeout_ms,
                                       pinpipe_error *err);
pinpipe_status pinpipe_s3_upload_commit(pinpipe_s3_upload *upload, int64_t timeout_ms, pinpipe_error *err);
pinpipe_status pinpipe_s3_upload_clear(pinpipe_s3_upload *upload, int64_t timeout_ms, pinpipe_error *err);
pinpipe_status pinpipe_objects_watch(pinpipe_objects *source, pinpipe_decoder *decoder, pinpipe_batch *batch,
                                     pinpipe_report *report, pinpipe_statistics *statistics, pinpipe_error *err);
pinpipe_status pinpipe_objects_decode(pinpipe_objects *source, pinpipe_decoder *decoder, pinpipe_batch *batch,
                                     pinpipe_report *report, int64_t timeout_ms, pinpipe_error *err);
int64_t pinpipe_objects_count(const pinpipe_objects *source);
int64_t pinpipe_objects_bytes_count(const pinpipe_objects *source);

%constant int SIGN_HEADER = PINPIPE_SIGN_HEADER;
%constant int SIGN_QUERY = PINPIPE_SIGN_QUERY;
%constant int PAYLOAD_SERVICE = PINPIPE_PAYLOAD_SERVICE;
%constant int PAYLOAD_SIGNED = PINPIPE_PAYLOAD_SIGNED;
%constant int PAYLOAD_SIGNED_HEADER = PINPIPE_PAYLOAD_SIGNED_HEADER;
%constant int PAYLOAD_UNSIGNED = PINPIPE_PAYLOAD_UNSIGNED;
%constant int PAYLOAD_STREAMING_SIGNED = PINPIPE_PAYLOAD_STREAMING_SIGNED;
%constant int PAYLOAD_STREAMING_SIGNED_TRAILER = PINPIPE_PAYLOAD_STREAMING_SIGNED_TRAILER;
%constant int PAYLOAD_STREAMING_UNSIGNED_TRAILER = PINPIPE_PAYLOAD_STREAMING_UNSIGNED_TRAILER;
%constant int CHECKSUM_NONE = PINPIPE_CHECKSUM_NONE;
%constant int CHECKSUM_CRC32 = PINPIPE_CHECKSUM_CRC32;
%constant int CHECKSUM_CRC32C = PINPIPE_CHECKSUM_CRC32C;
%constant int CHECKSUM_CRC64NVME = PINPIPE_CHECKSUM_CRC64NVME;
%constant int CHECKSUM_SHA256 = PINPIPE_CHECKSUM_SHA256;
%constant int SWITCH_SERVICE = PINPIPE_SWITCH_SERVICE;
%constant int SWITCH_ON = PINPIPE_SWITCH_ON;
%constant int SWITCH_OFF = PINPIPE_SWITCH_OFF;
%constant int S3_ADDRESSING_AUTO = PINPIPE_S3_ADDRESSING_AUTO;
%constant int S3_ADDRESSING_PATH = PINPIPE_S3_ADDRESSING_PATH;
%constant int S3_ADDRESSING_HOST = PINPIPE_S3_ADDRESSING_HOST;
%constant int S3_PAYLOAD_AUTO = PINPIPE_S3_PAYLOAD_AUTO;
%constant int S3_PAYLOAD_SIGNED = PINPIPE_S3_PAYLOAD_SIGNED;
%constant int S3_CHECKSUM_AUTO = PINPIPE_S3_CHECKSUM_AUTO;
%constant int S3_CHECKSUM_NONE = PINPIPE_S3_CHECKSUM_NONE;
%constant int S3_CHECKSUM_CRC32C = PINPIPE_S3_CHECKSUM_CRC32C;
%constant int S3_CHECKSUM_CRC64NVME = PINPIPE_S3_CHECKSUM_CRC64NVME;
%constant int S3_VALIDATION_AUTO = PINPIPE_S3_VALIDATION_AUTO;
%constant int S3_VALIDATION_NONE = PINPIPE_S3_VALIDATION_NONE;
%constant int S3_PUT_REPLACE = PINPIPE_S3_PUT_REPLACE;
%constant int S3_PUT_NEW = PINPIPE_S3_PUT_NEW;

/* These build Python objects. */
%nothread chunk_writer_encode; /* … and gives the GIL up by itself */
%nothread msk_token_sign;
%nothread s3_list_page;
%nothread provider_callback;

%inline %{
static pinpipe_status credentials_new(pinpipe_credentials **out, pinpipe_str key_id, pinpipe_str secret,
                                      pinpipe_str token, pinpipe_error *err) {
    pinpipe_credentials_options options = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    options.access_key_id = key_id;
    options.secret_access_key = secret;
    options.session_token = token;
    return pinpipe_credentials_new(out, &options, err);
}

static pinpipe_status provider_new(pinpipe_provider **out, const pinpipe_credentials *credentials,
                                   pinpipe_str profile, pinpipe_str region, pinpipe_str csv_path,
                                   pinpipe_error *err) {
    pinpipe_provider_options options = PINPIPE_PROVIDER_OPTIONS_INIT;
    options.credentials = credentials;
    options.profile = profile;
    options.region = region;
    options.csv_path = csv_path;
    return pinpipe_provider_new(out, &options, err);
}

/* No thread of the library's ever calls into Python: a caller renews. */
static pinpipe_status provider_callback(pinpipe_provider **out, PyObject *fn, pinpipe_error *err) {
    pinpipe_provider_options options = PINPIPE_PROVIDER_OPTIONS_INIT;
    options.callback = callback_run;
    options.callback_free = callback_drop;
    options.callback_user = fn;
    options.refresh = PINPIPE_REFRESH_CALLER;
    pinpipe_status status = pinpipe_provider_new(out, &options, err);
    if (status == PINPIPE_OK) {
        Py_INCREF(fn);
    }
    return status;
}

static pinpipe_status signer_sign(const pinpipe_signature **out, pinpipe_signer *signer, pinpipe_str method,
                                  pinpipe_str url, const pinpipe_header *headers, int64_t header_count,
                                  pinpipe_str body, const pinpipe_credentials *credentials, pinpipe_str service,
                                  pinpipe_str region, int64_t time_s, int32_t form, int64_t expires_s,
                                  int32_t payload, int32_t double_encode, int32_t normalize, int32_t sign_token,
                                  int32_t checksum, int64_t chunk_bytes, pinpipe_error *err) {
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
    options.checksum = checksum;
    options.chunk_bytes = chunk_bytes;
    options.decoded_bytes = payload >= PINPIPE_PAYLOAD_STREAMING_SIGNED ? (int64_t)body.len : 0;
    return pinpipe_signer_sign(out, signer, &request, credentials, &options, err);
}

/* The whole body framed; `size` is what the signature says that it becomes. */
static pinpipe_status chunk_writer_encode(PyObject **made, pinpipe_chunk_writer *writer, pinpipe_str body,
                                          int64_t size, pinpipe_error *err) {
    pinpipe_chunk_step step = PINPIPE_CHUNK_STEP_INIT;
    pinpipe_status status = PINPIPE_ENOMEM;
    *made = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (*made) {
        step.in = body;
        step.out = PyBytes_AsString(*made);
        step.out_cap = size;
        Py_BEGIN_ALLOW_THREADS
        status = pinpipe_chunk_writer_write(&step, writer, err);
        Py_END_ALLOW_THREADS
    }
    return status;
}

/* (token, end of its life in ms) */
static pinpipe_status msk_token_sign(PyObject **made, const pinpipe_credentials *credentials, pinpipe_str region,
                                     pinpipe_str sign_host, pinpipe_str user_agent, int64_t time_s,
                                     int64_t expires_s, pinpipe_error *err) {
    pinpipe_msk_options options = PINPIPE_MSK_OPTIONS_INIT;
    pinpipe_buf token = PINPIPE_BUF_INIT;
    int64_t lifetime_ms = 0;
    options.region = region;
    options.sign_host = sign_host;
    options.user_agent = user_agent;
    options.time_s = time_s;
    options.expires_s = expires_s;
    pinpipe_status status = pinpipe_msk_token_sign(&token, &lifetime_ms, credentials, &options, err);
    if (status >= 0) {
        *made = Py_BuildValue("(NL)", text_of((pinpipe_str){token.ptr, token.len}), (long long)lifetime_ms);
    }
    if (token.ptr) {
        explicit_bzero(token.ptr, token.cap); /* it is as good as the key until it ends */
    }
    pinpipe_buf_reset(&token);
    return status;
}

static pinpipe_status s3_new(pinpipe_s3 **out, const pinpipe_provider *provider, pinpipe_str endpoint,
                             pinpipe_str region, pinpipe_str ca_file, int32_t addressing,
                             int64_t connect_timeout_ms, int64_t timeout_ms, int32_t attempts_max,
                             int32_t in_flight, int64_t part_bytes, int32_t payload, int32_t checksum,
                             int32_t validation, pinpipe_str expected_owner, pinpipe_str request_payer,
                             pinpipe_str encryption, pinpipe_str encryption_key,
                             pinpipe_str encryption_context, pinpipe_error *err) {
    pinpipe_s3_options options = PINPIPE_S3_OPTIONS_INIT;
    options.provider = provider;
    options.endpoint = endpoint;
    options.region = region;
    options.ca_file = ca_file;
    options.addressing = addressing;
    options.connect_timeout_ms = connect_timeout_ms;
    options.timeout_ms = timeout_ms;
    options.attempts_max = attempts_max;
    options.in_flight = in_flight;
    options.part_bytes = part_bytes;
    options.payload = payload;
    options.checksum = checksum;
    options.validation = validation;
    options.expected_owner = expected_owner;
    options.request_payer = request_payer;
    options.encryption = encryption;
    options.encryption_key = encryption_key;
    options.encryption_context = encryption_context;
    return pinpipe_s3_new(out, &options, err);
}

static pinpipe_status s3_object_put(pinpipe_s3 *s3, pinpipe_str bucket, pinpipe_str key, pinpipe_str body,
                                    pinpipe_str content_type, int32_t flags, pinpipe_str if_match,
                                    int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_s3_put_options options = PINPIPE_S3_PUT_OPTIONS_INIT;
    options.if_match = if_match;
    options.content_type = content_type;
    options.flags = flags;
    pinpipe_s3_name name = {bucket, key};
    return pinpipe_s3_object_put(s3, name, body, &options, timeout_ms, err);
}

static pinpipe_status s3_object_get(PyObject **OUTPUT, pinpipe_s3 *s3, pinpipe_str bucket, pinpipe_str key,
                                    int64_t max_bytes, int64_t timeout_ms, pinpipe_error *err) {
    int64_t size_bytes = 0;
    pinpipe_s3_name name = {bucket, key};
    return pinpipe_s3_object_get_into(&size_bytes, s3, name, bytes_room, OUTPUT, max_bytes, timeout_ms, err);
}

static pinpipe_status s3_object_get_into(int64_t *OUTPUT, pinpipe_s3 *s3, pinpipe_str bucket, pinpipe_str key,
                                         Py_buffer *view, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_s3_name name = {bucket, key};
    return pinpipe_s3_object_get_into(OUTPUT, s3, name, buffer_room, view, (int64_t)view->len, timeout_ms, err);
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

static pinpipe_status s3_object_sign(pinpipe_buf *out, pinpipe_s3 *s3, pinpipe_str bucket, pinpipe_str key,
                                     pinpipe_str method, int64_t expires_s, int64_t timeout_ms,
                                     pinpipe_error *err) {
    pinpipe_s3_sign_options options = PINPIPE_S3_SIGN_OPTIONS_INIT;
    options.method = method;
    options.expires_s = expires_s;
    pinpipe_s3_name name = {bucket, key};
    return pinpipe_s3_object_sign(out, s3, name, &options, timeout_ms, err);
}

static pinpipe_status s3_list_new(pinpipe_s3_list **out, pinpipe_s3 *s3, pinpipe_str bucket, pinpipe_str prefix,
                                  pinpipe_str start_after, int32_t page_max, int32_t in_flight,
                                  pinpipe_error *err) {
    pinpipe_s3_list_options options = PINPIPE_S3_LIST_OPTIONS_INIT;
    options.bucket = bucket;
    options.prefix = prefix;
    options.start_after = start_after;
    options.page_max = page_max;
    options.in_flight = in_flight;
    return pinpipe_s3_list_new(out, s3, &options, err);
}

static pinpipe_status s3_reader_new(pinpipe_s3_reader **out, pinpipe_s3 *s3, pinpipe_str bucket, pinpipe_str key,
                                    pinpipe_str prefix, pinpipe_str start_after, int32_t in_flight,
                                    int64_t buffer_bytes, pinpipe_error *err) {
    pinpipe_s3_reader_options options = PINPIPE_S3_READER_OPTIONS_INIT;
    options.bucket = bucket;
    options.key = key;
    options.prefix = prefix;
    options.start_after = start_after;
    options.in_flight = in_flight;
    options.buffer_bytes = buffer_bytes;
    return pinpipe_s3_reader_new(out, s3, &options, err);
}

static pinpipe_status s3_upload_open(pinpipe_s3_upload **out, pinpipe_s3 *s3, pinpipe_str bucket, pinpipe_str key,
                                     pinpipe_str content_type, int32_t flags, pinpipe_str if_match,
                                     int64_t size_bytes, pinpipe_str journal, pinpipe_error *err) {
    pinpipe_s3_upload_options options = PINPIPE_S3_UPLOAD_OPTIONS_INIT;
    options.content_type = content_type;
    options.flags = flags;
    options.if_match = if_match;
    options.size_bytes = size_bytes;
    options.journal = journal;
    pinpipe_s3_name name = {bucket, key};
    return pinpipe_s3_upload_open(out, s3, name, &options, err);
}

static pinpipe_status s3_uploads_clear(int64_t *OUTPUT, pinpipe_s3 *s3, pinpipe_str bucket, pinpipe_str prefix,
                                       int64_t age_s, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_s3_name below = {bucket, prefix};
    return pinpipe_s3_uploads_clear(OUTPUT, s3, below, age_s, timeout_ms, err);
}

static pinpipe_status source_open(pinpipe_objects **out, pinpipe_str url, pinpipe_s3 *s3, int32_t in_flight,
                                  int64_t buffer_bytes, pinpipe_error *err) {
    pinpipe_objects_options options = PINPIPE_OBJECTS_OPTIONS_INIT;
    options.in_flight = in_flight;
    options.buffer_bytes = buffer_bytes;
    return pinpipe_objects_open(out, url, s3, &options, err);
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
