/* Turns rows into JSON values and keys of records, and the values of consumed records into rows.
 * Never touches a broker: writing and reading are kafka/'s.
 * Rules: docs/kafka.md, "Batches"; CONTRACT §4, "Written out". */
#include "pinpipe/kafka_rows.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "text/number.h"

#define I64_TEXT_MAX 24

/* The text that a batch's columns point into. */
typedef struct encoded_rows {
    pinpipe_buf values;
    pinpipe_buf keys;
    int64_t *value_offsets;
    int64_t *key_offsets;
    uint8_t *key_validity;
} encoded_rows;

static void rows_release(void *context) {
    encoded_rows *rows = context;
    pinpipe_buf_reset(&rows->values);
    pinpipe_buf_reset(&rows->keys);
    pp_free(rows->value_offsets);
    pp_free(rows->key_offsets);
    pp_free(rows->key_validity);
    pp_free(rows);
}

static pinpipe_status key_check(pinpipe_column_info *out, const pinpipe_batch *batch, int32_t column,
                                pinpipe_error *err) {
    pinpipe_status status =
        pinpipe_schema_at(out, pinpipe_batch_record(batch), pinpipe_batch_shape(batch), column, err);
    if (status == PINPIPE_OK && out->type != PINPIPE_TYPE_TEXT && out->type != PINPIPE_TYPE_I64) {
        return pp_fail(err, PINPIPE_EINVAL, "column '%s' is neither text nor an integer: it makes no key",
                       out->name);
    }
    return status;
}

static pinpipe_status key_append(pinpipe_buf *out, const pinpipe_batch *batch, int64_t row, int32_t column,
                                 int32_t type, pinpipe_error *err) {
    if (type == PINPIPE_TYPE_TEXT) {
        pinpipe_str text = pinpipe_batch_str(batch, row, column);
        return pp_buf_append(out, text.ptr, text.len, err);
    }
    char text[I64_TEXT_MAX];
    return pp_buf_append(out, text, pp_number_write_i64(text, pinpipe_batch_i64(batch, row, column)), err);
}

static pinpipe_status keys_encode(encoded_rows *rows, const pinpipe_batch *batch, int32_t column,
                                  pinpipe_error *err) {
    pinpipe_column_info info = PINPIPE_COLUMN_INFO_INIT;
    size_t count = (size_t)pinpipe_batch_rows(batch);
    pinpipe_status status = key_check(&info, batch, column, err);
    if (status < 0) {
        return status;
    }
    rows->key_offsets = pp_alloc_zero((count + 1) * sizeof *rows->key_offsets);
    rows->key_validity = pp_alloc_zero(count / 8 + 1);
    if (!rows->key_offsets || !rows->key_validity) {
        return pp_fail_memory(err, "the keys of a batch", (count + 1) * sizeof *rows->key_offsets);
    }
    status = pp_buf_reserve(&rows->keys, 0, PP_BUF_MAX, err);
    for (size_t row = 0; row < count && status == PINPIPE_OK; row++) {
        if (!pinpipe_batch_is_null(batch, (int64_t)row, column)) {
            rows->key_validity[row >> 3] |= (uint8_t)(1 << (row & 7));
            status = key_append(&rows->keys, batch, (int64_t)row, column, info.type, err);
        }
        rows->key_offsets[row + 1] = (int64_t)rows->keys.len;
    }
    return status;
}

pinpipe_status pinpipe_kafka_columns_encode(pinpipe_kafka_columns *out, const pinpipe_batch *batch,
                                            int32_t key_column, pinpipe_error *err) {
    *out = (pinpipe_kafka_columns)PINPIPE_KAFKA_COLUMNS_INIT;
    size_t count = (size_t)pinpipe_batch_rows(batch);
    encoded_rows *rows = pp_alloc_zero(sizeof *rows);
    if (!rows) {
        return pp_fail_memory(err, "the values of a batch", sizeof *rows);
    }
    rows->value_offsets = pp_alloc((count + 1) * sizeof *rows->value_offsets);
    pinpipe_status status = rows->value_offsets
                                ? pinpipe_batch_encode_values(&rows->values, rows->value_offsets, batch, err)
                                : pp_fail_memory(err, "the values of a batch", count * sizeof(int64_t));
    if (status == PINPIPE_OK && key_column >= 0) {
        status = keys_encode(rows, batch, key_column, err);
    }
    if (status < 0) {
        rows_release(rows);
        return status;
    }
    out->count = (int64_t)count;
    out->values = (pinpipe_kafka_column){
        .data = rows->values.ptr,
        .offsets = rows->value_offsets,
        .data_bytes = (int64_t)rows->values.len,
        .offset_bytes = sizeof(int64_t),
    };
    if (rows->key_offsets) {
        out->keys = (pinpipe_kafka_column){
            .data = rows->keys.ptr,
            .offsets = rows->key_offsets,
            .validity = rows->key_validity,
            .data_bytes = (int64_t)rows->keys.len,
            .offset_bytes = sizeof(int64_t),
        };
    }
    out->release = rows_release;
    out->release_context = rows;
    return PINPIPE_OK;
}

pinpipe_status pinpipe_kafka_records_decode(int64_t *taken_count, pinpipe_decoder *decoder,
                                            pinpipe_batch *batch, const pinpipe_kafka_records *records,
                                            int64_t first, pinpipe_report *report, pinpipe_error *err) {
    pinpipe_kafka_records_view view = PINPIPE_KAFKA_RECORDS_VIEW_INIT;
    pinpipe_status status = pinpipe_kafka_records_get(&view, records, err);
    bool partial = false;
    int64_t row = first;
    *taken_count = 0;
    for (; row < view.count && status >= 0; row++) {
        const int64_t *offsets = view.values.offsets;
        pinpipe_str value = {view.values.data + offsets[row], (size_t)(offsets[row + 1] - offsets[row])};
        status = pinpipe_decoder_feed_record(decoder, batch, value, report, err);
        if (status == PINPIPE_AGAIN) {
            break;
        }
        partial = partial || status == PINPIPE_PARTIAL;
    }
    *taken_count = row - first;
    return status < 0 ? status : partial ? PINPIPE_PARTIAL : PINPIPE_OK;
}
