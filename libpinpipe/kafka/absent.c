/* Turns every Kafka call of a build without Kafka into ENOTSUP.
 * Never compiled beside the real client.
 * Rules: docs/kafka.md, "Builds without Kafka". */
#include "pinpipe/kafka_batch.h"

#if !PINPIPE_WITH_KAFKA

#include "base/error.h"

static pinpipe_status absent(pinpipe_error *err) {
    return pp_fail(err, PINPIPE_ENOTSUP, "this build has no Kafka client (PINPIPE_WITH_KAFKA is off)");
}

pinpipe_status pinpipe_kafka_producer_new(pinpipe_kafka_producer **out, pinpipe_str brokers,
                                          const pinpipe_kafka_config *config, pinpipe_error *err) {
    *out = NULL;
    (void)brokers;
    (void)config;
    return absent(err);
}

void pinpipe_kafka_producer_free(pinpipe_kafka_producer *producer) {
    (void)producer;
}

pinpipe_status pinpipe_kafka_producer_write(pinpipe_kafka_producer *producer,
                                            const pinpipe_kafka_record *record, int64_t timeout_ms,
                                            pinpipe_error *err) {
    (void)producer;
    (void)record;
    (void)timeout_ms;
    return absent(err);
}

pinpipe_status pinpipe_kafka_producer_flush(pinpipe_kafka_producer *producer, int64_t timeout_ms,
                                            pinpipe_error *err) {
    (void)producer;
    (void)timeout_ms;
    return absent(err);
}

pinpipe_status pinpipe_kafka_producer_poll(pinpipe_kafka_producer *producer, pinpipe_error *err) {
    (void)producer;
    return absent(err);
}

int64_t pinpipe_kafka_producer_written_count(const pinpipe_kafka_producer *producer) {
    (void)producer;
    return 0;
}

int64_t pinpipe_kafka_producer_delivered_count(const pinpipe_kafka_producer *producer) {
    (void)producer;
    return 0;
}

int64_t pinpipe_kafka_producer_failed_count(const pinpipe_kafka_producer *producer) {
    (void)producer;
    return 0;
}

pinpipe_status pinpipe_kafka_consumer_new(pinpipe_kafka_consumer **out,
                                          const pinpipe_kafka_consumer_options *options,
                                          const pinpipe_kafka_config *config, pinpipe_error *err) {
    *out = NULL;
    (void)options;
    (void)config;
    return absent(err);
}

void pinpipe_kafka_consumer_free(pinpipe_kafka_consumer *consumer) {
    (void)consumer;
}

pinpipe_status pinpipe_kafka_consumer_poll(pinpipe_kafka_batch *out, pinpipe_kafka_consumer *consumer,
                                           int64_t timeout_ms, pinpipe_error *err) {
    (void)out;
    (void)consumer;
    (void)timeout_ms;
    return absent(err);
}

int64_t pinpipe_kafka_message_header_count(const pinpipe_kafka_message *message) {
    (void)message;
    return 0;
}

pinpipe_kafka_header pinpipe_kafka_message_header_at(const pinpipe_kafka_message *message, int64_t index) {
    (void)message;
    (void)index;
    return (pinpipe_kafka_header){{NULL, 0}, {NULL, 0}};
}

int64_t pinpipe_kafka_consumer_generation(const pinpipe_kafka_consumer *consumer) {
    (void)consumer;
    return 0;
}

pinpipe_status pinpipe_kafka_consumer_commit(pinpipe_kafka_consumer *consumer,
                                             const pinpipe_kafka_offset *offsets, int64_t count,
                                             int64_t timeout_ms, pinpipe_error *err) {
    (void)consumer;
    (void)offsets;
    (void)count;
    (void)timeout_ms;
    return absent(err);
}

pinpipe_status pinpipe_kafka_consumer_seek(pinpipe_kafka_consumer *consumer,
                                           const pinpipe_kafka_offset *offsets, int64_t count,
                                           int64_t timeout_ms, pinpipe_error *err) {
    (void)consumer, (void)offsets, (void)count, (void)timeout_ms;
    return absent(err);
}

pinpipe_status pinpipe_kafka_consumer_assigned(const pinpipe_kafka_offset **out, int64_t *count,
                                               pinpipe_kafka_consumer *consumer, pinpipe_error *err) {
    *out = NULL;
    *count = 0;
    (void)consumer;
    return absent(err);
}

pinpipe_status pinpipe_kafka_consumer_pause(pinpipe_kafka_consumer *consumer,
                                            const pinpipe_kafka_offset *offsets, int64_t count,
                                            int64_t timeout_ms, pinpipe_error *err) {
    (void)consumer, (void)offsets, (void)count, (void)timeout_ms;
    return absent(err);
}

pinpipe_status pinpipe_kafka_consumer_resume(pinpipe_kafka_consumer *consumer,
                                             const pinpipe_kafka_offset *offsets, int64_t count,
                                             pinpipe_error *err) {
    (void)consumer, (void)offsets, (void)count;
    return absent(err);
}

pinpipe_status pinpipe_kafka_consumer_committed(pinpipe_kafka_offset *offsets, int64_t count,
                                                pinpipe_kafka_consumer *consumer, int64_t timeout_ms,
                                                pinpipe_error *err) {
    (void)offsets;
    (void)count;
    (void)consumer;
    (void)timeout_ms;
    return absent(err);
}

pinpipe_status pinpipe_kafka_admin_new(pinpipe_kafka_admin **out, pinpipe_str brokers,
                                       const pinpipe_kafka_config *config, pinpipe_error *err) {
    *out = NULL;
    (void)brokers;
    (void)config;
    return absent(err);
}

void pinpipe_kafka_admin_free(pinpipe_kafka_admin *admin) {
    (void)admin;
}

pinpipe_status pinpipe_kafka_admin_topic_create(pinpipe_kafka_admin *admin,
                                                const pinpipe_kafka_topic_options *topic, int64_t timeout_ms,
                                                pinpipe_error *err) {
    (void)admin;
    (void)topic;
    (void)timeout_ms;
    return absent(err);
}

pinpipe_status pinpipe_kafka_admin_list(pinpipe_kafka_admin *admin, int64_t timeout_ms, pinpipe_error *err) {
    (void)admin;
    (void)timeout_ms;
    return absent(err);
}

int64_t pinpipe_kafka_admin_topic_count(const pinpipe_kafka_admin *admin) {
    (void)admin;
    return 0;
}

pinpipe_kafka_topic pinpipe_kafka_admin_topic_at(const pinpipe_kafka_admin *admin, int64_t index) {
    (void)admin;
    (void)index;
    return (pinpipe_kafka_topic){{NULL, 0}, 0};
}

pinpipe_status pinpipe_kafka_mock_new(pinpipe_kafka_mock **out, int64_t broker_count, pinpipe_error *err) {
    *out = NULL;
    (void)broker_count;
    return absent(err);
}

void pinpipe_kafka_mock_free(pinpipe_kafka_mock *mock) {
    (void)mock;
}

pinpipe_str pinpipe_kafka_mock_brokers(const pinpipe_kafka_mock *mock) {
    (void)mock;
    return (pinpipe_str){NULL, 0};
}

pinpipe_status pinpipe_kafka_mock_topic_create(pinpipe_kafka_mock *mock,
                                               const pinpipe_kafka_topic_options *topic, pinpipe_error *err) {
    (void)mock;
    (void)topic;
    return absent(err);
}

pinpipe_status pinpipe_kafka_producer_clear(int64_t *dropped_count, pinpipe_kafka_producer *producer,
                                            pinpipe_error *err) {
    *dropped_count = 0;
    (void)producer;
    return absent(err);
}

int64_t pinpipe_kafka_producer_recovery_count(const pinpipe_kafka_producer *producer) {
    (void)producer;
    return 0;
}

pinpipe_status pinpipe_kafka_admin_topic_delete(pinpipe_kafka_admin *admin, pinpipe_str name,
                                                int64_t timeout_ms, pinpipe_error *err) {
    (void)admin;
    (void)name;
    (void)timeout_ms;
    return absent(err);
}

pinpipe_status pinpipe_kafka_admin_topic_describe(pinpipe_kafka_admin *admin, pinpipe_str name,
                                                  int64_t timeout_ms, pinpipe_error *err) {
    (void)admin;
    (void)name;
    (void)timeout_ms;
    return absent(err);
}

int64_t pinpipe_kafka_admin_partition_count(const pinpipe_kafka_admin *admin) {
    (void)admin;
    return 0;
}

pinpipe_kafka_partition pinpipe_kafka_admin_partition_at(const pinpipe_kafka_admin *admin, int64_t index) {
    (void)admin;
    (void)index;
    return (pinpipe_kafka_partition){0};
}

int64_t pinpipe_kafka_admin_config_count(const pinpipe_kafka_admin *admin) {
    (void)admin;
    return 0;
}

pinpipe_kafka_topic_config pinpipe_kafka_admin_config_at(const pinpipe_kafka_admin *admin, int64_t index) {
    (void)admin;
    (void)index;
    return (pinpipe_kafka_topic_config){0};
}

pinpipe_status pinpipe_kafka_delivery_new(pinpipe_kafka_delivery **out, const pinpipe_kafka_columns *columns,
                                          pinpipe_error *err) {
    *out = NULL;
    (void)columns;
    return absent(err);
}

void pinpipe_kafka_delivery_free(pinpipe_kafka_delivery *delivery) {
    (void)delivery;
}

pinpipe_status pinpipe_kafka_producer_write_batch(pinpipe_kafka_producer *producer,
                                                  pinpipe_kafka_delivery *delivery, int64_t timeout_ms,
                                                  pinpipe_error *err) {
    (void)producer;
    (void)delivery;
    (void)timeout_ms;
    return absent(err);
}

pinpipe_status pinpipe_kafka_producer_wait_batch(pinpipe_kafka_producer *producer,
                                                 pinpipe_kafka_delivery *delivery, int64_t timeout_ms,
                                                 pinpipe_error *err) {
    (void)producer;
    (void)delivery;
    (void)timeout_ms;
    return absent(err);
}

int64_t pinpipe_kafka_delivery_count(const pinpipe_kafka_delivery *delivery) {
    (void)delivery;
    return 0;
}

int64_t pinpipe_kafka_delivery_queued_count(const pinpipe_kafka_delivery *delivery) {
    (void)delivery;
    return 0;
}

int64_t pinpipe_kafka_delivery_delivered_count(const pinpipe_kafka_delivery *delivery) {
    (void)delivery;
    return 0;
}

int64_t pinpipe_kafka_delivery_failed_count(const pinpipe_kafka_delivery *delivery) {
    (void)delivery;
    return 0;
}

pinpipe_status pinpipe_kafka_delivery_at(const pinpipe_kafka_delivery *delivery, int64_t index,
                                         pinpipe_error *err) {
    (void)delivery;
    (void)index;
    return absent(err);
}

const uint8_t *pinpipe_kafka_delivery_outcomes(const pinpipe_kafka_delivery *delivery) {
    (void)delivery;
    return NULL;
}

const int32_t *pinpipe_kafka_delivery_partitions(const pinpipe_kafka_delivery *delivery) {
    (void)delivery;
    return NULL;
}

const int64_t *pinpipe_kafka_delivery_offsets(const pinpipe_kafka_delivery *delivery) {
    (void)delivery;
    return NULL;
}

const int16_t *pinpipe_kafka_delivery_errors(const pinpipe_kafka_delivery *delivery) {
    (void)delivery;
    return NULL;
}

pinpipe_status pinpipe_kafka_records_new(pinpipe_kafka_records **out, pinpipe_error *err) {
    *out = NULL;
    return absent(err);
}

void pinpipe_kafka_records_free(pinpipe_kafka_records *records) {
    (void)records;
}

pinpipe_status pinpipe_kafka_consumer_read(pinpipe_kafka_records *records, pinpipe_kafka_consumer *consumer,
                                           const pinpipe_kafka_read_options *options, int64_t timeout_ms,
                                           pinpipe_error *err) {
    (void)records;
    (void)consumer;
    (void)options;
    (void)timeout_ms;
    return absent(err);
}

pinpipe_status pinpipe_kafka_records_get(pinpipe_kafka_records_view *out,
                                         const pinpipe_kafka_records *records, pinpipe_error *err) {
    (void)out;
    (void)records;
    return absent(err);
}

pinpipe_status pinpipe_kafka_consumer_commit_records(pinpipe_kafka_consumer *consumer,
                                                     const pinpipe_kafka_records *records, int64_t timeout_ms,
                                                     pinpipe_error *err) {
    (void)consumer, (void)records, (void)timeout_ms;
    return absent(err);
}

pinpipe_status pinpipe_kafka_records_export(struct ArrowArray *out, struct ArrowSchema *schema,
                                            pinpipe_kafka_records *records, pinpipe_error *err) {
    (void)out;
    (void)schema;
    (void)records;
    return absent(err);
}

pinpipe_status pinpipe_kafka_producer_statistics(pinpipe_kafka_statistics *out,
                                                 const pinpipe_kafka_producer *producer, pinpipe_error *err) {
    (void)out;
    (void)producer;
    return absent(err);
}

pinpipe_status pinpipe_kafka_consumer_statistics(pinpipe_kafka_statistics *out,
                                                 const pinpipe_kafka_consumer *consumer, pinpipe_error *err) {
    (void)out;
    (void)consumer;
    return absent(err);
}

#endif
