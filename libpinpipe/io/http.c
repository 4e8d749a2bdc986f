/* Turns one HTTP request into one answer by libcurl.
 * Never follows a redirect and never touches a connection of the parent in a forked child.
 * Rules: docs/s3.md, "Connections"; libcurl's manual pages; curl_global_init is thread-safe since 7.84. */
#include "io/http.h"

#if PINPIPE_WITH_S3

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#include "aws/uri.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "io/guard.h"
#include "io/tls.h"
#include "io/transfer.h"
#include "pinpipe/version.h"

#define EXPECT_FROM_BYTES (1 << 20) /* larger bodies ask before they are sent */
#define STALL_BYTES_PER_S 1024L
#define STALL_S 30L
#define IDLE_MAX_S 60L /* servers close idle connections; a new one is cheaper than a failed request */

struct pp_http {
    CURL *curl;
    pid_t owner;
    pp_transfer_settings settings;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready = CURLE_FAILED_INIT;

static void curl_begin(void) {
    curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

pinpipe_status pp_transfer_settings_set(pp_transfer_settings *out, const pp_http_options *options,
                                        pinpipe_error *err) {
    pthread_once(&curl_once, curl_begin);
    if (curl_ready != CURLE_OK) {
        return pp_fail_service(err, PINPIPE_EFATAL, "http", (int32_t)curl_ready, "libcurl does not start: %s",
                               curl_easy_strerror(curl_ready));
    }
    out->connect_timeout_ms = (long)options->connect_timeout_ms;
    out->guard = options->guard;
    out->stop = options->stop;
    snprintf(out->literal, sizeof out->literal, "%s", options->literal ? options->literal : "");
    if (options->ca_file && options->ca_file[0]) {
        out->ca_file = pp_strdup(options->ca_file);
        return out->ca_file ? PINPIPE_OK : pp_fail_memory(err, "a file name", strlen(options->ca_file));
    }
    return PINPIPE_OK;
}

void pp_transfer_settings_reset(pp_transfer_settings *settings) {
    pp_free(settings->ca_file);
    settings->ca_file = NULL;
}

pinpipe_status pp_http_new(pp_http **out, const pp_http_options *options, pinpipe_error *err) {
    *out = NULL;
    pp_http *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "an HTTP client", sizeof *made);
    }
    made->owner = getpid();
    pinpipe_status status = pp_transfer_settings_set(&made->settings, options, err);
    made->curl = status == PINPIPE_OK ? curl_easy_init() : NULL;
    if (status == PINPIPE_OK && !made->curl) {
        status = pp_fail_memory(err, "an HTTP connection", 0);
    }
    if (status == PINPIPE_OK) {
        *out = made;
        made = NULL;
    }
    pp_http_free(made);
    return status;
}

void pp_http_free(pp_http *http) {
    if (http) {
        if (http->curl && http->owner == getpid()) {
            curl_easy_cleanup(http->curl);
        }
        pp_transfer_settings_reset(&http->settings);
        pp_free(http);
    }
}

void pp_http_answer_reset(pp_http_answer *answer) {
    pinpipe_buf_reset(&answer->head);
    pinpipe_buf_reset(&answer->refusal);
    answer->status = 0;
}

/* ---- what comes back ---- */

static size_t head_take(char *bytes, size_t size, size_t count, void *user) {
    pp_transfer *job = user;
    size_t len = size * count;
    pinpipe_buf *head = &job->answer->head;
    if (len >= 5 && memcmp(bytes, "HTTP/", 5) == 0) {
        pp_buf_clear(head); /* a "100 Continue" came before */
    }
    if (head->len + len > PP_HTTP_HEAD_MAX) {
        job->status = pp_fail_service(&job->error, PINPIPE_ELIMIT, "http", 0,
                                      "the head of the answer is larger than %d bytes", PP_HTTP_HEAD_MAX);
        return 0;
    }
    job->status = pp_buf_append(head, bytes, len, &job->error);
    return job->status == PINPIPE_OK ? len : 0;
}

static size_t refusal_take(pp_transfer *job, const char *bytes, size_t len) {
    pinpipe_buf *refusal = &job->answer->refusal;
    size_t room = PP_HTTP_REFUSAL_MAX - refusal->len;
    job->status = pp_buf_append(refusal, bytes, len < room ? len : room, &job->error);
    return job->status == PINPIPE_OK ? len : 0;
}

static size_t body_take(char *bytes, size_t size, size_t count, void *user) {
    pp_transfer *job = user;
    size_t len = size * count;
    long code = 0;
    curl_easy_getinfo(job->curl, CURLINFO_RESPONSE_CODE, &code);
    if (code < 200 || code > 299) {
        return refusal_take(job, bytes, len);
    }
    if (job->told_bytes == 0) {
        curl_off_t told = -1;
        curl_easy_getinfo(job->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &told);
        job->told_bytes = told;
    }
    job->body_bytes += (int64_t)len;
    pinpipe_buf *out = job->request->out;
    if (job->request->take) {
        job->answer->status = (int32_t)code;
        job->status = job->request->take(job->request->take_user, (pinpipe_str){bytes, len}, &job->error);
        return job->status == PINPIPE_OK ? len : 0;
    }
    if (!out) {
        return len;
    }
    if (out->len == 0 && job->told_bytes > 0 && (uint64_t)job->told_bytes <= job->request->out_max) {
        job->status = pp_buf_reserve(out, (size_t)job->told_bytes, job->request->out_max, &job->error);
    }
    if (job->status == PINPIPE_OK && len > job->request->out_max - out->len) {
        job->status = pp_fail_service(&job->error, PINPIPE_ELIMIT, "http", (int32_t)code,
                                      "the body is larger than the %zu bytes allowed", job->request->out_max);
    }
    if (job->status == PINPIPE_OK) {
        job->status = pp_buf_append(out, bytes, len, &job->error);
    }
    return job->status == PINPIPE_OK ? len : 0;
}

pinpipe_str pp_http_header(const pp_http_answer *answer, const char *name) {
    size_t name_len = strlen(name);
    const char *line = answer->head.ptr, *end = line ? line + answer->head.len : NULL;
    while (line < end) {
        const char *feed = memchr(line, '\n', (size_t)(end - line));
        const char *stop = feed ? feed : end;
        if ((size_t)(stop - line) > name_len && line[name_len] == ':' &&
            strncasecmp(line, name, name_len) == 0) {
            const char *value = line + name_len + 1;
            while (value < stop && (*value == ' ' || *value == '\t')) {
                value++;
            }
            while (stop > value && (stop[-1] == ' ' || stop[-1] == '\t' || stop[-1] == '\r')) {
                stop--;
            }
            return (pinpipe_str){value, (size_t)(stop - value)};
        }
        line = feed ? feed + 1 : end;
    }
    return (pinpipe_str){"", 0};
}

int64_t pp_http_date_us(pinpipe_str text) {
    char copy[64] = "";
    if (!text.len || text.len >= sizeof copy) {
        return -1;
    }
    memcpy(copy, text.ptr, text.len);
    time_t seconds = curl_getdate(copy, NULL);
    return seconds < 0 ? -1 : (int64_t)seconds * 1000000;
}

/* ---- what goes out ---- */

static curl_off_t body_bytes(const pp_http_request *request) {
    return request->source.give ? (curl_off_t)request->source.size_bytes : (curl_off_t)request->body.len;
}

static size_t source_give(char *out, size_t size, size_t count, void *user) {
    pp_transfer *job = user;
    const pp_http_source *source = &job->request->source;
    size_t len = 0;
    job->status = source->give(&len, source->user, out, size * count, &job->error);
    return job->status == PINPIPE_OK ? len : CURL_READFUNC_ABORT;
}

static int source_seek(void *user, curl_off_t offset, int origin) {
    const pp_http_source *source = user;
    if (offset != 0 || origin != SEEK_SET) {
        return CURL_SEEKFUNC_CANTSEEK;
    }
    source->rewind(source->user);
    return CURL_SEEKFUNC_OK;
}

static pinpipe_status header_add(pp_transfer *job, pinpipe_header header, pinpipe_buf *line,
                                 pinpipe_error *err) {
    pinpipe_status status = pp_buf_renew_secret(line, header.name.len + header.value.len + 2, err);
    if (status == PINPIPE_OK) {
        /* libcurl sends an empty header only when it ends with a semicolon. */
        status = pp_buf_printf(line, err, "%.*s%s%.*s", (int)header.name.len, header.name.ptr,
                               header.value.len ? ": " : ";", (int)header.value.len, header.value.ptr);
    }
    struct curl_slist *longer = status == PINPIPE_OK ? curl_slist_append(job->headers, line->ptr) : NULL;
    if (status == PINPIPE_OK && !longer) {
        return pp_fail_memory(err, "a header", line->len);
    }
    job->headers = longer ? longer : job->headers;
    return status;
}

static pinpipe_status headers_set(pp_transfer *job, pinpipe_error *err) {
    pinpipe_buf line = PINPIPE_BUF_INIT;
    pinpipe_status status = PINPIPE_OK;
    for (size_t i = 0; status == PINPIPE_OK && i < job->request->header_count; i++) {
        status = header_add(job, job->request->headers[i], &line, err);
    }
    if (status == PINPIPE_OK && body_bytes(job->request) < EXPECT_FROM_BYTES) {
        struct curl_slist *longer = curl_slist_append(job->headers, "Expect:");
        status = longer ? PINPIPE_OK : pp_fail_memory(err, "a header", 8);
        job->headers = longer ? longer : job->headers;
    }
    pp_buf_reset_secret(&line);
    curl_easy_setopt(job->curl, CURLOPT_HTTPHEADER, job->headers);
    return status;
}

static void body_set(pp_transfer *job) {
    CURL *curl = job->curl;
    const pp_http_request *request = job->request;
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, body_bytes(request));
    if (request->source.give) {
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, source_give);
        curl_easy_setopt(curl, CURLOPT_READDATA, job);
        curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, source_seek);
        curl_easy_setopt(curl, CURLOPT_SEEKDATA, (void *)(uintptr_t)&request->source);
    } else {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.len ? request->body.ptr : "");
    }
}

static void method_set(pp_transfer *job) {
    CURL *curl = job->curl;
    const pp_http_request *request = job->request;
    if (strcmp(request->method, "HEAD") == 0) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    } else if (strcmp(request->method, "PUT") == 0 || strcmp(request->method, "POST") == 0) {
        body_set(job);
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    } else {
        curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    }
}

static bool host_is_loopback(pinpipe_str authority) {
    static const char *const begins[] = {"127.", "[::1]", "localhost:"};
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
        size_t len = strlen(begins[i]);
        if (authority.len >= len && strncasecmp(authority.ptr, begins[i], len) == 0) {
            return true;
        }
    }
    return authority.len == 9 && strncasecmp(authority.ptr, "localhost", 9) == 0;
}

/* The last place before a byte goes out: the name has become an address. */
static curl_socket_t socket_open(void *user, curlsocktype purpose, struct curl_sockaddr *address) {
    pp_transfer *job = user;
    const pp_transfer_settings *settings = job->settings;
    if (purpose != CURLSOCKTYPE_IPCXN ||
        !pp_guard_allows(settings->guard, settings->literal, &address->addr)) {
        job->guarded_off = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Called before each try of libcurl's, the silent one included. */
static int sending_count(void *user, char *peer_ip, char *own_ip, int peer_port, int own_port) {
    pp_transfer *job = user;
    (void)peer_ip, (void)own_ip, (void)peer_port, (void)own_port;
    job->answer->sent++;
    return CURL_PREREQFUNC_OK;
}

static int progress_look(void *user, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                         curl_off_t up) {
    const pp_transfer_settings *settings = user;
    (void)down_total, (void)down, (void)up_total, (void)up;
    return atomic_load(settings->stop) ? 1 : 0;
}

/* The connection is there, and nothing has been sent. */
static int connection_set(void *user, char *address, char *own_address, int port, int own_port) {
    pp_transfer *job = user;
    (void)address, (void)own_address, (void)port, (void)own_port;
    pp_tls_buffer_set(job->curl, job->settings->tls_reads);
    return CURL_PREREQFUNC_OK;
}

static void guard_set(pp_transfer *job) {
    CURL *curl = job->curl;
    job->guarded_off = false;
    if (job->settings->guard != PP_GUARD_NONE) {
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
        curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, socket_open);
        curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, job);
    }
    if (job->settings->stop) {
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, progress_look);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, (void *)(uintptr_t)job->settings);
    }
}

/* What holds for every request over one handle. */
static void handle_set(pp_transfer *job) {
    CURL *curl = job->curl;
    curl_easy_reset(curl); /* keeps the connections */
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, job->text);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 1L);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (job->settings->ca_file) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, job->settings->ca_file);
    }
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "pinpipe/" PINPIPE_VERSION);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXAGE_CONN, IDLE_MAX_S);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, job->settings->connect_timeout_ms);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, STALL_BYTES_PER_S);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, STALL_S);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, head_take);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, job);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, body_take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, job);
    curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, sending_count);
    curl_easy_setopt(curl, CURLOPT_PREREQDATA, job);
}

static void request_set(pp_transfer *job, const pp_url *url, int64_t timeout_ms) {
    CURL *curl = job->curl;
    const pp_http_request *request = job->request;
    long timeout = timeout_ms > 0x7fffffff ? 0x7fffffffL : (long)timeout_ms;
    handle_set(job);
    job->text[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, pp_url_is_https(url) ? "https" : "http");
    if (host_is_loopback(url->authority)) {
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
    }
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout);
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, request->connection == PP_HTTP_CONNECTION_NEW ? 1L : 0L);
    if (request->answering == PP_HTTP_GOING_ON) {
        curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 0L);
        curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L); /* libcurl 7.88 loses streams that share one */
        curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    }
    if (request->buffer_bytes) {
        curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, (long)request->buffer_bytes);
        curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, (long)request->buffer_bytes);
    }
    if (request->buffer_bytes && job->settings->tls_reads) {
        curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, connection_set);
        curl_easy_setopt(curl, CURLOPT_PREREQDATA, job);
    }
    method_set(job);
    guard_set(job);
}

/* OpenSSL writes to sockets without MSG_NOSIGNAL. A SIGPIPE of ours is taken back, one of the host's stays.
 */
void pp_sigpipe_block(pp_sigpipe *held) {
    sigset_t pending;
    sigemptyset(&held->pipe);
    sigaddset(&held->pipe, SIGPIPE);
    sigemptyset(&pending);
    sigpending(&pending);
    held->was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &held->pipe, &held->former);
}

void pp_sigpipe_restore(const pp_sigpipe *held) {
    sigset_t pending;
    sigemptyset(&pending);
    sigpending(&pending);
    if (!held->was_pending && sigismember(&pending, SIGPIPE) == 1) {
        const struct timespec at_once = {0, 0};
        sigtimedwait(&held->pipe, NULL, &at_once);
    }
    pthread_sigmask(SIG_SETMASK, &held->former, NULL);
}

static pinpipe_status code_status(CURLcode code) {
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return PINPIPE_ETIMEOUT;
    case CURLE_OUT_OF_MEMORY:
        return PINPIPE_ENOMEM;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return PINPIPE_EREFUSED;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return PINPIPE_EINVAL;
    default:
        return PINPIPE_ENET;
    }
}

static pinpipe_status outcome(pp_transfer *job, CURLcode code, pinpipe_error *err) {
    const char *text = job->text[0] ? job->text : curl_easy_strerror(code);
    pp_url url = {0};
    if (job->status < 0) {
        return pp_fail_service(err, job->status, job->error.service, job->error.native_code, "%s",
                               job->error.message);
    }
    if (code != CURLE_OK && job->guarded_off) {
        pp_url_split(&url, pp_str(job->request->url), NULL);
        return pp_fail_service(err, PINPIPE_EREFUSED, "http", (int32_t)code,
                               "host '%.*s': its address may not be asked for credentials",
                               pp_quote_len(url.authority.len), url.authority.ptr);
    }
    if (code != CURLE_OK) {
        pp_url_split(&url, pp_str(job->request->url), NULL);
        return pp_fail_service(err, code_status(code), "http", (int32_t)code, "host '%.*s': %s",
                               pp_quote_len(url.authority.len), url.authority.ptr, text);
    }
    long status_code = 0;
    curl_easy_getinfo(job->curl, CURLINFO_RESPONSE_CODE, &status_code);
    job->answer->status = (int32_t)status_code;
    return PINPIPE_OK;
}

pinpipe_status pp_transfer_begin(pp_transfer *job, int64_t timeout_ms, pinpipe_error *err) {
    pp_url url;
    pinpipe_status status = pp_url_split(&url, pp_str(job->request->url), err);
    if (status < 0) {
        return status;
    }
    if (timeout_ms <= 0) {
        return pp_fail(err, PINPIPE_ETIMEOUT, "no time is left for host '%.*s'",
                       pp_quote_len(url.authority.len), url.authority.ptr);
    }
    job->answer->status = job->answer->sent = 0;
    pp_buf_clear(&job->answer->head);
    pp_buf_clear(&job->answer->refusal);
    if (job->request->out) {
        pp_buf_clear(job->request->out);
    }
    job->status = PINPIPE_OK;
    job->error = (pinpipe_error)PINPIPE_ERROR_INIT;
    job->told_bytes = job->body_bytes = 0;
    request_set(job, &url, timeout_ms);
    return headers_set(job, err);
}

pinpipe_status pp_transfer_end(pp_transfer *job, CURLcode code, pinpipe_error *err) {
    pinpipe_status status = outcome(job, code, err);
    pp_transfer_drop(job);
    return status;
}

void pp_transfer_drop(pp_transfer *job) {
    curl_easy_setopt(job->curl, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(job->curl, CURLOPT_POSTFIELDS, NULL);
    for (struct curl_slist *line = job->headers; line; line = line->next) {
        pp_wipe(line->data, strlen(line->data)); /* a session token may be among them */
    }
    curl_slist_free_all(job->headers);
    job->headers = NULL;
}

pinpipe_status pp_http_send(pp_http_answer *answer, pp_http *http, const pp_http_request *request,
                            int64_t timeout_ms, pinpipe_error *err) {
    if (http->owner != getpid()) {
        return pp_fail(err, PINPIPE_EFORK, "this client was made before a fork; make one in the child");
    }
    pp_transfer job = {.curl = http->curl, .settings = &http->settings, .request = request, .answer = answer};
    pinpipe_status status = pp_transfer_begin(&job, timeout_ms, err);
    if (status == PINPIPE_OK) {
        pp_sigpipe held;
        pp_sigpipe_block(&held);
        CURLcode code = curl_easy_perform(http->curl);
        pp_sigpipe_restore(&held);
        status = pp_transfer_end(&job, code, err);
    } else {
        pp_transfer_drop(&job);
    }
    curl_easy_reset(http->curl); /* it still points to this frame */
    return status;
}

pinpipe_status pp_http_versions_write(pinpipe_buf *out, pinpipe_error *err) {
    return pp_buf_printf(out, err, "libcurl %s\n", curl_version_info(CURLVERSION_NOW)->version);
}

#else

pinpipe_status pp_http_versions_write(pinpipe_buf *out, pinpipe_error *err) {
    (void)out;
    (void)err;
    return PINPIPE_OK;
}

#endif
