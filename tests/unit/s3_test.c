/* Turns options of the S3 client into the URLs that it will ask, and a build without S3 into ENOTSUP.
 * Never opens a connection.
 * Rules: docs/s3.md, "Endpoint and region". */
#include "check.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "pinpipe/s3.h"
#include "s3/client.h"
#include "secret_search.h"

static pinpipe_error err = PINPIPE_ERROR_INIT;
static const char secret[] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

static void environment_clear(void) {
    static const char *const names[] = {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL",  "AWS_REGION",
                                        "AWS_DEFAULT_REGION",  "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",   "AWS_CA_BUNDLE"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unsetenv(names[i]);
    }
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    setenv("AWS_CONFIG_FILE", "/dev/null/none", 1); /* whoever runs this has profiles of their own */
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null/none", 1);
}

static pinpipe_status client_open(pinpipe_s3 **out, const char *endpoint, const char *region,
                                  int32_t addressing) {
    pinpipe_credentials *key = NULL;
    pinpipe_credentials_options parts = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    parts.access_key_id = pp_str("AKID");
    parts.secret_access_key = pp_str(secret);
    CHECK_INT(pinpipe_credentials_new(&key, &parts, &err), PINPIPE_OK);
    pinpipe_s3_options options = PINPIPE_S3_OPTIONS_INIT;
    options.credentials = key;
    options.endpoint = pp_str(endpoint);
    options.region = pp_str(region);
    options.addressing = addressing;
    pinpipe_status status = pinpipe_s3_new(out, &options, &err);
    pinpipe_credentials_free(key);
    return status;
}

#if PINPIPE_WITH_S3
static void test_addresses(void) {
    static const struct {
        const char *endpoint, *region;
        int32_t addressing;
        const char *bucket, *key, *url;
    } cases[] = {
        {"", "eu-west-1", 0, "bucket", "a b/c", "https://bucket.s3.eu-west-1.amazonaws.com/a%20b/c"},
        {"", "eu-west-1", 0, "a.bucket", "k", "https://s3.eu-west-1.amazonaws.com/a.bucket/k"},
        {"", "eu-west-1", 0, "Bucket", "", "https://s3.eu-west-1.amazonaws.com/Bucket"},
        {"", "eu-west-1", 1, "bucket", "k", "https://s3.eu-west-1.amazonaws.com/bucket/k"},
        {"", "cn-north-1", 0, "bucket", "", "https://bucket.s3.cn-north-1.amazonaws.com.cn/"},
        {"", "eusc-de-east-1", 1, "bucket", "", "https://s3.eusc-de-east-1.amazonaws.eu/bucket"},
        {"http://Store:80/", "", 0, "bucket", "//k", "http://store/bucket///k"},
        {"https://[::1]:9000/prefix/", "", 0, "bucket", "+", "https://[::1]:9000/prefix/bucket/%2B"},
        {"http://store:9000", "", 2, "bucket", "k", "http://bucket.store:9000/k"},
        {"http://store:9000", "", 2, "a.b", "k", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pinpipe_s3 *s3 = NULL;
        pinpipe_buf url = PINPIPE_BUF_INIT;
        CHECK_INT(client_open(&s3, cases[i].endpoint, cases[i].region, cases[i].addressing), PINPIPE_OK);
        pp_s3_call call = {.name = {pp_str(cases[i].bucket), pp_str(cases[i].key)}, .query = ""};
        if (s3 && cases[i].url) {
            CHECK_INT(pp_s3_url_write(&url, s3, &call, &err), PINPIPE_OK);
            CHECK_TEXT(url.ptr, url.len, cases[i].url);
        } else if (s3) {
            CHECK_INT(pp_s3_url_write(&url, s3, &call, &err), PINPIPE_EINVAL);
        }
        pinpipe_buf_reset(&url);
        pinpipe_s3_free(s3);
    }
}

static void test_refused_options(void) {
    static const struct {
        const char *endpoint, *region;
        int32_t addressing;
        const char *named;
    } cases[] = {
        {"", "", 0, "AWS_REGION"},
        {"store:9000", "", 0, "endpoint"},
        {"http://a@store", "", 0, "endpoint"},
        {"http://s/?x", "", 0, "query"},
        {"http://s", "EU", 0, "EU"},
        {"http://s", "", 7, "addressing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pinpipe_s3 *s3 = NULL;
        CHECK_INT(client_open(&s3, cases[i].endpoint, cases[i].region, cases[i].addressing), PINPIPE_EINVAL);
        CHECK(strstr(err.message, cases[i].named) != NULL);
        CHECK(s3 == NULL);
    }
    pinpipe_s3 *s3 = NULL;
    pinpipe_s3_options options = PINPIPE_S3_OPTIONS_INIT;
    options.endpoint = pp_str("http://store");
    CHECK_INT(pinpipe_s3_new(&s3, &options, &err), PINPIPE_EAUTH);
    CHECK(strstr(err.message, "AWS_ACCESS_KEY_ID") != NULL);
}
#else
static void test_addresses(void) {
    pinpipe_s3 *s3 = NULL;
    CHECK_INT(client_open(&s3, "http://store", "", 0), PINPIPE_ENOTSUP);
    CHECK(strstr(err.message, "S3") != NULL);
}

static void test_refused_options(void) {
    pinpipe_buf out = PINPIPE_BUF_INIT;
    pinpipe_s3_list *list = NULL;
    const pinpipe_s3_name name = {{"b", 1}, {"k", 1}};
    CHECK_INT(pinpipe_s3_object_put(NULL, name, pp_str("x"), NULL, 0, &err), PINPIPE_ENOTSUP);
    CHECK_INT(pinpipe_s3_object_get(&out, NULL, name, 0, 0, &err), PINPIPE_ENOTSUP);
    CHECK_INT(pinpipe_s3_object_delete(NULL, name, 0, &err), PINPIPE_ENOTSUP);
    CHECK_INT(pinpipe_s3_bucket_put(NULL, name.bucket, 0, &err), PINPIPE_ENOTSUP);
    CHECK_INT(pinpipe_s3_bucket_delete(NULL, name.bucket, 0, &err), PINPIPE_ENOTSUP);
    CHECK_INT(pinpipe_s3_list_new(&list, NULL, NULL, &err), PINPIPE_ENOTSUP);
}
#endif

int main(void) {
    secret_add(secret);
    secret_search_begin();
    environment_clear();
    test_addresses();
    test_refused_options();
    secret_search_end();
    return check_report();
}
