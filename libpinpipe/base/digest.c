/* Turns pieces of bytes into SHA-256 digests, and with a key into HMACs, by OpenSSL.
 * Never leaves key material on the stack.
 * Rules: FIPS 180-4, RFC 2104; OpenSSL 3 migration guide for what is deprecated and what to fetch. */
#define OPENSSL_SUPPRESS_DEPRECATED /* the direct road, which is not taken where a FIPS provider is asked    \
                                       for */
#include "base/digest.h"

#include <assert.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/sha.h>

#include "base/memory.h"

#ifdef OPENSSL_NO_DEPRECATED_3_0
#define HAS_DIRECT 0
#else
#define HAS_DIRECT 1
static_assert(sizeof(SHA256_CTX) <= sizeof((pp_sha256_run){0}.state), "a SHA256_CTX fits the run");
#endif

#define INNER_PAD 0x36
#define OUTER_PAD 0x5c
#define BLOCK_BYTES 64

void pp_hex(char *out, const uint8_t *bytes, size_t len) {
    static const char pairs[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
                                "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
                                "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
                                "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f"
                                "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
                                "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
                                "c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
                                "e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";
    for (size_t i = 0; i < len; i++) {
        memcpy(out + 2 * i, pairs + (size_t)2 * bytes[i], 2);
    }
    out[2 * len] = '\0';
}

static pinpipe_status digest_fail(pinpipe_error *err) {
    return pp_fail_service(err, PINPIPE_EFATAL, "openssl", 0, "SHA-256 is not available");
}

static pinpipe_status hmac_fail(pinpipe_error *err) {
    return pp_fail_service(err, PINPIPE_EFATAL, "openssl", 0, "HMAC-SHA-256 is not available");
}

pp_sha256_road pp_sha256_road_choose(void) {
    return HAS_DIRECT && !EVP_default_properties_is_fips_enabled(NULL) ? PP_SHA256_DIRECT : PP_SHA256_EVP;
}

/* ---- the direct road ---- */

#if HAS_DIRECT
static void direct_start(uint64_t *state) {
    SHA256_Init((SHA256_CTX *)state);
}

static void direct_add(uint64_t *state, const void *bytes, size_t len) {
    SHA256_Update((SHA256_CTX *)state, bytes, len);
}

static void direct_end(uint8_t *out, uint64_t *state) {
    SHA256_Final(out, (SHA256_CTX *)state);
}
#else
static void direct_start(uint64_t *state) {
    (void)state;
}

static void direct_add(uint64_t *state, const void *bytes, size_t len) {
    (void)state;
    (void)bytes;
    (void)len;
}

static void direct_end(uint8_t *out, uint64_t *state) {
    (void)out;
    (void)state;
}
#endif

/* ---- a digest ---- */

pinpipe_status pp_sha256_open(pp_sha256_run *run, pp_sha256_road road, pinpipe_error *err) {
    *run = (pp_sha256_run){.road = road};
    if (road == PP_SHA256_DIRECT) {
        return HAS_DIRECT ? PINPIPE_OK : digest_fail(err);
    }
    run->evp_digest = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!run->evp_digest) {
        return digest_fail(err);
    }
    run->evp = EVP_MD_CTX_new();
    return run->evp ? PINPIPE_OK : pp_fail_memory(err, "a digest", sizeof *run);
}

void pp_sha256_close(pp_sha256_run *run) {
    EVP_MD_CTX_free(run->evp);
    EVP_MD_free(run->evp_digest);
    pp_wipe(run, sizeof *run);
}

void pp_sha256_start(pp_sha256_run *run) {
    if (run->road == PP_SHA256_DIRECT) {
        direct_start(run->state);
    } else {
        run->is_failed = !EVP_DigestInit_ex2(run->evp, run->evp_digest, NULL);
    }
}

void pp_sha256_add(pp_sha256_run *run, const void *bytes, size_t len) {
    if (run->road == PP_SHA256_DIRECT) {
        direct_add(run->state, bytes, len);
    } else {
        run->is_failed = !EVP_DigestUpdate(run->evp, bytes, len) || run->is_failed;
    }
}

void pp_sha256_copy(pp_sha256_run *to, const pp_sha256_run *from) {
    assert(to->road == from->road);
    if (from->road == PP_SHA256_DIRECT) {
        memcpy(to->state, from->state, sizeof to->state);
    } else {
        to->is_failed = !EVP_MD_CTX_copy_ex(to->evp, from->evp) || from->is_failed;
    }
}

pinpipe_status pp_sha256_end(uint8_t out[PP_SHA256_BYTES], pp_sha256_run *run, pinpipe_error *err) {
    if (run->road == PP_SHA256_DIRECT) {
        direct_end(out, run->state);
        return PINPIPE_OK;
    }
    unsigned int len = 0;
    bool is_done = EVP_DigestFinal_ex(run->evp, out, &len) && !run->is_failed;
    assert(!is_done || len == PP_SHA256_BYTES);
    return is_done ? PINPIPE_OK : digest_fail(err);
}

/* ---- a keyed digest ---- */

pinpipe_status pp_hmac_key_open(pp_hmac_key *key, pp_sha256_road road, pinpipe_error *err) {
    *key = (pp_hmac_key){.road = road};
    if (road == PP_SHA256_DIRECT) {
        return HAS_DIRECT ? PINPIPE_OK : hmac_fail(err);
    }
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (!mac) {
        return hmac_fail(err);
    }
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, sizeof digest - 1),
        OSSL_PARAM_construct_end()};
    EVP_MAC_CTX *made = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac); /* the context holds it */
    key->evp = made;
    return made && EVP_MAC_CTX_set_params(made, parameters) ? PINPIPE_OK : hmac_fail(err);
}

void pp_hmac_key_close(pp_hmac_key *key) {
    EVP_MAC_CTX_free(key->evp);
    pp_wipe(key, sizeof *key);
}

static void direct_key_set(pp_hmac_key *key, const uint8_t block[BLOCK_BYTES]) {
    uint8_t pad[BLOCK_BYTES];
    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        pad[i] = block[i] ^ INNER_PAD;
    }
    direct_start(key->inner);
    direct_add(key->inner, pad, sizeof pad);
    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        pad[i] = block[i] ^ OUTER_PAD;
    }
    direct_start(key->outer);
    direct_add(key->outer, pad, sizeof pad);
    pp_wipe(pad, sizeof pad);
}

/* A key beyond one block is its digest. */
static pinpipe_status block_digest(uint8_t block[BLOCK_BYTES], const pp_hmac_key *key, pinpipe_str prefix,
                                   pinpipe_str secret, pinpipe_error *err) {
    pp_sha256_run run;
    pinpipe_status status = pp_sha256_open(&run, key->road, err);
    if (status == PINPIPE_OK) {
        pp_sha256_start(&run);
        pp_sha256_add(&run, prefix.ptr, prefix.len);
        pp_sha256_add(&run, secret.ptr, secret.len);
        status = pp_sha256_end(block, &run, err);
    }
    pp_sha256_close(&run);
    return status;
}

pinpipe_status pp_hmac_key_set(pp_hmac_key *key, pinpipe_str prefix, pinpipe_str secret, pinpipe_error *err) {
    uint8_t block[BLOCK_BYTES] = {0};
    pinpipe_status status = PINPIPE_OK;
    if (prefix.len + secret.len > BLOCK_BYTES) {
        status = block_digest(block, key, prefix, secret, err);
    } else {
        memcpy(block, prefix.ptr ? prefix.ptr : "", prefix.len);
        memcpy(block + prefix.len, secret.ptr ? secret.ptr : "", secret.len);
    }
    if (status == PINPIPE_OK && key->road == PP_SHA256_DIRECT) {
        direct_key_set(key, block);
    } else if (status == PINPIPE_OK && !EVP_MAC_init(key->evp, block, sizeof block, NULL)) {
        status = hmac_fail(err); /* zeros to the end of a block change no HMAC */
    }
    pp_wipe(block, sizeof block);
    return status;
}

pinpipe_status pp_hmac_key_copy(pp_hmac_key *to, const pp_hmac_key *from, pinpipe_error *err) {
    assert(to->road == from->road);
    if (from->road == PP_SHA256_DIRECT) {
        memcpy(to->inner, from->inner, sizeof to->inner);
        memcpy(to->outer, from->outer, sizeof to->outer);
        return PINPIPE_OK;
    }
    EVP_MAC_CTX *copy = EVP_MAC_CTX_dup(from->evp);
    if (!copy) {
        return hmac_fail(err);
    }
    EVP_MAC_CTX_free(to->evp);
    to->evp = copy;
    return PINPIPE_OK;
}

pinpipe_status pp_hmac_key_sign(uint8_t out[PP_SHA256_BYTES], const pp_hmac_key *key, pinpipe_str message,
                                pinpipe_error *err) {
    if (key->road == PP_SHA256_EVP) {
        size_t len = 0;
        bool is_done = EVP_MAC_init(key->evp, NULL, 0, NULL) &&
                       EVP_MAC_update(key->evp, (const unsigned char *)message.ptr, message.len) &&
                       EVP_MAC_final(key->evp, out, &len, PP_SHA256_BYTES);
        assert(!is_done || len == PP_SHA256_BYTES);
        return is_done ? PINPIPE_OK : hmac_fail(err);
    }
    uint64_t state[sizeof key->inner / sizeof key->inner[0]];
    memcpy(state, key->inner, sizeof state);
    direct_add(state, message.ptr, message.len);
    direct_end(out, state);
    memcpy(state, key->outer, sizeof state);
    direct_add(state, out, PP_SHA256_BYTES);
    direct_end(out, state);
    pp_wipe(state, sizeof state);
    return PINPIPE_OK;
}
