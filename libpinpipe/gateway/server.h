/* Turns the parts of a gateway into structs that its files share: connections, requests, batches, topics.
 * Never outside gateway/.
 * Rules: docs/gateway.md; libmicrohttpd's manual ("Suspend and resume"). */
#ifndef PP_GATEWAY_SERVER_H
#define PP_GATEWAY_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>

#include <microhttpd.h>

#include "base/error.h"
#include "gateway/lookout.h"
#include "gateway/route.h"
#include "pinpipe/gateway.h"
#include "pinpipe/kafka_batch.h"

typedef struct pp_gateway_batch pp_gateway_batch;
typedef struct pp_gateway_connection pp_gateway_connection;
typedef struct pp_gateway_streams pp_gateway_streams;
typedef struct pp_gateway_stream_call pp_gateway_stream_call;
typedef struct pp_gateway_consumers pp_gateway_consumers;
typedef struct pp_gateway_instance pp_gateway_instance;
typedef struct pp_gateway_order pp_gateway_order;
typedef struct pp_gateway_iam pp_gateway_iam;

/** A topic that exists, as far as is known. */
typedef struct pp_gateway_topic {
    struct pp_gateway_topic *after; /* of one hash */
    pinpipe_buf name;
    int64_t partition_count;
    bool is_doubtful;            /* a record failed: the next request looks again */
    bool is_written;             /* the producer knows it, too */
    pp_gateway_batch *gathering; /* records that are to be written */
    int64_t under_way;           /* records of batches without all their reports */
    int64_t held_until_ms;       /* the next batch waits for them so long */
} pp_gateway_topic;

/** Where a connection is; each place has its list, in the order of deadlines. */
typedef enum pp_gateway_place {
    PP_GATEWAY_HEAD, /* the next request's head has not come whole */
    PP_GATEWAY_BODY,
    PP_GATEWAY_WORK, /* suspended: records, or the cluster's answer, are waited for */
    PP_GATEWAY_PLACE_COUNT
} pp_gateway_place;

/** The request that a connection is at. */
typedef struct pp_gateway_request {
    pp_gateway_route route;
    pinpipe_buf body;
    pinpipe_buf answer;
    int64_t reserved_bytes;               /* of the memory of all requests */
    int32_t status;                       /* 0 = there is no answer yet */
    int32_t retry_after_s;                /* 0 = it does not say */
    const char *content_type;             /* NULL = the answer is empty */
    const char *allow;                    /* methods, of a 405 */
    bool is_whole;                        /* its body has come */
    bool is_packed;                       /* and is gzip's */
    bool is_signed;                       /* and has to be held against its signature */
    bool is_preflight;                    /* a browser asks what it may send */
    bool is_masked;                       /* it is answered 200 where Kinesis would refuse it */
    int64_t listing;                      /* that it waits for; 0 = none */
    pp_gateway_batch *batch;              /* that its records are in; NULL = none */
    int64_t first, count;                 /* which of them */
    pinpipe_buf kinds;                    /* of API v3: a format for the key and one for the value of each */
    pp_gateway_stream_call *stream_call;  /* of Kinesis, that it waits for; NULL = none */
    pp_gateway_order *order;              /* of a consumer, that it waits for; NULL = none */
    char methods[PP_GATEWAY_ALLOW_BYTES]; /* of a path of streams or consumers */
} pp_gateway_request;

struct pp_gateway_connection {
    pp_gateway_connection *before, *after; /* in the list of its place */
    pp_gateway_connection *batched_after;  /* of the same batch */
    struct pinpipe_gateway *gateway;
    struct MHD_Connection *handle;
    int socket;
    pp_gateway_place place;
    int64_t due_ms;
    bool is_looked_at; /* its peer had not ended in this place */
    pp_gateway_request request;
};

/** Servers that keep the connections of older certificates; with two more they are what is waited for at
 * once. */
#define PP_GATEWAY_RETIRED_MAX 6

typedef struct pp_gateway_list {
    pp_gateway_connection *first, *last;
} pp_gateway_list;

struct pinpipe_gateway {
    pinpipe_gateway_options options;                    /* as they hold; texts are the buffers below */
    pinpipe_buf address, stages, api_key, allow_origin; /* the last two end with a NUL */
    pinpipe_buf stream_names, tls_certificate, tls_key;
    struct MHD_Daemon *daemon;                          /* takes the connections */
    struct MHD_Daemon *retired[PP_GATEWAY_RETIRED_MAX]; /* takes none any more */
    int retired_count;
    int listening, epoll, wake;
    uint32_t forks; /* at its making */
    atomic_bool is_stopped;
    bool is_draining;
    int64_t now_ms;
    int64_t look_ms;                /* when connections are looked at; INT64_MAX = there is none */
    int64_t block_after_ms;         /* when the producer may be waited for again */
    pinpipe_kafka_config *settings; /* its own, where the caller has none */
    pinpipe_kafka_producer *producer;
    pp_gateway_lookout *lookout;     /* both NULL without brokers */
    pp_gateway_streams *streams;     /* NULL without Kinesis */
    pp_gateway_iam *iam;             /* NULL where requests need no signature */
    pp_gateway_consumers *consumers; /* NULL without brokers, or where none may be */
    pp_gateway_topic **topics;       /* by hash */
    int64_t topic_count;
    pp_gateway_list places[PP_GATEWAY_PLACE_COUNT];
    int64_t listing_waits;       /* requests that wait for a listing */
    pp_gateway_batch *gathering; /* of this turn, or held */
    pp_gateway_batch *under_way, *spare;
    int64_t memory_bytes; /* of requests under way */
    pinpipe_error ended;  /* why the producer has, where it has */
    int64_t counters[PINPIPE_GATEWAY_COUNTER_COUNT];
};

/* ---- connection.c ---- */

/** libmicrohttpd's callbacks. */
enum MHD_Result pp_gateway_handle(void *user, struct MHD_Connection *handle, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **context);
void pp_gateway_connection_note(void *user, struct MHD_Connection *handle, void **context,
                                enum MHD_ConnectionNotificationCode code);
void pp_gateway_request_ended(void *user, struct MHD_Connection *handle, void **context,
                              enum MHD_RequestTerminationCode code);
size_t pp_gateway_target_keep(void *user, struct MHD_Connection *handle, char *text);

/** Counts bytes as a request's until its end; false where there is no room, and it is refused. */
bool pp_gateway_memory_reserve(pinpipe_gateway *gateway, pp_gateway_request *request, int64_t bytes);

/** Goes on with a connection whose request has its answer. */
void pp_gateway_connection_resume(pp_gateway_connection *connection);

/** Cuts who is too slow, and answers what has waited too long. */
void pp_gateway_deadlines_keep(pinpipe_gateway *gateway);

/** The next deadline; INT64_MAX = none. */
int64_t pp_gateway_deadline_next(const pinpipe_gateway *gateway);

/* ---- server.c ---- */

/** Starts the server that takes connections from now on, on the listening socket. Errors: EINVAL certificate
 * and key; ENOMEM; the one that was there before goes on. */
pinpipe_status pp_gateway_daemon_start(pinpipe_gateway *gateway, pinpipe_error *err);

/* ---- certificate.c ---- */

/** Whether a server can be made of the gateway's certificate and key. Errors: EINVAL. */
pinpipe_status pp_gateway_certificate_check(const pinpipe_gateway *gateway, pinpipe_error *err);

/** Whether a connection is of an older certificate, and best ends with its next answer. */
bool pp_gateway_is_retired(const pp_gateway_connection *connection);

/** Writes what the older servers wait for; returns how many there are. */
int pp_gateway_retired_descriptors(int descriptors[PP_GATEWAY_RETIRED_MAX], const pinpipe_gateway *gateway);

/** When they have something to do, at most `most_ms` from now. */
int64_t pp_gateway_retired_due(const pinpipe_gateway *gateway, int64_t most_ms);

/** Lets them serve what they have, and ends those that have nothing left. */
void pp_gateway_retired_move(pinpipe_gateway *gateway);

/** Ends them all; no connection is suspended. */
void pp_gateway_retired_stop(pinpipe_gateway *gateway);

/* ---- topics.c ---- */

/** A topic that need not be looked for; NULL = it has to be. */
pp_gateway_topic *pp_gateway_topic_find(const pinpipe_gateway *gateway, pinpipe_str name);

/** Takes in a listing that has come, and goes on with the requests that wait for it. */
void pp_gateway_listing_take(pinpipe_gateway *gateway);

void pp_gateway_topics_free(pinpipe_gateway *gateway);

/* ---- work.c ---- */

/** A request whose body has come: answered, or on its way. */
void pp_gateway_request_work(pinpipe_gateway *gateway, pp_gateway_connection *connection);

#endif
