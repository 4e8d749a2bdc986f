/* Turns a plan into a key: reads what is static, runs what is a process, asks who has to be asked.
 * Never caches a key and never looks for another one when the planned place fails.
 * Rules: docs/credentials.md, "The chain". One thread at a time. */
#ifndef PP_IO_FETCH_H
#define PP_IO_FETCH_H

#include <stdatomic.h>

#include "aws/chain.h"
#include "io/http.h"
#include "io/skew.h"
#include "pinpipe/credentials.h"

/** Largest bodies in bytes. */
#define PP_FETCH_CONTAINER_MAX 10000
#define PP_FETCH_BODY_MAX 65535
#define PP_FETCH_TOKEN_FILE_MAX 65536
/** Timeouts of one request to an instance and to a container, and of a process, in milliseconds. */
#define PP_FETCH_IMDS_MS 1000
#define PP_FETCH_CONTAINER_MS 2000
#define PP_FETCH_PROCESS_MS 60000

/** What tests put in the place of the machine's own. */
typedef struct pp_fetch_tuning {
    const char *container_base;     /* "http://169.254.170.2" */
    int64_t (*wall_ms)(void *user); /* NULL = the machine's clock */
    void *wall_user;
} pp_fetch_tuning;

/** Starts zeroed, with settings, skew and stop set. */
typedef struct pp_fetch {
    const pp_settings *settings;
    pp_plan plan;
    pp_skew *skew;
    const atomic_bool *stop;
    pp_fetch_tuning tuning;
    pinpipe_buf session_name; /* the same for every key, so that brokers see one principal */
    pp_http *http, *local;    /* to services; to container or instance */
    pp_http_answer answer;
    pinpipe_buf body;
    pinpipe_buf imds_token;
    int64_t imds_token_until_ms;
} pp_fetch;

/** Makes the session name, "pinpipe-<host>". Before the first fetch. */
pinpipe_status pp_fetch_name(pp_fetch *fetch, pinpipe_error *err);

/** Fetches the key of `fetch->plan`.
 * Errors: as pinpipe_provider_get, with the place before the text. */
pinpipe_status pp_fetch_key(pinpipe_credentials **out, pp_fetch *fetch, int64_t deadline_ms,
                            pinpipe_error *err);

/** The machine's time in milliseconds, and the same corrected. */
int64_t pp_fetch_wall_ms(const pp_fetch *fetch);
int64_t pp_fetch_now_s(const pp_fetch *fetch);

/** True where the last key serves on when the place does not answer: an instance's. */
bool pp_fetch_is_stable(const pp_fetch *fetch);

/** True where the provider is being freed: nothing is begun any more. */
bool pp_fetch_is_stopped(const pp_fetch *fetch);

/** Wipes and frees. */
void pp_fetch_reset(pp_fetch *fetch);

/* ---- the parts that need HTTP; in a build without it they answer ENOTSUP ---- */

/** Sends and learns the clock from the answer's Date. `client` is one of fetch's two; made when it is NULL.
 */
pinpipe_status pp_fetch_send(pp_fetch *fetch, pp_http **client, const pp_http_options *options,
                             const pp_http_request *request, int64_t timeout_ms, pinpipe_error *err);

pinpipe_status pp_fetch_container(pinpipe_credentials **out, pp_fetch *fetch, int64_t deadline_ms,
                                  pinpipe_error *err);
pinpipe_status pp_fetch_imds(pinpipe_credentials **out, pp_fetch *fetch, int64_t deadline_ms,
                             pinpipe_error *err);
pinpipe_status pp_fetch_sso(pinpipe_credentials **out, pp_fetch *fetch, int64_t deadline_ms,
                            pinpipe_error *err);

/** Assumes role `index` of the plan with `with`; NULL: with the plan's web identity. */
pinpipe_status pp_fetch_role(pinpipe_credentials **out, pp_fetch *fetch, const pinpipe_credentials *with,
                             int32_t index, int64_t deadline_ms, pinpipe_error *err);

#endif
