/* Turns records into the lines of an object to be: pieces of bytes, plain or compressed, and what they hold.
 * Never stores by itself and never knows the time beyond what it is told.
 * Rules: docs/sink.md, "Objects". */
#ifndef PP_PIPELINE_SINK_FILE_H
#define PP_PIPELINE_SINK_FILE_H

#include "pinpipe/sink.h"
#include "pipeline/object_store.h"
#include "pipeline/sink_letters.h"
#include "pipeline/work_pool.h"

/** A piece is handed over when it is full: large enough to compress well, small enough that 1,000 open files
 * fit into a small memory (sink costs in docs/performance.md). */
#define PP_SINK_PIECE_BYTES ((size_t)256 << 10)
#define PP_SINK_PIECE_FIRST_BYTES ((size_t)1 << 10)
#define PP_SINK_SPARES_MAX 1024
#define PP_SINK_NOT_DUE (-1)

struct pp_sink_file;
struct pp_sink_stream;

/** Some lines of a file. A worker's while it is packed. */
typedef struct pp_sink_piece {
    pp_work work; /* first */
    struct pp_sink_file *file;
    struct pp_sink_piece *after;
    pinpipe_buf bytes;
    pinpipe_buf packed; /* compressed; `bytes` are then not needed */
    bool is_packed;
    pinpipe_status status;
    pinpipe_error error;
} pp_sink_piece;

/** One object to be. A worker's while it is stored. */
typedef struct pp_sink_file {
    pp_work work; /* first */
    struct pp_sink_stream *stream;
    struct pp_sink_file *after; /* younger, of the same stream */
    pp_sink_piece *pieces, *tail;
    int64_t piece_count;
    int64_t first, last; /* offsets */
    int64_t line_count;
    int64_t plain_bytes; /* of all lines */
    uint32_t crc;        /* of all lines but those of the tail */
    int64_t held_bytes;  /* memory */
    int32_t packing;     /* pieces that workers have */
    int32_t due;         /* the rotation's counter; PP_SINK_NOT_DUE = lines are still added */
    bool is_storing;     /* a worker has it */
    bool is_dropped;     /* nobody wants it any more: free it when it comes back */
    int64_t record_ms;   /* when the last record came */
    int64_t due_ms;      /* when the wall clock will rotate it; INT64_MAX = never */
    int64_t time_ms;     /* of its first record */
    int32_t attempts;    /* failed ones since the last success */
    int64_t retry_ms;    /* no attempt to store before */
    int64_t failing_ms;  /* since when attempts fail; 0 = they do not */
    pinpipe_buf key;
    bool has_letters;      /* no object: its lines go to the dead-letter topic */
    pp_sink_post *post;    /* what has become of them; NULL = nothing yet */
    pinpipe_status status; /* of the last attempt, as is what follows */
    pinpipe_error error;
    pp_object_outcome outcome;
    pp_object_facts facts; /* of the object that was there */
} pp_sink_file;

/** Buffers of full pieces that are used again: memory's first touch costs more than filling it. They fill up
 * what the open files leave of the sink's memory. */
typedef struct pp_sink_spares {
    pinpipe_buf bufs[PP_SINK_SPARES_MAX];
    int32_t count;
} pp_sink_spares;

/** Gives spares back until they have at most so many bytes. */
void pp_sink_spares_trim(pp_sink_spares *spares, int64_t most_bytes);

/** Makes a file without lines. Errors: ENOMEM. */
pinpipe_status pp_sink_file_new(pp_sink_file **out, struct pp_sink_stream *stream, pinpipe_error *err);

/** Frees the file and its pieces; none is with a worker. */
void pp_sink_file_free(pp_sink_file *file, pp_sink_spares *spares);

/** Bytes by which `held_bytes` grows when a line of `len` bytes is added. */
int64_t pp_sink_file_growth(const pp_sink_file *file, size_t len);

/** Makes room for one line of `len` bytes at `*at`; NULL and ENOMEM or ELIMIT where there is none. A piece
 * that is full is sealed: `*full` is it, else NULL. */
pinpipe_status pp_sink_file_room(char **at, pp_sink_piece **full, pp_sink_file *file, size_t len,
                                 pp_sink_spares *spares, pinpipe_error *err);

/** Takes in the line that was written to the room: `len` bytes of the record at `offset`. */
void pp_sink_file_add(pp_sink_file *file, int64_t offset, size_t len);

/** Takes the tail's lines into the checksum; no line is added after it. */
void pp_sink_file_seal(pp_sink_file *file);

/** Gives the plain bytes of a packed piece back. */
void pp_sink_piece_settle(pp_sink_piece *piece, pp_sink_spares *spares);

#endif
