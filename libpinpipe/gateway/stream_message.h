/* Turns a request on streams into the message that its operation sends to Kinesis.
 * Never makes a tree of the body, never decides what Kinesis itself does.
 * Rules: gateway/operations.def; reference/kinesis-s3.md §4. */
#ifndef PP_GATEWAY_STREAM_MESSAGE_H
#define PP_GATEWAY_STREAM_MESSAGE_H

#include "gateway/operations.h"
#include "gateway/server.h"

/** Writes the message to an emptied `out`, and how many records are in it; false: the request is refused. */
bool pp_gateway_stream_message(pinpipe_buf *out, int64_t *records, pp_gateway_connection *connection,
                               pp_gateway_operation operation);

#endif
