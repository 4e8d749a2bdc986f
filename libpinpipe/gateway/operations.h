/* Turns the rows of the operations on streams into paths that are found and into what a program is told of
 * them. Never has a path of its own.
 * Rules: gateway/operations.def. */
#ifndef PP_GATEWAY_OPERATIONS_H
#define PP_GATEWAY_OPERATIONS_H

#include "gateway/paths.h"
#include "pinpipe/gateway.h"

typedef enum pp_gateway_operation {
#define PP_GATEWAY_OPERATION(name, method, path, action, text, mapping) PP_GATEWAY_OPERATION_##name,
#include "gateway/operations.def"
#undef PP_GATEWAY_OPERATION
    PP_GATEWAY_OPERATION_COUNT
} pp_gateway_operation;

/** Of streams; a row's number is its pp_gateway_operation. */
extern const pp_gateway_paths pp_gateway_stream_paths;

/** Whether a refusal's code, or what was said of records, asks to come again later. */
bool pp_gateway_is_throttled(pinpipe_str text);

#endif
