/* Turns bytes into MD5 by OpenSSL.
 * Never falls back to another digest: without MD5 there is an error.
 * Rules: RFC 1321. */
#include "base/md5.h"

#include <openssl/evp.h>

pinpipe_status pp_md5(uint8_t out[PP_MD5_BYTES], pinpipe_str bytes, pinpipe_error *err) {
    unsigned int len = PP_MD5_BYTES;
    if (EVP_Digest(bytes.len ? bytes.ptr : "", bytes.len, out, &len, EVP_md5(), NULL) != 1) {
        return pp_fail(err, PINPIPE_EFATAL, "MD5: this OpenSSL has none");
    }
    return PINPIPE_OK;
}
