/* Turns bodies of requests on consumers into what is asked, and messages and offsets into JSON.
 * Never passes over a field that nobody knows.
 * Rules: Confluent REST Proxy API Reference, "API v2", "Consumers"; reference/kafka.md §3.1. */
#include "gateway/consumer_texts.h"

#if PINPIPE_WITH_GATEWAY

#include <string.h>

#include "base/buffer.h"
#include "text/base64.h"
#include "text/json_string.h"
#include "text/json_value.h"
#include "text/number.h"
#include "text/utf8.h"

#define BAD_NUMBER (-2)
#define FIELD_QUOTE_BYTES 80
/* Values stand that deep. */
#define BODY_DEPTH 1
#define LIST_DEPTH 2
#define WAIT_DEFAULT_MS 1000
#define WAIT_MAX_MS 300000
#define BYTES_MIN_MAX ((int64_t)64 << 20)

/* ---- bodies ---- */

static bool refuse(pp_gateway_request *request, pp_gateway_error error, const char *says) {
    pp_gateway_refuse(request, error, says);
    return false;
}

static bool refuse_field(pp_gateway_request *request, pinpipe_str key) {
    int len = key.len < FIELD_QUOTE_BYTES ? (int)key.len : FIELD_QUOTE_BYTES;
    pp_gateway_refuse_for(request, PP_GATEWAY_ERROR_BAD_FIELD, "Unrecognized field: %.*s", len, key.ptr);
    return false;
}

/* The members of a body that is one object. */
static bool body_take(pp_json_member *members, int count, pp_gateway_request *request, pinpipe_buf *body) {
    if (pp_json_pad(body, NULL) < 0) {
        return refuse(request, PP_GATEWAY_ERROR_BUSY, "there is no memory for the body");
    }
    pp_json_walk walk = {body->ptr, body->ptr + body->len, NULL, false};
    pinpipe_str other = {NULL, 0};
    bool is_object = pp_json_byte_pass(&walk, '{');
    bool is_read = is_object ? pp_json_members_take(members, count, &other, &walk, BODY_DEPTH)
                             : pp_json_value_pass(&walk, 0);
    if (!is_read || !pp_json_walk_ended(&walk)) {
        pp_gateway_refuse_for(request, PP_GATEWAY_ERROR_BAD_BODY, "the body is not JSON: byte %lld: %s",
                              (long long)(walk.at - body->ptr),
                              walk.fault ? walk.fault
                              : is_read  ? "more follows the value"
                                         : "it ends early");
        return false;
    }
    if (!is_object) {
        return refuse(request, PP_GATEWAY_ERROR_BAD_BODY, "the body is no object");
    }
    return !other.ptr || refuse_field(request, other);
}

static bool is_given(const pp_json_member *member) {
    return member->text.len && !pp_str_is(member->text, "null");
}

/* A text without its escapes, which are taken out where it lies; empty where there is none. */
static bool text_take(pinpipe_str *out, pp_gateway_request *request, const pinpipe_buf *body,
                      const pp_json_member *member) {
    *out = (pinpipe_str){"", 0};
    if (!is_given(member)) {
        return true;
    }
    char *inside = body->ptr + (member->text.ptr - body->ptr) + 1;
    size_t len = 0;
    if (*member->text.ptr != '"' ||
        pp_json_unescape(inside, &len, inside, member->text.len - 2) != PP_JSON_STRING_OK ||
        memchr(inside, '\0', len)) {
        pp_gateway_refuse_for(request, PP_GATEWAY_ERROR_BAD_FIELD, "%s is a text", member->name);
        return false;
    }
    *out = (pinpipe_str){inside, len};
    return true;
}

/* A number without fraction and exponent. */
static bool is_integer(int64_t *out, pinpipe_str text) {
    bool is_whole = false;
    return text.len && pp_number_scan(text.ptr, text.ptr + text.len, &is_whole) == text.len && is_whole &&
           pp_number_i64(out, text) == PP_NUMBER_OK;
}

/* ---- a new instance ---- */

/* Numbers and truths may come as text. */
static pinpipe_str unquoted(const pp_json_member *member) {
    pinpipe_str text = member->text;
    return *text.ptr == '"' ? (pinpipe_str){text.ptr + 1, text.len - 2} : text;
}

static bool number_take(int64_t *out, pp_gateway_request *request, const pp_json_member *member,
                        int64_t least, int64_t most) {
    int64_t number = BAD_NUMBER;
    if (!is_given(member)) {
        return true;
    }
    bool is_number = *member->text.ptr == '"' ? pp_number_i64(&number, unquoted(member)) == PP_NUMBER_OK
                                              : is_integer(&number, member->text);
    if (!is_number || number < least || number > most) {
        pp_gateway_refuse_for(request, PP_GATEWAY_ERROR_CONSUMER_CONFIG,
                              "Invalid consumer configuration: %s is a number up to %lld", member->name,
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

static bool commits_take(pp_gateway_instance *instance, pp_gateway_request *request,
                         const pp_json_member *member) {
    pinpipe_str text = is_given(member) ? unquoted(member) : pp_str("true");
    instance->commits_itself = pp_str_is(text, "true");
    return instance->commits_itself || pp_str_is(text, "false") ||
           refuse(request, PP_GATEWAY_ERROR_CONSUMER_CONFIG,
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
                                   pp_gateway_request *request) {
    enum { ID, NAME, FORMAT, RESET, COMMITS, BYTES, WAIT, COUNT };
    pp_json_member members[COUNT] = {[ID].name = "id",
                                     [NAME].name = "name",
                                     [FORMAT].name = "format",
                                     [RESET].name = "auto.offset.reset",
                                     [COMMITS].name = "auto.commit.enable",
                                     [BYTES].name = "fetch.min.bytes",
                                     [WAIT].name = "consumer.request.timeout.ms"};
    pinpipe_str texts[COMMITS] = {{NULL, 0}};
    bool is_taken = !request->body.len || body_take(members, COUNT, request, &request->body);
    instance->bytes_min = 1;
    instance->wait_ms = WAIT_DEFAULT_MS;
    for (int i = 0; i < COMMITS && is_taken; i++) {
        is_taken = text_take(&texts[i], request, &request->body, &members[i]);
    }
    /* An id goes before a name, as in kafka-rest; -1 stands for what it is by itself. */
    return is_taken && name_take(wanted_name, request, texts[ID].len ? texts[ID] : texts[NAME]) &&
           format_take(instance, request, texts[FORMAT]) && reset_take(instance, request, texts[RESET]) &&
           commits_take(instance, request, &members[COMMITS]) &&
           number_take(&instance->bytes_min, request, &members[BYTES], -1, BYTES_MIN_MAX) &&
           number_take(&instance->wait_ms, request, &members[WAIT], 0, WAIT_MAX_MS);
}

/* ---- topics and partitions ---- */

static bool is_topic(pinpipe_str name) {
    char read[PP_GATEWAY_TOPIC_BYTES_MAX];
    return !memchr(name.ptr, '%', name.len) && pp_gateway_name_read(read, name, sizeof read) > 0;
}

/* A walk over the entries of a list, which were passed before. */
static bool list_begin(pp_json_walk *out, pinpipe_str list) {
    const char *at = list.len ? list.ptr : "";
    *out = (pp_json_walk){at, at + list.len, NULL, false};
    return pp_json_byte_pass(out, '[');
}

static bool names_take(pinpipe_buf *out, pp_gateway_order *order, pinpipe_str topics) {
    pp_gateway_request *request = &order->reply;
    pp_json_walk walk;
    bool is_list = list_begin(&walk, topics);
    for (int64_t i = 0; is_list && pp_json_element_next(&walk, i); i++) {
        pp_json_walk_ended(&walk); /* it passes blanks */
        pp_json_member entry = {"topics", {walk.at, 0}};
        pinpipe_str name = {"", 0};
        pp_json_value_pass(&walk, LIST_DEPTH);
        entry.text.len = (size_t)(walk.at - entry.text.ptr);
        if (!text_take(&name, request, &order->body, &entry) || !is_topic(name)) {
            return refuse(request, PP_GATEWAY_ERROR_BAD_FIELD, "topics are names of topics");
        }
        if (pp_buf_printf(out, NULL, "%s%.*s", i ? "," : "", (int)name.len, name.ptr) < 0) {
            return refuse(request, PP_GATEWAY_ERROR_BUSY, "there is no memory for the topics");
        }
    }
    return out->len > 0 || refuse(request, PP_GATEWAY_ERROR_BAD_FIELD, "topics must not be empty");
}

bool pp_gateway_topics_read(pinpipe_buf *out, pp_gateway_order *order) {
    pp_json_member members[] = {{.name = "topics"}, {.name = "topic_pattern"}};
    pp_gateway_request *request = &order->reply;
    pinpipe_str pattern = {"", 0};
    if (!body_take(members, 2, request, &order->body) ||
        !text_take(&pattern, request, &order->body, &members[1])) {
        return false;
    }
    if (is_given(&members[0]) || !pattern.len) {
        return names_take(out, order, members[0].text);
    }
    /* Java's patterns fit whole names. */
    return pp_buf_printf(out, NULL, "^(%.*s)$", (int)pattern.len, pattern.ptr) == PINPIPE_OK ||
           refuse(request, PP_GATEWAY_ERROR_BUSY, "there is no memory for the topics");
}

static bool offset_take(pinpipe_kafka_offset *out, pp_json_walk *walk, pp_gateway_order *order,
                        bool has_offsets) {
    enum { TOPIC, PARTITION, OFFSET, METADATA, COUNT };
    pp_json_member members[COUNT] = {[TOPIC].name = "topic",
                                     [PARTITION].name = "partition",
                                     [OFFSET].name = "offset",
                                     [METADATA].name = "metadata"};
    pp_gateway_request *request = &order->reply;
    pinpipe_str other = {NULL, 0};
    int64_t partition = -1;
    if (pp_json_byte_pass(walk, '{')) {
        pp_json_members_take(members, COUNT, &other, walk, LIST_DEPTH + 1);
    }
    if (other.ptr) {
        return refuse_field(request, other);
    }
    if (!text_take(&out->topic, request, &order->body, &members[TOPIC]) ||
        !text_take(&out->metadata, request, &order->body, &members[METADATA])) {
        return false;
    }
    bool is_whole = is_topic(out->topic) && is_integer(&partition, members[PARTITION].text) &&
                    partition >= 0 && partition <= INT32_MAX;
    if (is_whole && has_offsets) {
        is_whole =
            is_integer(&out->offset, members[OFFSET].text) && out->offset >= 0 && out->offset < INT64_MAX;
    }
    out->partition = is_whole ? (int32_t)partition : 0;
    return is_whole || refuse(request, PP_GATEWAY_ERROR_BAD_FIELD,
                              has_offsets ? "offsets has a topic, a partition and an offset"
                                          : "partitions has a topic, a partition");
}

bool pp_gateway_offsets_read(pinpipe_kafka_offset *out, int64_t *count, int64_t max, pp_gateway_order *order,
                             bool has_offsets) {
    pp_json_member list = {.name = has_offsets ? "offsets" : "partitions"};
    pp_gateway_request *request = &order->reply;
    pp_json_walk walk;
    *count = 0;
    if (!body_take(&list, 1, request, &order->body)) {
        return false;
    }
    bool is_list = list_begin(&walk, list.text);
    while (is_list && pp_json_element_next(&walk, *count)) {
        if (*count == max) {
            is_list = false;
        } else if (!offset_take(&out[(*count)++], &walk, order, has_offsets)) {
            return false;
        }
    }
    if (!is_list) {
        pp_gateway_refuse_for(request, PP_GATEWAY_ERROR_BAD_FIELD, "%s is a list of at most %lld", list.name,
                              (long long)max);
    }
    return is_list;
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
