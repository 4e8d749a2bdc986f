/* Turns the first call of libmicrohttpd into its load: it brings GnuTLS along, and only a gateway needs it.
 * Never changes a call: each goes on to libmicrohttpd's function of the same name, once it is there.
 * Rules: docs/architecture.md, "The Python border"; microhttpd.h. */
#include <stdarg.h>

#include <microhttpd.h>

#include "on_demand.h"

#define PASSED(X)                                                                                            \
    X(MHD_start_daemon_va, struct MHD_Daemon *, NULL,                                                        \
      (unsigned int flags, uint16_t port, MHD_AcceptPolicyCallback accept, void *accept_user,                \
       MHD_AccessHandlerCallback handler, void *user, va_list options),                                      \
      (flags, port, accept, accept_user, handler, user, options))                                            \
    X(MHD_quiesce_daemon, MHD_socket, MHD_INVALID_SOCKET, (struct MHD_Daemon * daemon), (daemon))            \
    X(MHD_run, enum MHD_Result, MHD_NO, (struct MHD_Daemon * daemon), (daemon))                              \
    X(MHD_get_timeout, enum MHD_Result, MHD_NO,                                                              \
      (struct MHD_Daemon * daemon, MHD_UNSIGNED_LONG_LONG * timeout), (daemon, timeout))                     \
    X(MHD_get_connection_values_n, int, 0,                                                                   \
      (struct MHD_Connection * connection, enum MHD_ValueKind kind, MHD_KeyValueIteratorN take, void *user), \
      (connection, kind, take, user))                                                                        \
    X(MHD_lookup_connection_value, const char *, NULL,                                                       \
      (struct MHD_Connection * connection, enum MHD_ValueKind kind, const char *name),                       \
      (connection, kind, name))                                                                              \
    X(MHD_create_response_from_buffer, struct MHD_Response *, NULL,                                          \
      (size_t size, void *buffer, enum MHD_ResponseMemoryMode mode), (size, buffer, mode))                   \
    X(MHD_add_response_header, enum MHD_Result, MHD_NO,                                                      \
      (struct MHD_Response * response, const char *name, const char *text), (response, name, text))          \
    X(MHD_queue_response, enum MHD_Result, MHD_NO,                                                           \
      (struct MHD_Connection * connection, unsigned int status, struct MHD_Response *response),              \
      (connection, status, response))

#define PASSED_VOID(X)                                                                                       \
    X(MHD_stop_daemon, (struct MHD_Daemon * daemon), (daemon))                                               \
    X(MHD_suspend_connection, (struct MHD_Connection * connection), (connection))                            \
    X(MHD_resume_connection, (struct MHD_Connection * connection), (connection))                             \
    X(MHD_destroy_response, (struct MHD_Response * response), (response))

/* Nothing stands behind their `...` in what the library asks for. */
#define PASSED_INFO(X)                                                                                       \
    X(MHD_get_daemon_info, union MHD_DaemonInfo, struct MHD_Daemon, enum MHD_DaemonInfoType)                 \
    X(MHD_get_connection_info, union MHD_ConnectionInfo, struct MHD_Connection, enum MHD_ConnectionInfoType)

static struct {
    PASSED(ON_DEMAND_FIELD)
    PASSED_VOID(ON_DEMAND_FIELD_VOID)
#define FIELD(name, result, handle, kind) const result *(*name)(handle *, kind, ...);
    PASSED_INFO(FIELD)
#undef FIELD
} loaded;

static void load(void) {
    void *library = dlopen("libmicrohttpd.so.12", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        return;
    }
    PASSED(ON_DEMAND_FIND)
    PASSED_VOID(ON_DEMAND_FIND)
    PASSED_INFO(ON_DEMAND_FIND)
}

PASSED(ON_DEMAND_CALL)
PASSED_VOID(ON_DEMAND_CALL_VOID)

#define CALL(name, result, handle, kind)                                                                     \
    const result *name(handle *of, kind which, ...) {                                                        \
        pthread_once(&once, load);                                                                           \
        return loaded.name ? loaded.name(of, which) : NULL;                                                  \
    }
PASSED_INFO(CALL)
#undef CALL

struct MHD_Daemon *MHD_start_daemon(unsigned int flags, uint16_t port, MHD_AcceptPolicyCallback accept,
                                    void *accept_user, MHD_AccessHandlerCallback handler, void *user, ...) {
    va_list options;
    va_start(options, user);
    struct MHD_Daemon *daemon = MHD_start_daemon_va(flags, port, accept, accept_user, handler, user, options);
    va_end(options);
    return daemon;
}
