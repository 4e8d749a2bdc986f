/* Turns a topic of raw pins into objects of clean rows: consume, clean, put, sign a link to it, commit.
 * Never commits what is not stored; what a crash kept from its commit is stored twice, which pinpipe_sink
 * never does. Rules: docs/c.md. Run: kafka_to_s3 BROKERS TOPIC BUCKET IDLE_SECONDS, with keys and region in
 * the environment. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pinpipe/pinpipe.h>

enum { CALL_MS = 60000, LINK_S = 3600 };

typedef struct path {
    pinpipe_kafka_consumer *consumer;
    pinpipe_kafka_records *records;
    pinpipe_kafka_records_view read;
    pinpipe_decoder *decoder;
    pinpipe_batch *batch;
    pinpipe_report *report;
    pinpipe_provider *provider;
    pinpipe_s3 *s3;
    pinpipe_buf text;
    const char *bucket;
} path;

static pinpipe_str str(const char *text) {
    pinpipe_str view = {text, strlen(text)};
    return view;
}

static pinpipe_status job_open(path *job, char **arguments, pinpipe_error *err) {
    pinpipe_kafka_consumer_options reading = PINPIPE_KAFKA_CONSUMER_OPTIONS_INIT;
    pinpipe_decoder_options cleaning = PINPIPE_DECODER_OPTIONS_INIT; /* pins, clean */
    pinpipe_s3_options storing = PINPIPE_S3_OPTIONS_INIT;
    pinpipe_status status = pinpipe_provider_new(&job->provider, NULL, err);
    reading.brokers = str(arguments[1]);
    reading.topics = str(arguments[2]);
    reading.group = str("kafka_to_s3");
    storing.provider = job->provider;
    job->bucket = arguments[3];
    if (status < 0 || (status = pinpipe_s3_new(&job->s3, &storing, err)) < 0 ||
        (status = pinpipe_decoder_new(&job->decoder, &cleaning, err)) < 0 ||
        (status = pinpipe_batch_new(&job->batch, PINPIPE_PIN, PINPIPE_CLEAN, err)) < 0 ||
        (status = pinpipe_report_new(&job->report, PINPIPE_PIN, PINPIPE_CLEAN, err)) < 0 ||
        (status = pinpipe_kafka_records_new(&job->records, err)) < 0)
        return status;
    return pinpipe_kafka_consumer_new(&job->consumer, &reading, NULL, err);
}

static pinpipe_status clean(path *job, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    for (int64_t at = 0, taken = 0; at < job->read.count && status >= 0; at += taken) {
        status = pinpipe_kafka_records_decode(&taken, job->decoder, job->batch, job->records, at, job->report,
                                              err);
        status =
            status < 0 ? status : pinpipe_batch_encode(&job->text, job->batch, PINPIPE_FORMAT_NDJSON, err);
        pinpipe_batch_clear(job->batch);
    }
    return status;
}

/* A presigned URL: whoever has it may read the object for an hour. */
static pinpipe_status print_link(path *job, const char *key, pinpipe_error *err) {
    char url[1024];
    pinpipe_sign_request request = PINPIPE_SIGN_REQUEST_INIT;
    pinpipe_sign_options options = PINPIPE_SIGN_OPTIONS_INIT;
    pinpipe_credentials *keys = NULL;
    pinpipe_signature *signature = NULL;
    pinpipe_status status = pinpipe_provider_endpoint(&job->text, job->provider, str("s3"), err);
    if (status >= 0 && (status = pinpipe_provider_get(&keys, job->provider, CALL_MS, err)) >= 0) {
        snprintf(url, sizeof url, "%s/%s/%s", job->text.ptr, job->bucket, key);
        request.method = str("GET");
        request.url = str(url);
        options.form = PINPIPE_SIGN_QUERY;
        options.service = str("s3");
        options.region = pinpipe_provider_region(job->provider);
        options.time_s = pinpipe_provider_time_s(job->provider);
        options.expires_s = LINK_S;
        status = pinpipe_request_sign(&signature, &request, keys, &options, err);
    }
    if (status >= 0)
        printf("%.*s\n", (int)pinpipe_signature_url(signature).len, pinpipe_signature_url(signature).ptr);
    pinpipe_signature_free(signature);
    pinpipe_credentials_free(keys);
    return status;
}

/* The text becomes an object that is named for the first record that was read. */
static pinpipe_status put(path *job, const char *folder, pinpipe_error *err) {
    char key[400];
    pinpipe_str topic = job->read.topic_names[job->read.topics[0]], body = {job->text.ptr, job->text.len};
    snprintf(key, sizeof key, "%s/%.*s/%d-%010lld.ndjson", folder, (int)topic.len, topic.ptr,
             (int)job->read.partitions[0], (long long)job->read.offsets[0]);
    pinpipe_s3_name name = {str(job->bucket), str(key)};
    pinpipe_status status = pinpipe_s3_object_put(job->s3, name, body, NULL, CALL_MS, err);
    status = status < 0 ? status : print_link(job, key, err);
    job->text.len = 0;
    return status;
}

static pinpipe_status commit(path *job, pinpipe_error *err) {
    pinpipe_kafka_records_view *read = &job->read;
    pinpipe_status status = PINPIPE_OK;
    for (int64_t at = 0; at < read->count && status >= 0; at++) {
        pinpipe_kafka_offset next = {
            read->topic_names[read->topics[at]], read->partitions[at], 0, read->offsets[at] + 1, {NULL, 0}};
        if (at + 1 == read->count || read->partitions[at + 1] != next.partition)
            status = pinpipe_kafka_consumer_commit(job->consumer, &next, 1, CALL_MS, err);
        if (status == PINPIPE_ECONFLICT)
            status = PINPIPE_OK; /* the partition is another member's now, who stores these records again */
    }
    return status;
}

static pinpipe_status step(path *job, pinpipe_error *err) {
    pinpipe_status status = pinpipe_kafka_records_get(&job->read, job->records, err);
    if (status < 0 || job->read.count == 0 || (status = clean(job, err)) < 0 ||
        (status = put(job, "clean", err)) < 0)
        return status;
    if (pinpipe_report_reject_count(job->report) > 0) {
        status = pinpipe_report_encode_rejects(&job->text, job->report, err);
        status = status < 0 ? status : put(job, "rejects", err);
        pinpipe_report_clear_rejects(job->report);
    }
    return status < 0 ? status : commit(job, err);
}

static void job_free(path *job) {
    pinpipe_kafka_consumer_free(job->consumer);
    pinpipe_kafka_records_free(job->records);
    pinpipe_decoder_free(job->decoder);
    pinpipe_batch_free(job->batch);
    pinpipe_report_free(job->report);
    pinpipe_s3_free(job->s3);
    pinpipe_provider_free(job->provider);
    pinpipe_buf_reset(&job->text);
}

int main(int count, char **arguments) {
    static path job;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_status status = count == 5 ? job_open(&job, arguments, &err) : PINPIPE_DONE;
    job.read.struct_size = (uint32_t)sizeof job.read;
    int64_t told = 0, before = -1; /* silence counts once the group has told which partitions are ours */
    while (status >= 0 && status != PINPIPE_DONE && !(status == PINPIPE_AGAIN && told && told == before)) {
        before = told;
        status = pinpipe_kafka_consumer_read(job.records, job.consumer, NULL,
                                             1000 * strtoll(arguments[4], NULL, 10), &err);
        told = pinpipe_kafka_consumer_generation(job.consumer);
        status = status == PINPIPE_OK ? step(&job, &err) : status;
    }
    if (count != 5)
        fprintf(stderr, "usage: %s BROKERS TOPIC BUCKET IDLE_SECONDS\n", arguments[0]);
    else if (status < 0)
        fprintf(stderr, "%s: %s\n", pinpipe_status_text(status), err.message);
    else
        fprintf(stderr, "%lld records, %lld rejected\n", (long long)pinpipe_report_records(job.report),
                (long long)pinpipe_report_rejected(job.report));
    job_free(&job);
    return count != 5 ? 2 : status < 0;
}
