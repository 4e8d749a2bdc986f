/* Turns options into a server, and its caller's time into turns of it: sockets, reports, deadlines.
 * Never waits for anything but what makes it ready, with a deadline.
 * Rules: docs/gateway.md; libmicrohttpd's manual ("External event loops", "Suspend and resume"). */
#include "gateway/server.h"

#if PINPIPE_WITH_GATEWAY

#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "gateway/answer.h"
#include "gateway/batch.h"
#include "gateway/consumers.h"
#include "gateway/iam.h"
#include "gateway/streams.h"
#include "io/clock.h"
#include "io/fork.h"
#include "io/ready.h"
#include "kafka/config.h"
#include "kafka/wake.h"

/* libmicrohttpd clears it after every request: more costs CPU, less cannot hold a chunk of a large body. */
#define CONNECTION_MEMORY ((size_t)32 << 10)
#define BODY_MAX_MAX ((int64_t)256 << 20)
#define RECORDS_MAX_MAX 10000000
#define CONNECTIONS_MAX_MAX 1000000
#define CONSUMERS_MAX_MAX 10000
#define TIMEOUT_MAX_MS 86400000
#define HEADER_BYTES_MAX 1024

static const struct {
    const char *name, *value;
} defaults[] = {{"linger.ms", "1"}, {"message.timeout.ms", "20000"}};

/* ---- options ---- */

static pinpipe_status number_check(int64_t *number, int64_t otherwise, int64_t most, const char *name,
                                   pinpipe_error *err) {
    if (*number < 0 || *number > most) {
        return pp_fail(err, PINPIPE_EINVAL, "the gateway's %s: %lld is not 0 to %lld", name,
                       (long long)*number, (long long)most);
    }
    *number = *number ? *number : otherwise;
    return PINPIPE_OK;
}

static bool header_is_text(pinpipe_str text) {
    bool is_text = text.len <= HEADER_BYTES_MAX;
    for (size_t i = 0; i < text.len && is_text; i++) {
        is_text = text.ptr[i] >= ' ' && text.ptr[i] <= '~';
    }
    return is_text;
}

static pinpipe_status options_check(pinpipe_gateway_options *options, pinpipe_error *err) {
    const struct {
        int64_t *number, otherwise, most;
        const char *name;
    } rows[] = {
        {&options->body_max_bytes, (int64_t)10 << 20, BODY_MAX_MAX, "body_max_bytes"},
        {&options->memory_max_bytes, (int64_t)256 << 20, INT64_MAX / 2, "memory_max_bytes"},
        {&options->records_max, 50000, RECORDS_MAX_MAX, "records_max"},
        {&options->connections_max, 1000, CONNECTIONS_MAX_MAX, "connections_max"},
        {&options->head_timeout_ms, 60000, TIMEOUT_MAX_MS, "head_timeout_ms"},
        {&options->body_timeout_ms, 30000, TIMEOUT_MAX_MS, "body_timeout_ms"},
        {&options->consumer_timeout_ms, 300000, TIMEOUT_MAX_MS, "consumer_timeout_ms"},
        {&options->answer_timeout_ms, 25000, TIMEOUT_MAX_MS, "answer_timeout_ms"},
    };
    pinpipe_status status = PINPIPE_OK;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && status == PINPIPE_OK; i++) {
        status = number_check(rows[i].number, rows[i].otherwise, rows[i].most, rows[i].name, err);
    }
    if (status == PINPIPE_OK && options->consumers_max >= 0) {
        status = number_check(&options->consumers_max, 50, CONSUMERS_MAX_MAX, "consumers_max", err);
    }
    bool is_failure = options->failure == PINPIPE_GATEWAY_FAILURE_TOLD ||
                      options->failure == PINPIPE_GATEWAY_FAILURE_MASKED;
    if (status == PINPIPE_OK && !header_is_text(options->allow_origin)) {
        status = pp_fail(err, PINPIPE_EINVAL, "the gateway's allow_origin has bytes that no header takes");
    }
    if (status == PINPIPE_OK && !options->tls_certificate.len != !options->tls_key.len) {
        status = pp_fail(err, PINPIPE_EINVAL, "the gateway's TLS: certificate and key come together");
    }
    if (status == PINPIPE_OK && !is_failure) {
        status = pp_fail(err, PINPIPE_EINVAL, "the gateway's failure: %ld is none", (long)options->failure);
    }
    return status;
}

static pinpipe_status settings_complete(pinpipe_gateway *gateway, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    if (!gateway->options.settings) {
        status = pinpipe_kafka_config_new(&gateway->settings, err);
        gateway->options.settings = gateway->settings;
    }
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0] && status == PINPIPE_OK; i++) {
        if (!pp_kafka_config_value(gateway->options.settings, defaults[i].name)) {
            status = pinpipe_kafka_config_set(gateway->options.settings, pp_str(defaults[i].name),
                                              pp_str(defaults[i].value), err);
        }
    }
    return status;
}

/* ---- beginning and end ---- */

pinpipe_status pp_gateway_daemon_start(pinpipe_gateway *gateway, pinpipe_error *err) {
    bool is_tls = gateway->tls_certificate.len > 0;
    pinpipe_status status = is_tls ? pp_gateway_certificate_check(gateway, err) : PINPIPE_OK;
    if (status < 0) {
        return status;
    }
    struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, gateway->tls_certificate.ptr},
                                   {MHD_OPTION_HTTPS_MEM_KEY, 0, gateway->tls_key.ptr},
                                   {MHD_OPTION_END, 0, NULL}};
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (is_tls ? MHD_USE_TLS : 0u), 0, NULL, NULL,
        pp_gateway_handle, gateway, MHD_OPTION_LISTEN_SOCKET, gateway->listening,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)gateway->options.connections_max, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_NOTIFY_CONNECTION, pp_gateway_connection_note, gateway, MHD_OPTION_NOTIFY_COMPLETED,
        pp_gateway_request_ended, gateway, MHD_OPTION_UNESCAPE_CALLBACK, pp_gateway_target_keep, gateway,
        MHD_OPTION_ARRAY, is_tls ? tls : tls + 2, MHD_OPTION_END);
    if (!daemon) {
        return pp_fail_service(err, PINPIPE_ENOMEM, "http", 0, "the HTTP server does not start on %s",
                               gateway->address.ptr);
    }
    gateway->daemon = daemon;
    gateway->epoll = MHD_get_daemon_info(gateway->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    return PINPIPE_OK;
}

static pinpipe_status parts_open(pinpipe_gateway *gateway, pinpipe_error *err) {
    const pinpipe_gateway_options *options = &gateway->options;
    bool is_kafka = options->brokers.len || !options->kinesis;
    pinpipe_status status = settings_complete(gateway, err);
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&gateway->stages, options->stages.ptr, options->stages.len, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&gateway->api_key, options->api_key.ptr, options->api_key.len, err);
    }
    if (status == PINPIPE_OK) {
        status =
            pp_buf_append(&gateway->allow_origin, options->allow_origin.ptr, options->allow_origin.len, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&gateway->tls_certificate, options->tls_certificate.ptr,
                               options->tls_certificate.len, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&gateway->tls_key, options->tls_key.ptr, options->tls_key.len, err);
    }
    if (status == PINPIPE_OK && options->iam_keys.len) {
        status = pp_gateway_iam_open(gateway, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_wake_open(&gateway->wake, err);
    }
    if (status == PINPIPE_OK && options->kinesis) {
        status = pp_gateway_streams_open(gateway, err);
    }
    if (status == PINPIPE_OK && is_kafka) {
        status = pinpipe_kafka_producer_new(&gateway->producer, options->brokers, options->settings, err);
    }
    if (status == PINPIPE_OK && is_kafka) {
        pp_kafka_producer_wake_set(gateway->producer, gateway->wake);
        status = pp_gateway_lookout_new(&gateway->lookout, options->brokers, options->settings, gateway->wake,
                                        err);
    }
    if (status == PINPIPE_OK && is_kafka && options->consumers_max > 0) {
        status = pp_gateway_consumers_open(gateway, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_listen_open(&gateway->listening, &gateway->address, options->listen, err);
    }
    return status == PINPIPE_OK ? pp_gateway_daemon_start(gateway, err) : status;
}

pinpipe_status pinpipe_gateway_open(pinpipe_gateway **out, const pinpipe_gateway_options *options,
                                    pinpipe_error *err) {
    *out = NULL;
    if (!options || options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "the gateway's options lack their struct_size");
    }
    pinpipe_gateway *gateway = pp_alloc_zero(sizeof *gateway);
    if (!gateway) {
        return pp_fail_memory(err, "a gateway", sizeof *gateway);
    }
    gateway->options = *options;
    gateway->forks = pp_fork_generation();
    gateway->now_ms = pp_clock_monotonic_ms();
    gateway->look_ms = INT64_MAX;
    gateway->listening = gateway->wake = -1;
    gateway->ended = (pinpipe_error)PINPIPE_ERROR_INIT;
    pinpipe_status status = options_check(&gateway->options, err);
    if (status == PINPIPE_OK) {
        status = parts_open(gateway, err);
    }
    if (status < 0) {
        pinpipe_gateway_free(gateway);
        return status;
    }
    pp_log(PP_LOG_INFO, "gateway", "listens on %s", gateway->address.ptr);
    *out = gateway;
    return PINPIPE_OK;
}

static bool is_owned(const pinpipe_gateway *gateway) {
    return gateway->forks == pp_fork_generation();
}

/* A daemon must not end with connections that are suspended. */
static void daemon_stop(pinpipe_gateway *gateway) {
    for (pp_gateway_connection *at = gateway->places[PP_GATEWAY_WORK].first; at; at = at->after) {
        if (!at->request.status) {
            at->request.batch = NULL;
            pp_gateway_stream_drop(gateway, &at->request);
            pp_gateway_order_drop(&at->request);
            pp_gateway_refuse(&at->request, PP_GATEWAY_ERROR_KAFKA_AGAIN, "the gateway has ended");
            pp_gateway_connection_resume(at);
        }
    }
    pp_gateway_retired_stop(gateway);
    MHD_stop_daemon(gateway->daemon);
}

void pinpipe_gateway_free(pinpipe_gateway *gateway) {
    if (!gateway || !is_owned(gateway)) {
        return;
    }
    if (gateway->daemon) {
        daemon_stop(gateway);
    }
    if (!gateway->daemon || gateway->is_draining) {
        pp_descriptor_close(gateway->listening);
    }
    pp_gateway_lookout_free(gateway->lookout);
    pinpipe_kafka_producer_free(gateway->producer);
    pp_gateway_batches_free(gateway);
    pp_gateway_topics_free(gateway);
    pp_gateway_streams_free(gateway);
    pp_gateway_consumers_free(gateway->consumers);
    pp_descriptor_close(gateway->wake);
    pinpipe_kafka_config_free(gateway->settings);
    pinpipe_buf_reset(&gateway->address);
    pinpipe_buf_reset(&gateway->stages);
    pinpipe_buf_reset(&gateway->stream_names);
    pp_buf_reset_secret(&gateway->api_key);
    pp_buf_reset_secret(&gateway->tls_key);
    pinpipe_buf_reset(&gateway->tls_certificate);
    pp_gateway_iam_free(gateway->iam);
    pinpipe_buf_reset(&gateway->allow_origin);
    pp_free(gateway);
}

/* ---- turns ---- */

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* How long nothing happens unless a descriptor is ready. */
static int64_t quiet_ms(const pinpipe_gateway *gateway, int64_t until_ms) {
    MHD_UNSIGNED_LONG_LONG http_ms = 0;
    int64_t due_ms = least(until_ms, pp_gateway_deadline_next(gateway));
    due_ms = least(due_ms, pp_gateway_streams_due(gateway));
    due_ms = least(due_ms, pp_gateway_consumers_due(gateway));
    due_ms = least(due_ms, pp_gateway_batches_due(gateway)) - gateway->now_ms;
    if (MHD_get_timeout(gateway->daemon, &http_ms) == MHD_YES && (int64_t)http_ms < due_ms) {
        due_ms = (int64_t)http_ms;
    }
    return pp_gateway_retired_due(gateway, due_ms);
}

/* False where a signal has ended the wait. */
static bool turn(pinpipe_gateway *gateway, int64_t until_ms) {
    int descriptors[2 + PP_GATEWAY_RETIRED_MAX] = {gateway->epoll, gateway->wake};
    int count = 2 + pp_gateway_retired_descriptors(descriptors + 2, gateway);
    uint32_t ready = 0;
    bool goes_on = pp_gateway_streams_wait(&ready, gateway, descriptors, count, quiet_ms(gateway, until_ms));
    gateway->now_ms = pp_clock_monotonic_ms();
    if (ready & 2) {
        pp_wake_clear(gateway->wake);
    }
    if (ready & 2 && gateway->producer) {
        pp_kafka_producer_reports_take(gateway->producer);
        pp_gateway_listing_take(gateway);
    }
    pp_gateway_streams_move(gateway);
    pp_gateway_consumers_move(gateway);
    pp_gateway_batches_settle(gateway);
    MHD_run(gateway->daemon);
    pp_gateway_retired_move(gateway);
    pp_gateway_batches_write(gateway);
    pp_gateway_deadlines_keep(gateway);
    return goes_on;
}

static pinpipe_status owner_check(const pinpipe_gateway *gateway, pinpipe_error *err) {
    return is_owned(gateway)
               ? PINPIPE_OK
               : pp_fail(err, PINPIPE_EFORK, "the gateway belongs to the process that opened it");
}

static pinpipe_status end_check(const pinpipe_gateway *gateway, pinpipe_error *err) {
    const pinpipe_error *ended = &gateway->ended;
    return ended->status < 0
               ? pp_fail_service(err, ended->status, ended->service, ended->native_code, "%s", ended->message)
               : PINPIPE_OK;
}

pinpipe_status pinpipe_gateway_poll(pinpipe_gateway *gateway, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = owner_check(gateway, err);
    if (status < 0) {
        return status;
    }
    gateway->now_ms = pp_clock_monotonic_ms();
    int64_t until_ms = gateway->now_ms + (timeout_ms > 0 ? least(timeout_ms, TIMEOUT_MAX_MS) : 0);
    bool goes_on = true;
    do {
        goes_on = turn(gateway, until_ms) && !atomic_exchange(&gateway->is_stopped, false);
    } while (goes_on && gateway->now_ms < until_ms);
    return end_check(gateway, err);
}

void pinpipe_gateway_stop(pinpipe_gateway *gateway) {
    atomic_store(&gateway->is_stopped, true);
    pp_wake_put(gateway->wake);
}

static bool is_idle(const pinpipe_gateway *gateway) {
    return !gateway->places[PP_GATEWAY_BODY].first && !gateway->places[PP_GATEWAY_WORK].first;
}

pinpipe_status pinpipe_gateway_drain(pinpipe_gateway *gateway, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = owner_check(gateway, err);
    if (status < 0) {
        return status;
    }
    if (!gateway->is_draining) {
        gateway->is_draining = true;
        MHD_quiesce_daemon(gateway->daemon);
    }
    gateway->now_ms = pp_clock_monotonic_ms();
    int64_t until_ms = gateway->now_ms + (timeout_ms > 0 ? least(timeout_ms, TIMEOUT_MAX_MS) : 0);
    do {
        turn(gateway,
             is_idle(gateway) ? gateway->now_ms : until_ms); /* one at least: requests may have come */
    } while (!is_idle(gateway) && gateway->now_ms < until_ms);
    return is_idle(gateway) ? PINPIPE_OK
                            : pp_fail(err, PINPIPE_ETIMEOUT, "requests are still under way after %lld ms",
                                      (long long)timeout_ms);
}

pinpipe_str pinpipe_gateway_address(const pinpipe_gateway *gateway) {
    return pp_buf_view(&gateway->address);
}

int64_t pinpipe_gateway_count(const pinpipe_gateway *gateway, int32_t counter) {
    return counter >= 0 && counter < PINPIPE_GATEWAY_COUNTER_COUNT ? gateway->counters[counter] : 0;
}

#endif
