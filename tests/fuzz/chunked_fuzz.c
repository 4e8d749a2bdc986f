/* Turns a body into aws-chunked frames in pieces of any size, and the frames back into the body.
 * Never trusts a signature or a checksum: each is made again, the slow way, from what was decoded.
 * Rules: S3 API Reference, "Signature calculations: transferring payload in multiple chunks". Input: mode,
 * checksum, chunk size, piece, room, how often the rest is repeated; then the bytes that the body is made of.
 */
#include "fuzz.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "aws/chunks.h"
#include "aws/signer.h"
#include "base/buffer.h"
#include "text/base64.h"

#define HEAD_BYTES 6
#define BODY_MAX (1 << 18)
#define TIME_LINES "\n20231114T221320Z\n20231114/eu-west-1/s3/aws4_request\n"
#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static char body[BODY_MAX];

typedef struct plan {
    pinpipe_sign_options options;
    pinpipe_str body;
    size_t piece;
    size_t room;
} plan;

typedef struct reader {
    const char *at;
    const char *end;
    char previous[PP_SHA256_HEX_BYTES + 1];
    pp_hmac_key key;
} reader;

static void slow_hash(char out[PP_SHA256_HEX_BYTES + 1], const char *bytes, size_t len) {
    uint8_t digest[PP_SHA256_BYTES];
    pp_sha256_run run;
    REQUIRE(pp_sha256_open(&run, PP_SHA256_EVP, NULL) == PINPIPE_OK);
    pp_sha256_start(&run);
    pp_sha256_add(&run, bytes, len);
    REQUIRE(pp_sha256_end(digest, &run, NULL) == PINPIPE_OK);
    pp_sha256_close(&run);
    pp_hex(out, digest, sizeof digest);
}

static uint64_t slow_crc(pinpipe_str bytes, uint64_t polynomial, uint64_t ones) {
    uint64_t crc = ones;
    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= (uint8_t)bytes.ptr[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 1 ? crc >> 1 ^ polynomial : crc >> 1;
        }
    }
    return crc ^ ones;
}

static void require_text(reader *from, const char *wanted) {
    size_t len = strlen(wanted);
    REQUIRE((size_t)(from->end - from->at) >= len && memcmp(from->at, wanted, len) == 0);
    from->at += len;
}

static void link_check(reader *from, const char *kind, const char *hashes) {
    pinpipe_buf text = PINPIPE_BUF_INIT;
    uint8_t mac[PP_SHA256_BYTES];
    REQUIRE(pp_buf_printf(&text, NULL, "%s" TIME_LINES "%s\n%s", kind, from->previous, hashes) == PINPIPE_OK);
    REQUIRE(pp_hmac_key_sign(mac, &from->key, pp_buf_view(&text), NULL) == PINPIPE_OK);
    pp_hex(from->previous, mac, sizeof mac);
    require_text(from, from->previous);
    pinpipe_buf_reset(&text);
}

static void key_derive(reader *out) {
    static const char *const steps[] = {"20231114", "eu-west-1", "s3", "aws4_request"};
    uint8_t mac[PP_SHA256_BYTES];
    REQUIRE(pp_hmac_key_open(&out->key, PP_SHA256_EVP, NULL) == PINPIPE_OK);
    REQUIRE(pp_hmac_key_set(&out->key, pp_str(""), pp_str("AWS4se/cret"), NULL) == PINPIPE_OK);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        REQUIRE(pp_hmac_key_sign(mac, &out->key, pp_str(steps[i]), NULL) == PINPIPE_OK);
        pinpipe_str secret = {(const char *)mac, sizeof mac};
        REQUIRE(pp_hmac_key_set(&out->key, pp_str(""), secret, NULL) == PINPIPE_OK);
    }
}

static void trailer_line(char out[160], const plan *of) {
    static const struct {
        const char *name;
        size_t len;
        uint64_t polynomial, ones;
    } crcs[] = {{"", 0, 0, 0},
                {"crc32", 4, 0xedb88320, 0xffffffff},
                {"crc32c", 4, 0x82f63b78, 0xffffffff},
                {"crc64nvme", 8, UINT64_C(0x9a6c9329ac4bc9b5), UINT64_MAX}};
    uint8_t raw[PP_SHA256_BYTES];
    size_t len = sizeof raw;
    const char *name = "sha256";
    if (of->options.checksum == PINPIPE_CHECKSUM_SHA256) {
        char hex[PP_SHA256_HEX_BYTES + 1];
        slow_hash(hex, of->body.ptr, of->body.len);
        for (size_t i = 0; i < sizeof raw; i++) {
            char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
            raw[i] = (uint8_t)strtoul(digits, NULL, 16);
        }
    } else {
        uint64_t crc =
            slow_crc(of->body, crcs[of->options.checksum].polynomial, crcs[of->options.checksum].ones);
        name = crcs[of->options.checksum].name;
        len = crcs[of->options.checksum].len;
        for (size_t i = 0; i < len; i++) {
            raw[i] = (uint8_t)(crc >> (8 * (len - 1 - i)));
        }
    }
    char value[PP_BASE64_LEN(PP_SHA256_BYTES)];
    pp_base64_write(value, (const char *)raw, len);
    snprintf(out, 160, "x-amz-checksum-%s:%.*s", name, (int)PP_BASE64_LEN(len), value);
}

static void frames_check(const pinpipe_buf *framed, const plan *of, const char *seed) {
    const pp_streaming *mode = pp_streaming_find(of->options.payload);
    reader from = {framed->ptr, framed->ptr + framed->len, {0}, {0}};
    char line[160], hash[PP_SHA256_HEX_BYTES + 1], hashes[2 * PP_SHA256_HEX_BYTES + 2];
    memcpy(from.previous, seed, PP_SHA256_HEX_BYTES);
    key_derive(&from);
    size_t chunk_bytes = of->options.chunk_bytes ? (size_t)of->options.chunk_bytes : PP_CHUNK_BYTES_DEFAULT;
    for (size_t at = 0, last = 0; !last;) {
        size_t len = of->body.len - at < chunk_bytes ? of->body.len - at : chunk_bytes;
        last = len == 0;
        snprintf(line, sizeof line, "%zx%s", len, mode->is_signed ? ";chunk-signature=" : "");
        require_text(&from, line);
        if (mode->is_signed) {
            slow_hash(hash, of->body.ptr + at, len);
            snprintf(hashes, sizeof hashes, EMPTY_HASH "\n%s", hash);
            link_check(&from, "AWS4-HMAC-SHA256-PAYLOAD", hashes);
        }
        require_text(&from, "\r\n");
        REQUIRE((size_t)(from.end - from.at) >= len && memcmp(from.at, of->body.ptr + at, len) == 0);
        from.at += len;
        require_text(&from, last ? "" : "\r\n");
        at += len;
    }
    if (mode->has_trailer) {
        trailer_line(line, of);
        require_text(&from, line);
        require_text(&from, "\r\n");
        strncat(line, "\n", 2);
        slow_hash(hash, line, strlen(line));
    }
    if (mode->has_trailer && mode->is_signed) {
        require_text(&from, "x-amz-trailer-signature:");
        link_check(&from, "AWS4-HMAC-SHA256-TRAILER", hash);
        require_text(&from, "\r\n");
    }
    require_text(&from, "\r\n");
    REQUIRE(from.at == from.end);
    pp_hmac_key_close(&from.key);
}

static void body_frame(pinpipe_buf *out, const pinpipe_signer *signer, const plan *of) {
    pinpipe_chunk_writer *writer = NULL;
    pinpipe_chunk_step step = PINPIPE_CHUNK_STEP_INIT;
    pinpipe_status status = PINPIPE_AGAIN;
    size_t at = 0;
    REQUIRE(pinpipe_chunk_writer_new(&writer, signer, NULL) == PINPIPE_OK);
    while (status != PINPIPE_DONE) {
        size_t len = of->body.len - at < of->piece ? of->body.len - at : of->piece;
        REQUIRE(pp_buf_reserve(out, of->room, PP_BUF_MAX, NULL) == PINPIPE_OK);
        step.in = (pinpipe_str){of->body.ptr + at, len};
        step.out = out->ptr + out->len;
        step.out_cap = (int64_t)of->room;
        step.out_len = 0;
        status = pinpipe_chunk_writer_write(&step, writer, NULL);
        REQUIRE(status == PINPIPE_OK || status == PINPIPE_AGAIN || status == PINPIPE_DONE);
        REQUIRE(status != PINPIPE_OK || !step.in.len);
        out->len += (size_t)step.out_len;
        at += len - step.in.len;
    }
    REQUIRE(at == of->body.len);
    pinpipe_chunk_writer_free(writer);
}

static plan plan_read(const uint8_t *data, size_t size) {
    plan made = {.options = PINPIPE_SIGN_OPTIONS_INIT};
    size_t part = size - HEAD_BYTES, len = 0;
    for (size_t i = 0; i <= data[5] && len + part <= sizeof body; i++) {
        memcpy(body + len, data + HEAD_BYTES, part);
        len += part;
    }
    made.options.payload = PINPIPE_PAYLOAD_STREAMING_SIGNED + data[0] % 3;
    made.options.checksum =
        made.options.payload == PINPIPE_PAYLOAD_STREAMING_SIGNED ? 0 : PINPIPE_CHECKSUM_CRC32 + data[1] % 4;
    made.options.chunk_bytes = data[2] % 4 ? PP_CHUNK_BYTES_MIN + data[2] * 64 : 0;
    made.options.service = pp_str("s3");
    made.options.region = pp_str("eu-west-1");
    made.options.time_s = 1700000000;
    made.options.decoded_bytes = (int64_t)len;
    made.body = (pinpipe_str){body, len};
    made.piece = 1 + (size_t)data[3] * data[3] * 5;
    made.room = 1 + (size_t)data[4] * data[4] * 5;
    made.piece = made.piece < len / 2000 ? len / 2000 : made.piece; /* no input takes for ever */
    made.room = made.room < len / 2000 ? len / 2000 : made.room;
    return made;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < HEAD_BYTES || size > 8192) {
        return 0;
    }
    plan of = plan_read(data, size);
    pinpipe_signer *signer = NULL;
    pinpipe_credentials *key = NULL;
    const pinpipe_signature *signature = NULL;
    pinpipe_buf framed = PINPIPE_BUF_INIT;
    pinpipe_credentials_options parts = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    pinpipe_sign_request request = PINPIPE_SIGN_REQUEST_INIT;
    parts.access_key_id = pp_str("AKIDEXAMPLE");
    parts.secret_access_key = pp_str("se/cret");
    request.method = pp_str("PUT");
    request.url = pp_str("https://h/k");
    REQUIRE(pinpipe_credentials_new(&key, &parts, NULL) == PINPIPE_OK);
    REQUIRE(pinpipe_signer_new(&signer, NULL) == PINPIPE_OK);
    REQUIRE(pinpipe_signer_sign(&signature, signer, &request, key, &of.options, NULL) == PINPIPE_OK);
    body_frame(&framed, signer, &of);
    REQUIRE((int64_t)framed.len == pinpipe_signature_body_bytes(signature));
    frames_check(&framed, &of, pinpipe_signature_text(signature).ptr);
    pinpipe_buf_reset(&framed);
    pinpipe_signer_free(signer);
    pinpipe_credentials_free(key);
    return 0;
}
