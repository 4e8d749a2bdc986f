/* Turns a topic of raw pins into objects of clean rows, with keys and region from the environment: consume,
 * clean, put, sign a link to it, commit. Never commits what is not stored and never replaces an object: what
 * a crash kept from its commit is stored twice, which pinpipe_sink never does. Rules: docs/c.md. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <pinpipe/pinpipe.h>

enum { CALL_MS = 60000 };

typedef struct path {
    pinpipe_kafka_consumer *consumer;
    pinpipe_kafka_records *records;
    pinpipe_decoder *decoder;
    pinpipe_batch *batch;
    pinpipe_report *report;
    pinpipe_s3 *s3;
    pinpipe_buf text;
} path;

/* Stores the text, named for its first record and the time, and prints a link that is good for an hour. */
static pinpipe_status put(path *job, pinpipe_str bucket, const char *folder, pinpipe_error *err) {
    char key[400];
    struct timespec now = {0, 0};
    pinpipe_kafka_records_view read = PINPIPE_KAFKA_RECORDS_VIEW_INIT;
    pinpipe_str text = {job->text.ptr, job->text.len};
    pinpipe_status status = pinpipe_kafka_records_get(&read, job->records, err);
    if (status < 0 || text.len == 0)
        return status;
    timespec_get(&now, TIME_UTC);
    snprintf(key, sizeof key, "%s/%.*s/%d-%010lld-%lld%09ld.ndjson", folder, (int)read.topic_names[0].len,
             read.topic_names[0].ptr, (int)read.partitions[0], (long long)read.offsets[0],
             (long long)now.tv_sec, now.tv_nsec);
    pinpipe_s3_name name = {bucket, pinpipe_str_of(key)};
    if ((status = pinpipe_s3_object_put(job->s3, name, text, NULL, CALL_MS, err)) >= 0 &&
        (status = pinpipe_s3_object_sign(&job->text, job->s3, name, NULL, CALL_MS, err)) >= 0)
        puts(job->text.ptr); /* in place of what is stored */
    job->text.len = 0;
    return status;
}

/* Commits what was read once rows and rejects are stored; what is another member's by now comes again there.
 */
static pinpipe_status step(path *job, pinpipe_str bucket, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    for (int64_t at = 0, taken = 1; taken > 0 && status >= 0; at += taken) {
        pinpipe_batch_clear(job->batch);
        if ((status = pinpipe_kafka_records_decode(&taken, job->decoder, job->batch, job->records, at,
                                                   job->report, err)) >= 0)
            status = pinpipe_batch_encode(&job->text, job->batch, PINPIPE_FORMAT_NDJSON, err);
    }
    if (status >= 0 && (status = put(job, bucket, "clean", err)) >= 0 &&
        (status = pinpipe_report_encode_rejects(&job->text, job->report, err)) >= 0 &&
        (status = put(job, bucket, "rejects", err)) >= 0)
        status = pinpipe_kafka_consumer_commit_records(job->consumer, job->records, CALL_MS, err);
    pinpipe_report_clear_rejects(job->report);
    return status;
}

int main(int count, char **arguments) {
    path job = {0};
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_kafka_consumer_options reading = PINPIPE_KAFKA_CONSUMER_OPTIONS_INIT;
    if (count != 5) {
        fprintf(stderr, "usage: %s BROKERS TOPIC BUCKET IDLE_SECONDS\n", arguments[0]);
        return 2;
    }
    reading.brokers = pinpipe_str_of(arguments[1]);
    reading.topics = pinpipe_str_of(arguments[2]);
    reading.group = pinpipe_str_of("kafka_to_s3");
    reading.revocation = PINPIPE_KAFKA_REVOCATION_HELD; /* until what was read is committed */
    pinpipe_status status = pinpipe_s3_new(&job.s3, NULL, &err);
    if (status >= 0 && (status = pinpipe_decoder_new(&job.decoder, NULL, &err)) >= 0 &&
        (status = pinpipe_batch_new(&job.batch, PINPIPE_PIN, PINPIPE_CLEAN, &err)) >= 0 &&
        (status = pinpipe_report_new(&job.report, PINPIPE_PIN, PINPIPE_CLEAN, &err)) >= 0 &&
        (status = pinpipe_kafka_records_new(&job.records, &err)) >= 0)
        status = pinpipe_kafka_consumer_new(&job.consumer, &reading, NULL, &err);
    for (int64_t idle_ms = 1000 * strtoll(arguments[4], NULL, 10); status >= 0;) {
        int64_t told = pinpipe_kafka_consumer_generation(job.consumer);
        status = pinpipe_kafka_consumer_read(job.records, job.consumer, NULL, idle_ms, &err);
        if (status == PINPIPE_OK)
            status = step(&job, pinpipe_str_of(arguments[3]), &err);
        else if (told && told == pinpipe_kafka_consumer_generation(job.consumer))
            break; /* silence counts once the group has told which partitions are ours */
    }
    if (status < 0)
        fprintf(stderr, "%s: %s\n", pinpipe_status_text(status), err.message);
    else
        fprintf(stderr, "%lld records, %lld rejected\n", (long long)pinpipe_report_records(job.report),
                (long long)pinpipe_report_rejected(job.report));
    pinpipe_kafka_consumer_free(job.consumer);
    pinpipe_kafka_records_free(job.records);
    pinpipe_decoder_free(job.decoder);
    pinpipe_batch_free(job.batch);
    pinpipe_report_free(job.report);
    pinpipe_s3_free(job.s3);
    pinpipe_buf_reset(&job.text);
    return status < 0;
}
