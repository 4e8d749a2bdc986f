/* Turns files of gzip members or zstd frames back into bytes.
 * Never holds more than one small block of what comes out.
 * Rules: RFC 1952 §2.2, RFC 8878 §3; zlib.h, zstd.h. */
#include "base/compress.h"

#include <zlib.h>
#include <zstd.h>

#include "base/memory.h"

#define GZIP_WINDOW (15 + 16)
#define BLOCK_BYTES (64 << 10)

struct pp_expander {
    pp_codec codec;
    z_stream zlib;
    bool is_zlib;
    ZSTD_DCtx *zstd;
    bool is_inside; /* of a member */
    char block[BLOCK_BYTES];
};

pinpipe_status pp_expander_new(pp_expander **out, pp_codec codec, pinpipe_error *err) {
    *out = NULL;
    pp_expander *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "a decompressor", sizeof *made);
    }
    made->codec = codec;
    if (codec == PP_CODEC_GZIP) {
        made->is_zlib = inflateInit2(&made->zlib, GZIP_WINDOW) == Z_OK;
    } else if (codec == PP_CODEC_ZSTD) {
        made->zstd = ZSTD_createDCtx();
    }
    if ((codec == PP_CODEC_GZIP && !made->is_zlib) || (codec == PP_CODEC_ZSTD && !made->zstd)) {
        pp_expander_free(made);
        return pp_fail_memory(err, "a decompressor", BLOCK_BYTES);
    }
    *out = made;
    return PINPIPE_OK;
}

void pp_expander_free(pp_expander *expander) {
    if (expander) {
        if (expander->is_zlib) {
            inflateEnd(&expander->zlib);
        }
        ZSTD_freeDCtx(expander->zstd);
        pp_free(expander);
    }
}

static pinpipe_status broken(pinpipe_error *err) {
    return pp_fail(err, PINPIPE_EDATA, "the compressed bytes are damaged");
}

static pinpipe_status gzip_feed(pp_expander *expander, pinpipe_str bytes, pp_expand_fn take, void *user,
                                pinpipe_error *err) {
    z_stream *stream = &expander->zlib;
    pinpipe_status status = PINPIPE_OK;
    stream->next_in = (Bytef *)bytes.ptr;
    stream->avail_in = (uInt)bytes.len;
    bool is_full = false;
    while (status == PINPIPE_OK && (stream->avail_in || is_full)) {
        stream->next_out = (Bytef *)expander->block;
        stream->avail_out = BLOCK_BYTES;
        int code = inflate(stream, Z_NO_FLUSH);
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
            return broken(err);
        }
        is_full = stream->avail_out == 0 && code != Z_STREAM_END;
        expander->is_inside = code != Z_STREAM_END;
        status = take(user, (pinpipe_str){expander->block, BLOCK_BYTES - stream->avail_out}, err);
        if (code == Z_STREAM_END) {
            inflateReset(stream);
        }
    }
    return status;
}

static pinpipe_status zstd_feed(pp_expander *expander, pinpipe_str bytes, pp_expand_fn take, void *user,
                                pinpipe_error *err) {
    ZSTD_inBuffer in = {bytes.ptr, bytes.len, 0};
    pinpipe_status status = PINPIPE_OK;
    bool is_full = false;
    while (status == PINPIPE_OK && (in.pos < in.size || is_full)) {
        ZSTD_outBuffer out = {expander->block, BLOCK_BYTES, 0};
        size_t left = ZSTD_decompressStream(expander->zstd, &out, &in);
        if (ZSTD_isError(left)) {
            return broken(err);
        }
        is_full = out.pos == out.size;
        expander->is_inside = left != 0;
        status = take(user, (pinpipe_str){expander->block, out.pos}, err);
    }
    return status;
}

pinpipe_status pp_expander_feed(pp_expander *expander, pinpipe_str bytes, pp_expand_fn take, void *user,
                                pinpipe_error *err) {
    if (expander->codec == PP_CODEC_NONE) {
        return take(user, bytes, err);
    }
    return expander->codec == PP_CODEC_GZIP ? gzip_feed(expander, bytes, take, user, err)
                                            : zstd_feed(expander, bytes, take, user, err);
}

pinpipe_status pp_expander_end(const pp_expander *expander, pinpipe_error *err) {
    return expander->is_inside ? pp_fail(err, PINPIPE_EDATA, "the compressed bytes end too early")
                               : PINPIPE_OK;
}
