/* Turns request bodies such as {"records":[{"value":…}, …]} into the extents of the records in their list.
 * Never holds a body: of its other members only one is seen at a time, and handed out to be checked.
 * Rules: RFC 8259; domain.md §3.2 and §3.4 for the list's name. */
#include "codec/splitter.h"

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* Compares the key that is being read with the list's name, in either spelling. */
static void key_step(pp_splitter *splitter, const char *bytes, size_t len) {
    static const char name[] = "\"records\"";
    for (size_t i = 0; i < len && splitter->key_at >= 0; i++) {
        int32_t at = splitter->key_at;
        bool is_same =
            at < (int32_t)sizeof name - 1 && (bytes[i] == name[at] || (at == 1 && bytes[i] == 'R'));
        splitter->key_at = is_same ? at + 1 : -1;
    }
}

/* A byte of the list outside its values: true when it is passed over. */
static bool list_skip(pp_splitter *splitter, char byte) {
    if (byte == ',' && splitter->place == PP_JSON_BEHIND) {
        splitter->place = PP_JSON_NEXT;
        return true;
    }
    if (byte == ']' && (splitter->place == PP_JSON_FIRST || splitter->place == PP_JSON_BEHIND)) {
        splitter->place = PP_JSON_OUTSIDE;
        splitter->body = PP_BODY_BEHIND;
        return true;
    }
    return false;
}

/* A byte of the body outside values and list: true when it is passed over. */
static bool body_skip(pp_splitter *splitter, char byte) {
    if (byte == '{' && splitter->body == PP_BODY_OUTSIDE) {
        splitter->body = PP_BODY_FIRST;
        splitter->has_list = false;
    } else if (byte == ':' && splitter->body == PP_BODY_COLON) {
        splitter->body = PP_BODY_VALUE;
    } else if (byte == '[' && splitter->body == PP_BODY_VALUE && splitter->is_list_key) {
        splitter->body = PP_BODY_LIST;
        splitter->place = PP_JSON_FIRST;
        splitter->has_list = true;
    } else if (byte == ',' && splitter->body == PP_BODY_BEHIND) {
        splitter->body = PP_BODY_KEY;
    } else if (byte == '}' && splitter->has_list && splitter->body == PP_BODY_BEHIND) {
        splitter->body = PP_BODY_OUTSIDE;
    } else {
        return false;
    }
    return true;
}

/* Begins the value at `byte`: a record of the list, a part of the body, or what cannot stand here. */
static const char *value_begin(pp_splitter *splitter, char byte) {
    pp_body_place body = splitter->body;
    bool is_key = body == PP_BODY_FIRST || body == PP_BODY_KEY;
    pp_splitter_value_begin(splitter, byte);
    splitter->is_aside = body == PP_BODY_VALUE || (is_key && byte == '"');
    splitter->key_at = is_key && byte == '"' ? 1 : -1;
    if (body == PP_BODY_LIST) {
        const char *fault = splitter->place == PP_JSON_BEHIND ? PP_SPLIT_NO_COMMA : NULL;
        splitter->place = PP_JSON_BEHIND;
        return fault;
    }
    if (splitter->is_aside) {
        splitter->body = is_key ? PP_BODY_COLON : PP_BODY_BEHIND;
        return NULL;
    }
    if (byte == '}' && (body == PP_BODY_FIRST || body == PP_BODY_BEHIND)) {
        splitter->body = PP_BODY_OUTSIDE;
        return "the body ends without a list of records";
    }
    return body == PP_BODY_OUTSIDE ? "a body with a list of records is expected"
           : is_key                ? "a key is expected"
           : body == PP_BODY_COLON ? "':' is expected"
                                   : "',' or '}' is expected";
}

pp_split pp_body_next(pp_splitter *splitter, const char *bytes, size_t len) {
    pp_split split = {0};
    size_t at = 0;
    if (!splitter->in_record) {
        while (at < len &&
               (is_blank(bytes[at]) || (splitter->body == PP_BODY_LIST ? list_skip(splitter, bytes[at])
                                                                       : body_skip(splitter, bytes[at])))) {
            at++;
        }
        split.skipped = at;
        if (at == len) {
            return split;
        }
        split.fault = value_begin(splitter, bytes[at++]);
    }
    size_t passed = pp_splitter_value_pass(&split.complete, splitter, bytes + at, len - at);
    key_step(splitter, bytes + at, passed);
    at += passed;
    split.is_aside = splitter->is_aside;
    split.taken = at - split.skipped;
    if (split.complete && splitter->body == PP_BODY_COLON) {
        splitter->is_list_key = splitter->key_at == (int32_t)sizeof "\"records\"" - 1;
    }
    return split;
}
