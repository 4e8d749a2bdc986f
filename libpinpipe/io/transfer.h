/* One request on a libcurl handle: what pp_http sends alone and a flight sends with others.
 * Never part of another folder: libcurl's types end here.
 * Rules: docs/s3.md, "Connections". */
#ifndef PP_IO_TRANSFER_H
#define PP_IO_TRANSFER_H

#include <signal.h>

#include <curl/curl.h>

#include "io/guard.h"
#include "io/http.h"

/** What all requests of one client share. Starts zeroed. */
typedef struct pp_transfer_settings {
    char *ca_file;
    long connect_timeout_ms;
    pp_guard guard;
    char literal[PP_GUARD_LITERAL_BYTES];
    const atomic_bool *stop;
    int64_t *tls_reads; /* as pp_tls_buffer_set has it; NULL = connections have no such buffer */
} pp_transfer_settings;

/** Errors: EFATAL libcurl does not start; ENOMEM. */
pinpipe_status pp_transfer_settings_set(pp_transfer_settings *out, const pp_http_options *options,
                                        pinpipe_error *err);
void pp_transfer_settings_reset(pp_transfer_settings *settings);

/** One request on its way; stays where it is until it has ended. */
typedef struct pp_transfer {
    CURL *curl;
    const pp_transfer_settings *settings;
    const pp_http_request *request;
    pp_http_answer *answer;
    struct curl_slist *headers;
    pinpipe_status status; /* of our callbacks */
    pinpipe_error error;
    int64_t told_bytes; /* Content-Length of an answer that succeeds; 0 = not known yet, -1 = not told */
    int64_t body_bytes; /* of it that were taken */
    bool guarded_off;   /* the guard refused an address */
    char text[CURL_ERROR_SIZE];
} pp_transfer;

/** Sets the handle; whether it succeeds or not, pp_transfer_end or pp_transfer_drop follows. */
pinpipe_status pp_transfer_begin(pp_transfer *job, int64_t timeout_ms, pinpipe_error *err);

/** The outcome of a request that libcurl has ended with `code`. */
pinpipe_status pp_transfer_end(pp_transfer *job, CURLcode code, pinpipe_error *err);

/** Wipes what was to be sent. */
void pp_transfer_drop(pp_transfer *job);

typedef struct pp_sigpipe {
    sigset_t pipe, former;
    bool was_pending;
} pp_sigpipe;

void pp_sigpipe_block(pp_sigpipe *held);
void pp_sigpipe_restore(const pp_sigpipe *held);

#endif
