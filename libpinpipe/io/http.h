/* Turns one HTTP request into one answer over kept-alive connections, with a deadline and a maximum.
 * Never follows a redirect, never repeats a request that the server may have seen, never unpacks a body.
 * Rules: docs/s3.md, "Connections"; RFC 9110. The only user of libcurl; built with S3 only. */
#ifndef PP_IO_HTTP_H
#define PP_IO_HTTP_H

#include <stdatomic.h>

#include "aws/metadata.h"
#include "base/error.h"
#include "pinpipe/sign.h"
#include "pinpipe/value.h"

/** Largest head of an answer, and the part of a refused request's answer that is kept, in bytes. */
#define PP_HTTP_HEAD_MAX 65536
#define PP_HTTP_REFUSAL_MAX 65536

/** A client with its connections. One thread at a time; in a forked child every call answers EFORK. */
typedef struct pp_http pp_http;

typedef struct pp_http_options {
    const char *ca_file;        /* PEM; NULL or "" = the system's */
    int64_t connect_timeout_ms; /* name, connection, TLS */
    pp_guard guard;             /* with one: sockets to its addresses only, and never by a proxy */
    const char *literal;        /* one more address that the guard allows; NULL = none */
    const atomic_bool *stop;    /* set by another thread: requests end with ENET within about a second */
} pp_http_options;

/** Takes the next bytes of a 2xx answer's body, whose head and status are known by then. A negative status
 * ends the request with it. */
typedef pinpipe_status (*pp_http_take)(void *user, pinpipe_str bytes, pinpipe_error *err);

/** Writes up to `cap` of a request body's next bytes to `out`; `*len` is 0 only behind its end. A negative
 * status ends the request with it. */
typedef pinpipe_status (*pp_http_give)(size_t *len, void *user, char *out, size_t cap, pinpipe_error *err);

/** Begins the body anew: a kept-alive connection turned out to be closed. */
typedef void (*pp_http_rewind)(void *user);

/** A body that is made while it is sent. */
typedef struct pp_http_source {
    pp_http_give give; /* NULL = there is none */
    pp_http_rewind rewind;
    void *user;
    int64_t size_bytes;
} pp_http_source;

/** A kept-alive connection that turns out to be closed costs libcurl a silent second try; on a new one there
 * is none, so that whoever must know of every request that the server may have seen does. */
typedef enum pp_http_connection { PP_HTTP_CONNECTION_ANY = 0, PP_HTTP_CONNECTION_NEW = 1 } pp_http_connection;

/** How an answer comes. One that goes on has a connection of its own, by HTTP/2 where TLS offers it, and may
 * be silent for as long as whoever reads it lets it. */
typedef enum pp_http_answering { PP_HTTP_AT_ONCE = 0, PP_HTTP_GOING_ON = 1 } pp_http_answering;

typedef struct pp_http_request {
    const char *method;
    const char *url;
    const pinpipe_header *headers;
    size_t header_count;
    pinpipe_str body;
    pp_http_source source; /* in place of `body` */
    pinpipe_buf *out;      /* takes the body of a 2xx answer; NULL = it is dropped */
    size_t out_max;
    pp_http_take take; /* in place of `out`; NULL = none */
    void *take_user;
    pp_http_connection connection;
    pp_http_answering answering;
    int32_t buffer_bytes; /* between socket and body, each way; 0 = libcurl's own */
} pp_http_request;

/** Reused from call to call; starts zeroed. */
typedef struct pp_http_answer {
    int32_t status;
    int32_t sent;     /* times that it began to go out: 2 where a kept-alive connection was closed already */
    pinpipe_buf head; /* "Name: value" lines */
    pinpipe_buf refusal; /* body of an answer that is not 2xx */
} pp_http_answer;

pinpipe_status pp_http_new(pp_http **out, const pp_http_options *options, pinpipe_error *err);

/** In a forked child the connections are left alone: they are the parent's. NULL is allowed. */
void pp_http_free(pp_http *http);

/** Sends the request and reads the answer, whatever its status.
 * Errors: ENET no connection or a broken one; ETIMEOUT; ELIMIT a body beyond `out_max` or a head beyond
 * PP_HTTP_HEAD_MAX; EREFUSED a certificate that is not trusted; EFORK; ENOMEM. They name the host, not the
 * URL. */
pinpipe_status pp_http_send(pp_http_answer *answer, pp_http *http, const pp_http_request *request,
                            int64_t timeout_ms, pinpipe_error *err);

/** A header's value; empty when there is none. Case does not matter. */
pinpipe_str pp_http_header(const pp_http_answer *answer, const char *name);

/** Reads an HTTP date into microseconds since 1970; -1 when it is none. */
int64_t pp_http_date_us(pinpipe_str text);

/** Appends the "name version" line of libcurl; nothing in a build without it. */
pinpipe_status pp_http_versions_write(pinpipe_buf *out, pinpipe_error *err);

void pp_http_answer_reset(pp_http_answer *answer);

#endif
