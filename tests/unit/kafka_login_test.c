/* Turns keys of any life, clocks that are wrong and forks into the tokens that librdkafka is handed.
 * Never needs a broker: the hand-over itself is looked at; the broker that judges is tests/integration's.
 * Rules: docs/kafka.md, "MSK with IAM login"; reference/signing.md §9 (4). */
#include "check.h"

#if PINPIPE_WITH_KAFKA

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#include "base/buffer.h"
#include "c11_threads.h"
#include "io/clock.h"
#include "io/provider.h"
#include "pinpipe/kafka.h"
#include "secret_search.h"

#define ROUNDS 1000
#define ROTATIONS 100
#define HOUR_S 3600
#define PUSHED_MS 1000
#define TRIES 5
#define CLOCK_S 90

static const char secret[] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
static const char session[] = "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLWVhc3QtMSJ+/=";

/* ---- what librdkafka is handed ---- */

static struct {
    pthread_mutex_t lock;
    int64_t count, at_ms, until_ms;
    bool principal_moved;
    char principal[64];
    char url[4096];
} taken = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int digit_value(char digit) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *at = strchr(digits, digit);
    return at && digit ? (int)(at - digits) : 0;
}

static void url_take(const char *token) {
    uint32_t bits = 0;
    size_t len = 0;
    for (size_t i = 0; token[i]; i++) {
        bits = bits << 6 | (uint32_t)digit_value(token[i]);
        if (i % 4 && len + 1 < sizeof taken.url) {
            taken.url[len++] = (char)(bits >> (6 - 2 * (i % 4)));
        }
    }
    taken.url[len] = '\0';
}

/* In front of librdkafka's own, which gets it next. */
rd_kafka_resp_err_t rd_kafka_oauthbearer_set_token(rd_kafka_t *handle, const char *token, int64_t until_ms,
                                                   const char *principal, const char **extensions,
                                                   size_t extension_count, char *reason, size_t reason_size) {
    typedef rd_kafka_resp_err_t (*original)(rd_kafka_t *, const char *, int64_t, const char *, const char **,
                                            size_t, char *, size_t);
    original next = NULL;
    void *found = dlsym(RTLD_NEXT, "rd_kafka_oauthbearer_set_token");
    memcpy(&next, &found, sizeof next);
    rd_kafka_resp_err_t code =
        next(handle, token, until_ms, principal, extensions, extension_count, reason, reason_size);
    pthread_mutex_lock(&taken.lock);
    if (!code) {
        taken.principal_moved |= taken.count > 0 && strcmp(taken.principal, principal) != 0;
        snprintf(taken.principal, sizeof taken.principal, "%s", principal);
        url_take(token);
        taken.at_ms = pp_clock_monotonic_ms();
        taken.until_ms = until_ms;
        taken.count++;
    }
    pthread_mutex_unlock(&taken.lock);
    return code;
}

static int64_t taken_count(void) {
    pthread_mutex_lock(&taken.lock);
    int64_t count = taken.count;
    pthread_mutex_unlock(&taken.lock);
    return count;
}

static const char *parameter(const char *name) {
    const char *at = strstr(taken.url, name);
    return at ? at + strlen(name) : "";
}

/* Seconds since 1970 at which the signature's time is over. */
static int64_t token_end_s(int64_t *signed_s) {
    struct tm date = {0};
    CHECK(strptime(parameter("X-Amz-Date="), "%Y%m%dT%H%M%SZ", &date) != NULL);
    *signed_s = (int64_t)timegm(&date);
    return *signed_s + strtoll(parameter("X-Amz-Expires="), NULL, 10);
}

/* ---- keys of any life ---- */

typedef struct key_maker {
    _Atomic int64_t expires_s, made_count, made_at_ms;
    int64_t life_s; /* of a key; 0 = the expiry stands as it is */
} key_maker;

static pinpipe_status key_make(pinpipe_credentials **out, void *user, pinpipe_error *err) {
    key_maker *maker = user;
    pinpipe_credentials_options parts = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    parts.access_key_id = pp_str("ASIAIOSFODNN7EXAMPLE");
    parts.secret_access_key = pp_str(secret);
    parts.session_token = pp_str(session);
    parts.expires_s = maker->life_s ? pp_clock_wall_ms() / 1000 + maker->life_s : maker->expires_s;
    maker->made_count++;
    maker->made_at_ms = pp_clock_monotonic_ms();
    return pinpipe_credentials_new(out, &parts, err);
}

static pinpipe_provider *provider_of(key_maker *maker, int32_t refresh) {
    pinpipe_provider_options options = PINPIPE_PROVIDER_OPTIONS_INIT;
    pinpipe_provider *provider = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    options.callback = key_make;
    options.callback_user = maker;
    options.refresh = refresh;
    CHECK_INT(pinpipe_provider_new(&provider, &options, &err), PINPIPE_OK);
    return provider;
}

static pinpipe_kafka_producer *producer_of(pinpipe_provider *provider) {
    pinpipe_kafka_config *config = NULL;
    pinpipe_kafka_producer *producer = NULL;
    pinpipe_kafka_iam_options iam = PINPIPE_KAFKA_IAM_OPTIONS_INIT;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    iam.provider = provider;
    iam.region = pp_str("eu-west-2");
    CHECK_INT(pinpipe_kafka_config_new(&config, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_iam_set(config, &iam, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str("debug"), pp_str("security"), &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_producer_new(&producer, pp_str("127.0.0.1:1"), config, &err), PINPIPE_OK);
    pinpipe_kafka_config_free(config);
    return producer;
}

static void key_renew(pinpipe_provider *provider) {
    pinpipe_credentials *key = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    CHECK_INT(pinpipe_provider_get(&key, provider, 1000, &err), PINPIPE_OK);
    pp_provider_expire(provider, key);
    pinpipe_credentials_free(key);
    CHECK_INT(pinpipe_provider_get(&key, provider, 1000, &err), PINPIPE_OK);
    pinpipe_credentials_free(key);
}

/* The services' clock turns out to be `offset_s` ahead of this machine's. */
static void clock_tell(pinpipe_provider *provider, int64_t offset_s) {
    int64_t wall_ms = pp_clock_wall_ms();
    pp_skew_sample sample = {.date_s = wall_ms / 1000 + offset_s,
                             .wall_ms = wall_ms,
                             .monotonic_ms = pp_clock_monotonic_ms(),
                             .rtt_ms = 0,
                             .trusted = true};
    pp_skew_learn(pp_provider_skew(provider), &sample);
}

/* ---- what must hold ---- */

/* Keys of 1 s to 2 h, clocks up to 20 h wrong: the token ends with its key by the services' clock, and by
 * this machine's so does what librdkafka compares. */
static void test_no_token_outlives_its_key(unsigned seed) {
    key_maker maker = {.expires_s = pp_clock_wall_ms() / 1000 + HOUR_S};
    pinpipe_provider *provider = provider_of(&maker, PINPIPE_REFRESH_CALLER);
    pinpipe_kafka_producer *producer = producer_of(provider);
    int64_t shortest_s = INT64_MAX, longest_s = 0;
    srandom(seed);
    for (int i = 0; i < ROUNDS; i++) {
        int64_t offset_s = i % 3 ? random() % (40 * HOUR_S) - 20 * HOUR_S : 0, signed_s = 0;
        clock_tell(provider, offset_s);
        int64_t now_s = pinpipe_provider_time_s(provider), before = taken_count();
        int64_t life_s = 1 + (i % 2 ? random() % 90 : random() % (2 * HOUR_S));
        maker.expires_s = now_s + life_s;
        key_renew(provider);
        CHECK(taken_count() > before); /* behind the key, without a call of the client */
        pthread_mutex_lock(&taken.lock);
        int64_t end_s = token_end_s(&signed_s);
        int64_t here_s = pp_clock_wall_ms() / 1000 - pinpipe_provider_time_s(provider);
        CHECK(end_s > signed_s && end_s <= maker.expires_s);
        CHECK(taken.until_ms / 1000 <= maker.expires_s + here_s + 1);
        CHECK(signed_s >= now_s && signed_s <= now_s + 2);
        shortest_s = end_s - signed_s < shortest_s ? end_s - signed_s : shortest_s;
        longest_s = end_s - signed_s > longest_s ? end_s - signed_s : longest_s;
        pthread_mutex_unlock(&taken.lock);
    }
    CHECK(!taken.principal_moved);
    CHECK(longest_s <= 900);
    printf("%d keys of random life (seed %u): tokens of %lld to %lld s, none beyond its key\n", ROUNDS, seed,
           (long long)shortest_s, (long long)longest_s);
    pinpipe_kafka_producer_free(producer);
    pinpipe_provider_free(provider);
}

static void test_principal_is_stable(void) {
    key_maker maker = {.expires_s = pp_clock_wall_ms() / 1000 + HOUR_S};
    pinpipe_provider *provider = provider_of(&maker, PINPIPE_REFRESH_CALLER);
    pinpipe_kafka_producer *producer = producer_of(provider);
    int64_t before = taken_count();
    for (int i = 0; i < ROTATIONS; i++) {
        key_renew(provider);
    }
    CHECK(taken_count() >= before + ROTATIONS);
    CHECK(!taken.principal_moved && strcmp(taken.principal, "kafka-cluster") == 0);
    pinpipe_kafka_producer_free(producer);
    pinpipe_provider_free(provider);
}

/* The provider's own thread renews, and nobody calls the client or the provider. */
static void test_rotation_is_pushed(void) {
    key_maker maker = {.life_s = 4};
    pinpipe_provider *provider = provider_of(&maker, PINPIPE_REFRESH_THREAD);
    pinpipe_kafka_producer *producer = producer_of(provider);
    int64_t slowest_ms = 0;
    for (int64_t key = maker.made_count + 1, end_ms = pp_clock_monotonic_ms() + 20000; key < 4; key++) {
        while (maker.made_count < key && pp_clock_monotonic_ms() < end_ms) {
            pp_clock_sleep_ms(5);
        }
        CHECK(maker.made_count >= key);
        int64_t made_ms = maker.made_at_ms, at_ms = 0;
        while (at_ms < made_ms && pp_clock_monotonic_ms() < made_ms + PUSHED_MS) {
            pp_clock_sleep_ms(1);
            pthread_mutex_lock(&taken.lock);
            at_ms = taken.at_ms;
            pthread_mutex_unlock(&taken.lock);
        }
        CHECK(at_ms >= made_ms && at_ms - made_ms < PUSHED_MS);
        slowest_ms = at_ms - made_ms > slowest_ms ? at_ms - made_ms : slowest_ms;
    }
    printf("rotation: a new key's token is handed over within %lld ms\n", (long long)slowest_ms);
    pinpipe_kafka_producer_free(producer);
    pinpipe_provider_free(provider);
}

static void test_first_token(void) {
    key_maker maker = {.expires_s = pp_clock_wall_ms() / 1000 + HOUR_S};
    pinpipe_provider *provider = provider_of(&maker, PINPIPE_REFRESH_CALLER);
    pinpipe_credentials *warm = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    int64_t quickest_ms = INT64_MAX;
    CHECK_INT(pinpipe_provider_get(&warm, provider, 1000, &err), PINPIPE_OK);
    for (int i = 0; i < TRIES; i++) {
        int64_t begun_ms = pp_clock_monotonic_ms(), before = taken_count();
        pinpipe_kafka_producer *producer = producer_of(provider);
        CHECK(taken_count() > before); /* before anybody has the client, and so before any poll */
        pthread_mutex_lock(&taken.lock);
        int64_t took_ms = taken.at_ms - begun_ms;
        pthread_mutex_unlock(&taken.lock);
        quickest_ms = took_ms < quickest_ms ? took_ms : quickest_ms;
        pinpipe_kafka_producer_free(producer);
    }
    printf("first token: there when the client is, made in %lld ms (most of it TLS's certificates)\n",
           (long long)quickest_ms);
    pinpipe_credentials_free(warm);
    pinpipe_provider_free(provider);
}

/* A client that was made before anybody knew the time. */
static void test_a_clock_that_proves_wrong(void) {
    static const int64_t offsets_s[] = {2 * HOUR_S, -2 * HOUR_S, 0};
    key_maker maker = {.expires_s = pp_clock_wall_ms() / 1000 + 24 * HOUR_S};
    pinpipe_provider *provider = provider_of(&maker, PINPIPE_REFRESH_CALLER);
    pinpipe_kafka_producer *producer = producer_of(provider);
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pp_clock_sleep_ms(100); /* librdkafka's own first question is answered */
    for (size_t i = 0; i < sizeof offsets_s / sizeof offsets_s[0]; i++) {
        int64_t before = taken_count(), signed_s = 0;
        clock_tell(provider, offsets_s[i]);
        CHECK_INT(pinpipe_kafka_producer_poll(producer, &err), PINPIPE_OK);
        CHECK_INT(taken_count(), before + 1);
        CHECK_INT(pinpipe_kafka_producer_poll(producer, &err), PINPIPE_OK);
        CHECK_INT(taken_count(), before + 1);
        token_end_s(&signed_s);
        int64_t off_s = signed_s - (pp_clock_wall_ms() / 1000 + offsets_s[i]);
        CHECK(off_s >= -2 && off_s <= 2);
        CHECK(taken.until_ms > pp_clock_wall_ms() && taken.until_ms <= pp_clock_wall_ms() + 900000);
    }
    pinpipe_kafka_producer_free(producer);
    pinpipe_provider_free(provider);
}

/* The provider's thread, librdkafka's and the caller's all have tokens to hand over until the key has changed
 * three times, about a second each; the thread sanitizer looks on. */
static void test_three_threads_at_once(void) {
    key_maker maker = {.life_s = 2};
    pinpipe_provider *provider = provider_of(&maker, PINPIPE_REFRESH_THREAD);
    pinpipe_kafka_producer *producer = producer_of(provider);
    pinpipe_error err = PINPIPE_ERROR_INIT;
    int64_t before = taken_count(), calls = 0, end_ms = pp_clock_monotonic_ms() + 60000;
    for (; pp_clock_monotonic_ms() < end_ms && maker.made_count < 4; calls++) {
        pinpipe_credentials *key = NULL;
        clock_tell(provider, calls % 2 ? -CLOCK_S : 0); /* the caller signs anew */
        CHECK_INT(pinpipe_kafka_producer_poll(producer, &err), PINPIPE_OK);
        CHECK_INT(pinpipe_provider_get(&key, provider, 1000, &err),
                  PINPIPE_OK); /* the provider's thread wakes */
        pinpipe_credentials_free(key);
    }
    CHECK(maker.made_count >= 4);
    CHECK(taken_count() > before + calls / 2);
    pinpipe_kafka_producer_free(producer);
    pinpipe_provider_free(provider);
}

/* The child's keys are none of the parent's clients' business, and the other way round. */
static void test_fork(void) {
    key_maker maker = {.expires_s = pp_clock_wall_ms() / 1000 + HOUR_S};
    pinpipe_provider *provider = provider_of(&maker, PINPIPE_REFRESH_CALLER);
    pinpipe_kafka_producer *producer = producer_of(provider);
    pp_clock_sleep_ms(100);
    int64_t before = taken_count();
    int ended = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        key_renew(provider);
        pinpipe_kafka_producer_free(producer);
        _exit(taken_count() == before && check_failed == 0 ? 0 : 1);
    }
    CHECK(waitpid(child, &ended, 0) == child && WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
    key_renew(provider);
    CHECK_INT(taken_count(), before + 1);
    pinpipe_kafka_producer_free(producer);
    key_renew(provider); /* nobody is left to be told */
    CHECK_INT(taken_count(), before + 1);
    pinpipe_provider_free(provider);
}

int main(void) {
    const char *given = getenv("PINPIPE_LOGIN_SEED");
    setenv("AWS_CONFIG_FILE", "/nonexistent/config", 1);
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials", 1);
    unsetenv("AWS_PROFILE");
    secret_add(secret);
    secret_add(session);
    secret_search_begin();
    test_first_token();
    test_no_token_outlives_its_key(given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL));
    test_principal_is_stable();
    test_rotation_is_pushed();
    test_a_clock_that_proves_wrong();
    test_three_threads_at_once();
    test_fork();
    secret_search_end();
    return check_report();
}

#else

int main(void) {
    CHECK(1);
    return check_report();
}

#endif
