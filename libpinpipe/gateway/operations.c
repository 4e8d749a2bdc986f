/* Turns the rows of the operations on streams into paths that are found and into what a program is told of
 * them. Never has a path of its own. Rules: gateway/operations.def. */
#include "gateway/operations.h"

#include <string.h>

#include "base/buffer.h"

static const char *const throttles[] = {
#define PP_GATEWAY_THROTTLE(text) text,
#include "gateway/operations.def"
#undef PP_GATEWAY_THROTTLE
};

/* What API Gateway answers: `text` is the variable that tells why. */
#define PP_GATEWAY_THROTTLE(text) " || $why.contains('" text "')"
#define SET_STATUS(status) "#set($context.responseOverride.status = " status ")"
static const char refusal_template[] = "#set($why = $input.path('$.__type'))#if(false"
#include "gateway/operations.def"
                                       ")" SET_STATUS("429") "#end$input.json('$')";
static const char records_template[] =
    "#set($why = $input.json('$'))"
    "#if($input.path('$.FailedRecordCount') == $input.path('$.Records').size())"
    "#if(false"
#include "gateway/operations.def"
    ")" SET_STATUS("429") "#else" SET_STATUS("500") "#end#end$why";
#undef PP_GATEWAY_THROTTLE

static const pinpipe_gateway_operation operations[] = {
#define PP_GATEWAY_OPERATION(name, method, path, action, text, mapping)                                      \
    {                                                                                                        \
        #method,                                                                                             \
        path,                                                                                                \
        action,                                                                                              \
        text,                                                                                                \
        mapping,                                                                                             \
        PP_GATEWAY_OPERATION_##name == PP_GATEWAY_OPERATION_PUT_RECORDS ? records_template : "",             \
        refusal_template},
#include "gateway/operations.def"
#undef PP_GATEWAY_OPERATION
};

static const pp_gateway_path_row rows[] = {
#define PP_GATEWAY_OPERATION(name, method, path, action, text, mapping) {PP_GATEWAY_##method, #method, path},
#include "gateway/operations.def"
#undef PP_GATEWAY_OPERATION
};

const pp_gateway_paths pp_gateway_stream_paths = {rows, PP_GATEWAY_OPERATION_COUNT};

bool pp_gateway_is_throttled(pinpipe_str text) {
    bool is_one = false;
    for (size_t i = 0; i < sizeof throttles / sizeof throttles[0] && !is_one; i++) {
        is_one = text.len && memmem(text.ptr, text.len, throttles[i], strlen(throttles[i])) != NULL;
    }
    return is_one;
}

pinpipe_gateway_operation pinpipe_gateway_operation_at(int32_t index) {
    return index >= 0 && index < PP_GATEWAY_OPERATION_COUNT ? operations[index]
                                                            : (pinpipe_gateway_operation){0};
}
