/* Turns a Kinesis producer's records into requests to an API Gateway that stands before Kinesis as its proxy:
 * the road of clients that have no rights on the stream. Never tells a success that the answer's body does
 * not tell. Rules: docs/kinesis.md, "API Gateway"; API Gateway Developer Guide, "Create a REST API as an
 * Amazon Kinesis proxy". */
#ifndef PINPIPE_KINESIS_GATEWAY_H
#define PINPIPE_KINESIS_GATEWAY_H

#include "export.h"
#include "value.h"

PINPIPE_BEGIN_DECLS

/** Whose resources and field names the gateway's mapping templates have. */
typedef enum pinpipe_kinesis_gateway_form {
    PINPIPE_KINESIS_GATEWAY_TUTORIAL = 0, /* Amazon's tutorial: PUT /streams/<stream>/record and /records */
    PINPIPE_KINESIS_GATEWAY_CONSTRUCT = 1 /* aws-apigateway-kinesisstreams of the AWS Solutions Constructs:
                                             POST /record and /records, the stream is the gateway's own */
} pinpipe_kinesis_gateway_form;

/** Which of its resources takes the records. */
typedef enum pinpipe_kinesis_gateway_resource {
    PINPIPE_KINESIS_GATEWAY_RECORDS = 0, /* many a request; data is UTF-8 text */
    PINPIPE_KINESIS_GATEWAY_RECORD = 1   /* one a request; data is a JSON value */
} pinpipe_kinesis_gateway_resource;

/** What is signed. */
typedef enum pinpipe_kinesis_gateway_auth {
    PINPIPE_KINESIS_GATEWAY_AUTH_NONE = 0, /* nothing, but for the API key */
    PINPIPE_KINESIS_GATEWAY_AUTH_IAM = 1   /* every request, for execute-api */
} pinpipe_kinesis_gateway_auth;

/** Where a producer's records go in place of Kinesis itself. Everything is copied; `endpoint` is needed. */
typedef struct pinpipe_kinesis_gateway {
    uint32_t struct_size;
    int32_t form;         /* pinpipe_kinesis_gateway_form */
    pinpipe_str endpoint; /* "https://<api>.execute-api.<region>.amazonaws.com/<stage>" */
    pinpipe_str api_key;  /* x-api-key; a secret; empty = none */
    int32_t resource;     /* pinpipe_kinesis_gateway_resource */
    int32_t auth;         /* pinpipe_kinesis_gateway_auth; key and region are the client's options */
} pinpipe_kinesis_gateway;

#define PINPIPE_KINESIS_GATEWAY_INIT                                                                         \
    { (uint32_t)sizeof(pinpipe_kinesis_gateway), 0, {NULL, 0}, {NULL, 0}, 0, 0 }

/** The name of a form, such as "aws-tutorial"; NULL beyond the last. */
PINPIPE_API const char *pinpipe_kinesis_gateway_form_name(int32_t form);

/** What the gateway's mapping template made of a record, and what to change, in words; NULL = nothing that is
 * known. `sent` is what was written, `stored` what was read back from the stream: no answer tells it. */
PINPIPE_API const char *pinpipe_kinesis_gateway_fault_text(pinpipe_str sent, pinpipe_str stored);

PINPIPE_END_DECLS

#endif
