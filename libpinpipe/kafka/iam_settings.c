/* Turns settings, Java's names among them, into what a client has to know for MSK's IAM login.
 * Never takes one identity for another: what excludes each other is an error.
 * Rules: docs/kafka.md, "MSK with IAM login"; aws-msk-iam-auth's README (IAMLoginModule's options). */
#include "kafka/iam_settings.h"

#include <assert.h>
#include <string.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "io/provider.h"

#define JAAS_BLANKS " \t\r\n"

static const char mechanism[] = "AWS_MSK_IAM";
static const char handler_prefix[] = "software.amazon.msk.auth.iam.";
static const char login_handler[] = "software.amazon.msk.auth.iam.IAMOAuthBearerLoginCallbackHandler";
static const char login_module[] = "software.amazon.msk.auth.iam.IAMLoginModule";
static const char bearer_module[] = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";

/* ---- Java's settings ---- */

static bool name_is_mechanism(const char *name) {
    return strcmp(name, "sasl.mechanism") == 0 || strcmp(name, "sasl.mechanisms") == 0;
}

static bool begins_with(const char *text, const char *prefix) {
    text += strspn(text, JAAS_BLANKS);
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool pp_kafka_iam_is_javas(const char *name, const char *value) {
    if (name_is_mechanism(name)) {
        return strcmp(value, mechanism) == 0;
    }
    if (strcmp(name, "sasl.jaas.config") == 0) {
        return begins_with(value, login_module) || begins_with(value, bearer_module);
    }
    bool handler = strcmp(name, "sasl.client.callback.handler.class") == 0 ||
                   strcmp(name, "sasl.login.callback.handler.class") == 0;
    return handler && begins_with(value, handler_prefix);
}

static bool config_asks(const pinpipe_kafka_config *config) {
    const char *login = pp_kafka_config_value(config, "sasl.login.callback.handler.class");
    const char *jaas = pp_kafka_config_value(config, "sasl.jaas.config");
    const char *one = pp_kafka_config_value(config, "sasl.mechanism");
    const char *many = pp_kafka_config_value(config, "sasl.mechanisms");
    return (one && strcmp(one, mechanism) == 0) || (many && strcmp(many, mechanism) == 0) ||
           (jaas && begins_with(jaas, login_module)) || (login && begins_with(login, login_handler));
}

/* ---- sasl.jaas.config ---- */

typedef struct jaas_option {
    pinpipe_str name, value;
} jaas_option;

static size_t name_span(const char *at) {
    return strcspn(at, JAAS_BLANKS "=;\"");
}

/* The next `name=value` or `name="value"`; false at the end. */
static bool option_next(jaas_option *out, const char **at) {
    const char *text = *at + strspn(*at, JAAS_BLANKS);
    size_t name_len = name_span(text);
    if (!name_len || text[name_len] != '=') {
        *at = text;
        return false;
    }
    out->name = (pinpipe_str){text, name_len};
    text += name_len + 1;
    bool quoted = *text == '"';
    text += quoted ? 1 : 0;
    size_t len = quoted ? strcspn(text, "\"") : name_span(text);
    out->value = (pinpipe_str){text, len};
    text += len;
    *at = text + (quoted && *text == '"' ? 1 : 0);
    return true;
}

static pinpipe_status option_take(pinpipe_provider_options *out, const jaas_option *option,
                                  pinpipe_error *err) {
    /* How Java's client retries and logs is this one's own business. */
    static const char *const ignored[] = {"awsDebugCreds", "awsMaxRetries", "awsMaxBackOffTimeMs"};
    const struct {
        const char *name;
        pinpipe_str *target;
    } known[] = {{"awsRoleArn", &out->role_arn},
                 {"awsRoleSessionName", &out->role_session_name},
                 {"awsRoleExternalId", &out->role_external_id},
                 {"awsProfileName", &out->profile},
                 {"awsStsRegion", &out->region}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (pp_str_is(option->name, known[i].name)) {
            *known[i].target = option->value;
            return PINPIPE_OK;
        }
    }
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++) {
        if (pp_str_is(option->name, ignored[i])) {
            return PINPIPE_OK;
        }
    }
    return pp_fail(err, PINPIPE_EINVAL, "setting 'sasl.jaas.config': option '%.*s' is not supported",
                   pp_quote_len(option->name.len), option->name.ptr);
}

/* `<module> required name="value" …;`; the views in `out` are borrowed from the text. */
static pinpipe_status jaas_read(pinpipe_provider_options *out, const char *text, pinpipe_error *err) {
    jaas_option option = {{NULL, 0}, {NULL, 0}};
    pinpipe_status status = PINPIPE_OK;
    text += strspn(text, JAAS_BLANKS);
    text += name_span(text);
    text += strspn(text, JAAS_BLANKS);
    text += name_span(text);
    while (status == PINPIPE_OK && option_next(&option, &text)) {
        status = option_take(out, &option, err);
    }
    if (status == PINPIPE_OK && *text != ';') {
        return pp_fail(err, PINPIPE_EINVAL,
                       "setting 'sasl.jaas.config': not a login module, \"required\", options and ';'");
    }
    return status;
}

/* ---- region ---- */

static bool suffix_cut(pinpipe_str *text, const char *suffix) {
    size_t len = strlen(suffix);
    if (text->len <= len || memcmp(text->ptr + text->len - len, suffix, len) != 0) {
        return false;
    }
    text->len -= len;
    return true;
}

static pinpipe_str last_label_cut(pinpipe_str *text) {
    size_t at = text->len;
    while (at > 0 && text->ptr[at - 1] != '.') {
        at--;
    }
    pinpipe_str label = {text->ptr + at, text->len - at};
    text->len = at > 0 ? at - 1 : 0;
    return label;
}

static pinpipe_str host_region(pinpipe_str host) {
    if (!suffix_cut(&host, ".amazonaws.com") && !suffix_cut(&host, ".amazonaws.com.cn")) {
        return (pinpipe_str){NULL, 0};
    }
    pinpipe_str region = last_label_cut(&host), service = last_label_cut(&host);
    bool ours = host.len > 0 && (pp_str_is(service, "kafka") || pp_str_is(service, "kafka-serverless"));
    return ours ? region : (pinpipe_str){NULL, 0};
}

pinpipe_str pp_kafka_brokers_region(pinpipe_str brokers) {
    pinpipe_str region = {NULL, 0};
    for (size_t at = 0; at < brokers.len && !region.len; at++) {
        size_t begin = at, colon = 0;
        for (; at < brokers.len && brokers.ptr[at] != ','; at++) {
            colon = brokers.ptr[at] == ':' ? at : colon;
        }
        region = host_region((pinpipe_str){brokers.ptr + begin, (colon ? colon : at) - begin});
    }
    return region;
}

static pinpipe_status region_set(pp_kafka_iam_settings *out, pinpipe_str brokers, pinpipe_str given,
                                 pinpipe_error *err) {
    pinpipe_str named = pp_kafka_brokers_region(brokers);
    pinpipe_str region = given.len ? given : named;
    region = region.len ? region : pinpipe_provider_region(out->provider);
    if (!region.len) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "no region for the cluster's IAM login: none was given, the brokers' names have "
                       "none, nor have AWS_REGION, AWS_DEFAULT_REGION and the profile");
    }
    if (given.len && named.len && !pp_str_equal(given, named)) {
        pp_log(PP_LOG_WARNING, "kafka", "tokens are signed for region '%.*s', the brokers are in '%.*s'",
               pp_quote_len(given.len), given.ptr, pp_quote_len(named.len), named.ptr);
    }
    out->region = pp_strndup(region.ptr, region.len);
    return out->region ? PINPIPE_OK : pp_fail_memory(err, "a region", region.len);
}

/* ---- all of it ---- */

static pinpipe_status provider_set(pp_kafka_iam_settings *out, const pinpipe_provider *given,
                                   const char *jaas, pinpipe_error *err) {
    pinpipe_provider_options options = PINPIPE_PROVIDER_OPTIONS_INIT;
    pinpipe_status status = jaas ? jaas_read(&options, jaas, err) : PINPIPE_OK;
    if (status < 0) {
        return status;
    }
    if (given && (options.role_arn.len || options.profile.len)) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "setting 'sasl.jaas.config' names a role or a profile, and credentials were given "
                       "too");
    }
    if (given) {
        out->provider = pp_provider_retain(given);
        return PINPIPE_OK;
    }
    return pinpipe_provider_new(&out->provider, &options, err);
}

pinpipe_status pp_kafka_iam_settings_read(pp_kafka_iam_settings *out, pinpipe_str brokers,
                                          const pinpipe_kafka_config *config, pinpipe_error *err) {
    const pp_kafka_iam_choice *choice = pp_kafka_config_iam(config);
    const char *jaas = pp_kafka_config_value(config, "sasl.jaas.config");
    assert(out);
    if (!choice && !config_asks(config)) {
        return PINPIPE_OK;
    }
    bool readable = jaas && pp_kafka_iam_is_javas("sasl.jaas.config", jaas);
    out->wanted = true;
    out->expires_s = choice ? choice->expires_s : 0;
    out->sign_host = pp_strdup(choice && choice->sign_host ? choice->sign_host : "");
    pinpipe_status status = out->sign_host ? PINPIPE_OK : pp_fail_memory(err, "a host's name", 1);
    if (status == PINPIPE_OK) {
        status = provider_set(out, choice ? choice->provider : NULL, readable ? jaas : NULL, err);
    }
    if (status == PINPIPE_OK) {
        pinpipe_str given = choice && choice->region ? pp_str(choice->region) : (pinpipe_str){NULL, 0};
        status = region_set(out, brokers, given, err);
    }
    if (status < 0) {
        pp_kafka_iam_settings_reset(out);
    }
    return status;
}

void pp_kafka_iam_settings_reset(pp_kafka_iam_settings *settings) {
    pinpipe_provider_free(settings->provider);
    pp_free(settings->region);
    pp_free(settings->sign_host);
    *settings = (pp_kafka_iam_settings){0};
}
