/* The inside of a sink: partitions that it reads, folders that their records go to, files that are open.
 * Never seen outside pipeline/sink*.c.
 * Rules: docs/sink.md. */
#ifndef PP_PIPELINE_SINK_STATE_H
#define PP_PIPELINE_SINK_STATE_H

#include <sys/types.h>

#include "pipeline/object_store.h"
#include "pipeline/sink_file.h"
#include "pipeline/sink_partitioner.h"

#define PP_SINK_WORKERS_MAX 64
/** Of the metadata that goes with a committed offset: brokers take 4096 bytes as they are configured. */
#define PP_SINK_METADATA_BYTES 3800

typedef enum pp_sink_root {
    PP_SINK_TOPICS = 0,
    PP_SINK_REJECTS = 1,
} pp_sink_root;

/** Records that are stored beyond the committed offset: of the folder with this hash, those up to `last`. */
typedef struct pp_sink_known {
    uint64_t hash;
    int64_t last;
} pp_sink_known;

/** One folder of one partition. Its files are stored one after the other, the oldest first. */
typedef struct pp_sink_stream {
    struct pp_sink_partition *partition;
    struct pp_sink_stream *after; /* in the partition's list */
    pinpipe_buf folder;           /* "partition=0" */
    uint64_t hash;                /* of root and folder */
    pp_sink_root root;
    pp_sink_file *oldest, *open; /* `open` takes lines and is the youngest, or NULL */
    int64_t taken_last;          /* highest offset that is in a file or stored; -1 = none */
    int64_t stored_last;         /* highest offset that is stored; -1 = not known */
    /* An object that was in the way is read again from Kafka, and compared: */
    bool is_checking;
    int64_t check_first;
    pp_object_facts check;
    pp_object_facts seen;
} pp_sink_stream;

/** Whether records follow one another as Kafka wrote them. */
typedef enum pp_sink_history {
    PP_SINK_HISTORY_SAME = 0,
    PP_SINK_HISTORY_ASKED = 1,  /* Kafka went back by itself: the last record is read again, and compared */
    PP_SINK_HISTORY_ENDING = 2, /* it is another one, which begins once all that was read is stored */
} pp_sink_history;

/** One partition of a topic that the sink reads. */
typedef struct pp_sink_partition {
    char *topic;
    const char *topic_ptr; /* as messages had it last: the quick comparison */
    int32_t number;
    pp_sink_stream *streams;
    pp_sink_stream **table; /* by hash, open addressing; a power of two */
    int64_t stream_count, table_cap, checking_count;
    pp_sink_stream *last_stream; /* of the last line */
    int64_t last_bucket;         /* and its partitioner's bucket */
    pp_sink_stream *rejects;
    pp_sink_known *known; /* of the commit that it began with */
    int64_t known_count;
    int64_t base_offset; /* where it began */
    int64_t read_offset; /* next to read */
    int64_t committed_offset;
    bool is_looked_up;
    bool has_sent; /* dead letters that no commit knows of: no object would stop them from being sent again */
    bool is_sought;  /* what is left of the batch is stale */
    bool is_seeking; /* Kafka has not yet been told to go to */
    int64_t seek_offset;
    bool is_revoked;
    pp_sink_history history;
    int64_t last_offset; /* of the last record that was read; -1 = it is not known, */
    uint32_t last_crc;   /* and of its time, key and value */
    int64_t back_offset; /* where Kafka went back to */
    int32_t asked_count; /* questions that Kafka answered by an earlier record */
} pp_sink_partition;

/** What a worker thread has of its own. */
typedef struct pp_sink_worker {
    const struct pinpipe_sink *sink; /* its settings, which do not change */
    pp_object_store *store;
    pp_compressor *compressor;
    pinpipe_buf scratch;
    pinpipe_str *views;
    int64_t view_cap;
} pp_sink_worker;

typedef struct pp_sink_settings {
    int64_t flush_records, flush_bytes, idle_ms, rotate_interval_ms, rotate_schedule_ms;
    int64_t max_buffered_bytes, store_timeout_ms;
    pinpipe_buf topics_dir, rejects_dir, file_delim, extension;
    uint64_t target_hash;
    int32_t offset_width, compression, format, null_values, unreadable_values, worker_count;
} pp_sink_settings;

struct pinpipe_sink {
    pinpipe_kafka_consumer *consumer;
    pp_sink_settings settings;
    pp_sink_partitioner *partitioner;
    pp_sink_letters *letters; /* NULL = rejects are objects */
    pp_work_pool *pool;
    pp_sink_worker workers[PP_SINK_WORKERS_MAX];
    pid_t owner_pid;
    pp_sink_partition **partitions;
    pp_sink_partition **table; /* by topic and number, open addressing */
    pp_sink_partition *last_partition;
    pinpipe_kafka_offset *offsets; /* as long as `partitions` */
    pinpipe_buf metadata;          /* behind `offsets` */
    int64_t partition_count, partition_cap, table_cap;
    pinpipe_kafka_batch batch; /* of the last poll, */
    int64_t batch_at;          /* taken in up to here */
    int64_t fresh_count;       /* partitions whose commit is not known yet */
    bool is_revoking;          /* partitions of the batch are about to go */
    int64_t revoke_until_ms;
    int64_t timer_ms;      /* next look at the clocks of open files */
    int64_t due_count;     /* files whose lines have ended */
    int64_t working_count; /* pieces and files that workers have */
    pp_sink_spares spares;
    pinpipe_buf folder, line;     /* of the record at hand */
    int64_t now_ms, wall_ms;      /* of the batch at hand */
    int64_t commit_ms;            /* when the last one ended */
    pinpipe_status commit_status; /* of the last one */
    int32_t commit_attempts;      /* failed ones since the last success */
    int64_t commit_retry_ms;      /* no attempt to commit before */
    int64_t commit_failing_ms;    /* since when commits fail; 0 = they do not */
    pinpipe_error trouble;        /* why the last attempt to store or commit failed */
    pinpipe_status told;          /* an error that the next end of a call tells; 0 = none */
    pinpipe_error told_error;
    int64_t counts[PINPIPE_SINK_COUNTER_COUNT];
};

/* ---- sink_open.c: options into settings ---- */

void pp_sink_settings_reset(pp_sink_settings *settings);

/* ---- sink_streams.c: what the sink knows of partitions and folders ---- */

/** The partition's state; NULL = it is not known. */
pp_sink_partition *pp_sink_partition_find(pinpipe_sink *sink, pinpipe_str topic, int32_t number);
/** Makes the state of a partition whose first message is at `offset`. Errors: ENOMEM, ELIMIT. */
pinpipe_status pp_sink_partition_add(pp_sink_partition **out, pinpipe_sink *sink,
                                     const pinpipe_kafka_message *message, pinpipe_error *err);
/** Forgets the partition, and counts what it had buffered as dropped. */
void pp_sink_partition_drop(pinpipe_sink *sink, pp_sink_partition *partition);
/** Finds or makes the stream of a folder. Errors: ENOMEM. */
pinpipe_status pp_sink_stream_open(pp_sink_stream **out, pinpipe_sink *sink, pp_sink_partition *partition,
                                   pp_sink_root root, pinpipe_str folder, pinpipe_error *err);
/** Drops all files of the stream. */
void pp_sink_stream_drop(pinpipe_sink *sink, pp_sink_stream *stream);
/** Forgets streams without files below the offset that everything is stored up to. */
void pp_sink_streams_sweep(pp_sink_partition *partition, int64_t low);
/** Lets Kafka go on from `offset`; what is left of the batch is stale. */
void pp_sink_partition_seek(pp_sink_partition *partition, int64_t offset);
/** Every record below it is stored. */
int64_t pp_sink_partition_low(const pp_sink_partition *partition);
/** True when something was read that is not stored. */
bool pp_sink_partition_is_open(const pp_sink_partition *partition);
/** "<root>/<topic>/<folder>/<topic>+<n>+<offset>.json" of a file. Errors: ENOMEM. */
pinpipe_status pp_sink_key_write(pinpipe_buf *out, const pinpipe_sink *sink, const pp_sink_file *file,
                                 pinpipe_error *err);
void pp_sink_reset(pinpipe_sink *sink);

/* ---- sink_take.c: records in ---- */

/** Takes in what is left of the batch. AGAIN: held up, the rest waits. */
pinpipe_status pp_sink_batch_take(pinpipe_sink *sink, pinpipe_error *err);
/** Ends the lines of an open file; `reason` is the rotation's counter. */
void pp_sink_file_rotate(pinpipe_sink *sink, pp_sink_file *file, int32_t reason);
/** The same for every open file of a partition; NULL = of all. */
void pp_sink_files_rotate(pinpipe_sink *sink, const pp_sink_partition *partition, int32_t reason);

/* ---- sink_history.c: what Kafka tells twice ---- */

/** Keeps what the last record is known by. */
void pp_sink_history_note(pp_sink_partition *partition, const pinpipe_kafka_message *message);
/** Judges a record that does not follow the last one. OK: it is to be taken in; DONE: it is passed over;
 * AGAIN: it waits until everything before it is stored. */
pinpipe_status pp_sink_history_judge(pinpipe_sink *sink, pp_sink_partition *partition,
                                     const pinpipe_kafka_message *message);
/** The group's commit lies beyond the partition's first record: it is read from there, if that is there. */
void pp_sink_history_ask(pp_sink_partition *partition, int64_t committed_offset);

/* ---- sink_store.c: files out ---- */

/** Takes what workers have ended, looks at the clocks of open files, begins what can begin. */
void pp_sink_work(pinpipe_sink *sink);
/** Takes back what the stopped workers had, ended or not. */
void pp_sink_work_discard(pinpipe_sink *sink);
/** Milliseconds until a clock is due, at most `most_ms`. */
int64_t pp_sink_wait_ms(const pinpipe_sink *sink, int64_t most_ms);
/** The error that is to be told, once; OK = none. */
pinpipe_status pp_sink_told(pinpipe_sink *sink, pinpipe_error *err);
/** Tells `error` if it will not mend by itself or has lasted too long; else keeps it for flush to name. */
void pp_sink_judge(pinpipe_sink *sink, int64_t *failing_ms, pinpipe_status status, bool patient);
/** Adds a change of the memory in use to the counters. */
void pp_sink_bytes_add(pinpipe_sink *sink, int64_t bytes);
/** Takes the end of a comparison with an object that was in the way, once enough has been read again. */
void pp_sink_checks_end(pinpipe_sink *sink, pp_sink_partition *partition);
/** Gives a piece to the workers. */
void pp_sink_piece_pack(pinpipe_sink *sink, pp_sink_piece *piece);

/* ---- sink_offsets.c: what the group knows ---- */

typedef enum pp_sink_when {
    PP_SINK_WHEN_DUE = 0, /* not more often than every 100 ms while there is more to store */
    PP_SINK_NOW = 1,
} pp_sink_when;

/** Commits what is stored and not committed. OK; AGAIN = to be tried later; an error that is to be told. */
pinpipe_status pp_sink_commit(pinpipe_sink *sink, pp_sink_when when);
/** Asks for the commits of partitions that are new. AGAIN, and errors as poll. */
pinpipe_status pp_sink_fresh_look_up(pinpipe_sink *sink, pinpipe_error *err);
/** Sends Kafka where partitions are to be read from. AGAIN, and errors as poll. */
pinpipe_status pp_sink_seek(pinpipe_sink *sink, pinpipe_error *err);

#endif
