/* Turns the parts of a Kinesis message into JSON 1.1 or CBOR 1.1, and messages into a walk over their parts.
 * Never builds a tree: requests are written where they are sent from, answers are read where they came.
 * Rules: docs/kinesis.md, "Wire"; Amazon Kinesis API Reference 2013-12-02. */
#ifndef PP_KINESIS_WIRE_H
#define PP_KINESIS_WIRE_H

#include "base/error.h"
#include "pinpipe/kinesis.h"
#include "text/cbor.h"
#include "text/json_value.h"

/** Largest message in bytes: 10 MiB of data and keys as base64, and what stands around them. */
#define PP_KINESIS_MESSAGE_MAX ((size_t)20 << 20)

/** Writes one message. The first failure is kept in `status`, and nothing is written after it. */
typedef struct pp_kinesis_writer {
    pinpipe_buf *out;
    pinpipe_kinesis_wire wire;
    bool is_first; /* nothing stands before the next part in its map or list */
    pinpipe_status status;
    pinpipe_error *err;
} pp_kinesis_writer;

/** Begins a message, a map of `count` members, in an emptied `out`. */
void pp_kinesis_write_begin(pp_kinesis_writer *writer, pinpipe_buf *out, pinpipe_kinesis_wire wire,
                            int64_t count, pinpipe_error *err);
/** Every map and list is ended, the message's own too. */
void pp_kinesis_write_map(pp_kinesis_writer *writer, int64_t count);
void pp_kinesis_write_map_end(pp_kinesis_writer *writer);
void pp_kinesis_write_list(pp_kinesis_writer *writer, int64_t count);
void pp_kinesis_write_list_end(pp_kinesis_writer *writer);
/** The key of the value that follows: ASCII without quotes. */
void pp_kinesis_write_key(pp_kinesis_writer *writer, const char *key);
void pp_kinesis_write_text(pp_kinesis_writer *writer, pinpipe_str text);
/** A value that is JSON already; no message in CBOR has one. */
void pp_kinesis_write_value(pp_kinesis_writer *writer, pinpipe_str json);
void pp_kinesis_write_bytes(pp_kinesis_writer *writer, pinpipe_str bytes);
void pp_kinesis_write_int(pp_kinesis_writer *writer, int64_t value);
/** A time in milliseconds since 1970. */
void pp_kinesis_write_time(pp_kinesis_writer *writer, int64_t time_ms);

/** Makes of a request that was written in CBOR the same in JSON. Errors: ENOMEM, and it is as it was. */
pinpipe_status pp_kinesis_transcode(pinpipe_buf *message, pinpipe_error *err);

/** Reads one message, whose texts and bytes become plain where they stand. */
typedef struct pp_kinesis_reader {
    pinpipe_kinesis_wire wire;
    char *text;
    pp_json_walk json;
    pp_cbor_walk cbor;
} pp_kinesis_reader;

/** A map or a list that is being read. */
typedef struct pp_kinesis_level {
    int64_t index;
    uint64_t left; /* CBOR: of the parts that were announced */
    bool is_indefinite;
    bool is_null; /* it has no parts */
} pp_kinesis_level;

/** Begins to read the message in `in`, which is changed meanwhile. Errors: ENOMEM. */
pinpipe_status pp_kinesis_read_begin(pp_kinesis_reader *reader, pinpipe_buf *in, pinpipe_kinesis_wire wire,
                                     pinpipe_error *err);
bool pp_kinesis_read_map(pp_kinesis_reader *reader, pp_kinesis_level *map);
bool pp_kinesis_read_list(pp_kinesis_reader *reader, pp_kinesis_level *list);
/** Steps to the next member; false behind the last one, or at a fault. */
bool pp_kinesis_read_key(pp_kinesis_reader *reader, pp_kinesis_level *map, pinpipe_str *key);
/** The same of a list. */
bool pp_kinesis_read_item(pp_kinesis_reader *reader, pp_kinesis_level *list);
/** What follows may be null: a text is empty then, a number stays as it was, a time is -1. */
bool pp_kinesis_read_text(pp_kinesis_reader *reader, pinpipe_str *text);
bool pp_kinesis_read_bytes(pp_kinesis_reader *reader, pinpipe_str *bytes);
bool pp_kinesis_read_int(pp_kinesis_reader *reader, int64_t *value);
bool pp_kinesis_read_flag(pp_kinesis_reader *reader, bool *value);
/** A time in microseconds since 1970. */
bool pp_kinesis_read_time(pp_kinesis_reader *reader, int64_t *time_us);
bool pp_kinesis_read_pass(pp_kinesis_reader *reader);
bool pp_kinesis_is_faulty(const pp_kinesis_reader *reader);
/** The error of a message at whose fault reading stopped: EDATA. */
pinpipe_status pp_kinesis_read_fail(const pp_kinesis_reader *reader, const char *operation,
                                    pinpipe_error *err);

#endif
