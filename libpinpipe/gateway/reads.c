/* Turns a listing of the cluster's topics into answers to those who only read.
 * Never asks anybody.
 * Rules: Confluent REST Proxy API Reference, "API v2", Topics, Partitions, Brokers. */
#include "gateway/reads.h"

#if PINPIPE_WITH_GATEWAY

#include "base/buffer.h"
#include "gateway/answer.h"
#include "kafka/listing.h"

static const char *comma_before(int64_t index) {
    return index > 0 ? "," : "";
}

/* Names of topics need no escape: Kafka allows none that would. */
static pinpipe_status names_append(pinpipe_buf *out, const pinpipe_kafka_admin *topics) {
    pinpipe_status status = pp_buf_append(out, "[", 1, NULL);
    for (int64_t i = 0; i < pinpipe_kafka_admin_topic_count(topics) && status == PINPIPE_OK; i++) {
        pinpipe_str name = pinpipe_kafka_admin_topic_at(topics, i).name;
        status = pp_buf_printf(out, NULL, "%s\"%.*s\"", comma_before(i), (int)name.len, name.ptr);
    }
    return status < 0 ? status : pp_buf_append(out, "]", 1, NULL);
}

static pinpipe_status brokers_append(pinpipe_buf *out, const pinpipe_kafka_admin *topics) {
    pinpipe_status status = pp_buf_append_text(out, "{\"brokers\":[", NULL);
    for (int64_t i = 0; i < pp_kafka_listed_broker_count(topics) && status == PINPIPE_OK; i++) {
        status =
            pp_buf_printf(out, NULL, "%s%ld", comma_before(i), (long)pp_kafka_listed_broker_at(topics, i));
    }
    return status < 0 ? status : pp_buf_append_text(out, "]}", NULL);
}

static const char *truth(bool is_so) {
    return is_so ? "true" : "false";
}

static pinpipe_status partition_append(pinpipe_buf *out, const pinpipe_kafka_admin *topics, int64_t topic,
                                       int64_t index) {
    pp_kafka_listed_partition partition = pp_kafka_listed_partition_at(topics, topic, index);
    pinpipe_status status = pp_buf_printf(out, NULL, "{\"partition\":%ld,\"leader\":%ld,\"replicas\":[",
                                          (long)partition.number, (long)partition.leader);
    for (int64_t i = 0; i < partition.replica_count && status == PINPIPE_OK; i++) {
        pp_kafka_listed_replica replica = pp_kafka_listed_replica_at(topics, topic, index, i);
        status = pp_buf_printf(out, NULL, "%s{\"broker\":%ld,\"leader\":%s,\"in_sync\":%s}", comma_before(i),
                               (long)replica.broker, truth(replica.is_leader), truth(replica.is_in_sync));
    }
    return status < 0 ? status : pp_buf_append_text(out, "]}", NULL);
}

static pinpipe_status partitions_append(pinpipe_buf *out, const pinpipe_kafka_admin *topics, int64_t topic) {
    int64_t count = pinpipe_kafka_admin_topic_at(topics, topic).partition_count;
    pinpipe_status status = pp_buf_append(out, "[", 1, NULL);
    for (int64_t i = 0; i < count && status == PINPIPE_OK; i++) {
        status = i ? pp_buf_append(out, ",", 1, NULL) : PINPIPE_OK;
        status = status < 0 ? status : partition_append(out, topics, topic, i);
    }
    return status < 0 ? status : pp_buf_append(out, "]", 1, NULL);
}

static pinpipe_status topic_append(pinpipe_buf *out, const pinpipe_kafka_admin *topics, int64_t topic) {
    pinpipe_str name = pinpipe_kafka_admin_topic_at(topics, topic).name;
    pinpipe_status status = pp_buf_printf(
        out, NULL, "{\"name\":\"%.*s\",\"configs\":{},\"partitions\":", (int)name.len, name.ptr);
    status = status < 0 ? status : partitions_append(out, topics, topic);
    return status < 0 ? status : pp_buf_append(out, "}", 1, NULL);
}

static void offsets_answer(const pinpipe_gateway *gateway, pp_gateway_request *request) {
    const pp_gateway_route *route = &request->route;
    pinpipe_str topic = {route->topic, (size_t)route->topic_len};
    pp_gateway_ends ends = pp_gateway_lookout_ends(gateway->lookout, topic, (int32_t)route->partition);
    if (ends.status < 0) {
        pp_gateway_refuse(request, pp_gateway_error_of(&ends.error), ends.error.message);
    } else if (pp_buf_printf(&request->answer, NULL, "{\"beginning_offset\":%lld,\"end_offset\":%lld}",
                             (long long)ends.begin, (long long)ends.end) < 0) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_BUSY, "there is no memory for the answer");
    } else {
        pp_gateway_answer(request, PP_GATEWAY_TYPE_V2);
    }
}

void pp_gateway_read_answer(pinpipe_gateway *gateway, pp_gateway_request *request,
                            const pinpipe_kafka_admin *topics, int64_t at) {
    pinpipe_buf *out = &request->answer;
    pinpipe_status status = PINPIPE_OK;
    const pp_gateway_route *route = &request->route;
    pp_buf_clear(out);
    if (route->resource == PP_GATEWAY_TOPICS) {
        status = names_append(out, topics);
    } else if (route->resource == PP_GATEWAY_BROKERS) {
        status = brokers_append(out, topics);
    } else if (route->resource == PP_GATEWAY_TOPIC) {
        status = topic_append(out, topics, at);
    } else if (route->resource == PP_GATEWAY_PARTITIONS) {
        status = partitions_append(out, topics, at);
    } else if (route->partition >= pinpipe_kafka_admin_topic_at(topics, at).partition_count) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_NO_PARTITION, NULL);
        return;
    } else if (route->resource == PP_GATEWAY_OFFSETS) {
        offsets_answer(gateway, request);
        return;
    } else {
        status = partition_append(out, topics, at, route->partition);
    }
    if (status < 0) {
        pp_gateway_refuse(request, PP_GATEWAY_ERROR_BUSY, "there is no memory for the answer");
    } else {
        pp_gateway_answer(request, PP_GATEWAY_TYPE_V2);
    }
}

#endif
