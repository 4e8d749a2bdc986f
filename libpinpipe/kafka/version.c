/* Turns the linked librdkafka into its "name version" line.
 * Never opens a client.
 * Rules: rd_kafka_version_str. */
#include "kafka/version.h"

#include "base/buffer.h"

#if PINPIPE_WITH_KAFKA

#include <librdkafka/rdkafka.h>

pinpipe_status pp_kafka_versions_write(pinpipe_buf *out, pinpipe_error *err) {
    return pp_buf_printf(out, err, "librdkafka %s\n", rd_kafka_version_str());
}

#else

pinpipe_status pp_kafka_versions_write(pinpipe_buf *out, pinpipe_error *err) {
    (void)out;
    (void)err;
    return PINPIPE_OK;
}

#endif
