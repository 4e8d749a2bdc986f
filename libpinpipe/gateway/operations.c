/* Turns the rows of the operations on streams into paths that are found and into what a program is told of
 * them. Never has a path of its own. Rules: gateway/operations.def. */
#include "gateway/operations.h"

#include <string.h>

#include "base/buffer.h"

typedef struct operation_row {
    pp_gateway_method method;
    pinpipe_gateway_operation told;
} operation_row;

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

static const operation_row rows[] = {
#define PP_GATEWAY_OPERATION(name, method, path, action, text, mapping)                                      \
    {PP_GATEWAY_##method,                                                                                    \
     {#method, path, action, text, mapping,                                                                  \
      PP_GATEWAY_OPERATION_##name == PP_GATEWAY_OPERATION_PUT_RECORDS ? records_template : "",               \
      refusal_template}},
#include "gateway/operations.def"
#undef PP_GATEWAY_OPERATION
};

bool pp_gateway_is_throttled(pinpipe_str text) {
    bool is_one = false;
    for (size_t i = 0; i < sizeof throttles / sizeof throttles[0] && !is_one; i++) {
        is_one = text.len && memmem(text.ptr, text.len, throttles[i], strlen(throttles[i])) != NULL;
    }
    return is_one;
}

pinpipe_gateway_operation pinpipe_gateway_operation_at(int32_t index) {
    return index >= 0 && index < PP_GATEWAY_OPERATION_COUNT ? rows[index].told
                                                            : (pinpipe_gateway_operation){0};
}

bool pp_gateway_path_fits(const char *path, const pinpipe_str *part, int count) {
    int i = 0;
    for (; *path == '/' && i < count; i++) {
        size_t len = strcspn(++path, "/");
        if (*path != '{' && !pp_str_equal(part[i], (pinpipe_str){path, len})) {
            return false;
        }
        path += len;
    }
    return i == count && !*path;
}

uint32_t pp_gateway_operations_of(const pinpipe_str *part, int count) {
    uint32_t found = 0;
    for (int i = 0; i < PP_GATEWAY_OPERATION_COUNT; i++) {
        found |= pp_gateway_path_fits(rows[i].told.path, part, count) ? 1u << i : 0;
    }
    return found;
}

void pp_gateway_operations_allow(char out[PP_GATEWAY_ALLOW_BYTES], uint32_t operations) {
    size_t len = 0;
    for (int i = 0; i < PP_GATEWAY_OPERATION_COUNT; i++) {
        const char *method = rows[i].told.method;
        size_t more = strlen(method) + 2;
        if (operations >> i & 1 && len + more < PP_GATEWAY_ALLOW_BYTES) {
            memcpy(out + len, ", ", 2);
            memcpy(out + len + 2, method, more - 2);
            len += more;
        }
    }
    memmove(out, out + 2, len ? len - 2 : 0);
    out[len ? len - 2 : 0] = '\0';
}

pp_gateway_operation pp_gateway_operation_by(uint32_t operations, pp_gateway_method method) {
    int i = 0;
    while (i < PP_GATEWAY_OPERATION_COUNT && !(operations >> i & 1 && rows[i].method == method)) {
        i++;
    }
    return (pp_gateway_operation)i;
}
