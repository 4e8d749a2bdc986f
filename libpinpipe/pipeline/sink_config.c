/* Turns the settings of a Confluent S3 sink connector into the sink's options.
 * Never passes over a name in silence: what is not supported is an error that says what to do.
 * Rules: sink_config.def. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "kafka/config.h"
#include "pinpipe/sink.h"
#include "text/number.h"

#define VALUES_TEXT_BYTES 512

typedef enum setting_kind {
    KIND_TEXT,
    KIND_COUNT,
    KIND_NUMBER,
    KIND_CHOICE,
    KIND_S3_TEXT,
    KIND_S3_COUNT,
    KIND_S3_CHOICE,
    KIND_PART,
    KIND_SETTINGS,
    KIND_NONE,
    KIND_REFUSED,
} setting_kind;

typedef struct setting_row {
    const char *name;
    setting_kind kind;
    size_t member;
    const char *text;
} setting_row;

#define MEMBER_TEXT(member) offsetof(pinpipe_sink_options, member)
#define MEMBER_COUNT(member) offsetof(pinpipe_sink_options, member)
#define MEMBER_NUMBER(member) offsetof(pinpipe_sink_options, member)
#define MEMBER_CHOICE(member) offsetof(pinpipe_sink_options, member)
#define MEMBER_PART(member) offsetof(pinpipe_sink_options, member)
#define MEMBER_NONE(member) offsetof(pinpipe_sink_options, member)
#define MEMBER_REFUSED(member) offsetof(pinpipe_sink_options, member)
#define MEMBER_S3_TEXT(member) offsetof(pinpipe_s3_options, member)
#define MEMBER_S3_COUNT(member) offsetof(pinpipe_s3_options, member)
#define MEMBER_S3_CHOICE(member) offsetof(pinpipe_s3_options, member)

static const setting_row rows[] = {
#define SETTING(name, kind, member, text) {name, KIND_##kind, MEMBER_##kind(member), text},
#include "pipeline/sink_config.def"
};

static const setting_row prefixes[] = {
#define PREFIX(name, kind, text) {name, KIND_##kind, 0, text},
#include "pipeline/sink_config.def"
};

static const struct {
    const char *name, *value;
    int32_t number;
} values[] = {
#define VALUE(name, value, number) {name, value, number},
#include "pipeline/sink_config.def"
};

#define ROW_COUNT (sizeof rows / sizeof rows[0])
#define VALUE_COUNT (sizeof values / sizeof values[0])

struct pinpipe_sink_config {
    pinpipe_kafka_config *given;    /* names and values as they came */
    pinpipe_kafka_config *consumer; /* what consumer.override. held */
    pinpipe_buf topics, target, group;
};

pinpipe_status pinpipe_sink_config_new(pinpipe_sink_config **out, pinpipe_error *err) {
    *out = NULL;
    pinpipe_sink_config *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "a sink's settings", sizeof *made);
    }
    pinpipe_status status = pinpipe_kafka_config_new(&made->given, err);
    if (status == PINPIPE_OK) {
        status = pinpipe_kafka_config_new(&made->consumer, err);
    }
    if (status < 0) {
        pinpipe_sink_config_free(made);
        return status;
    }
    *out = made;
    return PINPIPE_OK;
}

void pinpipe_sink_config_free(pinpipe_sink_config *config) {
    if (config) {
        pinpipe_kafka_config_free(config->given);
        pinpipe_kafka_config_free(config->consumer);
        pinpipe_buf_reset(&config->topics);
        pinpipe_buf_reset(&config->target);
        pinpipe_buf_reset(&config->group);
        pp_free(config);
    }
}

pinpipe_status pinpipe_sink_config_set(pinpipe_sink_config *config, pinpipe_str name, pinpipe_str value,
                                       pinpipe_error *err) {
    return pinpipe_kafka_config_set(config->given, name, value, err);
}

pinpipe_status pinpipe_sink_config_decode(pinpipe_sink_config *config, pinpipe_str text, pinpipe_error *err) {
    return pinpipe_kafka_config_decode(config->given, text, err);
}

int64_t pinpipe_sink_setting_count(void) {
    return ROW_COUNT;
}

pinpipe_sink_setting pinpipe_sink_setting_at(int64_t index) {
    static const char *const kinds[] = {[KIND_NONE] = "accepted", [KIND_REFUSED] = "refused"};
    const setting_row *row = &rows[index];
    const char *kind = kinds[row->kind < KIND_NONE ? KIND_NONE : row->kind];
    return (pinpipe_sink_setting){pp_str(row->name), pp_str(row->kind < KIND_NONE ? "supported" : kind),
                                  pp_str(row->text)};
}

/* ---- one setting ---- */

static const setting_row *row_find(const char *name) {
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return &rows[i];
        }
    }
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (strncmp(prefixes[i].name, name, strlen(prefixes[i].name)) == 0) {
            return &prefixes[i];
        }
    }
    return NULL;
}

static pinpipe_status choice_take(int32_t *out, const setting_row *row, const char *value,
                                  pinpipe_error *err) {
    char text[VALUES_TEXT_BYTES] = "";
    size_t len = 0;
    for (size_t i = 0; i < VALUE_COUNT; i++) {
        if (strcmp(values[i].name, row->name) != 0) {
            continue;
        }
        if (strcmp(values[i].value, value) == 0) {
            *out = values[i].number;
            return PINPIPE_OK;
        }
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", len ? ", " : "", values[i].value);
        len = len < sizeof text ? len : sizeof text - 1;
    }
    return pp_fail(err, PINPIPE_EINVAL, "%s '%.*s' is not supported, only %s: %s", row->name,
                   pp_quote_len(strlen(value)), value, text, row->text);
}

static pinpipe_status number_take(int64_t *out, const setting_row *row, const char *value,
                                  pinpipe_error *err) {
    if (pp_number_i64(out, pp_str(value)) == PP_NUMBER_OK && *out >= -1) {
        *out = *out < 0 ? 0 : *out; /* the connector's way to say: none, the default */
        return PINPIPE_OK;
    }
    return pp_fail(err, PINPIPE_EINVAL, "%s '%.*s' is no number from -1 on", row->name,
                   pp_quote_len(strlen(value)), value);
}

static pinpipe_status setting_apply(char *options, const setting_row *row, const char *value,
                                    pinpipe_error *err) {
    char *member = options + row->member;
    int64_t number = 0;
    int32_t choice = 0;
    pinpipe_str text = pp_str(value);
    pinpipe_status status = PINPIPE_OK;
    if (row->kind == KIND_TEXT || row->kind == KIND_S3_TEXT) {
        memcpy(member, &text, sizeof text);
    } else if (row->kind == KIND_CHOICE || row->kind == KIND_S3_CHOICE) {
        status = choice_take(&choice, row, value, err);
        if (status == PINPIPE_OK && row->member) {
            memcpy(member, &choice, sizeof choice);
        }
    } else {
        status = number_take(&number, row, value, err);
        if (status == PINPIPE_OK && row->kind == KIND_NUMBER) {
            choice = number > INT32_MAX ? INT32_MAX : (int32_t)number;
            memcpy(member, &choice, sizeof choice);
        } else if (status == PINPIPE_OK) {
            memcpy(member, &number, sizeof number);
        }
    }
    return status;
}

/* Names parted by commas as an expression: what means something in one is taken literally. */
static pinpipe_status names_write(pinpipe_buf *out, const char *names, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    pp_buf_clear(out);
    for (const char *at = names; *at && status == PINPIPE_OK; at++) {
        if (*at == ',') {
            status = pp_buf_append_text(out, "|", err);
        } else if (*at != ' ') {
            status = pp_buf_printf(out, err, strchr(".\\[]()*+?{}^$|", *at) ? "\\%c" : "%c", *at);
        }
    }
    return status;
}

static pinpipe_status part_apply(pinpipe_sink_options *out, pinpipe_sink_config *config,
                                 const setting_row *row, const char *value, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    if (strcmp(row->name, "topics") == 0) {
        status = names_write(&config->topics, value, err);
        out->topics = pp_buf_view(&config->topics);
    } else if (strcmp(row->name, "name") == 0) {
        pp_buf_clear(&config->group);
        status = pp_buf_printf(&config->group, err, "connect-%s", value);
        out->group = pp_buf_view(&config->group);
    } else {
        pp_buf_clear(&config->target);
        status = pp_buf_printf(&config->target, err, "s3://%s", value);
        out->target = pp_buf_view(&config->target);
    }
    return status;
}

static pinpipe_status one_apply(pinpipe_sink_options *out, pinpipe_s3_options *s3,
                                pinpipe_sink_config *config, int64_t index, pinpipe_error *err) {
    const char *name = pp_kafka_config_name_at(config->given, index);
    const char *value = pp_kafka_config_value_at(config->given, index);
    const setting_row *row = row_find(name);
    if (!row) {
        return pp_fail(
            err, PINPIPE_EINVAL,
            "'%.*s' is no setting of the S3 sink connector; librdkafka's are named consumer.override.…",
            pp_quote_len(strlen(name)), name);
    }
    switch (row->kind) {
    case KIND_NONE:
        return PINPIPE_OK;
    case KIND_REFUSED:
        return pp_fail(err, PINPIPE_ENOTSUP, "%.*s is not supported: %s", pp_quote_len(strlen(name)), name,
                       row->text);
    case KIND_SETTINGS:
        return pinpipe_kafka_config_set(config->consumer, pp_str(name + strlen(row->name)), pp_str(value),
                                        err);
    case KIND_PART:
        return part_apply(out, config, row, value, err);
    case KIND_S3_TEXT:
    case KIND_S3_COUNT:
    case KIND_S3_CHOICE:
        return setting_apply((char *)s3, row, value, err);
    default:
        return setting_apply((char *)out, row, value, err);
    }
}

pinpipe_status pinpipe_sink_config_export(pinpipe_sink_options *out, pinpipe_s3_options *s3,
                                          pinpipe_sink_config *config, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    if (!out || out->struct_size < sizeof *out || !s3 || s3->struct_size < sizeof *s3) {
        return pp_fail(err, PINPIPE_EINVAL, "sink or S3 options lack their struct_size");
    }
    if (!pp_kafka_config_value(config->given, "behavior.on.null.values")) {
        out->null_values = PINPIPE_SINK_POLICY_FAIL;
    }
    if (pp_kafka_config_value(config->given, "flush.size")) {
        out->flush_bytes = INT64_MAX; /* the connector counts records only */
    }
    for (int64_t i = 0; i < pp_kafka_config_count(config->given) && status == PINPIPE_OK; i++) {
        status = one_apply(out, s3, config, i, err);
    }
    if (pp_kafka_config_count(config->consumer)) {
        out->config = config->consumer;
    }
    const char *tolerance = pp_kafka_config_value(config->given, "errors.tolerance");
    if (status == PINPIPE_OK && out->dead_letter_topic.len && (!tolerance || strcmp(tolerance, "all") != 0)) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "errors.deadletterqueue.topic.name is used with errors.tolerance=all only");
    }
    return status;
}
