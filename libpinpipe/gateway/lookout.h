/* Turns questions for the cluster's topics into listings, by a thread of its own.
 * Never makes the server's thread wait, and never creates a topic by asking.
 * Rules: docs/gateway.md, "Topics"; Kafka protocol, Metadata. */
#ifndef PP_GATEWAY_LOOKOUT_H
#define PP_GATEWAY_LOOKOUT_H

#include <stdbool.h>

#include "base/error.h"
#include "pinpipe/kafka.h"

typedef struct pp_gateway_lookout pp_gateway_lookout;

/** Begins the thread; each listing makes `wake` ready. Errors: those of pinpipe_kafka_admin_new; ENOMEM. */
pinpipe_status pp_gateway_lookout_new(pp_gateway_lookout **out, pinpipe_str brokers,
                                      const pinpipe_kafka_config *settings, int wake, pinpipe_error *err);

/** Waits for a listing that is under way, about half a second; NULL is allowed. */
void pp_gateway_lookout_free(pp_gateway_lookout *lookout);

/** Asks for a listing that begins from now on; returns its number. */
int64_t pp_gateway_lookout_ask(pp_gateway_lookout *lookout);

/** Where a partition begins and ends, as of a listing. */
typedef struct pp_gateway_ends {
    int64_t begin, end;
    pinpipe_status status;
    pinpipe_error error;
} pp_gateway_ends;

/** Has the next listing look at the ends of a partition, too; the number of that listing, 0 = too many are
 * asked for. `topic` has at most 249 bytes. */
int64_t pp_gateway_lookout_ends_ask(pp_gateway_lookout *lookout, pinpipe_str topic, int32_t partition);

/** What was found; for who looks at a listing. */
pp_gateway_ends pp_gateway_lookout_ends(const pp_gateway_lookout *lookout, pinpipe_str topic,
                                        int32_t partition);

/** What a listing said. */
typedef struct pp_gateway_listing {
    int64_t number; /* the newest that was asked for before it began */
    pinpipe_status status;
    const pinpipe_error *error;
    const pinpipe_kafka_admin *topics; /* in order of their names */
} pp_gateway_listing;

/** The listing that has come; false = there is none. It is borrowed until pp_gateway_lookout_go_on, which
 * lets the next begin. */
bool pp_gateway_lookout_look(pp_gateway_listing *out, pp_gateway_lookout *lookout);
void pp_gateway_lookout_go_on(pp_gateway_lookout *lookout);

#endif
