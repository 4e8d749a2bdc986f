/* Turns any bytes into a config and a credentials file, and plans the chain of each profile in them.
 * Never accepts a refusal without a reason, a plan without a start, or a value that is not in the files.
 * Rules: libpinpipe/aws/profiles.h, aws/chain.h; a byte 1 parts the config file from the credentials file. */
#include "fuzz.h"

#include <string.h>

#include "aws/chain.h"
#include "aws/endpoint.h"
#include "base/buffer.h"

static bool is_in(const pp_settings *settings, pinpipe_str value) {
    for (int file = 0; file < 2; file++) {
        const pinpipe_buf *text = &settings->profiles.texts[file];
        if (text->ptr && value.ptr >= text->ptr && value.ptr + value.len <= text->ptr + text->len) {
            return true;
        }
    }
    return value.len == 0;
}

static void profile_plan(pp_settings *settings, const char *name) {
    static const char *const keys[] = {"region", "role_arn", "s3", "services", "aws_access_key_id"};
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_buf text = PINPIPE_BUF_INIT;
    pp_plan plan;
    pp_buf_clear(&settings->profile);
    REQUIRE(pp_buf_append_text(&settings->profile, name, NULL) == PINPIPE_OK);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        pinpipe_str value = pp_settings_profile_get(settings, keys[i]);
        REQUIRE(is_in(settings, value));
        REQUIRE(is_in(settings, pp_profiles_below(value, "endpoint_url")));
    }
    REQUIRE(is_in(settings, pp_settings_endpoint(settings, pp_str("s3"))));
    if (pp_plan_make(&plan, settings, 0, &err) < 0) {
        REQUIRE(err.status == PINPIPE_EAUTH && err.message[0]);
        return;
    }
    REQUIRE(plan.start != PP_START_NONE);
    REQUIRE(plan.role_count >= 0 && plan.role_count <= PP_ROLES_MAX);
    REQUIRE(is_in(settings, plan.secret) && is_in(settings, plan.command));
    for (int32_t i = 0; i < plan.role_count; i++) {
        REQUIRE(plan.roles[i].arn.len && is_in(settings, plan.roles[i].arn));
    }
    REQUIRE(pp_plan_text(&text, &plan, plan.role_count, NULL) == PINPIPE_OK);
    pinpipe_buf_reset(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pp_settings settings = {0};
    const uint8_t *part = size ? memchr(data, 1, size) : NULL;
    size_t first = part ? (size_t)(part - data) : size;
    pinpipe_buf config = PINPIPE_BUF_INIT, credentials = PINPIPE_BUF_INIT;
    REQUIRE(pp_buf_append(&config, data, first, NULL) == PINPIPE_OK);
    REQUIRE(pp_buf_append(&credentials, part ? part + 1 : NULL, part ? size - first - 1 : 0, NULL) ==
            PINPIPE_OK);
    pinpipe_status status = pp_profiles_add(&settings.profiles, &config, PP_PROFILES_CONFIG, "config", &err);
    if (status == PINPIPE_OK) {
        status =
            pp_profiles_add(&settings.profiles, &credentials, PP_PROFILES_CREDENTIALS, "credentials", &err);
    }
    REQUIRE(status == PINPIPE_OK || err.message[0]);
    if (status == PINPIPE_OK) {
        profile_plan(&settings, "default");
        profile_plan(&settings, "a");
        profile_plan(&settings, "base");
    }
    pinpipe_buf_reset(&config);
    pinpipe_buf_reset(&credentials);
    pp_settings_reset(&settings);
    return 0;
}
