/* Turns recorded answers into an HTTP server on the loopback address, for tests that ask one.
 * Never listens elsewhere, and never answers what was not recorded: that is a failure of the test.
 * Rules: tests/README.md; RFC 9112, one request a connection. */
#ifndef PP_TESTS_LOOPBACK_H
#define PP_TESTS_LOOPBACK_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LOOPBACK_REQUEST_MAX 65536
#define LOOPBACK_HAS_MAX 8

/* What one request must be, and what it gets. Texts are borrowed. */
typedef struct loopback_answer {
    const char *line;                  /* "GET /path" at the request's beginning */
    const char *has[LOOPBACK_HAS_MAX]; /* texts that must be in it */
    const char *lacks;                 /* a text that must not be */
    const char *headers;               /* "Name: value\r\n" lines; NULL = none */
    const char *body;
    size_t body_len; /* of one that has NULs; 0 = it is a text */
    int status;
    int delay_ms; /* before the answer; -1 = there is none */
} loopback_answer;

typedef struct loopback {
    int listener, port;
    pthread_t thread;
    atomic_bool stop;
    const loopback_answer *answers;
    int count;
    bool endless; /* the last answer is given again and again */
    atomic_int connections, requests, wrong, done;
    char note[512]; /* the first request that was not as recorded */
} loopback;

static inline void loopback_pause(int ms) {
    struct timespec pause = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
}

static inline size_t loopback_read(int peer, char *text) {
    size_t len = 0, want = 0;
    while (len < LOOPBACK_REQUEST_MAX - 1) {
        ssize_t count = recv(peer, text + len, LOOPBACK_REQUEST_MAX - 1 - len, 0);
        if (count <= 0) {
            break;
        }
        len += (size_t)count;
        text[len] = '\0';
        const char *end = strstr(text, "\r\n\r\n");
        const char *told = strcasestr(text, "\r\nContent-Length:");
        if (end) {
            want = (size_t)(end - text) + 4 + (told && told < end ? strtoul(told + 17, NULL, 10) : 0);
        }
        if (end && len >= want) {
            break;
        }
    }
    return len;
}

static inline bool loopback_fits(const loopback_answer *answer, const char *text) {
    bool fits = strncmp(text, answer->line, strlen(answer->line)) == 0;
    for (int i = 0; i < LOOPBACK_HAS_MAX && answer->has[i]; i++) {
        fits = fits && strcasestr(text, answer->has[i]);
    }
    return fits && !(answer->lacks && strcasestr(text, answer->lacks));
}

static inline void loopback_serve(loopback *server, int peer, char *text) {
    if (loopback_read(peer, text) == 0) {
        return;
    }
    int index = atomic_fetch_add(&server->requests, 1);
    index = server->endless && index >= server->count ? server->count - 1 : index;
    const loopback_answer *answer = index < server->count ? &server->answers[index] : NULL;
    if (!answer || !loopback_fits(answer, text)) {
        if (atomic_fetch_add(&server->wrong, 1) == 0) {
            snprintf(server->note, sizeof server->note, "request %d: %.400s", index, text);
        }
        static const char refusal[] = "HTTP/1.1 418 wrong\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        send(peer, refusal, sizeof refusal - 1, MSG_NOSIGNAL);
        return;
    }
    if (answer->delay_ms < 0) {
        for (int waited = 0; waited < 5000 && !atomic_load(&server->stop); waited += 20) {
            struct pollfd gone = {.fd = peer, .events = POLLIN};
            if (poll(&gone, 1, 20) > 0) {
                break; /* the client gave up */
            }
        }
        return;
    }
    loopback_pause(answer->delay_ms);
    size_t len = answer->body_len ? answer->body_len : strlen(answer->body);
    snprintf(text, LOOPBACK_REQUEST_MAX,
             "HTTP/1.1 %d x\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n", answer->status, len,
             answer->headers ? answer->headers : "");
    send(peer, text, strlen(text), MSG_NOSIGNAL);
    send(peer, answer->body, len, MSG_NOSIGNAL);
}

static inline void *loopback_main(void *user) {
    loopback *server = user;
    char *text = malloc(LOOPBACK_REQUEST_MAX);
    while (text && !atomic_load(&server->stop)) {
        struct pollfd wait = {.fd = server->listener, .events = POLLIN};
        if (poll(&wait, 1, 20) <= 0) {
            continue;
        }
        int peer = accept(server->listener, NULL, NULL);
        if (peer >= 0) {
            atomic_fetch_add(&server->connections, 1);
            loopback_serve(server, peer, text);
            shutdown(peer, SHUT_WR);
            close(peer);
            atomic_fetch_add(&server->done, 1);
        }
    }
    free(text);
    return NULL;
}

/** Begins to listen; `server->answers` and `count` may be set before or, while nobody asks, later. */
static inline bool loopback_begin(loopback *server) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listener < 0 || bind(server->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(server->listener, 128) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&address, &size) != 0) {
        return false;
    }
    server->port = ntohs(address.sin_port);
    atomic_store(&server->stop, false);
    return pthread_create(&server->thread, NULL, loopback_main, server) == 0;
}

/** Waits until no connection is being served; then `answers` may be changed. */
static inline void loopback_idle(loopback *server) {
    while (atomic_load(&server->done) != atomic_load(&server->connections)) {
        loopback_pause(1);
    }
}

static inline void loopback_end(loopback *server) {
    atomic_store(&server->stop, true);
    pthread_join(server->thread, NULL);
    close(server->listener);
}

#endif
