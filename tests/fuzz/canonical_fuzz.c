/* Turns a path, a query and headers into their canonical forms twice: by the library and by a plain reading
 * of the AWS document that keeps every part as a string of its own. Never hands the reference anything that
 * the library made. Rules: AWS "Create a canonical request"; docs/signing.md. Input: one byte of path rules,
 * then the lines path, query and "name:value" headers. */
#include "fuzz.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "aws/canonical.h"
#include "base/buffer.h"

#define PARTS_MAX 64
#define TEXT_MAX (1 << 17)

typedef struct text {
    char bytes[TEXT_MAX];
    size_t len;
} text;

typedef struct pair {
    pinpipe_str name, value;
} pair;

static char arena[1 << 20];
static size_t arena_len;

static pinpipe_str keep(const text *from) {
    REQUIRE(arena_len + from->len <= sizeof arena);
    char *place = arena + arena_len;
    memcpy(place, from->bytes, from->len);
    arena_len += from->len;
    return (pinpipe_str){place, from->len};
}

static void add(text *out, char byte) {
    REQUIRE(out->len < sizeof out->bytes);
    out->bytes[out->len++] = byte;
}

static void add_all(text *out, pinpipe_str from) {
    for (size_t i = 0; i < from.len; i++) {
        add(out, from.ptr[i]);
    }
}

static void slow_decode(text *out, pinpipe_str from, bool plus_is_blank) {
    out->len = 0;
    for (size_t i = 0; i < from.len; i++) {
        char digits[3] = {0};
        if (from.ptr[i] == '%' && from.len - i > 2) {
            digits[0] = from.ptr[i + 1];
            digits[1] = from.ptr[i + 2];
        }
        if (isxdigit((unsigned char)digits[0]) && isxdigit((unsigned char)digits[1])) {
            add(out, (char)strtoul(digits, NULL, 16));
            i += 2;
        } else {
            add(out, plus_is_blank && from.ptr[i] == '+' ? ' ' : from.ptr[i]);
        }
    }
}

static void slow_encode(text *out, const text *from, bool keeps_slash) {
    out->len = 0;
    for (size_t i = 0; i < from->len; i++) {
        char byte = from->bytes[i], escape[4];
        bool is_kept = byte && (strchr("-._~", byte) || (keeps_slash && byte == '/') ||
                                (isascii((unsigned char)byte) && isalnum((unsigned char)byte)));
        snprintf(escape, sizeof escape, "%%%02X", (unsigned char)byte);
        add_all(out, is_kept ? (pinpipe_str){&byte, 1} : pp_str(escape));
    }
}

/* The segments between slashes; false: too many for the reference. */
static bool slow_split(pinpipe_str *parts, size_t *count, pinpipe_str from, char mark) {
    size_t start = 0;
    *count = 0;
    for (size_t i = 0; i <= from.len; i++) {
        if (i == from.len || from.ptr[i] == mark) {
            if (*count == PARTS_MAX) {
                return false;
            }
            parts[(*count)++] = (pinpipe_str){from.ptr + start, i - start};
            start = i + 1;
        }
    }
    return true;
}

static bool slow_path(text *out, pinpipe_str path, int rules) {
    static text plain, whole;
    whole.len = 0;
    add_all(&whole, path);
    if (rules & PP_PATH_NORMALIZE) {
        pinpipe_str parts[PARTS_MAX], kept[PARTS_MAX];
        size_t count = 0, kept_count = 0;
        if (!slow_split(parts, &count, path, '/')) {
            return false;
        }
        for (size_t i = 0; i < count; i++) {
            if (pp_str_is(parts[i], "..")) {
                kept_count -= kept_count ? 1 : 0;
            } else if (parts[i].len && !pp_str_is(parts[i], ".")) {
                kept[kept_count++] = parts[i];
            }
        }
        whole.len = 0;
        for (size_t i = 0; i < kept_count; i++) {
            add(&whole, '/');
            add_all(&whole, kept[i]);
        }
        if (!kept_count || path.ptr[path.len - 1] == '/') {
            add(&whole, '/');
        }
    }
    if (!(rules & PP_PATH_ENCODE_AGAIN)) {
        slow_decode(&plain, (pinpipe_str){whole.bytes, whole.len}, false);
        slow_encode(out, &plain, true);
    } else {
        slow_encode(out, &whole, true);
    }
    return true;
}

static int slow_compare(pinpipe_str a, pinpipe_str b) {
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        if (a.ptr[i] != b.ptr[i]) {
            return (unsigned char)a.ptr[i] < (unsigned char)b.ptr[i] ? -1 : 1;
        }
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

/* Takes the least of the pairs that are left, the first of equals, until none is. */
static size_t least_take(pair *pairs, size_t *count, bool by_value) {
    size_t least = 0;
    for (size_t i = 1; i < *count; i++) {
        int order = slow_compare(pairs[i].name, pairs[least].name);
        order = order == 0 && by_value ? slow_compare(pairs[i].value, pairs[least].value) : order;
        least = order < 0 ? i : least;
    }
    pair taken = pairs[least];
    memmove(pairs + least, pairs + least + 1, (*count - least - 1) * sizeof *pairs);
    (*count)--;
    pairs[*count] = taken;
    return *count;
}

static bool slow_query(text *out, pinpipe_str query) {
    static text plain, encoded;
    pinpipe_str parts[PARTS_MAX];
    pair pairs[PARTS_MAX];
    size_t count = 0, pair_count = 0;
    if (!slow_split(parts, &count, query, '&')) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const char *equals = parts[i].len ? memchr(parts[i].ptr, '=', parts[i].len) : NULL;
        size_t name_len = equals ? (size_t)(equals - parts[i].ptr) : parts[i].len;
        pinpipe_str halves[2] = {{parts[i].ptr, name_len},
                                 {equals ? equals + 1 : "", equals ? parts[i].len - name_len - 1 : 0}};
        for (size_t half = 0; parts[i].len && half < 2; half++) {
            slow_decode(&plain, halves[half], true);
            slow_encode(&encoded, &plain, false);
            halves[half] = keep(&encoded);
        }
        if (parts[i].len) {
            pairs[pair_count++] = (pair){halves[0], halves[1]};
        }
    }
    out->len = 0;
    while (pair_count) {
        size_t taken = least_take(pairs, &pair_count, true);
        if (out->len) {
            add(out, '&');
        }
        add_all(out, pairs[taken].name);
        add(out, '=');
        add_all(out, pairs[taken].value);
    }
    return true;
}

static void slow_headers(text *lines, text *names, const pinpipe_header *given, size_t count) {
    static text name, value;
    pair pairs[PARTS_MAX];
    pinpipe_str last = {NULL, 0};
    for (size_t i = 0; i < count; i++) {
        name.len = value.len = 0;
        for (size_t k = 0; k < given[i].name.len; k++) {
            add(&name, (char)tolower((unsigned char)given[i].name.ptr[k]));
        }
        bool is_blank_due = false;
        for (size_t k = 0; k < given[i].value.len; k++) {
            bool is_blank = given[i].value.ptr[k] == ' ' || given[i].value.ptr[k] == '\t';
            if (!is_blank && is_blank_due && value.len) {
                add(&value, ' ');
            }
            if (!is_blank) {
                add(&value, given[i].value.ptr[k]);
            }
            is_blank_due = is_blank;
        }
        pairs[i] = (pair){keep(&name), keep(&value)};
    }
    lines->len = names->len = 0;
    while (count) {
        size_t taken = least_take(pairs, &count, false);
        if (last.ptr && slow_compare(last, pairs[taken].name) == 0) {
            lines->bytes[lines->len - 1] = ',';
        } else {
            if (names->len) {
                add(names, ';');
            }
            add_all(names, pairs[taken].name);
            add_all(lines, pairs[taken].name);
            add(lines, ':');
        }
        add_all(lines, pairs[taken].value);
        add(lines, '\n');
        last = pairs[taken].name;
    }
}

static void require_equal(const pinpipe_buf *ours, const text *slow) {
    REQUIRE(ours->len == slow->len && (!slow->len || memcmp(ours->ptr, slow->bytes, slow->len) == 0));
}

static void path_check(pinpipe_str path, int rules) {
    static text slow;
    pinpipe_buf out = PINPIPE_BUF_INIT, scratch = PINPIPE_BUF_INIT;
    if (path.len && path.ptr[0] == '/' && slow_path(&slow, path, rules)) {
        REQUIRE(pp_canonical_path(&out, &scratch, path, rules, NULL) == PINPIPE_OK);
        require_equal(&out, &slow);
    }
    pinpipe_buf_reset(&out);
    pinpipe_buf_reset(&scratch);
}

static void query_check(pinpipe_str query) {
    static text slow;
    pp_pairs pairs = {0};
    pinpipe_buf out = PINPIPE_BUF_INIT;
    REQUIRE(pp_pairs_reserve(&pairs, query.len + 1, 3 * query.len + 16, NULL) == PINPIPE_OK);
    pinpipe_status status = pp_query_parse(&pairs, query, NULL);
    REQUIRE(status == PINPIPE_OK || status == PINPIPE_EINVAL || status == PINPIPE_ELIMIT);
    if (status == PINPIPE_OK && slow_query(&slow, query)) {
        pp_query_sort(&pairs);
        REQUIRE(pp_buf_reserve(&out, pp_pairs_text_max(&pairs), PP_BUF_MAX, NULL) == PINPIPE_OK);
        pp_query_write(&out, &pairs);
        require_equal(&out, &slow);
    }
    pinpipe_buf_reset(&out);
    pp_pairs_reset(&pairs);
}

static void headers_check(const pinpipe_header *given, size_t count, size_t bytes) {
    static text lines, names;
    pp_pairs pairs = {0};
    pinpipe_buf out = PINPIPE_BUF_INIT;
    REQUIRE(pp_pairs_reserve(&pairs, count, bytes + 16, NULL) == PINPIPE_OK);
    for (size_t i = 0; i < count; i++) {
        pp_headers_add(&pairs, given[i]);
    }
    pp_headers_sort(&pairs);
    REQUIRE(pp_buf_reserve(&out, pp_pairs_text_max(&pairs), PP_BUF_MAX, NULL) == PINPIPE_OK);
    slow_headers(&lines, &names, given, count);
    pp_headers_write(&out, &pairs);
    require_equal(&out, &lines);
    pp_buf_clear(&out);
    pp_headers_write_names(&out, &pairs);
    require_equal(&out, &names);
    pinpipe_buf_reset(&out);
    pp_pairs_reset(&pairs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pinpipe_str lines[PARTS_MAX];
    pinpipe_header headers[PARTS_MAX];
    size_t count = 0, header_count = 0;
    arena_len = 0;
    if (size < 1 || size > 8192 ||
        !slow_split(lines, &count, (pinpipe_str){(const char *)data + 1, size - 1}, '\n')) {
        return 0;
    }
    path_check(lines[0], data[0] & 3);
    if (count > 1) {
        query_check(lines[1]);
    }
    for (size_t i = 2; i < count; i++) {
        const char *colon = lines[i].len ? memchr(lines[i].ptr, ':', lines[i].len) : NULL;
        size_t name_len = colon ? (size_t)(colon - lines[i].ptr) : lines[i].len;
        pinpipe_header header = {{lines[i].ptr, name_len},
                                 {colon ? colon + 1 : NULL, colon ? lines[i].len - name_len - 1 : 0}};
        if (pp_header_check(header, NULL) == PINPIPE_OK && !pp_header_never_signed(header.name)) {
            headers[header_count++] = header;
        }
    }
    headers_check(headers, header_count, size);
    return 0;
}
