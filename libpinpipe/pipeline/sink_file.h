/* Turns the records of one partition into one open file: its lines, its rejects, its offsets.
 * Never stores by itself and never knows the time beyond what it is told.
 * Rules: docs/sink.md, "Objects". */
#ifndef PP_PIPELINE_SINK_FILE_H
#define PP_PIPELINE_SINK_FILE_H

#include "base/error.h"
#include "pinpipe/sink.h"

#define PP_SINK_KEY_BYTES 640

/** The open file of one partition. */
typedef struct pp_sink_file {
    char *topic;
    int32_t partition;
    int32_t attempts; /* failed ones since the last success */
    pinpipe_buf lines;
    pinpipe_buf rejects;
    int64_t lines_offset;   /* of the first line */
    int64_t rejects_offset; /* of the first reject */
    int64_t line_count;
    int64_t reject_count;
    int64_t null_count;
    int64_t read_offset;
    int64_t stored_offset;
    int64_t committed_offset;
    int64_t record_ms;  /* when the last record came */
    int64_t retry_ms;   /* no attempt to store before */
    int64_t failing_ms; /* since when attempts fail; 0 = they do not */
    int32_t due;        /* the rotation's counter; PP_SINK_NOT_DUE */
} pp_sink_file;

#define PP_SINK_NOT_DUE (-1)

/** Starts the file of a partition at `offset`. Errors: ENOMEM. */
pinpipe_status pp_sink_file_init(pp_sink_file *file, pinpipe_str topic, int32_t partition, int64_t offset,
                                 pinpipe_error *err);

/** Frees what the file holds. */
void pp_sink_file_reset(pp_sink_file *file);

/** Empties it after a success: everything read so far is stored. */
void pp_sink_file_stored(pp_sink_file *file);

/** Bytes by which pp_sink_file_bytes will grow when the message is appended. */
int64_t pp_sink_file_growth(const pp_sink_file *file, const pinpipe_kafka_message *message);

/** Takes the message in as a line, a reject or nothing. Errors: ENOMEM, ELIMIT; the file is then as before.
 */
pinpipe_status pp_sink_file_append(pp_sink_file *file, const pinpipe_kafka_message *message,
                                   pinpipe_error *err);

/** Bytes that the file occupies. */
int64_t pp_sink_file_bytes(const pp_sink_file *file);

/** True when something was read that is not stored. */
bool pp_sink_file_open(const pp_sink_file *file);

/** "<root>/<topic>/partition=<n>/<topic>+<n>+<offset>.json"; returns its length. */
pinpipe_str pp_sink_file_key(char out[PP_SINK_KEY_BYTES], const char *root, const pp_sink_file *file,
                             int64_t offset);

#endif
