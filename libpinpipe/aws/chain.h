/* Turns environment and profiles into the plan by which a key is fetched: where it begins, which roles
 * follow. Never fetches anything and never falls through a place that is configured and wrong: that is its
 * own error. Rules: docs/credentials.md, "The chain"; botocore's order. */
#ifndef PP_AWS_CHAIN_H
#define PP_AWS_CHAIN_H

#include "aws/environment.h"
#include "aws/profiles.h"

/** Longest chain of roles. */
#define PP_ROLES_MAX 8

/** What the surroundings say; borrowed views point into it. Starts zeroed. */
typedef struct pp_settings {
    pp_environment environment;
    pp_profiles profiles;
    pinpipe_buf profile; /* the name in force: given, AWS_DEFAULT_PROFILE, AWS_PROFILE, "default" */
    pinpipe_buf region;  /* given; empty = what environment and profile say */
    bool profile_given;  /* in code: the environment's key and token file do not count */
    bool profile_named;  /* in code or by the environment: it has to exist */
    pinpipe_buf config_path, credentials_path; /* for texts */
} pp_settings;

typedef enum pp_start {
    PP_START_NONE = 0,
    PP_START_ENVIRONMENT,
    PP_START_PROFILE, /* a static key */
    PP_START_PROCESS,
    PP_START_WEB_IDENTITY,
    PP_START_SSO,
    PP_START_CONTAINER,
    PP_START_IMDS,
} pp_start;

/** Places that may be asked, as bits 1 << pp_start. */
#define PP_START_BIT(start) (UINT32_C(1) << (start))

typedef struct pp_role {
    pinpipe_str arn, session_name, external_id, profile;
    int64_t duration_s; /* 0 = the service's own */
} pp_role;

/** Where a key begins and the roles that are assumed with it, in order. Views into the settings. */
typedef struct pp_plan {
    pp_start start;
    pinpipe_str profile; /* that the start is written in; empty: the environment */
    pinpipe_str key, secret, token, account_id, expiration; /* ENVIRONMENT, PROFILE */
    pinpipe_str command;                                    /* PROCESS */
    pinpipe_str token_file;                                 /* WEB_IDENTITY, with roles[0] */
    pinpipe_str sso_session, sso_start_url, sso_region, sso_account_id, sso_role_name; /* SSO */
    pp_role roles[PP_ROLES_MAX];
    int32_t role_count;
} pp_plan;

/** The plan of the default chain; `allowed` are the places that may be asked (0 = all). IMDS at the end is
 * planned without knowing whether it is there.
 * Errors: EAUTH a place is configured and wrong, half filled, loops, or nothing at all is configured. */
pinpipe_status pp_plan_make(pp_plan *plan, const pp_settings *settings, uint32_t allowed, pinpipe_error *err);

/** Appends the plan in one line without a secret: "profile 'a', role arn:…". */
pinpipe_status pp_plan_text(pinpipe_buf *out, const pp_plan *plan, int32_t roles, pinpipe_error *err);

/** The name that pinpipe_credentials_name has for a plan of that many roles; static text. */
const char *pp_plan_name(const pp_plan *plan, int32_t roles);

/** The value of a key of the profile in force; borrowed. */
pinpipe_str pp_settings_profile_get(const pp_settings *settings, const char *key);

/** The region: given, AWS_REGION, AWS_DEFAULT_REGION, the profile's; empty where there is none. */
pinpipe_str pp_settings_region(const pp_settings *settings);

/** Reads "true" and "false" in any case; everything else is `otherwise`. */
bool pp_settings_bool(pinpipe_str text, bool otherwise);

/** Wipes and frees. */
void pp_settings_reset(pp_settings *settings);

#endif
