/* Turns records into one aggregate of the Kinesis Producer Library, and aggregates back into records.
 * Never keeps a view of a record that was added; what is decoded points into the aggregate.
 * Rules: amazon-kinesis-producer, aggregation-format.md: a message of protocol buffers, magic before, MD5
 * behind. */
#include "kinesis/aggregate.h"

#if PINPIPE_WITH_KINESIS

#include <assert.h>
#include <string.h>

#include "base/buffer.h"
#include "base/md5.h"
#include "base/memory.h"
#include "text/utf8.h"

#define MAGIC "\xf3\x89\x9a\xc2"
#define MAGIC_BYTES 4
#define VARINT_MAX 10
/* Field number and wire type, as protocol buffers write them: of the message … */
#define TAG_KEY 0x0a
#define TAG_HASH 0x12
#define TAG_RECORD 0x1a
/* … and of a record in it. */
#define TAG_KEY_INDEX 0x08
#define TAG_HASH_INDEX 0x10
#define TAG_DATA 0x1a

/* ---- writing ---- */

static size_t varint_len(uint64_t value) {
    size_t len = 1;
    for (; value >= 0x80; value >>= 7) {
        len++;
    }
    return len;
}

static char *varint_put(char *to, uint64_t value) {
    for (; value >= 0x80; value >>= 7) {
        *to++ = (char)(unsigned char)(value | 0x80);
    }
    *to++ = (char)value;
    return to;
}

static void table_clear(pp_aggregate_table *table) {
    pp_buf_clear(&table->message);
    if (table->slots) {
        memset(table->slots, 0, table->slot_count * sizeof *table->slots);
    }
    table->count = 0;
}

static void table_reset(pp_aggregate_table *table) {
    pinpipe_buf_reset(&table->message);
    pp_free(table->at);
    pp_free(table->len);
    pp_free(table->slots);
    *table = (pp_aggregate_table){0};
}

void pp_aggregate_clear(pp_aggregate *aggregate) {
    table_clear(&aggregate->keys);
    table_clear(&aggregate->hashes);
    pp_buf_clear(&aggregate->records);
    aggregate->count = 0;
}

void pp_aggregate_reset(pp_aggregate *aggregate) {
    table_reset(&aggregate->keys);
    table_reset(&aggregate->hashes);
    pinpipe_buf_reset(&aggregate->records);
    aggregate->count = 0;
}

/* FNV-1a: short texts, and a table that one aggregate long. */
static uint32_t text_hash(pinpipe_str text) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < text.len; i++) {
        hash = (hash ^ (unsigned char)text.ptr[i]) * 16777619u;
    }
    return hash;
}

/* The slot of a text, or the empty one where it would stand. */
static uint32_t *slot_find(const pp_aggregate_table *table, pinpipe_str text) {
    uint32_t mask = table->slot_count - 1;
    for (uint32_t i = text_hash(text) & mask;; i = (i + 1) & mask) {
        uint32_t held = table->slots[i];
        if (!held || (table->len[held - 1] == text.len &&
                      memcmp(table->message.ptr + table->at[held - 1], text.ptr, text.len) == 0)) {
            return &table->slots[i];
        }
    }
}

static pinpipe_status table_grow(pp_aggregate_table *table, pinpipe_error *err) {
    if (table->count < table->cap) {
        return PINPIPE_OK;
    }
    uint32_t cap = table->cap ? 2 * table->cap : 64;
    size_t *at = pp_realloc(table->at, cap * sizeof *at);
    table->at = at ? at : table->at;
    size_t *len = at ? pp_realloc(table->len, cap * sizeof *len) : NULL;
    table->len = len ? len : table->len;
    uint32_t *slots = len ? pp_alloc_zero((size_t)cap * 4 * sizeof *slots) : NULL;
    if (!slots) {
        return pp_fail_memory(err, "an aggregate's keys", (size_t)cap * 4 * sizeof *slots);
    }
    pp_free(table->slots);
    table->slots = slots;
    table->slot_count = cap * 4;
    table->cap = cap;
    for (uint32_t i = 0; i < table->count; i++) {
        *slot_find(table, (pinpipe_str){table->message.ptr + table->at[i], table->len[i]}) = i + 1;
    }
    return PINPIPE_OK;
}

/* The index that a text has, or would have; `*extra` gets the bytes that the message would grow by. */
static uint32_t table_look(size_t *extra, const pp_aggregate_table *table, pinpipe_str text) {
    uint32_t held = table->slot_count ? *slot_find(table, text) : 0;
    *extra = held ? 0 : 1 + varint_len(text.len) + text.len;
    return held ? held - 1 : table->count;
}

static pinpipe_status table_add(pp_aggregate_table *table, pinpipe_str text, char tag, pinpipe_error *err) {
    char head[1 + VARINT_MAX];
    head[0] = tag;
    size_t head_len = (size_t)(varint_put(head + 1, text.len) - head);
    pinpipe_status status = table_grow(table, err);
    if (status == PINPIPE_OK) {
        status = pp_buf_reserve(&table->message, head_len + text.len, PP_BUF_MAX, err);
    }
    if (status == PINPIPE_OK) {
        uint32_t *slot = slot_find(table, text);
        pp_buf_append(&table->message, head, head_len, NULL); /* reserved */
        table->at[table->count] = table->message.len;
        table->len[table->count] = text.len;
        pp_buf_append(&table->message, text.ptr, text.len, NULL);
        *slot = ++table->count;
    }
    return status;
}

pinpipe_status pp_aggregate_add(pp_aggregate *aggregate, const pp_aggregate_record *record, size_t max,
                                pinpipe_error *err) {
    size_t key_bytes = 0, hash_bytes = 0;
    bool has_hash = record->hash_key.len > 0;
    uint32_t key = table_look(&key_bytes, &aggregate->keys, record->partition_key);
    uint32_t hash = has_hash ? table_look(&hash_bytes, &aggregate->hashes, record->hash_key) : 0;
    size_t inner = 1 + varint_len(key) + (has_hash ? 1 + varint_len(hash) : 0) + 1 +
                   varint_len(record->data.len) + record->data.len;
    size_t outer = 1 + varint_len(inner) + inner;
    size_t held = aggregate->keys.message.len + aggregate->hashes.message.len + aggregate->records.len;
    if (PP_AGGREGATE_AROUND + held + key_bytes + hash_bytes + outer > max) {
        return PINPIPE_DONE;
    }
    pinpipe_status status = pp_buf_reserve(&aggregate->records, outer, PP_BUF_MAX, err);
    if (status == PINPIPE_OK && key_bytes) {
        status = table_add(&aggregate->keys, record->partition_key, TAG_KEY, err);
    }
    if (status == PINPIPE_OK && hash_bytes) {
        status = table_add(&aggregate->hashes, record->hash_key, TAG_HASH, err);
    }
    if (status < 0) {
        return status;
    }
    char *to = aggregate->records.ptr + aggregate->records.len;
    *to++ = TAG_RECORD;
    to = varint_put(to, inner);
    *to++ = TAG_KEY_INDEX;
    to = varint_put(to, key);
    if (has_hash) {
        *to++ = TAG_HASH_INDEX;
        to = varint_put(to, hash);
    }
    *to++ = TAG_DATA;
    to = varint_put(to, record->data.len);
    pp_str_copy(to, record->data);
    aggregate->records.len += outer;
    aggregate->count++;
    return PINPIPE_OK;
}

pinpipe_status pp_aggregate_encode(pinpipe_buf *out, const pp_aggregate *aggregate, pinpipe_error *err) {
    const pinpipe_buf *const parts[] = {&aggregate->keys.message, &aggregate->hashes.message,
                                        &aggregate->records};
    uint8_t digest[PP_MD5_BYTES];
    pp_buf_clear(out);
    pinpipe_status status = pp_buf_append(out, MAGIC, MAGIC_BYTES, err);
    for (size_t i = 0; status == PINPIPE_OK && i < sizeof parts / sizeof parts[0]; i++) {
        status = pp_buf_append(out, parts[i]->ptr, parts[i]->len, err);
    }
    if (status == PINPIPE_OK) {
        status = pp_md5(digest, (pinpipe_str){out->ptr + MAGIC_BYTES, out->len - MAGIC_BYTES}, err);
    }
    return status == PINPIPE_OK ? pp_buf_append(out, digest, sizeof digest, err) : status;
}

/* ---- reading ---- */

typedef struct cursor {
    const char *at, *end;
} cursor;

static bool varint_get(uint64_t *out, cursor *from) {
    *out = 0;
    for (unsigned shift = 0; shift < 70 && from->at < from->end; shift += 7) {
        uint64_t bits = (unsigned char)*from->at++;
        *out |= shift < 64 ? (bits & 0x7f) << shift : 0;
        if (bits < 0x80) {
            return true;
        }
    }
    return false;
}

typedef struct field {
    uint64_t tag;
    uint64_t number;   /* of a varint */
    pinpipe_str bytes; /* of what has a length */
} field;

/* Fields of other wire types are passed, as the format's rule for unknown ones is. */
static bool field_get(field *out, cursor *from) {
    uint64_t len = 0;
    *out = (field){0};
    if (!varint_get(&out->tag, from)) {
        return false;
    }
    switch (out->tag & 7) {
    case 0:
        return varint_get(&out->number, from);
    case 1:
        len = 8;
        break;
    case 2:
        if (!varint_get(&len, from)) {
            return false;
        }
        break;
    case 5:
        len = 4;
        break;
    default:
        return false;
    }
    if (len > (uint64_t)(from->end - from->at)) {
        return false;
    }
    out->bytes = (pinpipe_str){from->at, (size_t)len};
    from->at += len;
    return true;
}

typedef struct texts {
    pinpipe_str *rows;
    size_t count, cap;
} texts;

static pinpipe_status texts_add(texts *to, pinpipe_str text, pinpipe_error *err) {
    if (to->count == to->cap) {
        size_t cap = to->cap ? 2 * to->cap : 64;
        pinpipe_str *rows = pp_realloc(to->rows, cap * sizeof *rows);
        if (!rows) {
            return pp_fail_memory(err, "an aggregate's keys", cap * sizeof *rows);
        }
        to->rows = rows;
        to->cap = cap;
    }
    to->rows[to->count++] = text;
    return PINPIPE_OK;
}

static bool record_get(pp_aggregate_record *out, pinpipe_str inner, const texts *keys, const texts *hashes) {
    cursor from = {inner.ptr, inner.ptr + inner.len};
    bool has_key = false, has_data = false;
    *out = (pp_aggregate_record){{"", 0}, {"", 0}, {"", 0}};
    for (field part; from.at < from.end;) {
        if (!field_get(&part, &from)) {
            return false;
        }
        if (part.tag == TAG_KEY_INDEX && part.number < keys->count) {
            out->partition_key = keys->rows[part.number];
            has_key = true;
        } else if (part.tag == TAG_HASH_INDEX && part.number < hashes->count) {
            out->hash_key = hashes->rows[part.number];
        } else if (part.tag == TAG_DATA) {
            out->data = part.bytes;
            has_data = true;
        } else if (part.tag == TAG_KEY_INDEX || part.tag == TAG_HASH_INDEX) {
            return false;
        }
    }
    return has_key && has_data;
}

/* One walk over the message: the tables into `keys` and `hashes`, or, with `take`, the records. DONE: it is
 * none. */
static pinpipe_status message_walk(pinpipe_str message, texts *keys, texts *hashes, pp_aggregate_take take,
                                   void *user, pinpipe_error *err) {
    cursor from = {message.ptr, message.ptr + message.len};
    pinpipe_status status = PINPIPE_OK;
    for (field part; status == PINPIPE_OK && from.at < from.end;) {
        pp_aggregate_record record;
        if (!field_get(&part, &from)) {
            return PINPIPE_DONE;
        }
        if (part.tag == TAG_RECORD) {
            /* The tables stand before all records, as every writer has them; else the record is none. */
            if (!record_get(&record, part.bytes, keys, hashes)) {
                return PINPIPE_DONE;
            }
            status = take ? take(user, &record, err) : PINPIPE_OK;
        } else if (!take && (part.tag == TAG_KEY || part.tag == TAG_HASH)) {
            if (pp_utf8_span(part.bytes.ptr, part.bytes.len) < part.bytes.len) {
                return PINPIPE_DONE;
            }
            status = texts_add(part.tag == TAG_KEY ? keys : hashes, part.bytes, err);
        }
    }
    return status;
}

pinpipe_status pp_aggregate_decode(pinpipe_str bytes, pp_aggregate_take take, void *user,
                                   pinpipe_error *err) {
    uint8_t digest[PP_MD5_BYTES];
    texts keys = {0}, hashes = {0};
    if (bytes.len < PP_AGGREGATE_AROUND || memcmp(bytes.ptr, MAGIC, MAGIC_BYTES) != 0) {
        return PINPIPE_DONE;
    }
    pinpipe_str message = {bytes.ptr + MAGIC_BYTES, bytes.len - PP_AGGREGATE_AROUND};
    pinpipe_status status = pp_md5(digest, message, err);
    if (status == PINPIPE_OK && memcmp(digest, message.ptr + message.len, sizeof digest) != 0) {
        status = PINPIPE_DONE;
    }
    if (status == PINPIPE_OK) { /* first all of it is looked at: half an aggregate is none */
        status = message_walk(message, &keys, &hashes, NULL, NULL, err);
    }
    if (status == PINPIPE_OK) {
        status = message_walk(message, &keys, &hashes, take, user, err);
    }
    pp_free(keys.rows);
    pp_free(hashes.rows);
    return status;
}

bool pp_aggregate_hash(pp_kinesis_hash *out, const pp_aggregate_record *record) {
    return record->hash_key.len ? pp_kinesis_hash_read(out, record->hash_key)
                                : pp_kinesis_hash_of(out, record->partition_key, NULL) == PINPIPE_OK;
}

#endif
