/* Turns the numbers of counters into their names and meanings.
 * Never counts anything.
 * Rules: PINPIPE_KAFKA_REST_COUNTER_MAP is the only list. */
#include "pinpipe/kafka_rest.h"

#include "base/counters.h"

PP_COUNTERS_TELL(pinpipe_kafka_rest_counter, PINPIPE_KAFKA_REST_COUNTER_MAP, PINPIPE_KAFKA_REST_COUNTER_COUNT)
