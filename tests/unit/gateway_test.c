/* Turns clients that are honest, broken or hostile into checks of the gateway before the embedded cluster.
 * Never waits for a fixed time before a check that must hold.
 * Rules: docs/gateway.md, "Limits"; RFC 9112. */
#include "gateway_client.h"

#include <time.h>

#include "c11_threads.h"

#if PINPIPE_WITH_GATEWAY

#ifdef __SANITIZE_THREAD__
/* librdkafka counts who uses a topic by atomics, which the sanitizer does not see; whoever is last destroys
 * the topic's lock. What is ours is seen: the server's thread, and the one that looks for topics. */
__attribute__((visibility("default"))) const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void) {
    return "race:pthread_rwlock_destroy\n";
}
#endif

static void honest_check(const server *at) {
    char answer[ANSWER_MAX];
    int peer = client_open(at);
    client_send(peer, REQUEST REQUEST REQUEST); /* pipelined */
    CHECK_INT(client_read(answer, peer, STORED_END, 3), 3);
    const char *first = strstr(answer, "\"offset\":"),
               *second = first ? strstr(first + 1, "\"offset\":") : NULL;
    CHECK(first && second && strtol(second + 9, NULL, 10) == strtol(first + 9, NULL, 10) + 1);
    client_send(peer, HEAD "Transfer-Encoding: chunked\r\n\r\n"
                           "a\r\n{\"records\"\r\n15\r\n:[{\"value\":{\"n\":1}}]}\r\n0\r\n\r\n");
    CHECK_INT(client_read(answer, peer, STORED_END, 1), 1);
    client_send(peer, HEAD "Expect: 100-continue\r\nContent-Length: 31\r\n\r\n");
    CHECK_INT(client_read(answer, peer, "100 Continue\r\n\r\n", 1), 1);
    client_send(peer, BODY);
    CHECK_INT(client_read(answer, peer, STORED_END, 1), 1);
    client_send(peer, REQUEST); /* and nothing more will come */
    shutdown(peer, SHUT_WR);
    CHECK_INT(client_read(answer, peer, STORED_END, 1), 1);
    close(peer);
}

static void framing_check(const server *at) {
    CHECK_INT(ask(at, HEAD "Content-Length: 31\r\nContent-Length: 3\r\n\r\n" BODY, "two ways\"}"), 400);
    CHECK_INT(ask(at, HEAD "Content-Length: 31\r\nTransfer-Encoding: chunked\r\n\r\n" BODY, "two ways\"}"),
              400);
    CHECK_INT(ask(at, HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n" BODY, "two ways\"}"), 400);
    CHECK_INT(ask(at, HEAD "Content-Length: 30000000\r\n\r\n", "at most 10485760 bytes\"}"), 413);
    CHECK_INT(ask(at, "POST /topics/t HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "\r\n"), 400); /* no Host */
}

/* Whoever sends a byte now and then is cut all the same, and nobody else waits for it. */
static void drip_check(const server *at, const char *begin) {
    const struct timespec pause = {0, 20000000};
    char answer[ANSWER_MAX];
    int peer = client_open(at), sent = 0;
    client_send(peer, begin);
    while (send(peer, "x", 1, MSG_NOSIGNAL) == 1 && sent < PATIENCE_MS / 20) {
        if (sent++ % 8 == 0) {
            CHECK_INT(ask(at, REQUEST, STORED_END), 200);
        }
        nanosleep(&pause, NULL);
    }
    CHECK(sent < PATIENCE_MS / 20);
    CHECK_INT(client_read(answer, peer, "HTTP/1.1 200", 1), 0);
    close(peer);
}

/* Clients that leave before their answer leave their records behind. */
static void hang_up_check(const server *at) {
    enum { COUNT = 40 };
    int peers[COUNT];
    for (int i = 0; i < COUNT; i++) {
        peers[i] = client_open(at);
        client_send(peers[i], REQUEST);
    }
    for (int i = 0; i < COUNT; i++) {
        const struct linger hard = {1, 0};
        setsockopt(peers[i], SOL_SOCKET, SO_LINGER, &hard, (socklen_t)sizeof hard);
        close(peers[i]);
    }
    CHECK_INT(ask(at, REQUEST, STORED_END), 200);
}

static void clients_check(void) {
    server at;
    pinpipe_gateway_options options = PINPIPE_GATEWAY_OPTIONS_INIT;
    server_begin(&at, &options, "0");
    honest_check(&at);
    framing_check(&at);
    server_end(&at);
    options.head_timeout_ms = options.body_timeout_ms = 300;
    server_begin(&at, &options, "50");
    hang_up_check(&at);
    drip_check(&at, "POST /topics/t HTTP/1.1\r\nHost: h\r\nA: ");
    drip_check(&at, HEAD "Content-Length: 100000\r\n\r\n");
    server_end(&at);
}

#define CONSUMERS "/consumers/g/instances/"
#define BODY_HEAD "Host: h\r\nContent-Type: application/vnd.kafka.v2+json\r\nContent-Length: "
#define TOPICS                                                                                               \
    "Host: h\r\nContent-Type: application/vnd.kafka.v2+json\r\nContent-Length: "                             \
    "16\r\n\r\n{\"topics\":[\"t\"]}"

/* Instances come, read, and go: by request, for want of use, with the gateway. */
static void consumers_check(void) {
    server at;
    pinpipe_gateway_options options = PINPIPE_GATEWAY_OPTIONS_INIT;
    options.consumer_timeout_ms = 500;
    server_begin(&at, &options, "0");
    const char *const names[] = {"a", "b", "c"};
    char request[512];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(request, sizeof request,
                 "POST /consumers/g HTTP/1.1\r\n" BODY_HEAD "12\r\n\r\n{\"name\":\"%s\"}", names[i]);
        CHECK_INT(ask(&at, request, "\"}"), 200);
        snprintf(request, sizeof request, "POST " CONSUMERS "%s/subscription HTTP/1.1\r\n" TOPICS, names[i]);
        CHECK_INT(ask(&at, request, "\r\n\r\n"), 204);
    }
    CHECK_INT(ask(&at, "GET " CONSUMERS "a/records?timeout=50 HTTP/1.1\r\nHost: h\r\n\r\n", "]"), 200);
    CHECK_INT(ask(&at, "DELETE " CONSUMERS "a HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\r\n"), 204);
    CHECK_INT(ask(&at, "DELETE " CONSUMERS "a HTTP/1.1\r\nHost: h\r\n\r\n", "not found.\"}"), 404);
    int peer = client_open(&at);
    client_send(peer, "GET " CONSUMERS "b/records?timeout=900 HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK_INT(ask(&at, REQUEST, STORED_END), 200);
    const struct timespec pause = {0, 50000000};
    for (bool is_there = true; is_there; nanosleep(&pause, NULL)) { /* whom nobody uses */
        snprintf(request, sizeof request,
                 "POST /consumers/g HTTP/1.1\r\n" BODY_HEAD "12\r\n\r\n{\"name\":\"c\"}");
        is_there = ask(&at, request, "\"}") == 409;
    }
    server_end(&at);
    close(peer);
}

/* What is under way when it ends has no answer that lies. */
static void end_check(void) {
    server at;
    char answer[ANSWER_MAX];
    pinpipe_gateway_options options = PINPIPE_GATEWAY_OPTIONS_INIT;
    server_begin(&at, &options, "500");
    int peer = client_open(&at);
    client_send(peer, REQUEST);
    const struct timespec pause = {0, 5000000};
    for (bool is_taken = false; !is_taken; nanosleep(&pause, NULL)) {
        is_taken = ask(&at, "GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
                       "gateway_records_total 1\n") == 200;
    }
    atomic_store(&at.is_ending, true);
    pinpipe_gateway_stop(at.gateway);
    pthread_join(at.thread, NULL);
    pinpipe_gateway_free(at.gateway); /* without a drain */
    CHECK_INT(client_read(answer, peer, "HTTP/1.1 200", 1), 0);
    close(peer);
    pinpipe_kafka_mock_free(at.mock);
}

static void options_check(void) {
    pinpipe_gateway *gateway = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_gateway_options options = PINPIPE_GATEWAY_OPTIONS_INIT;
    options.brokers = pinpipe_str_of("127.0.0.1:1");
    options.listen = pinpipe_str_of("nowhere");
    CHECK_INT(pinpipe_gateway_open(&gateway, &options, &err), PINPIPE_EINVAL);
    CHECK(strstr(err.message, "'nowhere'") && !gateway);
    options.listen = pinpipe_str_of("127.0.0.1:0");
    options.body_max_bytes = -1;
    CHECK_INT(pinpipe_gateway_open(&gateway, &options, &err), PINPIPE_EINVAL);
    CHECK(strstr(err.message, "body_max_bytes"));
    options.body_max_bytes = 0;
    options.failure = 7;
    CHECK_INT(pinpipe_gateway_open(&gateway, &options, &err), PINPIPE_EINVAL);
    options.struct_size = 4;
    CHECK_INT(pinpipe_gateway_open(&gateway, &options, &err), PINPIPE_EINVAL);
    pinpipe_gateway_free(NULL);
    CHECK(!pinpipe_gateway_counter_name(PINPIPE_GATEWAY_COUNTER_COUNT));
}

int main(void) {
    options_check();
    clients_check();
    consumers_check();
    end_check();
    return check_report();
}

#else

int main(void) {
    pinpipe_gateway *gateway = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_gateway_options options = PINPIPE_GATEWAY_OPTIONS_INIT;
    CHECK_INT(pinpipe_gateway_open(&gateway, &options, &err), PINPIPE_ENOTSUP);
    CHECK(!gateway && strstr(err.message, "PINPIPE_WITH_GATEWAY"));
    CHECK_INT(pinpipe_gateway_poll(NULL, 0, &err), PINPIPE_ENOTSUP);
    CHECK_INT(pinpipe_gateway_drain(NULL, 0, &err), PINPIPE_ENOTSUP);
    CHECK_INT(pinpipe_gateway_count(NULL, 0), 0);
    pinpipe_gateway_stop(NULL);
    pinpipe_gateway_free(NULL);
    return check_report();
}

#endif
