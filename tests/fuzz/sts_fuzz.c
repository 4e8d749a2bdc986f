/* Turns any bytes into an answer of STS: a key, a refusal, or an error with a reason.
 * Never accepts a key with a byte that cannot stand in a header, or without its parts.
 * Rules: libpinpipe/aws/sts.h; the whole input is the document. */
#include "fuzz.h"

#include <string.h>

#include "aws/sts.h"
#include "base/buffer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
#if PINPIPE_WITH_S3
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_credentials *key = NULL;
    pp_sts_refusal refusal;
    const pinpipe_str document = {(const char *)data, size};
    const pp_credentials_source source = {"assume-role", {NULL, 0}};
    if (pp_sts_answer_decode(&key, document, source, &err) < 0) {
        REQUIRE(!key && err.message[0]);
    } else {
        pinpipe_str parts[] = {pinpipe_credentials_key_id(key), pinpipe_credentials_secret(key),
                               pinpipe_credentials_token(key)};
        for (size_t i = 0; i < 3; i++) {
            REQUIRE(parts[i].len > 0);
            for (size_t k = 0; k < parts[i].len; k++) {
                REQUIRE(parts[i].ptr[k] > 0x20 && parts[i].ptr[k] < 0x7f);
            }
        }
        REQUIRE(pinpipe_credentials_expires_s(key) >= 0);
    }
    pinpipe_credentials_free(key);
    pp_sts_refusal_read(&refusal, document);
    REQUIRE(memchr(refusal.code, 0, sizeof refusal.code) &&
            memchr(refusal.message, 0, sizeof refusal.message));
#else
    (void)data, (void)size;
#endif
    return 0;
}
