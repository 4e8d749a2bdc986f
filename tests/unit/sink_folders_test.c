/* Turns values, times and zones into folders, and a connector's settings into options.
 * Never needs a cluster.
 * Rules: docs/sink.md, "Folders", "The connector's configuration"; RFC 9636. */
#include "check.h"

#include "base/buffer.h"
#include "pipeline/sink_partitioner.h"
#include "pipeline/time_zone.h"
#include "text/json_field.h"

static void field(const char *object, const char *path, pp_json_field_kind kind, const char *raw) {
    pp_json_field found = pp_json_field_find(pp_str(object), pp_str(path));
    CHECK_INT(found.kind, kind);
    if (raw) {
        CHECK_TEXT(found.raw.ptr, found.raw.len, raw);
    }
}

static void test_fields(void) {
    field("{\"a\":1}", "a", PP_JSON_FIELD_LITERAL, "1");
    field(" { \"a\" : \"x\\\"y\" , \"b\":[1,{\"a\":2}]}", "a", PP_JSON_FIELD_TEXT, "x\\\"y");
    field("{\"b\":[1,{\"a\":\"}]\"}],\"a\":null}", "a", PP_JSON_FIELD_NULL, "null");
    field("{\"a\":{\"b\":{\"c\":true}}}", "a.b.c", PP_JSON_FIELD_LITERAL, "true");
    field("{\"a\":{\"b\":{\"c\":true}}}", "a.b", PP_JSON_FIELD_NESTED, "{\"c\":true}");
    field("{\"a\":{\"b\":1}}", "a.x", PP_JSON_FIELD_MISSING, NULL);
    field("{\"a\":1}", "a.b", PP_JSON_FIELD_MISSING, NULL);
    field("{\"a\":[1]}", "a.b", PP_JSON_FIELD_MISSING, NULL);
    field("{\"a\":1,\"a\":2}", "a", PP_JSON_FIELD_LITERAL, "2");
    field("{\"\\u0061\":7}", "a", PP_JSON_FIELD_LITERAL, "7");
    field("{}", "a", PP_JSON_FIELD_MISSING, NULL);
    static const char *const broken[] = {"",        "[1]",        "{",           "{\"a\"",
                                         "{\"a\":", "{\"a\":1",   "{\"a\":\"x",  "{\"a\":[",
                                         "{a:1}",   "{\"a\":1,}", "{\"a\":1 2}", "{\"a\":\"\\"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        field(broken[i], "a", PP_JSON_FIELD_BROKEN, NULL);
    }
}

static int64_t offset_min(const char *name, int64_t utc_s) {
    pp_time_zone *zone = NULL;
    CHECK_INT(pp_time_zone_open(&zone, pp_str(name), NULL), PINPIPE_OK);
    int64_t minutes = zone ? pp_time_zone_offset_ms(zone, utc_s * 1000) / 60000 : -1;
    pp_time_zone_free(zone);
    return minutes;
}

static void test_zones(void) {
    CHECK_INT(offset_min("", 0), 0);
    CHECK_INT(offset_min("UTC", 0), 0);
    CHECK_INT(offset_min("+05:30", 0), 330);
    CHECK_INT(offset_min("-03:00", 0), -180);
    CHECK_INT(offset_min("Europe/Berlin", 1583020800), 60);  /* 2020-03-01 */
    CHECK_INT(offset_min("Europe/Berlin", 1585443599), 60);  /* a second before summer */
    CHECK_INT(offset_min("Europe/Berlin", 1585443600), 120); /* 2020-03-29T01:00Z */
    CHECK_INT(offset_min("Europe/Berlin", 1603587599), 120);
    CHECK_INT(offset_min("Europe/Berlin", 1603587600), 60); /* 2020-10-25T01:00Z */
    CHECK_INT(offset_min("Asia/Kolkata", 1603587600), 330);
    CHECK_INT(offset_min("America/New_York", 1594684800), -240); /* 2020-07-14 */
    /* Behind the last transition that a file lists: by its rule. */
    CHECK_INT(offset_min("Europe/Berlin", 4118083200), 120);    /* 2100-07-01 */
    CHECK_INT(offset_min("Europe/Berlin", 4102444800), 60);     /* 2100-01-01 */
    CHECK_INT(offset_min("Australia/Sydney", 4102444800), 660); /* summer there */
    CHECK_INT(offset_min("Australia/Sydney", 4118083200), 600);
    static const char *const refused[] = {"Nowhere/City", "../../etc/passwd", "/etc/localtime", "a b", "+5x"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        pp_time_zone *zone = NULL;
        pinpipe_error err = PINPIPE_ERROR_INIT;
        CHECK_INT(pp_time_zone_open(&zone, pp_str(refused[i]), &err), PINPIPE_EINVAL);
        CHECK(zone == NULL && strstr(err.message, refused[i]) != NULL);
    }
}

static pinpipe_kafka_message message_of(const char *value) {
    return (pinpipe_kafka_message){
        .topic = pp_str("t"), .partition = 3, .value = pp_str(value), .timestamp_ms = 1603587600000};
}

/* The folder, or "! " and the reason why there is none. */
static void folder(const pinpipe_sink_options *options, const char *value, const char *wanted) {
    pp_sink_partitioner *partitioner = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_buf out = PINPIPE_BUF_INIT;
    CHECK_INT(pp_sink_partitioner_new(&partitioner, options, &err), PINPIPE_OK);
    if (!partitioner) {
        return;
    }
    pinpipe_kafka_message message = message_of(value);
    pp_sink_place place = pp_sink_partitioner_place(partitioner, &message, 1583020801999);
    if (place.reason) {
        CHECK_INT(pp_buf_printf(&out, NULL, "! %s", place.reason), PINPIPE_OK);
    } else {
        CHECK_INT(pp_sink_partitioner_folder(&out, partitioner, &message, &place, NULL), PINPIPE_OK);
    }
    CHECK_TEXT(out.ptr, out.len, wanted);
    pinpipe_buf_reset(&out);
    pp_sink_partitioner_free(partitioner);
}

static void test_folders(void) {
    pinpipe_sink_options options = PINPIPE_SINK_OPTIONS_INIT;
    folder(&options, "{}", "partition=3");
    options.partitioner = PINPIPE_SINK_PARTITIONER_FIELD;
    options.partition_fields = pp_str("country, age,user.name");
    folder(&options, "{\"country\":\"Côte d'Ivoire\",\"age\":5,\"user\":{\"name\":\"a/b=c\"}}",
           "country=Côte d%27Ivoire/age=5/user.name=a%2Fb%3Dc");
    folder(&options, "{\"country\":null,\"age\":true}", "country=null/age=true/user.name=null");
    folder(&options, "{\"country\":\"x\",\"age\":1.5}",
           "! field 'age' is no text below 256 bytes, integer or boolean");
    folder(&options, "{\"country\":[]}", "! field 'country' is no text below 256 bytes, integer or boolean");
    folder(&options, "[]", "! value is no JSON object");
    options.partition_fields = (pinpipe_str){NULL, 0};
    options.partitioner = PINPIPE_SINK_PARTITIONER_DAILY;
    folder(&options, "{}", "year=2020/month=03/day=01");
    options.timestamp = PINPIPE_SINK_TIMESTAMP_RECORD;
    options.partitioner = PINPIPE_SINK_PARTITIONER_HOURLY;
    options.timezone = pp_str("Europe/Berlin");
    folder(&options, "{}", "year=2020/month=10/day=25/hour=02");
    options.timestamp = PINPIPE_SINK_TIMESTAMP_RECORD_FIELD;
    folder(&options, "{\"timestamp\":\"2020-08-28T03:52:47\"}", "year=2020/month=08/day=28/hour=05");
    options.timestamp_field = pp_str("at");
    folder(&options, "{\"at\":\"1603587599999\"}", "year=2020/month=10/day=25/hour=02");
    folder(&options, "{\"at\":\"soon\"}", "! no time in field 'at'");
    folder(&options, "{}", "! no time in field 'at'");
    options.partitioner = PINPIPE_SINK_PARTITIONER_TIME;
    options.partition_duration_ms = 900000;
    options.path_format = pp_str("'d''t'=YYYY-MM-dd/HHmm/EEE-MMM");
    folder(&options, "{\"at\":1603589399000}", "d't=2020-10-25/0215/Sun-Oct");
    options.partition_fields = pp_str("kind");
    options.path_format = pp_str("yy");
    folder(&options, "{\"at\":0,\"kind\":\"k\"}", "kind=k/70");
}

static void refuse(const pinpipe_sink_options *options, const char *named) {
    pp_sink_partitioner *partitioner = NULL;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    CHECK(pp_sink_partitioner_new(&partitioner, options, &err) < 0);
    CHECK(partitioner == NULL && strstr(err.message, named) != NULL);
}

static void test_refused(void) {
    pinpipe_sink_options options = PINPIPE_SINK_OPTIONS_INIT;
    options.partitioner = PINPIPE_SINK_PARTITIONER_FIELD;
    refuse(&options, "partition_fields");
    options.partitioner = PINPIPE_SINK_PARTITIONER_TIME;
    refuse(&options, "path_format");
    options.path_format = pp_str("YYYY-ww");
    refuse(&options, "letter w");
    options.path_format = pp_str("'year");
    refuse(&options, "quote");
    options.path_format = pp_str("YYYY");
    options.timezone = pp_str("Mars");
    refuse(&options, "Mars");
    options.partitioner = 9;
    refuse(&options, "9");
}

static void test_schedule(void) {
    pinpipe_sink_options options = PINPIPE_SINK_OPTIONS_INIT;
    pp_sink_partitioner *partitioner = NULL;
    options.timezone = pp_str("Asia/Kolkata");
    CHECK_INT(pp_sink_partitioner_new(&partitioner, &options, NULL), PINPIPE_OK);
    int64_t midnight_ms = 1583001000000; /* 2020-03-01T00:00+05:30 */
    int64_t hour_ms = 3600000;
    CHECK_INT(pp_sink_partitioner_schedule(partitioner, midnight_ms, hour_ms), midnight_ms + hour_ms);
    CHECK_INT(pp_sink_partitioner_schedule(partitioner, midnight_ms + 1, hour_ms), midnight_ms + hour_ms);
    /* Clipped at the day's end: seven hours from 21:00 on are not whole. */
    CHECK_INT(pp_sink_partitioner_schedule(partitioner, midnight_ms + 22 * hour_ms, 7 * hour_ms),
              midnight_ms + 24 * hour_ms);
    pp_sink_partitioner_free(partitioner);
}

static pinpipe_status export(pinpipe_sink_options *options, pinpipe_s3_options *s3,
                             pinpipe_sink_config *config, const char *text, pinpipe_error *err) {
    *options = (pinpipe_sink_options)PINPIPE_SINK_OPTIONS_INIT;
    *s3 = (pinpipe_s3_options)PINPIPE_S3_OPTIONS_INIT;
    CHECK_INT(pinpipe_sink_config_decode(config, pp_str(text), NULL), PINPIPE_OK);
    return pinpipe_sink_config_export(options, s3, config, err);
}

static void test_course_config(void) {
    pinpipe_sink_config *config = NULL;
    pinpipe_sink_options options;
    pinpipe_s3_options s3;
    CHECK_INT(pinpipe_sink_config_new(&config, NULL), PINPIPE_OK);
    CHECK_INT(export(&options, &s3, config,
                     "connector.class=io.confluent.connect.s3.S3SinkConnector\n"
                     "s3.region=us-east-1\nflush.size=1\nschema.compatibility=NONE\ntasks.max=3\n"
                     "topics.regex=0a1b.*\nformat.class=io.confluent.connect.s3.format.json.JsonFormat\n"
                     "partitioner.class=io.confluent.connect.storage.partitioner.DefaultPartitioner\n"
                     "value.converter.schemas.enable=false\n"
                     "value.converter=org.apache.kafka.connect.json.JsonConverter\n"
                     "storage.class=io.confluent.connect.s3.storage.S3Storage\n"
                     "key.converter=org.apache.kafka.connect.storage.StringConverter\n"
                     "s3.bucket.name=user-0a1b-bucket\nname=0a1b-connector\n"
                     "consumer.override.fetch.max.bytes=1048576\n",
                     NULL),
              PINPIPE_OK);
    CHECK_INT(options.flush_records, 1);
    CHECK(pp_str_is(options.topics, "0a1b.*") && pp_str_is(options.target, "s3://user-0a1b-bucket"));
    CHECK(pp_str_is(options.group, "connect-0a1b-connector") && pp_str_is(s3.region, "us-east-1"));
    CHECK_INT(options.null_values, PINPIPE_SINK_POLICY_FAIL);
    CHECK(options.config != NULL);
    CHECK_INT(export(&options, &s3, config,
                     "topics=a.pin, b+c\ns3.compression.type=gzip\ns3.compression.level=-1\n"
                     "s3.path.style.access.enabled=true\nbehavior.on.null.values=ignore\n"
                     "errors.tolerance=all\nerrors.deadletterqueue.topic.name=dead\n",
                     NULL),
              PINPIPE_OK);
    CHECK(pp_str_is(options.topics, "a\\.pin|b\\+c"));
    CHECK_INT(options.compression, PINPIPE_SINK_COMPRESSION_GZIP);
    CHECK_INT(options.compression_level, 0);
    CHECK_INT(s3.addressing, PINPIPE_S3_ADDRESSING_PATH);
    CHECK_INT(options.null_values, PINPIPE_SINK_POLICY_SKIP);
    CHECK(pp_str_is(options.dead_letter_topic, "dead"));
    pinpipe_sink_config_free(config);
}

static void test_refused_settings(void) {
    static const struct {
        const char *text, *named;
        pinpipe_status status;
    } rows[] = {
        {"format.class=io.confluent.connect.s3.format.avro.AvroFormat", "JsonFormat", PINPIPE_EINVAL},
        {"flush.sise=3", "flush.sise", PINPIPE_EINVAL},
        {"flush.size=many", "flush.size 'many'", PINPIPE_EINVAL},
        {"aws.access.key.id=AKID", "credentials", PINPIPE_ENOTSUP},
        {"transforms.x.type=y", "transforms", PINPIPE_ENOTSUP},
        {"errors.deadletterqueue.topic.name=dlq", "errors.tolerance=all", PINPIPE_EINVAL},
        {"errors.deadletterqueue.topic.name=dlq\nerrors.tolerance=none", "errors.tolerance=all",
         PINPIPE_EINVAL},
        {"report.null.values.to.dlq=true", "behavior.on.null.values=reject", PINPIPE_EINVAL},
        {"directory.delim=-", "only /", PINPIPE_EINVAL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pinpipe_sink_config *config = NULL;
        pinpipe_sink_options options;
        pinpipe_s3_options s3;
        pinpipe_error err = PINPIPE_ERROR_INIT;
        CHECK_INT(pinpipe_sink_config_new(&config, NULL), PINPIPE_OK);
        CHECK_INT(export(&options, &s3, config, rows[i].text, &err), rows[i].status);
        CHECK(strstr(err.message, rows[i].named) != NULL && strstr(err.message, "AKID") == NULL);
        pinpipe_sink_config_free(config);
    }
    CHECK(pinpipe_sink_setting_count() > 60);
    for (int64_t i = 0; i < pinpipe_sink_setting_count(); i++) {
        pinpipe_sink_setting row = pinpipe_sink_setting_at(i);
        CHECK(row.name.len > 0 && row.text.len > 0 && row.support.len > 0);
    }
}

int main(void) {
    test_fields();
    test_zones();
    test_folders();
    test_refused();
    test_schedule();
    test_course_config();
    test_refused_settings();
    return check_report();
}
