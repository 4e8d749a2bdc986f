/* Turns the bytes of an event stream into its messages: headers and payload.
 * Never reads beyond a message, whatever its lengths say.
 * Rules: Smithy, "Amazon Event Stream": lengths and CRC-32 of the prelude, headers, payload, CRC-32 of all.
 */
#include "aws/event_stream.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/checksum.h"

#define PRELUDE_BYTES 12
#define CHECKSUM_BYTES 4

static uint32_t u32_at(const char *at) {
    const unsigned char *bytes = (const unsigned char *)at;
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static size_t u16_at(const char *at) {
    const unsigned char *bytes = (const unsigned char *)at;
    return (size_t)bytes[0] << 8 | bytes[1];
}

/* Bytes of a header's value by its type; texts and bytes have their length before them. */
static bool value_take(pinpipe_str *value, pinpipe_str *from, unsigned type) {
    static const size_t sizes[] = {0, 0, 1, 2, 4, 8, 0, 0, 8, 16};
    bool has_length = type == 6 || type == 7;
    if (type >= sizeof sizes / sizeof sizes[0] || (has_length && from->len < 2)) {
        return false;
    }
    size_t skipped = has_length ? 2 : 0;
    size_t len = has_length ? u16_at(from->ptr) : sizes[type];
    if (from->len - skipped < len) {
        return false;
    }
    *value = (pinpipe_str){from->ptr + skipped, len};
    from->ptr += skipped + len;
    from->len -= skipped + len;
    return true;
}

static bool headers_read(pp_event *out, pinpipe_str from) {
    const struct {
        const char *name;
        pinpipe_str *to;
    } known[] = {{":message-type", &out->kind},
                 {":event-type", &out->name},
                 {":exception-type", &out->name},
                 {":error-code", &out->name},
                 {":error-message", &out->detail}};
    while (from.len) {
        size_t name_len = (unsigned char)from.ptr[0];
        if (from.len < name_len + 2) {
            return false;
        }
        pinpipe_str name = {from.ptr + 1, name_len}, value = {"", 0};
        unsigned type = (unsigned char)from.ptr[1 + name_len];
        from.ptr += name_len + 2;
        from.len -= name_len + 2;
        if (!value_take(&value, &from, type)) {
            return false;
        }
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            if (type == 7 && pp_str_is(name, known[i].name)) {
                *known[i].to = value;
            }
        }
    }
    return true;
}

pinpipe_status pp_event_read(pp_event *out, size_t *taken, pinpipe_str bytes, pinpipe_error *err) {
    *out = (pp_event){{"", 0}, {"", 0}, {"", 0}, {"", 0}};
    *taken = 0;
    if (bytes.len < PRELUDE_BYTES) {
        return PINPIPE_AGAIN;
    }
    size_t total = u32_at(bytes.ptr), headers = u32_at(bytes.ptr + 4);
    if (u32_at(bytes.ptr + 8) != pp_crc32(0, bytes.ptr, 8)) {
        return pp_fail(err, PINPIPE_EDATA,
                       "an event's lengths do not have the checksum that stands behind them");
    }
    if (total < PP_EVENT_LEAST || total > PP_EVENT_MAX || headers > total - PP_EVENT_LEAST) {
        return pp_fail(err, PINPIPE_EDATA, "an event of %zu bytes with %zu bytes of headers is none", total,
                       headers);
    }
    if (bytes.len < total) {
        return PINPIPE_AGAIN;
    }
    if (u32_at(bytes.ptr + total - CHECKSUM_BYTES) != pp_crc32(0, bytes.ptr, total - CHECKSUM_BYTES)) {
        return pp_fail(err, PINPIPE_EDATA, "an event of %zu bytes does not have the checksum at its end",
                       total);
    }
    if (!headers_read(out, (pinpipe_str){bytes.ptr + PRELUDE_BYTES, headers})) {
        return pp_fail(err, PINPIPE_EDATA,
                       "an event's headers end within one, or have a value of no known type");
    }
    out->payload = (pinpipe_str){bytes.ptr + PRELUDE_BYTES + headers, total - PP_EVENT_LEAST - headers};
    *taken = total;
    return PINPIPE_OK;
}
