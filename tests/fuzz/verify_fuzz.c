/* Turns any bytes into a request that our signer signs and our verifier must believe, into one with a change
 * that it must not, and into an Authorization header that nobody signed. Never lets a signature be right for
 * anything but its request. Rules: docs/signing.md; aws/verify.h; the first byte chooses what is done, the
 * second where; then lines: target or Authorization, headers to an empty one; the rest is the body. */
#include "fuzz.h"

#include <stdbool.h>
#include <string.h>

#include "aws/verify.h"
#include "base/buffer.h"
#include "pinpipe/sign.h"
#include "text/time_text.h"

#define HOST "h.example"
#define HEADERS_MAX 8
#define ALL_HEADERS_MAX 32
#define TIME_S 1700000000
#define TIME_TEXT "20231114T221320Z"

typedef struct input {
    pinpipe_str line, body;
    pinpipe_header headers[HEADERS_MAX];
    size_t header_count;
} input;

/* What a verifier is told, and may be lied to. */
typedef struct sent {
    pp_signed_request request;
    pinpipe_header headers[ALL_HEADERS_MAX];
    pp_authorization says;
    pinpipe_buf changed;
} sent;

enum { NOT_SIGNED, UNCHANGED, OTHER_METHOD, LONGER_BODY, OTHER_SIGNATURE, OTHER_KEY, OTHER_HEADER, CASES };

static pinpipe_credentials *credentials_of(const char *secret) {
    pinpipe_credentials_options options = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    pinpipe_credentials *made = NULL;
    options.access_key_id = pp_str("AKIDEXAMPLE");
    options.secret_access_key = pp_str(secret);
    REQUIRE(pinpipe_credentials_new(&made, &options, NULL) == PINPIPE_OK);
    return made;
}

static input input_read(pinpipe_str rest) {
    input out = {.line = pp_str_take(&rest, '\n')};
    pinpipe_str line = pp_str_take(&rest, '\n');
    for (; line.len; line = pp_str_take(&rest, '\n')) {
        pinpipe_str name = pp_str_take(&line, ':');
        if (out.header_count < HEADERS_MAX) {
            out.headers[out.header_count++] = (pinpipe_header){name, line};
        }
    }
    out.body = rest;
    return out;
}

static bool lies_in(pinpipe_str part, pinpipe_str whole) {
    return part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

/* Whoever knows no key is not believed, whatever he says. */
static void stranger_check(pp_verifier *verifier, const pinpipe_credentials *key, const input *in) {
    pp_authorization says = {0};
    bool is_read = pp_authorization_read(&says, in->line);
    pinpipe_str time = in->header_count ? in->headers[0].value : in->line;
    int64_t time_s = 0;
    if (pp_sign_time_read(&time_s, time)) {
        REQUIRE(time.len == sizeof TIME_TEXT - 1);
    }
    if (!is_read) {
        return;
    }
    REQUIRE(lies_in(says.key_id, in->line) && lies_in(says.region, in->line));
    REQUIRE(lies_in(says.names, in->line) && says.signature.len == 64);
    const pp_signed_request request = {.method = pp_str("GET"),
                                       .path = in->body,
                                       .query = in->body,
                                       .body = in->body,
                                       .time = time,
                                       .headers = in->headers,
                                       .header_count = in->header_count};
    REQUIRE(pp_request_verify(verifier, &request, &says, key, NULL) < 0);
}

/* The signer's headers, and what its Authorization says; false = the signer refuses the request. */
static bool sign(pinpipe_signature **out, sent *to, const input *in, const pinpipe_credentials *key) {
    pinpipe_sign_request request = PINPIPE_SIGN_REQUEST_INIT;
    pinpipe_sign_options options = PINPIPE_SIGN_OPTIONS_INIT;
    pinpipe_buf url = PINPIPE_BUF_INIT;
    pinpipe_header headers[HEADERS_MAX + 1] = {{pp_str("Host"), pp_str(HOST)}};
    for (size_t i = 0; i < in->header_count; i++) {
        headers[i + 1] = in->headers[i];
    }
    REQUIRE(pp_buf_append_text(&url, "https://" HOST "/", NULL) == PINPIPE_OK);
    REQUIRE(pp_buf_append(&url, in->line.ptr, in->line.len, NULL) == PINPIPE_OK);
    request.method = pp_str("POST");
    request.url = pp_buf_view(&url);
    request.body = in->body;
    request.headers = headers;
    request.header_count = (int64_t)in->header_count + 1;
    options.service = pp_str("execute-api");
    options.region = pp_str("eu-west-1");
    options.time_s = TIME_S;
    bool is_signed = pinpipe_request_sign(out, &request, key, &options, NULL) == PINPIPE_OK;
    pinpipe_buf_reset(&url);
    for (int64_t i = 0; is_signed && i < pinpipe_signature_header_count(*out); i++) {
        pinpipe_header header = pinpipe_signature_header_at(*out, i);
        REQUIRE(to->request.header_count < ALL_HEADERS_MAX);
        to->headers[to->request.header_count++] = header;
        if (pp_str_is(header.name, "authorization") || pp_str_is(header.name, "Authorization")) {
            REQUIRE(pp_authorization_read(&to->says, header.value));
        }
    }
    return is_signed;
}

/* Of a name that was signed, at the place that the input chooses. */
static bool header_change(sent *to, size_t place) {
    for (size_t i = 0; i < to->request.header_count; i++) {
        pinpipe_header *at = &to->headers[(place + i) % to->request.header_count];
        if (pp_str_alike(at->name, pp_str("x-amz-date")) || pp_str_alike(at->name, pp_str("host"))) {
            REQUIRE(pp_buf_append(&to->changed, at->value.ptr, at->value.len, NULL) == PINPIPE_OK);
            REQUIRE(pp_buf_append_text(&to->changed, "0", NULL) == PINPIPE_OK);
            at->value = pp_buf_view(&to->changed);
            return true;
        }
    }
    return false;
}

static void change(sent *to, int what, size_t place) {
    pinpipe_buf *changed = &to->changed;
    if (what == OTHER_METHOD) {
        to->request.method = pp_str("PUT");
    } else if (what == LONGER_BODY) {
        REQUIRE(pp_buf_append(changed, to->request.body.ptr, to->request.body.len, NULL) == PINPIPE_OK);
        REQUIRE(pp_buf_append(changed, " ", 1, NULL) == PINPIPE_OK);
        to->request.body = pp_buf_view(changed);
    } else if (what == OTHER_SIGNATURE) {
        REQUIRE(pp_buf_append(changed, to->says.signature.ptr, to->says.signature.len, NULL) == PINPIPE_OK);
        changed->ptr[place % changed->len] ^= 1;
        to->says.signature = pp_buf_view(changed);
    } else if (what == OTHER_HEADER) {
        REQUIRE(header_change(to, place));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static pinpipe_credentials *key, *other_key;
    static pp_verifier *verifier;
    if (size < 2) {
        return 0;
    }
    if (!verifier) {
        key = credentials_of("se/cret");
        other_key = credentials_of("se/creT");
        REQUIRE(pp_verifier_new(&verifier, NULL) == PINPIPE_OK);
    }
    input in = input_read((pinpipe_str){(const char *)data + 2, size - 2});
    int what = data[0] % CASES;
    if (what == NOT_SIGNED) {
        stranger_check(verifier, key, &in);
        return 0;
    }
    pinpipe_signature *signature = NULL;
    sent to = {.request = {.method = pp_str("POST"), .body = in.body, .time = pp_str(TIME_TEXT)}};
    if (sign(&signature, &to, &in, key)) {
        pinpipe_buf target = PINPIPE_BUF_INIT;
        REQUIRE(pp_buf_append_text(&target, "/", NULL) == PINPIPE_OK);
        REQUIRE(pp_buf_append(&target, in.line.ptr, in.line.len, NULL) == PINPIPE_OK);
        pinpipe_str query = pp_buf_view(&target);
        to.request.path = pp_str_take(&query, '?');
        to.request.query = query;
        to.request.headers = to.headers;
        change(&to, what, data[1]);
        pinpipe_status status =
            pp_request_verify(verifier, &to.request, &to.says, what == OTHER_KEY ? other_key : key, NULL);
        REQUIRE(what == UNCHANGED ? status == PINPIPE_OK : status == PINPIPE_EAUTH);
        pinpipe_buf_reset(&target);
    }
    pinpipe_buf_reset(&to.changed);
    pinpipe_signature_free(signature);
    return 0;
}
