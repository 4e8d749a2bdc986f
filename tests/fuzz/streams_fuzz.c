/* Turns any bytes into the body of a request on streams, and the message that comes of it into jansson's
 * tree. Never takes a message for right that jansson cannot read, or whose records are not those of the body.
 * Rules: gateway/operations.def; the first byte chooses the operation, the rest is the body. Keys that have
 * escapes are no names here, and jansson knows no number beyond its own: there only the message is looked at.
 */
#include "fuzz.h"

#if PINPIPE_WITH_GATEWAY && PINPIPE_WITH_KINESIS

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/buffer.h"
#include "gateway/stream_message.h"
#include "text/base64.h"
#include "text/json_value.h"

#define RECORDS_MAX 500
#define TREE_FLAGS (JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL)

static const pp_gateway_operation operations[] = {
    PP_GATEWAY_OPERATION_CREATE, PP_GATEWAY_OPERATION_PUT_RECORD, PP_GATEWAY_OPERATION_PUT_RECORDS};

static int is_same(const json_t *a, const json_t *b) {
    return json_string_length(a) == json_string_length(b) &&
           memcmp(json_string_value(a), json_string_value(b), json_string_length(a)) == 0;
}

/* The bytes behind a message's Data. */
static pinpipe_str data_of(const json_t *record, char *room) {
    const json_t *data = json_object_get(record, "Data");
    size_t len = 0;
    REQUIRE(json_is_string(data));
    REQUIRE(pp_base64_read(room, &len, json_string_value(data), json_string_length(data)));
    return (pinpipe_str){room, len};
}

static void records_compare(const json_t *message, const json_t *tree, char *room) {
    const json_t *made = json_object_get(message, "Records"), *given = json_object_get(tree, "records");
    REQUIRE(json_array_size(made) == json_array_size(given));
    for (size_t i = 0; i < json_array_size(made); i++) {
        const json_t *record = json_array_get(made, i), *item = json_array_get(given, i);
        const json_t *text = json_object_get(item, "data");
        pinpipe_str data = data_of(record, room);
        REQUIRE(json_is_string(text) && data.len == json_string_length(text));
        REQUIRE(memcmp(data.ptr, json_string_value(text), data.len) == 0);
        REQUIRE(is_same(json_object_get(record, "PartitionKey"), json_object_get(item, "partition-key")));
    }
}

static void record_compare(const json_t *message, const json_t *tree, char *room) {
    pinpipe_str data = data_of(message, room);
    json_t *value = json_loadb(data.ptr, data.len, TREE_FLAGS, NULL);
    REQUIRE(value && json_equal(value, json_object_get(tree, "Data")));
    REQUIRE(is_same(json_object_get(message, "PartitionKey"), json_object_get(tree, "PartitionKey")));
    json_decref(value);
}

static int items_are_right(const json_t *list) {
    int are_right = json_is_array(list) && json_array_size(list) > 0 && json_array_size(list) <= RECORDS_MAX;
    for (size_t i = 0; are_right && i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        are_right = json_is_string(json_object_get(item, "data")) &&
                    json_is_string(json_object_get(item, "partition-key"));
    }
    return are_right;
}

/* jansson passes over a NUL behind a literal, and nests deeper. */
static int is_plain(const char *body, size_t len) {
    int brackets = 0;
    for (size_t i = 0; i < len; i++) {
        brackets += body[i] == '{' || body[i] == '[';
    }
    return brackets < PP_JSON_DEPTH_MAX && !memchr(body, '\\', len) && !memchr(body, '\0', len);
}

/* Whether a plain body, which jansson reads, must be taken. */
static int is_right(pp_gateway_operation operation, const json_t *tree) {
    if (operation == PP_GATEWAY_OPERATION_PUT_RECORDS) {
        return items_are_right(json_object_get(tree, "records"));
    }
    return json_object_get(tree, "Data") && json_is_string(json_object_get(tree, "PartitionKey"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pp_gateway_connection connection = {.gateway = NULL};
    pp_gateway_request *request = &connection.request;
    pinpipe_buf message = PINPIPE_BUF_INIT;
    int64_t records = 0;
    if (size == 0) {
        return 0;
    }
    pp_gateway_operation operation = operations[data[0] % (sizeof operations / sizeof operations[0])];
    const char *body = (const char *)data + 1;
    size_t len = size - 1;
    request->route.resource = PP_GATEWAY_STREAMS;
    memcpy(request->route.topic, "s", 1);
    request->route.topic_len = 1;
    REQUIRE(pp_buf_append(&request->body, body, len, NULL) == PINPIPE_OK);
    int is_made = pp_gateway_stream_message(&message, &records, &connection, operation);
    REQUIRE(is_made ? request->status == 0 : request->status == 400 && request->answer.len > 0);
    json_t *tree = json_loadb(body, len, TREE_FLAGS, NULL);
    char *room = malloc(message.len + 1);
    if (is_made) {
        json_t *made = json_loadb(message.ptr, message.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        REQUIRE(room && made && strcmp(json_string_value(json_object_get(made, "StreamName")), "s") == 0);
        if (tree && operation == PP_GATEWAY_OPERATION_PUT_RECORDS) {
            REQUIRE(records == (int64_t)json_array_size(json_object_get(made, "Records")));
            records_compare(made, tree, room);
        } else if (tree && operation == PP_GATEWAY_OPERATION_PUT_RECORD) {
            REQUIRE(records == 1);
            record_compare(made, tree, room);
        }
        json_decref(made);
    } else if (json_is_object(tree) && is_plain(body, len) && operation != PP_GATEWAY_OPERATION_CREATE) {
        REQUIRE(!is_right(operation, tree));
    }
    json_decref(tree);
    free(room);
    pinpipe_buf_reset(&message);
    pinpipe_buf_reset(&request->body);
    pinpipe_buf_reset(&request->answer);
    return 0;
}

#else

FUZZ_NOTHING

#endif
