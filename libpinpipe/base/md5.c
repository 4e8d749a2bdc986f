/* Turns bytes into MD5 by OpenSSL.
 * Never falls back to another digest: without MD5 there is an error.
 * Rules: RFC 1321; OpenSSL 3 migration guide for what is deprecated: a digest that is fetched for each short
 * key takes longer to be found than to be computed. */
#define OPENSSL_SUPPRESS_DEPRECATED /* the direct road, which is not taken where a FIPS provider is asked    \
                                       for */
#include "base/md5.h"

#include <stdatomic.h>

#include <openssl/evp.h>
#include <openssl/md5.h>

typedef enum md5_road { ROAD_UNKNOWN = 0, ROAD_DIRECT = 1, ROAD_EVP = 2 } md5_road;

#ifndef OPENSSL_NO_DEPRECATED_3_0
static bool direct_take(uint8_t out[PP_MD5_BYTES], pinpipe_str bytes) {
    MD5_CTX run;
    return MD5_Init(&run) == 1 && MD5_Update(&run, bytes.len ? bytes.ptr : "", bytes.len) == 1 &&
           MD5_Final(out, &run) == 1;
}

/* OpenSSL answers under a lock, so it is asked once: its configuration stays as it was read. */
static bool is_direct(void) {
    static _Atomic int known = ROAD_UNKNOWN;
    int road = atomic_load_explicit(&known, memory_order_relaxed);
    if (road == ROAD_UNKNOWN) {
        road = EVP_default_properties_is_fips_enabled(NULL) ? ROAD_EVP : ROAD_DIRECT;
        atomic_store_explicit(&known, road, memory_order_relaxed);
    }
    return road == ROAD_DIRECT;
}
#else
static bool direct_take(uint8_t out[PP_MD5_BYTES], pinpipe_str bytes) {
    (void)out, (void)bytes;
    return false;
}

static bool is_direct(void) {
    return false;
}
#endif

pinpipe_status pp_md5(uint8_t out[PP_MD5_BYTES], pinpipe_str bytes, pinpipe_error *err) {
    unsigned int len = PP_MD5_BYTES;
    bool is_there = is_direct()
                        ? direct_take(out, bytes)
                        : EVP_Digest(bytes.len ? bytes.ptr : "", bytes.len, out, &len, EVP_md5(), NULL) == 1;
    return is_there ? PINPIPE_OK : pp_fail(err, PINPIPE_EFATAL, "MD5: this OpenSSL has none");
}
