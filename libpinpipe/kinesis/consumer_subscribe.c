/* Turns subscriptions to shards, requests whose answers go on for five minutes, into what waits to be handed
 * out. Never waits for a subscription that has fallen silent, and goes on where the last event ended. Rules:
 * docs/kinesis.md, "Enhanced fan-out"; Amazon Kinesis API Reference, "SubscribeToShard". */
#include "kinesis/consumer.h"

#if PINPIPE_WITH_KINESIS

#include <stdio.h>
#include <string.h>

#include "aws/event_stream.h"
#include "base/buffer.h"
#include "base/log.h"
#include "io/clock.h"

#define LASTS_MS 330000 /* five minutes, and a little more */
#define SILENT_MS 35000 /* events come every few seconds, records or not */
#define EVENTS_AHEAD 64 /* that wait to be handed out, of one shard */

static const char *const start_names[] = {"TRIM_HORIZON", "LATEST", "AT_SEQUENCE_NUMBER",
                                          "AFTER_SEQUENCE_NUMBER", "AT_TIMESTAMP"};

static void body_write(pp_kinesis_writer *writer, const pinpipe_kinesis_consumer *consumer,
                       pp_shard_request *request) {
    const pp_place *from = &request->shard->fetched;
    bool is_inside = from->start == PINPIPE_KINESIS_AFTER_SEQUENCE && from->sub_sequence >= 0;
    int32_t start = is_inside ? PINPIPE_KINESIS_AT_SEQUENCE : from->start; /* its aggregate comes again */
    pp_kinesis_write_begin(writer, &request->call.body, consumer->kinesis->wire, 3, &request->call.error);
    pp_kinesis_write_key(writer, "ConsumerARN");
    pp_kinesis_write_text(writer, pp_buf_view(&consumer->fan_out));
    pp_kinesis_write_key(writer, "ShardId");
    pp_kinesis_write_text(writer, request->shard->info.id);
    pp_kinesis_write_key(writer, "StartingPosition");
    pp_kinesis_write_map(writer, start > PINPIPE_KINESIS_LATEST ? 2 : 1);
    pp_kinesis_write_key(writer, "Type");
    pp_kinesis_write_text(writer, pp_str(start_names[start]));
    if (start == PINPIPE_KINESIS_AT_TIMESTAMP) {
        pp_kinesis_write_key(writer, "Timestamp");
        pp_kinesis_write_time(writer, from->time_ms);
    } else if (start > PINPIPE_KINESIS_LATEST) {
        pp_kinesis_write_key(writer, "SequenceNumber");
        pp_kinesis_write_text(writer, pp_str(from->sequence));
    }
    pp_kinesis_write_map_end(writer);
    pp_kinesis_write_map_end(writer);
}

/* The call's end, for a reason that it does not know. */
static void end_set(pp_shard_request *request, pinpipe_status status, const char *code) {
    request->call.state = PP_KINESIS_CALL_ENDED;
    request->call.status = status;
    snprintf(request->call.code, sizeof request->call.code, "%s", code);
}

void pp_subscription_start(pinpipe_kinesis_consumer *consumer, pp_shard_request *request) {
    pp_kinesis_writer writer;
    int64_t now_ms = request->begun_ms;
    request->heard_ms = now_ms;
    request->events = 0;
    request->call.answering = PP_HTTP_GOING_ON;
    body_write(&writer, consumer, request);
    if (writer.status < 0) {
        end_set(request, writer.status, "");
        return;
    }
    pp_kinesis_call_start(&request->call, consumer->kinesis, "SubscribeToShard", now_ms + LASTS_MS);
}

/* ---- events ---- */

/* Behind an event the subscription, and whoever comes after it, goes on at its continuation. */
static void place_follow(pp_shard *shard, bool has_records) {
    bool is_inside =
        shard->fetched.start == PINPIPE_KINESIS_AFTER_SEQUENCE && shard->fetched.sub_sequence >= 0;
    if (shard->iterator.len && shard->iterator.len <= PP_KINESIS_SEQUENCE_MAX &&
        (has_records || !is_inside)) {
        shard->fetched = (pp_place){.start = PINPIPE_KINESIS_AFTER_SEQUENCE, .sub_sequence = -1};
        snprintf(shard->fetched.sequence, sizeof shard->fetched.sequence, "%.*s", (int)shard->iterator.len,
                 shard->iterator.ptr);
    }
    if (shard->read.start == PINPIPE_KINESIS_LATEST && !has_records) {
        shard->read = shard->fetched; /* the tip has a place now, though nothing was read */
    }
    pp_buf_clear(&shard->iterator);
}

static pinpipe_status records_take(pinpipe_kinesis_consumer *consumer, const pp_shard_request *request,
                                   pinpipe_str payload, pinpipe_error *err) {
    pp_shard *shard = request->shard;
    const pp_fetched *last = shard->answers_last;
    pp_fetched *answer = pp_fetched_new(shard);
    if (!answer) {
        return pp_fail_memory(err, "an event", sizeof *answer);
    }
    pinpipe_status status = pp_buf_append(&answer->batch.answer, payload.ptr, payload.len, err);
    if (status < 0) {
        pp_fetched_release(answer);
        return status;
    }
    status = pp_fetched_take(consumer, request, answer, err);
    if (status == PINPIPE_OK) {
        place_follow(shard, shard->answers_last != last);
    }
    return status;
}

static pinpipe_status event_take(pinpipe_kinesis_consumer *consumer, pp_shard_request *request,
                                 const pp_event *event, pinpipe_error *err) {
    char code[PP_KINESIS_CODE_BYTES];
    if (pp_str_is(event->kind, "event")) {
        return pp_str_is(event->name, "SubscribeToShardEvent")
                   ? records_take(consumer, request, event->payload, err)
                   : PINPIPE_OK; /* initial-response, and what may come to be */
    }
    snprintf(code, sizeof code, "%.*s", (int)event->name.len, event->name.ptr);
    pinpipe_status status = pp_kinesis_status(event->name, 500);
    pp_fail_service(err, status, PP_KINESIS_SERVICE, 0, "SubscribeToShard: %s%s%.*s", code,
                    event->detail.len ? ": " : "", pp_quote_len(event->detail.len), event->detail.ptr);
    end_set(request, status, code);
    return status;
}

static int32_t ahead_count(const pp_shard *shard) {
    int32_t count = 0;
    for (const pp_fetched *answer = shard->answers; answer; answer = answer->next) {
        count++;
    }
    return count;
}

/* Takes whole events out of the bytes that have come. A failure ends the subscription. */
static pinpipe_status events_take(pinpipe_kinesis_consumer *consumer, pp_shard_request *request,
                                  int64_t now_ms, pinpipe_error *err) {
    pinpipe_buf *bytes = &request->call.answer;
    pp_shard *shard = request->shard;
    size_t at = 0;
    pinpipe_status status = PINPIPE_OK;
    int32_t room = EVENTS_AHEAD - ahead_count(shard);
    bool is_held = room <= 0 && bytes->len > 0; /* by a slow reader: that is no silence */
    for (; status == PINPIPE_OK && room > 0 && !shard->is_over; room--) {
        pp_event event;
        size_t taken = 0;
        status = pp_event_read(&event, &taken, (pinpipe_str){bytes->ptr + at, bytes->len - at}, err);
        if (status != PINPIPE_OK) {
            break;
        }
        at += taken;
        request->events++;
        is_held = true;
        status = event_take(consumer, request, &event, err);
    }
    if (is_held) {
        request->heard_ms = shard->wait_ms = now_ms;
    }
    if (status >= 0 && request->events) {
        shard->is_stuck = false;
        shard->status = PINPIPE_OK;
        shard->round = 0;
        pp_buf_clear(&shard->error);
    }
    if (at) {
        memmove(bytes->ptr, bytes->ptr + at, bytes->len - at);
        bytes->len -= at;
        bytes->ptr[bytes->len] = '\0';
    }
    return status < 0 ? status : PINPIPE_OK;
}

/* Ends what is still under way, its connection with it. */
static bool give_up(pinpipe_kinesis_consumer *consumer, pp_shard_request *request, pinpipe_status status,
                    const pinpipe_error *cause) {
    char code[PP_KINESIS_CODE_BYTES];
    snprintf(code, sizeof code, "%s", request->call.code);
    pp_kinesis_call_reset(&request->call, consumer->kinesis);
    request->call.error = *cause;
    end_set(request, status, code);
    return true;
}

bool pp_subscription_move(pinpipe_kinesis_consumer *consumer, pp_shard_request *request, int64_t now_ms) {
    pinpipe_error cause = PINPIPE_ERROR_INIT;
    bool has_ended = pp_kinesis_call_move(&request->call, consumer->kinesis);
    pinpipe_status status = events_take(consumer, request, now_ms, &cause);
    if (status < 0) {
        return give_up(consumer, request, status, &cause);
    }
    if (request->shard->is_over) {
        return give_up(consumer, request, PINPIPE_OK, &cause);
    }
    if (has_ended) {
        bool is_whole =
            request->call.answer.len < PP_EVENT_LEAST || ahead_count(request->shard) < EVENTS_AHEAD;
        if (request->call.status >= 0 && !request->events) {
            pp_fail_service(&request->call.error, PINPIPE_ENET, PP_KINESIS_SERVICE, 0,
                            "SubscribeToShard: the subscription ended without an event");
            end_set(request, PINPIPE_ENET, "");
        }
        return is_whole; /* else what has come is taken first */
    }
    if (now_ms - request->heard_ms >= SILENT_MS) {
        status = pp_fail_service(&cause, PINPIPE_ETIMEOUT, PP_KINESIS_SERVICE, 0,
                                 "SubscribeToShard: no event for %lld ms",
                                 (long long)(now_ms - request->heard_ms));
        return give_up(consumer, request, status, &cause);
    }
    return false;
}

#endif
