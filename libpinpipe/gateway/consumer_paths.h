/* Turns the segments of a path into what it asks of consumers, one action a method.
 * Never looks at headers or body.
 * Rules: gateway/consumers.def. */
#ifndef PP_GATEWAY_CONSUMER_PATHS_H
#define PP_GATEWAY_CONSUMER_PATHS_H

#include "gateway/route.h"

typedef enum pp_gateway_consumer_action {
#define PP_GATEWAY_CONSUMER(action, method, path) PP_GATEWAY_CONSUMER_##action,
#include "gateway/consumers.def"
#undef PP_GATEWAY_CONSUMER
    PP_GATEWAY_CONSUMER_COUNT
} pp_gateway_consumer_action;

/** The actions of a path, a bit each; the stage is taken off. 0 = there is no such path. */
uint32_t pp_gateway_consumer_actions_of(const pinpipe_str *part, int count);

/** Writes their methods as a header Allow has them. */
void pp_gateway_consumer_actions_allow(char out[PP_GATEWAY_ALLOW_BYTES], uint32_t actions);

/** The one with this method; PP_GATEWAY_CONSUMER_COUNT = none. */
pp_gateway_consumer_action pp_gateway_consumer_action_by(uint32_t actions, pp_gateway_method method);

#endif
