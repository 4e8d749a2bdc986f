/* Turns the texts of the config and the credentials file into profiles, SSO sessions and service sections.
 * Never copies a value: entries point into the texts, which are wiped at the end.
 * Rules: docs/credentials.md, "Profiles"; AWS SDKs and Tools Reference Guide, "Shared config and credentials
 * files". */
#include "aws/profiles.h"

#include <assert.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"

/* A property, or with an empty key the section itself. */
struct pp_profile_entry {
    pp_section_kind kind;
    pp_profiles_file file;
    bool default_bare; /* of [default] in the config file */
    pinpipe_str section, key, value;
};

/* The line being read and what lines before it have opened. */
typedef struct reader {
    pp_profiles *profiles;
    const char *path;
    pp_profiles_file file;
    char *next, *end;
    int64_t number;
    bool seen;    /* a section began */
    bool ignored; /* it is one that nothing here reads */
    struct pp_profile_entry section;
    bool open; /* the last entry may be continued */
    bool nested;
} reader;

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t';
}

static pinpipe_str blanks_trim(pinpipe_str text) {
    while (text.len && is_blank(text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    while (text.len && (is_blank(text.ptr[text.len - 1]) || text.ptr[text.len - 1] == '\r')) {
        text.len--;
    }
    return text;
}

static pinpipe_status line_fail(const reader *in, const char *what, pinpipe_error *err) {
    return pp_fail(err, PINPIPE_EDATA, "%.200s line %lld: %s", in->path, (long long)in->number, what);
}

static pinpipe_status entry_add(reader *in, pinpipe_str key, pinpipe_str value, pinpipe_error *err) {
    pp_profiles *all = in->profiles;
    if (all->count == all->cap) {
        size_t cap = all->cap ? 2 * all->cap : 64;
        struct pp_profile_entry *entries = pp_realloc(all->entries, cap * sizeof *entries);
        if (!entries) {
            return pp_fail_memory(err, "profiles", cap * sizeof *entries);
        }
        all->entries = entries;
        all->cap = cap;
    }
    all->entries[all->count] = in->section;
    all->entries[all->count].key = key;
    all->entries[all->count].value = value;
    all->count++;
    return PINPIPE_OK;
}

/* "profile", then blanks: the rest is a name. */
static bool prefix_take(pinpipe_str *name, const char *prefix) {
    size_t len = strlen(prefix);
    if (name->len <= len || memcmp(name->ptr, prefix, len) != 0 || !is_blank(name->ptr[len])) {
        return false;
    }
    *name = blanks_trim((pinpipe_str){name->ptr + len, name->len - len});
    return name->len > 0;
}

static bool config_section_take(reader *in, pinpipe_str *name) {
    in->section.default_bare = pp_str_is(*name, "default");
    if (in->section.default_bare) {
        return true;
    }
    if (prefix_take(name, "sso-session")) {
        in->section.kind = PP_SECTION_SSO_SESSION;
        return true;
    }
    if (prefix_take(name, "services")) {
        in->section.kind = PP_SECTION_SERVICES;
        return true;
    }
    if (!prefix_take(name, "profile")) {
        return false;
    }
    return true;
}

static pinpipe_str quotes_strip(pinpipe_str name) {
    bool quoted =
        name.len >= 2 && (name.ptr[0] == '"' || name.ptr[0] == '\'') && name.ptr[name.len - 1] == name.ptr[0];
    return quoted ? (pinpipe_str){name.ptr + 1, name.len - 2} : name;
}

static pinpipe_status section_begin(reader *in, pinpipe_str line, pinpipe_error *err) {
    const char *close = memchr(line.ptr, ']', line.len);
    if (!close) {
        return line_fail(in, "a section without its ']'", err);
    }
    pinpipe_str rest = blanks_trim((pinpipe_str){close + 1, (size_t)(line.ptr + line.len - close - 1)});
    if (rest.len && rest.ptr[0] != '#' && rest.ptr[0] != ';') {
        return line_fail(in, "more than a comment behind the ']'", err);
    }
    pinpipe_str name = blanks_trim((pinpipe_str){line.ptr + 1, (size_t)(close - line.ptr - 1)});
    in->seen = true;
    in->open = in->nested = false;
    in->section = (struct pp_profile_entry){.file = in->file};
    in->ignored = in->file == PP_PROFILES_CONFIG && !config_section_take(in, &name);
    if (in->ignored) {
        return PINPIPE_OK;
    }
    in->section.section = quotes_strip(name);
    if (in->file == PP_PROFILES_CONFIG && in->section.kind == PP_SECTION_PROFILE &&
        !in->section.default_bare && pp_str_is(in->section.section, "default")) {
        in->profiles->default_prefixed = true;
    }
    return entry_add(in, (pinpipe_str){NULL, 0}, (pinpipe_str){NULL, 0}, err);
}

/* A comment behind a value needs a blank before it. */
static pinpipe_str comment_strip(pinpipe_str value) {
    for (size_t i = 1; i < value.len; i++) {
        if ((value.ptr[i] == '#' || value.ptr[i] == ';') && is_blank(value.ptr[i - 1])) {
            return blanks_trim((pinpipe_str){value.ptr, i});
        }
    }
    return value;
}

static pinpipe_status property_take(reader *in, pinpipe_str line, pinpipe_error *err) {
    const char *equals = memchr(line.ptr, '=', line.len);
    if (!in->seen) {
        return line_fail(in, "a property before the first section", err);
    }
    if (!equals) {
        return line_fail(in, "neither a section nor 'key = value'", err);
    }
    pinpipe_str key = blanks_trim((pinpipe_str){line.ptr, (size_t)(equals - line.ptr)});
    pinpipe_str value = blanks_trim((pinpipe_str){equals + 1, (size_t)(line.ptr + line.len - equals - 1)});
    bool comment = value.len && is_blank(equals[1]) && (value.ptr[0] == '#' || value.ptr[0] == ';');
    value = comment ? (pinpipe_str){value.ptr, 0} : comment_strip(value);
    if (!key.len) {
        return line_fail(in, "a property without a name", err);
    }
    in->open = true;
    in->nested = value.len == 0;
    return in->ignored ? PINPIPE_OK : entry_add(in, key, value, err);
}

/* Joins the line to the value before it, in place: the value's end, a line feed, the line. */
static pinpipe_status continuation_take(reader *in, pinpipe_str line, pinpipe_error *err) {
    if (!in->seen || !in->open) {
        return line_fail(in, "an indented line that continues nothing", err);
    }
    if (in->ignored) {
        return PINPIPE_OK;
    }
    if (in->nested && !memchr(line.ptr, '=', line.len)) {
        return line_fail(in, "an indented line without 'key = value'", err);
    }
    struct pp_profile_entry *entry = &in->profiles->entries[in->profiles->count - 1];
    char *text = in->profiles->texts[in->file].ptr;
    char *tail = text + (entry->value.ptr - text) + entry->value.len;
    assert(tail < line.ptr);
    *tail = '\n';
    memmove(tail + 1, line.ptr, line.len);
    entry->value.len += 1 + line.len;
    return PINPIPE_OK;
}

static pinpipe_status line_take(reader *in, pinpipe_error *err) {
    char *feed = memchr(in->next, '\n', (size_t)(in->end - in->next));
    char *stop = feed ? feed : in->end;
    pinpipe_str raw = {in->next, (size_t)(stop - in->next)};
    pinpipe_str line = blanks_trim(raw);
    in->number++;
    in->next = feed ? feed + 1 : in->end;
    if (memchr(raw.ptr, '\0', raw.len)) {
        return line_fail(in, "a NUL byte", err);
    }
    if (!line.len || raw.ptr[0] == '#' || raw.ptr[0] == ';') {
        return PINPIPE_OK;
    }
    if (is_blank(raw.ptr[0])) {
        return continuation_take(in, line, err);
    }
    return line.ptr[0] == '[' ? section_begin(in, line, err) : property_take(in, line, err);
}

pinpipe_status pp_profiles_add(pp_profiles *profiles, pinpipe_buf *text, pp_profiles_file file,
                               const char *path, pinpipe_error *err) {
    assert(!profiles->texts[file].ptr);
    profiles->texts[file] = *text;
    *text = (pinpipe_buf)PINPIPE_BUF_INIT;
    pinpipe_buf *own = &profiles->texts[file];
    size_t max = file == PP_PROFILES_CONFIG ? PP_PROFILES_CONFIG_MAX : PP_PROFILES_CREDENTIALS_MAX;
    if (own->len > max) {
        return pp_fail(err, PINPIPE_ELIMIT, "%.200s: %zu bytes are more than %zu", path, own->len, max);
    }
    if (!own->ptr) {
        return PINPIPE_OK;
    }
    reader in = {.profiles = profiles, .path = path, .file = file, .next = own->ptr};
    in.end = own->ptr + own->len;
    if (own->len >= 3 && memcmp(own->ptr, "\xef\xbb\xbf", 3) == 0) {
        in.next += 3;
    }
    pinpipe_status status = PINPIPE_OK;
    while (status == PINPIPE_OK && in.next < in.end) {
        status = line_take(&in, err);
    }
    return status;
}

static bool entry_counts(const pp_profiles *profiles, const struct pp_profile_entry *entry,
                         pp_section_kind kind, pinpipe_str name) {
    return entry->kind == kind && pp_str_equal(entry->section, name) &&
           !(entry->default_bare && profiles->default_prefixed);
}

bool pp_profiles_has(const pp_profiles *profiles, pp_section_kind kind, pinpipe_str name) {
    for (size_t i = 0; i < profiles->count; i++) {
        if (entry_counts(profiles, &profiles->entries[i], kind, name)) {
            return true;
        }
    }
    return false;
}

pinpipe_str pp_profiles_get(const pp_profiles *profiles, pp_section_kind kind, pinpipe_str name,
                            const char *key) {
    const struct pp_profile_entry *best = NULL;
    for (size_t i = 0; i < profiles->count; i++) {
        const struct pp_profile_entry *entry = &profiles->entries[i];
        if (entry->key.len && entry_counts(profiles, entry, kind, name) &&
            pp_str_alike(entry->key, pp_str(key)) && (!best || entry->file >= best->file)) {
            best = entry;
        }
    }
    return best ? best->value : (pinpipe_str){"", 0};
}

bool pp_profiles_file_has(const pp_profiles *profiles, pp_profiles_file file, pinpipe_str name,
                          const char *key) {
    bool found = false;
    for (size_t i = 0; i < profiles->count; i++) {
        const struct pp_profile_entry *entry = &profiles->entries[i];
        if (entry->file == file && entry->key.len &&
            entry_counts(profiles, entry, PP_SECTION_PROFILE, name) &&
            pp_str_alike(entry->key, pp_str(key))) {
            found = entry->value.len > 0;
        }
    }
    return found;
}

pinpipe_str pp_profiles_below(pinpipe_str value, const char *key) {
    pinpipe_str found = {"", 0};
    const char *line = value.ptr, *end = value.ptr ? value.ptr + value.len : NULL;
    while (line < end) {
        const char *feed = memchr(line, '\n', (size_t)(end - line));
        const char *stop = feed ? feed : end;
        const char *equals = memchr(line, '=', (size_t)(stop - line));
        if (equals && pp_str_alike(blanks_trim((pinpipe_str){line, (size_t)(equals - line)}), pp_str(key))) {
            found = blanks_trim((pinpipe_str){equals + 1, (size_t)(stop - equals - 1)});
        }
        line = feed ? feed + 1 : end;
    }
    return found;
}

void pp_profiles_reset(pp_profiles *profiles) {
    pp_buf_reset_secret(&profiles->texts[PP_PROFILES_CONFIG]);
    pp_buf_reset_secret(&profiles->texts[PP_PROFILES_CREDENTIALS]);
    pp_free(profiles->entries);
    *profiles = (pp_profiles){0};
}
