/* Turns the librdkafka that is linked in into a line of its version.
 * Never shows librdkafka's header: pipeline/ calls this.
 * Rules: rd_kafka_version_str; nothing is written by a build without Kafka. */
#ifndef PP_KAFKA_VERSION_H
#define PP_KAFKA_VERSION_H

#include "base/error.h"
#include "pinpipe/value.h"

/** Appends "librdkafka <version>\n". */
pinpipe_status pp_kafka_versions_write(pinpipe_buf *out, pinpipe_error *err);

#endif
