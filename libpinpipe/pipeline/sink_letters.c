/* Turns records that become no line into records of a dead-letter topic: key, value, headers, why and whence.
 * Never sends a letter again that a broker has acknowledged, and never gives one up.
 * Rules: docs/sink.md, "Dead-letter topic"; Kafka Connect's KIP-298 for the names of headers. */
#include "pipeline/sink_letters.h"

#include <assert.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "pinpipe/kafka_batch.h"
#include "pipeline/sink_file.h"

#define NUMBER_BYTES 24
#define PLACE_HEADERS 5

struct pp_sink_letters {
    pthread_mutex_t mutex; /* a producer is one thread's at a time */
    pinpipe_kafka_producer *producer;
    pinpipe_buf topic;
};

struct pp_sink_post {
    pinpipe_kafka_delivery *delivery; /* of those that were not done; NULL = none is under way */
    uint8_t *done;                    /* a letter of the file each */
};

/* ---- opening ---- */

/* The expression is read as librdkafka reads that of the sink's consumer, which tells of one that is none. */
static pinpipe_status topic_check(pinpipe_str name, pinpipe_str topics, pinpipe_error *err) {
    pinpipe_buf pattern = PINPIPE_BUF_INIT, subject = PINPIPE_BUF_INIT;
    regex_t compiled;
    pinpipe_status status = pp_buf_printf(&pattern, err, "^(%.*s)$", (int)topics.len, topics.ptr);
    if (status == PINPIPE_OK) {
        status = pp_buf_append(&subject, name.ptr, name.len, err);
    }
    if (status == PINPIPE_OK && regcomp(&compiled, pattern.ptr, REG_EXTENDED | REG_NOSUB) == 0) {
        if (regexec(&compiled, subject.ptr, 0, NULL, 0) == 0) {
            status = pp_fail(err, PINPIPE_EINVAL,
                             "dead_letter_topic '%.*s' is among the topics that the sink reads: its letters "
                             "would come back for ever",
                             pp_quote_len(name.len), name.ptr);
        }
        regfree(&compiled);
    }
    pinpipe_buf_reset(&pattern);
    pinpipe_buf_reset(&subject);
    return status;
}

static pinpipe_status options_check(const pinpipe_sink_options *options, pinpipe_error *err) {
    const pinpipe_str topic = options->dead_letter_topic;
    if (options->unreadable_values == PINPIPE_SINK_POLICY_FAIL ||
        options->unreadable_values == PINPIPE_SINK_POLICY_SKIP) {
        return pp_fail(err, PINPIPE_EINVAL,
                       "dead_letter_topic '%.*s': unreadable values are not rejected, so it would stay empty",
                       pp_quote_len(topic.len), topic.ptr);
    }
    return topic_check(topic, options->topics, err);
}

pinpipe_status pp_sink_letters_open(pp_sink_letters **out, const pinpipe_sink_options *options,
                                    pinpipe_error *err) {
    *out = NULL;
    const pinpipe_str topic = options->dead_letter_topic;
    if (topic.len == 0) {
        return PINPIPE_OK;
    }
    pinpipe_status status = options_check(options, err);
    if (status < 0) {
        return status;
    }
    pp_sink_letters *made = pp_alloc_zero(sizeof *made);
    if (!made) {
        return pp_fail_memory(err, "the way to a dead-letter topic", sizeof *made);
    }
    pthread_mutex_init(&made->mutex, NULL);
    status = pp_buf_append(&made->topic, topic.ptr, topic.len, err);
    if (status == PINPIPE_OK) {
        status = pinpipe_kafka_producer_new(&made->producer, options->brokers, options->config, err);
    }
    if (status < 0) {
        pp_sink_letters_free(made);
        return status;
    }
    *out = made;
    return PINPIPE_OK;
}

void pp_sink_letters_free(pp_sink_letters *letters) {
    if (letters) {
        pinpipe_kafka_producer_free(letters->producer);
        pinpipe_buf_reset(&letters->topic);
        pthread_mutex_destroy(&letters->mutex);
        pp_free(letters);
    }
}

/* ---- a letter in a file: time, number of headers, key, value, then name and value of each header; every
 * text behind its length, where -1 is null ---- */

static size_t text_room(pinpipe_str text) {
    return sizeof(int64_t) + text.len;
}

static char *number_put(char *at, int64_t number) {
    memcpy(at, &number, sizeof number);
    return at + sizeof number;
}

static char *text_put(char *at, pinpipe_str text) {
    at = number_put(at, text.ptr ? (int64_t)text.len : -1);
    pp_str_copy(at, text);
    return at + text.len;
}

static int64_t number_take(const char **at) {
    int64_t number = 0;
    memcpy(&number, *at, sizeof number);
    *at += sizeof number;
    return number;
}

static pinpipe_str text_take(const char **at) {
    int64_t len = number_take(at);
    pinpipe_str text = {len < 0 ? NULL : *at, len < 0 ? 0 : (size_t)len};
    *at += text.len;
    return text;
}

/* What Connect's reporter says of a record that a sink refuses. */
typedef struct place_headers {
    pinpipe_kafka_header at[PLACE_HEADERS];
    char partition[NUMBER_BYTES], offset[NUMBER_BYTES];
} place_headers;

static void place_write(place_headers *out, const pinpipe_kafka_message *message, const char *reason) {
    snprintf(out->partition, NUMBER_BYTES, "%ld", (long)message->partition);
    snprintf(out->offset, NUMBER_BYTES, "%lld", (long long)message->offset);
    const pinpipe_kafka_header headers[PLACE_HEADERS] = {
        {pp_str("__connect.errors.topic"), message->topic},
        {pp_str("__connect.errors.partition"), pp_str(out->partition)},
        {pp_str("__connect.errors.offset"), pp_str(out->offset)},
        {pp_str("__connect.errors.stage"), pp_str("TASK_PUT")},
        {pp_str("__connect.errors.exception.message"), pp_str(reason)},
    };
    memcpy(out->at, headers, sizeof headers);
}

size_t pp_sink_letter_room(const pinpipe_kafka_message *message, const char *reason) {
    place_headers place;
    size_t room = 2 * sizeof(int64_t) + text_room(message->key) + text_room(message->value);
    place_write(&place, message, reason);
    for (int64_t i = 0; i < PLACE_HEADERS; i++) {
        room += text_room(place.at[i].name) + text_room(place.at[i].value);
    }
    for (int64_t i = 0; i < pinpipe_kafka_message_header_count(message); i++) {
        pinpipe_kafka_header header = pinpipe_kafka_message_header_at(message, i);
        room += text_room(header.name) + text_room(header.value);
    }
    return room;
}

size_t pp_sink_letter_write(char *out, const pinpipe_kafka_message *message, const char *reason) {
    place_headers place;
    int64_t own_count = pinpipe_kafka_message_header_count(message);
    place_write(&place, message, reason);
    char *at = number_put(out, message->timestamp_ms > 0 ? message->timestamp_ms : 0);
    at = number_put(at, own_count + PLACE_HEADERS);
    at = text_put(text_put(at, message->key), message->value);
    for (int64_t i = 0; i < own_count + PLACE_HEADERS; i++) {
        pinpipe_kafka_header header =
            i < own_count ? pinpipe_kafka_message_header_at(message, i) : place.at[i - own_count];
        at = text_put(text_put(at, header.name), header.value);
    }
    return (size_t)(at - out);
}

/* ---- letters into columns ---- */

typedef struct text_column {
    pinpipe_buf data, ends, validity;
    int64_t count;
} text_column;

/* The memory behind a batch: the producer holds it until the last report. */
typedef struct letter_columns {
    text_column values, keys, names, header_values;
    pinpipe_buf header_ends, times;
    int64_t count;
} letter_columns;

static pinpipe_status number_add(pinpipe_buf *out, int64_t number, pinpipe_error *err) {
    return pp_buf_append(out, (const char *)&number, sizeof number, err);
}

static pinpipe_status column_init(text_column *column, pinpipe_error *err) {
    pinpipe_status status = pp_buf_reserve(&column->data, 1, PP_BUF_MAX, err);
    return status < 0 ? status : number_add(&column->ends, 0, err);
}

static pinpipe_status column_add(text_column *column, pinpipe_str text, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    int64_t bit = column->count & 7;
    if (bit == 0) {
        status = pp_buf_append(&column->validity, "", 1, err);
    }
    if (status == PINPIPE_OK) {
        column->validity.ptr[column->validity.len - 1] |= (char)((text.ptr != NULL) << bit);
        status = pp_buf_append(&column->data, text.ptr ? text.ptr : "", text.len, err);
    }
    column->count++;
    return status < 0 ? status : number_add(&column->ends, (int64_t)column->data.len, err);
}

static pinpipe_kafka_column column_view(const text_column *column) {
    return (pinpipe_kafka_column){.data = column->data.ptr,
                                  .offsets = column->ends.ptr,
                                  .validity = (const uint8_t *)column->validity.ptr,
                                  .data_bytes = (int64_t)column->data.len,
                                  .offset_bytes = sizeof(int64_t)};
}

static void columns_free(void *opaque) {
    letter_columns *columns = opaque;
    text_column *const texts[] = {&columns->values, &columns->keys, &columns->names, &columns->header_values};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        pinpipe_buf_reset(&texts[i]->data);
        pinpipe_buf_reset(&texts[i]->ends);
        pinpipe_buf_reset(&texts[i]->validity);
    }
    pinpipe_buf_reset(&columns->header_ends);
    pinpipe_buf_reset(&columns->times);
    pp_free(columns);
}

static void letter_skip(const char **at) {
    number_take(at);
    int64_t header_count = number_take(at);
    for (int64_t i = 0; i < 2 * (1 + header_count); i++) {
        text_take(at);
    }
}

static pinpipe_status letter_take(const char **at, letter_columns *columns, pinpipe_error *err) {
    pinpipe_status status = number_add(&columns->times, number_take(at), err);
    int64_t header_count = number_take(at);
    if (status == PINPIPE_OK) {
        status = column_add(&columns->keys, text_take(at), err);
    }
    if (status == PINPIPE_OK) {
        status = column_add(&columns->values, text_take(at), err);
    }
    for (int64_t i = 0; i < header_count && status == PINPIPE_OK; i++) {
        status = column_add(&columns->names, text_take(at), err);
        if (status == PINPIPE_OK) {
            status = column_add(&columns->header_values, text_take(at), err);
        }
    }
    columns->count++;
    return status < 0 ? status : number_add(&columns->header_ends, columns->names.count, err);
}

static pinpipe_status letters_take(letter_columns *columns, const pp_sink_file *file, const uint8_t *done,
                                   pinpipe_error *err) {
    int64_t letter = 0;
    pinpipe_status status = number_add(&columns->header_ends, 0, err);
    text_column *const texts[] = {&columns->values, &columns->keys, &columns->names, &columns->header_values};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && status == PINPIPE_OK; i++) {
        status = column_init(texts[i], err);
    }
    for (const pp_sink_piece *piece = file->pieces; piece && status == PINPIPE_OK; piece = piece->after) {
        const char *at = piece->bytes.ptr, *end = at + piece->bytes.len;
        while (at < end && status == PINPIPE_OK) {
            if (done[letter++]) {
                letter_skip(&at);
            } else {
                status = letter_take(&at, columns, err);
            }
        }
    }
    return status;
}

static pinpipe_status delivery_make(pp_sink_post *post, const pp_sink_letters *letters,
                                    const pp_sink_file *file, pinpipe_error *err) {
    letter_columns *columns = pp_alloc_zero(sizeof *columns);
    if (!columns) {
        return pp_fail_memory(err, "dead letters", sizeof *columns);
    }
    pinpipe_status status = letters_take(columns, file, post->done, err);
    if (status == PINPIPE_OK) {
        pinpipe_kafka_columns view = PINPIPE_KAFKA_COLUMNS_INIT;
        view.topic = pp_buf_view(&letters->topic);
        view.count = columns->count;
        view.values = column_view(&columns->values);
        view.keys = column_view(&columns->keys);
        view.timestamps_ms = (const int64_t *)(const void *)columns->times.ptr;
        view.header_lists = (pinpipe_kafka_column){.offsets = columns->header_ends.ptr,
                                                   .data_bytes = columns->names.count,
                                                   .offset_bytes = sizeof(int64_t)};
        view.header_names = column_view(&columns->names);
        view.header_values = column_view(&columns->header_values);
        view.release = columns_free;
        view.release_context = columns;
        status = pinpipe_kafka_delivery_new(&post->delivery, &view, err);
    }
    if (status < 0) {
        columns_free(columns);
    }
    return status;
}

/* ---- sending ---- */

static pinpipe_status post_new(pp_sink_post **out, int64_t letter_count, pinpipe_error *err) {
    pp_sink_post *made = pp_alloc_zero(sizeof *made);
    uint8_t *done = made ? pp_alloc_zero((size_t)letter_count) : NULL;
    if (!done) {
        pp_free(made);
        return pp_fail_memory(err, "the results of dead letters", (size_t)letter_count);
    }
    made->done = done;
    *out = made;
    return PINPIPE_OK;
}

void pp_sink_post_free(pp_sink_post *post) {
    if (post) {
        pinpipe_kafka_delivery_free(post->delivery);
        pp_free(post->done);
        pp_free(post);
    }
}

/* Every letter has its result, and some were not delivered: those are for the next attempt. */
static pinpipe_status post_settle(pp_sink_post *post, int64_t letter_count, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    int64_t row = 0;
    for (int64_t i = 0; i < letter_count; i++) {
        if (post->done[i]) {
            continue;
        }
        pinpipe_status one = pinpipe_kafka_delivery_at(post->delivery, row++, status < 0 ? NULL : err);
        post->done[i] = one == PINPIPE_OK;
        status = status < 0 ? status : one;
    }
    pinpipe_kafka_delivery_free(post->delivery);
    post->delivery = NULL;
    return status;
}

pinpipe_status pp_sink_letters_send(pp_sink_letters *letters, pp_sink_file *file, int64_t timeout_ms,
                                    pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    pthread_mutex_lock(&letters->mutex);
    if (!file->post) {
        status = post_new(&file->post, file->line_count, err);
    }
    assert(status < 0 || file->post);
    if (status == PINPIPE_OK && !file->post->delivery) {
        status = delivery_make(file->post, letters, file, err);
    }
    if (status == PINPIPE_OK) {
        status = pinpipe_kafka_producer_write_batch(letters->producer, file->post->delivery, timeout_ms, err);
    }
    if (status == PINPIPE_OK) {
        status = pinpipe_kafka_producer_wait_batch(letters->producer, file->post->delivery, timeout_ms, err);
    }
    if (status == PINPIPE_PARTIAL) {
        status = post_settle(file->post, file->line_count, err);
    }
    pthread_mutex_unlock(&letters->mutex);
    return status;
}
