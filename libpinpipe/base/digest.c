/* Turns bytes into SHA-256 and HMAC-SHA-256 digests by OpenSSL.
 * Never keeps a key.
 * Rules: FIPS 180-4, RFC 2104. */
#include "base/digest.h"

#include <assert.h>
#include <limits.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

void pp_hex(char *out, const uint8_t *bytes, size_t len) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * len] = '\0';
}

pinpipe_status pp_sha256(uint8_t out[PP_SHA256_BYTES], pinpipe_str bytes, pinpipe_error *err) {
    unsigned int len = 0;
    if (!EVP_Digest(bytes.ptr, bytes.len, out, &len, EVP_sha256(), NULL)) {
        return pp_fail_service(err, PINPIPE_EFATAL, "openssl", 0, "SHA-256 is not available");
    }
    assert(len == PP_SHA256_BYTES);
    return PINPIPE_OK;
}

pinpipe_status pp_sha256_hex(char out[PP_SHA256_HEX_BYTES + 1], pinpipe_str bytes, pinpipe_error *err) {
    uint8_t digest[PP_SHA256_BYTES];
    pinpipe_status status = pp_sha256(digest, bytes, err);
    if (status == PINPIPE_OK) {
        pp_hex(out, digest, sizeof digest);
    }
    return status;
}

pinpipe_status pp_hmac_sha256(uint8_t out[PP_SHA256_BYTES], pinpipe_str key, pinpipe_str bytes,
                              pinpipe_error *err) {
    unsigned int len = 0;
    assert(key.len <= INT_MAX);
    const unsigned char *data = (const unsigned char *)(bytes.ptr ? bytes.ptr : "");
    if (!HMAC(EVP_sha256(), key.ptr, (int)key.len, data, bytes.len, out, &len)) {
        return pp_fail_service(err, PINPIPE_EFATAL, "openssl", 0, "HMAC-SHA-256 is not available");
    }
    assert(len == PP_SHA256_BYTES);
    return PINPIPE_OK;
}
