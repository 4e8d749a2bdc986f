/* Turns the calls on registered consumers, which enhanced fan-out wants, into operations.
 * Never registers one by itself: each costs its owner money by the hour.
 * Rules: docs/kinesis.md, "Enhanced fan-out"; Amazon Kinesis API Reference, "RegisterStreamConsumer". */
#include "kinesis/client.h"

#if PINPIPE_WITH_KINESIS

#include "base/buffer.h"
#include "io/clock.h"

#define PAUSE_MS 200

typedef struct registered {
    pinpipe_str arn;
    pinpipe_str state;
} registered;

/* The map under `wanted`, which the answers name differently. */
static bool registered_read(registered *out, pp_kinesis_reader *reader, const char *wanted) {
    pp_kinesis_level map, inner;
    if (!pp_kinesis_read_map(reader, &map)) {
        return false;
    }
    for (pinpipe_str key; pp_kinesis_read_key(reader, &map, &key);) {
        if (!pp_str_is(key, wanted)) {
            pp_kinesis_read_pass(reader);
        } else if (pp_kinesis_read_map(reader, &inner)) {
            while (pp_kinesis_read_key(reader, &inner, &key)) {
                pinpipe_str *to = pp_str_is(key, "ConsumerARN")      ? &out->arn
                                  : pp_str_is(key, "ConsumerStatus") ? &out->state
                                                                     : NULL;
                if (!(to ? pp_kinesis_read_text(reader, to) : pp_kinesis_read_pass(reader))) {
                    return false;
                }
            }
        }
    }
    return !pp_kinesis_is_faulty(reader) && out->arn.len > 0;
}

/* A consumer by its stream and name, or by its own ARN. */
typedef struct naming {
    pinpipe_str stream_arn, name, arn;
    int64_t deadline_ms;
} naming;

static void name_write(pp_kinesis_writer *writer, pinpipe_kinesis *kinesis, const naming *of,
                       pinpipe_error *err) {
    kinesis->call.about = of->arn.len ? of->arn : of->stream_arn;
    pp_kinesis_write_begin(writer, &kinesis->call.body, kinesis->wire, of->arn.len ? 1 : 2, err);
    if (of->arn.len) {
        pp_kinesis_write_key(writer, "ConsumerARN");
        pp_kinesis_write_text(writer, of->arn);
    } else {
        pp_kinesis_write_key(writer, "StreamARN");
        pp_kinesis_write_text(writer, of->stream_arn);
        pp_kinesis_write_key(writer, "ConsumerName");
        pp_kinesis_write_text(writer, of->name);
    }
    pp_kinesis_write_map_end(writer);
}

static pinpipe_status ask(registered *out, pinpipe_kinesis *kinesis, const naming *of, const char *operation,
                          const char *wanted, pinpipe_error *err) {
    pp_kinesis_writer writer;
    pp_kinesis_reader reader;
    *out = (registered){{"", 0}, {"", 0}};
    name_write(&writer, kinesis, of, err);
    pinpipe_status status = pp_kinesis_send(&reader, kinesis, &writer, operation, of->deadline_ms, err);
    return status == PINPIPE_OK && !registered_read(out, &reader, wanted)
               ? pp_kinesis_read_fail(&reader, operation, err)
               : status;
}

pinpipe_status pinpipe_kinesis_fan_out_put(pinpipe_buf *out, pinpipe_kinesis *kinesis, pinpipe_str stream_arn,
                                           pinpipe_str name, int64_t timeout_ms, pinpipe_error *err) {
    naming of = {.stream_arn = stream_arn, .name = name};
    registered seen = {{"", 0}, {"", 0}};
    pp_buf_clear(out);
    pinpipe_status status = pp_kinesis_stream_check(stream_arn, err);
    if (status == PINPIPE_OK) {
        status = pp_kinesis_deadline(&of.deadline_ms, kinesis, timeout_ms, err);
    }
    if (status == PINPIPE_OK) {
        status = ask(&seen, kinesis, &of, "RegisterStreamConsumer", "Consumer", err);
    }
    bool is_there = status == PINPIPE_ECONFLICT;
    while ((status == PINPIPE_OK || is_there) && !pp_str_is(seen.state, "ACTIVE")) {
        if (pp_clock_monotonic_ms() + PAUSE_MS >= of.deadline_ms) {
            return pp_fail_service(err, PINPIPE_ETIMEOUT, PP_KINESIS_SERVICE, 0,
                                   "consumer '%.*s': waiting until it is active", pp_quote_len(name.len),
                                   name.ptr);
        }
        pp_clock_sleep_ms(is_there ? 0 : PAUSE_MS);
        is_there = false;
        status = ask(&seen, kinesis, &of, "DescribeStreamConsumer", "ConsumerDescription", err);
    }
    return status == PINPIPE_OK ? pp_buf_append(out, seen.arn.ptr, seen.arn.len, err) : status;
}

pinpipe_status pinpipe_kinesis_fan_out_delete(pinpipe_kinesis *kinesis, pinpipe_str fan_out_arn,
                                              int64_t timeout_ms, pinpipe_error *err) {
    pp_kinesis_writer writer;
    naming of = {.arn = fan_out_arn};
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    pinpipe_status status = pp_kinesis_stream_check(fan_out_arn, err);
    if (status == PINPIPE_OK) {
        status = pp_kinesis_deadline(&of.deadline_ms, kinesis, timeout_ms, err);
    }
    if (status < 0) {
        return status;
    }
    name_write(&writer, kinesis, &of, err);
    status = pp_kinesis_tell(kinesis, &writer, "DeregisterStreamConsumer", of.deadline_ms, err);
    while (status == PINPIPE_OK) {
        registered seen;
        status = ask(&seen, kinesis, &of, "DescribeStreamConsumer", "ConsumerDescription", &cause);
        if (status == PINPIPE_ENOTFOUND) {
            return PINPIPE_OK;
        }
        if (status < 0 || pp_clock_monotonic_ms() + PAUSE_MS >= of.deadline_ms) {
            return pp_fail_service(err, status < 0 ? status : PINPIPE_ETIMEOUT, PP_KINESIS_SERVICE,
                                   cause.native_code, "consumer '%.*s': waiting until it is gone%s%s",
                                   pp_quote_len(fan_out_arn.len), fan_out_arn.ptr, status < 0 ? ": " : "",
                                   cause.message);
        }
        pp_clock_sleep_ms(PAUSE_MS);
    }
    return status;
}

#endif
