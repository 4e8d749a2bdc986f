/* Turns the rows of aws/environment.def into one value each.
 * Never reads the environment: io/ fills it, once.
 * Rules: aws/environment.def. */
#ifndef PP_AWS_ENVIRONMENT_H
#define PP_AWS_ENVIRONMENT_H

#include "base/error.h"
#include "pinpipe/value.h"

typedef enum pp_environment_id {
#define PP_ENVIRONMENT(id, name) PP_ENV_##id,
#include "aws/environment.def"
#undef PP_ENVIRONMENT
    PP_ENV_COUNT
} pp_environment_id;

/** What the variables said; an empty value counts as not set. Starts zeroed. */
typedef struct pp_environment {
    pinpipe_buf values[PP_ENV_COUNT];
} pp_environment;

/** The variable's name; static text. */
const char *pp_environment_name(pp_environment_id id);

/** The variable's value, borrowed; empty where it is not set. */
pinpipe_str pp_environment_get(const pp_environment *environment, pp_environment_id id);

/** The first that is set; PP_ENV_COUNT where none is. */
pp_environment_id pp_environment_first(const pp_environment *environment, pp_environment_id first,
                                       pp_environment_id second);

/** Wipes and frees. */
void pp_environment_reset(pp_environment *environment);

#endif
