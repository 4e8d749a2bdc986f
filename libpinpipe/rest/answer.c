/* Turns the body of a REST proxy's answer into entries by one walk over it.
 * Never builds a tree, never allocates.
 * Rules: Confluent REST Proxy API Reference, "API v2"; RFC 8259; of a key that comes twice the last counts.
 */
#include "rest/answer.h"

#include "base/buffer.h"
#include "text/json_value.h"
#include "text/number.h"

/* A number, or null: then `*out` is `none`. */
static bool number_take(int64_t *out, pp_json_walk *walk, int64_t none) {
    if (pp_json_walk_ended(walk)) { /* it passes blanks */
        return false;
    }
    const char *from = walk->at;
    if (!pp_json_value_pass(walk, 2)) {
        return false;
    }
    pinpipe_str text = {from, (size_t)(walk->at - from)};
    *out = none;
    return pp_str_is(text, "null") ||
           ((*from == '-' || (*from >= '0' && *from <= '9')) && pp_number_i64(out, text) == PP_NUMBER_OK);
}

static bool code_take(int32_t *out, pp_json_walk *walk) {
    int64_t code = 0;
    bool is_code = number_take(&code, walk, 0) && code >= 0 && code <= INT32_MAX;
    *out = is_code ? (int32_t)code : 0;
    return is_code;
}

/* A text; anything else is passed over. */
static bool text_take(pinpipe_str *out, pp_json_walk *walk) {
    pp_json_walk other = *walk;
    if (pp_json_string_pass(walk, out)) {
        return true;
    }
    *walk = other;
    return pp_json_value_pass(walk, 2);
}

static bool member_take(pp_rest_entry *entry, pp_json_walk *walk, pinpipe_str key) {
    int64_t number = -1;
    if (pp_str_is(key, "partition")) {
        bool is_number = number_take(&number, walk, -1) && number >= -1 && number <= INT32_MAX;
        entry->partition = is_number ? (int32_t)number : -1;
        return is_number;
    }
    if (pp_str_is(key, "offset")) {
        return number_take(&entry->offset, walk, INT64_MIN);
    }
    if (pp_str_is(key, "error_code")) {
        return code_take(&entry->code, walk);
    }
    bool is_text = pp_str_is(key, "error") || pp_str_is(key, "message");
    return is_text ? text_take(&entry->text, walk) : pp_json_value_pass(walk, 2);
}

/* An entry has an offset or says why it has none. */
static bool entry_take(pp_rest_entry *entry, pp_json_walk *walk) {
    pinpipe_str key;
    *entry = (pp_rest_entry){-1, 0, INT64_MIN, {"", 0}};
    if (!pp_json_byte_pass(walk, '{')) {
        return false;
    }
    for (int64_t i = 0; pp_json_member_next(walk, &key, i); i++) {
        if (!member_take(entry, walk, key)) {
            return false;
        }
    }
    bool is_told = entry->code > 0 || entry->offset >= -1;
    entry->offset = entry->offset < 0 ? -1 : entry->offset;
    return !walk->fault && is_told;
}

static bool offsets_take(pp_rest_answer *out, pp_rest_entry *entries, int64_t room, pp_json_walk *walk) {
    out->count = 0;
    if (!pp_json_byte_pass(walk, '[')) {
        return false;
    }
    for (int64_t i = 0; pp_json_element_next(walk, i); i++) {
        pp_rest_entry entry;
        if (!entry_take(&entry, walk)) {
            return false;
        }
        if (out->count < room) {
            entries[out->count] = entry;
        }
        out->count++;
    }
    return !walk->fault;
}

void pp_rest_answer_read(pp_rest_answer *out, pp_rest_entry *entries, int64_t room, pinpipe_str body) {
    pp_json_walk walk = {body.ptr, body.ptr + body.len, NULL, false};
    pinpipe_str key;
    *out = (pp_rest_answer){.text = {"", 0}};
    if (!body.len || !pp_json_byte_pass(&walk, '{')) {
        return;
    }
    bool is_right = true;
    for (int64_t i = 0; is_right && pp_json_member_next(&walk, &key, i); i++) {
        pp_json_walk before = walk;
        bool is_taken = false;
        if (pp_str_is(key, "offsets")) {
            is_taken = out->has_offsets = offsets_take(out, entries, room, &walk);
        } else if (pp_str_is(key, "error_code")) {
            is_taken = code_take(&out->code, &walk);
        } else if (pp_str_is(key, "message") || pp_str_is(key, "Message")) {
            is_taken = text_take(&out->text, &walk);
        }
        if (!is_taken) {
            walk = before;
            is_right = pp_json_value_pass(&walk, 1);
        }
    }
    out->is_object = is_right && !walk.fault && pp_json_walk_ended(&walk);
    out->has_offsets = out->has_offsets && out->is_object;
}
