/* Turns an admin's last listing into partitions, their replicas, and the brokers.
 * Never asks anybody: what was told stays as it was.
 * Rules: Kafka protocol, Metadata. */
#include "kafka/listing.h"

#if PINPIPE_WITH_KAFKA

#include "kafka/admin.h"

static const rd_kafka_metadata_partition_t *partition_of(const pinpipe_kafka_admin *admin, int64_t topic,
                                                         int64_t index) {
    return &admin->topics[topic].told->partitions[index];
}

pp_kafka_listed_partition pp_kafka_listed_partition_at(const pinpipe_kafka_admin *admin, int64_t topic,
                                                       int64_t index) {
    const rd_kafka_metadata_partition_t *told = partition_of(admin, topic, index);
    return (pp_kafka_listed_partition){told->id, told->leader, told->replica_cnt};
}

pp_kafka_listed_replica pp_kafka_listed_replica_at(const pinpipe_kafka_admin *admin, int64_t topic,
                                                   int64_t partition, int64_t index) {
    const rd_kafka_metadata_partition_t *told = partition_of(admin, topic, partition);
    pp_kafka_listed_replica replica = {told->replicas[index], told->replicas[index] == told->leader, false};
    for (int i = 0; i < told->isr_cnt; i++) {
        replica.is_in_sync = replica.is_in_sync || told->isrs[i] == replica.broker;
    }
    return replica;
}

int64_t pp_kafka_listed_broker_count(const pinpipe_kafka_admin *admin) {
    return admin->listed ? admin->listed->broker_cnt : 0;
}

int32_t pp_kafka_listed_broker_at(const pinpipe_kafka_admin *admin, int64_t index) {
    return admin->listed->brokers[index].id;
}

#endif
