/* Turns bytes, cut anywhere, into the columns of a batch by way of cells.
 * Never holds more of the input than one record (and the first piece while the format is decided).
 * Rules: DESIGN §2, "The way of the data"; CONTRACT §4. */
#include "clean/decoder.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "clean/format.h"
#include "codec/json_record.h"
#include "text/json_string.h"

/* Input for which room is made at once; no column grows by more than this and one record. */
#define SLICE_BYTES ((size_t)1 << 20)

/* Room for the records that the ends of buffers cut, so that it grows for none but long ones. */
#define CARRY_BYTES ((size_t)8 << 10)

static void input_reset(pinpipe_decoder *decoder) {
    decoder->is_decided = false;
    pp_splitter_init(&decoder->splitter, decoder->format);
    decoder->envelope = pp_envelope_of(decoder->format);
    decoder->has_header = false;
    decoder->is_partial = false;
    decoder->byte_offset = 0;
    decoder->record_offset = 0;
    decoder->record_total = 0;
    decoder->record_index = 0;
    pp_buf_clear(&decoder->carry);
    pp_buf_clear(&decoder->pending);
    decoder->pending_at = 0;
}

static pinpipe_status options_check(const pinpipe_decoder_options *options, pinpipe_error *err) {
    if (options->struct_size < sizeof *options) {
        return pp_fail(err, PINPIPE_EINVAL, "decoder options lack their struct_size");
    }
    if (!pp_schema_known(options->record, options->shape)) {
        return pp_fail(err, PINPIPE_EINVAL, "no record %d with shape %d", options->record, options->shape);
    }
    if (options->format < PINPIPE_FORMAT_AUTO || options->format > PINPIPE_FORMAT_FILESTREAM) {
        return pp_fail(err, PINPIPE_EINVAL, "no input format %d", options->format);
    }
    if (options->max_record_bytes < 0 || options->max_record_bytes > PP_MAX_RECORD_BYTES_LIMIT) {
        return pp_fail(err, PINPIPE_EINVAL, "max_record_bytes %lld is not between 0 and %lld",
                       (long long)options->max_record_bytes, (long long)PP_MAX_RECORD_BYTES_LIMIT);
    }
    if (options->profile && options->shape != PINPIPE_CLEAN) {
        return pp_fail(err, PINPIPE_EINVAL, "a profile is for clean records; the raw shape has none");
    }
    if (options->batch_rows < 0 || options->batch_rows > PP_BATCH_ROWS_LIMIT) {
        return pp_fail(err, PINPIPE_EINVAL, "batch_rows %lld is not between 0 and %lld",
                       (long long)options->batch_rows, (long long)PP_BATCH_ROWS_LIMIT);
    }
    return PINPIPE_OK;
}

pinpipe_status pinpipe_decoder_new(pinpipe_decoder **out, const pinpipe_decoder_options *options,
                                   pinpipe_error *err) {
    const pinpipe_decoder_options defaults = PINPIPE_DECODER_OPTIONS_INIT;
    *out = NULL;
    options = options ? options : &defaults;
    pinpipe_status status = options_check(options, err);
    if (status < 0) {
        return status;
    }
    pinpipe_decoder *decoder = pp_alloc_zero(sizeof *decoder);
    if (!decoder) {
        return pp_fail_memory(err, "a decoder", sizeof *decoder);
    }
    decoder->profile = pp_profile_hold(options->profile);
    pp_plan_init(&decoder->plan, options->record, options->shape, decoder->profile);
    pp_fields_init(&decoder->fields, options->record);
    pp_fast_init(&decoder->fast, &decoder->plan, &decoder->fields);
    decoder->format = options->format;
    decoder->max_record_bytes =
        options->max_record_bytes ? options->max_record_bytes : PP_MAX_RECORD_BYTES_DEFAULT;
    decoder->batch_rows = options->batch_rows ? options->batch_rows : PP_BATCH_ROWS_DEFAULT;
    decoder->batch_input_bytes =
        options->batch_rows ? PP_BATCH_INPUT_BYTES_MAX : PP_BATCH_INPUT_BYTES_DEFAULT;
    input_reset(decoder);
    *out = decoder;
    return PINPIPE_OK;
}

void pinpipe_decoder_free(pinpipe_decoder *decoder) {
    if (decoder) {
        pinpipe_buf_reset(&decoder->carry);
        pinpipe_buf_reset(&decoder->pending);
        pinpipe_buf_reset(&decoder->scratch);
        pinpipe_buf_reset(&decoder->decoded[0]);
        pinpipe_buf_reset(&decoder->decoded[1]);
        pinpipe_profile_free(decoder->profile);
        pp_free(decoder);
    }
}

bool pp_decoder_is_full(const pinpipe_decoder *decoder, const pp_columns *columns) {
    assert(columns);
    return columns->rows >= decoder->batch_rows || columns->input_bytes >= decoder->batch_input_bytes;
}

pinpipe_status pp_decoder_open(pp_columns **out, const pinpipe_decoder *decoder, pinpipe_batch *batch,
                               const pinpipe_report *report, pinpipe_error *err) {
    *out = NULL;
    const pp_plan *plan = &decoder->plan;
    if (batch->record != plan->record || batch->shape != plan->shape) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "the batch is of record %d, shape %d; the decoder of record %d, shape %d",
                       batch->record, batch->shape, plan->record, plan->shape);
    }
    if (report->record != plan->record || report->shape != plan->shape) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "the report is of record %d, shape %d; the decoder of record %d, shape %d",
                       report->record, report->shape, plan->record, plan->shape);
    }
    return pp_batch_columns(out, batch, err);
}

static pinpipe_status header_read(pinpipe_decoder *decoder, const char *text, size_t len,
                                  pinpipe_error *err) {
    pp_fault fault = {0};
    if (!pp_csv_header_read(&decoder->header, &decoder->fields, decoder->scratch.ptr, text, len, &fault)) {
        return pp_fail(err, PINPIPE_EDATA, "CSV header: %s at byte %zu", fault.detail, fault.offset);
    }
    const pp_csv_header *header = &decoder->header;
    bool is_wrapped = decoder->envelope != NULL;
    decoder->has_header = is_wrapped && header->payload >= 0;
    for (int32_t i = 0; i < header->count && !is_wrapped; i++) {
        decoder->has_header = decoder->has_header || header->field[i] == decoder->fields.key;
    }
    return decoder->has_header ? PINPIPE_OK
                               : pp_fail(err, PINPIPE_EDATA, "CSV header '%.*s' has no column for the %s",
                                         pp_quote_len(len), text, is_wrapped ? "data" : "key");
}

static bool is_blank_record(const char *text, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r' && text[i] != '\n') {
            return false;
        }
    }
    return true;
}

static bool ends_with(const pp_record_text *source, char byte) {
    return source->len && source->total == (int64_t)source->len && source->text[source->len - 1] == byte;
}

static void end_strip(pp_record_text *source) {
    source->len--;
    source->total--;
}

/* Leaves out the line end that the splitter left at the record: of CSV the one carriage return that belongs
 * to it (more of them are content), of FileStreamSink text all of it, for a record there ends at its bracket.
 */
static void line_end_strip(pp_record_text *source, int32_t format) {
    if (format == PINPIPE_FORMAT_CSV && ends_with(source, '\r')) {
        end_strip(source);
    }
    while (format == PINPIPE_FORMAT_FILESTREAM && (ends_with(source, '\r') || ends_with(source, '\n'))) {
        end_strip(source);
    }
}

/* One whole record: blank lines are none, a CSV's first line is its header, the rest becomes a row or a
 * reject. */
static pinpipe_status record_take(pinpipe_decoder *decoder, pp_columns *columns, pp_record_text source,
                                  pinpipe_report *report, pinpipe_error *err) {
    bool is_csv = decoder->splitter.format == PINPIPE_FORMAT_CSV;
    line_end_strip(&source, decoder->splitter.format);
    if (source.total == (int64_t)source.len && is_blank_record(source.text, source.len)) {
        return PINPIPE_OK;
    }
    pp_fault fault = {PP_OUTCOME_TOO_LARGE, "larger than max_record_bytes", 0};
    if (source.total > decoder->max_record_bytes) {
        fault.offset = (size_t)decoder->max_record_bytes;
        return pp_decoder_reject(decoder, &fault, &source, report, err);
    }
    pp_buf_clear(&decoder->scratch);
    pinpipe_status status = pp_buf_reserve(&decoder->scratch, source.len, PP_BUF_MAX, err);
    if (status < 0) {
        return status;
    }
    if (is_csv && !decoder->has_header) {
        return header_read(decoder, source.text, source.len, err);
    }
    bool is_read = false;
    status = pp_decoder_read(&is_read, &fault, decoder, (pinpipe_str){source.text, source.len}, err);
    if (status < 0) {
        return status;
    }
    return is_read ? pp_decoder_accept(decoder, columns, &source, report, err)
                   : pp_decoder_reject(decoder, &fault, &source, report, err);
}

/* Appends a piece of a record to the carry; of a record that is too large only what a reject keeps. */
static pinpipe_status carry_add(pinpipe_decoder *decoder, const char *bytes, size_t len, pinpipe_error *err) {
    decoder->record_total += (int64_t)len;
    if (decoder->record_total > decoder->max_record_bytes) {
        size_t kept = decoder->carry.len < PP_REJECT_DATA_MAX ? decoder->carry.len : PP_REJECT_DATA_MAX;
        decoder->carry.len = kept;
        len = len < PP_REJECT_DATA_MAX - kept ? len : PP_REJECT_DATA_MAX - kept;
    }
    size_t room = len + 1 + PP_FAST_PADDING;
    if (decoder->carry.cap < CARRY_BYTES && room < CARRY_BYTES) {
        room = CARRY_BYTES;
    }
    pinpipe_status status = pp_buf_reserve(&decoder->carry, room, PP_BUF_MAX, err);
    if (status == PINPIPE_OK) {
        memcpy(decoder->carry.ptr + decoder->carry.len, bytes, len);
        decoder->carry.len += len;
        memset(decoder->carry.ptr + decoder->carry.len, 0, 1 + PP_FAST_PADDING);
    }
    return status;
}

/* A part of a body that is no record: of no use, but JSON. */
static pinpipe_status aside_take(pinpipe_decoder *decoder, pp_record_text source, pinpipe_report *report,
                                 pinpipe_error *err) {
    pp_fault fault = {PP_OUTCOME_TOO_LARGE, "larger than max_record_bytes",
                      (size_t)decoder->max_record_bytes};
    if (source.total <= decoder->max_record_bytes && pp_json_value(source.text, source.len, &fault)) {
        return PINPIPE_OK;
    }
    return pp_decoder_reject(decoder, &fault, &source, report, err);
}

/* A whole record or aside, as the splitter left it in the decoder. */
static pinpipe_status whole_take(pinpipe_decoder *decoder, pp_columns *columns, pp_record_text source,
                                 pinpipe_report *report, pinpipe_error *err) {
    if (decoder->fault) {
        pp_fault fault = {PP_OUTCOME_MALFORMED, decoder->fault, 0};
        return pp_decoder_reject(decoder, &fault, &source, report, err);
    }
    return decoder->is_aside ? aside_take(decoder, source, report, err)
                             : record_take(decoder, columns, source, report, err);
}

/* True where a record is a line with nothing around it: only such are for the fast road. */
static bool has_plain_lines(const pinpipe_decoder *decoder) {
    return decoder->splitter.format == PINPIPE_FORMAT_NDJSON && !decoder->envelope;
}

bool pp_decoder_take_line(pinpipe_decoder *decoder, pp_columns *columns, pinpipe_str line,
                          pinpipe_report *report) {
    pp_fast_target target = {columns, columns->rows + 1, decoder->max_record_bytes, report, true};
    if (decoder->envelope || decoder->has_header || decoder->splitter.format == PINPIPE_FORMAT_FILESTREAM ||
        decoder->fast.run(&decoder->fast, &decoder->plan, &target, line.ptr, line.ptr + line.len) == 0) {
        return false;
    }
    report->records++;
    decoder->record_index++;
    return true;
}

/* The record that is in the carry is whole. */
static pinpipe_status carry_take(pinpipe_decoder *decoder, pp_columns *columns, pinpipe_report *report,
                                 pinpipe_error *err) {
    pp_record_text source = {decoder->carry.ptr, decoder->carry.len, decoder->record_total,
                             decoder->record_offset};
    pinpipe_str line = {decoder->carry.ptr, decoder->carry.len + 1};
    bool is_line = has_plain_lines(decoder) && source.total == (int64_t)source.len && source.len > 0;
    pinpipe_status status = PINPIPE_OK;
    if (is_line) {
        decoder->carry.ptr[source.len] = '\n';
    }
    if (!is_line || !pp_decoder_take_line(decoder, columns, line, report)) {
        int64_t rows = columns->rows;
        status = whole_take(decoder, columns, source, report, err);
        if (is_line && columns->rows > rows) {
            pp_fast_learn(&decoder->fast, &decoder->plan, &decoder->fields, line.ptr, line.len);
        }
    }
    if (status >= 0) {
        pp_buf_clear(&decoder->carry);
        decoder->is_partial = false;
        decoder->record_total = 0;
    }
    return status;
}

/* One split of a slice: a record in place where it is whole and padded, by way of the carry else: there the
 * fast road can read it too. */
static pinpipe_status split_take(pinpipe_decoder *decoder, pp_columns *columns, const char *bytes,
                                 pp_split split, size_t padding, pinpipe_report *report, pinpipe_error *err) {
    const char *text = bytes + split.skipped;
    if (!decoder->is_partial) {
        decoder->record_offset = decoder->byte_offset + (int64_t)split.skipped;
        decoder->is_aside = split.is_aside;
        decoder->fault = split.fault;
        if (split.complete && padding > (has_plain_lines(decoder) ? PP_FAST_PADDING : PP_JSON_PADDING)) {
            pp_record_text source = {text, split.taken, (int64_t)split.taken, decoder->record_offset};
            return whole_take(decoder, columns, source, report, err);
        }
    }
    if (split.taken == 0 && !split.complete) {
        return PINPIPE_OK;
    }
    decoder->is_partial = true;
    pinpipe_status status = carry_add(decoder, text, split.taken, err);
    if (status == PINPIPE_OK && split.complete) {
        status = carry_take(decoder, columns, report, err);
    }
    return status;
}

/* Behind the last line end of a slice that has room for whole blocks behind it; `bytes` where there is none.
 */
static const char *lines_end(const char *bytes, size_t slice, size_t len) {
    size_t room = len > PP_FAST_PADDING ? len - PP_FAST_PADDING : 0;
    const char *newline = memrchr(bytes, '\n', slice < room ? slice : room);
    return newline ? newline + 1 : bytes;
}

/* Records of NDJSON that are written like earlier ones; returns the bytes read. */
static size_t fast_take(pinpipe_decoder *decoder, pp_columns *columns, const char *bytes, const char *end,
                        pinpipe_report *report) {
    pp_fast_target target = {columns, decoder->batch_rows, decoder->max_record_bytes, report, false};
    int64_t before = columns->rows + report->dropped;
    size_t taken = decoder->fast.run(&decoder->fast, &decoder->plan, &target, bytes, end);
    int64_t records = columns->rows + report->dropped - before;
    report->records += records;
    decoder->record_index += records;
    decoder->byte_offset += (int64_t)taken;
    return taken;
}

/* One record, or what there is of it, by the cell road; returns the bytes read. */
static pinpipe_status slow_take(size_t *taken, pinpipe_decoder *decoder, pp_columns *columns,
                                pinpipe_str bytes, size_t slice, pinpipe_report *report, pinpipe_error *err) {
    pp_split split = pp_splitter_next(&decoder->splitter, bytes.ptr, slice);
    size_t padding = bytes.len - split.skipped - split.taken;
    bool was_partial = decoder->is_partial;
    int64_t rows = columns->rows;
    *taken = split.skipped + split.taken + split.after;
    pinpipe_status status = split_take(decoder, columns, bytes.ptr, split, padding, report, err);
    decoder->byte_offset += (int64_t)*taken;
    if (status == PINPIPE_OK && columns->rows > rows && !was_partial && padding > PP_FAST_PADDING &&
        has_plain_lines(decoder)) {
        pp_fast_learn(&decoder->fast, &decoder->plan, &decoder->fields, bytes.ptr, *taken);
    }
    return status;
}

/* Records of one slice, for which the columns have room, until they end or the batch is full. */
static pinpipe_status slice_take(size_t *taken, pinpipe_decoder *decoder, pp_columns *columns,
                                 pinpipe_str bytes, size_t slice, pinpipe_report *report,
                                 pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    const char *end = has_plain_lines(decoder) ? lines_end(bytes.ptr, slice, bytes.len) : bytes.ptr;
    *taken = 0;
    if (end > bytes.ptr && slice < bytes.len) {
        slice = (size_t)(end - bytes.ptr); /* a slice that is not the last one cuts no line */
    }
    while (status == PINPIPE_OK && *taken < slice && !pp_decoder_is_full(decoder, columns)) {
        const char *at = bytes.ptr + *taken;
        size_t step = at < end && !decoder->is_partial ? fast_take(decoder, columns, at, end, report) : 0;
        if (step == 0) {
            status = slow_take(&step, decoder, columns, (pinpipe_str){at, bytes.len - *taken}, slice - *taken,
                               report, err);
        }
        *taken += step;
    }
    return status;
}

/* Reads records from `bytes` until they end or the batch is full. */
static pinpipe_status bytes_take(size_t *taken, pinpipe_decoder *decoder, pp_columns *columns,
                                 pinpipe_str bytes, pinpipe_report *report, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    *taken = 0;
    while (status == PINPIPE_OK && *taken < bytes.len && !pp_decoder_is_full(decoder, columns)) {
        pinpipe_str rest = {bytes.ptr + *taken, bytes.len - *taken};
        size_t slice = rest.len < SLICE_BYTES ? rest.len : SLICE_BYTES;
        int64_t rows = (int64_t)slice / 2 + 2;
        int64_t room = decoder->batch_rows - columns->rows;
        rows = rows < room ? rows : room;
        int64_t text_bytes =
            (int64_t)(slice + decoder->carry.len) + pp_decoder_growth(decoder, rows) + PP_FAST_ROOM;
        status = pp_columns_reserve(columns, rows, text_bytes, err);
        size_t step = 0;
        if (status == PINPIPE_OK) {
            status = slice_take(&step, decoder, columns, rest, slice, report, err);
        }
        *taken += step;
    }
    return status;
}

/* Decides the format from an input's first bytes; false where more of them are needed. */
static bool format_decide(pinpipe_decoder *decoder, pinpipe_str head, pp_input_end end) {
    pp_format format;
    if (!pp_format_find(&format, decoder->format, &decoder->fields, head, end)) {
        return false;
    }
    pp_splitter_init(&decoder->splitter, format.framing);
    decoder->envelope = format.envelope;
    decoder->is_decided = true;
    decoder->byte_offset = (int64_t)format.skip;
    return true;
}

/* The same with more of an input: it waits until enough is there. */
static pinpipe_status pending_add(pinpipe_decoder *decoder, pinpipe_str head, pinpipe_error *err) {
    pinpipe_status status = pp_buf_append(&decoder->pending, head.ptr, head.len, err);
    if (status == PINPIPE_OK && format_decide(decoder, pp_buf_view(&decoder->pending), PP_INPUT_GOES_ON)) {
        decoder->pending_at = (size_t)decoder->byte_offset;
    }
    return status;
}

static pinpipe_status pending_take(pinpipe_decoder *decoder, pp_columns *columns, pinpipe_report *report,
                                   pinpipe_error *err) {
    size_t taken = 0;
    pinpipe_str rest = pp_buf_view(&decoder->pending);
    if (rest.len) {
        rest.ptr += decoder->pending_at;
        rest.len -= decoder->pending_at;
    }
    pinpipe_status status = rest.len ? bytes_take(&taken, decoder, columns, rest, report, err) : PINPIPE_OK;
    decoder->pending_at += taken;
    if (status >= 0 && decoder->pending_at == decoder->pending.len) {
        pinpipe_buf_reset(&decoder->pending);
        decoder->pending_at = 0;
    }
    return status;
}

pinpipe_status pinpipe_decoder_feed(int64_t *taken_bytes, pinpipe_decoder *decoder, pinpipe_batch *batch,
                                    pinpipe_str bytes, pinpipe_report *report, pinpipe_error *err) {
    pp_columns *columns = NULL;
    *taken_bytes = 0;
    int64_t rejected = report->rejected;
    pinpipe_status status = pp_decoder_open(&columns, decoder, batch, report, err);
    if (status < 0) {
        return status;
    }
    if (bytes.len && !decoder->is_decided) {
        pinpipe_str head = {bytes.ptr, bytes.len < PP_FORMAT_PROBE_BYTES ? bytes.len : PP_FORMAT_PROBE_BYTES};
        if (!decoder->pending.len && format_decide(decoder, head, PP_INPUT_GOES_ON)) {
            head.len = (size_t)decoder->byte_offset; /* the rest is read where it stands */
        } else {
            status = pending_add(decoder, head, err);
        }
        if (status < 0) {
            return status;
        }
        *taken_bytes = (int64_t)head.len;
        bytes.ptr += head.len;
        bytes.len -= head.len;
    }
    if (!decoder->is_decided) {
        return PINPIPE_OK;
    }
    status = pending_take(decoder, columns, report, err);
    if (status >= 0 && decoder->pending.len == 0) {
        size_t taken = 0;
        status = bytes_take(&taken, decoder, columns, bytes, report, err);
        *taken_bytes += (int64_t)taken;
    }
    return status < 0 ? status : report->rejected > rejected ? PINPIPE_PARTIAL : PINPIPE_OK;
}

/* What is left at the end of the input: a record without line end, an array without bracket. */
static pinpipe_status rest_take(pinpipe_decoder *decoder, pp_columns *columns, pinpipe_report *report,
                                pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    if (decoder->is_partial) {
        int64_t text_bytes = (int64_t)decoder->carry.len + pp_decoder_growth(decoder, 1) + PP_FAST_ROOM;
        status = pp_columns_reserve(columns, 1, text_bytes, err);
        status = status < 0 ? status : carry_take(decoder, columns, report, err);
    }
    const char *open_part = decoder->is_decided ? pp_splitter_open_part(&decoder->splitter) : NULL;
    if (status >= 0 && open_part) {
        pp_fault fault = {PP_OUTCOME_MALFORMED, open_part, 0};
        pp_record_text source = {"", 0, 0, decoder->byte_offset};
        status = pp_decoder_reject(decoder, &fault, &source, report, err);
    }
    return status;
}

pinpipe_status pinpipe_decoder_finish(pinpipe_decoder *decoder, pinpipe_batch *batch, pinpipe_report *report,
                                      pinpipe_error *err) {
    pp_columns *columns = NULL;
    int64_t rejected = report->rejected;
    pinpipe_status status = pp_decoder_open(&columns, decoder, batch, report, err);
    if (status < 0) {
        return status;
    }
    if (!decoder->is_decided && decoder->pending.len &&
        format_decide(decoder, pp_buf_view(&decoder->pending), PP_INPUT_ENDS)) {
        decoder->pending_at = (size_t)decoder->byte_offset;
    }
    status = pending_take(decoder, columns, report, err);
    if (status < 0) {
        return status;
    }
    if (decoder->pending.len || (decoder->is_partial && pp_decoder_is_full(decoder, columns))) {
        return PINPIPE_AGAIN;
    }
    status = rest_take(decoder, columns, report, err);
    if (status < 0) {
        return status;
    }
    input_reset(decoder);
    return report->rejected > rejected ? PINPIPE_PARTIAL : PINPIPE_OK;
}
