/* Turns a body into aws-chunked frames, each signed over the one before, and a trailer with its checksum.
 * Never holds more of the body than one chunk, and that only where it arrives in pieces.
 * Rules: S3 API Reference, "Signature calculations: transferring payload in multiple chunks" and "… with
 * trailing headers"; sign.def. */
#include <assert.h>
#include <string.h>

#include "aws/chunks.h"
#include "aws/signer.h"
#include "base/buffer.h"
#include "base/checksum.h"
#include "base/memory.h"
#include "text/base64.h"

/* A frame's head, or the last frame with its trailer. */
#define PENDING_MAX 512

typedef enum writer_state {
    STATE_CHUNK, /* the next chunk has not begun */
    STATE_DATA,  /* within a chunk's bytes */
    STATE_END    /* all that is left is pending */
} writer_state;

struct pinpipe_chunk_writer {
    const pp_streaming *mode;
    int32_t checksum;
    writer_state state;
    int64_t decoded_bytes;
    int64_t chunk_bytes;
    int64_t left_bytes;  /* of the body, that no chunk has yet */
    int64_t chunk_left;  /* of the chunk's bytes, that are not written yet */
    pp_hmac_key key;     /* of the request */
    pp_sha256_run chunk; /* its digest, and the trailer's */
    pp_sha256_run whole; /* the body's, where that is the checksum */
    uint64_t crc;        /* … or its CRC */
    pinpipe_buf lines;   /* "\ntime\nscope\n": what every string to sign has after its first line */
    char empty_hash[PP_SHA256_HEX_BYTES + 1];
    char seed[PP_SHA256_HEX_BYTES + 1];     /* signature of the request … */
    char previous[PP_SHA256_HEX_BYTES + 1]; /* … and of what was framed last */
    char pending[PENDING_MAX];
    size_t pending_len, pending_at;
    char *held; /* a chunk that arrives in pieces; NULL until one does */
    int64_t held_len, held_at;
};

/* ---- signatures ---- */

static pinpipe_status run_text(char out[PP_SHA256_HEX_BYTES + 1], pp_sha256_run *run, pinpipe_str bytes,
                               pinpipe_error *err) {
    uint8_t digest[PP_SHA256_BYTES];
    pp_sha256_start(run);
    pp_sha256_add(run, bytes.ptr, bytes.len);
    pinpipe_status status = pp_sha256_end(digest, run, err);
    if (status == PINPIPE_OK) {
        pp_hex(out, digest, sizeof digest);
    }
    return status;
}

/* Signs `kind`, the previous signature and `hashes`, and makes that the previous one. */
static pinpipe_status link_sign(pinpipe_chunk_writer *writer, const char *kind, pinpipe_str hashes,
                                pinpipe_error *err) {
    pinpipe_buf text = PINPIPE_BUF_INIT;
    uint8_t mac[PP_SHA256_BYTES];
    char bytes[PENDING_MAX];
    text = (pinpipe_buf){bytes, 0, sizeof bytes}; /* never grows: the scope's parts are limited */
    pp_put(&text, pp_str(kind));
    pp_put(&text, pp_buf_view(&writer->lines));
    pp_put(&text, pp_str(writer->previous));
    pp_put(&text, pp_str("\n"));
    pp_put(&text, hashes);
    pinpipe_status status = pp_hmac_key_sign(mac, &writer->key, pp_buf_view(&text), err);
    if (status == PINPIPE_OK) {
        pp_hex(writer->previous, mac, sizeof mac);
    }
    return status;
}

static pinpipe_status chunk_sign(pinpipe_chunk_writer *writer, pinpipe_str chunk, pinpipe_error *err) {
    char hashes[2 * PP_SHA256_HEX_BYTES + 2];
    memcpy(hashes, writer->empty_hash, PP_SHA256_HEX_BYTES);
    hashes[PP_SHA256_HEX_BYTES] = '\n';
    pinpipe_status status = run_text(hashes + PP_SHA256_HEX_BYTES + 1, &writer->chunk, chunk, err);
    return status == PINPIPE_OK
               ? link_sign(writer, "AWS4-HMAC-SHA256-PAYLOAD", (pinpipe_str){hashes, sizeof hashes - 1}, err)
               : status;
}

/* ---- the checksum ---- */

static void checksum_add(pinpipe_chunk_writer *writer, const char *bytes, size_t len) {
    switch (writer->checksum) {
    case PINPIPE_CHECKSUM_CRC32:
        writer->crc = pp_crc32((uint32_t)writer->crc, bytes, len);
        break;
    case PINPIPE_CHECKSUM_CRC32C:
        writer->crc = pp_crc32c((uint32_t)writer->crc, bytes, len);
        break;
    case PINPIPE_CHECKSUM_CRC64NVME:
        writer->crc = pp_crc64nvme(writer->crc, bytes, len);
        break;
    case PINPIPE_CHECKSUM_SHA256:
        pp_sha256_add(&writer->whole, bytes, len);
        break;
    default:
        break;
    }
}

/* The checksum's bytes, highest first; how many there are. */
static pinpipe_status checksum_end(uint8_t out[PP_SHA256_BYTES], size_t *len, pinpipe_chunk_writer *writer,
                                   pinpipe_error *err) {
    *len = writer->checksum == PINPIPE_CHECKSUM_SHA256      ? PP_SHA256_BYTES
           : writer->checksum == PINPIPE_CHECKSUM_CRC64NVME ? sizeof(uint64_t)
                                                            : sizeof(uint32_t);
    if (writer->checksum == PINPIPE_CHECKSUM_SHA256) {
        return pp_sha256_end(out, &writer->whole, err);
    }
    for (size_t i = 0; i < *len; i++) {
        out[i] = (uint8_t)(writer->crc >> (8 * (*len - 1 - i)));
    }
    return PINPIPE_OK;
}

/* ---- frames ---- */

static void pend(pinpipe_chunk_writer *writer, const char *text, size_t len) {
    assert(writer->pending_len + len <= sizeof writer->pending);
    memcpy(writer->pending + writer->pending_len, text, len);
    writer->pending_len += len;
}

static void pend_text(pinpipe_chunk_writer *writer, const char *text) {
    pend(writer, text, strlen(text));
}

static void pend_head(pinpipe_chunk_writer *writer, int64_t len) {
    char digits[16];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[len % 16];
        len /= 16;
    } while (len);
    pend(writer, digits + at, sizeof digits - at);
    if (writer->mode->is_signed) {
        pend_text(writer, ";chunk-signature=");
        pend_text(writer, writer->previous);
    }
    pend_text(writer, "\r\n");
}

/* `checksum:value` with a line feed is signed, with a line end it is sent. */
static pinpipe_status trailer_pend(pinpipe_chunk_writer *writer, pinpipe_error *err) {
    uint8_t bytes[PP_SHA256_BYTES];
    char line[128], hash[PP_SHA256_HEX_BYTES + 1];
    size_t len = 0;
    pinpipe_status status = checksum_end(bytes, &len, writer, err);
    if (status < 0) {
        return status;
    }
    pinpipe_buf text = {line, 0, sizeof line};
    pp_put(&text, pp_str(pp_checksum_name(writer->checksum)));
    pp_put(&text, pp_str(":"));
    assert(text.len + PP_BASE64_LEN(sizeof bytes) + 1 < sizeof line);
    pp_base64_write(line + text.len, (const char *)bytes, len);
    text.len += PP_BASE64_LEN(len);
    pend(writer, line, text.len);
    pend_text(writer, "\r\n");
    if (writer->mode->is_signed) {
        pp_put(&text, pp_str("\n"));
        status = run_text(hash, &writer->chunk, pp_buf_view(&text), err);
        if (status == PINPIPE_OK) {
            status = link_sign(writer, "AWS4-HMAC-SHA256-TRAILER", pp_str(hash), err);
        }
        pend_text(writer, "x-amz-trailer-signature:");
        pend_text(writer, writer->previous);
        pend_text(writer, "\r\n");
    }
    return status;
}

static pinpipe_status end_pend(pinpipe_chunk_writer *writer, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    if (writer->mode->is_signed) {
        status = chunk_sign(writer, (pinpipe_str){NULL, 0}, err);
    }
    if (status == PINPIPE_OK) {
        pend_head(writer, 0);
        status = writer->mode->has_trailer ? trailer_pend(writer, err) : PINPIPE_OK;
    }
    pend_text(writer, "\r\n");
    writer->state = STATE_END;
    return status;
}

/* Keeps the beginning of a chunk that is not there as a whole. */
static pinpipe_status piece_hold(pinpipe_chunk_writer *writer, pinpipe_str *in, int64_t chunk,
                                 pinpipe_error *err) {
    if (!writer->held) {
        writer->held = pp_alloc((size_t)writer->chunk_bytes);
    }
    if (!writer->held) {
        return pp_fail_memory(err, "a chunk", (size_t)writer->chunk_bytes);
    }
    int64_t len = chunk - writer->held_len;
    len = len > (int64_t)in->len ? (int64_t)in->len : len;
    if (len) {
        memcpy(writer->held + writer->held_len, in->ptr, (size_t)len);
        writer->held_len += len;
        *in = (pinpipe_str){in->ptr + len, in->len - (size_t)len};
    }
    return PINPIPE_OK;
}

/* Begins the next chunk once its signature can be known. AGAIN: more of the body is wanted first. */
static pinpipe_status chunk_begin(pinpipe_chunk_writer *writer, pinpipe_str *in, pinpipe_error *err) {
    int64_t chunk = writer->left_bytes < writer->chunk_bytes ? writer->left_bytes : writer->chunk_bytes;
    if (!chunk) {
        return end_pend(writer, err);
    }
    pinpipe_status status = PINPIPE_OK;
    if (writer->mode->is_signed) {
        if (writer->held_len || (int64_t)in->len < chunk) {
            status = piece_hold(writer, in, chunk, err);
            if (status == PINPIPE_OK && writer->held_len < chunk) {
                return PINPIPE_AGAIN;
            }
        }
        const char *bytes = writer->held_len ? writer->held : in->ptr;
        if (status == PINPIPE_OK) {
            status = chunk_sign(writer, (pinpipe_str){bytes, (size_t)chunk}, err);
        }
    }
    if (status == PINPIPE_OK) {
        pend_head(writer, chunk);
        writer->left_bytes -= chunk;
        writer->chunk_left = chunk;
        writer->held_at = 0;
        writer->state = STATE_DATA;
    }
    return status;
}

/* Moves as much of the chunk as both sides have; true while there is progress to be made. */
static bool data_move(pinpipe_chunk_step *step, pinpipe_chunk_writer *writer) {
    bool is_held = writer->held_len > 0;
    int64_t len = writer->chunk_left, room = step->out_cap - step->out_len;
    len = len > room ? room : len;
    len = !is_held && len > (int64_t)step->in.len ? (int64_t)step->in.len : len;
    if (len) {
        const char *bytes = is_held ? writer->held + writer->held_at : step->in.ptr;
        memcpy(step->out + step->out_len, bytes, (size_t)len);
        checksum_add(writer, bytes, (size_t)len);
        step->out_len += len;
        writer->chunk_left -= len;
        writer->held_at += is_held ? len : 0;
        if (!is_held) {
            step->in = (pinpipe_str){bytes + len, step->in.len - (size_t)len};
        }
    }
    if (!writer->chunk_left) {
        pend_text(writer, "\r\n");
        writer->held_len = 0;
        writer->state = STATE_CHUNK;
    }
    return len > 0 || writer->state == STATE_CHUNK;
}

/* False: `out` is full and something is still pending. */
static bool pending_move(pinpipe_chunk_step *step, pinpipe_chunk_writer *writer) {
    size_t len = writer->pending_len - writer->pending_at;
    size_t room = (size_t)(step->out_cap - step->out_len);
    len = len > room ? room : len;
    if (len) {
        memcpy(step->out + step->out_len, writer->pending + writer->pending_at, len);
    }
    step->out_len += (int64_t)len;
    writer->pending_at += len;
    if (writer->pending_at < writer->pending_len) {
        return false;
    }
    writer->pending_at = writer->pending_len = 0;
    return true;
}

static pinpipe_status step_check(const pinpipe_chunk_step *step, const pinpipe_chunk_writer *writer,
                                 pinpipe_error *err) {
    if (step->struct_size < sizeof *step || step->out_len < 0 || step->out_cap < step->out_len) {
        return pp_fail(err, PINPIPE_EINVAL, "chunk step: %lld of %lld bytes of room are full",
                       (long long)step->out_len, (long long)step->out_cap);
    }
    int64_t wanted = writer->left_bytes - writer->held_len;
    wanted = writer->state == STATE_DATA && !writer->held_len ? writer->left_bytes + writer->chunk_left
             : writer->state == STATE_DATA                    ? writer->left_bytes
                                                              : wanted;
    if ((uint64_t)step->in.len > (uint64_t)wanted) {
        return pp_fail(err, PINPIPE_EINVAL, "body: %zu bytes more, where %lld are left of decoded_bytes %lld",
                       step->in.len, (long long)wanted, (long long)writer->decoded_bytes);
    }
    return PINPIPE_OK;
}

pinpipe_status pinpipe_chunk_writer_write(pinpipe_chunk_step *step, pinpipe_chunk_writer *writer,
                                          pinpipe_error *err) {
    assert(step);
    assert(writer);
    pinpipe_status status = step_check(step, writer, err);
    while (status == PINPIPE_OK) {
        if (!pending_move(step, writer)) {
            return PINPIPE_AGAIN;
        }
        if (writer->state == STATE_END) {
            return PINPIPE_DONE;
        }
        if (writer->state == STATE_CHUNK) {
            status = chunk_begin(writer, &step->in, err);
            if (status == PINPIPE_AGAIN) {
                return PINPIPE_OK;
            }
        } else if (!data_move(step, writer)) {
            return step->out_len == step->out_cap ? PINPIPE_AGAIN : PINPIPE_OK;
        }
    }
    return status;
}

/* ---- the handle ---- */

static pinpipe_status writer_begin(pinpipe_chunk_writer *made, const pinpipe_signer *signer,
                                   const pp_hmac_key *key, pinpipe_error *err) {
    const pinpipe_buf *text = &signer->signature->string_to_sign;
    size_t first = sizeof PP_SIGN_ALGORITHM - 1; /* the lines between algorithm and hash are every chunk's */
    pinpipe_status status = pp_hmac_key_open(&made->key, signer->road, err);
    if (status == PINPIPE_OK) {
        status = pp_hmac_key_copy(&made->key, key, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_sha256_open(&made->chunk, signer->road, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_sha256_open(&made->whole, signer->road, err);
    }
    if (status == PINPIPE_OK) {
        status = run_text(made->empty_hash, &made->chunk, (pinpipe_str){NULL, 0}, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&made->lines, text->ptr + first, text->len - PP_SHA256_HEX_BYTES - first, err);
    }
    memcpy(made->seed, signer->signature->text, sizeof made->seed);
    return status;
}

pinpipe_status pinpipe_chunk_writer_new(pinpipe_chunk_writer **out, const pinpipe_signer *signer,
                                        pinpipe_error *err) {
    assert(out);
    assert(signer);
    *out = NULL;
    const pinpipe_sign_options *options = &signer->last.options;
    const pp_hmac_key *key = signer->last.is_set ? signer->last.key : NULL;
    if (!key || !pp_streaming_find(options->payload)) {
        return pp_fail(err, PINPIPE_EINVAL, "payload: the signer's last request has no streamed body");
    }
    pinpipe_chunk_writer *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "a chunk writer", sizeof *made);
    }
    made->mode = pp_streaming_find(options->payload);
    made->checksum = options->checksum;
    made->decoded_bytes = options->decoded_bytes;
    made->chunk_bytes = options->chunk_bytes ? options->chunk_bytes : PP_CHUNK_BYTES_DEFAULT;
    pinpipe_status status = writer_begin(made, signer, key, err);
    if (status == PINPIPE_OK) {
        pp_chunk_writer_rewind(made);
        *out = made;
        made = NULL;
    }
    pinpipe_chunk_writer_free(made);
    return status;
}

void pp_chunk_writer_rewind(pinpipe_chunk_writer *writer) {
    writer->state = STATE_CHUNK;
    writer->left_bytes = writer->decoded_bytes;
    writer->chunk_left = writer->held_len = writer->held_at = 0;
    writer->pending_len = writer->pending_at = 0;
    writer->crc = 0;
    pp_sha256_start(&writer->whole);
    memcpy(writer->previous, writer->seed, sizeof writer->previous);
}

uint64_t pp_chunk_writer_crc(const pinpipe_chunk_writer *writer) {
    return writer->crc;
}

void pinpipe_chunk_writer_free(pinpipe_chunk_writer *writer) {
    if (writer) {
        pp_hmac_key_close(&writer->key);
        pp_sha256_close(&writer->chunk);
        pp_sha256_close(&writer->whole);
        pinpipe_buf_reset(&writer->lines);
        pp_free(writer->held);
        pp_wipe(writer, sizeof *writer);
        pp_free(writer);
    }
}
