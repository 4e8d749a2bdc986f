/* Turns many HTTP requests at once into answers, over kept-alive connections that they share.
 * Never starts a thread: requests move while the owner waits for one of them.
 * Rules: docs/s3.md, "Connections"; libcurl's multi_socket interface. */
#ifndef PP_IO_FLIGHT_H
#define PP_IO_FLIGHT_H

#include "io/http.h"

/** Most requests under way at once. */
#define PP_FLIGHT_MAX 1024

/** One thread at a time; in a forked child every call answers EFORK. */
typedef struct pp_flight pp_flight;

/** One request under way. The caller's: zeroed at first, and from start to its end it stays where it is, with
 * all that it points to. */
typedef struct pp_flight_request {
    pp_http_request http;
    pp_http_answer answer;
    pinpipe_status status; /* once it has ended, as pp_http_send has it */
    pinpipe_error error;   /* the same */
    bool under_way;
    int32_t slot;
} pp_flight_request;

pinpipe_status pp_flight_new(pp_flight **out, const pp_http_options *options, pinpipe_error *err);

/** No request is under way. In a forked child the connections are left alone. NULL is allowed. */
void pp_flight_free(pp_flight *flight);

/** Errors: EFORK this is a forked child. */
pinpipe_status pp_flight_check(const pp_flight *flight, pinpipe_error *err);

/** Begins to send. Errors: EINVAL the URL; ETIMEOUT no time is left; ELIMIT beyond PP_FLIGHT_MAX; EFORK;
 * ENOMEM. */
pinpipe_status pp_flight_start(pp_flight *flight, pp_flight_request *request, int64_t timeout_ms,
                               pinpipe_error *err);

/** Moves all requests until one has ended; AGAIN: none has within `wait_ms`. Those that have ended are no
 * longer under way. Errors: EFORK; EFATAL libcurl's own. */
pinpipe_status pp_flight_wait(pp_flight *flight, int64_t wait_ms, pinpipe_error *err);

/** Most descriptors that a wait has beside its requests. */
#define PP_FLIGHT_OTHERS_MAX 8

/** Descriptors of the owner's own that end a wait, too, once they can be read; so does a signal. */
typedef struct pp_flight_others {
    const int *descriptors;
    int count;
    uint32_t ready; /* bit i: the i-th can be read */
    bool is_signalled;
} pp_flight_others;

/** The same with descriptors beside the requests. */
pinpipe_status pp_flight_wait_with(pp_flight *flight, pp_flight_others *others, int64_t wait_ms,
                                   pinpipe_error *err);

/** Gives up a request that may be under way: its connection is closed. */
void pp_flight_stop(pp_flight *flight, pp_flight_request *request);

#endif
