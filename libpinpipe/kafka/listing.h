/* Turns an admin's last listing into partitions, their replicas, and the brokers.
 * Never shows librdkafka, never asks anybody.
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

int64_t pp_kafka_listed_broker_count(const pinpipe_kafka_admin *admin);
int32_t pp_kafka_listed_broker_at(const pinpipe_kafka_admin *admin, int64_t index);

#endif
