/* Turns the rows of aws/environment.def into one value each.
 * Never keeps a value after its reset: secrets are among them.
 * Rules: aws/environment.def. */
#include "aws/environment.h"

#include <assert.h>

#include "base/buffer.h"

static const char *const names[] = {
#define PP_ENVIRONMENT(id, name) name,
#include "aws/environment.def"
#undef PP_ENVIRONMENT
};

const char *pp_environment_name(pp_environment_id id) {
    assert(id < PP_ENV_COUNT);
    return names[id];
}

pinpipe_str pp_environment_get(const pp_environment *environment, pp_environment_id id) {
    assert(id < PP_ENV_COUNT);
    return pp_buf_view(&environment->values[id]);
}

pp_environment_id pp_environment_first(const pp_environment *environment, pp_environment_id first,
                                       pp_environment_id second) {
    if (environment->values[first].len) {
        return first;
    }
    return environment->values[second].len ? second : PP_ENV_COUNT;
}

void pp_environment_reset(pp_environment *environment) {
    for (size_t i = 0; i < PP_ENV_COUNT; i++) {
        pp_buf_reset_secret(&environment->values[i]);
    }
}
