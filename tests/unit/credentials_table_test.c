/* Turns tests/vectors/credentials/cases.json into runs of the chain: environment, files, recorded answers,
 * and what must come of them. Never asks anything but the loopback address; the clock stands where a case
 * puts it. Rules: tests/vectors/credentials/README.md; each case names its rule of docs/credentials.md. */
#include "check.h"

#if PINPIPE_WITH_S3

#include <errno.h>
#include <jansson.h>
#include <sys/stat.h>

#include "aws/credentials.h"
#include "base/buffer.h"
#include "io/provider.h"
#include "pinpipe/s3.h"
#include "loopback.h"
#include "secret_search.h"
#include "text/time_text.h"

#define ANSWERS_MAX 16
#define TEXT_MAX 65536
#define CASES PINPIPE_SOURCE_DIR "/tests/vectors/credentials/cases.json"

static char folder[] = "/tmp/pinpipe-credentials-XXXXXX";
static loopback server;
static int64_t wall_ms;

/* Every secret that the cases use; none of it may be in freed memory, in a log line or in an error. */
static const char *const secrets[] = {"answer/Secret0123456789",
                                      "answer-token-0123456789",
                                      "role/Secret0123456789",
                                      "role-token-0123456789==",
                                      "process/Secret0123456789",
                                      "process-token-0123",
                                      "imds-session-token",
                                      "sso-bearer-token",
                                      "sso/Secret",
                                      "sso-token",
                                      "shared/secret",
                                      "console/Secret",
                                      "static-secret",
                                      "env/Secret+0123456789abcdefghijklmnopqrst"};

/* Texts of one case with {base} and {dir} filled in. */
static char *kept[1024];
static int kept_count;

static int64_t wall_now(void *user) {
    (void)user;
    return wall_ms;
}

static const char *filled(const char *text) {
    char *out = malloc(TEXT_MAX);
    size_t len = 0;
    for (; *text && len + 256 < TEXT_MAX;) {
        if (strncmp(text, "{base}", 6) == 0) {
            len += (size_t)sprintf(out + len, "http://127.0.0.1:%d", server.port);
            text += 6;
        } else if (strncmp(text, "{dir}", 5) == 0) {
            len += (size_t)sprintf(out + len, "%s", folder);
            text += 5;
        } else {
            out[len++] = *text++;
        }
    }
    out[len] = '\0';
    kept[kept_count++] = out;
    return out;
}

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? filled(text) : "";
}

static void environment_set(const json_t *one) {
    for (int id = 0; id < PP_ENV_COUNT; id++) {
        unsetenv(pp_environment_name((pp_environment_id)id));
    }
    setenv("HOME", folder, 1);
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(json_object_get(one, "env"), name, value) {
        setenv(name, filled(json_string_value(value)), 1);
    }
}

static void file_write(const char *name, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    for (char *slash = strchr(path + strlen(folder) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        CHECK(mkdir(path, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    if (file) {
        fwrite(text, 1, strlen(text), file);
        fclose(file);
    }
}

static void files_set(const json_t *one) {
    char command[256];
    snprintf(command, sizeof command, "rm -rf %s/* %s/.aws", folder, folder);
    CHECK(system(command) == 0);
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(json_object_get(one, "files"), name, value) {
        file_write(name, filled(json_string_value(value)));
    }
}

static loopback_answer answers[ANSWERS_MAX];

static void answers_set(const json_t *one) {
    const json_t *list = json_object_get(one, "answers");
    memset(answers, 0, sizeof answers);
    server.count = (int)json_array_size(list);
    server.answers = answers;
    server.endless = false;
    atomic_store(&server.requests, 0);
    atomic_store(&server.wrong, 0);
    server.note[0] = '\0';
    for (int i = 0; i < server.count && i < ANSWERS_MAX; i++) {
        const json_t *entry = json_array_get(list, (size_t)i);
        const json_t *has = json_object_get(entry, "has");
        answers[i].line = text_of(entry, "line");
        answers[i].status = (int)json_integer_value(json_object_get(entry, "status"));
        answers[i].delay_ms = (int)json_integer_value(json_object_get(entry, "delay_ms"));
        answers[i].body = text_of(entry, "body");
        answers[i].headers = text_of(entry, "headers");
        answers[i].lacks = json_object_get(entry, "lacks") ? text_of(entry, "lacks") : NULL;
        for (size_t k = 0; k < json_array_size(has) && k < LOOPBACK_HAS_MAX; k++) {
            answers[i].has[k] = filled(json_string_value(json_array_get(has, k)));
        }
    }
}

static bool view_is(pinpipe_str view, const json_t *step, const char *key) {
    return !json_object_get(step, key) || pp_str_is(view, text_of(step, key));
}

static bool expiry_is(int64_t expires_s, const json_t *step) {
    int64_t time_us = 0;
    if (!json_object_get(step, "expires")) {
        return true;
    }
    return pp_time_parse(&time_us, pp_str(text_of(step, "expires"))) && expires_s == time_us / 1000000;
}

static bool key_fits(const pinpipe_credentials *key, const json_t *step) {
    return view_is(pinpipe_credentials_key_id(key), step, "key") &&
           view_is(pinpipe_credentials_secret(key), step, "secret") &&
           view_is(pinpipe_credentials_token(key), step, "token") &&
           view_is(pinpipe_credentials_account_id(key), step, "account") &&
           view_is(pp_str(pinpipe_credentials_name(key)), step, "source") &&
           strstr(pinpipe_credentials_text(key).ptr, text_of(step, "text")) &&
           expiry_is(pinpipe_credentials_expires_s(key), step);
}

/* One expectation: a key, or an error by status and words. */
static bool step_holds(pinpipe_status status, const pinpipe_credentials *key, const pinpipe_error *err,
                       const json_t *step, const char *name) {
    const char *wanted = text_of(step, "error");
    bool good = wanted[0] ? status < 0 && strcmp(pinpipe_status_name(status), wanted) == 0 &&
                                strstr(err->message, text_of(step, "says"))
                          : status == PINPIPE_OK && key && key_fits(key, step);
    if (!good) {
        fprintf(stderr, "%s: %s %s; key %s of %s\n", name, pinpipe_status_name(status),
                status < 0 ? err->message : "", key ? pinpipe_credentials_key_id(key).ptr : "-",
                key ? pinpipe_credentials_text(key).ptr : "-");
    }
    return good;
}

static void steps_run(pinpipe_provider *provider, const json_t *steps, const char *name) {
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *step = json_array_get(steps, i);
        pinpipe_error err = PINPIPE_ERROR_INIT;
        pinpipe_credentials *key = NULL;
        wall_ms += 1000 * json_integer_value(json_object_get(step, "advance_s"));
        const char *name_of_file = NULL;
        json_t *text = NULL;
        json_object_foreach(json_object_get(step, "files"), name_of_file, text) {
            file_write(name_of_file, filled(json_string_value(text)));
        }
        pinpipe_status status = pinpipe_provider_get(&key, provider, 0, &err);
        if (json_is_true(json_object_get(step, "again"))) {
            pinpipe_credentials_free(key); /* the get before only set off the renewal */
            status = pinpipe_provider_get(&key, provider, 0, &err);
        }
        CHECK(step_holds(status, key, &err, step, name));
        secret_line(status < 0 ? err.message : pinpipe_credentials_text(key).ptr);
        if (json_is_true(json_object_get(step, "refused"))) {
            pp_provider_expire(provider, key); /* a service said ExpiredToken */
        }
        pinpipe_credentials_free(key);
    }
}

static pinpipe_status callback_key(pinpipe_credentials **out, void *user, pinpipe_error *err) {
    const json_t *one = user;
    pinpipe_credentials_options parts = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    parts.access_key_id = pp_str(text_of(one, "key"));
    parts.secret_access_key = pp_str(text_of(one, "secret"));
    parts.expires_s = json_integer_value(json_object_get(one, "expires_s"));
    return pp_credentials_new(out, &parts, (pp_credentials_source){"callback", {NULL, 0}}, err);
}

static void case_run(const json_t *one) {
    const char *name = json_string_value(json_object_get(one, "name"));
    const json_t *given = json_object_get(one, "options");
    const json_t *steps = json_object_get(one, "then");
    const json_t *callback = json_object_get(given, "callback");
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_provider *provider = NULL;
    pinpipe_credentials *fixed = NULL;
    char base[64];
    snprintf(base, sizeof base, "http://127.0.0.1:%d", server.port);
    wall_ms = INT64_C(1767225600000); /* 2026-01-01 */
    environment_set(one);
    files_set(one);
    answers_set(one);
    pinpipe_provider_options options = PINPIPE_PROVIDER_OPTIONS_INIT;
    pp_fetch_tuning tuning = {.container_base = base, .wall_ms = wall_now};
    options.profile = pp_str(text_of(given, "profile"));
    options.region = pp_str(text_of(given, "region"));
    options.csv_path = pp_str(text_of(given, "csv"));
    options.sources = (uint32_t)json_integer_value(json_object_get(given, "sources"));
    options.refresh = PINPIPE_REFRESH_CALLER;
    if (callback) {
        options.callback = callback_key;
        options.callback_user = (void *)(uintptr_t)callback;
    }
    if (json_object_get(given, "static")) {
        pinpipe_credentials_options parts = PINPIPE_CREDENTIALS_OPTIONS_INIT;
        parts.access_key_id = pp_str(text_of(given, "static"));
        parts.secret_access_key = pp_str("static-secret");
        CHECK_INT(pinpipe_credentials_new(&fixed, &parts, &err), PINPIPE_OK);
        options.credentials = fixed;
    }
    pinpipe_status status = pp_provider_new(&provider, &options, &tuning, &err);
    if (status < 0) {
        secret_line(err.message);
        CHECK(step_holds(status, NULL, &err, json_array_get(steps, 0), name));
    } else {
        steps_run(provider, steps, name);
    }
    pinpipe_provider_free(provider);
    pinpipe_credentials_free(fixed);
    loopback_idle(&server);
    if (server.wrong || server.requests != server.count) {
        fprintf(stderr, "%s: %d of %d requests; %s\n", name, server.requests, server.count, server.note);
    }
    CHECK_INT(server.wrong, 0);
    CHECK_INT(server.requests, server.count);
    while (kept_count) {
        free(kept[--kept_count]);
    }
}

/* A key and its token on their way to a store that fails, refuses, and answers. */
static void calls_run(void) {
    static const loopback_answer said[] = {
        {.line = "GET /bucket/key ", .status = 500, .body = "", .has = {"x-amz-security-token: "}},
        {.line = "GET /bucket/key ", .status = 200, .body = "content"},
        {.line = "PUT /bucket/key ",
         .status = 403,
         .body = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"}};
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_credentials *key = NULL;
    pinpipe_s3 *s3 = NULL;
    pinpipe_buf out = PINPIPE_BUF_INIT;
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", server.port);
    pinpipe_credentials_options parts = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    parts.access_key_id = pp_str("AKIDEXAMPLE");
    parts.secret_access_key = pp_str(secrets[0]);
    parts.session_token = pp_str(secrets[1]);
    CHECK_INT(pinpipe_credentials_new(&key, &parts, &err), PINPIPE_OK);
    server.answers = said;
    server.count = 3;
    atomic_store(&server.requests, 0);
    pinpipe_s3_options options = PINPIPE_S3_OPTIONS_INIT;
    const pinpipe_s3_name name = {pp_str("bucket"), pp_str("key")};
    options.credentials = key;
    options.endpoint = pp_str(url);
    CHECK_INT(pinpipe_s3_new(&s3, &options, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_s3_object_get(&out, s3, name, 0, 10000, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_s3_object_put(s3, name, pp_str("x"), NULL, 10000, &err), PINPIPE_EAUTH);
    secret_line(err.message);
    pinpipe_buf_reset(&out);
    pinpipe_s3_free(s3);
    pinpipe_credentials_free(key);
    loopback_idle(&server);
}

/* The search itself sees what it is to see. */
static void search_check(void) {
    CHECK(secret_count("xanswer/Secret0123", 18) >= 9);
    CHECK(secret_count("answer%2FSecret", 15) > 0);
    CHECK(secret_count("eHhhbnN3ZXIvU2VjcmV0MDEyMzQ1Njc4OQ==", 36) > 0); /* base64 behind two bytes */
}

int main(int count, char **arguments) {
    json_error_t error;
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        secret_add(secrets[i]);
    }
    secret_search_begin();
    json_t *cases = json_load_file(CASES, 0, &error);
    CHECK(cases != NULL);
    CHECK(mkdtemp(folder) != NULL);
    CHECK(loopback_begin(&server));
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i);
        if (count < 2 || strstr(json_string_value(json_object_get(one, "name")), arguments[1])) {
            case_run(one);
        }
    }
    calls_run();
    search_check();
    loopback_end(&server);
    char command[256];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK(system(command) == 0);
    printf("%zu cases of the credential chain\n", json_array_size(cases));
    secret_search_end();
    CHECK_INT(secret_blocks, 0);
    CHECK(secret_bytes_searched > 1000000);
    CHECK(secret_lines > 100);
    json_decref(cases);
    return check_report();
}
#else
int main(void) {
    CHECK(1);
    return check_report();
}
#endif
