/* Turns environment and profiles into the plan by which a key is fetched: where it begins, which roles
 * follow. Never fetches anything and never falls through a place that is configured and wrong: that is its
 * own error. Rules: docs/credentials.md, "The chain"; botocore's order (credentials.py,
 * create_credential_resolver). */
#include "aws/chain.h"

#include <assert.h>
#include <strings.h>

#include "base/buffer.h"
#include "text/number.h"

#define DURATION_MIN_S 900
#define DURATION_MAX_S 43200

/* The plan being made, and the profiles that a chain of roles has gone through. */
typedef struct planner {
    pp_plan *plan;
    const pp_settings *settings;
    uint32_t allowed;
    pinpipe_str visited[PP_ROLES_MAX + 1];
    int32_t visited_count;
    pp_role roles[PP_ROLES_MAX]; /* outermost first */
    int32_t role_count;
} planner;

/* ---- what is written where ---- */

static pinpipe_str variable(const planner *in, pp_environment_id id) {
    return pp_environment_get(&in->settings->environment, id);
}

static pinpipe_str written(const planner *in, pinpipe_str profile, const char *key) {
    return pp_profiles_get(&in->settings->profiles, PP_SECTION_PROFILE, profile, key);
}

static bool is_allowed(const planner *in, pp_start start) {
    return in->allowed == 0 || (in->allowed & PP_START_BIT(start)) != 0;
}

static pinpipe_status profile_fail(pinpipe_str profile, const char *what, pinpipe_str value,
                                   pinpipe_error *err) {
    return pp_fail(err, PINPIPE_EAUTH, "profile '%.*s': %s%s%.*s%s", pp_quote_len(profile.len), profile.ptr,
                   what, value.len ? " '" : "", pp_quote_len(value.len), value.ptr, value.len ? "'" : "");
}

static const pinpipe_str nothing = {"", 0};

pinpipe_str pp_settings_profile_get(const pp_settings *settings, const char *key) {
    return pp_profiles_get(&settings->profiles, PP_SECTION_PROFILE, pp_buf_view(&settings->profile), key);
}

pinpipe_str pp_settings_region(const pp_settings *settings) {
    pp_environment_id set =
        pp_environment_first(&settings->environment, PP_ENV_REGION, PP_ENV_REGION_DEFAULT);
    if (settings->region.len) {
        return pp_buf_view(&settings->region);
    }
    return set < PP_ENV_COUNT ? pp_environment_get(&settings->environment, set)
                              : pp_settings_profile_get(settings, "region");
}

bool pp_settings_bool(pinpipe_str text, bool otherwise) {
    if (text.len == 4 && strncasecmp(text.ptr, "true", 4) == 0) {
        return true;
    }
    return text.len == 5 && strncasecmp(text.ptr, "false", 5) == 0 ? false : otherwise;
}

void pp_settings_reset(pp_settings *settings) {
    pp_environment_reset(&settings->environment);
    pp_profiles_reset(&settings->profiles);
    pinpipe_buf_reset(&settings->profile);
    pinpipe_buf_reset(&settings->region);
    pinpipe_buf_reset(&settings->config_path);
    pinpipe_buf_reset(&settings->credentials_path);
}

/* ---- starts ---- */

static pinpipe_status environment_plan(const planner *in, pinpipe_error *err) {
    pp_plan *plan = in->plan;
    plan->key = variable(in, PP_ENV_KEY_ID);
    plan->secret = variable(in, PP_ENV_SECRET);
    pp_environment_id token =
        pp_environment_first(&in->settings->environment, PP_ENV_TOKEN_FORMER, PP_ENV_TOKEN);
    plan->token = token < PP_ENV_COUNT ? variable(in, token) : nothing;
    plan->account_id = variable(in, PP_ENV_ACCOUNT_ID);
    plan->expiration = variable(in, PP_ENV_EXPIRATION);
    if (!plan->key.len || !plan->secret.len) {
        pp_environment_id has = plan->key.len ? PP_ENV_KEY_ID : PP_ENV_SECRET;
        pp_environment_id lacks = plan->key.len ? PP_ENV_SECRET : PP_ENV_KEY_ID;
        return pp_fail(err, PINPIPE_EAUTH, "half a key: %s is in the environment, %s is not",
                       pp_environment_name(has), pp_environment_name(lacks));
    }
    plan->start = PP_START_ENVIRONMENT;
    return PINPIPE_OK;
}

static bool environment_has_key(const planner *in) {
    return variable(in, PP_ENV_KEY_ID).len > 0 || variable(in, PP_ENV_SECRET).len > 0;
}

static pinpipe_status static_plan(const planner *in, pinpipe_str profile, pinpipe_error *err) {
    pp_plan *plan = in->plan;
    plan->key = written(in, profile, "aws_access_key_id");
    plan->secret = written(in, profile, "aws_secret_access_key");
    plan->token = written(in, profile, "aws_session_token");
    plan->account_id = written(in, profile, "aws_account_id");
    if (!plan->token.len) {
        plan->token = written(in, profile, "aws_security_token");
    }
    if (!plan->key.len || !plan->secret.len) {
        return profile_fail(profile,
                            plan->key.len ? "half a key: aws_secret_access_key is missing"
                                          : "half a key: aws_access_key_id is missing",
                            nothing, err);
    }
    plan->start = PP_START_PROFILE;
    plan->profile = profile;
    return PINPIPE_OK;
}

static bool file_has_key(const planner *in, pp_profiles_file file, pinpipe_str profile) {
    const pp_profiles *all = &in->settings->profiles;
    return pp_profiles_file_has(all, file, profile, "aws_access_key_id") ||
           pp_profiles_file_has(all, file, profile, "aws_secret_access_key");
}

/* A session name may be up to 64 of these; STS says no to anything else without naming it. */
static bool session_name_is_valid(pinpipe_str name) {
    for (size_t i = 0; i < name.len; i++) {
        char byte = name.ptr[i];
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        bool other = byte == '+' || byte == '=' || byte == ',' || byte == '.' || byte == '@' || byte == '-' ||
                     byte == '_';
        if (!letter && !(byte >= '0' && byte <= '9') && !other) {
            return false;
        }
    }
    return name.len == 0 || (name.len >= 2 && name.len <= 64);
}

static pinpipe_status web_identity_plan(const planner *in, pinpipe_str profile, pinpipe_error *err) {
    bool by_environment = !in->settings->profile_given && !profile.len;
    pinpipe_str place = profile.len ? profile : pp_buf_view(&in->settings->profile);
    pinpipe_str values[3] = {{NULL, 0}};
    static const pp_environment_id ids[] = {PP_ENV_WEB_IDENTITY_TOKEN_FILE, PP_ENV_ROLE_ARN,
                                            PP_ENV_ROLE_SESSION_NAME};
    static const char *const keys[] = {"web_identity_token_file", "role_arn", "role_session_name"};
    for (size_t i = 0; i < 3; i++) {
        values[i] = by_environment ? variable(in, ids[i]) : nothing;
        values[i] = values[i].len ? values[i] : written(in, place, keys[i]);
    }
    if (!values[0].len) {
        return PINPIPE_OK;
    }
    if (!values[1].len) {
        return by_environment
                   ? pp_fail(err, PINPIPE_EAUTH,
                             "AWS_WEB_IDENTITY_TOKEN_FILE is set, and no role: neither AWS_ROLE_ARN "
                             "nor role_arn of the profile")
                   : profile_fail(place, "web_identity_token_file without role_arn", nothing, err);
    }
    if (!session_name_is_valid(values[2])) {
        return profile_fail(place, "role session name", values[2], err);
    }
    in->plan->start = PP_START_WEB_IDENTITY;
    in->plan->profile = by_environment && variable(in, PP_ENV_WEB_IDENTITY_TOKEN_FILE).len ? nothing : place;
    in->plan->token_file = values[0];
    in->plan->roles[0] = (pp_role){.arn = values[1], .session_name = values[2], .profile = in->plan->profile};
    in->plan->role_count = 1;
    return PINPIPE_OK;
}

static pinpipe_status sso_plan(const planner *in, pinpipe_str profile, pinpipe_error *err) {
    pp_plan *plan = in->plan;
    const pp_profiles *all = &in->settings->profiles;
    plan->sso_session = written(in, profile, "sso_session");
    plan->sso_start_url = written(in, profile, "sso_start_url");
    plan->sso_region = written(in, profile, "sso_region");
    plan->sso_account_id = written(in, profile, "sso_account_id");
    plan->sso_role_name = written(in, profile, "sso_role_name");
    if (!plan->sso_session.len && !plan->sso_start_url.len) {
        return PINPIPE_OK;
    }
    if (plan->sso_session.len) {
        pinpipe_str session = plan->sso_session;
        if (!pp_profiles_has(all, PP_SECTION_SSO_SESSION, session)) {
            return profile_fail(profile, "no section of its sso_session", session, err);
        }
        plan->sso_start_url = pp_profiles_get(all, PP_SECTION_SSO_SESSION, session, "sso_start_url");
        plan->sso_region = pp_profiles_get(all, PP_SECTION_SSO_SESSION, session, "sso_region");
    }
    const char *missing = !plan->sso_start_url.len    ? "sso_start_url is missing"
                          : !plan->sso_region.len     ? "sso_region is missing"
                          : !plan->sso_account_id.len ? "sso_account_id is missing"
                          : !plan->sso_role_name.len  ? "sso_role_name is missing"
                                                      : NULL;
    if (missing) {
        return profile_fail(profile, missing, nothing, err);
    }
    plan->start = PP_START_SSO;
    plan->profile = profile;
    return PINPIPE_OK;
}

/* What one profile has beside roles, in botocore's order: SSO, the credentials file, a process, the config
 * file. Leaves the plan without a start where it has nothing. */
static pinpipe_status profile_plan(const planner *in, pinpipe_str profile, pinpipe_error *err) {
    pinpipe_status status = is_allowed(in, PP_START_SSO) ? sso_plan(in, profile, err) : PINPIPE_OK;
    if (status < 0 || in->plan->start) {
        return status;
    }
    pinpipe_str command = written(in, profile, "credential_process");
    bool keys_allowed = is_allowed(in, PP_START_PROFILE);
    if (keys_allowed && file_has_key(in, PP_PROFILES_CREDENTIALS, profile)) {
        return static_plan(in, profile, err);
    }
    if (command.len && is_allowed(in, PP_START_PROCESS)) {
        in->plan->start = PP_START_PROCESS;
        in->plan->profile = profile;
        in->plan->command = command;
        in->plan->account_id = written(in, profile, "aws_account_id");
        return PINPIPE_OK;
    }
    return keys_allowed && file_has_key(in, PP_PROFILES_CONFIG, profile) ? static_plan(in, profile, err)
                                                                         : PINPIPE_OK;
}

/* ---- roles ---- */

static bool has_role(const planner *in, pinpipe_str profile) {
    return written(in, profile, "role_arn").len > 0 && !written(in, profile, "web_identity_token_file").len;
}

static pinpipe_status role_take(planner *in, pinpipe_str profile, pinpipe_error *err) {
    if (in->role_count == PP_ROLES_MAX) {
        return profile_fail(profile, "more than 8 roles in a chain", nothing, err);
    }
    pp_role *role = &in->roles[in->role_count];
    *role = (pp_role){.arn = written(in, profile, "role_arn"),
                      .session_name = written(in, profile, "role_session_name"),
                      .external_id = written(in, profile, "external_id"),
                      .profile = profile};
    pinpipe_str duration = written(in, profile, "duration_seconds");
    if (written(in, profile, "mfa_serial").len) {
        return profile_fail(profile, "mfa_serial: a library cannot ask for a code; use credential_process",
                            nothing, err);
    }
    if (duration.len && (pp_number_i64(&role->duration_s, duration) != PP_NUMBER_OK ||
                         role->duration_s < DURATION_MIN_S || role->duration_s > DURATION_MAX_S)) {
        return profile_fail(profile, "duration_seconds, not 900 to 43200:", duration, err);
    }
    if (!session_name_is_valid(role->session_name)) {
        return profile_fail(profile, "role_session_name", role->session_name, err);
    }
    in->role_count++;
    return PINPIPE_OK;
}

static pinpipe_status credential_source_plan(const planner *in, pinpipe_str profile, pinpipe_str source,
                                             pinpipe_error *err) {
    if (pp_str_is(source, "Environment")) {
        return environment_has_key(in)
                   ? environment_plan(in, err)
                   : profile_fail(profile, "credential_source Environment, and no key is there", nothing,
                                  err);
    }
    if (pp_str_is(source, "Ec2InstanceMetadata")) {
        in->plan->start = PP_START_IMDS;
    } else if (pp_str_is(source, "EcsContainer")) {
        in->plan->start = PP_START_CONTAINER;
    } else {
        return profile_fail(profile, "unknown credential_source", source, err);
    }
    if (in->plan->start == PP_START_CONTAINER && !variable(in, PP_ENV_CONTAINER_RELATIVE_URI).len &&
        !variable(in, PP_ENV_CONTAINER_FULL_URI).len) {
        return profile_fail(profile, "credential_source EcsContainer, and no container URI is set", nothing,
                            err);
    }
    return PINPIPE_OK;
}

/* Goes to the profile that the roles begin with. Sets `*end` to it, or makes the start itself. */
static pinpipe_status roles_walk(pinpipe_str *end, planner *in, pinpipe_str profile, pinpipe_error *err) {
    *end = nothing;
    for (;;) {
        for (int32_t i = 0; i < in->visited_count; i++) {
            if (pp_str_equal(in->visited[i], profile)) {
                return profile_fail(profile, "its chain of source_profile loops", nothing, err);
            }
        }
        pinpipe_str source = written(in, profile, "source_profile");
        pinpipe_str named = written(in, profile, "credential_source");
        pinpipe_status status = role_take(in, profile, err);
        if (status < 0) {
            return status;
        }
        if (source.len && named.len) {
            return profile_fail(profile, "both source_profile and credential_source", nothing, err);
        }
        if (!source.len) {
            return named.len ? credential_source_plan(in, profile, named, err)
                             : profile_fail(profile, "role_arn without source_profile or credential_source",
                                            nothing, err);
        }
        if (!pp_profiles_has(&in->settings->profiles, PP_SECTION_PROFILE, source)) {
            return profile_fail(profile, "its source_profile does not exist:", source, err);
        }
        in->visited[in->visited_count++] = profile;
        bool has_keys =
            file_has_key(in, PP_PROFILES_CREDENTIALS, source) || file_has_key(in, PP_PROFILES_CONFIG, source);
        if (has_keys || !has_role(in, source)) {
            *end = source;
            return PINPIPE_OK;
        }
        profile = source;
    }
}

static pinpipe_status roles_plan(planner *in, pinpipe_str profile, pinpipe_error *err) {
    pinpipe_str end = nothing;
    pinpipe_status status = roles_walk(&end, in, profile, err);
    uint32_t allowed = in->allowed;
    in->allowed = 0; /* what a profile names is asked for, whatever the list for the chain says */
    if (status == PINPIPE_OK && end.len) {
        status = web_identity_plan(in, end, err);
    }
    if (status == PINPIPE_OK && end.len && !in->plan->start) {
        status = profile_plan(in, end, err);
    }
    in->allowed = allowed;
    if (status == PINPIPE_OK && !in->plan->start) {
        return profile_fail(end, "it is a source_profile, and has no credentials", nothing, err);
    }
    for (int32_t i = in->role_count; status == PINPIPE_OK && i > 0; i--) {
        if (in->plan->role_count == PP_ROLES_MAX) {
            return profile_fail(profile, "more than 8 roles in a chain", nothing, err);
        }
        in->plan->roles[in->plan->role_count++] = in->roles[i - 1];
    }
    return status;
}

/* ---- the chain ---- */

static pinpipe_status named_profile_check(const planner *in, pinpipe_error *err) {
    const pp_settings *settings = in->settings;
    pinpipe_str name = pp_buf_view(&settings->profile);
    if (!settings->profile_named || pp_profiles_has(&settings->profiles, PP_SECTION_PROFILE, name)) {
        return PINPIPE_OK;
    }
    return pp_fail(err, PINPIPE_EAUTH, "profile '%.*s': it is neither in '%.80s' nor in '%.80s'",
                   pp_quote_len(name.len), name.ptr,
                   settings->config_path.ptr ? settings->config_path.ptr : "",
                   settings->credentials_path.ptr ? settings->credentials_path.ptr : "");
}

static pinpipe_status files_plan(planner *in, pinpipe_error *err) {
    pinpipe_str profile = pp_buf_view(&in->settings->profile);
    pinpipe_status status = named_profile_check(in, err);
    if (status == PINPIPE_OK && has_role(in, profile) && is_allowed(in, PP_START_PROFILE)) {
        status = roles_plan(in, profile, err);
    }
    if (status == PINPIPE_OK && !in->plan->start && is_allowed(in, PP_START_WEB_IDENTITY)) {
        status = web_identity_plan(in, nothing, err);
    }
    return status == PINPIPE_OK && !in->plan->start ? profile_plan(in, profile, err) : status;
}

pinpipe_status pp_plan_make(pp_plan *plan, const pp_settings *settings, uint32_t allowed,
                            pinpipe_error *err) {
    *plan = (pp_plan){0};
    planner in = {.plan = plan, .settings = settings, .allowed = allowed};
    pinpipe_status status = PINPIPE_OK;
    if (!settings->profile_given && is_allowed(&in, PP_START_ENVIRONMENT) && environment_has_key(&in)) {
        return environment_plan(&in, err);
    }
    status = files_plan(&in, err);
    if (status < 0 || plan->start) {
        return status;
    }
    bool container = variable(&in, PP_ENV_CONTAINER_RELATIVE_URI).len > 0 ||
                     variable(&in, PP_ENV_CONTAINER_FULL_URI).len > 0;
    if (container && is_allowed(&in, PP_START_CONTAINER)) {
        plan->start = PP_START_CONTAINER;
    } else if (is_allowed(&in, PP_START_IMDS) &&
               !pp_settings_bool(variable(&in, PP_ENV_IMDS_DISABLED), false)) {
        plan->start = PP_START_IMDS;
    } else {
        status =
            pp_fail(err, PINPIPE_EAUTH,
                    "no credentials: none were given; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a web "
                    "identity and a container are not in the environment; profile '%.*s' has none; the "
                    "instance's are switched off",
                    pp_quote_len(settings->profile.len), settings->profile.ptr);
    }
    return status;
}

/* ---- texts ---- */

typedef struct start_row {
    const char *name, *text;
} start_row;

static const start_row start_rows[] = {
    [PP_START_NONE] = {"none", "none"},
    [PP_START_ENVIRONMENT] = {"environment", "environment"},
    [PP_START_PROFILE] = {"profile", "profile"},
    [PP_START_PROCESS] = {"process", "credential_process of profile"},
    [PP_START_WEB_IDENTITY] = {"web-identity", "web identity"},
    [PP_START_SSO] = {"sso", "SSO of profile"},
    [PP_START_CONTAINER] = {"container", "container"},
    [PP_START_IMDS] = {"imds", "instance (IMDS)"},
};

const char *pp_plan_name(const pp_plan *plan, int32_t roles) {
    int32_t first = plan->start == PP_START_WEB_IDENTITY ? 1 : 0;
    return roles > first ? "assume-role" : start_rows[plan->start].name;
}

pinpipe_status pp_plan_text(pinpipe_buf *out, const pp_plan *plan, int32_t roles, pinpipe_error *err) {
    pinpipe_str profile = plan->profile;
    pinpipe_status status =
        pp_buf_printf(out, err, "%s%s%.*s%s", start_rows[plan->start].text, profile.len ? " '" : "",
                      pp_quote_len(profile.len), profile.ptr, profile.len ? "'" : "");
    for (int32_t i = 0; status == PINPIPE_OK && i < roles; i++) {
        pinpipe_str arn = plan->roles[i].arn;
        status = pp_buf_printf(out, err, ", role %.*s", arn.len > 128 ? 128 : (int)arn.len, arn.ptr);
    }
    return status;
}
