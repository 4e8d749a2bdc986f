/* Turns pieces of bytes into gzip members and zstd frames, and such files back into bytes.
 * Never keeps a compressor a file: each piece is whole in itself, and pieces one behind the other are a file.
 * Rules: RFC 1952 §2.2 (members), RFC 8878 §3 (frames). */
#ifndef PP_BASE_COMPRESS_H
#define PP_BASE_COMPRESS_H

#include "base/error.h"
#include "pinpipe/value.h"

typedef enum pp_codec {
    PP_CODEC_NONE = 0,
    PP_CODEC_GZIP = 1,
    PP_CODEC_ZSTD = 2,
} pp_codec;

/** Highest levels; 0 is each codec's default: 1 for both. */
#define PP_GZIP_LEVEL_MAX 9
#define PP_ZSTD_LEVEL_MAX 19

/** One thread at a time. */
typedef struct pp_compressor pp_compressor;

/** Makes a compressor; gzip of level 1 by ISA-L where it is built in, else by zlib. Errors: EINVAL a level
 * beyond the codec's; ENOMEM. */
pinpipe_status pp_compressor_new(pp_compressor **out, pp_codec codec, int32_t level, pinpipe_error *err);

/** NULL is allowed. */
void pp_compressor_free(pp_compressor *compressor);

/** Appends one member or frame that holds `piece`, of at most 1 GiB. Errors: ENOMEM; ELIMIT. */
pinpipe_status pp_compressor_encode(pinpipe_buf *out, pp_compressor *compressor, pinpipe_str piece,
                                    pinpipe_error *err);

/** Takes plain bytes; a negative status ends the reading. */
typedef pinpipe_status (*pp_expand_fn)(void *user, pinpipe_str bytes, pinpipe_error *err);

/** Reads a compressed file, given piece by piece in its order. */
typedef struct pp_expander pp_expander;

/** Errors: ENOMEM. */
pinpipe_status pp_expander_new(pp_expander **out, pp_codec codec, pinpipe_error *err);

/** NULL is allowed. */
void pp_expander_free(pp_expander *expander);

/** Gives what `bytes` hold to `take`. Errors: EDATA they are not of the codec; those of `take`. */
pinpipe_status pp_expander_feed(pp_expander *expander, pinpipe_str bytes, pp_expand_fn take, void *user,
                                pinpipe_error *err);

/** Errors: EDATA the file ends in the middle of a member. */
pinpipe_status pp_expander_end(const pp_expander *expander, pinpipe_error *err);

#endif
