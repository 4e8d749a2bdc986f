/* Turns a provider's keys into the tokens of one client, renewed without the client being used.
 * Never outlives its client, and never hands a token or a secret to a log or an error.
 * Rules: docs/kafka.md, "MSK with IAM login"; librdkafka rdkafka.h (OAUTHBEARER). */
#ifndef PP_KAFKA_IAM_H
#define PP_KAFKA_IAM_H

#include <librdkafka/rdkafka.h>

#include "kafka/iam_settings.h"

/** The login of one client. */
typedef struct pp_kafka_iam pp_kafka_iam;

/** Makes the login that the settings ask for; NULL where they ask for none. Errors: as
 * pp_kafka_iam_settings_read. */
pinpipe_status pp_kafka_iam_new(pp_kafka_iam **out, pinpipe_str brokers, const pinpipe_kafka_config *config,
                                pinpipe_error *err);

/** Frees the login, after its client's handle is destroyed; NULL is allowed. */
void pp_kafka_iam_free(pp_kafka_iam *iam);

/** Errors: EINVAL a setting of the caller's that excludes IAM login. */
pinpipe_status pp_kafka_iam_conf_check(const rd_kafka_conf_t *conf, pinpipe_error *err);

/** Before the handle is made: whom librdkafka asks for tokens, by a thread of its own. The conf's opaque is
 * the client. */
void pp_kafka_iam_conf_prepare(rd_kafka_conf_t *conf);

/** Once the handle is made: the first token, and renewal from now on. Waits up to 10 s for a key.
 * Errors: the provider's; EAUTH the token was not taken. */
pinpipe_status pp_kafka_iam_begin(pp_kafka_iam *iam, rd_kafka_t *handle, pinpipe_error *err);

/** On the caller's thread, at every call: renews the key where only callers do, and the token where the clock
 * that it was signed by has turned out to be wrong. */
void pp_kafka_iam_visit(pp_kafka_iam *iam);

/** Tokens that librdkafka took so far; 0 for NULL. */
int64_t pp_kafka_iam_token_count(const pp_kafka_iam *iam);

/** Before the handle is destroyed: new keys are none of its business from now on. */
void pp_kafka_iam_end(pp_kafka_iam *iam);

/** Before a handle is destroyed behind the caller's back: lets go of a provider that belongs to callers. */
void pp_kafka_iam_detach(pp_kafka_iam *iam);

/** Writes what an authentication error means: `reason`, and who asked. False: it is no trouble, because a
 * renewal failed while the last token is still valid. */
bool pp_kafka_iam_explain(char *out, size_t cap, pp_kafka_iam *iam, const char *reason);

#endif
