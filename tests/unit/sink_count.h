/* Turns the objects of a sink into one count of every offset.
 * Never asks the sink what it stored: folders are read.
 * Rules: docs/sink.md, "Exactly once". */
#ifndef PP_TESTS_SINK_COUNT_H
#define PP_TESTS_SINK_COUNT_H

#include "sinking.h"

#include "base/compress.h"
#include "pipeline/object_store.h"

enum { RECORDS = 500 };

static int seen[4][RECORDS + 1];
static int lines_total;

static inline pinpipe_status line_count(void *user, pinpipe_str bytes, pinpipe_error *err) {
    return pp_buf_append(user, bytes.ptr, bytes.len, err);
}

/* {"topic":…,"offset":N,…,"value":{"n": N,…}} */
static inline void lines_take(const char *text) {
    while (*text) {
        const char *offset = strstr(text, "\"offset\":");
        const char *partition = strstr(text, "\"partition\":");
        CHECK(offset && partition);
        if (!offset || !partition) {
            return;
        }
        long at = strtol(offset + 9, NULL, 10);
        long number = strtol(partition + 12, NULL, 10);
        CHECK(at >= 0 && at < RECORDS && number >= 0 && number < 4);
        seen[number][at]++;
        lines_total++;
        text = strchr(text, '\n') + 1;
    }
}

static inline int entry_read(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void)info;
    if (kind != FTW_F || path[place->base] == '.') {
        return 0;
    }
    pinpipe_buf file = file_read(path + strlen(folder) + 1), text = PINPIPE_BUF_INIT;
    pp_codec codec = strstr(path, ".gz")    ? PP_CODEC_GZIP
                     : strstr(path, ".zst") ? PP_CODEC_ZSTD
                                            : PP_CODEC_NONE;
    pp_expander *expander = NULL;
    CHECK_INT(pp_expander_new(&expander, codec, NULL), PINPIPE_OK);
    CHECK_INT(pp_expander_feed(expander, pp_buf_view(&file), line_count, &text, NULL), PINPIPE_OK);
    CHECK_INT(pp_expander_end(expander, NULL), PINPIPE_OK);
    pp_expander_free(expander);
    lines_take(text.ptr ? text.ptr : "");
    pinpipe_buf_reset(&text);
    pinpipe_buf_reset(&file);
    return 0;
}

/* Every offset once; -1 = so far. */
static inline void count_all(int wanted) {
    memset(seen, 0, sizeof seen);
    lines_total = 0;
    nftw(folder, entry_read, 16, FTW_PHYS);
    CHECK(wanted < 0 || lines_total == wanted);
    int again = 0;
    for (int partition = 0; partition < 4; partition++) {
        for (int offset = 0; offset < RECORDS; offset++) {
            again += seen[partition][offset] > 1;
        }
    }
    CHECK_INT(again, 0);
}

static inline pinpipe_sink_options envelope_options(pinpipe_kafka_config *config, const char *group) {
    pinpipe_sink_options options = options_of(config);
    options.group = pp_str(group);
    options.format = PINPIPE_SINK_FORMAT_ENVELOPE;
    return options;
}

#endif
