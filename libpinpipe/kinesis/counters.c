/* Turns the number of a producer's or a consumer's counter into its name.
 * Never counts: they do.
 * Rules: PINPIPE_KINESIS_COUNTER_MAP, PINPIPE_KINESIS_CONSUMER_COUNTER_MAP. */
#include <stddef.h>

#include "pinpipe/kinesis_consumer.h"

#define COUNTER_NAME(name, text, meaning) text,
static const char *const names[] = {PINPIPE_KINESIS_COUNTER_MAP(COUNTER_NAME)};
static const char *const consumer_names[] = {PINPIPE_KINESIS_CONSUMER_COUNTER_MAP(COUNTER_NAME)};
#undef COUNTER_NAME

const char *pinpipe_kinesis_counter_name(int32_t counter) {
    return counter >= 0 && counter < PINPIPE_KINESIS_COUNTERS ? names[counter] : NULL;
}

const char *pinpipe_kinesis_consumer_counter_name(int32_t counter) {
    return counter >= 0 && counter < PINPIPE_KINESIS_CONSUMER_COUNTERS ? consumer_names[counter] : NULL;
}
