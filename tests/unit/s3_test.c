/* Turns options of the S3 client into the URLs that it will ask and signs for others, and a build without S3
 * into ENOTSUP. Never opens a connection.
 * Rules: docs/s3.md, "Endpoint and region", "Links". */
#include "check.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "io/clock.h"
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

static pinpipe_credentials *key_open(const char *token) {
    pinpipe_credentials *key = NULL;
    pinpipe_credentials_options parts = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    parts.access_key_id = pp_str("AKIAIOSFODNN7EXAMPLE");
    parts.secret_access_key = pp_str(secret);
    parts.session_token = pp_str(token);
    CHECK_INT(pinpipe_credentials_new(&key, &parts, &err), PINPIPE_OK);
    return key;
}

static pinpipe_status client_open(pinpipe_s3 **out, const char *endpoint, const char *region,
                                  int32_t addressing) {
    pinpipe_credentials *key = key_open("");
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
    options.struct_size = 0;
    CHECK_INT(pinpipe_s3_new(&s3, &options, &err), PINPIPE_EINVAL);
}

/* ---- links ---- */

/* Signs at `time_s` of the client's corrected clock, however long this machine sleeps in between. */
static pinpipe_status sign_at(pinpipe_buf *url, pinpipe_s3 *s3, pinpipe_s3_name name,
                              const pinpipe_s3_sign_options *options, int64_t time_s) {
    pp_skew *skew = pp_provider_skew(s3->provider);
    pinpipe_status status = PINPIPE_OK;
    bool is_late = true;
    atomic_store(&skew->forced, true);
    while (is_late) {
        atomic_store(&skew->offset_ms, time_s * 1000 - pp_clock_wall_ms());
        status = pinpipe_s3_object_sign(url, s3, name, options, 0, &err);
        is_late = pinpipe_provider_time_s(s3->provider) != time_s;
    }
    return status;
}

/* The worked example of the S3 API Reference, "Authenticating Requests: Using Query Parameters". */
static void test_link_of_the_reference(void) {
    pinpipe_s3 *s3 = NULL;
    pinpipe_buf url = PINPIPE_BUF_INIT;
    pinpipe_s3_sign_options options = PINPIPE_S3_SIGN_OPTIONS_INIT;
    const pinpipe_s3_name name = {pp_str("examplebucket"), pp_str("test.txt")};
    options.expires_s = 86400;
    CHECK_INT(client_open(&s3, "https://s3.amazonaws.com", "us-east-1", PINPIPE_S3_ADDRESSING_HOST),
              PINPIPE_OK);
    CHECK_INT(sign_at(&url, s3, name, &options, 1369353600), PINPIPE_OK);
    CHECK_TEXT(url.ptr, url.len,
               "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
               "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
               "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
               "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
    pinpipe_buf_reset(&url);
    pinpipe_s3_free(s3);
}

/* What the signer makes of `plain` by itself. */
static void link_check(const pinpipe_buf *url, const char *plain, const char *region, const char *token,
                       const pinpipe_s3_sign_options *wanted) {
    pinpipe_sign_request request = PINPIPE_SIGN_REQUEST_INIT;
    pinpipe_sign_options options = PINPIPE_SIGN_OPTIONS_INIT;
    pinpipe_signature *signature = NULL;
    pinpipe_credentials *key = key_open(token);
    request.method = wanted && wanted->method.len ? wanted->method : pp_str("GET");
    request.url = pp_str(plain);
    options.form = PINPIPE_SIGN_QUERY;
    options.service = pp_str("s3");
    options.region = pp_str(region);
    options.time_s = 1700000000;
    options.expires_s = wanted ? wanted->expires_s : 3600;
    CHECK_INT(pinpipe_request_sign(&signature, &request, key, &options, &err), PINPIPE_OK);
    pinpipe_str expected = pinpipe_signature_url(signature);
    CHECK_TEXT(url->ptr, url->len, expected.ptr);
    pinpipe_signature_free(signature);
    pinpipe_credentials_free(key);
}

static void test_links(void) {
    static const struct {
        const char *endpoint, *region;
        int32_t addressing;
        const char *bucket, *key, *token, *payer, *method, *learned, *signed_for, *plain;
    } cases[] = {
        {"http://store:9000", "", 0, "b", "a b+c/%&?#=~é'", "", "", "", "", "us-east-1",
         "http://store:9000/b/a%20b%2Bc/%25%26%3F%23%3D~%C3%A9%27"},
        {"http://store:9000/prefix", "", 0, "b", "//a/../.", "to/ken+=", "", "", "", "us-east-1",
         "http://store:9000/prefix/b///a/../."},
        {"", "eu-west-1", 0, "bucket", "k", "", "", "PUT", "", "eu-west-1",
         "https://bucket.s3.eu-west-1.amazonaws.com/k"},
        {"", "eu-west-1", 0, "a.bucket", "k", "token", "requester", "HEAD", "", "eu-west-1",
         "https://s3.eu-west-1.amazonaws.com/a.bucket/k?"
         "x-amz-expected-bucket-owner=111122223333&x-amz-request-payer=requester"},
        {"", "eu-west-1", 0, "bucket", "k", "", "", "", "ap-south-1", "ap-south-1",
         "https://bucket.s3.ap-south-1.amazonaws.com/k"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pinpipe_s3 *s3 = NULL;
        pinpipe_buf url = PINPIPE_BUF_INIT;
        pinpipe_credentials *key = key_open(cases[i].token);
        pinpipe_s3_options options = PINPIPE_S3_OPTIONS_INIT;
        pinpipe_s3_sign_options wanted = PINPIPE_S3_SIGN_OPTIONS_INIT;
        const pinpipe_s3_name name = {pp_str(cases[i].bucket), pp_str(cases[i].key)};
        wanted.method = pp_str(cases[i].method);
        wanted.expires_s = 60;
        options.credentials = key;
        options.endpoint = pp_str(cases[i].endpoint);
        options.region = pp_str(cases[i].region);
        options.request_payer = pp_str(cases[i].payer);
        options.expected_owner = pp_str(cases[i].payer[0] ? "111122223333" : "");
        options.encryption = pp_str("AES256"); /* whoever has the link cannot send it */
        CHECK_INT(pinpipe_s3_new(&s3, &options, &err), PINPIPE_OK);
        if (cases[i].learned[0]) {
            CHECK(pp_s3_place_learn(s3, name.bucket, pp_str(cases[i].learned)));
        }
        CHECK_INT(sign_at(&url, s3, name, &wanted, 1700000000), PINPIPE_OK);
        link_check(&url, cases[i].plain, cases[i].signed_for, cases[i].token, &wanted);
        if (!cases[i].method[0]) { /* the buffer is used again */
            CHECK_INT(sign_at(&url, s3, name, NULL, 1700000000), PINPIPE_OK);
            link_check(&url, cases[i].plain, cases[i].signed_for, cases[i].token, NULL);
        }
        pinpipe_buf_reset(&url);
        pinpipe_s3_free(s3);
        pinpipe_credentials_free(key);
    }
}

static void test_refused_links(void) {
    static const struct {
        const char *bucket, *key, *method;
        int64_t expires_s, timeout_ms;
        const char *named;
    } cases[] = {
        {"b", "", "", 0, 0, "key"},    {"b/c", "k", "", 0, 0, "bucket"},    {"b", "k", "get", 0, 0, "'get'"},
        {"b", "k", "", -1, 0, "-1 s"}, {"b", "k", "", 604801, 0, "604801"}, {"b", "k", "", 0, -1, "timeout"},
    };
    pinpipe_s3 *s3 = NULL;
    pinpipe_buf url = PINPIPE_BUF_INIT;
    const pinpipe_s3_name right = {pp_str("b"), pp_str("k")};
    CHECK_INT(client_open(&s3, "http://store", "", 0), PINPIPE_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pinpipe_s3_sign_options options = PINPIPE_S3_SIGN_OPTIONS_INIT;
        const pinpipe_s3_name name = {pp_str(cases[i].bucket), pp_str(cases[i].key)};
        options.method = pp_str(cases[i].method);
        options.expires_s = cases[i].expires_s;
        CHECK_INT(pinpipe_s3_object_sign(&url, s3, right, NULL, 0, &err), PINPIPE_OK);
        CHECK_INT(pinpipe_s3_object_sign(&url, s3, name, &options, cases[i].timeout_ms, &err),
                  PINPIPE_EINVAL);
        CHECK(strstr(err.message, cases[i].named) != NULL);
        CHECK_INT(url.len, 0);
    }
    pinpipe_s3_sign_options sizeless = {0};
    CHECK_INT(pinpipe_s3_object_sign(&url, s3, right, &sizeless, 0, &err), PINPIPE_EINVAL);
    pid_t child = fork();
    if (child == 0) {
        _exit(pinpipe_s3_object_sign(&url, s3, right, NULL, 0, NULL) == PINPIPE_EFORK ? 0 : 1);
    }
    int status = 1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_INT(status, 0);
    pinpipe_buf_reset(&url);
    pinpipe_s3_free(s3);
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
    CHECK_INT(pinpipe_s3_object_sign(&out, NULL, name, NULL, 0, &err), PINPIPE_ENOTSUP);
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
#if PINPIPE_WITH_S3
    test_link_of_the_reference();
    test_links();
    test_refused_links();
#endif
    secret_search_end();
    return check_report();
}
