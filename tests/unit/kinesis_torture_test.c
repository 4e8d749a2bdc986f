/* Turns every allocation of leases, of a producer's requests and of subscriptions into a failure, one by one.
 * Never accepts a leak, a crash, or a record that is neither delivered nor failed nor waiting.
 * Rules: docs/architecture.md, "Hygiene"; docs/kinesis.md; docs/stream.md, "Groups". */
#include "counting_memory.h"

#if PINPIPE_WITH_KINESIS

#include "base/buffer.h"
#include "loopback.h"
#include "pinpipe/kinesis_consumer.h"
#include "pinpipe/lease.h"

/* Allocations that a job may make at most; a job that makes more has lost its bound. */
#define ALLOCATIONS_MAX 2000
#define WAIT_MS 3000
#define RECORDS 3
#define SHARD "shardId-000000000000"

static loopback server;
static char endpoint[64];
static char folder[64] = "/tmp/pinpipe-torture-XXXXXX";

typedef pinpipe_status (*job_fn)(pinpipe_error *err);

static void serve(const loopback_answer *answers, int count) {
    server = (loopback){.answers = answers, .count = count, .endless = true};
    CHECK(loopback_begin(&server));
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d", server.port);
}

/* ---- leases ---- */

/* A shard and its child: made, taken, read to the end, forgotten, given away. */
static pinpipe_status leases_run(pinpipe_leases *leases, pinpipe_error *err) {
    pinpipe_str shard = pp_str(SHARD), child = pp_str("child");
    pinpipe_status status = pinpipe_leases_put(leases, shard, (pinpipe_str){0}, (pinpipe_str){0}, err);
    if (status >= 0) {
        status = pinpipe_leases_put(leases, child, shard, (pinpipe_str){0}, err);
    }
    if (status >= 0) {
        status = pinpipe_leases_poll(leases, WAIT_MS, err);
    }
    if (status >= 0) {
        status = pinpipe_leases_commit(leases, shard, pp_str("SHARD_END"), 0, WAIT_MS, err);
    }
    if (status >= 0) {
        status = pinpipe_leases_clear(leases, shard, WAIT_MS, err);
    }
    return status >= 0 ? pinpipe_leases_release(leases, shard, WAIT_MS, err) : status;
}

static pinpipe_status leases_job(const char *url, pinpipe_error *err) {
    pinpipe_leases_options options = PINPIPE_LEASES_OPTIONS_INIT;
    pinpipe_leases *leases = NULL;
    options.url = pp_str(url);
    options.owner = pp_str("member");
    options.lease_ms = 100;
    pinpipe_status status = pinpipe_leases_open(&leases, &options, err);
    status = status >= 0 ? leases_run(leases, err) : status;
    pinpipe_leases_free(leases);
    return status;
}

static pinpipe_status folder_job(pinpipe_error *err) {
    char url[128], command[128];
    snprintf(url, sizeof url, "file://%s/leases", folder);
    snprintf(command, sizeof command, "rm -rf %s/leases", folder);
    CHECK(system(command) == 0); /* every run finds nothing */
    return leases_job(url, err);
}

static pinpipe_status bucket_job(pinpipe_error *err) {
    return leases_job("s3://bucket/leases", err);
}

/* ---- requests ---- */

static pinpipe_status writes_run(pinpipe_kinesis_producer *producer, pinpipe_error *err) {
    pinpipe_status status = PINPIPE_OK;
    for (int64_t i = 0; status == PINPIPE_OK && i < RECORDS; i++) {
        pinpipe_kinesis_record record = PINPIPE_KINESIS_RECORD_INIT;
        record.data = pp_str("{\"ind\": 1}");
        record.partition_key = pp_str("k");
        status = pinpipe_kinesis_producer_write(producer, &record, i, WAIT_MS, err);
    }
    pinpipe_status flushed = pinpipe_kinesis_producer_flush(producer, WAIT_MS, err);
    int64_t written = pinpipe_kinesis_producer_count(producer, PINPIPE_KINESIS_WRITTEN);
    CHECK_INT(pinpipe_kinesis_producer_count(producer, PINPIPE_KINESIS_DELIVERED), written);
    return status < 0 ? status : flushed;
}

static pinpipe_status producer_job(pinpipe_error *err) {
    pinpipe_kinesis_options client = PINPIPE_KINESIS_OPTIONS_INIT;
    pinpipe_kinesis_producer_options options = PINPIPE_KINESIS_PRODUCER_OPTIONS_INIT;
    pinpipe_kinesis_producer *producer = NULL;
    client.endpoint = pp_str(endpoint);
    options.client = &client;
    options.stream = pp_str("stream");
    options.linger_ms = -1;
    options.in_flight = 1;
    pinpipe_status status = pinpipe_kinesis_producer_new(&producer, &options, err);
    status = status == PINPIPE_OK ? writes_run(producer, err) : status;
    pinpipe_kinesis_producer_free(producer);
    return status;
}

/* ---- subscriptions ---- */

static pinpipe_status subscription_job(pinpipe_error *err) {
    pinpipe_kinesis_options client = PINPIPE_KINESIS_OPTIONS_INIT;
    pinpipe_kinesis_consumer_options options = PINPIPE_KINESIS_CONSUMER_OPTIONS_INIT;
    pinpipe_kinesis_consumer *consumer = NULL;
    pinpipe_kinesis_records *records = NULL;
    client.endpoint = pp_str(endpoint);
    options.client = &client;
    options.stream = pp_str("stream");
    options.fan_out = pp_str("arn:aws:kinesis:eu-west-1:1:stream/stream/consumer/c:1");
    pinpipe_status status = pinpipe_kinesis_records_new(&records, err);
    if (status == PINPIPE_OK) {
        status = pinpipe_kinesis_consumer_new(&consumer, &options, err);
    }
    for (int i = 0; status >= 0 && i < 20 && atomic_load(&server.requests) < 2; i++) {
        status = pinpipe_kinesis_consumer_read(records, consumer, NULL, 20, err);
    }
    pinpipe_kinesis_consumer_free(consumer);
    pinpipe_kinesis_records_free(records);
    /* What the server answers to a subscription is no event stream. */
    return status >= 0 || status == PINPIPE_EDATA ? PINPIPE_OK : status;
}

/* ---- all of them ---- */

/* How often the job failed before it had all that it asked for. `answers` are given anew to each run. */
static int64_t job_torture(job_fn job, const loopback_answer *answers, int count) {
    int64_t failed = 0, at = 1;
    for (bool is_done = false; !is_done && at <= ALLOCATIONS_MAX; at++) {
        pinpipe_error err = PINPIPE_ERROR_INIT;
        serve(answers, count);
        setenv("AWS_ENDPOINT_URL_S3", endpoint, 1);
        int64_t held = memory.held;
        memory.requests = memory.failed = 0;
        memory.fail_at = at;
        pinpipe_status status = job(&err);
        memory.fail_at = 0;
        CHECK_INT(memory.held, held);
        is_done = !memory.failed;
        if (is_done ? status < 0 : status < 0 && status != PINPIPE_ENOMEM) {
            fprintf(stderr, "request %lld: %s %s\n", (long long)at, pinpipe_status_name(status), err.message);
        }
        /* What is tried once more may do without. */
        CHECK(status >= 0 || (!is_done && status == PINPIPE_ENOMEM));
        failed += !is_done;
        loopback_end(&server);
    }
    return failed;
}

int main(void) {
    static const loopback_answer bucket[] = {{.line = "",
                                              .status = 200,
                                              .headers = "ETag: \"e\"\r\n",
                                              .body = "<ListBucketResult></ListBucketResult>"}};
    static const loopback_answer stream[] = {
        {.line = "",
         .status = 200,
         .body =
             "{\"StreamDescriptionSummary\":{\"StreamName\":\"stream\",\"StreamStatus\":\"ACTIVE\"},"
             "\"Shards\":[{"
             "\"ShardId\":\"" SHARD "\",\"HashKeyRange\":{\"StartingHashKey\":\"0\",\"EndingHashKey\":"
             "\"340282366920938463463374607431768211455\"},\"SequenceNumberRange\":{"
             "\"StartingSequenceNumber\":\"1\"}}],\"Records\":[{\"SequenceNumber\":\"1\",\"ShardId\":\"" SHARD
             "\"},{\"SequenceNumber\":\"2\",\"ShardId\":\"" SHARD
             "\"},{\"SequenceNumber\":\"3\",\"ShardId\":\"" SHARD "\"}]}"}};
    static const struct {
        const char *name;
        job_fn job;
        const loopback_answer *answers;
    } jobs[] = {{"leases in a folder", folder_job, bucket},
                {"leases in a bucket", bucket_job, bucket},
                {"requests", producer_job, stream},
                {"subscriptions", subscription_job, stream}};
    memory_watch();
    setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", 1);
    setenv("AWS_REGION", "eu-west-1", 1);
    CHECK(mkdtemp(folder) != NULL);
    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
        int64_t failed = job_torture(jobs[i].job, jobs[i].answers, 1);
        printf("%s: %lld requests for memory failed\n", jobs[i].name, (long long)failed);
        CHECK(failed > 5 && failed < ALLOCATIONS_MAX);
    }
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK(system(command) == 0);
    return check_report();
}
#else
int main(void) {
    CHECK(1);
    return check_report();
}
#endif
