/* Turns the numbers of counters into their names and meanings.
 * Never counts anything.
 * Rules: PINPIPE_GATEWAY_COUNTER_MAP is the only list. */
#include "pinpipe/gateway.h"

#include "base/counters.h"

PP_COUNTERS_TELL(pinpipe_gateway_counter, PINPIPE_GATEWAY_COUNTER_MAP, PINPIPE_GATEWAY_COUNTER_COUNT)
