/* Turns an admin's last listing into partitions, their replicas, and the brokers.
 * Never shows librdkafka, never asks anybody but for the ends of a partition.
 * Rules: Kafka protocol, Metadata. */
#ifndef PP_KAFKA_LISTING_H
#define PP_KAFKA_LISTING_H

#include <stdbool.h>

#include "pinpipe/kafka.h"

typedef struct pp_kafka_listed_partition {
    int32_t number;
    int32_t leader; /* a broker; -1 = none now */
    int64_t replica_count;
} pp_kafka_listed_partition;

typedef struct pp_kafka_listed_replica {
    int32_t broker;
    bool is_leader, is_in_sync;
} pp_kafka_listed_replica;

/** Of the topic at `topic` of the listing, from 0 to its count of partitions - 1. */
pp_kafka_listed_partition pp_kafka_listed_partition_at(const pinpipe_kafka_admin *admin, int64_t topic,
                                                       int64_t index);
pp_kafka_listed_replica pp_kafka_listed_replica_at(const pinpipe_kafka_admin *admin, int64_t topic,
                                                   int64_t partition, int64_t index);

/** The place of a topic in the listing, which is in the order of the names; -1 = it is not there. */
int64_t pp_kafka_listed_find(const pinpipe_kafka_admin *topics, pinpipe_str name);

/** The first offset that a partition has, and the one that its next record gets. Errors: ENOTFOUND; ENET,
 * EAUTH, ETIMEOUT. */
pinpipe_status pp_kafka_admin_ends(int64_t *begin, int64_t *end, pinpipe_kafka_admin *admin,
                                   pinpipe_str topic, int32_t partition, int64_t timeout_ms,
                                   pinpipe_error *err);

int64_t pp_kafka_listed_broker_count(const pinpipe_kafka_admin *admin);
int32_t pp_kafka_listed_broker_at(const pinpipe_kafka_admin *admin, int64_t index);

#endif
