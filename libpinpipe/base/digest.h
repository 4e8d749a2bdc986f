/* Turns bytes into SHA-256 and HMAC-SHA-256 digests by OpenSSL.
 * Never keeps a key: what a caller derives, the caller wipes.
 * Rules: FIPS 180-4, RFC 2104. */
#ifndef PP_BASE_DIGEST_H
#define PP_BASE_DIGEST_H

#include <stdint.h>

#include "base/error.h"
#include "pinpipe/value.h"

#define PP_SHA256_BYTES 32
#define PP_SHA256_HEX_BYTES 64

pinpipe_status pp_sha256(uint8_t out[PP_SHA256_BYTES], pinpipe_str bytes, pinpipe_error *err);

/** The digest as 64 lower-case hex digits and a NUL. */
pinpipe_status pp_sha256_hex(char out[PP_SHA256_HEX_BYTES + 1], pinpipe_str bytes, pinpipe_error *err);

pinpipe_status pp_hmac_sha256(uint8_t out[PP_SHA256_BYTES], pinpipe_str key, pinpipe_str bytes,
                              pinpipe_error *err);

/** Writes 2·len lower-case hex digits and a NUL. */
void pp_hex(char *out, const uint8_t *bytes, size_t len);

#endif
