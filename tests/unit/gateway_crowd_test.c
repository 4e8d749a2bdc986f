/* Turns ten thousand clients at once, and requests with broken bytes, into checks of what the gateway holds.
 * Never lets others wait for them, and never lets memory grow with their number of rounds.
 * Rules: docs/gateway.md, "Limits"; RFC 9112. */
#include "gateway_client.h"

#if PINPIPE_WITH_GATEWAY

#include <sys/resource.h>
#include <sys/wait.h>

#define CROWD 10000
#define SPARE_FILES 200
#define BROKEN 600
/* libmicrohttpd's memory of a connection is 32 KiB; ours is one struct, which has a topic's name. */
#define CONNECTION_BYTES_MAX (48 << 10)
/* What the allocator keeps, and librdkafka's buffers, are no growth. */
#define SLACK_BYTES (24 << 20)

/* The sanitizers keep what is freed, and shadows of it. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_MEMORY_OURS 0
#else
#define IS_MEMORY_OURS 1
#endif

static int64_t held_bytes(void) {
    char line[128] = "";
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file && fgets(line, sizeof line, file));
    if (file) {
        fclose(file);
    }
    const char *second = strchr(line, ' ');
    return second ? strtoll(second, NULL, 10) * sysconf(_SC_PAGESIZE) : 0;
}

/* Raises the limit of open files as far as it goes; how many connections one process can have. */
static int crowd_count(void) {
    struct rlimit limit = {CROWD + SPARE_FILES, CROWD + SPARE_FILES}, now = {0, 0};
    getrlimit(RLIMIT_NOFILE, &now);
    if (now.rlim_cur < limit.rlim_cur && setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        now.rlim_cur = now.rlim_max;
        setrlimit(RLIMIT_NOFILE, &now);
    }
    getrlimit(RLIMIT_NOFILE, &now);
    int count = now.rlim_cur < CROWD + SPARE_FILES ? (int)now.rlim_cur - SPARE_FILES : CROWD;
    printf("gateway_crowd_test: %d connections%s\n", count,
           count < CROWD ? ", which is what the limit of open files allows" : "");
    return count;
}

/* ---- the crowd, in a process of its own ---- */

typedef struct crowd {
    pid_t process;
    int to, from;
    int count;
} crowd;

static int number_read(int from) {
    int number = -1;
    return read(from, &number, sizeof number) == (ssize_t)sizeof number ? number : -1;
}

static void number_write(int to, int number) {
    CHECK_INT(write(to, &number, sizeof number), sizeof number);
}

/* Connects; sends half a head each; when told, the rest; says how many were answered 200. */
static void crowd_run(int from, int to, int count) {
    static int peers[CROWD];
    char answer[ANSWER_MAX];
    int answered = 0;
    const struct linger hard = {1, 0};
    const size_t half = sizeof HEAD / 2;
    server at = {.port = (uint16_t)number_read(from)};
    for (int i = 0; i < count; i++) {
        peers[i] = client_open(&at);
        CHECK_INT(send(peers[i], REQUEST, half, MSG_NOSIGNAL), half);
    }
    number_write(to, count);
    number_read(from);
    for (int i = 0; i < count; i++) {
        client_send(peers[i], REQUEST + half);
    }
    for (int i = 0; i < count; i++) {
        answered += client_read(answer, peers[i], STORED_END, 1);
        setsockopt(peers[i], SOL_SOCKET, SO_LINGER, &hard, (socklen_t)sizeof hard);
        close(peers[i]);
    }
    number_write(to, answered);
    _exit(check_failed ? 1 : 0);
}

/* Before there are threads. */
static crowd crowd_begin(int count) {
    int there[2] = {-1, -1}, back[2] = {-1, -1};
    CHECK(pipe(there) == 0 && pipe(back) == 0);
    crowd out = {.process = fork(), .to = there[1], .from = back[0], .count = count};
    if (out.process == 0) {
        crowd_run(there[0], back[1], count);
    }
    close(there[0]);
    close(back[1]);
    return out;
}

static void crowd_check(crowd *many) {
    server at;
    pinpipe_gateway_options options = PINPIPE_GATEWAY_OPTIONS_INIT;
    options.connections_max = many->count + SPARE_FILES / 2;
    server_begin(&at, &options, "1");
    CHECK_INT(ask(&at, REQUEST, STORED_END), 200);
    int64_t before = held_bytes();
    number_write(many->to, at.port);
    CHECK_INT(number_read(many->from), many->count);
    CHECK_INT(ask(&at, REQUEST, STORED_END), 200);
    int64_t held = held_bytes() - before;
    printf("gateway_crowd_test: %lld bytes a connection that is held\n", (long long)held / many->count);
    CHECK(!IS_MEMORY_OURS || held < (int64_t)many->count * CONNECTION_BYTES_MAX + SLACK_BYTES);
    number_write(many->to, 0);
    CHECK_INT(ask(&at, REQUEST, STORED_END), 200);
    CHECK_INT(number_read(many->from), many->count);
    int status = -1;
    waitpid(many->process, &status, 0);
    CHECK_INT(status, 0);
    server_end(&at);
}

/* ---- broken bytes ---- */

static uint64_t draw_next(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* A good request with some bytes changed, taken out or put in. */
static size_t request_break(char *out, size_t cap, uint64_t *state) {
    static const char *const whole[] = {REQUEST,
                                        HEAD "Transfer-Encoding: chunked\r\n\r\n1f\r\n" BODY "\r\n0\r\n\r\n",
                                        "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n"};
    const char *from = whole[draw_next(state) % 3];
    size_t len = strlen(from);
    memcpy(out, from, len);
    for (uint64_t i = 1 + draw_next(state) % 4; i > 0; i--) {
        size_t at = draw_next(state) % len;
        switch (draw_next(state) % 3) {
        case 0:
            out[at] = (char)draw_next(state);
            break;
        case 1:
            memmove(out + at, out + at + 1, --len - at);
            break;
        default:
            if (len < cap) {
                memmove(out + at + 1, out + at, len++ - at);
                out[at] = (char)draw_next(state);
            }
        }
    }
    return len;
}

/* Half-closed connections, many at once; what comes back is HTTP, or nothing, and an end; others are served.
 */
static void broken_round(const server *at, uint64_t *state, int count) {
    int peers[BROKEN];
    for (int i = 0; i < count; i++) {
        char bytes[1024];
        size_t len = request_break(bytes, sizeof bytes, state);
        peers[i] = client_open(at);
        CHECK_INT(send(peers[i], bytes, len, MSG_NOSIGNAL), len);
        shutdown(peers[i], SHUT_WR);
    }
    CHECK_INT(ask(at, REQUEST, STORED_END), 200);
    for (int i = 0; i < count; i++) {
        char answer[ANSWER_MAX] = "";
        client_read(answer, peers[i], "nothing ends it but its end", 1);
        CHECK(!answer[0] || strncmp(answer, "HTTP/1.", 7) == 0);
        CHECK_INT(recv(peers[i], answer, sizeof answer, 0), 0);
        close(peers[i]);
    }
}

static void broken_check(void) {
    server at;
    uint64_t state = 20261122;
    pinpipe_gateway_options options = PINPIPE_GATEWAY_OPTIONS_INIT;
    server_begin(&at, &options, "0");
    broken_round(&at, &state, BROKEN / 3);
    int64_t before = held_bytes();
    broken_round(&at, &state, BROKEN / 3 * 2);
    int64_t grown = held_bytes() - before;
    printf("gateway_crowd_test: %lld bytes more after %d broken requests\n", (long long)grown,
           BROKEN / 3 * 2);
    CHECK(!IS_MEMORY_OURS || grown < SLACK_BYTES);
    server_end(&at);
}

int main(void) {
    crowd many = crowd_begin(crowd_count());
    crowd_check(&many);
    broken_check();
    return check_report();
}

#else

int main(void) {
    return check_report();
}

#endif
