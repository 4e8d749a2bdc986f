/* Turns one Kinesis PutRecord, signed again and again, into a line of JSON: CPU of each way, allocations,
 * threads. Never compares unlike work: the plain one-shot signer beside ours gives the same signature, or
 * nothing is printed. Rules: reference/signing.md §6: variant A, the template of a second, the floor. */
#define OPENSSL_SUPPRESS_DEPRECATED /* the floor is taken as the library takes it */
#include <pthread.h>
#include <sched.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "counting.h"
#include "measure.h"

#define BODY_BYTES 1000
#define TOKEN_BYTES 600
#define SIGNS 20000
#define ROUNDS 7
#define THREAD_ROUNDS 5
#define THREAD_SIGNS 200000
#define TIME_S 1700000000 /* 2023-11-14T22:13:20Z; what follows stays within the day */
#define TIME_TEXT "20231114T22"
#define SCOPE "20231114/eu-west-1/kinesis/aws4_request"
#define TARGET "Kinesis_20131202.PutRecord"
#define CONTENT_TYPE "application/x-amz-json-1.1"
#define HOST "kinesis.eu-west-1.amazonaws.com"
#define KEY_ID "AKIDEXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

static void *crypto_malloc(size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    allocations++;
    return malloc(size);
}

static void *crypto_realloc(void *ptr, size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    allocations++;
    return realloc(ptr, size);
}

static void crypto_free(void *ptr, const char *file, int line) {
    (void)file;
    (void)line;
    free(ptr);
}

/* ---- variant A: what a program without this library writes ---- */

typedef struct plain_header {
    const char *name, *value;
} plain_header;

static int plain_compare(const void *a, const void *b) {
    return strcmp(((const plain_header *)a)->name, ((const plain_header *)b)->name);
}

static void plain_hex(char *out, const unsigned char *bytes) {
    for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++) {
        char *pair = out + (size_t)2 * i;
        pair[0] = "0123456789abcdef"[bytes[i] >> 4];
        pair[1] = "0123456789abcdef"[bytes[i] & 15];
    }
    out[(size_t)2 * SHA256_DIGEST_LENGTH] = '\0';
}

static void plain_hmac(unsigned char *out, const void *key, size_t key_len, const char *text) {
    unsigned int len = 0;
    HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, strlen(text), out, &len);
}

static void plain_sign(char signature[65], char *authorization, size_t room, const char *body, int64_t time_s,
                       const char *token) {
    unsigned char digest[SHA256_DIGEST_LENGTH], key[SHA256_DIGEST_LENGTH];
    char hash[65], time_text[64], canonical[2048], text[512], names[256], first[128];
    int second = (int)(time_s % 3600);
    snprintf(time_text, sizeof time_text, TIME_TEXT "%02d%02dZ", second / 60, second % 60);
    plain_header headers[] = {{"x-amz-target", TARGET},
                              {"content-type", CONTENT_TYPE},
                              {"host", HOST},
                              {"x-amz-date", time_text},
                              {"x-amz-security-token", token}};
    size_t count = sizeof headers / sizeof headers[0] - (*token ? 0 : 1);
    qsort(headers, count, sizeof headers[0], plain_compare);
    size_t at = (size_t)snprintf(canonical, sizeof canonical, "POST\n/\n\n"), names_at = 0;
    for (size_t i = 0; i < count; i++) {
        at += (size_t)snprintf(canonical + at, sizeof canonical - at, "%s:%s\n", headers[i].name,
                               headers[i].value);
        names_at += (size_t)snprintf(names + names_at, sizeof names - names_at, "%s%s", i ? ";" : "",
                                     headers[i].name);
    }
    SHA256((const unsigned char *)body, BODY_BYTES, digest);
    plain_hex(hash, digest);
    at += (size_t)snprintf(canonical + at, sizeof canonical - at, "\n%s\n%s", names, hash);
    SHA256((const unsigned char *)canonical, at, digest);
    plain_hex(hash, digest);
    snprintf(text, sizeof text, "AWS4-HMAC-SHA256\n%s\n" SCOPE "\n%s", time_text, hash);
    snprintf(first, sizeof first, "AWS4%s", SECRET);
    plain_hmac(key, first, strlen(first), "20231114");
    plain_hmac(key, key, sizeof key, "eu-west-1");
    plain_hmac(key, key, sizeof key, "kinesis");
    plain_hmac(key, key, sizeof key, "aws4_request");
    plain_hmac(digest, key, sizeof key, text);
    plain_hex(signature, digest);
    snprintf(authorization, room,
             "AWS4-HMAC-SHA256 Credential=" KEY_ID "/" SCOPE ", SignedHeaders=%s, Signature=%s", names,
             signature);
}

/* ---- ours ---- */

typedef struct work {
    pinpipe_signer *signer;
    pinpipe_credentials *key;
    pinpipe_header headers[2];
    pinpipe_sign_request request;
    pinpipe_sign_options options;
    char token[TOKEN_BYTES + 1];
    char body[BODY_BYTES];
    int64_t counter;
    int64_t signs;
} work;

static void work_open(work *out, int has_token) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_credentials_options parts = PINPIPE_CREDENTIALS_OPTIONS_INIT;
    memset(out, 0, sizeof *out);
    memset(out->body, 'x', sizeof out->body);
    memset(out->token, 't', has_token ? TOKEN_BYTES : 0);
    parts.access_key_id = pinpipe_str_of(KEY_ID);
    parts.secret_access_key = pinpipe_str_of(SECRET);
    parts.session_token = pinpipe_str_of(out->token);
    require(pinpipe_credentials_new(&out->key, &parts, &err), &err);
    require(pinpipe_signer_new(&out->signer, &err), &err);
    out->request = (pinpipe_sign_request)PINPIPE_SIGN_REQUEST_INIT;
    out->options = (pinpipe_sign_options)PINPIPE_SIGN_OPTIONS_INIT;
    out->headers[0] = (pinpipe_header){pinpipe_str_of("X-Amz-Target"), pinpipe_str_of(TARGET)};
    out->headers[1] = (pinpipe_header){pinpipe_str_of("Content-Type"), pinpipe_str_of(CONTENT_TYPE)};
    out->request.method = pinpipe_str_of("POST");
    out->request.url = pinpipe_str_of("https://" HOST "/");
    out->request.body = (pinpipe_str){out->body, BODY_BYTES};
    out->request.headers = out->headers;
    out->request.header_count = 2;
    out->options.service = pinpipe_str_of("kinesis");
    out->options.region = pinpipe_str_of("eu-west-1");
    out->options.time_s = TIME_S;
}

static void work_close(work *of) {
    pinpipe_signer_free(of->signer);
    pinpipe_credentials_free(of->key);
}

/* No two bodies are the same. */
static void body_next(work *of) {
    of->counter++;
    memcpy(of->body, &of->counter, sizeof of->counter);
}

static int64_t second_next(const work *of) {
    return TIME_S - TIME_S % 3600 + of->counter % 3600;
}

static void one_plain(work *of) {
    char signature[65], authorization[512];
    plain_sign(signature, authorization, sizeof authorization, of->body, second_next(of), of->token);
}

static void one_ours(work *of) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    const pinpipe_signature *signature = NULL;
    require(pinpipe_signer_sign(&signature, of->signer, &of->request, of->key, &of->options, &err), &err);
}

/* Another second each time: the key is there, the template is not. */
static void one_generic(work *of) {
    of->options.time_s = second_next(of);
    one_ours(of);
}

static void one_template(work *of) {
    of->options.time_s = TIME_S;
    one_ours(of);
}

static void one_floor(work *of) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, of->body, BODY_BYTES);
    SHA256_Final(digest, &context);
}

static void agree(work *of) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    for (int i = 0; i < 1000; i++) {
        char signature[65], authorization[512];
        const pinpipe_signature *ours = NULL;
        body_next(of);
        of->options.time_s = i % 2 ? of->options.time_s : second_next(of);
        plain_sign(signature, authorization, sizeof authorization, of->body, of->options.time_s, of->token);
        require(pinpipe_signer_sign(&ours, of->signer, &of->request, of->key, &of->options, &err), &err);
        pinpipe_str text = pinpipe_signature_text(ours);
        pinpipe_header last = pinpipe_signature_header_at(ours, pinpipe_signature_header_count(ours) - 1);
        if (memcmp(text.ptr, signature, 64) != 0 || last.value.len != strlen(authorization) ||
            memcmp(last.value.ptr, authorization, last.value.len) != 0) {
            fprintf(stderr, "the signatures differ\n");
            exit(1);
        }
    }
}

/* ---- figures ---- */

typedef void way(work *);

static int double_compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, double_compare);
    return values[count / 2];
}

static double clock_s(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double way_time(way *one, work *of) {
    double before = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < SIGNS; i++) {
        body_next(of);
        one(of);
    }
    return 1e9 * (clock_s(CLOCK_PROCESS_CPUTIME_ID) - before) / SIGNS;
}

static double way_allocations(way *one, work *of) {
    one(of);
    int64_t before = allocations;
    for (int i = 0; i < SIGNS; i++) {
        body_next(of);
        one(of);
    }
    return (double)(allocations - before) / SIGNS;
}

static void ways_print(const char *label, int has_token) {
    static const struct {
        const char *name;
        way *one;
    } ways[] = {
        {"one-shot", one_plain}, {"generic", one_generic}, {"template", one_template}, {"floor", one_floor}};
    enum { WAYS = sizeof ways / sizeof ways[0] };
    double times[WAYS][ROUNDS];
    work of;
    work_open(&of, has_token);
    agree(&of);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < WAYS; i++) {
            times[i][round] = way_time(ways[i].one, &of);
        }
    }
    printf("\"%s\": {", label);
    for (int i = 0; i < WAYS; i++) {
        printf("%s\"%s\": {\"ns\": %.1f, \"allocations\": %.3f}", i ? ", " : "", ways[i].name,
               median(times[i], ROUNDS), way_allocations(ways[i].one, &of));
    }
    printf("}");
    work_close(&of);
}

static void *thread_run(void *user) {
    work *of = user;
    for (int64_t i = 0; i < of->signs; i++) {
        body_next(of);
        one_generic(of);
    }
    return NULL;
}

typedef struct threads_took {
    double wall_s;
    double cpu_s;
} threads_took;

/* `count` threads sign at once, each by its own signer. */
static threads_took threads_time(work *works, int count) {
    pthread_t threads[2];
    double wall = clock_s(CLOCK_MONOTONIC), cpu = clock_s(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < count; i++) {
        works[i].signs = THREAD_SIGNS;
        if (pthread_create(&threads[i], NULL, thread_run, &works[i]) != 0) {
            exit(1);
        }
    }
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
    return (threads_took){clock_s(CLOCK_MONOTONIC) - wall, clock_s(CLOCK_PROCESS_CPUTIME_ID) - cpu};
}

/* On the wall clock other work on the machine counts; by CPU a signature only what the threads do to each
 * other. */
static void threads_print(void) {
    static work works[2];
    double wall[THREAD_ROUNDS], cpu[THREAD_ROUNDS];
    cpu_set_t all;
    memset(&all, 0xff, sizeof all); /* the caller may have bound us to one core */
    sched_setaffinity(0, sizeof all, &all);
    work_open(&works[0], 1);
    work_open(&works[1], 1);
    for (int round = 0; round < THREAD_ROUNDS; round++) {
        threads_took one = threads_time(works, 1), two = threads_time(works, 2);
        wall[round] = 2 * one.wall_s / two.wall_s;
        cpu[round] = 4 * one.cpu_s / two.cpu_s;
    }
    printf("\"two_threads_wall\": %.3f, \"two_threads_cpu\": %.3f", median(wall, THREAD_ROUNDS),
           median(cpu, THREAD_ROUNDS));
    work_close(&works[0]);
    work_close(&works[1]);
}

int main(void) {
    pinpipe_error err = PINPIPE_ERROR_INIT;
    pinpipe_library_options library = PINPIPE_LIBRARY_OPTIONS_INIT;
    library.realloc_bytes = counted_realloc;
    library.free_bytes = counted_free;
    if (!CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free)) {
        return 1;
    }
    require(pinpipe_library_configure(&library, &err), &err);
    printf("{");
    ways_print("with_token", 1);
    printf(", ");
    ways_print("without_token", 0);
    printf(", ");
    threads_print();
    printf("}\n");
    return 0;
}
