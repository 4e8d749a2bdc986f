/* Turns the body of a produce request into records of a batch.
 * Never builds a tree: values are cut out of the body and written once.
 * Rules: Confluent REST Proxy API Reference, "API v2". */
#ifndef PP_GATEWAY_PRODUCE_H
#define PP_GATEWAY_PRODUCE_H

#include "gateway/server.h"

/** Puts the request's records into this turn's batch of the topic, or refuses the request. */
void pp_gateway_produce(pinpipe_gateway *gateway, pp_gateway_connection *connection, pp_gateway_topic *topic);

#endif
