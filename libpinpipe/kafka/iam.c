/* Turns a provider's keys into the tokens of one client, renewed without the client being used.
 * Never lets a token live longer than its key, and never calls what belongs to callers from another thread.
 * Rules: docs/kafka.md, "MSK with IAM login"; librdkafka rdkafka.h (OAUTHBEARER). */
#include "pinpipe/kafka.h"

#if PINPIPE_WITH_KAFKA

#include "kafka/iam.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "io/clock.h"
#include "io/provider.h"
#include "kafka/client.h"
#include "pinpipe/sign.h"

#define EXPIRES_S 900
#define MARGIN_S 60 /* a token ends that long before its key, or a tenth of the key's rest */
#define FIRST_MS 10000
#define RENEW_MS 2000
#define LOOK_MS 1000
#define DOUBT_MS 1000
#define VERSION_LOGS_IN_AGAIN 0x02020000

/* The same for every token: a broker refuses one that changes while a connection lasts. */
static const char principal[] = "kafka-cluster";
static const char renewal[] = "MSK IAM login: ";
/* What a broker says to a login on a living connection whose first attempt had no token; the next connection
 * has. */
static const rd_kafka_resp_err_t late_login = RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE;

struct pp_kafka_iam {
    pp_kafka_iam_settings settings; /* its provider is NULL once detached */
    rd_kafka_t *handle;
    pp_provider_watch watch;
    bool by_caller;
    int64_t look_at_ms;        /* monotonic; of the caller's thread */
    _Atomic int64_t until_ms;  /* end of the last token that librdkafka took, in ms since 1970; 0 = none */
    _Atomic int64_t offset_ms; /* the clock correction that it was signed with */
    _Atomic int64_t token_count;
    _Atomic int64_t doubt_until_ms; /* monotonic: refusals that are told until then are the former token's */
    pthread_mutex_t lock;           /* of the settings' provider where callers own it, and of all below */
    char identity[96];
    char failure[PP_KAFKA_TEXT_BYTES];
};

pinpipe_status pp_kafka_iam_new(pp_kafka_iam **out, pinpipe_str brokers, const pinpipe_kafka_config *config,
                                pinpipe_error *err) {
    pp_kafka_iam_settings settings = {0};
    *out = NULL;
    pinpipe_status status = pp_kafka_iam_settings_read(&settings, brokers, config, err);
    if (status < 0 || !settings.wanted) {
        return status;
    }
    pp_kafka_iam *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        pp_kafka_iam_settings_reset(&settings);
        return pp_fail_memory(err, "an IAM login", sizeof *made);
    }
    made->settings = settings;
    made->by_caller = pp_provider_is_by_caller(settings.provider);
    pthread_mutex_init(&made->lock, NULL);
    *out = made;
    return PINPIPE_OK;
}

void pp_kafka_iam_free(pp_kafka_iam *iam) {
    if (!iam) {
        return;
    }
    pp_kafka_iam_settings_reset(&iam->settings);
    pthread_mutex_destroy(&iam->lock);
    pp_free(iam);
}

void pp_kafka_iam_end(pp_kafka_iam *iam) {
    if (iam && iam->settings.provider) {
        pp_provider_watch_remove(iam->settings.provider, &iam->watch);
    }
}

void pp_kafka_iam_detach(pp_kafka_iam *iam) {
    if (!iam || !iam->by_caller) {
        return;
    }
    pp_kafka_iam_end(iam);
    pthread_mutex_lock(&iam->lock);
    pinpipe_provider *provider = iam->settings.provider;
    iam->settings.provider = NULL;
    pthread_mutex_unlock(&iam->lock);
    pinpipe_provider_free(provider);
}

/* ---- settings ---- */

pinpipe_status pp_kafka_iam_conf_check(const rd_kafka_conf_t *conf, pinpipe_error *err) {
    char protocol[64] = "", mechanisms[64] = "";
    size_t protocol_size = sizeof protocol, mechanisms_size = sizeof mechanisms;
    rd_kafka_conf_get(conf, "security.protocol", protocol, &protocol_size);
    rd_kafka_conf_get(conf, "sasl.mechanisms", mechanisms, &mechanisms_size);
    if (strncasecmp(protocol, "sasl_", 5) != 0) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "setting 'security.protocol': IAM login needs sasl_ssl, and it is %s", protocol);
    }
    if (strcmp(mechanisms, "OAUTHBEARER") != 0) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "setting 'sasl.mechanisms': IAM login needs OAUTHBEARER, and it is %s", mechanisms);
    }
    return PINPIPE_OK;
}

/* ---- tokens ---- */

/* How long a token of `key` may be used from now on. A key that is handed out after its expiry is an
 * instance's, which serves on until the services say otherwise. */
static int64_t life_s(const pp_kafka_iam *iam, const pinpipe_credentials *key, int64_t now_s) {
    int64_t life = iam->settings.expires_s ? iam->settings.expires_s : EXPIRES_S;
    int64_t expires_s = pinpipe_credentials_expires_s(key);
    int64_t left_s = expires_s - now_s;
    if (!expires_s) {
        return life;
    }
    if (left_s <= 0) {
        return PP_KAFKA_TOKEN_MIN_S;
    }
    left_s -= left_s / 10 < MARGIN_S ? left_s / 10 : MARGIN_S;
    return left_s < life ? left_s : life;
}

/* With the lock held: signs a token with `key` and hands it over. The signature has the services' time; what
 * librdkafka compares with this machine's clock has this machine's. */
static pinpipe_status token_push(pp_kafka_iam *iam, const pinpipe_credentials *key, pinpipe_error *err) {
    pinpipe_buf token = PINPIPE_BUF_INIT;
    pinpipe_msk_options options = PINPIPE_MSK_OPTIONS_INIT;
    pinpipe_str text = pinpipe_credentials_text(key);
    char reason[PP_KAFKA_TEXT_BYTES] = "";
    int64_t offset_ms = pp_skew_offset_ms(pp_provider_skew(iam->settings.provider));
    options.time_s = pinpipe_provider_time_s(iam->settings.provider);
    int64_t life = life_s(iam, key, options.time_s);
    int64_t until_ms = pp_clock_wall_ms() + life * 1000;
    options.region = pp_str(iam->settings.region);
    options.sign_host = pp_str(iam->settings.sign_host);
    options.expires_s = life < PP_KAFKA_TOKEN_MIN_S ? PP_KAFKA_TOKEN_MIN_S : life;
    pinpipe_status status = pinpipe_msk_token_sign(&token, NULL, key, &options, err);
    if (status == PINPIPE_OK && rd_kafka_oauthbearer_set_token(iam->handle, token.ptr, until_ms, principal,
                                                               NULL, 0, reason, sizeof reason)) {
        status = pp_fail_service(err, PINPIPE_EAUTH, "kafka", 0, "the token was not taken: %s", reason);
    }
    if (status == PINPIPE_OK) {
        atomic_store(&iam->until_ms, until_ms);
        atomic_store(&iam->offset_ms, offset_ms);
        atomic_fetch_add(&iam->token_count, 1);
        iam->failure[0] = '\0';
        snprintf(iam->identity, sizeof iam->identity, "%.*s", pp_quote_len(text.len),
                 text.ptr ? text.ptr : "");
    }
    pp_buf_reset_secret(&token);
    return status;
}

/* The newest key's token. Taken with the lock held, so that a newer one never comes before an older one. */
static pinpipe_status newest_push(pp_kafka_iam *iam, pinpipe_error *err) {
    pthread_mutex_lock(&iam->lock);
    pinpipe_credentials *key = iam->settings.provider ? pp_provider_peek(iam->settings.provider) : NULL;
    pinpipe_status status =
        key ? token_push(iam, key, err)
            : pp_fail(err, PINPIPE_EAUTH, "the key has expired, and it is renewed by calls only");
    pthread_mutex_unlock(&iam->lock);
    pinpipe_credentials_free(key);
    return status;
}

/* Fetches a key where there is none that lasts, and hands over its token. */
static pinpipe_status fetched_push(pp_kafka_iam *iam, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_credentials *key = NULL;
    pinpipe_status status = pinpipe_provider_get(&key, iam->settings.provider, timeout_ms, err);
    pinpipe_credentials_free(key);
    return status == PINPIPE_OK ? newest_push(iam, err) : status;
}

/* A token in the place of one that may have been refused: what is waiting to be told about that one is void.
 * A refusal of this one comes again with every new connection. */
static pinpipe_status replacement_push(pp_kafka_iam *iam, pinpipe_error *err) {
    pinpipe_status status = newest_push(iam, err);
    if (status == PINPIPE_OK) {
        atomic_store(&iam->doubt_until_ms, pp_clock_monotonic_ms() + DOUBT_MS);
    }
    return status;
}

static void failure_log(const pinpipe_error *cause) {
    pp_log(PP_LOG_WARNING, "kafka", "%s%s", renewal, cause->message);
}

/* On the thread that fetched a new key, and at once: the old one's token may be refused from now on. */
static void key_changed(void *user) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    if (replacement_push(user, &cause) < 0) {
        failure_log(&cause);
    }
}

/* On librdkafka's own thread, which asks again 10 s after a failure. */
static void token_renew(rd_kafka_t *handle, const char *unused, void *opaque) {
    pp_kafka_iam *iam = ((pp_kafka_client *)opaque)->iam;
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    char failure[PP_KAFKA_TEXT_BYTES] = "";
    (void)unused;
    pinpipe_status status = iam->by_caller ? newest_push(iam, &cause) : fetched_push(iam, RENEW_MS, &cause);
    if (status == PINPIPE_OK) {
        return;
    }
    snprintf(failure, sizeof failure, "%s%.230s", renewal, cause.message);
    pthread_mutex_lock(&iam->lock);
    memcpy(iam->failure, failure, sizeof failure);
    pthread_mutex_unlock(&iam->lock);
    failure_log(&cause);
    rd_kafka_oauthbearer_set_token_failure(handle, failure);
}

void pp_kafka_iam_conf_prepare(rd_kafka_conf_t *conf) {
    rd_kafka_conf_set_oauthbearer_token_refresh_cb(conf, token_renew);
    rd_kafka_conf_enable_sasl_queue(conf, 1);
}

pinpipe_status pp_kafka_iam_begin(pp_kafka_iam *iam, rd_kafka_t *handle, pinpipe_error *err) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    iam->handle = handle;
    iam->watch = (pp_provider_watch){.changed = key_changed, .user = iam};
    pp_provider_watch_add(iam->settings.provider, &iam->watch);
    pinpipe_status status = fetched_push(iam, FIRST_MS, &cause);
    if (status < 0) {
        return pp_fail_service(err, status, cause.service, cause.native_code, "%s%s", renewal, cause.message);
    }
    rd_kafka_error_t *error = rd_kafka_sasl_background_callbacks_enable(handle);
    if (error) {
        status = pp_fail_service(err, PINPIPE_EFATAL, "kafka", (int32_t)rd_kafka_error_code(error), "%s%s",
                                 renewal, rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
    }
    if (rd_kafka_version() < VERSION_LOGS_IN_AGAIN) {
        pp_log(PP_LOG_INFO, "kafka",
               "librdkafka %s connects anew when a login's session ends; 2.2 and later log in again",
               rd_kafka_version_str());
    }
    return status;
}

/* A clock that turned out to be wrong made the last token wrong too. */
static bool clock_moved(const pp_kafka_iam *iam) {
    int64_t offset_ms = pp_skew_offset_ms(pp_provider_skew(iam->settings.provider));
    int64_t moved_ms = offset_ms - atomic_load(&iam->offset_ms);
    return moved_ms > PP_SKEW_KEPT_MS || moved_ms < -PP_SKEW_KEPT_MS;
}

void pp_kafka_iam_visit(pp_kafka_iam *iam) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    if (!iam) {
        return;
    }
    bool due = clock_moved(iam);
    int64_t now_ms = iam->by_caller ? pp_clock_monotonic_ms() : 0;
    pinpipe_status status = PINPIPE_OK;
    if (now_ms && now_ms >= iam->look_at_ms) {
        pinpipe_credentials *key = NULL;
        iam->look_at_ms = now_ms + LOOK_MS;
        status = pinpipe_provider_get(&key, iam->settings.provider, FIRST_MS, &cause);
        pinpipe_credentials_free(key);
        due = due || atomic_load(&iam->until_ms) <= pp_clock_wall_ms();
    }
    if (status == PINPIPE_OK && due) {
        status = replacement_push(iam, &cause);
    }
    if (status < 0) {
        failure_log(&cause);
    }
}

int64_t pp_kafka_iam_token_count(const pp_kafka_iam *iam) {
    return iam ? atomic_load(&iam->token_count) : 0;
}

/* ---- errors ---- */

bool pp_kafka_iam_explain(char *out, size_t cap, pp_kafka_iam *iam, const char *reason) {
    assert(iam);
    pthread_mutex_lock(&iam->lock);
    bool valid = atomic_load(&iam->until_ms) > pp_clock_wall_ms();
    bool worth = !(valid && (strstr(reason, renewal) || strstr(reason, rd_kafka_err2str(late_login)))) &&
                 pp_clock_monotonic_ms() >= iam->doubt_until_ms;
    if (!valid && iam->failure[0]) {
        snprintf(out, cap, "%s", iam->failure);
    } else {
        snprintf(out, cap, "%.140s; signed for region '%.32s' with the key of %.64s", reason,
                 iam->settings.region, iam->identity);
    }
    pthread_mutex_unlock(&iam->lock);
    return worth;
}

#endif
