/* Turns the objects below a URL into batches: an S3 reader on one side, a decoder on the other.
 * Never mixes two objects in one record: each is an input that ends.
 * Rules: docs/s3.md, "Many objects". */
#include "pinpipe/objects.h"

#include <assert.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "record/report.h"

#define SCHEME "s3://"

struct pinpipe_objects {
    pinpipe_s3 *s3, *owned_s3;
    pinpipe_s3_reader *reader;
    pinpipe_buf bucket, key; /* the URL's */
    pinpipe_buf name;        /* of the object whose rejects are named */
    pinpipe_objects_options options;
    bool is_object; /* the key may be that of one object, until the store says no */
    struct {
        pinpipe_decoder *decoder; /* NULL: nobody watches */
        pinpipe_batch *batch;
        pinpipe_report *report;
        pinpipe_statistics *statistics;
    } watch;
    pinpipe_s3_piece piece;
    pinpipe_str rest; /* of the piece, not yet fed */
    bool is_open;     /* an object has been begun and not finished */
    int64_t object_count, byte_count;
};

static pinpipe_status url_set(pinpipe_objects *source, pinpipe_str url, pinpipe_error *err) {
    size_t scheme_len = strlen(SCHEME);
    bool is_s3 = url.len > scheme_len && memcmp(url.ptr, SCHEME, scheme_len) == 0;
    const char *start = url.ptr + (is_s3 ? scheme_len : 0), *end = url.ptr + url.len;
    const char *slash = is_s3 ? memchr(start, '/', (size_t)(end - start)) : NULL;
    const char *stop = slash ? slash : end, *key = slash ? slash + 1 : end;
    if (!is_s3 || stop == start) {
        return pp_fail(err, PINPIPE_EINVAL, "source '%.*s' is not s3://bucket/prefix", pp_quote_len(url.len),
                       url.len ? url.ptr : "");
    }
    pinpipe_status status = pp_buf_append(&source->bucket, start, (size_t)(stop - start), err);
    source->is_object = key < end && end[-1] != '/';
    return status == PINPIPE_OK ? pp_buf_append(&source->key, key, (size_t)(end - key), err) : status;
}

static pinpipe_status reader_open(pinpipe_objects *source, pinpipe_error *err) {
    pinpipe_s3_reader_options options = PINPIPE_S3_READER_OPTIONS_INIT;
    options.in_flight = source->options.in_flight;
    options.buffer_bytes = source->options.buffer_bytes;
    options.bucket = pp_buf_view(&source->bucket);
    *(source->is_object ? &options.key : &options.prefix) = pp_buf_view(&source->key);
    pinpipe_s3_reader_free(source->reader);
    source->reader = NULL;
    return pinpipe_s3_reader_new(&source->reader, source->s3, &options, err);
}

pinpipe_status pinpipe_objects_open(pinpipe_objects **out, pinpipe_str url, pinpipe_s3 *s3,
                                    const pinpipe_objects_options *options, pinpipe_error *err) {
    assert(out);
    const pinpipe_objects_options plain = PINPIPE_OBJECTS_OPTIONS_INIT;
    options = options ? options : &plain;
    *out = NULL;
    if (options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "source options lack their struct_size");
    }
    pinpipe_objects *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "a source", sizeof *made);
    }
    made->options = *options;
    made->s3 = s3;
    pinpipe_status status = url_set(made, url, err);
    if (status == PINPIPE_OK && !s3) {
        const pinpipe_s3_options client = PINPIPE_S3_OPTIONS_INIT;
        status = pinpipe_s3_new(&made->owned_s3, &client, err);
        made->s3 = made->owned_s3;
    }
    if (status == PINPIPE_OK) {
        status = reader_open(made, err);
    }
    if (status == PINPIPE_OK) {
        *out = made;
        made = NULL;
    }
    pinpipe_objects_free(made);
    return status;
}

void pinpipe_objects_free(pinpipe_objects *source) {
    if (source) {
        pinpipe_s3_reader_free(source->reader);
        pinpipe_s3_free(source->owned_s3);
        pinpipe_buf_reset(&source->bucket);
        pinpipe_buf_reset(&source->key);
        pinpipe_buf_reset(&source->name);
        pp_free(source);
    }
}

static bool piece_is_last(const pinpipe_objects *source) {
    const pinpipe_s3_piece *piece = &source->piece;
    return piece->offset_bytes + (int64_t)piece->bytes.len >= piece->object.size_bytes;
}

static pinpipe_status decode_fail(pinpipe_error *err, const pinpipe_objects *source,
                                  const pinpipe_error *cause) {
    pinpipe_str key = source->piece.object.key;
    pp_fail(err, cause->status, "s3://%s/%.*s: %s", source->bucket.ptr, pp_quote_len(key.len), key.ptr,
            cause->message);
    if (err && err->struct_size >= sizeof *err) {
        err->record_index = cause->record_index;
        err->byte_offset = cause->byte_offset;
    }
    return cause->status;
}

/* Counts the batch of the decoder that watches, and empties it. */
static pinpipe_status watch_count(pinpipe_objects *source, pinpipe_error *err) {
    pinpipe_status status = pinpipe_statistics_add(source->watch.statistics, source->watch.batch, err);
    pinpipe_batch_clear(source->watch.batch);
    pinpipe_report_clear_rejects(source->watch.report);
    return status;
}

/* Shows a piece that has come to the decoder that watches. */
static pinpipe_status piece_watch(pinpipe_objects *source, pinpipe_error *err) {
    pinpipe_str rest = source->piece.bytes;
    pinpipe_status status = PINPIPE_OK;
    while (status >= 0 && rest.len) {
        int64_t taken = 0;
        status = pinpipe_decoder_feed(&taken, source->watch.decoder, source->watch.batch, rest,
                                      source->watch.report, err);
        rest = (pinpipe_str){rest.ptr + taken, rest.len - (size_t)taken};
        if (status >= 0 && rest.len) {
            status = watch_count(source, err);
        }
    }
    bool is_again = status >= 0 && piece_is_last(source);
    while (status >= 0 && is_again) {
        status =
            pinpipe_decoder_finish(source->watch.decoder, source->watch.batch, source->watch.report, err);
        is_again = status == PINPIPE_AGAIN;
        if (is_again) {
            status = watch_count(source, err);
        }
    }
    return status < 0 ? status : PINPIPE_OK;
}

/* Names the object of the rejects that it has brought. */
static pinpipe_status rejects_name(pinpipe_objects *source, pinpipe_report *report, int64_t first,
                                   pinpipe_error *err) {
    pinpipe_str key = source->piece.object.key;
    if (!report || pinpipe_report_reject_count(report) == first) {
        return PINPIPE_OK;
    }
    pp_buf_clear(&source->name);
    pinpipe_status status = pp_buf_printf(&source->name, err, SCHEME "%s/", source->bucket.ptr);
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&source->name, key.ptr, key.len, err);
    }
    return status == PINPIPE_OK ? pp_report_source(report, first, pp_buf_view(&source->name), err) : status;
}

static pinpipe_status rest_feed(pinpipe_objects *source, pinpipe_decoder *decoder, pinpipe_batch *batch,
                                pinpipe_report *report, pinpipe_error *err) {
    int64_t taken = 0;
    pinpipe_status status = pinpipe_decoder_feed(&taken, decoder, batch, source->rest, report, err);
    source->rest.ptr += taken;
    source->rest.len -= (size_t)taken;
    return status;
}

/* Feeds what is at hand. OK: it is used up; AGAIN: the batch is full. */
static pinpipe_status piece_feed(pinpipe_objects *source, pinpipe_decoder *decoder, pinpipe_batch *batch,
                                 pinpipe_report *report, pinpipe_error *err) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    int64_t first = report ? pinpipe_report_reject_count(report) : 0;
    pinpipe_status status = PINPIPE_OK;
    if (source->rest.len) {
        status = rest_feed(source, decoder, batch, report, &cause);
    }
    bool is_full = status >= 0 && source->rest.len > 0;
    if (status >= 0 && !is_full && source->is_open && piece_is_last(source)) {
        status = pinpipe_decoder_finish(decoder, batch, report, &cause);
        is_full = status == PINPIPE_AGAIN;
        source->is_open = status < 0 || is_full;
        source->object_count += !source->is_open;
    }
    if (status < 0) {
        return decode_fail(err, source, &cause);
    }
    status = rejects_name(source, report, first, err);
    return status == PINPIPE_OK && is_full ? PINPIPE_AGAIN : status;
}

static pinpipe_status piece_next(pinpipe_objects *source, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_status status = pinpipe_s3_reader_next(&source->piece, source->reader, timeout_ms, err);
    if (status == PINPIPE_ENOTFOUND && source->is_object) {
        source->is_object = false;
        status = pp_buf_append_text(&source->key, "/", err);
        status = status == PINPIPE_OK ? reader_open(source, err) : status;
        return status == PINPIPE_OK ? pinpipe_s3_reader_next(&source->piece, source->reader, timeout_ms, err)
                                    : status;
    }
    return status;
}

/* Takes the next piece, once for each decoder. DONE: there is none. */
static pinpipe_status piece_begin(pinpipe_objects *source, int64_t timeout_ms, pinpipe_error *err) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pinpipe_status status = piece_next(source, timeout_ms, err);
    if (status == PINPIPE_DONE && source->object_count == 0) {
        return pp_fail_service(err, PINPIPE_ENOTFOUND, "s3", 0, "no object is below s3://%s/%s",
                               source->bucket.ptr, source->key.ptr);
    }
    if (status != PINPIPE_OK) {
        return status;
    }
    if (source->watch.decoder) {
        status = piece_watch(source, &cause);
    }
    source->rest = source->piece.bytes;
    source->byte_count += (int64_t)source->rest.len;
    source->is_open = true;
    return status < 0 ? decode_fail(err, source, &cause) : status;
}

pinpipe_status pinpipe_objects_watch(pinpipe_objects *source, pinpipe_decoder *decoder, pinpipe_batch *batch,
                                     pinpipe_report *report, pinpipe_statistics *statistics,
                                     pinpipe_error *err) {
    assert(source && decoder && batch && report && statistics);
    if (source->byte_count || source->object_count) {
        return pp_fail(err, PINPIPE_EINVAL, "%lld objects have been read before they were to be counted",
                       (long long)source->object_count);
    }
    source->watch.decoder = decoder;
    source->watch.batch = batch;
    source->watch.report = report;
    source->watch.statistics = statistics;
    return PINPIPE_OK;
}

pinpipe_status pinpipe_objects_decode(pinpipe_objects *source, pinpipe_decoder *decoder, pinpipe_batch *batch,
                                      pinpipe_report *report, int64_t timeout_ms, pinpipe_error *err) {
    assert(source && decoder && batch);
    for (;;) {
        pinpipe_status status = PINPIPE_OK;
        if (source->is_open) {
            status = piece_feed(source, decoder, batch, report, err);
            if (status != PINPIPE_OK) {
                return status == PINPIPE_AGAIN ? PINPIPE_OK : status;
            }
        }
        status = piece_begin(source, timeout_ms, err);
        if (status != PINPIPE_OK) {
            return status;
        }
    }
}

int64_t pinpipe_objects_count(const pinpipe_objects *source) {
    return source->object_count;
}

int64_t pinpipe_objects_bytes_count(const pinpipe_objects *source) {
    return source->byte_count;
}
