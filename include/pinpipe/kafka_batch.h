/* Many records in one call: columns in Arrow's layout into topics with a result for every record, and topics
 * into columns. Never makes an object a record, and never waits beyond the deadline that a call names.
 * Rules: docs/kafka.md, "Batches"; the layout is the Arrow columnar format's. */
#ifndef PINPIPE_KAFKA_BATCH_H
#define PINPIPE_KAFKA_BATCH_H

#include "arrow.h"
#include "kafka.h"

PINPIPE_BEGIN_DECLS

/** A column of bytes as Arrow lays out binary, utf8 and their large forms. Entry i has the bytes of `data`
 * from offset first + i to the next one; it is null where the bit first + i of `validity` is 0. */
typedef struct pinpipe_kafka_column {
    const char *data;        /* the bytes of all entries */
    const void *offsets;     /* int32_t or int64_t, first + count + 1 of them; NULL = every entry is null */
    const uint8_t *validity; /* NULL = no entry is null */
    int64_t first;           /* the first entry that counts */
    int64_t data_bytes;      /* no offset may be beyond */
    int32_t offset_bytes;    /* 4 or 8 */
    int32_t reserved;        /* 0 */
} pinpipe_kafka_column;

/** Records for one topic. Of the headers, `header_lists` says which entries of the other two belong to a
 * record, as Arrow lays out a list; its `data` is not read and its `data_bytes` counts entries. */
typedef struct pinpipe_kafka_columns {
    uint32_t struct_size;
    int32_t reserved;            /* 0 */
    pinpipe_str topic;           /* that all records go to */
    int64_t count;               /* of the records */
    pinpipe_kafka_column values; /* null = a tombstone */
    pinpipe_kafka_column keys;   /* null = none */
    const int64_t
        *timestamps_ms;        /* since 1970 in UTC, 0 = the time of the call; NULL = of the call for all */
    const int32_t *partitions; /* -1 = by the key; NULL = by the key for all */
    pinpipe_kafka_column header_lists;  /* offsets into the two below */
    pinpipe_kafka_column header_names;  /* UTF-8 */
    pinpipe_kafka_column header_values; /* null = null */
    void (*release)(void *context);     /* see pinpipe_kafka_delivery_new */
    void *release_context;              /* what `release` is called with */
} pinpipe_kafka_columns;

#define PINPIPE_KAFKA_COLUMNS_INIT                                                                           \
    {                                                                                                        \
        (uint32_t)sizeof(pinpipe_kafka_columns), 0, {NULL, 0}, 0, {NULL, NULL, NULL, 0, 0, 0, 0},            \
            {NULL, NULL, NULL, 0, 0, 0, 0}, NULL, NULL, {NULL, NULL, NULL, 0, 0, 0, 0},                      \
            {NULL, NULL, NULL, 0, 0, 0, 0}, {NULL, NULL, NULL, 0, 0, 0, 0}, NULL, NULL                       \
    }

/** What became of a record. */
typedef enum pinpipe_kafka_outcome {
    PINPIPE_KAFKA_WAITING = 0,   /* not written yet, or its report has not come */
    PINPIPE_KAFKA_DELIVERED = 1, /* a broker has acknowledged it */
    PINPIPE_KAFKA_FAILED = 2,    /* it is in no partition */
    PINPIPE_KAFKA_UNCERTAIN = 3, /* it was sent, and no answer tells whether it was stored */
} pinpipe_kafka_outcome;

/** A batch of records and what became of each: arrays that reports fill in while the producer is called. */
typedef struct pinpipe_kafka_delivery pinpipe_kafka_delivery;

/** Makes a batch of `columns`. With `release`, the columns' memory stays as it is until `release` is called,
 * once and by the thread that calls the producer or frees the batch: values and keys are then sent from where
 * they are. Without it they are copied by the write. On failure `release` is not called.
 * Errors: EINVAL no struct_size, offsets that fall or are beyond their data (the text names the record), a
 * header without a name; ELIMIT more than 100,000,000 records; ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_kafka_delivery_new(pinpipe_kafka_delivery **out,
                                                      const pinpipe_kafka_columns *columns,
                                                      pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Gives the batch up; records that are queued are delivered all the same. NULL is allowed. */
PINPIPE_API void pinpipe_kafka_delivery_free(pinpipe_kafka_delivery *delivery);

/** Queues the records that are not queued yet, in order; while the queue is full, waits for room up to
 * `timeout_ms`. What a single record is refused for (size, partition) is that record's outcome.
 * Errors: as pinpipe_kafka_producer_write, and EINVAL the batch is another producer's. After ETIMEOUT, ENET,
 * EAUTH and ESERVICE the call may be repeated and goes on where it stopped. */
PINPIPE_API pinpipe_status pinpipe_kafka_producer_write_batch(pinpipe_kafka_producer *producer,
                                                              pinpipe_kafka_delivery *delivery,
                                                              int64_t timeout_ms,
                                                              pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Waits until every queued record of the batch has its report. Returns PARTIAL where some were not
 * delivered; the next flush does not tell of these again. Errors: ETIMEOUT, or ENET and EAUTH where the
 * connection is the reason: the call may be repeated; EFATAL. */
PINPIPE_API pinpipe_status pinpipe_kafka_producer_wait_batch(pinpipe_kafka_producer *producer,
                                                             pinpipe_kafka_delivery *delivery,
                                                             int64_t timeout_ms,
                                                             pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Records of the batch. */
PINPIPE_API int64_t pinpipe_kafka_delivery_count(const pinpipe_kafka_delivery *delivery);
/** Of them, those that are queued. */
PINPIPE_API int64_t pinpipe_kafka_delivery_queued_count(const pinpipe_kafka_delivery *delivery);
/** Of them, those that a broker has acknowledged. */
PINPIPE_API int64_t pinpipe_kafka_delivery_delivered_count(const pinpipe_kafka_delivery *delivery);
/** Of them, those that failed for good. */
PINPIPE_API int64_t pinpipe_kafka_delivery_failed_count(const pinpipe_kafka_delivery *delivery);

/** What became of record `index`: OK delivered, AGAIN waiting. Errors: EINVAL there is no such record; else
 * why it was not delivered. */
PINPIPE_API pinpipe_status pinpipe_kafka_delivery_at(const pinpipe_kafka_delivery *delivery, int64_t index,
                                                     pinpipe_error *err) PINPIPE_MUST_CHECK;

/** The results, an entry a record; they live as long as the batch and change only inside the producer's
 * calls. */
PINPIPE_API const uint8_t *
pinpipe_kafka_delivery_outcomes(const pinpipe_kafka_delivery *delivery); /* pinpipe_kafka_outcome */
PINPIPE_API const int32_t *
pinpipe_kafka_delivery_partitions(const pinpipe_kafka_delivery *delivery); /* -1 = not known */
PINPIPE_API const int64_t *
pinpipe_kafka_delivery_offsets(const pinpipe_kafka_delivery *delivery); /* negative = not known */
PINPIPE_API const int16_t *
pinpipe_kafka_delivery_errors(const pinpipe_kafka_delivery *delivery); /* librdkafka's codes; 0 = none */

/* ---- reading ---- */

/** Records that were read, in columns; reused from call to call. */
typedef struct pinpipe_kafka_records pinpipe_kafka_records;

/** The columns of records, borrowed until they are read into, exported or freed. */
typedef struct pinpipe_kafka_records_view {
    uint32_t struct_size;
    int32_t topic_count;                 /* of `topic_names` */
    int64_t count;                       /* of the records */
    pinpipe_kafka_column values;         /* offsets of 8 bytes */
    pinpipe_kafka_column keys;           /* null = none */
    const int32_t *topics;               /* which of `topic_names` */
    const int32_t *partitions;           /* an entry a record */
    const int64_t *offsets;              /* an entry a record */
    const int64_t *timestamps_ms;        /* since 1970 in UTC; -1 = none */
    const pinpipe_str *topic_names;      /* each once */
    const pinpipe_kafka_offset *revoked; /* no longer this consumer's; the records came before */
    int64_t revoked_count;               /* of `revoked` */
    const pinpipe_kafka_offset *next;    /* to commit once all records are done: an entry a partition */
    int64_t next_count;                  /* of `next` */
} pinpipe_kafka_records_view;

#define PINPIPE_KAFKA_RECORDS_VIEW_INIT                                                                      \
    {                                                                                                        \
        (uint32_t)sizeof(pinpipe_kafka_records_view), 0, 0, {NULL, NULL, NULL, 0, 0, 0, 0},                  \
            {NULL, NULL, NULL, 0, 0, 0, 0}, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0                   \
    }

/** Zero in a field means its default. */
typedef struct pinpipe_kafka_read_options {
    uint32_t struct_size;
    int32_t reserved;    /* 0 */
    int64_t max_records; /* 0 = 100,000; at most 10,000,000 */
    int64_t max_bytes;   /* of keys and values, at which a batch ends; 0 = 2 MiB, at most 1 GiB */
} pinpipe_kafka_read_options;

#define PINPIPE_KAFKA_READ_OPTIONS_INIT                                                                      \
    { (uint32_t)sizeof(pinpipe_kafka_read_options), 0, 0, 0 }

/** Makes room for records. Owns: the caller frees it. Errors: ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_kafka_records_new(pinpipe_kafka_records **out,
                                                     pinpipe_error *err) PINPIPE_MUST_CHECK;
/** Frees the records; NULL is allowed. */
PINPIPE_API void pinpipe_kafka_records_free(pinpipe_kafka_records *records);

/** Reads what is there, in place of what `records` held: waits for the first record up to `timeout_ms`, then
 * takes what has come without waiting for more. Ends where partitions are moved, as
 * pinpipe_kafka_consumer_poll. `options` NULL = defaults. Returns OK; AGAIN when nothing came. Errors: as
 * pinpipe_kafka_consumer_poll; an error behind records comes with the next call. */
PINPIPE_API pinpipe_status pinpipe_kafka_consumer_read(pinpipe_kafka_records *records,
                                                       pinpipe_kafka_consumer *consumer,
                                                       const pinpipe_kafka_read_options *options,
                                                       int64_t timeout_ms,
                                                       pinpipe_error *err) PINPIPE_MUST_CHECK;

/** The columns of what was read. Errors: EINVAL no struct_size. */
PINPIPE_API pinpipe_status pinpipe_kafka_records_get(pinpipe_kafka_records_view *out,
                                                     const pinpipe_kafka_records *records,
                                                     pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Commits the next offset of each partition of the records, once all of them are done, by one request, and
 * waits for the answer. A partition that the group has taken away is left out: its next owner may be at these
 * records already. Returns OK; PARTIAL where one was left out, or the group has moved on meanwhile and takes
 * none: what is not committed may come again, here or there, which is no failure of who stores records at
 * least once. PINPIPE_KAFKA_REVOCATION_HELD makes that rare. Errors: as pinpipe_kafka_consumer_commit,
 * without ECONFLICT. */
PINPIPE_API pinpipe_status pinpipe_kafka_consumer_commit_records(pinpipe_kafka_consumer *consumer,
                                                                 const pinpipe_kafka_records *records,
                                                                 int64_t timeout_ms,
                                                                 pinpipe_error *err) PINPIPE_MUST_CHECK;

/** Shares the records as an Arrow struct array without copying, and describes it: topic (dictionary of utf8),
 * partition, offset, timestamp (ms, UTC), key and value (large_binary). The next read into the records takes
 * new memory. Owns: the caller releases both, at any time and in any thread. Errors: ENOMEM. */
PINPIPE_API pinpipe_status pinpipe_kafka_records_export(struct ArrowArray *out, struct ArrowSchema *schema,
                                                        pinpipe_kafka_records *records,
                                                        pinpipe_error *err) PINPIPE_MUST_CHECK;

PINPIPE_END_DECLS

#endif
