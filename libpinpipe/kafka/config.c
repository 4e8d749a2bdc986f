/* Turns name and value pairs into a set of settings that outlives the call that gave them.
 * Never checks names: which ones exist depends on the librdkafka that is linked.
 * Rules: docs/kafka.md, "Settings". */
#include "kafka/config.h"

#include <assert.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "io/provider.h"

typedef struct setting {
    char *name;
    char *value;
} setting;

struct pinpipe_kafka_config {
    setting settings[PP_KAFKA_SETTINGS_MAX];
    int64_t count;
    pp_kafka_iam_choice iam;
    bool has_iam;
};

pinpipe_status pinpipe_kafka_config_new(pinpipe_kafka_config **out, pinpipe_error *err) {
    *out = pp_alloc_zero(sizeof **out);
    return *out ? PINPIPE_OK : pp_fail_memory(err, "Kafka settings", sizeof **out);
}

static void value_free(char *value) {
    if (value) {
        pp_wipe(value, strlen(value));
        pp_free(value);
    }
}

static void iam_clear(pinpipe_kafka_config *config) {
    pinpipe_provider_free(config->iam.provider);
    pp_free(config->iam.region);
    pp_free(config->iam.sign_host);
    config->iam = (pp_kafka_iam_choice){0};
    config->has_iam = false;
}

void pinpipe_kafka_config_free(pinpipe_kafka_config *config) {
    for (int64_t i = 0; config && i < config->count; i++) {
        pp_free(config->settings[i].name);
        value_free(config->settings[i].value);
    }
    if (config) {
        iam_clear(config);
    }
    pp_free(config);
}

static pinpipe_status setting_check(pinpipe_str name, pinpipe_str value, pinpipe_error *err) {
    if (name.len == 0 || memchr(name.ptr, '\0', name.len)) {
        return pp_fail(err, PINPIPE_EINVAL, "a Kafka setting has no name or a NUL byte in it");
    }
    if (name.len > PP_KAFKA_NAME_BYTES_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "Kafka setting '%.*s…': its name has %zu bytes, the limit is %d",
                       pp_quote_len(name.len), name.ptr, name.len, PP_KAFKA_NAME_BYTES_MAX);
    }
    if (value.len && memchr(value.ptr, '\0', value.len)) {
        return pp_fail(err, PINPIPE_EINVAL, "Kafka setting '%.*s': its value has a NUL byte", (int)name.len,
                       name.ptr);
    }
    if (value.len > PP_KAFKA_VALUE_BYTES_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "Kafka setting '%.*s': its value has %zu bytes, the limit is %d",
                       (int)name.len, name.ptr, value.len, PP_KAFKA_VALUE_BYTES_MAX);
    }
    return PINPIPE_OK;
}

static setting *setting_find(pinpipe_kafka_config *config, pinpipe_str name) {
    for (int64_t i = 0; i < config->count; i++) {
        setting *found = &config->settings[i];
        if (strlen(found->name) == name.len && memcmp(found->name, name.ptr, name.len) == 0) {
            return found;
        }
    }
    return NULL;
}

pinpipe_status pinpipe_kafka_config_set(pinpipe_kafka_config *config, pinpipe_str name, pinpipe_str value,
                                        pinpipe_error *err) {
    assert(config);
    pinpipe_status status = setting_check(name, value, err);
    if (status < 0) {
        return status;
    }
    setting *known = setting_find(config, name);
    if (!known && config->count == PP_KAFKA_SETTINGS_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "Kafka setting '%.*s': there are %d settings already",
                       (int)name.len, name.ptr, PP_KAFKA_SETTINGS_MAX);
    }
    char *name_copy = known ? NULL : pp_strndup(name.ptr, name.len);
    char *value_copy = pp_strndup(value.len ? value.ptr : "", value.len);
    if (!value_copy || (!known && !name_copy)) {
        pp_free(name_copy);
        value_free(value_copy);
        return pp_fail_memory(err, "a Kafka setting", name.len + value.len);
    }
    if (known) {
        value_free(known->value);
        known->value = value_copy;
    } else {
        config->settings[config->count++] = (setting){name_copy, value_copy};
    }
    return PINPIPE_OK;
}

pinpipe_status pinpipe_kafka_config_iam_set(pinpipe_kafka_config *config,
                                            const pinpipe_kafka_iam_options *options, pinpipe_error *err) {
    const pinpipe_kafka_iam_options defaults = PINPIPE_KAFKA_IAM_OPTIONS_INIT;
    assert(config);
    options = options ? options : &defaults;
    if (options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "IAM options lack their struct_size");
    }
    if (options->region.len > PP_KAFKA_NAME_BYTES_MAX || options->sign_host.len > PP_KAFKA_NAME_BYTES_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "IAM login: a region or host is longer than %d bytes",
                       PP_KAFKA_NAME_BYTES_MAX);
    }
    if (options->expires_s &&
        (options->expires_s < PP_KAFKA_TOKEN_MIN_S || options->expires_s > PP_KAFKA_TOKEN_MAX_S)) {
        return pp_fail(err, PINPIPE_EINVAL, "IAM login: an expiry of %lld s is not %d to %d",
                       (long long)options->expires_s, PP_KAFKA_TOKEN_MIN_S, PP_KAFKA_TOKEN_MAX_S);
    }
    iam_clear(config);
    config->iam.region = options->region.len ? pp_strndup(options->region.ptr, options->region.len) : NULL;
    config->iam.sign_host =
        options->sign_host.len ? pp_strndup(options->sign_host.ptr, options->sign_host.len) : NULL;
    if ((options->region.len && !config->iam.region) || (options->sign_host.len && !config->iam.sign_host)) {
        iam_clear(config);
        return pp_fail_memory(err, "IAM options", options->region.len + options->sign_host.len);
    }
    config->iam.provider = pp_provider_retain(options->provider);
    config->iam.expires_s = options->expires_s;
    config->has_iam = true;
    return PINPIPE_OK;
}

const pp_kafka_iam_choice *pp_kafka_config_iam(const pinpipe_kafka_config *config) {
    return config && config->has_iam ? &config->iam : NULL;
}

pinpipe_status pp_kafka_config_copy(pinpipe_kafka_config *to, const pinpipe_kafka_config *from,
                                    pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    for (int64_t i = 0; i < pp_kafka_config_count(from) && status == PINPIPE_OK; i++) {
        status = pinpipe_kafka_config_set(to, pp_str(from->settings[i].name), pp_str(from->settings[i].value),
                                          err);
    }
    const pp_kafka_iam_choice *iam = pp_kafka_config_iam(from);
    if (status == PINPIPE_OK && iam) {
        pinpipe_kafka_iam_options options = PINPIPE_KAFKA_IAM_OPTIONS_INIT;
        options.provider = iam->provider;
        options.region = pp_str(iam->region ? iam->region : "");
        options.sign_host = pp_str(iam->sign_host ? iam->sign_host : "");
        options.expires_s = iam->expires_s;
        status = pinpipe_kafka_config_iam_set(to, &options, err);
    }
    return status;
}

int64_t pp_kafka_config_count(const pinpipe_kafka_config *config) {
    return config ? config->count : 0;
}

const char *pp_kafka_config_name_at(const pinpipe_kafka_config *config, int64_t index) {
    assert(config && index >= 0 && index < config->count);
    return config->settings[index].name;
}

const char *pp_kafka_config_value_at(const pinpipe_kafka_config *config, int64_t index) {
    assert(config && index >= 0 && index < config->count);
    return config->settings[index].value;
}

const char *pp_kafka_config_value(const pinpipe_kafka_config *config, const char *name) {
    for (int64_t i = 0; config && i < config->count; i++) {
        if (strcmp(config->settings[i].name, name) == 0) {
            return config->settings[i].value;
        }
    }
    return NULL;
}

const char *pp_kafka_setting_since(const char *name, const char *value) {
    static const struct {
        const char *name, *value, *version; /* value NULL = the setting itself */
    } rows[] = {
#define PP_KAFKA_NEWER(setting_name, setting_version) {setting_name, NULL, setting_version},
#define PP_KAFKA_NEWER_VALUE(setting_name, setting_value, setting_version)                                   \
    {setting_name, setting_value, setting_version},
#include "kafka/newer.def"
#undef PP_KAFKA_NEWER
#undef PP_KAFKA_NEWER_VALUE
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool is_meant = value ? rows[i].value && strstr(value, rows[i].value) : !rows[i].value;
        if (is_meant && strcmp(rows[i].name, name) == 0) {
            return rows[i].version;
        }
    }
    return NULL;
}

bool pp_kafka_setting_secret(const char *name) {
    static const char *const parts[] = {"password",      "secret", "pem", "sasl.oauthbearer.config",
                                        "sasl.username", "jaas"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (strstr(name, parts[i])) {
            return true;
        }
    }
    return false;
}
