/* Turns bodies of requests on consumers into what is asked, and messages and offsets into JSON.
 * Never passes over a field that nobody knows.
 * Rules: Confluent REST Proxy API Reference, "API v2", "Consumers"; reference/kafka.md §3.1. */
#include "gateway/consumer_texts.h"

#if PINPIPE_WITH_GATEWAY

#include <string.h>

#include "base/buffer.h"
#include "text/base64.h"
#include "text/json_compact.h"
#include "text/json_string.h"
#include "text/json_value.h"
#include "text/number.h"
#include "text/utf8.h"

#define BAD_NUMBER (-2)
#define WAIT_DEFAULT_MS 1000
#define WAIT_MAX_MS 300000
#define BYTES_MIN_MAX ((int64_t)64 << 20)

/* ---- bodies ---- */

static bool refuse(pp_gateway_request *request, pp_gateway_error error, const char *says) {
    pp_gateway_refuse(request, error, says);
    return false;
}

/* NULL = the request is refused. */
static json_t *object_read(pp_gateway_request *request, pinpipe_str body) {
    json_error_t fault;
    json_t *object = json_loadb(body.len ? body.ptr : "", body.len, 0, &fault);
    if (!object) {
        pp_gateway_refuse_for(request, PP_GATEWAY_ERROR_BAD_BODY, "the body is not JSON: byte %d: %s",
                              fault.position, fault.text);
    } else if (!json_is_object(object)) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_BAD_BODY, "the body is no object");
        json_decref(object);
        object = NULL;
    }
    return object;
}

static bool is_one_of(const char *name, const char *const *names, size_t count) {
    bool is_one = false;
    for (size_t i = 0; i < count; i++) {
        is_one = is_one || strcmp(name, names[i]) == 0;
    }
    return is_one;
}

static bool fields_check(pp_gateway_request *request, json_t *object, const char *const *names,
                         size_t count) {
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(object, name, value) {
        if (!is_one_of(name, names, count)) {
            pp_gateway_refuse_for(request, PP_GATEWAY_ERROR_BAD_FIELD, "Unrecognized field: %.80s", name);
            return false;
        }
    }
    return true;
}

static pinpipe_str text_of(const json_t *value) {
    return json_is_string(value) ? (pinpipe_str){json_string_value(value), json_string_length(value)}
                                 : (pinpipe_str){"", 0};
}

/* ---- a new instance ---- */

/* Numbers and truths may come as text. */
static bool number_take(int64_t *out, pp_gateway_request *request, const json_t *object, const char *name,
                        int64_t most) {
    const json_t *value = json_object_get(object, name);
    int64_t number = json_is_integer(value) ? json_integer_value(value) : BAD_NUMBER;
    if (!value || json_is_null(value)) {
        return true;
    }
    if (json_is_string(value) && pp_number_i64(&number, text_of(value)) != PP_NUMBER_OK) {
        number = BAD_NUMBER;
    }
    if (number < -1 || number > most || (number == -1 && strcmp(name, "fetch.min.bytes") != 0)) {
        pp_gateway_refuse_for(request, PP_GATEWAY_ERROR_CONSUMER_CONFIG,
                              "Invalid consumer configuration: %s is a number up to %lld", name,
                              (long long)most);
        return false;
    }
    *out = number >= 0 ? number : *out;
    return true;
}

static bool format_take(pp_gateway_instance *instance, pp_gateway_request *request, pinpipe_str text) {
    instance->format = PP_GATEWAY_BINARY;
    if (pp_str_is(text, "json")) {
        instance->format = PP_GATEWAY_JSON;
    } else if (pp_str_is(text, "avro") || pp_str_is(text, "protobuf") || pp_str_is(text, "jsonschema")) {
        return refuse(request, PP_GATEWAY_ERROR_NO_SCHEMA, NULL);
    } else if (text.len && !pp_str_is(text, "binary")) {
        return refuse(request, PP_GATEWAY_ERROR_BAD_FIELD, "Invalid format type.");
    }
    return true;
}

/* Java's words for where to begin, in librdkafka's. */
static bool reset_take(pp_gateway_instance *instance, pp_gateway_request *request, pinpipe_str text) {
    pinpipe_str told = pp_str_is(text, "none") ? pp_str("error") : text.len ? text : pp_str("latest");
    bool is_known = pp_str_is(told, "error") || pp_str_is(told, "latest") || pp_str_is(told, "earliest");
    if (!is_known) {
        return refuse(request, PP_GATEWAY_ERROR_CONSUMER_CONFIG,
                      "Invalid consumer configuration: auto.offset.reset is earliest, latest or none");
    }
    return pinpipe_kafka_config_set(instance->settings, pp_str("auto.offset.reset"), told, NULL) ==
               PINPIPE_OK ||
           refuse(request, PP_GATEWAY_ERROR_BUSY, "there is no memory for an instance");
}

static bool commits_take(pp_gateway_instance *instance, pp_gateway_request *request, const json_t *value) {
    pinpipe_str text = text_of(value);
    instance->commits_itself = !json_is_false(value) && !pp_str_is(text, "false");
    bool is_known = !value || json_is_null(value) || json_is_boolean(value) || pp_str_is(text, "true") ||
                    pp_str_is(text, "false");
    return is_known || refuse(request, PP_GATEWAY_ERROR_CONSUMER_CONFIG,
                              "Invalid consumer configuration: auto.commit.enable is true or false");
}

static bool name_take(pinpipe_buf *out, pp_gateway_request *request, pinpipe_str text) {
    char name[PP_GATEWAY_NAME_BYTES_MAX];
    int64_t len = memchr(text.ptr, '%', text.len) ? 0 : pp_gateway_name_read(name, text, sizeof name);
    if (text.len && !len) {
        return refuse(request, PP_GATEWAY_ERROR_BAD_FIELD,
                      "an instance's name has 1 to 255 letters, digits, '.', '_' and '-'");
    }
    return pp_buf_append(out, name, (size_t)len, NULL) == PINPIPE_OK ||
           refuse(request, PP_GATEWAY_ERROR_BUSY, "there is no memory for an instance");
}

bool pp_gateway_instance_configure(pp_gateway_instance *instance, pinpipe_buf *wanted_name,
                                   pp_gateway_request *request, pinpipe_str body) {
    static const char *const names[] = {"id",
                                        "name",
                                        "format",
                                        "auto.offset.reset",
                                        "auto.commit.enable",
                                        "fetch.min.bytes",
                                        "consumer.request.timeout.ms"};
    json_t *object = body.len ? object_read(request, body) : json_object();
    instance->bytes_min = 1;
    instance->wait_ms = WAIT_DEFAULT_MS;
    if (!object) {
        return request->status ||
               refuse(request, PP_GATEWAY_ERROR_BUSY, "there is no memory for an instance");
    }
    pinpipe_str name = text_of(json_object_get(object, "id")); /* as kafka-rest has it, before a name */
    name = name.len ? name : text_of(json_object_get(object, "name"));
    bool is_taken =
        fields_check(request, object, names, sizeof names / sizeof names[0]) &&
        name_take(wanted_name, request, name) &&
        format_take(instance, request, text_of(json_object_get(object, "format"))) &&
        reset_take(instance, request, text_of(json_object_get(object, "auto.offset.reset"))) &&
        commits_take(instance, request, json_object_get(object, "auto.commit.enable")) &&
        number_take(&instance->bytes_min, request, object, "fetch.min.bytes", BYTES_MIN_MAX) &&
        number_take(&instance->wait_ms, request, object, "consumer.request.timeout.ms", WAIT_MAX_MS);
    json_decref(object);
    return is_taken;
}

/* ---- topics and partitions ---- */

static bool is_topic(pinpipe_str name) {
    char read[PP_GATEWAY_TOPIC_BYTES_MAX];
    return !memchr(name.ptr, '%', name.len) && pp_gateway_name_read(read, name, sizeof read) > 0;
}

static bool names_take(pinpipe_buf *out, pp_gateway_request *request, const json_t *topics) {
    for (size_t i = 0; i < json_array_size(topics); i++) {
        pinpipe_str name = text_of(json_array_get(topics, i));
        if (!is_topic(name)) {
            return refuse(request, PP_GATEWAY_ERROR_BAD_FIELD, "topics are names of topics");
        }
        if (pp_buf_printf(out, NULL, "%s%.*s", i ? "," : "", (int)name.len, name.ptr) < 0) {
            return refuse(request, PP_GATEWAY_ERROR_BUSY, "there is no memory for the topics");
        }
    }
    return out->len > 0 || refuse(request, PP_GATEWAY_ERROR_BAD_FIELD, "topics must not be empty");
}

bool pp_gateway_topics_read(pinpipe_buf *out, pp_gateway_order *order) {
    static const char *const names[] = {"topics", "topic_pattern"};
    pp_gateway_request *request = &order->reply;
    json_t *object = object_read(request, pp_buf_view(&order->body));
    if (!object) {
        return false;
    }
    const json_t *topics = json_object_get(object, "topics");
    pinpipe_str pattern = text_of(json_object_get(object, "topic_pattern"));
    bool is_taken = fields_check(request, object, names, sizeof names / sizeof names[0]);
    if (is_taken && (json_is_array(topics) || !pattern.len)) {
        is_taken = names_take(out, request, topics);
    } else if (is_taken) {
        /* Java's patterns fit whole names. */
        is_taken = pp_buf_printf(out, NULL, "^(%.*s)$", (int)pattern.len, pattern.ptr) == PINPIPE_OK ||
                   refuse(request, PP_GATEWAY_ERROR_BUSY, "there is no memory for the topics");
    }
    json_decref(object);
    return is_taken;
}

static bool offset_take(pinpipe_kafka_offset *out, const json_t *entry, bool has_offsets) {
    const json_t *partition = json_object_get(entry, "partition"), *offset = json_object_get(entry, "offset");
    out->topic = text_of(json_object_get(entry, "topic"));
    out->metadata = text_of(json_object_get(entry, "metadata"));
    bool is_whole = is_topic(out->topic) && json_is_integer(partition) &&
                    json_integer_value(partition) >= 0 && json_integer_value(partition) <= INT32_MAX;
    out->partition = is_whole ? (int32_t)json_integer_value(partition) : 0;
    if (has_offsets) {
        is_whole = is_whole && json_is_integer(offset) && json_integer_value(offset) >= 0 &&
                   json_integer_value(offset) < INT64_MAX;
        out->offset = is_whole ? json_integer_value(offset) : 0;
    }
    return is_whole;
}

bool pp_gateway_offsets_read(json_t **body, pinpipe_kafka_offset *out, int64_t *count, int64_t max,
                             pp_gateway_order *order, bool has_offsets) {
    const char *name = has_offsets ? "offsets" : "partitions";
    pp_gateway_request *request = &order->reply;
    *body = object_read(request, pp_buf_view(&order->body));
    const json_t *list = json_object_get(*body, name);
    *count = (int64_t)json_array_size(list);
    if (!*body || !fields_check(request, *body, &name, 1)) {
        return false;
    }
    if (!json_is_array(list) || *count > max) {
        pp_gateway_refuse_for(request, PP_GATEWAY_ERROR_BAD_FIELD, "%s is a list of at most %lld", name,
                              (long long)max);
        return false;
    }
    for (int64_t i = 0; i < *count; i++) {
        if (!offset_take(&out[i], json_array_get(list, (size_t)i), has_offsets)) {
            pp_gateway_refuse_for(request, PP_GATEWAY_ERROR_BAD_FIELD, "%s has a topic, a partition%s", name,
                                  has_offsets ? " and an offset" : "");
            return false;
        }
    }
    return true;
}

/* ---- answers ---- */

static pinpipe_status binary_append(pinpipe_buf *out, pinpipe_str bytes, pinpipe_error *err) {
    pinpipe_status status = pp_buf_reserve(out, PP_BASE64_LEN(bytes.len) + 2, PP_BUF_MAX, err);
    if (status == PINPIPE_OK) {
        out->ptr[out->len++] = '"';
        pp_base64_write(out->ptr + out->len, bytes.ptr, bytes.len);
        out->len += PP_BASE64_LEN(bytes.len);
        out->ptr[out->len++] = '"';
        out->ptr[out->len] = '\0';
    }
    return status;
}

static pinpipe_status json_append(pinpipe_buf *out, pinpipe_buf *scratch, pinpipe_str bytes, const char *what,
                                  pinpipe_error *err) {
    pp_buf_clear(scratch);
    pinpipe_status status = pp_buf_append(scratch, bytes.ptr, bytes.len, err);
    status = status < 0 ? status : pp_json_pad(scratch, err);
    status = status < 0 ? status : pp_json_value_check(pp_buf_view(scratch), what, err);
    status = status < 0 ? status : pp_buf_reserve(out, bytes.len, PP_BUF_MAX, err);
    if (status == PINPIPE_OK) {
        pp_json_walk walk = {scratch->ptr, scratch->ptr + scratch->len, NULL, false};
        pp_json_walk_ended(&walk); /* it passes blanks */
        out->len +=
            pp_json_compact(out->ptr + out->len, (pinpipe_str){walk.at, (size_t)(walk.end - walk.at)});
        out->ptr[out->len] = '\0';
    }
    return status;
}

static pinpipe_status part_append(pinpipe_buf *out, pinpipe_buf *scratch, pinpipe_str bytes,
                                  pp_gateway_format format, const char *what, pinpipe_error *err) {
    if (!bytes.ptr) {
        return pp_buf_append_text(out, "null", err);
    }
    return format == PP_GATEWAY_JSON ? json_append(out, scratch, bytes, what, err)
                                     : binary_append(out, bytes, err);
}

pinpipe_status pp_gateway_message_append(pinpipe_buf *out, pinpipe_buf *scratch,
                                         const pinpipe_kafka_message *message, pp_gateway_format format,
                                         bool is_first, pinpipe_error *err) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pinpipe_str topic = message->topic;
    pinpipe_status status = pp_buf_printf(out, &cause, "%s{\"topic\":\"%.*s\",\"key\":", is_first ? "" : ",",
                                          (int)topic.len, topic.ptr);
    status = status < 0 ? status : part_append(out, scratch, message->key, format, "its key", &cause);
    status = status < 0 ? status : pp_buf_append_text(out, ",\"value\":", &cause);
    status = status < 0 ? status : part_append(out, scratch, message->value, format, "its value", &cause);
    if (status == PINPIPE_OK) {
        status = pp_buf_printf(out, &cause, ",\"partition\":%ld,\"offset\":%lld}", (long)message->partition,
                               (long long)message->offset);
    }
    return status < 0 ? pp_fail(err, status, "'%.*s' [%ld] offset %lld: %s", (int)topic.len, topic.ptr,
                                (long)message->partition, (long long)message->offset, cause.message)
                      : PINPIPE_OK;
}

/* Bytes that are not UTF-8 end it. */
static pinpipe_status metadata_append(pinpipe_buf *out, pinpipe_str text) {
    size_t len = text.len ? pp_utf8_span(text.ptr, text.len) : 0;
    pinpipe_status status = pp_buf_reserve(out, PP_JSON_ESCAPED_MAX(len), PP_BUF_MAX, NULL);
    if (status == PINPIPE_OK && len) {
        out->len += pp_json_escape(out->ptr + out->len, text.ptr, len);
    }
    return status;
}

pinpipe_status pp_gateway_offsets_append(pinpipe_buf *out, const pinpipe_kafka_offset *offsets,
                                         int64_t count) {
    bool is_first = true;
    pinpipe_status status = pp_buf_append_text(out, "{\"offsets\":[", NULL);
    for (int64_t i = 0; i < count && status == PINPIPE_OK; i++) {
        const pinpipe_kafka_offset *at = &offsets[i];
        if (at->offset < 0) {
            continue;
        }
        status = pp_buf_printf(out, NULL,
                               "%s{\"topic\":\"%.*s\",\"partition\":%ld,\"offset\":%lld,\"metadata\":\"",
                               is_first ? "" : ",", (int)at->topic.len, at->topic.ptr, (long)at->partition,
                               (long long)at->offset);
        status = status < 0 ? status : metadata_append(out, at->metadata);
        status = status < 0 ? status : pp_buf_append_text(out, "\"}", NULL);
        is_first = false;
    }
    return status < 0 ? status : pp_buf_append_text(out, "]}", NULL);
}

#endif
