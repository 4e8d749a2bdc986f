/* The facts of streamed bodies (aws-chunked), and how long one becomes.
 * Never sees the body.
 * Rules: sign.def; S3 API Reference, "Signature calculations: transferring payload in multiple chunks". */
#ifndef PP_AWS_CHUNKS_H
#define PP_AWS_CHUNKS_H

#include "base/error.h"
#include "pinpipe/sign.h"

#define PP_CHUNK_BYTES_MIN 8192
#define PP_CHUNK_BYTES_MAX (16 << 20)
#define PP_CHUNK_BYTES_DEFAULT 65536
/** Longest body, in bytes: beyond what an object can have. */
#define PP_DECODED_BYTES_MAX ((int64_t)1 << 50)

typedef struct pp_streaming {
    int32_t mode;        /* pinpipe_sign_payload */
    const char *payload; /* last line of the canonical request */
    bool is_signed;      /* every chunk */
    bool has_trailer;
} pp_streaming;

/** The row of a payload mode; NULL: its body is not streamed. */
const pp_streaming *pp_streaming_find(int32_t mode);

/** Name of the trailer that has the checksum; NULL: there is none. */
const char *pp_checksum_name(int32_t checksum);

/** Errors: EINVAL lengths or a checksum that do not go with the payload. */
pinpipe_status pp_streaming_check(const pinpipe_sign_options *options, pinpipe_error *err);

/** Length of the framed body; the options were checked. */
int64_t pp_streaming_bytes(const pinpipe_sign_options *options);

/** Begins the same body anew. */
void pp_chunk_writer_rewind(pinpipe_chunk_writer *writer);

/** The checksum of what was taken so far, where it is a CRC. */
uint64_t pp_chunk_writer_crc(const pinpipe_chunk_writer *writer);

#endif
