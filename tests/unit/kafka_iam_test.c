/* Turns a client.properties, Java's names and broker names into what the IAM login is made of, and what does
 * not fit together into errors. Never needs a server; the real broker is tests/integration's. Rules:
 * docs/kafka.md, "MSK with IAM login"; java.util.Properties.load. */
#include "check.h"

#include <stdlib.h>

#if PINPIPE_WITH_KAFKA
#include <librdkafka/rdkafka.h>
#endif

#include "base/buffer.h"
#include "io/provider.h"
#include "kafka/config.h"
#include "kafka/iam_settings.h"
#include "pinpipe/kafka.h"
#include "secret_search.h"

static const char secret[] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

#define JAAS "sasl.jaas.config=software.amazon.msk.auth.iam.IAMLoginModule required"

static pinpipe_kafka_config *config_of(const char *text) {
    pinpipe_kafka_config *config = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    CHECK_INT(pinpipe_kafka_config_new(&config, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_decode(config, pp_str(text), &err), PINPIPE_OK);
    return config;
}

static void value_check(const pinpipe_kafka_config *config, const char *name, const char *value) {
    const char *found = pp_kafka_config_value(config, name);
    CHECK(found && strcmp(found, value) == 0);
}

static void test_properties(void) {
    pinpipe_kafka_config *config = config_of("\xEF\xBB\xBF# a comment = none\r\n"
                                             "  ! another\n\n"
                                             "plain=1\n"
                                             "  spaced   =   a b \n"
                                             "colon:c:d=e\r\n"
                                             "blank tab\\tbed\r"
                                             "long = first, \\\n      second\\\r\n\tthird\n"
                                             "key\\ with\\:odd\\=bytes=v\n"
                                             "euro=\\u20AC \\ud83d\\uDE00 \\q\n"
                                             "empty=\n"
                                             "plain=2\n"
                                             "last=end\\");
    CHECK_INT(pp_kafka_config_count(config), 9);
    value_check(config, "plain", "2");
    value_check(config, "spaced", "a b ");
    value_check(config, "colon", "c:d=e");
    value_check(config, "blank", "tab\tbed");
    value_check(config, "long", "first, secondthird");
    value_check(config, "key with:odd=bytes", "v");
    value_check(config, "euro", "\xE2\x82\xAC \xF0\x9F\x98\x80 q");
    value_check(config, "empty", "");
    value_check(config, "last", "end");
    pinpipe_kafka_config_free(config);
}

static void test_properties_refused(void) {
    static const char *const texts[] = {"a=\\u12", "a=\\u12G4", "a=\\ud83d", "a=\\uDE00", "a=\\u0000"};
    pinpipe_kafka_config *config = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    CHECK_INT(pinpipe_kafka_config_new(&config, &err), PINPIPE_OK);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        CHECK_INT(pinpipe_kafka_config_decode(config, pp_str(texts[i]), &err), PINPIPE_EDATA);
    }
    CHECK_INT(pinpipe_kafka_config_decode(config, pp_str("=value"), &err), PINPIPE_EINVAL);
    CHECK_INT(pinpipe_kafka_config_decode(config, (pinpipe_str){"", 0}, &err), PINPIPE_OK);
    size_t len = (1 << 16) + 1;
    char *large = malloc(len);
    CHECK(large != NULL);
    memset(large, '#', len);
    CHECK_INT(pinpipe_kafka_config_decode(config, (pinpipe_str){large, len}, &err), PINPIPE_ELIMIT);
    CHECK_INT(pinpipe_kafka_config_decode(config, (pinpipe_str){large, len - 1}, &err), PINPIPE_OK);
    CHECK_INT(pp_kafka_config_count(config), 0);
    free(large);
    pinpipe_kafka_config_free(config);
}

static void test_broker_regions(void) {
    static const struct {
        const char *brokers, *region;
    } rows[] = {
        {"b-1.pins.abc123.c2.kafka.us-east-1.amazonaws.com:9098", "us-east-1"},
        {"10.0.0.1:9098,boot-x.c1.kafka-serverless.eu-west-2.amazonaws.com:9098", "eu-west-2"},
        {"b-1.pins.abc.c3.kafka.cn-north-1.amazonaws.com.cn:9098", "cn-north-1"},
        {"b-1.pins.abc.c2.kafka.us-east-1.amazonaws.com", "us-east-1"},
        {"127.0.0.1:9092", ""},
        {"b-1.kafka.us-east-1.amazonaws.com.evil.example:9098", ""},
        {"b-1.notkafka.us-east-1.amazonaws.com:9098", ""},
        {"kafka.us-east-1.amazonaws.com:9098", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pinpipe_str region = pp_kafka_brokers_region(pp_str(rows[i].brokers));
        CHECK(pp_str_is(region, rows[i].region));
    }
}

static pinpipe_status settings_read(pp_kafka_iam_settings *out, const char *text, pinpipe_error *err) {
    pinpipe_kafka_config *config = config_of(text);
    *out = (pp_kafka_iam_settings){0};
    pinpipe_status status =
        pp_kafka_iam_settings_read(out, pp_str("b-1.p.a.c2.kafka.us-east-1.amazonaws.com:9098"), config, err);
    pinpipe_kafka_config_free(config);
    return status;
}

static void test_javas_settings(void) {
    static const char *const asking[] = {
        "sasl.mechanism=AWS_MSK_IAM",
        "sasl.mechanisms=AWS_MSK_IAM",
        JAAS ";",
        "sasl.mechanism=OAUTHBEARER\nsasl.login.callback.handler.class=software.amazon.msk.auth.iam."
        "IAMOAuthBearerLoginCallbackHandler",
    };
    pp_kafka_iam_settings settings = {0};
    pinpipe_error err = PINPIPE_ERROR_INIT;
    for (size_t i = 0; i < sizeof asking / sizeof asking[0]; i++) {
        CHECK_INT(settings_read(&settings, asking[i], &err), PINPIPE_OK);
        CHECK(settings.wanted && settings.provider && strcmp(settings.region, "us-east-1") == 0);
        pp_kafka_iam_settings_reset(&settings);
    }
    CHECK_INT(settings_read(&settings, "sasl.mechanism=PLAIN", &err), PINPIPE_OK);
    CHECK(!settings.wanted && !settings.provider);
    CHECK(!pp_kafka_iam_is_javas("sasl.mechanism", "OAUTHBEARER"));
    CHECK(!pp_kafka_iam_is_javas("sasl.jaas.config", "org.apache.kafka.common.security.plain.X required;"));
    CHECK(pp_kafka_iam_is_javas("sasl.client.callback.handler.class",
                                "software.amazon.msk.auth.iam.IAMClientCallbackHandler"));
}

/* The role is the last of the plan, behind the default chain's key. */
static void test_role(void) {
    pp_kafka_iam_settings settings = {0};
    pinpipe_error err = PINPIPE_ERROR_INIT;
    CHECK_INT(settings_read(&settings,
                            JAAS " awsRoleArn=\"arn:aws:iam::584739742957:role/pin-access\" "
                                 "awsRoleSessionName=reader awsDebugCreds=true;",
                            &err),
              PINPIPE_OK);
    CHECK(settings.wanted && settings.provider);
    pp_kafka_iam_settings_reset(&settings);
    CHECK_INT(settings_read(&settings, JAAS " awsRoleArn=\"x\" awsOther=1;", &err), PINPIPE_EINVAL);
    CHECK(strstr(err.message, "awsOther") != NULL);
    CHECK_INT(settings_read(&settings, JAAS " awsRoleArn=\"x\"", &err), PINPIPE_EINVAL);
    CHECK_INT(settings_read(&settings, JAAS " awsRoleArn=\"x", &err), PINPIPE_EINVAL);
    CHECK_INT(settings_read(&settings, JAAS " awsProfileName=\"none\";", &err), PINPIPE_EAUTH);
    CHECK(!settings.wanted && !settings.provider && !settings.region);
}

static void test_exclusions(void) {
    pinpipe_credentials_options parts = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    pinpipe_provider_options options = PINPIPE_PROVIDER_OPTIONS_INIT;
    pinpipe_kafka_iam_options iam = PINPIPE_KAFKA_IAM_OPTIONS_INIT;
    pinpipe_credentials *key = NULL;
    pinpipe_provider *provider = NULL;
    pp_kafka_iam_settings settings = {0};
    pinpipe_error err = PINPIPE_ERROR_INIT;
    parts.access_key_id = pp_str("AKIDEXAMPLE");
    parts.secret_access_key = pp_str(secret);
    CHECK_INT(pinpipe_credentials_new(&key, &parts, &err), PINPIPE_OK);
    options.credentials = key;
    options.role_arn = pp_str("arn:aws:iam::584739742957:role/pin-access");
    CHECK_INT(pinpipe_provider_new(&provider, &options, &err), PINPIPE_EINVAL);
    options.role_arn = (pinpipe_str){NULL, 0};
    CHECK_INT(pinpipe_provider_new(&provider, &options, &err), PINPIPE_OK);
    pinpipe_kafka_config *config = config_of(JAAS " awsRoleArn=\"x\";");
    iam.provider = provider;
    iam.expires_s = 59;
    CHECK_INT(pinpipe_kafka_config_iam_set(config, &iam, &err), PINPIPE_EINVAL);
    iam.expires_s = 60;
    CHECK_INT(pinpipe_kafka_config_iam_set(config, &iam, &err), PINPIPE_OK);
    CHECK_INT(pp_kafka_iam_settings_read(&settings, pp_str("h:1"), config, &err), PINPIPE_EINVAL);
    CHECK(strstr(err.message, "sasl.jaas.config") != NULL);
    pinpipe_kafka_config_free(config);
    config = config_of("");
    iam.region = pp_str("eu-west-2");
    CHECK_INT(pinpipe_kafka_config_iam_set(config, &iam, &err), PINPIPE_OK);
    pinpipe_provider_free(provider);
    pinpipe_credentials_free(key);
    CHECK_INT(pp_kafka_iam_settings_read(&settings, pp_str("h:1"), config, &err), PINPIPE_OK);
    CHECK(settings.expires_s == 60 && strcmp(settings.region, "eu-west-2") == 0);
    pp_kafka_iam_settings_reset(&settings);
    pinpipe_kafka_config_free(config);
}

#if PINPIPE_WITH_KAFKA
/* What the linked librdkafka lacks is refused with the version that has it. */
static void test_settings_of_newer_versions(void) {
    static const struct {
        const char *name, *version;
    } rows[] = {
#define PP_KAFKA_NEWER(setting_name, setting_version) {setting_name, setting_version},
#define PP_KAFKA_NEWER_VALUE(setting_name, setting_value, setting_version)
#include "kafka/newer.def"
#undef PP_KAFKA_NEWER
#undef PP_KAFKA_NEWER_VALUE
    };
    int lacking = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pinpipe_kafka_config *config = NULL;
        pinpipe_kafka_producer *producer = NULL;
        pinpipe_error err = PINPIPE_ERROR_INIT;
        char *rest = NULL;
        long major = strtol(rows[i].version, &rest, 10);
        CHECK(*rest == '.');
        long minor = strtol(rest + 1, NULL, 10);
        bool has = rd_kafka_version() >= (major << 24 | minor << 16);
        CHECK_INT(pinpipe_kafka_config_new(&config, &err), PINPIPE_OK);
        CHECK_INT(pinpipe_kafka_config_set(config, pp_str(rows[i].name), pp_str(""), &err), PINPIPE_OK);
        pinpipe_status status = pinpipe_kafka_producer_new(&producer, pp_str("127.0.0.1:1"), config, &err);
        CHECK(has || (status == PINPIPE_EINVAL && strstr(err.message, rows[i].version)));
        CHECK(!has || !strstr(err.message, "No such configuration property"));
        lacking += has ? 0 : 1;
        pinpipe_kafka_producer_free(producer);
        pinpipe_kafka_config_free(config);
    }
    printf("librdkafka %s lacks %d of %zu newer settings\n", rd_kafka_version_str(), lacking,
           sizeof rows / sizeof rows[0]);
}

/* A value that the linked librdkafka takes, and that would end the process later. */
static void test_values_of_newer_versions(void) {
    pinpipe_kafka_config *config = NULL;
    pinpipe_kafka_consumer *consumer = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_kafka_consumer_options options = PINPIPE_KAFKA_CONSUMER_OPTIONS_INIT;
    options.brokers = pp_str("127.0.0.1:1");
    options.topics = pp_str("t");
    options.group = pp_str("g");
    CHECK_INT(pinpipe_kafka_config_new(&config, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str("partition.assignment.strategy"),
                                       pp_str("cooperative-sticky"), &err),
              PINPIPE_OK);
    bool has = rd_kafka_version() >= 0x020a0100;
    pinpipe_status status = pinpipe_kafka_consumer_new(&consumer, &options, config, &err);
    CHECK_INT(status, has ? PINPIPE_OK : PINPIPE_EINVAL);
    CHECK(has || strstr(err.message, "'cooperative-sticky' needs librdkafka 2.10.1 or later"));
    pinpipe_kafka_consumer_free(consumer);
    pinpipe_kafka_config_free(config);
}
#endif

int main(void) {
    secret_add(secret);
    secret_search_begin();
    setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", secret, 1);
    setenv("AWS_CONFIG_FILE", "/nonexistent/config", 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials", 1);
    unsetenv("AWS_PROFILE");
    test_properties();
    test_properties_refused();
    test_broker_regions();
    test_javas_settings();
    test_role();
    test_exclusions();
#if PINPIPE_WITH_KAFKA
    test_settings_of_newer_versions();
    test_values_of_newer_versions();
#endif
    secret_search_end();
    return check_report();
}
