/* Turns the JSON that hands out a temporary key (process, container, instance, SSO) into credentials.
 * Never quotes a value of it in an error, and wipes the strings of the parsed tree.
 * Rules: docs/credentials.md, "Answers"; JSON by jansson. */
#include "aws/key_answer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "text/time_text.h"

#define PATH_MAX_STEPS 3

/* How one kind of answer calls its fields. */
typedef struct answer_row {
    const char *name;                 /* of the answer, for errors */
    const char *path[PATH_MAX_STEPS]; /* objects around the fields */
    const char *key, *secret, *token, *expiration, *account;
    int64_t expiration_per_s; /* of a number; 0 = text only */
    bool token_required;
} answer_row;

static const answer_row answer_rows[] = {
    [PP_ANSWER_PROCESS] = {"the process's answer",
                           {NULL},
                           "AccessKeyId",
                           "SecretAccessKey",
                           "SessionToken",
                           "Expiration",
                           "AccountId",
                           0,
                           false},
    [PP_ANSWER_CONTAINER] = {"the container's answer",
                             {NULL},
                             "AccessKeyId",
                             "SecretAccessKey",
                             "Token",
                             "Expiration",
                             "AccountId",
                             0,
                             false},
    [PP_ANSWER_IMDS] = {"the instance's answer",
                        {NULL},
                        "AccessKeyId",
                        "SecretAccessKey",
                        "Token",
                        "Expiration",
                        "AccountId",
                        0,
                        true},
    [PP_ANSWER_SSO] = {"the SSO portal's answer",
                       {"roleCredentials", NULL},
                       "accessKeyId",
                       "secretAccessKey",
                       "sessionToken",
                       "expiration",
                       "accountId",
                       1000,
                       true},
    [PP_ANSWER_STS] = {"the answer of STS",
                       {"AssumeRoleResponse", "AssumeRoleResult", "Credentials"},
                       "AccessKeyId",
                       "SecretAccessKey",
                       "SessionToken",
                       "Expiration",
                       "AccountId",
                       1,
                       true},
};

/* The values are ours alone, and jansson frees them as they are. */
static void tree_wipe(json_t *node) {
    if (json_is_string(node)) {
        pp_wipe((char *)(uintptr_t)json_string_value(node), json_string_length(node));
    } else if (json_is_object(node)) {
        const char *key = NULL;
        json_t *child = NULL;
        json_object_foreach(node, key, child) {
            tree_wipe(child);
        }
    } else if (json_is_array(node)) {
        for (size_t i = 0; i < json_array_size(node); i++) {
            tree_wipe(json_array_get(node, i));
        }
    }
}

static void tree_free(json_t *tree) {
    tree_wipe(tree);
    json_decref(tree);
}

static pinpipe_status tree_load(json_t **out, pinpipe_str json, const char *name, pinpipe_error *err) {
    *out = NULL;
    if (json.len > PP_KEY_ANSWER_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "%s: %zu bytes are more than %d", name, json.len,
                       PP_KEY_ANSWER_MAX);
    }
    json_error_t error;
    json_t *tree = json_loadb(json.ptr ? json.ptr : "", json.len, 0, &error);
    if (!json_is_object(tree)) {
        tree_free(tree);
        return pp_fail(err, PINPIPE_EDATA, "%s is not a JSON object", name);
    }
    *out = tree;
    return PINPIPE_OK;
}

static pinpipe_str text_at(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_string(value) ? (pinpipe_str){json_string_value(value), json_string_length(value)}
                                 : (pinpipe_str){"", 0};
}

/* Seconds from ISO 8601, or from a number of the service's own unit. */
static pinpipe_status expiration_take(int64_t *out_s, const json_t *object, const answer_row *row,
                                      pinpipe_error *err) {
    const json_t *value = json_object_get(object, row->expiration);
    int64_t time_us = 0;
    *out_s = 0;
    if (!value || json_is_null(value)) {
        return PINPIPE_OK;
    }
    if (json_is_string(value) && pp_time_parse(&time_us, text_at(object, row->expiration)) && time_us > 0) {
        *out_s = time_us / 1000000;
        return PINPIPE_OK;
    }
    if (row->expiration_per_s && json_is_number(value)) {
        double number = json_number_value(value) / (double)row->expiration_per_s;
        if (number > 0 && number < 253402300800.0) {
            *out_s = (int64_t)number;
            return PINPIPE_OK;
        }
    }
    return pp_fail(err, PINPIPE_EDATA, "%s: %s is no time", row->name, row->expiration);
}

static pinpipe_status envelope_check(const json_t *tree, pp_key_answer_kind kind, const answer_row *row,
                                     pinpipe_error *err) {
    if (kind == PP_ANSWER_PROCESS && json_integer_value(json_object_get(tree, "Version")) != 1) {
        return pp_fail(err, PINPIPE_EDATA, "%s: Version is not 1", row->name);
    }
    pinpipe_str code = text_at(tree, kind == PP_ANSWER_IMDS ? "Code" : "code");
    bool refused = kind == PP_ANSWER_IMDS ? code.len && !pp_str_is(code, "Success")
                                          : kind == PP_ANSWER_CONTAINER && code.len;
    if (refused) {
        pinpipe_str message = text_at(tree, kind == PP_ANSWER_IMDS ? "Message" : "message");
        return pp_fail(err, PINPIPE_EAUTH, "%s says %.*s: %.*s", row->name, pp_quote_len(code.len), code.ptr,
                       pp_quote_len(message.len), message.ptr);
    }
    return PINPIPE_OK;
}

static pinpipe_str account_of_arn(pinpipe_str arn) {
    int colons = 0;
    size_t begin = 0;
    for (size_t i = 0; i < arn.len; i++) {
        if (arn.ptr[i] == ':' && ++colons == 4) {
            begin = i + 1;
        } else if (colons == 5) {
            return (pinpipe_str){arn.ptr + begin, i - begin};
        }
    }
    return (pinpipe_str){"", 0};
}

static pinpipe_status tree_take(pinpipe_credentials **out, const json_t *tree, pp_key_answer_kind kind,
                                pp_credentials_source source, pinpipe_error *err) {
    const answer_row *row = &answer_rows[kind];
    pinpipe_credentials_options parts = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    pinpipe_status status = envelope_check(tree, kind, row, err);
    if (status < 0) {
        return status;
    }
    const json_t *result = json_object_get(json_object_get(tree, "AssumeRoleResponse"), "AssumeRoleResult");
    if (kind == PP_ANSWER_STS) {
        parts.account_id = account_of_arn(text_at(json_object_get(result, "AssumedRoleUser"), "Arn"));
    }
    const json_t *object = tree;
    for (size_t i = 0; i < PATH_MAX_STEPS && row->path[i]; i++) {
        object = json_object_get(object, row->path[i]);
    }
    parts.access_key_id = text_at(object, row->key);
    parts.secret_access_key = text_at(object, row->secret);
    parts.session_token = text_at(object, row->token);
    parts.account_id = parts.account_id.len ? parts.account_id : text_at(object, row->account);
    const char *missing = !parts.access_key_id.len                          ? row->key
                          : !parts.secret_access_key.len                    ? row->secret
                          : row->token_required && !parts.session_token.len ? row->token
                                                                            : NULL;
    if (missing) {
        return pp_fail(err, PINPIPE_EDATA, "%s has no %s", row->name, missing);
    }
    status = expiration_take(&parts.expires_s, object, row, err);
    return status == PINPIPE_OK ? pp_credentials_take(out, &parts, source, PINPIPE_EDATA, err) : status;
}

pinpipe_status pp_key_answer_decode(pinpipe_credentials **out, pinpipe_str json, pp_key_answer_kind kind,
                                    pp_credentials_source source, pinpipe_error *err) {
    json_t *tree = NULL;
    *out = NULL;
    pinpipe_status status = tree_load(&tree, json, answer_rows[kind].name, err);
    if (status == PINPIPE_OK) {
        status = tree_take(out, tree, kind, source, err);
    }
    tree_free(tree);
    return status;
}

pinpipe_status pp_sso_token_decode(pp_sso_token *out, pinpipe_str json, pinpipe_error *err) {
    json_t *tree = NULL;
    int64_t time_us = 0;
    pinpipe_status status = tree_load(&tree, json, "the SSO cache", err);
    if (status < 0) {
        return status;
    }
    pinpipe_str token = text_at(tree, "accessToken");
    if (!token.len || token.len > PP_CREDENTIALS_PART_MAX) {
        status = pp_fail(err, PINPIPE_EDATA, "the SSO cache has no accessToken");
    } else if (!pp_time_parse(&time_us, text_at(tree, "expiresAt"))) {
        status = pp_fail(err, PINPIPE_EDATA, "the SSO cache: expiresAt is no time");
    } else {
        out->expires_s = time_us / 1000000;
        status = pp_buf_append(&out->access_token, token.ptr, token.len, err);
    }
    for (size_t i = 0; status == PINPIPE_OK && i < token.len; i++) {
        if ((unsigned char)token.ptr[i] <= 0x20 || (unsigned char)token.ptr[i] >= 0x7f) {
            status = pp_fail(err, PINPIPE_EDATA, "the SSO cache: accessToken has a byte that is not visible");
        }
    }
    tree_free(tree);
    return status;
}

void pp_key_answer_words(char out[PP_ANSWER_WORDS_BYTES], pinpipe_str json) {
    json_t *tree = NULL;
    out[0] = '\0';
    if (tree_load(&tree, json, "", NULL) == PINPIPE_OK) {
        pinpipe_str code = text_at(tree, "code"), message = text_at(tree, "message");
        code = code.len ? code : text_at(tree, "__type");
        message = message.len ? message : text_at(tree, "Message");
        snprintf(out, PP_ANSWER_WORDS_BYTES, "%.*s%s%.*s", pp_quote_len(code.len), code.ptr,
                 code.len && message.len ? ": " : "", pp_quote_len(message.len), message.ptr);
    }
    tree_free(tree);
}
