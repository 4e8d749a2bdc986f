/* Turns requests to one HTTP API into attempts: with its key, signed where it wants IAM, many at once.
 * Never repeats a request by itself: whoever made it says whether, and with what body.
 * Rules: API Gateway Developer Guide, "Control and manage access to REST APIs"; docs/credentials.md,
 * "Retries". */
#ifndef PP_IO_API_H
#define PP_IO_API_H

#include "io/flight.h"
#include "io/provider.h"
#include "io/retry.h"

#define PP_API_HEADERS 16
#define PP_API_KEY_MAX 1024
#define PP_API_WORDS 96
#define PP_API_KEY_WAIT_MS 10000

typedef struct pp_api_options {
    pinpipe_str endpoint;             /* "https://host:port/stage"; final slashes do not count */
    pinpipe_str api_key;              /* x-api-key; empty = none */
    const char *service;              /* that requests are signed for; NULL = they are not signed */
    pinpipe_str region;               /* of signatures; empty = the host name's, else the provider's */
    const pinpipe_provider *provider; /* NULL = the default chain where requests are signed */
    pinpipe_str ca_file;              /* empty = AWS_CA_BUNDLE, the system's */
    int64_t connect_timeout_ms;
    int32_t attempts_max;
} pp_api_options;

/** One thread at a time; in a forked child every call answers EFORK. */
typedef struct pp_api pp_api;

typedef struct pp_api_request {
    const char *method;
    pinpipe_str path; /* behind the endpoint, encoded, with its '/' */
    const char *content_type;
    const char *accept;
    const char *target; /* X-Amz-Target; NULL = none */
    pinpipe_str body;
    pinpipe_buf *out; /* takes the body of a 2xx answer */
    size_t out_max;
    int32_t buffer_bytes; /* as pp_http_request has it */
    pp_http_answering answering;
    int64_t timeout_ms; /* of the attempt */
} pp_api_request;

/** One request under way, or between two attempts. The caller's: zeroed at first, and in its place while it
 * is under way, with all that the request points to. */
typedef struct pp_api_attempt {
    pp_flight_request wire;
    pinpipe_header headers[PP_API_HEADERS];
    pinpipe_buf url;
    pinpipe_credentials *key; /* what it was signed with */
    int64_t applied_ms;       /* and the clock's correction */
    int64_t begun_ms;
    pp_retry_call tries;
    bool is_renewed, is_corrected; /* key or clock, each once a call */
} pp_api_attempt;

/** Where requests are signed, waits up to PP_API_KEY_WAIT_MS for the first key: later ones are fetched before
 * they are needed. Errors: EINVAL the endpoint, the API key, no region; of pinpipe_provider_new and _get;
 * ENOMEM. */
pinpipe_status pp_api_new(pp_api **out, const pp_api_options *options, pinpipe_error *err);
void pp_api_free(pp_api *api);

/** The endpoint in its one spelling, without a final slash; and what stands in it behind the host. */
pinpipe_str pp_api_endpoint(const pp_api *api);
pinpipe_str pp_api_stage(const pp_api *api);

/** What people paste: the whole URL of a `resource`, such as "/topics/<topic>", or Amazon's by http. Errors:
 * EINVAL. */
pinpipe_status pp_api_endpoint_check(const pp_api *api, const char *resource, pinpipe_error *err);

/** What the endpoint lacks where the gateway itself refuses with `http_status`; NULL = nothing. */
const char *pp_api_missing(const pp_api *api, int32_t http_status);

/** Begins one attempt. Errors: of the provider, the signer and the flight. */
pinpipe_status pp_api_start(pp_api_attempt *attempt, pp_api *api, const pp_api_request *request,
                            pinpipe_error *err);

/** Moves all attempts until one has ended; as pp_flight_wait. */
pinpipe_status pp_api_wait(pp_api *api, int64_t wait_ms, pinpipe_error *err);

/** The same with descriptors of the caller's beside them; as pp_flight_wait_with. */
pinpipe_status pp_api_wait_with(pp_api *api, pp_flight_others *others, int64_t wait_ms, pinpipe_error *err);

/** The attempt failed with `kind`: true where another may begin after `*pause_ms`. */
bool pp_api_again(int64_t *pause_ms, pp_api *api, pp_api_attempt *attempt, pp_retry_kind kind);

/** The attempt succeeded. */
void pp_api_done(pp_api *api, pp_api_attempt *attempt);

/** The next attempt will be another request's first. */
void pp_api_attempt_clear(pp_api_attempt *attempt);

/** True where `text` holds the API key, or the session token of the attempt. */
bool pp_api_is_secret(const pp_api *api, const pp_api_attempt *attempt, pinpipe_str text);

/** Writes the inside of a JSON text as one short plain text with a colon and a blank behind; "" where there
 * is none, or where it holds a secret. */
void pp_api_words(char out[PP_API_WORDS], const pp_api *api, const pp_api_attempt *attempt,
                  pinpipe_str inside);

/** Gives up an attempt that may be under way. */
void pp_api_stop(pp_api *api, pp_api_attempt *attempt);

/** Stops, and frees what the attempt holds. */
void pp_api_attempt_reset(pp_api *api, pp_api_attempt *attempt);

#endif
