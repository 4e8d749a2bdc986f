/* Turns the foundations (errors, buffers, digests) into checks against known values.
 * Never touches a file or a socket.
 * Rules: docs/errors.md; FIPS 180-4 example "abc"; RFC 4231 case 2. */
#include "check.h"

#include "base/buffer.h"
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

static void test_digest(void) {
    char hex[PP_SHA256_HEX_BYTES + 1];
    CHECK_INT(pp_sha256_hex(hex, pp_str("abc"), NULL), PINPIPE_OK);
    CHECK(strcmp(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad") == 0);
    uint8_t mac[PP_SHA256_BYTES];
    CHECK_INT(pp_hmac_sha256(mac, pp_str("Jefe"), pp_str("what do ya want for nothing?"), NULL), PINPIPE_OK);
    pp_hex(hex, mac, sizeof mac);
    CHECK(strcmp(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843") == 0);
}

int main(void) {
    test_status();
    test_error();
    test_buffer();
    test_digest();
    return check_report();
}
