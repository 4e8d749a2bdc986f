/* Turns the rows of what is asked of consumers into paths that are found.
 * Never has a path of its own.
 * Rules: gateway/consumers.def. */
#include "gateway/consumer_paths.h"

#if PINPIPE_WITH_GATEWAY

static const pp_gateway_path_row rows[] = {
#define PP_GATEWAY_CONSUMER(action, method, path) {PP_GATEWAY_##method, #method, path},
#include "gateway/consumers.def"
#undef PP_GATEWAY_CONSUMER
};

const pp_gateway_paths pp_gateway_consumer_paths = {rows, PP_GATEWAY_CONSUMER_COUNT};

#endif
