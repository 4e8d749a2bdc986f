/* Turns every block that the library frees into a search for the secrets it was given.
 * Never looks at memory that is still in use.
 * Rules: docs/credentials.md: secrets are wiped before their memory is freed. */
#include "check.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "pinpipe/sign.h"
#include "secret_search.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define TOKEN "AQoDYXdzEPTexampleTokenOfTwoHundredBytes0123456789abcdefghijklmnopqrstuvwxyz"

static void sign_once(const pinpipe_credentials *key, int32_t form, int32_t sign_token) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_signature *signature = NULL;
    pinpipe_sign_request request = PINPIPE_SIGN_REQUEST_INIT;
    pinpipe_sign_options options = PINPIPE_SIGN_OPTIONS_INIT;
    request.method = pp_str("GET");
    request.url = pp_str("https://h/a//b%20c?x=1&y=2");
    options.service = pp_str("s3");
    options.region = pp_str("eu-west-1");
    options.time_s = 1700000000;
    options.form = form;
    options.expires_s = form == PINPIPE_SIGN_QUERY ? 60 : 0;
    options.sign_token = sign_token;
    CHECK_INT(pinpipe_request_sign(&signature, &request, key, &options, &err), PINPIPE_OK);
    pinpipe_signature_free(signature);
}

static pinpipe_credentials *key_make(const char *token) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_credentials *key = NULL;
    pinpipe_credentials_options parts = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    parts.access_key_id = pp_str("AKIDEXAMPLE");
    parts.secret_access_key = pp_str(SECRET);
    parts.session_token = pp_str(token);
    CHECK_INT(pinpipe_credentials_new(&key, &parts, &err), PINPIPE_OK);
    return key;
}

/* A signer whose buffers must grow with every request, and its chunks and tokens. */
static void sign_many(void) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_signer *signer = NULL;
    const pinpipe_signature *signature = NULL;
    pinpipe_buf msk = PINPIPE_BUF_INIT;
    static char token[4000];
    CHECK_INT(pinpipe_signer_new(&signer, &err), PINPIPE_OK);
    for (size_t copies = 1; copies < 30; copies++) {
        snprintf(token + strlen(token), sizeof token - strlen(token), "%s", TOKEN);
        pinpipe_credentials *key = key_make(token);
        pinpipe_sign_request request = PINPIPE_SIGN_REQUEST_INIT;
        pinpipe_sign_options options = PINPIPE_SIGN_OPTIONS_INIT;
        pinpipe_msk_options msk_options = PINPIPE_MSK_OPTIONS_INIT;
        pinpipe_chunk_writer *writer = NULL;
        request.method = pp_str("PUT");
        request.url = pp_str("https://h/a");
        msk_options.region = options.region = pp_str("eu-west-1");
        msk_options.time_s = options.time_s = 1700000000;
        options.service = pp_str("s3");
        options.form = copies % 2 ? PINPIPE_SIGN_QUERY : PINPIPE_SIGN_HEADER;
        options.expires_s = copies % 2 ? 60 : 0;
        options.payload = copies % 2 ? PINPIPE_PAYLOAD_SERVICE : PINPIPE_PAYLOAD_STREAMING_SIGNED;
        CHECK_INT(pinpipe_signer_sign(&signature, signer, &request, key, &options, &err), PINPIPE_OK);
        if (!(copies % 2)) {
            CHECK_INT(pinpipe_chunk_writer_new(&writer, signer, &err), PINPIPE_OK);
        }
        CHECK_INT(pinpipe_msk_token_sign(&msk, NULL, key, &msk_options, &err), PINPIPE_OK);
        pinpipe_chunk_writer_free(writer);
        pinpipe_credentials_free(key);
    }
    pp_buf_reset_secret(&msk); /* a token is as good as the key */
    pinpipe_signer_free(signer);
}

int main(void) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    secret_add(SECRET);
    secret_add(TOKEN);
    secret_search_begin();
    pinpipe_credentials *key = key_make(TOKEN);
    for (int32_t form = PINPIPE_SIGN_HEADER; form <= PINPIPE_SIGN_QUERY; form++) {
        sign_once(key, form, PINPIPE_SWITCH_ON);
        sign_once(key, form, PINPIPE_SWITCH_OFF);
    }
    pinpipe_credentials_free(key);
    sign_many();
    CHECK_INT(pinpipe_credentials_decode(
                  &key, pp_str("Access key ID,Secret access key\nAKIDEXAMPLE," SECRET "\n"), &err),
              PINPIPE_OK);
    pinpipe_credentials_free(key);
    CHECK(setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1) == 0);
    CHECK(setenv("AWS_SECRET_ACCESS_KEY", SECRET, 1) == 0);
    CHECK(setenv("AWS_SESSION_TOKEN", TOKEN, 1) == 0);
    CHECK_INT(pinpipe_credentials_default(&key, &err), PINPIPE_OK);
    pinpipe_credentials_free(key);
    secret_search_end();
    CHECK_INT(secret_blocks, 0);
    CHECK(secret_bytes_searched > 1000);
    return check_report();
}
