/* Turns any bytes into the body of a request on consumers, and what is read of it into jansson's tree.
 * Never takes a body for right that jansson cannot read, or for something else than it says.
 * Rules: docs/gateway.md, "Consumers"; the first byte chooses the request, the rest is the body. Keys that
 * have escapes are no names here, and jansson takes no NUL and no number beyond int64. */
#include "fuzz.h"

#include "pinpipe/gateway.h"

#if PINPIPE_WITH_GATEWAY

#include <string.h>

#include <jansson.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/consumer_texts.h"
#include "text/json_value.h"

#define OFFSETS_MAX 100
#define NAME_BYTES_MAX 255

/* A text of the tree, or what stands for one that is missing. */
static pinpipe_str text_of(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    return json_is_string(value) ? (pinpipe_str){json_string_value(value), json_string_length(value)}
                                 : pp_str("");
}

static void refusal_check(pp_gateway_request *request, bool is_taken) {
    REQUIRE(is_taken ? request->status == 0 : request->status >= 400 && request->status < 500);
    if (!is_taken) {
        REQUIRE(pp_json_pad(&request->answer, NULL) == PINPIPE_OK);
        REQUIRE(pp_json_value_check(pp_buf_view(&request->answer), "an answer", NULL) == PINPIPE_OK);
    }
    pinpipe_buf_reset(&request->answer);
}

static void instance_check(pinpipe_str body, const json_t *tree) {
    pp_gateway_instance instance = {0};
    pp_gateway_request request = {0};
    REQUIRE(pinpipe_kafka_config_new(&instance.settings, NULL) == PINPIPE_OK);
    REQUIRE(pp_buf_append(&request.body, body.ptr, body.len, NULL) == PINPIPE_OK);
    bool is_taken = pp_gateway_instance_configure(&instance, &instance.name, &request);
    REQUIRE(!is_taken || instance.format == PP_GATEWAY_JSON || instance.format == PP_GATEWAY_BINARY);
    REQUIRE(!is_taken || (instance.bytes_min >= 0 && instance.wait_ms >= 0));
    REQUIRE(instance.name.len <= NAME_BYTES_MAX);
    if (is_taken && tree) {
        pinpipe_str id = text_of(tree, "id");
        bool is_json = pp_str_is(text_of(tree, "format"), "json");
        REQUIRE(pp_str_equal(pp_buf_view(&instance.name), id.len ? id : text_of(tree, "name")));
        REQUIRE((instance.format == PP_GATEWAY_JSON) == is_json);
        REQUIRE(!json_is_false(json_object_get(tree, "auto.commit.enable")) || !instance.commits_itself);
    }
    refusal_check(&request, is_taken);
    pinpipe_kafka_config_free(instance.settings);
    pinpipe_buf_reset(&instance.name);
    pinpipe_buf_reset(&request.body);
}

/* What a consumer is given of topics or a pattern. */
static void topics_compare(pinpipe_str found, const json_t *tree) {
    const json_t *topics = json_object_get(tree, "topics");
    if (!json_is_array(topics)) {
        pinpipe_str pattern = text_of(tree, "topic_pattern");
        REQUIRE(pattern.len && found.len == pattern.len + 4);
        REQUIRE(memcmp(found.ptr + 2, pattern.ptr, pattern.len) == 0);
        return;
    }
    for (size_t i = 0; i < json_array_size(topics); i++) {
        const json_t *name = json_array_get(topics, i);
        REQUIRE(json_is_string(name) && pp_str_is(pp_str_take(&found, ','), json_string_value(name)));
    }
    REQUIRE(found.len == 0);
}

static void topics_check(pp_gateway_order *order, const json_t *tree) {
    pinpipe_buf topics = PINPIPE_BUF_INIT;
    bool is_taken = pp_gateway_topics_read(&topics, order);
    REQUIRE(!is_taken || topics.len > 0);
    if (is_taken && tree) {
        topics_compare(pp_buf_view(&topics), tree);
    }
    refusal_check(&order->reply, is_taken);
    pinpipe_buf_reset(&topics);
}

static bool is_number(const json_t *value, int64_t most) {
    return json_is_integer(value) && json_integer_value(value) >= 0 && json_integer_value(value) <= most;
}

/* Whether jansson sees entries that must be taken: other members, and texts in doubt, are not looked at. */
static bool are_right(const json_t *list, bool has_offsets) {
    bool are = json_is_array(list) && json_array_size(list) <= OFFSETS_MAX;
    for (size_t i = 0; are && i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        size_t count = has_offsets ? 3 : 2;
        are = json_object_size(entry) == count && pp_str_is(text_of(entry, "topic"), "t") &&
              is_number(json_object_get(entry, "partition"), INT32_MAX) &&
              (!has_offsets || is_number(json_object_get(entry, "offset"), INT64_MAX - 1));
    }
    return are;
}

static void offsets_check(pp_gateway_order *order, const json_t *tree, bool has_offsets) {
    static pinpipe_kafka_offset offsets[OFFSETS_MAX];
    int64_t count = 0;
    memset(offsets, 0, sizeof offsets);
    const json_t *list = json_object_get(tree, has_offsets ? "offsets" : "partitions");
    bool is_taken = pp_gateway_offsets_read(offsets, &count, OFFSETS_MAX, order, has_offsets);
    REQUIRE(is_taken || json_object_size(tree) != 1 || !are_right(list, has_offsets));
    if (is_taken && tree) {
        REQUIRE(count == (int64_t)json_array_size(list));
        for (int64_t i = 0; i < count; i++) {
            const json_t *entry = json_array_get(list, (size_t)i);
            REQUIRE(pp_str_equal(offsets[i].topic, text_of(entry, "topic")));
            REQUIRE(pp_str_equal(offsets[i].metadata, text_of(entry, "metadata")));
            REQUIRE(offsets[i].partition == json_integer_value(json_object_get(entry, "partition")));
            REQUIRE(!has_offsets ||
                    offsets[i].offset == json_integer_value(json_object_get(entry, "offset")));
        }
    }
    refusal_check(&order->reply, is_taken);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    pinpipe_str body = {(const char *)data + 1, size - 1};
    pp_gateway_order order = {.connection = NULL};
    json_t *tree = json_loadb(body.ptr, body.len, JSON_REJECT_DUPLICATES, NULL);
    REQUIRE(pp_buf_append(&order.body, body.ptr, body.len, NULL) == PINPIPE_OK);
    switch (data[0] % 4) {
    case 0:
        instance_check(body, tree);
        break;
    case 1:
        topics_check(&order, tree);
        break;
    default:
        offsets_check(&order, tree, data[0] % 4 == 2);
        break;
    }
    json_decref(tree);
    pinpipe_buf_reset(&order.body);
    return 0;
}

#else

FUZZ_NOTHING

#endif
