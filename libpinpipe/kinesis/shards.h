/* Turns ListShards answers into a list of shards, and a hash key into the open shard that takes it.
 * Never assumes that shards split the hash keys evenly.
 * Rules: Amazon Kinesis API Reference, "Shard" and "HashKeyRange". */
#ifndef PP_KINESIS_SHARDS_H
#define PP_KINESIS_SHARDS_H

#include "kinesis/wire.h"

#define PP_KINESIS_SHARDS_MAX 65536
/** Digits of 2^128 - 1. */
#define PP_KINESIS_HASH_DIGITS 39

/** A hash key. */
__extension__ typedef unsigned __int128 pp_kinesis_hash;

enum {
    PP_KINESIS_SHARD_ID = 0,
    PP_KINESIS_SHARD_PARENT,
    PP_KINESIS_SHARD_ADJACENT,
    PP_KINESIS_SHARD_FIRST_HASH,
    PP_KINESIS_SHARD_LAST_HASH,
    PP_KINESIS_SHARD_FIRST_SEQUENCE,
    PP_KINESIS_SHARD_LAST_SEQUENCE,
    PP_KINESIS_SHARD_TEXTS
};

typedef struct pp_kinesis_shard_row {
    struct {
        size_t at, len;
    } texts[PP_KINESIS_SHARD_TEXTS]; /* in the list's text */
    pp_kinesis_hash first, last;
} pp_kinesis_shard_row;

/** Starts zeroed. */
typedef struct pp_kinesis_shards {
    pp_kinesis_shard_row *rows;
    int64_t count, cap;
    pinpipe_buf text;
} pp_kinesis_shards;

void pp_kinesis_shards_clear(pp_kinesis_shards *shards);
void pp_kinesis_shards_reset(pp_kinesis_shards *shards);

/** Adds the shards of one answer; `next` gets the token of the next page, emptied first.
 * Errors: EDATA; ELIMIT beyond PP_KINESIS_SHARDS_MAX; ENOMEM. */
pinpipe_status pp_kinesis_shards_read(pp_kinesis_shards *shards, pinpipe_buf *next, pp_kinesis_reader *reader,
                                      pinpipe_error *err);

/** Adds the shards of a list that is being read; the reader keeps a fault. Errors: as above. */
pinpipe_status pp_kinesis_shards_read_list(pp_kinesis_shards *shards, pp_kinesis_reader *reader,
                                           pinpipe_error *err);

/** Borrowed until the list changes. */
pinpipe_kinesis_shard pp_kinesis_shards_at(const pp_kinesis_shards *shards, int64_t index);

pinpipe_str pp_kinesis_shard_text(const pp_kinesis_shards *shards, int64_t index, int32_t text);

/** The index of a shard by its id; -1 = there is none. */
int64_t pp_kinesis_shards_find(const pp_kinesis_shards *shards, pinpipe_str id);

/** Reads a decimal hash key; false where it is none. */
bool pp_kinesis_hash_read(pp_kinesis_hash *out, pinpipe_str text);

/** Writes a hash key in decimal, no NUL; returns its length. */
size_t pp_kinesis_hash_write(char out[PP_KINESIS_HASH_DIGITS], pp_kinesis_hash hash);

/** The hash key of a partition key: its MD5, the greatest byte first. Errors: EFATAL no MD5. */
pinpipe_status pp_kinesis_hash_of(pp_kinesis_hash *out, pinpipe_str partition_key, pinpipe_error *err);

#endif
