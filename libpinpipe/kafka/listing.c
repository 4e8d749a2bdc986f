/* Turns an admin's last listing into partitions, their replicas, and the brokers.
 * Never changes what was told: only the ends of partitions are asked for.
 * Rules: Kafka protocol, Metadata. */
#include "kafka/listing.h"

#if PINPIPE_WITH_KAFKA

#include <string.h>

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

int64_t pp_kafka_listed_find(const pinpipe_kafka_admin *topics, pinpipe_str name) {
    int64_t low = 0, high = pinpipe_kafka_admin_topic_count(topics);
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        pinpipe_str at = pinpipe_kafka_admin_topic_at(topics, middle).name;
        size_t len = at.len < name.len ? at.len : name.len;
        int order = len ? memcmp(at.ptr, name.ptr, len) : 0;
        order = order ? order : (at.len > name.len) - (at.len < name.len);
        if (order == 0) {
            return middle;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return -1;
}

int64_t pp_kafka_listed_broker_count(const pinpipe_kafka_admin *admin) {
    return admin->listed ? admin->listed->broker_cnt : 0;
}

int32_t pp_kafka_listed_broker_at(const pinpipe_kafka_admin *admin, int64_t index) {
    return admin->listed->brokers[index].id;
}

pinpipe_status pp_kafka_admin_ends(int64_t *begin, int64_t *end, pinpipe_kafka_admin *admin,
                                   pinpipe_str topic, int32_t partition, int64_t timeout_ms,
                                   pinpipe_error *err) {
    char name[PP_KAFKA_TOPIC_BYTES_MAX + 1] = "";
    pinpipe_status status = pp_kafka_client_check(&admin->client, err);
    if (status == PINPIPE_OK && topic.len <= PP_KAFKA_TOPIC_BYTES_MAX) {
        memcpy(name, topic.ptr, topic.len);
        rd_kafka_resp_err_t code =
            rd_kafka_query_watermark_offsets(admin->client.handle, name, partition, begin, end,
                                             pp_kafka_wait_ms(pp_kafka_deadline_ms(timeout_ms), INT64_MAX));
        status = code ? pp_kafka_fail(err, code, "asking for a partition's ends", NULL) : PINPIPE_OK;
    }
    return status;
}

#endif
