/* Turns many HTTP requests at once into answers by libcurl's multi interface and poll(2).
 * Never follows a redirect and never touches a connection of the parent in a forked child.
 * Rules: docs/s3.md, "Connections"; libcurl's manual pages, curl_multi_socket_action(3). */
#include "io/flight.h"

#if PINPIPE_WITH_S3

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "io/clock.h"
#include "io/tls.h"
#include "io/transfer.h"

/* Calls of one socket before the others get theirs. */
#define TURNS_MAX 64
/* While much of a body is to come, waking for less costs more than the bytes themselves … */
#define LOW_BYTES (256 << 10)
/* … but what a slow sender has sent does not wait longer than this. */
#define LOW_MS 5

/* A handle with its connection's settings; `request` is what it sends now. */
typedef struct slot {
    pp_transfer transfer;
    pp_flight_request *request; /* NULL = free */
} slot;

/* What is known of a socket beside its events. */
typedef struct watch {
    CURL *easy;
    int low_bytes; /* poll(2) is silent below: SO_RCVLOWAT */
} watch;

struct pp_flight {
    CURLM *multi;
    pid_t owner;
    pp_transfer_settings settings;
    slot **slots;
    int32_t slot_count;
    struct pollfd *sockets; /* what libcurl waits for */
    watch *watches;         /* of each socket */
    size_t socket_count, socket_cap;
    int64_t timer_ms;  /* monotonic; -1 = none */
    int64_t tls_reads; /* from the buffers of connections so far */
    bool ended;        /* a request has, since the wait began */
    bool hurried;      /* a connection may hold records that poll(2) does not know of */
    bool starved;      /* no memory for the list of sockets */
};

/* ---- what libcurl asks for ---- */

static void low_set(pp_flight *flight, size_t at, int low_bytes) {
    if (flight->watches[at].low_bytes != low_bytes &&
        setsockopt(flight->sockets[at].fd, SOL_SOCKET, SO_RCVLOWAT, &low_bytes, sizeof low_bytes) == 0) {
        flight->watches[at].low_bytes = low_bytes;
    }
}

static bool sockets_grow(pp_flight *flight) {
    size_t cap = flight->socket_cap ? 2 * flight->socket_cap : 16;
    struct pollfd *sockets = pp_realloc(flight->sockets, cap * sizeof *sockets);
    flight->sockets = sockets ? sockets : flight->sockets;
    watch *watches = sockets ? pp_realloc(flight->watches, cap * sizeof *watches) : NULL;
    flight->watches = watches ? watches : flight->watches;
    flight->socket_cap = watches ? cap : flight->socket_cap;
    flight->starved = flight->starved || !watches;
    return watches != NULL;
}

static size_t socket_find(const pp_flight *flight, curl_socket_t socket) {
    size_t at = 0;
    while (at < flight->socket_count && flight->sockets[at].fd != socket) {
        at++;
    }
    return at;
}

static int socket_watch(CURL *easy, curl_socket_t socket, int what, void *user, void *unused) {
    pp_flight *flight = user;
    size_t at = socket_find(flight, socket);
    (void)unused;
    if (what == CURL_POLL_REMOVE) {
        if (at < flight->socket_count) {
            low_set(flight, at, 1); /* the connection's next answer may be short */
            size_t last = --flight->socket_count;
            flight->sockets[at] = flight->sockets[last];
            flight->watches[at] = flight->watches[last];
        }
        return 0;
    }
    if (at == flight->socket_cap && !sockets_grow(flight)) {
        return -1;
    }
    short events = what == CURL_POLL_IN ? POLLIN : what == CURL_POLL_OUT ? POLLOUT : POLLIN | POLLOUT;
    bool is_new = at == flight->socket_count;
    flight->socket_count += is_new;
    flight->sockets[at] = (struct pollfd){.fd = socket, .events = events};
    flight->watches[at] = (watch){.easy = easy, .low_bytes = is_new ? 1 : flight->watches[at].low_bytes};
    return 0;
}

static int timer_set(CURLM *multi, long wait_ms, void *user) {
    pp_flight *flight = user;
    (void)multi;
    flight->timer_ms = wait_ms < 0 ? -1 : pp_clock_monotonic_ms() + wait_ms;
    return 0;
}

pinpipe_status pp_flight_new(pp_flight **out, const pp_http_options *options, pinpipe_error *err) {
    *out = NULL;
    pp_flight *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "an HTTP client", sizeof *made);
    }
    made->owner = getpid();
    made->timer_ms = -1;
    pinpipe_status status = pp_transfer_settings_set(&made->settings, options, err);
    made->settings.tls_reads = &made->tls_reads;
    made->multi = status == PINPIPE_OK ? curl_multi_init() : NULL;
    if (made->multi) {
        curl_multi_setopt(made->multi, CURLMOPT_SOCKETFUNCTION, socket_watch);
        curl_multi_setopt(made->multi, CURLMOPT_SOCKETDATA, made);
        curl_multi_setopt(made->multi, CURLMOPT_TIMERFUNCTION, timer_set);
        curl_multi_setopt(made->multi, CURLMOPT_TIMERDATA, made);
        curl_multi_setopt(made->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    } else if (status == PINPIPE_OK) {
        status = pp_fail_memory(err, "HTTP connections", 0);
    }
    if (status == PINPIPE_OK) {
        *out = made;
        made = NULL;
    }
    pp_flight_free(made);
    return status;
}

void pp_flight_free(pp_flight *flight) {
    if (!flight) {
        return;
    }
    bool own = flight->owner == getpid(); /* else the connections are the parent's, and stay whole */
    for (int32_t i = 0; i < flight->slot_count; i++) {
        assert(!own || !flight->slots[i]->request);
        if (own) {
            curl_easy_cleanup(flight->slots[i]->transfer.curl);
        }
        pp_free(flight->slots[i]);
    }
    if (own && flight->multi) {
        curl_multi_cleanup(flight->multi);
    }
    pp_transfer_settings_reset(&flight->settings);
    pp_free(flight->slots);
    pp_free(flight->sockets);
    pp_free(flight->watches);
    pp_free(flight);
}

/* ---- requests ---- */

static pinpipe_status slot_add(pp_flight *flight, pinpipe_error *err) {
    if (flight->slot_count == PP_FLIGHT_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "%d requests are under way", PP_FLIGHT_MAX);
    }
    slot **grown = pp_realloc(flight->slots, ((size_t)flight->slot_count + 1) * sizeof *grown);
    if (!grown) {
        return pp_fail_memory(err, "requests", ((size_t)flight->slot_count + 1) * sizeof *grown);
    }
    flight->slots = grown;
    slot *made = pp_alloc_zero(sizeof *made);
    CURL *curl = made ? curl_easy_init() : NULL;
    if (!curl) {
        pp_free(made);
        return pp_fail_memory(err, "a request", sizeof *made);
    }
    made->transfer.curl = curl;
    made->transfer.settings = &flight->settings;
    flight->slots[flight->slot_count++] = made;
    return PINPIPE_OK;
}

static pinpipe_status slot_find(int32_t *out, pp_flight *flight, pinpipe_error *err) {
    int32_t i = 0;
    while (i < flight->slot_count && flight->slots[i]->request) {
        i++;
    }
    *out = i;
    return i < flight->slot_count ? PINPIPE_OK : slot_add(flight, err);
}

pinpipe_status pp_flight_check(const pp_flight *flight, pinpipe_error *err) {
    return flight->owner == getpid()
               ? PINPIPE_OK
               : pp_fail(err, PINPIPE_EFORK, "this client was made before a fork; make one in the child");
}

pinpipe_status pp_flight_start(pp_flight *flight, pp_flight_request *request, int64_t timeout_ms,
                               pinpipe_error *err) {
    assert(!request->under_way);
    int32_t index = 0;
    pinpipe_status status = pp_flight_check(flight, err);
    if (status == PINPIPE_OK) {
        status = slot_find(&index, flight, err);
    }
    if (status < 0) {
        return status;
    }
    slot *taken = flight->slots[index];
    taken->transfer.request = &request->http;
    taken->transfer.answer = &request->answer;
    status = pp_transfer_begin(&taken->transfer, timeout_ms, err);
    if (status == PINPIPE_OK) {
        curl_easy_setopt(taken->transfer.curl, CURLOPT_PRIVATE, (char *)taken);
        CURLMcode code = curl_multi_add_handle(flight->multi, taken->transfer.curl);
        status = code == CURLM_OK ? PINPIPE_OK : pp_fail_memory(err, "a request under way", 0);
    }
    if (status < 0) {
        pp_transfer_drop(&taken->transfer);
        return status;
    }
    taken->request = request;
    request->slot = index;
    request->under_way = true;
    request->status = PINPIPE_OK;
    request->error = (pinpipe_error)PINPIPE_ERROR_INIT;
    return PINPIPE_OK;
}

static void slot_end(pp_flight *flight, slot *taken, CURLcode code) {
    pp_flight_request *request = taken->request;
    curl_multi_remove_handle(flight->multi, taken->transfer.curl);
    request->status = pp_transfer_end(&taken->transfer, code, &request->error);
    request->under_way = false;
    taken->request = NULL;
    flight->ended = true;
}

void pp_flight_stop(pp_flight *flight, pp_flight_request *request) {
    if (request->under_way && flight->owner == getpid()) {
        slot *taken = flight->slots[request->slot];
        curl_multi_remove_handle(flight->multi, taken->transfer.curl);
        pp_transfer_drop(&taken->transfer);
        taken->request = NULL;
        request->under_way = false;
    }
}

/* ---- moving ---- */

static void ended_take(pp_flight *flight) {
    int left = 0;
    for (CURLMsg *message = curl_multi_info_read(flight->multi, &left); message;
         message = curl_multi_info_read(flight->multi, &left)) {
        char *mark = NULL;
        CURLcode code = message->data.result;
        if (message->msg == CURLMSG_DONE &&
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &mark) == CURLE_OK) {
            slot_end(flight, (slot *)(void *)mark, code);
        }
    }
}

static CURLMcode timer_fire(pp_flight *flight) {
    int running = 0;
    if (flight->timer_ms < 0 || pp_clock_monotonic_ms() < flight->timer_ms) {
        return CURLM_OK;
    }
    int64_t before = flight->tls_reads;
    flight->timer_ms = -1;
    CURLMcode code = curl_multi_socket_action(flight->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    flight->hurried = flight->hurried || flight->tls_reads != before;
    return code;
}

/* libcurl takes a record of what a connection holds, and asks no more than its socket for the rest. A
 * call that takes nothing has met a socket without bytes: only then may poll(2) be asked again. */
static CURLMcode socket_serve(pp_flight *flight, curl_socket_t socket, int what) {
    CURLMcode code = CURLM_OK;
    int64_t before = -1;
    for (int32_t turn = 0; code == CURLM_OK && flight->tls_reads != before; turn++) {
        int running = 0;
        if (turn == TURNS_MAX) {
            flight->hurried = true;
            break;
        }
        before = flight->tls_reads;
        code = curl_multi_socket_action(flight->multi, socket, turn ? CURL_CSELECT_IN : what, &running);
    }
    return code;
}

/* Never asks poll(2) to wait for more than the answer still has. */
static void low_choose(pp_flight *flight, curl_socket_t socket) {
    size_t at = socket_find(flight, socket);
    char *mark = NULL;
    if (at < flight->socket_count &&
        curl_easy_getinfo(flight->watches[at].easy, CURLINFO_PRIVATE, &mark) == CURLE_OK && mark) {
        const pp_transfer *transfer = &((const slot *)(const void *)mark)->transfer;
        int64_t left = transfer->told_bytes - transfer->body_bytes;
        low_set(flight, at, left > LOW_BYTES + PP_TLS_BUFFER_BYTES ? LOW_BYTES : 1);
    }
}

/* The list changes while libcurl is called: sockets are asked from its end, and each is called once. */
static CURLMcode sockets_serve(pp_flight *flight, bool is_late) {
    CURLMcode code = CURLM_OK;
    bool is_hurried = flight->hurried;
    flight->hurried = false;
    for (size_t i = flight->socket_count; code == CURLM_OK && i > 0; i--) {
        size_t at = i - 1;
        short seen = at < flight->socket_count ? flight->sockets[at].revents : 0;
        if (at < flight->socket_count && (is_hurried || (is_late && flight->watches[at].low_bytes > 1))) {
            seen |= flight->sockets[at].events & POLLIN;
        }
        if (seen) {
            curl_socket_t socket = flight->sockets[at].fd;
            int what = (seen & (POLLIN | POLLHUP) ? CURL_CSELECT_IN : 0) |
                       (seen & POLLOUT ? CURL_CSELECT_OUT : 0) | (seen & POLLERR ? CURL_CSELECT_ERR : 0);
            flight->sockets[at].revents = 0;
            code = socket_serve(flight, socket, what);
            low_choose(flight, socket);
        }
    }
    return code;
}

static bool is_any_low(const pp_flight *flight) {
    size_t at = 0;
    while (at < flight->socket_count && flight->watches[at].low_bytes == 1) {
        at++;
    }
    return at < flight->socket_count;
}

static pinpipe_status moved(const pp_flight *flight, CURLMcode code, pinpipe_error *err) {
    if (flight->starved || code == CURLM_OUT_OF_MEMORY) {
        return pp_fail_memory(err, "HTTP connections", flight->socket_cap * sizeof *flight->sockets);
    }
    return code == CURLM_OK
               ? PINPIPE_OK
               : pp_fail_service(err, PINPIPE_EFATAL, "http", (int32_t)code, "%s", curl_multi_strerror(code));
}

/* poll(2) of libcurl's sockets and, behind them in the same list, of the owner's descriptors. */
static int sockets_poll(pp_flight *flight, pp_flight_others *others, int64_t pause_ms) {
    size_t count = flight->socket_count;
    for (int i = 0; i < others->count; i++) {
        if (count == flight->socket_cap && !sockets_grow(flight)) {
            return 0; /* the wait ends for want of memory */
        }
        flight->sockets[count++] = (struct pollfd){.fd = others->descriptors[i], .events = POLLIN};
    }
    int found = poll(flight->sockets, (nfds_t)count, (int)pause_ms);
    others->is_signalled = found < 0 && errno == EINTR;
    for (int i = 0; found > 0 && i < others->count; i++) {
        bool is_ready = flight->sockets[flight->socket_count + (size_t)i].revents != 0;
        others->ready |= is_ready ? 1u << i : 0;
        found -= is_ready;
    }
    return found;
}

pinpipe_status pp_flight_wait_with(pp_flight *flight, pp_flight_others *others, int64_t wait_ms,
                                   pinpipe_error *err) {
    pinpipe_status status = pp_flight_check(flight, err);
    if (status < 0) {
        return status;
    }
    pp_sigpipe held;
    int64_t end_ms = pp_clock_monotonic_ms() + wait_ms;
    flight->ended = others->is_signalled = false;
    others->ready = 0;
    pp_sigpipe_block(&held);
    for (bool is_over = false; status == PINPIPE_OK && !flight->ended && !is_over;) {
        status = moved(flight, timer_fire(flight), err);
        ended_take(flight);
        int64_t now_ms = pp_clock_monotonic_ms();
        int64_t until_ms = flight->timer_ms >= 0 && flight->timer_ms < end_ms ? flight->timer_ms : end_ms;
        bool is_at_once = status < 0 || flight->ended || flight->hurried || until_ms <= now_ms;
        bool is_low = is_any_low(flight);
        int64_t pause_ms = is_at_once ? 0 : until_ms - now_ms, most_ms = is_low ? LOW_MS : 60000;
        int ready = sockets_poll(flight, others, pause_ms < most_ms ? pause_ms : most_ms);
        bool is_late = is_low && ready == 0;
        is_over = now_ms >= end_ms || others->ready || (others->count && others->is_signalled);
        if (status == PINPIPE_OK && (ready > 0 || flight->hurried || is_late)) {
            status = moved(flight, sockets_serve(flight, is_late), err);
            ended_take(flight);
        }
    }
    pp_sigpipe_restore(&held);
    return status == PINPIPE_OK && !flight->ended ? PINPIPE_AGAIN : status;
}

pinpipe_status pp_flight_wait(pp_flight *flight, int64_t wait_ms, pinpipe_error *err) {
    pp_flight_others none = {0};
    return pp_flight_wait_with(flight, &none, wait_ms, err);
}

#endif
