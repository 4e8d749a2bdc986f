/* Turns any bytes into the body of a REST proxy's answer, read by the library and by jansson.
 * Never accepts an entry that jansson does not see, or misses one that it does. Rules: Confluent REST Proxy
 * API Reference, "API v2"; jansson refuses NUL escapes and numbers beyond its own, and keys are compared
 * without escapes; the whole input is the body. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/buffer.h"
#include "rest/answer.h"
#include "text/json_string.h"

#define ROOM 8

/* What the two readers are known to see differently: escapes in keys and of NUL, fractions, exponents,
 * numbers that may be beyond jansson's. */
static int is_odd(const char *body, size_t size) {
    int digits = 0;
    for (size_t i = 0; i < size; i++) {
        int is_after_digit = digits > 0 && (body[i] == '.' || body[i] == 'e' || body[i] == 'E');
        digits = body[i] >= '0' && body[i] <= '9' ? digits + 1 : 0;
        if (body[i] == '\\' || body[i] == '\0' || is_after_digit || digits > 15) {
            return 1;
        }
    }
    return 0;
}

static int depth_of(const json_t *value) {
    int deepest = 0;
    size_t index = 0;
    const char *key = NULL;
    json_t *child = NULL;
    if (json_is_array(value)) {
        json_array_foreach(value, index, child) {
            int depth = depth_of(child);
            deepest = depth > deepest ? depth : deepest;
        }
    } else if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, key, child) {
            int depth = depth_of(child);
            deepest = depth > deepest ? depth : deepest;
        }
    } else {
        return 0;
    }
    return deepest + 1;
}

/* A number within limits, or nothing; -2 = something else. */
static long long number_of(const json_t *value, long long most) {
    if (!value || json_is_null(value)) {
        return -1;
    }
    json_int_t number = json_integer_value(value);
    return json_is_integer(value) && number >= -1 && number <= most ? number : -2;
}

static int entry_is_one(const json_t *entry) {
    const json_t *offset = json_object_get(entry, "offset"), *code = json_object_get(entry, "error_code");
    long long code_number = number_of(code, INT32_MAX),
              partition = number_of(json_object_get(entry, "partition"), INT32_MAX);
    int is_number = !offset || json_is_null(offset) || json_is_integer(offset);
    int is_told = (json_is_integer(offset) && json_integer_value(offset) >= -1) || code_number > 0;
    int is_code = !code || json_is_null(code) || (json_is_integer(code) && code_number >= 0);
    return json_is_object(entry) && is_number && is_told && is_code && partition > -2;
}

static void entries_compare(const pp_rest_answer *answer, const pp_rest_entry *entries, const json_t *tree) {
    const json_t *offsets = json_object_get(tree, "offsets");
    size_t count = json_array_size(offsets);
    int is_list = json_is_array(offsets);
    for (size_t i = 0; i < count; i++) {
        is_list = is_list && entry_is_one(json_array_get(offsets, i));
    }
    REQUIRE(answer->has_offsets == (is_list != 0));
    for (size_t i = 0; is_list && i < count && i < ROOM; i++) {
        const json_t *entry = json_array_get(offsets, i);
        const json_t *code = json_object_get(entry, "error_code");
        REQUIRE(entries[i].code == (int32_t)json_integer_value(code));
        REQUIRE(entries[i].partition == number_of(json_object_get(entry, "partition"), INT32_MAX));
        const json_t *offset = json_object_get(entry, "offset");
        json_int_t number =
            json_is_integer(offset) && json_integer_value(offset) >= 0 ? json_integer_value(offset) : -1;
        REQUIRE(entries[i].offset == number);
    }
    REQUIRE(!is_list || answer->count == (int64_t)count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pp_rest_entry entries[ROOM];
    pp_rest_answer answer;
    char *body = calloc(1, size + PP_JSON_PADDING + 1);
    REQUIRE(body != NULL);
    memcpy(body, data, size);
    pp_rest_answer_read(&answer, entries, ROOM, (pinpipe_str){body, size});
    REQUIRE(answer.is_object || !answer.has_offsets);
    for (int64_t i = 0; answer.has_offsets && i < answer.count && i < ROOM; i++) {
        const char *text = entries[i].text.ptr;
        REQUIRE(!entries[i].text.len || (text > body && text + entries[i].text.len < body + size));
        REQUIRE(entries[i].code > 0 || entries[i].offset >= -1);
    }
    REQUIRE(!answer.text.len || (answer.text.ptr > body && answer.text.ptr + answer.text.len < body + size));
    json_t *tree = json_loadb(body, size, JSON_REJECT_DUPLICATES, NULL);
    json_t *loose = tree ? json_incref(tree) : json_loadb(body, size, 0, NULL);
    int is_seen = json_is_object(loose) && depth_of(loose) <= 128;
    int is_odd_body = is_odd(body, size);
    if (!is_odd_body && depth_of(loose) <= 128) {
        REQUIRE(answer.is_object == (is_seen != 0));
    }
    if (!is_odd_body && tree && is_seen) {
        entries_compare(&answer, entries, tree);
    }
    json_decref(loose);
    json_decref(tree);
    free(body);
    return 0;
}
