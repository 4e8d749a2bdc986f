/* Turns a record's text into cells, out of the envelope, the JSON string or the base64 that it lies in.
 * Never unwraps a record that has a key of its own, nor one that could be read in two ways.
 * Rules: codec/envelopes.def; docs/records.md, "Wrapped records". */
#include <string.h>

#include "clean/decoder.h"
#include "codec/filestream_record.h"
#include "codec/json_record.h"
#include "text/base64.h"
#include "text/json_string.h"

/* Envelopes, strings and base64 around one record. */
#define STEPS_MAX 8

typedef struct reader {
    pinpipe_decoder *decoder;
    pp_fault *fault;
    pinpipe_str text;
    const char *start; /* of the record, or of the text that was decoded out of it */
    int32_t steps;
    int32_t turn; /* which of the two buffers is written next */
    bool is_decoded;
    bool is_plain;   /* the text came out of a string or a CSV field */
    bool has_base64; /* base64 was taken off */
    bool expects_base64;
    bool is_inside; /* of an envelope */
    bool is_wrapped;
} reader;

static bool fail(reader *r, const char *detail) {
    *r->fault = (pp_fault){PP_OUTCOME_NOT_A_RECORD, detail, (size_t)(r->text.ptr - r->start)};
    return false;
}

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static void blanks_skip(pinpipe_str *text) {
    while (text->len && is_blank(text->ptr[0])) {
        text->ptr++;
        text->len--;
    }
}

static bool begins_json(const reader *r) {
    return r->text.len && (r->text.ptr[0] == '{' || r->text.ptr[0] == '"');
}

/* Room for a text of the length of this one, with what a record's reader needs behind it. */
static pinpipe_status room_open(char **out, reader *r, pinpipe_error *err) {
    pinpipe_buf *buf = &r->decoder->decoded[r->turn];
    pp_buf_clear(buf);
    pinpipe_status status = pp_buf_reserve(buf, r->text.len + 1 + PP_JSON_PADDING, PP_BUF_MAX, err);
    *out = buf->ptr;
    return status;
}

/* The text that was written to the room is the one to read. */
static void room_take(reader *r, size_t len) {
    char *ptr = r->decoder->decoded[r->turn].ptr;
    memset(ptr + len, 0, PP_JSON_PADDING + 1);
    r->text = (pinpipe_str){ptr, len};
    r->start = ptr;
    r->is_decoded = true;
    r->is_plain = true;
    r->turn ^= 1;
}

/* Takes a JSON string off. */
static pinpipe_status string_open(bool *is_read, reader *r, pinpipe_error *err) {
    char *room = NULL;
    pp_cell text = {.kind = PP_CELL_TEXT};
    pinpipe_status status = room_open(&room, r, err);
    if (status < 0) {
        return status;
    }
    *is_read = pp_json_text(&text, room, r->text.ptr, r->text.len, r->fault);
    if (!*is_read && r->is_plain) {
        fail(r, "the value is no object");
        return PINPIPE_OK;
    }
    if (!*is_read) {
        r->fault->offset += (size_t)(r->text.ptr - r->start);
        return PINPIPE_OK;
    }
    memmove(room, text.ptr, text.len);
    room_take(r, text.len);
    blanks_skip(&r->text);
    r->is_wrapped = r->is_wrapped || begins_json(r);
    return PINPIPE_OK;
}

/* Takes base64 off. */
static pinpipe_status base64_open(bool *is_read, reader *r, pinpipe_error *err) {
    char *room = NULL;
    size_t len = 0;
    pinpipe_status status = room_open(&room, r, err);
    if (status < 0) {
        return status;
    }
    *is_read = pp_base64_read(room, &len, r->text.ptr, r->text.len);
    if (*is_read) {
        room_take(r, len);
        blanks_skip(&r->text);
        r->is_wrapped = r->is_wrapped || r->has_base64 || !r->expects_base64;
        r->has_base64 = true;
    }
    return PINPIPE_OK;
}

/* Takes strings and base64 off until an object begins, or what the record's reader shall refuse. */
static pinpipe_status text_open(bool *is_read, reader *r, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    *is_read = true;
    blanks_skip(&r->text);
    while (status == PINPIPE_OK && *is_read && !(r->text.len && r->text.ptr[0] == '{')) {
        if (++r->steps > STEPS_MAX) {
            *is_read = fail(r, "wrapped more than 8 times");
        } else if (begins_json(r)) {
            status = string_open(is_read, r, err);
        } else if (!r->is_plain) {
            break;
        } else if (r->text.len == 0) {
            *is_read = fail(
                r, r->has_base64 ? "the value is an empty string, no object (a gateway's template stores it "
                                   "where it finds no data under its name)"
                                 : "the value is an empty string, no object");
        } else if (!r->is_inside) {
            *is_read = fail(r, "the value is no object");
        } else {
            status = base64_open(is_read, r, err);
            *is_read = *is_read || fail(r, "the text is neither JSON nor base64 of it");
        }
    }
    return status;
}

/* The member that the record lies in; -1 for none. `is_read` is false where one is demanded and none is
 * there. */
static int32_t payload_find(bool *is_read, reader *r) {
    const pp_record_cells *cells = &r->decoder->cells;
    const pp_envelope *envelope = r->is_inside ? NULL : r->decoder->envelope;
    *is_read = true;
    if (envelope) {
        int32_t member = pp_members_payload(&cells->members, envelope->payloads);
        *is_read = member >= 0 || fail(r, "the envelope has no record, or more than one");
        return member;
    }
    bool has_key = cells->cell[r->decoder->fields.key].kind != PP_CELL_MISSING &&
                   !(cells->members.met & 1u << PP_MEMBER_KEY);
    return has_key ? -1 : pp_members_payload(&cells->members, pp_envelope_wrappers()->payloads);
}

/* Goes into a member's value. */
static void payload_open(reader *r, int32_t member) {
    r->is_wrapped = r->is_wrapped || r->is_inside || !r->decoder->envelope;
    r->text = r->decoder->cells.members.text[member];
    r->is_plain = false;
    r->is_inside = true;
}

/* Reads the object that the text leads to, and the record in it. */
static pinpipe_status object_read(bool *is_read, reader *r, pinpipe_error *err) {
    pinpipe_decoder *decoder = r->decoder;
    int32_t member = 0;
    pinpipe_status status = PINPIPE_OK;
    while (member >= 0) {
        status = text_open(is_read, r, err);
        if (status < 0 || !*is_read) {
            return status;
        }
        *is_read = pp_json_record(&decoder->cells, &decoder->fields, decoder->scratch.ptr, r->text.ptr,
                                  r->text.len, r->fault);
        if (!*is_read) {
            r->fault->offset += (size_t)(r->text.ptr - r->start);
            return status;
        }
        member = payload_find(is_read, r);
        if (member >= 0 && ++r->steps > STEPS_MAX) {
            *is_read = fail(r, "wrapped more than 8 times");
            return status;
        }
        if (member >= 0) {
            payload_open(r, member);
        }
    }
    decoder->cells.is_wrapped = r->is_wrapped;
    return status;
}

/* The CSV field that holds the record, which is in the scratch or not followed by a control byte. */
static pinpipe_status field_open(bool *is_read, reader *r, pinpipe_error *err) {
    char *room = NULL;
    const pp_members *members = &r->decoder->cells.members;
    if (!(members->met & 1u << PP_MEMBER_DATA)) {
        *is_read = fail(r, "the row has no data");
        return PINPIPE_OK;
    }
    r->text = members->text[PP_MEMBER_DATA];
    r->is_inside = true;
    pinpipe_status status = room_open(&room, r, err);
    if (status == PINPIPE_OK) {
        memcpy(room, r->text.ptr, r->text.len);
        room_take(r, r->text.len);
    }
    return status;
}

pinpipe_status pp_decoder_read(bool *is_read, pp_fault *fault, pinpipe_decoder *decoder, pinpipe_str text,
                               pinpipe_error *err) {
    const pp_envelope *envelope = decoder->envelope;
    reader r = {.decoder = decoder, .fault = fault, .text = text, .start = text.ptr};
    pinpipe_status status = PINPIPE_OK;
    r.expects_base64 = envelope && envelope->has_base64;
    if (decoder->splitter.format == PINPIPE_FORMAT_FILESTREAM) {
        *is_read = pp_filestream_record(&decoder->cells, &decoder->fields, text.ptr, text.len, fault);
    } else if (decoder->has_header) {
        *is_read = pp_csv_record(&decoder->cells, &decoder->header, &decoder->fields, decoder->scratch.ptr,
                                 text.ptr, text.len, fault);
        if (*is_read && envelope) {
            status = field_open(is_read, &r, err);
            status = status < 0 || !*is_read ? status : object_read(is_read, &r, err);
        }
    } else {
        status = object_read(is_read, &r, err);
    }
    fault->is_decoded = r.is_decoded;
    return status;
}
