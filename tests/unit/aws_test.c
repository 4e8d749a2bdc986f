/* Turns the pure parts of the wire wing (URIs, canonical pieces, credentials, errors) into checks.
 * Never touches a socket, a file or the environment.
 * Rules: docs/signing.md; the worked example is AWS's own, "GET Object" of the S3 API's signing chapter. */
#include "check.h"

#include "aws/canonical.h"
#include "aws/credentials.h"
#include "aws/uri.h"
#include "aws/xml.h"
#include "base/buffer.h"
#include "io/retry.h"
#include "pinpipe/sign.h"
#include "s3/error.h"
#include "secret_search.h"

static pinpipe_error err = PINPIPE_ERROR_INIT;
static const char secret[] = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

static void test_uri(void) {
    pinpipe_buf out = PINPIPE_BUF_INIT;
    CHECK_INT(pp_uri_encode(&out, pp_str("a b/~é+"), PP_SLASH_KEPT, &err), PINPIPE_OK);
    CHECK_TEXT(out.ptr, out.len, "a%20b/~%C3%A9%2B");
    pp_buf_clear(&out);
    CHECK_INT(pp_uri_encode(&out, pp_str("/="), PP_SLASH_ENCODED, &err), PINPIPE_OK);
    CHECK_TEXT(out.ptr, out.len, "%2F%3D");
    pp_buf_clear(&out);
    CHECK_INT(pp_uri_decode(&out, pp_str("a%20b+%2f%zz%4"), PP_PLUS_KEPT, &err), PINPIPE_OK);
    CHECK_TEXT(out.ptr, out.len, "a b+/%zz%4");
    pp_buf_clear(&out);
    CHECK_INT(pp_uri_decode(&out, pp_str("a+b%2B"), PP_PLUS_IS_BLANK, &err), PINPIPE_OK);
    CHECK_TEXT(out.ptr, out.len, "a b+");
    pinpipe_buf_reset(&out);
}

static void test_url(void) {
    static const struct {
        const char *url, *host, *path, *query;
    } good[] = {
        {"https://Example.COM:443/a?b=c", "example.com", "/a", "b=c"},
        {"http://example.com:80", "example.com", "", ""},
        {"http://example.com:443/", "example.com:443", "/", ""},
        {"HTTPS://[::1]:4566//x/?", "[::1]:4566", "//x/", ""},
        {"http://h?x=/y", "h", "", "x=/y"},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        pp_url url;
        pinpipe_buf host = PINPIPE_BUF_INIT;
        CHECK_INT(pp_url_split(&url, pp_str(good[i].url), &err), PINPIPE_OK);
        CHECK_INT(pp_url_host(&host, &url, &err), PINPIPE_OK);
        CHECK_TEXT(host.ptr, host.len, good[i].host);
        CHECK_TEXT(url.path.ptr, url.path.len, good[i].path);
        CHECK_TEXT(url.query.ptr, url.query.len, good[i].query);
        pinpipe_buf_reset(&host);
    }
    static const char *const bad[] = {"",
                                      "ftp://h/",
                                      "https://",
                                      "https:///x",
                                      "https://:80/",
                                      "https://a@h/",
                                      "https://h/#f",
                                      "https://h/\n",
                                      "//h/",
                                      "https://h h/",
                                      "https://h\x7f/",
                                      "https://h\xc3\xa9/"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pp_url url;
        CHECK_INT(pp_url_split(&url, pp_str(bad[i]), &err), PINPIPE_EINVAL);
    }
}

static void test_path(void) {
    pinpipe_buf scratch = PINPIPE_BUF_INIT;
    static const struct {
        const char *path, *normalized, *plain;
    } cases[] = {
        {"", "/", "/"},
        {"/", "/", "/"},
        {"//", "/", "//"},
        {"/a/..", "/", "/a/.."},
        {"/a/b/../..", "/", "/a/b/../.."},
        {"/../../a", "/a", "/../../a"},
        {"/./a//b/", "/a/b/", "/./a//b/"},
        {"/a/.", "/a", "/a/."},
        {"/a%3Ab", "/a%253Ab", "/a%3Ab"},
        {"/%7Ex", "/%257Ex", "/~x"},
        {"/...", "/...", "/..."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pinpipe_buf out = PINPIPE_BUF_INIT;
        CHECK_INT(pp_canonical_path(&out, &scratch, pp_str(cases[i].path),
                                    PP_PATH_ENCODE_AGAIN | PP_PATH_NORMALIZE, &err),
                  PINPIPE_OK);
        CHECK_TEXT(out.ptr, out.len, cases[i].normalized);
        pp_buf_clear(&out);
        CHECK_INT(pp_canonical_path(&out, &scratch, pp_str(cases[i].path), PP_PATH_PLAIN, &err), PINPIPE_OK);
        CHECK_TEXT(out.ptr, out.len, cases[i].plain);
        pinpipe_buf_reset(&out);
    }
    pinpipe_buf_reset(&scratch);
}

static void test_query(void) {
    pp_pairs query = {0};
    pinpipe_buf out = PINPIPE_BUF_INIT;
    const char *text = "b=2&a-1=x&a=%7e&a&&a=+&k=v=w";
    CHECK_INT(pp_pairs_reserve(&query, 16, 256, &err), PINPIPE_OK);
    CHECK_INT(pp_query_parse(&query, pp_str(text), &err), PINPIPE_OK);
    pp_query_sort(&query);
    CHECK_INT(pp_buf_reserve(&out, pp_pairs_text_max(&query), PP_BUF_MAX, &err), PINPIPE_OK);
    pp_query_write(&out, &query);
    CHECK_TEXT(out.ptr, out.len, "a=&a=%20&a=~&a-1=x&b=2&k=v%3Dw");
    CHECK_INT(pp_query_parse(&query, pp_str("x=1&x-amz-%44ate=1"), &err), PINPIPE_EINVAL);
    CHECK(strstr(err.message, "X-Amz-Date") != NULL);
    pinpipe_buf_reset(&out);
    pp_pairs_reset(&query);
}

static void test_headers(void) {
    pp_pairs headers = {0};
    pinpipe_buf out = PINPIPE_BUF_INIT;
    const pinpipe_header given[] = {{pp_str("X-B"), pp_str("  two \t words ")},
                                    {pp_str("a-b"), pp_str("1")},
                                    {pp_str("A"), pp_str("\"x   y\"")},
                                    {pp_str("x-b"), pp_str("")}};
    CHECK_INT(pp_pairs_reserve(&headers, 4, 128, &err), PINPIPE_OK);
    for (size_t i = 0; i < 4; i++) {
        CHECK_INT(pp_header_check(given[i], &err), PINPIPE_OK);
        pp_headers_add(&headers, given[i]);
    }
    pp_headers_sort(&headers);
    CHECK_INT(pp_buf_reserve(&out, pp_pairs_text_max(&headers), PP_BUF_MAX, &err), PINPIPE_OK);
    pp_headers_write(&out, &headers);
    CHECK_TEXT(out.ptr, out.len, "a:\"x y\"\na-b:1\nx-b:two words,\n");
    pp_buf_clear(&out);
    pp_headers_write_names(&out, &headers);
    CHECK_TEXT(out.ptr, out.len, "a;a-b;x-b");
    pinpipe_buf_reset(&out);
    pp_pairs_reset(&headers);
    static const char *const bad[] = {"", "a b", "a:b", "\xc3\xa9", "a\r"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_INT(pp_header_check((pinpipe_header){pp_str(bad[i]), pp_str("x")}, &err), PINPIPE_EINVAL);
    }
    CHECK_INT(pp_header_check((pinpipe_header){pp_str("a"), pp_str("x\r\ny: z")}, &err), PINPIPE_EINVAL);
    CHECK_INT(pp_header_check((pinpipe_header){pp_str("a"), {"\0", 1}}, &err), PINPIPE_EINVAL);
}

/* Walks the table itself: a row that is added is tested without a line here. */
static void test_header_tables(void) {
    static const char *const never[] = {
#define PP_NEVER_SIGNED(name) name,
#include "aws/sign.def"
#undef PP_NEVER_SIGNED
    };
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s", never[i]);
        size_t len = strlen(name);
        if (name[len - 1] == '*') {
            memcpy(name + len - 1, "rest", 5);
        }
        CHECK(pp_header_never_signed(pp_str(name)));
        name[0] = (char)(name[0] - ('a' - 'A'));
        CHECK(pp_header_never_signed(pp_str(name)));
        CHECK(
            !pp_header_never_signed((pinpipe_str){name, strlen(name) - (never[i][len - 1] == '*' ? 5 : 1)}));
    }
    CHECK(!pp_header_never_signed(pp_str("host")));
    CHECK(!pp_header_never_signed(pp_str("x-amz-date")));
    static const char *const refused[] = {
#define PP_REFUSED_HEADER(name) name,
#include "aws/sign.def"
#undef PP_REFUSED_HEADER
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        CHECK_INT(pp_header_check((pinpipe_header){pp_str(refused[i]), pp_str("x")}, &err), PINPIPE_EINVAL);
        CHECK(strstr(err.message, refused[i]) != NULL);
    }
    static const char *const parameters[] = {
#define PP_REFUSED_PARAMETER(name) name,
#include "aws/sign.def"
#undef PP_REFUSED_PARAMETER
    };
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++) {
        pp_pairs query = {0};
        CHECK_INT(pp_pairs_reserve(&query, 2, 256, &err), PINPIPE_OK);
        CHECK_INT(pp_query_parse(&query, pp_str(parameters[i]), &err), PINPIPE_EINVAL);
        pp_pairs_reset(&query);
    }
}

static pinpipe_credentials *example_key(void) {
    pinpipe_credentials *made = NULL;
    pinpipe_credentials_options parts = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    parts.access_key_id = pp_str("AKIAIOSFODNN7EXAMPLE");
    parts.secret_access_key = pp_str(secret);
    CHECK_INT(pinpipe_credentials_new(&made, &parts, &err), PINPIPE_OK);
    return made;
}

static void test_sign_example(void) {
    pinpipe_credentials *key = example_key();
    pinpipe_signature *signature = NULL;
    const pinpipe_header range = {pp_str("Range"), pp_str("bytes=0-9")};
    pinpipe_sign_request request = PINPIPE_SIGN_REQUEST_INIT;
    pinpipe_sign_options options = PINPIPE_SIGN_OPTIONS_INIT;
    request.method = pp_str("GET");
    request.url = pp_str("https://examplebucket.s3.amazonaws.com/test.txt");
    request.headers = &range;
    request.header_count = 1;
    options.service = pp_str("s3");
    options.region = pp_str("us-east-1");
    options.time_s = 1369353600; /* 2013-05-24T00:00:00Z */
    CHECK_INT(pinpipe_request_sign(&signature, &request, key, &options, &err), PINPIPE_OK);
    pinpipe_str text = pinpipe_signature_text(signature);
    CHECK_TEXT(text.ptr, text.len, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    CHECK_INT(pinpipe_signature_header_count(signature), 4);
    pinpipe_signature_free(signature);
    request.header_count = 0;
    options.form = PINPIPE_SIGN_QUERY;
    options.expires_s = 86400;
    CHECK_INT(pinpipe_request_sign(&signature, &request, key, &options, &err), PINPIPE_OK);
    text = pinpipe_signature_text(signature);
    CHECK_TEXT(text.ptr, text.len, "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
    pinpipe_signature_free(signature);
    pinpipe_credentials_free(key);
}

static void test_sign_refusals(void) {
    pinpipe_credentials *key = example_key();
    static const struct {
        const char *method, *url, *service, *region;
        int64_t time_s, expires_s;
        int32_t form, payload;
        const char *names;
    } cases[] = {
        {"GET", "https://h/", "s3", "", 1, 0, 0, 0, "region"},
        {"GET", "https://h/", "s3", "eu_west", 1, 0, 0, 0, "eu_west"},
        {"GET", "https://h/", "s3", "eu\n", 1, 0, 0, 0, "region"},
        {"GET", "https://h/", "", "r", 1, 0, 0, 0, "service"},
        {"GET", "https://h/", "a/b", "r", 1, 0, 0, 0, "a/b"},
        {"G T", "https://h/", "s3", "r", 1, 0, 0, 0, "method"},
        {"GET", "h/", "s3", "r", 1, 0, 0, 0, "url"},
        {"GET", "https://h/", "s3", "r", 0, 0, 0, 0, "time"},
        {"GET", "https://h/", "s3", "r", 253402300800, 0, 0, 0, "time"},
        {"GET", "https://h/", "s3", "r", 1, 0, 1, 0, "expiry: 0 s"},
        {"GET", "https://h/", "s3", "r", 1, 604801, 1, 0, "604801"},
        {"GET", "https://h/", "s3", "r", 1, 60, 0, 0, "expiry"},
        {"GET", "https://h/", "s3", "r", 1, 0, 7, 0, "form"},
        {"GET", "https://h/", "s3", "r", 1, 0, 0, 9, "payload"},
        {"GET", "http://h/", "s3", "r", 1, 0, 0, PINPIPE_PAYLOAD_UNSIGNED, "http:"},
        {"PUT", "https://h/", "s3", "r", 1, 60, 1, PINPIPE_PAYLOAD_SIGNED, "presigned"},
        {"GET", "https://h/?X-Amz-Signature=1", "s3", "r", 1, 0, 0, 0, "X-Amz-Signature"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pinpipe_signature *signature = NULL;
        pinpipe_sign_request request = PINPIPE_SIGN_REQUEST_INIT;
        pinpipe_sign_options options = PINPIPE_SIGN_OPTIONS_INIT;
        request.method = pp_str(cases[i].method);
        request.url = pp_str(cases[i].url);
        options.service = pp_str(cases[i].service);
        options.region = pp_str(cases[i].region);
        options.time_s = cases[i].time_s;
        options.expires_s = cases[i].expires_s;
        options.form = cases[i].form;
        options.payload = cases[i].payload;
        CHECK_INT(pinpipe_request_sign(&signature, &request, key, &options, &err), PINPIPE_EINVAL);
        CHECK(strstr(err.message, cases[i].names) != NULL);
        CHECK(signature == NULL);
    }
    pinpipe_credentials_free(key);
}

static void test_credentials(void) {
    static const struct {
        const char *csv;
        pinpipe_status status;
    } cases[] = {
        {"\xef\xbb\xbf"
         "Access key ID,Secret access key\r\nAKID,sec/ret/of/a/csv\r\n",
         PINPIPE_OK},
        {"User name,Password,Access key ID,Secret access key\nsome one,\"a,b\",\"AKID\",sec/ret/of/a/csv",
         PINPIPE_OK},
        {"Secret access key, Access key ID \nsec/ret/of/a/csv, AKID \n", PINPIPE_OK},
        {"Access key ID,Secret access key\nAKID\n", PINPIPE_EDATA},
        {"Access key ID,Secret access key\n", PINPIPE_EDATA},
        {"Access key ID\nAKID\n", PINPIPE_EDATA},
        {"", PINPIPE_EDATA},
        {"Access key ID,Secret access key\nAKID,se cret/of/a/csv\n", PINPIPE_EDATA},
        {"Access key ID,Secret access key\nsec/ret/of/a/csv,AKID\n", PINPIPE_EDATA},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pinpipe_credentials *made = NULL;
        CHECK_INT(pinpipe_credentials_decode(&made, pp_str(cases[i].csv), &err), cases[i].status);
        if (made) {
            CHECK(pp_str_is(pinpipe_credentials_key_id(made), "AKID"));
            CHECK(pp_str_is(pinpipe_credentials_secret(made), "sec/ret/of/a/csv"));
            CHECK_INT(pinpipe_credentials_token(made).len, 0);
        } else {
            secret_line(err.message);
            CHECK(!strstr(err.message, "sec/ret/of/a/csv") && !strstr(err.message, "se cret/of/a/csv"));
        }
        pinpipe_credentials *shared = pp_credentials_retain(made);
        pinpipe_credentials_free(made);
        pinpipe_credentials_free(shared);
    }
    pinpipe_credentials *made = NULL;
    pinpipe_credentials_options parts = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    CHECK_INT(pinpipe_credentials_new(&made, &parts, &err), PINPIPE_EINVAL);
    parts.access_key_id = pp_str("AK\nID");
    parts.secret_access_key = pp_str("s");
    CHECK_INT(pinpipe_credentials_new(&made, &parts, &err), PINPIPE_EINVAL);
    CHECK(made == NULL);
}

static void test_retry(void) {
    CHECK_INT(pp_retry_pause_ms(1, PINPIPE_ENET, 0.999), 49);
    CHECK_INT(pp_retry_pause_ms(2, PINPIPE_ESERVICE, 0.5), 50);
    CHECK_INT(pp_retry_pause_ms(3, PINPIPE_ETHROTTLED, 0.5), 2000);
    CHECK_INT(pp_retry_pause_ms(30, PINPIPE_ETHROTTLED, 0.5), 10000);
    double random = pp_retry_random();
    CHECK(random >= 0 && random < 1);
}

#if PINPIPE_WITH_S3
static pinpipe_status path_count(pinpipe_str path, pinpipe_str text, void *user, pinpipe_error *error) {
    (void)error;
    *(int64_t *)user += (int64_t)(path.len + text.len);
    return PINPIPE_OK;
}

static void test_xml(void) {
    int64_t bytes = 0;
    CHECK_INT(pp_xml_walk(pp_str("<a><b>x&amp;y</b><c/></a>"), path_count, &bytes, &err), PINPIPE_OK);
    CHECK_INT(bytes, 3 + 3 + 3 + 1);
    static const char deep[] = "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a>"
                               "</a></a></a></a></a></a></a></a></a></a></a></a></a></a></a></a></a>";
    static const char *const bad[] = {"",
                                      "<a>",
                                      "<a></b>",
                                      "plain",
                                      "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
                                      "<!DOCTYPE a><a/>",
                                      "<a>&undefined;</a>",
                                      deep};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_INT(pp_xml_walk(pp_str(bad[i]), path_count, &bytes, &err), PINPIPE_EDATA);
    }
}

static void test_s3_errors(void) {
    pp_s3_refusal refusal;
    CHECK(pp_s3_refusal_read(&refusal,
                             pp_str("<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>The "
                                    "key &lt;x&gt;</Message><Region>eu-west-1</Region></Error>")));
    CHECK(strcmp(refusal.code, "NoSuchKey") == 0);
    CHECK(strcmp(refusal.message, "The key <x>") == 0);
    CHECK(strcmp(refusal.region, "eu-west-1") == 0);
    CHECK(!pp_s3_refusal_read(&refusal, pp_str("<html><Code>NoSuchKey</Code></html>")));
    CHECK(!pp_s3_refusal_read(&refusal, pp_str("<Error><Code>NoSuchKey</Code>")));
    static const struct {
        const char *code;
        pinpipe_status status;
    } rows[] = {
#define PP_S3_ERROR(code, status) {code, status},
#include "s3/error.def"
#undef PP_S3_ERROR
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CHECK_INT(pp_s3_status(rows[i].code, 400), rows[i].status);
    }
    CHECK_INT(pp_s3_status("", 404), PINPIPE_ENOTFOUND);
    CHECK_INT(pp_s3_status("Unknown", 503), PINPIPE_ETHROTTLED);
    CHECK_INT(pp_s3_status("", 505), PINPIPE_ESERVICE);
    CHECK_INT(pp_s3_status("Unknown", 400), PINPIPE_EREFUSED);
}
#else
static void test_xml(void) {
}

static void test_s3_errors(void) {
}
#endif

int main(void) {
    secret_add(secret);
    secret_add("sec/ret/of/a/csv");
    secret_search_begin();
    test_uri();
    test_url();
    test_path();
    test_query();
    test_headers();
    test_header_tables();
    test_sign_example();
    test_sign_refusals();
    test_credentials();
    test_retry();
    test_xml();
    test_s3_errors();
    secret_search_end();
    return check_report();
}
