/* Turns ListShards answers into a list of shards with their hash keys as numbers.
 * Never keeps a view into an answer: texts are copied.
 * Rules: Amazon Kinesis API Reference, "ListShards" and "PutRecord" (ExplicitHashKey). */
#include "kinesis/shards.h"

#if PINPIPE_WITH_KINESIS

#include <string.h>

#include "base/buffer.h"
#include "base/md5.h"
#include "base/memory.h"

void pp_kinesis_shards_clear(pp_kinesis_shards *shards) {
    shards->count = 0;
    pp_buf_clear(&shards->text);
}

void pp_kinesis_shards_reset(pp_kinesis_shards *shards) {
    pp_free(shards->rows);
    pinpipe_buf_reset(&shards->text);
    *shards = (pp_kinesis_shards){0};
}

pinpipe_str pp_kinesis_shard_text(const pp_kinesis_shards *shards, int64_t index, int32_t text) {
    const pp_kinesis_shard_row *row = &shards->rows[index];
    return (pinpipe_str){shards->text.ptr + row->texts[text].at, row->texts[text].len};
}

pinpipe_kinesis_shard pp_kinesis_shards_at(const pp_kinesis_shards *shards, int64_t index) {
    return (pinpipe_kinesis_shard){pp_kinesis_shard_text(shards, index, PP_KINESIS_SHARD_ID),
                                   pp_kinesis_shard_text(shards, index, PP_KINESIS_SHARD_PARENT),
                                   pp_kinesis_shard_text(shards, index, PP_KINESIS_SHARD_ADJACENT),
                                   pp_kinesis_shard_text(shards, index, PP_KINESIS_SHARD_FIRST_HASH),
                                   pp_kinesis_shard_text(shards, index, PP_KINESIS_SHARD_LAST_HASH),
                                   pp_kinesis_shard_text(shards, index, PP_KINESIS_SHARD_FIRST_SEQUENCE),
                                   pp_kinesis_shard_text(shards, index, PP_KINESIS_SHARD_LAST_SEQUENCE)};
}

int64_t pp_kinesis_shards_find(const pp_kinesis_shards *shards, pinpipe_str id) {
    for (int64_t i = 0; i < shards->count; i++) {
        if (pp_str_equal(pp_kinesis_shard_text(shards, i, PP_KINESIS_SHARD_ID), id)) {
            return i;
        }
    }
    return -1;
}

bool pp_kinesis_hash_read(pp_kinesis_hash *out, pinpipe_str text) {
    const pp_kinesis_hash max = ~(pp_kinesis_hash)0;
    *out = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)(unsigned char)text.ptr[i] - '0';
        if (digit > 9 || *out > (max - digit) / 10) {
            return false;
        }
        *out = *out * 10 + digit;
    }
    return text.len == 1 || (text.len > 1 && text.ptr[0] != '0');
}

size_t pp_kinesis_hash_write(char out[PP_KINESIS_HASH_DIGITS], pp_kinesis_hash hash) {
    size_t len = 0;
    do {
        out[len++] = (char)('0' + (unsigned)(hash % 10));
        hash /= 10;
    } while (hash > 0);
    for (size_t i = 0; i < len / 2; i++) {
        char digit = out[i];
        out[i] = out[len - 1 - i];
        out[len - 1 - i] = digit;
    }
    return len;
}

pinpipe_status pp_kinesis_hash_of(pp_kinesis_hash *out, pinpipe_str partition_key, pinpipe_error *err) {
    uint8_t digest[PP_MD5_BYTES];
    pinpipe_status status = pp_md5(digest, partition_key, err);
    *out = 0;
    for (size_t i = 0; status == PINPIPE_OK && i < PP_MD5_BYTES; i++) {
        *out = *out << 8 | digest[i];
    }
    return status;
}

/* ---- reading ---- */

static bool row_text(pp_kinesis_shards *shards, pp_kinesis_shard_row *row, int32_t text, pinpipe_str value,
                     pinpipe_status *status, pinpipe_error *err) {
    row->texts[text].at = shards->text.len;
    row->texts[text].len = value.len;
    *status = pp_buf_append(&shards->text, value.ptr, value.len, err);
    return *status == PINPIPE_OK;
}

/* A map whose members are texts, two of which are wanted. */
static bool pair_read(pinpipe_str *first, const char *first_key, pinpipe_str *last, const char *last_key,
                      pp_kinesis_reader *reader) {
    pp_kinesis_level map;
    if (!pp_kinesis_read_map(reader, &map)) {
        return false;
    }
    for (pinpipe_str key; pp_kinesis_read_key(reader, &map, &key);) {
        pinpipe_str *to = pp_str_is(key, first_key) ? first : pp_str_is(key, last_key) ? last : NULL;
        if (!(to ? pp_kinesis_read_text(reader, to) : pp_kinesis_read_pass(reader))) {
            return false;
        }
    }
    return !pp_kinesis_is_faulty(reader);
}

/* As ChildShards tells them: one, or the two of a merge. */
static bool parents_read(pinpipe_str texts[PP_KINESIS_SHARD_TEXTS], pp_kinesis_reader *reader) {
    pp_kinesis_level list;
    pinpipe_str spare = {"", 0};
    pinpipe_str *const to[] = {&texts[PP_KINESIS_SHARD_PARENT], &texts[PP_KINESIS_SHARD_ADJACENT]};
    if (!pp_kinesis_read_list(reader, &list)) {
        return false;
    }
    for (size_t i = 0; pp_kinesis_read_item(reader, &list); i++) {
        if (!pp_kinesis_read_text(reader, i < 2 ? to[i] : &spare)) {
            return false;
        }
    }
    return !pp_kinesis_is_faulty(reader);
}

static bool shard_members(pinpipe_str texts[PP_KINESIS_SHARD_TEXTS], pp_kinesis_reader *reader) {
    pp_kinesis_level map;
    if (!pp_kinesis_read_map(reader, &map)) {
        return false;
    }
    for (pinpipe_str key; pp_kinesis_read_key(reader, &map, &key);) {
        bool is_read = true;
        if (pp_str_is(key, "ShardId")) {
            is_read = pp_kinesis_read_text(reader, &texts[PP_KINESIS_SHARD_ID]);
        } else if (pp_str_is(key, "ParentShardId")) {
            is_read = pp_kinesis_read_text(reader, &texts[PP_KINESIS_SHARD_PARENT]);
        } else if (pp_str_is(key, "AdjacentParentShardId")) {
            is_read = pp_kinesis_read_text(reader, &texts[PP_KINESIS_SHARD_ADJACENT]);
        } else if (pp_str_is(key, "ParentShards")) {
            is_read = parents_read(texts, reader);
        } else if (pp_str_is(key, "HashKeyRange")) {
            is_read = pair_read(&texts[PP_KINESIS_SHARD_FIRST_HASH], "StartingHashKey",
                                &texts[PP_KINESIS_SHARD_LAST_HASH], "EndingHashKey", reader);
        } else if (pp_str_is(key, "SequenceNumberRange")) {
            is_read = pair_read(&texts[PP_KINESIS_SHARD_FIRST_SEQUENCE], "StartingSequenceNumber",
                                &texts[PP_KINESIS_SHARD_LAST_SEQUENCE], "EndingSequenceNumber", reader);
        } else {
            is_read = pp_kinesis_read_pass(reader);
        }
        if (!is_read) {
            return false;
        }
    }
    return !pp_kinesis_is_faulty(reader);
}

static pinpipe_status shard_add(pp_kinesis_shards *shards, const pinpipe_str texts[PP_KINESIS_SHARD_TEXTS],
                                pinpipe_error *err) {
    pp_kinesis_shard_row row = {0};
    pinpipe_status status = PINPIPE_OK;
    if (!texts[PP_KINESIS_SHARD_ID].len ||
        !pp_kinesis_hash_read(&row.first, texts[PP_KINESIS_SHARD_FIRST_HASH]) ||
        !pp_kinesis_hash_read(&row.last, texts[PP_KINESIS_SHARD_LAST_HASH])) {
        return pp_fail_service(err, PINPIPE_EDATA, "kinesis", 0,
                               "shard %lld: it has no id, or hash keys that are none",
                               (long long)shards->count);
    }
    if (shards->count == PP_KINESIS_SHARDS_MAX) {
        return pp_fail(err, PINPIPE_ELIMIT, "the stream has more than %d shards", PP_KINESIS_SHARDS_MAX);
    }
    if (shards->count == shards->cap) {
        int64_t cap = shards->cap ? 2 * shards->cap : 16;
        pp_kinesis_shard_row *rows = pp_realloc(shards->rows, (size_t)cap * sizeof *rows);
        if (!rows) {
            return pp_fail_memory(err, "shards", (size_t)cap * sizeof *rows);
        }
        shards->rows = rows;
        shards->cap = cap;
    }
    for (int32_t i = 0; i < PP_KINESIS_SHARD_TEXTS; i++) {
        if (!row_text(shards, &row, i, texts[i], &status, err)) {
            return status;
        }
    }
    shards->rows[shards->count++] = row;
    return PINPIPE_OK;
}

pinpipe_status pp_kinesis_shards_read_list(pp_kinesis_shards *shards, pp_kinesis_reader *reader,
                                           pinpipe_error *err) {
    pp_kinesis_level list;
    pinpipe_status status = PINPIPE_OK;
    if (!pp_kinesis_read_list(reader, &list)) {
        return PINPIPE_OK; /* the reader keeps the fault */
    }
    while (status == PINPIPE_OK && pp_kinesis_read_item(reader, &list)) {
        pinpipe_str texts[PP_KINESIS_SHARD_TEXTS] = {{NULL, 0}};
        if (shard_members(texts, reader)) {
            status = shard_add(shards, texts, err);
        }
    }
    return status;
}

pinpipe_status pp_kinesis_shards_read(pp_kinesis_shards *shards, pinpipe_buf *next, pp_kinesis_reader *reader,
                                      pinpipe_error *err) {
    pp_kinesis_level map;
    pinpipe_status status = PINPIPE_OK;
    pp_buf_clear(next);
    if (pp_kinesis_read_map(reader, &map)) {
        for (pinpipe_str key; status == PINPIPE_OK && pp_kinesis_read_key(reader, &map, &key);) {
            pinpipe_str token = {"", 0};
            if (pp_str_is(key, "Shards")) {
                status = pp_kinesis_shards_read_list(shards, reader, err);
            } else if (!pp_str_is(key, "NextToken")) {
                pp_kinesis_read_pass(reader);
            } else if (pp_kinesis_read_text(reader, &token)) {
                status = pp_buf_append(next, token.ptr, token.len, err);
            }
        }
    }
    return status == PINPIPE_OK && pp_kinesis_is_faulty(reader)
               ? pp_kinesis_read_fail(reader, "ListShards", err)
               : status;
}

#endif
