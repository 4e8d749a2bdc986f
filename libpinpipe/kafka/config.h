/* Turns name and value pairs into a set of settings that outlives the call that gave them.
 * Never knows librdkafka: pipeline/ reads settings here too.
 * Rules: docs/kafka.md, "Settings". */
#ifndef PP_KAFKA_CONFIG_H
#define PP_KAFKA_CONFIG_H

#include "base/error.h"
#include "pinpipe/kafka.h"

#define PP_KAFKA_SETTINGS_MAX 256
#define PP_KAFKA_NAME_BYTES_MAX 255
#define PP_KAFKA_VALUE_BYTES_MAX (1 << 16)
/* What the signer takes as a token's expiry. */
#define PP_KAFKA_TOKEN_MIN_S 60
#define PP_KAFKA_TOKEN_MAX_S 43200

/** What pinpipe_kafka_config_iam_set was told; a text is NULL where there is none. */
typedef struct pp_kafka_iam_choice {
    pinpipe_provider *provider; /* NULL = the default chain */
    char *region;
    char *sign_host;
    int64_t expires_s;
} pp_kafka_iam_choice;

/** The choice, borrowed; NULL where IAM login was not asked for by that call. */
const pp_kafka_iam_choice *pp_kafka_config_iam(const pinpipe_kafka_config *config);

/** Settings of `config`; 0 for NULL. */
int64_t pp_kafka_config_count(const pinpipe_kafka_config *config);
const char *pp_kafka_config_name_at(const pinpipe_kafka_config *config, int64_t index);
const char *pp_kafka_config_value_at(const pinpipe_kafka_config *config, int64_t index);

/** The value set for `name`, or NULL. */
const char *pp_kafka_config_value(const pinpipe_kafka_config *config, const char *name);

/** The first librdkafka that has a setting (`value` NULL), or that survives a value of it, such as "2.2.0";
 * NULL where 2.0.2 does, or none up to 2.15. */
const char *pp_kafka_setting_since(const char *name, const char *value);

/** True for the settings whose values must not be quoted anywhere. */
bool pp_kafka_setting_secret(const char *name);

/** Sets all of `from` in `to`, the choice of IAM too; nothing for NULL. Errors: as the settings' own. */
pinpipe_status pp_kafka_config_copy(pinpipe_kafka_config *to, const pinpipe_kafka_config *from,
                                    pinpipe_error *err);

#endif
