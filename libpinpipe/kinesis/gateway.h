/* Turns a producer's records into the requests of an API Gateway before Kinesis, and its answers into
 * verdicts. Never takes an HTTP status for a success: a gateway masks Kinesis' refusals as 200. Rules:
 * kinesis/gateway.def; docs/kinesis.md, "API Gateway". */
#ifndef PP_KINESIS_GATEWAY_H
#define PP_KINESIS_GATEWAY_H

#include "io/api.h"
#include "kinesis/wire.h"
#include "pinpipe/kinesis_gateway.h"

/** Most bytes of data and keys in a request: a gateway takes 10 MB, with what stands around 500 records. */
#define PP_GATEWAY_BYTES_MAX ((int64_t)9950000)

typedef struct pp_gateway_form {
    const char *name, *method, *before_stream, *one_path, *many_path;
    const char *one_data, *one_key, *list, *item_data, *item_key;
} pp_gateway_form;

/** Starts zeroed: no gateway. */
typedef struct pp_gateway {
    const pp_gateway_form *form; /* NULL: Kinesis itself */
    bool is_single;              /* a request has one record */
    pinpipe_buf path;
} pp_gateway;

struct pp_kinesis_call;
struct pp_request;
struct pinpipe_kinesis_producer;

/** Errors: EINVAL the gateway's options; ENOMEM. */
pinpipe_status pp_gateway_set(pp_gateway *out, const pinpipe_kinesis_gateway *options, pinpipe_str stream,
                              pinpipe_error *err);
void pp_gateway_reset(pp_gateway *gateway);

/** Makes of a record what stands in the request: its data becomes a JSON value in `out`.
 * Errors: EINVAL a hash key, a partition key that a mapping template would break; EDATA data that the
 * resource cannot take; ENOMEM. */
pinpipe_status pp_gateway_record_write(pinpipe_buf *out, pinpipe_kinesis_record *record,
                                       const pp_gateway *gateway, pinpipe_error *err);

/** Writes the request's body. */
pinpipe_status pp_gateway_request_write(struct pinpipe_kinesis_producer *producer, struct pp_request *request,
                                        pinpipe_error *err);

/** Judges a call whose attempt was answered: its status, retry kind, code and error. */
void pp_gateway_judge(struct pp_kinesis_call *call, const struct pinpipe_kinesis *kinesis);

#endif
