/* Turns any bytes into JSON that hands out a key, as process, container, instance, SSO and STS write it.
 * Never accepts a key with a byte that cannot stand in a header, or a refusal without a reason.
 * Rules: libpinpipe/aws/key_answer.h; the first byte chooses the kind. */
#include "fuzz.h"

#include <string.h>

#include "aws/key_answer.h"
#include "aws/metadata.h"
#include "base/buffer.h"

static void visible_require(pinpipe_str text) {
    for (size_t i = 0; i < text.len; i++) {
        REQUIRE(text.ptr[i] > 0x20 && text.ptr[i] < 0x7f);
    }
}

static void url_check(pinpipe_str url) {
    char literal[PP_GUARD_LITERAL_BYTES];
    pp_guard guard = PP_GUARD_NONE;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    if (pp_container_url_check(&guard, url, &err) == PINPIPE_OK) {
        REQUIRE(guard != PP_GUARD_NONE && !memchr(url.ptr, '@', url.len > 8 ? 8 : url.len));
    } else {
        REQUIRE(err.message[0]);
    }
    if (pp_imds_url_check(literal, url, &err) == PINPIPE_OK) {
        REQUIRE(memchr(literal, 0, sizeof literal));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_credentials *key = NULL;
    pp_sso_token token = {PINPIPE_BUF_INIT, 0};
    char words[PP_ANSWER_WORDS_BYTES];
    if (size == 0) {
        return 0;
    }
    const pinpipe_str json = {(const char *)data + 1, size - 1};
    const pp_credentials_source source = {"process", {NULL, 0}};
    if (data[0] % 7 == 6) {
        url_check(json);
        return 0;
    }
    if (data[0] % 7 == 5) {
        if (pp_sso_token_decode(&token, json, &err) == PINPIPE_OK) {
            visible_require(pp_buf_view(&token.access_token));
        } else {
            REQUIRE(err.message[0]);
        }
    } else if (pp_key_answer_decode(&key, json, (pp_key_answer_kind)(data[0] % 7), source, &err) < 0) {
        REQUIRE(!key && err.message[0]);
    } else {
        visible_require(pinpipe_credentials_key_id(key));
        visible_require(pinpipe_credentials_secret(key));
        visible_require(pinpipe_credentials_token(key));
        REQUIRE(pinpipe_credentials_expires_s(key) >= 0);
    }
    pp_key_answer_words(words, json);
    REQUIRE(memchr(words, 0, sizeof words));
    pp_buf_reset_secret(&token.access_token);
    pinpipe_credentials_free(key);
    return 0;
}
