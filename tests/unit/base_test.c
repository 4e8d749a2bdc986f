/* Turns the foundations (errors, buffers, digests) into checks against known values.
 * Never touches a file or a socket.
 * Rules: docs/errors.md; FIPS 180-4 example "abc"; RFC 4231 cases 2 and 6; the CRCs' check values. */
#include "check.h"

#include <openssl/evp.h>

#include "base/buffer.h"
#include "base/checksum.h"
#include "base/digest.h"
#include "pinpipe/library.h"

static void test_status(void) {
    CHECK_TEXT(pinpipe_status_name(PINPIPE_EINVAL), 6, "EINVAL");
    CHECK(pinpipe_status_retriable(PINPIPE_ENET));
    CHECK(!pinpipe_status_retriable(PINPIPE_EINVAL));
    CHECK(pinpipe_status_fatal(PINPIPE_EFORK));
    CHECK(strcmp(pinpipe_status_name(-9999), "UNKNOWN") == 0);
    CHECK(strlen(pinpipe_status_text(12345)) > 0);
}

static void test_error(void) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    CHECK_INT(pp_fail(&err, PINPIPE_EINVAL, "age: '%s' is no number", "a\nb"), PINPIPE_EINVAL);
    CHECK_INT(err.status, PINPIPE_EINVAL);
    CHECK(strcmp(err.message, "age: 'a?b' is no number") == 0);
    CHECK_INT(pp_fail(NULL, PINPIPE_ENOMEM, "x"), PINPIPE_ENOMEM);
}

static void test_buffer(void) {
    pinpipe_buf buf = PINPIPE_BUF_INIT;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    CHECK_INT(pp_buf_append_text(&buf, "ab", &err), PINPIPE_OK);
    CHECK_INT(pp_buf_printf(&buf, &err, "%d-%s", 7, "x"), PINPIPE_OK);
    CHECK_TEXT(buf.ptr, buf.len, "ab7-x");
    CHECK_INT(pp_buf_reserve(&buf, 10, 12, &err), PINPIPE_ELIMIT);
    CHECK_TEXT(buf.ptr, buf.len, "ab7-x");
    pinpipe_buf_reset(&buf);
    CHECK(buf.ptr == NULL);
}

static void digest_check(pp_sha256_road road) {
    char hex[PP_SHA256_HEX_BYTES + 1];
    uint8_t digest[PP_SHA256_BYTES], again[PP_SHA256_BYTES];
    pp_sha256_run run, copy;
    CHECK_INT(pp_sha256_open(&run, road, NULL), PINPIPE_OK);
    CHECK_INT(pp_sha256_open(&copy, road, NULL), PINPIPE_OK);
    pp_sha256_start(&run);
    pp_sha256_add(&run, "ab", 2);
    pp_sha256_copy(&copy, &run);
    pp_sha256_add(&run, "c", 1);
    CHECK_INT(pp_sha256_end(digest, &run, NULL), PINPIPE_OK);
    pp_hex(hex, digest, sizeof digest);
    CHECK_TEXT(hex, 64, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    pp_sha256_add(&copy, "c", 1);
    CHECK_INT(pp_sha256_end(again, &copy, NULL), PINPIPE_OK);
    CHECK(memcmp(again, digest, sizeof digest) == 0);
    pp_sha256_close(&copy);
    pp_sha256_close(&run);
}

static void hmac_check(pp_sha256_road road) {
    char hex[PP_SHA256_HEX_BYTES + 1], longer[131];
    uint8_t mac[PP_SHA256_BYTES];
    pp_hmac_key key, copy;
    pinpipe_str message = pp_str("what do ya want for nothing?");
    memset(longer, 0xaa, sizeof longer);
    CHECK_INT(pp_hmac_key_open(&key, road, NULL), PINPIPE_OK);
    CHECK_INT(pp_hmac_key_open(&copy, road, NULL), PINPIPE_OK);
    CHECK_INT(pp_hmac_key_set(&key, pp_str("Je"), pp_str("fe"), NULL), PINPIPE_OK);
    CHECK_INT(pp_hmac_key_copy(&copy, &key, NULL), PINPIPE_OK);
    CHECK_INT(pp_hmac_key_set(&key, pp_str(""), (pinpipe_str){longer, sizeof longer}, NULL), PINPIPE_OK);
    for (int round = 0; round < 2; round++) {
        CHECK_INT(pp_hmac_key_sign(mac, &copy, message, NULL), PINPIPE_OK);
        pp_hex(hex, mac, sizeof mac);
        CHECK_TEXT(hex, 64, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
    message = pp_str("Test Using Larger Than Block-Size Key - Hash Key First");
    CHECK_INT(pp_hmac_key_sign(mac, &key, message, NULL), PINPIPE_OK);
    pp_hex(hex, mac, sizeof mac);
    CHECK_TEXT(hex, 64, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    pp_hmac_key_close(&copy);
    pp_hmac_key_close(&key);
}

static void test_digest(void) {
    char hex[2 * 7 + 1];
    int first = (int)pp_sha256_road_choose();
    CHECK(EVP_default_properties_enable_fips(NULL, 1) == 1);
    CHECK_INT(pp_sha256_road_choose(), PP_SHA256_EVP);
    CHECK(EVP_default_properties_enable_fips(NULL, 0) == 1);
    for (int road = first; road <= PP_SHA256_EVP; road++) {
        digest_check((pp_sha256_road)road);
        hmac_check((pp_sha256_road)road);
    }
    pp_hex(hex, (const uint8_t[]){0x00, 0x9a, 0xf9, 0xaf, 0xff, 0x10, 0x0e}, 7);
    CHECK_TEXT(hex, strlen(hex), "009af9afff100e");
}

/* The definition, bit by bit. */
static uint64_t crc_slow(uint64_t before, const uint8_t *bytes, size_t len, uint64_t polynomial) {
    uint64_t crc = before;
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 1 ? crc >> 1 ^ polynomial : crc >> 1;
        }
    }
    return crc;
}

static void test_checksum(void) {
    static const char check[] = "123456789";
    static uint8_t bytes[2048];
    CHECK(pp_crc32(0, check, 9) == 0xcbf43926);
    CHECK(pp_crc32c(0, check, 9) == 0xe3069283);
    CHECK(pp_crc64nvme(0, check, 9) == UINT64_C(0xae8b14860a799888));
    uint32_t state = 1;
    for (size_t i = 0; i < sizeof bytes; i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(state >> 24);
    }
    int64_t wrong = 0;
    for (size_t len = 0; len < 1100; len++) {
        const uint8_t *from = bytes + len % 17;
        uint64_t nvme = ~crc_slow(~(uint64_t)len, from, len, UINT64_C(0x9a6c9329ac4bc9b5));
        wrong += pp_crc64nvme(len, from, len) != nvme;
        wrong += pp_crc64nvme_tables(len, from, len) != nvme;
        wrong += pp_crc64nvme(pp_crc64nvme(len, from, len / 3), from + len / 3, len - len / 3) != nvme;
        uint32_t before = (uint32_t)len;
        wrong +=
            pp_crc32(before, from, len) != (uint32_t)~crc_slow(~before & 0xffffffff, from, len, 0xedb88320);
        wrong +=
            pp_crc32c(before, from, len) != (uint32_t)~crc_slow(~before & 0xffffffff, from, len, 0x82f63b78);
    }
    CHECK_INT(wrong, 0);
}

int main(void) {
    test_status();
    test_error();
    test_buffer();
    test_digest();
    test_checksum();
    return check_report();
}
