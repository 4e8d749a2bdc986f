/* Turns requests on consumers into orders for threads that have one consumer each, and what they say into
 * answers. Never makes the server's thread wait for a broker. Rules: docs/gateway.md, "Consumers". */
#ifndef PP_GATEWAY_CONSUMERS_H
#define PP_GATEWAY_CONSUMERS_H

#include "gateway/server.h"

/** Copies the settings; no instance is made. Errors: ENOMEM. */
pinpipe_status pp_gateway_consumers_open(pinpipe_gateway *gateway, pinpipe_error *err);

/** Lets every instance leave its group, all at once: within about 5 s. NULL is allowed. */
void pp_gateway_consumers_free(pp_gateway_consumers *consumers);

/** A request whose body has come: answered, or on its way. */
void pp_gateway_consumer_work(pinpipe_gateway *gateway, pp_gateway_connection *connection);

/** Answers the requests whose orders are done, and ends instances that nobody has used for long. */
void pp_gateway_consumers_move(pinpipe_gateway *gateway);

/** When instances are looked at; INT64_MAX = there are none. */
int64_t pp_gateway_consumers_due(const pinpipe_gateway *gateway);

/** Gives up the order of a request, if it has one; its answer is another's. */
void pp_gateway_order_drop(pp_gateway_request *request);

#endif
