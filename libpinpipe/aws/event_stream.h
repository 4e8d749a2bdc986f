/* Turns the bytes of an event stream into its messages: headers and payload.
 * Never lets one pass whose checksums are wrong, and never allocates.
 * Rules: Amazon Transcribe Developer Guide, "Event stream encoding"; Smithy, "Amazon Event Stream". */
#ifndef PP_AWS_EVENT_STREAM_H
#define PP_AWS_EVENT_STREAM_H

#include "base/error.h"
#include "pinpipe/value.h"

/** Bytes of the smallest message, and of the largest, as the encoding limits it. */
#define PP_EVENT_LEAST 16
#define PP_EVENT_MAX ((size_t)16 << 20)

/** A message; the views point into the bytes that it was read from. Empty = it has no such header. */
typedef struct pp_event {
    pinpipe_str kind;   /* ":message-type": event, exception, error */
    pinpipe_str name;   /* ":event-type", ":exception-type" or ":error-code" */
    pinpipe_str detail; /* ":error-message" */
    pinpipe_str payload;
} pp_event;

/** Reads the message that `bytes` begin with; `*taken` is its length. AGAIN: `bytes` end within it.
 * Errors: EDATA lengths or checksums that do not fit, headers that are none. */
pinpipe_status pp_event_read(pp_event *out, size_t *taken, pinpipe_str bytes, pinpipe_error *err);

#endif
