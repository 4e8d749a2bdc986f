/* Turns a gateway before the embedded cluster, and raw bytes sent to it, into what its tests compare.
 * Never a client of HTTP: what is sent need not be a request.
 * Rules: docs/gateway.md; RFC 9112. */
#ifndef PP_TESTS_GATEWAY_CLIENT_H
#define PP_TESTS_GATEWAY_CLIENT_H

#include "pinpipe/gateway.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

#if PINPIPE_WITH_GATEWAY

#define ANSWER_MAX 65536
#define PATIENCE_MS 60000
#define BODY "{\"records\":[{\"value\":{\"n\":1}}]}"
#define HEAD "POST /test/topics/t HTTP/1.1\r\nHost: h\r\nContent-Type: application/vnd.kafka.json.v2+json\r\n"
#define REQUEST HEAD "Content-Length: 31\r\n\r\n" BODY
#define STORED_END ",\"error_code\":null,\"error\":null}],\"key_schema_id\":null,\"value_schema_id\":null}"

typedef struct server {
    pinpipe_kafka_mock *mock;
    pinpipe_gateway *gateway;
    pthread_t thread;
    atomic_bool is_ending, is_well;
    uint16_t port;
} server;

static inline void *serve(void *opaque) {
    server *at = opaque;
    while (!atomic_load(&at->is_ending) && pinpipe_gateway_poll(at->gateway, 1000, NULL) == PINPIPE_OK) {
    }
    atomic_store(&at->is_well, atomic_load(&at->is_ending));
    return NULL;
}

static inline void server_begin(server *at, const pinpipe_gateway_options *options, const char *linger_ms) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_gateway_options wish = *options;
    pinpipe_kafka_topic_options topic = PINPIPE_KAFKA_TOPIC_OPTIONS_INIT;
    topic.name = pinpipe_str_of("t");
    *at = (server){0};
    CHECK_INT(pinpipe_kafka_mock_new(&at->mock, 1, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_mock_topic_create(at->mock, &topic, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_kafka_config_new(&wish.settings, &err), PINPIPE_OK);
    CHECK_INT(
        pinpipe_kafka_config_set(wish.settings, pinpipe_str_of("linger.ms"), pinpipe_str_of(linger_ms), &err),
        PINPIPE_OK);
    wish.listen = pinpipe_str_of("127.0.0.1:0");
    wish.brokers = pinpipe_kafka_mock_brokers(at->mock);
    CHECK_INT(pinpipe_gateway_open(&at->gateway, &wish, &err), PINPIPE_OK);
    pinpipe_kafka_config_free(wish.settings);
    pinpipe_str address = pinpipe_gateway_address(at->gateway);
    at->port = (uint16_t)strtol((const char *)memchr(address.ptr, ':', address.len) + 1, NULL, 10);
    pthread_create(&at->thread, NULL, serve, at);
}

static inline void server_end(server *at) {
    atomic_store(&at->is_ending, true);
    pinpipe_gateway_stop(at->gateway);
    pthread_join(at->thread, NULL);
    CHECK(atomic_load(&at->is_well));
    CHECK_INT(pinpipe_gateway_drain(at->gateway, PATIENCE_MS, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_gateway_count(at->gateway, PINPIPE_GATEWAY_RECORDS),
              pinpipe_gateway_count(at->gateway, PINPIPE_GATEWAY_STORED) +
                  pinpipe_gateway_count(at->gateway, PINPIPE_GATEWAY_LOST));
    pinpipe_gateway_free(at->gateway);
    pinpipe_kafka_mock_free(at->mock);
}

static inline int client_open(const server *at) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(at->port)};
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    int peer = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, (socklen_t)sizeof patience);
    CHECK_INT(connect(peer, (const struct sockaddr *)&address, (socklen_t)sizeof address), 0);
    return peer;
}

static inline void client_send(int peer, const char *bytes) {
    size_t len = strlen(bytes);
    CHECK_INT(send(peer, bytes, len, MSG_NOSIGNAL), len);
}

/* Reads until `end` has come so many times, or the connection is over; returns how many times. */
static inline int client_read(char *out, int peer, const char *end, int times) {
    size_t len = 0;
    int seen = 0;
    for (ssize_t count = 1; count > 0 && seen < times && len < ANSWER_MAX - 1;) {
        count = recv(peer, out + len, ANSWER_MAX - 1 - len, 0);
        len += count > 0 ? (size_t)count : 0;
        out[len] = '\0';
        seen = 0;
        for (const char *at = strstr(out, end); at; at = strstr(at + 1, end)) {
            seen++;
        }
    }
    out[len] = '\0';
    return seen;
}

/* One request on a connection of its own, and the status of its answer; 0 = there was none. */
static inline int ask(const server *at, const char *request, const char *end) {
    char answer[ANSWER_MAX];
    int peer = client_open(at), status = 0;
    client_send(peer, request);
    if (client_read(answer, peer, end, 1) > 0) {
        status = (int)strtol(answer + sizeof "HTTP/1.1", NULL, 10);
    }
    close(peer);
    return status;
}

#endif

#endif
