/* Turns many HTTP requests at once into answers by libcurl's multi interface and poll(2).
 * Never follows a redirect and never touches a connection of the parent in a forked child.
 * Rules: docs/s3.md, "Connections"; libcurl's manual pages, curl_multi_socket_action(3). */
#include "io/flight.h"

#if PINPIPE_WITH_S3

#include <assert.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "io/clock.h"
#include "io/transfer.h"

/* A handle with its connection's settings; `request` is what it sends now. */
typedef struct slot {
    pp_transfer transfer;
    pp_flight_request *request; /* NULL = free */
} slot;

struct pp_flight {
    CURLM *multi;
    pid_t owner;
    pp_transfer_settings settings;
    slot **slots;
    int32_t slot_count;
    struct pollfd *sockets; /* what libcurl waits for */
    size_t socket_count, socket_cap;
    int64_t timer_ms; /* monotonic; -1 = none */
    bool ended;       /* a request has, since the wait began */
    bool starved;     /* no memory for the list of sockets */
};

/* ---- what libcurl asks for ---- */

static int socket_watch(CURL *easy, curl_socket_t socket, int what, void *user, void *unused) {
    pp_flight *flight = user;
    size_t i = 0;
    (void)easy, (void)unused;
    while (i < flight->socket_count && flight->sockets[i].fd != socket) {
        i++;
    }
    if (what == CURL_POLL_REMOVE) {
        if (i < flight->socket_count) {
            flight->sockets[i] = flight->sockets[--flight->socket_count];
        }
        return 0;
    }
    if (i == flight->socket_cap) {
        size_t cap = flight->socket_cap ? 2 * flight->socket_cap : 16;
        struct pollfd *grown = pp_realloc(flight->sockets, cap * sizeof *grown);
        if (!grown) {
            flight->starved = true;
            return -1;
        }
        flight->sockets = grown;
        flight->socket_cap = cap;
    }
    flight->socket_count += i == flight->socket_count;
    short events = what == CURL_POLL_IN ? POLLIN : what == CURL_POLL_OUT ? POLLOUT : POLLIN | POLLOUT;
    flight->sockets[i] = (struct pollfd){.fd = socket, .events = events};
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

static pinpipe_status owner_check(const pp_flight *flight, pinpipe_error *err) {
    return flight->owner == getpid()
               ? PINPIPE_OK
               : pp_fail(err, PINPIPE_EFORK, "this client was made before a fork; make one in the child");
}

pinpipe_status pp_flight_start(pp_flight *flight, pp_flight_request *request, int64_t timeout_ms,
                               pinpipe_error *err) {
    assert(!request->under_way);
    int32_t index = 0;
    pinpipe_status status = owner_check(flight, err);
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
    flight->timer_ms = -1;
    return curl_multi_socket_action(flight->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

/* The list changes while libcurl is called: sockets are asked from its end, and each is called once. */
static CURLMcode sockets_serve(pp_flight *flight) {
    CURLMcode code = CURLM_OK;
    for (size_t i = flight->socket_count; code == CURLM_OK && i > 0; i--) {
        size_t at = i - 1;
        short seen = at < flight->socket_count ? flight->sockets[at].revents : 0;
        if (seen) {
            int running = 0;
            int what = (seen & (POLLIN | POLLHUP) ? CURL_CSELECT_IN : 0) |
                       (seen & POLLOUT ? CURL_CSELECT_OUT : 0) | (seen & POLLERR ? CURL_CSELECT_ERR : 0);
            flight->sockets[at].revents = 0;
            code = curl_multi_socket_action(flight->multi, flight->sockets[at].fd, what, &running);
        }
    }
    return code;
}

static pinpipe_status moved(const pp_flight *flight, CURLMcode code, pinpipe_error *err) {
    if (flight->starved || code == CURLM_OUT_OF_MEMORY) {
        return pp_fail_memory(err, "HTTP connections", flight->socket_cap * sizeof *flight->sockets);
    }
    return code == CURLM_OK
               ? PINPIPE_OK
               : pp_fail_service(err, PINPIPE_EFATAL, "http", (int32_t)code, "%s", curl_multi_strerror(code));
}

pinpipe_status pp_flight_wait(pp_flight *flight, int64_t wait_ms, pinpipe_error *err) {
    pinpipe_status status = owner_check(flight, err);
    if (status < 0) {
        return status;
    }
    pp_sigpipe held;
    int64_t end_ms = pp_clock_monotonic_ms() + wait_ms;
    flight->ended = false;
    pp_sigpipe_block(&held);
    for (bool late = false; status == PINPIPE_OK && !flight->ended && !late;) {
        status = moved(flight, timer_fire(flight), err);
        ended_take(flight);
        int64_t now_ms = pp_clock_monotonic_ms();
        int64_t until_ms = flight->timer_ms >= 0 && flight->timer_ms < end_ms ? flight->timer_ms : end_ms;
        int64_t pause_ms = flight->ended || until_ms <= now_ms ? 0 : until_ms - now_ms;
        late = now_ms >= end_ms;
        int ready =
            poll(flight->sockets, (nfds_t)flight->socket_count, pause_ms > 60000 ? 60000 : (int)pause_ms);
        if (status == PINPIPE_OK && ready > 0) {
            status = moved(flight, sockets_serve(flight), err);
            ended_take(flight);
        }
    }
    pp_sigpipe_restore(&held);
    return status == PINPIPE_OK && !flight->ended ? PINPIPE_AGAIN : status;
}

#endif
