/* Turns records that become no line into dead letters of the embedded cluster, and reads them back.
 * Never takes the sink's word: key, value, headers and number of letters are a consumer's.
 * Rules: docs/sink.md, "Dead-letter topic". */
#include "sinking.h"

#define DEAD "dead.letters"
#define LETTERS_MAX 16

/* A letter as a consumer saw it: "key|value|name=value;…", "~" for null. */
typedef struct letter {
    pinpipe_buf text;
    int64_t timestamp_ms;
} letter;

static letter letters[LETTERS_MAX];
static int64_t letter_count;

static void text_add(pinpipe_buf *out, pinpipe_str text, const char *end) {
    CHECK_INT(text.ptr ? pp_buf_append(out, text.ptr, text.len, NULL) : pp_buf_append(out, "~", 1, NULL),
              PINPIPE_OK);
    CHECK_INT(pp_buf_append(out, end, strlen(end), NULL), PINPIPE_OK);
}

static void letter_add(const pinpipe_kafka_message *message) {
    CHECK(letter_count < LETTERS_MAX);
    letter *to = &letters[letter_count++];
    *to = (letter){.timestamp_ms = message->timestamp_ms};
    text_add(&to->text, message->key, "|");
    text_add(&to->text, message->value, "|");
    for (int64_t i = 0; i < pinpipe_kafka_message_header_count(message); i++) {
        pinpipe_kafka_header header = pinpipe_kafka_message_header_at(message, i);
        text_add(&to->text, header.name, "=");
        text_add(&to->text, header.value, ";");
    }
}

static void letters_drop(void) {
    while (letter_count) {
        pinpipe_buf_reset(&letters[--letter_count].text);
    }
}

/* Reads until `count` letters have come, and a while longer: there must not be more. */
static void letters_read(int64_t count) {
    pinpipe_kafka_consumer *consumer = NULL;
    pinpipe_kafka_consumer_options options = PINPIPE_KAFKA_CONSUMER_OPTIONS_INIT;
    static int group_number;
    char group[16] = "";
    snprintf(group, sizeof group, "letters-%d", group_number++);
    options.brokers = pinpipe_kafka_mock_brokers(mock);
    options.group = pp_str(group);
    options.topics = pp_str(DEAD);
    CHECK_INT(pinpipe_kafka_consumer_new(&consumer, &options, NULL, NULL), PINPIPE_OK);
    int64_t deadline_ms = pp_clock_monotonic_ms() + 20000;
    while (pp_clock_monotonic_ms() < deadline_ms) {
        pinpipe_kafka_batch batch = PINPIPE_KAFKA_BATCH_INIT;
        bool is_all = letter_count >= count;
        pinpipe_status status = pinpipe_kafka_consumer_poll(&batch, consumer, 500, NULL);
        for (int64_t i = 0; status == PINPIPE_OK && i < batch.message_count; i++) {
            letter_add(&batch.messages[i]);
        }
        if (is_all && batch.message_count == 0) {
            break;
        }
    }
    CHECK_INT(letter_count, count);
    pinpipe_kafka_consumer_free(consumer);
}

static int64_t letters_with(const char *text) {
    int64_t count = 0;
    for (int64_t i = 0; i < letter_count; i++) {
        const pinpipe_buf *found = &letters[i].text;
        count += pp_str_equal(pp_buf_view(found), pp_str(text)) && letters[i].timestamp_ms == 1600000000000;
    }
    return count;
}

static void dead_topic_create(void) {
    pinpipe_kafka_topic_options topic = PINPIPE_KAFKA_TOPIC_OPTIONS_INIT;
    topic.name = pp_str(DEAD);
    CHECK_INT(pinpipe_kafka_mock_topic_create(mock, &topic, NULL), PINPIPE_OK);
}

#define PLACE(offset, reason)                                                                                \
    "__connect.errors.topic=s.pin;__connect.errors.partition=0;__connect.errors.offset=" offset              \
    ";__connect.errors.stage=TASK_PUT;__connect.errors.exception.message=" reason ";"

static void records_put(void) {
    pinpipe_kafka_producer *producer = producer_open();
    put(producer, "a", pp_str("{\"a\":1}"));
    put(producer, "b", (pinpipe_str){NULL, 0});
    put(producer, "c", pp_str("{\n\"a\": 2}"));
    put(producer, NULL, pp_str(""));
    put_headed(producer, pp_str("x\ny"));
    put(producer, "d", pp_str("{\"a\":3}"));
    CHECK_INT(pinpipe_kafka_producer_flush(producer, 5000, NULL), PINPIPE_OK);
    pinpipe_kafka_producer_free(producer);
}

/* Compressed, so that letters are seen to be left out of what is compressed. */
static void test_letters(void) {
    setup(1);
    dead_topic_create();
    records_put();
    pinpipe_kafka_config *config = config_new();
    pinpipe_sink_options options = options_of(config);
    options.dead_letter_topic = pp_str(DEAD);
    options.null_values = PINPIPE_SINK_POLICY_REJECT;
    options.compression = PINPIPE_SINK_COMPRESSION_GZIP;
    pinpipe_sink *sink = sink_open(&options);
    run_until(sink, PINPIPE_SINK_RECORDS_REJECTED, 4);
    run_until(sink, PINPIPE_SINK_RECORDS_STORED, 2);
    CHECK_INT(pinpipe_sink_flush(sink, 5000, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_sink_position_at(sink, 0).committed_offset, 6);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_OBJECTS_STORED), 1);
    CHECK_INT(files_in("rejects"), 0);
    pinpipe_sink_free(sink);
    letters_read(4);
    CHECK_INT(letters_with("b|~|" PLACE("1", "null value")), 1);
    CHECK_INT(letters_with("c|{\n\"a\": 2}|" PLACE("2", "newline in value")), 1);
    CHECK_INT(letters_with("~||" PLACE("3", "empty value")), 1);
    CHECK_INT(letters_with("~|x\ny|a=1;a=~;b=\xff;" PLACE("4", "newline in value")), 1);
    letters_drop();

    /* Nothing is sent again by the next sink, which finds the commit. */
    sink = sink_open(&options);
    put_numbers(0, 3);
    run_until(sink, PINPIPE_SINK_RECORDS_STORED, 3);
    pinpipe_sink_free(sink);
    letters_read(4);
    letters_drop();
    pinpipe_kafka_config_free(config);
    teardown();
}

/* Letters that are delivered and lie beyond the commit, because an older line is not stored yet: the commit's
 * map of folders knows them. */
static void test_beyond_the_commit(void) {
    setup(1);
    dead_topic_create();
    records_put();
    pinpipe_kafka_config *config = config_new();
    pinpipe_sink_options options = options_of(config);
    options.dead_letter_topic = pp_str(DEAD);
    options.partitioner = PINPIPE_SINK_PARTITIONER_FIELD;
    options.partition_fields = pp_str("a");
    options.idle_ms = 600000;
    options.flush_records = 2;
    pinpipe_sink *sink = sink_open(&options);
    run_until(sink, PINPIPE_SINK_RECORDS_REJECTED, 3);
    pinpipe_kafka_producer *producer = producer_open();
    put(producer, "e", pp_str("{\"a\":1}")); /* offset 6 ends the file of offset 0, that of 5 stays open */
    CHECK_INT(pinpipe_kafka_producer_flush(producer, 5000, NULL), PINPIPE_OK);
    run_until(sink, PINPIPE_SINK_RECORDS_STORED, 2);
    int64_t deadline_ms = pp_clock_monotonic_ms() + 10000;
    while (pinpipe_sink_position_at(sink, 0).committed_offset < 5 && pp_clock_monotonic_ms() < deadline_ms) {
        CHECK(pinpipe_sink_poll(sink, 100, NULL) >= 0);
    }
    CHECK_INT(pinpipe_sink_position_at(sink, 0).committed_offset, 5);
    put(producer, "f", pp_str("")); /* offset 7 is delivered while 5 is open */
    CHECK_INT(pinpipe_kafka_producer_flush(producer, 5000, NULL), PINPIPE_OK);
    pinpipe_kafka_producer_free(producer);
    run_until(sink, PINPIPE_SINK_RECORDS_REJECTED, 4);
    CHECK_INT(pinpipe_sink_position_at(sink, 0).committed_offset, 5);
    pinpipe_sink_free(sink);
    sink = sink_open(&options);
    run_until(sink, PINPIPE_SINK_RECORDS_READ, 3);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_KNOWN), 2);
    CHECK_INT(pinpipe_sink_flush(sink, 5000, NULL), PINPIPE_OK);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_STORED), 1);
    pinpipe_sink_free(sink);
    letters_read(4);
    letters_drop();
    pinpipe_kafka_config_free(config);
    teardown();
}

/* A letter that is refused holds the commit back and is told; one that was delivered beside it is not sent
 * again, however often the sink tries. */
static void test_refused_letter(void) {
    enum { LARGE = 5000 };
    char large[LARGE];
    memset(large, '\n', sizeof large);
    setup(1);
    dead_topic_create();
    pinpipe_kafka_producer *producer = producer_open();
    put(producer, "a", pp_str("{\"a\":1}"));
    put(producer, "b", pp_str(""));
    put(producer, "c", (pinpipe_str){large, sizeof large});
    CHECK_INT(pinpipe_kafka_producer_flush(producer, 5000, NULL), PINPIPE_OK);
    pinpipe_kafka_producer_free(producer);
    pinpipe_kafka_config *config = config_new();
    CHECK_INT(pinpipe_kafka_config_set(config, pp_str("message.max.bytes"), pp_str("2000"), NULL),
              PINPIPE_OK);
    pinpipe_sink_options options = options_of(config);
    options.dead_letter_topic = pp_str(DEAD);
    pinpipe_sink *sink = sink_open(&options);
    pinpipe_error err = PINPIPE_ERROR_INIT;
    int64_t told = 0, deadline_ms = pp_clock_monotonic_ms() + 20000;
    while ((told < 2 || pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_STORED) < 1) &&
           pp_clock_monotonic_ms() < deadline_ms) {
        pinpipe_status status = pinpipe_sink_poll(sink, 100, &err);
        CHECK(status >= 0 || (status == PINPIPE_ELIMIT && strstr(err.message, DEAD) != NULL));
        told += status < 0;
    }
    CHECK(told >= 2);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_STORED), 1);
    CHECK_INT(pinpipe_sink_count(sink, PINPIPE_SINK_RECORDS_REJECTED), 0);
    CHECK(pinpipe_sink_position_at(sink, 0).committed_offset <= 1);
    pinpipe_sink_free(sink);
    letters_read(1);
    CHECK_INT(letters_with("b||" PLACE("1", "empty value")), 1);
    letters_drop();
    pinpipe_kafka_config_free(config);
    teardown();
}

static void test_options(void) {
    setup(1);
    pinpipe_sink_options options = options_of(NULL);
    options.dead_letter_topic = pp_str("s.dead");
    refuse(&options, "'s.dead' is among the topics");
    options.dead_letter_topic = pp_str(DEAD);
    options.unreadable_values = PINPIPE_SINK_POLICY_SKIP;
    refuse(&options, "'" DEAD "': unreadable values are not rejected");
    options.unreadable_values = PINPIPE_SINK_POLICY_FAIL;
    refuse(&options, "'" DEAD "': unreadable values are not rejected");
    teardown();
}

int main(void) {
    if (!PINPIPE_WITH_KAFKA) {
        return check_report();
    }
    test_options();
    test_letters();
    test_beyond_the_commit();
    test_refused_letter();
    return check_report();
}
