/* Turns environment and files, read once, into settings.
 * Never fails for a file that is not there, nor for a home that may not be looked into.
 * Rules: aws/environment.def; docs/credentials.md, "Profiles". */
#include "io/settings.h"

#include <errno.h>
#include <string.h>

#include "aws/endpoint.h"
#include "base/buffer.h"
#include "base/log.h"
#include "io/env.h"
#include "io/file.h"

pinpipe_status pp_settings_home_path(pinpipe_buf *out, const pp_settings *settings, const char *name,
                                     pinpipe_error *err) {
    pinpipe_str home = pp_environment_get(&settings->environment, PP_ENV_HOME);
    return home.len ? pp_buf_printf(out, err, "%.*s/.aws/%s", (int)home.len, home.ptr, name) : PINPIPE_OK;
}

static pinpipe_status path_set(pinpipe_buf *out, const pp_settings *settings, pp_environment_id id,
                               const char *name, pinpipe_error *err) {
    pinpipe_str given = pp_environment_get(&settings->environment, id);
    pinpipe_str home = pp_environment_get(&settings->environment, PP_ENV_HOME);
    if (!given.len) {
        return pp_settings_home_path(out, settings, name, err);
    }
    if (given.len >= 2 && given.ptr[0] == '~' && given.ptr[1] == '/') {
        return pp_buf_printf(out, err, "%.*s%s", (int)home.len, home.ptr, given.ptr + 1);
    }
    return pp_buf_append(out, given.ptr, given.len, err);
}

/* A file that is not there is empty; so is the usual one in a home that belongs to somebody else. */
static pinpipe_status file_take(pp_settings *settings, pp_profiles_file file, const pinpipe_buf *path,
                                bool usual, pinpipe_error *err) {
    pinpipe_buf text = PINPIPE_BUF_INIT;
    pp_file_mode mode = PP_FILE_PRIVATE;
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    size_t max = file == PP_PROFILES_CONFIG ? PP_PROFILES_CONFIG_MAX : PP_PROFILES_CREDENTIALS_MAX;
    if (!path->len) {
        return PINPIPE_OK;
    }
    pinpipe_status status = pp_file_read(&text, path->ptr, max, &mode, &cause);
    bool absent =
        status == PINPIPE_ENOTFOUND || cause.native_code == ENOTDIR || (usual && cause.native_code == EACCES);
    if (absent) {
        pp_buf_reset_secret(&text);
        return PINPIPE_OK;
    }
    if (status < 0) {
        pp_buf_reset_secret(&text);
        return pp_fail_service(err, status, "", cause.native_code, "%s", cause.message);
    }
    if (file == PP_PROFILES_CREDENTIALS && mode == PP_FILE_OPEN) {
        pp_log(PP_LOG_WARNING, "credentials", "'%.200s' may be read or written by others", path->ptr);
    }
    return pp_profiles_add(&settings->profiles, &text, file, path->ptr, err);
}

static pinpipe_status profile_set(pp_settings *out, pinpipe_str profile, pinpipe_error *err) {
    pp_environment_id set = pp_environment_first(&out->environment, PP_ENV_PROFILE_DEFAULT, PP_ENV_PROFILE);
    out->profile_given = profile.len > 0;
    out->profile_named = out->profile_given || set < PP_ENV_COUNT;
    if (!profile.len) {
        profile = set < PP_ENV_COUNT ? pp_environment_get(&out->environment, set) : pp_str("default");
    }
    return pp_buf_append(&out->profile, profile.ptr, profile.len, err);
}

pinpipe_status pp_settings_load(pp_settings *out, pinpipe_str profile, pinpipe_str region,
                                pinpipe_error *err) {
    pinpipe_status status = pp_env_take(&out->environment, err);
    if (status == PINPIPE_OK) {
        status = profile_set(out, profile, err);
    }
    if (status == PINPIPE_OK) {
        status = path_set(&out->config_path, out, PP_ENV_CONFIG_FILE, "config", err);
    }
    if (status == PINPIPE_OK) {
        status = path_set(&out->credentials_path, out, PP_ENV_CREDENTIALS_FILE, "credentials", err);
    }
    return status == PINPIPE_OK ? pp_buf_append(&out->region, region.ptr, region.len, err) : status;
}

pinpipe_status pp_settings_endpoint_write(pinpipe_buf *out, const pp_settings *settings, pinpipe_str service,
                                          pinpipe_error *err) {
    pinpipe_str own = pp_settings_endpoint(settings, service);
    pp_endpoint_query query = {service, pp_settings_region(settings), pp_settings_variants(settings)};
    pp_buf_clear(out);
    if (own.len) {
        return pp_buf_append(out, own.ptr, own.len, err);
    }
    if (!query.region.len) {
        return pp_fail(
            err, PINPIPE_EINVAL,
            "no region: none was given, AWS_REGION and AWS_DEFAULT_REGION are not set, and the profile "
            "has none");
    }
    return pp_endpoint_compute(out, &query, err);
}

pinpipe_status pp_settings_read(pp_settings *settings, pinpipe_error *err) {
    bool usual = !pp_environment_get(&settings->environment, PP_ENV_CONFIG_FILE).len;
    pinpipe_status status = file_take(settings, PP_PROFILES_CONFIG, &settings->config_path, usual, err);
    if (status == PINPIPE_OK) {
        usual = !pp_environment_get(&settings->environment, PP_ENV_CREDENTIALS_FILE).len;
        status = file_take(settings, PP_PROFILES_CREDENTIALS, &settings->credentials_path, usual, err);
    }
    return status;
}
