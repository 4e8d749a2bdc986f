/* Turns a running program into figures: CPU seconds, page faults, peak memory; and reads a file whole.
 * Never measures wall time: other work on the machine would be in it.
 * Rules: recipes/peers.md, "Method": user and system time, peak reset before the run. */
#ifndef PINPIPE_BENCH_MEASURE_H
#define PINPIPE_BENCH_MEASURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <pinpipe/pinpipe.h>

typedef struct measurement {
    double cpu_s;
    long faults;
} measurement;

static inline measurement measure(void) {
    struct rusage usage;
    struct timespec now;
    getrusage(RUSAGE_SELF, &usage);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (measurement){(double)now.tv_sec + 1e-9 * (double)now.tv_nsec, usage.ru_minflt + usage.ru_majflt};
}

static inline void require(pinpipe_status status, const pinpipe_error *err) {
    if (status < 0) {
        fprintf(stderr, "%s\n", err->message);
        exit(1);
    }
}

/** Peak memory from here on. */
static inline void peak_reset(void) {
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (file) {
        fputs("5", file);
        fclose(file);
    }
}

static inline long peak_kib(void) {
    char line[128];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && kib == 0 && fgets(line, sizeof line, file)) {
        if (strncmp(line, "VmHWM:", 6) == 0) {
            kib = strtol(line + 6, NULL, 10);
        }
    }
    if (file) {
        fclose(file);
    }
    return kib;
}

/** The record type of that name, or the end of the program. */
static inline int32_t record_of(const char *name) {
    for (int32_t record = 0; record < pinpipe_record_count(); record++) {
        if (strcmp(pinpipe_record_name(record), name) == 0) {
            return record;
        }
    }
    fprintf(stderr, "%s is no record type\n", name);
    exit(2);
}

/** The bytes of a file; the program's until its end. */
static inline pinpipe_str file_bytes(const char *path) {
    FILE *file = fopen(path, "rb");
    char *bytes = NULL;
    long len = -1;
    if (file && fseek(file, 0, SEEK_END) == 0 && (len = ftell(file)) >= 0) {
        rewind(file);
        bytes = malloc((size_t)len + 1);
    }
    if (!bytes || fread(bytes, 1, (size_t)len, file) != (size_t)len) {
        perror(path);
        exit(1);
    }
    fclose(file);
    return (pinpipe_str){bytes, (size_t)len};
}

#endif
