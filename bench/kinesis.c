/* Turns records into a Kinesis stream, straight or by a gateway, and prints CPU, allocations and requests as
 * a line of JSON. Never counts what the service costs: it runs elsewhere. Rules: docs/performance.md,
 * "Kinesis".
 *
 *     kinesis ENDPOINT CA-FILE json|cbor|aggregate|record RECORDS BYTES ROUNDS
 *     kinesis - - pack RECORDS BYTES ROUNDS      aggregates in memory */
#include "counting.h"
#include "measure.h"

#include "kinesis/aggregate.h"

typedef struct job {
    const char *endpoint, *ca_file, *way;
    int64_t records, bytes;
    long rounds;
} job;

static pinpipe_error err = PINPIPE_ERROR_INIT;

/* The keys of the course's emulators are few; here each record has its own, so that all shards are met. */
static pinpipe_str key_of(char text[24], int64_t number) {
    return (pinpipe_str){text, (size_t)snprintf(text, 24, "%lld", (long long)number)};
}

static pinpipe_kinesis_producer *producer_new(const job *todo) {
    pinpipe_kinesis_options client = PINPIPE_KINESIS_OPTIONS_INIT;
    pinpipe_kinesis_producer_options options = PINPIPE_KINESIS_PRODUCER_OPTIONS_INIT;
    pinpipe_kinesis_gateway gateway = PINPIPE_KINESIS_GATEWAY_INIT;
    pinpipe_kinesis_producer *producer = NULL;
    client.ca_file = (pinpipe_str){todo->ca_file, strlen(todo->ca_file)};
    client.wire = strcmp(todo->way, "cbor") == 0 ? PINPIPE_KINESIS_CBOR : PINPIPE_KINESIS_JSON;
    options.client = &client;
    options.stream = (pinpipe_str){"bench", 5};
    if (strcmp(todo->way, "record") == 0) {
        gateway.endpoint = (pinpipe_str){todo->endpoint, strlen(todo->endpoint)};
        gateway.resource = PINPIPE_KINESIS_GATEWAY_RECORD;
        options.gateway = &gateway;
    } else {
        client.endpoint = (pinpipe_str){todo->endpoint, strlen(todo->endpoint)};
    }
    options.aggregate_bytes = strcmp(todo->way, "aggregate") == 0 ? 51200 : 0;
    require(pinpipe_kinesis_producer_new(&producer, &options, &err), &err);
    return producer;
}

/* One record a request waits for its answer, as the course's script does; more go as they are full. */
static void round_run(pinpipe_kinesis_producer *producer, const job *todo, pinpipe_str data) {
    pinpipe_kinesis_record record = PINPIPE_KINESIS_RECORD_INIT;
    bool is_single = strcmp(todo->way, "record") == 0;
    char text[24];
    record.data = data;
    for (int64_t i = 0; i < todo->records; i++) {
        record.partition_key = key_of(text, i);
        require(pinpipe_kinesis_producer_write(producer, &record, i, 60000, &err), &err);
        if (is_single) {
            require(pinpipe_kinesis_producer_flush(producer, 60000, &err), &err);
        }
    }
    require(pinpipe_kinesis_producer_flush(producer, 60000, &err), &err);
}

static void pack_round(pp_aggregate *aggregate, pinpipe_buf *out, const job *todo, pinpipe_str data) {
    char text[24];
    pp_aggregate_clear(aggregate);
    for (int64_t i = 0; i < todo->records; i++) {
        pp_aggregate_record record = {key_of(text, i), {NULL, 0}, data};
        require(pp_aggregate_add(aggregate, &record, 10 << 20, &err), &err);
    }
    require(pp_aggregate_encode(out, aggregate, &err), &err);
}

static void told(const job *todo, measurement start, int64_t had, int64_t requests) {
    measurement end = measure();
    printf("{\"cpu_s\": %.6f, \"records\": %lld, \"requests\": %lld, \"allocations\": %lld, \"peak_kib\": "
           "%ld}\n",
           end.cpu_s - start.cpu_s, (long long)todo->records * todo->rounds, (long long)requests,
           (long long)(allocations - had), peak_kib());
}

static void pack(const job *todo, pinpipe_str data) {
    pp_aggregate aggregate = {0};
    pinpipe_buf out = PINPIPE_BUF_INIT;
    pack_round(&aggregate, &out, todo, data);
    int64_t had = allocations;
    measurement start = measure();
    for (long round = 0; round < todo->rounds; round++) {
        pack_round(&aggregate, &out, todo, data);
    }
    told(todo, start, had, todo->rounds);
    pp_aggregate_reset(&aggregate);
    pinpipe_buf_reset(&out);
}

static void send(const job *todo, pinpipe_str data) {
    pinpipe_kinesis_producer *producer = producer_new(todo);
    round_run(producer, todo, data); /* connections, buffers, pages */
    int64_t requests = pinpipe_kinesis_producer_count(producer, PINPIPE_KINESIS_REQUESTS), had = allocations;
    measurement start = measure();
    for (long round = 0; round < todo->rounds; round++) {
        round_run(producer, todo, data);
    }
    told(todo, start, had, pinpipe_kinesis_producer_count(producer, PINPIPE_KINESIS_REQUESTS) - requests);
    pinpipe_kinesis_producer_free(producer);
}

int main(int count, char **words) {
    pinpipe_library_options library = PINPIPE_LIBRARY_OPTIONS_INIT;
    if (count != 7) {
        fprintf(stderr, "kinesis ENDPOINT CA-FILE json|cbor|aggregate|record|pack RECORDS BYTES ROUNDS\n");
        return 2;
    }
    job todo = {words[1],
                words[2],
                words[3],
                strtoll(words[4], NULL, 10),
                strtoll(words[5], NULL, 10),
                strtol(words[6], NULL, 10)};
    library.realloc_bytes = counted_realloc;
    library.free_bytes = counted_free;
    require(pinpipe_library_configure(&library, &err), &err);
    char *bytes = malloc((size_t)todo.bytes);
    if (!bytes || todo.bytes < 2) {
        free(bytes);
        return 1;
    }
    memset(bytes, 'x',
           (size_t)todo.bytes); /* a JSON text: the gateway's resource of one record takes such only */
    bytes[0] = bytes[todo.bytes - 1] = '"';
    pinpipe_str data = {bytes, (size_t)todo.bytes};
    if (strcmp(todo.way, "pack") == 0) {
        pack(&todo, data);
    } else {
        send(&todo, data);
    }
    free(bytes);
    return 0;
}
