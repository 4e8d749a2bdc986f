/* Turns the parts of an admin into one struct that its files share, and a request into its answer.
 * Never outside kafka/'s admin files.
 * Rules: docs/kafka.md, "Topics". */
#ifndef PP_KAFKA_ADMIN_H
#define PP_KAFKA_ADMIN_H

#include "kafka/client.h"
#include "pinpipe/kafka.h"

#define PP_KAFKA_TOPIC_BYTES_MAX 249

typedef struct pp_kafka_listed_topic {
    char *name;
    const rd_kafka_metadata_topic_t *told; /* in the admin's `listed` */
} pp_kafka_listed_topic;

struct pinpipe_kafka_admin {
    pp_kafka_client client;
    pp_kafka_listed_topic *topics;
    int64_t topic_count;
    const rd_kafka_metadata_t *listed;   /* NULL = nothing was */
    pinpipe_kafka_partition *partitions; /* of the topic that was described last */
    int64_t partition_count;
    rd_kafka_event_t *described; /* which the configs are borrowed from */
    const rd_kafka_ConfigEntry_t **configs;
    int64_t config_count;
};

/** A request's options, with what is left until the deadline. */
rd_kafka_AdminOptions_t *pp_kafka_admin_request(const pinpipe_kafka_admin *admin, rd_kafka_admin_op_t kind,
                                                int64_t deadline_ms);

/** Waits for the answer about `name`. Errors: the broker's, ETIMEOUT, ENET, EAUTH. */
pinpipe_status pp_kafka_admin_wait(rd_kafka_event_t **out, pinpipe_kafka_admin *admin,
                                   rd_kafka_queue_t *queue, const char *name, int64_t deadline_ms,
                                   pinpipe_error *err);

/** The whole cluster's metadata: a question for one topic could create it. Errors: ENET, EAUTH, ETIMEOUT. */
pinpipe_status pp_kafka_admin_metadata(const rd_kafka_metadata_t **out, pinpipe_kafka_admin *admin,
                                       const char *what_for, int64_t deadline_ms, pinpipe_error *err);

void pp_kafka_description_clear(pinpipe_kafka_admin *admin);

#endif
