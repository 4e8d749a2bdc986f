/* Turns the text of a JSON value into its compact form.
 * Never changes what the value is: names, their order and the digits of numbers stay.
 * Rules: RFC 8259; escapes as Kafka's REST proxy writes them: only where JSON demands them. */
#ifndef PP_TEXT_JSON_COMPACT_H
#define PP_TEXT_JSON_COMPACT_H

#include <stddef.h>

#include "pinpipe/value.h"

/** Writes a value that a walk has passed, without blanks between its parts and with text as UTF-8; returns
 * the bytes written, at most as many as the value has. */
size_t pp_json_compact(char *out, pinpipe_str value);

#endif
