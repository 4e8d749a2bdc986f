/* Turns every allocation on the way to a key into a failure, one by one, alone and with all that follow.
 * Never accepts a leak, a crash, or another status than ENOMEM.
 * Rules: docs/architecture.md, "Hygiene"; docs/credentials.md. */
#include "counting_memory.h"

#if PINPIPE_WITH_S3

#include "aws/key_answer.h"
#include "aws/sts.h"
#include "machine.h"
#include "pinpipe/s3.h"

/* Allocations that a job may make at most; a job that makes more has lost its bound. */
#define ALLOCATIONS_MAX 2000

static loopback server;
static char folder[] = "/tmp/pinpipe-torture-XXXXXX";

typedef pinpipe_status (*job_fn)(pinpipe_error *err);

/* A provider from its making to its key, with what the environment has. */
static pinpipe_status provider_job(pinpipe_error *err) {
    pinpipe_provider_options options = PINPIPE_PROVIDER_OPTIONS_INIT;
    pinpipe_provider *provider = NULL;
    pinpipe_credentials *key = NULL;
    pp_fetch_tuning tuning = {.container_base = base, .wall_ms = wall_now};
    options.refresh = PINPIPE_REFRESH_CALLER;
    pinpipe_status status = pp_provider_new(&provider, &options, &tuning, err);
    if (status == PINPIPE_OK) {
        status = pinpipe_provider_get(&key, provider, 10000, err);
    }
    pinpipe_credentials_free(key);
    pinpipe_provider_free(provider);
    return status;
}

static pinpipe_status endpoint_job(pinpipe_error *err) {
    pinpipe_provider *provider = NULL;
    pinpipe_buf out = PINPIPE_BUF_INIT;
    pinpipe_status status = pinpipe_provider_new(&provider, NULL, err);
    if (status == PINPIPE_OK) {
        status = pinpipe_provider_endpoint(&out, provider, pp_str("s3"), err);
    }
    pinpipe_buf_reset(&out);
    pinpipe_provider_free(provider);
    return status;
}

static pinpipe_status s3_job(pinpipe_error *err) {
    pinpipe_s3 *s3 = NULL;
    pinpipe_s3_options options = PINPIPE_S3_OPTIONS_INIT;
    options.endpoint = pp_str("http://127.0.0.1:9");
    pinpipe_status status = pinpipe_s3_new(&s3, &options, err);
    pinpipe_s3_free(s3);
    return status;
}

static pinpipe_status sts_job(pinpipe_error *err) {
    static const char xml[] =
        "<A><B><AssumedRoleUser><Arn>arn:aws:sts::314159265358:x/y/z</Arn></AssumedRoleUser>"
        "<Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
        "<SessionToken>t</SessionToken><Expiration>2026-01-01T06:00:00Z</Expiration>"
        "</Credentials></B></A>";
    pinpipe_credentials *key = NULL;
    pinpipe_status status =
        pp_sts_answer_decode(&key, pp_str(xml), (pp_credentials_source){"assume-role", {NULL, 0}}, err);
    pinpipe_credentials_free(key);
    return status;
}

static pinpipe_status json_job(pinpipe_error *err) {
    pinpipe_credentials *key = NULL;
    pinpipe_status status = pp_key_answer_decode(&key, pp_str(KEY_1), PP_ANSWER_CONTAINER,
                                                 (pp_credentials_source){"container", {NULL, 0}}, err);
    pinpipe_credentials_free(key);
    return status;
}

/* How often the job failed before it had all that it asked for. */
static int64_t job_torture(const char *name, job_fn job, bool keeps_failing) {
    int64_t failed = 0;
    for (int64_t at = 1; at <= ALLOCATIONS_MAX; at++) {
        pinpipe_error err = PINPIPE_ERROR_INIT;
        int64_t held = memory.held;
        memory.requests = memory.failed = 0;
        memory.fail_at = at;
        memory.keeps_failing = keeps_failing;
        pinpipe_status status = job(&err);
        memory.fail_at = 0;
        CHECK_INT(memory.held, held);
        if (!memory.failed) {
            CHECK_INT(status, PINPIPE_OK);
            break;
        }
        if (status != PINPIPE_ENOMEM && status != PINPIPE_OK) {
            fprintf(stderr, "%s: request %lld: %s %s\n", name, (long long)at, pinpipe_status_name(status),
                    err.message);
        }
        /* What is only told, or tried once more, may do without. */
        CHECK(status == PINPIPE_ENOMEM || status == PINPIPE_OK);
        failed++;
    }
    return failed;
}

static void file_write(const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(text, 1, strlen(text), file) == strlen(text));
    if (file) {
        fclose(file);
    }
}

static void variables_set(const char *const *pairs) {
    char config[256];
    environment_begin();
    unsetenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    snprintf(config, sizeof config, "%s/config", folder);
    setenv("AWS_CONFIG_FILE", config, 1);
    setenv("AWS_ENDPOINT_URL_STS", base, 1);
    setenv("AWS_REGION", "eu-west-1", 1);
    for (; *pairs; pairs += 2) {
        setenv(pairs[0], pairs[1], 1);
    }
}

int main(void) {
    static const loopback_answer answers[] = {{.line = "", .status = 200, .body = KEY_1}};
    static const char *const places[][5] = {
        {"AWS_ACCESS_KEY_ID", "AKIA", "AWS_SECRET_ACCESS_KEY", "s", NULL},
        {"AWS_PROFILE", "static", NULL},
        {"AWS_PROFILE", "process", NULL},
        {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/key", NULL},
    };
    memory_watch();
    CHECK(mkdtemp(folder) != NULL);
    file_write("config",
               "[profile static]\naws_access_key_id = AKIA\naws_secret_access_key = s\n"
               "[profile process]\ncredential_process = /bin/echo '{\"Version\":1,\"AccessKeyId\":\"A\","
               "\"SecretAccessKey\":\"s\"}'\n");
    server = (loopback){.answers = answers, .count = 1, .endless = true};
    CHECK(loopback_begin(&server));
    snprintf(base, sizeof base, "http://127.0.0.1:%d", server.port);
    int64_t failed = 0;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        variables_set(places[i]);
        failed +=
            job_torture(places[i][0], provider_job, false) + job_torture(places[i][0], provider_job, true);
    }
    variables_set(places[0]);
    static const job_fn jobs[] = {endpoint_job, s3_job, sts_job, json_job};
    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
        failed += job_torture("job", jobs[i], false) + job_torture("job", jobs[i], true);
    }
    CHECK(failed > 100);
    loopback_end(&server);
    char command[256];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK(system(command) == 0);
    printf("%lld allocations failed on the way to a key\n", (long long)failed);
    return check_report();
}
#else
int main(void) {
    CHECK(1);
    return check_report();
}
#endif
