/* Turns signers that are reused into comparisons with ones that are not: templates, keys, chunks, MSK,
 * memory. Never touches a socket, a file or the environment. Rules: docs/signing.md; S3 API Reference, the
 * two worked examples of aws-chunked. */
#include "counting_memory.h"

#include "aws/signer.h"
#include "base/buffer.h"
#include "pinpipe/sign.h"

#define MIDNIGHT_S 1369440000 /* 2013-05-25T00:00:00Z */
#define ALLOCATIONS_MAX 200
#define BODY_BYTES 66560

static pinpipe_error err = PINPIPE_ERROR_INIT;
static char body[BODY_BYTES];

static pinpipe_credentials *key_make(const char *secret, const char *token) {
    pinpipe_credentials *made = NULL;
    pinpipe_credentials_options parts = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    parts.access_key_id = pp_str("AKIAIOSFODNN7EXAMPLE");
    parts.secret_access_key = pp_str(secret);
    parts.session_token = pp_str(token);
    CHECK_INT(pinpipe_credentials_new(&made, &parts, &err), PINPIPE_OK);
    return made;
}

static pinpipe_credentials *example_key(void) {
    return key_make("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "");
}

/* One request with all that a caller can choose. */
typedef struct example {
    pinpipe_sign_request request;
    pinpipe_sign_options options;
    pinpipe_credentials *key;
    pinpipe_header headers[3];
} example;

static void example_set(example *out, pinpipe_credentials *key) {
    *out = (example){.request = PINPIPE_SIGN_REQUEST_INIT, .options = PINPIPE_SIGN_OPTIONS_INIT, .key = key};
    out->request.method = pp_str("PUT");
    out->request.url = pp_str("https://s3.amazonaws.com/examplebucket/chunkObject.txt");
    out->headers[0] = (pinpipe_header){pp_str("x-amz-storage-class"), pp_str("REDUCED_REDUNDANCY")};
    out->headers[1] = (pinpipe_header){pp_str("content-length"), pp_str("66824")};
    out->headers[2] = (pinpipe_header){pp_str("X-Custom"), pp_str("a  b")};
    out->request.headers = out->headers;
    out->request.header_count = 2;
    out->options.service = pp_str("s3");
    out->options.region = pp_str("us-east-1");
    out->options.time_s = MIDNIGHT_S - 86400;
}

/* Signs by the signer and afresh; both must agree in everything that can be read. */
static void both_sign(pinpipe_signer *signer, const example *of) {
    const pinpipe_signature *kept = NULL;
    pinpipe_signature *fresh = NULL;
    CHECK_INT(pinpipe_signer_sign(&kept, signer, &of->request, of->key, &of->options, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_request_sign(&fresh, &of->request, of->key, &of->options, &err), PINPIPE_OK);
    CHECK(pp_str_equal(pinpipe_signature_url(kept), pinpipe_signature_url(fresh)));
    CHECK(pp_str_equal(pinpipe_signature_text(kept), pinpipe_signature_text(fresh)));
    CHECK(
        pp_str_equal(pinpipe_signature_canonical_request(kept), pinpipe_signature_canonical_request(fresh)));
    CHECK(pp_str_equal(pinpipe_signature_string_to_sign(kept), pinpipe_signature_string_to_sign(fresh)));
    CHECK_INT(pinpipe_signature_body_bytes(kept), pinpipe_signature_body_bytes(fresh));
    CHECK_INT(pinpipe_signature_header_count(kept), pinpipe_signature_header_count(fresh));
    for (int64_t i = 0; i < pinpipe_signature_header_count(kept); i++) {
        pinpipe_header a = pinpipe_signature_header_at(kept, i), b = pinpipe_signature_header_at(fresh, i);
        CHECK(pp_str_equal(a.name, b.name) && pp_str_equal(a.value, b.value));
    }
    pinpipe_signature_free(fresh);
}

/* Every datum is changed once and changed back: the template may serve only what it fits. */
static void signer_check(pp_sha256_road road) {
    pinpipe_signer *signer = NULL;
    pinpipe_credentials *key = example_key(), *other = key_make("another/secret/of/another/key", "token==");
    pinpipe_credentials *same = example_key();
    static const char *const services[] = {"s3", "kinesis", "s3"};
    CHECK_INT(pp_signer_new(&signer, road, &err), PINPIPE_OK);
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        example plain, changed;
        example_set(&plain, key);
        plain.options.service = pp_str(services[i]);
        for (int change = 0; change < 18; change++) {
            example_set(&changed, key);
            changed.options.service = pp_str(services[i]);
            changed.request.method = change == 1 ? pp_str("POST") : changed.request.method;
            changed.request.url = change == 2 ? pp_str("https://h/?b=1&a=%7e/") : changed.request.url;
            changed.request.body = change == 3   ? pp_str("{}")
                                   : change == 4 ? pp_str("[]")
                                                 : changed.request.body;
            changed.request.header_count = change == 5 ? 3 : change == 6 ? 0 : 2;
            changed.headers[0].value = change == 7 ? pp_str("STANDARD") : changed.headers[0].value;
            changed.headers[0].name = change == 8 ? pp_str("x-amz-storage-clasz") : changed.headers[0].name;
            changed.options.region = change == 9 ? pp_str("eu-west-1") : changed.options.region;
            changed.options.time_s += change == 10 ? 1 : change == 11 ? 86399 : change == 12 ? 86400 : 0;
            changed.key = change == 13 ? other : change == 14 ? same : key;
            changed.options.form = change == 15 ? PINPIPE_SIGN_QUERY : PINPIPE_SIGN_HEADER;
            changed.options.expires_s = change == 15 ? 60 : 0;
            changed.options.payload = change == 16 ? PINPIPE_PAYLOAD_UNSIGNED : PINPIPE_PAYLOAD_SERVICE;
            changed.options.double_encode = change == 17 ? PINPIPE_SWITCH_ON : PINPIPE_SWITCH_SERVICE;
            both_sign(signer, &changed);
            changed.request.body = pp_str("another body");
            both_sign(signer, &changed);
            both_sign(signer, &plain);
        }
    }
    pinpipe_signer_free(signer);
    pinpipe_credentials_free(key);
    pinpipe_credentials_free(other);
    pinpipe_credentials_free(same);
}

/* The EVP road allocates inside OpenSSL, not here. */
static void test_no_allocation(void) {
    pinpipe_signer *signer = NULL;
    pinpipe_credentials *key = key_make("se/cret", "token==");
    CHECK_INT(pinpipe_signer_new(&signer, &err), PINPIPE_OK);
    example of;
    example_set(&of, key);
    const pinpipe_signature *out = NULL;
    for (int round = 0; round < 2; round++) {
        int64_t before = memory.requests;
        for (int i = 0; i < 300; i++) {
            of.options.time_s = MIDNIGHT_S - 150 + i / 2 * 2;
            of.request.body = (pinpipe_str){body, (size_t)i};
            of.request.url = i % 3 ? pp_str("https://h/a/../b?x=1&y") : pp_str("https://h/c//d?z=%20");
            of.options.form = i % 5 == 4 ? PINPIPE_SIGN_QUERY : PINPIPE_SIGN_HEADER;
            of.options.expires_s = i % 5 == 4 ? 60 : 0;
            CHECK_INT(pinpipe_signer_sign(&out, signer, &of.request, key, &of.options, &err), PINPIPE_OK);
        }
        CHECK(round == 0 || memory.requests == before);
    }
    pinpipe_signer_free(signer);
    pinpipe_credentials_free(key);
}

/* A failed call leaves no half-written template behind. */
static void test_after_failure(void) {
    pinpipe_signer *signer = NULL;
    pinpipe_credentials *key = example_key();
    example good, bad;
    example_set(&good, key);
    example_set(&bad, key);
    bad.headers[0].value = pp_str("a\nb");
    CHECK_INT(pinpipe_signer_new(&signer, &err), PINPIPE_OK);
    both_sign(signer, &good);
    const pinpipe_signature *out = NULL;
    CHECK_INT(pinpipe_signer_sign(&out, signer, &bad.request, key, &bad.options, &err), PINPIPE_EINVAL);
    CHECK(out == NULL);
    pinpipe_chunk_writer *writer = NULL;
    CHECK_INT(pinpipe_chunk_writer_new(&writer, signer, &err), PINPIPE_EINVAL);
    both_sign(signer, &good);
    CHECK_INT(pinpipe_chunk_writer_new(&writer, signer, &err), PINPIPE_EINVAL);
    pinpipe_signer_free(signer);
    pinpipe_credentials_free(key);
}

/* ---- chunks ---- */

/* Frames the body; pieces of at most `piece` bytes go in, at most `room` come out a call. */
static void body_frame(pinpipe_buf *out, const pinpipe_signer *signer, pinpipe_str bytes, int64_t piece,
                       int64_t room) {
    pinpipe_chunk_writer *writer = NULL;
    pinpipe_chunk_step step = PINPIPE_CHUNK_STEP_INIT;
    pinpipe_status status = pinpipe_chunk_writer_new(&writer, signer, &err);
    CHECK_INT(status, PINPIPE_OK);
    pp_buf_clear(out);
    size_t at = 0;
    while (status == PINPIPE_OK || status == PINPIPE_AGAIN) {
        size_t len = bytes.len - at < (size_t)piece ? bytes.len - at : (size_t)piece;
        step.in = (pinpipe_str){bytes.ptr + at, len};
        CHECK_INT(pp_buf_reserve(out, (size_t)room, PP_BUF_MAX, &err), PINPIPE_OK);
        step.out = out->ptr + out->len;
        step.out_cap = room;
        step.out_len = 0;
        status = pinpipe_chunk_writer_write(&step, writer, &err);
        out->len += (size_t)step.out_len;
        at += len - step.in.len;
    }
    CHECK_INT(status, PINPIPE_DONE);
    CHECK_INT(at, bytes.len);
    pinpipe_chunk_writer_free(writer);
}

static bool has_text(const pinpipe_buf *framed, const char *text) {
    return memmem(framed->ptr, framed->len, text, strlen(text)) != NULL;
}

static void frames_check(pinpipe_signer *signer, const example *of, const char *seed,
                         const char *const *texts) {
    const pinpipe_signature *signature = NULL;
    pinpipe_buf whole = PINPIPE_BUF_INIT, pieces = PINPIPE_BUF_INIT;
    pinpipe_str bytes = {body, BODY_BYTES};
    CHECK_INT(pinpipe_signer_sign(&signature, signer, &of->request, of->key, &of->options, &err), PINPIPE_OK);
    CHECK_TEXT(pinpipe_signature_text(signature).ptr, 64, seed);
    int64_t framed = pinpipe_signature_body_bytes(signature);
    body_frame(&whole, signer, bytes, BODY_BYTES, 2 * BODY_BYTES);
    CHECK_INT(whole.len, framed);
    for (size_t i = 0; texts[i]; i++) {
        CHECK(has_text(&whole, texts[i]));
    }
    static const int64_t sizes[] = {7, 8192, 65535, 65537};
    for (size_t i = 0; i < 16; i++) {
        body_frame(&pieces, signer, bytes, sizes[i / 4], sizes[i % 4]);
        CHECK(pp_str_equal(pp_buf_view(&pieces), pp_buf_view(&whole)));
    }
    pinpipe_buf_reset(&whole);
    pinpipe_buf_reset(&pieces);
}

/* Both examples of the S3 documentation: 65 KiB of 'a' in chunks of 64 KiB. */
static void examples_check(pp_sha256_road road) {
    pinpipe_signer *signer = NULL;
    pinpipe_credentials *key = example_key();
    example of;
    example_set(&of, key);
    CHECK_INT(pp_signer_new(&signer, road, &err), PINPIPE_OK);
    of.options.payload = PINPIPE_PAYLOAD_STREAMING_SIGNED;
    of.options.decoded_bytes = BODY_BYTES;
    static const char *const plain[] = {
        "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\naaaa",
        "400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\naaaa",
        "0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n", NULL};
    frames_check(signer, &of, "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9", plain);
    of.request.header_count = 1;
    of.options.payload = PINPIPE_PAYLOAD_STREAMING_SIGNED_TRAILER;
    of.options.checksum = PINPIPE_CHECKSUM_CRC32C;
    static const char *const trailer[] = {
        "10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\naaaa",
        "400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\naaaa",
        "0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n"
        "x-amz-checksum-crc32c:sOO8/Q==\r\n"
        "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
        NULL};
    frames_check(signer, &of, "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e", trailer);
    pinpipe_signer_free(signer);
    pinpipe_credentials_free(key);
}

static void test_chunk_refusals(void) {
    static const struct {
        int32_t payload, checksum, form;
        int64_t decoded_bytes, chunk_bytes;
        const char *service, *url, *header, *value, *names;
    } cases[] = {
        {4, 1, 0, 0, 0, "s3", "https://h/", "a", "b", "checksum: 1"},
        {5, 0, 0, 0, 0, "s3", "https://h/", "a", "b", "checksum: 0"},
        {6, 9, 0, 0, 0, "s3", "https://h/", "a", "b", "checksum: 9"},
        {4, 0, 1, 0, 0, "s3", "https://h/", "a", "b", "presigned"},
        {4, 0, 0, -1, 0, "s3", "https://h/", "a", "b", "decoded_bytes: -1"},
        {4, 0, 0, 0, 8191, "s3", "https://h/", "a", "b", "chunk_bytes: 8191"},
        {4, 0, 0, 0, 16777217, "s3", "https://h/", "a", "b", "chunk_bytes: 16777217"},
        {4, 0, 0, 0, 0, "kinesis", "https://h/", "a", "b", "kinesis"},
        {6, 1, 0, 0, 0, "s3", "http://h/", "a", "b", "http:"},
        {4, 0, 0, 0, 0, "s3", "https://h/", "Content-Encoding", "gzip", "gzip"},
        {4, 0, 0, 0, 0, "s3", "https://h/", "X-Amz-Trailer", "b", "x-amz-trailer"},
        {4, 0, 0, 0, 0, "s3", "https://h/", "x-amz-decoded-content-length", "b", "decoded-content-length"},
        {1, 0, 0, 5, 0, "s3", "https://h/", "a", "b", "decoded_bytes"},
    };
    pinpipe_credentials *key = example_key();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pinpipe_signature *signature = NULL;
        example of;
        example_set(&of, key);
        of.headers[0] = (pinpipe_header){pp_str(cases[i].header), pp_str(cases[i].value)};
        of.request.url = pp_str(cases[i].url);
        of.options.service = pp_str(cases[i].service);
        of.options.payload = cases[i].payload;
        of.options.checksum = cases[i].checksum;
        of.options.form = cases[i].form;
        of.options.expires_s = cases[i].form ? 60 : 0;
        of.options.decoded_bytes = cases[i].decoded_bytes;
        of.options.chunk_bytes = cases[i].chunk_bytes;
        CHECK_INT(pinpipe_request_sign(&signature, &of.request, key, &of.options, &err), PINPIPE_EINVAL);
        CHECK(strstr(err.message, cases[i].names) != NULL);
    }
    pinpipe_credentials_free(key);
}

static void test_chunk_excess(void) {
    pinpipe_signer *signer = NULL;
    pinpipe_chunk_writer *writer = NULL;
    pinpipe_credentials *key = example_key();
    const pinpipe_signature *signature = NULL;
    pinpipe_chunk_step step = PINPIPE_CHUNK_STEP_INIT;
    char out[1024];
    example of;
    example_set(&of, key);
    of.options.payload = PINPIPE_PAYLOAD_STREAMING_SIGNED;
    of.options.decoded_bytes = 4;
    CHECK_INT(pinpipe_signer_new(&signer, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_signer_sign(&signature, signer, &of.request, key, &of.options, &err), PINPIPE_OK);
    CHECK_INT(pinpipe_chunk_writer_new(&writer, signer, &err), PINPIPE_OK);
    step.out = out;
    step.out_cap = sizeof out;
    step.in = pp_str("12345");
    CHECK_INT(pinpipe_chunk_writer_write(&step, writer, &err), PINPIPE_EINVAL);
    CHECK(strstr(err.message, "decoded_bytes 4") != NULL);
    step.in = pp_str("123");
    CHECK_INT(pinpipe_chunk_writer_write(&step, writer, &err), PINPIPE_OK);
    CHECK_INT(step.out_len, 0);
    step.in = pp_str("45");
    CHECK_INT(pinpipe_chunk_writer_write(&step, writer, &err), PINPIPE_EINVAL);
    step.in = pp_str("4");
    CHECK_INT(pinpipe_chunk_writer_write(&step, writer, &err), PINPIPE_DONE);
    CHECK_INT(step.out_len, pinpipe_signature_body_bytes(signature));
    step.in = pp_str("5");
    CHECK_INT(pinpipe_chunk_writer_write(&step, writer, &err), PINPIPE_EINVAL);
    pinpipe_chunk_writer_free(writer);
    pinpipe_signer_free(signer);
    pinpipe_credentials_free(key);
}

/* ---- MSK ---- */

static void test_msk_refusals(void) {
    static const struct {
        const char *region, *host;
        int64_t time_s, expires_s;
        const char *names;
    } cases[] = {
        {"", "", 1, 0, "region"},         {"eu_west", "", 1, 0, "eu_west"},
        {"r", "", 1, 59, "expiry: 59 s"}, {"r", "", 1, 43201, "43201"},
        {"r", "a/b", 1, 0, "a/b"},        {"r", "a@b", 1, 0, "user information"},
        {"r", "a\nb", 1, 0, "0x0a"},      {"r", "", 0, 0, "time"},
        {"r/x", "", 1, 0, "r/x"},
    };
    pinpipe_credentials *key = example_key();
    pinpipe_buf token = PINPIPE_BUF_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pinpipe_msk_options options = PINPIPE_MSK_OPTIONS_INIT;
        options.region = pp_str(cases[i].region);
        options.sign_host = pp_str(cases[i].host);
        options.time_s = cases[i].time_s;
        options.expires_s = cases[i].expires_s;
        CHECK_INT(pinpipe_msk_token_sign(&token, NULL, key, &options, &err), PINPIPE_EINVAL);
        CHECK(strstr(err.message, cases[i].names) != NULL);
    }
    pinpipe_buf_reset(&token);
    pinpipe_credentials_free(key);
}

/* ---- no memory ---- */

static pinpipe_status whole_job(pinpipe_credentials *key) {
    pinpipe_signer *signer = NULL;
    pinpipe_chunk_writer *writer = NULL;
    const pinpipe_signature *signature = NULL;
    pinpipe_buf token = PINPIPE_BUF_INIT;
    pinpipe_chunk_step step = PINPIPE_CHUNK_STEP_INIT;
    pinpipe_msk_options msk = PINPIPE_MSK_OPTIONS_INIT;
    char out[1024];
    example of;
    example_set(&of, key);
    of.options.payload = PINPIPE_PAYLOAD_STREAMING_SIGNED;
    of.options.decoded_bytes = 10000;
    msk.region = of.options.region;
    msk.time_s = of.options.time_s;
    step.in = (pinpipe_str){body, 5};
    step.out = out;
    step.out_cap = sizeof out;
    pinpipe_status status = pinpipe_signer_new(&signer, &err);
    if (status == PINPIPE_OK) {
        status = pinpipe_signer_sign(&signature, signer, &of.request, key, &of.options, &err);
    }
    if (status == PINPIPE_OK) {
        status = pinpipe_chunk_writer_new(&writer, signer, &err);
    }
    if (status == PINPIPE_OK) {
        status = pinpipe_chunk_writer_write(&step, writer, &err);
    }
    if (status == PINPIPE_OK) {
        status = pinpipe_msk_token_sign(&token, NULL, key, &msk, &err);
    }
    pinpipe_buf_reset(&token);
    pinpipe_chunk_writer_free(writer);
    pinpipe_signer_free(signer);
    return status;
}

static void test_no_memory(void) {
    pinpipe_credentials *key = key_make("se/cret", "token==");
    int64_t held = memory.held;
    pinpipe_status status = PINPIPE_ENOMEM;
    for (int64_t fail = 1; status != PINPIPE_OK && fail < ALLOCATIONS_MAX; fail++) {
        memory.requests = 0;
        memory.fail_at = fail;
        status = whole_job(key);
        CHECK(status == PINPIPE_ENOMEM || status == PINPIPE_OK);
        CHECK_INT(memory.held, held);
    }
    memory.fail_at = 0;
    CHECK_INT(status, PINPIPE_OK);
    pinpipe_credentials_free(key);
    CHECK_INT(memory.held, 0);
}

int main(void) {
    memory_watch();
    memset(body, 'a', sizeof body);
    for (int road = (int)pp_sha256_road_choose(); road <= PP_SHA256_EVP; road++) {
        signer_check((pp_sha256_road)road);
        examples_check((pp_sha256_road)road);
    }
    test_no_allocation();
    test_after_failure();
    test_chunk_refusals();
    test_chunk_excess();
    test_msk_refusals();
    test_no_memory();
    return check_report();
}
