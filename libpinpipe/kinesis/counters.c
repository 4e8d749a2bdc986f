/* Turns the number of a producer's counter into its name.
 * Never counts: the producer does.
 * Rules: PINPIPE_KINESIS_COUNTER_MAP. */
#include <stddef.h>

#include "pinpipe/kinesis.h"

static const char *const names[] = {
#define COUNTER_NAME(name, text, meaning) text,
    PINPIPE_KINESIS_COUNTER_MAP(COUNTER_NAME)
#undef COUNTER_NAME
};

const char *pinpipe_kinesis_counter_name(int32_t counter) {
    return counter >= 0 && counter < PINPIPE_KINESIS_COUNTERS ? names[counter] : NULL;
}
