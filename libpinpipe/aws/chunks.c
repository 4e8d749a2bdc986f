/* Turns the length of a body into the length that it has in chunks, and payload modes into their rows.
 * Never sees the body.
 * Rules: sign.def; S3 API Reference, "Signature calculations: transferring payload in multiple chunks". */
#include "aws/chunks.h"

#include <string.h>

#include "base/digest.h"

#define LINE_END_BYTES ((int64_t)2)

typedef struct checksum_row {
    const char *name;
    int64_t value_len;
} checksum_row;

static const checksum_row *checksum_find(int32_t checksum) {
    static const checksum_row rows[] = {
        {NULL, 0},
#define PP_CHECKSUM(NAME, name, value_len) [PINPIPE_CHECKSUM_##NAME] = {name, value_len},
#include "aws/sign.def"
#undef PP_CHECKSUM
    };
    bool is_known = checksum > 0 && (size_t)checksum < sizeof rows / sizeof rows[0];
    return is_known ? &rows[checksum] : NULL;
}

const char *pp_checksum_name(int32_t checksum) {
    const checksum_row *row = checksum_find(checksum);
    return row ? row->name : NULL;
}

const pp_streaming *pp_streaming_find(int32_t mode) {
    static const pp_streaming rows[] = {
#define PP_STREAMING(NAME, payload, is_signed, has_trailer)                                                  \
    {PINPIPE_PAYLOAD_STREAMING_##NAME, payload, is_signed, has_trailer},
#include "aws/sign.def"
#undef PP_STREAMING
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].mode == mode) {
            return &rows[i];
        }
    }
    return NULL;
}

static pinpipe_status whole_check(const pinpipe_sign_options *options, pinpipe_error *err) {
    if (options->checksum || options->decoded_bytes || options->chunk_bytes) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "checksum, decoded_bytes and chunk_bytes are for a streamed payload, this is none");
    }
    return PINPIPE_OK;
}

pinpipe_status pp_streaming_check(const pinpipe_sign_options *options, pinpipe_error *err) {
    const pp_streaming *mode = pp_streaming_find(options->payload);
    if (!mode) {
        return whole_check(options, err);
    }
    if (options->form != PINPIPE_SIGN_HEADER) {
        return pp_fail(err, PINPIPE_EINVAL, "payload: a presigned URL has no streamed body");
    }
    if (options->decoded_bytes < 0 || options->decoded_bytes > PP_DECODED_BYTES_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "decoded_bytes: %lld, not 0 to %lld",
                       (long long)options->decoded_bytes, (long long)PP_DECODED_BYTES_MAX);
    }
    int64_t chunk = options->chunk_bytes;
    if (chunk && (chunk < PP_CHUNK_BYTES_MIN || chunk > PP_CHUNK_BYTES_MAX)) {
        return pp_fail(err, PINPIPE_EINVAL, "chunk_bytes: %lld, not %d to %d", (long long)chunk,
                       PP_CHUNK_BYTES_MIN, PP_CHUNK_BYTES_MAX);
    }
    if (mode->has_trailer ? !checksum_find(options->checksum) : options->checksum != PINPIPE_CHECKSUM_NONE) {
        return pp_fail(err, PINPIPE_EINVAL, "checksum: %d; a trailer has one, a body without trailer none",
                       options->checksum);
    }
    return PINPIPE_OK;
}

/* hexlen [;chunk-signature=…] CRLF data CRLF */
static int64_t frame_bytes(const pp_streaming *mode, int64_t chunk) {
    int64_t digits = 1;
    for (int64_t rest = chunk; rest >= 16; rest /= 16) {
        digits++;
    }
    int64_t signature = mode->is_signed ? (int64_t)strlen(";chunk-signature=") + PP_SHA256_HEX_BYTES : 0;
    return digits + signature + LINE_END_BYTES + chunk + LINE_END_BYTES;
}

int64_t pp_streaming_bytes(const pinpipe_sign_options *options) {
    const pp_streaming *mode = pp_streaming_find(options->payload);
    int64_t chunk = options->chunk_bytes ? options->chunk_bytes : PP_CHUNK_BYTES_DEFAULT;
    int64_t rest = options->decoded_bytes % chunk;
    int64_t bytes = options->decoded_bytes / chunk * frame_bytes(mode, chunk) + frame_bytes(mode, 0);
    bytes += rest ? frame_bytes(mode, rest) : 0;
    if (mode->has_trailer) {
        const checksum_row *row = checksum_find(options->checksum);
        bytes += (int64_t)strlen(row->name) + 1 + row->value_len + LINE_END_BYTES;
        bytes += mode->is_signed
                     ? (int64_t)strlen("x-amz-trailer-signature:") + PP_SHA256_HEX_BYTES + LINE_END_BYTES
                     : 0;
    }
    return bytes;
}
