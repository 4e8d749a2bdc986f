/* Turns the numbers of counters into their names and meanings.
 * Never counts anything.
 * Rules: PINPIPE_GATEWAY_COUNTER_MAP is the only list. */
#include "pinpipe/gateway.h"

typedef struct counter_row {
    const char *name, *text;
} counter_row;

static const counter_row rows[] = {
#define COUNTER_ROW(name, text, meaning) {#text, meaning},
    PINPIPE_GATEWAY_COUNTER_MAP(COUNTER_ROW)
#undef COUNTER_ROW
};

const char *pinpipe_gateway_counter_name(int32_t counter) {
    return counter >= 0 && counter < PINPIPE_GATEWAY_COUNTER_COUNT ? rows[counter].name : NULL;
}

const char *pinpipe_gateway_counter_text(int32_t counter) {
    return counter >= 0 && counter < PINPIPE_GATEWAY_COUNTER_COUNT ? rows[counter].text : NULL;
}
