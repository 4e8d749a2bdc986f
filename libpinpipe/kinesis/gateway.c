/* Turns records into the body of a gateway's request, in the names that its mapping templates look for.
 * Never sends what a mapping template would break: a quote in a key, bytes that are no text, data that is no
 * JSON. Rules: kinesis/gateway.def; API Gateway Developer Guide, "Mapping template reference". */
#include "kinesis/gateway.h"

#if PINPIPE_WITH_KINESIS

#include <string.h>

#include "base/buffer.h"
#include "kinesis/producer.h"
#include "text/base64.h"
#include "text/json_value.h"
#include "text/utf8.h"

#define STREAM_NAME_MAX 128

static const pp_gateway_form forms[] = {
#define PP_KINESIS_FORM(enum_name, name, method, before, one, many, data, key, list, item_data, item_key)    \
    [PINPIPE_KINESIS_GATEWAY_##                                                                              \
        enum_name] = {name, method, before, one, many, data, key, list, item_data, item_key},
#include "kinesis/gateway.def"
#undef PP_KINESIS_FORM
};

#define FORMS ((int32_t)(sizeof forms / sizeof forms[0]))

const char *pinpipe_kinesis_gateway_form_name(int32_t form) {
    return form >= 0 && form < FORMS ? forms[form].name : NULL;
}

/* ---- opening ---- */

static pinpipe_status stream_name_check(pinpipe_str name, pinpipe_error *err) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    bool is_right = name.len >= 1 && name.len <= STREAM_NAME_MAX;
    for (size_t i = 0; is_right && i < name.len; i++) {
        is_right = memchr(letters, name.ptr[i], sizeof letters - 1) != NULL;
    }
    return is_right
               ? PINPIPE_OK
               : pp_fail(err, PINPIPE_EINVAL,
                         "stream '%.*s': a gateway takes a name of 1 to %d letters, digits, '_', '.' and '-'",
                         pp_quote_len(name.len), name.len ? name.ptr : "", STREAM_NAME_MAX);
}

pinpipe_status pp_gateway_set(pp_gateway *out, const pinpipe_kinesis_gateway *options, pinpipe_str stream,
                              pinpipe_error *err) {
    if (options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "gateway options lack their struct_size");
    }
    if (options->form < 0 || options->form >= FORMS) {
        return pp_fail(err, PINPIPE_EINVAL, "form: %d is none", options->form);
    }
    if (options->resource < 0 || options->resource > PINPIPE_KINESIS_GATEWAY_RECORD) {
        return pp_fail(err, PINPIPE_EINVAL, "resource: %d is none", options->resource);
    }
    if (options->auth < 0 || options->auth > PINPIPE_KINESIS_GATEWAY_AUTH_IAM) {
        return pp_fail(err, PINPIPE_EINVAL, "auth: %d is none", options->auth);
    }
    out->form = &forms[options->form];
    out->is_single = options->resource == PINPIPE_KINESIS_GATEWAY_RECORD;
    pinpipe_status status = stream_name_check(stream, err);
    if (status == PINPIPE_OK && out->form->before_stream[0]) {
        status = pp_buf_append_text(&out->path, out->form->before_stream, err);
        status = status == PINPIPE_OK ? pp_buf_append(&out->path, stream.ptr, stream.len, err) : status;
    }
    const char *last = out->is_single ? out->form->one_path : out->form->many_path;
    return status == PINPIPE_OK ? pp_buf_append_text(&out->path, last, err) : status;
}

void pp_gateway_reset(pp_gateway *gateway) {
    pinpipe_buf_reset(&gateway->path);
}

/* ---- records ---- */

/* A template puts the key between quotes as it is. */
static pinpipe_status key_check(pinpipe_str key, pinpipe_error *err) {
    for (size_t i = 0; i < key.len; i++) {
        unsigned char byte = (unsigned char)key.ptr[i];
        if (byte == '"' || byte == '\\' || byte < 0x20) {
            return pp_fail(
                err, PINPIPE_EINVAL,
                "partition key: byte %zu is 0x%02x, which breaks the gateway's mapping template: leave it "
                "out, or write to Kinesis itself",
                i, byte);
        }
    }
    return PINPIPE_OK;
}

/* The resource of many records wants a text, that of one takes any value. */
static pinpipe_status data_write(pinpipe_buf *out, pinpipe_str data, bool is_value, pinpipe_error *err) {
    size_t most = is_value ? data.len : PP_JSON_ESCAPED_MAX(data.len) + 2;
    pinpipe_status status = pp_buf_reserve(out, most + PP_JSON_PADDING, PP_BUF_MAX, err);
    if (status == PINPIPE_OK && is_value) {
        pp_str_copy(out->ptr, data);
        out->len = data.len;
        status = pp_json_pad(out, err);
        return status == PINPIPE_OK ? pp_json_value_check(pp_buf_view(out), "data", err) : status;
    }
    size_t valid = status == PINPIPE_OK ? pp_utf8_span(data.ptr, data.len) : data.len;
    if (valid < data.len) {
        return pp_fail(err, PINPIPE_EDATA, "data: byte %zu is not UTF-8: a gateway takes text", valid);
    }
    if (status == PINPIPE_OK) {
        out->len = 2 + pp_json_escape(out->ptr + 1, data.ptr, data.len);
        out->ptr[0] = out->ptr[out->len - 1] = '"';
    }
    return status;
}

pinpipe_status pp_gateway_record_write(pinpipe_buf *out, pinpipe_kinesis_record *record,
                                       const pp_gateway *gateway, pinpipe_error *err) {
    if (record->hash_key.len) {
        return pp_fail(err, PINPIPE_EINVAL, "hash key: a gateway's mapping templates have none");
    }
    pp_buf_clear(out);
    pinpipe_status status = key_check(record->partition_key, err);
    if (status == PINPIPE_OK) {
        status = data_write(out, record->data, gateway->is_single, err);
    }
    record->data = pp_buf_view(out);
    return status;
}

static void entry_write(pp_kinesis_writer *writer, const pp_entry *entry, const char *data, const char *key) {
    pp_kinesis_write_key(writer, data);
    pp_kinesis_write_value(writer, (pinpipe_str){entry->bytes + entry->key_len, entry->data_len});
    pp_kinesis_write_key(writer, key);
    pp_kinesis_write_text(writer, (pinpipe_str){entry->bytes, entry->key_len});
}

pinpipe_status pp_gateway_request_write(pinpipe_kinesis_producer *producer, pp_request *request,
                                        pinpipe_error *err) {
    const pp_gateway *gateway = &producer->kinesis->gateway;
    const pp_gateway_form *form = gateway->form;
    pp_kinesis_writer writer;
    pp_kinesis_write_begin(&writer, &request->call.body, PINPIPE_KINESIS_JSON, 0, err);
    if (gateway->is_single) {
        pp_kinesis_write_stream(&writer,
                                pp_buf_view(&producer->stream)); /* templates differ in where they take it */
        entry_write(&writer, request->units[0].first, form->one_data, form->one_key);
        pp_kinesis_write_map_end(&writer);
        return writer.status;
    }
    pp_kinesis_write_key(&writer, form->list);
    pp_kinesis_write_list(&writer, request->unit_count);
    for (int64_t i = 0; i < request->unit_count; i++) {
        pp_kinesis_write_map(&writer, 2);
        entry_write(&writer, request->units[i].first, form->item_data, form->item_key);
        pp_kinesis_write_map_end(&writer);
    }
    pp_kinesis_write_list_end(&writer);
    pp_kinesis_write_map_end(&writer);
    return writer.status;
}

/* ---- what was stored ---- */

typedef enum fault { FAULT_NOTHING, FAULT_BASE64, FAULT_MAP, FAULT_QUOTED, FAULTS } fault;

static const char *const fault_texts[FAULTS] = {
#define PP_KINESIS_FAULT(name, text) [FAULT_##name] = (text),
#include "kinesis/gateway.def"
#undef PP_KINESIS_FAULT
};

static pinpipe_str trimmed(pinpipe_str text) {
    while (text.len && strchr(" \t\r\n", text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    while (text.len && strchr(" \t\r\n", text.ptr[text.len - 1])) {
        text.len--;
    }
    return text;
}

/* Letters, digits, '+', '/', at most two '=', and nothing else. */
static bool is_base64(pinpipe_str text) {
    size_t end = text.len;
    while (end && text.len - end < 2 && text.ptr[end - 1] == '=') {
        end--;
    }
    for (size_t i = 0; i < end; i++) {
        char byte = text.ptr[i];
        bool is_letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        if (!is_letter && !(byte >= '0' && byte <= '9') && byte != '+' && byte != '/') {
            return false;
        }
    }
    return text.len > 0 && text.len % 4 == 0;
}

/* An object whose first key has no quotes. */
static bool is_java_map(pinpipe_str text) {
    if (!text.len || text.ptr[0] != '{') {
        return false;
    }
    pinpipe_str inside = trimmed((pinpipe_str){text.ptr + 1, text.len - 1});
    return inside.len && inside.ptr[0] != '"' && inside.ptr[0] != '}' && memchr(inside.ptr, '=', inside.len);
}

const char *pinpipe_kinesis_gateway_fault_text(pinpipe_str sent, pinpipe_str stored) {
    sent = trimmed(sent);
    stored = trimmed(stored);
    if (pp_str_equal(sent, stored)) {
        return NULL;
    }
    if (!stored.len || pp_str_is(stored, "\"\"") || pp_str_is(stored, "null")) {
        return fault_texts[FAULT_NOTHING];
    }
    if (is_java_map(stored) && !is_java_map(sent)) {
        return fault_texts[FAULT_MAP];
    }
    bool is_quoted = stored.len >= 2 && stored.ptr[0] == '"' && sent.len && sent.ptr[0] != '"';
    pinpipe_str inside = is_quoted ? (pinpipe_str){stored.ptr + 1, stored.len - 2} : stored;
    if (is_base64(inside) && !is_base64(sent)) {
        return fault_texts[FAULT_BASE64];
    }
    return is_quoted ? fault_texts[FAULT_QUOTED] : NULL;
}

#endif
