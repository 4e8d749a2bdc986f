/* Turns the segments of a path into what it asks of consumers, one action a method.
 * Never has a path of its own.
 * Rules: gateway/consumers.def. */
#include "gateway/consumer_paths.h"

#if PINPIPE_WITH_GATEWAY

#include <string.h>

#include "gateway/operations.h"

static const struct {
    pp_gateway_method method;
    const char *text, *path;
} rows[] = {
#define PP_GATEWAY_CONSUMER(action, method, path) {PP_GATEWAY_##method, #method, path},
#include "gateway/consumers.def"
#undef PP_GATEWAY_CONSUMER
};

uint32_t pp_gateway_consumer_actions_of(const pinpipe_str *part, int count) {
    uint32_t found = 0;
    for (int i = 0; i < PP_GATEWAY_CONSUMER_COUNT; i++) {
        found |= pp_gateway_path_fits(rows[i].path, part, count) ? 1u << i : 0;
    }
    return found;
}

void pp_gateway_consumer_actions_allow(char out[PP_GATEWAY_ALLOW_BYTES], uint32_t actions) {
    size_t len = 0;
    for (int i = 0; i < PP_GATEWAY_CONSUMER_COUNT; i++) {
        size_t more = strlen(rows[i].text);
        if (actions >> i & 1 && len + more + sizeof ", " <= PP_GATEWAY_ALLOW_BYTES) {
            memcpy(out + len, ", ", len ? 2 : 0);
            len += len ? 2 : 0;
            memcpy(out + len, rows[i].text, more);
            len += more;
        }
    }
    out[len] = '\0';
}

pp_gateway_consumer_action pp_gateway_consumer_action_by(uint32_t actions, pp_gateway_method method) {
    int i = 0;
    while (i < PP_GATEWAY_CONSUMER_COUNT && !(actions >> i & 1 && rows[i].method == method)) {
        i++;
    }
    return (pp_gateway_consumer_action)i;
}

#endif
