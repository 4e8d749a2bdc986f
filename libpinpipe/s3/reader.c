/* Turns a list of keys into their objects' bytes in the same order: many requests at once, few bytes held.
 * Never holds more than its buffer and never asks for an object's size where the list has told it.
 * Rules: docs/s3.md, "Many objects". */
#include "s3/list.h"

#if PINPIPE_WITH_S3

#include <assert.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"

#define HTTP_RANGE_NOT_SATISFIABLE 416
#define IN_FLIGHT 32
#define IN_FLIGHT_MAX 256
#define BUFFER_BYTES ((int64_t)32 << 20)
#define BUFFER_BYTES_MIN ((int64_t)8 << 20)
/* Pieces that have come wait for the one before them; so many may, for each request at once. */
#define SEATS_A_LANE 4
/* Larger buffers are not a seat's own: they go from piece to piece, and to the client's next reader. */
#define BUFFER_KEPT 65536
/* What a caller gets at once: a copy of it fits into memory that allocators keep. */
#define SLICE_BYTES ((size_t)1 << 20)

/* One piece on its way; `range` and `job` are its request. */
typedef struct seat {
    pp_s3_job job;
    pp_s3_range range;
    pinpipe_buf key, body;
    int64_t held_bytes; /* its share of the reader's buffer */
    int64_t offset, size_bytes, modified_us;
    bool is_asked; /* else there is nothing to ask for: the object is empty */
} seat;

struct pinpipe_s3_reader {
    pinpipe_s3 *s3;
    pinpipe_s3_list *list; /* NULL: one object */
    pinpipe_buf bucket;
    int32_t in_flight;
    int64_t buffer_bytes, held_bytes, piece_bytes;
    seat *seats;                      /* a ring */
    int64_t seat_count, first, taken; /* `taken` seats from `first` on, in the order of the pieces */
    int64_t asked;                    /* of them under way */
    int64_t index;                    /* in the list's page */
    bool is_list_ended;
    seat *lent;     /* whose piece the caller has */
    size_t lent_at; /* end of what it has had of it */
    /* the object that is being cut into pieces */
    pinpipe_buf key;
    char etag[PP_S3_ETAG_BYTES];
    int64_t at, size_bytes, modified_us; /* size -1: not known before the first piece has come */
    bool is_cutting;
};

static pinpipe_status options_check(const pinpipe_s3_reader_options *options, pinpipe_error *err) {
    if (!options || options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "reader options lack their struct_size");
    }
    if (options->in_flight < 0 || options->in_flight > IN_FLIGHT_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "in_flight: %d, not 1 to %d", options->in_flight, IN_FLIGHT_MAX);
    }
    if (options->buffer_bytes && options->buffer_bytes < BUFFER_BYTES_MIN) {
        return pp_fail(err, PINPIPE_EINVAL, "buffer_bytes: %lld are less than 8 MiB",
                       (long long)options->buffer_bytes);
    }
    if (options->key.len && (options->prefix.len || options->start_after.len)) {
        return pp_fail(err, PINPIPE_EINVAL, "key: it goes with neither prefix nor start_after");
    }
    return PINPIPE_OK;
}

static pinpipe_status source_set(pinpipe_s3_reader *reader, const pinpipe_s3_reader_options *options,
                                 pinpipe_error *err) {
    if (!options->key.len) {
        pinpipe_s3_list_options list = PINPIPE_S3_LIST_OPTIONS_INIT;
        list.bucket = options->bucket;
        list.prefix = options->prefix;
        list.start_after = options->start_after;
        return pinpipe_s3_list_new(&reader->list, reader->s3, &list, err);
    }
    reader->is_list_ended = true;
    reader->is_cutting = true;
    reader->size_bytes = -1;
    reader->modified_us = -1;
    pinpipe_status status = pp_s3_bucket_check(options->bucket, err);
    return status == PINPIPE_OK ? pp_buf_append(&reader->key, options->key.ptr, options->key.len, err)
                                : status;
}

pinpipe_status pinpipe_s3_reader_new(pinpipe_s3_reader **out, pinpipe_s3 *s3,
                                     const pinpipe_s3_reader_options *options, pinpipe_error *err) {
    assert(out && s3);
    *out = NULL;
    pinpipe_status status = options_check(options, err);
    if (status < 0) {
        return status;
    }
    pinpipe_s3_reader *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "a reader", sizeof *made);
    }
    made->s3 = pp_s3_retain(s3);
    made->in_flight = options->in_flight ? options->in_flight : IN_FLIGHT;
    made->buffer_bytes = options->buffer_bytes ? options->buffer_bytes : BUFFER_BYTES;
    made->piece_bytes = s3->part_bytes < made->buffer_bytes / 4 ? s3->part_bytes : made->buffer_bytes / 4;
    made->seat_count = (int64_t)made->in_flight * SEATS_A_LANE;
    made->seats = pp_alloc_zero((size_t)made->seat_count * sizeof *made->seats);
    if (!made->seats) {
        status = pp_fail_memory(err, "requests", (size_t)made->seat_count * sizeof *made->seats);
    }
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&made->bucket, options->bucket.ptr, options->bucket.len, err);
    }
    if (status == PINPIPE_OK) {
        status = source_set(made, options, err);
    }
    if (status == PINPIPE_OK) {
        *out = made;
        made = NULL;
    }
    pinpipe_s3_reader_free(made);
    return status;
}

static void body_release(pinpipe_s3_reader *reader, seat *piece) {
    pinpipe_s3 *s3 = reader->s3;
    if (piece->body.cap <= BUFFER_KEPT) {
        return;
    }
    if (s3->spare_count < PP_S3_SPARES_MAX && piece->body.cap <= PP_S3_SPARE_BYTES) {
        s3->spares[s3->spare_count++] = piece->body;
        piece->body = (pinpipe_buf)PINPIPE_BUF_INIT;
    }
    pinpipe_buf_reset(&piece->body);
}

void pinpipe_s3_reader_free(pinpipe_s3_reader *reader) {
    if (reader) {
        for (int64_t i = 0; reader->seats && i < reader->seat_count; i++) {
            pp_s3_job_reset(&reader->seats[i].job, reader->s3);
            pinpipe_buf_reset(&reader->seats[i].key);
            body_release(reader, &reader->seats[i]);
            pinpipe_buf_reset(&reader->seats[i].body);
        }
        pinpipe_s3_list_free(reader->list);
        pinpipe_buf_reset(&reader->bucket);
        pinpipe_buf_reset(&reader->key);
        pp_free(reader->seats);
        pinpipe_s3_free(reader->s3);
        pp_free(reader);
    }
}

/* ---- asking ---- */

/* A piece never outgrows its share: an object that has grown since it was listed is refused. */
static pinpipe_status piece_take(void *user, int64_t offset, pinpipe_str bytes, pinpipe_error *err) {
    seat *piece = user;
    size_t at = (size_t)(offset - piece->offset);
    if (at + bytes.len > (size_t)piece->held_bytes) {
        return pp_fail(err, PINPIPE_ECONFLICT, "the object grew while it was read: %lld bytes were listed",
                       (long long)piece->size_bytes);
    }
    piece->body.len = at;
    pinpipe_status status =
        at ? PINPIPE_OK : pp_buf_reserve(&piece->body, (size_t)piece->held_bytes, PP_BUF_MAX, err);
    return status == PINPIPE_OK ? pp_buf_append(&piece->body, bytes.ptr, bytes.len, err) : status;
}

static void seat_ask(pinpipe_s3_reader *reader, seat *piece, int64_t timeout_ms) {
    pp_s3_call call = {.method = "GET",
                       .doing = "get",
                       .name = {pp_buf_view(&reader->bucket), pp_buf_view(&piece->key)},
                       .query = "",
                       .range = &piece->range};
    pp_s3_job_start(&piece->job, reader->s3, &call, timeout_ms);
    reader->asked++;
}

/* The next piece of the object that is being cut. */
static pinpipe_status piece_cut(pinpipe_s3_reader *reader, int64_t timeout_ms, pinpipe_error *err) {
    seat *piece = &reader->seats[(reader->first + reader->taken) % reader->seat_count];
    bool is_known = reader->size_bytes >= 0;
    int64_t left = is_known ? reader->size_bytes - reader->at : reader->piece_bytes;
    int64_t len = left < reader->piece_bytes ? left : reader->piece_bytes;
    bool is_whole = is_known && reader->at == 0 && len == reader->size_bytes;
    if (len > BUFFER_KEPT && reader->s3->spare_count > 0 && !piece->body.cap) {
        piece->body = reader->s3->spares[--reader->s3->spare_count];
    }
    pp_buf_clear(&piece->key);
    pp_buf_clear(&piece->body);
    pinpipe_status status = pp_buf_append(&piece->key, reader->key.ptr, reader->key.len, err);
    if (status < 0) {
        return status;
    }
    piece->offset = reader->at;
    piece->size_bytes = reader->size_bytes;
    piece->modified_us = reader->modified_us;
    piece->held_bytes = len;
    piece->range = (pp_s3_range){.first = reader->at,
                                 .next = reader->at,
                                 .last = is_whole ? -1 : reader->at + len - 1,
                                 .total = is_whole ? -1 : reader->size_bytes,
                                 .take = piece_take,
                                 .user = piece};
    memcpy(piece->range.etag, is_whole ? "" : reader->etag, is_whole ? 1 : sizeof reader->etag);
    piece->is_asked = len > 0;
    reader->at += len;
    reader->taken++;
    reader->held_bytes += len;
    reader->is_cutting = is_known && reader->at < reader->size_bytes;
    if (piece->is_asked) {
        seat_ask(reader, piece, timeout_ms);
    }
    return PINPIPE_OK;
}

/* Sets the next object of the page to be cut; false when there is none before the next page has come. */
static bool object_begin(pinpipe_s3_reader *reader, pinpipe_status *status, pinpipe_error *err) {
    if (reader->is_list_ended || reader->index >= pinpipe_s3_list_count(reader->list)) {
        return false;
    }
    pinpipe_s3_object object = pinpipe_s3_list_at(reader->list, reader->index++);
    pp_buf_clear(&reader->key);
    *status = pp_buf_append(&reader->key, object.key.ptr, object.key.len, err);
    bool is_told = object.etag.len < sizeof reader->etag;
    object.etag.len = is_told ? object.etag.len : 0;
    pp_str_copy(reader->etag, object.etag);
    reader->etag[object.etag.len] = '\0';
    reader->at = 0;
    reader->size_bytes = object.size_bytes;
    reader->modified_us = object.modified_us;
    reader->is_cutting = true;
    return *status == PINPIPE_OK;
}

static bool has_room(const pinpipe_s3_reader *reader) {
    bool is_free = reader->taken < reader->seat_count && reader->asked < reader->in_flight;
    return is_free &&
           (reader->taken == 0 || reader->held_bytes + reader->piece_bytes <= reader->buffer_bytes);
}

static pinpipe_status page_next(pinpipe_s3_reader *reader, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = pinpipe_s3_list_next(reader->list, timeout_ms, err);
    reader->index = 0;
    reader->is_list_ended = status == PINPIPE_DONE;
    return status == PINPIPE_DONE ? PINPIPE_OK : status;
}

/* Begins as many requests as may be under way. A page is waited for only when nothing else is left to do. */
static pinpipe_status seats_fill(pinpipe_s3_reader *reader, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    while (status == PINPIPE_OK && has_room(reader)) {
        if (reader->is_cutting || object_begin(reader, &status, err)) {
            status = status == PINPIPE_OK ? piece_cut(reader, timeout_ms, err) : status;
            continue;
        }
        if (status < 0 || reader->is_list_ended) {
            break;
        }
        status = pp_s3_list_start(reader->list, timeout_ms, err);
        bool is_ready = status == PINPIPE_DONE || pp_s3_list_is_ready(reader->list);
        status = status == PINPIPE_DONE ? PINPIPE_OK : status;
        if (status < 0 || (!is_ready && reader->taken > 0)) {
            break;
        }
        status = page_next(reader, timeout_ms, err);
    }
    return status;
}

/* ---- handing out ---- */

static void piece_release(pinpipe_s3_reader *reader) {
    seat *piece = reader->lent;
    if (!piece) {
        return;
    }
    body_release(reader, piece);
    reader->held_bytes -= piece->held_bytes;
    reader->first = (reader->first + 1) % reader->seat_count;
    reader->taken--;
    reader->lent = NULL;
}

/* The first piece of an object that no list has told of tells its size. */
static void size_learn(pinpipe_s3_reader *reader, seat *piece) {
    if (reader->size_bytes < 0) {
        int64_t total = piece->range.total >= 0 ? piece->range.total : piece->range.next;
        reader->size_bytes = total;
        reader->at = piece->range.next;
        memcpy(reader->etag, piece->range.etag, sizeof reader->etag);
        reader->modified_us = pp_http_date_us(pp_http_header(&piece->job.wire.answer, "Last-Modified"));
        reader->is_cutting = reader->at < total;
        piece->size_bytes = total;
        piece->modified_us = reader->modified_us;
    } else if (piece->range.last < 0) {
        piece->size_bytes = piece->range.next; /* it may have become smaller since it was listed */
    }
}

/* Hands out the next slice of the piece that is lent. */
static void slice_lend(pinpipe_s3_piece *out, pinpipe_s3_reader *reader) {
    const seat *piece = reader->lent;
    size_t left = piece->body.len - reader->lent_at, len = left < SLICE_BYTES ? left : SLICE_BYTES;
    pinpipe_str type = pp_http_header(&piece->job.wire.answer, "Content-Type");
    out->object = (pinpipe_s3_object){.key = pp_buf_view(&piece->key),
                                      .etag = pp_str(piece->range.etag),
                                      .content_type = piece->is_asked ? type : pp_str(""),
                                      .size_bytes = piece->size_bytes,
                                      .modified_us = piece->modified_us};
    out->offset_bytes = piece->offset + (int64_t)reader->lent_at;
    out->bytes = (pinpipe_str){len ? piece->body.ptr + reader->lent_at : "", len};
    reader->lent_at += len;
}

static pinpipe_status piece_lend(pinpipe_s3_piece *out, pinpipe_s3_reader *reader, seat *piece) {
    if (piece->is_asked) {
        size_learn(reader, piece);
    }
    reader->lent = piece;
    reader->lent_at = 0;
    slice_lend(out, reader);
    return PINPIPE_OK;
}

static bool is_empty_object(const pinpipe_s3_reader *reader, const seat *piece) {
    return reader->size_bytes < 0 && piece->range.last >= 0 &&
           piece->job.error.native_code == HTTP_RANGE_NOT_SATISFIABLE;
}

static void asked_count(pinpipe_s3_reader *reader) {
    reader->asked = 0;
    for (int64_t i = 0; i < reader->taken; i++) {
        pp_s3_job_state state = reader->seats[(reader->first + i) % reader->seat_count].job.state;
        reader->asked += state == PP_S3_JOB_UNDER_WAY || state == PP_S3_JOB_PAUSING;
    }
}

pinpipe_status pinpipe_s3_reader_next(pinpipe_s3_piece *out, pinpipe_s3_reader *reader, int64_t timeout_ms,
                                      pinpipe_error *err) {
    assert(out && reader);
    *out = (pinpipe_s3_piece){.object = {.modified_us = -1}};
    if (reader->lent && reader->lent->body.len > reader->lent_at) {
        slice_lend(out, reader);
        return PINPIPE_OK;
    }
    piece_release(reader);
    for (;;) {
        pinpipe_status status = seats_fill(reader, timeout_ms, err);
        if (status < 0 || reader->taken == 0) {
            return status < 0 ? status : PINPIPE_DONE;
        }
        seat *head = &reader->seats[reader->first];
        if (!head->is_asked || (head->job.state == PP_S3_JOB_ENDED && head->job.status == PINPIPE_OK)) {
            return piece_lend(out, reader, head);
        }
        if (head->job.state == PP_S3_JOB_ENDED && is_empty_object(reader, head)) {
            head->range.last = -1; /* it has no first byte that a range could begin with */
            seat_ask(reader, head, timeout_ms);
            continue;
        }
        if (head->job.state == PP_S3_JOB_ENDED) {
            status = pp_s3_job_wait(&head->job, reader->s3, err);
            seat_ask(reader, head, timeout_ms); /* for the next call */
            return status;
        }
        status = pp_s3_jobs_wait(reader->s3, err);
        if (status < 0) {
            return status;
        }
        asked_count(reader);
    }
}

#endif
