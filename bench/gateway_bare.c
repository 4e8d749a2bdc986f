/* Turns POST requests into the answer that kafka-rest gives for one record, and into nothing else: what the
 * HTTP library itself costs. Never looks at the body. Rules: bench/gateway.py; the daemon's options are those
 * of libpinpipe/gateway/server.c. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

#define CONNECTION_MEMORY ((size_t)32 << 10)
#define CONNECTIONS 1000u

static char answer[] =
    "{\"offsets\":[{\"partition\":0,\"offset\":123456,\"error_code\":null,\"error\":null}],"
    "\"key_schema_id\":null,\"value_schema_id\":null}";

static enum MHD_Result handle(void *user, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **context) {
    static int seen;
    (void)user, (void)url, (void)method, (void)version, (void)upload;
    if (!*context) {
        *context = &seen;
        return MHD_YES;
    }
    if (*upload_size) {
        *upload_size = 0;
        return MHD_YES;
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(sizeof answer - 1, answer, MHD_RESPMEM_PERSISTENT);
    if (!response) {
        return MHD_NO;
    }
    MHD_add_response_header(response, "Content-Type", "application/vnd.kafka.v2+json");
    enum MHD_Result done = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return done;
}

int main(void) {
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL, 0, NULL, NULL, handle, NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (!daemon) {
        fprintf(stderr, "the HTTP server does not start\n");
        return 1;
    }
    printf("%u\n", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    struct pollfd wait = {.fd = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
                          .events = POLLIN};
    for (;;) {
        MHD_UNSIGNED_LONG_LONG quiet_ms = 1000;
        if (MHD_get_timeout(daemon, &quiet_ms) != MHD_YES || quiet_ms > 1000) {
            quiet_ms = 1000;
        }
        poll(&wait, 1, (int)quiet_ms);
        MHD_run(daemon);
    }
}
