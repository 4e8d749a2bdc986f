/* Turns a loopback server, a clock of its own and an environment of its own into one provider, for tests.
 * Never asks anything but the loopback address.
 * Rules: tests/README.md. */
#ifndef PP_TESTS_MACHINE_H
#define PP_TESTS_MACHINE_H

#include "base/buffer.h"
#include "check.h"
#include "io/provider.h"
#include "loopback.h"

#define KEY_SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define KEY_TOKEN "AQoDYXdzEPTexampleTokenOfTwoHundredBytes0123456789"
#define KEY_TEXT(id, expiration)                                                                             \
    "{\"AccessKeyId\":\"" id "\",\"SecretAccessKey\":\"" KEY_SECRET "\",\"Token\":\"" KEY_TOKEN              \
    "\",\"Expiration\":\"" expiration "\"}"
#define KEY_1 KEY_TEXT("ASIAFIRST", "2026-01-01T06:00:00Z")
#define KEY_2 KEY_TEXT("ASIASECOND", "2026-01-01T12:00:00Z")

static _Atomic int64_t wall_ms;
static char base[64];

static inline int64_t wall_now(void *user) {
    (void)user;
    return atomic_load(&wall_ms);
}

static inline void environment_begin(void) {
    for (int id = 0; id < PP_ENV_COUNT; id++) {
        unsetenv(pp_environment_name((pp_environment_id)id));
    }
    setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/key", 1);
    atomic_store(&wall_ms, INT64_C(1767225600000));
}

static inline pinpipe_provider *provider_begin(loopback *server, const loopback_answer *answers, int count) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_provider *provider = NULL;
    environment_begin();
    *server = (loopback){.answers = answers, .count = count, .endless = true};
    CHECK(loopback_begin(server));
    snprintf(base, sizeof base, "http://127.0.0.1:%d", server->port);
    pp_fetch_tuning tuning = {.container_base = base, .wall_ms = wall_now};
    CHECK_INT(pp_provider_new(&provider, NULL, &tuning, &err), PINPIPE_OK);
    return provider;
}

static inline bool key_is(pinpipe_provider *provider, const char *key_id) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_credentials *key = NULL;
    pinpipe_status status = pinpipe_provider_get(&key, provider, 10000, &err);
    bool same = status == PINPIPE_OK && pp_str_is(pinpipe_credentials_key_id(key), key_id);
    pinpipe_credentials_free(key);
    return same;
}

static inline int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static atomic_int good;
static atomic_bool readers_stop;
static _Atomic int64_t gets, slowest_us;

/** Takes keys until `readers_stop`; counts them, the failures and the slowest. */
static inline void *key_loop(void *user) {
    while (!atomic_load(&readers_stop)) {
        int64_t begun_us = now_us();
        pinpipe_credentials *key = NULL;
        atomic_fetch_add(&good, pinpipe_provider_get(&key, user, 10000, NULL) != PINPIPE_OK);
        pinpipe_credentials_free(key);
        int64_t took_us = now_us() - begun_us, most = atomic_load(&slowest_us);
        while (took_us > most && !atomic_compare_exchange_weak(&slowest_us, &most, took_us)) {
        }
        atomic_fetch_add(&gets, 1);
    }
    return NULL;
}

#endif
