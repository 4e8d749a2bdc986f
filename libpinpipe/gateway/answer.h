/* Turns what became of a request into its answer.
 * Never sends it: that is the HTTP library's.
 * Rules: Confluent REST Proxy API Reference, "API v2". */
#ifndef PP_GATEWAY_ANSWER_H
#define PP_GATEWAY_ANSWER_H

#include "gateway/server.h"

typedef enum pp_gateway_error {
#define PP_GATEWAY_ERROR(name, code, status, retry_after_s, words) PP_GATEWAY_ERROR_##name,
#include "gateway/errors.def"
#undef PP_GATEWAY_ERROR
} pp_gateway_error;

/** Refuses the request as a whole; `says` NULL = the error's own words. */
void pp_gateway_refuse(pp_gateway_request *request, pp_gateway_error error, const char *says);

/** The same with words that are made. */
void pp_gateway_refuse_for(pp_gateway_request *request, pp_gateway_error error, const char *format, ...)
    PP_PRINTF(3, 4);

/** Refuses a request that may not come in, in API Gateway's words, which need no escape in JSON. */
void pp_gateway_forbid(pp_gateway_request *request, const char *says);

/** The error that stands for a record that failed. */
pp_gateway_error pp_gateway_error_of(const pinpipe_error *cause);

/** Answers with what became of `count` records of a batch, from `first`; each has its outcome. */
void pp_gateway_records_answer(pinpipe_gateway *gateway, pp_gateway_request *request,
                               const pinpipe_kafka_delivery *delivery);

/** Answers 200 with what the request's answer holds. */
void pp_gateway_answer(pp_gateway_request *request, const char *content_type);

/** The same with another status than 200. */
void pp_gateway_answer_with(pp_gateway_request *request, int32_t status, const char *content_type);

/** Appends text as the inside of a JSON string; bytes that are not UTF-8 end it. Errors: ENOMEM. */
pinpipe_status pp_gateway_text_append(pinpipe_buf *out, const char *text);

#define PP_GATEWAY_TYPE_V2 "application/vnd.kafka.v2+json"
#define PP_GATEWAY_TYPE_V2_JSON "application/vnd.kafka.json.v2+json"
#define PP_GATEWAY_TYPE_V2_BINARY "application/vnd.kafka.binary.v2+json"
#define PP_GATEWAY_TYPE_TEXT "text/plain; version=0.0.4; charset=utf-8"
#define PP_GATEWAY_TYPE_HTML "text/html; charset=utf-8"
#define PP_GATEWAY_TYPE_JSON "application/json"

#endif
