/* Turns settings into a librdkafka handle and keeps the reason why brokers cannot be reached.
 * Never prints: librdkafka's log lines go to the library's log.
 * Rules: docs/kafka.md, "Settings"; librdkafka INTRODUCTION.md ("Binding recommendations"). */
#include "pinpipe/kafka.h"

#if PINPIPE_WITH_KAFKA

#include "kafka/client.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "io/clock.h"
#include "pinpipe/version.h"

#define BROKERS_BYTES_MAX 4096

static const pp_kafka_default common_defaults[] = {
    {"client.id", "pinpipe"},
    {"client.software.name", "libpinpipe"},
    {"client.software.version", PINPIPE_VERSION},
    {"socket.nagle.disable", "true"},
    {"socket.connection.setup.timeout.ms", "10000"},
    {"reconnect.backoff.max.ms", "1000"},
    {"log.connection.close", "false"},
    {NULL, NULL},
};

/* "Too many connects" is what MSK says to clients that come back at once. */
static const pp_kafka_default iam_defaults[] = {
    {"security.protocol", "sasl_ssl"},
    {"sasl.mechanisms", "OAUTHBEARER"},
    {"reconnect.backoff.ms", "1000"},
    {NULL, NULL},
};

/* Whoever wants every line wants to see logins. */
static const pp_kafka_default trace_defaults[] = {{"debug", "security"}, {NULL, NULL}};

static void log_line(const rd_kafka_t *handle, int level, const char *facility, const char *text) {
    (void)handle;
    pp_log(level, "kafka", "%s: %s", facility, text);
}

/* The first cause stays: "all brokers are down" follows it and says less. */
static void error_event(rd_kafka_t *handle, int code, const char *reason, void *opaque) {
    pp_kafka_client *client = opaque;
    (void)handle;
    rd_kafka_resp_err_t trouble = (rd_kafka_resp_err_t)code;
    if (trouble == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && !client->down_since_ms) {
        client->down_since_ms = pp_clock_monotonic_ms();
    }
    char explained[PP_KAFKA_TEXT_BYTES] = "";
    if (trouble == RD_KAFKA_RESP_ERR__AUTHENTICATION && client->iam) {
        if (!pp_kafka_iam_explain(explained, sizeof explained, client->iam, reason)) {
            return;
        }
        reason = explained;
    }
    bool cause = trouble != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || !client->trouble;
    if (cause && !pp_kafka_client_refused(client)) {
        client->trouble = trouble;
        client->trouble_token = pp_kafka_iam_token_count(client->iam);
        snprintf(client->trouble_text, sizeof client->trouble_text, "%s", reason);
    }
}

/* The document becomes ours: 1 says so. */
static int statistics_event(rd_kafka_t *handle, char *json, size_t len, void *opaque) {
    pp_kafka_client *client = opaque;
    (void)len;
    rd_kafka_mem_free(handle, client->statistics);
    client->statistics = json;
    return 1;
}

/* "2.10.1" is 0x020a0100. */
static bool is_linked(const char *version) {
    unsigned parts[3] = {0};
    for (size_t i = 0; *version; version++) {
        if (*version == '.') {
            i++;
        } else {
            parts[i] = 10 * parts[i] + (unsigned)(*version - '0');
        }
    }
    return (unsigned)rd_kafka_version() >= (parts[0] << 24 | parts[1] << 16 | parts[2] << 8);
}

pinpipe_status pp_kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value,
                                 pinpipe_error *err) {
    const char *since = pp_kafka_setting_since(name, value);
    if (since && !is_linked(since)) {
        return pp_fail_service(err, PINPIPE_EINVAL, "kafka", 0,
                               "setting '%s': '%s' needs librdkafka %s or later, this is %s", name, value,
                               since, rd_kafka_version_str());
    }
    char reason[PP_KAFKA_TEXT_BYTES] = "";
    rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, name, value, reason, sizeof reason);
    if (result == RD_KAFKA_CONF_OK) {
        return PINPIPE_OK;
    }
    since = result == RD_KAFKA_CONF_UNKNOWN ? pp_kafka_setting_since(name, NULL) : NULL;
    if (since) {
        return pp_fail_service(err, PINPIPE_EINVAL, "kafka", 0,
                               "setting '%s': librdkafka %s and later have it, this is %s", name, since,
                               rd_kafka_version_str());
    }
    if (pp_kafka_setting_secret(name)) {
        return pp_fail_service(err, PINPIPE_EINVAL, "kafka", 0, "setting '%s': its value is not valid", name);
    }
    return pp_fail_service(err, PINPIPE_EINVAL, "kafka", 0, "setting '%s': %s (librdkafka %s)", name, reason,
                           rd_kafka_version_str());
}

static pinpipe_status defaults_set(rd_kafka_conf_t *conf, const pp_kafka_default *defaults,
                                   pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    for (; defaults->name && status == PINPIPE_OK; defaults++) {
        status = pp_kafka_conf_set(conf, defaults->name, defaults->value, err);
    }
    return status;
}

static pinpipe_status brokers_set(rd_kafka_conf_t *conf, pinpipe_str brokers, pinpipe_error *err) {
    if (brokers.len == 0) {
        return pp_fail(err, PINPIPE_EINVAL, "no Kafka brokers are named");
    }
    if (brokers.len > BROKERS_BYTES_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "the list of Kafka brokers has %zu bytes, the limit is %d",
                       brokers.len, BROKERS_BYTES_MAX);
    }
    char *text = pp_strndup(brokers.ptr, brokers.len);
    if (!text) {
        return pp_fail_memory(err, "the list of Kafka brokers", brokers.len);
    }
    pinpipe_status status = pp_kafka_conf_set(conf, "bootstrap.servers", text, err);
    pp_free(text);
    return status;
}

static pinpipe_status settings_set(rd_kafka_conf_t *conf, const pinpipe_kafka_config *config,
                                   const pp_kafka_iam *iam, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    for (int64_t i = 0; i < pp_kafka_config_count(config) && status == PINPIPE_OK; i++) {
        const char *name = pp_kafka_config_name_at(config, i), *value = pp_kafka_config_value_at(config, i);
        if (!iam || !pp_kafka_iam_is_javas(name, value)) {
            status = pp_kafka_conf_set(conf, name, value, err);
        }
    }
    return status == PINPIPE_OK && iam ? pp_kafka_iam_conf_check(conf, err) : status;
}

pinpipe_status pp_kafka_conf_new(rd_kafka_conf_t **out, pp_kafka_client *client, pinpipe_str brokers,
                                 const pp_kafka_default *defaults, const pinpipe_kafka_config *config,
                                 pinpipe_error *err) {
    *out = NULL;
    pinpipe_status status = pp_kafka_iam_new(&client->iam, brokers, config, err);
    if (status < 0) {
        return status;
    }
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    status = defaults_set(conf, common_defaults, err);
    if (status == PINPIPE_OK) {
        status = defaults_set(conf, defaults, err);
    }
    if (status == PINPIPE_OK && client->iam) {
        status = defaults_set(conf, iam_defaults, err);
    }
    if (status == PINPIPE_OK && pp_log_wants(PP_LOG_TRACE)) {
        status = defaults_set(conf, trace_defaults, err);
    }
    if (status == PINPIPE_OK) {
        status = settings_set(conf, config, client->iam, err);
    }
    if (status == PINPIPE_OK) {
        status = brokers_set(conf, brokers, err);
    }
    if (status < 0) {
        rd_kafka_conf_destroy(conf);
        return status;
    }
    *out = conf;
    return PINPIPE_OK;
}

pinpipe_status pp_kafka_client_open(pp_kafka_client *client, rd_kafka_type_t type, rd_kafka_conf_t *conf,
                                    pinpipe_error *err) {
    char reason[PP_KAFKA_TEXT_BYTES] = "";
    rd_kafka_conf_set_opaque(conf, client);
    rd_kafka_conf_set_log_cb(conf, log_line);
    rd_kafka_conf_set_error_cb(conf, error_event);
    rd_kafka_conf_set_stats_cb(conf, statistics_event);
    client->owner_pid = getpid();
    if (client->iam) {
        pp_kafka_iam_conf_prepare(conf);
    }
    client->handle = rd_kafka_new(type, conf, reason, sizeof reason);
    if (!client->handle) {
        rd_kafka_conf_destroy(conf);
        return pp_fail_service(err, PINPIPE_EINVAL, "kafka", 0, "settings do not fit together: %s", reason);
    }
    return client->iam ? pp_kafka_iam_begin(client->iam, client->handle, err) : PINPIPE_OK;
}

void pp_kafka_client_close(pp_kafka_client *client, int flags) {
    rd_kafka_mem_free(NULL, client->statistics);
    client->statistics = NULL;
    pp_kafka_iam_end(client->iam);
    if (client->handle) {
        rd_kafka_destroy_flags(client->handle, flags);
    }
    pp_kafka_iam_free(client->iam);
    client->handle = NULL;
    client->iam = NULL;
}

bool pp_kafka_client_owned(const pp_kafka_client *client) {
    return client->owner_pid == getpid();
}

pinpipe_status pp_kafka_client_check(const pp_kafka_client *client, pinpipe_error *err) {
    assert(client && client->handle);
    if (pp_kafka_client_owned(client)) {
        pp_kafka_iam_visit(client->iam);
        return PINPIPE_OK;
    }
    return pp_fail_service(err, PINPIPE_EFORK, "kafka", 0,
                           "the client was opened by process %ld and cannot be used in its child",
                           (long)client->owner_pid);
}

void pp_kafka_client_answered(pp_kafka_client *client) {
    client->trouble = RD_KAFKA_RESP_ERR_NO_ERROR;
    client->down_since_ms = 0;
}

bool pp_kafka_client_refused(const pp_kafka_client *client) {
    return client->trouble && pp_kafka_status(client->trouble) == PINPIPE_EAUTH &&
           client->trouble_token == pp_kafka_iam_token_count(client->iam);
}

pinpipe_status pp_kafka_client_fail(const pp_kafka_client *client, const char *waiting_for,
                                    pinpipe_error *err) {
    if (client->trouble) {
        return pp_kafka_fail(err, client->trouble, waiting_for, client->trouble_text);
    }
    return pp_fail_service(err, PINPIPE_ETIMEOUT, "kafka", (int32_t)RD_KAFKA_RESP_ERR__TIMED_OUT,
                           "%s: the deadline passed", waiting_for);
}

int64_t pp_kafka_deadline_ms(int64_t timeout_ms) {
    int64_t now_ms = pp_clock_monotonic_ms();
    int64_t wait_ms = timeout_ms < 0 ? 0 : timeout_ms;
    return wait_ms > INT64_MAX - now_ms ? INT64_MAX : now_ms + wait_ms;
}

int pp_kafka_wait_ms(int64_t deadline_ms, int64_t most_ms) {
    int64_t left_ms = deadline_ms - pp_clock_monotonic_ms();
    left_ms = left_ms < 0 ? 0 : left_ms;
    left_ms = left_ms > most_ms ? most_ms : left_ms;
    return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

#endif
