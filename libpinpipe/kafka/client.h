/* Turns settings into a librdkafka handle, and what librdkafka says into statuses and one line of text.
 * Never outside kafka/: this is the only header that shows librdkafka.
 * Rules: docs/kafka.md; librdkafka INTRODUCTION.md, CONFIGURATION.md. */
#ifndef PP_KAFKA_CLIENT_H
#define PP_KAFKA_CLIENT_H

#include <sys/types.h>

#include <librdkafka/rdkafka.h>

#include "base/error.h"
#include "kafka/config.h"
#include "kafka/iam.h"

#define PP_KAFKA_TEXT_BYTES 256

/** What producer, consumer and admin have in common; their structs begin with it. */
typedef struct pp_kafka_client {
    rd_kafka_t *handle;
    pid_t owner_pid;
    rd_kafka_resp_err_t trouble; /* why brokers cannot be reached or refuse us; 0 = they answer */
    char trouble_text[PP_KAFKA_TEXT_BYTES];
    int64_t trouble_token; /* tokens of the login when that was told: a newer one has not been refused yet */
    int64_t down_since_ms; /* monotonic time at which all brokers were away; 0 = they are not */
    pp_kafka_iam *iam;     /* NULL = no IAM login */
    char *statistics;      /* librdkafka's last document, its memory; NULL = none came */
} pp_kafka_client;

/** One default: a librdkafka property and its value. */
typedef struct pp_kafka_default {
    const char *name;
    const char *value;
} pp_kafka_default;

/** Makes a configuration of the common defaults, then `defaults` (ended by a NULL name), then the caller's
 * settings, then `brokers`; and the client's IAM login where the settings ask for one, which
 * pp_kafka_client_close frees in every outcome. Errors: EINVAL names the setting; as pp_kafka_iam_new;
 * ENOMEM. */
pinpipe_status pp_kafka_conf_new(rd_kafka_conf_t **out, pp_kafka_client *client, pinpipe_str brokers,
                                 const pp_kafka_default *defaults, const pinpipe_kafka_config *config,
                                 pinpipe_error *err);

/** Sets one property. Errors: EINVAL names it, without its value where that is a secret. */
pinpipe_status pp_kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value,
                                 pinpipe_error *err);

/** Makes the handle; takes `conf` in every outcome. Callbacks get `client` as their opaque. Errors: EINVAL;
 * as pp_kafka_iam_begin. */
pinpipe_status pp_kafka_client_open(pp_kafka_client *client, rd_kafka_type_t type, rd_kafka_conf_t *conf,
                                    pinpipe_error *err);

/** Destroys the handle, with `flags` of rd_kafka_destroy_flags, and what belongs to it; each may be missing.
 */
void pp_kafka_client_close(pp_kafka_client *client, int flags);

/** The last statistics; AGAIN where none came. Errors: EINVAL no struct_size; EDATA; EFORK. */
pinpipe_status pp_kafka_statistics_get(pinpipe_kafka_statistics *out, const pp_kafka_client *client,
                                       pinpipe_error *err);

/** What every call begins with. Errors: EFORK in a child of the process that opened the client. */
pinpipe_status pp_kafka_client_check(const pp_kafka_client *client, pinpipe_error *err);

/** True in the process that opened the client. */
bool pp_kafka_client_owned(const pp_kafka_client *client);

/** Forgets the trouble: a broker has answered. */
void pp_kafka_client_answered(pp_kafka_client *client);

/** True when credentials were refused, which no waiting mends. */
bool pp_kafka_client_refused(const pp_kafka_client *client);

/** The error of a deadline that passed while `waiting_for`: the trouble where one is known, else ETIMEOUT. */
pinpipe_status pp_kafka_client_fail(const pp_kafka_client *client, const char *waiting_for,
                                    pinpipe_error *err);

/** The status that stands for a code of librdkafka or of a broker. */
pinpipe_status pp_kafka_status(rd_kafka_resp_err_t code);

/** The error for `code`: "<subject>: <text>"; `text` NULL = librdkafka's own words. */
pinpipe_status pp_kafka_fail(pinpipe_error *err, rd_kafka_resp_err_t code, const char *subject,
                             const char *text);

/** Milliseconds left until `deadline_ms`, at most `most_ms`, at least 0, as librdkafka's int. */
int pp_kafka_wait_ms(int64_t deadline_ms, int64_t most_ms);

/** The monotonic time `timeout_ms` from now; a negative timeout counts as 0. */
int64_t pp_kafka_deadline_ms(int64_t timeout_ms);

#endif
