/* Turns descriptors into "which of them has something", and an address into a socket that listens.
 * Never waits without an end.
 * Rules: POSIX poll, listen, shutdown; Linux eventfd(2). */
#include "io/ready.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"

#define DESCRIPTORS_MAX 8
#define WAIT_MAX_MS 3600000
#define HOST_BYTES 256
#define PORT_BYTES 8
/* Connections that wait to be taken; the system has a limit of its own. */
#define BACKLOG 4096

pinpipe_status pp_wake_open(int *out, pinpipe_error *err) {
    *out = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return *out >= 0 ? PINPIPE_OK : pp_fail(err, PINPIPE_ENOMEM, "the system gives no descriptor to wake by");
}

void pp_wake_put(int wake) {
    const uint64_t one = 1;
    ssize_t done = write(wake, &one, sizeof one); /* full is awake as well */
    (void)done;
}

void pp_wake_clear(int wake) {
    uint64_t count = 0;
    ssize_t done = read(wake, &count, sizeof count);
    (void)done;
}

int pp_descriptor_copy(int number) {
    return fcntl(number, F_DUPFD_CLOEXEC, 0);
}

void pp_descriptor_close(int number) {
    if (number >= 0) {
        close(number);
    }
}

bool pp_ready_wait(uint32_t *ready, const int *descriptors, int count, int64_t timeout_ms) {
    struct pollfd polled[DESCRIPTORS_MAX];
    *ready = 0;
    for (int i = 0; i < count; i++) {
        polled[i] = (struct pollfd){.fd = descriptors[i], .events = POLLIN};
    }
    timeout_ms = timeout_ms > WAIT_MAX_MS ? WAIT_MAX_MS : timeout_ms;
    int found = poll(polled, (nfds_t)count, timeout_ms > 0 ? (int)timeout_ms : 0);
    for (int i = 0; found > 0 && i < count; i++) {
        *ready |= polled[i].revents ? 1u << i : 0;
    }
    return found >= 0 || errno != EINTR;
}

/* "host:port" and "[v6]:port" into NUL-terminated parts. */
static bool address_split(char *host, char *port, pinpipe_str listen) {
    const char *colon = listen.len ? memrchr(listen.ptr, ':', listen.len) : NULL;
    if (!colon) {
        return false;
    }
    pinpipe_str name = {listen.ptr, (size_t)(colon - listen.ptr)};
    pinpipe_str number = {colon + 1, listen.len - name.len - 1};
    if (name.len >= 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']') {
        name = (pinpipe_str){name.ptr + 1, name.len - 2};
    }
    if (!name.len || name.len >= HOST_BYTES || !number.len || number.len >= PORT_BYTES) {
        return false;
    }
    memcpy(host, name.ptr, name.len);
    host[name.len] = '\0';
    memcpy(port, number.ptr, number.len);
    port[number.len] = '\0';
    return strspn(port, "0123456789") == number.len;
}

static int socket_listen(const struct addrinfo *address) {
    const int yes = 1;
    int number = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool is_open = number >= 0 &&
                   setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &yes, (socklen_t)sizeof yes) == 0 &&
                   setsockopt(number, SOL_SOCKET, SO_REUSEPORT, &yes, (socklen_t)sizeof yes) == 0 &&
                   bind(number, address->ai_addr, address->ai_addrlen) == 0 && listen(number, BACKLOG) == 0;
    if (!is_open) {
        int cause = errno;
        pp_descriptor_close(number);
        errno = cause;
        return -1;
    }
    return number;
}

static pinpipe_status name_write(pinpipe_buf *out, int number, pinpipe_error *err) {
    struct sockaddr_storage bound = {0};
    socklen_t len = (socklen_t)sizeof bound;
    char host[HOST_BYTES], port[PORT_BYTES];
    pp_buf_clear(out);
    if (getsockname(number, (struct sockaddr *)&bound, &len) != 0 ||
        getnameinfo((struct sockaddr *)&bound, len, host, (socklen_t)sizeof host, port,
                    (socklen_t)sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return pp_fail(err, PINPIPE_EIO, "the system does not tell the address that is listened on");
    }
    return pp_buf_printf(out, err, bound.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

pinpipe_status pp_listen_open(int *out, pinpipe_buf *address, pinpipe_str listen, pinpipe_error *err) {
    char host[HOST_BYTES], port[PORT_BYTES];
    struct addrinfo *found = NULL;
    const struct addrinfo wish = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    *out = -1;
    if (!address_split(host, port, listen) || getaddrinfo(host, port, &wish, &found) != 0) {
        return pp_fail(err, PINPIPE_EINVAL, "'%.*s' is no address to listen on: host:port is wanted",
                       pp_quote_len(listen.len), listen.ptr ? listen.ptr : "");
    }
    int number = socket_listen(found);
    int cause = errno;
    freeaddrinfo(found);
    if (number < 0) {
        return pp_fail_service(err, cause == EADDRINUSE ? PINPIPE_ECONFLICT : PINPIPE_EIO, "", cause,
                               "cannot listen on %s:%s: %s", host, port,
                               cause == EADDRINUSE ? "another program does" : "the system refuses");
    }
    pinpipe_status status = name_write(address, number, err);
    if (status < 0) {
        pp_descriptor_close(number);
        return status;
    }
    *out = number;
    return PINPIPE_OK;
}

pp_connection_view pp_connection_look(int number) {
    char byte = 0;
    ssize_t count = recv(number, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    bool is_quiet = count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
    return is_quiet ? PP_CONNECTION_QUIET : count > 0 ? PP_CONNECTION_READABLE : PP_CONNECTION_ENDED;
}

void pp_connection_cut(int number) {
    shutdown(number, SHUT_RDWR);
}
