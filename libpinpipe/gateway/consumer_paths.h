/* Turns the rows of what is asked of consumers into paths that are found.
 * Never has a path of its own.
 * Rules: gateway/consumers.def. */
#ifndef PP_GATEWAY_CONSUMER_PATHS_H
#define PP_GATEWAY_CONSUMER_PATHS_H

#include "gateway/paths.h"

typedef enum pp_gateway_consumer_action {
#define PP_GATEWAY_CONSUMER(action, method, path) PP_GATEWAY_CONSUMER_##action,
#include "gateway/consumers.def"
#undef PP_GATEWAY_CONSUMER
    PP_GATEWAY_CONSUMER_COUNT
} pp_gateway_consumer_action;

/** A row's number is its pp_gateway_consumer_action. */
extern const pp_gateway_paths pp_gateway_consumer_paths;

#endif
