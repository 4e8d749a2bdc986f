/* Turns another certificate into a server beside the one that has the connections of the old certificate.
 * Never drops a connection for it, and never serves with one that is broken: then the old one stays.
 * Rules: docs/gateway.md, "Keys, IAM, TLS and browsers"; libmicrohttpd's manual (MHD_quiesce_daemon). */
#include "gateway/server.h"

#if PINPIPE_WITH_GATEWAY

#include "base/buffer.h"
#include "base/log.h"
#include "io/fork.h"
#include "io/ready.h"

/* libmicrohttpd says no more, and closes the listening socket where it does not start: so it is asked without
 * one. */
pinpipe_status pp_gateway_certificate_check(const pinpipe_gateway *gateway, pinpipe_error *err) {
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_TLS, 0, NULL, NULL,
                         pp_gateway_handle, NULL, MHD_OPTION_HTTPS_MEM_CERT, gateway->tls_certificate.ptr,
                         MHD_OPTION_HTTPS_MEM_KEY, gateway->tls_key.ptr, MHD_OPTION_END);
    if (!daemon) {
        return pp_fail_service(
            err, PINPIPE_EINVAL, "http", 0,
            "the HTTP server does not start on %s: are certificate and key PEM, and of each other?",
            gateway->address.ptr);
    }
    MHD_stop_daemon(daemon);
    return PINPIPE_OK;
}

static pinpipe_status renewal_check(const pinpipe_gateway *gateway, pinpipe_str certificate, pinpipe_str key,
                                    pinpipe_error *err) {
    if (gateway->forks != pp_fork_generation()) {
        return pp_fail(err, PINPIPE_EFORK, "the gateway belongs to the process that opened it");
    }
    if (!gateway->tls_certificate.len || !certificate.len || !key.len) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "a gateway without TLS has no certificate to renew, and none is empty");
    }
    if (gateway->is_draining || gateway->retired_count == PP_GATEWAY_RETIRED_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "the gateway ends, or has connections of %d older certificates",
                       PP_GATEWAY_RETIRED_MAX);
    }
    return PINPIPE_OK;
}

/* The new server listens on the same socket by a descriptor of its own. */
static pinpipe_status daemon_replace(pinpipe_gateway *gateway, pinpipe_error *err) {
    struct MHD_Daemon *before = gateway->daemon;
    int listening = gateway->listening;
    gateway->listening = pp_descriptor_copy(listening);
    pinpipe_status status = gateway->listening < 0
                                ? pp_fail(err, PINPIPE_EIO, "the system gives no descriptor for a server")
                                : pp_gateway_daemon_start(gateway, err);
    if (status < 0) {
        pp_descriptor_close(gateway->listening);
        gateway->listening = listening;
        return status;
    }
    MHD_quiesce_daemon(before);
    pp_descriptor_close(listening);
    gateway->retired[gateway->retired_count++] = before;
    pp_log(PP_LOG_INFO, "gateway", "serves with another certificate");
    return PINPIPE_OK;
}

pinpipe_status pinpipe_gateway_certificate_set(pinpipe_gateway *gateway, pinpipe_str certificate,
                                               pinpipe_str key, pinpipe_error *err) {
    pinpipe_buf certificate_before = gateway->tls_certificate, key_before = gateway->tls_key;
    pinpipe_status status = renewal_check(gateway, certificate, key, err);
    if (status < 0) {
        return status;
    }
    gateway->tls_certificate = gateway->tls_key = (pinpipe_buf)PINPIPE_BUF_INIT;
    status = pp_buf_append(&gateway->tls_certificate, certificate.ptr, certificate.len, err);
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&gateway->tls_key, key.ptr, key.len, err);
    }
    if (status == PINPIPE_OK) {
        status = daemon_replace(gateway, err);
    }
    pinpipe_buf *useless = status < 0 ? &gateway->tls_certificate : &certificate_before;
    pinpipe_buf *useless_key = status < 0 ? &gateway->tls_key : &key_before;
    pinpipe_buf_reset(useless);
    pp_buf_reset_secret(useless_key);
    if (status < 0) {
        gateway->tls_certificate = certificate_before;
        gateway->tls_key = key_before;
    }
    return status;
}

/* ---- older servers ---- */

bool pp_gateway_is_retired(const pp_gateway_connection *connection) {
    return connection->gateway->retired_count &&
           MHD_get_connection_info(connection->handle, MHD_CONNECTION_INFO_DAEMON)->daemon !=
               connection->gateway->daemon;
}

int pp_gateway_retired_descriptors(int descriptors[PP_GATEWAY_RETIRED_MAX], const pinpipe_gateway *gateway) {
    for (int i = 0; i < gateway->retired_count; i++) {
        descriptors[i] = MHD_get_daemon_info(gateway->retired[i], MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    }
    return gateway->retired_count;
}

int64_t pp_gateway_retired_due(const pinpipe_gateway *gateway, int64_t most_ms) {
    int64_t due_ms = most_ms;
    for (int i = 0; i < gateway->retired_count; i++) {
        MHD_UNSIGNED_LONG_LONG http_ms = 0;
        if (MHD_get_timeout(gateway->retired[i], &http_ms) == MHD_YES && (int64_t)http_ms < due_ms) {
            due_ms = (int64_t)http_ms;
        }
    }
    return due_ms;
}

void pp_gateway_retired_move(pinpipe_gateway *gateway) {
    int kept = 0;
    for (int i = 0; i < gateway->retired_count; i++) {
        struct MHD_Daemon *daemon = gateway->retired[i];
        MHD_run(daemon);
        if (MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections) {
            gateway->retired[kept++] = daemon;
        } else {
            MHD_stop_daemon(daemon);
        }
    }
    gateway->retired_count = kept;
}

void pp_gateway_retired_stop(pinpipe_gateway *gateway) {
    while (gateway->retired_count) {
        MHD_stop_daemon(gateway->retired[--gateway->retired_count]);
    }
}

#endif
