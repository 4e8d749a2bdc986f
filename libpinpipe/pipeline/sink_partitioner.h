/* Turns a record into the folder of its object.
 * Never reads a clock: the wall clock's time is told.
 * Rules: docs/sink.md, "Folders": the names of the Confluent S3 sink's partitioners. */
#ifndef PP_PIPELINE_SINK_PARTITIONER_H
#define PP_PIPELINE_SINK_PARTITIONER_H

#include <stdbool.h>

#include "base/error.h"
#include "pinpipe/sink.h"

typedef struct pp_sink_partitioner pp_sink_partitioner;

/** What one record's folder is made of. */
typedef struct pp_sink_place {
    int64_t bucket;     /* records of one partition with the same bucket have the same folder; -1 = ask */
    int64_t time_ms;    /* of the record, as the extractor sees it; -1 = none */
    const char *reason; /* why the record has no folder; NULL = it has one */
} pp_sink_place;

/** Errors: EINVAL names the option; ENOTFOUND a time zone; ENOMEM. */
pinpipe_status pp_sink_partitioner_new(pp_sink_partitioner **out, const pinpipe_sink_options *options,
                                       pinpipe_error *err);

/** NULL is allowed. */
void pp_sink_partitioner_free(pp_sink_partitioner *partitioner);

/** Finds the bucket of a record. */
pp_sink_place pp_sink_partitioner_place(pp_sink_partitioner *partitioner,
                                        const pinpipe_kafka_message *message, int64_t wall_ms);

/** Writes the folder of the record that was placed last. Errors: ENOMEM. */
pinpipe_status pp_sink_partitioner_folder(pinpipe_buf *out, pp_sink_partitioner *partitioner,
                                          const pinpipe_kafka_message *message, const pp_sink_place *place,
                                          pinpipe_error *err);

/** The wall clock's next rotation after `wall_ms`, counted from midnight of the time zone. */
int64_t pp_sink_partitioner_schedule(const pp_sink_partitioner *partitioner, int64_t wall_ms,
                                     int64_t interval_ms);

#endif
