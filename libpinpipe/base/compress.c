/* Turns pieces of bytes into gzip members and zstd frames.
 * Never leaves a member open: what is written is complete after each call.
 * Rules: RFC 1952, RFC 8878; ISA-L igzip_lib.h, zlib.h, zstd.h. */
#include "base/compress.h"

#include <string.h>
#include <zlib.h>
#include <zstd.h>
#if PINPIPE_WITH_ISAL
#include <isa-l/igzip_lib.h>
#endif

#include "base/buffer.h"
#include "base/memory.h"

#define LEVEL_DEFAULT 1
#define GZIP_WINDOW (15 + 16) /* zlib's way to ask for a gzip header */
#define GZIP_MEMORY 8
#define GZIP_FRAME_BYTES 64 /* header, trailer and what a block that does not shrink costs */
#define PIECE_MAX ((size_t)1 << 30)

struct pp_compressor {
    pp_codec codec;
    int32_t level;
    z_stream zlib;
    bool is_zlib;
    ZSTD_CCtx *zstd;
#if PINPIPE_WITH_ISAL
    struct isal_zstream isal;
    uint8_t *isal_level;
#endif
};

static void *zlib_alloc(void *user, unsigned int count, unsigned int size) {
    (void)user;
    return pp_alloc_zero((size_t)count * size);
}

static void zlib_free(void *user, void *memory) {
    (void)user;
    pp_free(memory);
}

static pinpipe_status gzip_set(pp_compressor *compressor, pinpipe_error *err) {
#if PINPIPE_WITH_ISAL
    if (compressor->level == LEVEL_DEFAULT) {
        compressor->isal_level = pp_alloc(ISAL_DEF_LVL1_DEFAULT);
        return compressor->isal_level ? PINPIPE_OK
                                      : pp_fail_memory(err, "a gzip compressor", ISAL_DEF_LVL1_DEFAULT);
    }
#endif
    compressor->zlib.zalloc = zlib_alloc;
    compressor->zlib.zfree = zlib_free;
    compressor->is_zlib = deflateInit2(&compressor->zlib, compressor->level, Z_DEFLATED, GZIP_WINDOW,
                                       GZIP_MEMORY, Z_DEFAULT_STRATEGY) == Z_OK;
    return compressor->is_zlib ? PINPIPE_OK : pp_fail_memory(err, "a gzip compressor", 1 << 18);
}

static pinpipe_status zstd_set(pp_compressor *compressor, pinpipe_error *err) {
    compressor->zstd = ZSTD_createCCtx();
    if (!compressor->zstd) {
        return pp_fail_memory(err, "a zstd compressor", 1 << 20);
    }
    ZSTD_CCtx_setParameter(compressor->zstd, ZSTD_c_compressionLevel, compressor->level);
    ZSTD_CCtx_setParameter(compressor->zstd, ZSTD_c_checksumFlag, 1);
    return PINPIPE_OK;
}

pinpipe_status pp_compressor_new(pp_compressor **out, pp_codec codec, int32_t level, pinpipe_error *err) {
    int32_t most = codec == PP_CODEC_ZSTD ? PP_ZSTD_LEVEL_MAX : PP_GZIP_LEVEL_MAX;
    *out = NULL;
    if (codec == PP_CODEC_NONE || level < 0 || level > most) {
        return pp_fail(err, PINPIPE_EINVAL, "compression level %ld is not 1 to %ld", (long)level, (long)most);
    }
    pp_compressor *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "a compressor", sizeof *made);
    }
    made->codec = codec;
    made->level = level ? level : LEVEL_DEFAULT;
    pinpipe_status status = codec == PP_CODEC_GZIP ? gzip_set(made, err) : zstd_set(made, err);
    if (status < 0) {
        pp_compressor_free(made);
        return status;
    }
    *out = made;
    return PINPIPE_OK;
}

void pp_compressor_free(pp_compressor *compressor) {
    if (!compressor) {
        return;
    }
    if (compressor->is_zlib) {
        deflateEnd(&compressor->zlib);
    }
    ZSTD_freeCCtx(compressor->zstd);
#if PINPIPE_WITH_ISAL
    pp_free(compressor->isal_level);
#endif
    pp_free(compressor);
}

#if PINPIPE_WITH_ISAL
static size_t isal_encode(pp_compressor *compressor, char *out, size_t room, pinpipe_str piece) {
    struct isal_zstream *stream = &compressor->isal;
    isal_deflate_stateless_init(stream);
    stream->level = LEVEL_DEFAULT;
    stream->level_buf = compressor->isal_level;
    stream->level_buf_size = ISAL_DEF_LVL1_DEFAULT;
    stream->gzip_flag = IGZIP_GZIP;
    stream->end_of_stream = 1;
    stream->next_in = (uint8_t *)piece.ptr;
    stream->avail_in = (uint32_t)piece.len;
    stream->next_out = (uint8_t *)out;
    stream->avail_out = (uint32_t)room;
    return isal_deflate_stateless(stream) == COMP_OK && stream->avail_in == 0 ? room - stream->avail_out : 0;
}
#endif

static size_t gzip_encode(pp_compressor *compressor, char *out, size_t room, pinpipe_str piece) {
#if PINPIPE_WITH_ISAL
    if (!compressor->is_zlib) {
        return isal_encode(compressor, out, room, piece);
    }
#endif
    z_stream *stream = &compressor->zlib;
    stream->next_in = (Bytef *)piece.ptr;
    stream->avail_in = (uInt)piece.len;
    stream->next_out = (Bytef *)out;
    stream->avail_out = (uInt)room;
    size_t len = deflate(stream, Z_FINISH) == Z_STREAM_END ? room - stream->avail_out : 0;
    deflateReset(stream);
    return len;
}

pinpipe_status pp_compressor_encode(pinpipe_buf *out, pp_compressor *compressor, pinpipe_str piece,
                                    pinpipe_error *err) {
    if (piece.len > PIECE_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "a piece of %zu bytes is more than the 1 GiB of one member",
                       piece.len);
    }
    /* Deflate's stored blocks add 5 bytes for 64 KiB at most. */
    size_t room = compressor->codec == PP_CODEC_ZSTD ? ZSTD_compressBound(piece.len)
                                                     : piece.len + piece.len / 1024 + GZIP_FRAME_BYTES;
    pinpipe_status status = pp_buf_reserve(out, room, PP_BUF_MAX, err);
    if (status < 0) {
        return status;
    }
    char *at = out->ptr + out->len;
    size_t len = 0;
    if (compressor->codec == PP_CODEC_ZSTD) {
        size_t result = ZSTD_compress2(compressor->zstd, at, room, piece.ptr, piece.len);
        len = ZSTD_isError(result) ? 0 : result;
    } else {
        len = gzip_encode(compressor, at, room, piece);
    }
    if (len == 0) {
        return pp_fail(err, PINPIPE_EFATAL, "%zu bytes could not be compressed", piece.len);
    }
    out->len += len;
    out->ptr[out->len] = '\0';
    return PINPIPE_OK;
}
