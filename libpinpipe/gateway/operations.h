/* Turns the segments of a path into the operations on streams that it has, one a method.
 * Never looks at headers or body.
 * Rules: gateway/operations.def. */
#ifndef PP_GATEWAY_OPERATIONS_H
#define PP_GATEWAY_OPERATIONS_H

#include "gateway/route.h"
#include "pinpipe/gateway.h"

typedef enum pp_gateway_operation {
#define PP_GATEWAY_OPERATION(name, method, path, action, text, mapping) PP_GATEWAY_OPERATION_##name,
#include "gateway/operations.def"
#undef PP_GATEWAY_OPERATION
    PP_GATEWAY_OPERATION_COUNT
} pp_gateway_operation;

/** Whether a refusal's code, or what was said of records, asks to come again later. */
bool pp_gateway_is_throttled(pinpipe_str text);

/** Whether segments are those of a path, such as "/streams/{stream-name}"; one in braces stands for any. */
bool pp_gateway_path_fits(const char *path, const pinpipe_str *part, int count);

/** The operations of a path, a bit each; the stage is taken off. 0 = there is no such path. */
uint32_t pp_gateway_operations_of(const pinpipe_str *part, int count);

/** Writes their methods as a header Allow has them. */
void pp_gateway_operations_allow(char out[PP_GATEWAY_ALLOW_BYTES], uint32_t operations);

/** The one with this method; PP_GATEWAY_OPERATION_COUNT = none. */
pp_gateway_operation pp_gateway_operation_by(uint32_t operations, pp_gateway_method method);

#endif
