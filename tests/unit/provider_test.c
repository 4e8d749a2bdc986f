/* Turns many threads, slow services and hostile URLs into checks of one provider.
 * Never asks anything but the loopback address; times are printed, and checked only where a wait would be a
 * fault. Rules: docs/credentials.md, "Renewal" and "Link-local safety"; issue 5. */
#include "check.h"

#if PINPIPE_WITH_S3

#include <sys/wait.h>

#include "io/process.h"
#include "machine.h"
#include "pinpipe/sign.h"
#include "secret_search.h"

#define THREADS 64
#define SLOW_MS 1500

/* ---- many threads ---- */

static void *key_once(void *user) {
    atomic_fetch_add(&good, key_is(user, "ASIAFIRST"));
    return NULL;
}

static void test_cold_start(void) {
    static const loopback_answer slow[] = {
        {.line = "GET /key ", .status = 200, .body = KEY_1, .delay_ms = 200}};
    loopback server;
    pthread_t threads[THREADS];
    pinpipe_provider *provider = provider_begin(&server, slow, 1);
    atomic_store(&good, 0);
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, key_once, provider) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK_INT(good, THREADS);
    CHECK_INT(server.requests, 1);
    printf("cold start: %d threads, %d fetch\n", THREADS, server.requests);
    pinpipe_provider_free(provider);
    loopback_end(&server);
}

/* The renewal takes a second and a half, and nobody notices. */
static void test_renewal_in_background(void) {
    static const loopback_answer answers[] = {
        {.line = "GET /key ", .status = 200, .body = KEY_1},
        {.line = "GET /key ", .status = 200, .body = KEY_2, .delay_ms = SLOW_MS}};
    loopback server;
    pthread_t threads[4];
    pinpipe_provider *provider = provider_begin(&server, answers, 2);
    CHECK(key_is(provider, "ASIAFIRST"));
    atomic_store(&good, 0);
    for (int i = 0; i < 4; i++) {
        CHECK(pthread_create(&threads[i], NULL, key_loop, provider) == 0);
    }
    loopback_pause(100);
    CHECK_INT(server.requests, 1);
    atomic_store(&wall_ms, INT64_C(1767225600000) + INT64_C(20800) * 1000); /* 13 minutes before expiry */
    for (int waited = 0; server.requests < 2 && waited < 5000; waited += 10) {
        loopback_pause(10);
    }
    int64_t before = atomic_load(&gets);
    atomic_store(&slowest_us, 0);
    loopback_pause(SLOW_MS / 8);
    int64_t during = atomic_load(&gets) - before;
    for (int waited = 0; !key_is(provider, "ASIASECOND") && waited < 5000; waited += 10) {
        loopback_pause(10);
    }
    atomic_store(&readers_stop, true);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK_INT(good, 0); /* failures */
    CHECK(during > 100);
    CHECK(atomic_load(&slowest_us) < SLOW_MS * 1000 / 2);
    CHECK_INT(server.requests, 2);
    CHECK(key_is(provider, "ASIASECOND"));
    printf("renewal: %lld keys taken during 250 ms of it, slowest %lld us\n", (long long)during,
           (long long)atomic_load(&slowest_us));
    pinpipe_provider_free(provider);
    loopback_end(&server);
}

/* ---- what a renewal costs those who sign ---- */

#define SIGNED_MAX 5000
#define SIGNED_MIN 100

static int64_t took_ns[SIGNED_MAX];

static int by_value(const void *a, const void *b) {
    const int64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The 99th percentile of taking a key and signing with it, as often as half of a slow fetch allows: a
 * sanitizer's build on a busy machine signs a thousand times in it, not five thousand. */
static int64_t sign_p99_ns(pinpipe_provider *provider) {
    pinpipe_sign_request request = PINPIPE_SIGN_REQUEST_INIT;
    pinpipe_sign_options options = PINPIPE_SIGN_OPTIONS_INIT;
    request.method = pp_str("GET");
    request.url = pp_str("https://h/key");
    options.service = pp_str("s3");
    options.region = pp_str("eu-west-1");
    int signed_count = 0;
    int64_t end_ns = now_ns() + (int64_t)SLOW_MS * 1000000 / 2;
    while (signed_count < SIGNED_MAX && (signed_count < SIGNED_MIN || now_ns() < end_ns)) {
        pinpipe_credentials *key = NULL;
        pinpipe_signature *signature = NULL;
        int64_t begun_ns = now_ns();
        bool taken = pinpipe_provider_get(&key, provider, 1000, NULL) == PINPIPE_OK;
        options.time_s = pinpipe_provider_time_s(provider);
        CHECK(taken && pinpipe_request_sign(&signature, &request, key, &options, NULL) == PINPIPE_OK);
        pinpipe_signature_free(signature);
        pinpipe_credentials_free(key);
        took_ns[signed_count++] = now_ns() - begun_ns;
    }
    qsort(took_ns, (size_t)signed_count, sizeof took_ns[0], by_value);
    return took_ns[signed_count * 99 / 100];
}

static void test_signing_during_renewal(void) {
    static const loopback_answer answers[] = {
        {.line = "GET /key ", .status = 200, .body = KEY_1},
        {.line = "GET /key ", .status = 200, .body = KEY_2, .delay_ms = SLOW_MS}};
    loopback server;
    pinpipe_provider *provider = provider_begin(&server, answers, 2);
    CHECK(key_is(provider, "ASIAFIRST"));
    int64_t quiet_ns = sign_p99_ns(provider);
    atomic_store(&wall_ms, INT64_C(1767225600000) + INT64_C(20800) * 1000);
    CHECK(key_is(provider, "ASIAFIRST")); /* wakes the thread */
    for (int waited = 0; server.requests < 2 && waited < 5000; waited += 10) {
        loopback_pause(10);
    }
    int64_t during_ns = sign_p99_ns(provider);
    CHECK(key_is(provider, "ASIAFIRST")); /* it was measured while the fetch was under way */
    printf("sign, 99th percentile: %lld ns quiet, %lld ns during renewal\n", (long long)quiet_ns,
           (long long)during_ns);
    pinpipe_provider_free(provider);
    loopback_end(&server);
}

/* Freeing does not wait for a service that never answers. */
static void test_free_while_fetching(void) {
    static const loopback_answer answers[] = {
        {.line = "GET /key ", .status = 200, .body = KEY_1},
        {.line = "GET /key ", .status = 200, .body = "", .delay_ms = -1}};
    loopback server;
    pinpipe_provider *provider = provider_begin(&server, answers, 2);
    CHECK(key_is(provider, "ASIAFIRST"));
    atomic_store(&wall_ms, INT64_C(1767225600000) + INT64_C(20800) * 1000);
    CHECK(key_is(provider, "ASIAFIRST")); /* wakes the thread */
    for (int waited = 0; server.requests < 2 && waited < 5000; waited += 10) {
        loopback_pause(10);
    }
    int64_t begun_us = now_us();
    pinpipe_provider_free(provider);
    CHECK(now_us() - begun_us < 2000000);
    loopback_end(&server);
}

/* ---- nobody there ---- */

/* Three times to make one, to fail first, and to fail again, in microseconds. */
typedef struct failure_times {
    int64_t made_us, first_us, next_us;
} failure_times;

static failure_times no_instance_once(void) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_provider *provider = NULL;
    pinpipe_credentials *key = NULL;
    failure_times times = {0};
    int64_t begun_us = now_us();
    CHECK_INT(pinpipe_provider_new(&provider, NULL, &err), PINPIPE_OK);
    times.made_us = now_us() - begun_us;
    CHECK_INT(pinpipe_provider_get(&key, provider, 0, &err), PINPIPE_EAUTH);
    times.first_us = now_us() - begun_us;
    begun_us = now_us();
    CHECK_INT(pinpipe_provider_get(&key, provider, 0, &err), PINPIPE_EAUTH);
    times.next_us = now_us() - begun_us;
    pinpipe_provider_free(provider);
    return times;
}

/* The best of three: the machine has other work too. */
static void test_no_instance(void) {
    static const loopback_answer silent[] = {{.line = "PUT ", .status = 200, .body = "", .delay_ms = -1}};
    loopback server = {.answers = silent, .count = 1, .endless = true};
    environment_begin();
    unsetenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    CHECK(loopback_begin(&server));
    snprintf(base, sizeof base, "http://127.0.0.1:%d", server.port);
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", base, 1);
    failure_times best = no_instance_once();
    for (int i = 0; i < 2; i++) {
        failure_times next = no_instance_once();
        best.made_us = next.made_us < best.made_us ? next.made_us : best.made_us;
        best.first_us = next.first_us < best.first_us ? next.first_us : best.first_us;
        best.next_us = next.next_us < best.next_us ? next.next_us : best.next_us;
    }
    CHECK(best.made_us < 5000);
    CHECK(best.first_us <= 1100000);
    CHECK(best.next_us < 10000);
    CHECK_INT(server.requests, 3); /* the second failures were remembered */
    printf("no instance: made in %lld us, first failure after %lld ms, next after %lld us\n",
           (long long)best.made_us, (long long)best.first_us / 1000, (long long)best.next_us);
    loopback_end(&server);
}

/* ---- hostile URLs ---- */

/* %d is the port of a listener on the loopback address, which must see nothing. */
static const char *const hostile[] = {
    "http://127.evil.com:%d/",
    "http://127.0.0.1.evil.com:%d/",
    "http://169.254.170.2.evil.com:%d/",
    "http://localhost.evil.com:%d/",
    "http://2130706433:%d/",
    "http://0x7f000001:%d/",
    "http://0x7f.0.0.1:%d/",
    "http://0177.0.0.1:%d/",
    "http://017700000001:%d/",
    "http://127.1:%d/",
    "http://127.0.1:%d/",
    "http://127.0.0.01:%d/",
    "http://127.0.0.1.:%d/",
    "http://127.0.0.256:%d/",
    "http://0:%d/",
    "http://0.0.0.0:%d/",
    "http://[::]:%d/",
    "http://[::ffff:127.0.0.1]:%d/",
    "http://[::ffff:7f00:1]:%d/",
    "http://[::127.0.0.1]:%d/",
    "http://[0:0:0:0:0:0:0:1]:%d/",
    "http://[::1%%25lo]:%d/",
    "http://[fe80::1]:%d/",
    "http://[fd00:ec2::254]:%d/",
    "http://169.254.169.254:%d/latest/meta-data/",
    "http://169.254.170.3:%d/",
    "http://2852039166:%d/",
    "http://user@127.0.0.1:%d/",
    "http://user:pass@localhost:%d/",
    "http://127.0.0.1:%d@evil.com/",
    "http://localhost%%00.evil.com:%d/",
    "http://localhost\t:%d/",
    "http://localhost\n:%d/",
    "http://\xe2\x93\x9b\xe2\x93\x9e:%d/",
    "http://127\343\200\2020\343\200\2020\343\200\2021:%d/",
    "http://example.com:%d/",
    "http://10.0.0.1:%d/",
    "http://192.168.0.1:%d/",
    "https://2130706433:%d/",
    "https://0x7f000001:%d/",
    "https://0177.0.0.1:%d/",
    "https://127.1:%d/",
    "https://0.0.0.0:%d/",
    "https://169.254.169.254:%d/",
    "https://[::ffff:127.0.0.1]:%d/",
    "https://[fd00:ec2::254]:%d/",
    "https://user@localhost:%d/",
    "https://224.0.0.1:%d/",
    "ftp://127.0.0.1:%d/",
    "file:///etc/passwd?%d",
    "gopher://127.0.0.1:%d/",
    "//127.0.0.1:%d/",
    "127.0.0.1:%d/",
    "http:/127.0.0.1:%d/",
    "http://:%d/",
    "http://127.0.0.1:%d/#@evil.com",
    "http://127.0.0.1:%d\\@evil.com/",
};

static const char *const hostile_imds[] = {
    "http://169.254.169.254.evil.com:%d",
    "http://2852039166:%d",
    "http://0xa9fea9fe:%d",
    "http://2130706433:%d",
    "http://127.1:%d",
    "http://0.0.0.0:%d",
    "http://[::ffff:127.0.0.1]:%d",
    "http://user@127.0.0.1:%d",
    "http://127.0.0.1:%d?x=y",
    "http://metadata.evil.com:%d",
    "http://localhost.evil.com:%d",
    "file:///tmp/%d",
};

static int refused_count(const char *variable, const char *const *urls, size_t count, int port) {
    int refused = 0;
    for (size_t i = 0; i < count; i++) {
        char url[256];
        pinpipe_error err = PINPIPE_ERROR_INIT;
        pinpipe_provider *provider = NULL;
        pinpipe_credentials *key = NULL;
        snprintf(url, sizeof url, urls[i], port);
        setenv(variable, url, 1);
        CHECK_INT(pinpipe_provider_new(&provider, NULL, &err), PINPIPE_OK);
        pinpipe_status status = pinpipe_provider_get(&key, provider, 3000, &err);
        if (status != PINPIPE_EAUTH || key) {
            fprintf(stderr, "%s: %s %s\n", url, pinpipe_status_name(status), err.message);
        }
        refused += status == PINPIPE_EAUTH && !key;
        pinpipe_provider_free(provider);
    }
    unsetenv(variable);
    return refused;
}

static void test_hostile(void) {
    static const loopback_answer answers[] = {{.line = "", .status = 200, .body = KEY_1}};
    const size_t container = sizeof hostile / sizeof hostile[0];
    const size_t imds = sizeof hostile_imds / sizeof hostile_imds[0];
    loopback server = {.answers = answers, .count = 1, .endless = true};
    environment_begin();
    unsetenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    CHECK(loopback_begin(&server));
    CHECK_INT(refused_count("AWS_CONTAINER_CREDENTIALS_FULL_URI", hostile, container, server.port),
              container);
    CHECK_INT(refused_count("AWS_EC2_METADATA_SERVICE_ENDPOINT", hostile_imds, imds, server.port), imds);
    CHECK_INT(server.connections, 0);
    printf("hostile URLs: %zu refused, %d connections\n", container + imds, server.connections);
    loopback_end(&server);
}

/* A name that is allowed, and an address that is not: the socket is refused. */
static void test_guard_at_connect(void) {
    static const loopback_answer answers[] = {{.line = "", .status = 200, .body = KEY_1}};
    static const pp_guard guards[] = {PP_GUARD_CONTAINER_TLS, PP_GUARD_IMDS};
    static const char *const urls[] = {"http://0.0.0.0:%d/", "http://[::ffff:127.0.0.1]:%d/"};
    loopback server = {.answers = answers, .count = 1, .endless = true};
    CHECK(loopback_begin(&server));
    for (size_t i = 0; i < 2; i++) {
        char url[64];
        pinpipe_error err = PINPIPE_ERROR_INIT;
        pp_http *http = NULL;
        pp_http_answer answer = {0};
        pp_http_options options = {.connect_timeout_ms = 1000, .guard = guards[i]};
        pp_http_request request = {.method = "GET", .url = url};
        snprintf(url, sizeof url, urls[i], server.port);
        CHECK_INT(pp_http_new(&http, &options, &err), PINPIPE_OK);
        CHECK_INT(pp_http_send(&answer, http, &request, 2000, &err), PINPIPE_EREFUSED);
        pp_http_answer_reset(&answer);
        pp_http_free(http);
    }
    CHECK_INT(server.connections, 0);
    loopback_end(&server);
}

/* A proxy that the environment names sees nothing of what is local. */
static void test_no_proxy(void) {
    static const loopback_answer none[] = {{.line = "", .status = 500, .body = ""}};
    static const loopback_answer answers[] = {{.line = "GET /key ", .status = 200, .body = KEY_1}};
    loopback proxy = {.answers = none, .count = 1, .endless = true};
    loopback server;
    char url[64];
    CHECK(loopback_begin(&proxy));
    snprintf(url, sizeof url, "http://127.0.0.1:%d", proxy.port);
    setenv("http_proxy", url, 1);
    setenv("ALL_PROXY", url, 1);
    pinpipe_provider *provider = provider_begin(&server, answers, 1);
    CHECK(key_is(provider, "ASIAFIRST"));
    CHECK_INT(proxy.connections, 0);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    pinpipe_provider_free(provider);
    loopback_end(&server);
    loopback_end(&proxy);
}

/* ---- processes ---- */

static void test_process(void) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_buf out = PINPIPE_BUF_INIT;
    pp_process_options options = {.out_max = 100, .timeout_ms = 300};
    int64_t begun_us = now_us();
    CHECK_INT(pp_process_run(&out, pp_str("/bin/sleep 30"), &options, &err), PINPIPE_ETIMEOUT);
    CHECK(now_us() - begun_us < 3000000);
    CHECK_INT(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left behind */
    CHECK_INT(pp_process_run(&out, pp_str("sh -c 'sleep 30 & sleep 30'"), &options, &err), PINPIPE_ETIMEOUT);
    options.timeout_ms = 5000;
    CHECK_INT(pp_process_run(&out, pp_str("echo 'a  b' \"c\\\"d\" e\\ f"), &options, &err), PINPIPE_OK);
    CHECK_TEXT(out.ptr, out.len, "a  b c\"d e f\n");
    CHECK_INT(pp_process_run(&out, pp_str("sh -c 'ls /proc/self/fd | wc -l; echo x >&2'"), &options, &err),
              PINPIPE_OK);
    CHECK(out.len && (out.ptr[0] == '4' || out.ptr[0] == '3')); /* 0, 1, 2 and that of ls itself */
    CHECK_INT(pp_process_run(&out, pp_str("yes"), &options, &err), PINPIPE_ELIMIT);
    atomic_bool stop;
    atomic_init(&stop, true);
    options.stop = &stop;
    CHECK_INT(pp_process_run(&out, pp_str("sleep 30"), &options, &err), PINPIPE_ETIMEOUT);
    pinpipe_buf_reset(&out);
}

int main(void) {
    secret_add(KEY_SECRET);
    secret_add(KEY_TOKEN);
    secret_search_begin();
    test_cold_start();
    test_renewal_in_background();
    test_signing_during_renewal();
    test_free_while_fetching();
    test_no_instance();
    test_hostile();
    test_guard_at_connect();
    test_no_proxy();
    test_process();
    secret_search_end();
    return check_report();
}
#else
int main(void) {
    CHECK(1);
    return check_report();
}
#endif
