/* Turns the text of a Java properties file, such as a client.properties, into settings.
 * Never judges what a setting means: iam_settings.c reads Java's names for IAM login.
 * Rules: java.util.Properties.load (comments, separators, escapes, continued lines); docs/kafka.md,
 * "client.properties". */
#include <assert.h>
#include <string.h>

#include "base/buffer.h"
#include "kafka/config.h"
#include "text/utf8.h"

#define TEXT_BYTES_MAX (1 << 16)

typedef struct reader {
    const char *at, *end;
} reader;

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t' || byte == '\f';
}

static bool is_line_end(char byte) {
    return byte == '\n' || byte == '\r';
}

static void blanks_skip(reader *in) {
    while (in->at < in->end && is_blank(*in->at)) {
        in->at++;
    }
}

static void line_skip(reader *in) {
    while (in->at < in->end && !is_line_end(*in->at)) {
        in->at++;
    }
}

/* Goes to the next line that says something; false at the end. */
static bool line_next(reader *in) {
    while (in->at < in->end) {
        blanks_skip(in);
        if (in->at < in->end && (*in->at == '#' || *in->at == '!')) {
            line_skip(in);
        } else if (in->at < in->end && !is_line_end(*in->at)) {
            return true;
        }
        in->at += in->at < in->end ? 1 : 0;
    }
    return false;
}

/* Four hex digits behind "\u"; -1 where they are none. */
static int32_t unit_read(const reader *in, const char *at) {
    int32_t unit = 0;
    if (in->end - at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        char byte = at[i];
        int32_t digit = byte >= '0' && byte <= '9'   ? byte - '0'
                        : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
                        : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                                     : -1;
        if (digit < 0) {
            return -1;
        }
        unit = unit * 16 + digit;
    }
    return unit;
}

static pinpipe_status unicode_take(pinpipe_buf *out, reader *in, pinpipe_error *err) {
    int32_t unit = unit_read(in, in->at);
    in->at += unit < 0 ? 0 : 4;
    bool high = unit >= 0xD800 && unit < 0xDC00;
    if (high && in->end - in->at >= 2 && in->at[0] == '\\' && in->at[1] == 'u') {
        int32_t low = unit_read(in, in->at + 2);
        bool pair = low >= 0xDC00 && low < 0xE000;
        in->at += pair ? 6 : 0;
        unit = pair ? 0x10000 + (unit - 0xD800) * 0x400 + (low - 0xDC00) : unit;
    }
    if (unit <= 0 || (unit >= 0xD800 && unit < 0xE000)) {
        return pp_fail(err, PINPIPE_EDATA,
                       "properties: \"\\u\" is not followed by the four digits of a character");
    }
    out->len += pp_utf8_put(out->ptr + out->len, (uint32_t)unit);
    return PINPIPE_OK;
}

static pinpipe_status escape_take(pinpipe_buf *out, reader *in, pinpipe_error *err) {
    static const char letters[] = "tnrf", meanings[] = "\t\n\r\f";
    in->at++;
    if (in->at == in->end) {
        return PINPIPE_OK;
    }
    char byte = *in->at++;
    if (is_line_end(byte)) {
        in->at += byte == '\r' && in->at < in->end && *in->at == '\n' ? 1 : 0;
        blanks_skip(in);
        return PINPIPE_OK;
    }
    if (byte == 'u') {
        return unicode_take(out, in, err);
    }
    const char *letter = byte ? strchr(letters, byte) : NULL;
    out->ptr[out->len++] = letter ? meanings[letter - letters] : byte;
    return PINPIPE_OK;
}

/* Up to one of `ends` or the end of the line. Nothing grows: `out` has room for the whole text. */
static pinpipe_status piece_take(pinpipe_buf *out, reader *in, const char *ends, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    out->len = 0;
    while (status == PINPIPE_OK && in->at < in->end && !is_line_end(*in->at) &&
           (!*in->at || !strchr(ends, *in->at))) {
        if (*in->at == '\\') {
            status = escape_take(out, in, err);
        } else {
            out->ptr[out->len++] = *in->at++;
        }
    }
    return status;
}

pinpipe_status pinpipe_kafka_config_decode(pinpipe_kafka_config *config, pinpipe_str text,
                                           pinpipe_error *err) {
    assert(config);
    reader in = {text.ptr, text.ptr + text.len};
    pinpipe_buf name = PINPIPE_BUF_INIT, value = PINPIPE_BUF_INIT;
    if (text.len > TEXT_BYTES_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "properties: %zu bytes, the limit is %d", text.len,
                       TEXT_BYTES_MAX);
    }
    pinpipe_status status = pp_buf_renew_secret(&name, text.len, err);
    if (status == PINPIPE_OK) {
        status = pp_buf_renew_secret(&value, text.len, err);
    }
    if (text.len >= 3 && memcmp(text.ptr, "\xEF\xBB\xBF", 3) == 0) {
        in.at += 3;
    }
    while (status == PINPIPE_OK && line_next(&in)) {
        status = piece_take(&name, &in, "=: \t\f", err);
        blanks_skip(&in);
        if (in.at < in.end && (*in.at == '=' || *in.at == ':')) {
            in.at++;
            blanks_skip(&in);
        }
        if (status == PINPIPE_OK) {
            status = piece_take(&value, &in, "", err);
        }
        if (status == PINPIPE_OK) {
            status = pinpipe_kafka_config_set(config, pp_buf_view(&name), pp_buf_view(&value), err);
        }
    }
    pp_buf_reset_secret(&name);
    pp_buf_reset_secret(&value);
    return status;
}
