/* Turns columns of records into writes of a Kinesis producer, and its reports into arrays of bytes.
 * Never makes an object a record, and never copies a column: the producer does, record by record.
 * Rules: docs/kinesis.md, "Batches of records"; columns are kafka_batch.i's. */
%{
#include <time.h>

static int64_t milliseconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Entry `index` of a column; NULL in its ptr: it is null. False where its offsets fall or are beyond the data. */
static bool entry_read(pinpipe_str *out, const kafka_column *from, int64_t index) {
    const pinpipe_kafka_column *column = &from->column;
    int64_t at = column->first + index;
    bool is_narrow = column->offset_bytes == 4;
    *out = (pinpipe_str){NULL, 0};
    if (!column->offsets || (column->validity && !(column->validity[at >> 3] >> (at & 7) & 1))) {
        return true;
    }
    int64_t begin = is_narrow ? ((const int32_t *)column->offsets)[at] : ((const int64_t *)column->offsets)[at];
    int64_t end = is_narrow ? ((const int32_t *)column->offsets)[at + 1] : ((const int64_t *)column->offsets)[at + 1];
    *out = (pinpipe_str){column->data ? column->data + begin : "", (size_t)(end - begin)};
    return begin >= 0 && end >= begin && end <= column->data_bytes;
}

/* What is wrong with a record, behind its place among the columns' entries. */
static pinpipe_status record_fail(pinpipe_error *err, int64_t index, pinpipe_status status, const char *text) {
    pinpipe_error cause = err ? *err : (pinpipe_error)PINPIPE_ERROR_INIT;
    if (err) {
        err->status = status;
        snprintf(err->message, sizeof err->message, "record %lld: %s", (long long)index, text ? text : cause.message);
    }
    return status;
}

static bool bytes_add(PyObject *array, const void *bytes, size_t len) {
    Py_ssize_t before = PyByteArray_Size(array);
    bool is_done = PyByteArray_Resize(array, before + (Py_ssize_t)len) == 0;
    if (is_done && len) {
        memcpy(PyByteArray_AsString(array) + before, bytes, len);
    }
    return is_done;
}

static bool text_add(PyObject *data, PyObject *ends, pinpipe_str text) {
    int64_t end = (int64_t)PyByteArray_Size(data) + (int64_t)text.len;
    return bytes_add(data, text.ptr, text.len) && bytes_add(ends, &end, sizeof end);
}

enum { REPORT_ARRAYS = 8 };
%}

%apply int64_t *OUTPUT { int64_t *taken };
%nothread kinesis_producer_report_arrays;

%inline %{
/* Writes entries of columns from `from` up to their end, as long as there is room or it comes in time; `taken`: how
 * many. A record that is refused ends the call: those before it are written. */
static pinpipe_status kinesis_producer_write_columns(int64_t *taken, pinpipe_kinesis_producer *producer,
                                                     const kafka_column *data, const kafka_column *keys,
                                                     const kafka_column *hashes, int64_t from, int64_t tag,
                                                     int64_t timeout_ms, pinpipe_error *err) {
    int64_t deadline_ms = milliseconds_now() + timeout_ms, left_ms = timeout_ms;
    pinpipe_status status = PINPIPE_OK;
    *taken = 0;
    for (int64_t i = from; i < data->count && left_ms >= 0; i++) {
        pinpipe_kinesis_record record = PINPIPE_KINESIS_RECORD_INIT;
        bool is_sound = entry_read(&record.data, data, i) && entry_read(&record.partition_key, keys, i) &&
                        (!hashes || entry_read(&record.hash_key, hashes, i));
        if (!is_sound || !record.data.ptr || !record.partition_key.ptr) {
            return record_fail(err, tag + i, PINPIPE_EINVAL,
                               is_sound ? "its data or its partition key is null" : "its offsets are beyond the data");
        }
        status = pinpipe_kinesis_producer_write(producer, &record, tag + i, left_ms, err);
        if (status == PINPIPE_ETIMEOUT) {
            return PINPIPE_OK;
        }
        if (status < 0) {
            return record_fail(err, tag + i, status, NULL);
        }
        ++*taken;
        left_ms = deadline_ms - milliseconds_now();
    }
    return PINPIPE_OK;
}

/* All reports that wait: tags and latencies of 8 bytes, statuses and attempts of 4; data and ends of shards and of
 * sequence numbers. */
static PyObject *kinesis_producer_report_arrays(pinpipe_kinesis_producer *producer) {
    pinpipe_kinesis_report report;
    PyObject *arrays[REPORT_ARRAYS] = {NULL};
    int64_t zero = 0;
    bool is_going = true;
    for (int i = 0; i < REPORT_ARRAYS; i++) {
        arrays[i] = PyByteArray_FromStringAndSize(NULL, 0);
        is_going = is_going && arrays[i];
    }
    is_going = is_going && bytes_add(arrays[5], &zero, sizeof zero) && bytes_add(arrays[7], &zero, sizeof zero);
    while (is_going && pinpipe_kinesis_producer_report_next(&report, producer, NULL) == PINPIPE_OK) {
        is_going = bytes_add(arrays[0], &report.tag, sizeof report.tag) &&
                   bytes_add(arrays[1], &report.latency_ms, sizeof report.latency_ms) &&
                   bytes_add(arrays[2], &report.status, sizeof(int32_t)) &&
                   bytes_add(arrays[3], &report.attempts, sizeof report.attempts) &&
                   text_add(arrays[4], arrays[5], report.shard_id) &&
                   text_add(arrays[6], arrays[7], report.sequence_number);
    }
    PyObject *tuple = tuple_of(arrays, REPORT_ARRAYS);
    if (!is_going) {
        Py_CLEAR(tuple);
    }
    return tuple;
}
%}
