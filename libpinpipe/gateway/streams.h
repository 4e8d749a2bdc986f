/* Turns requests on streams into calls of Kinesis, and what it says into their answers.
 * Never answers before Kinesis has, and never tries again by itself: whoever asked does.
 * Rules: docs/gateway.md, "Streams"; reference/kinesis-s3.md §4. */
#ifndef PP_GATEWAY_STREAMS_H
#define PP_GATEWAY_STREAMS_H

#include "gateway/server.h"

/** Makes the client. Errors: EINVAL the wire is not JSON; those of pinpipe_kinesis_new; ENOTSUP. */
pinpipe_status pp_gateway_streams_open(pinpipe_gateway *gateway, pinpipe_error *err);
void pp_gateway_streams_free(pinpipe_gateway *gateway);

/** A request whose body has come: answered, or on its way. */
void pp_gateway_stream_work(pinpipe_gateway *gateway, pp_gateway_connection *connection);

/** Waits as pp_ready_wait does, and for answers of Kinesis. */
bool pp_gateway_streams_wait(uint32_t *ready, pinpipe_gateway *gateway, const int *descriptors, int count,
                             int64_t timeout_ms);

/** Answers the requests whose calls have ended. */
void pp_gateway_streams_move(pinpipe_gateway *gateway);

/** When a call is to be tried again with another key; INT64_MAX = there is none. */
int64_t pp_gateway_streams_due(const pinpipe_gateway *gateway);

/** Gives up the call of a request, if it has one; its answer is another's. */
void pp_gateway_stream_drop(pinpipe_gateway *gateway, pp_gateway_request *request);

/** The same of a request that has waited too long, which is told so. */
void pp_gateway_stream_late(pinpipe_gateway *gateway, pp_gateway_request *request);

#endif
