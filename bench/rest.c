/* Turns lines of a file into requests to a REST proxy and prints CPU, allocations and requests as a line of
 * JSON. Never counts what the proxy costs: it runs elsewhere. Rules: docs/performance.md, "REST proxy": one
 * record a request, and a hundred.
 *
 *     rest ENDPOINT FILE RECORDS-A-REQUEST ROUNDS */
#include "counting.h"
#include "measure.h"

/* One record a request waits for its answer, as the course's script does; more go as they are full. */
static void round_run(pinpipe_kafka_rest *rest, pinpipe_str text, int64_t batch) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_kafka_rest_record record = PINPIPE_KAFKA_REST_RECORD_INIT;
    int64_t taken = 0;
    record.topic = (pinpipe_str){"bench.pin", 9};
    if (batch > 1) {
        record.value = text;
        require(pinpipe_kafka_rest_lines_write(&taken, rest, &record, 60000, &err), &err);
        require(pinpipe_kafka_rest_flush(rest, 60000, &err), &err);
        return;
    }
    for (const char *at = text.ptr, *end = text.ptr + text.len; at < end;) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        record.value = (pinpipe_str){at, (size_t)((feed ? feed : end) - at)};
        require(pinpipe_kafka_rest_write(rest, &record, 60000, &err), &err);
        require(pinpipe_kafka_rest_flush(rest, 60000, &err), &err);
        at = feed ? feed + 1 : end;
    }
}

int main(int count, char **words) {
    pinpipe_library_options library = PINPIPE_LIBRARY_OPTIONS_INIT;
    pinpipe_kafka_rest_options options = PINPIPE_KAFKA_REST_OPTIONS_INIT;
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_kafka_rest *rest = NULL;
    if (count != 5) {
        fprintf(stderr, "rest ENDPOINT FILE RECORDS-A-REQUEST ROUNDS\n");
        return 2;
    }
    library.realloc_bytes = counted_realloc;
    library.free_bytes = counted_free;
    require(pinpipe_library_configure(&library, &err), &err);
    pinpipe_str text = file_bytes(words[2]);
    options.endpoint = (pinpipe_str){words[1], strlen(words[1])};
    options.batch_records = strtoll(words[3], NULL, 10);
    options.queue_bytes = 1 << 20;
    require(pinpipe_kafka_rest_new(&rest, &options, &err), &err);
    round_run(rest, text, options.batch_records); /* connections, buffers, pages */
    int64_t before = pinpipe_kafka_rest_count(rest, PINPIPE_KAFKA_REST_DELIVERED);
    int64_t requests = pinpipe_kafka_rest_count(rest, PINPIPE_KAFKA_REST_REQUESTS), had = allocations;
    measurement start = measure();
    for (long round = 0, rounds = strtol(words[4], NULL, 10); round < rounds; round++) {
        round_run(rest, text, options.batch_records);
    }
    measurement end = measure();
    printf("{\"cpu_s\": %.6f, \"records\": %lld, \"requests\": %lld, \"allocations\": %lld, \"peak_kib\": "
           "%ld}\n",
           end.cpu_s - start.cpu_s,
           (long long)(pinpipe_kafka_rest_count(rest, PINPIPE_KAFKA_REST_DELIVERED) - before),
           (long long)(pinpipe_kafka_rest_count(rest, PINPIPE_KAFKA_REST_REQUESTS) - requests),
           (long long)(allocations - had), peak_kib());
    pinpipe_kafka_rest_free(rest);
    free((char *)(uintptr_t)text.ptr);
    return 0;
}
