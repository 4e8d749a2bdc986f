/* Turns records into the body of one request, and keeps the place of each, so that some can be sent again.
 * Never takes a value that is not JSON, and never grows beyond the size of a request.
 * Rules: Confluent REST Proxy API Reference, "API v2", POST /topics/(topic_name); RFC 8259. */
#ifndef PP_REST_BODY_H
#define PP_REST_BODY_H

#include "base/error.h"
#include "pinpipe/kafka_rest.h"

/** One record of a body. */
typedef struct pp_rest_part {
    int64_t number; /* of the record */
    uint32_t at;    /* its place in the text */
    uint32_t len;
    bool is_kept;    /* its result is */
    bool may_repeat; /* an earlier attempt may have written it */
    bool is_again;   /* it is to be sent again */
} pp_rest_part;

/** {"records":[…, the tail once it is whole. Starts zeroed, is used again after a clear. */
typedef struct pp_rest_body {
    pinpipe_buf text;
    pp_rest_part *parts;
    int64_t count, cap;
    bool is_whole;
} pp_rest_body;

/** Adds a record. AGAIN: the body has no room for it. Errors: EDATA value or key is not one JSON value;
 * ELIMIT a record that no body of `max_bytes` has room for; ENOMEM. The body stays as it was. */
pinpipe_status pp_rest_body_add(pp_rest_body *body, const pinpipe_kafka_rest_record *record,
                                int64_t max_bytes, pinpipe_error *err);

/** Writes the end; nothing is added after it. */
void pp_rest_body_end(pp_rest_body *body);

/** Leaves the records that are marked is_again. */
void pp_rest_body_again(pp_rest_body *body);

void pp_rest_body_clear(pp_rest_body *body);
void pp_rest_body_reset(pp_rest_body *body);

#endif
