/* Turns a listing of the cluster's topics into answers to those who only read.
 * Never says more than the listing does.
 * Rules: Confluent REST Proxy API Reference, "API v2", Topics, Partitions, Brokers. */
#ifndef PP_GATEWAY_READS_H
#define PP_GATEWAY_READS_H

#include "gateway/server.h"

/** Answers a read; `at` is the topic's place in the listing, where the request names one. */
void pp_gateway_read_answer(pinpipe_gateway *gateway, pp_gateway_request *request,
                            const pinpipe_kafka_admin *topics, int64_t at);

#endif
