/* Turns bytes into MD5: not for secrecy, but because object stores use it as a name of content.
 * Never used where somebody could gain from a collision.
 * Rules: RFC 1321; Amazon S3 API Reference, ETag and Content-MD5. */
#ifndef PP_BASE_MD5_H
#define PP_BASE_MD5_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "pinpipe/value.h"

#define PP_MD5_BYTES 16

/** Errors: EFATAL OpenSSL has no MD5, as under FIPS. */
pinpipe_status pp_md5(uint8_t out[PP_MD5_BYTES], pinpipe_str bytes, pinpipe_error *err);

#endif
