/* Turns pieces of bytes into SHA-256 digests, and with a key into HMACs, by OpenSSL.
 * Never allocates between open and close on the direct road; what was keyed is wiped by close.
 * Rules: FIPS 180-4, RFC 2104; reference/signing.md §6: the two roads. */
#ifndef PP_BASE_DIGEST_H
#define PP_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "pinpipe/value.h"

#define PP_SHA256_BYTES 32
#define PP_SHA256_HEX_BYTES 64

/** How OpenSSL is asked. DIRECT: its SHA256_* calls, which OpenSSL 3 has deprecated and which no provider
 * sees. EVP: objects fetched once, as a FIPS provider wants it. */
typedef enum pp_sha256_road { PP_SHA256_DIRECT = 0, PP_SHA256_EVP = 1 } pp_sha256_road;

/** DIRECT where OpenSSL has the calls and asks for no FIPS provider, else EVP. Takes a lock: ask once a
 * handle.
 */
pp_sha256_road pp_sha256_road_choose(void);

/** A digest under way. Zeroed or opened; opaque but for its size. */
typedef struct pp_sha256_run {
    pp_sha256_road road;
    bool is_failed;     /* an earlier piece was not taken; end tells */
    void *evp;          /* EVP road: an EVP_MD_CTX */
    void *evp_digest;   /* EVP road: the fetched EVP_MD */
    uint64_t state[14]; /* direct road: a SHA256_CTX */
} pp_sha256_run;

/** A key that signs any number of messages. Zeroed or opened; one thread at a time. */
typedef struct pp_hmac_key {
    pp_sha256_road road;
    void *evp;          /* EVP road: an EVP_MAC_CTX with the key in it */
    uint64_t inner[14]; /* direct road: SHA256_CTX after the inner pad … */
    uint64_t outer[14]; /* … and after the outer one */
} pp_hmac_key;

/** Errors: EFATAL no SHA-256; ENOMEM. Close it in either case. */
pinpipe_status pp_sha256_open(pp_sha256_run *run, pp_sha256_road road, pinpipe_error *err);
void pp_sha256_close(pp_sha256_run *run);

void pp_sha256_start(pp_sha256_run *run);
void pp_sha256_add(pp_sha256_run *run, const void *bytes, size_t len);
/** Both were opened on one road. */
void pp_sha256_copy(pp_sha256_run *to, const pp_sha256_run *from);
pinpipe_status pp_sha256_end(uint8_t out[PP_SHA256_BYTES], pp_sha256_run *run, pinpipe_error *err);

pinpipe_status pp_hmac_key_open(pp_hmac_key *key, pp_sha256_road road, pinpipe_error *err);
void pp_hmac_key_close(pp_hmac_key *key);

/** Keys it with `prefix` followed by `secret`. */
pinpipe_status pp_hmac_key_set(pp_hmac_key *key, pinpipe_str prefix, pinpipe_str secret, pinpipe_error *err);
/** `to` was opened on the road of `from`. */
pinpipe_status pp_hmac_key_copy(pp_hmac_key *to, const pp_hmac_key *from, pinpipe_error *err);
pinpipe_status pp_hmac_key_sign(uint8_t out[PP_SHA256_BYTES], const pp_hmac_key *key, pinpipe_str message,
                                pinpipe_error *err);

/** Writes 2·len lower-case hex digits and a NUL. */
void pp_hex(char *out, const uint8_t *bytes, size_t len);

#endif
