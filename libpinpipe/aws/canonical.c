/* Turns path, query and headers of a request into the canonical forms that SigV4 hashes.
 * Never signs, and never moves bytes that a view points into.
 * Rules: docs/signing.md, "The canonical request"; AWS "Create a canonical request". */
#include "aws/canonical.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "aws/uri.h"
#include "base/buffer.h"
#include "base/memory.h"

#define SORT_FEW_MAX 32

pinpipe_status pp_pairs_reserve(pp_pairs *pairs, size_t cap, size_t bytes, pinpipe_error *err) {
    pairs->count = 0;
    if (cap > pairs->cap) {
        pinpipe_header *items = pp_realloc(pairs->items, cap * sizeof *items);
        if (!items) {
            return pp_fail_memory(err, "headers", cap * sizeof *items);
        }
        pairs->items = items;
        pairs->cap = cap;
    }
    return pp_buf_renew_secret(&pairs->bytes, bytes, err);
}

void pp_pairs_reset(pp_pairs *pairs) {
    pp_free(pairs->items);
    pp_buf_reset_secret(&pairs->bytes); /* a session token may be among the values */
    *pairs = (pp_pairs){0};
}

void pp_put(pinpipe_buf *out, pinpipe_str bytes) {
    assert(out->cap - out->len > bytes.len);
    if (bytes.len) {
        memcpy(out->ptr + out->len, bytes.ptr, bytes.len);
        out->len += bytes.len;
    }
}

static void put_byte(pinpipe_buf *out, char byte) {
    assert(out->cap > out->len + 1);
    out->ptr[out->len++] = byte;
}

size_t pp_pairs_text_max(const pp_pairs *pairs) {
    return pairs->bytes.len + 2 * pairs->count;
}

/* ---- path ---- */

/* Appends `path` without empty, "." and ".." segments; a final '/' stays. */
static pinpipe_status path_normalize(pinpipe_buf *out, pinpipe_str path, pinpipe_error *err) {
    pinpipe_status status = pp_buf_reserve(out, path.len + 1, PP_BUF_MAX, err);
    if (status < 0) {
        return status;
    }
    size_t start = out->len;
    const char *cursor = path.ptr, *end = path.ptr + path.len;
    while (cursor < end) {
        const char *slash = memchr(cursor, '/', (size_t)(end - cursor));
        size_t len = (size_t)((slash ? slash : end) - cursor);
        if (len == 2 && cursor[0] == '.' && cursor[1] == '.') {
            while (out->len > start && out->ptr[--out->len] != '/') {
            }
        } else if (len > 0 && !(len == 1 && cursor[0] == '.')) {
            out->ptr[out->len++] = '/';
            memcpy(out->ptr + out->len, cursor, len);
            out->len += len;
        }
        cursor += len + 1;
    }
    if (out->len == start || path.ptr[path.len - 1] == '/') {
        out->ptr[out->len++] = '/';
    }
    out->ptr[out->len] = '\0';
    return PINPIPE_OK;
}

pinpipe_status pp_canonical_path(pinpipe_buf *out, pinpipe_buf *scratch, pinpipe_str path, int rules,
                                 pinpipe_error *err) {
    if (!path.len) {
        return pp_buf_append_text(out, "/", err);
    }
    if (rules & PP_PATH_NORMALIZE) {
        pp_buf_clear(scratch);
        pinpipe_status status = path_normalize(scratch, path, err);
        if (status < 0) {
            return status;
        }
        path = pp_buf_view(scratch);
    }
    /* A server that encodes once decodes what it was sent first, so both do: "%7e" and "~" are one key. */
    return rules & PP_PATH_ENCODE_AGAIN ? pp_uri_encode(out, path, PP_SLASH_KEPT, err)
                                        : pp_uri_encode_again(out, path, PP_SLASH_KEPT, PP_PLUS_KEPT, err);
}

/* ---- query ---- */

static pinpipe_status part_encode(pinpipe_str *out, pp_pairs *query, pinpipe_str part, pinpipe_error *err) {
    size_t start = query->bytes.len;
    pinpipe_status status = pp_uri_encode(&query->bytes, part, PP_SLASH_ENCODED, err);
    if (status == PINPIPE_OK) {
        *out = (pinpipe_str){query->bytes.ptr + start, query->bytes.len - start};
    }
    return status;
}

pinpipe_status pp_query_add(pp_pairs *query, pinpipe_header parameter, pinpipe_error *err) {
    assert(query->count < query->cap);
    assert(query->bytes.len + 3 * (parameter.name.len + parameter.value.len) < query->bytes.cap);
    pinpipe_header *item = &query->items[query->count];
    pinpipe_status status = part_encode(&item->name, query, parameter.name, err);
    if (status == PINPIPE_OK) {
        status = part_encode(&item->value, query, parameter.value, err);
    }
    if (status == PINPIPE_OK) {
        query->count++;
    }
    return status;
}

static bool name_equal(pinpipe_str name, const char *other) {
    return name.len == strlen(other) && strncasecmp(name.ptr, other, name.len) == 0;
}

static pinpipe_status parameter_check(pinpipe_str name, pinpipe_error *err) {
    static const char *const refused[] = {
#define PP_REFUSED_PARAMETER(parameter) parameter,
#include "aws/sign.def"
#undef PP_REFUSED_PARAMETER
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (name_equal(name, refused[i])) {
            return pp_fail(err, PINPIPE_EINVAL, "query parameter %s: only the signer writes it", refused[i]);
        }
    }
    return PINPIPE_OK;
}

/* Adds the parameter `name=value` as it stands in a URL. */
static pinpipe_status parameter_parse(pp_pairs *query, pinpipe_str text, pinpipe_error *err) {
    assert(query->count < query->cap);
    assert(query->bytes.len + 3 * text.len < query->bytes.cap);
    const char *equals = memchr(text.ptr, '=', text.len);
    size_t name_len = equals ? (size_t)(equals - text.ptr) : text.len;
    const pinpipe_str parts[] = {{text.ptr, name_len},
                                 {equals ? equals + 1 : text.ptr, equals ? text.len - name_len - 1 : 0}};
    pinpipe_header *item = &query->items[query->count];
    pinpipe_str *const outs[] = {&item->name, &item->value};
    pinpipe_status status = PINPIPE_OK;
    for (size_t i = 0; status == PINPIPE_OK && i < 2; i++) {
        size_t start = query->bytes.len;
        status = pp_uri_encode_again(&query->bytes, parts[i], PP_SLASH_ENCODED, PP_PLUS_IS_BLANK, err);
        *outs[i] = (pinpipe_str){query->bytes.ptr + start, query->bytes.len - start};
    }
    if (status == PINPIPE_OK) {
        status = parameter_check(item->name, err);
    }
    if (status == PINPIPE_OK) {
        query->count++;
    }
    return status;
}

pinpipe_status pp_query_parse(pp_pairs *query, pinpipe_str text, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    const char *cursor = text.ptr, *end = text.ptr ? text.ptr + text.len : NULL;
    while (status == PINPIPE_OK && cursor < end) {
        const char *mark = memchr(cursor, '&', (size_t)(end - cursor));
        size_t len = (size_t)((mark ? mark : end) - cursor);
        if (len && query->count == PP_SIGN_PARAMETERS_MAX) {
            status =
                pp_fail(err, PINPIPE_ELIMIT, "url: more than %d query parameters", PP_SIGN_PARAMETERS_MAX);
        } else if (len) {
            status = parameter_parse(query, (pinpipe_str){cursor, len}, err);
        }
        cursor += len + 1;
    }
    return status;
}

static int text_compare(pinpipe_str a, pinpipe_str b) {
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int parameter_compare(const void *left, const void *right) {
    const pinpipe_header *a = left, *b = right;
    int order = text_compare(a->name, b->name);
    return order ? order : text_compare(a->value, b->value);
}

static int name_compare(const void *left, const void *right) {
    const pinpipe_header *a = left, *b = right;
    return text_compare(a->name, b->name);
}

/* Keeps the order of equal items, which qsort does not promise, and asks for no memory, as qsort may. */
static void sort_few(pp_pairs *pairs, int (*compare)(const void *, const void *)) {
    for (size_t i = 1; i < pairs->count; i++) {
        pinpipe_header moved = pairs->items[i];
        size_t place = i;
        for (; place > 0 && compare(&pairs->items[place - 1], &moved) > 0; place--) {
            pairs->items[place] = pairs->items[place - 1];
        }
        pairs->items[place] = moved;
    }
}

void pp_query_sort(pp_pairs *query) {
    if (query->count > SORT_FEW_MAX) {
        qsort(query->items, query->count, sizeof *query->items, parameter_compare);
    } else {
        sort_few(query, parameter_compare);
    }
}

void pp_query_write(pinpipe_buf *out, const pp_pairs *query) {
    for (size_t i = 0; i < query->count; i++) {
        if (i) {
            put_byte(out, '&');
        }
        pp_put(out, query->items[i].name);
        put_byte(out, '=');
        pp_put(out, query->items[i].value);
    }
    out->ptr[out->len] = '\0';
}

/* ---- headers ---- */

/* Bit `byte % 64` of word `byte / 64`: the token characters of RFC 9110 §5.6.2. */
static bool byte_token(unsigned char byte) {
    static const uint64_t token[4] = {UINT64_C(0x03ff6cfa00000000), UINT64_C(0x57ffffffc7fffffe), 0, 0};
    return token[byte / 64] >> (byte % 64) & 1;
}

static char lower(char byte) {
    return byte >= 'A' && byte <= 'Z' ? (char)(byte + ('a' - 'A')) : byte;
}

static pinpipe_status header_name_check(pinpipe_str name, pinpipe_error *err) {
    static const char *const refused[] = {
#define PP_REFUSED_HEADER(header) header,
#include "aws/sign.def"
#undef PP_REFUSED_HEADER
    };
    if (!name.len || name.len > PP_SIGN_HEADER_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "a header name has %zu bytes", name.len);
    }
    for (size_t i = 0; i < name.len; i++) {
        if (!byte_token((unsigned char)name.ptr[i])) {
            return pp_fail(err, PINPIPE_EINVAL, "header name '%.*s': byte %zu is 0x%02x",
                           pp_quote_len(name.len), name.ptr, i, (unsigned char)name.ptr[i]);
        }
    }
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (name_equal(name, refused[i])) {
            return pp_fail(err, PINPIPE_EINVAL, "header %s: only the signer writes it", refused[i]);
        }
    }
    return PINPIPE_OK;
}

pinpipe_status pp_header_check(pinpipe_header header, pinpipe_error *err) {
    pinpipe_status status = header_name_check(header.name, err);
    if (status < 0) {
        return status;
    }
    if (header.value.len > PP_SIGN_HEADER_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "header %.*s: its value has %zu bytes, more than %d",
                       pp_quote_len(header.name.len), header.name.ptr, header.value.len, PP_SIGN_HEADER_MAX);
    }
    for (size_t i = 0; i < header.value.len; i++) {
        unsigned char byte = (unsigned char)header.value.ptr[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
            return pp_fail(err, PINPIPE_EINVAL,
                           "header %.*s: byte %zu of its value is the control character 0x%02x",
                           pp_quote_len(header.name.len), header.name.ptr, i, byte);
        }
    }
    return PINPIPE_OK;
}

bool pp_header_never_signed(pinpipe_str name) {
    static const struct {
        const char *text;
        size_t len;
    } patterns[] = {
#define PP_NEVER_SIGNED(header) {(header), sizeof(header) - 1},
#include "aws/sign.def"
#undef PP_NEVER_SIGNED
    };
    char first = name.len ? lower(name.ptr[0]) : '\0';
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        if (patterns[i].text[0] != first) {
            continue;
        }
        size_t len = patterns[i].len;
        bool open = patterns[i].text[len - 1] == '*';
        len -= open ? 1 : 0;
        if ((open ? name.len >= len : name.len == len) && strncasecmp(name.ptr, patterns[i].text, len) == 0) {
            return true;
        }
    }
    return false;
}

void pp_headers_add(pp_pairs *headers, pinpipe_header header) {
    assert(headers->count < headers->cap);
    assert(headers->bytes.len + header.name.len + header.value.len < headers->bytes.cap);
    char *start = headers->bytes.ptr + headers->bytes.len, *tail = start;
    for (size_t i = 0; i < header.name.len; i++) {
        *tail++ = lower(header.name.ptr[i]);
    }
    char *value = tail;
    for (size_t i = 0; i < header.value.len; i++) {
        char byte = header.value.ptr[i];
        if (byte != ' ' && byte != '\t') {
            *tail++ = byte;
        } else if (tail > value && tail[-1] != ' ') {
            *tail++ = ' ';
        }
    }
    if (tail > value && tail[-1] == ' ') {
        tail--;
    }
    headers->items[headers->count++] =
        (pinpipe_header){{start, header.name.len}, {value, (size_t)(tail - value)}};
    headers->bytes.len += (size_t)(tail - start);
}

void pp_headers_add_plain(pp_pairs *headers, pinpipe_header header) {
    assert(headers->count < headers->cap);
    const char *start = headers->bytes.ptr + headers->bytes.len;
    pp_put(&headers->bytes, header.name);
    pp_put(&headers->bytes, header.value);
    headers->items[headers->count++] =
        (pinpipe_header){{start, header.name.len}, {start + header.name.len, header.value.len}};
}

void pp_headers_sort(pp_pairs *headers) {
    sort_few(headers, name_compare);
}

static bool name_repeats(const pp_pairs *headers, size_t index) {
    return index > 0 && pp_str_equal(headers->items[index - 1].name, headers->items[index].name);
}

void pp_headers_write(pinpipe_buf *out, const pp_pairs *headers) {
    for (size_t i = 0; i < headers->count; i++) {
        if (name_repeats(headers, i)) {
            out->ptr[out->len - 1] = ','; /* in place of the line feed */
        } else {
            pp_put(out, headers->items[i].name);
            put_byte(out, ':');
        }
        pp_put(out, headers->items[i].value);
        put_byte(out, '\n');
    }
    out->ptr[out->len] = '\0';
}

void pp_headers_write_names(pinpipe_buf *out, const pp_pairs *headers) {
    for (size_t i = 0; i < headers->count; i++) {
        if (i && !name_repeats(headers, i)) {
            put_byte(out, ';');
        }
        if (!name_repeats(headers, i)) {
            pp_put(out, headers->items[i].name);
        }
    }
    out->ptr[out->len] = '\0';
}
