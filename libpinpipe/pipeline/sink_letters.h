/* Turns records that become no line into records of a dead-letter topic: key, value, headers, why and whence.
 * Never counts a letter as sent before a broker has acknowledged it.
 * Rules: docs/sink.md, "Dead-letter topic"; Kafka Connect's KIP-298 for the names of headers. */
#ifndef PP_PIPELINE_SINK_LETTERS_H
#define PP_PIPELINE_SINK_LETTERS_H

#include "pinpipe/sink.h"

/** A batch of letters is sent when it has so many bytes, and soon after its first letter in any case. */
#define PP_SINK_LETTERS_BYTES ((int64_t)1 << 20)
#define PP_SINK_LETTERS_MS 100

struct pp_sink_file;

/** The way to the topic; workers share it. */
typedef struct pp_sink_letters pp_sink_letters;

/** What has become of the letters of one file so far. */
typedef struct pp_sink_post pp_sink_post;

/** NULL and OK where no dead-letter topic is asked for. Errors: EINVAL unreadable values are not rejected, or
 * the topic is among those that are read; as pinpipe_kafka_producer_new. */
pinpipe_status pp_sink_letters_open(pp_sink_letters **out, const pinpipe_sink_options *options,
                                    pinpipe_error *err);

/** NULL is allowed. No worker sends any more, and every post has been freed. */
void pp_sink_letters_free(pp_sink_letters *letters);

/** Most bytes that a letter takes in a file. */
size_t pp_sink_letter_room(const pinpipe_kafka_message *message, const char *reason);

/** Writes the letter to that room; returns its length. */
size_t pp_sink_letter_write(char *out, const pinpipe_kafka_message *message, const char *reason);

/** Sends the file's letters that are not delivered yet, and waits until all are. May be repeated: what was
 * delivered is not sent again. Errors: of the first letter that a broker refuses; as
 * pinpipe_kafka_producer_write_batch and _wait_batch. */
pinpipe_status pp_sink_letters_send(pp_sink_letters *letters, struct pp_sink_file *file, int64_t timeout_ms,
                                    pinpipe_error *err);

/** NULL is allowed; letters that are on their way arrive all the same. */
void pp_sink_post_free(pp_sink_post *post);

#endif
