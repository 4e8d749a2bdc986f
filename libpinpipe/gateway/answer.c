/* Turns what became of a request into its answer.
 * Never says 200 where no record was stored, unless it was told to mask that.
 * Rules: Confluent REST Proxy API Reference, "API v2"; reference/kafka.md §3.1. */
#include "gateway/answer.h"

#if PINPIPE_WITH_GATEWAY

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "gateway/batch.h"
#include "text/json_string.h"
#include "text/number.h"
#include "text/utf8.h"

#define WORDS_BYTES 512
/* Of one record's entry that was stored: names, and two numbers. */
#define ENTRY_BYTES 112
/* Of a record whose broker was not asked for an acknowledgement (acks=0), as Java's producer has it. */
#define OFFSET_UNKNOWN (-1)
/* Kafka's codes that say "not allowed" where the others of their status say "not logged in". */
#define CODE_TOPIC_DENIED 29
#define CODE_CLUSTER_DENIED 31

typedef struct error_row {
    int32_t code, status, retry_after_s;
    const char *words;
} error_row;

static const error_row rows[] = {
#define PP_GATEWAY_ERROR(name, code, status, retry_after_s, words) {code, status, retry_after_s, words},
#include "gateway/errors.def"
#undef PP_GATEWAY_ERROR
};

/* What cannot be said in full, for want of memory, is said by its status alone. */
void pp_gateway_answer_with(pp_gateway_request *request, int32_t status, const char *content_type) {
    request->status = status;
    request->content_type = content_type;
}

void pp_gateway_answer(pp_gateway_request *request, const char *content_type) {
    pp_gateway_answer_with(request, 200, content_type);
}

pinpipe_status pp_gateway_text_append(pinpipe_buf *out, const char *text) {
    size_t len = pp_utf8_span(text, strlen(text));
    pinpipe_status status = pp_buf_reserve(out, PP_JSON_ESCAPED_MAX(len), PP_BUF_MAX, NULL);
    if (status == PINPIPE_OK) {
        out->len += pp_json_escape(out->ptr + out->len, text, len);
        out->ptr[out->len] = '\0';
    }
    return status;
}

void pp_gateway_refuse(pp_gateway_request *request, pp_gateway_error error, const char *says) {
    const error_row *row = &rows[error];
    pinpipe_buf *out = &request->answer;
    bool is_kafka = request->route.resource != PP_GATEWAY_STREAMS; /* else in API Gateway's form */
    bool is_kinesis = error == PP_GATEWAY_ERROR_INVALID;
    pp_buf_clear(out);
    bool is_said = (!is_kafka || pp_buf_printf(out, NULL, "{\"error_code\":%ld,", (long)row->code) >= 0) &&
                   pp_buf_append_text(out,
                                      is_kafka     ? "\"message\":\""
                                      : is_kinesis ? "{\"__type\":\"ValidationException\",\"message\":\""
                                                   : "{\"message\":\"",
                                      NULL) >= 0 &&
                   pp_gateway_text_append(out, says         ? says
                                               : row->words ? row->words
                                                            : "") >= 0 &&
                   pp_buf_append_text(out, "\"}", NULL) >= 0;
    if (!is_said) {
        pp_buf_clear(out);
    }
    pp_gateway_answer_with(request, is_kinesis && request->is_masked ? 200 : row->status,
                           is_kafka ? PP_GATEWAY_TYPE_V2 : PP_GATEWAY_TYPE_JSON);
    request->retry_after_s = row->retry_after_s;
}

void pp_gateway_forbid(pp_gateway_request *request, const char *says) {
    pp_buf_clear(&request->answer);
    bool is_said = pp_buf_printf(&request->answer, NULL, "{\"message\":\"%s\"}", says) >= 0;
    pp_gateway_answer_with(request, 403, is_said ? PP_GATEWAY_TYPE_JSON : PP_GATEWAY_TYPE_V2);
}

void pp_gateway_refuse_for(pp_gateway_request *request, pp_gateway_error error, const char *format, ...) {
    char words[WORDS_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    pp_gateway_refuse(request, error, words);
}

pp_gateway_error pp_gateway_error_of(const pinpipe_error *cause) {
    bool is_denied = cause->native_code == CODE_TOPIC_DENIED || cause->native_code == CODE_CLUSTER_DENIED;
    switch (cause->status) {
    case PINPIPE_EAUTH:
        return is_denied ? PP_GATEWAY_ERROR_NOT_ALLOWED : PP_GATEWAY_ERROR_LOGIN;
    case PINPIPE_ENOTFOUND:
        return PP_GATEWAY_ERROR_NO_TOPIC;
    case PINPIPE_ELIMIT:
        return PP_GATEWAY_ERROR_TOO_LARGE;
    default:
        return pinpipe_status_retriable(cause->status) ? PP_GATEWAY_ERROR_KAFKA_AGAIN
                                                       : PP_GATEWAY_ERROR_KAFKA;
    }
}

static pinpipe_status stored_append(pinpipe_buf *out, int64_t partition, int64_t offset) {
    static const char head[] = "{\"partition\":", middle[] = ",\"offset\":",
                      tail[] = ",\"error_code\":null,\"error\":null}";
    pinpipe_status status = pp_buf_reserve(out, ENTRY_BYTES, PP_BUF_MAX, NULL);
    if (status < 0) {
        return status;
    }
    char *at = out->ptr + out->len;
    memcpy(at, head, sizeof head - 1);
    at += sizeof head - 1;
    at += pp_number_write_i64(at, partition);
    memcpy(at, middle, sizeof middle - 1);
    at += sizeof middle - 1;
    at += pp_number_write_i64(at, offset < 0 ? OFFSET_UNKNOWN : offset);
    memcpy(at, tail, sizeof tail); /* with its NUL */
    out->len = (size_t)(at - out->ptr) + sizeof tail - 1;
    return PINPIPE_OK;
}

/* An entry has no code of its own for a record that is too large. */
static pinpipe_status failed_append(pinpipe_buf *out, pp_gateway_error error, const char *says) {
    pp_gateway_error told = error == PP_GATEWAY_ERROR_TOO_LARGE ? PP_GATEWAY_ERROR_KAFKA : error;
    pinpipe_status status =
        pp_buf_printf(out, NULL, "{\"partition\":null,\"offset\":null,\"error_code\":%ld,\"error\":\"",
                      (long)rows[told].code);
    if (status == PINPIPE_OK) {
        status = pp_gateway_text_append(out, says);
    }
    return status == PINPIPE_OK ? pp_buf_append_text(out, "\"}", NULL) : status;
}

/* What the entries of one request come to. */
typedef struct outcome_sum {
    int64_t stored;
    pp_gateway_error first; /* of those that failed */
    int32_t login_status;   /* 401 or 403 where an entry says so */
    pinpipe_error cause;    /* of the first */
} outcome_sum;

/* ---- receipts of API v3 ---- */

static pinpipe_status size_append(pinpipe_buf *out, const char *name, const pp_gateway_column *column,
                                  int64_t row, char kind) {
    const char *type = kind == PP_GATEWAY_BINARY ? "BINARY" : kind == PP_GATEWAY_TEXT ? "STRING" : "JSON";
    bool is_null = !(column->validity[row >> 3] & 1u << (row & 7));
    return is_null ? PINPIPE_OK
                   : pp_buf_printf(out, NULL, ",\"%s\":{\"type\":\"%s\",\"size\":%lld}", name, type,
                                   (long long)(column->offsets[row + 1] - column->offsets[row]));
}

static pinpipe_status receipt_append(pinpipe_buf *out, const pp_gateway_request *request, int64_t index,
                                     int64_t partition, int64_t offset) {
    const pp_gateway_batch *batch = request->batch;
    const pp_gateway_route *route = &request->route;
    const char *kinds = request->kinds.ptr + 2 * index;
    int64_t row = request->first + index;
    char cluster[PP_GATEWAY_TOPIC_BYTES_MAX] = "";
    int64_t cluster_len = pp_gateway_name_read(cluster, route->cluster, sizeof cluster);
    pinpipe_status status =
        pp_buf_printf(out, NULL,
                      "{\"error_code\":200,\"cluster_id\":\"%.*s\",\"topic_name\":\"%.*s\",\"partition_id\":%"
                      "lld,\"offset\":%lld",
                      (int)cluster_len, cluster, (int)route->topic_len, route->topic, (long long)partition,
                      (long long)(offset < 0 ? OFFSET_UNKNOWN : offset));
    status = status < 0 ? status : size_append(out, "key", &batch->keys, row, kinds[0]);
    status = status < 0 ? status : size_append(out, "value", &batch->values, row, kinds[1]);
    return status < 0 ? status : pp_buf_append_text(out, "}\r\n", NULL);
}

static pinpipe_status receipt_fail(pinpipe_buf *out, pp_gateway_error error, const char *says) {
    pinpipe_status status =
        pp_buf_printf(out, NULL, "{\"error_code\":%ld,\"message\":\"", (long)rows[error].code);
    status = status < 0 ? status : pp_gateway_text_append(out, says);
    return status < 0 ? status : pp_buf_append_text(out, "\"}\r\n", NULL);
}

/* ---- entries ---- */

static pinpipe_status entries_append(outcome_sum *sum, pp_gateway_request *request,
                                     const pinpipe_kafka_delivery *delivery) {
    pinpipe_buf *out = &request->answer;
    const uint8_t *outcomes = pinpipe_kafka_delivery_outcomes(delivery);
    const int32_t *partitions = pinpipe_kafka_delivery_partitions(delivery);
    const int64_t *offsets = pinpipe_kafka_delivery_offsets(delivery);
    bool is_stream = request->route.format == PP_GATEWAY_STREAM;
    pinpipe_status status = pp_buf_append_text(out, is_stream ? "" : "{\"offsets\":[", NULL);
    for (int64_t i = 0; i < request->count && status == PINPIPE_OK; i++) {
        int64_t row = request->first + i;
        if (i > 0 && !is_stream) {
            status = pp_buf_append(out, ",", 1, NULL);
        }
        if (status == PINPIPE_OK && outcomes[row] == PINPIPE_KAFKA_DELIVERED) {
            sum->stored++;
            status = is_stream ? receipt_append(out, request, i, partitions[row], offsets[row])
                               : stored_append(out, partitions[row], offsets[row]);
            continue;
        }
        pinpipe_error cause = PINPIPE_ERROR_INIT;
        pinpipe_status seen = pinpipe_kafka_delivery_at(delivery, row, &cause);
        pp_gateway_error error = seen < 0 ? pp_gateway_error_of(&cause) : PP_GATEWAY_ERROR_KAFKA;
        if (sum->stored == i) {
            sum->first = error;
            sum->cause = cause;
        }
        if (error == PP_GATEWAY_ERROR_LOGIN || error == PP_GATEWAY_ERROR_NOT_ALLOWED) {
            sum->login_status = rows[error].status;
        }
        if (status == PINPIPE_OK) {
            status = is_stream ? receipt_fail(out, error, cause.message)
                               : failed_append(out, error, cause.message);
        }
    }
    return status < 0 || is_stream
               ? status
               : pp_buf_append_text(out, "],\"key_schema_id\":null,\"value_schema_id\":null}", NULL);
}

void pp_gateway_records_answer(pinpipe_gateway *gateway, pp_gateway_request *request,
                               const pinpipe_kafka_delivery *delivery) {
    outcome_sum sum = {.first = PP_GATEWAY_ERROR_KAFKA, .cause = PINPIPE_ERROR_INIT};
    const char *type = request->route.format == PP_GATEWAY_STREAM ? PP_GATEWAY_TYPE_JSON : PP_GATEWAY_TYPE_V2;
    pp_buf_clear(&request->answer);
    pinpipe_status status = entries_append(&sum, request, delivery);
    gateway->counters[PINPIPE_GATEWAY_STORED] += sum.stored;
    gateway->counters[PINPIPE_GATEWAY_LOST] += request->count - sum.stored;
    if (status < 0) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_KAFKA, "the answer does not fit into memory");
    } else if (sum.login_status) {
        pp_gateway_answer_with(request, sum.login_status, type);
    } else if (sum.stored == 0 && gateway->options.failure == PINPIPE_GATEWAY_FAILURE_TOLD) {
        pp_gateway_refuse(request, sum.first, sum.cause.message);
    } else {
        pp_gateway_answer_with(request, 200, type);
    }
}

#endif
