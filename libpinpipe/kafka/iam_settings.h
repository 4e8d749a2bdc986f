/* Turns settings, Java's names among them, into what a client has to know for MSK's IAM login.
 * Never knows librdkafka, and asks nobody for a key.
 * Rules: docs/kafka.md, "MSK with IAM login"; aws-msk-iam-auth's README (IAMLoginModule's options). */
#ifndef PP_KAFKA_IAM_SETTINGS_H
#define PP_KAFKA_IAM_SETTINGS_H

#include "kafka/config.h"
#include "pinpipe/provider.h"

/** What was asked for. Starts zeroed. */
typedef struct pp_kafka_iam_settings {
    bool wanted;
    pinpipe_provider *provider; /* shared: freed by _reset */
    char *region;               /* the cluster's */
    char *sign_host;            /* "" = the region's */
    int64_t expires_s;
} pp_kafka_iam_settings;

/** Reads the settings, and the region from `brokers` where no setting has one; makes the provider where none
 * was given. Errors: EINVAL names what does not fit together; EAUTH, … as pinpipe_provider_new; ENOMEM. */
pinpipe_status pp_kafka_iam_settings_read(pp_kafka_iam_settings *out, pinpipe_str brokers,
                                          const pinpipe_kafka_config *config, pinpipe_error *err);

void pp_kafka_iam_settings_reset(pp_kafka_iam_settings *settings);

/** True for a setting by which Java's clients are told of IAM login: librdkafka must not get it. */
bool pp_kafka_iam_is_javas(const char *name, const char *value);

/** The region in a cluster's broker names ("….kafka.<region>.amazonaws.com:9098"), borrowed; else empty. */
pinpipe_str pp_kafka_brokers_region(pinpipe_str brokers);

#endif
