/* Turns librdkafka's mock cluster into an embedded broker of this process.
 * Never listens beyond the loopback address; never keeps a record on disk.
 * Rules: docs/kafka.md, "The embedded cluster"; librdkafka rdkafka_mock.h. */
#include "pinpipe/kafka.h"

#if PINPIPE_WITH_KAFKA

#include "kafka/client.h"

#include <assert.h>
#include <string.h>

#include <librdkafka/rdkafka_mock.h>

#include "base/memory.h"

#define BROKERS_MAX 16
#define TOPIC_NAME_BYTES_MAX 249

struct pinpipe_kafka_mock {
    pp_kafka_client client; /* librdkafka hangs a cluster on some client; this one does nothing else */
    rd_kafka_mock_cluster_t *cluster;
};

pinpipe_status pinpipe_kafka_mock_new(pinpipe_kafka_mock **out, int64_t broker_count, pinpipe_error *err) {
    *out = NULL;
    if (broker_count < 1 || broker_count > BROKERS_MAX) {
        return pp_fail(err, PINPIPE_EINVAL, "%lld mock brokers: a cluster has 1 to %d",
                       (long long)broker_count, BROKERS_MAX);
    }
    pinpipe_kafka_mock *mock = pp_alloc_zero(sizeof *mock);
    if (!mock) {
        return pp_fail_memory(err, "a mock cluster", sizeof *mock);
    }
    pinpipe_status status = pp_kafka_client_open(&mock->client, RD_KAFKA_PRODUCER, rd_kafka_conf_new(), err);
    if (status == PINPIPE_OK) {
        mock->cluster = rd_kafka_mock_cluster_new(mock->client.handle, (int)broker_count);
    }
    if (status == PINPIPE_OK && !mock->cluster) {
        status = pp_fail_service(err, PINPIPE_EREFUSED, "kafka", 0,
                                 "a mock cluster of %lld brokers did not start", (long long)broker_count);
    }
    if (status < 0) {
        pinpipe_kafka_mock_free(mock);
        return status;
    }
    *out = mock;
    return PINPIPE_OK;
}

void pinpipe_kafka_mock_free(pinpipe_kafka_mock *mock) {
    if (!mock || !pp_kafka_client_owned(&mock->client)) {
        return;
    }
    if (mock->cluster) {
        rd_kafka_mock_cluster_destroy(mock->cluster);
    }
    if (mock->client.handle) {
        rd_kafka_destroy(mock->client.handle);
    }
    pp_free(mock);
}

pinpipe_str pinpipe_kafka_mock_brokers(const pinpipe_kafka_mock *mock) {
    const char *brokers = rd_kafka_mock_cluster_bootstraps(mock->cluster);
    return (pinpipe_str){brokers, strlen(brokers)};
}

pinpipe_status pinpipe_kafka_mock_topic_create(pinpipe_kafka_mock *mock,
                                               const pinpipe_kafka_topic_options *topic, pinpipe_error *err) {
    pinpipe_status status = pp_kafka_client_check(&mock->client, err);
    if (status < 0) {
        return status;
    }
    if (!topic || topic->struct_size < sizeof *topic || topic->name.len == 0 ||
        topic->name.len > TOPIC_NAME_BYTES_MAX) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "a topic's options lack their struct_size or its name has not 1 to %d bytes",
                       TOPIC_NAME_BYTES_MAX);
    }
    char name[TOPIC_NAME_BYTES_MAX + 1] = "";
    memcpy(name, topic->name.ptr, topic->name.len);
    int32_t partitions = topic->partition_count ? topic->partition_count : 1;
    int32_t replicas = topic->replication_count ? topic->replication_count : 1;
    rd_kafka_resp_err_t code = rd_kafka_mock_topic_create(mock->cluster, name, partitions, replicas);
    return code ? pp_kafka_fail(err, code, name, NULL) : PINPIPE_OK;
}

#endif
