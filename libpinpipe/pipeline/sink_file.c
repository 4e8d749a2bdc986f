/* Turns records into the lines of an object to be.
 * Never copies a line twice: it is written where it stays.
 * Rules: docs/sink.md, "Objects". */
#include "pipeline/sink_file.h"

#include <assert.h>

#include "base/buffer.h"
#include "base/checksum.h"
#include "base/memory.h"

pinpipe_status pp_sink_file_new(pp_sink_file **out, struct pp_sink_stream *stream, pinpipe_error *err) {
    pp_sink_file *file = pp_alloc_zero(sizeof *file);
    *out = file;
    if (!file) {
        return pp_fail_memory(err, "an open file", sizeof *file);
    }
    file->stream = stream;
    file->due = PP_SINK_NOT_DUE;
    file->due_ms = INT64_MAX;
    return PINPIPE_OK;
}

static void bytes_give_back(pinpipe_buf *bytes, pp_sink_spares *spares) {
    if (bytes->cap > PP_SINK_PIECE_BYTES && bytes->cap <= 2 * PP_SINK_PIECE_BYTES &&
        spares->count < PP_SINK_SPARES_MAX) {
        spares->bufs[spares->count++] = *bytes;
        *bytes = (pinpipe_buf)PINPIPE_BUF_INIT;
    }
    pinpipe_buf_reset(bytes);
}

void pp_sink_spares_trim(pp_sink_spares *spares, int64_t most_bytes) {
    while (spares->count > 0 && spares->count * (int64_t)PP_SINK_PIECE_BYTES > most_bytes) {
        pinpipe_buf_reset(&spares->bufs[--spares->count]);
    }
}

void pp_sink_file_free(pp_sink_file *file, pp_sink_spares *spares) {
    pp_sink_piece *piece = file->pieces;
    while (piece) {
        pp_sink_piece *after = piece->after;
        bytes_give_back(&piece->bytes, spares);
        pinpipe_buf_reset(&piece->packed);
        pp_free(piece);
        piece = after;
    }
    pinpipe_buf_reset(&file->key);
    pp_sink_post_free(file->post);
    pp_free(file);
}

void pp_sink_piece_settle(pp_sink_piece *piece, pp_sink_spares *spares) {
    int64_t before = (int64_t)piece->bytes.cap;
    bytes_give_back(&piece->bytes, spares);
    piece->file->held_bytes += (int64_t)piece->packed.cap - before;
}

/* Capacity of the tail that takes `len` more bytes; 0 = it stays as it is, or a new piece is needed. */
static size_t tail_cap(const pinpipe_buf *bytes, size_t len) {
    size_t needed = bytes->len + len;
    size_t cap = bytes->cap ? 2 * (bytes->cap - 1) : PP_SINK_PIECE_FIRST_BYTES;
    if (needed < bytes->cap || (needed > PP_SINK_PIECE_BYTES && bytes->len)) {
        return 0;
    }
    cap = cap > PP_SINK_PIECE_BYTES ? PP_SINK_PIECE_BYTES : cap;
    return cap < needed ? needed : cap;
}

static bool tail_is_full(const pp_sink_file *file, size_t len) {
    const pinpipe_buf *bytes = file->tail ? &file->tail->bytes : NULL;
    return bytes && bytes->len && bytes->len + len > PP_SINK_PIECE_BYTES && bytes->len + len >= bytes->cap;
}

/* The first piece of a file begins small, because many files stay small. */
static size_t piece_first_cap(const pp_sink_file *file, size_t len) {
    size_t cap = file->tail ? PP_SINK_PIECE_BYTES : PP_SINK_PIECE_FIRST_BYTES;
    return cap < len ? len : cap;
}

int64_t pp_sink_file_growth(const pp_sink_file *file, size_t len) {
    if (!file || !file->tail) {
        return (int64_t)(len > PP_SINK_PIECE_FIRST_BYTES ? len : PP_SINK_PIECE_FIRST_BYTES) + 1;
    }
    if (tail_is_full(file, len)) {
        return (int64_t)piece_first_cap(file, len) + 1;
    }
    size_t cap = tail_cap(&file->tail->bytes, len);
    return cap ? (int64_t)(cap + 1 - file->tail->bytes.cap) : 0;
}

static pinpipe_status piece_add(pp_sink_file *file, size_t cap, pp_sink_spares *spares, pinpipe_error *err) {
    pp_sink_piece *piece = pp_alloc_zero(sizeof *piece);
    if (!piece) {
        return pp_fail_memory(err, "a piece of an open file", sizeof *piece);
    }
    piece->file = file;
    if (cap == PP_SINK_PIECE_BYTES && spares->count) {
        piece->bytes = spares->bufs[--spares->count];
        pp_buf_clear(&piece->bytes);
    } else {
        pinpipe_status status = pp_buf_reserve(&piece->bytes, cap, PP_BUF_MAX, err);
        if (status < 0) {
            pp_free(piece);
            return status;
        }
    }
    if (file->tail) {
        file->tail->after = piece;
    } else {
        file->pieces = piece;
    }
    file->tail = piece;
    file->piece_count++;
    file->held_bytes += (int64_t)piece->bytes.cap;
    return PINPIPE_OK;
}

static pinpipe_status tail_grow(pp_sink_file *file, size_t cap, pinpipe_error *err) {
    pinpipe_buf *bytes = &file->tail->bytes;
    char *grown = pp_realloc(bytes->ptr, cap + 1);
    if (!grown) {
        return pp_fail_memory(err, "an open file", cap + 1);
    }
    file->held_bytes += (int64_t)(cap + 1 - bytes->cap);
    bytes->ptr = grown;
    bytes->cap = cap + 1;
    return PINPIPE_OK;
}

pinpipe_status pp_sink_file_room(char **at, pp_sink_piece **full, pp_sink_file *file, size_t len,
                                 pp_sink_spares *spares, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    *full = NULL;
    *at = NULL;
    if (len > PP_BUF_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "a line of %zu bytes is more than 1 GiB", len);
    }
    if (!file->tail || tail_is_full(file, len)) {
        pp_sink_piece *before = file->tail;
        status = piece_add(file, piece_first_cap(file, len), spares, err);
        if (status == PINPIPE_OK && before) {
            file->crc = pp_crc32(file->crc, before->bytes.ptr, before->bytes.len);
            *full = before;
        }
    } else {
        size_t cap = tail_cap(&file->tail->bytes, len);
        status = cap ? tail_grow(file, cap, err) : PINPIPE_OK;
    }
    if (status < 0) {
        return status;
    }
    assert(file->tail); /* there, or just added */
    *at = file->tail->bytes.ptr + file->tail->bytes.len;
    return PINPIPE_OK;
}

void pp_sink_file_add(pp_sink_file *file, int64_t offset, size_t len) {
    file->first = file->line_count ? file->first : offset;
    file->last = offset;
    file->line_count++;
    file->plain_bytes += (int64_t)len;
    file->tail->bytes.len += len;
}

void pp_sink_file_seal(pp_sink_file *file) {
    if (file->tail) {
        file->crc = pp_crc32(file->crc, file->tail->bytes.ptr, file->tail->bytes.len);
    }
}
