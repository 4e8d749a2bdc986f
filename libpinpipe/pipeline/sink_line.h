/* Turns records into lines: values as they are, envelopes around them, rejects with their reason, dead
 * letters. Never changes a byte of a value that is a line. Rules: docs/sink.md, "Objects". */
#ifndef PP_PIPELINE_SINK_LINE_H
#define PP_PIPELINE_SINK_LINE_H

#include "pinpipe/sink.h"

typedef enum pp_sink_line_kind {
    PP_SINK_LINE_VALUE = 0,
    PP_SINK_LINE_ENVELOPE = 1,
    PP_SINK_LINE_REJECT = 2,
    PP_SINK_LINE_LETTER = 3, /* no text: what sink_letters.c sends */
} pp_sink_line_kind;

/** Why the value is no line of that kind; NULL = it is one. A null value has no reason here. */
const char *pp_sink_line_fault(pp_sink_line_kind kind, pinpipe_str value);

/** Most bytes of the record's line, with its newline. `reason` is a reject's or a letter's. */
size_t pp_sink_line_room(pp_sink_line_kind kind, const pinpipe_kafka_message *message, const char *reason);

/** Writes the line to room for so many bytes; returns its length. */
size_t pp_sink_line_write(char *out, pp_sink_line_kind kind, const pinpipe_kafka_message *message,
                          const char *reason);

#endif
